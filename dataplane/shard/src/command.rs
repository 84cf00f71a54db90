//! What a shard's log may contain, and what applying it answers.
//!
//! Commands hold effects, not requests: documents are parsed and encoded once, by the coordinator. Both encodings begin
//! with a version byte and are explicit, so that a log can be read by the next release.

use phoenixmldb_store::codec::{Reader, Writer};
use phoenixmldb_store::{EncodedDocument, KvError};
use phoenixmldb_types::{ContainerId, DocumentName, Epoch, HashRange, SessionId, Timestamp, TxnId};

use crate::txn::command::{TxnCommand, read_document, read_txn, write_document, write_txn};
use crate::txn::record::TxnStatus;

/// Version of the encodings of commands, outcomes and requests.
pub const ENCODING: u8 = 1;

/// What must hold for a change to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// Nothing.
    Any,
    /// There is no document.
    Absent,
    /// There is a document.
    Present,
    /// The present version is this one.
    Version(Timestamp),
}

/// What happens to one document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It gets this content.
    Put(EncodedDocument),
    /// It is gone.
    Delete,
}

/// One change of one document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteOp {
    /// Which document.
    pub name: DocumentName,
    /// What must hold.
    pub precondition: Precondition,
    /// What happens.
    pub change: Change,
}

/// Makes a write repeatable, see [`crate::session`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionStamp {
    /// The client.
    pub session: SessionId,
    /// The write's number within the session.
    pub sequence: u64,
    /// The client has the answers of all smaller numbers.
    pub acknowledged_below: u64,
}

/// What a shard's log may contain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ShardCommand {
    /// All changes become visible at `commit_ts`, or none.
    Write {
        /// Shard map the write was routed by.
        epoch: Epoch,
        /// Container of all documents.
        container: ContainerId,
        /// Larger than every timestamp given out before the write was evaluated.
        commit_ts: Timestamp,
        /// Whose write it is.
        session: Option<SessionStamp>,
        /// Changes of different documents.
        ops: Vec<WriteOp>,
    },
    /// Nothing will commit at or below this timestamp any more.
    Resolved {
        /// The timestamp.
        ts: Timestamp,
    },
    /// Which hashes belong here from this epoch on.
    Configure {
        /// The epoch.
        epoch: Epoch,
        /// The hashes.
        range: HashRange,
    },
    /// Removes all documents of a container.
    DropContainer {
        /// Which one.
        container: ContainerId,
    },
    /// A step of a transaction.
    Transaction(TxnCommand),
}

/// What a change did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// There was a document before.
    pub existed: bool,
    /// When its first version became visible.
    pub created_ts: Timestamp,
}

/// Why a write changed nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The document exists.
    Exists(DocumentName),
    /// There is no such document.
    NotFound(DocumentName),
    /// The present version is another one; zero for no document.
    Version(DocumentName, Timestamp),
    /// A version at or above the write's timestamp exists; take a new timestamp and try again.
    Superseded(DocumentName),
    /// The shard has moved on; fetch the map of at least this epoch.
    Epoch(Epoch),
    /// The container was dropped.
    ContainerDropped(ContainerId),
    /// The answer of this write has been forgotten; whether it happened is not known here.
    Forgotten,
    /// A transaction holds the document.
    Locked {
        /// Its container.
        container: ContainerId,
        /// Its name.
        name: DocumentName,
        /// The transaction.
        holder: TxnId,
    },
    /// The document, written or read by a transaction, has changed since the transaction began.
    Newer {
        /// Its container.
        container: ContainerId,
        /// Its name.
        name: DocumentName,
        /// When.
        version: Timestamp,
    },
    /// The transaction is over here: a late or repeated step.
    Over,
    /// The transaction's time was up.
    Expired,
}

/// What applying a command answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The write happened at this timestamp; one entry per change.
    Written {
        /// When it became visible.
        commit_ts: Timestamp,
        /// What each change did.
        changes: Vec<Written>,
    },
    /// Nothing happened.
    Refused(Refusal),
    /// The command has no answer.
    Done,
    /// The documents are locked, and stay so until the transaction is decided.
    Prepared,
    /// What is known of a transaction after the command.
    Transaction(TxnStatus),
}

