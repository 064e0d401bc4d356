//! Scans beside everything else that goes on: standbys, roles without rights, writers, lost
//! connections, DDL; spilled digests, rates; what is reported beside groups.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pghaul::duplicates::survey::IndexSurvey;
use pghaul::duplicates::{
    DuplicateRow, ForeignKeys, Scan, ScanOptions, Sink, Survey, SurveyOptions, UniqueIndex, survey,
};
use pghaul::event::{Counters, Event};
use pghaul::{Error, ErrorKind};
use pghaul_testbed::damage::{Damage, Order, Recipe};
use pghaul_testbed::{Database, Major, Options, Role, Server};
use tokio_util::sync::CancellationToken;

use super::{endpoint, of, scan};
use crate::harness::{OnEvent, database, terminate_on};

/// A table of `rows` rows; every hundredth uri is there twice, with NULLs between them.
async fn posts(database: &Database<'_>, rows: u32) {
    database
        .execute(format!(
            "create table posts (id int primary key, uri text);
             insert into posts select g, case when g % 10 <> 3 then 'https://x/' || (g - (g % 100 = 99)::int) end
               from generate_series(1, {rows}) g;
             create index posts_uri on posts (uri);
             update pg_index set indisunique = true where indexrelid = 'posts_uri'::regclass"
        ))
        .await
        .unwrap();
}

