//! An archive as one stream: whole, or exit 21 and an unfinished run.

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use pghaul::ErrorKind;
use pghaul::connect::{Endpoint, Side};
use pghaul::dump::{Destination, dump};
use pghaul::event::Counters;
use pghaul::restore::restore_stream;
use pghaul::run::options::Start;
use pghaul::run::{CloneOptions, Outcome, Stop};
use pghaul_archive::stream;
use pghaul_testbed::{Database, Major};

use super::harness::dump_options;
use crate::harness::{TABLES, database, fill, recount};

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn dumped(source: &Database<'_>) -> Vec<u8> {
    let output = Shared::default();
    let endpoint = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
    let to = Destination::Stream(Box::new(output.clone()));
    let outcome = dump(endpoint, to, dump_options(), company).await.unwrap();
    assert!(outcome.archive.is_some());
    std::mem::take(&mut *output.0.lock().unwrap())
}

async fn restored(
    bytes: Vec<u8>,
    target: &Database<'_>,
    start: Start,
) -> Result<Outcome, pghaul::Error> {
    let endpoint = Endpoint::parse(Side::Target, &target.url()).unwrap();
    let company = (Arc::new(()) as _, Arc::new(Counters::default()), Stop::default());
    let options = CloneOptions { start, ..CloneOptions::default() };
    restore_stream(Cursor::new(bytes), endpoint, options, company).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_arrives() {
    let source = database(Major::V14, "stream");
    fill(&source).await;
    let bytes = dumped(&source).await;
    stream::check(&bytes[..]).unwrap();
    let target = database(Major::V18, "stream_dst");
    let outcome = restored(bytes, &target, Start::New).await.unwrap();
    assert_eq!(outcome.tables.len(), TABLES);
    assert!(outcome.tables.iter().all(|table| table.verified), "{:?}", outcome.findings);
    assert_eq!(recount(&source).await, recount(&target).await);
    let phase = target.value("select phase from pghaul.run").await.unwrap();
    assert_eq!(phase.as_deref(), Some("complete"));
}

/// Cut anywhere, or with a byte changed anywhere: exit code 21, the run unfinished, and what was
/// loaded is what was dumped.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_or_damaged_is_never_taken_for_whole() {
    let source = database(Major::V18, "cut");
    fill(&source).await;
    let bytes = dumped(&source).await;
    let length = bytes.len();
    let target = database(Major::V18, "cut_dst");
    let spread = (1..10).map(|tenth| length * tenth / 10);
    let cuts: Vec<usize> =
        spread.chain([0, 100, length - 1, length - 600, length - 1024]).collect();
    for at in cuts {
        for damage in ["cut", "changed"] {
            let mut damaged = bytes.clone();
            match damage {
                "cut" => damaged.truncate(at),
                _ => damaged[at] ^= 0x20,
            }
            let error = restored(damaged, &target, Start::Restart).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Archive, "{damage} at {at}: {error:?}");
            nothing_wrong_loaded(&source, &target).await;
        }
    }
    // And after all that the whole one arrives.
    restored(bytes, &target, Start::Restart).await.unwrap();
    assert_eq!(recount(&source).await, recount(&target).await);
}

async fn nothing_wrong_loaded(source: &Database<'_>, target: &Database<'_>) {
    let begun = target.value("select to_regclass('pghaul.run') is not null").await.unwrap();
    if begun.as_deref() != Some("t") {
        return;
    }
    let finished = target.value("select finished is not null from pghaul.run").await.unwrap();
    assert_eq!(finished.as_deref(), Some("f"));
    for table in 1..=TABLES {
        let rows = format!("select t::text from t{table} t");
        let found = target.query_text(rows.clone()).await.unwrap();
        let there = source.query_text(rows).await.unwrap();
        assert!(found.iter().all(|row| there.contains(row)), "t{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_does_not_resume() {
    let target = database(Major::V18, "no_resume");
    let error = restored(Vec::new(), &target, Start::Resume).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

/// Somebody has removed one of the large objects: beginning again removes the others all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_again_where_a_large_object_is_gone() {
    let source = database(Major::V14, "objects_src");
    source
        .execute("select lo_from_bytea(g, 'abc') from generate_series(50001, 50003) g")
        .await
        .unwrap();
    let bytes = dumped(&source).await;
    let target = database(Major::V18, "objects_dst");
    restored(bytes.clone(), &target, Start::New).await.unwrap();
    target.value("select lo_unlink(50002)").await.unwrap();
    restored(bytes, &target, Start::Restart).await.unwrap();
    let there = "select string_agg(oid || ' ' || encode(lo_get(oid), 'escape'), ', ' order by oid) \
                 from pg_largeobject_metadata";
    assert_eq!(
        target.value(there).await.unwrap().as_deref(),
        Some("50001 abc, 50002 abc, 50003 abc")
    );
}
