//! `init` and `join`: leave a note in the node's folder for its first start. Nothing needs to run yet; what does run is
//! asked at once, so that a mistake shows here and not in a log.

use crate::args::{Init, Join};
use crate::context::Contexts;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Out;
use phoenixmldb_client::Code;
use phoenixmldb_client::peer::{Peer, PeerError, announce, greet};
use phoenixmldb_types::intent::{
    BootstrapIntent, CLIENT_PORT_DEFAULT, INTENT_FILE, INTENT_FORMAT, PEER_PORT_DEFAULT, peer_address,
};
use phoenixmldb_types::limits::{REPLICATION_FACTOR_MAX, SHARDS_MAX};
use phoenixmldb_types::{ClusterId, NodeName};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time between two attempts to reach a peer that is waited for.
const POLL: Duration = Duration::from_millis(200);

/// The node's folder when none is named.
fn folder(given: Option<PathBuf>, node: &NodeName) -> PathBuf {
    let set = || std::env::var_os("PHOENIXMLDB_DATA").filter(|value| !value.is_empty()).map(PathBuf::from);
    given.or_else(set).unwrap_or_else(|| PathBuf::from(format!("/data/{node}")))
}

/// When a file was written, as RFC 3339 in UTC.
fn written(path: &Path) -> Option<String> {
    let at = fs_err::metadata(path).ok()?.modified().ok()?;
    Some(format!("{:.0}", jiff::Timestamp::try_from(at).ok()?))
}

/// What the folder already is, if it is anything.
fn refuse_used(folder: &Path, node: &NodeName) -> Result<(), CliError> {
    let read = |name: &str| fs_err::read_to_string(folder.join(name)).ok();
    let field = |text: &str, key: &str| {
        serde_json::from_str::<serde_json::Value>(text).ok().and_then(|json| Some(json.get(key)?.as_str()?.to_owned()))
    };
    let (member, recorded) = (read("membership.json"), read(INTENT_FILE));
    let owner = read("node.json").or_else(|| recorded.clone()).and_then(|text| field(&text, "nodeId"));
    if let Some(owner) = owner.filter(|owner| owner != node.as_str()) {
        let why = format!("{}: this data directory belongs to {owner}", folder.display());
        return Err(CliError::new(Exit::Failed, why).next("choose another --data"));
    }
    let start = format!("start it: phoenixmldb-server --cluster --node-id {node} --data {}", folder.display());
    let since = |name: &str| written(&folder.join(name)).map(|at| format!(", since {at}")).unwrap_or_default();
    if let Some(cluster) = member.and_then(|text| field(&text, "clusterId")) {
        let why =
            format!("already initialised (cluster {cluster}{}, in {})", since("membership.json"), folder.display());
        return Err(CliError::new(Exit::Failed, why).next(start));
    }
    let Some(recorded) = recorded else { return Ok(()) };
    let cluster = field(&recorded, "clusterId").or_else(|| Some(format!("of {}", field(&recorded, "bootstrapPeer")?)));
    let cluster = cluster.unwrap_or_else(|| "unknown".to_owned());
    let why = format!("already initialised (cluster {cluster}{}, in {})", since(INTENT_FILE), folder.display());
    Err(CliError::new(Exit::Failed, why).next(start))
}

fn record(folder: &Path, intent: &BootstrapIntent) -> Result<(), CliError> {
    fs_err::create_dir_all(folder).map_err(|error| CliError::io(&error))?;
    let text = serde_json::to_string_pretty(intent).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
    let (file, partial) = (folder.join(INTENT_FILE), folder.join("bootstrap.partial"));
    fs_err::write(&partial, text).and_then(|()| fs_err::rename(&partial, &file)).map_err(|error| CliError::io(&error))
}

fn next_line(node: &NodeName, folder: &Path) -> String {
    format!("  phoenixmldb-server --cluster --node-id {node} --data {} --port 5432 --raft-port 5433", folder.display())
}

