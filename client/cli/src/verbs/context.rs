//! `context`: which cluster commands talk to.

use crate::args::ContextVerb;
use crate::context::{Contexts, endpoints};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Out, table};

pub(super) fn context(out: &Out, verb: ContextVerb) -> Result<Exit, CliError> {
    let mut contexts = Contexts::load()?;
    match verb {
        ContextVerb::Ls => {
            if out.json() {
                out.value("Contexts", &contexts)?;
                return Ok(Exit::Ok);
            }
            let mark = |name: &String| if contexts.current.as_ref() == Some(name) { "*" } else { "" }.to_owned();
            let rows: Vec<Vec<String>> = contexts
                .contexts
                .iter()
                .map(|(name, context)| vec![mark(name), name.clone(), context.endpoints.join(",")])
                .collect();
            out.text(&table(&rows))?;
        }
        ContextVerb::Use { name } => {
            if !contexts.contexts.contains_key(&name) {
                let what = format!("no context is named {name:?}");
                return Err(CliError::usage(what).next("phoenixmldb-cluster context ls"));
            }
            contexts.current = Some(name);
            contexts.save()?;
        }
        ContextVerb::Add { name, endpoints: given } => {
            contexts.add(&name, endpoints(&given)?);
            contexts.save()?;
        }
    }
    Ok(Exit::Ok)
}
