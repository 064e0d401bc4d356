//! The finder against a hash map, with so little memory that it takes all of its ways.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Groups as the finder gives them.
type Found = Vec<(KeyDigest, Vec<Member>)>;

/// Plans with pages of few records, and buffers of one.
fn plans() -> impl Strategy<Value = Plan> {
    let pages =
        (0..4_u32).prop_flat_map(|bits| (Just(bits), (1 << bits) + 1..(1_usize << bits) + 20));
    let memory = prop_oneof![Just(0), Just(1_usize << 20)];
    (pages, 1..6_usize, 1..130_usize, 2..6_usize, memory).prop_map(
        |((partition_bits, pages), page_records, run_records, fan_in, memory)| Plan {
            partition_bits,
            pages,
            page_records,
            run_records,
            fan_in,
            memory,
            record_bytes: ONE,
        },
    )
}

fn finder(relations: Relations, plan: Plan) -> DuplicateFinder {
    let plan = Plan { record_bytes: relations.record_bytes(), ..plan };
    let folder = std::env::temp_dir();
    DuplicateFinder(match relations {
        Relations::One => Taken::One(Partitions::new(plan, folder)),
        Relations::Many => Taken::Many(Partitions::new(plan, folder)),
    })
}

fn find(mut finder: DuplicateFinder, rows: &[(KeyDigest, Member)]) -> Found {
    for (key, row) in rows {
        finder.push(*key, *row).unwrap();
    }
    let mut groups = finder.finish().unwrap();
    let mut found = Vec::new();
    while let Some(mut group) = groups.next_group().unwrap() {
        let key = group.key();
        let members = std::iter::from_fn(|| group.next_member().unwrap()).collect();
        found.push((key, members));
    }
    found
}

fn expected(rows: &[(KeyDigest, Member)]) -> Found {
    let mut by_key: BTreeMap<KeyDigest, BTreeSet<Member>> = BTreeMap::new();
    for (key, row) in rows {
        by_key.entry(*key).or_default().insert(*row);
    }
    by_key.retain(|_, members| members.len() > 1);
    by_key.into_iter().map(|(key, members)| (key, members.into_iter().collect())).collect()
}

/// Keys that are often equal, and often only nearly.
fn keys() -> impl Strategy<Value = KeyDigest> {
    let lanes = || prop_oneof![0..4_u64, (0..4_u64).prop_map(|n| n << 62), Just(u64::MAX)];
    prop_oneof![
        4 => (lanes(), lanes()).prop_map(|(first, second)| KeyDigest([first, second])),
        1 => any::<[u64; 2]>().prop_map(KeyDigest),
    ]
}

fn rows(relations: Relations) -> impl Strategy<Value = Vec<(KeyDigest, Member)>> {
    let relation = match relations {
        Relations::One => Just(0_u32).boxed(),
        Relations::Many => prop_oneof![0..3_u32, any::<u32>()].boxed(),
    };
    let tid = prop_oneof![(0..3_u32, 0..3_u16), any::<(u32, u16)>()];
    let row = (keys(), relation, tid).prop_map(|(key, relation, (block, offset))| {
        (key, Member { relation, tid: Tid { block, offset } })
    });
    vec(row, 0..120)
}

