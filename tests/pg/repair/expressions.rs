//! Functions that the server calls whenever a row is written.

use pghaul::ErrorKind;
use pghaul_testbed::Major;

use super::chains::{rules, there_and_back};
use super::{Paper, digests, plan_with, repair, under_a_broken_index};
use crate::harness::database;

/// A row that is deleted calls no function, and could not be put back: said before it goes.
#[tokio::test(flavor = "multi_thread")]
async fn functions_that_need_a_search_path_are_refused_before_anything_is_written() {
    for kind in ["index", "check"] {
        let database = database(Major::V14, "path");
        database
            .execute(
                "create function plain(text) returns text immutable language sql as
                   $$ select replace($1, 'x', 'y') $$;
                 create function norm(text) returns text immutable language plpgsql as
                   $$ begin return plain($1); end $$;
                 create table t (id int primary key, name text, email text);
                 create unique index t_email on t (email);
                 insert into t select g, 'n' || g, 'e' || g from generate_series(1, 10) g",
            )
            .await
            .unwrap();
        let twins = "insert into t select 100 + id, name, email from t where id < 4";
        database.execute(under_a_broken_index(&["t_email"], twins)).await.unwrap();
        let sql = match kind {
            "index" => "create index t_norm on t (norm(name))",
            _ => "alter table t add check (norm(name) <> 'yy')",
        };
        database.execute(sql).await.unwrap();
        let rule = rules("[[table]]\nname = 't'\nkeep = [{ lowest = 'id' }]");
        let paper = Paper::new();
        plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
        let before = digests(&database).await;
        let error = repair(&database.url(), &paper.plan()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Preflight, "{kind}: {error}");
        assert!(format!("{error}").contains("search_path"), "{kind}: {error}");
        assert_eq!(digests(&database).await, before);
        let state = "select count(*)::text from pg_namespace where nspname = 'pghaul'";
        assert_eq!(database.value(state).await.unwrap().as_deref(), Some("0"));
        database.execute("alter function norm(text) set search_path = public").await.unwrap();
        there_and_back(&database, &rule, (3, 0), async || {}).await;
    }
}
