//! How a node starts, waits and is asked before it serves; and what the README shows, run as it stands.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

use phoenixmldb_cli::demo::local::{LocalNode, free_ports, sibling};
use phoenixmldb_cluster_tests::{alone, client, healthy, http, pc, refused, until};
use std::path::Path;
use std::process::Command;

#[tokio::test]
async fn a_node_that_nobody_initialised_waits_and_says_so() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(2).unwrap();
    let pair = (ports[0], ports[1]);
    let mut node = LocalNode::new("phoenixmldb-server", "node1", folder.path(), pair, &["--cluster"]).unwrap();
    node.start().unwrap();
    let at = [node.client.clone()];
    until("the port answers", || async { std::net::TcpStream::connect(&at[0]).is_ok() }).await;
    assert_eq!(http::get(&at[0], "/health").await.status, 200);
    assert_eq!(http::get(&at[0], "/live").await.status, 200);
    until("it says why it waits", || async {
        let page = http::get(&at[0], "/ready").await;
        (page.status, page.body.as_str()) == (503, "not initialised: run init or join\n")
    })
    .await;
    let (code, error) = refused(&pc(&at, &["status"]));
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("not initialised: run init or join") && error.contains("init --help"), "{error}");
    let data = folder.path().join("node1");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&data).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "a new folder is its owner's alone");
    // The folder is the node's; the note is found while it runs.
    let init = ["init", "--node-id", "node1", "--cluster-id", "c", "--replicas", "1", "--data", data.to_str().unwrap()];
    assert!(pc(&[], &init).status.success());
    healthy(&client(at.to_vec())).await;
    until("it serves", || async { http::get(&at[0], "/ready").await.status == 200 }).await;
}

/// The shell block below a heading of the README.
fn block(heading: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, code) = section.split_once("```sh\n").unwrap();
    code.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn the_database_on_one_machine_of_the_readme_works_as_it_stands() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("order.xml"), "<order><total>1200</total></order>").unwrap();
    let programs = sibling("phoenixmldb-server").unwrap().parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let port = free_ports(1).unwrap()[0].to_string();
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        // Only the port is another one than in the text, so that tests do not meet.
        command.args(["-c", &line.replace("5432", &port)]).current_dir(folder.path());
        command.env("PATH", &path).env("PHOENIXMLDB_ENDPOINTS", format!("127.0.0.1:{port}"));
        command
    };
    let text = block("A database on one machine");
    let (server, commands): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("phoenixmldb-server "));
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut running = shell(&format!("exec {}", server[0])).stderr(log).spawn().unwrap();
    healthy(&client(vec![format!("127.0.0.1:{port}")])).await;
    let mut last = String::new();
    for line in commands {
        let output = shell(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        last = String::from_utf8_lossy(&output.stdout).into_owned();
    }
    assert_eq!(last, "<order><total>1200</total></order>\n");
    running.kill().unwrap();
    running.wait().unwrap();
}
