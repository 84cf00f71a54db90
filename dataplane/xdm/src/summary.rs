//! The path summary: every path of kinds and names from the root that a tree has, with the rows on it.
//!
//! ```text
//!  0 /  ── 1 site ── 2 people ── 3 person ─┬─ 4 @id      rows of 4: all ids of all people, in document order
//!                                          └─ 5 name
//! ```
//!
//! A path of downward steps without predicates is answered on the summary, whatever the size of the document, and the
//! rows below a context node are a slice of the path's rows, because a subtree is a range of rows. Counts need no row
//! at all. Built once per tree, when first asked for, in one pass. Goldman, Widom: "DataGuides", VLDB 1997.

use crate::axes::{Axis, NodeTest};
use crate::limits;
use crate::names::NameId;
use crate::tree::{NodeKind, Tree};
use crate::values::{Numbers, ValueMap};
use hashbrown::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A path of one tree's summary.
pub type PathId = u16;

/// Children of one path from which on they are found by hash.
const HASHED_FROM: usize = 12;

#[derive(Debug)]
struct Path {
    kind: NodeKind,
    /// Expanded name.
    name: NameId,
    children: Vec<PathId>,
    rows: Arc<[u32]>,
}

/// The paths of one tree.
#[derive(Debug)]
pub struct Summary {
    path_of: Vec<PathId>,
    paths: Vec<Path>,
    /// Rows of sets of paths, in document order.
    merged: RwLock<HashMap<Vec<PathId>, Arc<[u32]>>>,
    /// Rows by string value, per path.
    values: RwLock<HashMap<PathId, Arc<ValueMap>>>,
    /// Values as numbers, per path.
    numbers: RwLock<HashMap<PathId, Arc<Numbers>>>,
}

impl Summary {
    /// `None` when the tree has more paths than [`limits::SUMMARY_PATHS_MAX`].
    pub(crate) fn build(tree: &Tree) -> Option<Self> {
        let columns = &tree.columns;
        let count = columns.kind.len();
        let mut path_of: Vec<PathId> = Vec::with_capacity(count);
        let mut paths: Vec<Path> = Vec::new();
        let mut rows: Vec<Vec<u32>> = Vec::new();
        let mut hashed: HashMap<(PathId, NodeKind, NameId), PathId> = HashMap::new();
        for pre in 0..count {
            let (kind, name) = (columns.kind[pre], tree.names.expanded(columns.name[pre]));
            let parent = if pre == 0 { None } else { Some(path_of[columns.parent[pre] as usize]) };
            let known = parent.and_then(|parent| {
                let children = &paths[usize::from(parent)].children;
                if children.len() >= HASHED_FROM {
                    return hashed.get(&(parent, kind, name)).copied();
                }
                let same = |child: &PathId| {
                    let child = &paths[usize::from(*child)];
                    child.kind == kind && child.name == name
                };
                children.iter().copied().find(same)
            });
            let path = match known {
                Some(path) => path,
                None => {
                    let path = PathId::try_from(paths.len()).ok()?;
                    if paths.len() >= limits::SUMMARY_PATHS_MAX {
                        return None;
                    }
                    paths.push(Path { kind, name, children: Vec::new(), rows: Arc::from([]) });
                    rows.push(Vec::new());
                    if let Some(parent) = parent {
                        paths[usize::from(parent)].children.push(path);
                        hashed.insert((parent, kind, name), path);
                    }
                    path
                }
            };
            path_of.push(path);
            rows[usize::from(path)].push(u32::try_from(pre).expect("the builder bounds the number of nodes"));
        }
        for (path, rows) in paths.iter_mut().zip(rows) {
            path.rows = Arc::from(rows);
        }
        Some(Self { path_of, paths, merged: RwLock::default(), values: RwLock::default(), numbers: RwLock::default() })
    }

    /// Number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// A tree has a root, and so a path.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The path that row `pre` is on.
    #[must_use]
    pub fn path_of(&self, pre: u32) -> PathId {
        self.path_of[pre as usize]
    }

    /// All rows on a path.
    #[must_use]
    pub fn rows(&self, path: PathId) -> &Arc<[u32]> {
        &self.paths[usize::from(path)].rows
    }

