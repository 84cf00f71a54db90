//! Modules and their declarations: from the text of the main module to a program.
//!
//! First all modules are read, then each gets its static context, then all functions and variables are declared, and
//! only then bodies are compiled; so declarations may refer to each other in any order and across modules.

use super::plan::{ContextItem, FunctionPlan, Global, Op, Plan, Program};
use super::scope::Scopes;
use super::{Compiler, Declared, DeclaredVariable, types};
use crate::context::{DecimalFormat, OUTPUT_NAMESPACE, Options, Resolver, StaticContext, XQUERY_NAMESPACE};
use crate::functions::collation;
use crate::stack::for_tree;
use crate::syntax::ast::{
    self, DecimalFormatProperty as Property, DeclarationKind as D, EmptyOrder, Module, ModuleKind,
};
use crate::syntax::{locate, parse_module};
use phoenixmldb_xdm::Str;
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::types::{ItemType, Occurrence, SequenceType};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A module that was read.
struct Source {
    namespace: Option<Str>,
    uri: Option<Str>,
    text: Str,
    module: Module,
    context: Arc<StaticContext>,
    imports: Vec<Str>,
}

/// Compiles a main module and what it imports.
pub(crate) fn compile_program(text: &str, options: &Options, resolver: &dyn Resolver) -> Result<Program> {
    for_tree(|| compile_modules(text, options, resolver))
}

fn compile_modules(text: &str, options: &Options, resolver: &dyn Resolver) -> Result<Program> {
    let sources = read_all(text, options, resolver)?;
    let visible = sources.iter().map(|source| visible_from(source, &sources)).collect();
    let mut compiler = Compiler {
        functions: HashMap::new(),
        variables: HashMap::new(),
        module: 0,
        visible,
        context: sources[0].context.clone(),
        scopes: Scopes::default(),
        positional: false,
        tail_of: None,
        updates: false,
        updating_functions: Vec::new(),
        direct_namespaces: Vec::new(),
        given: options.variables.len(),
    };
    let mut program = Program {
        body: Plan::from(Op::Const(phoenixmldb_xdm::Sequence::Empty)),
        slots: 0,
        globals: Vec::new(),
        functions: Vec::new(),
        context_item: None,
        context: sources[0].context.clone(),
        updating: false,
        modules: sources.iter().map(|source| (source.uri.clone(), source.text.clone())).collect(),
        optimized: super::plan::Optimized::default(),
    };
    for (name, declared_type) in &options.variables {
        let index = program.globals.len();
        compiler.variables.insert(name.clone(), DeclaredVariable { index, module: 0, private: false });
        let declared_type = Some(declared_type.clone());
        program.globals.push(Global {
            name: name.clone(),
            declared_type,
            external: true,
            value: None,
            module: 0,
            private: false,
        });
    }
    let mut functions = 0;
    let mut globals = program.globals.len();
    for (index, source) in sources.iter().enumerate() {
        compiler.enter(index, source);
        compiler.declare(source, &mut functions, &mut globals).map_err(|error| placed(error, source))?;
    }
    for (index, source) in sources.iter().enumerate() {
        compiler.enter(index, source);
        compiler.bodies(source, &mut program).map_err(|error| placed(error, source))?;
    }
    if options.optimize {
        super::rewrite::optimize(&mut program);
    }
    Ok(program)
}

fn placed(mut error: Box<Error>, source: &Source) -> Box<Error> {
    if let (Some((start, _)), None) = (error.span, &error.location) {
        error.location = Some(locate(&source.text, start as usize, source.uri.as_ref()));
    }
    error
}

/// Modules whose declarations a module sees.
fn visible_from(source: &Source, sources: &[Source]) -> Vec<usize> {
    let imported = |other: &&Source| other.namespace.as_ref().is_some_and(|uri| source.imports.contains(uri));
    let own = |other: &Source| source.namespace.is_some() && other.namespace == source.namespace;
    let numbered = sources.iter().enumerate();
    numbered.filter(|(_, other)| imported(other) || own(other)).map(|(index, _)| index).collect()
}

