//! The shard and clock groups hosted here: opened as the cluster map says, asked by the services.

use crate::fragment;
use crate::inflight::InFlight;
use crate::limits::{
    FRAGMENTS_RUNNING_MAX, INITIALISE_AFTER_MS, RECONCILE_MS, RESOLVED_INTERVAL_MS, SUPERSEDED_ATTEMPTS_MAX,
};
use crate::machine::{ClockMachine, ShardMachine, clock_state};
use crate::timestamps::Timestamps;
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
use std::sync::Arc;
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
    granter: tokio::sync::Mutex<Option<(u64, Granter)>>,
}

fn group_error(error: &GroupError) -> TransportError {
    let name = |peer: &Peer| NodeName::parse(&peer.name).ok();
    match error {
        GroupError::NotLeader { leader } => TransportError::NotLeader { leader: leader.as_ref().and_then(name) },
        GroupError::LeadershipChanged => TransportError::NotLeader { leader: None },
        GroupError::NoQuorum => TransportError::NoQuorum,
        GroupError::Overloaded { in_flight } => {
            TransportError::Overloaded(format!("{in_flight} writes of this shard are waiting"))
        }
        // The entry may be committed by the next leader; a stamped write is repeated there and gets that answer.
        GroupError::Ambiguous | GroupError::Timeout { .. } | GroupError::Stopped { .. } => {
            TransportError::Unreachable(error.to_string())
        }
        GroupError::Refused { .. } => TransportError::Failed(error.to_string()),
    }
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
    ) -> Arc<Self> {
        let (in_flight, granter) = (Mutex::default(), tokio::sync::Mutex::new(None));
        let turns = Arc::new(tokio::sync::Semaphore::new(FRAGMENTS_RUNNING_MAX));
        Arc::new(Self { own, groups, kv, clock, map, in_flight, opened: Mutex::default(), turns, granter })
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
                Some(shard) => self.groups.open(id, Box::new(ShardMachine::new(shard, self.kv.clone()))).await?,
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
        let unresolved = {
            let view = self.kv.snapshot();
            let at = |tag| apply::timestamp(&*view, shard, tag).unwrap_or_default();
            at(MetaTag::LastCommit) > at(MetaTag::Resolved)
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
            return Err(group_error(&GroupError::NotLeader { leader: group.leader() }));
        };
        let ShardCommand::Write { epoch, container, session, ops, .. } = command else {
            return Err(failed(&"only writes are taken from other nodes"));
        };
        let (in_flight, timestamps) = (self.in_flight(shard), timestamps.clone());
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
                let commit_ts = timestamps.next().await.map_err(TransportError::Clock)?;
                ticket.set(commit_ts);
                let command = ShardCommand::Write { epoch, container, commit_ts, session, ops: ops.clone() };
                let reply = group.propose_as(token, Bytes::from(command.to_bytes())).await;
                if let Err(error @ GroupError::Ambiguous) = &reply {
                    // It may still be committed: readers and the next writers wait until it is, or cannot be any more.
                    let unknown = group_error(error);
                    tokio::spawn(async move {
                        group.settled(token).await;
                        drop((ticket, latches));
                    });
                    return Err(unknown);
                }
                let outcome = Outcome::from_bytes(&reply.map_err(|error| group_error(&error))?);
                match outcome.map_err(|error| failed(&error))? {
                    Outcome::Refused(Refusal::Superseded(_)) => {}
                    outcome => return Ok(outcome),
                }
            }
            Err(TransportError::Overloaded("the document is written faster than timestamps are given".to_owned()))
        });
        task.await.map_err(|error| failed(&error))?
    }

    /// Makes sure that the local state may be read as asked; returns the timestamp to read at and how it is served.
    async fn prepare_read(&self, shard: ShardId, read: Read) -> Result<(Timestamp, Served), TransportError> {
        let group = self.group(shard)?;
        let at = match read {
            Read::Newest | Read::At(_) => {
                group.read_barrier().await.map_err(|error| group_error(&error))?;
                match read {
                    Read::At(at) => {
                        self.in_flight(shard).decided(at).await;
                        at
                    }
                    Read::Newest | Read::Stale => Timestamp::MAX,
                }
            }
            Read::Stale => {
                apply::timestamp(&*self.kv.snapshot(), shard, MetaTag::Resolved).map_err(|error| failed(&error))?
            }
        };
        let status = group.status();
        let served = Served {
            read_ts: at,
            stale: read == Read::Stale,
            applied_index: status.applied,
            last_leader_contact_ms: status.quorum_age_ms.unwrap_or(0),
            node: self.own.to_string(),
        };
        Ok((at, served))
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
        let (at, served) = self.prepare_read(shard, how).await?;
        let view = self.kv.snapshot();
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
        let (at, served) = self.prepare_read(shard, how).await?;
        let view = self.kv.snapshot();
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
        self.prepare_read(shard, Read::At(request.read_ts)).await?;
        let permit = self.turn().await?;
        Ok(fragment::run(self.kv.clone(), shard, self.own.to_string(), request, limit, permit))
    }

    /// Reads all documents of a container, in name order.
    pub async fn scan(
        &self,
        shard: ShardId,
        container: ContainerId,
        read_ts: Timestamp,
    ) -> Result<DocumentStream, TransportError> {
        self.prepare_read(shard, Read::At(read_ts)).await?;
        let permit = self.turn().await?;
        Ok(fragment::scan(self.kv.clone(), shard, container, read_ts, permit))
    }

    /// Documents of a container in the shard, and the bytes of their texts.
    pub async fn count(&self, shard: ShardId, container: ContainerId) -> Result<(u64, u64), TransportError> {
        let (at, _) = self.prepare_read(shard, Read::Newest).await?;
        let view = self.kv.snapshot();
        mvcc::count(&*view, shard, container, at).map_err(|error| failed(&error))
    }

    /// Hash and number of pairs of the replica here, once it has applied `index`; and the position it was taken at.
    pub async fn hash(&self, shard: ShardId, index: u64, limit: Duration) -> Result<(u64, u64, u64), TransportError> {
        let group = self.group(shard)?;
        group.wait_applied(index, limit).await.map_err(|error| group_error(&error))?;
        let view = self.kv.snapshot();
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        let keys = snapshot::content_hash(&*view, shard, &mut hasher).map_err(|error| failed(&error))?;
        Ok((hasher.digest(), keys, group.status().applied))
    }

    /// Gives out timestamps, if this node leads the clock group.
    pub async fn grant(&self, count: u32) -> Result<Timestamp, TransportError> {
        let group = self.groups.get(GroupId::CLOCK).ok_or(TransportError::NoReplica)?;
        // Confirmed after the request arrived, so nobody else can be giving out timestamps now.
        group.read_barrier().await.map_err(|error| group_error(&error))?;
        let Some(token) = group.leadership() else { return Err(TransportError::NotLeader { leader: None }) };
        let mut granter = self.granter.lock().await;
        if granter.as_ref().is_none_or(|(term, _)| *term != token.term) {
            let state = clock_state(&*self.kv).map_err(|error| failed(&error))?;
            *granter = Some((token.term, Granter::new(state)));
        }
        let (_, current) = granter.as_mut().expect("just set");
        loop {
            match current.grant(count, self.clock.wall_ms()) {
                Grant::Given(first) => return Ok(first),
                Grant::RaiseTo(bound) => {
                    let command = Bytes::from(clock::ClockState::raise(bound));
                    group.propose_as(token, command).await.map_err(|error| group_error(&error))?;
                    current.raised(bound);
                }
            }
        }
    }
}
