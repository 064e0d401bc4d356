//! `pghaul duplicates scan`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::{ForeignKeys, Keys, ScanOptions, Sink, Survey, SurveyOptions, survey};
use pghaul::event::Counters;
use pghaul::{Error, ErrorKind};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::Database;
use crate::flags::amcheck::Amcheck;
use crate::flags::resources::rate;
use crate::progress::scan::ScanProgress;
use crate::quantity::parse_size;
use crate::report;
use crate::report::scan::file::GroupsFile;
use crate::signals::{Signal, Watch};

/// Flags of `duplicates scan`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    database: Database,

    /// All unique indexes of this table (repeatable); without --table and --index, all there are
    #[arg(long, value_name = "TABLE", help_heading = "What is scanned")]
    table: Vec<String>,
    /// This unique index (repeatable)
    #[arg(long, value_name = "INDEX", help_heading = "What is scanned")]
    index: Vec<String>,
    /// Look for rows too whose foreign key refers to nothing
    #[arg(long, help_heading = "What is scanned")]
    orphans: bool,
    /// How thoroughly amcheck looks at the indexes, where it is installed
    #[arg(long, value_enum, default_value_t = Amcheck::Order, value_name = "HOW", help_heading = "What is scanned")]
    amcheck: Amcheck,

    /// Memory for digests of keys
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size, help_heading = "Resources")]
    memory: u64,
    /// Where digests go that do not fit it: 22 to 26 bytes for each row, removed at the end
    /// [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", help_heading = "Resources")]
    spill_dir: Option<PathBuf>,
    /// Bytes of tables that are read in a second at most, such as 50MB [1kB to 1TB]
    #[arg(long, value_name = "SIZE", value_parser = rate, help_heading = "Resources")]
    max_rate: Option<NonZeroU64>,

    /// Write all groups to this file, one JSON object a line
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    out: Option<PathBuf>,
    /// Show the keys that rows share; without it, rows are named by ctid and primary key
    #[arg(long, help_heading = "Result")]
    show_keys: bool,
    /// Groups of each index, and rows of each group, that stand in the result
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Result")]
    sample: u16,
}

impl Flags {
    fn options(&self) -> SurveyOptions {
        let defaults = ScanOptions::default();
        SurveyOptions {
            scan: ScanOptions {
                tables: self.table.clone(),
                indexes: self.index.clone(),
                memory: usize::try_from(self.memory).unwrap_or(usize::MAX),
                spill_dir: self.spill_dir.clone().unwrap_or(defaults.spill_dir),
                max_rate: self.max_rate,
                keys: if self.show_keys { Keys::Shown } else { Keys::Hidden },
                foreign_keys: if self.orphans {
                    ForeignKeys::Checked
                } else {
                    ForeignKeys::LeftOut
                },
            },
            sample: self.sample.into(),
            thoroughness: self.amcheck.into(),
            ..SurveyOptions::default()
        }
    }
}

/// How a scan ended that did not fail.
pub enum Ended {
    /// All that was asked for was scanned.
    Done(Survey),
    /// It was stopped; nothing is kept.
    Stopped(Option<Signal>),
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    let ended = Box::pin(look(flags, console)).await;
    match ended {
        Ok(Ended::Done(survey)) => {
            report::scan::done(console, begun.elapsed(), &survey, flags.out.as_deref())
        }
        Ok(Ended::Stopped(signal)) => report::scan::stopped(console, begun.elapsed(), signal),
        Err(error) => report::failure::end(console, report::scan::VERB, begun.elapsed(), &error),
    }
}

async fn look(flags: &Flags, console: &Console) -> Result<Ended, Error> {
    let database = Endpoint::parse(Side::Database, &flags.database.database)?;
    let mut sink: Box<dyn Sink> = match &flags.out {
        Some(path) => Box::new(GroupsFile::create(path)?),
        None => Box::new(()),
    };
    let folder = flags.spill_dir.as_deref().filter(|folder| !folder.is_dir());
    if let Some(folder) = folder {
        return Err(Error::new(
            ErrorKind::LocalIo,
            format!("there is no folder {}", folder.display()),
        )
        .with_hint("create it, or name another with --spill-dir"));
    }
    find(&database, &flags.options(), &mut *sink, console).await
}

/// Scans with progress and signals; the caller prints.
///
/// # Errors
/// As [`survey()`].
pub async fn find(
    database: &Endpoint,
    options: &SurveyOptions,
    sink: &mut dyn Sink,
    console: &Console,
) -> Result<Ended, Error> {
    let watch = Watch::start()?;
    let counters = Arc::new(Counters::default());
    let (progress, display) = ScanProgress::start(console, Arc::clone(&counters));
    let company = (&*progress as _, &*counters, &watch.stop.soon);
    let done = Box::pin(survey(database, options, sink, company)).await;
    display.finish();
    Ok(match done? {
        Some(survey) => Ended::Done(survey),
        None => Ended::Stopped(watch.signal()),
    })
}
