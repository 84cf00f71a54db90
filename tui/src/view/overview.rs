//! The first screen: is anything wrong, and what do I type; then work, control plane, nodes, events.

use super::panel::{Panel, first_row, inner_columns, part};
use super::{Class, pair};
use crate::attention::{Item, Severity};
use crate::facts;
use crate::format::{self, UNKNOWN, bytes, cell, latency, percent, rate, short, span, spark, time, width};
use crate::model::{self, Model};
use crate::theme::{Ink, style};
use phoenixmldb_client::admin_v1::{ClusterSnapshot, Event, NodeView};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

/// Lines of the panels about work and control, with borders.
const WORK_LINES: u16 = 6;
/// Fewest lines of a list with borders that are worth drawing.
const LIST_LINES_MIN: u16 = 4;
/// Most things that need someone, shown at once.
const ATTENTION_LINES_MAX: u16 = 6;
/// Moments in a line of rates, in columns.
const SPARK_COLUMNS: usize = 12;

/// Draws the screen.
pub fn draw(model: &Model, cluster: &ClusterSnapshot, area: Rect, buffer: &mut Buffer) {
    let class = Class::of(area.width);
    let items = model.attention();
    let mut rest = area;
    let mut take = |lines: u16| {
        let taken = Rect { height: lines.min(rest.height), ..rest };
        rest = Rect { y: rest.y + taken.height, height: rest.height - taken.height, ..rest };
        taken
    };
    let nodes_wanted = table_lines(model.nodes().len());
    // A short screen keeps the table: of what needs someone, the first line is enough then.
    let attention_lines = attention_lines(&items).min(area.height.saturating_sub(nodes_wanted).max(3));
    if items.is_empty() || class == Class::Narrow {
        one_line(model, cluster, &items, take(1), buffer);
    } else {
        attention(model, &items, take(attention_lines), buffer);
    }
    let left = area.height - if items.is_empty() || class == Class::Narrow { 1 } else { attention_lines };
    let with_work = class > Class::Narrow && left >= WORK_LINES + nodes_wanted.min(6) && cluster.formed;
    if with_work && let Some([work_area, control_area]) = pair(take(WORK_LINES), 80) {
        work(model, cluster, work_area, buffer);
        control(model, cluster, control_area, buffer);
    }
    let left = left - if with_work { WORK_LINES } else { 0 };
    let events_lines = if left >= nodes_wanted + LIST_LINES_MIN { left - nodes_wanted } else { 0 };
    nodes(model, cluster, take(left - events_lines), buffer);
    events(model, take(events_lines), buffer);
}

/// Lines that show everything.
#[must_use]
pub fn lines_wanted(model: &Model, cluster: &ClusterSnapshot, columns: u16) -> u16 {
    let items = model.attention();
    let narrow = Class::of(columns) == Class::Narrow;
    let top = if items.is_empty() || narrow { 1 } else { attention_lines(&items) };
    let work = if narrow || !cluster.formed { 0 } else { WORK_LINES };
    let events = u16::try_from(model.events().len().clamp(1, 10)).unwrap_or(10) + 2;
    top + work + table_lines(model.nodes().len()) + events
}

fn attention_lines(items: &[Item]) -> u16 {
    u16::try_from(items.len()).unwrap_or(ATTENTION_LINES_MAX).min(ATTENTION_LINES_MAX) + 2
}

fn table_lines(rows: usize) -> u16 {
    u16::try_from(rows.max(1)).unwrap_or(u16::MAX).saturating_add(3)
}

fn paint(model: &Model, ink: Ink) -> ratatui::style::Style {
    style(model.palette, ink)
}

fn severity_ink(severity: Severity) -> Ink {
    match severity {
        Severity::Warn => Ink::Warn,
        Severity::Bad => Ink::Bad,
    }
}

