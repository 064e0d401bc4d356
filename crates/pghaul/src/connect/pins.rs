//! The one table of session settings: what every session of pghaul sets before its first
//! statement, by purpose.
//!
//! Invariants: whatever a role, a database, the server's files or `options` say, a session whose
//! [`statement`] succeeded has the values below; settings that a server does not have are left
//! out; settings that need a superuser are pinned where we are one. Nothing is sent in the
//! startup message unless a session cannot live without it, since poolers refuse what they do
//! not know there.

use tokio_postgres::Client;

use super::Purpose;
use crate::name::literal;
use crate::version::ServerVersion;

/// One setting and its values by purpose; `None` leaves the setting alone.
struct Pin {
    name: &'static str,
    catalog: Option<&'static str>,
    read: Option<&'static str>,
    write: Option<&'static str>,
    schema: Option<&'static str>,
    /// Whether a server may refuse it without harm.
    may_fail: bool,
}

/// Whether the database says how its bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Known,
    /// `SQL_ASCII`. With another client encoding the server would refuse to send and to take
    /// rows whose bytes are not valid in it (tried).
    None,
}

impl Pin {
    const fn may_fail(mut self) -> Self {
        self.may_fail = true;
        self
    }

    fn value(&self, purpose: Purpose, encoding: Encoding) -> Option<&'static str> {
        if self.name == "client_encoding"
            && encoding == Encoding::None
            && matches!(purpose, Purpose::Read | Purpose::Write)
        {
            return Some("SQL_ASCII");
        }
        match purpose {
            Purpose::Catalog => self.catalog,
            Purpose::Read => self.read,
            Purpose::Write => self.write,
            Purpose::Schema => self.schema,
        }
    }
}

/// For every purpose.
const fn all(name: &'static str, value: &'static str) -> Pin {
    let value = Some(value);
    Pin { name, catalog: value, read: value, write: value, schema: value, may_fail: false }
}

/// One value where we only read, another where we write.
const fn split(name: &'static str, reading: &'static str, writing: &'static str) -> Pin {
    let (reading, writing) = (Some(reading), Some(writing));
    Pin { name, catalog: reading, read: reading, write: writing, schema: writing, may_fail: false }
}

/// One value where user tables are read, another everywhere else.
const fn reader(name: &'static str, reading: &'static str, elsewhere: &'static str) -> Pin {
    Pin { read: Some(reading), ..all(name, elsewhere) }
}

/// Only where we read; writers keep what the server gives them.
const fn reading(name: &'static str, value: &'static str) -> Pin {
    Pin { write: None, schema: None, ..all(name, value) }
}

/// Only before statements of pg_dump's archive.
const fn schema(name: &'static str, value: &'static str) -> Pin {
    Pin { catalog: None, read: None, write: None, ..all(name, value) }
}

/// The table.
static PINS: &[Pin] = &[
    // What values look like as text. No setting makes floats equal across 11 and 12; 3 is exact.
    all("client_encoding", "UTF8"),
    all("DateStyle", "ISO, YMD"),
    all("IntervalStyle", "postgres"),
    all("TimeZone", "UTC"),
    all("bytea_output", "hex"),
    all("extra_float_digits", "3"),
    all("lc_monetary", "C"),
    all("lc_numeric", "C"),
    all("lc_time", "C"),
    all("xmloption", "content"),
    all("xmlbinary", "base64"),
    all("quote_all_identifiers", "off"),
    // What statements mean.
    all("standard_conforming_strings", "on"),
    all("search_path", ""),
    all("transform_null_equals", "off"),
    // Off, {a,NULL} loads silently as {a,"NULL"}.
    all("array_nulls", "on"),
    // 9.6 only: off, a query of a parent leaves its children out.
    all("sql_inheritance", "on"),
    // A policy must be an error and not missing rows.
    all("row_security", "off"),
    // CVE-2024-7348: a table replaced by a view while we read. Writers refresh materialized
    // views, which may read views.
    split("restrict_nonsystem_relation_kind", "view, foreign-table", ""),
    // Transactions.
    split("default_transaction_read_only", "on", "off"),
    all("default_transaction_isolation", "read committed"),
    all("default_transaction_deferrable", "off"),
    all("statement_timeout", "0"),
    // A reader that waits behind somebody's ALTER, which waits for the keeper, would wait for ever.
    reader("lock_timeout", "30s", "0"),
    all("idle_in_transaction_session_timeout", "0"),
    all("idle_session_timeout", "0"),
    all("transaction_timeout", "0"),
    // So that the locks and claims of a dead worker go within a minute.
    all("tcp_keepalives_idle", "20").may_fail(),
    all("tcp_keepalives_interval", "5").may_fail(),
    all("tcp_keepalives_count", "4").may_fail(),
    // Not on a session that streams to us: Linux takes a receiver that is alive but has no room
    // for dead (tried), and a reader stops reading whenever its writer is slow.
    reader("tcp_user_timeout", "0", "40000").may_fail(),
    all("client_connection_check_interval", "10000").may_fail(),
    // Plans. No index is trusted while user tables are read, and parts need the heap's order.
    all("enable_seqscan", "on"),
    all("enable_tidscan", "on"),
    reader("enable_indexscan", "off", "on"),
    reader("enable_indexonlyscan", "off", "on"),
    reader("enable_bitmapscan", "off", "on"),
    reader("synchronize_seqscans", "off", "on"),
    reading("max_parallel_workers_per_gather", "0"),
    reading("jit", "off"),
    // A superuser's file may have set these; on, damaged pages read as empty ones.
    all("zero_damaged_pages", "off").may_fail(),
    all("ignore_checksum_failure", "off").may_fail(),
    // What pg_dump's statements take for granted.
    schema("check_function_bodies", "off"),
    schema("client_min_messages", "warning"),
    schema("default_tablespace", ""),
    schema("default_table_access_method", "heap"),
    schema("default_with_oids", "off"),
    schema("event_triggers", "off").may_fail(),
];

