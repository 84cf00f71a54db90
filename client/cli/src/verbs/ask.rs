//! Asks before what cannot be undone: for the name, because a `y` is typed too quickly.

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::complain;
use std::io::IsTerminal;

/// Whether to ask.
pub(super) struct Ask {
    /// `--yes`: not at all.
    pub(super) yes: bool,
    /// `--no-input`: refuse instead.
    pub(super) no_input: bool,
}

impl Ask {
    /// Has the name of a thing typed. Refuses without a terminal, and when something else is typed.
    pub(super) fn name(&self, thing: &str, name: &str, consequence: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        let next = "add --yes if that is what you want";
        if self.no_input || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            let why = format!("it {consequence}, which nobody has confirmed");
            return Err(CliError::new(Exit::Refused, why).next(next));
        }
        complain(&format!("This {consequence}. Type the name of the {thing} to go on: "));
        let mut typed = String::new();
        std::io::stdin().read_line(&mut typed).map_err(|error| CliError::io(&error))?;
        if typed.trim() == name {
            return Ok(());
        }
        Err(CliError::new(Exit::Refused, format!("{:?} is not {name:?}", typed.trim())).next(next))
    }
}
