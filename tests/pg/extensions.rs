//! Configuration tables of extensions: the users' rows come along, the extension's own are not
//! doubled. The extension is made here; 18 and newer look for extensions in any folder.

use pghaul::ErrorKind;
use pghaul::run::CloneOptions;
use pghaul_testbed::{Database, Major, Server};

use crate::archive::harness::{
    against, dump_options, dump_to, restore_from, verify_options, wrong,
};
use crate::harness::{clone, database, options};

/// One table with a condition, one without, one that is no configuration.
const SCRIPT: &str = "
    create table settings (key text primary key, value text, ours boolean not null default false);
    insert into settings values ('shipped', 'as made', true), ('other', 'as made', true);
    select pg_catalog.pg_extension_config_dump('settings', 'WHERE NOT ours');
    create table whole (key text primary key, value text);
    insert into whole values ('shipped', 'as made'), ('dropped', 'as made');
    select pg_catalog.pg_extension_config_dump('whole', '');
    create table fixed (id int primary key);
    insert into fixed values (1);
";

/// A folder with the extension, which the server's user can read.
fn folder(server: &Server) -> std::path::PathBuf {
    let folder = server.new_folder(&server.unique_name("extensions")).unwrap();
    let extension = folder.join("extension");
    std::fs::create_dir_all(&extension).unwrap();
    std::fs::write(
        extension.join("pghaul_configured.control"),
        "default_version = '1.0'\nrelocatable = false\nschema = 'configured'\n",
    )
    .unwrap();
    std::fs::write(extension.join("pghaul_configured--1.0.sql"), SCRIPT).unwrap();
    open_to_all(&folder);
    open_to_all(&extension);
    folder
}

fn open_to_all(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

async fn with_path(hint: &str) -> Database<'static> {
    let made = database(Major::V18, hint);
    let folder = folder(Server::shared(Major::V18).unwrap());
    made.execute(format!(
        "alter database {} set extension_control_path = '$system:{}'",
        made.name(),
        folder.display()
    ))
    .await
    .unwrap();
    made
}

async fn source() -> Database<'static> {
    let source = with_path("src").await;
    source
        .execute(
            "create schema configured; create extension pghaul_configured;
             insert into configured.settings values ('mine', 'a', false), ('yours', 'b', false);
             update configured.whole set value = 'changed' where key = 'shipped';
             delete from configured.whole where key = 'dropped';
             insert into configured.whole values ('mine', 'c')",
        )
        .await
        .unwrap();
    source
}

async fn rows(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let sql = "select 'settings', key, value from configured.settings
               union all select 'whole', key, value from configured.whole
               union all select 'fixed', id::text, null from configured.fixed order by 1, 2";
    database.query_text(sql).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_comes_along_once() {
    let (source, target) = (source().await, with_path("dst").await);
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.tables);
    assert_eq!(outcome.tables.len(), 2);
    assert_eq!(rows(&source).await, rows(&target).await);
    assert_eq!(rows(&target).await.len(), 7);
}

/// What somebody has put into an extension that is there already is not ours to take away.
#[tokio::test(flavor = "multi_thread")]
async fn an_extension_that_is_there_must_be_empty_of_what_comes() {
    let (source, target) = (source().await, with_path("dst").await);
    target.execute("create schema configured; create extension pghaul_configured").await.unwrap();
    target.execute("delete from configured.whole").await.unwrap();
    let before = rows(&target).await;
    target.execute("insert into configured.settings values ('kept', 'x', false)").await.unwrap();
    let error = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error:?}");
    let found: Vec<&str> = error.findings().iter().map(|finding| finding.code).collect();
    assert!(found.contains(&"table_not_empty"), "{error:?}");
    target.execute("delete from configured.settings where key = 'kept'").await.unwrap();
    assert_eq!(rows(&target).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_in_an_archive_comes_along_once() {
    let (source, target) = (source().await, with_path("dst").await);
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    let outcome = restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.tables);
    assert_eq!(rows(&source).await, rows(&target).await);
    let found = against(&archive, &target.url(), verify_options()).await;
    assert_eq!(wrong(&found.findings), []);

    let filled = with_path("dst").await;
    filled.execute("create schema configured; create extension pghaul_configured").await.unwrap();
    let error = restore_from(&archive, &filled.url(), CloneOptions::default()).await.unwrap_err();
    let found: Vec<&str> = error.findings().iter().map(|finding| finding.code).collect();
    assert!(found.contains(&"table_not_empty"), "{error:?}");
}
