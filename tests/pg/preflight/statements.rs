//! What statements and types of a source cannot become on a target.

use pghaul_testbed::{Database, Major, Server};

use super::{check, checked, objects, weighty};

#[tokio::test]
async fn ordinary_databases_are_clean_from_every_major_to_the_newest() {
    for major in Major::ALL {
        let findings = checked(
            major,
            Major::NEWEST,
            "create table parent (id serial primary key, name text unique, at timestamptz);
             create table child (id bigserial primary key, parent int references parent,
                 n numeric, j jsonb, a text[], x bytea);
             create view v as select * from child;
             create materialized view m as select count(*) from child;
             create function f() returns int language plpgsql as 'begin return 1; end';
             create extension hstore; create table h (h hstore);
             create index on child (lower(j::text));",
        )
        .await;
        let weighty = weighty(&findings);
        assert!(weighty.is_empty(), "{major}: {weighty:#?}");
    }
}

#[tokio::test]
async fn types_that_are_gone_or_internal() {
    let findings = checked(
        Major::V9_6,
        Major::NEWEST,
        "create domain d as abstime; create type c as (t reltime, x int);
         create table gone (a abstime, b tinterval[], c d, e c);
         create table gone2 as select 'x'::unknown as u;
         create table refs (r regclass, a aclitem[], k int);
         create table fine (t timestamptz);
         create table internal (p pg_node_tree);
         create table sys (s information_schema.sql_identifier, r pg_catalog.pg_class);",
    )
    .await;
    assert_eq!(
        objects(&findings, "type_removed"),
        // The composite type too: it cannot be made, whether a table has a column of it or not.
        ["public.c", "public.gone", "public.gone", "public.gone", "public.gone", "public.gone2"]
    );
    assert_eq!(objects(&findings, "type_reference"), ["public.refs", "public.refs"]);
    assert_eq!(objects(&findings, "type_internal"), ["public.internal"]);
    assert_eq!(objects(&findings, "type_of_system_row"), ["public.sys"]);
    let same = checked(Major::V9_6, Major::V9_6, "create table gone (a abstime)").await;
    assert!(objects(&same, "type_removed").is_empty(), "the target still has it");
}

#[tokio::test]
async fn what_uses_oids_of_rows_and_functions_over_types_that_are_gone() {
    let sql = "create table o (a int) with oids;
         create unique index o_oid on o (oid);
         create index o_a on o (a);
         create table keyed (a int, primary key (oid)) with oids;
         create view \"Seen\" as select oid, a from o;
         create view fine as select a from o;
         create function old(abstime) returns int language sql as 'select 1';
         create function olds(int) returns setof reltime[] language sql as 'select null::reltime[]';
         create function young(timestamptz) returns interval language sql as 'select now() - $1';";
    for major in [Major::V9_6, Major::V11] {
        let findings = checked(major, Major::NEWEST, sql).await;
        assert_eq!(
            objects(&findings, "oid_column_used"),
            ["public.Seen", "public.keyed", "public.o"]
        );
        let named = findings.iter().find(|one| one.object.as_deref() == Some("public.o"));
        assert!(named.unwrap().message.starts_with("index public.o_oid uses"), "{named:?}");
        assert_eq!(
            objects(&findings, "routine_type_removed"),
            ["public.old(abstime)", "public.olds(integer)"]
        );
    }
    let same = checked(Major::V11, Major::V11, sql).await;
    assert!(objects(&same, "oid_column_used").is_empty(), "the target still has it");
    assert!(objects(&same, "routine_type_removed").is_empty(), "the target still has them");
}

#[tokio::test]
async fn operators_and_aggregates_that_14_took_away() {
    let sql = "create function pf(int) returns int language sql as 'select $1';
         create operator !!! (leftarg = int, procedure = pf);
         create operator !@ (rightarg = int, procedure = pf);
         create aggregate together(anyelement) (sfunc = array_append, stype = anyarray,
             initcond = '{}');
         create aggregate fine(int) (sfunc = int4pl, stype = int);";
    for (source, target, found) in [
        (Major::V10, Major::V18, true),
        (Major::V13, Major::V14, true),
        (Major::V10, Major::V13, false),
    ] {
        let findings = checked(source, target, sql).await;
        let expected: &[&str] = if found { &["public.!!!(integer,NONE)"] } else { &[] };
        assert_eq!(objects(&findings, "postfix_operator"), expected, "{source} to {target}");
        let expected: &[&str] = if found { &["public.together(anyelement)"] } else { &[] };
        assert_eq!(objects(&findings, "polymorphic_array"), expected, "{source} to {target}");
    }
}