fn relations() -> impl Strategy<Value = Relations> {
    prop_oneof![Just(Relations::One), Just(Relations::Many)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// In memory, by partitions, and by partitions that are merged, at once and in steps.
    #[test]
    fn all_groups_and_no_others(
        (relations, rows) in relations().prop_flat_map(|r| (Just(r), rows(r))),
        plan in plans(),
    ) {
        let finder = finder(relations, plan);
        prop_assert_eq!(find(finder, &rows), expected(&rows));
    }

    /// What is left of a group is passed over.
    #[test]
    fn groups_need_not_be_read(
        rows in rows(Relations::Many),
        plan in plans(),
        taken in vec(0..4_usize, 1..8),
    ) {
        let mut finder = finder(Relations::Many, plan);
        for (key, row) in &rows {
            finder.push(*key, *row).unwrap();
        }
        let mut groups = finder.finish().unwrap();
        let mut taken = taken.iter().cycle();
        for (key, members) in expected(&rows) {
            let mut group = groups.next_group().unwrap().unwrap();
            prop_assert_eq!(group.key(), key);
            for member in members.iter().take(*taken.next().unwrap()) {
                prop_assert_eq!(group.next_member().unwrap(), Some(*member));
            }
        }
        prop_assert!(groups.next_group().unwrap().is_none());
    }

    /// No more is written than the estimate says, and nothing where it says so.
    #[test]
    fn the_estimate_holds(
        rows in 0..2_000_u32,
        plan in plans(),
        spread in prop_oneof![Just(0x9e37_79b9_7f4a_7c15_u64), Just(1)],
    ) {
        let plan = Plan { run_records: 2_000, memory: 0, ..plan };
        let mut taken = Partitions::new(plan, std::env::temp_dir());
        for block in 0..rows {
            let row = Member { relation: 0, tid: Tid { block, offset: 1 } };
            let digest = KeyDigest([u64::from(block).wrapping_mul(spread), 0]);
            taken.push(one(digest, row)).unwrap();
        }
        let (estimate, before) = (plan.spill_bytes(rows.into()), taken.spilled_bytes());
        prop_assert!(before <= estimate, "{before} before the end, {estimate} estimated");
        match taken.finish().unwrap() {
            partitions::Ordered::Memory(records) => prop_assert_eq!(records.len(), rows as usize),
            partitions::Ordered::File(file) => {
                let written = file.spilled_bytes();
                prop_assert!(written >= u64::from(rows) * ONE as u64);
                prop_assert!(written <= estimate, "{written} written, {estimate} estimated");
            }
        }
    }
}

/// Among 60,000 keys, with the smallest budget there is.
#[test]
fn the_smallest_budget_spills() {
    let rows: Vec<(KeyDigest, Member)> = (0..60_000_u32)
        .map(|n| {
            // Each thousandth row has the key of the one before.
            let same = if n % 1000 == 999 { n - 1 } else { n };
            let key = u64::from(same).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (KeyDigest([key, key]), Member { relation: 0, tid: Tid { block: n, offset: 1 } })
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let mut finder = DuplicateFinder::new(Relations::One, MIN_BUDGET, folder.path()).unwrap();
    for (key, row) in &rows {
        finder.push(*key, *row).unwrap();
    }
    assert!(finder.spilled_bytes() > 300_000);
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 0, "the file has a name");
    let found = find(finder, &[]);
    assert_eq!(found.len(), 60);
    assert_eq!(found, expected(&rows));
    let estimate = spill_bytes(Relations::One, 60_000, MIN_BUDGET).unwrap();
    assert!((60_000 * 22..61_000 * 22).contains(&estimate), "{estimate}");
    assert_eq!(spill_bytes(Relations::Many, 60_000, 64 << 20).unwrap(), 0);
}

#[test]
fn what_fits_the_budget_needs_no_folder() {
    let nowhere = "/nowhere/at/all";
    let mut finder = DuplicateFinder::new(Relations::Many, MIN_BUDGET, nowhere).unwrap();
    let spill_bytes = |rows| spill_bytes(Relations::Many, rows, MIN_BUDGET).unwrap();
    let fit = (0..).take_while(|rows| spill_bytes(*rows) == 0).count() as u64 - 1;
    assert!(fit > 30_000, "{fit} rows fit");
    let row = |block| Member { relation: 5, tid: Tid { block, offset: 1 } };
    for block in 0..u32::try_from(fit).unwrap() {
        finder.push(KeyDigest([u64::from(block) << 40, 0]), row(block)).unwrap();
    }
    let mut more = fit;
    let error = loop {
        match finder.push(KeyDigest([7, 0]), row(0)) {
            Ok(()) => more += 1,
            Err(error) => break error,
        }
    };
    assert!(more < fit * 2 && !error.is_disk_full());
    assert_eq!(
        error.to_string(),
        "cannot create the temporary file in /nowhere/at/all, which has 0 bytes"
    );
    // What was taken before is still there.
    let found = find(finder, &[]);
    assert_eq!(found.len(), 0);
}

#[test]
fn steps_are_within_the_plan() {
    let plan = Plan {
        partition_bits: 0,
        pages: 2,
        page_records: 1,
        run_records: 1,
        fan_in: 10,
        memory: 0,
        record_bytes: ONE,
    };
    let steps = [11, 20, 21, 100, 101, 5_000].map(|runs| plan.runs_in_step(runs));
    assert_eq!(steps, [2, 2, 3, 10, 10, 10]);
}

#[test]
fn a_file_is_added_to_at_its_end() {
    let mut spill = spill::Spill::create(&std::env::temp_dir()).unwrap();
    spill.append(&[[1; 3], [2; 3]]).unwrap();
    let mut first = [[0; 3]];
    spill.read(0, &mut first).unwrap();
    spill.append(&[[3; 3]]).unwrap();
    let mut last = [[0; 3]; 2];
    spill.read(1, &mut last).unwrap();
    assert_eq!((first, last), ([[1; 3]], [[2; 3], [3; 3]]));
    let error = spill.read(2, &mut last).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the temporary file in "), "{error}");
}

/// The system itself says that the disk is full: `/dev/full` (full(4)).
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_of_its_own() {
    let full = std::fs::File::options().read(true).write(true).open("/dev/full").unwrap();
    let plan = Plan::new(MIN_BUDGET, ONE).unwrap();
    let folder = PathBuf::from("/spill");
    let mut taken = Partitions::<ONE>::over(plan, spill::Spill::over(full, &folder), &folder);
    let row = Member { relation: 0, tid: Tid { block: 1, offset: 1 } };
    let error = (0..60_000_u64)
        .find_map(|n| taken.push(one(KeyDigest([n << 48, n]), row)).err())
        .expect("a full disk took everything");
    assert!(error.is_disk_full() && !error.is_file_too_large(), "{error:?}");
    assert_eq!(error.to_string(), "cannot write the temporary file in /spill, which has 0 bytes");
    assert!(taken.finish().err().unwrap().is_disk_full());
}

#[test]
fn a_full_disk_has_a_name() {
    for (kind, full) in [
        (std::io::ErrorKind::StorageFull, true),
        (std::io::ErrorKind::QuotaExceeded, true),
        (std::io::ErrorKind::PermissionDenied, false),
    ] {
        let folder = PathBuf::from("/spill");
        let error = FinderError::Spill { doing: "write", folder, bytes: 7, source: kind.into() };
        assert_eq!(error.is_disk_full(), full);
        assert!(!error.is_file_too_large());
    }
}

#[test]
fn a_budget_that_is_too_small() {
    let error = DuplicateFinder::new(Relations::One, 1000, ".").unwrap_err();
    assert_eq!(
        error.to_string(),
        "a memory budget of 1000 bytes is too small: at least 1048576 are needed"
    );
}
