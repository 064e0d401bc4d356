//! Sequences: their values on both sides, and whether each is ahead of the column that it feeds.
//!
//! Invariants: sequences have no snapshot, so they are read at one go on each side; the greatest
//! value of a column may come from an index, the only place of a comparison where one is used:
//! nothing is called equal because of it.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::super::company::Company;
use super::super::moment::{Moment, SideAt};
use crate::catalog::RelationKind;
use crate::connect::{Purpose, Session};
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::name::{RelationName, literal};
use crate::plan::filter::Filter;

/// Sequences asked for in one statement.
const TOGETHER: usize = 100;

/// Where a sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) last: i128,
    pub(crate) called: bool,
    pub(crate) increment: i128,
}

/// The positions of one side's sequences.
pub(crate) type Positions = BTreeMap<RelationName, Position>;

/// Sequences that are behind their tables, with the greatest values there.
pub(crate) type Behind = BTreeMap<RelationName, i128>;

impl Position {
    /// The value that comes next.
    fn next(self) -> i128 {
        if self.called { self.last + self.increment } else { self.last }
    }

    /// Whether it will give values that are there already, where this one is the greatest.
    fn is_behind(self, greatest: i128) -> bool {
        self.increment > 0 && self.next() <= greatest
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} next", self.next())
    }
}

/// Compares all sequences; gives their number.
pub(in crate::verify) async fn compare(company: &Company, moment: &Moment) -> Result<usize, Error> {
    let (here, there) = futures::try_join!(
        positions(&moment.source, &moment.filter),
        positions(&moment.target, &moment.filter)
    )?;
    let (behind, findings) = behind(&moment.target, &there).await?;
    for finding in findings.into_iter().chain(judge(&here, &there, behind)) {
        company.find(finding);
    }
    Ok(here.len())
}

/// What the positions of both sides say. `behind` are the sequences of the target that are behind
/// their tables.
pub(crate) fn judge(here: &Positions, there: &Positions, mut behind: Behind) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, position) in here {
        let Some(other) = there.get(name) else {
            findings.push(
                Finding::new(
                    Severity::Warning,
                    "sequence_missing",
                    "the target has no such sequence",
                    "create it on the target",
                )
                .about(name),
            );
            continue;
        };
        if position == other {
            continue;
        }
        let mut text = format!("the sequence stands at {position} here, {other} there");
        if let Some(greatest) = behind.remove(name) {
            text.push_str(&format!(
                ": behind its table, whose greatest value is {greatest}; the next insert will fail or double a key"
            ));
            findings.push(behind_finding(name, text));
            continue;
        }
        findings.push(
            Finding::new(
                Severity::Warning,
                "sequence_differs",
                text,
                "set it with setval() on the side that is wrong",
            )
            .about(name),
        );
    }
    for (name, greatest) in behind {
        // As on the source: where ids come from elsewhere, Snowflake ids for one, that is meant.
        let text = format!(
            "the sequence is behind its table on both sides: the table's greatest value is {greatest}"
        );
        let remedy = "nothing to do, if the column is not filled from the sequence";
        findings.push(
            Finding::new(Severity::Note, "sequence_behind_on_both", text, remedy).about(&name),
        );
    }
    for name in there.keys().filter(|name| !here.contains_key(*name)) {
        findings.push(
            Finding::new(
                Severity::Warning,
                "sequence_extra",
                "only the target has this sequence",
                "drop it there, if it does not belong there",
            )
            .about(name),
        );
    }
    findings
}

fn behind_finding(name: &RelationName, text: String) -> Finding {
    let remedy = "set it on the target: select setval('sequence', (select max(column) from table))";
    Finding::new(Severity::Warning, "sequence_behind", text, remedy).about(name)
}

