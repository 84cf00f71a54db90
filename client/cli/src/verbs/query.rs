//! `query`: items on stdout as they arrive; over a cluster here, over files in `local`.

use crate::args::{Output, Query};
use crate::diagnostic::{Look, Problem};
use crate::error::CliError;
use crate::exit::Exit;
use crate::local::{self, Source, note, variables};
use crate::output::Out;
use phoenixmldb_client::v1::{Consistency, QueryOptions, QuerySummary};
use phoenixmldb_client::{Client, ClientError};
use serde_json::json;
use std::time::Duration;

pub(super) async fn query(
    out: &Out,
    query: Query,
    output: Option<Output>,
    timeout: Duration,
    client: impl FnOnce() -> Result<Client, CliError>,
) -> Result<Exit, CliError> {
    if query.is_local() {
        return local::run(query, output, timeout);
    }
    let local_only = [
        ("--allow-files", query.local.allow_files.is_empty()),
        ("--module-path", query.local.module_path.is_empty()),
        ("--limit-memory", query.local.limit_memory.is_none()),
        ("--limit-stack", query.local.limit_stack.is_none()),
        ("--limit-steps", query.local.limit_steps.is_none()),
        ("--limit-output", query.local.limit_output.is_none()),
    ];
    if let Some((flag, _)) = local_only.into_iter().find(|(_, unused)| !unused) {
        let error = CliError::usage(format!("{flag} is for queries that are evaluated here"));
        return Err(error.next("add --input FILE, or --local"));
    }
    let source = local::source(&query)?;
    let variables = query.variables.iter().map(|given| variables::wire(given)).collect::<Result<Vec<_>, _>>()?;
    let consistency = match query.cluster.consistency.as_str() {
        "strong" => Consistency::Strong,
        "stale" => Consistency::Stale,
        _ => Consistency::Unspecified,
    };
    let options = QueryOptions {
        shard_key: query.cluster.shard_key,
        default_container: query.cluster.container,
        consistency: consistency.into(),
        max_results: query.max_results.unwrap_or(0),
        truncate: query.truncate,
        allow_partial: query.cluster.allow_partial,
        method: local::method_name(query.method.as_deref(), output).unwrap_or_default().to_owned(),
        indent: query.indent,
        ..QueryOptions::default()
    };
    let client = client()?;
    if query.explain {
        return match client.explain(&source.text, variables, options).await {
            Ok(plan) => out.line(plan.trim_end()).map(|()| Exit::Ok),
            Err(error) => refused(error, &source),
        };
    }
    let mut stream = match client.query_stream(&source.text, variables, options).await {
        Ok(stream) => stream,
        Err(error) => return refused(error, &source),
    };
    loop {
        match stream.next().await {
            Ok(Some(item)) if query.cluster.records => {
                out.line(&json!({ "text": item.text, "kind": item.kind, "document": item.document }).to_string())?;
            }
            Ok(Some(item)) => out.line(&item.text)?,
            Ok(None) => break,
            Err(error) => return refused(error, &source),
        }
    }
    if let Some(summary) = stream.summary() {
        if query.timing {
            note(&timing(summary));
        }
        if !summary.missing_shards.is_empty() {
            note(&format!("without shards {:?}, which could not be asked", summary.missing_shards));
            return Ok(Exit::Partial);
        }
    }
    Ok(Exit::Ok)
}

/// A query that the cluster refused is shown with the place of the error; anything else is an error of the command.
fn refused(error: ClientError, source: &Source) -> Result<Exit, CliError> {
    let ClientError::Refused { error: public, .. } = &error else { return Err(error.into()) };
    let Some(code) = public.get("xquery_code") else { return Err(error.into()) };
    let number = |name: &str| public.get(name).and_then(|value| value.parse().ok());
    let mut problem = Problem::new(code, public.message.as_str()).help(public.help.as_str());
    if let (Some(line), Some(column)) = (number("line"), number("column")) {
        problem = problem.at(&source.name, &source.text, line, column);
    }
    note(problem.render(Look::of_stderr()).trim_end());
    Ok(CliError::from(error).exit)
}

/// The whole in one line, and a line for each shard.
fn timing(summary: &QuerySummary) -> String {
    let ms = |us: u64| format!("{:.1} ms", us as f64 / 1000.0);
    let mut text = format!(
        "{} items{} in {}, shards {} of {}",
        summary.items,
        if summary.truncated { " (truncated)" } else { "" },
        ms(summary.elapsed_us),
        summary.shards_queried,
        summary.shards_total
    );
    for shard in &summary.shards {
        text.push_str(&format!(
            "\n  shard {} on {}: {} documents, {} items, {}",
            shard.shard,
            shard.node,
            shard.documents,
            shard.items,
            ms(shard.elapsed_us)
        ));
    }
    text
}
