//! Databases that are written to, sessions that die, tables where everything differs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pghaul::connect::{Endpoint, Side};
use pghaul::event::{Counters, Event};
use pghaul::run::Stop;
use pghaul::verify::options::Recheck;
use pghaul::verify::{PreparedVerify, VerifyOptions};
use pghaul_testbed::{Database, Direction, Major, Proxy, Server};

use super::{DifferenceKind, rows_only, verify, verify_observed};
use crate::harness::{OnEvent, database, terminate_on};

const TABLE: &str = "create table t (id int primary key, v text);
    insert into t select g, md5(g::text) from generate_series(1, 20000) g;
    create table u (id int primary key, v text);
    insert into u select g, md5(g::text) from generate_series(1, 20000) g";

fn pair(hint: &str) -> (&'static Database<'static>, &'static Database<'static>) {
    // The servers live as long as the process, so their databases' connections may too.
    let leak = |major| -> &'static Database<'static> { Box::leak(Box::new(database(major, hint))) };
    (leak(Major::V14), leak(Major::V18))
}

fn again(pause: u64) -> VerifyOptions {
    let pause = Duration::from_millis(pause);
    VerifyOptions { recheck: Some(Recheck { looks: 4, pause }), ..rows_only() }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_on_their_way_come_to_agree() {
    let (source, target) = pair("recheck");
    source.execute(TABLE).await.unwrap();
    target.execute(TABLE).await.unwrap();
    source
        .execute("update t set v = 'new' where id <= 3; insert into t values (-1, 'late')")
        .await
        .unwrap();
    target.execute("update t set v = 'wrong' where id = 9").await.unwrap();
    // What replicates arrives once the tables have been compared.
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::TableVerified { equal: false, .. } = event {
            target
                .execute("update t set v = 'new' where id <= 3; insert into t values (-1, 'late')")
                .forget();
        }
    });
    let compared = verify_observed(&source.url(), &target.url(), again(1000), Arc::new(observer))
        .await
        .unwrap();
    assert_eq!(compared.named("public.t"), ["Changed 9 v"]);
    let seen = compared.table("public.t").recheck.unwrap();
    assert_eq!((seen.agreed, seen.stayed, seen.moving), (4, 1, 0));
    assert_eq!(compared.wrong(), [("rows_differ", "public.t".to_owned())]);

    target.execute("update t set v = md5('9') where id = 9").await.unwrap();
    source.execute("delete from u where id = 5").await.unwrap();
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::TableVerified { equal: false, .. } = event {
            target.execute("delete from u where id = 5").forget();
        }
    });
    let compared = verify_observed(&source.url(), &target.url(), again(1000), Arc::new(observer))
        .await
        .unwrap();
    assert_eq!(compared.wrong(), []);
    assert!(compared.table("public.u").equal && compared.differences.is_empty());
    assert!(compared.notes().contains(&("looked_again", "public.u".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_never_rest_are_said_to_move() {
    let (source, target) = pair("restless");
    source.execute(TABLE).await.unwrap();
    target.execute(TABLE).await.unwrap();
    source.execute("update t set v = '0' where id = 7").await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let stop = Arc::clone(&stop);
        let session = source.connect().await.unwrap();
        tokio::spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::SeqCst) {
                number += 1;
                let sql = format!("update t set v = 'v{number}' where id = 7");
                session.execute(sql).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    // Long enough for a writer that a busy machine keeps waiting.
    let compared = verify(&source.url(), &target.url(), again(1500)).await.unwrap();
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    let seen = compared.table("public.t").recheck.unwrap();
    assert_eq!((seen.looks, seen.agreed, seen.stayed, seen.moving), (4, 0, 0, 1));
    assert_eq!(compared.named("public.t"), ["Changed 7 v"]);
}

/// Rows without a key are known by what is in them: one that changes on both sides, and differs all the
/// time, is gone each time that it is looked for.
#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_key_agree_only_when_their_table_does() {
    let (source, target) = pair("nameless");
    let table = "create table t (name text, n int);
        insert into t select 'n' || g, g from generate_series(1, 2000) g";
    for database in [source, target] {
        database.execute(table).await.unwrap();
    }
    target.execute("update t set n = n + 1000000 where name = 'n7'").await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                for database in [source, target] {
                    database.execute("update t set n = n + 1 where name = 'n7'").await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };
    let compared = verify(&source.url(), &target.url(), again(1500)).await.unwrap();
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    let seen = compared.table("public.t").recheck.unwrap();
    assert_eq!((seen.looks, seen.stayed, seen.moving), (4, 0, 2));
    assert!(!compared.table("public.t").equal);
    assert_eq!(compared.wrong(), [("rows_differ", "public.t".to_owned())]);
    assert_eq!(compared.kinds("public.t"), [DifferenceKind::Missing, DifferenceKind::Extra]);

    // Nobody writes any more: it stays different.
    let compared = verify(&source.url(), &target.url(), again(200)).await.unwrap();
    let seen = compared.table("public.t").recheck.unwrap();
    assert_eq!((seen.looks, seen.agreed, seen.stayed, seen.moving), (2, 0, 2, 0));
    assert!(!compared.table("public.t").equal && compared.table("public.t").all_named);

    // What replicates arrives once the tables have been compared.
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::TableVerified { equal: false, .. } = event {
            target.execute("update t set n = n - 1000000 where name = 'n7'").forget();
        }
    });
    let compared = verify_observed(&source.url(), &target.url(), again(1000), Arc::new(observer))
        .await
        .unwrap();
    assert_eq!(compared.wrong(), []);
    assert!(compared.table("public.t").equal && compared.differences.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_rows_differ_as_many_are_named_as_were_asked_for() {
    let (source, target) = pair("all_differ");
    source.execute(TABLE).await.unwrap();
    target.execute(TABLE).await.unwrap();
    target.execute("update t set v = v || '.'").await.unwrap();
    let options = VerifyOptions { max_differences: 30, ..rows_only() };
    let compared = verify(&source.url(), &target.url(), options).await.unwrap();
    assert_eq!(compared.kinds("public.t"), vec![DifferenceKind::Changed; 30]);
    assert!(!compared.table("public.t").all_named);
    let options = VerifyOptions { max_differences: 1_000_000, ..rows_only() };
    let compared = verify(&source.url(), &target.url(), options).await.unwrap();
    assert_eq!(compared.kinds("public.t"), vec![DifferenceKind::Changed; 20000]);
    assert!(compared.table("public.t").all_named);
    // In turns, and not all at once.
    assert!(compared.differences.iter().all(|some| some.rows.len() <= 500));
    let options = VerifyOptions { max_differences: 0, ..rows_only() };
    let compared = verify(&source.url(), &target.url(), options).await.unwrap();
    assert_eq!(compared.wrong(), [("rows_differ", "public.t".to_owned())]);
    assert!(compared.differences.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_sessions_are_opened_again_and_what_is_done_stays_done() {
    for what in ["pghaul verify read%", "pghaul verify%", "pghaul keeper"] {
        let (source, target) = pair("lost");
        source.execute(TABLE).await.unwrap();
        target.execute(TABLE).await.unwrap();
        target.execute("update u set v = 'x' where id = 20000").await.unwrap();
        let struck = std::sync::atomic::AtomicU64::new(0);
        let observer = OnEvent(move |event: &Event<'_>| {
            if let Event::TableVerified { .. } = event
                && struck.fetch_add(1, Ordering::SeqCst) == 0
            {
                let server = Server::shared(Major::V14).unwrap();
                terminate_on(server, source.name(), what);
            }
        });
        let options = VerifyOptions { jobs: std::num::NonZeroUsize::MIN, ..rows_only() };
        let compared = verify_observed(&source.url(), &target.url(), options, Arc::new(observer))
            .await
            .unwrap();
        assert_eq!(compared.named("public.u"), ["Changed 20000 v"], "{what}");
        assert_eq!(compared.wrong(), [("rows_differ", "public.u".to_owned())], "{what}");
    }
}

/// Compares, and ends all our sessions of the source after the first of these events; `meanwhile` is done
/// there before another can look. Whichever side is faster, the source has more to read then: from its
/// first part on, nothing comes from it until its sessions have ended.
async fn losing(
    (source, target): (&'static Database<'static>, &'static Database<'static>),
    (event, meanwhile): (fn(&Event<'_>) -> bool, &'static str),
) -> super::Compared {
    let link = Arc::new(Proxy::to(source.server()).unwrap());
    let url = link.url(source.name());
    let (stalled, struck) = (AtomicBool::new(false), AtomicBool::new(false));
    let observer = OnEvent(move |told: &Event<'_>| {
        if is_read(told) && !stalled.swap(true, Ordering::SeqCst) {
            link.stall(Direction::ToClient);
        }
        if event(told) && !struck.swap(true, Ordering::SeqCst) {
            source.value(meanwhile).wait().unwrap();
            // The heir first, so that it does not export the snapshot once more before it dies.
            let sql = format!(
                "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity \
                 where datname = '{}' and application_name like 'pghaul%' \
                 order by application_name not like '%heir%' offset 0) s",
                source.name()
            );
            source.server().value(sql).wait().unwrap();
            link.resume();
        }
    });
    let options = VerifyOptions {
        jobs: std::num::NonZeroUsize::MIN,
        part_size: Some(3 << 20),
        ..rows_only()
    };
    verify_observed(&url, &target.url(), options, Arc::new(observer)).await.unwrap()
}

fn is_compared(event: &Event<'_>) -> bool {
    matches!(event, Event::TableVerified { .. })
}

fn is_read(event: &Event<'_>) -> bool {
    matches!(event, Event::PieceCommitted { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_that_is_lost_is_taken_anew() {
    let (source, target) = pair("moments");
    source.execute(TABLE).await.unwrap();
    target.execute(TABLE).await.unwrap();
    let compared = losing((source, target), (is_compared, "select txid_current()")).await;
    compared.assert_equal();
    assert_eq!(compared.outcome.moments, 2);
    assert!(compared.notes().iter().any(|(code, _)| *code == "several_moments"));
    let of = |table: &str| compared.table(table).moment;
    assert!(of("public.t").min(of("public.u")) == 1, "{:?}", compared.outcome.tables);
}

/// On servers where nobody else writes, what was read stays read; a write shows.
#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_was_written_a_new_moment_is_as_good_as_the_one_lost() {
    let quiet =
        || pghaul_testbed::Options::new().set("autovacuum", "off").set("log_statement", "all");
    let start =
        |major| -> &'static Server { Box::leak(Box::new(Server::start(major, &quiet()).unwrap())) };
    let (old, new) = (start(Major::V9_6), start(Major::V14));
    for (place, (from, to)) in [(old, new), (new, old), (new, new)].into_iter().enumerate() {
        for (then, proven) in [("select 1", true), ("select txid_current()", false)] {
            let database = |server, hint| -> &'static Database<'static> {
                Box::leak(Box::new(Database::new(server, hint).unwrap()))
            };
            let (source, target) = (database(from, "quiet_src"), database(to, "quiet_dst"));
            let table = "create table t (id int primary key, v text);
                insert into t select g, repeat(md5(g::text), 8) from generate_series(1, 30000) g";
            source.execute(table).await.unwrap();
            target.execute(table).await.unwrap();
            // A busy server of 9.6 may not tell when its statistics were reset; then nothing is proven.
            let mut tries = 0;
            let (logged, compared) = loop {
                tries += 1;
                let logged = from.log().len();
                let compared = losing((source, target), (is_read, then)).await;
                if compared.outcome.proven_unchanged == proven || tries == 12 {
                    break (logged, compared);
                }
                assert!(proven, "{place} {then}");
            };
            compared.assert_equal();
            let outcome = &compared.outcome;
            assert_eq!(outcome.proven_unchanged, proven, "{place} {then}");
            // Sequences may have been compared at the first one.
            assert!(outcome.moments == 1 || !proven, "{place} {then}");
            let noted = compared.notes().iter().any(|(code, _)| *code == "proven_unchanged");
            assert_eq!(noted, proven, "{then}");
            if place == 1 {
                // By blocks, of which the first ones were read before.
                let log = &from.log()[logged..];
                let first = "only \"public\".\"t\" where ctid <";
                let reads =
                    log.lines().filter(|line| line.contains(": LOG:  ") && line.contains(first));
                assert_eq!(reads.count(), if proven { 1 } else { 2 }, "{then}: {log}");
            }
        }
    }
}

/// The server may need a while to end a session that is dead to us: until then its transaction, which on
/// 9.6 has an id since it exported the snapshot, is in progress, and no transaction that has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_has_not_ended_yet_is_no_write_of_somebody_else() {
    let quiet = || pghaul_testbed::Options::new().set("autovacuum", "off");
    let [old, new] = [Major::V9_6, Major::V14].map(|major| -> &'static Server {
        Box::leak(Box::new(Server::start(major, &quiet()).unwrap()))
    });
    let database = |server, hint| -> &'static Database<'static> {
        Box::leak(Box::new(Database::new(server, hint).unwrap()))
    };
    let (source, target) = (database(old, "undead_src"), database(new, "undead_dst"));
    source.execute(TABLE).await.unwrap();
    target.execute(TABLE).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let options = || VerifyOptions {
        jobs: std::num::NonZeroUsize::MIN,
        state: Some(place.path().join("state")),
        ..rows_only()
    };
    let signal = |signal: &str, pid: &str| {
        let status = std::process::Command::new("kill").args(["-s", signal, pid]).status();
        assert!(status.unwrap().success());
    };
    let keeper = "select pid from pg_stat_activity where datname = current_database() \
                  and application_name like 'pghaul% keeper'";
    let (stop, held) = (Stop::default(), Arc::new(std::sync::Mutex::new(None)));
    let observer = OnEvent({
        let (stop, held) = (stop.clone(), Arc::clone(&held));
        move |event: &Event<'_>| {
            let mut held = held.lock().unwrap();
            if matches!(event, Event::TableVerified { .. }) && held.is_none() {
                let pid = source.value(keeper).wait().unwrap().unwrap();
                signal("STOP", &pid);
                *held = Some(pid);
                stop.now.cancel();
            }
        }
    });
    let ends = (
        Endpoint::parse(Side::Source, &source.url()).unwrap(),
        Endpoint::parse(Side::Target, &target.url()).unwrap(),
    );
    let prepared = PreparedVerify::new(ends.0, ends.1, options()).await.unwrap();
    let (sender, _receiver) = tokio::sync::mpsc::channel(1);
    let company = (Arc::new(observer) as _, Arc::new(Counters::default()), stop);
    prepared.run(company, sender).await.unwrap();
    let compared = verify(&source.url(), &target.url(), options()).await;
    signal("CONT", held.lock().unwrap().as_deref().unwrap());
    let compared = compared.unwrap();
    compared.assert_equal();
    assert!(compared.outcome.proven_unchanged, "{:?}", compared.outcome.findings);
    assert_eq!(compared.outcome.moments, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_may_not_be_read_is_a_finding_and_the_others_go_on() {
    let (source, target) = pair("policy");
    source.execute(TABLE).await.unwrap();
    target.execute(TABLE).await.unwrap();
    let role =
        pghaul_testbed::Role::create(Server::shared(Major::V14).unwrap(), "policy", "").unwrap();
    source
        .execute(format!(
            "grant select on t, u to \"{}\"; alter table u enable row level security",
            role.name
        ))
        .await
        .unwrap();
    let compared = verify(&source.url_as(&role), &target.url(), rows_only()).await.unwrap();
    assert_eq!(compared.wrong(), [("not_compared", "public.u".to_owned())]);
    assert!(compared.table("public.t").equal);
}
