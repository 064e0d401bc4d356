//! Runs what was prepared: state, pre-data, lanes, the end.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pghaul_rows::reader::Digesting;
use tokio::task::JoinSet;

use super::board::{Board, LaneKind};
use super::graph::{self, Prepared};
use super::lane;
use super::moment::{WriteCounters, written_meanwhile};
use super::options::{CloneOptions, SourceUse, Verify};
use super::outcome::{Ending, Outcome, TableOutcome};
use super::prepare::PreparedClone;
use super::work::{Facts, Run, Stop};
use crate::connect::{Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Event, Observer, Phase};
use crate::finding::{Finding, Severity};
use crate::plan::Plan;
use crate::state::{self, RunRecord};
use crate::transfer::Transfer;
use crate::transfer::pace::Pace;

/// Entries of pre-data that share a transaction: five times quicker than one each.
const ENTRIES_A_BATCH: usize = 50;

impl PreparedClone {
    /// Carries everything out.
    ///
    /// # Errors
    /// The first failure that no attempt could mend; finished pieces and steps are kept.
    pub async fn run(
        self,
        observer: Arc<dyn Observer>,
        counters: Arc<Counters>,
        stop: Stop,
    ) -> Result<Outcome, Error> {
        let now = stop.now.clone();
        tokio::select! {
            outcome = self.run_to_the_end(observer, counters, stop) => outcome,
            () = now.cancelled() => Err(Error::new(ErrorKind::Transfer, "stopped at once")),
        }
    }

    async fn run_to_the_end(
        self,
        observer: Arc<dyn Observer>,
        counters: Arc<Counters>,
        stop: Stop,
    ) -> Result<Outcome, Error> {
        let Self {
            source,
            target,
            options,
            control,
            keeper,
            identities,
            plan,
            entries,
            large_objects,
            schema_digest,
            findings,
            moment,
            writes,
        } = self;
        let mut phases = Phases::new(Arc::clone(&observer));
        let id = new_run_id();
        let record = RunRecord {
            id: id.clone(),
            source: identities.0,
            target: identities.1,
            options: String::new(),
            snapshot: keeper.id().as_str().to_owned(),
            moment: moment.to_json()?,
            consistency: "snapshot".to_owned(),
            schema_digest,
            phase: "pre-data".to_owned(),
            finished: false,
        };
        state::create(&control, &record, &plan).await?;
        phases.begin(Phase::PreData);
        let worker = format!("{} pid {}", id, std::process::id());
        pre_data(&control, &entries, &worker).await?;
        let graph = graph::build(&plan, &entries, large_objects.len(), &options);
        observer.on_event(&Event::Planned {
            tables: plan.tables.len(),
            parts: plan.parts.len(),
            bytes: plan.bytes(),
            steps: graph.tasks.len() - plan.parts.len(),
        });
        let run = Arc::new(Run {
            id,
            source: Arc::clone(&source),
            target,
            transfer: Transfer {
                pace: Pace::new(options.max_rate),
                counters,
                stop: stop.soon.clone(),
                digesting: match options.verify {
                    Verify::Full => Digesting::Sha256,
                    Verify::Rows | Verify::None => Digesting::Off,
                },
                worker,
            },
            options,
            plan,
            steps: graph.steps,
            large_objects,
            snapshot: keeper.id().clone(),
            board: Board::new(graph.tasks),
            observer,
            stop,
            facts: Mutex::new(Facts { findings, ..Facts::default() }),
            tries: AtomicU64::new(0),
        });
        state::set_phase(&control, "data", false).await?;
        phases.begin(Phase::Data);
        let mut copying = lanes(&run, LaneKind::Copy, run.options.jobs.get());
        let mut stepping = lanes(&run, LaneKind::Step, run.options.index_jobs.get());
        join(&mut copying).await?;
        // All is copied and read back: from here on the source may vacuum again.
        keeper.release().await;
        phases.begin(Phase::PostData);
        state::set_phase(&control, "post-data", false).await?;
        join(&mut stepping).await?;
        let stopped = run.stop.soon.is_cancelled() && run.board.unfinished() > 0;
        if let Some(failure) = first_failure(&run) {
            return Err(failure);
        }
        if !stopped {
            forgotten_writers(&run, &writes).await?;
        }
        let findings = run.facts().findings.clone();
        state::store_findings(&control, &findings).await?;
        state::set_phase(&control, if stopped { "stopped" } else { "complete" }, !stopped).await?;
        let phases = phases.end();
        Ok(outcome(&run, if stopped { Ending::Stopped } else { Ending::Complete }, phases))
    }
}

fn first_failure(run: &Run) -> Option<Error> {
    let mut failures = std::mem::take(&mut run.facts().failures);
    if failures.is_empty() { None } else { Some(failures.remove(0)) }
}

