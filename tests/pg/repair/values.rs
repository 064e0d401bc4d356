//! Values of every type survive: merged into another row, and put back by undo, byte for byte.

use std::sync::atomic::{AtomicU32, Ordering};

use pghaul::duplicates::plan::PlanOptions;
use pghaul::duplicates::repair::RepairOptions;
use pghaul::duplicates::rules::Rules;
use pghaul::duplicates::undo::{Indexes, UndoOptions};
use pghaul::event::Event;
use pghaul::run::Stop;
use pghaul_testbed::every_type::{self, Families};
use pghaul_testbed::{Database, Major};

use super::mastodon::equal;
use super::{Paper, digests, majors, plan_with, repair, under_a_broken_index, undo};
use crate::harness::{OnEvent, database};

/// The families that are about values.
const FAMILIES: [&str; 8] =
    ["numbers", "texts", "times", "documents", "identifiers", "geometry", "arrays", "user_types"];

/// Copies of all tables of values (but for two that no text can carry, see the handbook): `t1`, `t2` and so on, with a key; each row has a twin without
/// values, which is to take them over.
async fn copies(database: &Database<'_>) -> Vec<(String, Vec<String>)> {
    every_type::load(database, &Families::only(FAMILIES)).await.unwrap();
    let rows = database
        .query_text(
            "select c.oid::regclass::text, string_agg(quote_ident(a.attname), ',' order by a.attnum) \
               from pg_class c join pg_namespace n on n.oid = c.relnamespace \
               join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
               join pg_type t on t.oid = a.atttypid and not t.typnotnull \
              where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema)' \
                and c.relname not in ('interval_ends', 'one_byte_char') \
              group by 1 order by 1",
        )
        .await
        .unwrap();
    let mut tables = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        let (from, columns) = (row[0].clone().unwrap(), row[1].clone().unwrap());
        let name = format!("t{number}_{}", from.replace(['.', '"', ' '], "_"));
        database
            .execute(format!(
                "create table {name} as select {columns} from {from};
                 alter table {name} add column pghaul_id serial primary key, add column pghaul_key text;
                 update {name} set pghaul_key = 'k' || pghaul_id;
                 create unique index t{number}_key on {name} (pghaul_key)"
            ))
            .await
            .unwrap();
        // Not left out: a type can have a default.
        let nulls = vec!["null"; columns.split(',').count()].join(", ");
        let twins = format!(
            "insert into {name} ({columns}, pghaul_key) select {nulls}, pghaul_key from {name}"
        );
        database.execute(under_a_broken_index(&[&format!("t{number}_key")], &twins)).await.unwrap();
        tables.push((name, columns.split(',').map(str::to_owned).collect()));
    }
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_is_taken_over_and_put_back() {
    for major in majors(&[Major::V9_6, Major::V14, Major::V18]) {
        let database = database(major, "every_value");
        let tables = copies(&database).await;
        assert!(tables.len() >= 40, "{}", tables.len());
        let mut text = String::from("format = 1\nname = 'values'\n");
        for (name, columns) in &tables {
            text.push_str(&format!(
                "[[table]]\nname = '{name}'\nkeep = [{{ highest = 'pghaul_id' }}]\n[table.merge]\n"
            ));
            for column in columns {
                let column =
                    column.strip_prefix('"').and_then(|c| c.strip_suffix('"')).unwrap_or(column);
                let column = serde_json::to_string(&column.replace("\"\"", "\"")).unwrap();
                text.push_str(&format!("{column} = \"first\"\n"));
            }
        }
        let rules = Rules::parse(&text, "values").unwrap();
        // The values as text, of both rows together: those that count as none, `` and `{}`, need not
        // be taken over.
        let values: Vec<String> = tables
            .iter()
            .map(|(name, columns)| {
                let texts: Vec<String> =
                    columns.iter().map(|c| format!("nullif(format('%s', {c}), '{{}}')")).collect();
                format!(
                    "select '{name}', count(distinct pghaul_key), \
                            md5(string_agg(array_to_string(array[{}], ''), '' order by pghaul_key, pghaul_id)) \
                       from {name}",
                    texts.join(", ")
                )
            })
            .collect();
        let values = format!("set extra_float_digits = 3; {}", values.join(" union all "));
        let (before, known) = (digests(&database).await, sorted(&database, &values).await);
        let paper = Paper::new();
        let options = PlanOptions { rules, ..PlanOptions::default() };
        let planned = plan_with(&database.url(), &options, &paper.plan()).await.unwrap();
        assert_eq!(planned.counts.questions, 0);
        assert_eq!(planned.counts.deleted, planned.counts.groups);
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);
        equal(&known, &sorted(&database, &values).await);
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}

