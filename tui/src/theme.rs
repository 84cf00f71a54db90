//! Colours and modifiers by meaning. Colour repeats what a word or a symbol already says, so every palette reads alike.
//!
//! The palette without colour sets no colour at all, modifiers alone: with `NO_COLOR`, the terminal library writes a
//! colour as a full reset, which would also end bold and reversed (a test looks at the bytes).

use ratatui::style::{Color, Modifier, Style};

/// Which colours are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Palette {
    /// Green, yellow, red.
    #[default]
    Default,
    /// Blue and orange: told apart with every kind of colour vision.
    Cb,
    /// No colours, only bold, dim and reversed.
    Mono,
}

impl Palette {
    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Default => Self::Cb,
            Self::Cb => Self::Mono,
            Self::Mono => Self::Default,
        }
    }

    /// As it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Cb => "cb",
            Self::Mono => "mono",
        }
    }
}

/// What a piece of text means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ink {
    /// Nothing special.
    Plain,
    /// Less important.
    Dim,
    /// Names of panels and columns.
    Title,
    /// All is well.
    Good,
    /// Look at it.
    Warn,
    /// Act on it.
    Bad,
    /// A key, a command, a leader.
    Accent,
    /// Under the cursor.
    Selected,
    /// Share of the hottest, 0 (nothing) to 4.
    Heat(u8),
}

/// The style of a meaning.
#[must_use]
pub fn style(palette: Palette, ink: Ink) -> Style {
    let plain = Style::new();
    match ink {
        Ink::Plain | Ink::Heat(0) => return plain,
        Ink::Selected => return plain.add_modifier(Modifier::REVERSED),
        Ink::Title => return plain.add_modifier(Modifier::BOLD),
        _ => {}
    }
    let (color, modifier) = match (palette, ink) {
        (Palette::Mono, Ink::Dim) => return plain.add_modifier(Modifier::DIM),
        (Palette::Mono, Ink::Warn | Ink::Bad | Ink::Accent | Ink::Heat(4)) => {
            return plain.add_modifier(Modifier::BOLD);
        }
        (Palette::Mono, _) => return plain,
        (_, Ink::Dim) => (Color::DarkGray, Modifier::empty()),
        (Palette::Default, Ink::Good) => (Color::Green, Modifier::empty()),
        (Palette::Default, Ink::Warn) => (Color::Yellow, Modifier::empty()),
        (Palette::Default, Ink::Bad) => (Color::Red, Modifier::BOLD),
        (Palette::Default, Ink::Heat(level)) => (
            [Color::Blue, Color::Cyan, Color::Yellow, Color::Red][usize::from(level.clamp(1, 4)) - 1],
            Modifier::empty(),
        ),
        (Palette::Cb, Ink::Good) => (Color::LightBlue, Modifier::empty()),
        (Palette::Cb, Ink::Warn) => (Color::Indexed(179), Modifier::empty()),
        (Palette::Cb, Ink::Bad) => (Color::Indexed(208), Modifier::BOLD),
        (Palette::Cb, Ink::Heat(level)) => {
            let ramp = [24, 67, 179, 208].map(Color::Indexed);
            (ramp[usize::from(level.clamp(1, 4)) - 1], Modifier::empty())
        }
        (_, _) => (Color::Cyan, Modifier::empty()),
    };
    plain.fg(color).add_modifier(modifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INKS: [Ink; 9] =
        [Ink::Plain, Ink::Dim, Ink::Title, Ink::Good, Ink::Warn, Ink::Bad, Ink::Accent, Ink::Selected, Ink::Heat(4)];

    #[test]
    fn without_colour_nothing_sets_one() {
        for ink in INKS {
            let style = style(Palette::Mono, ink);
            assert_eq!((style.fg, style.bg), (None, None), "{ink:?}");
        }
    }

    #[test]
    fn good_and_bad_differ_in_every_palette() {
        for palette in [Palette::Default, Palette::Cb, Palette::Mono] {
            assert_ne!(style(palette, Ink::Good), style(palette, Ink::Bad), "{palette:?}");
        }
    }
}
