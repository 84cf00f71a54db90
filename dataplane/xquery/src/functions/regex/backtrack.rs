//! A backtracking matcher for expressions with back-references, which no linear-time engine can run.
//!
//! Continuations are a linked list on the stack. Every step is charged to the query's meter and the depth is bounded, so
//! that neither time nor stack runs away.

use super::Captures;
use super::parse::{Flags, Node, RegexError};
use super::translate::write_class;
use crate::functions::limits::REGEX_DEPTH_MAX;
use crate::limits::{STACK_RED_ZONE_BYTES, STACK_SEGMENT_BYTES};
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::{Limit, Meter};
use std::cell::Cell;

/// An expression ready to run.
#[derive(Clone, Debug)]
pub(super) struct Program {
    node: Step,
    groups: usize,
    flags: Flags,
}

#[derive(Clone, Debug)]
enum Step {
    Empty,
    /// One character that the expression accepts.
    One(regex::Regex),
    Start,
    End,
    Group(Option<usize>, Box<Self>),
    Sequence(Vec<Self>),
    Choice(Vec<Self>),
    Repeat {
        node: Box<Self>,
        min: u32,
        max: Option<u32>,
        lazy: bool,
    },
    Reference(usize),
}

/// What has to match behind the present place.
enum Next<'a> {
    Done,
    Steps(&'a [Step], &'a Self),
    CloseGroup(usize, usize, &'a Self),
    Again { node: &'a Step, min: u32, max: Option<u32>, lazy: bool, from: usize, next: &'a Self },
}

struct Run<'a> {
    text: &'a str,
    flags: Flags,
    captures: Captures,
    meter: &'a Meter,
    depth: Cell<usize>,
}

impl Program {
    pub(super) fn new(node: &Node, flags: Flags) -> std::result::Result<Self, RegexError> {
        let mut groups = 0;
        let node = build(node, flags, &mut groups)?;
        Ok(Self { node, groups, flags })
    }

    /// The leftmost match at or behind a byte offset.
    pub(super) fn find(&self, text: &str, from: usize, meter: &Meter) -> Result<Option<Captures>> {
        for start in (from..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let captures = vec![None; self.groups + 1];
            let mut run = Run { text, flags: self.flags, captures, meter, depth: Cell::new(0) };
            if let Some(end) = run.go(std::slice::from_ref(&self.node), start, &Next::Done)? {
                run.captures[0] = Some((start, end));
                return Ok(Some(run.captures));
            }
        }
        Ok(None)
    }
}

fn build(node: &Node, flags: Flags, groups: &mut usize) -> std::result::Result<Step, RegexError> {
    let one = |class: &str| {
        let case = if flags.ignore_case { "(?i)" } else { "" };
        let built = regex::Regex::new(&format!(r"{case}\A(?:{class})\z"));
        built.map(Step::One).map_err(|error| RegexError::pattern(class, &error.to_string()))
    };
    let mut all = |nodes: &[Node]| {
        nodes.iter().map(|node| build(node, flags, groups)).collect::<std::result::Result<Vec<_>, _>>()
    };
    Ok(match node {
        Node::Empty => Step::Empty,
        Node::Char(c) => one(&format!(r"\x{{{:X}}}", u32::from(*c)))?,
        Node::Any => one(if flags.dot_all { "(?s:.)" } else { r"[^\n\r]" })?,
        Node::Start => Step::Start,
        Node::End => Step::End,
        Node::Class(class) => {
            let mut text = String::new();
            write_class(&mut text, class);
            one(&text)?
        }
        Node::Sequence(nodes) => Step::Sequence(all(nodes)?),
        Node::Choice(nodes) => Step::Choice(all(nodes)?),
        Node::Reference(group) => Step::Reference(*group),
        Node::Group(number, node) => {
            *groups = (*groups).max(number.unwrap_or(0));
            Step::Group(*number, Box::new(build(node, flags, groups)?))
        }
        Node::Repeat { node, min, max, lazy } => {
            let node = Box::new(build(node, flags, groups)?);
            Step::Repeat { node, min: *min, max: *max, lazy: *lazy }
        }
    })
}

