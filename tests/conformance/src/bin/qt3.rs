//! Runs a QT3 suite: `qt3 [options] FOLDER`.
//!
//! ```text
//!  qt3 ─┬─ worker process ◄─ "set case" ─► "pass" or "fail reason"     an abort or a hang costs one case
//!       └─ worker process
//! ```
//!
//! Options: `--set PREFIX` and `--case NAME` select; `--workers N`; `--seconds N` per case; `--list FILE` runs the cases
//! named in a file (`set: case case …`); `--passes FILE` writes the cases that pass as such a file; `--failures FILE` the others
//! with their reasons; `--quiet` leaves out the totals of each set.

#![allow(clippy::print_stdout, reason = "a command line program")]

use phoenixmldb_conformance::applicability;
use phoenixmldb_conformance::catalog::{Catalog, EnvironmentRef, TestSet};
use phoenixmldb_conformance::lists::{self, Cases};
use phoenixmldb_conformance::run::run_case;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Stack of the thread that runs cases, in bytes: queries of the suite recurse deeply.
const STACK_BYTES: usize = 512 << 20;

#[derive(Default)]
struct Arguments {
    folder: PathBuf,
    set: Option<String>,
    case: Option<String>,
    workers: usize,
    seconds: u64,
    list: Option<PathBuf>,
    passes: Option<PathBuf>,
    failures: Option<PathBuf>,
    quiet: bool,
    is_worker: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut found = Arguments { workers: 2, seconds: 10, ..Arguments::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--set" => found.set = Some(value()?),
            "--case" => found.case = Some(value()?),
            "--workers" => found.workers = value()?.parse().map_err(|_| "--workers needs a number".to_owned())?,
            "--seconds" => found.seconds = value()?.parse().map_err(|_| "--seconds needs a number".to_owned())?,
            "--list" => found.list = Some(value()?.into()),
            "--passes" => found.passes = Some(value()?.into()),
            "--failures" => found.failures = Some(value()?.into()),
            "--quiet" => found.quiet = true,
            "--worker" => found.is_worker = true,
            folder => found.folder = folder.into(),
        }
    }
    Ok(found)
}

