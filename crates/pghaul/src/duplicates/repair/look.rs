//! All rows of a plan are looked at before anything is done.

use std::collections::BTreeMap;

use super::Repairing;
use super::batch::Done;
use super::script::{Job, Phase};
use super::state;
use crate::error::{Error, ErrorKind};

impl Repairing<'_> {
    /// Compares every row of the plan with what it was, then creates the state.
    pub(super) async fn look(&mut self) -> Result<(), Error> {
        let session = self.bench.session;
        let mut reasons: BTreeMap<u32, (String, String)> = BTreeMap::new();
        for (place, subject) in self.subjects.iter().enumerate() {
            let mut jobs = self.script.jobs(Phase::Look, place)?;
            let mut some: Vec<Job> = Vec::new();
            loop {
                let job = jobs.next_job()?;
                let at_end = job.is_none();
                some.extend(job);
                if !some.is_empty() && (at_end || some.len() == 2000) {
                    let tids = some.iter().map(|job| job.tid);
                    let found = self.bench.digests.read(session, &subject.name, tids).await?;
                    for job in some.drain(..) {
                        if found.get(&job.tid) != Some(&job.digest) {
                            for group in job.groups {
                                let why = (
                                    subject.name.to_string(),
                                    "a row of it was changed since the plan was made".to_owned(),
                                );
                                reasons.entry(group).or_insert(why);
                            }
                        }
                    }
                }
                if at_end {
                    break;
                }
            }
        }
        if reasons.len() * 2 > self.script.groups.len() {
            return Err(Error::new(
                ErrorKind::Preflight,
                format!(
                    "the plan was made for other data: {} of {} groups are not as it says; nothing was written",
                    reasons.len(),
                    self.script.groups.len()
                ),
            )
            .with_hint("make it again with `pghaul duplicates plan`"));
        }
        session.batch("begin the repair", "begin").await?;
        let created = state::create(
            session,
            self.bench.repair,
            &self.script.digest,
            &self.script.header.rules,
            &self.script.tables,
        )
        .await;
        let created = match created {
            Ok(()) => self.leave_alone(&reasons).await,
            Err(error) => Err(error),
        };
        match created {
            Ok(()) => session.batch("begin the repair", "commit").await,
            Err(error) => {
                if !session.is_closed() {
                    session.batch("begin the repair", "rollback").await?;
                }
                Err(error)
            }
        }
    }

    /// Before anything comes to refer to rows that stay: those that are gone, or that somebody changed, since
    /// foreign keys alone would say so.
    pub(super) async fn look_at_rows_that_stay(&mut self) -> Result<(), Error> {
        let (script, subjects) = (self.script, self.subjects);
        for (place, subject) in subjects.iter().enumerate() {
            let mut jobs = script.jobs(Phase::Delete, place)?;
            let mut some: Vec<Job> = Vec::new();
            loop {
                let job = jobs.next_job()?;
                let at_end = job.is_none();
                let is_left = |group: &u32| self.skipped.contains(&script.cluster(*group));
                some.extend(job.filter(|job| !job.groups.iter().any(is_left)));
                if !some.is_empty() && (at_end || some.len() == 2000) {
                    let refused = self.bench.of_changed_rows(subject, &some).await?;
                    state::skip(self.bench.session, self.bench.repair, &subject.name, &refused)
                        .await?;
                    self.take_in(&Done { refused, ..Done::default() });
                    some.clear();
                }
                if at_end {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn leave_alone(
        &mut self,
        reasons: &BTreeMap<u32, (String, String)>,
    ) -> Result<(), Error> {
        let (session, repair) = (self.bench.session, self.bench.repair);
        for (group, (table, why)) in reasons {
            self.skipped.insert(self.script.cluster(*group));
            state::skip_group(session, repair, *group, (table, why)).await?;
        }
        Ok(())
    }

    pub(super) async fn load_skipped(&mut self) -> Result<(), Error> {
        let sql = "select number from pghaul.repair_skip where repair = $1";
        let rows =
            self.bench.session.query("read what is left alone", sql, &[&self.bench.repair]).await?;
        for row in &rows {
            let group = u32::try_from(row.get::<_, i64>(0)).unwrap_or(0);
            self.skipped.insert(self.script.cluster(group));
        }
        Ok(())
    }
}
