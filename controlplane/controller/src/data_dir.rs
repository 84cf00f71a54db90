//! The folder of a node: locked by one process, marked with the identity of its disk.
//!
//! | file | what |
//! |---|---|
//! | `LOCK` | locked while a process runs; holds its pid |
//! | `node.json` | name and Raft identity, made once |
//! | `membership.json` | cluster, incarnation and first voters, once known |
//! | `map.json` | the last cluster map, so that a node serves while no controller is up |
//! | `bootstrap.json` | what `init` or `join` recorded before the first start |
//! | `control.state` | the control group's state as of its last snapshot |
//! | `raftdb/`, `datadb/` | logs; documents |

use crate::error::StartError;
use fs_err as fs;
use fs2::FileExt;
use phoenixmldb_types::{ClusterId, NodeName, RaftId};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;

/// Name and identity of a disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    format: u32,
    /// Name it was first started with.
    pub node_id: NodeName,
    /// Made once; a wiped disk gets another one.
    pub raft_id: RaftId,
}

/// A voter of the first control group, or the node itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub name: NodeName,
    /// Its disk.
    pub raft_id: RaftId,
    /// `host:port` for other nodes.
    pub peer_address: String,
    /// Whether it holds shards too.
    pub data: bool,
}

/// The cluster a disk belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// Its name.
    pub cluster_id: ClusterId,
    /// Its life.
    pub incarnation: String,
    /// First voters of the control group.
    pub voters: Vec<Member>,
    /// Whether this node starts the control group.
    pub founder: bool,
}

/// A locked folder.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: std::fs::File,
}

impl DataDir {
    /// Makes the folder if it is missing and locks it. Errors name the path: in use, not writable.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let io = |error: std::io::Error| StartError::DataDir { path: path.to_owned(), reason: error.to_string() };
        if !path.exists() {
            fs::create_dir_all(path).map_err(io)?;
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
            }
        }
        let name = path.join("LOCK");
        let mut lock =
            std::fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&name).map_err(io)?;
        if lock.try_lock_exclusive().is_err() {
            let mut pid = String::new();
            drop(lock.read_to_string(&mut pid));
            return Err(StartError::InUse { path: path.to_owned(), pid: pid.trim().to_owned() });
        }
        lock.set_len(0).map_err(io)?;
        lock.write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(io)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity of the disk, made now if it has none. Error: the disk has another name.
    pub fn identity(&self, name: &NodeName) -> Result<Identity, StartError> {
        if let Some(identity) = self.read::<Identity>("node.json")? {
            if identity.node_id != *name {
                return Err(StartError::OtherNode {
                    path: self.path.clone(),
                    owner: identity.node_id,
                    given: name.clone(),
                });
            }
            return Ok(identity);
        }
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        let identity = Identity { format: FORMAT, node_id: name.clone(), raft_id: RaftId(high ^ low) };
        self.write("node.json", &identity)?;
        Ok(identity)
    }

    /// A stored value; `None` when there is none. Error: it is there and cannot be read.
    pub fn read<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, StartError> {
        let path = self.path.join(name);
        let fault = |reason: String| StartError::DataDir { path: path.clone(), reason };
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| fault(error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(error.to_string())),
        }
    }

    /// Stores a value: whole or not at all, durable when this returns.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StartError> {
        let path = self.path.join(name);
        let fault = |reason: String| StartError::DataDir { path: path.clone(), reason };
        let bytes = serde_json::to_vec_pretty(value).map_err(|error| fault(error.to_string()))?;
        write_durably(&path, &bytes).map_err(|error| fault(error.to_string()))
    }
}

/// Replaces a file: whole or not at all, durable when this returns.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::parse(text).unwrap()
    }

    #[test]
    fn a_folder_belongs_to_one_process_and_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        let open = DataDir::open(&path).unwrap();
        let message = DataDir::open(&path).unwrap_err().to_string();
        assert!(message.contains(&format!("in use by pid {}", std::process::id())), "{message}");
        let first = open.identity(&name("node1")).unwrap();
        assert_eq!(open.identity(&name("node1")).unwrap(), first, "an identity is made once");
        let message = open.identity(&name("node2")).unwrap_err().to_string();
        assert!(message.contains("belongs to node1"), "{message}");
        drop(open);
        assert_eq!(DataDir::open(&path).unwrap().identity(&name("node1")).unwrap(), first);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_new_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let open = DataDir::open(folder.path()).unwrap();
        std::fs::write(folder.path().join("node.json"), "{").unwrap();
        let message = open.identity(&name("node1")).unwrap_err().to_string();
        assert!(message.contains("node.json"), "{message}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let message = DataDir::open(Path::new("/proc/nowhere/data")).unwrap_err().to_string();
        assert!(message.contains("/proc/nowhere/data"), "{message}");
    }
}
