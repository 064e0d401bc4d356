//! A comparison of two databases: both moments, the pairs, then everything in order.
//!
//! Invariants: nothing is written on either side; each side is read under one snapshot of its own,
//! held with locks against DDL; when a side's snapshot is lost with the sessions that held it,
//! both are taken anew, and what was compared before stays compared. There is no state on disk: a
//! process that ends begins again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use super::options::{Depth, Scope, VerifyOptions};
use super::outcome::{TableDifferences, VerifiedTable, VerifyOutcome};
use super::pairs::{Known, Pairs, UniqueKeys, pairs, unique_keys};
use super::{name_rows, others, read_all, repairs};
use crate::catalog::{Catalog, size};
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::event::{Counters, Event, Observer, Phase};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::plan::PartSizing;
use crate::plan::filter::Filter;
use crate::preflight::is_same_database;
use crate::run::retry::{self, Budget};
use crate::run::{Ending, Stop};
use crate::schema::compare::SchemaDifference;
use crate::snapshot::Keeper;
use crate::snapshot::hold::Hold;
use crate::state::DatabaseIdentity;
use crate::transfer::pace::Pace;

/// A comparison that is ready to run: both snapshots are held, nothing is read yet.
pub struct PreparedVerify {
    pub(super) options: VerifyOptions,
    endpoints: (Endpoint, Endpoint),
    identities: (DatabaseIdentity, DatabaseIdentity),
    moment: Moment,
}

/// Both sides at one moment each.
pub(super) struct Moment {
    pub(super) source: SideAt,
    pub(super) target: SideAt,
    pub(super) filter: Filter,
    pub(super) pairs: Pairs,
}

/// One side under its snapshot.
pub(crate) struct SideAt {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(super) hold: Hold,
    pub(crate) catalog: Catalog,
    pub(super) pace: Pace,
    pub(super) sizing: PartSizing,
}

/// What all parts of a running comparison share.
pub(super) struct Company {
    pub(super) options: VerifyOptions,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: Stop,
    pub(super) budget: Budget,
    pub(super) differences: Sender<TableDifferences>,
    found: Mutex<Vec<Finding>>,
}

impl Company {
    pub(super) fn find(&self, finding: Finding) {
        self.observer.on_event(&Event::Found(&finding));
        self.findings().push(finding);
    }

    fn findings(&self) -> MutexGuard<'_, Vec<Finding>> {
        // Every change is complete before the lock is let go.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SideAt {
    /// A session inside the snapshot.
    pub(crate) async fn reader(&self, what: &str) -> Result<Session, Error> {
        self.hold.open_reader(&format!("verify {what}")).await
    }
}

impl PreparedVerify {
    /// Looks at both sides, takes both snapshots and pairs the tables.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Preflight`], and [`ErrorKind::Usage`] when both are
    /// one and the same database, or a pattern matches nothing on either side.
    pub async fn new(
        source: Endpoint,
        target: Endpoint,
        options: VerifyOptions,
    ) -> Result<Self, Error> {
        let options = options.within_memory()?;
        let (look, other) = keepers(&source, &target).await?;
        if is_same_database(&look, &other).await? {
            return Err(Error::new(
                ErrorKind::Usage,
                "source and target are the same database, which is equal to itself",
            )
            .with_hint("name two databases"));
        }
        let identities =
            (DatabaseIdentity::of(&look, &source), DatabaseIdentity::of(&other, &target));
        let moment = Moment::take((&source, look), (&target, other), &options).await?;
        Ok(Self { options, endpoints: (source, target), identities, moment })
    }

    /// What there is to compare.
    pub fn pairs(&self) -> &Pairs {
        &self.moment.pairs
    }

    /// Which databases source and target are.
    pub fn identities(&self) -> (&DatabaseIdentity, &DatabaseIdentity) {
        (&self.identities.0, &self.identities.1)
    }

