//! Does what a plan says: in phases over all groups, each in batches, each batch one transaction
//! with its undo rows and its receipt.
//!
//! 1. All rows of the plan are looked at. Groups with a row that is not what it was are left alone,
//!    with all groups that are linked to them; where that is most of them, the plan was made for
//!    other data, and is refused.
//! 2. *Release*: rows that go give up the keys that they share, rows that nothing can refer to are
//!    deleted. No index is asked. Rows that can give up none of their keys are deleted before, once
//!    what refers to them is changed.
//! 3. *Rebuild*: the indexes that had duplicates.
//! 4. *Change*: rows that referred to rows that go refer to those that stay, and these take in what
//!    the others had.
//! 5. *Delete*: rows that go are deleted, children first, and only where nothing refers to them any
//!    more. References without a foreign key are looked for in one pass over each table; foreign
//!    keys without an index get one for the time being.
//! 6. *Put back*: rows of groups that were left alone after they gave up a key get it back, where no
//!    other row has it.
//! 7. *Recount*: numbers of rows that the rules know are counted anew.
//!
//! Invariants: killed at any instant it goes on with the same plan; what a batch did is there with
//! its undo rows or not at all; a row that somebody else changed is left alone and reported.

pub mod accounting;
mod batch;
mod expressions;
mod forget;
mod indexes;
mod look;
mod put_back;
mod recount;
mod report;
mod script;
pub(in crate::duplicates) mod state;
mod strangers;
pub(in crate::duplicates) mod subject;
mod subscribers;

pub use forget::forget;

pub(in crate::duplicates) use batch::names;
pub(in crate::duplicates) use indexes::drop_temporary;
pub(in crate::duplicates) use report::keys_given_up;

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use pghaul_rows::Tid;

use self::batch::{Bench, Done};
use self::script::{Job, Phase, Script};
use self::subject::Subject;
use super::plan::digests::Digests;
use super::plan::file::TableLine;
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::finding::{Finding, Severity};
use crate::run::Stop;
use crate::state::DatabaseIdentity;

/// How a repair works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairOptions {
    /// Rows of one transaction, 1 at least. A group is not cut.
    pub batch_rows: usize,
    /// Bytes for rows of the plan that are held at once. A batch whose rows need more is a shorter
    /// one, and keys that are looked for in a table need more passes over it.
    pub memory: u64,
}

/// 1000 rows, 64 MiB.
impl Default for RepairOptions {
    fn default() -> Self {
        Self { batch_rows: 1000, memory: 64 << 20 }
    }
}

impl RepairOptions {
    /// Bytes of the jobs of one batch: they are held as parameters of statements too.
    fn batch_bytes(&self) -> u64 {
        self.memory / 16
    }

    /// Bytes for keys that are looked for in one pass over a table.
    fn pass_bytes(&self) -> u64 {
        self.memory / 4
    }
}

/// What a repair did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Repaired {
    /// Groups of the plan.
    pub groups: u64,
    /// Of these, left alone because somebody changed a row meanwhile, or the server refused.
    pub skipped: u64,
    /// Rows of these that gave up a key before and could not get it back: they have NULL or a
    /// placeholder in its place. Counted once it is finished.
    pub keyless: u64,
    /// Questions of the plan that nobody has answered.
    pub asked: u64,
    /// Rows deleted, by this call.
    pub deleted: u64,
    /// Rows changed, by this call; a row can be changed more than once.
    pub changed: u64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Below this, tables would be read for a handful of rows each time.
const LEAST_MEMORY: u64 = 1 << 20;

/// Refuses a budget that is too small to work in.
pub(in crate::duplicates) fn check_memory(given: u64) -> Result<(), Error> {
    if given >= LEAST_MEMORY {
        return Ok(());
    }
    let what = format!("{given} bytes of memory are too few");
    Err(Error::new(ErrorKind::Usage, what).with_hint("give 1MiB or more with --memory"))
}

