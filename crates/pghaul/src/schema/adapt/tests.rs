//! The texts are those that pg_dump 18.6 writes.

use super::*;
use crate::schema::emit::{Owners, Tablespaces};
use crate::schema::entry::tests::entry;

fn adapted(major: u32, runs_as: RunsAs, entries: &[Entry]) -> (String, Vec<String>) {
    let options = EmitOptions {
        target: ServerVersion::from_num(major * 10_000),
        owners: Owners::Carry,
        tablespaces: Tablespaces::Carry,
        runs_as,
    };
    let adapter = Adapter::new(entries, &options);
    let adapted = adapter.adapt(entries.last().unwrap());
    (adapted.definition.into_owned(), adapted.losses)
}

fn to(major: u32, kind: Kind, defn: &str) -> String {
    adapted(major, RunsAs::Superuser, &[entry(kind, defn)]).0
}

#[test]
fn sequences_of_unlogged_tables_are_logged_before_15() {
    let text = "CREATE UNLOGGED SEQUENCE public.s\n    START WITH 1;\n";
    assert_eq!(to(14, Kind::Sequence, text), "CREATE  SEQUENCE public.s\n    START WITH 1;\n");
    assert_eq!(to(15, Kind::Sequence, text), text);
    let text = "ALTER TABLE public.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (\n    \
                SEQUENCE NAME public.s\n);\nALTER SEQUENCE public.s SET LOGGED;\n";
    let kept = "ALTER TABLE public.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (\n    \
                SEQUENCE NAME public.s\n);\n\n";
    assert_eq!(to(14, Kind::Sequence, text), kept);
}

#[test]
fn not_null_becomes_a_property_of_the_column() {
    let text = "CREATE TABLE app.of (\n    NOT NULL b,\n    CONSTRAINT \"d;\" NOT NULL \"D\",\n    e integer DEFAULT ';'::text,\n    f integer NOT NULL NO INHERIT\n)\nINHERITS (app.parent);\n";
    assert_eq!(
        to(17, Kind::Table, text),
        "CREATE TABLE app.of (\n    e integer DEFAULT ';'::text,\n    f integer NOT NULL\n)\nINHERITS (app.parent);\nALTER TABLE ONLY app.of ALTER COLUMN b SET NOT NULL;\nALTER TABLE ONLY app.of ALTER COLUMN \"D\" SET NOT NULL;\n"
    );
    assert_eq!(to(18, Kind::Table, text), text);
    assert_eq!(
        to(14, Kind::Table, "CREATE TABLE a.t (\n    NOT NULL b\n)\nINHERITS (a.p);\n"),
        "CREATE TABLE a.t (\n    \n)\nINHERITS (a.p);\nALTER TABLE ONLY a.t ALTER COLUMN b SET NOT NULL;\n"
    );
}

#[test]
fn a_default_that_looks_like_one_is_left_alone() {
    let text = "CREATE TABLE a.t (\n    b text DEFAULT '(\n    NOT NULL b,\n'::text\n);\n";
    assert_eq!(to(14, Kind::Table, text), text);
}

#[test]
fn a_not_null_constraint_that_cannot_be_goes_with_its_comment() {
    let table =
        entry(Kind::Table, "CREATE TABLE a.t (\n    b integer CONSTRAINT \"There\" NOT NULL\n);\n");
    let later = "ALTER TABLE a.t\n    ADD CONSTRAINT later NOT NULL c NOT VALID;\n";
    assert_eq!(to(17, Kind::Constraint, later), "");
    let of = |name: &str| {
        entry(Kind::Comment, &format!("COMMENT ON CONSTRAINT {name} ON a.t IS 'x';\n"))
    };
    let later = entry(Kind::Constraint, later);
    for name in ["\"There\"", "later"] {
        let entries = [table.clone(), later.clone(), of(name)];
        assert_eq!(adapted(17, RunsAs::Superuser, &entries).0, "", "{name}");
        assert_ne!(adapted(18, RunsAs::Superuser, &entries).0, "", "{name}");
    }
    assert_ne!(adapted(17, RunsAs::Superuser, &[table, later, of("other")]).0, "");
}

#[test]
fn maintain_goes_and_nothing_else() {
    assert_eq!(
        to(
            16,
            Kind::Acl,
            "GRANT SELECT,MAINTAIN ON TABLE a.t TO r;\nGRANT MAINTAIN ON TABLE a.t TO maintain WITH GRANT OPTION;\nGRANT ALL ON TABLE a.t TO \"MAINTAIN, x\";\nREVOKE GRANT OPTION FOR MAINTAIN,INSERT ON TABLE a.t FROM r;\nGRANT SELECT(maintain),UPDATE(b) ON TABLE a.t TO r;\n"
        ),
        "GRANT SELECT ON TABLE a.t TO r;\n\nGRANT ALL ON TABLE a.t TO \"MAINTAIN, x\";\nREVOKE GRANT OPTION FOR INSERT ON TABLE a.t FROM r;\nGRANT SELECT(maintain),UPDATE(b) ON TABLE a.t TO r;\n"
    );
    assert_eq!(
        to(
            16,
            Kind::DefaultAcl,
            "ALTER DEFAULT PRIVILEGES FOR ROLE revoke IN SCHEMA \"grant\" GRANT MAINTAIN ON TABLES TO r;\n"
        ),
        ""
    );
    let all = "GRANT SELECT,MAINTAIN ON TABLE a.t TO r;\n";
    assert_eq!(to(17, Kind::Acl, all), all);
}

