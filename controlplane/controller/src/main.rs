//! `phoenixmldb-controller`: the controller role alone. Holds no documents.

use clap::Parser;
use phoenixmldb_controller::config::{ConfigError, check_settings, duration_ms, duration_range_ms, peers};
use phoenixmldb_controller::http::no_more_metrics;
use phoenixmldb_controller::link::no_load;
use phoenixmldb_controller::process::{complaint, end_on_fatal, until_signal};
use phoenixmldb_controller::{FileConfig, Process, ProcessConfig, StartError};
use phoenixmldb_types::clock::SystemClock;
use phoenixmldb_types::{ClusterId, NodeName};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Control plane of a PhoenixmlDb cluster: membership, shard map, placement. Run 1, 3 or 5 of them.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  phoenixmldb-controller --node-id c1 --data /data/c1 --peers c2:5433,c3:5433"
)]
struct Args {
    /// Name of this node: [a-z0-9][a-z0-9._-]{0,62}
    #[arg(long)]
    node_id: Option<NodeName>,
    /// Name of the cluster; learned from the peers when it is not given
    #[arg(long)]
    cluster_id: Option<ClusterId>,
    /// Folder of this node
    #[arg(long, env = "PHOENIXMLDB_DATA", default_value = "/data")]
    data: PathBuf,
    /// Peer ports of the other controllers, as host:port
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Address both ports listen on
    #[arg(long, default_value = "0.0.0.0")]
    bind: String,
    /// Client port: gRPC, /health, /metrics
    #[arg(long)]
    port: Option<u16>,
    /// Port for other nodes
    #[arg(long)]
    raft_port: Option<u16>,
    /// Host, or host:port, that others reach this node by
    #[arg(long)]
    advertise: Option<String>,
    /// As --advertise, for the raft port alone
    #[arg(long)]
    advertise_raft: Option<String>,
    /// Where this node stands, for spreading copies
    #[arg(long, default_value = "")]
    zone: String,
    /// JSON configuration file
    #[arg(long)]
    config: Option<PathBuf>,
    /// Data nodes to wait for before shards are placed; by default as many as there are copies
    #[arg(long)]
    expect_data_nodes: Option<u32>,
    /// Number of shards, fixed when the cluster forms
    #[arg(long)]
    shards: Option<u32>,
    /// Copies of each shard
    #[arg(long)]
    replicas: Option<u32>,
    /// Election timeout, such as 150-300ms
    #[arg(long)]
    election_timeout: Option<String>,
    /// Heartbeat interval, such as 50ms
    #[arg(long)]
    heartbeat_interval: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
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
    let config = match configure(args, raft.handle()) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(
                "{}",
                complaint("phoenixmldb-controller", &error.to_string(), "phoenixmldb-controller --help")
            );
            return ExitCode::from(2);
        }
    };
    let ended = runtime.block_on(run(config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    raft.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", complaint("phoenixmldb-controller", &error.to_string(), &error.help()));
            ExitCode::FAILURE
        }
    }
}

fn configure(args: Args, raft: &tokio::runtime::Handle) -> Result<ProcessConfig, ConfigError> {
    let fail = |what: &str, rule: String| ConfigError { what: what.to_owned(), rule };
    let file = match &args.config {
        None => FileConfig::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| fail("--config", format!("{}: {error}", path.display())))?;
            FileConfig::parse(&text)?
        }
    };
    let (given, notes) = peers("--peers", &args.peers)?;
    for note in file.warnings.iter().chain(&notes) {
        tracing::warn!("{note}");
    }
    let mut settings = file.settings.clone();
    settings.shard_count = args.shards.unwrap_or(settings.shard_count);
    settings.replication_factor = args.replicas.unwrap_or(settings.replication_factor);
    settings.expect_data_nodes = args.expect_data_nodes.unwrap_or(settings.expect_data_nodes);
    if let Some(range) = &args.election_timeout {
        (settings.election_timeout_min_ms, settings.election_timeout_max_ms) =
            duration_range_ms(range).map_err(|rule| fail("--election-timeout", rule))?;
    }
    if let Some(interval) = &args.heartbeat_interval {
        settings.heartbeat_ms = duration_ms(interval).map_err(|rule| fail("--heartbeat-interval", rule))?;
    }
    check_settings(&settings)?;
    let node_id = args.node_id.or(file.node_id).ok_or_else(|| fail("--node-id", "it is missing".to_owned()))?;
    let (port, raft_port) =
        (args.port.or(file.port).unwrap_or(5432), args.raft_port.or(file.raft_port).unwrap_or(5433));
    if port == raft_port && port != 0 {
        return Err(fail("--port", format!("{port} is the raft port too")));
    }
    Ok(ProcessConfig {
        node_id,
        data: args.data,
        raft_bind: args.bind.clone(),
        bind: args.bind,
        port,
        raft_port,
        advertise: args.advertise,
        advertise_raft: args.advertise_raft,
        controller: true,
        data_role: false,
        zone: args.zone,
        cluster_id: args.cluster_id.or(file.cluster_id),
        alone: given.is_empty() && file.peers.is_empty(),
        peers: if given.is_empty() { file.peers } else { given },
        bootstrap: Vec::new(),
        settings,
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
        Ok::<_, StartError>((groups, link))
    };
    let served = tokio::select! { served = serving => Some(served?), none = stop => none };
    if let Some((groups, link)) = served {
        tokio::select! {
            () = link.run(groups.clone(), no_load(), process.readiness().clone()) => {}
            () = until_signal() => {}
        }
        groups.shutdown().await;
    }
    process.stop(Duration::from_secs(2)).await;
    Ok(())
}
