//! One channel per node, a breaker each, and which node is next.
//!
//! A node that could not be reached is left out for `REST_MS`, unless all are: then the one that failed longest ago is
//! tried again, so a cluster that comes back is found by the next call. A node that another one named and that has never
//! answered is left out longer each time: its address may mean nothing here, as behind a port mapping.

use crate::options::{ClusterClientOptions, LoadBalancing};
use parking_lot::Mutex;
use rand::RngExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

/// How long an unreachable node is left out, in milliseconds: a restarted node is in rotation again within 2 s.
const REST_MS: u64 = 1500;

/// Most doublings of that time for a node that has never answered: 48 s.
const REST_DOUBLINGS_MAX: u32 = 5;

/// A node to send the next attempt to.
pub(crate) struct Picked {
    pub(crate) address: String,
    pub(crate) channel: Channel,
}

struct Node {
    address: String,
    channel: Channel,
    failed_at: Option<Instant>,
    /// Failures in a row of a node that was not given by the caller and has never answered.
    never_answered: Option<u32>,
    picked_at: Option<Instant>,
    /// Smoothed time to answer, in microseconds.
    latency_us: f64,
}

pub(crate) struct Pool {
    nodes: Mutex<Vec<Node>>,
    turn: AtomicUsize,
    /// Which nodes there are should be asked: nobody has been, or a node has been lost since.
    unsure: AtomicBool,
    strategy: LoadBalancing,
    connect_timeout: Duration,
}

impl Pool {
    pub(crate) fn new(options: &ClusterClientOptions) -> Self {
        let pool = Self {
            nodes: Mutex::new(Vec::new()),
            turn: AtomicUsize::new(0),
            unsure: AtomicBool::new(true),
            strategy: options.load_balancing,
            connect_timeout: options.connect_timeout,
        };
        pool.learn(options.nodes.iter().cloned());
        pool.nodes.lock().iter_mut().for_each(|node| node.never_answered = None);
        pool
    }

    /// Whether the nodes of the cluster should be asked for; the caller does so.
    pub(crate) fn wants_discovery(&self) -> bool {
        self.unsure.swap(false, Ordering::Relaxed)
    }

    /// Adds nodes that are not known yet.
    pub(crate) fn learn(&self, addresses: impl Iterator<Item = String>) {
        let mut nodes = self.nodes.lock();
        for address in addresses {
            if nodes.iter().any(|node| node.address == address) {
                continue;
            }
            let Ok(endpoint) = Endpoint::from_shared(format!("http://{address}")) else { continue };
            let channel = endpoint
                .connect_timeout(self.connect_timeout)
                .tcp_nodelay(true)
                .http2_keep_alive_interval(Duration::from_secs(2))
                .keep_alive_timeout(Duration::from_secs(2))
                .keep_alive_while_idle(true)
                .connect_lazy();
            nodes.push(Node {
                address,
                channel,
                failed_at: None,
                never_answered: Some(0),
                picked_at: None,
                latency_us: 0.0,
            });
        }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.nodes.lock().iter().map(|node| node.address.clone()).collect()
    }

    /// Whether this is a node it was given, or one that has answered.
    pub(crate) fn trusts(&self, address: &str) -> bool {
        self.nodes.lock().iter().any(|node| node.address == address && node.never_answered.is_none())
    }

    /// The node for the next attempt: `preferred` if it is healthy, otherwise by the strategy, otherwise any that was
    /// not tried yet, otherwise the one that failed longest ago.
    pub(crate) fn pick(&self, preferred: Option<&str>, tried: &[(String, String)]) -> Picked {
        let mut nodes = self.nodes.lock();
        let now = Instant::now();
        if let Some(address) = preferred
            && !nodes.iter().any(|node| node.address == address)
        {
            drop(nodes);
            self.learn(std::iter::once(address.to_owned()));
            nodes = self.nodes.lock();
        }
        let rest = |node: &Node| {
            let doublings = node.never_answered.unwrap_or(0).saturating_sub(1).min(REST_DOUBLINGS_MAX);
            Duration::from_millis(REST_MS << doublings)
        };
        let healthy = |node: &Node| node.failed_at.is_none_or(|at| now.duration_since(at) >= rest(node));
        let fresh = |node: &Node| !tried.iter().any(|(address, _)| *address == node.address);
        let all: Vec<usize> = (0..nodes.len()).collect();
        let pick_from = |good: &dyn Fn(&Node) -> bool| -> Vec<usize> {
            all.iter().copied().filter(|&index| good(&nodes[index])).collect()
        };
        let wanted = preferred.and_then(|address| nodes.iter().position(|n| n.address == address && healthy(n)));
        let chosen = wanted.unwrap_or_else(|| {
            let mut candidates = pick_from(&|node| healthy(node) && fresh(node));
            if candidates.is_empty() {
                candidates = pick_from(&healthy);
            }
            if candidates.is_empty() {
                let longest_ago = all.iter().copied().min_by_key(|&index| nodes[index].failed_at);
                return longest_ago.expect("options are checked: at least one node");
            }
            match self.strategy {
                LoadBalancing::RoundRobin => candidates[self.turn.fetch_add(1, Ordering::Relaxed) % candidates.len()],
                LoadBalancing::Random => candidates[rand::rng().random_range(0..candidates.len())],
                LoadBalancing::Leader => candidates[0],
                LoadBalancing::Nearest => {
                    let nearest = |a: &&usize, b: &&usize| nodes[**a].latency_us.total_cmp(&nodes[**b].latency_us);
                    *candidates.iter().min_by(nearest).expect("not empty")
                }
            }
        });
        nodes[chosen].picked_at = Some(now);
        Picked { address: nodes[chosen].address.clone(), channel: nodes[chosen].channel.clone() }
    }

