//! The indexes that had duplicates are rebuilt; foreign keys without an index get one for a while.

use std::time::Instant;

use super::Repairing;
use super::script::{Phase, Script};
use super::state;
use super::subject::Subject;
use crate::connect::Session;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::{Ident, RelationName, literal};

impl Repairing<'_> {
    /// Rebuilds the indexes that had duplicates. Whether one still has some is the server's to say.
    pub(super) async fn rebuild(&mut self) -> Result<bool, Error> {
        let script = self.script;
        for (place, table) in (0_i32..).zip(&script.tables) {
            let session = self.bench.session;
            let done = state::done(session, self.bench.repair, "rebuild", place).await?;
            for (number, (schema, name)) in (1_i64..).zip(&table.rebuild) {
                if done.is_some_and(|done| done >= number) {
                    continue;
                }
                let index = RelationName::new(schema, name);
                if !self.is_there(&index).await? {
                    continue;
                }
                let begun = Instant::now();
                if let Err(error) = self.rebuild_one(place, number, &index).await {
                    if !session.is_closed() {
                        session.batch("roll back", "rollback").await?;
                    }
                    let Some((why, remedy)) = not_rebuilt(&error) else { return Err(error) };
                    self.findings.push(
                        Finding::new(Severity::Warning, "index_not_rebuilt", why, remedy)
                            .about(&index),
                    );
                }
                self.step(&format!("rebuild {index}"), begun);
                if self.stop.soon.is_cancelled() || self.stop.now.is_cancelled() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// A clone may not have been able to build it.
    async fn is_there(&self, index: &RelationName) -> Result<bool, Error> {
        let sql = "select exists (select from pg_catalog.pg_class c \
                   join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                   where n.nspname = $1 and c.relname = $2 and c.relkind in ('i', 'I'))";
        let doing = format!("look for the index `{index}`");
        let (schema, name) = (index.schema.as_str(), index.name.as_str());
        Ok(self.bench.session.query_one(&doing, sql, &[&schema, &name]).await?.get(0))
    }

    async fn rebuild_one(
        &self,
        place: i32,
        number: i64,
        index: &RelationName,
    ) -> Result<(), Error> {
        let session = self.bench.session;
        let doing = format!("rebuild the index `{index}`");
        let sql = format!(
            "begin; set local lock_timeout = {}; reindex index {}",
            self.bench.lock_timeout_ms,
            index.quoted()
        );
        session.batch(&doing, &sql).await?;
        let receipt = state::BatchReceipt {
            repair: self.bench.repair,
            phase: "rebuild",
            place,
            line: number,
            rows: 0,
            before: pghaul_rows::TableDigest::default(),
            after: pghaul_rows::TableDigest::default(),
        };
        receipt.insert(session, state::next_batch(session).await?).await?;
        session.batch(&doing, "commit").await
    }

    /// Foreign keys that would scan a table for each row that is deleted get an index.
    pub(super) async fn add_indexes(&self) -> Result<(), Error> {
        let session = self.bench.session;
        for (place, subject) in self.subjects.iter().enumerate() {
            if self.script.jobs(Phase::Delete, place)?.next_job()?.is_none() {
                continue;
            }
            let sql = include_str!("unindexed.sql");
            let rows = session
                .query("look for foreign keys without an index", sql, &[&subject.oid()])
                .await?;
            for (number, row) in rows.iter().enumerate() {
                let child = RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1));
                let columns: Vec<String> =
                    row.get::<_, Vec<String>>(2).iter().map(|c| Ident::new(c).quoted()).collect();
                let columns = columns.join(", ");
                let name = Ident::new(format!("pghaul_repair_{}_{number}", subject.oid()));
                let drop =
                    format!("drop index if exists {}.{}", child.schema.quoted(), name.quoted());
                let sql = format!(
                    "begin; set local lock_timeout = {}; {drop}; create index {} on {} ({columns}); \
                     delete from pghaul.undo_statement where statement = {drop_text}; \
                     insert into pghaul.undo_statement (repair, statement) values ({}, {drop_text}); \
                     commit",
                    self.bench.lock_timeout_ms,
                    name.quoted(),
                    child.quoted(),
                    self.bench.repair,
                    drop_text = literal(&drop),
                );
                if let Err(error) =
                    session.batch(&format!("index `{child}` for a while"), &sql).await
                {
                    if !session.is_closed() {
                        session.batch("roll back", "rollback").await?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    pub(super) async fn drop_indexes(&self) -> Result<(), Error> {
        drop_temporary(self.bench.session, self.bench.repair).await
    }
}

/// Why rows forbid an index, and what to do.
fn not_rebuilt(error: &Error) -> Option<(&'static str, &'static str)> {
    match error.sqlstate()? {
        "23505" => Some((
            "rows still share its key, so it cannot be rebuilt yet",
            "answer the questions of the plan, or look at the groups that were left alone; then plan \
             and repair again",
        )),
        "54000" => Some((
            "rows have keys that are too long for it (2704 bytes), so it cannot be rebuilt yet",
            "`pghaul duplicates scan` names them: shorten them, then run `pghaul rebuild`",
        )),
        _ => None,
    }
}

/// What a repair needs of tables that refer to those whose rows go: to lock them, and indexes for a while.
pub(super) async fn look_at_rights(
    session: &Session,
    script: &Script,
    subjects: &[Subject],
    refused: &mut Vec<String>,
) -> Result<(), Error> {
    for (place, subject) in subjects.iter().enumerate() {
        let goes = |phase| Ok::<_, Error>(script.jobs(phase, place)?.next_job()?.is_some());
        let last = goes(Phase::Delete)?;
        if last || goes(Phase::DeleteFirst)? {
            look_at_locks(session, subject, refused).await?;
        }
        if !last {
            continue;
        }
        let sql = include_str!("unindexed.sql");
        let doing = "look for foreign keys without an index";
        for row in session.query(doing, sql, &[&subject.oid()]).await? {
            if row.get("may_index") {
                continue;
            }
            let child = RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1));
            refused.push(format!(
                "{child}: its foreign key to `{}` ({}) has no index, and this role may not create one for a \
                 while: it has to own the table, and needs CREATE on the schema `{}`",
                subject.name,
                row.get::<_, Vec<String>>(2).join(", "),
                child.schema
            ));
        }
    }
    Ok(())
}

/// Rows go while nobody can come to refer to them (Postgres manual, LOCK).
async fn look_at_locks(
    session: &Session,
    subject: &Subject,
    refused: &mut Vec<String>,
) -> Result<(), Error> {
    let oids: Vec<i64> = subject.children.iter().map(|(oid, _)| *oid).collect();
    let sql = "select o from pg_catalog.unnest($1::int8[]) as o \
                where not pg_catalog.has_table_privilege(o::pg_catalog.oid, 'update, delete, truncate')";
    let doing = "look whether tables with foreign keys can be locked";
    for row in session.query(doing, sql, &[&oids]).await? {
        let oid: i64 = row.get(0);
        let child = subject.children.iter().find(|(child, _)| *child == oid);
        refused.extend(child.map(|(_, child)| {
            format!(
                "{child}: a foreign key of it refers to `{}`, so it is locked while rows go there: UPDATE or \
                 DELETE on it is needed",
                subject.name
            )
        }));
    }
    Ok(())
}

/// Drops the indexes that were there for a while.
pub(in crate::duplicates) async fn drop_temporary(
    session: &Session,
    repair: i32,
) -> Result<(), Error> {
    let sql = "select id, statement from pghaul.undo_statement \
                where repair = $1 and statement like 'drop index if exists %pghaul\\_repair\\_%'";
    for row in session.query("read which indexes were added", sql, &[&repair]).await? {
        let (id, statement): (i64, String) = (row.get(0), row.get(1));
        let sql = format!(
            "begin; {statement}; delete from pghaul.undo_statement where id = {id}; commit"
        );
        session.batch("drop an index that was there for a while", &sql).await?;
    }
    Ok(())
}
