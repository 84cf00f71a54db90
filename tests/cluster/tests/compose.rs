//! The documented compose file and the split one, in containers from an image built from nothing.
//!
//! Needs a Docker engine and its compose tool; says loudly that it was skipped where there is none.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a step that fails is a failed test; a skipped one says so

use phoenixmldb_cluster_tests::until;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Compose {
    file: PathBuf,
    project: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn run(program: &str, args: &[&str]) -> (bool, String) {
    match Command::new(program).args(args).output() {
        Ok(output) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (output.status.success(), text(&output.stdout) + &text(&output.stderr))
        }
        Err(error) => (false, error.to_string()),
    }
}

impl Compose {
    /// `None` where there is no engine.
    fn up(file: &str) -> Option<Self> {
        if !run("docker", &["info"]).0 || !run("docker-compose", &["version"]).0 {
            println!("SKIPPED: there is no Docker engine with docker-compose here");
            return None;
        }
        let (built, text) = run("bash", &[root().join("deploy/docker/build.sh").to_str().unwrap()]);
        assert!(built, "{text}");
        let project = format!("px{}{}", std::process::id(), file.len());
        let compose = Self { file: root().join("deploy/compose").join(file), project };
        let (up, text) = compose.call(&["up", "-d"]);
        assert!(up, "{text}");
        Some(compose)
    }

    fn call(&self, args: &[&str]) -> (bool, String) {
        let base = ["-p", &self.project, "-f", self.file.to_str().unwrap()];
        run("docker-compose", &[&base[..], args].concat())
    }

    fn status(&self, service: &str) -> (bool, String) {
        self.call(&["exec", "-T", service, "/bin/phoenixmldb-cluster", "status"])
    }

    async fn healthy(&self, service: &str) -> String {
        until("a healthy cluster", || async {
            let (good, text) = self.status(service);
            good && text.ends_with("(balanced)\n")
        })
        .await;
        self.status(service).1
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        self.call(&["down", "-v", "-t", "1"]);
    }
}

// One test, because both files publish ports of the machine and share the image.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_compose_files_make_a_cluster_that_survives_a_killed_container() {
    let Some(three) = Compose::up("docker-compose.yml") else { return };
    let golden = std::fs::read_to_string(root().join("tests/golden/status.txt")).unwrap();
    assert_eq!(three.healthy("node2").await, golden.replace("my-cluster", "default"));
    let (killed, text) = three.call(&["kill", "-s", "KILL", "node3"]);
    assert!(killed, "{text}");
    until("the loss is shown", || async { three.status("node1").1.contains("node3: down") }).await;
    let (created, text) =
        three.call(&["exec", "-T", "node1", "/bin/phoenixmldb-cluster", "container", "create", "after"]);
    assert!(created, "{text}");
    let (started, text) = three.call(&["start", "node3"]);
    assert!(started, "{text}");
    three.healthy("node1").await;
    drop(three);

    let Some(split) = Compose::up("split.yml") else { return };
    let status = split.healthy("d1").await;
    assert!(status.starts_with("Cluster: split\n") && status.contains("  d3: healthy (data)\n"), "{status}");
}
