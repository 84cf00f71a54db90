//! The axes as plain loops over columns. Results are in document order, also for reverse axes.
//!
//! XPath 3.1 §3.3.2.1. A subtree is a range of rows: `descendant` is a scan, `following` starts behind it.

use crate::names::{NameId, QName};
use crate::tree::{NodeKind, Tree};

/// An axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names are the specification's
pub enum Axis {
    Child,
    Descendant,
    DescendantOrSelf,
    Attribute,
    SelfNode,
    Parent,
    Ancestor,
    AncestorOrSelf,
    FollowingSibling,
    PrecedingSibling,
    Following,
    Preceding,
}

/// A node test, bound to one tree's names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeTest {
    /// `node()`
    Any,
    /// `text()`, `comment()`, `document-node()`, `element()`, `attribute()`, `processing-instruction()`
    Kind(NodeKind),
    /// A name, of the given kind; the id is the expanded one.
    Name(NodeKind, NameId),
    /// A name that no node of this tree has.
    Nothing,
}

impl NodeTest {
    /// Binds a name test of the axis's principal node kind to a tree.
    #[must_use]
    pub fn name(tree: &Tree, axis: Axis, name: &QName) -> Self {
        let kind = if axis == Axis::Attribute { NodeKind::Attribute } else { NodeKind::Element };
        tree.names().find(name).map_or(Self::Nothing, |id| Self::Name(kind, id))
    }

    /// Whether row `pre` passes.
    #[must_use]
    pub fn accepts(self, tree: &Tree, pre: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Kind(kind) => tree.kind(pre) == kind,
            Self::Name(kind, name) => tree.kind(pre) == kind && tree.names().expanded(tree.name_id(pre)) == name,
            Self::Nothing => false,
        }
    }
}

/// Appends the rows that an axis reaches from `pre` and that pass the test, in document order.
pub fn step(tree: &Tree, pre: u32, axis: Axis, test: NodeTest, found: &mut Vec<u32>) {
    if test == NodeTest::Nothing {
        return;
    }
    let end = pre + tree.size(pre);
    let is_attribute = tree.kind(pre) == NodeKind::Attribute;
    let mut take = |row: u32| {
        if test.accepts(tree, row) {
            found.push(row);
        }
    };
    match axis {
        Axis::SelfNode => take(pre),
        Axis::Parent => tree.parent(pre).into_iter().for_each(take),
        Axis::Attribute => (pre + 1..=end).take_while(|&row| tree.kind(row) == NodeKind::Attribute).for_each(take),
        Axis::Child => children(tree, pre).for_each(take),
        Axis::Descendant => content(tree, pre + 1, end).for_each(take),
        Axis::DescendantOrSelf => {
            take(pre);
            content(tree, pre + 1, end).for_each(take);
        }
        Axis::Ancestor | Axis::AncestorOrSelf => {
            let mut line: Vec<u32> = std::iter::successors(Some(pre), |&row| tree.parent(row)).collect();
            if axis == Axis::Ancestor {
                line.remove(0);
            }
            line.into_iter().rev().for_each(take);
        }
        Axis::FollowingSibling | Axis::PrecedingSibling => {
            let Some(parent) = tree.parent(pre).filter(|_| !is_attribute) else { return };
            let wanted = |&row: &u32| if axis == Axis::FollowingSibling { row > pre } else { row < pre };
            children(tree, parent).filter(wanted).for_each(take);
        }
        // Of an attribute, what follows its owner's start tag follows it.
        Axis::Following => content(tree, end + 1, tree.len() - 1).for_each(take),
        Axis::Preceding => {
            let before = content(tree, 0, pre.saturating_sub(1));
            before.filter(|&row| row < pre && row + tree.size(row) < pre).for_each(take);
        }
    }
}

