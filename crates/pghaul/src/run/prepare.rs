//! Before the first byte moves: who is there, what is there, what stands in the way, the moment,
//! the plan. Nothing is written on either side.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::claim::ClaimKey;
use super::finished;
use super::moment::Moment;
use super::obstacles;
use super::options::{CloneOptions, Scope, Shape, Start};
use super::origin::Origin;
use super::outcome::Outcome;
use super::source_schema::{self, Newness, Selected, SourceSchema};
use super::stored::{StoredRun, large_objects_text};
use super::writers::WriteCounters;
use crate::catalog::{Catalog, Relation, Sizes, size};
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::finding::Finding;
use crate::name::RelationName;
use crate::plan::filter::Filter;
use crate::plan::format::Formats;
use crate::plan::{PartSizing, Plan};
use crate::schema::{Entry, Step};
use crate::snapshot::{Keeper, SnapshotId};
use crate::state::{self, DatabaseIdentity, Presence};
use crate::transfer::large_objects::{self, LargeObject, OBJECTS_A_BATCH};

/// A clone that is ready to run: everything is known, nothing is written yet. Holds the source's
/// snapshot until it is run or dropped.
pub struct PreparedClone {
    pub(super) origin: Origin,
    pub(super) target: Arc<Endpoint>,
    pub(super) options: CloneOptions,
    pub(super) control: Session,
    /// None when all rows have arrived already: then the source's moment is not needed.
    pub(super) keeper: Option<Keeper>,
    pub(super) identities: (DatabaseIdentity, DatabaseIdentity),
    pub(super) plan: Plan,
    pub(super) schema: SourceSchema,
    pub(super) large_objects: Vec<Vec<LargeObject>>,
    pub(super) large_objects_text: String,
    pub(super) findings: Vec<Finding>,
    /// How many of the findings, which come first, were known before the run began.
    pub(super) known_before: usize,
    pub(super) moment: Moment,
    pub(super) consistency: Consistency,
    pub(super) writes: WriteCounters,
    pub(super) stored: Option<StoredRun>,
    /// The result, if nothing is left to do.
    pub(super) finished: Option<Outcome>,
}

/// Why all that was read belongs to one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consistency {
    /// All was read under one snapshot.
    Snapshot,
    /// The snapshot of the finished pieces is gone, and nothing was written since.
    ProvenUnchanged,
    /// The snapshot of the finished pieces is gone; they were read again and are the same.
    Reverified,
}

impl Consistency {
    /// Its name in results and in the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::ProvenUnchanged => "proven-unchanged",
            Self::Reverified => "reverified",
        }
    }

    /// The one of this name.
    pub(crate) fn of_name(name: &str) -> Self {
        [Self::ProvenUnchanged, Self::Reverified]
            .into_iter()
            .find(|consistency| consistency.name() == name)
            .unwrap_or(Self::Snapshot)
    }
}