    /// The paths that a downward axis reaches and that pass the test, ascending.
    ///
    /// `rest` is asked about a node on a path, for tests that look at more than kind and name bound to the tree; it
    /// must not depend on anything but these. Axes other than self, child, attribute, descendant and
    /// descendant-or-self reach nothing.
    #[must_use]
    pub fn step(&self, from: &[PathId], axis: Axis, test: NodeTest, rest: &dyn Fn(u32) -> bool) -> Vec<PathId> {
        let accepts = |path: PathId| {
            let this = &self.paths[usize::from(path)];
            let passes = match test {
                NodeTest::Any => true,
                NodeTest::Kind(kind) => this.kind == kind,
                NodeTest::Name(kind, name) => this.kind == kind && this.name == name,
                NodeTest::Nothing => false,
            };
            passes && rest(this.rows[0])
        };
        let is_attribute = |path: PathId| self.paths[usize::from(path)].kind == NodeKind::Attribute;
        let mut found = Vec::new();
        for &start in from {
            let children = &self.paths[usize::from(start)].children;
            match axis {
                Axis::SelfNode => found.extend(Some(start).filter(|path| accepts(*path))),
                Axis::Child => {
                    found.extend(children.iter().copied().filter(|path| !is_attribute(*path) && accepts(*path)));
                }
                Axis::Attribute => {
                    found.extend(children.iter().copied().filter(|path| is_attribute(*path) && accepts(*path)));
                }
                Axis::Descendant | Axis::DescendantOrSelf => {
                    if axis == Axis::DescendantOrSelf && accepts(start) {
                        found.push(start);
                    }
                    let mut pending: Vec<PathId> = children.clone();
                    while let Some(path) = pending.pop() {
                        if is_attribute(path) {
                            continue;
                        }
                        if accepts(path) {
                            found.push(path);
                        }
                        pending.extend(&self.paths[usize::from(path)].children);
                    }
                }
                _ => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// All rows on any of the paths, which ascend, in document order. The same rows are shared between calls.
    #[must_use]
    pub fn merged(&self, paths: &[PathId]) -> Arc<[u32]> {
        match paths {
            [] => return Arc::from([]),
            [path] => return self.rows(*path).clone(),
            _ => {}
        }
        let known = self.merged.read().unwrap_or_else(PoisonError::into_inner).get(paths).cloned();
        if let Some(rows) = known {
            return rows;
        }
        let mut rows: Vec<u32> = Vec::with_capacity(paths.iter().map(|path| self.rows(*path).len()).sum());
        for path in paths {
            rows.extend_from_slice(self.rows(*path));
        }
        // Runs that ascend: what a merging sort is good at.
        rows.sort();
        let rows: Arc<[u32]> = Arc::from(rows);
        let mut merged = self.merged.write().unwrap_or_else(PoisonError::into_inner);
        if merged.len() < limits::SUMMARY_MERGED_MAX {
            merged.insert(paths.to_vec(), rows.clone());
        }
        rows
    }

    /// The rows on a path by string value; built when first asked for.
    #[must_use]
    pub fn values(&self, tree: &Tree, path: PathId) -> Arc<ValueMap> {
        let known = self.values.read().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        known.unwrap_or_else(|| {
            let built = Arc::new(ValueMap::build(tree, self.rows(path)));
            self.values.write().unwrap_or_else(PoisonError::into_inner).entry(path).or_insert(built).clone()
        })
    }
}

impl Summary {
    /// The string values on a path as numbers, if somebody has read them already.
    #[must_use]
    pub fn known_numbers(&self, path: PathId) -> Option<Arc<Numbers>> {
        self.numbers.read().unwrap_or_else(PoisonError::into_inner).get(&path).cloned()
    }

    /// The string values on a path as numbers, in the order of its rows.
    #[must_use]
    pub fn numbers(&self, tree: &Tree, path: PathId) -> Arc<Numbers> {
        self.known_numbers(path).unwrap_or_else(|| {
            let read = Arc::new(Numbers::read(tree, self.rows(path)));
            self.numbers.write().unwrap_or_else(PoisonError::into_inner).entry(path).or_insert(read).clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseOptions, parse_xml};
    use proptest::prelude::*;

    fn xml() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![Just("t".to_owned()), Just("<a/>".to_owned()), Just("<b i='1'>u</b>".to_owned())];
        leaf.prop_recursive(5, 40, 4, |inner| {
            (prop_oneof!["a", "b", "c"], proptest::collection::vec(inner, 0..4))
                .prop_map(|(name, parts)| format!("<{name} i='{}'>{}</{name}>", parts.len(), parts.concat()))
        })
        .prop_map(|content| format!("<r>{content}</r>"))
    }

    proptest! {
        /// The rows below a node on the paths a step reaches are the rows that the axis reaches.
        #[test]
        fn paths_and_axes_reach_the_same_rows(xml in xml()) {
            let tree = parse_xml(xml.as_bytes(), &ParseOptions::default()).unwrap();
            let summary = Summary::build(&tree).unwrap();
            let axes = [Axis::Child, Axis::Descendant, Axis::DescendantOrSelf, Axis::Attribute, Axis::SelfNode];
            let tests = [
                NodeTest::Any,
                NodeTest::Kind(NodeKind::Text),
                NodeTest::name(&tree, Axis::Child, &crate::QName::local("a")),
                NodeTest::name(&tree, Axis::Attribute, &crate::QName::local("i")),
            ];
            for pre in 0..tree.len() {
                for (axis, test) in axes.into_iter().flat_map(|axis| tests.map(|test| (axis, test))) {
                    let mut expected = Vec::new();
                    crate::axes::step(&tree, pre, axis, test, &mut expected);
                    let paths = summary.step(&[summary.path_of(pre)], axis, test, &|_| true);
                    let range = pre..=pre + tree.size(pre);
                    let found: Vec<u32> =
                        summary.merged(&paths).iter().copied().filter(|row| range.contains(row)).collect();
                    prop_assert_eq!(found, expected, "{:?} {:?} from {}", axis, test, pre);
                }
            }
        }
    }
}
