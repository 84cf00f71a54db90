//! `fn:deep-equal` — F&O 3.1 §14.2.3. Trees are compared row by row, without recursion.

use phoenixmldb_xdm::atomic::compare::{self, Comparison};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Array, Function, Item, Map, Node, NodeKind, Sequence, Tree};

/// Whether two sequences are deep-equal. Error: FOTY0015 for functions other than maps and arrays.
pub fn sequences(a: &Sequence, b: &Sequence, how: &Comparison) -> Result<bool> {
    // A function is an error wherever it stands before the first difference.
    let mut pairs = a.iter().zip(b.iter());
    let same = pairs.try_fold(true, |same, (a, b)| if same { items(&a, &b, how) } else { Ok(false) })?;
    Ok(same && a.len() == b.len())
}

fn items(a: &Item, b: &Item, how: &Comparison) -> Result<bool> {
    match (a, b) {
        (Item::Function(Function::Callable(_)), _) | (_, Item::Function(Function::Callable(_))) => {
            Err(fail("FOTY0015", "functions cannot be compared"))
        }
        (Item::Atomic(a), Item::Atomic(b)) => Ok(compare::deep_equal(a, b, how)),
        (Item::Node(a), Item::Node(b)) => Ok(nodes(a, b, how)),
        (Item::Function(Function::Map(a)), Item::Function(Function::Map(b))) => maps(a, b, how),
        (Item::Function(Function::Array(a)), Item::Function(Function::Array(b))) => arrays(a, b, how),
        _ => Ok(false),
    }
}

fn maps(a: &Map, b: &Map, how: &Comparison) -> Result<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (key, value) in a.iter() {
        match b.get(key) {
            Some(other) if sequences(value, other, how)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn arrays(a: &Array, b: &Array, how: &Comparison) -> Result<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.members().iter().zip(b.members()) {
        if !sequences(a, b, how)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Rows of a subtree that count: no attributes, no comments and processing instructions below the top.
fn rows(node: &Node) -> impl Iterator<Item = u32> + '_ {
    let tree = &node.tree;
    (node.pre..=node.pre + tree.size(node.pre)).filter(move |row| match tree.kind(*row) {
        NodeKind::Document | NodeKind::Element | NodeKind::Text => true,
        NodeKind::Attribute | NodeKind::Comment | NodeKind::ProcessingInstruction => *row == node.pre,
    })
}

fn nodes(a: &Node, b: &Node, how: &Comparison) -> bool {
    let (mut left, mut right) = (rows(a), rows(b));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) => {
                let depth = a.tree.level(x) - a.tree.level(a.pre) == b.tree.level(y) - b.tree.level(b.pre);
                if !depth || !row(&a.tree, x, &b.tree, y, how) {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

fn row(a: &Tree, x: u32, b: &Tree, y: u32, how: &Comparison) -> bool {
    let names = || a.names().get(a.name_id(x)) == b.names().get(b.name_id(y));
    let texts = || text(a.string_value(x), b.string_value(y), how);
    a.kind(x) == b.kind(y)
        && match a.kind(x) {
            NodeKind::Document => true,
            NodeKind::Element => names() && attributes(a, x, b, y, how),
            NodeKind::Attribute | NodeKind::ProcessingInstruction => names() && texts(),
            NodeKind::Text | NodeKind::Comment => texts(),
        }
}

fn text(a: &str, b: &str, how: &Comparison) -> bool {
    match &how.collation {
        Some(collation) => collation.compare(a, b).is_eq(),
        None => a == b,
    }
}

fn attributes(a: &Tree, x: u32, b: &Tree, y: u32, how: &Comparison) -> bool {
    let of = |tree: &Tree, row: u32| -> Vec<u32> {
        let end = row + tree.size(row);
        (row + 1..=end).take_while(|row| tree.kind(*row) == NodeKind::Attribute).collect()
    };
    let (left, right) = (of(a, x), of(b, y));
    let matched = |x: &u32| {
        let name = a.names().get(a.name_id(*x));
        let other = right.iter().find(|y| b.names().get(b.name_id(**y)) == name);
        other.is_some_and(|y| text(a.string_value(*x), b.string_value(*y), how))
    };
    left.len() == right.len() && left.iter().all(matched)
}
