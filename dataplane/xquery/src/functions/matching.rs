//! Functions of regular expressions — F&O 3.1 §5.6.

use super::args::{Args, boolean, strings};
use super::limits::REGEXES_KEPT_MAX;
use super::regex::{Captures, RegexError, XPathRegex};
use super::signature::{FunctionEntry, fun};
use super::strings::is_xml_space;
use crate::context::FN_NAMESPACE;
use crate::eval::CallContext;
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::{ErrorCode, EventSink, Meter, Node, QName, Sequence, SinkError, TreeBuilder};
use std::sync::Arc;

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("matches", &["xs:string?", "xs:string", "xs:string"], "xs:boolean", matches).required(2),
    fun("replace", &["xs:string?", "xs:string", "xs:string", "xs:string"], "xs:string", replace).required(3),
    fun("tokenize", &["xs:string?", "xs:string", "xs:string"], "xs:string*", tokenize).required(1),
    fun("analyze-string", &["xs:string?", "xs:string", "xs:string"], "element()", analyze_string).required(2),
];

fn regex_error(error: RegexError) -> Box<Error> {
    Box::new(Error::new(ErrorCode(error.code), error.message))
}

/// The regular expression of a call; those of earlier calls are kept, because loops use the same one again and again.
fn compiled(ctx: &mut CallContext<'_>, args: &Args, flags: usize) -> Result<Arc<XPathRegex>> {
    let key = (args.text_or_empty(1)?, args.text_or_empty(flags)?);
    if let Some(known) = ctx.evaluator.regexes.get(&key) {
        return Ok(known.clone());
    }
    let regex = Arc::new(XPathRegex::new(&key.0, &key.1).map_err(regex_error)?);
    if ctx.evaluator.regexes.len() >= REGEXES_KEPT_MAX {
        ctx.evaluator.regexes.clear();
    }
    ctx.evaluator.regexes.insert(key, regex.clone());
    Ok(regex)
}

fn matches(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let regex = compiled(ctx, &args, 2)?;
    Ok(boolean(regex.is_match(&args.text_or_empty(0)?, &ctx.dynamic().meter)?))
}

/// Error: FORX0003 when the expression matches the empty string.
fn check_not_empty(regex: &XPathRegex) -> Result<()> {
    if regex.is_match("", &Meter::default())? {
        return Err(fail("FORX0003", "the regular expression matches the empty string"));
    }
    Ok(())
}

fn span(captures: &Captures, group: usize) -> Option<(usize, usize)> {
    captures.get(group).copied().flatten()
}

fn replace(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let regex = compiled(ctx, &args, 3)?;
    check_not_empty(&regex)?;
    let (text, by) = (args.text_or_empty(0)?, args.text_or_empty(2)?);
    let is_literal = args.text_or_empty(3)?.contains('q');
    let parts = if is_literal { vec![Part::Text(by.to_string())] } else { replacement(&by, regex.groups())? };
    let mut out = String::new();
    let mut checked = 1 << 20;
    let mut at = 0;
    for captures in regex.all(&text, &ctx.dynamic().meter)? {
        let Some((from, to)) = span(&captures, 0) else { continue };
        out.push_str(&text[at..from]);
        // What is made may be far longer than what it is made of.
        if out.len() > checked {
            ctx.fits(out.len())?;
            checked = 2 * out.len();
        }
        for part in &parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group(group) => {
                    let (from, to) = span(&captures, *group).unwrap_or((0, 0));
                    out.push_str(&text[from..to]);
                }
            }
        }
        at = to;
    }
    out.push_str(&text[at..]);
    Ok(Sequence::string(out))
}

enum Part {
    Text(String),
    Group(usize),
}

/// §5.6.4: `$N` and `\$`, `\\`. Error: FORX0004.
fn replacement(text: &str, groups: usize) -> Result<Vec<Part>> {
    let wrong = || fail("FORX0004", format!("replacement {text:?}: $ stands before a digit, \\ before $ or \\"));
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | '$')) => plain.push(c),
                _ => return Err(wrong()),
            },
            '$' => {
                let mut group = chars.next().and_then(|c| c.to_digit(10)).ok_or_else(wrong)? as usize;
                // Further digits belong to the number as long as there is such a group.
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    let longer = group * 10 + digit as usize;
                    if longer > groups {
                        break;
                    }
                    group = longer;
                    chars.next();
                }
                parts.push(Part::Text(std::mem::take(&mut plain)));
                if group <= groups {
                    parts.push(Part::Group(group));
                }
            }
            c => plain.push(c),
        }
    }
    parts.push(Part::Text(plain));
    Ok(parts)
}

fn tokenize(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let text = args.text_or_empty(0)?;
    if args.count() == 1 {
        return Ok(strings(text.split(is_xml_space).filter(|word| !word.is_empty())));
    }
    let regex = compiled(ctx, &args, 2)?;
    check_not_empty(&regex)?;
    if text.is_empty() {
        return Ok(Sequence::Empty);
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    for captures in regex.all(&text, &ctx.dynamic().meter)? {
        let Some((from, to)) = span(&captures, 0) else { continue };
        tokens.push(&text[at..from]);
        at = to;
    }
    tokens.push(&text[at..]);
    Ok(strings(tokens))
}

fn analyze_string(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let regex = compiled(ctx, &args, 2)?;
    check_not_empty(&regex)?;
    let text = args.text_or_empty(0)?;
    let all = regex.all(&text, &ctx.dynamic().meter)?;
    let tree = analysis(&regex, &text, &all).map_err(|error| fail("FOER0000", error.to_string()))?;
    ctx.hold(tree.tree.bytes())?;
    Ok(Sequence::from(tree))
}

fn name(local: &str) -> QName {
    QName::new("fn", FN_NAMESPACE, local)
}

fn analysis(regex: &XPathRegex, text: &str, all: &[Captures]) -> std::result::Result<Node, SinkError> {
    let mut builder = TreeBuilder::new(None);
    builder.start_element(&name("analyze-string-result"))?;
    builder.namespace("fn", FN_NAMESPACE)?;
    let mut at = 0;
    for captures in all {
        let Some((from, to)) = span(captures, 0) else { continue };
        between(&mut builder, &text[at..from])?;
        builder.start_element(&name("match"))?;
        groups(&mut builder, regex, text, captures, 0, from, to)?;
        builder.end_element()?;
        at = to;
    }
    between(&mut builder, &text[at..])?;
    builder.end_element()?;
    Ok(Node::root_of(&builder.finish()))
}

fn between(builder: &mut TreeBuilder, text: &str) -> std::result::Result<(), SinkError> {
    if text.is_empty() {
        return Ok(());
    }
    builder.start_element(&name("non-match"))?;
    builder.text(text)?;
    builder.end_element()
}

/// The text from `from` to `to` with the groups directly below `parent` as elements.
fn groups(
    builder: &mut TreeBuilder,
    regex: &XPathRegex,
    text: &str,
    captures: &Captures,
    parent: usize,
    from: usize,
    to: usize,
) -> std::result::Result<(), SinkError> {
    let mut at = from;
    for group in parent + 1..captures.len() {
        let Some((start, end)) = span(captures, group).filter(|_| regex.parent_of(group) == parent) else { continue };
        // A group of an earlier round of a repetition may lie before what has been written.
        if start < at || end > to {
            continue;
        }
        builder.text(&text[at..start])?;
        builder.start_element(&name("group"))?;
        builder.attribute(&QName::local("nr"), &group.to_string(), false)?;
        groups(builder, regex, text, captures, group, start, end)?;
        builder.end_element()?;
        at = end;
    }
    builder.text(&text[at..to])
}
