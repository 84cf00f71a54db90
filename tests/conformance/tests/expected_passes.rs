//! A sample of the cases that are known to pass still passes.
//!
//! The suite is looked for in the folder that `PHOENIXMLDB_QT3` names, and in `../shared/qt3` beside the workspace.
//! `expected-passes.txt` is written by `qt3 --passes`; it may only grow.

use phoenixmldb_conformance::catalog::{Catalog, TestSet};
use phoenixmldb_conformance::lists;
use phoenixmldb_conformance::run::run_case;
use std::path::{Path, PathBuf};

/// Every so many cases of a set are run: enough to touch every set, few enough for every build.
const STRIDE: usize = 25;
/// Stack of the thread that runs them, in bytes.
const STACK_BYTES: usize = 512 << 20;

fn suite() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/qt3");
    let named = std::env::var_os("PHOENIXMLDB_QT3").map(PathBuf::from);
    [named, Some(beside)].into_iter().flatten().find(|folder| folder.join("catalog.xml").is_file())
}

#[test]
fn cases_that_passed_still_pass() {
    let Some(folder) = suite() else {
        println!("SKIPPED: there is no QT3 suite; set PHOENIXMLDB_QT3 to the folder of its catalog.xml");
        return;
    };
    let sample = move || {
        let catalog = Catalog::read(&folder).unwrap();
        let expected = lists::read(include_str!("../expected-passes.txt"));
        let mut failed = Vec::new();
        for (name, file) in &catalog.sets {
            let Some(expected) = expected.get(name) else { continue };
            let set = TestSet::read(file).unwrap();
            for case in set.cases.iter().filter(|case| expected.contains(&case.name)).step_by(STRIDE) {
                if let Err(reason) = run_case(&catalog, &set, case) {
                    failed.push(format!("{name} {}: {reason}", case.name));
                }
            }
        }
        assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(sample).unwrap().join().unwrap();
}
