//! `fn:format-date`, `fn:format-time` and `fn:format-dateTime` — F&O 3.1 §9.8.4, in English and the calendar AD.

use super::integer::Picture;
use super::{PictureError, in_family, zero_of};

/// The components of a value; `None` where its type has none.
#[derive(Clone, Debug, Default)]
pub struct Components {
    /// Year, month and day.
    pub date: Option<(i64, u32, u32)>,
    /// Hour, minute, second and the digits behind the second's point.
    pub time: Option<(u32, u32, u32, String)>,
    /// Offset from UTC in minutes.
    pub timezone: Option<i32>,
    /// Name of the place's zone at that time, as `EST`, when it is known.
    pub zone_name: Option<String>,
}

/// How a value is to be written beyond the picture.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// The language asked for is not English: the text says so.
    pub foreign_language: bool,
    /// The calendar asked for is known but not AD or ISO: the text says so.
    pub foreign_calendar: bool,
    /// ISO rules for weeks and numbers of days.
    pub iso: bool,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn error(picture: &str, reason: &str) -> PictureError {
    PictureError::new("FOFD1340", format!("picture {picture:?}: {reason}"))
}

/// Formats components. Errors: `FOFD1340` for the picture, `FOFD1350` for a component the value does not have.
pub fn format(components: &Components, picture: &str, manner: Manner) -> Result<String, PictureError> {
    let mut text = String::new();
    if manner.foreign_language {
        text.push_str("[Language: en]");
    }
    if manner.foreign_calendar {
        text.push_str("[Calendar: AD]");
    }
    let mut chars = picture.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '[' if chars.peek() == Some(&'[') => {
                chars.next();
                text.push('[');
            }
            '[' => {
                let mut marker = String::new();
                loop {
                    match chars.next() {
                        Some(']') => break,
                        Some(c) if c.is_whitespace() => {}
                        Some(c) => marker.push(c),
                        None => return Err(error(picture, "[ is not closed")),
                    }
                }
                text.push_str(&component(components, &marker, picture, manner)?);
            }
            ']' => {
                if chars.next() != Some(']') {
                    return Err(error(picture, "] is written ]]"));
                }
                text.push(']');
            }
            c => text.push(c),
        }
    }
    Ok(text)
}

/// A variable marker taken apart.
struct Marker<'a> {
    presentation: &'a str,
    ordinal: bool,
    traditional: bool,
    width_min: Option<usize>,
    width_max: Option<usize>,
}

fn marker<'a>(text: &'a str, default: &'a str, picture: &str) -> Result<Marker<'a>, PictureError> {
    let (head, width) = match text.rfind(',') {
        // A comma may be a grouping separator when no width follows it.
        Some(at) if is_width(&text[at + 1..]) => (&text[..at], Some(&text[at + 1..])),
        Some(_) if text.ends_with(',') => return Err(error(picture, "a width is missing")),
        Some(at) if text[at + 1..].contains('*') || text[at + 1..].contains('-') => {
            return Err(error(picture, "a width is neither a number nor *"));
        }
        _ => (text, None),
    };
    let several = head.chars().count() > 1;
    let (presentation, ordinal, traditional) = match head.chars().last() {
        Some('o') if several => (&head[..head.len() - 1], true, false),
        Some('c') if several => (&head[..head.len() - 1], false, false),
        Some('t') if several => (&head[..head.len() - 1], false, true),
        Some('a') if several && head != "a" => (&head[..head.len() - 1], false, false),
        Some('o') => ("", true, false),
        Some('t') => ("", false, true),
        _ => (head, false, false),
    };
    let number = |part: &str| -> Result<Option<usize>, PictureError> {
        match part {
            "*" => Ok(None),
            part => {
                part.parse().ok().filter(|n| *n > 0).map(Some).ok_or_else(|| error(picture, "a width is not positive"))
            }
        }
    };
    let (width_min, width_max) = match width.map(|width| width.split_once('-').unwrap_or((width, "*"))) {
        None => (None, None),
        Some((min, max)) => (number(min)?, number(max)?),
    };
    if width_min.zip(width_max).is_some_and(|(min, max)| max < min) {
        return Err(error(picture, "the widths are reversed"));
    }
    let presentation = if presentation.is_empty() { default } else { presentation };
    Ok(Marker { presentation, ordinal, traditional, width_min, width_max })
}

