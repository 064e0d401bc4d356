//! `verify --archive`: an archive alone, or against a database.
//!
//! Invariants: an archive alone is read to its last row; against a database, each table is read
//! there under one snapshot and its count and digest are held against the archive's; what cannot
//! be compared is a finding, never silence.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pghaul_archive::{Folder, check};
use tokio::task::JoinSet;

use super::whole::{Whole, joined};
use super::{Summary, failed, from_name, from_table};
use crate::connect::{Endpoint, Session};
use crate::error::Error;
use crate::event::{Counters, Event, Observer};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::plan::{ReadBack, TablePlan, read_backs};
use crate::restore;
use crate::run::{Stop, TableOutcome};
use crate::snapshot::{Keeper, open_reader};
use crate::transfer::large_objects;
use crate::verify;
use pghaul_rows::TableDigest;

/// What was found.
#[derive(Debug)]
pub struct Verified {
    /// What the archive says of itself.
    pub archive: Summary,
    /// Its tables, with what the database holds where one was asked.
    pub tables: Vec<TableOutcome>,
    /// What a person should know; warnings where something differs.
    pub findings: Vec<Finding>,
}

/// Who is told, what is counted, and who may stop it.
pub type Company = (Arc<dyn Observer>, Arc<Counters>, Stop);

/// Reads all of an archive.
///
/// # Errors
/// [`ErrorKind::Archive`](crate::ErrorKind::Archive): the first thing that is wrong.
pub async fn archive(
    folder: PathBuf,
    jobs: NonZeroUsize,
    (observer, counters, stop): Company,
) -> Result<Verified, Error> {
    let opened = restore::open(folder.clone()).await?;
    let summary = Summary::of(&opened.manifest, &opened.contents);
    let whole = Whole {
        folder: Folder::new(folder),
        manifest: Arc::new(opened.manifest),
        contents: Arc::new(opened.contents),
    };
    whole.check(jobs, (&counters, &stop)).await?;
    let unnamed = check::unnamed(&whole.folder, &whole.manifest).map_err(failed)?;
    let findings: Vec<Finding> = unnamed
        .iter()
        .map(|file| {
            Finding::new(
                Severity::Warning,
                "unnamed_file",
                "the archive's manifest does not name this file; it is not part of the archive",
                "remove it, once you know where it came from",
            )
            .about(file)
        })
        .collect();
    for finding in &findings {
        observer.on_event(&Event::Found(finding));
    }
    let tables = whole.contents.tables.iter().enumerate().map(|(at, table)| {
        let digest = whole.manifest.table_digest(at);
        outcome(&from_table(table), &from_name(&table.name), digest, None)
    });
    Ok(Verified { archive: summary, tables: tables.collect(), findings })
}

/// Reads all of an archive, and the same tables of a database.
///
/// # Errors
/// As [`archive`]; [`ErrorKind::Connect`](crate::ErrorKind::Connect), what the server said.
pub async fn against(
    folder: PathBuf,
    target: Endpoint,
    jobs: NonZeroUsize,
    (observer, counters, stop): Company,
) -> Result<Verified, Error> {
    let company = (Arc::clone(&observer), Arc::clone(&counters), stop.clone());
    let alone = archive(folder.clone(), jobs, company).await?;
    let opened = restore::open(folder).await?;
    let plans: Vec<TablePlan> = opened.contents.tables.iter().map(from_table).collect();
    let there = read_backs(&plans);
    let names: std::collections::BTreeSet<RelationName> =
        there.iter().map(|one| one.name.clone()).collect();
    let keeper = Keeper::start(&target, |name| names.contains(name)).await?;
    let (mut found, missing): (Vec<ReadBack>, Vec<ReadBack>) =
        there.into_iter().partition(|one| keeper.holds(&one.name));
    found.sort_by_key(|one| {
        let bytes: u64 = one.tables.iter().map(|table| plans[*table].bytes).sum();
        std::cmp::Reverse(bytes)
    });
    let shared = Arc::new(Shared {
        target,
        plans,
        sums: (0..opened.contents.tables.len())
            .map(|table| opened.manifest.table_digest(table))
            .collect(),
        found,
        next: AtomicUsize::new(0),
        counters,
        observer,
        stop,
    });
    let mut readers = JoinSet::new();
    for number in 1..=jobs.get().min(shared.found.len().max(1)) {
        let (shared, id) = (Arc::clone(&shared), keeper.id().clone());
        readers.spawn(async move {
            let name = format!("verify {number}");
            let session = open_reader(&shared.target, &id, &name).await?;
            shared.read(&session).await
        });
    }
    let mut tables = Vec::new();
    while let Some(ended) = readers.join_next().await {
        tables.extend(joined(ended)??);
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let mut findings = alone.findings;
    findings.extend(missing.iter().map(|one| {
        Finding::new(
            Severity::Warning,
            "table_missing",
            "the table is in the archive and not in the database",
            "restore it with --include",
        )
        .about(&one.name)
    }));
    let differs = |table: &&TableOutcome| !table.verified;
    findings.extend(tables.iter().filter(differs).map(|table| {
        Finding::new(
            Severity::Warning,
            "rows_differ",
            format!(
                "the database does not hold what is in the archive: {} rows there, {} in the archive",
                table.target_rows.unwrap_or(0),
                table.source_rows
            ),
            "nothing, if it was written to since the archive was made",
        )
        .about(&table.name)
    }));
    findings.extend(objects(&opened, keeper.session(), &shared.counters).await?);
    findings.push(Finding::new(
        Severity::Note,
        "schema_not_compared",
        "rows and large objects were compared, definitions and sequences were not",
        "restore the archive into an empty database and compare the two with `pghaul verify`",
    ));
    keeper.release().await;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Verified { archive: alone.archive, tables, findings })
}

