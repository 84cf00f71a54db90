//! One server without a cluster is a database: documents, names, conditions, restart, and what it refuses.

use phoenixmldb_client::Code;
use phoenixmldb_client::documents::PutOptions;
use phoenixmldb_client::v1::{Consistency, ContainerOptions};
use phoenixmldb_cluster_tests::{alone, client, healthy, ok, pc, refused, single};
use std::process::Command;

#[tokio::test]
async fn documents_come_back_as_they_were_stored_also_after_a_restart() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut node = single(folder.path());
    node.start().unwrap();
    let client = client(vec![node.client.clone()]);
    healthy(&client).await;
    client.create_container("books", ContainerOptions::default(), false).await.unwrap();
    let text = "<b xmlns:x=\"urn:x\" x:a=\"1\"><!--c--><?p d?>t &amp; u<e/></b>";
    let put = client.put_document("books", "shelf/b1.xml", text).await.unwrap().document.unwrap();
    let got = client.get_document("books", "shelf/b1.xml", Consistency::Strong).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got.content), text);
    assert_eq!(got.document.unwrap().version, put.version);

    let again = PutOptions { no_overwrite: true, ..PutOptions::default() };
    let error = client.put_document_with("books", "shelf/b1.xml", "<c/>", again).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::DocumentExists));
    let stale = PutOptions { if_version: Some(put.version - 1), ..PutOptions::default() };
    let error = client.put_document_with("books", "shelf/b1.xml", "<c/>", stale).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::VersionConflict));
    let error = client.put_document("books", "bad.xml", "<a><b></a>").await.unwrap_err();
    assert_eq!(error.code(), Some(Code::MalformedDocument));
    assert!(error.to_string().contains("line 1, column 10"), "{error}");
    let error = client.put_document("nowhere", "a.xml", "<a/>").await.unwrap_err();
    assert_eq!(error.code(), Some(Code::ContainerNotFound));

    for number in 0..25 {
        client.put_document("books", &format!("n/{number:02}.xml"), "<n/>").await.unwrap();
    }
    let first = client.list_documents("books", "n/", 10, "").await.unwrap();
    let second = client.list_documents("books", "n/", 100, &first.next_page_token).await.unwrap();
    let names: Vec<String> = first.documents.iter().chain(&second.documents).map(|info| info.name.clone()).collect();
    assert_eq!(names, (0..25).map(|number| format!("n/{number:02}.xml")).collect::<Vec<_>>());
    assert!(client.delete_document("books", "n/00.xml", false).await.unwrap().deleted);
    assert!(!client.document_exists("books", "n/00.xml").await.unwrap());

    node.kill().unwrap();
    node.start().unwrap();
    healthy(&client).await;
    let got = client.get_document("books", "shelf/b1.xml", Consistency::Strong).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got.content), text);
    let info = client.get_container("books").await.unwrap();
    assert_eq!(info.documents, 25);
    assert!(client.delete_container("books", false).await.unwrap());
    let error = client.get_document("books", "shelf/b1.xml", Consistency::Strong).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::ContainerNotFound));
}

#[tokio::test]
async fn the_command_line_stores_shows_and_refuses() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut node = single(folder.path());
    node.start().unwrap();
    let at = [node.client.clone()];
    healthy(&client(at.to_vec())).await;
    let file = folder.path().join("a.xml");
    std::fs::write(&file, "<a>1</a>").unwrap();
    let file = file.to_str().unwrap();
    let (code, error) = refused(&pc(&at, &["put", "orders", "a.xml", file]));
    assert_eq!(code, 1);
    assert!(error.contains("phoenixmldb-cluster container create orders"), "{error}");
    ok(&pc(&at, &["container", "create", "orders"])).clear();
    let (code, error) = refused(&pc(&at, &["container", "create", "orders"]));
    assert_eq!(code, 1);
    assert!(error.contains("container \"orders\" exists"), "{error}");
    ok(&pc(&at, &["container", "create", "orders", "--if-not-exists"])).clear();
    ok(&pc(&at, &["put", "orders", "a.xml", file])).clear();
    assert_eq!(ok(&pc(&at, &["get", "orders", "a.xml"])), "<a>1</a>\n");
    assert_eq!(ok(&pc(&at, &["ls", "orders"])), "a.xml\n");
    assert!(ok(&pc(&at, &["locate", "orders", "a.xml"])).contains("Leader: local\n"));
    assert_eq!(ok(&pc(&at, &["shards", "-o", "json"])).matches("\"commitIndex\"").count(), 16);
    ok(&pc(&at, &["rm", "orders", "a.xml"])).clear();
    assert_eq!(refused(&pc(&at, &["get", "orders", "a.xml"])).0, 1);
    let (code, error) = refused(&pc(&at, &["container", "create", "bad name"]));
    assert_eq!(code, 2, "{error}");
    let (code, error) = refused(&pc(&at, &["container", "create", "c2", "--shard-key-path", "/order/customerId"]));
    assert_eq!(code, 1);
    assert!(error.contains("shard_key_path"), "{error}");
    let (code, error) = refused(&pc(&["127.0.0.1:1".to_owned()], &["status"]));
    assert_eq!(code, 6);
    assert!(error.contains("127.0.0.1:1") && error.contains("--endpoint"), "{error}");
}

#[tokio::test]
async fn documents_are_spread_over_all_shards_as_chance_would_have_it() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut node = single(folder.path());
    node.start().unwrap();
    let client = client(vec![node.client.clone()]);
    healthy(&client).await;
    client.create_container("orders", ContainerOptions::default(), false).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for share in 0..20 {
        let client = client.clone();
        tasks.spawn(async move {
            let mut shards = Vec::new();
            for number in 0..50 {
                let name = format!("o{}.xml", share * 50 + number);
                shards.push(client.put_document("orders", &name, "<o/>").await.unwrap().document.unwrap().shard);
            }
            shards
        });
    }
    let mut counts = [0_u32; 16];
    for shard in tasks.join_all().await.into_iter().flatten() {
        counts[shard as usize] += 1;
    }
    // Chi square with 15 degrees of freedom: mean 15, three standard deviations of 5.5 above.
    let mean = 1000.0 / 16.0;
    let chi_square: f64 = counts.iter().map(|count| (f64::from(*count) - mean).powi(2) / mean).sum();
    assert!(chi_square < 31.5, "{counts:?}: {chi_square}");
}

#[tokio::test]
async fn a_folder_serves_one_process_and_a_port_one_server() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut node = single(folder.path());
    node.start().unwrap();
    healthy(&client(vec![node.client.clone()])).await;
    let server = phoenixmldb_cli::demo::local::sibling("phoenixmldb-server").unwrap();
    let data = folder.path().join("local");
    let run = |data: &str, port: &str| Command::new(&server).args(["--data", data, "--port", port]).output().unwrap();
    let output = run(data.to_str().unwrap(), "0");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&format!("in use by pid {}", node.pid().unwrap())), "{text}");
    let port = node.client.rsplit_once(':').unwrap().1.to_owned();
    let output = run(folder.path().join("other").to_str().unwrap(), &port);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&format!("port {port} in use")), "{text}");
}
