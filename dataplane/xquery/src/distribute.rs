//! Which part of a query can run where the documents are. Pure: text in, plan out.
//!
//! ```text
//!  for $o in collection('orders')//order where … return …   ─► on each document, results in document-name order
//!  count(collection('orders')//order)                       ─► on each shard, partial counts added up
//!  anything else                                            ─► the documents are fetched and the query runs here
//! ```
//!
//! A fragment is the query itself with the call of `collection` replaced by the variable [`DOCUMENTS`], which the host
//! binds to the documents at hand. So it is XQuery, survives differences between releases, and a position in it can be
//! mapped back. Sound rather than complete: a query is split only where every document can be looked at alone, which is
//! decided by its shape, and by the absence of every function that could look elsewhere.

use crate::syntax::ast::{Argument, Clause, DeclarationKind, Expr, ExprKind, Module, Qualifier, Span};
use phoenixmldb_xdm::QName;

/// Namespace of names that only fragments use.
pub const FRAGMENT_NAMESPACE: &str = "urn:phoenixmldb:fragment";

/// Local name of the variable that stands for the documents.
const VARIABLE: &str = "documents";

/// The variable that a fragment finds its documents in.
#[must_use]
pub fn documents_variable() -> QName {
    QName::new("", FRAGMENT_NAMESPACE, VARIABLE)
}

/// How partial results become the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combine {
    /// Add up: `count`, `sum`.
    Sum,
    /// Smallest, of those that are there.
    Min,
    /// Largest, of those that are there.
    Max,
    /// True if any is.
    Any,
    /// True if all are.
    All,
}

impl Combine {
    /// The query that combines: over `$partial`, the sequence of partial results.
    #[must_use]
    pub const fn query(self) -> &'static str {
        match self {
            Self::Sum => "sum($partial)",
            Self::Min => "min($partial)",
            Self::Max => "max($partial)",
            Self::Any => "some $p in $partial satisfies $p",
            Self::All => "every $p in $partial satisfies $p",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sum => "added up",
            Self::Min => "the smallest",
            Self::Max => "the largest",
            Self::Any => "any",
            Self::All => "all",
        }
    }
}

/// Text of a fragment, and how to find a position of it in the query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Name of the container.
    pub container: String,
    /// The text.
    pub text: String,
    spliced: Span,
    inserted: u32,
}

impl Fragment {
    /// The offset in the query that an offset in the fragment stands for.
    #[must_use]
    pub fn original(&self, offset: u32) -> u32 {
        if offset <= self.spliced.start {
            offset
        } else if offset < self.spliced.start + self.inserted {
            self.spliced.start
        } else {
            offset - self.inserted + (self.spliced.end - self.spliced.start)
        }
    }
}

/// How a query runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plan {
    /// On each document alone; results in the order of document names.
    PerDocument(Fragment),
    /// On the documents of each shard; partial results are combined.
    Aggregate(Fragment, Combine),
    /// Here, over fetched documents; the text says why.
    Here(&'static str),
}

