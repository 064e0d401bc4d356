//! Large objects: content, owner, privileges and comment, in bounded chunks.
//!
//! Invariants: memory is bounded by one chunk, whatever an object's size; an object keeps its OID,
//! since rows refer to it by that; a batch and its receipt are one transaction, and small enough
//! for the target's lock table.

use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use crate::catalog::{Oid, oid};
use crate::connect::Session;
use crate::error::Error;
use crate::event::Counters;
use crate::name::{Ident, literal};

/// Bytes read at once (manual, 33.4, `lo_get`).
pub(crate) const CHUNK: i32 = 1 << 20;

/// Objects of one transaction: each takes a lock on the target.
pub const OBJECTS_A_BATCH: usize = 100;

/// A large object of the source, without its content.
#[derive(Debug, Clone)]
pub struct LargeObject {
    /// Its OID, on both sides.
    pub oid: Oid,
    /// The owner.
    pub owner: Ident,
    /// Grants: grantee (none: PUBLIC), privilege, whether it may be passed on; none for the
    /// default privileges.
    pub grants: Option<Vec<(Option<Ident>, String, bool)>>,
    /// The comment.
    pub comment: Option<String>,
}

/// Lists the large objects that are visible in the session's snapshot.
///
/// # Errors
/// What the source said.
pub async fn list(source: &Session) -> Result<Vec<LargeObject>, Error> {
    let rows =
        source.query("list the large objects", include_str!("large_objects.sql"), &[]).await?;
    let mut objects: Vec<LargeObject> = Vec::new();
    for row in &rows {
        let found = oid(row.get(0));
        if objects.last().is_none_or(|last| last.oid != found) {
            let default_privileges: bool = row.get(2);
            objects.push(LargeObject {
                oid: found,
                owner: Ident::new(row.get::<_, String>(1)),
                grants: (!default_privileges).then(Vec::new),
                comment: row.get(6),
            });
        }
        if let (Some(privilege), Some(object)) =
            (row.get::<_, Option<String>>(4), objects.last_mut())
        {
            let grantee = row.get::<_, Option<String>>(3).map(Ident::new);
            object.grants.get_or_insert_default().push((grantee, privilege, row.get(5)));
        }
    }
    Ok(objects)
}

/// What is carried besides the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// `ALTER LARGE OBJECT … OWNER TO`.
    pub owner: crate::run::options::Keep,
    /// GRANTs.
    pub privileges: crate::run::options::Keep,
}

/// Copies objects inside the target's open transaction. Gives a digest of all of them: OIDs,
/// lengths and contents.
///
/// # Errors
/// What either server said.
pub async fn copy(
    source: &Session,
    target: &Session,
    objects: &[LargeObject],
    attributes: Attributes,
    counters: &Counters,
) -> Result<String, Error> {
    let mut all = Sha256::new();
    for object in objects {
        let doing = format!("create large object {}", object.oid);
        target.execute(&doing, "select pg_catalog.lo_create($1)", &[&object.oid]).await?;
        let mut offset = 0_i64;
        let mut content = Sha256::new();
        loop {
            let chunk = read(source, object.oid, offset).await?;
            if !chunk.is_empty() {
                counters.bytes_read.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                content.update(&chunk);
                target
                    .execute(
                        &format!("write large object {}", object.oid),
                        "select pg_catalog.lo_put($1, $2, $3)",
                        &[&object.oid, &offset, &chunk],
                    )
                    .await?;
                offset += length_of(&chunk);
            }
            if chunk.len() < CHUNK.unsigned_abs() as usize {
                break;
            }
        }
        add(&mut all, object.oid, offset, content);
        let statements = statements(object, attributes);
        if !statements.is_empty() {
            target
                .batch(&format!("give large object {} its attributes", object.oid), &statements)
                .await?;
        }
    }
    Ok(hex(&all.finalize()))
}

/// Reads objects of one side and digests them as [`copy`] does. An object that is not there is
/// the server's error.
///
/// # Errors
/// What the server said.
pub async fn digest(session: &Session, oids: &[Oid], counters: &Counters) -> Result<String, Error> {
    let mut all = Sha256::new();
    for object in oids {
        let mut offset = 0_i64;
        let mut content = Sha256::new();
        loop {
            let chunk = read(session, *object, offset).await?;
            counters.bytes_read_back.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            content.update(&chunk);
            offset += length_of(&chunk);
            if chunk.len() < CHUNK.unsigned_abs() as usize {
                break;
            }
        }
        add(&mut all, *object, offset, content);
    }
    Ok(hex(&all.finalize()))
}

/// One chunk of an object; a shorter one than [`CHUNK`] is its last.
pub(crate) async fn read(session: &Session, object: Oid, offset: i64) -> Result<Vec<u8>, Error> {
    let row = session
        .query_one(
            &format!("read large object {object}"),
            "select pg_catalog.lo_get($1, $2, $3)",
            &[&object, &offset, &CHUNK],
        )
        .await?;
    Ok(row.get(0))
}

/// At most [`CHUNK`].
fn length_of(chunk: &[u8]) -> i64 {
    i64::try_from(chunk.len()).unwrap_or(i64::MAX)
}

/// The statement that removes those of a batch that nobody has removed by then.
pub(crate) fn unlink(objects: &[LargeObject]) -> String {
    let oids: Vec<String> = objects.iter().map(|object| object.oid.to_string()).collect();
    format!(
        "select pg_catalog.lo_unlink(oid) from pg_catalog.pg_largeobject_metadata where oid in ({})",
        oids.join(", ")
    )
}

fn add(all: &mut Sha256, object: Oid, length: i64, content: Sha256) {
    all.update(object.to_be_bytes());
    all.update(length.to_be_bytes());
    all.update(content.finalize());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn statements(object: &LargeObject, attributes: Attributes) -> String {
    use crate::run::options::Keep;
    let name = format!("large object {}", object.oid);
    let mut sql = String::new();
    if let Some(comment) = &object.comment {
        sql.push_str(&format!("comment on {name} is {};\n", literal(comment)));
    }
    if attributes.owner == Keep::AsIs {
        sql.push_str(&format!("alter {name} owner to {};\n", object.owner.quoted()));
    }
    if let (Keep::AsIs, Some(grants)) = (attributes.privileges, &object.grants) {
        let owner = match attributes.owner {
            Keep::AsIs => object.owner.quoted(),
            Keep::LeaveOut => "current_user".to_owned(),
        };
        sql.push_str(&format!("revoke all on {name} from {owner};\n"));
        for (grantee, privilege, passed_on) in grants {
            let grantee = match grantee {
                None => "public".to_owned(),
                Some(role) if *role == object.owner => owner.clone(),
                Some(role) => role.quoted(),
            };
            let option = if *passed_on { " with grant option" } else { "" };
            sql.push_str(&format!("grant {privilege} on {name} to {grantee}{option};\n"));
        }
    }
    sql
}
