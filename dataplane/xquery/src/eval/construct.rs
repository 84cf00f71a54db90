//! Constructors (XQuery 3.1 §3.9): events into the builder of one tree.
//!
//! A constructor inside another emits into the same builder, so that nesting copies nothing; nodes that come from an
//! expression are copied row by row. Namespaces in scope are tracked, so that every name has its declaration and copies
//! bring along those of their ancestors.

use super::context::Env;
use super::{Evaluator, joined};
use crate::compile::check_attribute_name;
use crate::compile::plan::{Construct, Naming, Op, Plan};
use crate::context::StaticContext;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::function::Array;
use phoenixmldb_xdm::names::{XML_NAMESPACE, XMLNS_NAMESPACE, is_ncname};
use phoenixmldb_xdm::update::{Attribute, Content};
use phoenixmldb_xdm::{
    Atomic, EventSink, Function, Item, Node, NodeKind, QName, Sequence, SinkError, Str, TreeBuilder,
};
use std::borrow::Cow;
use std::sync::Arc;

/// An element that is being built.
#[derive(Default)]
struct Open {
    /// Declarations made on it.
    namespaces: Vec<(Str, Str)>,
    attributes: Vec<QName>,
    /// Content has begun, so that attributes come too late.
    has_content: bool,
    name: Option<QName>,
    is_document: bool,
}

/// A tree that is being built, or written.
pub(super) struct Builder<S> {
    sink: S,
    open: Vec<Open>,
    /// Namespace declarations of all open elements.
    declared: usize,
    /// The last thing was an atomic value, so that another one is set off by a space.
    after_atomic: bool,
    copy_preserve: bool,
    copy_inherit: bool,
}

pub(super) fn sink(result: std::result::Result<(), SinkError>) -> Result<()> {
    result.map_err(|error| fail("XQDY0901", error.to_string()))
}

impl<S: EventSink> Builder<S> {
    /// A builder that sends its events to a sink.
    pub(super) fn over(sink: S, context: &StaticContext) -> Self {
        let (copy_preserve, copy_inherit) = context.copy_namespaces;
        Self { sink, open: Vec::new(), declared: 0, after_atomic: false, copy_preserve, copy_inherit }
    }

    /// The sink, when all is sent.
    pub(super) fn finish(self) -> S {
        self.sink
    }

    /// Whether a constructor may send to a sink that other results go to as well.
    pub(super) fn can_stream(construct: &Construct) -> bool {
        matches!(construct, Construct::Element { .. })
    }

    /// The namespace of a prefix here; the empty one when there is none.
    fn namespace_of(&self, prefix: &str) -> Option<Str> {
        if prefix == "xml" {
            return Some(Str::from(XML_NAMESPACE));
        }
        let declared = self.open.iter().rev().flat_map(|open| open.namespaces.iter().rev());
        declared.into_iter().find(|(known, _)| known == prefix).map(|(_, uri)| uri.clone())
    }

    fn declare(&mut self, prefix: &str, uri: &str) -> Result<()> {
        let known = self.namespace_of(prefix).unwrap_or_default();
        if known == uri {
            return Ok(());
        }
        if let Some(open) = self.open.last_mut() {
            open.namespaces.push((prefix.into(), uri.into()));
            self.declared += 1;
        }
        sink(self.sink.namespace(prefix, uri))
    }

    fn start_element(&mut self, name: &QName) -> Result<()> {
        self.content();
        sink(self.sink.start_element(name))?;
        self.open.push(Open { name: Some(name.clone()), ..Open::default() });
        Ok(())
    }

    fn end_element(&mut self) -> Result<()> {
        self.declared -= self.open.pop().map_or(0, |open| open.namespaces.len());
        self.after_atomic = false;
        sink(self.sink.end_element())
    }

    /// Notes that content of the open element begins.
    fn content(&mut self) {
        self.after_atomic = false;
        if let Some(open) = self.open.last_mut() {
            open.has_content = true;
        }
    }