fn is_width(text: &str) -> bool {
    let part = |part: &str| part == "*" || !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('-') {
        Some((min, max)) => part(min) && part(max),
        None => part(text),
    }
}

fn component(of: &Components, text: &str, picture: &str, manner: Manner) -> Result<String, PictureError> {
    let mut chars = text.chars();
    let specifier = chars.next().ok_or_else(|| error(picture, "[] is empty"))?;
    let default = match specifier {
        'P' | 'F' => "n",
        'C' | 'E' => "N",
        'm' | 's' => "01",
        'Z' | 'z' => "01:01",
        _ => "1",
    };
    if !"YMDdFWwHhPmsfZzCE".contains(specifier) {
        return Err(error(picture, &format!("there is no component {specifier}")));
    }
    let marker = marker(chars.as_str(), default, picture)?;
    let missing =
        || PictureError::new("FOFD1350", format!("picture {picture:?}: the value has no component {specifier}"));
    let date = || of.date.ok_or_else(missing);
    let time = || of.time.clone().ok_or_else(missing);
    let number = |value: i64| self::number(value, &marker, picture);
    match specifier {
        'Y' => year(date()?.0, &marker, picture),
        'M' => named(i64::from(date()?.1), MONTHS[date()?.1 as usize - 1], &marker, picture, specifier),
        'D' => number(i64::from(date()?.2)),
        'd' => {
            let (year, month, day) = date()?;
            number(days_before(year, month) + i64::from(day))
        }
        'F' => {
            let (year, month, day) = date()?;
            let weekday = weekday(year, month, day);
            named(weekday + 1, DAYS[weekday as usize], &marker, picture, specifier)
        }
        'W' => {
            let (year, month, day) = date()?;
            number(iso_week(year, days_before(year, month) + i64::from(day)))
        }
        'w' => {
            let (year, month, day) = date()?;
            number(week_of_month(year, month, day))
        }
        'H' => number(i64::from(time()?.0)),
        'h' => number(i64::from((time()?.0 + 11) % 12 + 1)),
        'P' => {
            let half = if time()?.0 < 12 { "am" } else { "pm" };
            named(0, half, &marker, picture, specifier)
        }
        'm' => number(i64::from(time()?.1)),
        's' => number(i64::from(time()?.2)),
        'f' => fraction(&time()?.3, &marker, picture),
        'Z' | 'z' => Ok(zone(of, &marker, specifier)),
        'C' => {
            date().or_else(|_| time().map(|_| (0, 0, 0)))?;
            named(0, if manner.iso { "ISO" } else { "AD" }, &marker, picture, specifier)
        }
        _ => {
            let (year, _, _) = date()?;
            named(0, if year > 0 { "AD" } else { "BC" }, &marker, picture, specifier)
        }
    }
}

/// A number under a picture of digits, letters or words, padded to the minimal width.
fn number(value: i64, marker: &Marker<'_>, picture: &str) -> Result<String, PictureError> {
    digits(&value.unsigned_abs().to_string(), marker, picture)
}

fn digits(text: &str, marker: &Marker<'_>, picture: &str) -> Result<String, PictureError> {
    let presentation = match marker.presentation {
        "N" | "n" | "Nn" => "1",
        other => other,
    };
    let parsed = Picture::of_component(presentation, marker.ordinal).map_err(|reason| error(picture, &reason))?;
    let mut digits = text.to_owned();
    if let (Some(width), Some(_)) = (marker.width_min, parsed.digits_min()) {
        digits = format!("{digits:0>width$}");
    }
    Ok(parsed.format(false, &digits))
}

