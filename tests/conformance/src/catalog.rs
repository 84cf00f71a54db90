//! The catalog of a QT3 suite and its test sets, as data.
//!
//! ```text
//!  catalog.xml ─► Catalog ─┬─ environments shared by all sets
//!                          └─ sets: name and file ─► TestSet ─┬─ environments
//!                                                             └─ cases: test text, dependencies, Assertion
//! ```
//!
//! File names are resolved against the file that mentions them. The elements are described by `catalog-schema.xsd` of
//! the suite. Unknown elements are an error only where they would change an outcome (assertions).

use crate::assertion::Assertion;
use crate::xml::Element;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A suite's catalog.
#[derive(Debug)]
pub struct Catalog {
    /// Set names and files, in order of the catalog.
    pub sets: Vec<(String, PathBuf)>,
    /// Environments that every set may refer to.
    pub environments: BTreeMap<String, Environment>,
}

/// One set of cases.
#[derive(Debug)]
pub struct TestSet {
    /// Its name.
    pub name: String,
    /// The file it was read from; base URI of queries.
    pub file: PathBuf,
    /// Environments of the set.
    pub environments: BTreeMap<String, Environment>,
    /// What all its cases depend on.
    pub dependencies: Vec<Dependency>,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Debug)]
pub struct Case {
    /// Its name, unique in the set.
    pub name: String,
    /// Names and texts of environments.
    pub environment: EnvironmentRef,
    /// Modules that may be imported.
    pub modules: Vec<Module>,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// The query, or the reason why it could not be read.
    pub test: Result<String, String>,
    /// What has to come out.
    pub result: Assertion,
}

/// Where a case finds its environment.
#[derive(Debug)]
pub enum EnvironmentRef {
    /// It has none.
    None,
    /// By name, in the set or the catalog.
    Named(String),
    /// Written in the case.
    Inline(Box<Environment>),
}

/// A module that a query may import.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its target namespace.
    pub uri: String,
    /// The location hint it answers to, if any.
    pub location: Option<String>,
    /// The file.
    pub file: PathBuf,
}

/// A condition on the processor.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// `spec`, `feature`, `language` …
    pub kind: String,
    /// Alternatives are separated by spaces.
    pub value: String,
    /// Whether it has to hold, or not to hold.
    pub satisfied: bool,
}

/// Static and dynamic context of a query.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Documents.
    pub sources: Vec<Source>,
    /// Collections.
    pub collections: Vec<Collection>,
    /// Text resources.
    pub resources: Vec<Resource>,
    /// External variables.
    pub params: Vec<Param>,
    /// Namespace bindings.
    pub namespaces: Vec<(String, String)>,
    /// Decimal formats: an expanded name and the properties.
    pub decimal_formats: Vec<DecimalFormat>,
    /// Static base URI; `#UNDEFINED` for none.
    pub base_uri: Option<String>,
    /// Default collation.
    pub default_collation: Option<String>,
    /// Expression for the context item.
    pub context_item: Option<String>,
    /// Whether it needs a schema.
    pub has_schema: bool,
}

/// A document of an environment.
#[derive(Clone, Debug)]
pub struct Source {
    /// `.`, or `$name`.
    pub role: Option<String>,
    /// URI it is known by.
    pub uri: Option<String>,
    /// The file.
    pub file: PathBuf,
}

/// A collection of an environment; an empty URI is the default one.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Its URI.
    pub uri: String,
    /// Its documents.
    pub sources: Vec<Source>,
    /// An expression that gives its items, instead of documents.
    pub query: Option<String>,
}

/// A text resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// URI it is known by.
    pub uri: String,
    /// The file.
    pub file: PathBuf,
    /// Its encoding, when it is stated.
    pub encoding: Option<String>,
}

/// An external variable.
#[derive(Clone, Debug)]
pub struct Param {
    /// Lexical name.
    pub name: String,
    /// Namespace of its prefix; empty for none.
    pub uri: String,
    /// Expression for its value.
    pub select: Option<String>,
    /// Whether the query declares it itself.
    pub declared: bool,
}

/// A decimal format.
#[derive(Clone, Debug)]
pub struct DecimalFormat {
    /// Namespace and local part; `None` for the default format.
    pub name: Option<(String, String)>,
    /// Properties other than the name.
    pub properties: Vec<(&'static str, String)>,
}

const DECIMAL_PROPERTIES: &[&str] = &[
    "decimal-separator",
    "grouping-separator",
    "exponent-separator",
    "infinity",
    "minus-sign",
    "NaN",
    "percent",
    "per-mille",
    "zero-digit",
    "digit",
    "pattern-separator",
];

/// A reader of one suite file.
struct Reader<'a> {
    directory: &'a Path,
}

impl Catalog {
    /// Reads `catalog.xml` of the suite in `folder`.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let root = Element::read(&folder.join("catalog.xml"))?;
        let reader = Reader { directory: folder };
        let set = |element: Element| {
            let name = element.attribute("name").unwrap_or_default();
            (name, folder.join(element.attribute("file").unwrap_or_default()))
        };
        Ok(Self { sets: root.named("test-set").map(set).collect(), environments: reader.environments(&root) })
    }
}

