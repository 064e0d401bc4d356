//! The source's schema as steps for the target, and its digest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::obstacles;
use super::options::{CloneOptions, Deferred, Keep, Scope};
use super::steps::SchemaStep;
use crate::catalog::{Catalog, Relation};
use crate::connect::{Endpoint, Session, Side};
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::holder::keep_readers_out;
use crate::name::{Ident, RelationName, literal};
use crate::pg_dump::{Contents, DumpRequest, PgDump, major};
use crate::plan::Plan;
use crate::plan::filter::Filter;
use crate::preflight::archived::superusers_alone;
use crate::preflight::rows_only::ForeignKey;
use crate::schema::roles::RoleUse;
use crate::schema::select::{LeftOut, Others, select};
use crate::schema::step::{Keys, Makes, Privileges, Stage, Subscriptions, Validation};
use crate::schema::{
    self, DumpId, EmitOptions, Entry, Kind, Owners, RunsAs, Step, StepOptions, Tablespaces,
};
use crate::snapshot::Keeper;
use crate::transfer::large_objects::LargeObject;
use crate::version::ServerVersion;

/// The entries of the source's schema that are asked for.
pub(crate) struct Selected {
    pub(crate) entries: Vec<Entry>,
    /// What cannot be without something that is left out.
    pub(crate) findings: Vec<Finding>,
}

/// Dumps the schema, as far as the filter wants it, in the keeper's snapshot. Gives the version of the
/// `pg_dump` too.
///
/// # Errors
/// Whatever `pg_dump` says about a snapshot whose keeper has died meanwhile, it is the keeper's death.
pub(crate) async fn dump(
    source: &Endpoint,
    (look, target): (&Session, Option<ServerVersion>),
    keeper: Option<&Keeper>,
    (catalog, filter): (&Catalog, &Filter),
    pg_dump: Option<&Path>,
) -> Result<(Selected, ServerVersion), Error> {
    let pg_dump = PgDump::select(pg_dump, look.version(), target).await?;
    let environment = source.child_environment("pg_dump").await?;
    let unwanted: Vec<u32> = catalog
        .relations
        .iter()
        .filter(|relation| !filter.wants(catalog, relation))
        .map(|relation| relation.oid)
        .collect();
    let mut exclude = schema::alone(look, &unwanted).await?;
    let barred = out_of_reach(look, catalog, filter).await?;
    exclude.extend(barred.into_iter().filter(|name| !exclude.contains(name)).collect::<Vec<_>>());
    let request = DumpRequest {
        side: Side::Source,
        environment: environment.variables(),
        snapshot: keeper.map(|keeper| keeper.id().as_str().to_owned()),
        contents: contents(&pg_dump, look, target).await?,
        exclude,
        lock_wait: Some(LOCK_WAIT),
        server: Some(look.version()),
    };
    let begun = Instant::now();
    let dumped = match pg_dump.dump(&request).await {
        Ok(dumped) => dumped,
        Err(error) => {
            let death = match keeper {
                Some(keeper) => keeper.death().await,
                None => None,
            };
            let late = begun.elapsed() >= LOCK_WAIT;
            return Err(match death {
                Some(death) => death,
                None if late => in_the_way(look, catalog, error).await,
                None => error,
            });
        }
    };
    let mut entries = dumped.toc.entries;
    schema::drop_partial(&mut entries);
    let names = schema::not_null_names::not_null_names(look).await?;
    schema::not_null_names::quote_not_null_names(&mut entries, &names);
    schema::public::complete(look, target, &mut entries).await?;
    Ok((selected(entries, catalog, filter), pg_dump.version()))
}

/// How long `pg_dump` waits for a lock: what somebody wants to do to a table waits for the keeper, the
/// keeper for `pg_dump`, and that, behind it, for the table.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Why `pg_dump` gave up after that time: whoever keeps readers out of a table, if it is one.
async fn in_the_way(look: &Session, catalog: &Catalog, error: Error) -> Error {
    let tables = catalog.relations.iter().map(|relation| relation.name.clone()).collect();
    let holders = keep_readers_out(look, &tables).await.unwrap_or_default();
    let Some(holder) = holders.first() else { return error };
    let hint = format!(
        "{holder} is in the way on the source: wait for it, or end it with {}",
        holder.remedy()
    );
    // As if the server had said so: a lock was not to be had in time.
    error.with_kind(ErrorKind::Transfer).with_sqlstate("55P03").with_hint(hint)
}

