//! Versions of documents: which one a timestamp sees, and how one is written.
//!
//! A version is one record in `write` and its blocks in `blk`. The record's directory names each block by label and
//! version, so that a later version may share blocks with an earlier one. Deleting writes a record without blocks.
//! A version is visible from its commit timestamp on. A transaction stages its blocks under its start timestamp, before
//! it knows when it commits; publishing them writes the record alone.

use crate::codec::{Reader, Writer};
use crate::document::EncodedDocument;
use crate::keyspace::{self, FORMAT};
use crate::kv::{Cf, KvError, Overlay, Snapshot};
use crate::limits::LIST_ENTRIES_MAX;
use phoenixmldb_types::{ContainerId, DocumentName, ShardId, Timestamp};

/// What is known of a version without reading its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// When it became visible; also the document's version number for clients.
    pub commit_ts: Timestamp,
    /// When the first version of this life of the document became visible.
    pub created_ts: Timestamp,
    /// Size of the text it came from, in bytes.
    pub text_bytes: u64,
    /// Number of nodes.
    pub nodes: u64,
    /// Equal for equal content.
    pub content_hash: u64,
    /// Label and version of each block, in order.
    pub directory: Vec<(u32, Timestamp)>,
}

/// A record in `write`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The document has this content.
    Put(VersionInfo),
    /// The document does not exist.
    Delete {
        /// Since when.
        commit_ts: Timestamp,
    },
}

impl Record {
    /// When it became visible.
    #[must_use]
    pub fn commit_ts(&self) -> Timestamp {
        match self {
            Self::Put(info) => info.commit_ts,
            Self::Delete { commit_ts } => *commit_ts,
        }
    }

    /// The version, unless it is a deletion.
    #[must_use]
    pub fn into_put(self) -> Option<VersionInfo> {
        match self {
            Self::Put(info) => Some(info),
            Self::Delete { .. } => None,
        }
    }

    /// As bytes; the commit timestamp is not among them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Delete { .. } => Writer::new().u8(FORMAT).u8(0).finish(),
            Self::Put(info) => {
                let mut writer = Writer::new()
                    .u8(FORMAT)
                    .u8(1)
                    .u64(info.created_ts.0)
                    .varint(info.text_bytes)
                    .varint(info.nodes)
                    .u64(info.content_hash)
                    .varint(info.directory.len() as u64);
                for (label, version) in &info.directory {
                    writer = writer.varint(u64::from(*label)).u64(version.0);
                }
                writer.finish()
            }
        }
    }

    /// What [`Record::encode`] made, committed at `commit_ts`.
    pub fn decode(bytes: &[u8], commit_ts: Timestamp) -> Result<Self, KvError> {
        let mut reader = Reader::new("version", bytes);
        reader.version(FORMAT)?;
        match reader.u8()? {
            0 => Ok(Self::Delete { commit_ts }),
            1 => {
                let created_ts = Timestamp(reader.u64()?);
                let (text_bytes, nodes, content_hash) = (reader.varint()?, reader.varint()?, reader.u64()?);
                let count = reader.length()?;
                let mut directory = Vec::with_capacity(count.min(4096));
                for _ in 0..count {
                    let label = u32::try_from(reader.varint()?);
                    let label = label.map_err(|_| KvError::damaged("version", "a block label is too large"))?;
                    directory.push((label, Timestamp(reader.u64()?)));
                }
                Ok(Self::Put(VersionInfo { commit_ts, created_ts, text_bytes, nodes, content_hash, directory }))
            }
            kind => Err(KvError::damaged("version", format!("kind {kind} is not known"))),
        }
    }
}

/// The record that `at` sees; `None` when the document did not exist yet.
pub fn record_at(snapshot: &dyn Snapshot, document: &[u8], at: Timestamp) -> Result<Option<Record>, KvError> {
    let mut versions = snapshot.scan(Cf::Write, keyspace::versions(document, at));
    let Some((key, value)) = versions.next().transpose()? else { return Ok(None) };
    let (_, _, commit_ts) = keyspace::parse_version(&key)?;
    Record::decode(&value, commit_ts).map(Some)
}

/// Reads the blocks of a version. Error: a block is missing or damaged.
pub fn load(snapshot: &dyn Snapshot, document: &[u8], info: &VersionInfo) -> Result<EncodedDocument, KvError> {
    let mut blocks = Vec::with_capacity(info.directory.len());
    for (label, version) in &info.directory {
        let block = snapshot.get(Cf::Block, &keyspace::block(document, *version, *label))?;
        let block = block.ok_or_else(|| KvError::damaged("document", "a block is missing"))?;
        blocks.push(block.to_vec());
    }
    let VersionInfo { text_bytes, nodes, content_hash, .. } = *info;
    Ok(EncodedDocument { text_bytes, nodes, content_hash, blocks })
}

