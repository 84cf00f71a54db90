//! Screens as text, for reading; one of each with its styles; and any snapshot at any size without a panic.
//!
//! After a wanted change: `INSTA_UPDATE=always cargo test -p phoenixmldb-tui`, then read the difference.

use super::*;
use crate::event::{Event, Key};
use crate::fixture;
use crate::update::update;
use phoenixmldb_client::admin_v1::ClusterSnapshot;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::{CrosstermBackend, TestBackend};
use std::sync::Arc;

/// A model that has seen a cluster for some seconds, with load going up and down.
fn model(screen: Screen, cluster: &ClusterSnapshot) -> Model {
    let mut model = Model::new(1_000, 0);
    model.open(screen);
    for second in 0..16_u64 {
        let mut cluster = cluster.clone();
        let factor = [0.5, 0.7, 0.9, 1.0][(second % 4) as usize];
        for load in cluster.nodes.iter_mut().filter_map(|node| node.load.as_mut()) {
            load.reads_per_s *= factor;
            load.writes_per_s *= factor;
        }
        cluster.taken_ms += second * 1_000;
        for node in cluster.nodes.iter_mut().filter(|node| node.state == "down") {
            node.since_ms += second * 1_000;
        }
        update(&mut model, Event::Seen { at_ms: second * 1_000, cluster: Arc::new(cluster) });
    }
    model
}

