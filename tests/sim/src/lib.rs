//! Data nodes in one process under a seeded scheduler: what production runs, over a network, disks and clocks that fail.
//!
//! ```text
//!  seed ─► nemesis: power, cuts, weather, slow disks, clocks ──┐
//!     └──► clients: writers, counters, readers ──► World ◄─────┘ ──► history ──► invariants, digest
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`world`] | nodes: real replicas, clock group and coordinators |
//! | [`links`] | the way between nodes, and their clocks |
//! | [`clients`] | what is asked, and what the answers have to be |
//! | [`nemesis`] | what is done to the cluster |
//! | [`invariants`] | what must hold, one file per property |
//! | [`history`] | what happened, and its digest |
//! | [`run`](mod@run) | one seed from start to end |
//!
//! The same seed gives the same history, byte for byte. `./check --sim SEED` repeats one.

pub mod clients;
pub mod history;
pub mod invariants;
pub mod links;
pub mod nemesis;
pub mod run;
pub mod world;

pub use run::{Report, run};
pub use world::Shape;