/// The tables that `pg_dump` would stumble over for nothing: nobody has asked for them, nothing that was
/// asked for needs them, and the role may not lock them.
///
/// # Errors
/// What the server said.
pub(crate) async fn out_of_reach(
    look: &Session,
    catalog: &Catalog,
    filter: &Filter,
) -> Result<Vec<RelationName>, Error> {
    if !filter.names_what_is_wanted() {
        return Ok(Vec::new());
    }
    let (wanted, unwanted): (Vec<&Relation>, Vec<&Relation>) =
        catalog.relations.iter().partition(|relation| filter.wants(catalog, relation));
    let oids = |relations: Vec<&Relation>| relations.iter().map(|one| one.oid).collect::<Vec<_>>();
    let (mut wanted, unwanted) = (oids(wanted), oids(unwanted));
    // The catalog knows what holds rows, and no views.
    let views = "select c.oid, n.nspname::text, c.relname::text \
                 from pg_catalog.pg_class c \
                 join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                 where c.relkind = 'v' and c.oid >= 16384";
    let views = look.query("list the views", views, &[]).await?;
    let asked_for = views.iter().filter(|row| {
        filter.wants_name(&RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2)))
    });
    wanted.extend(asked_for.map(|row| row.get::<_, u32>(0)));
    schema::out_of_reach(look, &wanted, &unwanted).await
}

/// What the filter wants of a schema.
pub(crate) fn selected(entries: Vec<Entry>, catalog: &Catalog, filter: &Filter) -> Selected {
    if filter.is_everything() {
        return Selected { entries, findings: Vec::new() };
    }
    let others = if filter.names_what_is_wanted() { Others::Needed } else { Others::All };
    let selection = select(entries, filter.by_name(Some(catalog)), others);
    let findings = selection.left_out.iter().map(LeftOut::finding).collect();
    Selected { entries: selection.entries, findings }
}

/// What the source's schema is, for the target.
#[derive(Default)]
pub(super) struct SourceSchema {
    /// All steps; their places in this list are their ids.
    pub(super) steps: Vec<SchemaStep>,
    /// The digest of all entries, in hex.
    digest: String,
    /// The `pg_dump` that has read it, whose major version words it; none for an archive's.
    pg_dump: Option<ServerVersion>,
    /// What the target cannot have.
    pub(super) findings: Vec<Finding>,
    /// Tables whose statistics come along whole, so that nothing is left to gather.
    pub(super) counted: HashSet<RelationName>,
}

/// The planner's statistics come along where they can: 18 brought the functions that take them,
/// and a `pg_dump` that reads them from any server. Not from one whose encoding is `SQL_ASCII`: it
/// would send values of rows as text that nobody has checked, and refuses. An archive takes them for
/// whatever target there will be.
async fn contents(
    pg_dump: &PgDump,
    look: &Session,
    target: Option<ServerVersion>,
) -> Result<Contents, Error> {
    let taken = target.is_none_or(|target| target.at_least(18));
    if !taken || !pg_dump.version().at_least(18) {
        return Ok(Contents::Schema);
    }
    let sql = "select pg_catalog.getdatabaseencoding()::text";
    let row = look.query_one("ask for the encoding", sql, &[]).await?;
    let unchecked = row.get::<_, String>(0) == "SQL_ASCII";
    Ok(if unchecked { Contents::Schema } else { Contents::SchemaAndStatistics })
}

impl SourceSchema {
    /// The same, as this `pg_dump` has worded it.
    pub(super) fn read_by(self, pg_dump: ServerVersion) -> Self {
        Self { pg_dump: Some(pg_dump), ..self }
    }

    /// What it is, for the run's state: its digest, and the major version that it was read by.
    pub(super) fn to_text(&self) -> String {
        match self.pg_dump {
            Some(pg_dump) => format!("{} {}", self.digest, major(pg_dump)),
            None => self.digest.clone(),
        }
    }

    /// Whether it is what [`SourceSchema::to_text`] said then.
    ///
    /// # Errors
    /// [`ErrorKind::RunState`] where nobody can tell, since another `pg_dump` has read it.
    pub(super) fn is(&self, then: &str) -> Result<bool, Error> {
        let (digest, by) = then.split_once(' ').unwrap_or((then, ""));
        let now = self.pg_dump.map(major);
        match now {
            _ if digest == self.digest => Ok(true),
            Some(now) if !by.is_empty() && by != now => Err(Error::new(
                ErrorKind::RunState,
                format!(
                    "source: nobody can tell whether the schema is what it was: pg_dump {by} has read \
                     it when the run began, and words it otherwise than pg_dump {now}"
                ),
            )
            .with_hint(format!(
                "go on with a pg_dump of version {by}, named with --pg-dump PATH, or begin again with \
                 `pghaul clone --restart`"
            ))),
            _ => Ok(false),
        }
    }

