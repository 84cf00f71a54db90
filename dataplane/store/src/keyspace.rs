//! Every key, in one table. All begin with the shard's number (u32), so that a shard is one range of each family.
//!
//! | family | key after the shard | value |
//! |---|---|---|
//! | `lock`  | container (u64), name | transaction, anchor, start, deadline, operation, blocks written |
//! | `write` | container, name, commit timestamp descending | kind, version (the writer's start), header |
//! | `blk`   | container, name, version (u64), label (u32) | one encoded block |
//! | `index` | index, value, container, name, version | posting |
//! | `txn`   | part (u8), start timestamp (u64) | record, this shard's part, or a mark of an unfinished record |
//! | `session` | session id (u128), sequence number (u64) | outcome of a write |
//! | `meta`  | tag (u8) | applied position, resolved timestamp, safe point, hash range and epoch, counters |
//!
//! Documents of a container are neighbours in name order, which is document order across documents. Container ids are
//! never reused, so a container that is dropped and created again cannot see what was there before.

use crate::codec::{Reader, Writer};
use crate::kv::{Cf, KvError};
use phoenixmldb_types::{ContainerId, DocumentName, SessionId, ShardId, Timestamp};
use std::ops::Range;

/// Version of all keys and values of the document database.
pub const FORMAT: u8 = 1;

/// Facts about a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum MetaTag {
    /// Position of the replicated log after the last batch, opaque.
    Position = 1,
    /// Nothing will commit at or below this timestamp any more.
    Resolved = 2,
    /// Versions below may be gone.
    SafePoint = 3,
    /// Hash range, epoch and containers.
    Configuration = 4,
    /// Below it no transaction record may be created.
    RecordWatermark = 5,
    /// Largest commit timestamp applied.
    LastCommit = 6,
}

/// What the family of transactions holds, each under the start timestamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TxnPart {
    /// The transaction record, on its anchor.
    Record = 0,
    /// What this shard has promised and done.
    Participant = 1,
    /// Marks a record whose transaction still has something to do somewhere.
    Open = 2,
}

fn shard(shard: ShardId) -> Writer {
    Writer::new().u32(shard.0)
}

/// All keys of a shard.
#[must_use]
pub fn shard_range(id: ShardId) -> Range<Vec<u8>> {
    shard(id).finish()..Writer::new().u64(u64::from(id.0 + 1) << 32).finish()[..4].to_vec()
}

/// The document part of a key: shard, container, name.
#[must_use]
pub fn document(id: ShardId, container: ContainerId, name: &DocumentName) -> Vec<u8> {
    shard(id).u64(container.0).key_text(name.as_str()).finish()
}

/// The keys of a container in any family whose keys begin with container and name.
#[must_use]
pub fn container_range(id: ShardId, container: ContainerId) -> Range<Vec<u8>> {
    shard(id).u64(container.0).finish()..shard(id).u64(container.0 + 1).finish()
}

/// The keys of the documents of a container whose names begin with `prefix` and come after `after`.
#[must_use]
pub fn name_range(id: ShardId, container: ContainerId, prefix: &str, after: Option<&str>) -> Range<Vec<u8>> {
    let head = shard(id).u64(container.0);
    let first = head.clone().raw(prefix.as_bytes()).finish();
    // 0xFF is no byte of UTF-8, so it is above every name with this prefix.
    let end = head.clone().raw(prefix.as_bytes()).u8(0xFF).finish();
    let start = match after {
        // Every key of the document itself has the terminator 0, 0; a longer name goes on with a byte above 0.
        Some(after) => head.raw(after.as_bytes()).u8(0).u8(1).finish().max(first),
        None => first,
    };
    start..end
}

/// The newest version at or below a timestamp is the first key of this range.
#[must_use]
pub fn versions(document: &[u8], at: Timestamp) -> Range<Vec<u8>> {
    Writer::new().raw(document).descending(at.0).finish()..Writer::new().raw(document).u8(0xFF).u64(u64::MAX).finish()
}

/// The write record of one version.
#[must_use]
pub fn version(document: &[u8], commit: Timestamp) -> Vec<u8> {
    Writer::new().raw(document).descending(commit.0).finish()
}

/// One block of one version.
#[must_use]
pub fn block(document: &[u8], version: Timestamp, label: u32) -> Vec<u8> {
    Writer::new().raw(document).u64(version.0).u32(label).finish()
}

/// All blocks of one version.
#[must_use]
pub fn blocks(document: &[u8], version: Timestamp) -> Range<Vec<u8>> {
    Writer::new().raw(document).u64(version.0).finish()
        ..Writer::new().raw(document).u64(version.0).u64(u64::MAX).finish()
}

/// Outcome of one write of a session.
#[must_use]
pub fn session(id: ShardId, session: SessionId, sequence: u64) -> Vec<u8> {
    shard(id).u128(session.0).u64(sequence).finish()
}

/// Outcomes of a session from one sequence number to before another.
#[must_use]
pub fn session_range(id: ShardId, session_id: SessionId, from: u64, to: u64) -> Range<Vec<u8>> {
    session(id, session_id, from)..session(id, session_id, to)
}

