//! Rows into tables that are there: triggers stay silent and keep their states, foreign keys hold,
//! and what cannot be had is refused before anything is written.

use pghaul::connect::{Endpoint, Side};
use pghaul::run::options::{Keep, Scope, Start};
use pghaul::run::{CloneOptions, Ending, Outcome, Unfinished, finish};
use pghaul::{Error, ErrorKind};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::servers::quote_identifier;
use pghaul_testbed::{Database, Major, Role};

use crate::harness::{How, clone, clone_until, database, options};

/// A child that is bigger than its parent and goes first by size, and triggers of all states that
/// make every row fail, and would tell if they fired.
const SHOP: &str = "
    create function refuse() returns trigger language plpgsql
        as $$ begin raise exception 'a trigger fired'; end $$;
    create table z_parents (id int primary key, v text);
    create table a_children (id int primary key, parent int not null references z_parents, v text);
    insert into z_parents select g, 'p' from generate_series(1, 200) g;
    insert into a_children select g, 1 + g % 200, repeat(md5(g::text), 8) from generate_series(1, 3000) g;
    create trigger ordinary before insert on a_children for each row execute procedure refuse();
    create trigger always before insert on a_children for each row execute procedure refuse();
    create trigger replica before insert on a_children for each row execute procedure refuse();
    create trigger \"Disabled \"\"one\" before insert on a_children for each row execute procedure refuse();
    alter table a_children enable always trigger always;
    alter table a_children enable replica trigger replica;
    alter table a_children disable trigger \"Disabled \"\"one\";
";

/// References in a circle and to the table itself.
const CIRCLES: &str = "
    create table hens (id int primary key, egg int);
    create table eggs (id int primary key, hen int references hens);
    alter table hens add foreign key (egg) references eggs;
    create table people (id int primary key, boss int references people);
    insert into hens select g, null from generate_series(1, 100) g;
    insert into eggs select g, g from generate_series(1, 100) g;
    update hens set egg = id;
    insert into people select g, 101 - g from generate_series(1, 100) g;
";

pub(crate) fn data_only() -> CloneOptions {
    CloneOptions { scope: Scope::DataOnly, owners: Keep::LeaveOut, ..options() }
}

/// The schema of `source` in a new database, through `url`, and no run any more.
pub(crate) async fn with_schema(source: &Database<'_>, url: &str) {
    let schema = CloneOptions { scope: Scope::SchemaOnly, owners: Keep::LeaveOut, ..options() };
    clone(&source.url(), url, schema).await.unwrap();
    finish(&Endpoint::parse(Side::Target, url).unwrap(), Unfinished::Refuse).await.unwrap();
}

/// An empty database that belongs to a role without rights.
pub(crate) fn owned(major: Major) -> (Database<'static>, Role) {
    let target = database(major, "owned");
    let owner = Role::create(target.server(), "owner", "").unwrap();
    let name = quote_identifier(&owner.name);
    let sql = format!(
        "alter database {} owner to {name}; alter schema public owner to {name}",
        quote_identifier(target.name())
    );
    target.execute(sql).wait().unwrap();
    (target, owner)
}

async fn trigger_states(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let sql = "select tgname, tgenabled from pg_trigger where not tgisinternal order by 1";
    database.query_text(sql).await.unwrap()
}

async fn is_equal(source: &Database<'_>, target: &Database<'_>, outcome: &Outcome) {
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(!outcome.has_warnings(), "{:?}", outcome.findings);
    assert!(outcome.tables.iter().all(|table| table.verified));
    let rows_only = OracleOptions::new().without_schema().without_catalog();
    oracle::compare(&source.url(), &target.url(), &rows_only).await.unwrap().check().unwrap();
    assert_eq!(trigger_states(source).await, trigger_states(target).await);
}

async fn nothing_written(target: &Database<'_>, refused: Result<Outcome, Error>) -> Vec<String> {
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight, "{error:?}");
    let schemas = "select count(*) from pg_namespace where nspname = 'pghaul'";
    assert_eq!(target.value(schemas).await.unwrap().as_deref(), Some("0"));
    let mut found: Vec<String> = error
        .findings()
        .iter()
        .map(|one| format!("{} {}", one.code, one.object.clone().unwrap_or_default()))
        .collect();
    found.dedup();
    found
}

