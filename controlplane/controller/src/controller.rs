//! The controller role: the control group, and what its leader does on its own.

use crate::data_dir::Membership;
use crate::error::StartError;
use crate::limits::{DUTY_INTERVAL_MS, LEADER_SEARCH_MS, SETTLE_MS};
use crate::link::election_report;
use crate::machine::ControlMachine;
use crate::observed::{Health, Heard, Observed};
use crate::snapshot::{Taken, snapshot};
use bytes::Bytes;
use parking_lot::Mutex;
use phoenixmldb_placement::{PlacementNode, clock_voters, place};
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::admin::ClusterSnapshot;
use phoenixmldb_proto::internal::ElectionReport;
use phoenixmldb_raft::{GroupError, GroupStatus, Groups, Peer, RaftGroup};
use phoenixmldb_state::{ClusterState, Command, LeaderChange, NodeState, Outcome, Refusal};
use phoenixmldb_types::clock::Clock;
use phoenixmldb_types::{Code, GroupId, NodeName, Settings};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A running controller.
pub struct Controller {
    own: NodeName,
    group: RaftGroup,
    state: watch::Receiver<Arc<ClusterState>>,
    observed: Mutex<Observed>,
    membership: Membership,
    settings: Settings,
    clock: Arc<dyn Clock>,
}

fn control_error(error: &GroupError) -> PublicError {
    let message = error.to_string();
    match error {
        GroupError::NotLeader { leader } => {
            let error = PublicError::new(Code::NotLeader, message);
            match leader {
                Some(peer) => error.with("leader", &peer.name).with("leader_address", &peer.address),
                None => error,
            }
        }
        GroupError::Refused { .. } => PublicError::new(Code::Refused, message),
        GroupError::Overloaded { .. } => PublicError::new(Code::Overloaded, message),
        GroupError::LeadershipChanged
        | GroupError::NoQuorum
        | GroupError::Ambiguous
        | GroupError::Timeout { .. }
        | GroupError::Stopped { .. } => {
            PublicError::new(Code::ControlUnavailable, message).help("phoenixmldb-cluster status")
        }
    }
}

fn refused(refusal: &Refusal) -> PublicError {
    PublicError::new(refusal.code(), refusal.to_string()).help(refusal.help())
}

impl Controller {
    /// Opens the control group in `data`, and starts it when this node is the founder.
    pub async fn start(
        own: NodeName,
        data: &Path,
        groups: &Arc<Groups>,
        membership: Membership,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StartError> {
        let fault = |error: &dyn std::fmt::Display| StartError::Fault(error.to_string());
        let (machine, state) = ControlMachine::open(data.join("control.state")).map_err(|error| fault(&error))?;
        let group = groups.open(GroupId::CONTROL, Box::new(machine)).await.map_err(|error| fault(&error))?;
        if membership.founder {
            let peer = |member: &crate::data_dir::Member| {
                let (raft_id, name) = (member.raft_id.0, member.name.to_string());
                (raft_id, Peer { raft_id, name, address: member.peer_address.clone() })
            };
            let members: BTreeMap<u64, Peer> = membership.voters.iter().map(peer).collect();
            group.initialize(members).await.map_err(|error| fault(&error))?;
        }
        let observed = Mutex::new(Observed::since(clock.monotonic()));
        Ok(Arc::new(Self { own, group, state, observed, membership, settings, clock }))
    }

    /// The state this controller has applied.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.state.clone()
    }

    /// The control group.
    #[must_use]
    pub fn group(&self) -> &RaftGroup {
        &self.group
    }

    /// The cluster it controls.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Wall clock, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// Agrees on a change. Errors: not the leader (with its address), no quorum, or the state's refusal.
    pub async fn propose(&self, command: &Command) -> Result<Outcome, PublicError> {
        let limit = Duration::from_millis(LEADER_SEARCH_MS);
        let proposed = tokio::time::timeout(limit, self.group.propose(Bytes::from(command.to_bytes()))).await;
        let reply = match proposed {
            Ok(reply) => reply.map_err(|error| control_error(&error))?,
            Err(_) => return Err(control_error(&GroupError::NoQuorum)),
        };
        let outcome = Outcome::from_bytes(&reply)
            .map_err(|error| PublicError::new(Code::Internal, format!("reading an outcome: {error}")))?;
        match outcome {
            Outcome::Refused(refusal) => Err(refused(&refusal)),
            outcome => Ok(outcome),
        }
    }

