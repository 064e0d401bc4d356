//! A whole scan: one index after another, begun again when its snapshot is lost; counts, samples
//! and, to a [`Sink`], every group.
//!
//! Invariants: what a survey says is of one moment: when that is lost, all that was said before is
//! forgotten, and the sink hears so; an index that cannot be scanned is a finding and not silence;
//! memory is bounded by the scan's budget, the samples and one row.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::groups::{DuplicateRow, Found};
use super::index::{IndexDefinition, UniqueIndex};
use super::moment::{LongKeys, Scan, is_lost};
use super::options::ScanOptions;
use super::orphans::{ForeignKey, Orphan};
use crate::catalog::Oid;
use crate::connect::{Endpoint, Purpose};
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Event, Observer};
use crate::finding::{Finding, Severity};
use crate::rebuild::{Thoroughness, health};
use crate::run::retry;

/// What a survey is asked to do.
#[derive(Debug, Clone)]
pub struct SurveyOptions {
    /// What is scanned.
    pub scan: ScanOptions,
    /// Groups of each index that are kept as a sample, and rows of each of them.
    pub sample: usize,
    /// How thoroughly amcheck looks at the indexes, where it is installed.
    pub thoroughness: Thoroughness,
    /// How often it begins again after its snapshot was lost.
    pub repetitions: u32,
}

/// Samples of ten, amcheck of the order of indexes, three repetitions.
impl Default for SurveyOptions {
    fn default() -> Self {
        Self {
            scan: ScanOptions::default(),
            sample: 10,
            thoroughness: Thoroughness::Order,
            repetitions: 3,
        }
    }
}

/// Takes every group, as it is found. Whatever it says about a row is of the moment of the scan.
pub trait Sink: Send {
    /// A scan begins, or begins again: forget all that was said before.
    ///
    /// # Errors
    /// As it likes; the survey fails with it.
    fn begin(&mut self) -> Result<(), Error>;

    /// A group begins.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn group(&mut self, index: &UniqueIndex) -> Result<(), Error>;

    /// A row of the group.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn row(&mut self, index: &UniqueIndex, row: &DuplicateRow) -> Result<(), Error>;

    /// The group ends.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn end_of_group(&mut self) -> Result<(), Error>;

    /// The scan ends.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn end(&mut self) -> Result<(), Error>;
}

/// Forgets everything.
impl Sink for () {
    fn begin(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn group(&mut self, _: &UniqueIndex) -> Result<(), Error> {
        Ok(())
    }

    fn row(&mut self, _: &UniqueIndex, _: &DuplicateRow) -> Result<(), Error> {
        Ok(())
    }

    fn end_of_group(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// What was found, as of one moment.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Survey {
    /// Every index that was scanned, by table and name.
    pub indexes: Vec<IndexSurvey>,
    /// Every foreign key that was looked at.
    pub foreign_keys: Vec<KeySurvey>,
    /// One for each index with groups, each foreign key with orphans, all that could not be
    /// scanned, and what is wrong with indexes.
    pub findings: Vec<Finding>,
    /// How often it began again.
    pub repeated: u32,
}

/// What was found under one index.
#[derive(Debug, Clone)]
pub struct IndexSurvey {
    /// The index.
    pub definition: IndexDefinition,
    /// Rows that were read: those that can equal others.
    pub rows: u64,
    /// Groups, and their rows.
    pub found: Found,
    /// The first groups, and of each the first rows.
    pub sample: Vec<Vec<DuplicateRow>>,
    /// Whether the server grouped the rows, since the operator class of a key has no hash function.
    pub grouped_by: GroupedBy,
}

/// Who told keys apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupedBy {
    /// pghaul, and the server confirmed.
    Pghaul,
    /// The server, with its memory and temporary files.
    Server,
}

/// What was found under one foreign key.
#[derive(Debug, Clone)]
pub struct KeySurvey {
    /// The foreign key.
    pub key: ForeignKey,
    /// Rows that refer to nothing.
    pub orphans: u64,
    /// The first of them.
    pub sample: Vec<Orphan>,
}

/// Scans all that was asked for. `None` when `stop` asked for the end: nothing is kept then.
///
/// # Errors
/// As [`Scan::start`]; what the server said, unless it is about one index alone; the sink's.
pub async fn survey(
    database: &Endpoint,
    options: &SurveyOptions,
    sink: &mut dyn Sink,
    (observer, counters, stop): (&dyn Observer, &Counters, &CancellationToken),
) -> Result<Option<Survey>, Error> {
    let mut repeated = 0;
    loop {
        let attempt = attempt(database, options, sink, (observer, counters, stop));
        let error = match Box::pin(attempt).await {
            Ok(None) => return Ok(None),
            Ok(Some(survey)) => return Ok(Some(Survey { repeated, ..survey })),
            Err(error) => error,
        };
        if repeated >= options.repetitions || !is_lost(&error) {
            return Err(error);
        }
        repeated += 1;
        let after = retry::pause(repeated, 0);
        let what =
            format!("the snapshot of the scan is lost, it begins again: {}", error.in_one_line());
        observer.on_event(&Event::Retrying { what: &what, after });
        if wait(after, stop).await.is_none() {
            return Ok(None);
        }
    }
}

async fn wait(time: Duration, stop: &CancellationToken) -> Option<()> {
    tokio::select! {
        () = stop.cancelled() => None,
        () = tokio::time::sleep(time) => Some(()),
    }
}

async fn attempt(
    database: &Endpoint,
    options: &SurveyOptions,
    sink: &mut dyn Sink,
    (observer, counters, stop): (&dyn Observer, &Counters, &CancellationToken),
) -> Result<Option<Survey>, Error> {
    let started = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(None),
        started = Scan::start(database, options.scan.clone()) => started,
    };
    let mut scan = started?;
    let cancel = scan.cancel_token();
    let work = async move {
        sink.begin()?;
        let mut survey = all(&mut scan, options, sink, (observer, counters)).await?;
        let scanned: Vec<Oid> = scan.indexes().iter().map(|index| index.definition.oid).collect();
        // amcheck can take long, and needs no snapshot of ours.
        drop(scan);
        survey.findings.extend(health_of(database, &scanned, options).await?);
        sink.end()?;
        survey.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Ok(survey)
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {
            // The session ends anyway; this frees the server from what it is at.
            let _ = cancel.cancel().await;
            Ok(None)
        }
        done = work => done.map(Some),
    }
}