/// What a shard holds of a transaction.
#[must_use]
pub fn transaction(id: ShardId, part: TxnPart, start: Timestamp) -> Vec<u8> {
    shard(id).u8(part as u8).u64(start.0).finish()
}

/// That part of all transactions that began before `to`.
#[must_use]
pub fn transactions(id: ShardId, part: TxnPart, to: Timestamp) -> Range<Vec<u8>> {
    transaction(id, part, Timestamp::ZERO)..transaction(id, part, to)
}

/// Start timestamp of a key in [`Cf::Txn`].
pub fn parse_transaction(key: &[u8]) -> Result<Timestamp, KvError> {
    let mut reader = Reader::new("transaction key", key);
    reader.u32()?;
    reader.u8()?;
    Ok(Timestamp(reader.u64()?))
}

/// A fact about the shard.
#[must_use]
pub fn meta(id: ShardId, tag: MetaTag) -> Vec<u8> {
    shard(id).u8(tag as u8).finish()
}

/// Container, name and commit timestamp of a key in [`Cf::Write`].
pub fn parse_version(key: &[u8]) -> Result<(ContainerId, DocumentName, Timestamp), KvError> {
    let mut reader = Reader::new("version key", key);
    reader.u32()?;
    let container = ContainerId(reader.u64()?);
    let name = reader.key_text()?;
    let name = DocumentName::parse(&name).map_err(|error| KvError::damaged("version key", error.to_string()))?;
    Ok((container, name, Timestamp(reader.descending()?)))
}

/// Container and name of a key in [`Cf::Lock`].
pub fn parse_document(key: &[u8]) -> Result<(ContainerId, DocumentName), KvError> {
    let mut reader = Reader::new("lock key", key);
    reader.u32()?;
    let container = ContainerId(reader.u64()?);
    let name = reader.key_text()?;
    let name = DocumentName::parse(&name).map_err(|error| KvError::damaged("lock key", error.to_string()))?;
    Ok((container, name))
}

/// Families whose keys begin with shard, container and document name.
pub const BY_DOCUMENT: [Cf; 3] = [Cf::Lock, Cf::Write, Cf::Block];

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Vec<u8> {
        document(ShardId(3), ContainerId(9), &DocumentName::parse(name).unwrap())
    }

    #[test]
    fn a_shard_is_a_range_and_so_is_a_container() {
        for in_range in [key("a"), key("z/é"), meta(ShardId(3), MetaTag::Position)] {
            assert!(shard_range(ShardId(3)).contains(&in_range));
            assert!(!shard_range(ShardId(4)).contains(&in_range));
        }
        assert!(container_range(ShardId(3), ContainerId(9)).contains(&key("a")));
        assert!(!container_range(ShardId(3), ContainerId(8)).contains(&key("a")));
    }

    #[test]
    fn newer_versions_come_first_and_do_not_mix_with_longer_names() {
        let a = key("a");
        let range = versions(&a, Timestamp(5));
        assert!(range.contains(&version(&a, Timestamp(5))));
        assert!(range.contains(&version(&a, Timestamp(0))));
        assert!(!range.contains(&version(&a, Timestamp(6))));
        assert!(version(&a, Timestamp(6)) < version(&a, Timestamp(5)));
        assert!(!range.contains(&version(&key("aa"), Timestamp(3))));
        assert!(!range.contains(&version(&key("a/b"), Timestamp(3))));
    }

    #[test]
    fn a_prefix_selects_names_and_a_page_goes_on_after_its_last_name() {
        let all = name_range(ShardId(3), ContainerId(9), "o", None);
        assert!(all.contains(&version(&key("o1"), Timestamp(1))));
        assert!(!all.contains(&version(&key("n"), Timestamp(1))));
        assert!(!all.contains(&version(&key("p"), Timestamp(1))));
        let rest = name_range(ShardId(3), ContainerId(9), "o", Some("o1"));
        assert!(!rest.contains(&version(&key("o1"), Timestamp(0))));
        assert!(!rest.contains(&version(&key("o1"), Timestamp::MAX)));
        assert!(rest.contains(&version(&key("o10"), Timestamp::MAX)));
        assert!(rest.contains(&version(&key("o2"), Timestamp(1))));
    }

    #[test]
    fn version_keys_come_back() {
        let (container, name, at) = parse_version(&version(&key("x/y.xml"), Timestamp(77))).unwrap();
        assert_eq!((container, name.as_str(), at), (ContainerId(9), "x/y.xml", Timestamp(77)));
    }

    #[test]
    fn keys_of_locks_and_transactions_come_back() {
        let (container, name) = parse_document(&key("x/y.xml")).unwrap();
        assert_eq!((container, name.as_str()), (ContainerId(9), "x/y.xml"));
        let record = transaction(ShardId(3), TxnPart::Record, Timestamp(5));
        assert_eq!(parse_transaction(&record).unwrap(), Timestamp(5));
        let range = transactions(ShardId(3), TxnPart::Record, Timestamp(6));
        assert!(range.contains(&record));
        assert!(!range.contains(&transaction(ShardId(3), TxnPart::Record, Timestamp(6))));
        assert!(!range.contains(&transaction(ShardId(3), TxnPart::Participant, Timestamp(5))));
    }
}
