//! Tables: `NOT NULL` as a constraint of its own (18), compression methods (14).

use std::collections::HashSet;

use super::{Change, Statement, begins_with, position_of, text_of};
use crate::schema::edit::List;
use crate::schema::entry::{Entry, Kind};
use crate::schema::scan::{Token, qualified_name, scan, statements};

/// An element of a column list that is a constraint `NOT NULL column` by itself.
struct NotNull<'e, 'a> {
    name: Option<&'e Token<'a>>,
    column: &'e Token<'a>,
}

impl<'e, 'a> NotNull<'e, 'a> {
    fn read(element: &'e [Token<'a>]) -> Option<Self> {
        let (name, rest) = match element.first()?.is_word("CONSTRAINT") {
            true => (element.get(1), element.get(2..)?),
            false => (None, element),
        };
        if !begins_with(rest, &["NOT", "NULL"]) {
            return None;
        }
        Some(Self { name, column: rest.get(2)? })
    }
}

/// Where the column list of `CREATE [UNLOGGED] TABLE name [OF type] (…` opens, and the name.
fn create_table<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(&'t [Token<'a>], usize)> {
    if !tokens.first()?.is_word("CREATE") {
        return None;
    }
    let table = position_of(tokens, &["TABLE"])?;
    let name = qualified_name(tokens, table + 1)?;
    let behind = table + 1 + name.len();
    let open = behind + tokens.get(behind..)?.iter().position(|token| token.is_symbol('('))?;
    Some((name, open))
}

/// The names of the `NOT NULL` constraints that an entry makes.
pub(super) fn named_not_nulls(entry: &Entry, names: &mut HashSet<(String, String)>) {
    if !matches!(entry.kind, Kind::Table | Kind::ForeignTable | Kind::Constraint) {
        return;
    }
    let Some(tokens) = scan(&entry.defn) else { return };
    for statement in statements(&tokens) {
        if let Some((table, open)) = create_table(statement) {
            let table = text_of(&entry.defn, table);
            for element in List::in_brackets(statement, open).elements {
                let element = &statement[element];
                let named = match NotNull::read(element) {
                    Some(not_null) => not_null.name,
                    // `a integer CONSTRAINT name NOT NULL`
                    None => position_of(element, &["CONSTRAINT"])
                        .filter(|at| {
                            begins_with(element.get(at + 2..).unwrap_or_default(), &["NOT", "NULL"])
                        })
                        .and_then(|at| element.get(at + 1)),
                };
                names.extend(named.map(|name| (table.to_owned(), name.text.to_owned())));
            }
        } else if let Some((table, constraint)) = added(statement)
            && let Some(NotNull { name: Some(name), .. }) = NotNull::read(constraint)
        {
            names.insert((text_of(&entry.defn, table).to_owned(), name.text.to_owned()));
        }
    }
}

/// `ALTER TABLE [ONLY] name ADD CONSTRAINT …`: the name and what follows ADD.
fn added<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(&'t [Token<'a>], &'t [Token<'a>])> {
    let from = match () {
        () if begins_with(tokens, &["ALTER", "TABLE", "ONLY"]) => 3,
        () if begins_with(tokens, &["ALTER", "TABLE"]) => 2,
        () => return None,
    };
    let table = qualified_name(tokens, from)?;
    let rest = tokens.get(from + table.len()..)?;
    begins_with(rest, &["ADD", "CONSTRAINT"]).then_some((table, &rest[1..]))
}

/// Before 18 `NOT NULL` belongs to a column. Where an inherited column has one of its own, 18
/// writes it as an element of the list; it becomes a statement behind. `NO INHERIT` goes.
pub(super) fn not_null_as_column_property(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    let tokens = statement.tokens;
    let Some((table, open)) = create_table(tokens) else { return };
    let table = text_of(change.text, table);
    let list = List::in_brackets(tokens, open);
    let mut behind = String::new();
    for element in &list.elements {
        let element = &tokens[element.clone()];
        if let Some(not_null) = NotNull::read(element) {
            behind.push_str(&format!(
                "\nALTER TABLE ONLY {table} ALTER COLUMN {} SET NOT NULL;",
                not_null.column.text
            ));
        } else if let Some(at) = position_of(element, &["NOT", "NULL", "NO", "INHERIT"]) {
            change.losses.push("NO INHERIT of a NOT NULL, unknown before 18".to_owned());
            change.edits.remove(element[at + 1].end()..element[at + 3].end());
        }
    }
    if !behind.is_empty() {
        list.remove(tokens, &mut change.edits, |element| NotNull::read(element).is_some());
        change.edits.replace(statement.end..statement.end, behind);
    }
}

/// A `NOT NULL` that is not valid: there is nothing like it before 18.
pub(super) fn drop_not_null_constraint(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    if added(statement.tokens).is_some_and(|(_, added)| NotNull::read(added).is_some()) {
        change.losses.push("a NOT NULL that is not valid, unknown before 18".to_owned());
        statement.remove(&mut change.edits);
    }
}

/// `ALTER TABLE ONLY t ALTER COLUMN c SET COMPRESSION m;`
pub(super) fn drop_compression(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    if statement.is(&["ALTER"]) && position_of(statement.tokens, &["SET", "COMPRESSION"]).is_some()
    {
        change.losses.push("a column's compression method, unknown before 14".to_owned());
        statement.remove(&mut change.edits);
    }
}
