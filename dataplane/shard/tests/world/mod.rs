//! Shards in memory, a clock that counts, and coordinators that can die after any step: what scripts and properties run on.

use phoenixmldb_shard::command::{Change, Outcome, Precondition, Refusal, ShardCommand, WriteOp};
use phoenixmldb_shard::txn::recovery::{Judgement, Met, judge};
use phoenixmldb_shard::txn::{
    Action, CommitProtocol, Event, Intent, Lock, ReadSet, TxnCommand, TxnStatus, Verdict, lock, participant, record,
};
use phoenixmldb_shard::{apply, read};
use phoenixmldb_store::kv::Overlay;
use phoenixmldb_store::{EncodedDocument, Kv, MemoryKv, keyspace};
use phoenixmldb_types::{ContainerId, DocumentName, Epoch, ShardId, Timestamp, TxnId};
use phoenixmldb_xdm::ParseOptions;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const CONTAINER: ContainerId = ContainerId(1);
/// Timestamps between a prepare and the moment from which others may abort.
pub(crate) const DEADLINE: u64 = 1_000;

pub(crate) fn name(text: &str) -> DocumentName {
    DocumentName::parse(text).unwrap()
}

fn document(content: u32) -> EncodedDocument {
    EncodedDocument::from_xml(format!("<d>{content}</d>").as_bytes(), &ParseOptions::default()).unwrap()
}

fn change(content: Option<u32>) -> Change {
    content.map_or(Change::Delete, |content| Change::Put(document(content)))
}

#[derive(Default)]
pub(crate) struct Replica {
    pub(crate) kv: MemoryKv,
    log: Vec<Vec<u8>>,
}

/// What a coordinator holds of one transaction, in memory only.
pub(crate) struct Txn {
    pub(crate) id: TxnId,
    pub(crate) serializable: bool,
    pub(crate) writes: BTreeMap<(ShardId, String), Option<u32>>,
    /// What each document read was.
    pub(crate) reads: BTreeMap<(ShardId, String), Option<u32>>,
    pub(crate) scanned: BTreeMap<ShardId, BTreeMap<String, u32>>,
    pub(crate) protocol: Option<CommitProtocol>,
    pub(crate) actions: Vec<Action>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) crashed: bool,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) shards: BTreeMap<ShardId, Replica>,
    pub(crate) clock: u64,
    pub(crate) txns: BTreeMap<String, Txn>,
    /// What recovery did, for transcripts.
    pub(crate) notes: Vec<String>,
}

impl World {
    pub(crate) fn new(shards: impl IntoIterator<Item = u32>) -> Self {
        Self { shards: shards.into_iter().map(|id| (ShardId(id), Replica::default())).collect(), ..Self::default() }
    }

    pub(crate) fn tick(&mut self) -> Timestamp {
        self.clock += 10;
        Timestamp(self.clock)
    }

    /// Commits an entry to the shard's log and applies it, through bytes as the log does.
    pub(crate) fn apply(&mut self, shard: ShardId, command: &ShardCommand) -> Outcome {
        let replica = self.shards.get_mut(&shard).unwrap();
        replica.log.push(command.to_bytes());
        replica.apply_last(shard)
    }

    fn step(&mut self, shard: ShardId, step: TxnCommand) -> Outcome {
        self.apply(shard, &ShardCommand::Transaction(step))
    }

    /// Loses the state and replays the log, in one batch; the state has to be the same.
    pub(crate) fn restart(&mut self, shard: ShardId) -> usize {
        let replica = self.shards.get_mut(&shard).unwrap();
        let before = replica.kv.dump();
        replica.kv = MemoryKv::default();
        let view = replica.kv.snapshot();
        let mut overlay = Overlay::new(&*view);
        for entry in &replica.log {
            apply(&mut overlay, shard, &ShardCommand::from_bytes(entry).unwrap()).unwrap();
        }
        let batch = overlay.into_batch();
        drop(view);
        replica.kv.write(batch).unwrap();
        assert_eq!(replica.kv.dump(), before, "a replica is its log");
        replica.log.len()
    }

