//! The install line of the README puts every program where it says, each with its version.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

#[test]
fn the_install_line_installs_every_program() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("\n./deploy/build/install.sh\n"), "the README shows the install line");
    let prefix = tempfile::tempdir().unwrap();
    let target = phoenixmldb_cli::demo::local::sibling("phoenixmldb-server").unwrap();
    let output = Command::new(root().join("deploy/build/install.sh"))
        .args(["--prefix", prefix.path().to_str().unwrap()])
        // The profile that the tests are built with: what is installed is there already.
        .env("PHOENIXMLDB_PROFILE", "dev")
        .env("CARGO_TARGET_DIR", target.parent().unwrap().parent().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for program in ["phoenixmldb-server", "phoenixmldb-controller", "phoenixmldb-cluster"] {
        let output = Command::new(prefix.path().join("bin").join(program)).arg("--version").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.starts_with(&format!("{program} 0.")), "{text}");
    }
    let cluster = Command::new(prefix.path().join("bin/phoenixmldb-cluster")).arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&cluster.stdout).into_owned();
    assert!(text.contains("(commit ") && text.contains("protocol 1)"), "{text}");
    // Another machine, as far as the script can see.
    let uname = prefix.path().join("uname");
    std::fs::write(&uname, "#!/bin/sh\necho Plan9\n").unwrap();
    std::fs::set_permissions(&uname, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", prefix.path().display(), std::env::var("PATH").unwrap());
    let other = Command::new(root().join("deploy/build/install.sh")).env("PATH", path).output().unwrap();
    let text = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && text.contains("cannot install on Plan9 Plan9"), "{text}");
    let wrong = Command::new(root().join("deploy/build/install.sh")).arg("--wrong").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}
