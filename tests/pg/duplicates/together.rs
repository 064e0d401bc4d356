//! The unique indexes of one table are read in one pass, and each finds what it finds alone.

use std::collections::BTreeMap;

use pghaul::duplicates::{ScanOptions, Survey, SurveyOptions, survey};
use pghaul::event::Counters;
use pghaul_testbed::{Database, Major};
use tokio_util::sync::CancellationToken;

use super::{endpoint, scan};
use crate::harness::database;

/// Indexes whose conditions and expressions do not fit each other's rows.
const TABLE: &str = "
    create table t (id int not null, a int, b text, c numeric, d citext, q tsquery);
    insert into t select g, nullif(g % 500, 0), case when g % 3 = 0 then 'b' || g end, (g % 900)::numeric(9, 3), 'D' || g % 800, null
      from generate_series(1, 1000) g;
    insert into t select id + 500, null, 'x', c + 0.00, null, 'a & b' from t where id <= 20;
    insert into t select id + 2000, a, 'y' || id, c + 0.00000, lower(d::text) from t where id <= 5;
    create index t_id on t (id);
    create index t_partial on t (b) where id % 2 = 0;
    create index t_divided on t ((10000 / a)) where a <> 0;
    create index t_scaled on t (c, d);
    create index t_folded on t (d) include (a) where b is null;
    create index t_by_server on t (q);
    update pg_index set indisunique = true where indrelid = 't'::regclass;
";

/// How often the table was read from its first to its last block.
async fn passes(database: &Database<'_>) -> u64 {
    let sql = "select seq_scan from pg_stat_user_tables where relname = 't'";
    // Statistics come a little later than the session's end.
    let mut before = None;
    loop {
        let now = database.value(sql).await.unwrap();
        if before == now {
            return now.unwrap().parse().unwrap();
        }
        before = now;
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    }
}

async fn look(database: &Database<'_>, memory: usize) -> Survey {
    let options = SurveyOptions {
        scan: ScanOptions { memory, ..ScanOptions::default() },
        ..SurveyOptions::default()
    };
    let company = (&() as _, &Counters::default(), &CancellationToken::new());
    survey(&endpoint(&database.url()), &options, &mut (), company).await.unwrap().unwrap()
}

fn rows(survey: &Survey) -> BTreeMap<&str, u64> {
    survey.indexes.iter().map(|one| (one.definition.name.name.as_str(), one.rows)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_in_one_pass_is_what_is_found_alone() {
    for major in [Major::V9_6, Major::V14, Major::V18] {
        let database = database(major, "together");
        let table = match major >= Major::V11 {
            true => TABLE.to_owned(),
            false => TABLE.replace("include (a)", ""),
        };
        database.execute("create extension citext").await.unwrap();
        database.execute(table).await.unwrap();
        if major >= Major::V15 {
            database
                .execute(
                    "create unique index t_nulls on t (a) nulls not distinct where id > 100000;
                     update pg_index set indpred = (select indpred from pg_index where indexrelid = 't_partial'::regclass)
                      where indexrelid = 't_nulls'::regclass",
                )
                .await
                .unwrap();
        }
        let alone = ScanOptions { memory: 1 << 20, ..ScanOptions::default() };
        let alone = scan(&database.url(), alone).await.unwrap();
        let together = scan(&database.url(), ScanOptions::default()).await.unwrap();
        assert_eq!(together, alone, "{major}");
        for index in ["t_id", "t_partial", "t_divided", "t_scaled", "t_folded", "t_by_server"] {
            assert!(
                !together[&format!("public.{index}")].is_empty(),
                "{major}: nothing in {index}"
            );
        }
        let (apart, at_once) = (look(&database, 1 << 20).await, look(&database, 64 << 20).await);
        assert_eq!(rows(&at_once), rows(&apart), "{major}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_read_once() {
    let database = database(Major::V18, "once");
    let table = "create table t (id int primary key, a text unique, b text);
                 create unique index on t (lower(b)) where a is not null;
                 insert into t select g, 'a' || g, 'b' || g from generate_series(1, 1000) g";
    database.execute(table).await.unwrap();
    let before = passes(&database).await;
    let found = look(&database, 64 << 20).await;
    assert_eq!(found.indexes.len(), 3);
    assert_eq!(passes(&database).await - before, 1);
    // With little memory each finder would have too little: three passes.
    look(&database, 2 << 20).await;
    assert_eq!(passes(&database).await - before, 4);
}

/// What fails for one index fails for it alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_cannot_be_read_spoils_no_other() {
    let database = database(Major::V18, "spoiled");
    database
        .execute(
            "create function f(int) returns int immutable language plpgsql as 'begin return $1; end';
             create table t (id int, v int); insert into t select g, g from generate_series(1, 100) g;
             insert into t values (7, 1000);
             create index t_a on t (id); create index t_b on t (f(v)); create index t_c on t (v, id);
             update pg_index set indisunique = true where indrelid = 't'::regclass;
             create or replace function f(int) returns int immutable language plpgsql as 'begin raise ''broken''; end'",
        )
        .await
        .unwrap();
    let found = look(&database, 64 << 20).await;
    let groups: Vec<(&str, u64)> = found
        .indexes
        .iter()
        .map(|one| (one.definition.name.name.as_str(), one.found.groups))
        .collect();
    assert_eq!(groups, [("t_a", 1), ("t_c", 0)]);
    let left_out: Vec<_> = found.findings.iter().filter(|one| one.code == "not_scanned").collect();
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    assert_eq!(left_out[0].object.as_deref(), Some("public.t_b"));
    assert!(left_out[0].message.contains("broken"), "{left_out:?}");
}
