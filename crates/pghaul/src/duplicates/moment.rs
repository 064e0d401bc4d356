//! A scan: one session, one snapshot, one index after another.
//!
//! Invariants: ACCESS SHARE on every table is held before the snapshot is taken and as long as it
//! lives, so that no TRUNCATE or rewrite empties it behind our back; one session does everything, so
//! a standby of 9.6, which cannot export a snapshot, is as good as any server; when the session dies
//! the snapshot is gone, and the caller begins again; an error of one index leaves the snapshot, and
//! the next can be read.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use pghaul_rows::duplicates::{MIN_BUDGET, Member, Relations};
use pghaul_rows::key::{KeyHasher, KeyShape};
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::{Column, CopyFormat, Layout, Shape, Tid, Tuple};

use super::candidates::{Candidates, Feed};
use super::groups::Groups;
use super::index::{IndexDefinition, UniqueIndex};
use super::orphans::{ForeignKey, Orphans};
use super::select::{select, tables_named};
use super::statement::{self, Blocks, Keys};
use super::{candidates, space};
use crate::catalog::{RelationKind, oid, size};
use crate::connect::{CancelToken, Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::transfer::pace::Pace;

/// What a scan is asked to do.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// The tables whose indexes are scanned, with those of `indexes`; all where both are empty.
    pub tables: Vec<String>,
    /// Indexes that are scanned.
    pub indexes: Vec<String>,
    /// The memory for digests of keys, in bytes; at least 1 MiB.
    pub memory: usize,
    /// Where digests go that do not fit the memory: 22 bytes for each row, 26 in partition trees.
    pub spill_dir: PathBuf,
    /// Bytes of tables that are read in a second at most. On 13 and older it is kept on average
    /// only where the index covers few of a table's rows.
    pub max_rate: Option<NonZeroU64>,
    /// Whether keys are fetched, to be shown.
    pub keys: Keys,
    /// Whether foreign keys are looked at too.
    pub foreign_keys: ForeignKeys,
}

/// Whether foreign keys are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForeignKeys {
    /// Not at all.
    #[default]
    LeftOut,
    /// Those of the tables that are scanned; all where nothing is named.
    Checked,
}

/// 64 MiB, a temporary folder, all indexes, no keys.
impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            tables: Vec::new(),
            indexes: Vec::new(),
            memory: 64 << 20,
            spill_dir: std::env::temp_dir(),
            max_rate: None,
            keys: Keys::Hidden,
            foreign_keys: ForeignKeys::LeftOut,
        }
    }
}

/// One moment of a database, and the indexes that are scanned in it.
pub struct Scan {
    session: Session,
    options: ScanOptions,
    pace: Pace,
    indexes: Vec<UniqueIndex>,
    blocks: Vec<u64>,
    /// Whether an index that was read may have keys that are too long; by index.
    suspects: Vec<bool>,
    foreign_keys: Vec<ForeignKey>,
    findings: Vec<Finding>,
}

/// Rows whose keys may be too long for a btree index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LongKeys {
    /// How many rows.
    pub rows: u64,
    /// Where the first of them lie.
    pub first: Vec<(RelationName, Tid)>,
}

/// Bytes of a key that fit a btree index of 12 and newer, for blocks of 8 kB: 2704 with the
/// header of the entry (`BTMaxItemSize`, `src/include/access/nbtree.h`).
const LONGEST_KEY: u32 = 2704 - 8;

/// Long rows that are named.
const LONG_NAMED: usize = 20;

/// A key of this many bytes as it is sent may need [`LONGEST_KEY`] of them in an index.
const SUSPECT: u64 = 2000;

/// How often the list of tables may change under us before we give up.
const ATTEMPTS: u32 = 20;

/// Ends what was begun since the snapshot, failed or not, and keeps the snapshot.
const ANEW: &str = "rollback to savepoint pghaul_scan";

/// Blocks that are read by one statement while a rate is kept, where a range of ctid reads only
/// its blocks (14 and newer).
const BLOCKS_A_STATEMENT: u32 = 512;

