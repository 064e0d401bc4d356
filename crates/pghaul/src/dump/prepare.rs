//! Before the first row of a dump: what is there, the moment, the plan, the contents.
//!
//! Invariant: nothing is written but the state and the contents, and these only once everything
//! that can be known beforehand was found in order.

use std::collections::HashMap;
use std::sync::Arc;

use pghaul_archive::contents::{self, Contents};
use pghaul_archive::{ArchiveId, FileName};

use super::unfinished::{Asked, Pieces, Unfinished};
use super::workplace::Workplace;
use super::{DumpOptions, by_hand};
use crate::archive::{
    failed, from_large_object, to_entry, to_large_object, to_relation, to_source, to_table, utc,
};
use crate::catalog::{Catalog, Sizes};
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::pg_dump::major;
use crate::plan::Plan;
use crate::plan::filter::Filter;
use crate::plan::format::Formats;
use crate::preflight::compare::locale::Locale;
use crate::preflight::{self, Carry, Intent, Writers};
use crate::run::Consistency;
use crate::run::moment::Moment;
use crate::run::options::Scope;
use crate::run::prepare::plan_rows;
use crate::run::source_schema;
use crate::schema;
use crate::snapshot::{Keeper, SnapshotId};
use crate::state::DatabaseIdentity;
use crate::transfer::large_objects::{self, LargeObject};
use crate::version::ServerVersion;

/// A dump that is ready to read rows.
pub(super) struct Prepared {
    pub(super) source: Arc<Endpoint>,
    pub(super) identity: DatabaseIdentity,
    pub(super) keeper: Keeper,
    pub(super) plan: Plan,
    pub(super) contents: Contents,
    pub(super) large_objects: Vec<LargeObject>,
    pub(super) by_hand: by_hand::Statements,
    pub(super) pieces: Pieces,
    pub(super) consistency: Consistency,
    /// Whether the pieces that are there have to be read again on the source first.
    pub(super) to_prove: bool,
    /// What the folder's state will be once that is proven.
    pub(super) state: Option<Unfinished>,
    pub(super) findings: Vec<Finding>,
}

/// What stands in the way of reading, whatever the target.
const BLOCKERS: &[&str] = &[
    "standby_exports_no_snapshot",
    "unlogged_on_standby",
    "connection_limit",
    "lock_table_too_small",
    "float_datetimes",
    "prepared_transaction",
    "unreadable",
    "row_security",
    "large_objects_unreadable",
];

/// Bytes of the planner's statistics that an archive takes, since they are held in memory more than
/// once (of a Mastodon, 1.6 MB). Where there are more, a restore gathers them anew.
const STATISTICS_BYTES: usize = 4 << 20;

