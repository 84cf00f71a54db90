//! What a case sees of the world: the documents, collections, texts and modules of its environment, and beside them the
//! files of the suite by `file:` URI. Nothing else: no network, no environment of the process.

use crate::catalog::{Collection, Environment, Module, Resource, Source};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Item, Node, ParseOptions, Sequence, Str, parse_xml};
use phoenixmldb_xquery::Resolver;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The resolver of one case.
pub struct World {
    sources: Vec<Source>,
    collections: Vec<Collection>,
    /// Results of collections that are given by expressions.
    pub computed: BTreeMap<String, Sequence>,
    resources: Vec<Resource>,
    modules: Vec<Module>,
    base: PathBuf,
    documents: Mutex<BTreeMap<String, Node>>,
}

/// The `file:` URI of a path.
#[must_use]
pub fn file_uri(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in absolute.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    format!("file://{}", plain.display()).replace(' ', "%20")
}

impl World {
    /// The world of an environment; relative URIs of documents are taken from `base`, the file of the set.
    #[must_use]
    pub fn new(environment: &Environment, modules: &[Module], base: &Path) -> Self {
        Self {
            sources: environment.sources.clone(),
            collections: environment.collections.clone(),
            computed: BTreeMap::new(),
            resources: environment.resources.clone(),
            modules: modules.to_vec(),
            base: base.to_owned(),
            documents: Mutex::default(),
        }
    }

    fn path_of(uri: &str) -> Option<PathBuf> {
        uri.strip_prefix("file://").map(|path| PathBuf::from(path.replace("%20", " ")))
    }

    /// The document of a source: the same node every time.
    pub fn source(&self, source: &Source) -> Result<Node> {
        let uri = source.uri.clone().unwrap_or_else(|| file_uri(&source.file));
        self.read(&uri, &source.file)
    }

    fn read(&self, uri: &str, path: &Path) -> Result<Node> {
        let mut documents = self.documents.lock().expect("no thread panics while it reads a document");
        if let Some(node) = documents.get(uri) {
            return Ok(node.clone());
        }
        let bytes = std::fs::read(path).map_err(|error| fail("FODC0002", format!("{uri}: {error}")))?;
        let options = ParseOptions { document_uri: Some(Str::from(uri)), ..ParseOptions::default() };
        let tree = parse_xml(&bytes, &options).map_err(|error| fail("FODC0002", format!("{uri}: {error}")))?;
        let node = Node::root_of(&tree);
        documents.insert(uri.to_owned(), node.clone());
        Ok(node)
    }

    fn collection_of(&self, uri: Option<&str>) -> Result<&Collection> {
        let relative = |known: &str| file_uri(&self.base.with_file_name(known));
        let named = |collection: &&Collection| {
            collection.uri == uri.unwrap_or_default() || uri.is_some_and(|uri| relative(&collection.uri) == uri)
        };
        let found = self.collections.iter().find(named);
        found.ok_or_else(|| fail("FODC0002", format!("there is no collection {}", uri.unwrap_or("by default"))))
    }
}

impl Resolver for World {
    fn document(&self, uri: &str) -> Result<Node> {
        if let Some(source) = self.sources.iter().find(|source| source.uri.as_deref() == Some(uri)) {
            return self.source(source);
        }
        match Self::path_of(uri) {
            Some(path) if path.is_file() => self.read(uri, &path),
            _ => Err(fail("FODC0002", format!("there is no document {uri}"))),
        }
    }

    fn collection(&self, uri: Option<&str>) -> Result<Sequence> {
        let collection = self.collection_of(uri)?;
        if let Some(computed) = self.computed.get(&collection.uri) {
            return Ok(computed.clone());
        }
        collection.sources.iter().map(|source| self.source(source).map(Item::Node)).collect()
    }

    fn uri_collection(&self, uri: Option<&str>) -> Result<Vec<Str>> {
        let collection = self.collection_of(uri)?;
        let uri = |source: &Source| Str::from(source.uri.clone().unwrap_or_else(|| file_uri(&source.file)));
        Ok(collection.sources.iter().map(uri).collect())
    }

    fn module(&self, namespace: &str, hints: &[Str]) -> Result<Vec<(Option<Str>, String)>> {
        let located = |module: &&Module| {
            module.location.as_ref().is_none_or(|at| hints.is_empty() || hints.iter().any(|hint| hint == at))
        };
        let of = |module: &Module| {
            let text = std::fs::read_to_string(&module.file);
            let text = text.map_err(|error| fail("XQST0059", format!("{}: {error}", module.file.display())))?;
            Ok((Some(Str::from(file_uri(&module.file))), text))
        };
        let named = || self.modules.iter().filter(|module| module.uri == namespace);
        let mut found: Vec<_> = named().filter(located).map(of).collect::<Result<_>>()?;
        if found.is_empty() {
            // Locations are hints: where they lead nowhere, the namespace is enough.
            found = named().map(of).collect::<Result<_>>()?;
        }
        if found.is_empty() {
            return Err(fail("XQST0059", format!("there is no module for namespace {namespace}")));
        }
        Ok(found)
    }

    fn text(&self, uri: &str, encoding: Option<&str>) -> Result<String> {
        let relative = |known: &str| file_uri(&self.base.with_file_name(known));
        let resource = self.resources.iter().find(|resource| resource.uri == uri || relative(&resource.uri) == uri);
        let path = resource.map(|resource| resource.file.clone()).or_else(|| Self::path_of(uri));
        let missing = || fail("FOUT1170", format!("there is no text {uri}"));
        let bytes = std::fs::read(path.ok_or_else(missing)?).map_err(|_| missing())?;
        if encoding.is_some() {
            // The name of an encoding is checked even where the resource states its own.
            phoenixmldb_xdm::input::decode_text(b"", encoding)?;
        }
        let stated = resource.and_then(|resource| resource.encoding.as_deref());
        phoenixmldb_xdm::input::decode_text(&bytes, stated.or(encoding))
    }

    fn environment(&self, name: &str) -> Option<String> {
        let known = [("QTTEST", "42"), ("QTTEST2", "other"), ("QTTESTEMPTY", "")];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    fn environment_names(&self) -> Vec<String> {
        ["QTTEST", "QTTEST2", "QTTESTEMPTY"].map(str::to_owned).to_vec()
    }
}
