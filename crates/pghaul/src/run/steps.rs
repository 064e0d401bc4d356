//! Steps: everything that is not rows, each with a receipt in its own transaction.
//!
//! Invariants: a step's statement and its receipt are one transaction (but for sequences, which know
//! none); a statement that the target's rows forbid (a duplicate key, an orphan) is a finding and
//! everything independent of it goes on; statements may hold passwords and are never shown.
//!
//! Small steps go together: one round trip claims them all, one runs them all, each in its own
//! transaction, in their order, whatever becomes of those before it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::board::{TaskId, Verdict};
use super::claim::ClaimKey;
use super::evidence;
use super::lane::lost;
use super::options::Scope;
use super::origin::Origin;
use super::work::{Run, Sessions, Work};
use crate::connect::{Purpose, Session};
use crate::duplicates::IndexDefinition;
use crate::error::Error;
use crate::event::Event;
use crate::finding::{Finding, Severity};
use crate::name::{RelationName, literal};
use crate::schema::step::{Makes, Stage};
use crate::schema::{Kind, Step};
use crate::state::StepReceipt;
use crate::version::ServerVersion;

/// A step of the schema, with what the run needs to know beside it.
pub(super) struct SchemaStep {
    pub(super) step: Step,
    /// What drops it again.
    pub(super) undo: String,
    /// What drops a foreign key, a trigger or a rule while its table stays; else empty.
    pub(super) drops: String,
    /// The OID of the object on the source; 0 if none.
    pub(super) source_oid: u32,
}

/// What a step adds to the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    Index,
    Constraint,
}

impl Counts {
    /// Its name in receipts.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Constraint => "constraint",
        }
    }
}

impl SchemaStep {
    /// What it counts as, if it is counted: a key's index and its constraint are two steps.
    pub(super) fn counts(&self) -> Option<Counts> {
        match (&self.step.kind, self.step.makes) {
            (_, Makes::KeyIndex) | (Kind::Index, Makes::Entry) => Some(Counts::Index),
            (Kind::Constraint | Kind::CheckConstraint, Makes::Entry)
            | (Kind::FkConstraint, Makes::Entry | Makes::ForeignKey) => Some(Counts::Constraint),
            _ => None,
        }
    }

    fn statement(&self) -> Statement<'_> {
        Statement {
            key: Cow::Borrowed(&self.step.key),
            kind: self.step.kind.name(),
            object: Cow::Borrowed(&self.step.object),
            doing: self.step.doing(),
            sql: Cow::Borrowed(self.step.sql()),
            undo: &self.undo,
            resources: &[],
            result: self.counts().map_or("", Counts::name),
        }
    }
}

/// What one step runs.
struct Statement<'a> {
    key: Cow<'a, str>,
    kind: &'a str,
    object: Cow<'a, str>,
    doing: String,
    /// May hold a password.
    sql: Cow<'a, str>,
    undo: &'a str,
    /// What no other process may use meanwhile.
    resources: &'a [String],
    result: &'a str,
}

