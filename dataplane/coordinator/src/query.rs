//! Queries: one timestamp for all shards, the document-local part where the documents are, results merged here.

use crate::documents::Coordinator;
use crate::error::CoordinatorError;
use crate::fetch::Fetch;
use crate::items::{ResultItem, Style, serialize};
use crate::limits::{FAN_OUT_MAX, MAX_RESULTS_DEFAULT, QUERY_BYTES_MAX, RESULT_ITEMS_BUFFERED};
use crate::retry::ask_leader;
use crate::transport::{FragmentPart, FragmentRequest, FragmentStream, FragmentSummary};
use futures::{StreamExt, TryStreamExt};
use phoenixmldb_types::{ContainerName, ShardId, Timestamp};
use phoenixmldb_xdm::atomic::{Atomic, Moment};
use phoenixmldb_xdm::{Item, Meter, QName, Sequence};
use phoenixmldb_xquery::distribute::{Combine, Fragment, Plan, split};
use phoenixmldb_xquery::syntax::{locate, parse_module};
use phoenixmldb_xquery::{DynamicContext, NoResolver, Options, Query};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A query and what it is run with.
#[derive(Clone, Debug, Default)]
pub struct QueryRequest {
    /// Its text.
    pub text: String,
    /// Values of its external variables.
    pub variables: Vec<(QName, Vec<Atomic>)>,
    /// The container of `collection()`; empty for none.
    pub default_container: String,
    /// Most items; 0 for the default.
    pub max_results: u64,
    /// Stop at the bound instead of failing.
    pub truncate: bool,
    /// Read at this timestamp instead of now.
    pub at: Option<u64>,
    /// How items are written.
    pub style: Style,
    /// Wall clock, in milliseconds since 1970.
    pub now_ms: u64,
}

/// What a query did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Summary {
    /// Items of the result.
    pub items: u64,
    /// Shards that took part.
    pub shards_queried: u32,
    /// Shards there are.
    pub shards_total: u32,
    /// The timestamp all of them were read at.
    pub read_ts: Timestamp,
    /// The bound was reached.
    pub truncated: bool,
    /// Time it took, in microseconds.
    pub elapsed_us: u64,
    /// What each shard did.
    pub shards: Vec<(ShardId, FragmentSummary)>,
}

/// A piece of a result.
#[derive(Clone, PartialEq, Debug)]
pub enum ResultPart {
    /// Items, in result order.
    Items(Vec<ResultItem>),
    /// The end: the result is whole.
    Summary(Summary),
}

type Sender = mpsc::Sender<Result<ResultPart, CoordinatorError>>;

/// Where results go; counts them, and keeps the bound.
struct Output {
    sender: Sender,
    max: u64,
    truncate: bool,
    summary: Summary,
}

/// The reader has gone, or has enough.
struct Enough;

impl Output {
    async fn items(&mut self, mut items: Vec<ResultItem>) -> Result<Result<(), Enough>, CoordinatorError> {
        let room = self.max - self.summary.items;
        let full = items.len() as u64 > room;
        if full && !self.truncate {
            return Err(CoordinatorError::TooManyResults { max: self.max });
        }
        items.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        self.summary.items += items.len() as u64;
        self.summary.truncated |= full;
        let gone = !items.is_empty() && self.sender.send(Ok(ResultPart::Items(items))).await.is_err();
        Ok(if gone || full { Err(Enough) } else { Ok(()) })
    }
}

/// UTC, from milliseconds since 1970.
fn moment(now_ms: u64) -> Moment {
    let (days, ms) = (now_ms / 86_400_000, now_ms % 86_400_000);
    let nanos = i64::try_from(ms).unwrap_or(0) * 1_000_000;
    Moment::from_day_number(i64::try_from(days).unwrap_or(0), nanos, Some(0)).unwrap_or(Moment::DEFAULT)
}

/// Line and column of an offset, from 1.
pub(crate) fn place(text: &str, offset: u32) -> (u32, u32) {
    let location = locate(text, offset as usize, None);
    (location.line, location.column)
}

/// An error of the engine, with its place in the query as line and column.
pub(crate) fn engine_error(
    error: &phoenixmldb_xdm::Error,
    text: &str,
    fragment: Option<&Fragment>,
) -> CoordinatorError {
    let offset = error.span.map(|(start, _)| fragment.map_or(start, |fragment| fragment.original(start)));
    let place = offset.map(|offset| place(text, offset));
    let code = if error.code.uri == phoenixmldb_xdm::error::ERROR_NAMESPACE {
        error.code.local.to_string()
    } else {
        format!("Q{{{}}}{}", error.code.uri, error.code.local)
    };
    CoordinatorError::Query { code, message: error.message.clone(), place }
}

struct Compiled {
    query: Query,
    plan: Plan,
}

