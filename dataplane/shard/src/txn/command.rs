//! What the logs of shards contain of transactions, with its encoding.

use crate::command::Change;
use phoenixmldb_store::codec::{Reader, Writer};
use phoenixmldb_store::{EncodedDocument, KvError};
use phoenixmldb_types::{ContainerId, DocumentName, Epoch, ShardId, Timestamp, TxnId};

/// A change that a transaction makes to one document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// Its container.
    pub container: ContainerId,
    /// Its name.
    pub name: DocumentName,
    /// What happens to it.
    pub change: Change,
}

/// What a transaction has read on one shard.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadSet {
    /// Documents by name, absent ones too.
    pub documents: Vec<(ContainerId, DocumentName)>,
    /// Containers read as a whole.
    pub containers: Vec<ContainerId>,
}

impl ReadSet {
    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.containers.is_empty()
    }
}

/// A step of a transaction on one shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TxnCommand {
    /// Locks the documents and stages their versions; on the anchor also creates the record.
    Prepare {
        /// The transaction.
        txn: TxnId,
        /// Shard map it was routed by.
        epoch: Epoch,
        /// From then on others may abort it.
        deadline: Timestamp,
        /// All shards that prepare; for the anchor's record.
        participants: Vec<ShardId>,
        /// The changes on this shard, of different documents; may be empty on the anchor.
        intents: Vec<Intent>,
    },
    /// Commits a transaction that touched this shard alone, in one entry.
    CommitHere {
        /// The transaction.
        txn: TxnId,
        /// Shard map it was routed by.
        epoch: Epoch,
        /// Taken while the entry was registered in flight.
        commit_ts: Timestamp,
        /// Later timestamps are refused.
        deadline: Timestamp,
        /// The changes, of different documents.
        intents: Vec<Intent>,
        /// For Serializable: what must not have changed since the start.
        reads: ReadSet,
    },
    /// Commits the record, if it is pending and no reader has pushed it higher.
    Decide {
        /// The transaction.
        txn: TxnId,
        /// Taken after every participant had prepared.
        commit_ts: Timestamp,
    },
    /// Aborts the record, unless it is decided or still has time at `now`. On other shards: nothing may happen here any
    /// more, unless it has been prepared or committed here already.
    Abort {
        /// The transaction.
        txn: TxnId,
        /// A timestamp; [`Timestamp::MAX`] when the coordinator itself gives up.
        now: Timestamp,
    },
    /// The record may only be committed at or above a timestamp: a reader below it goes on without waiting.
    Push {
        /// The transaction.
        txn: TxnId,
        /// The bound.
        min_commit_ts: Timestamp,
    },
    /// Turns locks into versions, or removes them with what they staged.
    Resolve {
        /// The transaction.
        txn: TxnId,
        /// When it committed; `None` when it was aborted.
        commit_ts: Option<Timestamp>,
        /// On the anchor: all other participants have resolved, so that nobody needs the record any more.
        last: bool,
    },
    /// Forgets finished transactions that began before a timestamp. None can be prepared here afterwards.
    Forget {
        /// The timestamp.
        below: Timestamp,
    },
}

pub(crate) fn write_txn(writer: Writer, txn: TxnId) -> Writer {
    writer.u32(txn.anchor.0).u64(txn.start_ts.0)
}

pub(crate) fn read_txn(reader: &mut Reader<'_>) -> Result<TxnId, KvError> {
    Ok(TxnId { anchor: ShardId(reader.u32()?), start_ts: Timestamp(reader.u64()?) })
}

pub(crate) fn write_document(writer: Writer, container: ContainerId, name: &DocumentName) -> Writer {
    writer.u64(container.0).bytes(name.as_str().as_bytes())
}

pub(crate) fn read_document(reader: &mut Reader<'_>) -> Result<(ContainerId, DocumentName), KvError> {
    let container = ContainerId(reader.u64()?);
    let name = DocumentName::parse(reader.text()?).map_err(|error| KvError::damaged("name", error.to_string()))?;
    Ok((container, name))
}

pub(crate) fn write_shards(writer: Writer, shards: &[ShardId]) -> Writer {
    shards.iter().fold(writer.varint(shards.len() as u64), |writer, shard| writer.u32(shard.0))
}

