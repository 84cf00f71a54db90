//! The only place where a request to a shard is repeated.
//!
//! A coordinator looks for the shard's leader for up to `LEADER_WAIT_MS`, longer than an election at the default timeouts
//! takes, so that most elections pass unseen. A write whose answer was lost is sent again only when it carries a session
//! stamp: the shard then gives the first answer.

use crate::error::CoordinatorError;
use crate::limits::LEADER_POLL_MS;
use crate::router::Router;
use crate::transport::TransportError;
use phoenixmldb_types::limits::LEADER_WAIT_MS;
use phoenixmldb_types::{MapNode, ShardId};
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Asks one replica after another until one answers for the shard.
///
/// `repeatable`: whether an attempt whose answer was lost may be repeated.
pub async fn ask_leader<T, F, Fut>(
    router: &Router,
    shard: ShardId,
    deadline: Instant,
    repeatable: bool,
    ask: F,
) -> Result<T, CoordinatorError>
where
    F: Fn(MapNode, Duration) -> Fut,
    Fut: Future<Output = Result<T, TransportError>>,
{
    let started = Instant::now();
    let give_up = deadline.min(started + Duration::from_millis(LEADER_WAIT_MS));
    loop {
        let mut tried: Vec<String> = Vec::new();
        let mut no_quorum = false;
        let mut clock = None;
        let mut asked = router.candidates(shard);
        asked.reverse();
        let mut redirected = 0;
        while let Some(node) = asked.pop() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CoordinatorError::Deadline { limit: deadline.saturating_duration_since(started) });
            }
            let name = node.name.clone();
            match ask(node, left).await {
                Ok(answer) => {
                    router.leader_is(shard, Some(name));
                    return Ok(answer);
                }
                Err(TransportError::NotLeader { leader: Some(leader) }) if leader != name && redirected < 3 => {
                    redirected += 1;
                    tried.push(format!("{name}: {leader} leads"));
                    router.leader_is(shard, Some(leader.clone()));
                    // The hint is asked next, ahead of who else was on the list.
                    let hinted = router.candidates(shard).into_iter().find(|node| node.name == leader);
                    asked.retain(|node| node.name != leader);
                    asked.extend(hinted);
                }
                Err(error) => {
                    if router.leader(shard).as_ref() == Some(&name) {
                        router.leader_is(shard, None);
                    }
                    tried.push(format!("{name}: {error}"));
                    match error {
                        TransportError::Unreachable(_) if !repeatable => {
                            return Err(CoordinatorError::ShardUnavailable { shard, tried: tried.join("; ") });
                        }
                        TransportError::Failed(reason) => {
                            return Err(CoordinatorError::Internal { what: "asking a shard", reason });
                        }
                        TransportError::Overloaded(what) => return Err(CoordinatorError::Overloaded { what }),
                        TransportError::Query { code, message, .. } => {
                            return Err(CoordinatorError::Query { code, message, place: None });
                        }
                        TransportError::NoQuorum => no_quorum = true,
                        TransportError::Clock(reason) => clock = Some(reason),
                        TransportError::NotLeader { .. }
                        | TransportError::Unreachable(_)
                        | TransportError::NoReplica => {}
                    }
                }
            }
        }
        if Instant::now() + Duration::from_millis(LEADER_POLL_MS) >= give_up {
            let node = router.own().to_string();
            return Err(match clock {
                Some(reason) => CoordinatorError::ClockUnavailable { reason },
                None if no_quorum => CoordinatorError::NoQuorum { shard, node },
                None => CoordinatorError::ShardUnavailable { shard, tried: tried.join("; ") },
            });
        }
        tokio::time::sleep(Duration::from_millis(LEADER_POLL_MS)).await;
    }
}
