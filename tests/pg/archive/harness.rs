//! What the tests of archives share.

use std::path::Path;
use std::sync::Arc;

use pghaul::archive::verify::{self, Verified};
use pghaul::connect::{Endpoint, Side};
use pghaul::dump::{Destination, DumpOptions, DumpOutcome, dump};
use pghaul::event::Counters;
use pghaul::restore;
use pghaul::run::{CloneOptions, Outcome, Stop};
use pghaul::verify::{TableDifferences, VerifyOptions};
use pghaul::{Error, Finding, Severity};
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

/// Holds a database against an archive.
pub(crate) async fn against(folder: &Path, target: &str, options: VerifyOptions) -> Verified {
    against_naming(folder, target, options).await.0
}

/// The same, with the rows that differ.
pub(crate) async fn against_naming(
    folder: &Path,
    target: &str,
    options: VerifyOptions,
) -> (Verified, Vec<TableDifferences>) {
    let target = Endpoint::parse(Side::Target, target).unwrap();
    let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let mut told = Vec::new();
    let collected = async {
        while let Some(some) = receiver.recv().await {
            told.push(some);
        }
    };
    let compared = verify::against(folder.to_owned(), target, options, company, sender);
    let (verified, ()) = tokio::join!(compared, collected);
    (verified.unwrap(), told)
}

/// Options that find the testbed's `pg_dump`.
pub(crate) fn verify_options() -> VerifyOptions {
    VerifyOptions { pg_dump: Some(clients().unwrap().pg_dump()), ..VerifyOptions::default() }
}

/// What is wrong: codes and objects of all that is more than a note, sorted.
pub(crate) fn wrong(findings: &[Finding]) -> Vec<(&'static str, String)> {
    let grave = findings.iter().filter(|found| found.severity > Severity::Note);
    let mut wrong: Vec<_> =
        grave.map(|found| (found.code, found.object.clone().unwrap_or_default())).collect();
    wrong.sort();
    wrong
}