#[tokio::test]
async fn inheritance_and_persistence() {
    let findings = checked(
        Major::V14,
        Major::V18,
        "create table p (a int, b int); create table c () inherits (p);
         alter table only p alter a set not null;
         create table g (a int, b int generated always as (a * 2) stored) inherits (p);
         create unlogged table u (a int) partition by range (a);
         create table t (a text) partition by range (a);
         create table tc (a text collate \"C\") partition by range (a);
         create table k (a int check (a > 0)); alter table k add check (a > 1) not valid;",
    )
    .await;
    assert_eq!(objects(&findings, "not_null_not_inherited"), ["public.c"]);
    assert_eq!(objects(&findings, "generated_not_inherited"), ["public.g"]);
    assert_eq!(objects(&findings, "unlogged_partitioned"), ["public.u"]);
    assert_eq!(objects(&findings, "partitions_by_text"), ["public.t"]);
    assert_eq!(objects(&findings, "constraint_not_valid"), ["public.k"]);
}

#[tokio::test]
async fn what_comes_along_otherwise_or_not_at_all() {
    let server = Server::shared(Major::V11).unwrap();
    let space = server.unique_name("space");
    let folder = server.new_folder(&space).unwrap();
    server
        .execute(format!("create tablespace \"{space}\" location '{}'", folder.display()))
        .await
        .unwrap();
    let from = Database::new(server, "from").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    from.execute(format!(
        "create table o (a int) with oids;
         create table s (a int) tablespace \"{space}\";
         create publication pub for all tables;
         create extension postgres_fdw;
         create server far foreign data wrapper postgres_fdw options (host 'x');
         create foreign table f (a int) server far;
         create schema pghaul; create table pghaul.t (a int) with oids;
         select lo_create(0), lo_create(0);
         create function set() returns int language sql set operator_precedence_warning = on
             set work_mem = '2MB' set my.own = 'x' as 'select 1';",
    ))
    .await
    .unwrap();
    let base = format!("\"{}\"", from.name());
    server.execute(format!("alter database {base} set work_mem = '7MB'")).await.unwrap();
    let slot = "select pg_create_logical_replication_slot('preflight_slot', 'pgoutput')";
    from.query_text(slot).await.unwrap();
    let findings = check(&from, &to).await;
    from.query_text("select pg_drop_replication_slot('preflight_slot')").await.unwrap();
    for (code, expected) in [
        ("with_oids", "public.o"),
        ("tablespace", space.as_str()),
        ("publication", "pub"),
        ("replication_slot", "preflight_slot"),
        ("foreign_table", "public.f"),
        ("reserved_schema", "pghaul"),
        ("large_objects", ""),
        ("function_setting_unknown", "public.set()"),
        ("public_may_create", ""),
    ] {
        assert_eq!(objects(&findings, code), [expected], "{code}");
    }
    let settings = findings.iter().find(|finding| {
        finding.code == "settings_not_carried"
            && finding.object.as_ref().is_some_and(|object| object.contains(from.name()))
    });
    let settings = settings.unwrap();
    assert!(settings.message.ends_with("work_mem"), "{settings:?}");
    assert!(!settings.message.contains("7MB"), "values stay where they are");
}

#[tokio::test]
async fn triggers_in_other_states() {
    let findings = checked(
        Major::V12,
        Major::NEWEST,
        "create table p (id int primary key); create table c (p int references p);
         create function f() returns trigger language plpgsql as 'begin return new; end';
         create trigger usual before insert on c for each row execute procedure f();
         create trigger off before insert on c for each row execute procedure f();
         create trigger always before insert on c for each row execute procedure f();
         alter table c disable trigger off; alter table c enable always trigger always;
         create table d (p int references p); alter table d disable trigger all;",
    )
    .await;
    assert_eq!(objects(&findings, "trigger_state"), ["public.c", "public.c"]);
    assert_eq!(objects(&findings, "foreign_key_disabled"), ["public.d"]);
}

#[tokio::test]
async fn filters_leave_out_what_is_about_other_tables() {
    let from = Database::new(Server::shared(Major::V11).unwrap(), "from").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    from.execute("create table a (x int) with oids; create table b (x int) with oids")
        .await
        .unwrap();
    let wanted = |name: &pghaul::name::RelationName| name.to_string() != "public.a";
    let intent = pghaul::preflight::Intent { wanted: &wanted, ..Default::default() };
    let findings = super::check_as(&from.url(), &to.url(), &intent).await;
    assert_eq!(objects(&findings, "with_oids"), ["public.b"]);
}
