//! Numbers of rows are counted anew, once all rows are where they belong.
//!
//! Invariants: counted in the heap, in one pass over the counted rows for many numbers; a number
//! that is right is not written; a row that somebody else changed is left alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use pghaul_rows::Tid;

use super::Repairing;
use super::script::{Job, Phase, What};
use super::state;
use super::subject::Subject;
use crate::duplicates::plan::file::{TableLine, Values};
use crate::error::Error;

/// What a row needs beside its job while its numbers are counted: its values, its key as a
/// parameter, and the numbers.
const ROW_BYTES: u64 = 500;

/// Rows read in one statement.
const ROWS_AT_ONCE: usize = 2000;

/// How many rows there are for each key; the keys are in order.
struct Numbers<'a> {
    keys: Vec<&'a str>,
    of: Vec<i64>,
}

impl Numbers<'_> {
    fn get(&self, key: &str) -> i64 {
        self.keys.binary_search(&key).map_or(0, |at| self.of[at])
    }
}

impl Repairing<'_> {
    /// False if it was asked to stop.
    pub(super) async fn recount(&mut self) -> Result<bool, Error> {
        let (script, subjects) = (self.script, self.subjects);
        for (place, table) in script.tables.iter().enumerate() {
            let subject = &subjects[place];
            let (session, repair) = (self.bench.session, self.bench.repair);
            let done = state::done(session, repair, Phase::Recount.name(), subject.place).await?;
            let done = done.and_then(|line| u64::try_from(line).ok()).unwrap_or(0);
            let mut jobs = script.jobs(Phase::Recount, place)?;
            loop {
                let mut some: Vec<Job> = Vec::new();
                let mut bytes = 0;
                while bytes < self.options.pass_bytes()
                    && let Some(job) = jobs.next_job()?
                {
                    if job.line > done {
                        bytes += job.bytes() + ROW_BYTES;
                        some.push(job);
                    }
                }
                if some.is_empty() {
                    break;
                }
                let wrong = self.counted(subject, table, some).await?;
                for batch in wrong.chunks(self.options.batch_rows) {
                    let begun = Instant::now();
                    let done_to = batch.last().map_or(0, |job| job.line);
                    let outcome =
                        self.bench.run(subject, Phase::Recount, batch.to_vec(), done_to).await?;
                    self.done.changed += outcome.changed;
                    self.uncounted += outcome.refused.len() as u64;
                    self.step(&format!("recount {}", subject.name), begun);
                    if self.stop.soon.is_cancelled() || self.stop.now.is_cancelled() {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// The rows whose numbers are wrong, with the right ones.
    async fn counted(
        &mut self,
        subject: &Subject,
        table: &TableLine,
        jobs: Vec<Job>,
    ) -> Result<Vec<Job>, Error> {
        let mut columns: Vec<&str> = table
            .counts
            .iter()
            .flat_map(|count| [count.by.as_str(), count.column.as_str()])
            .collect();
        columns.sort_unstable();
        columns.dedup();
        let at = |column: &str| columns.iter().position(|other| *other == column).unwrap_or(0);
        let rows = self.held(subject, &columns, &jobs).await?;
        let mut counted: Vec<Numbers<'_>> = Vec::new();
        for count in &table.counts {
            let by = at(&count.by);
            let mut keys: Vec<&str> =
                rows.values().filter_map(|values| values[by].as_deref()).collect();
            keys.sort_unstable();
            keys.dedup();
            let doing = format!("count rows of `{}.{}`", count.schema, count.table);
            let heap = "begin; set local enable_seqscan = on; set local enable_indexscan = off; \
                        set local enable_indexonlyscan = off; set local enable_bitmapscan = off; \
                        set local enable_nestloop = off";
            let session = self.bench.session;
            session.batch(&doing, heap).await?;
            let sql = count.statement(subject.type_of(&count.by));
            let mut of = vec![0; keys.len()];
            let found = session
                .each_row(&doing, &sql, &[&keys], |row| {
                    if let Ok(at) = keys.binary_search(&row.get(0)) {
                        of[at] += row.get::<_, i64>(1);
                    }
                })
                .await;
            if !session.is_closed() {
                session.batch(&doing, "rollback").await?;
            }
            found?;
            counted.push(Numbers { keys, of });
        }
        let mut wrong = Vec::new();
        for mut job in jobs {
            let Some(values) = rows.get(&job.tid) else {
                self.uncounted += 1;
                continue;
            };
            let mut set = Values::new();
            for count in &table.counts {
                let Some(key) = &values[at(&count.by)] else { continue };
                // A number can be that of several tables' rows.
                let number: i64 = table
                    .counts
                    .iter()
                    .zip(&counted)
                    .filter(|(other, _)| other.column == count.column)
                    .map(|(_, numbers)| numbers.get(key))
                    .sum();
                let number = Some(number.to_string());
                if values[at(&count.column)] != number {
                    set.insert(count.column.clone(), number);
                }
            }
            if !set.is_empty() {
                job.what = What::Update(set);
                wrong.push(job);
            }
        }
        Ok(wrong)
    }

    /// Columns of rows as they are now, by where the plan saw them.
    async fn held(
        &self,
        subject: &Subject,
        columns: &[&str],
        jobs: &[Job],
    ) -> Result<BTreeMap<Tid, Vec<Option<String>>>, Error> {
        let mut held = BTreeMap::new();
        for chunk in jobs.chunks(ROWS_AT_ONCE) {
            let tids: BTreeSet<Tid> = chunk.iter().map(|job| job.tid).collect();
            let now = self.bench.places(subject, &tids).await?;
            let then: HashMap<Tid, Tid> = now.iter().map(|(plan, now)| (*now, *plan)).collect();
            for (tid, values) in self.bench.values(subject, columns, then.keys()).await? {
                held.extend(then.get(&tid).map(|plan| (*plan, values)));
            }
        }
        Ok(held)
    }
}
