//! `pghaul verify` beside a binary `COPY … TO STDOUT` of both sides whose bytes are thrown away, on
//! the same servers, one after the other; and its memory when every row differs.
//!
//! ```text
//! cargo bench --package pghaul-cli --bench verify -- [--statuses N] [--rounds N]
//! ```
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::measure::{self, high_water_mark};
use pghaul_testbed::{Clients, Database, Error, Major, Options, Result, Server, clients};

/// `verify` beside COPY of both sides to nowhere.
#[derive(clap::Parser)]
struct Flags {
    /// Rows of the largest table
    #[arg(long, default_value_t = 200_000)]
    statuses: u64,
    #[arg(long, default_value_t = 2)]
    rounds: u32,
}

fn main() -> ExitCode {
    measure::bench(|flags: Flags| measure::wait(bench(&flags)))
}

async fn bench(flags: &Flags) -> Result<()> {
    // It would begin when everything is there, and so in the first round.
    let quiet = Options::new().set("autovacuum", "off");
    let old = Server::start(Major::V14, &quiet)?;
    let new = Server::start(Major::NEWEST, &quiet)?;
    let clients = clients()?;
    let (source, target) = (Database::new(&old, "one")?, Database::new(&new, "other")?);
    let shape = Shape { version: Version::V4_2_0, statuses: flags.statuses, seed: 1 };
    mastodon::create(&source, shape).await?;
    mastodon::create(&target, shape).await?;
    // Hint bits and visibility are not what is measured.
    for database in [&source, &target] {
        database.execute("vacuum").await?;
    }
    let size = source.value("select pg_size_pretty(pg_database_size(current_database()))").await?;
    println!(
        "{} statuses, {} on disk, Postgres {} and {}, {}",
        flags.statuses,
        size.unwrap_or_default(),
        old.version(),
        new.version(),
        measure::processor()
    );
    for round in 1..=flags.rounds {
        println!("round {round}");
        let peer = copies(clients, &source, &target).await?;
        println!("{:<44} {:>7.1} s", "COPY (binary) of both sides to nowhere", peer.as_secs_f64());
        for (jobs, more) in
            [("1", &[][..]), ("4", &[]), ("1", &["--digest-on", "server"]), ("1", &["--rows"])]
        {
            let (took, memory) = verify(&source, &target, jobs, more, 0)?;
            println!(
                "{:<44} {:>7.1} s {:>6.1} MiB   time {:.2}",
                format!("pghaul verify --data-only --jobs {jobs} {}", more.join(" ")),
                took.as_secs_f64(),
                mib(memory),
                took.as_secs_f64() / peer.as_secs_f64()
            );
        }
    }
    target.execute("update statuses set text = text || '.'").await?;
    for most in ["100", "1000000"] {
        let more = ["--include", "public.statuses", "--max-differences", most];
        let (took, memory) = verify(&source, &target, "4", &more, 1)?;
        println!(
            "{:<44} {:>7.1} s {:>6.1} MiB",
            format!("every status differs, {most} named at most"),
            took.as_secs_f64(),
            mib(memory)
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// All tables of both sides, one session each, at the same time.
async fn copies(
    clients: &Clients,
    source: &Database<'_>,
    target: &Database<'_>,
) -> Result<Duration> {
    let tables = source
        .query_text("select format('%I', relname) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")
        .await?;
    let begun = Instant::now();
    let mut children = Vec::new();
    for database in [source, target] {
        let mut command = Command::new(clients.psql());
        command.args(["-q", "-X", "-v", "ON_ERROR_STOP=1"]).stdout(Stdio::null());
        for table in tables.iter().flatten().flatten() {
            command.arg("-c").arg(format!("copy {table} to stdout (format binary)"));
        }
        command.arg(database.url());
        children.push(command.spawn().map_err(|error| Error::new(error.to_string()))?);
    }
    for mut child in children {
        let status = child.wait().map_err(|error| Error::new(error.to_string()))?;
        if !status.success() {
            return Err(Error::new(format!("psql ended with {status}")));
        }
    }
    Ok(begun.elapsed())
}

/// Time and peak of memory of a comparison that must end with this exit code.
fn verify(
    source: &Database<'_>,
    target: &Database<'_>,
    jobs: &str,
    more: &[&str],
    code: i32,
) -> Result<(Duration, u64)> {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pghaul"))
        .args(["verify", "--data-only", "--progress", "none", "--jobs", jobs])
        .args(more)
        .env("PGHAUL_SOURCE", source.url())
        .env("PGHAUL_TARGET", target.url())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| Error::new(error.to_string()))?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water_mark(child.id()).unwrap_or(0));
        match child.try_wait().map_err(|error| Error::new(error.to_string()))? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    if status.code() == Some(code) {
        Ok((begun.elapsed(), peak))
    } else {
        Err(Error::new(format!("pghaul ended with {status}, not with {code}")))
    }
}
