//! The machine a run took place on, and the CPU time of processes, from `/proc`.

use anyhow::{Context, Result};
use phoenixmldb_types::clock::{Clock, SystemClock};
use serde::Serialize;
use std::fs::{File, read_to_string};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

/// What the figures depend on.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Machine {
    /// Cores this process may use.
    pub(crate) cores: usize,
    /// Model of the CPU.
    pub(crate) cpu: String,
    /// Version of the kernel.
    pub(crate) kernel: String,
    /// Commit of the checkout, with `-dirty` when something is changed; empty outside of one.
    pub(crate) commit: String,
    /// Median time of writing 4 KiB to the folder's disk and `fdatasync`, in microseconds.
    pub(crate) fdatasync_us: u64,
    /// Load average over a minute when the run ended.
    pub(crate) load_average: String,
}

/// Unit of `/proc/PID/stat`, in microseconds: the kernel counts 100 ticks a second for programs on every platform.
const TICK_US: u64 = 10_000;

/// Writes to learn the disk's speed from.
const SYNCS: usize = 101;

/// Describes the machine; `folder` is on the disk that was written to.
pub(crate) fn describe(folder: &Path) -> Result<Machine> {
    let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let commit = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    Ok(Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        cpu: model.unwrap_or_default().trim_matches([' ', '\t', ':']).to_owned(),
        kernel: kernel.trim().to_owned(),
        commit: commit.unwrap_or_default(),
        fdatasync_us: fdatasync_us(folder).context("writing to the disk")?,
        load_average: load.split(' ').next().unwrap_or_default().to_owned(),
    })
}

fn fdatasync_us(folder: &Path) -> std::io::Result<u64> {
    let mut file = File::create(folder.join("fdatasync"))?;
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = SystemClock.monotonic();
        // As a log with recycled files does: the file's size stays.
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(SystemClock.monotonic().saturating_sub(begun).as_micros());
    }
    took.sort_unstable();
    Ok(u64::try_from(took[SYNCS / 2]).unwrap_or(u64::MAX))
}

fn process_cpu_us(pid: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let stat = read_to_string(&path).with_context(|| format!("{path}: the process has ended"))?;
    // Behind the name, which may hold anything: state, nine others, then user and system time.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Ok(ticks.iter().sum::<u64>() * TICK_US)
}

/// CPU time that processes have used, in microseconds. Error: one has ended.
pub(crate) fn cpu_us(pids: &[u32]) -> Result<u64> {
    pids.iter().map(|pid| process_cpu_us(&pid.to_string())).sum()
}

/// CPU time that this process has used, in microseconds.
pub(crate) fn own_cpu_us() -> Result<u64> {
    process_cpu_us("self")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_cpu_time() {
        let before = own_cpu_us().unwrap();
        let mut sum = 0u64;
        while own_cpu_us().unwrap() < before + 2 * TICK_US {
            sum = (0..1_000_000u64).fold(sum, |sum, number| sum.wrapping_mul(31).wrapping_add(number));
        }
        assert_eq!(cpu_us(&[std::process::id()]).unwrap() / TICK_US, own_cpu_us().unwrap() / TICK_US, "{sum}");
    }
}
