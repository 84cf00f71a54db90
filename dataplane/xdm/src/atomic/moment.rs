//! Dates, times and durations as data. Reading and calculating is elsewhere.

/// Nanoseconds per second.
pub const NANOS: i64 = 1_000_000_000;

/// A date, a time, or parts of them (`xs:dateTime`, `xs:date`, `xs:time`, `xs:g…`).
///
/// Parts that a type does not have are those of 1972-12-31T00:00:00, as F&O 3.1 §9.4 takes them for comparing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Moment {
    /// Year of the proleptic Gregorian calendar; year 0 exists (XSD 1.1).
    pub year: i64,
    /// Time of day, in nanoseconds.
    pub nanos: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// Offset of the time zone, in minutes; `None` without time zone.
    pub zone: Option<i16>,
}

impl Moment {
    /// What a part is that a type does not have.
    pub const DEFAULT: Self = Self { year: 1972, nanos: 0, month: 12, day: 31, zone: None };

    /// Days since 1970-01-01 of the date alone.
    #[must_use]
    pub fn day_number(&self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = i64::from(self.month);
        let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z, taking the implicit time zone where there is none.
    #[must_use]
    pub fn instant(&self, implicit_zone: i16) -> i128 {
        let zone = i128::from(self.zone.unwrap_or(implicit_zone)) * 60 * i128::from(NANOS);
        i128::from(self.day_number()) * 86_400 * i128::from(NANOS) + i128::from(self.nanos) - zone
    }
}

/// A duration: months, and seconds with a fraction; both have the same sign.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Duration {
    /// Years and months together.
    pub months: i64,
    /// Days to whole seconds together.
    pub seconds: i64,
    /// Fraction of a second; same sign as `seconds`, less than one second.
    pub nanos: i32,
}

impl Duration {
    /// Days to fraction together, in nanoseconds.
    #[must_use]
    pub fn total_nanos(&self) -> i128 {
        i128::from(self.seconds) * i128::from(NANOS) + i128::from(self.nanos)
    }
}