    /// Compares. Rows that differ go to `differences` as they are named; while its receiver is
    /// full, the comparison waits.
    ///
    /// # Errors
    /// A failure that no attempt could mend. What differs is no failure.
    pub async fn run(
        self,
        (observer, counters, stop): (Arc<dyn Observer>, Arc<Counters>, Stop),
        differences: Sender<TableDifferences>,
    ) -> Result<VerifyOutcome, Error> {
        let company = Arc::new(Company {
            budget: Budget::new(self.options.retries),
            options: self.options,
            observer,
            counters,
            stop,
            differences,
            found: Mutex::default(),
        });
        let (source, target) = self.endpoints;
        let mut progress = Progress::default();
        let mut moment = Arc::new(self.moment);
        let mut attempt = 0;
        let mut moments = 1;
        let work = async {
            loop {
                let error = match Box::pin(progress.go_on(&company, &moment)).await {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                };
                attempt += 1;
                if error.kind() != ErrorKind::SnapshotGone
                    || attempt >= company.options.attempts
                    || !company.budget.take()
                {
                    return Err(error);
                }
                let after = retry::pause(attempt, u64::from(attempt));
                let what = format!("{error:?}");
                company.observer.on_event(&Event::Retrying { what: &what, after });
                tokio::time::sleep(after).await;
                let (here, there) = keepers(&source, &target).await?;
                let sides = ((&source, here), (&target, there));
                moment = Arc::new(Moment::take(sides.0, sides.1, &company.options).await?);
                moments += 1;
            }
        };
        let ended = tokio::select! {
            biased;
            () = company.stop.soon.cancelled() => None,
            () = company.stop.now.cancelled() => None,
            ended = work => Some(ended),
        };
        let ending = match ended {
            None => Ending::Stopped,
            Some(ended) => {
                ended?;
                Ending::Complete
            }
        };
        if moments > 1 {
            company.find(Finding::new(
                Severity::Note,
                "several_moments",
                "sessions were lost, so some tables were compared at a later moment than others",
                "compare again if the databases were written to meanwhile",
            ));
        }
        Ok(progress.outcome(ending, moments, &company))
    }
}

impl Moment {
    /// Of two databases, with a session on each that is to hold the snapshot.
    async fn take(
        (source, here): (&Endpoint, Session),
        (target, there): (&Endpoint, Session),
        options: &VerifyOptions,
    ) -> Result<Self, Error> {
        // Without patterns, what is there need not be known before the snapshot.
        let before = if options.include.is_empty() && options.exclude.is_empty() {
            None
        } else {
            Some(futures::try_join!(look(source), look(target))?)
        };
        let catalogs: Vec<&Catalog> =
            before.iter().flat_map(|(source, target)| [source, target]).collect();
        let filter = Filter::over(
            &catalogs,
            "the source or of the target",
            &options.include,
            &options.exclude,
        )?;
        let side = |side, catalog| SideAt::take(side, catalog, &filter, options);
        let ((source, here), (target, there)) = futures::try_join!(
            side((source, here), before.as_ref().map(|before| &before.0)),
            side((target, there), before.as_ref().map(|before| &before.1))
        )?;
        let known = (Known::new(&source.catalog, here), Known::new(&target.catalog, there));
        let pairs = match options.scope {
            Scope::SchemaOnly => Pairs::default(),
            Scope::Everything | Scope::DataOnly => {
                pairs(&known.0, &known.1, &filter, (options.depth, options.digest_on))
            }
        };
        drop(known);
        Ok(Self { source, target, filter, pairs })
    }
}

/// What is there, before any snapshot.
pub(crate) async fn look(endpoint: &Endpoint) -> Result<Catalog, Error> {
    Catalog::read(&endpoint.connect(Purpose::Catalog, "verify look").await?).await
}

/// A session on each side that may become the keeper of its snapshot.
async fn keepers(source: &Endpoint, target: &Endpoint) -> Result<(Session, Session), Error> {
    futures::try_join!(
        source.connect(Purpose::Read, "verify keeper"),
        target.connect(Purpose::Read, "verify keeper")
    )
}

impl SideAt {
    /// Takes the snapshot of one side, and what names the rows of tables without a primary key.
    /// `before` tells the names of partitions' roots, by which patterns may mean them.
    pub(crate) async fn take(
        (endpoint, session): (&Endpoint, Session),
        before: Option<&Catalog>,
        filter: &Filter,
        options: &VerifyOptions,
    ) -> Result<(Self, UniqueKeys), Error> {
        let wanted = filter.by_name(before);
        let keeper = Keeper::start_in(session, wanted).await?;
        let catalog = Catalog::read(keeper.session()).await?;
        let unique_keys = unique_keys(keeper.session()).await?;
        let row = keeper
            .session()
            .query_one(
                "ask for the block size",
                "select pg_catalog.current_setting('block_size')::int8",
                &[],
            )
            .await?;
        let sizing = PartSizing {
            source: catalog.version,
            jobs: options.jobs,
            part_size: options.part_size,
            block_size: size(row.get(0)),
        };
        let endpoint = Arc::new(endpoint.clone());
        let hold = Hold::new(Arc::clone(&endpoint), keeper);
        let pace = Pace::new(options.max_rate);
        Ok((Self { endpoint, hold, catalog, pace, sizing }, unique_keys))
    }
}