impl Scan {
    /// Connects, picks the indexes, locks their tables and takes the snapshot.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a name that fits nothing, or a memory budget too small to work in;
    /// [`ErrorKind::Preflight`] for tables named or needed that we may not read;
    /// [`ErrorKind::Connect`].
    pub async fn start(database: &Endpoint, options: ScanOptions) -> Result<Self, Error> {
        check_budget(&options)?;
        let session = database.connect(Purpose::Read, "scan").await?;
        Self::on(session, options, None).await
    }

    /// As [`Scan::start`] for one index, defined elsewhere, over rows that are here: one that could
    /// not be built on the target of a clone.
    ///
    /// # Errors
    /// As [`Scan::start`].
    pub async fn of_definition(
        database: &Endpoint,
        definition: IndexDefinition,
        options: ScanOptions,
    ) -> Result<Self, Error> {
        check_budget(&options)?;
        let session = database.connect(Purpose::Read, "scan").await?;
        Self::on(session, options, Some(definition)).await
    }

    async fn on(
        session: Session,
        options: ScanOptions,
        given: Option<IndexDefinition>,
    ) -> Result<Self, Error> {
        for _ in 0..ATTEMPTS {
            let before = pick(&session, &options, given.as_ref()).await?;
            session
                .batch(
                    "begin the transaction of the scan",
                    "begin transaction isolation level repeatable read, read only",
                )
                .await?;
            if lock(&session, &before).await? {
                let now = pick(&session, &options, given.as_ref()).await?;
                if now.is_as(&before) && hold_matviews(&session, &now.definitions).await? {
                    return Self::settled(session, options, now).await;
                }
            }
            session.batch("give the locks back", "rollback").await?;
        }
        Err(Error::new(
            ErrorKind::Transfer,
            "cannot take a snapshot: tables come and go faster than they can be locked",
        )
        .with_hint("stop what creates and drops tables, and try again"))
    }

    async fn settled(
        session: Session,
        options: ScanOptions,
        picked: Picked,
    ) -> Result<Self, Error> {
        let Picked { definitions, foreign_keys, mut findings } = picked;
        let mut indexes = Vec::with_capacity(definitions.len());
        for (definition, resolved) in UniqueIndex::resolve(&session, definitions).await? {
            match resolved {
                Some(index) => indexes.push(index),
                None => findings.push(not_covered(&definition)),
            }
        }
        session
            .batch(
                "prepare the transaction of the scan",
                "set local enable_nestloop = off; savepoint pghaul_scan",
            )
            .await?;
        let mut scan = Self {
            pace: Pace::new(options.max_rate),
            session,
            options,
            blocks: Vec::with_capacity(indexes.len()),
            suspects: vec![false; indexes.len()],
            indexes,
            foreign_keys,
            findings,
        };
        for at in 0..scan.indexes.len() {
            let blocks = scan.relations(at).await?.iter().map(|relation| relation.blocks).sum();
            scan.blocks.push(blocks);
        }
        Ok(scan)
    }

    /// The indexes that are scanned, by table and name.
    pub fn indexes(&self) -> &[UniqueIndex] {
        &self.indexes
    }

    /// How many blocks each of [`Scan::indexes`] covers, in the same order: the measure of the work.
    pub fn blocks(&self) -> &[u64] {
        &self.blocks
    }

    /// The foreign keys that are looked at, by table and name.
    pub fn foreign_keys(&self) -> &[ForeignKey] {
        &self.foreign_keys
    }

