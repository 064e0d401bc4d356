//! A damaged archive: exit code 21, and nothing of a damaged frame in the target.

use std::os::unix::fs::FileExt;

use pghaul::ErrorKind;
use pghaul::run::CloneOptions;
use pghaul::run::options::Start;
use pghaul_archive::Folder;
use pghaul_testbed::Major;

use super::harness::{dump_options, dump_to, restore_from};
use crate::harness::database;

/// Every file, bytes spread over it: a full restore notices each, and a whole archive goes in
/// afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_notices_every_damage() {
    let source = database(Major::V18, "damaged");
    source
        .execute(
            "create table t (id int primary key, v text);
             insert into t select g, md5(g::text) from generate_series(1, 300) g;
             create table f (x float8, r regclass); insert into f values (0.1, 't');
             select lo_from_bytea(7, 'content')",
        )
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    let target = database(Major::V18, "damaged_dst");
    let restart = || CloneOptions { start: Start::Restart, ..CloneOptions::default() };
    for file in Folder::new(&archive).list().unwrap() {
        if file.starts_with("by-hand/") {
            // What is for the hand is checked by `verify`; a restore does not read it.
            continue;
        }
        let path = archive.join(&file);
        let whole = std::fs::read(&path).unwrap();
        let open = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        for part in 0..7 {
            let at = (whole.len() - 1) * part / 6;
            open.write_all_at(&[whole[at] ^ (1 << part)], at as u64).unwrap();
            let error = restore_from(&archive, &target.url(), restart()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Archive, "{file} byte {at}: {error:?}");
            open.write_all_at(&whole[at..=at], at as u64).unwrap();
        }
        open.set_len(whole.len() as u64 - 1).unwrap();
        let error = restore_from(&archive, &target.url(), restart()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Archive, "{file} cut: {error:?}");
        std::fs::write(&path, &whole).unwrap();
    }
    restore_from(&archive, &target.url(), restart()).await.unwrap();
    let rows = "select md5(string_agg(t::text, '' order by id)) from t";
    assert_eq!(source.value(rows).await.unwrap(), target.value(rows).await.unwrap());
}
