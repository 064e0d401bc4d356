//! Servers as a whole: locales, budgets, modules, and whether they are two.

use pghaul::connect::{Purpose, Side};
use pghaul::error::ErrorKind;
use pghaul::finding::{Finding, Severity};
use pghaul::preflight::{self, Intent};
use pghaul_testbed::{CreateOptions, Database, Major, Options, Role, Server};

use super::{check, check_as, checked, objects, session};

#[tokio::test]
async fn every_query_runs_for_every_role_on_every_major() {
    for source in Major::ALL {
        for target in [source, Major::NEWEST] {
            let (from_server, to_server) =
                (Server::shared(source).unwrap(), Server::shared(target).unwrap());
            let from = Database::new(from_server, "from").unwrap();
            let to = Database::new(to_server, "to").unwrap();
            from.execute("create table t (a text, x xml, m money, o regclass)").await.unwrap();
            let reader = Role::create(from_server, "reader", "").unwrap();
            let writer = Role::create(to_server, "writer", "").unwrap();
            let intent = Intent::default();
            for (from, to) in [(from.url(), to.url()), (from.url_as(&reader), to.url_as(&writer))] {
                let findings = check_as(&from, &to, &intent).await;
                assert!(findings.is_sorted_by_key(|f| std::cmp::Reverse(f.severity)));
                assert_eq!(objects(&findings, "type_reference"), ["public.t"]);
            }
            let alone = session(Side::Source, &from.url_as(&reader), Purpose::Catalog).await;
            let findings = preflight::check(&alone, None, &intent).await.unwrap();
            assert_eq!(objects(&findings, "unreadable"), ["public.t"]);
        }
    }
}

#[tokio::test]
async fn the_same_database_by_two_names() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let server = Server::shared(major).unwrap();
        let base = Database::new(server, "same").unwrap();
        let other = Database::new(server, "other").unwrap();
        let socket = format!(
            "host={} port={} user=postgres dbname={}",
            server.socket_dir().display(),
            server.port(),
            base.name()
        );
        let one = session(Side::Source, &base.url(), Purpose::Catalog).await;
        let two = session(Side::Target, &socket, Purpose::Schema).await;
        let error = preflight::check(&one, Some(&two), &Intent::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let three = session(Side::Target, &other.url(), Purpose::Schema).await;
        assert!(!preflight::is_same_database(&one, &three).await.unwrap());
        assert!(preflight::is_same_database(&two, &one).await.unwrap());
    }
}

#[tokio::test]
async fn locales_and_encodings() {
    let target = Server::shared(Major::NEWEST).unwrap();
    let to = Database::new(target, "to").unwrap();
    let make = |server: &'static Server, encoding: &str, locale: &str| {
        let options = CreateOptions {
            encoding: Some(encoding.to_owned()),
            locale: Some(locale.to_owned()),
            ..CreateOptions::default()
        };
        Database::create(server, "locale", &options).unwrap()
    };
    for major in [Major::OLDEST, Major::V16] {
        let server = Server::shared(major).unwrap();
        let english = make(server, "UTF8", "en_US.UTF-8");
        let findings = check(&english, &to).await;
        let found = findings.iter().find(|f| f.code == "locale_differs").unwrap();
        assert_eq!(
            found.message,
            "the source's locale is en_US.UTF-8 (libc), the target's C (libc)"
        );
        let same = make(target, "UTF8", "en_US.utf8");
        assert!(objects(&check(&english, &same).await, "locale_differs").is_empty());
        let ascii = make(server, "SQL_ASCII", "C");
        assert_eq!(objects(&check(&ascii, &to).await, "sql_ascii").len(), 1);
        let latin = make(target, "LATIN1", "C");
        let utf8 = make(server, "UTF8", "C");
        assert_eq!(objects(&check(&utf8, &latin).await, "encoding_differs").len(), 1);
        assert!(
            objects(&check(&make(server, "LATIN1", "C"), &to).await, "encoding_differs").is_empty()
        );
    }
}

