//! Puts everything back as it was before a repair, batch by batch, the last first.
//!
//! The rows as they were share keys again, so they do not fit under the unique indexes that the
//! repair made whole: undo refuses and names them, and the foreign keys that need them; or, where
//! it is told to, drops them, puts plain indexes in their place, and says which statements bring
//! them back. These are stored too.
//!
//! Invariants: nothing is written unless every row is still as the repair left it and every table
//! has the columns that it had, which each batch looks at again; killed at any instant it goes on; a
//! batch is undone whole. No sequence was moved by a repair, so none is put back.

mod indexes;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use self::indexes::{refuse_for_indexes, refuse_for_views};
use super::orphans::ForeignKey;
use super::plan::file::TableLine;
use super::repair::state::{self, RepairRecord};
use super::repair::subject::{self, Subject};
use super::repair::{by_ctid, can_quiet, check_memory, drop_temporary, lock_timeout};
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::run::Stop;

/// What may be done with unique indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Indexes {
    /// They are left, and undo is refused where rows do not fit under them.
    #[default]
    Keep,
    /// They are dropped, with the foreign keys that need them.
    Drop,
}

/// How an undo works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoOptions {
    /// What may be done with unique indexes.
    pub indexes: Indexes,
    /// Bytes for rows that are looked at in one statement. A batch is undone whole, as the repair
    /// did it.
    pub memory: u64,
}

/// Indexes are kept; 64 MiB.
impl Default for UndoOptions {
    fn default() -> Self {
        Self { indexes: Indexes::Keep, memory: 64 << 20 }
    }
}

impl UndoOptions {
    /// With this done to unique indexes.
    #[must_use]
    pub fn with_indexes(self, indexes: Indexes) -> Self {
        Self { indexes, ..self }
    }

    /// Rows looked at in one statement.
    fn rows_at_once(self) -> i64 {
        i64::try_from(self.memory / 8 / ROW_BYTES).unwrap_or(i64::MAX).clamp(100, 2000)
    }
}

/// What was undone.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Undone {
    /// Rows put back, by this call.
    pub rows: u64,
    /// What brings back what was dropped, in this order, once the duplicates are gone again.
    pub statements: Vec<String>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// What a row needs that is looked at: where it is, and which version.
const ROW_BYTES: u64 = 1000;

/// Undoes the last repair that was not undone, whole or begun; or goes on with undoing it. Earlier
/// repairs are undone by further calls, the last first, also where they touched the same rows.
///
/// # Errors
/// [`ErrorKind::Usage`] for less than 1 MiB of memory; [`ErrorKind::RunState`] when there is none, or when a repair is at work;
/// [`ErrorKind::Preflight`] when rows or columns were changed since, or when unique indexes are in
/// the way: then nothing was written; [`ErrorKind::Transfer`] when they are changed meanwhile: what was
/// undone is kept.
pub async fn undo(
    database: &Endpoint,
    options: UndoOptions,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Undone, Error> {
    check_memory(options.memory)?;
    let session = database.connect(Purpose::Write, "undo").await?;
    state::claim(&session).await?;
    let known = state::load(&session).await?;
    let mut left = known.into_iter().filter(|repair| !repair.undone);
    let Some(repair) = left.next() else {
        return Err(Error::new(ErrorKind::RunState, "there is no repair to undo in this database"));
    };
    let is_after_others = left.next().is_some();
    by_ctid(&session).await?;
    let (tables, subjects) = tables(&session, &repair).await?;
    let undoing = Undoing {
        session: &session,
        repair: &repair,
        is_after_others,
        options,
        subjects: &subjects,
        observer,
        stop,
        lock_timeout_ms: lock_timeout(&session).await?,
        can_quiet: can_quiet(&session).await?,
    };
    undoing.look().await?;
    let in_the_way = undoing.in_the_way(&tables).await?;
    if !in_the_way.is_empty() && options.indexes == Indexes::Keep {
        return Err(refuse_for_indexes(&in_the_way));
    }
    refuse_for_views(&in_the_way)?;
    undoing.drop_indexes(&in_the_way).await?;
    undoing.run().await
}

async fn tables(
    session: &Session,
    repair: &RepairRecord,
) -> Result<(Vec<TableLine>, Vec<Subject>), Error> {
    let sql = "select schema_name, table_name, columns, rebuild, digest from pghaul.repair_table \
                where repair = $1 order by place";
    let rows = session.query("read which tables were repaired", sql, &[&repair.id]).await?;
    let damaged = |error: serde_json::Error| {
        Error::new(ErrorKind::RunState, "the repair's state is damaged").caused_by(error)
    };
    let mut refused = Vec::new();
    let (mut tables, mut subjects) = (Vec::new(), Vec::new());
    for (place, row) in (0_i32..).zip(&rows) {
        let (schema, name): (String, String) = (row.get(0), row.get(1));
        let table = TableLine {
            table: format!("{schema}.{name}"),
            schema,
            name,
            columns: serde_json::from_str(row.get(2)).map_err(damaged)?,
            rebuild: serde_json::from_str(row.get(3)).map_err(damaged)?,
            digest: row.get(4),
            referenced: Vec::new(),
            follows_updates: false,
            referred_by: Vec::new(),
            counts: Vec::new(),
        };
        subjects.push(Subject::read(session, place, &table, &mut refused).await?);
        tables.push(table);
    }
    subject::refuse(&refused)
        .map_err(|error| error.while_doing("the repair cannot be undone as the tables are now"))?;
    Ok((tables, subjects))
}

struct Undoing<'a> {
    session: &'a Session,
    repair: &'a RepairRecord,
    /// Earlier repairs can still be undone too.
    is_after_others: bool,
    options: UndoOptions,
    subjects: &'a [Subject],
    observer: &'a dyn Observer,
    stop: &'a Stop,
    lock_timeout_ms: u64,
    /// Whether foreign keys can be kept quiet.
    can_quiet: bool,
}

