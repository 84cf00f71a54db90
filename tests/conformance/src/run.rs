//! One case: environment, query, judgement.

use crate::assertion::Assertion;
use crate::catalog::{Case, Catalog, DecimalFormat, Environment, EnvironmentRef, TestSet};
use crate::judge::{self, Outcome};
use crate::world::{World, file_uri};
use phoenixmldb_xdm::atomic::{Moment, NANOS};
use phoenixmldb_xdm::error::Error;
use phoenixmldb_xdm::types::SequenceType;
use phoenixmldb_xdm::{Item, QName, Sequence, Str};
use phoenixmldb_xquery::functions::parsing::declared_parameters;
use phoenixmldb_xquery::{DynamicContext, Options, Query};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

/// The time of every query: queries of the suite must not depend on it.
const NOW: Moment = Moment { year: 2024, month: 2, day: 29, nanos: 45_296 * NANOS, zone: Some(60) };

/// A collation of the suite that does not tell cases apart.
const CASEBLIND: &str = "http://www.w3.org/2010/09/qt-fots-catalog/collation/caseblind";
/// What it is in this engine.
const ASCII_CASE_INSENSITIVE: &str = "http://www.w3.org/2005/xpath-functions/collation/html-ascii-case-insensitive";

/// What queries of one case are compiled and run with.
pub struct Setting {
    /// Static part.
    pub options: Options,
    /// Documents and the like.
    pub world: Arc<World>,
    /// Values of external variables.
    pub variables: HashMap<QName, Sequence>,
    /// The context item.
    pub context_item: Option<Item>,
    /// Declarations put before the query.
    pub prolog: String,
}

/// Runs a case. `Err` says why it failed.
pub fn run_case(catalog: &Catalog, set: &TestSet, case: &Case) -> Result<(), String> {
    let none = Environment::default();
    let environment = match &case.environment {
        EnvironmentRef::None => &none,
        EnvironmentRef::Inline(environment) => environment,
        EnvironmentRef::Named(name) => {
            let found = set.environments.get(name).or_else(|| catalog.environments.get(name));
            found.ok_or_else(|| format!("there is no environment {name}"))?
        }
    };
    let query = case.test.clone()?;
    let setting = Setting::new(set, case, environment, &query).map_err(|error| format!("environment: {error}"))?;
    let query = format!("{}{query}", setting.prolog);
    let outcome = evaluate(&setting, &query);
    judge::judge(&setting, &case.result, &outcome)
}

fn evaluate(setting: &Setting, query: &str) -> Outcome {
    let compiled = Query::compile(query, &setting.options, &*setting.world)?;
    let output = declared_parameters(compiled.static_context(), &*setting.world);
    Ok((compiled.run(&setting.dynamic())?, output))
}

/// Whether the query declares the variable itself.
fn declares(query: &str, name: &str) -> bool {
    query.split("variable").skip(1).any(|rest| {
        let rest = rest.trim_start().strip_prefix('$').unwrap_or_default().trim_start();
        rest.strip_prefix(name).is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
    })
}

