//! What a repair would do, row by row, as a file to read and edit. Writes nothing to the database.
//!
//! Groups come from a [`Scan`], and everything else is read in its snapshot, from the heap. Groups
//! are kept in temporary files. What is held in memory are the rows that share a key of an index,
//! the groups of one table, some 40 bytes a row, what takes the place of each key that others refer
//! to, 24 bytes for a whole number, the places of the rows that refer to rows that go, 8 bytes each,
//! and the arrays of one table that name such rows, as they will be; all of it is counted against the
//! budget, and a plan that would need more is refused.
//! Temporary tables on the server are not used: they would be writes, which a standby cannot do. The
//! file is written line by line.
//!
//! Invariants: the same data gives the same file, byte for byte; a row stands in at most one group;
//! what is doubtful is a question and left alone.

pub mod answers;
mod decide;
pub(in crate::duplicates) mod digests;
mod emit;
pub mod file;
mod finds;
mod groups;
mod map;
mod mapped;
mod mapping;
mod release;
mod sets;
mod spellings;
mod spool;
mod work;

pub(in crate::duplicates) use work::text_of;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::answers::Answers;
use self::digests::Digests;
use self::file::{Counts, PlanWriter};
use self::finds::Finds;
use self::work::Work;
use super::index::IndexDefinition;
use super::moment::Scan;
use super::options::ScanOptions;
use super::repair::{keys_given_up, state};
use super::rules::Rules;
use super::tables::Tables;
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::finding::{Finding, Severity};
use crate::state::DatabaseIdentity;

/// What a plan is made by.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// The rules.
    pub rules: Rules,
    /// Answers to questions of a plan made before.
    pub answers: Answers,
    /// For tables without rules that nothing refers to.
    pub without_rules: Without,
    /// Only these tables, and what refers to them; all if empty.
    pub tables: Vec<String>,
    /// Memory, in bytes.
    pub memory: u64,
    /// Where that goes which is not held in memory.
    pub spill_dir: PathBuf,
}

/// Mastodon's name for nothing: no rules, 64 MiB, all tables.
impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            rules: Rules::none(),
            answers: Answers::default(),
            without_rules: Without::Report,
            tables: Vec::new(),
            memory: 64 << 20,
            spill_dir: std::env::temp_dir(),
        }
    }
}

/// Which row stays in tables that no rule knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Without {
    /// None: it is reported.
    #[default]
    Report,
    /// That with the lowest primary key.
    Lowest,
    /// That with the highest primary key.
    Newest,
    /// That with the highest value of a column.
    Column(String),
}

/// A plan that was made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Planned {
    /// How much it would do.
    pub counts: Counts,
    /// What it leaves alone, and why.
    pub findings: Vec<Finding>,
}

/// Makes a plan and writes it to `out`, which is there only once it is whole. `elsewhere` is the
/// source of a clone whose target `database` is: its indexes and foreign keys that could not be
/// built there yet are heeded too.
///
/// # Errors
/// [`ErrorKind::Usage`] for answers to no question, rules that take a reference over several columns
/// apart, or tables that are not there;
/// [`ErrorKind::Preflight`] for a budget too small; [`ErrorKind::Connect`]; what the server said.
pub async fn plan(
    database: &Endpoint,
    elsewhere: Option<&Endpoint>,
    options: &PlanOptions,
    out: &Path,
    counters: &Counters,
) -> Result<Planned, Error> {
    let source = match elsewhere {
        Some(endpoint) => Some(endpoint.connect(Purpose::Catalog, "plan").await?),
        None => None,
    };
    let scan_options = ScanOptions {
        tables: options.tables.clone(),
        indexes: Vec::new(),
        memory: usize::try_from(options.memory / 2).unwrap_or(usize::MAX),
        spill_dir: options.spill_dir.clone(),
        ..ScanOptions::default()
    };
    let mut scan = Scan::start(database, scan_options.clone()).await?;
    let tables = Tables::read(scan.session(), source.as_ref(), &options.rules);
    let tables = scan.session().with_catalog_indexes(tables).await?;
    tables.check_rules()?;
    let mut findings = scan.findings().to_vec();
    let mut finds = Finds::new(&tables, options.memory / 2);
    for at in 0..scan.indexes().len() {
        finds.collect(&mut scan, at, &tables, &mut findings, counters).await?;
    }
    if let Some(source) = &source {
        for definition in unbuilt(source, scan.session(), &tables).await? {
            let mut scan = Scan::of_definition(database, definition, scan_options.clone()).await?;
            findings.extend(scan.findings().to_vec());
            for at in 0..scan.indexes().len() {
                finds.collect(&mut scan, at, &tables, &mut findings, counters).await?;
            }
        }
    }
    let session = scan.session();
    let keyless = state::keyless(session, None).await?;
    findings.extend(keyless.iter().map(|(table, rows)| keys_given_up(table, *rows)));
    let digests = Digests::of(session).await?;
    let mut work = Work::new(session, &tables, &digests, (&options.answers, options), finds);
    work.settle().await?;
    work.check_answers()?;
    let mut writer = PlanWriter::create(out)?;
    let identity = DatabaseIdentity::of(session, database);
    let counts = work.write(&mut writer, identity, &mut findings).await?;
    writer.finish()?;
    Ok(Planned { counts, findings })
}

/// Unique indexes of the source that are not built here.
async fn unbuilt(
    source: &Session,
    here: &Session,
    tables: &Tables,
) -> Result<Vec<IndexDefinition>, Error> {
    let built: BTreeSet<_> =
        IndexDefinition::all(here).await?.into_iter().map(|definition| definition.name).collect();
    let mut missing = IndexDefinition::all(source).await?;
    missing.retain(|definition| {
        !built.contains(&definition.name)
            && !definition.is_exclusion
            && tables.place(&definition.table).is_some()
    });
    Ok(missing)
}

impl Work<'_> {
    /// An answer that answers nothing is a mistake of somebody.
    fn check_answers(&self) -> Result<(), Error> {
        for question in self.answers.questions() {
            if !self.asked.contains(question) {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("the answers file answers a question {question} that is not asked"),
                )
                .with_hint("questions have other names once their rows have changed: make the plan without answers to see those of now"));
            }
        }
        Ok(())
    }
}

/// What is left alone.
fn left_alone(table: &crate::name::RelationName, groups: u64) -> Finding {
    Finding::new(
        Severity::Warning,
        "duplicates_asked",
        format!("{groups} groups of rows are left alone until a question is answered"),
        "look at the `question` lines of the plan, and answer them in a file for --answers",
    )
    .about(table)
}
