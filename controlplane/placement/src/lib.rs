//! Where replicas should live. Pure: nodes in, a plan out, the same for the same nodes.
//!
//! ```text
//!  shard ─► consistent hash ring ─► order of preference ─┬─ not in a zone already used, while there is another
//!                                                        ├─ not on a node that has its share of copies (bounded load)
//!                                                        └─ leader: the copy on the node with the fewest leaders
//! ```
//!
//! The ring (`consistent_hash_ring`, with xxh3 in place of its weak default hash) makes the order stable: a node more or
//! less changes few of the choices. The bound follows "Consistent Hashing with Bounded Loads" (Mirrokni, Thorup,
//! Zadimoghaddam 2016) with the smallest bound there is: every node's share, rounded up.

pub mod limits;

use consistent_hash_ring::{Ring, RingBuilder};
use limits::{CLOCK_VOTERS_MAX, RING_POINTS};
use phoenixmldb_types::shard_map::Replica;
use phoenixmldb_types::{NodeName, RaftId, ShardId};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

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

/// Hashes as its number, so that the order does not depend on how the standard library hashes integers.
struct Key(ShardId);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0.0.to_be_bytes());
    }
}

/// Places `shards` shards with up to `copies` copies each. The first copy of each is its preferred leader.
///
/// With fewer nodes than copies there are as many copies as nodes. Every node gets its share of copies, rounded up, and
/// leaders differ by at most one between nodes that could lead more. Error: [`PlacementError::NoNodes`].
pub fn place(shards: u32, copies: u32, nodes: &[PlacementNode]) -> Result<Vec<Vec<Replica>>, PlacementError> {
    if nodes.is_empty() {
        return Err(PlacementError::NoNodes);
    }
    let by_name: BTreeMap<&NodeName, &PlacementNode> = nodes.iter().map(|node| (&node.name, node)).collect();
    let names: Vec<String> = by_name.keys().map(|name| name.to_string()).collect();
    let ring: Ring<String, Xxh3DefaultBuilder> =
        RingBuilder::new(Xxh3DefaultBuilder::new()).vnodes(RING_POINTS).nodes_iter(names.iter().cloned()).build();
    let copies = (copies as usize).clamp(1, by_name.len());
    let total = shards as usize * copies;
    let mut load: BTreeMap<&NodeName, usize> = by_name.keys().map(|name| (*name, 0)).collect();
    let mut placed: Vec<Vec<&PlacementNode>> = Vec::with_capacity(shards as usize);
    for shard in 0..shards {
        let preferred: Vec<&PlacementNode> = ring
            .replicas(Key(ShardId(shard)))
            .filter_map(|name| NodeName::parse(name).ok().and_then(|name| by_name.get(&name).copied()))
            .collect();
        let mut chosen: Vec<&PlacementNode> = Vec::with_capacity(copies);
        while chosen.len() < copies {
            let zones: BTreeSet<&str> =
                chosen.iter().map(|node| node.zone.as_str()).filter(|z| !z.is_empty()).collect();
            let free = |node: &&&PlacementNode| !chosen.iter().any(|other| other.name == node.name);
            // What is left to place never exceeds what the nodes' bounds leave free, so the least loaded node fits.
            let least = preferred.iter().filter(free).map(|node| load[&node.name]).min().unwrap_or(0);
            let bound = total.div_ceil(by_name.len());
            let fits = |node: &&&PlacementNode| load[&node.name] < bound || load[&node.name] == least;
            let apart = |node: &&&PlacementNode| !zones.contains(node.zone.as_str());
            let next = preferred.iter().filter(free).filter(apart).find(fits);
            let next = next.or_else(|| preferred.iter().filter(free).find(fits));
            let Some(next) = next else { break };
            *load.get_mut(&next.name).expect("every node has a count") += 1;
            chosen.push(next);
        }
        placed.push(chosen);
    }
    level_copies(&mut placed, &mut load, &by_name);
    spread_leaders(&mut placed);
    let replica = |node: &PlacementNode| Replica { node: node.name.clone(), raft_id: node.raft_id };
    Ok(placed.into_iter().map(|copies| copies.into_iter().map(replica).collect()).collect())
}

/// Number of zones a set of copies is in; unknown zones count one by one.
fn zones(copies: &[&PlacementNode]) -> usize {
    let unknown = copies.iter().filter(|node| node.zone.is_empty()).count();
    let known: BTreeSet<&str> = copies.iter().map(|node| node.zone.as_str()).filter(|zone| !zone.is_empty()).collect();
    unknown + known.len()
}

