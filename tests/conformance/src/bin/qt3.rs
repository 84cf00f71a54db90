//! Runs a QT3 suite: `qt3 --suite FOLDER [--cases FILE] [--json]`.
//!
//! Without `--cases`, all cases that the engine claims are run; with it, those that the file lists
//! (`[{"set": …, "case": …}, …]`), whatever they depend on. Prints the totals of each set and why cases were skipped
//! (not with `--json`), and as the last line
//!
//! ```text
//!  {"run":20995,"pass":20990,"fail":5,"error":0,"skip":0}
//! ```
//!
//! where `run` = `pass` + `fail` + `error`. Cases that do not pass are written with their reasons to `--failures FILE`,
//! by default `qt3-failures.txt` in the target folder. Further options: `--set PREFIX` and `--case NAME` select;
//! `--workers N` processes (2); `--seconds N` per case (10).

#![allow(clippy::print_stdout, reason = "a command line program")]

use phoenixmldb_conformance::conduct::{self, Plan, Settings, Totals, Verdict, Verdicts, WORKER};
use phoenixmldb_conformance::lists;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

struct Arguments {
    settings: Settings,
    cases: Option<PathBuf>,
    set: Option<String>,
    case: Option<String>,
    failures: PathBuf,
    json: bool,
    is_worker: bool,
}

fn arguments() -> Result<Arguments, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = program.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let failures = target.join("qt3-failures.txt");
    let settings = Settings { program, suite: PathBuf::new(), workers: 2, seconds: 10 };
    let mut found = Arguments { settings, cases: None, set: None, case: None, failures, json: false, is_worker: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{word} needs a number, not {text:?}"));
        match word.as_str() {
            "--suite" => found.settings.suite = value()?.into(),
            "--cases" => found.cases = Some(value()?.into()),
            "--set" => found.set = Some(value()?),
            "--case" => found.case = Some(value()?),
            "--workers" => found.settings.workers = value().and_then(number)?,
            "--seconds" => found.settings.seconds = value().and_then(number)? as u64,
            "--failures" => found.failures = value()?.into(),
            "--json" => found.json = true,
            WORKER => {
                found.is_worker = true;
                found.settings.suite = value()?.into();
            }
            other => return Err(format!("there is no option {other}; try --suite FOLDER [--cases FILE] [--json]")),
        }
    }
    if !found.settings.suite.join("catalog.xml").is_file() {
        return Err(format!("--suite names the folder of a catalog.xml; {} has none", found.settings.suite.display()));
    }
    Ok(found)
}

fn main() -> std::process::ExitCode {
    let done = arguments().and_then(|arguments| {
        if arguments.is_worker { conduct::work(&arguments.settings.suite) } else { run(&arguments) }
    });
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(reason) => {
            println!("qt3: {reason}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let selection = match &arguments.cases {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Some(lists::read_selection(&text).map_err(|error| format!("{}: {error}", path.display()))?)
        }
    };
    let (set, case) = (arguments.set.as_deref(), arguments.case.as_deref());
    let plan = Plan::new(&arguments.settings.suite, selection.as_ref(), set, case)?;
    let verdicts = conduct::run_all(&arguments.settings, &plan.run)?;
    write_failures(&arguments.failures, &plan, &verdicts)?;
    let totals = Totals::of(&plan, &verdicts);
    if !arguments.json {
        print_sets(&plan, &verdicts);
        println!("{} of {} cases pass", totals.pass, totals.run);
        println!("those that do not are in {}", arguments.failures.display());
    }
    println!("{}", totals.json());
    Ok(())
}

fn print_sets(plan: &Plan, verdicts: &Verdicts) {
    let mut sets: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for ((set, _), verdict) in verdicts {
        let (passed, total) = sets.entry(set).or_default();
        *total += 1;
        *passed += usize::from(*verdict == Verdict::Pass);
    }
    for (set, (passed, total)) in &sets {
        println!("{passed:>6} of {total:>6}  {set}");
    }
    for (reason, count) in &plan.skipped {
        println!("{count:>6} skipped: {reason}");
    }
}

fn write_failures(path: &Path, plan: &Plan, verdicts: &Verdicts) -> Result<(), String> {
    let mut text = String::new();
    for ((set, case), verdict) in verdicts {
        match verdict {
            Verdict::Pass => {}
            Verdict::Fail(reason) => text.push_str(&format!("{set} {case} fail: {reason}\n")),
            Verdict::Error(reason) => text.push_str(&format!("{set} {case} error: {reason}\n")),
        }
    }
    for (set, case) in &plan.missing {
        text.push_str(&format!("{set} {case} error: the suite has no such case\n"));
    }
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
