//! What going on costs: resuming a run that is finished, and reading again what was copied, beside
//! copying it, in the same run.
//!
//! ```text
//! cargo bench --package pghaul-cli --bench resume -- [--tables N] [--mib N] [--rounds N]
//! ```
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use pghaul_testbed::measure;
use pghaul_testbed::{Clients, Database, Error, Major, Options, Result, Server, clients};
use serde_json::Value;

/// Resuming a finished run of a thousand tables may take this long.
const FINISHED: Duration = Duration::from_secs(5);
/// Reading finished pieces again may cost this much of copying them.
const AGAIN: f64 = 0.35;

/// What going on costs.
#[derive(clap::Parser)]
struct Flags {
    /// Tables of the finished run
    #[arg(long, default_value_t = 1000)]
    tables: u32,
    /// MiB that are copied and read again
    #[arg(long, default_value_t = 512)]
    mib: u32,
    /// How often; the middle one counts
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

fn main() -> ExitCode {
    measure::bench(bench)
}

fn bench(Flags { tables, mib, rounds }: Flags) -> Result<()> {
    let quiet = Options::new().durable().set("autovacuum", "off");
    let old = Server::start(Major::V14, &quiet)?;
    let new = Server::start(Major::NEWEST, &quiet)?;
    let finished = finished(tables, (&old, &new), clients()?)?;
    println!("resume of a finished run, {tables} tables: {:.2} s", finished.as_secs_f64());
    let mut ratios = Vec::new();
    for _ in 0..rounds.max(1) {
        let (copying, again) = read_again(mib, (&old, &new), clients()?)?;
        let ratio = again.as_secs_f64() / copying.as_secs_f64();
        println!(
            "{mib} MiB, 9 of 10 pieces finished: copying them {:.2} s, reading them again {:.2} s: {ratio:.2}",
            copying.as_secs_f64(),
            again.as_secs_f64()
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    match finished < FINISHED && ratio <= AGAIN {
        true => Ok(()),
        false => Err(Error::new("slower than promised")),
    }
}

fn finished(tables: u32, (old, new): (&Server, &Server), clients: &Clients) -> Result<Duration> {
    let source = Database::new(old, "many")?;
    for first in (1..=tables).step_by(200) {
        let last = tables.min(first + 199);
        let sql = format!(
            "do $$ begin for i in {first}..{last} loop
               execute format('create table t%s (id int primary key, v text)', i);
               execute format('insert into t%s select g, md5(g::text) from generate_series(1, 10) g', i);
             end loop; end $$"
        );
        source.execute(sql).wait()?;
    }
    let target = Database::new(new, "many")?;
    ended(&mut start(clients, (&source, &target), &[])?, |_| true)?;
    let begun = Instant::now();
    ended(&mut start(clients, (&source, &target), &["--resume"])?, |_| true)?;
    Ok(begun.elapsed())
}

/// The time to copy some pieces, and the time to read them again after the snapshot was lost.
fn read_again(
    mib: u32,
    (old, new): (&Server, &Server),
    clients: &Clients,
) -> Result<(Duration, Duration)> {
    let source = Database::new(old, "again")?;
    let rows = mib * 1024;
    source
        .execute(format!(
            "create table t (id int8, v text);
             insert into t select g, repeat(md5(g::text), 30) from generate_series(1, {rows}) g"
        ))
        .wait()?;
    // So that neither of the two readings is the first one after writing.
    source.execute("vacuum analyze t").wait()?;
    let target = Database::new(new, "again")?;
    let pieces = mib / 16 * 9 / 10;
    let (mut begun, mut copied, mut left) = (0, 0, pieces);
    let mut first = start(clients, (&source, &target), &["--part-size", "16MiB"])?;
    let killed = ended(&mut first, |line| {
        match line["event"].as_str() {
            Some("phase_started") if line["phase"] == "data" => begun = elapsed(line),
            Some("piece_committed") => {
                copied = elapsed(line);
                left -= 1;
            }
            _ => {}
        }
        left > 0
    });
    if killed.is_ok() {
        return Err(Error::new("the clone ended before it was killed"));
    }
    // Somebody wrote, so that nothing is proven by transaction ids.
    source.value("select txid_current()").wait()?;
    let (mut planned, mut proven) = (0, 0);
    let mut second = start(clients, (&source, &target), &["--resume"])?;
    ended(&mut second, |line| {
        match line["event"].as_str() {
            Some("planned") => planned = elapsed(line),
            Some("phase_started") if line["phase"] == "data" => proven = elapsed(line),
            _ => {}
        }
        true
    })?;
    let consistency = target.value("select consistency from pghaul.run").wait()?;
    if consistency.as_deref() != Some("reverified") {
        return Err(Error::new(format!("nothing was read again: {consistency:?}")));
    }
    let same = "select count(*) || ' ' || sum(hashtext(v)::int8) from t";
    if source.value(same).wait()? != target.value(same).wait()? {
        return Err(Error::new("the copy is not what the source is"));
    }
    Ok((Duration::from_millis(copied - begun), Duration::from_millis(proven - planned)))
}

fn elapsed(line: &Value) -> u64 {
    line["elapsed_ms"].as_u64().unwrap_or_default()
}

fn start(
    clients: &Clients,
    (source, target): (&Database<'_>, &Database<'_>),
    more: &[&str],
) -> Result<Child> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaul"));
    command.args(["clone", "--live-source", "--progress", "json", "--pg-dump"]);
    command.arg(clients.pg_dump()).args(more);
    command.env("PGHAUL_SOURCE", source.url()).env("PGHAUL_TARGET", target.url());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().map_err(|error| Error::new(error.to_string()))
}

/// Waits for the end, or kills the process when `go_on` says so of a line of its progress.
fn ended(child: &mut Child, mut go_on: impl FnMut(&Value) -> bool) -> Result<()> {
    let failed = |text: String| Error::new(format!("pghaul failed: {text}"));
    let stderr = child.stderr.take().ok_or_else(|| failed("no stderr".to_owned()))?;
    let mut last = String::new();
    for line in BufReader::new(stderr).lines() {
        let line = line.map_err(|error| failed(error.to_string()))?;
        if let Ok(value) = serde_json::from_str(&line)
            && !go_on(&value)
        {
            child.kill().map_err(|error| failed(error.to_string()))?;
            break;
        }
        last = line;
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(format!("{status}: {last}"))) }
}
