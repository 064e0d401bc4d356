//! Golden archives stay readable, broken ones get the verdict that they always got. Both are only
//! added to, never edited.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use expect_test::expect;
use pghaul_archive::{Folder, check};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/archives")
}

#[test]
fn the_golden_archive_is_whole() {
    let folder = Folder::new(fixtures().join("v1/small"));
    assert_eq!(check::folder(&folder).unwrap(), Vec::<String>::new());
    let (manifest, contents) = folder.documents().unwrap();
    assert_eq!(contents.source.database, "golden");
    let rows: Vec<(String, u64)> = contents
        .tables
        .iter()
        .enumerate()
        .map(|(at, table)| (table.name.name.clone(), manifest.table_digest(at).rows))
        .collect();
    let rows = |name: &str| rows.iter().find(|(table, _)| table == name).map(|(_, rows)| *rows);
    assert_eq!((rows("people"), rows("measures"), rows("nothing")), (Some(5), Some(3), Some(1)));
    assert_eq!(contents.large_objects.len(), 2);
}

#[test]
fn each_broken_archive_has_its_verdict() {
    let mut verdicts = String::new();
    let mut names: Vec<_> = std::fs::read_dir(fixtures().join("broken"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in names {
        let verdict = match check::folder(&Folder::new(fixtures().join("broken").join(&name))) {
            Ok(unnamed) => format!("whole; nobody named {unnamed:?}"),
            Err(error) => error.to_string(),
        };
        verdicts.push_str(&format!("{name}: {verdict}\n"));
    }
    expect![[r#"
        a-file-too-many: whole; nobody named ["data/999999.zst"]
        bit-flipped-in-a-frame: data/000002.zst: frame 1: its digest is another than the one noted
        bomb: data/000002.zst: frame 1: it is not as long as its record says
        bomb-of-an-unknown-size: data/000002.zst: frame 1: it is not as long as its record says
        contents-of-another-archive: manifest.jsonl: contradicts contents.jsonl: another archive
        frame-missing: data/000002.zst: record 1: it does not add up
        length-that-lies: data/000002.zst: claims 4294967295 bytes for a compressed frame, where at most 254 are possible
        manifest-missing: manifest.jsonl: is missing: no dump was finished here
        manifest-truncated: manifest.jsonl: ends too early
        newer-version: manifest.jsonl: is of format version 2; this pghaul knows versions up to 1
        newer-version-of-a-piece: data/000002.zst: is of format version 2; this pghaul knows versions up to 1
        path-that-climbs-out: manifest.jsonl: names a file "data/../../../v1/small/data/000001.zst" where it should be data/000001.zst
        piece-cut-between-records: data/000002.zst: ends too early
        piece-missing: data/000002.zst: is missing
        pieces-exchanged: data/000001.zst: belongs elsewhere: its table is another
        wrong-digest-of-rows: data/000002.zst: frame 1 does not hold the rows that its record says
    "#]].assert_eq(&verdicts);
}
