//! Entries made by hand; what servers write is tested on servers.

use super::super::entry::tests::entry;
use super::*;

const STRICT: Leniency = Leniency { owners: Compared::Yes, privileges: Compared::Yes };

fn named(kind: Kind, tag: &str, defn: &str) -> Entry {
    Entry { tag: tag.to_owned(), namespace: Some("s".to_owned()), ..entry(kind, defn) }
}

fn compared(old: u32, new: u32, one: &Entry, other: &Entry) -> SchemaComparison {
    let version = ServerVersion::from_num;
    let (one, other) = (std::slice::from_ref(one), std::slice::from_ref(other));
    let forth = compare((one, version(old)), (other, version(new)), STRICT);
    // The mends know no direction.
    let back = compare((other, version(new)), (one, version(old)), STRICT);
    assert_eq!(forth.differences.len(), back.differences.len());
    forth
}

fn differs(old: u32, new: u32, kind: &Kind, one: &str, other: &str) -> bool {
    let (one, other) = (named(kind.clone(), "o", one), named(kind.clone(), "o", other));
    !compared(old, new, &one, &other).differences.is_empty()
}

#[test]
fn what_one_side_lacks_is_named() {
    let index = named(Kind::Index, "i", "CREATE INDEX i ON s.t USING btree (a);");
    let version = ServerVersion::from_num(180_000);
    let found = compare((std::slice::from_ref(&index), version), (&[], version), STRICT);
    assert_eq!(found.differences.len(), 1);
    assert_eq!(found.differences[0].how, SchemaDifferenceKind::Missing);
    assert_eq!(
        (found.differences[0].kind.as_str(), found.differences[0].object.as_str()),
        ("INDEX", "s.i")
    );
    let found = compare(
        (std::slice::from_ref(&index), version),
        (&[index.clone(), index.clone()], version),
        STRICT,
    );
    assert_eq!(found.differences[0].how, SchemaDifferenceKind::Extra);
}

#[test]
fn blanks_and_needless_quotes_do_not_count() {
    let kind = Kind::Table;
    assert!(!differs(
        170_000,
        180_000,
        &kind,
        "CREATE TABLE s.t (\n  \"json\" int\n);",
        "CREATE TABLE s.t (json int);"
    ));
    assert!(differs(
        170_000,
        180_000,
        &kind,
        "CREATE TABLE s.t (a int);",
        "CREATE TABLE s.t (a bigint);"
    ));
    assert!(differs(
        170_000,
        180_000,
        &kind,
        "CREATE TABLE s.t (a text DEFAULT 'x');",
        "CREATE TABLE s.t (a text DEFAULT 'X');"
    ));
}