    /// With the steps that only the plan of the rows asks for.
    pub(super) fn with_steps_for(
        self,
        plan: &Plan,
        scope: Scope,
        unchecked: &[ForeignKey],
    ) -> Self {
        let checking = self.checking(unchecked);
        match scope {
            Scope::Everything => checking.emptying(plan),
            Scope::SchemaOnly | Scope::DataOnly => checking,
        }
    }

    /// With a step for each configuration table of an extension: rows that its script has put there
    /// come from the source as they are now. Only where this run has made the extension, which its
    /// receipt says.
    fn emptying(mut self, plan: &Plan) -> Self {
        for table in &plan.tables {
            let Some(extension) = &table.extension else { continue };
            let condition = match table.condition.as_str() {
                "" => "true",
                condition => condition,
            };
            let made = literal(&format!("{} {extension}", Kind::Extension));
            let sql = format!(
                "delete from only {} where ({condition}) and exists \
                 (select from pghaul.step where id = {made} and undo <> '');\n",
                table.written_to.quoted()
            );
            self.steps.push(SchemaStep {
                step: Step::emptying(&table.written_to, sql),
                undo: String::new(),
                drops: String::new(),
                source_oid: 0,
            });
        }
        self
    }

    /// With a step for each foreign key of the target that nothing checks while rows go in.
    fn checking(mut self, foreign_keys: &[ForeignKey]) -> Self {
        self.steps.extend(foreign_keys.iter().map(|key| SchemaStep {
            step: Step::checking(&key.reference.child, &key.name, key.check_statement()),
            undo: String::new(),
            drops: String::new(),
            source_oid: key.oid,
        }));
        self
    }
}

