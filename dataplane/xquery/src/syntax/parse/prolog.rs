//! Modules and prologs (XQuery 3.1 §4).

use crate::syntax::ast::{
    Annotation, AnnotationValue, ConstructionMode, ContextItemDecl, DecimalFormatDecl, DecimalFormatProperty,
    Declaration, DeclarationKind as D, EmptyOrder, ExprKind, FunctionDecl, Module, ModuleImport, ModuleKind, Name,
    Qualifier, RevalidationMode, SchemaImport, SchemaPrefix, VariableDecl, VersionDecl,
};
use crate::syntax::cursor::Cursor;
use phoenixmldb_xdm::Str;
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::names::{XML_NAMESPACE, XMLNS_NAMESPACE};

/// What may be declared once, with the code of a second declaration.
type Once = (&'static str, &'static str);

impl Cursor<'_> {
    pub(super) fn module_end(&mut self) -> Result<()> {
        self.space()?;
        if self.at_end() { Ok(()) } else { Err(self.expected("the end of the query")) }
    }

    pub(in crate::syntax) fn module(&mut self) -> Result<Module> {
        let version = self.version()?;
        self.space()?;
        let start = self.pos;
        if self.eat_words(&["module", "namespace"])? {
            let prefix: Str = self.ncname()?.into();
            self.expect("=")?;
            let uri = self.uri()?;
            self.expect(";")?;
            let span = self.span(start);
            if uri.is_empty() {
                return Err(self.error("XQST0088", "a library module needs a namespace"));
            }
            self.check_binding(&prefix, &uri)?;
            let prolog = self.prolog()?;
            self.module_end()?;
            return Ok(Module { version, kind: ModuleKind::Library { prefix, uri, span }, prolog });
        }
        let prolog = self.prolog()?;
        let body = self.expr()?;
        self.module_end()?;
        Ok(Module { version, kind: ModuleKind::Main(body), prolog })
    }

    fn version(&mut self) -> Result<Option<VersionDecl>> {
        let mut declared = VersionDecl { version: None, encoding: None };
        let is_version = self.sees_all(&["xquery", "version"])?;
        if !is_version && !self.sees_all(&["xquery", "encoding"])? {
            return Ok(None);
        }
        let start = self.pos;
        self.expect_word("xquery")?;
        if self.eat_word("version")? {
            // `xquery version` alone is a path of two names no query needs; a string decides.
            if !self.sees("\"")? && !self.sees("'")? {
                self.pos = start;
                return Ok(None);
            }
            let version = self.string()?;
            if !matches!(&*version, "1.0" | "3.0" | "3.1") {
                return Err(self.error("XQST0031", format!("XQuery {version} is not supported; 1.0, 3.0 and 3.1 are")));
            }
            declared.version = Some(version);
        }
        if self.eat_word("encoding")? {
            let encoding = self.string()?;
            let mut bytes = encoding.bytes();
            let good = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
                && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if !good {
                return Err(self.error("XQST0087", format!("{encoding:?} is no name of an encoding")));
            }
            declared.encoding = Some(encoding);
        }
        self.expect(";")?;
        Ok(Some(declared))
    }

    fn prolog(&mut self) -> Result<Vec<Declaration>> {
        let mut prolog: Vec<Declaration> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let mut second_part = false;
        loop {
            self.space()?;
            let start = self.pos;
            let (kind, once) = if self.eat_words(&["import", "module"])? {
                (self.import_module()?, None)
            } else if self.eat_words(&["import", "schema"])? {
                (self.import_schema()?, None)
            } else if self.begins_declaration()? {
                self.expect_word("declare")?;
                self.declaration()?
            } else {
                return Ok(prolog);
            };
            let in_second = matches!(kind, D::Variable(_) | D::Function(_) | D::Option { .. } | D::ContextItem(_));
            if second_part && !in_second {
                self.pos = start;
                let message = "setters, namespaces and imports precede variables, functions and options";
                return Err(self.error("XPST0003", message));
            }
            second_part |= in_second;
            let once = match (&kind, once) {
                (D::Namespace { prefix, .. }, _) => Some((format!("namespace {prefix}"), "XQST0033")),
                (_, Some((what, code))) => Some((what.to_owned(), code)),
                (_, None) => None,
            };
            if let Some((what, code)) = once {
                if seen.contains(&what) {
                    self.pos = start;
                    return Err(self.error(code, format!("{what} is declared twice")));
                }
                seen.push(what);
            }
            self.expect(";")?;
            prolog.push(Declaration { kind, span: self.span(start) });
        }
    }

    fn begins_declaration(&mut self) -> Result<bool> {
        let start = self.pos;
        let mut found = false;
        if self.eat_word("declare")? {
            self.space()?;
            let word = self.ncname_here().unwrap_or_default();
            found = self.byte() == b'%'
                || matches!(
                    word,
                    "boundary-space"
                        | "default"
                        | "base-uri"
                        | "construction"
                        | "ordering"
                        | "copy-namespaces"
                        | "revalidation"
                        | "decimal-format"
                        | "namespace"
                        | "context"
                        | "variable"
                        | "function"
                        | "updating"
                        | "option"
                );
        }
        self.pos = start;
        Ok(found)
    }

    fn either(&mut self, yes: &str, no: &str) -> Result<bool> {
        if self.eat_word(yes)? {
            return Ok(true);
        }
        self.expect_word(no)?;
        Ok(false)
    }

    fn declaration(&mut self) -> Result<(D, Option<Once>)> {
        self.space()?;
        if self.byte() == b'%' {
            let annotations = self.annotations()?;
            return Ok((self.annotated(annotations)?, None));
        }
        let start = self.pos;
        let word = self.ncname()?;
        Ok(match word {
            "boundary-space" => {
                (D::BoundarySpace { preserve: self.either("preserve", "strip")? }, Some(("boundary-space", "XQST0068")))
            }
            "default" => return self.default_declaration(),
            "base-uri" => (D::BaseUri(self.uri()?), Some(("base-uri", "XQST0032"))),
            "construction" => {
                let preserve = self.either("preserve", "strip")?;
                let mode = if preserve { ConstructionMode::Preserve } else { ConstructionMode::Strip };
                (D::Construction(mode), Some(("construction", "XQST0067")))
            }
            "ordering" => {
                (D::Ordering { ordered: self.either("ordered", "unordered")? }, Some(("ordering", "XQST0065")))
            }
            "copy-namespaces" => {
                let preserve = self.either("preserve", "no-preserve")?;
                self.expect(",")?;
                let inherit = self.either("inherit", "no-inherit")?;
                (D::CopyNamespaces { preserve, inherit }, Some(("copy-namespaces", "XQST0055")))
            }
            "revalidation" => {
                let mode = match self.ncname()? {
                    "strict" => RevalidationMode::Strict,
                    "lax" => RevalidationMode::Lax,
                    "skip" => RevalidationMode::Skip,
                    _ => return Err(self.expected("strict, lax or skip")),
                };
                (D::Revalidation(mode), Some(("revalidation", "XUST0003")))
            }
            "decimal-format" => {
                let name = Some(self.name()?);
                (self.decimal_format(name)?, None)
            }
            "namespace" => {
                let prefix: Str = self.ncname()?.into();
                self.expect("=")?;
                let uri = self.uri()?;
                self.check_binding(&prefix, &uri)?;
                (D::Namespace { prefix, uri }, None)
            }
            "context" => {
                self.expect_word("item")?;
                (self.context_item()?, Some(("context item", "XQST0099")))
            }
            "variable" | "function" => {
                self.pos = start;
                (self.annotated(Vec::new())?, None)
            }
            "updating" => {
                let name = Name { qualifier: Qualifier::None, local: "updating".into(), span: self.span(start) };
                (self.annotated(vec![Annotation { name, values: Vec::new() }])?, None)
            }
            "option" => {
                let name = self.name()?;
                (D::Option { name, value: self.string()? }, None)
            }
            _ => return Err(self.expected("a declaration")),
        })
    }

    /// A prefix may not be bound to, or be, what XML reserves.
    fn check_binding(&mut self, prefix: &str, uri: &str) -> Result<()> {
        if matches!(prefix, "xml" | "xmlns") || matches!(uri, XML_NAMESPACE | XMLNS_NAMESPACE) {
            return Err(self.error("XQST0070", "xml and xmlns and their namespaces cannot be declared"));
        }
        Ok(())
    }

    fn default_declaration(&mut self) -> Result<(D, Option<Once>)> {
        Ok(match self.ncname()? {
            "collation" => (D::DefaultCollation(self.uri()?), Some(("default collation", "XQST0038"))),
            "order" => {
                self.expect_word("empty")?;
                let order = if self.either("greatest", "least")? { EmptyOrder::Greatest } else { EmptyOrder::Least };
                (D::EmptyOrder(order), Some(("default order", "XQST0069")))
            }
            "decimal-format" => (self.decimal_format(None)?, Some(("default decimal-format", "XQST0111"))),
            word @ ("element" | "function") => {
                self.expect_word("namespace")?;
                let uri = self.uri()?;
                if uri == XML_NAMESPACE || uri == XMLNS_NAMESPACE {
                    return Err(self.error("XQST0070", "the namespaces of xml and xmlns cannot be defaults"));
                }
                if word == "element" {
                    (D::DefaultElementNamespace(uri), Some(("default element namespace", "XQST0066")))
                } else {
                    (D::DefaultFunctionNamespace(uri), Some(("default function namespace", "XQST0066")))
                }
            }
            _ => return Err(self.expected("a default declaration")),
        })
    }

    fn decimal_format(&mut self, name: Option<Name>) -> Result<D> {
        let mut properties: Vec<(DecimalFormatProperty, Str)> = Vec::new();
        loop {
            self.space()?;
            let start = self.pos;
            let Some(word) = self.ncname_here() else { break };
            let known = DecimalFormatProperty::ALL.into_iter().find(|property| property.keyword() == word);
            let Some(property) = known else {
                self.pos = start;
                return Err(self.expected("a property of a decimal format"));
            };
            self.expect("=")?;
            if properties.iter().any(|(other, _)| *other == property) {
                return Err(self.error("XQST0114", format!("{word} is given twice")));
            }
            properties.push((property, self.string()?));
        }
        Ok(D::DecimalFormat(DecimalFormatDecl { name, properties }))
    }

    fn locations(&mut self) -> Result<Vec<Str>> {
        let mut locations = Vec::new();
        if self.eat_word("at")? {
            locations.push(self.uri()?);
            while self.eat(",")? {
                locations.push(self.uri()?);
            }
        }
        Ok(locations)
    }

    fn import_module(&mut self) -> Result<D> {
        let prefix: Option<Str> = if self.eat_word("namespace")? {
            let prefix = self.ncname()?.into();
            self.expect("=")?;
            Some(prefix)
        } else {
            None
        };
        let uri = self.uri()?;
        if uri.is_empty() {
            return Err(self.error("XQST0088", "a module is imported by its namespace"));
        }
        if let Some(prefix) = &prefix {
            self.check_binding(prefix, &uri)?;
        }
        Ok(D::ImportModule(ModuleImport { prefix, uri, locations: self.locations()? }))
    }

    fn import_schema(&mut self) -> Result<D> {
        let prefix = if self.eat_word("namespace")? {
            let prefix = self.ncname()?.into();
            self.expect("=")?;
            SchemaPrefix::Prefix(prefix)
        } else if self.eat_words(&["default", "element", "namespace"])? {
            SchemaPrefix::DefaultElement
        } else {
            SchemaPrefix::None
        };
        let uri = self.uri()?;
        if uri.is_empty() && matches!(prefix, SchemaPrefix::Prefix(_)) {
            return Err(self.error("XQST0057", "a prefix cannot be bound to no namespace"));
        }
        Ok(D::ImportSchema(SchemaImport { prefix, uri, locations: self.locations()? }))
    }

    fn context_item(&mut self) -> Result<D> {
        let item_type = if self.eat_word("as")? { Some(self.item_type()?) } else { None };
        let (external, value) = self.external_value()?;
        Ok(D::ContextItem(ContextItemDecl { item_type, external, value }))
    }

    /// `:= value`, `external` or `external := value`.
    fn external_value(&mut self) -> Result<(bool, Option<crate::syntax::ast::Expr>)> {
        let external = self.eat_word("external")?;
        if external && !self.sees(":=")? {
            return Ok((true, None));
        }
        self.expect(":=")?;
        Ok((external, Some(self.expr_single()?)))
    }

    fn annotated(&mut self, annotations: Vec<Annotation>) -> Result<D> {
        if self.eat_word("variable")? {
            let name = self.variable()?;
            let declared_type = self.type_declaration()?;
            let (external, value) = self.external_value()?;
            return Ok(D::Variable(Box::new(VariableDecl { annotations, name, declared_type, external, value })));
        }
        self.expect_word("function")?;
        let name = self.function_name()?;
        let params = self.params()?;
        let result = self.type_declaration()?;
        let body = if self.eat_word("external")? { None } else { Some(self.enclosed()?) };
        Ok(D::Function(Box::new(FunctionDecl { annotations, name, params, result, body })))
    }

    /// `%name(1, "a")`, none or more.
    pub(super) fn annotations(&mut self) -> Result<Vec<Annotation>> {
        let mut annotations = Vec::new();
        while self.eat("%")? {
            let name = self.name()?;
            let mut values = Vec::new();
            if self.eat("(")? {
                loop {
                    self.space()?;
                    values.push(match self.byte() {
                        b'"' | b'\'' => AnnotationValue::String(self.string()?),
                        b'0'..=b'9' | b'.' => match self.number()? {
                            ExprKind::Integer(text) => AnnotationValue::Integer(text),
                            ExprKind::Decimal(text) => AnnotationValue::Decimal(text),
                            ExprKind::Double(text) => AnnotationValue::Double(text),
                            _ => return Err(self.expected("a literal")),
                        },
                        _ => return Err(self.expected("a literal")),
                    });
                    if !self.eat(",")? {
                        break;
                    }
                }
                self.expect(")")?;
            }
            annotations.push(Annotation { name, values });
        }
        Ok(annotations)
    }
}
