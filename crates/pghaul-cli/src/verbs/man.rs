//! `pghaul man`: the manual page of pghaul and all verbs, as one roff document.

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::console::Console;
use crate::exit::Exit;

/// Prints the page.
pub fn run(console: &Console) -> Exit {
    let mut command = crate::command_line::CommandLine::command();
    command.build();
    let mut page = Vec::new();
    let rendered = std::iter::once(&command)
        .chain(command.get_subcommands())
        .try_for_each(|part| Man::new(part.clone()).render(&mut page));
    match rendered {
        Ok(()) => match console.result(&String::from_utf8_lossy(&page)) {
            Ok(()) => Exit::Done,
            Err(exit) => exit,
        },
        // Writing into memory does not fail.
        Err(_) => Exit::Bug,
    }
}
