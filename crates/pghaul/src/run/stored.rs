//! A run that is in the target: read back to go on with it.

use std::collections::{BTreeMap, HashMap};

use super::claim::ClaimKey;
use super::moment::Moment;
use super::options::Shape;
use super::prepare::Consistency;
use crate::catalog::Catalog;
use crate::connect::{Session, Side};
use crate::error::{Error, ErrorKind};
use crate::finding::Finding;
use crate::name::RelationName;
use crate::plan::{Part, Plan};
use crate::state::{self, DatabaseIdentity, Receipts, RunRecord};

/// Everything that the target knows of a run.
pub(super) struct StoredRun {
    pub(super) record: RunRecord,
    pub(super) shape: Shape,
    pub(super) parts: Vec<(u32, Part)>,
    /// What the tables were named when it began, by OID.
    pub(super) names: HashMap<u32, RelationName>,
    pub(super) receipts: Receipts,
    pub(super) steps: HashMap<String, String>,
    /// By OID, how often each table had been written to on the source at the run's moment.
    pub(super) writes: BTreeMap<u32, i64>,
    /// What was known before it began.
    pub(super) known_before: Vec<Finding>,
    /// The tables that the target has emptied, if it has crashed since.
    pub(super) emptied: Option<Vec<RelationName>>,
    /// Whether no other process can write receipts now.
    pub(super) alone: bool,
}

impl StoredRun {
    pub(super) async fn load(control: &Session) -> Result<Self, Error> {
        let record = state::load(control).await?;
        if record.phase == super::restart::PHASE {
            return Err(Error::new(
                ErrorKind::RunState,
                "target: part of what the run created is dropped: beginning again was interrupted",
            )
            .with_hint("begin again with --restart"));
        }
        let shape = serde_json::from_str(&record.options).map_err(|error| {
            Error::new(ErrorKind::RunState, "target: the run's options are damaged")
                .caused_by(error)
                .with_hint("begin again with `pghaul clone --restart`")
        })?;
        let (mut findings, known) = state::load_findings(control).await?;
        findings.truncate(known);
        Ok(Self {
            record,
            shape,
            parts: state::load_parts(control).await?,
            names: state::load_names(control).await?,
            receipts: Receipts::load(control).await?,
            steps: state::load_steps(control).await?,
            writes: state::load_writes(control).await?,
            known_before: findings,
            emptied: state::emptied(control).await?,
            alone: false,
        })
    }

    /// The run in the target, for a process that works beside the one that began it.
    pub(super) async fn join(
        control: &Session,
        present: bool,
        identities: &(DatabaseIdentity, DatabaseIdentity),
    ) -> Result<Self, Error> {
        if !present {
            return Err(Error::new(ErrorKind::RunState, "target: there is no run to work on")
                .with_hint("begin one with `pghaul clone`"));
        }
        // From here on nobody can go on under another snapshot without waiting for us.
        ClaimKey::of_writers().take_shared(control).await?;
        let stored = Self::load(control).await?;
        stored.refuse_other_databases(identities)?;
        if stored.emptied.as_ref().is_some_and(|emptied| !emptied.is_empty()) {
            return Err(Error::new(
                ErrorKind::SnapshotGone,
                "target: it has crashed since, and unlogged tables of the run are empty",
            )
            .with_hint("go on with it by `pghaul clone --resume`, then join it from here"));
        }
        Ok(stored)
    }

    /// Waits until no other session can write receipts of this run, dead ones that the server has
    /// not noticed included, and reads the receipts again.
    pub(super) async fn shut_others_out(&mut self, control: &Session) -> Result<(), Error> {
        ClaimKey::of_writers().take_alone(control).await?;
        self.receipts = Receipts::load(control).await?;
        self.steps = state::load_steps(control).await?;
        self.alone = true;
        Ok(())
    }

    /// Lets others write receipts again.
    pub(super) async fn let_others_in(alone: bool, control: &Session) -> Result<(), Error> {
        if alone { ClaimKey::of_writers().give_back(control).await } else { Ok(()) }
    }

    pub(super) fn refuse_other_databases(
        &self,
        (source, target): &(DatabaseIdentity, DatabaseIdentity),
    ) -> Result<(), Error> {
        for (side, then, now) in [
            (Side::Source, &self.record.source, source),
            (Side::Target, &self.record.target, target),
        ] {
            if !then.may_be(now) {
                return Err(Error::new(
                    ErrorKind::RunState,
                    format!(
                        "the run in the target belongs to another {side}: database `{}`, not `{}`",
                        then.database, now.database
                    ),
                )
                .with_hint("name the databases that the run was begun with, or use --restart"));
            }
        }
        Ok(())
    }

