//! Groups that overlap, children of children, foreign keys over several columns, partitions.

use pghaul::ErrorKind;
use pghaul::duplicates::plan::PlanOptions;
use pghaul::duplicates::rules::Rules;
use pghaul_testbed::{Database, Major};

use super::carried::compared;
use super::mastodon::equal;
use super::{
    Paper, clean, digests, majors, orphans, plan_with, repair, under_a_broken_index, undo,
};
use crate::harness::database;

pub(super) fn rules(text: &str) -> PlanOptions {
    let text = format!("format = 1\nname = 'test'\n{text}");
    PlanOptions { rules: Rules::parse(&text, "test").unwrap(), ..PlanOptions::default() }
}

/// Plans, repairs with nothing asked or skipped, checks, calls `look`, and undoes.
pub(super) async fn there_and_back(
    database: &Database<'_>,
    options: &PlanOptions,
    groups: (u64, u64),
    look: impl AsyncFn(),
) {
    let before = digests(database).await;
    let paper = Paper::new();
    let planned = plan_with(&database.url(), options, &paper.plan()).await.unwrap();
    let counts = &planned.counts;
    assert_eq!(
        (counts.groups - counts.collisions, counts.collisions, counts.questions),
        (groups.0, groups.1, 0),
        "{}",
        std::fs::read_to_string(paper.plan()).unwrap()
    );
    let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
    assert_eq!((repaired.skipped, repaired.asked), (0, 0), "{:?}", repaired.findings);
    clean(database).await;
    look().await;
    undo(&database.url(), true).await.unwrap();
    equal(&before, &digests(database).await);
    assert!(orphans(database).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_overlap_over_two_indexes_are_one() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let database = database(major, "overlap");
        database
            .execute(
                "create table person (id int primary key, a text, b text, note text);
                 create unique index person_a on person (a);
                 create unique index person_b on person (b);
                 create table thing (id serial primary key, person int references person);
                 insert into person values (1, 'x', 'p', null), (9, 'k', 'k', 'alone')",
            )
            .await
            .unwrap();
        // 1 and 2 by a, 2 and 3 by b, 3 and 4 by a.
        let sql = "insert into person values (2, 'x', 'q', 'two'), (3, 'y', 'q', 'three'), (4, 'y', 'r', 'four');
                   insert into thing (person) select id from person";
        let sql = under_a_broken_index(&["person_a", "person_b"], sql);
        database.execute(sql).await.unwrap();
        let rule = rules(
            "[[table]]\nname = 'person'\nkeep = [{ lowest = 'id' }]\n[table.merge]\nnote = 'first'",
        );
        there_and_back(&database, &rule, (1, 0), async || {
            let rows = "select string_agg(id || note, ',' order by id) || (select string_agg(person::text, ',' order by id) from thing) from person";
            assert_eq!(database.value(rows).await.unwrap().as_deref(), Some("1two,9alone1,9,1,1,1"));
        })
        .await;
    }
}

/// People with memberships, these with badges, these with scratches; one person is there twice.
async fn people(major: Major) -> (Database<'static>, PlanOptions) {
    let database = database(major, "depth");
    database
        .execute(
            "create table person (id int primary key, name text);
             create unique index person_name on person (name);
             create table membership (id int primary key, person int not null references person on delete cascade, club text, unique (person, club));
             create table badge (id int primary key, membership int not null references membership on delete cascade, kind text, unique (membership, kind));
             create table scratch (id int primary key, badge int not null references badge on delete cascade, place int, unique (badge, place));
             insert into person values (1, 'a'), (3, 'c');
             insert into membership values (10, 1, 'chess'), (11, 1, 'go'), (12, 3, 'chess');
             insert into badge values (100, 10, 'gold'), (101, 11, 'gold'), (102, 12, 'gold');
             insert into scratch values (1000, 100, 1), (1001, 100, 2), (1002, 102, 1)",
        )
        .await
        .unwrap();
    let sql = "insert into person values (2, 'a');
               insert into membership values (20, 2, 'chess'), (21, 2, 'bridge');
               insert into badge values (200, 20, 'gold'), (201, 20, 'silver'), (202, 21, 'gold');
               insert into scratch values (2000, 200, 2), (2001, 200, 3), (2002, 201, 1)";
    database.execute(under_a_broken_index(&["person_name"], sql)).await.unwrap();
    let rule = rules(
        "[[table]]\nname = 'person'\n[[table]]\nname = 'membership'\n[[table]]\nname = 'badge'\n[[table]]\nname = 'scratch'",
    );
    (database, rule)
}

