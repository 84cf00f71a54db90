//! This engine, measured.

use crate::Case;
use crate::report::{Engine, Timing};
use phoenixmldb_xdm::atomic::Moment;
use phoenixmldb_xdm::serialize::Parameters;
use phoenixmldb_xdm::{Item, Node, ParseOptions, parse_xml};
use phoenixmldb_xquery::{DynamicContext, NoResolver, Options, Query};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::sync::Arc;

/// CPU time of this thread and the time of day, in milliseconds.
fn clocks() -> (f64, f64) {
    #[allow(clippy::cast_precision_loss, reason = "52 bits of nanoseconds are weeks")]
    let ms = |id| {
        let time = clock_gettime(id);
        time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
    };
    (ms(ClockId::ThreadCPUTime), ms(ClockId::Monotonic))
}

/// Resident memory of this process, in bytes.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn run(text: &str, context: &DynamicContext) -> Result<String, String> {
    let query = Query::compile(text, &Options::default(), &NoResolver).map_err(|error| error.to_string())?;
    query.serialize(context, &Parameters::default()).map_err(|error| error.to_string())
}

/// The optimised plan of a query.
pub(crate) fn explain(text: &str) -> Result<String, String> {
    let query = Query::compile(text, &Options::default(), &NoResolver).map_err(|error| error.to_string())?;
    Ok(query.explain())
}

/// Loads the document and times the queries.
pub(crate) fn measure(document: &Path, cases: &[&Case], budget_ms: u64) -> Result<Engine, String> {
    let (before, base) = (clocks(), resident_bytes());
    let bytes = std::fs::read(document).map_err(|error| error.to_string())?;
    let tree = parse_xml(&bytes, &ParseOptions::default()).map_err(|error| error.to_string())?;
    drop(bytes);
    let after = clocks();
    let memory_bytes = resident_bytes().saturating_sub(base);
    let now = Moment { year: 2024, month: 2, day: 29, nanos: 0, zone: Some(0) };
    let mut context = DynamicContext::new(now, Arc::new(NoResolver));
    context.context_item = Some(Item::Node(Node::root_of(&tree)));
    let mut timings = Vec::new();
    for case in cases {
        timings.push(time(case, &context, budget_ms)?);
    }
    Ok(Engine {
        name: "phoenixmldb",
        version: env!("CARGO_PKG_VERSION").to_owned(),
        load_cpu_ms: after.0 - before.0,
        load_wall_ms: after.1 - before.1,
        memory_bytes,
        timings,
    })
}

fn time(case: &Case, context: &DynamicContext, budget_ms: u64) -> Result<Timing, String> {
    #[allow(clippy::cast_precision_loss, reason = "a few seconds")]
    let budget = budget_ms as f64;
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    let begun = clocks().1;
    let mut warm = 0;
    let mut first_cpu_ms = None;
    let result = loop {
        let before = clocks();
        let result = run(case.text, context).map_err(|error| format!("{}: {error}", case.name))?;
        let after = clocks();
        first_cpu_ms.get_or_insert(after.0 - before.0);
        cpu.push(after.0 - before.0);
        wall.push(after.1 - before.1);
        let spent = after.1 - begun;
        if warm == 0 && spent > budget / 2.0 {
            warm = cpu.len();
        }
        if spent > budget && (cpu.len() > warm || cpu.len() == 1) {
            break result;
        }
    };
    let from = warm.min(cpu.len() - 1);
    Ok(Timing {
        name: case.name.to_owned(),
        first_cpu_ms,
        cpu_ms: Some(median(&mut cpu[from..])),
        wall_ms: Some(median(&mut wall[from..])),
        runs: cpu.len() - from,
        result: Some(result.into_bytes()),
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
