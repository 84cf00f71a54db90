//! Updating expressions (XQuery Update Facility 3.0 §5): checked targets and copied content become pending updates.
//!
//! Pending updates go to [`Evaluator::pending`], beside the value of the expression. Only `copy … modify` and
//! `transform with` apply a list; nothing else is changed by evaluating.

use super::construct::{Insertion, sink};
use super::context::{Env, Focus};
use super::{Evaluator, joined};
use crate::compile::plan::{Naming, Plan, Slot, Update as UpdatePlan};
use crate::context::StaticContext;
use crate::syntax::ast::InsertPosition;
use phoenixmldb_xdm::copy::copy_node;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::update::{Update, check_attribute_names, check_element_name};
use phoenixmldb_xdm::{Item, Node, NodeKind, QName, Sequence, Tree};
use std::sync::Arc;

/// The only node of a target. Errors: XUDY0027 for none, `code` for anything else that `accepts` does not.
fn single(value: &Sequence, code: &'static str, wanted: &str, accepts: fn(NodeKind) -> bool) -> Result<Node> {
    if value.is_empty() {
        return Err(fail("XUDY0027", format!("the target is empty where {wanted} is needed")));
    }
    match value.single() {
        Some(Item::Node(node)) if accepts(node.kind()) => Ok(node),
        _ => Err(fail(code, format!("the target is not {wanted}"))),
    }
}

fn is_leaf_or_element(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::Element | NodeKind::Text | NodeKind::Comment | NodeKind::ProcessingInstruction)
}

impl Evaluator {
    pub(super) fn update(
        &mut self,
        update: &UpdatePlan,
        context: &Arc<StaticContext>,
        env: &mut Env,
    ) -> Result<Sequence> {
        self.charge(1)?;
        match update {
            UpdatePlan::Insert(source, position, target) => {
                let insertion = self.insertion(source, context, env)?;
                let target = self.eval(target, env)?;
                self.insert(insertion, *position, &target)?;
            }
            UpdatePlan::Delete(target) => {
                let targets = self.eval(target, env)?;
                for item in &targets {
                    let Item::Node(node) = item else {
                        return Err(fail("XUTY0007", "only nodes can be deleted"));
                    };
                    if node.parent().is_some() {
                        self.pending.push(node, Update::Delete);
                    }
                }
                self.charge(targets.len())?;
            }
            UpdatePlan::ReplaceNode(target, source) => {
                let insertion = self.insertion(source, context, env)?;
                let target = self.eval(target, env)?;
                self.replace_node(insertion, &target)?;
            }
            UpdatePlan::ReplaceValue(target, source) => self.replace_value(target, source, env)?,
            UpdatePlan::Rename(target, name) => self.rename(target, name, context, env)?,
            UpdatePlan::CopyModify(copies, modify, result) => {
                return self.copy_modify(copies, modify, result, context, env);
            }
            UpdatePlan::Transform(input, modify) => return self.transform(input, modify, context, env),
            UpdatePlan::Invoke(function, args) => {
                let Some(Item::Function(function)) = self.eval(function, env)?.single() else {
                    return Err(fail("XPTY0004", "what is called is not one function"));
                };
                let args = args.iter().map(|arg| self.eval(arg, env)).collect::<Result<Vec<_>>>()?;
                return self.call(&function, args);
            }
        }
        Ok(Sequence::Empty)
    }

    fn insert(&mut self, insertion: Insertion, position: InsertPosition, target: &Sequence) -> Result<()> {
        let Insertion { attributes, content, late } = insertion;
        if let Some(name) = late {
            return Err(fail("XUTY0004", format!("attribute {name} comes behind other nodes")));
        }
        let beside = matches!(position, InsertPosition::Before | InsertPosition::After);
        let (target, owner) = if beside {
            let wanted = "one element, text, comment or processing instruction";
            let target = single(target, "XUTY0006", wanted, is_leaf_or_element)?;
            let parent = target.parent().ok_or_else(|| fail("XUDY0029", "the target has no parent"))?;
            (target, parent)
        } else {
            let holds = |kind| matches!(kind, NodeKind::Element | NodeKind::Document);
            let target = single(target, "XUTY0005", "one element or document", holds)?;
            (target.clone(), target)
        };
        if !attributes.is_empty() {
            if owner.kind() != NodeKind::Element {
                let code = if beside { "XUDY0030" } else { "XUTY0022" };
                return Err(fail(code, "a document has no attributes"));
            }
            check_attribute_names(&owner, attributes.iter().map(|attribute| &attribute.name))?;
            self.pending.push(owner, Update::InsertAttributes(attributes));
        }
        if !content.is_empty() {
            let update = match position {
                InsertPosition::Into => Update::InsertInto(content),
                InsertPosition::AsFirstInto => Update::InsertIntoAsFirst(content),
                InsertPosition::AsLastInto => Update::InsertIntoAsLast(content),
                InsertPosition::Before => Update::InsertBefore(content),
                InsertPosition::After => Update::InsertAfter(content),
            };
            self.pending.push(target, update);
        }
        Ok(())
    }

    fn replace_node(&mut self, insertion: Insertion, target: &Sequence) -> Result<()> {
        let Insertion { attributes, content, .. } = insertion;
        let not_document = |kind| kind != NodeKind::Document;
        let target = single(target, "XUTY0008", "one node that is no document", not_document)?;
        let parent = target.parent().ok_or_else(|| fail("XUDY0009", "a node without parent cannot be replaced"))?;
        let update = if target.kind() == NodeKind::Attribute {
            if !content.is_empty() {
                return Err(fail("XUTY0011", "an attribute can be replaced by attributes only"));
            }
            check_attribute_names(&parent, attributes.iter().map(|attribute| &attribute.name))?;
            Update::ReplaceAttribute(attributes)
        } else {
            if let Some(attribute) = attributes.first() {
                let message = format!("attribute {} cannot take the place of a child", attribute.name);
                return Err(fail("XUTY0010", message));
            }
            Update::ReplaceNode(content)
        };
        self.pending.push(target, update);
        Ok(())
    }