    /// Refuses with the leader's address unless this controller leads and a quorum agrees.
    pub async fn confirm_leader(&self) -> Result<(), PublicError> {
        self.group.read_barrier().await.map_err(|error| control_error(&error))
    }

    /// Remembers a heartbeat. Error: this controller does not lead.
    pub fn heartbeat(&self, node: NodeName, mut heard: Heard) -> Result<u64, PublicError> {
        if self.group.leadership().is_none() {
            return Err(control_error(&GroupError::NotLeader { leader: self.group.leader() }));
        }
        heard.at = self.clock.monotonic();
        self.observed.lock().record(node, heard);
        Ok(self.state.borrow().version)
    }

    /// Why a node cannot lead the control group: nobody has its name, or it has no vote.
    fn no_voter(&self, to: &NodeName, status: &GroupStatus) -> PublicError {
        let state = self.state.borrow();
        if !state.nodes.contains_key(to) {
            let known = state.nodes.keys().map(ToString::to_string).collect();
            return refused(&Refusal::NodeNotFound { name: to.to_string(), known });
        }
        let names: Vec<&str> = status.voters.values().map(|peer| peer.name.as_str()).collect();
        let message = format!("{to} has no vote in the control group; {} have", names.join(", "));
        PublicError::new(Code::Unsupported, message).help("choose a node with a vote: phoenixmldb-cluster members")
    }

    /// Moves leadership of the control group to a voter, and waits until it leads.
    pub async fn transfer(&self, to: &NodeName) -> Result<(), PublicError> {
        self.confirm_leader().await?;
        let status = self.group.status();
        let target =
            status.voters.values().find(|peer| peer.name == to.as_str()).ok_or_else(|| self.no_voter(to, &status))?;
        if *to == self.own {
            return Ok(());
        }
        self.group.transfer_leader(target.raft_id).await.map_err(|error| control_error(&error))
    }

