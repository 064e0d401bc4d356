//! One batch: some rows of one table, in one transaction with their undo rows and the receipt.
//!
//! Invariants: a row is touched only if it is where and what the plan says, or where this repair
//! left it, and a group is noted as left alone with the receipt of the batch that did so; nothing else than what the plan names changes, a cascade of the server's aborts the
//! batch; triggers of the user do not fire, and each is put back into the state that it had.

mod write;

pub(in crate::duplicates) use write::names;

use std::collections::{BTreeSet, HashMap};

use pghaul_rows::{RowDigest, TableDigest, Tid};

use super::script::{Job, Phase, What};
use super::state::{self, BatchReceipt};
use super::subject::Subject;
use crate::connect::Session;
use crate::duplicates::plan::digests::Digests;
use crate::duplicates::plan::text_of;
use crate::error::Error;

/// How often a batch waits for locks that somebody else has.
const LOCK_ATTEMPTS: u32 = 10;

/// Why nothing is done for a row that stays.
const STAYS_CHANGED: &str = "somebody else changed the row that stays since the plan was made";

/// What all batches of a repair share.
pub(super) struct Bench<'a> {
    pub(super) session: &'a Session,
    pub(super) digests: &'a Digests,
    pub(super) repair: i32,
    /// Above `deadlock_timeout`, so that autovacuum has given way by then.
    pub(super) lock_timeout_ms: u64,
    /// Whether foreign keys can be kept quiet for one statement.
    pub(super) can_quiet: bool,
}

/// What a batch did.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) changed: u64,
    pub(super) deleted: u64,
    /// Rows that were not what they should be, and why.
    pub(super) refused: Vec<(Job, String)>,
}

/// Where a row is now.
struct Place {
    now: Tid,
    /// Its version is this repair's own.
    ours: bool,
}

/// Whether the server's foreign keys look through indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indexes {
    Asked,
    /// A damaged index may not know the row that stays: where a foreign key did not find it, the
    /// row is done alone, and the heap is read.
    NotAsked,
}

/// Why a batch did not do it.
enum Trouble {
    /// With fewer rows it may work, and with one it says which.
    Refused(String),
    Failed(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        // What the data forbids: a constraint, or a value that cannot be written as text; a column that
        // only the server writes; a key that has become too long for an index.
        match error.sqlstate() {
            Some(state)
                if state.starts_with("23")
                    || state.starts_with("22")
                    || matches!(state, "428C9" | "54000") =>
            {
                let why = std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), ToString::to_string);
                Self::Refused(why)
            }
            _ => Self::Failed(error),
        }
    }
}