    /// The rows of one of [`Scan::foreign_keys`] that refer to nothing.
    ///
    /// # Errors
    /// What the server said.
    pub async fn orphans(&self, at: usize) -> Result<Orphans<'_>, Error> {
        self.session.batch("begin a foreign key", ANEW).await?;
        let Some(key) = self.foreign_keys.get(at) else {
            return Err(Error::new(
                ErrorKind::Bug,
                format!("there is no foreign key {at} in the scan"),
            ));
        };
        Orphans::open(&self.session, key).await
    }

    /// What cannot be scanned, and why.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The session of the scan, in its snapshot, for reads of the caller's own. Never end its
    /// transaction.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Can cancel what the scan is doing.
    pub fn cancel_token(&self) -> CancelToken {
        self.session.cancel_token()
    }

    /// Reads all that one of [`Scan::indexes`] covers and gives the groups. `counters` count rows,
    /// bytes and blocks meanwhile.
    ///
    /// # Errors
    /// What the server said; the disk for spilled digests. The snapshot is still there unless
    /// [`is_lost`] says otherwise.
    pub async fn read(&mut self, at: usize, counters: &Counters) -> Result<Groups<'_>, Error> {
        // Whatever became of the index before this one.
        self.session.batch("begin an index", ANEW).await?;
        let Some(index) = self.indexes.get(at) else {
            return Err(Error::new(ErrorKind::Bug, format!("there is no index {at} in the scan")));
        };
        let relations = self.relations(at).await?;
        let mut found = Candidates::none();
        if index.grouped_by_server().is_none() {
            match self.candidates(index, &relations, counters).await {
                Ok((candidates, has_suspects)) => {
                    found = candidates;
                    self.suspects[at] = has_suspects;
                }
                // An element deep inside has no hash function; the server finds out by the first
                // row that it hashes.
                Err(error) if error.sqlstate() == Some("42883") => {
                    self.session.batch("begin an index", ANEW).await?;
                    let index = &mut self.indexes[at];
                    index.keys = index.keys.drain(..).map(super::Key::without_hash).collect();
                    if index.grouped_by_server().is_none() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let index = &self.indexes[at];
        let by_server = index.grouped_by_server().is_some();
        self.suspects[at] |= by_server;
        let names = relations.into_iter().map(|found| (found.tag, Arc::new(found.name))).collect();
        let groups = Groups::new(&self.session, index, names, self.options.keys, found);
        if by_server { groups.by_server().await } else { Ok(groups) }
    }

    /// The relations that hold the rows of an index.
    async fn relations(&self, at: usize) -> Result<Vec<Relation>, Error> {
        let definition = &self.indexes[at].definition;
        let rows = self
            .session
            .query(
                "list the relations of a partition tree",
                include_str!("moment/leaves.sql"),
                &[&definition.table.quoted()],
            )
            .await?;
        let partitioned = definition.is_partitioned();
        Ok(rows
            .iter()
            .map(|row| Relation {
                tag: oid(row.get(0)),
                name: RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2)),
                blocks: size(row.get(3)),
            })
            // Children by inheritance are tables of their own.
            .filter(|relation| partitioned || relation.name == definition.table)
            .map(|relation| Relation {
                tag: if partitioned { relation.tag } else { 0 },
                ..relation
            })
            .collect())
    }

    async fn candidates(
        &self,
        index: &UniqueIndex,
        relations: &[Relation],
        counters: &Counters,
    ) -> Result<(Candidates, bool), Error> {
        let kind = if index.definition.is_partitioned() { Relations::Many } else { Relations::One };
        let (memory, folder) = (self.options.memory, &self.options.spill_dir);
        space::check(&self.session, index, (kind, memory), folder).await?;
        let mut feed = Feed::start(kind, memory, folder.clone())?;
        let shapes: Vec<KeyShape> = index.keys.iter().map(super::Key::shape).collect();
        let mut hasher = KeyHasher::new(shapes, index.definition.nulls);
        let mut longest = 0;
        for relation in relations {
            for blocks in self.statements(relation) {
                let read = (&mut hasher, &mut feed);
                longest =
                    self.read_blocks(index, relation, blocks, read, counters).await?.max(longest);
            }
        }
        Ok((feed.finish().await?, longest > SUSPECT))
    }

    /// Rows whose keys may be too long for an index of 12 and newer, as of an index that was read.
    /// An index that exists has them only where it compresses better than the table does.
    ///
    /// # Errors
    /// What the server said.
    pub async fn long_keys(&self, at: usize) -> Result<LongKeys, Error> {
        if !self.suspects.get(at).copied().unwrap_or(false) {
            return Ok(LongKeys::default());
        }
        self.session.batch("begin to look for long keys", ANEW).await?;
        let index = &self.indexes[at];
        let relations: HashMap<u32, RelationName> =
            self.relations(at).await?.into_iter().map(|one| (one.tag, one.name)).collect();
        let doing = format!("look for long keys in `{}`", index.definition.table);
        let sql = statement::long_keys(index, LONGEST_KEY, LONG_NAMED);
        let mut found = LongKeys::default();
        for row in self.session.simple_rows(&doing, &sql).await? {
            let field = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
            found.rows = field(2).parse().unwrap_or(found.rows);
            let relation = field(0).parse().ok().and_then(|tag| relations.get(&tag));
            found.first.extend(relation.cloned().zip(field(1).parse().ok()));
        }
        Ok(found)
    }

    /// One statement for a relation, or many where that helps to keep a rate.
    fn statements(&self, relation: &Relation) -> Vec<Option<Blocks>> {
        if self.options.max_rate.is_none() || !self.session.version().at_least(14) {
            return vec![None];
        }
        let blocks = u32::try_from(relation.blocks).unwrap_or(u32::MAX);
        let step = usize::try_from(BLOCKS_A_STATEMENT).unwrap_or(usize::MAX);
        let starts: Vec<u32> = (0..blocks.max(1)).step_by(step).collect();
        let ends = starts.iter().skip(1).map(|end| Some(*end)).chain([None]);
        starts.iter().zip(ends).map(|(from, until)| Some(Blocks { from: *from, until })).collect()
    }

    /// Gives the length of the longest key.
    async fn read_blocks(
        &self,
        index: &UniqueIndex,
        relation: &Relation,
        blocks: Option<Blocks>,
        (hasher, feed): (&mut KeyHasher, &mut Feed),
        counters: &Counters,
    ) -> Result<u64, Error> {
        let doing = format!("read the keys of `{}` in `{}`", index.definition.name, relation.name);
        let broken = |cause: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Transfer, format!("cannot {doing}: {cause}"))
        };
        let sql = statement::read(index, &relation.name, blocks);
        let mut stream = Box::pin(self.session.copy_out(&doing, &sql).await?);
        let mut reader = RowReader::new(layout(index), Digesting::Off);
        let mut longest = 0;
        let mut at = blocks.map_or(0, |blocks| blocks.from);
        while let Some(message) = stream.next().await {
            let message = message.map_err(|error| self.session.error(&doing, &error))?;
            counters.bytes_read.fetch_add(message.len() as u64, Ordering::Relaxed);
            reader.feed(message).map_err(|cause| broken(&cause))?;
            let mut rows = 0;
            let mut until = at;
            while let Some(row) = reader.next_row().map_err(|cause| broken(&cause))? {
                rows += 1;
                let Some(tid) = row.ctid else { continue };
                until = until.max(tid.block);
                longest = longest.max(length(&row.tuple, index.keys.len()));
                let digest = hasher.digest(&row.tuple, 0).map_err(|cause| broken(&cause))?;
                if let Some(digest) = digest {
                    feed.push(digest, Member { relation: relation.tag, tid }).await?;
                }
            }
            counters.rows_read.fetch_add(rows, Ordering::Relaxed);
            self.advance(&mut at, until, counters).await;
        }
        reader.finish().map_err(|cause| broken(&cause))?;
        let end = blocks.and_then(|blocks| blocks.until);
        let end = end.unwrap_or_else(|| u32::try_from(relation.blocks).unwrap_or(u32::MAX));
        self.advance(&mut at, end, counters).await;
        Ok(longest)
    }

    /// Blocks up to this one were read: counts them, and waits for the rate.
    async fn advance(&self, at: &mut u32, until: u32, counters: &Counters) {
        let blocks = u64::from(until.saturating_sub(*at));
        if blocks > 0 {
            *at = until;
            counters.blocks_read.fetch_add(blocks, Ordering::Relaxed);
            self.pace.take(blocks * BLOCK_BYTES).await;
        }
    }
}

