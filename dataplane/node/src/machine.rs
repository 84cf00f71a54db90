//! What Raft applies committed entries to: a shard, or the clock.
//!
//! Every batch holds the changes of its entries and the log position after them, in one atomic write, so that a crash can
//! never separate them. Damage is a fault and stops the replica.

use crate::transfer::{Install, Outgoing};
use bytes::Bytes;
use phoenixmldb_raft::{CommittedEntry, ReplicatedState, SnapshotReader, StateFault, blocking};
use phoenixmldb_shard::clock::ClockState;
use phoenixmldb_shard::{ShardCommand, apply};
use phoenixmldb_store::keyspace::{self, MetaTag};
use phoenixmldb_store::kv::Overlay;
use phoenixmldb_store::{Batch, Cf, Kv, KvError};
use phoenixmldb_types::{ShardId, Timestamp};
use std::path::Path;
use std::sync::Arc;

pub use crate::transfer::Installs;

/// Where the clock group keeps its state: beside the shards, under a number no shard can have.
pub const CLOCK_PARTITION: ShardId = ShardId(u32::MAX - 1);

pub(crate) fn fault(what: &'static str) -> impl Fn(KvError) -> StateFault {
    move |error| StateFault::new(what, error)
}

/// One replica of a shard.
pub struct ShardMachine {
    shard: ShardId,
    kv: Arc<dyn Kv>,
    install: Install,
}

impl ShardMachine {
    /// The replica's state in this database, new or as it was left; an installation that a crash has cut is completed.
    /// Snapshots wait in `folder`. Error: the folder or the database cannot be written.
    pub fn open(shard: ShardId, kv: Arc<dyn Kv>, installs: Arc<Installs>, folder: &Path) -> Result<Self, StateFault> {
        let install = Install { shard, kv: kv.clone(), installs, folder: folder.to_owned() };
        install.resume()?;
        Ok(Self { shard, kv, install })
    }

    fn position_key(&self) -> Vec<u8> {
        keyspace::meta(self.shard, MetaTag::Position)
    }
}

impl ReplicatedState for ShardMachine {
    fn position(&mut self) -> Result<Option<Bytes>, StateFault> {
        self.kv.snapshot().get(Cf::Meta, &self.position_key()).map_err(fault("reading a shard's position"))
    }

    fn apply(&mut self, entries: &[CommittedEntry], position: Bytes) -> Result<Vec<Bytes>, StateFault> {
        let broken = fault("applying to a shard");
        let view = self.kv.snapshot();
        let mut overlay = Overlay::new(&*view);
        let mut replies = Vec::with_capacity(entries.len());
        for entry in entries {
            let command = ShardCommand::from_bytes(&entry.command).map_err(&broken)?;
            let outcome = apply(&mut overlay, self.shard, &command).map_err(&broken)?;
            replies.push(Bytes::from(outcome.to_bytes()));
        }
        overlay.put(Cf::Meta, self.position_key(), position.to_vec());
        let batch = overlay.into_batch();
        drop(view);
        if !self.kv.write_now(&batch).map_err(&broken)? {
            blocking(|| self.kv.write(batch)).map_err(&broken)?;
        }
        Ok(replies)
    }

    fn flush(&mut self) -> Result<(), StateFault> {
        self.kv.flush().map_err(fault("flushing a shard"))
    }

    fn snapshot(&mut self) -> Result<Box<dyn SnapshotReader>, StateFault> {
        Ok(Box::new(Outgoing::begin(self.kv.clone(), self.shard)?))
    }

    fn install(&mut self, chunks: Box<dyn SnapshotReader>, position: Bytes) -> Result<(), StateFault> {
        self.install.run(chunks, &position)
    }
}

/// One replica of the clock group.
pub struct ClockMachine {
    kv: Arc<dyn Kv>,
}

impl ClockMachine {
    /// The replica's state in this database.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>) -> Self {
        Self { kv }
    }

    fn write(&self, state: ClockState, position: &Bytes) -> Result<(), KvError> {
        let mut batch = Batch::default();
        let bound = keyspace::meta(CLOCK_PARTITION, MetaTag::LastCommit);
        batch.put(Cf::Meta, bound, state.bound.0.to_be_bytes().to_vec());
        batch.put(Cf::Meta, keyspace::meta(CLOCK_PARTITION, MetaTag::Position), position.to_vec());
        self.kv.write(batch)
    }
}

/// The clock group's state as this replica has applied it.
pub fn clock_state(kv: &dyn Kv) -> Result<ClockState, KvError> {
    let stored = kv.snapshot().get(Cf::Meta, &keyspace::meta(CLOCK_PARTITION, MetaTag::LastCommit))?;
    let Some(bytes) = stored else { return Ok(ClockState::default()) };
    let bound = bytes.as_ref().try_into().map(u64::from_be_bytes);
    let bound = bound.map_err(|_| KvError::damaged("clock bound", "it is not 8 bytes"))?;
    Ok(ClockState { bound: Timestamp(bound) })
}

impl ReplicatedState for ClockMachine {
    fn position(&mut self) -> Result<Option<Bytes>, StateFault> {
        let key = keyspace::meta(CLOCK_PARTITION, MetaTag::Position);
        self.kv.snapshot().get(Cf::Meta, &key).map_err(fault("reading the clock's position"))
    }

    fn apply(&mut self, entries: &[CommittedEntry], position: Bytes) -> Result<Vec<Bytes>, StateFault> {
        let broken = fault("applying to the clock");
        let mut state = clock_state(&*self.kv).map_err(&broken)?;
        for entry in entries {
            state.apply(&entry.command).map_err(&broken)?;
        }
        blocking(|| self.write(state, &position)).map_err(&broken)?;
        Ok(vec![Bytes::new(); entries.len()])
    }

    fn flush(&mut self) -> Result<(), StateFault> {
        self.kv.flush().map_err(fault("flushing the clock"))
    }

    fn snapshot(&mut self) -> Result<Box<dyn SnapshotReader>, StateFault> {
        let state = clock_state(&*self.kv).map_err(fault("reading the clock's snapshot"))?;
        Ok(Box::new(vec![Bytes::from(ClockState::raise(state.bound))].into_iter()))
    }

    fn install(&mut self, mut chunks: Box<dyn SnapshotReader>, position: Bytes) -> Result<(), StateFault> {
        let broken = fault("installing the clock's snapshot");
        let mut state = ClockState::default();
        while let Some(chunk) = chunks.next_chunk()? {
            state.apply(&chunk).map_err(&broken)?;
        }
        self.write(state, &position).map_err(&broken)?;
        self.kv.flush().map_err(&broken)
    }
}