/// Goes in a message of its own before [`statement`], so that a tiny timeout of the role ends
/// at it, and no operator of a hostile search path is met later.
pub(super) const FIRST: &str = "set statement_timeout = 0; set search_path = ''";

/// All pins of a purpose in one statement, fit for any server.
pub(super) fn statement(purpose: Purpose, encoding: Encoding) -> String {
    write(PINS, purpose, encoding)
}

fn write(pins: &[Pin], purpose: Purpose, encoding: Encoding) -> String {
    let values: Vec<String> = pins
        .iter()
        .filter_map(|pin| {
            Some(format!("({}, {})", literal(pin.name), literal(pin.value(purpose, encoding)?)))
        })
        .collect();
    format!(include_str!("pins.sql"), values.join(",\n    "))
}

/// Whether plans of a reader may use indexes, as one statement.
pub(super) fn indexes(allowed: &str) -> String {
    let unlike = |pin: &&Pin| pin.name.starts_with("enable_") && pin.read != pin.catalog;
    let sets = PINS.iter().filter(unlike).map(|pin| format!("set {} = {allowed}", pin.name));
    sets.collect::<Vec<_>>().join("; ")
}

/// Where names without a schema are looked for, as one statement.
pub(super) fn search_path(path: &str) -> String {
    format!("select pg_catalog.set_config('search_path', {}, false)", literal(path))
}

/// One by one, for a server that refused the whole statement: pins that may fail then do.
pub(super) async fn apply_singly(
    client: &Client,
    purpose: Purpose,
    encoding: Encoding,
) -> Result<(), tokio_postgres::Error> {
    for pin in PINS.chunks(1).filter(|pin| pin[0].value(purpose, encoding).is_some()) {
        match client.batch_execute(&write(pin, purpose, encoding)).await {
            Err(error) if !pin[0].may_fail || error.as_db_error().is_none() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// `options` for a server that ends sessions or statements faster than pins can be sent.
/// Postgres gives what a client says at startup precedence over the settings of its role.
pub(crate) fn startup_options(version: ServerVersion) -> String {
    let mut options = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0".to_owned();
    if version.at_least(14) {
        options.push_str(" -c idle_session_timeout=0");
    }
    if version.at_least(17) {
        options.push_str(" -c transaction_timeout=0");
    }
    options
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_setting_stands_once() {
        let names: HashSet<_> = PINS.iter().map(|pin| pin.name.to_lowercase()).collect();
        assert_eq!(names.len(), PINS.len());
    }

    #[test]
    fn readers_trust_no_index_and_may_not_write() {
        let text = statement(Purpose::Read, Encoding::Known);
        for pin in [
            "('enable_indexscan', 'off')",
            "('enable_indexonlyscan', 'off')",
            "('enable_bitmapscan', 'off')",
            "('synchronize_seqscans', 'off')",
            "('default_transaction_read_only', 'on')",
            "('row_security', 'off')",
        ] {
            assert!(text.contains(pin), "{pin} in {text}");
        }
        let allowed = indexes("on");
        assert_eq!(allowed.matches("scan = on").count(), 3, "{allowed}");
        assert!(
            statement(Purpose::Write, Encoding::Known)
                .contains("('default_transaction_read_only', 'off')")
        );
    }
}