impl Prepared {
    pub(super) async fn new(
        source: &Arc<Endpoint>,
        place: &Workplace,
        options: &DumpOptions,
    ) -> Result<Self, Error> {
        let look = source.connect(Purpose::Catalog, "dump prepares").await?;
        let identity = DatabaseIdentity::of(&look, source);
        let unfinished = place.unfinished()?;
        if let Some(unfinished) = &unfinished {
            refuse_another(unfinished, &identity, options)?;
        }
        let before = Catalog::read_with(&look, &Sizes::Of(Vec::new())).await?;
        let filter = Filter::new(&before, &options.include, &options.exclude)?;
        let wanted = filter.by_name(Some(&before));
        let known_before = match &unfinished {
            None => look_ahead(&look, options, &wanted).await?,
            Some(unfinished) => unfinished.known_before(),
        };
        let (keeper, same_snapshot) = keep(source, options, unfinished.as_ref(), &wanted).await?;
        let inside = keeper.session();
        let catalog = Catalog::read_with(inside, &Sizes::of_wanted(&before, &wanted)).await?;
        let moment = Moment::read(inside).await?;
        let (moment, mut consistency) = match &unfinished {
            None => (moment, Consistency::Snapshot),
            Some(then) if same_snapshot => {
                (then.moment.clone(), Consistency::of_name(&then.consistency))
            }
            Some(then) => match then.moment.clone().since(moment) {
                (moment, true) => (moment, Consistency::ProvenUnchanged),
                (moment, false) => (moment, Consistency::Reverified),
            },
        };
        let (mut selected, pg_dump) = source_schema::dump(
            source,
            (&look, None),
            Some(&keeper),
            (&catalog, &filter),
            options.pg_dump.as_deref(),
        )
        .await?;
        schema::drop_beyond(&mut selected.entries, STATISTICS_BYTES);
        let findings = [known_before.as_slice(), &selected.findings].concat();
        let mut plan = match options.scope {
            Scope::SchemaOnly => Plan::default(),
            Scope::Everything | Scope::DataOnly => {
                let formats = Formats::portable(&catalog, &look, options.format).await?;
                let wanted = (&filter, selected.entries.as_slice());
                let sizing = (options.jobs, options.part_size);
                plan_rows((&catalog, &look), &formats, wanted, sizing).await?
            }
        };
        let mut large_objects = match options.scope {
            Scope::Everything | Scope::DataOnly if filter.wants_large_objects() => {
                large_objects::list(inside).await?
            }
            _ => Vec::new(),
        };
        let digest: String =
            schema::digest(&selected.entries).iter().map(|byte| format!("{byte:02x}")).collect();
        let listed = listed(&large_objects);
        let (contents, pieces, to_prove, state) = match (unfinished, place.as_folder()) {
            (Some(unfinished), Some(folder)) => {
                let document = folder.read_document(FileName::Contents).map_err(failed)?;
                let contents = Contents::from_document(&document).map_err(failed)?;
                refuse_another_schema(&unfinished, &digest, (contents.pg_dump, pg_dump))?;
                adopt(&mut plan, &contents, &unfinished)?;
                let level = options.level;
                let folder = folder.clone();
                let found = tokio::task::spawn_blocking(move || {
                    Pieces::find(&folder, &contents, level).map(|pieces| (contents, pieces))
                });
                let (contents, pieces) = super::output::joined(found.await)?.map_err(failed)?;
                let are_all = pieces.are_all(&plan.parts, contents.large_objects.len());
                let (to_prove, state) = if unfinished.all_read && are_all {
                    // Nothing is read any more, so the source may be in use again.
                    large_objects = contents.large_objects.iter().map(from_large_object).collect();
                    consistency = Consistency::of_name(&unfinished.consistency);
                    (false, unfinished)
                } else {
                    if unfinished.large_objects != listed {
                        return Err(changed("large objects were created or removed"));
                    }
                    let to_prove = !same_snapshot && consistency == Consistency::Reverified;
                    let consistency = consistency.name().to_owned();
                    let snapshot = name_of_snapshot(options, &keeper);
                    let all_read = false;
                    (to_prove, Unfinished { snapshot, moment, consistency, all_read, ..unfinished })
                };
                (contents, pieces, to_prove, Some(state))
            }
            (_, folder) => {
                let entries = if options.scope == Scope::DataOnly {
                    &[]
                } else {
                    selected.entries.as_slice()
                };
                let left_out = selected.findings.iter().map(|found| found.message.clone());
                let contents = Contents {
                    archive: ArchiveId::random(),
                    tool: concat!("pghaul ", env!("CARGO_PKG_VERSION")).to_owned(),
                    begun: utc(std::time::SystemTime::now()),
                    source: to_source(&identity),
                    asked: asked(options),
                    locale: Some(locale(&look).await?),
                    pg_dump: pg_dump.num(),
                    entries: entries.iter().map(to_entry).collect(),
                    relations: catalog.relations.iter().map(to_relation).collect(),
                    tables: plan.tables.iter().map(to_table).collect(),
                    large_objects: large_objects.iter().map(to_large_object).collect(),
                    left_out: left_out.collect(),
                };
                let state = Unfinished::new(
                    (identity.clone(), Asked::of(options)),
                    (name_of_snapshot(options, &keeper), moment),
                    (digest, listed),
                    (&plan.parts, &known_before),
                );
                (contents, Pieces::default(), false, folder.map(|_| state))
            }
        };
        let by_hand = by_hand::statements(&contents, &plan, catalog.version)?;
        Ok(Self {
            source: Arc::clone(source),
            identity,
            keeper,
            plan,
            contents,
            large_objects,
            by_hand,
            pieces,
            consistency,
            to_prove,
            state,
            findings,
        })
    }
}

async fn look_ahead(
    look: &Session,
    options: &DumpOptions,
    wanted: &(impl Fn(&RelationName) -> bool + Send + Sync),
) -> Result<Vec<Finding>, Error> {
    let jobs = u32::try_from(options.jobs.get()).unwrap_or(u32::MAX);
    let intent = Intent {
        // The keeper, its heir, pg_dump and one to look.
        source_sessions: jobs.saturating_add(4),
        schema: if options.scope == Scope::DataOnly { Carry::Not } else { Carry::Along },
        large_objects: options.scope.large_objects(&options.include),
        writers: Writers::Expected,
        wanted,
        ..Intent::default()
    };
    let found = preflight::check(look, None, &intent).await?;
    let (blockers, rest): (Vec<Finding>, Vec<Finding>) = found.into_iter().partition(|finding| {
        finding.severity == Severity::Blocker && BLOCKERS.contains(&finding.code)
    });
    if let Some(first) = blockers.first() {
        let lines: Vec<String> = blockers
            .iter()
            .map(|blocker| match &blocker.object {
                Some(object) => format!("{object}: {} ({})", blocker.message, blocker.code),
                None => format!("{} ({})", blocker.message, blocker.code),
            })
            .collect();
        return Err(Error::new(
            ErrorKind::Preflight,
            format!("{} things stand in the way: {}", blockers.len(), lines.join("; ")),
        )
        .with_hint(first.remedy.clone()));
    }
    // It was there before, and a restore will say what its target makes of it.
    Ok(rest.into_iter().map(|finding| Finding { severity: Severity::Note, ..finding }).collect())
}

