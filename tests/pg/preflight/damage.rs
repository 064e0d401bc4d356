//! What is wrong with a source already.

use pghaul_testbed::{Database, Major, Options, Server};

use super::{check, objects};

#[tokio::test]
async fn invalid_indexes() {
    for major in [Major::OLDEST, Major::NEWEST] {
        let from = Database::new(Server::shared(major).unwrap(), "from").unwrap();
        let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
        from.execute("create table t (a int); insert into t values (1), (1)").await.unwrap();
        let failed = from.execute("create unique index concurrently bad on t (a)").await;
        assert!(failed.is_err());
        let findings = check(&from, &to).await;
        assert_eq!(objects(&findings, "invalid_index"), ["public.t"], "{major}");
    }
}

#[tokio::test]
async fn collations_whose_recorded_version_is_another() {
    let from = Database::new(Server::shared(Major::V14).unwrap(), "from").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    from.execute(
        "create collation moved (provider = icu, locale = 'de');
         update pg_collation set collversion = '1.2' where collname = 'moved'",
    )
    .await
    .unwrap();
    assert_eq!(objects(&check(&from, &to).await, "collation_changed"), ["public.moved"]);

    let from = Database::new(Server::shared(Major::V15).unwrap(), "from").unwrap();
    assert!(objects(&check(&from, &to).await, "collation_changed").is_empty());
}

#[tokio::test]
async fn transactions_that_are_prepared() {
    let server = Server::shared(Major::V12).unwrap();
    let from = Database::new(server, "from").unwrap();
    let other = Database::new(server, "other").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    from.execute("create table t (a int)").await.unwrap();
    from.execute("begin; insert into t values (1); prepare transaction 'half'").await.unwrap();
    let findings = check(&from, &to).await;
    assert_eq!(objects(&findings, "prepared_transaction"), ["'half'"]);
    let elsewhere = check(&other, &to).await;
    assert!(objects(&elsewhere, "prepared_transaction").is_empty(), "another database's");
    let live = pghaul::preflight::Intent {
        writers: pghaul::preflight::Writers::Expected,
        ..Default::default()
    };
    let live = super::check_as(&from.url(), &to.url(), &live).await;
    let live = live.iter().find(|finding| finding.code == "prepared_transaction").unwrap();
    assert_eq!(live.severity, pghaul::finding::Severity::Warning);
    from.execute("rollback prepared 'half'").await.unwrap();
}

#[tokio::test]
async fn settings_that_hide_damage_or_cut_snapshots() {
    let options = Options::new()
        .set("zero_damaged_pages", "on")
        .set("old_snapshot_threshold", "60")
        .set("track_counts", "off")
        .set("autovacuum", "off")
        .set("statement_timeout", "5min");
    let server = Server::start(Major::V14, &options).unwrap();
    let from = Database::new(&server, "from").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    let role = pghaul_testbed::Role::create(&server, "plain", "").unwrap();
    let intent = pghaul::preflight::Intent::default();
    let findings = super::check_as(&from.url_as(&role), &to.url(), &intent).await;
    assert_eq!(objects(&findings, "damage_hidden"), ["zero_damaged_pages"]);
    assert_eq!(objects(&findings, "old_snapshot_threshold").len(), 1);
    assert_eq!(objects(&findings, "writes_not_counted").len(), 1);
    assert_eq!(objects(&findings, "timeouts_lifted").len(), 1);
    let findings = check(&from, &to).await;
    assert!(objects(&findings, "damage_hidden").is_empty(), "a superuser turns it off");
}

#[tokio::test]
async fn other_people() {
    let server = Server::shared(Major::V13).unwrap();
    let from = Database::new(server, "from").unwrap();
    let to = Database::new(Server::shared(Major::NEWEST).unwrap(), "to").unwrap();
    assert!(objects(&check(&from, &to).await, "other_sessions").is_empty());
    let other = from.connect().await.unwrap();
    other.execute("set application_name = 'sidekiq'; begin; select 1").await.unwrap();
    for url in
        [from.url(), from.url_as(&pghaul_testbed::Role::create(server, "plain", "").unwrap())]
    {
        let intent = pghaul::preflight::Intent::default();
        let findings = super::check_as(&url, &to.url(), &intent).await;
        assert_eq!(objects(&findings, "other_sessions"), ["sidekiq"], "{url}");
    }
}
