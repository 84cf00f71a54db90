//! How durations, shares and settings are written, and the rules between them.

use super::{ConfigError, wrong};
use phoenixmldb_types::Settings;
use phoenixmldb_types::limits::{REPLICATION_FACTOR_MAX, SHARDS_MAX};

/// A duration: `50ms`, `2s`, or a number of milliseconds.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is not a duration such as 50ms"))?;
    match unit.trim() {
        "" | "ms" => Ok(number),
        "s" => Ok(number.saturating_mul(1000)),
        _ => Err(format!("{text:?} is not a duration such as 50ms or 2s")),
    }
}

/// A range of durations, `150-300ms` or `150ms-300ms`; a single one counts up to its double.
pub fn duration_range_ms(text: &str) -> Result<(u64, u64), String> {
    let Some((low, high)) = text.split_once('-') else {
        let low = duration_ms(text)?;
        return Ok((low, low.saturating_mul(2)));
    };
    let high_ms = duration_ms(high)?;
    let unit: String = high.chars().filter(|c| c.is_ascii_alphabetic()).collect();
    let low_ms = if low.trim().ends_with(|c: char| c.is_ascii_digit()) {
        duration_ms(&format!("{low}{unit}"))?
    } else {
        duration_ms(low)?
    };
    if low_ms >= high_ms {
        return Err(format!("{text:?}: the second value has to be larger than the first"));
    }
    Ok((low_ms, high_ms))
}

/// A share: `10%` or `0.1`, above 0 and at most 1.
pub fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let value =
        number.trim().parse::<f64>().map_err(|_| format!("{text:?} is not a share such as 10% or 0.1"))? / scale;
    if value > 0.0 && value <= 1.0 { Ok(value) } else { Err(format!("{text:?} is not above 0% and at most 100%")) }
}

/// Checks the rules between settings.
pub fn check_settings(settings: &Settings) -> Result<(), ConfigError> {
    if settings.heartbeat_ms == 0 {
        return Err(wrong("raft.heartbeatInterval", "it has to be longer than 0"));
    }
    if settings.election_timeout_min_ms < 2 * settings.heartbeat_ms {
        let rule = format!(
            "{} ms is less than twice the heartbeat interval of {} ms",
            settings.election_timeout_min_ms, settings.heartbeat_ms
        );
        return Err(wrong("raft.electionTimeout", rule));
    }
    if settings.snapshot_threshold == 0 {
        return Err(wrong("raft.snapshotThreshold", "it has to be at least 1"));
    }
    if settings.max_log_entries < settings.snapshot_threshold {
        let rule =
            format!("{} is less than snapshotThreshold, {}", settings.max_log_entries, settings.snapshot_threshold);
        return Err(wrong("raft.maxLogEntries", rule));
    }
    if settings.shard_count == 0 || settings.shard_count > SHARDS_MAX {
        return Err(wrong("sharding.shardCount", format!("{} is not from 1 to {SHARDS_MAX}", settings.shard_count)));
    }
    if settings.replication_factor == 0 || settings.replication_factor > REPLICATION_FACTOR_MAX {
        let rule = format!("{} is not from 1 to {REPLICATION_FACTOR_MAX}", settings.replication_factor);
        return Err(wrong("sharding.replicationFactor", rule));
    }
    Ok(())
}

/// The settings of a file and how each is written there.
#[must_use]
pub fn shown(settings: &Settings) -> [(&'static str, String); 7] {
    let share = settings.rebalance_threshold * 100.0;
    [
        (
            "raft.electionTimeout",
            format!("{}-{}ms", settings.election_timeout_min_ms, settings.election_timeout_max_ms),
        ),
        ("raft.heartbeatInterval", format!("{}ms", settings.heartbeat_ms)),
        ("raft.snapshotThreshold", settings.snapshot_threshold.to_string()),
        ("raft.maxLogEntries", settings.max_log_entries.to_string()),
        ("sharding.shardCount", settings.shard_count.to_string()),
        ("sharding.replicationFactor", settings.replication_factor.to_string()),
        // Ten digits: what is lost between a share and its percentage never shows.
        ("sharding.rebalanceThreshold", format!("{}%", (share * 1e8).round() / 1e8)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_shares_take_the_documented_forms() {
        assert_eq!(duration_range_ms("150-300ms"), Ok((150, 300)));
        assert_eq!(duration_range_ms("150ms-300ms"), Ok((150, 300)));
        assert_eq!(duration_range_ms("1-2s"), Ok((1000, 2000)));
        assert_eq!(duration_range_ms("150ms"), Ok((150, 300)));
        assert_eq!(share("10%"), Ok(0.1));
        assert_eq!(share("0.1"), Ok(0.1));
        assert!(duration_ms("fast").is_err());
    }

    #[test]
    fn settings_are_shown_as_they_are_written() {
        let text: Vec<String> = shown(&Settings::default()).into_iter().map(|(_, value)| value).collect();
        assert_eq!(text, ["150-300ms", "50ms", "10000", "100000", "16", "3", "10%"]);
    }
}
