use std::fs;

use pghaul_rows::TableDigest;

use super::*;
use crate::run::moment::Moment as Instant;
use crate::verify::options::{Depth, DigestOn, Scope, VerifyOptions};
use crate::verify::pairs::PairKind;

fn identity(database: &str) -> DatabaseIdentity {
    DatabaseIdentity {
        system: Some("7".to_owned()),
        database_oid: 5,
        database: database.to_owned(),
        version: 180_000,
    }
}

fn instants(transactions: &str) -> Instants {
    let instant = Instant {
        transactions: transactions.to_owned(),
        timeline: Some(1),
        stats_reset: Some("2026-11-01 00:00:00+00".to_owned()),
        in_recovery: false,
        own_ids: 0,
        follows: true,
    };
    Instants { source: instant.clone(), target: instant }
}

fn asked() -> Asked {
    Asked::of(&VerifyOptions::default())
}

fn meet(path: &Path, asked: Asked) -> Result<(Journal, Known), Error> {
    Journal::open(path)?.meet((&identity("a"), &identity("b")), asked)
}

fn name(table: &str) -> RelationName {
    RelationName::new("public", table)
}

fn part(from: Option<u32>, until: Option<u32>) -> ReadPart {
    let digest = TableDigest { rows: 3, lanes: [1, 2] };
    ReadPart { heap: name("big"), from, until, rows: 3, digest, how: Sha::of(b"how") }
}

fn equal(table: &str) -> VerifiedTable {
    let digest = TableDigest { rows: 9, lanes: [3, u64::MAX] };
    VerifiedTable {
        name: name(table),
        kind: PairKind::Tables,
        source: digest,
        target: digest,
        digest_kind: Some(pghaul_rows::ImageKind::Text),
        bytes: 77,
        equal: true,
        sampled: false,
        key: vec![crate::name::Ident::new("id")],
        named: 0,
        all_named: true,
        recheck: None,
        moment: 1,
    }
}

/// A comparison that was interrupted: one table equal, of another two parts.
fn interrupted(path: &Path) {
    let (journal, known) = meet(path, asked()).unwrap();
    assert!(!known.is_anything());
    let now = instants("7:7:");
    journal.moment(&now).unwrap();
    journal.equal(&equal("done"), Sha::of(b"how")).unwrap();
    journal.part(&name("big"), Side::Source, (&part(None, Some(5)), &now)).unwrap();
    journal.part(&name("big"), Side::Target, (&part(None, None), &now)).unwrap();
    assert_eq!(journal.kept(), Some(path));
}

#[test]
fn what_was_compared_is_found_again() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    interrupted(&path);
    let (journal, mut known) = meet(&path, asked()).unwrap();
    known.go_on_at(instants("7:7:"), false);
    assert_eq!(
        known.tables.values().map(|one| format!("{one:?}")).collect::<Vec<_>>(),
        [format!("{:?}", equal("done"))]
    );
    let parts = |side| known.of(&name("big"), side).cloned().collect::<Vec<_>>();
    assert_eq!(parts(Side::Source), [part(None, Some(5))]);
    assert_eq!(parts(Side::Target), [part(None, None)]);
    drop(journal);
    // Under another moment parts are of no use any more; what is equal was so then.
    let (journal, mut known) = meet(&path, asked()).unwrap();
    known.go_on_at(instants("8:8:"), false);
    assert_eq!((known.tables.len(), known.parts.len(), known.moment()), (1, 0, 2));
    journal.remove().unwrap();
    assert!(!path.exists());
}

