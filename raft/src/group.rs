//! What one group can be asked. Cheap to clone; all clones are the same group.

use crate::barrier::Barriers;
use crate::error::GroupError;
use crate::limits::{
    PROPOSAL_WAIT_MS_MAX, PROPOSALS_IN_FLIGHT_MAX, PROPOSED_BYTES_IN_FLIGHT_MAX, TRANSFER_LAG_ENTRIES_MAX,
    TRANSFER_TIMEOUT_MS,
};
use crate::meter::{Election, GroupMeter, GroupMetrics, count};
use crate::network::{Network, Sends};
use crate::type_config::{C, Command, Peer, Raft};
use bytes::Bytes;
use futures::FutureExt;
use openraft::async_runtime::WatchReceiver;
use openraft::error::{ClientWriteError, Fatal, ForwardReason, LinearizableReadError, RaftError};
use openraft::impls::ProgressResponder;
use openraft::raft::ReadPolicy;
use openraft::{ChangeMembers, Instant, ServerState};
use phoenixmldb_types::GroupId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What this replica is in its group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// Serves writes and strong reads.
    Leader,
    /// Follows.
    #[default]
    Follower,
    /// Asks for votes.
    Candidate,
    /// Follows without a vote.
    Learner,
    /// Does nothing any more.
    Stopped,
}

impl Role {
    /// The word of the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
            Self::Stopped => "stopped",
        }
    }
}

/// A group as this replica sees it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GroupStatus {
    /// Current term.
    pub term: u64,
    /// Own role.
    pub role: Role,
    /// Who leads, if known.
    pub leader: Option<Peer>,
    /// Index of the last entry in the own log; 0 for none.
    pub last_index: u64,
    /// Index up to which entries are known to be committed.
    pub committed: u64,
    /// Index up to which entries are applied here.
    pub applied: u64,
    /// Index of the last snapshot.
    pub snapshot: u64,
    /// Index up to which the log is purged.
    pub purged: u64,
    /// Voting members by Raft identity.
    pub voters: BTreeMap<u64, Peer>,
    /// Members without a vote.
    pub learners: BTreeMap<u64, Peer>,
    /// On the leader: index known to be replicated, per member.
    pub matched: BTreeMap<u64, u64>,
    /// On the leader: milliseconds since a quorum last answered.
    pub quorum_age_ms: Option<u64>,
    /// Milliseconds since this replica was in touch with its group: a leader with a quorum, others with their leader;
    /// since it was opened here when it never was.
    pub silent_ms: u64,
}

/// Proof of having been the leader at one moment; refused later if leadership has changed since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaderToken {
    /// The term led.
    pub term: u64,
}

/// A Raft group hosted by this process.
#[derive(Clone)]
pub struct RaftGroup {
    inner: Arc<Inner>,
}

struct Inner {
    id: GroupId,
    own: Peer,
    raft: Raft,
    meter: Arc<GroupMeter>,
    sends: Arc<Sends>,
    barriers: Arc<Barriers>,
    closing: AtomicBool,
    gate: tokio::sync::RwLock<()>,
    election_timeout_max: Duration,
}

/// A proposal's place among those that wait.
struct InFlight<'a> {
    meter: &'a GroupMeter,
    bytes: u64,
}

