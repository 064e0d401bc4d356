//! The library's example does what it says, on real servers.

use pghaul::run::Ending;
use pghaul_testbed::Major;
use pghaul_testbed::oracle::{self, Options as OracleOptions};

use crate::harness::{TABLES, database, fill, options};

#[path = "../../crates/pghaul/examples/clone.rs"]
#[expect(dead_code, reason = "only its main reads a command line")]
mod clone;

#[tokio::test(flavor = "multi_thread")]
async fn a_library_users_clone_arrives() {
    let (source, target) =
        (database(Major::V9_6, "example_src"), database(Major::V18, "example_dst"));
    fill(&source).await;
    let outcome = clone::carry(&source.url(), &target.url(), options()).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert_eq!(outcome.tables.len(), TABLES);
    assert!(outcome.tables.iter().all(|table| table.verified && table.source_rows == 500));
    let report = oracle::compare(&source.url(), &target.url(), &OracleOptions::new()).await;
    report.unwrap().check().unwrap();
}
