//! Values of the rows on one path: by string in a hash table of row numbers that keeps no copy of the texts, and as
//! numbers in a list.

use crate::atomic::parse_double;
use crate::tree::Tree;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;

/// No further row has this value.
const END: u32 = u32::MAX;

/// Some rows of one tree by their string value.
#[derive(Debug)]
pub struct ValueMap {
    rows: Arc<[u32]>,
    /// Per value the place in `rows` of the first row that has it.
    heads: HashTable<u32>,
    /// Per place the next one with the same value.
    next: Vec<u32>,
    hasher: DefaultHashBuilder,
}

impl ValueMap {
    pub(crate) fn build(tree: &Tree, rows: &Arc<[u32]>) -> Self {
        let hasher = DefaultHashBuilder::default();
        let mut heads: HashTable<u32> = HashTable::with_capacity(rows.len());
        let mut next = vec![END; rows.len()];
        let value = |place: u32| tree.string_value(rows[place as usize]);
        // Backwards, so that the chains ascend.
        for place in (0..u32::try_from(rows.len()).expect("a tree has fewer than 2^32 rows")).rev() {
            let text = value(place);
            match heads.find_mut(hasher.hash_one(text), |known| value(*known) == text) {
                Some(head) => {
                    next[place as usize] = *head;
                    *head = place;
                }
                None => {
                    heads.insert_unique(hasher.hash_one(text), place, |known| hasher.hash_one(value(*known)));
                }
            }
        }
        Self { rows: rows.clone(), heads, next, hasher }
    }

    /// The rows with this value, ascending. `tree` is the one the map was built of.
    pub fn find<'a>(&'a self, tree: &Tree, text: &str) -> impl Iterator<Item = u32> + 'a {
        let value = |place: u32| tree.string_value(self.rows[place as usize]);
        let first = self.heads.find(self.hasher.hash_one(text), |known| value(*known) == text).copied();
        let after = |place: &u32| Some(self.next[*place as usize]).filter(|next| *next != END);
        std::iter::successors(first, after).map(|place| self.rows[place as usize])
    }
}

/// The string values of some rows as `xs:double`, in the order of the rows.
#[derive(Debug)]
pub struct Numbers(Vec<f64>);

/// Stands for a text that is no double: not the NaN that the text `NaN` gives.
const NO_NUMBER_BITS: u64 = 0x7FF8_0000_0000_0001;

impl Numbers {
    pub(crate) fn read(tree: &Tree, rows: &[u32]) -> Self {
        let number = |row: &u32| parse_double(tree.string_value(*row)).unwrap_or(f64::from_bits(NO_NUMBER_BITS));
        Self(rows.iter().map(number).collect())
    }

    /// The number at a place; `None` where the text is no double.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<f64> {
        self.0.get(place).copied().filter(|number| number.to_bits() != NO_NUMBER_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axes::{Axis, NodeTest, step};
    use crate::parse::{ParseOptions, parse_xml};
    use crate::tree::NodeKind;

    #[test]
    fn texts_that_are_no_numbers_are_told_from_nan() {
        let tree = parse_xml(b"<r><a> 1.5e1 </a><a>NaN</a><a>x</a><a/></r>", &ParseOptions::default()).unwrap();
        let mut rows = Vec::new();
        step(&tree, 1, Axis::Child, NodeTest::Kind(NodeKind::Element), &mut rows);
        let numbers = Numbers::read(&tree, &rows);
        assert_eq!(numbers.get(0), Some(15.0));
        assert!(numbers.get(1).unwrap().is_nan());
        assert_eq!((numbers.get(2), numbers.get(3)), (None, None));
    }

    #[test]
    fn rows_are_found_by_value_in_document_order() {
        let tree = parse_xml(b"<r><a>x</a><a>y</a><b>x</b><a>x</a></r>", &ParseOptions::default()).unwrap();
        let mut rows = Vec::new();
        step(&tree, 0, Axis::Descendant, NodeTest::Kind(NodeKind::Text), &mut rows);
        let map = ValueMap::build(&tree, &Arc::from(rows.clone()));
        assert_eq!(map.find(&tree, "x").collect::<Vec<_>>(), [rows[0], rows[2], rows[3]]);
        assert_eq!(map.find(&tree, "y").collect::<Vec<_>>(), [rows[1]]);
        assert_eq!(map.find(&tree, "z").count(), 0);
    }
}
