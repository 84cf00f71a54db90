//! All copies of a shard have the same content at the same log position.

use crate::world::World;
use phoenixmldb_types::NodeName;
use std::time::Duration;

/// Longest wait for a copy to catch up once nothing disturbs the cluster, in milliseconds.
const CATCH_UP_MS: u64 = 30_000;

/// Compares all copies of all shards; nothing may be written meanwhile. Error: what differs.
pub async fn check(world: &World) -> Result<(), String> {
    for shard in &world.map().shards.shards {
        let mut found: Vec<(NodeName, u64, u64)> = Vec::new();
        let last = shard.replicas.iter().filter_map(|replica| world.running_named(&replica.node));
        let group = phoenixmldb_types::GroupId::shard(shard.id);
        let last = last.filter_map(|running| Some(running.groups.get(group)?.status().last_index)).max().unwrap_or(0);
        for replica in &shard.replicas {
            let Some(running) = world.running_named(&replica.node) else {
                return Err(format!("{} is down", replica.node));
            };
            let hash = running.replicas.hash(shard.id, last, Duration::from_millis(CATCH_UP_MS)).await;
            let (hash, keys, _) = hash.map_err(|error| format!("shard {} on {}: {error}", shard.id, replica.node))?;
            found.push((replica.node.clone(), hash, keys));
        }
        if found.windows(2).any(|pair| (pair[0].1, pair[0].2) != (pair[1].1, pair[1].2)) {
            return Err(format!("copies of shard {} differ at {last}: {found:?}", shard.id));
        }
    }
    Ok(())
}
