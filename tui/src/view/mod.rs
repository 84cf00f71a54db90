//! Draws the model, decides nothing: the frame around the screens, what they share, and the smallest sizes.
//!
//! | file | what |
//! |---|---|
//! | [`overview`] | what needs you, work, control plane, nodes, events |
//! | [`shards`] | the shard map, balance, moves, the shard under the cursor |
//! | [`panel`] | a box with a title; cuts end with `…` |
//! | [`plain`] | a drawn frame as text, and in ASCII |
//! | [`svg`] | a drawn frame as a picture |

pub mod overview;
pub mod panel;
pub mod plain;
pub mod shards;
pub mod svg;

use crate::facts::Health;
use crate::format::{fit, span, time, width};
use crate::keys;
use crate::limits::{COLUMNS_MIN, LINES_MIN, PLAIN_LINES_MAX};
use crate::model::{Feed, Model, Screen};
use crate::theme::{Ink, style};
use panel::{Panel, two_columns};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

/// How much room there is, by columns: explicit, because widgets that squeeze drop what matters without saying so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Below 80: the table and what needs attention.
    Narrow,
    /// From 80: panels, some side by side.
    Medium,
    /// From 120: everything.
    Wide,
}

impl Class {
    /// Of a width in columns.
    #[must_use]
    pub fn of(columns: u16) -> Self {
        match columns {
            0..80 => Self::Narrow,
            80..120 => Self::Medium,
            120.. => Self::Wide,
        }
    }
}

/// Draws into a terminal's frame.
pub fn view(model: &Model, frame: &mut Frame) {
    let area = frame.area();
    draw(model, area, frame.buffer_mut());
}

/// Draws into a buffer.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.width < COLUMNS_MIN || area.height < LINES_MIN {
        notice(area, buffer);
    } else {
        let [top, body, bottom] = rows(area, model.interactive);
        header(model, top, buffer);
        match (model.cluster(), model.screen) {
            (None, _) => waiting(model, body, buffer),
            (Some(cluster), Screen::Overview) => overview::draw(model, cluster, body, buffer),
            (Some(cluster), Screen::Shards) => shards::draw(model, cluster, body, buffer),
        }
        if model.stale_ms().is_some() {
            buffer.set_style(body, Style::new().add_modifier(Modifier::DIM));
        }
        if model.interactive {
            footer(model, bottom, buffer);
        }
        if model.help {
            help(model, body, buffer);
        }
    }
    if model.ascii {
        plain::to_ascii(buffer);
    }
}

/// Lines a frame needs to show everything, for frames that are printed.
#[must_use]
pub fn lines_wanted(model: &Model, columns: u16) -> u16 {
    let body = match (model.cluster(), model.screen) {
        (None, _) => 3,
        (Some(cluster), Screen::Overview) => overview::lines_wanted(model, cluster, columns),
        (Some(cluster), Screen::Shards) => shards::lines_wanted(model, cluster, columns),
    };
    (body + 1 + u16::from(model.interactive)).clamp(LINES_MIN, PLAIN_LINES_MAX)
}

fn rows(area: Rect, interactive: bool) -> [Rect; 3] {
    let bottom = u16::from(interactive);
    let body = area.height.saturating_sub(1 + bottom);
    [
        Rect { height: 1, ..area },
        Rect { y: area.y + 1, height: body, ..area },
        Rect { y: area.y + 1 + body, height: bottom, ..area },
    ]
}

/// The size that is needed, for a terminal that is too small for anything else.
fn notice(area: Rect, buffer: &mut Buffer) {
    let lines = [
        format!("{COLUMNS_MIN}x{LINES_MIN} needed"),
        format!("this is {}x{}", area.width, area.height),
        "q quits".to_owned(),
    ];
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        put(buffer, Rect { y, height: 1, ..area }, Line::raw(line));
    }
}

/// Writes a line; what does not fit is cut with `…`.
fn put(buffer: &mut Buffer, area: Rect, line: Line<'static>) {
    fit(line, usize::from(area.width)).render(area, buffer);
}

/// The ink of a health.
fn ink(health: Health) -> Ink {
    match health {
        Health::Healthy => Ink::Good,
        Health::Degraded | Health::Forming => Ink::Warn,
        Health::Unavailable => Ink::Bad,
    }
}

/// Where time stands: live, stale, stopped.
fn clock(model: &Model) -> (String, Ink) {
    let at = model.cluster().map(|cluster| time(cluster.taken_ms)).unwrap_or_default();
    if let Some(age) = model.stale_ms() {
        return (format!("STALE {}", span(age)), Ink::Bad);
    }
    if let (Some(_), Some(moment), Some(newest)) = (model.stopped_at, model.moment(), model.history.newest()) {
        let back = newest.at_ms.saturating_sub(moment.at_ms);
        return (format!("paused {at} UTC, {} back", span(back)), Ink::Warn);
    }
    match model.feed {
        Feed::Ended => (format!("end of recording {at} UTC"), Ink::Dim),
        Feed::Live => ("live".to_owned(), Ink::Good),
        Feed::Waiting => ("connecting".to_owned(), Ink::Dim),
        Feed::Lost { .. } => ("reconnecting".to_owned(), Ink::Warn),
    }
}

