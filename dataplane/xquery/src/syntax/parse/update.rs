//! Updating expressions (XQuery Update Facility 3.0 §2.4).

use crate::syntax::ast::{Expr, ExprKind, InsertPosition};
use crate::syntax::cursor::Cursor;
use phoenixmldb_xdm::error::Result;

impl Cursor<'_> {
    /// An updating expression or `copy`, if one begins here.
    pub(super) fn update_expr(&mut self) -> Result<Option<Expr>> {
        let start = self.pos;
        let word = self.ncname_here().unwrap_or_default();
        self.pos = start;
        let kind = match word {
            "insert" if self.eat_words(&["insert", "node"])? || self.eat_words(&["insert", "nodes"])? => {
                self.insert()?
            }
            "delete" if self.eat_words(&["delete", "node"])? || self.eat_words(&["delete", "nodes"])? => {
                ExprKind::Delete(Box::new(self.expr_single()?))
            }
            "replace" if self.eat_words(&["replace", "value", "of", "node"])? => {
                let target = Box::new(self.expr_single()?);
                self.expect_word("with")?;
                ExprKind::ReplaceValue { target, source: Box::new(self.expr_single()?) }
            }
            "replace" if self.eat_words(&["replace", "node"])? => {
                let target = Box::new(self.expr_single()?);
                self.expect_word("with")?;
                ExprKind::ReplaceNode { target, source: Box::new(self.expr_single()?) }
            }
            "rename" if self.eat_words(&["rename", "node"])? => {
                let target = Box::new(self.expr_single()?);
                self.expect_word("as")?;
                ExprKind::Rename { target, name: Box::new(self.expr_single()?) }
            }
            "copy" if self.sees_all(&["copy", "$"])? => self.copy_modify()?,
            "invoke" if self.eat_words(&["invoke", "updating"])? => {
                let function = Box::new(self.postfix_primary()?);
                ExprKind::InvokeUpdating { function, args: self.arguments()? }
            }
            _ => return Ok(None),
        };
        Ok(Some(Expr::new(kind, self.span(start))))
    }

    fn insert(&mut self) -> Result<ExprKind> {
        let source = Box::new(self.expr_single()?);
        let position = if self.eat_word("before")? {
            InsertPosition::Before
        } else if self.eat_word("after")? {
            InsertPosition::After
        } else if self.eat_words(&["as", "first"])? {
            self.expect_word("into")?;
            InsertPosition::AsFirstInto
        } else if self.eat_words(&["as", "last"])? {
            self.expect_word("into")?;
            InsertPosition::AsLastInto
        } else {
            self.expect_word("into")?;
            InsertPosition::Into
        };
        Ok(ExprKind::Insert { source, position, target: Box::new(self.expr_single()?) })
    }

    fn copy_modify(&mut self) -> Result<ExprKind> {
        self.expect_word("copy")?;
        let mut bindings = Vec::new();
        loop {
            let name = self.variable()?;
            self.expect(":=")?;
            bindings.push((name, self.expr_single()?));
            if !self.eat(",")? {
                break;
            }
        }
        self.expect_word("modify")?;
        let modify = Box::new(self.expr_single()?);
        self.expect_word("return")?;
        Ok(ExprKind::CopyModify { bindings, modify, result: Box::new(self.expr_single()?) })
    }
}
