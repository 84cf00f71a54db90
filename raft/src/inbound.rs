//! The receiving half of a transport: what peers send to the groups of this process.
//!
//! ```text
//!  frame ─► admit (cluster, identity) ─► gate, shared ────► openraft ─► reply
//!  snapshot ─► spool ─► admit ─► gate, exclusive until accepted ─► openraft ─► vote
//! ```
//!
//! The gate keeps a snapshot and appends apart. When openraft accepts a snapshot it forgets, at once, the log entries the
//! snapshot covers, while the commands of earlier appends may still wait in its queue. One of those that then makes it
//! apply entries it has forgotten ends its core (openraft#2116, open in the pinned version). So a snapshot is handed over
//! only when every append of a peer has been answered, and appends follow only when it has been accepted.

use crate::group::RaftGroup;
use crate::groups::Groups;
use crate::network::Kind;
use crate::snapshot::{SnapshotData, SnapshotReader, Spool, SpoolError};
use crate::type_config::{Snapshot, SnapshotMeta, Vote, decode, encode};
use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::AppendEntriesResponse;
use phoenixmldb_types::GroupId;

impl Groups {
    /// Answers a request frame of a peer; a transport calls it for what [`Transport::call`] of the peer was given.
    ///
    /// `cluster_id` and `to` are the sender's idea of whom it speaks with. Not cancel safe: the request may be carried
    /// out without an answer. Error: why it was refused.
    ///
    /// [`Transport::call`]: crate::network::Transport::call
    pub async fn receive(
        &self,
        cluster_id: &str,
        to: u64,
        group: GroupId,
        kind: Kind,
        body: &[u8],
    ) -> Result<Bytes, String> {
        self.admit(cluster_id, to)?;
        self.addressed(group)?.receive(kind, body).await
    }

    /// An empty spool for a snapshot of a peer.
    pub fn spool(&self) -> Result<Spool, SpoolError> {
        match self.engine().spool_folder() {
            Some(folder) => Spool::create(&folder),
            None => Spool::create(&std::env::temp_dir()),
        }
    }

    /// Installs a peer's snapshot and returns the own vote, encoded. Error: why it was refused.
    pub async fn receive_snapshot(
        &self,
        cluster_id: &str,
        to: u64,
        group: GroupId,
        vote: &[u8],
        meta: &[u8],
        chunks: Box<dyn SnapshotReader>,
    ) -> Result<Bytes, String> {
        self.admit(cluster_id, to)?;
        self.addressed(group)?.receive_snapshot(vote, meta, chunks).await
    }

    pub(crate) fn addressed(&self, group: GroupId) -> Result<RaftGroup, String> {
        self.get(group).ok_or_else(|| format!("group {group} is not open on {}", self.config().own.name))
    }
}

impl RaftGroup {
    /// Answers a request frame of a peer. Error: why it was refused.
    pub(crate) async fn receive(&self, kind: Kind, body: &[u8]) -> Result<Bytes, String> {
        let raft = self.raft();
        let text = |error: &dyn std::fmt::Display| error.to_string();
        match kind {
            Kind::Append => {
                let request = decode("append request", body).map_err(|error| text(&error))?;
                let _shared = self.gate().read().await;
                let reply = raft.append_entries(request).await.map_err(|error| text(&error))?;
                if !matches!(reply, AppendEntriesResponse::HigherVote(_)) {
                    self.meter().leader_heard();
                }
                Ok(encode(&reply))
            }
            Kind::Vote => {
                let request = decode("vote request", body).map_err(|error| text(&error))?;
                raft.vote(request).await.map(|reply| encode(&reply)).map_err(|error| text(&error))
            }
            Kind::PreVote => {
                let request = decode("pre-vote request", body).map_err(|error| text(&error))?;
                raft.pre_vote(request).await.map(|reply| encode(&reply)).map_err(|error| text(&error))
            }
            Kind::TransferLeader => {
                let request = decode("transfer request", body).map_err(|error| text(&error))?;
                raft.handle_transfer_leader(request).await.map(|reply| encode(&reply)).map_err(|error| text(&error))
            }
        }
    }

    /// Installs a received snapshot and returns the own vote, encoded.
    pub(crate) async fn receive_snapshot(
        &self,
        vote: &[u8],
        meta: &[u8],
        chunks: Box<dyn SnapshotReader>,
    ) -> Result<Bytes, String> {
        let vote: Vote = decode("snapshot sender's vote", vote).map_err(|error| error.to_string())?;
        let meta: SnapshotMeta = decode("snapshot position", meta).map_err(|error| error.to_string())?;
        let index = meta.last_log_id.map_or(0, |last| last.index);
        let snapshot = Snapshot { meta, snapshot: SnapshotData::new(chunks) };
        let mut metrics = self.raft().metrics();
        let mut install = Box::pin(self.raft().install_full_snapshot(vote, snapshot));
        let accepted = async move {
            while metrics.borrow_watched().local_committed.is_none_or(|committed| committed.index < index) {
                if metrics.changed().await.is_err() {
                    break;
                }
            }
        };
        let reply = {
            // The core takes snapshots and appends from two queues, so appends wait until it has taken this one. The
            // installation takes longer, and heartbeats need not wait for it.
            let _exclusive = self.gate().write().await;
            tokio::select! {
                biased;
                reply = &mut install => Some(reply),
                () = accepted => None,
            }
        };
        let reply = match reply {
            Some(reply) => reply,
            None => install.await,
        };
        reply.map(|reply| encode(&reply.vote)).map_err(|fatal| fatal.to_string())
    }
}
