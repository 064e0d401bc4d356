//! The tables of a plan as they are now, and what the server would refuse to do with them.
//!
//! Invariant: only looks; whatever can be known is said before the first write, all at once.

use super::expressions::without_a_path;
use crate::catalog::oid;
use crate::connect::Session;
use crate::duplicates::plan::file::TableLine;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName};

/// A table that is touched.
pub(in crate::duplicates) struct Subject {
    /// Its place in the plan.
    pub(in crate::duplicates) place: i32,
    pub(in crate::duplicates) name: RelationName,
    oid: i64,
    columns: Vec<(String, String)>,
    /// Columns of types that a cast makes of text in another way than their input function does.
    cast_otherwise: Vec<String>,
    /// Columns that can be written.
    pub(in crate::duplicates) stored: Vec<String>,
    /// Triggers of the user that fire, and how (`pg_trigger.tgenabled`).
    pub(in crate::duplicates) triggers: Vec<(Ident, String)>,
    /// Tables with foreign keys to it.
    pub(in crate::duplicates) children: Vec<(i64, RelationName)>,
    /// Its columns that foreign keys refer to.
    pub(in crate::duplicates) referenced: Vec<String>,
}

impl Subject {
    /// Looks at one table. What stands in the way is added to `refused`.
    pub(in crate::duplicates) async fn read(
        session: &Session,
        place: i32,
        table: &TableLine,
        refused: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let name = RelationName::new(&table.schema, &table.name);
        let doing = format!("look at `{name}`");
        let rows =
            session.query(&doing, include_str!("table.sql"), &[&table.schema, &table.name]).await?;
        let Some(row) = rows.first() else {
            return Err(Error::new(
                ErrorKind::Preflight,
                format!("the table `{name}` of the plan is not there any more"),
            )
            .with_hint("make the plan again"));
        };
        let (owned, writable): (bool, bool) = (row.get(1), row.get(2));
        let rules: Vec<String> = row.get(3);
        let triggers: Vec<String> = row.get(4);
        let states: Vec<String> = row.get(5);
        let (without_identity, secured): (bool, bool) = (row.get(6), row.get(7));
        let columns = pairs(&row.get::<_, Vec<_>>(8));
        if !writable {
            refused.push(format!("{name}: SELECT, UPDATE and DELETE are needed"));
        }
        if !owned && (!triggers.is_empty() || !table.rebuild.is_empty()) {
            refused.push(format!(
                "{name}: only its owner can keep its triggers quiet and rebuild its indexes"
            ));
        }
        if !rules.is_empty() {
            refused.push(format!("{name}: rules rewrite what is done to it: {}", rules.join(", ")));
        }
        if without_identity && is_published(session, &name).await? {
            refused.push(format!(
                "{name}: it is published and has no replica identity, so no row can be changed \
                 (ALTER TABLE … REPLICA IDENTITY FULL)"
            ));
        }
        if secured {
            refused.push(format!("{name}: row security hides rows from this role"));
        }
        if columns != table.columns {
            refused.push(format!("{name}: its columns are not those of the plan"));
        }
        without_a_path(session, (row.get(0), &name), refused).await?;
        let children: Vec<i64> = row.get(10);
        Ok(Self {
            place,
            oid: row.get(0),
            columns,
            cast_otherwise: row.get(11),
            stored: row.get(9),
            triggers: triggers.into_iter().map(Ident::new).zip(states).collect(),
            children: names(session, &children).await?,
            referenced: table.referenced.clone(),
            name,
        })
    }

    /// Refuses to go on if the table, which is locked by now, is another than the one that was looked
    /// at, or has other columns. `whose`: what is interrupted by that.
    ///
    /// # Errors
    /// [`ErrorKind::Transfer`] then.
    pub(in crate::duplicates) async fn ensure_as_it_was(
        &self,
        session: &Session,
        whose: &str,
    ) -> Result<(), Error> {
        let doing = format!("look at the columns of `{}`", self.name);
        let (schema, name) = (self.name.schema.as_str(), self.name.name.as_str());
        let rows = session.query(&doing, include_str!("columns.sql"), &[&schema, &name]).await?;
        let same = rows.first().is_some_and(|row| {
            row.get::<_, i64>(0) == self.oid
                && pairs(&row.get::<_, Vec<_>>(1)) == self.columns
                && row.get::<_, Vec<String>>(2) == self.stored
        });
        if same {
            return Ok(());
        }
        let what = format!("the columns of `{}` were changed during {whose}", self.name);
        Err(Error::new(ErrorKind::Transfer, what).with_hint(format!(
            "make them what they were, computed ones included, then go on with the same command: \
             what was done so far is kept, and {whose} goes on from there"
        )))
    }

