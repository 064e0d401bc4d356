//! Damage on purpose: duplicates under a live unique index, as real servers get them.
//!
//! Any unique index of any table, a primary key too; a superuser's session; 9.6 to 18. Three ways
//! in, by [`Recipe`]. How each looks to who reads:
//!
//! | recipe | the heap | through the index | amcheck |
//! |---|---|---|---|
//! | [`MissingEntries`](Recipe::MissingEntries) | all copies | the original only | `heapallindexed` (11) |
//! | [`DoubleEntries`](Recipe::DoubleEntries) | all copies | all copies | `checkunique` (17) |
//! | [`WrongOrder`](Recipe::WrongOrder) | all copies | some rows, also of those never touched | all versions |
//!
//! For a whole database whose C library changed, start its server again with
//! [`Locales::changed`](crate::Locales::changed) instead.
//!
//! Invariants: which keys are doubled depends on the seed and the keys alone (under a wrong order,
//! also on what the unique check sees), and never one that is doubled already; all other unique
//! indexes and all foreign keys still hold; rows are picked without any index. Exclusion
//! constraints are not looked at.
//!
//! Copies differ from their originals where another unique index demands it. There, by the first
//! that fits: a nullable column becomes NULL, a number the next one, a text gets a suffix, a
//! reference goes to a row that nobody else refers to.

mod catalog;
mod children;
mod copies;
mod recipe;

pub use children::Children;
pub use recipe::{Order, Recipe};

use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::error::{Error, Result};
use crate::servers::{Session, quote_literal};
use crate::work::{self, Answer};
use catalog::{UniqueIndex, columns, index};
use copies::{Copies, Wish};

/// What to plant.
#[derive(Debug, Clone)]
pub struct Damage {
    index: String,
    recipe: Recipe,
    groups: usize,
    extra: usize,
    seed: u64,
    only: String,
    set: Vec<(String, String)>,
    key: String,
    children: Vec<Children>,
}

impl Damage {
    /// Ten groups of two rows in a unique index, named as in SQL: `index_tags_on_name`,
    /// `sales."Orders_pkey"`.
    pub fn new(index: impl Into<String>, recipe: Recipe) -> Self {
        Self {
            index: index.into(),
            recipe,
            groups: 10,
            extra: 1,
            seed: 1,
            only: "true".to_owned(),
            set: Vec::new(),
            key: "id".to_owned(),
            children: Vec::new(),
        }
    }

    /// How many keys are doubled.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// How many copies each gets.
    #[must_use]
    pub fn extra(mut self, extra: usize) -> Self {
        self.extra = extra;
        self
    }

    /// Another seed doubles other keys.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Doubles only rows that satisfy a condition, in SQL; the row is called `src`.
    #[must_use]
    pub fn only(mut self, condition: impl Into<String>) -> Self {
        self.only = condition.into();
        self
    }

    /// Gives a column of the copies another value, in SQL; the original is called `src`, the
    /// copy's number in its group, from 1, `picked.copy`, over all copies `picked.n`. Must not be
    /// a column of the index. Foreign keys do not look at it, nor do triggers fire.
    #[must_use]
    pub fn set(mut self, column: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.push((column.into(), value.into()));
        self
    }

    /// The column that children refer to, if it is not `id`.
    #[must_use]
    pub fn key(mut self, column: impl Into<String>) -> Self {
        self.key = column.into();
        self
    }

    /// Gives the copies rows of their own that refer to them.
    #[must_use]
    pub fn children(mut self, children: Children) -> Self {
        self.children.push(children);
        self
    }

    /// Does it, on a superuser's session that is not in a transaction.
    ///
    /// # Errors
    /// When there are not enough keys to double, or a unique index leaves no way to make a copy;
    /// then nothing was changed. [`Recipe::WrongOrder`] can also find, after the fact, that the
    /// wrong order hides too few keys from the unique check.
    pub fn plant(&self, session: &Session) -> Answer<Planted> {
        let (damage, session) = (self.clone(), session.clone());
        work::begin(async move {
            let client = session.client();
            // Foreign keys hold in the heap: all references are copied, or point to rows that
            // were found there. The server's checks would ask indexes that are damaged.
            run(client, "set session_replication_role = replica").await?;
            // The planner takes what is joined here for a few rows.
            run(client, "set enable_nestloop = off").await?;
            let planted = damage.plant_with(client).await;
            run(client, "reset session_replication_role; reset enable_nestloop").await?;
            planted
        })
    }

    async fn plant_with(&self, client: &Client) -> Result<Planted> {
        let (target, others) = index(client, &self.index).await?;
        self.check(&target)?;
        let wanted = self.groups;
        let limit = match self.recipe {
            Recipe::WrongOrder(_) => wanted * 4 + 1000,
            _ => wanted,
        };
        let originals = self.pick(client, &target, limit).await?;
        if originals.len() < wanted {
            return Err(Error::new(format!(
                "cannot plant {wanted} groups in {}: only {} keys can be doubled",
                target.name,
                originals.len()
            )));
        }
        let copies = Copies::plan(
            client,
            &Wish {
                table: &target.relation,
                columns: &columns(client, &target.relation).await?,
                keep: &target.reads,
                set: &self.set,
                fresh: None,
                uniques: &others,
                mark: format!("{}{}", target.name, self.seed),
                count: wanted * self.extra,
                skip_refused: false,
                returning: &self.returning(),
            },
        )
        .await?;
        let groups = recipe::plant(client, self, &target, &copies, originals).await?;
        let mut children = Vec::new();
        for wish in &self.children {
            children.push(wish.plant(client, &target.relation, &groups, self).await?);
        }
        Ok(Planted {
            table: target.relation,
            index: target.name,
            recipe: self.recipe.clone(),
            extra_rows: groups.iter().map(|group| group.copies.len()).sum(),
            groups,
            children,
        })
    }

