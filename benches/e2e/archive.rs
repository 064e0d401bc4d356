//! `pghaul dump` and `restore` beside `pg_dump -Fd`, two `COPY … TO STDOUT | zstd`, and
//! `pg_restore`: time, size and memory of whole processes, on the same servers, one after the other.
//!
//! ```text
//! cargo bench --package pghaul-cli --bench archive -- [--statuses N] [--rounds N]
//! ```
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::measure::{self, Usage, high_water_mark};
use pghaul_testbed::{Clients, Database, Error, Major, Options, Result, Server, clients};

/// `dump` and `restore` beside what people use.
#[derive(clap::Parser)]
struct Flags {
    /// Rows of the largest table
    #[arg(long, default_value_t = 200_000)]
    statuses: u64,
    #[arg(long, default_value_t = 2)]
    rounds: u32,
}

/// Parts at once, by everybody.
const JOBS: &str = "2";

fn main() -> ExitCode {
    measure::bench(|flags: Flags| measure::wait(bench(&flags)))
}

async fn bench(flags: &Flags) -> Result<()> {
    // It would begin when everything is there, and so beside one or the other.
    let quiet = Options::new().durable().set("autovacuum", "off");
    let old = Server::start(Major::V14, &quiet)?;
    let new = Server::start(Major::NEWEST, &quiet)?;
    let clients = clients()?;
    let source = Database::new(&old, "mastodon")?;
    let shape = Shape { version: Version::V4_2_0, statuses: flags.statuses, seed: 1 };
    mastodon::create(&source, shape).await?;
    // Hint bits and visibility are not what is measured.
    source.execute("vacuum").await?;
    let size = source.value("select pg_size_pretty(pg_database_size(current_database()))").await?;
    println!(
        "{} statuses, {} on disk, Postgres {} to {}, {JOBS} jobs, {}",
        flags.statuses,
        size.unwrap_or_default(),
        old.version(),
        new.version(),
        measure::processor()
    );
    for round in 1..=flags.rounds {
        println!("round {round}");
        one_round((&source, &new), clients, round).await?;
    }
    Ok(())
}

