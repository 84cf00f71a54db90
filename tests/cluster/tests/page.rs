//! The documented commands, pasted as they stand: three hosts with their own addresses, names and folders.
//!
//! Hosts are network namespaces on a bridge of their own; they need root and `ip`. Where these are missing the test says
//! so loudly and ends.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

use phoenixmldb_cluster_tests::{alone, until};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The first block of the documentation, for the first node.
const INIT: &str = "phoenixmldb-cluster init \\
    --node-id node1 \\
    --cluster-id my-cluster \\
    --peers node2:5433,node3:5433";

/// The second block, for another node.
const JOIN: &str = "phoenixmldb-cluster join \\
    --node-id node2 \\
    --cluster-id my-cluster \\
    --bootstrap-peer node1:5433";

/// The third block.
const SERVER: &str = "phoenixmldb-server \\
    --cluster \\
    --node-id node1 \\
    --data /data/node1 \\
    --port 5432 \\
    --raft-port 5433";

/// Three hosts; gone when dropped.
struct Hosts {
    prefix: String,
    folder: tempfile::TempDir,
    programs: PathBuf,
    running: Vec<Child>,
}

fn ip(args: &str) -> bool {
    Command::new("ip")
        .args(args.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Hosts {
    /// `None` where this machine cannot have them.
    fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Interface names are at most 15 bytes.
        let prefix = format!("px{}{}", std::process::id() % 10_000, COUNT.fetch_add(1, Ordering::Relaxed));
        let programs = phoenixmldb_cli::demo::local::sibling("phoenixmldb-server").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let hosts = Self { prefix, folder, programs: programs.parent().unwrap().to_owned(), running: Vec::new() };
        hosts.connect().then_some(hosts)
    }

    fn connect(&self) -> bool {
        let p = &self.prefix;
        // The bridge has a namespace of its own, so that nothing of this machine's network is touched.
        let mut ok = ip(&format!("netns add {p}hub")) && ip(&format!("-n {p}hub link add br0 type bridge"));
        ok = ok && ip(&format!("-n {p}hub link set br0 up"));
        for n in 1..=3 {
            ok = ok
                && ip(&format!("netns add {p}n{n}"))
                && ip(&format!("link add {p}v{n} type veth peer name {p}h{n}"))
                && ip(&format!("link set {p}v{n} netns {p}n{n}"))
                && ip(&format!("link set {p}h{n} netns {p}hub"))
                && ip(&format!("-n {p}hub link set {p}h{n} master br0"))
                && ip(&format!("-n {p}hub link set {p}h{n} up"))
                && ip(&format!("-n {p}n{n} addr add 10.0.0.{n}/24 dev {p}v{n}"))
                && ip(&format!("-n {p}n{n} link set {p}v{n} up"))
                && ip(&format!("-n {p}n{n} link set lo up"));
            if ok {
                let names = "127.0.0.1 localhost\n10.0.0.1 node1\n10.0.0.2 node2\n10.0.0.3 node3\n";
                std::fs::write(self.folder.path().join("hosts"), names).unwrap();
                std::fs::create_dir_all(self.folder.path().join(format!("data{n}"))).unwrap();
            }
        }
        ok
    }

    /// A shell line on a host, with the host's own `/data`, names and home.
    fn command(&self, host: u32, line: &str) -> Command {
        let folder = self.folder.path().display();
        let script = format!(
            "mount --bind {folder}/hosts /etc/hosts && mkdir -p /data && mount --bind {folder}/data{host} /data && \
             export PATH={}:$PATH HOME={folder} && {line}",
            self.programs.display()
        );
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}n{host}", self.prefix), "unshare", "-m", "sh", "-c", &script]);
        command.env_remove("PHOENIXMLDB_ENDPOINTS");
        command
    }

    fn run(&self, host: u32, line: &str) -> (i32, String, String) {
        let output = self.command(host, line).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    fn start(&mut self, host: u32, line: &str) {
        let log = std::fs::File::create(self.folder.path().join(format!("node{host}.log"))).unwrap();
        let child = self.command(host, &format!("exec {line}")).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.running.push(child);
    }

    async fn healthy(&self) -> String {
        until("a healthy cluster", || async {
            self.run(1, "phoenixmldb-cluster status --wait balanced --timeout 5s").0 == 0
        })
        .await;
        self.run(1, "phoenixmldb-cluster status").1
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for child in &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
        for name in ["hub", "n1", "n2", "n3"] {
            ip(&format!("netns del {}{name}", self.prefix));
        }
        // Made by a host's shell as a place to mount on; stays if it holds anything.
        drop(std::fs::remove_dir("/data"));
    }
}

fn for_node(block: &str, n: u32) -> String {
    block.replace("node1", &format!("node{n}"))
}

fn golden() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/status.txt");
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_commands_make_the_documented_cluster() {
    let _alone = alone().await;
    let Some(mut hosts) = Hosts::new() else {
        println!("SKIPPED: network namespaces cannot be made here (needs root and ip)");
        return;
    };
    let (code, out, error) = hosts.run(1, INIT);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("phoenixmldb-server --cluster --node-id node1 --data /data/node1"), "{out}");
    let (code, _, error) = hosts.run(1, INIT);
    assert_eq!(code, 1);
    assert!(error.contains("already initialised (cluster my-cluster"), "{error}");
    for n in [2, 3] {
        let (code, _, error) = hosts.run(n, &JOIN.replace("node2", &format!("node{n}")));
        assert_eq!(code, 0, "{error}");
    }
    // In an order of its own: who starts first does not matter.
    hosts.start(3, &for_node(SERVER, 3));
    hosts.start(1, SERVER);
    until("a node that waits says for whom", || async {
        hosts.run(1, "phoenixmldb-cluster status").1.contains("Cluster: my-cluster (forming, 2/3, waiting for node2)")
    })
    .await;
    hosts.start(2, &for_node(SERVER, 2));
    assert_eq!(hosts.healthy().await, golden());
    let (code, metrics, error) = hosts.run(3, "curl -s http://node1:5432/cluster/metrics");
    assert_eq!(code, 0, "{error}");
    assert!(metrics.contains("phoenixmldb_node_up{node=\"node3\"} 1"), "{metrics}");

    let (code, _, error) = hosts.run(2, "phoenixmldb-cluster container create orders");
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = hosts.run(1, "echo '<a>1</a>' | phoenixmldb-cluster --endpoint node3:5432 put orders a.xml");
    assert_eq!(code, 0, "{error}");
    assert_eq!(hosts.run(2, "phoenixmldb-cluster get orders a.xml").1, "<a>1</a>\n");

    let (code, out, error) = hosts.run(1, "phoenixmldb-cluster transfer-leadership --to node2");
    assert_eq!((code, out.as_str()), (0, "Leader: node2\n"), "{error}");
}

