//! What repairs did, in schema `pghaul` of the database that they work on.
//!
//! Invariant: a batch, its receipt and its undo rows are one transaction.

use pghaul_rows::TableDigest;
use sha2::{Digest as _, Sha256};

use super::script::Job;
use crate::connect::Session;
use crate::duplicates::plan::file::TableLine;
use crate::error::{Error, ErrorKind};
use crate::name::RelationName;

/// The version of the tables.
const FORMAT: i32 = 1;

/// A repair as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::duplicates) struct RepairRecord {
    pub(in crate::duplicates) id: i32,
    /// The digest of the plan's file.
    pub(in crate::duplicates) plan: String,
    pub(in crate::duplicates) finished: bool,
    pub(in crate::duplicates) undone: bool,
}

/// The right to be the one process that repairs or undoes in this database: an advisory lock, gone
/// with its session.
///
/// # Errors
/// [`ErrorKind::RunState`] when another has it.
pub(in crate::duplicates) async fn claim(session: &Session) -> Result<(), Error> {
    let digest = Sha256::digest("pghaul repair");
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    let key = i64::from_be_bytes(first);
    for attempt in 0..50 {
        let row = session
            .query_one("claim the repair", "select pg_catalog.pg_try_advisory_lock($1)", &[&key])
            .await?;
        if row.get(0) {
            return Ok(());
        }
        if attempt < 49 {
            // A process that was killed just now keeps its lock until the server notices.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    Err(Error::new(ErrorKind::RunState, "another repair or undo is at work in this database")
        .with_hint("wait for it to end, or stop it first"))
}

/// Whether the tables are there; a schema `pghaul` of somebody else is refused.
pub(in crate::duplicates) async fn is_present(session: &Session) -> Result<bool, Error> {
    let row = session.query_one("look for repairs", include_str!("presence.sql"), &[]).await?;
    let (schema, ours, table, may_create): (bool, bool, bool, bool) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    if schema && !ours {
        return Err(Error::new(
            ErrorKind::Preflight,
            "the schema `pghaul` is there already and does not belong to this role",
        )
        .with_hint("rename or drop that schema, or use the role that owns it"));
    }
    if !schema && !may_create {
        return Err(Error::new(
            ErrorKind::Preflight,
            "this role may not create the schema `pghaul`, where the rows are kept as they were",
        )
        .with_hint("grant it CREATE on the database"));
    }
    Ok(table)
}

/// All repairs, the newest first.
pub(in crate::duplicates) async fn load(session: &Session) -> Result<Vec<RepairRecord>, Error> {
    if !is_present(session).await? {
        return Ok(Vec::new());
    }
    let rows = session
        .query(
            "read the repairs",
            "select id, format, plan, finished is not null, undone is not null \
               from pghaul.repair order by id desc",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            if row.get::<_, i32>(1) > FORMAT {
                return Err(Error::new(
                    ErrorKind::RunState,
                    "a repair in this database was made by a newer pghaul",
                )
                .with_hint("go on with the pghaul that began it"));
            }
            Ok(RepairRecord {
                id: row.get(0),
                plan: row.get(2),
                finished: row.get(3),
                undone: row.get(4),
            })
        })
        .collect()
}

/// Begins a repair, in the transaction that the caller has begun.
pub(super) async fn create(
    session: &Session,
    id: i32,
    plan: &str,
    rules: &str,
    tables: &[TableLine],
) -> Result<(), Error> {
    let doing = "create the repair's state in schema pghaul";
    session.batch(doing, include_str!("create.sql")).await?;
    session
        .execute(
            doing,
            "insert into pghaul.repair (id, format, tool, plan, rules) values ($1, $2, $3, $4, $5)",
            &[&id, &FORMAT, &concat!("pghaul ", env!("CARGO_PKG_VERSION")), &plan, &rules],
        )
        .await?;
    for (place, table) in (0_i32..).zip(tables) {
        let columns = json(&table.columns)?;
        let rebuild = json(&table.rebuild)?;
        session
            .execute(
                doing,
                "insert into pghaul.repair_table values ($1, $2, $3, $4, $5, $6, $7)",
                &[&id, &place, &table.schema, &table.name, &columns, &rebuild, &table.digest],
            )
            .await?;
    }
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Bug, "cannot write JSON").caused_by(error))
}

/// What a batch did.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchReceipt<'a> {
    pub(super) repair: i32,
    pub(super) phase: &'a str,
    pub(super) place: i32,
    /// The plan's line up to which this phase is done for the table.
    pub(super) line: i64,
    pub(super) rows: i64,
    pub(super) before: TableDigest,
    pub(super) after: TableDigest,
}

