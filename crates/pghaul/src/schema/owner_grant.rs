//! CREATE for a while: `ALTER … OWNER TO` by a role that is no superuser needs the new owner to
//! have CREATE on the schema, for publications and subscriptions on the database (Postgres
//! manual, `ALTER TABLE`).
//!
//! What is granted here is what the coming owner does not have, so taking it back leaves the
//! target as it was; it is taken back before the source's own privileges are given.

use std::collections::BTreeSet;
use std::fmt;

use super::emit::has_owner;
use super::entry::{Entry, Kind};
use crate::connect::Session;
use crate::error::Error;
use crate::name::Ident;

/// Where something is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In a schema.
    Schema(Ident),
    /// In the target's database itself, of this name.
    Database(Ident),
}

impl Place {
    fn quoted(&self) -> String {
        match self {
            Self::Schema(name) => format!("SCHEMA {}", name.quoted()),
            Self::Database(name) => format!("DATABASE {}", name.quoted()),
        }
    }
}

/// CREATE somewhere for a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerGrant {
    /// Where.
    pub place: Place,
    /// The coming owner.
    pub owner: Ident,
}

/// For people.
impl fmt::Display for OwnerGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Schema(name) => write!(f, "schema {name} for {}", self.owner),
            Place::Database(name) => write!(f, "database {name} for {}", self.owner),
        }
    }
}

impl OwnerGrant {
    pub(super) fn schema(&self) -> Option<&Ident> {
        match &self.place {
            Place::Schema(name) => Some(name),
            Place::Database(_) => None,
        }
    }

    pub(super) fn grant(&self) -> String {
        format!("GRANT CREATE ON {} TO {};\n", self.place.quoted(), self.owner.quoted())
    }

    pub(super) fn take_back(&self) -> String {
        format!("REVOKE CREATE ON {} FROM {};\n", self.place.quoted(), self.owner.quoted())
    }
}

/// What the owners in these entries need in the target's database of this name, whether they have
/// it or not.
pub fn owner_grants(entries: &[Entry], database: &str) -> BTreeSet<OwnerGrant> {
    let mut grants = BTreeSet::new();
    for entry in entries {
        let Some(owner) = entry.owner().map(Ident::new) else { continue };
        let place = match (&entry.kind, entry.namespace()) {
            (Kind::Publication | Kind::Subscription, _) => Place::Database(Ident::new(database)),
            (_, Some(namespace)) if has_owner(entry) => Place::Schema(Ident::new(namespace)),
            _ => continue,
        };
        grants.insert(OwnerGrant { place, owner });
    }
    // The owner of a schema may create in it once it is his; public is not given to anybody.
    let is_made = |entry: &&Entry| entry.kind == Kind::Schema && !entry.is_remark();
    for entry in entries.iter().filter(is_made) {
        if let Some(owner) = entry.owner() {
            let place = Place::Schema(Ident::new(entry.tag.as_str()));
            grants.remove(&OwnerGrant { place, owner: Ident::new(owner) });
        }
    }
    grants
}

/// Those that the target does not give already. Roles that are not there are left out; preflight
/// has named them.
///
/// # Errors
/// What the server said.
pub async fn missing_grants(
    target: &Session,
    grants: &BTreeSet<OwnerGrant>,
) -> Result<Vec<OwnerGrant>, Error> {
    let schemas: Vec<Option<&str>> =
        grants.iter().map(|grant| grant.schema().map(Ident::as_str)).collect();
    let owners: Vec<&str> = grants.iter().map(|grant| grant.owner.as_str()).collect();
    let rows = target
        .query(
            "ask who may create where",
            include_str!("owner_grant/missing.sql"),
            &[&schemas, &owners],
        )
        .await?;
    let missing: BTreeSet<(Option<String>, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let is_missing = |grant: &&OwnerGrant| {
        let schema = grant.schema().map(|name| name.as_str().to_owned());
        missing.contains(&(schema, grant.owner.as_str().to_owned()))
    };
    Ok(grants.iter().filter(is_missing).cloned().collect())
}
