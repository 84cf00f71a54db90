//! Clients: what they write and read, and what their answers have to be.
//!
//! | client | does | has to hold |
//! |---|---|---|
//! | writer | counts its own documents up, in order, in sessions | see [`crate::invariants::register`] |
//! | counter | adds to shared documents by compare-and-set, repeats lost answers | [`crate::invariants::counter`] |
//! | reader | reads strongly, and several documents at one timestamp | [`crate::invariants::register`], [`crate::invariants::snapshot`] |
//!
//! A client asks any node that is up. An answer that does not come is an unknown outcome, and is treated as one.

use crate::history::History;
use crate::invariants::counter::Counters;
use crate::invariants::register::Registers;
use crate::invariants::snapshot;
use crate::world::{CONTAINER, World};
use phoenixmldb_coordinator::documents::PutRequest;
use phoenixmldb_coordinator::{Coordinator, CoordinatorError, ReadConsistency};
use phoenixmldb_raft::testing::Dice;
use phoenixmldb_shard::SessionStamp;
use phoenixmldb_types::SessionId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Longest one attempt may take, in milliseconds: longer than an election, shorter than most partitions.
const ATTEMPT_MS: u64 = 2_000;

/// Documents of one writer: on several shards, written in turn.
pub const KEYS_PER_WRITER: u64 = 4;

/// Shared counters.
pub const COUNTERS: u64 = 3;

/// What all clients of a run share.
pub struct Clients {
    /// The cluster.
    pub world: Arc<World>,
    /// What happened.
    pub history: Arc<History>,
    /// Written by one client each.
    pub registers: Registers,
    /// Written by many.
    pub counters: Counters,
    /// Answered operations.
    pub answered: AtomicU64,
    /// Ends the clients.
    pub stop: AtomicBool,
}

/// Name of a writer's document.
#[must_use]
pub fn register_name(writer: u64, key: u64) -> String {
    format!("register/{writer}-{key}.xml")
}

fn counter_name(counter: u64) -> String {
    format!("counter/{counter}.xml")
}

/// The number in a document of the simulation.
#[must_use]
pub fn value_of(content: Option<&phoenixmldb_store::EncodedDocument>) -> Option<u64> {
    let xml = content?.to_xml().ok()?;
    xml.strip_prefix("<v>")?.strip_suffix("</v>")?.parse().ok()
}

/// Whether nothing can have happened.
fn is_refused(error: &CoordinatorError) -> bool {
    matches!(
        error,
        CoordinatorError::VersionConflict { .. }
            | CoordinatorError::DocumentExists { .. }
            | CoordinatorError::DocumentNotFound { .. }
    )
}

impl Clients {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The coordinator of some node that is up.
    fn any(&self, dice: &mut Dice) -> Option<Coordinator> {
        let at = dice.between(0, self.world.nodes.len() as u64 - 1) as usize;
        self.world.running(at).map(|running| running.coordinator.clone())
    }

    async fn pause(&self, dice: &mut Dice) {
        tokio::time::sleep(Duration::from_millis(dice.between(5, 60))).await;
    }

