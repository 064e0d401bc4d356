//! `verify --archive`: an archive alone, or against a database.
//!
//! Invariants: an archive alone is read to its last row; against a database, each table is read
//! there under one snapshot and its count and digest are held against the archive's; what cannot
//! be compared is a finding, never silence.

mod beside_rows;
mod name_rows;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pghaul_archive::{Folder, check, contents};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;

use super::whole::{Whole, joined};
use super::{Summary, failed, from_name, from_source, from_table, to_catalog};
use crate::catalog::RelationKind;
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Event, Observer};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::plan::filter::Filter;
use crate::plan::{ReadBack, TablePlan, read_backs};
use crate::restore;
use crate::run::retry::{Attempts, Budget};
use crate::run::{Ending, Stop, TableOutcome};
use crate::schema::compare::SchemaDifference;
use crate::transfer::pace::Pace;
use crate::verify::TableDifferences;
use crate::verify::difference::{Named, Naming, search};
use crate::verify::moment::{SideAt, look};
use crate::verify::name_rows::Told;
use crate::verify::options::{Scope, VerifyOptions};
use crate::verify::read_all::{ends_all, not_compared};
use crate::verify::reading::Reading;
use crate::verify::{self, pairs};
use crate::version::ServerVersion;
use name_rows::ArchivedRows;
use pghaul_rows::TableDigest;

/// What was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// How it ended. After a stop, what is here was looked at until then.
    pub ending: Ending,
    /// What the archive says of itself.
    pub archive: Summary,
    /// Its tables, with what the database holds where one was asked.
    pub tables: Vec<TableOutcome>,
    /// Of the tables that differ: how many rows were told to the receiver of differences, and
    /// whether these are all.
    pub named: BTreeMap<RelationName, Named>,
    /// What differs in the schemas, an entry each.
    pub schema: Vec<SchemaDifference>,
    /// Sequences compared.
    pub sequences: usize,
    /// Large objects compared.
    pub large_objects: usize,
    /// What a person should know; warnings where something differs.
    pub findings: Vec<Finding>,
}

/// Who is told, what is counted, and who may stop it.
pub type Company = (Arc<dyn Observer>, Arc<Counters>, Stop);

/// Reads all of an archive.
///
/// # Errors
/// [`ErrorKind::Archive`]: the first thing that is wrong.
pub async fn archive(
    folder: PathBuf,
    jobs: NonZeroUsize,
    company: Company,
) -> Result<Verified, Error> {
    let opened = restore::open(folder.clone()).await?;
    let folder = Folder::new(folder);
    let (manifest, contents) = (Arc::new(opened.manifest), Arc::new(opened.contents));
    alone(&Whole { folder, manifest, contents }, jobs, &company).await
}

async fn alone(
    whole: &Whole,
    jobs: NonZeroUsize,
    (observer, counters, stop): &Company,
) -> Result<Verified, Error> {
    whole.check(jobs, (counters, stop)).await?;
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
    Ok(Verified {
        ending: if stop.now.is_cancelled() { Ending::Stopped } else { Ending::Complete },
        archive: Summary::of(&whole.manifest, &whole.contents),
        tables: tables.collect(),
        named: BTreeMap::new(),
        schema: Vec::new(),
        sequences: 0,
        large_objects: 0,
        findings,
    })
}