    /// Makes sure that the open element's own name is declared.
    fn declare_own_name(&mut self) -> Result<()> {
        let Some(name) = self.open.last().and_then(|open| open.name.clone()) else { return Ok(()) };
        if name.prefix != "xml" { self.declare(&name.prefix, &name.uri) } else { Ok(()) }
    }

    fn text(&mut self, text: &str) -> Result<()> {
        if !text.is_empty() {
            self.content();
            sink(self.sink.text(text))?;
        }
        Ok(())
    }

    /// Errors: XQTY0024 behind content, XPTY0004 in documents, XQDY0025 for a second one of the name.
    fn attribute(&mut self, name: &QName, value: &str) -> Result<()> {
        self.after_atomic = false;
        let normal = if is_xml_id(name) { Cow::Owned(collapse(value)) } else { Cow::Borrowed(value) };
        let Some(open) = self.open.last_mut() else {
            return sink(self.sink.attribute(name, &normal, is_xml_id(name)));
        };
        if open.is_document {
            return Err(fail("XPTY0004", format!("attribute {name} cannot be in a document")));
        }
        if open.has_content {
            return Err(fail("XQTY0024", format!("attribute {name} comes behind other content")));
        }
        if open.attributes.contains(name) {
            return Err(fail("XQDY0025", format!("attribute {name} is there twice")));
        }
        open.attributes.push(name.clone());
        let name = self.attribute_prefix(name)?;
        sink(self.sink.attribute(&name, &normal, is_xml_id(&name)))
    }

    /// The name with a prefix that is declared for its namespace, declaring one when needed.
    fn attribute_prefix(&mut self, name: &QName) -> Result<QName> {
        if name.uri.is_empty() || name.uri == XML_NAMESPACE {
            return Ok(name.clone());
        }
        let mut prefix = name.prefix.clone();
        let conflicts = |this: &Self, prefix: &str| {
            this.open.last().is_some_and(|open| {
                open.namespaces.iter().any(|(known, uri)| known == prefix && *uri != name.uri)
                    || open.name.as_ref().is_some_and(|own| own.prefix == prefix && own.uri != name.uri)
            })
        };
        let mut number = 0;
        while prefix.is_empty() || conflicts(self, &prefix) {
            prefix = Str::from(format!("ns{number}"));
            number += 1;
        }
        self.declare(&prefix, &name.uri)?;
        Ok(QName::new(prefix, name.uri.clone(), name.local.clone()))
    }

    /// A namespace node of the open element. Errors: XQTY0024, XQDY0102.
    fn namespace_node(&mut self, prefix: &str, uri: &str) -> Result<()> {
        self.after_atomic = false;
        let Some(open) = self.open.last() else { return Ok(()) };
        if open.has_content {
            return Err(fail("XQTY0024", "a namespace node comes behind other content"));
        }
        let conflict = open.namespaces.iter().any(|(known, other)| known == prefix && other != uri)
            || open.name.as_ref().is_some_and(|name| name.prefix == prefix && name.uri != uri);
        if conflict {
            return Err(fail("XQDY0102", format!("prefix {prefix:?} is bound to two namespaces on one element")));
        }
        if prefix == "xml" { Ok(()) } else { self.declare(prefix, uri) }
    }

