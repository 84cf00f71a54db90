//! Applying a pending update list: one pass over each tree that has targets (XQuery Update Facility 3.0 §8.2.3).
//!
//! The order that the specification prescribes is folded into what each row becomes:
//!
//! ```text
//!  before…  (replacement | nothing when deleted | the node, renamed, with its value)  after…
//!                                                          └─ first…  children  into…  last…   or one text instead
//! ```
//!
//! `build.rs` builds the trees. What is detached is checked, but not built.

use super::build::build;
use super::{Attribute, Content, PendingUpdates, Primitive, Update, stays_id};
use crate::Str;
use crate::error::{Result, fail};
use crate::names::QName;
use crate::node::Node;
use crate::tree::{NodeKind, Tree};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// What applying a list gives.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Trees that had targets and the trees they became, in the order of their first primitives.
    pub trees: Vec<(Arc<Tree>, Arc<Tree>)>,
    /// What is to be stored, as the updates left it.
    pub stored: Vec<Stored>,
}

/// A node that is to be stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// A document or an element that is the root of its tree.
    pub node: Node,
    /// Where.
    pub uri: Str,
}

impl Applied {
    /// What a tree became: the same one if nothing happened to it.
    #[must_use]
    pub fn tree(&self, old: &Arc<Tree>) -> Arc<Tree> {
        let found = self.trees.iter().find(|(before, _)| Arc::ptr_eq(before, old));
        found.map_or_else(|| old.clone(), |(_, after)| after.clone())
    }
}

/// What happens to one row.
#[derive(Default)]
pub(super) struct Changes<'a> {
    pub(super) before: Vec<&'a Content>,
    pub(super) after: Vec<&'a Content>,
    pub(super) first: Vec<&'a Content>,
    pub(super) into: Vec<&'a Content>,
    pub(super) last: Vec<&'a Content>,
    pub(super) attributes: Vec<&'a Attribute>,
    pub(super) replacement: Option<&'a Content>,
    pub(super) replaced_by: Option<&'a [Attribute]>,
    pub(super) value: Option<&'a Str>,
    pub(super) content: Option<&'a Str>,
    pub(super) name: Option<&'a QName>,
    pub(super) delete: bool,
}

/// What happens to one tree.
pub(super) struct TreeChanges<'a> {
    pub(super) tree: &'a Arc<Tree>,
    pub(super) by_row: HashMap<u32, Changes<'a>>,
    /// Its keys, ascending.
    pub(super) rows: Vec<u32>,
}

/// An attribute as it will be.
pub(super) struct Final<'a> {
    pub(super) name: &'a QName,
    pub(super) value: &'a str,
    pub(super) is_id: bool,
}

pub(super) fn apply(list: &PendingUpdates, inherit: bool) -> Result<Applied> {
    let mut trees: Vec<TreeChanges<'_>> = Vec::new();
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    for Primitive { target, update } in &list.primitives {
        let number = *numbers.entry(target.tree.serial()).or_insert_with(|| {
            trees.push(TreeChanges { tree: &target.tree, by_row: HashMap::new(), rows: Vec::new() });
            trees.len() - 1
        });
        trees[number].add(target, update);
    }
    let mut applied = Applied::default();
    for changes in &mut trees {
        changes.rows = changes.by_row.keys().copied().collect();
        changes.rows.sort_unstable();
        changes.check_attributes()?;
        if !changes.rows.is_empty() {
            applied.trees.push((changes.tree.clone(), build(changes, 0, inherit)?));
        }
    }
    for Primitive { target, update } in &list.primitives {
        if let Update::Put(uri) = update {
            let tree = match target.pre {
                0 => applied.tree(&target.tree),
                row => build(&trees[numbers[&target.tree.serial()]], row, inherit)?,
            };
            applied.stored.push(Stored { node: Node::root_of(&tree), uri: uri.clone() });
        }
    }
    Ok(applied)
}

impl<'a> TreeChanges<'a> {
    fn add(&mut self, target: &Node, update: &'a Update) {
        if matches!(update, Update::Put(_)) {
            return;
        }
        let changes = self.by_row.entry(target.pre).or_default();
        match update {
            Update::InsertBefore(content) => changes.before.push(content),
            Update::InsertAfter(content) => changes.after.push(content),
            Update::InsertInto(content) => changes.into.push(content),
            Update::InsertIntoAsFirst(content) => changes.first.push(content),
            Update::InsertIntoAsLast(content) => changes.last.push(content),
            Update::InsertAttributes(attributes) => changes.attributes.extend(attributes),
            Update::Delete => changes.delete = true,
            Update::ReplaceNode(content) => changes.replacement = Some(content),
            Update::ReplaceAttribute(attributes) => changes.replaced_by = Some(attributes),
            Update::ReplaceValue(value) => changes.value = Some(value),
            Update::ReplaceElementContent(text) => changes.content = Some(text),
            Update::Rename(name) => changes.name = Some(name),
            Update::Put(_) => {}
        }
    }

    /// The first row with changes in a range.
    pub(super) fn next_in(&self, first: u32, last: u32) -> Option<u32> {
        let at = self.rows.partition_point(|row| *row < first);
        self.rows.get(at).copied().filter(|row| *row <= last)
    }

    /// The attributes that an element will have.
    pub(super) fn attributes(&self, element: u32) -> Vec<Final<'_>> {
        let tree = self.tree;
        let end = element + tree.size(element);
        let mut found = Vec::new();
        for row in (element + 1..=end).take_while(|row| tree.kind(*row) == NodeKind::Attribute) {
            let (name, value) = (name_of(tree, row), tree.string_value(row));
            let Some(changes) = self.by_row.get(&row) else {
                found.push(Final { name, value, is_id: tree.is_id(row) });
                continue;
            };
            if let Some(others) = changes.replaced_by {
                found.extend(others.iter().map(Final::of));
            } else if !changes.delete {
                let name = changes.name.unwrap_or(name);
                let untouched = changes.name.is_none() && changes.value.is_none();
                let is_id = untouched && tree.is_id(row) || stays_id(name);
                found.push(Final { name, value: changes.value.map_or(value, |value| value.as_str()), is_id });
            }
        }
        if let Some(changes) = self.by_row.get(&element) {
            found.extend(changes.attributes.iter().map(|attribute| Final::of(attribute)));
        }
        found
    }

    /// Error: XUDY0021, for detached elements too.
    fn check_attributes(&self) -> Result<()> {
        let mut elements: HashSet<u32> = HashSet::new();
        for (row, changes) in &self.by_row {
            match self.tree.kind(*row) {
                NodeKind::Attribute => elements.extend(self.tree.parent(*row)),
                NodeKind::Element if !changes.attributes.is_empty() => drop(elements.insert(*row)),
                _ => {}
            }
        }
        let mut elements: Vec<u32> = elements.into_iter().collect();
        elements.sort_unstable();
        for element in elements {
            let mut names: HashSet<&QName> = HashSet::new();
            if let Some(twice) = self.attributes(element).iter().find(|attribute| !names.insert(attribute.name)) {
                let owner = name_of(self.tree, element);
                return Err(fail("XUDY0021", format!("element {owner} would have attribute {} twice", twice.name)));
            }
        }
        Ok(())
    }
}

impl<'a> Final<'a> {
    fn of(attribute: &'a Attribute) -> Self {
        Self { name: &attribute.name, value: &attribute.value, is_id: stays_id(&attribute.name) }
    }
}

pub(super) fn name_of(tree: &Tree, row: u32) -> &QName {
    tree.names().get(tree.name_id(row)).expect("elements, attributes and processing instructions have names")
}
