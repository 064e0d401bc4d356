//! From an entry to the statements that make its object: what `pg_restore` would send.
//!
//! Invariants: the statements of one entry can run in one transaction; settings are `SET LOCAL`
//! and put back, so that nothing of an entry leaks into the next; the text between them is the
//! entry's own, byte for byte.

use std::borrow::Cow;

use super::adapt::Adapter;
use super::entry::{Entry, Kind};
use crate::name::{Ident, RelationName, literal};
use crate::version::ServerVersion;

/// Whether objects are given to the owners they have on the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// `ALTER … OWNER TO`, as on the source.
    Carry,
    /// Everything belongs to the role that runs.
    Leave,
}

/// Whether objects go into the tablespaces they have on the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tablespaces {
    /// As on the source; the target must have tablespaces of these names.
    Carry,
    /// Everything into the database's default tablespace.
    Leave,
}

/// Who runs the statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsAs {
    /// A superuser: other grantors are taken on by `SET SESSION AUTHORIZATION`.
    Superuser,
    /// A member of the owning roles: other grantors are taken on by `SET ROLE`.
    Member,
}

/// How entries become statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmitOptions {
    /// The server that will run the statements.
    pub target: ServerVersion,
    /// What becomes of owners.
    pub owners: Owners,
    /// What becomes of tablespaces.
    pub tablespaces: Tablespaces,
    /// Who runs the statements.
    pub runs_as: RunsAs,
}

/// The statements of one entry. No `Debug`, since they may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Emitted<'a> {
    /// Settings that hold for this entry, as (name, value).
    pub settings: Vec<(&'static str, &'a str)>,
    /// The entry's own statements, adapted to the target. Empty if nothing of them is left.
    pub definition: Cow<'a, str>,
    /// Statements of ours that follow, each with its semicolon.
    pub after: Vec<String>,
    /// What the target will not have of this entry, since it is too old or the role that runs
    /// may not make it: one phrase each.
    pub losses: Vec<String>,
}

impl<'a> Emitted<'a> {
    /// The same with other statements of the entry's own.
    pub(super) fn with(&self, definition: String) -> Self {
        Self { definition: Cow::Owned(definition), ..self.clone() }
    }

    /// Everything as one text for the simple query protocol, to be sent inside a transaction.
    /// Empty if there is nothing to run. May hold a password.
    pub fn sql(&self) -> String {
        let mut sql = String::with_capacity(self.definition.len() + 128);
        if self.definition.is_empty() && self.after.is_empty() {
            return sql;
        }
        // Put back behind it: other entries may follow in the same transaction.
        let mut back = String::new();
        for (name, value) in &self.settings {
            if !DEFAULTS.contains(&(*name, *value)) {
                let value = Ident::new(*value).quoted();
                sql.push_str(&format!("SET LOCAL {name} = {value};\n"));
                let default = DEFAULTS.iter().find(|(known, _)| known == name);
                let default = literal(default.map_or("", |(_, default)| default));
                back.push_str(&format!("SET LOCAL {name} = {default};\n"));
            }
        }
        sql.push_str(&self.definition);
        sql.push('\n');
        for statement in &self.after {
            sql.push_str(statement);
            sql.push('\n');
        }
        sql.push_str(&back);
        sql
    }
}

/// What a session for the schema is pinned to, so that these need not be set for each entry.
const DEFAULTS: [(&str, &str); 2] =
    [("default_tablespace", ""), ("default_table_access_method", "heap")];

/// Makes statements of the entries of one archive.
#[derive(Debug)]
pub struct Emitter {
    options: EmitOptions,
    adapter: Adapter,
}

impl Emitter {
    /// For these entries, which should be all of an archive: what becomes of one can depend on
    /// others.
    pub fn new(entries: &[Entry], options: EmitOptions) -> Self {
        Self { options, adapter: Adapter::new(entries, &options) }
    }