    pub(crate) fn failed(&self, address: &str) {
        self.unsure.store(true, Ordering::Relaxed);
        self.with(address, |node| {
            node.failed_at = Some(Instant::now());
            node.never_answered = node.never_answered.map(|failures| failures + 1);
        });
    }

    pub(crate) fn succeeded(&self, address: &str) {
        self.with(address, |node| {
            node.failed_at = None;
            node.never_answered = None;
            if let Some(at) = node.picked_at.take() {
                let us = at.elapsed().as_secs_f64() * 1e6;
                node.latency_us = if node.latency_us == 0.0 { us } else { node.latency_us * 0.8 + us * 0.2 };
            }
        });
    }

    fn with(&self, address: &str, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.lock().iter_mut().find(|node| node.address == address) {
            change(node);
        }
    }

    /// How often each node was picked is what tests of the strategies look at.
    #[cfg(test)]
    fn counts(&self, picks: usize) -> std::collections::BTreeMap<String, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..picks {
            *counts.entry(self.pick(None, &[]).address).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(strategy: LoadBalancing) -> Pool {
        let nodes = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
        Pool::new(&ClusterClientOptions { nodes, load_balancing: strategy, ..Default::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn round_robin_spreads_evenly_and_skips_what_failed_until_it_rested() {
        let pool = pool(LoadBalancing::RoundRobin);
        assert!(pool.counts(3000).values().all(|&count| count == 1000));
        pool.failed("b:1");
        assert!(!pool.counts(100).contains_key("b:1"));
        tokio::time::advance(Duration::from_millis(REST_MS)).await;
        assert!(pool.counts(100).contains_key("b:1"));
    }

    #[tokio::test(start_paused = true)]
    async fn with_all_failed_the_one_that_failed_longest_ago_is_tried() {
        let pool = pool(LoadBalancing::RoundRobin);
        for address in ["c:1", "a:1", "b:1"] {
            pool.failed(address);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(pool.pick(None, &[]).address, "c:1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_named_node_that_never_answers_is_tried_less_and_less() {
        let pool = pool(LoadBalancing::RoundRobin);
        pool.learn(std::iter::once("d:1".to_owned()));
        for doubling in 0..3 {
            assert!(pool.counts(8).contains_key("d:1"));
            pool.failed("d:1");
            tokio::time::advance(Duration::from_millis((REST_MS << doubling) - 1)).await;
            assert!(!pool.counts(8).contains_key("d:1"), "still left out after {doubling} doublings");
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        pool.succeeded("d:1");
        pool.failed("d:1");
        tokio::time::advance(Duration::from_millis(REST_MS)).await;
        assert!(pool.counts(8).contains_key("d:1"), "it has answered: it comes back soon");
    }

    #[tokio::test]
    async fn nodes_are_asked_for_once_and_again_after_a_loss() {
        let pool = pool(LoadBalancing::RoundRobin);
        assert!(pool.wants_discovery() && !pool.wants_discovery());
        pool.failed("a:1");
        assert!(pool.wants_discovery() && !pool.wants_discovery());
    }

    #[tokio::test]
    async fn a_hint_wins_and_is_learnt() {
        let pool = pool(LoadBalancing::Leader);
        assert_eq!(pool.pick(None, &[]).address, "a:1");
        assert_eq!(pool.pick(Some("d:1"), &[]).address, "d:1");
        assert_eq!(pool.addresses().len(), 4);
    }
}
