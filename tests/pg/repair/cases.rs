//! Cases by hand: keys that rows share, what is refused, what is answered, what is interrupted.

use pghaul::ErrorKind;
use pghaul::duplicates::plan::answers::Answers;
use pghaul::duplicates::plan::{PlanOptions, Without};
use pghaul::duplicates::rules::Rules;
use pghaul::duplicates::undo::{Indexes, UndoOptions};
use pghaul::event::Event;
use pghaul::run::Stop;
use pghaul_testbed::damage::{Damage, Recipe};
use pghaul_testbed::mastodon::{self, Version};
use pghaul_testbed::{Database, Major, Server};

use super::mastodon::{equal, fill, small};
use super::{
    Paper, clean, digests, majors, orphans, plan_mastodon, plan_with, repair, repair_until, undo,
};
use crate::harness::{OnEvent, database};

const RULES: &str = "
format = 1
name = 'shop'
[[table]]
name = 'customer'
keep = [{ lowest = 'id' }]
[table.merge]
note = 'first'
";

pub(crate) fn shop(answers: &str) -> PlanOptions {
    PlanOptions {
        rules: Rules::parse(RULES, "shop").unwrap(),
        answers: Answers::parse(answers, "answers").unwrap(),
        ..PlanOptions::default()
    }
}

