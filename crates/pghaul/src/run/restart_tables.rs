//! Beginning again for some tables of a run: their rows, their receipts, and what would fire or
//! cascade while rows go.
//!
//! Foreign keys, triggers and rules that the run has made already would fire: a parent's rows take
//! those of its children along, a trigger writes rows of its own, and both tables keep receipts that
//! say otherwise. So they are dropped and made again by the steps that made them. What only depends
//! on their rows is done again too: reading back, statistics, checks.
//!
//! Invariants: one transaction; no CASCADE; tables whose rows go in through one root begin again
//! together; what somebody else has built upon them stops it with the server's own words.

use std::collections::{BTreeSet, HashMap};

use super::options::{Scope, Start};
use super::stored::ALL_READ_BACK;
use super::work::{Run, Work};
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::{RelationName, literal};
use crate::plan::TablePlan;
use crate::schema::StepId;
use crate::schema::step::Makes;

/// The tables that are to begin again, since that was asked for or the target has emptied them, with
/// those that share their way into the target.
pub(super) fn wanted(run: &Run, emptied: &[RelationName]) -> Result<BTreeSet<usize>, Error> {
    let tables = &run.plan.tables;
    let mut named = match &run.options.start {
        Start::ResumeRestarting(patterns) => {
            crate::plan::filter::matching(patterns, tables.iter().map(|table| &table.name))?
        }
        Start::New | Start::Resume | Start::Restart | Start::Join => BTreeSet::new(),
    };
    let is_emptied = |(at, table): (usize, &TablePlan)| emptied.contains(&table.name).then_some(at);
    named.extend(tables.iter().enumerate().filter_map(is_emptied));
    let ways: BTreeSet<&RelationName> = named.iter().map(|at| &tables[*at].written_to).collect();
    let shares = |(at, table): (usize, &TablePlan)| ways.contains(&table.written_to).then_some(at);
    Ok(tables.iter().enumerate().filter_map(shares).collect())
}

/// Takes rows and receipts of these tables away. `done`: the steps that are, which this changes.
pub(super) async fn begin_again(
    run: &Run,
    control: &Session,
    restarted: &BTreeSet<usize>,
    done: &mut HashMap<String, String>,
) -> Result<(), Error> {
    if restarted.is_empty() {
        return Ok(());
    }
    refuse_cascades(run, control, restarted).await?;
    let steps = steps_to_do_again(run, restarted, done);
    // Newest first, as they depend on each other.
    let mut sql = String::from("begin;\n");
    for step in steps.iter().rev() {
        if done.contains_key(&run.steps[step.0].step.key) {
            sql.push_str(&run.steps[step.0].drops);
        }
    }
    let mut ways = BTreeSet::new();
    for table in restarted.iter().map(|at| &run.plan.tables[*at]) {
        if ways.insert(&table.written_to) {
            sql.push_str(&empty(run, table));
        }
    }
    let relations: Vec<String> = restarted.iter().map(ToString::to_string).collect();
    let mut gone: Vec<String> =
        steps.iter().map(|step| run.steps[step.0].step.key.clone()).collect();
    for (_, task) in run.board.tasks() {
        let again = match &task.work {
            Work::ReadSlice(part) => restarted.contains(&run.plan.parts[part.0].table),
            Work::ReadBack(at) => {
                run.plan.read_backs[*at].tables.iter().any(|table| restarted.contains(table))
            }
            Work::Analyze(name) => ways.contains(name),
            Work::Part(_)
            | Work::LargeObjects(_)
            | Work::Schema(_)
            | Work::Sequences
            | Work::Gate(_) => false,
        };
        if again {
            gone.push(run.key(&task.work));
        }
    }
    gone.push(ALL_READ_BACK.to_owned());
    let ids: Vec<String> = gone.iter().map(|step| literal(step)).collect();
    sql.push_str(&format!(
        "delete from pghaul.receipt where part in \
             (select id from pghaul.part where relation in ({}));\n\
         delete from pghaul.step where id in ({});\n\
         update pghaul.run set phase = 'data', finished = null;\ncommit",
        relations.join(", "),
        ids.join(", "),
    ));
    let names: Vec<String> =
        restarted.iter().map(|at| format!("`{}`", run.plan.tables[*at].name)).collect();
    let doing = format!("begin again for {}", names.join(", "));
    if let Err(error) = control.batch(&doing, &sql).await {
        if error.connection_lost() {
            return Err(error);
        }
        control.batch(&doing, "rollback").await?;
        let hint = match error.sqlstate() {
            Some("42P01" | "42704" | "3F000") => {
                "somebody has dropped or renamed it on the target: begin again with --restart"
            }
            _ => {
                "something else depends on these tables; remove that, or begin again with --restart"
            }
        };
        return Err(error.with_hint(hint));
    }
    done.retain(|step, _| !gone.contains(step));
    for table in restarted {
        for part in run.plan.parts_of(*table) {
            run.facts().receipts.replace(part.id, Vec::new());
        }
        run.ledger.forget(run, *table);
    }
    run.ledger.forget_steps(&gone);
    Ok(())
}