/// Bytes of a block, as nearly every server has them: for the rate.
const BLOCK_BYTES: u64 = 8192;

/// Whether the snapshot of a scan is gone, so that it has to begin again, and may: the session died,
/// or a standby had to give way to the primary (Postgres manual, 26.4.2), or the snapshot was too
/// old.
pub fn is_lost(error: &Error) -> bool {
    error.connection_lost()
        || matches!(
            error.sqlstate(),
            Some("40001" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "72000")
        )
}

/// A relation that holds rows of an index.
struct Relation {
    /// Its OID where there are many, else 0.
    tag: u32,
    name: RelationName,
    blocks: u64,
}

/// What is to be scanned, and what cannot be.
struct Picked {
    definitions: Vec<IndexDefinition>,
    foreign_keys: Vec<ForeignKey>,
    findings: Vec<Finding>,
}

impl Picked {
    fn is_as(&self, other: &Self) -> bool {
        let of = |picked: &Self| {
            picked.definitions.iter().map(|index| (index.oid, index.table_oid)).collect::<Vec<_>>()
        };
        let keys = |picked: &Self| {
            picked.foreign_keys.iter().flat_map(ForeignKey::locked).collect::<Vec<_>>()
        };
        of(self) == of(other) && keys(self) == keys(other)
    }
}

