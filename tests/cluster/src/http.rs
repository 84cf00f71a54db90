//! A page over HTTP/1.1, read with nothing but a socket; and Prometheus' text format, read strictly.

use std::collections::{BTreeMap, BTreeSet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answered request.
#[derive(Clone, Debug)]
pub struct Page {
    /// Status.
    pub status: u16,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: String,
}

/// Gets a page.
pub async fn get(address: &str, path: &str) -> Page {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers: BTreeMap<_, _> = lines.map(header).collect();
    assert!(!headers.contains_key("transfer-encoding"), "the body has a length: {headers:?}");
    Page { status, headers, body: body.to_owned() }
}

/// One value: its metric's name with suffix, its labels in order, and the number.
pub type Sample = (String, Vec<(String, String)>, f64);

/// A scrape that keeps every rule of the text format 0.0.4.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    /// Type of each family.
    pub families: BTreeMap<String, String>,
    /// All values.
    pub samples: Vec<Sample>,
}

impl Exposition {
    /// The only value of a metric with these labels among its own.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |own: &[(String, String)]| labels.iter().all(|(k, v)| own.iter().any(|(a, b)| a == k && b == v));
        let mut found = self.samples.iter().filter(|(known, own, _)| known == name && has(own));
        let value = found.next()?.2;
        assert!(found.next().is_none(), "{name} {labels:?} is not one value");
        Some(value)
    }

    /// All values of a metric added up.
    #[must_use]
    pub fn sum(&self, name: &str) -> f64 {
        self.samples.iter().filter(|(known, _, _)| known == name).map(|(_, _, value)| value).sum()
    }
}

fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    text.chars().next().is_some_and(first) && text.chars().all(|c| first(c) || c.is_ascii_digit())
}

/// The labels between the braces, unescaped.
fn labels(mut text: &str) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name) || name.contains(':') || name.starts_with("__") {
            return Err(format!("{name:?} is no label"));
        }
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let end = loop {
            match characters.next().ok_or("a label's value has no end")? {
                (at, '"') => break at,
                (_, '\\') => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                    other => return Err(format!("\\ before {other:?}")),
                },
                (_, other) => value.push(other),
            }
        };
        found.push((name.to_owned(), value));
        text = &rest[end + 1..];
        text = match text.strip_prefix(',') {
            Some(rest) if !rest.is_empty() => rest,
            None if text.is_empty() => text,
            _ => return Err("labels are not separated by one comma".to_owned()),
        };
    }
    let names: BTreeSet<_> = found.iter().map(|(name, _)| name).collect();
    if names.len() == found.len() { Ok(found) } else { Err("a label is there twice".to_owned()) }
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        // Rust reads more than the format allows.
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            text.parse().map_err(|_| format!("{text:?} is no number"))
        }
        _ => Err(format!("{text:?} is no number")),
    }
}

