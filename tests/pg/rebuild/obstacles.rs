//! What stands in the way: rows, other sessions, rights, names, indexes that go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pghaul::ErrorKind;
use pghaul::event::Event;
use pghaul::finding::{Finding, Severity};
use pghaul::rebuild::{Holder, IndexEnd, Locking, RebuildOptions, Rebuilt, Selection};
use pghaul::run::Stop;
use pghaul_testbed::damage::{Damage, Order, Recipe};
use pghaul_testbed::{Database, Major, Options, Role, Server, Session};

use super::{
    MAJORS, all, assert_all_rebuilt, assert_sound, database, described, ends, files, majors, named,
    rebuild, rebuild_as, rebuild_watched,
};
use crate::harness::OnEvent;

const TABLE: &str = "
    create table t (id int primary key, v text not null, n int);
    insert into t select g, 'v' || g, g from generate_series(1, 2000) g;
    create unique index t_v on t (v);
    create index t_n on t (n);
    create table child (t int references t);
    insert into child select g from generate_series(1, 2000) g;
";

pub(crate) fn found<'a>(rebuilt: &'a Rebuilt, code: &str) -> Vec<&'a Finding> {
    rebuilt.findings.iter().filter(|finding| finding.code == code).collect()
}

async fn invalid(database: &Database<'_>) -> Vec<String> {
    let sql = "select indexrelid::regclass::text from pg_index where not indisvalid order by 1";
    let rows = database.query_text(sql).await.unwrap();
    rows.into_iter().map(|mut row| row[0].take().unwrap()).collect()
}

#[tokio::test]
async fn rows_that_share_a_key() {
    for major in majors(&[Major::V9_6, Major::V14, Major::V18]) {
        for (index, recipe) in [
            ("t_pkey", Recipe::MissingEntries),
            ("t_v", Recipe::DoubleEntries),
            ("t_v", Recipe::WrongOrder(Order::Reversed)),
        ] {
            let context = format!("{major} {index} {recipe:?}");
            let database = database(major, "groups");
            database.execute(TABLE).await.unwrap();
            let session = database.connect().await.unwrap();
            let damage = Damage::new(index, recipe).groups(5).extra(2).only("src.id < 1000");
            let planted = damage.plant(&session).await.unwrap();
            let mut expected: Vec<BTreeSet<String>> = planted
                .groups
                .iter()
                .map(|group| {
                    let rows = std::iter::once(&group.original).chain(&group.copies);
                    rows.map(|row| row.tid.clone()).collect()
                })
                .collect();
            expected.sort();
            drop(session);
            let (before, lay) = (described(&database).await, files(&database).await);
            for locking in [Locking::Concurrent, Locking::Blocking] {
                let rebuilt = rebuild(&database, RebuildOptions { locking, ..all() }).await;
                let name = format!("public.{index}");
                assert_eq!(ends(&rebuilt)[&name], "refused", "{context}");
                let others = ends(&rebuilt).into_iter().filter(|(other, _)| *other != name);
                for (other, end) in others {
                    assert_eq!(end, "rebuilt", "{context}: {other}");
                }
                let finding = found(&rebuilt, "duplicates");
                assert_eq!(finding.len(), 1, "{context}");
                assert_eq!(finding[0].object.as_deref(), Some(name.as_str()), "{context}");
                let refused = rebuilt.indexes.iter().find(|one| one.index.name.to_string() == name);
                let IndexEnd::Refused(Some(keys)) = &refused.unwrap().end else {
                    panic!("{context}: no groups: {finding:?}");
                };
                let mut groups: Vec<BTreeSet<String>> = keys
                    .groups
                    .iter()
                    .map(|group| group.iter().map(|row| row.tid.to_string()).collect())
                    .collect();
                groups.sort();
                assert_eq!(groups, expected, "{context}");
                assert_eq!((keys.found.groups, keys.found.rows), (5, 15), "{context}");
                assert!(!finding[0].message.contains("(v)="), "no value is shown: {finding:?}");
                assert_eq!(rebuilt.severity(), Some(Severity::Warning), "{context}");
            }
            assert_eq!(described(&database).await, before, "{context}: the index is what it was");
            assert_eq!(files(&database).await[index], lay[index], "{context}");
            assert!(invalid(&database).await.is_empty(), "{context}");
        }
    }
}

#[tokio::test]
async fn rows_that_exclude_each_other() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let database = database(major, "exclusion");
        database
            .execute(
                "create table t (r int4range, constraint t_r exclude using gist (r with &&));
                 insert into t values ('[1,5)'), ('[5,9)');
                 update pg_index set indisready = false where indexrelid = 't_r'::regclass;
                 update pg_class set relhasindex = false where oid = 't'::regclass;
                 insert into t values ('[4,6)');
                 update pg_class set relhasindex = true where oid = 't'::regclass;
                 update pg_index set indisready = true where indexrelid = 't_r'::regclass",
            )
            .await
            .unwrap();
        let before = described(&database).await;
        let rebuilt = rebuild(&database, all()).await;
        assert_eq!(ends(&rebuilt)["public.t_r"], "refused", "{major} {:?}", rebuilt.findings);
        assert_eq!(found(&rebuilt, "conflicting_rows").len(), 1);
        assert_eq!(described(&database).await, before, "{major}");
    }
}

