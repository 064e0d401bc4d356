//! The schema `public`, which is there before us: what the source made of it arrives, whatever the
//! target's version made of its own.

use pghaul::run::Ending;
use pghaul_testbed::Major;
use pghaul_testbed::oracle::{self, Options as OracleOptions};

use crate::harness::{clone, database, options};

/// What may have become of it on a source.
const CHANGES: [&str; 5] = [
    "select",
    "comment on schema public is null",
    "comment on schema public is 'Ours'",
    "revoke all on schema public from public",
    "grant create, usage on schema public to public",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_made_of_public_arrives() {
    for (from, to) in
        [(Major::V9_6, Major::V18), (Major::V18, Major::V18), (Major::V9_6, Major::V14)]
    {
        for change in CHANGES {
            let source = database(from, "public_src");
            let target = database(to, "public_dst");
            source.execute("create table t (id int primary key)").await.unwrap();
            source.execute(change).await.unwrap();
            let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
            assert_eq!(outcome.ending, Ending::Complete);
            let report = oracle::compare(&source.url(), &target.url(), &OracleOptions::new());
            let report = report.await.unwrap();
            assert!(report.is_equal(), "{change}, {from} to {to}: {report}");
            for ask in [
                "select obj_description('public'::regnamespace, 'pg_namespace')",
                "select concat(has_schema_privilege('public', 'public', 'create'), \
                   has_schema_privilege('public', 'public', 'usage'))",
            ] {
                let (then, now) =
                    (source.value(ask).await.unwrap(), target.value(ask).await.unwrap());
                assert_eq!(then, now, "{change}, {from} to {to}");
            }
        }
    }
}
