//! Rules of the cluster's settings, and what a change of them is in words.

use phoenixmldb_types::Settings;
use phoenixmldb_types::limits::{REPLICATION_FACTOR_MAX, SHARDS_MAX};

/// Checks each setting and the rules between them. Error: the broken rule, with the setting's name and value.
///
/// To be asked before settings are proposed: a number that is none has no form in the log.
pub fn check(settings: &Settings) -> Result<(), String> {
    let Settings {
        shard_count,
        replication_factor,
        rebalance_threshold,
        election_timeout_min_ms,
        election_timeout_max_ms,
        heartbeat_ms,
        snapshot_threshold,
        max_log_entries,
        expect_data_nodes: _,
    } = *settings;
    if shard_count == 0 || shard_count > SHARDS_MAX {
        return Err(format!("shard_count {shard_count} is not from 1 to {SHARDS_MAX}"));
    }
    if replication_factor == 0 || replication_factor > REPLICATION_FACTOR_MAX {
        return Err(format!("replication_factor {replication_factor} is not from 1 to {REPLICATION_FACTOR_MAX}"));
    }
    if !(rebalance_threshold > 0.0 && rebalance_threshold <= 1.0) {
        return Err(format!("rebalance_threshold {rebalance_threshold} is not above 0 and at most 1"));
    }
    if heartbeat_ms == 0 {
        return Err("heartbeat_ms has to be at least 1".to_owned());
    }
    if election_timeout_min_ms < heartbeat_ms.saturating_mul(2) {
        return Err(format!(
            "election_timeout_min_ms {election_timeout_min_ms} is less than twice heartbeat_ms, {heartbeat_ms}"
        ));
    }
    if election_timeout_max_ms <= election_timeout_min_ms {
        return Err(format!(
            "election_timeout_max_ms {election_timeout_max_ms} is not above election_timeout_min_ms, \
             {election_timeout_min_ms}"
        ));
    }
    if snapshot_threshold == 0 {
        return Err("snapshot_threshold has to be at least 1".to_owned());
    }
    if max_log_entries < snapshot_threshold {
        return Err(format!("max_log_entries {max_log_entries} is less than snapshot_threshold, {snapshot_threshold}"));
    }
    Ok(())
}

/// What differs, as `heartbeat_ms 50 -> 100, …`; empty when nothing does.
pub(crate) fn changes(old: &Settings, new: &Settings) -> String {
    macro_rules! list {
        ($($name:ident)*) => {{
            let Settings { $($name: _),* } = old; // so that a new setting has to be listed
            [$((old.$name != new.$name).then(|| format!("{} {} -> {}", stringify!($name), old.$name, new.$name))),*]
        }};
    }
    let all = list!(
        shard_count replication_factor rebalance_threshold election_timeout_min_ms election_timeout_max_ms heartbeat_ms
        snapshot_threshold max_log_entries expect_data_nodes
    );
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_names_the_setting_and_its_value() {
        assert_eq!(check(&Settings::default()), Ok(()));
        let wrong = |change: fn(&mut Settings), rule: &str| {
            let mut settings = Settings::default();
            change(&mut settings);
            assert_eq!(check(&settings).unwrap_err(), rule);
        };
        wrong(|s| s.shard_count = 0, "shard_count 0 is not from 1 to 4096");
        wrong(|s| s.shard_count = 4097, "shard_count 4097 is not from 1 to 4096");
        wrong(|s| s.replication_factor = 8, "replication_factor 8 is not from 1 to 7");
        wrong(|s| s.rebalance_threshold = f64::NAN, "rebalance_threshold NaN is not above 0 and at most 1");
        wrong(|s| s.heartbeat_ms = 0, "heartbeat_ms has to be at least 1");
        wrong(|s| s.heartbeat_ms = 80, "election_timeout_min_ms 150 is less than twice heartbeat_ms, 80");
        wrong(
            |s| s.election_timeout_min_ms = 300,
            "election_timeout_max_ms 300 is not above election_timeout_min_ms, 300",
        );
        wrong(|s| s.snapshot_threshold = 0, "snapshot_threshold has to be at least 1");
        wrong(|s| s.max_log_entries = 9_999, "max_log_entries 9999 is less than snapshot_threshold, 10000");
    }

    #[test]
    fn a_change_is_told_with_both_values() {
        let old = Settings::default();
        let new = Settings { heartbeat_ms: 60, rebalance_threshold: 0.25, ..old.clone() };
        assert_eq!(changes(&old, &old), "");
        assert_eq!(changes(&old, &new), "rebalance_threshold 0.1 -> 0.25, heartbeat_ms 50 -> 60");
    }
}
