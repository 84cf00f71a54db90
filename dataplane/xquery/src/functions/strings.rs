//! Strings — F&O 3.1 §5, except regular expressions.

use super::args::{Args, boolean, context_item, count, integer, strings};
use super::collation;
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use phoenixmldb_xdm::Str;
use phoenixmldb_xdm::atomic::Atomic;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::item::Item;
use phoenixmldb_xdm::names::is_xml_char;
use phoenixmldb_xdm::sequence::Sequence;
use std::cmp::Ordering;
use std::sync::Arc;

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("string", &["item()?"], "xs:string", string).required(0).depends(Depends::Focus),
    fun("codepoints-to-string", &["xs:integer*"], "xs:string", codepoints_to_string),
    fun("string-to-codepoints", &["xs:string?"], "xs:integer*", string_to_codepoints),
    fun("compare", &["xs:string?", "xs:string?", "xs:string"], "xs:integer?", compare).required(2),
    fun("codepoint-equal", &["xs:string?", "xs:string?"], "xs:boolean?", codepoint_equal),
    fun("collation-key", &["xs:string", "xs:string"], "xs:base64Binary", collation_key).required(1),
    fun("contains-token", &["xs:string*", "xs:string", "xs:string"], "xs:boolean", contains_token).required(2),
    fun("concat", &["xs:anyAtomicType?", "xs:anyAtomicType?"], "xs:string", concat).variadic(),
    fun("string-join", &["xs:anyAtomicType*", "xs:string"], "xs:string", string_join).required(1),
    fun("substring", &["xs:string?", "xs:double", "xs:double"], "xs:string", substring).required(2),
    fun("string-length", &["xs:string?"], "xs:integer", string_length).required(0).depends(Depends::Focus),
    fun("normalize-space", &["xs:string?"], "xs:string", normalize_space).required(0).depends(Depends::Focus),
    fun("normalize-unicode", &["xs:string?", "xs:string"], "xs:string", normalize_unicode).required(1),
    fun("upper-case", &["xs:string?"], "xs:string", upper_case),
    fun("lower-case", &["xs:string?"], "xs:string", lower_case),
    fun("translate", &["xs:string?", "xs:string", "xs:string"], "xs:string", translate),
    fun("contains", &["xs:string?", "xs:string?", "xs:string"], "xs:boolean", contains).required(2),
    fun("starts-with", &["xs:string?", "xs:string?", "xs:string"], "xs:boolean", starts_with).required(2),
    fun("ends-with", &["xs:string?", "xs:string?", "xs:string"], "xs:boolean", ends_with).required(2),
    fun("substring-before", &["xs:string?", "xs:string?", "xs:string"], "xs:string", substring_before).required(2),
    fun("substring-after", &["xs:string?", "xs:string?", "xs:string"], "xs:string", substring_after).required(2),
];

fn string(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let item = if args.count() == 0 { Some(context_item(ctx)?) } else { args.get(0).first() };
    match item {
        None => Ok(Sequence::string("")),
        Some(item) => Ok(Sequence::string(item.string_value()?)),
    }
}

fn codepoints_to_string(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut text = String::new();
    // One item at a time: a range may be longer than memory, and its first bad codepoint ends it.
    for item in &args[0] {
        ctx.charge(1)?;
        let Some(Atomic::Integer(value, _)) = item.as_atomic() else {
            return Err(fail("XPTY0004", "codepoints are integers"));
        };
        let c = u32::try_from(value.0).ok().and_then(char::from_u32).filter(|c| is_xml_char(*c));
        let value = value.0;
        text.push(c.ok_or_else(|| fail("FOCH0001", format!("codepoint {value} is not an XML character")))?);
    }
    Ok(Sequence::string(text))
}

fn string_to_codepoints(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let text = Args::new(args).text_or_empty(0)?;
    Ok(text.chars().map(|c| Item::integer(i64::from(u32::from(c)))).collect())
}

fn compare(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let collation = collation::of(ctx, args.text(2)?)?;
    let (Some(a), Some(b)) = (args.text(0)?, args.text(1)?) else { return Ok(Sequence::Empty) };
    Ok(integer(match collation.compare(&a, &b) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }))
}

fn codepoint_equal(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (Some(a), Some(b)) = (args.text(0)?, args.text(1)?) else { return Ok(Sequence::Empty) };
    Ok(boolean(a == b))
}

fn collation_key(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let key = collation::of(ctx, args.text(1)?)?.key(&args.text_or_empty(0)?);
    Ok(Sequence::from(Atomic::Base64Binary(Arc::from(key))))
}

fn contains_token(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let collation = collation::of(ctx, args.text(2)?)?;
    let token = args.text_or_empty(1)?;
    let token = trim_xml(&token);
    if token.is_empty() {
        return Ok(boolean(false));
    }
    let equal = |part: &str| !part.is_empty() && collation.compare(part, token) == Ordering::Equal;
    let found = args.get(0).atomize()?.iter().any(|text| text.to_str().split(is_xml_space).any(equal));
    Ok(boolean(found))
}