async fn sorted(database: &Database<'_>, sql: &str) -> Vec<Vec<Option<String>>> {
    let mut rows = database.query_text(sql).await.unwrap();
    rows.sort();
    rows
}

/// What the server makes itself: identities, generated columns, sequences, states of triggers.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_makes_is_as_before() {
    let database = database(Major::V18, "made");
    database
        .execute(
            "create table made (id int generated always as identity primary key, k text unique, n int,
                 twice int generated always as (n * 2) stored, note text);
             create table child (id int generated by default as identity, made int references made);
             insert into made (k, n) select 'k' || g, g from generate_series(1, 30) g;
             insert into child (made) select id from made",
        )
        .await
        .unwrap();
    let sql = "insert into made (k, n, note) values ('k1', 100, 'twin'), ('k2', 200, 'twin');
               insert into child (made) select id from made where note = 'twin'";
    database.execute(under_a_broken_index(&["made_k_key"], sql)).await.unwrap();
    let sequences = "select string_agg(sequencename || last_value, ',' order by sequencename) from pg_sequences where schemaname = 'public'";
    let (before, moved) = (digests(&database).await, database.value(sequences).await.unwrap());
    let text = "format = 1\nname = 'made'\n[[table]]\nname = 'made'\n[table.merge]\nn = 'highest'\nnote = 'first'";
    let options =
        PlanOptions { rules: Rules::parse(text, "made").unwrap(), ..PlanOptions::default() };
    let paper = Paper::new();
    let planned = plan_with(&database.url(), &options, &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (2, 0));
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.deleted), (0, 2), "{:?}", repaired.findings);
    let merged = "select string_agg(concat_ws(' ', id, n, twice, note), ', ' order by id) from made where id < 3";
    assert_eq!(
        database.value(merged).await.unwrap().as_deref(),
        Some("1 100 200 twin, 2 200 400 twin")
    );
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
    assert_eq!(database.value(sequences).await.unwrap(), moved);
}

/// Postgres 14 cannot write such an interval as text: its group is left alone, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_has_no_text_is_left_alone() {
    let database = database(Major::V14, "no_text");
    database
        .execute(
            "create table span (id serial primary key, k text unique, i interval);
             insert into span (k, i) select 'k' || g, g * interval '1 day' from generate_series(1, 9) g",
        )
        .await
        .unwrap();
    let most = "interval '2147483647 months' + interval '2147483647 days' + interval '2147483647:00:00' \
                + interval '414564141:00:54.775807'";
    let sql = format!(
        "insert into span (k, i) values ('k1', interval '1 year'), ('k2', {most}), ('k3', null)"
    );
    database.execute(under_a_broken_index(&["span_k_key"], &sql)).await.unwrap();
    let options = PlanOptions {
        without_rules: pghaul::duplicates::plan::Without::Lowest,
        ..PlanOptions::default()
    };
    let paper = Paper::new();
    let planned = plan_with(&database.url(), &options, &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (3, 0));
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.deleted), (1, 2), "{:?}", repaired.findings);
    let there = format!("select count(*) from span where k = 'k2' and i = {most}");
    assert_eq!(database.value(there).await.unwrap().as_deref(), Some("1"));
}

/// Thirty rows, six of them twice, with a column that is computed; and a plan.
async fn computed(major: Major) -> (Database<'static>, Paper) {
    let database = database(major, "computed_no_more");
    database
        .execute(
            "create table made (id int primary key, k text unique, n int, twice int generated always as (n * 2) stored);
             insert into made (id, k, n) select g, 'k' || g, g from generate_series(1, 30) g",
        )
        .await
        .unwrap();
    let sql =
        "insert into made (id, k, n) select 100 + g, 'k' || g, g from generate_series(1, 6) g";
    database.execute(under_a_broken_index(&["made_k_key"], sql)).await.unwrap();
    let text = "format = 1\nname = 'made'\n[[table]]\nname = 'made'\nkeep = [{ lowest = 'id' }]";
    let options =
        PlanOptions { rules: Rules::parse(text, "made").unwrap(), ..PlanOptions::default() };
    let paper = Paper::new();
    plan_with(&database.url(), &options, &paper.plan()).await.unwrap();
    (database, paper)
}

const COMPUTED_NO_MORE: &str = "alter table made alter column twice drop expression";