/// A list whose length was written before it.
pub(crate) fn read_list<T>(
    reader: &mut Reader<'_>,
    item: impl Fn(&mut Reader<'_>) -> Result<T, KvError>,
) -> Result<Vec<T>, KvError> {
    let count = reader.length()?;
    (0..count).map(|_| item(reader)).collect()
}

fn write_intents(writer: Writer, intents: &[Intent]) -> Writer {
    intents.iter().fold(writer.varint(intents.len() as u64), |writer, intent| {
        let writer = write_document(writer, intent.container, &intent.name);
        match &intent.change {
            Change::Delete => writer.u8(0),
            Change::Put(document) => writer.u8(1).bytes(&document.to_bytes()),
        }
    })
}

fn read_intent(reader: &mut Reader<'_>) -> Result<Intent, KvError> {
    let (container, name) = read_document(reader)?;
    let change = match reader.u8()? {
        0 => Change::Delete,
        _ => Change::Put(EncodedDocument::from_bytes(reader.bytes()?)?),
    };
    Ok(Intent { container, name, change })
}

impl ReadSet {
    fn write(&self, writer: Writer) -> Writer {
        let writer = writer.varint(self.documents.len() as u64);
        let writer =
            self.documents.iter().fold(writer, |writer, (container, name)| write_document(writer, *container, name));
        let writer = writer.varint(self.containers.len() as u64);
        self.containers.iter().fold(writer, |writer, container| writer.u64(container.0))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, KvError> {
        let documents = read_list(reader, read_document)?;
        let containers = read_list(reader, |reader| Ok(ContainerId(reader.u64()?)))?;
        Ok(Self { documents, containers })
    }

    /// For a request to a shard.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.write(Writer::new().u8(crate::command::ENCODING)).finish()
    }

    /// What [`ReadSet::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KvError> {
        let mut reader = Reader::new("read set", bytes);
        reader.version(crate::command::ENCODING)?;
        Self::read(&mut reader)
    }
}

impl TxnCommand {
    /// The transaction, unless the command concerns many.
    #[must_use]
    pub fn txn(&self) -> Option<TxnId> {
        match self {
            Self::Prepare { txn, .. }
            | Self::CommitHere { txn, .. }
            | Self::Decide { txn, .. }
            | Self::Abort { txn, .. }
            | Self::Push { txn, .. }
            | Self::Resolve { txn, .. } => Some(*txn),
            Self::Forget { .. } => None,
        }
    }

    pub(crate) fn write(&self, writer: Writer) -> Writer {
        match self {
            Self::Prepare { txn, epoch, deadline, participants, intents } => {
                let writer = write_txn(writer.u8(1), *txn).u64(epoch.0).u64(deadline.0);
                write_intents(write_shards(writer, participants), intents)
            }
            Self::CommitHere { txn, epoch, commit_ts, deadline, intents, reads } => {
                let writer = write_txn(writer.u8(2), *txn).u64(epoch.0).u64(commit_ts.0).u64(deadline.0);
                reads.write(write_intents(writer, intents))
            }
            Self::Decide { txn, commit_ts } => write_txn(writer.u8(3), *txn).u64(commit_ts.0),
            Self::Abort { txn, now } => write_txn(writer.u8(4), *txn).u64(now.0),
            Self::Push { txn, min_commit_ts } => write_txn(writer.u8(5), *txn).u64(min_commit_ts.0),
            // No transaction commits at zero.
            Self::Resolve { txn, commit_ts, last } => {
                write_txn(writer.u8(6), *txn).u64(commit_ts.map_or(0, |commit_ts| commit_ts.0)).u8(u8::from(*last))
            }
            Self::Forget { below } => writer.u8(7).u64(below.0),
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, KvError> {
        Ok(match reader.u8()? {
            1 => Self::Prepare {
                txn: read_txn(reader)?,
                epoch: Epoch(reader.u64()?),
                deadline: Timestamp(reader.u64()?),
                participants: read_list(reader, |reader| Ok(ShardId(reader.u32()?)))?,
                intents: read_list(reader, read_intent)?,
            },
            2 => Self::CommitHere {
                txn: read_txn(reader)?,
                epoch: Epoch(reader.u64()?),
                commit_ts: Timestamp(reader.u64()?),
                deadline: Timestamp(reader.u64()?),
                intents: read_list(reader, read_intent)?,
                reads: ReadSet::read(reader)?,
            },
            3 => Self::Decide { txn: read_txn(reader)?, commit_ts: Timestamp(reader.u64()?) },
            4 => Self::Abort { txn: read_txn(reader)?, now: Timestamp(reader.u64()?) },
            5 => Self::Push { txn: read_txn(reader)?, min_commit_ts: Timestamp(reader.u64()?) },
            6 => {
                let (txn, at) = (read_txn(reader)?, reader.u64()?);
                Self::Resolve { txn, commit_ts: (at != 0).then_some(Timestamp(at)), last: reader.u8()? != 0 }
            }
            7 => Self::Forget { below: Timestamp(reader.u64()?) },
            kind => return Err(KvError::damaged("command", format!("transaction step {kind} is not known"))),
        })
    }
}
