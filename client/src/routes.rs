//! Which node leads the shard of a document, as far as this client knows.
//!
//! A write goes straight to that node and is not passed on by another one, which spares the cluster a call. The answer may
//! be old: then the node passes the write on, as any node does. It is asked for beside the writes, at most
//! once in [`REFRESH_MS`], so no call waits for it.

use parking_lot::Mutex;
use phoenixmldb_proto::admin::Topology;
use phoenixmldb_types::shard_map::document_hash;
use phoenixmldb_types::{ContainerName, DocumentName};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Age at which a writing client asks again who leads, in milliseconds: leaders change seldom, and a wrong answer costs
/// one hop.
const REFRESH_MS: u64 = 2_000;

/// Hashes and the client address of their leader.
struct Route {
    first: u64,
    last: u64,
    address: Arc<str>,
}

#[derive(Default)]
struct Known {
    routes: Vec<Route>,
    asked_at: Option<Instant>,
}

/// The routes of one client.
#[derive(Default)]
pub(crate) struct Routes(Mutex<Known>);

impl Routes {
    /// Whether it is time to ask for the topology; who is told so asks.
    pub(crate) fn is_due(&self) -> bool {
        let now = Instant::now();
        let mut known = self.0.lock();
        let due = known.asked_at.is_none_or(|at| now.duration_since(at) >= Duration::from_millis(REFRESH_MS));
        if due {
            known.asked_at = Some(now);
        }
        due
    }

    /// Takes a topology over. A shard whose leader is not known is led by its first replica, unless something is wrong.
    pub(crate) fn learn(&self, topology: &Topology) {
        let route = |shard: &phoenixmldb_proto::admin::TopologyShard| {
            let leader = Some(&shard.leader).filter(|leader| !leader.is_empty()).or(shard.replicas.first())?;
            let node = topology.nodes.iter().find(|node| node.name == *leader)?;
            let address = Arc::from(node.client_address.as_str());
            Some(Route { first: shard.hash_first, last: shard.hash_last, address })
        };
        self.0.lock().routes = topology.shards.iter().filter_map(route).collect();
    }

    /// The client address of the node that leads the document's shard; `None` when that is not known, or the names are
    /// none, which is for the server to say.
    pub(crate) fn leader(&self, container: &str, document: &str) -> Option<Arc<str>> {
        let hash = document_hash(&ContainerName::parse(container).ok()?, &DocumentName::parse(document).ok()?);
        let known = self.0.lock();
        let route = known.routes.iter().find(|route| (route.first..=route.last).contains(&hash))?;
        Some(route.address.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_proto::admin::{TopologyNode, TopologyShard};

    fn topology() -> Topology {
        let node = |name: &str| TopologyNode {
            name: name.to_owned(),
            client_address: format!("{name}:5432"),
            ..TopologyNode::default()
        };
        let shard = |id: u32, hash_first: u64, hash_last: u64, leader: &str| TopologyShard {
            id,
            hash_first,
            hash_last,
            replicas: vec!["a".to_owned(), "b".to_owned()],
            leader: leader.to_owned(),
        };
        let half = u64::MAX / 2;
        Topology {
            nodes: vec![node("a"), node("b")],
            shards: vec![shard(0, 0, half, ""), shard(1, half + 1, u64::MAX, "b")],
            ..Topology::default()
        }
    }

    #[test]
    fn a_document_is_led_by_the_known_leader_or_else_the_first_replica() {
        let routes = Routes::default();
        assert_eq!(routes.leader("orders", "o1.xml"), None, "nothing is known yet");
        routes.learn(&topology());
        for name in (0..50).map(|number| format!("o{number}.xml")) {
            let hash = document_hash(&ContainerName::parse("orders").unwrap(), &DocumentName::parse(&name).unwrap());
            let expected = if hash <= u64::MAX / 2 { "a:5432" } else { "b:5432" };
            assert_eq!(routes.leader("orders", &name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(routes.leader("", "o1.xml"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_topology_is_asked_for_now_and_then() {
        let routes = Routes::default();
        assert!(routes.is_due());
        assert!(!routes.is_due());
        tokio::time::advance(Duration::from_millis(REFRESH_MS)).await;
        assert!(routes.is_due());
    }
}
