//! Nothing is found between copies: of every type and kind of object, of a Mastodon-shaped
//! database, by a role that is no superuser, whatever the majors.

use pghaul::verify::VerifyOptions;
use pghaul::verify::options::DigestOn;
use pghaul_testbed::every_type::{self, Families};
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major, Role, Server};

use super::{Compared, make_hostile, options, rows_only, verify};
use crate::harness::{clone, database, in_time};

/// Compares every type, cloned, in both directions and with digests of both kinds; gives what the
/// client and the servers said.
async fn every_type(from: Major, to: Major) -> (Compared, Compared) {
    let source = database(from, "equal_src");
    let target = database(to, "equal_dst");
    every_type::load(&source, &Families::default()).await.unwrap();
    every_type::create_roles(Server::shared(to).unwrap()).await.unwrap();
    clone(&source.url(), &target.url(), crate::harness::options()).await.unwrap();
    make_hostile(&source, 0).await;
    make_hostile(&target, 2).await;
    let options = VerifyOptions { part_size: Some(64 << 10), ..options() };
    let compared = verify(&source.url(), &target.url(), options.clone()).await.unwrap();
    compared.assert_equal();
    assert!(compared.outcome.tables.len() > 30);
    // The newer one may stand on the left as well.
    let back = verify(&target.url(), &source.url(), options.clone()).await.unwrap();
    back.assert_equal();
    let servers = VerifyOptions { digest_on: DigestOn::Server, ..rows_only() };
    let by_servers = verify(&source.url(), &target.url(), servers).await.unwrap();
    by_servers.assert_equal();
    (compared, by_servers)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_between_9_6_and_18() {
    let (_, by_servers) = every_type(Major::V9_6, Major::V18).await;
    // 9.6 has no SHA-256.
    let kind = |table: &str| by_servers.table(table).digest_kind.unwrap().name();
    assert!(
        by_servers.outcome.tables.iter().any(|one| one.digest_kind.unwrap().name() == "md5-binary")
    );
    assert!(
        by_servers.outcome.tables.iter().any(|one| one.digest_kind.unwrap().name() == "md5-text")
    );
    let _ = kind;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_between_14_and_18_and_servers_make_the_digests_of_clients() {
    let (by_client, by_servers) = every_type(Major::V14, Major::V18).await;
    let undigested: Vec<_> =
        by_servers.notes().into_iter().filter(|(code, _)| *code == "digested_by_client").collect();
    for table in &by_client.outcome.tables {
        let other = by_servers.table(&table.name.to_string());
        let of_client = undigested.iter().any(|(_, object)| *object == table.name.to_string());
        // A server does not make NaN canonical where it cannot see it.
        let nan = ["float", "geometr", "nan", "cube", "point"];
        let name = table.name.to_string();
        if table.source.lanes != other.source.lanes {
            assert!(
                table.kind == pghaul::verify::pairs::PairKind::MaterializedViews
                    || nan.iter().any(|one| name.contains(one)),
                "{name}: {} {} by the client? {of_client}",
                table.digest_kind.unwrap(),
                other.digest_kind.unwrap()
            );
        }
        assert_eq!(table.digest_kind, other.digest_kind);
    }
    // Few types are beyond what a server can say.
    assert!(undigested.len() < by_client.outcome.tables.len() / 4, "{undigested:?}");
}

async fn mastodon(from: Major, to: Major) -> (Database<'static>, Database<'static>) {
    let source = database(from, "mastodon_src");
    let target = database(to, "mastodon_dst");
    let shape = Shape { version: Version::V4_2_0, statuses: 3000, seed: 1 };
    mastodon::create(&source, shape).await.unwrap();
    clone(&source.url(), &target.url(), crate::harness::options()).await.unwrap();
    (source, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mastodon_between_9_6_and_18() {
    let (source, target) = mastodon(Major::V9_6, Major::V18).await;
    let compared = verify(&source.url(), &target.url(), options()).await.unwrap();
    assert_eq!(compared.wrong(), [], "{:#?}", compared.outcome.findings);
    assert_eq!(compared.table("public.statuses").source.rows, 3000);
    target
        .execute("update statuses set text = text || '!' where id = (select max(id) from statuses)")
        .await
        .unwrap();
    for digest_on in [DigestOn::Client, DigestOn::Server] {
        let options = VerifyOptions { digest_on, ..options() };
        let compared = verify(&source.url(), &target.url(), options).await.unwrap();
        assert_eq!(compared.wrong(), [("rows_differ", "public.statuses".to_owned())]);
        let columns: Vec<_> =
            compared.rows("public.statuses")[0].columns.iter().map(|one| one.as_str()).collect();
        assert_eq!(columns, ["text"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_superuser_is_needed() {
    let source = database(Major::V14, "plain_src");
    let target = database(Major::V18, "plain_dst");
    let mut urls = Vec::new();
    for database in [&source, &target] {
        let role = Role::create(database.server(), "plain", "").unwrap();
        database
            .execute(format!(
                "create table t (id int primary key, v text);
                 insert into t select g, 'v' || g from generate_series(1, 1000) g;
                 create sequence s; create view w as select * from t;
                 grant select on t, s, w to \"{}\"; revoke create on schema public from public;
                 grant usage on schema public to public",
                role.name
            ))
            .await
            .unwrap();
        urls.push(database.url_as(&role));
    }
    let options = || VerifyOptions {
        privileges: pghaul::schema::compare::Compared::No,
        owners: pghaul::schema::compare::Compared::No,
        ..options()
    };
    let compared = verify(&urls[0], &urls[1], options()).await.unwrap();
    compared.assert_equal();
    target.execute("update t set v = 'x' where id = 7").await.unwrap();
    let compared = verify(&urls[0], &urls[1], options()).await.unwrap();
    assert_eq!(compared.named("public.t"), ["Changed 7 v"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_may_lie_elsewhere() {
    let tables = "(id int, at date, v text)";
    let rows = "insert into p select g, '2020-01-01'::date + g % 700, 'v' || g from generate_series(1, 2000) g";
    let by_year = format!(
        "create table p {tables} partition by range (at);
         create table p_2020 partition of p for values from ('2020-01-01') to ('2021-01-01');
         create table p_2021 partition of p for values from ('2021-01-01') to ('2022-01-01'); {rows}"
    );
    let by_hash = format!(
        "create table p {tables} partition by list ((id % 3));
         create table p_0 partition of p for values in (0);
         create table p_1 (v text, at date, id int); alter table p attach partition p_1 for values in (1);
         create table p_2 partition of p for values in (2); {rows}"
    );
    let plain = format!("create table p {tables}; {rows}");
    let source = database(Major::V14, "parts_src");
    source.execute(by_year).await.unwrap();
    for (at, sql) in [by_hash, plain].into_iter().enumerate() {
        let target = database(Major::V18, "parts_dst");
        target.execute(sql).await.unwrap();
        for digest_on in [DigestOn::Client, DigestOn::Server] {
            let options = || VerifyOptions { digest_on, ..rows_only() };
            let compared = verify(&source.url(), &target.url(), options()).await.unwrap();
            compared.assert_equal();
            assert_eq!(compared.outcome.tables.len(), 1);
            assert_eq!(compared.table("public.p").source.rows, 2000);
        }
        target.execute("delete from p where id = 1500").await.unwrap();
        let compared = verify(&source.url(), &target.url(), rows_only()).await.unwrap();
        let rows = compared.rows("public.p");
        assert_eq!(rows.len(), 1, "{at}");
        assert_eq!(rows[0].source_relation.as_ref().unwrap().to_string(), "public.p_2020");
    }
}

/// Somebody has a table for himself that was not asked for: it is neither measured nor waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_left_out_may_be_locked() {
    let sql = "create table wanted as select 1 as id; create table held (id int)";
    let (source, target) = (database(Major::V14, "held_src"), database(Major::V18, "held_dst"));
    source.execute(sql).await.unwrap();
    target.execute(sql).await.unwrap();
    let (here, there) = (source.connect().await.unwrap(), target.connect().await.unwrap());
    here.execute("begin; lock table held").await.unwrap();
    there.execute("begin; lock table held").await.unwrap();
    let without = VerifyOptions { exclude: vec!["public.held".to_owned()], ..rows_only() };
    let (from, to) = (source.url(), target.url());
    let compared = in_time(Box::pin(verify(&from, &to, without))).await.unwrap();
    assert_eq!(compared.outcome.tables.len(), 1);
    compared.assert_equal();
}
