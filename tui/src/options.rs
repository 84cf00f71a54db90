//! What can be asked for on the command line, and what the surroundings allow.

use crate::limits::{COLUMNS_DEFAULT, COLUMNS_MAX, COLUMNS_MIN, INTERVAL_MS_DEFAULT, INTERVAL_MS_MAX, INTERVAL_MS_MIN};
use crate::model::Screen;
use crate::theme::Palette;
use std::path::PathBuf;

/// Arguments of the dashboard.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Print one frame as text and stop; also what happens without a terminal
    #[arg(long)]
    pub once: bool,
    /// Columns of that frame
    #[arg(long, default_value_t = COLUMNS_DEFAULT, value_parser = clap::value_parser!(u16).range(i64::from(COLUMNS_MIN)..=i64::from(COLUMNS_MAX)))]
    pub width: u16,
    /// Write that frame to a file, as an SVG picture
    #[arg(long, value_name = "FILE", requires = "once")]
    pub svg: Option<PathBuf>,
    /// Print the cluster as one JSON object and stop
    #[arg(long, conflicts_with_all = ["once", "svg"])]
    pub json: bool,
    /// With --json: a line for every snapshot, until interrupted
    #[arg(long, requires = "json")]
    pub watch: bool,
    /// Write every snapshot to a file, a line of JSON each
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Show a recording instead of a cluster
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    pub replay: Option<PathBuf>,
    /// First screen
    #[arg(long, value_enum, default_value = "overview")]
    pub screen: Screen,
    /// Time between two snapshots, such as 1s or 500ms
    #[arg(long, default_value_t = Interval(INTERVAL_MS_DEFAULT), value_parser = Interval::parse)]
    pub interval: Interval,
    /// Colours; none at all where NO_COLOR is set
    #[arg(long, value_enum)]
    pub palette: Option<Palette>,
    /// Draw with ASCII only; also what happens where the locale is not UTF-8
    #[arg(long)]
    pub ascii: bool,
}

/// A time between two snapshots, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval(pub u32);

impl Interval {
    fn parse(text: &str) -> Result<Self, String> {
        let rule = || format!("a number and a unit, {INTERVAL_MS_MIN}ms to {}s", INTERVAL_MS_MAX / 1000);
        let (number, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(number), _) => (number, 1),
            (None, Some(number)) => (number, 1_000),
            (None, None) => return Err(rule()),
        };
        let ms = number.parse::<u32>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(rule)?;
        if (INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&ms) { Ok(Self(ms)) } else { Err(rule()) }
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}s", self.0 / 1000) } else { write!(f, "{}ms", self.0) }
    }
}

/// What the terminal and the environment allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Surroundings {
    /// Frames can be drawn and keys read.
    pub terminal: bool,
    /// Colours may be used.
    pub colors: bool,
    /// More than ASCII can be shown.
    pub utf8: bool,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn detect() -> Self {
        use std::io::IsTerminal;
        let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        Self::of(terminal, |name| std::env::var(name).ok())
    }

    /// Those of an environment: `TERM=dumb` cannot draw, `NO_COLOR` with any value forbids colours, and the first of
    /// `LC_ALL`, `LC_CTYPE` and `LANG` that has a value names the encoding.
    #[must_use]
    pub fn of(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_ascii_lowercase();
        Self {
            terminal: terminal && set("TERM").is_some_and(|term| term != "dumb"),
            colors: set("NO_COLOR").is_none(),
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(terminal: bool, variables: &[(&str, &str)]) -> Surroundings {
        Surroundings::of(terminal, |name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_dumb_terminal_is_none() {
        assert!(around(true, &[("TERM", "xterm")]).terminal);
        assert!(!around(true, &[("TERM", "dumb")]).terminal);
        assert!(!around(false, &[("TERM", "xterm")]).terminal);
    }

    #[test]
    fn the_first_locale_with_a_value_counts() {
        assert!(around(true, &[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")]).utf8);
        assert!(!around(true, &[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]).utf8);
        assert!(!around(true, &[]).utf8);
    }

    #[test]
    fn no_color_counts_when_it_has_a_value() {
        assert!(!around(true, &[("NO_COLOR", "1")]).colors);
        assert!(around(true, &[("NO_COLOR", "")]).colors);
    }

    #[test]
    fn intervals_have_bounds() {
        assert_eq!(Interval::parse("500ms"), Ok(Interval(500)));
        assert_eq!(Interval::parse("2s"), Ok(Interval(2_000)));
        assert!(Interval::parse("5ms").is_err() && Interval::parse("2h").is_err() && Interval::parse("s").is_err());
    }
}