fn compile(request: &QueryRequest) -> Result<Compiled, CoordinatorError> {
    if request.text.len() > QUERY_BYTES_MAX {
        return Err(CoordinatorError::TooLarge { bytes: request.text.len(), max: QUERY_BYTES_MAX });
    }
    let fail = |error: Box<phoenixmldb_xdm::Error>| engine_error(&error, &request.text, None);
    let module = parse_module(&request.text, None).map_err(fail)?;
    let query = Query::compile(&request.text, &Options::default(), &NoResolver).map_err(fail)?;
    Ok(Compiled { query, plan: split(&request.text, &module) })
}

/// Runs engine work where it may take its time.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CoordinatorError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CoordinatorError::Internal { what: "running a query", reason: error.to_string() })
}

fn bindings(variables: &[(QName, Vec<Atomic>)]) -> HashMap<QName, Sequence> {
    let sequence = |values: &[Atomic]| Sequence::from(values.iter().cloned().map(Item::Atomic).collect::<Vec<_>>());
    variables.iter().map(|(name, values)| (name.clone(), sequence(values))).collect()
}

impl Coordinator {
    /// How a query would run.
    pub async fn explain(&self, request: QueryRequest) -> Result<String, CoordinatorError> {
        let shards = self.router().map()?.shards.shards.len();
        let compiled = aside(move || compile(&request)).await??;
        Ok(compiled.plan.describe(shards))
    }