/// The documented configuration file, as it stands.
fn documented_file() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dataplane/server/tests/files/page.json");
    path.canonicalize().unwrap().display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_file_starts_the_same_node_as_the_flags() {
    let _alone = alone().await;
    let Some(mut hosts) = Hosts::new() else {
        println!("SKIPPED: network namespaces cannot be made here (needs root and ip)");
        return;
    };
    hosts.start(1, &format!("phoenixmldb-server --config {} --data /data/node1", documented_file()));
    for (n, peers) in [(2, "10.0.0.1:5433,10.0.0.3:5433"), (3, "10.0.0.1:5433,10.0.0.2:5433")] {
        hosts.start(n, &format!("phoenixmldb-server --cluster --node-id node{n} --peers {peers} --data /data/node{n}"));
    }
    assert_eq!(hosts.healthy().await, golden());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_alone_are_enough_to_form() {
    let _alone = alone().await;
    let Some(mut hosts) = Hosts::new() else {
        println!("SKIPPED: network namespaces cannot be made here (needs root and ip)");
        return;
    };
    for (n, peers) in [(1, "node2:5433,node3:5433"), (2, "node1:5433,node3:5433"), (3, "node1:5433,node2:5433")] {
        hosts.start(n, &format!("phoenixmldb-server --cluster --node-id node{n} --peers {peers}"));
    }
    assert_eq!(hosts.healthy().await, golden().replace("my-cluster", "default"));
}