impl Sessions<'_> {
    /// Runs steps, statistics included, one after the other in their order, and gives what became of
    /// each.
    ///
    /// # Errors
    /// When the connection is lost: then receipts decide what is done.
    pub(super) async fn run_steps(
        &mut self,
        ids: &[TaskId],
    ) -> Result<Vec<Result<Verdict, Error>>, Error> {
        let run = self.run;
        self.open_target(Purpose::Schema).await?;
        let target = self.target.as_ref().ok_or_else(lost)?;
        let tasks = || ids.iter().map(|id| run.board.task(*id));
        let statements: Vec<Statement<'_>> = tasks()
            .filter_map(|task| match &task.work {
                Work::Schema(at) => {
                    let statement = run.steps[*at].statement();
                    let sql = match path_of(run, &run.steps[*at], target.version()) {
                        Some(path) => under(path, &statement.sql).into(),
                        None => statement.sql,
                    };
                    Some(Statement { resources: &task.resources, sql, ..statement })
                }
                Work::Analyze(name) => Some(analyze(run.key(&task.work), name)),
                _ => None,
            })
            .collect();
        for work in tasks().map(|task| &task.work) {
            if let Work::Schema(at) = work {
                let step = &run.steps[*at].step;
                let (kind, object) = (step.kind.name(), step.object.as_str());
                run.observer.on_event(&Event::StepStarted { kind, object });
            }
        }
        let ran = run_all(target, &run.id, &statements, &run.transfer.worker).await?;
        let mut verdicts = Vec::with_capacity(ran.len());
        for (task, ran) in tasks().zip(ran) {
            verdicts.push(match &task.work {
                Work::Schema(at) => self.schema_step(*at, ran).await,
                Work::Analyze(name) => Ok(self.analyzed(name, ran)),
                _ => Err(lost()),
            });
        }
        Ok(verdicts)
    }

    async fn schema_step(&self, at: usize, ran: Result<Ran, Error>) -> Result<Verdict, Error> {
        let run = self.run;
        let step = &run.steps[at];
        match ran {
            Ok(Ran::Elsewhere) => Ok(Verdict::Elsewhere),
            Ok(Ran::Before) => {
                run.ledger.step(run, at, Duration::ZERO);
                Ok(Verdict::Done)
            }
            Ok(Ran::Now(took)) => {
                run.ledger.step(run, at, took);
                Ok(Verdict::Done)
            }
            Err(error) if is_of_the_data(&error) => {
                let finding = self.data_finding(step, &error).await?;
                run.find(finding);
                Ok(Verdict::LeftOut)
            }
            Err(error) if step.step.stage == Stage::Refresh => {
                run.find(not_refreshed(step, &error));
                Ok(Verdict::LeftOut)
            }
            Err(error) if step.step.stage == Stage::Statistics => {
                run.find(without_statistics(&error).about(&step.step.object));
                Ok(Verdict::Done)
            }
            Err(error) => Err(step.step.failure(error)),
        }
    }

    /// Why the rows forbid a step, with what it takes to mend them.
    async fn data_finding(&self, step: &SchemaStep, error: &Error) -> Result<Finding, Error> {
        let run = self.run;
        let target = self.target.as_ref().ok_or_else(lost)?;
        // Without a server, the statements say what the keys are.
        let source = match run.origin.server() {
            Some(source) => Some(source.connect(Purpose::Catalog, "evidence").await?),
            None => None,
        };
        let (code, message, remedy) = match error.sqlstate() {
            Some("23505") => {
                let groups = async {
                    match self.definition_of(step, source.as_ref()).await? {
                        Some(definition) => {
                            let on_target = (&*run.target, target);
                            evidence::duplicate_groups(definition, on_target, &step.step.object)
                                .await
                        }
                        None => Ok(None),
                    }
                };
                let count = match Box::pin(groups).await {
                    Ok(Some(found)) => found.to_string(),
                    Ok(None) => "rows share its key".to_owned(),
                    Err(error) if target.is_closed() => return Err(error),
                    // The rows are as they are, and so is the rest of the run.
                    Err(error) => format!(
                        "rows share its key; which, cannot be said: {}",
                        error.in_one_line()
                    ),
                };
                (
                    "duplicates",
                    format!("the unique index could not be built: {count}"),
                    format!("mend the groups, then go on with {}", run.origin.go_on()),
                )
            }
            Some("23503") => {
                // Without the schema, the key is one that the target has already.
                let data_only = run.options.scope == Scope::DataOnly;
                let mut found = match &step.step.relation {
                    _ if data_only => evidence::orphans(target, target, step.source_oid).await?,
                    Some(table) => self.orphans_by_name(step, table).await?,
                    None => None,
                };
                // Where it could not be made before its rows were looked at, only the source has it.
                if let (None, Some(source), false) = (&found, &source, data_only) {
                    found = evidence::orphans(source, target, step.source_oid).await?;
                }
                let rows = found.map_or_else(
                    || "rows refer to rows that are not there".to_owned(),
                    |found| found.to_string(),
                );
                (
                    "orphans",
                    format!("the foreign key could not be validated: {rows}"),
                    format!("mend the rows named, then go on with {}", run.origin.go_on()),
                )
            }
            _ => (
                "constraint_violated",
                format!("{} could not be created: rows violate it", step.step.kind),
                format!("mend the rows on the target, then go on with {}", run.origin.go_on()),
            ),
        };
        Ok(Finding::new(Severity::Warning, code, message, remedy).about(&step.step.object))
    }

    /// What a unique index that could not be built compares: the source knows it, else its
    /// statement.
    async fn definition_of(
        &self,
        step: &SchemaStep,
        source: Option<&Session>,
    ) -> Result<Option<IndexDefinition>, Error> {
        if let Some(source) = source {
            return IndexDefinition::of(source, step.source_oid).await;
        }
        let Some(table) = &step.step.relation else { return Ok(None) };
        let target = self.target.as_ref().ok_or_else(lost)?;
        let mut tables = self.run.plan.tables.iter();
        let key = tables.find(|one| one.name == *table).map_or(&[][..], |one| &one.key);
        evidence::definition_by(step.step.sql(), table, key, target).await
    }

    /// The orphans of a foreign key that the target has, not valid, by now.
    async fn orphans_by_name(
        &self,
        step: &SchemaStep,
        table: &RelationName,
    ) -> Result<Option<evidence::Orphans>, Error> {
        let target = self.target.as_ref().ok_or_else(lost)?;
        let Some(name) = step.step.object.strip_prefix(&format!("{table} ")) else {
            return Ok(None);
        };
        match evidence::foreign_key_of(target, table, name).await? {
            Some(key) => evidence::orphans(target, target, key).await,
            None => Ok(None),
        }
    }

    fn analyzed(&self, name: &RelationName, ran: Result<Ran, Error>) -> Verdict {
        match ran {
            Ok(Ran::Elsewhere) => return Verdict::Elsewhere,
            Ok(Ran::Before | Ran::Now(_)) => {}
            Err(error) => self.run.find(without_statistics(&error).about(name)),
        }
        Verdict::Done
    }

    /// Sequences are read last, outside of the snapshot: they know no transactions, and a value
    /// that is too high does no harm while one that is too low collides.
    pub(super) async fn sequences(&mut self) -> Result<Verdict, Error> {
        let run = self.run;
        let values = match &run.origin {
            Origin::Server(source) => {
                let name = format!("{} sequences", run.id);
                let source = source.connect(Purpose::Catalog, &name).await?;
                let mut values = Vec::with_capacity(run.plan.sequences.len());
                for batch in run.plan.sequences.chunks(SEQUENCES_A_STATEMENT) {
                    values.extend(sequence_values(&source, batch).await?);
                }
                values
            }
            Origin::Archive(archive) => archive.sequences(&run.plan.sequences),
        };
        self.open_target(Purpose::Schema).await?;
        let target = self.target.as_ref().ok_or_else(lost)?;
        let key = run.key(&Work::Sequences);
        let claim = ClaimKey::of_task(&run.id, &key);
        let Some(done) = claim.try_take_step(target, &key).await? else {
            return Ok(Verdict::Elsewhere);
        };
        let set = if done.is_some() { Ok(()) } else { self.set(target, &key, &values).await };
        let given_back = claim.give_back(target).await;
        set.and(given_back).map(|()| Verdict::Done)
    }

    /// Some sequences in one transaction, since it keeps a lock on each of them until it ends; whoever
    /// dies on the way begins with the first again.
    async fn set(
        &self,
        target: &Session,
        key: &str,
        values: &[SequenceValue],
    ) -> Result<(), Error> {
        let doing = "set the values of sequences";
        for some in values.chunks(SEQUENCES_A_STATEMENT) {
            target.batch(doing, &set_sequences(some)).await?;
        }
        let receipt = StepReceipt {
            id: key,
            kind: "SEQUENCE SET",
            object: &format!("{} sequences", values.len()),
            result: "",
            undo: "",
            worker: &self.run.transfer.worker,
        };
        target.batch(doing, &receipt.insert_statement()).await
    }
}