impl PreparedClone {
    /// Looks at both sides, takes the snapshot and plans. Nothing is written: with
    /// [`Start::Restart`] what the run in the target has created is dropped in a transaction that
    /// only [`PreparedClone::run`] commits; until then it is locked.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Preflight`], [`ErrorKind::Usage`],
    /// [`ErrorKind::RunState`]; nothing was written in any case.
    pub async fn new(
        source: Endpoint,
        target: Endpoint,
        options: CloneOptions,
    ) -> Result<Self, Error> {
        let begun = Instant::now();
        let options = options.within_memory()?;
        let look = source.connect(Purpose::Catalog, "prepare").await?;
        let control = target.connect(Purpose::Schema, "control").await?;
        let identities =
            (DatabaseIdentity::of(&look, &source), DatabaseIdentity::of(&control, &target));
        let mut stored = meet_run(&control, &options, &identities, None).await?;
        let options = match &stored {
            Some(stored) => options.shaped(stored.shape.clone()),
            None => options,
        };
        if let Some(stored) = stored.take_if(|stored| stored.is_finished(&options)) {
            return Self::of_finished((source, target), options, control, identities, stored).await;
        }
        let before = Catalog::read_with(&look, &Sizes::Of(Vec::new())).await?;
        let filter = Filter::new(&before, &options.include, &options.exclude)?;
        let wanted = filter.by_name(Some(&before));
        let known_before = match &stored {
            None => obstacles::preflight((&look, &control), &options, &wanted).await?,
            // Some of it is only to be seen before a run, and none of it is the run's doing.
            Some(stored) => stored.known_before.clone(),
        };
        // Late, so that what was written before we came has been counted by now; the snapshot is newer.
        let writes = WriteCounters::read(&look, begun).await?;
        let (keeper, same_snapshot) =
            keep((&source, &control), &options, stored.as_mut(), &wanted).await?;
        let inside = keeper.as_ref().map_or(&look, Keeper::session);
        let catalog = Catalog::read_with(inside, &Sizes::of_wanted(&before, &wanted)).await?;
        let moment = Moment::read(inside).await?;
        let (moment, consistency, writes) = match &stored {
            None => (moment, Consistency::Snapshot, writes),
            Some(stored) => {
                let then = stored.moment()?;
                // Whoever names a snapshot may name the one that the run began under.
                let named = options.snapshot.is_some() && then.is_the_same(&moment);
                let still_counting = then.stats_reset == moment.stats_reset;
                let since_then =
                    |writes: WriteCounters| writes.since(&stored.writes, still_counting);
                if same_snapshot || named || keeper.is_none() {
                    (then, stored.consistency(), since_then(writes))
                } else {
                    match then.since(moment) {
                        (now, true) => (now, Consistency::ProvenUnchanged, since_then(writes)),
                        (now, false) => (now, Consistency::Reverified, writes),
                    }
                }
            }
        };
        let sessions = (&look, &control);
        let (selected, pg_dump) = source_schema::dump(
            &source,
            (&look, Some(control.version())),
            keeper.as_ref(),
            (&catalog, &filter),
            options.pg_dump.as_deref(),
        )
        .await?;
        let mut plan = plan(&catalog, sessions, (&filter, &selected), &options).await?;
        if let Some(stored) = &stored
            && options.scope != Scope::SchemaOnly
        {
            stored.adopt(&mut plan, &catalog)?;
        }
        let objects = match options.scope {
            // All that were there at the run's moment have arrived; what has come since is not asked for.
            _ if keeper.is_none() => Vec::new(),
            Scope::Everything | Scope::DataOnly if filter.wants_large_objects() => {
                large_objects::list(inside).await?
            }
            _ => Vec::new(),
        };
        let oids: Vec<u32> = objects.iter().map(|object| object.oid).collect();
        let newness = if stored.is_some() {
            Newness::GoingOn
        } else {
            Newness::New(&objects, obstacles::filled_configuration(&control, &plan).await?)
        };
        let mut unchecked = Vec::new();
        if options.scope == Scope::DataOnly {
            unchecked = obstacles::accept_terms(&control, &mut plan, stored.is_some()).await?;
        }
        let refreshes = &plan.refreshes;
        let schema =
            source_schema::steps(selected, &target, &control, refreshes, (&options, newness))
                .await?;
        let schema = schema.with_steps_for(&plan, options.scope, &unchecked).read_by(pg_dump);
        let prepared = Self {
            origin: Origin::Server(Arc::new(source)),
            target: Arc::new(target),
            options,
            control,
            keeper,
            identities,
            plan,
            known_before: known_before.len(),
            findings: [known_before, schema.findings.clone()].concat(),
            schema,
            large_objects: objects.chunks(OBJECTS_A_BATCH).map(<[LargeObject]>::to_vec).collect(),
            large_objects_text: large_objects_text(&oids),
            moment,
            consistency,
            writes,
            stored,
            finished: None,
        };
        prepared.refuse_another_schema()?;
        Ok(prepared)
    }

