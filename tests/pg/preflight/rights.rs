//! What roles may not do, on either side.

use pghaul::ErrorKind;
use pghaul::preflight::{Carry, Intent};
use pghaul::run::CloneOptions;
use pghaul::run::options::Keep;
use pghaul_testbed::{Database, Major, Options, Role, Server};

use super::{check_as, objects};
use crate::harness::{clone, database, options};

#[tokio::test]
async fn what_the_role_may_not_read() {
    for major in [Major::OLDEST, Major::V14, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        let from = Database::new(server, "from").unwrap();
        let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
        let role = Role::create(server, "reader", "").unwrap();
        from.execute(format!(
            "create table open (a int); create table shut (a int); create sequence shut_seq;
             create schema closed; create table closed.t (a int);
             create table ruled (a int); alter table ruled enable row level security;
             create table own (a int); alter table own enable row level security;
             create table forced (a int); alter table forced enable row level security;
             alter table forced force row level security;
             grant select on open, ruled, closed.t to \"{0}\";
             alter table own owner to \"{0}\"; alter table forced owner to \"{0}\";
             grant create on schema public to \"{0}\";
             select lo_create(4711), lo_create(4712); grant select on large object 4712 to public;",
            role.name
        ))
        .await
        .unwrap();
        let intent = Intent { owners: Carry::Not, privileges: Carry::Not, ..Intent::default() };
        let findings = check_as(&from.url_as(&role), &to.url(), &intent).await;
        assert_eq!(
            objects(&findings, "unreadable"),
            ["closed.t", "public.shut", "public.shut_seq"],
            "{major}"
        );
        assert_eq!(objects(&findings, "row_security"), ["public.forced", "public.ruled"]);
        let hidden = findings.iter().find(|f| f.code == "large_objects_unreadable").unwrap();
        assert!(hidden.message.contains("1 of 2"), "{hidden:?}");
        let superuser = check_as(&from.url(), &to.url(), &intent).await;
        for code in ["unreadable", "row_security", "large_objects_unreadable"] {
            assert!(objects(&superuser, code).is_empty(), "{code}");
        }
    }
}

#[tokio::test]
async fn roles_that_are_missing_or_not_ours_to_give() {
    for target in [Major::V14, Major::NEWEST] {
        let source = Server::shared(Major::V13).unwrap();
        let server = Server::shared(target).unwrap();
        let from = Database::new(source, "from").unwrap();
        let admin = Role::create(server, "admin", "createrole createdb").unwrap();
        let to =
            pghaul_testbed::CreateOptions { owner: Some(admin.name.clone()), ..Default::default() };
        let to = Database::create(server, "to", &to).unwrap();
        let names = ["missing", "foreign", "ours", "grantee"].map(|hint| source.unique_name(hint));
        let [missing, foreign, ours, grantee] = &names;
        for name in &names {
            source.execute(format!("create role \"{name}\"")).await.unwrap();
        }
        server.execute(format!("create role \"{foreign}\"")).await.unwrap();
        server
            .execute(format!("create role \"{ours}\"; grant \"{ours}\" to \"{}\"", admin.name))
            .await
            .unwrap();
        from.execute(format!(
            "create table a (a int); alter table a owner to \"{missing}\";
             create function f() returns int language sql as 'select 1';
             alter function f() owner to \"{foreign}\";
             create schema s authorization \"{ours}\";
             create table b (a int); grant select on b to \"{grantee}\";
             alter table b owner to \"{ours}\";
             create extension hstore;"
        ))
        .await
        .unwrap();
        let intent = Intent::default();
        let findings = check_as(&from.url(), &to.url_as(&admin), &intent).await;
        assert_eq!(objects(&findings, "role_missing"), [missing.as_str()], "{target}");
        assert_eq!(objects(&findings, "role_not_givable"), [foreign.as_str()], "{target}");
        assert_eq!(objects(&findings, "grantee_missing"), [grantee.as_str()], "{target}");
        let intent = Intent { owners: Carry::Not, privileges: Carry::Not, ..intent };
        let findings = check_as(&from.url(), &to.url_as(&admin), &intent).await;
        for code in ["role_missing", "role_not_givable", "grantee_missing"] {
            assert!(objects(&findings, code).is_empty(), "{code}");
        }
    }
}

#[tokio::test]
async fn owners_by_the_bootstrap_superuser_count_too() {
    let source = Server::shared(Major::V13).unwrap();
    let server = Server::shared(Major::NEWEST).unwrap();
    let from = Database::new(source, "from").unwrap();
    from.execute("create table t (a int)").await.unwrap();
    let admin = Role::create(server, "admin", "").unwrap();
    let to = Database::new(server, "to").unwrap();
    let findings = check_as(&from.url(), &to.url_as(&admin), &Intent::default()).await;
    assert_eq!(objects(&findings, "role_not_givable"), ["postgres"]);
    let name = format!("\"{}\"", to.name()).replace('"', "");
    assert_eq!(objects(&findings, "target_rights"), [name]);
}

