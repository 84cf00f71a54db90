//! The tree in the syntax of the `regex` crate.

use super::parse::{Class, Flags, Node, Part};
use std::fmt::Write;

pub(super) fn translate(node: &Node, flags: Flags) -> String {
    let mut out = String::from(if flags.ignore_case { "(?i)" } else { "" });
    write_node(&mut out, node, flags);
    out
}

fn write_node(out: &mut String, node: &Node, flags: Flags) {
    match node {
        Node::Empty => out.push_str("(?:)"),
        Node::Char(c) => write_char(out, *c),
        Node::Any => out.push_str(if flags.dot_all { "(?s:.)" } else { r"[^\n\r]" }),
        Node::Start => out.push_str(if flags.multi_line { "(?m:^)" } else { r"\A" }),
        Node::End => out.push_str(if flags.multi_line { "(?m:$)" } else { r"\z" }),
        Node::Class(class) => {
            // Categories such as Lu are not widened by the flag `i` (F&O 3.1 §5.6.1.1).
            let fixed = flags.ignore_case && class.minus.is_none() && is_escape(class);
            out.push_str(if fixed { "(?-i:" } else { "(?:" });
            write_class(out, class);
            out.push(')');
        }
        Node::Group(number, node) => {
            out.push_str(if number.is_some() { "(" } else { "(?:" });
            write_node(out, node, flags);
            out.push(')');
        }
        Node::Sequence(nodes) => nodes.iter().for_each(|node| write_node(out, node, flags)),
        Node::Choice(nodes) => {
            out.push_str("(?:");
            for (i, node) in nodes.iter().enumerate() {
                if i > 0 {
                    out.push('|');
                }
                write_node(out, node, flags);
            }
            out.push(')');
        }
        Node::Repeat { node, min, max, lazy } => {
            out.push_str("(?:");
            write_node(out, node, flags);
            out.push(')');
            let _ = match max {
                Some(max) => write!(out, "{{{min},{max}}}"),
                None => write!(out, "{{{min},}}"),
            };
            if *lazy {
                out.push('?');
            }
        }
        Node::Reference(_) => unreachable!("expressions with references go to the backtracker"),
    }
}

fn is_escape(class: &Class) -> bool {
    matches!(class.parts.as_slice(), [Part::Escape(_)])
}

fn write_char(out: &mut String, c: char) {
    if c.is_alphanumeric() {
        out.push(c);
    } else {
        let _ = write!(out, r"\x{{{:X}}}", u32::from(c));
    }
}

/// A class in brackets.
pub(super) fn write_class(out: &mut String, class: &Class) {
    out.push('[');
    out.push_str(if class.negated { "[^" } else { "[" });
    for part in &class.parts {
        match part {
            Part::Range(from, to) => {
                write_char(out, *from);
                if from != to {
                    out.push('-');
                    write_char(out, *to);
                }
            }
            Part::Escape(text) => out.push_str(text),
        }
    }
    out.push(']');
    if let Some(minus) = &class.minus {
        out.push_str("--");
        write_class(out, minus);
    }
    out.push(']');
}
