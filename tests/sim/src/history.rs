//! What happened in a run, in order: what clients asked and heard, and what was done to the cluster.
//!
//! Its digest is a function of the seed: two runs of one seed that differ in a single event have different digests.

use parking_lot::Mutex;
use std::fmt::Write;
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

/// Events of one run.
pub struct History {
    started: Instant,
    inner: Mutex<Inner>,
    /// Keep the texts, to print them.
    verbose: bool,
}

#[derive(Default)]
struct Inner {
    events: u64,
    digest: Xxh3,
    violations: Vec<String>,
}

impl History {
    /// Nothing yet; `verbose` prints every event on standard error.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self { started: Instant::now(), inner: Mutex::default(), verbose }
    }

    /// Something happened.
    #[allow(clippy::print_stderr)] // what --verbose is for
    pub fn note(&self, what: &str) {
        let mut line = String::new();
        write!(line, "{:>8} ms  {what}", self.started.elapsed().as_millis()).expect("a String takes all");
        if self.verbose {
            eprintln!("{line}");
        }
        let mut inner = self.inner.lock();
        inner.events += 1;
        inner.digest.update(line.as_bytes());
        inner.digest.update(b"\n");
    }

    /// Something happened that must never happen.
    pub fn violation(&self, what: String) {
        self.note(&format!("VIOLATION {what}"));
        self.inner.lock().violations.push(what);
    }

    /// How much happened, its digest, and what must not have.
    #[must_use]
    pub fn end(&self) -> (u64, u64, Vec<String>) {
        let inner = self.inner.lock();
        (inner.events, inner.digest.digest(), inner.violations.clone())
    }
}
