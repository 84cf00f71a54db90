//! What each key and event does, as a specification.

use super::*;
use crate::fixture;
use crate::keys;
use phoenixmldb_client::admin_v1::ClusterSnapshot;
use std::sync::Arc;

fn seen(at_ms: u64, cluster: ClusterSnapshot) -> Event {
    Event::Seen { at_ms, cluster: Arc::new(cluster) }
}

/// A model that has seen a cluster once a second.
fn after(clusters: Vec<ClusterSnapshot>) -> Model {
    let mut model = Model::new(1_000, 0);
    for (second, cluster) in clusters.into_iter().enumerate() {
        update(&mut model, seen(second as u64 * 1_000, cluster));
    }
    model
}

fn keys(model: &mut Model, typed: &str) -> Option<Request> {
    let mut last = None;
    for c in typed.chars() {
        last = update(model, Event::Key(if c == '\n' { Key::Enter } else { Key::Char(c) }));
    }
    last
}

fn names(model: &Model) -> Vec<&str> {
    model.nodes().iter().map(|node| node.name.as_str()).collect()
}

#[test]
fn q_and_ctrl_c_quit_also_from_nested_places() {
    let mut model = after(vec![fixture::healthy()]);
    assert_eq!(keys(&mut model, "q"), Some(Request::Quit));
    keys(&mut model, "/");
    assert_eq!(keys(&mut model, "q"), None, "q is a letter while a filter is typed");
    assert_eq!(update(&mut model, Event::Key(Key::Interrupt)), Some(Request::Quit));
}

#[test]
fn numbers_open_screens_and_tab_goes_round_their_panels() {
    let mut model = after(vec![fixture::healthy()]);
    assert_eq!(model.panel, Panel::Nodes);
    let mut seen = Vec::new();
    for _ in 0..3 {
        update(&mut model, Event::Key(Key::Tab));
        seen.push(model.panel);
    }
    assert_eq!(seen, [Panel::Events, Panel::Attention, Panel::Nodes]);
    keys(&mut model, "2");
    assert_eq!((model.screen, model.panel), (Screen::Shards, Panel::Map));
}

#[test]
fn worst_nodes_come_first_and_s_goes_on_to_other_orders() {
    let mut model = after(vec![fixture::degraded()]);
    assert_eq!(names(&model), ["node3", "node1", "node2"]);
    keys(&mut model, "s");
    assert_eq!(names(&model), ["node1", "node2", "node3"]);
    keys(&mut model, "S");
    assert_eq!(names(&model), ["node3", "node2", "node1"]);
    keys(&mut model, "Ss");
    assert_eq!(names(&model), ["node1", "node2", "node3"], "by leaders: 9, 7, 0");
}

#[test]
fn a_filter_is_applied_with_enter_and_left_with_esc() {
    let mut model = after(vec![fixture::large()]);
    keys(&mut model, "/node[12]\n");
    assert_eq!(names(&model), ["node1", "node2"]);
    update(&mut model, Event::Key(Key::Esc));
    assert_eq!(model.nodes().len(), 9);
    keys(&mut model, "/(\n");
    assert!(model.notice.starts_with("not a filter: "), "{}", model.notice);
    assert_eq!(model.nodes().len(), 9);
    keys(&mut model, "/!node1\n");
    assert_eq!(model.nodes().len(), 8);
}

#[test]
fn faults_only_hides_what_is_well() {
    let mut model = after(vec![fixture::degraded()]);
    keys(&mut model, "F");
    assert_eq!(names(&model), ["node3"]);
    assert!(model.events().iter().all(|event| event.level != "info"));
}

#[test]
fn time_stops_is_scrubbed_and_goes_on() {
    let mut model = after(vec![fixture::healthy(), fixture::healthy(), fixture::degraded()]);
    let health = |model: &Model| model.health().map(crate::facts::Health::word);
    assert_eq!(health(&model), Some("! DEGRADED"));
    keys(&mut model, "<");
    assert_eq!(health(&model), Some("healthy"));
    keys(&mut model, "<<<<");
    assert_eq!(model.stopped_at, Some(0), "the oldest moment is the end");
    keys(&mut model, ">>");
    assert_eq!((model.stopped_at, health(&model)), (Some(2), Some("! DEGRADED")));
    keys(&mut model, ">");
    assert_eq!(model.stopped_at, None, "past the newest moment, time goes on");
    keys(&mut model, "p");
    update(&mut model, seen(3_000, fixture::healthy()));
    assert_eq!(health(&model), Some("! DEGRADED"), "stopped, but still listening");
    keys(&mut model, "p");
    assert_eq!(health(&model), Some("healthy"));
}

