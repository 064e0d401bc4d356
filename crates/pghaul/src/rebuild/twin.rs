//! A new index that takes the place of an old one, on servers without `REINDEX CONCURRENTLY`.
//!
//! Invariants: the old index is dropped in the transaction in which the new one gets its name,
//! constraint, comments, statistics targets, and the marks of CLUSTER and REPLICA IDENTITY; a twin's
//! name tells whose twin it is.

use crate::catalog::oid;
use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName, literal};

use super::index::Index;

/// A twin to be built.
#[derive(Debug, Clone)]
pub(super) struct Twin {
    index: RelationName,
    table: RelationName,
    name: RelationName,
    on: String,
    unique: bool,
    tablespace: Option<Ident>,
    comment: Option<String>,
    clustered: bool,
    replica_identity: bool,
    constraint: Option<Constraint>,
    /// Number, name and target.
    statistics: Vec<(i32, Ident, i32)>,
    numbers_columns: bool,
}

#[derive(Debug, Clone)]
struct Constraint {
    name: Ident,
    kind: &'static str,
    deferrable: &'static str,
    comment: Option<String>,
}

impl Twin {
    /// Reads what the index is. None: it is gone.
    pub(super) async fn of(session: &Session, index: &Index) -> Result<Option<Self>, Error> {
        let doing = format!("read the definition of the index `{}`", index.name);
        let rows = session.query(&doing, include_str!("twin.sql"), &[&index.oid]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let text = |at: usize| row.get::<_, Option<String>>(at);
        let numbers: Vec<i32> = row.get::<_, Option<_>>(10).unwrap_or_default();
        let names: Vec<String> = row.get::<_, Option<_>>(11).unwrap_or_default();
        let targets: Vec<i32> = row.get::<_, Option<_>>(12).unwrap_or_default();
        Ok(Some(Self {
            index: index.name.clone(),
            table: index.table.clone(),
            name: name_for(index),
            on: row.get(0),
            unique: row.get(13),
            tablespace: text(1).map(Ident::new),
            comment: text(2),
            clustered: row.get(3),
            replica_identity: row.get(4),
            constraint: text(5).map(|name| Constraint {
                name: Ident::new(name),
                kind: if text(6).as_deref() == Some("p") { "primary key" } else { "unique" },
                deferrable: match (row.get(7), row.get(8)) {
                    (false, _) => "",
                    (true, false) => " deferrable",
                    (true, true) => " deferrable initially deferred",
                },
                comment: text(9),
            }),
            statistics: numbers
                .into_iter()
                .zip(names.into_iter().map(Ident::new))
                .zip(targets)
                .map(|((number, name), target)| (number, name, target))
                .collect(),
            numbers_columns: session.version().at_least(11),
        }))
    }

    /// The statement that builds it.
    pub(super) fn build(&self) -> String {
        format!(
            "create {}index concurrently {} on {}",
            if self.unique { "unique " } else { "" },
            self.name.name.quoted(),
            self.on
        )
    }

    /// The setting under which it is built: where it lies.
    pub(super) fn place(&self) -> String {
        let tablespace = self.tablespace.as_ref().map_or("", Ident::as_str);
        format!("set default_tablespace = {}", literal(tablespace))
    }

    /// Whether it is there and valid.
    pub(super) async fn is_valid(&self, session: &Session) -> Result<bool, Error> {
        let doing = format!("look at the new index for `{}`", self.index);
        let rows = session
            .query(
                &doing,
                "select i.indisvalid and i.indisready from pg_catalog.pg_index i \
                 where i.indexrelid = pg_catalog.to_regclass($1::text)",
                &[&self.name.quoted()],
            )
            .await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// The statements of the transaction in which it takes its place.
    pub(super) fn take_place(&self) -> Vec<String> {
        let (table, index, twin) =
            (self.table.quoted(), self.index.quoted(), self.name.name.quoted());
        let mut statements = Vec::new();
        match &self.constraint {
            Some(Constraint { name, kind, deferrable, comment }) => {
                let name = name.quoted();
                statements.push(format!(
                    "alter table {table} drop constraint {name}, \
                     add constraint {name} {kind} using index {twin}{deferrable}"
                ));
                statements.extend(comment.as_ref().map(|text| {
                    format!("comment on constraint {name} on {table} is {}", literal(text))
                }));
            }
            None => {
                statements.push(format!("drop index {index}"));
                statements.push(format!(
                    "alter index {} rename to {}",
                    self.name.quoted(),
                    self.index.name.quoted()
                ));
            }
        }
        statements.extend(
            self.comment
                .as_ref()
                .map(|text| format!("comment on index {index} is {}", literal(text))),
        );
        statements.extend(self.statistics.iter().map(|(number, name, target)| {
            if self.numbers_columns {
                format!("alter index {index} alter column {number} set statistics {target}")
            } else {
                format!(
                    "alter table {index} alter column {} set statistics {target}",
                    name.quoted()
                )
            }
        }));
        if self.clustered {
            statements.push(format!("alter table {table} cluster on {}", self.index.name.quoted()));
        }
        if self.replica_identity {
            let name = self.index.name.quoted();
            statements.push(format!("alter table {table} replica identity using index {name}"));
        }
        statements
    }
}

/// The name of the twin of an index; `leftovers.sql` knows it.
fn name_for(index: &Index) -> RelationName {
    RelationName {
        schema: index.name.schema.clone(),
        name: Ident::new(format!("pghaul_twin_{}", index.oid)),
    }
}

/// What stands under a name now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) oid: u32,
    pub(super) valid: bool,
    pub(super) bytes: u64,
}

/// The index of this name; none if it is gone.
pub(super) async fn present(
    session: &Session,
    name: &RelationName,
) -> Result<Option<Present>, Error> {
    let rows = session
        .query(
            &format!("look at the index `{name}`"),
            "select i.indexrelid::int8, i.indisvalid and i.indisready and i.indislive, \
                    coalesce(pg_catalog.pg_relation_size(i.indexrelid), 0)::int8 \
               from pg_catalog.pg_index i \
               join pg_catalog.pg_class x on x.oid = i.indexrelid \
               join pg_catalog.pg_namespace n on n.oid = x.relnamespace \
              where n.nspname = $1 and x.relname = $2",
            &[&name.schema.as_str(), &name.name.as_str()],
        )
        .await?;
    Ok(rows.first().map(|row| Present {
        oid: oid(row.get(0)),
        valid: row.get(1),
        bytes: crate::catalog::size(row.get(2)),
    }))
}
