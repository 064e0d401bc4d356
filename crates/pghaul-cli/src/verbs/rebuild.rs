//! `pghaul rebuild`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::rebuild::{Locking, Need, PreparedRebuild, RebuildOptions, Selection, Unknown, Views};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::Database;
use crate::flags::amcheck::Amcheck;
use crate::progress::rebuild::RebuildProgress;
use crate::quantity::parse_size;
use crate::report;
use crate::report::scan::file::GroupsFile;
use crate::signals::Watch;

/// Flags of `rebuild`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    database: Database,

    /// Rebuild this index, needed or not: a name, or a glob over schema.name (repeatable)
    #[arg(long, value_name = "INDEX", help_heading = "What is rebuilt")]
    index: Vec<String>,
    /// Rebuild all indexes of this table or materialized view, needed or not (repeatable)
    #[arg(long, value_name = "TABLE", help_heading = "What is rebuilt")]
    table: Vec<String>,
    /// Rebuild every index; without it and without names, those that are exposed to a change of
    /// their collation, not valid, or damaged
    #[arg(long, conflicts_with_all = ["index", "table"], help_heading = "What is rebuilt")]
    all: bool,
    /// How thoroughly amcheck looks for damage before and after, where it is installed
    #[arg(long, value_enum, default_value_t = Amcheck::Rows, value_name = "HOW", help_heading = "What is rebuilt")]
    amcheck: Amcheck,
    /// Leave indexes alone of which it is only unknown whether their collation changed, since no
    /// version of it is recorded (before 15): right once all were rebuilt on this system
    #[arg(long, conflicts_with_all = ["index", "table", "all"], help_heading = "What is rebuilt")]
    keep_unknown: bool,
    /// Do not refresh materialized views whose unique index is exposed or damaged; rebuild only
    /// their indexes
    #[arg(long, help_heading = "What is rebuilt")]
    no_refresh: bool,

    /// For maintenance windows: faster, but who writes to a table waits while its indexes are built
    #[arg(long, help_heading = "How")]
    no_concurrently: bool,
    /// Give an index up when others keep it waiting for this long, such as 30s or 10min; without
    /// it, wait, and say for whom
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "How")]
    max_wait: Option<Duration>,
    /// Print what would be done, and do nothing
    #[arg(long, help_heading = "How")]
    dry_run: bool,

    /// Write all groups of rows that stop a build to this file, one JSON object a line
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    out: Option<PathBuf>,

    /// Tables to work on at once [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Resources")]
    jobs: u16,
    /// Memory for looking for the rows that share a key, when such rows stop a build
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size, help_heading = "Resources")]
    memory: u64,
    /// Where what does not fit it goes, removed at the end [default: the system's folder for
    /// temporary files]
    #[arg(long, value_name = "FOLDER", help_heading = "Resources")]
    spill_dir: Option<PathBuf>,
}

/// `30s`, `10min`, `2h`; a number alone is seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit.trim() {
        "" | "s" => 1,
        "min" | "m" => 60,
        "h" => 3600,
        _ => return Err("a time is a number with s, min or h, such as 30s or 10min".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a time begins with a number".to_owned())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "too long".to_owned())
}

impl Flags {
    fn options(&self) -> RebuildOptions {
        let defaults = RebuildOptions::default();
        RebuildOptions {
            selection: Selection { tables: self.table.clone(), indexes: self.index.clone() },
            need: if self.all { Need::All } else { Need::Needed },
            unknown: if self.keep_unknown { Unknown::Keep } else { Unknown::Rebuild },
            locking: if self.no_concurrently { Locking::Blocking } else { Locking::Concurrent },
            jobs: NonZeroUsize::new(self.jobs.into()).unwrap_or(NonZeroUsize::MIN),
            thoroughness: self.amcheck.into(),
            views: if self.no_refresh { Views::Keep } else { Views::Refresh },
            max_wait: self.max_wait,
            memory: usize::try_from(self.memory).unwrap_or(usize::MAX),
            spill_dir: self.spill_dir.clone().unwrap_or(defaults.spill_dir),
        }
    }
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    match Box::pin(rebuild(flags, console, begun)).await {
        Ok(exit) => exit,
        Err(error) => report::failure::end(console, "rebuild", begun.elapsed(), &error),
    }
}

async fn rebuild(flags: &Flags, console: &Console, begun: Instant) -> Result<Exit, Error> {
    let database = Endpoint::parse(Side::Database, &flags.database.database)?;
    let out = flags.out.as_deref().map(GroupsFile::create).transpose()?;
    let watch = Watch::start()?;
    let prepared = tokio::select! {
        prepared = Box::pin(PreparedRebuild::new(database, flags.options())) => prepared?,
        () = watch.stop.soon.cancelled() => {
            return Ok(report::rebuild::stopped(console, begun.elapsed(), watch.signal()));
        }
    };
    let place = prepared.database().describe();
    if flags.dry_run {
        return Ok(report::rebuild::planned(console, begun.elapsed(), &place, &prepared));
    }
    let prepared = match out {
        Some(out) => prepared.telling(Box::new(out)),
        None => prepared,
    };
    let (progress, display) = RebuildProgress::start(console, prepared.plan());
    watch.speak_through(progress.voice());
    let rebuilt = Box::pin(prepared.run(Arc::clone(&progress) as _, watch.stop.clone())).await;
    display.finish();
    Ok(report::rebuild::done(console, begun.elapsed(), &place, &rebuilt?, watch.signal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let seconds = |text| parse_time(text).map(|time| time.as_secs());
        assert_eq!(seconds("30"), Ok(30));
        assert_eq!(seconds("30s"), Ok(30));
        assert_eq!(seconds("10 min"), Ok(600));
        assert_eq!(seconds("2h"), Ok(7200));
        for wrong in ["", "s", "-1s", "1d", "99999999999999999999h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