    /// Waits until a new leader has heard of every node, or has had the time to: a view of nothing helps nobody.
    pub async fn settle(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(SETTLE_MS);
        let unheard = || {
            let state = self.state.borrow();
            let observed = self.observed.lock();
            let fresh = observed.age(self.clock.monotonic()) < Duration::from_millis(SETTLE_MS);
            fresh && state.nodes.keys().any(|name| observed.get(name).is_none())
        };
        while unheard() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(DUTY_INTERVAL_MS / 5)).await;
        }
    }

    /// The cluster as this controller sees it.
    #[must_use]
    pub fn snapshot(&self) -> ClusterSnapshot {
        let state = self.state.borrow().clone();
        let taken = Taken {
            from: self.own.as_str(),
            now: self.clock.monotonic(),
            wall_ms: self.clock.wall_ms(),
            waiting: self.waiting(&state),
        };
        snapshot(&state, &self.observed.lock(), &self.group.status(), &taken)
    }

    /// For whom placement waits.
    fn waiting(&self, state: &ClusterState) -> String {
        let expected = state.expected_data_nodes(self.founders_with_data());
        let there = state.data_nodes().count();
        let missing =
            self.membership.voters.iter().filter(|voter| voter.data && !state.nodes.contains_key(&voter.name));
        let missing: Vec<&str> = missing.map(|voter| voter.name.as_str()).collect();
        if missing.is_empty() {
            let more = (expected as usize).saturating_sub(there);
            format!(
                "forming, {there}/{expected}, waiting for {more} more data node{}",
                if more == 1 { "" } else { "s" }
            )
        } else {
            format!("forming, {there}/{expected}, waiting for {}", missing.join(", "))
        }
    }

    fn founders_with_data(&self) -> u32 {
        u32::try_from(self.membership.voters.iter().filter(|voter| voter.data).count()).unwrap_or(u32::MAX)
    }

    /// Does what is the leader's to do, until the process ends.
    pub async fn run(self: Arc<Self>) {
        let mut led: Option<u64> = None;
        let mut pulse = tokio::time::interval(Duration::from_millis(DUTY_INTERVAL_MS));
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pulse.tick().await;
            let Some(token) = self.group.leadership() else {
                led = None;
                continue;
            };
            if led != Some(token.term) {
                led = Some(token.term);
                *self.observed.lock() = Observed::since(self.clock.monotonic());
                tracing::info!(term = token.term, "leads the control group");
            }
            if let Err(error) = self.duties().await {
                tracing::debug!(%error, "a duty of the control leader waits");
            }
        }
    }

    async fn duties(&self) -> Result<(), PublicError> {
        let state = self.state.borrow().clone();
        let now_ms = self.clock.wall_ms();
        if state.identity.is_none() {
            let form = Command::Form {
                cluster_id: self.membership.cluster_id.clone(),
                incarnation: self.membership.incarnation.clone(),
                settings: self.settings.clone(),
                now_ms,
            };
            self.propose(&form).await?;
            return Ok(());
        }
        let nodes: Vec<PlacementNode> = state
            .data_nodes()
            .map(|node| PlacementNode { name: node.name.clone(), raft_id: node.raft_id, zone: node.zone.clone() })
            .collect();
        let expected = state.expected_data_nodes(self.founders_with_data()) as usize;
        if !state.shards.is_formed() && nodes.len() >= expected.max(1) {
            let settings = &state.settings;
            let shards = place(settings.shard_count, settings.replication_factor, &nodes)
                .map_err(|error| PublicError::new(Code::Forming, error.to_string()))?;
            self.propose(&Command::Place { shards, clock: clock_voters(&nodes), now_ms }).await?;
        }
        self.note_leaders(&state, now_ms).await?;
        self.note_health(&state, now_ms).await
    }

    /// Tells of leaders that nobody was told of: of shards and the clock by their heartbeats, of the control group by its
    /// own word.
    async fn note_leaders(&self, state: &ClusterState, now_ms: u64) -> Result<(), PublicError> {
        let changes = {
            let observed = self.observed.lock();
            let now = self.clock.monotonic();
            let groups = state.shards.shards.iter().map(|shard| GroupId::shard(shard.id)).chain([GroupId::CLOCK]);
            let mut changes: Vec<LeaderChange> = groups
                .filter_map(|group| {
                    let (leader, report) = observed.leader(group, now)?;
                    Some(leader_change(group, leader.clone(), report.term, report.election.as_ref()))
                })
                .collect();
            if let Some(token) = self.group.leadership() {
                let election = self.group.election().map(|election| election_report(&election));
                changes.push(leader_change(GroupId::CONTROL, self.own.clone(), token.term, election.as_ref()));
            }
            changes.retain(|change| state.leaders.get(&change.group).is_none_or(|known| known.term < change.term));
            changes
        };
        if !changes.is_empty() {
            self.propose(&Command::LeadersChanged { changes, now_ms }).await?;
        }
        Ok(())
    }

    /// Agrees on each node that is in another state than before.
    async fn note_health(&self, state: &ClusterState, now_ms: u64) -> Result<(), PublicError> {
        let now = self.clock.monotonic();
        for (name, record) in &state.nodes {
            let (health, silent_ms) = {
                let observed = self.observed.lock();
                (observed.health(name, now), observed.silent_ms(name, now))
            };
            let new = match health {
                // Nothing was heard of it yet by this leader, which says nothing.
                Health::Joining => continue,
                Health::Healthy => NodeState::Healthy,
                Health::Suspect => NodeState::Suspect,
                Health::Down => NodeState::Down,
            };
            if new == record.state {
                continue;
            }
            let reason = if new == NodeState::Healthy {
                String::new()
            } else {
                format!("no heartbeat for {} s", silent_ms / 1000)
            };
            self.propose(&Command::NodeStateChanged { node: name.clone(), state: new, reason, now_ms }).await?;
        }
        Ok(())
    }
}

/// How the election went is told only by a leader that remembers the election of this term.
fn leader_change(group: GroupId, leader: NodeName, term: u64, election: Option<&ElectionReport>) -> LeaderChange {
    let election = election.filter(|election| election.term == term);
    LeaderChange {
        group,
        leader,
        term,
        before: election.and_then(|election| NodeName::parse(&election.before).ok()),
        silent_ms: election.map(|election| election.silent_ms),
        election_ms: election.map(|election| election.election_ms),
    }
}
