//! One function per verb.

mod ask;
mod bootstrap;
mod cluster;
mod context;
mod dashboard;
mod documents;
mod query;

use crate::args::{Cli, Output, Verb};
use crate::context::resolve;
use crate::error::CliError;
use crate::examples::grammar;
use crate::exit::Exit;
use crate::output::Out;
use crate::verbs::ask::Ask;
use phoenixmldb_client::{Client, ClusterClientOptions};

/// Does what was asked.
pub async fn run(cli: Cli) -> Result<Exit, CliError> {
    let output = if cli.json { Some(Output::Json) } else { cli.output };
    // What -o means to a query is its output method.
    let printed = if matches!(cli.verb, Verb::Query(_)) { None } else { output };
    let out = Out::new(printed, cli.quiet, cli.color)?;
    let ask = Ask { yes: cli.yes, no_input: cli.no_input };
    let client = || -> Result<Client, CliError> {
        let nodes = resolve(&cli.endpoint, cli.context.as_deref())?;
        Ok(Client::new(ClusterClientOptions {
            nodes,
            request_timeout: cli.timeout,
            ..ClusterClientOptions::default()
        })?)
    };
    match cli.verb {
        Verb::Init(init) => bootstrap::init(&out, init).await,
        Verb::Join(join) => bootstrap::join(&out, join).await,
        Verb::Status(status) => cluster::status(&out, &client()?, &status, cli.timeout).await,
        Verb::Members => cluster::members(&out, &client()?).await,
        Verb::RemoveNode { node } => cluster::remove_node(&out, &client()?, node.as_str()).await,
        Verb::Shards { shard } => cluster::shards(&out, &client()?, shard).await,
        Verb::Dashboard(options) => dashboard::dashboard(&out, client()?, options, &cli.endpoint).await,
        Verb::Locate { container, name } => cluster::locate(&out, &client()?, &container, &name).await,
        Verb::Check { .. } => cluster::check(&out, &client()?).await,
        Verb::Events { after } => cluster::events(&out, &client()?, after).await,
        Verb::TransferLeadership { to } => {
            let leader = client()?.transfer_leadership(to.as_str()).await?;
            if out.json() {
                out.value("Leadership", &serde_json::json!({ "leader": leader }))?;
            } else {
                out.line(&format!("Leader: {leader}"))?;
            }
            Ok(Exit::Ok)
        }
        Verb::Container(verb) => documents::container(&out, &ask, &client()?, verb).await,
        Verb::Put(put) => documents::put(&out, &client()?, put).await,
        Verb::Get { container, name, consistency } => {
            documents::get(&out, &client()?, &container, &name, &consistency).await
        }
        Verb::Ls { container, prefix } => documents::ls(&out, &client()?, &container, &prefix).await,
        Verb::Rm { container, name, if_exists } => {
            client()?.delete_document(&container, &name, if_exists).await?;
            Ok(Exit::Ok)
        }
        Verb::Query(_) if matches!(output, Some(Output::Table | Output::Wide)) => {
            Err(CliError::usage("a query prints its result by an output method").next("-o xml, json, text or adaptive"))
        }
        Verb::Query(query) => query::query(&out, *query, output, cli.timeout, client).await,
        Verb::Context(verb) => context::context(&out, verb),
        Verb::Demo(demo) => crate::demo::run(&out, demo).await,
        Verb::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut grammar(), "phoenixmldb-cluster", &mut script);
            out.text(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Ok)
        }
        Verb::ExitCodes if out.json() => {
            let codes =
                Exit::TABLE.iter().map(|(exit, text)| serde_json::json!({ "code": *exit as u8, "meaning": text }));
            out.value("ExitCodeList", &codes.collect::<Vec<_>>())?;
            Ok(Exit::Ok)
        }
        Verb::ExitCodes => {
            out.text(&crate::exit::text())?;
            Ok(Exit::Ok)
        }
    }
}
