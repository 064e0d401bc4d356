//! How tables are cut: parts of about the same size, pieces that are not too large to lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Stop};
use pghaul::transfer::PIECE_BYTES;
use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major};

use crate::harness::{OnEvent, clone, database, options, prepare};

/// Bytes of each receipt of a table, in the order of the heap, with their part.
async fn receipts(target: &Database<'_>, table: &str) -> Vec<(u64, u64)> {
    let sql = format!(
        "select p.id, r.bytes from pghaul.receipt r join pghaul.part p on p.id = r.part \
         join pghaul.relation t on t.id = p.relation where t.table_name = '{table}' \
         order by p.id, r.block, r.line"
    );
    let rows = target.query_text(sql).await.unwrap();
    let number = |text: &Option<String>| text.as_deref().unwrap().parse().unwrap();
    rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_balanced_though_small_and_snowflake_ids_are_mixed() {
    let source = database(Major::V14, "balance_src");
    let target = database(Major::V18, "balance_dst");
    let shape = Shape { version: Version::V4_2_0, statuses: 20_000, seed: 5 };
    mastodon::create(&source, shape).await.unwrap();
    // The size has to be the same for the run: what a vacuum adds to it is there already.
    source.execute("vacuum statuses").await.unwrap();
    let size = source.value("select pg_table_size('statuses')").await.unwrap().unwrap();
    let options = CloneOptions {
        part_size: Some(size.parse::<u64>().unwrap().div_ceil(8)),
        include: vec!["public.statuses".to_owned()],
        ..options()
    };
    clone(&source.url(), &target.url(), options).await.unwrap();
    let parts = receipts(&target, "statuses").await;
    assert_eq!(parts.len(), 8);
    let average = parts.iter().map(|(_, bytes)| bytes).sum::<u64>() / 8;
    let largest = parts.iter().map(|(_, bytes)| *bytes).max().unwrap();
    assert!(largest * 2 <= average * 3, "{largest} of {average}: {parts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_holds_at_most_128_mib_or_one_row() {
    let source = database(Major::V9_6, "pieces_src");
    let target = database(Major::V18, "pieces_dst");
    // 280 MiB in small rows, then one row above the bound and a small one.
    source
        .execute(
            "create table t (id int, v text); alter table t alter v set storage external; \
             insert into t select g, repeat('x', 1 << 20) from generate_series(1, 280) g; \
             insert into t select 281, repeat('y', 140 << 20); insert into t values (282, 'z')",
        )
        .await
        .unwrap();
    clone(&source.url(), &target.url(), options()).await.unwrap();
    let pieces: Vec<u64> =
        receipts(&target, "t").await.into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(pieces.len(), 5, "{pieces:?}");
    let above: Vec<_> = pieces.iter().filter(|bytes| **bytes > PIECE_BYTES).collect();
    assert_eq!(above.len(), 1, "{pieces:?}");
    let rows = target.value("select count(*) || ' ' || sum(length(v)) from t").await.unwrap();
    assert_eq!(rows.as_deref(), Some(format!("282 {}", (420 << 20) + 1).as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn autovacuum_stays_away_while_a_large_table_is_copied() {
    let source = database(Major::V14, "vacuum_src");
    let target = database(Major::V18, "vacuum_dst");
    source
        .execute(
            "create table t (id int primary key, v text); \
             insert into t select g, repeat(md5(g::text), 10) from generate_series(1, 5000) g; \
             create index on t (v)",
        )
        .await
        .unwrap();
    // What autovacuum asks for, and gives up on.
    let held = "select count(*) from pg_locks l join pg_stat_activity a on a.pid = l.pid \
                where l.mode = 'ShareUpdateExclusiveLock' and l.relation = 't'::regclass \
                and l.granted and a.application_name like '%keeps autovacuum away'";
    let server = target.server();
    let (name, seen) = (target.name().to_owned(), Arc::new([const { AtomicU64::new(0) }; 3]));
    let counts = Arc::clone(&seen);
    let observer = OnEvent(move |event: &Event<'_>| {
        let at = match event {
            Event::PieceCommitted { .. } => 0,
            // An index build would wait for it.
            Event::StepStarted { kind: "INDEX", .. } => 1,
            _ => return,
        };
        let session = server.connect(&name).wait().unwrap();
        let count = session.value(held).wait().unwrap().unwrap().parse().unwrap();
        counts[at].fetch_max(count, Ordering::SeqCst);
        counts[2].fetch_add(u64::from(at == 1), Ordering::SeqCst);
    });
    let options = CloneOptions { part_size: Some(500_000), ..options() };
    let prepared = prepare(&source.url(), &target.url(), options).await.unwrap();
    assert!(prepared.plan().parts.len() > 2);
    let outcome = prepared
        .run(Arc::new(observer), Arc::new(Counters::default()), Stop::default())
        .await
        .unwrap();
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    let [while_copying, afterwards, indexes] = &*seen;
    assert_eq!(while_copying.load(Ordering::SeqCst), 1);
    assert_eq!(afterwards.load(Ordering::SeqCst), 0);
    assert!(indexes.load(Ordering::SeqCst) > 0);
}
