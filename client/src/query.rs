//! Queries: as a stream of items, or gathered.
//!
//! A query is repeated only while none of its items has been handed to the caller.

use crate::error::is_transport;
use crate::{Client, ClientError};
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::v1::query_service_client::QueryServiceClient;
use phoenixmldb_proto::v1::{
    ExecuteRequest, ExecuteResponse, ExplainRequest, QueryOptions, QuerySummary, ResultItem, Variable,
};
use tonic::Streaming;
use tonic::transport::Channel;

/// The whole result of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryResult {
    /// Items in result order.
    pub items: Vec<ResultItem>,
    /// Shards, snapshot and times.
    pub summary: QuerySummary,
}

/// Items as they arrive. Dropping it cancels the query on every shard.
pub struct QueryStream {
    node: String,
    ready: std::collections::VecDeque<ResultItem>,
    stream: Streaming<ExecuteResponse>,
    summary: Option<QuerySummary>,
}

impl QueryStream {
    /// The next item; `None` after the last one, when [`QueryStream::summary`] is there.
    ///
    /// Cancel safe. Error: the query failed on the way; the items so far are no complete result.
    pub async fn next(&mut self) -> Result<Option<ResultItem>, ClientError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            match self.stream.message().await {
                Ok(Some(message)) => {
                    self.ready.extend(message.items);
                    self.summary = message.summary.or_else(|| self.summary.take());
                }
                Ok(None) if self.summary.is_some() => return Ok(None),
                // A stream that ends without its summary was cut; its items must not pass for a result.
                Ok(None) => return Err(self.cut("the result ended without its summary".to_owned())),
                Err(status) if is_transport(&status) => return Err(self.cut(status.message().to_owned())),
                Err(status) => {
                    let error = Box::new(PublicError::from(status));
                    return Err(ClientError::Refused { error, node: self.node.clone(), attempts: 1 });
                }
            }
        }
    }

    fn cut(&self, why: String) -> ClientError {
        ClientError::Unreachable { tried: vec![(self.node.clone(), why)] }
    }

    /// Shards, snapshot and times; there after the last item.
    #[must_use]
    pub fn summary(&self) -> Option<&QuerySummary> {
        self.summary.as_ref()
    }
}

fn queries(channel: Channel) -> QueryServiceClient<Channel> {
    QueryServiceClient::new(channel).max_decoding_message_size(crate::MESSAGE_BYTES_MAX)
}

impl Client {
    /// Runs a query with default options and gathers its items.
    pub async fn query(&self, query: &str) -> Result<QueryResult, ClientError> {
        self.query_with(query, Vec::new(), QueryOptions::default()).await
    }

    /// Runs a query with options and gathers its items: one shard only (`shard_key`), without shards out of reach
    /// (`allow_partial`), as strong as asked (`consistency`); the summary says how it was answered. An attempt
    /// that fails half-way is repeated whole.
    pub async fn query_with(
        &self,
        query: &str,
        variables: Vec<Variable>,
        options: QueryOptions,
    ) -> Result<QueryResult, ClientError> {
        let message = ExecuteRequest { query: query.to_owned(), variables, options: Some(options) };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move {
                let mut stream = queries(channel).execute(request).await?.into_inner();
                let mut result = QueryResult::default();
                let mut complete = false;
                while let Some(message) = stream.message().await? {
                    result.items.extend(message.items);
                    if let Some(summary) = message.summary {
                        result.summary = summary;
                        complete = true;
                    }
                }
                if complete {
                    Ok(result)
                } else {
                    Err(tonic::Status::unavailable("the result ended without its summary"))
                }
            }
        })
        .await
    }

    /// Starts a query and hands out its items as they arrive.
    pub async fn query_stream(
        &self,
        query: &str,
        variables: Vec<Variable>,
        options: QueryOptions,
    ) -> Result<QueryStream, ClientError> {
        let message = ExecuteRequest { query: query.to_owned(), variables, options: Some(options) };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move {
                let stream = queries(channel).execute(request).await?.into_inner();
                Ok(QueryStream { node: String::new(), ready: Default::default(), stream, summary: None })
            }
        })
        .await
    }

    /// How the query would run.
    pub async fn explain(
        &self,
        query: &str,
        variables: Vec<Variable>,
        options: QueryOptions,
    ) -> Result<String, ClientError> {
        let message = ExplainRequest { query: query.to_owned(), variables, options: Some(options) };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(queries(channel).explain(request).await?.into_inner().plan) }
        })
        .await
    }
}
