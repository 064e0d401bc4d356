//! Sessions, servers and answers that get lost in mid-run: it goes on in the same process, and
//! every row arrives once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pghaul::ErrorKind;
use pghaul::event::{Counters, Event, Phase};
use pghaul::run::{CloneOptions, Ending, Outcome, Stop};
use pghaul_testbed::proxy::Commit;
use pghaul_testbed::{Database, Major, Options, Proxy, Role, Server, clients};

use crate::harness::{
    OnEvent, TABLES, clone, clone_while, database, fill, one_by_one, options, prepare, recount,
    terminate_on, until_there_is_an_heir,
};

fn assert_arrived(outcome: &Outcome) {
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
}

async fn keeper_dies(from: Major) {
    let (source, target) = (database(from, "keeper_src"), database(Major::V18, "keeper_dst"));
    fill(&source).await;
    let before = recount(&source).await;
    let source: &'static Database<'static> = Box::leak(Box::new(source));
    let (server, name) = (source.server(), source.name().to_owned());
    let killed = Arc::new(AtomicU64::new(0));
    let pieces = Arc::new(AtomicU64::new(0));
    let (kills, seen) = (Arc::clone(&killed), Arc::clone(&pieces));
    let outcome = clone_while(&source.url(), &target.url(), one_by_one(), move |piece| {
        seen.store(piece, Ordering::SeqCst);
        if piece == 2 || piece == 6 {
            // What is written from now on is not of the snapshot.
            let sql = format!("insert into t12 values ({piece}000, 'late', 'late{piece}')");
            source.execute(sql).wait().unwrap();
            until_there_is_an_heir(source, TABLES);
            kills.fetch_add(terminate_on(server, &name, "pghaul% keeper"), Ordering::SeqCst);
            // The lane has to import the snapshot anew, under its new name.
            terminate_on(server, &name, "pghaul% copy%");
        }
    })
    .await
    .unwrap();
    assert_arrived(&outcome);
    assert!(killed.load(Ordering::SeqCst) >= 1);
    assert_eq!(outcome.consistency, "snapshot");
    assert_eq!(pieces.load(Ordering::SeqCst), TABLES as u64, "nothing starts over");
    assert_eq!(before, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keepers_death_hands_the_snapshot_on_9_6() {
    keeper_dies(Major::V9_6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keepers_death_hands_the_snapshot_on_18() {
    keeper_dies(Major::V18).await;
}

/// All that read the source end, and while the run prepares itself anew, the new keeper does so too,
/// before `pg_dump` has taken its snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_dies_before_pg_dump_has_its_snapshot_is_replaced() {
    let (source, target) = (database(Major::V14, "dump_src"), database(Major::V18, "dump_dst"));
    fill(&source).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let script = format!(
        "cd {}\n\
         case $1 in --version) ;; *)\n\
             echo x >> dumps\n\
             if [ $(wc -l < dumps) = 2 ]; then touch waiting; \
                 while [ ! -e go ]; do sleep 0.05; done; fi ;;\n\
         esac\nexec {} \"$@\"",
        folder.path().display(),
        clients().unwrap().pg_dump().display(),
    );
    pghaul_testbed::script(&at("pg_dump"), &script).unwrap();
    let (server, name) = (source.server(), source.name().to_owned());
    let (waiting, go) = (at("waiting"), at("go"));
    let outcome = clone_while(
        &source.url(),
        &target.url(),
        CloneOptions { pg_dump: Some(at("pg_dump")), ..one_by_one() },
        move |piece| {
            if piece != 3 {
                return;
            }
            let (waiting, go, database) = (waiting.clone(), go.clone(), name.clone());
            std::thread::spawn(move || {
                while !waiting.exists() {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                assert!(terminate_on(server, &database, "pghaul% keeper") > 0);
                std::fs::write(go, "").unwrap();
            });
            terminate_on(server, &name, "pghaul%");
        },
    )
    .await
    .unwrap();
    assert_arrived(&outcome);
    let dumps = std::fs::read_to_string(at("dumps")).unwrap();
    assert!(dumps.lines().count() >= 3, "{dumps}");
    assert_eq!(recount(&source).await, recount(&target).await);
}

/// Ends sessions on one side five times in mid-copy.
async fn sessions_die(from: Major, on_target: bool, like: &'static str) -> Outcome {
    let (source, target) = (database(from, "kill_src"), database(Major::V18, "kill_dst"));
    fill(&source).await;
    let side = if on_target { &target } else { &source };
    let (server, name) = (side.server(), side.name().to_owned());
    let struck = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&struck);
    let outcome = clone_while(&source.url(), &target.url(), options(), move |piece| {
        if piece % 2 == 1 && piece < 10 {
            count.fetch_add(terminate_on(server, &name, like), Ordering::SeqCst);
        }
    })
    .await
    .unwrap();
    assert!(struck.load(Ordering::SeqCst) >= 5);
    assert_arrived(&outcome);
    assert_eq!(recount(&source).await, recount(&target).await);
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_die_are_replaced() {
    assert_eq!(sessions_die(Major::V14, false, "pghaul% copy%").await.consistency, "snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_die_are_replaced() {
    assert_eq!(sessions_die(Major::V9_6, true, "pghaul% copy%").await.consistency, "snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_sessions_death_is_a_resume_in_the_same_process() {
    sessions_die(Major::V14, true, "pghaul%").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_on_the_source_die_at_once() {
    // Nobody has the snapshot any more; nothing else writes, or it does: proven either way.
    let outcome = sessions_die(Major::V14, false, "pghaul%").await;
    assert!(["proven-unchanged", "reverified"].contains(&outcome.consistency));
}

/// How often each kind of server is crashed: all five times where `PGHAUL_TEST_KILLS` asks for all
/// kills.
fn crashes() -> u64 {
    let kills = std::env::var("PGHAUL_TEST_KILLS").map_or(10, |text| text.parse().unwrap());
    if kills >= 50 { 5 } else { 1 }
}

/// Numbers that look random and are the same every time (splitmix64).
fn spread(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Crashes a whole server at a seeded instant of a run, and starts it a second later.
async fn server_crashes(from: Major, target_crashes: bool, seed: u64) -> Outcome {
    let quiet = Options::new().set("autovacuum", "off");
    let theirs = Arc::new(Server::start(from, &quiet).unwrap());
    let ours = Arc::new(Server::start(Major::V18, &quiet).unwrap());
    let (source, target) =
        (Database::new(&theirs, "crash_src").unwrap(), Database::new(&ours, "crash_dst").unwrap());
    fill(&source).await;
    let server = Arc::clone(if target_crashes { &ours } else { &theirs });
    // The target's after one of the first hundred facts, of which a run has some 130; the source's
    // after a piece, but not after the last: then it is not needed any more.
    let instant = spread(seed) % if target_crashes { 100 } else { TABLES as u64 - 1 };
    let facts = AtomicU64::new(0);
    let observer = OnEvent(move |event: &Event<'_>| {
        let counts = match event {
            Event::Retrying { .. } | Event::Found(_) => false,
            Event::PieceCommitted { .. } => true,
            _ => target_crashes,
        };
        if counts && facts.fetch_add(1, Ordering::SeqCst) == instant {
            server.crash().unwrap();
            let server = Arc::clone(&server);
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs(1));
                server.start_again().unwrap();
            });
        }
    });
    let outcome = prepare(&source.url(), &target.url(), one_by_one())
        .await
        .unwrap()
        .run(Arc::new(observer), Arc::new(Counters::default()), Stop::default())
        .await
        .unwrap();
    assert_arrived(&outcome);
    assert_eq!(recount(&source).await, recount(&target).await, "after {instant} facts");
    let once = "select count(*) = (select count(*) from pghaul.part) from pghaul.receipt";
    assert_eq!(target.value(once).await.unwrap().as_deref(), Some("t"), "after {instant} facts");
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_server_crashes() {
    for seed in 0..crashes() {
        for from in [Major::V9_6, Major::V18] {
            // A crash may give transaction ids out again, so nothing is proven by them.
            assert_eq!(server_crashes(from, false, seed).await.consistency, "reverified");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_server_crashes() {
    for seed in 0..crashes() {
        server_crashes(Major::V14, true, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_of_commit_doubles_no_row() {
    let (source, target) = (database(Major::V14, "ack_src"), database(Major::V18, "ack_dst"));
    fill(&source).await;
    for fate in [Commit::LoseAnswer, Commit::Lose] {
        let proxy = Arc::new(Proxy::to(target.server()).unwrap());
        let database = Database::new(target.server(), "ack_dst").unwrap();
        let url = proxy.url(database.name());
        let network = Arc::clone(&proxy);
        let outcome = clone_while(&source.url(), &url, options(), move |piece| {
            if piece % 3 == 1 {
                network.on_commit(1, fate);
            }
        })
        .await
        .unwrap();
        assert!(proxy.counts().commits > 0);
        assert_arrived(&outcome);
        assert_eq!(recount(&source).await, recount(&database).await, "{fate:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aggressive_timeouts_of_the_servers_do_not_stop_a_run() {
    let (source, target) = (database(Major::V14, "late_src"), database(Major::V18, "late_dst"));
    fill(&source).await;
    for side in [&source, &target] {
        for setting in [
            "statement_timeout = '5ms'",
            "lock_timeout = '1ms'",
            "idle_in_transaction_session_timeout = '5ms'",
            "idle_session_timeout = '5ms'",
        ] {
            // Elsewhere: these are settings of the next session here.
            let set = format!("alter database {} set {setting}", side.name());
            side.server().execute(set).await.unwrap();
        }
    }
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    assert_arrived(&outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_limit_is_reached_at_times() {
    let (source, target) = (database(Major::V14, "limit_src"), database(Major::V18, "limit_dst"));
    fill(&source).await;
    let role = Role::create(source.server(), "limited", "superuser").unwrap();
    let (server, name) = (source.server(), source.name().to_owned());
    let url = source.url_as(&role);
    let retried = Arc::new(AtomicU64::new(0));
    let (retries, pieces) = (Arc::clone(&retried), AtomicU64::new(0));
    let (limited, user) = (name.clone(), role.name.clone());
    let observer = OnEvent(move |event: &Event<'_>| match event {
        // Neither a superuser nor its sessions are limited, so the role is one no more.
        Event::PieceCommitted { .. } if pieces.fetch_add(1, Ordering::SeqCst) == 2 => {
            let sql = format!(
                "alter role {user} nosuperuser connection limit 0; grant pg_read_all_data to {user}"
            );
            server.execute(sql).wait().unwrap();
            terminate_on(server, &limited, "pghaul% copy%");
        }
        Event::Retrying { what, .. }
            if what.contains("53300") && retries.fetch_add(1, Ordering::SeqCst) == 2 =>
        {
            let sql = format!("alter role {user} superuser connection limit -1");
            server.execute(sql).wait().unwrap();
        }
        _ => {}
    });
    // One after the other, so that most tables are still to be read by then.
    let outcome = prepare(&url, &target.url(), one_by_one())
        .await
        .unwrap()
        .run(Arc::new(observer), Arc::new(Counters::default()), Stop::default())
        .await
        .unwrap();
    assert!(retried.load(Ordering::SeqCst) >= 3);
    assert_arrived(&outcome);
}

/// Overwrites the header of a page of a stopped server (without checksums).
fn damage(server: &Server, file: &str, block: u64) {
    use std::io::{Seek as _, Write as _};
    server.stop_fast().unwrap();
    let path = server.data_dir().join(file);
    let mut open = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    open.seek(std::io::SeekFrom::Start(block * 8192)).unwrap();
    open.write_all(&[0xab; 24]).unwrap();
    drop(open);
    server.start_again().unwrap();
}

async fn a_damaged_page(from: Major) {
    let server = Server::start(from, &Options::new().without_checksums()).unwrap();
    let source = Database::new(&server, "damaged").unwrap();
    fill(&source).await;
    let file =
        source.value("checkpoint; select pg_relation_filepath('t7')").await.unwrap().unwrap();
    damage(&server, &file, 10);
    let target = database(Major::V18, "damaged_dst");
    let found = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (findings, retried) = (Arc::clone(&found), Arc::new(AtomicU64::new(0)));
    let retries = Arc::clone(&retried);
    let observer = OnEvent(move |event: &Event<'_>| match event {
        Event::Found(finding) => findings.lock().unwrap().push((*finding).clone()),
        Event::Retrying { .. } => drop(retries.fetch_add(1, Ordering::SeqCst)),
        _ => {}
    });
    let error = prepare(&source.url(), &target.url(), options())
        .await
        .unwrap()
        .run(Arc::new(observer), Arc::new(Counters::default()), Stop::default())
        .await
        .unwrap_err();
    let said = format!("{error:?}");
    assert_eq!(error.sqlstate(), Some("XX001"), "{said}");
    assert!(said.contains("`public.t7` (blocks 0 to the end)"), "{said}");
    assert!(said.contains("invalid page in block 10 of relation"), "{said}");
    assert!(error.hint().unwrap().contains("--exclude"));
    assert_eq!(retried.load(Ordering::SeqCst), 0, "damage is not read again");
    let damaged: Vec<_> = found
        .lock()
        .unwrap()
        .iter()
        .filter(|finding| finding.code == "damaged")
        .map(|finding| finding.object.clone().unwrap())
        .collect();
    assert_eq!(damaged, ["public.t7"]);
    let others = "select (select count(*) from pghaul.step where kind = 'READ BACK'), \
                  (select count(*) from t7), (select count(*) from pg_indexes where tablename = 't8')";
    let rows = target.query_text(others).await.unwrap();
    let counts: Vec<&str> = rows[0].iter().map(|field| field.as_deref().unwrap()).collect();
    assert_eq!(counts, [(TABLES - 1).to_string().as_str(), "0", "3"], "the others went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_page_is_given_up_and_named() {
    a_damaged_page(Major::V9_6).await;
    a_damaged_page(Major::V14).await;
}

/// What the target says of its own storage is not said of the source's.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_target_is_not_taken_for_a_damaged_source() {
    let (source, target) = (database(Major::V14, "sound_src"), database(Major::V18, "sound_dst"));
    source
        .execute(
            "create function sound() returns bool stable language plpgsql as $$ begin
               if current_database() not like 'sound_src%' then
                 raise exception 'invalid page' using errcode = 'XX001';
               end if;
               return true;
             end $$;
             create table t (id int primary key, check (sound()));
             insert into t values (1); create table u (id int primary key); analyze",
        )
        .await
        .unwrap();
    let error = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("XX001"), "{error:?}");
    let said = format!("{error:?}");
    assert!(said.contains("target: ERROR: invalid page") && said.contains("`public.t`"), "{said}");
    assert_eq!(error.hint(), None, "{said}");
    let read_back = "select count(*) from pghaul.step where kind = 'READ BACK'";
    assert_eq!(target.value(read_back).await.unwrap().as_deref(), Some("1"), "the other went on");
}

/// What somebody hears of a run: codes and objects of findings, and whether keys were begun.
#[derive(Default)]
struct Heard {
    found: std::sync::Mutex<Vec<(&'static str, String, String)>>,
    pieces: AtomicU64,
    post_data: std::sync::atomic::AtomicBool,
}

async fn clone_heard(
    source: &Database<'_>,
    target: &Database<'_>,
    options: CloneOptions,
    and: impl Fn(&Event<'_>, u64) + Send + Sync + 'static,
) -> (Result<Outcome, pghaul::Error>, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let ears = Arc::clone(&heard);
    let observer = OnEvent(move |event: &Event<'_>| {
        match event {
            Event::Found(found) if found.severity > pghaul::Severity::Note => {
                let object = found.object.clone().unwrap_or_default();
                ears.found.lock().unwrap().push((found.code, object, found.message.clone()));
            }
            Event::PhaseStarted(Phase::PostData) => ears.post_data.store(true, Ordering::SeqCst),
            Event::PieceCommitted { .. } => drop(ears.pieces.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        and(event, ears.pieces.load(Ordering::SeqCst));
    });
    let prepared = prepare(&source.url(), &target.url(), options).await.unwrap();
    let run = prepared.run(Arc::new(observer), Arc::new(Counters::default()), Stop::default());
    (run.await, heard)
}

/// On the target, rows of these tables cannot be written.
async fn refuse_rows(source: &Database<'_>, tables: impl Iterator<Item = String>, sqlstate: &str) {
    source
        .execute(format!(
            "create function room() returns bool stable language plpgsql as $$ begin
               if current_database() like 'room_dst%' and not pg_try_advisory_lock_shared(88) then
                 raise exception 'not here' using errcode = '{sqlstate}';
               end if;
               return true;
             end $$"
        ))
        .await
        .unwrap();
    for table in tables {
        source.execute(format!("alter table {table} add check (room())")).await.unwrap();
    }
}

/// Nothing else can be written either, so the run ends, says that once, and what to do.
async fn no_room(from: Major) {
    let (source, target) = (database(from, "room_src"), database(Major::V18, "room_dst"));
    fill(&source).await;
    refuse_rows(&source, (1..=TABLES).filter(|n| n % 2 == 0).map(|n| format!("t{n}")), "53100")
        .await;
    let full = target.connect().await.unwrap();
    full.execute("select pg_advisory_lock(88)").await.unwrap();
    let apart = CloneOptions { part_size: Some(256 << 10), ..options() };
    let (ended, heard) = clone_heard(&source, &target, apart, |_, _| {}).await;
    let error = ended.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Transfer, Some("53100")), "{error:?}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("make room on the target") && hint.contains("--resume"), "{hint}");
    assert_eq!(*heard.found.lock().unwrap(), [], "said once");
    assert!(heard.pieces.load(Ordering::SeqCst) < TABLES as u64 / 2, "it goes on");
    assert!(!heard.post_data.load(Ordering::SeqCst));
    let phase = target.value("select phase from pghaul.run").await.unwrap();
    assert_eq!(phase.as_deref(), Some("data"), "{from}");
    drop(full);
    let resume = CloneOptions { start: pghaul::run::options::Start::Resume, ..options() };
    let outcome = clone(&source.url(), &target.url(), resume).await.unwrap();
    assert_arrived(&outcome);
    assert_eq!(recount(&source).await, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_room_ends_the_run_at_once() {
    tokio::join!(no_room(Major::V9_6), no_room(Major::V18));
}

/// What else cannot be written is given up alone; what needs it is named, each once, and why.
#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_table_that_was_given_up_is_named_once() {
    let (source, target) = (database(Major::V14, "room_src"), database(Major::V18, "room_dst"));
    source
        .execute(
            "create table p (id int primary key, v text); create index p_v on p (v);
             create table c (id int primary key, p int, constraint c_p foreign key (p) references p);
             insert into p select g from generate_series(1, 9) g;
             insert into c select g, g from generate_series(1, 9) g; analyze",
        )
        .await
        .unwrap();
    refuse_rows(&source, std::iter::once("p".to_owned()), "P0001").await;
    let refusing = target.connect().await.unwrap();
    refusing.execute("select pg_advisory_lock(88)").await.unwrap();
    let (ended, heard) = clone_heard(&source, &target, options(), |_, _| {}).await;
    assert_eq!(ended.unwrap_err().sqlstate(), Some("P0001"));
    let mut found = std::mem::take(&mut *heard.found.lock().unwrap());
    found.sort();
    let because = "since it needs what failed: writing `public.p`";
    assert!(found.iter().all(|(_, _, said)| said.ends_with(because)), "{found:#?}");
    let found: Vec<(&str, &str)> =
        found.iter().map(|(code, object, _)| (*code, object.as_str())).collect();
    let objects = ["public.c c_p", "public.p p_pkey", "public.p_v"];
    assert_eq!(found, objects.map(|object| ("left_out", object)));
}

/// Until every row is there, keys are not begun, and the state does not say that they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_loses_its_snapshot_has_not_come_to_the_keys() {
    let (source, target) = (database(Major::V14, "lost_src"), database(Major::V18, "lost_dst"));
    fill(&source).await;
    let (server, name) = (source.server(), source.name().to_owned());
    let once = CloneOptions { retries_per_run: 0, ..one_by_one() };
    let (ended, heard) = clone_heard(&source, &target, once, move |event, pieces| {
        if matches!(event, Event::PieceCommitted { .. }) && pieces == 3 {
            terminate_on(server, &name, "pghaul%");
        }
    })
    .await;
    ended.unwrap_err();
    assert!(!heard.post_data.load(Ordering::SeqCst));
    let state = "select phase || ' ' || (select count(*) from pghaul.receipt) from pghaul.run";
    assert_eq!(target.value(state).await.unwrap().as_deref(), Some("data 3"));
}

/// Large tables are locked against autovacuum while they are copied, by a session of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_given_up_keeps_nothing_waiting() {
    let (source, target) = (database(Major::V14, "given_src"), database(Major::V18, "given_dst"));
    source
        .execute(
            "create function at_home() returns bool stable language sql as
                $$ select current_database() like 'given_src%' $$;
             create table t (id int primary key, v text, check (id < 4900 or at_home()));
             insert into t select g, repeat(md5(g::text), 10) from generate_series(1, 5000) g;
             analyze t",
        )
        .await
        .unwrap();
    let small = CloneOptions { part_size: Some(64 << 10), ..options() };
    let (from, to) = (source.url(), target.url());
    let run = clone(&from, &to, small);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(120), run).await;
    let error = ended.expect("it waits for itself").unwrap_err();
    assert_eq!(error.sqlstate(), Some("23514"), "{error:?}");
    let kept = "select count(*) > 10 from pghaul.receipt";
    assert_eq!(target.value(kept).await.unwrap().as_deref(), Some("t"), "the other parts went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_crashes_the_server_twice_is_given_up() {
    let server = Arc::new(Server::start(Major::V9_6, &Options::new()).unwrap());
    let source = Database::new(&server, "crasher").unwrap();
    fill(&source).await;
    // Reading this row takes a while, and the backend that does is killed: as a length word gone
    // wrong would have it.
    source
        .execute(
            "create table t99 (id int primary key, v text);
             insert into t99 select g, repeat(md5(g::text), 100) from generate_series(1, 40000) g",
        )
        .await
        .unwrap();
    let target = database(Major::V18, "crasher_dst");
    let (name, killer) = (source.name().to_owned(), Arc::clone(&server));
    let (over, crashes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (end, killed) = (Arc::clone(&over), Arc::clone(&crashes));
    let kills = std::thread::spawn(move || {
        // The server may need a moment to notice who is dead.
        let mut dead = std::collections::BTreeSet::new();
        let reading = format!(
            "select pid from pg_stat_activity where datname = '{name}' and state = 'active' \
             and query like 'copy (select %\"t99\"%'"
        );
        while end.load(Ordering::SeqCst) == 0 {
            if let Ok(rows) = killer.query_text(reading.as_str()).wait()
                && let Some(pid) = rows.first().and_then(|row| row[0].clone())
                && !dead.contains(&pid)
                && killer.kill_backend(pid.parse().unwrap()).is_ok()
            {
                dead.insert(pid);
                killed.fetch_add(1, Ordering::SeqCst);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let rate = std::num::NonZeroU64::new(3_000_000);
    let options = CloneOptions { max_rate: rate, ..options() };
    let result = clone(&source.url(), &target.url(), options).await;
    over.store(1, Ordering::SeqCst);
    kills.join().unwrap();
    let said = format!("{:?}", result.unwrap_err());
    assert!(said.contains("crashed twice") && said.contains("`public.t99`"), "{said}");
    assert_eq!(crashes.load(Ordering::SeqCst), 2, "not read a third time");
    let read_back = target.value("select count(*) from pghaul.step where kind = 'READ BACK'");
    assert_eq!(read_back.await.unwrap(), Some(TABLES.to_string()), "the others went on");
}
