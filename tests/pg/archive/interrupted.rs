//! A dump that is interrupted goes on where it was.

use super::harness::{dump_options, dump_to};
use crate::harness::{database, fill};
use pghaul::ErrorKind;
use pghaul_testbed::Major;

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_nothing_but_a_few_tables_is_whole() {
    let source = database(Major::V18, "few");
    fill(&source).await;
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    let outcome = dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    assert_eq!(outcome.tables.len(), crate::harness::TABLES);
    assert!(outcome.tables.iter().all(|table| table.rows == 500));
    let folder = pghaul_archive::Folder::new(&archive);
    assert_eq!(pghaul_archive::check::folder(&folder).unwrap(), Vec::<String>::new());
    let again = dump_to(&source.url(), &archive, dump_options()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::RunState);
}