    /// A run of which nothing is left to do: neither the source's schema nor its snapshot matters
    /// any more.
    async fn of_finished(
        (source, target): (Endpoint, Endpoint),
        options: CloneOptions,
        control: Session,
        identities: (DatabaseIdentity, DatabaseIdentity),
        stored: StoredRun,
    ) -> Result<Self, Error> {
        let finished = finished::outcome(&control, &stored).await?;
        Ok(Self {
            origin: Origin::Server(Arc::new(source)),
            target: Arc::new(target),
            options,
            control,
            keeper: None,
            identities,
            plan: Plan::default(),
            known_before: 0,
            findings: finished.findings.clone(),
            schema: SourceSchema::default(),
            large_objects: Vec::new(),
            large_objects_text: stored.record.large_objects.clone(),
            moment: stored.moment()?,
            consistency: stored.consistency(),
            writes: WriteCounters::default(),
            stored: Some(stored),
            finished: Some(finished),
        })
    }

    /// The plan of the data; empty if nothing is left to do.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What shapes the run: of one that is gone on with, what it began with.
    pub fn shape(&self) -> Shape {
        self.options.shape()
    }

    /// The steps of the schema, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.schema.steps.iter().map(|step| &step.step)
    }

    /// Which databases source and target are.
    pub fn identities(&self) -> (&DatabaseIdentity, &DatabaseIdentity) {
        (&self.identities.0, &self.identities.1)
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Why all that is read belongs to one moment.
    pub fn consistency(&self) -> Consistency {
        self.consistency
    }

    /// Going on under another schema would mix two moments.
    pub(super) fn refuse_another_schema(&self) -> Result<(), Error> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let what = if !self.schema.is(&stored.record.schema_digest)? {
            "the schema was changed"
        } else if stored.record.large_objects != self.large_objects_text && self.keeper.is_some() {
            "large objects were created or removed"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::SnapshotGone, format!("source: {what} since the run began"))
            .with_hint("begin again with `pghaul clone --restart`"))
    }
}

/// The snapshot to read under, and whether it is the one that the run has read under before.
async fn keep(
    (source, control): (&Endpoint, &Session),
    options: &CloneOptions,
    stored: Option<&mut StoredRun>,
    wanted: impl Fn(&RelationName) -> bool,
) -> Result<(Option<Keeper>, bool), Error> {
    if let Some(given) = &options.snapshot {
        let taken = Keeper::take_over(source, &SnapshotId::new(given)?, wanted).await;
        let keeper = taken.map_err(|error| match (error.kind(), error.hint()) {
            (ErrorKind::SnapshotGone, None) => error.with_hint(
                "its session has ended, or is in another database: give the name that `pghaul \
                 snapshot` printed last, or leave --snapshot out",
            ),
            _ => error,
        })?;
        let Some(stored) = stored else { return Ok((Some(keeper), true)) };
        let same = stored.record.snapshot == *given;
        if !same {
            stored.shut_others_out(control).await?;
        }
        return Ok((Some(keeper), same));
    }
    let Some(stored) = stored else {
        return Ok((Some(Keeper::start(source, wanted).await?), true));
    };
    // Tables that begin again are read again, and all others have to be of their moment.
    let reads = matches!(options.start, Start::ResumeRestarting(_));
    if stored.data_is_complete() && !reads {
        return Ok((None, true));
    }
    let before = SnapshotId::new(&stored.record.snapshot)?;
    match Keeper::take_over(source, &before, &wanted).await {
        Ok(keeper) => Ok((Some(keeper), true)),
        Err(error) if error.kind() == ErrorKind::SnapshotGone && options.start != Start::Join => {
            // Before the new snapshot is taken, so that no late receipt of the old one escapes the
            // proof.
            stored.shut_others_out(control).await?;
            Ok((Some(Keeper::start(source, wanted).await?), false))
        }
        Err(error) => Err(error),
    }
}

async fn plan(
    catalog: &Catalog,
    (look, control): (&Session, &Session),
    (filter, selected): (&Filter, &Selected),
    options: &CloneOptions,
) -> Result<Plan, Error> {
    if options.scope == Scope::SchemaOnly {
        return Ok(Plan::default());
    }
    let formats = Formats::new(catalog, control, options.format).await?;
    let sizing = (options.jobs, options.part_size);
    plan_rows((catalog, look), &formats, (filter, &selected.entries), sizing).await
}

