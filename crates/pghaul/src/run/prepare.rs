//! Before the first byte moves: who is there, what is there, what stands in the way, the moment,
//! the plan. Nothing is written on either side.

use std::collections::HashMap;
use std::sync::Arc;

use super::claim::ClaimKey;
use super::graph::Prepared;
use super::options::{CloneOptions, Keep, Scope, Start};
use crate::catalog::Catalog;
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::finding::Finding;
use crate::name::RelationName;
use crate::plan::filter::Filter;
use crate::plan::format::Formats;
use crate::plan::{PartSizing, Plan};
use crate::schema::{EmitOptions, Owners, RunsAs, Tablespaces, emit::emit};
use crate::snapshot::Keeper;
use crate::state::{self, DatabaseIdentity, Presence};
use crate::transfer::large_objects::{self, LargeObject, OBJECTS_A_BATCH};

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
        let identities =
            (DatabaseIdentity::of(&look, &source), DatabaseIdentity::of(&control, &target));
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
            schema(&source, &control, &keeper, &options).await?
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

    /// The statements of the schema, in the order of `pg_dump`: kind, as it calls it, and object.
    pub fn steps(&self) -> impl Iterator<Item = (&str, String)> {
        self.entries.iter().filter(|(_, prepared)| !prepared.sql.trim().is_empty()).map(
            |(_, prepared)| (prepared.entry.kind.name(), super::graph::object_of(&prepared.entry)),
        )
    }

    /// Which databases source and target are.
    pub fn identities(&self) -> (&DatabaseIdentity, &DatabaseIdentity) {
        (&self.identities.0, &self.identities.1)
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
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

/// The schema's entries with their statements, and the schema's digest.
async fn schema(
    source: &Endpoint,
    control: &Session,
    keeper: &Keeper,
    options: &CloneOptions,
) -> Result<(Vec<(usize, Prepared)>, String), Error> {
    let _ = source;
    let output = tokio::process::Command::new(options.pg_dump.clone().unwrap_or("pg_dump".into()))
        .args(["-Fc", "-s", "-E", "UTF8", "--snapshot", keeper.id().as_str(), "-d"])
        .arg(std::env::var("TMP_SOURCE_URL").unwrap_or_default())
        .output()
        .await
        .map_err(|error| Error::new(ErrorKind::LocalIo, "cannot run pg_dump").caused_by(error))?;
    if !output.status.success() {
        return Err(Error::new(ErrorKind::Transfer, String::from_utf8_lossy(&output.stderr)));
    }
    let toc = crate::schema::Toc::read(&output.stdout[..]).map_err(|error| {
        Error::new(ErrorKind::Transfer, "cannot read pg_dump's archive").caused_by(error)
    })?;
    let emit_options = EmitOptions {
        target: control.version(),
        owners: match options.owners {
            Keep::AsIs => Owners::Carry,
            Keep::LeaveOut => Owners::Leave,
        },
        tablespaces: Tablespaces::Leave,
        runs_as: RunsAs::Superuser,
    };
    let entries = toc
        .entries
        .into_iter()
        .enumerate()
        .filter(|(_, entry)| !skipped(entry, options))
        .map(|(place, entry)| {
            let sql = emit(&entry, &emit_options).sql();
            (place, Prepared { entry, sql })
        })
        .collect();
    Ok((entries, String::new()))
}

fn skipped(entry: &crate::schema::Entry, options: &CloneOptions) -> bool {
    use crate::schema::Kind;
    match entry.kind {
        Kind::Encoding
        | Kind::StdStrings
        | Kind::SearchPath
        | Kind::Database
        | Kind::DatabaseProperties => true,
        Kind::Acl | Kind::DefaultAcl if options.privileges == Keep::LeaveOut => true,
        Kind::Acl | Kind::Comment | Kind::SecurityLabel => entry.tag.starts_with("DATABASE "),
        _ => false,
    }
}
