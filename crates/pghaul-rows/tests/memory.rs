//! Memory budgets, kept by the allocator: what goes above aborts the test.
//!
//! One test for all, since the limit holds for whatever happens in the process.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::alloc::System;
use std::sync::Arc;

use bytes::Bytes;
use cap::Cap;
use pghaul_rows::duplicates::{DuplicateFinder, Member, Relations, spill_bytes};
use pghaul_rows::{
    Column, CopyFormat, CopyWriter, Digesting, KeyDigest, Layout, RowReader, Shape, Tid,
};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// The test harness allocates too, a little.
const HARNESS_BYTES: usize = 8 << 10;

#[test]
fn budgets_are_kept() {
    // A panic needs memory to say why.
    let say_why = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        ALLOCATOR.set_limit(usize::MAX).unwrap();
        say_why(panic);
    }));
    finder();
    finder_when_all_rows_are_equal();
    finder_when_keys_crowd();
    large_row();
    rows_in_pieces();
}

/// Runs something that may have at most so many bytes more than there are now.
fn within(budget: usize, run: impl FnOnce()) {
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + budget + HARNESS_BYTES).unwrap();
    run();
    ALLOCATOR.set_limit(usize::MAX).unwrap();
}

/// Different numbers give different digests, in no order.
fn digest(number: u64) -> KeyDigest {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    KeyDigest([mixed ^ mixed >> 29, number])
}

fn member(relations: Relations, row: u32) -> Member {
    let relation = if relations == Relations::Many { row % 100 } else { 0 };
    Member { relation, tid: Tid { block: row, offset: 1 } }
}

/// Groups and members among `rows` rows, of which row `n` has the key `key_of(n)`.
fn count(
    relations: Relations,
    budget: usize,
    rows: u32,
    key_of: fn(u32) -> KeyDigest,
) -> (u64, u64) {
    let mut counts = (0, 0);
    within(budget, || {
        let mut finder = DuplicateFinder::new(relations, budget, std::env::temp_dir()).unwrap();
        for row in 0..rows {
            finder.push(key_of(row), member(relations, row)).unwrap();
        }
        let mut groups = finder.finish().unwrap();
        while let Some(mut group) = groups.next_group().unwrap() {
            counts.0 += 1;
            while group.next_member().unwrap().is_some() {
                counts.1 += 1;
            }
        }
    });
    counts
}

/// One row in a thousand has the key of the row before.
fn pairs(row: u32) -> u32 {
    row - u32::from(row % 1000 == 999)
}

fn finder() {
    for relations in [Relations::One, Relations::Many] {
        for budget in [1 << 20, 3_333_333, 8 << 20, 64 << 20] {
            assert_eq!(
                count(relations, budget, 1_000_000, |row| digest(pairs(row).into())),
                (1_000, 2_000)
            );
        }
    }
}

fn finder_when_all_rows_are_equal() {
    assert_eq!(count(Relations::Many, 1 << 20, 1_000_000, |_| digest(7)), (1, 1_000_000));
    assert_eq!(count(Relations::One, 64 << 20, 4_000_000, |_| digest(7)), (1, 4_000_000));
    // One group of a million rows among as many that are alone.
    let half = |row: u32| digest(if row.is_multiple_of(2) { 0 } else { row.into() });
    assert_eq!(count(Relations::Many, 1 << 20, 2_000_000, half), (1, 1_000_000));
    assert_eq!(count(Relations::One, 8 << 20, 2_000_000, half), (1, 1_000_000));
}

/// A partition that does not fit the memory: first as many runs as can be merged at once, or nearly,
/// then more.
fn finder_when_keys_crowd() {
    let crowded = |row: u32| {
        let KeyDigest([first, second]) = digest(pairs(row).into());
        KeyDigest([first >> 7, second])
    };
    let in_file = spill_bytes(Relations::Many, 4_600_000, 1 << 20).unwrap();
    assert!((4_600_000 * 26..4_640_000 * 26).contains(&in_file), "{in_file}");
    assert_eq!(count(Relations::Many, 1 << 20, 4_600_000, crowded), (4_600, 9_200));
    assert_eq!(count(Relations::Many, 1 << 20, 6_000_000, crowded), (6_000, 12_000));
}

fn plain(format: CopyFormat) -> Arc<Layout> {
    let columns = vec![Column { image_type: 17, shape: Shape::Plain }];
    Arc::new(Layout { format, with_ctid: false, columns, hidden: Vec::new() })
}

/// A row of 32 MB in one message is neither copied by the reader nor by the writer.
fn large_row() {
    let length = 32_000_000_u32;
    let row = [&[0, 1][..], &length.to_be_bytes(), &vec![9; 32_000_000]].concat();
    let row = Bytes::from(row);
    within(400 << 10, || {
        let mut reader = RowReader::new(plain(CopyFormat::Binary), Digesting::Sha256);
        reader.feed(Bytes::from_static(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0")).unwrap();
        let mut writer = CopyWriter::new(CopyFormat::Binary);
        let mut written = 0;
        for _ in 0..10 {
            reader.feed(row.clone()).unwrap();
            writer.push(&reader.next_row().unwrap().unwrap().tuple);
            while let Some(message) = writer.take_message() {
                written += message.len();
            }
        }
        assert!(written > 319_000_000);
    });
}

/// Rows that come in pieces need twice the largest of them, however many there are.
fn rows_in_pieces() {
    let line = [vec![b'x'; 999_999], vec![b'\n']].concat();
    within(2_200_000, || {
        let mut reader = RowReader::new(plain(CopyFormat::Text), Digesting::Sha256);
        let mut rows = 0;
        for _ in 0..50 {
            for piece in line.chunks(777) {
                reader.feed(Bytes::copy_from_slice(piece)).unwrap();
                while reader.next_row().unwrap().is_some() {
                    rows += 1;
                }
            }
        }
        assert_eq!(rows, 50);
        reader.finish().unwrap();
    });
}
