//! Why the rows forbid a constraint: how many groups share a key, which rows refer to nothing.
//!
//! Invariants: reads the heap of the target, no index; names rows by ctid, and by key only where
//! the key is what people name rows by; never a value of another column.

use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};

/// Groups of rows that share the key of a unique index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DuplicateGroups {
    pub(super) table: RelationName,
    /// Groups of two or more rows.
    pub(super) groups: u64,
    /// Rows that would have to go for the index to build.
    pub(super) extra_rows: u64,
}

/// Counts the groups by the target's own GROUP BY over the heap. None if the source does not know
/// the index as a unique one.
pub(super) async fn duplicate_groups(
    source: &Session,
    target: &Session,
    index_or_constraint: u32,
) -> Result<Option<DuplicateGroups>, Error> {
    let rows = source
        .query(
            "read the keys of the index",
            include_str!("evidence/index.sql"),
            &[&index_or_constraint],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let table = RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1));
    let only = if row.get(2) { "" } else { "only " };
    let nulls_equal: bool = row.get(4);
    let keys: Vec<String> = row.get(5);
    let mut conditions: Vec<String> = Vec::new();
    conditions.extend(row.get::<_, Option<String>>(3).map(|predicate| format!("({predicate})")));
    if !nulls_equal {
        conditions.extend(keys.iter().map(|key| format!("({key}) is not null")));
    }
    let condition = if conditions.is_empty() {
        String::new()
    } else {
        format!("where {}", conditions.join(" and "))
    };
    let places: Vec<String> = (1..=keys.len()).map(|place| place.to_string()).collect();
    let sql = format!(
        "select pg_catalog.count(*), coalesce(pg_catalog.sum(n - 1), 0)::int8 \
           from (select {}, pg_catalog.count(*) as n from {only}{} {condition} \
                  group by {} having pg_catalog.count(*) > 1) as groups",
        keys.iter()
            .zip(&places)
            .map(|(key, place)| format!("({key}) as k{place}"))
            .collect::<Vec<_>>()
            .join(", "),
        table.quoted(),
        places.join(", "),
    );
    let row = target.query_one(&format!("count the duplicates in `{table}`"), &sql, &[]).await?;
    Ok(Some(DuplicateGroups {
        table,
        groups: crate::catalog::size(row.get(0)),
        extra_rows: crate::catalog::size(row.get(1)),
    }))
}

/// Rows whose foreign key refers to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Orphans {
    pub(super) table: RelationName,
    pub(super) columns: Vec<Ident>,
    /// How many there are.
    pub(super) rows: u64,
    /// ctid and key of the first of them.
    pub(super) first: Vec<(String, Vec<Option<String>>)>,
}

impl std::fmt::Display for Orphans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns: Vec<&str> = self.columns.iter().map(Ident::as_str).collect();
        write!(
            f,
            "{} rows of `{}` refer by ({}) to rows that are not there:",
            self.rows,
            self.table,
            columns.join(", ")
        )?;
        for (at, (ctid, key)) in self.first.iter().enumerate() {
            let key: Vec<&str> = key.iter().map(|part| part.as_deref().unwrap_or("null")).collect();
            write!(f, "{} ctid {ctid} = ({})", if at > 0 { ";" } else { "" }, key.join(", "))?;
        }
        if self.rows > self.first.len() as u64 { write!(f, "; …") } else { Ok(()) }
    }
}

/// Orphans named in a finding.
const ORPHANS_NAMED: i64 = 20;

/// Finds the orphans of a foreign key of the source, on the target.
pub(super) async fn orphans(
    source: &Session,
    target: &Session,
    foreign_key: u32,
) -> Result<Option<Orphans>, Error> {
    let rows = source
        .query(
            "read the columns of the foreign key",
            include_str!("evidence/foreign_key.sql"),
            &[&foreign_key],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let child = RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1));
    let parent = RelationName::new(row.get::<_, String>(2), row.get::<_, String>(3));
    let idents = |names: Vec<String>| names.into_iter().map(Ident::new).collect::<Vec<_>>();
    let (columns, referred) = (idents(row.get(4)), idents(row.get(5)));
    let joined: Vec<String> = columns
        .iter()
        .zip(&referred)
        .map(|(column, key)| format!("p.{} = c.{}", key.quoted(), column.quoted()))
        .collect();
    let present: Vec<String> =
        columns.iter().map(|column| format!("c.{} is not null", column.quoted())).collect();
    let texts: Vec<String> =
        columns.iter().map(|column| format!("c.{}::text", column.quoted())).collect();
    let sql = format!(
        "select c.ctid::text, array[{}], pg_catalog.count(*) over () \
           from {} c where {} and not exists (select from {} p where {}) \
          order by c.ctid::text limit {ORPHANS_NAMED}",
        texts.join(", "),
        child.quoted(),
        present.join(" and "),
        parent.quoted(),
        joined.join(" and "),
    );
    let rows = target.query(&format!("find the orphans of `{child}`"), &sql, &[]).await?;
    Ok(Some(Orphans {
        table: child,
        columns,
        rows: rows.first().map_or(0, |row| crate::catalog::size(row.get(2))),
        first: rows.iter().map(|row| (row.get(0), row.get(1))).collect(),
    }))
}
