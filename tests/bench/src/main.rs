//! `phoenixmldb-bench`: durable writes and strong reads of a three-node cluster, beside a three-member etcd.
//!
//! Both systems are processes on this machine, driven by the same generator in this process: a fixed number of clients,
//! each with one call at a time, over one gRPC connection per node, nodes in turn. The systems take turns too, each time
//! started anew in an empty folder, so that nothing else runs while one is measured and both meet the same noise of the
//! machine. What counts is the ratio of the medians.
//!
//! | file | what |
//! |---|---|
//! | [`load`] | the generator, and what one measurement is |
//! | [`ours`], [`etcd`] | starting a system, putting and getting |
//! | [`machine`] | what it ran on, and the CPU time of processes |
//! | [`report`] | medians, ratios, table and JSON |

mod etcd;
mod load;
mod machine;
mod ours;
mod report;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use load::{Operation, System};
use report::{Report, Run, Settings};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "Examples:
  cargo build --release -p phoenixmldb-server -p phoenixmldb-bench && target/release/phoenixmldb-bench
  phoenixmldb-bench --clients 16,64 --seconds 3 --rounds 5 --json";

/// Measures a cluster, and etcd beside it when it is installed.
#[derive(Parser, Debug)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    /// Numbers of clients to measure with
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256")]
    clients: Vec<usize>,
    /// Length of one measurement, in seconds
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Measurements of each kind; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Which systems; etcd is left out when it is not installed
    #[arg(long, value_delimiter = ',', default_value = "phoenixmldb,etcd")]
    systems: Vec<String>,
    /// Folder for the data, on the disk to measure [default: a temporary one]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// Longest measurement, in seconds: the samples of all calls are kept in memory.
const SECONDS_MAX: f64 = 600.0;

#[allow(clippy::print_stderr)] // progress goes to stderr, so that stdout holds the result alone
fn say(text: &str) {
    eprintln!("{text}");
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.seconds > 0.0 && args.seconds <= SECONDS_MAX, "--seconds is between 0 and {SECONDS_MAX}");
    ensure!(args.rounds > 0 && args.clients.iter().all(|&clients| clients > 0), "--rounds and --clients begin at 1");
    for system in &args.systems {
        ensure!([ours::Ours::NAME, etcd::Etcd::NAME].contains(&system.as_str()), "{system} is not a known system");
    }
    let folder = match &args.data {
        Some(data) => tempfile::tempdir_in(data),
        None => tempfile::tempdir(),
    };
    let folder = folder.context("a folder for the data")?;
    let wanted = |name: &str| args.systems.iter().any(|system| system == name);
    let etcd = if wanted(etcd::Etcd::NAME) { etcd::version() } else { None };
    if wanted(etcd::Etcd::NAME) && etcd.is_none() {
        say("etcd is not installed (Debian: etcd-server); measuring without it");
    }
    let length = Duration::from_secs_f64(args.seconds);
    let mut runs = Vec::new();
    for round in 0..args.rounds {
        for &clients in &args.clients {
            if wanted(ours::Ours::NAME) {
                runs.extend(measure::<ours::Ours>(folder.path(), round, clients, length).await?);
            }
            if etcd.is_some() {
                runs.extend(measure::<etcd::Etcd>(folder.path(), round, clients, length).await?);
            }
        }
    }
    let settings =
        Settings { nodes: 3, shards: ours::SHARDS, document_bytes: load::mean_bytes(), etcd, ..Settings::of(&args) };
    let report = Report::new(machine::describe(folder.path())?, settings, runs);
    let text = if args.json { report.json()? } else { report.table() };
    std::io::stdout().write_all(text.as_bytes()).context("writing the result")
}

impl Settings {
    fn of(args: &Args) -> Self {
        Self { clients: args.clients.clone(), seconds: args.seconds, rounds: args.rounds, ..Self::default() }
    }
}

/// Starts a system, measures puts and then gets of what was put, and stops it.
async fn measure<S: System>(folder: &Path, round: usize, clients: usize, length: Duration) -> Result<Vec<Run>> {
    let folder = tempfile::tempdir_in(folder).context("a folder for one run")?;
    let system = S::start(folder.path()).await.with_context(|| format!("starting {}", S::NAME))?;
    let mut runs = Vec::new();
    for operation in [Operation::Put, Operation::Get] {
        let sample = load::run(&system, operation, clients, length).await?;
        say(&format!(
            "round {} {:>11} {operation} {clients:>3} clients: {:>6.0}/s, p50 {} us, p99 {} us, {:.0} us CPU each",
            round + 1,
            S::NAME,
            sample.per_second,
            sample.p50_us,
            sample.p99_us,
            sample.server_cpu_us
        ));
        runs.push(Run { system: S::NAME, operation, clients, sample });
    }
    system.stop()?;
    Ok(runs)
}
