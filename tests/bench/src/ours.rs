//! Three nodes with both roles and the documented default timeouts, each a process of its own.

use crate::load::{Caller, System};
use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use phoenixmldb_cli::demo::local::{LocalCluster, LocalNode};
use phoenixmldb_cli::demo::{client, wait_for};
use phoenixmldb_cli::error::CliError;
use phoenixmldb_cli::status::{balanced, healthy};
use phoenixmldb_client::Client;
use phoenixmldb_client::v1::{Consistency, ContainerOptions};
use std::path::Path;

/// Shards of a cluster that was not told otherwise.
pub(crate) const SHARDS: usize = 16;

const CONTAINER: &str = "orders";

pub(crate) struct Ours {
    cluster: LocalCluster,
    client: Client,
}

fn failed(error: CliError) -> anyhow::Error {
    anyhow!("{error}")
}

impl System for Ours {
    const NAME: &'static str = "phoenixmldb";
    type Caller = Documents;

    async fn start(folder: &Path) -> Result<Self> {
        let mut cluster = LocalCluster::combined(folder, 3, &[]).map_err(failed)?;
        cluster.start().map_err(failed)?;
        let client = client(cluster.endpoints()).map_err(failed)?;
        let formed = wait_for(&client, "forming", |cluster| healthy(cluster) && balanced(cluster)).await;
        let formed = formed.map_err(failed)?;
        anyhow::ensure!(formed.shards.len() == SHARDS, "{} shards instead of {SHARDS}", formed.shards.len());
        client.create_container(CONTAINER, ContainerOptions::default(), false).await?;
        Ok(Self { cluster, client })
    }

    fn pids(&self) -> Vec<u32> {
        self.cluster.nodes.iter().filter_map(LocalNode::pid).collect()
    }

    fn caller(&self) -> Documents {
        Documents(self.client.clone())
    }

    fn stop(mut self) -> Result<()> {
        // Their data goes away with the folder: nothing to hand over.
        self.cluster.nodes.iter_mut().try_for_each(LocalNode::kill).map_err(failed)
    }
}

#[derive(Clone)]
pub(crate) struct Documents(Client);

impl Caller for Documents {
    async fn put(&self, name: String, text: Bytes) -> Result<()> {
        self.0.put_document(CONTAINER, &name, text).await.map(|_| ()).context("a put")
    }

    async fn get(&self, name: String) -> Result<usize> {
        let got = self.0.get_document(CONTAINER, &name, Consistency::Strong).await.context("a get")?;
        Ok(got.content.len())
    }
}
