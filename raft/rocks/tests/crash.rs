//! A process that writes to raftdb is killed at random moments; what it had confirmed is there, and nothing impossible.
//!
//! ```text
//!  this test ─ starts ─► itself, as the writer: random operations, each confirmed on its standard output
//!            ─ SIGKILL after a random number of confirmations
//!            ─ opens raftdb: per group the state after some number of operations, at least of those confirmed
//! ```
//!
//! The operations follow from a seed, so that both processes know them. The page cache survives a SIGKILL: this drill is
//! about order, atomic batches and reopening; losing the cache is the business of the power-cut drills.
//! `PHOENIXMLDB_LONG=1` kills a few hundred times.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use parking_lot::Mutex;
use phoenixmldb_raft::log_store::LogHead;
use phoenixmldb_raft::testing::Dice;
use phoenixmldb_raft::{LogEngine, LogOp};
use phoenixmldb_raft_rocks::RocksLog;
use phoenixmldb_types::GroupId;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const GROUPS: u32 = 4;
/// Operations of one group submitted before the first of them is confirmed.
const WINDOW: u64 = 16;
const SEED: &str = "PHOENIXMLDB_DRILL_SEED";
const FOLDER: &str = "PHOENIXMLDB_DRILL_FOLDER";
const BEGIN: &str = "PHOENIXMLDB_DRILL_BEGIN";

/// What a group's log holds after some operations.
#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    ops: u64,
    entries: BTreeMap<u64, Bytes>,
    last: u64,
    vote: Option<Bytes>,
    committed: Option<Bytes>,
    purged: Option<Bytes>,
}

impl Model {
    /// The next operation; it depends on the seed, the group and the operations before.
    fn step(&mut self, seed: u64, group: u32) -> LogOp {
        let mut dice = Dice::new(seed ^ (u64::from(group) << 48) ^ self.ops);
        dice.roll();
        self.ops += 1;
        let tag = Bytes::from(format!("{group}/{}", self.ops));
        match dice.between(0, 19) {
            0..=1 => {
                self.vote = Some(tag.clone());
                LogOp::Vote(tag)
            }
            2..=3 => {
                self.committed = Some(tag.clone());
                LogOp::Committed(tag)
            }
            4 if self.entries.len() > 4 => {
                let from = self.last - dice.between(0, 3);
                self.entries.split_off(&from);
                self.last = from - 1;
                LogOp::TruncateFrom(from)
            }
            5 if self.entries.len() > 20 => {
                let upto = self.last - dice.between(1, 19);
                self.entries = self.entries.split_off(&(upto + 1));
                self.purged = Some(tag.clone());
                LogOp::Purge(upto, tag)
            }
            _ => {
                let size = if dice.chance(50) { 100_000 } else { dice.between(1, 2_000) };
                let fill = dice.roll().to_le_bytes();
                let count = dice.between(1, 8);
                let entry = |index: u64| {
                    let mut entry = format!("{group}/{}/{index}/", self.ops).into_bytes();
                    entry.extend(fill.iter().cycle().take(size as usize));
                    (index, Bytes::from(entry))
                };
                let entries: Vec<_> = (self.last + 1..=self.last + count).map(entry).collect();
                self.last += count;
                self.entries.extend(entries.clone());
                LogOp::Append(entries)
            }
        }
    }

    fn is_stored(&self, head: &LogHead, entries: &[(u64, Bytes)]) -> bool {
        self.vote == head.vote
            && self.committed == head.committed
            && self.purged == head.purged
            && self.entries.iter().map(|(index, entry)| (*index, entry.clone())).eq(entries.iter().cloned())
            && self.entries.last_key_value().map(|(index, entry)| (*index, entry.clone())) == head.last
    }
}

fn at(seed: u64, group: u32, ops: u64) -> Model {
    let mut model = Model::default();
    while model.ops < ops {
        model.step(seed, group);
    }
    model
}

/// The process to be killed; ignored unless the drill starts it.
#[test]
#[ignore = "the drill below starts it in a process of its own"]
fn writer() {
    let (Ok(folder), Ok(seed), Ok(begin)) = (std::env::var(FOLDER), std::env::var(SEED), std::env::var(BEGIN)) else {
        return;
    };
    let seed: u64 = seed.parse().unwrap();
    let begin: Vec<u64> = begin.split(',').map(|ops| ops.parse().unwrap()).collect();
    let log = RocksLog::open(&Path::new(&folder).join("raftdb")).unwrap();
    let out = Arc::new(Mutex::new(std::io::stdout()));
    let mut models: Vec<Model> = (0..GROUPS).map(|group| at(seed, group, begin[group as usize])).collect();
    // Rounds of a few operations per group, submitted without waiting; the last one of a round is waited for.
    loop {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        for _ in 0..WINDOW {
            for group in 0..GROUPS {
                let model = &mut models[group as usize];
                let op = model.step(seed, group);
                let (out, ops, sender) = (out.clone(), model.ops, sender.clone());
                let done = move |result: std::io::Result<()>| {
                    result.unwrap();
                    let mut out = out.lock();
                    writeln!(out, "confirmed {group} {ops}").unwrap();
                    out.flush().unwrap();
                    drop(sender);
                };
                log.submit(GroupId(group), op, Box::new(done));
            }
        }
        drop(sender);
        assert!(receiver.recv().is_err(), "all callbacks are gone");
    }
}

/// Starts a writer, kills it after `lines` confirmations, and returns how many operations of each group it confirmed.
fn write_and_kill(folder: &Path, seed: u64, begin: &[u64], lines: u64) -> Vec<u64> {
    let begin_text = begin.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--ignored", "--nocapture", "--test-threads=1"])
        .envs([(SEED, seed.to_string()), (FOLDER, folder.display().to_string()), (BEGIN, begin_text)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut confirmed = begin.to_vec();
    let mut read = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The test harness prints lines of its own; the first confirmation may follow on the same line.
        let line = line.unwrap();
        let Some((_, words)) = line.split_once("confirmed ") else { continue };
        let (group, ops) = words.split_once(' ').unwrap();
        confirmed[group.parse::<usize>().unwrap()] = ops.parse().unwrap();
        read += 1;
        if read == lines {
            child.kill().unwrap();
        }
        // Lines already in the pipe are read to the end: they were confirmed before the kill.
    }
    assert!(read >= lines, "the writer ended by itself after {read} confirmations");
    child.wait().unwrap();
    confirmed
}

#[test]
fn what_a_killed_process_had_confirmed_is_there() {
    let long = std::env::var_os("PHOENIXMLDB_LONG").is_some_and(|value| value == "1");
    let seed = std::env::var("PHOENIXMLDB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut dice = Dice::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut begin = vec![0; GROUPS as usize];
    for kill in 0..if long { 300 } else { 8 } {
        let lines = dice.between(1, 600);
        let confirmed = write_and_kill(folder.path(), seed, &begin, lines);
        let log = RocksLog::open(&folder.path().join("raftdb")).unwrap();
        for group in 0..GROUPS {
            let head = log.head(GroupId(group)).unwrap();
            let entries = log.read(GroupId(group), 0, u64::MAX).unwrap();
            let mut model = at(seed, group, confirmed[group as usize]);
            while !model.is_stored(&head, &entries) {
                assert!(
                    model.ops <= confirmed[group as usize] + 2 * WINDOW,
                    "seed {seed}, kill {kill}: group {group} holds something else than its first {} operations or \
                     a few more",
                    confirmed[group as usize]
                );
                model.step(seed, group);
            }
            begin[group as usize] = model.ops;
        }
    }
}