impl ShardCommand {
    /// As bytes of a log entry.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let writer = Writer::new().u8(ENCODING);
        match self {
            Self::Write { epoch, container, commit_ts, session, ops } => {
                let writer = writer.u8(1).u64(epoch.0).u64(container.0).u64(commit_ts.0);
                let writer = match session {
                    None => writer.u8(0),
                    Some(stamp) => {
                        let writer = writer.u8(1).u128(stamp.session.0);
                        writer.u64(stamp.sequence).u64(stamp.acknowledged_below)
                    }
                };
                ops.iter().fold(writer.varint(ops.len() as u64), |writer, op| op.write(writer)).finish()
            }
            Self::Resolved { ts } => writer.u8(2).u64(ts.0).finish(),
            Self::Configure { epoch, range } => writer.u8(3).u64(epoch.0).u64(range.first).u64(range.last).finish(),
            Self::DropContainer { container } => writer.u8(4).u64(container.0).finish(),
            Self::Transaction(step) => step.write(writer.u8(5)).finish(),
        }
    }

    /// What [`ShardCommand::to_bytes`] made. Error: damaged or of an unknown version; the replica has to stop.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KvError> {
        let mut reader = Reader::new("command", bytes);
        reader.version(ENCODING)?;
        let command = match reader.u8()? {
            1 => {
                let epoch = Epoch(reader.u64()?);
                let container = ContainerId(reader.u64()?);
                let commit_ts = Timestamp(reader.u64()?);
                let session = match reader.u8()? {
                    0 => None,
                    _ => Some(SessionStamp {
                        session: SessionId(reader.u128()?),
                        sequence: reader.u64()?,
                        acknowledged_below: reader.u64()?,
                    }),
                };
                let count = reader.length()?;
                let ops = (0..count).map(|_| WriteOp::read(&mut reader)).collect::<Result<_, _>>()?;
                Self::Write { epoch, container, commit_ts, session, ops }
            }
            2 => Self::Resolved { ts: Timestamp(reader.u64()?) },
            3 => Self::Configure {
                epoch: Epoch(reader.u64()?),
                range: HashRange { first: reader.u64()?, last: reader.u64()? },
            },
            4 => Self::DropContainer { container: ContainerId(reader.u64()?) },
            5 => Self::Transaction(TxnCommand::read(&mut reader)?),
            kind => return Err(KvError::damaged("command", format!("kind {kind} is not known"))),
        };
        if reader.is_empty() { Ok(command) } else { Err(KvError::damaged("command", "something follows its end")) }
    }
}

