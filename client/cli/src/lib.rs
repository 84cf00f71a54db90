//! `phoenixmldb-cluster`: the command line of operators and users.
//!
//! | file | what |
//! |---|---|
//! | [`args`], [`examples`] | the grammar, and the examples at the end of every `--help` |
//! | [`verbs`] | one function per verb |
//! | [`status`] | the status text; pure |
//! | [`context`] | which nodes to talk to |
//! | [`local`] | queries over files, without a cluster |
//! | [`diagnostic`] | errors of queries with the line they are in |
//! | [`error`], [`exit`] | what went wrong, and the table of exit codes |
//! | [`output`] | results to stdout, all else to stderr |
//! | [`version`] | what `--version` says |
//! | [`demo`] | a cluster on this machine, and a drill with it |

pub mod args;
pub mod context;
pub mod demo;
pub mod diagnostic;
pub mod error;
pub mod examples;
pub mod exit;
pub mod local;
pub mod output;
pub mod status;
pub mod verbs;
pub mod version;