pub(crate) const SEQUENCES_A_STATEMENT: usize = 200;

/// `last_value` and `is_called` of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SequenceValue {
    pub(crate) name: RelationName,
    pub(crate) value: i64,
    pub(crate) called: bool,
}

/// Reads the values of sequences, all in one statement.
pub(crate) async fn sequence_values(
    source: &Session,
    names: &[RelationName],
) -> Result<Vec<SequenceValue>, Error> {
    let selects: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            format!("select {at}::int4, last_value::int8, is_called from {}", name.quoted())
        })
        .collect();
    let rows =
        source.query("read the values of sequences", &selects.join(" union all "), &[]).await?;
    let value = |row: &tokio_postgres::Row| {
        let at = usize::try_from(row.get::<_, i32>(0)).ok()?;
        let name = names.get(at)?.clone();
        Some(SequenceValue { name, value: row.get(1), called: row.get(2) })
    };
    Ok(rows.iter().filter_map(value).collect())
}

/// The statements that set sequences.
pub(crate) fn set_sequences(values: &[SequenceValue]) -> String {
    values
        .iter()
        .map(|SequenceValue { name, value, called }| {
            format!(
                "select pg_catalog.setval({}::pg_catalog.regclass, {value}, {called});\n",
                literal(&name.quoted())
            )
        })
        .collect()
}