#[tokio::test]
async fn a_key_that_is_too_long() {
    let database = database(Major::V14, "long");
    database
        .execute(
            "create table t (v text); create index t_v on t (v);
             update pg_index set indisready = false where indexrelid = 't_v'::regclass;
             insert into t select string_agg(md5(g::text), '') from generate_series(1, 1000) g;
             update pg_index set indisready = true where indexrelid = 't_v'::regclass",
        )
        .await
        .unwrap();
    let rebuilt = rebuild(&database, all()).await;
    assert_eq!(ends(&rebuilt)["public.t_v"], "failed");
    let finding = found(&rebuilt, "rebuild_failed")[0];
    assert!(finding.remedy.contains("shorten the key"), "{finding:?}");
    assert!(invalid(&database).await.is_empty());
}

/// Who was waited for, as events told.
type Told = Arc<Mutex<Vec<Vec<Holder>>>>;

fn listener() -> (Told, Arc<OnEvent<impl Fn(&Event<'_>) + Send + Sync>>) {
    let told = Told::default();
    let heard = Arc::clone(&told);
    let observer = OnEvent(move |event: &Event<'_>| {
        if let Event::Waiting { holders, .. } = event {
            heard.lock().unwrap().push(holders.to_vec());
        }
    });
    (told, Arc::new(observer))
}

