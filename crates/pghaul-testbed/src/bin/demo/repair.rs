//! The rest of the way: the clone's duplicates are repaired, taken back, repaired again, the clone
//! is finished and verified.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::plan::{PlanOptions, plan};
use pghaul::duplicates::repair::{RepairOptions, repair};
use pghaul::duplicates::rules::Rules;
use pghaul::duplicates::undo::{UndoOptions, undo};
use pghaul::event::{Counters, Observer};
use pghaul::run::options::Start;
use pghaul::run::{CloneOptions, Ending, Stop};
use pghaul::verify::pairs::PairKind;
use pghaul::verify::{PreparedVerify, VerifyOptions};
use pghaul::{Error, ErrorKind, Severity};
use pghaul_cli::console::Console;
use pghaul_cli::quantity::grouped;
use pghaul_cli::report;
use pghaul_cli::verbs::clone::{Unfinished, carry};
use pghaul_testbed::Database;

use super::{groups, say, step};

/// Does it; whether all came out as it should.
pub(super) async fn mend(
    (source, target): (&Database<'_>, &Database<'_>),
    options: CloneOptions,
    console: &Console,
) -> Result<bool, Error> {
    let folder = tempfile::tempdir().map_err(|error| {
        Error::new(ErrorKind::LocalIo, "cannot make a folder for the plan").caused_by(error)
    })?;
    let file = folder.path().join("plan");
    let wanted = count(target).await?;

    step(7, "pghaul duplicates plan --rules mastodon, and repair, on the new server");
    println!();
    let planned_and_done = plan_and_repair((source, target), &file, console).await?;
    let repaired = count(target).await?;
    say(&format!("Groups of rows that share a uri: {wanted} before, {repaired} now."));

    step(8, "pghaul duplicates undo, because we can");
    println!();
    let begun = Instant::now();
    let database = Endpoint::parse(Side::Database, &target.url())?;
    let undone = undo(&database, UndoOptions::default(), &(), &Stop::default()).await?;
    report::repair::undone(console, begun.elapsed(), &undone, None);
    let back = count(target).await?;
    say(&format!("All {back} groups are there again."));

    step(9, "Plan and repair once more, then pghaul clone --resume");
    println!();
    let done_again = plan_and_repair((source, target), &file, console).await?;
    let resume = CloneOptions { start: Start::Resume, ..options.clone() };
    let (from, to) = ends(source, target)?;
    let cloned = match carry(from, to, resume, console).await {
        Ok(cloned) => cloned,
        Err(Unfinished::Failed(error, _)) => return Err(error),
        Err(Unfinished::Stopped(..)) => return Ok(false),
    };
    report::clone::done(console, "clone", &cloned);
    let whole = cloned.outcome.ending == Ending::Complete
        && cloned.outcome.findings.iter().all(|finding| finding.severity < Severity::Warning);

    step(10, "pghaul verify --source … --target …");
    let equal = verify(source, target, &options).await?;
    Ok(planned_and_done
        && done_again
        && whole
        && equal
        && (wanted > 0 && repaired == 0 && back == wanted))
}

fn ends(source: &Database<'_>, target: &Database<'_>) -> Result<(Endpoint, Endpoint), Error> {
    Ok((
        Endpoint::parse(Side::Source, &source.url())?,
        Endpoint::parse(Side::Target, &target.url())?,
    ))
}

async fn count(target: &Database<'_>) -> Result<usize, Error> {
    let found = groups(target).await;
    found.map(|groups| groups.len()).map_err(|error| {
        Error::new(ErrorKind::Transfer, "cannot count the groups").caused_by(error.to_string())
    })
}

async fn plan_and_repair(
    (source, target): (&Database<'_>, &Database<'_>),
    file: &Path,
    console: &Console,
) -> Result<bool, Error> {
    let database = Endpoint::parse(Side::Database, &target.url())?;
    let from = Endpoint::parse(Side::Source, &source.url())?;
    let options = PlanOptions { rules: Rules::mastodon()?, ..PlanOptions::default() };
    let begun = Instant::now();
    let counters = Counters::default();
    let planned = Box::pin(plan(&database, Some(&from), &options, file, &counters)).await?;
    report::repair::planned(console, begun.elapsed(), &planned, file);
    let begun = Instant::now();
    let repaired =
        Box::pin(repair(&database, file, RepairOptions::default(), &(), &Stop::default())).await?;
    report::repair::repaired(console, begun.elapsed(), &repaired, None);
    Ok(planned.counts.questions == 0 && repaired.skipped == 0)
}

async fn verify(
    source: &Database<'_>,
    target: &Database<'_>,
    options: &CloneOptions,
) -> Result<bool, Error> {
    let (from, to) = ends(source, target)?;
    let options = VerifyOptions { pg_dump: options.pg_dump.clone(), ..VerifyOptions::default() };
    let prepared = PreparedVerify::new(from, to, options).await?;
    let (sender, mut differences) = tokio::sync::mpsc::channel(64);
    let named = tokio::spawn(async move { while differences.recv().await.is_some() {} });
    let observer: Arc<dyn Observer> = Arc::new(());
    let company = (observer, Arc::new(Counters::default()), Stop::default());
    let outcome = Box::pin(prepared.run(company, sender)).await?;
    named.abort();
    // Materialized views show the rows of when they were refreshed.
    let tables: Vec<_> =
        outcome.tables.iter().filter(|table| table.kind == PairKind::Tables).collect();
    let equal = tables.iter().filter(|table| table.equal).count();
    let repaired = outcome.findings.iter().filter(|finding| finding.code == "repaired").count();
    say(&format!(
        "{} of {} tables are equal; {} of them but for what the repair did, which accounts for every",
        grouped(equal as u64),
        grouped(tables.len() as u64),
        grouped(repaired as u64),
    ));
    say(
        "row: digest of the old server = digest of the new one - rows as they are + rows as they were.",
    );
    Ok(equal == tables.len() && repaired > 0)
}