    /// The statements that make an entry's object.
    pub fn emit<'a>(&self, entry: &'a Entry) -> Emitted<'a> {
        let mut adapted = self.adapter.adapt(entry);
        if self.options.owners == Owners::Carry && keeps_its_owner(entry, &self.options) {
            adapted.losses.push("its owner: it stays with the one that it has".to_owned());
        }
        let (settings, after) = around(entry, &self.options);
        Emitted { settings, definition: adapted.definition, after, losses: adapted.losses }
    }
}

/// The settings before and the statements behind an entry's own.
fn around<'a>(
    entry: &'a Entry,
    options: &EmitOptions,
) -> (Vec<(&'static str, &'a str)>, Vec<String>) {
    let mut settings = Vec::new();
    if options.tablespaces == Tablespaces::Carry
        && let Some(tablespace) = &entry.tablespace
    {
        settings.push(("default_tablespace", tablespace.as_str()));
    }
    let partitioned = entry.relkind == Some('p');
    if let Some(method) = &entry.table_am
        && !partitioned
        && options.target.at_least(12)
    {
        settings.push(("default_table_access_method", method.as_str()));
    }
    let mut after = Vec::new();
    if let Some(owner) = given_owner(entry, options)
        && let Some(object) = owned_object(entry)
    {
        after.push(format!("ALTER {object} OWNER TO {};", Ident::new(owner).quoted()));
    }
    if let Some(method) = &entry.table_am
        && partitioned
        && options.target.at_least(17)
    {
        let table = RelationName::new(entry.namespace().unwrap_or_default(), entry.tag.as_str());
        let method = Ident::new(method.as_str()).quoted();
        after.push(format!("ALTER TABLE {} SET ACCESS METHOD {method};", table.quoted()));
    }
    (settings, after)
}

/// Whether an entry's object has an owner of its own.
pub(super) fn has_owner(entry: &Entry) -> bool {
    entry.owner().is_some() && owned_object(entry).is_some()
}

/// The role that an entry's object is given to, if it is given to one.
pub(super) fn given_owner<'a>(entry: &'a Entry, options: &EmitOptions) -> Option<&'a str> {
    let given =
        has_owner(entry) && options.owners == Owners::Carry && !keeps_its_owner(entry, options);
    entry.owner().filter(|_| given)
}

/// The schema `public` is there before us and belongs to whom the provider wants: usually the
/// source's is a superuser's, whom nobody on a managed server can become.
fn keeps_its_owner(entry: &Entry, options: &EmitOptions) -> bool {
    options.runs_as == RunsAs::Member && entry.is_remark() && entry.owner().is_some()
}

/// Kind and name of an object that has an owner of its own, as `ALTER` wants it. What has no
/// statement to drop it has none.
fn owned_object(entry: &Entry) -> Option<String> {
    let drop_stmt = entry.drop_stmt.as_deref().filter(|statement| !statement.is_empty())?;
    match entry.kind {
        // Their names need more than schema and tag, and the DROP statement has it.
        Kind::Aggregate
        | Kind::Function
        | Kind::Operator
        | Kind::OperatorClass
        | Kind::OperatorFamily
        | Kind::Procedure => {
            let object = drop_stmt.strip_prefix("DROP ")?;
            Some(object.trim_end_matches(['\n', ';']).to_owned())
        }
        Kind::Collation
        | Kind::Conversion
        | Kind::Domain
        | Kind::EventTrigger
        | Kind::ForeignDataWrapper
        | Kind::ForeignTable
        | Kind::MaterializedView
        | Kind::ProceduralLanguage
        | Kind::Publication
        | Kind::Schema
        | Kind::Sequence
        | Kind::Server
        | Kind::Statistics
        | Kind::Subscription
        | Kind::Table
        | Kind::TextSearchConfiguration
        | Kind::TextSearchDictionary
        | Kind::Type
        | Kind::View => {
            let name = Ident::new(entry.tag.as_str()).quoted();
            Some(match entry.namespace() {
                Some(namespace) => {
                    format!("{} {}.{name}", entry.kind, Ident::new(namespace).quoted())
                }
                None => format!("{} {name}", entry.kind),
            })
        }
        _ => None,
    }
}