#[tokio::test(flavor = "multi_thread")]
async fn children_of_children_collide() {
    let (database, rule) = people(Major::V14).await;
    // One planted; chess, its gold badge, and that one's scratch at 2 collide.
    there_and_back(&database, &rule, (1, 3), async || {
        let rows = "select string_agg(concat_ws(' ', p.name, m.club, b.kind, s.place), ', ' order by p.id, m.id, b.id, s.id) \
                    from person p join membership m on m.person = p.id left join badge b on b.membership = m.id left join scratch s on s.badge = b.id";
        assert_eq!(
            database.value(rows).await.unwrap().as_deref(),
            Some("a chess gold 1, a chess gold 2, a chess gold 3, a chess silver 1, a go gold, a bridge gold, c chess gold 1")
        );
    })
    .await;
}

/// Groups that came about by merging others wait for these.
#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_together_is_left_alone_together() {
    for id in [2, 1] {
        let (database, rule) = people(Major::V18).await;
        let paper = Paper::new();
        let planned = plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
        assert_eq!((planned.counts.groups, planned.counts.questions), (4, 0));
        let sql = format!("update person set name = 'A' where id = {id}");
        database.execute(under_a_broken_index(&["person_name"], &sql)).await.unwrap();
        let before = digests(&database).await;
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!((repaired.groups, repaired.skipped, repaired.deleted), (4, 4, 0));
        equal(&before, &digests(&database).await);
    }
}

/// A row that refers to rows of two groups is changed once: where one of them is left alone, so is the
/// other.
#[tokio::test(flavor = "multi_thread")]
async fn groups_with_a_common_child_are_left_alone_together() {
    for major in majors(&[Major::V9_6, Major::V18]) {
        let database = database(major, "common_child");
        database
            .execute(
                "create table person (id int primary key, name text);
                 create unique index person_name on person (name);
                 create table friendship (id int primary key, a int references person, b int references person);
                 insert into person values (1, 'a'), (2, 'b'), (3, 'c')",
            )
            .await
            .unwrap();
        let sql = "insert into person select 10 + id, name from person;
                   insert into friendship values (1, 11, 12), (2, 13, 13)";
        database.execute(under_a_broken_index(&["person_name"], sql)).await.unwrap();
        let rule = rules("[[table]]\nname = 'person'\nkeep = [{ lowest = 'id' }]");
        let paper = Paper::new();
        let planned = plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
        assert_eq!((planned.counts.groups, planned.counts.questions), (3, 0));
        // One of three: not yet another database.
        let sql = "update person set name = 'A' where id = 1";
        database.execute(under_a_broken_index(&["person_name"], sql)).await.unwrap();
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!(
            (repaired.groups, repaired.skipped, repaired.deleted),
            (3, 2, 1),
            "{major}: {:?}",
            repaired.findings
        );
        let left = "select string_agg(id || name, ',' order by id) || (select string_agg(a || '-' || b, ',' order by id) from friendship) from person";
        assert_eq!(
            database.value(left).await.unwrap().as_deref(),
            Some("1A,2b,3c,11a,12b11-12,3-3"),
            "{major}"
        );
    }
}

const TENANTS: &str = "
create table customer (tenant int, id int, email text not null, note text, primary key (tenant, id));
create unique index customer_email on customer (tenant, email);
create table sale (tenant int, id int, customer int, what text, primary key (tenant, id)
    , foreign key (tenant, customer) references customer on delete cascade);
create table line (tenant int, sale int, customer int, part text not null, note text, primary key (tenant, sale, customer, part)
    , foreign key (tenant, sale) references sale on delete cascade, foreign key (tenant, customer) references customer);
insert into customer select t, g, 'e' || g, null from generate_series(1, 3) t, generate_series(1, 40) g;
insert into sale select t, g, g % 40 + 1, 'w' || g from generate_series(1, 3) t, generate_series(1, 120) g;
insert into line select t, g, g % 40 + 1, 'p' || g % 3, null from generate_series(1, 3) t, generate_series(1, 120) g";