pub(super) fn is_xml_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

pub(super) fn trim_xml(text: &str) -> &str {
    text.trim_matches(is_xml_space)
}

fn concat(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut text = String::new();
    for arg in &args {
        for value in arg.atomize()? {
            let value = value.to_str();
            ctx.fits(text.len() + value.len())?;
            text.push_str(&value);
        }
    }
    Ok(Sequence::string(text))
}

fn string_join(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let separator = args.text_or_empty(1)?;
    let mut text = String::new();
    for (i, value) in args.get(0).atomize()?.iter().enumerate() {
        if i > 0 {
            text.push_str(&separator);
        }
        let value = value.to_str();
        ctx.fits(text.len() + value.len() + separator.len())?;
        text.push_str(&value);
    }
    Ok(Sequence::string(text))
}

/// `fn:round` of a double, towards positive infinity at a half.
fn round(value: f64) -> f64 {
    (value + 0.5).floor()
}

fn substring(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let text = args.text_or_empty(0)?;
    let from = round(args.double(1)?.unwrap_or(f64::NAN));
    let to = match args.count() {
        2 => f64::INFINITY,
        _ => from + round(args.double(2)?.unwrap_or(f64::NAN)),
    };
    let mut position = 0.0;
    let inside = |_: &char| {
        position += 1.0;
        position >= from && position < to
    };
    Ok(Sequence::string(text.chars().filter(inside).collect::<String>()))
}

/// The text of an optional argument; the string value of the context item when it was left out.
fn text_or_context(ctx: &CallContext<'_>, args: &Args) -> Result<Str> {
    if args.count() == 0 { context_item(ctx)?.string_value() } else { args.text_or_empty(0) }
}

fn string_length(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(count(text_or_context(ctx, &Args::new(args))?.chars().count()))
}

fn normalize_space(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let text = text_or_context(ctx, &Args::new(args))?;
    let words: Vec<&str> = text.split(is_xml_space).filter(|word| !word.is_empty()).collect();
    Ok(Sequence::string(words.join(" ")))
}

fn normalize_unicode(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let text = args.text_or_empty(0)?;
    let form = if args.count() > 1 { args.text_or_empty(1)?.trim().to_uppercase() } else { "NFC".to_owned() };
    let text = match form.as_str() {
        "" => text.to_string(),
        "NFC" => ComposingNormalizerBorrowed::new_nfc().normalize(&text).into_owned(),
        "NFKC" => ComposingNormalizerBorrowed::new_nfkc().normalize(&text).into_owned(),
        "NFD" => DecomposingNormalizerBorrowed::new_nfd().normalize(&text).into_owned(),
        "NFKD" => DecomposingNormalizerBorrowed::new_nfkd().normalize(&text).into_owned(),
        other => return Err(fail("FOCH0003", format!("normalization form {other:?} is not supported"))),
    };
    Ok(Sequence::string(text))
}

fn upper_case(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(Sequence::string(Args::new(args).text_or_empty(0)?.to_uppercase()))
}

fn lower_case(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(Sequence::string(Args::new(args).text_or_empty(0)?.to_lowercase()))
}

fn translate(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (text, from, to) = (args.text_or_empty(0)?, args.text_or_empty(1)?, args.text_or_empty(2)?);
    let mut pairs = hashbrown::HashMap::new();
    let mut to = to.chars();
    for c in from.chars() {
        let by = to.next();
        pairs.entry(c).or_insert(by);
    }
    let replaced = text.chars().filter_map(|c| pairs.get(&c).copied().unwrap_or(Some(c)));
    Ok(Sequence::string(replaced.collect::<String>()))
}

/// Both texts and the collation of a search.
fn search_args(ctx: &CallContext<'_>, args: Vec<Sequence>) -> Result<(Str, Str, collation::Collation)> {
    let args = Args::new(args);
    Ok((args.text_or_empty(0)?, args.text_or_empty(1)?, collation::of(ctx, args.text(2)?)?))
}

fn contains(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let (text, part, collation) = search_args(ctx, args)?;
    Ok(boolean(collation.search(&text, &part).is_some()))
}

fn starts_with(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let (text, part, collation) = search_args(ctx, args)?;
    Ok(boolean(collation.prefix(&text, &part).is_some()))
}

fn ends_with(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let (text, part, collation) = search_args(ctx, args)?;
    Ok(boolean(collation.is_suffix(&text, &part)))
}

fn substring_before(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let (text, part, collation) = search_args(ctx, args)?;
    Ok(strings([collation.search(&text, &part).map_or("", |(from, _)| &text[..from])]))
}

fn substring_after(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let (text, part, collation) = search_args(ctx, args)?;
    Ok(strings([collation.search(&text, &part).map_or("", |(_, to)| &text[to..])]))
}