    /// Copies a node; of a document its children.
    fn copy(&mut self, node: &Node) -> Result<()> {
        match node.kind() {
            NodeKind::Attribute if node.is_namespace() => {
                let prefix = node.name().expect("namespace nodes have names").local.clone();
                return self.namespace_node(&prefix, node.string_value());
            }
            NodeKind::Attribute => {
                let name = node.name().expect("attributes have names").clone();
                return self.attribute(&name, node.string_value());
            }
            NodeKind::Document => {
                let mut rows = Vec::new();
                let (axis, any) = (phoenixmldb_xdm::axes::Axis::Child, phoenixmldb_xdm::axes::NodeTest::Any);
                phoenixmldb_xdm::axes::step(&node.tree, node.pre, axis, any, &mut rows);
                return rows.into_iter().try_for_each(|pre| self.copy(&Node { tree: node.tree.clone(), pre }));
            }
            NodeKind::Element | NodeKind::Text | NodeKind::Comment | NodeKind::ProcessingInstruction => {}
        }
        let tree = &node.tree;
        if self.declared == 0 && tree.declares_nothing() && node.kind() != NodeKind::Text {
            self.content();
            return sink(self.sink.subtree(tree, node.pre));
        }
        self.content();
        let last = node.pre + tree.size(node.pre);
        // Last rows of the elements that are open in the copy.
        let mut ends: Vec<u32> = Vec::new();
        for pre in node.pre..=last {
            while ends.last().is_some_and(|end| *end < pre) {
                ends.pop();
                self.end_element()?;
            }
            let value = tree.string_value(pre);
            let name = tree.names().get(tree.name_id(pre));
            match (tree.kind(pre), name) {
                (NodeKind::Element, Some(name)) => {
                    self.start_element(name)?;
                    self.copy_namespaces(node, pre, name)?;
                    ends.push(pre + tree.size(pre));
                }
                (NodeKind::Attribute, Some(name)) => {
                    if !name.prefix.is_empty() && name.prefix != "xml" {
                        self.declare(&name.prefix, &name.uri)?;
                    }
                    sink(self.sink.attribute(name, value, tree.is_id(pre)))?;
                }
                (NodeKind::Text, _) => self.text(value)?,
                (NodeKind::Comment, _) => {
                    self.content();
                    sink(self.sink.comment(value))?;
                }
                (NodeKind::ProcessingInstruction, Some(name)) => {
                    self.content();
                    sink(self.sink.processing_instruction(&name.local, value))?;
                }
                _ => {}
            }
        }
        for _ in ends {
            self.end_element()?;
        }
        Ok(())
    }

    /// Declarations of a copied element: its own and, at the top of the copy, those of its ancestors.
    fn copy_namespaces(&mut self, node: &Node, pre: u32, name: &QName) -> Result<()> {
        let tree = &node.tree;
        let top = pre == node.pre;
        let own = top || !tree.declarations(pre).is_empty();
        if top && !self.copy_inherit {
            // What is declared around must not be seen in the copy.
            let around: Vec<Str> =
                self.open.iter().flat_map(|open| open.namespaces.iter().map(|(prefix, _)| prefix.clone())).collect();
            for prefix in around {
                let needed = tree.namespace_of(pre, &prefix);
                if needed.is_none() && !prefix.is_empty() {
                    self.declare(&prefix, "")?;
                }
            }
        }
        if self.copy_preserve && own {
            let mut at = Some(pre);
            let mut seen: Vec<Str> = Vec::new();
            while let Some(row) = at {
                for (prefix, uri) in tree.declarations(row) {
                    if !seen.contains(prefix) {
                        seen.push(prefix.clone());
                        self.declare(prefix, uri)?;
                    }
                }
                at = if top { tree.parent(row) } else { None };
            }
        }
        if name.prefix != "xml" { self.declare(&name.prefix, &name.uri) } else { Ok(()) }
    }

    /// Adds a node of a content expression. An empty text node vanishes, but sets the values around it apart.
    fn node(&mut self, node: &Node) -> Result<()> {
        if node.kind() == NodeKind::Text {
            self.after_atomic = false;
            return self.text(node.string_value());
        }
        self.copy(node)
    }

    /// Adds the items of a content expression (§3.9.1.3). Error: XQTY0105 for functions.
    fn items(&mut self, value: &Sequence) -> Result<()> {
        for item in value {
            match &item {
                Item::Function(Function::Array(array)) => self.members(array)?,
                item => self.item(item)?,
            }
        }
        Ok(())
    }

