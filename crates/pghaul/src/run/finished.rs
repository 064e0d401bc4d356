//! A finished run, told from its state: nothing is left to do, so nothing else is read.
//!
//! Invariant: the result is that of the process that finished the run, findings included.

use std::collections::HashMap;

use pghaul_rows::{ImageKind, TableDigest};

use super::options::{CloneOptions, Start, Verify};
use super::outcome::{Ending, Outcome, TableOutcome};
use super::steps::Counts;
use super::stored::StoredRun;
use super::work::digest_of;
use crate::connect::Session;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::state;

impl StoredRun {
    /// Whether nothing of it is left to do, and nothing is to be done again.
    pub(super) fn is_finished(&self, options: &CloneOptions) -> bool {
        self.record.finished && options.start == Start::Resume && options.snapshot.is_none()
    }
}

/// The result of a finished run.
pub(super) async fn outcome(control: &Session, stored: &StoredRun) -> Result<Outcome, Error> {
    let counted = |what: Counts| {
        stored.steps.values().filter(|result| result.as_str() == what.name()).count()
    };
    let (mut findings, _) = state::load_findings(control).await?;
    findings.push(Finding::new(
        Severity::Note,
        "nothing_left",
        "the run was finished before; nothing was left to do",
        "remove its state with `pghaul finish`",
    ));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Outcome {
        ending: Ending::Complete,
        tables: tables(control, stored).await?,
        findings,
        consistency: stored.consistency().name(),
        indexes: counted(Counts::Index),
        constraints: counted(Counts::Constraint),
        phases: Vec::new(),
    })
}

/// What several tables of the source add up to.
#[derive(Default)]
struct Sum {
    source: TableDigest,
    bytes: u64,
    image: Option<&'static str>,
}

async fn tables(control: &Session, stored: &StoredRun) -> Result<Vec<TableOutcome>, Error> {
    let mut by_table: HashMap<usize, (TableDigest, u64)> = HashMap::new();
    for (_, part) in &stored.parts {
        let (digest, bytes) = by_table.entry(part.table).or_default();
        digest.add(stored.receipts.digest(part.id));
        *bytes += stored.receipts.bytes(part.id);
    }
    let rows =
        control.query("read the run's tables", include_str!("finished/tables.sql"), &[]).await?;
    let mut order: Vec<RelationName> = Vec::new();
    let mut sums: HashMap<RelationName, Sum> = HashMap::new();
    for row in &rows {
        let name = RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2));
        let at = usize::try_from(row.get::<_, i32>(0)).unwrap_or(usize::MAX);
        let sum = sums.entry(name.clone()).or_insert_with(|| {
            order.push(name);
            Sum::default()
        });
        let (digest, bytes) = by_table.get(&at).copied().unwrap_or_default();
        sum.source.add(digest);
        sum.bytes += bytes;
        sum.image = sum.image.or(row.get::<_, Option<&str>>(3).and_then(image_kind));
    }
    let verify = stored.shape.verify;
    Ok(order
        .into_iter()
        .map(|name| {
            let sum = sums.remove(&name).unwrap_or_default();
            let read_back = stored.steps.get(&format!("read back {}", name.quoted()));
            let target = read_back.and_then(|receipt| digest_of(receipt));
            TableOutcome {
                source_rows: sum.source.rows,
                target_rows: target.map(|target| target.rows),
                bytes: sum.bytes,
                digest: sum
                    .image
                    .filter(|_| verify == Verify::Full)
                    .map(|image| (sum.source.to_string(), image)),
                // A receipt says that it was equal.
                verified: verify == Verify::Full && target.is_some(),
                key: Vec::new(),
                differences: Vec::new(),
                name,
            }
        })
        .collect())
}

fn image_kind(name: &str) -> Option<&'static str> {
    [ImageKind::Binary, ImageKind::Text, ImageKind::Md5Binary, ImageKind::Md5Text]
        .into_iter()
        .map(ImageKind::name)
        .find(|known| *known == name)
}
