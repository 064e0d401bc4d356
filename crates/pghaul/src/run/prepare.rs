//! Before the first byte moves: who is there, what is there, what stands in the way, the moment,
//! the plan. Nothing is written on either side.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::claim::ClaimKey;
use super::graph::{self, Prepared};
use super::options::{CloneOptions, Keep, Scope, Start};
use crate::catalog::Catalog;
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::plan::filter::Filter;
use crate::plan::format::Formats;
use crate::plan::{PartSizing, Plan};
use crate::schema::{DumpId, EmitOptions, Owners, RunsAs, Section, Tablespaces, emit::emit};
use crate::snapshot::Keeper;
use crate::state::{self, DatabaseIdentity, Presence};
use crate::transfer::large_objects::{self, LargeObject, OBJECTS_A_BATCH};
use crate::version::ServerVersion;

/// A clone that is ready to run: everything is known, nothing is written yet. Holds the source's
/// snapshot until it is run or dropped.
pub struct PreparedClone {
    pub(super) source: Arc<Endpoint>,
    pub(super) target: Arc<Endpoint>,
    pub(super) options: CloneOptions,
    pub(super) control: Session,
    pub(super) keeper: Keeper,
    pub(super) identities: (DatabaseIdentity, DatabaseIdentity),
    pub(super) plan: Plan,
    pub(super) entries: Vec<(usize, Prepared)>,
    pub(super) large_objects: Vec<Vec<LargeObject>>,
    pub(super) schema_digest: String,
    pub(super) findings: Vec<Finding>,
    pub(super) moment: super::moment::Moment,
    pub(super) writes: super::moment::WriteCounters,
}

impl PreparedClone {
    /// Looks at both sides, takes the snapshot and plans.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Preflight`], [`ErrorKind::Usage`],
    /// [`ErrorKind::RunState`]; nothing was written in any case.
    pub async fn new(
        source: Endpoint,
        target: Endpoint,
        options: CloneOptions,
    ) -> Result<Self, Error> {
        let look = source.connect(Purpose::Catalog, "prepare").await?;
        let control = target.connect(Purpose::Schema, "control").await?;
        check_versions(&look, &control)?;
        let identities =
            (DatabaseIdentity::read(&look).await?, DatabaseIdentity::read(&control).await?);
        if identities.0.is_same_database(&identities.1) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("source and target are the same database, `{}`", identities.0.database),
            )
            .with_hint("check the host, port and database name of --source and --target"));
        }
        meet_run(&control, &options).await?;
        let writes = super::moment::WriteCounters::read(&look).await?;
        let before = Catalog::read(&look).await?;
        let filter = Filter::new(&before, &options.include, &options.exclude)?;
        let wanted: HashMap<&RelationName, bool> = before
            .relations
            .iter()
            .map(|relation| (&relation.name, filter.wants(&before, relation)))
            .collect();
        let keeper = Keeper::start(&source, |name| {
            wanted.get(name).copied().unwrap_or_else(|| filter.wants_name(name))
        })
        .await?;
        let catalog = Catalog::read(keeper.session()).await?;
        let moment = super::moment::Moment::read(keeper.session()).await?;
        let formats = Formats::new(&catalog, &control, options.format).await?;
        let block_size: i64 = look
            .query_one(
                "ask for the block size",
                "select pg_catalog.current_setting('block_size')::int8",
                &[],
            )
            .await?
            .get(0);
        let sizing = PartSizing {
            source: catalog.version,
            jobs: options.jobs,
            part_size: options.part_size,
            block_size: crate::catalog::size(block_size),
        };
        let plan = if options.scope == Scope::SchemaOnly {
            Plan::default()
        } else {
            Plan::make(&catalog, &formats, &filter, sizing)?
        };
        let objects = match options.scope {
            Scope::SchemaOnly => Vec::new(),
            Scope::Everything | Scope::DataOnly => large_objects::list(keeper.session()).await?,
        };
        let objects = if filter.is_everything() { objects } else { Vec::new() };
        let large_objects = objects.chunks(OBJECTS_A_BATCH).map(<[LargeObject]>::to_vec).collect();
        let (entries, schema_digest) = if options.scope == Scope::DataOnly {
            (Vec::new(), String::new())
        } else {
            schema(&source, &control, &keeper, &catalog, &filter, &options).await?
        };
        Ok(Self {
            source: Arc::new(source),
            target: Arc::new(target),
            options,
            control,
            keeper,
            identities,
            plan,
            entries,
            large_objects,
            schema_digest,
            findings: Vec::new(),
            moment,
            writes,
        })
    }

    /// The plan of the data.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

fn check_versions(source: &Session, target: &Session) -> Result<(), Error> {
    for session in [source, target] {
        let (side, version) = (session.side(), session.version());
        if version < ServerVersion::OLDEST || version >= ServerVersion::TOO_NEW {
            return Err(Error::new(
                ErrorKind::Preflight,
                format!("{side}: the server is Postgres {version}; pghaul knows 9.6 to 18"),
            )
            .with_hint("use a pghaul that knows this server"));
        }
    }
    Ok(())
}

/// A run that is in the target already decides what may begin.
async fn meet_run(control: &Session, options: &CloneOptions) -> Result<(), Error> {
    let present = state::presence(control).await? == Presence::Ours;
    if !ClaimKey::of_run().try_take(control).await? {
        return Err(Error::new(
            ErrorKind::RunState,
            "target: another pghaul is working on this database",
        )
        .with_hint("wait for it, or join it with `pghaul worker`"));
    }
    match (present, &options.start) {
        (false, Start::New) => Ok(()),
        (false, Start::Resume) => {
            Err(Error::new(ErrorKind::RunState, "target: there is no run to resume")
                .with_hint("leave out --resume to begin one"))
        }
        (true, Start::New) => {
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
        (true, Start::Resume) => {
            Err(Error::new(ErrorKind::RunState, "target: resuming is not built yet"))
        }
    }
}
