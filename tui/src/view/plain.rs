//! A drawn frame as text, and the same frame in ASCII.

use ratatui::buffer::Buffer;

/// The symbols as lines of text, without colours and without blanks at the ends.
#[must_use]
pub fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in buffer.area.left()..buffer.area.right() {
            let Some(cell) = buffer.cell((x, y)) else { continue };
            // The cells behind a wide symbol are part of it.
            if skip > 0 {
                skip -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            skip = crate::format::width(cell.symbol()).saturating_sub(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    text
}

/// Replaces every symbol that is not ASCII: one place, so that none is forgotten.
pub fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let mut chars = cell.symbol().chars();
            let symbol = chars.next().map_or(' ', ascii);
            // What was two columns wide has to stay so: its second cell is blank already.
            cell.set_char(symbol);
        }
    }
}

fn ascii(symbol: char) -> char {
    match symbol {
        '─' | '━' => '-',
        '│' | '┃' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' => '+',
        '░' => '.',
        '▒' => ':',
        '▓' => '*',
        '█' => '#',
        '▁' => '_',
        '▂' => '.',
        '▃' => ',',
        '▄' => '-',
        '▅' => '=',
        '▆' => '+',
        '▇' => '*',
        '·' => '-',
        '…' => '~',
        _ => '?',
    }
}
