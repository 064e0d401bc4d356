//! Beginning again for some tables: what stands on them already neither fires nor cascades, and
//! everything that depends on their rows is done again.

use pghaul::ErrorKind;
use pghaul::run::{CloneOptions, Ending, Outcome, Unfinished, finish, options::Start};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{Database, Major};

use crate::harness::{How, clone, clone_until, database, options, until_gone};

/// Keys that cascade, triggers that write, and a table that arrives last, once its check is gone.
const SOURCE: &str = "
create table audit (id bigserial primary key, what text);
create table parent (id serial primary key, v text, up int references parent on delete set null);
create table child (
    id int primary key, parent int not null references parent on delete cascade on update cascade
);
create table grandchild (id int primary key, child int references child on delete cascade);
create function note() returns trigger language plpgsql as
    $$ begin insert into public.audit (what) values (tg_op); return null; end $$;
create trigger noting after insert or update or delete or truncate on parent
    for each statement execute procedure note();
create trigger always after insert or delete on parent for each row execute procedure note();
alter table parent enable always trigger always;
comment on trigger noting on parent is 'it notes';
comment on constraint child_parent_fkey on child is 'it refers';
create rule ruled as on delete to parent do also insert into audit (what) values ('ruled');
insert into parent (v, up) select 'v' || g, nullif(g / 2, 0) from generate_series(1, 1000) g;
insert into child select g, g from generate_series(1, 1000) g;
insert into grandchild select g, g from generate_series(1, 1000) g;
create materialized view sums as select count(*), max(v) from parent;
create function at_home() returns bool stable language sql as
    $$ select current_database() like 'begin_src%' $$;
create table late (id int primary key, constraint late_at_home check (at_home()));
insert into late select generate_series(1, 10);
create materialized view lates as select count(*) from late;
";

async fn equal(source: &Database<'_>, target: &Database<'_>, options: &OracleOptions) {
    oracle::compare(&source.url(), &target.url(), options).await.unwrap().check().unwrap();
}

async fn resume(
    source: &Database<'_>,
    target: &Database<'_>,
    start: Start,
) -> Result<Outcome, pghaul::Error> {
    until_gone(&[source]).await;
    clone(&source.url(), &target.url(), CloneOptions { start, ..options() }).await
}

fn again(pattern: &str) -> Start {
    Start::ResumeRestarting(vec![pattern.to_owned()])
}

fn assert_whole(outcome: &Outcome) {
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
}

