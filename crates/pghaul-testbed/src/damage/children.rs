//! Children of copies: rows that refer to them, so that a repair has something to merge.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::catalog::{columns, unique_indexes};
use super::copies::{Copies, Source, Wish};
use super::{Copied, Damage, Group, PlantedChildren, from_heap};
use crate::error::{Error, Result};
use crate::servers::quote_literal;

/// Rows of a table that the copies are to get, with or without a foreign key.
#[derive(Debug, Clone)]
pub struct Children {
    table: String,
    column: String,
    only: String,
    at_most: usize,
    like: Like,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Like {
    Original,
    Others,
    Common,
}

impl Children {
    /// Each copy gets copies of the children that its original has in `column`: once merged,
    /// they collide wherever a unique index spans that column.
    pub fn like_the_original(table: impl Into<String>, column: impl Into<String>) -> Self {
        Self::new(table, column, Like::Original)
    }

    /// Each copy gets copies of the children of some other row: merged, most will not collide.
    pub fn like_others(table: impl Into<String>, column: impl Into<String>) -> Self {
        Self::new(table, column, Like::Others)
    }

    /// The original and its copies get copies of the same children, those of some other row: they
    /// collide even where the original had none.
    pub fn in_common(table: impl Into<String>, column: impl Into<String>) -> Self {
        Self::new(table, column, Like::Common)
    }

    fn new(table: impl Into<String>, column: impl Into<String>, like: Like) -> Self {
        Self {
            table: table.into(),
            column: column.into(),
            only: "true".to_owned(),
            at_most: 3,
            like,
        }
    }

    /// Takes only rows that satisfy a condition, in SQL; the row is called `src`.
    #[must_use]
    pub fn only(mut self, condition: impl Into<String>) -> Self {
        self.only = condition.into();
        self
    }

    /// How many a copy gets at most; 3 if not said, and 1 where a unique index allows no more.
    #[must_use]
    pub fn at_most(mut self, at_most: usize) -> Self {
        self.at_most = at_most;
        self
    }

    pub(super) async fn plant(
        &self,
        client: &Client,
        parent: &str,
        groups: &[Group],
        damage: &Damage,
    ) -> Result<PlantedChildren> {
        let columns = columns(client, &self.table).await?;
        let uniques = unique_indexes(client, &self.table).await?;
        let Some(column) = columns.iter().find(|column| column.name == self.column) else {
            return Err(Error::new(format!("{} has no column {}", self.table, self.column)));
        };
        let alone = uniques
            .iter()
            .any(|unique| unique.columns == [self.column.as_str()] && unique.keys.len() == 1);
        let at_most = if alone { 1 } else { self.at_most };
        let sources = self.pick(client, groups, at_most, damage.seed).await?;
        let copies = Copies::plan(
            client,
            &Wish {
                table: &self.table,
                columns: &columns,
                keep: &[],
                set: &[(self.column.clone(), format!("picked.parent::{}", column.type_name))],
                fresh: Some(&self.column),
                uniques: &uniques,
                mark: format!(
                    "{parent}{}{}{:?}{}",
                    self.table, self.column, self.like, damage.seed
                ),
                count: sources.len(),
                // Two models can have what one parent may have once.
                skip_refused: true,
                returning: "null",
            },
        )
        .await?;
        let inserted =
            copies.insert(client, &sources).await.map_err(|cause| copies.failed(&cause))?;
        Ok(PlantedChildren {
            table: self.table.clone(),
            column: self.column.clone(),
            rows: inserted.len(),
        })
    }

    /// Whose children go to whom: those of the original, or of somebody of no group.
    async fn pick(
        &self,
        client: &Client,
        groups: &[Group],
        at_most: usize,
        seed: u64,
    ) -> Result<Vec<Source>> {
        let key = |row: &Copied| {
            row.key.clone().ok_or_else(|| Error::new("a row without a key cannot have children"))
        };
        let in_groups: Vec<String> = groups
            .iter()
            .flat_map(|group| std::iter::once(&group.original).chain(&group.copies))
            .map(key)
            .collect::<Result<_>>()?;
        let others = match self.like {
            Like::Original => Vec::new(),
            Like::Others | Like::Common => self.others(client, &in_groups, seed).await?,
        };
        let mut others = others.into_iter();
        let (mut models, mut parents) = (Vec::new(), Vec::new());
        for group in groups {
            let mut model = match self.like {
                Like::Original => Some(key(&group.original)?),
                Like::Others => None,
                Like::Common => others.next(),
            };
            let original = (self.like == Like::Common).then_some(&group.original);
            for parent in original.into_iter().chain(&group.copies) {
                if self.like == Like::Others {
                    model = others.next();
                }
                models.extend(model.clone());
                parents.extend(model.is_some().then(|| key(parent)).transpose()?);
            }
        }
        let sql = format!(
            "select src.ctid::text, pairs.parent \
             from unnest($1::text[], $2::text[]) with ordinality as pairs (model, parent, nr) \
             join only {table} as src on src.{column}::text = pairs.model \
             where {only} order by pairs.nr, src.ctid",
            table = self.table,
            column = self.column,
            only = self.only,
        );
        let mut had: HashMap<String, usize> = HashMap::new();
        let mut sources = Vec::new();
        for row in from_heap(client, &sql, &[&models, &parents]).await? {
            let parent: String = row.get(1);
            let had = had.entry(parent.clone()).or_default();
            if *had < at_most {
                *had += 1;
                let number = i64::try_from(sources.len() + 1)
                    .map_err(|cause| Error::new("too many children").caused_by(&cause))?;
                let copy = i32::try_from(*had)
                    .map_err(|cause| Error::new("too many children").caused_by(&cause))?;
                sources.push(Source { tid: row.get(0), parent: Some(parent), copy, number });
            }
        }
        Ok(sources)
    }

    /// Rows of no group that have children, as many as could be needed, or as there are.
    async fn others(
        &self,
        client: &Client,
        in_groups: &[String],
        seed: u64,
    ) -> Result<Vec<String>> {
        let sql = format!(
            "select src.{column}::text from only {table} as src \
             where src.{column} is not null and ({only}) \
             and not exists (select from unnest($1::text[]) as grouped (key) \
             where grouped.key = src.{column}::text) \
             group by src.{column} \
             order by md5({seed} || src.{column}::text) limit {count}",
            table = self.table,
            column = self.column,
            only = self.only,
            seed = quote_literal(&seed.to_string()),
            count = in_groups.len(),
        );
        let rows = from_heap(client, &sql, &[&in_groups]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
