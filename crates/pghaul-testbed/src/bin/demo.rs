//! `cargo demo`: a Mastodon-shaped database with a damaged index goes from Postgres 9.6 to 18.
//!
//! Everything is real: two servers of their own, filled by SQL, damaged as real ones are, and
//! cloned, repaired, taken back and verified by the calls that `pghaul` makes. Needs neither docker nor a running Postgres.
//! It fails unless the clone finds exactly the damage that was done, and nothing else.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

#[path = "demo/repair.rs"]
mod repair;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use pghaul::Severity;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::survey::IndexSurvey;
use pghaul::duplicates::{Found, ScanOptions, SurveyOptions};
use pghaul::run::CloneOptions;
use pghaul_cli::console::Console;
use pghaul_cli::exit::Exit;
use pghaul_cli::flags::Output;
use pghaul_cli::quantity::{bytes, duration, grouped};
use pghaul_cli::report::clone::Cloned;
use pghaul_cli::verbs::clone::{Unfinished, carry};
use pghaul_cli::verbs::duplicates::scan::{Ended, find};
use pghaul_cli::{crash, report};
use pghaul_testbed::damage::{self, Damage, Recipe};
use pghaul_testbed::mastodon::{Shape, Version};
use pghaul_testbed::{Database, Error, Major, Options, Result, Server, clients};

/// The index that is damaged, and how many rows get a twin behind its back.
const DAMAGED: &str = "index_statuses_on_uri";
const TWINS: usize = 25;

/// A damaged Mastodon-shaped database goes from Postgres 9.6 to 18, and is repaired there
#[derive(Parser)]
#[command(name = "cargo demo --")]
struct Flags {
    /// Rows of the biggest table
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1000..))]
    statuses: u64,
    /// Leave the servers up when all is done, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    crash::report_panics();
    let flags = Flags::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(demo(&flags)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(flags: &Flags) -> Result<Exit> {
    let begun = Instant::now();
    step(1, "Two servers and pg_dump (fetched once, then kept)");
    let old = Server::start(Major::OLDEST, &Options::default())?;
    let new = Server::start(Major::NEWEST, &Options::default())?;
    let clients = clients()?;
    say(&format!(
        "Postgres {} and {} run, pg_dump {} works ({})",
        old.version(),
        new.version(),
        clients.version,
        duration(begun.elapsed())
    ));

    step(2, "A Mastodon server's database, on the old one");
    let source = Database::new(&old, "mastodon")?;
    let target = Database::new(&new, "mastodon")?;
    fill(&source, flags.statuses).await?;

    step(3, "An index goes bad, as after a crash or an upgrade of the C library");
    let session = source.connect().await?;
    let damage = Damage::new(DAMAGED, Recipe::MissingEntries).groups(TWINS);
    let planted = damage.plant(&session).await?;
    drop(session);
    say(&format!(
        "{} posts have a twin with the same `uri`, though the unique index {DAMAGED} forbids it.",
        planted.extra_rows
    ));
    say("The old server notices nothing, pg_dump would carry them along, and the restore's CREATE");
    say("UNIQUE INDEX would fail at the end, hours later.");

    step(4, "pghaul clone --source … --target …");
    println!();
    let console = Console::new(&Output::default());
    let endpoint = |side, database: &Database<'_>| {
        Endpoint::parse(side, &database.url()).map_err(|error| Error::new(format!("{error:?}")))
    };
    let (from, to) = (endpoint(Side::Source, &source)?, endpoint(Side::Target, &target)?);
    let options = CloneOptions { pg_dump: Some(clients.pg_dump()), ..CloneOptions::default() };
    let cloned = match carry(from, to, options.clone(), &console).await {
        Ok(cloned) => cloned,
        Err(Unfinished::Failed(error, so_far)) => {
            return Ok(report::clone::failed(
                &console,
                "clone",
                begun.elapsed(),
                &error,
                so_far.as_ref(),
            ));
        }
        Err(Unfinished::Stopped(signal, kept)) => {
            return Ok(report::clone::stopped(
                &console,
                "clone",
                begun.elapsed(),
                signal,
                kept.as_ref(),
            ));
        }
    };
    report::clone::done(&console, "clone", &cloned);
    if cloned.signal.is_some() {
        return Ok(Exit::of_outcome(&cloned.outcome, cloned.signal));
    }

    step(5, "pghaul duplicates scan --table statuses, on the old server");
    println!();
    let found = match find_groups(&source, &console).await {
        Ok(found) => found,
        Err(error) => {
            return Ok(report::failure::end(&console, report::scan::VERB, begun.elapsed(), &error));
        }
    };

    step(6, "What that means");
    let seen = explain(&cloned, (&source, found), &target).await?;
    let mended = match repair::mend((&source, &target), options, &console).await {
        Ok(mended) => mended,
        Err(error) => {
            return Ok(report::failure::end(
                &console,
                "duplicates repair",
                begun.elapsed(),
                &error,
            ));
        }
    };
    say(&format!("All of it took {}.", duration(begun.elapsed())));
    if flags.keep {
        println!("\n  old  {}\n  new  {}\nCtrl-C ends the servers.", source.url(), target.url());
        tokio::signal::ctrl_c()
            .await
            .map_err(|cause| Error::new("cannot wait for Ctrl-C").caused_by(&cause))?;
    }
    Ok(if seen == planted.groups.len() && mended { Exit::Done } else { Exit::Bug })
}