impl Setting {
    fn new(set: &TestSet, case: &Case, environment: &Environment, query: &str) -> Result<Self, Box<Error>> {
        let mut world = World::new(environment, &case.modules, &set.file);
        let base_uri = match environment.base_uri.as_deref() {
            Some("#UNDEFINED") => None,
            Some(uri) => Some(Str::from(uri)),
            None => Some(Str::from(file_uri(&set.file))),
        };
        let bindings = environment.namespaces.iter();
        let namespaces: Vec<(Str, Str)> = bindings
            .clone()
            .filter(|(prefix, _)| !prefix.is_empty())
            .map(|(p, u)| (Str::from(p.as_str()), Str::from(u.as_str())))
            .collect();
        let default = bindings.clone().find(|(prefix, _)| prefix.is_empty());
        let options = Options {
            namespaces,
            default_element_namespace: default.map(|(_, uri)| Str::from(uri.as_str())).unwrap_or_default(),
            base_uri,
            default_collation: environment.default_collation.as_deref().map(Str::from),
            // The collation that the suite defines for processors to provide.
            collations: vec![(Str::from(CASEBLIND), Str::from(ASCII_CASE_INSENSITIVE))],
            ..Options::default()
        };
        for collection in &environment.collections {
            if let Some(text) = &collection.query {
                let plain = Self::plain(options.clone(), World::new(environment, &[], &set.file));
                world.computed.insert(collection.uri.clone(), plain.value(text)?);
            }
        }
        let mut setting = Self::plain(options, world);
        for source in &environment.sources {
            match source.role.as_deref() {
                Some(".") => setting.context_item = Some(Item::Node(setting.world.source(source)?)),
                Some(role) => {
                    let name = role.trim_start_matches('$');
                    let value = Sequence::from(setting.world.source(source)?);
                    setting.bind(QName::local(name), value, declares(query, name));
                }
                None => {}
            }
        }
        for param in &environment.params {
            let local = param.name.split_once(':').map_or(param.name.as_str(), |(_, local)| local);
            let value = match &param.select {
                Some(select) => setting.value(select)?,
                None => Sequence::Empty,
            };
            let name = QName::new("", param.uri.as_str(), local);
            setting.bind(name, value, param.declared || declares(query, &param.name));
        }
        if let Some(select) = &environment.context_item {
            setting.context_item = setting.value(select)?.first();
        }
        setting.prolog = environment.decimal_formats.iter().map(declaration).collect();
        Ok(setting)
    }

    fn plain(options: Options, world: World) -> Self {
        let (world, variables) = (Arc::new(world), HashMap::new());
        Self { options, world, variables, context_item: None, prolog: String::new() }
    }

    fn bind(&mut self, name: QName, value: Sequence, is_declared: bool) {
        if !is_declared {
            self.options.variables.push((name.clone(), SequenceType::ANY));
        }
        self.variables.insert(name, value);
    }

    fn dynamic(&self) -> DynamicContext {
        let mut context = DynamicContext::new(NOW, self.world.clone());
        context.variables = self.variables.clone();
        context.context_item = self.context_item.clone();
        context
    }

    /// The value of an expression in this setting.
    pub fn value(&self, expression: &str) -> Result<Sequence, Box<Error>> {
        Query::compile(expression, &self.options, &*self.world)?.run(&self.dynamic())
    }

    /// The value of an expression over `$result`, with more namespaces.
    pub fn value_over(
        &self,
        result: &Sequence,
        expression: &str,
        namespaces: &[(String, String)],
    ) -> Result<Sequence, Box<Error>> {
        let mut options = self.options.clone();
        let name = QName::local("result");
        options.variables.push((name.clone(), SequenceType::ANY));
        for (prefix, uri) in namespaces.iter().filter(|(prefix, _)| !prefix.is_empty()) {
            if !options.namespaces.iter().any(|(known, _)| known == prefix.as_str()) {
                options.namespaces.push((Str::from(prefix.as_str()), Str::from(uri.as_str())));
            }
        }
        let mut context = self.dynamic();
        context.variables.insert(name, result.clone());
        // Some assertions look at the result as their context item.
        context.context_item = result.single().or(context.context_item);
        Query::compile(expression, &options, &*self.world)?.run(&context)
    }
}

/// A decimal format of an environment as a declaration.
fn declaration(format: &DecimalFormat) -> String {
    let mut text = match &format.name {
        None => "declare default decimal-format".to_owned(),
        Some((uri, local)) => format!("declare decimal-format Q{{{uri}}}{local}"),
    };
    for (name, value) in &format.properties {
        let escaped = value.replace('&', "&amp;").replace('"', "&quot;");
        let _ = write!(text, " {name} = \"{escaped}\"");
    }
    text.push_str(";\n");
    text
}

/// Whether a case expects nothing but an error.
#[must_use]
pub fn expects_error(assertion: &Assertion) -> bool {
    match assertion {
        Assertion::Error(_) => true,
        Assertion::Any(all) => all.iter().all(expects_error),
        _ => false,
    }
}
