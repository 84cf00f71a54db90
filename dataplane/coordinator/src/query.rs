//! Queries: one timestamp for all shards, the document-local part where the documents are, results merged here.

use crate::documents::{Coordinator, ReadConsistency};
use crate::error::CoordinatorError;
use crate::fetch::{Fetch, Scope};
use crate::items::{ResultItem, Style, serialize};
use crate::limits::{
    FAN_OUT_MAX, MAX_RESULTS_DEFAULT, QUERY_BYTES_MAX, RESULT_ITEMS_PER_PIECE, RESULT_PIECES_BUFFERED,
};
use crate::point::{ReadPoint, falls_back};
use crate::transport::{FragmentPart, FragmentRequest, FragmentStream, FragmentSummary, Served};
use futures::StreamExt;
use phoenixmldb_types::{ContainerName, DocumentName, ShardId};
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
    /// How strong the read has to be.
    pub consistency: ReadConsistency,
    /// Ask only the shard that a document of this name would be in.
    pub shard_key: Option<String>,
    /// Answer without shards that are out of reach, and list them.
    pub allow_partial: bool,
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
    /// Why not all of them: `shard_key`, or `document` when the query named its documents; otherwise empty.
    pub restricted_by: &'static str,
    /// Shards the answer is without.
    pub missing: Vec<ShardId>,
    /// How it ran: `document` by document on the shards, as an `aggregate` of each shard, or `here` over fetched documents.
    pub kind: &'static str,
    /// How all of them were read.
    pub served: Served,
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
pub(crate) fn moment(now_ms: u64) -> Moment {
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
    query: Arc<Query>,
    plan: Plan,
}

impl Compiled {
    const fn kind(&self) -> &'static str {
        match self.plan {
            Plan::PerDocument(_) => "document",
            Plan::Aggregate(..) => "aggregate",
            Plan::Here(_) => "here",
        }
    }
}

fn compile(request: &QueryRequest) -> Result<Compiled, CoordinatorError> {
    if request.text.len() > QUERY_BYTES_MAX {
        return Err(CoordinatorError::TooLarge { bytes: request.text.len(), max: QUERY_BYTES_MAX });
    }
    let fail = |error: Box<phoenixmldb_xdm::Error>| engine_error(&error, &request.text, None);
    let module = parse_module(&request.text, None).map_err(fail)?;
    let query = Query::compile(&request.text, &Options::default(), &NoResolver).map_err(fail)?;
    Ok(Compiled { query: Arc::new(query), plan: split(&request.text, &module) })
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
        let key = shard_key(&request)?;
        let compiled = aside(move || compile(&request)).await??;
        Ok(match key {
            None => compiled.plan.describe(shards),
            Some(key) => format!("restricted to the shard of key {key}\n{}", compiled.plan.describe(1)),
        })
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
        let shards_total = self.router().shards()?.len() as u32;
        let key = shard_key(&request)?;
        let asked = request.clone();
        let compiled = aside(move || compile(&asked)).await??;
        let (sender, receiver) = mpsc::channel(RESULT_PIECES_BUFFERED);
        let restricted_by = if key.is_some() { "shard_key" } else { "" };
        let summary = Summary { shards_total, restricted_by, kind: compiled.kind(), ..Summary::default() };
        let max = if request.max_results == 0 { MAX_RESULTS_DEFAULT } else { request.max_results };
        let mut output = Output { sender: sender.clone(), max, truncate: request.truncate, summary };
        let this = self.clone();
        tokio::spawn(async move {
            let run = Run { coordinator: &this, request: &request, compiled: &compiled, key, deadline };
            let ended = tokio::select! {
                ended = tokio::time::timeout_at(deadline, run.to_the_end(&mut output)) => ended,
                // Nobody reads any more: what runs for this query stops when it is dropped.
                () = sender.closed() => return,
            };
            let last = match ended {
                Ok(Ok(())) => {
                    output.summary.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                    Ok(ResultPart::Summary(output.summary))
                }
                // A shard may notice first that time is up.
                Ok(Err(_)) if Instant::now() + Duration::from_millis(2) >= deadline => {
                    Err(CoordinatorError::Deadline { limit })
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(CoordinatorError::Deadline { limit }),
            };
            // A reader that has gone wants no summary either.
            drop(sender.send(last).await);
        });
        Ok(receiver)
    }
}

