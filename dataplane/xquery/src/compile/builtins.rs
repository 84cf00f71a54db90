//! The function table by name, with its types read once.

use super::plan::Builtin;
use super::types;
use crate::context::{Options, StaticContext};
use crate::functions::signature::FUNCTIONS;
use crate::syntax::parse_sequence_type;
use phoenixmldb_xdm::QName;
use phoenixmldb_xdm::types::SequenceType;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Rows by namespace and local name.
type Table = HashMap<(&'static str, &'static str), Vec<Arc<Builtin>>>;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let context = StaticContext::new(&Options::default());
    let read = |text: &&'static str| -> SequenceType {
        let parsed = parse_sequence_type(text).and_then(|written| types::sequence_type(&written, &context));
        parsed.unwrap_or_else(|error| unreachable!("the function table says {text}: {error}"))
    };
    let mut table = Table::new();
    for entry in FUNCTIONS.iter().flat_map(|file| file.iter()) {
        let params = entry.params.iter().map(read).collect();
        let builtin = Builtin { entry, params, result: read(&entry.result) };
        table.entry((entry.namespace, entry.local)).or_default().push(Arc::new(builtin));
    }
    table
});

/// The built-in function of a name and arity.
pub(crate) fn find(name: &QName, arity: usize) -> Option<Arc<Builtin>> {
    let rows = TABLE.get(&(&*name.uri, &*name.local))?;
    rows.iter().find(|builtin| builtin.entry.accepts(arity)).cloned()
}

/// Whether there is a built-in function of this name, of whatever arity.
pub(crate) fn exists(name: &QName) -> bool {
    TABLE.contains_key(&(&*name.uri, &*name.local))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_type_of_the_function_table_is_readable() {
        std::sync::LazyLock::force(&super::TABLE);
    }
}
