//! Finds duplicates among 5 and 50 million rows with 64 MiB: time and the most memory in use.
//!
//! `cargo bench -p pghaul-rows --bench duplicates [-- MILLIONS…]`; needs 22 bytes of temporary
//! space for each row.
#![expect(clippy::print_stdout, reason = "a bench")]

use std::alloc::System;
use std::error::Error;
use std::time::Instant;

use cap::Cap;
use pghaul_rows::duplicates::{DuplicateFinder, Member, Relations};
use pghaul_rows::{KeyDigest, Tid};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const BUDGET: usize = 64 << 20;

/// Rows to a block, about as many as a table of 600-byte rows has.
const ROWS_PER_BLOCK: u32 = 13;

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<u32> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    for millions in if given.is_empty() { vec![5, 50] } else { given } {
        run(millions * 1_000_000)?;
    }
    Ok(())
}

fn run(rows: u32) -> Result<(), Box<dyn Error>> {
    let mut finder = DuplicateFinder::new(Relations::One, BUDGET, std::env::temp_dir())?;
    let start = Instant::now();
    for row in 0..rows {
        // One row in a thousand has the key of the row before.
        let key = row - u32::from(row % 1000 == 999);
        let tid = Tid { block: row / ROWS_PER_BLOCK, offset: u16::try_from(row % ROWS_PER_BLOCK)? };
        finder.push(digest(key.into()), Member { relation: 0, tid })?;
    }
    let pushed = start.elapsed();
    let spilled = finder.spilled_bytes();
    let mut groups = finder.finish()?;
    let mut found = 0;
    while let Some(mut group) = groups.next_group()? {
        while group.next_member()?.is_some() {
            found += 1;
        }
    }
    let all = start.elapsed();
    assert_eq!(found, rows / 1000 * 2, "not all were found");
    println!(
        "{:3} million rows: {:6.2} s, {:6.2} s of it to take them; {:5} MB in the file; \
         {:.1} of {} MiB",
        rows / 1_000_000,
        all.as_secs_f64(),
        pushed.as_secs_f64(),
        spilled / 1_000_000,
        ALLOCATOR.max_allocated() as f64 / f64::from(1 << 20),
        BUDGET >> 20,
    );
    Ok(())
}

/// Looks like a hash (SplitMix64, twice).
fn digest(number: u64) -> KeyDigest {
    let mix = |number: u64| {
        let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ number >> 31
    };
    let first = mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15));
    KeyDigest([first, mix(first)])
}