fn read_all(text: &str, options: &Options, resolver: &dyn Resolver) -> Result<Vec<Source>> {
    let mut sources = vec![read(text, None, options)?];
    if sources[0].namespace.is_some() {
        return Err(fail("XPST0003", "a library module cannot be run"));
    }
    let mut known: HashSet<(Str, Vec<Str>)> = HashSet::new();
    let mut next = 0;
    while next < sources.len() {
        let imports: Vec<(ast::ModuleImport, ast::Span)> = sources[next]
            .module
            .prolog
            .iter()
            .filter_map(|declaration| match &declaration.kind {
                D::ImportModule(import) => Some((import.clone(), declaration.span)),
                _ => None,
            })
            .collect();
        for (import, span) in imports {
            // An error of the module itself already has its place.
            let here = |error: Box<Error>, source: &Source| placed(error.at(span.start, span.end), source);
            // Asked once: a second import of a namespace from the same places sees the same modules.
            if !known.insert((import.uri.clone(), import.locations.clone())) {
                continue;
            }
            let found = resolver.module(&import.uri, &import.locations).map_err(|error| here(error, &sources[next]))?;
            if found.is_empty() {
                let error = fail("XQST0059", format!("there is no module for namespace {}", import.uri));
                return Err(here(error, &sources[next]));
            }
            for (location, text) in found {
                let known = |source: &Source| source.uri == location && (location.is_some() || *source.text == text);
                if sources.iter().any(known) {
                    continue;
                }
                let source = read(&text, location, options)?;
                if source.namespace.as_ref() != Some(&import.uri) {
                    let error = fail("XQST0059", format!("the module found for {} is another's", import.uri));
                    return Err(here(error, &sources[next]));
                }
                sources.push(source);
            }
        }
        next += 1;
    }
    Ok(sources)
}

fn read(text: &str, uri: Option<Str>, options: &Options) -> Result<Source> {
    let module = parse_module(text, uri.as_ref())?;
    let namespace = match &module.kind {
        ModuleKind::Library { uri, .. } => Some(uri.clone()),
        ModuleKind::Main(_) => None,
    };
    let base = Options { base_uri: uri.clone().or_else(|| options.base_uri.clone()), ..options.clone() };
    let mut source = Source {
        namespace,
        uri,
        text: Str::from(crate::syntax::normalize_lines(text).as_ref()),
        context: Arc::new(StaticContext::new(&base)),
        module,
        imports: Vec::new(),
    };
    let built = build_context(&source, &base).map_err(|error| placed(error, &source))?;
    source.context = Arc::new(built.0);
    source.imports = built.1;
    Ok(source)
}