/// All is well in one line; or, on a narrow screen, the worst of what is not.
fn one_line(model: &Model, cluster: &ClusterSnapshot, items: &[Item], area: Rect, buffer: &mut Buffer) {
    let line = match items.first() {
        Some(item) => {
            let more = if items.len() > 1 { format!(" (+{})", items.len() - 1) } else { String::new() };
            let room = usize::from(area.width).saturating_sub(3 + width(&more));
            Line::from(vec![
                Span::styled(format!(" {} ", item.severity.mark()), paint(model, severity_ink(item.severity))),
                Span::raw(format::cut(&item.text, room)),
                Span::styled(more, paint(model, Ink::Dim)),
            ])
        }
        None if model.stale_ms().is_some() => {
            Line::styled(" Nothing newer was seen; what follows is old.", paint(model, Ink::Warn))
        }
        None => {
            let copies = facts::copies_wanted(cluster);
            let text = format!(" All good. {} shards x{copies}, {} nodes.", cluster.shards.len(), cluster.nodes.len());
            Line::styled(text, paint(model, Ink::Good))
        }
    };
    super::put(buffer, area, line);
}

fn attention(model: &Model, items: &[Item], area: Rect, buffer: &mut Buffer) {
    let focused = model.panel == model::Panel::Attention && model.interactive;
    let columns = inner_columns(area);
    let command = |item: &Item| format!("phoenixmldb-cluster {}", item.command);
    let widest = items.iter().map(|item| width(&command(item))).max().unwrap_or(0);
    // Commands stand in a column of their own where both fit; otherwise only the one under the cursor is shown, and
    // the text keeps the room.
    let text_columns = columns.saturating_sub(2 + widest + 2);
    let aside = Class::of(area.width) == Class::Wide;
    let lines = items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let ink = severity_ink(item.severity);
            let mut spans = vec![Span::styled(format!("{} ", item.severity.mark()), paint(model, ink))];
            if aside {
                spans.push(Span::raw(cell(&item.text, text_columns, false)));
                spans.push(Span::styled(format!("  {}", command(item)), paint(model, Ink::Accent)));
            } else {
                spans.push(Span::raw(item.text.clone()));
            }
            let line = Line::from(spans);
            if focused && index == model.attention_at { line.style(paint(model, Ink::Selected)) } else { line }
        })
        .collect();
    let marked = items.get(model.attention_at.min(items.len() - 1)).filter(|_| !aside).map(command);
    Panel::new(&format!("What needs you ({})", items.len()))
        .right(&marked.unwrap_or_default())
        .focused(focused)
        .lines(lines)
        .draw(model, area, buffer);
}

fn work(model: &Model, cluster: &ClusterSnapshot, area: Rect, buffer: &mut Buffer) {
    let columns = inner_columns(area);
    type Figure = fn(&phoenixmldb_client::admin_v1::NodeLoad) -> f64;
    let row = |name: &str, figure: Figure, p50: Option<Figure>, p99: Option<Figure>| {
        let known = |value: Option<f64>, print: fn(f64) -> String| value.map_or_else(|| UNKNOWN.to_owned(), print);
        let now = known(facts::sum(cluster, figure), rate);
        let series = model.series(SPARK_COLUMNS, |cluster| facts::sum(cluster, figure));
        let mut spans = vec![
            Span::raw(format!("{name:<10}")),
            Span::styled(format!("{now:>7} "), paint(model, Ink::Title)),
            Span::styled(spark(&series, SPARK_COLUMNS), paint(model, Ink::Accent)),
        ];
        let mut room = columns.saturating_sub(10 + 8 + SPARK_COLUMNS);
        // The 99th percentile is the one that hurts: it stays when there is room for one.
        for (title, figure, needs) in [("p50", p50, 24), ("p99", p99, 12)] {
            if let Some(figure) = figure
                && room >= needs
            {
                let value = known(facts::highest(cluster, figure), latency);
                spans.push(Span::styled(format!("  {title} "), paint(model, Ink::Dim)));
                spans.push(Span::raw(format!("{value:>6}")));
                room -= 12;
            }
        }
        Line::from(spans)
    };
    // Of one copy of each shard: what was stored, whatever the number of copies.
    let held = |heat: facts::Heat, print: fn(u64) -> String| {
        let figures: Vec<f64> = cluster.shards.iter().filter_map(|shard| heat.of(shard, cluster)).collect();
        if figures.is_empty() { UNKNOWN.to_owned() } else { print(figures.iter().sum::<f64>() as u64) }
    };
    let lines = vec![
        row("reads/s", |load| load.reads_per_s, Some(|load| load.read_p50_ms), Some(|load| load.read_p99_ms)),
        row("writes/s", |load| load.writes_per_s, Some(|load| load.write_p50_ms), Some(|load| load.write_p99_ms)),
        row("queries/s", |load| load.queries_per_s, None, None),
        Line::from(vec![
            Span::raw(format!("{:<10}", "documents")),
            Span::styled(format!("{:>7}", held(facts::Heat::Documents, short)), paint(model, Ink::Title)),
            Span::styled(" in ", paint(model, Ink::Dim)),
            Span::raw(held(facts::Heat::Size, bytes)),
        ]),
    ];
    Panel::new("Work").lines(lines).draw(model, area, buffer);
}

