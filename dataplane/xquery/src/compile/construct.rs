//! Constructors.

use super::Compiler;
use super::expr::text_plan;
use super::plan::{Construct, Naming, Op, Plan};
use super::types;
use crate::syntax::ast::{self, AttributePart, ComputedName, ContentPart, ExprKind};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{QName, Str};

impl Compiler {
    pub(super) fn construct(&self, construct: Construct) -> Op {
        Op::Construct(Box::new(construct), self.context())
    }

    pub(super) fn direct_element(&mut self, element: &ast::DirectElement) -> Result<Op> {
        let declared: Vec<(Str, Str)> = element
            .namespaces
            .iter()
            .map(|namespace| (namespace.prefix.clone().unwrap_or_default(), namespace.uri.clone()))
            .collect();
        self.with_namespaces(&declared, |this| {
            let namespaces = this.enclosing_namespaces();
            let name = types::resolve(&element.name, &this.context.default_element_namespace, &this.context)?;
            let mut attributes: Vec<(QName, Plan)> = Vec::with_capacity(element.attributes.len());
            for attribute in &element.attributes {
                let name = types::resolve(&attribute.name, "", &this.context)?;
                if attributes.iter().any(|(other, _)| *other == name) {
                    let message = format!("attribute {} is there twice", attribute.name);
                    return Err(fail("XQST0040", message).at(attribute.span.start, attribute.span.end));
                }
                let value = this.attribute_value(&attribute.value)?;
                attributes.push((name, value));
            }
            let mut content = Vec::with_capacity(element.content.len());
            for part in &element.content {
                match part {
                    ContentPart::Text { boundary: true, .. } if !this.context.boundary_space_preserve => {}
                    ContentPart::Text { text, .. } => {
                        content.push(Plan::from(this.construct(Construct::Literal(text.clone()))));
                    }
                    ContentPart::Enclosed(expr) | ContentPart::Direct(expr) => content.push(this.expr(expr)?),
                }
            }
            Ok(this.construct(Construct::Element { name: Naming::Fixed(name), namespaces, attributes, content }))
        })
    }

    /// What the direct constructors around declare, the innermost declaration of each prefix (XQuery 3.1 §3.9.4).
    fn enclosing_namespaces(&self) -> Vec<(Str, Str)> {
        let mut found: Vec<(Str, Str)> = Vec::new();
        for (prefix, uri) in self.direct_namespaces.iter().rev() {
            if !found.iter().any(|(known, _)| known == prefix) {
                found.push((prefix.clone(), uri.clone()));
            }
        }
        found.reverse();
        found
    }

    fn attribute_value(&mut self, parts: &[AttributePart]) -> Result<Plan> {
        if let [] | [AttributePart::Text(_)] = parts {
            let text = match parts {
                [AttributePart::Text(text)] => text.clone(),
                _ => Str::default(),
            };
            return Ok(text_plan(text));
        }
        let mut plans = Vec::with_capacity(parts.len());
        for part in parts {
            plans.push(match part {
                AttributePart::Text(text) => text_plan(text.clone()),
                AttributePart::Expr(expr) => self.expr(expr)?,
            });
        }
        Ok(Plan::from(Op::Join(plans)))
    }

    fn naming(&mut self, name: &ComputedName, default: &str) -> Result<Naming> {
        Ok(match name {
            ComputedName::Name(name) => Naming::Fixed(types::resolve(name, default, &self.context)?),
            ComputedName::Expr(expr) => Naming::Computed(self.boxed(expr)?),
        })
    }

    pub(super) fn computed(&mut self, kind: &ExprKind) -> Result<Op> {
        let construct = match kind {
            ExprKind::ComputedDocument(content) => Construct::Document(self.boxed(content)?),
            ExprKind::ComputedElement { name, content } => {
                let default = self.context.default_element_namespace.clone();
                let name = self.naming(name, &default)?;
                let content = vec![self.expr(content)?];
                Construct::Element { name, namespaces: self.enclosing_namespaces(), attributes: Vec::new(), content }
            }
            ExprKind::ComputedAttribute { name, content } => {
                let name = self.naming(name, "")?;
                Construct::Attribute(name, self.boxed(content)?)
            }
            ExprKind::ComputedNamespace { prefix, content } => {
                Construct::Namespace(self.naming(prefix, "")?, self.boxed(content)?)
            }
            ExprKind::ComputedText(content) => Construct::Text(self.boxed(content)?),
            ExprKind::ComputedComment(content) => Construct::Comment(self.boxed(content)?),
            ExprKind::ComputedPi { target, content } => Construct::Pi(self.naming(target, "")?, self.boxed(content)?),
            _ => unreachable!("called for computed constructors"),
        };
        Ok(self.construct(construct))
    }
}

/// Names that no attribute can have. Error: XQDY0044.
pub(crate) fn check_attribute_name(name: &QName) -> Result<()> {
    let xmlns = phoenixmldb_xdm::names::XMLNS_NAMESPACE;
    let xml = phoenixmldb_xdm::names::XML_NAMESPACE;
    let reserved = name.uri == xmlns
        || name.uri.is_empty() && name.local == "xmlns"
        || name.prefix == "xmlns"
        || (name.prefix == "xml") && name.uri != xml
        || !name.prefix.is_empty() && name.prefix != "xml" && name.uri == xml;
    if reserved { Err(fail("XQDY0044", format!("no attribute can be called {name}"))) } else { Ok(()) }
}
