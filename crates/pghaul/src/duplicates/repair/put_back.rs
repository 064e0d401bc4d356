//! Rows that gave up a key, and whose group somebody changed before they were deleted.
//!
//! Invariants: a row gets back what it had, or keeps what it has and is counted; the server says
//! whether another row has the key by now.

use std::collections::BTreeMap;
use std::time::Instant;

use pghaul_rows::Tid;

use super::Repairing;
use super::script::{Job, Phase, What};
use super::state;
use super::subject::Subject;
use crate::error::Error;

impl Repairing<'_> {
    /// False if it was asked to stop.
    pub(super) async fn put_back(&mut self) -> Result<bool, Error> {
        let (script, subjects) = (self.script, self.subjects);
        if self.skipped.is_empty() {
            return Ok(true);
        }
        for (place, subject) in subjects.iter().enumerate() {
            let mut keyless = 0;
            let mut jobs = script.jobs(Phase::PutBack, place)?;
            loop {
                let (mut some, mut bytes): (Vec<Job>, u64) = (Vec::new(), 0);
                while some.len() < self.options.batch_rows
                    && bytes < self.options.batch_bytes()
                    && let Some(job) = jobs.next_job()?
                {
                    let is_left = |group: &u32| self.skipped.contains(&script.cluster(*group));
                    if job.groups.iter().any(is_left) {
                        bytes += job.bytes();
                        some.push(job);
                    }
                }
                let Some(done_to) = some.last().map(|job| job.line) else { break };
                let some = self.with_what_they_had(subject, some).await?;
                if some.is_empty() {
                    continue;
                }
                let begun = Instant::now();
                let done = self.bench.run(subject, Phase::PutBack, some, done_to).await?;
                self.done.changed += done.changed;
                keyless += done.refused.len() as u64;
                self.step(&format!("put back {}", subject.name), begun);
                if self.stop.soon.is_cancelled() || self.stop.now.is_cancelled() {
                    return Ok(false);
                }
            }
            state::note_keyless(self.bench.session, self.bench.repair, subject.place, keyless)
                .await?;
        }
        Ok(true)
    }

    /// Those that gave up a key, with what they had before.
    async fn with_what_they_had(
        &self,
        subject: &Subject,
        jobs: Vec<Job>,
    ) -> Result<Vec<Job>, Error> {
        let (sql, doing) = (include_str!("given_up.sql"), "read which keys rows gave up");
        let ctids: Vec<String> = jobs.iter().map(|job| job.tid.to_string()).collect();
        let rows = self
            .bench
            .session
            .query(doing, sql, &[&self.bench.repair, &subject.place, &ctids])
            .await?;
        let mut had: BTreeMap<Tid, Vec<(String, Option<String>)>> = BTreeMap::new();
        for row in rows {
            let Some(tid) = Tid::from_text(row.get::<_, &str>(0).as_bytes()) else { continue };
            let columns: Vec<String> = row.get(1);
            let values: Vec<Option<String>> = row.get(2);
            had.insert(tid, columns.into_iter().zip(values).collect());
        }
        Ok(jobs
            .into_iter()
            .filter_map(|mut job| {
                job.what = What::Update(had.remove(&job.tid)?.into_iter().collect());
                Some(job)
            })
            .collect())
    }
}