fn year(year: i64, marker: &Marker<'_>, picture: &str) -> Result<String, PictureError> {
    let text = year.unsigned_abs().to_string();
    let shown = marker.presentation.chars().filter(|c| *c == '#' || zero_of(*c).is_some()).count();
    // A picture such as 01 keeps two digits, as does a maximal width (§9.8.4.4).
    let keep = match marker.width_max {
        Some(max) if !marker.presentation.starts_with(['I', 'i', 'W', 'w']) => max,
        None if shown > 1 && marker.width_min.is_none() => shown,
        _ => text.len(),
    };
    digits(&text[text.len().saturating_sub(keep)..], marker, picture)
}

fn named(value: i64, name: &str, marker: &Marker<'_>, picture: &str, specifier: char) -> Result<String, PictureError> {
    let mut text = match marker.presentation {
        "N" => name.to_uppercase(),
        "n" => name.to_lowercase(),
        "Nn" if name.len() > 2 || specifier == 'P' => {
            let mut chars = name.chars();
            chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
        }
        "Nn" => name.to_owned(),
        _ if "PCE".contains(specifier) => name.to_owned(),
        _ => return number(value, marker, picture),
    };
    if let Some(max) = marker.width_max
        && text.chars().count() > max
    {
        // Names of months and days are commonly shortened to three letters.
        let keep = match specifier {
            'F' => 3,
            'M' => max.max(3),
            _ => max,
        };
        text = text.chars().take(keep).collect();
    }
    if let Some(min) = marker.width_min {
        text = format!("{text:<min$}");
    }
    Ok(text)
}

/// Fractional seconds: as many digits as the picture or the width asks for.
fn fraction(digits: &str, marker: &Marker<'_>, picture: &str) -> Result<String, PictureError> {
    let presentation = marker.presentation;
    let zero = presentation.chars().find_map(zero_of);
    let Some(zero) = zero else { return number(digits.parse().unwrap_or(0), marker, picture) };
    if presentation.starts_with('#') && !presentation.trim_start_matches('#').is_empty() {
        return Err(error(picture, "# stands before a digit of a fraction"));
    }
    let mandatory = presentation.chars().filter(|c| zero_of(*c).is_some()).count();
    let places = presentation.chars().filter(|c| *c == '#' || zero_of(*c).is_some()).count();
    let (min, max) = match (marker.width_min, marker.width_max, places) {
        (None, None, 1) => (1, usize::MAX),
        (None, None, places) => (mandatory, places),
        (min, max, 1) => (min.unwrap_or(1), max.unwrap_or(if min.is_some() { usize::MAX } else { 1 })),
        (Some(min), Some(max), places) => (min.max(mandatory), max.max(places)),
        (min, max, places) => (min.unwrap_or(mandatory).max(1), max.unwrap_or(places).max(1)),
    };
    let mut kept: String = digits.chars().take(max).collect();
    while kept.len() > min && kept.ends_with('0') {
        kept.pop();
    }
    while kept.len() < min {
        kept.push('0');
    }
    let separators: Vec<(usize, char)> = {
        let mut seen = 0;
        let mut found = Vec::new();
        for c in presentation.chars() {
            if c == '#' || zero_of(c).is_some() { seen += 1 } else { found.push((seen, c)) }
        }
        found
    };
    let mut text = String::new();
    for (i, c) in kept.chars().enumerate() {
        text.extend(separators.iter().filter(|(at, _)| *at == i && i > 0).map(|(_, sign)| *sign));
        text.push(c);
    }
    Ok(in_family(&text, zero))
}

