//! Puts everything back as it was before a repair, batch by batch, the last first.
//!
//! The rows as they were share keys again, so they do not fit under the unique indexes that the
//! repair made whole: undo refuses and names them, and the foreign keys that need them; or, where
//! it is told to, drops them, puts plain indexes in their place, and says which statements bring
//! them back. These are stored too.
//!
//! Invariants: nothing is written unless every row is still as the repair left it and every table
//! has the columns that it had; killed at any instant it goes on; a batch is undone whole. No
//! sequence was moved by a repair, so none is put back.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::plan::file::TableLine;
use super::repair::state::{self, RepairRecord};
use super::repair::subject::{self, Subject};
use super::repair::{drop_temporary, lock_timeout, names};
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::name::{Ident, RelationName, literal};
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

/// What was undone.
#[derive(Debug, Clone, Default)]
pub struct Undone {
    /// Rows put back, by this call.
    pub rows: u64,
    /// What brings back what was dropped, in this order, once the duplicates are gone again.
    pub statements: Vec<String>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// Rows looked at in one statement.
const ROWS_AT_ONCE: i64 = 2000;

/// Undoes the last repair that was not undone, whole or begun; or goes on with undoing it.
///
/// # Errors
/// [`ErrorKind::RunState`] when there is none, or when a repair is at work;
/// [`ErrorKind::Preflight`] when rows or columns were changed since, or when unique indexes are in
/// the way: then nothing was written.
pub async fn undo(
    database: &Endpoint,
    indexes: Indexes,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Undone, Error> {
    let session = database.connect(Purpose::Write, "undo").await?;
    state::claim(&session).await?;
    let known = state::load(&session).await?;
    let Some(repair) = known.into_iter().find(|repair| !repair.undone) else {
        return Err(Error::new(ErrorKind::RunState, "there is no repair to undo in this database"));
    };
    let (tables, subjects) = tables(&session, &repair).await?;
    let undoing = Undoing {
        session: &session,
        repair: &repair,
        subjects: &subjects,
        observer,
        stop,
        lock_timeout_ms: lock_timeout(&session).await?,
    };
    undoing.look().await?;
    let in_the_way = undoing.in_the_way(&tables).await?;
    if !in_the_way.is_empty() && indexes == Indexes::Keep {
        return Err(refuse_for_indexes(&in_the_way));
    }
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
        };
        subjects.push(Subject::read(session, place, &table, &mut refused).await?);
        tables.push(table);
    }
    subject::refuse(&refused)
        .map_err(|error| error.while_doing("the repair cannot be undone as the tables are now"))?;
    Ok((tables, subjects))
}

/// A unique index under which rows would not fit.
struct InTheWay {
    index: RelationName,
    /// Statements that drop it and put a plain index in its place.
    drops: Vec<String>,
    /// Statements that bring it back.
    brings_back: Vec<String>,
    /// The foreign keys that go with it.
    keys: usize,
}

fn refuse_for_indexes(in_the_way: &[InTheWay]) -> Error {
    let list: Vec<String> = in_the_way
        .iter()
        .map(|index| match index.keys {
            0 => index.index.to_string(),
            keys => format!("{} (and {keys} foreign keys that need it)", index.index),
        })
        .collect();
    Error::new(
        ErrorKind::Preflight,
        format!("the rows as they were do not fit under unique indexes: {}", list.join(", ")),
    )
    .with_hint("--drop-indexes drops them, and prints the statements that bring them back")
}

struct Undoing<'a> {
    session: &'a Session,
    repair: &'a RepairRecord,
    subjects: &'a [Subject],
    observer: &'a dyn Observer,
    stop: &'a Stop,
    lock_timeout_ms: u64,
}