/// Types, functions, tables: serial, in the archive's order.
async fn pre_data(
    control: &Session,
    entries: &[(usize, Prepared)],
    worker: &str,
) -> Result<(), Error> {
    let sections: HashMap<_, _> =
        entries.iter().map(|(_, p)| (p.entry.dump_id, p.entry.section)).collect();
    let wanted: Vec<&(usize, Prepared)> = entries
        .iter()
        .filter(|(_, p)| graph::is_pre_data(&p.entry, &sections) && !p.sql.trim().is_empty())
        .collect();
    for batch in wanted.chunks(ENTRIES_A_BATCH) {
        let mut sql = String::from("begin;\n");
        for (place, prepared) in batch {
            sql.push_str(&prepared.sql);
            sql.push_str(&receipt(*place, prepared, worker));
        }
        sql.push_str("commit");
        if control.batch("create types, functions and tables", &sql).await.is_ok() {
            continue;
        }
        // One at a time, to name the one that fails and to keep those before it.
        control.batch("give up a batch of entries", "rollback").await?;
        for (place, prepared) in batch {
            let doing = format!(
                "create {} `{}`",
                prepared.entry.kind.name(),
                graph::object_of(&prepared.entry)
            );
            let sql =
                format!("begin;\n{}\n{}commit", prepared.sql, receipt(*place, prepared, worker));
            if let Err(error) = control.batch(&doing, &sql).await {
                if !error.connection_lost() {
                    control.batch("give up an entry", "rollback").await?;
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

fn receipt(place: usize, prepared: &Prepared, worker: &str) -> String {
    let object = graph::object_of(&prepared.entry);
    let kind = prepared.entry.kind.name();
    let sql = state::step_receipt(&graph::step_key(place), kind, &object, "", worker);
    format!("{sql};\n")
}

fn lanes(run: &Arc<Run>, kind: LaneKind, count: usize) -> JoinSet<()> {
    let mut lanes = JoinSet::new();
    for number in 1..=count {
        let run = Arc::clone(run);
        lanes.spawn(async move { lane::work(&run, kind, number).await });
    }
    lanes
}

async fn join(lanes: &mut JoinSet<()>) -> Result<(), Error> {
    while let Some(ended) = lanes.join_next().await {
        ended.map_err(|error| {
            Error::new(ErrorKind::Bug, "a lane ended by a panic; the state in the target is intact")
                .caused_by(error)
        })?;
    }
    Ok(())
}

async fn forgotten_writers(run: &Run, before: &WriteCounters) -> Result<(), Error> {
    let look = run.source.connect(Purpose::Catalog, &format!("{} end", run.id)).await?;
    let moved = before.moved(&WriteCounters::read(&look).await?);
    let planned: Vec<_> = moved
        .into_iter()
        .filter(|name| run.plan.tables.iter().any(|table| table.name == *name))
        .collect();
    let severity = match run.options.source_use {
        SourceUse::Quiet => Severity::Warning,
        SourceUse::Live => Severity::Note,
    };
    for finding in written_meanwhile(&planned, severity) {
        run.find(finding);
    }
    Ok(())
}

fn outcome(run: &Run, ending: Ending, phases: Vec<(Phase, std::time::Duration)>) -> Outcome {
    let facts = run.facts();
    let mut findings = facts.findings.clone();
    findings.extend(unverified(&run.plan, &run.options));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut tables = Vec::new();
    for (at, read_back) in run.plan.read_backs.iter().enumerate() {
        let mut digest = pghaul_rows::TableDigest::default();
        let mut bytes = 0;
        for table in &read_back.tables {
            for part in run.plan.parts_of(*table) {
                digest.add(facts.receipts.digest(part.id));
                bytes += facts.receipts.bytes(part.id);
            }
        }
        let first = read_back.tables.first().map(|table| &run.plan.tables[*table]);
        let seen = facts.read_backs.get(&at);
        let full = run.options.verify == Verify::Full;
        tables.push(TableOutcome {
            name: read_back.name.clone(),
            source_rows: digest.rows,
            target_rows: seen.map(|seen| seen.target.rows),
            bytes,
            digest: first
                .filter(|_| full)
                .map(|table| (digest.to_string(), table.format.layout.image_kind().name())),
            verified: full && seen.is_some_and(|seen| seen.equal),
            key: first.map(|table| table.key.clone()).unwrap_or_default(),
            differences: seen.map(|seen| seen.differences.clone()).unwrap_or_default(),
        });
    }
    Outcome {
        ending,
        tables,
        findings,
        consistency: "snapshot",
        indexes: facts.indexes,
        constraints: facts.constraints,
        phases,
    }
}

/// What was asked not to be proven stands in the result.
fn unverified(plan: &Plan, options: &CloneOptions) -> Vec<Finding> {
    let mut notes: Vec<Finding> = plan
        .refreshes
        .iter()
        .map(|name| {
            Finding::new(
                Severity::Note,
                "recomputed",
                "a materialized view is recomputed on the target, not copied, and so not compared",
                "nothing, unless its query gives another result there",
            )
            .about(name)
        })
        .collect();
    let text = match options.verify {
        Verify::Full => None,
        Verify::Rows => Some("only the numbers of rows were compared"),
        Verify::None => Some("nothing was compared"),
    };
    notes.extend(text.map(|text| {
        Finding::new(
            Severity::Note,
            "not_verified",
            text,
            "run `pghaul verify` to compare all rows",
        )
    }));
    notes
}

/// Twelve random hex digits: enough to tell the runs of one database apart.
fn new_run_id() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:012x}", random >> 16)
}

struct Phases {
    observer: Arc<dyn Observer>,
    open: Option<(Phase, Instant)>,
    over: Vec<(Phase, std::time::Duration)>,
}

impl Phases {
    fn new(observer: Arc<dyn Observer>) -> Self {
        Self { observer, open: None, over: Vec::new() }
    }

    fn begin(&mut self, phase: Phase) {
        self.close();
        self.observer.on_event(&Event::PhaseStarted(phase));
        self.open = Some((phase, Instant::now()));
    }

    fn close(&mut self) {
        if let Some((phase, begun)) = self.open.take() {
            self.over.push((phase, begun.elapsed()));
            self.observer.on_event(&Event::PhaseFinished(phase, begun.elapsed()));
        }
    }

    fn end(mut self) -> Vec<(Phase, std::time::Duration)> {
        self.close();
        self.over
    }
}