impl Run<'_> {
    /// Matches the steps from `at`, then `next`; the end of the match.
    fn go(&mut self, steps: &[Step], at: usize, next: &Next<'_>) -> Result<Option<usize>> {
        self.meter.charge(1)?;
        if self.depth.get() > REGEX_DEPTH_MAX {
            let message = format!("matching with back-references recurses deeper than {REGEX_DEPTH_MAX} frames");
            return Err(Limit::Stack.exceeded(message));
        }
        self.depth.set(self.depth.get() + 1);
        let end = stacker::maybe_grow(STACK_RED_ZONE_BYTES, STACK_SEGMENT_BYTES, || self.step(steps, at, next));
        self.depth.set(self.depth.get() - 1);
        end
    }

    fn step(&mut self, steps: &[Step], at: usize, next: &Next<'_>) -> Result<Option<usize>> {
        let Some((first, rest)) = steps.split_first() else { return self.follow(at, next) };
        match first {
            Step::Empty => self.go(rest, at, next),
            Step::One(class) => match self.text[at..].chars().next() {
                Some(c) if class.is_match(&self.text[at..at + c.len_utf8()]) => self.go(rest, at + c.len_utf8(), next),
                _ => Ok(None),
            },
            Step::Start => {
                let line = self.flags.multi_line && self.text[..at].ends_with('\n');
                if at == 0 || line { self.go(rest, at, next) } else { Ok(None) }
            }
            Step::End => {
                let line = self.flags.multi_line && self.text[at..].starts_with('\n');
                if at == self.text.len() || line { self.go(rest, at, next) } else { Ok(None) }
            }
            Step::Sequence(nodes) => self.go(nodes, at, &Next::Steps(rest, next)),
            Step::Choice(nodes) => {
                for node in nodes {
                    let end = self.go(std::slice::from_ref(node), at, &Next::Steps(rest, next))?;
                    if end.is_some() {
                        return Ok(end);
                    }
                }
                Ok(None)
            }
            Step::Group(None, node) => self.go(std::slice::from_ref(node), at, &Next::Steps(rest, next)),
            Step::Group(Some(number), node) => {
                let before = self.captures[*number];
                let rest = Next::Steps(rest, next);
                let end = self.go(std::slice::from_ref(node), at, &Next::CloseGroup(*number, at, &rest))?;
                if end.is_none() {
                    self.captures[*number] = before;
                }
                Ok(end)
            }
            Step::Reference(number) => {
                // A group that took part in no match stands for the empty string.
                let (from, to) = self.captures[*number].unwrap_or((0, 0));
                let wanted = &self.text[from..to];
                let found = self.text.get(at..at + wanted.len());
                let same = |found: &str| {
                    found == wanted || self.flags.ignore_case && found.to_lowercase() == wanted.to_lowercase()
                };
                if found.is_some_and(same) { self.go(rest, at + wanted.len(), next) } else { Ok(None) }
            }
            Step::Repeat { node, min, max, lazy } => {
                let rest = Next::Steps(rest, next);
                self.repeat(node, *min, *max, *lazy, at, &rest)
            }
        }
    }

    fn repeat(
        &mut self,
        node: &Step,
        min: u32,
        max: Option<u32>,
        lazy: bool,
        at: usize,
        next: &Next<'_>,
    ) -> Result<Option<usize>> {
        if lazy && min == 0 {
            let end = self.go(&[], at, next)?;
            if end.is_some() {
                return Ok(end);
            }
        }
        if max != Some(0) {
            let again =
                Next::Again { node, min: min.saturating_sub(1), max: max.map(|max| max - 1), lazy, from: at, next };
            let end = self.go(std::slice::from_ref(node), at, &again)?;
            if end.is_some() {
                return Ok(end);
            }
        }
        if !lazy && min == 0 { self.go(&[], at, next) } else { Ok(None) }
    }

    fn follow(&mut self, at: usize, next: &Next<'_>) -> Result<Option<usize>> {
        match next {
            Next::Done => Ok(Some(at)),
            Next::Steps(steps, next) => self.go(steps, at, next),
            Next::CloseGroup(number, from, next) => {
                let before = self.captures[*number];
                self.captures[*number] = Some((*from, at));
                let end = self.go(&[], at, next)?;
                if end.is_none() {
                    self.captures[*number] = before;
                }
                Ok(end)
            }
            // A round that matched nothing would match nothing for ever.
            Next::Again { min: 0, from, next, .. } if *from == at => self.go(&[], at, next),
            Next::Again { node, min, max, lazy, next, .. } => self.repeat(node, *min, *max, *lazy, at, next),
        }
    }
}
