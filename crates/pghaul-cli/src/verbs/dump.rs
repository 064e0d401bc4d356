//! `pghaul dump`.

use std::io::IsTerminal as _;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{ArgGroup, Args};
use pghaul::connect::{Endpoint, Side};
use pghaul::dump::{Destination, DumpOptions, dump};
use pghaul::event::Counters;
use pghaul::run::CloneOptions;
use pghaul::{Error, ErrorKind};

use crate::console::{Console, Results, Shown};
use crate::exit::Exit;
use crate::flags::carried::{Format, Selection};
use crate::flags::resources::{Memory, Patience, Program, jobs, part_size, rate};
use crate::flags::{ProgressStyle, Source};
use crate::progress::Progress;
use crate::report;
use crate::report::dump::{Dumped, Stream};
use crate::signals::Watch;

/// Flags of `dump`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("place").required(true).args(["archive", "archive_in"]))]
pub struct Flags {
    #[command(flatten)]
    source: Source,
    /// The archive: a folder that is made, or gone on with where a dump was interrupted; `-` is one
    /// stream on stdout
    #[arg(long, value_name = "FOLDER|-", help_heading = "The archive")]
    archive: Option<PathBuf>,
    /// A new archive in this folder, named by database and UTC time
    #[arg(long, value_name = "FOLDER", help_heading = "The archive")]
    archive_in: Option<PathBuf>,
    /// With --archive-in: how many archives of this database and these options for what is carried
    /// remain there; older ones go once the new one is verified
    #[arg(long, value_name = "N", requires = "archive_in", help_heading = "The archive")]
    keep: Option<NonZeroUsize>,
    /// Level of zstd [1 to 19]
    #[arg(long, value_name = "LEVEL", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19), help_heading = "The archive")]
    compress: i32,
    /// Read under this snapshot, exported by another session, instead of one's own
    #[arg(long, value_name = "ID", help_heading = "The archive")]
    snapshot: Option<String>,

    #[command(flatten)]
    selection: Selection,
    /// How rows are kept; auto is binary where every major from 9.6 on reads it
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "What is carried"
    )]
    format: Format,

    /// Parts read at once: as many sessions; a stream is read by one [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Resources")]
    jobs: u16,
    /// Bytes a second read from the source, all jobs together, such as 50MB [1kB to 1TB]
    #[arg(long, value_name = "BYTES", value_parser = rate, help_heading = "Resources")]
    max_rate: Option<NonZeroU64>,
    /// Size of a part, TOAST included, such as 512MiB [64KiB to 1TiB]
    #[arg(long, value_name = "SIZE", value_parser = part_size, help_heading = "Resources")]
    part_size: Option<u64>,
    #[command(flatten)]
    memory: Memory,
    #[command(flatten)]
    program: Program,
    #[command(flatten)]
    patience: Patience,
}

impl Flags {
    fn options(&self) -> DumpOptions {
        DumpOptions {
            jobs: jobs(self.jobs),
            scope: self.selection.scope(),
            include: self.selection.include.clone(),
            exclude: self.selection.exclude.clone(),
            format: self.format.into(),
            level: self.compress,
            max_rate: self.max_rate,
            part_size: self.part_size,
            memory: self.memory.memory,
            pg_dump: self.program.pg_dump.clone(),
            snapshot: self.snapshot.clone(),
            attempts: self.patience.attempts,
            retries: self.patience.retries,
        }
    }

    fn is_stream(&self) -> bool {
        self.archive.as_ref().is_some_and(|place| place.as_os_str() == "-")
    }

    fn destination(&self, console: &Console) -> Result<Destination, Error> {
        match (&self.archive, &self.archive_in) {
            (_, Some(folder)) => Ok(Destination::Shelf { folder: folder.clone(), keep: self.keep }),
            (Some(_), None) if self.is_stream() => {
                let stdout = std::io::stdout();
                let refused = |why: &str| Err(Error::new(ErrorKind::Usage, why));
                if console.results == Results::Json {
                    return refused("--json and `--archive -` both want stdout");
                }
                if stdout.is_terminal() {
                    return refused("an archive is not written to a terminal; redirect stdout");
                }
                Ok(Destination::Stream(Box::new(stdout)))
            }
            (Some(folder), None) => Ok(Destination::Folder(folder.clone())),
            (None, None) => Err(Error::new(ErrorKind::Bug, "no place for the archive")),
        }
    }
}

/// Runs the verb. Without a terminal it is quiet, as cron wants it.
pub async fn run(flags: &Flags, console: &Console, asked: ProgressStyle) -> Exit {
    let begun = Instant::now();
    let quiet = asked == ProgressStyle::Auto && console.progress == Shown::Lines;
    let console = if quiet { console.without_progress() } else { *console };
    match carry(flags, &console, begun).await {
        Ok(dumped) => report::dump::done(&console, &dumped),
        Err(error) => report::failure::end(&console, "dump", begun.elapsed(), &error),
    }
}

async fn carry(flags: &Flags, console: &Console, begun: Instant) -> Result<Dumped, Error> {
    let source = Endpoint::parse(Side::Source, &flags.source.source)?;
    let destination = flags.destination(console)?;
    let options = flags.options();
    let watch = Watch::start()?;
    let counters = Arc::new(Counters::default());
    let shown =
        CloneOptions { jobs: options.jobs, max_rate: options.max_rate, ..CloneOptions::default() };
    let (progress, display) = Progress::start(console, Arc::clone(&counters), &shown);
    watch.speak_through(progress.voice());
    let company = (Arc::clone(&progress) as _, counters, watch.stop.clone());
    let outcome = dump(source, destination, options, company).await;
    display.finish();
    let stream = if flags.is_stream() { Stream::Archive } else { Stream::Result };
    Ok(Dumped { outcome: outcome?, took: begun.elapsed(), signal: watch.signal(), stream })
}
