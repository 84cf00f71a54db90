//! gRPC services of the data role: wire to types and back, and nothing else.
//!
//! The only files here that know tonic, beside `transport.rs`.

mod containers;
mod documents;
mod query;
mod shard;

pub use containers::ContainerRpc;
pub use documents::DocumentRpc;
pub use query::QueryRpc;
pub use shard::ShardRpc;

use phoenixmldb_coordinator::transport::Served;
use phoenixmldb_coordinator::{CoordinatorError, ReadConsistency};
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::v1::{self, Consistency, ReadInfo};
use phoenixmldb_shard::SessionStamp;
use phoenixmldb_types::limits::{REQUEST_DEADLINE_MS_DEFAULT, REQUEST_DEADLINE_MS_MAX};
use phoenixmldb_types::{Code, SessionId};
use std::time::Duration;
use tonic::{Request, Status};

/// How long the caller will wait: its `grpc-timeout`, within bounds.
pub(crate) fn limit<T>(request: &Request<T>) -> Duration {
    let given = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(grpc_timeout);
    let default = Duration::from_millis(REQUEST_DEADLINE_MS_DEFAULT);
    given.unwrap_or(default).min(Duration::from_millis(REQUEST_DEADLINE_MS_MAX))
}

/// `8 digits, one unit`, as the gRPC protocol over HTTP/2 writes it.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number.saturating_mul(3600)),
        "M" => Duration::from_secs(number.saturating_mul(60)),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// A refusal as its caller will see it.
pub(crate) fn status(error: CoordinatorError) -> Status {
    public(&error).into()
}

fn public(error: &CoordinatorError) -> PublicError {
    let mut public = PublicError::new(error.code(), error.to_string()).help(error.help());
    match error {
        CoordinatorError::Malformed { error, .. } => {
            public = public.with("line", error.line).with("column", error.column);
        }
        CoordinatorError::Query { code, place, .. } => {
            public = public.with("xquery_code", code);
            if let Some((line, column)) = place {
                public = public.with("line", line).with("column", column);
            }
        }
        CoordinatorError::VersionConflict { actual, .. } => public = public.with("actual_version", actual),
        CoordinatorError::NoQuorum { shard, answering, silent, since_ms, .. } => {
            public = public.with("shard", shard).with("since_ms", since_ms);
            public = public.with("answering", answering.join(",")).with("silent", silent.join(","));
        }
        CoordinatorError::ShardUnavailable { shard, .. } => public = public.with("shard", shard),
        CoordinatorError::WrongEpoch { shard, epoch } => public = public.with("shard", shard).with("epoch", epoch),
        _ => {}
    }
    public
}

fn invalid(field: &str, rule: impl std::fmt::Display) -> Status {
    PublicError::new(Code::InvalidArgument, format!("{field}: {rule}")).into()
}

/// The session stamp of a write.
fn stamp(id: Option<v1::WriteId>) -> Result<Option<SessionStamp>, Status> {
    let Some(id) = id else { return Ok(None) };
    let session: [u8; 16] =
        id.session.as_ref().try_into().map_err(|_| invalid("write_id.session", "it has to be 16 bytes"))?;
    if id.sequence == 0 {
        return Err(invalid("write_id.sequence", "it counts up from 1"));
    }
    Ok(Some(SessionStamp {
        session: SessionId(u128::from_be_bytes(session)),
        sequence: id.sequence,
        acknowledged_below: id.acknowledged_below,
    }))
}

/// How strong a read has to be.
fn consistency(wire: i32) -> ReadConsistency {
    match Consistency::try_from(wire) {
        Ok(Consistency::Strong) => ReadConsistency::Strong,
        Ok(Consistency::Stale) => ReadConsistency::Stale,
        Ok(Consistency::Unspecified) | Err(_) => ReadConsistency::Auto,
    }
}

fn read_info(served: &Served, now_ms: u64) -> ReadInfo {
    let age_ms = if served.stale { now_ms.saturating_sub(served.read_ts.ms()) } else { 0 };
    let consistency = if served.stale { Consistency::Stale } else { Consistency::Strong };
    ReadInfo {
        read_timestamp: served.read_ts.0,
        consistency: consistency.into(),
        age_ms,
        applied_index: served.applied_index,
        last_leader_contact_ms: served.last_leader_contact_ms,
        node: served.node.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(grpc_timeout("100m"), Some(Duration::from_millis(100)));
        assert_eq!(grpc_timeout("30S"), Some(Duration::from_secs(30)));
        assert_eq!(grpc_timeout("1H"), Some(Duration::from_secs(3600)));
        for bad in ["", "m", "5", "x5m", "5y", "ä"] {
            assert_eq!(grpc_timeout(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_deadline_has_a_default_and_a_bound() {
        let mut request = Request::new(());
        assert_eq!(limit(&request), Duration::from_millis(REQUEST_DEADLINE_MS_DEFAULT));
        request.metadata_mut().insert("grpc-timeout", "99999H".parse().unwrap());
        assert_eq!(limit(&request), Duration::from_millis(REQUEST_DEADLINE_MS_MAX));
    }

    #[test]
    fn a_write_id_is_whole_or_refused() {
        assert_eq!(stamp(None).unwrap(), None);
        let id = v1::WriteId { session: vec![0; 15].into(), sequence: 1, acknowledged_below: 0 };
        assert!(stamp(Some(id)).unwrap_err().message().contains("16 bytes"));
        let id = v1::WriteId { session: vec![0; 16].into(), sequence: 0, acknowledged_below: 0 };
        assert!(stamp(Some(id)).unwrap_err().message().contains("from 1"));
    }
}
