//! `pghaul duplicates scan` beside the COPY that it is made of and beside a GROUP BY: time and memory
//! of whole processes, one after the other on one server.
//!
//! ```text
//! cargo bench --package pghaul-cli --bench scan -- [--rows N]... [--rounds N] [--major N] [--spill-dir FOLDER]
//! ```
//!
//! The table is `statuses` of Mastodon, with the columns that matter to its width; its uris are
//! generated, a hundred of them are there twice. Groups are counted before any time is printed.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use pghaul_testbed::measure::{self, Usage};
use pghaul_testbed::{Database, Error, Major, Options, Result, Server, clients};

/// `duplicates scan` beside the COPY that it is made of.
#[derive(clap::Parser)]
struct Flags {
    /// Rows of the table (repeatable)
    #[arg(long, default_value = "200000", value_parser = clap::value_parser!(u64).range(1001..))]
    rows: Vec<u64>,
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    #[arg(long, default_value_t = Major::NEWEST)]
    major: Major,
    /// Where digests go [default: the system's folder for temporary files]
    #[arg(long)]
    spill_dir: Option<PathBuf>,
}

/// What `--memory` gets.
const MEMORY: &str = "64MiB";

/// Uris that are there twice.
const TWICE: u64 = 100;

fn main() -> ExitCode {
    measure::bench(|flags: Flags| measure::wait(bench(&flags)))
}

async fn bench(flags: &Flags) -> Result<()> {
    let server = Server::start(flags.major, &Options::default())?;
    for rows in &flags.rows {
        let database = Database::new(&server, "statuses")?;
        fill(&database, *rows).await?;
        let size = database.value("select pg_size_pretty(pg_table_size('statuses'))").await?;
        println!(
            "{rows} statuses, {} without indexes, Postgres {}",
            size.unwrap_or_default(),
            server.version()
        );
        for round in 1..=flags.rounds {
            println!("round {round}");
            let copy = copy(&database)?;
            println!(
                "{:<56} {:>7.1} s",
                "psql: COPY (SELECT ctid, uri) binary, thrown away",
                copy.as_secs_f64()
            );
            let ours = scan(flags, &database)?;
            println!(
                "{:<56} {:>7.1} s   {:.2} of COPY, {:.1} MiB resident",
                format!("pghaul duplicates scan --memory {MEMORY}"),
                ours.seconds(),
                ours.seconds() / copy.as_secs_f64(),
                ours.mib()
            );
            group_by(&database, copy).await?;
        }
    }
    Ok(())
}

async fn fill(database: &Database<'_>, rows: u64) -> Result<()> {
    let session = database.connect().await?;
    session
        .execute(
            "create table statuses (
                 id bigint not null, uri text, text text not null default '', created_at timestamp not null,
                 updated_at timestamp not null, in_reply_to_id bigint, url text, sensitive boolean not null default false,
                 visibility int not null default 0, account_id bigint not null, local boolean);
             create unique index index_statuses_on_uri on statuses (uri text_pattern_ops) where uri is not null;
             update pg_index set indisready = false, indisvalid = false where indexrelid = 'index_statuses_on_uri'::regclass",
        )
        .await?;
    // In pieces, so that a full-size table is no transaction of an hour.
    let mut from = 1;
    while from <= rows {
        let until = rows.min(from + 999_999);
        session
            .execute(format!(
                "insert into statuses
                 select g, 'https://social' || g % 5000 || '.example.org/users/u' || g % 90000 || '/statuses/' || g,
                        repeat(md5(g::text), 3), '2026-01-01', '2026-01-01', null,
                        'https://social' || g % 5000 || '.example.org/@u/' || g, false, 0, g % 90000, false
                   from generate_series({from}, {until}) g"
            ))
            .await?;
        from = until + 1;
    }
    session
        .execute(format!(
            "update statuses s set uri = o.uri
               from (select row_number() over (order by id) n, uri from statuses where id <= {TWICE}) o
              where s.id > {rows} - {TWICE} and o.n = s.id - ({rows} - {TWICE});
             update pg_index set indisready = true, indisvalid = true where indexrelid = 'index_statuses_on_uri'::regclass"
        ))
        .await?;
    session.execute("vacuum").await?;
    session.execute("analyze").await
}

/// By `psql`, which spends next to nothing on a row: a driver that hands over each by itself takes
/// longer than the scan.
fn copy(database: &Database<'_>) -> Result<Duration> {
    let mut command = Command::new(clients()?.psql());
    let sql =
        "copy (select ctid, uri from statuses where uri is not null) to stdout (format binary)";
    command.args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-c", sql]).arg(database.url());
    command.env("PGOPTIONS", "-c max_parallel_workers_per_gather=0").stdout(Stdio::null());
    let begun = Instant::now();
    if command.status().map_err(failed)?.success() {
        Ok(begun.elapsed())
    } else {
        Err(Error::new("COPY failed"))
    }
}

fn scan(flags: &Flags, database: &Database<'_>) -> Result<Usage> {
    let folder = tempfile::tempdir().map_err(failed)?;
    let out = folder.path().join("groups.jsonl");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaul"));
    command.args(["duplicates", "scan", "--progress", "none", "--amcheck", "skip"]);
    command.args(["--index", "index_statuses_on_uri", "--memory", MEMORY, "--out"]).arg(&out);
    if let Some(spill) = &flags.spill_dir {
        command.arg("--spill-dir").arg(spill);
    }
    command.env("PGHAUL_DATABASE", database.url());
    let usage = measure::run_to(command.stdout(Stdio::null()), 1)?;
    let written = std::fs::read_to_string(&out).map_err(failed)?;
    let groups = written.lines().count() as u64;
    if groups == TWICE {
        Ok(usage)
    } else {
        Err(Error::new(format!("the scan found {groups} groups, not {TWICE}")))
    }
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::new(cause.to_string())
}

/// What a person would try first, with the server's defaults.
async fn group_by(database: &Database<'_>, copy: Duration) -> Result<()> {
    let session = database.connect().await?;
    session
        .execute("set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off")
        .await?;
    let temp = "select temp_bytes from pg_stat_database where datname = current_database()";
    let begun = Instant::now();
    let sql = "select count(*) from (select uri from statuses where uri is not null group by uri having count(*) > 1) g";
    let groups = session.value(sql).await?;
    let took = begun.elapsed();
    if groups != Some(TWICE.to_string()) {
        return Err(Error::new(format!("GROUP BY found {groups:?} groups, not {TWICE}")));
    }
    let pid = session.value("select pg_backend_pid()").await?.unwrap_or_default();
    let memory = pid.parse().ok().and_then(measure::high_water_mark);
    drop(session);
    // Statistics are written when a session ends, or a second later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let bytes: f64 =
        database.value(temp).await?.and_then(|bytes| bytes.parse().ok()).unwrap_or_default();
    println!(
        "{:<56} {:>7.1} s   {:.2} of COPY, {:.0} MiB of temporary files so far, backend {}",
        "GROUP BY uri HAVING count(*) > 1, default work_mem",
        took.as_secs_f64(),
        took.as_secs_f64() / copy.as_secs_f64(),
        bytes / f64::from(1 << 20),
        memory.map_or_else(
            || "?".to_owned(),
            |bytes| format!("{} MiB resident at most, shared buffers included", bytes >> 20)
        ),
    );
    Ok(())
}
