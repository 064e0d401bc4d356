//! A damaged archive: exit code 21, nothing in the target that the source does not have, and no run
//! that says it has finished. Every byte flipped and every length cut, or a share of them: all with
//! `PGHAUL_TEST_FLIPS=all`, else so many as it says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pghaul::ErrorKind;
use pghaul::run::CloneOptions;
use pghaul::run::options::Start;
use pghaul_archive::Folder;
use pghaul_testbed::{Database, Major};

use super::harness::{dump_options, dump_to, restore_from};
use crate::harness::database;

/// Something of every kind of file that a restore reads, and as little of it as will do: rows in
/// binary and as text, large objects.
const SMALL: &str = "
    create table t (id int primary key, v text);
    insert into t select g, md5(g::text) from generate_series(1, 20) g;
    create table f (x float8, r regclass);
    insert into f values (0.1, 't'), (0.2, 't');
    select lo_from_bytea(7, 'content')";

/// The files of an archive.
type Files = BTreeMap<String, Vec<u8>>;

/// Rows and large objects as text, with how often each is there.
type Held = BTreeMap<String, u64>;

/// One damage: a byte of a file flipped, or all from there on cut off.
#[derive(Debug, Clone)]
struct Damage {
    file: String,
    at: usize,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Flipped,
    Cut,
}

impl Damage {
    fn of(&self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        match self.how {
            How::Flipped => bytes[self.at] ^= 1 << (self.at % 8),
            How::Cut => bytes.truncate(self.at),
        }
        bytes
    }
}

/// Every byte and every length of every file that a restore reads.
fn every(files: &Files) -> Vec<Damage> {
    let mut all = Vec::new();
    for (file, bytes) in files {
        for how in [How::Flipped, How::Cut] {
            all.extend((0..bytes.len()).map(|at| Damage { file: file.clone(), at, how }));
        }
    }
    all
}

/// So many of them, the same each time: the ends of each file, and others spread over it.
fn some(files: &Files, wanted: usize) -> Vec<Damage> {
    let each = wanted.div_ceil(2 * files.len()).max(3);
    let mut chosen = Vec::new();
    for (number, (file, bytes)) in files.iter().enumerate() {
        for how in [How::Flipped, How::Cut] {
            let mut places = BTreeSet::from([0, bytes.len() - 1]);
            let mut seed = number as u64 * 2 + u64::from(how == How::Cut);
            while places.len() < each.min(bytes.len()) {
                // Any mixing will do (splitmix64).
                seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                places.insert(usize::try_from((mixed ^ (mixed >> 27)) >> 8).unwrap() % bytes.len());
            }
            chosen.extend(places.into_iter().map(|at| Damage { file: file.clone(), at, how }));
        }
    }
    chosen
}

/// What a database holds.
async fn holds(database: &Database<'_>) -> Held {
    let there = "select coalesce(string_agg(relname, ','), '') from pg_class \
                 where relnamespace = 'public'::regnamespace and relkind = 'r' and relname in ('t', 'f')";
    let there = database.value(there).await.unwrap().unwrap();
    let mut asked: Vec<String> = there
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| format!("select '{name} ' || whole::text from public.{name} whole"))
        .collect();
    asked.push(
        "select oid || ' ' || encode(lo_get(oid), 'hex') from pg_largeobject_metadata".into(),
    );
    let mut found = BTreeMap::new();
    for row in database.query_text(asked.join(" union all ")).await.unwrap() {
        *found.entry(row[0].clone().unwrap()).or_default() += 1;
    }
    found
}

async fn has_finished(database: &Database<'_>) -> bool {
    let there = "select to_regclass('pghaul.run')::text";
    if database.value(there).await.unwrap().is_none() {
        return false;
    }
    let finished = "select count(*) from pghaul.run where finished is not null";
    database.value(finished).await.unwrap().as_deref() != Some("0")
}

fn restart() -> CloneOptions {
    CloneOptions { start: Start::Restart, ..CloneOptions::default() }
}

/// Restores one damaged archive after the other into one database; gives how many of them had
/// brought something there before the damage was noticed.
async fn notice(
    archive: PathBuf,
    damages: Arc<Vec<Damage>>,
    (files, source): (Arc<Files>, Arc<Held>),
    next: Arc<AtomicUsize>,
) -> usize {
    let target = database(Major::V18, "damaged_dst");
    let mut begun = 0;
    while let Some(damage) = damages.get(next.fetch_add(1, Ordering::SeqCst)) {
        let (path, whole) = (archive.join(&damage.file), &files[&damage.file]);
        std::fs::write(&path, damage.of(whole)).unwrap();
        match restore_from(&archive, &target.url(), restart()).await {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Archive, "{damage:?}: {error:?}"),
            Ok(outcome) => panic!("{damage:?} was not noticed: {outcome:?}"),
        }
        let loaded = holds(&target).await;
        for (row, times) in &loaded {
            assert!(source.get(row) >= Some(times), "{damage:?}: {row} {times} times");
        }
        assert!(!has_finished(&target).await, "{damage:?}: the run says it has finished");
        // What is wrong with the documents is known before anything of the run before goes.
        begun += usize::from(!loaded.is_empty() && damage.file.contains('/'));
        std::fs::write(&path, whole).unwrap();
    }
    restore_from(&archive, &target.url(), restart()).await.unwrap();
    assert_eq!(holds(&target).await, *source);
    assert!(has_finished(&target).await);
    begun
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &there);
        } else {
            std::fs::copy(entry.path(), there).unwrap();
        }
    }
}

/// Databases that are restored into at once.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_notices_every_damage() {
    let source = database(Major::V18, "damaged");
    source.execute(SMALL).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    dump_to(&source.url(), &archive, dump_options()).await.unwrap();
    // What is for the hand is checked by `verify`; a restore does not read it.
    let names = Folder::new(&archive).list().unwrap().into_iter();
    let files: Files = names
        .filter(|file| !file.starts_with("by-hand/"))
        .map(|file| (file.clone(), std::fs::read(archive.join(file)).unwrap()))
        .collect();
    let flips = std::env::var("PGHAUL_TEST_FLIPS");
    let damages = match flips.as_deref() {
        Ok("all") => every(&files),
        Ok(number) => some(&files, number.parse().unwrap()),
        Err(_) => some(&files, 80),
    };
    let (damages, files) = (Arc::new(damages), Arc::new(files));
    let (held, next) = (Arc::new(holds(&source).await), Arc::new(AtomicUsize::new(0)));
    assert_eq!(held.len(), 23);
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..AT_ONCE {
        let copy = place.path().join(format!("copy {number}"));
        copy_folder(&archive, &copy);
        let whole = (Arc::clone(&files), Arc::clone(&held));
        workers.spawn(notice(copy, Arc::clone(&damages), whole, Arc::clone(&next)));
    }
    let begun: usize = workers.join_all().await.into_iter().sum();
    let sizes: Vec<String> = files.iter().map(|(file, b)| format!("{file} {}", b.len())).collect();
    println!(
        "{} damages of {}; {begun} after something was loaded",
        damages.len(),
        sizes.join(", ")
    );
    assert!(begun > 0, "all were noticed before anything was loaded");
}
