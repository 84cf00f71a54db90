//! Results written while they are made: no sequence of results, no trees of constructors whose nodes are only written.
//!
//! The xml method without indentation and the like, which is what programs ask for; everything else is evaluated first.

use super::Evaluator;
use super::construct::Builder;
use super::context::Env;
use crate::compile::plan::{Op, Plan, Program};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::serialize::xml::XmlWriter;
use phoenixmldb_xdm::serialize::{self, Method, Parameters};
use phoenixmldb_xdm::{EventSink, Function, Item, Node, NodeKind, Sequence};
use std::sync::Arc;

/// Text that a result is written to.
pub(super) struct Output {
    writer: XmlWriter,
    after_atomic: bool,
}

/// Whether these parameters ask for nothing but the markup itself.
fn is_plain(parameters: &Parameters) -> bool {
    parameters.method == Method::Xml
        && !parameters.indent
        && parameters.omit_declaration
        && parameters.standalone.is_none()
        && parameters.doctype_system.is_none()
        && parameters.doctype_public.is_none()
        && parameters.cdata_section_elements.is_empty()
        && parameters.item_separator.is_none()
        && !parameters.undeclare_prefixes
        && parameters.character_map.is_empty()
        && parameters.normalization_form.is_none()
        && matches!(parameters.version.as_deref(), None | Some("1.0"))
        && parameters.encoding.eq_ignore_ascii_case("utf-8")
}

/// Runs a program and writes its result.
pub(crate) fn serialize(
    program: &Arc<Program>,
    dynamic: &crate::context::DynamicContext,
    parameters: &Parameters,
) -> Result<String> {
    if !is_plain(parameters) {
        return serialize::sequence(&super::run(program, dynamic)?.0, parameters);
    }
    parameters.check()?;
    let mut evaluator = Evaluator::new(Arc::new(dynamic.clone()), program.clone());
    let mut out = Output { writer: XmlWriter::default(), after_atomic: false };
    let result = evaluator.set_context_item(program).and_then(|()| {
        let mut env = Env::new(program.slots, evaluator.initial.clone());
        evaluator.push(&program.body, &mut env, &mut out)?;
        evaluator.flush()
    });
    result.map_err(|error| evaluator.placed(error, 0))?;
    Ok(out.writer.into_text())
}

impl Evaluator {
    /// Evaluates an expression in output position.
    fn push(&mut self, plan: &Plan, env: &mut Env, out: &mut Output) -> Result<()> {
        let result = self.on_stack(|this| this.push_op(plan, env, out));
        result.map_err(|error| if plan.span.end == 0 { error } else { error.at(plan.span.start, plan.span.end) })
    }

    fn push_op(&mut self, plan: &Plan, env: &mut Env, out: &mut Output) -> Result<()> {
        match &plan.op {
            Op::Sequence(parts) => parts.iter().try_for_each(|part| self.push(part, env, out)),
            Op::Let(slot, declared, value, body) => {
                let value = self.eval(value, env)?;
                env.slots[*slot] = self.bound(value, declared.as_ref())?;
                self.push(body, env, out)
            }
            Op::If(condition, then, otherwise) => {
                let branch = if self.truth(condition, env)? { then } else { otherwise };
                self.push(branch, env, out)
            }
            Op::Flwor(clauses, result) => {
                let outer = std::mem::take(&mut self.kept_bytes);
                let done = self.tuples(clauses, env, &mut |this, env| {
                    let held = this.dynamic.meter.held_bytes();
                    this.push(result, env, out)?;
                    let kept = this.dynamic.meter.held_bytes().saturating_sub(held);
                    this.kept_bytes = this.kept_bytes.saturating_add(kept);
                    Ok(true)
                });
                self.kept_bytes = outer;
                done.map(|_| ())
            }
            Op::Construct(construct, context) if Builder::<XmlWriter>::can_stream(construct) => {
                out.after_atomic = false;
                let mut builder = Builder::over(std::mem::take(&mut out.writer), context);
                let result = self.emit(construct, context, &mut builder, env);
                out.writer = builder.finish();
                result
            }
            _ => {
                let held = self.dynamic.meter.held_bytes();
                let before = out.writer.held_bytes();
                let value = self.eval(plan, env)?;
                out.sequence(&value)?;
                // The value is gone once it is written.
                self.dynamic.meter.settle(held);
                self.hold((out.writer.held_bytes() - before) as u64)
            }
        }
    }
}

impl Output {
    /// Writes a value. Error: SENR0001.
    fn sequence(&mut self, value: &Sequence) -> Result<()> {
        for item in value {
            self.item(&item)?;
        }
        Ok(())
    }

    fn item(&mut self, item: &Item) -> Result<()> {
        match item {
            Item::Atomic(atomic) => {
                if std::mem::replace(&mut self.after_atomic, true) {
                    self.text(" ");
                }
                self.text(&atomic.to_str());
            }
            Item::Node(node) => {
                self.after_atomic = false;
                self.node(node)?;
            }
            Item::Function(Function::Array(array)) => {
                for member in array.members() {
                    self.sequence(member)?;
                }
            }
            Item::Function(_) => return Err(fail("SENR0001", "a function cannot be serialized")),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.writer.text(text).expect("writing to memory does not fail");
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        match node.kind() {
            NodeKind::Text => self.text(node.string_value()),
            NodeKind::Element | NodeKind::Comment | NodeKind::ProcessingInstruction if node.tree.declares_nothing() => {
                self.writer.subtree(&node.tree, node.pre).expect("writing to memory does not fail");
            }
            // Declarations of ancestors, documents, and the errors of what cannot be written.
            _ => {
                let text = serialize::sequence(&Sequence::from(node.clone()), &Parameters::default())?;
                self.writer.markup(&text);
            }
        }
        Ok(())
    }
}
