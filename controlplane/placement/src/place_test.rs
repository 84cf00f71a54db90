//! What every plan keeps: zones, shares, leaders, and how little changes with one node more.

#![allow(clippy::unwrap_used)]

use crate::{PlacementError, PlacementNode, clock_voters, place};
use phoenixmldb_types::shard_map::Replica;
use phoenixmldb_types::{NodeName, RaftId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Nodes `node1`, `node2`, … with one zone each; an empty text is an unknown zone.
fn in_zones<T: AsRef<str>>(zones: impl IntoIterator<Item = T>) -> Vec<PlacementNode> {
    (1..)
        .zip(zones)
        .map(|(number, zone)| PlacementNode {
            name: NodeName::parse(&format!("node{number}")).unwrap(),
            raft_id: RaftId(number),
            zone: zone.as_ref().to_owned(),
        })
        .collect()
}

fn nodes(count: usize) -> Vec<PlacementNode> {
    in_zones(vec![""; count])
}

/// Zone of a copy; a node of unknown zone stands for itself.
fn zone(nodes: &[PlacementNode], replica: &Replica) -> String {
    let node = nodes.iter().find(|node| node.name == replica.node).unwrap();
    if node.zone.is_empty() { node.name.to_string() } else { node.zone.clone() }
}

fn zone_sizes(nodes: &[PlacementNode]) -> BTreeMap<String, usize> {
    count(nodes.iter().map(|node| if node.zone.is_empty() { node.name.to_string() } else { node.zone.clone() }))
}

fn count(keys: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Copies, or leaders, on each node, in the order of `nodes`.
fn load(nodes: &[PlacementNode], placed: &[Vec<Replica>], first: usize) -> Vec<usize> {
    let held = count(placed.iter().flat_map(|shard| shard.iter().take(first)).map(|replica| replica.node.to_string()));
    nodes.iter().map(|node| held.get(node.name.as_str()).copied().unwrap_or(0)).collect()
}

fn differ_by(counts: &[usize]) -> usize {
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

/// Whether the copies could lie on these nodes with at most `most` on each: in every zone the copies that have to be there
/// fit, and all zones together have room.
fn room(sizes: &BTreeMap<String, usize>, shards: usize, copies: usize, most: usize) -> bool {
    // Water filling, one copy at a time, as an operator would do it by hand for one shard.
    let mut level: BTreeMap<&String, usize> = sizes.keys().map(|zone| (zone, 0)).collect();
    let open = |level: &BTreeMap<&String, usize>| sizes.iter().filter(|(z, n)| level[z] < **n).count();
    let mut left = copies;
    while open(&level) > 0 && left >= open(&level) {
        left -= open(&level);
        level.iter_mut().filter(|(zone, count)| **count < sizes[**zone]).for_each(|(_, count)| *count += 1);
    }
    let most_in = |zone: &String| (shards * (level[zone] + 1).min(sizes[zone])).min(sizes[zone] * most);
    sizes.iter().all(|(zone, nodes)| shards * level[zone] <= nodes * most)
        && sizes.keys().map(most_in).sum::<usize>() >= shards * copies
}

fn any_zones() -> impl Strategy<Value = Vec<PlacementNode>> {
    prop::collection::vec(prop::sample::select(vec!["", "a", "b", "c", "d"]), 1..14).prop_map(in_zones)
}

proptest! {
    #[test]
    fn copies_are_in_different_zones_and_no_plan_has_a_lower_highest_load(
        shards in 1_u32..70, copies in 1_u32..8, nodes in any_zones()
    ) {
        let placed = place(shards, copies, &nodes).unwrap();
        let copies = (copies as usize).min(nodes.len());
        let sizes = zone_sizes(&nodes);
        prop_assert_eq!(placed.len(), shards as usize);
        for shard in &placed {
            let names: BTreeSet<&NodeName> = shard.iter().map(|replica| &replica.node).collect();
            prop_assert_eq!((shard.len(), names.len()), (copies, copies));
            let held = count(shard.iter().map(|replica| zone(&nodes, replica)));
            for (poor, size) in &sizes {
                let fewer = held.get(poor).copied().unwrap_or(0);
                prop_assert!(fewer == *size || held.values().all(|more| *more <= fewer + 1), "{:?}", shard);
            }
        }
        let highest = load(&nodes, &placed, copies).into_iter().max().unwrap();
        prop_assert!(room(&sizes, shards as usize, copies, highest));
        prop_assert!(!room(&sizes, shards as usize, copies, highest - 1), "{} is not the lowest", highest);
    }

    #[test]
    fn in_zones_of_one_size_copies_and_leaders_differ_by_one_at_most(
        shards in 1_u32..70, copies in 1_u32..8, zones in 1_usize..6, each in 1_usize..4
    ) {
        let nodes = in_zones((0..zones * each).map(|i| format!("z{}", i % zones)));
        let placed = place(shards, copies, &nodes).unwrap();
        let all = load(&nodes, &placed, 7);
        prop_assert!(differ_by(&all) <= 1, "{:?}", all);
        prop_assert!(*all.iter().max().unwrap() == all.iter().sum::<usize>().div_ceil(nodes.len()));
        let leaders = load(&nodes, &placed, 1);
        prop_assert!(differ_by(&leaders) <= 1, "{:?}", leaders);
    }

    #[test]
    fn the_plan_follows_from_the_nodes_and_not_from_their_order(
        nodes in any_zones().prop_flat_map(|nodes| (Just(nodes.clone()), Just(nodes).prop_shuffle()))
    ) {
        prop_assert_eq!(place(16, 3, &nodes.0).unwrap(), place(16, 3, &nodes.1).unwrap());
        prop_assert_eq!(clock_voters(&nodes.0), clock_voters(&nodes.1));
    }

    #[test]
    fn the_clock_group_is_odd_at_most_five_and_in_as_many_zones_as_it_can(nodes in any_zones()) {
        let voters = clock_voters(&nodes);
        prop_assert!(voters.len() % 2 == 1 && voters.len() <= 5 && voters.len() + 2 > nodes.len().min(5));
        let names: BTreeSet<&NodeName> = voters.iter().map(|replica| &replica.node).collect();
        prop_assert_eq!(names.len(), voters.len());
        let zones: BTreeSet<String> = voters.iter().map(|replica| zone(&nodes, replica)).collect();
        prop_assert_eq!(zones.len(), zone_sizes(&nodes).len().min(voters.len()));
    }
}

/// Copies that a plan for one node more puts elsewhere.
fn moved(before: &[Vec<Replica>], after: &[Vec<Replica>]) -> usize {
    before.iter().zip(after).map(|(old, new)| new.iter().filter(|replica| !old.contains(replica)).count()).sum()
}

/// Placing shards anew because a node came would move its share, which has to move, and a third of that on top.
#[test]
fn one_node_more_takes_its_share_and_little_else_moves() {
    let (mut all_moved, mut all_shares) = (0, 0);
    for count in 3..20_usize {
        for shards in [16, 64, 256_u32] {
            let before = place(shards, 3, &nodes(count)).unwrap();
            let after = place(shards, 3, &nodes(count + 1)).unwrap();
            let (moved, share) = (moved(&before, &after), shards as usize * 3 / (count + 1));
            assert!(moved <= share * 3 / 2 + count, "{moved} copies of {shards} shards move for a share of {share}");
            all_moved += moved;
            all_shares += share;
        }
    }
    assert!(all_moved * 100 <= all_shares * 133, "{all_moved} copies move for shares of {all_shares}");
}

/// What was planned yesterday is planned today: a change here moves every new cluster's shards, on purpose or not.
#[test]
fn golden_plans_never_change() {
    let mut lines = String::new();
    for (shards, copies, zones) in [(16, 3, "---"), (16, 3, "-----"), (8, 3, "aabbcc"), (8, 5, "abbccc"), (4, 3, "-a")]
    {
        let zone = |zone: char| if zone == '-' { String::new() } else { zone.to_string() };
        let nodes = in_zones(zones.chars().map(zone));
        let names = |replicas: &[Replica]| replicas.iter().map(|r| r.node.as_str()).collect::<Vec<_>>().join(" ");
        lines += &format!("{shards} shards, {copies} copies, nodes in zones {zones}\n");
        for (shard, replicas) in place(shards, copies, &nodes).unwrap().iter().enumerate() {
            lines += &format!("{shard}: {}\n", names(replicas));
        }
        lines += &format!("clock: {}\n\n", names(&clock_voters(&nodes)));
    }
    assert_eq!(lines, include_str!("../golden/plans.txt"), "now:\n{lines}");
}

/// A small zone takes a copy of every shard, although its one node then holds more than others: the loss of any zone has
/// to leave a majority.
#[test]
fn no_shard_depends_on_one_zone_even_when_a_zone_has_one_node() {
    for (zones, copies) in [("abcccc", 3), ("aabbcc", 3), ("aabbcc", 5), ("abbbbcccc", 5), ("aaabbbccc", 7)] {
        let nodes = in_zones(zones.chars().map(String::from));
        for shard in place(16, copies, &nodes).unwrap() {
            let held = count(shard.iter().map(|replica| zone(&nodes, replica)));
            let lost = *held.values().max().unwrap();
            assert!((shard.len() - lost) * 2 > shard.len(), "{copies} copies in zones {zones}: {held:?}");
        }
    }
}

#[test]
fn sixteen_shards_on_three_nodes_have_leaders_six_five_five() {
    let mut leaders = load(&nodes(3), &place(16, 3, &nodes(3)).unwrap(), 1);
    leaders.sort_unstable();
    assert_eq!(leaders, [5, 5, 6]);
}

#[test]
fn sixteen_shards_on_four_nodes_have_twelve_copies_and_four_leaders_each() {
    let placed = place(16, 3, &nodes(4)).unwrap();
    assert_eq!(load(&nodes(4), &placed, 3), [12; 4]);
    assert_eq!(load(&nodes(4), &placed, 1), [4; 4]);
}

#[test]
fn with_fewer_nodes_than_copies_every_node_has_every_shard() {
    for count in 1..=2 {
        let placed = place(16, 3, &nodes(count)).unwrap();
        assert!(placed.iter().all(|shard| shard.len() == count));
    }
}

#[test]
fn nobody_to_place_on_is_an_error() {
    assert_eq!(place(16, 3, &[]), Err(PlacementError::NoNodes));
    assert_eq!(clock_voters(&[]), []);
}

#[test]
fn a_large_cluster_is_placed_as_evenly_as_a_small_one() {
    for zones in [3, 200] {
        let nodes = in_zones((0..200).map(|i| format!("z{}", i % zones)));
        let placed = place(1_024, 7, &nodes).unwrap();
        assert!(differ_by(&load(&nodes, &placed, 7)) <= 1);
        assert!(differ_by(&load(&nodes, &placed, 1)) <= 1);
    }
}