#[test]
fn majors_write_differently() {
    for (old, new, kind, one, other, name) in [
        (
            90_600,
            100_000,
            Kind::View,
            "CREATE VIEW v AS SELECT 1;",
            "CREATE VIEW v AS SELECT 1 AS \"?column?\";",
            "nameless columns",
        ),
        (
            90_600,
            160_000,
            Kind::View,
            "CREATE VIEW v AS SELECT t.a, 'x' AS b, E'y\\n' AS c, ('z'::text || t.a) FROM t;",
            "CREATE VIEW v AS SELECT t.a, 'x'::\"text\" AS b, E'y\\n'::text AS c, ('z'::text || t.a) FROM t;",
            "untyped literals",
        ),
        (
            90_600,
            100_000,
            Kind::Index,
            "CREATE INDEX i ON t (lower(a), (COALESCE(lower(b), '')), (c || d));",
            "CREATE INDEX i ON t (lower(a), COALESCE(lower(b), ''), (c || d));",
            "index expression brackets",
        ),
        (
            110_000,
            120_000,
            Kind::Trigger,
            "CREATE TRIGGER g EXECUTE PROCEDURE f();",
            "CREATE TRIGGER g EXECUTE FUNCTION f();",
            "execute function",
        ),
        (
            100_000,
            110_000,
            Kind::Table,
            "CREATE TABLE t ( a bit(2) DEFAULT B'01'::\"bit\", b bit varying(2) DEFAULT B'1'::bit varying );",
            "CREATE TABLE t ( a bit(2) DEFAULT '01'::\"bit\", b bit varying(2) DEFAULT ('1'::\"bit\")::bit varying );",
            "bit literals",
        ),
        (
            110_000,
            120_000,
            Kind::Function,
            "CREATE FUNCTION f() RETURNS int COST 1.00000001e-07 ROWS 5 AS $$COST 1$$;",
            "CREATE FUNCTION f() RETURNS int COST 1e-07 ROWS 5 AS $$COST 1$$;",
            "function cost",
        ),
        (
            130_000,
            140_000,
            Kind::Type,
            "CREATE TYPE s.b ( INTERNALLENGTH = 16, ELEMENT = float8 );",
            "CREATE TYPE s.b ( INTERNALLENGTH = 16, SUBSCRIPT = raw_array_subscript_handler, ELEMENT = float8 );",
            "subscript handler",
        ),
        (
            150_000,
            160_000,
            Kind::View,
            "CREATE VIEW v AS SELECT XMLSERIALIZE(CONTENT f(a) AS character(10)) FROM t;",
            "CREATE VIEW v AS SELECT XMLSERIALIZE(CONTENT f(a) AS character(10) NO INDENT) FROM t;",
            "xmlserialize indent",
        ),
        (
            150_000,
            160_000,
            Kind::View,
            "CREATE VIEW v AS SELECT \"xmltable\".a FROM XMLTABLE(('x'::text) PASSING ('y'::xml) COLUMNS a int);",
            "CREATE VIEW v AS SELECT a FROM XMLTABLE(('x'::text) PASSING ('y'::xml) COLUMNS a int);",
            "view column qualifiers",
        ),
        (
            130_000,
            140_000,
            Kind::Type,
            "CREATE TYPE s.r AS RANGE ( subtype = int );",
            "CREATE TYPE s.r AS RANGE ( subtype = int, multirange_type_name = s.m );",
            "multirange type name",
        ),
        (
            150_000,
            160_000,
            Kind::View,
            "CREATE VIEW v AS SELECT t.a FROM s.t WHERE (t.a > 0);",
            "CREATE VIEW v AS SELECT a FROM s.t WHERE (a > 0);",
            "view column qualifiers",
        ),
        (
            160_000,
            170_000,
            Kind::Acl,
            "GRANT SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE ON TABLE t TO o;",
            "GRANT ALL ON TABLE t TO o;",
            "maintain privilege",
        ),
        (
            170_000,
            180_000,
            Kind::Table,
            "CREATE TABLE t ( a int NOT NULL );",
            "CREATE TABLE t ( a int CONSTRAINT t_a_not_null1 NOT NULL );",
            "not null name",
        ),
    ] {
        let (before, after) = (named(kind.clone(), "o", one), named(kind.clone(), "o", other));
        let found = compared(old, new, &before, &after);
        assert_eq!(found.differences, [], "{name}");
        assert_eq!(found.explained.iter().copied().collect::<Vec<_>>(), [name]);
        // Between servers of one version it is a difference.
        assert!(differs(new, new, &kind, one, other), "{name}");
    }
}

/// An operator class of the family of its name, and that family.
fn class_and_family(of_class: &str, of_family: &str) -> [Entry; 2] {
    let class = format!(
        "CREATE OPERATOR CLASS s.o FOR TYPE int USING btree FAMILY s.o AS STORAGE int , {of_class};"
    );
    let mut family = "CREATE OPERATOR FAMILY s.o USING btree;".to_owned();
    if !of_family.is_empty() {
        family += &format!("ALTER OPERATOR FAMILY s.o USING btree ADD {of_family};");
    }
    [named(Kind::OperatorClass, "o", &class), named(Kind::OperatorFamily, "o", &family)]
}