/// Reads all of an archive, and holds a database against it: rows, schema, sequences and large
/// objects, as far as the archive has them and `options` ask for them. The archive's own filters
/// say what of the database counts; of the options `jobs`, `scope`, `owners`, `privileges`,
/// `max_differences`, `values`, `memory`, `spill_dir`, `max_rate`, `pg_dump`, `attempts` and
/// `retries` matter. Rows that differ go to `differences` as they are named, by their keys: as the
/// source the archive, whose rows have no ctid, nor has a target that is read by its root. While
/// its receiver is full, the comparison waits.
///
/// # Errors
/// As [`archive`]; [`ErrorKind::Connect`],
/// [`ErrorKind::Preflight`] without a `pg_dump`, what the server said.
pub async fn against(
    folder: PathBuf,
    target: Endpoint,
    options: VerifyOptions,
    (observer, counters, stop): Company,
    differences: Sender<TableDifferences>,
) -> Result<Verified, Error> {
    let options = options.within_memory()?;
    let opened = restore::open(folder.clone()).await?;
    let whole = Whole {
        folder: Folder::new(folder),
        manifest: Arc::new(opened.manifest),
        contents: Arc::new(opened.contents),
    };
    let there = There::take(&whole.contents, target, options).await?;
    let company = (Arc::clone(&observer), Arc::clone(&counters), stop.clone());
    let mut verified = alone(&whole, there.options.jobs, &company).await?;
    let work = async {
        let mut findings = Vec::new();
        let shared = Arc::new(there.reading(&whole, &mut findings, company).await?);
        let tables = shared.read_all().await?;
        findings.extend(std::mem::take(&mut *shared.not_compared()));
        findings.extend(tables.iter().filter(|table| !table.verified).map(rows_differ));
        let beside = beside_rows::compare(&whole, &shared.there, &shared.counters).await?;
        let named = shared.name_all(&whole, &tables, &differences, &mut findings).await?;
        Ok::<_, Error>((tables, named, findings, beside))
    };
    let stopped = async {
        tokio::select! {
            () = stop.soon.cancelled() => {}
            () = stop.now.cancelled() => {}
        }
    };
    let (tables, named, mut findings, beside) = tokio::select! {
        biased;
        () = stopped => {
            verified.ending = Ending::Stopped;
            return Ok(verified);
        }
        done = work => done?,
    };
    findings.extend(beside.findings);
    for finding in &findings {
        observer.on_event(&Event::Found(finding));
    }
    findings.append(&mut verified.findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Verified {
        tables,
        named,
        schema: beside.schema,
        sequences: beside.sequences,
        large_objects: beside.large_objects,
        findings,
        ..verified
    })
}

fn rows_differ(table: &TableOutcome) -> Finding {
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
}

/// The database under one snapshot.
struct There {
    side: SideAt,
    /// What of it counts.
    filter: Filter,
    options: VerifyOptions,
    /// What the archive's filters and the options leave.
    scope: Scope,
}

impl There {
    async fn take(
        contents: &contents::Contents,
        target: Endpoint,
        options: VerifyOptions,
    ) -> Result<Self, Error> {
        let scope = scope(contents.asked.scope, options.scope)?;
        let before = look(&target).await?;
        let (include, exclude) = (&contents.asked.include, &contents.asked.exclude);
        let catalogs = [&to_catalog(contents), &before];
        let filter = Filter::over(&catalogs, "the archive or of the target", include, exclude)?;
        let keeper = target.connect(Purpose::Read, "verify keeper").await?;
        let (side, _) = SideAt::take((&target, keeper), Some(&before), &filter, &options).await?;
        Ok(Self { side, filter, options, scope })
    }

    /// The names of tables, or roots of partition trees, that hold rows and count.
    fn tables(&self) -> BTreeSet<&RelationName> {
        let catalog = &self.side.catalog;
        let counts = catalog.relations.iter().filter(|relation| {
            matches!(relation.kind, RelationKind::Table | RelationKind::Partitioned)
                && !relation.belongs_to_extension
                && self.filter.wants(catalog, relation)
        });
        counts
            .map(|relation| {
                let root = relation.root.and_then(|root| catalog.relation(root));
                &root.unwrap_or(relation).name
            })
            .collect()
    }

