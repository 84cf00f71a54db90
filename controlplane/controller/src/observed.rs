//! What the control leader has heard lately: heartbeats. In memory only; a new leader starts with nothing.

use crate::limits::{DOWN_AFTER_MS, SUSPECT_AFTER_MS};
use phoenixmldb_proto::admin::NodeLoad;
use phoenixmldb_proto::internal::GroupReport;
use phoenixmldb_types::{GroupId, NodeName};
use std::collections::BTreeMap;
use std::time::Duration;

/// The last heartbeat of a node.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// When, on this process's monotonic clock.
    pub at: Duration,
    /// How long the node has been up, in seconds.
    pub uptime_s: u64,
    /// What it carries.
    pub load: NodeLoad,
    /// What operators should know of it.
    pub notes: Vec<String>,
    /// Its replicas.
    pub groups: BTreeMap<u32, GroupReport>,
}

/// Whether a node is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// It has registered and not yet sent a heartbeat to this leader.
    Joining,
    /// It sends heartbeats.
    Healthy,
    /// Several were missed.
    Suspect,
    /// Many were missed.
    Down,
}

impl Health {
    /// The word of the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::Down => "down",
        }
    }
}

/// Heartbeats of all nodes.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    nodes: BTreeMap<NodeName, Heard>,
    /// When this leader began to listen.
    since: Duration,
}

impl Observed {
    /// Nothing heard yet, at a time of the monotonic clock.
    #[must_use]
    pub fn since(now: Duration) -> Self {
        Self { nodes: BTreeMap::new(), since: now }
    }

    /// How long this leader has listened.
    #[must_use]
    pub fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }

    /// Remembers a heartbeat.
    pub fn record(&mut self, node: NodeName, heard: Heard) {
        self.nodes.insert(node, heard);
    }

    /// The last heartbeat of a node.
    #[must_use]
    pub fn get(&self, node: &NodeName) -> Option<&Heard> {
        self.nodes.get(node)
    }

    /// Milliseconds since the node was heard of, or since this leader began to listen.
    #[must_use]
    pub fn silent_ms(&self, node: &NodeName, now: Duration) -> u64 {
        let last = self.nodes.get(node).map_or(self.since, |heard| heard.at);
        u64::try_from(now.saturating_sub(last).as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether a node is there.
    #[must_use]
    pub fn health(&self, node: &NodeName, now: Duration) -> Health {
        match self.silent_ms(node, now) {
            ms if ms >= DOWN_AFTER_MS => Health::Down,
            _ if !self.nodes.contains_key(node) => Health::Joining,
            ms if ms >= SUSPECT_AFTER_MS => Health::Suspect,
            _ => Health::Healthy,
        }
    }

    /// Who leads a group, and its report: of all that say they do and are heard of, the one with the highest term.
    #[must_use]
    pub fn leader(&self, group: GroupId, now: Duration) -> Option<(&NodeName, &GroupReport)> {
        let claims = self.nodes.iter().filter_map(|(name, heard)| {
            let report = heard.groups.get(&group.0).filter(|report| report.role == "leader")?;
            (self.health(name, now) != Health::Down).then_some((name, report))
        });
        claims.max_by_key(|(_, report)| report.term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: u32) -> NodeName {
        NodeName::parse(&format!("node{n}")).unwrap()
    }

    fn heard(at_ms: u64, term: u64, role: &str) -> Heard {
        let report = GroupReport { group: 16, term, role: role.to_owned(), ..GroupReport::default() };
        Heard { at: Duration::from_millis(at_ms), groups: [(16, report)].into(), ..Heard::default() }
    }

    #[test]
    fn silence_makes_a_node_suspect_and_then_down() {
        let mut observed = Observed::since(Duration::from_millis(1_000));
        let at = |ms| Duration::from_millis(ms);
        assert_eq!(observed.health(&name(1), at(1_500)), Health::Joining);
        assert_eq!(observed.health(&name(1), at(1_000 + DOWN_AFTER_MS)), Health::Down);
        observed.record(name(1), heard(2_000, 1, "leader"));
        assert_eq!(observed.health(&name(1), at(2_000 + SUSPECT_AFTER_MS - 1)), Health::Healthy);
        assert_eq!(observed.health(&name(1), at(2_000 + SUSPECT_AFTER_MS)), Health::Suspect);
        assert_eq!(observed.health(&name(1), at(2_000 + DOWN_AFTER_MS)), Health::Down);
    }

    #[test]
    fn of_two_that_claim_to_lead_the_newer_term_counts_and_the_dead_do_not() {
        let mut observed = Observed::since(Duration::ZERO);
        let shard = GroupId(16);
        observed.record(name(1), heard(0, 3, "leader"));
        observed.record(name(2), heard(0, 4, "leader"));
        observed.record(name(3), heard(0, 9, "follower"));
        assert_eq!(observed.leader(shard, Duration::ZERO).unwrap().0, &name(2));
        observed.record(name(1), heard(DOWN_AFTER_MS, 3, "leader"));
        assert_eq!(observed.leader(shard, Duration::from_millis(DOWN_AFTER_MS)).unwrap().0, &name(1));
    }
}
