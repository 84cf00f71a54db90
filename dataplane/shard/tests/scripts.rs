//! Golden scripts: a situation and what comes of it, in words. `UPDATE_SCRIPTS=1` writes the transcripts anew.
//!
//! | command | what |
//! |---|---|
//! | `shards s1 s2` | makes them |
//! | `begin t1 anchor s1 [serializable]` | a transaction |
//! | `get t1 s1 a`, `scan t1 s1`, `set t1 s1 a 5`, `set t1 s1 a -` | reads and writes in it; `-` deletes |
//! | `commit t1 [until ACTION]` | the whole protocol, or its coordinator dies after the action |
//! | `prepare t1 s1`, `decide t1 N`, `resolve t1 s1 N`, `abort t1 s1` | one step, again or late; `-` is an abort |
//! | `put s1 a 5` | a write outside transactions |
//! | `read s1 a [N]`, `locks s1`, `status t1 s1` | what is there |
//! | `resolved s1` | its leader says that nothing will commit at or below now |
//! | `restart s1`, `expire`, `sweep s1`, `forget s1`, `drop s1` | a replica replays its log; time passes; … |

#![allow(clippy::unwrap_used)] // a script that does not parse is a failed test

#[allow(dead_code)] // shared with the properties
mod world;

use phoenixmldb_shard::ShardCommand;
use phoenixmldb_shard::txn::{Action, TxnCommand};
use phoenixmldb_store::Kv;
use phoenixmldb_store::keyspace::MetaTag;
use phoenixmldb_types::{ShardId, Timestamp};
use std::path::Path;
use world::{CONTAINER, DEADLINE, World};

fn shard(word: &str) -> ShardId {
    ShardId(word.strip_prefix('s').unwrap().parse().unwrap())
}

fn content(word: &str) -> Option<u32> {
    (word != "-").then(|| word.parse().unwrap())
}

fn shown(content: Option<u32>) -> String {
    content.map_or_else(|| "nothing".to_owned(), |content| content.to_string())
}

fn kind(action: &Action) -> String {
    match action {
        Action::Prepare(shard) => format!("prepare s{shard}"),
        Action::TakeTimestamp => "timestamp".to_owned(),
        Action::Refresh(shard, _) => format!("refresh s{shard}"),
        Action::Decide(_) => "decide".to_owned(),
        Action::Abort => "abort".to_owned(),
        Action::Answer(_) => "answer".to_owned(),
        Action::Resolve(shard, _) => format!("resolve s{shard}"),
    }
}

fn commit(world: &mut World, txn: &str, until: &str, out: &mut Vec<String>) {
    world.start_commit(txn);
    loop {
        let state = world.txns.get_mut(txn).unwrap();
        if state.actions.is_empty() {
            break;
        }
        let action = state.actions.remove(0);
        let words = world.act(txn, &action);
        out.append(&mut world.notes);
        out.push(format!("{txn} {words}"));
        if kind(&action) == until {
            out.push(format!("the coordinator of {txn} dies"));
            return;
        }
    }
    assert!(until.is_empty(), "the commit of {txn} never did {until:?}");
    if world.txns[txn].protocol.is_none() {
        let verdict = world.txns[txn].verdict.clone().unwrap();
        out.append(&mut world.notes);
        out.push(format!("{txn} in one entry: {}", world.show_verdict(&verdict)));
    }
}

