//! Count and sums over the digests of a table's rows.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use super::super::Report;
use super::super::image::{self, Types};
use super::super::side::Side;
use super::relations::Relation;
use crate::error::{Error, Result};

/// Count of rows and sums of both halves of their digests. Sums and not XOR, since a doubled row
/// must show; exact, since the server adds numerics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sums {
    pub(super) count: i128,
    high: i128,
    low: i128,
}

impl Sums {
    fn read(row: &Row) -> Result<Self> {
        let number = |name: &str| {
            let text: String = row.get(name);
            text.parse().map_err(|_| Error::new(format!("not a number: {text}")))
        };
        Ok(Self { count: number("count")?, high: number("high")?, low: number("low")? })
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.high += other.high;
        self.low += other.low;
    }
}

/// The images of a table's columns, by their names and in the order of these.
pub(super) struct Images(BTreeMap<String, String>);

impl Images {
    /// Those of the columns that the twin has too.
    pub(super) fn of(
        types: &Types,
        relation: &Relation,
        twin: &Relation,
        report: Option<&mut Report>,
    ) -> Result<Self> {
        let missing = relation.columns_missing_in(twin);
        let mut images = BTreeMap::new();
        let mut by_text = Vec::new();
        for (name, oid) in &relation.columns {
            if missing.contains(&name.as_str()) {
                continue;
            }
            let image = types.image(&image::column(name), *oid)?;
            if let Some(kind) = image.by_text {
                by_text.push(format!("{}.{name}: {kind}", relation.shown()));
            }
            images.insert(name.clone(), image.sql);
        }
        if let Some(report) = report {
            report.compared_as_text.append(&mut by_text);
        }
        Ok(Self(images))
    }

    pub(super) async fn sums(&self, side: &Side, relation: &Relation) -> Result<Sums> {
        let images: Vec<_> = self.0.values().map(String::as_str).collect();
        sums(side, relation, &images).await
    }

    /// The names of the columns whose values differ, as if each stood alone.
    pub(super) async fn differing(
        &self,
        twin_images: &Self,
        (source, relation): (&Side, &Relation),
        (target, twin): (&Side, &Relation),
    ) -> Result<Vec<&str>> {
        let mut differing = Vec::new();
        for (name, image) in &self.0 {
            let Some(twin_image) = twin_images.0.get(name) else { continue };
            let here = sums(source, relation, &[image]).await?;
            if here != sums(target, twin, &[twin_image]).await? {
                differing.push(name.as_str());
            }
        }
        Ok(differing)
    }
}

async fn sums(side: &Side, relation: &Relation, images: &[&str]) -> Result<Sums> {
    let sql = format!(
        "select count(*)::text as count, \
         coalesce(sum(('x' || substr(h, 1, 16))::bit(64)::bigint), 0)::text as high, \
         coalesce(sum(('x' || substr(h, 17))::bit(64)::bigint), 0)::text as low \
         from (select md5(record_send(row({}))) as h from only {} as t offset 0) as digests",
        images.join(", "),
        relation.quoted()
    );
    let rows = side.query(&sql, &[]).await?;
    rows.first().map_or_else(|| Err(Error::new("an aggregate gave no row")), Sums::read)
}
