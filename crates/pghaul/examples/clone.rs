//! Clones a database as a library user would: connect, plan, observe, run, read the outcome.
//!
//! ```sh
//! cargo run --example clone -- postgres://old/app postgres://new/app
//! ```

#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::sync::Arc;

use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::event::{Counters, Event, Observer};
use pghaul::run::{CloneOptions, Outcome, PreparedClone, Stop};

/// Prints what is durable, as soon as it is.
struct Printer;

impl Observer for Printer {
    fn on_event(&self, event: &Event<'_>) {
        match event {
            Event::TableCopied { table, rows } => println!("{table}: {rows} rows copied"),
            Event::TableVerified { table, equal } => println!("{table}: equal {equal}"),
            Event::Retrying { what, after } => println!("again in {after:?}: {what}"),
            Event::Found(finding) => println!("{:?}: {}", finding.severity, finding.message),
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut urls = std::env::args().skip(1);
    let (Some(source), Some(target)) = (urls.next(), urls.next()) else {
        return Err("usage: clone SOURCE TARGET".into());
    };
    let outcome = carry(&source, &target, CloneOptions::default()).await?;
    for table in &outcome.tables {
        println!("{}: {} rows, verified {}", table.name, table.source_rows, table.verified);
    }
    Ok(())
}

pub(crate) async fn carry(
    source: &str,
    target: &str,
    options: CloneOptions,
) -> Result<Outcome, Error> {
    let source = Endpoint::parse(Side::Source, source)?;
    let target = Endpoint::parse(Side::Target, target)?;

    // Everything is looked at and planned here; nothing is written yet.
    let prepared = PreparedClone::new(source, target, options).await?;
    for table in &prepared.plan().tables {
        println!("{}: {} bytes, {:?}", table.name, table.bytes, table.format.format);
    }

    prepared.run(Arc::new(Printer), Arc::new(Counters::default()), Stop::default()).await
}
