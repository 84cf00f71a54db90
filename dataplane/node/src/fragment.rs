//! Runs a part of a query over the documents of a replica, on a thread of its own: never on a runtime.
//!
//! ```text
//!  snapshot at the timestamp ─► documents in name order ─► engine ─► pieces ─► bounded channel ─► the coordinator
//! ```
//!
//! A slow reader slows the thread at the next piece. The engine's meter asks again and again whether the deadline has
//! passed or the reader has gone: then the thread ends.

use crate::limits::{FRAGMENT_PIECE_BYTES, FRAGMENT_PIECES_BUFFERED, QUERY_ITEMS_PER_MESSAGE, SCAN_PAGE_DOCUMENTS};
use crate::meter::{NodeMeter, one};
use crate::transfer::Unreplaced;
use crate::transport::{read_from_wire, read_to_wire};
use futures::StreamExt;
use phoenixmldb_coordinator::items::{ResultItem, Style, serialize, value_from_wire, value_to_wire};
use phoenixmldb_coordinator::transport::{
    DocumentStream, FragmentPart, FragmentRequest, FragmentStream, FragmentSummary, TransportError,
};
use phoenixmldb_proto::internal::{self as wire, AtomicValue, Binding, FragmentItem, FragmentResponse, RequestContext};
use phoenixmldb_shard::read;
use phoenixmldb_store::{EncodedDocument, Kv, mvcc};
use phoenixmldb_types::{ContainerId, DocumentName, ShardId, Timestamp};
use phoenixmldb_xdm::atomic::{Atomic, AtomicType};
use phoenixmldb_xdm::{Item, Meter, Node, QName, Sequence, Str};
use phoenixmldb_xquery::distribute::documents_variable;
use phoenixmldb_xquery::{DynamicContext, NoResolver, Options, Query};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

type Sender<T> = mpsc::Sender<Result<T, TransportError>>;

fn failed(error: &dyn std::fmt::Display) -> TransportError {
    TransportError::Failed(error.to_string())
}

fn query_error(error: &phoenixmldb_xdm::Error) -> TransportError {
    let code = if error.code.uri == phoenixmldb_xdm::error::ERROR_NAMESPACE {
        error.code.local.to_string()
    } else {
        format!("Q{{{}}}{}", error.code.uri, error.code.local)
    };
    TransportError::Query { code, message: error.message.clone(), offset: error.span.map(|(start, _)| start) }
}

/// The documents of a container in a replica, page by page.
pub(crate) struct Documents {
    kv: Arc<dyn Kv>,
    meter: Arc<NodeMeter>,
    unreplaced: Unreplaced,
    shard: ShardId,
    container: ContainerId,
    read_ts: Timestamp,
}

impl Documents {
    /// The replica has been made ready for the timestamp, after `unreplaced` was looked at.
    pub(crate) fn new(
        kv: Arc<dyn Kv>,
        meter: Arc<NodeMeter>,
        unreplaced: Unreplaced,
        (shard, container, read_ts): (ShardId, ContainerId, Timestamp),
    ) -> Self {
        Self { kv, meter, unreplaced, shard, container, read_ts }
    }

    /// Hands every document to `each`, in name order, until it says to stop; whether it went to the end.
    fn each(
        &self,
        mut each: impl FnMut(DocumentName, EncodedDocument) -> Result<bool, TransportError>,
    ) -> Result<bool, TransportError> {
        let mut after: Option<DocumentName> = None;
        loop {
            // A view per page: versions at a timestamp do not change, and a long view would keep old files.
            let view = self.kv.snapshot();
            if !self.unreplaced.holds() {
                return Err(TransportError::Unreachable("its replica is being replaced by a snapshot".to_owned()));
            }
            let name = after.as_ref().map(DocumentName::as_str);
            let listed = mvcc::list(&*view, self.shard, self.container, "", name, SCAN_PAGE_DOCUMENTS, self.read_ts);
            let (page, more) = listed.map_err(|error| failed(&error))?;
            after = page.last().map(|(name, _)| name.clone());
            for (name, _) in page {
                let found = read::get(&*view, self.shard, self.container, &name, self.read_ts);
                let found = found.map_err(|error| failed(&error))?;
                self.meter.fragment_documents.fetch_add(1, Ordering::Relaxed);
                if let Some((_, content)) = found
                    && !each(name, content)?
                {
                    return Ok(false);
                }
            }
            if !more {
                return Ok(true);
            }
        }
    }
}

