//! What this process uses of its machine: processor, memory, disk. Linux tells; elsewhere the figures are zero.

use parking_lot::Mutex;
use phoenixmldb_proto::admin::NodeLoad;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// Reads the figures of this process.
pub(crate) struct System {
    folder: PathBuf,
    last: Mutex<Option<(Instant, Duration)>>,
}

/// Fields of `/proc/self/stat` behind the name, from 0: user and system time in ticks.
const STAT_TIMES: [usize; 2] = [11, 12];

/// Time that the process has run on processors, from `/proc/self/stat`. The name in it may hold anything but ends at the
/// last parenthesis.
fn processor_time(stat: &str, ticks_per_s: u64) -> Option<Duration> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = STAT_TIMES.iter().map(|&field| fields.get(field)?.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * 1000 / ticks_per_s.max(1)))
}

/// Resident bytes, from `/proc/self/statm`.
fn resident(statm: &str, page_bytes: u64) -> Option<u64> {
    Some(statm.split_whitespace().nth(1)?.parse::<u64>().ok()? * page_bytes)
}

impl System {
    /// `folder` is on the disk whose fill is told.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), last: Mutex::new(None) }
    }

    /// Fills in what the process uses. Processor time is that since the last call, in percent of one core.
    pub(crate) fn fill(&self, load: &mut NodeLoad) {
        let read = |path: &str| fs_err::read_to_string(path).unwrap_or_default();
        if let Some(used) = processor_time(&read("/proc/self/stat"), rustix::param::clock_ticks_per_second()) {
            let now = Instant::now();
            let before = self.last.lock().replace((now, used));
            if let Some((at, earlier)) = before.filter(|(at, _)| *at < now) {
                load.cpu_percent = used.saturating_sub(earlier).as_secs_f64() / (now - at).as_secs_f64() * 100.0;
            }
        }
        load.memory_bytes = resident(&read("/proc/self/statm"), rustix::param::page_size() as u64).unwrap_or(0);
        if let Ok(disk) = rustix::fs::statvfs(&self.folder) {
            load.disk_total_bytes = disk.f_blocks * disk.f_frsize;
            load.disk_used_bytes = disk.f_blocks.saturating_sub(disk.f_bfree) * disk.f_frsize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let stat = "17 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 30 0 1 2 3";
        assert_eq!(processor_time(stat, 100), Some(Duration::from_secs(3)));
        assert_eq!(processor_time("nonsense", 100), None);
        assert_eq!(resident("9000 1234 5 6 0 7 0", 4096), Some(1234 * 4096));
    }

    #[tokio::test]
    async fn this_process_uses_something() {
        let system = System::new(Path::new("/"));
        let mut load = NodeLoad::default();
        system.fill(&mut load);
        assert_eq!(load.cpu_percent, 0.0, "nothing to compare with yet");
        assert!(load.memory_bytes > 1 << 20, "{load:?}");
        assert!(load.disk_total_bytes >= load.disk_used_bytes && load.disk_used_bytes > 0, "{load:?}");
    }
}
