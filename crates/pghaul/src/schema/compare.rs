//! Two schemas, entry by entry: what one side lacks, what it has too much, what is different.
//!
//! Both archives come from one `pg_dump`. What legitimately differs between two majors is listed
//! by [`version_differences`], and nothing else is forgiven.
//!
//! Invariants: order plays no part; blanks, comments and needless quotes between tokens neither; an
//! entry that is there twice must be there twice on both sides; no text is shown of kinds whose
//! statements may hold a password or somebody's code.

mod families;
mod mends;
mod shown;

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Kind, Section};
use super::scan::scan;
use crate::version::ServerVersion;
use mends::MENDS;

/// How an entry differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaDifferenceKind {
    /// On the source and not on the target.
    Missing,
    /// On the target and not on the source.
    Extra,
    /// On both, and not the same.
    Changed,
}

/// An entry of the schema that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaDifference {
    /// Its kind, as pg_dump calls it: `INDEX`, `FK CONSTRAINT`, ….
    pub kind: String,
    /// The object: `schema.name`, for what belongs to a table `schema.table name`.
    pub object: String,
    /// How it differs.
    pub how: SchemaDifferenceKind,
    /// What is different, in a sentence; empty where nothing more can be said.
    pub what: String,
}

/// What may differ in a comparison without being a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leniency {
    /// Whether owners are compared.
    pub owners: Compared,
    /// Whether privileges are.
    pub privileges: Compared,
}

/// Whether something is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compared {
    /// It is.
    #[default]
    Yes,
    /// It may differ.
    No,
}

/// What comparing came to.
#[derive(Debug, Default)]
pub struct SchemaComparison {
    /// What differs.
    pub differences: Vec<SchemaDifference>,
    /// The entries of [`version_differences`] that explained something.
    pub explained: BTreeSet<&'static str>,
    /// Entries of the source.
    pub entries: usize,
    /// The schema `public` is on both sides as their versions make it, and so not the same: up to
    /// 14 everybody may create objects there, from 15 on only the database's owner.
    pub public_as_made: bool,
}

/// A way in which two majors write one schema differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionDifference {
    /// What results call it.
    pub name: &'static str,
    /// Where it comes from.
    pub reason: &'static str,
}

/// The list.
pub fn version_differences() -> impl Iterator<Item = VersionDifference> {
    MENDS.iter().map(|mend| VersionDifference { name: mend.name, reason: mend.reason })
}

/// An entry as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Canonical<'a> {
    entry: &'a Entry,
    tokens: Vec<String>,
}

/// Which entries stand for the same object.
type Identity = (String, String, String);

/// Compares the entries of two archives.
pub fn compare(
    (source, source_version): (&[Entry], ServerVersion),
    (target, target_version): (&[Entry], ServerVersion),
    leniency: Leniency,
) -> SchemaComparison {
    let mut left = by_identity(source, leniency);
    let mut right = by_identity(target, leniency);
    let mut all = SchemaComparison {
        entries: left.values().map(Vec::len).sum(),
        ..SchemaComparison::default()
    };
    let versions = (source_version, target_version);
    if source_version.at_least(14) != target_version.at_least(14)
        && families::set_members_aside(&mut left, &mut right)
    {
        all.explained.insert(families::NAME);
    }
    let empty = Vec::new;
    for (identity, here) in left {
        let there = right.remove(&identity).unwrap_or_else(empty);
        group(here, there, versions, leniency, &mut all);
    }
    for there in right.into_values() {
        group(Vec::new(), there, versions, leniency, &mut all);
    }
    all.differences.sort();
    all
}

fn by_identity(entries: &[Entry], leniency: Leniency) -> BTreeMap<Identity, Vec<Canonical<'_>>> {
    let mut all: BTreeMap<Identity, Vec<Canonical<'_>>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| counts(entry, leniency)) {
        let tokens = tokens(&entry.defn);
        all.entry(identity(entry)).or_default().push(Canonical { entry, tokens });
    }
    all
}