/// Where the sequences of one side stand.
pub(crate) async fn positions(side: &SideAt, filter: &Filter) -> Result<Positions, Error> {
    let names: Vec<&RelationName> = side
        .catalog
        .relations
        .iter()
        .filter(|relation| {
            relation.kind == RelationKind::Sequence
                && !relation.belongs_to_extension
                && filter.wants(&side.catalog, relation)
        })
        .map(|relation| &relation.name)
        .collect();
    let session = side.reader("sequences").await?;
    // From 10 on the relation of a sequence holds its position only.
    let catalog = side.catalog.version.at_least(10);
    let mut positions = BTreeMap::new();
    for some in names.chunks(TOGETHER) {
        let each: Vec<String> = some
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let increment = if catalog {
                    format!(
                        "(select p.seqincrement from pg_catalog.pg_sequence p \
                          where p.seqrelid = {}::pg_catalog.regclass)",
                        literal(&name.quoted())
                    )
                } else {
                    "s.increment_by".to_owned()
                };
                format!(
                    "select {at}, s.last_value::text, s.is_called::text, {increment}::text from {} s",
                    name.quoted()
                )
            })
            .collect();
        let sql = each.join(" union all ");
        let rows = session.simple_rows("read the sequences", &sql);
        for row in session.with_catalog_indexes(rows).await? {
            let text = |at: usize| row.get(at).and_then(Option::as_deref);
            let number = |at: usize| text(at).and_then(|text| text.parse::<i128>().ok());
            let place = text(0).and_then(|text| text.parse::<usize>().ok());
            if let (Some(name), Some(last), Some(increment)) =
                (place.and_then(|at| some.get(at)), number(1), number(3))
            {
                let called = text(2) == Some("true");
                positions.insert((*name).clone(), Position { last, called, increment });
            }
        }
    }
    Ok(positions)
}

/// The sequences of the target that are behind their columns, with the columns' greatest values; and
/// what could not be asked.
pub(crate) async fn behind(
    target: &SideAt,
    positions: &Positions,
) -> Result<(Behind, Vec<Finding>), Error> {
    let session = target.endpoint.connect(Purpose::Catalog, "verify sequences").await?;
    let doing = "read which sequence feeds which column";
    let rows = session.query(doing, include_str!("owned_sequences.sql"), &[]).await?;
    let (mut behind, mut findings) = (BTreeMap::new(), Vec::new());
    let asked = rows.iter().filter_map(|row| {
        let text = |at: usize| row.get::<_, String>(at);
        let name = RelationName::new(text(0), text(1));
        let position = positions.get(&name)?;
        let (table, column, session) = (RelationName::new(text(2), text(3)), text(4), &session);
        Some(async move { (name, position, greatest(session, &table, &column).await) })
    });
    // All in one round trip.
    for (name, position, greatest) in join_all(asked).await {
        match greatest {
            Ok(Some(value)) if position.is_behind(value) => {
                behind.insert(name, value);
            }
            Ok(_) => {}
            // It may be read by its position and not by its table.
            Err(error) if error.sqlstate() == Some("42501") => findings.push(
                Finding::new(
                    Severity::Note,
                    "sequence_not_checked",
                    "whether the sequence is behind its table could not be asked",
                    "grant SELECT on the table to the role that compares",
                )
                .about(&name),
            ),
            Err(error) => return Err(error),
        }
    }
    Ok((behind, findings))
}

async fn greatest(
    session: &Session,
    table: &RelationName,
    column: &str,
) -> Result<Option<i128>, Error> {
    let sql = format!(
        "select pg_catalog.trunc(pg_catalog.max({})::numeric)::text from {}",
        crate::name::Ident::new(column).quoted(),
        table.quoted()
    );
    let doing = format!("read the greatest value of `{table}`.{column}");
    let rows = session.simple_rows(&doing, &sql).await?;
    Ok(rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn a_sequence_is_behind_when_its_next_value_is_there() {
        let at = |last, called| Position { last, called, increment: 1 };
        assert!(!at(10, true).is_behind(10));
        assert!(at(10, false).is_behind(10));
        assert!(at(1, false).is_behind(1));
        assert!(!at(1, false).is_behind(0));
        assert!(at(9, true).is_behind(10));
        assert!(!Position { last: -5, called: true, increment: -1 }.is_behind(10));
    }
}
