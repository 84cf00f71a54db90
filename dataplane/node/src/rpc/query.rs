//! `QueryService`: results as a stream, the summary last.

use super::{consistency, limit, read_info, status};
use crate::meter::{Method, NodeMeter};
use futures::{Stream, StreamExt};
use phoenixmldb_coordinator::items::{Style, value_from_wire};
use phoenixmldb_coordinator::{Coordinator, QueryRequest, ResultPart, Summary};
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::v1::query_service_server::QueryService;
use phoenixmldb_proto::v1::{
    ExecuteRequest, ExecuteResponse, ExplainRequest, ExplainResponse, QueryOptions, QuerySummary, ResultItem,
    ShardStats, Variable,
};
use phoenixmldb_types::Code;
use phoenixmldb_types::clock::Clock;
use phoenixmldb_xdm::QName;
use phoenixmldb_xdm::atomic::Atomic;
use std::pin::Pin;
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Serves queries through this node's coordinator.
pub struct QueryRpc {
    coordinator: Coordinator,
    clock: Arc<dyn Clock>,
    meter: Arc<NodeMeter>,
}

impl QueryRpc {
    /// The service; the clock is `fn:current-dateTime()` and tells how old a stale result is.
    #[must_use]
    pub fn new(coordinator: Coordinator, clock: Arc<dyn Clock>, meter: Arc<NodeMeter>) -> Self {
        Self { coordinator, clock, meter }
    }

    /// Starts a query whose messages count themselves.
    async fn start(&self, request: Request<ExecuteRequest>) -> Result<<Self as QueryService>::ExecuteStream, Status> {
        let begun = tokio::time::Instant::now();
        let limit = limit(&request);
        let request = request.into_inner();
        let query = self.request(request.query, request.variables, request.options)?;
        let parts = self.coordinator.query(query, limit).await.map_err(status)?;
        let (meter, clock) = (self.meter.clone(), self.clock.clone());
        let messages = ReceiverStream::new(parts).map(move |part| match part {
            Ok(part) => {
                if let ResultPart::Summary(done) = &part {
                    meter.queried(done);
                    meter.answered(Method::Query, begun.elapsed());
                }
                Ok(message(part, clock.wall_ms()))
            }
            Err(error) => {
                let refusal = status(error);
                meter.refused(Method::Query, &refusal);
                Err(refusal)
            }
        });
        Ok(Box::pin(messages))
    }

    fn request(
        &self,
        text: String,
        variables: Vec<Variable>,
        options: Option<QueryOptions>,
    ) -> Result<QueryRequest, Status> {
        let options = options.unwrap_or_default();
        Ok(QueryRequest {
            text,
            variables: variables.into_iter().map(binding).collect::<Result<_, _>>()?,
            default_container: options.default_container,
            max_results: options.max_results,
            truncate: options.truncate,
            at: options.at_timestamp,
            consistency: consistency(options.consistency),
            shard_key: options.shard_key,
            allow_partial: options.allow_partial,
            style: Style { method: options.method, indent: options.indent },
            now_ms: self.clock.wall_ms(),
        })
    }
}

/// `local`, or `Q{uri}local`.
fn binding(variable: Variable) -> Result<(QName, Vec<Atomic>), Status> {
    let name = match variable.name.strip_prefix("Q{").and_then(|rest| rest.split_once('}')) {
        Some((uri, local)) => QName::new("", uri, local),
        None => QName::new("", "", &*variable.name),
    };
    let value = |value: phoenixmldb_proto::v1::TypedValue| value_from_wire(&value.r#type, &value.value);
    let values = variable.values.into_iter().map(value).collect::<phoenixmldb_xdm::error::Result<_>>();
    let values = values.map_err(|error| {
        let message = format!("variable ${}: {}", variable.name, error.message);
        PublicError::new(Code::InvalidArgument, message).with("xquery_code", &error.code.local)
    })?;
    Ok((name, values))
}

fn summary(summary: Summary, now_ms: u64) -> QuerySummary {
    QuerySummary {
        items: summary.items,
        shards_queried: summary.shards_queried,
        shards_total: summary.shards_total,
        restricted_by: summary.restricted_by.to_owned(),
        read: Some(read_info(&summary.served, now_ms)),
        missing_shards: summary.missing.iter().map(|shard| shard.0).collect(),
        truncated: summary.truncated,
        elapsed_us: summary.elapsed_us,
        shards: summary
            .shards
            .into_iter()
            .map(|(shard, done)| ShardStats {
                shard: shard.0,
                node: done.node,
                documents: done.documents,
                items: done.items,
                bytes: 0,
                elapsed_us: done.elapsed_us,
            })
            .collect(),
    }
}

fn message(part: ResultPart, now_ms: u64) -> ExecuteResponse {
    match part {
        ResultPart::Items(items) => {
            let item = |item: phoenixmldb_coordinator::items::ResultItem| ResultItem {
                text: item.text,
                kind: item.kind,
                document: item.document,
            };
            ExecuteResponse { items: items.into_iter().map(item).collect(), summary: None }
        }
        ResultPart::Summary(done) => ExecuteResponse { items: Vec::new(), summary: Some(summary(done, now_ms)) },
    }
}

#[tonic::async_trait]
impl QueryService for QueryRpc {
    type ExecuteStream = Pin<Box<dyn Stream<Item = Result<ExecuteResponse, Status>> + Send>>;

    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<Self::ExecuteStream>, Status> {
        // Counted by its last message, or here when it does not get that far.
        let started = self.start(request).await;
        started.map(Response::new).inspect_err(|refusal| self.meter.refused(Method::Query, refusal))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let request = request.into_inner();
        let explained = async {
            let query = self.request(request.query, request.variables, request.options)?;
            let plan = self.coordinator.explain(query).await.map_err(status)?;
            Ok(Response::new(ExplainResponse { plan }))
        };
        self.meter.observe(Method::Explain, explained).await
    }
}
