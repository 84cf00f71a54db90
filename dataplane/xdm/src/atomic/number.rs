//! `xs:integer` and `xs:decimal` as data: 128 bits, 38 digits; what goes beyond is an overflow (FOAR0002), as F&O 3.1
//! §4.2 allows.

/// An `xs:integer`. Packed, so that an item stays at 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(Rust, packed(8))]
pub struct Integer(pub i128);

impl From<i64> for Integer {
    fn from(value: i64) -> Self {
        Self(i128::from(value))
    }
}

impl Integer {
    /// The value, when it has 64 bits.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        i64::try_from(self.0).ok()
    }
}

/// An `xs:decimal`: `mantissa / 10^scale`, the scale being the least possible.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(Rust, packed(8))]
pub struct Decimal {
    /// All digits.
    pub mantissa: i128,
    /// How many of them are behind the point.
    pub scale: u8,
}

impl Decimal {
    /// Most digits behind the point.
    pub const SCALE_MAX: u8 = 37;

    /// `mantissa / 10^scale`, reduced.
    #[must_use]
    pub fn new(mut mantissa: i128, mut scale: u8) -> Self {
        // Dividing 128 bits is slow, and most values have 64.
        if let Ok(mut small) = i64::try_from(mantissa) {
            while scale > 0 && small % 10 == 0 {
                small /= 10;
                scale -= 1;
            }
            return Self { mantissa: i128::from(small), scale };
        }
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self { mantissa, scale }
    }

    /// Reads `[+-]?digits[.digits]`, at least one digit. `None` for other forms and more digits than there is room for;
    /// digits behind the point that do not fit are dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        if whole.len() + fraction.len() <= 18 {
            let digits = whole.bytes().chain(fraction.bytes());
            let value = digits.fold(0, |value: i64, digit| value * 10 + i64::from(digit - b'0'));
            let scale = u8::try_from(fraction.len()).expect("at most 18");
            return Some(Self { mantissa: i128::from(if negative { -value } else { value }), scale });
        }
        let mut mantissa: i128 = 0;
        for digit in whole.bytes() {
            mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        let mut scale = 0;
        for digit in fraction.bytes() {
            let longer = mantissa.checked_mul(10).and_then(|m| m.checked_add(i128::from(digit - b'0')));
            let Some(longer) = longer.filter(|_| scale < Self::SCALE_MAX) else { break };
            mantissa = longer;
            scale += 1;
        }
        Some(Self::new(if negative { -mantissa } else { mantissa }, scale))
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        // By way of the text, because dividing two rounded doubles rounds twice.
        self.to_string().parse().expect("digits with a point are a double")
    }
}

impl From<Integer> for Decimal {
    fn from(value: Integer) -> Self {
        Self { mantissa: value.0, scale: 0 }
    }
}

impl std::fmt::Display for Decimal {
    /// The canonical form: no exponent, no point without digits behind it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mantissa, scale) = (self.mantissa, usize::from(self.scale));
        if scale == 0 {
            return write!(f, "{mantissa}");
        }
        if let (Ok(small), true) = (i64::try_from(mantissa), scale <= 18) {
            // Divided by a power of ten instead of written and taken apart.
            let power = 10_u64.pow(u32::from(self.scale));
            let (digits, sign) = (small.unsigned_abs(), if small < 0 { "-" } else { "" });
            return write!(f, "{sign}{}.{:0scale$}", digits / power, digits % power);
        }
        let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if mantissa < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{fraction}")
    }
}
