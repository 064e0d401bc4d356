//! Rows into tables that are there: whether they fit, and how to keep the target's triggers from
//! firing.
//!
//! Under `session_replication_role = replica` (Postgres manual, 19.11) ordinary triggers stay
//! silent, foreign keys too, which are looked at once all rows are in. Where the role may not set
//! it, triggers are disabled by name in the transaction of each piece and get their state back
//! before its end, so that a killed run leaves none disabled; foreign keys check each row then,
//! and tables are filled after those that they refer to.
//!
//! Invariant: only looks.

use std::collections::HashSet;

use super::rules;
use crate::connect::Session;
use crate::error::Error;
use crate::finding::Finding;
use crate::name::{Ident, RelationName};
use crate::plan::Guard;
use crate::reference::Reference;

/// A table that rows will go into.
pub(crate) struct Destination<'a> {
    pub(crate) name: &'a RelationName,
    pub(crate) columns: Vec<Ident>,
    /// Which rows count as there already; empty: all.
    pub(crate) condition: &'a str,
}

/// How rows go into tables that are there.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// What stands in the way.
    pub(crate) findings: Vec<Finding>,
    /// What keeps triggers silent, by the place of the destination.
    pub(crate) guards: Vec<Guard>,
    /// Foreign keys that nothing checks while rows go in.
    pub(crate) unchecked: Vec<ForeignKey>,
    /// By the place of a destination: those whose rows must be in before.
    pub(crate) behind: Vec<Vec<usize>>,
}

/// A foreign key of the target.
#[derive(Debug, Clone)]
pub(crate) struct ForeignKey {
    pub(crate) oid: u32,
    pub(crate) name: Ident,
    pub(crate) reference: Reference,
    /// Whether it promises that each row refers to something.
    promises: bool,
}

impl ForeignKey {
    /// Fails with SQLSTATE 23503 when a row refers to nothing.
    pub(crate) fn check_statement(&self) -> String {
        let body = format!(
            "begin if exists (select {}) \
             then raise exception using errcode = '23503', message = 'rows refer to nothing'; end if; end",
            self.reference.orphans()
        );
        format!("do language plpgsql {};\n", crate::name::literal(&body))
    }
}

