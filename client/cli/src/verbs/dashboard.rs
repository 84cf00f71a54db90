//! The dashboard in this program's terminal, of the cluster that the other verbs talk to.

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Out;
use phoenixmldb_client::Client;
use phoenixmldb_tui::{Options, Start, Surroundings, TuiError};
use phoenixmldb_types::clock::SystemClock;
use std::sync::Arc;

/// `endpoints` are those given on the command line; the commands on screen repeat them.
pub(super) async fn dashboard(
    out: &Out,
    client: Client,
    mut options: Options,
    endpoints: &[String],
) -> Result<Exit, CliError> {
    options.json |= out.json() && !options.once;
    let program = if endpoints.is_empty() {
        "phoenixmldb-cluster".to_owned()
    } else {
        format!("phoenixmldb-cluster --endpoint {}", endpoints.join(","))
    };
    let start = Start { client, options, surroundings: Surroundings::detect(), program, clock: Arc::new(SystemClock) };
    match phoenixmldb_tui::run(start, &mut std::io::stdout()).await {
        Ok(()) => Ok(Exit::Ok),
        Err(TuiError::Client(error)) => Err(error.into()),
        Err(error) => Err(CliError::new(Exit::Failed, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use crate::args::Cli;
    use clap::Parser;
    use phoenixmldb_tui::attention::COMMANDS;

    /// The dashboard tells people what to type; it has to be something they can.
    #[test]
    fn every_command_on_the_screens_is_accepted() {
        for command in COMMANDS.into_iter().chain(["shards 3"]) {
            let line = format!("phoenixmldb-cluster --endpoint a:1,b:2 {command}");
            match Cli::try_parse_from(line.split(' ')) {
                Ok(_) => {}
                Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {}
                Err(error) => panic!("{line}: {error}"),
            }
        }
    }

    #[test]
    fn top_is_another_name() {
        assert!(Cli::try_parse_from(["pc", "top", "--once", "--width", "80"]).is_ok());
        assert!(Cli::try_parse_from(["pc", "dashboard", "--watch"]).is_err(), "--watch is about JSON");
    }
}
