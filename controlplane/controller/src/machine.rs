//! The control group's state behind Raft: in memory, written to a file when Raft asks for durability.
//!
//! The log repeats what came after the file, so applying an entry costs no disk write.

use crate::data_dir::write_durably;
use bytes::Bytes;
use fs_err as fs;
use phoenixmldb_raft::{CommittedEntry, ReplicatedState, SnapshotReader, StateFault};
use phoenixmldb_state::{ClusterState, Command, apply};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

const FORMAT: u8 = 1;

/// One replica of the control group's state.
pub struct ControlMachine {
    file: PathBuf,
    state: ClusterState,
    position: Option<Bytes>,
    published: watch::Sender<Arc<ClusterState>>,
}

impl ControlMachine {
    /// The state as the file has it, or a new one. What is applied is published through the receiver.
    pub fn open(file: PathBuf) -> Result<(Self, watch::Receiver<Arc<ClusterState>>), StateFault> {
        let fault = |reason: String| StateFault::new(format!("reading {}", file.display()), reason);
        let (state, position) = match fs::read(&file) {
            Ok(bytes) => {
                let (position, state) = split(&bytes).ok_or_else(|| fault("it is damaged".to_owned()))?;
                let state = ClusterState::from_bytes(state).map_err(|error| fault(error.to_string()))?;
                (state, Some(Bytes::copy_from_slice(position)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (ClusterState::default(), None),
            Err(error) => return Err(fault(error.to_string())),
        };
        let (published, receiver) = watch::channel(Arc::new(state.clone()));
        Ok((Self { file, state, position, published }, receiver))
    }

    fn save(&self) -> Result<(), StateFault> {
        let Some(position) = &self.position else { return Ok(()) };
        let state = self.state.to_bytes();
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&(position.len() as u64).to_be_bytes());
        bytes.extend_from_slice(position);
        bytes.extend_from_slice(&state);
        bytes.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(&bytes).to_be_bytes());
        write_durably(&self.file, &bytes)
            .map_err(|error| StateFault::new(format!("writing {}", self.file.display()), error))
    }

    fn publish(&self) {
        self.published.send_replace(Arc::new(self.state.clone()));
    }
}

/// Position and state of a file: format, length of the position, position, state, digest.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, digest) = bytes.split_last_chunk::<8>()?;
    let (format, rest) = body.split_first()?;
    if *format != FORMAT || xxhash_rust::xxh3::xxh3_64(body).to_be_bytes() != *digest {
        return None;
    }
    let (length, rest) = rest.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)
}

impl ReplicatedState for ControlMachine {
    fn position(&mut self) -> Result<Option<Bytes>, StateFault> {
        Ok(self.position.clone())
    }

    fn apply(&mut self, entries: &[CommittedEntry], position: Bytes) -> Result<Vec<Bytes>, StateFault> {
        let mut replies = Vec::with_capacity(entries.len());
        for entry in entries {
            let command = Command::from_bytes(&entry.command)
                .map_err(|error| StateFault::new(format!("applying control entry {}", entry.index), error))?;
            replies.push(Bytes::from(apply(&mut self.state, &command).to_bytes()));
        }
        self.position = Some(position);
        if !entries.is_empty() {
            self.publish();
        }
        Ok(replies)
    }

    fn flush(&mut self) -> Result<(), StateFault> {
        self.save()
    }

    fn snapshot(&mut self) -> Result<Box<dyn SnapshotReader>, StateFault> {
        Ok(Box::new(vec![Bytes::from(self.state.to_bytes())].into_iter()))
    }

    fn install(&mut self, mut chunks: Box<dyn SnapshotReader>, position: Bytes) -> Result<(), StateFault> {
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next_chunk()? {
            bytes.extend_from_slice(&chunk);
        }
        self.state = ClusterState::from_bytes(&bytes)
            .map_err(|error| StateFault::new("installing a control snapshot", error))?;
        self.position = Some(position);
        self.save()?;
        self.publish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_types::{ClusterId, Settings};

    #[test]
    fn what_was_flushed_is_there_again_and_damage_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("control.state");
        let (mut machine, _) = ControlMachine::open(file.clone()).unwrap();
        let form = Command::Form {
            cluster_id: ClusterId::parse("c").unwrap(),
            incarnation: "life".into(),
            settings: Settings::default(),
            now_ms: 7,
        };
        let entry = CommittedEntry { index: 1, term: 1, command: form.to_bytes().into() };
        machine.apply(&[entry], Bytes::from_static(b"position")).unwrap();
        machine.flush().unwrap();
        let (mut again, published) = ControlMachine::open(file.clone()).unwrap();
        assert_eq!(again.position().unwrap().unwrap(), "position");
        assert_eq!(published.borrow().identity.as_ref().unwrap().1, "life");

        let mut bytes = std::fs::read(&file).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let message = ControlMachine::open(file).err().unwrap().to_string();
        assert!(message.contains("control.state") && message.contains("damaged"), "{message}");
    }
}