fn control(model: &Model, cluster: &ClusterSnapshot, area: Rect, buffer: &mut Buffer) {
    let voters = cluster.nodes.iter().filter(|node| matches!(node.control_role.as_str(), "leader" | "follower"));
    let (mut all, mut up) = (0, 0);
    for voter in voters {
        all += 1;
        up += usize::from(voter.state != "down");
    }
    let leader = if cluster.leader.is_empty() {
        Span::styled(format!("none for {}", span(cluster.leaderless_ms)), paint(model, Ink::Bad))
    } else {
        Span::styled(cluster.leader.clone(), paint(model, Ink::Accent))
    };
    let row = |name: &str, rest: Vec<Span<'static>>| {
        let mut spans = vec![Span::raw(format!("{name:<8}"))];
        spans.extend(rest);
        Line::from(spans)
    };
    let moves = match cluster.moves.len() {
        0 => String::new(),
        1 => ", 1 move".to_owned(),
        count => format!(", {count} moves"),
    };
    let clock = if cluster.clock_nodes.is_empty() { UNKNOWN.to_owned() } else { cluster.clock_nodes.join(" ") };
    let copies = facts::copies_wanted(cluster);
    let from = if cluster.view_from.is_empty() { UNKNOWN } else { &cluster.view_from };
    let lines = vec![
        row("leader", vec![leader, Span::raw(format!(" (term {}, {up}/{all} voters)", cluster.control_term))]),
        row(
            "map",
            vec![Span::raw(format!("{} shards x{copies}{moves}, epoch {}", cluster.shards.len(), cluster.epoch))],
        ),
        row("clock", vec![Span::raw(clock)]),
        row("seen", vec![Span::raw(format!("{} UTC by {from}", time(cluster.taken_ms)))]),
    ];
    Panel::new("Control plane").lines(lines).draw(model, area, buffer);
}

/// A column of the table of nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Node,
    State,
    Role,
    Zone,
    Leaders,
    Copies,
    Requests,
    P99,
    Lag,
    Disk,
    Cpu,
    Memory,
    Up,
}

impl Column {
    /// Title, width, and whether it stands on the right.
    const fn shape(self) -> (&'static str, usize, bool) {
        match self {
            Self::Node => ("NODE", 0, false),
            Self::State => ("STATE", 12, false),
            Self::Role => ("ROLE", 8, false),
            Self::Zone => ("ZONE", 6, false),
            Self::Leaders => ("LEADERS", 7, true),
            Self::Copies => ("COPIES", 6, true),
            Self::Requests => ("REQ/S", 13, true),
            Self::P99 => ("P99", 6, true),
            Self::Lag => ("LAG", 6, true),
            Self::Disk => ("DISK", 4, true),
            Self::Cpu => ("CPU", 4, true),
            Self::Memory => ("MEM", 5, true),
            Self::Up => ("UP", 6, true),
        }
    }

    /// Columns by how much they matter; a table takes as many as fit, whole, and draws them in the order above.
    const BY_WORTH: [Self; 13] = [
        Self::Node,
        Self::State,
        Self::Leaders,
        Self::Copies,
        Self::Lag,
        Self::Requests,
        Self::P99,
        Self::Disk,
        Self::Role,
        Self::Cpu,
        Self::Up,
        Self::Memory,
        Self::Zone,
    ];
}

