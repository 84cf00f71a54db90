//! What a node answers on its raft port: who it is, and whether another node may join. For `join`, before a node starts.

use crate::error::is_transport;
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::internal::control_service_client::ControlServiceClient;
use phoenixmldb_proto::internal::{AnnounceRequest, Greeting};
use phoenixmldb_types::{ClusterId, Code, NodeName};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// Longest wait for a connection: beyond it the node counts as not there.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// Longest wait for an answer of a node that is there.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Most nodes asked one after the other for the control leader.
const HOPS_MAX: usize = 6;

/// Why a node does not help with joining.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PeerError {
    /// Nobody listens there, or the name cannot be resolved. Trying again later may help.
    #[error("{address}: {reason}")]
    Unreachable {
        /// The raft port that was asked.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The address is the client port of a node. Final.
    #[error("{address}: that is the client port; use the raft port (5433)")]
    ClientPort {
        /// The address that was asked.
        address: String,
    },
    /// Something else listens there. Final.
    #[error("{address}: what answers there is no node of PhoenixmlDb: {reason}")]
    Stranger {
        /// The address that was asked.
        address: String,
        /// What came instead of an answer.
        reason: String,
    },
    /// The node refuses; the code says why.
    #[error("{}", .0.message)]
    Refused(Box<PublicError>),
}

/// Who answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its name.
    pub node: String,
    /// The cluster it wants or belongs to; `None` while it knows none.
    pub cluster_id: Option<String>,
    /// Whether that cluster exists: before, nobody can join it.
    pub formed: bool,
}

/// A connection to a raft port.
async fn connect(address: &str) -> Result<ControlServiceClient<Channel>, PeerError> {
    let unreachable = |reason: String| PeerError::Unreachable { address: address.to_owned(), reason };
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).map_err(|error| unreachable(error.to_string()))?;
    let channel = tokio::time::timeout(CONNECT_LIMIT * 2, endpoint.connect_timeout(CONNECT_LIMIT).connect()).await;
    let channel = channel.map_err(|_| unreachable(format!("no connection within {} ms", CONNECT_LIMIT.as_millis())))?;
    Ok(ControlServiceClient::new(channel.map_err(|error| unreachable(deepest(&error)))?))
}

/// The innermost cause: the transport's own text says `transport error` only.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn refused(address: &str, status: &tonic::Status) -> PeerError {
    let (address, error) = (address.to_owned(), PublicError::from(status));
    match error.code {
        // A client port has no such service; before its node belongs to a cluster it says so to every call.
        Code::Unsupported | Code::Forming | Code::NotInitialised => PeerError::ClientPort { address },
        _ if is_transport(status) => PeerError::Stranger { address, reason: deepest(status) },
        Code::Internal => PeerError::Stranger { address, reason: error.message },
        _ => PeerError::Refused(Box::new(error)),
    }
}

async fn within<T>(
    address: &str,
    answer: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, PeerError> {
    match tokio::time::timeout(ANSWER_LIMIT, answer).await {
        Ok(answer) => answer.map(tonic::Response::into_inner).map_err(|status| refused(address, &status)),
        Err(_) => {
            let reason = format!("no answer within {} s", ANSWER_LIMIT.as_secs());
            Err(PeerError::Unreachable { address: address.to_owned(), reason })
        }
    }
}

/// Asks a raft port who it is. Refused with `WRONG_CLUSTER`, naming both, when it belongs to another cluster.
pub async fn greet(address: &str, cluster_id: Option<&ClusterId>) -> Result<Peer, PeerError> {
    let mut client = connect(address).await?;
    // Only the cluster id is looked at; whoever asks is no node yet.
    let greeting =
        Greeting { cluster_id: cluster_id.map(ToString::to_string).unwrap_or_default(), ..Greeting::default() };
    let answer = within(address, client.hello(greeting)).await?;
    Ok(Peer {
        node: answer.sender.map(|sender| sender.name).unwrap_or_default(),
        cluster_id: Some(answer.cluster_id).filter(|id| !id.is_empty()),
        formed: !answer.incarnation.is_empty(),
    })
}

/// Announces a node that will join, through any member. Refused with `IDENTITY_MISMATCH` when the name is a member's.
pub async fn announce(address: &str, cluster_id: &str, node: &NodeName) -> Result<(), PeerError> {
    let mut address = address.to_owned();
    for hop in 1.. {
        let request = AnnounceRequest { cluster_id: cluster_id.to_owned(), node: node.to_string() };
        let mut client = connect(&address).await?;
        match within(&address, client.announce(request)).await {
            Ok(_) => break,
            Err(PeerError::Refused(error)) if error.get("leader_address").is_some() && hop < HOPS_MAX => {
                error.get("leader_address").unwrap_or_default().clone_into(&mut address);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
