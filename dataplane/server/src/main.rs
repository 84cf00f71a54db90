//! `phoenixmldb-server`: a node. Wires the data role, and with `--cluster` the controller role, into one process.
//!
//! Start with [`args`] for what can be asked of it, and `phoenixmldb_controller::process` for the order of a start.

mod args;
mod control;

use args::{Program, Verb};
use clap::{CommandFactory, FromArgMatches};
use phoenixmldb_controller::config;
use phoenixmldb_controller::process::{complain, end_on_fatal, until_signal};
use phoenixmldb_controller::{Process, ProcessConfig, StartError};
use phoenixmldb_node::{DataNode, DataNodeConfig};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const PROGRAM: &str = "phoenixmldb-server";

/// Threads of the runtime of Raft and the peer port: its work is short, and must never wait behind a query.
const RAFT_THREADS: usize = 2;

/// Longest time requests in flight have to finish once the node stops.
const STOP_LIMIT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let matches = Program::command().get_matches();
    let program = Program::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let filter = tracing_subscriber::EnvFilter::try_from_env("PHOENIXMLDB_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info,openraft=error".into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    if let Some(Verb::Config(verb)) = &program.verb {
        let shown = matches.subcommand_matches("config").and_then(|config| config.subcommand_matches("show"));
        return match config::run(verb, |flags| flags.rows(shown.unwrap_or(&matches))) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refused(&error),
        };
    }
    let raft = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RAFT_THREADS)
        .thread_name("raft")
        .enable_all()
        .build();
    let (Ok(runtime), Ok(raft)) = (tokio::runtime::Runtime::new(), raft) else {
        tracing::error!("no threads can be started");
        return ExitCode::FAILURE;
    };
    let config = match program.flags.configure(&matches, raft.handle()) {
        Ok((config, notes)) => {
            notes.iter().for_each(|note| tracing::warn!("{note}"));
            config
        }
        Err(error) => return refused(&error),
    };
    let ended = runtime.block_on(run(config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    raft.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(PROGRAM, &error.to_string(), &error.help());
            ExitCode::FAILURE
        }
    }
}

/// A command line, environment or file that cannot work.
fn refused(error: &config::ConfigError) -> ExitCode {
    complain(PROGRAM, &error.to_string(), "");
    ExitCode::from(2)
}

async fn run(config: ProcessConfig) -> Result<(), StartError> {
    let mut process = Process::start(config).await?;
    tracing::info!(client = process.client_address(), peer = process.own().peer_address, "listens");
    let membership = tokio::select! {
        found = process.find_cluster() => Some(found?),
        () = until_signal() => None,
    };
    let Some(membership) = membership else {
        process.stop(STOP_LIMIT).await;
        return Ok(());
    };
    let on_fatal = end_on_fatal();
    let groups = process.open_groups(&membership, on_fatal.clone())?;
    let controller = process.start_controller(&groups, &membership).await?;
    let link = process.link(&membership, controller.is_some())?;
    let node = DataNode::start(DataNodeConfig {
        name: process.own().name.clone(),
        cluster_id: membership.cluster_id.clone(),
        data: process.config().data.clone(),
        groups: groups.clone(),
        clock: process.config().clock.clone(),
        map: link.map(),
        control: Arc::new(control::Control(link.clone())),
        on_fatal,
    })
    .map_err(|fault| StartError::Fault(fault.to_string()))?;
    let (figures, load) = (node.figures().clone(), node.figures().clone());
    process.serve(
        &groups,
        controller,
        &link,
        Arc::new(move || figures.families()),
        |routes| node.add_client_services(routes),
        |routes| node.add_peer_services(routes),
    )?;
    let readiness = process.readiness().clone();
    let serving = async {
        readiness.waits("waiting for the control plane");
        let waiting = |reason: &str| readiness.waits(reason);
        node.wait_serving(&waiting).await;
        readiness.serves();
        tracing::info!("serves");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = link.run(groups.clone(), Arc::new(move || load.load()), process.readiness().clone()) => {}
        () = serving => {}
        error = process.stranger(&membership) => return Err(error),
        () = until_signal() => {}
    }
    tracing::info!("stops: hands leaderships over");
    node.stop().await;
    process.stop(STOP_LIMIT).await;
    groups.shutdown().await;
    Ok(())
}
