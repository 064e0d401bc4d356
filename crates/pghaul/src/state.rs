//! The state of a run, in schema `pghaul` of the target: the run, its plan, its receipts.
//!
//! Invariants: a receipt is inserted in the transaction that does the work, so data and receipt
//! are there together or not at all; the schema belongs to the role that runs, with no grant to
//! anybody; a schema `pghaul` that is not ours is refused, never touched.

mod findings;
pub mod receipt;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::catalog::{oid, size};
use crate::connect::{Endpoint, Session};
use crate::error::{Error, ErrorKind};
use crate::finding::Finding;
use crate::name::{RelationName, literal};
use crate::plan::{Part, PartId, Plan, format_name};
pub(crate) use findings::{load_findings, store_findings};
pub use receipt::{Receipt, Receipts};

/// The version of the state's tables. Any other is refused with exit code 20.
///
/// 2: findings know whether they were there before the run, relations how often they had been written.
pub const FORMAT: i32 = 2;

/// Which server and database one end of a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DatabaseIdentity {
    /// `pg_control_system()`'s system identifier; none where the role may not ask.
    pub system: Option<String>,
    /// The OID of the database.
    pub database_oid: u32,
    /// Its name.
    pub database: String,
    /// `server_version_num`.
    pub version: u32,
}

impl DatabaseIdentity {
    /// The database that a session is on.
    pub fn of(session: &Session, endpoint: &Endpoint) -> Self {
        let identity = session.identity();
        Self {
            system: identity.system_identifier.map(|id| id.to_string()),
            database_oid: identity.database_oid,
            database: endpoint.database().to_owned(),
            version: session.version().num(),
        }
    }

    /// Whether nothing tells them apart, as far as both are known: a server may have become newer
    /// meanwhile, and may withhold its system identifier.
    pub fn may_be(&self, other: &Self) -> bool {
        let systems =
            self.system.is_none() || other.system.is_none() || self.system == other.system;
        systems && self.database_oid == other.database_oid && self.database == other.database
    }
}

/// What a run is, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunRecord {
    /// A random name, also in `application_name`.
    pub id: String,
    /// Where the data comes from.
    pub source: DatabaseIdentity,
    /// Where it goes.
    pub target: DatabaseIdentity,
    /// The options that shape the plan, as JSON.
    pub options: String,
    /// The name of the exported snapshot.
    pub snapshot: String,
    /// The source's moment (`txid_current_snapshot()` and what makes it a proof), as JSON.
    pub moment: String,
    /// The name of consistency.
    pub consistency: String,
    /// The digest of the schema dump.
    pub schema_digest: String,
    /// The digest of the list of large objects, and their number.
    pub large_objects: String,
    /// The phase reached.
    pub phase: String,
    /// Whether the run is done.
    pub finished: bool,
}

/// What stands under the name `pghaul` in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// No such schema.
    Absent,
    /// A run's state, readable by us.
    Ours,
    /// A schema of this name that is not a run's state, or is another role's.
    Foreign,
}

/// Looks for a run's state.
///
/// # Errors
/// [`ErrorKind::RunState`] for a run of another role, [`ErrorKind::Preflight`] for a schema `pghaul`
/// that is nobody's run.
pub async fn presence(target: &Session) -> Result<Presence, Error> {
    match found(target).await? {
        (Presence::Foreign, Some(owner)) => Err(Error::new(
            ErrorKind::RunState,
            format!("target: the run in this database belongs to role `{owner}`"),
        )
        .with_hint(format!(
            "connect to the target as `{owner}`, as a member of it or as a superuser; leave the schema \
             `pghaul` alone, the run is in it"
        ))),
        (Presence::Foreign, None) => Err(Error::new(
            ErrorKind::Preflight,
            "target: the schema `pghaul` is there already and is not a run's state",
        )
        .with_hint("rename or drop that schema; pghaul keeps the state of a run under this name")),
        (other, _) => Ok(other),
    }
}

/// Looks for a run's state, or what stands in its place.
///
/// # Errors
/// What the server said.
pub async fn look(target: &Session) -> Result<Presence, Error> {
    found(target).await.map(|(presence, _)| presence)
}

