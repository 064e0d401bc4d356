//! The files for a restore without pghaul: plain SQL and lists.
//!
//! Invariants: no name of an object can end a statement, a line or psql's restricted mode; the
//! statements are for servers of the source's version and newer.

use std::collections::HashSet;

use pghaul_archive::contents::Contents;
use pghaul_archive::manifest::Piece;
use pghaul_archive::name::ArchiveId;

use crate::archive::{from_entry, from_large_object};
use crate::error::Error;
use crate::name::{Ident, RelationName};
use crate::plan::{Plan, TablePlan, format_name};
use crate::run::options::Keep;
use crate::run::steps::{SequenceValue, set_sequences};
use crate::schema::step::{Keys, Privileges, Stage, Subscriptions, Validation};
use crate::schema::{EmitOptions, Entry, Kind, Owners, RunsAs, StepOptions, Tablespaces, steps};
use crate::transfer::large_objects::{self, Attributes};
use crate::version::ServerVersion;

/// The statements of a schema as plain SQL. May hold passwords.
pub(super) struct Statements {
    before_rows: String,
    after_rows: String,
}

/// What a session for the statements is set to. Settings that a server does not have are skipped.
const SESSION: &str = "\
select pg_catalog.set_config(s.name, v.value, false)
  from (values ('client_encoding', 'UTF8'), ('standard_conforming_strings', 'on'),
               ('search_path', ''), ('check_function_bodies', 'off'), ('xmloption', 'content'),
               ('row_security', 'off'), ('client_min_messages', 'warning'),
               ('default_tablespace', ''), ('default_table_access_method', 'heap'),
               ('default_with_oids', 'off'), ('array_nulls', 'on'), ('statement_timeout', '0'),
               ('lock_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
               ('transaction_timeout', '0')) v (name, value)
  join pg_catalog.pg_settings s on s.name = v.name;
";

/// Makes the statements of an archive's schema.
pub(super) fn statements(
    contents: &Contents,
    plan: &Plan,
    version: ServerVersion,
) -> Result<Statements, Error> {
    // Statistics are for 18 and newer alone; by hand they are gathered anew.
    let entries: Vec<Entry> = contents
        .entries
        .iter()
        .map(from_entry)
        .filter(|entry| entry.kind != Kind::StatisticsData)
        .collect();
    let refresh: HashSet<RelationName> = plan.refreshes.iter().cloned().collect();
    let options = StepOptions {
        emit: EmitOptions {
            target: version,
            owners: Owners::Carry,
            tablespaces: Tablespaces::Leave,
            runs_as: RunsAs::Superuser,
        },
        privileges: Privileges::Carry,
        subscriptions: Subscriptions::Carry,
        keys: Keys::AsDumped,
        validation: Validation::Now,
        refresh: &refresh,
        owner_grants: &[],
    };
    let (mut before_rows, mut after_rows) = (String::new(), String::new());
    for step in steps(&entries, &options)? {
        let sql = step.sql();
        if !sql.is_empty() {
            let file =
                if step.stage == Stage::PreData { &mut before_rows } else { &mut after_rows };
            file.push_str(&format!("begin;\n{}\ncommit;\n", sql.trim_end()));
        }
    }
    Ok(Statements { before_rows, after_rows })
}

impl Statements {
    /// `1-before-rows.sql`
    pub(super) fn before_rows(&self) -> String {
        restricted(&self.before_rows)
    }

    /// `4-after-rows.sql`: owners of large objects, sequences, and the schema's rest.
    pub(super) fn after_rows(&self, contents: &Contents, sequences: &[SequenceValue]) -> String {
        let attributes = Attributes { owner: Keep::AsIs, privileges: Keep::AsIs };
        let mut sql = String::new();
        for object in &contents.large_objects {
            sql.push_str(&large_objects::statements(&from_large_object(object), attributes));
        }
        sql.push_str(&set_sequences(sequences));
        sql.push_str(&self.after_rows);
        restricted(&sql)
    }
}

/// psql takes no command from inside, whatever names are made to look like (CVE-2025-8714). Nobody
/// who names an object knows the key.
fn restricted(sql: &str) -> String {
    let key = ArchiveId::random();
    format!("\\restrict {key}\n\n{SESSION}\n{sql}\n\\unrestrict {key}\n")
}

/// `2-rows.tsv`: for each piece its file and the COPY that loads it.
pub(super) fn rows(pieces: &[Piece], tables: &[TablePlan]) -> String {
    let mut list = String::new();
    for piece in pieces {
        let table = piece.table.and_then(|at| tables.get(usize::try_from(at).ok()?));
        if let Some(table) = table {
            list.push_str(&format!("{}\t{}\n", piece.file, copy(table)));
        }
    }
    list
}

fn copy(table: &TablePlan) -> String {
    let name = &table.written_to;
    let columns: Vec<String> = table.format.columns.iter().map(one_line).collect();
    let columns =
        if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    format!(
        "copy {}.{}{columns} from stdin with (format {})",
        one_line(&name.schema),
        one_line(&name.name),
        format_name(table.format.format)
    )
}

/// A quoted identifier that stands on one line, whatever is in it, and that `read -r` of a shell
/// gives unchanged.
fn one_line(name: &Ident) -> String {
    let text = name.as_str();
    if !text.chars().any(|c| c.is_control() || c == '\\') {
        return name.quoted();
    }
    let mut quoted = String::from("U&\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\"\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push_str(&format!("\\{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// `3-large-objects.list`: the pieces with large objects.
pub(super) fn large_objects(pieces: &[Piece]) -> String {
    let files = pieces.iter().filter(|piece| piece.table.is_none());
    files.map(|piece| format!("{}\n", piece.file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_on_their_line() {
        assert_eq!(one_line(&Ident::new("a\"b c")), "\"a\"\"b c\"");
        assert_eq!(one_line(&Ident::new("a\nb\t\\\"")), "U&\"a\\000ab\\0009\\\\\"\"\"");
    }
}
