//! What a query is compiled and run with: options, static context, dynamic context, and the one way out.
//!
//! XQuery 3.1 §2.1. The static context is built by `compile` from [`Options`] and the prolog and is shared by every
//! function item of its module; the dynamic context is given to `run`.

use phoenixmldb_xdm::atomic::Moment;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::types::SequenceType;
use phoenixmldb_xdm::{Item, Meter, Node, QName, Sequence, Str};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Namespace of the functions, usually bound to `fn`.
pub const FN_NAMESPACE: &str = "http://www.w3.org/2005/xpath-functions";
/// Namespace of mathematical functions.
pub const MATH_NAMESPACE: &str = "http://www.w3.org/2005/xpath-functions/math";
/// Namespace of map functions.
pub const MAP_NAMESPACE: &str = "http://www.w3.org/2005/xpath-functions/map";
/// Namespace of array functions.
pub const ARRAY_NAMESPACE: &str = "http://www.w3.org/2005/xpath-functions/array";
/// Namespace of annotations and of options of the language.
pub const XQUERY_NAMESPACE: &str = "http://www.w3.org/2012/xquery";
/// Namespace of serialization parameters.
pub const OUTPUT_NAMESPACE: &str = "http://www.w3.org/2010/xslt-xquery-serialization";
/// Namespace that unprefixed functions declared as `local:` are in.
pub const LOCAL_NAMESPACE: &str = "http://www.w3.org/2005/xquery-local-functions";
/// The collation that compares codepoints.
pub const CODEPOINT_COLLATION: &str = "http://www.w3.org/2005/xpath-functions/collation/codepoint";

/// What the host says before a query is compiled.
#[derive(Clone, Debug)]
pub struct Options {
    /// Prefixes bound beside the predeclared ones.
    pub namespaces: Vec<(Str, Str)>,
    /// Default namespace of elements and types; empty for none.
    pub default_element_namespace: Str,
    /// Static base URI.
    pub base_uri: Option<Str>,
    /// Default collation; codepoints when absent.
    pub default_collation: Option<Str>,
    /// Names that the host gives to collations: a URI, and the URI of the collation it stands for.
    pub collations: Vec<(Str, Str)>,
    /// Variables that exist without being declared, with their types.
    pub variables: Vec<(QName, SequenceType)>,
    /// Type that the context item will have, where the host knows it.
    pub context_item_type: Option<SequenceType>,
    /// Whether plans are rewritten to run faster. Results are the same; errors may be left out (XQuery 3.1 §2.3.4).
    pub optimize: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            default_element_namespace: Str::default(),
            base_uri: None,
            default_collation: None,
            collations: Vec::new(),
            variables: Vec::new(),
            context_item_type: None,
            optimize: true,
        }
    }
}

/// A decimal format (F&O 3.1 §4.7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named like the property")]
pub struct DecimalFormat {
    pub decimal_separator: char,
    pub grouping_separator: char,
    pub exponent_separator: char,
    pub infinity: Str,
    pub minus_sign: char,
    pub nan: Str,
    pub percent: char,
    pub per_mille: char,
    pub zero_digit: char,
    pub digit: char,
    pub pattern_separator: char,
}

impl Default for DecimalFormat {
    fn default() -> Self {
        Self {
            decimal_separator: '.',
            grouping_separator: ',',
            exponent_separator: 'e',
            infinity: Str::from("Infinity"),
            minus_sign: '-',
            nan: Str::from("NaN"),
            percent: '%',
            per_mille: '\u{2030}',
            zero_digit: '0',
            digit: '#',
            pattern_separator: ';',
        }
    }
}

/// The static context of one module, as functions see it.
#[derive(Clone, Debug)]
pub struct StaticContext {
    /// Prefixes in scope.
    pub namespaces: BTreeMap<Str, Str>,
    /// Default namespace of elements and types.
    pub default_element_namespace: Str,
    /// Default namespace of functions.
    pub default_function_namespace: Str,
    /// Static base URI.
    pub base_uri: Option<Str>,
    /// Default collation.
    pub default_collation: Str,
    /// The host's names for collations.
    pub collations: Vec<(Str, Str)>,
    /// Decimal formats; `None` is the unnamed one.
    pub decimal_formats: HashMap<Option<QName>, DecimalFormat>,
    /// Values of `declare option output:…`, in order.
    pub serialization: Vec<(QName, Str)>,
    /// Whether `declare copy-namespaces` preserves, and whether it inherits.
    pub copy_namespaces: (bool, bool),
    /// `declare construction preserve`.
    pub construction_preserve: bool,
    /// `declare boundary-space preserve`.
    pub boundary_space_preserve: bool,
    /// `declare default order empty greatest`.
    pub empty_greatest: bool,
    /// `declare ordering ordered`.
    pub ordered: bool,
}