/// The same, and whose run it is if it is a run.
///
/// # Errors
/// What the server said.
pub(crate) async fn found(target: &Session) -> Result<(Presence, Option<String>), Error> {
    let row = target
        .query_one("look for a run's state", include_str!("state/schema_is_ours.sql"), &[])
        .await?;
    let (exists, has_run, may_use): (bool, bool, bool) = (row.get(0), row.get(1), row.get(2));
    let only_repairs = !has_run && row.get::<_, bool>(4);
    let presence = match (exists, has_run, may_use) {
        (false, ..) => Presence::Absent,
        (true, false, true) if only_repairs => Presence::Absent,
        (true, true, true) => Presence::Ours,
        _ => Presence::Foreign,
    };
    let owner = if has_run { row.get(5) } else { None };
    Ok((presence, owner))
}

/// Creates the state of a new run, plan and what was found before included, in one transaction: the
/// one that has dropped the run before, if the session is in it. `writes`: by OID, how often each
/// table was written to on the source.
///
/// # Errors
/// What the target said; nothing is left behind then.
pub async fn create(
    target: &Session,
    run: &RunRecord,
    (plan, writes): (&Plan, &BTreeMap<u32, i64>),
    known_before: &[Finding],
) -> Result<(), Error> {
    let doing = "create the run's state in schema pghaul";
    target.batch(doing, "begin").await?;
    target.batch(doing, include_str!("state/create.sql")).await?;
    target
        .execute(
            doing,
            "insert into pghaul.run (id, format, tool, phase, options, source, target, snapshot, \
             moment, consistency, schema_digest, large_objects) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            &[
                &run.id,
                &FORMAT,
                &concat!("pghaul ", env!("CARGO_PKG_VERSION")),
                &run.phase,
                &run.options,
                &json(&run.source)?,
                &json(&run.target)?,
                &run.snapshot,
                &run.moment,
                &run.consistency,
                &run.schema_digest,
                &run.large_objects,
            ],
        )
        .await?;
    for sql in plan_inserts(plan, writes) {
        target.batch(doing, &sql).await?;
    }
    findings::note_known_before(target, known_before).await?;
    target.batch(doing, "commit").await
}

/// Reads the stored run.
///
/// # Errors
/// [`ErrorKind::RunState`] when it is damaged, or of a pghaul with other tables.
pub async fn load(target: &Session) -> Result<RunRecord, Error> {
    let rows = target
        .query(
            "read the run's state",
            "select id, format, phase, options, source, target, snapshot, moment, consistency, \
             schema_digest, finished is not null, large_objects from pghaul.run",
            &[],
        )
        .await?;
    let damaged = |why: &str| {
        Error::new(ErrorKind::RunState, format!("target: the run's state is damaged: {why}"))
            .with_hint("begin again with `pghaul clone --restart`")
    };
    let [row] = rows.as_slice() else {
        return Err(damaged(&format!("{} runs instead of one", rows.len())));
    };
    let format: i32 = row.get(1);
    if format != FORMAT {
        return Err(of_another_pghaul(format));
    }
    let identity = |at: usize| {
        serde_json::from_str(row.get::<_, &str>(at)).map_err(|error| damaged(&error.to_string()))
    };
    Ok(RunRecord {
        id: row.get(0),
        phase: row.get(2),
        options: row.get(3),
        source: identity(4)?,
        target: identity(5)?,
        snapshot: row.get(6),
        moment: row.get(7),
        consistency: row.get(8),
        schema_digest: row.get(9),
        finished: row.get(10),
        large_objects: row.get(11),
    })
}

fn of_another_pghaul(format: i32) -> Error {
    let (age, hint) = if format > FORMAT {
        ("a newer", "go on with the pghaul that began it")
    } else {
        ("an older", "go on with the pghaul that began it, or begin again with --restart")
    };
    let text = format!("target: the run was made by {age} pghaul (state version {format})");
    Error::new(ErrorKind::RunState, text).with_hint(hint)
}

/// Refuses a run whose receipts this pghaul cannot know. What older ones have created, all formats
/// until now say in the same way.
///
/// # Errors
/// [`ErrorKind::RunState`] when a newer pghaul made it, and what the target said.
pub(crate) async fn refuse_newer(target: &Session) -> Result<(), Error> {
    let rows = target.query("read the run's state", "select format from pghaul.run", &[]).await?;
    let newest = rows.iter().map(|row| row.get::<_, i32>(0)).max();
    newest.filter(|format| *format > FORMAT).map_or(Ok(()), |format| Err(of_another_pghaul(format)))
}