/// Makes the cluster the current context: this node first, then the hosts it was told of, at the default port.
fn remember(out: &Out, cluster: &ClusterId, peers: &[String]) {
    let host = |peer: &String| peer.rsplit_once(':').map(|(host, _)| format!("{host}:{CLIENT_PORT_DEFAULT}"));
    let endpoints = std::iter::once(format!("127.0.0.1:{CLIENT_PORT_DEFAULT}")).chain(peers.iter().filter_map(host));
    let written = Contexts::load().and_then(|mut contexts| {
        contexts.add(cluster.as_str(), endpoints.collect());
        contexts.save()
    });
    match written {
        Ok(_) => {
            out.note(&format!("note: commands now talk to context {cluster}; see: phoenixmldb-cluster context ls"))
        }
        // The node is recorded; only the short way to it is missing.
        Err(error) => out.note(&format!("note: no context is written: {}", error.why)),
    }
}

/// Checks a list of peers; notes go to the caller.
fn peers(node: &NodeName, given: &[String]) -> Result<(Vec<String>, Vec<String>), CliError> {
    let (mut addresses, mut notes) = (Vec::new(), Vec::new());
    for text in given {
        let (address, added) = peer_address(text.trim(), PEER_PORT_DEFAULT)
            .map_err(|rule| CliError::usage(format!("--peers: {rule}")).next("phoenixmldb-cluster init --help"))?;
        if added {
            notes.push(format!("note: {text}: no port given, using {PEER_PORT_DEFAULT}"));
        }
        let twice = addresses.contains(&address);
        if twice || address == format!("{node}:{PEER_PORT_DEFAULT}") {
            let rule = if twice { "is listed twice" } else { "is this node itself; list the others" };
            let error = CliError::usage(format!("--peers: {address} {rule}"));
            return Err(error.next("phoenixmldb-cluster init --help"));
        }
        addresses.push(address);
    }
    Ok((addresses, notes))
}

/// `init`
pub(super) async fn init(out: &Out, init: Init) -> Result<Exit, CliError> {
    let (addresses, notes) = peers(&init.node_id, &init.peers)?;
    let usage = |why: String| CliError::usage(why).next("phoenixmldb-cluster init --help");
    if let Some(count) = init.shards.filter(|count| *count == 0 || *count > SHARDS_MAX) {
        return Err(usage(format!("--shards: {count} is not from 1 to {SHARDS_MAX}")));
    }
    if let Some(copies) = init.replicas.filter(|copies| *copies == 0 || *copies > REPLICATION_FACTOR_MAX) {
        return Err(usage(format!("--replicas: {copies} is not from 1 to {REPLICATION_FACTOR_MAX}")));
    }
    let folder = folder(init.data, &init.node_id);
    refuse_used(&folder, &init.node_id)?;
    let intent = BootstrapIntent {
        format: INTENT_FORMAT,
        node_id: init.node_id.clone(),
        cluster_id: Some(init.cluster_id.clone()),
        peers: addresses,
        bootstrap_peer: None,
        zone: init.zone,
        shard_count: init.shards,
        replication_factor: init.replicas,
    };
    let members = intent.peers.len() + 1;
    record(&folder, &intent)?;
    notes.iter().for_each(|note| out.note(note));
    if members.is_multiple_of(2) {
        out.note(&format!("warning: {members} members bear as many losses as {}; use 1, 3 or 5", members - 1));
    }
    if let Some(copies) = init.replicas.filter(|copies| copies % 2 == 0) {
        out.note(&format!("warning: {copies} copies bear as many losses as {}; use 1, 3 or 5", copies - 1));
    }
    remember(out, &init.cluster_id, &intent.peers);
    if out.json() {
        out.value("BootstrapIntent", &intent)?;
        return Ok(Exit::Ok);
    }
    let mut voters = vec![init.node_id.to_string()];
    voters.extend(intent.peers.iter().cloned());
    out.line(&format!("Cluster: {}", init.cluster_id))?;
    out.line(&format!("Node: {}", init.node_id))?;
    out.line(&format!("First members: {}", voters.join(", ")))?;
    out.line("Next:")?;
    out.line(&next_line(&init.node_id, &folder))?;
    Ok(Exit::Ok)
}

