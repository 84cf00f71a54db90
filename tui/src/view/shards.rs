//! The shard map: who leads what, where the heat is, whether leaders, copies and bytes are even.

use super::panel::{Panel, first_row, inner_columns, part};
use super::{Class, put};
use crate::facts::{self, Heat};
use crate::format::{UNKNOWN, bar, bytes, cell, count, percent, short, shorter, width};
use crate::model::Model;
use crate::theme::{Ink, style};
use phoenixmldb_client::admin_v1::{ClusterSnapshot, NodeView, ReplicaView, ShardView};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

/// Lines of the panels below the map, with borders.
const PANEL_LINES: u16 = 7;
/// Columns of the figures on the right of the map.
const FIGURES_COLUMNS: usize = 20;

fn paint(model: &Model, ink: Ink) -> Style {
    style(model.palette, ink)
}

/// Draws the screen.
pub fn draw(model: &Model, cluster: &ClusterSnapshot, area: Rect, buffer: &mut Buffer) {
    let class = Class::of(area.width);
    let layout = Layout::of(model, area.width);
    let wanted = layout.lines(model.nodes().len());
    let legend = u16::from(class > Class::Narrow);
    let below = class > Class::Narrow && area.height >= wanted.min(10) + legend + PANEL_LINES && cluster.formed;
    let panels = if below { PANEL_LINES } else { 0 };
    let map_lines = (area.height - legend - panels).min(wanted);
    map(model, cluster, &layout, Rect { height: map_lines, ..area }, buffer);
    let mut y = area.y + map_lines;
    if below {
        let row = Rect { y, height: panels, ..area };
        y += panels;
        let columns = if class == Class::Wide { 3 } else { 2 };
        let piece = |index: u16| {
            let each = area.width / columns;
            let wide = if index + 1 == columns { area.width - each * (columns - 1) } else { each };
            Rect { x: area.x + each * index, width: wide, ..row }
        };
        balance(model, cluster, piece(0), buffer);
        // Where there is room for two, a running move is more urgent than the shard under the cursor.
        if columns == 3 {
            moving(model, cluster, piece(1), buffer);
            shard(model, piece(2), buffer);
        } else if cluster.moves.is_empty() {
            shard(model, piece(1), buffer);
        } else {
            moving(model, cluster, piece(1), buffer);
        }
    }
    if legend == 1 {
        let text = format!(" {} ░▒▓█  L leader  f follower  l learner  > moving  ~ lagging  x down", model.heat.name());
        put(buffer, Rect { y, height: 1, ..area }, Line::styled(text, paint(model, Ink::Dim)));
    }
}

/// Lines that show everything.
#[must_use]
pub fn lines_wanted(model: &Model, cluster: &ClusterSnapshot, columns: u16) -> u16 {
    let map = Layout::of(model, columns).lines(model.nodes().len());
    if Class::of(columns) == Class::Narrow { map } else { map + 1 + if cluster.formed { PANEL_LINES } else { 0 } }
}

/// How the grid is cut into columns, pages and lines.
struct Layout {
    /// Columns of the names.
    names: usize,
    /// Columns of a cell.
    cell: usize,
    /// Cells in a line.
    in_line: usize,
    /// Lines of a node: more than one only where cells are dense.
    lines_per_node: usize,
    /// Shown shards.
    shards: usize,
    /// Room for the figures on the right.
    figures: bool,
}

impl Layout {
    fn of(model: &Model, columns: u16) -> Self {
        let room = usize::from(columns).saturating_sub(4);
        let names = model.nodes().iter().map(|node| width(&node.name)).max().unwrap_or(6).clamp(6, 14) + 2;
        let figures = Class::of(columns) > Class::Narrow && !model.dense;
        let free = room.saturating_sub(names + if figures { FIGURES_COLUMNS } else { 0 });
        let shown = model.shards();
        let shards = shown.len();
        if model.dense {
            let in_line = free.max(1);
            return Self { names, cell: 1, in_line, lines_per_node: shards.div_ceil(in_line).max(1), shards, figures };
        }
        let digits = shown.last().map_or(2, |shard| shard.id.to_string().len().max(2));
        let roomy = (digits + 2).max(5);
        let cell = if shards * roomy <= free { roomy } else { (digits + 2).max(4) };
        Self { names, cell, in_line: (free / cell).max(1), lines_per_node: 1, shards, figures }
    }

    /// Lines of the panel for so many nodes.
    fn lines(&self, nodes: usize) -> u16 {
        if self.shards == 0 {
            return 3;
        }
        // Title line, nodes, a blank, two lines of figures, two borders; dense cells have no figures.
        let extra = if self.cell == 1 { 3 } else { 6 };
        u16::try_from(nodes.max(1) * self.lines_per_node + extra).unwrap_or(u16::MAX)
    }
}