/// The static context after the prolog's first part, and the imported namespaces.
fn build_context(source: &Source, options: &Options) -> Result<(StaticContext, Vec<Str>)> {
    let mut context = StaticContext::new(options);
    let mut imports: Vec<Str> = Vec::new();
    let mut prefixes: HashSet<Str> = HashSet::new();
    if let ModuleKind::Library { prefix, uri, .. } = &source.module.kind {
        context.namespaces.insert(prefix.clone(), uri.clone());
        prefixes.insert(prefix.clone());
    }
    for declaration in &source.module.prolog {
        let at = |error: Box<Error>| error.at(declaration.span.start, declaration.span.end);
        let mut bind = |context: &mut StaticContext, prefix: &Str, uri: &Str| -> Result<()> {
            if !prefixes.insert(prefix.clone()) {
                return Err(fail("XQST0033", format!("prefix {prefix} is declared twice")));
            }
            context.namespaces.insert(prefix.clone(), uri.clone());
            Ok(())
        };
        match &declaration.kind {
            D::BoundarySpace { preserve } => context.boundary_space_preserve = *preserve,
            D::DefaultCollation(uri) => {
                let base = context.base_uri.clone();
                let resolved = crate::functions::uri::resolve(uri, base.as_deref()).unwrap_or_else(|| uri.to_string());
                if collation::find(context.collation_uri(&resolved)).is_none() {
                    return Err(at(fail("XQST0038", format!("there is no collation {uri}"))));
                }
                context.default_collation = Str::from(resolved);
            }
            D::BaseUri(uri) => {
                let base = context.base_uri.clone();
                let resolved = crate::functions::uri::resolve(uri, base.as_deref()).unwrap_or_else(|| uri.to_string());
                context.base_uri = Some(Str::from(resolved));
            }
            D::Construction(mode) => context.construction_preserve = *mode == ast::ConstructionMode::Preserve,
            D::Ordering { ordered } => context.ordered = *ordered,
            D::EmptyOrder(order) => context.empty_greatest = *order == EmptyOrder::Greatest,
            D::CopyNamespaces { preserve, inherit } => context.copy_namespaces = (*preserve, *inherit),
            D::Namespace { prefix, uri } => bind(&mut context, prefix, uri).map_err(at)?,
            D::DefaultElementNamespace(uri) => context.default_element_namespace = uri.clone(),
            D::DefaultFunctionNamespace(uri) => context.default_function_namespace = uri.clone(),
            D::ImportSchema(import) => {
                return Err(at(fail("XQST0009", format!("schemas cannot be imported ({})", import.uri))));
            }
            D::ImportModule(import) => {
                if let Some(prefix) = &import.prefix {
                    let own = matches!(&source.module.kind, ModuleKind::Library { prefix: p, uri, .. }
                        if p == prefix && *uri == import.uri);
                    if !own {
                        bind(&mut context, prefix, &import.uri).map_err(at)?;
                    }
                }
                if imports.contains(&import.uri) {
                    return Err(at(fail("XQST0047", format!("module {} is imported twice", import.uri))));
                }
                imports.push(import.uri.clone());
            }
            D::Revalidation(ast::RevalidationMode::Strict) => {
                return Err(at(fail("XUST0026", "there is no schema validation: revalidation is lax or skip")));
            }
            // Without schemas nothing is typed, so that there is nothing to recover.
            D::ContextItem(item) if source.namespace.is_some() && item.value.is_some() => {
                return Err(at(fail("XQST0113", "a library module cannot set the context item")));
            }
            D::Revalidation(_) | D::ContextItem(_) | D::Variable(_) | D::Function(_) => {}
            D::DecimalFormat(_) | D::Option { .. } => {}
        }
    }
    // These use prefixes, which may be declared behind them.
    for declaration in &source.module.prolog {
        let at = |error: Box<Error>| error.at(declaration.span.start, declaration.span.end);
        match &declaration.kind {
            D::DecimalFormat(format) => decimal_format(format, &mut context).map_err(at)?,
            D::Option { name, value } => option(name, value, source, &mut context).map_err(at)?,
            _ => {}
        }
    }
    Ok((context, imports))
}

fn option(name: &ast::Name, value: &Str, source: &Source, context: &mut StaticContext) -> Result<()> {
    let name = types::resolve(name, XQUERY_NAMESPACE, context)?;
    if name.uri != OUTPUT_NAMESPACE {
        return Ok(());
    }
    if source.namespace.is_some() {
        return Err(fail("XQST0108", "a library module cannot say how results are serialized"));
    }
    const KNOWN: &[&str] = &[
        "allow-duplicate-names",
        "byte-order-mark",
        "cdata-section-elements",
        "doctype-public",
        "doctype-system",
        "encoding",
        "escape-uri-attributes",
        "html-version",
        "include-content-type",
        "indent",
        "item-separator",
        "json-node-output-method",
        "media-type",
        "method",
        "normalization-form",
        "omit-xml-declaration",
        "parameter-document",
        "standalone",
        "suppress-indentation",
        "undeclare-prefixes",
        "version",
    ];
    if !KNOWN.contains(&&*name.local) {
        return Err(fail("XQST0109", format!("there is no serialization parameter {}", name.local)));
    }
    if context.serialization.iter().any(|(other, _)| *other == name) {
        return Err(fail("XQST0110", format!("serialization parameter {} is given twice", name.local)));
    }
    context.serialization.push((name, value.clone()));
    Ok(())
}