impl WriteOp {
    fn write(&self, writer: Writer) -> Writer {
        let writer = writer.bytes(self.name.as_str().as_bytes());
        let writer = match self.precondition {
            Precondition::Any => writer.u8(0),
            Precondition::Absent => writer.u8(1),
            Precondition::Present => writer.u8(2),
            Precondition::Version(version) => writer.u8(3).u64(version.0),
        };
        match &self.change {
            Change::Put(document) => writer.u8(1).bytes(&document.to_bytes()),
            Change::Delete => writer.u8(0),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, KvError> {
        let name = read_name(reader)?;
        let precondition = match reader.u8()? {
            0 => Precondition::Any,
            1 => Precondition::Absent,
            2 => Precondition::Present,
            3 => Precondition::Version(Timestamp(reader.u64()?)),
            kind => return Err(KvError::damaged("command", format!("precondition {kind} is not known"))),
        };
        let change = match reader.u8()? {
            0 => Change::Delete,
            _ => Change::Put(EncodedDocument::from_bytes(reader.bytes()?)?),
        };
        Ok(Self { name, precondition, change })
    }
}

fn read_name(reader: &mut Reader<'_>) -> Result<DocumentName, KvError> {
    DocumentName::parse(reader.text()?).map_err(|error| KvError::damaged("command", error.to_string()))
}

impl Outcome {
    /// As bytes of an answer and of a session's record.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let writer = Writer::new().u8(ENCODING);
        let named = |kind: u8, name: &DocumentName| writer.clone().u8(kind).bytes(name.as_str().as_bytes());
        match self {
            Self::Written { commit_ts, changes } => {
                let writer = writer.u8(1).u64(commit_ts.0).varint(changes.len() as u64);
                let write =
                    |writer: Writer, change: &Written| writer.u8(u8::from(change.existed)).u64(change.created_ts.0);
                changes.iter().fold(writer, write).finish()
            }
            Self::Done => writer.u8(2).finish(),
            Self::Refused(Refusal::Exists(name)) => named(10, name).finish(),
            Self::Refused(Refusal::NotFound(name)) => named(11, name).finish(),
            Self::Refused(Refusal::Version(name, actual)) => named(12, name).u64(actual.0).finish(),
            Self::Refused(Refusal::Superseded(name)) => named(13, name).finish(),
            Self::Refused(Refusal::Epoch(epoch)) => writer.u8(14).u64(epoch.0).finish(),
            Self::Refused(Refusal::ContainerDropped(container)) => writer.u8(15).u64(container.0).finish(),
            Self::Refused(Refusal::Forgotten) => writer.u8(16).finish(),
            Self::Refused(Refusal::Locked { container, name, holder }) => {
                write_txn(write_document(writer.u8(17), *container, name), *holder).finish()
            }
            Self::Refused(Refusal::Newer { container, name, version }) => {
                write_document(writer.u8(18), *container, name).u64(version.0).finish()
            }
            Self::Refused(Refusal::Over) => writer.u8(19).finish(),
            Self::Refused(Refusal::Expired) => writer.u8(20).finish(),
            Self::Prepared => writer.u8(30).finish(),
            Self::Transaction(TxnStatus::Absent) => writer.u8(31).finish(),
            Self::Transaction(TxnStatus::Pending { min_commit_ts, deadline }) => {
                writer.u8(32).u64(min_commit_ts.0).u64(deadline.0).finish()
            }
            Self::Transaction(TxnStatus::Committed { commit_ts }) => writer.u8(33).u64(commit_ts.0).finish(),
            Self::Transaction(TxnStatus::Aborted) => writer.u8(34).finish(),
        }
    }

    /// What [`Outcome::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KvError> {
        let mut reader = Reader::new("outcome", bytes);
        reader.version(ENCODING)?;
        Ok(match reader.u8()? {
            1 => {
                let commit_ts = Timestamp(reader.u64()?);
                let count = reader.length()?;
                let mut changes = Vec::with_capacity(count.min(1024));
                for _ in 0..count {
                    let existed = reader.u8()? != 0;
                    changes.push(Written { existed, created_ts: Timestamp(reader.u64()?) });
                }
                Self::Written { commit_ts, changes }
            }
            2 => Self::Done,
            10 => Self::Refused(Refusal::Exists(read_name(&mut reader)?)),
            11 => Self::Refused(Refusal::NotFound(read_name(&mut reader)?)),
            12 => Self::Refused(Refusal::Version(read_name(&mut reader)?, Timestamp(reader.u64()?))),
            13 => Self::Refused(Refusal::Superseded(read_name(&mut reader)?)),
            14 => Self::Refused(Refusal::Epoch(Epoch(reader.u64()?))),
            15 => Self::Refused(Refusal::ContainerDropped(ContainerId(reader.u64()?))),
            16 => Self::Refused(Refusal::Forgotten),
            17 => {
                let (container, name) = read_document(&mut reader)?;
                Self::Refused(Refusal::Locked { container, name, holder: read_txn(&mut reader)? })
            }
            18 => {
                let (container, name) = read_document(&mut reader)?;
                Self::Refused(Refusal::Newer { container, name, version: Timestamp(reader.u64()?) })
            }
            19 => Self::Refused(Refusal::Over),
            20 => Self::Refused(Refusal::Expired),
            30 => Self::Prepared,
            31 => Self::Transaction(TxnStatus::Absent),
            32 => {
                let min_commit_ts = Timestamp(reader.u64()?);
                Self::Transaction(TxnStatus::Pending { min_commit_ts, deadline: Timestamp(reader.u64()?) })
            }
            33 => Self::Transaction(TxnStatus::Committed { commit_ts: Timestamp(reader.u64()?) }),
            34 => Self::Transaction(TxnStatus::Aborted),
            kind => return Err(KvError::damaged("outcome", format!("kind {kind} is not known"))),
        })
    }
}