/// Foreign keys, triggers and rules on these tables, and what hangs on those, in their order.
fn steps_to_do_again(
    run: &Run,
    restarted: &BTreeSet<usize>,
    done: &HashMap<String, String>,
) -> Vec<StepId> {
    let tables = || restarted.iter().map(|at| &run.plan.tables[*at]);
    let names: BTreeSet<&RelationName> =
        tables().flat_map(|table| [&table.name, &table.written_to]).collect();
    let mut again: Vec<StepId> = Vec::new();
    for (at, step) in run.steps.iter().enumerate() {
        let touches = step.step.locks.iter().any(|relation| names.contains(relation));
        let fires = !step.drops.is_empty() && touches;
        // Those of keys that were there before the run.
        let checks = step.step.makes == Makes::Validation && run.options.scope == Scope::DataOnly;
        let hangs_on = step.step.after.iter().any(|before| again.contains(before));
        if done.contains_key(&step.step.key) && (fires || checks || hangs_on) {
            again.push(StepId(at));
        }
    }
    again
}

/// The statement that takes a table's rows away.
fn empty(run: &Run, table: &TablePlan) -> String {
    let only = if table.written_to == table.name { "only " } else { "" };
    let name = table.written_to.quoted();
    if run.options.scope != Scope::DataOnly && table.condition.is_empty() {
        return format!("truncate {only}{name};\n");
    }
    // Somebody else's table, or an extension's, of which some rows are not ours.
    let condition = match table.condition.as_str() {
        "" => String::new(),
        condition => format!(" where ({condition})"),
    };
    let guard = &table.guard;
    format!("{} delete from {only}{name}{condition}; {}\n", guard.before, guard.after)
}

/// Rows of tables that were there before us are deleted, not truncated, and foreign keys that we
/// may not silence take other tables' rows along.
async fn refuse_cascades(
    run: &Run,
    control: &Session,
    restarted: &BTreeSet<usize>,
) -> Result<(), Error> {
    if run.options.scope != Scope::DataOnly {
        return Ok(());
    }
    let tables: Vec<&TablePlan> = restarted
        .iter()
        .map(|at| &run.plan.tables[*at])
        .filter(|table| !table.guard.silences_foreign_keys())
        .collect();
    let names: Vec<String> = tables.iter().map(|table| table.written_to.quoted()).collect();
    let rows = control
        .query(
            "look for foreign keys that would take rows along",
            include_str!("restart_tables/cascades.sql"),
            &[&names],
        )
        .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Err(Error::new(
        ErrorKind::RunState,
        format!(
            "target: cannot begin again for a table whose rows take others along when they go: {}",
            keys.join(", ")
        ),
    )
    .with_hint("begin again for the tables of these foreign keys too, or for all with --restart"))
}
