//! `fn:deep-equal` — F&O 3.1 §14.2.3. Trees are compared row by row, without recursion.

use phoenixmldb_xdm::atomic::compare::{self, Comparison};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Array, Function, Item, Map, Node, NodeKind, Sequence, Tree};

/// Two sequences at work, and the index of the items that come next.
struct Pair {
    a: Sequence,
    b: Sequence,
    next: usize,
}

/// Whether two sequences are deep-equal. Members of maps and arrays are compared in order, by a stack of their own, so
/// that depth is no concern. Error: FOTY0015 for functions other than maps and arrays, before the first difference.
pub fn sequences(a: &Sequence, b: &Sequence, how: &Comparison) -> Result<bool> {
    let mut pending = vec![Pair { a: a.clone(), b: b.clone(), next: 0 }];
    while let Some(pair) = pending.last_mut() {
        let (Some(a), Some(b)) = (pair.a.get(pair.next), pair.b.get(pair.next)) else {
            if pair.a.len() != pair.b.len() {
                return Ok(false);
            }
            pending.pop();
            continue;
        };
        pair.next += 1;
        let same = match (&a, &b) {
            (Item::Function(Function::Callable(_)), _) | (_, Item::Function(Function::Callable(_))) => {
                return Err(fail("FOTY0015", "functions cannot be compared"));
            }
            (Item::Atomic(a), Item::Atomic(b)) => compare::deep_equal(a, b, how),
            (Item::Node(a), Item::Node(b)) => nodes(a, b, how),
            (Item::Function(Function::Map(a)), Item::Function(Function::Map(b))) => maps(a, b, &mut pending),
            (Item::Function(Function::Array(a)), Item::Function(Function::Array(b))) => arrays(a, b, &mut pending),
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the keys are the same; the values are left to be compared.
fn maps(a: &Map, b: &Map, pending: &mut Vec<Pair>) -> bool {
    let first = pending.len();
    for (key, value) in a.iter() {
        let Some(other) = b.get(key) else { return false };
        pending.push(Pair { a: value.clone(), b: other.clone(), next: 0 });
    }
    pending[first..].reverse();
    a.len() == b.len()
}

/// Whether there are as many members; they are left to be compared.
fn arrays(a: &Array, b: &Array, pending: &mut Vec<Pair>) -> bool {
    let pairs = a.members().iter().zip(b.members()).rev();
    pending.extend(pairs.map(|(a, b)| Pair { a: a.clone(), b: b.clone(), next: 0 }));
    a.len() == b.len()
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