/// Makes the statements ready for the target. A new run is refused when something stands in the
/// way.
pub(super) async fn steps(
    selected: Selected,
    target: &Endpoint,
    control: &Session,
    refresh: &[RelationName],
    (options, newness): (&CloneOptions, Newness<'_>),
) -> Result<SourceSchema, Error> {
    let mut entries = selected.entries;
    if options.scope == Scope::SchemaOnly || !control.version().at_least(18) {
        // They are about rows, and nothing takes them before 18.
        entries.retain(|entry| entry.kind != Kind::StatisticsData);
    }
    let mut findings = selected.findings;
    let digest = schema::digest(&entries).iter().map(|byte| format!("{byte:02x}")).collect();
    if options.scope == Scope::DataOnly {
        return Ok(SourceSchema { digest, findings, ..SourceSchema::default() });
    }
    findings.extend(schema::public::leave_to_its_owner(control, &mut entries).await?);
    let superuser = is_superuser(control).await?;
    let refresh: HashSet<RelationName> = if options.deferred.contains(&Deferred::Matviews) {
        HashSet::new()
    } else {
        refresh.iter().cloned().collect()
    };
    let mut step_options = StepOptions {
        emit: EmitOptions {
            target: control.version(),
            owners: match options.owners {
                Keep::AsIs => Owners::Carry,
                Keep::LeaveOut => Owners::Leave,
            },
            tablespaces: Tablespaces::Leave,
            runs_as: if superuser { RunsAs::Superuser } else { RunsAs::Member },
        },
        privileges: match options.privileges {
            Keep::AsIs => Privileges::Carry,
            Keep::LeaveOut => Privileges::Leave,
        },
        subscriptions: if superuser { Subscriptions::Carry } else { Subscriptions::Leave },
        keys: Keys::IndexFirst,
        validation: if options.deferred.contains(&Deferred::Validation) {
            Validation::Later
        } else {
            Validation::Now
        },
        refresh: &refresh,
        owner_grants: &[],
    };
    if let Newness::New(objects, mut blockers) = newness {
        blockers.extend(obstacles::types(control.version(), &entries));
        if !options.include.is_empty() {
            blockers.extend(superusers_alone(&entries, control).await?);
        }
        blockers.extend(obstacles::existing(control, &entries, objects).await?);
        let mut roles = schema::roles::roles(&entries, &step_options);
        add_roles_of_objects(&mut roles, objects, options);
        blockers.extend(obstacles::roles(control, &roles).await?);
        obstacles::refuse(blockers)?;
    }
    let owner_grants = if superuser || options.owners == Keep::LeaveOut {
        Vec::new()
    } else {
        let grants = schema::owner_grants(&entries, target.database());
        schema::missing_grants(control, &grants).await?
    };
    step_options.owner_grants = &owner_grants;
    let steps = schema::steps(&entries, &step_options)?;
    findings.extend(steps.iter().flat_map(lost_on_the_way));
    let there = extensions(control).await?;
    let by_id: HashMap<DumpId, &Entry> =
        entries.iter().map(|entry| (entry.dump_id, entry)).collect();
    let steps = steps
        .into_iter()
        .map(|step| {
            let entry = step.entry.and_then(|id| by_id.get(&id));
            SchemaStep {
                undo: entry.map(|entry| undo(entry, &step, &there)).unwrap_or_default(),
                drops: entry.map(|entry| drops(entry, &step)).unwrap_or_default(),
                source_oid: entry.map_or(0, |entry| entry.oid),
                step,
            }
        })
        .collect();
    let counted = schema::counted(&entries);
    Ok(SourceSchema { steps, digest, pg_dump: None, findings, counted })
}

/// Whether the run begins here.
pub(super) enum Newness<'a> {
    /// It does, with these large objects; this stands in the way already.
    New(&'a [LargeObject], Vec<Finding>),
    /// It has begun before.
    GoingOn,
}

/// Large objects have owners and grantees too, and no entry.
fn add_roles_of_objects(
    roles: &mut BTreeMap<Ident, RoleUse>,
    objects: &[LargeObject],
    options: &CloneOptions,
) {
    for object in objects {
        let example = || format!("large object {}", object.oid);
        if options.owners == Keep::AsIs {
            let used = roles.entry(object.owner.clone()).or_default();
            used.owns += 1;
            if used.example.is_empty() {
                used.example = example();
            }
        }
        if options.privileges == Keep::AsIs {
            let grants = object.grants.iter().flatten();
            for grantee in grants.filter_map(|(grantee, ..)| grantee.as_ref()) {
                let used = roles.entry(grantee.clone()).or_default();
                used.named += 1;
                if used.example.is_empty() {
                    used.example = example();
                }
            }
        }
    }
}

async fn is_superuser(control: &Session) -> Result<bool, Error> {
    let row = control
        .query_one(
            "ask whether the role is a superuser",
            "select rolsuper from pg_catalog.pg_roles where rolname = current_user",
            &[],
        )
        .await?;
    Ok(row.get(0))
}

/// Extensions that the target has already: not ours to drop.
async fn extensions(control: &Session) -> Result<HashSet<String>, Error> {
    let rows = control
        .query("list the extensions", "select extname::text from pg_catalog.pg_extension", &[])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The statement that drops what a step has created. Empty where nothing was, or where it goes
/// with its table.
fn undo(entry: &Entry, step: &Step, extensions_there: &HashSet<String>) -> String {
    let goes_with_its_table = match step.stage {
        Stage::PreData => false,
        _ if step.makes == Makes::ForeignKey => false,
        _ => {
            step.relation.is_some()
                && !matches!(entry.kind, Kind::View | Kind::MaterializedView | Kind::FkConstraint)
        }
    };
    let was_there = entry.kind == Kind::Extension && extensions_there.contains(&entry.tag);
    let creates = matches!(step.makes, Makes::Entry | Makes::ForeignKey);
    match &entry.drop_stmt {
        Some(statement) if creates && !goes_with_its_table && !was_there && !entry.is_remark() => {
            statement.trim().trim_end_matches(';').to_owned()
        }
        _ => String::new(),
    }
}

/// The statement that drops what fires for rows of its table, while the table stays.
fn drops(entry: &Entry, step: &Step) -> String {
    let fires = matches!(entry.kind, Kind::FkConstraint | Kind::Trigger | Kind::Rule)
        && matches!(step.makes, Makes::Entry | Makes::ForeignKey);
    match &entry.drop_stmt {
        Some(statement) if fires && !entry.is_remark() => {
            format!("{};\n", statement.trim().trim_end_matches(';'))
        }
        _ => String::new(),
    }
}

fn lost_on_the_way(step: &Step) -> Vec<Finding> {
    let losses = step.losses.iter().map(|loss| {
        Finding::new(
            Severity::Warning,
            "not_carried",
            format!("{}: the target cannot have {loss}", step.kind),
            "create it by hand if the application needs it",
        )
        .about(&step.object)
    });
    losses.collect()
}
