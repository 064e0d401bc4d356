//! Autovacuum at work all the time: a repair waits for it, goes on, and skips nothing. On one major;
//! on four with `PGHAUL_TEST_MAJORS`.

use pghaul_testbed::damage::Recipe;
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major, Options, Server};

use super::mastodon::equal;
use super::{Paper, clean, digests, majors, plan_mastodon, repair, undo};

#[tokio::test(flavor = "multi_thread")]
async fn autovacuum_does_not_hold_a_repair_up() {
    for major in majors(&[Major::V14]) {
        let options = Options::new()
            .set("autovacuum", "on")
            .set("autovacuum_naptime", "1s")
            .set("autovacuum_max_workers", "4")
            .set("autovacuum_vacuum_threshold", "0")
            .set("autovacuum_vacuum_scale_factor", "0")
            .set("autovacuum_analyze_threshold", "0")
            .set("autovacuum_analyze_scale_factor", "0")
            // So slow that it is still there when a batch wants the table.
            .set("autovacuum_vacuum_cost_delay", "100ms")
            .set("autovacuum_vacuum_cost_limit", "1")
            .set("deadlock_timeout", "100ms");
        let server = Server::start(major, &options).unwrap();
        let database = Database::new(&server, "vacuumed").unwrap();
        let shape = Shape { version: Version::V3_5_3, statuses: 3000, seed: 7 };
        mastodon::create(&database, shape).await.unwrap();
        let session = database.connect().await.unwrap();
        for damage in [
            mastodon::duplicate_statuses(Recipe::DoubleEntries).groups(10),
            mastodon::duplicate_accounts(Recipe::DoubleEntries).groups(5),
        ] {
            damage.plant(&session).await.unwrap();
        }
        let before = digests(&database).await;
        let paper = Paper::new();
        let planned = plan_mastodon(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!(
            (planned.counts.groups - planned.counts.collisions, planned.counts.questions),
            (15, 0)
        );
        let at_work = "select count(*) from pg_stat_activity where query like 'autovacuum: %' and query ~ 'public.(statuses|accounts)$'";
        while session.value(at_work).await.unwrap().as_deref() == Some("0") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let repaired = repair(&database.url(), &paper.plan()).await.unwrap();
        assert_eq!((repaired.skipped, repaired.asked), (0, 0), "{:?}", repaired.findings);
        clean(&database).await;
        undo(&database.url(), true).await.unwrap();
        equal(&before, &digests(&database).await);
        assert!(server.log().contains("canceling autovacuum task"), "it was never in the way");
    }
}