impl<'a> InFlight<'a> {
    /// Takes a place. Error: how many wait already, when those are too many or too large together.
    fn enter(meter: &'a GroupMeter, bytes: usize) -> Result<Self, usize> {
        let bytes = bytes as u64;
        let before = meter.in_flight.fetch_add(1, Ordering::Relaxed);
        let bytes_before = meter.bytes_in_flight.fetch_add(bytes, Ordering::Relaxed);
        let place = Self { meter, bytes };
        let too_many = before >= PROPOSALS_IN_FLIGHT_MAX as u64;
        let too_large = before > 0 && bytes_before + bytes > PROPOSED_BYTES_IN_FLIGHT_MAX as u64;
        if too_many || too_large { Err(usize::try_from(before).unwrap_or(usize::MAX)) } else { Ok(place) }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.meter.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.meter.bytes_in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

pub(crate) fn stopped(fatal: &Fatal<C>) -> GroupError {
    GroupError::Stopped { reason: fatal.to_string() }
}

fn write_error(error: ClientWriteError<C>) -> GroupError {
    match error {
        ClientWriteError::ForwardToLeader(forward) => GroupError::NotLeader { leader: forward.leader_node },
        ClientWriteError::ChangeMembershipError(error) => GroupError::Refused { reason: error.to_string() },
        other => {
            tracing::debug!(error = %other, "proposal without a known outcome");
            GroupError::Ambiguous
        }
    }
}

fn raft_error<E: std::error::Error>(error: RaftError<C, E>, api: impl FnOnce(E) -> GroupError) -> GroupError {
    match error {
        RaftError::APIError(error) => api(error),
        RaftError::Fatal(fatal) => stopped(&fatal),
    }
}

/// Confirms leadership with a quorum, and waits until everything committed before is applied.
async fn confirm(raft: Raft, limit: Duration) -> Result<(), GroupError> {
    match tokio::time::timeout(limit, raft.ensure_linearizable(ReadPolicy::ReadIndex)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(raft_error(error, |error| match error {
            LinearizableReadError::ForwardToLeader(forward) => GroupError::NotLeader { leader: forward.leader_node },
            LinearizableReadError::QuorumNotEnough(_) => GroupError::NoQuorum,
        })),
        Err(_) => Err(GroupError::NoQuorum),
    }
}

impl RaftGroup {
    pub(crate) fn new(network: &Network, own: Peer, raft: Raft, election_timeout_max: Duration) -> Self {
        let (id, meter, sends) = (network.group, network.meter.clone(), network.sends.clone());
        let (barriers, closing, gate) = Default::default();
        Self { inner: Arc::new(Inner { id, own, raft, meter, sends, barriers, closing, gate, election_timeout_max }) }
    }

    pub(crate) fn raft(&self) -> &Raft {
        &self.inner.raft
    }

    /// Shared by appends of peers, exclusive for handing over a snapshot.
    pub(crate) fn gate(&self) -> &tokio::sync::RwLock<()> {
        &self.inner.gate
    }

    pub(crate) fn meter(&self) -> &GroupMeter {
        &self.inner.meter
    }

    /// Snapshots on their way from here.
    pub(crate) fn sends(&self) -> &Sends {
        &self.inner.sends
    }

    /// Whether the group was asked to stop.
    pub(crate) fn is_closing(&self) -> bool {
        self.inner.closing.load(Ordering::Acquire)
    }

    /// What this group has done since it was opened here.
    #[must_use]
    pub fn metrics(&self) -> GroupMetrics {
        self.inner.meter.read()
    }

    /// How this replica last came to lead; `None` when it never did.
    #[must_use]
    pub fn election(&self) -> Option<Election> {
        self.inner.meter.election.lock().clone()
    }

    /// Whether this replica has been out of touch with its group for so long that an election should have ended it: on a
    /// leader its lease and one election, on others two elections.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        u128::from(self.silent_ms()) > self.inner.election_timeout_max.as_millis() * 2
    }

    /// As [`GroupStatus::silent_ms`], and cheaper.
    #[must_use]
    pub fn silent_ms(&self) -> u64 {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        match (metrics.state, &metrics.last_quorum_acked) {
            (ServerState::Leader, _) if metrics.membership_config.membership().voter_ids().count() == 1 => 0,
            (ServerState::Leader, Some(at)) => u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX),
            _ => self.inner.meter.leader_silent_ms(),
        }
    }

    /// Which group it is.
    #[must_use]
    pub fn id(&self) -> GroupId {
        self.inner.id
    }

