//! Whether an outcome is what a case expects.

use crate::assertion::Assertion;
use crate::run::Setting;
use phoenixmldb_xdm::atomic::compare::Comparison;
use phoenixmldb_xdm::error::Error;
use phoenixmldb_xdm::serialize::{self, Parameters};
use phoenixmldb_xdm::{Atomic, Item, Meter, Node, NodeKind, ParseOptions, Sequence, Str, parse_xml};
use phoenixmldb_xquery::functions::deep_equal;
use phoenixmldb_xquery::functions::regex::XPathRegex;

/// What the options of the query's prolog say about serialization.
pub type Output = Result<Parameters, Box<Error>>;

/// A result or an error, with the output options of the query.
pub type Outcome = Result<(Sequence, Output), Box<Error>>;

/// `Err` says what was found instead of what was expected.
pub fn judge(setting: &Setting, assertion: &Assertion, outcome: &Outcome) -> Result<(), String> {
    match (assertion, outcome) {
        (Assertion::Any(all), _) => {
            let mut reasons = Vec::new();
            for assertion in all {
                match judge(setting, assertion, outcome) {
                    Ok(()) => return Ok(()),
                    Err(reason) => reasons.push(reason),
                }
            }
            Err(reasons.join(" | "))
        }
        (Assertion::All(all), _) => all.iter().try_for_each(|assertion| judge(setting, assertion, outcome)),
        (Assertion::Not(inner), _) => match judge(setting, inner, outcome) {
            Ok(()) => Err(format!("{inner:?} holds")),
            Err(_) => Ok(()),
        },
        (Assertion::Error(code), Err(error)) => {
            let found = &error.code;
            let wanted =
                code.strip_prefix("Q{").and_then(|rest| rest.split_once('}')).map_or(code.as_str(), |(_, l)| l);
            if wanted == "*" || found.local == wanted { Ok(()) } else { Err(format!("expected {code}, got {error}")) }
        }
        (Assertion::SerializationError(code), Err(error)) if code == "*" || error.code.local == *code => Ok(()),
        (_, Err(error)) => Err(format!("unexpected {error}")),
        (assertion, Ok((result, output))) => value(setting, assertion, result, output),
    }
}

fn shown(result: &Sequence) -> String {
    let parameters = Parameters { method: serialize::Method::Adaptive, ..Parameters::default() };
    let text = serialize::sequence(result, &parameters).unwrap_or_else(|error| error.to_string());
    text.chars().take(300).collect()
}

fn expect(holds: bool, expected: impl Into<String>, result: &Sequence) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("expected {}, got {}", expected.into(), shown(result))) }
}

/// Whether an expression over `$result` is true.
fn holds(setting: &Setting, result: &Sequence, expression: &str, names: &[(String, String)]) -> Result<bool, String> {
    // Assertions are XPath, in which an ampersand is nothing but itself, and line ends are what they are.
    let value = setting.value_over(result, &expression.replace('&', "&amp;").replace('\r', "&#xD;"), names);
    let value = value.and_then(|value| value.effective_boolean_value());
    value.map_err(|error| format!("assertion {expression}: {error}"))
}