impl TestSet {
    /// Reads one set.
    pub fn read(file: &Path) -> Result<Self, String> {
        let root = Element::read(file)?;
        let reader = Reader { directory: file.parent().unwrap_or(Path::new(".")) };
        let cases = root.named("test-case").map(|case| reader.case(&case)).collect::<Result<_, _>>();
        Ok(Self {
            name: root.attribute("name").unwrap_or_default(),
            file: file.to_owned(),
            environments: reader.environments(&root),
            dependencies: dependencies(&root),
            cases: cases.map_err(|error| format!("{}: {error}", file.display()))?,
        })
    }
}

fn dependencies(element: &Element) -> Vec<Dependency> {
    let read = |dependency: Element| Dependency {
        kind: dependency.attribute("type").unwrap_or_default(),
        value: dependency.attribute("value").unwrap_or_default(),
        satisfied: dependency.attribute("satisfied").is_none_or(|value| value.trim() != "false"),
    };
    element.named("dependency").map(read).collect()
}

impl Reader<'_> {
    fn path(&self, element: &Element) -> PathBuf {
        self.directory.join(element.attribute("file").unwrap_or_default())
    }

    fn environments(&self, element: &Element) -> BTreeMap<String, Environment> {
        let named = |environment: Element| Some((environment.attribute("name")?, self.environment(&environment)));
        element.named("environment").filter_map(named).collect()
    }

    fn case(&self, element: &Element) -> Result<Case, String> {
        let name = element.attribute("name").unwrap_or_default();
        let test = match element.named("test").next() {
            None => Err("the case has no test".to_owned()),
            Some(test) if test.attribute("file").is_some() => {
                let path = self.path(&test);
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
            }
            Some(test) => Ok(test.text()),
        };
        let environment = match element.named("environment").next() {
            None => EnvironmentRef::None,
            Some(environment) => match environment.attribute("ref") {
                Some(name) => EnvironmentRef::Named(name),
                None => EnvironmentRef::Inline(Box::new(self.environment(&environment))),
            },
        };
        let module = |module: Element| Module {
            uri: module.attribute("uri").unwrap_or_default(),
            location: module.attribute("location"),
            file: self.path(&module),
        };
        let result = element.named("result").next().and_then(|result| result.children().next());
        let result = result.ok_or_else(|| format!("case {name} has no result"))?;
        Ok(Case {
            environment,
            modules: element.named("module").map(module).collect(),
            dependencies: dependencies(element),
            test,
            result: Assertion::read(&result, self.directory).map_err(|error| format!("case {name}: {error}"))?,
            name,
        })
    }

    fn environment(&self, element: &Element) -> Environment {
        let source = |source: Element| Source {
            role: source.attribute("role"),
            uri: source.attribute("uri"),
            file: self.path(&source),
        };
        let mut environment = Environment::default();
        for child in element.children() {
            match child.name() {
                "source" => environment.sources.push(source(child)),
                "collection" => environment.collections.push(Collection {
                    uri: child.attribute("uri").unwrap_or_default(),
                    sources: child.named("source").map(source).collect(),
                    query: child.named("query").next().map(|query| query.text()),
                }),
                "resource" => environment.resources.push(Resource {
                    uri: child.attribute("uri").unwrap_or_default(),
                    file: self.path(&child),
                    encoding: child.attribute("encoding"),
                }),
                "param" => environment.params.push(param(&child)),
                "namespace" => {
                    let part = |name| child.attribute(name).unwrap_or_default();
                    environment.namespaces.push((part("prefix"), part("uri")));
                }
                "decimal-format" => environment.decimal_formats.push(decimal_format(&child)),
                "static-base-uri" => environment.base_uri = child.attribute("uri"),
                "collation" if child.attribute("default").is_some_and(|value| value == "true") => {
                    environment.default_collation = child.attribute("uri");
                }
                "context-item" => environment.context_item = child.attribute("select"),
                "schema" => environment.has_schema = true,
                _ => {}
            }
        }
        environment
    }
}

fn param(element: &Element) -> Param {
    let name = element.attribute("name").unwrap_or_default();
    let prefix = name.split_once(':').map(|(prefix, _)| prefix.to_owned());
    Param {
        uri: prefix.and_then(|prefix| element.namespace_of(&prefix)).unwrap_or_default(),
        name,
        select: element.attribute("select"),
        declared: element.attribute("declared").is_some_and(|value| value == "true"),
    }
}

fn decimal_format(element: &Element) -> DecimalFormat {
    let name = element.attribute("name").map(|name| match name.split_once(':') {
        Some((prefix, local)) => (element.namespace_of(prefix).unwrap_or_default(), local.to_owned()),
        None => (String::new(), name),
    });
    let property = |property: &&'static str| Some((*property, element.attribute(property)?));
    DecimalFormat { name, properties: DECIMAL_PROPERTIES.iter().filter_map(property).collect() }
}