async fn all(
    scan: &mut Scan,
    options: &SurveyOptions,
    sink: &mut dyn Sink,
    (observer, counters): (&dyn Observer, &Counters),
) -> Result<Survey, Error> {
    observer.on_event(&Event::ScanPlanned {
        indexes: scan.indexes().len(),
        blocks: scan.blocks().iter().sum(),
        foreign_keys: scan.foreign_keys().len(),
    });
    let mut survey = Survey { findings: scan.findings().to_vec(), ..Survey::default() };
    for at in 0..scan.indexes().len() {
        let definition = scan.indexes()[at].definition.clone();
        observer.on_event(&Event::ScanStarted { index: &definition.name });
        match one(scan, at, options, sink, counters).await {
            Ok((index, long)) => {
                let found = index.found;
                observer.on_event(&Event::Scanned {
                    index: &definition.name,
                    groups: found.groups,
                    rows: found.rows,
                });
                survey.findings.extend(duplicates(&index));
                survey.findings.extend(too_long(&index, &long));
                survey.indexes.push(index);
            }
            Err(error) if !is_of_the_index(&error) => return Err(error),
            Err(error) => survey.findings.push(failed(&definition, &error)),
        }
    }
    for at in 0..scan.foreign_keys().len() {
        let key = scan.foreign_keys()[at].clone();
        match orphans_of(scan, at, options.sample).await {
            Ok((orphans, sample)) => {
                let found = KeySurvey { key, orphans, sample };
                survey.findings.extend(orphans_found(&found));
                survey.foreign_keys.push(found);
            }
            Err(error) if !is_of_the_index(&error) => return Err(error),
            Err(error) => survey.findings.push(
                Finding::new(
                    Severity::Warning,
                    "not_scanned",
                    format!("foreign key `{}` not looked at: {}", key.name, error.in_one_line()),
                    "see the server's log",
                )
                .about(&key.child),
            ),
        }
    }
    Ok(survey)
}

/// Whether the others can be scanned all the same.
fn is_of_the_index(error: &Error) -> bool {
    !is_lost(error)
        && error.sqlstate().is_some()
        && matches!(error.kind(), ErrorKind::Transfer | ErrorKind::Preflight)
}