    /// Adds the members of an array, which may nest deeper than the stack is high.
    fn members(&mut self, array: &Array) -> Result<()> {
        let begun = |member: &Sequence| (member.clone(), 0);
        let mut pending: Vec<(Sequence, usize)> = array.members().iter().rev().map(begun).collect();
        while let Some((value, next)) = pending.last_mut() {
            let Some(item) = value.get(*next) else {
                pending.pop();
                continue;
            };
            *next += 1;
            match &item {
                Item::Function(Function::Array(inner)) => pending.extend(inner.members().iter().rev().map(begun)),
                item => self.item(item)?,
            }
        }
        Ok(())
    }

    fn item(&mut self, item: &Item) -> Result<()> {
        match item {
            Item::Node(node) => self.node(node)?,
            Item::Atomic(atomic) => {
                let text = atomic.to_str();
                if self.after_atomic {
                    self.text(" ")?;
                }
                self.text(&text)?;
                if text.is_empty()
                    && let Some(open) = self.open.last_mut()
                {
                    open.has_content |= open.is_document;
                }
                self.after_atomic = true;
            }
            Item::Function(_) => return Err(fail("XQTY0105", "a function cannot be content of an element")),
        }
        Ok(())
    }
}

fn is_xml_id(name: &QName) -> bool {
    name.local == "id" && name.uri == XML_NAMESPACE
}

/// The items, with arrays replaced by their members, however deep they are.
fn flattened(value: &Sequence) -> Vec<Item> {
    let mut found = Vec::new();
    let mut pending: Vec<Item> = value.iter().rev().collect();
    while let Some(item) = pending.pop() {
        match item {
            Item::Function(Function::Array(array)) => {
                let members = array.members().iter().rev();
                pending.extend(members.flat_map(|member| member.iter().rev().collect::<Vec<_>>()));
            }
            item => found.push(item),
        }
    }
    found
}