#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_over_several_columns_follow() {
    for major in [Major::V9_6, Major::V10, Major::V14, Major::V18] {
        let database = database(major, "tenants");
        database.execute(TENANTS).await.unwrap();
        // Two customers of tenant 1 and one of tenant 2 once more, each with sales and lines of its
        // own; one line collides with the original's. Ids are those of others in other tenants.
        let sql = "insert into customer values (1, 101, 'e1', 'twin'), (1, 102, 'e2', 'twin'), (2, 101, 'e3', 'twin');
                   insert into sale select tenant, 500 + id, id, 'of a twin' from customer where note = 'twin';
                   insert into line select tenant, 500 + id, id, 'px', null from customer where note = 'twin';
                   insert into line values (1, 40, 101, 'p1', 'both have it')";
        database.execute(under_a_broken_index(&["customer_email"], sql)).await.unwrap();
        let rule = rules(
            "[[table]]\nname = 'customer'\nkeep = [{ lowest = 'id' }]\n[table.merge]\nnote = 'first'\n\
             [[table]]\nname = 'line'\n[table.merge]\nnote = 'first'",
        );
        there_and_back(&database, &rule, (3, 1), async || {
            let sales = "select string_agg(concat_ws(' ', s.tenant, s.id, c.id, c.note), ', ' order by s.tenant, s.id) \
                         from sale s join customer c on (c.tenant, c.id) = (s.tenant, s.customer) where s.id > 500";
            assert_eq!(
                database.value(sales).await.unwrap().as_deref(),
                Some("1 601 1 twin, 1 602 2 twin, 2 601 3 twin")
            );
            let lines = "select string_agg(concat_ws(' ', tenant, sale, customer, part, note), ', ' order by tenant, sale) \
                         from line where sale > 500 or note is not null";
            assert_eq!(
                database.value(lines).await.unwrap().as_deref(),
                Some("1 40 1 p1 both have it, 1 601 1 px, 1 602 2 px, 2 601 3 px")
            );
            let count = "select count(*) from customer";
            assert_eq!(database.value(count).await.unwrap().as_deref(), Some("120"));
        })
        .await;
    }
}

/// Merging across tenants would take the lines of a sale to another tenant: nobody decides that.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_two_foreign_keys_share_is_asked_about() {
    let database = database(Major::V14, "shared_column");
    database.execute(TENANTS).await.unwrap();
    database
        .execute("drop index customer_email; update customer set email = tenant || email; create unique index customer_email on customer (email)")
        .await
        .unwrap();
    let sql = "update customer set email = '2e7' where (tenant, id) = (1, 7)";
    database.execute(under_a_broken_index(&["customer_email"], sql)).await.unwrap();
    let before = digests(&database).await;
    let paper = Paper::new();
    let rule = rules("[[table]]\nname = 'customer'");
    let planned = plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (0, 1));
    let plan = std::fs::read_to_string(paper.plan()).unwrap();
    assert!(plan.contains("they differ in tenant"), "{plan}");
    equal(&before, &digests(&database).await);
}

const TREES: &str = "
create table place (id int primary key, name text);
create unique index place_name on place (name);
create table event (day date, id int, key text, place int references place, note text, primary key (day, id)) partition by range (day);
create table event_1 partition of event for values from ('2020-01-01') to ('2021-01-01');
create table event_2 partition of event for values from ('2021-01-01') to ('2022-01-01');
create unique index event_key on event (day, key);
create table guest (id serial primary key, day date, event int, name text, foreign key (day, event) references event on delete cascade);
insert into place select g, 'p' || g from generate_series(1, 20) g;
insert into event select date '2020-01-01' + g * 7, g, 'k' || g, g % 20 + 1 from generate_series(1, 100) g;
insert into guest (day, event, name) select day, id, 'g' || id from event";

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_repaired_leaf_by_leaf() {
    for major in [Major::V12, Major::V14, Major::V18] {
        let database = database(major, "trees");
        database.execute(TREES).await.unwrap();
        // An event of each partition twice, and a place, to which events of both refer.
        let sql = "insert into event select day, 1000 + id, key, place, 'twin' from event where id in (3, 70);
                   insert into guest (day, event, name) select day, id, 'of a twin' from event where id > 1000;
                   insert into place values (101, 'p1');
                   update event set place = 101 where id in (5, 80)";
        let sql = under_a_broken_index(
            &["event_1_day_key_idx", "event_2_day_key_idx", "event_key", "place_name"],
            sql,
        );
        database.execute(sql).await.unwrap();
        let rule = rules(
            "[[table]]\nname = 'event'\nkeep = [{ lowest = 'id' }]\n[table.merge]\nnote = 'first'\n[[table]]\nname = 'place'",
        );
        there_and_back(&database, &rule, (3, 0), async || {
            let rows = "select (select string_agg(id || note, ',' order by id) from event where note is not null) || ' ' \
                            || (select string_agg(event::text, ',' order by id) from guest where name = 'of a twin') || ' ' \
                            || (select string_agg(place::text, ',' order by id) from event where id in (5, 80))";
            assert_eq!(database.value(rows).await.unwrap().as_deref(), Some("3twin,70twin 3,70 1,1"));
        })
        .await;
    }
}

