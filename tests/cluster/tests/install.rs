//! The install line of the README puts every program where it says, each with its version.
//!
//! What it installs is what the tests were built with: its call of cargo is written down instead of made, for it takes
//! minutes when the whole workspace has other features than the tests. `PHOENIXMLDB_LONG=1` makes the call.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A program that stands for another one: the `PATH` on which it is found first, and where it may write its calls.
fn instead_of(folder: &Path, program: &str, script: &str) -> (String, PathBuf) {
    let folder = folder.join(format!("instead-of-{program}"));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join(program);
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()), folder.join(format!("{program}.calls")))
}

#[test]
fn the_install_line_installs_every_program() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("\n./deploy/build/install.sh\n"), "the README shows the install line");
    let prefix = tempfile::tempdir().unwrap();
    let target = phoenixmldb_cli::demo::local::sibling("phoenixmldb-server").unwrap();
    let mut install = Command::new(root().join("deploy/build/install.sh"));
    install
        .args(["--prefix", prefix.path().to_str().unwrap()])
        // The profile that the tests are built with: what is installed is there already.
        .env("PHOENIXMLDB_PROFILE", "dev")
        .env("CARGO_TARGET_DIR", target.parent().unwrap().parent().unwrap());
    let long = std::env::var_os("PHOENIXMLDB_LONG").is_some_and(|value| value == "1");
    let (written, calls) = instead_of(prefix.path(), "cargo", "echo \"$@\" >> \"$0.calls\"");
    if !long {
        install.env("PATH", written);
    }
    let output = install.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if !long {
        assert_eq!(std::fs::read_to_string(calls).unwrap(), "build --profile dev --workspace --bins\n");
    }
    for program in ["phoenixmldb-server", "phoenixmldb-controller", "phoenixmldb-cluster"] {
        let output = Command::new(prefix.path().join("bin").join(program)).arg("--version").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.starts_with(&format!("{program} 0.")), "{text}");
    }
    let cluster = Command::new(prefix.path().join("bin/phoenixmldb-cluster")).arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&cluster.stdout).into_owned();
    assert!(text.contains("(commit ") && text.contains("protocol 1)"), "{text}");
    // Another machine, as far as the script can see.
    let (path, _) = instead_of(prefix.path(), "uname", "echo Plan9");
    let other = Command::new(root().join("deploy/build/install.sh")).env("PATH", path).output().unwrap();
    let text = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && text.contains("cannot install on Plan9 Plan9"), "{text}");
    let wrong = Command::new(root().join("deploy/build/install.sh")).arg("--wrong").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}
