//! Names — F&O 3.1 §10.

use super::args::{Args, strings};
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::names::{XML_NAMESPACE, is_ncname};
use phoenixmldb_xdm::{Atomic, AtomicType, Node, QName, Sequence, Str};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("QName", &["xs:string?", "xs:string"], "xs:QName", qname),
    fun("resolve-QName", &["xs:string?", "element()"], "xs:QName?", resolve_qname),
    fun("prefix-from-QName", &["xs:QName?"], "xs:NCName?", |_, args| {
        Ok(name(&args)?.filter(|name| !name.prefix.is_empty()).map(|name| ncname(&name.prefix)).into())
    }),
    fun("local-name-from-QName", &["xs:QName?"], "xs:NCName?", |_, args| {
        Ok(name(&args)?.map(|name| ncname(&name.local)).into())
    }),
    fun("namespace-uri-from-QName", &["xs:QName?"], "xs:anyURI?", |_, args| {
        Ok(name(&args)?.map(|name| Atomic::AnyUri(name.uri.clone())).into())
    }),
    fun("namespace-uri-for-prefix", &["xs:string?", "element()"], "xs:anyURI?", namespace_uri_for_prefix),
    fun("in-scope-prefixes", &["element()"], "xs:string*", in_scope_prefixes).depends(Depends::Arguments),
];

fn ncname(text: &Str) -> Atomic {
    Atomic::String(text.clone(), AtomicType::NcName)
}

fn name(args: &[Sequence]) -> Result<Option<Arc<QName>>> {
    match args[0].atomize()?.pop() {
        None => Ok(None),
        Some(Atomic::QName(name)) => Ok(Some(name)),
        Some(other) => Err(fail("XPTY0004", format!("{} where xs:QName is needed", other.type_of()))),
    }
}

/// Prefix and local part. Error: FOCA0002.
fn lexical(text: &str) -> Result<(&str, &str)> {
    let (prefix, local) = text.split_once(':').unwrap_or(("", text));
    let is_prefix = is_ncname(prefix) || prefix.is_empty() && !text.starts_with(':');
    if is_prefix && is_ncname(local) {
        Ok((prefix, local))
    } else {
        Err(fail("FOCA0002", format!("{text:?} is not a QName")))
    }
}

fn qname(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (uri, text) = (args.text_or_empty(0)?, args.text_or_empty(1)?);
    let (prefix, local) = lexical(&text)?;
    if uri.is_empty() && !prefix.is_empty() {
        return Err(fail("FOCA0002", format!("{text} has a prefix and no namespace")));
    }
    Ok(Sequence::from(Atomic::from(QName::new(prefix, uri, local))))
}

fn element(args: &Args, at: usize) -> Result<Node> {
    args.node(at)?.ok_or_else(|| fail("XPTY0004", "an element is needed"))
}

fn resolve_qname(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let Some(text) = args.text(0)? else { return Ok(Sequence::Empty) };
    let (prefix, local) = lexical(text.trim())?;
    let element = element(&args, 1)?;
    let uri = match element.tree.namespace_of(element.pre, prefix) {
        Some(uri) => uri,
        None if prefix.is_empty() => Str::new(),
        None => return Err(fail("FONS0004", format!("prefix {prefix} is not bound at the element"))),
    };
    Ok(Sequence::from(Atomic::from(QName::new(prefix, uri, local))))
}

fn namespace_uri_for_prefix(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let element = element(&args, 1)?;
    let uri = element.tree.namespace_of(element.pre, &args.text_or_empty(0)?);
    Ok(uri.filter(|uri| !uri.is_empty()).map(Atomic::AnyUri).into())
}

/// Namespaces in scope at an element, by prefix.
pub(super) fn in_scope(element: &Node) -> BTreeMap<Str, Str> {
    let mut bound = BTreeMap::from([(Str::from("xml"), Str::from(XML_NAMESPACE))]);
    let mut at = Some(element.clone());
    while let Some(node) = at {
        for (prefix, uri) in node.tree.declarations(node.pre) {
            bound.entry(prefix.clone()).or_insert_with(|| uri.clone());
        }
        at = node.parent();
    }
    bound.retain(|_, uri| !uri.is_empty());
    bound
}

fn in_scope_prefixes(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(strings(in_scope(&element(&Args::new(args), 0)?).into_keys()))
}
