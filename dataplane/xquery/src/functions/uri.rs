//! URIs: `fn:resolve-uri` and the escaping functions — F&O 3.1 §6.

use super::args::Args;
use super::signature::{FunctionEntry, fun};
use crate::eval::CallContext;
use oxiri::{Iri, IriRef};
use phoenixmldb_xdm::Str;
use phoenixmldb_xdm::atomic::Atomic;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::sequence::Sequence;

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("resolve-uri", &["xs:string?", "xs:string"], "xs:anyURI?", resolve_uri).required(1),
    fun("encode-for-uri", &["xs:string?"], "xs:string", encode_for_uri),
    fun("iri-to-uri", &["xs:string?"], "xs:string", iri_to_uri),
    fun("escape-html-uri", &["xs:string?"], "xs:string", escape_html_uri),
];

/// A URI made absolute; `None` when either is not one or there is no base for a relative one.
#[must_use]
pub fn resolve(relative: &str, base: Option<&str>) -> Option<String> {
    if Iri::parse(relative).is_ok() {
        return Some(relative.to_owned());
    }
    let base = Iri::parse(base?).ok()?;
    base.resolve(&IriRef::parse(relative).ok()?).ok().map(|resolved| resolved.into_inner())
}

/// Whether it is a URI or a reference relative to one.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    IriRef::parse(text).is_ok()
}

fn resolve_uri(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let Some(relative) = args.text(0)? else { return Ok(Sequence::Empty) };
    let relative = relative.trim();
    let any_uri = |text: String| Ok(Sequence::from(Atomic::AnyUri(Str::from(text))));
    if !is_reference(relative) {
        return Err(fail("FORG0002", format!("{relative:?} is not a URI")));
    }
    if Iri::parse(relative).is_ok() {
        return any_uri(relative.to_owned());
    }
    let base = match args.text(1)? {
        Some(base) => base,
        None => ctx.static_context.base_uri.clone().ok_or_else(|| fail("FONS0005", "there is no static base URI"))?,
    };
    if Iri::parse(base.as_str()).is_err() || base.contains('#') {
        return Err(fail("FORG0002", format!("{base:?} is not an absolute URI without fragment")));
    }
    let resolved = resolve(relative, Some(&base));
    any_uri(resolved.ok_or_else(|| fail("FORG0009", format!("{relative:?} cannot be resolved against {base:?}")))?)
}

/// Percent-encodes the UTF-8 of the characters that are not kept.
fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.chars() {
        if keep(c) {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut buffer).bytes() {
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(|half| char::from(b"0123456789ABCDEF"[usize::from(half)])));
            }
        }
    }
    out
}

/// `text` with everything but unreserved characters escaped.
pub(super) fn encode_component(text: &str) -> String {
    escape(text, |c| c.is_ascii_alphanumeric() || "-_.~".contains(c))
}

fn encode_for_uri(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(Sequence::string(encode_component(&Args::new(args).text_or_empty(0)?)))
}

fn iri_to_uri(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let keep = |c: char| c.is_ascii_graphic() && !"<>\"{}|\\^`".contains(c);
    Ok(Sequence::string(escape(&Args::new(args).text_or_empty(0)?, keep)))
}

fn escape_html_uri(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(Sequence::string(escape(&Args::new(args).text_or_empty(0)?, |c| (' '..='~').contains(&c))))
}