/// The `n`th row, from 1, in axis order that an axis reaches and that passes the test, where that takes no look at the
/// rest of the axis: the child and sibling axes. `None` for other axes.
#[must_use]
pub fn nth(tree: &Tree, pre: u32, axis: Axis, test: NodeTest, n: usize) -> Option<Option<u32>> {
    let is_attribute = tree.kind(pre) == NodeKind::Attribute;
    let parent = tree.parent(pre).filter(|_| !is_attribute);
    let wanted = |&row: &u32| test.accepts(tree, row);
    let index = n.checked_sub(1)?;
    match axis {
        Axis::Child => Some(children(tree, pre).filter(wanted).nth(index)),
        Axis::FollowingSibling => {
            let end = parent.map_or(0, |parent| parent + tree.size(parent));
            let after = |row: u32| Some(row + tree.size(row) + 1).filter(|next| *next <= end);
            Some(std::iter::successors(after(pre), |&row| after(row)).filter(wanted).nth(index))
        }
        Axis::PrecedingSibling => {
            let before = |row: u32| {
                let parent = parent?;
                // The row before is the last one of the sibling's subtree: climb to the sibling.
                let mut at = row.checked_sub(1).filter(|at| *at > parent)?;
                while tree.parent(at)? != parent {
                    at = tree.parent(at)?;
                }
                Some(at).filter(|&at| tree.kind(at) != NodeKind::Attribute)
            };
            Some(std::iter::successors(before(pre), |&row| before(row)).filter(wanted).nth(index))
        }
        _ => None,
    }
}

/// Rows from `first` to `last`, without attributes.
fn content(tree: &Tree, first: u32, last: u32) -> impl Iterator<Item = u32> + '_ {
    (first..last.saturating_add(1)).filter(|&row| tree.kind(row) != NodeKind::Attribute)
}

/// The children of a row, without attributes.
fn children(tree: &Tree, pre: u32) -> impl Iterator<Item = u32> + '_ {
    let end = pre + tree.size(pre);
    let mut next = pre + 1;
    std::iter::from_fn(move || {
        while next <= end && tree.kind(next) == NodeKind::Attribute {
            next += 1;
        }
        let row = (next <= end).then_some(next)?;
        next = row + tree.size(row) + 1;
        Some(row)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseOptions, parse_xml};

    fn check(axis: Axis, from: &str, expected: &[&str]) {
        let xml = b"<r><a i='1'><b/><c>t<d/></c></a><e><f/></e>u</r>";
        let tree = parse_xml(xml, &ParseOptions::default()).unwrap();
        let label = |row: u32| match tree.kind(row) {
            NodeKind::Document => "/".to_owned(),
            NodeKind::Text => format!("'{}'", tree.string_value(row)),
            _ => tree.names().get(tree.name_id(row)).unwrap().to_string(),
        };
        let start = (0..tree.len()).find(|&row| label(row) == from).unwrap();
        let mut found = Vec::new();
        step(&tree, start, axis, NodeTest::Any, &mut found);
        let found: Vec<String> = found.into_iter().map(label).collect();
        assert_eq!(found, expected, "{axis:?} of {from}");
    }

    #[test]
    fn the_nth_row_is_the_one_at_that_place_of_the_axis() {
        let tree = parse_xml(b"<r i='1'><a/>t<b><c/><c/></b><a j='2'/></r>", &ParseOptions::default()).unwrap();
        for pre in 0..tree.len() {
            for axis in [Axis::Child, Axis::FollowingSibling, Axis::PrecedingSibling] {
                let mut all = Vec::new();
                step(&tree, pre, axis, NodeTest::Any, &mut all);
                if axis == Axis::PrecedingSibling {
                    all.reverse();
                }
                for n in 1..=4 {
                    assert_eq!(
                        nth(&tree, pre, axis, NodeTest::Any, n),
                        Some(all.get(n - 1).copied()),
                        "{axis:?} {pre} {n}"
                    );
                }
            }
        }
    }

    #[test]
    fn axes_reach_what_the_specification_says_in_document_order() {
        check(Axis::Child, "a", &["b", "c"]);
        check(Axis::Child, "/", &["r"]);
        check(Axis::Attribute, "a", &["i"]);
        check(Axis::Attribute, "c", &[]);
        check(Axis::Descendant, "a", &["b", "c", "'t'", "d"]);
        check(Axis::DescendantOrSelf, "c", &["c", "'t'", "d"]);
        check(Axis::Parent, "i", &["a"]);
        check(Axis::Parent, "/", &[]);
        check(Axis::Ancestor, "d", &["/", "r", "a", "c"]);
        check(Axis::AncestorOrSelf, "i", &["/", "r", "a", "i"]);
        check(Axis::FollowingSibling, "b", &["c"]);
        check(Axis::FollowingSibling, "i", &[]);
        check(Axis::PrecedingSibling, "'u'", &["a", "e"]);
        check(Axis::Following, "b", &["c", "'t'", "d", "e", "f", "'u'"]);
        check(Axis::Following, "i", &["b", "c", "'t'", "d", "e", "f", "'u'"]);
        check(Axis::Preceding, "f", &["a", "b", "c", "'t'", "d"]);
        check(Axis::Preceding, "r", &[]);
    }
}
