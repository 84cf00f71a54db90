//! The driver: keys, events and time in, frames out. Decides nothing.
//!
//! The terminal is restored on every way out: at the end, on an error, on a signal, and by a hook before a panic is
//! reported. A frame is drawn when something changed, at most once in `REDRAW_MS_MIN`; a key on a quiet screen is
//! answered at once.

use crate::error::TuiError;
use crate::event::{Event, Key, Request};
use crate::feed::now_ms;
use crate::limits::REDRAW_MS_MIN;
use crate::model::{Feed, Model};
use crate::update::update;
use crate::view::view;
use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{Event as Input, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures::StreamExt;
use phoenixmldb_types::clock::Clock;
use ratatui::DefaultTerminal;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior};

/// The terminal while it is ours: raw, on its other screen.
pub struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    /// Takes the terminal, and installs the hook that gives it back before a panic is reported.
    ///
    /// Error: there is no terminal, or it refuses.
    pub fn open() -> std::io::Result<Self> {
        Ok(Self { terminal: ratatui::try_init()? })
    }

    /// Draws a frame.
    ///
    /// Error: the terminal is gone.
    pub fn draw(&mut self, model: &Model) -> std::io::Result<()> {
        self.terminal.draw(|frame| view(model, frame)).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The hook has done it, and the report is on screen: leaving the other screen twice would take the cursor back
        // to where it was before the report.
        if !std::thread::panicking() {
            // A terminal that is gone needs no restoring.
            drop(ratatui::try_restore());
        }
    }
}

/// Runs until the operator leaves.
///
/// Error: the terminal cannot be used.
pub async fn drive(mut model: Model, mut feed: Receiver<Event>, clock: &dyn Clock) -> Result<(), TuiError> {
    let redraw = Duration::from_millis(REDRAW_MS_MIN);
    let mut terminated = signal(SignalKind::terminate()).map_err(TuiError::Terminal)?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(TuiError::Terminal)?;
    let mut screen = Screen::open().map_err(TuiError::Terminal)?;
    let mut input = EventStream::new();
    let mut pulse = tokio::time::interval(redraw);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = Some(Instant::now());
    let mut drawn = Instant::now();
    loop {
        let event = tokio::select! {
            read = input.next() => match read {
                Some(Ok(input)) => translate(&input),
                Some(Err(error)) => return Err(TuiError::Terminal(error)),
                None => return Ok(()),
            },
            Some(event) = feed.recv() => Some(event),
            _ = pulse.tick() => Some(Event::Tick { at_ms: now_ms(clock) }),
            _ = terminated.recv() => return Ok(()),
            _ = hung_up.recv() => return Ok(()),
            () = wait_until(due) => {
                screen.draw(&model).map_err(TuiError::Terminal)?;
                drawn = Instant::now();
                due = None;
                None
            }
        };
        let Some(event) = event else { continue };
        let before = ages(&model);
        let is_tick = matches!(event, Event::Tick { .. });
        match update(&mut model, event) {
            Some(Request::Quit) => return Ok(()),
            Some(Request::Copy(text)) => {
                crossterm::execute!(std::io::stdout(), CopyToClipboard::to_clipboard_from(text))
                    .map_err(TuiError::Terminal)?;
            }
            None => {}
        }
        // Time alone changes only the ages that are shown.
        if !is_tick || before != ages(&model) {
            due = due.or(Some(drawn + redraw));
        }
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The ages on screen, in seconds.
fn ages(model: &Model) -> (Option<u64>, Option<u64>) {
    let lost = match &model.feed {
        Feed::Lost { since_ms, .. } => Some(model.now_ms.saturating_sub(*since_ms) / 1000),
        Feed::Waiting | Feed::Live | Feed::Ended => None,
    };
    (model.stale_ms().map(|age| age / 1000), lost)
}

/// What a key, or another change of the terminal, means here.
fn translate(input: &Input) -> Option<Event> {
    match input {
        Input::Resize(..) => Some(Event::Resized),
        Input::Key(KeyEvent { code, modifiers, kind, .. }) if *kind != KeyEventKind::Release => {
            let key = match code {
                KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Key::Interrupt,
                KeyCode::Char(_) if modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => return None,
                KeyCode::Char(c) => Key::Char(*c),
                KeyCode::Up => Key::Up,
                KeyCode::Down => Key::Down,
                KeyCode::Left => Key::Left,
                KeyCode::Right => Key::Right,
                KeyCode::Tab => Key::Tab,
                KeyCode::Enter => Key::Enter,
                KeyCode::Esc => Key::Esc,
                KeyCode::Backspace => Key::Backspace,
                _ => return None,
            };
            Some(Event::Key(key))
        }
        _ => None,
    }
}
