//! Numbers, times and cuts as they are printed. Every number has a unit; what is cut ends with `…`.

use ratatui::text::{Line, Span};

/// Printed where a figure is not known.
pub const UNKNOWN: &str = "-";

/// `4 812`
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `999`, `1.2k`, `98k`, `4.0M`: at most five columns.
#[must_use]
pub fn short(number: u64) -> String {
    scaled(number as f64, 1000.0, &["", "k", "M", "G", "T", "P", "E"], true)
}

/// `999`, `1k`, `98k`, `4M`: at most four columns.
#[must_use]
pub fn shorter(number: u64) -> String {
    scaled(number as f64, 1000.0, &["", "k", "M", "G", "T", "P", "E"], false)
}

/// `512`, `6.1K`, `98M`: bytes by powers of 1024, at most five columns.
#[must_use]
pub fn bytes(number: u64) -> String {
    scaled(number as f64, 1024.0, &["B", "K", "M", "G", "T", "P", "E"], true)
}

fn scaled(mut value: f64, step: f64, units: &[&str], fraction: bool) -> String {
    let mut unit = 0;
    // From 999.5 on, rounding would print four digits.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    if fraction && unit > 0 && value < 9.95 {
        format!("{value:.1}{}", units[unit])
    } else {
        format!("{value:.0}{}", units[unit])
    }
}

/// Something per second: `0.4`, `12`, `4 812`.
#[must_use]
pub fn rate(per_s: f64) -> String {
    match per_s {
        value if !value.is_finite() || value < 0.0 => UNKNOWN.to_owned(),
        0.0 => "0".to_owned(),
        value if value < 9.95 => format!("{value:.1}"),
        value => count(value.round() as u64),
    }
}

/// A latency: `0.4ms`, `14ms`, `2.9s`. Zero is not a latency, but the lack of one.
#[must_use]
pub fn latency(ms: f64) -> String {
    match ms {
        value if !value.is_finite() || value <= 0.0 => UNKNOWN.to_owned(),
        value if value < 9.95 => format!("{value:.1}ms"),
        value if value < 999.5 => format!("{value:.0}ms"),
        value => format!("{:.1}s", value / 1000.0),
    }
}

/// `34%`
#[must_use]
pub fn percent(value: f64) -> String {
    if value.is_finite() && value >= 0.0 { format!("{value:.0}%") } else { UNKNOWN.to_owned() }
}

/// A length of time in its two largest units: `42s`, `1m42s`, `2h05m`, `3d04h`.
#[must_use]
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// Time of day in UTC, `21:04:10`, of milliseconds since 1970.
#[must_use]
pub fn time(ms: u64) -> String {
    let seconds = ms / 1000 % 86400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A bar of `width` columns; every part above zero shows.
#[must_use]
pub fn bar(fraction: f64, width: usize) -> String {
    let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
    let full = (fraction * width as f64).ceil() as usize;
    "▓".repeat(full.min(width)) + &"░".repeat(width - full.min(width))
}

/// The newest values as a line of `width` columns; a value that is not known is a gap.
#[must_use]
pub fn spark(values: &[Option<f64>], width: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let newest = &values[values.len().saturating_sub(width)..];
    let top = newest.iter().flatten().copied().fold(0.0, f64::max);
    let glyph = |value: &Option<f64>| match value {
        Some(value) if top > 0.0 => LEVELS[((value / top * 7.0).round() as usize).min(7)],
        Some(_) => LEVELS[0],
        None => ' ',
    };
    let line: String = newest.iter().map(glyph).collect();
    format!("{line:>width$}")
}

/// Columns a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text in at most `width` columns; a cut ends with `…`.
#[must_use]
pub fn cut(text: &str, columns: usize) -> String {
    // What is not drawn takes no room.
    let drawn: String = text.chars().filter(|c| !c.is_control()).collect();
    fit(Line::raw(drawn), columns).spans.into_iter().map(|span| span.content).collect()
}

/// The line in at most `width` columns; a cut ends with `…`.
#[must_use]
pub fn fit(line: Line<'static>, columns: usize) -> Line<'static> {
    if line.width() <= columns {
        return line;
    }
    let mut left = columns.saturating_sub(1);
    let mut kept: Vec<Span<'static>> = Vec::new();
    let mut last_style = line.style;
    'spans: for span in &line.spans {
        let mut text = String::new();
        last_style = span.style;
        for grapheme in span.styled_graphemes(span.style) {
            let takes = width(grapheme.symbol);
            if takes > left {
                kept.push(Span::styled(text, span.style));
                break 'spans;
            }
            left -= takes;
            text.push_str(grapheme.symbol);
        }
        kept.push(Span::styled(text, span.style));
    }
    if columns > 0 {
        kept.push(Span::styled("…", last_style));
    }
    Line::from(kept).style(line.style)
}

/// The text in exactly `columns` columns, cut or padded on the right or on the left.
#[must_use]
pub fn cell(text: &str, columns: usize, to_the_right: bool) -> String {
    let text = cut(text, columns);
    let padding = " ".repeat(columns - width(&text));
    if to_the_right { padding + &text } else { text + &padding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        assert_eq!([0, 999, 4812, 1_204_551].map(count), ["0", "999", "4 812", "1 204 551"]);
        assert_eq!([0, 999, 1_000, 9_940, 98_014, 999_600].map(short), ["0", "999", "1.0k", "9.9k", "98k", "1.0M"]);
        assert_eq!([0, 512, 6_300, 1 << 30].map(bytes), ["0B", "512B", "6.2K", "1.0G"]);
        assert_eq!([0.0, 0.42, 12.3, 4811.7].map(rate), ["0", "0.4", "12", "4 812"]);
        assert_eq!([0.0, 1.23, 14.2, 2900.0, f64::NAN].map(latency), ["-", "1.2ms", "14ms", "2.9s", "-"]);
    }

    #[test]
    fn spans_name_their_two_largest_units() {
        let spans = [0, 42_000, 102_000, 7_500_000, 273_600_000].map(span);
        assert_eq!(spans, ["0s", "42s", "1m42s", "2h05m", "3d04h"]);
        assert_eq!(time(75_850_000), "21:04:10");
    }

    #[test]
    fn a_cut_says_so() {
        assert_eq!(cut("leaders 4/4/4/4 skew 3%", 13), "leaders 4/4/…");
        assert_eq!(cut("node1", 5), "node1");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(cell("7", 3, true), "  7");
    }

    #[test]
    fn a_gap_in_a_line_is_no_zero() {
        assert_eq!(spark(&[Some(0.0), None, Some(7.0), Some(3.5)], 5), " ▁ █▅");
        assert_eq!(spark(&[Some(0.0)], 2), " ▁");
    }

    proptest! {
        #[test]
        fn a_cell_is_as_wide_as_asked(text in ".{0,40}", columns in 0_usize..60) {
            prop_assert_eq!(width(&cell(&text, columns, false)), columns);
        }

        #[test]
        fn short_numbers_take_five_columns(number: u64) {
            prop_assert!(short(number).len() <= 5 && bytes(number).len() <= 5);
        }
    }
}
