//! Tables are not read for each batch, nor for each row, by nobody: not by our own statements, not by
//! the server's foreign keys.

use std::collections::BTreeMap;
use std::path::Path;

use pghaul::duplicates::repair::RepairOptions;
use pghaul::event::Event;
use pghaul::run::Stop;
use pghaul_testbed::damage::{Damage, Recipe};
use pghaul_testbed::mastodon;
use pghaul_testbed::{Database, Major, Options, Role, Server};

use super::Paper;
use crate::harness::OnEvent;

/// A server that nobody else uses. As long as somebody has an older transaction, an index that was made
/// over rows that were just updated is not used (`pg_index.indcheckxmin`), and tables are scanned; and
/// whoever just begins a session, in whatever database, keeps a vacuum from removing what is dead.
pub(super) fn apart(major: Major) -> &'static Server {
    let server = Server::start(major, &Options::new().set("autovacuum", "off")).unwrap();
    // It ends with the process.
    Box::leak(Box::new(server))
}

/// How often each table was scanned since the database was made, all that is over included.
async fn scans(database: &Database<'_>) -> BTreeMap<String, i64> {
    // A session counts as ended once it has told what it did; and what is told is told in turn, so
    // that a scan of ours that is known has all others before it.
    let others = "select count(*) from pg_stat_activity \
                  where datname = current_database() and pid <> pg_backend_pid()";
    while database.value(others).await.unwrap().as_deref() != Some("0") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mark = "create schema if not exists mark; create table if not exists mark.scan (); select from mark.scan";
    let known =
        "select coalesce(max(seq_scan), 0) from pg_stat_user_tables where schemaname = 'mark'";
    let before = database.value(known).await.unwrap();
    database.query_text(mark).await.unwrap();
    while database.value(known).await.unwrap() == before {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let sql =
        "select relname, seq_scan from pg_stat_user_tables where schemaname = 'public' order by 1";
    let rows = database.query_text(sql).await.unwrap();
    let number = |text: &Option<String>| text.clone().unwrap().parse().unwrap();
    rows.iter().map(|row| (row[0].clone().unwrap(), number(&row[1]))).collect()
}

/// Repairs, and says how often each table was scanned meanwhile, and in how many steps.
async fn scans_of_repair(
    database: &Database<'_>,
    url: &str,
    plan: &Path,
    batch_rows: usize,
) -> (BTreeMap<String, i64>, i64) {
    let before = scans(database).await;
    let steps = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
    let seen = std::sync::Arc::clone(&steps);
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::StepCommitted { .. } = event {
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let options = RepairOptions { batch_rows, ..RepairOptions::default() };
    let stop = Stop::default();
    let repaired =
        pghaul::duplicates::repair::repair(&super::endpoint(url), plan, options, &observer, &stop)
            .await
            .unwrap();
    assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);
    let mut after = scans(database).await;
    for (table, scans) in &mut after {
        *scans -= before[table];
    }
    (after, steps.load(std::sync::atomic::Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread")]
async fn more_batches_are_not_more_scans() {
    for major in [Major::V9_6, Major::V18] {
        let (server, mut runs) = (apart(major), Vec::new());
        for batch_rows in [3, 100_000] {
            let database = Database::new(server, "scans").unwrap();
            let (database, paper) = super::cases::damage(database).await;
            // Mutes of conversations have no index that a foreign key could ask.
            let session = database.connect().await.unwrap();
            let damage = mastodon::duplicate_conversations(Recipe::DoubleEntries).groups(30);
            damage.plant(&session).await.unwrap();
            drop(session);
            super::plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
            runs.push(scans_of_repair(&database, &database.url(), &paper.plan(), batch_rows).await);
        }
        let [(small, many), (large, few)] = runs.as_slice() else { unreachable!() };
        assert!(*many > 150 && *few < 50, "{many} and {few} steps");
        assert_eq!(small, large, "scans with batches of 3 rows and with batches of all");
        for (table, scans) in small {
            // Indexes that are built, one pass for each reference that no foreign key tells, and
            // for each number that is counted.
            assert!(*scans <= 12, "{table} was scanned {scans} times on {major}");
        }
    }
}

/// Who cannot keep foreign keys quiet: equal twins of a primary key, with rows that refer to them.
#[tokio::test(flavor = "multi_thread")]
async fn twins_are_not_looked_for_in_the_whole_table() {
    for (major, recipe) in
        [(Major::V9_6, Recipe::DoubleEntries), (Major::V18, Recipe::MissingEntries)]
    {
        let (server, mut runs) = (apart(major), Vec::new());
        for groups in [2, 20] {
            let database = super::cases::customers(server, "on delete cascade").await;
            let session = database.connect().await.unwrap();
            let damage = Damage::new("customer_pkey", recipe.clone()).groups(groups);
            damage.plant(&session).await.unwrap();
            let role = Role::create(database.server(), "owner", "").unwrap();
            super::carried::own(&database, &role).await;
            let url = database.url_as(&role);
            let paper = Paper::new();
            let options = super::cases::shop("");
            let planned = super::plan_with(&url, &options, &paper.plan()).await.unwrap();
            assert_eq!((planned.counts.groups, planned.counts.questions), (groups as u64, 0));
            drop(session);
            runs.push(scans_of_repair(&database, &url, &paper.plan(), 5).await.0);
            super::clean(&database).await;
            let orders = database.value("select count(*) from purchase").await.unwrap();
            assert_eq!(orders.as_deref(), Some("2000"));
        }
        assert_eq!(runs[0], runs[1], "scans for 2 twins and for 20, on {major}");
    }
}

/// An index that does not know the row that stays leads the server's foreign keys astray: then, and
/// only then, the heap is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_no_index_knows_is_found_all_the_same() {
    let server = apart(Major::V14);
    let database = super::cases::customers(server, "on delete cascade").await;
    let session = database.connect().await.unwrap();
    for sql in [
        "drop function shout() cascade; delete from purchase where customer in (1, 2); delete from customer where id in (1, 2)",
        "vacuum (index_cleanup on) customer",
        // Copies before their originals, with orders, and without entries in the index.
        "update pg_index set indisready = false where indexrelid = 'customer_pkey'::regclass; \
         insert into customer select * from customer where id in (300, 301); \
         update pg_index set indisready = true where indexrelid = 'customer_pkey'::regclass",
    ] {
        session.execute(sql).await.unwrap();
    }
    let places = "select string_agg(ctid::text, ' ') from customer where id + 0 in (300, 301) and ctid < '(0,3)'";
    assert_eq!(session.value(places).await.unwrap().as_deref(), Some("(0,1) (0,2)"));
    let before = super::digests(&database).await;
    let role = Role::create(database.server(), "owner", "").unwrap();
    super::carried::own(&database, &role).await;
    let (url, paper) = (database.url_as(&role), Paper::new());
    let planned = super::plan_with(&url, &super::cases::shop(""), &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (2, 0));
    let repaired = super::repair(&url, &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.deleted), (0, 2), "{:?}", repaired.findings);
    super::clean(&database).await;
    let kept = "select count(*) from purchase where customer in (300, 301)";
    assert_eq!(session.value(kept).await.unwrap().as_deref(), Some("8"));
    super::undo(&url, true).await.unwrap();
    super::mastodon::equal(&before, &super::digests(&database).await);
}

/// A foreign key that no index serves gets one while rows are deleted: the server looks for children of
/// each row that goes.
#[tokio::test(flavor = "multi_thread")]
async fn children_without_an_index_are_not_looked_for_row_by_row() {
    for (major, on_delete) in
        [(Major::V9_6, "on delete cascade"), (Major::V18, "on delete set null")]
    {
        // Before 15 the server may lose some of what it counts when it is busy.
        let (server, mut tries) = (apart(major), if major == Major::V9_6 { 3 } else { 1 });
        loop {
            let [few, many] = scans_without_an_index(server, on_delete).await;
            let worse = few.iter().find(|(table, few)| many[*table] >= *few + 10);
            tries -= 1;
            match worse {
                None => break,
                Some((table, few)) if tries == 0 => {
                    panic!("{table}: {few} scans for 2 groups, {} for 25, on {major}", many[table])
                }
                Some(_) => {}
            }
        }
    }
}

/// Scans of each table while a few groups are repaired, and while many are.
async fn scans_without_an_index(
    server: &'static Server,
    on_delete: &str,
) -> [BTreeMap<String, i64>; 2] {
    let mut runs = Vec::new();
    for groups in [2, 25] {
        let database = Database::new(server, "unindexed").unwrap();
        database
            .execute(format!(
                "create table thing (id serial primary key, name text not null);
                 create unique index thing_name on thing (name);
                 insert into thing (name) select 't' || g from generate_series(1, 200) g;
                 create table note (thing int references thing {on_delete}, what text);
                 insert into note select g % 200 + 1, 'n' || g from generate_series(1, 1000) g"
            ))
            .await
            .unwrap();
        let session = database.connect().await.unwrap();
        Damage::new("thing_name", Recipe::DoubleEntries)
            .groups(groups)
            .children(pghaul_testbed::damage::Children::like_others("note", "thing"))
            .plant(&session)
            .await
            .unwrap();
        drop(session);
        let before = super::digests(&database).await;
        let paper = Paper::new();
        let text = "format = 1\nname = 'x'\n[[table]]\nname = 'thing'\nkeep = [{ lowest = 'id' }]";
        let options = pghaul::duplicates::plan::PlanOptions {
            rules: pghaul::duplicates::rules::Rules::parse(text, "x").unwrap(),
            ..Default::default()
        };
        let url = database.url();
        let planned = super::plan_with(&url, &options, &paper.plan()).await.unwrap();
        assert_eq!((planned.counts.groups, planned.counts.questions), (groups as u64, 0));
        runs.push(scans_of_repair(&database, &url, &paper.plan(), 5).await.0);
        super::clean(&database).await;
        let left = "select count(*) from pg_class where relname like 'pghaul%' and relkind = 'i'";
        assert_eq!(database.value(left).await.unwrap().as_deref(), Some("0"));
        super::undo(&url, true).await.unwrap();
        super::mastodon::equal(&before, &super::digests(&database).await);
    }
    runs.try_into().unwrap()
}