#[test]
fn a_lost_cluster_stays_on_screen_and_its_age_is_counted() {
    let mut model = after(vec![fixture::healthy()]);
    assert_eq!(model.stale_ms(), None);
    update(&mut model, Event::Lost { at_ms: 1_000, reason: "connection refused".into() });
    update(&mut model, Event::Lost { at_ms: 2_000, reason: "connection refused".into() });
    update(&mut model, Event::Tick { at_ms: 12_000 });
    assert_eq!(model.cluster().map(|cluster| cluster.nodes.len()), Some(3));
    assert_eq!(model.stale_ms(), Some(12_000));
    assert_eq!(model.attention()[0].text, "cluster not seen for 12s: connection refused");
    update(&mut model, seen(13_000, fixture::healthy()));
    assert_eq!((model.stale_ms(), model.feed), (None, Feed::Live));
}

#[test]
fn a_view_that_is_old_at_its_source_is_stale_too() {
    let old = ClusterSnapshot { view_age_ms: 9_000, quorum: false, ..fixture::healthy() };
    assert_eq!(after(vec![old]).stale_ms(), Some(9_000));
}

#[test]
fn y_offers_the_command_for_what_is_marked() {
    let mut model = after(vec![fixture::degraded()]);
    model.program = "phoenixmldb-cluster --endpoint a:1".into();
    let copied = keys(&mut model, "y");
    assert_eq!(copied, Some(Request::Copy("phoenixmldb-cluster --endpoint a:1 status --wait healthy".into())));
    keys(&mut model, "2");
    update(&mut model, Event::Key(Key::Right));
    assert_eq!(keys(&mut model, "y"), Some(Request::Copy("phoenixmldb-cluster --endpoint a:1 shards 1".into())));
    assert_eq!(model.notice, "phoenixmldb-cluster --endpoint a:1 shards 1");
    keys(&mut model, "h");
    assert_eq!(model.notice, "", "until the next key");
}

#[test]
fn cursors_stay_on_what_is_there() {
    let mut model = after(vec![fixture::large()]);
    for _ in 0..20 {
        update(&mut model, Event::Key(Key::Down));
    }
    assert_eq!(model.node_at, 8);
    update(&mut model, seen(1_000, fixture::single()));
    assert_eq!(model.node_at, 0);
    update(&mut model, seen(2_000, fixture::forming()));
    keys(&mut model, "2y");
    assert_eq!(model.notice, "phoenixmldb-cluster shards");
}

#[test]
fn help_opens_and_closes() {
    let mut model = after(vec![fixture::healthy()]);
    keys(&mut model, "?");
    assert!(model.help);
    assert_eq!(keys(&mut model, "q"), None, "q closes the help first");
    assert!(!model.help);
}

/// The bottom line never names a key that does nothing.
#[test]
fn every_key_that_is_shown_does_something() {
    for screen in [Screen::Overview, Screen::Shards] {
        let mut start = after(vec![fixture::degraded(), fixture::degraded()]);
        start.open(screen);
        for (label, _) in keys::hints(&start) {
            let pressed: Vec<Key> = match label {
                "tab" => vec![Key::Tab],
                "arrows" => vec![Key::Down],
                "< >" => vec![Key::Char('<')],
                one => one.chars().map(Key::Char).collect(),
            };
            let mut model = start.clone();
            let asked = pressed.into_iter().filter_map(|key| update(&mut model, Event::Key(key))).next();
            let changed = format!("{model:?}") != format!("{start:?}");
            assert!(asked.is_some() || changed, "<{label}> on {screen:?}");
        }
    }
}

#[test]
fn without_colours_there_is_no_palette_to_choose() {
    let mut model = after(vec![fixture::healthy()]);
    model.colors = false;
    let before = model.palette;
    keys(&mut model, "C");
    assert_eq!(model.palette, before);
    assert!(!keys::hints(&model).iter().any(|(key, _)| *key == "C"));
}
