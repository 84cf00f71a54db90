//! Decides whether a history can have happened under the promised isolation. Pure: what clients saw in, anomalies out.
//!
//! | file | history | finds |
//! |---|---|---|
//! | [`append`] | transactions that append to lists and read them | G0, G1a, G1b, G1c, G-single, G-nonadjacent, G2-item, duplicate, phantom and lost appends, each also against real time |
//! | [`register`] | reads, writes and compare-and-sets of one register | whether it is linearizable |
//! | [`bank`] | snapshots of accounts between which money moves | a wrong total |
//!
//! Every anomaly comes with a witness: the transactions and what ties each to the next. The checks are sound: what they
//! report cannot have happened. They see only what was read: a fault nobody observed is not found.

pub mod append;
pub mod bank;
mod cycles;
pub mod history;
pub mod register;

pub use append::{Anomaly, Isolation, Kind, check};
pub use history::{Op, Outcome, Txn};