/// Reads a scrape. Error: the first broken rule, with its line.
pub fn exposition(text: &str) -> Result<Exposition, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut read = Exposition::default();
    let mut helped = BTreeSet::new();
    let mut current = String::new();
    let mut series = BTreeSet::new();
    for line in text.lines() {
        let fail = |rule: &str| Err(format!("{rule}: {line:?}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or(format!("help without words: {line:?}"))?;
            if help.trim().is_empty() || !helped.insert(name.to_owned()) {
                return fail("help is empty or there twice");
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(format!("a type without a word: {line:?}"))?;
            if !is_name(name) || !["counter", "gauge", "histogram"].contains(&kind) {
                return fail("no name or no type");
            }
            if !helped.contains(name) || read.families.insert(name.to_owned(), kind.to_owned()).is_some() {
                return fail("a family is there twice or has no help before its type");
            }
            if (kind == "counter") != name.ends_with("_total") {
                return fail("counters and only they end in _total");
            }
            name.clone_into(&mut current);
        } else {
            let (name, rest) = line.split_at(line.find(['{', ' ']).ok_or(format!("no value: {line:?}"))?);
            let (inside, value) = match rest.strip_prefix('{') {
                // A quote before the last brace would be inside a value; ours have none after it.
                Some(rest) => rest.rsplit_once("} ").ok_or(format!("no closing brace: {line:?}"))?,
                None => ("", &rest[1..]),
            };
            let labels = labels(inside).map_err(|rule| format!("{rule}: {line:?}"))?;
            let value = number(value).map_err(|rule| format!("{rule}: {line:?}"))?;
            let kind = read.families.get(&current).map(String::as_str);
            let suffix = name.strip_prefix(current.as_str());
            let belongs = match kind {
                Some("histogram") => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
                Some(_) => suffix == Some(""),
                None => false,
            };
            if !belongs {
                return fail("a value outside its family");
            }
            if kind == Some("counter") && (value.is_nan() || value < 0.0) {
                return fail("a counter is not negative");
            }
            let mut sorted = labels.clone();
            sorted.sort();
            if !series.insert((name.to_owned(), sorted)) {
                return fail("a series is there twice");
            }
            read.samples.push((name.to_owned(), labels, value));
        }
    }
    histograms(&read)?;
    Ok(read)
}

/// Upper bounds and counts of a histogram, by its labels.
type Buckets = BTreeMap<Vec<(String, String)>, Vec<(f64, f64)>>;

/// Buckets grow, end at `+Inf`, and agree with the count; each has a sum.
fn histograms(read: &Exposition) -> Result<(), String> {
    for (family, _) in read.families.iter().filter(|(_, kind)| *kind == "histogram") {
        let mut buckets = Buckets::new();
        let part = |suffix: &str| {
            let name = format!("{family}{suffix}");
            read.samples.iter().filter(move |(known, _, _)| *known == name)
        };
        for (_, labels, value) in part("_bucket") {
            let (bound, rest): (Vec<_>, Vec<_>) = labels.iter().cloned().partition(|(name, _)| name == "le");
            let [(_, bound)] = bound.as_slice() else { return Err(format!("a bucket of {family} has no bound")) };
            buckets.entry(rest).or_default().push((number(bound)?, *value));
        }
        for (labels, buckets) in &buckets {
            let grows = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            let (last, all) = buckets[buckets.len() - 1];
            let of = |suffix| part(suffix).find(|(_, own, _)| own == labels).map(|(_, _, value)| *value);
            if !grows || !last.is_infinite() || of("_count") != Some(all) || of("_sum").is_none() {
                return Err(format!("the buckets of {family} {labels:?} do not add up: {buckets:?}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checker_knows_right_from_wrong() {
        let head = "# HELP a Words.\n# TYPE a gauge\n";
        let read = exposition(&format!("{head}a{{x=\"1\\n\\\"\",y=\"\"}} 2.5\na +Inf\n")).unwrap();
        assert_eq!(read.value("a", &[("x", "1\n\""), ("y", "")]), Some(2.5));
        for (wrong, why) in [
            ("a 1", "the last line has no end"),
            ("a 1\na 2\n", "a series is there twice"),
            ("b 1\n", "a value outside its family"),
            ("a one\n", "is no number"),
            ("a{x=\"1\",} 1\n", "one comma"),
            ("a{x=\"1} 1\n", "no end"),
            ("a{1x=\"\"} 1\n", "is no label"),
            ("a{x=\"\\q\"} 1\n", "before"),
            ("# HELP a Again.\n", "help is empty or there twice"),
            ("# TYPE b gauge\n", "no help before its type"),
            ("# HELP b B.\n# TYPE b counter\n", "end in _total"),
        ] {
            let rule = exposition(&format!("{head}{wrong}")).unwrap_err();
            assert!(rule.contains(why), "{wrong:?}: {rule}");
        }
        let head = "# HELP h H.\n# TYPE h histogram\n";
        let good = "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
        assert!(exposition(&format!("{head}{good}")).is_ok());
        for (part, wrong) in [("\"1\"} 1", "\"1\"} 3"), ("h_count 2", "h_count 1"), ("h_sum 3\n", ""), ("+Inf", "9")] {
            let text = format!("{head}{}", good.replace(part, wrong));
            assert!(exposition(&text).unwrap_err().contains("do not add up"), "{text}");
        }
    }
}