/// Looks at the tables of the target.
///
/// # Errors
/// What the server said.
pub(crate) async fn terms(target: &Session, tables: &[Destination<'_>]) -> Result<Terms, Error> {
    let replicates = may_play_replica(target).await?;
    let firing = if replicates { ["R", "A"] } else { ["O", "A"] };
    let schemas: Vec<&str> = tables.iter().map(|table| table.name.schema.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.name.as_str()).collect();
    let rows = target
        .query(
            "look at the tables of the target",
            include_str!("rows_only/tables.sql"),
            &[&schemas, &names, &firing.as_slice()],
        )
        .await?;
    let mut terms = Terms {
        guards: vec![Guard::default(); tables.len()],
        behind: vec![Vec::new(); tables.len()],
        ..Terms::default()
    };
    for (table, row) in tables.iter().zip(&rows) {
        let at = usize::try_from(row.get::<_, i64>(0)).unwrap_or(usize::MAX);
        let there: Vec<String> = row.get(2);
        let mut found = |rule: super::Rule, message: String| {
            terms.findings.push(rule.found(message).about(table.name));
        };
        if !row.get::<_, bool>(1) {
            found(rules::TABLE_MISSING, "the target has no such table".to_owned());
            continue;
        }
        let is_there = |column: &&Ident| there.iter().any(|there| there == column.as_str());
        let lacking: Vec<&Ident> =
            table.columns.iter().filter(|column| !is_there(column)).collect();
        for column in &lacking {
            found(
                rules::COLUMN_MISSING,
                format!("the target's table has no column {column} to write"),
            );
        }
        if lacking.is_empty() && holds_rows(target, table).await? {
            found(rules::TABLE_NOT_EMPTY, "the target's table holds rows".to_owned());
        }
        let triggers = triggers(&row.get::<_, Vec<String>>(3));
        if !triggers.is_empty() && !row.get::<_, bool>(4) {
            let names: Vec<&str> = triggers.iter().map(|one| one.name.as_str()).collect();
            let names = names.join(", ");
            found(rules::TRIGGER_FIRES, format!("triggers would fire for each row: {names}"));
        }
        if let Some(guard) = terms.guards.get_mut(at) {
            *guard = guard_against(replicates, &triggers);
        }
    }
    foreign_keys(target, tables, replicates, &mut terms).await?;
    Ok(terms)
}

/// Whether the role may keep ordinary triggers silent: it is tried.
async fn may_play_replica(target: &Session) -> Result<bool, Error> {
    let doing = "ask whether triggers can be kept from firing";
    target.batch(doing, "begin").await?;
    let tried = target.batch(doing, REPLICA).await;
    target.batch(doing, "rollback").await?;
    match tried {
        Ok(()) => Ok(true),
        Err(error) if error.sqlstate() == Some("42501") => Ok(false),
        Err(error) => Err(error),
    }
}

const REPLICA: &str = "set local session_replication_role = replica;";

async fn holds_rows(target: &Session, table: &Destination<'_>) -> Result<bool, Error> {
    let condition = match table.condition {
        "" => String::new(),
        condition => format!(" where {condition}"),
    };
    let sql = format!("select exists (select from only {}{condition})", table.name.quoted());
    let doing = format!("look whether `{}` is empty", table.name);
    Ok(target.query_one(&doing, &sql, &[]).await?.get(0))
}

struct Trigger {
    relation: RelationName,
    name: Ident,
    state: String,
}

fn triggers(flat: &[String]) -> Vec<Trigger> {
    flat.chunks_exact(4)
        .map(|one| Trigger {
            relation: RelationName::new(one[0].as_str(), one[1].as_str()),
            name: Ident::new(one[2].as_str()),
            state: one[3].clone(),
        })
        .collect()
}

fn guard_against(replicates: bool, triggers: &[Trigger]) -> Guard {
    let mut guard = Guard::default();
    if replicates {
        guard.before.push_str(REPLICA);
    }
    for trigger in triggers {
        let (table, name) = (trigger.relation.quoted(), trigger.name.quoted());
        guard.before.push_str(&format!(" alter table only {table} disable trigger {name};"));
        let state = match trigger.state.as_str() {
            "A" => "enable always",
            "R" => "enable replica",
            _ => "enable",
        };
        guard.after.push_str(&format!(" alter table only {table} {state} trigger {name};"));
    }
    guard
}

async fn foreign_keys(
    target: &Session,
    tables: &[Destination<'_>],
    replicates: bool,
    terms: &mut Terms,
) -> Result<(), Error> {
    let schemas: Vec<&str> = tables.iter().map(|table| table.name.schema.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.name.as_str()).collect();
    let rows = target
        .query(
            "look at the foreign keys of the target",
            include_str!("rows_only/foreign_keys.sql"),
            &[&schemas, &names],
        )
        .await?;
    let keys: Vec<ForeignKey> = rows
        .iter()
        .map(|row| ForeignKey {
            oid: row.get(0),
            name: Ident::new(row.get::<_, String>(1)),
            reference: Reference::from_row(row, 2),
            promises: row.get(12),
        })
        .collect();
    if replicates {
        terms.unchecked = keys.into_iter().filter(|key| key.promises).collect();
        return Ok(());
    }
    let trees = trees(target, &schemas, &names).await?;
    for key in &keys {
        let of = |relation: &RelationName| {
            let is_of = |at: &usize| {
                trees.get(*at).is_some_and(|tree: &HashSet<RelationName>| tree.contains(relation))
            };
            (0..tables.len()).filter(is_of).collect::<Vec<usize>>()
        };
        let (children, parents) = (of(&key.reference.child), of(&key.reference.parent));
        for child in children {
            if let Some(behind) = terms.behind.get_mut(child) {
                behind.extend(&parents);
                behind.sort_unstable();
                behind.dedup();
            }
        }
    }
    for at in in_circles(&terms.behind) {
        let Some(table) = tables.get(at) else { continue };
        let message = "its foreign keys refer to each other's rows in a circle, and the role may not \
                       keep them from checking each row";
        terms.findings.push(rules::FOREIGN_KEY_CIRCLE.found(message).about(table.name));
    }
    Ok(())
}

/// Each table with the partition trees above it.
async fn trees(
    target: &Session,
    schemas: &[&str],
    names: &[&str],
) -> Result<Vec<HashSet<RelationName>>, Error> {
    let rows = target
        .query(
            "look at the partition trees of the target",
            include_str!("rows_only/trees.sql"),
            &[&schemas, &names],
        )
        .await?;
    let mut trees = vec![HashSet::new(); names.len()];
    for row in &rows {
        let at = usize::try_from(row.get::<_, i64>(0)).unwrap_or(usize::MAX);
        if let Some(tree) = trees.get_mut(at) {
            tree.insert(RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2)));
        }
    }
    Ok(trees)
}

/// Those that wait for themselves, at any distance.
fn in_circles(behind: &[Vec<usize>]) -> Vec<usize> {
    let waits_for_itself = |start: &usize| {
        let mut seen = HashSet::new();
        let mut open = behind.get(*start).cloned().unwrap_or_default();
        while let Some(next) = open.pop() {
            if next == *start {
                return true;
            }
            if seen.insert(next) {
                open.extend(behind.get(next).into_iter().flatten());
            }
        }
        false
    };
    (0..behind.len()).filter(waits_for_itself).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_at_any_distance() {
        assert_eq!(in_circles(&[vec![], vec![0], vec![1, 0]]), [0_usize; 0]);
        assert_eq!(in_circles(&[vec![0], vec![0]]), [0]);
        assert_eq!(in_circles(&[vec![1], vec![2], vec![0], vec![0]]), [0, 1, 2]);
    }

    #[test]
    fn each_trigger_gets_its_state_back() {
        let one = |name: &str, state: &str| Trigger {
            relation: RelationName::new("a", "t"),
            name: Ident::new(name),
            state: state.to_owned(),
        };
        let guard = guard_against(true, &[one("x", "A"), one("y", "R")]);
        assert!(guard.before.starts_with(REPLICA), "{guard:?}");
        assert_eq!(
            guard.after,
            " alter table only \"a\".\"t\" enable always trigger \"x\"; \
             alter table only \"a\".\"t\" enable replica trigger \"y\";"
        );
        assert_eq!(guard_against(false, &[]), Guard::default());
    }
}