/// What is done so far, under whatever snapshots.
#[derive(Default)]
struct Progress {
    schema: Option<Vec<SchemaDifference>>,
    others: others::Compared,
    pairs_told: bool,
    done: BTreeMap<RelationName, VerifiedTable>,
    order: Vec<RelationName>,
    phases: Vec<(Phase, Duration)>,
}

impl Progress {
    async fn go_on(&mut self, company: &Arc<Company>, moment: &Arc<Moment>) -> Result<(), Error> {
        let tables = &moment.pairs.tables;
        self.order = tables.iter().map(|pair| pair.name.clone()).collect();
        company.observer.on_event(&Event::Planned {
            tables: tables.len(),
            parts: read_all::parts(moment, &self.done),
            bytes: tables.iter().map(|pair| pair.source.bytes()).sum(),
            steps: 0,
        });
        if !self.pairs_told {
            self.pairs_told = true;
            for finding in &moment.pairs.findings {
                company.find(finding.clone());
            }
            depth_note(company);
        }
        if self.schema.is_none() {
            let begun = self.begin(company, Phase::PreData);
            let schema = match company.options.scope {
                Scope::DataOnly => Vec::new(),
                Scope::Everything | Scope::SchemaOnly => others::schema(company, moment).await?,
            };
            self.schema = Some(schema);
            self.end(company, begun);
        }
        let begun = self.begin(company, Phase::Data);
        let beside_rows = async {
            match company.options.scope {
                Scope::SchemaOnly => Ok(()),
                Scope::Everything | Scope::DataOnly => {
                    others::compare(company, moment, &mut self.others).await
                }
            }
        };
        // Both to their end, so that what one has done is not lost by a failure of the other.
        let (others, read) =
            futures::join!(beside_rows, read_all::read_all(company, moment, &mut self.done));
        self.end(company, begun);
        others?;
        read?;
        repairs::account(company, moment, &mut self.done).await?;
        let begun = self.begin(company, Phase::PostData);
        let named = name_rows::name_all(company, moment, &mut self.done).await;
        self.end(company, begun);
        named
    }

    fn begin(&self, company: &Company, phase: Phase) -> (Phase, Instant) {
        company.observer.on_event(&Event::PhaseStarted(phase));
        (phase, Instant::now())
    }

    fn end(&mut self, company: &Company, (phase, begun): (Phase, Instant)) {
        let took = begun.elapsed();
        company.observer.on_event(&Event::PhaseFinished(phase, took));
        match self.phases.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, all)) => *all += took,
            None => self.phases.push((phase, took)),
        }
    }

    fn outcome(mut self, ending: Ending, moments: u32, company: &Company) -> VerifyOutcome {
        let mut findings = std::mem::take(&mut *company.findings());
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        VerifyOutcome {
            ending,
            tables: self.order.iter().filter_map(|name| self.done.remove(name)).collect(),
            schema: self.schema.unwrap_or_default(),
            findings,
            moments,
            large_objects: self.others.large_objects.unwrap_or(0),
            sequences: self.others.sequences.unwrap_or(0),
            phases: self.phases,
        }
    }
}

/// Says what was not asked for, and so is not proven.
fn depth_note(company: &Company) {
    if company.options.scope == Scope::SchemaOnly {
        return;
    }
    let (code, text) = match company.options.depth {
        Depth::Full => return,
        Depth::Rows => {
            ("only_counted", "rows were counted; what is in them was not compared".to_owned())
        }
        Depth::Sample(share) => (
            "sampled",
            format!(
                "rows were counted; the contents of {} % of them, chosen by the digest of their key, were compared: \
                 this proves nothing about the others",
                share * 100.0
            ),
        ),
    };
    let remedy = "leave --rows and --sample out to compare every row";
    company.find(Finding::new(Severity::Note, code, text, remedy));
}