/// Moves copies from the fullest nodes to the emptiest until they differ by at most one, as far as no shard comes to be
/// in fewer zones. The choices above were made shard by shard and can leave the last shards no room.
fn level_copies<'a>(
    placed: &mut [Vec<&'a PlacementNode>],
    load: &mut BTreeMap<&'a NodeName, usize>,
    by_name: &BTreeMap<&'a NodeName, &'a PlacementNode>,
) {
    let find_move = |placed: &[Vec<&'a PlacementNode>], load: &BTreeMap<&'a NodeName, usize>| {
        let mut order: Vec<(&NodeName, usize)> = load.iter().map(|(name, count)| (*name, *count)).collect();
        order.sort_by_key(|(_, count)| *count);
        for (to, low) in &order {
            for (from, _) in order.iter().rev().take_while(|(_, high)| *high >= low + 2) {
                for (shard, copies) in placed.iter().enumerate() {
                    let Some(position) = copies.iter().position(|node| node.name == **from) else { continue };
                    if copies.iter().any(|node| node.name == **to) {
                        continue;
                    }
                    let mut moved = copies.clone();
                    moved[position] = by_name[*to];
                    if zones(&moved) >= zones(copies) {
                        return Some((shard, position, *from, *to));
                    }
                }
            }
        }
        None
    };
    while let Some((shard, position, from, to)) = find_move(placed, load) {
        let (from, to) = (by_name[from], by_name[to]);
        placed[shard][position] = to;
        *load.get_mut(&from.name).expect("every node has a count") -= 1;
        *load.get_mut(&to.name).expect("every node has a count") += 1;
    }
}

/// Puts one copy of each shard first so that leaders are spread; chains of swaps make up for early choices.
fn spread_leaders(placed: &mut [Vec<&PlacementNode>]) {
    let mut leaders: BTreeMap<NodeName, usize> = BTreeMap::new();
    for copies in placed.iter() {
        for node in copies {
            leaders.entry(node.name.clone()).or_default();
        }
        if let Some(first) = copies.first() {
            *leaders.entry(first.name.clone()).or_default() += 1;
        }
    }
    // Each round moves one leadership along a path from a node with too many to one with too few; the sum of squares of
    // the counts falls with every round, so this ends.
    while let Some(path) = improving_path(placed, &leaders) {
        for (shard, to) in path {
            let from = placed[shard][0].name.clone();
            let position = placed[shard].iter().position(|node| node.name == to).expect("a path follows copies");
            placed[shard].swap(0, position);
            *leaders.get_mut(&from).expect("a leader is counted") -= 1;
            *leaders.get_mut(&to).expect("a copy's node is counted") += 1;
        }
    }
}

/// Swaps that take one leadership from a node to one that has at least two fewer; breadth first.
fn improving_path(
    placed: &[Vec<&PlacementNode>],
    leaders: &BTreeMap<NodeName, usize>,
) -> Option<Vec<(usize, NodeName)>> {
    let mut sources: Vec<(&NodeName, usize)> = leaders.iter().map(|(name, count)| (name, *count)).collect();
    sources.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (source, count) in sources {
        let mut came: BTreeMap<NodeName, (usize, NodeName)> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([source.clone()]);
        while let Some(node) = queue.pop_front() {
            if leaders[&node] + 2 <= count {
                let mut path = Vec::new();
                let mut at = node;
                while let Some((shard, from)) = came.get(&at) {
                    path.push((*shard, at.clone()));
                    at = from.clone();
                }
                path.reverse();
                return Some(path);
            }
            for (shard, copies) in placed.iter().enumerate().filter(|(_, copies)| copies[0].name == node) {
                for next in &copies[1..] {
                    if next.name != *source && !came.contains_key(&next.name) {
                        came.insert(next.name.clone(), (shard, node.clone()));
                        queue.push_back(next.name.clone());
                    }
                }
            }
        }
    }
    None
}

/// Voting copies of the clock group: the largest odd number of nodes up to [`CLOCK_VOTERS_MAX`], one zone after another.
#[must_use]
pub fn clock_voters(nodes: &[PlacementNode]) -> Vec<Replica> {
    let mut zones: BTreeMap<&str, Vec<&PlacementNode>> = BTreeMap::new();
    for node in nodes {
        zones.entry(&node.zone).or_default().push(node);
    }
    for members in zones.values_mut() {
        members.sort_by(|a, b| b.name.cmp(&a.name));
    }
    let count = nodes.len().min(CLOCK_VOTERS_MAX);
    let count = if count % 2 == 0 { count.saturating_sub(1) } else { count };
    let mut voters = Vec::with_capacity(count);
    while voters.len() < count {
        for members in zones.values_mut() {
            if voters.len() < count
                && let Some(node) = members.pop()
            {
                voters.push(Replica { node: node.name.clone(), raft_id: node.raft_id });
            }
        }
    }
    voters
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes(count: usize, zones: usize) -> Vec<PlacementNode> {
        let node = |i: usize| PlacementNode {
            name: NodeName::parse(&format!("node{}", i + 1)).unwrap(),
            raft_id: RaftId(i as u64 + 1),
            zone: if zones == 0 { String::new() } else { format!("z{}", i % zones) },
        };
        (0..count).map(node).collect()
    }

    fn counts(placed: &[Vec<Replica>], leaders: bool) -> BTreeMap<NodeName, usize> {
        let mut counts = BTreeMap::new();
        for copies in placed {
            for replica in copies.iter().take(if leaders { 1 } else { copies.len() }) {
                *counts.entry(replica.node.clone()).or_default() += 1;
            }
        }
        counts
    }

    proptest! {
        #[test]
        fn copies_are_apart_balanced_and_always_the_same(
            shards in 1u32..80, copies in 1u32..8, count in 1usize..12, zones in 0usize..5
        ) {
            let nodes = nodes(count, zones);
            let placed = place(shards, copies, &nodes).unwrap();
            prop_assert_eq!(&placed, &place(shards, copies, &nodes).unwrap());
            let copies = (copies as usize).min(count);
            for shard in &placed {
                let names: BTreeSet<_> = shard.iter().map(|replica| &replica.node).collect();
                prop_assert_eq!(names.len(), copies);
                prop_assert_eq!(shard.len(), copies);
            }
            let share = (shards as usize * copies).div_ceil(count);
            prop_assert!(zones > 0 || counts(&placed, false).values().all(|&n| n <= share));
        }

        #[test]
        fn with_every_node_in_a_zone_of_three_no_shard_depends_on_one(shards in 1u32..40, per_zone in 1usize..4) {
            let nodes = nodes(per_zone * 3, 3);
            for shard in place(shards, 3, &nodes).unwrap() {
                let zone = |replica: &Replica| nodes.iter().find(|n| n.name == replica.node).unwrap().zone.clone();
                prop_assert_eq!(shard.iter().map(zone).collect::<BTreeSet<_>>().len(), 3);
            }
        }
    }

    #[test]
    fn sixteen_shards_on_three_nodes_have_leaders_six_five_five() {
        let placed = place(16, 3, &nodes(3, 0)).unwrap();
        let mut leaders: Vec<usize> = counts(&placed, true).into_values().collect();
        leaders.sort_unstable();
        assert_eq!(leaders, [5, 5, 6]);
    }

    #[test]
    fn sixteen_shards_on_four_nodes_have_twelve_copies_and_four_leaders_each() {
        let placed = place(16, 3, &nodes(4, 0)).unwrap();
        assert!(counts(&placed, false).values().all(|&copies| copies == 12));
        assert!(counts(&placed, true).values().all(|&leaders| leaders == 4));
    }

    #[test]
    fn a_fifth_node_takes_its_share_and_little_else_changes() {
        let before = place(64, 3, &nodes(4, 0)).unwrap();
        let after = place(64, 3, &nodes(5, 0)).unwrap();
        let changed: usize = before
            .iter()
            .zip(&after)
            .map(|(before, after)| after.iter().filter(|replica| !before.contains(replica)).count())
            .sum();
        // Its share is 64 * 3 / 5 = 38; the bound makes others move too, but far from all 192.
        assert!((38..=90).contains(&changed), "{changed} copies would move");
    }

    #[test]
    fn nobody_to_place_on_is_an_error() {
        assert_eq!(place(16, 3, &[]), Err(PlacementError::NoNodes));
    }

    #[test]
    fn clock_voters_are_odd_at_most_five_and_spread_over_zones() {
        for (count, voters) in [(0, 0), (1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (9, 5)] {
            assert_eq!(clock_voters(&nodes(count, 0)).len(), voters, "{count} nodes");
        }
        let nodes = nodes(9, 3);
        let zones: BTreeSet<_> = clock_voters(&nodes)[..3]
            .iter()
            .map(|replica| nodes.iter().find(|node| node.name == replica.node).unwrap().zone.clone())
            .collect();
        assert_eq!(zones.len(), 3);
    }
}