async fn pid(session: &Session) -> i32 {
    session.value("select pg_backend_pid()").await.unwrap().unwrap().parse().unwrap()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn a_session_that_holds_a_snapshot_is_named() {
    for major in MAJORS {
        let database = database(major, "snapshot");
        database.execute(TABLE).await.unwrap();
        let holder = database.connect().await.unwrap();
        holder
            .execute(
                "set application_name = 'a report'; begin isolation level repeatable read; \
                 select count(*) from child",
            )
            .await
            .unwrap();
        let holder_pid = pid(&holder).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        let (told, observer) = listener();
        let running = {
            let url = database.url();
            tokio::spawn(async move {
                let options = named(&["t_v", "t_n"]);
                pghaul::rebuild::rebuild(super::endpoint(&url), options, observer, Stop::default())
                    .await
            })
        };
        until("the holder is named", async || {
            told.lock().unwrap().iter().flatten().any(|one| {
                one.pid == Some(holder_pid) && one.application.as_deref() == Some("a report")
            })
        })
        .await;
        assert!(!running.is_finished());
        // Others write meanwhile.
        database.execute("insert into t values (100000, 'new', 1)").await.unwrap();
        holder.execute("commit").await.unwrap();
        let rebuilt = running.await.unwrap().unwrap();
        assert_all_rebuilt(&rebuilt, &major.to_string());
        let before = found(&rebuilt, "old_snapshot");
        assert_eq!(before.len(), 1, "{major} named before, too: {:?}", rebuilt.findings);
        assert!(before[0].message.contains("a report"), "{before:?}");
        assert!(before[0].remedy.contains(&format!("pg_terminate_backend({holder_pid})")));
        assert!(told.lock().unwrap().iter().any(Vec::is_empty), "told that the wait is over");
        assert_sound(&database, &major.to_string()).await;
        let sql = "select count(*) from t where v = 'new'";
        assert_eq!(database.value(sql).await.unwrap().as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn waiting_has_an_end_if_one_is_given() {
    for major in majors(&[Major::V9_6, Major::V14, Major::V18]) {
        let database = database(major, "giveup");
        database.execute(TABLE).await.unwrap();
        let before = described(&database).await;
        let holder = database.connect().await.unwrap();
        // A reader of another table holds concurrent builds back, a reader of this one the swap.
        holder
            .execute("begin isolation level repeatable read; select count(*) from child")
            .await
            .unwrap();
        let options = RebuildOptions { max_wait: Some(Duration::from_secs(2)), ..named(&["t_v"]) };
        let (_, observer) = listener();
        let rebuilt = rebuild_watched(&database, options, observer, Stop::default()).await.unwrap();
        assert_eq!(ends(&rebuilt)["public.t_v"], "failed", "{major}");
        let finding = found(&rebuilt, "gave_up_waiting");
        assert_eq!(finding.len(), 1, "{major} {:?}", rebuilt.findings);
        let holder_pid = pid(&holder).await;
        assert!(finding[0].message.contains(&format!("process {holder_pid}")), "{finding:?}");
        assert_eq!(described(&database).await, before, "{major}: nothing is left behind");
        holder.execute("commit").await.unwrap();
        assert_all_rebuilt(&rebuild(&database, named(&["t_v"])).await, &major.to_string());
    }
}

#[tokio::test]
async fn a_lock_that_others_would_wait_behind_is_asked_for_briefly() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let database = database(major, "locked");
        database.execute(TABLE).await.unwrap();
        let writer = database.connect().await.unwrap();
        writer.execute("begin; update t set n = 0 where id = 1").await.unwrap();
        let options = RebuildOptions {
            max_wait: Some(Duration::from_secs(3)),
            locking: Locking::Blocking,
            ..named(&["t_v"])
        };
        let rebuilt = rebuild(&database, options).await;
        assert_eq!(ends(&rebuilt)["public.t_v"], "failed", "{major}");
        assert_eq!(found(&rebuilt, "gave_up_waiting").len(), 1, "{:?}", rebuilt.findings);
        writer.execute("rollback").await.unwrap();
    }
}

#[tokio::test]
async fn prepared_transactions_are_named() {
    let database = database(Major::V14, "prepared");
    database.execute(TABLE).await.unwrap();
    database
        .execute("begin; insert into t values (5000, 'half', 1); prepare transaction 'half''s'")
        .await
        .unwrap();
    let options = RebuildOptions { max_wait: Some(Duration::from_secs(2)), ..named(&["t_v"]) };
    let (told, observer) = listener();
    let rebuilt = rebuild_watched(&database, options, observer, Stop::default()).await.unwrap();
    assert!(
        told.lock().unwrap().iter().flatten().any(|one| one.prepared.as_deref() == Some("half's"))
    );
    let finding = found(&rebuilt, "gave_up_waiting");
    assert!(finding[0].remedy.contains("ROLLBACK PREPARED 'half''s'"), "{finding:?}");
    assert_eq!(found(&rebuilt, "old_snapshot").len(), 1);
    database.execute("rollback prepared 'half''s'").await.unwrap();
    assert_all_rebuilt(&rebuild(&database, named(&["t_v"])).await, "14");
}

#[tokio::test]
async fn names() {
    let database = database(Major::V18, "names");
    database
        .execute(
            "create schema \"S s\"; create table \"S s\".\"T.t\" (id int);
             create index \"I \"\"i.x\" on \"S s\".\"T.t\" (id);
             create table u (id int primary key); create table \"S s\".u (id int primary key);
             create table empty (id int)",
        )
        .await
        .unwrap();
    for name in ["I \"i.x", "S s.I \"i.x", "\"S s\".\"I \"\"i.x\"", "S s.I*"] {
        let rebuilt = rebuild(&database, named(&[name])).await;
        assert_eq!(
            ends(&rebuilt),
            BTreeMap::from([("S s.I \"i.x".to_owned(), "rebuilt")]),
            "{name}"
        );
    }
    for (name, why) in [("nobody", "there is no index `nobody`"), ("u_pkey", "more than one")] {
        let error = rebuild_as(&database.url(), named(&[name])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(why), "{error}");
    }
    let tables = |name: &str| {
        let selection = Selection { tables: vec![name.to_owned()], ..Selection::default() };
        RebuildOptions { selection, ..RebuildOptions::default() }
    };
    assert_eq!(rebuild(&database, tables("public.u")).await.indexes.len(), 1);
    assert_eq!(rebuild(&database, tables("S s.*")).await.indexes.len(), 2);
}

#[tokio::test]
async fn a_role_that_may_not() {
    for (major, may) in [(Major::V10, false), (Major::V18, true)] {
        let server = Server::shared(major).unwrap();
        let database = Database::new(server, "rights").unwrap();
        let role = Role::create(server, "plain", "").unwrap();
        database.execute(TABLE).await.unwrap();
        let before = files(&database).await;
        let error = rebuild_as(&database.url_as(&role), all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Preflight, "{major}");
        assert!(error.to_string().contains("`public.t` (owner postgres)"), "{error}");
        assert_eq!(files(&database).await, before);

        database.execute(format!("alter table t owner to {}", role.name)).await.unwrap();
        let rebuilt = rebuild_as(&database.url_as(&role), named(&["t_v"])).await.unwrap();
        assert_all_rebuilt(&rebuilt, &major.to_string());
        if may {
            database
                .execute(format!(
                    "alter table t owner to postgres; grant maintain on t to {}",
                    role.name
                ))
                .await
                .unwrap();
            let rebuilt = rebuild_as(&database.url_as(&role), named(&["t_v"])).await.unwrap();
            assert_all_rebuilt(&rebuilt, &major.to_string());
        }
    }
}

#[tokio::test]
async fn an_index_that_is_dropped_meanwhile() {
    for major in [Major::V9_6, Major::V14] {
        let database = database(major, "dropped");
        database.execute(TABLE).await.unwrap();
        let prepared =
            pghaul::rebuild::PreparedRebuild::new(super::endpoint(&database.url()), all())
                .await
                .unwrap();
        database.execute("drop table t cascade; create table t (id int)").await.unwrap();
        let rebuilt = prepared.run(Arc::new(()), Stop::default()).await.unwrap();
        assert!(
            ends(&rebuilt).values().all(|end| *end == "gone"),
            "{major} {:?}",
            rebuilt.findings
        );
        assert_eq!(rebuilt.severity(), Some(Severity::Note));
    }
}

#[tokio::test]
async fn a_standby() {
    let server = Server::start(Major::V18, &Options::new()).unwrap();
    let standby = server.standby().unwrap();
    let error = rebuild_as(&standby.url("postgres"), all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    assert!(error.to_string().contains("standby"), "{error}");
}