/// Between two columns of the table.
const GAP: &str = "  ";

/// Columns that fit, with their widths and a gap between.
fn columns(model: &Model, cluster: &ClusterSnapshot, room: usize) -> Vec<(Column, usize)> {
    let longest = model.nodes().iter().map(|node| width(&node.name)).max().unwrap_or(4).clamp(4, 20);
    let zones = cluster.nodes.iter().any(|node| !node.zone.is_empty());
    let mut left = room + 2;
    let mut taken: Vec<(Column, usize)> = Vec::new();
    for column in Column::BY_WORTH.into_iter().filter(|column| zones || *column != Column::Zone) {
        let (_, wide, _) = column.shape();
        let wide = if column == Column::Node { longest.min(room / 3) } else { wide };
        if wide + 2 > left {
            break;
        }
        left -= wide + 2;
        taken.push((column, wide));
    }
    taken.sort_by_key(|(column, _)| *column as u8);
    taken
}

fn nodes(model: &Model, cluster: &ClusterSnapshot, area: Rect, buffer: &mut Buffer) {
    let focused = model.panel == model::Panel::Nodes && model.interactive;
    let shown = model.nodes();
    let columns = columns(model, cluster, inner_columns(area).saturating_sub(4));
    let mut head = vec![Span::raw("    ")];
    for (index, (column, wide)) in columns.iter().enumerate() {
        let (title, _, to_the_right) = column.shape();
        let gap = if index == 0 { "" } else { GAP };
        let title = if *column == Column::Requests { title.to_owned() + "       " } else { title.to_owned() };
        head.push(Span::styled(format!("{gap}{}", cell(&title, *wide, to_the_right)), paint(model, Ink::Dim)));
    }
    let mut lines = vec![Line::from(head)];
    let height = usize::from(area.height).saturating_sub(3);
    let first = first_row(model.node_at, shown.len(), height);
    for (index, node) in shown.iter().enumerate().skip(first).take(height) {
        let marked = focused && index == model.node_at;
        let mut spans = vec![Span::raw(if marked { "> " } else { "  " })];
        let (mark, ink) = mark(node);
        spans.push(Span::styled(format!("{mark} "), paint(model, ink)));
        for (index, (column, wide)) in columns.iter().enumerate() {
            let (_, _, to_the_right) = column.shape();
            let (text, ink) = value(model, node, *column);
            spans.push(Span::raw(if index == 0 { "" } else { GAP }));
            spans.push(Span::styled(cell(&text, *wide, to_the_right), paint(model, ink)));
        }
        let line = Line::from(spans);
        lines.push(if marked { line.style(paint(model, Ink::Selected)) } else { line });
    }
    if shown.is_empty() {
        let why = if cluster.nodes.is_empty() { "No node has registered yet." } else { "No node passes the filter." };
        lines = vec![Line::styled(why, paint(model, Ink::Dim))];
    }
    let part = part(first, height.min(shown.len()), shown.len());
    let order = if model.reversed { ", reversed" } else { "" };
    let right = format!("{part}{}sort: {}{order}", if part.is_empty() { "" } else { "  " }, model.sort.name());
    let title = if shown.len() == cluster.nodes.len() {
        format!("Nodes ({})", shown.len())
    } else {
        format!("Nodes ({} of {})", shown.len(), cluster.nodes.len())
    };
    Panel::new(&title).right(&right).focused(focused).lines(lines).draw(model, area, buffer);
}

fn mark(node: &NodeView) -> (&'static str, Ink) {
    match facts::urgency(node) {
        0 => (" ", Ink::Plain),
        4 => ("!", Ink::Bad),
        _ => ("~", Ink::Warn),
    }
}

