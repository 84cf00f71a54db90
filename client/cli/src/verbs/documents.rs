//! Containers and documents.

use crate::args::{Container, Put};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Out, table};
use crate::verbs::ask::Ask;
use phoenixmldb_client::Client;
use phoenixmldb_client::documents::PutOptions;
use phoenixmldb_client::v1::{Consistency, ContainerOptions};
use serde_json::json;
use std::io::Read;
use std::path::Path;

pub(super) async fn container(out: &Out, ask: &Ask, client: &Client, verb: Container) -> Result<Exit, CliError> {
    match verb {
        Container::Create { name, if_not_exists, strip_whitespace, shard_key_path } => {
            let options = ContainerOptions { shard_key_path, preserve_whitespace: Some(!strip_whitespace) };
            let answer = client.create_container(&name, options, if_not_exists).await?;
            if out.json() {
                out.value("Container", &json!({ "name": name, "created": answer.created }))?;
            }
        }
        Container::Ls => {
            let containers = client.list_containers(true).await?;
            let mut head = vec!["CONTAINER", "DOCUMENTS", "BYTES"];
            if out.wide() {
                head.push("ID");
            }
            let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
            let mut values = Vec::new();
            for c in containers {
                values.push(json!({ "name": c.name, "id": c.id, "documents": c.documents, "bytes": c.bytes }));
                let mut row = vec![c.name, c.documents.to_string(), c.bytes.to_string()];
                if out.wide() {
                    row.push(c.id.to_string());
                }
                rows.push(row);
            }
            if out.json() { out.value("ContainerList", &values)? } else { out.text(&table(&rows))? }
        }
        Container::Info { name } => {
            let c = client.get_container(&name).await?;
            let strip = c.options.and_then(|options| options.preserve_whitespace) == Some(false);
            if out.json() {
                out.value("Container", &json!({ "name": c.name, "id": c.id, "documents": c.documents, "bytes": c.bytes, "createdMs": c.created_ms, "stripWhitespace": strip }))?;
            } else {
                out.text(&format!(
                    "Container: {}\nDocuments: {}\nBytes: {}\nWhitespace: {}\n",
                    c.name,
                    c.documents,
                    c.bytes,
                    if strip { "stripped" } else { "preserved" }
                ))?;
            }
        }
        Container::Delete { name, if_exists } => {
            ask.name("container", &name, "deletes it and all its documents")?;
            let deleted = client.delete_container(&name, if_exists).await?;
            if out.json() {
                out.value("Container", &json!({ "name": name, "deleted": deleted }))?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    if file == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).map_err(|error| CliError::io(&error))?;
        return Ok(text);
    }
    fs_err::read(file).map_err(|error| CliError::io(&error))
}

pub(super) async fn put(out: &Out, client: &Client, put: Put) -> Result<Exit, CliError> {
    let options = PutOptions { no_overwrite: put.no_overwrite, if_version: put.if_version };
    let answer = client.put_document_with(&put.container, &put.name, read(&put.file)?, options).await?;
    let info = answer.document.unwrap_or_default();
    if out.json() {
        out.value(
            "Document",
            &json!({ "container": info.container, "name": info.name, "version": info.version, "shard": info.shard, "nodes": info.nodes, "bytes": info.bytes }),
        )?;
    }
    Ok(Exit::Ok)
}

pub(super) async fn get(
    out: &Out,
    client: &Client,
    container: &str,
    name: &str,
    consistency: &str,
) -> Result<Exit, CliError> {
    let consistency = match consistency {
        "strong" => Consistency::Strong,
        "stale" => Consistency::Stale,
        _ => Consistency::Unspecified,
    };
    let answer = client.get_document(container, name, consistency).await?;
    let text = String::from_utf8_lossy(&answer.content).into_owned();
    let (info, read) = (answer.document.unwrap_or_default(), answer.read.unwrap_or_default());
    let stale = read.consistency == Consistency::Stale as i32;
    if out.json() {
        out.value(
            "Document",
            &json!({ "container": info.container, "name": info.name, "version": info.version, "shard": info.shard, "content": text, "stale": stale, "ageMs": read.age_ms, "node": read.node }),
        )?;
    } else {
        if stale {
            out.note(&format!("stale: {} ms old, from {}", read.age_ms, read.node));
        }
        out.line(&text)?;
    }
    Ok(Exit::Ok)
}

pub(super) async fn ls(out: &Out, client: &Client, container: &str, prefix: &str) -> Result<Exit, CliError> {
    let mut token = String::new();
    loop {
        let page = client.list_documents(container, prefix, 0, &token).await?;
        for info in &page.documents {
            if out.json() {
                out.value(
                    "Document",
                    &json!({ "container": info.container, "name": info.name, "version": info.version, "shard": info.shard, "bytes": info.bytes }),
                )?;
            } else {
                out.line(&info.name)?;
            }
        }
        if page.next_page_token.is_empty() {
            return Ok(Exit::Ok);
        }
        token = page.next_page_token;
    }
}