#[tokio::test]
async fn locales_of_other_providers() {
    let make = |major: Major, more: &str| {
        let options = CreateOptions {
            encoding: Some("UTF8".to_owned()),
            template: Some("template0".to_owned()),
            more: Some(more.to_owned()),
            ..CreateOptions::default()
        };
        Database::create(Server::shared(major).unwrap(), "provider", &options).unwrap()
    };
    let libc = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    let old = Database::new(Server::shared(Major::V14).unwrap(), "to").unwrap();
    let differs = |findings: &[Finding]| {
        let found = findings.iter().find(|found| found.code == "locale_differs")?;
        assert!(found.remedy.contains("create the target database with the source's locale"));
        Some(found.message.clone())
    };
    let german = make(Major::V15, "locale_provider icu icu_locale 'de'");
    let is = |source: &str, target: &str| {
        Some(format!("the source's locale is {source}, the target's {target}"))
    };
    assert_eq!(differs(&check(&german, &libc).await), is("de (icu)", "C (libc)"));
    let same = make(Major::NEWEST, "locale_provider icu icu_locale 'de'");
    assert_eq!(differs(&check(&german, &same).await), None);
    let swiss = make(Major::NEWEST, "locale_provider icu icu_locale 'de-CH'");
    assert_eq!(differs(&check(&german, &swiss).await), is("de (icu)", "de-CH (icu)"));
    let builtin = make(Major::V17, "locale_provider builtin builtin_locale 'C.UTF-8'");
    assert_eq!(differs(&check(&builtin, &libc).await), is("C.UTF-8 (builtin)", "C (libc)"));
    assert_eq!(differs(&check(&builtin, &old).await), is("C.UTF-8 (builtin)", "C (libc)"));
    let kept = make(Major::NEWEST, "locale_provider builtin builtin_locale 'C.UTF-8'");
    assert_eq!(differs(&check(&builtin, &kept).await), None);
}

