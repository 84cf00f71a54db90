//! Build script of the programs: which commit they are made from, for `--version`.
//!
//! `PHOENIXMLDB_COMMIT` wins, for builds from an archive; then git; else `unknown`.

#![allow(clippy::print_stdout)] // how a build script talks to cargo

use std::process::Command;

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
}

fn main() {
    let given = std::env::var("PHOENIXMLDB_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| git(&["rev-parse", "--short=10", "HEAD"])).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=PHOENIXMLDB_COMMIT={commit}");
    println!("cargo::rerun-if-env-changed=PHOENIXMLDB_COMMIT");
    let branch = git(&["symbolic-ref", "HEAD"]);
    for name in std::iter::once("HEAD").chain(branch.as_deref()) {
        // A path that does not exist would run this script at every build.
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| std::path::Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rerun-if-changed=Cargo.toml");
}
