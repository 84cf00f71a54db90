//! Random writes, repetitions and snapshots against a plain map; and: replicas that apply the same entries are equal,
//! however the entries were batched.

#![allow(clippy::unwrap_used, clippy::type_complexity)] // a model, not a product

use phoenixmldb_shard::command::{Change, Outcome, Precondition, Refusal, SessionStamp, ShardCommand, WriteOp};
use phoenixmldb_shard::snapshot::{self, Place};
use phoenixmldb_shard::{apply, read};
use phoenixmldb_store::kv::Overlay;
use phoenixmldb_store::{Batch, EncodedDocument, Kv, MemoryKv};
use phoenixmldb_types::{ContainerId, DocumentName, Epoch, SessionId, ShardId, Timestamp};
use phoenixmldb_xdm::ParseOptions;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SHARD: ShardId = ShardId(5);
const CONTAINER: ContainerId = ContainerId(1);

fn document(content: u8) -> EncodedDocument {
    EncodedDocument::from_xml(format!("<d>{content}</d>").as_bytes(), &ParseOptions::default()).unwrap()
}

fn name(index: u8) -> DocumentName {
    DocumentName::parse(&format!("d{index}")).unwrap()
}

/// Applies commands in batches of the given sizes and returns their outcomes.
fn apply_all(kv: &MemoryKv, commands: &[ShardCommand], sizes: &[usize]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut rest = commands;
    while !rest.is_empty() {
        let (now, later) = rest.split_at((*sizes.next().unwrap_or(&1)).clamp(1, rest.len()));
        rest = later;
        let view = kv.snapshot();
        let mut overlay = Overlay::new(&*view);
        for command in now {
            // Through bytes, as the log does it.
            let command = ShardCommand::from_bytes(&command.to_bytes()).unwrap();
            let outcome = apply(&mut overlay, SHARD, &command).unwrap();
            outcomes.push(Outcome::from_bytes(&outcome.to_bytes()).unwrap());
        }
        let batch = overlay.into_batch();
        drop(view);
        kv.write(batch).unwrap();
    }
    outcomes
}

#[derive(Clone, Debug)]
enum Step {
    Put { doc: u8, content: u8, precondition: u8 },
    Delete { doc: u8, must_exist: bool },
    RepeatLast,
    Resolve,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..5, any::<u8>(), 0u8..4).prop_map(|(doc, content, precondition)| Step::Put { doc, content, precondition }),
        2 => (0u8..5, any::<bool>()).prop_map(|(doc, must_exist)| Step::Delete { doc, must_exist }),
        2 => Just(Step::RepeatLast),
        1 => Just(Step::Resolve),
    ]
}