/// Documents of a container that `at` sees, in name order: those whose names begin with `prefix` and come after `after`.
///
/// At most `limit` (and never more than [`LIST_ENTRIES_MAX`]); the second value says whether there are more.
pub fn list(
    snapshot: &dyn Snapshot,
    shard: ShardId,
    container: ContainerId,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    at: Timestamp,
) -> Result<(Vec<(DocumentName, VersionInfo)>, bool), KvError> {
    let limit = limit.min(LIST_ENTRIES_MAX);
    let mut found: Vec<(DocumentName, VersionInfo)> = Vec::new();
    let mut decided: Option<DocumentName> = None;
    for pair in snapshot.scan(Cf::Write, keyspace::name_range(shard, container, prefix, after)) {
        let (key, value) = pair?;
        let (_, name, commit_ts) = keyspace::parse_version(&key)?;
        if commit_ts > at || decided.as_ref() == Some(&name) {
            continue;
        }
        decided = Some(name.clone());
        if let Some(info) = Record::decode(&value, commit_ts)?.into_put() {
            if found.len() == limit {
                return Ok((found, true));
            }
            found.push((name, info));
        }
    }
    Ok((found, false))
}

/// Documents of a container that `at` sees in the shard, and the bytes of the texts they came from.
pub fn count(
    snapshot: &dyn Snapshot,
    shard: ShardId,
    container: ContainerId,
    at: Timestamp,
) -> Result<(u64, u64), KvError> {
    let (mut documents, mut bytes) = (0, 0);
    let mut decided: Option<DocumentName> = None;
    for pair in snapshot.scan(Cf::Write, keyspace::container_range(shard, container)) {
        let (key, value) = pair?;
        let (_, name, commit_ts) = keyspace::parse_version(&key)?;
        if commit_ts > at || decided.as_ref() == Some(&name) {
            continue;
        }
        decided = Some(name);
        if let Some(info) = Record::decode(&value, commit_ts)?.into_put() {
            documents += 1;
            bytes += info.text_bytes;
        }
    }
    Ok((documents, bytes))
}

/// Containers that have anything in a shard, ascending.
pub fn containers(snapshot: &dyn Snapshot, shard: ShardId) -> Result<Vec<ContainerId>, KvError> {
    let mut found = Vec::new();
    let mut range = keyspace::shard_range(shard);
    // One look per container: behind the first key found, on to the next container.
    while let Some(pair) = snapshot.scan(Cf::Write, range.clone()).next() {
        let (container, _, _) = keyspace::parse_version(&pair?.0)?;
        range.start = keyspace::container_range(shard, container).end;
        found.push(container);
    }
    Ok(found)
}

/// Writes a version that becomes visible at `commit_ts`. Returns what was written.
///
/// The caller has checked that no newer version exists.
pub fn put(
    overlay: &mut Overlay<'_>,
    document: &[u8],
    content: &EncodedDocument,
    commit_ts: Timestamp,
) -> Result<VersionInfo, KvError> {
    let staged = stage(overlay, document, content, commit_ts);
    publish(overlay, document, staged, commit_ts)
}

/// Writes the blocks of a version that is not visible yet, and may never be. Returns what [`publish`] needs.
pub fn stage(overlay: &mut Overlay<'_>, document: &[u8], content: &EncodedDocument, version: Timestamp) -> VersionInfo {
    let mut directory = Vec::with_capacity(content.blocks.len());
    for (label, block) in (0u32..).zip(&content.blocks) {
        overlay.put(Cf::Block, keyspace::block(document, version, label), block.clone());
        directory.push((label, version));
    }
    let EncodedDocument { text_bytes, nodes, content_hash, .. } = *content;
    let (commit_ts, created_ts) = Default::default();
    VersionInfo { commit_ts, created_ts, text_bytes, nodes, content_hash, directory }
}

/// Makes a staged version visible at `commit_ts`. Returns what was written.
///
/// The caller has checked that no newer version exists.
pub fn publish(
    overlay: &mut Overlay<'_>,
    document: &[u8],
    staged: VersionInfo,
    commit_ts: Timestamp,
) -> Result<VersionInfo, KvError> {
    let before = record_at(overlay, document, Timestamp::MAX)?.and_then(Record::into_put);
    let created_ts = before.map_or(commit_ts, |before| before.created_ts);
    let info = VersionInfo { commit_ts, created_ts, ..staged };
    overlay.put(Cf::Write, keyspace::version(document, commit_ts), Record::Put(info.clone()).encode());
    Ok(info)
}

