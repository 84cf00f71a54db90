//! The nodes as placement counts them: by name, each once, grouped by zone.
//!
//! Everything behind this speaks of nodes and zones by their index here. A node of unknown zone is a zone of its own:
//! nothing is known that two of them could lose together.

use crate::PlacementNode;
use phoenixmldb_types::shard_map::Replica;
use std::collections::BTreeMap;

/// Nodes by name, and the zones they stand in.
pub(crate) struct Roster<'a> {
    /// Nodes in the order of their names, each name once.
    pub(crate) nodes: Vec<&'a PlacementNode>,
    /// The zone of each node.
    pub(crate) zone_of: Vec<usize>,
    /// The nodes of each zone, in the order of their names.
    pub(crate) zones: Vec<Vec<usize>>,
}

impl<'a> Roster<'a> {
    pub(crate) fn new(nodes: &'a [PlacementNode]) -> Self {
        let by_name: BTreeMap<_, _> = nodes.iter().map(|node| (&node.name, node)).collect();
        let nodes: Vec<&PlacementNode> = by_name.into_values().collect();
        let mut known: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut unknown: Vec<Vec<usize>> = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if node.zone.is_empty() {
                unknown.push(vec![index]);
            } else {
                known.entry(&node.zone).or_default().push(index);
            }
        }
        let zones: Vec<Vec<usize>> = known.into_values().chain(unknown).collect();
        let mut zone_of = vec![0; nodes.len()];
        for (zone, members) in zones.iter().enumerate() {
            for member in members {
                zone_of[*member] = zone;
            }
        }
        Self { nodes, zone_of, zones }
    }

    /// A copy on the node with this index.
    pub(crate) fn replica(&self, node: usize) -> Replica {
        Replica { node: self.nodes[node].name.clone(), raft_id: self.nodes[node].raft_id }
    }
}