/// Turns steps into commands and the outcomes that the rules ask for.
fn script(steps: &[Step]) -> (Vec<ShardCommand>, Vec<Outcome>, Vec<BTreeMap<u8, (u64, u8)>>) {
    let mut model: BTreeMap<u8, (u64, u8)> = BTreeMap::new();
    let mut created: BTreeMap<u8, u64> = BTreeMap::new();
    let (mut commands, mut outcomes, mut states) = (Vec::new(), Vec::new(), Vec::new());
    let mut last: Option<(ShardCommand, Outcome)> = None;
    for (number, step) in (1u64..).zip(steps) {
        let stamp = SessionStamp { session: SessionId(9), sequence: number, acknowledged_below: 0 };
        let command = |ops| ShardCommand::Write {
            epoch: Epoch(1),
            container: CONTAINER,
            commit_ts: Timestamp(number * 10),
            session: Some(stamp),
            ops,
        };
        let (command, outcome) = match step {
            Step::Resolve => (ShardCommand::Resolved { ts: Timestamp(number * 10) }, Outcome::Done),
            Step::RepeatLast => match &last {
                None => continue,
                // The repetition carries a later timestamp, as it would from another leader.
                Some((ShardCommand::Write { session, ops, .. }, outcome)) => {
                    let again = ShardCommand::Write {
                        epoch: Epoch(1),
                        container: CONTAINER,
                        commit_ts: Timestamp(number * 10),
                        session: *session,
                        ops: ops.clone(),
                    };
                    (again, outcome.clone())
                }
                Some(_) => continue,
            },
            Step::Put { doc, content, precondition } => {
                let present = model.get(doc).map(|(version, _)| *version);
                let precondition = match precondition {
                    0 => Precondition::Absent,
                    1 => Precondition::Version(Timestamp(present.unwrap_or(0))),
                    2 => Precondition::Version(Timestamp(3)),
                    _ => Precondition::Any,
                };
                let ops = vec![WriteOp { name: name(*doc), precondition, change: Change::Put(document(*content)) }];
                let refused = match (precondition, present) {
                    (Precondition::Absent, Some(_)) => Some(Refusal::Exists(name(*doc))),
                    (Precondition::Version(Timestamp(3)), _) => {
                        Some(Refusal::Version(name(*doc), Timestamp(present.unwrap_or(0))))
                    }
                    _ => None,
                };
                let outcome = match refused {
                    Some(refusal) => Outcome::Refused(refusal),
                    None => {
                        let existed = model.insert(*doc, (number * 10, *content)).is_some();
                        if !existed {
                            created.insert(*doc, number * 10);
                        }
                        let created_ts = Timestamp(created[doc]);
                        let changes = vec![phoenixmldb_shard::Written { existed, created_ts }];
                        Outcome::Written { commit_ts: Timestamp(number * 10), changes }
                    }
                };
                (command(ops), outcome)
            }
            Step::Delete { doc, must_exist } => {
                let precondition = if *must_exist { Precondition::Present } else { Precondition::Any };
                let ops = vec![WriteOp { name: name(*doc), precondition, change: Change::Delete }];
                let existed = model.remove(doc).is_some();
                let outcome = if !existed && *must_exist {
                    Outcome::Refused(Refusal::NotFound(name(*doc)))
                } else {
                    let created_ts = if existed { Timestamp(created[doc]) } else { Timestamp::ZERO };
                    let changes = vec![phoenixmldb_shard::Written { existed, created_ts }];
                    Outcome::Written { commit_ts: Timestamp(number * 10), changes }
                };
                (command(ops), outcome)
            }
        };
        if matches!(command, ShardCommand::Write { .. }) {
            last = Some((command.clone(), outcome.clone()));
        }
        commands.push(command);
        outcomes.push(outcome);
        states.push(model.clone());
    }
    (commands, outcomes, states)
}

fn contents(kv: &MemoryKv, at: Timestamp) -> BTreeMap<u8, (u64, u8)> {
    let view = kv.snapshot();
    let read = |doc: u8| {
        let (info, content) = read::get(&*view, SHARD, CONTAINER, &name(doc), at).unwrap()?;
        let xml = content.to_xml().unwrap();
        Some((info.commit_ts.0, xml["<d>".len()..xml.len() - "</d>".len()].parse().unwrap()))
    };
    (0..5).filter_map(|doc| Some((doc, read(doc)?))).collect()
}

