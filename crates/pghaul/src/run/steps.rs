//! Steps: everything that is not rows, each with a receipt in its own transaction.
//!
//! Invariants: a step's statement and its receipt are one transaction; a statement that the
//! target's rows forbid (a duplicate key, an orphan) is a finding and everything independent of it
//! goes on; statements may hold passwords and are never shown.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;

use super::board::{TaskId, Verdict};
use super::claim::ClaimKey;
use super::evidence;
use super::lane::lost;
use super::options::Scope;
use super::origin::Origin;
use super::work::{Sessions, Work};
use crate::connect::{Purpose, Session};
use crate::error::Error;
use crate::event::Event;
use crate::finding::{Finding, Severity};
use crate::name::{RelationName, literal};
use crate::schema::step::{Makes, Stage};
use crate::schema::{Kind, Step};
use crate::state::StepReceipt;

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
            key: &self.step.key,
            kind: self.step.kind.name(),
            object: &self.step.object,
            doing: self.step.doing(),
            sql: self.step.sql(),
            undo: &self.undo,
            result: self.counts().map_or("", Counts::name),
        }
    }
}

/// What one step runs.
struct Statement<'a> {
    key: &'a str,
    kind: &'a str,
    object: &'a str,
    doing: String,
    /// May hold a password.
    sql: &'a str,
    undo: &'a str,
    result: &'a str,
}

