//! `phoenixmldb-controller`: the controller role alone. Holds no documents.

use clap::{CommandFactory, FromArgMatches, Parser};
use phoenixmldb_controller::config::{ConfigError, NodeFlags, Sources};
use phoenixmldb_controller::http::no_more_metrics;
use phoenixmldb_controller::link::no_load;
use phoenixmldb_controller::process::{complain, end_on_fatal, until_signal};
use phoenixmldb_controller::{Process, ProcessConfig, StartError};
use phoenixmldb_types::clock::SystemClock;
use phoenixmldb_types::intent::{CLIENT_PORT_DEFAULT, PEER_PORT_DEFAULT};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const EXAMPLES: &str = "Every flag can be set in the environment: --raft-port as PHOENIXMLDB_RAFT_PORT.

Examples:
  phoenixmldb-controller --node-id c1 --data /data/c1 --peers c2:5433,c3:5433
  phoenixmldb-controller --node-id c1 --data /data/c1 --peers c2:5433,c3:5433 --expect-data-nodes 4";

/// Control plane of a PhoenixmlDb cluster: membership, shard map, placement. Run 1, 3 or 5 of them.
#[derive(Parser)]
#[command(name = "phoenixmldb-controller", version, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    node: NodeFlags,
    /// Data nodes to wait for before shards are placed; by default as many as there are copies
    #[arg(long, env = "PHOENIXMLDB_EXPECT_DATA_NODES", hide_env_values = true)]
    expect_data_nodes: Option<u32>,
}

fn main() -> ExitCode {
    let matches = Args::command().get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("PHOENIXMLDB_LOG")
                .unwrap_or_else(|_| "info,openraft=error".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtimes = (
        tokio::runtime::Runtime::new(),
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    );
    let (Ok(runtime), Ok(raft)) = runtimes else {
        tracing::error!("no threads can be started");
        return ExitCode::FAILURE;
    };
    let config = match configure(args, &matches, raft.handle()) {
        Ok(config) => config,
        Err(error) => {
            complain("phoenixmldb-controller", &error.to_string(), "");
            return ExitCode::from(2);
        }
    };
    let ended = runtime.block_on(run(config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    raft.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain("phoenixmldb-controller", &error.to_string(), &error.help());
            ExitCode::FAILURE
        }
    }
}

fn configure(
    args: Args,
    matches: &clap::ArgMatches,
    raft: &tokio::runtime::Handle,
) -> Result<ProcessConfig, ConfigError> {
    let node = args.node;
    let file = node.file()?;
    let mut notes = Vec::new();
    let mut settings = node.settings(&file, &mut notes)?;
    settings.expect_data_nodes = args.expect_data_nodes.unwrap_or(settings.expect_data_nodes);
    let given = Sources::new(matches, &file, &node).given(&settings);
    let node_id = node.node_id.clone().or_else(|| file.node_id.clone());
    let missing = || ConfigError { what: "--node-id".to_owned(), rule: "it is missing".to_owned() };
    let node_id = node_id.ok_or_else(missing)?;
    let (port, raft_port) = node.ports(&file, (CLIENT_PORT_DEFAULT, PEER_PORT_DEFAULT))?;
    let peers = node.peers(&file, &node_id, raft_port, &mut notes)?;
    notes.iter().for_each(|note| tracing::warn!("{note}"));
    let bind = node.bind.or(file.bind).unwrap_or_else(|| "0.0.0.0".to_owned());
    Ok(ProcessConfig {
        node_id,
        data: node.data.or(file.data).unwrap_or_else(|| PathBuf::from("/data")),
        raft_bind: bind.clone(),
        bind,
        port,
        raft_port,
        advertise: node.advertise.or(file.advertise),
        advertise_raft: node.advertise_raft.or(file.advertise_raft),
        controller: true,
        data_role: false,
        zone: node.zone.or(file.zone).unwrap_or_default(),
        cluster_id: node.cluster_id.or(file.cluster_id),
        alone: peers.is_empty(),
        peers,
        peer_ids: file.peer_ids,
        bootstrap: Vec::new(),
        settings,
        given,
        clock: Arc::new(SystemClock),
        raft_runtime: raft.clone(),
    })
}

async fn run(config: ProcessConfig) -> Result<(), StartError> {
    let mut process = Process::start(config).await?;
    let stop = async {
        until_signal().await;
        None
    };
    let serving = async {
        let membership = process.find_cluster().await?;
        let groups = process.open_groups(&membership, end_on_fatal())?;
        let controller = process.start_controller(&groups, &membership).await?;
        let link = process.link(&membership, controller.is_some())?;
        process.serve(&groups, controller, &link, no_more_metrics(), |_| {}, |_| {})?;
        process.readiness().serves();
        tracing::info!(client = process.client_address(), peer = process.own().peer_address, "serves");
        Ok::<_, StartError>((groups, link, membership))
    };
    let served = tokio::select! { served = serving => Some(served?), none = stop => none };
    if let Some((groups, link, membership)) = served {
        tokio::select! {
            () = link.run(groups.clone(), no_load(), process.readiness().clone()) => {}
            error = process.stranger(&membership) => return Err(error),
            () = until_signal() => {}
        }
        groups.shutdown().await;
    }
    process.stop(Duration::from_secs(2)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_documentation_and_of_the_help_parse() {
        Args::command().debug_assert();
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let documented = phoenixmldb_script::documented(&root, "phoenixmldb-controller");
        assert!(!documented.is_empty(), "the documentation shows how to start a controller");
        let lines = documented.into_iter().map(|line| (line.place, line.words));
        let help =
            EXAMPLES.lines().flat_map(|line| phoenixmldb_script::commands(line.trim(), "phoenixmldb-controller"));
        for (place, words) in lines.chain(help.map(|words| ("--help".to_owned(), words))) {
            assert!(Args::try_parse_from(&words).is_ok(), "{place}: {words:?}");
        }
    }
}
