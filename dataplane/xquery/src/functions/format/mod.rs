//! Numbers and dates as people write them: the picture languages of F&O 3.1 §4.6, §4.7 and §9.8.
//!
//! The three work on digits and components, not on values of the data model, so that each can be read with its section
//! of the specification beside it. `functions::{numeric, dates}` call them.

pub mod date;
pub mod integer;
pub mod number;
mod words;

/// Why a picture cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PictureError {
    /// Its error code, such as `FODF1310`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl PictureError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The zero of the decimal digit family that `c` belongs to; Unicode keeps such families in tens.
pub(crate) fn zero_of(c: char) -> Option<char> {
    // First digits of the families of category Nd, Unicode 14.
    const ZEROS: &[u32] = &[
        0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
        0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
        0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0,
        0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60,
        0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
    ];
    let code = u32::from(c);
    ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code)).and_then(|zero| char::from_u32(*zero))
}

/// The digit `value` of the family that starts with `zero`.
pub(crate) fn digit_of(zero: char, value: u32) -> char {
    char::from_u32(u32::from(zero) + value).expect("digit families are ten consecutive characters")
}

/// ASCII digits in the family that starts with `zero`; other characters stay.
pub(crate) fn in_family(digits: &str, zero: char) -> String {
    digits.chars().map(|c| c.to_digit(10).map_or(c, |value| digit_of(zero, value))).collect()
}