    fn check(&self, target: &UniqueIndex) -> Result<()> {
        if !target.is_sound {
            return Err(Error::new(format!("{} is not a valid unique index", target.name)));
        }
        let in_index = |column: &String| target.reads.contains(column);
        if let Some((column, _)) = self.set.iter().find(|(column, _)| in_index(column)) {
            return Err(Error::new(format!(
                "copies must have the original's {column}: the index {} reads it",
                target.name
            )));
        }
        if !self.children.is_empty() && in_index(&self.key) {
            return Err(Error::new(format!(
                "copies cannot have children of their own by {}: they share its value",
                self.key
            )));
        }
        Ok(())
    }

    /// What an INSERT gives back of each copy besides its place.
    fn returning(&self) -> String {
        if self.children.is_empty() { "null".to_owned() } else { self.key.clone() }
    }

    /// Rows whose key is there once, in an order of the seed's.
    async fn pick(
        &self,
        client: &Client,
        target: &UniqueIndex,
        limit: usize,
    ) -> Result<Vec<Copied>> {
        let keys = target.keys.join(", ");
        let not_null = target.keys.iter().map(|key| format!("({key}) is not null"));
        let condition: Vec<_> =
            target.predicate.iter().map(|p| format!("({p})")).chain(not_null).collect();
        let sql = format!(
            "select (array_agg(src.ctid::text))[1], (array_agg({returning}::text))[1] \
             from only {table} as src \
             where {condition} \
             group by {keys} \
             having count(*) = 1 and bool_and({only}) \
             order by md5({seed} || min(row({keys})::text)), min(row({keys})::text) collate \"C\" \
             limit {limit}",
            returning = self.returning(),
            table = target.relation,
            condition = condition.join(" and "),
            only = self.only,
            seed = quote_literal(&self.seed.to_string()),
        );
        let rows = from_heap(client, &sql, &[]).await?;
        Ok(rows.iter().map(|row| Copied { tid: row.get(0), key: row.get(1) }).collect())
    }
}

/// A row: its place, and the value that children refer to, if there are to be any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its `ctid`, such as `(0,1)`.
    pub tid: String,
    /// As text.
    pub key: Option<String>,
}

/// Rows that now share a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The row that was there before.
    pub original: Copied,
    /// The rows added.
    pub copies: Vec<Copied>,
}

/// What was planted.
#[derive(Debug, Clone)]
pub struct Planted {
    /// The table, as SQL names it.
    pub table: String,
    /// The index, as SQL names it.
    pub index: String,
    /// How.
    pub recipe: Recipe,
    /// One for each key that is doubled.
    pub groups: Vec<Group>,
    /// Rows too many, over all groups.
    pub extra_rows: usize,
    /// Rows that the copies got, for each [`Damage::children`] in order.
    pub children: Vec<PlantedChildren>,
}

/// Rows that refer to copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantedChildren {
    /// Where they are.
    pub table: String,
    /// The column that refers.
    pub column: String,
    /// How many were added.
    pub rows: usize,
}

/// Duplicates as the heap has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicates {
    /// Keys that more than one row has.
    pub groups: usize,
    /// Rows of these keys, less one for each.
    pub extra_rows: usize,
}

/// Counts the duplicates of a unique index by GROUP BY over its table, with all index scans off:
/// the oracle for whoever finds them by other means. A key with a NULL is nobody's duplicate.
pub fn duplicates(session: &Session, index: impl Into<String>) -> Answer<Duplicates> {
    let (session, name) = (session.clone(), index.into());
    work::begin(async move {
        let (target, _) = catalog::index(session.client(), &name).await?;
        let not_null = target.keys.iter().map(|key| format!("({key}) is not null"));
        let condition: Vec<_> =
            target.predicate.iter().map(|p| format!("({p})")).chain(not_null).collect();
        let sql = format!(
            "select count(*), coalesce(sum(n) - count(*), 0)::bigint from ( \
             select count(*) as n from only {table} where {condition} \
             group by {keys} having count(*) > 1) as doubled",
            table = target.relation,
            condition = condition.join(" and "),
            keys = target.keys.join(", "),
        );
        let rows = from_heap(session.client(), &sql, &[]).await?;
        let count = |column: usize| {
            rows.first().and_then(|row| usize::try_from(row.get::<_, i64>(column)).ok())
        };
        match (count(0), count(1)) {
            (Some(groups), Some(extra_rows)) => Ok(Duplicates { groups, extra_rows }),
            _ => Err(Error::new(format!("cannot count the duplicates of {name}"))),
        }
    })
}

/// The rows of a query that reads no index.
async fn from_heap(
    client: &Client,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>> {
    let begin = "begin read only; set local enable_indexscan = off; \
                 set local enable_indexonlyscan = off; set local enable_bitmapscan = off";
    run(client, begin).await?;
    let rows = client.query(sql, parameters).await;
    run(client, "rollback").await?;
    rows.map_err(|cause| Error::server(format!("`{sql}`"), &cause))
}

async fn run(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|cause| Error::server(format!("`{sql}`"), &cause))
}
