//! All documents of a writer, read at one timestamp: it writes them in turn and waits for each answer, so a timestamp
//! shows a round's earlier documents whenever it shows a later one, and everything acknowledged before it was taken.

/// `values` are the documents in the order they are written, `acknowledged` what was there before the timestamp.
/// Error: the rule that is broken.
pub fn check(acknowledged: &[u64], values: &[u64]) -> Result<(), String> {
    if let Some(at) = values.windows(2).position(|pair| pair[0] < pair[1]) {
        return Err(format!("document {} is a round ahead of the one written before it: {values:?}", at + 1));
    }
    if values.first().zip(values.last()).is_some_and(|(first, last)| first - last > 1) {
        return Err(format!("the first document is rounds ahead of the last: {values:?}"));
    }
    match acknowledged.iter().zip(values).position(|(before, value)| value < before) {
        Some(at) => Err(format!("document {at} misses what was acknowledged before: {acknowledged:?}, {values:?}")),
        None => Ok(()),
    }
}

/// The same documents at the same timestamp, read again later. Error: they differ.
pub fn check_repeated(values: &[u64], again: &[u64]) -> Result<(), String> {
    if values == again { Ok(()) } else { Err(format!("a timestamp showed {values:?}, and later {again:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_and_a_stale_snapshot_are_seen() {
        assert!(check(&[2, 2, 1, 1], &[3, 2, 2, 2]).is_ok());
        assert!(check(&[0, 0, 0, 0], &[2, 2, 3, 2]).is_err(), "a later write without the earlier one");
        assert!(check(&[0, 0, 0, 0], &[4, 4, 4, 2]).is_err(), "the last document lost two rounds");
        assert!(check(&[2, 2, 2, 2], &[2, 2, 2, 1]).is_err(), "an acknowledged write is missing");
        assert!(check_repeated(&[2, 2], &[2, 2]).is_ok());
        assert!(check_repeated(&[2, 1], &[2, 2]).is_err(), "a write appeared below the timestamp");
    }
}