#[test]
fn members_of_an_operator_class_go_to_its_family() {
    let old = class_and_family("OPERATOR 1 <(int,int) , FUNCTION 2 (int, int) f(int,int)", "");
    let version = ServerVersion::from_num;
    let compared = |new: &[Entry], number: u32| {
        let forth = compare((&old, version(130_000)), (new, version(number)), STRICT);
        let back = compare((new, version(number)), (&old, version(130_000)), STRICT);
        assert_eq!(forth.differences.len(), back.differences.len());
        (forth.differences.len(), forth.explained.into_iter().collect::<Vec<_>>())
    };
    let moved = class_and_family("OPERATOR 1 <(int,int)", "FUNCTION 2 (int, int) f(int,int)");
    assert_eq!(compared(&moved, 140_000), (0, vec!["operator family members"]));
    assert_eq!(compared(&moved, 130_000).0, 2, "between servers of one version it is a difference");
    assert_eq!(compared(&old, 140_000), (0, vec![]));
    let other = class_and_family("OPERATOR 1 <(int,int)", "FUNCTION 2 (int, int) g(int,int)");
    assert_eq!(compared(&other, 140_000).0, 2);
    let fewer = class_and_family("OPERATOR 1 <(int,int)", "");
    assert_eq!(compared(&fewer, 140_000).0, 1);
}

#[test]
fn nothing_hides_behind_a_version_difference() {
    assert!(differs(
        110_000,
        120_000,
        &Kind::Function,
        "CREATE FUNCTION f() RETURNS int COST 1.00000001e-07 AS 'x';",
        "CREATE FUNCTION f() RETURNS int COST 1e-08 AS 'x';"
    ));
    assert!(differs(
        100_000,
        110_000,
        &Kind::Table,
        "CREATE TABLE t ( a bit(2) DEFAULT B'01'::\"bit\" );",
        "CREATE TABLE t ( a bit(2) DEFAULT '11'::\"bit\" );"
    ));
    assert!(differs(
        130_000,
        140_000,
        &Kind::Type,
        "CREATE TYPE s.b ( INTERNALLENGTH = 16, ELEMENT = float8 );",
        "CREATE TYPE s.b ( INTERNALLENGTH = 16, SUBSCRIPT = own, ELEMENT = float8 );"
    ));
    let view = Kind::View;
    let old = "CREATE VIEW v AS SELECT t.a FROM s.t WHERE (t.a > 0);";
    assert!(differs(
        150_000,
        160_000,
        &view,
        old,
        "CREATE VIEW v AS SELECT a FROM s.t WHERE (a > 1);"
    ));
    assert!(differs(
        150_000,
        160_000,
        &view,
        old,
        "CREATE VIEW v AS SELECT a FROM t WHERE (a > 0);"
    ));
    let acl = Kind::Acl;
    assert!(differs(
        160_000,
        170_000,
        &acl,
        "GRANT SELECT ON TABLE t TO o;",
        "GRANT ALL ON TABLE t TO o;"
    ));
    assert!(differs(
        160_000,
        170_000,
        &acl,
        "GRANT SELECT ON TABLE t TO o;",
        "GRANT SELECT,UPDATE,MAINTAIN ON TABLE t TO o;"
    ));
    let table = Kind::Table;
    assert!(differs(
        170_000,
        180_000,
        &table,
        "CREATE TABLE t (a int);",
        "CREATE TABLE t (a int CONSTRAINT t_a_not_null NOT NULL);"
    ));
    assert!(differs(
        170_000,
        180_000,
        &table,
        "CREATE TABLE t (a int NOT NULL);",
        "CREATE TABLE t (a int CONSTRAINT chosen NOT NULL);"
    ));
}

#[test]
fn owners_count_unless_they_may_differ() {
    let one =
        Entry { owner: Some("a".to_owned()), ..named(Kind::Table, "t", "CREATE TABLE s.t ();") };
    let other = Entry { owner: Some("b".to_owned()), ..one.clone() };
    let version = ServerVersion::from_num(180_000);
    let with = |owners| {
        let leniency = Leniency { owners, privileges: Compared::Yes };
        compare(
            (std::slice::from_ref(&one), version),
            (std::slice::from_ref(&other), version),
            leniency,
        )
    };
    assert_eq!(with(Compared::Yes).differences[0].what, "its owner is a here and b there");
    assert_eq!(with(Compared::No).differences, []);
}

#[test]
fn secrets_are_compared_and_not_shown() {
    let of = |password: &str| {
        named(
            Kind::UserMapping,
            "m",
            &format!("CREATE USER MAPPING FOR a SERVER b OPTIONS (password '{password}');"),
        )
    };
    let found = compared(180_000, 180_000, &of("hunter2"), &of("hunter3"));
    assert_eq!(found.differences[0].what, "its definition differs");
    assert!(!format!("{found:?}").contains("hunter"));
}
