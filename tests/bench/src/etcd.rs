//! Three members of etcd with its default settings, each a process of its own, called over its gRPC interface.

use crate::load::{Caller, System};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use phoenixmldb_cli::demo::local::free_ports;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

mod api {
    #![allow(missing_docs, unreachable_pub, clippy::all)] // generated
    tonic::include_proto!("etcdserverpb");
}
use api::kv_client::KvClient;
use api::{PutRequest, RangeRequest};

const PROGRAM: &str = "etcd";

/// Longest wait for a leader.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Etcd {
    members: Vec<Child>,
    caller: Keys,
}

/// The installed version; `None` when it is not installed.
pub(crate) fn version() -> Option<String> {
    let output = Command::new(PROGRAM).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().next().unwrap_or_default().replace("etcd Version: ", ""))
}

impl System for Etcd {
    const NAME: &'static str = "etcd";
    type Caller = Keys;

    async fn start(folder: &Path) -> Result<Self> {
        let ports = free_ports(6).map_err(|error| anyhow::anyhow!("{error}"))?;
        let (client, peer) = (|member: usize| ports[member * 2], |member: usize| ports[member * 2 + 1]);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let all: Vec<String> = (0..3).map(|member| format!("m{member}={}", url(peer(member)))).collect();
        let mut started =
            Self { members: Vec::new(), caller: Keys::connect((0..3).map(|member| url(client(member))))? };
        for member in 0..3 {
            let name = format!("m{member}");
            let log = File::create(folder.join(format!("{name}.log"))).context("a member's log")?;
            let child = Command::new(PROGRAM)
                .args(["--name", &name, "--initial-cluster", &all.join(","), "--initial-cluster-state", "new"])
                .arg("--data-dir")
                .arg(folder.join(&name))
                .args(["--listen-client-urls", &url(client(member)), "--advertise-client-urls", &url(client(member))])
                .args(["--listen-peer-urls", &url(peer(member)), "--initial-advertise-peer-urls", &url(peer(member))])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .context("starting a member")?;
            started.members.push(child);
        }
        let deadline = Instant::now() + PATIENCE;
        // Each member in turn: three answers in a row are one of each.
        let mut answers = 0;
        while answers < 3 {
            match started.caller.put("ready".to_owned(), Bytes::new()).await {
                Ok(()) => answers += 1,
                Err(error) => {
                    ensure!(Instant::now() < deadline, "etcd does not serve: {error:#}");
                    answers = 0;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        Ok(started)
    }

    fn pids(&self) -> Vec<u32> {
        self.members.iter().map(Child::id).collect()
    }

    fn caller(&self) -> Keys {
        self.caller.clone()
    }

    fn stop(mut self) -> Result<()> {
        self.end()
    }
}

impl Etcd {
    /// Nothing of it is needed any more.
    fn end(&mut self) -> Result<()> {
        for mut child in self.members.drain(..) {
            child.kill().and_then(|()| child.wait()).context("stopping a member")?;
        }
        Ok(())
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // Nobody is left to hear of it.
        drop(self.end());
    }
}

#[derive(Clone)]
pub(crate) struct Keys {
    channels: Arc<Vec<Channel>>,
    turn: Arc<AtomicUsize>,
}

impl Keys {
    fn connect(urls: impl Iterator<Item = String>) -> Result<Self> {
        let open = |url: String| Ok::<_, anyhow::Error>(Endpoint::from_shared(url)?.tcp_nodelay(true).connect_lazy());
        Ok(Self { channels: Arc::new(urls.map(open).collect::<Result<_>>()?), turn: Arc::default() })
    }

    fn next(&self) -> KvClient<Channel> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        KvClient::new(self.channels[turn % self.channels.len()].clone())
    }
}

fn key(name: &str) -> Bytes {
    Bytes::from(format!("orders/{name}"))
}

impl Caller for Keys {
    async fn put(&self, name: String, text: Bytes) -> Result<()> {
        self.next().put(PutRequest { key: key(&name), value: text }).await.context("a put")?;
        Ok(())
    }

    async fn get(&self, name: String) -> Result<usize> {
        let request = RangeRequest { key: key(&name), serializable: false };
        let answer = self.next().range(request).await.context("a get")?.into_inner();
        match answer.kvs.first() {
            Some(pair) => Ok(pair.value.len()),
            None => bail!("{name} is not there"),
        }
    }
}
