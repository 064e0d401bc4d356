//! Beginning again and finishing: exactly what the run created goes, nobody else's.

use pghaul::ErrorKind;
use pghaul::connect::{Endpoint, Side};
use pghaul::run::{CloneOptions, Unfinished, finish, options::Start};
use pghaul_testbed::{Database, Major, Options, Role, Server};

use crate::harness::{How, clone, clone_until, database, options};

const SOURCE: &str = "
create schema app;
create table app.parent (id bigint primary key, t text);
create table app.child (id bigint primary key, parent bigint references app.parent);
create view app.v as select * from app.child;
create function app.f() returns int language sql as 'select 1';
insert into app.parent select g, md5(g::text) from generate_series(1, 1000) g;
insert into app.child select g, g from generate_series(1, 1000) g;
select lo_from_bytea(4711, 'abc');
";

const THEIRS: &str = "
create schema other;
create table other.t (id int primary key);
insert into other.t select generate_series(1, 10);
create function public.keep() returns int language sql as 'select 2';
";

#[tokio::test(flavor = "multi_thread")]
async fn restart_drops_what_the_run_created_and_nothing_else() {
    let source = database(Major::V10, "restart_src");
    let target = database(Major::V18, "restart_dst");
    source.execute(SOURCE).await.unwrap();
    target.execute(THEIRS).await.unwrap();
    for events in [2, 9, 25] {
        let start = if events == 2 { Start::New } else { Start::Restart };
        let options = CloneOptions { start, ..options() };
        clone_until(&source.url(), &target.url(), options, (events, How::Now)).await.unwrap();
    }
    let options = CloneOptions { start: Start::Restart, ..options() };
    let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
    assert!(outcome.tables.iter().all(|table| table.verified));
    let rows = target
        .query_text(
            "select (select count(*) from app.child), (select count(*) from other.t), public.keep(), \
             convert_from(lo_get(4711), 'UTF8')",
        )
        .await
        .unwrap();
    let texts: Vec<&str> = rows[0].iter().map(|field| field.as_deref().unwrap()).collect();
    assert_eq!(texts, ["1000", "10", "2", "abc"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_stops_at_what_others_built_upon_it() {
    let source = database(Major::V10, "restart_src");
    let target = database(Major::V18, "restart_dst");
    source.execute(SOURCE).await.unwrap();
    clone(&source.url(), &target.url(), options()).await.unwrap();
    target.execute("create view public.mine as select * from app.parent").await.unwrap();
    let options = CloneOptions { start: Start::Restart, ..options() };
    let error = clone(&source.url(), &target.url(), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState);
    assert!(
        error.in_one_line().contains("(view public.mine depends on table app.parent)"),
        "{error:?}"
    );
    let rows = target.value("select count(*) from public.mine").await.unwrap();
    assert_eq!(rows.as_deref(), Some("1000"));
}

/// More tables than the target's lock table can hold at once.
#[tokio::test(flavor = "multi_thread")]
async fn restart_drops_more_objects_than_there_are_locks() {
    let options_of_target =
        Options::new().set("max_locks_per_transaction", "10").set("max_connections", "40");
    let server = Server::start(Major::V18, &options_of_target).unwrap();
    let (source, target) =
        (database(Major::V14, "locks_src"), Database::new(&server, "locks_dst").unwrap());
    let make = "do $$ begin for i in 1..400 loop \
                execute 'create table t' || i || ' (id int primary key, v text)'; \
                execute 'insert into t' || i || ' values (1, ''a'')'; end loop; end $$";
    source.execute(make).await.unwrap();
    clone(&source.url(), &target.url(), options()).await.unwrap();
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    let too_many = "begin; drop schema public cascade; rollback";
    let refused = target.execute(too_many).await.unwrap_err();
    assert!(refused.to_string().contains("53200"), "one transaction is enough: {refused}");
    // The error is told before the locks are given back.
    while target.execute("select 1").await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    // Somebody's view stands in the middle.
    target.execute("create view mine as select * from t200").await.unwrap();
    let restart = || CloneOptions { start: Start::Restart, ..options() };
    let error = clone(&source.url(), &target.url(), restart()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState);
    assert!(error.hint().unwrap().contains("depends on"), "{error:?}");
    let left: u32 = target.value(tables).await.unwrap().unwrap().parse().unwrap();
    assert!((1..400).contains(&left), "{left} tables are left");
    let resume = CloneOptions { start: Start::Resume, ..options() };
    let error = clone(&source.url(), &target.url(), resume).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState);
    assert!(error.hint().unwrap().contains("--restart"), "{error:?}");
    let end = Endpoint::parse(Side::Target, &target.url()).unwrap();
    assert!(finish(&end, Unfinished::Refuse).await.is_err());

    // Some of what is left is dropped by hand.
    target.execute("drop view mine; drop table if exists t1, t100, t300, t400").await.unwrap();
    let outcome = clone(&source.url(), &target.url(), restart()).await.unwrap();
    assert_eq!(outcome.tables.iter().filter(|table| table.verified).count(), 400);
    assert_eq!(target.value(tables).await.unwrap().as_deref(), Some("400"));
}

/// What a tired administrator drops or makes on the target by hand: it is said what to do, and that
/// works.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_named_and_restart_gets_over_it() {
    let (source, target) =
        (database(Major::V10, "by_hand_src"), database(Major::V18, "by_hand_dst"));
    source.execute(SOURCE).await.unwrap();
    source.execute("create index by_text on app.parent (t)").await.unwrap();
    source.execute("select lo_from_bytea(4712, 'def')").await.unwrap();
    let unfinished =
        || CloneOptions { deferred: vec![pghaul::run::options::Deferred::Validation], ..options() };
    clone(&source.url(), &target.url(), unfinished()).await.unwrap();
    let resume = |start: Start| {
        let options = CloneOptions { start, ..options() };
        let (source, target) = (source.url(), target.url());
        async move { clone(&source, &target, options).await }
    };
    // As of a run that had not come to this index and this table's privileges.
    let undone = "delete from pghaul.step where id like '%by_text%'; update pghaul.run set \
                  finished = null";
    target.execute(undone).await.unwrap();
    let error = resume(Start::Resume).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42P07"), "{error:?}");
    assert!(error.hint().unwrap().contains("drop or rename that"), "{error:?}");
    target.execute("drop index app.by_text").await.unwrap();
    resume(Start::Resume).await.unwrap();

    target.execute("drop view app.v; drop table app.child; select lo_unlink(4711)").await.unwrap();
    target.execute("delete from pghaul.step where id like 'read back%'").await.unwrap();
    target.execute("delete from pghaul.step where id = 'all read back'").await.unwrap();
    target.execute("update pghaul.run set finished = null").await.unwrap();
    let error = resume(Start::Resume).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42P01"), "{error:?}");
    assert!(error.hint().unwrap().contains("`app.child` was dropped or renamed"), "{error:?}");
    let begin_again = Start::ResumeRestarting(vec!["app.child".to_owned()]);
    let error = resume(begin_again).await.unwrap_err();
    assert!(error.hint().unwrap().contains("begin again with --restart"), "{error:?}");

    let outcome = resume(Start::Restart).await.unwrap();
    assert!(outcome.tables.iter().all(|table| table.verified));
    let rows = "select (select count(*) from app.v) || convert_from(lo_get(4711) || lo_get(4712), \
                'UTF8')";
    assert_eq!(target.value(rows).await.unwrap().as_deref(), Some("1000abcdef"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_roles_run_is_called_that_and_nobody_is_told_to_drop_it() {
    let (source, target) = (database(Major::V10, "whose_src"), database(Major::V18, "whose_dst"));
    source.execute(SOURCE).await.unwrap();
    clone(&source.url(), &target.url(), options()).await.unwrap();
    let guest = Role::create(target.server(), "guest", "").unwrap();
    let url = target.url_as(&guest);
    let end = Endpoint::parse(Side::Target, &url).unwrap();
    let mut errors = vec![finish(&end, Unfinished::GiveUp).await.unwrap_err()];
    for start in [Start::New, Start::Resume, Start::Restart] {
        let options = CloneOptions { start, ..options() };
        errors.push(clone(&source.url(), &url, options).await.unwrap_err());
    }
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::RunState, "{error:?}");
        assert!(error.to_string().contains("belongs to role `postgres`"), "{error:?}");
        assert!(!error.hint().unwrap().contains("drop"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_is_refused_and_finish_removes_the_state() {
    let source = database(Major::V10, "finish_src");
    let target = database(Major::V18, "finish_dst");
    source.execute(SOURCE).await.unwrap();
    let end = Endpoint::parse(Side::Target, &target.url()).unwrap();
    let none = finish(&end, Unfinished::Refuse).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::RunState);
    clone_until(&source.url(), &target.url(), options(), (9, How::Now)).await.unwrap();
    let again = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::RunState);
    let unfinished = finish(&end, Unfinished::Refuse).await.unwrap_err();
    assert_eq!(unfinished.kind(), ErrorKind::RunState);
    let options = CloneOptions { start: Start::Resume, ..options() };
    clone(&source.url(), &target.url(), options).await.unwrap();
    finish(&end, Unfinished::Refuse).await.unwrap();
    let state = target.value("select count(*) from pg_namespace where nspname = 'pghaul'");
    assert_eq!(state.await.unwrap().as_deref(), Some("0"));
    let rows = target.value("select count(*) from app.child").await.unwrap();
    assert_eq!(rows.as_deref(), Some("1000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_our_name_that_is_not_ours_is_refused() {
    let source = database(Major::V10, "foreign_src");
    let target = database(Major::V18, "foreign_dst");
    source.execute(SOURCE).await.unwrap();
    target.execute("create schema pghaul; create table pghaul.run (id int)").await.unwrap();
    let error = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    let tables = target
        .value("select count(*) from pg_tables where schemaname in ('pghaul', 'app')")
        .await
        .unwrap();
    assert_eq!(tables.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_another_pghaul_is_left_to_that_one() {
    let source = database(Major::V10, "other_src");
    let target = database(Major::V18, "other_dst");
    source.execute(SOURCE).await.unwrap();
    clone_until(&source.url(), &target.url(), options(), (9, How::Now)).await.unwrap();
    let end = Endpoint::parse(Side::Target, &target.url()).unwrap();
    let resume = || CloneOptions { start: Start::Resume, ..options() };
    let restart = || CloneOptions { start: Start::Restart, ..options() };
    let ours = pghaul::state::FORMAT;
    for (format, age) in [(ours - 1, "older"), (ours + 1, "newer")] {
        target.execute(format!("update pghaul.run set format = {format}")).await.unwrap();
        let state = "select concat_ws(' ', (select count(*) from pghaul.receipt), \
                     (select count(*) from pghaul.step), \
                     (select count(*) from pg_class where relkind = 'r'))";
        let before = target.value(state).await.unwrap();
        let mut refused = vec![
            clone(&source.url(), &target.url(), resume()).await.unwrap_err(),
            pghaul::status::read(&end).await.unwrap_err(),
            finish(&end, Unfinished::GiveUp).await.unwrap_err(),
        ];
        if format > ours {
            refused.push(clone(&source.url(), &target.url(), restart()).await.unwrap_err());
        }
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::RunState, "{error:?}");
            assert!(error.to_string().contains(&format!("{age} pghaul")), "{error:?}");
        }
        assert_eq!(target.value(state).await.unwrap(), before);
    }
    // What an older one has created is known.
    target.execute(format!("update pghaul.run set format = {}", ours - 1)).await.unwrap();
    clone(&source.url(), &target.url(), restart()).await.unwrap();
    assert_eq!(
        target.value("select format from pghaul.run").await.unwrap(),
        Some(ours.to_string())
    );
}

/// What the run carried is about the database's objects, not about the state of a run: up to 16 an
/// event trigger would hear of that too.
#[tokio::test(flavor = "multi_thread")]
async fn finishing_meets_no_event_trigger_that_the_run_has_carried() {
    let source = database(Major::V9_6, "event_src");
    source
        .execute(
            "create table kept (id int primary key); insert into kept values (1); \
             create table heard (tag text); \
             create function hear() returns event_trigger language plpgsql \
               as $$ begin insert into public.heard values (tg_tag); end $$; \
             create function forbid() returns event_trigger language plpgsql \
               as $$ begin raise exception 'nothing is dropped here'; end $$; \
             create event trigger hears on ddl_command_end execute procedure hear(); \
             create event trigger forbids on sql_drop execute procedure forbid()",
        )
        .await
        .unwrap();
    let heard = "select count(*) from heard";
    let before = source.value(heard).await.unwrap();
    for major in [Major::V14, Major::V18] {
        let target = database(major, "event_dst");
        clone(&source.url(), &target.url(), options()).await.unwrap();
        let end = Endpoint::parse(Side::Target, &target.url()).unwrap();
        finish(&end, Unfinished::Refuse).await.unwrap();
        assert_eq!(target.value(heard).await.unwrap(), before);
        assert!(target.execute("drop table kept").await.is_err());
    }
}
