//! The writing statements of a batch: each keeps what it replaces, in the same statement.
//!
//! Invariant: all rows that are named are written, or the batch fails.

use std::collections::BTreeMap;

use pghaul_rows::Tid;

use super::Bench;
use crate::duplicates::plan::file::Values;
use crate::duplicates::plan::text_of;
use crate::duplicates::repair::script::Job;
use crate::duplicates::repair::subject::Subject;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, literal};

impl Bench<'_> {
    pub(super) async fn delete(
        &self,
        subject: &Subject,
        batch: i64,
        rows: &[(&Job, Tid)],
    ) -> Result<u64, Error> {
        if rows.is_empty() {
            return Ok(0);
        }
        let now: Vec<String> = rows.iter().map(|(_, tid)| tid.to_string()).collect();
        let plan: Vec<String> = rows.iter().map(|(job, _)| job.tid.to_string()).collect();
        let texts: Vec<String> = subject.stored.iter().map(|name| text_of(name)).collect();
        let sql = format!(
            "with gone as ( \
               delete from only {} as t where t.ctid = any ($1::text[]::pg_catalog.tid[]) \
               returning t.ctid as was, t.xmin::text as xid, array[{}]::text[] as tuple) \
             insert into pghaul.undo_row (repair, batch, place, plan_ctid, was_ctid, was_xid, columns, tuple) \
             select $3, $4, $5, j.plan::pg_catalog.tid, gone.was, gone.xid, {}, gone.tuple \
               from gone \
               join rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) \
                 as j (now, plan) on j.now = gone.was::text",
            subject.name.quoted(),
            texts.join(", "),
            names(&subject.stored)
        );
        let doing = format!("delete rows of `{}`", subject.name);
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&now, &plan, &self.repair, &batch, &subject.place];
        let deleted = self.session.execute(&doing, &sql, &params).await?;
        self.all_of(&doing, deleted, rows.len())
    }

    fn all_of(&self, doing: &str, done: u64, asked: usize) -> Result<u64, Error> {
        if done == asked as u64 {
            return Ok(done);
        }
        Err(Error::new(
            ErrorKind::Transfer,
            format!("cannot {doing}: the server did {done} of {asked}"),
        )
        .with_hint("a trigger or a rule of the table holds rows back"))
    }

    /// Gives the places of the new versions.
    pub(super) async fn update(
        &self,
        subject: &Subject,
        batch: i64,
        rows: &[(&Job, Tid, &Values)],
    ) -> Result<Vec<Tid>, Error> {
        let mut by_columns: BTreeMap<Vec<&String>, Vec<(&Job, Tid, &Values)>> = BTreeMap::new();
        for (job, now, values) in rows {
            by_columns.entry(values.keys().collect()).or_default().push((job, *now, values));
        }
        let mut moved = Vec::new();
        for (columns, rows) in by_columns {
            moved.extend(self.update_columns(subject, batch, &columns, &rows).await?);
        }
        Ok(moved)
    }

    async fn update_columns(
        &self,
        subject: &Subject,
        batch: i64,
        columns: &[&String],
        rows: &[(&Job, Tid, &Values)],
    ) -> Result<Vec<Tid>, Error> {
        let now: Vec<String> = rows.iter().map(|(_, tid, _)| tid.to_string()).collect();
        let plan: Vec<String> = rows.iter().map(|(job, _, _)| job.tid.to_string()).collect();
        let values: Vec<Vec<Option<&str>>> = columns
            .iter()
            .map(|column| {
                rows.iter()
                    .map(|(_, _, values)| values.get(*column).and_then(Option::as_deref))
                    .collect()
            })
            .collect();
        let mut arrays = String::new();
        let mut fields = String::new();
        let mut sets = Vec::new();
        let mut texts = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            let quoted = Ident::new(column.as_str()).quoted();
            arrays.push_str(&format!(", pg_catalog.unnest(${}::text[])", at + 6));
            fields.push_str(&format!(", v{at}"));
            let value = subject.value_of(column, &format!("n.v{at}"));
            sets.push(format!("{quoted} = {value}"));
            texts.push(text_of(column));
        }
        let list: Vec<String> = columns.iter().map(|column| (*column).clone()).collect();
        let table = subject.name.quoted();
        let sql = format!(
            "with n as ( \
               select n.* from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]){arrays}) \
                 as n (now, plan{fields})), \
             old as ( \
               select t.ctid as was, t.xmin::text as xid, array[{texts}]::text[] as tuple from only {table} as t \
                where t.ctid = any ($1::text[]::pg_catalog.tid[])), \
             done as ( \
               update only {table} as t set {sets} from n \
                where t.ctid = any ($1::text[]::pg_catalog.tid[]) and n.now = t.ctid::text \
               returning n.now, n.plan, t.ctid as moved) \
             insert into pghaul.undo_row (repair, batch, place, plan_ctid, was_ctid, was_xid, now_ctid, now_xid, columns, tuple) \
             select $3, $4, $5, done.plan::pg_catalog.tid, old.was, old.xid, done.moved, \
                    (pg_catalog.txid_current() % 4294967296)::text, {list}, old.tuple \
               from done join old on old.was::text = done.now \
             returning now_ctid::text",
            texts = texts.join(", "),
            sets = sets.join(", "),
            list = names(&list)
        );
        let mut params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            vec![&now, &plan, &self.repair, &batch, &subject.place];
        params.extend(values.iter().map(|list| list as &(dyn tokio_postgres::types::ToSql + Sync)));
        let doing = format!("change rows of `{}`", subject.name);
        let done = self.session.query(&doing, &sql, &params).await?;
        self.all_of(&doing, done.len() as u64, rows.len())?;
        Ok(done.iter().filter_map(|row| Tid::from_text(row.get::<_, &str>(0).as_bytes())).collect())
    }
}

/// `array['a', 'b']::text[]`.
pub(in crate::duplicates) fn names(columns: &[String]) -> String {
    let list: Vec<String> = columns.iter().map(|column| literal(column)).collect();
    format!("array[{}]::text[]", list.join(", "))
}