impl Sessions<'_> {
    pub(super) async fn schema_step(&mut self, id: TaskId, at: usize) -> Result<Verdict, Error> {
        let run = self.run;
        let step = &run.steps[at];
        self.open_target(Purpose::Schema).await?;
        let target = self.target.as_ref().ok_or_else(lost)?;
        let (kind, object) = (step.step.kind.name(), step.step.object.as_str());
        run.observer.on_event(&Event::StepStarted { kind, object });
        let begun = std::time::Instant::now();
        let resources = &run.board.task(id).resources;
        match run_step(target, &run.id, &step.statement(), resources, &run.transfer.worker).await {
            Ok(Ran::Elsewhere) => Ok(Verdict::Elsewhere),
            Ok(Ran::Before) => {
                run.ledger.step(run, at, std::time::Duration::ZERO);
                Ok(Verdict::Done)
            }
            Ok(Ran::Now) => {
                run.ledger.step(run, at, begun.elapsed());
                Ok(Verdict::Done)
            }
            Err(error) if is_of_the_data(&error) => {
                let finding = self.data_finding(step, &error).await?;
                run.find(finding);
                Ok(Verdict::LeftOut)
            }
            Err(error) if step.step.stage == Stage::Refresh && !error.connection_lost() => {
                run.find(not_refreshed(step, &error));
                Ok(Verdict::LeftOut)
            }
            Err(error) if step.step.stage == Stage::Statistics && !error.connection_lost() => {
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
        // Without a server nobody says any more what the keys are, only that the rows forbid them.
        let source = match run.origin.server() {
            Some(source) => Some(source.connect(Purpose::Catalog, "evidence").await?),
            None => None,
        };
        let (code, message, remedy) = match error.sqlstate() {
            Some("23505") => {
                let (key, object) = (step.source_oid, &step.step.object);
                let on_target = (&*run.target, target);
                let found = match &source {
                    Some(source) => {
                        let groups = evidence::duplicate_groups(source, on_target, key, object);
                        Box::pin(groups).await
                    }
                    None => Ok(None),
                };
                let count = match found {
                    Ok(Some(found)) => found.to_string(),
                    Ok(None) => "rows share its key".to_owned(),
                    Err(error) if target.is_closed() => return Err(error),
                    // The rows are as they are, and so is the rest of the run.
                    Err(error) => format!("rows share its key; which, cannot be said: {error:?}"),
                };
                (
                    "duplicates",
                    format!("the unique index could not be built: {count}"),
                    "mend the groups, then go on with `pghaul clone --resume`",
                )
            }
            Some("23503") => {
                // Without the schema, the key is one that the target has already.
                let data_only = run.options.scope == Scope::DataOnly;
                let knows_key = if data_only { Some(target) } else { source.as_ref() };
                let found = match knows_key {
                    Some(knows) => evidence::orphans(knows, target, step.source_oid).await?,
                    None => None,
                };
                let rows = found.map_or_else(
                    || "rows refer to rows that are not there".to_owned(),
                    |found| found.to_string(),
                );
                (
                    "orphans",
                    format!("the foreign key could not be validated: {rows}"),
                    "mend the rows named, then go on with `pghaul clone --resume`",
                )
            }
            _ => (
                "constraint_violated",
                format!("{} could not be created: rows violate it", step.step.kind),
                "mend the rows on the target, then go on with `pghaul clone --resume`",
            ),
        };
        Ok(Finding::new(Severity::Warning, code, message, remedy).about(&step.step.object))
    }

    pub(super) async fn analyze(&mut self, name: &RelationName) -> Result<Verdict, Error> {
        self.open_target(Purpose::Schema).await?;
        let target = self.target.as_ref().ok_or_else(lost)?;
        let run = self.run;
        let (key, object) = (run.key(&Work::Analyze(name.clone())), name.to_string());
        let statement = Statement {
            key: &key,
            kind: "ANALYZE",
            object: &object,
            doing: format!("gather statistics of `{name}`"),
            sql: &format!("analyze {};", name.quoted()),
            undo: "",
            result: "",
        };
        match run_step(target, &run.id, &statement, &[], &run.transfer.worker).await {
            Ok(Ran::Elsewhere) => Ok(Verdict::Elsewhere),
            Ok(Ran::Before | Ran::Now) => Ok(Verdict::Done),
            Err(error) if error.connection_lost() => Err(error),
            Err(error) => {
                self.run.find(without_statistics(&error).about(name));
                Ok(Verdict::Done)
            }
        }
    }

    /// Sequences are read last, outside of the snapshot: they know no transactions, and a value
    /// that is too high does no harm while one that is too low collides.
    pub(super) async fn sequences(&mut self) -> Result<Verdict, Error> {
        let run = self.run;
        let mut sql = String::new();
        match &run.origin {
            Origin::Server(source) => {
                let name = format!("{} sequences", run.id);
                let source = source.connect(Purpose::Catalog, &name).await?;
                for batch in run.plan.sequences.chunks(SEQUENCES_A_STATEMENT) {
                    sql.push_str(&set_sequences(&sequence_values(&source, batch).await?));
                }
            }
            Origin::Archive(archive) => {
                sql.push_str(&set_sequences(&archive.sequences(&run.plan.sequences)));
            }
        }
        self.open_target(Purpose::Schema).await?;
        let target = self.target.as_ref().ok_or_else(lost)?;
        let key = run.key(&Work::Sequences);
        let object = format!("{} sequences", run.plan.sequences.len());
        let statement = Statement {
            key: &key,
            kind: "SEQUENCE SET",
            object: &object,
            doing: "set the values of sequences".to_owned(),
            sql: &sql,
            undo: "",
            result: "",
        };
        match run_step(target, &run.id, &statement, &[], &run.transfer.worker).await? {
            Ran::Elsewhere => Ok(Verdict::Elsewhere),
            Ran::Before | Ran::Now => Ok(Verdict::Done),
        }
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

/// What became of a step.
enum Ran {
    /// It is done.
    Now,
    /// It was done before, here or by another process.
    Before,
    /// Another process is at it, or at something that must not run beside it.
    Elsewhere,
}

/// Runs a step and writes its receipt, in one transaction.
async fn run_step(
    target: &Session,
    run: &str,
    step: &Statement<'_>,
    resources: &[String],
    worker: &str,
) -> Result<Ran, Error> {
    let doing = &step.doing;
    let claim = ClaimKey::of_task(run, step.key);
    let Some(found) = claim.try_take_step(target, step.key).await? else {
        return Ok(Ran::Elsewhere);
    };
    let mut claims = vec![claim];
    let mut ended = if found.is_some() { Ran::Before } else { Ran::Now };
    if found.is_none() {
        for resource in resources {
            let claim = ClaimKey::of_resource(run, resource);
            if !claim.try_take(target).await? {
                ended = Ran::Elsewhere;
                break;
            }
            claims.push(claim);
        }
    }
    let mut failure = None;
    if matches!(ended, Ran::Now) {
        let receipt = receipt(step, worker);
        let ran: Result<(), Error> = async {
            target.batch(doing, &format!("begin;\n{}", step.sql)).await?;
            target.batch(doing, &format!("{STILL_OPEN}; {receipt}; commit")).await
        }
        .await;
        if let Err(error) = ran {
            if error.connection_lost() {
                return Err(error);
            }
            target.batch("give up a step", "rollback").await?;
            failure = Some(error);
        }
    }
    for claim in claims {
        claim.give_back(target).await?;
    }
    failure.map_or(Ok(ended), Err)
}

/// Whether it was the rows that forbade a statement (class 23, integrity constraint violation).
fn is_of_the_data(error: &Error) -> bool {
    error.sqlstate().is_some_and(|state| state.starts_with("23"))
}

fn without_statistics(error: &Error) -> Finding {
    Finding::new(
        Severity::Note,
        "not_analyzed",
        format!("statistics could not be had: {error:?}"),
        "run ANALYZE on the target",
    )
}

fn not_refreshed(step: &SchemaStep, error: &Error) -> Finding {
    Finding::new(
        Severity::Warning,
        "matview_not_refreshed",
        format!("the materialized view could not be recomputed: {error:?}"),
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
        id: step.key,
        kind: step.kind,
        object: step.object,
        result: step.result,
        undo: step.undo,
        worker,
    }
    .insert_statement()
}
