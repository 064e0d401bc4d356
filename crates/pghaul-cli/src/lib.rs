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
    in_runtime(&console, async move { Box::pin(carry_out(line.verb, &console, progress)).await })
}

async fn carry_out(verb: Verb, console: &Console, progress: flags::ProgressStyle) -> Exit {
    match verb {
        Verb::Check(flags) => verbs::check::run(&flags, console).await,
        Verb::Clone(flags) => verbs::clone::run(&flags, console).await,
        Verb::Dump(flags) => verbs::dump::run(&flags, console, progress).await,
        Verb::Restore(flags) => verbs::restore::run(&flags, console).await,
        Verb::Verify(flags) => verbs::verify::run(&flags, console).await,
        Verb::Status(flags) => verbs::status::run(&flags, console).await,
        Verb::Worker(flags) => verbs::worker::run(&flags, console).await,
        Verb::Snapshot(flags) => verbs::snapshot::run(&flags, console).await,
        Verb::Rebuild(flags) => verbs::rebuild::run(&flags, console).await,
        Verb::Finish(flags) => verbs::finish::run(&flags, console).await,
        Verb::Duplicates(flags) => verbs::duplicates::run(&flags, console).await,
        Verb::Completions(flags) => verbs::completions::run(&flags, console),
        Verb::Man => verbs::man::run(console),
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
