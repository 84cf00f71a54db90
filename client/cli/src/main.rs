//! `phoenixmldb-cluster`: parses, runs one verb, ends with its exit code.

use clap::Parser;
use phoenixmldb_cli::args::Cli;
use phoenixmldb_cli::verbs;
use std::process::ExitCode;

#[allow(clippy::print_stderr)] // errors go to stderr: what, and what to type next
fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("phoenixmldb-cluster: no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(verbs::run(cli)) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            eprintln!("phoenixmldb-cluster: {}", error.what);
            if !error.next.is_empty() {
                eprintln!("  {}", error.next);
            }
            ExitCode::from(error.exit as u8)
        }
    }
}