    /// Fixes the first members of a new group. The same set has to be given on each of them; a group that has members
    /// is left as it is.
    pub async fn initialize(&self, members: BTreeMap<u64, Peer>) -> Result<(), GroupError> {
        if self.inner.raft.is_initialized().await.map_err(|fatal| stopped(&fatal))? {
            return Ok(());
        }
        match self.inner.raft.initialize(members).await {
            Ok(()) => Ok(()),
            // Another member's vote or entries have arrived in between: the group exists.
            Err(RaftError::APIError(openraft::error::InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(raft_error(error, |error| GroupError::Refused { reason: error.to_string() })),
        }
    }

    /// Replicates a command and returns the state's reply.
    ///
    /// Dropping the future does not take the command back. [`GroupError::Ambiguous`]: it may still be committed.
    pub async fn propose(&self, command: Bytes) -> Result<Bytes, GroupError> {
        self.propose_expecting(command, None).await
    }

    /// As [`RaftGroup::propose`], but only while leadership is the one of `token`.
    pub async fn propose_as(&self, token: LeaderToken, command: Bytes) -> Result<Bytes, GroupError> {
        self.propose_expecting(command, Some(token)).await
    }

    async fn propose_expecting(&self, command: Bytes, token: Option<LeaderToken>) -> Result<Bytes, GroupError> {
        let meter = &self.inner.meter;
        count(&meter.proposals);
        let begun = tokio::time::Instant::now();
        let result = match InFlight::enter(meter, command.len()) {
            Ok(_place) => {
                let limit = Duration::from_millis(PROPOSAL_WAIT_MS_MAX);
                tokio::time::timeout(limit, self.write(command, token)).await.unwrap_or(Err(GroupError::Ambiguous))
            }
            Err(in_flight) => Err(GroupError::Overloaded { in_flight }),
        };
        match result {
            Ok(_) => meter.propose.record(begun.elapsed()),
            Err(_) => count(&meter.proposals_failed),
        }
        result
    }

    async fn write(&self, command: Bytes, token: Option<LeaderToken>) -> Result<Bytes, GroupError> {
        let (responder, receiver) = ProgressResponder::complete_only();
        let mut write = self.inner.raft.write(Command(command)).responder(responder);
        if let Some(token) = token {
            write = write.with_leader(
                openraft::LogId::<crate::type_config::CommittedLeader>::new_term_index(token.term, 0).leader_id,
            );
        }
        write.await.map_err(|fatal| stopped(&fatal))?;
        match receiver.await {
            Ok(Ok(response)) => Ok(response.data),
            Ok(Err(ClientWriteError::ForwardToLeader(forward))) if forward.reason == ForwardReason::LeaseExpired => {
                Err(GroupError::NoQuorum)
            }
            Ok(Err(error)) => match (token, write_error(error)) {
                (Some(_), GroupError::NotLeader { leader }) if leader.as_ref() == Some(&self.inner.own) => {
                    Err(GroupError::LeadershipChanged)
                }
                (_, error) => Err(error),
            },
            Err(_) => Err(self.fault().map_or(GroupError::Ambiguous, |reason| GroupError::Stopped { reason })),
        }
    }

    /// Proof of leading now, by this replica's own knowledge; `None` on followers.
    #[must_use]
    pub fn leadership(&self) -> Option<LeaderToken> {
        let leader = self.inner.raft.as_leader().ok()?;
        Some(LeaderToken { term: leader.term() })
    }

    /// Waits until every proposal made under `token` so far is decided: applied here, or impossible because leadership has
    /// changed and the new term's first entry follows whatever is committed. Cancel safe.
    pub async fn settled(&self, token: LeaderToken) {
        let last = self.status().last_index;
        loop {
            let status = self.status();
            if status.applied >= last || status.term != token.term || self.is_closing() {
                return;
            }
            self.changed(Duration::from_millis(100)).await;
        }
    }

    /// Confirms leadership with a quorum after this call began, and waits until everything committed before is applied.
    /// A read of the local state afterwards is linearizable. Readers that wait at the same time share the confirmation.
    ///
    /// Cancel safe. Errors: [`GroupError::NotLeader`], [`GroupError::NoQuorum`].
    pub async fn read_barrier(&self) -> Result<(), GroupError> {
        if self.is_cut_off() && self.leadership().is_some() {
            return Err(GroupError::NoQuorum);
        }
        let (raft, limit) = (self.inner.raft.clone(), self.inner.election_timeout_max * 2);
        self.inner.barriers.wait(move || confirm(raft.clone(), limit)).await
    }

    /// Waits until entries up to `index` are applied here. Cancel safe.
    pub async fn wait_applied(&self, index: u64, limit: Duration) -> Result<(), GroupError> {
        let wait = self.inner.raft.wait(Some(limit));
        let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        wait.applied_index_at_least(Some(index), "applied")
            .await
            .map(|_| ())
            .map_err(|_| GroupError::Timeout { what: "applying", ms })
    }

    /// The group as this replica sees it now.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        let index = |log: Option<openraft::type_config::alias::LogIdOf<C>>| log.map_or(0, |log| log.index);
        let membership = metrics.membership_config.membership().clone();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let nodes = |voting: bool| {
            let chosen = membership.nodes().filter(|(id, _)| voters.contains(id) == voting);
            chosen.map(|(id, peer)| (*id, peer.clone())).collect::<BTreeMap<_, _>>()
        };
        let role = match metrics.state {
            ServerState::Leader => Role::Leader,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner => Role::Learner,
            ServerState::Shutdown => Role::Stopped,
        };
        let matched = metrics.replication.unwrap_or_default();
        let quorum_age_ms =
            metrics.last_quorum_acked.map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX));
        GroupStatus {
            silent_ms: self.silent_ms(),
            term: metrics.current_term,
            role,
            leader: metrics.current_leader.and_then(|id| membership.get_node(&id).cloned()),
            last_index: metrics.last_log_index.unwrap_or(0),
            committed: index(metrics.local_committed),
            applied: index(metrics.last_applied),
            snapshot: index(metrics.snapshot),
            purged: index(metrics.purged),
            voters: nodes(true),
            learners: nodes(false),
            matched: matched.into_iter().map(|(id, log)| (id, log.map_or(0, |log| log.index))).collect(),
            quorum_age_ms,
        }
    }

    /// The member with this identity.
    pub(crate) fn member(&self, id: u64) -> Option<Peer> {
        let metrics = self.inner.raft.metrics();
        metrics.borrow_watched().membership_config.membership().get_node(&id).cloned()
    }

    /// Who leads, as far as this replica knows.
    #[must_use]
    pub fn leader(&self) -> Option<Peer> {
        self.status().leader
    }

    /// Waits until the group's view changes in any way, at most `limit`; a group that has stopped changes no more. What
    /// changed just before the call may be missed: keep `limit` short. Cancel safe.
    pub async fn changed(&self, limit: Duration) {
        let mut metrics = self.inner.raft.server_metrics();
        // A new receiver takes everything since the group was opened for news.
        let mut gone = metrics.changed().now_or_never().is_some_and(|news| news.is_err());
        let change = async {
            if !gone {
                gone = metrics.changed().await.is_err();
            }
            if gone {
                std::future::pending::<()>().await;
            }
        };
        drop(tokio::time::timeout(limit, change).await);
    }

    /// Waits until a leader is known. Cancel safe.
    pub async fn wait_leader(&self, limit: Duration) -> Option<Peer> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            if let Some(leader) = self.leader() {
                return Some(leader);
            }
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return None;
            }
            self.changed(left.min(Duration::from_millis(20))).await;
        }
    }

    /// Adds a member without a vote; it catches up in the background.
    pub async fn add_learner(&self, peer: Peer) -> Result<(), GroupError> {
        let added = self.inner.raft.add_learner(peer.raft_id, peer, false).await;
        added.map(|_| ()).map_err(|error| raft_error(error, write_error))
    }

    /// Replaces the voters, through joint consensus. Members that are no voter any more are removed.
    pub async fn change_voters(&self, voters: BTreeSet<u64>) -> Result<(), GroupError> {
        let changed = self.inner.raft.change_membership(ChangeMembers::ReplaceAllVoters(voters), false).await;
        changed.map(|_| ()).map_err(|error| raft_error(error, write_error))
    }

    /// Hands leadership to a voter that has caught up, and waits until it is seen to lead.
    ///
    /// Errors: [`GroupError::Refused`] when the target is no voter or lags; [`GroupError::Timeout`] when it did not take
    /// over, and then this replica goes on leading.
    pub async fn transfer_leader(&self, to: u64) -> Result<(), GroupError> {
        let status = self.status();
        if status.leader.as_ref().is_some_and(|leader| leader.raft_id == to) {
            return Ok(());
        }
        if status.role != Role::Leader {
            return Err(GroupError::NotLeader { leader: status.leader });
        }
        if !status.voters.contains_key(&to) {
            return Err(GroupError::Refused { reason: "the target is not a voter of this group".to_owned() });
        }
        let lag = status.last_index.saturating_sub(status.matched.get(&to).copied().unwrap_or(0));
        if lag > TRANSFER_LAG_ENTRIES_MAX {
            return Err(GroupError::Refused { reason: format!("the target lags by {lag} entries") });
        }
        self.inner.raft.trigger().transfer_leader(to).await.map_err(|fatal| stopped(&fatal))?;
        let deadline = tokio::time::Instant::now() + Duration::from_millis(TRANSFER_TIMEOUT_MS);
        while tokio::time::Instant::now() < deadline {
            if self.leader().is_some_and(|leader| leader.raft_id == to) {
                return Ok(());
            }
            self.changed(Duration::from_millis(50)).await;
        }
        Err(GroupError::Timeout { what: "the transfer of leadership", ms: TRANSFER_TIMEOUT_MS })
    }

    /// Asks for an election now; used when a preferred leader has to take over at once.
    pub async fn trigger_election(&self) -> Result<(), GroupError> {
        self.inner.raft.trigger().elect(true).await.map_err(|fatal| stopped(&fatal))
    }

    /// Flushes the state and records its position, so that the log can be purged behind it.
    pub async fn trigger_snapshot(&self) -> Result<(), GroupError> {
        self.inner.raft.trigger().snapshot().await.map_err(|fatal| stopped(&fatal))
    }

    /// Stops the group in this process; its log and state stay.
    pub async fn shutdown(&self) {
        self.inner.closing.store(true, Ordering::Release);
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(group = %self.inner.id, %error, "the group did not stop cleanly");
        }
    }

    /// The reason why the group has stopped by itself, if it has.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if self.is_closing() {
            return None;
        }
        let metrics = self.inner.raft.metrics();
        match &metrics.borrow_watched().running_state {
            Ok(()) => None,
            Err(fatal) => Some(fatal.to_string()),
        }
    }
}
