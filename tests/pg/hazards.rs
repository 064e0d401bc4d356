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