/// Scans the unique indexes of the damaged table; gives the groups and rows too many under the one
/// that is damaged.
async fn find_groups(
    source: &Database<'_>,
    console: &Console,
) -> std::result::Result<Found, pghaul::Error> {
    let begun = Instant::now();
    let database = Endpoint::parse(Side::Database, &source.url())?;
    let scan = ScanOptions { tables: vec!["statuses".to_owned()], ..ScanOptions::default() };
    let options = SurveyOptions { scan, sample: 5, ..SurveyOptions::default() };
    let survey = match Box::pin(find(&database, &options, &mut (), console)).await? {
        Ended::Done(survey) => survey,
        Ended::Stopped(_) => return Ok(Found::default()),
    };
    report::scan::done(console, begun.elapsed(), &survey, None);
    let under = |index: &&IndexSurvey| index.definition.name.name.as_str() == DAMAGED;
    Ok(survey.indexes.iter().find(under).map(|index| index.found).unwrap_or_default())
}

async fn fill(source: &Database<'_>, statuses: u64) -> Result<()> {
    let begun = Instant::now();
    let session = source.connect().await?;
    let stages = Shape { version: Version::V3_5_3, statuses, seed: 1 }.stages();
    let all = stages.len();
    for (number, stage) in (1..).zip(stages) {
        let stage_begun = Instant::now();
        session.execute(stage.sql).await?;
        say(&format!(
            "{number:>2} of {all}  {:<14} {}",
            stage.name,
            duration(stage_begun.elapsed())
        ));
    }
    let sizes = "select count(*), sum(pg_total_relation_size(oid)) from pg_class \
                 where relkind = 'r' and relnamespace = 'public'::regnamespace";
    let row = session.query_text(sizes).await?.pop().unwrap_or_default();
    let number = |at: usize| -> u64 {
        row.get(at).cloned().flatten().and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    say(&format!(
        "{} tables, {} with their indexes ({})",
        number(0),
        bytes(number(1)),
        duration(begun.elapsed())
    ));
    Ok(())
}

/// Says it in plain words; gives the number of groups that stand in the new server's table.
async fn explain(
    cloned: &Cloned,
    (source, found): (&Database<'_>, Found),
    target: &Database<'_>,
) -> Result<usize> {
    let outcome = &cloned.outcome;
    let rows: u64 = outcome.tables.iter().map(|table| table.source_rows).sum();
    let verified = outcome.tables.iter().filter(|table| table.verified).count();
    let tables = outcome.tables.len();
    if verified == tables {
        say(&format!(
            "Nothing was lost: all {} rows of {tables} tables were read back from the new server,",
            grouped(rows)
        ));
        say("and each table has the same count and the same digest as on the old one.");
    } else {
        say(&format!("Only {verified} of {tables} tables are proven to be equal."));
    }
    say(&format!(
        "{} indexes were built and {} constraints added.",
        outcome.indexes, outcome.constraints
    ));
    let about_index = |object: &str| object.ends_with(DAMAGED);
    let warnings = outcome.findings.iter().filter(|one| one.severity >= Severity::Warning);
    for warning in warnings {
        match &warning.object {
            Some(object) if about_index(object) => {
                say("One index was left out, and the run goes on without it:");
                say(&format!("  {DAMAGED}: {}.", warning.message));
            }
            _ => say(&format!("And beyond what this demo broke: {}.", warning.message)),
        }
    }
    let session = source.connect().await?;
    let old = damage::duplicates(&session, DAMAGED).await?;
    say(&format!(
        "The scan found {} groups in the old table, {} rows too many; so does that server's own",
        found.groups,
        found.extra_rows()
    ));
    say(&format!("GROUP BY over the heap: {} and {}.", old.groups, old.extra_rows));
    let groups = groups(target).await?;
    say(&format!("They are all in the new table too: {}.", groups.len()));
    say(
        "pghaul clone removed none. Once they are mended, `pghaul clone --resume` builds the index,",
    );
    say("and nothing is copied twice.");
    let agree = old.groups as u64 == found.groups && old.groups == groups.len();
    if verified == tables && agree { Ok(groups.len()) } else { Ok(0) }
}

/// The ids of the rows that share a uri, counted on the heap of the new server.
async fn groups(target: &Database<'_>) -> Result<Vec<Vec<String>>> {
    let session = target.connect().await?;
    session
        .execute("set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off")
        .await?;
    let sql = "select string_agg(id::text, ' ' order by id) from statuses \
               where uri is not null group by uri having count(*) > 1 order by min(id)";
    let rows = session.query_text(sql).await?;
    let ids = |text: &String| text.split(' ').map(str::to_owned).collect();
    Ok(rows.iter().flatten().flatten().map(ids).collect())
}

fn step(number: u32, title: &str) {
    println!("\n{number}. {title}");
}

fn say(text: &str) {
    println!("   {text}");
}