/// Partition trees are compared by their roots, repaired by their leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_repaired_partition_tree_is_accounted_for() {
    for major in [Major::V12, Major::V18] {
        let (source, target) = (database(major, "tree_src"), database(major, "tree_dst"));
        for database in [&source, &target] {
            database.execute(TREES).await.unwrap();
            let sql = "insert into event select day, 1000 + id, key, place, 'twin' from event where id in (3, 70)";
            let indexes = ["event_1_day_key_idx", "event_2_day_key_idx", "event_key"];
            database.execute(under_a_broken_index(&indexes, sql)).await.unwrap();
        }
        let rule = rules(
            "[[table]]\nname = 'event'\nkeep = [{ lowest = 'id' }]\n[table.merge]\nnote = 'first'",
        );
        let paper = Paper::new();
        plan_with(&target.url(), &rule, &paper.plan()).await.unwrap();
        let repaired = repair(&target.url(), &paper.plan()).await.unwrap();
        assert_eq!((repaired.deleted, repaired.skipped), (2, 0), "{:?}", repaired.findings);
        let event = async || {
            let outcome = compared(&source, &target).await;
            let is_event = |name: &pghaul::name::RelationName| name.name.as_str() == "event";
            let equal = outcome.tables.iter().find(|table| is_event(&table.name)).unwrap().equal;
            (equal, outcome.findings.iter().any(|finding| finding.code == "repaired"))
        };
        assert_eq!(event().await, (true, true), "{major:?}");
        // Nothing else is forgiven, in no leaf.
        target.execute("update event_2 set note = 'other' where id = 75").await.unwrap();
        assert_eq!(event().await, (false, false), "{major:?}");
    }
}

/// A column that refers only together with others is no value of its own.
#[tokio::test(flavor = "multi_thread")]
async fn rules_that_take_a_reference_apart_are_refused() {
    let database = database(Major::V14, "apart");
    database.execute(TENANTS).await.unwrap();
    let paper = Paper::new();
    let rule = rules("[[table]]\nname = 'sale'\n[table.merge]\ncustomer = 'first'");
    let error = plan_with(&database.url(), &rule, &paper.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let text = error.to_string();
    assert!(
        text.contains("`customer` of `public.sale`") && text.contains("tenant, customer"),
        "{text}"
    );
    assert!(!paper.plan().exists());
}

/// Rows of two partitions that share a key: one of them is where it does not belong.
#[tokio::test(flavor = "multi_thread")]
async fn groups_across_partitions_are_reported() {
    let database = database(Major::V18, "across");
    database.execute(TREES).await.unwrap();
    let sql = "update pg_class set relispartition = false where oid = 'event_2'::regclass;
               insert into event_2 select * from event_1 where id = 3;
               update pg_class set relispartition = true where oid = 'event_2'::regclass";
    for part in sql.split(';') {
        database.execute(part).await.unwrap();
    }
    let before = digests(&database).await;
    let paper = Paper::new();
    let rule = rules("[[table]]\nname = 'event'");
    let planned = plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
    assert_eq!((planned.counts.groups, planned.counts.questions), (0, 0));
    let found: Vec<_> =
        planned.findings.iter().filter(|f| f.code == "duplicates_across_partitions").collect();
    assert_eq!(found.len(), 2, "{:?}", planned.findings);
    equal(&before, &digests(&database).await);
}

/// A row whose key is a reference has another key once that changes, and what refers to it must follow:
/// a profile with the key of its account, membership of a team, and what refers to these.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_made_of_references_take_their_children_along() {
    for (major, cascade) in
        [(Major::V9_6, ""), (Major::V14, "on update cascade on delete cascade"), (Major::V18, "")]
    {
        let database = database(major, "keys_of_keys");
        database
            .execute(format!(
                "create table team (id int primary key, name text not null);
                 create unique index team_name on team (name);
                 create table person (id int primary key, email text not null);
                 create unique index person_email on person (email);
                 create table profile (person int primary key references person {cascade}, about text);
                 create table badge (id serial primary key, profile int not null references profile {cascade}, what text);
                 create table member (team int references team {cascade}, person int references person {cascade},
                                      role text, primary key (team, person));
                 create table award (id serial primary key, team int, person int, what text,
                                     foreign key (team, person) references member {cascade});
                 insert into team select g, 't' || g from generate_series(1, 12) g;
                 insert into person select g, 'p' || g from generate_series(1, 12) g"
            ))
            .await
            .unwrap();
        let twins = "insert into team select 100 + g, 't' || g from generate_series(1, 6) g;
                     insert into person select 100 + g, 'p' || g from generate_series(1, 6) g;
                     insert into profile select id, 'of ' || id from person where id not in (1, 2, 3, 104);
                     insert into badge (profile, what) select person, 'badge of ' || person from profile;
                     insert into member select t.id, p.id, 'r' from team t join person p
                        on (t.id + p.id * 7) % 5 < 2;
                     insert into award (team, person, what) select team, person, team || ' ' || person from member";
        database
            .execute(under_a_broken_index(&["team_name", "person_email"], twins))
            .await
            .unwrap();
        let facts = "select string_agg(what || ' ' || (case when p.id > 100 then p.id - 100 else p.id end) || ' '
                                       || coalesce((case when t.id > 100 then t.id - 100 else t.id end)::text, ''),
                                       ',' order by what)
                       from (select what, profile as person, null::int as team from badge
                             union all select what, person, team from award) as w
                       join person p on p.id = w.person left join team t on t.id = w.team";
        let before = database.value(facts).await.unwrap();
        let rule = rules(
            "[[table]]\nname = 'team'\nkeep = [{ lowest = 'id' }]\n\
             [[table]]\nname = 'person'\nkeep = [{ lowest = 'id' }]\n\
             [[table]]\nname = 'profile'\nkeep = [{ lowest = 'person' }]\n\
             [[table]]\nname = 'member'\nkeep = []",
        );
        let paper = Paper::new();
        let planned = plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
        assert_eq!(planned.counts.questions, 0);
        let collisions = planned.counts.collisions;
        assert!(collisions > 5, "{collisions}");
        there_and_back(&database, &rule, (12, collisions), async || {
            assert_eq!(database.value(facts).await.unwrap(), before);
            let left = "select count(*)::text from person p full join team t on false
                         where p.id > 100 or t.id > 100";
            assert_eq!(database.value(left).await.unwrap().as_deref(), Some("0"));
        })
        .await;
    }
}

