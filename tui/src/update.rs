//! How the model changes: pure, without a terminal, a clock or a socket.

use crate::event::{Event, Key, Request};
use crate::limits::FILTER_BYTES_MAX;
use crate::model::{Feed, Filter, Model, Panel, Screen};

/// Changes the model; says what the driver has to do.
pub fn update(model: &mut Model, event: Event) -> Option<Request> {
    match event {
        Event::Key(key) => return press(model, key),
        Event::Resized => {}
        Event::Tick { at_ms } => model.now_ms = model.now_ms.max(at_ms),
        Event::Seen { at_ms, cluster } => {
            model.now_ms = model.now_ms.max(at_ms);
            model.feed = Feed::Live;
            model.history.push(at_ms, cluster);
            clamp(model);
        }
        Event::Lost { at_ms, reason } => {
            // Waiting began when the model was made.
            let since_ms = match (&model.feed, model.history.newest()) {
                (Feed::Lost { since_ms, .. }, _) => *since_ms,
                (_, Some(newest)) => newest.at_ms,
                (_, None) => model.now_ms,
            };
            model.now_ms = model.now_ms.max(at_ms);
            model.feed = Feed::Lost { since_ms, reason };
        }
        Event::Ended => model.feed = Feed::Ended,
    }
    None
}

fn press(model: &mut Model, key: Key) -> Option<Request> {
    if key == Key::Interrupt {
        return Some(Request::Quit);
    }
    model.notice.clear();
    if let Some(typed) = model.typing.take() {
        typing(model, typed, key);
        return None;
    }
    if model.help {
        model.help = !matches!(key, Key::Esc | Key::Enter | Key::Char('?' | 'q'));
        return None;
    }
    match key {
        Key::Char('q') => return Some(Request::Quit),
        Key::Char('1') => model.open(Screen::Overview),
        Key::Char('2') => model.open(Screen::Shards),
        Key::Char('?') => model.help = true,
        Key::Char('/') => model.typing = Some(model.filter.text.clone()),
        Key::Char('F') => model.faults_only = !model.faults_only,
        Key::Char('p') => {
            model.stopped_at = match model.stopped_at {
                Some(_) => None,
                None => model.history.newest().map(|newest| newest.number),
            };
        }
        Key::Char('<') => scrub(model, false),
        Key::Char('>') => scrub(model, true),
        Key::Char('C') if model.colors => model.palette = model.palette.next(),
        Key::Char('y') => {
            let command = format!("{} {}", model.program, model.command());
            model.notice.clone_from(&command);
            return Some(Request::Copy(command));
        }
        Key::Char('s') if model.screen == Screen::Overview => model.sort = model.sort.next(),
        Key::Char('S') if model.screen == Screen::Overview => model.reversed = !model.reversed,
        Key::Char('h') if model.screen == Screen::Shards => model.heat = model.heat.next(),
        Key::Char('z') if model.screen == Screen::Shards => model.dense = !model.dense,
        Key::Tab => {
            let panels = model.panels();
            let at = panels.iter().position(|panel| *panel == model.panel).unwrap_or(0);
            model.panel = panels[(at + 1) % panels.len()];
        }
        Key::Esc => model.filter = Filter::default(),
        Key::Up => step(model, false),
        Key::Down => step(model, true),
        Key::Left if model.panel == Panel::Map => model.shard_at = model.shard_at.saturating_sub(1),
        Key::Right if model.panel == Panel::Map => model.shard_at += 1,
        _ => {}
    }
    clamp(model);
    None
}

fn typing(model: &mut Model, mut typed: String, key: Key) {
    match key {
        Key::Esc => return,
        Key::Enter => {
            match Filter::parse(&typed) {
                Ok(filter) => model.filter = filter,
                Err(why) => model.notice = format!("not a filter: {why}"),
            }
            clamp(model);
            return;
        }
        Key::Backspace => {
            typed.pop();
        }
        Key::Char(c) if typed.len() + c.len_utf8() <= FILTER_BYTES_MAX && !c.is_control() => typed.push(c),
        _ => {}
    }
    model.typing = Some(typed);
}

/// One moment back or forth; past the newest one, time goes on.
fn scrub(model: &mut Model, forth: bool) {
    let Some(newest) = model.history.newest().map(|newest| newest.number) else { return };
    let shown = model.moment().map_or(newest, |moment| moment.number);
    model.stopped_at = match forth {
        true if shown >= newest => None,
        true => Some(shown + 1),
        false => model.history.get(shown.saturating_sub(1)).map(|moment| moment.number),
    };
}

fn step(model: &mut Model, down: bool) {
    let at = match model.panel {
        Panel::Attention => &mut model.attention_at,
        Panel::Nodes | Panel::Map => &mut model.node_at,
        Panel::Events => &mut model.event_at,
    };
    *at = if down { *at + 1 } else { at.saturating_sub(1) };
}

/// Keeps cursors on what is there.
fn clamp(model: &mut Model) {
    model.attention_at = model.attention_at.min(model.attention().len().saturating_sub(1));
    model.node_at = model.node_at.min(model.nodes().len().saturating_sub(1));
    model.event_at = model.event_at.min(model.events().len().saturating_sub(1));
    model.shard_at = model.shard_at.min(model.shards().len().saturating_sub(1));
}

#[cfg(test)]
#[path = "update_test.rs"]
mod tests;
