//! A node's tie to the control plane: registers, follows the map, sends heartbeats. For every role.

use crate::client::{ControlClient, decode_map};
use crate::config::Given;
use crate::data_dir::DataDir;
use crate::http::Readiness;
use crate::limits::HEARTBEAT_INTERVAL_MS;
use crate::system::System;
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::admin::NodeLoad;
use phoenixmldb_proto::internal::{ElectionReport, GroupReport, HeartbeatRequest, NodeDescription};
use phoenixmldb_raft::{Election, Groups, Role};
use phoenixmldb_types::{ClusterMap, Code, GroupId};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What a node tells of itself at each heartbeat: its load, and what Raft does not know of its groups.
pub type LoadProbe = Arc<dyn Fn() -> (NodeLoad, BTreeMap<GroupId, GroupReport>) + Send + Sync>;

/// The probe of a node without a data role.
#[must_use]
pub fn no_load() -> LoadProbe {
    Arc::new(Default::default)
}

/// The tie. Cheap to clone.
#[derive(Clone)]
pub struct Link {
    client: Arc<ControlClient>,
    node: NodeDescription,
    given: Arc<Vec<Given>>,
    map: Arc<watch::Sender<Option<Arc<ClusterMap>>>>,
    dir: Arc<DataDir>,
}

impl Link {
    /// Begins with the map of the disk, if there is one.
    #[must_use]
    pub fn new(
        client: Arc<ControlClient>,
        node: NodeDescription,
        given: Vec<Given>,
        dir: Arc<DataDir>,
        known: Option<ClusterMap>,
    ) -> Self {
        if let Some(map) = &known {
            client.update(map);
        }
        let given = Arc::new(given);
        Self { client, node, given, map: Arc::new(watch::Sender::new(known.map(Arc::new))), dir }
    }

    /// The map as this node knows it.
    #[must_use]
    pub fn map(&self) -> watch::Receiver<Option<Arc<ClusterMap>>> {
        self.map.subscribe()
    }

    /// The way to the controllers.
    #[must_use]
    pub fn client(&self) -> &Arc<ControlClient> {
        &self.client
    }

    /// Takes a map if it is newer than the known one: stores it, then tells everybody.
    fn take(&self, map: ClusterMap) {
        let newer = self.map.borrow().as_ref().is_none_or(|known| known.version < map.version);
        if !newer {
            return;
        }
        self.client.update(&map);
        if let Err(error) = self.dir.write("map.json", &map) {
            // The map is a cache: without it a restart has to wait for a controller.
            tracing::warn!(%error, "the cluster map cannot be stored");
        }
        self.map.send_if_modified(|known| {
            let newer = known.as_ref().is_none_or(|known| known.version < map.version);
            if newer {
                *known = Some(Arc::new(map));
            }
            newer
        });
    }

    /// Tells the control plane who this node is and takes its newest map.
    pub async fn register(&self) -> Result<(), PublicError> {
        self.take(self.client.register(&self.node).await?);
        Ok(())
    }

    /// Registers, then follows the map and sends heartbeats until the process ends. A refusal that waiting does not
    /// change is shown through `readiness`.
    pub async fn run(self, groups: Arc<Groups>, load: LoadProbe, readiness: Readiness) {
        while let Err(error) = self.register().await {
            if matches!(error.code, Code::IdentityMismatch | Code::WrongCluster | Code::Refused) {
                tracing::error!(%error, help = %error.help, "the control plane does not take this node");
                readiness.waits(format!("{}; {}", error.message, error.help));
            } else {
                tracing::debug!(%error, "registering waits for a controller");
            }
            if self.map.borrow().is_some() {
                // It serves from what it knows; registering goes on beside.
                break;
            }
            tokio::time::sleep(Duration::from_millis(HEARTBEAT_INTERVAL_MS)).await;
        }
        let watching = self.clone();
        tokio::join!(watching.follow(), self.beat(groups, load, readiness));
    }

    /// Follows the map at one controller after another.
    async fn follow(&self) {
        loop {
            for address in self.client.addresses() {
                let known = self.map.borrow().as_ref().map_or(0, |map| map.version);
                let Ok(mut stream) = self.client.watch(&address, known).await else { continue };
                while let Ok(Some(message)) = stream.message().await {
                    match decode_map(&message.map) {
                        Ok(map) => self.take(map),
                        Err(error) => tracing::warn!(%error, %address, "a map cannot be read"),
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(HEARTBEAT_INTERVAL_MS)).await;
        }
    }

    async fn beat(&self, groups: Arc<Groups>, load: LoadProbe, readiness: Readiness) {
        let mut told = Vec::new();
        let mut pulse = tokio::time::interval(Duration::from_millis(HEARTBEAT_INTERVAL_MS));
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let system = System::new(self.dir.path());
        loop {
            pulse.tick().await;
            let (mut load, mut reports) = load();
            system.fill(&mut load);
            let map = self.map.borrow().clone();
            let known = map.as_ref().map_or(0, |map| map.version);
            let notes = map.map(|map| Given::ignored(&self.given, &map.settings)).unwrap_or_default();
            if notes != told {
                notes.iter().for_each(|note| tracing::warn!("{note}"));
                told.clone_from(&notes);
            }
            let request = HeartbeatRequest {
                cluster_id: String::new(),
                node: self.node.name.clone(),
                raft_id: self.node.raft_id,
                uptime_s: readiness.uptime_s(),
                map_version: known,
                load: load.encode_to_vec().into(),
                groups: groups.all().iter().map(|group| report(group, reports.remove(&group.id()))).collect(),
                notes,
            };
            match self.client.heartbeat(request).await {
                // The watch may hang on a controller that is cut off from the others.
                Ok(newest) if newest > known => {
                    if let Err(error) = self.register().await {
                        tracing::debug!(%error, "the newer map could not be fetched");
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "a heartbeat found no control leader"),
            }
        }
    }
}

/// An election on the wire.
pub(crate) fn election_report(election: &Election) -> ElectionReport {
    ElectionReport {
        term: election.term,
        before: election.before.as_ref().map(|peer| peer.name.clone()).unwrap_or_default(),
        silent_ms: election.silent_ms,
        election_ms: election.election_ms,
    }
}

fn report(group: &phoenixmldb_raft::RaftGroup, known: Option<GroupReport>) -> GroupReport {
    let status = group.status();
    let leads = status.role == Role::Leader;
    GroupReport {
        group: group.id().0,
        term: status.term,
        role: status.role.name().to_owned(),
        leader: status.leader.map(|peer| peer.name).unwrap_or_default(),
        last_index: status.last_index,
        committed: status.committed,
        applied: status.applied,
        matched: status.matched.into_iter().collect(),
        quorum_age_ms: status.quorum_age_ms,
        election: group.election().filter(|_| leads).map(|election| election_report(&election)),
        ..known.unwrap_or_default()
    }
}
