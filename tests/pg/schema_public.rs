//! The schema `public`, which is there before us: what the source made of it arrives, whatever the
//! target's version made of its own.

use pghaul::run::Ending;
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{Database, Major};

use crate::archive::harness::{
    against, dump_options, dump_to, restore_from, verify_options, wrong,
};
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
            assert_same(&source, &target, &format!("{change}, {from} to {to}")).await;
        }
    }
}

async fn assert_same(source: &Database<'_>, target: &Database<'_>, about: &str) {
    for ask in [
        "select obj_description('public'::regnamespace, 'pg_namespace')",
        "select concat(has_schema_privilege('public', 'public', 'create'), \
           has_schema_privilege('public', 'public', 'usage'))",
    ] {
        let (then, now) = (source.value(ask).await.unwrap(), target.value(ask).await.unwrap());
        assert_eq!(then, now, "{about}");
    }
}

/// Who dumps does not know yet where it will be restored.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_made_of_public_arrives_out_of_an_archive() {
    for from in [Major::V9_6, Major::V18] {
        for change in CHANGES {
            let source = database(from, "public_src");
            source.execute("create table t (id int primary key)").await.unwrap();
            source.execute(change).await.unwrap();
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path().join("archive");
            dump_to(&source.url(), &folder, dump_options()).await.unwrap();
            for to in [Major::V14, Major::V18] {
                let about = format!("{change}, {from} to {to}");
                let target = database(to, "public_dst");
                let outcome = restore_from(&folder, &target.url(), options()).await.unwrap();
                assert_eq!(outcome.ending, Ending::Complete, "{about}");
                assert_same(&source, &target, &about).await;
                if (from, to, change) == (Major::V18, Major::V18, CHANGES[0]) {
                    // Whose role need not be allowed to.
                    let grants = "select count(*) from pghaul.step where kind = 'ACL'";
                    assert_eq!(target.value(grants).await.unwrap().as_deref(), Some("0"));
                }
                // Also where the schema's owner is another one: from 15 on.
                let verified = against(&folder, &target.url(), verify_options()).await;
                assert_eq!(wrong(&verified.findings), [], "{about}");
                if change == CHANGES[2] {
                    target.execute("comment on schema public is 'Theirs'").await.unwrap();
                    let verified = against(&folder, &target.url(), verify_options()).await;
                    let found = [("schema_differs", "SCHEMA public".to_owned())];
                    assert_eq!(wrong(&verified.findings), found, "{about}");
                }
            }
        }
    }
}
