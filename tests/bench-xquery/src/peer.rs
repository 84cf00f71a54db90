//! Other engines in a warm JVM: a small driver is compiled with `javac` and answers one line of JSON per query.
//!
//! A query that passes the cap ends its JVM; a new one goes on with the next query.

use crate::Case;
use crate::report::{Engine, Timing};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// An engine on the JVM.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    class: &'static str,
    source: &'static str,
    jar: &'static str,
}

/// The engines to be measured where they are installed.
pub(crate) const PEERS: [Peer; 2] = [
    Peer { name: "saxon", class: "SaxonPeer", source: include_str!("../peers/SaxonPeer.java"), jar: "Saxon-HE.jar" },
    Peer { name: "basex", class: "BasexPeer", source: include_str!("../peers/BasexPeer.java"), jar: "basex.jar" },
];

/// Where things lie.
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) document: &'a Path,
    pub(crate) jars: &'a Path,
}

impl Peer {
    /// Times the queries; `None` when the engine or `javac` is not there.
    pub(crate) fn measure(
        &self,
        place: &Place<'_>,
        cases: &[&Case],
        budget_ms: u64,
        cap_ms: u64,
    ) -> Result<Option<Engine>, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.name);
        let jar = place.jars.join(self.jar);
        if !jar.exists() || Command::new("javac").arg("-version").output().is_err() {
            return Ok(None);
        }
        let home = place.folder.join(self.name);
        std::fs::create_dir(&home).map_err(failed)?;
        let source = home.join(self.class).with_extension("java");
        std::fs::write(&source, self.source).map_err(failed)?;
        for case in cases {
            std::fs::write(home.join(case.name).with_extension("xq"), case.text).map_err(failed)?;
        }
        let compiled = Command::new("javac").arg("-cp").arg(&jar).arg("-d").arg(&home).arg(&source).status();
        if !compiled.map_err(failed)?.success() {
            return Err(format!("{}: the driver does not compile against {}", self.name, jar.display()));
        }
        let mut engine = Engine { name: self.name, ..Engine::default() };
        while engine.timings.len() < cases.len() {
            let before = engine.timings.len();
            self.answers(&home, place, &cases[before..], budget_ms, cap_ms, &mut engine)?;
            if engine.timings.len() == before {
                return Err(format!("{}: no answer for {}", self.name, cases[before].name));
            }
        }
        Ok(Some(engine))
    }

    /// Runs one JVM until it has answered all or given up on one.
    fn answers(
        &self,
        home: &Path,
        place: &Place<'_>,
        cases: &[&Case],
        budget_ms: u64,
        cap_ms: u64,
        engine: &mut Engine,
    ) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.name);
        let classes = format!("{}:{}", home.display(), place.jars.join(self.jar).display());
        let mut jvm = Command::new("java")
            .args(["-Xss64m", &format!("-Dorg.basex.path={}", home.display()), "-cp", &classes, self.class])
            .arg(place.document)
            .args([home, home])
            .args([budget_ms.to_string(), cap_ms.to_string()])
            .args(cases.iter().map(|case| case.name))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let out = jvm.stdout.take().expect("asked for above");
        for line in BufReader::new(out).lines() {
            let line = line.map_err(failed)?;
            let Ok(answer) = serde_json::from_str::<Value>(&line) else { continue };
            let number = |key: &str| answer[key].as_f64();
            match answer["query"].as_str() {
                None => {
                    engine.version = answer["version"].as_str().unwrap_or_default().to_owned();
                    engine.load_cpu_ms = number("load_cpu_ms").unwrap_or_default();
                    engine.load_wall_ms = number("load_wall_ms").unwrap_or_default();
                    engine.memory_bytes = answer["heap_bytes"].as_u64().unwrap_or_default();
                }
                Some(name) => engine.timings.push(Timing {
                    name: name.to_owned(),
                    first_cpu_ms: None,
                    cpu_ms: number("cpu_ms"),
                    wall_ms: number("wall_ms"),
                    runs: answer["runs"].as_u64().and_then(|runs| usize::try_from(runs).ok()).unwrap_or(0),
                    result: std::fs::read(home.join(name).with_extension("xml")).ok(),
                }),
            }
        }
        jvm.wait().map_err(failed)?;
        Ok(())
    }
}