#[test]
fn own_transaction_ids_are_remembered() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    let (journal, _) = meet(&path, asked()).unwrap();
    let mut now = instants("7:7:");
    journal.moment(&now).unwrap();
    now.source.own_ids = 2;
    journal.part(&name("big"), Side::Source, (&part(None, Some(5)), &now)).unwrap();
    journal.part(&name("big"), Side::Source, (&part(Some(5), None), &now)).unwrap();
    drop(journal);
    assert_eq!(fs::read_to_string(&path).unwrap().matches("own_ids\":{").count(), 1);
    let then = |source: &str| {
        let mut now = instants("7:7:");
        now.source.transactions = source.to_owned();
        let (_journal, mut known) = meet(&path, asked()).unwrap();
        known.go_on_at(now, false);
        known.parts.len()
    };
    // All of ours have ended, one has, none.
    assert_eq!((then("9:9:"), then("8:8:"), then("7:7:")), (1, 0, 1));
}

#[test]
fn every_byte_counts_but_at_the_end() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    interrupted(&path);
    let whole = fs::read(&path).unwrap();
    // Without the end of the line before, the last one is part of that.
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 7);
        fs::write(&path, &flipped).unwrap();
        let read = meet(&path, asked());
        if at < last {
            let error = read.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RunState, "byte {at}");
            assert_eq!(fs::read(&path).unwrap(), flipped, "byte {at}: it stays as it is");
        } else {
            let (_journal, known) = read.unwrap();
            assert_eq!((known.tables.len(), known.of(&name("big"), Side::Target).count()), (1, 0));
        }
    }
    // A line that is missing, doubled, or in another place.
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 5);
    for order in [&[0, 2, 3, 4][..], &[0, 1, 1, 2, 3, 4], &[0, 1, 3, 2, 4], &[0, 0, 1, 2, 3, 4]] {
        let other: Vec<u8> = order.iter().flat_map(|at| lines[*at]).copied().collect();
        fs::write(&path, &other).unwrap();
        assert_eq!(meet(&path, asked()).map(|_| ()).unwrap_err().kind(), ErrorKind::RunState);
    }
}

#[test]
fn a_torn_end_is_cut_off_and_the_file_goes_on_behind_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    interrupted(&path);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> =
        (0..whole.len()).filter(|at| whole[*at] == b'\n').map(|at| at + 1).collect();
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let lines = ends.iter().filter(|end| **end <= length).count();
        let read = meet(&path, asked());
        // So short that it might be anybody's.
        if (1..19).contains(&length) {
            assert_eq!(read.map(|_| ()).unwrap_err().kind(), ErrorKind::RunState, "{length}");
            continue;
        }
        let (journal, known) = read.unwrap();
        let targets = known.of(&name("big"), Side::Target).count();
        assert_eq!((known.tables.len(), targets), (usize::from(lines > 2), usize::from(lines > 4)));
        journal.moment(&instants("7:7:")).unwrap();
        journal.equal(&equal("more"), Sha::of(b"how")).unwrap();
        drop(journal);
        let (_journal, known) = meet(&path, asked()).unwrap();
        assert!(known.tables.contains_key(&name("more")), "{length}");
    }
    // What a file system leaves that had noted the length and not yet the bytes.
    let mut zeros = whole.clone();
    zeros.resize(whole.len() + 5000, 0);
    fs::write(&path, &zeros).unwrap();
    assert_eq!(meet(&path, asked()).unwrap().1.tables.len(), 1);
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn other_databases_and_other_options_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    interrupted(&path);
    let before = fs::read(&path).unwrap();
    let refused = |ended: Result<(Journal, Known), Error>, what: &str| {
        let error = ended.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RunState, "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.hint().unwrap().contains("another file"), "{:?}", error.hint());
        assert_eq!(fs::read(&path).unwrap(), before);
    };
    let open = || Journal::open(&path).unwrap();
    let (a, b, c) = (identity("a"), identity("b"), identity("c"));
    refused(open().meet((&c, &b), asked()), "another source: `a`");
    refused(open().meet((&a, &c), asked()), "another target: `b`");
    refused(open().meet((&b, &a), asked()), "another source");
    let elsewhere = DatabaseIdentity { system: Some("8".to_owned()), ..a.clone() };
    refused(open().meet((&elsewhere, &b), asked()), "another source");
    let one = |change: &dyn Fn(&mut VerifyOptions)| {
        let mut options = VerifyOptions::default();
        change(&mut options);
        Asked::of(&options)
    };
    for other in [
        one(&|options| options.scope = Scope::DataOnly),
        one(&|options| options.depth = Depth::Rows),
        one(&|options| options.depth = Depth::Sample(0.5)),
        one(&|options| options.owners = crate::schema::compare::Compared::No),
        one(&|options| options.privileges = crate::schema::compare::Compared::No),
        one(&|options| options.include = vec!["public.*".to_owned()]),
        one(&|options| options.exclude = vec!["public.*".to_owned()]),
        one(&|options| options.digest_on = DigestOn::Server),
    ] {
        refused(meet(&path, other), "other options");
    }
    assert_ne!(
        one(&|options| options.depth = Depth::Sample(0.1)),
        one(&|options| options.depth = Depth::Sample(0.1 + f64::EPSILON))
    );
    // How fast, and what is told, may change.
    let faster = one(&|options| {
        options.jobs = std::num::NonZeroUsize::MIN;
        options.max_differences = 1;
        options.part_size = Some(1 << 20);
    });
    assert_eq!(meet(&path, faster).unwrap().1.tables.len(), 1);
}

