//! Which shard holds a document, and which nodes hold a shard.
//!
//! ```text
//!  (container, name) ── xxh3 ──► 64-bit hash ── ranges ──► shard ── replicas ──► nodes
//!        frozen for ever                 split in two later         moved by the control plane
//! ```
//!
//! The hash is frozen: `golden` in the tests may never change, or documents would be looked for where they are not.
//! Ranges are contiguous and never computed by modulo, so a shard can be split without touching any other.

use crate::ids::{NodeName, RaftId, ShardId};
use crate::name::{ContainerName, DocumentName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of the shard map. Only ever grows; a request says which one it was routed by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Debug)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Both ends belong to the range, so that the last one can end at `u64::MAX`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Debug)]
pub struct HashRange {
    /// Smallest hash in the range.
    pub first: u64,
    /// Largest hash in the range.
    pub last: u64,
}

impl HashRange {
    /// Whether `hash` falls into the range.
    #[must_use]
    pub const fn contains(self, hash: u64) -> bool {
        self.first <= hash && hash <= self.last
    }

    /// Cuts the whole hash space into `count` ranges whose sizes differ by at most one.
    #[must_use]
    pub fn even(count: u32) -> Vec<Self> {
        assert!(count > 0, "a cluster has at least one shard");
        let bound = |i: u32| ((u128::from(i) << 64) / u128::from(count)) as u64;
        let last = |i: u32| if i + 1 == count { u64::MAX } else { bound(i + 1) - 1 };
        (0..count).map(|i| Self { first: bound(i), last: last(i) }).collect()
    }
}

/// One copy of a shard: the node's name, and the identity of the disk it lies on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct Replica {
    /// Where the copy lies.
    pub node: NodeName,
    /// Raft identity of that node's data directory.
    pub raft_id: RaftId,
}

/// One shard and where it lies.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Shard {
    /// Number of the shard.
    pub id: ShardId,
    /// Hashes of the documents that belong here.
    pub range: HashRange,
    /// Voting copies, in order of preference for leadership.
    pub replicas: Vec<Replica>,
    /// The epoch in which this shard's range or replicas last changed.
    pub epoch: Epoch,
}

/// Where everything is, at one epoch. Owned and changed by the control plane, cached by everybody else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct ShardMap {
    /// Version of this map.
    pub epoch: Epoch,
    /// Shards by number; their ranges cover the hash space without gap or overlap once the cluster is formed.
    pub shards: Vec<Shard>,
    /// Voting copies of the clock group.
    pub clock: Vec<Replica>,
}

impl ShardMap {
    /// The shard that holds `hash`; `None` while the cluster is forming.
    #[must_use]
    pub fn locate(&self, hash: u64) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.range.contains(hash))
    }

    /// The shard with number `id`.
    #[must_use]
    pub fn shard(&self, id: ShardId) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.id == id)
    }

    /// Whether shards have been placed.
    #[must_use]
    pub fn is_formed(&self) -> bool {
        !self.shards.is_empty()
    }

    /// Checks that the ranges cover the hash space exactly once and that no shard has two copies on one node.
    ///
    /// Returns the broken rule in words.
    pub fn check(&self) -> Result<(), String> {
        let mut ranges: Vec<HashRange> = self.shards.iter().map(|shard| shard.range).collect();
        ranges.sort_by_key(|range| range.first);
        let mut next = Some(0u64);
        for range in &ranges {
            if Some(range.first) != next || range.last < range.first {
                return Err(format!("hash range {range:?} does not begin where the one before it ends"));
            }
            next = range.last.checked_add(1);
        }
        if !ranges.is_empty() && next.is_some() {
            return Err("hash ranges do not reach the end of the hash space".to_owned());
        }
        for shard in &self.shards {
            let mut nodes: Vec<_> = shard.replicas.iter().map(|replica| &replica.node).collect();
            nodes.sort();
            nodes.dedup();
            if nodes.len() != shard.replicas.len() {
                return Err(format!("shard {} has two copies on one node", shard.id));
            }
            if shard.epoch > self.epoch {
                return Err(format!("shard {} is newer than the map", shard.id));
            }
        }
        Ok(())
    }
}

/// Frozen hash that places a document: xxh3-64 of container name, a zero byte, document name.
///
/// Neither name can contain a zero byte, so the pair is unambiguous.
#[must_use]
pub fn document_hash(container: &ContainerName, document: &DocumentName) -> u64 {
    key_hash(container, document.as_str())
}

/// Frozen hash of a container and a shard key value; a document without a shard key uses its name.
#[must_use]
pub fn key_hash(container: &ContainerName, key: &str) -> u64 {
    let mut bytes = Vec::with_capacity(container.as_str().len() + 1 + key.len());
    bytes.extend_from_slice(container.as_str().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(key.as_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(container: &str, document: &str) -> u64 {
        document_hash(&ContainerName::parse(container).unwrap(), &DocumentName::parse(document).unwrap())
    }

    proptest! {
        #[test]
        fn even_ranges_cover_every_hash_once(count in 1u32..200, probe in any::<u64>()) {
            let ranges = HashRange::even(count);
            prop_assert_eq!(ranges.iter().filter(|range| range.contains(probe)).count(), 1);
            let map = ShardMap {
                epoch: Epoch(1),
                shards: (0..count)
                    .map(|i| Shard { id: ShardId(i), range: ranges[i as usize], replicas: vec![], epoch: Epoch(1) })
                    .collect(),
                clock: vec![],
            };
            prop_assert_eq!(map.check(), Ok(()));
        }
    }

    #[test]
    fn sixteen_shards_are_the_top_four_bits() {
        let ranges = HashRange::even(16);
        assert_eq!(ranges[7].first, 0x7000_0000_0000_0000);
        assert_eq!(ranges[15].last, u64::MAX);
    }

    #[test]
    fn golden_hashes_never_change() {
        let golden = include_str!("../golden/document_hash.tsv");
        let mut lines = 0;
        for line in golden.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line.split('\t').collect();
            let expected = u64::from_str_radix(fields[2], 16).unwrap();
            assert_eq!(hash(fields[0], fields[1]), expected, "{line}");
            lines += 1;
        }
        assert!(lines >= 10);
    }
}
