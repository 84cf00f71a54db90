//! Sequence types and kind tests (XQuery 3.1 §2.5.4).

use crate::syntax::ast::{
    Annotation, ElementTest, ItemType, KindTest, Name, Occurrence, Qualifier, SequenceType, SingleType,
};
use crate::syntax::cursor::{Cursor, collapse};
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::names::is_ncname;

impl Cursor<'_> {
    /// `as T`, if it is there.
    pub(super) fn type_declaration(&mut self) -> Result<Option<SequenceType>> {
        if self.eat_word("as")? { Ok(Some(self.sequence_type()?)) } else { Ok(None) }
    }

    pub(in crate::syntax) fn sequence_type(&mut self) -> Result<SequenceType> {
        self.nested(|this| {
            this.space()?;
            let start = this.pos;
            if this.sees_all(&["empty-sequence", "("])? {
                this.expect_word("empty-sequence")?;
                this.expect("(")?;
                this.expect(")")?;
                return Ok(SequenceType { item: None, occurrence: Occurrence::One, span: this.span(start) });
            }
            let item = this.item_type()?;
            let occurrence = this.occurrence()?;
            Ok(SequenceType { item: Some(item), occurrence, span: this.span(start) })
        })
    }

    fn occurrence(&mut self) -> Result<Occurrence> {
        let after = self.pos;
        self.space()?;
        let found = match self.byte() {
            b'?' => Occurrence::Optional,
            b'*' => Occurrence::Any,
            b'+' => Occurrence::AtLeastOne,
            _ => {
                self.pos = after;
                return Ok(Occurrence::One);
            }
        };
        self.pos += 1;
        Ok(found)
    }

    pub(super) fn item_type(&mut self) -> Result<ItemType> {
        self.space()?;
        if self.byte() == b'(' {
            return self.nested(|this| {
                this.expect("(")?;
                let item = this.item_type()?;
                this.expect(")")?;
                Ok(item)
            });
        }
        if self.byte() == b'%' {
            let annotations = self.annotations()?;
            if !self.sees_all(&["function", "("])? {
                return Err(self.expected("a function test"));
            }
            return self.function_test(annotations);
        }
        if self.sees_all(&["item", "("])? {
            self.expect_word("item")?;
            self.expect("(")?;
            self.expect(")")?;
            return Ok(ItemType::Item);
        }
        if self.sees_all(&["function", "("])? {
            return self.function_test(Vec::new());
        }
        if self.sees_all(&["map", "("])? {
            self.expect_word("map")?;
            self.expect("(")?;
            let found = if self.eat("*")? {
                ItemType::AnyMap
            } else {
                let key = self.name()?;
                self.expect(",")?;
                ItemType::Map { key, value: Box::new(self.sequence_type()?) }
            };
            self.expect(")")?;
            return Ok(found);
        }
        if self.sees_all(&["array", "("])? {
            self.expect_word("array")?;
            self.expect("(")?;
            let found =
                if self.eat("*")? { ItemType::AnyArray } else { ItemType::Array(Box::new(self.sequence_type()?)) };
            self.expect(")")?;
            return Ok(found);
        }
        if let Some(test) = self.kind_test()? {
            return Ok(ItemType::Kind(test));
        }
        let name = self.name()?;
        if self.sees("(")? && !self.sees("(:")? && name.qualifier == Qualifier::None {
            return Err(self.expected("a type"));
        }
        Ok(ItemType::Atomic(name))
    }

    fn function_test(&mut self, annotations: Vec<Annotation>) -> Result<ItemType> {
        self.expect_word("function")?;
        self.expect("(")?;
        if self.eat("*")? {
            self.expect(")")?;
            return Ok(ItemType::AnyFunction { annotations });
        }
        let mut params = Vec::new();
        if !self.eat(")")? {
            loop {
                params.push(self.sequence_type()?);
                if !self.eat(",")? {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.expect_word("as")?;
        let result = Box::new(self.sequence_type()?);
        Ok(ItemType::Function { annotations, params, result })
    }

    /// A kind test, if one begins here.
    pub(super) fn kind_test(&mut self) -> Result<Option<KindTest>> {
        self.space()?;
        let start = self.pos;
        let Some(word) = self.ncname_here() else { return Ok(None) };
        let known = matches!(
            word,
            "node"
                | "text"
                | "comment"
                | "namespace-node"
                | "document-node"
                | "element"
                | "attribute"
                | "schema-element"
                | "schema-attribute"
                | "processing-instruction"
        );
        if !known || !self.eat("(")? {
            self.pos = start;
            return Ok(None);
        }
        let test = match word {
            "node" => KindTest::Node,
            "text" => KindTest::Text,
            "comment" => KindTest::Comment,
            "namespace-node" => KindTest::NamespaceNode,
            "document-node" if self.sees(")")? => KindTest::Document(None),
            "document-node" => match self.kind_test()? {
                Some(test @ (KindTest::Element(_) | KindTest::SchemaElement(_))) => {
                    KindTest::Document(Some(Box::new(test)))
                }
                _ => return Err(self.expected("an element test")),
            },
            "element" => KindTest::Element(self.element_test(true)?),
            "attribute" => KindTest::Attribute(self.element_test(false)?),
            "schema-element" => KindTest::SchemaElement(self.name()?),
            "schema-attribute" => KindTest::SchemaAttribute(self.name()?),
            _ if self.sees(")")? => KindTest::Pi(None),
            _ if matches!(self.byte(), b'"' | b'\'') => {
                let target = collapse(&self.string()?);
                if !is_ncname(&target) {
                    return Err(self.error("XPTY0004", format!("{target:?} is no name of a processing instruction")));
                }
                KindTest::Pi(Some(target.into()))
            }
            _ => KindTest::Pi(Some(self.ncname()?.into())),
        };
        self.expect(")")?;
        Ok(Some(test))
    }

    fn element_test(&mut self, may_be_nillable: bool) -> Result<ElementTest> {
        let mut test = ElementTest { name: None, type_name: None, nillable: false };
        if self.sees(")")? {
            return Ok(test);
        }
        if !self.eat("*")? {
            test.name = Some(self.name()?);
        }
        if self.eat(",")? {
            test.type_name = Some(self.name()?);
            test.nillable = may_be_nillable && self.eat("?")?;
        }
        Ok(test)
    }

    /// Target of `cast` and `castable`.
    pub(super) fn single_type(&mut self) -> Result<SingleType> {
        let name: Name = self.name()?;
        let optional = self.eat("?")?;
        Ok(SingleType { name, optional })
    }
}
