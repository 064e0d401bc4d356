//! Rows whose foreign key refers to a row that is not there, over the heap.
//!
//! A damaged index lies to the checks of foreign keys too: they look the referred row up through it.
//! The server joins child and parent by the foreign key's own operators, without an index, and the
//! rows come by a cursor.
//!
//! Invariants: memory is bounded by a batch of rows here, and by `work_mem` and temporary files on
//! the server; read in the scan's snapshot.

use std::collections::VecDeque;

use pghaul_rows::Tid;

use super::groups::text;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName};

/// Rows fetched at once.
const BATCH: usize = 1024;

/// A foreign key.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// Its name.
    pub name: Ident,
    /// The table that refers, or the root of its partition tree.
    pub child: RelationName,
    /// The table that is referred to, or the root of its partition tree.
    pub parent: RelationName,
    /// The columns that refer.
    pub columns: Vec<Ident>,
    /// False for one that was created NOT VALID: nobody promised that it holds.
    pub validated: bool,
    /// The primary key of the table that refers.
    pub primary_key: Vec<Ident>,
    referred: Vec<Ident>,
    operators: Vec<String>,
    child_is_tree: bool,
    parent_is_tree: bool,
    match_full: bool,
}

/// A row that refers to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The relation in which it lies: the table, or a leaf of its partition tree.
    pub relation: RelationName,
    /// Where it lies in that.
    pub tid: Tid,
    /// Its primary key as text.
    pub primary_key: Vec<Option<String>>,
}

/// The rows of one foreign key that refer to nothing, one after another.
pub struct Orphans<'a> {
    session: &'a Session,
    key: &'a ForeignKey,
    rows: VecDeque<Orphan>,
    at_end: bool,
}

impl ForeignKey {
    /// The foreign keys of user tables, by table and name.
    pub(super) async fn all(session: &Session) -> Result<Vec<Self>, Error> {
        let rows = session
            .query("read the list of foreign keys", include_str!("orphans/foreign_keys.sql"), &[])
            .await?;
        let idents = |names: Vec<String>| names.into_iter().map(Ident::new).collect::<Vec<_>>();
        Ok(rows
            .iter()
            .map(|row| {
                let schemas: Vec<String> = row.get(12);
                let names: Vec<String> = row.get(13);
                Self {
                    name: Ident::new(row.get::<_, String>(1)),
                    child: RelationName::new(row.get::<_, String>(2), row.get::<_, String>(3)),
                    child_is_tree: row.get(4),
                    parent: RelationName::new(row.get::<_, String>(5), row.get::<_, String>(6)),
                    parent_is_tree: row.get(7),
                    match_full: row.get(8),
                    validated: row.get(9),
                    columns: idents(row.get(10)),
                    referred: idents(row.get(11)),
                    operators: schemas
                        .iter()
                        .zip(&names)
                        .map(|(schema, name)| {
                            format!("operator({}.{name})", Ident::new(schema).quoted())
                        })
                        .collect(),
                    primary_key: idents(row.get(14)),
                }
            })
            .collect())
    }

    /// Child and parent, as LOCK takes them: with the leaves of partition trees.
    pub(super) fn locked(&self) -> [String; 2] {
        [self.child_from(), self.parent_from()]
    }

    fn child_from(&self) -> String {
        from(&self.child, self.child_is_tree)
    }

    fn parent_from(&self) -> String {
        from(&self.parent, self.parent_is_tree)
    }

    /// How many rows refer to nothing. To be asked within a transaction, which reads heaps from then on.
    pub(super) async fn count(&self, session: &Session) -> Result<i64, Error> {
        let doing = format!("count the orphans of `{}` in `{}`", self.name, self.child);
        let heap = "set local enable_seqscan = on; set local enable_indexscan = off; \
                    set local enable_indexonlyscan = off; set local enable_bitmapscan = off; \
                    set local enable_nestloop = off";
        session.batch(&doing, heap).await?;
        let sql = format!("select pg_catalog.count(*) from ({}) as x", self.statement());
        Ok(session.query_one(&doing, &sql, &[]).await?.get(0))
    }

    fn statement(&self) -> String {
        let each = |of: &dyn Fn(usize) -> String, between: &str| {
            (0..self.columns.len()).map(of).collect::<Vec<_>>().join(between)
        };
        let equal = each(
            &|at| {
                format!(
                    "p.{} {} c.{}",
                    self.referred[at].quoted(),
                    self.operators[at],
                    self.columns[at].quoted()
                )
            },
            " and ",
        );
        let present = |at: usize| format!("c.{} is not null", self.columns[at].quoted());
        // MATCH FULL: all columns or none; MATCH SIMPLE: one NULL, and nothing is referred to.
        let (condition, mixed) = if self.match_full {
            (each(&present, " or "), format!("not ({}) or ", each(&present, " and ")))
        } else {
            (each(&present, " and "), String::new())
        };
        let keys: Vec<String> = self
            .primary_key
            .iter()
            .map(|column| {
                format!(
                    ", pg_catalog.encode(pg_catalog.textsend((c.{})::pg_catalog.text), 'hex')",
                    column.quoted()
                )
            })
            .collect();
        format!(
            "select n.nspname, l.relname, c.ctid{} from {} c \
               join pg_catalog.pg_class l on l.oid = c.tableoid \
               join pg_catalog.pg_namespace n on n.oid = l.relnamespace \
              where ({condition}) and ({mixed}not exists (select 1 from {} p where {equal}))",
            keys.concat(),
            self.child_from(),
            self.parent_from(),
        )
    }
}

fn from(name: &RelationName, is_tree: bool) -> String {
    if is_tree { name.quoted() } else { format!("only {}", name.quoted()) }
}

impl<'a> Orphans<'a> {
    pub(super) async fn open(session: &'a Session, key: &'a ForeignKey) -> Result<Self, Error> {
        let doing = format!("look for the orphans of `{}` in `{}`", key.name, key.child);
        let sql = format!("declare pghaul_orphans no scroll cursor for {}", key.statement());
        session.batch(&doing, &sql).await?;
        Ok(Self { session, key, rows: VecDeque::new(), at_end: false })
    }

    /// The next one, in no particular order.
    ///
    /// # Errors
    /// What the server said.
    pub async fn next(&mut self) -> Result<Option<Orphan>, Error> {
        if self.rows.is_empty() && !self.at_end {
            let doing =
                format!("look for the orphans of `{}` in `{}`", self.key.name, self.key.child);
            let sql = format!("fetch {BATCH} from pghaul_orphans");
            for row in self.session.simple_rows(&doing, &sql).await? {
                self.rows.push_back(orphan(row)?);
            }
            self.at_end = self.rows.len() < BATCH;
        }
        Ok(self.rows.pop_front())
    }
}

fn orphan(row: Vec<Option<String>>) -> Result<Orphan, Error> {
    let mut fields = row.into_iter();
    let mut next = || fields.next().flatten();
    let (Some(schema), Some(name), Some(tid)) = (next(), next(), next()) else {
        return Err(Error::new(ErrorKind::Bug, "an orphan without a place"));
    };
    let tid = tid.parse().map_err(|cause| {
        Error::new(ErrorKind::Bug, "an orphan without a place").caused_by(cause)
    })?;
    Ok(Orphan {
        relation: RelationName::new(schema, name),
        tid,
        primary_key: fields.map(|hex| hex.map(|hex| text(&hex))).collect(),
    })
}
