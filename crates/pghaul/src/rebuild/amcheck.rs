//! What amcheck says, where it is installed (Postgres manual, F.1).
//!
//! | server | indexes | tables |
//! |---|---|---|
//! | 9.6 | nothing | nothing |
//! | 10 | order of btree indexes | nothing |
//! | 11 to 13 | and that every row is in the index | nothing |
//! | 14 to 16 | the same | structure of the heap and its TOAST values |
//! | 17 | and that no two rows share a unique key | the same |
//! | 18 | and the structure and order of GIN indexes | the same |
//!
//! Invariants: only reads, under locks that a reader takes; what is no damage (a lost connection, a
//! cancelled statement) stays an error; a server's message about damage names blocks and places,
//! and its DETAIL is dropped.

use crate::catalog::size;
use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};

use super::index::{Index, IndexRule, IndexState};

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Thoroughness {
    /// Not at all.
    Skip,
    /// Reads each index: is it in order?
    Order,
    /// Reads each index and its table: is every row in it, and is the heap sound?
    #[default]
    Rows,
}

/// The kind of index that amcheck knows on every server that has it.
pub(super) const BTREE: &str = "btree";
/// The kind that it knows from 18 on.
const GIN: &str = "gin";

/// The functions of amcheck that the role may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amcheck {
    schema: Option<Ident>,
    /// How many parameters `bt_index_check` has: 1, 2 with `heapallindexed`, 3 with `checkunique`.
    index_parameters: i64,
    gin: bool,
    heap: bool,
    /// Whether it is installed at all.
    installed: bool,
}

/// What a check said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong as far as it looked.
    Sound,
    /// What is wrong, in the server's words.
    Damaged(String),
    /// It was not looked at: another kind of index, one that is not valid, no amcheck, gone.
    NotChecked,
    /// It could not be looked at now, in the server's words: somebody has locked it.
    Unreachable(String),
}

impl Amcheck {
    /// Looks for it.
    ///
    /// # Errors
    /// What the server said.
    pub async fn find(session: &Session) -> Result<Self, Error> {
        let rows = session.query("look for amcheck", include_str!("amcheck.sql"), &[]).await?;
        let mut found = Self { installed: !rows.is_empty(), ..Self::default() };
        for row in &rows {
            let (function, parameters, may): (String, i64, bool) =
                (row.get(1), row.get(2), row.get(3));
            if !may {
                continue;
            }
            found.schema = Some(Ident::new(row.get::<_, String>(0)));
            match function.as_str() {
                "bt_index_check" => {
                    found.index_parameters = found.index_parameters.max(parameters);
                }
                "gin_index_check" => found.gin = true,
                _ => found.heap = true,
            }
        }
        Ok(found)
    }

    /// Whether the extension is there and the role may use it for indexes.
    pub fn checks_indexes(&self) -> bool {
        self.index_parameters > 0
    }

    /// Whether it looks at indexes of this kind.
    pub fn knows(&self, method: &str) -> bool {
        match method {
            BTREE => self.checks_indexes(),
            GIN => self.gin,
            _ => false,
        }
    }

    /// Whether every row of the table is looked for in the index.
    pub fn finds_missing_rows(&self) -> bool {
        self.index_parameters > 1
    }

    /// Whether the role may use it for tables.
    pub fn checks_tables(&self) -> bool {
        self.heap
    }

    /// Whether the extension is there, usable or not.
    pub fn is_installed(&self) -> bool {
        self.installed
    }

    /// Checks one index.
    ///
    /// # Errors
    /// The loss of the connection, a statement that was cancelled.
    pub async fn index(
        &self,
        session: &Session,
        index: &Index,
        thoroughness: Thoroughness,
    ) -> Result<Verdict, Error> {
        let Some(schema) = self.schema.as_ref().filter(|_| self.knows(&index.method)) else {
            return Ok(Verdict::NotChecked);
        };
        let fit = index.has_rows() && index.state == IndexState::Valid;
        if thoroughness == Thoroughness::Skip || !fit {
            return Ok(Verdict::NotChecked);
        }
        let rows = thoroughness == Thoroughness::Rows;
        let unique = rows && index.rule == IndexRule::Unique;
        let (function, more) = match self.index_parameters {
            _ if index.method == GIN => ("gin_index_check", String::new()),
            1 => ("bt_index_check", String::new()),
            2 => ("bt_index_check", format!(", {rows}")),
            _ => ("bt_index_check", format!(", {rows}, {unique}")),
        };
        let (schema, oid) = (schema.quoted(), index.oid);
        let sql = format!("select {schema}.{function}({oid}::oid::regclass{more})");
        let doing = format!("check the index `{}` with amcheck", index.name);
        match session.simple_rows(&doing, &sql).await {
            // An internal error: dropped under our hands, or damage that amcheck does not expect.
            Err(error) if error.sqlstate() == Some("XX000") => {
                let there = format!("select 1 from pg_catalog.pg_class where oid = {}", index.oid);
                let gone = session.simple_rows(&doing, &there).await?.is_empty();
                Ok(if gone { Verdict::NotChecked } else { Verdict::Damaged(said(&error)) })
            }
            answer => verdict(answer.map(|_| Verdict::Sound)),
        }
    }

    /// Checks one table.
    ///
    /// # Errors
    /// As [`Amcheck::index`].
    pub async fn table(
        &self,
        session: &Session,
        (oid, name): (u32, &RelationName),
    ) -> Result<Verdict, Error> {
        let Some(schema) = self.schema.as_ref().filter(|_| self.heap) else {
            return Ok(Verdict::NotChecked);
        };
        let sql = format!(
            "select pg_catalog.count(*), pg_catalog.min(pg_catalog.format('block %s, line %s: %s', \
             blkno, offnum, msg)) from {}.verify_heapam({oid}::oid::regclass, check_toast := true)",
            schema.quoted()
        );
        let doing = format!("check the table `{name}` with amcheck");
        verdict(session.query(&doing, &sql, &[]).await.map(|rows| {
            let Some(row) = rows.first() else { return Verdict::NotChecked };
            match (size(row.get(0)), row.get::<_, Option<String>>(1)) {
                (0, _) => Verdict::Sound,
                (1, message) => Verdict::Damaged(message.unwrap_or_default()),
                (count, message) => Verdict::Damaged(format!(
                    "{} (and {} more)",
                    message.unwrap_or_default(),
                    count - 1
                )),
            }
        }))
    }
}

/// Sorts damage from failure.
fn verdict(answer: Result<Verdict, Error>) -> Result<Verdict, Error> {
    match answer {
        Err(error) => match error.sqlstate() {
            // Damaged, a page that cannot be read, a file that is not there.
            Some("XX001" | "XX002" | "58P01" | "58030") => Ok(Verdict::Damaged(said(&error))),
            // Dropped meanwhile, or become what amcheck does not look at.
            Some("42704" | "42P01" | "0A000" | "42809") => Ok(Verdict::NotChecked),
            Some("55P03" | "42501") => Ok(Verdict::Unreachable(said(&error))),
            _ => Err(error),
        },
        answer => answer,
    }
}

fn said(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