    /// What is to be read, the biggest first.
    async fn reading(
        self,
        whole: &Whole,
        findings: &mut Vec<Finding>,
        (observer, counters, stop): Company,
    ) -> Result<Shared, Error> {
        let plans: Vec<TablePlan> = whole.contents.tables.iter().map(from_table).collect();
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        if self.scope != Scope::SchemaOnly {
            let known = &self.side.catalog.relations;
            (found, missing) = read_backs(&plans)
                .into_iter()
                .partition(|one| known.iter().any(|relation| relation.name == one.name));
            let of_archive: BTreeSet<RelationName> =
                whole.contents.relations.iter().map(|one| from_name(&one.name)).collect();
            let extra = self.tables().into_iter().filter(|name| !of_archive.contains(*name));
            findings.extend(extra.map(pairs::extra));
        }
        findings.extend(missing.iter().map(|one: &ReadBack| {
            Finding::new(
                Severity::Warning,
                "table_missing",
                "the table is in the archive and not in the database",
                "restore it with --include",
            )
            .about(&one.name)
        }));
        found.sort_by_key(|one: &ReadBack| {
            let bytes: u64 = one.tables.iter().map(|table| plans[*table].bytes).sum();
            std::cmp::Reverse(bytes)
        });
        let sums = (0..plans.len()).map(|table| whole.manifest.table_digest(table));
        Ok(Shared {
            budget: Budget::new(self.options.retries),
            sums: sums.collect(),
            there: self,
            plans,
            found,
            next: AtomicUsize::new(0),
            not_compared: Mutex::default(),
            counters,
            observer,
            stop,
        })
    }
}

/// What of the archive is compared.
fn scope(held: contents::Scope, asked: Scope) -> Result<Scope, Error> {
    match (held, asked) {
        (contents::Scope::Everything, asked) => Ok(asked),
        (contents::Scope::SchemaOnly, Scope::Everything | Scope::SchemaOnly) => {
            Ok(Scope::SchemaOnly)
        }
        (contents::Scope::DataOnly, Scope::Everything | Scope::DataOnly) => Ok(Scope::DataOnly),
        (held, _) => {
            let held = if held == contents::Scope::SchemaOnly { "the schema" } else { "rows" };
            let what = format!("the archive holds only {held}, which was not to be compared");
            Err(Error::new(ErrorKind::Usage, what)
                .with_hint("leave out --schema-only or --data-only"))
        }
    }
}

/// What the readers of the database share.
struct Shared {
    there: There,
    plans: Vec<TablePlan>,
    sums: Vec<TableDigest>,
    found: Vec<ReadBack>,
    next: AtomicUsize,
    not_compared: Mutex<Vec<Finding>>,
    budget: Budget,
    counters: Arc<Counters>,
    observer: Arc<dyn Observer>,
    stop: Stop,
}

