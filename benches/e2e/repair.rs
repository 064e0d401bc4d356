//! `pghaul duplicates plan`, `repair` and `undo` beside one pass over the tables that they touch and
//! the rebuild of their indexes: time and memory of whole processes, one after the other on one server.
//!
//! ```text
//! cargo bench --package pghaul-cli --bench repair -- [--statuses N] [--groups N] [--major N]
//! ```
//!
//! The database is shaped like Mastodon's; each group is a post that is there twice, with all that
//! refers to it. That every group was repaired, and is there again after the undo, is checked before
//! any time is printed.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use pghaul_testbed::damage::{self, Recipe};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::measure::{self, Usage};
use pghaul_testbed::{Database, Error, Major, Options, Result, Server};

/// `duplicates plan`, `repair` and `undo` beside a pass over what they touch.
#[derive(clap::Parser)]
struct Flags {
    /// Rows of the largest table
    #[arg(long, default_value_t = 100_000)]
    statuses: u64,
    /// Of these, so many are there twice
    #[arg(long, default_value_t = 2_000)]
    groups: usize,
    #[arg(long, default_value_t = Major::NEWEST)]
    major: Major,
}

fn main() -> ExitCode {
    measure::bench(|flags: Flags| measure::wait(bench(&flags)))
}

async fn bench(flags: &Flags) -> Result<()> {
    let server = Server::start(flags.major, &Options::default())?;
    let database = Database::new(&server, "mastodon")?;
    let shape = Shape { version: Version::V4_2_0, statuses: flags.statuses, seed: 1 };
    mastodon::create(&database, shape).await?;
    let session = database.connect().await?;
    let damage = mastodon::duplicate_statuses(Recipe::DoubleEntries).groups(flags.groups);
    let planted = damage.plant(&session).await?;
    session.execute("vacuum").await?;
    session.execute("analyze").await?;
    println!(
        "{} statuses, {} of them twice, Postgres {}",
        flags.statuses,
        flags.groups,
        server.version()
    );
    let folder = tempfile::tempdir().map_err(failed)?;
    let plan = folder.path().join("plan");
    let plan = plan.display().to_string();
    let planned = pghaul(&database, &["plan", "--rules", "mastodon", "--out", &plan])?;
    let text = std::fs::read_to_string(&plan).map_err(failed)?;
    let tables: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("{\"table\":\"")?.split_once('"'))
        .map(|(table, _)| table.to_owned())
        .collect();
    drop(text);
    // Before the repair, when the tables are as large as they were.
    let pass = pass(&database, &tables).await?;
    let repaired = pghaul(&database, &["repair", "--plan", &plan])?;
    let left = damage::duplicates(&session, "index_statuses_on_uri").await?;
    if left.groups > 0 {
        return Err(Error::new(format!("{} groups are left", left.groups)));
    }
    let rebuild = rebuild(&database, &tables).await?;
    let undone = pghaul(&database, &["undo", "--drop-indexes"])?;
    // The index is gone.
    let sql = "select count(*) from (select uri from statuses where uri is not null \
               group by uri having count(*) > 1) g";
    let back = session.value(sql).await?.unwrap_or_default();
    if back != planted.groups.len().to_string() {
        return Err(Error::new(format!("{back} groups are there after the undo")));
    }
    let both = pass + rebuild;
    println!("{:<48} {:>7.1} s", "COPY of all touched tables, thrown away", pass.as_secs_f64());
    println!("{:<48} {:>7.1} s", "REINDEX of all touched tables", rebuild.as_secs_f64());
    for (what, usage) in [("plan", planned), ("repair", repaired), ("undo", undone)] {
        println!(
            "{:<48} {:>7.1} s   {:.2} of both, {:.1} MiB resident",
            format!("pghaul duplicates {what}"),
            usage.seconds(),
            usage.seconds() / both.as_secs_f64(),
            usage.mib()
        );
    }
    Ok(())
}

fn pghaul(database: &Database<'_>, arguments: &[&str]) -> Result<Usage> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaul"));
    command.arg("duplicates").args(arguments).args(["--progress", "none"]);
    command.env("PGHAUL_DATABASE", database.url());
    measure::run_to(command.stdout(Stdio::null()), 0)
}

async fn pass(database: &Database<'_>, tables: &[String]) -> Result<Duration> {
    let session = database.connect().await?;
    let begun = Instant::now();
    for table in tables {
        let sql =
            format!("copy (select ctid, t.* from only {table} as t) to stdout (format binary)");
        let mut stream = Box::pin(session.client().copy_out(&sql).await.map_err(failed)?);
        while let Some(message) = stream.next().await {
            message.map_err(failed)?;
        }
    }
    Ok(begun.elapsed())
}

async fn rebuild(database: &Database<'_>, tables: &[String]) -> Result<Duration> {
    let session = database.connect().await?;
    let begun = Instant::now();
    for table in tables {
        session.execute(format!("reindex table {table}")).await?;
    }
    Ok(begun.elapsed())
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::new(cause.to_string())
}
