//! The parts of a partitioned index that are missing.
//!
//! A partitioned index is valid when each partition has a part of it that is valid. Before 14 the
//! server looks at that only when a part is attached that was not (manual, ALTER INDEX), and a part
//! cannot be taken off: an index of which all parts are there, and that is not valid all the same,
//! stays so.
//!
//! Invariants: a part that is built here has a name that says of which index until it is attached,
//! so that whatever is interrupted goes on or goes away; an index of somebody's that fits is attached
//! rather than built a second time; what a partition has is never dropped.

use tokio_util::sync::CancellationToken;

use super::{LOCK, Lane};
use crate::catalog::oid;
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::{Ident, RelationName, literal};
use crate::rebuild::index::Index;
use crate::rebuild::options::Locking;

/// A partition of a partitioned table, and its part of an index.
struct Partition {
    oid: u32,
    table: RelationName,
    kind: Kind,
    part: Option<RelationName>,
    part_is_valid: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    Partitioned,
    /// It can have no index.
    Foreign,
}

/// What the parts of a partitioned index have to be.
struct Whole {
    oid: u32,
    name: RelationName,
    /// What follows the table in the statement that creates one.
    using: String,
    unique: bool,
    tablespace: Option<Ident>,
    constraint: Option<Constraint>,
}

struct Constraint {
    kind: &'static str,
    definition: String,
    deferrable: &'static str,
}

impl Whole {
    async fn read(session: &Session, oid: u32, name: &RelationName) -> Result<Self, Error> {
        let doing = format!("read the definition of the index `{name}`");
        let row = session.query_one(&doing, include_str!("whole.sql"), &[&oid]).await?;
        let (definition, before): (String, String) = (row.get(0), row.get(1));
        let using = definition.strip_prefix(&before).ok_or_else(|| {
            Error::new(ErrorKind::Bug, format!("the definition of `{name}` is `{definition}`"))
        })?;
        let constraint = row.get::<_, Option<String>>(4).zip(row.get::<_, Option<String>>(5));
        Ok(Self {
            oid,
            name: name.clone(),
            using: using.to_owned(),
            unique: row.get(2),
            tablespace: row.get::<_, Option<String>>(3).map(Ident::new),
            constraint: constraint.map(|(kind, definition)| Constraint {
                kind: match kind.as_str() {
                    "p" => "primary key",
                    "u" => "unique",
                    _ => "exclude",
                },
                definition,
                deferrable: match (row.get(6), row.get(7)) {
                    (false, _) => "",
                    (true, false) => " deferrable",
                    (true, true) => " deferrable initially deferred",
                },
            }),
        })
    }

    /// The exclusion constraint that it is of: an index that others may use meanwhile cannot become
    /// one's (manual, ALTER TABLE, ADD table_constraint_using_index).
    fn exclusion(&self) -> Option<&Constraint> {
        self.constraint.as_ref().filter(|constraint| constraint.kind == "exclude")
    }

    /// The name of a part while it is built; `leftovers.sql` knows it.
    fn name_of_new(&self, partition: &Partition) -> RelationName {
        RelationName {
            schema: partition.table.schema.clone(),
            name: Ident::new(format!("pghaul_part_{}_{}", self.oid, partition.oid)),
        }
    }

    /// The statement that makes the part an index, or the constraint, under its own name.
    fn adopt(&self, partition: &Partition, new: &RelationName, name: &Ident) -> String {
        match &self.constraint {
            Some(Constraint { kind, deferrable, .. }) => format!(
                "alter table only {} add constraint {} {kind} using index {}{deferrable}",
                partition.table.quoted(),
                name.quoted(),
                new.name.quoted()
            ),
            None => format!("alter index {} rename to {}", new.quoted(), name.quoted()),
        }
    }
}

