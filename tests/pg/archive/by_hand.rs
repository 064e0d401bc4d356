//! The escape hatch: `zstd` and `psql` alone restore an archive, by the lines of `FORMAT.md`.

use std::path::Path;
use std::process::Command;

use pghaul_testbed::every_type::{self, Families};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{Database, Major, Server, clients};

use super::harness::{dump_options, dump_to};
use crate::harness::database;

/// The script of `FORMAT.md`, as it stands there but for the name of the database.
fn script() -> String {
    let format = include_str!("../../../crates/pghaul-archive/FORMAT.md");
    let (_, behind) = format.split_once("```sh\n").expect("a script");
    let (script, _) = behind.split_once("```").expect("its end");
    let with_name = script.replace("PGDATABASE=… ", "");
    assert!(with_name != script && script.contains("zstd -dc"), "{script}");
    with_name
}

fn restore_by_hand(archive: &Path, target: &Database<'_>) {
    let server = target.server();
    let done = Command::new("bash")
        .args(["-c", &script()])
        .current_dir(archive)
        .env("PATH", clients().unwrap().path_variable())
        .envs([("PGHOST", "127.0.0.1"), ("PGUSER", server.superuser())])
        .envs([("PGPASSWORD", server.password()), ("PGDATABASE", target.name())])
        .env("PGPORT", server.port().to_string())
        .output()
        .expect("bash");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn zstd_and_psql_are_enough_for_every_type() {
    let source = database(Major::V18, "hand_src");
    let target = database(Major::V18, "hand_dst");
    every_type::load(&source, &Families::default()).await.unwrap();
    every_type::create_roles(Server::shared(Major::V18).unwrap()).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    restore_by_hand(&archive, &target);
    let report =
        oracle::compare(&source.url(), &target.url(), &OracleOptions::new()).await.unwrap();
    report.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn zstd_and_psql_are_enough_for_mastodon() {
    let source = database(Major::V9_6, "hand_src");
    let target = database(Major::V18, "hand_dst");
    let shape = Shape { version: Version::V3_5_3, statuses: 500, seed: 5 };
    mastodon::create(&source, shape).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    restore_by_hand(&archive, &target);
    let before = mastodon::digest(&source.connect().await.unwrap()).await.unwrap();
    let after = mastodon::digest(&target.connect().await.unwrap()).await.unwrap();
    assert_eq!(before, after);
}
