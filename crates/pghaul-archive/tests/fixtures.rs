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
    expect![[r#""#]].assert_eq(&verdicts);
}