    pub(in crate::duplicates) fn oid(&self) -> i64 {
        self.oid
    }

    /// Whether a foreign key of its own refers to it.
    pub(in crate::duplicates) fn refers_to_itself(&self) -> bool {
        self.children.iter().any(|(child, _)| *child == self.oid)
    }

    /// Statements that keep triggers of the user from firing.
    pub(in crate::duplicates) fn quiet_triggers(&self) -> String {
        let off = |(trigger, _): &(Ident, String)| {
            format!("alter table {} disable trigger {};", self.name.quoted(), trigger.quoted())
        };
        self.triggers.iter().map(off).collect()
    }

    /// Statements that put each trigger back into the state that it had.
    pub(in crate::duplicates) fn restore_triggers(&self) -> String {
        let on = |(trigger, state): &(Ident, String)| {
            let how = match state.as_str() {
                "A" => "enable always",
                "R" => "enable replica",
                _ => "enable",
            };
            format!("alter table {} {how} trigger {};", self.name.quoted(), trigger.quoted())
        };
        self.triggers.iter().map(on).collect()
    }

    /// A text as a value of a column, by the input function of its type: what the server wrote, it
    /// reads. A cast may do something else: `'-'::text::regclass` is an error.
    pub(in crate::duplicates) fn value_of(&self, column: &str, text: &str) -> String {
        let type_name = self.type_of(column);
        if self.cast_otherwise.iter().any(|other| other == column) {
            return format!(
                "(('{{\"' || pg_catalog.replace(pg_catalog.replace({text}, '\\', '\\\\'), '\"', '\\\"') \
                 || '\"}}')::{type_name}[])[1]"
            );
        }
        format!("{text}::{type_name}")
    }

    /// The type of a column, in SQL.
    pub(in crate::duplicates) fn type_of(&self, column: &str) -> &str {
        self.columns.iter().find(|(name, _)| name == column).map_or("text", |(_, type_)| type_)
    }
}

/// 9.6 has no publications.
pub(in crate::duplicates) async fn is_published(
    session: &Session,
    name: &RelationName,
) -> Result<bool, Error> {
    if !session.version().at_least(10) {
        return Ok(false);
    }
    // A partition is published with what it belongs to, and may be named as that only (13 and newer).
    let sql = "with recursive above (oid) as ( \
                 select c.oid from pg_catalog.pg_class c \
                   join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                  where n.nspname = $1 and c.relname = $2 \
                  union all \
                 select h.inhparent from above \
                   join pg_catalog.pg_inherits h on h.inhrelid = above.oid \
                   join pg_catalog.pg_class c on c.oid = above.oid and c.relispartition) \
               select exists (select from above \
                                join pg_catalog.pg_class c on c.oid = above.oid \
                                join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                                join pg_catalog.pg_publication_tables p \
                                  on p.schemaname = n.nspname and p.tablename = c.relname)";
    let doing = format!("look whether `{name}` is published");
    let row = session.query_one(&doing, sql, &[&name.schema.as_str(), &name.name.as_str()]).await?;
    Ok(row.get(0))
}

/// Names and types of columns.
fn pairs(texts: &[String]) -> Vec<(String, String)> {
    texts.iter().filter_map(|pair| serde_json::from_str(pair).ok()).collect()
}

async fn names(session: &Session, oids: &[i64]) -> Result<Vec<(i64, RelationName)>, Error> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "select c.oid::int8, n.nspname::text, c.relname::text \
                 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                where c.oid = any ($1::int8[]::pg_catalog.oid[]) order by 2, 3";
    let rows = session.query("name the tables with foreign keys", sql, &[&oids]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let name = RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2));
            (i64::from(oid(row.get(0))), name)
        })
        .collect())
}

/// What the server itself must allow.
pub(super) async fn check_server(
    session: &Session,
    refused: &mut Vec<String>,
) -> Result<(), Error> {
    let sql = "select pg_catalog.current_setting('track_counts') = 'on' \
                    , pg_catalog.pg_is_in_recovery()";
    let row = session.query_one("look at the server", sql, &[]).await?;
    if !row.get::<_, bool>(0) {
        refused.push(
            "track_counts is off, so that nobody could see what foreign keys do by themselves"
                .to_owned(),
        );
    }
    if row.get(1) {
        refused.push("the server is a standby: nothing can be written".to_owned());
    }
    Ok(())
}

/// All that stands in the way, as one error.
pub(in crate::duplicates) fn refuse(refused: &[String]) -> Result<(), Error> {
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Preflight,
        format!("the repair cannot begin; nothing was written:\n{}", refused.join("\n")),
    )
    .with_hint("mend what is named, then try again"))
}
