//! `--archive-in` and `--keep`: old archives go by what they are, never by what they are called.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pghaul::connect::{Endpoint, Side};
use pghaul::dump::{Destination, DumpOptions, DumpOutcome, dump};
use pghaul::event::Counters;
use pghaul::run::Stop;
use pghaul::run::options::Scope;
use pghaul_archive::{Folder, check};
use pghaul_testbed::{Major, Role, Server};

use super::harness::{dump_options, dump_to};
use crate::harness::database;

async fn dump_of(options: &DumpOptions, source: &str, folder: &Path) -> DumpOutcome {
    let source = Endpoint::parse(Side::Source, source).unwrap();
    let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
    let to = Destination::Shelf { folder: folder.to_owned(), keep: NonZeroUsize::new(1) };
    dump(source, to, options.clone(), company).await.unwrap()
}

async fn dump_in(source: &str, folder: &Path, keep: Option<usize>) -> DumpOutcome {
    let source = Endpoint::parse(Side::Source, source).unwrap();
    let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
    let keep = keep.and_then(NonZeroUsize::new);
    let to = Destination::Shelf { folder: folder.to_owned(), keep };
    dump(source, to, dump_options(), company).await.unwrap()
}

/// Renames an archive: its name says nothing.
fn rename(outcome: &DumpOutcome, name: &str) -> PathBuf {
    let from = outcome.folder.clone().unwrap();
    let to = from.with_file_name(name);
    std::fs::rename(from, &to).unwrap();
    to
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_counts_whole_archives_of_this_database_only() {
    let (ours, foreign) = (database(Major::V18, "shelf"), database(Major::V18, "foreign"));
    ours.execute("create table t as select 1 as x").await.unwrap();
    foreign.execute("create table t as select 1 as x").await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let shelf = place.path();
    let of_other = dump_in(&foreign.url(), shelf, None).await;
    let of_other = rename(&of_other, &format!("{}-20000101T000000Z", ours.name()));
    // A database of the same name on another server.
    let elsewhere = Server::shared(Major::V14).unwrap();
    elsewhere.execute(format!("create database {}", ours.name())).await.unwrap();
    let namesake = dump_in(&elsewhere.url(ours.name()), shelf, None).await;
    let namesake = rename(&namesake, "namesake");
    elsewhere.execute(format!("drop database {}", ours.name())).await.unwrap();
    let oldest = rename(&dump_in(&ours.url(), shelf, None).await, "zzz oldest");
    let damaged = rename(&dump_in(&ours.url(), shelf, None).await, "damaged");
    let piece = damaged.join("data/000001.zst");
    let mut bytes = std::fs::read(&piece).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&piece, bytes).unwrap();
    let unfinished = rename(&dump_in(&ours.url(), shelf, None).await, "unfinished");
    std::fs::rename(unfinished.join("manifest.jsonl"), unfinished.join("unfinished.jsonl"))
        .unwrap();
    let strange = shelf.join("holiday pictures");
    std::fs::create_dir(&strange).unwrap();
    std::fs::write(shelf.join("note.txt"), "keep").unwrap();
    // Times have whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = rename(&dump_in(&ours.url(), shelf, None).await, "aaa second");

    let outcome = dump_in(&ours.url(), shelf, Some(2)).await;
    assert_eq!(outcome.removed, std::slice::from_ref(&oldest));
    let codes: Vec<_> = outcome.findings.iter().map(|one| one.code).collect();
    assert!(
        codes.contains(&"damaged_archive") && codes.contains(&"unfinished_archive"),
        "{codes:?}"
    );
    for kept in [&of_other, &namesake, &damaged, &unfinished, &strange, &second] {
        assert!(kept.exists(), "{}", kept.display());
    }
    assert!(!oldest.exists() && shelf.join("note.txt").exists());
    let newest = outcome.folder.unwrap();
    assert!(newest.file_name().unwrap().to_str().unwrap().starts_with(ours.name()));
    assert_eq!(check::folder(&Folder::new(newest)).unwrap(), Vec::<String>::new());
}

/// A small archive, made every hour, does not push out the nightly one of everything.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_less_does_not_replace_one_of_everything() {
    let ours = database(Major::V18, "shelf");
    ours.execute("create table t as select 1 as x; create table u as select 2 as x").await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let whole = dump_in(&ours.url(), place.path(), None).await.folder.unwrap();
    let some = DumpOptions { include: vec!["public.t".to_owned()], ..dump_options() };
    let first = dump_of(&some, &ours.url(), place.path()).await.folder.unwrap();
    let second = dump_of(&some, &ours.url(), place.path()).await;
    assert_eq!(second.removed, [first]);
    let schema = DumpOptions { scope: Scope::SchemaOnly, ..dump_options() };
    let schema = dump_of(&schema, &ours.url(), place.path()).await;
    assert!(schema.removed.is_empty() && whole.exists(), "{:?}", schema.removed);
    let newer = dump_in(&ours.url(), place.path(), Some(1)).await;
    assert_eq!(newer.removed, [whole]);
    assert!(second.folder.unwrap().exists() && schema.folder.unwrap().exists());
}

/// Whose it was nobody knows, but that something is wrong there must be said.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_a_damaged_manifest_is_told_of() {
    let ours = database(Major::V18, "shelf");
    ours.execute("create table t as select 1 as x").await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let first = dump_in(&ours.url(), place.path(), None).await.folder.unwrap();
    let manifest = first.join("manifest.jsonl");
    let bytes = std::fs::read(&manifest).unwrap();
    std::fs::write(&manifest, &bytes[..bytes.len() / 2]).unwrap();
    let second = dump_in(&ours.url(), place.path(), Some(1)).await;
    assert!(second.removed.is_empty() && first.exists());
    let told = |one: &pghaul::finding::Finding| {
        one.code == "damaged_archive" && one.object == Some(first.display().to_string())
    };
    assert!(second.findings.iter().any(told), "{:?}", second.findings);
}

/// Servers may withhold their system identifier; then a name is all there is, which proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_nobody_knows_which_server_is_not_removed() {
    let (ours, server) = (database(Major::V18, "withheld"), Server::shared(Major::V18).unwrap());
    let role = Role::create(server, "withheld", "").unwrap();
    let sql = format!(
        "create table t as select 1 as x; grant select on t to \"{}\";
         revoke execute on function pg_catalog.pg_control_system() from public",
        role.name
    );
    ours.execute(sql).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let url = ours.url_as(&role);
    let first = dump_in(&url, place.path(), Some(1)).await.folder.unwrap();
    let second = dump_in(&url, place.path(), Some(1)).await;
    assert!(second.archive.is_some());
    assert!(second.removed.is_empty() && first.exists(), "{:?}", second.removed);
}

/// A dump that fails removes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_before_the_new_archive_is_verified() {
    let ours = database(Major::V18, "shelf");
    ours.execute("create table t as select 1 as x").await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let old = dump_in(&ours.url(), place.path(), Some(1)).await.folder.unwrap();
    let source = Endpoint::parse(Side::Source, &ours.url()).unwrap();
    let stop = Stop::default();
    stop.soon.cancel();
    let company = (Arc::new(()) as _, Arc::new(Counters::default()), stop);
    let to = Destination::Shelf { folder: place.path().to_owned(), keep: NonZeroUsize::new(1) };
    let outcome = dump(source, to, dump_options(), company).await.unwrap();
    assert!(outcome.archive.is_none() && outcome.removed.is_empty() && old.exists());
    dump_to(&ours.url(), &place.path().join("apart"), dump_options()).await.unwrap();
}
