//! A scan: one session, one snapshot, one table after another.
//!
//! Invariants: ACCESS SHARE on every table is held before the snapshot is taken and as long as it
//! lives, so that no TRUNCATE or rewrite empties it behind our back; one session does everything, so
//! a standby of 9.6, which cannot export a snapshot, is as good as any server; when the session dies
//! the snapshot is gone, and the caller begins again; an error of one index leaves the snapshot, and
//! the next can be read.

mod hold;
mod long_keys;
mod picked;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pghaul_rows::duplicates::MIN_BUDGET;

pub use long_keys::LongKeys;

use super::candidates;
use super::groups::Groups;
use super::index::{IndexDefinition, UniqueIndex};
use super::options::ScanOptions;
use super::orphans::{ForeignKey, Orphans};
use super::reading::{self, Keys, Pass, Relation};
use super::statement;
use crate::catalog::{Oid, joined, oid, search_paths, size};
use crate::connect::{CancelToken, Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::Counters;
use crate::finding::Finding;
use crate::name::RelationName;
use crate::transfer::pace::Pace;
use hold::{hold_matviews, lock};
use picked::{Picked, not_covered, pick};

/// One moment of a database, and the indexes that are scanned in it.
pub struct Scan {
    session: Session,
    options: ScanOptions,
    pace: Pace,
    indexes: Vec<UniqueIndex>,
    /// What holds the rows of each.
    relations: Vec<Vec<Relation>>,
    blocks: Vec<u64>,
    /// Whether an index that was read may have keys that are too long; by index.
    suspects: Vec<bool>,
    /// Indexes that were read together with another, and not asked for yet.
    ready: BTreeMap<usize, Keys>,
    /// What each is read under, where an empty search path may not do.
    search_paths: Vec<Option<String>>,
    /// Tables whose indexes could not be read together.
    apart: BTreeSet<Oid>,
    foreign_keys: Vec<ForeignKey>,
    /// What foreign keys are looked at under: any table may be one of theirs.
    search_path: Option<String>,
    findings: Vec<Finding>,
}

/// How often the list of tables may change under us before we give up.
const ATTEMPTS: u32 = 20;

/// Ends what was begun since the snapshot, failed or not, and keeps the snapshot.
const ANEW: &str = "rollback to savepoint pghaul_scan";

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
            let look = || session.with_catalog_indexes(pick(&session, &options, given.as_ref()));
            let before = look().await?;
            session
                .batch(
                    "begin the transaction of the scan",
                    "begin transaction isolation level repeatable read, read only",
                )
                .await?;
            if lock(&session, &before).await? {
                let now = look().await?;
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
        let resolved = UniqueIndex::resolve(&session, definitions);
        for (definition, resolved) in session.with_catalog_indexes(resolved).await? {
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
            relations: Vec::new(),
            blocks: Vec::new(),
            suspects: vec![false; indexes.len()],
            ready: BTreeMap::new(),
            search_paths: Vec::new(),
            search_path: None,
            apart: BTreeSet::new(),
            indexes,
            foreign_keys,
            findings,
        };
        scan.relations = scan.session.with_catalog_indexes(scan.list_relations()).await?;
        let paths = search_paths(&scan.session);
        let paths = scan.session.with_catalog_indexes(paths).await?;
        let of_one = |relations: &Vec<Relation>| {
            joined(relations.iter().filter_map(|one| paths.get(&one.oid)))
        };
        scan.search_paths = scan.relations.iter().map(of_one).collect();
        scan.search_path = joined(paths.values());
        let blocks = |relations: &Vec<Relation>| relations.iter().map(|one| one.blocks).sum();
        scan.blocks = scan.relations.iter().map(blocks).collect();
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
        self.session.search(self.search_path.as_deref()).await?;
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
    /// The indexes of one table are read in one pass as far as the memory allows, each with its share
    /// of it: the first that is asked for reads the others too.
    ///
    /// # Errors
    /// What the server said; the disk for spilled digests. The snapshot is still there unless
    /// [`is_lost`] says otherwise.
    pub async fn read(&mut self, at: usize, counters: &Counters) -> Result<Groups<'_>, Error> {
        // Whatever became of the index before this one.
        self.begin(at).await?;
        let Some(index) = self.indexes.get(at) else {
            return Err(Error::new(ErrorKind::Bug, format!("there is no index {at} in the scan")));
        };
        let relations = self.relations[at].clone();
        let keys = match self.ready.remove(&at) {
            Some(keys) => keys,
            None if index.grouped_by_server().is_some() => Keys::none(),
            None => self.read_keys(at, &relations, counters).await?,
        };
        let index = &self.indexes[at];
        let by_server = index.grouped_by_server().is_some();
        self.suspects[at] = keys.has_suspects || by_server;
        let names = relations.into_iter().map(|found| (found.tag, Arc::new(found.name))).collect();
        let groups = Groups::new(&self.session, index, names, self.options.keys, keys);
        if by_server { groups.by_server().await } else { Ok(groups) }
    }

    /// Ends what was begun for an index, and has the next thing read as this one's table needs it.
    async fn begin(&self, at: usize) -> Result<(), Error> {
        self.session.batch("begin an index", ANEW).await?;
        self.session.search(self.search_paths.get(at).and_then(Option::as_deref)).await
    }

    /// Reads the keys of an index, and with them those of others of its table.
    async fn read_keys(
        &mut self,
        at: usize,
        relations: &[Relation],
        counters: &Counters,
    ) -> Result<Keys, Error> {
        let together = self.together(at);
        if together.len() > 1 {
            match self.pass(&together, relations, counters).await {
                Ok(read) => {
                    self.ready.extend(together.into_iter().zip(read));
                    return Ok(self.ready.remove(&at).unwrap_or_else(Keys::none));
                }
                // An expression or a condition fails on some row, say. Which index it belongs to
                // shows when each is read alone.
                Err(error) if error.sqlstate().is_some() && !is_lost(&error) => {
                    self.apart.insert(self.indexes[at].definition.table_oid);
                    self.begin(at).await?;
                }
                Err(error) => return Err(error),
            }
        }
        match self.pass(&[at], relations, counters).await {
            Ok(read) => Ok(read.into_iter().next().unwrap_or_else(Keys::none)),
            // An element deep inside has no hash function; the server finds out by the first row
            // that it hashes.
            Err(error) if error.sqlstate() == Some("42883") => {
                self.begin(at).await?;
                let index = &mut self.indexes[at];
                index.keys = index.keys.drain(..).map(super::Key::without_hash).collect();
                match index.grouped_by_server() {
                    Some(_) => Ok(Keys::none()),
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The index, and those of its table that are read in the same pass.
    fn together(&self, at: usize) -> Vec<usize> {
        let fits = |index: &UniqueIndex| {
            index.grouped_by_server().is_none() && statement::can_share(index)
        };
        let table = self.indexes[at].definition.table_oid;
        if self.apart.contains(&table) || !fits(&self.indexes[at]) {
            return vec![at];
        }
        let others = (at + 1..self.indexes.len()).filter(|other| {
            let index = &self.indexes[*other];
            index.definition.table_oid == table && fits(index)
        });
        std::iter::once(at).chain(others).take(reading::at_once(self.options.memory)).collect()
    }

    async fn pass(
        &self,
        indexes: &[usize],
        relations: &[Relation],
        counters: &Counters,
    ) -> Result<Vec<Keys>, Error> {
        let pass = Pass {
            session: &self.session,
            options: &self.options,
            pace: &self.pace,
            counters,
            indexes: indexes.iter().map(|at| &self.indexes[*at]).collect(),
        };
        pass.read(relations).await
    }

    /// The relations that hold the rows of each index.
    async fn list_relations(&self) -> Result<Vec<Vec<Relation>>, Error> {
        let definitions = || self.indexes.iter().map(|index| &index.definition);
        let names: Vec<String> = definitions().map(|one| one.table.quoted()).collect();
        let mut all: Vec<Vec<Relation>> = definitions().map(|_| Vec::new()).collect();
        let doing = "list the relations of partition trees";
        for row in self.session.query(doing, include_str!("moment/leaves.sql"), &[&names]).await? {
            let at = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
            let Some((relations, index)) = all.get_mut(at).zip(self.indexes.get(at)) else {
                continue;
            };
            let partitioned = index.definition.is_partitioned();
            let name = RelationName::new(row.get::<_, String>(2), row.get::<_, String>(3));
            // Children by inheritance are tables of their own.
            if partitioned || name == index.definition.table {
                relations.push(Relation {
                    oid: oid(row.get(1)),
                    tag: if partitioned { oid(row.get(1)) } else { 0 },
                    name,
                    blocks: size(row.get(4)),
                });
            }
        }
        Ok(all)
    }
}

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

fn check_budget(options: &ScanOptions) -> Result<(), Error> {
    if options.memory >= MIN_BUDGET {
        return Ok(());
    }
    Err(candidates::failed(pghaul_rows::duplicates::FinderError::BudgetTooSmall {
        given: options.memory,
    }))
}
