//! A database of every type and every kind of object, by major: what a copy must carry.
//!
//! The SQL stands in `every_type/*.sql`, a file per *family*. Each family is cut into *objects*
//! by lines of the form
//!
//! ```text
//! -- @object NAME [since MAJOR] [until MAJOR] [superuser]
//! -- What it is, and why it is hard.
//! ```
//!
//! Invariants: an object is one message of the simple query protocol, so one transaction, and
//! needs nothing but its own family's schema and the family `roles`, which is always made;
//! objects are made in the order of the files; all default families load on every major without
//! an error, and what `pg_dump` 18 makes of them loads into 18 without one, but for the data of
//! two tables that text cannot carry (`times.interval_ends`, `texts.one_byte_char`).
//!
//! Not possible here: security labels (no provider in the server's own tree), extensions with
//! configuration tables (none in contrib), NaN with a sign on processors whose infinity minus
//! infinity has none.
//!
//! Roles belong to the cluster, are made once with the prefix `pghaul_`, and stay. So does a
//! database with the family `replication` on 10 and newer: `DROP DATABASE` refuses a database
//! with a subscription, and the testbed then leaves it to the end of its server.
//!
#![doc = include_str!("every_type/objects.md")]

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::servers::{Database, Major, Server, Session};
use crate::work::{self, Answer};

/// The families that are made by default, in the order in which they are made.
const FILES: [(&str, &str); 23] = [
    ("roles", include_str!("every_type/roles.sql")),
    ("numbers", include_str!("every_type/numbers.sql")),
    ("texts", include_str!("every_type/texts.sql")),
    ("times", include_str!("every_type/times.sql")),
    ("documents", include_str!("every_type/documents.sql")),
    ("identifiers", include_str!("every_type/identifiers.sql")),
    ("geometry", include_str!("every_type/geometry.sql")),
    ("arrays", include_str!("every_type/arrays.sql")),
    ("user_types", include_str!("every_type/user_types.sql")),
    ("tables", include_str!("every_type/tables.sql")),
    ("partitions", include_str!("every_type/partitions.sql")),
    ("constraints", include_str!("every_type/constraints.sql")),
    ("indexes", include_str!("every_type/indexes.sql")),
    ("views", include_str!("every_type/views.sql")),
    ("routines", include_str!("every_type/routines.sql")),
    ("names", include_str!("every_type/names.sql")),
    ("privileges", include_str!("every_type/privileges.sql")),
    ("sequences", include_str!("every_type/sequences.sql")),
    ("large_objects", include_str!("every_type/large_objects.sql")),
    ("extensions", include_str!("every_type/extensions.sql")),
    ("foreign_data", include_str!("every_type/foreign_data.sql")),
    ("replication", include_str!("every_type/replication.sql")),
    ("privileged", include_str!("every_type/privileged.sql")),
];

/// Those that are made only when asked for, after all others.
const ON_DEMAND: [(&str, &str); 2] = [
    ("left_behind", include_str!("every_type/left_behind.sql")),
    ("blockers", include_str!("every_type/blockers.sql")),
];

/// The family that all others need.
const ROLES: &str = "roles";

/// Something that the database holds, or a few things that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// The file it stands in.
    pub family: &'static str,
    /// Its name within the family.
    pub name: &'static str,
    /// The first major that it is made on.
    pub since: Major,
    /// The last one.
    pub until: Major,
    /// Whether only a superuser can make it, on at least one major.
    pub superuser: bool,
    /// The statements, the description before them included.
    pub sql: &'static str,
}

impl Object {
    /// Whether it is made on servers of this major.
    pub fn lives_on(&self, major: Major) -> bool {
        (self.since..=self.until).contains(&major)
    }

    /// What it is: the comment before its statements.
    pub fn about(&self) -> String {
        let lines = self.sql.lines().map_while(|line| line.strip_prefix("--")).map(str::trim);
        lines.collect::<Vec<_>>().join(" ")
    }

    fn parse(family: &'static str, text: &'static str) -> Result<Self> {
        let (head, sql) = text.split_once('\n').unwrap_or((text, ""));
        let wrong = || Error::new(format!("every_type/{family}.sql: not understood: `{head}`"));
        let mut words = head.split_whitespace();
        let name = words.next().ok_or_else(wrong)?;
        let (since, until, superuser) = (Major::OLDEST, Major::NEWEST, false);
        let mut object = Self { family, name, since, until, superuser, sql };
        while let Some(word) = words.next() {
            let mut major = || words.next().ok_or_else(wrong)?.parse();
            match word {
                "since" => object.since = major()?,
                "until" => object.until = major()?,
                "superuser" => object.superuser = true,
                _ => return Err(wrong()),
            }
        }
        Ok(object)
    }
}

fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.into_iter().chain(ON_DEMAND)
}

/// All objects in the order in which they are made, those of the families that are not made by
/// default last.
pub fn objects() -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    for (family, text) in files() {
        for piece in text.split("\n-- @object ").skip(1) {
            objects.push(Object::parse(family, piece)?);
        }
    }
    Ok(objects)
}

/// Which families to make. The default is all but `left_behind` and `blockers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Families {
    names: BTreeSet<String>,
    superuser: bool,
}

impl Default for Families {
    fn default() -> Self {
        Self::only(FILES.map(|(name, _)| name))
    }
}

impl Families {
    /// These families alone (and `roles`, as always).
    pub fn only<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(str::to_owned).collect();
        Self { names, superuser: true }
    }

    /// One more, such as `left_behind` (what no dump carries) or `blockers` (what newer servers
    /// refuse).
    #[must_use]
    pub fn and(mut self, name: &str) -> Self {
        self.names.insert(name.to_owned());
        self
    }

    /// One less.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.names.remove(name);
        self
    }

    /// Without the objects that only a superuser can make. Whoever makes the rest must own the
    /// database and be a member of the roles, which a superuser has made before
    /// ([`create_roles`]).
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.superuser = false;
        self
    }

    /// The objects of these families on this major, in the order in which they are made.
    pub fn objects(&self, major: Major) -> Result<Vec<Object>> {
        let known = |name: &&String| files().any(|(file, _)| file == *name);
        if let Some(name) = self.names.iter().find(|name| !known(name)) {
            let names: Vec<_> = files().map(|(name, _)| name).collect();
            return Err(Error::new(format!("every_type has no family {name}"))
                .with_hint(format!("the families are {}", names.join(", "))));
        }
        let mut objects = objects()?;
        objects.retain(|object| {
            object.lives_on(major)
                && (self.names.contains(object.family) || object.family == ROLES)
                && (self.superuser || !object.superuser)
        });
        Ok(objects)
    }
}

/// The whole as one text for psql.
pub fn script(major: Major, families: &Families) -> Result<String> {
    let mut script = String::new();
    for object in families.objects(major)? {
        script.push_str(&format!("-- {}.{}\n{}\n", object.family, object.name, object.sql));
    }
    Ok(script)
}

/// Makes the objects in a database, as the superuser. The first that fails is named.
pub fn load(database: &Database<'_>, families: &Families) -> Answer<()> {
    let (session, major, families) =
        (database.connect(), database.server().major(), families.clone());
    work::begin(async move { fill(&session.await?, major, &families).await })
}

/// Makes the objects through a session, whoever it belongs to.
pub fn load_as(session: &Session, major: Major, families: &Families) -> Answer<()> {
    let (session, families) = (session.clone(), families.clone());
    work::begin(async move { fill(&session, major, &families).await })
}

/// Makes the roles alone, on a server that is to receive a copy.
pub fn create_roles(server: &Server) -> Answer<()> {
    let (session, major) = (server.connect("postgres"), server.major());
    work::begin(async move { fill(&session.await?, major, &Families::only([])).await })
}

async fn fill(session: &Session, major: Major, families: &Families) -> Result<()> {
    for object in families.objects(major)? {
        session.client().batch_execute(object.sql).await.map_err(|cause| {
            let name = format!("{}.{}", object.family, object.name);
            Error::server(format!("cannot make {name} of every_type on {major}"), &cause)
        })?;
    }
    Ok(())
}

/// The table of all objects, as it stands in this module's documentation.
pub fn table() -> Result<String> {
    let mut table =
        String::from("| object | majors | only a superuser | what |\n|---|---|---|---|\n");
    for object in objects()? {
        let majors = match (object.since, object.until) {
            (Major::OLDEST, Major::NEWEST) => "all".to_owned(),
            (since, Major::NEWEST) => format!("{since} and newer"),
            (Major::OLDEST, Major::OLDEST) => Major::OLDEST.to_string(),
            (Major::OLDEST, until) => format!("{until} and older"),
            (since, until) => format!("{since} to {until}"),
        };
        let superuser = if object.superuser { "yes" } else { "" };
        let about = object.about().replace('|', "\\|").replace('<', "\\<").replace('[', "\\[");
        let (family, name) = (object.family, object.name);
        table.push_str(&format!("| `{family}.{name}` | {majors} | {superuser} | {about} |\n"));
    }
    Ok(table)
}