/// What stands in a column, and in which ink.
fn value(model: &Model, node: &NodeView, column: Column) -> (String, Ink) {
    let down = node.state == "down";
    let or_unknown = |value: Option<String>| (value.unwrap_or_else(|| UNKNOWN.to_owned()), Ink::Plain);
    match column {
        Column::Node => (node.name.clone(), Ink::Plain),
        Column::State => state(model, node),
        Column::Role => {
            (node.control_role.clone(), if node.control_role == "leader" { Ink::Accent } else { Ink::Plain })
        }
        Column::Zone => or_unknown((!node.zone.is_empty()).then(|| node.zone.clone())),
        Column::Leaders if !node.data => (UNKNOWN.to_owned(), Ink::Dim),
        Column::Copies if !node.data => (UNKNOWN.to_owned(), Ink::Dim),
        Column::Leaders => (node.shard_leaders.to_string(), Ink::Plain),
        Column::Copies => (node.shard_copies.to_string(), Ink::Plain),
        Column::Requests => {
            let now = facts::requests_per_s(node).map_or_else(|| UNKNOWN.to_owned(), rate);
            let of = |cluster: &ClusterSnapshot| {
                cluster.nodes.iter().find(|other| other.name == node.name).and_then(facts::requests_per_s)
            };
            (format!("{now} {}", spark(&model.series(6, of), 6)), Ink::Plain)
        }
        Column::P99 => or_unknown(facts::p99_ms(node).map(latency)),
        // A node that says nothing is behind by an unknown number of entries.
        Column::Lag => or_unknown((!down && node.data).then(|| short(node.lag_entries))),
        Column::Disk => {
            let used = facts::disk(node);
            let ink = if used.is_some_and(|used| used >= 0.8) { Ink::Warn } else { Ink::Plain };
            (used.map_or_else(|| UNKNOWN.to_owned(), |used| percent(used * 100.0)), ink)
        }
        Column::Cpu => or_unknown(facts::load(node).map(|load| percent(load.cpu_percent))),
        Column::Memory => or_unknown(facts::load(node).map(|load| bytes(load.memory_bytes))),
        Column::Up => or_unknown((!down && node.uptime_s > 0).then(|| span(node.uptime_s * 1000))),
    }
}

fn state(model: &Model, node: &NodeView) -> (String, Ink) {
    let taken_ms = model.cluster().map_or(0, |cluster| cluster.taken_ms);
    match node.state.as_str() {
        "healthy" => ("healthy".to_owned(), Ink::Good),
        "down" => (format!("DOWN {}", span(taken_ms.saturating_sub(node.since_ms))), Ink::Bad),
        "suspect" => (format!("suspect {}", span(node.last_seen_ms)), Ink::Warn),
        other => (other.to_owned(), Ink::Warn),
    }
}

fn events(model: &Model, area: Rect, buffer: &mut Buffer) {
    let focused = model.panel == model::Panel::Events && model.interactive;
    let shown = model.events();
    let height = usize::from(area.height).saturating_sub(2);
    let first = first_row(model.event_at, shown.len(), height);
    let subjects = shown.iter().skip(first).take(height).map(|event| width(&event.subject)).max().unwrap_or(0).min(18);
    let mut lines: Vec<Line<'static>> = shown
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(index, event)| event_line(model, event, subjects, focused && index == model.event_at))
        .collect();
    if shown.is_empty() {
        lines = vec![Line::styled("Nothing has happened.", paint(model, Ink::Dim))];
    }
    let right = part(first, height.min(shown.len()), shown.len());
    Panel::new("Events (UTC, newest first)").right(&right).focused(focused).lines(lines).draw(model, area, buffer);
}

fn event_line(model: &Model, event: &Event, subjects: usize, marked: bool) -> Line<'static> {
    let (mark, ink) = match event.level.as_str() {
        "error" => ("!", Ink::Bad),
        "warn" => ("~", Ink::Warn),
        _ => (" ", Ink::Plain),
    };
    let line = Line::from(vec![
        Span::styled(format!("{} ", time(event.time_ms)), paint(model, Ink::Dim)),
        Span::styled(format!("{mark} "), paint(model, ink)),
        Span::styled(format!("{}  ", cell(&event.subject, subjects, false)), Modifier::BOLD),
        Span::raw(event.text.clone()),
        Span::styled(format!("  by {}", event.by), paint(model, Ink::Dim)),
    ]);
    if marked { line.style(paint(model, Ink::Selected)) } else { line }
}