#[tokio::test]
async fn what_only_superusers_create() {
    let source = Server::shared(Major::V14).unwrap();
    let from = Database::new(source, "from").unwrap();
    let server = Server::start(Major::NEWEST, &Options::new()).unwrap();
    let admin = Role::create(&server, "admin", "createrole").unwrap();
    let options =
        pghaul_testbed::CreateOptions { owner: Some(admin.name.clone()), ..Default::default() };
    let to = Database::create(&server, "to", &options).unwrap();
    from.execute(
        "create extension hstore; create extension postgres_fdw; create extension pg_trgm;
         create function leak(int) returns int language sql leakproof as 'select 1';
         create function et() returns event_trigger language plpgsql as 'begin end';
         create event trigger watch on ddl_command_end execute function et();
         create operator class mine for type int4 using btree as operator 1 <,
             function 1 btint4cmp(int4, int4);
         create cast (int4 as text) with inout as implicit;
         create type span as range (subtype = float8, subtype_diff = float8mi);
         create function logs(int) returns int language sql set log_min_messages = 'debug1'
             as 'select 1';",
    )
    .await
    .unwrap();
    let intent = Intent { owners: Carry::Not, ..Intent::default() };
    let findings = check_as(&from.url(), &to.url_as(&admin), &intent).await;
    assert_eq!(
        objects(&findings, "superuser_object"),
        ["integer as text", "public.leak(integer)", "public.mine", "watch"]
    );
    assert_eq!(objects(&findings, "extension_needs_superuser"), ["postgres_fdw"]);
    assert_eq!(objects(&findings, "function_setting_denied"), ["public.logs(integer)"]);
    let by_superuser = check_as(&from.url(), &to.url(), &intent).await;
    for code in ["superuser_object", "extension_needs_superuser", "function_setting_denied"] {
        assert!(objects(&by_superuser, code).is_empty(), "{code}");
    }
    // On a managed service its administrator may be allowed more.
    server.execute("create role rds_superuser").await.unwrap();
    let managed = check_as(&from.url(), &to.url_as(&admin), &intent).await;
    assert_eq!(objects(&managed, "managed_service").len(), 1);
    assert_eq!(objects(&managed, "superuser_object_managed").len(), 4);
    assert_eq!(objects(&managed, "extension_needs_superuser_managed"), ["postgres_fdw"]);
    assert!(objects(&managed, "superuser_object").is_empty());
}

/// What does not come along with the tables asked for refuses nobody; what they need does.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_superusers_create_and_no_table_asked_for_needs() {
    let from = database(Major::V14, "from");
    let server = Server::shared(Major::NEWEST).unwrap();
    // Of a name that no role of the source's server has.
    let admin = Role::create(server, "admin_of_both", "").unwrap();
    let owned =
        pghaul_testbed::CreateOptions { owner: Some(admin.name.clone()), ..Default::default() };
    from.execute(
        "create function et() returns event_trigger language plpgsql as 'begin end';
         create event trigger watch on ddl_command_end execute function et();
         create function below(cstring) returns text language internal immutable as 'textin';
         create operator class mine for type int4 using btree as operator 1 <,
             function 1 btint4cmp(int4, int4);
         create table free (a int); insert into free values (1);
         create table needy (a int); create index on needy (a mine)",
    )
    .await
    .unwrap();
    // Looking ahead, nobody knows what is needed, so nothing of it is a reason to say no.
    let to = Database::create(server, "to", &owned).unwrap();
    let free = |name: &pghaul::name::RelationName| name.to_string() == "public.free";
    let intent = Intent { others: Carry::Not, wanted: &free, ..Intent::default() };
    let found = check_as(&from.url(), &to.url_as(&admin), &intent).await;
    assert!(!objects(&found, "superuser_object").is_empty());
    let blockers = found.iter().filter(|one| one.severity == pghaul::Severity::Blocker);
    let codes: Vec<&str> = blockers.map(|one| one.code).collect();
    // Its owner is the source's superuser.
    assert_eq!(codes, ["role_not_givable"]);
    from.execute(format!("create role {0}; alter table free owner to {0}", admin.name))
        .await
        .unwrap();
    let found = check_as(&from.url(), &to.url_as(&admin), &intent).await;
    assert!(found.iter().all(|one| one.severity < pghaul::Severity::Blocker), "{found:?}");
    for (table, refused) in [("public.free", false), ("public.needy", true)] {
        let to = Database::create(server, "to", &owned).unwrap();
        let options =
            CloneOptions { include: vec![table.into()], owners: Keep::LeaveOut, ..options() };
        let ended = clone(&from.url(), &to.url_as(&admin), options).await;
        match ended {
            Ok(outcome) => assert!(!refused, "{table}: {:?}", outcome.findings),
            Err(error) => {
                assert!(refused, "{table}: {error:?} {:?}", error.findings());
                assert_eq!(error.kind(), ErrorKind::Preflight, "{error:?}");
                let named = objects(error.findings(), "superuser_object");
                assert!(named.iter().all(|name| *name == "public.mine"), "{error:?}");
                assert!(!named.is_empty(), "{error:?}");
                let made = "select count(*) from pg_class where relname = 'needy'";
                assert_eq!(to.value(made).await.unwrap().as_deref(), Some("0"));
            }
        }
    }
}

#[tokio::test]
async fn hidden_user_mappings_and_default_privileges() {
    let source = Server::shared(Major::V15).unwrap();
    let from = Database::new(source, "from").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    let role = Role::create(source, "plain", "").unwrap();
    from.execute(
        "create extension postgres_fdw;
         create server far foreign data wrapper postgres_fdw options (host 'x');
         create user mapping for postgres server far options (user 'u', password 'hunter2');",
    )
    .await
    .unwrap();
    to.execute("alter default privileges grant select on tables to public").await.unwrap();
    let intent = Intent { owners: Carry::Not, privileges: Carry::Not, ..Intent::default() };
    let findings = check_as(&from.url_as(&role), &to.url(), &intent).await;
    assert_eq!(objects(&findings, "user_mapping_hidden"), ["postgres"]);
    assert_eq!(objects(&findings, "default_privileges_on_target"), ["postgres"]);
    assert!(!format!("{findings:?}").contains("hunter2"));
}