const COMPUTED_AGAIN: &str = "alter table made drop column twice; \
                              alter table made add column twice int generated always as (n * 2) stored";

/// Rows are kept without what the server computes of them: once it does not compute it any more, they
/// cannot be put back as they were.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_computed_no_more_stops_undo() {
    let (database, paper) = computed(Major::V18).await;
    let before = digests(&database).await;
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.deleted), (0, 6), "{:?}", repaired.findings);
    let kept = "select (select count(*) from made) || ' ' || (select count(*) from pghaul.undo_row where now_ctid is null)";
    database.execute(COMPUTED_NO_MORE).await.unwrap();
    let error = undo(&database.url(), true).await.unwrap_err();
    assert_eq!(error.kind(), pghaul::ErrorKind::Preflight, "{error:?}");
    let said = "public.made: columns that the server computed";
    assert!(error.to_string().contains(said), "{error:?}");
    assert_eq!(database.value(kept).await.unwrap().as_deref(), Some("30 6"));
    let unique = "select count(*) from pg_index where indisunique and indrelid = 'made'::regclass";
    assert_eq!(database.value(unique).await.unwrap().as_deref(), Some("2"), "nothing was dropped");
    // Computed again, it can be undone.
    database.execute(COMPUTED_AGAIN).await.unwrap();
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
}

/// Between two batches, while nobody has a lock.
fn after(
    (step, nth): (&'static str, u32),
    sql: &'static str,
    database: &Database<'_>,
) -> impl Fn(&Event<'_>) + Send + Sync {
    let seen = AtomicU32::new(0);
    move |event| {
        if let Event::StepCommitted { object, .. } = event
            && *object == step
            && seen.fetch_add(1, Ordering::SeqCst) + 1 == nth
        {
            database.execute(sql).wait().unwrap();
        }
    }
}

/// What is put back after that would have no value there.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_computed_no_more_between_two_batches_stops_undo() {
    for (major, change, mended) in [
        (Major::V14, COMPUTED_NO_MORE, COMPUTED_AGAIN),
        (Major::V18, COMPUTED_NO_MORE, COMPUTED_AGAIN),
        (
            Major::V18,
            "alter table made add column more int default 7",
            "alter table made drop column more",
        ),
    ] {
        let (database, paper) = computed(major).await;
        let before = digests(&database).await;
        super::repair_in_batches_of(1, &database.url(), &paper.plan()).await.unwrap();
        let (url, stop) = (super::endpoint(&database.url()), Stop::default());
        let drop = UndoOptions::default().with_indexes(Indexes::Drop);
        let observer = OnEvent(after(("public.made", 2), change, &database));
        let error = pghaul::duplicates::undo::undo(&url, drop, &observer, &stop).await.unwrap_err();
        assert_eq!(error.kind(), pghaul::ErrorKind::Transfer, "{error:?}");
        let said = "the columns of `public.made` were changed during the undo";
        assert!(error.to_string().contains(said), "{error:?}");
        // One batch was undone, beside that of the index: a row is there again, and not one without its value.
        let rows = "select count(*) || ' ' || count(twice) from made";
        assert_eq!(database.value(rows).await.unwrap().as_deref(), Some("31 31"), "{change}");
        let error = undo(&database.url(), true).await.unwrap_err();
        assert_eq!(error.kind(), pghaul::ErrorKind::Preflight, "{error:?}");
        database.execute(mended).await.unwrap();
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}

/// What is deleted after that would be kept without its value.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_computed_no_more_between_two_batches_stops_a_repair() {
    let (database, paper) = computed(Major::V14).await;
    let (url, stop) = (super::endpoint(&database.url()), Stop::default());
    let observer = OnEvent(after(("release public.made", 1), COMPUTED_NO_MORE, &database));
    let options = RepairOptions { batch_rows: 1, ..RepairOptions::default() };
    let error =
        pghaul::duplicates::repair::repair(&url, &paper.plan(), options, &observer, &stop).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), pghaul::ErrorKind::Transfer, "{error:?}");
    let said = "the columns of `public.made` were changed during the repair";
    assert!(error.to_string().contains(said), "{error:?}");
    let kept = "select (select count(*) from made) || ' ' || \
                       (select count(*) from pghaul.undo_row where now_ctid is null)";
    assert_eq!(database.value(kept).await.unwrap().as_deref(), Some("35 1"));
    // To the plan these are other rows now.
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.deleted), (5, 0), "{:?}", repaired.findings);
}
