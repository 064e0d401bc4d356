//! The corpora of the fuzz targets, each file as it is and damaged in many ways, through the same
//! bodies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let whole = std::fs::read(entry.unwrap().path()).unwrap();
        body(&whole);
        // A cheap generator is enough to visit every place a few times, the same in each run.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..2000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let place = usize::try_from(state % (whole.len() as u64 + 1)).unwrap();
            let mut damaged = whole.clone();
            match state >> 62 {
                0 => damaged.truncate(place),
                1 if place < whole.len() => damaged[place] = state.to_be_bytes()[3],
                2 if place + 4 <= whole.len() => damaged[place..place + 4].fill(0xff),
                _ => damaged.insert(place, state.to_be_bytes()[5]),
            }
            body(&damaged);
        }
        files += 1;
    }
    assert!(files > 0, "no corpus in {}", folder.display());
}

#[test]
fn pieces() {
    replay("piece", bodies::piece);
}

#[test]
fn streams() {
    replay("stream", bodies::stream);
}

#[test]
fn documents() {
    replay("document", bodies::document);
}

#[test]
fn copy_streams() {
    replay("copy", bodies::copy);
}