/// The key that restricts a query to one shard: the name of a document.
fn shard_key(request: &QueryRequest) -> Result<Option<DocumentName>, CoordinatorError> {
    match request.shard_key.as_deref() {
        None => Ok(None),
        Some("") => {
            Err(CoordinatorError::Field { field: "shard_key", rule: "it is empty; name a document".to_owned() })
        }
        Some(key) => Ok(Some(DocumentName::parse(key)?)),
    }
}

/// One run of a query.
struct Run<'a> {
    coordinator: &'a Coordinator,
    request: &'a QueryRequest,
    compiled: &'a Compiled,
    key: Option<DocumentName>,
    deadline: Instant,
}

impl Run<'_> {
    /// Strong where that is asked and can be, otherwise stale: all shards in the same way.
    async fn to_the_end(&self, output: &mut Output) -> Result<(), CoordinatorError> {
        let (consistency, at) = (self.request.consistency, self.request.at);
        if consistency != ReadConsistency::Stale {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let ended = match self.coordinator.strong_point(at, left).await {
                Ok(point) => self.at(point, output).await,
                Err(error) => Err(error),
            };
            match ended {
                Err(error) if falls_back(&error, consistency, at) && output.summary.items == 0 => {
                    let Summary { shards_total, restricted_by, kind, .. } = output.summary;
                    output.summary = Summary { shards_total, restricted_by, kind, ..Summary::default() };
                }
                ended => return ended,
            }
        }
        let shards = match &self.compiled.plan {
            Plan::PerDocument(fragment) | Plan::Aggregate(fragment, _) => self.shards(&fragment.container).await?,
            Plan::Here(_) => self.coordinator.router().shards()?,
        };
        // A query that says itself what it reads meets a shard out of reach only if it wants it.
        let partial = self.request.allow_partial || matches!(self.compiled.plan, Plan::Here(_));
        let (point, _) = self.coordinator.stale_point(&shards, self.deadline, partial).await?;
        self.at(point, output).await
    }

    async fn at(&self, point: ReadPoint, output: &mut Output) -> Result<(), CoordinatorError> {
        output.summary.served = point.served.clone();
        let text = &self.request.text;
        match &self.compiled.plan {
            Plan::PerDocument(fragment) => {
                let streams = self.open(fragment, false, &point, output).await?;
                merge(streams, fragment, text, output).await
            }
            Plan::Aggregate(fragment, combine) => {
                let streams = self.open(fragment, true, &point, output).await?;
                let mut partial = Vec::new();
                for (shard, mut stream) in streams {
                    while let Some(part) = stream.next().await {
                        let part = part.map_err(|error| error.for_query(shard, text, Some(fragment)))?;
                        partial.extend(part.values);
                        output.summary.shards.extend(part.summary.map(|summary| (shard, summary)));
                    }
                }
                let (combine, current) = (*combine, moment(self.request.now_ms));
                let style = self.request.style.clone();
                let items = aside(move || combined(combine, partial, current, &style)).await?;
                let items = items.map_err(|error| engine_error(&error, text, None))?;
                drop(output.items(items).await?);
                Ok(())
            }
            Plan::Here(_) => self.here(&point, output).await,
        }
    }

    /// The shards that have documents of the container, as far as the query may ask them.
    async fn shards(&self, container: &str) -> Result<Vec<ShardId>, CoordinatorError> {
        let Some(key) = &self.key else { return self.coordinator.router().shards() };
        let name = ContainerName::parse(container)?;
        // It has to exist, or the key names no shard.
        self.coordinator.known(&name).await?;
        Ok(vec![self.coordinator.router().locate(&name, key)?.id])
    }

    /// Starts a fragment on every shard.
    async fn open(
        &self,
        fragment: &Fragment,
        aggregate: bool,
        point: &ReadPoint,
        output: &mut Output,
    ) -> Result<Vec<(ShardId, FragmentStream)>, CoordinatorError> {
        let (coordinator, deadline, read) = (self.coordinator, self.deadline, point.read);
        let shards = self.shards(&fragment.container).await?;
        let missing = || CoordinatorError::Query {
            code: "FODC0002".to_owned(),
            message: format!("there is no collection {:?}", fragment.container),
            place: None,
        };
        let name = ContainerName::parse(&fragment.container).map_err(|_| missing())?;
        let known = coordinator.known(&name).await.map_err(|error| match error {
            CoordinatorError::ContainerNotFound { .. } => missing(),
            other => other,
        })?;
        let asked = Arc::new(FragmentRequest {
            container: known.id,
            container_name: fragment.container.clone(),
            read,
            query: fragment.text.clone(),
            aggregate,
            variables: self.request.variables.clone(),
            style: self.request.style.clone(),
            current: moment(self.request.now_ms),
        });
        let transport = coordinator.transport();
        let opened = futures::stream::iter(shards).map(|shard| {
            let asked = asked.clone();
            async move {
                let stream = coordinator.ask(shard, deadline, read, |node, left| {
                    let asked = asked.clone();
                    async move { transport.fragment(&node, shard, asked, left).await }
                });
                (shard, stream.await)
            }
        });
        let opened: Vec<_> = opened.buffer_unordered(FAN_OUT_MAX).collect().await;
        let (mut streams, mut failure) = (Vec::new(), None);
        for (shard, stream) in opened {
            match stream {
                Ok(stream) => streams.push((shard, stream)),
                Err(error) if self.request.allow_partial && error.lacks_quorum() => {
                    output.summary.missing.push(shard);
                    failure.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let (Some(error), true) = (failure, streams.is_empty()) {
            return Err(error);
        }
        output.summary.missing.sort();
        output.summary.shards_queried = streams.len() as u32;
        Ok(streams)
    }

    /// Evaluates a query that cannot be split, over documents fetched from the shards.
    async fn here(&self, point: &ReadPoint, output: &mut Output) -> Result<(), CoordinatorError> {
        let (request, deadline) = (self.request, self.deadline);
        let scope = Scope {
            default_container: request.default_container.clone(),
            read: point.read,
            deadline,
            key: self.key.clone(),
            allow_partial: request.allow_partial,
        };
        let fetch = Arc::new(Fetch::new(self.coordinator.clone(), scope));
        let probe: Box<dyn Fn() -> bool + Send + Sync> = Box::new(move || Instant::now() >= deadline);
        let meter = Arc::new(Meter::new(u64::MAX, Some(probe)));
        let mut context = DynamicContext::new(moment(request.now_ms), fetch.clone());
        context.variables = bindings(&request.variables);
        context.meter = meter.clone();
        // Whoever drops this future wants no result any more.
        let _cancel = CancelOnDrop(meter);
        let (query, style) = (self.compiled.query.clone(), request.style.clone());
        let evaluated = aside(move || {
            let sequence = query.run(&context)?;
            let parameters = style.parameters()?;
            let written = sequence.iter().map(|item| serialize(&item, &parameters));
            written.collect::<phoenixmldb_xdm::error::Result<Vec<_>>>()
        });
        let items = evaluated.await?;
        if let Some(error) = fetch.failure() {
            return Err(error);
        }
        let items = items.map_err(|error| engine_error(&error, &request.text, None))?;
        fetch.tell(&mut output.summary);
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let batch: Vec<ResultItem> = items.by_ref().take(RESULT_ITEMS_PER_PIECE).collect();
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
