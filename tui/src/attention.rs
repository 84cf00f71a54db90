//! What needs the operator, worst first, each with the command to type. Pure.
//!
//! Every command is one that the command line accepts today (a test there parses them all).

use crate::facts::{alive, copies_wanted, data_nodes, disk, urgency};
use crate::format::span;
use phoenixmldb_client::admin_v1::ClusterSnapshot;

/// Used part of a disk from which it is worth a look.
const DISK_WARN: f64 = 0.80;
/// Used part of a disk from which it has to be acted on: compaction needs room.
const DISK_BAD: f64 = 0.92;

/// How urgent it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Look at it.
    Warn,
    /// Act on it.
    Bad,
}

impl Severity {
    /// `!` or `~`
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Warn => "~",
            Self::Bad => "!",
        }
    }
}

/// One thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// How urgent.
    pub severity: Severity,
    /// What is the matter.
    pub text: String,
    /// What to type, after the name of the program.
    pub command: &'static str,
}

/// Commands named by [`of`] and on the screens, after the name of the program.
pub const COMMANDS: [&str; 6] = ["status", "status --wait healthy", "members", "shards", "events", "join --help"];

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The numbers of some shards; the first few when there are many.
fn named(ids: &[u32]) -> String {
    let shown: Vec<String> = ids.iter().take(6).map(|id| format!("{id:02}")).collect();
    if ids.len() > 6 { format!("{} …", shown.join(" ")) } else { shown.join(" ") }
}

/// All that needs someone, worst first. `lost` says for how long the cluster was not seen, in milliseconds, and why.
#[must_use]
pub fn of(cluster: &ClusterSnapshot, lost: Option<(u64, &str)>) -> Vec<Item> {
    let mut items = Vec::new();
    let mut add = |severity, text, command| items.push(Item { severity, text, command });
    if let Some((ms, why)) = lost {
        add(Severity::Bad, format!("cluster not seen for {}: {why}", span(ms)), COMMANDS[0]);
    }
    if !cluster.formed {
        let formation = if cluster.formation.is_empty() { "forming" } else { &cluster.formation };
        add(Severity::Warn, formation.to_owned(), COMMANDS[1]);
        return items;
    }
    if !cluster.quorum {
        let text = format!(
            "no control leader for {}; documents are still served, nodes and containers cannot change",
            span(cluster.leaderless_ms)
        );
        add(Severity::Bad, text, COMMANDS[2]);
    }
    let ids = |state: &str| -> Vec<u32> {
        cluster.shards.iter().filter(|shard| shard.state == state).map(|shard| shard.id).collect()
    };
    let lost_shards = ids("unavailable");
    if !lost_shards.is_empty() {
        let text = format!("{} without a majority: {}", plural(lost_shards.len(), "shard"), named(&lost_shards));
        add(Severity::Bad, text, COMMANDS[3]);
    }
    for node in &cluster.nodes {
        let held = cluster.shards.iter().filter(|shard| shard.replicas.iter().any(|copy| copy.node == node.name));
        match urgency(node) {
            0 => {}
            4 => {
                let since = span(cluster.taken_ms.saturating_sub(node.since_ms));
                let short = plural(held.count(), "shard");
                let lacks = if node.data { format!(": {short} lack a copy") } else { String::new() };
                add(Severity::Bad, format!("{} down for {since}{lacks}; start it again", node.name), COMMANDS[1]);
            }
            _ => {
                let why = if node.reason.is_empty() { String::new() } else { format!(": {}", node.reason) };
                add(Severity::Warn, format!("{} {}{why}", node.name, node.state), COMMANDS[2]);
            }
        }
        if let Some(used) = disk(node).filter(|used| *used >= DISK_WARN) {
            let severity = if used >= DISK_BAD { Severity::Bad } else { Severity::Warn };
            add(severity, format!("{} disk {:.0}% full", node.name, used * 100.0), COMMANDS[2]);
        }
    }
    // Copies that are missing for another reason than a node that is down.
    let down = |name: &str| cluster.nodes.iter().any(|node| node.name == name && node.state == "down");
    let short: Vec<u32> = cluster
        .shards
        .iter()
        .filter(|shard| shard.state == "under-replicated" && !shard.replicas.iter().any(|copy| down(&copy.node)))
        .map(|shard| shard.id)
        .collect();
    if !short.is_empty() {
        let least = cluster.shards.iter().map(alive).min().unwrap_or(0);
        let text = format!(
            "{} with {least} of {} copies: {}",
            plural(short.len(), "shard"),
            copies_wanted(cluster),
            named(&short)
        );
        add(Severity::Warn, text, COMMANDS[3]);
    }
    for warning in cluster.warnings.iter().filter(|_| cluster.quorum) {
        let command = if warning.contains("more data node") { COMMANDS[5] } else { COMMANDS[0] };
        add(Severity::Warn, warning.clone(), command);
    }
    // With a node down they cannot be even, and even out when it is back.
    let whole = !cluster.nodes.iter().any(|node| node.state == "down");
    let leaders = || data_nodes(cluster).filter(|node| whole && urgency(node) < 3).map(|node| node.shard_leaders);
    if let (Some(most), Some(least)) = (leaders().max(), leaders().min())
        && most - least > 1
    {
        add(Severity::Warn, format!("leaders are uneven: {least} to {most} on a node"), COMMANDS[3]);
    }
    items.sort_by_key(|item| std::cmp::Reverse(item.severity));
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn texts(cluster: &ClusterSnapshot) -> Vec<String> {
        of(cluster, None).into_iter().map(|item| format!("{} {}", item.severity.mark(), item.text)).collect()
    }

    #[test]
    fn a_healthy_cluster_needs_nobody() {
        assert_eq!(texts(&fixture::healthy()), Vec::<String>::new());
    }

    #[test]
    fn a_node_that_is_down_comes_with_what_is_missing() {
        assert_eq!(
            texts(&fixture::degraded()),
            ["! node3 down for 1m42s: 16 shards lack a copy; start it again", "~ node2 disk 83% full"]
        );
    }

    #[test]
    fn forming_says_for_whom_it_waits() {
        assert_eq!(texts(&fixture::forming()), ["~ forming, 1/3, waiting for node2, node3"]);
    }

    #[test]
    fn too_few_nodes_come_with_the_way_to_add_one() {
        let items = of(&fixture::single(), None);
        assert_eq!(items[0].text, "16 shards have 1 of 3 copies: add 2 more data nodes");
        assert_eq!(items[0].command, "join --help");
    }

    #[test]
    fn a_cluster_out_of_sight_comes_first() {
        let items = of(&fixture::degraded(), Some((12_000, "connection refused")));
        assert_eq!(items[0].text, "cluster not seen for 12s: connection refused");
    }

    #[test]
    fn every_command_is_listed() {
        for cluster in fixture::all() {
            for item in of(&cluster, Some((1, ""))) {
                assert!(COMMANDS.contains(&item.command), "{}", item.command);
            }
        }
    }
}
