//! Documents, collections, texts and the environment — F&O 3.1 §14.6, §14.8.

use super::args::{Args, boolean, strings};
use super::signature::{Depends, FunctionEntry, fun};
use super::uri;
use crate::eval::CallContext;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::names::is_xml_char;
use phoenixmldb_xdm::update::Update;
use phoenixmldb_xdm::{Atomic, Item, NodeKind, Sequence, Str};

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("doc", &["xs:string?"], "document-node()?", doc).depends(Depends::Context),
    fun("doc-available", &["xs:string?"], "xs:boolean", doc_available).depends(Depends::Context),
    fun("collection", &["xs:string?"], "item()*", collection).required(0).depends(Depends::Context),
    fun("uri-collection", &["xs:string?"], "xs:anyURI*", uri_collection).required(0).depends(Depends::Context),
    fun("unparsed-text", &["xs:string?", "xs:string"], "xs:string?", unparsed_text)
        .required(1)
        .depends(Depends::Context),
    fun("unparsed-text-lines", &["xs:string?", "xs:string"], "xs:string*", unparsed_text_lines)
        .required(1)
        .depends(Depends::Context),
    fun("unparsed-text-available", &["xs:string?", "xs:string"], "xs:boolean", unparsed_text_available)
        .required(1)
        .depends(Depends::Context),
    fun("put", PUT, "empty-sequence()", put).required(2).depends(Depends::Outside).updating(),
    fun("environment-variable", &["xs:string"], "xs:string?", environment_variable).depends(Depends::Context),
    fun("available-environment-variables", &[], "xs:string*", |ctx, _| {
        Ok(strings(ctx.dynamic().resolver.environment_names()))
    })
    .depends(Depends::Context),
];

/// Parameters of `fn:put` (Update Facility 3.0 §6.1). Nothing is serialized, so that the last one changes nothing.
const PUT: &[&str] =
    &["node()", "xs:string", "element(Q{http://www.w3.org/2010/xslt-xquery-serialization}serialization-parameters)?"];

fn put(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let node = args.node(0)?.ok_or_else(|| fail("XPTY0004", "a node is needed"))?;
    if !matches!(node.kind(), NodeKind::Document | NodeKind::Element) {
        return Err(fail("FOUP0001", "only documents and elements can be stored"));
    }
    let uri = absolute(ctx, &args.text_or_empty(1)?, "FOUP0002")?;
    ctx.dynamic().resolver.accepts_put(&uri)?;
    ctx.evaluator.pending.push(node, Update::Put(Str::from(uri)));
    Ok(Sequence::Empty)
}

/// An absolute URI. Error: `code` when it is none.
fn absolute(ctx: &CallContext<'_>, text: &str, code: &'static str) -> Result<String> {
    if !uri::is_reference(text) {
        return Err(fail(code, format!("{text:?} is not a URI")));
    }
    let base = ctx.static_context.base_uri.as_deref();
    match uri::resolve(text, base.map(|base| base as &str)) {
        Some(absolute) => Ok(absolute),
        // Names of documents and collections need no scheme when there is no base.
        None if base.is_none() => Ok(text.to_owned()),
        None => Err(fail(code, format!("{text:?} cannot be resolved against {base:?}"))),
    }
}

fn doc(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let Some(text) = Args::new(args).text(0)? else { return Ok(Sequence::Empty) };
    let uri = absolute(ctx, &text, "FODC0005")?;
    if uri.contains('#') {
        return Err(fail("FODC0005", format!("{uri} has a fragment")));
    }
    Ok(Sequence::from(ctx.dynamic().resolver.document(&uri)?))
}

fn doc_available(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let Some(text) = Args::new(args).text(0)? else { return Ok(boolean(false)) };
    let Ok(uri) = absolute(ctx, &text, "FODC0005") else { return Ok(boolean(false)) };
    Ok(boolean(!uri.contains('#') && ctx.dynamic().resolver.document(&uri).is_ok()))
}

fn collection_uri(ctx: &CallContext<'_>, args: Vec<Sequence>) -> Result<Option<String>> {
    Args::new(args).text(0)?.map(|text| absolute(ctx, &text, "FODC0004")).transpose()
}

fn collection(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let uri = collection_uri(ctx, args)?;
    ctx.dynamic().resolver.collection(uri.as_deref())
}

fn uri_collection(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let uri = collection_uri(ctx, args)?;
    let uris = ctx.dynamic().resolver.uri_collection(uri.as_deref())?;
    Ok(uris.into_iter().map(|uri| Item::Atomic(Atomic::AnyUri(uri))).collect())
}

/// A text with line ends as they are and without byte order mark. Errors: FOUT1170, FOUT1190, FOUT1200.
pub(super) fn text_at(ctx: &CallContext<'_>, href: &str, encoding: Option<&str>) -> Result<String> {
    let text = raw_text_at(ctx, href, encoding)?;
    match text.chars().find(|c| !is_xml_char(*c)) {
        Some(c) => Err(fail("FOUT1190", format!("{href} contains {c:?}, which is not an XML character"))),
        None => Ok(text),
    }
}

/// The same, with characters that XML does not have.
pub(super) fn raw_text_at(ctx: &CallContext<'_>, href: &str, encoding: Option<&str>) -> Result<String> {
    let uri = absolute(ctx, href, "FOUT1170")?;
    if uri.contains('#') {
        return Err(fail("FOUT1170", format!("{uri} has a fragment")));
    }
    let text = ctx.dynamic().resolver.text(&uri, encoding)?;
    Ok(text.strip_prefix('\u{FEFF}').map_or(text.clone(), str::to_owned))
}

fn text_of(ctx: &CallContext<'_>, args: Vec<Sequence>) -> Result<Option<String>> {
    let args = Args::new(args);
    let Some(href) = args.text(0)? else { return Ok(None) };
    text_at(ctx, &href, args.text(1)?.as_deref()).map(Some)
}

fn unparsed_text(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(text_of(ctx, args)?.map_or(Sequence::Empty, Sequence::string))
}

fn unparsed_text_lines(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let Some(text) = text_of(ctx, args)? else { return Ok(Sequence::Empty) };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    Ok(strings(lines))
}

fn unparsed_text_available(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(boolean(matches!(text_of(ctx, args), Ok(Some(_)))))
}

fn environment_variable(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let name = Args::new(args).text_or_empty(0)?;
    let value = ctx.dynamic().resolver.environment(&name);
    Ok(value.map_or(Sequence::Empty, |value| Sequence::string(Str::from(value))))
}