struct Shared {
    target: Endpoint,
    plans: Vec<TablePlan>,
    sums: Vec<TableDigest>,
    found: Vec<ReadBack>,
    next: AtomicUsize,
    counters: Arc<Counters>,
    observer: Arc<dyn Observer>,
    stop: Stop,
}

impl Shared {
    /// Reads tables until none is left.
    async fn read(&self, session: &Session) -> Result<Vec<TableOutcome>, Error> {
        let mut outcomes = Vec::new();
        while let Some(what) = self.found.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if self.stop.soon.is_cancelled() {
                break;
            }
            let Some(first) = what.tables.first().and_then(|at| self.plans.get(*at)) else {
                continue;
            };
            let there = verify::read_back(session, first, (what, None), &self.counters).await?;
            let mut here = TableDigest::default();
            for table in &what.tables {
                here.add(self.sums[*table]);
            }
            let equal = here == there;
            self.observer.on_event(&Event::TableVerified { table: &what.name, equal });
            outcomes.push(outcome(first, &what.name, here, Some(there)));
        }
        Ok(outcomes)
    }
}

fn outcome(
    table: &TablePlan,
    name: &RelationName,
    archive: TableDigest,
    database: Option<TableDigest>,
) -> TableOutcome {
    TableOutcome {
        name: name.clone(),
        source_rows: archive.rows,
        target_rows: database.map(|digest| digest.rows),
        bytes: table.bytes,
        digest: Some((archive.to_string(), table.format.layout.image_kind().name())),
        verified: database.is_none_or(|digest| digest == archive),
        key: table.key.clone(),
        differences: Vec::new(),
    }
}

/// Large objects of the archive that are missing or differ.
async fn objects(
    archive: &restore::Archive,
    session: &Session,
    counters: &Counters,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for (batch, noted) in archive.manifest.large_objects.iter().enumerate() {
        let oids = check::objects_of_batch(&archive.contents, &archive.manifest, batch);
        // A missing object would end the transaction of the snapshot.
        let there = session
            .query_one(
                "look for the large objects",
                "select pg_catalog.count(*) from pg_catalog.pg_largeobject_metadata \
                  where oid = any ($1)",
                &[&oids],
            )
            .await?;
        let all = usize::try_from(there.get::<_, i64>(0)) == Ok(oids.len());
        let same = all
            && large_objects::digest(session, &oids, counters).await? == noted.sha256.to_string();
        if !same {
            findings.push(Finding::new(
                Severity::Warning,
                "large_objects_differ",
                format!(
                    "among the large objects {:?} to {:?} at least one is missing or differs",
                    oids.first(),
                    oids.last()
                ),
                "nothing, if it was written to since the archive was made",
            ));
        }
    }
    Ok(findings)
}