/// Foreign keys are quiet while a row gets another key: what comes to refer to it between plan and
/// repair is left behind, and told; also where the process that gave the other key was killed, and
/// where the row lies in a partition. Undo gives it its row back.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_to_refer_to_a_key_that_moves_are_told_of() {
    for (major, partitions, is_killed) in [
        (Major::V14, "", false),
        (Major::V9_6, "", true),
        (Major::V18, "partition by list (person)", true),
    ] {
        let database = database(major, "late");
        database
            .execute(format!(
                "create table person (id int primary key, email text not null unique);
                 create table profile (person int primary key references person, about text) {partitions};
                 {}
                 create table badge (id serial primary key, profile int not null references profile);
                 insert into person select g, 'p' || g from generate_series(1, 9) g",
                if partitions.is_empty() {
                    ""
                } else {
                    "create table profiles partition of profile default;"
                }
            ))
            .await
            .unwrap();
        let twins = "insert into person select 100 + id, email from person where id < 4;
                     insert into profile select id, 'x' from person where id > 3;
                     insert into badge (profile) select person from profile";
        database.execute(under_a_broken_index(&["person_email_key"], twins)).await.unwrap();
        let rule = rules("[[table]]\nname = 'person'\nkeep = [{ lowest = 'id' }]");
        let paper = Paper::new();
        plan_with(&database.url(), &rule, &paper.plan()).await.unwrap();
        database.execute("insert into badge (profile) values (102)").await.unwrap();
        let before = digests(&database).await;
        if is_killed {
            let server = pghaul_testbed::Server::shared(major).unwrap();
            let killer = crate::harness::OnEvent(|event: &pghaul::event::Event<'_>| {
                if let pghaul::event::Event::StepCommitted { object, .. } = event
                    && object.starts_with("change public.profile")
                {
                    crate::harness::terminate_on(server, database.name(), "pghaul repair%");
                }
            });
            let stop = pghaul::run::Stop::default();
            super::repair_until(&database.url(), &paper.plan(), &killer, &stop).await.unwrap_err();
        }
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        let told: Vec<_> =
            repaired.findings.iter().filter(|one| one.code == "orphans_left").collect();
        assert_eq!(told.len(), 1, "{:?}", repaired.findings);
        assert_eq!(told[0].object.as_deref(), Some("public.badge"));
        assert!(told[0].message.starts_with("1 rows"), "{}", told[0].message);
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
        assert!(orphans(&database).await.is_empty());
    }
}
