//! Other names and keys for rows that stay, as answers want it.
//!
//! Invariant: a name is given once, whoever else gets one by the same plan.

use std::collections::BTreeSet;

use pghaul_rows::Tid;

use super::Emit;
use crate::duplicates::plan::file::Values;
use crate::duplicates::plan::work::Work;
use crate::duplicates::tables::ColumnKind;
use crate::error::{Error, ErrorKind};
use crate::name::Ident;

/// Names that this plan gives: the table's place, and the name in small letters.
pub(super) type Given = BTreeSet<(usize, String)>;

/// Numbers that are tried.
const TRIED: u32 = 1000;

impl Work<'_> {
    /// The column of a table's key, if new keys can be given.
    pub(super) fn column_of_key(&self, table: usize) -> Result<String, Error> {
        let facts = &self.tables.list[table];
        let wrong = |why: &str| {
            let what = format!("`{}` {why}: no new one can be given", facts.name);
            Error::new(ErrorKind::Usage, what).with_hint("answer the question otherwise")
        };
        let key = self.single_key(table);
        let key = key.ok_or_else(|| wrong("has no key of one column"))?;
        match facts.column(&key) {
            Some(column) if column.always || column.generated => {
                Err(wrong("has a key that only the server gives (GENERATED ALWAYS)"))
            }
            _ => Ok(key),
        }
    }

    /// Another name that nobody has.
    pub(super) async fn renamed(
        &self,
        emit: &mut Emit<'_>,
        table: usize,
        tid: Tid,
    ) -> Result<Values, Error> {
        let facts = &self.tables.list[table];
        let rule = facts.rule.rename.as_ref();
        let named = rule.and_then(|rename| Some((rename, facts.column(&rename.column)?)));
        let Some((rename, named)) = named else {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("an answer wants rows of `{}` renamed, and no rule says how", facts.name),
            )
            .with_hint("give the table a `rename` in the rules, or answer otherwise"));
        };
        let most = match named.kind {
            ColumnKind::Text(Some(most)) => usize::try_from(most).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let values = self.values(table, &[tid], &[&rename.column]).await?;
        let old = values.into_iter().next().and_then(|(_, mut values)| values.pop().flatten());
        let old = old.unwrap_or_default();
        let column = Ident::new(&rename.column).quoted();
        for n in 1..TRIED {
            let new = rename.to.replace("{n}", &n.to_string()).replace("{value}", &old);
            if new.chars().count() > most {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!(
                        "an answer wants the row {tid} of `{}` renamed, and with a number its {} is longer \
                         than the {most} characters of the column",
                        facts.name, rename.column
                    ),
                )
                .with_hint("rename the row by hand, or answer otherwise"));
            }
            let given = (table, new.to_lowercase());
            if emit.given.contains(&given) {
                continue;
            }
            let sql = format!(
                "select pg_catalog.count(*) from only {} as t \
                 where pg_catalog.lower(t.{column}::text) = pg_catalog.lower($1::text)",
                facts.name.quoted()
            );
            let doing = format!("look for a name in `{}`", facts.name);
            let row = self.session.query_one(&doing, &sql, &[&new]).await?;
            if row.get::<_, i64>(0) == 0 {
                emit.given.insert(given);
                return Ok(Values::from([(rename.column.clone(), Some(new))]));
            }
        }
        let what = format!("{TRIED} names for the row {tid} of `{}` are taken", facts.name);
        Err(Error::new(ErrorKind::Usage, what).with_hint("rename the row by hand"))
    }
}
