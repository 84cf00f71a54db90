//! Which nodes a command talks to when it names none: the contexts file.
//!
//! `~/.config/phoenixmldb/contexts.toml`, or `$XDG_CONFIG_HOME/phoenixmldb/contexts.toml`, or `$PHOENIXMLDB_CONTEXTS`.
//! Order: `--endpoint`, `PHOENIXMLDB_ENDPOINTS`, the context named by `--context` or `PHOENIXMLDB_CONTEXT`, the current
//! context, `127.0.0.1:5432`.

use crate::error::CliError;
use crate::exit::Exit;
use phoenixmldb_types::intent::{CLIENT_PORT_DEFAULT, peer_address};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Contexts {
    /// Name of the one in use.
    pub current: Option<String>,
    /// All of them.
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

/// One cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Context {
    /// Client addresses.
    pub endpoints: Vec<String>,
}

/// Where the file is.
pub fn path() -> Result<PathBuf, CliError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = set("PHOENIXMLDB_CONTEXTS") {
        return Ok(file);
    }
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let folder = folder.ok_or_else(|| {
        CliError::new(Exit::Failed, "no place for the contexts file: HOME is not set").next("set PHOENIXMLDB_CONTEXTS")
    })?;
    Ok(folder.join("phoenixmldb/contexts.toml"))
}

impl Contexts {
    /// Reads the file; empty when there is none.
    pub fn load() -> Result<Self, CliError> {
        let path = path()?;
        match fs_err::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| CliError::new(Exit::Failed, format!("{}: {error}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(CliError::io(&error)),
        }
    }

    /// Writes the file.
    pub fn save(&self) -> Result<PathBuf, CliError> {
        let path = path()?;
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder).map_err(|error| CliError::io(&error))?;
        }
        let text = toml::to_string_pretty(self).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
        fs_err::write(&path, text).map_err(|error| CliError::io(&error))?;
        Ok(path)
    }

    /// Adds or replaces a context and makes it the current one.
    pub fn add(&mut self, name: &str, endpoints: Vec<String>) {
        self.contexts.insert(name.to_owned(), Context { endpoints });
        self.current = Some(name.to_owned());
    }
}

/// Checks a list of client addresses.
pub fn endpoints(given: &[String]) -> Result<Vec<String>, CliError> {
    let parts = given.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| Ok(peer_address(part, CLIENT_PORT_DEFAULT).map_err(CliError::usage)?.0)).collect()
}

/// The nodes to talk to.
pub fn resolve(flag: &[String], context: Option<&str>) -> Result<Vec<String>, CliError> {
    let given = endpoints(flag)?;
    if !given.is_empty() {
        return Ok(given);
    }
    if let Ok(set) = std::env::var("PHOENIXMLDB_ENDPOINTS") {
        let given = endpoints(&[set])?;
        if !given.is_empty() {
            return Ok(given);
        }
    }
    let contexts = Contexts::load()?;
    let named = context.map(str::to_owned).or_else(|| std::env::var("PHOENIXMLDB_CONTEXT").ok());
    if let Some(name) = &named
        && !contexts.contexts.contains_key(name)
    {
        return Err(CliError::usage(format!("no context is named {name:?}")).next("phoenixmldb-cluster context ls"));
    }
    let chosen = named.or_else(|| contexts.current.clone()).and_then(|name| contexts.contexts.get(&name).cloned());
    Ok(chosen.map_or_else(|| vec![format!("127.0.0.1:{CLIENT_PORT_DEFAULT}")], |context| context.endpoints))
}
