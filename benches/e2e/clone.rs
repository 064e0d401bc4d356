//! `pghaul clone` beside `pg_dump` and `pg_restore`: time and memory of whole processes, on the
//! same servers, one after the other.
//!
//! ```text
//! cargo bench --package pghaul-cli --bench clone -- [--statuses N] [--rounds N] [--row-mib N]
//! ```
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::{Command, ExitCode, Stdio};

use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::measure::{self, Usage};
use pghaul_testbed::{Clients, Database, Error, Major, Options, Result, Server, clients};

/// `clone` beside `pg_dump` and `pg_restore`.
#[derive(clap::Parser)]
struct Flags {
    /// Rows of the largest table
    #[arg(long, default_value_t = 50_000)]
    statuses: u64,
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// MiB of each large row
    #[arg(long, default_value_t = 32)]
    row_mib: u32,
}

/// Parts copied at once, by everybody who can.
const JOBS: &str = "4";

fn main() -> ExitCode {
    measure::bench(|flags: Flags| measure::wait(bench(&flags)))
}

async fn bench(flags: &Flags) -> Result<()> {
    let old = Server::start(Major::OLDEST, &Options::default())?;
    let new = Server::start(Major::NEWEST, &Options::default())?;
    let clients = clients()?;
    let source = Database::new(&old, "mastodon")?;
    let shape = Shape { version: Version::V3_5_3, statuses: flags.statuses, seed: 1 };
    mastodon::create(&source, shape).await?;
    let size = source.value("select pg_size_pretty(pg_database_size(current_database()))").await?;
    println!(
        "{} statuses, {} on disk, Postgres {} to {}, {JOBS} jobs",
        flags.statuses,
        size.unwrap_or_default(),
        old.version(),
        new.version()
    );
    for round in 1..=flags.rounds {
        println!("round {round}");
        let peer = {
            let target = Database::new(&new, "peer")?;
            piped(clients, &source, &target)?
        };
        line("pg_dump -Fc -Z0 | pg_restore", peer, peer);
        let parallel = {
            let target = Database::new(&new, "peer")?;
            staged(clients, &source, &target)?
        };
        line("pg_dump -Fd -j 4, pg_restore -j 4", parallel, peer);
        for (name, more) in [
            ("pghaul clone --jobs 4", &[][..]),
            ("pghaul clone --jobs 4 --verify none", &["--verify", "none"]),
        ] {
            let target = Database::new(&new, "ours")?;
            let usage = clone(clients, &source, &target, &[&["--jobs", JOBS], more].concat())?;
            line(name, usage, peer);
        }
    }
    drop(source);
    large_rows(flags.row_mib, (&old, &new), clients).await
}

/// Rows of many MiB: what a job needs beyond its budget.
async fn large_rows(mib: u32, (old, new): (&Server, &Server), clients: &Clients) -> Result<()> {
    let source = Database::new(old, "large")?;
    source
        .execute(format!(
            "create table large (id int primary key, v bytea); \
             alter table large alter v set storage external; \
             insert into large select g, convert_to(repeat(md5(g::text), {mib} << 15), 'UTF8') \
               from generate_series(1, 4) g"
        ))
        .await?;
    println!("4 rows of {mib} MiB");
    let target = Database::new(new, "large")?;
    let usage = clone(clients, &source, &target, &["--jobs", "1"])?;
    println!(
        "{:<40} {:>8.1} s {:>8.1} MiB, {:.2} times the row",
        "pghaul clone --jobs 1",
        usage.seconds(),
        usage.mib(),
        usage.mib() / f64::from(mib)
    );
    let target = Database::new(new, "large")?;
    let peer = piped(clients, &source, &target)?;
    println!(
        "{:<40} {:>8.1} s {:>8.1} MiB, {:.2} times the row",
        "pg_dump -Fc -Z0 | pg_restore",
        peer.seconds(),
        peer.mib(),
        peer.mib() / f64::from(mib)
    );
    Ok(())
}

fn line(name: &str, usage: Usage, peer: Usage) {
    println!(
        "{name:<40} {:>8.1} s {:>8.1} MiB   time {:.2}",
        usage.seconds(),
        usage.mib(),
        usage.seconds() / peer.seconds()
    );
}

fn clone(
    clients: &Clients,
    source: &Database<'_>,
    target: &Database<'_>,
    more: &[&str],
) -> Result<Usage> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaul"));
    command.args(["clone", "--live-source", "--progress", "none", "--pg-dump"]);
    command.arg(clients.pg_dump()).args(more);
    command.env("PGHAUL_SOURCE", source.url()).env("PGHAUL_TARGET", target.url());
    measure::run(command.stdout(Stdio::null()))
}

fn piped(clients: &Clients, source: &Database<'_>, target: &Database<'_>) -> Result<Usage> {
    let mut dump = Command::new(clients.pg_dump());
    dump.args(["-Fc", "-Z0"]).arg(source.url());
    let mut restore = Command::new(clients.pg_restore());
    restore.arg("-d").arg(target.url());
    measure::pipeline(vec![&mut dump, &mut restore])
}

fn staged(clients: &Clients, source: &Database<'_>, target: &Database<'_>) -> Result<Usage> {
    let folder = tempfile::tempdir().map_err(|error| Error::new(error.to_string()))?;
    let mut dump = Command::new(clients.pg_dump());
    dump.args(["-Fd", "-Z0", "-j", JOBS, "-f"]).arg(folder.path().join("dump")).arg(source.url());
    let dumped = measure::run(&mut dump)?;
    let mut restore = Command::new(clients.pg_restore());
    restore.args(["-j", JOBS, "-d"]).arg(target.url()).arg(folder.path().join("dump"));
    let restored = measure::run(&mut restore)?;
    Ok(Usage {
        took: dumped.took + restored.took,
        peak_rss: dumped.peak_rss.max(restored.peak_rss),
    })
}