/// The search path to run a step under, whose statement calls functions that may rely on one. From 17
/// on the server itself sets one of its own for the time (Postgres manual, release notes of 17, E.1.2).
fn path_of<'r>(run: &'r Run, step: &SchemaStep, target: ServerVersion) -> Option<&'r str> {
    if target.at_least(17) || !matches!(step.step.stage, Stage::Index | Stage::PostData) {
        return None;
    }
    let relation = step.step.relation.as_ref()?;
    let table = run.plan.tables.iter().find(|table| table.name == *relation)?;
    table.format.search_path.as_deref()
}

/// The statements of a transaction under a search path, which does not outlast them.
fn under(path: &str, sql: &str) -> String {
    let set = |path: &str| {
        format!("select pg_catalog.set_config('search_path', {}, true);", literal(path))
    };
    format!("{}\n{sql}\n{}", set(path), set(""))
}

fn analyze(key: String, name: &RelationName) -> Statement<'static> {
    Statement {
        key: key.into(),
        kind: "ANALYZE",
        object: name.to_string().into(),
        doing: format!("gather statistics of `{name}`"),
        sql: format!("analyze {};", name.quoted()).into(),
        undo: "",
        result: "",
        resources: &[],
    }
}

/// What became of a step.
#[derive(Clone, Copy)]
enum Ran {
    /// It is done, and took so long.
    Now(Duration),
    /// It was done before, here or by another process.
    Before,
    /// Another process is at it, or at something that must not run beside it.
    Elsewhere,
}

/// Runs steps, each with its receipt in a transaction of its own, in two round trips; gives what
/// became of each.
///
/// # Errors
/// When the connection is lost.
async fn run_all(
    target: &Session,
    run: &str,
    steps: &[Statement<'_>],
    worker: &str,
) -> Result<Vec<Result<Ran, Error>>, Error> {
    let (begun, held) = claim_all(target, run, steps).await?;
    let start = Instant::now();
    let ran = steps.iter().zip(begun).map(|(step, ran)| async move {
        let ran = match ran {
            Ran::Now(_) => run_one(target, step, worker).await.map(|()| ran),
            Ran::Before | Ran::Elsewhere => Ok(ran),
        };
        (ran, start.elapsed())
    });
    // All is sent at once, in this order.
    let (ran, given_back) = tokio::join!(join_all(ran), ClaimKey::give_all_back(&held, target));
    let mut before = Duration::ZERO;
    let mut all = Vec::with_capacity(steps.len());
    for (ran, at) in ran {
        let took = at.saturating_sub(before);
        before = before.max(at);
        all.push(match ran {
            Err(error) if error.connection_lost() => return Err(error),
            Ok(Ran::Now(_)) => Ok(Ran::Now(took)),
            other => other,
        });
    }
    given_back?;
    Ok(all)
}

/// Claims steps and what they need for themselves; gives what is to become of each, and the claims
/// that are ours now.
async fn claim_all(
    target: &Session,
    run: &str,
    steps: &[Statement<'_>],
) -> Result<(Vec<Ran>, Vec<ClaimKey>), Error> {
    let claims_of = |step: &Statement<'_>| {
        let resources = step.resources.iter().map(|name| ClaimKey::of_resource(run, name));
        std::iter::once(ClaimKey::of_task(run, &step.key)).chain(resources).collect::<Vec<_>>()
    };
    let claims: Vec<Vec<ClaimKey>> = steps.iter().map(claims_of).collect();
    let all = claims.concat();
    let keys: Vec<String> = steps.iter().map(|step| literal(&step.key)).collect();
    let query = format!("select id from pghaul.step where id in ({})", keys.join(", "));
    let (taken, found) = ClaimKey::try_take_all_and(&all, target, &query).await?;
    let done: HashSet<String> =
        found.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    let held = all.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(claim, _)| *claim);
    let mut taken = taken.iter();
    let begun = steps
        .iter()
        .zip(&claims)
        .map(|(step, claims)| {
            let ours: Vec<bool> = taken.by_ref().take(claims.len()).copied().collect();
            match (ours.first(), done.contains(step.key.as_ref())) {
                (Some(true), true) => Ran::Before,
                (Some(true), false) if ours.iter().all(|taken| *taken) => Ran::Now(Duration::ZERO),
                _ => Ran::Elsewhere,
            }
        })
        .collect();
    Ok((begun, held.collect()))
}