async fn pick(
    session: &Session,
    options: &ScanOptions,
    given: Option<&IndexDefinition>,
) -> Result<Picked, Error> {
    let all: Option<&[String]> = None;
    let rows = session
        .query("list the tables", include_str!("moment/relations.sql"), &[&all, &all])
        .await?;
    let name = |row: &tokio_postgres::Row| {
        RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1))
    };
    let names: Vec<RelationName> = rows.iter().map(name).collect();
    let unreadable: HashMap<RelationName, Unreadable> = rows
        .iter()
        .filter_map(|row| match (row.get::<_, bool>(3), row.get::<_, bool>(4)) {
            (false, _) => Some((name(row), Unreadable::Denied)),
            (true, true) => Some((name(row), Unreadable::RowSecurity)),
            (true, false) => None,
        })
        .collect();
    let definitions = match given {
        Some(definition) => vec![definition.clone()],
        None => {
            let all = IndexDefinition::all(session).await?;
            select(all, &names, options)?
        }
    };
    let is_standby = session.identity().in_recovery;
    let wanted: BTreeSet<RelationName> = definitions
        .iter()
        .map(|definition| definition.table.clone())
        .chain(tables_named(&names, options)?)
        .collect();
    let insists = given.is_some() || !options.tables.is_empty() || !options.indexes.is_empty();
    let mut picked =
        Picked { definitions: Vec::new(), foreign_keys: Vec::new(), findings: Vec::new() };
    let mut denied: BTreeSet<String> = BTreeSet::new();
    for definition in definitions {
        match unreadable.get(&definition.table) {
            Some(why) if insists => {
                denied.insert(format!("`{}`: {}", definition.table, why.text()));
            }
            Some(why) => picked.findings.push(skipped(
                &definition,
                Severity::Warning,
                why.text(),
                why.remedy(),
            )),
            None if definition.unlogged && is_standby => picked.findings.push(skipped(
                &definition,
                Severity::Note,
                "the table is unlogged, and a standby has no rows of it",
                "scan it on the primary",
            )),
            None if !definition.populated => picked.findings.push(skipped(
                &definition,
                Severity::Note,
                "the materialized view was never populated",
                "refresh it first",
            )),
            None => picked.definitions.push(definition),
        }
    }
    if options.foreign_keys == ForeignKeys::Checked {
        for key in ForeignKey::all(session).await? {
            if insists && !wanted.contains(&key.child) {
                continue;
            }
            match unreadable.get(&key.child).or_else(|| unreadable.get(&key.parent)) {
                Some(why) if insists => {
                    denied.insert(format!("`{}` or `{}`: {}", key.child, key.parent, why.text()));
                }
                Some(why) => picked.findings.push(
                    Finding::new(
                        Severity::Warning,
                        "not_scanned",
                        format!("foreign key `{}` not looked at: {}", key.name, why.text()),
                        why.remedy(),
                    )
                    .about(&key.child),
                ),
                None => picked.foreign_keys.push(key),
            }
        }
    }
    if denied.is_empty() {
        return Ok(picked);
    }
    let denied: Vec<String> = denied.into_iter().collect();
    Err(Error::new(ErrorKind::Preflight, format!("tables cannot be read: {}", denied.join("; ")))
        .with_hint("grant SELECT on them and USAGE on their schemas, or run as their owner"))
}

/// Why a table cannot be read.
#[derive(Clone, Copy)]
enum Unreadable {
    Denied,
    RowSecurity,
}

impl Unreadable {
    fn text(self) -> &'static str {
        match self {
            Self::Denied => "we may not read the table",
            Self::RowSecurity => "row-level security would hide rows from us",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Denied => "grant SELECT on it and USAGE on its schema, or run as its owner",
            Self::RowSecurity => "run as its owner, or as a role with BYPASSRLS",
        }
    }
}