/// Starts a scan; `permit` is held until it ends.
pub(crate) fn scan(documents: Documents, permit: OwnedSemaphorePermit) -> DocumentStream {
    let (sender, receiver) = mpsc::channel(FRAGMENT_PIECES_BUFFERED);
    let running = documents.meter.fragment();
    tokio::task::spawn_blocking(move || {
        let (_permit, _running) = (permit, running);
        match documents.each(|name, content| Ok(sender.blocking_send(Ok((name, content))).is_ok())) {
            Ok(true) => {}
            Ok(false) => one(&documents.meter.fragments_cut_short),
            Err(error) => drop(sender.blocking_send(Err(error))),
        }
    });
    ReceiverStream::new(receiver).boxed()
}

/// Starts a fragment; `permit` is held until it ends.
pub(crate) fn run(
    documents: Documents,
    node: String,
    request: Arc<FragmentRequest>,
    limit: Duration,
    permit: OwnedSemaphorePermit,
) -> FragmentStream {
    let (sender, receiver) = mpsc::channel(FRAGMENT_PIECES_BUFFERED);
    let running = documents.meter.fragment();
    let deadline = Instant::now() + limit;
    tokio::task::spawn_blocking(move || {
        let (_permit, _running) = (permit, running);
        let ended = evaluate(&documents, node, &request, deadline, &sender);
        if sender.is_closed() || Instant::now() >= deadline {
            one(&documents.meter.fragments_cut_short);
        }
        drop(sender.blocking_send(ended));
    });
    ReceiverStream::new(receiver).boxed()
}

fn evaluate(
    documents: &Documents,
    node: String,
    request: &FragmentRequest,
    deadline: Instant,
    sender: &Sender<FragmentPart>,
) -> Result<FragmentPart, TransportError> {
    let started = Instant::now();
    let variable = documents_variable();
    let options = Options {
        variables: vec![(variable.clone(), phoenixmldb_xdm::types::SequenceType::ANY)],
        ..Options::default()
    };
    let query = Query::compile(&request.query, &options, &NoResolver).map_err(|error| query_error(&error))?;
    let mut context = DynamicContext::new(request.current, Arc::new(NoResolver));
    let sequence = |values: &[Atomic]| Sequence::from(values.iter().cloned().map(Item::Atomic).collect::<Vec<_>>());
    context.variables =
        request.variables.iter().map(|(name, values)| (name.clone(), sequence(values))).collect::<HashMap<_, _>>();
    let reader = sender.clone();
    let unwanted = move || Instant::now() >= deadline || reader.is_closed();
    context.meter = Arc::new(Meter::new(u64::MAX, Some(Box::new(unwanted.clone()))));
    let parameters = request.style.parameters().map_err(|error| query_error(&error))?;
    let mut summary = FragmentSummary { node, ..FragmentSummary::default() };
    let mut values = Vec::new();
    let root = |name: &DocumentName, content: &EncodedDocument| {
        let uri = Str::from(format!("{}/{name}", request.container_name));
        content.to_tree(Some(uri)).map(|tree| Node::root_of(&tree)).map_err(|error| failed(&error))
    };
    if request.aggregate {
        let mut roots = Vec::new();
        let whole = documents.each(|name, content| {
            roots.push(Item::Node(root(&name, &content)?));
            Ok(!unwanted())
        })?;
        if !whole {
            return Err(cut_short());
        }
        summary.documents = roots.len() as u64;
        context.variables.insert(variable, Sequence::from(roots));
        let found = query.run(&context).map_err(|error| query_error(&error))?;
        values = found.atomize().map_err(|error| query_error(&error))?;
        summary.items = values.len() as u64;
    } else {
        let whole = documents.each(|name, content| {
            summary.documents += 1;
            let root = root(&name, &content)?;
            context.variables.insert(variable.clone(), Sequence::from(vec![Item::Node(root.clone())]));
            let found = query.run(&context).map_err(|error| query_error(&error))?;
            let (mut items, mut bytes) = (Vec::new(), 0);
            for item in found.iter() {
                let mut written = serialize(&item, &parameters).map_err(|error| query_error(&error))?;
                if item.as_node().is_some_and(|node| Arc::ptr_eq(&node.tree, &root.tree)) {
                    written.document = format!("{}/{name}", request.container_name);
                }
                bytes += written.text.len();
                items.push(written);
                summary.items += 1;
                if items.len() == QUERY_ITEMS_PER_MESSAGE || bytes >= FRAGMENT_PIECE_BYTES {
                    bytes = 0;
                    if !send(sender, &name, &mut items) {
                        return Ok(false);
                    }
                }
            }
            Ok(!unwanted() && (items.is_empty() || send(sender, &name, &mut items)))
        })?;
        if !whole {
            return Err(cut_short());
        }
    }
    summary.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(FragmentPart { values, summary: Some(summary), ..FragmentPart::default() })
}

