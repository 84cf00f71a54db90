//! The only place where a request to a shard is repeated.
//!
//! A coordinator looks for the shard's leader for up to `LEADER_WAIT_MS`, longer than an election at the default timeouts
//! takes, so that most elections pass unseen. It gives up at once when a minority of the replicas answers and one of them
//! has been out of touch for longer than elections take: waiting would not bring the others back. A write whose answer was
//! lost is sent again only when it carries a session stamp: the shard then gives the first answer.
//! And it is never called refused for want of a quorum afterwards, because it may still be carried out.

use crate::error::CoordinatorError;
use crate::limits::LEADER_POLL_MS;
use crate::router::Router;
use crate::transport::TransportError;
use phoenixmldb_types::limits::LEADER_WAIT_MS;
use phoenixmldb_types::{MapNode, ShardId};
use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// What may happen to a request whose answer was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// A read: it may be repeated freely.
    None,
    /// A write with a session stamp: it may be repeated.
    Once,
    /// A write without one: it may not.
    Unknown,
}

/// What one round over the replicas of a shard has shown.
#[derive(Default)]
struct Round {
    /// The replicas asked, each with its answer.
    tried: Vec<String>,
    /// Who gave one, whatever it was.
    answering: BTreeSet<String>,
    /// Who did not.
    silent: BTreeSet<String>,
    /// Since when a replica has been out of touch with its group, by the earliest word.
    cut_off_ms: Option<u64>,
    /// Why there is no timestamp.
    clock: Option<String>,
}

impl Round {
    /// Takes a failed attempt down. Error: repeating it cannot help.
    fn note(&mut self, name: &str, error: TransportError) -> Result<(), CoordinatorError> {
        self.tried.push(format!("{name}: {error}"));
        let heard = !matches!(error, TransportError::Unreachable(_) | TransportError::Lost(_));
        let group = if heard { &mut self.answering } else { &mut self.silent };
        group.insert(name.to_owned());
        match error {
            TransportError::Failed(reason) => Err(CoordinatorError::Internal { what: "asking a shard", reason }),
            TransportError::Overloaded(what) => Err(CoordinatorError::Overloaded { what }),
            TransportError::Query { code, message, .. } => Err(CoordinatorError::Query { code, message, place: None }),
            TransportError::NoQuorum { since_ms } => {
                self.cut_off_ms = Some(self.cut_off_ms.map_or(since_ms, |known| known.min(since_ms)));
                Ok(())
            }
            TransportError::Clock(reason) => {
                self.clock = Some(reason);
                Ok(())
            }
            TransportError::NotLeader { .. }
            | TransportError::Unreachable(_)
            | TransportError::Lost(_)
            | TransportError::NoReplica => Ok(()),
        }
    }

    /// Whether those that answer are too few for a quorum and know it.
    fn is_hopeless(&self) -> bool {
        self.cut_off_ms.is_some() && self.answering.len() <= self.silent.len()
    }

    /// Why nobody served the request.
    fn into_error(self, router: &Router, shard: ShardId) -> CoordinatorError {
        match (self.cut_off_ms, self.clock) {
            (None, Some(reason)) => CoordinatorError::ClockUnavailable { reason },
            (Some(since_ms), _) => CoordinatorError::NoQuorum {
                shard,
                node: router.own().to_string(),
                answering: self.answering.into_iter().collect(),
                silent: self.silent.into_iter().collect(),
                since_ms,
            },
            (None, None) => CoordinatorError::ShardUnavailable { shard, tried: self.tried.join("; ") },
        }
    }
}

/// Asks one replica after another until one answers for the shard.
pub async fn ask_leader<T, F, Fut>(
    router: &Router,
    shard: ShardId,
    deadline: Instant,
    effect: Effect,
    ask: F,
) -> Result<T, CoordinatorError>
where
    F: Fn(MapNode, Duration) -> Fut,
    Fut: Future<Output = Result<T, TransportError>>,
{
    let started = Instant::now();
    let give_up = deadline.min(started + Duration::from_millis(LEADER_WAIT_MS));
    let mut open = false;
    loop {
        let mut round = Round::default();
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
                    round.tried.push(format!("{name}: {leader} leads"));
                    round.answering.insert(name.to_string());
                    router.leader_is(shard, Some(leader.clone()));
                    // The hint is asked next, ahead of who else was on the list, unless it has just kept silent.
                    let hinted = router.candidates(shard).into_iter().find(|node| node.name == leader);
                    asked.retain(|node| node.name != leader);
                    asked.extend(hinted.filter(|node| !round.silent.contains(node.name.as_str())));
                }
                Err(error) => {
                    if router.leader(shard).as_ref() == Some(&name) {
                        router.leader_is(shard, None);
                    }
                    let lost = matches!(error, TransportError::Lost(_));
                    open |= lost && effect != Effect::None;
                    round.note(name.as_str(), error)?;
                    if lost && effect == Effect::Unknown {
                        return Err(still_open(shard, &round));
                    }
                }
            }
        }
        if round.is_hopeless() || Instant::now() + Duration::from_millis(LEADER_POLL_MS) >= give_up {
            return Err(if open { still_open(shard, &round) } else { round.into_error(router, shard) });
        }
        tokio::time::sleep(Duration::from_millis(LEADER_POLL_MS)).await;
    }
}

fn still_open(shard: ShardId, round: &Round) -> CoordinatorError {
    let tried = format!("{}; an attempt may still be carried out", round.tried.join("; "));
    CoordinatorError::ShardUnavailable { shard, tried }
}

/// Asks the replicas of a shard, this node's first, until one serves a stale read. One round: whoever could serve it can
/// do so now.
pub async fn ask_any<T, F, Fut>(
    router: &Router,
    shard: ShardId,
    deadline: Instant,
    ask: F,
) -> Result<T, CoordinatorError>
where
    F: Fn(MapNode, Duration) -> Fut,
    Fut: Future<Output = Result<T, TransportError>>,
{
    let started = Instant::now();
    let mut nodes = router.candidates(shard);
    nodes.sort_by_key(|node| node.name != *router.own());
    let mut round = Round::default();
    for node in nodes {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(CoordinatorError::Deadline { limit: deadline.saturating_duration_since(started) });
        }
        let name = node.name.clone();
        match ask(node, left).await {
            Ok(answer) => return Ok(answer),
            Err(error) => round.note(name.as_str(), error)?,
        }
    }
    Err(CoordinatorError::ShardUnavailable { shard, tried: round.tried.join("; ") })
}
