//! Rows of one batch are put back.
//!
//! Invariants: a row that is not the version that the repair left is not touched, and the batch is
//! not undone; whoever else remembers the row, an earlier batch or an earlier repair, learns where
//! it is now.

use super::Undoing;
use crate::duplicates::repair::names;
use crate::duplicates::repair::subject::Subject;
use crate::error::{Error, ErrorKind};
use crate::name::Ident;

impl Undoing<'_> {
    pub(super) async fn put_back_changed(
        &self,
        subject: &Subject,
        batch: i64,
    ) -> Result<u64, Error> {
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
                    let text = format!("u.tuple[{}]", at + 1);
                    format!("{name} = {}", subject.value_of(column, &text))
                })
                .collect();
            let sql = format!(
                "with done as ( \
                   update only {} as t set {} from pghaul.undo_row as u \
                    where t.ctid = any ($1::text[]::pg_catalog.tid[]) \
                      and u.batch = $2 and u.columns = $3 and u.now_ctid::text = t.ctid::text \
                      and t.xmin::text = u.now_xid \
                   returning u.id, u.place, u.plan_ctid, u.was_ctid, u.was_xid, t.ctid as now), \
                 moved as ( \
                   update pghaul.undo_row as e \
                      set now_ctid = done.now \
                        , now_xid = (pg_catalog.txid_current() % 4294967296)::text \
                     from done \
                    where e.id = (select pg_catalog.max(b.id) from pghaul.undo_row b \
                                   where b.repair = $4 and b.place = done.place \
                                     and b.plan_ctid = done.plan_ctid and b.id < done.id) \
                   returning 1) \
                 select done.was_ctid::text, done.was_xid, done.now::text from done",
                subject.name.quoted(),
                sets.join(", ")
            );
            let done = self
                .session
                .query(&doing, &sql, &[&now, &batch, &columns, &self.repair.id])
                .await?;
            if done.len() as u64 != crate::catalog::size(count) {
                return Err(changed_meanwhile(subject));
            }
            let versions = done.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
            self.tell_earlier_repairs(subject, versions).await?;
            all += crate::catalog::size(count);
        }
        Ok(all)
    }

    pub(super) async fn put_back_deleted(
        &self,
        subject: &Subject,
        batch: i64,
    ) -> Result<u64, Error> {
        let doing = format!("put deleted rows of `{}` back", subject.name);
        let sql = "select id, plan_ctid::text, was_ctid::text, was_xid \
                     from pghaul.undo_row where batch = $1 and now_ctid is null order by id";
        let gone = self.session.query(&doing, sql, &[&batch]).await?;
        if gone.is_empty() {
            return Ok(0);
        }
        let ids: Vec<i64> = gone.iter().map(|row| row.get(0)).collect();
        let plan: Vec<String> = gone.iter().map(|row| row.get(1)).collect();
        let columns: Vec<String> =
            subject.stored.iter().map(|column| Ident::new(column).quoted()).collect();
        let values: Vec<String> = subject
            .stored
            .iter()
            .enumerate()
            .map(|(at, column)| subject.value_of(column, &format!("u.tuple[{}]", at + 1)))
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
        let versions =
            gone.iter().zip(now).map(|(row, now)| (row.get(2), row.get(3), now)).collect();
        self.tell_earlier_repairs(subject, versions).await?;
        Ok(ids.len() as u64)
    }

    /// A row that a repair before this one left behind is that row again: which version it was,
    /// by ctid and xmin, and where it is now.
    async fn tell_earlier_repairs(
        &self,
        subject: &Subject,
        versions: Vec<(String, String, String)>,
    ) -> Result<(), Error> {
        if !self.is_after_others {
            return Ok(());
        }
        let (mut was, mut xids, mut now) = (Vec::new(), Vec::new(), Vec::new());
        for (ctid, xid, place) in versions {
            was.push(ctid);
            xids.push(xid);
            now.push(place);
        }
        let (schema, table) = (subject.name.schema.as_str(), subject.name.name.as_str());
        self.session
            .execute(
                "tell earlier repairs where rows are",
                include_str!("earlier_repairs.sql"),
                &[&was, &xids, &now, &self.repair.id, &schema, &table],
            )
            .await
            .map(drop)
    }
}

fn changed_meanwhile(subject: &Subject) -> Error {
    Error::new(
        ErrorKind::Transfer,
        format!("rows of `{}` were changed while the repair was undone", subject.name),
    )
    .with_hint("stop the application; what was undone so far is kept, and undo goes on from there")
}