async fn look(
    url: &str,
    scan: ScanOptions,
    observer: impl Fn(&Event<'_>) + Send + Sync,
    sink: &mut dyn Sink,
) -> Result<Option<Survey>, Error> {
    let options = SurveyOptions { scan, ..SurveyOptions::default() };
    let company = (&OnEvent(observer) as _, &Counters::default(), &CancellationToken::new());
    survey(&endpoint(url), &options, sink, company).await
}

fn groups_of(survey: &Survey, index: &str) -> u64 {
    let named = |one: &&IndexSurvey| one.definition.name.name.as_str() == index;
    survey.indexes.iter().find(named).unwrap().found.groups
}

#[tokio::test(flavor = "multi_thread")]
async fn on_standbys() {
    for major in [Major::V9_6, Major::V18] {
        let primary = Server::start(major, &Options::default()).unwrap();
        let database = Database::new(&primary, "standby").unwrap();
        posts(&database, 1000).await;
        database.execute("create unlogged table u (id int primary key)").await.unwrap();
        let standby = primary.standby().unwrap();
        standby.catch_up_with(&primary).unwrap();
        let url = standby.url(database.name());
        let found = look(&url, ScanOptions::default(), |_| (), &mut ()).await.unwrap().unwrap();
        assert_eq!(groups_of(&found, "posts_uri"), 10, "{major}");
        let notes: Vec<_> =
            found.findings.iter().map(|one| (one.code, one.object.as_deref())).collect();
        assert!(notes.contains(&("not_scanned", Some("public.u_pkey"))), "{notes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_superuser_and_without_locks_that_stop_writers() {
    let database = database(Major::V14, "scan_role");
    posts(&database, 1000).await;
    let role = Role::create(database.server(), "scanner", "").unwrap();
    database.execute(format!("grant select on posts to \"{}\"", role.name)).await.unwrap();
    let mut held =
        Scan::start(&endpoint(&database.url_as(&role)), ScanOptions::default()).await.unwrap();
    let modes = "select string_agg(distinct mode, ',') from pg_locks l join pg_stat_activity a using (pid) \
                 where a.application_name like 'pghaul%' and a.datname = current_database() \
                   and locktype = 'relation'";
    assert_eq!(database.value(modes).await.unwrap().as_deref(), Some("AccessShareLock"));
    // A writer is not stopped, and what it does is not seen; DDL waits.
    let writer = database.connect().await.unwrap();
    writer.execute("delete from posts where id = 99").await.unwrap();
    let refused = writer.execute("set lock_timeout = '50ms'; drop table posts").await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("55P03"));
    let at = held.indexes().iter().position(|one| one.definition.name.name.as_str() == "posts_uri");
    let mut groups = held.read(at.unwrap(), &Counters::default()).await.unwrap();
    while groups.next_group().await.unwrap().is_some() {}
    assert_eq!(groups.found().groups, 10);
    drop(held);
    let now = scan(&database.url(), of(&["posts_uri"])).await.unwrap();
    assert_eq!(now.values().next().unwrap().len(), 9);
    // Row-level security would hide rows.
    database.execute("alter table posts enable row level security").await.unwrap();
    let named = scan(&database.url_as(&role), of(&["posts_uri"])).await.unwrap_err();
    assert_eq!(named.kind(), ErrorKind::Preflight);
    assert!(named.to_string().contains("row-level security"), "{named}");
}

/// Remembers how often a scan began, and the groups since.
#[derive(Default)]
struct Heard {
    begun: u32,
    groups: u64,
    rows: u64,
    ended: bool,
}

impl Sink for Heard {
    fn begin(&mut self) -> Result<(), Error> {
        *self = Self { begun: self.begun + 1, ..Self::default() };
        Ok(())
    }

    fn group(&mut self, _: &UniqueIndex) -> Result<(), Error> {
        self.groups += 1;
        Ok(())
    }

    fn row(&mut self, _: &UniqueIndex, _: &DuplicateRow) -> Result<(), Error> {
        self.rows += 1;
        Ok(())
    }

    fn end_of_group(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        self.ended = true;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_loses_its_snapshot_begins_again() {
    let database = database(Major::V18, "scan_lost");
    posts(&database, 2000).await;
    let strikes = AtomicU64::new(0);
    let said = Mutex::new(Vec::new());
    let mut heard = Heard::default();
    let found = look(
        &database.url(),
        ScanOptions::default(),
        |event| match event {
            // After the first index: what was found under it is of a moment that is gone.
            Event::Scanned { .. } if strikes.fetch_add(1, Ordering::SeqCst) == 0 => {
                assert_eq!(terminate_on(database.server(), database.name(), "pghaul%"), 1);
                std::thread::sleep(Duration::from_millis(200));
            }
            Event::Retrying { what, .. } => said.lock().unwrap().push((*what).to_owned()),
            _ => {}
        },
        &mut heard,
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!((found.repeated, heard.begun, heard.ended), (1, 2, true));
    assert_eq!((heard.groups, heard.rows), (20, 40));
    assert_eq!((found.indexes.len(), groups_of(&found, "posts_uri")), (2, 20));
    let said = said.into_inner().unwrap();
    assert!(said.len() == 1 && said[0].contains("it begins again"), "{said:?}");
    // It gives up in the end, and says why.
    let error = look(
        &database.url(),
        ScanOptions::default(),
        |event| {
            if let Event::Scanned { .. } = event {
                terminate_on(database.server(), database.name(), "pghaul%");
                std::thread::sleep(Duration::from_millis(200));
            }
        },
        &mut Heard::default(),
    )
    .await
    .err()
    .unwrap();
    assert!(pghaul::duplicates::moment::is_lost(&error), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_it_at_once() {
    let database = database(Major::V14, "scan_stop");
    posts(&database, 1000).await;
    let stop = CancellationToken::new();
    let observer = OnEvent(|event: &Event<'_>| {
        if let Event::ScanStarted { .. } = event {
            stop.cancel();
        }
    });
    let mut heard = Heard::default();
    let company = (&observer as _, &Counters::default(), &stop);
    let options = SurveyOptions::default();
    let ended = survey(&endpoint(&database.url()), &options, &mut heard, company).await.unwrap();
    assert!(ended.is_none() && !heard.ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_memory_is_spilled() {
    for major in [Major::V9_6, Major::V18] {
        let database = database(major, "scan_spill");
        posts(&database, 120_000).await;
        let folder = tempfile::tempdir().unwrap();
        let options = ScanOptions {
            memory: 1 << 20,
            spill_dir: folder.path().to_owned(),
            ..of(&["posts_uri"])
        };
        let found = scan(&database.url(), options.clone()).await.unwrap();
        assert_eq!(found["public.posts_uri"].len(), 1200, "{major}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        // The file is needed: without its folder there is no scan.
        let nowhere = ScanOptions { spill_dir: "/nonexistent".into(), ..options };
        let error = scan(&database.url(), nowhere).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LocalIo, "{error:?}");
        assert!(error.hint().unwrap().contains("--spill-dir"));
    }
    let small = ScanOptions { memory: 1000, ..ScanOptions::default() };
    let database = database(Major::V18, "scan_small");
    let error = scan(&database.url(), small).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

/// By what the server believes of the table: that is all there is before it is read.
#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_fit_the_disk_is_refused_before_it_is_read() {
    for major in [Major::V9_6, Major::V18] {
        let database = database(major, "scan_space");
        posts(&database, 1000).await;
        database
            .execute(
                "update pg_class set reltuples = 1e14, relpages = 1 where oid = 'posts'::regclass",
            )
            .await
            .unwrap();
        let mut held =
            Scan::start(&endpoint(&database.url()), ScanOptions::default()).await.unwrap();
        let counters = Counters::default();
        let error = held.read(0, &counters).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::LocalIo, "{major}: {error:?}");
        let said = error.to_string();
        assert!(said.contains("`public.posts` need ") && said.ends_with(" are free"), "{said}");
        assert!(error.hint().unwrap().contains("--spill-dir"));
        assert_eq!(counters.rows_read.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_and_every_row_is_read() {
    let database = database(Major::V18, "scan_rate");
    posts(&database, 150_000).await;
    let counters = Counters::default();
    let rate = 2_u32 << 20;
    let options =
        ScanOptions { max_rate: std::num::NonZeroU64::new(rate.into()), ..of(&["posts_uri"]) };
    let mut held = Scan::start(&endpoint(&database.url()), options).await.unwrap();
    let blocks = held.blocks()[0];
    let begun = Instant::now();
    let mut groups = held.read(0, &counters).await.unwrap();
    // The last 512 blocks may have come at once.
    let least = Duration::from_secs_f64((blocks - 512) as f64 * 8192.0 / f64::from(rate));
    assert!(blocks > 550 && begun.elapsed() >= least.mul_f64(0.9), "{:?}", begun.elapsed());
    while groups.next_group().await.unwrap().is_some() {}
    assert_eq!(groups.found().groups, 1500);
    assert_eq!(counters.rows_read.load(Ordering::Relaxed), 135_000);
    assert_eq!(counters.blocks_read.load(Ordering::Relaxed), blocks);
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_over_the_heap() {
    for major in [Major::V9_6, Major::V18] {
        let database = database(major, "scan_orphans");
        database
            .execute(
                "create table parent (a int, b text, primary key (a, b));
                 insert into parent select g, 'x' from generate_series(1, 100) g;
                 create table simple (id int primary key, a int, b text, foreign key (a, b) references parent);
                 create table whole (id int primary key, a int, b text, foreign key (a, b) references parent match full);
                 create table unproven (id int primary key, a int, b text);
                 insert into simple select g, g, 'x' from generate_series(1, 100) g;
                 insert into whole select g, g, 'x' from generate_series(1, 100) g;
                 set session_replication_role = replica;
                 insert into simple values (201, 1, 'y'), (202, 300, 'x'), (203, null, 'z'), (204, 4711, null);
                 insert into whole values (301, null, null), (302, 1, null), (303, 1, 'y');
                 insert into unproven values (1, 999, 'x');
                 alter table unproven add foreign key (a, b) references parent not valid;
                 -- Every index that could tell lies.
                 delete from parent where a = 7;
                 insert into simple values (205, 7, 'x')",
            )
            .await
            .unwrap();
        let options = ScanOptions { foreign_keys: ForeignKeys::Checked, ..ScanOptions::default() };
        let found = look(&database.url(), options, |_| (), &mut ()).await.unwrap().unwrap();
        let orphans: Vec<(String, u64, Vec<String>)> = found
            .foreign_keys
            .iter()
            .map(|key| {
                let mut ids: Vec<String> =
                    key.sample.iter().map(|row| row.primary_key[0].clone().unwrap()).collect();
                ids.sort();
                (key.key.child.name.to_string(), key.orphans, ids)
            })
            .collect();
        let texts = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            orphans,
            [
                ("simple".to_owned(), 4, texts(&["201", "202", "205", "7"])),
                ("unproven".to_owned(), 1, texts(&["1"])),
                ("whole".to_owned(), 3, texts(&["302", "303", "7"])),
            ],
            "{major}"
        );
        let warned: Vec<_> =
            found.findings.iter().map(|one| (one.severity, one.object.clone().unwrap())).collect();
        use pghaul::Severity::{Note, Warning};
        let about = |severity, name: &str| (severity, format!("public.{name}"));
        assert_eq!(
            warned,
            [about(Warning, "simple"), about(Warning, "whole"), about(Note, "unproven")]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_too_long_for_an_index() {
    for major in [Major::V9_6, Major::V18] {
        let database = database(major, "scan_long");
        // Text that cannot be compressed, text that can, and one that is short.
        database
            .execute(
                "create extension citext;
                 create table t (id int primary key, v text, c citext);
                 insert into t select 1, string_agg(md5(g::text), ''), '' from generate_series(1, 90) g;
                 insert into t select 2, string_agg(md5(g::text), ''), string_agg(md5(g::text), '') from generate_series(1, 200) g;
                 insert into t values (3, repeat('x', 100000), repeat('y', 100000)), (4, 'short', 'short');
                 create index t_v on t (v) where id = 4; create index t_c on t (c) where id = 4;
                 update pg_index set indisunique = true, indpred = null where indexrelid in ('t_v'::regclass, 't_c'::regclass)",
            )
            .await
            .unwrap();
        let found =
            look(&database.url(), ScanOptions::default(), |_| (), &mut ()).await.unwrap().unwrap();
        let mut long: Vec<(String, String)> = found
            .findings
            .into_iter()
            .filter(|one| one.code == "key_too_long")
            .map(|one| (one.object.unwrap(), one.message))
            .collect();
        long.sort();
        let [(first, c), (second, v)] = long.as_slice() else { panic!("{long:?}") };
        assert_eq!((first.as_str(), second.as_str()), ("public.t_c", "public.t_v"));
        assert!(c.contains(": 1 rows"), "{c}");
        assert!(v.contains(": 2 rows"), "{v}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_go_away_before_they_are_locked_are_no_error() {
    let database = database(Major::V18, "scan_gone");
    posts(&database, 100).await;
    // Tables come and go while scans begin.
    let churn = database.connect().await.unwrap();
    let done = CancellationToken::new();
    let churning = tokio::spawn({
        let done = done.clone();
        async move {
            while !done.is_cancelled() {
                churn
                    .execute("create table gone (id int primary key); drop table gone")
                    .await
                    .unwrap();
            }
        }
    });
    for _ in 0..20 {
        match Scan::start(&endpoint(&database.url()), ScanOptions::default()).await {
            Ok(held) => assert!(held.indexes().len() >= 2),
            // Or too fast for it, and said so.
            Err(error) => assert!(error.to_string().contains("come and go"), "{error:?}"),
        }
    }
    done.cancel();
    churning.await.unwrap();
    // Named, a table that is gone is one that was never there.
    database.execute("drop table posts").await.unwrap();
    let options = ScanOptions { tables: vec!["posts".to_owned()], ..ScanOptions::default() };
    let error = scan(&database.url(), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

/// A view that is refreshed all the while is held as it is from the snapshot on: what was read of it is
/// there when it is confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_refreshed_meanwhile_is_read_whole() {
    let database = database(Major::V18, "scan_refreshed");
    database
        .execute(
            "create materialized view v as select g / 2 as half from generate_series(2, 2001) g;
             create index v_half on v (half);
             update pg_index set indisunique = true where indexrelid = 'v_half'::regclass",
        )
        .await
        .unwrap();
    let refresher = database.connect().await.unwrap();
    let done = CancellationToken::new();
    let refreshing = tokio::spawn({
        let done = done.clone();
        async move {
            let mut refreshed = 0;
            // The index forbids its own rows: it is no index while the view is computed.
            while !done.is_cancelled() {
                refresher
                    .execute(
                        "begin; update pg_index set indisunique = false where indexrelid = 'v_half'::regclass;
                         refresh materialized view v;
                         update pg_index set indisunique = true where indexrelid = 'v_half'::regclass; commit",
                    )
                    .await
                    .unwrap();
                refreshed += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            refreshed
        }
    });
    let mut whole = 0;
    for _ in 0..30 {
        match scan(&database.url(), of(&["v_half"])).await {
            Ok(found) => {
                assert_eq!(found["public.v_half"].len(), 1000);
                whole += 1;
            }
            // Too fast for it, and said so.
            Err(error) => assert!(error.to_string().contains("come and go"), "{error:?}"),
        }
    }
    done.cancel();
    assert!(refreshing.await.unwrap() > 0 && whole > 0);
}

/// Views are held like tables, as long as the scan lives.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_scanned_cannot_be_refreshed() {
    for major in [Major::V9_6, Major::V18] {
        let database = database(major, "scan_view_held");
        database
            .execute(
                "create materialized view v as select g from generate_series(1, 10) g;
                 create unique index v_g on v (g);
                 create materialized view w as select 1 as g; create unique index w_g on w (g)",
            )
            .await
            .unwrap();
        let held = Scan::start(&endpoint(&database.url()), of(&["v_g"])).await.unwrap();
        let other = database.connect().await.unwrap();
        let refresh = "set lock_timeout = '100ms'; refresh materialized view ";
        let refused = other.execute(format!("{refresh} v")).await.unwrap_err();
        assert_eq!(refused.sqlstate(), Some("55P03"), "{major}: {refused}");
        other.execute(format!("{refresh} w")).await.unwrap();
        drop(held);
        other.execute("set lock_timeout = '20s'; refresh materialized view v").await.unwrap();
    }
}

/// Beside groups: which indexes are exposed, which are not valid, which amcheck finds damaged.
#[tokio::test(flavor = "multi_thread")]
async fn the_health_of_indexes_is_told() {
    for major in [Major::V9_6, Major::V14, Major::V18] {
        let database = database(major, "scan_health");
        database
            .execute(
                "create collation loose (lc_collate = 'en_US.UTF-8', lc_ctype = 'en_US.UTF-8');
                 create table t (id int primary key, word text collate loose, plain text, n int);
                 insert into t select g, 'w' || g, 'p' || g, g from generate_series(1, 500) g;
                 create unique index t_word on t (word); create index t_plain on t (plain); create unique index t_n on t (n);
                 update pg_index set indisvalid = false where indexrelid = 't_plain'::regclass;
                 create table other (id int primary key)",
            )
            .await
            .unwrap();
        if major >= Major::V10 {
            database.execute("create extension amcheck").await.unwrap();
        }
        if major >= Major::V13 {
            let other = "update pg_collation set collversion = '2.17' where collname = 'loose'";
            database.execute(other).await.unwrap();
        }
        let session = database.connect().await.unwrap();
        Damage::new("t_n", Recipe::WrongOrder(Order::Reversed))
            .groups(3)
            .plant(&session)
            .await
            .unwrap();
        let found =
            look(&database.url(), ScanOptions::default(), |_| (), &mut ()).await.unwrap().unwrap();
        let mut told: Vec<(&str, &str)> = found
            .findings
            .iter()
            .filter(|one| one.code.ends_with("_index") || one.code == "duplicates")
            .map(|one| (one.code, one.object.as_deref().unwrap()))
            .collect();
        told.sort_unstable();
        let mut expected = vec![
            ("damaged_index", "public.t_n"),
            ("duplicates", "public.t_n"),
            ("exposed_index", "public.t_word"),
            ("invalid_index", "public.t_plain"),
        ];
        if major < Major::V10 {
            expected.remove(0);
        }
        assert_eq!(told, expected, "{major}");
        // Named tables alone.
        let other = ScanOptions { tables: vec!["other".to_owned()], ..ScanOptions::default() };
        let found = look(&database.url(), other, |_| (), &mut ()).await.unwrap().unwrap();
        assert!(found.findings.is_empty(), "{major}: {:?}", found.findings);
    }
}