/// The names of the run's tables, by their OIDs on the source.
///
/// # Errors
/// What the target said.
pub(crate) async fn load_names(target: &Session) -> Result<HashMap<u32, RelationName>, Error> {
    let sql = "select source_oid, schema_name, table_name from pghaul.relation";
    let rows = target.query("read the names of the run's tables", sql, &[]).await?;
    let name = |row: &tokio_postgres::Row| {
        RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2))
    };
    Ok(rows.iter().map(|row| (oid(row.get(0)), name(row))).collect())
}

/// The parts of the stored plan, by table name: what `--resume` goes by, since sizes may differ
/// by then.
///
/// # Errors
/// What the target said.
pub async fn load_parts(target: &Session) -> Result<Vec<(u32, Part)>, Error> {
    let rows = target
        .query(
            "read the run's plan",
            "select p.id, r.source_oid, p.from_block, p.until_block, p.bytes, r.id \
               from pghaul.part p join pghaul.relation r on r.id = p.relation order by p.id",
            &[],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let part = Part {
                id: PartId(usize::try_from(row.get::<_, i32>(0)).unwrap_or(0)),
                table: usize::try_from(row.get::<_, i32>(5)).unwrap_or(0),
                from: row.get::<_, Option<i64>>(2).map(oid),
                until: row.get::<_, Option<i64>>(3).map(oid),
                bytes: size(row.get(4)),
            };
            (oid(row.get(1)), part)
        })
        .collect())
}

/// Notes the phase reached, and whether that is the end of the run.
///
/// # Errors
/// What the target said.
pub async fn set_phase(target: &Session, phase: &str, finished: bool) -> Result<(), Error> {
    let sql = if finished {
        "update pghaul.run set phase = $1, finished = pg_catalog.clock_timestamp()"
    } else {
        "update pghaul.run set phase = $1, finished = null"
    };
    target.execute("note the run's phase", sql, &[&phase]).await.map(drop)
}

/// The steps that are done, with their results.
///
/// # Errors
/// What the target said.
pub async fn load_steps(target: &Session) -> Result<HashMap<String, String>, Error> {
    let rows = target
        .query("read the receipts of steps", "select id, result from pghaul.step", &[])
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The result of one step, if it is done.
///
/// # Errors
/// What the target said.
pub async fn step_result(target: &Session, id: &str) -> Result<Option<String>, Error> {
    let rows = target
        .query("look for a step's receipt", "select result from pghaul.step where id = $1", &[&id])
        .await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// A step that is done: what goes into its receipt.
#[derive(Debug, Clone, Copy)]
pub struct StepReceipt<'a> {
    /// Its name, the same in every process that works on the run.
    pub id: &'a str,
    /// Its kind, as `pg_dump` calls it.
    pub kind: &'a str,
    /// The object.
    pub object: &'a str,
    /// What came out, where something does.
    pub result: &'a str,
    /// The statement that drops what was created; empty for what goes with something else.
    pub undo: &'a str,
    /// Who did it.
    pub worker: &'a str,
}

impl StepReceipt<'_> {
    /// The statement that writes the receipt: to be sent in the step's own transaction.
    pub fn insert_statement(&self) -> String {
        let values = [self.id, self.kind, self.object, self.result, self.undo, self.worker];
        format!(
            "insert into pghaul.step (id, kind, object, result, undo, worker) values ({})",
            values.map(literal).join(", ")
        )
    }
}

/// Notes with which options the run goes on.
///
/// # Errors
/// What the target said.
pub async fn set_options(target: &Session, options: &str) -> Result<(), Error> {
    let sql = "update pghaul.run set options = $1 where options <> $1";
    target.execute("note the run's options", sql, &[&options]).await.map(drop)
}

/// Notes under which moment of `run` its work goes on, and how often each table had been written to
/// by then.
///
/// # Errors
/// What the target said.
pub async fn set_moment(
    target: &Session,
    run: &RunRecord,
    writes: &BTreeMap<u32, i64>,
) -> Result<(), Error> {
    let doing = "note the run's moment";
    let mut sql = format!(
        "begin; update pghaul.run set snapshot = {}, moment = {}, consistency = {};\n",
        literal(&run.snapshot),
        literal(&run.moment),
        literal(&run.consistency),
    );
    let counts: Vec<String> =
        writes.iter().map(|(table, count)| format!("({table}::int8, {count}::int8)")).collect();
    for counts in counts.chunks(ROWS_A_STATEMENT) {
        sql.push_str(&format!(
            "update pghaul.relation r set writes = c.writes \
               from (values {}) c (source_oid, writes) \
              where c.source_oid = r.source_oid and c.writes is distinct from r.writes;\n",
            counts.join(", ")
        ));
    }
    sql.push_str("commit");
    target.batch(doing, &sql).await
}