impl Plan {
    /// For `explain`.
    #[must_use]
    pub fn describe(&self, shards: usize) -> String {
        match self {
            Self::PerDocument(fragment) => format!(
                "on each of {shards} shards, document by document of container {}:\n{}\nthen: merged in the order of document names",
                fragment.container,
                indent(&fragment.text)
            ),
            Self::Aggregate(fragment, combine) => format!(
                "on each of {shards} shards, over its documents of container {}:\n{}\nthen: {} of the partial results",
                fragment.container,
                indent(&fragment.text),
                combine.name()
            ),
            Self::Here(why) => format!("on the coordinator, over documents fetched from the shards: {why}"),
        }
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Functions that look beyond the document at hand, or depend on what they have seen before.
const ELSEWHERE: &[&str] = &[
    "collection",
    "doc",
    "doc-available",
    "uri-collection",
    "function-lookup",
    "load-xquery-module",
    "generate-id",
    "random-number-generator",
    "put",
];

/// Decides how a main module runs; `text` is what it was parsed from.
#[must_use]
pub fn split(text: &str, module: &Module) -> Plan {
    let Some(body) = module.body() else { return Plan::Here("it is a library module") };
    if module.prolog.iter().any(|declaration| matches!(declaration.kind, DeclarationKind::ImportModule(_))) {
        return Plan::Here("it imports modules, which may look at other documents");
    }
    let named = |declaration: &crate::syntax::ast::Declaration| {
        matches!(declaration.kind, DeclarationKind::DefaultFunctionNamespace(_))
    };
    if module.prolog.iter().any(named) {
        return Plan::Here("its names of functions are not those of the standard");
    }
    let body = inner(body);
    let (found, combine) = match &body.kind {
        ExprKind::Call { name, args } if args.len() == 1 && !matches!(name.qualifier, Qualifier::Uri(_)) => {
            let combine = match &*name.local {
                "count" | "sum" => Some(Combine::Sum),
                "min" => Some(Combine::Min),
                "max" => Some(Combine::Max),
                "exists" => Some(Combine::Any),
                "empty" => Some(Combine::All),
                _ => None,
            };
            match (&args[0], combine) {
                (Argument::Expr(argument), Some(combine)) => (local(text, argument), Some(combine)),
                _ => (local(text, body), None),
            }
        }
        _ => (local(text, body), None),
    };
    let Some((container, span)) = found else {
        return Plan::Here("its shape does not let every document be looked at alone");
    };
    let (Some(before), Some(after)) = (text.get(..span.start as usize), text.get(span.end as usize..)) else {
        return Plan::Here("its text cannot be split");
    };
    if calls(before, ELSEWHERE) || calls(after, ELSEWHERE) {
        return Plan::Here("it looks at other documents too");
    }
    let variable = format!("$Q{{{FRAGMENT_NAMESPACE}}}{VARIABLE}");
    let inserted = u32::try_from(variable.len()).expect("a short name");
    let fragment = Fragment { container, text: format!("{before}{variable}{after}"), spliced: span, inserted };
    match combine {
        Some(combine) => Plan::Aggregate(fragment, combine),
        None => Plan::PerDocument(fragment),
    }
}

/// Without `ordered { }` and `unordered { }`.
fn inner(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Ordered(inside) | ExprKind::Unordered(inside) => inner(inside),
        _ => expr,
    }
}

/// The container and the call of `collection` of an expression that looks at each document alone.
fn local(text: &str, expr: &Expr) -> Option<(String, Span)> {
    let expr = inner(expr);
    match &expr.kind {
        ExprKind::Call { .. } => collection(expr),
        ExprKind::Path(path) if !path.absolute => {
            let (first, rest) = path.steps.split_first()?;
            // A step that is no axis step can ask for its place among the nodes of all documents.
            let global = |step: &&crate::syntax::ast::PathStep| {
                !matches!(step.expr.kind, ExprKind::Step(_)) && counts(text, &step.expr)
            };
            if first.descend || rest.iter().any(|step| global(&step)) { None } else { collection(&first.expr) }
        }
        ExprKind::SimpleMap(parts) => {
            let (first, rest) = parts.split_first()?;
            if rest.iter().any(|part| counts(text, part)) { None } else { local(text, first) }
        }
        ExprKind::Flwor { clauses, .. } => {
            let (Clause::For(first), rest) = clauses.split_first()? else { return None };
            let whole = |clause: &Clause| {
                matches!(clause, Clause::GroupBy(_) | Clause::OrderBy { .. } | Clause::Count(_) | Clause::Window(_))
            };
            if first.position.is_some() || first.allowing_empty || rest.iter().any(whole) {
                return None;
            }
            local(text, &first.input)
        }
        _ => None,
    }
}

/// `collection('name')`.
fn collection(expr: &Expr) -> Option<(String, Span)> {
    let ExprKind::Call { name, args } = &expr.kind else { return None };
    let builtin = match &name.qualifier {
        Qualifier::None => true,
        Qualifier::Prefix(prefix) => *prefix == "fn",
        Qualifier::Uri(uri) => *uri == crate::context::FN_NAMESPACE,
    };
    match args.as_slice() {
        [Argument::Expr(Expr { kind: ExprKind::String(container), .. })] if builtin && name.local == "collection" => {
            Some((container.to_string(), expr.span))
        }
        _ => None,
    }
}

/// Whether an expression may ask for `position()` or `last()`.
fn counts(text: &str, expr: &Expr) -> bool {
    text.get(expr.span.start as usize..expr.span.end as usize).is_none_or(|part| calls(part, &["position", "last"]))
}

/// Whether a text may call one of these functions, or refer to it. Looks at words, so it also finds them in strings and
/// comments, which costs a fetch and never a wrong answer.
fn calls(text: &str, functions: &[&str]) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    functions.iter().any(|function| {
        text.match_indices(function).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + function.len()..].trim_start();
            !before.is_some_and(part_of_name) && after.starts_with(['(', '#'])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse_module;

    fn plan(query: &str) -> Plan {
        split(query, &parse_module(query, None).unwrap())
    }

    fn fragment(query: &str) -> String {
        match plan(query) {
            Plan::PerDocument(fragment) | Plan::Aggregate(fragment, _) => fragment.text,
            Plan::Here(why) => panic!("{query} is not split: {why}"),
        }
    }

    #[test]
    fn the_documented_query_runs_on_each_document() {
        let query = "for $order in collection('orders')//order where $order/total > 1000 return $order";
        assert_eq!(
            fragment(query),
            "for $order in $Q{urn:phoenixmldb:fragment}documents//order where $order/total > 1000 return $order"
        );
        assert!(matches!(plan(query), Plan::PerDocument(fragment) if fragment.container == "orders"));
    }

    #[test]
    fn paths_maps_and_flwors_over_one_collection_are_local() {
        for query in [
            "collection('c')",
            "collection(\"c\")/a/b[2]/@id",
            "fn:collection('c')//a[position() = last()]",
            "collection('c')//a ! string(.)",
            "for $a in collection('c') let $b := $a//b for $c at $p in $b where $c return ($p, $c)",
            "declare namespace x = 'urn:x'; declare function local:f($a) { $a + 1 }; collection('c')//x:a ! local:f(.)",
            "unordered { collection('c')//a }",
        ] {
            assert!(matches!(plan(query), Plan::PerDocument(_)), "{query}: {:?}", plan(query));
        }
    }

    #[test]
    fn aggregates_are_combined() {
        for (query, combine) in [
            ("count(collection('c')//a)", Combine::Sum),
            ("sum(collection('c')//a/@n)", Combine::Sum),
            ("min(for $a in collection('c')//a return $a/@n)", Combine::Min),
            ("max(collection('c')//a)", Combine::Max),
            ("exists(collection('c')//a)", Combine::Any),
            ("empty(collection('c')//a)", Combine::All),
        ] {
            assert!(matches!(plan(query), Plan::Aggregate(_, found) if found == combine), "{query}");
        }
    }

    #[test]
    fn what_looks_at_more_than_one_document_runs_here() {
        for query in [
            "1 + 1",
            "(collection('c')//a)[1]",
            "collection('c')[1]",
            "collection('c')//a/position()",
            "collection('c')//a ! position()",
            "for $a at $p in collection('c')//a return $p",
            "for $a in collection('c')//a order by $a return $a",
            "for $a in collection('c')//a group by $k := $a/@k return $k",
            "for $a in collection('c')//a count $n return $n",
            "for $a in collection('c')//a for $b in collection('d')//b return 1",
            "for $a in collection('c')//a return doc('x')",
            "declare variable $all := collection('c'); collection('c')//a[. = $all]",
            "avg(collection('c')//a)",
            "collection($name)//a",
            "let $c := collection('c') return count($c)",
            "collection('c')//a = 5",
            "collection()//a",
            "for $a in collection('c')//a return collection#1",
        ] {
            let query = if query.contains("$name") {
                format!("declare variable $name external; {query}")
            } else {
                query.to_owned()
            };
            assert!(matches!(plan(&query), Plan::Here(_)), "{query}: {:?}", plan(&query));
        }
    }

    #[test]
    fn positions_in_a_fragment_are_found_in_the_query() {
        let query = "for $a in collection('c')//a return $a/b";
        let Plan::PerDocument(fragment) = plan(query) else { panic!() };
        for word in ["for", "//a", "return", "/b"] {
            let (there, here) = (fragment.text.find(word).unwrap(), query.find(word).unwrap());
            assert_eq!(fragment.original(there as u32), here as u32, "{word}");
        }
    }
}