fn decimal_format(written: &ast::DecimalFormatDecl, context: &mut StaticContext) -> Result<()> {
    let name = written.name.as_ref().map(|name| types::resolve(name, "", context)).transpose()?;
    let mut format = DecimalFormat::default();
    for (property, value) in &written.properties {
        let mut chars = value.chars();
        let single = match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(c),
            _ => Err(fail("XQST0097", format!("{} is one character, not {value:?}", property.keyword()))),
        };
        match property {
            Property::DecimalSeparator => format.decimal_separator = single?,
            Property::GroupingSeparator => format.grouping_separator = single?,
            Property::ExponentSeparator => format.exponent_separator = single?,
            Property::Infinity => format.infinity = value.clone(),
            Property::Nan => format.nan = value.clone(),
            Property::MinusSign => format.minus_sign = single?,
            Property::Percent => format.percent = single?,
            Property::PerMille => format.per_mille = single?,
            Property::Digit => format.digit = single?,
            Property::PatternSeparator => format.pattern_separator = single?,
            Property::ZeroDigit => {
                let digit = single?;
                if !is_zero_digit(digit) {
                    return Err(fail("XQST0097", format!("{digit:?} is no digit zero of a decimal system")));
                }
                format.zero_digit = digit;
            }
        }
    }
    let marks = [
        format.decimal_separator,
        format.grouping_separator,
        format.exponent_separator,
        format.percent,
        format.per_mille,
        format.digit,
        format.pattern_separator,
    ];
    let zero = u32::from(format.zero_digit);
    let is_digit = |c: char| (zero..zero + 10).contains(&u32::from(c));
    let unique: HashSet<char> = marks.into_iter().collect();
    if unique.len() != marks.len() || marks.into_iter().any(is_digit) {
        return Err(fail("XQST0098", "two characters of the decimal format are the same"));
    }
    if context.decimal_formats.insert(name.clone(), format).is_some() && name.is_some() {
        return Err(fail("XQST0111", "the decimal format is declared twice"));
    }
    Ok(())
}

/// Whether a character is the zero of ten digits that follow each other (general category Nd).
fn is_zero_digit(c: char) -> bool {
    const ZEROS: &[u32] = &[
        0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
        0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
        0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x11066, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC,
        0x1D7F6,
    ];
    ZEROS.contains(&u32::from(c))
}

impl Compiler {
    fn enter(&mut self, index: usize, source: &Source) {
        self.module = index;
        self.context = source.context.clone();
    }

    /// Checks the annotations of a declaration; says whether it is private.
    fn annotations(&self, annotations: &[ast::Annotation], twice: &'static str) -> Result<bool> {
        let mut visibility = None;
        for annotation in annotations {
            let name = types::resolve(&annotation.name, XQUERY_NAMESPACE, &self.context)?;
            if name.uri == XQUERY_NAMESPACE {
                match &*name.local {
                    "public" | "private" if visibility.is_some() => {
                        return Err(fail(twice, "%public and %private exclude each other and themselves"));
                    }
                    "public" => visibility = Some(false),
                    "private" => visibility = Some(true),
                    "updating" | "simple" => {}
                    _ => return Err(fail("XQST0045", format!("%{} is not known", annotation.name))),
                }
            } else if types::is_reserved(&name.uri) {
                return Err(fail("XQST0045", format!("%{} is in a reserved namespace", annotation.name)));
            }
        }
        Ok(visibility.unwrap_or(false))
    }

