//! Every finding that preflight can give: its code, its weight, what to do. This table is the
//! one place that decides on severities.
//!
//! Invariant: codes are a promise to scripts: never renamed, never given another meaning.

use crate::finding::{Finding, Severity};

/// One kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// A stable name in snake_case.
    pub code: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// What to do now.
    pub remedy: &'static str,
}

impl Rule {
    /// A finding of this kind.
    pub(crate) fn found(&self, message: impl Into<String>) -> Finding {
        Finding::new(self.severity, self.code, message, self.remedy)
    }
}

macro_rules! rules {
    ($($name:ident = $code:literal, $severity:ident, $remedy:literal;)*) => {
        $(pub(crate) const $name: Rule =
            Rule { code: $code, severity: Severity::$severity, remedy: $remedy };)*

        /// All kinds of findings, by subject.
        pub static RULES: &[Rule] = &[$($name),*];
    };
}

rules! {
    // Servers and sessions.
    NOT_POSTGRES = "not_postgres", Warning,
        "pghaul is tested with PostgreSQL only; check the result with `pghaul verify`";
    TARGET_OLDER = "target_older", Warning,
        "use a target of the source's major version or newer: what the older one lacks cannot arrive";
    MANAGED = "managed_service", Note,
        "nothing; what the service does not allow is a finding of its own";
    UNENCRYPTED = "unencrypted", Note,
        "use sslmode=verify-full where the network is not yours";
    SOURCE_STANDBY = "source_is_standby", Note,
        "nothing; everything is read as of one moment of the standby's replay";
    STANDBY_CANCELS = "standby_cancels_queries", Warning,
        "set max_standby_streaming_delay = -1 or hot_standby_feedback = on on the standby for the time of the copy";
    STANDBY_OLD = "standby_exports_no_snapshot", Blocker,
        "read from the primary, or promote the standby";
    UNLOGGED_ON_STANDBY = "unlogged_on_standby", Blocker,
        "read from the primary, or exclude it with --exclude";
    TARGET_STANDBY = "target_is_standby", Blocker,
        "give the primary as the target (target_session_attrs=primary finds it in a list)";
    TARGET_READ_ONLY = "target_read_only", Warning,
        "pghaul overrides default_transaction_read_only; if the service set it because the disk is full, make room first";
    CONNECTION_LIMIT = "connection_limit", Blocker,
        "use fewer jobs, or raise the limit";
    CONNECTIONS_SHORT = "connections_short", Warning,
        "use fewer jobs, end other sessions, or raise max_connections";
    LOCKS_EXCEEDED = "lock_table_too_small", Blocker,
        "raise max_locks_per_transaction on the source and restart it, or copy in parts with --include";
    LOCKS_SHORT = "lock_table_short", Warning,
        "raise max_locks_per_transaction on the source: other sessions need locks too";
    TIMEOUTS = "timeouts_lifted", Note,
        "nothing; pghaul lifts it for its own sessions";
    SNAPSHOT_TOO_OLD = "old_snapshot_threshold", Warning,
        "set old_snapshot_threshold = -1 and restart the source: a long copy fails with `snapshot too old`";
    FLOAT_DATETIMES = "float_datetimes", Blocker,
        "such a server (built without integer datetimes) is not supported; move it with pg_dump and psql";
    TRACK_COUNTS_OFF = "writes_not_counted", Note,
        "set track_counts = on, so that writers who were forgotten are noticed at the end";

    // This machine.
    PG_DUMP = "pg_dump_unusable", Blocker,
        "install the client programs of the target's major version, or name a pg_dump with --pg-dump PATH";

    // Who else is there.
    PREPARED_TRANSACTION = "prepared_transaction", Blocker,
        "end it with COMMIT PREPARED or ROLLBACK PREPARED: what it wrote is in no snapshot and would be missing";
    OTHER_SESSIONS = "other_sessions", Note,
        "stop applications that write: what they write after the copy began is not in it";
    LONG_TRANSACTION = "long_transaction", Note,
        "if it writes, wait for its end: what it has not committed when the copy begins is not in it";
    WRAPAROUND = "transaction_ids_short", Warning,
        "vacuum the source first: a long copy holds back vacuum's horizon";

    // Damage.
    CHECKSUM_FAILURES = "checksum_failures", Warning,
        "the source has damaged pages; look for them with pg_amcheck before trusting a copy";
    HIDDEN_DAMAGE = "damage_hidden", Warning,
        "turn it off in the source's configuration: damaged pages read as empty, and their rows would be missing without an error";
    INVALID_INDEX = "invalid_index", Warning,
        "rebuild it on the source with `pghaul rebuild`, or drop it; it will not be on the target";
    COLLATION_CHANGED = "collation_changed", Warning,
        "unique indexes may hold duplicates: run `pghaul duplicates scan` on the source, and `pghaul rebuild` if it stays in use";
    NOT_VALID = "constraint_not_valid", Note,
        "nothing; it stays NOT VALID on the target";
    FOREIGN_KEY_DISABLED = "foreign_key_disabled", Warning,
        "enable its triggers and look for rows without a parent: the key may not be valid on the target";
    TRIGGER_STATE = "trigger_state", Note,
        "nothing; it arrives in the same state";

    // Rights.
    UNREADABLE = "unreadable", Blocker,
        "grant it to the role, connect as the owner or a superuser, or exclude it with --exclude";
    ROW_SECURITY = "row_security", Blocker,
        "connect as a superuser, the owner, or a role with BYPASSRLS: policies would hide rows";
    LARGE_OBJECTS_UNREADABLE = "large_objects_unreadable", Blocker,
        "connect as their owner or a superuser, or GRANT SELECT ON LARGE OBJECT to the role";
    TARGET_RIGHTS = "target_rights", Blocker,
        "grant it to the role, or connect as the database's owner";
    ROLE_MISSING = "role_missing", Blocker,
        "create the role on the target, or use --no-owner";
    ROLE_NOT_GIVABLE = "role_not_givable", Blocker,
        "grant the role to the one that pghaul connects as (16 and newer: WITH SET TRUE, INHERIT TRUE), or use --no-owner";
    GRANTEE_MISSING = "grantee_missing", Blocker,
        "create the role on the target, or use --no-privileges";
    SUPERUSER_OBJECT = "superuser_object", Blocker,
        "connect to the target as a superuser, let an extension provide it, or drop it on the source";
    SUPERUSER_OBJECT_MANAGED = "superuser_object_managed", Warning,
        "some services let their administrator create it; if yours does not, it will be missing on the target";
    DEFAULT_PRIVILEGES = "default_privileges_on_target", Warning,
        "remove them with ALTER DEFAULT PRIVILEGES before the copy: they add grants to what is created";
    USER_MAPPING_HIDDEN = "user_mapping_hidden", Warning,
        "its options cannot be read; set user and password on the target by hand";
    PUBLIC_CREATES = "public_may_create", Note,
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC on the target if you want the default of 15 and newer";

    // What is on the target.
    STATE_TAKEN = "schema_pghaul_taken", Blocker,
        "rename or drop that schema; pghaul keeps the state of a run under this name";
    RUN_PRESENT = "run_present", Blocker,
        "go on with `pghaul clone --resume`, begin again with --restart, or remove its state with `pghaul finish`";
    TARGET_NOT_EMPTY = "target_not_empty", Blocker,
        "use an empty database, or leave it out with --exclude";
    TABLE_MISSING = "table_missing", Blocker,
        "create it on the target first, such as with --schema-only, or leave it out with --exclude";
    COLUMN_MISSING = "column_missing", Blocker,
        "add the column on the target, or leave the table out with --exclude";
    TABLE_NOT_EMPTY = "table_not_empty", Blocker,
        "empty the table, or leave it out with --exclude";
    TRIGGER_FIRES = "trigger_fires", Blocker,
        "disable it for the time of the copy, or connect as the table's owner, a superuser, or (15 and newer) a role with GRANT SET ON PARAMETER session_replication_role";
    FOREIGN_KEY_CIRCLE = "foreign_key_circle", Blocker,
        "drop the foreign key for the time of the copy, or connect as a superuser or (15 and newer) a role with GRANT SET ON PARAMETER session_replication_role";

    // Extensions and modules.
    EXTENSION_MISSING = "extension_missing", Blocker,
        "install its package on the target's server (managed services: enable it), or drop it on the source";
    EXTENSION_NEEDS_SUPERUSER = "extension_needs_superuser", Blocker,
        "let a superuser run CREATE EXTENSION on the target first";
    EXTENSION_NEEDS_SUPERUSER_MANAGED = "extension_needs_superuser_managed", Warning,
        "if the service does not allow it, create the extension by the service's own means first";
    EXTENSION_VERSION = "extension_version", Note,
        "nothing; test the application with the target's version";
    EXTENSION_OLDER = "extension_older", Warning,
        "install a package of the source's version or newer on the target";
    EXTENSIONS_UNKNOWN = "extensions_unknown", Warning,
        "repair the target's extension folder: which extensions it has cannot be told";
    ACCESS_METHOD_MISSING = "access_method_missing", Blocker,
        "install the extension that provides it on the target, or ALTER TABLE … SET ACCESS METHOD heap on the source";
    ACCESS_METHOD = "access_method", Note,
        "nothing; it is copied by one reader";
    SECURITY_LABEL = "security_label", Warning,
        "load the provider's module on the target (shared_preload_libraries), or the labels will be missing";

    // Encoding and locale.
    SQL_ASCII = "sql_ascii", Warning,
        "nobody checked the source's bytes: rows that are not valid in the target's encoding are refused by it; find them first";
    ENCODING_DIFFERS = "encoding_differs", Warning,
        "create the target database with encoding UTF8: characters that its encoding lacks are refused";
    LOCALE_DIFFERS = "locale_differs", Warning,
        "create the target database with the source's locale if sort order and case rules are to stay";
    SORT_ORDER_DIFFERS = "sort_order_differs", Warning,
        "text sorts differently on the target though the locale's name is the same (another C library); run `pghaul duplicates scan` on the source";
    COLLATION_MISSING = "collation_missing", Blocker,
        "install the locale on the target's server and run pg_import_system_collations there, or use another collation on the source";
    PARTITIONS_BY_TEXT = "partitions_by_text", Note,
        "nothing; rows go in through the root, which finds their partition anew";

    // Types and statements.
    TYPE_REMOVED = "type_removed", Blocker,
        "change the column's type on the source (timestamptz, interval, text), or exclude the table";
    TYPE_TOO_NEW = "type_too_new", Blocker,
        "use a target of that version or newer, or leave it out with --exclude";
    TYPE_INTERNAL = "type_internal", Blocker,
        "no server reads such values back; drop the column, or exclude the table";
    TYPE_OF_SYSTEM = "type_of_system_row", Warning,
        "give the column a type of your own: the row type of a system table changes between versions";
    TYPE_REFERENCE = "type_reference", Note,
        "nothing; it is copied by name, and the object must exist on the target";
    WITH_OIDS = "with_oids", Warning,
        "if the OIDs matter, copy them into a column of their own first: they are not carried";
    OID_COLUMN = "oid_column_used", Blocker,
        "tables have no such column on the target: drop what uses it on the source, or leave it out with --exclude if it is a view";
    INDEX_SEARCH_PATH = "index_needs_search_path", Warning,
        "give the function its own (ALTER FUNCTION … SET search_path = …): on the source before the copy, or on the target when the index fails, then go on with --resume";
    ROUTINE_TYPE = "routine_type_removed", Blocker,
        "the target has no such type: drop it on the source, or make it anew over timestamptz, interval or text";
    XML_UNSUPPORTED = "xml_unsupported", Blocker,
        "use a server built with libxml, or change the column's type";
    MONEY = "money_meaning", Warning,
        "set lc_monetary on the target database as on the source: the same number means another amount";
    LZ4_UNSUPPORTED = "lz4_unsupported", Blocker,
        "use a server built with lz4, or ALTER TABLE … ALTER COLUMN … SET COMPRESSION pglz on the source";
    NOT_NULL_CHILD = "not_null_not_inherited", Warning,
        "on the target the child inherits NOT NULL, and rows with NULL cannot be loaded: look for them first";
    GENERATED_CHILD = "generated_not_inherited", Blocker,
        "16 and newer refuse it: make the column of both or of neither a generated one";
    UNLOGGED_PARTITIONED = "unlogged_partitioned", Note,
        "nothing; partitions keep their own persistence";
    POSTFIX_OPERATOR = "postfix_operator", Blocker,
        "14 and newer have none: drop it, use its function instead";
    POLYMORPHIC_ARRAY = "polymorphic_array", Blocker,
        "14 and newer declare its function for anycompatiblearray: create it again over the new types on the target, drop it on the source";
    CONVERSION = "conversion_signature", Warning,
        "14 and newer call its function with another signature: have the extension or module rebuilt";
    FUNCTION_SETTING = "function_setting_unknown", Blocker,
        "ALTER FUNCTION … RESET it on the source: the target does not know the setting";
    FUNCTION_SETTING_DENIED = "function_setting_denied", Blocker,
        "connect to the target as a superuser, or ALTER FUNCTION … RESET it on the source";

    // What does not come along.
    FOREIGN_TABLE = "foreign_table", Note,
        "its rows live elsewhere and are not copied; the target's server must reach them too";
    SETTINGS_NOT_CARRIED = "settings_not_carried", Note,
        "ALTER ROLE and ALTER DATABASE … SET on the target what is still wanted";
    TABLESPACE = "tablespace", Note,
        "everything goes into the target database's default tablespace";
    PUBLICATION = "publication", Note,
        "subscribers must be pointed at the target";
    SUBSCRIPTION = "subscription", Note,
        "it is not active on the target; and while it is on the source, the source is written to";
    REPLICATION_SLOT = "replication_slot", Note,
        "create it on the target for consumers that move there; drop it on the source in the end";
    LARGE_OBJECTS = "large_objects", Note,
        "nothing; they are carried with owners, privileges and comments";
    LARGE_OBJECTS_NOT_CARRIED = "large_objects_not_carried", Note,
        "nothing, if they are not wanted; they come along without --include and --schema-only";
    RESERVED_SCHEMA = "reserved_schema", Warning,
        "pghaul keeps its state under this name and never copies it; if it is your own, rename it";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::RULES;

    #[test]
    fn codes_are_unique_and_fit_for_scripts() {
        let codes: HashSet<_> = RULES.iter().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), RULES.len());
        for rule in RULES {
            assert!(
                rule.code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{rule:?}"
            );
            assert!(!rule.remedy.is_empty() && !rule.remedy.ends_with('.'), "{rule:?}");
        }
    }
}
