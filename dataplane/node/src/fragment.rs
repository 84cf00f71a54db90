//! Runs a part of a query over the documents of a replica, on a thread of its own: never on a runtime.
//!
//! ```text
//!  snapshot at the timestamp ─► documents in name order ─► engine ─► pieces ─► bounded channel ─► the coordinator
//! ```
//!
//! A reader that goes away, or is slow, stops or slows the thread at the next piece; the deadline is asked by the meter.

use crate::limits::{FRAGMENT_PIECES_BUFFERED, QUERY_ITEMS_PER_MESSAGE, SCAN_PAGE_DOCUMENTS};
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

/// The documents of a container, page by page.
struct Documents {
    kv: Arc<dyn Kv>,
    shard: ShardId,
    container: ContainerId,
    read_ts: Timestamp,
}

impl Documents {
    /// Hands every document to `each`, in name order, until it says to stop.
    fn each(
        &self,
        mut each: impl FnMut(DocumentName, EncodedDocument) -> Result<bool, TransportError>,
    ) -> Result<(), TransportError> {
        let mut after: Option<DocumentName> = None;
        loop {
            // A view per page: versions at a timestamp do not change, and a long view would keep old files.
            let view = self.kv.snapshot();
            let name = after.as_ref().map(DocumentName::as_str);
            let listed = mvcc::list(&*view, self.shard, self.container, "", name, SCAN_PAGE_DOCUMENTS, self.read_ts);
            let (page, more) = listed.map_err(|error| failed(&error))?;
            after = page.last().map(|(name, _)| name.clone());
            for (name, _) in page {
                let found = read::get(&*view, self.shard, self.container, &name, self.read_ts);
                let found = found.map_err(|error| failed(&error))?;
                if let Some((_, content)) = found
                    && !each(name, content)?
                {
                    return Ok(());
                }
            }
            if !more {
                return Ok(());
            }
        }
    }
}

/// Starts a scan; `permit` is held until it ends.
pub(crate) fn scan(
    kv: Arc<dyn Kv>,
    shard: ShardId,
    container: ContainerId,
    read_ts: Timestamp,
    permit: OwnedSemaphorePermit,
) -> DocumentStream {
    let (sender, receiver) = mpsc::channel(FRAGMENT_PIECES_BUFFERED);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let documents = Documents { kv, shard, container, read_ts };
        let sent = documents.each(|name, content| Ok(sender.blocking_send(Ok((name, content))).is_ok()));
        if let Err(error) = sent {
            drop(sender.blocking_send(Err(error)));
        }
    });
    ReceiverStream::new(receiver).boxed()
}

/// Starts a fragment; `permit` is held until it ends. The replica has been made ready for the timestamp.
pub(crate) fn run(
    kv: Arc<dyn Kv>,
    shard: ShardId,
    node: String,
    request: Arc<FragmentRequest>,
    limit: Duration,
    permit: OwnedSemaphorePermit,
) -> FragmentStream {
    let (sender, receiver) = mpsc::channel(FRAGMENT_PIECES_BUFFERED);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let (container, read_ts) = (request.container, request.read_ts);
        let documents = Documents { kv, shard, container, read_ts };
        match evaluate(&documents, node, &request, limit, &sender) {
            Ok(part) => drop(sender.blocking_send(Ok(part))),
            Err(error) => drop(sender.blocking_send(Err(error))),
        }
    });
    ReceiverStream::new(receiver).boxed()
}

fn evaluate(
    documents: &Documents,
    node: String,
    request: &FragmentRequest,
    limit: Duration,
    sender: &Sender<FragmentPart>,
) -> Result<FragmentPart, TransportError> {
    let started = Instant::now();
    let deadline = started + limit;
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
    context.meter = Arc::new(Meter::new(u64::MAX, Some(Box::new(move || Instant::now() >= deadline))));
    let parameters = request.style.parameters().map_err(|error| query_error(&error))?;
    let mut summary = FragmentSummary { node, ..FragmentSummary::default() };
    let mut values = Vec::new();
    let root = |name: &DocumentName, content: &EncodedDocument| {
        let uri = Str::from(format!("{}/{name}", request.container_name));
        content.to_tree(Some(uri)).map(|tree| Node::root_of(&tree)).map_err(|error| failed(&error))
    };
    if request.aggregate {
        let mut roots = Vec::new();
        documents.each(|name, content| {
            roots.push(Item::Node(root(&name, &content)?));
            Ok(!sender.is_closed())
        })?;
        summary.documents = roots.len() as u64;
        context.variables.insert(variable, Sequence::from(roots));
        let found = query.run(&context).map_err(|error| query_error(&error))?;
        values = found.atomize().map_err(|error| query_error(&error))?;
        summary.items = values.len() as u64;
    } else {
        documents.each(|name, content| {
            summary.documents += 1;
            let root = root(&name, &content)?;
            context.variables.insert(variable.clone(), Sequence::from(vec![Item::Node(root.clone())]));
            let found = query.run(&context).map_err(|error| query_error(&error))?;
            let mut items = Vec::new();
            for item in found.iter() {
                let mut written = serialize(&item, &parameters).map_err(|error| query_error(&error))?;
                if item.as_node().is_some_and(|node| Arc::ptr_eq(&node.tree, &root.tree)) {
                    written.document = format!("{}/{name}", request.container_name);
                }
                items.push(written);
                if items.len() == QUERY_ITEMS_PER_MESSAGE && !send(sender, &name, &mut items) {
                    return Ok(false);
                }
                summary.items += 1;
            }
            Ok(if items.is_empty() { !sender.is_closed() } else { send(sender, &name, &mut items) })
        })?;
    }
    summary.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(FragmentPart { values, summary: Some(summary), ..FragmentPart::default() })
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
    wire::FragmentRequest {
        context,
        shard: shard.0,
        container: request.container.0,
        container_name: request.container_name.clone(),
        read_timestamp: request.read_ts.0,
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
        read_ts: Timestamp(request.read_timestamp),
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