/// §9.8.4.6.
fn zone(of: &Components, marker: &Marker<'_>, specifier: char) -> String {
    let presentation = marker.presentation;
    let Some(offset) = of.timezone else {
        return if presentation == "Z" { "J".to_owned() } else { String::new() };
    };
    let (sign, hours, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60);
    if presentation == "Z" {
        if minutes == 0 && hours <= 12 {
            return military(offset / 60).to_string();
        }
    } else if presentation == "N"
        && let Some(name) = &of.zone_name
    {
        return name.clone();
    }
    let zero = presentation.chars().find_map(zero_of).unwrap_or('0');
    let places = presentation.chars().filter(|c| zero_of(*c).is_some()).count();
    let separator: String = presentation.chars().filter(|c| zero_of(*c).is_none()).collect();
    let mut text = match (places, separator.as_str()) {
        (0, _) => format!("{sign}{hours:02}:{minutes:02}"),
        (1 | 2, "") => {
            let width = if places == 1 && marker.width_min.is_none_or(|min| min < 2) { 1 } else { 2 };
            let hours = format!("{sign}{hours:0>width$}");
            if minutes == 0 { hours } else { format!("{hours}:{minutes:02}") }
        }
        (3, "") => format!("{sign}{hours}{minutes:02}"),
        (_, "") => format!("{sign}{hours:02}{minutes:02}"),
        (_, separator) => {
            let leading = presentation.chars().take_while(|c| zero_of(*c).is_some()).count();
            format!("{sign}{hours:0>leading$}{separator}{minutes:02}")
        }
    };
    if marker.traditional && offset == 0 {
        return "Z".to_owned();
    }
    if specifier == 'z' {
        text.insert_str(0, "GMT");
    }
    in_family(&text, zero)
}

/// The military letter of whole hours: Z, A to M without J eastwards, N to Y westwards.
fn military(hours: i32) -> char {
    const EAST: [char; 13] = ['Z', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'K', 'L', 'M'];
    const WEST: [char; 13] = ['Z', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y'];
    let at = hours.unsigned_abs() as usize;
    if hours < 0 { WEST[at] } else { EAST[at] }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_before(year: i64, month: u32) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    BEFORE[month as usize - 1] + i64::from(month > 2 && is_leap(year))
}

/// 0 is Monday.
fn weekday(year: i64, month: u32, day: u32) -> i64 {
    let y = year - 1;
    let before = y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    (before + days_before(year, month) + i64::from(day) - 1).rem_euclid(7)
}

fn iso_week(year: i64, day_of_year: i64) -> i64 {
    let january_first = weekday(year, 1, 1);
    let week = (day_of_year - 1 + january_first) / 7 + i64::from(january_first <= 3);
    let days = 365 + i64::from(is_leap(year));
    if week == 0 {
        return iso_week(year - 1, 365 + i64::from(is_leap(year - 1)));
    }
    let next = weekday(year + 1, 1, 1);
    if week == 53 && next <= 3 && day_of_year > days - next { 1 } else { week }
}

/// Weeks of a month by the rule of ISO weeks: the first is the one with its first Thursday.
fn week_of_month(year: i64, month: u32, day: u32) -> i64 {
    let first = weekday(year, month, 1);
    let week = (i64::from(day) - 1 + first) / 7 + i64::from(first <= 3);
    if week > 0 {
        return week;
    }
    let (year, month) = if month == 1 { (year - 1, 12) } else { (year, month - 1) };
    let days = if month == 12 { 31 } else { days_before(year, month + 1) - days_before(year, month) };
    week_of_month(year, month, u32::try_from(days).unwrap_or(31))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(picture: &str, expected: &str) {
        let components = Components {
            date: Some((2002, 12, 31)),
            time: Some((15, 58, 45, "762".to_owned())),
            timezone: Some(120),
            zone_name: None,
        };
        assert_eq!(format(&components, picture, Manner::default()).unwrap(), expected, "{picture}");
    }

    #[test]
    fn pictures_of_the_specification() {
        check("[Y]-[M]-[D]", "2002-12-31");
        check("[D01] [MN,*-3] [Y0001]", "31 DEC 2002");
        check("[D1o] [MNn], [Y]", "31st December, 2002");
        check("[h]:[m01] [PN]", "3:58 PM");
        check("[H01]:[m01]:[s01].[f001]", "15:58:45.762");
        check("[FNn], [W], [d]", "Tuesday, 1, 365");
        check("[H01]:[m01] [z]", "15:58 GMT+02:00");
        check("[H01]:[m01] [Z0000]", "15:58 +0200");
        check("[[[Y01]]]", "[02]");
        check("[Dwo]", "thirty-first");
        check("[YI]", "MMII");
    }
}
