//! The shard and clock groups hosted here: opened as the cluster map says, asked by the services.

use crate::fragment::{self, Documents};
use crate::inflight::InFlight;
use crate::limits::{
    CUT_OFF_POLL_MS, FRAGMENTS_RUNNING_MAX, INITIALISE_AFTER_MS, RECONCILE_MS, RESOLVED_INTERVAL_MS,
    SUPERSEDED_ATTEMPTS_MAX,
};
use crate::machine::{ClockMachine, Installs, ShardMachine, clock_state};
use crate::meter::{NodeMeter, one};
use crate::timestamps::Timestamps;
use crate::transfer::Unreplaced;
use bytes::Bytes;
use parking_lot::Mutex;
use phoenixmldb_coordinator::transport::{
    DocumentStream, FragmentRequest, FragmentStream, Read, Served, ShardPage, Stored, TransportError,
};
use phoenixmldb_raft::{GroupError, Groups, Peer, RaftGroup, StateFault};
use phoenixmldb_shard::clock::{Grant, Granter};
use phoenixmldb_shard::{Outcome, Refusal, ShardCommand, apply, clock, read, snapshot};
use phoenixmldb_store::keyspace::MetaTag;
use phoenixmldb_store::mvcc::{self, VersionInfo};
use phoenixmldb_store::{EncodedDocument, Kv};
use phoenixmldb_types::clock::Clock;
use phoenixmldb_types::shard_map::{Replica, Shard};
use phoenixmldb_types::{ClusterMap, ContainerId, DocumentName, GroupId, NodeName, ShardId, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

/// The replicas of this node.
pub struct Replicas {
    own: NodeName,
    groups: Arc<Groups>,
    kv: Arc<dyn Kv>,
    clock: Arc<dyn Clock>,
    map: watch::Receiver<Option<Arc<ClusterMap>>>,
    in_flight: Mutex<HashMap<ShardId, Arc<InFlight>>>,
    opened: Mutex<HashMap<GroupId, tokio::time::Instant>>,
    turns: Arc<tokio::sync::Semaphore>,
    meter: Arc<NodeMeter>,
    installs: Mutex<HashMap<ShardId, Arc<Installs>>>,
    /// Where snapshots wait until they are installed.
    spool: PathBuf,
    granter: tokio::sync::Mutex<Option<(u64, Granter)>>,
}

fn group_error(error: &GroupError, since_ms: u64) -> TransportError {
    let name = |peer: &Peer| NodeName::parse(&peer.name).ok();
    match error {
        GroupError::NotLeader { leader } => TransportError::NotLeader { leader: leader.as_ref().and_then(name) },
        GroupError::LeadershipChanged => TransportError::NotLeader { leader: None },
        GroupError::NoQuorum => TransportError::NoQuorum { since_ms },
        GroupError::Overloaded { in_flight } => {
            TransportError::Overloaded(format!("{in_flight} writes of this shard are waiting"))
        }
        // The entry may be committed by the next leader; a stamped write is repeated there and gets that answer.
        GroupError::Ambiguous | GroupError::Timeout { .. } | GroupError::Stopped { .. } => {
            TransportError::Lost(error.to_string())
        }
        GroupError::Refused { .. } => TransportError::Failed(error.to_string()),
    }
}

/// A replica that may be read.
struct Prepared {
    /// The timestamp to read at.
    at: Timestamp,
    /// How it is served.
    served: Served,
    /// What has to hold once a view was taken.
    unreplaced: Unreplaced,
}

fn still(unreplaced: &Unreplaced) -> Result<(), TransportError> {
    let replaced = || TransportError::Unreachable("its replica is being replaced by a snapshot".to_owned());
    if unreplaced.holds() { Ok(()) } else { Err(replaced()) }
}

fn failed(error: &dyn std::fmt::Display) -> TransportError {
    TransportError::Failed(error.to_string())
}

fn stored(name: DocumentName, info: &VersionInfo) -> Stored {
    Stored {
        name,
        version: info.commit_ts,
        created: info.created_ts,
        bytes: info.text_bytes,
        nodes: info.nodes,
        content_hash: info.content_hash,
    }
}

impl Replicas {
    /// No replica is open yet; [`Replicas::reconcile`] opens them.
    #[must_use]
    pub fn new(
        own: NodeName,
        groups: Arc<Groups>,
        kv: Arc<dyn Kv>,
        clock: Arc<dyn Clock>,
        map: watch::Receiver<Option<Arc<ClusterMap>>>,
        meter: Arc<NodeMeter>,
        spool: PathBuf,
    ) -> Arc<Self> {
        let (in_flight, opened, installs) = Default::default();
        let turns = Arc::new(tokio::sync::Semaphore::new(FRAGMENTS_RUNNING_MAX));
        let granter = tokio::sync::Mutex::new(None);
        Arc::new(Self { own, groups, kv, clock, map, in_flight, opened, turns, meter, installs, spool, granter })
    }

    /// The shards with a replica here.
    #[must_use]
    pub fn hosted(&self) -> Vec<ShardId> {
        self.groups.all().iter().filter_map(|group| group.id().as_shard()).collect()
    }

    /// The shards led here.
    #[must_use]
    pub fn led(&self) -> BTreeSet<ShardId> {
        let groups = self.groups.all();
        groups.iter().filter(|group| group.leadership().is_some()).filter_map(|group| group.id().as_shard()).collect()
    }

    /// Writes that wait for a latch, and writes on their way, of all shards.
    #[must_use]
    pub fn waiting(&self) -> (u64, u64) {
        let shards = self.in_flight.lock();
        shards.values().map(|shard| shard.numbers()).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }

    /// Whether the replica here has been out of touch with its group for longer than elections take. False when there is
    /// none: this node cannot tell then.
    #[must_use]
    pub fn is_cut_off(&self, shard: ShardId) -> bool {
        self.groups.get(GroupId::shard(shard)).is_some_and(|group| group.is_cut_off())
    }

    /// As [`Replicas::is_cut_off`], of the clock group.
    #[must_use]
    pub fn is_clock_cut_off(&self) -> bool {
        self.groups.get(GroupId::CLOCK).is_some_and(|group| group.is_cut_off())
    }

    /// Waits until the replica here is cut off; looks now and then. Cancel safe.
    pub async fn cut_off(&self, shard: ShardId) {
        while !self.is_cut_off(shard) {
            tokio::time::sleep(Duration::from_millis(CUT_OFF_POLL_MS)).await;
        }
    }

    /// A group's error as the coordinator takes it. One that follows a leader which has fallen silent says so: whoever
    /// asks would otherwise be sent to that leader.
    fn refusal(&self, group: &RaftGroup, error: &GroupError) -> TransportError {
        let since_ms = self.clock.wall_ms().saturating_sub(group.silent_ms());
        match error {
            GroupError::NotLeader { .. } if group.is_cut_off() => TransportError::NoQuorum { since_ms },
            error => group_error(error, since_ms),
        }
    }

    /// The database.
    #[must_use]
    pub fn kv(&self) -> &Arc<dyn Kv> {
        &self.kv
    }

    fn group(&self, shard: ShardId) -> Result<RaftGroup, TransportError> {
        self.groups.get(GroupId::shard(shard)).ok_or(TransportError::NoReplica)
    }

    fn in_flight(&self, shard: ShardId) -> Arc<InFlight> {
        self.in_flight.lock().entry(shard).or_default().clone()
    }

    /// Opens what the map places here, and keeps shards in step with the map, until the node stops.
    pub async fn run(self: Arc<Self>, timestamps: Timestamps) -> Result<(), StateFault> {
        let mut map = self.map.clone();
        let mut resolved: HashMap<ShardId, tokio::time::Instant> = HashMap::new();
        loop {
            let known = map.borrow_and_update().clone();
            if let Some(known) = known {
                self.open_replicas(&known).await?;
                for group in self.groups.all() {
                    if let Some(shard) = group.id().as_shard()
                        && group.leadership().is_some()
                    {
                        let due = resolved
                            .get(&shard)
                            .is_none_or(|at| at.elapsed().as_millis() as u64 >= RESOLVED_INTERVAL_MS);
                        if due {
                            resolved.insert(shard, tokio::time::Instant::now());
                            let (this, known, timestamps) = (self.clone(), known.clone(), timestamps.clone());
                            // On its own: a shard without quorum must not hold up the others.
                            tokio::spawn(async move { this.tend(shard, &group, &known, &timestamps).await });
                        }
                    }
                }
            }
            // A changed map is acted on at once, everything else a little later.
            drop(tokio::time::timeout(Duration::from_millis(RECONCILE_MS), map.changed()).await);
        }
    }

    async fn open_replicas(&self, map: &ClusterMap) -> Result<(), StateFault> {
        let mine = |replicas: &[Replica]| {
            replicas
                .iter()
                .any(|replica| replica.node == self.own && replica.raft_id.0 == self.groups.config().own.raft_id)
        };
        let members = |replicas: &[Replica]| -> BTreeMap<u64, Peer> {
            let peer = |replica: &Replica| {
                let node = map.node(&replica.node)?;
                let (raft_id, name) = (replica.raft_id.0, replica.node.to_string());
                Some((raft_id, Peer { raft_id, name, address: node.peer_address.clone() }))
            };
            replicas.iter().filter_map(peer).collect()
        };
        let mut wanted: Vec<(GroupId, &[Replica])> = Vec::new();
        if mine(&map.shards.clock) {
            wanted.push((GroupId::CLOCK, &map.shards.clock));
        }
        for shard in &map.shards.shards {
            if mine(&shard.replicas) {
                wanted.push((GroupId::shard(shard.id), &shard.replicas));
            }
        }
        for (id, _) in &wanted {
            let id = *id;
            if self.groups.get(id).is_some() {
                continue;
            }
            let group = match id.as_shard() {
                Some(shard) => {
                    let machine = ShardMachine::open(shard, self.kv.clone(), self.installs(shard), &self.spool)?;
                    self.groups.open(id, Box::new(machine)).await?
                }
                None => self.groups.open(id, Box::new(ClockMachine::new(self.kv.clone()))).await?,
            };
            self.opened.lock().insert(id, tokio::time::Instant::now());
            drop(group);
        }
        self.initialise(&members, &wanted).await
    }

    /// Begins groups that have never had a leader: the preferred leader at once, so that it wins unopposed; the others
    /// only after a while, in case it is not there. All with the identical set, so that it does not matter who is first.
    async fn initialise(
        &self,
        members: &(dyn Fn(&[Replica]) -> BTreeMap<u64, Peer> + Sync),
        wanted: &[(GroupId, &[Replica])],
    ) -> Result<(), StateFault> {
        for (id, replicas) in wanted {
            let Some(group) = self.groups.get(*id).filter(|group| group.status().voters.is_empty()) else { continue };
            let preferred = replicas.first().is_some_and(|first| first.node == self.own);
            let waited = self.opened.lock().get(id).map_or(Duration::ZERO, tokio::time::Instant::elapsed);
            if !preferred && waited < Duration::from_millis(INITIALISE_AFTER_MS) {
                continue;
            }
            if let Err(error) = group.initialize(members(replicas)).await {
                return Err(StateFault::new(format!("initialising group {id}"), error));
            }
        }
        Ok(())
    }

    /// What a shard's leader does now and then: tell the shard its range and dropped containers, and resolve.
    async fn tend(&self, shard: ShardId, group: &RaftGroup, map: &ClusterMap, timestamps: &Timestamps) {
        let Some(placed) = map.shards.shard(shard) else { return };
        let Some(token) = group.leadership() else { return };
        let commands = {
            let view = self.kv.snapshot();
            let mut commands = Vec::new();
            match apply::configuration(&*view, shard) {
                Ok(Some((epoch, _))) if epoch >= placed.epoch => {}
                _ => commands.push(ShardCommand::Configure { epoch: placed.epoch, range: placed.range }),
            }
            let known: BTreeSet<ContainerId> = map.containers.iter().map(|container| container.id).collect();
            for container in mvcc::containers(&*view, shard).unwrap_or_default() {
                if !known.contains(&container) {
                    commands.push(ShardCommand::DropContainer { container });
                }
            }
            commands
        };
        for command in commands {
            if let Err(error) = group.propose_as(token, Bytes::from(command.to_bytes())).await {
                tracing::debug!(%shard, %error, "a shard could not be brought into step with the map");
                return;
            }
        }
        self.hand_back(group, placed).await;
        // Also without writes: a stale read of several shards is as old as the oldest of them. With one copy there is no
        // minority to read from.
        let unresolved = {
            let view = self.kv.snapshot();
            let at = |tag| apply::timestamp(&*view, shard, tag).unwrap_or_default();
            placed.replicas.len() > 1 || at(MetaTag::LastCommit) > at(MetaTag::Resolved)
        };
        if unresolved && let Ok(ts) = timestamps.next().await {
            // Whoever registered before this timestamp was given out and is below it is waited for; whoever registers
            // later gets a larger one.
            self.in_flight(shard).decided(ts).await;
            let command = ShardCommand::Resolved { ts };
            drop(group.propose_as(token, Bytes::from(command.to_bytes())).await);
        }
    }

    /// Gives leadership to the preferred copy once it has everything, so that leaders stay spread after a failure.
    async fn hand_back(&self, group: &RaftGroup, placed: &Shard) {
        let Some(preferred) = placed.replicas.first().filter(|first| first.node != self.own) else { return };
        let status = group.status();
        let caught_up = status.matched.get(&preferred.raft_id.0).is_some_and(|index| *index == status.last_index);
        if caught_up
            && status.voters.contains_key(&preferred.raft_id.0)
            && let Err(error) = group.transfer_leader(preferred.raft_id.0).await
        {
            tracing::debug!(group = %group.id(), %error, "leadership stays for now");
        }
    }

    /// What keeps this node from serving all that is placed here; `None` when nothing does.
    pub fn missing(&self) -> Option<String> {
        let map = self.map.borrow().clone();
        let Some(map) = map.filter(|map| map.shards.is_formed()) else {
            return Some("forming: shards are not placed yet".to_owned());
        };
        let own = |shard: &&Shard| shard.replicas.iter().any(|replica| replica.node == self.own);
        let leaderless =
            |shard: &&Shard| self.groups.get(GroupId::shard(shard.id)).is_none_or(|group| group.leader().is_none());
        let missing: Vec<String> =
            map.shards.shards.iter().filter(own).filter(leaderless).map(|shard| shard.id.to_string()).collect();
        (!missing.is_empty()).then(|| format!("shards without a leader: {}", missing.join(", ")))
    }

    /// Gives a write its timestamp, replicates and applies it. The task it runs in is not cancelled with its caller.
    pub async fn write(
        self: &Arc<Self>,
        shard: ShardId,
        command: ShardCommand,
        timestamps: &Timestamps,
    ) -> Result<Outcome, TransportError> {
        let group = self.group(shard)?;
        let Some(token) = group.leadership() else {
            return Err(self.refusal(&group, &GroupError::NotLeader { leader: group.leader() }));
        };
        if group.is_cut_off() {
            return Err(self.refusal(&group, &GroupError::NoQuorum));
        }
        self.meter.on_shard(shard);
        let ShardCommand::Write { epoch, container, session, ops, .. } = command else {
            return Err(failed(&"only writes are taken from other nodes"));
        };
        let (in_flight, timestamps, this) = (self.in_flight(shard), timestamps.clone(), self.clone());
        let task = tokio::spawn(async move {
            let mut names: Vec<_> = ops.iter().map(|op| op.name.clone()).collect();
            names.sort();
            names.dedup();
            let mut latches = Vec::with_capacity(names.len());
            for name in &names {
                latches.push(in_flight.latch(container, name).await);
            }
            for _ in 0..SUPERSEDED_ATTEMPTS_MAX {
                let ticket = in_flight.register();
                let commit_ts = match timestamps.next().await {
                    Ok(commit_ts) => commit_ts,
                    // Both groups may have lost the same nodes; the shard's loss is what its writer has to know.
                    Err(_) if group.is_cut_off() => return Err(this.refusal(&group, &GroupError::NoQuorum)),
                    Err(reason) => return Err(TransportError::Clock(reason)),
                };
                ticket.set(commit_ts);
                let command = ShardCommand::Write { epoch, container, commit_ts, session, ops: ops.clone() };
                let reply = group.propose_as(token, Bytes::from(command.to_bytes())).await;
                if let Err(error @ GroupError::Ambiguous) = &reply {
                    // It may still be committed: readers and the next writers wait until it is, or cannot be any more.
                    let unknown = this.refusal(&group, error);
                    tokio::spawn(async move {
                        group.settled(token).await;
                        drop((ticket, latches));
                    });
                    return Err(unknown);
                }
                let outcome = Outcome::from_bytes(&reply.map_err(|error| this.refusal(&group, &error))?);
                match outcome.map_err(|error| failed(&error))? {
                    Outcome::Refused(Refusal::Superseded(_)) => {}
                    outcome => return Ok(outcome),
                }
            }
            Err(TransportError::Overloaded("the document is written faster than timestamps are given".to_owned()))
        });
        // A leader that loses its quorum keeps what was proposed; its writer need not wait for what becomes of it.
        tokio::select! {
            done = task => done.map_err(|error| failed(&error))?,
            () = self.cut_off(shard) => Err(TransportError::Lost("the leader has lost its quorum".to_owned())),
        }
    }

    /// Makes sure that the local state may be read as asked.
    async fn prepare_read(&self, shard: ShardId, read: Read) -> Result<Prepared, TransportError> {
        let group = self.group(shard)?;
        let unreplaced = self.installs(shard).look();
        let at = match read {
            Read::Newest | Read::At(_) => {
                group.read_barrier().await.map_err(|error| self.refusal(&group, &error))?;
                match read {
                    Read::At(at) => {
                        self.in_flight(shard).decided(at).await;
                        at
                    }
                    Read::Newest | Read::Stale | Read::StaleAt(_) => Timestamp::MAX,
                }
            }
            Read::Stale => self.resolved_ts(shard)?,
            Read::StaleAt(at) => {
                let resolved = self.resolved_ts(shard)?;
                if at > resolved {
                    let behind_ms = at.ms_since(resolved);
                    let reason = format!("its replica is {behind_ms} ms behind the timestamp asked for");
                    return Err(TransportError::Unreachable(reason));
                }
                at
            }
        };
        self.meter.on_shard(shard);
        Ok(Prepared { at, served: self.served(&group, at, read.is_stale()), unreplaced })
    }

    fn served(&self, group: &RaftGroup, read_ts: Timestamp, stale: bool) -> Served {
        let (applied_index, silent_ms) = (group.status().applied, group.silent_ms());
        Served { read_ts, stale, applied_index, last_leader_contact_ms: silent_ms, node: self.own.to_string() }
    }

    /// The timestamp at or below which nothing will be committed any more, as this replica knows. Error: it has none yet,
    /// or is being replaced by a snapshot.
    fn resolved_ts(&self, shard: ShardId) -> Result<Timestamp, TransportError> {
        let resolved = apply::timestamp(&*self.kv.snapshot(), shard, MetaTag::Resolved);
        match resolved.map_err(|error| failed(&error))? {
            Timestamp::ZERO => Err(TransportError::Unreachable("its replica has resolved no timestamp yet".to_owned())),
            resolved => Ok(resolved),
        }
    }

    /// How the replica here would serve a stale read now.
    pub fn resolved(&self, shard: ShardId) -> Result<Served, TransportError> {
        let group = self.group(shard)?;
        Ok(self.served(&group, self.resolved_ts(shard)?, true))
    }

    /// Reads one document.
    pub async fn get(
        &self,
        shard: ShardId,
        container: ContainerId,
        name: &DocumentName,
        how: Read,
        with_content: bool,
    ) -> Result<(Option<(Stored, Option<EncodedDocument>)>, Served), TransportError> {
        let Prepared { at, served, unreplaced } = self.prepare_read(shard, how).await?;
        let view = self.kv.snapshot();
        still(&unreplaced)?;
        let found = if with_content {
            let found = read::get(&*view, shard, container, name, at).map_err(|error| failed(&error))?;
            found.map(|(info, content)| (stored(name.clone(), &info), Some(content)))
        } else {
            let found = read::info(&*view, shard, container, name, at).map_err(|error| failed(&error))?;
            found.map(|info| (stored(name.clone(), &info), None))
        };
        Ok((found, served))
    }

    /// Reads one page of names.
    pub async fn list(
        &self,
        shard: ShardId,
        container: ContainerId,
        prefix: &str,
        after: Option<&str>,
        count: u32,
        how: Read,
    ) -> Result<ShardPage, TransportError> {
        let Prepared { at, served, unreplaced } = self.prepare_read(shard, how).await?;
        let view = self.kv.snapshot();
        still(&unreplaced)?;
        let listed = mvcc::list(&*view, shard, container, prefix, after, count as usize, at);
        let (found, more) = listed.map_err(|error| failed(&error))?;
        let documents = found.into_iter().map(|(name, info)| stored(name, &info)).collect();
        Ok(ShardPage { documents, more, served })
    }

    /// A turn among the fragments of this node.
    async fn turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit, TransportError> {
        // Closed only when the node is.
        self.turns.clone().acquire_owned().await.map_err(|error| failed(&error))
    }

    /// Runs a part of a query over the documents of a container; pieces arrive as they are found.
    pub async fn fragment(
        &self,
        shard: ShardId,
        request: Arc<FragmentRequest>,
        limit: Duration,
    ) -> Result<FragmentStream, TransportError> {
        let ready = self.prepare_read(shard, request.read).await?;
        let documents = self.documents(shard, request.container, ready);
        let permit = self.turn().await?;
        Ok(fragment::run(documents, self.own.to_string(), request, limit, permit))
    }

    /// Reads all documents of a container, in name order.
    pub async fn scan(
        &self,
        shard: ShardId,
        container: ContainerId,
        read: Read,
    ) -> Result<DocumentStream, TransportError> {
        let ready = self.prepare_read(shard, read).await?;
        let documents = self.documents(shard, container, ready);
        let permit = self.turn().await?;
        Ok(fragment::scan(documents, permit))
    }

    fn documents(&self, shard: ShardId, container: ContainerId, ready: Prepared) -> Documents {
        Documents::new(self.kv.clone(), self.meter.clone(), ready.unreplaced, (shard, container, ready.at))
    }

    fn installs(&self, shard: ShardId) -> Arc<Installs> {
        self.installs.lock().entry(shard).or_default().clone()
    }

    /// Documents of a container in the shard, and the bytes of their texts.
    pub async fn count(&self, shard: ShardId, container: ContainerId) -> Result<(u64, u64), TransportError> {
        let Prepared { at, .. } = self.prepare_read(shard, Read::Newest).await?;
        let view = self.kv.snapshot();
        mvcc::count(&*view, shard, container, at).map_err(|error| failed(&error))
    }

    /// Hash and number of pairs of the replica here, once it has applied `index`; and the position it was taken at.
    pub async fn hash(&self, shard: ShardId, index: u64, limit: Duration) -> Result<(u64, u64, u64), TransportError> {
        let group = self.group(shard)?;
        group.wait_applied(index, limit).await.map_err(|error| self.refusal(&group, &error))?;
        let view = self.kv.snapshot();
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        let keys = snapshot::content_hash(&*view, shard, &mut hasher).map_err(|error| failed(&error))?;
        Ok((hasher.digest(), keys, group.status().applied))
    }

    /// Gives out timestamps, if this node leads the clock group.
    pub async fn grant(&self, count: u32) -> Result<Timestamp, TransportError> {
        let group = self.groups.get(GroupId::CLOCK).ok_or(TransportError::NoReplica)?;
        // Confirmed after the request arrived, so nobody else can be giving out timestamps now.
        group.read_barrier().await.map_err(|error| self.refusal(&group, &error))?;
        let Some(token) = group.leadership() else { return Err(TransportError::NotLeader { leader: None }) };
        let mut granter = self.granter.lock().await;
        if granter.as_ref().is_none_or(|(term, _)| *term != token.term) {
            let state = clock_state(&*self.kv).map_err(|error| failed(&error))?;
            *granter = Some((token.term, Granter::new(state)));
        }
        let (_, current) = granter.as_mut().expect("just set");
        loop {
            match current.grant(count, self.clock.wall_ms()) {
                Grant::Given(first) => {
                    one(&self.meter.clock_grants);
                    self.meter.timestamps.fetch_add(u64::from(count), Ordering::Relaxed);
                    return Ok(first);
                }
                Grant::RaiseTo(bound) => {
                    let command = Bytes::from(clock::ClockState::raise(bound));
                    group.propose_as(token, command).await.map_err(|error| self.refusal(&group, &error))?;
                    current.raised(bound);
                }
            }
        }
    }
}