    /// A write of one document outside transactions; recovery first clears away what is dead.
    pub(crate) fn put(&mut self, shard: ShardId, document: &str, content: Option<u32>) -> Outcome {
        for _ in 0..8 {
            let commit_ts = self.tick();
            let op = WriteOp { name: name(document), precondition: Precondition::Any, change: change(content) };
            let write =
                ShardCommand::Write { epoch: Epoch(1), container: CONTAINER, commit_ts, session: None, ops: vec![op] };
            let outcome = self.apply(shard, &write);
            match &outcome {
                Outcome::Refused(Refusal::Locked { name, .. }) => {
                    let locked = self.lock_on(shard, name.as_str()).unwrap();
                    if !self.settle(shard, &locked, Met::Writer) {
                        return outcome;
                    }
                }
                _ => return outcome,
            }
        }
        panic!("a writer clears a lock away or gives up");
    }

    fn lock_on(&self, shard: ShardId, document: &str) -> Option<Lock> {
        let view = self.shards[&shard].kv.snapshot();
        lock::on(&*view, &keyspace::document(shard, CONTAINER, &name(document))).unwrap()
    }

    pub(crate) fn locks(&self, shard: ShardId) -> Vec<(String, TxnId)> {
        let view = self.shards[&shard].kv.snapshot();
        let locks = lock::of_shard(&*view, shard, usize::MAX).unwrap();
        locks.into_iter().map(|(_, name, lock)| (name.to_string(), lock.txn)).collect()
    }

    pub(crate) fn status(&self, shard: ShardId, txn: TxnId) -> TxnStatus {
        let view = self.shards[&shard].kv.snapshot();
        record::status(&*view, shard, txn).unwrap().0
    }

    pub(crate) fn name_of(&self, txn: TxnId) -> String {
        let found = self.txns.iter().find(|(_, candidate)| candidate.id == txn);
        found.map_or_else(|| txn.to_string(), |(name, _)| name.clone())
    }

    /// Does what `judge` says about a lock until it is out of the way; false when it is alive and stays.
    pub(crate) fn settle(&mut self, shard: ShardId, lock: &Lock, met: Met) -> bool {
        let txn = lock.txn;
        let mut status = self.status(txn.anchor, txn);
        loop {
            let now = self.tick();
            let done = match judge(lock, status, met, now) {
                Judgement::Pass => return true,
                Judgement::Conflict => return false,
                Judgement::Push(min_commit_ts) => {
                    self.notes.push(format!("pushed {} to {}", self.name_of(txn), min_commit_ts.0));
                    self.step(txn.anchor, TxnCommand::Push { txn, min_commit_ts })
                }
                Judgement::Abort => {
                    self.notes.push(format!("aborted {}", self.name_of(txn)));
                    self.step(txn.anchor, TxnCommand::Abort { txn, now })
                }
                Judgement::Commit(commit_ts) => {
                    self.notes.push(format!("resolved {} on s{shard}: commit", self.name_of(txn)));
                    self.step(shard, TxnCommand::Resolve { txn, commit_ts: Some(commit_ts), last: false });
                    return true;
                }
                Judgement::RollBack => {
                    self.notes.push(format!("resolved {} on s{shard}: abort", self.name_of(txn)));
                    self.step(shard, TxnCommand::Resolve { txn, commit_ts: None, last: false });
                    return true;
                }
            };
            let Outcome::Transaction(after) = done else { panic!("a record answers with its state: {done:?}") };
            status = after;
        }
    }

    /// One document at a timestamp; settles the lock on it first.
    pub(crate) fn read(&mut self, shard: ShardId, document: &str, at: Timestamp) -> Option<u32> {
        if let Some(lock) = self.lock_on(shard, document) {
            assert!(self.settle(shard, &lock, Met::ReaderAt(at)), "readers never wait");
        }
        self.peek(shard, document, at)
    }

    /// What is there at a timestamp, without looking at locks.
    pub(crate) fn peek(&self, shard: ShardId, document: &str, at: Timestamp) -> Option<u32> {
        let view = self.shards[&shard].kv.snapshot();
        let (_, content) = read::get(&*view, shard, CONTAINER, &name(document), at).unwrap()?;
        let xml = content.to_xml().unwrap();
        Some(xml["<d>".len()..xml.len() - "</d>".len()].parse().unwrap())
    }