    /// Puts a number, once or not at all; repeats under the same stamp until the outcome is known. `None`: it is not
    /// known, because the run ends or the outcome was forgotten.
    async fn put(
        &self,
        dice: &mut Dice,
        name: &str,
        value: u64,
        if_version: Option<u64>,
        stamp: SessionStamp,
    ) -> Option<Result<u64, CoordinatorError>> {
        let content = format!("<v>{value}</v>");
        for attempt in 1.. {
            if self.stopped() {
                return None;
            }
            let Some(coordinator) = self.any(dice) else {
                self.pause(dice).await;
                continue;
            };
            let request = PutRequest {
                container: CONTAINER,
                name,
                content: content.as_bytes(),
                overwrite: true,
                if_version,
                stamp: Some(stamp),
            };
            let limit = Duration::from_millis(ATTEMPT_MS);
            match tokio::time::timeout(limit, coordinator.put_document(request, limit)).await {
                Ok(Ok((info, _))) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    self.history.note(&format!("put {name} = {value} at {}, attempt {attempt}", info.stored.version));
                    return Some(Ok(info.stored.version.0));
                }
                Ok(Err(error)) if is_refused(&error) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    self.history.note(&format!("put {name} = {value} refused: {error}"));
                    return Some(Err(error));
                }
                Ok(Err(CoordinatorError::OutcomeForgotten)) => {
                    self.history.violation(format!("{name}: the outcome of a write in flight was forgotten"));
                    return None;
                }
                Ok(Err(error)) => self.history.note(&format!("put {name} = {value} unknown: {error}")),
                Err(_) => self.history.note(&format!("put {name} = {value} unknown: no answer")),
            }
            self.pause(dice).await;
        }
        None
    }

    /// Reads a number strongly, or at a timestamp; the timestamp read at comes back.
    async fn get(&self, dice: &mut Dice, name: &str, at: Option<u64>) -> Result<(Option<u64>, u64), String> {
        let coordinator = self.any(dice).ok_or("the node is down")?;
        let limit = Duration::from_millis(ATTEMPT_MS);
        let read = coordinator.get_document(CONTAINER, name, ReadConsistency::Strong, at, true, limit);
        let answer = tokio::time::timeout(limit, read).await.map_err(|_| "no answer".to_owned())?;
        let answer = answer.map_err(|error| error.to_string())?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        let version = answer.document.as_ref().map_or(0, |(info, _)| info.stored.version.0);
        Ok((answer.document.as_ref().and_then(|(_, content)| value_of(content.as_ref())), version))
    }

    /// Counts its documents up, one after the other, until the run ends.
    pub async fn writer(self: Arc<Self>, writer: u64) {
        let mut dice = Dice::new(self.world.seed() ^ (writer << 20));
        let session = SessionId(u128::from(self.world.seed()) << 64 | u128::from(writer));
        let mut sequence = 0;
        for value in 1.. {
            for key in 0..KEYS_PER_WRITER {
                sequence += 1;
                let name = register_name(writer, key);
                let stamp = SessionStamp { session, sequence, acknowledged_below: sequence };
                self.registers.begun(&name, value);
                match self.put(&mut dice, &name, value, None, stamp).await {
                    Some(Ok(version)) => {
                        if let Err(rule) = self.registers.acknowledged(&name, value, version) {
                            self.history.violation(rule);
                        }
                    }
                    Some(Err(error)) => self.history.violation(format!("{name}: a blind put was refused: {error}")),
                    None => return,
                }
            }
            self.pause(&mut dice).await;
        }
    }

    /// Adds one to shared documents until the run ends.
    pub async fn counter(self: Arc<Self>, client: u64) {
        let mut dice = Dice::new(self.world.seed() ^ (client << 24));
        let session = SessionId(u128::from(self.world.seed()) << 64 | u128::from(client) << 8);
        for sequence in 1.. {
            if self.stopped() {
                return;
            }
            let number = dice.between(0, COUNTERS - 1);
            let name = counter_name(number);
            let Ok((value, version)) = self.get(&mut dice, &name, None).await else {
                self.pause(&mut dice).await;
                continue;
            };
            let stamp = SessionStamp { session, sequence, acknowledged_below: sequence };
            let next = value.unwrap_or(0) + 1;
            self.counters.begun(number);
            match self.put(&mut dice, &name, next, Some(version), stamp).await {
                Some(Ok(_)) => self.counters.added(number),
                Some(Err(_)) => self.counters.refused(number),
                None => {}
            }
            self.pause(&mut dice).await;
        }
    }

    /// Reads until the run ends.
    pub async fn reader(self: Arc<Self>, reader: u64, writers: u64) {
        let mut dice = Dice::new(self.world.seed() ^ (reader << 28));
        while !self.stopped() {
            self.pause(&mut dice).await;
            let writer = dice.between(0, writers - 1);
            if dice.chance(500) {
                let name = register_name(writer, dice.between(0, KEYS_PER_WRITER - 1));
                let before = self.registers.acknowledged_value(&name);
                if let Ok((value, _)) = self.get(&mut dice, &name, None).await {
                    self.history.note(&format!("get {name}: {value:?}"));
                    if let Err(rule) = self.registers.check_read(&name, before, value.unwrap_or(0)) {
                        self.history.violation(rule);
                    }
                }
            } else {
                self.read_at_one_timestamp(&mut dice, writer).await;
            }
        }
    }

    /// All documents of a writer at one timestamp: what it wrote first is there when what it wrote later is.
    async fn read_at_one_timestamp(&self, dice: &mut Dice, writer: u64) {
        let at = dice.between(0, self.world.nodes.len() as u64 - 1) as usize;
        let Some(running) = self.world.running(at) else { return };
        let acknowledged: Vec<u64> =
            (0..KEYS_PER_WRITER).map(|key| self.registers.acknowledged_value(&register_name(writer, key))).collect();
        let limit = Duration::from_millis(ATTEMPT_MS);
        let Ok(Ok(read_ts)) = tokio::time::timeout(limit, running.timestamps.next()).await else { return };
        drop(running);
        let mut values = Vec::new();
        // In any order, and with time between: a timestamp is a timestamp.
        let backwards = dice.chance(500);
        for step in 0..KEYS_PER_WRITER {
            let key = if backwards { KEYS_PER_WRITER - 1 - step } else { step };
            match self.get(dice, &register_name(writer, key), Some(read_ts.0)).await {
                Ok((value, _)) => values.push(value.unwrap_or(0)),
                Err(_) => return,
            }
            if dice.chance(300) {
                self.pause(dice).await;
            }
        }
        if backwards {
            values.reverse();
        }
        // What was in flight when the timestamp was read at has been decided by now, and may not show below it.
        self.pause(dice).await;
        let mut again = Vec::new();
        for key in 0..KEYS_PER_WRITER {
            match self.get(dice, &register_name(writer, key), Some(read_ts.0)).await {
                Ok((value, _)) => again.push(value.unwrap_or(0)),
                Err(_) => return,
            }
        }
        self.history.note(&format!("writer {writer} at {read_ts}: {values:?}"));
        for rule in [snapshot::check(&acknowledged, &values), snapshot::check_repeated(&values, &again)] {
            if let Err(rule) = rule {
                self.history.violation(format!("writer {writer} at {read_ts}: {rule}"));
            }
        }
    }
}
