//! Failures: what went wrong, why, what to do now, what is kept.
//!
//! Invariant: each cause is printed once.

use std::time::Duration;

use pghaul::{Error, ErrorKind};
use serde_json::json;

use crate::console::style::{BAD, LABEL, paint};
use crate::console::{Console, Results};
use crate::crash::REPORT;
use crate::exit::Exit;
use crate::flags::LogFormat;
use crate::progress::Kept;
use crate::quantity::{bytes, counted, grouped};
use crate::report::findings;
use crate::report::wire::{self, Envelope};

/// Prints a failure to stderr.
pub fn print(console: &Console, error: &Error, kept: Option<&Kept>) {
    print_of(console, "clone", error, kept);
}

/// Prints a failure of a verb that goes on where it was.
pub fn print_of(console: &Console, verb: &str, error: &Error, kept: Option<&Kept>) {
    let text = match console.log {
        LogFormat::Text => {
            text(verb, error, kept) + &findings::text(error.findings(), console.detail)
        }
        LogFormat::Json => {
            let found: Vec<_> = error.findings().iter().map(wire::finding).collect();
            let failure = wire::failure(error, kept);
            let object = json!({"v": 1, "event": "error", "error": failure, "findings": found});
            format!("{object}\n")
        }
    };
    console.message(&text);
}

/// Prints a failure of a verb that keeps nothing; gives its exit code.
pub fn end(console: &Console, verb: &'static str, took: Duration, error: &Error) -> Exit {
    let exit = Exit::of_failure(error.kind());
    print(console, error, None);
    match console.results {
        Results::Text => exit,
        Results::Json => Envelope::failed(verb, exit, took, error, None).print(console, exit),
    }
}

fn text(verb: &str, error: &Error, kept: Option<&Kept>) -> String {
    let mut text = format!("{}: {error}\n", paint(BAD, "error"));
    for cause in error.causes() {
        field(&mut text, "cause", &cause);
    }
    if let Some(hint) = error.hint() {
        field(&mut text, "hint", hint);
    }
    if let Some(kept) = kept {
        field(&mut text, "kept", &kept_text(verb, kept));
    }
    if error.kind() == ErrorKind::Bug {
        text.push_str(REPORT);
    }
    text
}

/// `  cause: …`, further lines below the first.
fn field(text: &mut String, name: &str, value: &str) {
    let label = format!("{name}:");
    let value = value.trim_end().replace('\n', "\n         ");
    text.push_str(&format!("  {} {value}\n", paint(LABEL, format!("{label:<6}"))));
}

/// What is in the target for good, and how to go on.
pub fn kept_text(verb: &str, kept: &Kept) -> String {
    format!(
        "{} of {}, {} rows ({}), {}; go on with `pghaul {verb} --resume …`",
        grouped(kept.tables as u64),
        counted(kept.of_tables, "table", "tables"),
        grouped(kept.rows),
        bytes(kept.bytes),
        counted(kept.indexes, "index", "indexes"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        let inner = Error::new(ErrorKind::Transfer, "the server said no");
        let error = inner.while_doing("cannot copy part 1: the server said no");
        let error = error.while_doing("cannot go on").with_hint("try\nagain");
        assert_eq!(
            anstream::adapter::strip_str(&text("clone", &error, None)).to_string(),
            "error: cannot go on\n  cause: cannot copy part 1: the server said no\n  hint:  try\n         again\n"
        );
    }
}