/// Whether an entry is about the database's contents and not about the dump's session or ours.
fn counts(entry: &Entry, leniency: Leniency) -> bool {
    let of_a_database = entry.tag.starts_with("DATABASE ");
    let ours = entry.namespace() == Some("pghaul")
        || (entry.namespace().is_none()
            && matches!(entry.tag.as_str(), "pghaul" | "SCHEMA pghaul"));
    if entry.section == Section::Data || ours {
        return false;
    }
    match entry.kind {
        Kind::Encoding
        | Kind::StdStrings
        | Kind::SearchPath
        | Kind::Database
        | Kind::DatabaseProperties
        | Kind::StatisticsData => false,
        Kind::Acl => leniency.privileges == Compared::Yes && !of_a_database,
        Kind::DefaultAcl => leniency.privileges == Compared::Yes,
        Kind::Comment | Kind::SecurityLabel => !of_a_database,
        _ => true,
    }
}

/// Needless quotes and the IN of procedures depend on the server's version.
fn identity(entry: &Entry) -> Identity {
    let tag = entry.tag.replace('"', "").replace("(IN ", "(").replace(", IN ", ", ");
    (entry.kind.name().to_owned(), entry.namespace().unwrap_or_default().to_owned(), tag)
}

/// The tokens of a statement; names without their quotes, since which names need them depends on
/// the version.
fn tokens(statement: &str) -> Vec<String> {
    match scan(statement) {
        Some(tokens) => tokens
            .iter()
            .map(|token| token.name().unwrap_or_else(|| token.text.to_owned()))
            .collect(),
        None => statement.split_whitespace().map(str::to_owned).collect(),
    }
}

/// Compares what stands for one object, mostly one entry on each side.
fn group<'a>(
    mut here: Vec<Canonical<'a>>,
    mut there: Vec<Canonical<'a>>,
    versions: (ServerVersion, ServerVersion),
    leniency: Leniency,
    all: &mut SchemaComparison,
) {
    // What needs no explanation first, so that none is wasted on it.
    for with_mends in [false, true] {
        here.retain(|one| {
            let twin = there.iter().position(|other| {
                let explained = if with_mends {
                    equal_with_mends(one, other, versions, leniency)
                } else {
                    equal(one, other, versions, leniency).then(Vec::new)
                };
                explained.map(|names| all.explained.extend(names)).is_some()
            });
            twin.map(|at| there.remove(at)).is_none()
        });
    }
    let pairs = here.len().min(there.len());
    for (one, other) in here.iter().zip(&there) {
        let what = shown::what_differs(one, other, versions, leniency);
        all.differences.push(difference(one.entry, SchemaDifferenceKind::Changed, what));
    }
    let remote = versions.0.at_least(15) != versions.1.at_least(15);
    for one in here.iter().skip(pairs) {
        if remote && !versions.0.at_least(15) && is_old_public(one) {
            all.public_as_made = true;
            continue;
        }
        all.differences.push(difference(one.entry, SchemaDifferenceKind::Missing, String::new()));
    }
    for other in there.iter().skip(pairs) {
        if let Some(name) = mends::explains_extra(&other.tokens, &other.entry.kind, versions) {
            all.explained.insert(name);
            continue;
        }
        if remote && !versions.1.at_least(15) && is_old_public(other) {
            all.public_as_made = true;
            continue;
        }
        all.differences.push(difference(other.entry, SchemaDifferenceKind::Extra, String::new()));
    }
}

/// What `pg_dump` of 15 and newer says of the schema `public` as servers up to 14 make it; of one as
/// newer servers make it, it says nothing.
fn is_old_public(one: &Canonical<'_>) -> bool {
    const GRANTS: [&str; 2] =
        ["REVOKE USAGE ON SCHEMA public FROM PUBLIC", "GRANT ALL ON SCHEMA public TO PUBLIC"];
    match one.entry.kind {
        Kind::Schema => one.entry.tag == "public",
        Kind::Acl if one.entry.tag == "SCHEMA public" => {
            let statements = one.tokens.split(|token| token == ";").filter(|some| !some.is_empty());
            statements.map(|some| some.join(" ")).all(|text| GRANTS.contains(&text.as_str()))
        }
        _ => false,
    }
}

