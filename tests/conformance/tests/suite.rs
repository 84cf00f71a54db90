//! All cases that the engine claims pass, except those that `known-failures.txt` lists, which fail.
//!
//! The suite is looked for in the folder that `PHOENIXMLDB_QT3` names, and in `../shared/qt3` beside the workspace. The
//! list may only shrink.

use phoenixmldb_conformance::conduct::{Plan, Settings, Totals, Verdict, run_all};
use phoenixmldb_conformance::lists;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Time for one case, in seconds: no case needs more than a second or two of work, and machines may be busy.
const SECONDS: u64 = 60;
/// Time for a case that is known to fail, in seconds: some of them fail because they take minutes.
const SECONDS_KNOWN: u64 = 5;

fn suite() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/qt3");
    let named = std::env::var_os("PHOENIXMLDB_QT3").map(PathBuf::from);
    [named, Some(beside)].into_iter().flatten().find(|folder| folder.join("catalog.xml").is_file())
}

#[test]
fn cases_pass_unless_they_are_known_to_fail() {
    let Some(suite) = suite() else {
        // Not by a macro, whose text the test harness keeps to itself when a test passes.
        let loud = "\nSKIPPED: there is no QT3 suite, so that the conformance of the engine is NOT tested.\n\
                    SKIPPED: set PHOENIXMLDB_QT3 to the folder of its catalog.xml.\n";
        std::io::stderr().write_all(loud.as_bytes()).unwrap();
        return;
    };
    let known = lists::read_known(include_str!("../known-failures.txt"));
    let plan = Plan::new(&suite, None, None, None).unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_qt3"));
    let (failing, passing): (Vec<_>, Vec<_>) = plan.run.iter().cloned().partition(|case| known.contains_key(case));
    let settings = Settings { program, suite, workers: 2, seconds: SECONDS };
    let mut verdicts = run_all(&settings, &passing).unwrap();
    verdicts.extend(run_all(&Settings { seconds: SECONDS_KNOWN, ..settings }, &failing).unwrap());
    let mut wrong = Vec::new();
    for (case, verdict) in &verdicts {
        let name = format!("{} {}", case.0, case.1);
        match (verdict, known.contains_key(case)) {
            (Verdict::Pass, true) => wrong.push(format!("{name} passes: take it off the list of known failures")),
            (Verdict::Fail(reason) | Verdict::Error(reason), false) => wrong.push(format!("{name}: {reason}")),
            (Verdict::Pass, false) | (Verdict::Fail(_) | Verdict::Error(_), true) => {}
        }
    }
    for (set, case) in known.keys().filter(|case| !verdicts.contains_key(*case)) {
        wrong.push(format!("{set} {case} is a known failure, but was not run"));
    }
    let totals = Totals::of(&plan, &verdicts);
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} cases are not as expected:\n{}",
        totals.json(),
        wrong.len(),
        totals.run,
        wrong.join("\n")
    );
    println!("{}", totals.json());
}
