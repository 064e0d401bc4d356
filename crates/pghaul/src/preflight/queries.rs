//! Findings that one query tells: which query, on which side and versions, what it says.
//!
//! Invariant: each file's first line names its columns; placeholders of a message count the
//! columns behind the object's.

use super::rules::{self, Rule};
use crate::version::ServerVersion;

/// On which side a query runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Source,
    Target,
    Both,
}

/// What the first columns name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The first column is an object, or null.
    Object,
    /// The first two columns are the schema and name of a relation, which filters leave out.
    Relation,
}

/// One query.
pub(super) struct Query {
    pub(super) rule: Rule,
    pub(super) on: On,
    /// The first version of the server that it runs on.
    pub(super) from: u32,
    /// The first version that it does not run on.
    pub(super) before: u32,
    /// It matters only for targets of this version or newer.
    pub(super) target_from: u32,
    pub(super) about: About,
    pub(super) sql: &'static str,
    /// `{0}`, `{1}`, … are the columns behind the object's; `{side}` is the side.
    pub(super) message: &'static str,
}

impl Query {
    pub(super) fn runs_on(&self, version: ServerVersion, target: ServerVersion) -> bool {
        (self.from..self.before).contains(&version.num()) && target.num() >= self.target_from
    }

    const fn from(mut self, from: u32) -> Self {
        self.from = from;
        self
    }

    const fn before(mut self, before: u32) -> Self {
        self.before = before;
        self
    }

    const fn for_targets_from(mut self, target_from: u32) -> Self {
        self.target_from = target_from;
        self
    }
}

const fn query(
    rule: Rule,
    on: On,
    about: About,
    sql: &'static str,
    message: &'static str,
) -> Query {
    Query { rule, on, from: 0, before: u32::MAX, target_from: 0, about, sql, message }
}

/// About objects of the source.
const fn object(rule: Rule, sql: &'static str, message: &'static str) -> Query {
    query(rule, On::Source, About::Object, sql, message)
}

/// About relations of the source.
const fn relation(rule: Rule, sql: &'static str, message: &'static str) -> Query {
    query(rule, On::Source, About::Relation, sql, message)
}

/// About a server as a whole.
const fn server(rule: Rule, on: On, sql: &'static str, message: &'static str) -> Query {
    query(rule, on, About::Object, sql, message)
}

macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!($name, ".sql"))
    };
}

