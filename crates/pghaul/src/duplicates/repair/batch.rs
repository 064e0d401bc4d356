//! One batch: some rows of one table, in one transaction with their undo rows and the receipt.
//!
//! Invariants: a row is touched only if it is where and what the plan says, or where this repair
//! left it; nothing else than what the plan names changes, a cascade of the server's aborts the
//! batch; triggers of the user do not fire, and each is put back into the state that it had.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pghaul_rows::{TableDigest, Tid};

use super::script::{Job, Phase, What};
use super::state::{self, BatchReceipt};
use super::subject::Subject;
use crate::connect::Session;
use crate::duplicates::plan::digests::Digests;
use crate::duplicates::plan::file::Values;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, literal};

/// How often a batch waits for locks that somebody else has.
const LOCK_ATTEMPTS: u32 = 10;

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

/// Why a batch did not do it.
enum Trouble {
    /// With fewer rows it may work, and with one it says which.
    Refused(String),
    Failed(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        // What the data forbids: class 23, and what a rule of the user's own raises.
        match error.sqlstate() {
            Some(state) if state.starts_with("23") => {
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
            match self.attempt(subject, phase, &jobs, done_to).await {
                Ok(done) => {
                    all.changed += done.changed;
                    all.deleted += done.deleted;
                    all.refused.extend(done.refused);
                }
                Err(Trouble::Failed(error)) => return Err(error),
                Err(Trouble::Refused(why)) => {
                    if let [job] = jobs.as_slice() {
                        all.refused.push((job.clone(), why));
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

    async fn attempt(
        &self,
        subject: &Subject,
        phase: Phase,
        jobs: &[Job],
        done_to: u64,
    ) -> Result<Done, Trouble> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = self.in_transaction(subject, phase, jobs, done_to).await;
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
    ) -> Result<Done, Trouble> {
        self.begin(subject, phase, jobs).await?;
        let mut done = Done::default();
        let places = self.locate(subject, jobs).await?;
        let mut current: Vec<(&Job, Tid)> = Vec::new();
        let found = self
            .digests
            .read(self.session, &subject.name, places.values().flatten().map(|place| place.now))
            .await?;
        let mut before = TableDigest::default();
        for job in jobs {
            let Some(place) = places.get(&job.tid).and_then(Option::as_ref) else {
                continue; // Deleted by this repair before.
            };
            match found.get(&place.now) {
                Some(digest) if place.ours || *digest == job.digest => {
                    current.push((job, place.now));
                    before.add_row(*digest);
                }
                _ => {
                    let why = "somebody else changed it since the plan was made".to_owned();
                    done.refused.push((job.clone(), why));
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
        self.session.batch("commit a batch", "commit").await?;
        Ok(done)
    }

    /// Locks, triggers, plans.
    async fn begin(&self, subject: &Subject, phase: Phase, jobs: &[Job]) -> Result<(), Error> {
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
        if phase == Phase::Release {
            sql.push_str(
                "set local enable_indexscan = off; set local enable_indexonlyscan = off; \
                 set local enable_bitmapscan = off;",
            );
        }
        let rows = jobs.len();
        self.session.batch(&format!("lock `{}` for {rows} rows", subject.name), &sql).await
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
        jobs: &[Job],
    ) -> Result<HashMap<Tid, Option<Place>>, Error> {
        let ctids: Vec<String> = jobs.iter().map(|job| job.tid.to_string()).collect();
        let mut places: HashMap<Tid, Option<Place>> =
            jobs.iter().map(|job| (job.tid, Some(Place { now: job.tid, ours: false }))).collect();
        // A join on ctid is a scan of the whole table before 12: in two steps.
        let touched = self
            .session
            .query(
                "look up where rows are now",
                "select distinct on (u.plan_ctid) u.plan_ctid::text, u.now_ctid::text, u.now_xid \
                   from pghaul.undo_row as u \
                  where u.repair = $1 and u.place = $2 \
                    and u.plan_ctid = any ($3::text[]::pg_catalog.tid[]) \
                  order by u.plan_ctid, u.id desc",
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

    async fn delete(
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
               returning t.ctid::text as now, array[{}]::text[] as tuple) \
             insert into pghaul.undo_row (repair, batch, place, plan_ctid, columns, tuple) \
             select $3, $4, $5, j.plan::pg_catalog.tid, {}, gone.tuple \
               from gone \
               join rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) \
                 as j (now, plan) on j.now = gone.now",
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
    async fn update(
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
            sets.push(format!("{quoted} = n.v{at}::{}", subject.type_of(column)));
            texts.push(text_of(column));
        }
        let list: Vec<String> = columns.iter().map(|column| (*column).clone()).collect();
        let table = subject.name.quoted();
        let sql = format!(
            "with n as ( \
               select n.* from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]){arrays}) \
                 as n (now, plan{fields})), \
             old as ( \
               select t.ctid::text as now, array[{texts}]::text[] as tuple from only {table} as t \
                where t.ctid = any ($1::text[]::pg_catalog.tid[])), \
             done as ( \
               update only {table} as t set {sets} from n \
                where t.ctid = any ($1::text[]::pg_catalog.tid[]) and n.now = t.ctid::text \
               returning n.now, n.plan, t.ctid as moved) \
             insert into pghaul.undo_row (repair, batch, place, plan_ctid, now_ctid, now_xid, columns, tuple) \
             select $3, $4, $5, done.plan::pg_catalog.tid, done.moved, \
                    (pg_catalog.txid_current() % 4294967296)::text, {list}, old.tuple \
               from done join old on old.now = done.now \
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

/// A column as text, or NULL.
fn text_of(column: &str) -> String {
    let column = format!("t.{}", Ident::new(column).quoted());
    format!("case when {column} is not null then pg_catalog.format('%s', {column}) end")
}

/// `array['a', 'b']::text[]`.
pub(in crate::duplicates) fn names(columns: &[String]) -> String {
    let list: Vec<String> = columns.iter().map(|column| literal(column)).collect();
    format!("array[{}]::text[]", list.join(", "))
}

/// The groups of jobs.
pub(super) fn groups_of(jobs: &[(Job, String)]) -> BTreeSet<u32> {
    jobs.iter().flat_map(|(job, _)| job.groups.iter().copied()).collect()
}
