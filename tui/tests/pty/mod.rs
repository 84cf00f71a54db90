//! A program on a pseudo-terminal, seen through a terminal emulator. Waits for what is on screen, never for time.

#![allow(dead_code)] // each test uses a part of it

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Longest wait for a screen, and for the next piece of it: a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shell line on a pseudo-terminal.
pub(crate) struct Pty {
    /// The emulated terminal.
    pub(crate) screen: vt100::Parser,
    /// All bytes the program wrote.
    pub(crate) bytes: Vec<u8>,
    heard: Receiver<Vec<u8>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    // The terminal lives as long as this end of it.
    _master: Box<dyn MasterPty + Send>,
}

impl Pty {
    /// Runs a shell line on a terminal of this size, in a UTF-8 locale and with these variables set besides.
    pub(crate) fn start(line: &str, (columns, lines): (u16, u16), variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: lines, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", line]);
        for name in ["NO_COLOR", "LC_ALL", "LC_CTYPE", "PHOENIXMLDB_ENDPOINTS", "PHOENIXMLDB_CONTEXT"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let (say, heard) = channel();
        // Ends with the terminal: reading fails when the last program on it is gone.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                if say.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let size = |cells| std::num::NonZeroU16::new(cells).unwrap();
        let screen = vt100::Parser::new(size(lines), size(columns), 0);
        Self { screen, bytes: Vec::new(), heard, keys, child, _master: pair.master }
    }

    /// What is on screen, as text.
    pub(crate) fn text(&self) -> String {
        self.screen.screen().contents()
    }

    fn hear(&mut self) -> Result<(), RecvTimeoutError> {
        let piece = self.heard.recv_timeout(PATIENCE)?;
        self.screen.process(&piece);
        self.bytes.extend(piece);
        Ok(())
    }

    /// Waits until the screen is as wanted.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        // A dashboard of a live cluster is never silent: the wait as a whole has an end.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !wanted(&self.text()) {
            assert!(tokio::time::Instant::now() < deadline, "{what} was not seen; on screen:\n{}", self.text());
            if let Err(error) = self.hear() {
                panic!("{what}: {error}; on screen:\n{}", self.text());
            }
        }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).unwrap();
    }

    /// Waits until all programs have ended.
    pub(crate) fn end(mut self) -> Self {
        while self.hear().is_ok() {}
        self.child.wait().unwrap();
        self
    }

    /// Whether the emulated terminal is as a shell left it: first screen, visible cursor, no mode left behind.
    pub(crate) fn assert_restored(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "still on the other screen");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert!(!screen.bracketed_paste());
        let text = self.text();
        let modes: Vec<&str> = text.split_whitespace().collect();
        assert!(modes.contains(&"icanon") && modes.contains(&"echo"), "the line discipline is still raw:\n{text}");
    }
}

/// A shell line that runs a program, then prints its exit code and the terminal's modes.
pub(crate) fn and_then_modes(program: &str) -> String {
    format!("{program}; echo code=$?; stty -a")
}