    /// All documents of a shard at a timestamp; settles all locks first.
    pub(crate) fn scan(&mut self, shard: ShardId, at: Timestamp) -> BTreeMap<String, u32> {
        for (document, _) in self.locks(shard) {
            // An earlier one may have taken this one's transaction with it.
            if let Some(lock) = self.lock_on(shard, &document) {
                assert!(self.settle(shard, &lock, Met::ReaderAt(at)), "readers never wait");
            }
        }
        self.peek_all(shard, at)
    }

    pub(crate) fn peek_all(&self, shard: ShardId, at: Timestamp) -> BTreeMap<String, u32> {
        let view = self.shards[&shard].kv.snapshot();
        let (listed, _) = phoenixmldb_store::mvcc::list(&*view, shard, CONTAINER, "", None, usize::MAX, at).unwrap();
        let names = listed.into_iter().map(|(name, _)| name.to_string());
        names.map(|name| (name.clone(), self.peek(shard, &name, at).unwrap())).collect()
    }

    pub(crate) fn begin(&mut self, txn: &str, anchor: ShardId, serializable: bool) -> TxnId {
        let id = TxnId { anchor, start_ts: self.tick() };
        let state = Txn {
            id,
            serializable,
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            scanned: BTreeMap::new(),
            protocol: None,
            actions: Vec::new(),
            verdict: None,
            crashed: false,
        };
        self.txns.insert(txn.to_owned(), state);
        id
    }

    /// A transaction's read: its own write, or the document at its start.
    pub(crate) fn txn_read(&mut self, txn: &str, shard: ShardId, document: &str) -> Option<u32> {
        let key = (shard, document.to_owned());
        let state = &self.txns[txn];
        let start_ts = state.id.start_ts;
        if let Some(own) = state.writes.get(&key) {
            return *own;
        }
        let seen = self.read(shard, document, start_ts);
        self.txns.get_mut(txn).unwrap().reads.insert(key, seen);
        seen
    }

    pub(crate) fn txn_scan(&mut self, txn: &str, shard: ShardId) -> BTreeMap<String, u32> {
        let seen = self.scan(shard, self.txns[txn].id.start_ts);
        self.txns.get_mut(txn).unwrap().scanned.insert(shard, seen.clone());
        seen
    }

    fn intents(&self, txn: &str, shard: ShardId) -> Vec<Intent> {
        let writes = self.txns[txn].writes.iter().filter(|((at, _), _)| *at == shard);
        let intent = |((_, document), content): (&(ShardId, String), &Option<u32>)| Intent {
            container: CONTAINER,
            name: name(document),
            change: change(*content),
        };
        writes.map(intent).collect()
    }

    fn read_set(&self, txn: &str, shard: ShardId) -> ReadSet {
        let state = &self.txns[txn];
        let documents = state.reads.keys().filter(|(at, _)| *at == shard);
        ReadSet {
            documents: documents.map(|(_, document)| (CONTAINER, name(document))).collect(),
            containers: state.scanned.keys().filter(|at| **at == shard).map(|_| CONTAINER).collect(),
        }
    }

    /// Starts the commit: one entry on one shard, or the protocol.
    pub(crate) fn start_commit(&mut self, txn: &str) {
        let state = &self.txns[txn];
        let writers: BTreeSet<ShardId> = state.writes.keys().map(|(shard, _)| *shard).collect();
        let readers = state.reads.keys().map(|(shard, _)| *shard).chain(state.scanned.keys().copied());
        let readers: BTreeSet<ShardId> = if state.serializable { readers.collect() } else { BTreeSet::new() };
        let touched: BTreeSet<ShardId> = writers.union(&readers).copied().collect();
        match (writers.first().copied(), touched.len()) {
            // Nothing to commit.
            (None, _) => self.txns.get_mut(txn).unwrap().verdict = Some(Verdict::Committed(state.id.start_ts)),
            (Some(shard), 1) => self.commit_here(txn, shard),
            (Some(_), _) => {
                let mut protocol = CommitProtocol::new(state.id, writers, readers);
                let actions = protocol.on(Event::Begin);
                let state = self.txns.get_mut(txn).unwrap();
                (state.protocol, state.actions) = (Some(protocol), actions);
            }
        }
    }

