//! Promises of a clone, each broken on purpose from outside while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pghaul::event::{Counters, Event, Observer};
use pghaul::run::options::{Keep, SourceUse, Start};
use pghaul::run::{CloneOptions, Outcome, Stop};
use pghaul::{Error, ErrorKind, Severity};
use pghaul_testbed::{Database, Major, Role, Server};

use crate::harness::{clone, database, options, prepare};

/// Does something once, when an event comes that it waits for.
struct Once<F> {
    done: AtomicBool,
    act: F,
}

impl<F: Fn(&Event<'_>) -> bool + Send + Sync> Observer for Once<F> {
    fn on_event(&self, event: &Event<'_>) {
        if !self.done.load(Ordering::SeqCst) && (self.act)(event) {
            self.done.store(true, Ordering::SeqCst);
        }
    }
}

async fn clone_and(
    source: &Database<'_>,
    target: &Database<'_>,
    options: CloneOptions,
    act: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static,
) -> Result<Outcome, Error> {
    let observer = Arc::new(Once { done: AtomicBool::new(false), act });
    let prepared = prepare(&source.url(), &target.url(), options).await?;
    let outcome =
        prepared.run(Arc::clone(&observer) as _, Arc::new(Counters::default()), Stop::default());
    let outcome = outcome.await;
    assert!(observer.done.load(Ordering::SeqCst), "the event never came");
    outcome
}

/// The servers live as long as the process, so their databases' connections may too.
fn shared(major: Major, hint: &str) -> &'static Database<'static> {
    Box::leak(Box::new(database(major, hint)))
}

fn codes(outcome: &Outcome, severity: Severity) -> Vec<&'static str> {
    let of = outcome.findings.iter().filter(|finding| finding.severity == severity);
    of.map(|finding| finding.code).collect()
}

const TWO_TABLES: &str = "
create table a (id int primary key, t text);
insert into a select g, md5(g::text) from generate_series(1, 20000) g;
create table b (id int primary key, t text);
insert into b select g, md5(g::text) from generate_series(1, 1000) g;
";

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_were_forgotten_are_named() {
    for (major, source_use, severity) in [
        (Major::V9_6, SourceUse::Quiet, Severity::Warning),
        (Major::V14, SourceUse::Live, Severity::Note),
        (Major::V18, SourceUse::Quiet, Severity::Warning),
    ] {
        let source = shared(major, "writers_src");
        let target = shared(Major::V18, "writers_dst");
        source.execute(TWO_TABLES).await.unwrap();
        let options = CloneOptions { source_use, ..options() };
        let verified = AtomicU64::new(0);
        let outcome = clone_and(source, target, options, move |event| {
            let last = matches!(event, Event::TableVerified { .. })
                && verified.fetch_add(1, Ordering::SeqCst) == 1;
            if last {
                // Before 15, whoever asks now gets what was counted up to here, and so does everybody
                // who asks within half a second.
                source.value("select count(n_tup_ins) from pg_stat_user_tables").wait().unwrap();
                source.execute("insert into b values (1001, 'late')").wait().unwrap();
            }
            last
        })
        .await
        .unwrap();
        let found: Vec<_> =
            outcome.findings.iter().filter(|found| found.code == "written_meanwhile").collect();
        assert_eq!(found.len(), 1, "{major}: {:?}", outcome.findings);
        assert_eq!(found[0].object.as_deref(), Some("public.b"));
        assert_eq!(found[0].severity, severity);
        assert!(outcome.tables.iter().all(|table| table.verified));
    }
}

