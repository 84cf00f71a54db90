//! Accounts between which money moves: every snapshot of all of them has the same total, and no account is overdrawn.

/// A broken rule, in words; `None` for balances that can have been seen.
#[must_use]
pub fn check(balances: &[i64], total: i64) -> Option<String> {
    let sum: i64 = balances.iter().sum();
    if sum != total {
        return Some(format!("the balances {balances:?} add up to {sum} instead of {total}"));
    }
    let overdrawn = balances.iter().position(|balance| *balance < 0)?;
    Some(format!("account {overdrawn} is overdrawn: {balances:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_that_is_lost_made_or_owed_is_seen() {
        assert_eq!(check(&[5, 0, 15], 20), None);
        assert!(check(&[5, 0, 14], 20).unwrap().contains("19 instead of 20"));
        assert!(check(&[5, 1, 15], 20).is_some());
        assert!(check(&[-1, 6, 15], 20).unwrap().contains("account 0"));
    }
}
