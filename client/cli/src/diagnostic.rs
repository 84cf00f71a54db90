//! Errors of queries: code, message, and the line of the query with the place underlined.
//!
//! One form for queries that ran here and in a cluster. Colours and box lines only on a terminal; elsewhere, and with
//! `NO_COLOR`, plain ASCII that programs can read.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use phoenixmldb_xquery::syntax::locate;
use std::fmt;
use std::io::IsTerminal;

/// How reports look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// ASCII.
    Plain,
    /// Box lines and colours.
    Terminal,
}

impl Look {
    /// What suits the standard error stream.
    #[must_use]
    pub fn of_stderr() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
            || !std::io::stderr().is_terminal();
        if plain { Self::Plain } else { Self::Terminal }
    }
}

/// A query error for people.
#[derive(Debug)]
pub struct Problem {
    code: String,
    message: String,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    /// Offset and length in bytes.
    span: (usize, usize),
}

impl Problem {
    /// An error that happened nowhere in particular.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), help: None, source: None, span: (0, 0) }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into()).filter(|help| !help.is_empty());
        self
    }

    /// The same at a place: byte offsets in the text of a module. Of what spans several lines, the first is shown.
    #[must_use]
    pub fn within(mut self, name: &str, text: &str, start: usize, end: usize) -> Self {
        let start = (0..=start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = (start..=end.clamp(start, line_end)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(start);
        self.span = (start, text[start..end].trim_end().len());
        self.source = Some(NamedSource::new(name, text.to_owned()));
        self
    }

    /// The same at a line and a column in characters, both from 1: the word or symbol there is underlined.
    #[must_use]
    pub fn at(self, name: &str, text: &str, line: usize, column: usize) -> Self {
        let line_start = match line {
            0 | 1 => 0,
            line => text.match_indices('\n').nth(line - 2).map_or(text.len(), |(at, _)| at + 1),
        };
        let rest = &text[line_start..];
        let start = rest.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| line_start + at);
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '$');
        let length = text[start..].find(|c| !word(c)).unwrap_or(text.len() - start);
        let length = if length == 0 { text[start..].chars().next().map_or(0, char::len_utf8) } else { length };
        self.within(name, text, start, start + length)
    }

    /// The report, with a line end.
    #[must_use]
    pub fn render(&self, look: Look) -> String {
        let theme = match look {
            Look::Plain => GraphicalTheme::none(),
            Look::Terminal => GraphicalTheme::unicode(),
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_wrap_lines(false);
        let mut report = String::new();
        if handler.render_report(&mut report, self).is_err() {
            return format!("{self}\n");
        }
        // Lines without padding, so that a report can be compared and copied.
        let lines: Vec<&str> = report.lines().map(str::trim_end).collect();
        format!("{}\n", lines.join("\n").trim_matches('\n'))
    }

    /// Line and column of the place, from 1.
    #[must_use]
    pub fn place(&self) -> Option<(u32, u32)> {
        let location = locate(self.source.as_ref()?.inner(), self.span.0, None);
        Some((location.line, location.column))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.code, self.message) }
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new(None, self.span.0, self.span.1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_by_offsets_or_by_line_and_column() {
        let text = "for $x in 1\nreturn $nothing + é";
        let by_offsets = Problem::new("XPST0008", "").within("q", text, 19, 27);
        let by_place = Problem::new("XPST0008", "").at("q", text, 2, 8);
        assert_eq!((by_offsets.place(), by_offsets.span), (Some((2, 8)), (19, 8)));
        assert_eq!(by_offsets.span, by_place.span);
        // Places outside the text and inside a character do no harm.
        for (start, end) in [(1000, 2000), (text.len() - 1, text.len()), (5, 3)] {
            assert!(!Problem::new("X", "m").within("q", text, start, end).render(Look::Plain).is_empty());
        }
        for (line, column) in [(9, 9), (2, 99), (0, 0)] {
            assert!(!Problem::new("X", "m").at("q", text, line, column).render(Look::Plain).is_empty());
        }
    }
}