fn map(model: &Model, cluster: &ClusterSnapshot, layout: &Layout, area: Rect, buffer: &mut Buffer) {
    let shards = model.shards();
    let nodes = model.nodes();
    if shards.is_empty() || nodes.is_empty() {
        let text = match (cluster.shards.is_empty(), nodes.is_empty()) {
            (true, _) => "Shards are placed when the cluster is formed.",
            (false, true) => "No node passes the filter.",
            (false, false) => "No shard has a fault.",
        };
        let lines = vec![Line::styled(text, paint(model, Ink::Dim))];
        return Panel::new("Shard map").lines(lines).draw(model, area, buffer);
    }
    let at = model.shard_at.min(shards.len() - 1);
    // A page is where the cursor is; dense cells need none.
    let first = if layout.cell == 1 { 0 } else { first_row(at, shards.len(), layout.in_line) };
    let page = &shards[first..(first + layout.in_line * layout.lines_per_node).min(shards.len())];
    let hottest = hottest(model.heat, cluster);
    let inner_lines = usize::from(area.height).saturating_sub(2);
    let figure_lines = if layout.cell == 1 { 0 } else { 3 };
    let node_rows = (inner_lines.saturating_sub(1 + figure_lines) / layout.lines_per_node).max(1);
    let first_node = first_row(model.node_at, nodes.len(), node_rows);
    let mut lines = vec![titles(model, layout, page, first, at)];
    for (row, node) in nodes.iter().enumerate().skip(first_node).take(node_rows) {
        for (index, piece) in page.chunks(layout.in_line).enumerate() {
            let name = if index == 0 { node.name.as_str() } else { "" };
            let under = row == model.node_at && model.interactive;
            let mut spans = vec![Span::styled(
                cell(name, layout.names, false),
                paint(model, if node.state == "down" { Ink::Bad } else { Ink::Plain }),
            )];
            for (offset, shard) in piece.iter().enumerate() {
                let marked = under && first + index * layout.in_line + offset == at;
                spans.extend(grid_cell(model, cluster, layout, node, shard, hottest, marked));
            }
            if layout.figures && index == 0 {
                spans.push(Span::raw(" ".repeat((layout.in_line - piece.len()) * layout.cell)));
                spans.extend(figures(cluster, node));
            }
            lines.push(Line::from(spans));
        }
    }
    if figure_lines > 0 && lines.len() + figure_lines <= inner_lines {
        lines.push(Line::raw(""));
        lines.push(copies_line(model, cluster, layout, page));
        lines.push(documents_line(cluster, layout, page));
    }
    let shown = part(first, page.len(), shards.len());
    let selected = shards.get(at).map(|shard| format!("shard {:02}", shard.id)).unwrap_or_default();
    let rows = part(first_node, node_rows.min(nodes.len()), nodes.len());
    let mut right = Vec::new();
    if !rows.is_empty() {
        right.push(format!("nodes {rows}"));
    }
    if !shown.is_empty() {
        right.push(format!("shards {shown}"));
    }
    if model.interactive {
        right.push(selected);
    }
    let right = right.join("  ");
    Panel::new("Shard map  nodes x shards").right(&right).focused(true).lines(lines).draw(model, area, buffer);
}

fn titles(model: &Model, layout: &Layout, page: &[&ShardView], first: usize, at: usize) -> Line<'static> {
    let mut spans = vec![Span::raw(" ".repeat(layout.names))];
    if layout.cell == 1 {
        // Every tenth shard is named where its cell is.
        let mut line = String::new();
        for (index, shard) in page.iter().take(layout.in_line).enumerate() {
            if index % 10 == 0 && line.len() <= index {
                line.push_str(&" ".repeat(index - line.len()));
                line.push_str(&shard.id.to_string());
            }
        }
        spans.push(Span::styled(line, paint(model, Ink::Dim)));
        return Line::from(spans);
    }
    for (index, shard) in page.iter().enumerate() {
        let number = format!("{:02}", shard.id);
        let marked = first + index == at && model.interactive;
        let ink = match shard.state.as_str() {
            _ if marked => Ink::Selected,
            "ok" | "moving" => Ink::Dim,
            "unavailable" => Ink::Bad,
            _ => Ink::Warn,
        };
        let padding = layout.cell.saturating_sub(number.len());
        spans.push(Span::styled(number, paint(model, ink)));
        spans.push(Span::raw(" ".repeat(padding)));
    }
    if layout.figures {
        spans.push(Span::raw(" ".repeat((layout.in_line - page.len()) * layout.cell)));
        spans.push(Span::styled("copies  lead   size", paint(model, Ink::Dim)));
    }
    Line::from(spans)
}

