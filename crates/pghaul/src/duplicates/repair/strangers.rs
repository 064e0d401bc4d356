//! Rows that the plan does not know, and that refer to rows that are to be deleted without a foreign
//! key that would say so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use pghaul_rows::Tid;

use super::Repairing;
use super::script::{Job, Phase, What};
use crate::duplicates::orphans::ForeignKey;
use crate::duplicates::tables::roots;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::{Ident, RelationName, literal};

/// What a key needs beside its bytes, as it stands here and as a parameter.
const KEY_BYTES: u64 = 160;

/// Rows whose keys are read in one statement.
const ROWS_AT_ONCE: usize = 2000;

impl Repairing<'_> {
    /// Rows to be deleted that something without a foreign key refers to all the same: one pass
    /// over each table that could, for as many of them as the memory holds.
    pub(super) async fn still_referred_to(
        &self,
        place: usize,
        done: u64,
    ) -> Result<HashSet<Tid>, Error> {
        let mut found = HashSet::new();
        let mut columns: Vec<&str> =
            self.script.tables[place].referred_by.iter().map(|of| of.to.as_str()).collect();
        columns.sort_unstable();
        columns.dedup();
        if columns.is_empty() {
            return Ok(found);
        }
        let mut jobs = self.script.jobs(Phase::Delete, place)?;
        let mut keys = Keys::of(&columns);
        let mut some: BTreeSet<Tid> = BTreeSet::new();
        loop {
            let job = jobs.next_job()?;
            let at_end = job.is_none();
            let is_left = |job: &Job| {
                job.groups.iter().any(|group| self.skipped.contains(&self.script.cluster(*group)))
            };
            // A twin has the key of the one that stays.
            some.extend(
                job.filter(|job| job.what == What::Delete && job.line > done && !is_left(job))
                    .map(|job| job.tid),
            );
            if some.len() >= ROWS_AT_ONCE || at_end && !some.is_empty() {
                let subject = &self.subjects[place];
                let places = self.bench.places(subject, &some).await?;
                let plan: HashMap<Tid, Tid> =
                    places.into_iter().map(|(plan, now)| (now, plan)).collect();
                for (now, values) in self.bench.values(subject, &columns, plan.keys()).await? {
                    plan.get(&now).into_iter().for_each(|tid| keys.add(*tid, &values));
                }
                some.clear();
            }
            if keys.bytes >= self.options.pass_bytes() || at_end && keys.bytes > 0 {
                self.look_for_strangers(place, &keys, &mut found).await?;
                keys = Keys::of(&columns);
            }
            if at_end {
                return Ok(found);
            }
        }
    }

    /// Rows that came, or that somebody changed, while what they refer to got another key and foreign
    /// keys were quiet.
    pub(super) async fn look_for_orphans(&mut self) -> Result<(), Error> {
        let moved = self.moved().await?;
        if moved.is_empty() {
            return Ok(());
        }
        let session = self.bench.session;
        for key in ForeignKey::all(session).await?.iter().filter(|key| moved.contains(&key.parent))
        {
            session.batch("look for rows that refer to nothing", "begin").await?;
            let orphans = key.count(session).await;
            if !session.is_closed() {
                session.batch("look for rows that refer to nothing", "rollback").await?;
            }
            let orphans = orphans?;
            if orphans > 0 {
                self.findings.push(
                    Finding::new(
                        Severity::Warning,
                        "orphans_left",
                        format!(
                            "{orphans} rows refer to nothing in `{}`, where rows got other keys: \
                             somebody wrote them meanwhile, or they did so before",
                            key.parent
                        ),
                        "`pghaul duplicates scan --orphans` names them",
                    )
                    .about(&key.child),
                );
            }
        }
        Ok(())
    }

    /// Tables, and roots of partition trees, whose rows got other keys while foreign keys were quiet,
    /// by this process or by one before it.
    async fn moved(&self) -> Result<BTreeSet<RelationName>, Error> {
        let mut moved = BTreeSet::new();
        if !self.bench.can_quiet {
            return Ok(moved);
        }
        let doing = "look which tables' rows got other keys";
        let sql = "select exists (select from pghaul.undo_row as u \
                     join pghaul.repair_batch as b on b.id = u.batch \
                    where u.repair = $1 and u.place = $2 and u.now_ctid is not null \
                      and b.phase = $3 and u.columns && $4)";
        let phase = Phase::Change.name();
        for subject in self.subjects.iter().filter(|subject| !subject.referenced.is_empty()) {
            let referenced = &subject.referenced;
            let row = self
                .bench
                .session
                .query_one(doing, sql, &[&self.bench.repair, &subject.place, &phase, referenced])
                .await?;
            if row.get(0) {
                moved.insert(subject.name.clone());
            }
        }
        if !moved.is_empty() {
            let trees = roots(self.bench.session).await?.into_iter();
            let roots: Vec<_> = trees.filter(|(leaf, _)| moved.contains(leaf)).collect();
            moved.extend(roots.into_iter().map(|(_, root)| root));
        }
        Ok(moved)
    }

    async fn look_for_strangers(
        &self,
        place: usize,
        keys: &Keys<'_>,
        found: &mut HashSet<Tid>,
    ) -> Result<(), Error> {
        let table = &self.script.tables[place];
        let subject = &self.subjects[place];
        for reference in &table.referred_by {
            let of = keys.of.get(reference.to.as_str());
            let Some(of) = of.filter(|of| !of.is_empty()) else { continue };
            let list: Vec<&String> = of.keys().collect();
            let child = RelationName::new(&reference.schema, &reference.table).quoted();
            let is_type = reference.only.as_ref().map_or_else(String::new, |(column, value)| {
                format!(" and t.{}::text = {}", Ident::new(column).quoted(), literal(value))
            });
            let column = format!("t.{}", Ident::new(&reference.column).quoted());
            let (from, equal) = if reference.array {
                let elements =
                    format!("cross join lateral pg_catalog.unnest({column}::text[]) as e (value)");
                (elements, "k.key = e.value".to_owned())
            } else {
                let type_name = subject.type_of(&reference.to);
                (String::new(), format!("k.key::{type_name} = {column}"))
            };
            let sql = format!(
                "select distinct k.key from only {child} as t {from} \
                   join pg_catalog.unnest($1::text[]) as k (key) on {equal}{is_type}"
            );
            let doing = format!("look who refers to `{}`", subject.name);
            let heap = "begin; set local enable_seqscan = on; set local enable_indexscan = off; set local enable_indexonlyscan = off; \
                        set local enable_bitmapscan = off; set local enable_nestloop = off";
            self.bench.session.batch(&doing, heap).await?;
            let looked = self
                .bench
                .session
                .each_row(&doing, &sql, &[&list], |row| {
                    found.extend(of.get(row.get::<_, &str>(0)));
                })
                .await;
            if !self.bench.session.is_closed() {
                self.bench.session.batch(&doing, "rollback").await?;
            }
            looked?;
        }
        Ok(())
    }
}

/// What rows that are to be deleted are referred to by: for each column its values, and whose they are.
struct Keys<'a> {
    columns: &'a [&'a str],
    of: BTreeMap<&'a str, BTreeMap<String, Tid>>,
    bytes: u64,
}

impl<'a> Keys<'a> {
    /// None yet.
    fn of(columns: &'a [&'a str]) -> Self {
        let of = columns.iter().map(|column| (*column, BTreeMap::new())).collect();
        Self { columns, of, bytes: 0 }
    }

    /// A row's values of these columns.
    fn add(&mut self, tid: Tid, values: &[Option<String>]) {
        for (column, value) in self.columns.iter().zip(values) {
            if let (Some(of), Some(value)) = (self.of.get_mut(column), value) {
                self.bytes += 2 * value.len() as u64 + KEY_BYTES;
                of.insert(value.clone(), tid);
            }
        }
    }
}
