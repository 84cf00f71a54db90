//! Which copy of each shard is to lead: counts of leaders as even as the copies allow.
//!
//! Shards choose one after the other, which can leave a node with too many; then one leadership moves along a path,
//! `n1 ─shard 4─► n2 ─shard 9─► n3`, from a node to one that leads at least two fewer. When there is no such path the
//! counts are as even as they can be, as with augmenting paths in a flow (Ahuja, Magnanti, Orlin: Network Flows, 1993).

use std::collections::VecDeque;

/// The leader of each shard, among its copies. Every shard has a copy; `nodes` is the number of nodes.
pub(crate) fn spread(placed: &[Vec<usize>], nodes: usize) -> Vec<usize> {
    let mut led = vec![0_usize; nodes];
    let mut leaders = Vec::with_capacity(placed.len());
    for copies in placed {
        let least = copies.iter().copied().min_by_key(|node| led[*node]).expect("every shard has a copy");
        led[least] += 1;
        leaders.push(least);
    }
    // The sum of the squares of the counts falls with every path, so this ends.
    while let Some(path) = improving_path(placed, &leaders, &led) {
        for (shard, to) in path {
            led[leaders[shard]] -= 1;
            led[to] += 1;
            leaders[shard] = to;
        }
    }
    leaders
}

/// Shards and their new leaders, which take one leadership from a node to one with at least two fewer.
fn improving_path(placed: &[Vec<usize>], leaders: &[usize], led: &[usize]) -> Option<Vec<(usize, usize)>> {
    let fewest = placed.iter().flatten().map(|node| led[*node]).min()?;
    let mut led_by: Vec<Vec<usize>> = vec![Vec::new(); led.len()];
    for (shard, leader) in leaders.iter().enumerate() {
        led_by[*leader].push(shard);
    }
    let mut sources: Vec<usize> = (0..led.len()).filter(|node| led[*node] >= fewest + 2).collect();
    sources.sort_by_key(|node| std::cmp::Reverse(led[*node]));
    for source in sources {
        let mut came: Vec<Option<(usize, usize)>> = vec![None; led.len()];
        let mut queue = VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            if led[node] + 2 <= led[source] {
                let (mut path, mut at) = (Vec::new(), node);
                while let Some((shard, from)) = came[at] {
                    path.push((shard, at));
                    at = from;
                }
                return Some(path);
            }
            for shard in &led_by[node] {
                for next in &placed[*shard] {
                    if *next != source && came[*next].is_none() {
                        came[*next] = Some((*shard, node));
                        queue.push_back(*next);
                    }
                }
            }
        }
    }
    None
}