impl StaticContext {
    /// The context before any prolog.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let predeclared = [
            ("xml", phoenixmldb_xdm::names::XML_NAMESPACE),
            ("xs", phoenixmldb_xdm::atomic::SCHEMA_NAMESPACE),
            ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
            ("fn", FN_NAMESPACE),
            ("local", LOCAL_NAMESPACE),
            ("math", MATH_NAMESPACE),
            ("map", MAP_NAMESPACE),
            ("array", ARRAY_NAMESPACE),
            ("err", phoenixmldb_xdm::error::ERROR_NAMESPACE),
            ("output", OUTPUT_NAMESPACE),
        ];
        let predeclared = predeclared.map(|(prefix, uri)| (Str::from(prefix), Str::from(uri)));
        Self {
            namespaces: predeclared.into_iter().chain(options.namespaces.iter().cloned()).collect(),
            default_element_namespace: options.default_element_namespace.clone(),
            default_function_namespace: Str::from(FN_NAMESPACE),
            base_uri: options.base_uri.clone(),
            default_collation: options.default_collation.clone().unwrap_or_else(|| Str::from(CODEPOINT_COLLATION)),
            collations: options.collations.clone(),
            decimal_formats: HashMap::from([(None, DecimalFormat::default())]),
            serialization: Vec::new(),
            copy_namespaces: (true, true),
            construction_preserve: true,
            boundary_space_preserve: false,
            empty_greatest: false,
            ordered: true,
        }
    }

    /// The collation that a URI stands for, where the host has given it a name; otherwise the URI itself.
    #[must_use]
    pub fn collation_uri<'a>(&'a self, uri: &'a str) -> &'a str {
        self.collations.iter().find(|(name, _)| name == uri).map_or(uri, |(_, uri)| uri.as_str())
    }

    /// The namespace of a prefix; the empty prefix is the default namespace of elements.
    #[must_use]
    pub fn namespace(&self, prefix: &str) -> Option<Str> {
        if prefix.is_empty() {
            return Some(self.default_element_namespace.clone());
        }
        self.namespaces.get(prefix).filter(|uri| !uri.is_empty()).cloned()
    }
}

/// The way from a query to the world. Called while compiling (modules) and running (everything else), and may block.
pub trait Resolver: Send + Sync {
    /// The document at an absolute URI. Error: FODC0002.
    fn document(&self, uri: &str) -> Result<Node> {
        Err(fail("FODC0002", format!("there is no document {uri}")))
    }
    /// The items of a collection; `None` is the default one. Error: FODC0002.
    fn collection(&self, uri: Option<&str>) -> Result<Sequence> {
        Err(fail("FODC0002", format!("there is no collection {}", uri.unwrap_or("by default"))))
    }
    /// The URIs in a collection. Error: FODC0002.
    fn uri_collection(&self, uri: Option<&str>) -> Result<Vec<Str>> {
        Err(fail("FODC0002", format!("there is no collection {}", uri.unwrap_or("by default"))))
    }
    /// The texts of the library modules of a namespace, each with its location. Error: XQST0059.
    fn module(&self, namespace: &str, hints: &[Str]) -> Result<Vec<(Option<Str>, String)>> {
        let _ = hints;
        Err(fail("XQST0059", format!("there is no module for namespace {namespace}")))
    }
    /// Whether `fn:put` may store a document at an absolute URI; what applies the updates stores it. Error: FOUP0002.
    fn accepts_put(&self, uri: &str) -> Result<()> {
        Err(fail("FOUP0002", format!("nothing can be stored at {uri}")))
    }
    /// A text resource. Errors: FOUT1170, FOUT1190, FOUT1200.
    fn text(&self, uri: &str, encoding: Option<&str>) -> Result<String> {
        let _ = encoding;
        Err(fail("FOUT1170", format!("there is no text {uri}")))
    }
    /// The value of an environment variable.
    fn environment(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }
    /// The names of the environment variables.
    fn environment_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A resolver that finds nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoResolver;

impl Resolver for NoResolver {}

/// What a query is run with.
#[derive(Clone)]
pub struct DynamicContext {
    /// The context item.
    pub context_item: Option<Item>,
    /// Values of external variables.
    pub variables: HashMap<QName, Sequence>,
    /// `fn:current-dateTime()`; its zone is the implicit one.
    pub current: Moment,
    /// The way to documents.
    pub resolver: Arc<dyn Resolver>,
    /// Fuel, deadline, cancelling.
    pub meter: Arc<Meter>,
}

impl DynamicContext {
    /// A context without input, at a given time.
    #[must_use]
    pub fn new(current: Moment, resolver: Arc<dyn Resolver>) -> Self {
        let meter = Arc::new(Meter::default());
        Self { context_item: None, variables: HashMap::new(), current, resolver, meter }
    }

    /// The implicit time zone, in minutes.
    #[must_use]
    pub fn implicit_zone(&self) -> i16 {
        self.current.zone.unwrap_or(0)
    }
}
