//! What other tools lose or change in silence: each arrives here, counted again by the oracle.

use pghaul::ErrorKind;
use pghaul::run::options::Keep;
use pghaul::run::{CloneOptions, Outcome};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{CreateOptions, Database, Major, Role, Server};

use crate::harness::{clone, database, options};

/// Clones and compares by SQL that shares nothing with the engine.
async fn arrives(source: &Database<'_>, target: &Database<'_>, options: CloneOptions) -> Outcome {
    let outcome = clone(&source.url(), &target.url(), options).await.unwrap();
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    let compare = OracleOptions::new().ignoring_schema("pghaul");
    oracle::compare(&source.url(), &target.url(), &compare).await.unwrap().check().unwrap();
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_around_minus_one_and_parts_that_end_there() {
    for major in [Major::V13, Major::V14] {
        let source = database(major, "minus_one_src");
        let target = database(Major::V18, "minus_one_dst");
        source
            .execute(
                "create table a (id int primary key, t text); \
                 insert into a select g, repeat(md5(g::text), 20) from generate_series(-1, 20000) g; \
                 create table b (id bigint primary key, t text); \
                 insert into b select g, repeat(md5(g::text), 20) from generate_series(-20000, -1) g; \
                 create table c (id bigint, t text); \
                 insert into c select g, 'small' from generate_series(1, 5000) g; \
                 insert into c select 109302436954721982 + g * 65536, repeat('x', 500) \
                   from generate_series(1, 5000) g; \
                 insert into c values (null, null), (-9223372036854775808, ''), (9223372036854775807, 'max')",
            )
            .await
            .unwrap();
        let options = CloneOptions { part_size: Some(1 << 20), ..options() };
        arrives(&source, &target, options).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_settings_of_roles_and_databases_change_nothing() {
    let source = database(Major::V9_6, "hostile_src");
    let target = database(Major::V18, "hostile_dst");
    source
        .execute(
            "create table t (id int primary key, d date, i interval, ts timestamptz, m money, b bytea, \
               f float8, fs float4[], p point, a text[], e text); \
             create table as_text (like t, r regclass default 'pg_class'); \
             insert into t values \
               (1, '2020-02-01', '-1 day -2 hours', '2020-02-01 03:04:05+06', '12.34', '\\x00ff5c27', \
                0.1, '{0.1,1e-30,NaN}', '(0.1,0.2)', array['a', null, 'NULL'], '/'), \
               (2, '0044-03-15 BC', '1 year -3 days', '-infinity', '-0.01', '', \
                'NaN', '{}', '(1e300,-0)', '{}', E'\\t\\n\\\\N'); \
             insert into as_text select * from t",
        )
        .await
        .unwrap();
    // What one side writes, the other would read as something else.
    let on_source = [
        "lc_monetary=de_DE.utf8",
        "datestyle=SQL, DMY",
        "intervalstyle=sql_standard",
        "timezone=Asia/Kathmandu",
    ];
    let on_target = [
        "lc_monetary=en_US.utf8",
        "datestyle=SQL, MDY",
        "intervalstyle=postgres",
        "timezone=America/St_Johns",
        "default_transaction_read_only=on",
    ];
    for (database, more) in [(&source, &on_source[..]), (&target, &on_target[..])] {
        let settings = [
            "bytea_output=escape",
            "extra_float_digits=-5",
            "array_nulls=off",
            "enable_seqscan=off",
            "quote_all_identifiers=on",
            "statement_timeout=600",
        ];
        for setting in settings.iter().chain(more) {
            let (name, value) = setting.split_once('=').unwrap();
            database
                .server()
                .execute(format!(
                    "alter database \"{}\" set {name} = {}",
                    database.name(),
                    if name == "datestyle" { value.to_owned() } else { format!("'{value}'") }
                ))
                .await
                .unwrap();
        }
    }
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    let read = "set lc_monetary = 'C'; set datestyle = 'ISO'; set intervalstyle = postgres; set timezone = 'UTC'; \
                set bytea_output = hex; select id, d, i, ts, m, encode(b, 'hex'), encode(float8send(f), 'hex'), \
                encode(array_send(fs), 'hex'), encode(point_send(p), 'hex'), array_to_string(a, '|', '<null>'), e \
                from";
    for table in ["t", "as_text"] {
        let read = format!("{read} {table} order by id");
        let before = source.query_text(read.as_str()).await.unwrap();
        let after = target.query_text(read.as_str()).await.unwrap();
        assert_eq!(before, after, "{table}");
        assert_eq!(before.len(), 2);
    }
    let formats = "select string_agg(format, ' ' order by table_name) from pghaul.relation";
    assert_eq!(target.value(formats).await.unwrap().as_deref(), Some("text binary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn floats_keep_every_bit_from_11_to_12_and_later() {
    for (from, to) in [(Major::V11, Major::V12), (Major::V9_6, Major::V14)] {
        let source = database(from, "floats_src");
        let target = database(to, "floats_dst");
        source
            .execute(
                "create type pair as (a float8, b float4, c text); \
                 create type mood as enum ('sad', 'ok'); \
                 create table t (f float8, g float4, fs float8[], p point, l line, c circle, \
                   y pair, ys pair[], m mood[], r regclass); \
                 insert into t select \
                   1.0 / g, 1.0 / g, array[1.0 / g, null, 'NaN'::float8, '-infinity'::float8, 1e-310], point(0.1 * g, 1e15 / g), \
                   line '{0.1,0.2,0.3}', circle(point(0.1, 1.0 / g), 1.0 / g), \
                   row(1.0 / g, 1.0 / g, 'x')::pair, array[row(0.1, 0.1, null)::pair, null], \
                   array['ok', null]::mood[], 't' \
                 from generate_series(1, 500) g; \
                 create table moods as select m from t",
            )
            .await
            .unwrap();
        arrives(&source, &target, options()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_registered_objects_keep_their_meaning() {
    let source = database(Major::V10, "names_src");
    let target = database(Major::V18, "names_dst");
    source
        .execute(
            "create table \"select\" (\"from\" int primary key, \"Where\" text, gone int, \"char\" \"char\"); \
             alter table \"select\" drop column gone; \
             alter table \"select\" add column late int default 7; \
             insert into \"select\" select g, 'x', (-56)::\"char\", g from generate_series(1, 100) g; \
             create table r (id int, c regclass, t regtype, p regproc, cs regclass[], h \"char\"); \
             insert into r values (1, '\"select\"', 'r', 'now', array['r', '\"select\"']::regclass[], (-1)::\"char\"), \
                                  (2, null, null, null, null, 'a'); \
             create table e (); insert into e select from generate_series(1, 7); \
             create table nokey (a int, b text); \
             insert into nokey select 1, 'same' from generate_series(1, 100)",
        )
        .await
        .unwrap();
    arrives(&source, &target, options()).await;
}

/// A policy would make rows invisible to the owner: refused, not copied without them.
#[tokio::test(flavor = "multi_thread")]
async fn forced_row_security_hides_no_row() {
    for major in [Major::V9_6, Major::V18] {
        let source = database(major, "policy_src");
        let owner = Role::create(source.server(), "policed", "").unwrap();
        source
            .execute(format!(
                "create table t (id int primary key); insert into t select generate_series(1, 10); \
                 alter table t enable row level security; alter table t force row level security; \
                 create policy few on t using (id < 3); alter table t owner to \"{0}\"; \
                 grant usage, create on schema public to \"{0}\"",
                owner.name
            ))
            .await
            .unwrap();
        let target = database(Major::V18, "policy_dst");
        let plain =
            CloneOptions { owners: Keep::LeaveOut, privileges: Keep::LeaveOut, ..options() };
        let error = clone(&source.url_as(&owner), &target.url(), plain.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Preflight, "{error:?}");
        assert!(format!("{error:?}").contains("public.t"), "{error:?}");
        let written = "select count(*) from pg_namespace where nspname = 'pghaul'";
        assert_eq!(target.value(written).await.unwrap().as_deref(), Some("0"));
        // Whoever sees all rows brings them all.
        let outcome = clone(&source.url(), &target.url(), plain).await.unwrap();
        assert!(outcome.tables[0].verified && outcome.tables[0].source_rows == 10);
        let rows = target.value("select count(*) from t").await.unwrap();
        assert_eq!(rows.as_deref(), Some("10"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encodings_that_are_not_utf8() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let server = Server::shared(Major::V9_6).unwrap();
        let create =
            CreateOptions { encoding: Some(encoding.to_owned()), ..CreateOptions::default() };
        let source = Database::create(server, "encoding_src", &create).unwrap();
        let target = database(Major::V18, "encoding_dst");
        let text = if encoding == "LATIN1" {
            "convert_from('\\xe9e8fc', 'LATIN1')"
        } else {
            "E'\\xc3\\xa9'"
        };
        source
            .execute(format!(
                "create table t (id int primary key, t text, c regclass); \
                 insert into t select g, {text} || g, 't' from generate_series(1, 1000) g"
            ))
            .await
            .unwrap();
        let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified));
        let sum =
            "select count(*), md5(string_agg(convert_to(t, 'UTF8')::text, ',' order by id)) from t";
        assert_eq!(source.query_text(sum).await.unwrap(), target.query_text(sum).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_the_target_cannot_hold_are_refused() {
    let server = Server::shared(Major::V9_6).unwrap();
    let create =
        CreateOptions { encoding: Some("SQL_ASCII".to_owned()), ..CreateOptions::default() };
    let source = Database::create(server, "bytes_src", &create).unwrap();
    let target = database(Major::V18, "bytes_dst");
    source.execute("create table t (v text); insert into t values (E'\\xe9')").await.unwrap();
    let error = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("22021"), "{error:?}");
    assert!(format!("{error:?}").contains("public.t"), "{error:?}");
}

/// Common values stand in the planner's statistics, which pg_dump reads as text.
#[tokio::test(flavor = "multi_thread")]
async fn statistics_of_bytes_that_are_no_text() {
    let ascii = || CreateOptions { encoding: Some("SQL_ASCII".to_owned()), ..Default::default() };
    let (old, new) = (Server::shared(Major::V11).unwrap(), Server::shared(Major::V18).unwrap());
    let unchecked = (
        Database::create(old, "statistics_src", &ascii()).unwrap(),
        Database::create(new, "statistics_dst", &ascii()).unwrap(),
        ("text", r"E'\xe9'"),
    );
    let byte = (
        database(Major::V11, "char_src"),
        database(Major::V18, "char_dst"),
        (r#""char""#, r#"(-23)::"char""#),
    );
    for (source, target, (kind, value)) in [unchecked, byte] {
        source
            .execute(format!(
                "create table t (id int primary key, v {kind}); \
                 insert into t select g, {value} from generate_series(1, 1000) g; analyze t"
            ))
            .await
            .unwrap();
        let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
        assert!(outcome.tables.iter().all(|table| table.verified), "{kind}");
        let gathered = "select count(*) from pg_class where relname = 't' and reltuples = 1000";
        assert_eq!(target.value(gathered).await.unwrap().as_deref(), Some("1"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_hundred_megabytes() {
    let source = database(Major::V9_6, "large_src");
    let target = database(Major::V18, "large_dst");
    source
        .execute(
            "create table t (id int primary key, b bytea); \
             insert into t values (1, 'a'), (3, 'c'); \
             insert into t select 2, decode(repeat(md5('x') || md5('y'), 3276800), 'hex')",
        )
        .await
        .unwrap();
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    assert!(outcome.tables[0].verified && outcome.tables[0].source_rows == 3);
    let sum = "select id, length(b), md5(b) from t order by id";
    assert_eq!(source.query_text(sum).await.unwrap(), target.query_text(sum).await.unwrap());
}

/// Which access method each table and materialized view of schema `public` is stored by.
async fn access_methods(database: &Database<'_>) -> Vec<Vec<Option<String>>> {
    let sql = "select c.relname, a.amname from pg_class c join pg_am a on a.oid = c.relam \
               where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'm', 'p') order by 1";
    database.query_text(sql).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_method_of_ones_own_arrives_and_stays_with_its_tables() {
    for major in [Major::V13, Major::V18] {
        let source = database(major, "method_src");
        source
            .execute(
                "create access method heap2 type table handler heap_tableam_handler; \
                 create table a (id int); insert into a values (1); \
                 create table b (id int) using heap2; insert into b values (2); \
                 create table c (id int); insert into c values (3); \
                 create table p (id int) partition by range (id); \
                 create table p1 partition of p for values from (1) to (5) using heap2; \
                 create table p2 partition of p for values from (5) to (9); \
                 insert into p values (4), (6); \
                 create materialized view v using heap2 as select * from a; \
                 create materialized view w as select * from a; \
                 create table z (id int); insert into z values (7)",
            )
            .await
            .unwrap();
        let target = database(Major::V18, "method_dst");
        arrives(&source, &target, options()).await;
        assert_eq!(access_methods(&target).await, access_methods(&source).await, "{major:?}");
        let some = database(Major::V18, "method_some");
        let include = vec!["public.b".to_owned()];
        clone(&source.url(), &some.url(), CloneOptions { include, ..options() }).await.unwrap();
        let stored = [[Some("b".to_owned()), Some("heap2".to_owned())]];
        assert_eq!(access_methods(&some).await, stored);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_come_along_unless_tables_are_asked_for() {
    let source = database(Major::V14, "objects_src");
    source
        .execute(
            "create table a (id int); create table b (id int); insert into a values (1); \
             select lo_from_bytea(4711, 'large'), lo_from_bytea(4712, 'object')",
        )
        .await
        .unwrap();
    let objects = "select oid::text, convert_from(lo_get(oid), 'UTF8') \
                   from pg_largeobject_metadata order by 1";
    let code = |outcome: &Outcome| -> Vec<&str> {
        let codes = outcome.findings.iter().map(|finding| finding.code);
        codes.filter(|code| code.starts_with("large_objects")).collect()
    };
    let without_b = database(Major::V18, "objects_but");
    let chosen = CloneOptions { exclude: vec!["public.b".to_owned()], ..options() };
    let outcome = clone(&source.url(), &without_b.url(), chosen).await.unwrap();
    assert_eq!(code(&outcome), ["large_objects"]);
    assert_eq!(
        without_b.query_text(objects).await.unwrap(),
        source.query_text(objects).await.unwrap(),
        "they belong to no table that was excluded"
    );
    // Whoever asks for tables gets these alone, is told so, and needs no right to the others.
    let reader = Role::create(source.server(), "objects_reader", "").unwrap();
    source.execute(format!("grant select on a to {}", reader.name)).await.unwrap();
    let only_a = database(Major::V18, "objects_not");
    let owners = Keep::LeaveOut;
    let chosen = CloneOptions {
        include: vec!["public.a".to_owned()],
        owners,
        privileges: owners,
        ..options()
    };
    let outcome = clone(&source.url_as(&reader), &only_a.url(), chosen).await.unwrap();
    assert_eq!(code(&outcome), ["large_objects_not_carried"]);
    assert!(only_a.query_text(objects).await.unwrap().is_empty());
}

/// `pg_dump` locks all that it dumps; what nobody asked for, and nothing that was asked for needs, it
/// does not dump.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_part_carries_it_and_needs_no_right_to_the_rest() {
    for major in [Major::V9_6, Major::V18] {
        let server = Server::shared(major).unwrap();
        let owner = Role::create(server, "part_owner", "").unwrap();
        let owned = CreateOptions { owner: Some(owner.name.clone()), ..CreateOptions::default() };
        let source = database(major, "part_src");
        source
            .execute(format!(
                "create table secret (id int primary key); insert into secret values (1); \
                 create view over_secret as select * from secret; \
                 create function of_secret(secret) returns int language sql as 'select 1'; \
                 create schema hidden; create table hidden.t (id int); \
                 create view over_hidden as select * from hidden.t; \
                 create table needy (id int references secret); \
                 create schema mine; create type mine.mood as enum ('a'); \
                 create table mine.a (id serial primary key, mood mine.mood); \
                 create table mine.b (a int references mine.a); \
                 create view mine.v as select * from mine.a; \
                 create function mine.f() returns trigger language plpgsql as 'begin return new; end'; \
                 create trigger t before insert on mine.a for each row execute procedure mine.f(); \
                 insert into mine.a (mood) values ('a'), (null); insert into mine.b values (1); \
                 alter schema mine owner to {0}; alter table mine.a owner to {0}; \
                 alter table mine.b owner to {0}; alter view mine.v owner to {0}; \
                 alter type mine.mood owner to {0}; alter function mine.f() owner to {0}; \
                 alter table needy owner to {0}",
                owner.name
            ))
            .await
            .unwrap();
        let target = Database::create(server, "part_dst", &owned).unwrap();
        let (from, to) = (source.url_as(&owner), target.url_as(&owner));
        let include = vec!["mine.*".to_owned()];
        let asked = CloneOptions { include: include.clone(), ..options() };
        let endpoint = |side, url: &str| pghaul::connect::Endpoint::parse(side, url).unwrap();
        let ends = (
            endpoint(pghaul::connect::Side::Source, &from),
            endpoint(pghaul::connect::Side::Target, &to),
        );
        let checked = pghaul::run::check(&ends.0, Some(&ends.1), &asked).await.unwrap();
        let weights: Vec<_> = checked.findings.iter().map(|one| one.severity).collect();
        assert!(weights.iter().all(|one| *one < pghaul::Severity::Blocker), "{checked:?}");
        clone(&from, &to, asked).await.unwrap();
        let rows = "select id, mood from mine.v union all select a, null from mine.b order by 1, 2";
        assert_eq!(
            target.query_text(rows).await.unwrap(),
            source.query_text(rows).await.unwrap(),
            "{major:?}"
        );
        let compare = pghaul::verify::VerifyOptions { include, ..crate::verify::options() };
        let compared = crate::verify::verify(&from, &to, compare).await.unwrap();
        compared.assert_equal();
        // What it needs, it asks for.
        let asked = CloneOptions { include: vec!["public.needy".to_owned()], ..options() };
        let other = Database::create(server, "part_other", &owned).unwrap();
        let error = clone(&from, &other.url_as(&owner), asked).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("permission denied for"), "{error}: {cause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_that_an_older_target_does_not_know_is_named() {
    let source = database(Major::V13, "option_src");
    source
        .execute("create table t (a int) with (autovacuum_vacuum_insert_threshold = 4711)")
        .await
        .unwrap();
    let target = database(Major::V9_6, "option_dst");
    let error = clone(&source.url(), &target.url(), options()).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.to_string(), "cannot create TABLE public.t");
    assert!(
        cause.contains(r#"unrecognized parameter "autovacuum_vacuum_insert_threshold""#),
        "{cause}"
    );
}

/// ANALYZE gathers for the expressions of indexes and the extended statistics that it finds.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_analyzed_has_its_indexes_and_extended_statistics_by_then() {
    for major in [Major::V14, Major::V18] {
        let source = database(major, "gathered_src");
        let mut sql = String::new();
        for table in 0..20 {
            sql.push_str(&format!(
                "create table t{table} (a int, b int, c text); \
                 insert into t{table} select g % 10, g % 10, 'C' || g from generate_series(1, 500) g; \
                 create index on t{table} (lower(c)); \
                 create statistics s{table} (dependencies) on a, b from t{table};"
            ));
        }
        source.execute(sql).await.unwrap();
        let target = database(Major::V18, "gathered_dst");
        clone(&source.url(), &target.url(), options()).await.unwrap();
        let gathered = "select (select count(*) from pg_statistic_ext_data) || ' ' || \
                        (select count(*) from pg_stats where tablename like '%_lower_idx')";
        assert_eq!(target.value(gathered).await.unwrap().as_deref(), Some("20 20"), "{major:?}");
    }
}

/// Orphans are those that the key's own operators call so: under the pins' search path `=` of two
/// values of citext is that of text, and a period is covered, not equal.
#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_told_by_the_operators_of_the_key() {
    let (source, target) =
        (database(Major::V18, "orphans_src"), database(Major::V18, "orphans_dst"));
    source
        .execute(
            "create extension citext; create extension btree_gist;
             create table people (name citext primary key);
             create table posts (id int primary key, author citext references people);
             create table rooms (id int, during daterange, primary key (id, during without overlaps));
             create table stays (room int, during daterange,
                 foreign key (room, period during) references rooms (id, period during));
             insert into people values ('Alice'), ('Bob');
             insert into posts values (1, 'alice'), (2, 'BOB');
             insert into rooms values (1, '[2020-01-01,2021-01-01)'), (1, '[2021-01-01,2022-01-01)');
             insert into stays values (1, '[2020-06-01,2021-06-01)');
             set session_replication_role = replica;
             insert into posts values (3, 'nobody');
             insert into stays values (1, '[2021-06-01,2023-01-01)');
             reset session_replication_role",
        )
        .await
        .unwrap();
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    let orphans = outcome.findings.iter().filter(|found| found.code == "orphans");
    let mut said: Vec<&str> = orphans.map(|found| found.message.as_str()).collect();
    said.sort_unstable();
    assert_eq!(said.len(), 2, "{:?}", outcome.findings);
    assert!(said[0].ends_with("1 rows of `public.posts` refer by (author) to rows that are not there: ctid (0,3) = (nobody)"), "{said:?}");
    assert!(said[1].contains("1 rows of `public.stays` refer by (room, during)"), "{said:?}");
    assert!(said[1].ends_with("ctid (0,2) = (1, [2021-06-01,2023-01-01))"), "{said:?}");
}
