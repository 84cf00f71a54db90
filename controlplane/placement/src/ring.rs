//! In which order a shard would like its nodes: the walk around a consistent hash ring.
//!
//! With xxh3 in place of the ring's own FNV, which puts short similar names such as `node1` and `node2` side by side. The
//! ring only proposes; nothing is ever routed by it.

use crate::roster::Roster;
use consistent_hash_ring::{Ring, RingBuilder};
use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

/// Points of each node on the ring: enough that no node owns much more of the ring than another.
const POINTS_PER_NODE: usize = 128;

/// A node on the ring. Hashes as the bytes of its name, so that the order follows from names alone.
#[derive(Clone, PartialEq, Eq)]
struct Point<'a> {
    name: &'a str,
    index: usize,
}

impl Hash for Point<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.name.as_bytes());
    }
}

/// A shard's number. Hashes as its bytes, the highest first.
struct Key(u32);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0.to_be_bytes());
    }
}

/// All nodes in order of preference, for each shard by its number.
pub(crate) fn preferences(shards: u32, roster: &Roster<'_>) -> Vec<Vec<usize>> {
    let points = roster.nodes.iter().enumerate().map(|(index, node)| Point { name: node.name.as_str(), index });
    let ring: Ring<Point<'_>, Xxh3DefaultBuilder> =
        RingBuilder::new(Xxh3DefaultBuilder::new()).vnodes(POINTS_PER_NODE).nodes_iter(points).build();
    (0..shards).map(|shard| ring.replicas(Key(shard)).map(|point| point.index).collect()).collect()
}
