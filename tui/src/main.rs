//! `phoenixmldb-tui`: the dashboard as a program of its own; `phoenixmldb-cluster dashboard` is the same with contexts.

use clap::Parser;
use phoenixmldb_client::{Client, ClusterClientOptions};
use phoenixmldb_tui::{Options, Start, Surroundings, TuiError};
use phoenixmldb_types::clock::SystemClock;
use std::process::ExitCode;
use std::sync::Arc;

/// Shows a PhoenixmlDb cluster in the terminal.
#[derive(Parser, Debug)]
#[command(name = "phoenixmldb-tui", version)]
struct Cli {
    /// Client addresses, host:port; any node will do
    #[arg(short, long, value_delimiter = ',', env = "PHOENIXMLDB_ENDPOINTS", default_value = "127.0.0.1:5432")]
    endpoint: Vec<String>,
    #[command(flatten)]
    options: Options,
}

async fn run(cli: Cli) -> Result<(), TuiError> {
    let program = format!("phoenixmldb-cluster --endpoint {}", cli.endpoint.join(","));
    let client = Client::new(ClusterClientOptions { nodes: cli.endpoint, ..ClusterClientOptions::default() })?;
    let surroundings = Surroundings::detect();
    let start = Start { client, options: cli.options, surroundings, program, clock: Arc::new(SystemClock) };
    phoenixmldb_tui::run(start, &mut std::io::stdout()).await
}

#[allow(clippy::print_stderr)] // errors go to stderr, after the terminal was restored
fn main() -> ExitCode {
    let cli = Cli::parse();
    let done =
        tokio::runtime::Runtime::new().map_err(TuiError::Terminal).and_then(|runtime| runtime.block_on(run(cli)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("phoenixmldb-tui: {error}");
            ExitCode::FAILURE
        }
    }
}