fn value(setting: &Setting, assertion: &Assertion, result: &Sequence, output: &Output) -> Result<(), String> {
    match assertion {
        Assertion::Error(code) => Err(format!("expected error {code}, got {}", shown(result))),
        Assertion::Assert(expression, names) => {
            expect(holds(setting, result, expression, names)?, expression.as_str(), result)
        }
        Assertion::Eq(expression) => {
            expect(holds(setting, result, &format!("$result eq (\n{expression}\n)"), &[])?, expression.as_str(), result)
        }
        Assertion::DeepEq(expression) => {
            let deep = format!("deep-equal($result, (\n{expression}\n))");
            expect(holds(setting, result, &deep, &[])?, expression.as_str(), result)
        }
        Assertion::Permutation(expression) => {
            let expected = setting.value(expression).map_err(|error| error.to_string())?;
            expect(is_permutation(result, &expected), expression.as_str(), result)
        }
        Assertion::Count(count) => expect(result.len() == *count, format!("{count} items"), result),
        Assertion::Empty => expect(result.is_empty(), "no items", result),
        Assertion::True => expect(is_boolean(result, true), "true", result),
        Assertion::False => expect(is_boolean(result, false), "false", result),
        Assertion::Type(name) => {
            expect(holds(setting, result, &format!("$result instance of {name}"), &[])?, name.as_str(), result)
        }
        Assertion::StringValue { expected, normalize } => {
            let texts: Result<Vec<Str>, _> = result.iter().map(|item| item.string_value()).collect();
            let text = texts.map_err(|error| error.to_string())?.join(" ");
            let words = |text: &str| text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            let same = if *normalize { words(&text) == words(expected) } else { text == *expected };
            expect(same, format!("{expected:?}"), result)
        }
        Assertion::Xml { expected, .. } => {
            let expected = expected.clone()?;
            let parameters = Parameters { omit_declaration: true, ..Parameters::default() };
            let text = serialize::sequence(result, &parameters).map_err(|error| error.to_string())?;
            let same = text == expected || canonical(&text).is_some_and(|text| canonical(&expected) == Some(text));
            if same { Ok(()) } else { Err(format!("expected {expected}, got {text}")) }
        }
        Assertion::SerializationMatches { pattern, flags } => {
            let text = serialized(result, output)?;
            let regex = XPathRegex::new(pattern, flags).map_err(|error| error.to_string())?;
            match regex.is_match(&text, &Meter::default()) {
                Ok(true) => Ok(()),
                _ => Err(format!("{text} does not match {pattern}")),
            }
        }
        Assertion::Serialization(expected) => {
            let (text, expected) = (serialized(result, output)?, expected.clone()?);
            if text.trim() == expected.trim() { Ok(()) } else { Err(format!("expected {expected}, got {text}")) }
        }
        Assertion::SerializationError(code) => match output.clone().and_then(|p| serialize::sequence(result, &p)) {
            Ok(text) => Err(format!("expected error {code}, got {text}")),
            Err(error) if code == "*" || error.code.local == *code => Ok(()),
            Err(error) => Err(format!("expected error {code}, got {error}")),
        },
        Assertion::All(_) | Assertion::Any(_) | Assertion::Not(_) => unreachable!("judged before"),
    }
}

fn serialized(result: &Sequence, output: &Output) -> Result<String, String> {
    let parameters = output.clone().map_err(|error| error.to_string())?;
    serialize::sequence(result, &parameters).map_err(|error| error.to_string())
}

fn is_boolean(result: &Sequence, wanted: bool) -> bool {
    matches!(result.single(), Some(Item::Atomic(Atomic::Boolean(value))) if value == wanted)
}

fn is_permutation(result: &Sequence, expected: &Sequence) -> bool {
    let how = Comparison::default();
    let mut missing: Vec<Sequence> = expected.iter().map(Sequence::One).collect();
    for item in result.iter().map(Sequence::One) {
        let found = missing.iter().position(|other| deep_equal::sequences(&item, other, &how).unwrap_or(false));
        match found {
            Some(at) => missing.swap_remove(at),
            None => return false,
        };
    }
    missing.is_empty()
}

/// XML content in a form that does not depend on prefixes, the order of attributes and how characters are escaped.
fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let content = if text.starts_with("<?xml ") { text.split_once("?>").map_or(text, |(_, rest)| rest) } else { text };
    let wrapped = format!("<w>{content}</w>");
    let tree = parse_xml(wrapped.as_bytes(), &ParseOptions::default()).ok()?;
    let mut out = String::new();
    let mut row = 1;
    while row < tree.len() {
        let node = Node { tree: tree.clone(), pre: row };
        let name = node.name().map(ToString::to_string).unwrap_or_default();
        out.push_str(&format!("\n{} ", tree.level(row)));
        match node.kind() {
            NodeKind::Element => {
                let mut attributes = Vec::new();
                while row + 1 < tree.len() && tree.kind(row + 1) == NodeKind::Attribute {
                    row += 1;
                    let attribute = Node { tree: tree.clone(), pre: row };
                    let name = attribute.name().map(ToString::to_string).unwrap_or_default();
                    attributes.push(format!("{name}={:?}", attribute.string_value()));
                }
                attributes.sort();
                out.push_str(&format!("<{name} {}>", attributes.join(" ")));
            }
            NodeKind::ProcessingInstruction => out.push_str(&format!("<?{name} {:?}?>", node.string_value())),
            NodeKind::Comment => out.push_str(&format!("<!--{:?}-->", node.string_value())),
            NodeKind::Text | NodeKind::Attribute | NodeKind::Document => {
                out.push_str(&format!("{:?}", node.string_value()))
            }
        }
        row += 1;
    }
    Some(out)
}
