//! A box with a title. Lines that do not fit are cut with `…`; lines that are missing are counted.

use crate::format::{cut, fit, width};
use crate::model::Model;
use crate::theme::{Ink, style};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};

/// A box with a title.
#[derive(Default)]
pub struct Panel {
    title: String,
    right: String,
    focused: bool,
    lines: Vec<Line<'static>>,
}

impl Panel {
    /// An empty box.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    /// A second title on the right; left out when there is no room for both.
    #[must_use]
    pub fn right(mut self, text: &str) -> Self {
        text.clone_into(&mut self.right);
        self
    }

    /// Whether the arrows go here.
    #[must_use]
    pub fn focused(mut self, focused: bool) -> Self {
        self.focused = focused;
        self
    }

    /// What is in it.
    #[must_use]
    pub fn lines(mut self, lines: Vec<Line<'static>>) -> Self {
        self.lines = lines;
        self
    }

    /// Draws it; nothing when the area has no room for a line.
    pub fn draw(self, model: &Model, area: Rect, buffer: &mut Buffer) {
        if area.height < 3 || area.width < 6 {
            return;
        }
        let paint = |ink| style(model.palette, ink);
        let border = if self.focused && model.interactive { Ink::Accent } else { Ink::Dim };
        let room = usize::from(area.width) - 4;
        let title = cut(&self.title, room);
        let both = width(&title) + width(&self.right) + 4 <= room;
        let mark = if self.focused && model.interactive && model.panels().len() > 1 { ">" } else { " " };
        let title = Span::styled(format!("{mark}{title} "), paint(Ink::Title));
        let mut block = Block::bordered().border_style(paint(border)).title(Line::from(title));
        if both && !self.right.is_empty() {
            let right = Span::styled(format!(" {} ", self.right), paint(Ink::Dim));
            block = block.title(Line::from(right).right_aligned());
        }
        let inner = block.inner(area);
        block.render(area, buffer);
        // A column of air on both sides.
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let height = usize::from(inner.height);
        let missing = self.lines.len().saturating_sub(height);
        for (index, line) in self.lines.into_iter().take(height).enumerate() {
            let row = Rect { y: inner.y + u16::try_from(index).unwrap_or(0), height: 1, ..inner };
            if missing > 0 && index + 1 == height {
                let text = format!("… {} more", missing + 1);
                fit(Line::styled(text, paint(Ink::Dim)), usize::from(inner.width)).render(row, buffer);
            } else {
                let base = line.style;
                fit(line, usize::from(inner.width)).render(row, buffer);
                if base.add_modifier.contains(Modifier::REVERSED) {
                    buffer.set_style(row, base);
                }
            }
        }
    }
}

/// Columns inside a panel.
#[must_use]
pub fn inner_columns(area: Rect) -> usize {
    usize::from(area.width).saturating_sub(4)
}

/// The first row to show so that row `at` of `total` is among `height` rows.
#[must_use]
pub fn first_row(at: usize, total: usize, height: usize) -> usize {
    let last_first = total.saturating_sub(height);
    at.saturating_sub(height / 2).min(last_first)
}

/// Which part of a list is shown; empty when it is all of it.
#[must_use]
pub fn part(first: usize, shown: usize, total: usize) -> String {
    if shown >= total { String::new() } else { format!("{}-{} of {total}", first + 1, first + shown) }
}

/// The left and the right half.
#[must_use]
pub fn two_columns(area: Rect) -> [Rect; 2] {
    let left = area.width / 2;
    [Rect { width: left, ..area }, Rect { x: area.x + left, width: area.width - left, ..area }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marked_row_is_always_shown() {
        for total in 0..30 {
            for height in 1..12 {
                for at in 0..total {
                    let first = first_row(at, total, height);
                    assert!(first <= at && at < first + height, "{at} of {total} in {height}: {first}");
                }
            }
        }
    }
}