/// The result is not whole, whoever still wants it.
fn cut_short() -> TransportError {
    TransportError::Unreachable("the deadline has passed".to_owned())
}

/// Sends the items of a document; false when nobody reads any more.
fn send(sender: &Sender<FragmentPart>, name: &DocumentName, items: &mut Vec<ResultItem>) -> bool {
    let (document, items) = (name.to_string(), std::mem::take(items));
    sender.blocking_send(Ok(FragmentPart { document, items, ..FragmentPart::default() })).is_ok()
}

fn values_to_wire(values: &[Atomic]) -> Vec<AtomicValue> {
    let value = |value: &Atomic| {
        let (r#type, lexical) = value_to_wire(value);
        AtomicValue { r#type, lexical }
    };
    values.iter().map(value).collect()
}

fn values_from_wire(values: &[AtomicValue]) -> Result<Vec<Atomic>, TransportError> {
    let value = |value: &AtomicValue| value_from_wire(&value.r#type, &value.lexical);
    values.iter().map(value).collect::<phoenixmldb_xdm::error::Result<_>>().map_err(|error| failed(&error.message))
}

/// A request for the wire.
pub(crate) fn request_to_wire(
    context: Option<RequestContext>,
    shard: ShardId,
    request: &FragmentRequest,
) -> wire::FragmentRequest {
    let binding = |(name, values): &(QName, Vec<Atomic>)| Binding {
        namespace: name.uri.to_string(),
        local: name.local.to_string(),
        values: values_to_wire(values),
    };
    let (read_timestamp, stale) = read_to_wire(request.read);
    wire::FragmentRequest {
        context,
        shard: shard.0,
        container: request.container.0,
        container_name: request.container_name.clone(),
        read_timestamp,
        stale,
        query: request.query.clone(),
        aggregate: request.aggregate,
        variables: request.variables.iter().map(binding).collect(),
        method: request.style.method.clone(),
        indent: request.style.indent,
        current: Atomic::DateTime(request.current, AtomicType::DateTime).to_str().to_string(),
    }
}

/// A request from the wire.
pub(crate) fn request_from_wire(request: &wire::FragmentRequest) -> Result<FragmentRequest, TransportError> {
    let Ok(Atomic::DateTime(current, _)) = value_from_wire("dateTime", &request.current) else {
        return Err(failed(&format!("{:?} is no xs:dateTime", request.current)));
    };
    let variables = request
        .variables
        .iter()
        .map(|binding| Ok((QName::new("", &*binding.namespace, &*binding.local), values_from_wire(&binding.values)?)))
        .collect::<Result<_, TransportError>>()?;
    Ok(FragmentRequest {
        container: ContainerId(request.container),
        container_name: request.container_name.clone(),
        read: read_from_wire(request.read_timestamp, request.stale),
        query: request.query.clone(),
        aggregate: request.aggregate,
        variables,
        style: Style { method: request.method.clone(), indent: request.indent },
        current,
    })
}

/// A piece for the wire.
pub(crate) fn part_to_wire(part: FragmentPart) -> FragmentResponse {
    let item = |item: ResultItem| FragmentItem { stored: !item.document.is_empty(), text: item.text, kind: item.kind };
    let summary = |summary: FragmentSummary| wire::FragmentSummary {
        documents: summary.documents,
        items: summary.items,
        elapsed_us: summary.elapsed_us,
        node: summary.node,
    };
    // Items know container and name; the name alone orders them.
    let container = part.items.iter().find_map(|item| item.document.strip_suffix(&part.document)).unwrap_or_default();
    FragmentResponse {
        container: container.to_owned(),
        values: values_to_wire(&part.values),
        summary: part.summary.map(summary),
        items: part.items.into_iter().map(item).collect(),
        document: part.document,
    }
}

/// A piece from the wire.
pub(crate) fn part_from_wire(part: FragmentResponse) -> Result<FragmentPart, TransportError> {
    let whole = format!("{}{}", part.container, part.document);
    let item = |item: FragmentItem| ResultItem {
        text: item.text,
        kind: item.kind,
        document: if item.stored { whole.clone() } else { String::new() },
    };
    let summary = |summary: wire::FragmentSummary| FragmentSummary {
        documents: summary.documents,
        items: summary.items,
        elapsed_us: summary.elapsed_us,
        node: summary.node,
    };
    Ok(FragmentPart {
        values: values_from_wire(&part.values)?,
        items: part.items.into_iter().map(item).collect(),
        summary: part.summary.map(summary),
        document: part.document,
    })
}