#[test]
fn foreign_files_stay_as_they_are() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    for text in [
        "x",
        "{\"v\":1}\n",
        "\n\n",
        "{\"pghaul_verify\":",
        "{\"pghaul_verify\":0,\"seal\":\"\",\"of\":{}}\n",
        "{\"pghaul_verify\":x,",
        "{\"pghaul_archive\":1,\"document\":\"manifest\"}\n",
    ] {
        fs::write(&path, text).unwrap();
        let error = Journal::open(&path).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RunState, "{text:?}");
        assert!(error.to_string().contains("not the file of an interrupted comparison"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let newer = "{\"pghaul_verify\":2,\"whatever\":[]}\n";
    fs::write(&path, newer).unwrap();
    let error = Journal::open(&path).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("format 2, made by a newer pghaul"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    // No line is read to its end that does not end.
    let begun = std::io::Cursor::new(b"{\"pghaul_verify\":1,".to_vec());
    let endless = BufReader::new(std::io::Read::chain(begun, std::io::repeat(b'x')));
    assert!(matches!(Lines::new(endless).next_line(), Err(Broken::Damaged)));
}

#[test]
fn one_comparison_at_a_time_has_the_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    let (journal, _) = meet(&path, asked()).unwrap();
    let error = Journal::open(&path).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RunState);
    assert!(error.to_string().contains("another comparison"), "{error}");
    // Somebody else's by now.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    journal.remove().unwrap();
    drop(journal);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn a_file_that_says_nothing_does_not_stay() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    drop(Journal::open(&path).unwrap());
    assert!(!path.exists());
    let (journal, _) = meet(&path, asked()).unwrap();
    journal.moment(&instants("7:7:")).unwrap();
    assert!(journal.kept().is_none());
    drop(journal);
    assert!(!path.exists());
    // What was begun by another comparison is not ours to remove.
    interrupted(&path);
    assert!(Journal::open(&path).unwrap().meet((&identity("c"), &identity("b")), asked()).is_err());
    drop(Journal::open(&path).unwrap());
    assert!(path.exists());
}

#[test]
fn what_cannot_be_a_file_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [place.path(), &pipe, &place.path().join("no/such/folder")] {
        let error = Journal::open(path).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LocalIo, "{path:?}: {error:?}");
    }
    assert!(place.path().exists() && pipe.exists());
}

#[test]
fn a_first_line_that_is_whole_and_wrong_is_damage() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state");
    interrupted(&path);
    let whole = fs::read(&path).unwrap();
    let end = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for at in 17..end {
        let mut alone = whole[..=end].to_vec();
        alone[at] ^= 1;
        fs::write(&path, &alone).unwrap();
        let error = meet(&path, asked()).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RunState, "byte {at}");
        assert_eq!(fs::read(&path).unwrap(), alone, "byte {at}");
    }
}
