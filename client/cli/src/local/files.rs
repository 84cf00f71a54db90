//! What a local query may read: nothing, unless folders were named.
//!
//! Paths are resolved before they are compared, so that neither `..` nor a symbolic link leads out of a folder.

use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Item, Node, ParseOptions, Sequence, Str, input, parse_xml};
use phoenixmldb_xquery::Resolver;
use phoenixmldb_xquery::syntax::{ast::ModuleKind, parse_module};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Endings of files that are looked at for modules.
const MODULE_ENDINGS: [&str; 4] = ["xq", "xqm", "xql", "xquery"];

/// Reads below the folders that were named.
pub struct Files {
    folders: Vec<PathBuf>,
    module_folders: Vec<PathBuf>,
    /// A document is the same one however often it is asked for.
    documents: Mutex<BTreeMap<PathBuf, Node>>,
    /// Texts of modules, for error messages.
    modules: Mutex<BTreeMap<String, String>>,
}

/// The URI of a file.
#[must_use]
pub fn file_uri(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// The path of a file URI; `None` for any other.
fn path_of(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file:")?;
    let rest = rest.strip_prefix("//").map_or(rest, |rest| rest.strip_prefix("localhost").unwrap_or(rest));
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.bytes();
    while let Some(byte) = left.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [left.next()?, left.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    let path = PathBuf::from(String::from_utf8(bytes).ok()?);
    path.is_absolute().then_some(path)
}

impl Files {
    /// Reads below `folders` and takes modules from `module_folders`. Error: a folder that is not there.
    pub fn new(folders: &[PathBuf], module_folders: &[PathBuf]) -> std::io::Result<Self> {
        let resolve =
            |folders: &[PathBuf]| folders.iter().map(fs_err::canonicalize).collect::<std::io::Result<Vec<_>>>();
        Ok(Self {
            folders: resolve(folders)?,
            module_folders: resolve(module_folders)?,
            documents: Mutex::default(),
            modules: Mutex::default(),
        })
    }

    /// The text of a module that was imported.
    #[must_use]
    pub fn module_text(&self, uri: &str) -> Option<String> {
        self.modules.lock().expect("no thread panics while it holds the lock").get(uri).cloned()
    }

    /// The file of a URI, if it may be read. Error: the code, with the reason.
    fn allowed(&self, uri: &str, code: &'static str) -> Result<PathBuf> {
        let path = path_of(uri).ok_or_else(|| fail(code, format!("{uri} is not a file, and nothing else is read")))?;
        let refused = || {
            let folder = path.parent().unwrap_or(&path).display();
            fail(code, format!("{} may not be read; allow its folder: --allow-files {folder}", path.display()))
        };
        if self.folders.is_empty() {
            return Err(refused());
        }
        // What cannot be resolved is judged by its folder, so that nothing is learned of files outside.
        match path.canonicalize() {
            Ok(real) if self.folders.iter().any(|folder| real.starts_with(folder)) => Ok(real),
            Ok(_) => Err(refused()),
            Err(error) => {
                let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
                if folder.is_some_and(|real| self.folders.iter().any(|allowed| real.starts_with(allowed))) {
                    Err(fail(code, format!("{}: {error}", path.display())))
                } else {
                    Err(refused())
                }
            }
        }
    }

    fn read(&self, path: &Path) -> Result<Node> {
        let mut documents = self.documents.lock().expect("no thread panics while it holds the lock");
        if let Some(node) = documents.get(path) {
            return Ok(node.clone());
        }
        let wrong = |reason: String| fail("FODC0002", format!("{}: {reason}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let options = ParseOptions { document_uri: Some(Str::from(file_uri(path))), ..ParseOptions::default() };
        let tree = parse_xml(&bytes, &options).map_err(|error| wrong(error.to_string()))?;
        let node = Node::root_of(&tree);
        documents.insert(path.to_owned(), node.clone());
        Ok(node)
    }

    /// The XML files of a folder, by name.
    fn members(&self, uri: Option<&str>) -> Result<Vec<PathBuf>> {
        let uri = uri.ok_or_else(|| {
            fail("FODC0002", "collection() without argument needs a cluster; here it takes a folder: collection('dir')")
        })?;
        let folder = self.allowed(uri, "FODC0002")?;
        let wrong = |error: std::io::Error| fail("FODC0002", format!("{}: {error}", folder.display()));
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml")) {
                files.push(self.allowed(&file_uri(&path), "FODC0002")?);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// The target namespace of a library module; `None` for other texts.
fn namespace_of(text: &str) -> Option<Str> {
    match &parse_module(text, None).ok()?.kind {
        ModuleKind::Library { uri, .. } => Some(uri.clone()),
        ModuleKind::Main(_) => None,
    }
}

impl Resolver for Files {
    fn document(&self, uri: &str) -> Result<Node> {
        self.read(&self.allowed(uri, "FODC0002")?)
    }

    fn collection(&self, uri: Option<&str>) -> Result<Sequence> {
        self.members(uri)?.iter().map(|path| self.read(path).map(Item::Node)).collect()
    }

    fn uri_collection(&self, uri: Option<&str>) -> Result<Vec<Str>> {
        Ok(self.members(uri)?.iter().map(|path| Str::from(file_uri(path))).collect())
    }

    /// A location that is named has to be there; without one, files of the module folders are looked at.
    fn module(&self, namespace: &str, hints: &[Str]) -> Result<Vec<(Option<Str>, String)>> {
        let mut found = Vec::new();
        let mut take = |path: &Path| {
            let uri = file_uri(path);
            if let Ok(text) = std::fs::read_to_string(path)
                && (!hints.is_empty() || namespace_of(&text).is_some_and(|its| its == namespace))
                && !found.iter().any(|(known, _)| known == &Some(Str::from(uri.as_str())))
            {
                let mut modules = self.modules.lock().expect("no thread panics while it holds the lock");
                modules.insert(uri.clone(), text.clone());
                found.push((Some(Str::from(uri)), text));
            }
        };
        for folder in &self.module_folders {
            for hint in hints {
                let path = path_of(hint).unwrap_or_else(|| folder.join(hint.as_str()));
                if let Ok(real) = path.canonicalize()
                    && real.starts_with(folder)
                {
                    take(&real);
                }
            }
            if hints.is_empty() {
                let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
                let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
                paths.sort();
                let ending = |path: &&PathBuf| path.extension().is_some_and(|e| MODULE_ENDINGS.iter().any(|m| e == *m));
                paths.iter().filter(ending).for_each(|path| take(path));
            }
        }
        if found.is_empty() {
            let next = if self.module_folders.is_empty() { "; name its folder: --module-path DIR" } else { "" };
            return Err(fail("XQST0059", format!("no module was found for namespace {namespace}{next}")));
        }
        Ok(found)
    }

    fn text(&self, uri: &str, encoding: Option<&str>) -> Result<String> {
        let path = self.allowed(uri, "FOUT1170")?;
        let bytes = std::fs::read(&path).map_err(|error| fail("FOUT1170", format!("{}: {error}", path.display())))?;
        input::decode_text(&bytes, encoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_paths() {
        for path in ["/a/b.xml", "/a b/ü%.xml"] {
            assert_eq!(path_of(&file_uri(Path::new(path))), Some(PathBuf::from(path)));
        }
        assert_eq!(path_of("file:/a"), Some(PathBuf::from("/a")));
        assert_eq!(path_of("http://a/b"), None);
        assert_eq!(path_of("file:///a%"), None);
    }

    #[test]
    fn nothing_is_read_outside_the_folders_that_were_named() {
        let home = tempfile::tempdir().unwrap();
        let (inside, outside) = (home.path().join("in"), home.path().join("out"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(inside.join("a.xml"), "<a/>").unwrap();
        std::fs::write(outside.join("b.xml"), "<b/>").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.join("b.xml"), inside.join("link.xml")).unwrap();
        let files = Files::new(std::slice::from_ref(&inside), &[]).unwrap();
        let uri = |path: PathBuf| file_uri(&path);
        assert!(files.document(&uri(inside.join("a.xml"))).is_ok());
        for path in [outside.join("b.xml"), inside.join("../out/b.xml"), inside.join("link.xml")] {
            let error = files.document(&uri(path)).unwrap_err();
            assert!(error.message.contains("--allow-files"), "{error}");
        }
        let closed = Files::new(&[], &[]).unwrap();
        assert!(closed.document(&uri(inside.join("a.xml"))).is_err());
        assert!(closed.text(&uri(inside.join("a.xml")), None).is_err());
        assert!(closed.collection(Some(&uri(inside))).is_err());
    }
}
