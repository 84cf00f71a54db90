//! The Rust client: connects to any node, learns the rest, retries safely.
//!
//! ```no_run
//! # async fn example() -> Result<(), phoenixmldb_client::ClientError> {
//! use phoenixmldb_client::{Client, ClusterClientOptions, LoadBalancing, RetryPolicy};
//! use std::time::Duration;
//!
//! let client = Client::new(ClusterClientOptions {
//!     nodes: vec!["node1:5432".into(), "node2:5432".into(), "node3:5432".into()],
//!     load_balancing: LoadBalancing::RoundRobin,
//!     retry_policy: RetryPolicy { max_retries: 3, retry_delay: Duration::from_millis(100), exponential_backoff: true },
//!     ..ClusterClientOptions::default()
//! })?;
//! client.put_document("orders", "o1.xml", "<order><total>12</total></order>").await?;
//! let results = client.query("count(collection('orders')//order)").await?;
//! println!("{}", results.items[0].text);
//! # Ok(()) }
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`options`] | what a caller can choose; the names of the product's documentation |
//! | [`retry`] | when an attempt is repeated and after how long; pure |
//! | `pool` | one channel per node, a breaker each, which node next |
//! | `routes` | who leads a document's shard |
//! | `session` | numbers writes, so that a repeated one is applied once |
//! | [`documents`], [`query`], [`admin`] | the calls |
//! | [`peer`] | what a node answers on its raft port, before another one joins |
//!
//! A write carries (session, sequence number): the shard remembers its outcome, so repeating it after a lost reply is
//! safe. Reads are repeated freely. A refusal that no repetition can change is returned from the first attempt.

pub mod admin;
pub mod documents;
pub mod error;
pub mod options;
pub mod peer;
mod pool;
pub mod query;
pub mod retry;
mod routes;
mod session;

use options::OptionsError;
use phoenixmldb_proto::PublicError;
use pool::Pool;
use retry::Backoff;
use routes::Routes;
use session::Session;
use std::future::Future;
use std::sync::Arc;
use tonic::Request;
use tonic::transport::Channel;

pub use error::ClientError;
pub use options::{ClusterClientOptions, LoadBalancing, RetryPolicy};
pub use phoenixmldb_proto::{admin as admin_v1, v1};
pub use phoenixmldb_types::{Code, Retry};

/// A connection to a cluster. Cheap to clone; all clones share channels and the session.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    options: ClusterClientOptions,
    pool: Pool,
    session: Session,
    routes: Routes,
}

/// Largest message accepted, in bytes: a document at its bound, encoded, plus its frame.
const MESSAGE_BYTES_MAX: usize = phoenixmldb_types::limits::DOCUMENT_BYTES_MAX + (1 << 20);

impl Client {
    /// Checks the options; dials nobody yet.
    ///
    /// Error: [`ClientError::Options`], naming the field and the rule.
    pub fn new(options: ClusterClientOptions) -> Result<Self, ClientError> {
        options.check().map_err(|error: OptionsError| ClientError::Options(error))?;
        let pool = Pool::new(&options);
        Ok(Self { inner: Arc::new(Inner { pool, session: Session::random(), routes: Routes::default(), options }) })
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &ClusterClientOptions {
        &self.inner.options
    }

    /// Client addresses of the nodes it knows now, the given ones first.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.inner.pool.addresses()
    }

    /// Runs `call` on one node after another until it succeeds, cannot succeed, or the retry policy is used up.
    ///
    /// `call` must be repeatable: a read, or a write that carries its `WriteId`. Dropping the future cancels the attempt
    /// in flight; the server notices and stops.
    pub(crate) async fn run<T, F, Fut>(&self, preferred: Option<&str>, call: F) -> Result<T, ClientError>
    where
        F: Fn(Channel) -> Fut,
        Fut: Future<Output = Result<T, tonic::Status>>,
    {
        let deadline = tokio::time::Instant::now() + self.inner.options.request_timeout;
        let mut backoff = Backoff::new(&self.inner.options.retry_policy);
        let mut tried: Vec<(String, String)> = Vec::new();
        let mut hint = preferred.map(str::to_owned);
        loop {
            let node = self.inner.pool.pick(hint.take().as_deref(), &tried);
            let attempt = tokio::time::timeout_at(deadline, call(node.channel.clone())).await;
            let status = match attempt {
                Ok(Ok(value)) => {
                    self.inner.pool.succeeded(&node.address);
                    self.discover(node.channel).await;
                    return Ok(value);
                }
                Ok(Err(status)) => status,
                Err(_) => return Err(ClientError::Timeout { after: self.inner.options.request_timeout, tried }),
            };
            let error = PublicError::from(&status);
            let unreachable = error::is_transport(&status);
            if unreachable {
                self.inner.pool.failed(&node.address);
            } else {
                self.inner.pool.succeeded(&node.address);
            }
            tried.push((node.address.clone(), if unreachable { error::root(&status) } else { error.message.clone() }));
            let again = unreachable || retry::is_retryable(&error);
            let wait = if again { backoff.next_wait() } else { None };
            let Some(wait) = wait else {
                return Err(if unreachable {
                    ClientError::Unreachable { tried }
                } else {
                    ClientError::Refused { error: Box::new(error), node: node.address, attempts: tried.len() }
                });
            };
            hint = error.get("leader_address").map(str::to_owned);
            let wait = wait.max(retry::server_wait(&error).min(wait * 4));
            if tokio::time::Instant::now() + wait >= deadline {
                return Err(ClientError::Timeout { after: self.inner.options.request_timeout, tried });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks a node that answers for the others: after the first answer, and again after one was lost. What it does not
    /// say in time is asked the next time.
    async fn discover(&self, channel: Channel) {
        if self.inner.options.no_discovery || !self.inner.pool.wants_discovery() {
            return;
        }
        let asked = tokio::time::timeout(self.inner.options.connect_timeout, admin::topology(channel));
        if let Ok(Ok(topology)) = asked.await {
            self.learn(&topology);
        }
    }

    /// A request that tells the server how long the caller will wait.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.inner.options.request_timeout);
        request
    }
}
