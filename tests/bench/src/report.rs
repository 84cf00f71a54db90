//! Medians of the rounds, ratios between the systems, as a table and as JSON.

use crate::etcd::Etcd;
use crate::load::{Operation, Sample, System};
use crate::machine::Machine;
use crate::ours::Ours;
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write;

/// How a run was made.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Settings {
    /// Processes of each system.
    pub(crate) nodes: usize,
    /// Shards of ours.
    pub(crate) shards: usize,
    /// Mean size of a document.
    pub(crate) document_bytes: usize,
    /// Numbers of clients.
    pub(crate) clients: Vec<usize>,
    /// Length of a measurement.
    pub(crate) seconds: f64,
    /// Measurements of each kind.
    pub(crate) rounds: usize,
    /// Version of etcd, when it was measured.
    pub(crate) etcd: Option<String>,
}

/// One measurement and what it was of.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) system: &'static str,
    pub(crate) operation: Operation,
    pub(crate) clients: usize,
    pub(crate) sample: Sample,
}

/// All measurements of one kind.
#[derive(Clone, Debug, Serialize)]
struct Line {
    operation: Operation,
    clients: usize,
    system: &'static str,
    median: Sample,
    /// Rate over the rate of etcd, medians; on our lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    rounds: Vec<Sample>,
}

/// Everything about one run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    settings: Settings,
    results: Vec<Line>,
}

/// The median of each number by itself.
fn median(samples: &[Sample]) -> Sample {
    let middle = |of: &dyn Fn(&Sample) -> f64| {
        let mut numbers: Vec<f64> = samples.iter().map(of).collect();
        numbers.sort_unstable_by(f64::total_cmp);
        let half = numbers.len() / 2;
        if numbers.len() % 2 == 1 { numbers[half] } else { (numbers[half - 1] + numbers[half]) / 2.0 }
    };
    Sample {
        calls: middle(&|sample| sample.calls as f64) as usize,
        per_second: middle(&|sample| sample.per_second),
        p50_us: middle(&|sample| f64::from(sample.p50_us)) as u32,
        p99_us: middle(&|sample| f64::from(sample.p99_us)) as u32,
        server_cpu_us: middle(&|sample| sample.server_cpu_us),
        client_cpu_us: middle(&|sample| sample.client_cpu_us),
    }
}

impl Report {
    pub(crate) fn new(machine: Machine, settings: Settings, runs: Vec<Run>) -> Self {
        let mut kinds: Vec<(Operation, usize)> = runs.iter().map(|run| (run.operation, run.clients)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut results = Vec::new();
        for (operation, clients) in kinds {
            let rounds = |system: &str| -> Vec<Sample> {
                let of = |run: &&Run| (run.system, run.operation, run.clients) == (system, operation, clients);
                runs.iter().filter(of).map(|run| run.sample.clone()).collect()
            };
            let mut rate_of_etcd = None;
            for system in [Etcd::NAME, Ours::NAME] {
                let rounds = rounds(system);
                if rounds.is_empty() {
                    continue;
                }
                let median = median(&rounds);
                let ratio = rate_of_etcd.map(|rate: f64| median.per_second / rate);
                rate_of_etcd = Some(median.per_second);
                results.push(Line { operation, clients, system, median, ratio, rounds });
            }
        }
        Self { machine, settings, results }
    }

    pub(crate) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(crate) fn table(&self) -> String {
        let (machine, settings) = (&self.machine, &self.settings);
        let mut text = format!(
            "{} cores of {}, Linux {}, fdatasync {} us, load {}, commit {}\n{} nodes, {} shards, documents of {} bytes, medians of {} rounds of {} s{}\n\n",
            machine.cores,
            machine.cpu,
            machine.kernel,
            machine.fdatasync_us,
            machine.load_average,
            machine.commit,
            settings.nodes,
            settings.shards,
            settings.document_bytes,
            settings.rounds,
            settings.seconds,
            settings.etcd.as_ref().map(|version| format!(", etcd {version}")).unwrap_or_default(),
        );
        let mut row = |cells: [&str; 9]| {
            let [operation, clients, system, rate, p50, p99, cpu, client, ratio] = cells;
            writeln!(
                text,
                "{operation:<5}{clients:>8}  {system:<11}{rate:>10}{p50:>10}{p99:>10}{cpu:>12}{client:>12}{ratio:>8}"
            )
            .expect("a string takes everything");
        };
        row(["", "clients", "system", "per s", "p50 ms", "p99 ms", "server us", "client us", "ratio"]);
        for Line { operation, clients, system, median, ratio, .. } in &self.results {
            row([
                &operation.to_string(),
                &clients.to_string(),
                system,
                &format!("{:.0}", median.per_second),
                &format!("{:.2}", f64::from(median.p50_us) / 1e3),
                &format!("{:.2}", f64::from(median.p99_us) / 1e3),
                &format!("{:.0}", median.server_cpu_us),
                &format!("{:.0}", median.client_cpu_us),
                &ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            ]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(system: &'static str, per_second: f64) -> Run {
        let sample = Sample { calls: 1, per_second, ..Sample::default() };
        Run { system, operation: Operation::Put, clients: 16, sample }
    }

    #[test]
    fn the_ratio_is_of_the_medians() {
        let rates = [("etcd", 100.0), ("phoenixmldb", 90.0), ("etcd", 1.0), ("phoenixmldb", 150.0), ("etcd", 110.0)];
        let runs = rates.into_iter().chain([("phoenixmldb", 900.0)]).map(|(system, rate)| run(system, rate)).collect();
        let report = Report::new(Machine::default(), Settings::default(), runs);
        let ratios: Vec<_> = report.results.iter().map(|line| (line.system, line.ratio)).collect();
        assert_eq!(ratios, [("etcd", None), ("phoenixmldb", Some(1.5))]);
        assert!(report.table().contains("put        16  phoenixmldb       150"), "{}", report.table());
    }

    #[test]
    fn alone_there_is_no_ratio() {
        let report = Report::new(Machine::default(), Settings::default(), vec![run("phoenixmldb", 5.0)]);
        assert_eq!(report.results.len(), 1);
        assert_eq!(report.results[0].ratio, None);
    }
}