impl Lane<'_> {
    /// Builds and attaches what is missing of a partitioned index, and makes the server look whether
    /// all parts are valid by now.
    pub(super) async fn complete(
        &mut self,
        index: &Index,
        halt: &CancellationToken,
    ) -> Result<(), Error> {
        self.brief_locks(LOCK).await?;
        let table = (index.table_oid, index.oid, index.name.clone());
        let done = self.complete_one(table, halt).await;
        self.brief_locks("0").await.ok();
        done
    }

    /// The table, its index, the name of that.
    async fn complete_one(
        &mut self,
        (table, index, name): (u32, u32, RelationName),
        halt: &CancellationToken,
    ) -> Result<(), Error> {
        let session = self.open().await?;
        let whole = Whole::read(session, index, &name).await?;
        for partition in partitions(session, table, index).await? {
            if halt.is_cancelled() {
                break;
            }
            if partition.part.is_none() && !self.attach_what_fits(&whole, &partition).await? {
                match (partition.kind, whole.exclusion()) {
                    (Kind::Table, None) => self.build_part(&whole, &partition, halt).await?,
                    (Kind::Table, Some(constraint)) => {
                        self.exclude(&whole, constraint, &partition, halt).await?;
                    }
                    (Kind::Partitioned, _) => {
                        Box::pin(self.build_middle(&whole, &partition, halt)).await?;
                    }
                    (Kind::Foreign, _) => {}
                }
            }
        }
        // From 14 on attaching a part once more makes the server look.
        let session = self.open().await?;
        for partition in partitions(session, table, index).await? {
            if let Some(part) = &partition.part {
                attach(session, &whole.name, part).await?;
            }
        }
        Ok(())
    }

    /// Somebody may have built it, and not attached it.
    async fn attach_what_fits(
        &mut self,
        whole: &Whole,
        partition: &Partition,
    ) -> Result<bool, Error> {
        let session = self.open().await?;
        let doing = format!("look for a part of `{}` on `{}`", whole.name, partition.table);
        let sql = include_str!("unattached.sql");
        for row in session.query(&doing, sql, &[&partition.oid, &whole.oid]).await? {
            let part = RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1));
            match attach(session, &whole.name, &part).await {
                Ok(()) => return Ok(true),
                // It is defined in another way.
                Err(error) if error.sqlstate() == Some("42P17") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    async fn build_part(
        &mut self,
        whole: &Whole,
        partition: &Partition,
        halt: &CancellationToken,
    ) -> Result<(), Error> {
        let new = whole.name_of_new(partition);
        let doing = format!("build the part of `{}` on `{}`", whole.name, partition.table);
        // Locks of a concurrent build are waited for as long as it takes: nobody waits behind.
        let (concurrently, timeout) = match self.shared.options.locking {
            Locking::Concurrent => (" concurrently", "0"),
            Locking::Blocking => ("", LOCK),
        };
        let session = self.open().await?;
        if !is_valid(session, &new).await? {
            // What an interrupted attempt left.
            drop_new(session, &new).await?;
            let tablespace = whole.tablespace.as_ref().map_or("", Ident::as_str);
            let place = format!("set default_tablespace = {}", literal(tablespace));
            session.batch("set where the new index will lie", &place).await?;
            let sql = format!(
                "create {}index{concurrently} {} on {}{}",
                if whole.unique { "unique " } else { "" },
                new.name.quoted(),
                partition.table.quoted(),
                whole.using
            );
            session.batch(&doing, &format!("set lock_timeout = '{timeout}'")).await?;
            let built = super::raced(session, halt, session.batch(&doing, &sql)).await;
            let session = self.open().await?;
            session.batch("forget where the new index lies", "set default_tablespace = ''").await?;
            session.batch(&doing, &format!("set lock_timeout = '{LOCK}'")).await?;
            if let Err(error) = built {
                drop_new(session, &new).await?;
                return Err(error);
            }
        }
        let session = self.open().await?;
        let name = free_name(session, whole, partition).await?;
        let part = RelationName { schema: new.schema.clone(), name };
        let adopt = whole.adopt(partition, &new, &part.name);
        let attach = attach_statement(&whole.name, &part);
        let both = session.batch(&doing, &format!("begin; {adopt}; {attach}; commit")).await;
        if both.is_err() && !session.is_closed() {
            session.batch("roll back", "rollback").await?;
        }
        both
    }

    /// The part of an exclusion constraint: readers and writers of the partition wait while it is built.
    async fn exclude(
        &mut self,
        whole: &Whole,
        constraint: &Constraint,
        partition: &Partition,
        halt: &CancellationToken,
    ) -> Result<(), Error> {
        let session = self.open().await?;
        let part = RelationName {
            schema: partition.table.schema.clone(),
            name: free_name(session, whole, partition).await?,
        };
        let doing = format!("build the part of `{}` on `{}`", whole.name, partition.table);
        let tablespace = whole.tablespace.as_ref().map_or("", Ident::as_str);
        let sql = format!(
            "begin; set local default_tablespace = {}; alter table only {} add constraint {} {}; {}; commit",
            literal(tablespace),
            partition.table.quoted(),
            part.name.quoted(),
            constraint.definition,
            attach_statement(&whole.name, &part)
        );
        let built = super::raced(session, halt, session.batch(&doing, &sql)).await;
        let session = self.open().await?;
        if built.is_err() {
            session.batch("roll back", "rollback").await?;
        }
        built
    }

    /// The index of a partition that is partitioned itself: no rows, only parts.
    async fn build_middle(
        &mut self,
        whole: &Whole,
        partition: &Partition,
        halt: &CancellationToken,
    ) -> Result<(), Error> {
        let session = self.open().await?;
        let name = free_name(session, whole, partition).await?;
        let sql = match &whole.constraint {
            Some(constraint) => format!(
                "alter table only {} add constraint {} {}",
                partition.table.quoted(),
                name.quoted(),
                constraint.definition
            ),
            None => format!(
                "create {}index {} on only {}{}",
                if whole.unique { "unique " } else { "" },
                name.quoted(),
                partition.table.quoted(),
                whole.using
            ),
        };
        let part = RelationName { schema: partition.table.schema.clone(), name };
        let doing = format!("create the part of `{}` on `{}`", whole.name, partition.table);
        let attach = attach_statement(&whole.name, &part);
        let both = session.batch(&doing, &format!("begin; {sql}; {attach}; commit")).await;
        if both.is_err() && !session.is_closed() {
            session.batch("roll back", "rollback").await?;
        }
        both?;
        let sql = "select pg_catalog.to_regclass($1::text)::pg_catalog.oid::int8";
        let index = oid(session.query_one(&doing, sql, &[&part.quoted()]).await?.get(0));
        self.complete_one((partition.oid, index, part), halt).await
    }

    /// Why a partitioned index is not valid though everything was tried.
    pub(super) async fn why_not_valid(&mut self, index: &Index) -> Result<String, Error> {
        let session = self.open().await?;
        let mut reasons = Vec::new();
        for partition in partitions(session, index.table_oid, index.oid).await? {
            let table = &partition.table;
            match (&partition.part, partition.kind) {
                (None, Kind::Foreign) => reasons.push(format!(
                    "`{table}` is a foreign table, which can have no part of an index"
                )),
                (None, _) => reasons.push(format!("`{table}` has no part of it")),
                (Some(part), _) if !partition.part_is_valid => {
                    reasons.push(format!("its part `{part}` is not valid"));
                }
                (Some(_), _) => {}
            }
        }
        if reasons.is_empty() {
            reasons.push(
                "all its parts are there and valid, but before 14 the server looks at that only \
                 when a part is attached that was not, and none can be taken off"
                    .to_owned(),
            );
        }
        Ok(reasons.join("; "))
    }
}

