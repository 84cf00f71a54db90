//! Where replicas should live. Pure: nodes in, a plan out, the same for the same nodes.
//!
//! ```text
//!  nodes ─► roster ─┬─► ring: in which order each shard would like them
//!                   └─► share: copies in different zones, then as evenly as can be ─► leaders: who goes first
//! ```
//!
//! The consistent hash ring makes the plan stable: a node more or less changes few of the choices. The bound follows
//! "Consistent Hashing with Bounded Loads" (Mirrokni, Thorup, Zadimoghaddam 2016) with the smallest bound there is: every
//! node's share. The plan is made once, when the cluster forms; afterwards the control plane owns an explicit shard map
//! and shards move one at a time.

pub mod limits;

mod leaders;
mod ring;
mod roster;
mod share;

use limits::CLOCK_VOTERS_MAX;
use phoenixmldb_types::shard_map::Replica;
use phoenixmldb_types::{NodeName, RaftId};
use roster::Roster;

/// A data node, as far as placement cares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlacementNode {
    /// Its name.
    pub name: NodeName,
    /// Identity of its disk.
    pub raft_id: RaftId,
    /// Where it stands; empty when unknown, which counts as a zone of its own.
    pub zone: String,
}

/// Why nothing can be placed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlacementError {
    /// There is no data node.
    #[error("no data node has registered")]
    NoNodes,
}

/// Places `shards` shards with up to `copies` copies each. The first copy of each is its preferred leader.
///
/// With fewer nodes than copies there are as many copies as nodes. In order of weight:
/// 1. copies of a shard lie on different nodes, and in different zones while there are any left: no zone has two more
///    than another that has a node left, so that a shard in three zones keeps its majority when one is lost;
/// 2. no node holds more than its share of all copies, rounded up, unless rule 1 asks for it;
/// 3. leaders differ by at most one between nodes, as far as the copies allow.
///
/// The order of `nodes` does not matter. Error: [`PlacementError::NoNodes`]; try again when one has registered.
pub fn place(shards: u32, copies: u32, nodes: &[PlacementNode]) -> Result<Vec<Vec<Replica>>, PlacementError> {
    let roster = Roster::new(nodes);
    if roster.nodes.is_empty() {
        return Err(PlacementError::NoNodes);
    }
    let copies = (copies as usize).clamp(1, roster.nodes.len());
    let placed = share::choose(&roster, &ring::preferences(shards, &roster), copies);
    let leaders = leaders::spread(&placed, roster.nodes.len());
    let replicas = |(copies, leader): (&Vec<usize>, usize)| {
        let others = copies.iter().copied().filter(|node| *node != leader);
        std::iter::once(leader).chain(others).map(|node| roster.replica(node)).collect()
    };
    Ok(placed.iter().zip(leaders).map(replicas).collect())
}

/// Voting copies of the clock group: the largest odd number of nodes up to [`CLOCK_VOTERS_MAX`], one zone after another.
///
/// Empty without nodes. The order of `nodes` does not matter.
#[must_use]
pub fn clock_voters(nodes: &[PlacementNode]) -> Vec<Replica> {
    let roster = Roster::new(nodes);
    let most = roster.nodes.len().min(CLOCK_VOTERS_MAX);
    let count = if most.is_multiple_of(2) { most.saturating_sub(1) } else { most };
    let rounds = roster.zones.iter().map(Vec::len).max().unwrap_or(0);
    let by_turns = (0..rounds).flat_map(|round| roster.zones.iter().filter_map(move |members| members.get(round)));
    by_turns.take(count).map(|node| roster.replica(*node)).collect()
}

#[cfg(test)]
mod place_test;
