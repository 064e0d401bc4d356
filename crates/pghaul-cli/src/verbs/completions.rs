//! `pghaul completions SHELL`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::console::Console;
use crate::exit::Exit;

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct Flags {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(flags: &Flags, console: &Console) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(
        flags.shell,
        &mut crate::command_line::CommandLine::command(),
        "pghaul",
        &mut script,
    );
    match console.result(&String::from_utf8_lossy(&script)) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}
