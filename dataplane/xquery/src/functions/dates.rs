//! Dates, times and durations — F&O 3.1 §8 and §9.

use super::args::{Args, integer};
use super::format::date::{Components, Manner, format};
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use phoenixmldb_xdm::atomic::dates::{MomentKind, seconds_decimal};
use phoenixmldb_xdm::atomic::{Duration, Moment, NANOS};
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::names::is_ncname;
use phoenixmldb_xdm::{Atomic, AtomicType, ErrorCode, Sequence};

type Run = fn(&mut CallContext<'_>, Vec<Sequence>) -> Result<Sequence>;

const fn part(local: &'static str, of: &'static [&'static str], run: Run) -> FunctionEntry {
    fun(local, of, "xs:integer?", run)
}

const DATE_TIME: &[&str] = &["xs:dateTime?"];
const DATE: &[&str] = &["xs:date?"];
const TIME: &[&str] = &["xs:time?"];
const DURATION: &[&str] = &["xs:duration?"];
const PICTURE: [&str; 5] = ["", "xs:string", "xs:string?", "xs:string?", "xs:string?"];

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("dateTime", &["xs:date?", "xs:time?"], "xs:dateTime?", date_time),
    part("year-from-dateTime", DATE_TIME, |_, args| of_moment(&args, |m| i128::from(m.year))),
    part("month-from-dateTime", DATE_TIME, |_, args| of_moment(&args, |m| i128::from(m.month))),
    part("day-from-dateTime", DATE_TIME, |_, args| of_moment(&args, |m| i128::from(m.day))),
    part("hours-from-dateTime", DATE_TIME, |_, args| of_moment(&args, hours)),
    part("minutes-from-dateTime", DATE_TIME, |_, args| of_moment(&args, minutes)),
    fun("seconds-from-dateTime", DATE_TIME, "xs:decimal?", |_, args| seconds(&args)),
    fun("timezone-from-dateTime", DATE_TIME, "xs:dayTimeDuration?", |_, args| zone(&args)),
    part("year-from-date", DATE, |_, args| of_moment(&args, |m| i128::from(m.year))),
    part("month-from-date", DATE, |_, args| of_moment(&args, |m| i128::from(m.month))),
    part("day-from-date", DATE, |_, args| of_moment(&args, |m| i128::from(m.day))),
    fun("timezone-from-date", DATE, "xs:dayTimeDuration?", |_, args| zone(&args)),
    part("hours-from-time", TIME, |_, args| of_moment(&args, hours)),
    part("minutes-from-time", TIME, |_, args| of_moment(&args, minutes)),
    fun("seconds-from-time", TIME, "xs:decimal?", |_, args| seconds(&args)),
    fun("timezone-from-time", TIME, "xs:dayTimeDuration?", |_, args| zone(&args)),
    part("years-from-duration", DURATION, |_, args| of_duration(&args, |d| i128::from(d.months / 12))),
    part("months-from-duration", DURATION, |_, args| of_duration(&args, |d| i128::from(d.months % 12))),
    part("days-from-duration", DURATION, |_, args| of_duration(&args, |d| i128::from(d.seconds / 86_400))),
    part("hours-from-duration", DURATION, |_, args| of_duration(&args, |d| i128::from(d.seconds % 86_400 / 3_600))),
    part("minutes-from-duration", DURATION, |_, args| of_duration(&args, |d| i128::from(d.seconds % 3_600 / 60))),
    fun("seconds-from-duration", DURATION, "xs:decimal?", |_, args| {
        let seconds = |d: Duration| d.total_nanos() % (60 * i128::from(NANOS));
        Ok(duration(&args)?.map(|d| Atomic::Decimal(seconds_decimal(seconds(d)))).into())
    }),
    fun("adjust-dateTime-to-timezone", &["xs:dateTime?", "xs:dayTimeDuration?"], "xs:dateTime?", adjust)
        .required(1)
        .depends(Depends::Context),
    fun("adjust-date-to-timezone", &["xs:date?", "xs:dayTimeDuration?"], "xs:date?", adjust)
        .required(1)
        .depends(Depends::Context),
    fun("adjust-time-to-timezone", &["xs:time?", "xs:dayTimeDuration?"], "xs:time?", adjust)
        .required(1)
        .depends(Depends::Context),
    fun("current-dateTime", &[], "xs:dateTimeStamp", |ctx, _| {
        Ok(Atomic::DateTime(ctx.dynamic().current, AtomicType::DateTimeStamp).into())
    })
    .depends(Depends::Context),
    fun("current-date", &[], "xs:date", |ctx, _| Ok(Atomic::Date(ctx.dynamic().current.cast(MomentKind::Date)).into()))
        .depends(Depends::Context),
    fun("current-time", &[], "xs:time", |ctx, _| Ok(Atomic::Time(ctx.dynamic().current.cast(MomentKind::Time)).into()))
        .depends(Depends::Context),
    fun("implicit-timezone", &[], "xs:dayTimeDuration", |ctx, _| {
        Ok(zone_duration(ctx.dynamic().implicit_zone()).into())
    })
    .depends(Depends::Context),
    fun("format-dateTime", &["xs:dateTime?", PICTURE[1], PICTURE[2], PICTURE[3], PICTURE[4]], "xs:string?", formatted)
        .required_or_all(2)
        .depends(Depends::Context),
    fun("format-date", &["xs:date?", PICTURE[1], PICTURE[2], PICTURE[3], PICTURE[4]], "xs:string?", formatted)
        .required_or_all(2)
        .depends(Depends::Context),
    fun("format-time", &["xs:time?", PICTURE[1], PICTURE[2], PICTURE[3], PICTURE[4]], "xs:string?", formatted)
        .required_or_all(2)
        .depends(Depends::Context),
    fun("parse-ietf-date", &["xs:string?"], "xs:dateTime?", parse_ietf_date),
];

fn moment_of(value: &Atomic) -> Option<Moment> {
    match value {
        Atomic::DateTime(moment, _) | Atomic::Date(moment) | Atomic::Time(moment) => Some(*moment),
        _ => None,
    }
}

fn moment(args: &[Sequence]) -> Result<Option<Moment>> {
    Ok(args[0].atomize()?.first().and_then(moment_of))
}

fn of_moment(args: &[Sequence], part: fn(&Moment) -> i128) -> Result<Sequence> {
    Ok(moment(args)?.map_or(Sequence::Empty, |moment| integer(part(&moment))))
}

fn hours(moment: &Moment) -> i128 {
    i128::from(moment.nanos / NANOS / 3_600)
}

fn minutes(moment: &Moment) -> i128 {
    i128::from(moment.nanos / NANOS / 60 % 60)
}

fn seconds(args: &[Sequence]) -> Result<Sequence> {
    let seconds = |moment: Moment| Atomic::Decimal(seconds_decimal(i128::from(moment.nanos % (60 * NANOS))));
    Ok(moment(args)?.map(seconds).into())
}

fn zone_duration(minutes: i16) -> Atomic {
    Atomic::DayTimeDuration(Duration { months: 0, seconds: i64::from(minutes) * 60, nanos: 0 })
}

fn zone(args: &[Sequence]) -> Result<Sequence> {
    Ok(moment(args)?.and_then(|moment| moment.zone).map(zone_duration).into())
}

fn duration(args: &[Sequence]) -> Result<Option<Duration>> {
    Ok(match args[0].atomize()?.first() {
        Some(Atomic::Duration(d) | Atomic::YearMonthDuration(d) | Atomic::DayTimeDuration(d)) => Some(*d),
        _ => None,
    })
}

fn of_duration(args: &[Sequence], part: fn(&Duration) -> i128) -> Result<Sequence> {
    Ok(duration(args)?.map_or(Sequence::Empty, |duration| integer(part(&duration))))
}

fn date_time(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (Some(date), Some(time)) = (args.atomic(0)?, args.atomic(1)?) else { return Ok(Sequence::Empty) };
    let (Some(date), Some(time)) = (moment_of(&date), moment_of(&time)) else { return Ok(Sequence::Empty) };
    if date.zone.is_some() && time.zone.is_some() && date.zone != time.zone {
        return Err(fail("FORG0008", "date and time are in different time zones"));
    }
    let both = Moment { nanos: time.nanos, zone: date.zone.or(time.zone), ..date };
    Ok(Atomic::DateTime(both, AtomicType::DateTime).into())
}

fn adjust(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let Some(value) = args.atomic(0)? else { return Ok(Sequence::Empty) };
    let zone = match (args.count(), args.atomic(1)?) {
        (1, _) => Some(ctx.dynamic().implicit_zone()),
        (_, Some(Atomic::DayTimeDuration(offset))) => {
            let minutes = offset.seconds / 60;
            if offset.nanos != 0 || offset.seconds % 60 != 0 || minutes.abs() > 14 * 60 {
                return Err(fail("FODT0003", "a time zone is whole minutes, 14 hours at most"));
            }
            i16::try_from(minutes).ok()
        }
        _ => None,
    };
    let late = || fail("FODT0001", "a date is out of range");
    let adjusted = |moment: &Moment| moment.adjusted(zone).ok_or_else(late);
    Ok(Sequence::from(match &value {
        Atomic::DateTime(moment, _) => Atomic::DateTime(adjusted(moment)?, AtomicType::DateTime),
        Atomic::Date(moment) => Atomic::Date(adjusted(moment)?.cast(MomentKind::Date)),
        Atomic::Time(moment) => Atomic::Time(adjusted(moment)?.cast(MomentKind::Time)),
        other => return Err(fail("XPTY0004", format!("{} has no time zone", other.type_of()))),
    }))
}

fn formatted(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let Some(value) = args.atomic(0)? else { return Ok(Sequence::Empty) };
    let Some(moment) = moment_of(&value) else { return Ok(Sequence::Empty) };
    let foreign_language = args.text(2)?.is_some_and(|language| !language.starts_with("en"));
    let mut manner = Manner { foreign_language, ..Manner::default() };
    if let Some(calendar) = args.text(3)? {
        let calendar = calendar.trim();
        let plain = match calendar.strip_prefix("Q{") {
            Some(rest) => rest.split_once('}').filter(|(uri, _)| uri.trim().is_empty()).map_or("other", |(_, n)| n),
            None => calendar,
        };
        let known = [
            "AD", "ISO", "OS", "BE", "AH", "AM", "AP", "AS", "CB", "CE", "CL", "CS", "EE", "FE", "JE", "KE", "KY",
            "ME", "MS", "NS", "RS", "SE", "SH", "SS", "TE", "VE", "VS",
        ];
        match plain.split_once(':') {
            Some((prefix, local)) if is_ncname(prefix) && is_ncname(local) => {
                if !ctx.static_context.namespaces.contains_key(prefix) {
                    return Err(fail("FOFD1340", format!("calendar prefix {prefix} is not bound")));
                }
                manner.foreign_calendar = true;
            }
            _ if known.contains(&plain) => {
                manner.iso = plain == "ISO";
                manner.foreign_calendar = plain != "AD" && plain != "ISO";
            }
            _ if calendar.starts_with("Q{") && plain == "other" => manner.foreign_calendar = true,
            _ => return Err(fail("FOFD1340", format!("there is no calendar {calendar}"))),
        }
    }
    let has_date = !matches!(value, Atomic::Time(_));
    let has_time = !matches!(value, Atomic::Date(_));
    let second = moment.nanos / NANOS;
    let small = |value: i64| u32::try_from(value).unwrap_or(0);
    let components = Components {
        date: has_date.then_some((moment.year, u32::from(moment.month), u32::from(moment.day))),
        time: has_time.then(|| {
            let fraction = format!("{:09}", moment.nanos % NANOS);
            let digits = fraction.trim_end_matches('0').to_owned();
            (small(second / 3_600), small(second / 60 % 60), small(second % 60), digits)
        }),
        timezone: moment.zone.map(i32::from),
        zone_name: None,
    };
    let text = format(&components, &args.text_or_empty(1)?, manner);
    Ok(Sequence::string(text.map_err(|error| Box::new(Error::new(ErrorCode(error.code), error.message)))?))
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 14] = [
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const ZONES: [(&str, i16); 11] = [
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("est", -300),
    ("edt", -240),
    ("cst", -360),
    ("cdt", -300),
    ("mst", -420),
    ("mdt", -360),
    ("pst", -480),
    ("pdt", -420),
];

/// §9.9.
fn parse_ietf_date(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let Some(text) = Args::new(args).text(0)? else { return Ok(Sequence::Empty) };
    let wrong = || fail("FORG0010", format!("{text:?} is not a date of RFC 2616, RFC 822 or asctime"));
    let lower = text.to_lowercase();
    let moment = ietf(&lower).ok_or_else(wrong)?;
    Ok(Atomic::DateTime(moment, AtomicType::DateTime).into())
}

struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn space(&mut self) -> bool {
        let trimmed = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
        let any = trimmed.len() < self.0.len();
        self.0 = trimmed;
        any
    }

    fn eat(&mut self, token: char) -> bool {
        let found = self.0.strip_prefix(token);
        self.0 = found.unwrap_or(self.0);
        found.is_some()
    }

    fn while_true(&mut self, test: fn(char) -> bool) -> &'a str {
        let at = self.0.find(|c| !test(c)).unwrap_or(self.0.len());
        let (head, rest) = self.0.split_at(at);
        self.0 = rest;
        head
    }

    fn letters(&mut self) -> &'a str {
        self.while_true(|c| c.is_ascii_alphabetic())
    }

    fn digits(&mut self) -> &'a str {
        self.while_true(|c| c.is_ascii_digit())
    }

    /// White space, or a hyphen with space around it.
    fn separator(&mut self) -> Option<()> {
        let space = self.space();
        let hyphen = self.eat('-');
        self.space();
        (space || hyphen).then_some(())
    }

    fn month(&mut self) -> Option<u8> {
        let name = self.letters();
        MONTHS.iter().position(|month| *month == name).and_then(|at| u8::try_from(at + 1).ok())
    }

    fn day(&mut self) -> Option<u8> {
        let digits = self.digits();
        digits.parse().ok().filter(|_| digits.len() <= 2)
    }

    fn year(&mut self) -> Option<i64> {
        let digits = self.digits();
        let year: i64 = digits.parse().ok()?;
        match digits.len() {
            2 => Some(1900 + year),
            4 => Some(year),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<(i64, Option<i16>)> {
        let hour = self.day()?;
        let two = |text: &str| text.parse::<i64>().ok().filter(|value| text.len() == 2 && *value < 60);
        if !self.eat(':') {
            return None;
        }
        let minute = two(self.digits())?;
        let mut nanos = (i64::from(hour) * 60 + minute) * 60 * NANOS;
        if self.eat(':') {
            nanos += two(self.digits())? * NANOS;
            if self.eat('.') {
                let digits = self.digits();
                let kept = &digits[..digits.len().min(9)];
                nanos += format!("{kept:0<9}").parse::<i64>().ok().filter(|_| !digits.is_empty())?;
            }
        }
        let before = self.0;
        self.space();
        let zone = self.zone();
        if zone.is_none() {
            self.0 = before;
        }
        (nanos <= 86_400 * NANOS).then_some((nanos, zone.flatten()))
    }

    /// `None` when there is none; `Some(None)` never.
    fn zone(&mut self) -> Option<Option<i16>> {
        let name = self.0.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if let Some((_, offset)) = ZONES.iter().find(|(zone, _)| *zone == name) {
            self.0 = &self.0[name.len()..];
            return Some(Some(*offset));
        }
        let sign = if self.eat('+') {
            1
        } else if self.eat('-') {
            -1
        } else {
            return None;
        };
        let first = self.digits();
        let (hours, minutes) = if self.eat(':') {
            match self.digits() {
                "" => (first, "00"),
                minutes if minutes.len() == 2 => (first, minutes),
                _ => return None,
            }
        } else if first.len() > 2 {
            first.split_at(first.len() - 2)
        } else {
            (first, "00")
        };
        let (hours, minutes): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
        let offset = sign * (hours * 60 + minutes);
        let before = self.0;
        self.space();
        if self.eat('(') {
            self.space();
            let name = self.letters();
            self.space();
            if !self.eat(')') || !ZONES.iter().any(|(zone, _)| *zone == name) {
                return None;
            }
        } else {
            self.0 = before;
        }
        (minutes < 60 && offset.abs() <= 14 * 60).then_some(Some(offset))
    }
}

fn ietf(text: &str) -> Option<Moment> {
    let mut words = Words(text);
    words.space();
    let start = words.0;
    let name = words.letters();
    if DAYS.contains(&name) {
        words.eat(',');
        if !words.space() {
            return None;
        }
    } else {
        words.0 = start;
    }
    let (year, month, day, nanos, zone);
    if words.0.starts_with(|c: char| c.is_ascii_alphabetic()) {
        month = words.month()?;
        words.separator()?;
        day = words.day()?;
        if !words.space() {
            return None;
        }
        (nanos, zone) = words.time()?;
        if !words.space() {
            return None;
        }
        year = words.year()?;
    } else {
        day = words.day()?;
        words.separator()?;
        month = words.month()?;
        words.separator()?;
        year = words.year()?;
        if !words.space() {
            return None;
        }
        (nanos, zone) = words.time()?;
    }
    words.space();
    if !words.0.is_empty() {
        return None;
    }
    let zone = zone.unwrap_or(0);
    let (sign, offset) = (if zone < 0 { '-' } else { '+' }, zone.abs());
    let date = format!("{year:04}-{month:02}-{day:02}T00:00:00{sign}{:02}:{:02}", offset / 60, offset % 60);
    let midnight = Moment::parse(MomentKind::DateTime, &date).ok()?;
    midnight.plus_nanos(i128::from(nanos))
}