#[test]
fn a_member_takes_the_role_of_the_grantor() {
    let text = "SET SESSION AUTHORIZATION \"set session authorization x\";\nGRANT SELECT ON TABLE a.\"x; SET SESSION AUTHORIZATION y\" TO r;\nRESET SESSION AUTHORIZATION;\n";
    assert_eq!(
        adapted(18, RunsAs::Member, &[entry(Kind::Acl, text)]).0,
        "SET ROLE \"set session authorization x\";\nGRANT SELECT ON TABLE a.\"x; SET SESSION AUTHORIZATION y\" TO r;\nRESET ROLE;\n"
    );
    assert_eq!(to(18, Kind::Acl, text), text);
}

#[test]
fn subscriptions_lose_options_and_say_which_mattered() {
    let text = "CREATE SUBSCRIPTION s CONNECTION 'a=''b'' run_as_owner = true' PUBLICATION p WITH (connect = false, slot_name = 's', streaming = parallel, run_as_owner = true, origin = none);\n";
    let (to_15, losses) = adapted(15, RunsAs::Superuser, &[entry(Kind::Subscription, text)]);
    assert_eq!(
        to_15,
        "CREATE SUBSCRIPTION s CONNECTION 'a=''b'' run_as_owner = true' PUBLICATION p WITH (connect = false, slot_name = 's', streaming = on);\n"
    );
    assert_eq!(losses.len(), 2, "{losses:?}");
    assert!(losses.iter().any(|loss| loss.contains("origin")), "{losses:?}");
    let (to_13, losses) = adapted(13, RunsAs::Superuser, &[entry(Kind::Subscription, text)]);
    assert!(to_13.ends_with("(connect = false, slot_name = 's');\n"), "{to_13}");
    assert_eq!(losses.len(), 2, "{losses:?}");
    assert_eq!(to(17, Kind::Subscription, text), text);
}

#[test]
fn a_publication_without_any_option_left_has_no_list() {
    assert_eq!(
        to(
            12,
            Kind::Publication,
            "CREATE PUBLICATION p WITH (publish_via_partition_root = true);\n"
        ),
        "CREATE PUBLICATION p ;\n"
    );
}

#[test]
fn what_else_older_servers_do_not_know() {
    assert_eq!(
        to(13, Kind::Table, "CREATE TABLE a.t (\n    b text\n);\nALTER TABLE ONLY a.t ALTER COLUMN b SET COMPRESSION pglz;\n").trim_end(),
        "CREATE TABLE a.t (\n    b text\n);"
    );
    assert_eq!(
        to(
            13,
            Kind::Type,
            "CREATE TYPE a.m AS RANGE (\n    subtype = integer,\n    multirange_type_name = a.many\n);\n"
        ),
        "CREATE TYPE a.m AS RANGE (\n    subtype = integer\n);\n"
    );
    assert_eq!(
        to(
            17,
            Kind::FkConstraint,
            "ALTER TABLE a.t\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES a.o(id) NOT VALID;\n"
        ),
        "ALTER TABLE a.t\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES a.o(id);\n"
    );
    let plain = "ALTER TABLE ONLY a.t\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES a.o(id) NOT VALID;\n";
    assert_eq!(to(14, Kind::FkConstraint, plain), plain);
    assert_eq!(
        to(
            10,
            Kind::EventTrigger,
            "CREATE EVENT TRIGGER execute ON ddl_command_end\n   EXECUTE FUNCTION a.function();\n"
        ),
        "CREATE EVENT TRIGGER execute ON ddl_command_end\n   EXECUTE PROCEDURE a.function();\n"
    );
    let operator =
        "CREATE OPERATOR a.<% (\n    FUNCTION = a.function,\n    LEFTARG = integer\n);\n";
    assert_eq!(to(10, Kind::Operator, operator), operator.replace("FUNCTION", "PROCEDURE"));
    assert_eq!(to(11, Kind::Operator, operator), operator);
}

#[test]
fn leakproof_goes_only_where_it_is_a_promise() {
    let text = "CREATE FUNCTION a.leakproof(leakproof integer) RETURNS a.leakproof\n    LANGUAGE sql LEAKPROOF COST 7\n    AS $$ select 'LEAKPROOF' $$;\n";
    assert_eq!(
        adapted(18, RunsAs::Member, &[entry(Kind::Function, text)]).0,
        text.replace("sql LEAKPROOF COST", "sql  COST")
    );
    assert_eq!(to(18, Kind::Function, text), text);
}