    fn replace_value(&mut self, target: &Plan, source: &Plan, env: &mut Env) -> Result<()> {
        let value = joined(&self.eval(source, env)?)?;
        let not_document = |kind| kind != NodeKind::Document;
        let target = self.eval(target, env)?;
        let target = single(&target, "XUTY0008", "one node that is no document", not_document)?;
        let update = match target.kind() {
            NodeKind::Element => Update::ReplaceElementContent(value),
            NodeKind::Comment if value.contains("--") || value.ends_with('-') => {
                return Err(fail("XQDY0072", "a comment must not contain \"--\" or end with \"-\""));
            }
            NodeKind::ProcessingInstruction if value.contains("?>") => {
                return Err(fail("XQDY0026", "a processing instruction must not contain \"?>\""));
            }
            _ => Update::ReplaceValue(value),
        };
        self.pending.push(target, update);
        Ok(())
    }

    fn rename(&mut self, target: &Plan, name: &Plan, context: &Arc<StaticContext>, env: &mut Env) -> Result<()> {
        let named = |kind| matches!(kind, NodeKind::Element | NodeKind::Attribute | NodeKind::ProcessingInstruction);
        let target = self.eval(target, env)?;
        let target = single(&target, "XUTY0012", "one element, attribute or processing instruction", named)?;
        let name = Naming::Computed(Box::new(name.clone()));
        let name = match target.kind() {
            NodeKind::Element => {
                let name = self.element_name(&name, context, env)?;
                check_element_name(&target, &name)?;
                name
            }
            NodeKind::Attribute => {
                let name = self.attribute_name(&name, context, env)?;
                if let Some(parent) = target.parent() {
                    check_attribute_names(&parent, [&name])?;
                }
                name
            }
            _ => {
                let name = self.ncname(&name, env, "XQDY0041", "the target of a processing instruction")?;
                if name.eq_ignore_ascii_case("xml") {
                    return Err(fail("XQDY0064", "a processing instruction cannot be called \"xml\""));
                }
                QName::local(name)
            }
        };
        self.pending.push(target, Update::Rename(name));
        Ok(())
    }

    /// The copy of a single node. Error: XUTY0013.
    fn copy(&mut self, source: &Sequence, context: &StaticContext) -> Result<Arc<Tree>> {
        let Some(Item::Node(node)) = source.single() else {
            return Err(fail("XUTY0013", "what is copied is one node"));
        };
        self.charge(node.tree.size(node.pre) as usize)?;
        let mut tree = None;
        let base = crate::functions::nodes::base_of(&node, context.base_uri.as_ref());
        sink(copy_node(&node, context.copy_namespaces.0, base).map(|copy| tree = Some(copy)))?;
        Ok(tree.expect("set unless there was an error"))
    }

    /// Evaluates `modify` and applies its updates to the copies. Errors: XUDY0014, XUDY0037, and those of applying.
    fn modify(
        &mut self,
        copies: &[Arc<Tree>],
        modify: &Plan,
        context: &StaticContext,
        env: &mut Env,
    ) -> Result<Vec<Sequence>> {
        let outer = std::mem::take(&mut self.pending);
        let evaluated = self.eval(modify, env);
        let pending = std::mem::replace(&mut self.pending, outer);
        evaluated?;
        for primitive in pending.primitives() {
            if matches!(primitive.update, Update::Put(_)) {
                return Err(fail("XUDY0037", "a copy cannot be stored while it is modified"));
            }
            if !copies.iter().any(|copy| Arc::ptr_eq(copy, &primitive.target.tree)) {
                return Err(fail("XUDY0014", "a node is modified that is none of the copies"));
            }
        }
        let touched =
            copies.iter().filter(|copy| pending.primitives().iter().any(|p| Arc::ptr_eq(copy, &p.target.tree)));
        self.charge(touched.map(|copy| copy.len() as usize).sum())?;
        let applied = pending.apply(context.copy_namespaces.1)?;
        Ok(copies.iter().map(|copy| Sequence::from(Node::root_of(&applied.tree(copy)))).collect())
    }

    fn copy_modify(
        &mut self,
        copies: &[(Slot, Plan)],
        modify: &Plan,
        result: &Plan,
        context: &Arc<StaticContext>,
        env: &mut Env,
    ) -> Result<Sequence> {
        let mut trees = Vec::with_capacity(copies.len());
        for (slot, source) in copies {
            let source = self.eval(source, env)?;
            let tree = self.copy(&source, context)?;
            env.slots[*slot] = Sequence::from(Node::root_of(&tree));
            trees.push(tree);
        }
        let modified = self.modify(&trees, modify, context, env)?;
        for ((slot, _), value) in copies.iter().zip(modified) {
            env.slots[*slot] = value;
        }
        self.eval(result, env)
    }

    fn transform(
        &mut self,
        input: &Plan,
        modify: &Plan,
        context: &Arc<StaticContext>,
        env: &mut Env,
    ) -> Result<Sequence> {
        let source = self.eval(input, env)?;
        let tree = self.copy(&source, context)?;
        let focus = Focus { item: Item::Node(Node::root_of(&tree)), position: 1, size: 1 };
        let outer = env.focus.replace(focus);
        let modified = self.modify(&[tree], modify, context, env);
        env.focus = outer;
        Ok(Sequence::concat(modified?))
    }
}