fn collapse(text: &str) -> String {
    text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What an expression gives as content of an element that does not exist (XQuery 3.1 §3.9.1.3, rule 1e).
pub(super) struct Insertion {
    /// Its attributes.
    pub(super) attributes: Vec<Attribute>,
    /// The other nodes, copied.
    pub(super) content: Content,
    /// The first attribute that came behind another node.
    pub(super) late: Option<QName>,
}

impl Evaluator {
    /// The nodes that an expression gives to insert. Error: XQTY0105 for functions.
    pub(super) fn insertion(
        &mut self,
        source: &Plan,
        context: &Arc<StaticContext>,
        env: &mut Env,
    ) -> Result<Insertion> {
        let sink_of = TreeBuilder::new(None).with_base_uri(context.base_uri.clone());
        let mut builder = Builder::over(sink_of, context);
        sink(builder.sink.start_document())?;
        builder.open.push(Open { is_document: true, ..Open::default() });
        let (mut attributes, mut late) = (Vec::new(), None);
        match &source.op {
            // Built where it will be copied from, so that it is copied once less.
            Op::Construct(construct, _) if matches!(**construct, Construct::Element { .. }) => {
                self.content(source, &mut builder, env)?;
            }
            _ => {
                let value = self.eval(source, env)?;
                for item in flattened(&value) {
                    match item {
                        Item::Node(node) if node.kind() == NodeKind::Attribute => {
                            let name = node.name().expect("attributes have names").clone();
                            if node.is_namespace() {
                                return Err(fail("XUTY0004", "a namespace node cannot be inserted"));
                            }
                            if builder.open.iter().any(|open| open.has_content) {
                                late.get_or_insert_with(|| name.clone());
                            }
                            builder.after_atomic = false;
                            attributes.push(Attribute { name, value: Str::from(node.string_value()) });
                        }
                        item => {
                            if let Item::Node(node) = &item {
                                self.charge(node.tree.size(node.pre) as usize)?;
                            }
                            builder.items(&Sequence::One(item))?;
                        }
                    }
                }
            }
        }
        builder.open.pop();
        sink(builder.sink.end_document())?;
        Ok(Insertion { attributes, content: Content::new(builder.finish().finish()), late })
    }

    pub(super) fn construct(
        &mut self,
        construct: &Construct,
        context: &Arc<StaticContext>,
        env: &mut Env,
    ) -> Result<Sequence> {
        if let Construct::Text(content) = construct {
            // No content gives no node, whereas an empty string gives an empty one.
            let value = self.eval(content, env)?;
            let values = value.atomize()?;
            if values.is_empty() {
                return Ok(Sequence::Empty);
            }
            let text = joined(&value)?;
            let tree = phoenixmldb_xdm::builder::text_tree(&text);
            return Ok(Sequence::from(Node::root_of(&tree)));
        }
        if let Construct::Namespace(prefix, content) = construct {
            let (prefix, uri) = self.namespace_binding(prefix, content, env)?;
            return Ok(Sequence::from(Node::root_of(&phoenixmldb_xdm::builder::namespace_tree(&prefix, &uri))));
        }
        let held = self.dynamic.meter.held_bytes();
        let tree = TreeBuilder::new(None).with_base_uri(context.base_uri.clone());
        let mut builder = Builder::over(tree, context);
        self.emit(construct, context, &mut builder, env)?;
        let tree = builder.finish().finish();
        self.dynamic.meter.settle(held);
        self.hold(tree.bytes() as u64)?;
        Ok(Sequence::from(Node::root_of(&tree)))
    }

    /// Sends the events of a constructor.
    pub(super) fn emit<S: EventSink>(
        &mut self,
        construct: &Construct,
        context: &Arc<StaticContext>,
        builder: &mut Builder<S>,
        env: &mut Env,
    ) -> Result<()> {
        self.charge(1)?;
        match construct {
            Construct::Element { name, namespaces, attributes, content } => {
                let name = self.element_name(name, context, env)?;
                builder.start_element(&name)?;
                for (prefix, uri) in namespaces {
                    builder.declare(prefix, uri)?;
                }
                builder.declare_own_name()?;
                for (name, value) in attributes {
                    let value = self.joined_text(value, env)?;
                    builder.attribute(name, value.as_str())?;
                }
                for part in content {
                    self.content(part, builder, env)?;
                    // Values of one enclosed expression are not set off from those of the next.
                    builder.after_atomic = false;
                }
                builder.end_element()
            }
            Construct::Literal(text) => {
                builder.after_atomic = false;
                builder.text(text)?;
                builder.after_atomic = false;
                Ok(())
            }
            Construct::Text(content) => {
                let value = self.eval(content, env)?;
                builder.after_atomic = false;
                builder.text(&joined(&value)?)?;
                builder.after_atomic = false;
                Ok(())
            }
            Construct::Attribute(name, content) => {
                let name = self.attribute_name(name, context, env)?;
                let value = joined(&self.eval(content, env)?)?;
                builder.attribute(&name, &value)
            }
            Construct::Comment(content) => {
                let text = joined(&self.eval(content, env)?)?;
                if text.contains("--") || text.ends_with('-') {
                    return Err(fail("XQDY0072", "a comment must not contain \"--\" or end with \"-\""));
                }
                builder.content();
                sink(builder.sink.comment(&text))
            }
            Construct::Pi(target, content) => {
                let target = self.ncname(target, env, "XQDY0041", "the target of a processing instruction")?;
                if target.eq_ignore_ascii_case("xml") {
                    return Err(fail("XQDY0064", "a processing instruction cannot be called \"xml\""));
                }
                let text = joined(&self.eval(content, env)?)?;
                let text = text.trim_start_matches([' ', '\t', '\n', '\r']);
                if text.contains("?>") {
                    return Err(fail("XQDY0026", "a processing instruction must not contain \"?>\""));
                }
                builder.content();
                sink(builder.sink.processing_instruction(&target, text))
            }
            Construct::Namespace(prefix, content) => {
                let (prefix, uri) = self.namespace_binding(prefix, content, env)?;
                builder.namespace_node(&prefix, &uri)
            }
            Construct::Document(content) => {
                builder.content();
                // Inside other content a document stands for its children.
                let nested = !builder.open.is_empty();
                if nested {
                    let value = self.construct(construct, context, env)?;
                    return builder.items(&value);
                }
                sink(builder.sink.start_document())?;
                builder.open.push(Open { is_document: true, ..Open::default() });
                self.content(content, builder, env)?;
                builder.open.pop();
                sink(builder.sink.end_document())
            }
        }
    }

    /// Prefix and URI of a namespace node. Errors: XPTY0004, XQDY0074, XQDY0101.
    fn namespace_binding(&mut self, prefix: &Naming, content: &Plan, env: &mut Env) -> Result<(Str, Str)> {
        let prefix = match prefix {
            Naming::Computed(plan) if joined(&self.eval(plan, env)?)?.is_empty() => Str::default(),
            prefix => self.ncname(prefix, env, "XQDY0074", "a prefix")?,
        };
        let uri = joined(&self.eval(content, env)?)?;
        let misused = prefix == "xmlns"
            || uri == XMLNS_NAMESPACE
            || uri.is_empty()
            || (prefix == "xml") != (uri == XML_NAMESPACE);
        if misused {
            return Err(fail("XQDY0101", format!("prefix {prefix:?} cannot be bound to {uri:?}")));
        }
        Ok((prefix, uri))
    }

    /// Content of an element: constructors emit, values are copied.
    fn content<S: EventSink>(&mut self, part: &Plan, builder: &mut Builder<S>, env: &mut Env) -> Result<()> {
        match &part.op {
            Op::Construct(construct, context) => {
                let place = |error: Box<phoenixmldb_xdm::Error>| {
                    if part.span.end == 0 { error } else { error.at(part.span.start, part.span.end) }
                };
                self.on_stack(|this| this.emit(construct, context, builder, env)).map_err(place)
            }
            Op::Sequence(parts) => {
                for part in parts {
                    self.content(part, builder, env)?;
                }
                Ok(())
            }
            // Under other modes for namespaces, what comes from an expression has to be copied.
            Op::Flwor(clauses, result) if builder.copy_preserve && builder.copy_inherit => {
                let outer = std::mem::take(&mut self.kept_bytes);
                let done = self.tuples(clauses, env, &mut |this, env| {
                    let held = this.dynamic.meter.held_bytes();
                    this.content(result, builder, env)?;
                    let kept = this.dynamic.meter.held_bytes().saturating_sub(held);
                    this.kept_bytes = this.kept_bytes.saturating_add(kept);
                    Ok(true)
                });
                self.kept_bytes = outer;
                done.map(|_| ())
            }
            _ => {
                let held = self.dynamic.meter.held_bytes();
                let before = builder.sink.held_bytes();
                if let Some(view) = self.view(part, env) {
                    self.charge(view.range.len() + 1)?;
                    for pre in view.rows() {
                        builder.node(&Node { tree: view.tree.clone(), pre: *pre })?;
                    }
                    return self.hold((builder.sink.held_bytes() - before) as u64);
                }
                let value = self.eval(part, env)?;
                self.has_room(&value)?;
                builder.items(&value)?;
                // The value is gone once it is copied.
                self.dynamic.meter.settle(held);
                self.hold((builder.sink.held_bytes() - before) as u64)
            }
        }
    }

    /// Whether copies of the nodes of a value have room. Error: [`Limit::Memory`](phoenixmldb_xdm::Limit::Memory).
    fn has_room(&self, value: &Sequence) -> Result<()> {
        let below = |node: &Node| u64::from(node.tree.size(node.pre)) + 1;
        let rows: u64 = match value {
            Sequence::Nodes(tree, rows) => rows.iter().map(|&pre| u64::from(tree.size(pre)) + 1).sum(),
            Sequence::Many(items) => items.iter().filter_map(Item::as_node).map(below).sum(),
            Sequence::One(item) => item.as_node().map_or(0, below),
            Sequence::Range(..) => value.len() as u64,
            Sequence::Empty => 0,
        };
        let held = self.dynamic.meter.held_bytes();
        self.hold(rows.saturating_mul(phoenixmldb_xdm::tree::ROW_BYTES as u64))?;
        self.dynamic.meter.settle(held);
        Ok(())
    }

    pub(super) fn ncname(&mut self, name: &Naming, env: &mut Env, code: &'static str, what: &str) -> Result<Str> {
        match name {
            Naming::Fixed(name) => Ok(name.local.clone()),
            Naming::Computed(plan) => match self.single_atomic(plan, env, what)? {
                Atomic::Untyped(text) | Atomic::String(text, _) => {
                    let text = collapse(&text);
                    if is_ncname(&text) { Ok(Str::from(text)) } else { Err(fail(code, format!("{text:?} is no name"))) }
                }
                other => Err(fail("XPTY0004", format!("{what} is a string, not {}", other.type_of()))),
            },
        }
    }

    /// A computed name. Errors: XPTY0004, XQDY0074.
    fn qname(&mut self, plan: &Plan, default: &str, context: &StaticContext, env: &mut Env) -> Result<QName> {
        let text = match self.single_atomic(plan, env, "the name of a constructor")? {
            Atomic::QName(name) => return Ok(QName::clone(&name)),
            Atomic::Untyped(text) | Atomic::String(text, _) => collapse(&text),
            other => return Err(fail("XPTY0004", format!("a name is no {}", other.type_of()))),
        };
        let bad = || fail("XQDY0074", format!("{text:?} is no name with a known prefix"));
        if let Some(rest) = text.strip_prefix("Q{") {
            let (uri, local) = rest.split_once('}').ok_or_else(bad)?;
            return if is_ncname(local) && !uri.contains('{') {
                Ok(QName::new("", collapse(uri), local))
            } else {
                Err(bad())
            };
        }
        match text.split_once(':') {
            None if is_ncname(&text) => Ok(QName::new("", default, text)),
            Some((prefix, local)) if is_ncname(prefix) && is_ncname(local) => {
                let uri = context.namespace(prefix).ok_or_else(bad)?;
                Ok(QName::new(prefix, uri, local))
            }
            _ => Err(bad()),
        }
    }

    pub(super) fn element_name(&mut self, name: &Naming, context: &StaticContext, env: &mut Env) -> Result<QName> {
        let name = match name {
            Naming::Fixed(name) => name.clone(),
            Naming::Computed(plan) => self.qname(plan, &context.default_element_namespace, context, env)?,
        };
        let reserved = name.uri == XMLNS_NAMESPACE
            || name.prefix == "xmlns"
            || (name.prefix == "xml") && name.uri != XML_NAMESPACE
            || !name.prefix.is_empty() && name.prefix != "xml" && name.uri == XML_NAMESPACE;
        if reserved {
            return Err(fail("XQDY0096", format!("no element can be called {name}")));
        }
        if name.uri == XML_NAMESPACE && name.prefix.is_empty() {
            return Ok(QName::new("xml", name.uri, name.local));
        }
        Ok(name)
    }

    pub(super) fn attribute_name(&mut self, name: &Naming, context: &StaticContext, env: &mut Env) -> Result<QName> {
        let name = match name {
            Naming::Fixed(name) => name.clone(),
            Naming::Computed(plan) => self.qname(plan, "", context, env)?,
        };
        check_attribute_name(&name)?;
        if name.uri == XML_NAMESPACE && name.prefix.is_empty() {
            return Ok(QName::new("xml", name.uri, name.local));
        }
        Ok(name)
    }
}
