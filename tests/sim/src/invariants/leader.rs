//! At most one leader per group and term (Ongaro, "Consensus", 2014, §3.2: election safety).

use std::collections::BTreeMap;

/// Who has led each group in each term so far.
#[derive(Default)]
pub struct Leaders(BTreeMap<(u32, u64), String>);

impl Leaders {
    /// A look at who says that they lead. Error: two have led one term.
    pub fn look(&mut self, now: BTreeMap<(u32, u64), Vec<String>>) -> Result<(), String> {
        for ((group, term), names) in now {
            for name in names {
                let known = self.0.entry((group, term)).or_insert_with(|| name.clone());
                if *known != name {
                    return Err(format!("group {group}, term {term}: both {known} and {name} lead"));
                }
            }
        }
        Ok(())
    }

    /// Leaderships seen.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_leaders_of_a_term_are_seen_also_one_after_the_other() {
        let mut leaders = Leaders::default();
        leaders.look([((16, 2), vec!["a".to_owned()])].into()).unwrap();
        leaders.look([((16, 3), vec!["b".to_owned()])].into()).unwrap();
        assert!(leaders.look([((16, 2), vec!["b".to_owned()])].into()).is_err());
    }
}
