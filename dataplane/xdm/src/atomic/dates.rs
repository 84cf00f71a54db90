//! Dates, times and durations: lexical forms (XSD 1.1 part 2 §3.3) and calculating with them (F&O 3.1 §9.7, §9.8).

use super::moment::{Duration, Moment, NANOS};
use super::number::Decimal;

/// Years accepted, in either direction: their days in nanoseconds fit into 128 bits with room to spare.
const YEAR_MAX: i64 = 9_999_999_999;
/// Seconds of a duration: more would overflow when it is added to a date.
const SECONDS_MAX: i128 = 1 << 60;
/// Nanoseconds of a day.
const DAY: i64 = 86_400 * NANOS;

/// Which of the eight kinds of moments a text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is named like the type")]
pub enum MomentKind {
    DateTime,
    Date,
    Time,
    GYear,
    GYearMonth,
    GMonth,
    GMonthDay,
    GDay,
}

/// Why a text is no moment or duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// It has another form (FORG0001).
    Form,
    /// The form is right, the value too large (FODT0001, FODT0002).
    Overflow,
}

/// Days of a month.
#[must_use]
pub fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads the parts of a text.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn eat(&mut self, token: char) -> Option<()> {
        self.0 = self.0.strip_prefix(token)?;
        Some(())
    }

    /// Exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<u8> {
        let part = self.0.get(..count).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?;
        self.0 = &self.0[count..];
        part.parse().ok()
    }

    /// At least four digits, no leading zero beyond them, with a sign.
    fn year(&mut self) -> Result<i64, Unreadable> {
        let negative = self.eat('-').is_some();
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (text, rest) = self.0.split_at(count);
        if count < 4 || count > 4 && text.starts_with('0') {
            return Err(Unreadable::Form);
        }
        self.0 = rest;
        let year: i64 = text.parse().ok().filter(|year| *year <= YEAR_MAX).ok_or(Unreadable::Overflow)?;
        Ok(if negative { -year } else { year })
    }

    fn month(&mut self) -> Option<u8> {
        self.digits(2).filter(|month| (1..=12).contains(month))
    }

    fn day(&mut self) -> Option<u8> {
        self.digits(2).filter(|day| (1..=31).contains(day))
    }

    /// Nanoseconds of the day, up to and including 24:00:00.
    fn time(&mut self) -> Option<i64> {
        let hours = self.digits(2)?;
        self.eat(':')?;
        let minutes = self.digits(2).filter(|minutes| *minutes < 60)?;
        self.eat(':')?;
        let seconds = self.digits(2).filter(|seconds| *seconds < 60)?;
        let fraction = self.fraction()?;
        let nanos = ((i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds)) * NANOS + fraction;
        (nanos <= DAY).then_some(nanos)
    }

    /// Nanoseconds behind a point; digits beyond the ninth are dropped.
    fn fraction(&mut self) -> Option<i64> {
        if self.eat('.').is_none() {
            return Some(0);
        }
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (text, rest) = self.0.split_at(count);
        self.0 = rest;
        let kept = &text[..count.min(9)];
        format!("{kept:0<9}").parse().ok().filter(|_| count > 0)
    }

    /// What remains: nothing, `Z`, or an offset up to 14:00.
    fn zone(mut self) -> Option<Option<i16>> {
        let sign = match self.0 {
            "" => return Some(None),
            "Z" => return Some(Some(0)),
            rest if rest.starts_with('-') => -1,
            rest if rest.starts_with('+') => 1,
            _ => return None,
        };
        self.0 = &self.0[1..];
        let hours = self.digits(2)?;
        self.eat(':')?;
        let minutes = self.digits(2).filter(|minutes| *minutes < 60)?;
        let offset = i16::from(hours) * 60 + i16::from(minutes);
        (self.0.is_empty() && offset <= 14 * 60).then_some(Some(sign * offset))
    }
}

impl Moment {
    /// Reads a lexical form; white space around it has been removed.
    pub fn parse(kind: MomentKind, text: &str) -> Result<Self, Unreadable> {
        match Self::read(kind, text) {
            // A year that is too large says nothing about what stands behind it.
            Err(Unreadable::Overflow) => {
                let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
                let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                match Self::read(kind, &format!("{sign}2000{rest}")) {
                    Err(Unreadable::Form) => Err(Unreadable::Form),
                    Ok(_) | Err(Unreadable::Overflow) => Err(Unreadable::Overflow),
                }
            }
            read => read,
        }
    }

