//! `pghaul duplicates plan`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::plan::answers::Answers;
use pghaul::duplicates::plan::{PlanOptions, Planned, Without, plan};
use pghaul::duplicates::rules::Rules;
use pghaul::event::Counters;
use pghaul::{Error, ErrorKind};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::Database;
use crate::quantity::parse_size;
use crate::report;

/// Flags of `duplicates plan`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    database: Database,
    /// The source of the clone that --database is: for indexes and keys not built there yet
    #[arg(long, env = "PGHAUL_SOURCE", hide_env_values = true, value_name = "URL")]
    source: Option<String>,

    /// Which row stays and what becomes of the others: `mastodon`, or a file of your own
    #[arg(long, value_name = "mastodon|FILE", help_heading = "What is planned")]
    rules: Option<String>,
    /// Answers to the questions of a plan made before
    #[arg(long, value_name = "FILE", help_heading = "What is planned")]
    answers: Option<PathBuf>,
    /// For tables that no rule knows and nothing refers to: keep the row with the lowest or the
    /// newest (highest) primary key, or with the highest value of a column
    #[arg(long, value_name = "lowest|newest|COLUMN", help_heading = "What is planned")]
    keep: Option<String>,
    /// Only the unique indexes of this table (repeatable)
    #[arg(long, value_name = "TABLE", help_heading = "What is planned")]
    table: Vec<String>,

    /// Memory: a row that shares a key needs some 60 bytes, one that refers to such a row 8
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size, help_heading = "Resources")]
    memory: u64,
    /// Where digests go that do not fit it, and groups [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", help_heading = "Resources")]
    spill_dir: Option<PathBuf>,

    /// The plan; it holds values of rows, and only you may read it
    #[arg(long, value_name = "PLAN", help_heading = "Result")]
    out: PathBuf,
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    match make(flags).await {
        Ok(planned) => report::repair::planned(console, begun.elapsed(), &planned, &flags.out),
        Err(error) => report::failure::end(console, "duplicates plan", begun.elapsed(), &error),
    }
}

async fn make(flags: &Flags) -> Result<Planned, Error> {
    let database = Endpoint::parse(Side::Database, &flags.database.database)?;
    let source = match &flags.source {
        Some(source) => Some(Endpoint::parse(Side::Source, source)?),
        None => None,
    };
    let rules = match flags.rules.as_deref() {
        None => Rules::none(),
        Some("mastodon") => Rules::mastodon()?,
        Some(path) => Rules::parse(&read(Path::new(path))?, path)?,
    };
    let answers = match &flags.answers {
        None => Answers::default(),
        Some(path) => Answers::parse(&read(path)?, &path.display().to_string())?,
    };
    let defaults = PlanOptions::default();
    let options = PlanOptions {
        rules,
        answers,
        without_rules: match flags.keep.as_deref() {
            None => Without::Report,
            Some("lowest") => Without::Lowest,
            Some("newest") => Without::Newest,
            Some(column) => Without::Column(column.to_owned()),
        },
        tables: flags.table.clone(),
        memory: flags.memory,
        spill_dir: flags.spill_dir.clone().unwrap_or(defaults.spill_dir),
    };
    Box::pin(plan(&database, source.as_ref(), &options, &flags.out, &Counters::default())).await
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::LocalIo, format!("cannot read {}", path.display())).caused_by(error)
    })
}