async fn keys_and_triggers(from: Major) {
    let (source, target) = (database(from, "begin_src"), database(Major::V18, "begin_dst"));
    source.execute(SOURCE).await.unwrap();
    let failed = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert!(format!("{failed:?}").contains("late_at_home"), "{failed:?}");
    let made = "select (select count(*) from pg_constraint where contype = 'f' and convalidated \
                and connamespace = 'public'::regnamespace) \
                || ' ' || (select count(*) from pg_trigger where not tgisinternal)";
    assert_eq!(target.value(made).await.unwrap().as_deref(), Some("3 2"), "they stand already");
    target.execute("alter table late drop constraint late_at_home").await.unwrap();
    source
        .execute("alter table parent disable trigger user; update parent set v = 'other' where id = 7;
                  alter table parent enable trigger user; alter table parent enable always trigger always;
                  refresh materialized view sums; select nextval('parent_id_seq')")
        .await
        .unwrap();
    let changed = resume(&source, &target, Start::Resume).await.unwrap_err();
    assert_eq!(changed.kind(), ErrorKind::SnapshotGone);
    assert!(format!("{changed:?}").contains("`public.parent`"), "{changed:?}");
    let outcome = resume(&source, &target, again("public.parent")).await.unwrap();
    assert_whole(&outcome);
    assert_eq!(outcome.consistency, "reverified");
    source.execute("alter table late drop constraint late_at_home").await.unwrap();
    equal(&source, &target, &OracleOptions::new()).await;
    let kept = "select count(distinct part) from pghaul.receipt";
    assert_eq!(target.value(kept).await.unwrap().as_deref(), Some("5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_do_not_cascade_and_triggers_do_not_fire() {
    keys_and_triggers(Major::V9_6).await;
    keys_and_triggers(Major::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_run_begins_again_for_some_tables_too() {
    let (source, target) = (database(Major::V14, "begin_src"), database(Major::V18, "begin_dst"));
    source.execute(SOURCE).await.unwrap();
    source.execute("alter table late drop constraint late_at_home").await.unwrap();
    let first = clone(&source.url(), &target.url(), options()).await.unwrap();
    assert_whole(&first);
    source
        .execute("insert into parent (v) select 'late' || g from generate_series(1, 50) g")
        .await
        .unwrap();
    // Their audit is a change of another table.
    let changed = resume(&source, &target, again("public.parent")).await.unwrap_err();
    assert_eq!(changed.kind(), ErrorKind::SnapshotGone);
    assert!(format!("{changed:?}").contains("`public.audit`"), "{changed:?}");
    let both = || Start::ResumeRestarting(vec!["public.parent".into(), "*.audit".into()]);
    let unknown = resume(&source, &target, again("public.parents")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Usage);

    // Stopped in between, the run is not finished any more.
    let restart = CloneOptions { start: both(), ..options() };
    let stopped = clone_until(&source.url(), &target.url(), restart, (4, How::Now)).await.unwrap();
    assert_eq!(stopped.ending, Ending::Stopped);
    let unfinished = target.value("select finished is null from pghaul.run").await.unwrap();
    assert_eq!(unfinished.as_deref(), Some("t"));
    let end =
        pghaul::connect::Endpoint::parse(pghaul::connect::Side::Target, &target.url()).unwrap();
    assert_eq!(finish(&end, Unfinished::Refuse).await.unwrap_err().kind(), ErrorKind::RunState);

    let outcome = resume(&source, &target, both()).await.unwrap();
    assert_whole(&outcome);
    assert_eq!((first.indexes, first.constraints), (outcome.indexes, outcome.constraints));
    source.execute("refresh materialized view sums").await.unwrap();
    let sums = "select s::text from sums s";
    assert_eq!(source.value(sums).await.unwrap(), target.value(sums).await.unwrap());
    // Sequences and materialized views as well.
    equal(&source, &target, &OracleOptions::new()).await;
    let next = target.value("insert into parent (v) values ('new') returning id").await.unwrap();
    assert_eq!(next.as_deref(), Some("1051"));
    finish(&end, Unfinished::Refuse).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_that_share_a_root_begin_again_together() {
    let (source, target) = (database(Major::V14, "begin_src"), database(Major::V18, "begin_dst"));
    source
        .execute(
            "create table tree (k text, v int) partition by range (k);
             create table tree_a partition of tree for values from ('a') to ('m');
             create table tree_m partition of tree for values from ('m') to ('zz');
             create table other (id int);
             insert into tree select chr(97 + g % 25), g from generate_series(1, 5000) g;
             insert into other select generate_series(1, 10)",
        )
        .await
        .unwrap();
    assert_whole(&clone(&source.url(), &target.url(), options()).await.unwrap());
    source.execute("update tree_m set v = 0 where v = 14").await.unwrap();
    let committed = "select committed::text from pghaul.receipt r join pghaul.part p on p.id = r.part \
                     join pghaul.relation n on n.id = p.relation where n.table_name = 'other'";
    let before = target.value(committed).await.unwrap();
    assert_whole(&resume(&source, &target, again("public.tree_m")).await.unwrap());
    equal(&source, &target, &OracleOptions::new()).await;
    assert_eq!(target.value(committed).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_hung_upon_a_table_stops_it() {
    let (source, target) = (database(Major::V14, "begin_src"), database(Major::V18, "begin_dst"));
    source
        .execute("create table t (id int primary key); insert into t values (1), (2)")
        .await
        .unwrap();
    assert_whole(&clone(&source.url(), &target.url(), options()).await.unwrap());
    target
        .execute("create table theirs (t int references t on delete cascade); insert into theirs values (1)")
        .await
        .unwrap();
    let refused = resume(&source, &target, again("public.t")).await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("0A000"), "{refused:?}");
    assert!(refused.hint().unwrap().contains("something else depends on these tables"));
    let there = "select (select count(*) from t) || ' ' || (select count(*) from theirs) || ' ' || \
                 (select count(*) from pghaul.receipt)";
    assert_eq!(target.value(there).await.unwrap().as_deref(), Some("2 1 1"));
}
