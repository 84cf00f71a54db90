//! What was measured, as a table and as JSON, and whether the engines agree.

use phoenixmldb_xdm::serialize::xml::to_xml;
use phoenixmldb_xdm::{Node, ParseOptions, parse_xml};
use serde_json::{Value, json};
use std::fmt::Write;

/// One query on one engine; times are `None` when it was given up.
pub(crate) struct Timing {
    pub(crate) name: String,
    /// The first run, with what it builds for later ones.
    pub(crate) first_cpu_ms: Option<f64>,
    pub(crate) cpu_ms: Option<f64>,
    pub(crate) wall_ms: Option<f64>,
    pub(crate) runs: usize,
    pub(crate) result: Option<Vec<u8>>,
}

/// One engine.
#[derive(Default)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) load_cpu_ms: f64,
    pub(crate) load_wall_ms: f64,
    /// Resident memory of the document for this engine, heap after a collection for a JVM.
    pub(crate) memory_bytes: u64,
    pub(crate) timings: Vec<Timing>,
}

/// All engines, this one first.
pub(crate) struct Report {
    pub(crate) factor: f64,
    pub(crate) bytes: usize,
    pub(crate) engines: Vec<Engine>,
}

/// A result in one spelling: parsed and written again.
fn canonical(result: &[u8]) -> Vec<u8> {
    let document = [b"<result>", result, b"</result>"].concat();
    match parse_xml(&document, &ParseOptions::default()) {
        Ok(tree) => to_xml(&Node::root_of(&tree)).into_bytes(),
        Err(_) => result.to_vec(),
    }
}

impl Report {
    /// Whether the results of a query agree between all engines that gave one.
    fn agrees(&self, query: usize) -> bool {
        let results: Vec<&[u8]> =
            self.engines.iter().filter_map(|engine| engine.timings[query].result.as_deref()).collect();
        results.windows(2).all(|pair| pair[0] == pair[1] || canonical(pair[0]) == canonical(pair[1]))
    }

    /// The best CPU time of the peers.
    fn best_peer_ms(&self, query: usize) -> Option<f64> {
        let times = self.engines[1..].iter().filter_map(|engine| engine.timings[query].cpu_ms);
        times.min_by(f64::total_cmp)
    }

    fn queries(&self) -> std::ops::Range<usize> {
        0..self.engines[0].timings.len()
    }

    /// Says which results differ.
    pub(crate) fn differences(&self) -> Option<String> {
        let differ: Vec<&str> = self
            .queries()
            .filter(|query| !self.agrees(*query))
            .map(|query| self.engines[0].timings[query].name.as_str())
            .collect();
        (!differ.is_empty()).then(|| format!("the engines disagree on {}", differ.join(", ")))
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let engine = |engine: &Engine| {
            let queries: Vec<Value> = engine.timings.iter().map(Timing::json).collect();
            json!({
                "name": engine.name,
                "version": engine.version,
                "load_cpu_ms": engine.load_cpu_ms,
                "load_wall_ms": engine.load_wall_ms,
                "memory_bytes": engine.memory_bytes,
                "queries": queries,
            })
        };
        let compared: Vec<Value> = self
            .queries()
            .map(|query| {
                let own = &self.engines[0].timings[query];
                let ratio = self.best_peer_ms(query).zip(own.cpu_ms).map(|(peer, own)| peer / own);
                json!({ "query": own.name, "best_peer_to_own": ratio, "results_agree": self.agrees(query) })
            })
            .collect();
        let engines: Vec<Value> = self.engines.iter().map(engine).collect();
        let report = json!({
            "factor": self.factor,
            "document_bytes": self.bytes,
            "engines": engines,
            "compared": compared,
        });
        serde_json::to_string_pretty(&report).expect("values without maps of other keys than text")
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| writeln!(out, "{text}").expect("writing to memory does not fail");
        line(format!("factor {}, {} bytes; CPU ms, medians", self.factor, self.bytes));
        let row = |name: &str, cells: Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>14}")).collect();
            format!("{name:<6}{}", cells.concat())
        };
        let each = |cell: &dyn Fn(&Engine) -> String| self.engines.iter().map(cell).collect::<Vec<_>>();
        let mut head = each(&|engine| format!("{} {}", engine.name, engine.version));
        head.extend(["first run".to_owned(), "peer/own".to_owned(), "agree".to_owned()]);
        line(row("", head));
        line(row("load", each(&|engine| format!("{:.1}", engine.load_cpu_ms))));
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        line(row("MB", each(&|engine| format!("{:.1}", engine.memory_bytes as f64 / 1e6))));
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        for query in self.queries() {
            let own = &self.engines[0].timings[query];
            let mut cells = each(&|engine| match engine.timings[query].cpu_ms {
                Some(ms) => format!("{ms:.3}"),
                None => "capped".to_owned(),
            });
            let ratio = self.best_peer_ms(query).zip(own.cpu_ms).map(|(peer, own)| peer / own);
            cells.extend([number(own.first_cpu_ms), number(ratio), self.agrees(query).to_string()]);
            line(row(&own.name, cells));
        }
        out
    }
}

impl Timing {
    fn json(&self) -> Value {
        json!({
            "query": self.name,
            "first_cpu_ms": self.first_cpu_ms,
            "cpu_ms": self.cpu_ms,
            "wall_ms": self.wall_ms,
            "runs": self.runs,
            "result_bytes": self.result.as_ref().map(Vec::len),
        })
    }
}
