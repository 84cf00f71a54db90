//! What is on screen, as data. [`crate::update`] changes it, [`crate::view`] draws it, neither knows a terminal.

use crate::attention;
use crate::facts::{self, Health, Heat};
use crate::history::{History, Moment};
use crate::limits::{FILTER_COMPILED_BYTES_MAX, STALE_INTERVALS_MAX};
use crate::theme::Palette;
use phoenixmldb_client::admin_v1::{ClusterSnapshot, Event, NodeView, ShardView};
use regex::{Regex, RegexBuilder};
use std::cmp::Reverse;

/// A screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Screen {
    /// Health, work, nodes, events.
    #[default]
    Overview,
    /// Which node holds which shard.
    Shards,
}

/// The panel that takes the arrows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Panel {
    /// What needs you.
    Attention,
    /// The table of nodes.
    Nodes,
    /// What happened.
    Events,
    /// The grid of shards.
    Map,
}

/// By what nodes are sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    /// Worst first.
    #[default]
    State,
    /// By name.
    Name,
    /// Most leaders first.
    Leaders,
    /// Busiest first.
    Requests,
    /// Furthest behind first.
    Lag,
    /// Fullest disk first.
    Disk,
}

impl Sort {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::State => Self::Name,
            Self::Name => Self::Leaders,
            Self::Leaders => Self::Requests,
            Self::Requests => Self::Lag,
            Self::Lag => Self::Disk,
            Self::Disk => Self::State,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Name => "name",
            Self::Leaders => "leaders",
            Self::Requests => "requests",
            Self::Lag => "lag",
            Self::Disk => "disk",
        }
    }
}

/// A filter as it was typed: a regular expression, after `!` its inverse.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// What was typed; empty lets everything through.
    pub text: String,
    pattern: Option<Regex>,
}

impl Filter {
    /// Compiles what was typed.
    ///
    /// Error: why it is not a regular expression, in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = text.strip_prefix('!').unwrap_or(text);
        if pattern.is_empty() {
            return Ok(Self::default());
        }
        let compiled =
            RegexBuilder::new(pattern).case_insensitive(true).size_limit(FILTER_COMPILED_BYTES_MAX).build().map_err(
                |error| error.to_string().lines().last().unwrap_or("not a regular expression").trim().to_owned(),
            )?;
        Ok(Self { text: text.to_owned(), pattern: Some(compiled) })
    }

    /// Whether something with these words is shown.
    #[must_use]
    pub fn shows(&self, words: &[&str]) -> bool {
        let Some(pattern) = &self.pattern else { return true };
        words.iter().any(|word| pattern.is_match(word)) != self.text.starts_with('!')
    }
}

/// Where snapshots come from, and whether they still come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Feed {
    /// Nothing was seen yet.
    Waiting,
    /// They come.
    Live,
    /// They do not; since when, and why.
    Lost {
        /// When the newest snapshot came, or when waiting began.
        since_ms: u64,
        /// In words.
        reason: String,
    },
    /// The recording is at its end.
    Ended,
}

/// What is on screen.
#[derive(Clone, Debug)]
pub struct Model {
    /// Which screen.
    pub screen: Screen,
    /// Panel with the cursor.
    pub panel: Panel,
    /// Cursor in "What needs you".
    pub attention_at: usize,
    /// Cursor in the nodes, also on the shard map.
    pub node_at: usize,
    /// Cursor in the events.
    pub event_at: usize,
    /// Cursor on the shard map, as a position among the shown shards.
    pub shard_at: usize,
    /// By what nodes are sorted.
    pub sort: Sort,
    /// The other way round.
    pub reversed: bool,
    /// What is let through.
    pub filter: Filter,
    /// A filter being typed.
    pub typing: Option<String>,
    /// Only what is not well.
    pub faults_only: bool,
    /// What shades the shard map.
    pub heat: Heat,
    /// One column per shard.
    pub dense: bool,
    /// Colours.
    pub palette: Palette,
    /// Colours may be chosen: `NO_COLOR` is not set.
    pub colors: bool,
    /// Only ASCII is drawn.
    pub ascii: bool,
    /// The help is open.
    pub help: bool,
    /// One line for the operator, until the next key.
    pub notice: String,
    /// Keys are shown: somebody can press them.
    pub interactive: bool,
    /// How the program is called, with what it needs to find this cluster: `phoenixmldb-cluster --endpoint …`.
    pub program: String,
    /// State of the feed.
    pub feed: Feed,
    /// What was seen.
    pub history: History,
    /// Number of the moment at which time was stopped; `None` follows the cluster.
    pub stopped_at: Option<u64>,
    /// Now, in milliseconds of the monotonic clock.
    pub now_ms: u64,
    /// Time between two snapshots, in milliseconds.
    pub interval_ms: u32,
}