    fn commit_here(&mut self, txn: &str, shard: ShardId) {
        let (id, intents) = (self.txns[txn].id, self.intents(txn, shard));
        let reads = if self.txns[txn].serializable { self.read_set(txn, shard) } else { ReadSet::default() };
        let verdict = loop {
            let commit_ts = self.tick();
            let step = TxnCommand::CommitHere {
                txn: id,
                epoch: Epoch(1),
                commit_ts,
                deadline: commit_ts.next(),
                intents: intents.clone(),
                reads: reads.clone(),
            };
            match self.step(shard, step) {
                Outcome::Transaction(TxnStatus::Committed { commit_ts }) => break Verdict::Committed(commit_ts),
                Outcome::Refused(refusal) => {
                    if !self.clear(shard, &refusal) {
                        break Verdict::Refused(refusal);
                    }
                }
                other => panic!("{other:?}"),
            }
        };
        self.txns.get_mut(txn).unwrap().verdict = Some(verdict);
    }

    /// Clears away a dead lock that stands in the way; false when the refusal stays.
    fn clear(&mut self, shard: ShardId, refusal: &Refusal) -> bool {
        let Refusal::Locked { name, .. } = refusal else { return false };
        match self.lock_on(shard, name.as_str()) {
            Some(lock) => self.settle(shard, &lock, Met::Writer),
            None => true,
        }
    }

    /// Does one action of a coordinator and hands the event back to its protocol; what was done, in words.
    pub(crate) fn act(&mut self, txn: &str, action: &Action) -> String {
        let id = self.txns[txn].id;
        let (words, event) = match action {
            Action::Prepare(shard) => {
                let outcome = self.prepare(txn, *shard);
                let event = match &outcome {
                    Outcome::Prepared => Event::Prepared(*shard),
                    Outcome::Refused(refusal) => Event::Refused(*shard, refusal.clone()),
                    other => panic!("{other:?}"),
                };
                (format!("prepare s{shard}: {}", self.show(&outcome)), Some(event))
            }
            Action::TakeTimestamp => {
                let at = self.tick();
                (format!("timestamp {}", at.0), Some(Event::Timestamp(at)))
            }
            Action::Refresh(shard, commit_ts) => {
                let reads = self.read_set(txn, *shard);
                let refused = loop {
                    let view = self.shards[shard].kv.snapshot();
                    let refused = participant::refresh(&*view, *shard, id, &reads, *commit_ts).unwrap();
                    drop(view);
                    match refused {
                        Some(refusal) if self.clear(*shard, &refusal) => {}
                        other => break other,
                    }
                };
                let words = refused.as_ref().map_or("unchanged".to_owned(), |refusal| self.show_refusal(refusal));
                let event = refused.map_or(Event::Refreshed(*shard), |refusal| Event::Refused(*shard, refusal));
                (format!("refresh s{shard} at {}: {words}", commit_ts.0), Some(event))
            }
            Action::Decide(commit_ts) => {
                let outcome = self.step(id.anchor, TxnCommand::Decide { txn: id, commit_ts: *commit_ts });
                let Outcome::Transaction(status) = outcome else { panic!("{outcome:?}") };
                let words = format!("decide {}: {}", commit_ts.0, self.show(&outcome));
                (words, Some(Event::Decided(status)))
            }
            Action::Abort => {
                let outcome = self.step(id.anchor, TxnCommand::Abort { txn: id, now: Timestamp::MAX });
                (format!("abort: {}", self.show(&outcome)), None)
            }
            Action::Answer(verdict) => {
                let words = format!("answer: {}", self.show_verdict(verdict));
                self.txns.get_mut(txn).unwrap().verdict = Some(verdict.clone());
                (words, None)
            }
            Action::Resolve(shard, commit_ts) => {
                let outcome = self
                    .step(*shard, TxnCommand::Resolve { txn: id, commit_ts: *commit_ts, last: *shard == id.anchor });
                (format!("resolve s{shard}: {}", self.show(&outcome)), Some(Event::Resolved(*shard)))
            }
        };
        if let Some(event) = event {
            let state = self.txns.get_mut(txn).unwrap();
            let actions = state.protocol.as_mut().unwrap().on(event);
            state.actions.extend(actions);
        }
        words
    }

