//! What happens to the dashboard, and what it asks of its driver. No terminal types: tests and replays make events too.

use phoenixmldb_client::admin_v1::ClusterSnapshot;
use std::sync::Arc;

/// Something happened. Times are milliseconds of one monotonic clock.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// The terminal has another size.
    Resized,
    /// The cluster was seen.
    Seen {
        /// When.
        at_ms: u64,
        /// As the answering node described it.
        cluster: Arc<ClusterSnapshot>,
    },
    /// The cluster cannot be seen; what is shown grows old.
    Lost {
        /// When.
        at_ms: u64,
        /// Why, in words.
        reason: String,
    },
    /// A recording is at its end.
    Ended,
    /// Time passed.
    Tick {
        /// Now.
        at_ms: u64,
    },
}

/// A key, by what is printed on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A character.
    Char(char),
    /// Arrow.
    Up,
    /// Arrow.
    Down,
    /// Arrow.
    Left,
    /// Arrow.
    Right,
    /// Next panel.
    Tab,
    /// Accepts what was typed.
    Enter,
    /// Leaves.
    Esc,
    /// Removes a character.
    Backspace,
    /// Ctrl-C: ends the program wherever it is.
    Interrupt,
}

/// What the driver has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// End the program.
    Quit,
    /// Offer this text to the terminal's clipboard.
    Copy(String),
}
