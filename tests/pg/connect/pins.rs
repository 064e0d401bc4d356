//! Settings: what a hostile role, database, server or connection string says does not count.

use pghaul::connect::{Purpose, Session};
use pghaul_testbed::{CreateOptions, Database, Major, Options, Role, Server};

use super::{connect, endpoint, value};

/// Settings as users, databases and servers have them in the wild, and worse.
const HOSTILE: &[(&str, &str)] = &[
    ("DateStyle", "'SQL, DMY'"),
    ("IntervalStyle", "'sql_standard'"),
    ("TimeZone", "'Europe/Amsterdam'"),
    ("bytea_output", "'escape'"),
    ("extra_float_digits", "-15"),
    ("xmloption", "'document'"),
    ("xmlbinary", "'hex'"),
    ("quote_all_identifiers", "on"),
    ("standard_conforming_strings", "off"),
    ("search_path", "hostile, public, pg_catalog"),
    ("transform_null_equals", "on"),
    ("array_nulls", "off"),
    ("row_security", "on"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_isolation", "'serializable'"),
    ("default_transaction_deferrable", "on"),
    ("statement_timeout", "'1h'"),
    ("lock_timeout", "'1ms'"),
    ("idle_in_transaction_session_timeout", "'1h'"),
    ("enable_seqscan", "off"),
    ("enable_tidscan", "off"),
    ("synchronize_seqscans", "on"),
    ("check_function_bodies", "on"),
    ("client_min_messages", "debug1"),
];

const EXPECTED: &[(&str, &str)] = &[
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "3"),
    ("lc_monetary", "C"),
    ("xmloption", "content"),
    ("xmlbinary", "base64"),
    ("quote_all_identifiers", "off"),
    ("standard_conforming_strings", "on"),
    ("search_path", ""),
    ("transform_null_equals", "off"),
    ("array_nulls", "on"),
    ("row_security", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("enable_seqscan", "on"),
    ("enable_tidscan", "on"),
];

const PURPOSES: [Purpose; 4] = [Purpose::Catalog, Purpose::Read, Purpose::Write, Purpose::Schema];

fn by_purpose(purpose: Purpose) -> Vec<(&'static str, &'static str)> {
    let mut settings = EXPECTED.to_vec();
    let reads = matches!(purpose, Purpose::Catalog | Purpose::Read);
    settings.push(("default_transaction_read_only", if reads { "on" } else { "off" }));
    let indexes = if purpose == Purpose::Read { "off" } else { "on" };
    settings.push(("enable_indexscan", indexes));
    settings.push(("enable_indexonlyscan", indexes));
    settings.push(("enable_bitmapscan", indexes));
    settings.push(("synchronize_seqscans", indexes));
    let lock_timeout = if purpose == Purpose::Read { "30s" } else { "0" };
    settings.push(("lock_timeout", lock_timeout));
    if reads {
        settings.push(("max_parallel_workers_per_gather", "0"));
    }
    if purpose == Purpose::Schema {
        settings.push(("check_function_bodies", "off"));
        settings.push(("client_min_messages", "warning"));
        settings.push(("default_tablespace", ""));
    }
    settings
}

async fn assert_pinned(session: &Session) {
    for (name, expected) in by_purpose(session.purpose()) {
        let sql = format!("select current_setting('{name}')");
        let found = value(session, &sql).await.unwrap();
        assert_eq!(found, expected, "{name} for {:?} on {}", session.purpose(), session.version());
    }
    let isolation = "select current_setting('transaction_isolation')";
    assert_eq!(value(session, isolation).await.as_deref(), Some("read committed"));
}

#[tokio::test]
async fn settings_of_role_database_and_server_are_overridden_on_every_major() {
    for major in Major::ALL {
        let server = Server::shared(major).unwrap();
        let base = Database::new(server, "pins").unwrap();
        let role = Role::create(server, "pins", "").unwrap();
        let hostile_role = format!("alter role \"{}\" in database \"{}\"", role.name, base.name());
        let hostile_base = format!("alter database \"{}\"", base.name());
        for (at, (name, bad)) in HOSTILE.iter().enumerate() {
            let of = if at % 2 == 0 { &hostile_role } else { &hostile_base };
            server.execute(format!("{of} set {name} = {bad}")).wait().unwrap();
        }
        for purpose in PURPOSES {
            let session = connect(&base.url_as(&role), purpose).await.unwrap();
            assert_eq!(session.version().major(), major.number());
            assert_pinned(&session).await;
        }
        let endpoint = endpoint(&base.url_as(&role));
        assert!(!endpoint.connect(Purpose::Write, "t").await.unwrap().writes_by_default());
    }
}

#[tokio::test]
async fn settings_of_the_connection_string_are_overridden() {
    let server = Server::shared(Major::NEWEST).unwrap();
    let base = Database::new(server, "pins").unwrap();
    let options = HOSTILE
        .iter()
        .filter(|(_, bad)| !bad.contains(','))
        .map(|(name, bad)| format!("-c {name}={}", bad.trim_matches('\'')))
        .collect::<Vec<_>>()
        .join(" ");
    let url = format!("{} options='{options} -c work_mem=1234kB'", words(&base));
    for purpose in PURPOSES {
        let session = connect(&url, purpose).await.unwrap();
        assert_pinned(&session).await;
        let kept = value(&session, "show work_mem").await;
        assert_eq!(kept.as_deref(), Some("1234kB"), "what is not pinned stays as asked");
    }
}

/// `keyword=value` words of a database by its server's socket.
fn words(base: &Database<'_>) -> String {
    let folder = base.server().socket_dir().display().to_string();
    let port = base.server().port();
    format!("host={folder} port={port} user=postgres dbname={}", base.name())
}

/// A timeout so small that a statement that pins cannot be sure to end, or that the session
/// ends before it can be sent.
#[tokio::test]
async fn tiny_timeouts_are_survived() {
    for (major, setting) in [
        (Major::V9_6, "statement_timeout"),
        (Major::V14, "statement_timeout"),
        (Major::V14, "idle_session_timeout"),
        (Major::NEWEST, "statement_timeout"),
        (Major::NEWEST, "idle_session_timeout"),
        (Major::NEWEST, "transaction_timeout"),
    ] {
        let server = Server::shared(major).unwrap();
        let base = Database::new(server, "tiny").unwrap();
        let role = Role::create(server, "tiny", "").unwrap();
        server
            .execute(format!("alter role \"{}\" set {setting} = '1ms'", role.name))
            .wait()
            .unwrap();
        for _ in 0..20 {
            let session = connect(&base.url_as(&role), Purpose::Read).await.unwrap();
            let slept = session.batch("sleep", "select pg_sleep(0.01)").await;
            slept.unwrap_or_else(|error| panic!("{setting} on {major}: {error:?}"));
        }
    }
}

/// An operator of the role's own in front of pg_catalog's must not decide what is pinned.
#[tokio::test]
async fn a_search_path_with_operators_of_its_own_changes_nothing() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        let base = Database::new(server, "operators").unwrap();
        base.execute(
            "create schema hostile;
             create function hostile.never(text, text) returns boolean
                 language sql as 'select false';
             create operator hostile.= (leftarg = text, rightarg = text,
                 procedure = hostile.never);
             create function hostile.never(name, name) returns boolean
                 language sql as 'select false';
             create operator hostile.= (leftarg = name, rightarg = name,
                 procedure = hostile.never);
             grant usage on schema hostile to public;",
        )
        .wait()
        .unwrap();
        let set = format!(
            "alter database \"{}\" set search_path = hostile, pg_catalog; \
             alter database \"{0}\" set enable_seqscan = off",
            base.name()
        );
        for statement in set.split(';') {
            server.execute(statement).wait().unwrap();
        }
        let session = connect(&base.url(), Purpose::Read).await.unwrap();
        assert_pinned(&session).await;
    }
}

