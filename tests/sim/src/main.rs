//! Runs seeds and prints one line of JSON for each; fails when anything happened that must not.

use clap::Parser;
use phoenixmldb_sim::{Shape, run};
use std::io::Write;
use std::process::ExitCode;

/// Simulates a cluster under faults.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// First seed
    seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Faults per run
    #[arg(long, default_value_t = 40)]
    faults: u64,
    /// Data nodes
    #[arg(long, default_value_t = 3)]
    nodes: u64,
    /// Print every event on standard error
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut broken = false;
    let mut out = std::io::stdout().lock();
    for seed in args.seed..args.seed + args.count {
        let report = run(seed, args.faults, Shape { nodes: args.nodes, ..Shape::default() }, args.verbose);
        broken |= !report.violations.is_empty();
        let line = serde_json::to_string(&report).expect("plain data always encodes");
        if writeln!(out, "{line}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