/// Does what the plan says, or goes on with it. `observer` hears of each phase and batch.
///
/// # Errors
/// [`ErrorKind::Usage`] for what is no plan, and for less than 1 MiB of memory;
/// [`ErrorKind::Preflight`] for one made for other data,
/// and for what the server would refuse: then nothing was written; [`ErrorKind::RunState`] when
/// another repair is at work or unfinished; else what the server said, and the same call goes on.
pub async fn repair(
    database: &Endpoint,
    plan: &Path,
    options: RepairOptions,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Repaired, Error> {
    check_memory(options.memory)?;
    let script = Script::read(plan)?;
    let session = database.connect(Purpose::Write, "repair").await?;
    by_ctid(&session).await?;
    let here = DatabaseIdentity::of(&session, database);
    if !here.may_be(&script.header.database) {
        return Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "the plan was made for database {} of another server",
                script.header.database.database
            ),
        )
        .with_hint("make the plan on the database that is to be repaired"));
    }
    state::claim(&session).await?;
    let known = state::load(&session).await?;
    let unfinished = known.iter().find(|repair| !repair.finished && !repair.undone);
    let finished = known.iter().any(|r| r.finished && !r.undone && r.plan == script.digest);
    if finished {
        return Err(Error::new(ErrorKind::RunState, "this plan was carried out already")
            .with_hint("look again with `pghaul duplicates scan`"));
    }
    if let Some(other) = unfinished.filter(|repair| repair.plan != script.digest) {
        return Err(Error::new(
            ErrorKind::RunState,
            format!("repair {} of this database, by another plan, is not finished", other.id),
        )
        .with_hint("go on with its plan, or take it back with `pghaul duplicates undo`"));
    }
    let mut refused = Vec::new();
    subject::check_server(&session, &mut refused).await?;
    let mut subjects = Vec::new();
    for (place, table) in (0_i32..).zip(&script.tables) {
        subjects.push(Subject::read(&session, place, table, &mut refused).await?);
    }
    indexes::look_at_rights(&session, &script, &subjects, &mut refused).await?;
    let can_quiet = can_quiet(&session).await?;
    for table in script.tables.iter().filter(|_| !can_quiet) {
        let twins = Twins::of(&script, table)?;
        if table.follows_updates && twins != Twins::None {
            refused.push(format!(
                "{}: foreign keys to it follow updates of the key (ON UPDATE CASCADE), and only a \
                 superuser can keep them quiet",
                table.table
            ));
        } else if twins == Twins::Fixed {
            refused.push(format!(
                "{}: rows share the key by which others refer to them, no other key can be made for \
                 them, and only a superuser can keep foreign keys quiet while one of them goes",
                table.table
            ));
        } else if moves_keys(&script, table)? {
            refused.push(format!(
                "{}: rows get another key by which others refer to them, since it is made of what is merged, \
                 and only a superuser can keep foreign keys quiet meanwhile (or take the groups that need it \
                 out of the plan)",
                table.table
            ));
        }
    }
    subject::refuse(&refused)?;
    let digests = Digests::of(&session).await?;
    let mut findings = writers(&session).await?;
    findings.extend(subscribers::of_all_tables(&session).await?);
    let repairing = Repairing {
        script: &script,
        subjects: &subjects,
        options,
        observer,
        stop,
        findings,
        bench: Bench {
            session: &session,
            digests: &digests,
            repair: unfinished.map_or_else(|| known.first().map_or(1, |r| r.id + 1), |r| r.id),
            lock_timeout_ms: lock_timeout(&session).await?,
            can_quiet,
        },
        skipped: HashSet::new(),
        uncounted: 0,
        done: Repaired::default(),
    };
    repairing.run(unfinished.is_some()).await
}

/// Whether foreign keys can be kept quiet.
pub(in crate::duplicates) async fn can_quiet(session: &Session) -> Result<bool, Error> {
    let doing = "see whether foreign keys can be kept quiet";
    session.batch(doing, "begin").await?;
    let quiet = session.batch(doing, "set local session_replication_role = replica").await.is_ok();
    session.batch(doing, "rollback").await?;
    Ok(quiet)
}

/// Whether keys by which others refer are given up, for which foreign keys have to be kept quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twins {
    None,
    /// They get another key.
    Movable,
    /// No other key can be made for some of them.
    Fixed,
}

