//! The result of `check`.

use std::time::Duration;

use pghaul::Severity;
use pghaul::run::Checked;
use serde::Serialize;

use crate::console::style::{BAD, GOOD, paint};
use crate::console::{Console, Results};
use crate::exit::Exit;
use crate::report::findings;
use crate::report::wire::Envelope;

/// Both ends as `user@host:port/database (PostgreSQL 9.6.24)`.
pub struct Names {
    /// The source.
    pub source: String,
    /// The target, if there is one.
    pub target: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    source: &'a str,
    target: Option<&'a str>,
}

/// Prints the findings. Gives the exit code, which only a blocker makes 1: warnings are there to
/// be read, and scripts go on.
pub fn print(console: &Console, took: Duration, names: &Names, checked: &Checked) -> Exit {
    let gravest = checked.findings.iter().map(|finding| finding.severity).max();
    let exit = Exit::of_severity(gravest.filter(|severity| *severity >= Severity::Blocker));
    match console.results {
        Results::Text => {
            let text = text(names, exit) + &findings::text(&checked.findings, console.detail);
            console.result(&text).err().unwrap_or(exit)
        }
        Results::Json => {
            let body = Body { source: &names.source, target: names.target.as_deref() };
            Envelope::new("check", exit, took, &checked.findings, body).print(console, exit)
        }
    }
}

fn text(names: &Names, exit: Exit) -> String {
    let verdict = if exit == Exit::Done {
        paint(GOOD, "Nothing stands in the way.")
    } else {
        paint(BAD, "Something stands in the way.")
    };
    let target = names.target.as_deref().unwrap_or("none given; the newest version is assumed");
    format!("{verdict}\n\n  source  {}\n  target  {target}\n", names.source)
}