#[tokio::test]
async fn superusers_settings_of_the_file_are_pinned_where_we_may() {
    for major in [Major::V9_6, Major::V14, Major::V18] {
        let options = Options::new()
            .set("zero_damaged_pages", "on")
            .set("ignore_checksum_failure", "on")
            .set("statement_timeout", "1h")
            .set("lc_monetary", "C")
            .set("array_nulls", "off");
        let server = Server::start(major, &options).unwrap();
        let session = connect(&server.url("postgres"), Purpose::Schema).await.unwrap();
        assert_pinned(&session).await;
        for name in ["zero_damaged_pages", "ignore_checksum_failure"] {
            let found = value(&session, &format!("show {name}")).await;
            assert_eq!(found.as_deref(), Some("off"), "{name} on {major}");
        }
        if major == Major::V18 {
            assert_eq!(value(&session, "show event_triggers").await.as_deref(), Some("off"));
        }
    }
}

#[tokio::test]
async fn encodings_are_converted_and_bytes_of_sql_ascii_come_and_go_raw() {
    use futures::{SinkExt as _, TryStreamExt as _};
    for major in [Major::OLDEST, Major::V14, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        for (encoding, wire) in [("LATIN1", "\u{e4}\n".as_bytes()), ("SQL_ASCII", b"\xe4\n")] {
            let options = CreateOptions {
                encoding: Some(encoding.to_owned()),
                locale: Some("C".to_owned()),
                ..CreateOptions::default()
            };
            let base = Database::create(server, "encoding", &options).unwrap();
            base.execute("create table t (c text)").wait().unwrap();
            let writer = connect(&base.url(), Purpose::Write).await.unwrap();
            let sink = writer.copy_in("write", "copy public.t from stdin").await.unwrap();
            let mut sink = std::pin::pin!(sink);
            sink.send(bytes::Bytes::copy_from_slice(wire)).await.unwrap();
            sink.finish().await.unwrap();
            let stored = base.value("select encode(textsend(c), 'hex') from t").wait();
            if encoding == "LATIN1" {
                assert_eq!(stored.unwrap().as_deref(), Some("c3a4"), "what a UTF-8 client gets");
            }
            let reader = connect(&base.url(), Purpose::Read).await.unwrap();
            let copy = reader.copy_out("read", "copy public.t to stdout").await.unwrap();
            let rows: Vec<bytes::Bytes> = copy.try_collect().await.unwrap();
            assert_eq!(rows.concat(), wire, "{encoding} on {major}");
        }
    }
}
