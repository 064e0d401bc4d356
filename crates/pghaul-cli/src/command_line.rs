//! The command line: the verbs, and what is said about one that makes no sense.
//!
//! Invariants: a flag whose effect is not there yet is not accepted; no message about a command line
//! quotes a connection string.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::exit::Exit;
use crate::flags::Output;
use crate::verbs;

/// Carries a Postgres database (9.6 to 18) to another server or major version, and proves that
/// nothing was lost on the way.
#[derive(Debug, Parser)]
#[command(name = "pghaul", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// How to tell of it.
    #[command(flatten)]
    pub output: Output,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Look for everything that would stand in the way, with remedies; writes nothing anywhere
    Check(verbs::check::Flags),
    /// Copy a database: schema, rows, indexes, constraints, sequences, large objects; verified
    Clone(Box<verbs::clone::Flags>),
    /// Put a database into an archive: one moment, in parallel, verified before it is published
    Dump(Box<verbs::dump::Flags>),
    /// Make a database of an archive, of its own major version or another; verified
    Restore(Box<verbs::restore::Flags>),
    /// Compare two databases, whatever made one of the other: rows, schema, sequences, large objects
    Verify(Box<verbs::verify::Flags>),
    /// Show the run in the target: its phase, what is done, what was found; writes nothing
    Status(verbs::status::Flags),
    /// Work on the run that is in the target, beside the process that began it, from any machine
    Worker(verbs::worker::Flags),
    /// Hold a snapshot of the source, with locks against DDL, until Ctrl-C; prints its name
    Snapshot(verbs::snapshot::Flags),
    /// Rebuild the indexes that a changed collation, a crash or damage left unreliable; checked
    Rebuild(Box<verbs::rebuild::Flags>),
    /// Remove the state of the run that is in the target, once you are satisfied with it
    Finish(verbs::finish::Flags),
    /// Find rows that share the key of a unique index, which damaged indexes let in
    Duplicates(verbs::duplicates::Flags),
    /// Print a completion script for a shell
    Completions(verbs::completions::Flags),
    /// Print the manual page
    Man,
}

/// Says what is wrong with a command line, or prints the help that was asked for.
pub(crate) fn refuse(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let asked_for_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let text = error.render().ansi().to_string();
    use std::io::Write as _;
    if asked_for_help {
        let _ = anstream::stdout().write_all(text.as_bytes());
        Exit::Done
    } else {
        let _ = anstream::stderr().write_all(without_connections(text, arguments).as_bytes());
        Exit::Usage
    }
}

/// Takes everything out of `text` that could be a connection string: clap quotes what it does not
/// understand.
fn without_connections(mut text: String, arguments: &[OsString]) -> String {
    for argument in arguments {
        let argument = argument.to_string_lossy();
        let value = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => value,
            _ => &argument,
        };
        if value.contains("://") || value.to_ascii_lowercase().contains("password") {
            text = text.replace(value, "<connection string>");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn connection_strings_are_taken_out() {
        let arguments = ["pghaul", "--sorce=postgres://u:s3cret@h/d", "password=s3cret host=h"];
        let text = format!("unexpected '{}' and '{}'", &arguments[1], &arguments[2]);
        let shown = without_connections(text, &arguments.map(OsString::from));
        assert_eq!(shown, "unexpected '--sorce=<connection string>' and '<connection string>'");
    }
}
