//! A drawn frame as a picture: one SVG file, the same bytes every time, readable with any monospaced font.
//!
//! Every run of equal style is one `<text>` whose length is fixed in columns, so that borders meet whatever font there is.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use std::fmt::Write;

/// Width of a column, in units of the picture.
const COLUMN: f64 = 8.4;
/// Height of a line, in units of the picture: that of the frames in common fonts of this size, so that they are closed.
const LINE: f64 = 16.3;
/// Empty room around the frame, in units of the picture.
const MARGIN: f64 = 12.0;
/// Paper.
const BACKGROUND: &str = "#11151c";
/// Ink.
const FOREGROUND: &str = "#d8dee9";

/// The picture; `title` is read to those who do not see it.
#[must_use]
pub fn picture(buffer: &Buffer, title: &str) -> String {
    let (width, height) = (f64::from(buffer.area.width) * COLUMN, f64::from(buffer.area.height) * LINE);
    let (all_width, all_height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    let mut svg = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        svg.write_fmt(text).and_then(|()| svg.write_char('\n')).expect("a string takes everything");
    };
    line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {all_width:.1} {all_height:.1}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\" role=\"img\">"
    ));
    line(format_args!("<title>{}</title>", escape(title)));
    line(format_args!("<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>"));
    for y in 0..buffer.area.height {
        for run in runs(buffer, y) {
            let x = MARGIN + f64::from(run.x) * COLUMN;
            let top = MARGIN + f64::from(y) * LINE;
            let length = f64::from(run.columns) * COLUMN;
            let (ink, paper) = colors(&run.cell);
            if paper != BACKGROUND {
                line(format_args!(
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{LINE:.1}\" fill=\"{paper}\"/>"
                ));
            }
            if run.text.trim().is_empty() {
                continue;
            }
            let bold = if run.cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
            let dim = if run.cell.modifier.contains(Modifier::DIM) { " opacity=\"0.6\"" } else { "" };
            line(format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
                 fill=\"{ink}\"{bold}{dim} xml:space=\"preserve\">{}</text>",
                top + LINE * 0.79,
                escape(&run.text)
            ));
        }
    }
    svg.push_str("</svg>\n");
    svg
}

struct Run {
    x: u16,
    columns: u16,
    text: String,
    cell: Cell,
}

/// Pieces of a line with one style.
fn runs(buffer: &Buffer, y: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut x = 0;
    while x < buffer.area.width {
        let Some(cell) = buffer.cell((buffer.area.x + x, buffer.area.y + y)) else { break };
        let columns = u16::try_from(crate::format::width(cell.symbol())).unwrap_or(1).max(1);
        match runs.last_mut() {
            Some(run) if (run.cell.fg, run.cell.bg, run.cell.modifier) == (cell.fg, cell.bg, cell.modifier) => {
                run.text.push_str(cell.symbol());
                run.columns += columns;
            }
            _ => runs.push(Run { x, columns, text: cell.symbol().to_owned(), cell: cell.clone() }),
        }
        x += columns;
    }
    runs
}

fn colors(cell: &Cell) -> (&'static str, &'static str) {
    let (ink, paper) = (hex(cell.fg, FOREGROUND), hex(cell.bg, BACKGROUND));
    if cell.modifier.contains(Modifier::REVERSED) { (paper, ink) } else { (ink, paper) }
}

/// The colours the themes use; a terminal has its own, a picture needs some.
fn hex(color: Color, reset: &'static str) -> &'static str {
    match color {
        Color::Red => "#f07178",
        Color::Green => "#8fce77",
        Color::Yellow => "#ffcb6b",
        Color::Blue => "#5f87d7",
        Color::Cyan => "#6fd3e3",
        Color::LightBlue => "#82aaff",
        Color::DarkGray => "#7d8696",
        Color::Indexed(24) => "#005f87",
        Color::Indexed(67) => "#5f87af",
        Color::Indexed(179) => "#d7af5f",
        Color::Indexed(208) => "#ff8700",
        _ => reset,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