/// The name by which a later process finds the moment again: the one that was given outlives us.
fn name_of_snapshot(options: &DumpOptions, keeper: &Keeper) -> String {
    options.snapshot.clone().unwrap_or_else(|| keeper.id().as_str().to_owned())
}

/// The snapshot to read under, and whether it is the one of the pieces that are there.
async fn keep(
    source: &Endpoint,
    options: &DumpOptions,
    unfinished: Option<&Unfinished>,
    wanted: impl Fn(&RelationName) -> bool,
) -> Result<(Keeper, bool), Error> {
    let before = unfinished.map(|unfinished| unfinished.snapshot.as_str());
    if let Some(given) = &options.snapshot {
        let keeper = Keeper::take_over(source, &SnapshotId::new(given)?, wanted).await?;
        return Ok((keeper, before.is_none_or(|before| before == given)));
    }
    let Some(before) = before else { return Ok((Keeper::start(source, wanted).await?, true)) };
    match Keeper::take_over(source, &SnapshotId::new(before)?, &wanted).await {
        Ok(keeper) => Ok((keeper, true)),
        Err(error) if error.kind() == ErrorKind::SnapshotGone => {
            Ok((Keeper::start(source, wanted).await?, false))
        }
        Err(error) => Err(error),
    }
}

fn refuse_another(
    unfinished: &Unfinished,
    identity: &DatabaseIdentity,
    options: &DumpOptions,
) -> Result<(), Error> {
    let refused = |what: &str, hint: &str| {
        Err(Error::new(ErrorKind::RunState, format!("the dump that was interrupted here {what}"))
            .with_hint(hint))
    };
    if !unfinished.source.may_be(identity) {
        return refused("is of another database", "name another folder");
    }
    if unfinished.asked != Asked::of(options) {
        return refused(
            "was begun with other options",
            "repeat the options that it was begun with, or remove the folder and begin again",
        );
    }
    Ok(())
}

/// Going on under another schema would mix two moments. Each major version of `pg_dump` words it in its
/// own way.
fn refuse_another_schema(
    unfinished: &Unfinished,
    digest: &str,
    (then, now): (u32, ServerVersion),
) -> Result<(), Error> {
    if unfinished.schema_digest == digest {
        return Ok(());
    }
    let then = ServerVersion::from_num(then);
    if then.major() == now.major() {
        return Err(changed("the schema was changed"));
    }
    let what = format!(
        "source: nobody can tell whether the schema is what it was: pg_dump {} has read it when the dump \
         began, and words it otherwise than pg_dump {}",
        major(then),
        major(now)
    );
    Err(Error::new(ErrorKind::RunState, what).with_hint(format!(
        "go on with a pg_dump of version {}, named with --pg-dump PATH, or remove the folder and begin \
         again",
        major(then)
    )))
}

fn changed(what: &str) -> Error {
    Error::new(ErrorKind::SnapshotGone, format!("source: {what} since the dump began"))
        .with_hint("remove the folder and begin again")
}

/// Lays the order of tables and the parts of the dump over a plan made anew.
fn adopt(plan: &mut Plan, contents: &Contents, unfinished: &Unfinished) -> Result<(), Error> {
    let mut by_oid: HashMap<u32, _> =
        plan.tables.drain(..).map(|table| (table.oid, table)).collect();
    for table in &contents.tables {
        let same = by_oid.remove(&table.oid).filter(|now| {
            // Sizes may have changed; what decides about rows must not.
            contents::Table { bytes: table.bytes, ..to_table(now) } == *table
        });
        let same = same.ok_or_else(|| changed("a table was changed"))?;
        plan.tables.push(same);
    }
    if !by_oid.is_empty() {
        return Err(changed("a table was created"));
    }
    plan.parts = unfinished.parts();
    Ok(())
}

fn listed(objects: &[LargeObject]) -> String {
    let oids: Vec<u32> = objects.iter().map(|object| object.oid).collect();
    crate::run::large_objects_text(&oids)
}

async fn locale(look: &Session) -> Result<contents::Locale, Error> {
    let Locale { encoding, provider, name, ctype, .. } = Locale::of(look).await?;
    Ok(contents::Locale { encoding, provider, name, ctype })
}

/// What is asked for, as an archive keeps it.
pub(super) fn asked(options: &DumpOptions) -> contents::Asked {
    contents::Asked {
        scope: match options.scope {
            Scope::Everything => contents::Scope::Everything,
            Scope::SchemaOnly => contents::Scope::SchemaOnly,
            Scope::DataOnly => contents::Scope::DataOnly,
        },
        include: options.include.clone(),
        exclude: options.exclude.clone(),
    }
}