fn step(world: &mut World, words: &[&str], out: &mut Vec<String>) {
    let say = match words {
        ["shards", ids @ ..] => {
            *world = World::new(ids.iter().map(|id| shard(id).0));
            return;
        }
        ["begin", txn, "anchor", at, rest @ ..] => {
            let id = world.begin(txn, shard(at), rest == ["serializable"]);
            format!("{txn} begins at {}", id.start_ts.0)
        }
        ["get", txn, at, name] => format!("{txn} sees {at}/{name}: {}", shown(world.txn_read(txn, shard(at), name))),
        ["scan", txn, at] => format!("{txn} sees {at}: {:?}", world.txn_scan(txn, shard(at))),
        ["set", txn, at, name, value] => {
            let key = (shard(at), (*name).to_owned());
            world.txns.get_mut(*txn).unwrap().writes.insert(key, content(value));
            return;
        }
        ["commit", txn] => return commit(world, txn, "", out),
        ["commit", txn, "until", action @ ..] => return commit(world, txn, &action.join(" "), out),
        ["prepare", txn, at] => {
            let outcome = world.prepare(txn, shard(at));
            format!("{txn} prepare {at}: {}", world.show(&outcome))
        }
        ["decide", txn, at] => {
            let id = world.txns[*txn].id;
            let step = TxnCommand::Decide { txn: id, commit_ts: Timestamp(at.parse().unwrap()) };
            let outcome = world.apply(id.anchor, &ShardCommand::Transaction(step));
            format!("{txn} decide {at}: {}", world.show(&outcome))
        }
        ["resolve", txn, at, decision] => {
            let commit_ts = content(decision).map(|at| Timestamp(u64::from(at)));
            let step = TxnCommand::Resolve { txn: world.txns[*txn].id, commit_ts, last: false };
            let outcome = world.apply(shard(at), &ShardCommand::Transaction(step));
            format!("{txn} resolve {at}: {}", world.show(&outcome))
        }
        ["abort", txn, at] => {
            let step = TxnCommand::Abort { txn: world.txns[*txn].id, now: Timestamp::MAX };
            let outcome = world.apply(shard(at), &ShardCommand::Transaction(step));
            format!("{txn} abort {at}: {}", world.show(&outcome))
        }
        ["put", at, name, value] => {
            let outcome = world.put(shard(at), name, content(value));
            out.append(&mut world.notes);
            format!("put {at}/{name}: {}", world.show(&outcome))
        }
        ["read", at, name] => {
            let now = world.tick();
            let seen = world.read(shard(at), name, now);
            out.append(&mut world.notes);
            format!("{at}/{name} at {}: {}", now.0, shown(seen))
        }
        ["read", at, name, ts] => {
            let seen = world.read(shard(at), name, Timestamp(ts.parse().unwrap()));
            out.append(&mut world.notes);
            format!("{at}/{name} at {ts}: {}", shown(seen))
        }
        ["locks", at] => {
            let locks = world.locks(shard(at));
            let locks: Vec<String> =
                locks.into_iter().map(|(name, txn)| format!("{name} by {}", world.name_of(txn))).collect();
            format!("locks on {at}: {}", if locks.is_empty() { "none".to_owned() } else { locks.join(", ") })
        }
        ["status", txn, at] => {
            format!("{txn} on {at}: {}", world::show_status(world.status(shard(at), world.txns[*txn].id)))
        }
        ["resolved", at] => {
            let ts = world.tick();
            world.apply(shard(at), &ShardCommand::Resolved { ts });
            let view = world.shards[&shard(at)].kv.snapshot();
            let reached = phoenixmldb_shard::apply::timestamp(&*view, shard(at), MetaTag::Resolved).unwrap();
            format!("{at} is resolved up to {} at {}", reached.0, ts.0)
        }
        ["restart", at] => format!("{at} replays {} entries", world.restart(shard(at))),
        ["expire"] => {
            world.clock += DEADLINE;
            return;
        }
        ["sweep", at] => {
            world.sweep(shard(at));
            out.append(&mut world.notes);
            return;
        }
        ["forget", at] => {
            let now = world.tick();
            format!("{at} forgets what began before {}", world.forget(shard(at), now).0)
        }
        ["drop", at] => {
            let outcome = world.apply(shard(at), &ShardCommand::DropContainer { container: CONTAINER });
            format!("{at} drops the container: {}", world.show(&outcome))
        }
        other => panic!("no such command: {other:?}"),
    };
    out.push(say);
}

fn run(script: &str) -> String {
    let (mut world, mut out) = (World::default(), Vec::new());
    for line in script.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        step(&mut world, &line.split_whitespace().collect::<Vec<_>>(), &mut out);
    }
    for shard in world.shards.keys().copied().collect::<Vec<_>>() {
        world.restart(shard);
    }
    out.join("\n") + "\n"
}

#[test]
fn scripts_end_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 9, "one per failure case");
    let mut different = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (script, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let found = run(script);
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            std::fs::write(&file, format!("{script}---\n{found}")).unwrap();
        } else if found != expected {
            different.push(format!("{}:\n{found}", file.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
