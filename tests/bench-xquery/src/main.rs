//! XMark beside Saxon-HE and BaseX: the same document, the same twenty queries, one run.
//!
//! ```text
//!  auction (document) ─► file ─┬─► own (this engine)           ─┐
//!  queries/*.xq ───────────────┼─► peer (JVM, SaxonPeer.java)  ─┼─► report: medians, ratios, results compared
//!                              └─► peer (JVM, BasexPeer.java)  ─┘
//! ```
//!
//! A measurement is compiling, running and serializing to memory; the document stays parsed. CPU time is that of the
//! thread that queries, so a JVM's collector and compiler are not charged. The first half of each query's budget warms
//! up. Figures of different runs do not compare: quote ratios within one.

#![allow(clippy::print_stdout, reason = "a command line program")]

mod auction;
mod own;
mod peer;
mod report;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures the twenty XMark queries.
#[derive(Parser)]
struct Arguments {
    /// Size of the document: 1 is 77.6 MB.
    #[arg(long, default_value_t = 0.1)]
    factor: f64,
    /// Writes JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Only these queries, by number.
    #[arg(long, value_delimiter = ',')]
    queries: Vec<usize>,
    /// Leaves the other engines out.
    #[arg(long)]
    alone: bool,
    /// Time per query and engine, in milliseconds, half of it to warm up.
    #[arg(long, default_value_t = 2000)]
    budget_ms: u64,
    /// Time after which one run of a peer's query is given up, in milliseconds.
    #[arg(long, default_value_t = 40_000)]
    cap_ms: u64,
    /// Writes the document to a file and measures nothing.
    #[arg(long)]
    generate: Option<PathBuf>,
    /// Prints the optimised plan of each query and measures nothing.
    #[arg(long)]
    explain: bool,
    /// Folder of the peers' jars.
    #[arg(long, default_value = "/usr/share/java")]
    jars: PathBuf,
}

/// Name and text of a query.
struct Case {
    name: &'static str,
    text: &'static str,
}

macro_rules! cases {
    ($($name:literal),*) => {
        [$(Case { name: $name, text: include_str!(concat!("../queries/", $name, ".xq")) }),*]
    };
}

/// The twenty queries of Schmidt et al., written anew from their descriptions.
const CASES: [Case; 20] = cases!(
    "q01", "q02", "q03", "q04", "q05", "q06", "q07", "q08", "q09", "q10", "q11", "q12", "q13", "q14", "q15", "q16",
    "q17", "q18", "q19", "q20"
);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Deep recursion is the engine's own business, but a wide stack keeps segments out of the figures.
    let run = std::thread::Builder::new().stack_size(256 << 20).spawn(move || measure(&arguments));
    match run.map_err(|error| error.to_string()).and_then(|thread| thread.join().unwrap_or(Err("panicked".into()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-xquery: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let chosen = |number: usize| arguments.queries.is_empty() || arguments.queries.contains(&number);
    let cases: Vec<&Case> =
        CASES.iter().enumerate().filter(|(index, _)| chosen(index + 1)).map(|(_, case)| case).collect();
    if arguments.explain {
        for case in cases {
            println!("{}\n{}", case.name, own::explain(case.text)?);
        }
        return Ok(());
    }
    let document = auction::generate(arguments.factor);
    if let Some(path) = &arguments.generate {
        return std::fs::write(path, document).map_err(failed);
    }
    let folder = tempfile::tempdir().map_err(failed)?;
    let path = folder.path().join("auction.xml");
    std::fs::write(&path, &document).map_err(failed)?;
    let bytes = document.len();
    drop(document);
    let mut engines = vec![own::measure(&path, &cases, arguments.budget_ms)?];
    if !arguments.alone {
        let place = peer::Place { folder: folder.path(), document: &path, jars: &arguments.jars };
        for engine in peer::PEERS {
            match engine.measure(&place, &cases, arguments.budget_ms, arguments.cap_ms)? {
                Some(found) => engines.push(found),
                None => eprintln!("bench-xquery: {} is not installed", engine.name),
            }
        }
    }
    let report = report::Report { factor: arguments.factor, bytes, engines };
    println!("{}", if arguments.json { report.json() } else { report.table() });
    report.differences().map_or(Ok(()), Err)
}