/// They know no snapshot: what was given out while rows were copied must not be given out again.
#[tokio::test(flavor = "multi_thread")]
async fn sequences_are_read_last() {
    for major in [Major::V9_6, Major::V18] {
        let source = shared(major, "sequences_src");
        let target = shared(Major::V18, "sequences_dst");
        source.execute(TWO_TABLES).await.unwrap();
        source.execute("create sequence s; select nextval('s')").await.unwrap();
        let verified = AtomicU64::new(0);
        clone_and(source, target, options(), move |event| {
            let last = matches!(event, Event::TableVerified { .. })
                && verified.fetch_add(1, Ordering::SeqCst) == 1;
            if last {
                source.execute("select setval('s', 4711)").wait().unwrap();
            }
            last
        })
        .await
        .unwrap();
        let next = target.value("select nextval('s')").await.unwrap();
        assert_eq!(next.as_deref(), Some("4712"), "{major}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ddl_on_the_source_waits_and_no_table_arrives_empty() {
    for major in [Major::V9_6, Major::V14, Major::V18] {
        let source = shared(major, "ddl_src");
        let target = shared(Major::V18, "ddl_dst");
        source.execute(TWO_TABLES).await.unwrap();
        // All readers have their locks by then: another would wait behind the statements below.
        let outcome = clone_and(source, target, options(), move |event| {
            let begun = matches!(event, Event::PieceCommitted { .. });
            if begun {
                for statement in
                    ["truncate a", "alter table b alter column id type bigint", "drop table b"]
                {
                    source.execute(statement).forget();
                }
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
            begun
        })
        .await
        .unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified));
        let rows = target.query_text("select (select count(*) from a), (select count(*) from b)");
        assert_eq!(rows.await.unwrap()[0], [Some("20000".to_owned()), Some("1000".to_owned())]);
    }
}

/// Between the snapshot and the first reader only the keeper holds the locks.
#[tokio::test(flavor = "multi_thread")]
async fn once_there_is_a_snapshot_nobody_rewrites_a_table() {
    for major in [Major::V9_6, Major::V18] {
        let source = shared(major, "keeper_src");
        let target = shared(Major::V18, "keeper_dst");
        source.execute(TWO_TABLES).await.unwrap();
        let prepared = prepare(&source.url(), &target.url(), options()).await.unwrap();
        for statement in ["truncate a", "alter table b alter column id type bigint", "drop table b"]
        {
            let hasty = format!("set lock_timeout = '200ms'; {statement}");
            let error = source.execute(hasty).await.unwrap_err();
            assert_eq!(error.sqlstate(), Some("55P03"), "{statement}: {error}");
        }
        drop(prepared);
        // And nobody who was not asked for is kept waiting for long.
        source.execute("truncate a").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changes_on_the_target_is_found_and_named() {
    // In one part, and in slices.
    for (major, part_size) in [(Major::V10, None), (Major::V14, Some(200_000))] {
        let source = shared(major, "changed_src");
        let target = shared(Major::V18, "changed_dst");
        source.execute(TWO_TABLES).await.unwrap();
        let options = CloneOptions { part_size, ..options() };
        let outcome = clone_and(source, target, options.clone(), move |event| {
            let copied =
                matches!(event, Event::TableCopied { table, .. } if table.name.as_str() == "a");
            if copied {
                let sql = "update a set t = 'changed' where id = 77; delete from a where id = 78; \
                           insert into a values (-5, 'extra')";
                target.execute(sql).wait().unwrap();
            }
            copied
        })
        .await
        .unwrap();
        let named = [["Extra", "-5"], ["Changed", "77"], ["Missing", "78"]];
        assert_eq!(differing(&outcome), named);
        // As long as nobody mends it, a resume finds it again.
        let resume = CloneOptions { start: Start::Resume, ..options };
        let outcome = clone(&source.url(), &target.url(), resume.clone()).await.unwrap();
        assert_eq!(differing(&outcome), named);
        let sql = format!(
            "delete from a where id in (77, -5); insert into a values (77, '{}'), (78, '{}')",
            source.value("select t from a where id = 77").await.unwrap().unwrap(),
            source.value("select t from a where id = 78").await.unwrap().unwrap(),
        );
        target.execute(sql).await.unwrap();
        let outcome = clone(&source.url(), &target.url(), resume).await.unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_table_is_read_back_in_slices_where_that_is_no_scan_each() {
    let source = shared(Major::V14, "slices_src");
    source.execute(TWO_TABLES).await.unwrap();
    for (major, in_slices) in [(Major::V13, false), (Major::V14, true)] {
        let target = shared(major, "slices_dst");
        let options = CloneOptions { part_size: Some(200_000), ..options() };
        let prepared = prepare(&source.url(), &target.url(), options).await.unwrap();
        let parts = prepared.plan().parts_of(0).count();
        let outcome = prepared
            .run(Arc::new(()), Arc::new(Counters::default()), Stop::default())
            .await
            .unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified));
        let slices = "select count(*) from pghaul.step where id like 'read back part %'";
        let slices: usize = target.value(slices).await.unwrap().unwrap().parse().unwrap();
        assert!(parts > 3);
        assert_eq!(slices, if in_slices { parts } else { 0 });
    }
}

/// Kind and key of the rows that differ in table `a`.
fn differing(outcome: &Outcome) -> Vec<[String; 2]> {
    assert!(codes(outcome, Severity::Warning).contains(&"rows_differ"), "{:?}", outcome.findings);
    let table = outcome.tables.iter().find(|table| table.name.name.as_str() == "a").unwrap();
    assert!(!table.verified);
    let named = table.differences.iter();
    named.map(|one| [format!("{:?}", one.kind), one.key[0].clone().unwrap()]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_leave_their_key_not_valid_and_everything_else_is_done() {
    let source = shared(Major::V9_6, "orphans_src");
    let target = shared(Major::V18, "orphans_dst");
    source
        .execute(
            "create table p (id int primary key); insert into p select generate_series(1, 100); \
             create table c (id int primary key, p int references p, q int references p); \
             set session_replication_role = replica; \
             insert into c select g, g, g from generate_series(1, 102) g; \
             update c set q = 1; \
             create view v as select count(*) from c",
        )
        .await
        .unwrap();
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    let orphans: Vec<_> =
        outcome.findings.iter().filter(|finding| finding.code == "orphans").collect();
    assert_eq!(orphans.len(), 1, "{:?}", outcome.findings);
    assert!(orphans[0].message.contains("2 rows of `public.c`"), "{}", orphans[0].message);
    let places = "select string_agg('ctid ' || ctid || ' = (' || p || ')', '; ' order by id) \
                  from c where p > 100";
    let places = target.value(places).await.unwrap().unwrap();
    assert!(orphans[0].message.contains(&places), "{} {places}", orphans[0].message);
    let valid = "select conname, convalidated from pg_constraint \
                 where contype = 'f' and connamespace = 'public'::regnamespace order by 1";
    let keys = |a: &str, b: &str| {
        vec![
            vec![Some("c_p_fkey".to_owned()), Some(a.to_owned())],
            vec![Some("c_q_fkey".to_owned()), Some(b.to_owned())],
        ]
    };
    assert_eq!(target.query_text(valid).await.unwrap(), keys("f", "t"));
    target.execute("delete from c where p > 100").await.unwrap();
    let options = CloneOptions { start: Start::Resume, ..options() };
    let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
    assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
    assert_eq!(target.query_text(valid).await.unwrap(), keys("t", "t"));
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_leave_their_index_out_until_they_are_mended() {
    for major in [Major::V9_6, Major::V14] {
        let source = shared(major, "dups_src");
        let target = shared(Major::V18, "dups_dst");
        source
            .execute(
                "create table t (id int primary key, u text, w int); \
                 create unique index t_u on t (lower(u)) where w > 0; create index t_w on t (w); \
                 create table child (id int primary key, t int references t); \
                 insert into t select g, 'u' || g, 1 from generate_series(1, 1000) g; \
                 insert into child select g, g from generate_series(1, 1000) g; \
                 update pg_index set indisunique = false where indexrelid = 't_u'::regclass; \
                 insert into t values (2001, 'U1', 1), (2002, 'u1', 2), (2003, 'u2', 1), (2004, 'u3', 0); \
                 update pg_index set indisunique = true where indexrelid = 't_u'::regclass",
            )
            .await
            .unwrap();
        let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
        let found: Vec<_> =
            outcome.findings.iter().filter(|finding| finding.code == "duplicates").collect();
        assert_eq!(found.len(), 1, "{:?}", outcome.findings);
        assert!(
            found[0]
                .message
                .contains("groups of rows in `public.t` that share its key: 2; rows too many: 3"),
            "{}",
            found[0].message
        );
        let indexes = "select string_agg(indexrelid::regclass::text, ',' order by indexrelid::regclass::text) from pg_index \
                       where indrelid = 't'::regclass and indisvalid";
        let built = target.value(indexes).await.unwrap();
        assert_eq!(built.as_deref(), Some("t_pkey,t_w"));
        // Each group is in the state, by place and primary key.
        let rows = "select string_agg(n || t.u || primary_key, ' ' order by t.id) from \
                    (select *, number as n from pghaul.duplicate_row) d join t on t.ctid = d.place::tid";
        let noted = target.value(rows).await.unwrap().unwrap();
        let sorted =
            noted.replace("1U", "nU").replace("1u", "nu").replace("2u", "nu").replace("2U", "nU");
        assert_eq!(sorted, "nu1[\"1\"] nu2[\"2\"] nU1[\"2001\"] nu1[\"2002\"] nu2[\"2003\"]");
        let plain = found[0].message.contains("id=2001") && found[0].message.contains("ctid (");
        assert!(plain, "{}", found[0].message);
        target.execute("delete from t where id > 2000").await.unwrap();
        let options = CloneOptions { start: Start::Resume, ..options() };
        let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
        assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
        let built = target.value(indexes).await.unwrap();
        assert_eq!(built.as_deref(), Some("t_pkey,t_u,t_w"));
        let left = target.value("select count(*) from pghaul.duplicate_row").await.unwrap();
        assert_eq!(left.as_deref(), Some("0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_large_table_is_read_by_two_backends_and_small_ones_are_indexed_meanwhile() {
    let source = shared(Major::V14, "parallel_src");
    let target = shared(Major::V18, "parallel_dst");
    source
        .execute(
            "create table big (id int primary key, t text); \
             insert into big select g, repeat(md5(g::text), 20) from generate_series(1, 40000) g; \
             create table small (id int primary key); insert into small select generate_series(1, 10)",
        )
        .await
        .unwrap();
    struct Watch {
        source: &'static Database<'static>,
        most: AtomicU64,
        /// What was heard, in its order.
        heard: Mutex<Vec<String>>,
    }
    impl Observer for Watch {
        fn on_event(&self, event: &Event<'_>) {
            let heard = match event {
                Event::PieceCommitted { table, .. } if table.name.as_str() == "big" => {
                    let readers = self
                        .source
                        .value(
                            "select count(*) from pg_stat_activity where query like 'copy (select ctid%\"big\"%' and datname = current_database()",
                        )
                        .wait()
                        .unwrap();
                    self.most.fetch_max(readers.unwrap().parse().unwrap(), Ordering::SeqCst);
                    "piece of big".to_owned()
                }
                Event::PieceCommitted { table, .. } => format!("piece of {}", table.name),
                Event::TableCopied { table, .. } => format!("copied {}", table.name),
                Event::StepStarted { kind, object } => format!("{kind} {object}"),
                Event::Retrying { what, .. } => format!("again: {what}"),
                _ => return,
            };
            self.heard.lock().unwrap().push(heard);
        }
    }
    let watch = Arc::new(Watch { source, most: AtomicU64::new(0), heard: Mutex::new(Vec::new()) });
    let options = CloneOptions {
        part_size: Some(1 << 20),
        max_rate: std::num::NonZeroU64::new(6 << 20),
        jobs: std::num::NonZeroUsize::new(3).unwrap(),
        ..options()
    };
    let prepared = prepare(&source.url(), &target.url(), options).await.unwrap();
    assert!(prepared.plan().parts.len() > 20);
    let outcome = prepared
        .run(Arc::clone(&watch) as _, Arc::new(Counters::default()), Stop::default())
        .await
        .unwrap();
    assert!(outcome.tables.iter().all(|table| table.verified));
    let heard = watch.heard.lock().unwrap();
    let most = watch.most.load(Ordering::SeqCst);
    assert!(most >= 2, "at most {most} backends read `big` at once: {heard:#?}");
    let at = |what: &str| heard.iter().position(|one| one.contains(what)).expect(what);
    assert!(at("small_pkey") < at("copied big"), "`small` waited for `big`: {heard:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_server_scans_each_table_once() {
    for major in [Major::V9_6, Major::V13] {
        let source = shared(major, "scans_src");
        let target = shared(Major::V18, "scans_dst");
        source.execute(TWO_TABLES).await.unwrap();
        let scans = "select sum(seq_scan) from pg_stat_user_tables";
        let settled = || async {
            // The statistics collector of these majors is up to half a second behind.
            tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
            source.value(scans).await.unwrap().unwrap().parse::<u64>().unwrap()
        };
        let before = settled().await;
        clone(&source.url(), &target.url(), options()).await.unwrap();
        assert_eq!(settled().await - before, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_and_an_owner_without_superuser_are_enough() {
    for (from, to) in [(Major::V9_6, Major::V14), (Major::V14, Major::V18)] {
        let source = shared(from, "plain_src");
        source.execute(TWO_TABLES).await.unwrap();
        let reader = Role::create(source.server(), "reader", "").unwrap();
        source
            .execute(format!(
                "create sequence s; select nextval('s'); comment on schema public is 'Ours'; \
                 grant select on all tables in schema public to \"{0}\"; \
                 grant select on all sequences in schema public to \"{0}\"",
                reader.name
            ))
            .await
            .unwrap();
        let server = Server::shared(to).unwrap();
        let owner = Role::create(server, "owner", "").unwrap();
        let target = shared(to, "plain_dst");
        server
            .execute(format!("alter database \"{}\" owner to \"{}\"", target.name(), owner.name))
            .await
            .unwrap();
        let refused = clone(&source.url_as(&reader), &target.url_as(&owner), options()).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Preflight, "{refused:?}");
        let options =
            CloneOptions { owners: Keep::LeaveOut, privileges: Keep::LeaveOut, ..options() };
        let outcome =
            clone(&source.url_as(&reader), &target.url_as(&owner), options).await.unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
        let rows = target.value("select count(*) from a").await.unwrap();
        assert_eq!(rows.as_deref(), Some("20000"));
        // Before 15 the schema public is not the database owner's.
        let comment = "select obj_description('public'::regnamespace, 'pg_namespace')";
        let comment = target.value(comment).await.unwrap().unwrap();
        let left = codes(&outcome, Severity::Note).contains(&"comment_of_public_left");
        match to {
            Major::V14 => assert!(left && comment == "standard public schema"),
            _ => assert!(!left && comment == "Ours"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_owners_are_all_named_and_nothing_is_written() {
    let source = shared(Major::V18, "owners_src");
    let target = shared(Major::V17, "owners_dst");
    let roles = [
        Role::create(source.server(), "one", "").unwrap(),
        Role::create(source.server(), "two", "").unwrap(),
    ];
    source
        .execute(format!(
            "create table a (); alter table a owner to \"{}\"; create table b (); \
             alter table b owner to \"{}\"",
            roles[0].name, roles[1].name
        ))
        .await
        .unwrap();
    let error = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    let text = format!("{error:?}");
    assert!(roles.iter().all(|role| text.contains(&role.name)), "{text}");
    let schemas = target.value("select count(*) from pg_namespace where nspname = 'pghaul'").await;
    assert_eq!(schemas.unwrap().as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_bring_along_what_a_table_needs() {
    let source = shared(Major::V12, "filter_src");
    let target = shared(Major::V18, "filter_dst");
    source
        .execute(
            "create schema app; create type app.mood as enum ('ok'); \
             create table app.wanted (id serial primary key, m app.mood); \
             insert into app.wanted (m) select 'ok' from generate_series(1, 30); \
             create table app.other (id int primary key, w int references app.wanted); \
             create view app.v as select * from app.other",
        )
        .await
        .unwrap();
    let include = vec!["app.wanted".to_owned()];
    let options = CloneOptions { include, ..options() };
    clone(&source.url(), &target.url(), options.clone()).await.unwrap();
    let there = "select string_agg(relname, ',' order by relname) from pg_class \
                 where relnamespace = 'app'::regnamespace and relkind in ('r', 'v', 'S')";
    let there = target.value(there).await.unwrap();
    assert_eq!(there.as_deref(), Some("wanted,wanted_id_seq"));
    let next = target.value("insert into app.wanted (m) values ('ok') returning id").await.unwrap();
    assert_eq!(next.as_deref(), Some("31"));
    let options = CloneOptions { include: vec!["app.nothing".to_owned()], ..options };
    let target = shared(Major::V18, "filter_none");
    let error = clone(&source.url(), &target.url(), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}