async fn partitions(session: &Session, table: u32, index: u32) -> Result<Vec<Partition>, Error> {
    let doing = "read the partitions of a table and the parts of its index";
    let rows = session.query(doing, include_str!("partitions.sql"), &[&table, &index]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let text = |at: usize| row.get::<_, String>(at);
            let part = row.get::<_, Option<String>>(4).zip(row.get::<_, Option<String>>(5));
            Partition {
                oid: oid(row.get(0)),
                table: RelationName::new(text(1), text(2)),
                kind: match text(3).as_str() {
                    "p" => Kind::Partitioned,
                    "f" => Kind::Foreign,
                    _ => Kind::Table,
                },
                part: part.map(|(schema, name)| RelationName::new(schema, name)),
                part_is_valid: row.get(6),
            }
        })
        .collect())
}

fn attach_statement(whole: &RelationName, part: &RelationName) -> String {
    format!("alter index {} attach partition {}", whole.quoted(), part.quoted())
}

async fn attach(session: &Session, whole: &RelationName, part: &RelationName) -> Result<(), Error> {
    let doing = format!("make `{part}` a part of the partitioned index `{whole}`");
    session.batch(&doing, &attach_statement(whole, part)).await
}

async fn is_valid(session: &Session, name: &RelationName) -> Result<bool, Error> {
    let doing = format!("look at the index `{name}`");
    let sql = "select i.indisvalid and i.indisready from pg_catalog.pg_index i \
                where i.indexrelid = pg_catalog.to_regclass($1::text)";
    let rows = session.query(&doing, sql, &[&name.quoted()]).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// Drops a part that could not be built.
async fn drop_new(session: &Session, name: &RelationName) -> Result<(), Error> {
    let sql = format!("drop index concurrently if exists {}", name.quoted());
    session.batch("drop a part that was not built to its end", &sql).await
}

/// A name for a part: those of the partition and of the index, within the 63 bytes that names have.
async fn free_name(
    session: &Session,
    whole: &Whole,
    partition: &Partition,
) -> Result<Ident, Error> {
    let mut base = format!("{}_{}", partition.table.name, whole.name.name);
    while base.len() > 59 {
        base.pop();
    }
    let schema = &partition.table.schema;
    for number in 0..1000 {
        let name = if number == 0 { base.clone() } else { format!("{base}{number}") };
        let relation = RelationName { schema: schema.clone(), name: Ident::new(&name) };
        let sql = "select pg_catalog.to_regclass($1::text) is null";
        let row = session.query_one("find a free name", sql, &[&relation.quoted()]).await?;
        if row.get(0) {
            return Ok(relation.name);
        }
    }
    Err(Error::new(ErrorKind::Transfer, format!("there is no free name like `{base}`")))
}