/// The largest figure, against which cells are shaded.
fn hottest(heat: Heat, cluster: &ClusterSnapshot) -> f64 {
    cluster.shards.iter().filter_map(|shard| heat.of(shard, cluster)).fold(0.0, f64::max)
}

/// Shade of a cell, 0 (nothing, or not known) to 4.
fn shade(heat: Heat, cluster: &ClusterSnapshot, shard: &ShardView, copy: &ReplicaView, hottest: f64) -> u8 {
    let value = match heat {
        Heat::Lag => Some(copy.lag_entries as f64),
        _ => heat.of(shard, cluster),
    };
    match value {
        Some(value) if hottest > 0.0 && value > 0.0 => (value / hottest * 4.0).ceil().clamp(1.0, 4.0) as u8,
        _ => 0,
    }
}

/// A cell: shade, role, mark. A dense cell is the mark if there is one, otherwise the role, in the shade's colour.
fn grid_cell(
    model: &Model,
    cluster: &ClusterSnapshot,
    layout: &Layout,
    node: &NodeView,
    shard: &ShardView,
    hottest: f64,
    marked: bool,
) -> Vec<Span<'static>> {
    let moving = cluster.moves.iter().any(|m| m.shard == shard.id && (m.from == node.name || m.to == node.name));
    let copy = shard.replicas.iter().find(|copy| copy.node == node.name);
    let (role, mark, heat) = match copy {
        None => ("·", if moving { ">" } else { " " }, 0),
        Some(copy) => {
            let role = match copy.role.as_str() {
                "leader" => "L",
                "learner" => "l",
                _ => "f",
            };
            let mark = match copy.state.as_str() {
                "down" => "x",
                "unknown" => "?",
                _ if moving => ">",
                "lagging" => "~",
                _ => " ",
            };
            (role, mark, shade(model.heat, cluster, shard, copy, hottest))
        }
    };
    let ink = match mark {
        "x" => Ink::Bad,
        "~" | "?" | ">" => Ink::Warn,
        _ if copy.is_none() => Ink::Dim,
        _ => Ink::Heat(heat),
    };
    let role_style = match role {
        "L" => paint(model, ink).add_modifier(Modifier::BOLD),
        _ => paint(model, ink),
    };
    let invert = |style: Style| if marked { style.add_modifier(Modifier::REVERSED) } else { style };
    if layout.cell == 1 {
        return vec![Span::styled(if mark == " " { role } else { mark }, invert(role_style))];
    }
    let shade = [" ", "░", "▒", "▓", "█"][usize::from(heat)];
    vec![
        Span::styled(shade, invert(paint(model, Ink::Heat(heat)))),
        Span::styled(role, invert(role_style)),
        Span::styled(mark, invert(paint(model, ink))),
        Span::raw(" ".repeat(layout.cell - 3)),
    ]
}

fn figures(cluster: &ClusterSnapshot, node: &NodeView) -> Vec<Span<'static>> {
    let size = facts::bytes_on(&node.name, cluster).map_or_else(|| UNKNOWN.to_owned(), |sum| bytes(sum as u64));
    vec![Span::raw(format!("{:>6}  {:>4}  {size:>5}", node.shard_copies, node.shard_leaders))]
}

fn copies_line(model: &Model, cluster: &ClusterSnapshot, layout: &Layout, page: &[&ShardView]) -> Line<'static> {
    let wanted = facts::copies_wanted(cluster);
    let mut spans = vec![Span::raw(cell("copies", layout.names, false))];
    for shard in page {
        let alive = facts::alive(shard);
        let (mark, ink) = match shard.state.as_str() {
            "unavailable" => ("x", Ink::Bad),
            _ if alive < wanted => ("!", Ink::Warn),
            _ => (" ", Ink::Plain),
        };
        spans.push(Span::styled(cell(&format!("{alive}{mark}"), layout.cell, false), paint(model, ink)));
    }
    Line::from(spans)
}

fn documents_line(cluster: &ClusterSnapshot, layout: &Layout, page: &[&ShardView]) -> Line<'static> {
    let mut text = cell("docs", layout.names, false);
    for shard in page {
        // Between neighbours one column is left.
        let print = if layout.cell > 4 { short } else { shorter };
        let documents = Heat::Documents.of(shard, cluster).map_or_else(|| UNKNOWN.to_owned(), |n| print(n as u64));
        text.push_str(&cell(&documents, layout.cell - 1, false));
        text.push(' ');
    }
    Line::raw(text)
}