impl Shared {
    async fn read_all(self: &Arc<Self>) -> Result<Vec<TableOutcome>, Error> {
        let mut readers = JoinSet::new();
        for number in 1..=self.there.options.jobs.get().min(self.found.len().max(1)) {
            let shared = Arc::clone(self);
            readers.spawn(async move { shared.read(&format!("read {number}")).await });
        }
        let mut tables = Vec::new();
        while let Some(ended) = readers.join_next().await {
            tables.extend(joined(ended)??);
        }
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tables)
    }

    fn not_compared(&self) -> MutexGuard<'_, Vec<Finding>> {
        self.not_compared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads tables until none is left.
    async fn read(&self, name: &str) -> Result<Vec<TableOutcome>, Error> {
        let (mut outcomes, mut session) = (Vec::new(), None);
        while let Some(what) = self.found.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if self.stop.soon.is_cancelled() {
                break;
            }
            let Some(first) = what.tables.first().and_then(|at| self.plans.get(*at)) else {
                continue;
            };
            let there = match self.try_until_done(name, &mut session, (first, what)).await {
                Ok(there) => there,
                Err(error) if ends_all(&error) => return Err(error),
                Err(error) => {
                    self.not_compared().push(not_compared(&what.name, &error));
                    continue;
                }
            };
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

    async fn try_until_done(
        &self,
        name: &str,
        session: &mut Option<Session>,
        (table, what): (&TablePlan, &ReadBack),
    ) -> Result<TableDigest, Error> {
        let mut attempts = self.attempts(name.len() as u64);
        loop {
            let error = match self.once(name, session, (table, what)).await {
                Ok(digest) => return Ok(digest),
                Err(error) => error,
            };
            // A session in an unknown state is not used again.
            *session = None;
            attempts.after(error).await?;
        }
    }

    fn attempts(&self, seed: u64) -> Attempts<'_> {
        let limits = (self.there.options.attempts, &self.budget);
        Attempts::new(limits, self.observer.as_ref(), seed)
    }

    async fn once(
        &self,
        name: &str,
        session: &mut Option<Session>,
        (table, what): (&TablePlan, &ReadBack),
    ) -> Result<TableDigest, Error> {
        let session = match session {
            Some(session) if !session.is_closed() => session,
            _ => session.insert(self.there.side.reader(name).await?),
        };
        verify::read_back(session, table, (what, None), &self.counters).await
    }

    /// Names the rows of tables that differ.
    async fn name_all(
        &self,
        whole: &Whole,
        tables: &[TableOutcome],
        sender: &Sender<TableDifferences>,
        findings: &mut Vec<Finding>,
    ) -> Result<BTreeMap<RelationName, Named>, Error> {
        let mut all = BTreeMap::new();
        let source = ServerVersion::from_num(from_source(&whole.contents.source).version);
        let versions = (source, self.there.side.catalog.version);
        if self.there.options.max_differences == 0 {
            return Ok(all);
        }
        for table in tables.iter().filter(|table| !table.verified) {
            let Some(what) = self.found.iter().find(|what| what.name == table.name) else {
                continue;
            };
            let Some(first) = what.tables.first().and_then(|at| self.plans.get(*at)) else {
                continue;
            };
            if !name_rows::can_be_named(first, versions) {
                let text = "the rows that differ cannot be named: it travels as text and has floats, \
                            whose text is another one before 12, so the archive does not hold all \
                            that its digests are made of";
                let remedy = "restore it elsewhere, and compare the two databases";
                findings.push(
                    Finding::new(Severity::Note, "rows_not_named", text, remedy).about(&what.name),
                );
                continue;
            }
            let mut attempts = self.attempts(0);
            let named = loop {
                let key = first.key.clone();
                let mut sink = Told::new((&what.name, &key), sender);
                match self.name_rows(whole, (first, what), table, &mut sink).await {
                    // What was told was told: it is not told again.
                    Err(error) if sink.rows() == 0 => attempts.after(error).await?,
                    ended => break ended?,
                }
            };
            all.insert(what.name.clone(), named);
        }
        Ok(all)
    }

    async fn name_rows(
        &self,
        whole: &Whole,
        (table, what): (&TablePlan, &ReadBack),
        outcome: &TableOutcome,
        sink: &mut Told<'_>,
    ) -> Result<Named, Error> {
        let there = &self.there;
        let mut target = verify::on_target(table, what);
        target.format = target.format.without_hidden();
        let session = there.side.reader("differences").await?;
        // Not the one of the snapshot, which an error would end.
        let texts = there.side.endpoint.connect(Purpose::Catalog, "verify texts").await?;
        let archived = ArchivedRows {
            whole,
            table,
            tables: &what.tables,
            key: &target.key,
            types: name_rows::types(&texts, table).await?,
            texts: &texts,
        };
        let pace = Pace::new(there.options.max_rate);
        let reading =
            Reading { session: &session, table: &target, counters: &self.counters, pace: &pace };
        let naming = Naming {
            limit: there.options.max_differences,
            values: there.options.values,
            rows: outcome.source_rows.checked_add(outcome.target_rows.unwrap_or(0)),
            memory: there.options.memory_for_differences(),
            spill_dir: there.options.spill_dir.clone(),
        };
        search(&archived, &reading, &naming, sink).await
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
