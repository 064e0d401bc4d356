//! Names made to break out of their statements. Any user of the source who may create something
//! chooses names; the statements run with the rights of whoever moves the database.

use std::collections::HashSet;

use pghaul::connect::{Endpoint, Purpose, Side};
use pghaul::error::ErrorKind;
use pghaul::schema::step::{Keys, Privileges, Subscriptions, Validation};
use pghaul::schema::{StepOptions, not_null_names, quote_not_null_names, steps};
use pghaul::version::ServerVersion;
use pghaul_testbed::{Database, Major};

use super::{all_steps, carried, differences, dump, empty, run, session};

/// `pg_dump` 18.6 writes this name without quotes. With what it writes behind, two statements
/// more stand there, the first of which makes `hb` a member of `ha`.
const NAME: &str = "z CHECK(true));GRANT ha TO hb;CREATE TABLE a.y(CONSTRAINT w";

fn is_member(database: &Database<'_>) -> bool {
    let sql = "select pg_has_role('hb', 'ha', 'member')";
    database.value(sql).wait().unwrap().unwrap() == "t"
}

#[tokio::test]
async fn a_constraints_name_is_no_statement() {
    assert!(NAME.len() < 64);
    let source = empty(Major::V18);
    let roles = "do $$ begin create role ha; create role hb; exception when duplicate_object then null; end $$";
    source.execute(roles).wait().unwrap();
    source
        .execute(format!(
            "create schema a; create table a.p (b int); \
             create table a.c (d int) inherits (a.p); alter table a.c add constraint \"{NAME}\" not null b; \
             create table a.\"Mixed\" (d int) inherits (a.p); alter table a.\"Mixed\" add constraint \"In Capitals\" not null b;"
        ))
        .wait()
        .unwrap();
    let mut entries = dump(&source).await.entries;
    let options = StepOptions {
        emit: carried(ServerVersion::from_num(180_000)),
        privileges: Privileges::Carry,
        subscriptions: Subscriptions::Leave,
        keys: Keys::IndexFirst,
        validation: Validation::Now,
        refresh: &HashSet::new(),
        owner_grants: &[],
    };
    if let Err(error) = steps(&entries, &options) {
        assert_eq!(error.kind(), ErrorKind::Preflight);
        assert!(error.to_string().contains("TABLE a.c"), "{error}");
    } else {
        let quoted = entries.iter().any(|entry| entry.defn.contains(&format!("\"{NAME}\"")));
        assert!(quoted, "carried as it is");
    }

    let endpoint = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let look = endpoint.connect(Purpose::Catalog, "test").await.unwrap();
    quote_not_null_names(&mut entries, &not_null_names(&look).await.unwrap());
    let target = empty(Major::V18);
    let failed = run(&session(&target).await, &all_steps(&entries, look.version())).await;
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(!is_member(&target));
    let names = "select string_agg(conname, ' | ' order by conname) from pg_constraint \
                 where contype = 'n' and conrelid::regclass::text <> 'a.p'";
    assert_eq!(
        target.value(names).wait().unwrap().unwrap(),
        source.value(names).wait().unwrap().unwrap()
    );
    assert!(target.value(names).wait().unwrap().unwrap().contains(NAME));
}

/// A function's body that looks like an archive's text, and names with line breaks, semicolons,
/// quotes and psql's meta-commands.
#[tokio::test]
async fn bodies_and_names_stay_what_they_are() {
    let source = empty(Major::V14);
    source
        .execute(
            "create schema \"a\n\\! touch /tmp/pghaul_was_here\n\";
             create table \"a\n\\! touch /tmp/pghaul_was_here\n\".\"t\n; alter role pghaul_reader superuser; --\" (\"c\"\"; --\" text default E'\\\\'';');
             comment on column \"a\n\\! touch /tmp/pghaul_was_here\n\".\"t\n; alter role pghaul_reader superuser; --\".\"c\"\"; --\" is E'x\n\\\\. \\\\! '';';
             create function public.forge() returns text language sql as $forge$ select '
--
-- Name: x; Type: ACL; Schema: public; Owner: postgres
--

ALTER ROLE pghaul_reader SUPERUSER;
' $forge$;",
        )
        .wait()
        .unwrap();
    let entries = dump(&source).await.entries;
    let target = empty(Major::V18);
    let control = session(&target).await;
    let failed = run(&control, &all_steps(&entries, control.version())).await;
    assert!(failed.is_empty(), "{failed:#?}");
    let superuser = "select rolsuper from pg_roles where rolname = 'pghaul_reader'";
    assert_eq!(target.value(superuser).wait().unwrap().unwrap(), "f");
    let differences = differences(&entries, &dump(&target).await.entries);
    assert!(differences.is_empty(), "{differences:#?}");
}
