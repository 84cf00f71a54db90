//! The dashboard on a terminal, of a cluster of real processes that loses a node.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

#[path = "../../../tui/tests/pty/mod.rs"]
mod pty;

use phoenixmldb_cli::demo::local::{LocalCluster, sibling};
use phoenixmldb_cluster_tests::{PATIENT, alone, formed, healthy, ok, pc};
use pty::{Pty, and_then_modes};

/// The line of a node in the table or on the map: it begins with the name, and a gap follows.
fn row(screen: &str, node: &str) -> String {
    let begins = |line: &&str| line.trim_start_matches(['│', ' ', '>', '!', '~']).starts_with(&format!("{node}  "));
    screen.lines().find(begins).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_is_seen_to_go_and_its_shards_to_be_led_by_others() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, PATIENT).unwrap();
    let client = formed(&mut cluster).await;
    let program = sibling("phoenixmldb-cluster").unwrap();
    let line = format!("{} --endpoint {} dashboard", program.display(), cluster.endpoints().join(","));
    let mut pty = Pty::start(&and_then_modes(&line), (140, 40), &[]);
    let names: Vec<String> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
    pty.until("all nodes healthy", |screen| {
        screen.contains("All good. 16 shards x3, 3 nodes.")
            && names.iter().all(|name| row(screen, name).contains("healthy"))
    });

    // The node the dashboard is told first is the one that goes: the feed has to find another.
    let victim = names[0].clone();
    cluster.nodes[0].kill().unwrap();
    pty.until("the node is down", |screen| {
        row(screen, &victim).contains("DOWN") && screen.contains(&format!("{victim} down for"))
    });
    pty.press("2");
    // Every shard has a leader again, and none of them is on the node that went.
    pty.until("other leaders", |screen| {
        let cells = row(screen, &victim);
        screen.contains("Shard map") && cells.matches("fx").count() == 16 && !cells.contains('L')
    });
    let leaders: usize = names[1..].iter().map(|name| row(&pty.text(), name).matches('L').count()).sum();
    assert_eq!(leaders, 16, "{}", pty.text());

    cluster.nodes[0].start().unwrap();
    healthy(&client).await;
    pty.press("1");
    pty.until("healthy again", |screen| names.iter().all(|name| row(screen, name).contains("healthy")));
    pty.press("q");
    let pty = pty.end();
    assert!(pty.text().contains("code=0"), "{}", pty.text());
    pty.assert_restored();

    // Without a terminal it is one frame of text, and JSON for programs.
    let text = ok(&pc(&cluster.endpoints(), &["dashboard"]));
    assert!(text.contains("> Overview") && !text.contains('\u{1b}'), "{text}");
    let json = ok(&pc(&cluster.endpoints(), &["top", "--json"]));
    assert!(json.starts_with(r#"{"apiVersion":"phoenixmldb.io/v1","kind":"ClusterSnapshot","data":{"#), "{json}");
}