impl BatchReceipt<'_> {
    /// Writes it under a number taken before.
    pub(super) async fn insert(&self, session: &Session, id: i64) -> Result<(), Error> {
        let [before_rows, before_0, before_1] = self.before.to_i64s();
        let [after_rows, after_0, after_1] = self.after.to_i64s();
        session
            .execute(
                "write the receipt of a batch",
                "insert into pghaul.repair_batch (id, repair, phase, place, line, rows, xid, \
                 before_rows, before_0, before_1, after_rows, after_0, after_1) \
                 values ($1, $2, $3, $4, $5, $6, \
                 (pg_catalog.txid_current() % 4294967296)::text, $7, $8, $9, $10, $11, $12)",
                &[
                    &id,
                    &self.repair,
                    &self.phase,
                    &self.place,
                    &self.line,
                    &self.rows,
                    &before_rows,
                    &before_0,
                    &before_1,
                    &after_rows,
                    &after_0,
                    &after_1,
                ],
            )
            .await
            .map(drop)
    }
}

/// Notes the groups of rows that were refused.
pub(super) async fn skip(
    session: &Session,
    repair: i32,
    table: &RelationName,
    refused: &[(Job, String)],
) -> Result<(), Error> {
    let table = table.to_string();
    for (job, why) in refused {
        for group in &job.groups {
            skip_group(session, repair, *group, (&table, why)).await?;
        }
    }
    Ok(())
}

/// Notes a group that is left alone, in which table, and why; the first reason stays.
pub(super) async fn skip_group(
    session: &Session,
    repair: i32,
    group: u32,
    (table, why): (&str, &str),
) -> Result<(), Error> {
    session
        .execute(
            "note a group that is left alone",
            "insert into pghaul.repair_skip values ($1, $2, $3, $4) \
             on conflict (repair, number) do nothing",
            &[&repair, &i64::from(group), &table, &why],
        )
        .await
        .map(drop)
}

/// The number of the next batch.
pub(super) async fn next_batch(session: &Session) -> Result<i64, Error> {
    let sql = "select pg_catalog.nextval('pghaul.repair_batch_id_seq')";
    Ok(session.query_one("number a batch", sql, &[]).await?.get(0))
}

/// The line up to which a phase is done for a table.
pub(super) async fn done(
    session: &Session,
    repair: i32,
    phase: &str,
    place: i32,
) -> Result<Option<i64>, Error> {
    let row = session
        .query_one(
            "read the receipts of batches",
            "select pg_catalog.max(line) from pghaul.repair_batch \
              where repair = $1 and phase = $2 and place = $3 and not undone",
            &[&repair, &phase, &place],
        )
        .await?;
    Ok(row.get(0))
}

/// The phase of a receipt that changes nothing: so many rows are left without the key that they gave up.
const KEYLESS: &str = "keyless";

/// Notes, once for each table, how many rows could not get back the key that they gave up.
pub(super) async fn note_keyless(
    session: &Session,
    repair: i32,
    place: i32,
    rows: u64,
) -> Result<(), Error> {
    if rows == 0 || done(session, repair, KEYLESS, place).await?.is_some() {
        return Ok(());
    }
    let receipt = BatchReceipt {
        repair,
        phase: KEYLESS,
        place,
        line: 0,
        rows: i64::try_from(rows).unwrap_or(i64::MAX),
        before: TableDigest::default(),
        after: TableDigest::default(),
    };
    receipt.insert(session, next_batch(session).await?).await
}

/// Tables with rows that this repair, or any that was not undone, has left without a key, and how many.
/// Nothing where this role may not look.
pub(in crate::duplicates) async fn keyless(
    session: &Session,
    repair: Option<i32>,
) -> Result<Vec<(String, u64)>, Error> {
    let doing = "read which rows are without a key";
    let sql = "select pg_catalog.count(*) = 2 \
                 from pg_catalog.pg_class c \
                 join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                where n.nspname = 'pghaul' and c.relname in ('repair_batch', 'repair_table') \
                  and pg_catalog.has_schema_privilege(n.oid, 'usage') \
                  and pg_catalog.has_table_privilege(c.oid, 'select')";
    if !session.query_one(doing, sql, &[]).await?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let sql = "select pg_catalog.format('%s.%s', t.schema_name, t.table_name), pg_catalog.sum(b.rows)::int8 \
                 from pghaul.repair_batch b \
                 join pghaul.repair_table t on t.repair = b.repair and t.place = b.place \
                where b.phase = $1 and not b.undone and b.repair = coalesce($2, b.repair) \
                group by 1 order by 1";
    let rows = session.query(doing, sql, &[&KEYLESS, &repair]).await?;
    Ok(rows.iter().map(|row| (row.get(0), crate::catalog::size(row.get(1)))).collect())
}
