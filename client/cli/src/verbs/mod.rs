//! One function per verb.

mod bootstrap;
mod cluster;
mod context;
mod documents;
mod query;

use crate::args::{Cli, Verb};
use crate::context::resolve;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Out, table};
use clap::CommandFactory;
use phoenixmldb_client::{Client, ClusterClientOptions};

/// Does what was asked.
pub async fn run(cli: Cli) -> Result<Exit, CliError> {
    let out = Out::new(cli.output);
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
        Verb::Status(status) => cluster::status(&out, &client()?, status.wait.as_deref(), cli.timeout).await,
        Verb::Members => cluster::members(&out, &client()?).await,
        Verb::Shards { shard } => cluster::shards(&out, &client()?, shard).await,
        Verb::Locate { container, name } => cluster::locate(&out, &client()?, &container, &name).await,
        Verb::Check { .. } => cluster::check(&out, &client()?).await,
        Verb::Events { after } => cluster::events(&out, &client()?, after).await,
        Verb::TransferLeadership { to } => {
            let leader = client()?.transfer_leadership(to.as_str()).await?;
            out.line(&format!("Leader: {leader}"))?;
            Ok(Exit::Ok)
        }
        Verb::Container(verb) => documents::container(&out, &client()?, verb).await,
        Verb::Put(put) => documents::put(&out, &client()?, put).await,
        Verb::Get { container, name, consistency } => {
            documents::get(&out, &client()?, &container, &name, &consistency).await
        }
        Verb::Ls { container, prefix } => documents::ls(&out, &client()?, &container, &prefix).await,
        Verb::Rm { container, name, if_exists } => {
            client()?.delete_document(&container, &name, if_exists).await?;
            Ok(Exit::Ok)
        }
        Verb::Query(query) => query::query(&out, &client()?, query).await,
        Verb::Context(verb) => context::context(&out, verb),
        Verb::Demo(demo) => crate::demo::run(&out, demo).await,
        Verb::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "phoenixmldb-cluster", &mut script);
            out.text(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Ok)
        }
        Verb::ExitCodes => {
            let rows: Vec<Vec<String>> =
                Exit::TABLE.iter().map(|(exit, text)| vec![(*exit as u8).to_string(), (*text).to_owned()]).collect();
            out.text(&table(&rows))?;
            Ok(Exit::Ok)
        }
    }
}
