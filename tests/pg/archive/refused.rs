//! What stands in the way of a restore is said before the first byte, all at once.

use pghaul::ErrorKind;
use pghaul::run::CloneOptions;
use pghaul::run::options::Keep;
use pghaul_archive::name::Sha;
use pghaul_archive::{Contents, FileName, Folder};
use pghaul_testbed::{CreateOptions, Database, Major, Role, Server};

use super::harness::{dump_options, dump_to, restore_from};
use crate::harness::database;

/// Whether nothing at all is in a database.
async fn is_empty(target: &Database<'_>) -> bool {
    let count = "select count(*) from pg_class where oid >= 16384";
    target.value(count).await.unwrap().as_deref() == Some("0")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_in_the_way_is_named_at_once() {
    let server = Server::start(Major::V18, &pghaul_testbed::Options::new()).unwrap();
    let source = Database::new(&server, "refused").unwrap();
    server.execute("create role keeper_of_t; create role reader_of_t").await.unwrap();
    source
        .execute(
            "create extension citext; create collation swiss (provider = icu, locale = 'de-CH');
             create table t (id int primary key, c citext, m int4multirange, w text collate swiss);
             create table plain (x int, d text collate \"de-x-icu\");
             create domain path as jsonpath;
             alter table t owner to keeper_of_t; grant select on t to reader_of_t",
        )
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    // An extension that no server has.
    let folder = Folder::new(&archive);
    let (mut manifest, mut contents) = folder.documents().unwrap();
    for entry in contents.entries.iter_mut().filter(|entry| entry.kind == "EXTENSION") {
        entry.tag = "nobody_has_it".to_owned();
    }
    write(&folder, &mut manifest, &contents);
    let target = database(Major::V10, "refused_dst");
    target.execute("create table plain (there int); create type path as (x int)").await.unwrap();
    let refused = restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Preflight, "{refused:?}");
    let said = format!("{refused:?}");
    for what in [
        "extension_missing",
        "nobody_has_it",
        "role_missing",
        "keeper_of_t",
        "grantee_missing",
        "reader_of_t",
        "type_too_new",
        "int4multirange",
        "jsonpath",
        "target_not_empty",
        "public.plain",
        "public.path",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert!(!said.contains("swiss"), "made by the archive itself: {said}");
    let run = target.value("select to_regnamespace('pghaul')::text").await.unwrap();
    assert_eq!(run, None);
}

fn write(folder: &Folder, manifest: &mut pghaul_archive::Manifest, contents: &Contents) {
    let document = contents.to_document().unwrap();
    std::fs::write(folder.place(FileName::Contents), &document).unwrap();
    let name = FileName::Contents.to_string();
    let noted = manifest.files.iter_mut().find(|file| file.file == name).unwrap();
    (noted.bytes, noted.sha256) = (document.len() as u64, Sha::of(&document));
    std::fs::write(folder.place(FileName::Manifest), manifest.to_document().unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collation_that_the_target_lacks_is_named() {
    let source = database(Major::V18, "collated");
    source.execute("create table t (v text collate \"de-x-icu\")").await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    // 9.6 knows no ICU.
    let target = database(Major::V9_6, "collated_dst");
    let refused = restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Preflight, "{refused:?}");
    let said = format!("{refused:?}");
    assert!(said.contains("collation_missing") && said.contains("de-x-icu"), "{said}");
    assert!(is_empty(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plain_role_cannot_make_is_named() {
    let source = database(Major::V18, "rights");
    source
        .execute(
            "create function noted() returns event_trigger language plpgsql as 'begin end';
             create event trigger watch on ddl_command_end execute function noted();
             create table t (x int)",
        )
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    let server = Server::shared(Major::V18).unwrap();
    let role = Role::create(server, "plain", "").unwrap();
    let target = database(Major::V18, "rights_dst");
    let options = || CloneOptions {
        owners: Keep::LeaveOut,
        privileges: Keep::LeaveOut,
        ..CloneOptions::default()
    };
    let refused = restore_from(&archive, &target.url_as(&role), options()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Preflight, "{refused:?}");
    let said = format!("{refused:?}");
    for what in ["superuser_object", "watch", "target_rights", "CREATE on the database"] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert!(is_empty(&target).await);
}

/// An archive is UTF-8 and says what its source was.
#[tokio::test(flavor = "multi_thread")]
async fn an_encoding_that_may_lack_characters_is_said_and_the_rest_goes_in() {
    let source = database(Major::V18, "encoded");
    source.execute("create table t as select 'grün' as v").await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    let latin = CreateOptions {
        encoding: Some("LATIN1".to_owned()),
        locale: Some("C".to_owned()),
        ..CreateOptions::default()
    };
    let target = Database::create(Server::shared(Major::V18).unwrap(), "latin", &latin).unwrap();
    let outcome = restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    let codes: Vec<&str> = outcome.findings.iter().map(|one| one.code).collect();
    assert!(codes.contains(&"encoding_differs"), "{codes:?}");
    assert!(outcome.tables.iter().all(|table| table.verified));
}

/// It exports no snapshot (functions-admin in the manual of 9.6), so nothing could be of one moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_of_9_6_is_refused_by_name() {
    let primary = Server::start(Major::V9_6, &pghaul_testbed::Options::new()).unwrap();
    let source = Database::new(&primary, "followed").unwrap();
    source.execute("create table t as select 1 as x").await.unwrap();
    let standby = primary.standby().unwrap();
    standby.catch_up_with(&primary).unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    let url = standby.url(source.name());
    let refused = dump_to(&url, &archive, dump_options()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Preflight, "{refused:?}");
    assert!(format!("{refused:?}").contains("standby"), "{refused:?}");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    let endpoint = pghaul::connect::Endpoint::parse(pghaul::connect::Side::Target, &url).unwrap();
    let company = (
        std::sync::Arc::new(()) as _,
        std::sync::Arc::new(pghaul::event::Counters::default()),
        pghaul::run::Stop::default(),
    );
    let options = super::harness::verify_options();
    let (sender, _nobody) = tokio::sync::mpsc::channel(1);
    let refused = pghaul::archive::verify::against(archive, endpoint, options, company, sender)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Preflight, "{refused:?}");
    assert!(format!("{refused:?}").contains("target: it is a standby of 9.6"), "{refused:?}");
}