fn difference(entry: &Entry, how: SchemaDifferenceKind, what: String) -> SchemaDifference {
    SchemaDifference { kind: entry.kind.name().to_owned(), object: entry.object(), how, what }
}

fn equal(
    one: &Canonical<'_>,
    other: &Canonical<'_>,
    versions: (ServerVersion, ServerVersion),
    leniency: Leniency,
) -> bool {
    one.tokens == other.tokens && same_surroundings(one.entry, other.entry, versions, leniency)
}

/// Owner, tablespace and access method, which `pg_dump` keeps beside the statement.
fn same_surroundings(
    one: &Entry,
    other: &Entry,
    versions: (ServerVersion, ServerVersion),
    leniency: Leniency,
) -> bool {
    same_owner(one, other, versions, leniency)
        && one.tablespace.as_deref().unwrap_or_default()
            == other.tablespace.as_deref().unwrap_or_default()
        && same_access_method(one, other, versions)
}

fn same_owner(
    one: &Entry,
    other: &Entry,
    versions: (ServerVersion, ServerVersion),
    leniency: Leniency,
) -> bool {
    leniency.owners == Compared::No
        || one.owner() == other.owner()
        || is_owner_of_public((one, versions.0), (other, versions.1))
        || is_owner_of_public((other, versions.1), (one, versions.0))
}

/// Whether both say something of the schema `public`, which belongs to whoever has the database from 15
/// on, and before that to whoever made it.
fn is_owner_of_public(new: (&Entry, ServerVersion), old: (&Entry, ServerVersion)) -> bool {
    let about_public = |entry: &Entry| match entry.kind {
        Kind::Schema => entry.tag == "public",
        Kind::Comment | Kind::Acl => entry.tag == "SCHEMA public",
        _ => false,
    };
    about_public(new.0)
        && about_public(old.0)
        && new.1.at_least(15)
        && !old.1.at_least(15)
        && new.0.owner() == Some("pg_database_owner")
}

/// Before 12 there was none to name; what was heap without a name is heap.
fn same_access_method(
    one: &Entry,
    other: &Entry,
    versions: (ServerVersion, ServerVersion),
) -> bool {
    let of = |entry: &Entry, version: ServerVersion| match entry.table_am.as_deref() {
        Some(name) if !name.is_empty() => Some(name.to_owned()),
        _ if !version.at_least(12) && other_names_one(one, other) => Some("heap".to_owned()),
        _ => None,
    };
    of(one, versions.0) == of(other, versions.1)
}

fn other_names_one(one: &Entry, other: &Entry) -> bool {
    [one, other].iter().any(|entry| entry.table_am.as_deref().is_some_and(|name| !name.is_empty()))
}

/// The names of the version differences that make two entries equal, as few as will do.
fn equal_with_mends(
    one: &Canonical<'_>,
    other: &Canonical<'_>,
    versions: (ServerVersion, ServerVersion),
    leniency: Leniency,
) -> Option<Vec<&'static str>> {
    if !same_surroundings(one.entry, other.entry, versions, leniency) {
        return None;
    }
    // Every mend knows an older and a newer side.
    let swap = versions.0 > versions.1;
    let (old, new) = if swap { (other, one) } else { (one, other) };
    let between = if swap { (versions.1, versions.0) } else { versions };
    let mut needed: Vec<_> =
        MENDS.iter().filter(|mend| (mend.between)(between.0, between.1)).collect();
    let agree = |mends: &[&mends::Mend]| {
        let (mut old, mut new) = (old.tokens.clone(), new.tokens.clone());
        for mend in mends {
            (mend.apply)(&one.entry.kind, &mut old, &mut new);
        }
        old == new
    };
    if !agree(&needed) {
        return None;
    }
    let mut at = 0;
    while at < needed.len() {
        let mut fewer = needed.clone();
        fewer.remove(at);
        if agree(&fewer) {
            needed = fewer;
        } else {
            at += 1;
        }
    }
    Some(needed.iter().map(|mend| mend.name).collect())
}

#[cfg(test)]
mod tests;
