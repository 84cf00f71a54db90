//! `query`: items on stdout as they arrive.

use crate::args::Query;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Out;
use phoenixmldb_client::Client;
use phoenixmldb_client::v1::{QueryOptions, TypedValue, Variable};
use serde_json::json;
use std::io::Read;

pub(super) async fn query(out: &Out, client: &Client, query: Query) -> Result<Exit, CliError> {
    let text = match (&query.file, query.query.as_deref()) {
        (Some(file), _) => fs_err::read_to_string(file).map_err(|error| CliError::io(&error))?,
        (None, Some("-")) => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map_err(|error| CliError::io(&error))?;
            text
        }
        (None, Some(text)) => text.to_owned(),
        (None, None) => return Err(CliError::usage("no query given")),
    };
    let variables = query
        .variables
        .iter()
        .map(|given| {
            let (name, value) = given
                .split_once('=')
                .ok_or_else(|| CliError::usage(format!("--variable {given:?}: it has to be name=value")))?;
            let value = TypedValue { r#type: String::new(), value: value.to_owned() };
            Ok(Variable { name: name.trim_start_matches('$').to_owned(), values: vec![value] })
        })
        .collect::<Result<Vec<_>, CliError>>()?;
    let options = QueryOptions {
        default_container: query.container,
        max_results: query.max_results,
        truncate: query.truncate,
        method: query.method,
        indent: query.indent,
        ..QueryOptions::default()
    };
    if query.explain {
        out.line(client.explain(&text, variables, options).await?.trim_end())?;
        return Ok(Exit::Ok);
    }
    let mut stream = client.query_stream(&text, variables, options).await?;
    while let Some(item) = stream.next().await? {
        if out.json() {
            out.value("Item", &json!({ "text": item.text, "kind": item.kind, "document": item.document }))?;
        } else {
            out.line(&item.text)?;
        }
    }
    if query.timing
        && let Some(summary) = stream.summary()
    {
        timing(&format!(
            "{} items, {} ms, shards {} of {}",
            summary.items,
            summary.elapsed_us / 1000,
            summary.shards_queried,
            summary.shards_total
        ));
    }
    Ok(Exit::Ok)
}

#[allow(clippy::print_stderr)] // what is not a result goes to stderr
fn timing(text: &str) {
    eprintln!("{text}");
}