/// The table.
pub(super) static QUERIES: &[Query] = &[
    server(rules::NOT_POSTGRES, On::Both, sql!("not_postgres"), "the {side} is {0}"),
    server(rules::MANAGED, On::Both, sql!("provider"), "the {side} is a managed service: {0}"),
    server(
        rules::UNENCRYPTED,
        On::Both,
        sql!("unencrypted"),
        "the connection to the {side} goes over the network without TLS",
    ),
    server(
        rules::TIMEOUTS,
        On::Both,
        sql!("timeouts"),
        "{0} = {1} is set for the role on the {side}",
    ),
    server(
        rules::SNAPSHOT_TOO_OLD,
        On::Source,
        sql!("old_snapshot_threshold"),
        "old_snapshot_threshold = {0} min",
    )
    .before(170_000),
    server(
        rules::FLOAT_DATETIMES,
        On::Both,
        sql!("float_datetimes"),
        "the {side} keeps dates and times as floating point",
    ),
    server(
        rules::TRACK_COUNTS_OFF,
        On::Source,
        sql!("track_counts"),
        "the source does not count writes (track_counts = off)",
    ),
    object(
        rules::PREPARED_TRANSACTION,
        sql!("prepared_transactions"),
        "a transaction is prepared since {1} by {0}",
    ),
    server(
        rules::OTHER_SESSIONS,
        On::Source,
        sql!("other_sessions_96"),
        "{1} sessions of {0} on the source, {2} of them in a transaction",
    )
    .before(100_000),
    server(
        rules::OTHER_SESSIONS,
        On::Source,
        sql!("other_sessions_10"),
        "{1} sessions of {0} on the source, {2} of them in a transaction",
    )
    .from(100_000),
    server(
        rules::LONG_TRANSACTION,
        On::Source,
        sql!("long_transactions"),
        "a transaction of {1} ({2}, pid {0}) is open for {3} minutes",
    ),
    server(
        rules::WRAPAROUND,
        On::Source,
        sql!("wraparound"),
        "the oldest transaction id is {0} transactions old",
    ),
    server(
        rules::CHECKSUM_FAILURES,
        On::Source,
        sql!("checksum_failures"),
        "{0} pages had a wrong checksum, last at {1}",
    )
    .from(120_000),
    object(rules::HIDDEN_DAMAGE, sql!("hidden_damage"), "it is on for the role on the source"),
    relation(rules::INVALID_INDEX, sql!("invalid_indexes"), "its index {0} is not valid"),
    object(
        rules::COLLATION_CHANGED,
        sql!("collation_versions"),
        "a collation is recorded with version {0}, the system has {1}",
    )
    .from(100_000),
    object(
        rules::COLLATION_CHANGED,
        sql!("database_collation_version"),
        "the database's collation is recorded with version {0}, the system has {1}",
    )
    .from(150_000),
    relation(rules::NOT_VALID, sql!("constraints_not_valid"), "its constraint {0} is NOT VALID"),
    relation(
        rules::FOREIGN_KEY_DISABLED,
        sql!("disabled_foreign_keys"),
        "the checks of its foreign key {0} are disabled",
    ),
    relation(rules::TRIGGER_STATE, sql!("disabled_triggers"), "its trigger {0}: {1}"),
    relation(rules::UNREADABLE, sql!("unreadable"), "the role lacks {0}"),
    relation(
        rules::UNLOGGED_ON_STANDBY,
        sql!("unlogged"),
        "it is unlogged: a standby has no rows of it",
    ),
    relation(rules::ROW_SECURITY, sql!("row_security"), "its policies apply to the role"),
    object(
        rules::USER_MAPPING_HIDDEN,
        sql!("user_mappings"),
        "the options of the user mapping for server {0} are hidden from the role",
    ),
    object(rules::SECURITY_LABEL, sql!("security_labels"), "{0} security labels of this provider"),
    relation(
        rules::PARTITIONS_BY_TEXT,
        sql!("partitions_by_text"),
        "its ranges compare text by collation {0}",
    )
    .from(100_000),
    relation(rules::WITH_OIDS, sql!("with_oids"), "the table is WITH OIDS").before(120_000),
    relation(rules::OID_COLUMN, sql!("oid_column"), "{0} uses the column oid of {1}")
        .before(120_000)
        .for_targets_from(120_000),
    object(
        rules::ROUTINE_TYPE,
        sql!("routines_of_gone_types"),
        "its arguments or its result are of type {0}",
    )
    .before(120_000)
    .for_targets_from(120_000),
    relation(
        rules::NOT_NULL_CHILD,
        sql!("not_null_children"),
        "its column {0} may be null, that of its parent {1} may not",
    )
    .before(180_000),
    relation(
        rules::GENERATED_CHILD,
        sql!("generated_children"),
        "its column {0} is generated, that of its parent {1} is not",
    )
    .from(120_000)
    .for_targets_from(160_000),
    relation(
        rules::UNLOGGED_PARTITIONED,
        sql!("unlogged_partitioned"),
        "a partitioned table cannot be unlogged on the target",
    )
    .from(100_000)
    .for_targets_from(180_000),
    object(rules::POSTFIX_OPERATOR, sql!("postfix_operators"), "a postfix operator")
        .before(140_000)
        .for_targets_from(140_000),
    object(
        rules::POLYMORPHIC_ARRAY,
        sql!("polymorphic_arrays"),
        "the {0} uses a function on anyarray",
    )
    .before(140_000)
    .for_targets_from(140_000),
    object(rules::CONVERSION, sql!("conversions"), "a conversion of encodings")
        .before(140_000)
        .for_targets_from(140_000),
    object(
        rules::PUBLIC_CREATES,
        sql!("public_schema"),
        "everybody may create in schema public on the source, and so on the target",
    )
    .before(150_000)
    .for_targets_from(150_000),
    relation(rules::FOREIGN_TABLE, sql!("foreign_tables"), "a foreign table of server {0}"),
    object(
        rules::SETTINGS_NOT_CARRIED,
        sql!("settings_not_carried"),
        "settings are not carried: {0}",
    ),
    object(rules::TABLESPACE, sql!("tablespaces"), "{0} relations lie in this tablespace"),
    object(rules::PUBLICATION, sql!("publications"), "a publication").from(100_000),
    object(rules::SUBSCRIPTION, sql!("subscriptions"), "a subscription").from(100_000),
    object(
        rules::REPLICATION_SLOT,
        sql!("replication_slots"),
        "a replication slot ({0}) is not carried",
    ),
    object(rules::RESERVED_SCHEMA, sql!("reserved_schema"), "the source has a schema of this name"),
    query(
        rules::TARGET_RIGHTS,
        On::Target,
        About::Object,
        sql!("target_rights"),
        "the role lacks {0} on the target",
    ),
    query(
        rules::DEFAULT_PRIVILEGES,
        On::Target,
        About::Object,
        sql!("default_privileges"),
        "default privileges of this role for {0}",
    ),
];

#[cfg(test)]
mod tests {
    use super::{About, QUERIES};

    #[test]
    fn each_file_says_its_columns_and_each_message_uses_no_others() {
        for query in QUERIES {
            let first = query.sql.lines().next().unwrap_or_default();
            let columns = first.split("Columns: ").nth(1).unwrap_or_else(|| panic!("{first}"));
            let columns = columns.trim_end_matches('.').split(", ").count();
            let behind = columns - if query.about == About::Relation { 2 } else { 1 };
            for place in 0..9 {
                let used = query.message.contains(&format!("{{{place}}}"));
                assert!(!used || place < behind, "{first}: {}", query.message);
            }
        }
    }
}