    fn read(kind: MomentKind, text: &str) -> Result<Self, Unreadable> {
        let mut reader = Reader(text);
        let mut moment = Self::DEFAULT;
        let form = Unreadable::Form;
        match kind {
            MomentKind::DateTime | MomentKind::Date => {
                moment.year = reader.year()?;
                reader.eat('-').ok_or(form)?;
                moment.month = reader.month().ok_or(form)?;
                reader.eat('-').ok_or(form)?;
                moment.day = reader.day().ok_or(form)?;
                if kind == MomentKind::DateTime {
                    reader.eat('T').ok_or(form)?;
                    moment.nanos = reader.time().ok_or(form)?;
                }
            }
            MomentKind::Time => moment.nanos = reader.time().ok_or(form)? % DAY,
            MomentKind::GYear => moment.year = reader.year()?,
            MomentKind::GYearMonth => {
                moment.year = reader.year()?;
                reader.eat('-').ok_or(form)?;
                moment.month = reader.month().ok_or(form)?;
            }
            MomentKind::GMonth | MomentKind::GMonthDay => {
                reader.eat('-').and_then(|()| reader.eat('-')).ok_or(form)?;
                moment.month = reader.month().ok_or(form)?;
                if kind == MomentKind::GMonthDay {
                    reader.eat('-').ok_or(form)?;
                    moment.day = reader.day().ok_or(form)?;
                }
            }
            MomentKind::GDay => {
                (0..3).try_for_each(|_| reader.eat('-')).ok_or(form)?;
                moment.day = reader.day().ok_or(form)?;
            }
        }
        moment.zone = reader.zone().ok_or(form)?;
        let has_day = matches!(kind, MomentKind::DateTime | MomentKind::Date | MomentKind::GMonthDay);
        if has_day && moment.day > days_in_month(moment.year, moment.month) {
            return Err(form);
        }
        moment.only(kind);
        if moment.nanos == DAY {
            moment.nanos = 0;
            return moment.plus_days(1).ok_or(Unreadable::Overflow);
        }
        Ok(moment)
    }

    /// Sets the parts that `kind` does not have to what comparing takes for them.
    fn only(&mut self, kind: MomentKind) {
        let default = Self::DEFAULT;
        if matches!(kind, MomentKind::GYear) {
            self.month = 1;
        }
        if matches!(kind, MomentKind::GYear | MomentKind::GYearMonth) {
            self.day = 1;
        }
        if matches!(kind, MomentKind::GMonth) {
            self.day = 1;
        }
        if !matches!(kind, MomentKind::DateTime | MomentKind::Time) {
            self.nanos = 0;
        }
        if matches!(kind, MomentKind::Time) {
            (self.year, self.month, self.day) = (default.year, default.month, default.day);
        }
        if matches!(kind, MomentKind::GMonth | MomentKind::GMonthDay | MomentKind::GDay) {
            self.year = default.year;
        }
        if matches!(kind, MomentKind::GDay) {
            self.month = default.month;
        }
    }

    /// The parts of this moment that `kind` has (casting, F&O 3.1 §19.1.6).
    #[must_use]
    pub fn cast(mut self, kind: MomentKind) -> Self {
        self.only(kind);
        self
    }

    /// The date and time with this number of days since 1970-01-01. `None` beyond the years accepted.
    #[must_use]
    pub fn from_day_number(days: i64, nanos: i64, zone: Option<i16>) -> Option<Self> {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let small = |value: i64| u8::try_from(value).expect("months and days are below 256");
        (year.abs() <= YEAR_MAX).then(|| Self { year, month: small(month), day: small(day), nanos, zone })
    }

    /// So many days later.
    #[must_use]
    pub fn plus_days(&self, days: i64) -> Option<Self> {
        Self::from_day_number(self.day_number().checked_add(days)?, self.nanos, self.zone)
    }

    /// So many months later; the day is the last of its month at most (F&O 3.1 §9.7).
    #[must_use]
    pub fn plus_months(&self, months: i64) -> Option<Self> {
        let index = self.year.checked_mul(12)?.checked_add(i64::from(self.month) - 1)?.checked_add(months)?;
        let year = index.div_euclid(12);
        let month = u8::try_from(index.rem_euclid(12) + 1).expect("a remainder of 12");
        let day = self.day.min(days_in_month(year, month));
        (year.abs() <= YEAR_MAX).then_some(Self { year, month, day, ..*self })
    }

    /// So many nanoseconds later.
    #[must_use]
    pub fn plus_nanos(&self, nanos: i128) -> Option<Self> {
        let total = i128::from(self.nanos) + nanos;
        let days = i64::try_from(total.div_euclid(i128::from(DAY))).ok()?;
        let rest = i64::try_from(total.rem_euclid(i128::from(DAY))).expect("a remainder of a day");
        Self::from_day_number(self.day_number().checked_add(days)?, rest, self.zone)
    }

    /// The same instant in another zone, or the same clock without zone (F&O 3.1 §9.6).
    #[must_use]
    pub fn adjusted(&self, zone: Option<i16>) -> Option<Self> {
        match (self.zone, zone) {
            (Some(from), Some(to)) => {
                let moved = self.plus_nanos(i128::from(to - from) * 60 * i128::from(NANOS))?;
                Some(Self { zone, ..moved })
            }
            _ => Some(Self { zone, ..*self }),
        }
    }
}

