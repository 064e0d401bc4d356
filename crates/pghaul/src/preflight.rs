//! Preflight: everything about two databases that can be known before the first byte moves, all
//! at once, each with its remedy.
//!
//! Invariants: nothing is written on either side; what a role may not look at is either not
//! needed or a finding of its own, never an error in the middle; severities and remedies stand in
//! one table, [`RULES`].

pub(crate) mod archived;
pub(crate) mod compare;
mod queries;
pub(crate) mod rows_only;
pub(crate) mod rules;
mod same_database;

use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::version::ServerVersion;

use self::queries::{About, On, QUERIES, Query};

pub(crate) use self::compare::{large_objects_in_the_way, object_in_the_way};
pub use self::rules::{RULES, Rule};
pub use self::same_database::is_same_database;

/// Whether something is to be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// As on the source.
    Along,
    /// Left out.
    Not,
}

/// Whether the source is expected to be quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// The copy is meant to hold everything.
    Unwanted,
    /// A rehearsal: what is written meanwhile need not be in the copy.
    Expected,
}

/// What is going to be done, as far as it decides what matters.
#[derive(Clone, Copy)]
pub struct Intent<'a> {
    /// Sessions that will be opened on the source at once.
    pub source_sessions: u32,
    /// Sessions that will be opened on the target at once.
    pub target_sessions: u32,
    /// Definitions of objects; not with `--data-only`.
    pub schema: Carry,
    /// Objects that are no relation; not if tables are asked for by name, since only those come
    /// along then that they need.
    pub others: Carry,
    /// Large objects; not if tables are asked for by name, nor with `--schema-only`.
    pub large_objects: Carry,
    /// Owners; not with `--no-owner`.
    pub owners: Carry,
    /// Privileges; not with `--no-privileges`.
    pub privileges: Carry,
    /// Whether the source is expected to be quiet.
    pub writers: Writers,
    /// Whether a relation is meant, by `--include` and `--exclude`.
    pub wanted: &'a (dyn Fn(&RelationName) -> bool + Send + Sync),
}

impl Default for Intent<'_> {
    /// Everything of a quiet source, by few sessions.
    fn default() -> Self {
        Self {
            source_sessions: 6,
            target_sessions: 6,
            schema: Carry::Along,
            others: Carry::Along,
            large_objects: Carry::Along,
            owners: Carry::Along,
            privileges: Carry::Along,
            writers: Writers::Unwanted,
            wanted: &|_| true,
        }
    }
}

/// Looks at a source, and at a target if there is one; without one the newest version is taken
/// for it. Findings come blockers first, then by code and object.
///
/// # Errors
/// [`ErrorKind::Usage`] when both are the same database. What a server said, or the loss of a
/// connection. What is wrong with the databases is a finding and no error.
pub async fn check(
    source: &Session,
    target: Option<&Session>,
    intent: &Intent<'_>,
) -> Result<Vec<Finding>, Error> {
    let target_version =
        target.map_or(ServerVersion::from_num(ServerVersion::TOO_NEW.num() - 1), Session::version);
    if let Some(target) = target
        && is_same_database(source, target).await?
    {
        return Err(Error::new(ErrorKind::Usage, "source and target are the same database")
            .with_hint("check host, port and database of --source and --target"));
    }
    // All at once: requests of one session are pipelined, and a far server costs few round trips.
    let queries = QUERIES.iter().flat_map(|query| {
        let sides = match query.on {
            On::Source => [Some(source), None],
            On::Target => [target, None],
            On::Both => [Some(source), target],
        };
        sides
            .into_iter()
            .flatten()
            .filter(|side| query.runs_on(side.version(), target_version))
            .map(move |side| ask(query, side, intent))
    });
    let found = futures::future::try_join_all(queries).await?;
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    compare::source(source, target_version, intent, &mut findings).await?;
    if let Some(target) = target {
        compare::both(source, target, intent, &mut findings).await?;
    }
    if intent.writers == Writers::Expected {
        for finding in &mut findings {
            if finding.code == rules::PREPARED_TRANSACTION.code {
                finding.severity = Severity::Warning;
            }
        }
    }
    findings.sort_by(|a, b| {
        (b.severity.cmp(&a.severity))
            .then_with(|| a.code.cmp(b.code))
            .then_with(|| a.object.cmp(&b.object))
            .then_with(|| a.message.cmp(&b.message))
    });
    findings.dedup();
    Ok(findings)
}

async fn ask(query: &Query, session: &Session, intent: &Intent<'_>) -> Result<Vec<Finding>, Error> {
    let doing = format!("look for findings of the kind {}", query.rule.code);
    let rows = session.simple_rows(&doing, query.sql).await?;
    let side = session.side().to_string();
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let (object, details) = subject(query.about, &row, intent)?;
            let finding = query.rule.found(fill(query.message, &side, details));
            Some(match object {
                Some(object) => finding.about(object),
                None => finding,
            })
        })
        .collect())
}

type Row = [Option<String>];

/// The object and the columns behind it; nothing for a relation that is not wanted.
fn subject<'a>(
    about: About,
    row: &'a Row,
    intent: &Intent<'_>,
) -> Option<(Option<String>, &'a Row)> {
    match (about, row) {
        (About::Object, [object, details @ ..]) => Some((object.clone(), details)),
        (About::Relation, [Some(schema), Some(name), details @ ..]) => {
            let name = RelationName::new(schema, name);
            (intent.wanted)(&name).then(|| (Some(name.to_string()), details))
        }
        _ => None,
    }
}

/// Puts the side and the columns into a message.
fn fill(message: &str, side: &str, details: &Row) -> String {
    let mut pieces = message.split('{');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (place, after) = piece.split_once('}').unwrap_or((piece, ""));
        let value = match place.parse::<usize>() {
            Ok(place) => details.get(place).and_then(Option::as_deref).unwrap_or("(unknown)"),
            Err(_) => side,
        };
        filled.push_str(value);
        filled.push_str(after);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn values_with_braces_stay_as_they_are() {
        let row = [Some("{1}".to_owned()), Some("x".to_owned())];
        assert_eq!(fill("{0} and {1} on the {side}", "source", &row), "{1} and x on the source");
        assert_eq!(fill("{5}", "source", &row), "(unknown)");
    }
}
