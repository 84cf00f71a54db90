//! The cluster as operators see it: snapshot, topology, events, checks.

use crate::{Client, ClientError};
use phoenixmldb_proto::admin::cluster_service_client::ClusterServiceClient;
use phoenixmldb_proto::admin::{
    CheckShardsRequest, ClusterSnapshot, Event, GetClusterRequest, GetTopologyRequest, ListEventsRequest,
    LocateRequest, LocateResponse, RemoveNodeRequest, ShardCheck, Topology, TransferLeadershipRequest,
    WatchClusterRequest, WatchClusterResponse,
};
use tonic::Streaming;
use tonic::transport::Channel;

fn cluster(channel: Channel) -> ClusterServiceClient<Channel> {
    ClusterServiceClient::new(channel).max_decoding_message_size(crate::MESSAGE_BYTES_MAX)
}

/// What routing needs, from this node.
pub(crate) async fn topology(channel: Channel) -> Result<Topology, tonic::Status> {
    let answer = cluster(channel).get_topology(GetTopologyRequest {}).await?;
    Ok(answer.into_inner().topology.unwrap_or_default())
}

impl Client {
    /// The cluster as the answering node sees it, with the age of its view.
    pub async fn get_cluster(&self) -> Result<ClusterSnapshot, ClientError> {
        self.run(None, |channel| {
            let request = self.request(GetClusterRequest {});
            async move { Ok(cluster(channel).get_cluster(request).await?.into_inner().cluster.unwrap_or_default()) }
        })
        .await
    }

    /// A snapshot at once and after every change, at most one per `interval_ms`. The stream has no deadline; when it
    /// ends or fails, call again: another node goes on.
    pub async fn watch_cluster(&self, interval_ms: u32) -> Result<Streaming<WatchClusterResponse>, ClientError> {
        self.run(None, |channel| {
            let request = tonic::Request::new(WatchClusterRequest { interval_ms });
            async move { Ok(cluster(channel).watch_cluster(request).await?.into_inner()) }
        })
        .await
    }

    /// The data nodes of a topology are asked from now on, too.
    pub(crate) fn learn(&self, topology: &Topology) {
        let data = topology.nodes.iter().filter(|node| node.data && !node.client_address.is_empty());
        self.inner.pool.learn(data.map(|node| node.client_address.clone()));
    }

    /// What routing needs. Learns the other nodes' addresses unless `no_discovery`.
    pub async fn get_topology(&self) -> Result<Topology, ClientError> {
        let topology = self.run(None, topology).await?;
        if !self.options().no_discovery {
            self.learn(&topology);
        }
        Ok(topology)
    }

    /// The shard of a document (or of a shard key) and its nodes.
    pub async fn locate(&self, container: &str, key: &str) -> Result<LocateResponse, ClientError> {
        let message = LocateRequest { container: container.to_owned(), key: key.to_owned() };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(cluster(channel).locate(request).await?.into_inner()) }
        })
        .await
    }

    /// Events after `after_id`, oldest first.
    pub async fn list_events(&self, after_id: u64, limit: u32) -> Result<Vec<Event>, ClientError> {
        self.run(None, |channel| {
            let request = self.request(ListEventsRequest { after_id, limit });
            async move { Ok(cluster(channel).list_events(request).await?.into_inner().events) }
        })
        .await
    }

    /// Compares the content of all copies of the shards; of all shards when none is named.
    pub async fn check_shards(&self, shards: Vec<u32>) -> Result<Vec<ShardCheck>, ClientError> {
        let message = CheckShardsRequest { shards };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(cluster(channel).check_shards(request).await?.into_inner().shards) }
        })
        .await
    }

    /// Takes a node out of the cluster; `false` when it was taken out before. Refused, naming the rule, while the node
    /// holds copies or votes.
    pub async fn remove_node(&self, node: &str) -> Result<bool, ClientError> {
        let message = RemoveNodeRequest { node: node.to_owned() };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(cluster(channel).remove_node(request).await?.into_inner().removed) }
        })
        .await
    }

    /// Moves leadership of the control group to a node; gives the leader's name once it is seen to lead.
    pub async fn transfer_leadership(&self, to: &str) -> Result<String, ClientError> {
        let message = TransferLeadershipRequest { to: to.to_owned() };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(cluster(channel).transfer_leadership(request).await?.into_inner().leader) }
        })
        .await
    }
}