fn drawn(model: &Model, columns: u16, lines: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| view(model, frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn screens(screen: Screen, name: &str) {
    let clusters = [
        ("healthy", fixture::healthy()),
        ("degraded", fixture::degraded()),
        ("forming", fixture::forming()),
        ("single", fixture::single()),
        ("large", fixture::large()),
    ];
    for (kind, cluster) in clusters {
        for (columns, lines) in [(160, 48), (80, 24), (60, 20)] {
            let text = plain::text(&drawn(&model(screen, &cluster), columns, lines));
            insta::assert_snapshot!(format!("{name}_{kind}_{columns}x{lines}"), text);
        }
    }
}

#[test]
fn the_overview() {
    screens(Screen::Overview, "overview");
}

#[test]
fn the_shard_map() {
    screens(Screen::Shards, "shards");
}

#[test]
fn styles_of_the_overview() {
    insta::assert_debug_snapshot!(drawn(&model(Screen::Overview, &fixture::degraded()), 120, 30));
}

#[test]
fn styles_of_the_shard_map() {
    insta::assert_debug_snapshot!(drawn(&model(Screen::Shards, &fixture::degraded()), 120, 24));
}

#[test]
fn help_dense_cells_and_a_filter() {
    let mut model = model(Screen::Shards, &fixture::large());
    for key in ['z', '/', 'n', '2'] {
        update(&mut model, Event::Key(Key::Char(key)));
    }
    insta::assert_snapshot!("dense_and_typing", plain::text(&drawn(&model, 100, 24)));
    update(&mut model, Event::Key(Key::Esc));
    update(&mut model, Event::Key(Key::Char('?')));
    insta::assert_snapshot!("help", plain::text(&drawn(&model, 100, 24)));
}

#[test]
fn a_cluster_out_of_sight_is_shown_as_old() {
    let mut model = model(Screen::Overview, &fixture::healthy());
    update(&mut model, Event::Lost { at_ms: 16_000, reason: "10.0.0.1:5432: connection refused".into() });
    update(&mut model, Event::Tick { at_ms: 27_000 });
    let buffer = drawn(&model, 120, 24);
    let text = plain::text(&buffer);
    assert!(text.contains("STALE 12s") && text.contains("cluster not seen for 12s"), "{text}");
    // Everything below the first line is dim: nobody takes it for current.
    let dim = |y: u16| buffer.cell((10, y)).unwrap().modifier.contains(Modifier::DIM);
    assert!(!dim(0) && (1..23).all(dim));
}

#[test]
fn before_the_first_answer_the_reason_is_shown() {
    let mut model = Model::new(1_000, 0);
    update(&mut model, Event::Lost { at_ms: 500, reason: "no node reachable: 127.0.0.1:1 (refused)".into() });
    update(&mut model, Event::Tick { at_ms: 3_000 });
    insta::assert_snapshot!("connecting", plain::text(&drawn(&model, 80, 12)));
}

#[test]
fn what_nobody_measured_is_a_dash() {
    let mut cluster = fixture::healthy();
    for node in &mut cluster.nodes {
        node.load = None;
    }
    for shard in &mut cluster.shards {
        (shard.documents, shard.bytes, shard.requests_per_s) = (0, 0, 0.0);
    }
    insta::assert_snapshot!("unmeasured_overview", plain::text(&drawn(&model(Screen::Overview, &cluster), 120, 24)));
    insta::assert_snapshot!("unmeasured_shards", plain::text(&drawn(&model(Screen::Shards, &cluster), 120, 24)));
}

#[test]
fn ascii_is_ascii() {
    for screen in [Screen::Overview, Screen::Shards] {
        for cluster in fixture::all() {
            let mut model = model(screen, &cluster);
            model.ascii = true;
            let text = plain::text(&drawn(&model, 100, 30));
            assert!(text.is_ascii(), "{text}");
        }
    }
    let mut model = model(Screen::Shards, &fixture::degraded());
    model.ascii = true;
    insta::assert_snapshot!("ascii", plain::text(&drawn(&model, 80, 24)));
}

/// Text of events and reasons comes from elsewhere; a terminal must not obey it.
#[test]
fn control_characters_do_not_reach_the_terminal() {
    let mut cluster = fixture::degraded();
    cluster.events[0].text = "\u{1b}[2Jgone\u{7}\nand\ta tab".into();
    cluster.nodes[1].state = "sus\u{1b}]0;title\u{7}pect".into();
    for screen in [Screen::Overview, Screen::Shards] {
        let text = plain::text(&drawn(&model(screen, &cluster), 160, 48));
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
}

/// With `NO_COLOR` the library writes a colour as a full reset, which would end bold and reversed: so no colour may be
/// written, and the cursor's row has to be reversed in the bytes that reach the terminal.
#[test]
fn without_colour_the_bytes_hold_modifiers_and_nothing_else() {
    let mut model = model(Screen::Overview, &fixture::degraded());
    model.palette = crate::theme::Palette::Mono;
    let bytes = |model: &Model| {
        let mut written = Vec::new();
        {
            let viewport = ratatui::Viewport::Fixed(Rect::new(0, 0, 100, 24));
            let options = ratatui::TerminalOptions { viewport };
            let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut written), options).unwrap();
            terminal.draw(|frame| view(model, frame)).unwrap();
        }
        String::from_utf8(written).unwrap()
    };
    crossterm::style::force_color_output(false);
    let plain = bytes(&model);
    crossterm::style::force_color_output(true);
    let size = |cells| std::num::NonZeroU16::new(cells).unwrap();
    let mut screen = vt100::Parser::new(size(24), size(100), 0);
    screen.process(plain.as_bytes());
    let cells = || (0..24).flat_map(|y| (0..100).map(move |x| (y, x)));
    let cell = |(y, x): (u16, u16)| screen.screen().cell(y, x).unwrap();
    assert!(
        cells().all(|at| cell(at).fgcolor() == vt100::Color::Default && cell(at).bgcolor() == vt100::Color::Default)
    );
    let row = screen.screen().rows(0, 100).position(|row| row.contains("> ! node3")).unwrap() as u16;
    assert!((2..98).all(|x| cell((row, x)).inverse()), "the row under the cursor is reversed:\n{plain:?}");
    assert!(cells().any(|at| cell(at).bold()));
    // The same frame in colour does set some: the check above can fail.
    model.palette = crate::theme::Palette::Default;
    assert!(bytes(&model).contains("\u{1b}[38;5;"));
}

fn any_cluster() -> impl Strategy<Value = ClusterSnapshot> {
    let word = "[a-zé日\\-\u{1b}. ]{0,30}";
    let state = prop_oneof!["healthy|down|lagging|suspect|joining|unknown", word];
    (0_usize..12, 0_u32..80, prop::collection::vec((word, state, any::<u64>(), any::<f64>()), 12), any::<[bool; 4]>())
        .prop_map(|(nodes, shards, words, [formed, quorum, empty, moving])| {
            let mut cluster = if moving { fixture::degraded() } else { fixture::cluster(nodes.max(1), shards) };
            cluster.formed = formed;
            cluster.quorum = quorum;
            if empty {
                cluster.shards.clear();
            }
            cluster.nodes.truncate(nodes);
            for (node, (name, state, number, figure)) in cluster.nodes.iter_mut().zip(&words) {
                node.name.clone_from(name);
                node.state.clone_from(state);
                (node.since_ms, node.lag_entries, node.uptime_s) = (*number, *number, *number / 1_000);
                if let Some(load) = &mut node.load {
                    (load.reads_per_s, load.read_p99_ms, load.cpu_percent) = (*figure, *figure, *figure);
                    (load.disk_used_bytes, load.data_bytes) = (*number, *number);
                }
            }
            for (shard, (name, state, number, figure)) in cluster.shards.iter_mut().zip(words.iter().cycle()) {
                shard.leader.clone_from(name);
                shard.state.clone_from(state);
                (shard.documents, shard.bytes, shard.requests_per_s) = (*number >> 8, *number >> 8, *figure);
            }
            cluster
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cluster_is_drawn_at_any_size(
        cluster in any_cluster(),
        (columns, lines) in (1_u16..=200, 1_u16..=60),
        keys in prop::collection::vec(prop_oneof![
            prop::sample::select("12sSFhzC?/p<>ynode!".chars().map(Key::Char).collect::<Vec<_>>()),
            prop::sample::select(vec![Key::Tab, Key::Up, Key::Down, Key::Left, Key::Right, Key::Enter, Key::Esc]),
        ], 0..12),
        ascii: bool,
        interactive: bool,
    ) {
        let mut model = Model::new(1_000, 0);
        (model.ascii, model.interactive) = (ascii, interactive);
        update(&mut model, Event::Seen { at_ms: 0, cluster: Arc::new(cluster.clone()) });
        for key in keys {
            update(&mut model, Event::Key(key));
        }
        update(&mut model, Event::Seen { at_ms: 1_000, cluster: Arc::new(cluster) });
        let buffer = drawn(&model, columns, lines);
        prop_assert_eq!(buffer.area, Rect::new(0, 0, columns, lines));
        prop_assert!(lines_wanted(&model, columns) <= PLAIN_LINES_MAX);
    }
}
