//! What the tests of archives share.

use std::path::Path;
use std::sync::Arc;

use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::dump::{Destination, DumpOptions, DumpOutcome, dump};
use pghaul::event::Counters;
use pghaul::restore;
use pghaul::run::{CloneOptions, Outcome, Stop};
use pghaul_testbed::clients;

/// Options that find the testbed's `pg_dump`.
pub(crate) fn dump_options() -> DumpOptions {
    DumpOptions { pg_dump: Some(clients().unwrap().pg_dump()), ..DumpOptions::default() }
}

/// Dumps into a folder and waits for the end.
pub(crate) async fn dump_to(
    source: &str,
    folder: &Path,
    options: DumpOptions,
) -> Result<DumpOutcome, Error> {
    let source = Endpoint::parse(Side::Source, source)?;
    let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
    dump(source, Destination::Folder(folder.to_owned()), options, company).await
}

/// Restores from a folder and waits for the end.
pub(crate) async fn restore_from(
    folder: &Path,
    target: &str,
    options: CloneOptions,
) -> Result<Outcome, Error> {
    let target = Endpoint::parse(Side::Target, target)?;
    let prepared = restore::prepare(folder.to_owned(), target, options).await?;
    prepared.run(Arc::new(()), Arc::new(Counters::default()), Stop::default()).await
}
