//! Statements of a newer `pg_dump`, adapted to an older target, and to a role that is no
//! superuser.
//!
//! Invariants: only places that the scanner found are changed, so a literal or a function's body
//! never is; a statement that needs no change stays byte for byte; what gets lost is said.

mod acl;
mod options;
mod table;

use std::borrow::Cow;
use std::collections::HashSet;

use super::edit::Edits;
use super::emit::{EmitOptions, RunsAs};
use super::entry::{Entry, Kind};
use super::scan::{Token, qualified_name, scan, span, statements};
use crate::version::ServerVersion;

/// An entry's statements for one target.
pub(super) struct Adapted<'a> {
    /// Empty if nothing is left to run.
    pub(super) definition: Cow<'a, str>,
    /// What the target will not have, one sentence each.
    pub(super) losses: Vec<String>,
}

/// Adapts entries of one archive to one target.
#[derive(Debug)]
pub(super) struct Adapter {
    target: ServerVersion,
    runs_as: RunsAs,
    /// Constraints that older servers do not have as constraints: `NOT NULL`, as
    /// (table, constraint) in the words of the statement. Empty if the target has them.
    not_nulls: HashSet<(String, String)>,
}

/// One statement while it is looked at.
struct Statement<'t, 'a> {
    tokens: &'t [Token<'a>],
    /// Where it ends in the text, its semicolon included.
    end: usize,
}

impl Statement<'_, '_> {
    fn start(&self) -> usize {
        self.tokens.first().map_or(0, |token| token.start)
    }

    fn is(&self, words: &[&str]) -> bool {
        begins_with(self.tokens, words)
    }

    fn remove(&self, edits: &mut Edits) {
        edits.remove(self.start()..self.end);
    }
}

/// Whether the tokens begin with these key words.
pub(super) fn begins_with(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.is_word(word))
}

/// Whether these key words follow each other somewhere outside of brackets.
pub(super) fn position_of(tokens: &[Token<'_>], words: &[&str]) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, token) in tokens.iter().enumerate() {
        if token.is_symbol('(') {
            depth += 1;
        } else if token.is_symbol(')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && begins_with(&tokens[at..], words) {
            return Some(at);
        }
    }
    None
}

impl Adapter {
    pub(super) fn new(entries: &[Entry], options: &EmitOptions) -> Self {
        let mut not_nulls = HashSet::new();
        if !options.target.at_least(18) {
            for entry in entries {
                table::named_not_nulls(entry, &mut not_nulls);
            }
        }
        Self { target: options.target, runs_as: options.runs_as, not_nulls }
    }

    /// The entry's statements as this target understands them.
    pub(super) fn adapt<'a>(&self, entry: &'a Entry) -> Adapted<'a> {
        let unchanged = Adapted { definition: Cow::Borrowed(&entry.defn), losses: Vec::new() };
        if !self.concerns(entry) {
            return unchanged;
        }
        let Some(tokens) = scan(&entry.defn) else { return unchanged };
        let mut change = Change { edits: Edits::default(), losses: Vec::new(), text: &entry.defn };
        let all: Vec<Statement<'_, '_>> = statements(&tokens)
            .into_iter()
            .map(|tokens| {
                let end = tokens.last().map_or(0, Token::end);
                // pg_dump ends every statement with a semicolon.
                let semicolon = entry.defn[end..].find(';').map_or(0, |at| at + 1);
                Statement { tokens, end: end + semicolon }
            })
            .collect();
        for statement in &all {
            self.adapt_statement(entry, statement, &mut change);
        }
        if change.edits.is_empty() {
            return unchanged;
        }
        let definition = change.edits.apply(&entry.defn);
        let definition = if definition.trim().is_empty() { String::new() } else { definition };
        Adapted { definition: definition.into(), losses: change.losses }
    }

    /// A quick look, so that 30,000 entries are not scanned for nothing.
    fn concerns(&self, entry: &Entry) -> bool {
        let older_than = |major| !self.target.at_least(major);
        match entry.kind {
            Kind::Acl | Kind::DefaultAcl => older_than(17) || self.runs_as == RunsAs::Member,
            Kind::Function => self.runs_as == RunsAs::Member,
            Kind::Table | Kind::ForeignTable | Kind::Constraint | Kind::FkConstraint => {
                older_than(18)
            }
            Kind::Comment => !self.not_nulls.is_empty(),
            Kind::MaterializedView | Kind::Type => older_than(14),
            Kind::Publication => older_than(18),
            Kind::Sequence => older_than(15),
            Kind::Subscription => older_than(17),
            Kind::Statistics => older_than(13),
            Kind::EventTrigger | Kind::Operator => older_than(11),
            _ => false,
        }
    }

    fn adapt_statement(
        &self,
        entry: &Entry,
        statement: &Statement<'_, '_>,
        change: &mut Change<'_>,
    ) {
        match entry.kind {
            Kind::Acl | Kind::DefaultAcl => {
                if self.runs_as == RunsAs::Member {
                    acl::take_role(statement, change);
                }
                if !self.target.at_least(17) {
                    acl::drop_maintain(statement, change);
                }
            }
            Kind::Function => drop_leakproof(statement, change),
            Kind::Table | Kind::ForeignTable | Kind::MaterializedView => {
                if !self.target.at_least(14) {
                    table::drop_compression(statement, change);
                }
                table::not_null_as_column_property(statement, change);
            }
            Kind::Constraint => table::drop_not_null_constraint(statement, change),
            Kind::FkConstraint => drop_not_valid_of_partitioned(statement, change),
            Kind::Comment => self.drop_comment_of_not_null(statement, change),
            Kind::Type => options::drop_multirange_name(statement, change),
            Kind::Publication => options::drop_unknown(statement, self.target, change),
            Kind::Subscription => options::drop_unknown(statement, self.target, change),
            Kind::Sequence => every_sequence_is_logged(statement, change),
            Kind::Statistics if statement.is(&["ALTER", "STATISTICS"]) => {
                change.losses.push("its statistics target, unknown before 13".to_owned());
                statement.remove(&mut change.edits);
            }
            Kind::EventTrigger => execute_procedure(statement, change),
            Kind::Operator => procedure_of_operator(statement, change),
            _ => {}
        }
    }

    fn drop_comment_of_not_null(&self, statement: &Statement<'_, '_>, change: &mut Change<'_>) {
        if !statement.is(&["COMMENT", "ON", "CONSTRAINT"]) {
            return;
        }
        // `COMMENT ON CONSTRAINT name ON table IS …`
        let (Some(name), Some(table)) =
            (statement.tokens.get(3), qualified_name(statement.tokens, 5))
        else {
            return;
        };
        let table = text_of(change.text, table);
        if self.not_nulls.contains(&(table.to_owned(), name.text.to_owned())) {
            change.losses.push("a comment on a NOT NULL constraint, unknown before 18".to_owned());
            statement.remove(&mut change.edits);
        }
    }
}