    /// Prepares as the leader does: dead locks in the way are cleared away first.
    pub(crate) fn prepare(&mut self, txn: &str, shard: ShardId) -> Outcome {
        let (id, intents) = (self.txns[txn].id, self.intents(txn, shard));
        let participants = self.txns[txn].protocol.as_ref().map(CommitProtocol::participants).unwrap_or_default();
        loop {
            let deadline = Timestamp(self.clock + DEADLINE);
            let step = TxnCommand::Prepare {
                txn: id,
                epoch: Epoch(1),
                deadline,
                participants: participants.clone(),
                intents: intents.clone(),
            };
            let outcome = self.step(shard, step);
            match &outcome {
                Outcome::Refused(refusal) if self.clear(shard, refusal) => {}
                _ => return outcome,
            }
        }
    }

    /// What a shard's leader does periodically: its open records, then the locks whose time is up.
    pub(crate) fn sweep(&mut self, shard: ShardId) {
        let open = record::open(&*self.shards[&shard].kv.snapshot(), shard, usize::MAX).unwrap();
        for (txn, status, participants) in open {
            let now = self.tick();
            let status = match status {
                TxnStatus::Pending { deadline, .. } if now >= deadline => {
                    match self.step(shard, TxnCommand::Abort { txn, now }) {
                        Outcome::Transaction(status) => status,
                        other => panic!("{other:?}"),
                    }
                }
                status => status,
            };
            let commit_ts = match status {
                TxnStatus::Committed { commit_ts } => Some(commit_ts),
                TxnStatus::Aborted => None,
                TxnStatus::Pending { .. } | TxnStatus::Absent => continue,
            };
            for participant in participants.iter().filter(|at| **at != shard).chain([&shard]) {
                self.notes.push(format!("resolved {} on s{participant}", self.name_of(txn)));
                self.step(*participant, TxnCommand::Resolve { txn, commit_ts, last: *participant == shard });
            }
        }
        for (document, _) in self.locks(shard) {
            if let Some(lock) = self.lock_on(shard, &document)
                && lock.deadline.0 <= self.clock
            {
                self.settle(shard, &lock, Met::Writer);
            }
        }
    }

    pub(crate) fn forget(&mut self, shard: ShardId, below: Timestamp) -> Timestamp {
        self.step(shard, TxnCommand::Forget { below });
        record::watermark(&*self.shards[&shard].kv.snapshot(), shard).unwrap()
    }

    pub(crate) fn show_refusal(&self, refusal: &Refusal) -> String {
        match refusal {
            Refusal::Locked { name, holder, .. } => format!("{name} is locked by {}", self.name_of(*holder)),
            Refusal::Newer { name, version, .. } => format!("{name} has changed at {}", version.0),
            Refusal::Over => "refused, it is over here".to_owned(),
            other => format!("{other:?}"),
        }
    }

    pub(crate) fn show(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Prepared => "prepared".to_owned(),
            Outcome::Written { commit_ts, .. } => format!("written at {}", commit_ts.0),
            Outcome::Refused(refusal) => self.show_refusal(refusal),
            Outcome::Transaction(status) => show_status(*status),
            Outcome::Done => "done".to_owned(),
        }
    }

    pub(crate) fn show_verdict(&self, verdict: &Verdict) -> String {
        match verdict {
            Verdict::Committed(at) => format!("committed at {}", at.0),
            Verdict::Refused(refusal) => format!("aborted, {}", self.show_refusal(refusal)),
            Verdict::Expired => "aborted, its time was up".to_owned(),
            Verdict::Unreachable(what) => format!("aborted, {what}"),
            Verdict::Unknown => "unknown".to_owned(),
        }
    }
}

pub(crate) fn show_status(status: TxnStatus) -> String {
    match status {
        TxnStatus::Absent => "absent".to_owned(),
        TxnStatus::Pending { min_commit_ts, .. } => format!("pending, not below {}", min_commit_ts.0),
        TxnStatus::Committed { commit_ts } => format!("committed at {}", commit_ts.0),
        TxnStatus::Aborted => "aborted".to_owned(),
    }
}

impl Replica {
    fn apply_last(&mut self, shard: ShardId) -> Outcome {
        let command = ShardCommand::from_bytes(self.log.last().unwrap()).unwrap();
        let view = self.kv.snapshot();
        let mut overlay = Overlay::new(&*view);
        let outcome = apply(&mut overlay, shard, &command).unwrap();
        let batch = overlay.into_batch();
        drop(view);
        self.kv.write(batch).unwrap();
        Outcome::from_bytes(&outcome.to_bytes()).unwrap()
    }
}
