//! Many steps at a time, under the rules that the steps state: same result as one by one.

use std::collections::BTreeSet;
use std::sync::Arc;

use pghaul::schema::step::Stage;
use pghaul::schema::{Kind, Step};
use pghaul_testbed::{Database, Major};
use tokio::task::JoinSet;

use super::{all_steps, differences, dump, empty, rich, run, run_one, session};
use crate::trees::TREES;

const SESSIONS: usize = 6;

/// A plain executor of the rules: stages, waits, locks, alone. Nothing is retried.
async fn run_in_parallel(target: &Database<'_>, steps: Vec<Step>) -> Vec<String> {
    let steps = Arc::new(steps);
    let one = session(target).await;
    let serial = |stage: Stage| -> Vec<Step> {
        steps.iter().filter(|step| step.stage == stage).cloned().collect()
    };
    let mut failed = run(&one, &serial(Stage::PreData)).await;
    let parallel = |step: &Step| matches!(step.stage, Stage::Index | Stage::PostData);
    let mut waiting: BTreeSet<usize> =
        (0..steps.len()).filter(|at| parallel(&steps[*at])).collect();
    let mut over: BTreeSet<usize> = BTreeSet::new();
    let mut running: BTreeSet<usize> = BTreeSet::new();
    let mut free = Vec::new();
    for _ in 0..SESSIONS {
        free.push(session(target).await);
    }
    let mut tasks = JoinSet::new();
    while !waiting.is_empty() || !running.is_empty() {
        let may_start = |at: &usize| {
            let step = &steps[*at];
            let waits = step.after.iter().chain(&step.behind);
            let open = waits.into_iter().any(|id| parallel(&steps[id.0]) && !over.contains(&id.0));
            let clash = running.iter().any(|other| {
                let other = &steps[*other];
                (step.alone && other.alone) || !step.locks.is_disjoint(&other.locks)
            });
            !open && !clash
        };
        match waiting.iter().copied().find(|at| may_start(at)).filter(|_| !free.is_empty()) {
            Some(at) => {
                waiting.remove(&at);
                running.insert(at);
                let session = free.pop().unwrap();
                let steps = Arc::clone(&steps);
                tasks.spawn(async move {
                    let ran = run_one(&session, &steps[at]).await;
                    (at, session, ran)
                });
            }
            None => {
                let Some(ended) = tasks.join_next().await else {
                    let stuck: Vec<&Step> = waiting.iter().map(|at| &steps[*at]).collect();
                    panic!("no step can start: {stuck:#?}");
                };
                let (at, session, ran) = ended.unwrap();
                free.push(session);
                running.remove(&at);
                over.insert(at);
                failed.extend(ran.err().map(|error| format!("{}: {error:?}", steps[at].key)));
            }
        }
    }
    for stage in [Stage::Privileges, Stage::Refresh, Stage::Statistics, Stage::EventTriggers] {
        failed.extend(run(&one, &serial(stage)).await);
    }
    failed
}

async fn check(source: &Database<'_>, to: Major) -> Database<'static> {
    let archive = dump(source).await;
    let (target, control) = (empty(to), empty(to));
    let control_session = session(&control).await;
    let steps = all_steps(&archive.entries, control_session.version());
    let failed = run(&control_session, &steps).await;
    assert!(failed.is_empty(), "{failed:#?}");
    let attached = steps.iter().filter(|step| step.kind == Kind::IndexAttach);
    assert!(attached.into_iter().all(|step| step.alone));
    let failed = run_in_parallel(&target, steps).await;
    assert!(failed.is_empty(), "{failed:#?}");
    let differences = differences(&dump(&control).await.entries, &dump(&target).await.entries);
    assert!(differences.is_empty(), "{differences:#?}");
    for database in [&control, &target] {
        let invalid = "select indexrelid::regclass::text from pg_index where not indisvalid \
                       and indexrelid::regclass::text <> 'app.hashes_only'";
        let invalid = database.query_text(invalid).wait().unwrap();
        assert!(invalid.is_empty(), "{invalid:?}");
    }
    target
}

#[tokio::test]
async fn everything_from_18() {
    check(&rich(Major::V18), Major::V18).await;
}

#[tokio::test]
async fn everything_from_10() {
    check(&rich(Major::V10), Major::V14).await;
}

/// Attaching indexes at the same time leaves parents of several levels invalid, in silence.
#[tokio::test]
async fn partition_trees_keep_valid_indexes() {
    let source = empty(Major::V15);
    source.execute(TREES).wait().unwrap();
    check(&source, Major::V15).await;
}
