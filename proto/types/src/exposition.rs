//! Prometheus' text format 0.0.4: metric families as values, and their text. Pure.
//!
//! Every figure that a process or the cluster exports goes through here, so that one place knows the format. Client
//! libraries were no fit: the official one writes OpenMetrics, and ours are plain numbers that are read, not registered.

use std::fmt::{Display, Write};

/// What a family's values mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of values up to each bound.
    Histogram,
}

/// One metric with all its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    lines: String,
}

/// Labels of a value; names are fixed, values are escaped here.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// A histogram as it was read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Buckets<'a> {
    /// Upper bounds, ascending.
    pub bounds: &'a [f64],
    /// Values per bucket, not cumulative; one more than bounds, for those beyond the last.
    pub counts: &'a [u64],
    /// Sum of all values.
    pub sum: f64,
}

impl Family {
    /// A counter; its name ends in `_total`.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, help, lines: String::new() }
    }

    /// A gauge.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, help, lines: String::new() }
    }

    /// A histogram.
    #[must_use]
    pub fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Histogram, help, lines: String::new() }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Adds a value.
    pub fn add(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// With one more value.
    #[must_use]
    pub fn with(mut self, labels: Labels<'_>, value: impl Display) -> Self {
        self.add(labels, value);
        self
    }

    /// Adds the values of a histogram.
    pub fn add_buckets(&mut self, labels: Labels<'_>, buckets: Buckets<'_>) {
        let mut below = 0;
        for (bound, count) in buckets.bounds.iter().zip(buckets.counts) {
            below += count;
            self.line("_bucket", labels, Some(&bound.to_string()), below);
        }
        let all: u64 = buckets.counts.iter().sum();
        self.line("_bucket", labels, Some("+Inf"), all);
        self.line("_sum", labels, None, buckets.sum);
        self.line("_count", labels, None, all);
    }

    /// With the values of one histogram more.
    #[must_use]
    pub fn with_buckets(mut self, labels: Labels<'_>, buckets: Buckets<'_>) -> Self {
        self.add_buckets(labels, buckets);
        self
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&str>, value: impl Display) {
        let out = &mut self.lines;
        let all = labels.iter().copied().chain(le.map(|bound| ("le", bound)));
        let mut open = '{';
        out.push_str(self.name);
        out.push_str(suffix);
        for (name, value) in all {
            write!(out, "{open}{name}=\"{}\"", escape(value)).expect("a string takes everything");
            open = ',';
        }
        if open == ',' {
            out.push('}');
        }
        writeln!(out, " {value}").expect("a string takes everything");
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The text of all families, in order.
#[must_use]
pub fn text(families: &[Family]) -> String {
    let mut out = String::new();
    for Family { name, kind, help, lines } in families {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}").expect("a string takes everything");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_labels_and_buckets_are_written_as_the_format_demands() {
        let plain = Family::gauge("up", "Whether.").with(&[], 1);
        let labelled = Family::counter("seen_total", "How many.").with(&[("node", "a\"b\\c\nd"), ("x", "")], 2.5);
        let buckets = Buckets { bounds: &[0.0005, 1.0], counts: &[1, 2, 3], sum: 7.25 };
        let histogram = Family::histogram("took_seconds", "How long.").with_buckets(&[("kind", "k")], buckets);
        assert_eq!(
            text(&[plain, labelled, histogram]),
            "# HELP up Whether.\n# TYPE up gauge\nup 1\n\
             # HELP seen_total How many.\n# TYPE seen_total counter\nseen_total{node=\"a\\\"b\\\\c\\nd\",x=\"\"} 2.5\n\
             # HELP took_seconds How long.\n# TYPE took_seconds histogram\n\
             took_seconds_bucket{kind=\"k\",le=\"0.0005\"} 1\n\
             took_seconds_bucket{kind=\"k\",le=\"1\"} 3\n\
             took_seconds_bucket{kind=\"k\",le=\"+Inf\"} 6\n\
             took_seconds_sum{kind=\"k\"} 7.25\ntook_seconds_count{kind=\"k\"} 6\n"
        );
    }
}