fn refusal(error: &PeerError) -> CliError {
    match error {
        PeerError::Unreachable { .. } => CliError::new(Exit::Unreachable, error.to_string())
            .next("start that node, or leave --wait out: the join is then recorded for later"),
        PeerError::ClientPort { .. } | PeerError::Stranger { .. } => CliError::new(Exit::Failed, error.to_string())
            .next("give the raft port of a member: --bootstrap-peer host:5433"),
        PeerError::Refused(refusal) => {
            let help = if refusal.help.is_empty() && refusal.code == Code::WrongCluster {
                "leave --cluster-id out to learn it from the peer, or ask another peer"
            } else {
                refusal.help.as_str()
            };
            CliError::new(Exit::Failed, error.to_string()).next(help)
        }
    }
}

/// Who answers at the bootstrap peer; `None` when nobody does and that is allowed.
async fn bootstrap_peer(address: &str, join: &Join) -> Result<Option<Peer>, CliError> {
    let deadline = tokio::time::Instant::now() + join.wait.unwrap_or_default();
    loop {
        match greet(address, join.cluster_id.as_ref()).await {
            Ok(peer) => return Ok(Some(peer)),
            Err(PeerError::Unreachable { .. }) if join.wait.is_none() => return Ok(None),
            Err(PeerError::Unreachable { .. }) if tokio::time::Instant::now() + POLL < deadline => {
                tokio::time::sleep(POLL).await;
            }
            Err(error) => return Err(refusal(&error)),
        }
    }
}

/// `join`
pub(super) async fn join(out: &Out, join: Join) -> Result<Exit, CliError> {
    let (address, added) = peer_address(join.bootstrap_peer.trim(), PEER_PORT_DEFAULT)
        .map_err(|rule| CliError::usage(format!("--bootstrap-peer: {rule}")).next("phoenixmldb-cluster join --help"))?;
    let folder = folder(join.data.clone(), &join.node_id);
    refuse_used(&folder, &join.node_id)?;
    let peer = bootstrap_peer(&address, &join).await?;
    let learned = peer.as_ref().and_then(|peer| ClusterId::parse(peer.cluster_id.as_ref()?).ok());
    let cluster_id = join.cluster_id.clone().or(learned);
    let through = match (&peer, &cluster_id) {
        (Some(peer), Some(cluster)) if peer.formed => {
            match announce(&address, cluster.as_str(), &join.node_id).await {
                Ok(()) => format!(
                    "{} is known to cluster {cluster}; it will join through {address} when it starts.",
                    join.node_id
                ),
                // Only the announcement is missing: the node itself asks again when it starts.
                Err(PeerError::Unreachable { .. }) => {
                    format!("{} is recorded; it will join through {address} when it starts.", join.node_id)
                }
                Err(PeerError::Refused(error))
                    if error.code == Code::NotLeader || error.code == Code::ControlUnavailable =>
                {
                    format!("{} is recorded; it will join through {address} when it starts.", join.node_id)
                }
                Err(error) => return Err(refusal(&error)),
            }
        }
        (Some(peer), _) => format!("{} is recorded; {} is up and still forming the cluster.", join.node_id, peer.node),
        (None, _) => format!("{} is recorded; it will join through {address} when it starts.", join.node_id),
    };
    let intent = BootstrapIntent {
        format: INTENT_FORMAT,
        node_id: join.node_id.clone(),
        cluster_id: cluster_id.clone(),
        peers: Vec::new(),
        bootstrap_peer: Some(address.clone()),
        zone: join.zone,
        shard_count: None,
        replication_factor: None,
    };
    record(&folder, &intent)?;
    if added {
        out.note(&format!("note: {}: no port given, using {PEER_PORT_DEFAULT}", join.bootstrap_peer));
    }
    if let Some(cluster) = &cluster_id {
        remember(out, cluster, std::slice::from_ref(&address));
    }
    if out.json() {
        out.value("BootstrapIntent", &intent)?;
        return Ok(Exit::Ok);
    }
    out.line(&through)?;
    out.line("Next:")?;
    out.line(&next_line(&join.node_id, &folder))?;
    Ok(Exit::Ok)
}
