//! `init` and `join`: leave a note in the node's folder for its first start. Nothing needs to run yet.

use crate::args::{Init, Join};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Out;
use phoenixmldb_types::NodeName;
use phoenixmldb_types::intent::{BootstrapIntent, INTENT_FILE, INTENT_FORMAT, PEER_PORT_DEFAULT, peer_address};
use phoenixmldb_types::limits::{REPLICATION_FACTOR_MAX, SHARDS_MAX};
use std::path::{Path, PathBuf};

/// The node's folder when none is named.
fn folder(given: Option<PathBuf>, node: &NodeName) -> PathBuf {
    let set = || std::env::var_os("PHOENIXMLDB_DATA").filter(|value| !value.is_empty()).map(PathBuf::from);
    given.or_else(set).unwrap_or_else(|| PathBuf::from(format!("/data/{node}")))
}

/// What the folder already is, if it is anything.
fn refuse_used(folder: &Path, node: &NodeName) -> Result<(), CliError> {
    let read = |name: &str| fs_err::read_to_string(folder.join(name)).ok();
    let field = |text: &str, key: &str| {
        serde_json::from_str::<serde_json::Value>(text).ok().and_then(|json| Some(json.get(key)?.as_str()?.to_owned()))
    };
    let member = read("membership.json").and_then(|text| field(&text, "clusterId"));
    let recorded = read(INTENT_FILE);
    let owner = read("node.json").or_else(|| recorded.clone()).and_then(|text| field(&text, "nodeId"));
    if let Some(owner) = owner.filter(|owner| owner != node.as_str()) {
        let what = format!("{}: this data directory belongs to {owner}", folder.display());
        return Err(CliError::new(Exit::Failed, what).next("choose another --data"));
    }
    let cluster = member.or_else(|| recorded.as_deref().and_then(|text| field(text, "clusterId")));
    if let Some(cluster) = cluster {
        let what = format!("already initialised (cluster {cluster}, in {})", folder.display());
        return Err(CliError::new(Exit::Failed, what)
            .next(format!("start it: phoenixmldb-server --cluster --node-id {node} --data {}", folder.display())));
    }
    Ok(())
}

fn record(out: &Out, folder: &Path, intent: &BootstrapIntent) -> Result<(), CliError> {
    fs_err::create_dir_all(folder).map_err(|error| CliError::io(&error))?;
    let text = serde_json::to_string_pretty(intent).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
    let (file, partial) = (folder.join(INTENT_FILE), folder.join("bootstrap.partial"));
    fs_err::write(&partial, text)
        .and_then(|()| fs_err::rename(&partial, &file))
        .map_err(|error| CliError::io(&error))?;
    if out.json() {
        return out.value("BootstrapIntent", intent);
    }
    Ok(())
}

fn next_line(node: &NodeName, folder: &Path) -> String {
    format!("  phoenixmldb-server --cluster --node-id {node} --data {} --port 5432 --raft-port 5433", folder.display())
}

/// Checks a list of peers; notes go to the caller.
fn peers(node: &NodeName, given: &[String]) -> Result<(Vec<String>, Vec<String>), CliError> {
    let (mut addresses, mut notes) = (Vec::new(), Vec::new());
    for text in given {
        let (address, added) = peer_address(text.trim(), PEER_PORT_DEFAULT).map_err(CliError::usage)?;
        if added {
            notes.push(format!("note: {text}: no port given, using {PEER_PORT_DEFAULT}"));
        }
        if address == format!("{node}:{PEER_PORT_DEFAULT}") {
            return Err(CliError::usage(format!("--peers: {address} is this node itself; list the others")));
        }
        if addresses.contains(&address) {
            return Err(CliError::usage(format!("--peers: {address} is listed twice")));
        }
        addresses.push(address);
    }
    Ok((addresses, notes))
}

/// `init`
pub(super) async fn init(out: &Out, init: Init) -> Result<Exit, CliError> {
    let (addresses, notes) = peers(&init.node_id, &init.peers)?;
    if let Some(count) = init.shards.filter(|count| *count == 0 || *count > SHARDS_MAX) {
        return Err(CliError::usage(format!("--shards: {count} is not from 1 to {SHARDS_MAX}")));
    }
    if let Some(copies) = init.replicas.filter(|copies| *copies == 0 || *copies > REPLICATION_FACTOR_MAX) {
        return Err(CliError::usage(format!("--replicas: {copies} is not from 1 to {REPLICATION_FACTOR_MAX}")));
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
    record(out, &folder, &intent)?;
    if !out.json() {
        notes.iter().try_for_each(|note| out.line(note))?;
        let mut voters = vec![init.node_id.to_string()];
        voters.extend(intent.peers.iter().cloned());
        out.line(&format!("Cluster: {}", init.cluster_id))?;
        out.line(&format!("Node: {}", init.node_id))?;
        out.line(&format!("First members: {}", voters.join(", ")))?;
        if voters.len() % 2 == 0 {
            out.line(&format!(
                "warning: {} members bear as many losses as {}; use 1, 3 or 5",
                voters.len(),
                voters.len() - 1
            ))?;
        }
        out.line("Next:")?;
        out.line(&next_line(&init.node_id, &folder))?;
    }
    Ok(Exit::Ok)
}

/// `join`
pub(super) async fn join(out: &Out, join: Join) -> Result<Exit, CliError> {
    let (address, added) = peer_address(join.bootstrap_peer.trim(), PEER_PORT_DEFAULT).map_err(CliError::usage)?;
    let folder = folder(join.data, &join.node_id);
    refuse_used(&folder, &join.node_id)?;
    let intent = BootstrapIntent {
        format: INTENT_FORMAT,
        node_id: join.node_id.clone(),
        cluster_id: join.cluster_id,
        peers: Vec::new(),
        bootstrap_peer: Some(address.clone()),
        zone: join.zone,
        shard_count: None,
        replication_factor: None,
    };
    record(out, &folder, &intent)?;
    if !out.json() {
        if added {
            out.line(&format!("note: {}: no port given, using {PEER_PORT_DEFAULT}", join.bootstrap_peer))?;
        }
        out.line(&format!("Node {} is recorded; it will join through {address} when it starts.", join.node_id))?;
        out.line("Next:")?;
        out.line(&next_line(&join.node_id, &folder))?;
    }
    Ok(Exit::Ok)
}