proptest! {
    #[test]
    fn a_shard_is_a_map_of_versions_and_repeats_its_answers(
        steps in prop::collection::vec(step(), 1..40),
        sizes in prop::collection::vec(1usize..5, 1..5),
    ) {
        let (commands, expected, states) = script(&steps);
        let kv = MemoryKv::default();
        prop_assert_eq!(apply_all(&kv, &commands, &sizes), expected);
        // Every earlier state can still be read at its timestamp.
        for (command, state) in commands.iter().zip(&states) {
            if let ShardCommand::Write { commit_ts, .. } = command {
                prop_assert_eq!(&contents(&kv, *commit_ts), state);
            }
        }
    }

    #[test]
    fn replicas_are_equal_however_entries_were_batched_and_after_a_snapshot(
        steps in prop::collection::vec(step(), 1..40),
        sizes in prop::collection::vec(1usize..5, 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let (commands, ..) = script(&steps);
        prop_assume!(!commands.is_empty());
        let one = MemoryKv::default();
        apply_all(&one, &commands, &[1]);
        let other = MemoryKv::default();
        apply_all(&other, &commands, &sizes);
        prop_assert_eq!(one.dump(), other.dump());

        let (before, after) = commands.split_at(cut.index(commands.len()));
        let source = MemoryKv::default();
        apply_all(&source, before, &sizes);
        let target = MemoryKv::default();
        apply_all(&target, &commands, &[1]);
        let mut batch = Batch::default();
        snapshot::clear(&mut batch, SHARD);
        let view = source.snapshot();
        let mut place = Place::start(SHARD);
        while let Some(chunk) = place.next_chunk(&*view).unwrap() {
            snapshot::write_chunk(&mut batch, SHARD, &chunk).unwrap();
        }
        target.write(batch).unwrap();
        prop_assert_eq!(source.dump(), target.dump());
        apply_all(&target, after, &sizes);
        prop_assert_eq!(one.dump(), target.dump());
    }

    #[test]
    fn damaged_commands_are_errors_and_never_panics(
        steps in prop::collection::vec(step(), 1..6),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (commands, ..) = script(&steps);
        for command in commands {
            let mut bytes = command.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            drop(ShardCommand::from_bytes(&bytes));
            drop(ShardCommand::from_bytes(&bytes[..at]));
            drop(Outcome::from_bytes(&bytes));
        }
    }
}

#[test]
fn a_write_whose_answer_the_client_has_is_forgotten_and_not_applied_again() {
    let kv = MemoryKv::default();
    let write = |sequence: u64, acknowledged_below: u64, at: u64, content: u8| ShardCommand::Write {
        epoch: Epoch(1),
        container: CONTAINER,
        commit_ts: Timestamp(at),
        session: Some(SessionStamp { session: SessionId(1), sequence, acknowledged_below }),
        ops: vec![WriteOp { name: name(0), precondition: Precondition::Any, change: Change::Put(document(content)) }],
    };
    apply_all(&kv, &[write(1, 1, 10, 1), write(2, 2, 20, 2)], &[1]);
    let late = apply_all(&kv, &[write(1, 1, 30, 1)], &[1]);
    assert_eq!(late, [Outcome::Refused(Refusal::Forgotten)]);
    assert_eq!(contents(&kv, Timestamp::MAX)[&0], (20, 2));
}

#[test]
fn a_write_below_the_newest_version_or_an_old_map_is_to_be_proposed_again() {
    let kv = MemoryKv::default();
    let write = |epoch: u64, at: u64| ShardCommand::Write {
        epoch: Epoch(epoch),
        container: CONTAINER,
        commit_ts: Timestamp(at),
        session: Some(SessionStamp { session: SessionId(1), sequence: 7, acknowledged_below: 0 }),
        ops: vec![WriteOp { name: name(0), precondition: Precondition::Any, change: Change::Put(document(1)) }],
    };
    let other = |at: u64| ShardCommand::Write {
        epoch: Epoch(1),
        container: CONTAINER,
        commit_ts: Timestamp(at),
        session: None,
        ops: vec![WriteOp { name: name(0), precondition: Precondition::Any, change: Change::Put(document(9)) }],
    };
    apply_all(&kv, &[other(50)], &[1]);
    assert_eq!(apply_all(&kv, &[write(1, 40)], &[1]), [Outcome::Refused(Refusal::Superseded(name(0)))]);
    let range = phoenixmldb_types::HashRange { first: 0, last: 9 };
    apply_all(&kv, &[ShardCommand::Configure { epoch: Epoch(3), range }], &[1]);
    assert_eq!(apply_all(&kv, &[write(1, 60)], &[1]), [Outcome::Refused(Refusal::Epoch(Epoch(3)))]);
    // Neither was the write's answer: with a newer timestamp and map it happens.
    let [Outcome::Written { commit_ts, .. }] = &apply_all(&kv, &[write(3, 70)], &[1])[..] else { panic!("written") };
    assert_eq!(*commit_ts, Timestamp(70));
}

#[test]
fn a_dropped_container_takes_no_writes_and_leaves_others_alone() {
    let kv = MemoryKv::default();
    let write = |container: u64, at: u64| ShardCommand::Write {
        epoch: Epoch(1),
        container: ContainerId(container),
        commit_ts: Timestamp(at),
        session: None,
        ops: vec![WriteOp { name: name(0), precondition: Precondition::Any, change: Change::Put(document(1)) }],
    };
    let drop_one = ShardCommand::DropContainer { container: ContainerId(1) };
    let outcomes = apply_all(&kv, &[write(1, 10), write(2, 20), drop_one, write(1, 30)], &[4]);
    assert_eq!(outcomes[3], Outcome::Refused(Refusal::ContainerDropped(ContainerId(1))));
    let view = kv.snapshot();
    let there =
        |container| read::get(&*view, SHARD, ContainerId(container), &name(0), Timestamp::MAX).unwrap().is_some();
    assert!(!there(1) && there(2));
}