impl Twins {
    fn of(script: &Script, table: &TableLine) -> Result<Self, Error> {
        let mut twins = Self::None;
        let Some(place) = script.tables.iter().position(|other| other.table == table.table) else {
            return Ok(twins);
        };
        let mut jobs = script.jobs(Phase::Release, place)?;
        while let Some(job) = jobs.next_job()? {
            match &job.what {
                script::What::Twin(values) if values.is_empty() => return Ok(Self::Fixed),
                script::What::Twin(_) => twins = Self::Movable,
                script::What::Update(values)
                    if table.referenced.iter().any(|key| values.contains_key(key)) =>
                {
                    twins = Self::Movable;
                }
                _ => {}
            }
        }
        Ok(twins)
    }
}

/// Whether rows that stay get another key by which others refer to them.
fn moves_keys(script: &Script, table: &TableLine) -> Result<bool, Error> {
    let place = script.tables.iter().position(|other| other.table == table.table);
    for phase in [Phase::ChangeFirst, Phase::Change] {
        let Some(place) = place.filter(|_| !table.referenced.is_empty()) else { break };
        let mut jobs = script.jobs(phase, place)?;
        while let Some(job) = jobs.next_job()? {
            if let script::What::Update(values) = &job.what
                && table.referenced.iter().any(|key| values.contains_key(key))
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Rows are fetched by ctid: in small tables too, where the planner would rather read all of it.
pub(in crate::duplicates) async fn by_ctid(session: &Session) -> Result<(), Error> {
    // A scan that has no other way costs so much then that it would be compiled.
    let sql = "select pg_catalog.set_config(s.name, 'off', false) from pg_catalog.pg_settings s \
                where s.name in ('enable_seqscan', 'jit')";
    session.query("have rows fetched by ctid", sql, &[]).await.map(drop)
}

/// Above `deadlock_timeout`: then a waiting lock has sent autovacuum away.
pub(in crate::duplicates) async fn lock_timeout(session: &Session) -> Result<u64, Error> {
    let sql = "select setting::int8 from pg_catalog.pg_settings where name = 'deadlock_timeout'";
    let row = session.query_one("read deadlock_timeout", sql, &[]).await?;
    Ok(crate::catalog::size(row.get(0)).saturating_add(4000))
}

/// Sessions of others, told before anything is done.
async fn writers(session: &Session) -> Result<Vec<Finding>, Error> {
    let rows = session
        .query(
            "look for other sessions",
            "select coalesce(nullif(a.application_name, ''), 'no name'), \
                    pg_catalog.count(*), pg_catalog.count(*) filter (where a.xact_start is not null) \
               from pg_catalog.pg_stat_activity a \
              where a.datname = pg_catalog.current_database() \
                and a.pid <> pg_catalog.pg_backend_pid() \
                and a.usename is not null \
                and a.application_name !~ '^pghaul( |$)' \
                and a.query !~ '^autovacuum:' \
              group by 1 order by 1",
            &[],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let (name, sessions, busy): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            let severity = if busy > 0 { Severity::Warning } else { Severity::Note };
            Finding::new(
                severity,
                "other_sessions",
                format!("{sessions} sessions of {name} are connected, {busy} in a transaction"),
                "stop the application while the database is repaired: groups with rows that it \
                 changes are left alone",
            )
        })
        .collect())
}

struct Repairing<'a> {
    script: &'a Script,
    subjects: &'a [Subject],
    options: RepairOptions,
    observer: &'a dyn Observer,
    stop: &'a Stop,
    findings: Vec<Finding>,
    bench: Bench<'a>,
    /// Numbers of clusters that are left alone.
    skipped: HashSet<u32>,
    /// Rows whose numbers could not be counted anew.
    uncounted: u64,
    done: Repaired,
}

