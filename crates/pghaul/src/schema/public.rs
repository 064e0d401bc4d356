//! The schema `public`, which is there before us: what `pg_dump` takes for granted about it.
//!
//! Every new database has a comment on it. Where a source has taken that away, `pg_dump` sets an empty
//! one, but not where it quotes identifiers (18.6, tried), as ours does. And 15 and newer write its
//! privileges as changes of what it is on 15 and newer, where not everybody may create in it.

use super::entry::{DumpId, Entry, Kind};
use crate::connect::Session;
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::version::ServerVersion;

const TAG: &str = "SCHEMA public";
const NO_COMMENT: &str = "COMMENT ON SCHEMA \"public\" IS '';\n";
const NO_CREATE: &str = "REVOKE CREATE ON SCHEMA \"public\" FROM PUBLIC;\n";

/// Adds what the source has taken away and `target` has, or may have if it is not known yet; then
/// [`fit`] is to take out what it has not.
///
/// # Errors
/// What the source said.
pub(crate) async fn complete(
    source: &Session,
    target: Option<ServerVersion>,
    entries: &mut Vec<Entry>,
) -> Result<(), Error> {
    let rows = source
        .query(
            "look at schema public",
            "select oid, pg_catalog.obj_description(oid, 'pg_namespace') is null \
                  , pg_catalog.has_schema_privilege('public', oid, 'create') \
               from pg_catalog.pg_namespace where nspname = 'public'",
            &[],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let (oid, bare, open): (u32, bool, bool) = (row.get(0), row.get(1), row.get(2));
    if bare && !entries.iter().any(is_comment) {
        add(entries, Kind::Comment, oid, NO_COMMENT);
    }
    if !open && target.is_none_or(everybody_may_create) {
        let acl = entries.iter_mut().find(|entry| entry.kind == Kind::Acl && entry.tag == TAG);
        match acl {
            Some(acl) => acl.defn.push_str(NO_CREATE),
            None => add(entries, Kind::Acl, oid, NO_CREATE),
        }
    }
    Ok(())
}

/// Before 15 a new database lets everybody create in this schema.
fn everybody_may_create(target: ServerVersion) -> bool {
    !target.at_least(15)
}

/// Takes out what only an older target needs, where it was added before the target was known.
pub(crate) fn fit(target: ServerVersion, entries: &mut Vec<Entry>) {
    if !everybody_may_create(target) {
        leave_open(entries);
    }
}

/// The entries without what [`complete`] added, to be held against those of another database.
pub(crate) fn as_dumped(entries: &mut Vec<Entry>) {
    leave_open(entries);
    entries.retain(|entry| !(is_comment(entry) && entry.defn == NO_COMMENT));
}

fn leave_open(entries: &mut Vec<Entry>) {
    entries.retain_mut(|entry| {
        let of_public = entry.kind == Kind::Acl && entry.tag == TAG;
        if of_public && let Some(rest) = entry.defn.strip_suffix(NO_CREATE).map(str::len) {
            entry.defn.truncate(rest);
        }
        !of_public || !entry.defn.is_empty()
    });
}

fn add(entries: &mut Vec<Entry>, kind: Kind, oid: u32, defn: &str) {
    let last = entries.iter().map(|entry| entry.dump_id.0).max().unwrap_or(0);
    let added = Entry::added(DumpId(last + 1), kind, defn);
    entries.push(Entry { oid, tag: TAG.to_owned(), ..added });
}

/// Takes the comment out where the target's role may not set it, which on 14 and older only
/// superusers mostly may; that is a note.
///
/// # Errors
/// What the target said.
pub(crate) async fn leave_to_its_owner(
    target: &Session,
    entries: &mut Vec<Entry>,
) -> Result<Option<Finding>, Error> {
    if !entries.iter().any(is_comment) {
        return Ok(None);
    }
    let rows = target
        .query(
            "ask who owns schema public",
            "select pg_catalog.pg_has_role(nspowner, 'usage') \
               from pg_catalog.pg_namespace where nspname = 'public'",
            &[],
        )
        .await?;
    if rows.first().is_none_or(|row| row.get(0)) {
        return Ok(None);
    }
    entries.retain(|entry| !is_comment(entry));
    let finding = Finding::new(
        Severity::Note,
        "comment_of_public_left",
        "the comment of this schema stays the target's: only the schema's owner may change it",
        "have its owner say COMMENT ON SCHEMA public IS …, if you want it",
    );
    Ok(Some(finding.about("public")))
}

fn is_comment(entry: &Entry) -> bool {
    entry.kind == Kind::Comment && entry.tag == TAG
}
