//! What is done to the cluster: nodes lose power, links are cut one way or both, messages are late, lost or doubled,
//! disks are slow, clocks jump. Everything is drawn from the seed.

use crate::history::History;
use crate::world::World;
use phoenixmldb_raft::testing::{Dice, Weather};
use std::sync::Arc;
use std::time::Duration;

/// Longest jump of a wall clock, in milliseconds: an hour, in both directions.
const JUMP_MS_MAX: u64 = 3_600_000;

/// Disturbs the cluster `faults` times, then makes everything right again.
pub async fn disturb(world: &Arc<World>, history: &History, faults: u64) {
    let mut dice = Dice::new(world.seed() ^ 0xfa_17);
    for _ in 0..faults {
        tokio::time::sleep(Duration::from_millis(dice.between(50, 1_500))).await;
        let at = dice.between(0, world.nodes.len() as u64 - 1) as usize;
        one(world, history, &mut dice, at).await;
    }
    world.network.heal();
    world.network.set_weather(Weather::default());
    for (at, node) in world.nodes.iter().enumerate() {
        node.clock.jump(0);
        node.log.set_sync_ms((0, 2));
        world.boot(at);
    }
    history.note("all faults end");
}

async fn one(world: &Arc<World>, history: &History, dice: &mut Dice, at: usize) {
    let node = &world.nodes[at];
    let others = world.nodes.len() as u64;
    match dice.between(0, 11) {
        0..=2 if world.is_up(at) => {
            history.note(&format!("{} loses power", node.name));
            world.crash(at).await;
        }
        0..=3 => {
            history.note(&format!("{} starts", node.name));
            world.boot(at);
        }
        4 => {
            history.note(&format!("{} is cut off", node.name));
            world.network.isolate(&[node.id]);
        }
        5 => {
            let side: Vec<u64> = world.nodes.iter().map(|node| node.id).filter(|_| dice.chance(500)).collect();
            history.note(&format!("{side:?} are cut off"));
            world.network.isolate(&side);
        }
        6 => {
            let to = dice.between(1, others);
            history.note(&format!("{} cannot send to node{to}", node.name));
            world.network.cut(node.id, to);
        }
        7 => {
            let weather = Weather {
                delay_ms: (0, dice.between(0, 60)),
                loss_per_mille: dice.between(0, 150),
                twice_per_mille: dice.between(0, 150),
            };
            history.note(&format!("{weather:?}"));
            world.network.set_weather(weather);
        }
        8 => {
            let slow = dice.between(5, 120);
            history.note(&format!("the disk of {} takes up to {slow} ms", node.name));
            node.log.set_sync_ms((slow / 2, slow));
        }
        9 => {
            let offset = i64::try_from(dice.between(0, 2 * JUMP_MS_MAX)).unwrap_or(0) - JUMP_MS_MAX as i64;
            history.note(&format!("the clock of {} is {offset} ms off", node.name));
            node.clock.jump(offset);
        }
        _ => {
            history.note("links heal");
            world.network.heal();
            world.network.set_weather(Weather::default());
        }
    }
}
