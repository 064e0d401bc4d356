//! What a run has to tell at its end: tables, findings, and what was not asked to be proven.

use super::options::{CloneOptions, Deferred, Verify};
use super::outcome::{Ending, Outcome, TableOutcome};
use super::prepare::Consistency;
use super::work::Run;
use crate::event::Phase;
use crate::finding::{Finding, Severity};
use crate::plan::Plan;
use crate::schema::step::Makes;

/// The result of a run, from what it knows of itself and of the processes that share it.
pub(super) fn outcome(
    run: &Run,
    consistency: Consistency,
    ending: Ending,
    phases: Vec<(Phase, std::time::Duration)>,
) -> Outcome {
    let facts = run.facts();
    let mut findings = facts.findings.clone();
    findings.extend(unverified(&run.plan, &run.options));
    findings.extend(deferred(run));
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
        consistency: consistency.name(),
        indexes: facts.indexes,
        constraints: facts.constraints,
        phases,
    }
}

/// What was left for later stands in the result, and keeps the run from being finished.
pub(super) fn deferred(run: &Run) -> Vec<Finding> {
    let keys = || run.steps.iter().filter(|step| step.step.makes == Makes::ForeignKey);
    let views = run.plan.refreshes.iter().map(|name| {
        ("matview_deferred", "the materialized view is not refreshed yet", name.to_string())
    });
    let keys = keys().map(|step| {
        ("validation_deferred", "the foreign key is not validated yet", step.step.object.clone())
    });
    let (mut left, of) = (Vec::new(), &run.options.deferred);
    if of.contains(&Deferred::Matviews) {
        left.extend(views);
    }
    if of.contains(&Deferred::Validation) {
        left.extend(keys);
    }
    let note = |(code, what, object): (&'static str, &str, String)| {
        let remedy = format!("go on with {}", run.origin.go_on());
        Finding::new(Severity::Note, code, what, remedy).about(object)
    };
    left.into_iter().map(note).collect()
}

/// What was asked not to be proven stands in the result.
pub(super) fn unverified(plan: &Plan, options: &CloneOptions) -> Vec<Finding> {
    let mut notes: Vec<Finding> = plan
        .refreshes
        .iter()
        .filter(|_| !options.deferred.contains(&Deferred::Matviews))
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