impl Bench<'_> {
    /// Does all jobs that can be done. `done_to` is the line of the plan up to which the table is
    /// done in this phase once these are.
    pub(super) async fn run(
        &self,
        subject: &Subject,
        phase: Phase,
        jobs: Vec<Job>,
        done_to: u64,
    ) -> Result<Done, Error> {
        let mut all = Done::default();
        let mut waiting = vec![(jobs, done_to)];
        while let Some((jobs, done_to)) = waiting.pop() {
            let mut outcome = self.attempt(subject, phase, &jobs, done_to, Indexes::Asked).await;
            if phase == Phase::Release
                && jobs.len() == 1
                && matches!(outcome, Err(Trouble::Refused(_)))
            {
                outcome = self.attempt(subject, phase, &jobs, done_to, Indexes::NotAsked).await;
            }
            match outcome {
                Ok(done) => {
                    all.changed += done.changed;
                    all.deleted += done.deleted;
                    all.refused.extend(done.refused);
                }
                Err(Trouble::Failed(error)) => return Err(error),
                Err(Trouble::Refused(why)) => {
                    if let [job] = jobs.as_slice() {
                        all.refused.push((job.clone(), why));
                        // Before the receipt of a batch behind it says that it was looked at.
                        let refused = &all.refused[all.refused.len() - 1..];
                        self.skip(subject, phase, refused).await?;
                        continue;
                    }
                    let mut first = jobs;
                    let second = first.split_off(first.len() / 2);
                    let between = second.first().map_or(0, |job| job.line.saturating_sub(1));
                    waiting.push((second, done_to));
                    waiting.push((first, between));
                }
            }
        }
        Ok(all)
    }

    /// Notes the groups of rows that were refused; those of rows that get back a key are noted already.
    async fn skip(
        &self,
        subject: &Subject,
        phase: Phase,
        refused: &[(Job, String)],
    ) -> Result<(), Error> {
        match phase {
            Phase::PutBack => Ok(()),
            _ => state::skip(self.session, self.repair, &subject.name, refused).await,
        }
    }

    async fn attempt(
        &self,
        subject: &Subject,
        phase: Phase,
        jobs: &[Job],
        done_to: u64,
        indexes: Indexes,
    ) -> Result<Done, Trouble> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = self.in_transaction(subject, phase, jobs, done_to, indexes).await;
            let Err(trouble) = outcome else { return outcome };
            if !self.session.is_closed() {
                self.session.batch("roll a batch back", "rollback").await?;
            }
            match trouble {
                Trouble::Failed(error)
                    if attempt < LOCK_ATTEMPTS
                        && matches!(error.sqlstate(), Some("55P03" | "40P01" | "40001")) =>
                {
                    if attempt + 1 == LOCK_ATTEMPTS {
                        return Err(Trouble::Failed(self.name_blocker(subject, error).await));
                    }
                }
                other => return Err(other),
            }
        }
    }

    async fn name_blocker(&self, subject: &Subject, error: Error) -> Error {
        let sql = "select pg_catalog.string_agg(distinct pg_catalog.format('%s (pid %s)', \
                   coalesce(nullif(a.application_name, ''), 'no name'), a.pid), ', ') \
                   from pg_catalog.pg_locks l \
                   join pg_catalog.pg_stat_activity a on a.pid = l.pid \
                   where l.relation = $1::int8::pg_catalog.oid and l.granted \
                     and l.pid <> pg_catalog.pg_backend_pid()";
        let who = self.session.query("name who holds the lock", sql, &[&subject.oid()]).await;
        let who = who.ok().and_then(|rows| rows.first()?.get::<_, Option<String>>(0));
        error.with_hint(format!(
            "`{}` is locked by {}: end it, then go on with the same command",
            subject.name,
            who.unwrap_or_else(|| "a session that has ended meanwhile".to_owned())
        ))
    }

    async fn in_transaction(
        &self,
        subject: &Subject,
        phase: Phase,
        jobs: &[Job],
        done_to: u64,
        indexes: Indexes,
    ) -> Result<Done, Trouble> {
        self.begin(subject, phase, jobs, indexes).await?;
        let mut done = Done::default();
        let wanted: BTreeSet<Tid> = jobs
            .iter()
            .flat_map(|job| [Some(job.tid), job.keep.map(|(tid, _)| tid)])
            .flatten()
            .collect();
        let places = self.locate(subject, &wanted).await?;
        let mut current: Vec<(&Job, Tid)> = Vec::new();
        let found = self
            .digests
            .read(self.session, &subject.name, places.values().flatten().map(|place| place.now))
            .await?;
        // Where it is what the plan says, or what this repair made of it.
        let as_planned = |tid: Tid, digest: RowDigest| {
            let place = places.get(&tid)?.as_ref()?;
            let now = *found.get(&place.now)?;
            (place.ours || now == digest).then_some((place.now, now))
        };
        let mut before = TableDigest::default();
        for job in jobs {
            if places.get(&job.tid).is_some_and(Option::is_none) {
                continue; // Deleted by this repair before.
            }
            let stays = job.keep.is_none_or(|(tid, digest)| as_planned(tid, digest).is_some());
            match as_planned(job.tid, job.digest) {
                Some((now, digest)) if stays => {
                    current.push((job, now));
                    before.add_row(digest);
                }
                Some(_) => {
                    done.refused.push((job.clone(), STAYS_CHANGED.to_owned()));
                }
                None => {
                    let why = "somebody else changed it since the plan was made";
                    done.refused.push((job.clone(), why.to_owned()));
                }
            }
        }
        let batch = state::next_batch(self.session).await?;
        let watched = if phase.deletes() { self.watched(subject).await? } else { 0 };
        let (mut deletes, mut updates) = (Vec::new(), Vec::new());
        let mut quiet = false;
        for (job, now) in current {
            match &job.what {
                What::Look => {}
                What::Delete => deletes.push((job, now)),
                What::DeleteTwin => deletes.push((job, now)),
                What::Twin(_) if self.can_quiet => {
                    quiet = true;
                    deletes.push((job, now));
                }
                What::Twin(values) | What::Update(values) => updates.push((job, now, values)),
            }
        }
        let changes_key = updates
            .iter()
            .any(|(_, _, values)| subject.referenced.iter().any(|key| values.contains_key(key)));
        if (quiet || changes_key) && self.can_quiet {
            self.session
                .batch("keep foreign keys quiet", "set local session_replication_role = replica")
                .await?;
        }
        done.deleted += self.delete(subject, batch, &deletes).await?;
        let moved = self.update(subject, batch, &updates).await?;
        done.changed += moved.len() as u64;
        if phase.deletes() {
            let after = self.watched(subject).await?;
            let own = if subject.refers_to_itself() { done.deleted } else { 0 };
            if after != watched + own {
                return Err(Trouble::Refused(
                    "rows still refer to it, and would have gone or changed with it".to_owned(),
                ));
            }
        }
        let left = self.digests.read(self.session, &subject.name, moved.into_iter()).await?;
        let mut after = TableDigest::default();
        left.values().for_each(|digest| after.add_row(*digest));
        self.end(subject).await?;
        let receipt = BatchReceipt {
            repair: self.repair,
            phase: phase.name(),
            place: subject.place,
            line: i64::try_from(done_to).unwrap_or(i64::MAX),
            rows: i64::try_from(done.changed + done.deleted).unwrap_or(i64::MAX),
            before,
            after,
        };
        receipt.insert(self.session, batch).await?;
        self.skip(subject, phase, &done.refused).await?;
        self.session.batch("commit a batch", "commit").await?;
        Ok(done)
    }

    /// Locks, triggers, plans.
    async fn begin(
        &self,
        subject: &Subject,
        phase: Phase,
        jobs: &[Job],
        indexes: Indexes,
    ) -> Result<(), Error> {
        let mut tables = vec![format!("only {}", subject.name.quoted())];
        if phase.deletes() {
            tables
                .extend(subject.children.iter().map(|(_, name)| format!("only {}", name.quoted())));
        }
        tables.sort_unstable();
        tables.dedup();
        let mut sql = format!(
            "begin; set local lock_timeout = {}; lock table {} in share row exclusive mode; \
             set constraints all immediate;",
            self.lock_timeout_ms,
            tables.join(", ")
        );
        sql.push_str(&subject.quiet_triggers());
        if indexes == Indexes::NotAsked {
            sql.push_str(
                "set local enable_seqscan = on; set local enable_indexscan = off; \
                 set local enable_indexonlyscan = off; set local enable_bitmapscan = off;",
            );
        }
        let rows = jobs.len();
        self.session.batch(&format!("lock `{}` for {rows} rows", subject.name), &sql).await?;
        // What is deleted is kept with the columns that could be written then.
        subject.ensure_as_it_was(self.session, "the repair").await
    }

    async fn end(&self, subject: &Subject) -> Result<(), Error> {
        let sql = subject.restore_triggers();
        if sql.is_empty() {
            return Ok(());
        }
        self.session.batch(&format!("put the triggers of `{}` back", subject.name), &sql).await
    }

    /// Where rows are now; none inside for one that this repair has deleted.
    async fn locate(
        &self,
        subject: &Subject,
        wanted: &BTreeSet<Tid>,
    ) -> Result<HashMap<Tid, Option<Place>>, Error> {
        let ctids: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let mut places: HashMap<Tid, Option<Place>> =
            wanted.iter().map(|tid| (*tid, Some(Place { now: *tid, ours: false }))).collect();
        // A join on ctid is a scan of the whole table before 12: in two steps.
        let touched = self
            .session
            .query(
                "look up where rows are now",
                // Row by row through the index, however many there are: `+ 0`, as the table is said
                // to be small and a walk along its ids to be cheap.
                "select p.ctid::text, last.now_ctid::text, last.now_xid \
                   from pg_catalog.unnest($3::text[]::pg_catalog.tid[]) as p (ctid) \
                  cross join lateral ( \
                        select u.now_ctid, u.now_xid from pghaul.undo_row as u \
                         where u.repair = $1 and u.place = $2 and u.plan_ctid = p.ctid \
                         order by u.id + 0 desc limit 1) as last",
                &[&self.repair, &subject.place, &ctids],
            )
            .await?;
        if touched.is_empty() {
            return Ok(places);
        }
        let now: Vec<String> =
            touched.iter().filter_map(|row| row.get::<_, Option<String>>(1)).collect();
        let sql = format!(
            "select t.ctid::text, t.xmin::text from only {} as t \
             where t.ctid = any ($1::text[]::pg_catalog.tid[])",
            subject.name.quoted()
        );
        let doing = format!("look at rows of `{}`", subject.name);
        let versions: HashMap<String, String> = self
            .session
            .query(&doing, &sql, &[&now])
            .await?
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        for row in &touched {
            let Some(plan) = Tid::from_text(row.get::<_, &str>(0).as_bytes()) else { continue };
            let now: Option<String> = row.get(1);
            let xid: Option<String> = row.get(2);
            let place = match now {
                None => None,
                Some(now) => {
                    let ours = versions.get(&now) == xid.as_ref();
                    let tid = Tid::from_text(now.as_bytes());
                    // Not ours any more: nothing has this digest, so it is refused.
                    tid.map(|now| Place { now, ours })
                }
            };
            places.insert(plan, place);
        }
        Ok(places)
    }

    /// Jobs whose row that stays is neither what the plan says nor what this repair made of it, and why.
    pub(super) async fn of_changed_rows(
        &self,
        subject: &Subject,
        jobs: &[Job],
    ) -> Result<Vec<(Job, String)>, Error> {
        let wanted = jobs.iter().filter_map(|job| Some(job.keep?.0)).collect();
        let places = self.locate(subject, &wanted).await?;
        let now = places.values().flatten().map(|place| place.now);
        let found = self.digests.read(self.session, &subject.name, now).await?;
        let is_as_planned = |job: &&Job| {
            job.keep.is_none_or(|(tid, digest)| {
                let place = places.get(&tid).and_then(Option::as_ref);
                place.is_some_and(|place| match found.get(&place.now) {
                    Some(now) => place.ours || *now == digest,
                    None => false,
                })
            })
        };
        let changed = jobs.iter().filter(|job| !is_as_planned(job));
        Ok(changed.map(|job| (job.clone(), STAYS_CHANGED.to_owned())).collect())
    }

    /// Where rows are now that are there at all.
    pub(super) async fn places(
        &self,
        subject: &Subject,
        wanted: &BTreeSet<Tid>,
    ) -> Result<HashMap<Tid, Tid>, Error> {
        let places = self.locate(subject, wanted).await?;
        Ok(places.into_iter().filter_map(|(plan, place)| Some((plan, place?.now))).collect())
    }

    /// Columns of rows, as text.
    pub(super) async fn values(
        &self,
        subject: &Subject,
        columns: &[&str],
        tids: impl Iterator<Item = &Tid>,
    ) -> Result<Vec<(Tid, Vec<Option<String>>)>, Error> {
        let ctids: Vec<String> = tids.map(ToString::to_string).collect();
        let list: Vec<String> = columns.iter().map(|column| text_of(column)).collect();
        let sql = format!(
            "select t.ctid::text, array[{}]::text[] from only {} as t \
             where t.ctid = any ($1::text[]::pg_catalog.tid[])",
            list.join(", "),
            subject.name.quoted()
        );
        let doing = format!("read rows of `{}`", subject.name);
        let rows = self.session.query(&doing, &sql, &[&ctids]).await?;
        Ok(rows
            .iter()
            .filter_map(|row| Some((Tid::from_text(row.get::<_, &str>(0).as_bytes())?, row.get(1))))
            .collect())
    }

    /// How many rows of tables with foreign keys to this one were changed or deleted in this
    /// transaction.
    async fn watched(&self, subject: &Subject) -> Result<u64, Error> {
        if subject.children.is_empty() {
            return Ok(0);
        }
        let oids: Vec<i64> = subject.children.iter().map(|(oid, _)| *oid).collect();
        let row = self
            .session
            .query_one(
                "look at what foreign keys did",
                "select coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_updated(o::pg_catalog.oid) \
                        + pg_catalog.pg_stat_get_xact_tuples_deleted(o::pg_catalog.oid)), 0)::int8 \
                   from pg_catalog.unnest($1::int8[]) as o",
                &[&oids],
            )
            .await?;
        Ok(crate::catalog::size(row.get(0)))
    }
}
