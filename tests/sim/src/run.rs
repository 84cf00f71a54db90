//! One run: a cluster, its clients and its faults, then quiet, then what must hold.

use crate::clients::{COUNTERS, Clients, value_of};
use crate::history::History;
use crate::invariants::copies;
use crate::invariants::counter::Counters;
use crate::invariants::leader::Leaders;
use crate::invariants::register::Registers;
use crate::nemesis;
use crate::world::{CONTAINER, Shape, World, leaders};
use phoenixmldb_coordinator::ReadConsistency;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Longest a run may last, in simulated seconds: a cluster that does not come back is a violation too.
const RUN_S_MAX: u64 = 3_600;

/// Longest time a healed cluster may take to serve a document again, in simulated milliseconds.
const RECOVERY_MS_MAX: u64 = 30_000;

/// Clients of each kind.
const WRITERS: u64 = 3;
const COUNTING: u64 = 2;
const READERS: u64 = 3;

/// What a run came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Things that happened.
    pub events: u64,
    /// Faults injected.
    pub faults: u64,
    /// Operations that clients have an answer to.
    pub answered: u64,
    /// Leaderships of all groups.
    pub leaderships: usize,
    /// What must not have happened.
    pub violations: Vec<String>,
    /// Of the whole history.
    pub digest: String,
}

/// Runs a seed on a runtime of its own. The same seed gives the same report.
#[must_use]
pub fn run(seed: u64, faults: u64, shape: Shape, verbose: bool) -> Report {
    phoenixmldb_raft::testing::seed_elections(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_be_bytes()))
        .build()
        .expect("a runtime of one thread can be made");
    runtime.block_on(history_of(seed, faults, shape, verbose))
}

async fn history_of(seed: u64, faults: u64, shape: Shape, verbose: bool) -> Report {
    let history = Arc::new(History::new(verbose));
    let world = World::start(seed, shape).await;
    let clients = Arc::new(Clients {
        world: world.clone(),
        history: history.clone(),
        registers: Registers::default(),
        counters: Counters::default(),
        answered: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    });
    let all = async {
        let leaderships = under_faults(&clients, faults).await;
        if let Err(rule) = quiet(&clients).await {
            history.violation(rule);
        }
        leaderships
    };
    let leaderships = match tokio::time::timeout(Duration::from_secs(RUN_S_MAX), all).await {
        Ok(leaderships) => leaderships,
        Err(_) => {
            history.violation(format!("the run did not end within {RUN_S_MAX} s"));
            0
        }
    };
    for fault in world.faults.lock().iter() {
        history.violation(format!("gave up by itself: {fault}"));
    }
    let answered = clients.answered.load(Ordering::Relaxed);
    if answered == 0 {
        history.violation("no operation was answered: nothing was tested".to_owned());
    }
    for at in 0..world.nodes.len() {
        world.crash(at).await;
    }
    let (events, digest, violations) = history.end();
    Report { seed, events, faults, answered, leaderships, violations, digest: format!("{digest:016x}") }
}

/// Clients at work while faults happen; returns the number of leaderships seen.
async fn under_faults(clients: &Arc<Clients>, faults: u64) -> usize {
    let mut running = Vec::new();
    for writer in 0..WRITERS {
        running.push(tokio::spawn(clients.clone().writer(writer)));
    }
    for client in 0..COUNTING {
        running.push(tokio::spawn(clients.clone().counter(client + 1)));
    }
    for reader in 0..READERS {
        running.push(tokio::spawn(clients.clone().reader(reader + 1, WRITERS)));
    }
    let watching = tokio::spawn({
        let clients = clients.clone();
        async move {
            let mut seen = Leaders::default();
            while !clients.stop.load(Ordering::Relaxed) {
                if let Err(rule) = seen.look(leaders(&clients.world)) {
                    clients.history.violation(rule);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            seen.count()
        }
    });
    nemesis::disturb(&clients.world, &clients.history, faults).await;
    // The healed cluster serves its clients for a while.
    tokio::time::sleep(Duration::from_secs(3)).await;
    clients.stop.store(true, Ordering::Relaxed);
    for client in running {
        if let Err(error) = client.await {
            clients.history.violation(format!("a client failed: {error}"));
        }
    }
    watching.await.unwrap_or(0)
}

/// Nothing disturbs any more: everything acknowledged is there, on all copies.
async fn quiet(clients: &Clients) -> Result<(), String> {
    let read = |name: String| async move {
        let running = clients.world.running(0).ok_or("node1 is down")?;
        let limit = Duration::from_millis(RECOVERY_MS_MAX);
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let strong = ReadConsistency::Strong;
            match running.coordinator.get_document(CONTAINER, &name, strong, None, true, limit).await {
                Ok(answer) => {
                    let content = answer.document.and_then(|(_, content)| content);
                    return Ok::<_, String>(value_of(content.as_ref()).unwrap_or(0));
                }
                Err(error) if tokio::time::Instant::now() > deadline => {
                    return Err(format!("{name} is not served {RECOVERY_MS_MAX} ms after the last fault: {error}"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    for (name, acknowledged) in clients.registers.all() {
        let value = read(name.clone()).await?;
        clients.history.note(&format!("in the end {name} = {value}"));
        clients.registers.check_read(&name, acknowledged, value)?;
    }
    for number in 0..COUNTERS {
        let value = read(format!("counter/{number}.xml")).await?;
        clients.history.note(&format!("in the end counter {number} = {value}"));
        clients.counters.check(number, value)?;
    }
    copies::check(&clients.world).await
}
