//! Whether two databases hold the same: rows, schema, and what the schema's dump does not show.
//!
//! Independent of pghaul's own code on purpose: plain SQL on both servers, `pg_dump` for the
//! schema, digests of its own kind. Three parts:
//!
//! 1. *Rows* ([`rows`](self)): of every table, leaf partition and populated materialized view
//!    the count and two 64-bit sums of `md5(record_send(ROW(…)))` over an image of each row that
//!    holds no OID of a user's object; partition trees also as a whole; sequences; large objects.
//!    Tables of a tree whose rows may lie in another leaf on another server (hash of an enum,
//!    range of a text under a collation) are compared as a whole only.
//! 2. *Schema*: `pg_dump --schema-only` of both sides with one `pg_dump`, cut into statements,
//!    compared without regard to order, after [`VERSION_DIFFERENCES`].
//! 3. *Catalog*: by name on both sides, what such dumps do not show or show only in passing:
//!    validity of indexes and constraints, storage, owners, privileges, trigger states.
//!
//! Invariants: nothing is compared by sampling; a table or column of the source that was not
//! compared is an error, not a remark; every version difference that was made use of is named in
//! the report, so that a test can notice when one no longer occurs; both sides are read in one
//! snapshot each, with index scans off.
//!
//! Both sides must be superuser connections.

mod catalog;
mod differences;
mod dump;
mod image;
mod rows;
mod side;
mod statements;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

pub use differences::{VERSION_DIFFERENCES, VersionDifference};

use crate::clients::clients;
use crate::error::{Error, Result};
use crate::work::{self, Answer};
use side::Side;

/// What to compare. The default is everything but the schema `pghaul`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    ignored_schemas: Vec<String>,
    rows: bool,
    schema: bool,
    catalog: bool,
    owners: bool,
    privileges: bool,
    excluded: BTreeSet<String>,
    pg_dump: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ignored_schemas: vec!["pghaul".to_owned()],
            rows: true,
            schema: true,
            catalog: true,
            owners: true,
            privileges: true,
            excluded: BTreeSet::new(),
            pg_dump: None,
        }
    }
}

impl Options {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out rows, sequence values and large objects (for `--schema-only`).
    #[must_use]
    pub fn without_rows(mut self) -> Self {
        self.rows = false;
        self
    }

    /// Leaves out the dumps of the schema (for `--data-only`, and where it takes too long).
    #[must_use]
    pub fn without_schema(mut self) -> Self {
        self.schema = false;
        self
    }

    /// Leaves out the catalogs.
    #[must_use]
    pub fn without_catalog(mut self) -> Self {
        self.catalog = false;
        self
    }

    /// Leaves out who owns what (for `--no-owner`). Default privileges belong to owners, and
    /// privileges name them as grantors: mostly wanted together with
    /// [`Options::without_privileges`].
    #[must_use]
    pub fn without_owners(mut self) -> Self {
        self.owners = false;
        self
    }

    /// Leaves out privileges (for `--no-privileges`).
    #[must_use]
    pub fn without_privileges(mut self) -> Self {
        self.privileges = false;
        self
    }

    /// Leaves out one more schema on both sides.
    #[must_use]
    pub fn ignoring_schema(mut self, name: impl Into<String>) -> Self {
        self.ignored_schemas.push(name.into());
        self
    }

    /// Leaves the rows of one table out, named as `schema.table` without quotes. One that the
    /// source does not have is an error.
    #[must_use]
    pub fn without_rows_of(mut self, table: impl Into<String>) -> Self {
        self.excluded.insert(table.into());
        self
    }

    /// The `pg_dump` to use instead of the one that [`clients`] finds.
    #[must_use]
    pub fn pg_dump(mut self, program: impl Into<PathBuf>) -> Self {
        self.pg_dump = Some(program.into());
        self
    }
}

/// What was compared, and how it differs.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Tables, leaf partitions, partitioned tables and populated materialized views whose rows
    /// were compared.
    pub tables: usize,
    /// Their columns, those of a partition tree once for each of its tables.
    pub columns: usize,
    /// The source's rows in them, those of partitions once.
    pub rows: u64,
    /// Sequences.
    pub sequences: usize,
    /// Large objects.
    pub large_objects: usize,
    /// Statements of the source's schema dump.
    pub statements: usize,
    /// Facts of the source's catalogs.
    pub facts: usize,
    /// Everything that differs, one sentence each.
    pub differences: Vec<String>,
    /// The entries of [`VERSION_DIFFERENCES`] that were needed.
    pub list_entries_used: BTreeSet<&'static str>,
    /// Columns compared by their text because no canonical bytes are known, as
    /// `schema.table.column: type`.
    pub compared_as_text: Vec<String>,
    /// What holds no rows of its own here: foreign tables, unpopulated materialized views, and
    /// what the options left out.
    pub not_compared: Vec<String>,
}

impl Report {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }

    /// An error that lists the differences, if there are any.
    pub fn check(&self) -> Result<()> {
        if self.is_equal() {
            return Ok(());
        }
        Err(Error::new("the databases differ").explained(self.to_string()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "compared {} tables with {} columns and {} rows, {} sequences, {} large objects, {} \
             statements, {} facts",
            self.tables,
            self.columns,
            self.rows,
            self.sequences,
            self.large_objects,
            self.statements,
            self.facts
        )?;
        for difference in &self.differences {
            writeln!(f, "differs: {difference}")?;
        }
        for entry in &self.list_entries_used {
            writeln!(f, "version difference: {entry}")?;
        }
        Ok(())
    }
}

/// Compares two databases, given by URL. An error, with everything found so far in it, if a
/// table or a column of the source is missing on the target or was not compared for any other
/// reason.
pub fn compare(source: &str, target: &str, options: &Options) -> Answer<Report> {
    let (source, target, options) = (source.to_owned(), target.to_owned(), options.clone());
    work::begin(async move { compare_urls(&source, &target, &options).await })
}

async fn compare_urls(source: &str, target: &str, options: &Options) -> Result<Report> {
    let source = Side::open("source", source).await?;
    let target = Side::open("target", target).await?;
    let mut report = Report::default();
    let mut left_out = Vec::new();
    if options.rows {
        left_out = rows::compare(&source, &target, options, &mut report).await?;
    }
    if options.catalog {
        catalog::compare(&source, &target, options, &mut report).await?;
    }
    if options.schema {
        let pg_dump = match &options.pg_dump {
            Some(program) => program.clone(),
            None => clients()?.pg_dump(),
        };
        dump::compare(&pg_dump, &source, &target, options, &mut report).await?;
    }
    for difference in &mut report.differences {
        // Names and bodies may hold line ends; a report has one line for each difference.
        *difference = difference.replace('\n', "\\n");
    }
    if left_out.is_empty() {
        return Ok(report);
    }
    Err(Error::new(format!("not everything was compared: {}", left_out.join("; ")))
        .explained(report.to_string()))
}
