//! What the shards of one request are read at: one timestamp for all, strong or stale.
//!
//! ```text
//!  strong: a timestamp of the clock group ─► the leader of each shard
//!  stale:  the least of what a replica of each shard has resolved ─► any replica that has resolved it
//!  auto:   strong; stale when a quorum is out of reach
//! ```
//!
//! Below a resolved timestamp nothing commits any more, so a stale read sees every transaction whole or not at all.

use crate::documents::{Coordinator, ReadConsistency};
use crate::error::CoordinatorError;
use crate::limits::FAN_OUT_MAX;
use crate::retry::{Effect, ask_any, ask_leader};
use crate::transport::{Read, Served, TransportError};
use futures::StreamExt;
use phoenixmldb_types::{MapNode, ShardId, Timestamp};
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// One timestamp, and how it came to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReadPoint {
    /// [`Read::At`] or [`Read::StaleAt`].
    pub(crate) read: Read,
    /// For the reply: of a stale read the lowest applied position and the longest silence.
    pub(crate) served: Served,
}

impl ReadPoint {
    fn strong(read_ts: Timestamp, node: String) -> Self {
        Self { read: Read::At(read_ts), served: Served { read_ts, node, ..Served::default() } }
    }
}

impl Coordinator {
    /// A point now, or at a timestamp that was given.
    pub(crate) async fn strong_point(&self, at: Option<u64>, limit: Duration) -> Result<ReadPoint, CoordinatorError> {
        let read_ts = match at {
            Some(at) => Timestamp(at),
            None => self
                .transport()
                .timestamp(limit)
                .await
                .map_err(|reason| CoordinatorError::ClockUnavailable { reason })?,
        };
        Ok(ReadPoint::strong(read_ts, self.router().own().to_string()))
    }

    /// The newest point that a replica of each shard has resolved; and the shards without a replica within reach, which
    /// are left out if that is `partial`.
    pub(crate) async fn stale_point(
        &self,
        shards: &[ShardId],
        deadline: Instant,
        partial: bool,
    ) -> Result<(ReadPoint, Vec<ShardId>), CoordinatorError> {
        let (router, transport) = (self.router(), self.transport());
        let asked =
            futures::stream::iter(shards.to_vec()).map(|shard| async move {
                let answer = ask_any(router, shard, deadline, |node, left| async move {
                    transport.resolved(&node, shard, left).await
                });
                (shard, answer.await)
            });
        let answers: Vec<_> = asked.buffer_unordered(FAN_OUT_MAX).collect().await;
        let mut served: Option<Served> = None;
        let (mut missing, mut failure) = (Vec::new(), None);
        for (shard, answer) in answers {
            match answer {
                Ok(one) => {
                    served = Some(match served {
                        None => one,
                        Some(known) => Served {
                            read_ts: known.read_ts.min(one.read_ts),
                            applied_index: known.applied_index.min(one.applied_index),
                            last_leader_contact_ms: known.last_leader_contact_ms.max(one.last_leader_contact_ms),
                            ..known
                        },
                    });
                }
                Err(error) if error.lacks_quorum() && partial => {
                    missing.push(shard);
                    failure.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match (served, failure) {
            (Some(served), _) => {
                let served = Served { node: router.own().to_string(), stale: true, ..served };
                missing.sort();
                Ok((ReadPoint { read: Read::StaleAt(served.read_ts), served }, missing))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Err(CoordinatorError::Forming { waiting: "shards are not placed yet".to_owned() }),
        }
    }

    /// Asks whoever may serve this kind of read: the leader, or any replica.
    pub(crate) async fn ask<T, F, Fut>(
        &self,
        shard: ShardId,
        deadline: Instant,
        read: Read,
        ask: F,
    ) -> Result<T, CoordinatorError>
    where
        F: Fn(MapNode, Duration) -> Fut,
        Fut: Future<Output = Result<T, TransportError>>,
    {
        if read.is_stale() {
            ask_any(self.router(), shard, deadline, ask).await
        } else {
            ask_leader(self.router(), shard, deadline, Effect::None, ask).await
        }
    }
}

/// Whether a strong attempt that failed like this is to be followed by a stale one.
pub(crate) fn falls_back(error: &CoordinatorError, consistency: ReadConsistency, at: Option<u64>) -> bool {
    consistency == ReadConsistency::Auto && at.is_none() && error.lacks_quorum()
}
