//! From entries to steps: what runs, in which stage, what waits for what, for whose rows, and
//! what must not run at the same time.
//!
//! ```text
//! pre-data ─► (rows) ─► indexes ─► post-data ─► privileges ─► refreshes ─► statistics ─► event triggers
//! ```
//!
//! Invariants: run one after the other in their order, the steps make what the archive says; in
//! the stages that allow it, run at the same time under the rules that each states, they make
//! the same. Each fits in one transaction. The same entries under the same options give the same
//! steps with the same keys, in any process.

mod build;
mod constraint;
mod key;

pub use build::steps;

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use super::emit::EmitOptions;
use super::entry::{DumpId, Entry, Kind};
use super::owner_grant::OwnerGrant;
use super::shape::is_sound;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName};

/// Place of a step in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub usize);

/// When a step runs. The stages follow each other in this order, but a step of
/// [`Stage::Index`] may start as soon as its own rows are in, and one of [`Stage::PostData`] as
/// soon as nobody needs to read its tables any more and the steps that it waits for are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Before any row: schemas, types, functions, tables. One after the other: their
    /// dependencies are not all in the archive.
    PreData,
    /// Index builds. They read their table and lock out nobody who reads.
    Index,
    /// Constraints, keys, triggers, rules, policies, views: most lock their tables exclusively.
    PostData,
    /// GRANT and REVOKE, one after the other: each relies on those before.
    Privileges,
    /// Contents of materialized views, each after those that it reads. They run with the
    /// privileges of the views' owners.
    Refresh,
    /// The planner's statistics.
    Statistics,
    /// Last, lest they meet our own statements. One after the other.
    EventTriggers,
}

impl Stage {
    /// Whether its steps run one after the other, in their order.
    pub fn is_serial(self) -> bool {
        matches!(self, Self::PreData | Self::Privileges | Self::Statistics | Self::EventTriggers)
    }
}

/// Whose rows must be there before a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Nobody's.
    None,
    /// Those of these relations. Partitions and children are named too, where there are any.
    Of(BTreeSet<RelationName>),
    /// Those of all tables.
    All,
}

/// What a step makes, more finely than an entry's kind says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Makes {
    /// What the entry says.
    Entry,
    /// The index of a key, which a later step makes a constraint of.
    KeyIndex,
    /// What an index's or a key's entry says beside the index: `CLUSTER ON`, `REPLICA IDENTITY`.
    IndexRole,
    /// A foreign key that does not look at the rows that are there yet.
    ForeignKey,
    /// A foreign key looks at all rows.
    Validation,
    /// The contents of a materialized view.
    Refresh,
    /// CREATE for the coming owner of objects, for a while.
    OwnerGrant,
}

/// A statement list with a name.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name: unique among the steps, the same for the same schema, without any OID. For
    /// receipts.
    pub key: String,
    /// When it runs.
    pub stage: Stage,
    /// What it makes.
    pub makes: Makes,
    /// The kind of its entry.
    pub kind: Kind,
    /// The entry that it comes from; none for owner grants.
    pub entry: Option<DumpId>,
    /// The object, for people: `schema.name`.
    pub object: String,
    /// The relation that it makes or changes.
    pub relation: Option<RelationName>,
    /// Steps that must have succeeded before. Only those of its own and of parallel stages before
    /// it are named; all of the serial stages before it are meant anyway.
    pub after: Vec<StepId>,
    /// Steps that must be over before, whether they succeeded or not: builds of indexes on tables
    /// that this step would lock exclusively, which would only make both wait for each other, and
    /// attachments of partitions' indexes, which would deadlock with it.
    pub behind: Vec<StepId>,
    /// Whose rows must be in before. Steps of [`Stage::PostData`] also wait until these have been
    /// read back.
    pub rows: Rows,
    /// Relations that it locks against writers or more, partitions and children included. Two
    /// steps that share one should not run at the same time: they would wait for each other, or
    /// deadlock.
    pub locks: BTreeSet<RelationName>,
    /// Only one of these at a time, whoever runs them: attaching indexes in parallel leaves
    /// parents of several levels invalid, in silence.
    pub alone: bool,
    /// What the target will not have of it, one phrase each.
    pub losses: Vec<String>,
    pub(super) sql: String,
    pub(super) secret: bool,
}

impl Step {
    /// Takes away the rows that making an extension has put into its configuration table.
    pub(crate) fn emptying(table: &RelationName, sql: String) -> Self {
        Self {
            key: format!("configuration {table}, emptied"),
            stage: Stage::PreData,
            makes: Makes::Entry,
            kind: Kind::Extension,
            rows: Rows::None,
            object: table.to_string(),
            ..Self::checking(table, &Ident::new(""), sql)
        }
    }

    /// Looks whether the rows of a foreign key that is there refer to something: fails with
    /// SQLSTATE 23503 if not.
    pub(crate) fn checking(table: &RelationName, foreign_key: &Ident, sql: String) -> Self {
        Self {
            key: format!("{} {table} {foreign_key}, check", Kind::FkConstraint),
            stage: Stage::PostData,
            makes: Makes::Validation,
            kind: Kind::FkConstraint,
            entry: None,
            object: format!("{table} {foreign_key}"),
            relation: Some(table.clone()),
            after: Vec::new(),
            behind: Vec::new(),
            rows: Rows::All,
            locks: BTreeSet::new(),
            alone: false,
            losses: Vec::new(),
            sql,
            secret: false,
        }
    }