fn balance(model: &Model, cluster: &ClusterSnapshot, area: Rect, buffer: &mut Buffer) {
    let nodes: Vec<&NodeView> = facts::data_nodes(cluster).filter(|node| node.state != "down").collect();
    let columns = inner_columns(area);
    let threshold = cluster.settings.as_ref().map_or(0.0, |settings| settings.rebalance_threshold);
    let row = |name: &str, values: Vec<Option<f64>>, print: fn(f64) -> String, whole: bool| {
        let known: Vec<f64> = values.iter().copied().flatten().collect();
        let figure = |value: &Option<f64>| value.map_or_else(|| UNKNOWN.to_owned(), print);
        let list = values.iter().map(figure).collect::<Vec<_>>().join(" ");
        if known.len() < values.len() || known.is_empty() {
            return Line::raw(format!("{name:<9}{UNKNOWN}"));
        }
        let skew = facts::skew(&known);
        let spread = known.iter().copied().fold(0.0, f64::max) - known.iter().copied().fold(f64::MAX, f64::min);
        // Whole things cannot be more even than one apart.
        let uneven = if whole { spread > 1.0 } else { skew > threshold && threshold > 0.0 };
        let (mark, ink) = if uneven { (" !", Ink::Warn) } else { ("", Ink::Plain) };
        let end = format!("  skew {}{mark}", percent(skew * 100.0));
        let room = columns.saturating_sub(9 + 13);
        Line::from(vec![
            Span::raw(format!("{name:<9}{}", cell(&list, room, false))),
            Span::styled(end, paint(model, ink)),
        ])
    };
    let whole = |value: f64| format!("{value:.0}");
    let size = |value: f64| bytes(value as u64);
    let mut lines = vec![
        row("leaders", nodes.iter().map(|node| Some(f64::from(node.shard_leaders))).collect(), whole, true),
        row("copies", nodes.iter().map(|node| Some(f64::from(node.shard_copies))).collect(), whole, true),
        row("bytes", nodes.iter().map(|node| facts::bytes_on(&node.name, cluster)).collect(), size, false),
    ];
    let requests: Vec<(u32, f64)> =
        cluster.shards.iter().filter_map(|s| Heat::Requests.of(s, cluster).map(|value| (s.id, value))).collect();
    let total: f64 = requests.iter().map(|(_, value)| value).sum();
    let hottest = requests.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
    lines.push(Line::raw(match hottest {
        Some((id, value)) if total > 0.0 => {
            format!("{:<9}hottest {id:02} = {} of all", "requests", percent(value / total * 100.0))
        }
        _ => format!("{:<9}{UNKNOWN}", "requests"),
    }));
    Panel::new("Balance").lines(lines).draw(model, area, buffer);
}

fn moving(model: &Model, cluster: &ClusterSnapshot, area: Rect, buffer: &mut Buffer) {
    let mut lines = Vec::new();
    for one in &cluster.moves {
        let done = if one.percent > 0.0 {
            format!(" {} {}", percent(one.percent), bar(one.percent / 100.0, 8))
        } else {
            String::new()
        };
        lines.push(Line::raw(format!("{:02}  {} -> {}  {}{done}", one.shard, one.from, one.to, one.step)));
        if !one.reason.is_empty() {
            lines.push(Line::styled(format!("    {}", one.reason), paint(model, Ink::Dim)));
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled("Nothing is moving.", paint(model, Ink::Dim)));
    }
    Panel::new(&format!("Moving ({})", cluster.moves.len())).lines(lines).draw(model, area, buffer);
}

/// The shard under the cursor: the state of each copy.
fn shard(model: &Model, area: Rect, buffer: &mut Buffer) {
    let Some(shard) = model.shard() else { return };
    let leader = if shard.leader.is_empty() { "none" } else { &shard.leader };
    let names = shard.replicas.iter().map(|copy| width(&copy.node)).max().unwrap_or(4).clamp(4, 14);
    let mut lines = vec![Line::styled(
        format!("{}  {:<8}  {:>9}  {:>5}", cell("NODE", names, false), "ROLE", "APPLIED", "LAG"),
        paint(model, Ink::Dim),
    )];
    for copy in &shard.replicas {
        let (word, ink) = match copy.state.as_str() {
            "healthy" => (copy.role.as_str(), Ink::Plain),
            "down" => ("DOWN", Ink::Bad),
            other => (other, Ink::Warn),
        };
        let known = copy.state != "unknown" && copy.state != "down";
        let applied = if known { count(copy.applied_index) } else { UNKNOWN.to_owned() };
        let lag = if known { short(copy.lag_entries) } else { UNKNOWN.to_owned() };
        lines.push(Line::from(vec![
            Span::raw(format!("{}  ", cell(&copy.node, names, false))),
            Span::styled(format!("{word:<8}"), paint(model, ink)),
            Span::raw(format!("  {applied:>9}  {lag:>5}")),
        ]));
    }
    let title = format!("Shard {:02}", shard.id);
    let right = format!("leader {leader}  term {}", shard.term);
    Panel::new(&title).right(&right).lines(lines).draw(model, area, buffer);
}
