//! Rows by ctid, with their digests: the same digest as everywhere, made by the client of what COPY
//! gives.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::StreamExt;
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::{RowDigest, Tid};

use crate::catalog::Catalog;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName};
use crate::plan::format::{FormatChoice, Formats, TableFormat};

/// How the rows of each table are digested.
pub(in crate::duplicates) struct Digests {
    formats: HashMap<RelationName, TableFormat>,
}

impl Digests {
    /// Decides for all tables.
    pub(in crate::duplicates) async fn of(session: &Session) -> Result<Self, Error> {
        let catalog = Catalog::read(session).await?;
        let formats = Formats::new(&catalog, session, FormatChoice::Auto).await?;
        let of = |relation: &crate::catalog::Relation| {
            let columns: Vec<Ident> = relation
                .columns
                .iter()
                .filter(|column| !column.generated)
                .map(|column| column.name.clone())
                .collect();
            (relation.name.clone(), formats.of(relation, &columns))
        };
        Ok(Self { formats: catalog.relations.iter().map(of).collect() })
    }

    /// The kind of a table's digests.
    pub(in crate::duplicates) fn kind(&self, table: &RelationName) -> &'static str {
        self.formats.get(table).map_or("", |format| format.layout.image_kind().name())
    }

    /// The digests of those rows that are still there.
    pub(in crate::duplicates) async fn read(
        &self,
        session: &Session,
        table: &RelationName,
        tids: impl Iterator<Item = Tid>,
    ) -> Result<BTreeMap<Tid, RowDigest>, Error> {
        let format = self.formats.get(table).ok_or_else(|| {
            Error::new(ErrorKind::Preflight, format!("the table `{table}` is not there any more"))
        })?;
        let list: Vec<String> = tids.map(|tid| format!("\"{tid}\"")).collect();
        let mut found = BTreeMap::new();
        if list.is_empty() {
            return Ok(found);
        }
        let columns: Vec<String> = std::iter::once("ctid".to_owned())
            .chain(format.source_expressions.iter().cloned())
            .chain(format.hidden.iter().cloned())
            .collect();
        let binary = match format.format {
            pghaul_rows::CopyFormat::Binary => " (format binary)",
            pghaul_rows::CopyFormat::Text => "",
        };
        let sql = format!(
            "copy (select {} from only {} where ctid = any ('{{{}}}'::pg_catalog.tid[])) \
             to stdout{binary}",
            columns.join(", "),
            table.quoted(),
            list.join(",")
        );
        let doing = format!("read rows of `{table}`");
        let broken = |error: pghaul_rows::CopyError| {
            Error::new(ErrorKind::Transfer, format!("cannot {doing}")).caused_by(error)
        };
        let mut stream = Box::pin(session.copy_out(&doing, &sql).await?);
        let mut reader = RowReader::new(Arc::clone(&format.layout), Digesting::Sha256);
        while let Some(message) = stream.next().await {
            let message = message.map_err(|error| session.error(&doing, &error))?;
            reader.feed(message).map_err(broken)?;
            while let Some(row) = reader.next_row().map_err(broken)? {
                if let (Some(tid), Some(digest)) = (row.ctid, row.digest) {
                    found.insert(tid, digest);
                }
            }
        }
        reader.finish().map_err(broken)?;
        Ok(found)
    }
}