/// Sends three messages; where one fails, those after it do nothing but to end the transaction.
async fn run_one(target: &Session, step: &Statement<'_>, worker: &str) -> Result<(), Error> {
    let doing = &step.doing;
    let (sql, receipt) = (&step.sql, receipt(step, worker));
    let (begin, note) = (format!("begin;\n{sql}"), format!("{STILL_OPEN}; {receipt}"));
    let (ran, noted, committed) = tokio::join!(
        target.batch(doing, &begin),
        target.batch(doing, &note),
        target.batch(doing, "commit")
    );
    ran.and(noted).and(committed)
}

/// Whether it was the rows that forbade a statement (class 23, integrity constraint violation).
fn is_of_the_data(error: &Error) -> bool {
    error.sqlstate().is_some_and(|state| state.starts_with("23"))
}

fn without_statistics(error: &Error) -> Finding {
    Finding::new(
        Severity::Note,
        "not_analyzed",
        format!("statistics could not be had: {}", error.in_one_line()),
        "run ANALYZE on the target",
    )
}

fn not_refreshed(step: &SchemaStep, error: &Error) -> Finding {
    Finding::new(
        Severity::Warning,
        "matview_not_refreshed",
        format!("the materialized view could not be recomputed: {}", error.in_one_line()),
        "mend the cause and run REFRESH MATERIALIZED VIEW on the target",
    )
    .about(&step.step.object)
}

/// Runs the steps of pre-data: serial, many in a transaction, since one each costs five times as
/// much. Ends after a batch when stopping is asked for.
pub(super) async fn pre_data(
    control: &Session,
    (steps, done): (&[SchemaStep], &HashMap<String, String>),
    worker: &str,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let wanted: Vec<&SchemaStep> = steps
        .iter()
        .filter(|step| step.step.stage == Stage::PreData && !done.contains_key(&step.step.key))
        .collect();
    for batch in wanted.chunks(STEPS_A_BATCH) {
        if stop.is_cancelled() {
            return Ok(());
        }
        let mut sql = String::from("begin;\n");
        for step in batch {
            sql.push_str(step.step.sql());
            sql.push_str(&format!("\n{};\n", receipt(&step.statement(), worker)));
        }
        sql.push_str("commit");
        match control.batch("create types, functions and tables", &sql).await {
            Ok(()) => continue,
            Err(error) if error.connection_lost() => return Err(error),
            Err(_) => control.batch("give up a batch of steps", "rollback").await?,
        }
        // One at a time, to name the one that fails and to keep those before it.
        for step in batch {
            let statement = step.statement();
            let receipt = receipt(&statement, worker);
            let sql = format!("begin;\n{}\n{receipt};\ncommit", statement.sql);
            if let Err(error) = control.batch(&statement.doing, &sql).await {
                if !error.connection_lost() {
                    control.batch("give up a step", "rollback").await?;
                }
                return Err(step.step.failure(error));
            }
        }
    }
    Ok(())
}

/// Fails when a step's own statements have ended the transaction: then its receipt would say
/// something else than what is there.
const STILL_OPEN: &str = "savepoint pghaul_still_open";

/// Steps of pre-data that share a transaction.
const STEPS_A_BATCH: usize = 50;

fn receipt(step: &Statement<'_>, worker: &str) -> String {
    StepReceipt {
        id: &step.key,
        kind: step.kind,
        object: &step.object,
        result: step.result,
        undo: step.undo,
        worker,
    }
    .insert_statement()
}