    /// A run goes on with what it was begun with: a server, or this very archive.
    pub(super) fn refuse_another_origin(&self, archive: Option<&str>) -> Result<(), Error> {
        let begun_with =
            Some(self.record.snapshot.as_str()).filter(|name| name.starts_with(ARCHIVE));
        let (what, hint) = match (begun_with, archive) {
            (None, None) => return Ok(()),
            (Some(then), Some(now)) if then == now => return Ok(()),
            (Some(_), None) => {
                ("was begun from an archive", "go on with `pghaul restore --archive … --resume`")
            }
            (None, Some(_)) => (
                "was begun from a server",
                "go on with `pghaul clone --resume`, or begin again with --restart",
            ),
            (Some(_), Some(_)) => (
                "was begun from another archive",
                "name the archive that it was begun with, or begin again with --restart",
            ),
        };
        Err(Error::new(ErrorKind::RunState, format!("the run in the target {what}"))
            .with_hint(hint))
    }

    pub(super) fn moment(&self) -> Result<Moment, Error> {
        serde_json::from_str(&self.record.moment).map_err(|error| {
            Error::new(ErrorKind::RunState, "target: the run's moment is damaged")
                .caused_by(error)
                .with_hint("begin again with `pghaul clone --restart`")
        })
    }

    pub(super) fn consistency(&self) -> Consistency {
        Consistency::of_name(&self.record.consistency)
    }

    /// Whether every row, large object and read-back has its receipt: then the source's moment is
    /// not needed any more.
    pub(super) fn data_is_complete(&self) -> bool {
        let parts = self.parts.iter().all(|(_, part)| self.receipts.is_done(part.id));
        let batches = large_object_count(&self.record.large_objects)
            .div_ceil(crate::transfer::large_objects::OBJECTS_A_BATCH);
        let objects =
            (0..batches).all(|batch| self.steps.contains_key(&format!("large objects {batch}")));
        let read_back = self.steps.contains_key(ALL_READ_BACK);
        let lost = self.emptied.iter().flatten().next().is_some();
        parts && objects && read_back && !lost
    }

    /// Lays the stored parts over a plan made anew: sizes may have changed meanwhile, the parts of
    /// a run do not.
    pub(super) fn adopt(&self, plan: &mut Plan, catalog: &Catalog) -> Result<(), Error> {
        let changed = |what: String| {
            Error::new(ErrorKind::SnapshotGone, format!("source: {what} since the run began"))
                .with_hint("begin again with `pghaul clone --restart`")
        };
        let mut by_oid: HashMap<u32, _> =
            plan.tables.drain(..).map(|table| (table.oid, table)).collect();
        let mut order: Vec<(usize, u32)> =
            self.parts.iter().map(|(oid, part)| (part.table, *oid)).collect();
        order.dedup();
        for (at, oid) in order {
            let table = by_oid.remove(&oid).ok_or_else(|| {
                let name = catalog.relation(oid).map(|relation| &relation.name);
                changed(match (name, self.names.get(&oid)) {
                    (Some(name), _) => format!("table `{name}` is not what it was"),
                    (None, Some(name)) => format!("table `{name}` was dropped"),
                    (None, None) => format!("the table with OID {oid} was dropped"),
                })
            })?;
            if at != plan.tables.len() {
                return Err(Error::new(ErrorKind::RunState, "target: the run's plan is damaged"));
            }
            plan.tables.push(table);
        }
        if let Some(table) = by_oid.values().next() {
            return Err(changed(format!("table `{}` was created", table.name)));
        }
        plan.parts = self.parts.iter().map(|(_, part)| part.clone()).collect();
        plan.read_backs = crate::plan::read_backs(&plan.tables);
        Ok(())
    }
}

/// What the name of an archive begins with where the name of a snapshot would stand.
pub(crate) const ARCHIVE: &str = "archive ";

/// The step that says that all tables were read back.
pub(super) const ALL_READ_BACK: &str = "all read back";

/// Digest and number of the large objects, as stored.
pub(crate) fn large_objects_text(oids: &[u32]) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for oid in oids {
        hash.update(oid.to_be_bytes());
    }
    let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{} {hex}", oids.len())
}

fn large_object_count(text: &str) -> usize {
    text.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}
