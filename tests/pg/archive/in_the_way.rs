//! Rows of an archive that forbid an index or a key: named as by a clone, without a server to ask.

use pghaul::run::options::Start;
use pghaul::run::{CloneOptions, Ending, Outcome};
use pghaul::{Finding, Severity};
use pghaul_testbed::Major;
use pghaul_testbed::damage::{Damage, Recipe};

use super::harness::{dump_options, dump_to, restore_from, wrong};
use crate::harness::database;

const TABLES: &str = "
    create table people (id int primary key, name text, mail text, kind int);
    insert into people select g, 'n' || g, 'm' || g, g % 3 from generate_series(1, 100) g;
    create unique index by_name on people (lower(name)) where kind < 2;
    alter table people add constraint by_mail unique (mail, kind);
    create table streets (id int primary key);
    insert into streets select generate_series(1, 20);
    create table houses (id int primary key, street int references streets);
    insert into houses select g, g from generate_series(1, 20) g;
    set session_replication_role = replica;
    insert into houses values (98, 4711), (99, 4712);
";

fn of<'a>(outcome: &'a Outcome, object: &str) -> &'a Finding {
    let named = |one: &&Finding| {
        let object_of = one.object.as_deref().unwrap_or_default();
        one.severity == Severity::Warning && object_of.contains(object)
    };
    let mut found = outcome.findings.iter().filter(named);
    found.next().unwrap_or_else(|| panic!("{object}: {:?}", outcome.findings))
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_and_orphans_are_named_and_what_is_mended_goes_in() {
    let source = database(Major::V14, "damaged_rows");
    source.execute(TABLES).await.unwrap();
    let session = source.connect().await.unwrap();
    let indexes = [("people_pkey", 2), ("by_mail", 3), ("by_name", 4)];
    for (index, groups) in indexes {
        let damage = Damage::new(index, Recipe::MissingEntries).groups(groups);
        damage.plant(&session).await.unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    let target = database(Major::V18, "damaged_rows_dst");
    let outcome = restore_from(&archive, &target.url(), CloneOptions::default()).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.tables.iter().all(|table| table.verified));
    for (index, groups) in indexes {
        let found = of(&outcome, index);
        assert_eq!(found.code, "duplicates");
        let said = format!("share its key: {groups}; rows too many: {groups}: ctid (");
        assert!(found.message.contains(&said), "{index}: {}", found.message);
        assert!(found.message.contains(") id="), "{}", found.message);
        assert!(found.remedy.contains("`pghaul restore --resume`"), "{}", found.remedy);
        let noted = format!(
            "select count(distinct number) || ' ' || count(*) from pghaul.duplicate_row \
              where object like '%{index}' and table_name = 'people' and schema_name = 'public'"
        );
        let noted = target.value(noted).await.unwrap();
        assert_eq!(noted, Some(format!("{groups} {}", groups * 2)), "{index}");
    }
    let found = of(&outcome, "houses_street_fkey");
    assert_eq!(found.code, "orphans", "{found:?}");
    assert!(found.remedy.contains("`pghaul restore --resume`"), "{}", found.remedy);
    for what in ["2 rows of `public.houses` refer by (street)", "= (4711)", "= (4712)"] {
        assert!(found.message.contains(what), "{what}: {}", found.message);
    }
    // No trace of how it was found out.
    let traces = "select count(*) from pg_class where relname like 'pghaul lookalike%'";
    assert_eq!(target.value(traces).await.unwrap().as_deref(), Some("0"));

    target
        .execute(
            "delete from houses where id > 90;
             delete from people p using people q where p.id = q.id and p.ctid > q.ctid",
        )
        .await
        .unwrap();
    let options = CloneOptions { start: Start::Resume, ..CloneOptions::default() };
    let outcome = restore_from(&archive, &target.url(), options).await.unwrap();
    let left: Vec<String> =
        wrong(&outcome.findings).into_iter().map(|(_, object)| object).collect();
    assert!(!left.iter().any(|object| object.contains("houses") || object.contains("people_pkey")));
    let valid = "select convalidated::text from pg_constraint where conname = 'houses_street_fkey'";
    assert_eq!(target.value(valid).await.unwrap().as_deref(), Some("true"));
}