impl Undoing<'_> {
    /// Is every row as the repair left it?
    async fn look(&self) -> Result<(), Error> {
        let mut changed: BTreeMap<String, Vec<String>> = BTreeMap::new();
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
                        &[&self.repair.id, &subject.place, &after, &ROWS_AT_ONCE],
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
                    changed.entry(subject.name.to_string()).or_default().extend(moved);
                }
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = changed
            .iter()
            .map(|(table, rows)| {
                let first: Vec<&str> = rows.iter().take(3).map(String::as_str).collect();
                format!("{table}: {} rows, which were at {}", rows.len(), first.join(", "))
            })
            .collect();
        Err(Error::new(
            ErrorKind::Preflight,
            format!("rows were changed since the repair, nothing was undone: {}", list.join(", ")),
        )
        .with_hint("their values of before the repair stand in pghaul.undo_row"))
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

    async fn in_the_way(&self, tables: &[TableLine]) -> Result<Vec<InTheWay>, Error> {
        let mut found = Vec::new();
        for table in tables {
            for (schema, name) in &table.rebuild {
                let rows = self
                    .session
                    .query(
                        "look for unique indexes in the way",
                        include_str!("undo/in_the_way.sql"),
                        &[schema, name],
                    )
                    .await?;
                found.extend(rows.first().map(|row| in_the_way(schema, name, row)));
            }
        }
        Ok(found)
    }

    async fn drop_indexes(&self, in_the_way: &[InTheWay]) -> Result<(), Error> {
        if in_the_way.is_empty() {
            return Ok(());
        }
        let doing = "drop the unique indexes in the way";
        let mut sql = format!("begin; set local lock_timeout = {};", self.lock_timeout_ms);
        for index in in_the_way {
            for statement in &index.drops {
                sql.push_str(&format!("{statement};"));
            }
            for statement in &index.brings_back {
                sql.push_str(&format!(
                    "insert into pghaul.undo_statement (repair, statement) values ({}, {});",
                    self.repair.id,
                    literal(statement)
                ));
            }
        }
        sql.push_str("commit");
        self.in_transaction(doing, &sql).await
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
            match self.batch(subject, batch).await {
                Ok(rows) => undone.rows += rows,
                Err(error) => {
                    if !self.session.is_closed() {
                        self.session.batch("roll back", "rollback").await?;
                    }
                    return Err(error);
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

    async fn batch(&self, subject: &Subject, batch: i64) -> Result<u64, Error> {
        let table = subject.name.quoted();
        let doing = format!("undo a batch of `{}`", subject.name);
        let mut sql = format!(
            "begin; set local lock_timeout = {}; lock table only {table} in share row exclusive mode; \
             set constraints all immediate;",
            self.lock_timeout_ms
        );
        sql.push_str(&subject.quiet_triggers());
        self.session.batch(&doing, &sql).await?;
        let rows = self.put_back_changed(subject, batch).await?
            + self.put_back_deleted(subject, batch).await?;
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

    async fn put_back_changed(&self, subject: &Subject, batch: i64) -> Result<u64, Error> {
        let doing = format!("put changed rows of `{}` back", subject.name);
        let sql = "select columns, pg_catalog.count(*), pg_catalog.array_agg(now_ctid::text) \
                     from pghaul.undo_row where batch = $1 and now_ctid is not null group by columns";
        let mut all = 0;
        for row in self.session.query(&doing, sql, &[&batch]).await? {
            let (columns, count, now): (Vec<String>, i64, Vec<String>) =
                (row.get(0), row.get(1), row.get(2));
            let sets: Vec<String> = columns
                .iter()
                .enumerate()
                .map(|(at, column)| {
                    let name = Ident::new(column).quoted();
                    format!("{name} = u.tuple[{}]::{}", at + 1, subject.type_of(column))
                })
                .collect();
            let sql = format!(
                "with done as ( \
                   update only {} as t set {} from pghaul.undo_row as u \
                    where t.ctid = any ($1::text[]::pg_catalog.tid[]) \
                      and u.batch = $2 and u.columns = $3 and u.now_ctid::text = t.ctid::text \
                      and t.xmin::text = u.now_xid \
                   returning u.id, u.place, u.plan_ctid, t.ctid as now), \
                 moved as ( \
                   update pghaul.undo_row as e \
                      set now_ctid = done.now \
                        , now_xid = (pg_catalog.txid_current() % 4294967296)::text \
                     from done \
                    where e.id = (select pg_catalog.max(b.id) from pghaul.undo_row b \
                                   where b.repair = $4 and b.place = done.place \
                                     and b.plan_ctid = done.plan_ctid and b.id < done.id) \
                   returning 1) \
                 select (select pg_catalog.count(*) from done), (select pg_catalog.count(*) from moved)",
                subject.name.quoted(),
                sets.join(", ")
            );
            let done = self
                .session
                .query_one(&doing, &sql, &[&now, &batch, &columns, &self.repair.id])
                .await?;
            if done.get::<_, i64>(0) != count {
                return Err(changed_meanwhile(subject));
            }
            all += crate::catalog::size(count);
        }
        Ok(all)
    }

    async fn put_back_deleted(&self, subject: &Subject, batch: i64) -> Result<u64, Error> {
        let doing = format!("put deleted rows of `{}` back", subject.name);
        let sql = "select pg_catalog.array_agg(id order by id), pg_catalog.array_agg(plan_ctid::text order by id) \
                     from pghaul.undo_row where batch = $1 and now_ctid is null";
        let row = self.session.query_one(&doing, sql, &[&batch]).await?;
        let Some(ids) = row.get::<_, Option<Vec<i64>>>(0) else { return Ok(0) };
        let plan: Vec<String> = row.get(1);
        let columns: Vec<String> =
            subject.stored.iter().map(|column| Ident::new(column).quoted()).collect();
        let values: Vec<String> = subject
            .stored
            .iter()
            .enumerate()
            .map(|(at, column)| format!("u.tuple[{}]::{}", at + 1, subject.type_of(column)))
            .collect();
        let overriding =
            if self.session.version().at_least(10) { "overriding system value" } else { "" };
        let sql = format!(
            "insert into {} ({}) {overriding} select {} from pghaul.undo_row as u \
              where u.batch = $1 and u.now_ctid is null and u.columns = {} order by u.id \
             returning ctid::text",
            subject.name.quoted(),
            columns.join(", "),
            values.join(", "),
            names(&subject.stored)
        );
        let put = self.session.query(&doing, &sql, &[&batch]).await?;
        if put.len() != ids.len() {
            return Err(changed_meanwhile(subject));
        }
        // Rows come back in the order in which they were inserted.
        let now: Vec<String> = put.iter().map(|row| row.get(0)).collect();
        let sql = "update pghaul.undo_row as e \
                      set now_ctid = j.now::pg_catalog.tid \
                        , now_xid = (pg_catalog.txid_current() % 4294967296)::text \
                     from rows from (pg_catalog.unnest($1::int8[]), pg_catalog.unnest($2::text[]), \
                          pg_catalog.unnest($3::text[])) as j (id, plan, now) \
                    where e.id = (select pg_catalog.max(b.id) from pghaul.undo_row b \
                                   where b.repair = $4 and b.place = $5 \
                                     and b.plan_ctid = j.plan::pg_catalog.tid and b.id < j.id)";
        self.session
            .execute(&doing, sql, &[&ids, &plan, &now, &self.repair.id, &subject.place])
            .await?;
        Ok(ids.len() as u64)
    }
}

fn changed_meanwhile(subject: &Subject) -> Error {
    Error::new(
        ErrorKind::Transfer,
        format!("rows of `{}` were changed while the repair was undone", subject.name),
    )
    .with_hint("stop the application; what was undone so far is kept, and undo goes on from there")
}

fn in_the_way(schema: &str, name: &str, row: &tokio_postgres::Row) -> InTheWay {
    let index = RelationName::new(schema, name);
    let definition: String = row.get(1);
    let table = RelationName::new(row.get::<_, String>(2), row.get::<_, String>(3));
    let constraint: Option<(String, String)> =
        row.get::<_, Option<String>>(4).zip(row.get::<_, Option<String>>(5));
    let key_drops: Vec<String> = row.get(6);
    let key_adds: Vec<String> = row.get(7);
    let plain = plain_name(name);
    let plain_index = RelationName::new(schema, &plain);
    let mut drops = key_drops.clone();
    let mut brings_back = vec![format!("drop index if exists {}", plain_index.quoted())];
    match constraint {
        Some((constraint, definition)) => {
            let constraint = Ident::new(constraint).quoted();
            let table = table.quoted();
            drops.push(format!("alter table {table} drop constraint {constraint}"));
            brings_back
                .push(format!("alter table {table} add constraint {constraint} {definition}"));
        }
        None => {
            drops.push(format!("drop index {}", index.quoted()));
            brings_back.push(definition.clone());
        }
    }
    brings_back.extend(key_adds);
    // `CREATE UNIQUE INDEX name ON …`: what follows the name stays.
    if let Some((_, rest)) = definition.split_once(" ON ") {
        let rest = rest.replace(" NULLS NOT DISTINCT", "");
        drops.push(format!("create index {} on {rest}", Ident::new(plain).quoted()));
    }
    InTheWay { index, drops, brings_back, keys: key_drops.len() }
}

/// A name for the index that stands in, within the 63 bytes that names have.
fn plain_name(name: &str) -> String {
    let mut plain: String = name.to_owned();
    while plain.len() > 55 {
        plain.pop();
    }
    format!("{plain}_plain")
}