/// What foreign keys say to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForeignKeys {
    Heeded,
    /// What a row referred to has another key until its own batch, an earlier one, is undone.
    Quiet,
}

impl Undoing<'_> {
    /// Is every row as the repair left it, and can it be put back whole?
    async fn look(&self) -> Result<(), Error> {
        self.look_at_columns().await?;
        // How many of each table, and the first of them.
        let mut changed: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
        for subject in self.subjects {
            let mut after = "(0,0)".to_owned();
            loop {
                let rows = self
                    .session
                    .query(
                        "look up where rows are now",
                        "select distinct on (u.plan_ctid) u.plan_ctid::text, u.now_ctid::text, u.now_xid \
                           from pghaul.undo_row as u \
                          where u.repair = $1 and u.place = $2 \
                            and u.plan_ctid > $3::text::pg_catalog.tid \
                          order by u.plan_ctid, u.id desc limit $4",
                        &[&self.repair.id, &subject.place, &after, &self.options.rows_at_once()],
                    )
                    .await?;
                let Some(last) = rows.last() else { break };
                after = last.get(0);
                let now: Vec<String> =
                    rows.iter().filter_map(|row| row.get::<_, Option<String>>(1)).collect();
                let versions = self.versions(subject, &now).await?;
                let moved: Vec<String> = rows
                    .iter()
                    .filter(|row| {
                        let now: Option<String> = row.get(1);
                        now.is_some_and(|now| {
                            versions.get(&now) != row.get::<_, Option<String>>(2).as_ref()
                        })
                    })
                    .filter_map(|row| row.get(1))
                    .collect();
                if !moved.is_empty() {
                    let (rows, first) = changed.entry(subject.name.to_string()).or_default();
                    *rows += moved.len();
                    first.extend(moved.into_iter().take(3));
                    first.truncate(3);
                }
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = changed
            .iter()
            .map(|(table, (rows, first))| {
                format!("{table}: {rows} rows, which were at {}", first.join(", "))
            })
            .collect();
        Err(Error::new(
            ErrorKind::Preflight,
            format!("rows were changed since the repair, nothing was undone: {}", list.join(", ")),
        )
        .with_hint("their values of before the repair stand in pghaul.undo_row"))
    }

    /// Deleted rows are kept without the columns that the server computed: it has to compute them
    /// again.
    async fn look_at_columns(&self) -> Result<(), Error> {
        let mut refused = Vec::new();
        for subject in self.subjects {
            let sql = "select exists (select from pghaul.undo_row as u \
                        where u.repair = $1 and u.place = $2 and u.now_ctid is null and u.columns <> $3)";
            let doing = "look at which columns were kept";
            let row = self
                .session
                .query_one(doing, sql, &[&self.repair.id, &subject.place, &subject.stored])
                .await?;
            if row.get(0) {
                refused.push(format!(
                    "{}: columns that the server computed then are columns like others now",
                    subject.name
                ));
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Preflight, format!("nothing was undone: {}", refused.join("; ")))
            .with_hint("make them computed again; the rows' values stand in pghaul.undo_row"))
    }

    async fn versions(
        &self,
        subject: &Subject,
        now: &[String],
    ) -> Result<HashMap<String, String>, Error> {
        let sql = format!(
            "select t.ctid::text, t.xmin::text from only {} as t \
             where t.ctid = any ($1::text[]::pg_catalog.tid[])",
            subject.name.quoted()
        );
        let doing = format!("look at rows of `{}`", subject.name);
        let rows = self.session.query(&doing, &sql, &[&now]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn in_transaction(&self, doing: &str, sql: &str) -> Result<(), Error> {
        let done = self.session.batch(doing, sql).await;
        if done.is_err() && !self.session.is_closed() {
            self.session.batch("roll back", "rollback").await?;
        }
        done
    }

    async fn run(&self) -> Result<Undone, Error> {
        let mut undone = Undone::default();
        if self.is_after_others {
            let sql =
                "create index if not exists undo_row_of_version on pghaul.undo_row (now_ctid)";
            self.session.batch("index the rows of earlier repairs", sql).await?;
        }
        loop {
            let sql = "select id, place, phase from pghaul.repair_batch \
                        where repair = $1 and not undone order by id desc limit 1";
            let rows = self.session.query("find the last batch", sql, &[&self.repair.id]).await?;
            let Some(row) = rows.first() else { break };
            let (batch, place): (i64, i32) = (row.get(0), row.get(1));
            let begun = Instant::now();
            let subject = usize::try_from(place).ok().and_then(|place| self.subjects.get(place));
            let Some(subject) = subject else {
                return Err(Error::new(ErrorKind::RunState, "the repair's state is damaged"));
            };
            let mut tried = self.batch(subject, batch, ForeignKeys::Heeded).await;
            if self.can_quiet
                && tried.as_ref().is_err_and(|error| error.sqlstate() == Some("23503"))
            {
                self.session.batch("roll back", "rollback").await?;
                tried = self.batch(subject, batch, ForeignKeys::Quiet).await;
            }
            match tried {
                Ok(rows) => undone.rows += rows,
                Err(error) => {
                    if !self.session.is_closed() {
                        self.session.batch("roll back", "rollback").await?;
                    }
                    return Err(in_the_way_of(subject, error));
                }
            }
            self.observer.on_event(&Event::StepCommitted {
                kind: "UNDO",
                object: &subject.name.to_string(),
                took: begun.elapsed(),
            });
            if self.stop.soon.is_cancelled() || self.stop.now.is_cancelled() {
                undone.stopped = true;
                break;
            }
        }
        if !undone.stopped {
            drop_temporary(self.session, self.repair.id).await?;
            let sql =
                "update pghaul.repair set undone = pg_catalog.clock_timestamp() where id = $1";
            self.session.execute("note that it is undone", sql, &[&self.repair.id]).await?;
        }
        let sql = "select statement from pghaul.undo_statement where repair = $1 order by id";
        let rows = self.session.query("read what was dropped", sql, &[&self.repair.id]).await?;
        undone.statements = rows.iter().map(|row| row.get(0)).collect();
        Ok(undone)
    }

    /// Rows of other tables that refer to nothing in this one.
    async fn orphans(&self, subject: &Subject) -> Result<i64, Error> {
        let mut orphans = 0;
        for key in ForeignKey::all(self.session).await? {
            if key.parent == subject.name && key.child != subject.name {
                orphans += key.count(self.session).await?;
            }
        }
        Ok(orphans)
    }

    async fn batch(
        &self,
        subject: &Subject,
        batch: i64,
        foreign_keys: ForeignKeys,
    ) -> Result<u64, Error> {
        let table = subject.name.quoted();
        let doing = format!("undo a batch of `{}`", subject.name);
        let mut sql = format!(
            "begin; set local lock_timeout = {}; lock table only {table} in share row exclusive mode; \
             set constraints all immediate;",
            self.lock_timeout_ms
        );
        sql.push_str(&subject.quiet_triggers());
        self.session.batch(&doing, &sql).await?;
        subject.ensure_as_it_was(self.session, "the undo").await?;
        let mut orphans = 0;
        if foreign_keys == ForeignKeys::Quiet {
            orphans = self.orphans(subject).await?;
            self.session.batch(&doing, "set local session_replication_role = replica").await?;
        }
        let rows = self.put_back_changed(subject, batch).await?
            + self.put_back_deleted(subject, batch).await?;
        if foreign_keys == ForeignKeys::Quiet && self.orphans(subject).await? > orphans {
            return Err(Error::new(
                ErrorKind::Transfer,
                format!("rows that refer to rows of `{}` came since the repair", subject.name),
            )
            .with_hint("remove them, or what refers to them, then go on with the same command"));
        }
        let restore = subject.restore_triggers();
        if !restore.is_empty() {
            self.session.batch(&doing, &restore).await?;
        }
        self.session
            .execute(&doing, "delete from pghaul.undo_row where batch = $1", &[&batch])
            .await?;
        self.session
            .execute(
                &doing,
                "update pghaul.repair_batch set undone = true where id = $1",
                &[&batch],
            )
            .await?;
        self.session.batch(&doing, "commit").await?;
        Ok(rows)
    }
}

/// Rows that came since the repair may not go together with those of before.
fn in_the_way_of(subject: &Subject, error: Error) -> Error {
    let why = match error.sqlstate() {
        Some("23505" | "23P01") => "a row that came since the repair has the key of one of them",
        Some("23503") => "what one of them refers to has gone since the repair",
        _ => return error,
    };
    error.with_hint(format!(
        "{why}: the rows of before stand in pghaul.undo_row; mend what is in `{}` since, then go on with the \
         same command. What was undone so far is kept",
        subject.name
    ))
}