    /// Makes the functions and variables of a module known.
    fn declare(&mut self, source: &Source, functions: &mut usize, globals: &mut usize) -> Result<()> {
        for declaration in &source.module.prolog {
            let at = |error: Box<Error>| error.at(declaration.span.start, declaration.span.end);
            match &declaration.kind {
                D::Function(function) => {
                    let default = self.context.default_function_namespace.clone();
                    let name = types::resolve(&function.name, &default, &self.context)?;
                    if name.uri.is_empty() {
                        return Err(at(fail("XQST0060", format!("function {} is in no namespace", function.name))));
                    }
                    if types::is_reserved(&name.uri) {
                        let message = format!("function {} is in a reserved namespace", function.name);
                        return Err(at(fail("XQST0045", message)));
                    }
                    if source.namespace.as_ref().is_some_and(|uri| *uri != name.uri) {
                        let message = format!("function {} is not in the module's namespace", function.name);
                        return Err(at(fail("XQST0048", message)));
                    }
                    let private = self.annotations(&function.annotations, "XQST0106").map_err(at)?;
                    let updating = self.updating_annotation(&function.annotations).map_err(at)?.unwrap_or(false);
                    let declared = Declared { index: *functions, module: self.module, private };
                    self.updating_functions.push(updating);
                    *functions += 1;
                    if self.functions.insert((name, function.params.len()), declared).is_some() {
                        let message = format!("function {}#{} is there twice", function.name, function.params.len());
                        return Err(at(fail("XQST0034", message)));
                    }
                }
                D::Variable(variable) => {
                    let name = types::resolve(&variable.name, "", &self.context)?;
                    if source.namespace.as_ref().is_some_and(|uri| *uri != name.uri) {
                        let message = format!("variable ${} is not in the module's namespace", variable.name);
                        return Err(at(fail("XQST0048", message)));
                    }
                    let private = self.annotations(&variable.annotations, "XQST0116").map_err(at)?;
                    if self.updating_annotation(&variable.annotations).map_err(at)?.is_some() {
                        return Err(at(fail("XUST0032", "a variable is neither %updating nor %simple")));
                    }
                    let declared = DeclaredVariable { index: *globals, module: self.module, private };
                    *globals += 1;
                    let before = self.variables.insert(name, declared);
                    let collides = |before: DeclaredVariable| {
                        let sees = |a: usize, b: usize| self.visible[a].contains(&b);
                        let seen = sees(self.module, before.module) || sees(before.module, self.module);
                        before.index >= self.given
                            && (before.module == self.module || seen && !before.private && !private)
                    };
                    if before.is_some_and(collides) {
                        return Err(at(fail("XQST0049", format!("variable ${} is there twice", variable.name))));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Compiles what a module declares, in the order in which [`Self::declare`] numbered it.
    fn bodies(&mut self, source: &Source, program: &mut Program) -> Result<()> {
        for declaration in &source.module.prolog {
            let at = |error: Box<Error>| error.at(declaration.span.start, declaration.span.end);
            match &declaration.kind {
                D::Function(function) => program.functions.push(self.function(function, program).map_err(at)?),
                D::Variable(variable) => {
                    let name = types::resolve(&variable.name, "", &self.context)?;
                    let context = self.context();
                    let declared_type = variable.declared_type.as_ref();
                    let declared_type = declared_type.map(|t| types::sequence_type(t, &context)).transpose()?;
                    let value = variable.value.as_ref().map(|value| self.standalone(value)).transpose()?;
                    self.refuse_updates("the value of a variable").map_err(at)?;
                    let (external, module) = (variable.external, self.module);
                    let private = self.annotations(&variable.annotations, "XQST0116")?;
                    program.globals.push(Global { name, declared_type, external, value, module, private });
                }
                D::ContextItem(item) => {
                    let context = self.context();
                    let item_type = match &item.item_type {
                        Some(written) => types::item_type(written, &context).map_err(at)?,
                        None => ItemType::Item,
                    };
                    let value = item.value.as_ref().map(|value| self.standalone(value)).transpose()?;
                    self.refuse_updates("the context item").map_err(at)?;
                    let item_type = SequenceType::new(item_type, Occurrence::One);
                    let declared = program.context_item.get_or_insert_with(ContextItem::default);
                    declared.item_types.push(item_type);
                    if source.namespace.is_none() {
                        (declared.external, declared.value) = (item.external, value);
                    }
                }
                _ => {}
            }
        }
        if let Some(body) = source.module.body() {
            (program.body, program.slots) = self.standalone(body)?;
            program.updating = std::mem::take(&mut self.updates);
        }
        Ok(())
    }

    /// An expression with a frame of its own.
    fn standalone(&mut self, expr: &ast::Expr) -> Result<(Plan, usize)> {
        self.scopes.push_frame();
        let plan = self.expr(expr);
        let (_, slots) = self.scopes.pop_frame();
        Ok((plan?, slots))
    }

    fn function(&mut self, function: &ast::FunctionDecl, program: &Program) -> Result<Arc<FunctionPlan>> {
        let default = self.context.default_function_namespace.clone();
        let name = types::resolve(&function.name, &default, &self.context)?;
        let private = self.annotations(&function.annotations, "XQST0106")?;
        let updating = self.updating_functions[program.functions.len()];
        self.scopes.push_frame();
        self.tail_of = Some(program.functions.len());
        let compiled = self.function_body(&function.params, function.result.as_ref(), function.body.as_ref());
        self.tail_of = None;
        let (_, slots) = self.scopes.pop_frame();
        let (params, result, body) = compiled?;
        if std::mem::take(&mut self.updates) && !updating {
            return Err(fail("XUST0001", format!("function {} updates, but is not declared %updating", function.name)));
        }
        let module = self.module;
        Ok(Arc::new(FunctionPlan { name: Some(name), params, result, body, slots, module, updating, private }))
    }
}
