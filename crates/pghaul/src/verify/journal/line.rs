//! What the lines say.

use std::time::SystemTime;

use pghaul_archive::name::Sha;
use pghaul_rows::TableDigest;
use serde::{Deserialize, Serialize};

use super::super::known::{Instants, Known, ReadPart, digest};
use super::super::options::{Depth, DigestOn, Scope, VerifyOptions};
use super::super::outcome::VerifiedTable;
use super::super::pairs::PairKind;
use crate::archive::utc;
use crate::connect::Side;
use crate::name::{Ident, RelationName};
use crate::schema::compare::Compared;
use crate::state::DatabaseIdentity;

/// The first line: what is compared, and how.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begun {
    tool: String,
    begun: String,
    source: DatabaseIdentity,
    target: DatabaseIdentity,
    asked: Asked,
}

/// Options that decide a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::verify) struct Asked {
    scope: String,
    depth: String,
    owners: bool,
    privileges: bool,
    include: Vec<String>,
    exclude: Vec<String>,
    digest_on: String,
}

impl Asked {
    pub(in crate::verify) fn of(options: &VerifyOptions) -> Self {
        Self {
            scope: match options.scope {
                Scope::Everything => "everything",
                Scope::SchemaOnly => "schema",
                Scope::DataOnly => "data",
            }
            .to_owned(),
            depth: match options.depth {
                Depth::Full => "full".to_owned(),
                Depth::Rows => "rows".to_owned(),
                // As many digits as tell it from every other share.
                Depth::Sample(share) => format!("sample {share}"),
            },
            owners: options.owners == Compared::Yes,
            privileges: options.privileges == Compared::Yes,
            include: options.include.clone(),
            exclude: options.exclude.clone(),
            digest_on: match options.digest_on {
                DigestOn::Client => "client",
                DigestOn::Server => "server",
            }
            .to_owned(),
        }
    }
}

impl Begun {
    pub(super) fn new(
        (source, target): (&DatabaseIdentity, &DatabaseIdentity),
        asked: Asked,
    ) -> Self {
        Self {
            tool: concat!("pghaul ", env!("CARGO_PKG_VERSION")).to_owned(),
            begun: utc(SystemTime::now()),
            source: source.clone(),
            target: target.clone(),
            asked,
        }
    }

    /// Why this is not the comparison that is asked for, and what to do.
    pub(super) fn is_another(
        &self,
        (source, target): (&DatabaseIdentity, &DatabaseIdentity),
        asked: &Asked,
    ) -> Option<(String, &'static str)> {
        for (side, then, now) in
            [(Side::Source, &self.source, source), (Side::Target, &self.target, target)]
        {
            if !then.may_be(now) {
                let what = format!("has another {side}: `{}`", then.database);
                return Some((what, "name the databases that it was begun with, or another file"));
            }
        }
        (self.asked != *asked).then(|| {
            let hint = "repeat the options that it was begun with, or name another file";
            ("was begun with other options".to_owned(), hint)
        })
    }
}

/// One of the others.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::verify) enum Line {
    /// What follows is read at this moment.
    Moment(Instants),
    /// Transaction ids that exporting the moment's snapshots has taken by now.
    OwnIds { source: u64, target: u64 },
    /// A part of a table was read.
    Part { table: RelationName, target: bool, part: ReadPart },
    /// A table is equal on both sides.
    Equal {
        table: RelationName,
        matview: bool,
        #[serde(with = "digest")]
        digest: TableDigest,
        kind: Option<String>,
        bytes: u64,
        sampled: bool,
        key: Vec<Ident>,
        how: Sha,
    },
}

/// A line that no pghaul of this format writes.
pub(super) struct Unfit;

impl Line {
    pub(super) fn moment(now: &Instants) -> Self {
        Self::Moment(now.clone())
    }

    pub(super) fn own_ids((source, target): (u64, u64)) -> Self {
        Self::OwnIds { source, target }
    }

    pub(super) fn part(table: &RelationName, side: Side, part: &ReadPart) -> Self {
        Self::Part { table: table.clone(), target: side == Side::Target, part: part.clone() }
    }

    pub(super) fn equal(table: &VerifiedTable, how: Sha) -> Self {
        Self::Equal {
            table: table.name.clone(),
            matview: table.kind == PairKind::MaterializedViews,
            digest: table.source,
            kind: table.digest_kind.map(|kind| kind.name().to_owned()),
            bytes: table.bytes,
            sampled: table.sampled,
            key: table.key.clone(),
            how,
        }
    }

    /// Tells what it says.
    pub(super) fn tell(self, known: &mut Known) -> Result<(), Unfit> {
        match self {
            Self::Moment(now) => known.go_on_at(now, false),
            Self::OwnIds { source, target } => known.own_ids(source, target),
            Self::Part { table, target, part } => {
                let side = if target { Side::Target } else { Side::Source };
                known.add(&table, side, part);
            }
            Self::Equal { table, matview, digest, kind, bytes, sampled, key, how } => {
                let kind = kind.map(|kind| kind.parse().map_err(|_| Unfit)).transpose()?;
                let table = VerifiedTable {
                    name: table,
                    kind: if matview { PairKind::MaterializedViews } else { PairKind::Tables },
                    source: digest,
                    target: digest,
                    digest_kind: kind,
                    bytes,
                    equal: true,
                    sampled,
                    key,
                    named: 0,
                    all_named: true,
                    recheck: None,
                    moment: 0,
                };
                known.equal(table, how);
            }
        }
        Ok(())
    }
}
