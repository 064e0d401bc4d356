//! A run whose rows come from an archive: what [`PreparedClone::new`] learns from a server is
//! taken from the archive's documents.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::moment::Moment;
use super::options::{CloneOptions, Scope};
use super::origin::Origin;
use super::prepare::{Consistency, PreparedClone, meet_run};
use super::source_schema::{self, Newness, selected};
use super::stored::{StoredRun, large_objects_text};
use super::writers::WriteCounters;
use super::{obstacles, steps};
use crate::archive::{from_entry, from_large_object, from_source, to_catalog};
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::plan::Plan;
use crate::plan::filter::Filter;
use crate::restore::{Archive, Loaded, plan};
use crate::schema;
use crate::state::{self, DatabaseIdentity};
use crate::transfer::large_objects::{Attributes, LargeObject};

impl PreparedClone {
    /// Looks at the target and plans. With [`Start::Restart`](super::options::Start::Restart) it
    /// first drops what the run in the target has created; otherwise nothing is written.
    pub(crate) async fn of_archive(
        archive: Arc<Archive>,
        target: Endpoint,
        options: CloneOptions,
    ) -> Result<Self, Error> {
        let options = options.within_memory_of_restore()?;
        let control = target.connect(Purpose::Schema, "control").await?;
        let contents = &archive.contents;
        let identities = (from_source(&contents.source), DatabaseIdentity::of(&control, &target));
        let name = archive.name();
        let stored = meet_run(&control, &options, &identities, Some(&name)).await?;
        let options = match &stored {
            Some(stored) => options.shaped(stored.shape.clone()),
            None => options,
        };
        plan::refuse_what_is_not_there(options.scope, contents.asked.scope)?;
        let catalog = to_catalog(contents);
        let filter = Filter::new(&catalog, &options.include, &options.exclude)?;
        let mut entries = contents.entries.iter().map(from_entry).collect();
        schema::public::fit(control.version(), &mut entries);
        let selected = selected(entries, &catalog, &filter);
        let (mut plan, pieces) = match options.scope {
            Scope::SchemaOnly => (Plan::default(), Vec::new()),
            Scope::Everything | Scope::DataOnly => {
                plan::rows(&archive, &catalog, &filter, &selected.entries)
            }
        };
        if let Some(stored) = &stored
            && options.scope != Scope::SchemaOnly
        {
            refuse_another_plan(stored, &plan)?;
        }
        let objects: Vec<LargeObject> = match options.scope {
            Scope::Everything | Scope::DataOnly if filter.wants_large_objects() => {
                contents.large_objects.iter().map(from_large_object).collect()
            }
            _ => Vec::new(),
        };
        let oids: Vec<u32> = objects.iter().map(|object| object.oid).collect();
        let (blockers, known_before) = if let Some(stored) = &stored {
            (Vec::new(), stored.known_before.clone())
        } else {
            let of_archive = (contents, selected.entries.as_slice());
            let (mut blockers, notes) =
                obstacles::of_restore(of_archive, &control, &options).await?;
            if options.scope == Scope::Everything {
                blockers.extend(obstacles::filled_configuration(&control, &plan).await?);
            }
            (blockers, notes)
        };
        let mut unchecked = Vec::new();
        if options.scope == Scope::DataOnly {
            obstacles::refuse(blockers.clone())?;
            unchecked = obstacles::accept_terms(&control, &mut plan, stored.is_some()).await?;
        }
        let newness = match &stored {
            Some(_) => Newness::GoingOn,
            None => Newness::New(&objects, blockers),
        };
        let refreshes = &plan.refreshes;
        let schema =
            source_schema::steps(selected, &target, &control, refreshes, (&options, newness))
                .await?;
        let schema = schema.with_steps_for(&plan, options.scope, &unchecked);
        let large_objects = archive.batches(&objects);
        let consistency = Consistency::of_name(&archive.manifest.consistency);
        let prepared = Self {
            origin: Origin::Archive(Arc::new(Loaded { archive, pieces })),
            target: Arc::new(target),
            options,
            control,
            keeper: None,
            identities,
            plan,
            known_before: known_before.len(),
            findings: [known_before, schema.findings.clone()].concat(),
            schema,
            large_objects,
            large_objects_text: large_objects_text(&oids),
            moment: Moment::of_archive(),
            consistency,
            writes: WriteCounters::default(),
            stored,
            finished: None,
        };
        prepared.refuse_another_schema()?;
        Ok(prepared)
    }
}

/// A run whose rows come as a stream: its state and its types, functions and tables are there.
pub(crate) struct BegunStream {
    /// Holds the claim of the run.
    _control: Session,
    pub(crate) target: Arc<Endpoint>,
    /// Without parts, which only the stream knows.
    pub(crate) plan: Plan,
    pub(crate) with_large_objects: bool,
    pub(crate) attributes: Attributes,
    /// Who we are, in receipts.
    pub(crate) worker: String,
}

impl PreparedClone {
    /// Creates the state and what rows go into.
    pub(crate) async fn begin_stream(self) -> Result<BegunStream, Error> {
        let id = self.id();
        let record = self.record(&id)?;
        let known_before = self.findings.get(..self.known_before).unwrap_or_default();
        let plan = (&self.plan, &BTreeMap::new());
        state::create(&self.control, &record, plan, known_before).await?;
        let worker = format!("{id} pid {} stream", std::process::id());
        let (steps, done) = (&self.schema.steps, HashMap::new());
        let stop = CancellationToken::new();
        steps::pre_data(&self.control, (steps, &done), &worker, &stop).await?;
        state::set_phase(&self.control, "data", false).await?;
        Ok(BegunStream {
            _control: self.control,
            target: self.target,
            plan: self.plan,
            with_large_objects: !self.large_objects.is_empty(),
            attributes: Attributes {
                owner: self.options.owners,
                privileges: self.options.privileges,
            },
            worker,
        })
    }
}

/// The same archive and options give the same plan; a state that says otherwise is damaged.
fn refuse_another_plan(stored: &StoredRun, plan: &Plan) -> Result<(), Error> {
    let oids: HashMap<usize, u32> =
        plan.tables.iter().enumerate().map(|(at, table)| (at, table.oid)).collect();
    let same = stored.parts.len() == plan.parts.len()
        && stored.parts.iter().zip(&plan.parts).all(|((oid, then), now)| {
            then.id == now.id && then.table == now.table && oids.get(&now.table) == Some(oid)
        });
    if same {
        return Ok(());
    }
    Err(Error::new(ErrorKind::RunState, "target: the run's plan is not that of the archive")
        .with_hint("begin again with --restart"))
}