fn skipped(definition: &IndexDefinition, severity: Severity, why: &str, remedy: &str) -> Finding {
    Finding::new(severity, "not_scanned", format!("not scanned: {why}"), remedy)
        .about(&definition.name)
}

fn not_covered(definition: &IndexDefinition) -> Finding {
    if definition.is_exclusion {
        return skipped(
            definition,
            Severity::Note,
            "an exclusion constraint compares rows by operators of its own",
            "rebuild it with `pghaul rebuild`, which says whether its rows hold",
        );
    }
    skipped(
        definition,
        Severity::Warning,
        "this server does not have an operator class of it",
        "create what the index needs first",
    )
}

/// Locks the tables, leaves of partition trees too. False when one is gone meanwhile.
async fn lock(session: &Session, picked: &Picked) -> Result<bool, Error> {
    let names: BTreeSet<String> = picked
        .definitions
        .iter()
        .filter(|definition| definition.table_kind != RelationKind::MaterializedView)
        .map(IndexDefinition::from)
        .chain(picked.foreign_keys.iter().flat_map(ForeignKey::locked))
        .collect();
    for name in names {
        let sql = format!("lock table {name} in access share mode");
        match session.batch("lock the tables against DDL", &sql).await {
            Ok(()) => {}
            Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(false),
            Err(error) if error.sqlstate() == Some("42501") => {
                return Err(error.with_kind(ErrorKind::Preflight).with_hint(
                    "grant SELECT on the tables, leaves of partition trees too, or name others with --table",
                ));
            }
            Err(error) if error.sqlstate() == Some("53200") => {
                return Err(error.with_kind(ErrorKind::Preflight).with_hint(
                    "raise max_locks_per_transaction, or scan part of the tables with --table",
                ));
            }
            Err(error) if error.sqlstate() == Some("55P03") => {
                return Err(error.with_hint(
                    "another session has, or waits for, an exclusive lock on a table (see pg_locks): end it, or wait for it",
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Locks materialized views, which LOCK refuses, by selecting from them. False when one was
/// refreshed since the snapshot.
async fn hold_matviews(session: &Session, definitions: &[IndexDefinition]) -> Result<bool, Error> {
    let views: BTreeSet<&RelationName> = definitions
        .iter()
        .filter(|definition| definition.table_kind == RelationKind::MaterializedView)
        .map(|definition| &definition.table)
        .collect();
    if views.is_empty() {
        return Ok(true);
    }
    for view in &views {
        let doing = format!("lock `{view}` against a refresh");
        let sql = format!("select 1 from {} limit 0", view.quoted());
        match session.batch(&doing, &sql).await {
            Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(false),
            other => other?,
        }
    }
    let schemas: Vec<&str> = views.iter().map(|view| view.schema.as_str()).collect();
    let names: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
    let rows = session
        .query(
            "look whether views were refreshed",
            include_str!("moment/relations.sql"),
            &[&Some(schemas), &Some(names)],
        )
        .await?;
    Ok(rows.len() == views.len() && rows.iter().all(|row| row.get::<_, bool>(5)))
}

fn check_budget(options: &ScanOptions) -> Result<(), Error> {
    if options.memory >= MIN_BUDGET {
        return Ok(());
    }
    Err(candidates::failed(pghaul_rows::duplicates::FinderError::BudgetTooSmall {
        given: options.memory,
    }))
}

/// ctid, the images of keys and some sizes, framed only: what is in them is hashed elsewhere.
fn layout(index: &UniqueIndex) -> Arc<Layout> {
    let column = Column { image_type: 0, shape: Shape::Plain };
    let hashed = index.keys.iter().filter(|key| key.is_hashed()).count();
    Arc::new(Layout {
        format: CopyFormat::Binary,
        with_ctid: true,
        columns: vec![column; index.keys.len() + hashed],
        hidden: Vec::new(),
    })
}

/// Bytes of a key: those that were sent, and the sizes of those that were not.
fn length(tuple: &Tuple, keys: usize) -> u64 {
    let sent = tuple.len() as u64;
    let sizes = tuple
        .binary_fields()
        .skip(keys)
        .flatten()
        .filter_map(|size| Some(u64::from(u32::from_be_bytes(*size.first_chunk()?))));
    sent + sizes.sum::<u64>()
}