fn header(model: &Model, area: Rect, buffer: &mut Buffer) {
    let class = Class::of(area.width);
    let paint = |ink| style(model.palette, ink);
    let name = model.cluster().map_or("", |cluster| cluster.cluster_id.as_str());
    let name = if name.is_empty() { "PhoenixmlDb" } else { name };
    let screen = match model.screen {
        Screen::Overview => "Overview",
        Screen::Shards => "Shards",
    };
    let mut left = vec![Span::styled(format!(" {name}"), paint(Ink::Title))];
    if class > Class::Narrow {
        left.push(Span::raw(format!(" > {screen}")));
    }
    let (clock, clock_ink) = clock(model);
    let mut right = Vec::new();
    if let Some(health) = model.health() {
        right.push(Span::styled(health.word(), paint(ink(health)).add_modifier(Modifier::BOLD)));
        right.push(Span::raw("  "));
    }
    if class == Class::Wide && model.interactive {
        right.push(Span::styled(format!("every {}  ", interval(model.interval_ms)), paint(Ink::Dim)));
    }
    if !model.filter.text.is_empty() && class > Class::Narrow {
        right.push(Span::styled(format!("filter {}  ", model.filter.text), paint(Ink::Accent)));
    }
    if model.faults_only {
        right.push(Span::styled("faults only  ", paint(Ink::Accent)));
    }
    right.push(Span::styled(clock, paint(clock_ink).add_modifier(Modifier::BOLD)));
    right.push(Span::raw(" "));
    // The state of the cluster matters more than its name.
    let right = fit(Line::from(right), usize::from(area.width));
    let left_width = usize::from(area.width).saturating_sub(right.width() + 1);
    put(buffer, Rect { width: u16::try_from(left_width).unwrap_or(u16::MAX), ..area }, Line::from(left));
    let takes = u16::try_from(right.width()).unwrap_or(area.width).min(area.width);
    right.render(Rect { x: area.right() - takes, width: takes, ..area }, buffer);
}

fn interval(ms: u32) -> String {
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

fn footer(model: &Model, area: Rect, buffer: &mut Buffer) {
    let paint = |ink| style(model.palette, ink);
    if let Some(typed) = &model.typing {
        let typed = vec![
            Span::styled(" /", paint(Ink::Accent)),
            Span::raw(typed.clone()),
            Span::styled(" ", paint(Ink::Selected)),
            Span::styled("  enter apply  esc cancel", paint(Ink::Dim)),
        ];
        return put(buffer, area, Line::from(typed));
    }
    if !model.notice.is_empty() {
        return put(buffer, area, Line::from(vec![Span::styled(format!(" {}", model.notice), paint(Ink::Accent))]));
    }
    let mut line = Vec::new();
    let mut room = usize::from(area.width);
    for (key, what) in keys::hints(model) {
        let takes = width(key) + width(what) + 3;
        // A hint is whole or absent; the help has them all.
        if takes > room {
            break;
        }
        room -= takes;
        line.push(Span::styled(format!(" <{key}>"), paint(Ink::Accent)));
        line.push(Span::raw(what));
    }
    put(buffer, area, Line::from(line));
}

/// Before anything was seen.
fn waiting(model: &Model, area: Rect, buffer: &mut Buffer) {
    let line = match &model.feed {
        Feed::Lost { since_ms, reason } => vec![
            Line::raw(format!("No node has answered for {}: {reason}", span(model.now_ms.saturating_sub(*since_ms)))),
            Line::raw("Trying again. Give a node that runs:"),
            Line::raw("--endpoint host:5432, or PHOENIXMLDB_ENDPOINTS=host:5432"),
        ],
        _ => vec![Line::raw("Waiting for the first answer.")],
    };
    let height = u16::try_from(line.len()).unwrap_or(1) + 2;
    let area = Rect { height: height.min(area.height), ..area };
    Panel::new("Connecting").lines(line).draw(model, area, buffer);
}

fn help(model: &Model, body: Rect, buffer: &mut Buffer) {
    let screen = match model.screen {
        Screen::Overview => "Overview",
        Screen::Shards => "Shards",
    };
    let lines: Vec<Line<'static>> = keys::help(model)
        .into_iter()
        .map(|(topic, text)| {
            Line::from(vec![Span::styled(format!("{topic:<9}"), style(model.palette, Ink::Title)), Span::raw(text)])
        })
        .collect();
    let wide = lines.iter().map(Line::width).max().unwrap_or(0) + 4;
    let columns = u16::try_from(wide).unwrap_or(u16::MAX).min(body.width);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(body.height);
    let area =
        Rect { x: body.x + (body.width - columns) / 2, y: body.y + (body.height - height) / 2, width: columns, height };
    Clear.render(area, buffer);
    Panel::new(&format!("Help: {screen}")).right("esc closes").focused(true).lines(lines).draw(model, area, buffer);
}

/// Two areas side by side, or one below the other when there is no room.
fn pair(area: Rect, columns_min: u16) -> Option<[Rect; 2]> {
    (area.width >= columns_min).then(|| two_columns(area))
}

#[cfg(test)]
#[path = "view_test.rs"]
mod tests;
