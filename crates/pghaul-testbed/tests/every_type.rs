//! The database of every type loads on every major, in every choice of families.

use std::collections::BTreeSet;
use std::process::Command;

use expect_test::expect_file;
use pghaul_testbed::every_type::{self, Families, create_roles, load, load_as, objects};
use pghaul_testbed::{Database, Major, Role, Server, clients};

#[test]
fn every_object_of_every_family_is_made_on_every_major_it_names() {
    let families = Families::default().and("left_behind").and("blockers");
    for major in Major::ALL {
        let server = Server::shared(major).unwrap();
        let database = Database::new(server, "every_type").unwrap();
        load(&database, &families).wait().unwrap();
        // Twice at once on one server: roles are made once.
        let one = Database::new(server, "one").unwrap();
        let both = (load(&one, &Families::only([])), create_roles(server));
        both.0.wait().unwrap();
        both.1.wait().unwrap();
    }
}

#[test]
fn each_family_can_be_made_alone() {
    let mut families: Vec<_> = objects().unwrap().iter().map(|object| object.family).collect();
    families.dedup();
    for major in [Major::OLDEST, Major::V13, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        for family in &families {
            let database = Database::new(server, family).unwrap();
            load(&database, &Families::only([*family])).wait().unwrap();
        }
    }
}

/// And what is marked as a superuser's is refused to others, on one major at least.
#[test]
fn what_needs_no_superuser_is_made_without_one() {
    let mut marked: BTreeSet<_> =
        objects().unwrap().into_iter().filter(|object| object.superuser).map(|o| o.sql).collect();
    for major in Major::ALL {
        let server = Server::shared(major).unwrap();
        let database = Database::new(server, "plain").unwrap();
        create_roles(server).wait().unwrap();
        let roles = "select string_agg(quote_ident(rolname), ', ') from pg_roles \
                     where rolname like 'pghaul%'";
        let roles = server.value(roles).wait().unwrap().unwrap();
        let owner = Role::create(server, "plain", &format!("in role {roles}")).unwrap();
        let give = format!("alter database \"{}\" owner to {}", database.name(), owner.name);
        server.execute(give).wait().unwrap();
        let session = database.connect_as(&owner).wait().unwrap();
        let families = Families::default().and("left_behind").and("blockers");
        load_as(&session, major, &families.clone().plain()).wait().unwrap();
        for object in families.objects(major).unwrap() {
            if marked.contains(object.sql) && session.execute(object.sql).wait().is_err() {
                marked.remove(object.sql);
            }
        }
    }
    assert!(marked.is_empty(), "no superuser is needed for {marked:#?}");
}

#[test]
fn psql_runs_the_script_and_no_name_reaches_its_commands() {
    let trap = std::path::Path::new("/tmp/pghaul_was_here");
    for major in [Major::OLDEST, Major::NEWEST] {
        let database = Database::new(Server::shared(major).unwrap(), "script").unwrap();
        let script = every_type::script(major, &Families::default()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), script).unwrap();
        let output = Command::new(clients().unwrap().psql())
            .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file"])
            .arg(file.path())
            .arg(database.url())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{major}: {errors}");
        let tables = "select count(*) > 100 from pg_class where oid >= 16384 and relkind = 'r'";
        assert_eq!(database.value(tables).wait().unwrap().unwrap(), "t");
    }
    assert!(!trap.exists());
}

#[test]
fn a_family_that_is_not_there_is_an_error() {
    let error = Families::only(["numbers", "nothing"]).objects(Major::V18).unwrap_err();
    assert!(error.to_string().contains("no family nothing"), "{error}");
}

#[test]
fn the_documented_table_is_that_of_the_files() {
    expect_file!["../src/every_type/objects.md"].assert_eq(&every_type::table().unwrap());
}

/// So that no kind of object is forgotten: every catalog that holds objects of users has some.
#[test]
fn every_kind_of_object_is_there_and_has_a_comment() {
    let database = Database::new(Server::shared(Major::V18).unwrap(), "kinds").unwrap();
    load(&database, &Families::default()).wait().unwrap();
    let kinds = "
        select string_agg(distinct a.type, E'\\n' order by a.type)
        from pg_depend d
        cross join lateral pg_identify_object(d.classid, d.objid, 0) a
        where d.objid >= 16384 and d.deptype in ('n', 'a', 'i') and a.type is not null";
    let commented = "
        select string_agg(distinct a.type, E'\\n' order by a.type)
        from (select classoid, objoid, objsubid from pg_description
              union all select classoid, objoid, 0 from pg_shdescription) d
        cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) a
        where d.objoid >= 16384";
    expect_test::expect![[r#"
        aggregate
        cast
        collation
        composite type
        conversion
        default acl
        default value
        domain constraint
        event trigger
        extension
        foreign table
        foreign-data wrapper
        function
        function of access method
        index
        language
        materialized view
        operator
        operator class
        operator family
        operator of access method
        policy
        procedure
        publication namespace
        publication relation
        rule
        sequence
        server
        statistics object
        table
        table constraint
        text search configuration
        text search dictionary
        text search parser
        text search template
        toast table
        trigger
        type
        user mapping
        view"#]]
    .assert_eq(&database.value(kinds).wait().unwrap().unwrap());
    expect_test::expect![[r#"
        access method
        aggregate
        cast
        collation
        composite type column
        conversion
        domain constraint
        event trigger
        extension
        foreign table
        foreign table column
        foreign-data wrapper
        function
        index
        language
        large object
        materialized view
        materialized view column
        operator
        operator class
        operator family
        policy
        procedure
        publication
        rule
        schema
        sequence
        server
        statistics object
        subscription
        table
        table column
        table constraint
        text search configuration
        text search dictionary
        text search parser
        text search template
        trigger
        type
        view
        view column"#]]
    .assert_eq(&database.value(commented).wait().unwrap().unwrap());
}