#[tokio::test]
async fn collations_of_providers_that_the_target_lacks() {
    let from = Database::new(Server::shared(Major::V17).unwrap(), "from").unwrap();
    from.execute(
        "create collation german (provider = icu, locale = 'de');
         create collation plain (provider = builtin, locale = 'C.UTF-8');
         create table t (a text collate german, b text collate plain, c text collate \"de-x-icu\")",
    )
    .await
    .unwrap();
    let to = Database::new(Server::shared(Major::V16).unwrap(), "to").unwrap();
    let missing = |findings: &[Finding]| {
        let found = findings.iter().filter(|found| found.code == "collation_missing");
        let found = found.map(|found| {
            assert!(found.remedy.contains("install the locale"), "{}", found.remedy);
            (found.object.clone().unwrap(), found.message.clone())
        });
        found.collect::<Vec<_>>()
    };
    let builtin = "the target has no builtin collations (17 and newer)".to_owned();
    let plain = ("public.plain".to_owned(), builtin);
    assert_eq!(missing(&check(&from, &to).await), std::slice::from_ref(&plain));
    // As a server that was built without ICU has them.
    to.execute("delete from pg_collation where collprovider = 'i'").await.unwrap();
    let without = |name: &str, why: &str| (name.to_owned(), why.to_owned());
    assert_eq!(
        missing(&check(&from, &to).await),
        [
            without("pg_catalog.de-x-icu", "the target has no such collation"),
            without("public.german", "the target is built without ICU"),
            plain
        ]
    );
}

#[tokio::test]
async fn collations_that_the_target_lacks() {
    let findings = checked(
        Major::V12,
        Major::NEWEST,
        "create collation good (provider = libc, locale = 'C');
         create collation german (provider = icu, locale = 'de');
         create collation gone (provider = libc, locale = 'C');
         update pg_collation set collcollate = 'xx_XX.UTF-8' where collname = 'gone';
         create table t (a text collate good, b text collate german, c text collate gone)",
    )
    .await;
    assert_eq!(objects(&findings, "collation_missing"), ["public.gone"]);
}

#[tokio::test]
async fn extensions_that_the_target_lacks_or_has_in_another_version() {
    let server = Server::shared(Major::V14).unwrap();
    let from = Database::new(server, "from").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    from.execute("create extension hstore version '1.7'; create extension adminpack;")
        .await
        .unwrap();
    let findings = check(&from, &to).await;
    assert_eq!(objects(&findings, "extension_missing"), ["adminpack"]);
    assert_eq!(objects(&findings, "extension_version"), ["hstore"]);
    to.execute("create extension hstore version '1.6'").await.unwrap();
    assert_eq!(objects(&check(&from, &to).await, "extension_older"), ["hstore"]);
}

#[tokio::test]
async fn budgets_of_locks_and_connections() {
    let options =
        Options::new().set("max_locks_per_transaction", "10").set("max_connections", "20");
    let options = options.set("max_prepared_transactions", "0");
    let server = Server::start(Major::V16, &options).unwrap();
    let from = Database::new(&server, "from").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    let make = |count: u32| {
        format!(
            "do $$ begin for i in 1..{count} loop execute 'create table s{count}_' || i || ' (a int)'; \
             end loop; end $$"
        )
    };
    from.execute(make(110)).await.unwrap();
    assert_eq!(objects(&check(&from, &to).await, "lock_table_short").len(), 1);
    from.execute(make(100)).await.unwrap();
    assert_eq!(objects(&check(&from, &to).await, "lock_table_too_small").len(), 1);

    let intent = |source_sessions| Intent { source_sessions, ..Intent::default() };
    let few = check_as(&from.url(), &to.url(), &intent(10)).await;
    assert!(objects(&few, "connection_limit").is_empty());
    assert!(objects(&few, "connections_short").is_empty());
    let many = check_as(&from.url(), &to.url(), &intent(21)).await;
    assert_eq!(objects(&many, "connection_limit").len(), 1);
    let held: Vec<_> = (0..12).map(|_| from.connect().wait().unwrap()).collect();
    let short = check_as(&from.url(), &to.url(), &intent(10)).await;
    assert_eq!(objects(&short, "connections_short").len(), 1);
    drop(held);

    let role = Role::create(&server, "limited", "connection limit 3").unwrap();
    let role = check_as(&from.url_as(&role), &to.url(), &intent(4)).await;
    let limit = role.iter().find(|f| f.code == "connection_limit").unwrap();
    assert!(limit.message.contains("the limit of the role is 3"), "{limit:?}");
}

#[tokio::test]
async fn modules_that_a_target_is_built_without() {
    let findings = checked(Major::V12, Major::NEWEST, "create table t (x xml, y xml[])").await;
    let target = Server::shared(Major::NEWEST).unwrap();
    let has_xml = target.value("select '<a/>'::xml").await.is_ok();
    let expected = if has_xml { 0 } else { 2 };
    assert_eq!(objects(&findings, "xml_unsupported").len(), expected);

    let lz4 =
        "select 'lz4' = any (enumvals) from pg_settings where name = 'default_toast_compression'";
    let source = Server::shared(Major::V14).unwrap();
    if source.value(lz4).await.unwrap().as_deref() == Some("t") {
        let findings =
            checked(Major::V14, Major::NEWEST, "create table t (x text compression lz4)").await;
        let has = target.value(lz4).await.unwrap().as_deref() == Some("t");
        assert_eq!(objects(&findings, "lz4_unsupported").is_empty(), has);
    }
}

#[tokio::test]
async fn older_targets_and_read_only_ones() {
    let findings = checked(Major::V18, Major::V14, "create table t (a int)").await;
    assert_eq!(objects(&findings, "target_older").len(), 1);
    let server = Server::shared(Major::V14).unwrap();
    let from = Database::new(Server::shared(Major::V12).unwrap(), "from").unwrap();
    let to = Database::new(server, "to").unwrap();
    let set = format!("alter database \"{}\" set default_transaction_read_only = on", to.name());
    server.execute(set).await.unwrap();
    let findings = check(&from, &to).await;
    assert_eq!(objects(&findings, "target_read_only").len(), 1);
    assert_eq!(objects(&findings, "target_older").len(), 0);
    assert!(findings.iter().all(|finding| finding.severity < Severity::Blocker), "{findings:#?}");
}

#[tokio::test]
async fn money_means_what_lc_monetary_says() {
    let source =
        Server::start(Major::V12, &Options::new().set("lc_monetary", "en_US.UTF-8")).unwrap();
    let from = Database::new(&source, "from").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    from.execute("create table t (a money)").await.unwrap();
    assert_eq!(objects(&check(&from, &to).await, "money_meaning"), ["public.t"]);
}