/// Customers with orders; one customer is there twice, byte for byte, another with other content.
pub(crate) async fn customers(server: &'static Server, cascade: &str) -> Database<'static> {
    let database = Database::new(server, "twins").unwrap();
    database
        .execute(format!(
            "create table customer (id int primary key, name text, note text);
             create table purchase (id serial primary key, customer int not null references customer {cascade}, what text);
             insert into customer select g, 'c' || g, case when g % 2 = 0 then 'n' || g end from generate_series(1, 500) g;
             insert into purchase (customer, what) select g % 500 + 1, 'w' || g from generate_series(1, 2000) g;
             create function shout() returns trigger language plpgsql as
               $$ begin raise exception 'a trigger fired'; end $$;
             create trigger loud before update or delete on customer for each row execute procedure shout();
             create trigger quiet before update on customer for each row execute procedure shout();
             alter table customer disable trigger quiet;
             create trigger always before delete on customer for each row execute procedure shout();
             alter table customer enable always trigger always"
        ))
        .await
        .unwrap();
    database
}

const TRIGGERS: &str = "select string_agg(tgname || tgenabled::text, ',' order by tgname) \
                        from pg_trigger where not tgisinternal";

#[tokio::test(flavor = "multi_thread")]
async fn twins_with_one_primary_key() {
    for (major, cascade) in [
        (Major::V9_6, ""),
        (Major::V10, "on delete cascade"),
        (Major::V14, "on delete cascade on update cascade"),
        (Major::V18, "on update cascade"),
    ] {
        for recipe in [Recipe::MissingEntries, Recipe::DoubleEntries] {
            let database = customers(Server::shared(major).unwrap(), cascade).await;
            let session = database.connect().await.unwrap();
            // Equal twins, and some that differ.
            Damage::new("customer_pkey", recipe.clone()).groups(5).plant(&session).await.unwrap();
            Damage::new("customer_pkey", recipe)
                .groups(2)
                .seed(9)
                .set("note", "'another'")
                .plant(&session)
                .await
                .unwrap();
            let before = digests(&database).await;
            let triggers = database.value(TRIGGERS).await.unwrap();
            let paper = Paper::new();
            let planned = plan_with(&database.url(), &shop(""), &paper.plan()).await.unwrap();
            assert_eq!((planned.counts.groups, planned.counts.questions), (5, 2));
            let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
            assert_eq!(
                (repaired.skipped, repaired.asked, repaired.deleted),
                (0, 2, 5),
                "{:?}",
                repaired.findings
            );
            let left = "select count(*) from only customer";
            assert_eq!(database.value(left).await.unwrap().as_deref(), Some("502"));
            let orders = "select count(*), count(distinct customer) from only purchase";
            let orders = database.query_text(orders).await.unwrap();
            assert_eq!(orders[0], [Some("2000".to_owned()), Some("500".to_owned())]);
            assert_eq!(database.value(TRIGGERS).await.unwrap(), triggers);
            assert!(orphans(&database).await.is_empty());

            // The rest is answered: one merged, one gets another id.
            let plan = std::fs::read_to_string(paper.plan()).unwrap();
            let mut answers = String::new();
            for (at, line) in
                plan.lines().filter(|line| line.starts_with("{\"question\"")).enumerate()
            {
                let question: serde_json::Value = serde_json::from_str(line).unwrap();
                let row = |at: usize| question["rows"][at]["ctid"].as_str().unwrap().to_owned();
                answers.push_str(&format!(
                    "[answer.\"{}\"]\nkeep = \"{}\"\n{}\n",
                    question["question"].as_str().unwrap(),
                    row(0),
                    if at == 0 {
                        "others = \"merge\"".to_owned()
                    } else {
                        format!("others = \"new_key\"\nnew_keys = {{ \"{}\" = \"9001\" }}", row(1))
                    }
                ));
            }
            let between = digests(&database).await;
            let planned =
                plan_with(&database.url(), &shop(&answers), &paper.other()).await.unwrap();
            assert_eq!((planned.counts.groups, planned.counts.questions), (2, 0));
            let repaired = repair(&database.url(), &paper.other()).await.unwrap();
            assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);
            clean(&database).await;
            let new = "select note = 'another' or note is null or note like 'n%' from customer where id = 9001";
            assert_eq!(database.value(new).await.unwrap().as_deref(), Some("t"));
            assert_eq!(
                database
                    .query_text("select count(*), count(distinct customer) from only purchase")
                    .await
                    .unwrap(),
                orders
            );

            undo(&database.url(), true).await.unwrap();
            equal(&between, &digests(&database).await);
            undo(&database.url(), true).await.unwrap();
            equal(&before, &digests(&database).await);
            assert_eq!(database.value(TRIGGERS).await.unwrap(), triggers);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rules_only_tables_without_children() {
    let paper = Paper::new();
    let cases = [
        (Without::Report, None),
        (Without::Lowest, Some("0")),
        (Without::Newest, Some("3")),
        (Without::Column("at".to_owned()), Some("3")),
    ];
    for (without, kept) in cases {
        let database = database(Major::V14, "no_rules");
        database
            .execute(
                "create table a (id serial primary key, k text, at int);
                 create unique index a_k on a (k);
                 insert into a (k, at) select 'k' || g, g from generate_series(1, 50) g",
            )
            .await
            .unwrap();
        let session = database.connect().await.unwrap();
        let damage = Damage::new("a_k", Recipe::DoubleEntries).groups(3).set("at", "1000");
        damage.plant(&session).await.unwrap();
        let options = PlanOptions { without_rules: without, ..PlanOptions::default() };
        let planned = plan_with(&database.url(), &options, &paper.plan()).await.unwrap();
        let Some(kept) = kept else {
            assert_eq!((planned.counts.groups, planned.counts.questions), (0, 3));
            continue;
        };
        assert_eq!((planned.counts.groups, planned.counts.questions), (3, 0));
        repair(&database.url(), &paper.plan()).await.unwrap();
        let rows = database.value("select count(*) from a where at = 1000").await.unwrap();
        assert_eq!(rows.as_deref(), Some(kept));
        clean(&database).await;
    }
}

/// A plan with something to do in each phase.
async fn damaged(major: Major, hint: &str) -> (Database<'static>, Paper) {
    damage(database(major, hint)).await
}

/// A small Mastodon with duplicates, in an empty database, and its plan.
pub(crate) async fn damage(database: Database<'static>) -> (Database<'static>, Paper) {
    let database = fill(database, Version::V3_5_3);
    let session = database.connect().await.unwrap();
    for damage in [
        mastodon::duplicate_statuses(Recipe::DoubleEntries).groups(12),
        mastodon::duplicate_accounts(Recipe::DoubleEntries).groups(6),
    ] {
        damage.plant(&session).await.unwrap();
    }
    let paper = Paper::new();
    plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
    (database, paper)
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_and_killed_it_goes_on() {
    for major in majors(&[Major::V14]) {
        stopped_and_killed(major).await;
    }
}

async fn stopped_and_killed(major: Major) {
    // The whole way once, to know where it ends.
    let (whole, paper) = damaged(major, "not_killed").await;
    repair(&whole.url(), &paper.plan()).await.unwrap();
    let after = digests(&whole).await;

    // Every few batches the session dies.
    let (database, paper) = damaged(major, "killed").await;
    let name = database.name().to_owned();
    let server = database.server();
    let mut deaths = 0;
    for attempt in 0_u64.. {
        assert!(attempt < 150);
        let seen = std::sync::atomic::AtomicU64::new(0);
        let (database_name, at) = (name.clone(), attempt % 3 + 1);
        let observer = OnEvent(move |event: &Event<'_>| {
            if let Event::StepCommitted { .. } = event
                && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == at
            {
                crate::harness::terminate_on(server, &database_name, "pghaul repair%");
            }
        });
        match repair_until(&database.url(), &paper.plan(), &observer, &Stop::default()).await {
            Ok(repaired) => {
                assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);
                break;
            }
            Err(error) => {
                assert!(error.connection_lost() || error.sqlstate() == Some("57P01"), "{error:?}");
                deaths += 1;
            }
        }
    }
    assert!(deaths >= 20, "{deaths}");
    equal(&after, &digests(&database).await);
    clean(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_repair_is_undone_and_undo_goes_on() {
    for (major, stop_at) in majors(&[Major::V9_6, Major::V18]).into_iter().zip([3, 30, 12, 7]) {
        let (database, paper) = damaged(major, "half").await;
        let before = digests(&database).await;
        let stop = Stop::default();
        let asked = stop.clone();
        let seen = std::sync::atomic::AtomicU64::new(0);
        let observer = OnEvent(move |event: &Event<'_>| {
            if let Event::StepCommitted { .. } = event
                && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == stop_at
            {
                asked.soon.cancel();
            }
        });
        let repaired =
            repair_until(&database.url(), &paper.plan(), &observer, &stop).await.unwrap();
        assert!(repaired.stopped);
        assert_ne!(before, digests(&database).await);
        // Undo dies too, again and again.
        let mut deaths = 0;
        loop {
            let (name, server) = (database.name().to_owned(), database.server());
            let seen = std::sync::atomic::AtomicU64::new(0);
            let killer = OnEvent(move |event: &Event<'_>| {
                if let Event::StepCommitted { .. } = event
                    && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == deaths % 2
                {
                    crate::harness::terminate_on(server, &name, "pghaul undo%");
                }
            });
            let (whole, stop) = (super::endpoint(&database.url()), Stop::default());
            let drop = UndoOptions::default().with_indexes(Indexes::Drop);
            let undone = pghaul::duplicates::undo::undo(&whole, drop, &killer, &stop).await;
            match undone {
                Ok(_) => break,
                Err(error) => {
                    assert!(
                        error.connection_lost() || error.sqlstate() == Some("57P01"),
                        "{error:?}"
                    );
                    deaths += 1;
                    assert!(deaths < 100);
                }
            }
        }
        assert!(deaths >= stop_at / 2, "{deaths}");
        equal(&before, &digests(&database).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_somebody_changed_are_left_alone() {
    let (database, paper) = damaged(Major::V14, "changed").await;
    let plan = std::fs::read_to_string(paper.plan()).unwrap();
    let first = plan.lines().find(|line| line.contains("\"release\"")).unwrap();
    let group: serde_json::Value = serde_json::from_str(first).unwrap();
    let ctid = group["keep"]["row"]["ctid"].as_str().unwrap();
    let table = group["table"].as_str().unwrap();
    // In place: the damaged index is not asked.
    let sql = format!(
        "begin; set local session_replication_role = replica; \
         update pg_index set indisunique = false where indrelid = '{table}'::regclass and not indisprimary; \
         update {table} set updated_at = updated_at + interval '1 s' where ctid = '{ctid}'; \
         update pg_index set indisunique = true where indrelid = '{table}'::regclass \
           and indexrelid::regclass::text in ('index_accounts_on_username_and_domain_lower', 'index_statuses_on_uri'); commit"
    );
    database.execute(sql).await.unwrap();
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert!(repaired.skipped >= 1 && repaired.skipped < repaired.groups);
    assert!(repaired.findings.iter().any(|finding| finding.code == "duplicates_skipped"));
    assert!(orphans(&database).await.is_empty());
    // The rest, by a plan made now.
    plan_mastodon(&database.url(), &paper.other()).await.unwrap();
    let repaired = repair(&database.url(), &paper.other()).await.unwrap();
    assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);
    clean(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing() {
    let (database, paper) = damaged(Major::V18, "refused").await;
    let url = database.url();
    let before = digests(&database).await;
    let plan = std::fs::read_to_string(paper.plan()).unwrap();
    let state = "select count(*) from pg_namespace where nspname = 'pghaul'";

    // Nonsense, in several ways.
    let cut = plan.lines().take(5).collect::<Vec<_>>().join("\n") + "\n";
    let foreign = plan.replacen("\"database_oid\":", "\"database_oid\":9", 1);
    let column = plan.replacen("\"username\":\"pghaul", "\"usrname\":\"pghaul", 1);
    let group = plan.replacen("{\"group\":1,", "{\"group\":100000,", 1);
    let field = plan.replacen("{\"group\":1,", "{\"group\":1,\"extra\":2,", 1);
    for (text, kind, says) in [
        ("", ErrorKind::Usage, "ends before"),
        ("{}\n", ErrorKind::Usage, "line 1"),
        (&cut, ErrorKind::Usage, "ends before"),
        (&foreign, ErrorKind::Preflight, "another server"),
        (&column, ErrorKind::Usage, "no column `usrname`"),
        (&group, ErrorKind::Usage, "group 1"),
        (&field, ErrorKind::Usage, "extra"),
    ] {
        std::fs::write(paper.other(), text).unwrap();
        let error = repair(&url, &paper.other()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.to_string().contains(says), "{error:?} does not say {says}");
    }
    // A rule, a table without identity that is published, a column that came meanwhile.
    database.execute("create rule keep as on delete to tags do instead nothing").await.unwrap();
    database
        .execute("create rule hold as on update to favourites do instead nothing")
        .await
        .unwrap();
    let error = repair(&url, &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    assert!(error.to_string().contains("rules rewrite"), "{error:?}");
    database.execute("drop rule hold on favourites").await.unwrap();
    database.execute("create publication p for table preview_cards_statuses").await.unwrap();
    let error = repair(&url, &paper.plan()).await.unwrap_err();
    assert!(error.to_string().contains("replica identity"), "{error:?}");
    database.execute("drop publication p; alter table statuses add column more int").await.unwrap();
    let error = repair(&url, &paper.plan()).await.unwrap_err();
    assert!(error.to_string().contains("its columns are not those"), "{error:?}");
    database.execute("alter table statuses drop column more").await.unwrap();
    assert_eq!(database.value(state).await.unwrap().as_deref(), Some("0"));

    // Most rows are others: VACUUM FULL put them elsewhere.
    equal(&before, &digests(&database).await);
    let error = undo(&url, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState);
    repair(&url, &paper.plan()).await.unwrap();
    let error = repair(&url, &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState, "{error:?}");
    // Undo after a row was changed, and with a column that came.
    let after = digests(&database).await;
    let odd = "select count(*) from pghaul.undo_row u join pghaul.repair_table t using (repair, place) \
               left join favourites f on f.ctid = u.now_ctid \
               where t.table_name = 'favourites' and now_ctid is not null and f.xmin::text is distinct from now_xid";
    assert_eq!(database.value(odd).await.unwrap().as_deref(), Some("0"));
    let row = "select now_ctid from pghaul.undo_row u join pghaul.repair_table t using (repair, place) \
               where t.table_name = 'favourites' and now_ctid is not null order by id desc limit 1";
    let ctid = database.value(row).await.unwrap().unwrap();
    database
        .execute(format!("update favourites set updated_at = updated_at where ctid = '{ctid}'"))
        .await
        .unwrap();
    let error = undo(&url, true).await.unwrap_err();
    assert!(error.to_string().contains("public.favourites: 1 rows"), "{error:?}");
    database.execute("alter table statuses add column more int").await.unwrap();
    let error = undo(&url, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    database.execute("alter table statuses drop column more").await.unwrap();
    equal(&after, &digests(&database).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn local_accounts_and_addresses_get_other_names() {
    let database = small(Major::V14, Version::V4_2_0, "names");
    let session = database.connect().await.unwrap();
    let local = Damage::new("index_accounts_on_username_and_domain_lower", Recipe::DoubleEntries)
        .only("src.domain is null and src.id > 0")
        .groups(2);
    local.plant(&session).await.unwrap();
    Damage::new("index_users_on_email", Recipe::DoubleEntries)
        .groups(2)
        .plant(&session)
        .await
        .unwrap();
    let before = digests(&database).await;
    let named = "select (select count(*) from accounts where username like '%\\_1') \
                      , (select count(*) from users where email like '1 %')";
    let count = || async {
        let rows = database.query_text(named).await.unwrap();
        let number = |at: usize| rows[0][at].clone().unwrap().parse::<u64>().unwrap();
        (number(0), number(1))
    };
    let named_before = count().await;
    let paper = Paper::new();
    let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (0, 4));
    let plan = std::fs::read_to_string(paper.plan()).unwrap();
    let mut answers = String::new();
    for line in plan.lines().filter(|line| line.starts_with("{\"question\"")) {
        let question: serde_json::Value = serde_json::from_str(line).unwrap();
        answers.push_str(&format!(
            "[answer.\"{}\"]\nkeep = \"{}\"\nothers = \"rename\"\n",
            question["question"].as_str().unwrap(),
            question["rows"][1]["ctid"].as_str().unwrap(),
        ));
    }
    let options = PlanOptions {
        rules: Rules::mastodon().unwrap(),
        answers: Answers::parse(&answers, "answers").unwrap(),
        ..PlanOptions::default()
    };
    let planned = plan_with(&database.url(), &options, &paper.plan()).await.unwrap();
    assert_eq!(
        (planned.counts.groups, planned.counts.questions, planned.counts.deleted),
        (4, 0, 0)
    );
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.deleted), (0, 0), "{:?}", repaired.findings);
    clean(&database).await;
    assert_eq!(count().await, (named_before.0 + 2, named_before.1 + 2));
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(&database).await);
}