/// What is being done to one entry.
struct Change<'a> {
    edits: Edits,
    losses: Vec<String>,
    text: &'a str,
}

/// The text that tokens cover, blanks between them included.
fn text_of<'a>(text: &'a str, tokens: &[Token<'_>]) -> &'a str {
    &text[span(tokens)]
}

/// Only a superuser may promise that a function does not leak.
fn drop_leakproof(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    let tokens = statement.tokens;
    if !statement.is(&["CREATE"]) {
        return;
    }
    let is_dot = |at: Option<usize>| {
        at.and_then(|at| tokens.get(at)).is_some_and(|token| token.is_symbol('.'))
    };
    let mut from = 0;
    while let Some(found) = position_of(&tokens[from..], &["LEAKPROOF"]) {
        let at = from + found;
        // A word between dots is a name: `RETURNS app.leakproof`.
        if !is_dot(at.checked_sub(1)) && !is_dot(Some(at + 1)) {
            change.losses.push("LEAKPROOF, which only a superuser may give".to_owned());
            change.edits.remove(tokens[at].start..tokens[at].end());
            return;
        }
        from = at + 1;
    }
}

/// Before 18, foreign keys of partitioned tables are valid from the beginning.
fn drop_not_valid_of_partitioned(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    let tokens = statement.tokens;
    if statement.is(&["ALTER", "TABLE", "ONLY"]) {
        return;
    }
    let Some(at) = tokens.len().checked_sub(2) else { return };
    if begins_with(&tokens[at..], &["NOT", "VALID"]) {
        change.losses.push(
            "NOT VALID, which a foreign key of a partitioned table cannot be before 18".to_owned(),
        );
        change.edits.remove(tokens[at - 1].end()..tokens[at + 1].end());
    }
}

/// Before 15 there are no others, those of unlogged tables included.
fn every_sequence_is_logged(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    if let [_, unlogged, ..] = statement.tokens
        && statement.is(&["CREATE", "UNLOGGED", "SEQUENCE"])
    {
        change.edits.remove(unlogged.start..unlogged.end());
    } else if statement.is(&["ALTER", "SEQUENCE"])
        && ["LOGGED", "UNLOGGED"]
            .iter()
            .any(|word| position_of(statement.tokens, &["SET", word]).is_some())
    {
        statement.remove(&mut change.edits);
    }
}

fn execute_procedure(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    if let Some(at) = position_of(statement.tokens, &["EXECUTE", "FUNCTION"]) {
        let function = &statement.tokens[at + 1];
        change.edits.replace(function.start..function.end(), "PROCEDURE");
    }
}

/// Before 11 what an operator does is its procedure: `CREATE OPERATOR a.+ (FUNCTION = …`.
fn procedure_of_operator(statement: &Statement<'_, '_>, change: &mut Change<'_>) {
    let open = statement.tokens.iter().position(|token| token.is_symbol('('));
    if let Some(function) = open.and_then(|open| statement.tokens.get(open + 1))
        && function.is_word("FUNCTION")
        && statement.is(&["CREATE", "OPERATOR"])
    {
        change.edits.replace(function.start..function.end(), "PROCEDURE");
    }
}

#[cfg(test)]
mod tests;
