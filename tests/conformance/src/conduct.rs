//! Many cases in worker processes, and what came of them.
//!
//! ```text
//!  run_all ─┬─ worker process ◄─ "set<tab>case" ─► "pass" or "fail<tab>reason"     an abort or a hang costs one case
//!           └─ worker process
//! ```
//!
//! Everything is counted: a case either runs and passes, fails or cannot be judged, or it is skipped for a reason.

use crate::applicability;
use crate::catalog::{Case, Catalog, EnvironmentRef, TestSet};
use crate::lists::CaseName;
use crate::run::run_case;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Stack of the thread that runs cases, in bytes: queries of the suite recurse deeply.
const STACK_BYTES: usize = 512 << 20;

/// The argument that makes the program a worker.
pub const WORKER: &str = "--worker";

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Pass,
    /// Not as expected, with what was found.
    Fail(String),
    /// No answer: it took too long, the worker ended, or the case cannot be read.
    Error(String),
}

/// Verdicts by case.
pub type Verdicts = BTreeMap<CaseName, Verdict>;

/// Cases to run, and those to leave out with the reason.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of the catalog.
    pub run: Vec<CaseName>,
    /// Cases that the engine does not claim, by reason.
    pub skipped: BTreeMap<String, usize>,
    /// Cases that were asked for and that the suite does not have.
    pub missing: Vec<CaseName>,
}

/// How cases are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program, started with [`WORKER`] and the folder.
    pub program: PathBuf,
    /// Folder of the suite's `catalog.xml`.
    pub suite: PathBuf,
    /// Number of worker processes.
    pub workers: usize,
    /// Time for one case, in seconds.
    pub seconds: u64,
}

/// Why a case does not apply to the engine; `None` when it does.
fn unclaimed(catalog: &Catalog, set: &TestSet, case: &Case) -> Option<String> {
    let environment = match &case.environment {
        EnvironmentRef::None => None,
        EnvironmentRef::Inline(environment) => Some(&**environment),
        EnvironmentRef::Named(name) => set.environments.get(name).or_else(|| catalog.environments.get(name)),
    };
    // Schemas of JSON cases only describe what is checked by other means.
    if environment.is_some_and(|environment| environment.has_schema) && !set.name.contains("json") {
        return Some("its environment has a schema".to_owned());
    }
    let unmet = applicability::unmet(set.dependencies.iter().chain(&case.dependencies))?;
    Some(format!("{} {}{}", unmet.kind, if unmet.satisfied { "" } else { "not " }, unmet.value))
}

impl Plan {
    /// The cases of a selection, or without one those that apply; of sets with a prefix and of one name, where given.
    pub fn new(
        suite: &Path,
        selection: Option<&BTreeSet<CaseName>>,
        prefix: Option<&str>,
        only: Option<&str>,
    ) -> Result<Self, String> {
        let catalog = Catalog::read(suite)?;
        let mut plan = Self::default();
        let mut found = BTreeSet::new();
        for (name, file) in &catalog.sets {
            if prefix.is_some_and(|prefix| !name.starts_with(prefix)) {
                continue;
            }
            let set = TestSet { name: name.clone(), ..TestSet::read(file)? };
            for case in set.cases.iter().filter(|case| only.is_none_or(|only| only == case.name)) {
                let id = (name.clone(), case.name.clone());
                let reason = match selection {
                    Some(selection) if selection.contains(&id) => None,
                    Some(_) => Some("not in the selection".to_owned()),
                    None => unclaimed(&catalog, &set, case),
                };
                match reason {
                    None => {
                        found.insert(id.clone());
                        plan.run.push(id);
                    }
                    Some(reason) => *plan.skipped.entry(reason).or_default() += 1,
                }
            }
        }
        if prefix.is_none() && only.is_none() {
            plan.missing = selection.into_iter().flatten().filter(|id| !found.contains(*id)).cloned().collect();
        }
        Ok(plan)
    }
}

/// The work of a worker: reads `set<tab>case`, answers `pass` or `fail<tab>reason`.
pub fn work(suite: &Path) -> Result<(), String> {
    let suite = suite.to_owned();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || answer(&suite));
    let thread = thread.map_err(|error| error.to_string())?;
    thread.join().map_err(|_| "the worker panicked".to_owned())?
}

