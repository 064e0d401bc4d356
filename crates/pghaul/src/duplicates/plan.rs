//! What a repair would do, row by row, as a file to read and edit. Writes nothing to the database.
//!
//! Groups come from a [`Scan`], and everything else is read in its snapshot, from the heap. What is
//! held in memory are the rows of groups, some 200 bytes each, and of the rows that refer to them
//! their places, 8 bytes each; both are counted against the budget, and a plan that would need more
//! is refused. Temporary tables on the server are not used: they would be writes, which a standby
//! cannot do. The file is written line by line.
//!
//! Invariants: the same data gives the same file, byte for byte; a row stands in at most one group;
//! what is doubtful is a question and left alone.

pub mod answers;
mod decide;
pub(in crate::duplicates) mod digests;
mod emit;
pub mod file;
mod mapped;
mod release;
mod work;

pub(in crate::duplicates) use work::text_of;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pghaul_rows::Tid;

use self::answers::Answers;
use self::digests::Digests;
use self::file::{Counts, PlanWriter};
use self::work::Work;
use super::index::IndexDefinition;
use super::moment::Scan;
use super::options::ScanOptions;
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
    /// Where the scan puts what does not fit its memory.
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

/// Rows that share a key of an index. Places in [`Tables::list`] and its indexes.
struct Find {
    table: usize,
    unique: usize,
    rows: Vec<Tid>,
}

/// Makes a plan and writes it to `out`, which is there only once it is whole. `elsewhere` is the
/// source of a clone whose target `database` is: its indexes and foreign keys that could not be
/// built there yet are heeded too.
///
/// # Errors
/// [`ErrorKind::Usage`] for answers to no question, or tables that are not there;
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
    let mut findings = scan.findings().to_vec();
    let mut finds = Vec::new();
    let mut limit = Limit { left: options.memory / 200 };
    for at in 0..scan.indexes().len() {
        let found = (&mut finds, &mut findings);
        collect(&mut scan, at, &tables, found, &mut limit, counters).await?;
    }
    if let Some(source) = &source {
        for definition in unbuilt(source, scan.session(), &tables).await? {
            let mut scan = Scan::of_definition(database, definition, scan_options.clone()).await?;
            findings.extend(scan.findings().to_vec());
            for at in 0..scan.indexes().len() {
                let found = (&mut finds, &mut findings);
                collect(&mut scan, at, &tables, found, &mut limit, counters).await?;
            }
        }
    }
    // Their order must not depend on how they were found.
    finds.sort_by(|a, b| (a.table, a.unique, &a.rows).cmp(&(b.table, b.unique, &b.rows)));
    let session = scan.session();
    let digests = Digests::of(session).await?;
    let mut work = Work::new(session, &tables, &digests, (&options.answers, options));
    for find in &finds {
        work.add(find)?;
    }
    drop(finds);
    work.settle().await?;
    work.check_answers()?;
    let mut writer = PlanWriter::create(out)?;
    let identity = DatabaseIdentity::of(session, database);
    let counts = work.write(&mut writer, identity, &mut findings).await?;
    writer.finish()?;
    Ok(Planned { counts, findings })
}

/// How many rows may still be held.
struct Limit {
    left: u64,
}

/// Takes the groups of one index.
async fn collect(
    scan: &mut Scan,
    at: usize,
    tables: &Tables,
    (finds, findings): (&mut Vec<Find>, &mut Vec<Finding>),
    limit: &mut Limit,
    counters: &Counters,
) -> Result<(), Error> {
    let definition = scan.indexes()[at].definition.clone();
    let Some(table) = tables.place(&definition.table) else { return Ok(()) };
    let by_name = |unique: &super::tables::Unique| unique.name == definition.name;
    let Some(unique) = tables.list[table].uniques.iter().position(by_name) else { return Ok(()) };
    let mut groups = scan.read(at, counters).await?;
    let mut across = 0_u64;
    while let Some(mut group) = groups.next_group().await? {
        let mut rows = Vec::new();
        let mut relations = BTreeSet::new();
        while let Some(row) = group.next_member().await? {
            limit.left = limit.left.checked_sub(1).ok_or_else(|| {
                Error::new(ErrorKind::Preflight, "there are more duplicates than the memory holds")
                    .with_hint("raise --memory: a row that shares a key needs 200 bytes")
            })?;
            relations.insert(tables.place(&row.relation).unwrap_or(table));
            rows.push(row.tid);
        }
        rows.sort_unstable();
        let mut holders = relations.into_iter();
        // A leaf of a partition tree is a table like all others, and so is its index.
        match (holders.next(), holders.next()) {
            (Some(holder), None) if tables.counterpart(table, unique, holder).is_some() => {
                let unique = tables.counterpart(table, unique, holder).unwrap_or(unique);
                finds.push(Find { table: holder, unique, rows });
            }
            _ => {
                limit.left += rows.len() as u64;
                across += 1;
            }
        }
    }
    if across > 0 {
        findings.push(across_partitions(&definition, across));
    }
    Ok(())
}

/// Rows of several leaves share a key: which leaf each belongs to is the question then.
fn across_partitions(definition: &IndexDefinition, groups: u64) -> Finding {
    Finding::new(
        Severity::Warning,
        "duplicates_across_partitions",
        format!(
            "{groups} groups of rows that share a key of {} lie in several partitions, and are left alone",
            definition.name
        ),
        "find out which partition they belong to (`pghaul duplicates scan` names them), and delete \
         or move the others by hand",
    )
    .about(&definition.table)
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
