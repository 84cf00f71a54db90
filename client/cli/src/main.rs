//! `phoenixmldb-cluster`: parses, runs one verb, ends with its exit code.

use clap::FromArgMatches;
use phoenixmldb_cli::args::Cli;
use phoenixmldb_cli::examples::grammar;
use phoenixmldb_cli::output::complain;
use phoenixmldb_cli::verbs;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&grammar().get_matches()).unwrap_or_else(|error| error.exit());
    let aim = cli.verb.aim();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: cannot {aim}\n  why:  no threads can be started: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(verbs::run(cli)) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            complain(&error.lines(&aim));
            ExitCode::from(error.exit as u8)
        }
    }
}