async fn one(
    scan: &mut Scan,
    at: usize,
    options: &SurveyOptions,
    sink: &mut dyn Sink,
    counters: &Counters,
) -> Result<(IndexSurvey, LongKeys), Error> {
    let mut groups = scan.read(at, counters).await?;
    let index = groups.index();
    let mut sample: Vec<Vec<DuplicateRow>> = Vec::new();
    while let Some(mut group) = groups.next_group().await? {
        sink.group(index)?;
        let mut shown = (sample.len() < options.sample).then(Vec::new);
        while let Some(row) = group.next_member().await? {
            sink.row(index, &row)?;
            if let Some(shown) = shown.as_mut().filter(|shown| shown.len() < options.sample) {
                shown.push(row);
            }
        }
        sink.end_of_group()?;
        sample.extend(shown);
    }
    let survey = IndexSurvey {
        definition: index.definition.clone(),
        rows: groups.rows(),
        found: groups.found(),
        sample,
        grouped_by: match index.grouped_by_server() {
            Some(_) => GroupedBy::Server,
            None => GroupedBy::Pghaul,
        },
    };
    let long = scan.long_keys(at).await?;
    Ok((survey, long))
}

async fn orphans_of(scan: &Scan, at: usize, named: usize) -> Result<(u64, Vec<Orphan>), Error> {
    let mut orphans = scan.orphans(at).await?;
    let (mut count, mut sample) = (0, Vec::new());
    while let Some(orphan) = orphans.next().await? {
        count += 1;
        if sample.len() < named {
            sample.push(orphan);
        }
    }
    Ok((count, sample))
}

/// What the catalog and amcheck say of the indexes. Not of the scan's moment: it says what is wrong
/// with an index now.
async fn health_of(
    database: &Endpoint,
    scanned: &[Oid],
    options: &SurveyOptions,
) -> Result<Vec<Finding>, Error> {
    let named = !options.scan.tables.is_empty() || !options.scan.indexes.is_empty();
    let session = database.connect(Purpose::Catalog, "health").await?;
    let wanted = |index: &crate::rebuild::Index| !named || scanned.contains(&index.oid);
    match health(&session, wanted, options.thoroughness).await {
        Ok(health) => Ok(health.findings),
        Err(error) if is_of_the_index(&error) => Ok(vec![Finding::new(
            Severity::Warning,
            "not_checked",
            format!("the health of the indexes is not known: {}", error.in_one_line()),
            "the scan for duplicates is complete all the same; see the server's log",
        )]),
        Err(error) => Err(error),
    }
}

fn duplicates(index: &IndexSurvey) -> Option<Finding> {
    (index.found.groups > 0).then(|| {
        Finding::new(
            Severity::Warning,
            "duplicates",
            format!(
                "groups of rows in `{}` that share its key: {}; rows too many: {}",
                index.definition.table,
                index.found.groups,
                index.found.extra_rows()
            ),
            "`pghaul duplicates plan` says what can be done about them",
        )
        .about(&index.definition.name)
    })
}

fn too_long(index: &IndexSurvey, long: &LongKeys) -> Option<Finding> {
    let places: Vec<String> =
        long.first.iter().map(|(relation, tid)| format!("`{relation}` ctid {tid}")).collect();
    (long.rows > 0).then(|| {
        Finding::new(
            Severity::Warning,
            "key_too_long",
            format!(
                "keys of `{}` that may be too long for an index (2704 bytes from 12 on): {} rows, such as {}",
                index.definition.table,
                long.rows,
                places.join(", ")
            ),
            "shorten them before the index is built anew",
        )
        .about(&index.definition.name)
    })
}

fn orphans_found(found: &KeySurvey) -> Option<Finding> {
    let key = &found.key;
    let severity = if key.validated { Severity::Warning } else { Severity::Note };
    let validated = if key.validated { "" } else { ", which was never validated" };
    (found.orphans > 0).then(|| {
        Finding::new(
            severity,
            "orphans",
            format!(
                "rows that refer to nothing in `{}` by foreign key `{}`{validated}: {}",
                key.parent, key.name, found.orphans
            ),
            "give them a row to refer to, or remove the reference",
        )
        .about(&key.child)
    })
}

fn failed(definition: &IndexDefinition, error: &Error) -> Finding {
    Finding::new(
        Severity::Warning,
        "not_scanned",
        format!("not scanned: {}", error.in_one_line()),
        error.hint().unwrap_or("see the server's log; the other indexes were scanned"),
    )
    .about(&definition.name)
}