/// Plans the rows of what a selected schema makes.
pub(crate) async fn plan_rows(
    (catalog, look): (&Catalog, &Session),
    formats: &Formats<'_>,
    (filter, entries): (&Filter, &[Entry]),
    (jobs, part_size): (NonZeroUsize, Option<u64>),
) -> Result<Plan, Error> {
    let row = look
        .query_one(
            "ask for the block size",
            "select pg_catalog.current_setting('block_size')::int8",
            &[],
        )
        .await?;
    let block_size = size(row.get(0));
    let sizing = PartSizing { source: catalog.version, jobs, part_size, block_size };
    // What the schema's entries make is what has rows, so that a sequence goes with its table; the
    // tables of extensions have no entries.
    let made: HashSet<RelationName> = entries
        .iter()
        .map(|entry| RelationName::new(entry.namespace().unwrap_or_default(), entry.tag.as_str()))
        .collect();
    let wants = |relation: &Relation| {
        made.contains(&relation.name)
            || (relation.extension_config.is_some() && filter.wants(catalog, relation))
    };
    Plan::make(catalog, formats, wants, sizing)
}

/// How long a resume waits for another process of the run to be gone.
const CLAIM_OF_THE_DEAD: Duration = Duration::from_secs(20);

/// How long any other run waits for one that has just ended: its session may be a moment behind.
const CLAIM_OF_THE_ENDED: Duration = Duration::from_secs(2);

/// A run that is in the target already decides what may begin.
/// `archive`: what a run of the archive that is restored has instead of a snapshot's name.
pub(super) async fn meet_run(
    control: &Session,
    options: &CloneOptions,
    identities: &(DatabaseIdentity, DatabaseIdentity),
    archive: Option<&str>,
) -> Result<Option<StoredRun>, Error> {
    let present = match state::found(control).await? {
        // Named beside everything else that stands in the way.
        (Presence::Foreign, None) if options.start == Start::New => false,
        (Presence::Foreign, _) => state::presence(control).await? == Presence::Ours,
        (found, _) => found == Presence::Ours,
    };
    if options.start == Start::Join {
        return StoredRun::join(control, present, identities).await.map(Some);
    }
    let resuming = matches!(options.start, Start::Resume | Start::ResumeRestarting(_));
    // The session of a process that was killed just now may still be dying.
    let patience = if resuming { CLAIM_OF_THE_DEAD } else { CLAIM_OF_THE_ENDED };
    if !ClaimKey::of_run().take_within(control, patience).await? {
        return Err(Error::new(
            ErrorKind::RunState,
            "target: another pghaul is working on this database",
        )
        .with_hint("wait for it, or join it with `pghaul worker`"));
    }
    if !present {
        return if resuming {
            Err(Error::new(ErrorKind::RunState, "target: there is no run to resume")
                .with_hint("leave out --resume to begin one"))
        } else {
            Ok(None)
        };
    }
    match options.start {
        Start::Resume | Start::ResumeRestarting(_) => {
            let stored = StoredRun::load(control).await?;
            stored.refuse_another_origin(archive)?;
            stored.refuse_other_databases(identities)?;
            Ok(Some(stored))
        }
        Start::Restart => {
            state::refuse_newer(control).await?;
            super::restart::drop_what_was_created(control).await?;
            Ok(None)
        }
        Start::New | Start::Join => {
            let run = state::load(control).await?;
            let (what, hint) = if run.finished {
                ("a finished run", "remove its state with `pghaul finish`")
            } else {
                (
                    "an unfinished run",
                    "go on with `pghaul clone --resume`, or begin again with --restart",
                )
            };
            Err(Error::new(
                ErrorKind::RunState,
                format!("target: {what} is in this database already (run {})", run.id),
            )
            .with_hint(hint))
        }
    }
}
