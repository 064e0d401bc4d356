//! The command line of pghaul: flags, renderers, exit codes. A library too, so that the demo
//! shows what the binary shows.
//!
//! Invariants: stdout carries results, stderr progress and errors; a verb is one call of the
//! engine between reading flags and printing; the renderer is chosen once; no password and no
//! row's value but a key is ever printed.

pub mod allocator;
pub mod command_line;
pub mod console;
pub mod crash;
pub mod exit;
pub mod flags;
pub mod progress;
pub mod quantity;
pub mod report;
pub mod signals;
pub mod verbs;

use std::ffi::OsString;

use clap::Parser as _;

use crate::command_line::{CommandLine, Verb};
use crate::console::Console;
use crate::exit::Exit;

/// Runs one command line and says how it ended. Prints nothing but what the verb prints.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    crash::report_panics();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let line = match CommandLine::try_parse_from(&arguments) {
        Ok(line) => line,
        Err(error) => return command_line::refuse(&error, &arguments),
    };
    let console = Console::new(&line.output);
    let progress = line.output.progress;
    match line.verb {
        Verb::Completions(verb) => verbs::completions::run(&verb, &console),
        Verb::Man => verbs::man::run(&console),
        Verb::Check(verb) => {
            in_runtime(&console, async move { verbs::check::run(&verb, &console).await })
        }
        Verb::Clone(verb) => {
            in_runtime(&console, async move { verbs::clone::run(&verb, &console).await })
        }
        Verb::Dump(verb) => {
            in_runtime(&console, async move { verbs::dump::run(&verb, &console, progress).await })
        }
        Verb::Restore(verb) => {
            in_runtime(&console, async move { verbs::restore::run(&verb, &console).await })
        }
        Verb::Verify(verb) => {
            in_runtime(&console, async move { verbs::verify::run(&verb, &console).await })
        }
        Verb::Duplicates(verb) => {
            in_runtime(&console, async move { verbs::duplicates::run(&verb, &console).await })
        }
        Verb::Finish(verb) => {
            in_runtime(&console, async move { verbs::finish::run(&verb, &console).await })
        }
        Verb::Worker(verb) => {
            in_runtime(&console, async move { verbs::worker::run(&verb, &console).await })
        }
        Verb::Snapshot(verb) => {
            in_runtime(&console, async move { verbs::snapshot::run(&verb, &console).await })
        }
        Verb::Rebuild(verb) => {
            in_runtime(&console, async move { verbs::rebuild::run(&verb, &console).await })
        }
        Verb::Status(verb) => {
            in_runtime(&console, async move { verbs::status::run(&verb, &console).await })
        }
    }
}

/// Runs a verb on one of the runtime's own threads: there, what comes from a server is read by the
/// thread that waits for it. Outside of them each arrival would wake a second thread.
fn in_runtime(console: &Console, verb: impl Future<Output = Exit> + Send + 'static) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = pghaul::Error::new(
                pghaul::ErrorKind::LocalIo,
                "cannot start the threads that pghaul works with",
            )
            .caused_by(error);
            report::failure::print(console, &failure, None);
            return Exit::of_failure(failure.kind());
        }
    };
    // A panic of a lane is an error of the engine; one of the verb itself ends here.
    let exit = runtime.block_on(runtime.spawn(verb)).unwrap_or(Exit::Bug);
    // A thread that waits for its stdin would hold the process, which is done.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    exit
}