fn answer(suite: &Path) -> Result<(), String> {
    let catalog = Catalog::read(suite)?;
    let mut last: Option<TestSet> = None;
    let mut output = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let (set, name) = line.split_once('\t').ok_or("a request has a tab")?;
        if last.as_ref().is_none_or(|known| known.name != set) {
            let file = catalog.sets.iter().find(|(known, _)| known == set).ok_or("unknown set")?;
            last = Some(TestSet { name: set.to_owned(), ..TestSet::read(&file.1)? });
        }
        let set = last.as_ref().ok_or("unknown set")?;
        let case = set.cases.iter().find(|case| case.name == name).ok_or("unknown case")?;
        let answer = match run_case(&catalog, set, case) {
            Ok(()) => "pass".to_owned(),
            Err(reason) => format!("fail\t{}", reason.replace(['\n', '\r'], " ")),
        };
        writeln!(output, "{answer}").and_then(|()| output.flush()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A worker process and its answers.
struct Worker {
    child: Child,
    answers: Receiver<String>,
}

impl Worker {
    fn start(settings: &Settings) -> Result<Self, String> {
        let mut command = Command::new(&settings.program);
        command.arg(WORKER).arg(&settings.suite).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", settings.program.display()))?;
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
    fn ask(&mut self, (set, case): &CaseName, limit: Duration) -> Result<String, String> {
        let input = self.child.stdin.as_mut().ok_or("the worker has no input")?;
        writeln!(input, "{set}\t{case}").map_err(|error| error.to_string())?;
        self.answers.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("took longer than {} s", limit.as_secs()),
            RecvTimeoutError::Disconnected => "the worker aborted".to_owned(),
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

/// Runs cases in worker processes.
pub fn run_all(settings: &Settings, cases: &[CaseName]) -> Result<Verdicts, String> {
    let verdicts: Arc<Mutex<Verdicts>> = Arc::default();
    let queue = Arc::new(Mutex::new(VecDeque::from(cases.to_vec())));
    let mut threads = Vec::new();
    for _ in 0..settings.workers.max(1) {
        let (queue, verdicts, settings) = (queue.clone(), verdicts.clone(), settings.clone());
        threads.push(std::thread::spawn(move || -> Result<(), String> {
            let limit = Duration::from_secs(settings.seconds);
            let mut worker = Worker::start(&settings)?;
            loop {
                let next = queue.lock().map_err(|_| "a thread panicked")?.pop_front();
                let Some(case) = next else { return Ok(()) };
                let verdict = match worker.ask(&case, limit) {
                    Ok(answer) if answer == "pass" => Verdict::Pass,
                    Ok(answer) => Verdict::Fail(answer.strip_prefix("fail\t").unwrap_or(&answer).to_owned()),
                    Err(reason) => {
                        worker = Worker::start(&settings)?;
                        Verdict::Error(reason)
                    }
                };
                verdicts.lock().map_err(|_| "a thread panicked")?.insert(case, verdict);
            }
        }));
    }
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked".to_owned())??;
    }
    let verdicts = std::mem::take(&mut *verdicts.lock().map_err(|_| "a thread panicked")?);
    Ok(verdicts)
}

/// How many cases came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Those that were run or should have been: the sum of the next three.
    pub run: usize,
    /// As expected.
    pub pass: usize,
    /// Not as expected.
    pub fail: usize,
    /// Without an answer, or not in the suite.
    pub error: usize,
    /// Left out, for a stated reason.
    pub skip: usize,
}

impl Totals {
    /// Counts.
    #[must_use]
    pub fn of(plan: &Plan, verdicts: &Verdicts) -> Self {
        let mut totals = Self { skip: plan.skipped.values().sum(), ..Self::default() };
        for verdict in verdicts.values() {
            match verdict {
                Verdict::Pass => totals.pass += 1,
                Verdict::Fail(_) => totals.fail += 1,
                Verdict::Error(_) => totals.error += 1,
            }
        }
        totals.error += plan.missing.len();
        totals.run = totals.pass + totals.fail + totals.error;
        totals
    }

    /// As one line of JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let Self { run, pass, fail, error, skip } = self;
        format!(r#"{{"run":{run},"pass":{pass},"fail":{fail},"error":{error},"skip":{skip}}}"#)
    }
}