async fn as_superuser(major: Major) {
    let (source, target) = (database(major, "src"), database(major, "dst"));
    source.execute(format!("{SHOP}{CIRCLES}")).await.unwrap();
    with_schema(&source, &target.url()).await;
    let outcome = clone(&source.url(), &target.url(), data_only()).await.unwrap();
    is_equal(&source, &target, &outcome).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_fires_no_trigger_on_9_6() {
    as_superuser(Major::V9_6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_fires_no_trigger_on_14() {
    as_superuser(Major::V14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_fires_no_trigger_on_18() {
    as_superuser(Major::V18).await;
}

async fn as_owner(major: Major) {
    let source = database(major, "src");
    source.execute(SHOP).await.unwrap();
    let (target, owner) = owned(major);
    let url = target.url_as(&owner);
    with_schema(&source, &url).await;
    let outcome = clone(&source.url(), &url, data_only()).await.unwrap();
    is_equal(&source, &target, &outcome).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_fires_no_trigger_on_9_6() {
    as_owner(Major::V9_6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_fires_no_trigger_on_14() {
    as_owner(Major::V14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_fires_no_trigger_on_18() {
    as_owner(Major::V18).await;
}

/// A key that is not valid checks each row that comes as well, so its parents go first too.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_fills_parents_of_keys_that_are_not_valid_first() {
    for major in [Major::V9_6, Major::V18] {
        let source = database(major, "src");
        source.execute(SHOP).await.unwrap();
        let (target, owner) = owned(major);
        let url = target.url_as(&owner);
        with_schema(&source, &url).await;
        target
            .execute(
                "alter table a_children drop constraint a_children_parent_fkey;
                 alter table a_children add constraint later foreign key (parent)
                     references z_parents not valid",
            )
            .await
            .unwrap();
        let one = CloneOptions { jobs: std::num::NonZeroUsize::MIN, ..data_only() };
        let outcome = clone(&source.url(), &url, one).await.unwrap();
        is_equal(&source, &target, &outcome).await;
    }
}

/// A setting that may be granted (15 and newer) is as good as a superuser's.
#[tokio::test(flavor = "multi_thread")]
async fn a_granted_setting_lets_circles_in() {
    let source = database(Major::V18, "src");
    source.execute(CIRCLES).await.unwrap();
    let (target, owner) = owned(Major::V18);
    let url = target.url_as(&owner);
    with_schema(&source, &url).await;
    let refused = clone(&source.url(), &url, data_only()).await;
    assert_eq!(
        nothing_written(&target, refused).await,
        [
            "foreign_key_circle public.eggs",
            "foreign_key_circle public.hens",
            "foreign_key_circle public.people"
        ]
    );
    let name = quote_identifier(&owner.name);
    let grant = format!("grant set on parameter session_replication_role to {name}");
    target.execute(grant).await.unwrap();
    let outcome = clone(&source.url(), &url, data_only()).await.unwrap();
    is_equal(&source, &target, &outcome).await;
    target
        .execute(format!("revoke set on parameter session_replication_role from {name}"))
        .await
        .unwrap();
}

/// All that is unfit is named at once: what is missing, not empty, or somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn tables_that_do_not_fit_are_refused() {
    let source = database(Major::V14, "src");
    source.execute(SHOP).await.unwrap();
    source.execute("create table gone (id int); create table wide (a int, b int)").await.unwrap();
    let (target, owner) = owned(Major::V14);
    with_schema(&source, &target.url()).await;
    let name = quote_identifier(&owner.name);
    target
        .execute(format!(
            "drop table gone; alter table wide drop column b; insert into z_parents values (0, 'x');
             grant select, insert, update on all tables in schema public to {name}"
        ))
        .await
        .unwrap();
    let refused = clone(&source.url(), &target.url_as(&owner), data_only()).await;
    assert_eq!(
        nothing_written(&target, refused).await,
        [
            "column_missing public.wide",
            "table_missing public.gone",
            "table_not_empty public.z_parents",
            "trigger_fires public.a_children",
        ]
    );
}

/// Rows that refer to nothing are found though the superuser's rows went in unchecked.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_are_looked_at_in_the_end() {
    for major in [Major::V9_6, Major::V18] {
        let (source, target) = (database(major, "src"), database(major, "dst"));
        source.execute(SHOP).await.unwrap();
        with_schema(&source, &target.url()).await;
        let options = CloneOptions { exclude: vec!["public.z_*".to_owned()], ..data_only() };
        let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
        let found: Vec<_> = outcome.findings.iter().filter(|one| one.code == "orphans").collect();
        assert_eq!(found.len(), 1, "{:?}", outcome.findings);
        assert!(found[0].message.contains("3000 rows of `public.a_children`"), "{found:?}");
    }
}

/// A key about periods is kept by several rows together, or broken by a gap between them.
#[tokio::test(flavor = "multi_thread")]
async fn keys_about_periods_are_looked_at_too() {
    let source = database(Major::V18, "src");
    let rooms = "
        create table z_rooms (room int4range, free daterange, primary key (room, free without overlaps));
        create table a_stays (room int4range, at daterange,
                              foreign key (room, period at) references z_rooms (room, period free));
        insert into z_rooms values ('[1,1]', '[2026-01-01,2026-02-01)'), ('[1,1]', '[2026-02-01,2026-03-01)'),
                                   ('[2,2]', '[2026-01-01,2026-02-01)');
        insert into a_stays values ('[1,1]', '[2026-01-20,2026-02-10)'), ('[2,2]', '[2026-01-05,2026-01-09)');";
    source.execute(rooms).await.unwrap();
    let orphans = async |exclude: &[&str], before: &str| {
        let target = database(Major::V18, "dst");
        with_schema(&source, &target.url()).await;
        let before = format!("set session_replication_role = replica; {before}");
        target.execute(before).await.unwrap();
        let exclude = exclude.iter().map(|one| (*one).to_owned()).collect();
        let options = CloneOptions { exclude, ..data_only() };
        let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
        let found = outcome.findings.into_iter().filter(|one| one.code == "orphans");
        found.map(|one| one.message).collect::<Vec<String>>()
    };
    assert_eq!(orphans(&[], "").await, [""; 0]);
    let found = orphans(&["public.z_rooms"], "").await;
    assert!(found.len() == 1 && found[0].contains("2 rows of `public.a_stays`"), "{found:?}");
    let gap = "insert into z_rooms values ('[1,1]', '[2026-01-01,2026-02-01)'),
                                          ('[1,1]', '[2026-02-02,2026-03-01)'),
                                          ('[2,2]', '[2026-01-01,2026-02-01)')";
    let found = orphans(&["public.z_rooms"], gap).await;
    assert!(found.len() == 1 && found[0].contains("1 rows of `public.a_stays`"), "{found:?}");
}

/// Power fails at any time: no trigger stays disabled, and the run goes on to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_leaves_triggers_as_they_were() {
    let source = database(Major::V14, "src");
    source.execute(SHOP).await.unwrap();
    let (target, owner) = owned(Major::V14);
    let url = target.url_as(&owner);
    with_schema(&source, &url).await;
    let small = CloneOptions { part_size: Some(64 << 10), ..data_only() };
    let stopped = clone_until(&source.url(), &url, small.clone(), (6, How::Now)).await.unwrap();
    assert_eq!(stopped.ending, Ending::Stopped);
    assert_eq!(trigger_states(&source).await, trigger_states(&target).await);
    let resume = CloneOptions { start: Start::Resume, ..small };
    let outcome = clone(&source.url(), &url, resume).await.unwrap();
    is_equal(&source, &target, &outcome).await;
}

/// Rows that were there before the run are deleted, not truncated, when their table begins again; a key
/// that would take other tables' rows along is named, and nothing is changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_does_not_begin_again_if_others_rows_went_along() {
    for major in [Major::V9_6, Major::V18] {
        let source = database(major, "src");
        let shop = SHOP.replace("references z_parents", "references z_parents on delete cascade");
        source.execute(shop).await.unwrap();
        let (target, owner) = owned(major);
        let url = target.url_as(&owner);
        with_schema(&source, &url).await;
        let outcome = clone(&source.url(), &url, data_only()).await.unwrap();
        is_equal(&source, &target, &outcome).await;
        let restart = |patterns: &[&str]| {
            let patterns = patterns.iter().map(|one| (*one).to_owned()).collect();
            CloneOptions { start: Start::ResumeRestarting(patterns), ..data_only() }
        };
        let state = "select (select count(*) from z_parents) || ' ' || \
                     (select count(*) from a_children) || ' ' || \
                     (select count(*) from pghaul.receipt) || ' ' || (select phase from pghaul.run)";
        let before = target.value(state).await.unwrap();
        let refused = clone(&source.url(), &url, restart(&["public.z_parents"])).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::RunState, "{refused:?}");
        let said = format!("{refused:?}");
        assert!(said.contains("a_children_parent_fkey of public.a_children"), "{said}");
        assert!(refused.hint().unwrap().contains("the tables of these foreign keys too"));
        assert_eq!(target.value(state).await.unwrap(), before, "nothing is changed");
        let both = restart(&["public.z_parents", "public.a_children"]);
        let outcome = clone(&source.url(), &url, both).await.unwrap();
        is_equal(&source, &target, &outcome).await;
        // A superuser's session silences the key, so nothing goes along.
        let alone = restart(&["public.z_parents"]);
        let outcome = clone(&source.url(), &target.url(), alone).await.unwrap();
        is_equal(&source, &target, &outcome).await;
    }
}