    /// What to run, inside a transaction and by the simple query protocol. It can hold a
    /// password: never log or store it.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// What it does, for "cannot …".
    pub fn doing(&self) -> String {
        let object = &self.object;
        match self.makes {
            Makes::Entry | Makes::ForeignKey => format!("create {} {object}", self.kind),
            Makes::KeyIndex => format!("build the index of {} {object}", self.kind),
            Makes::IndexRole => format!("give {} {object} its role", self.kind),
            Makes::Validation => format!("validate {} {object}", self.kind),
            Makes::Refresh => format!("refresh materialized view {object}"),
            Makes::OwnerGrant => format!("change who may create, for {object}"),
        }
    }

    /// Makes a failure of this step fit to be shown: where the statement can hold a password, the
    /// server's message may quote it, so only its SQLSTATE stays. Errors that a retry can mend
    /// stay as they are; they quote nothing.
    #[must_use]
    pub fn failure(&self, error: Error) -> Error {
        let retryable = error
            .sqlstate()
            .is_none_or(|state| matches!(state.get(..2), Some("08" | "40" | "53" | "55" | "57")));
        if !self.secret || retryable {
            return error;
        }
        let state = error.sqlstate().unwrap_or_default().to_owned();
        Error::new(error.kind(), format!("cannot {}", self.doing())).caused_by(format!(
            "the server's message is withheld since it can quote a password (SQLSTATE {state})"
        ))
    }
}

/// Leaves out the statement.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("key", &self.key)
            .field("stage", &self.stage)
            .field("makes", &self.makes)
            .field("after", &self.after)
            .field("behind", &self.behind)
            .field("rows", &self.rows)
            .field("locks", &self.locks)
            .field("alone", &self.alone)
            .field("losses", &self.losses)
            .finish_non_exhaustive()
    }
}

/// Whether privileges are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// As on the source.
    Carry,
    /// None but what the target's defaults give.
    Leave,
}

/// When foreign keys look at the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// As steps of the run.
    Now,
    /// Not at all: they stay `NOT VALID`, and check new rows only.
    Later,
}

/// Whether the index of a key is built before the constraint is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// First the index, beside other work, then the constraint that takes it, in no time.
    IndexFirst,
    /// As `pg_dump` writes it: one statement that locks its table while the index is built.
    AsDumped,
}

/// Whether subscriptions are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscriptions {
    /// Made, disabled and without a connection, as `pg_dump` writes them.
    Carry,
    /// Left out.
    Leave,
}

/// How entries become steps.
#[derive(Debug, Clone)]
pub struct StepOptions<'a> {
    /// How entries become statements.
    pub emit: EmitOptions,
    /// What becomes of privileges.
    pub privileges: Privileges,
    /// What becomes of subscriptions.
    pub subscriptions: Subscriptions,
    /// How keys are made.
    pub keys: Keys,
    /// When foreign keys are validated.
    pub validation: Validation,
    /// The materialized views to refresh: those that hold rows on the source.
    pub refresh: &'a HashSet<RelationName>,
    /// CREATE that coming owners lack; see [`owner_grants`](super::owner_grants).
    pub owner_grants: &'a [OwnerGrant],
}

/// Whether an entry is never run: what only sets up `pg_restore`'s session, and what belongs to
/// the database itself, which is there already.
pub fn is_skipped(entry: &Entry) -> bool {
    match entry.kind {
        Kind::Encoding
        | Kind::StdStrings
        | Kind::SearchPath
        | Kind::Database
        | Kind::DatabaseProperties => true,
        Kind::Acl | Kind::Comment | Kind::SecurityLabel => entry.tag.starts_with("DATABASE "),
        // Rows and values of sequences are not the schema's. Schema dumps hold none.
        Kind::TableData
        | Kind::SequenceSet
        | Kind::MaterializedViewData
        | Kind::Blob
        | Kind::BlobComments
        | Kind::BlobMetadata
        | Kind::Blobs => true,
        _ => false,
    }
}

/// Entries whose statements are not what `pg_dump` writes, all at once.
fn check_shapes<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<(), Error> {
    let odd: Vec<String> =
        entries.filter(|entry| !is_sound(entry)).map(ToString::to_string).take(ODD_SHOWN).collect();
    if odd.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Preflight,
        format!("cannot carry {}: its statements are not as pg_dump writes them", odd.join(", ")),
    )
    .caused_by("a name in them may be made to smuggle a statement in; nothing was run")
    .with_hint("look at the names of its columns and constraints on the source, and rename them"))
}

/// How many entries one message names.
const ODD_SHOWN: usize = 10;

fn unknown_kind(entry: &Entry) -> Error {
    Error::new(
        ErrorKind::Preflight,
        format!("cannot carry {entry}: pghaul does not know what this is"),
    )
    .with_hint("use a pg_dump of 18 or older, named with --pg-dump PATH, or a newer pghaul")
}

#[cfg(test)]
mod tests;
