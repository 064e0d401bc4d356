//! What undo drops so that the rows of before fit comes back as it was, by the statements it prints.

use pghaul::ErrorKind;
use pghaul::duplicates::plan::PlanOptions;
use pghaul_testbed::{Database, Major};

use super::chains::rules;
use super::mastodon::equal;
use super::{Paper, digests, majors, plan_with, repair, under_a_broken_index, undo};
use crate::harness::database;

/// All that is known of indexes, constraints and what changes of rows are told by.
async fn described(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    database
        .query_text(
            "select 'index', pg_get_indexdef(i.indexrelid), i.indisclustered::text, i.indisreplident::text
                  , obj_description(i.indexrelid, 'pg_class')
               from pg_index i join pg_class c on c.oid = i.indrelid
              where c.relnamespace = 'public'::regnamespace
             union all
             select 'constraint', o.conrelid::regclass::text, o.conname, pg_get_constraintdef(o.oid)
                  , obj_description(o.oid, 'pg_constraint')
               from pg_constraint o
              where o.connamespace = 'public'::regnamespace and o.contype in ('p', 'u', 'f')
             union all
             select 'table', c.relname, c.relreplident::text, null, null
               from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
             order by 1, 2, 3",
        )
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_undo_drops_comes_back_whole() {
    for major in majors(&[Major::V9_6, Major::V14, Major::V18]) {
        let database = database(major, "back");
        database
            .execute(
                r#"create table "a ON b" (id int primary key, email text not null, note text);
                   create unique index "u ON v" on "a ON b" (email);
                   create table kid (id serial primary key, a int not null);
                   alter table kid add constraint kid_of foreign key (a) references "a ON b" not valid;
                   comment on constraint "a ON b_pkey" on "a ON b" is 'the key''s';
                   comment on index "a ON b_pkey" is 'an index';
                   comment on index "u ON v" is 'another';
                   comment on constraint kid_of on kid is 'whose kid';
                   alter table "a ON b" cluster on "u ON v";
                   create table told (id int primary key, email text not null);
                   create unique index told_email on told (email);
                   alter table told replica identity using index told_email;
                   create table told_kid (id serial primary key, told int not null references told);
                   insert into "a ON b" select g, 'e' || g, 'n' from generate_series(1, 20) g;
                   insert into told select g, 'e' || g from generate_series(1, 20) g"#,
            )
            .await
            .unwrap();
        let twins = r#"insert into "a ON b" select * from "a ON b" where id < 4;
                       insert into "a ON b" select 100 + id, email, 'm' from "a ON b" where id between 5 and 9;
                       insert into kid (a) select distinct id from "a ON b";
                       insert into told select 100 + id, email from told where id < 6;
                       insert into told_kid (told) select id from told"#;
        let broken = ["\"a ON b_pkey\"", "\"u ON v\"", "told_email"];
        database.execute(under_a_broken_index(&broken, twins)).await.unwrap();
        if major >= Major::V10 {
            let sql = r#"create publication p for table "a ON b", told"#;
            database.execute(sql).await.unwrap();
        }
        let (before, were) = (digests(&database).await, described(&database).await);
        let rule: PlanOptions = rules(
            "[[table]]\nname = 'a ON b'\nkeep = [{ lowest = 'id' }]\n\
             [[table]]\nname = 'told'\nkeep = [{ lowest = 'id' }]",
        );
        let paper = Paper::new();
        plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!((repaired.groups, repaired.skipped, repaired.asked), (13, 0, 0));
        // A view that cannot be without the primary key.
        let sql = r#"create view grouped as select a.id, a.email, count(*) from "a ON b" a group by a.id"#;
        database.execute(sql).await.unwrap();
        let between = digests(&database).await;
        let error = undo(&database.url(), true).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Preflight);
        assert!(format!("{error}").contains("public.grouped"), "{error}");
        equal(&between, &digests(&database).await);
        database.execute("drop view grouped").await.unwrap();
        let undone = undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
        database
            .execute(
                r#"delete from kid where a > 100; delete from told_kid where told > 100;
                   delete from "a ON b" where id > 100; delete from told where id > 100;
                   delete from "a ON b" a using "a ON b" b where a.id = b.id and a.ctid > b.ctid"#,
            )
            .await
            .unwrap();
        for statement in &undone.statements {
            database.execute(statement.as_str()).await.unwrap();
        }
        assert_eq!(described(&database).await, were, "{:#?}", undone.statements);
    }
}
