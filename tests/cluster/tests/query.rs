//! Queries over sixteen shards: the same answers as over one, in document order, with errors at their place.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

use phoenixmldb_cli::demo::local::LocalCluster;
use phoenixmldb_cli::demo::orders;
use phoenixmldb_client::v1::{Consistency, ContainerOptions, QueryOptions, TypedValue, Variable};
use phoenixmldb_client::{Client, ClientError, Code};
use phoenixmldb_cluster_tests::{PATIENT, alone, formed, ok, pc, refused};

const DOCUMENTS: u32 = 200;

async fn texts(client: &Client, query: &str) -> Vec<String> {
    client.query(query).await.unwrap().items.into_iter().map(|item| item.text).collect()
}

async fn error(client: &Client, query: &str) -> (Code, String, String) {
    match client.query(query).await.unwrap_err() {
        ClientError::Refused { error, .. } => {
            let get = |key: &str| error.get(key).unwrap_or_default().to_owned();
            (error.code, get("xquery_code"), format!("{}:{}", get("line"), get("column")))
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_over_all_shards() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, PATIENT).unwrap();
    let client = formed(&mut cluster).await;
    client.create_container("orders", ContainerOptions::default(), false).await.unwrap();
    for number in 0..DOCUMENTS {
        client.put_document("orders", &orders::name(number), orders::order(number).0).await.unwrap();
    }

    // The documented query: the documents themselves, in the order of their names.
    let query = "for $order in collection('orders')//order where $order/total > 1000 return $order";
    let result = client.query(query).await.unwrap();
    let expected: Vec<u32> = (0..DOCUMENTS).filter(|number| orders::order(*number).1 > 100_000).collect();
    assert_eq!(
        result.items.iter().map(|item| item.text.clone()).collect::<Vec<_>>(),
        expected.iter().map(|number| orders::order(*number).0).collect::<Vec<_>>()
    );
    assert_eq!(result.items[0].document, format!("orders/{}", orders::name(expected[0])));
    assert_eq!((result.summary.shards_queried, result.summary.shards_total), (16, 16));
    assert_eq!(result.summary.shards.iter().map(|shard| shard.documents).sum::<u64>(), u64::from(DOCUMENTS));

    // Partial results are combined, and agree with the whole evaluated in one place.
    let cents: u64 = (0..DOCUMENTS).map(|number| orders::order(number).1).sum();
    for (query, result) in [
        ("count(collection('orders')//order)", DOCUMENTS.to_string()),
        ("exists(collection('orders')//order[total > 100000])", "false".to_owned()),
        ("empty(collection('orders')//nothing)", "true".to_owned()),
        ("string(min(collection('orders')//order/@id))", String::new()),
    ] {
        if !result.is_empty() {
            assert_eq!(texts(&client, query).await, [result], "{query}");
        }
    }
    let sum = texts(&client, "sum(for $t in collection('orders')//total return xs:decimal($t))").await;
    assert_eq!(sum[0].parse::<f64>().unwrap(), cents as f64 / 100.0);
    let pairs = [
        (
            "collection('orders')//order/total/string()",
            "for $d in (collection('orders')) return $d//order/total/string()",
        ),
        ("max(collection('orders')//total/number())", "let $c := collection('orders') return max($c//total/number())"),
    ];
    for (split, whole) in pairs {
        assert_eq!(texts(&client, split).await, texts(&client, whole).await, "{split}");
    }

    // What cannot be split is evaluated over fetched documents.
    let query = "for $o in collection('orders')//order order by number($o/total) descending return string($o/total)";
    let totals: Vec<f64> = texts(&client, query).await.iter().map(|text| text.parse().unwrap()).collect();
    assert!(totals.len() == DOCUMENTS as usize && totals.windows(2).all(|pair| pair[0] >= pair[1]));
    assert_eq!(texts(&client, "doc('orders/o0000007.xml')/order/@id/string()").await, ["O0000007"]);

    let variable = Variable {
        name: "least".into(),
        values: vec![TypedValue { r#type: "xs:integer".into(), value: "1000".into() }],
    };
    let query = "declare variable $least external; count(collection('orders')//order[total > $least])";
    let result = client.query_with(query, vec![variable], QueryOptions::default()).await.unwrap();
    assert_eq!(result.items[0].text, expected.len().to_string());

    // Errors have their W3C code and their place in the query as it was asked.
    assert_eq!(error(&client, "for $x in\n  collection('orders' return $x").await.0, Code::QueryStatic);
    let (code, named, place) = error(&client, "1 +\n  $nothing").await;
    assert_eq!((code, named.as_str(), place.as_str()), (Code::QueryStatic, "XPST0008", "2:3"));
    let (code, named, place) = error(&client, "for $o in collection('orders')//order\nreturn $o/total + $o").await;
    assert_eq!((code, named.as_str()), (Code::QueryDynamic, "FORG0001"));
    assert!(place.starts_with("2:"), "{place}");
    assert_eq!(error(&client, "collection('nowhere')//a").await.1, "FODC0002");
    let bound = QueryOptions { max_results: 5, ..QueryOptions::default() };
    let query = "collection('orders')//order";
    let refusal = client.query_with(query, Vec::new(), bound.clone()).await.unwrap_err();
    assert_eq!(refusal.code(), Some(Code::TooManyResults));
    let cut = client.query_with(query, Vec::new(), QueryOptions { truncate: true, ..bound }).await.unwrap();
    assert_eq!((cut.items.len(), cut.summary.truncated), (5, true));

    let at = cluster.endpoints();
    let plan = ok(&pc(&at, &["query", "--explain", "count(collection('orders')//order)"]));
    assert!(plan.contains("on each of 16 shards") && plan.contains("added up"), "{plan}");
    let (code, text) = refused(&pc(&at, &["query", "1 +"]));
    assert_eq!(code, 3);
    assert!(text.contains("XPST0003"), "{text}");
    assert_eq!(ok(&pc(&at, &["query", "--method", "json", "map { 'a': 1 }"])), "{\"a\":1}\n");

    // Two copies of three lost: a strong query is refused, never answered in part.
    cluster.nodes[0].kill().unwrap();
    cluster.nodes[1].kill().unwrap();
    let only = phoenixmldb_cluster_tests::client(vec![cluster.nodes[2].client.clone()]);
    let strong = QueryOptions { consistency: Consistency::Strong.into(), ..QueryOptions::default() };
    let asked = only.query_with("count(collection('orders')//order)", Vec::new(), strong).await;
    let refusal = asked.unwrap_err();
    assert!(
        matches!(refusal.code(), Some(Code::ClockUnavailable | Code::NoQuorum | Code::ShardUnavailable)),
        "{refusal}"
    );
}