impl Duration {
    /// From months and nanoseconds. `None` when it is too large.
    #[must_use]
    pub fn from_parts(months: i64, nanos: i128) -> Option<Self> {
        let seconds = nanos / i128::from(NANOS);
        let rest = i32::try_from(nanos % i128::from(NANOS)).expect("a remainder of 10^9");
        if seconds.abs() > SECONDS_MAX || months.unsigned_abs() > 1 << 60 {
            return None;
        }
        Some(Self { months, seconds: i64::try_from(seconds).ok()?, nanos: rest })
    }

    /// Reads `-P1Y2M3DT4H5M6.7S` and its parts.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let rest = rest.strip_prefix('P').ok_or(Unreadable::Form)?;
        let (date, time) = match rest.split_once('T') {
            Some((_, "")) => return Err(Unreadable::Form),
            Some((date, time)) => (date, time),
            None if rest.is_empty() => return Err(Unreadable::Form),
            None => (rest, ""),
        };
        let mut months: i128 = 0;
        let mut nanos: i128 = 0;
        for (value, unit) in parts(date, "YMD")? {
            match unit {
                'Y' => months += whole(value)? * 12,
                'M' => months += whole(value)?,
                _ => nanos += whole(value)? * i128::from(DAY),
            }
        }
        for (value, unit) in parts(time, "HMS")? {
            match unit {
                'H' => nanos += whole(value)? * 3_600 * i128::from(NANOS),
                'M' => nanos += whole(value)? * 60 * i128::from(NANOS),
                _ => nanos += seconds(value)?,
            }
        }
        let sign = if negative { -1 } else { 1 };
        let months = i64::try_from(months * sign).map_err(|_| Unreadable::Overflow)?;
        Self::from_parts(months, nanos * sign).ok_or(Unreadable::Overflow)
    }

    /// Multiplied by a number: months are rounded half up (F&O 3.1 §8.4.3).
    #[must_use]
    pub fn times(&self, factor: f64) -> Option<Self> {
        let months = (self.months as f64 * factor + 0.5).floor();
        let nanos = (self.total_nanos() as f64 * factor).round();
        if !months.is_finite() || !nanos.is_finite() || months.abs() > 1e18 || nanos.abs() > 1e36 {
            return None;
        }
        Self::from_parts(months as i64, nanos as i128)
    }
}

/// Numbers with units, which come in the order given and at most once.
fn parts<'a>(text: &'a str, units: &str) -> Result<Vec<(&'a str, char)>, Unreadable> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut units = units.chars();
    while !rest.is_empty() {
        let at = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or(Unreadable::Form)?;
        let unit = rest[at..].chars().next().ok_or(Unreadable::Form)?;
        if !units.any(|known| known == unit) {
            return Err(Unreadable::Form);
        }
        found.push((&rest[..at], unit));
        rest = &rest[at + 1..];
    }
    Ok(found)
}

fn whole(text: &str) -> Result<i128, Unreadable> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unreadable::Form);
    }
    text.parse().ok().filter(|value| *value < SECONDS_MAX).ok_or(Unreadable::Overflow)
}

/// Nanoseconds of seconds with a fraction.
fn seconds(text: &str) -> Result<i128, Unreadable> {
    let (head, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let kept = &fraction[..fraction.len().min(9)];
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unreadable::Form);
    }
    Ok(whole(head)? * i128::from(NANOS) + whole(&format!("{kept:0<9}"))?)
}

/// Seconds with a fraction as a decimal.
#[must_use]
pub fn seconds_decimal(nanos: i128) -> Decimal {
    Decimal::new(nanos, 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lexical_forms_are_those_of_xml_schema() {
        let read = |text| Moment::parse(MomentKind::DateTime, text);
        let m = read("-0044-03-15T24:00:00-05:30").unwrap();
        assert_eq!((m.year, m.month, m.day, m.nanos, m.zone), (-44, 3, 16, 0, Some(-330)));
        for bad in ["2001-02-29T00:00:00", "02001-01-01T00:00:00", "2001-01-01T24:00:01", "2001-01-01T00:00:00+14:01"] {
            assert_eq!(read(bad), Err(Unreadable::Form), "{bad}");
        }
        assert_eq!(Duration::parse("-P1Y2M3DT4H5M6.7S").unwrap().months, -14);
        for bad in ["P", "PT", "P1M1Y", "1Y", "P1.5D", "PT1.S", "P-1Y"] {
            assert_eq!(Duration::parse(bad), Err(Unreadable::Form), "{bad}");
        }
    }

    #[test]
    fn adding_months_keeps_the_day_within_the_month() {
        let m = Moment::parse(MomentKind::Date, "2004-01-31").unwrap();
        let later = m.plus_months(1).unwrap();
        assert_eq!((later.month, later.day), (2, 29));
        assert_eq!(m.plus_days(-31).unwrap().year, 2003);
        let noon = Moment::parse(MomentKind::DateTime, "2000-01-01T01:00:00+02:00").unwrap();
        let there = noon.adjusted(Some(-60)).unwrap();
        assert_eq!((there.year, there.day, there.nanos), (1999, 31, 22 * 3_600 * NANOS));
    }
}
