//! `pghaul verify`.

pub mod archive;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use pghaul::connect::{Endpoint, Side};
use pghaul::event::Counters;
use pghaul::run::Ending;
use pghaul::schema::compare::Compared;
use pghaul::verify::difference::Values;
use pghaul::verify::options::{Depth, DigestOn, Recheck, Scope};
use pghaul::verify::{PreparedVerify, TableDifferences, VerifyOptions};
use pghaul::{Error, ErrorKind};
use tokio::sync::mpsc::Receiver;

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::resources::{jobs, part_size, rate};
use crate::progress::Progress;
use crate::quantity::parse_size;
use crate::report;
use crate::report::rows::DifferentRows;
use crate::report::verify::Verified;
use crate::signals::{Signal, Watch};

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct Flags {
    /// Where the data came from: anything libpq accepts, URI or key=value words; only read
    #[arg(
        long,
        env = "PGHAUL_SOURCE",
        hide_env_values = true,
        value_name = "URL",
        required_unless_present = "archive",
        help_heading = "Connections"
    )]
    source: Option<String>,
    /// What is compared with it: anything libpq accepts, URI or key=value words; only read
    #[arg(
        long,
        env = "PGHAUL_TARGET",
        hide_env_values = true,
        value_name = "URL",
        required_unless_present = "archive",
        help_heading = "Connections"
    )]
    target: Option<String>,
    /// An archive instead of a source: all of it is read; with --target that database is compared
    /// with it: rows, schema, sequences, large objects
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with_all = ["include", "exclude", "rows", "sample", "digest_on", "recheck", "part_size", "state"],
        help_heading = "Connections"
    )]
    archive: Option<PathBuf>,

    /// Only tables that match this glob over schema.table, on either side (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "What is compared")]
    include: Vec<String>,
    /// No tables that match this glob; wins over --include (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "What is compared")]
    exclude: Vec<String>,
    /// Only the schema, no rows
    #[arg(long, conflicts_with_all = ["data_only", "rows", "sample"], help_heading = "What is compared")]
    schema_only: bool,
    /// Only rows, sequences and large objects; needs no pg_dump
    #[arg(long, help_heading = "What is compared")]
    data_only: bool,
    /// Owners may differ
    #[arg(long, help_heading = "What is compared")]
    no_owner: bool,
    /// Privileges may differ
    #[arg(long, help_heading = "What is compared")]
    no_privileges: bool,
    /// Count rows, and do not compare what is in them
    #[arg(long, conflicts_with = "sample", help_heading = "What is compared")]
    rows: bool,
    /// Compare this share of the rows, such as 0.05 or 5%, the same on both sides, chosen by the
    /// digest of their key; counts all; proves nothing about the others
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = "What is compared")]
    sample: Option<f64>,

    /// Who makes the digests: the servers, for slow links, send digests and no rows
    #[arg(long, value_enum, default_value_t, value_name = "WHERE", help_heading = "How")]
    digest_on: Where,
    /// Look at rows that differ again, until they agree or stay different: for databases that are
    /// being written to
    #[arg(long, help_heading = "How")]
    recheck: bool,
    /// The pause before each look of --recheck, in seconds [0 to 3600]
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=3600), requires = "recheck", help_heading = "How")]
    recheck_wait: u64,
    /// Name at most so many rows of each table that differs; 0 names none
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "How")]
    max_differences: usize,
    /// Print the values of keys that are not primary ones, and of columns that differ
    #[arg(long, help_heading = "How")]
    show_keys: bool,

    /// Write all rows that are named to this file too, one JSON object a line
    #[arg(long, value_name = "FILE", help_heading = "How")]
    out: Option<PathBuf>,

    /// Keep what is compared in this file, so that the same command goes on after it was interrupted:
    /// tables that were equal are not read again, and parts of others are not if nothing was written
    /// meanwhile; removed when the comparison has come to its end
    #[arg(long, value_name = "FILE", help_heading = "How")]
    state: Option<PathBuf>,

    /// Parts read at once: as many sessions on each side [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Resources")]
    jobs: u16,
    /// Memory of the whole process, such as 64MiB; fewer jobs run if it is small [from 36MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Resources")]
    memory: Option<u64>,
    /// Where goes what is known of rows that differ and does not fit it: 42 bytes for each row that
    /// is looked through, and those that are named [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", help_heading = "Resources")]
    spill_dir: Option<PathBuf>,
    /// Bytes a second read from each side, all jobs together, such as 50MB [1kB to 1TB]
    #[arg(long, value_name = "BYTES", value_parser = rate, help_heading = "Resources")]
    max_rate: Option<NonZeroU64>,
    /// Size of a part, TOAST included, such as 512MiB [64KiB to 1TiB]
    #[arg(long, value_name = "SIZE", value_parser = part_size, help_heading = "Resources")]
    part_size: Option<u64>,
    /// The pg_dump to use, instead of the one that is found
    #[arg(long, value_name = "PATH", conflicts_with = "data_only", help_heading = "Resources")]
    pg_dump: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Where {
    /// pghaul, from the rows that both servers send
    #[default]
    Client,
    /// The servers: SHA-256, or MD5 where one of them is older than 11
    Server,
}

fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.trim().strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let share: Option<f64> = number.trim().parse().ok().map(|number: f64| number / unit);
    share
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "a share is greater than 0 and at most 1, or 100%".to_owned())
}

impl Flags {
    fn options(&self) -> VerifyOptions {
        let compared = |left_out: bool| if left_out { Compared::No } else { Compared::Yes };
        VerifyOptions {
            jobs: jobs(self.jobs),
            scope: match (self.schema_only, self.data_only) {
                (true, _) => Scope::SchemaOnly,
                (_, true) => Scope::DataOnly,
                (false, false) => Scope::Everything,
            },
            depth: match (self.rows, self.sample) {
                (true, _) => Depth::Rows,
                (false, Some(share)) => Depth::Sample(share),
                (false, None) => Depth::Full,
            },
            owners: compared(self.no_owner),
            privileges: compared(self.no_privileges),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            digest_on: match self.digest_on {
                Where::Client => DigestOn::Client,
                Where::Server => DigestOn::Server,
            },
            recheck: self.recheck.then(|| Recheck {
                pause: Duration::from_secs(self.recheck_wait),
                ..Recheck::default()
            }),
            max_differences: self.max_differences,
            values: if self.show_keys { Values::Shown } else { Values::Hidden },
            memory: self.memory,
            spill_dir: self.spill_dir.clone().unwrap_or_else(std::env::temp_dir),
            max_rate: self.max_rate,
            part_size: self.part_size,
            state: self.state.clone(),
            pg_dump: self.pg_dump.clone(),
            ..VerifyOptions::default()
        }
    }
}

/// Differences that may wait to be taken, in turns of at most some hundred rows.
const WAITING: usize = 1;

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    if let Some(folder) = &flags.archive {
        let target = flags.target.as_deref();
        let options = (flags.options(), flags.out.as_deref());
        return Box::pin(archive::run(folder, target, options, console)).await;
    }
    let begun = Instant::now();
    match verify(flags, console, begun).await {
        Ok(verified) => report::verify::done(console, &verified),
        Err(Unfinished::Failed(error)) => {
            report::failure::end(console, report::verify::VERB, begun.elapsed(), &error)
        }
        Err(Unfinished::Stopped(signal)) => {
            // What an earlier command has kept stays.
            let state = flags.state.as_deref().filter(|file| file.exists());
            report::verify::stopped(console, begun.elapsed(), (signal, state))
        }
    }
}

enum Unfinished {
    Failed(Error),
    /// Before anything was compared.
    Stopped(Option<Signal>),
}

impl From<Error> for Unfinished {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn verify(flags: &Flags, console: &Console, begun: Instant) -> Result<Verified, Unfinished> {
    // Without --archive both are required.
    let given = |url: &Option<String>| url.clone().unwrap_or_default();
    let source = Endpoint::parse(Side::Source, &given(&flags.source))?;
    let target = Endpoint::parse(Side::Target, &given(&flags.target))?;
    let options = flags.options();
    if flags.state.is_some() && flags.state == flags.out {
        let what = "--state and --out name the same file";
        return Err(Error::new(ErrorKind::Usage, what).with_hint("name two files").into());
    }
    let differences =
        DifferentRows::new(console.results, &options.spill_dir, flags.out.as_deref())?;
    let watch = Watch::start()?;
    let counters = Arc::new(Counters::default());
    let (progress, display) = Progress::start_comparison(console, Arc::clone(&counters));
    watch.speak_through(progress.voice());
    let prepared = tokio::select! {
        biased;
        () = watch.stop.soon.cancelled() => return Err(Unfinished::Stopped(watch.signal())),
        prepared = PreparedVerify::new(source, target, options) => prepared?,
    };
    let prepared_in = begun.elapsed();
    progress.expect_comparison(&prepared);
    let (source, target) = prepared.identities();
    let (source, target) = (source.clone(), target.clone());
    let (sender, receiver) = tokio::sync::mpsc::channel(WAITING);
    let company = (Arc::clone(&progress) as _, counters, watch.stop.clone());
    let run = Box::pin(prepared.run(company, sender));
    let ended = tokio::try_join!(run, collected(receiver, differences));
    display.finish();
    let (outcome, mut differences) = ended?;
    if outcome.ending == Ending::Complete {
        differences.publish()?;
    }
    Ok(Verified {
        source,
        target,
        took: begun.elapsed(),
        prepared_in,
        outcome,
        differences,
        signal: watch.signal(),
    })
}

/// Takes rows as they come, until no more do.
async fn collected(
    mut receiver: Receiver<TableDifferences>,
    mut rows: DifferentRows,
) -> Result<DifferentRows, Error> {
    while let Some(some) = receiver.recv().await {
        rows.take(some)?;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_are_fractions_or_percents() {
        assert_eq!(share("0.05"), Ok(0.05));
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("100 %"), Ok(1.0));
        for wrong in ["0", "1.5", "-1", "x", "", "NaN", "101%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
