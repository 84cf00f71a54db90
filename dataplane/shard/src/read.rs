//! Documents at a timestamp. The caller has made sure that nothing at or below it is still to come.

use phoenixmldb_store::mvcc::{self, Record, VersionInfo};
use phoenixmldb_store::{EncodedDocument, KvError, Snapshot, keyspace};
use phoenixmldb_types::{ContainerId, DocumentName, ShardId, Timestamp};

/// The document that `at` sees; `None` when there is none.
pub fn get(
    snapshot: &dyn Snapshot,
    shard: ShardId,
    container: ContainerId,
    name: &DocumentName,
    at: Timestamp,
) -> Result<Option<(VersionInfo, EncodedDocument)>, KvError> {
    let document = keyspace::document(shard, container, name);
    let Some(info) = mvcc::record_at(snapshot, &document, at)?.and_then(Record::into_put) else { return Ok(None) };
    let content = mvcc::load(snapshot, &document, &info)?;
    Ok(Some((info, content)))
}

/// What is known of the document without reading its content.
pub fn info(
    snapshot: &dyn Snapshot,
    shard: ShardId,
    container: ContainerId,
    name: &DocumentName,
    at: Timestamp,
) -> Result<Option<VersionInfo>, KvError> {
    let document = keyspace::document(shard, container, name);
    Ok(mvcc::record_at(snapshot, &document, at)?.and_then(Record::into_put))
}