/// Removes the blocks of a staged version that will never be visible.
pub fn discard(overlay: &mut Overlay<'_>, document: &[u8], staged: &VersionInfo) {
    for (label, version) in &staged.directory {
        overlay.delete(Cf::Block, keyspace::block(document, *version, *label));
    }
}

/// Writes a deletion that becomes visible at `commit_ts`.
pub fn delete(overlay: &mut Overlay<'_>, document: &[u8], commit_ts: Timestamp) {
    overlay.put(Cf::Write, keyspace::version(document, commit_ts), Record::Delete { commit_ts }.encode());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::Kv;
    use crate::memory::MemoryKv;
    use phoenixmldb_xdm::ParseOptions;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const SHARD: ShardId = ShardId(2);
    const CONTAINER: ContainerId = ContainerId(7);

    fn key(name: &str) -> Vec<u8> {
        keyspace::document(SHARD, CONTAINER, &DocumentName::parse(name).unwrap())
    }

    fn write(kv: &MemoryKv, name: &str, content: Option<&str>, at: u64) {
        let snapshot = kv.snapshot();
        let mut overlay = Overlay::new(&*snapshot);
        match content {
            Some(xml) => {
                let document = EncodedDocument::from_xml(xml.as_bytes(), &ParseOptions::default()).unwrap();
                put(&mut overlay, &key(name), &document, Timestamp(at)).unwrap();
            }
            None => delete(&mut overlay, &key(name), Timestamp(at)),
        }
        let batch = overlay.into_batch();
        drop(snapshot);
        kv.write(batch).unwrap();
    }

    fn read(kv: &MemoryKv, name: &str, at: u64) -> Option<String> {
        let snapshot = kv.snapshot();
        let info = record_at(&*snapshot, &key(name), Timestamp(at)).unwrap()?.into_put()?;
        Some(load(&*snapshot, &key(name), &info).unwrap().to_xml().unwrap())
    }

    #[test]
    fn a_timestamp_sees_the_newest_version_not_above_it() {
        let kv = MemoryKv::default();
        write(&kv, "a", Some("<v1/>"), 10);
        write(&kv, "a", Some("<v2/>"), 20);
        write(&kv, "a", None, 30);
        write(&kv, "a", Some("<v4/>"), 40);
        let seen = [9, 10, 19, 20, 29, 30, 39, 40, u64::MAX].map(|at| read(&kv, "a", at));
        let expected = [None, Some("<v1/>"), Some("<v1/>"), Some("<v2/>"), Some("<v2/>"), None, None]
            .into_iter()
            .chain([Some("<v4/>"), Some("<v4/>")])
            .map(|xml| xml.map(str::to_owned));
        assert_eq!(seen.to_vec(), expected.collect::<Vec<_>>());
        let created = |at| {
            let record = record_at(&*kv.snapshot(), &key("a"), Timestamp(at)).unwrap();
            record.and_then(Record::into_put).map(|info| info.created_ts.0)
        };
        assert_eq!(created(20), Some(10));
        assert_eq!(created(40), Some(40), "a document that was deleted begins a new life");
    }

    proptest! {
        #[test]
        fn lists_and_pages_agree_with_a_map(
            writes in prop::collection::vec((0usize..12, any::<bool>()), 1..60),
            at in 0u64..70,
            page in 1usize..5,
        ) {
            let names = ["a", "a/b", "aa", "b", "b.x", "b/x", "ba", "c", "c-", "c1", "é", "日"];
            let kv = MemoryKv::default();
            let mut model: BTreeMap<&str, u64> = BTreeMap::new();
            for (step, (index, alive)) in writes.iter().enumerate() {
                let commit = step as u64 + 1;
                write(&kv, names[*index], alive.then_some("<x/>"), commit);
                if commit <= at {
                    if *alive { model.insert(names[*index], commit); } else { model.remove(names[*index]); }
                }
            }
            for prefix in ["", "a", "b", "c", "z"] {
                let expected: Vec<(String, u64)> = model
                    .iter()
                    .filter(|(name, _)| name.starts_with(prefix))
                    .map(|(name, commit)| ((*name).to_owned(), *commit))
                    .collect();
                let mut listed = Vec::new();
                let mut more = true;
                while more {
                    let after = listed.last().map(|(name, _): &(String, u64)| name.clone());
                    let snapshot = kv.snapshot();
                    let (found, rest) =
                        list(&*snapshot, SHARD, CONTAINER, prefix, after.as_deref(), page, Timestamp(at)).unwrap();
                    more = rest;
                    prop_assert!(found.len() == page || !more);
                    listed.extend(found.into_iter().map(|(name, info)| (name.to_string(), info.commit_ts.0)));
                }
                prop_assert_eq!(&listed, &expected);
            }
        }
    }
}