impl Model {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(interval_ms: u32, now_ms: u64) -> Self {
        Self {
            screen: Screen::Overview,
            panel: Panel::Nodes,
            attention_at: 0,
            node_at: 0,
            event_at: 0,
            shard_at: 0,
            sort: Sort::default(),
            reversed: false,
            filter: Filter::default(),
            typing: None,
            faults_only: false,
            heat: Heat::default(),
            dense: false,
            palette: Palette::default(),
            colors: true,
            ascii: false,
            help: false,
            notice: String::new(),
            interactive: true,
            program: "phoenixmldb-cluster".to_owned(),
            feed: Feed::Waiting,
            history: History::default(),
            stopped_at: None,
            now_ms,
            interval_ms,
        }
    }

    /// Goes to a screen.
    pub fn open(&mut self, screen: Screen) {
        self.screen = screen;
        self.panel = match screen {
            Screen::Overview => Panel::Nodes,
            Screen::Shards => Panel::Map,
        };
    }

    /// Panels of this screen, in the order of Tab.
    #[must_use]
    pub fn panels(&self) -> &'static [Panel] {
        match self.screen {
            Screen::Overview => &[Panel::Attention, Panel::Nodes, Panel::Events],
            Screen::Shards => &[Panel::Map],
        }
    }

    /// The moment on screen.
    #[must_use]
    pub fn moment(&self) -> Option<&Moment> {
        match self.stopped_at {
            Some(number) => self.history.get(number),
            None => self.history.newest(),
        }
    }

    /// The cluster on screen.
    #[must_use]
    pub fn cluster(&self) -> Option<&ClusterSnapshot> {
        self.moment().map(|moment| moment.cluster.as_ref())
    }

    /// The cluster in one word.
    #[must_use]
    pub fn health(&self) -> Option<Health> {
        self.cluster().map(facts::health)
    }

    /// Age of what is shown while it should be newer, in milliseconds: the time since it was seen, and how old it was
    /// for the node that sent it.
    #[must_use]
    pub fn stale_ms(&self) -> Option<u64> {
        let moment = self.moment()?;
        if self.stopped_at.is_some() || self.feed == Feed::Ended {
            return None;
        }
        let age = self.now_ms.saturating_sub(moment.at_ms).saturating_add(moment.cluster.view_age_ms);
        (age > u64::from(self.interval_ms) * STALE_INTERVALS_MAX).then_some(age)
    }

    /// What needs the operator.
    #[must_use]
    pub fn attention(&self) -> Vec<attention::Item> {
        let lost = match &self.feed {
            Feed::Lost { since_ms, reason } if self.stopped_at.is_none() => {
                Some((self.now_ms.saturating_sub(*since_ms), reason.as_str()))
            }
            _ => None,
        };
        self.cluster().map(|cluster| attention::of(cluster, lost)).unwrap_or_default()
    }

    /// The nodes on screen, filtered and sorted; on the shard map those with documents, by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<&NodeView> {
        let Some(cluster) = self.cluster() else { return Vec::new() };
        let on_map = self.screen == Screen::Shards;
        let mut nodes: Vec<&NodeView> = cluster
            .nodes
            .iter()
            .filter(|node| !on_map || node.data)
            .filter(|node| on_map || !self.faults_only || facts::urgency(node) > 0)
            .filter(|node| self.filter.shows(&[&node.name, &node.state, &node.zone, &node.control_role]))
            .collect();
        nodes.sort_by_key(|node| natural(&node.name));
        let order = |figure: fn(&NodeView) -> f64| move |a: &&NodeView, b: &&NodeView| figure(b).total_cmp(&figure(a));
        match self.sort {
            _ if on_map => {}
            Sort::Name => {}
            Sort::State => nodes.sort_by_key(|node| Reverse(facts::urgency(node))),
            Sort::Leaders => nodes.sort_by_key(|node| Reverse(node.shard_leaders)),
            Sort::Lag => nodes.sort_by_key(|node| Reverse(node.lag_entries)),
            Sort::Requests => nodes.sort_by(order(|node| facts::requests_per_s(node).unwrap_or(-1.0))),
            Sort::Disk => nodes.sort_by(order(|node| facts::disk(node).unwrap_or(-1.0))),
        }
        if self.reversed && !on_map {
            nodes.reverse();
        }
        nodes
    }

    /// The events on screen, newest first.
    #[must_use]
    pub fn events(&self) -> Vec<&Event> {
        let events = self.cluster().map(|cluster| cluster.events.iter().rev()).into_iter().flatten();
        events
            .filter(|event| !self.faults_only || event.level != "info")
            .filter(|event| self.filter.shows(&[&event.subject, &event.text, &event.by, &event.level]))
            .collect()
    }

    /// The shards on screen.
    #[must_use]
    pub fn shards(&self) -> Vec<&ShardView> {
        let shards = self.cluster().map(|cluster| cluster.shards.iter()).into_iter().flatten();
        shards.filter(|shard| !self.faults_only || shard.state != "ok").collect()
    }

    /// The shard under the cursor.
    #[must_use]
    pub fn shard(&self) -> Option<&ShardView> {
        let shards = self.shards();
        shards.get(self.shard_at.min(shards.len().saturating_sub(1))).copied()
    }

    /// A figure of the last `count` moments up to the one shown, oldest first.
    #[must_use]
    pub fn series(&self, count: usize, figure: impl Fn(&ClusterSnapshot) -> Option<f64>) -> Vec<Option<f64>> {
        let Some(moment) = self.moment() else { return Vec::new() };
        self.history.until(moment.number, count).map(|moment| figure(&moment.cluster)).collect()
    }

    /// The command that says in text what the cursor is on, after the name of the program.
    #[must_use]
    pub fn command(&self) -> String {
        match self.screen {
            Screen::Shards => self.shard().map_or_else(|| "shards".to_owned(), |shard| format!("shards {}", shard.id)),
            Screen::Overview if self.panel == Panel::Events => "events".to_owned(),
            Screen::Overview => {
                let items = self.attention();
                let item = items.get(self.attention_at.min(items.len().saturating_sub(1)));
                item.map_or("status", |item| item.command).to_owned()
            }
        }
    }
}

/// A name with its digits as numbers, so that node10 follows node9.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0_u64)];
    let mut in_digits = false;
    for c in name.chars() {
        match (c.to_digit(10), parts.last_mut()) {
            (Some(digit), Some(last)) => {
                in_digits = true;
                last.1 = last.1.saturating_mul(10).saturating_add(u64::from(digit));
            }
            (None, Some(last)) if !in_digits => last.0.push(c),
            (None, _) => {
                in_digits = false;
                parts.push((c.to_string(), 0));
            }
            (Some(_), None) => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_an_expression_or_its_inverse() {
        let shows = |text: &str, word: &str| Filter::parse(text).unwrap().shows(&[word]);
        assert!(shows("NODE[12]", "node2") && !shows("node[12]", "node3"));
        assert!(!shows("!node2", "node2") && shows("!node2", "node3"));
        assert!(shows("", "anything") && shows("!", "anything"));
        assert!(Filter::parse("(").unwrap_err().contains("unclosed"));
    }

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = ["node10", "node9", "a", "node1-b", "node1"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["a", "node1", "node1-b", "node9", "node10"]);
    }
}