fn main() -> std::process::ExitCode {
    let done =
        arguments().and_then(|arguments| if arguments.is_worker { work(&arguments) } else { conduct(&arguments) });
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(reason) => {
            println!("qt3: {reason}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// A worker: reads `set<tab>case`, answers `pass` or `fail<tab>reason`.
fn work(arguments: &Arguments) -> Result<(), String> {
    let folder = arguments.folder.clone();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || answer(&folder));
    let thread = thread.map_err(|error| error.to_string())?;
    thread.join().map_err(|_| "the worker panicked".to_owned())?
}

fn answer(folder: &Path) -> Result<(), String> {
    let catalog = Catalog::read(folder)?;
    let mut last: Option<TestSet> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let (set, name) = line.split_once('\t').ok_or("a request has a tab")?;
        if last.as_ref().is_none_or(|known| known.name != set) {
            let file = catalog.sets.iter().find(|(known, _)| known == set).ok_or("unknown set")?;
            last = Some(TestSet { name: set.to_owned(), ..TestSet::read(&file.1)? });
        }
        let set = last.as_ref().ok_or("unknown set")?;
        let case = set.cases.iter().find(|case| case.name == name).ok_or("unknown case")?;
        match run_case(&catalog, set, case) {
            Ok(()) => println!("pass"),
            Err(reason) => println!("fail\t{}", reason.replace(['\n', '\r'], " ")),
        }
    }
    Ok(())
}

/// A worker process and its answers.
struct Worker {
    child: Child,
    answers: Receiver<String>,
}

impl Worker {
    fn start(folder: &Path) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("--worker").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let output = child.stdout.take().ok_or("the worker has no output")?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, answers })
    }

    /// The answer to one request; `Err` when the worker ended or took too long.
    fn ask(&mut self, request: &str, limit: Duration) -> Result<String, String> {
        let input = self.child.stdin.as_mut().ok_or("the worker has no input")?;
        writeln!(input, "{request}").map_err(|error| error.to_string())?;
        self.answers.recv_timeout(limit).map_err(|error| match error {
            std::sync::mpsc::RecvTimeoutError::Timeout => "took too long".to_owned(),
            std::sync::mpsc::RecvTimeoutError::Disconnected => "the worker aborted".to_owned(),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Results = Arc<Mutex<BTreeMap<(usize, usize), Result<(), String>>>>;

fn conduct(arguments: &Arguments) -> Result<(), String> {
    let catalog = Catalog::read(&arguments.folder)?;
    let list = match &arguments.list {
        None => None,
        Some(path) => Some(lists::read(&std::fs::read_to_string(path).map_err(|error| error.to_string())?)),
    };
    let mut names = Vec::new();
    let mut requests = Vec::new();
    for (at, (name, file)) in catalog.sets.iter().enumerate() {
        if arguments.set.as_ref().is_some_and(|prefix| !name.starts_with(prefix.as_str())) {
            continue;
        }
        let set = TestSet::read(file)?;
        for (number, case) in set.cases.iter().enumerate() {
            let applies = match &list {
                Some(list) => lists::contains(list, name, &case.name),
                None => {
                    let environment = match &case.environment {
                        EnvironmentRef::None => None,
                        EnvironmentRef::Inline(environment) => Some(&**environment),
                        EnvironmentRef::Named(name) => {
                            set.environments.get(name).or_else(|| catalog.environments.get(name))
                        }
                    };
                    let needs_schema = environment.is_some_and(|e| e.has_schema) && !name.contains("json");
                    let unmet = applicability::unmet(set.dependencies.iter().chain(&case.dependencies));
                    unmet.is_none() && !needs_schema
                }
            };
            if applies && arguments.case.as_ref().is_none_or(|wanted| *wanted == case.name) {
                names.push(((at, number), name.clone(), case.name.clone()));
                requests.push((at, number, format!("{name}\t{}", case.name)));
            }
        }
    }
    let results = run_all(arguments, requests)?;
    report(arguments, &names, &results)
}

fn run_all(arguments: &Arguments, requests: Vec<(usize, usize, String)>) -> Result<Results, String> {
    let results = Results::default();
    let queue = Arc::new(Mutex::new(requests.into_iter()));
    let limit = Duration::from_secs(arguments.seconds);
    let mut threads = Vec::new();
    for _ in 0..arguments.workers.max(1) {
        let (queue, results, folder) = (queue.clone(), results.clone(), arguments.folder.clone());
        threads.push(std::thread::spawn(move || -> Result<(), String> {
            let mut worker = Worker::start(&folder)?;
            loop {
                let next = queue.lock().map_err(|_| "a thread panicked")?.next();
                let Some((set, case, request)) = next else { return Ok(()) };
                let result = match worker.ask(&request, limit) {
                    Ok(answer) if answer == "pass" => Ok(()),
                    Ok(answer) => Err(answer.strip_prefix("fail\t").unwrap_or(&answer).to_owned()),
                    Err(reason) => {
                        worker = Worker::start(&folder)?;
                        Err(reason)
                    }
                };
                results.lock().map_err(|_| "a thread panicked")?.insert((set, case), result);
            }
        }));
    }
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked".to_owned())??;
    }
    Ok(results)
}

fn report(arguments: &Arguments, names: &[((usize, usize), String, String)], results: &Results) -> Result<(), String> {
    let results = results.lock().map_err(|_| "a thread panicked")?;
    let mut sets: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut passes, mut failures) = (Cases::new(), String::new());
    for (key, set, case) in names {
        let (passed, total) = sets.entry(set).or_default();
        *total += 1;
        match results.get(key) {
            Some(Ok(())) => {
                *passed += 1;
                passes.entry(set.clone()).or_default().insert(case.clone());
            }
            Some(Err(reason)) => failures.push_str(&format!("{set} {case}\t{reason}\n")),
            None => failures.push_str(&format!("{set} {case}\tnot run\n")),
        }
    }
    if !arguments.quiet {
        for (set, (passed, total)) in &sets {
            println!("{passed:>6} of {total:>6}  {set}");
        }
    }
    let (passed, total) = sets.values().fold((0, 0), |(p, t), (passed, total)| (p + passed, t + total));
    println!("{passed} of {total} cases pass ({:.2} %)", 100.0 * passed as f64 / total.max(1) as f64);
    for (path, text) in [(&arguments.passes, lists::write(&passes)), (&arguments.failures, failures)] {
        if let Some(path) = path {
            std::fs::write(path, text).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
