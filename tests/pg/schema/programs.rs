//! The real `pg_dump`: what it is told, and how its refusals read.

use std::time::Duration;

use pghaul::error::ErrorKind;
use pghaul::pg_dump::{Contents, DumpRequest, PgDump};
use pghaul::schema::Kind;
use pghaul_testbed::servers::quote_identifier;
use pghaul_testbed::{CreateOptions, Database, Major, Server, clients};

use super::{differences, dump, empty, request};
use crate::connect::told;

async fn program() -> PgDump {
    PgDump::named(&clients().unwrap().pg_dump()).await.unwrap()
}

async fn refused(request: &DumpRequest) -> String {
    let error = program().await.dump(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    told(&error)
}

#[tokio::test]
async fn refusals_of_the_server_are_told_without_details() {
    let source = empty(Major::V14);
    let mut nowhere = request(&source);
    for (name, value) in &mut nowhere.environment {
        if name == "PGDATABASE" {
            *value = "no_such_database".into();
        }
    }
    let text = refused(&nowhere).await;
    assert!(text.contains("database \"no_such_database\" does not exist"), "{text}");

    let old = DumpRequest { snapshot: Some("00000003-00000001-1".to_owned()), ..request(&source) };
    let text = refused(&old).await;
    assert!(text.contains("snapshot"), "{text}");

    source.execute("create table public.held (a int)").wait().unwrap();
    let holder = source.connect().wait().unwrap();
    holder.execute("begin; lock table public.held in access exclusive mode").wait().unwrap();
    let waiting = DumpRequest { lock_wait: Some(Duration::from_millis(200)), ..request(&source) };
    let text = refused(&waiting).await;
    assert!(text.contains("holds a table exclusively"), "{text}");
    assert!(!text.contains("LOCK TABLE"), "{text}");
    for text in [text, refused(&nowhere).await] {
        assert!(!text.contains(source.server().password()), "{text}");
    }
}

/// Whatever the database's own settings are, the text is the one that the scanner reads.
#[tokio::test]
async fn settings_of_the_database_do_not_matter() {
    let source = empty(Major::V14);
    let name = quote_identifier(source.name());
    source
        .execute(
            "create table public.plain (a text default E'back\\\\slash', b text[] default '{a,NULL}'); \
             create view public.seen as select a from public.plain",
        )
        .wait()
        .unwrap();
    let before = dump(&source).await;
    for (setting, value) in [
        ("quote_all_identifiers", "on"),
        ("standard_conforming_strings", "off"),
        ("array_nulls", "off"),
        ("search_path", "public"),
    ] {
        source.execute(format!("alter database {name} set {setting} = {value}")).wait().unwrap();
    }
    let after = dump(&source).await;
    assert_eq!(differences(&before.entries, &after.entries), [""; 0]);
    assert_eq!(pghaul::schema::digest(&before.entries), pghaul::schema::digest(&after.entries));
    assert!(before.entries.iter().any(|entry| entry.defn.contains("'back\\slash'")));
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let server = Server::shared(Major::V14).unwrap();
    let options = CreateOptions {
        encoding: Some("SQL_ASCII".to_owned()),
        locale: Some("C".to_owned()),
        ..CreateOptions::default()
    };
    let source = Database::create(server, "ascii", &options).unwrap();
    source
        .execute("create table public.bad (a int); comment on table public.bad is E'\\xff'")
        .wait()
        .unwrap();
    let text = refused(&request(&source)).await;
    assert!(text.contains("invalid byte sequence") && text.contains("SQL_ASCII"), "{text}");
}

#[tokio::test]
async fn statistics_come_along_for_18() {
    let source = empty(Major::V14);
    source
        .execute("create table public.counted as select 1 as a; analyze public.counted")
        .wait()
        .unwrap();
    let asked = DumpRequest { contents: Contents::SchemaAndStatistics, ..request(&source) };
    let dumped = program().await.dump(&asked).await.unwrap();
    assert!(dumped.toc.entries.iter().any(|entry| entry.kind == Kind::StatisticsData));
    assert_eq!(dumped.warnings, [""; 0]);
}

/// An archive that was cut is never taken for the whole.
#[tokio::test]
async fn archives_say_who_wrote_them() {
    let source = empty(Major::V9_6);
    let toc = dump(&source).await;
    assert_eq!(toc.database, source.name());
    assert_eq!(toc.server_version, Server::shared(Major::V9_6).unwrap().version());
    assert_eq!(toc.pg_dump_version, clients().unwrap().version);
}