async fn one_round(
    (source, new): (&Database<'_>, &Server),
    clients: &Clients,
    round: u32,
) -> Result<()> {
    let place = tempfile::tempdir().map_err(|error| Error::new(error.to_string()))?;
    let (peers, ours) = (place.path().join("pg_dump"), place.path().join("archive"));
    let mut command = Command::new(clients.pg_dump());
    command.args(["-Fd", "-Z", "gzip:6", "-j", JOBS, "-f"]).arg(&peers).arg(source.url());
    let pg_dump = measure::run(&mut command)?;
    line("pg_dump -Fd -j 2 (gzip 6)", pg_dump, None, size_of(&peers)?);
    let copied = place.path().join("copies");
    let copies = copies(clients, source, &copied).await?;
    let copied = size_of(&copied)?;
    line("COPY TO STDOUT | zstd -3, two at once", copies, None, copied);

    let dump = |archive: &Path| {
        let mut command = pghaul(clients, "dump");
        command.arg("--archive").arg(archive).env("PGHAUL_SOURCE", source.url());
        command
    };
    let dumped = measure::run(dump(&ours).stdout(Stdio::null()))?;
    let ratio = (dumped.seconds() / pg_dump.seconds(), dumped.seconds() / copies.seconds());
    line("pghaul dump --jobs 2", dumped, Some(ratio), size_of(&ours)?);
    println!("{:<44} {:.3} of the size of both COPY", "", ratio_of(size_of(&ours)?, copied));
    let stream = place.path().join("stream.tar");
    let file = File::create(&stream).map_err(|error| Error::new(error.to_string()))?;
    let usage = measure::run(dump(Path::new("-")).stdout(file))?;
    let ratio = (usage.seconds() / pg_dump.seconds(), usage.seconds() / copies.seconds());
    line("pghaul dump --archive -", usage, Some(ratio), size_of(&stream)?);

    let mut verify = Command::new(env!("CARGO_BIN_EXE_pghaul"));
    verify.args(["verify", "--progress", "none", "--jobs", JOBS, "--archive"]).arg(&ours);
    line("pghaul verify --archive", measure::run(verify.stdout(Stdio::null()))?, None, 0);

    // Who comes first meets a server that has nothing to write out; the ratio is of one round.
    let by_us = || -> Result<Usage> { restore((new, &ours), Stdio::null(), clients) };
    let by_peer = || -> Result<Usage> {
        let target = Database::new(new, "peer")?;
        let mut restore = Command::new(clients.pg_restore());
        measure::run(restore.args(["-j", JOBS, "-d"]).arg(target.url()).arg(&peers))
    };
    let (pg_restore, restored) = if round % 2 == 1 {
        let peer = by_peer()?;
        (peer, by_us()?)
    } else {
        let ours = by_us()?;
        (by_peer()?, ours)
    };
    let stdin = File::open(&stream).map_err(|error| Error::new(error.to_string()))?;
    let streamed = restore((new, Path::new("-")), stdin.into(), clients)?;
    line("pg_restore -j 2", pg_restore, None, 0);
    for (what, usage) in [("", restored), (", a stream", streamed)] {
        println!(
            "{:<44} {:>7.1} s {:>6.1} MiB   time {:.2} of pg_restore",
            format!("pghaul restore, verified{what}"),
            usage.seconds(),
            usage.mib(),
            usage.seconds() / pg_restore.seconds()
        );
    }
    Ok(())
}

/// Into a database of its own, which goes with it.
fn restore((new, from): (&Server, &Path), stdin: Stdio, clients: &Clients) -> Result<Usage> {
    let target = Database::new(new, "ours")?;
    let mut restore = pghaul(clients, "restore");
    restore.arg("--archive").arg(from).env("PGHAUL_TARGET", target.url());
    measure::run(restore.stdin(stdin).stdout(Stdio::null()))
}

fn pghaul(clients: &Clients, verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaul"));
    command.args([verb, "--progress", "none", "--jobs", JOBS]);
    if verb == "dump" {
        command.arg("--pg-dump").arg(clients.pg_dump());
    }
    command
}

fn line(name: &str, usage: Usage, ratios: Option<(f64, f64)>, size: u64) {
    let size = if size == 0 { String::new() } else { format!("{:>7.1} MiB on disk", mib(size)) };
    let ratios =
        ratios.map(|(dump, copy)| format!("   time {dump:.2} of pg_dump, {copy:.2} of both COPY"));
    println!(
        "{name:<44} {:>7.1} s {:>6.1} MiB {size}{}",
        usage.seconds(),
        usage.mib(),
        ratios.unwrap_or_default()
    );
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn ratio_of(ours: u64, theirs: u64) -> f64 {
    mib(ours) / mib(theirs).max(f64::MIN_POSITIVE)
}

fn size_of(path: &Path) -> Result<u64> {
    let failed = |error: std::io::Error| Error::new(format!("{}: {error}", path.display()));
    let data = path.metadata().map_err(failed)?;
    if !data.is_dir() {
        return Ok(data.len());
    }
    let mut size = 0;
    for entry in path.read_dir().map_err(failed)? {
        size += size_of(&entry.map_err(failed)?.path())?;
    }
    Ok(size)
}

/// All tables by two sessions, the biggest ones dealt out in turn, each compressed as it comes.
async fn copies(clients: &Clients, source: &Database<'_>, to: &Path) -> Result<Usage> {
    std::fs::create_dir(to).map_err(|error| Error::new(error.to_string()))?;
    let tables = source
        .query_text(
            "select format('%I', relname) from pg_class where relkind = 'r' \
             and relnamespace = 'public'::regnamespace order by pg_table_size(oid) desc",
        )
        .await?;
    let tables: Vec<String> = tables.into_iter().flatten().flatten().collect();
    let begun = Instant::now();
    let mut children = Vec::new();
    for half in 0..2 {
        let mut psql = Command::new(clients.psql());
        psql.args(["-q", "-X", "-v", "ON_ERROR_STOP=1"]).stdout(Stdio::piped());
        // 0, 3, 4, 7, 8, … and 1, 2, 5, 6, …: about equally much for both.
        for (at, table) in tables.iter().enumerate() {
            if at.div_ceil(2) % 2 == half {
                psql.arg("-c").arg(format!("copy {table} to stdout"));
            }
        }
        let mut psql =
            psql.arg(source.url()).spawn().map_err(|error| Error::new(error.to_string()))?;
        let rows = psql.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let file = File::create(to.join(format!("{half}.zst")))
            .map_err(|error| Error::new(error.to_string()))?;
        let zstd = Command::new("zstd").args(["-3", "-q", "-c"]).stdin(rows).stdout(file).spawn();
        children.push(psql);
        children.push(zstd.map_err(|error| Error::new(format!("cannot start zstd: {error}")))?);
    }
    let mut peak_rss = 0;
    for mut child in children {
        peak_rss = peak_rss.max(high_water_mark(child.id()).unwrap_or(0));
        let status = child.wait().map_err(|error| Error::new(error.to_string()))?;
        if !status.success() {
            return Err(Error::new(format!("a COPY ended with {status}")));
        }
    }
    Ok(Usage { took: begun.elapsed(), peak_rss })
}