/// How often each table had been written to on the source at the run's moment, by OID.
///
/// # Errors
/// What the target said.
pub async fn load_writes(target: &Session) -> Result<BTreeMap<u32, i64>, Error> {
    let sql = "select source_oid, writes from pghaul.relation where writes is not null";
    let rows = target.query("read the counters of writes", sql, &[]).await?;
    Ok(rows.iter().map(|row| (oid(row.get(0)), row.get(1))).collect())
}

/// The tables of the run that are unlogged on the target, or hold rows in one that is, if the server has
/// emptied them: it does so when it comes back from a crash, and a standby that was promoted has
/// nothing of them. None if it has not.
///
/// # Errors
/// What the target said.
pub(crate) async fn emptied(target: &Session) -> Result<Option<Vec<RelationName>>, Error> {
    let doing = "look whether unlogged tables were emptied";
    // Runs of pghaul 0.1 that were begun before there was one have no witness.
    let has_witness = "select pg_catalog.to_regclass('pghaul.witness') is not null";
    if !target.query_one(doing, has_witness, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    let stands = "select exists (select from pghaul.witness)";
    if target.query_one(doing, stands, &[]).await?.get(0) {
        return Ok(None);
    }
    let rows = target.query(doing, include_str!("state/unlogged.sql"), &[]).await?;
    let name = |row: &tokio_postgres::Row| {
        RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1))
    };
    Ok(Some(rows.iter().map(name).collect()))
}

/// The statement by which the next crash will be seen again.
pub(crate) const BEAR_WITNESS: &str =
    "insert into pghaul.witness values (true) on conflict do nothing";

/// Notes under which name the run's snapshot is to be had now.
///
/// # Errors
/// What the target said.
pub async fn set_snapshot(target: &Session, snapshot: &str) -> Result<(), Error> {
    target
        .execute("note the snapshot's name", "update pghaul.run set snapshot = $1", &[&snapshot])
        .await
        .map(drop)
}

/// Notes transaction ids of the source that were taken by exporting the snapshot again. Only after
/// the export: one too many would make a write of somebody else look like ours.
///
/// # Errors
/// What the target said.
pub async fn add_own_ids(target: &Session, ids: u64) -> Result<(), Error> {
    let sql = format!(
        "update pghaul.run set moment = pg_catalog.jsonb_set(moment::jsonb, '{{own_ids}}', \
         pg_catalog.to_jsonb((moment::jsonb ->> 'own_ids')::int8 + {ids}))::text"
    );
    target.batch("count our own transactions on the source", &sql).await
}

fn json(identity: &DatabaseIdentity) -> Result<String, Error> {
    serde_json::to_string(identity).map_err(|error| {
        Error::new(ErrorKind::Bug, "cannot write an identity as JSON").caused_by(error)
    })
}

/// Many rows a statement: a plan of 100,000 parts must not cost as many round trips.
const ROWS_A_STATEMENT: usize = 500;

fn plan_inserts(plan: &Plan, writes: &BTreeMap<u32, i64>) -> Vec<String> {
    let number = |value: Option<u32>| value.map_or("null".to_owned(), |block| block.to_string());
    let relations: Vec<String> = plan
        .tables
        .iter()
        .enumerate()
        .map(|(id, table)| {
            format!(
                "({id}, {}, {}, {}, {}, '{}', {}, {}, {})",
                literal(table.name.schema.as_str()),
                literal(table.name.name.as_str()),
                table.oid,
                table.bytes,
                format_name(table.format.format),
                literal(table.written_to.schema.as_str()),
                literal(table.written_to.name.as_str()),
                writes.get(&table.oid).map_or("null".to_owned(), ToString::to_string),
            )
        })
        .collect();
    let parts: Vec<String> = plan
        .parts
        .iter()
        .map(|part| {
            format!(
                "({}, {}, {}, {}, {})",
                part.id.0,
                part.table,
                number(part.from),
                number(part.until),
                part.bytes
            )
        })
        .collect();
    let insert = |table: &str, rows: &[String]| -> Vec<String> {
        rows.chunks(ROWS_A_STATEMENT)
            .map(|chunk| format!("insert into pghaul.{table} values {}", chunk.join(", ")))
            .collect()
    };
    let mut all = insert("relation", &relations);
    all.extend(insert("part", &parts));
    all
}