impl Repairing<'_> {
    async fn run(mut self, resumes: bool) -> Result<Repaired, Error> {
        for finding in &self.findings {
            self.observer.on_event(&Event::Found(finding));
        }
        if resumes {
            self.load_skipped().await?;
        } else {
            self.look().await?;
        }
        let all: Vec<usize> = (0..self.subjects.len()).collect();
        let backwards: Vec<usize> = all.iter().rev().copied().collect();
        let mut go_on = self.phase(Phase::ChangeFirst, &all).await?;
        go_on = go_on && self.phase(Phase::DeleteFirst, &backwards).await?;
        go_on = go_on && self.phase(Phase::Release, &all).await?;
        go_on = go_on && self.rebuild().await?;
        if go_on {
            self.look_at_rows_that_stay().await?;
            go_on = self.phase(Phase::Change, &all).await?;
        }
        if go_on {
            self.add_indexes().await?;
            go_on = self.phase(Phase::Delete, &backwards).await?;
        }
        if go_on {
            self.drop_indexes().await?;
            self.look_for_orphans().await?;
            go_on = self.put_back().await?;
        }
        if go_on {
            go_on = self.recount().await?;
        }
        if go_on {
            let sql =
                "update pghaul.repair set finished = pg_catalog.clock_timestamp() where id = $1";
            self.bench.session.execute("finish the repair", sql, &[&self.bench.repair]).await?;
        }
        self.done.stopped = !go_on;
        self.report().await
    }

    fn step(&self, what: &str, begun: Instant) {
        self.observer.on_event(&Event::StepCommitted {
            kind: "REPAIR",
            object: what,
            took: begun.elapsed(),
        });
    }

    /// False if it was asked to stop.
    async fn phase(&mut self, phase: Phase, places: &[usize]) -> Result<bool, Error> {
        for place in places {
            if !self.table(phase, *place).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn table(&mut self, phase: Phase, place: usize) -> Result<bool, Error> {
        let subjects = self.subjects;
        let subject = &subjects[place];
        let session = self.bench.session;
        let done = state::done(session, self.bench.repair, phase.name(), subject.place).await?;
        let done = done.and_then(|line| u64::try_from(line).ok()).unwrap_or(0);
        let script = self.script;
        let mut jobs = script.jobs(phase, place)?;
        let mut some: Vec<Job> = Vec::new();
        let mut rows: HashSet<Tid> = HashSet::new();
        let mut bytes = 0;
        let referred = if phase == Phase::Delete {
            self.still_referred_to(place, done).await?
        } else {
            HashSet::new()
        };
        loop {
            let job = jobs.next_job()?;
            let full = some.len() >= self.options.batch_rows || bytes >= self.options.batch_bytes();
            let cut = match &job {
                // A row is touched once in a batch: its undo rows follow each other.
                Some(job) => {
                    (full && some.last().is_some_and(|last| last.line != job.line))
                        || rows.contains(&job.tid)
                }
                None => !some.is_empty(),
            };
            if cut {
                let done_to = job.as_ref().map_or_else(
                    || some.last().map_or(0, |last| last.line),
                    |next| next.line.saturating_sub(1),
                );
                rows.clear();
                bytes = 0;
                let begun = Instant::now();
                let outcome =
                    self.bench.run(subject, phase, std::mem::take(&mut some), done_to).await?;
                self.take_in(&outcome);
                self.step(&format!("{} {}", phase.name(), subject.name), begun);
                if self.stop.soon.is_cancelled() || self.stop.now.is_cancelled() {
                    return Ok(false);
                }
            }
            let Some(job) = job else { return Ok(true) };
            let left_alone = job
                .groups
                .iter()
                .any(|group| self.skipped.contains(&jobs.script().cluster(*group)));
            if job.line <= done || left_alone {
                continue;
            }
            if referred.contains(&job.tid) {
                let why = "rows that the plan does not know refer to it".to_owned();
                let done = Done { refused: vec![(job, why)], ..Done::default() };
                state::skip(session, self.bench.repair, &subject.name, &done.refused).await?;
                self.take_in(&done);
                continue;
            }
            rows.insert(job.tid);
            bytes += job.bytes();
            some.push(job);
        }
    }

    /// What a batch did. What it refused is noted.
    fn take_in(&mut self, done: &Done) {
        self.done.changed += done.changed;
        self.done.deleted += done.deleted;
        let groups = done.refused.iter().flat_map(|(job, _)| &job.groups);
        self.skipped.extend(groups.map(|group| self.script.cluster(*group)));
    }
}