    /// Runs a query; its result arrives through the receiver, with the summary last. Static errors come at once.
    /// Dropping the receiver stops the work on all shards.
    pub async fn query(
        &self,
        request: QueryRequest,
        limit: Duration,
    ) -> Result<mpsc::Receiver<Result<ResultPart, CoordinatorError>>, CoordinatorError> {
        let started = Instant::now();
        let deadline = started + limit;
        let map = self.router().map()?;
        let asked = request.clone();
        let compiled = aside(move || compile(&asked)).await??;
        let read_ts = match request.at {
            Some(at) => Timestamp(at),
            None => self
                .transport()
                .timestamp(limit)
                .await
                .map_err(|reason| CoordinatorError::ClockUnavailable { reason })?,
        };
        let (sender, receiver) = mpsc::channel(RESULT_ITEMS_BUFFERED);
        let summary = Summary { shards_total: map.shards.shards.len() as u32, read_ts, ..Summary::default() };
        let max = if request.max_results == 0 { MAX_RESULTS_DEFAULT } else { request.max_results };
        let mut output = Output { sender: sender.clone(), max, truncate: request.truncate, summary };
        let this = self.clone();
        tokio::spawn(async move {
            let run = this.run(request, compiled, read_ts, deadline, &mut output);
            let last = match tokio::time::timeout_at(deadline, run).await {
                Ok(Ok(())) => {
                    output.summary.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                    Ok(ResultPart::Summary(output.summary))
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(CoordinatorError::Deadline { limit }),
            };
            // A reader that has gone wants no summary either.
            drop(sender.send(last).await);
        });
        Ok(receiver)
    }

    async fn run(
        &self,
        request: QueryRequest,
        compiled: Compiled,
        read_ts: Timestamp,
        deadline: Instant,
        output: &mut Output,
    ) -> Result<(), CoordinatorError> {
        match &compiled.plan {
            Plan::PerDocument(fragment) => {
                let streams = self.open(&request, fragment, false, read_ts, deadline).await?;
                output.summary.shards_queried = streams.len() as u32;
                merge(streams, fragment, &request.text, output).await
            }
            Plan::Aggregate(fragment, combine) => {
                let streams = self.open(&request, fragment, true, read_ts, deadline).await?;
                output.summary.shards_queried = streams.len() as u32;
                let mut partial = Vec::new();
                for (shard, mut stream) in streams {
                    while let Some(part) = stream.next().await {
                        let part = part.map_err(|error| error.for_query(shard, &request.text, Some(fragment)))?;
                        partial.extend(part.values);
                        output.summary.shards.extend(part.summary.map(|summary| (shard, summary)));
                    }
                }
                let (combine, current) = (*combine, moment(request.now_ms));
                let style = request.style.clone();
                let items = aside(move || combined(combine, partial, current, &style)).await?;
                let items = items.map_err(|error| engine_error(&error, &request.text, None))?;
                drop(output.items(items).await?);
                Ok(())
            }
            Plan::Here(_) => self.run_here(request, compiled.query, read_ts, deadline, output).await,
        }
    }

    /// Starts a fragment on every shard.
    async fn open(
        &self,
        request: &QueryRequest,
        fragment: &Fragment,
        aggregate: bool,
        read_ts: Timestamp,
        deadline: Instant,
    ) -> Result<Vec<(ShardId, FragmentStream)>, CoordinatorError> {
        let missing = || CoordinatorError::Query {
            code: "FODC0002".to_owned(),
            message: format!("there is no collection {:?}", fragment.container),
            place: None,
        };
        let name = ContainerName::parse(&fragment.container).map_err(|_| missing())?;
        let known = self.known(&name).await.map_err(|error| match error {
            CoordinatorError::ContainerNotFound { .. } => missing(),
            other => other,
        })?;
        let shards: Vec<ShardId> = self.router().map()?.shards.shards.iter().map(|shard| shard.id).collect();
        let asked = Arc::new(FragmentRequest {
            container: known.id,
            container_name: fragment.container.clone(),
            read_ts,
            query: fragment.text.clone(),
            aggregate,
            variables: request.variables.clone(),
            style: request.style.clone(),
            current: moment(request.now_ms),
        });
        let (router, transport) = (self.router(), self.transport());
        let opened = futures::stream::iter(shards).map(|shard| {
            let asked = asked.clone();
            async move {
                let stream = ask_leader(router, shard, deadline, true, |node, left| {
                    let asked = asked.clone();
                    async move { transport.fragment(&node, shard, asked, left).await }
                })
                .await?;
                Ok::<_, CoordinatorError>((shard, stream))
            }
        });
        opened.buffer_unordered(FAN_OUT_MAX).try_collect().await
    }

    /// Evaluates a query that cannot be split, over documents fetched from the shards.
    async fn run_here(
        &self,
        request: QueryRequest,
        query: Query,
        read_ts: Timestamp,
        deadline: Instant,
        output: &mut Output,
    ) -> Result<(), CoordinatorError> {
        let fetch = Arc::new(Fetch::new(self.clone(), request.default_container.clone(), read_ts, deadline));
        let probe: Box<dyn Fn() -> bool + Send + Sync> = Box::new(move || Instant::now() >= deadline);
        let meter = Arc::new(Meter::new(u64::MAX, Some(probe)));
        let mut context = DynamicContext::new(moment(request.now_ms), fetch.clone());
        context.variables = bindings(&request.variables);
        context.meter = meter.clone();
        let _cancel = CancelOnDrop(meter);
        let (sender, style) = (output.sender.clone(), request.style.clone());
        let evaluated = aside(move || {
            let sequence = query.run(&context)?;
            let parameters = style.parameters()?;
            let written = sequence.iter().map(|item| serialize(&item, &parameters));
            written.collect::<phoenixmldb_xdm::error::Result<Vec<_>>>()
        });
        let items = tokio::select! {
            items = evaluated => items?,
            // Nobody reads any more: dropping the guard cancels the evaluation.
            () = sender.closed() => return Ok(()),
        };
        if let Some(error) = fetch.failure() {
            return Err(error);
        }
        let items = items.map_err(|error| engine_error(&error, &request.text, None))?;
        output.summary.shards_queried = fetch.shards_asked();
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let batch: Vec<ResultItem> = items.by_ref().take(RESULT_ITEMS_BUFFERED).collect();
            if output.items(batch).await?.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Ends an evaluation whose caller has gone.
struct CancelOnDrop(Arc<Meter>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Combines partial results with the engine's own functions.
fn combined(
    combine: Combine,
    partial: Vec<Atomic>,
    current: Moment,
    style: &Style,
) -> phoenixmldb_xdm::error::Result<Vec<ResultItem>> {
    let name = QName::new("", "", "partial");
    let text = format!("declare variable $partial external; {}", combine.query());
    let query = Query::compile(&text, &Options::default(), &NoResolver)?;
    let mut context = DynamicContext::new(current, Arc::new(NoResolver));
    context.variables = bindings(&[(name, partial)]);
    let parameters = style.parameters()?;
    query.run(&context)?.iter().map(|item| serialize(&item, &parameters)).collect()
}

/// Merges the shards' results in the order of document names.
async fn merge(
    streams: Vec<(ShardId, FragmentStream)>,
    fragment: &Fragment,
    text: &str,
    output: &mut Output,
) -> Result<(), CoordinatorError> {
    struct Source {
        shard: ShardId,
        stream: FragmentStream,
        waiting: VecDeque<FragmentPart>,
    }
    let mut sources: Vec<Source> =
        streams.into_iter().map(|(shard, stream)| Source { shard, stream, waiting: VecDeque::new() }).collect();
    loop {
        let mut index = 0;
        while let Some(source) = sources.get_mut(index) {
            while source.waiting.is_empty() {
                let Some(part) = source.stream.next().await else { break };
                let mut part = part.map_err(|error| error.for_query(source.shard, text, Some(fragment)))?;
                output.summary.shards.extend(part.summary.take().map(|summary| (source.shard, summary)));
                if !part.items.is_empty() {
                    source.waiting.push_back(part);
                }
            }
            if source.waiting.is_empty() {
                sources.swap_remove(index);
            } else {
                index += 1;
            }
        }
        let next = sources.iter_mut().min_by(|a, b| a.waiting[0].document.cmp(&b.waiting[0].document));
        let Some(part) = next.and_then(|source| source.waiting.pop_front()) else { return Ok(()) };
        if output.items(part.items).await?.is_err() {
            return Ok(());
        }
    }
}
