//! Every byte of an archive counts: any of them changed, and any end cut off, is noticed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod sample;

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use pghaul_archive::{ArchiveError, Folder, TarStream, check, stream};

fn sample_folder() -> (tempfile::TempDir, Folder) {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::new(place.path().join("sample"));
    folder.create_folders().unwrap();
    sample::write(&folder).unwrap();
    (place, folder)
}

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

fn sample_stream() -> Vec<u8> {
    let output = Shared::default();
    let tar = TarStream::new(output.clone());
    sample::write(&tar).unwrap();
    tar.finish().unwrap();
    std::mem::take(&mut *output.0.lock().unwrap())
}

#[test]
fn the_sample_is_whole() {
    let (_place, folder) = sample_folder();
    assert_eq!(check::folder(&folder).unwrap(), Vec::<String>::new());
    let (contents, manifest) = stream::check(&sample_stream()[..]).unwrap();
    assert_eq!(contents, sample::contents());
    assert_eq!(manifest.table_digest(0).rows, 3);
    assert_eq!(manifest.table_digest(1).rows, 2);
}

#[test]
fn every_flipped_bit_and_every_end_of_a_folder_is_noticed() {
    let (_place, folder) = sample_folder();
    for file in folder.list().unwrap() {
        let path = folder.path().join(&file);
        let whole = fs::read(&path).unwrap();
        // In place: some file systems flush a file that was truncated and written again.
        let open = fs::OpenOptions::new().write(true).open(&path).unwrap();
        for at in 0..whole.len() {
            for bits in [1 << (at % 8), 0xff] {
                open.write_all_at(&[whole[at] ^ bits], at as u64).unwrap();
                let found = check::folder(&folder);
                assert!(
                    matches!(found, Err(ArchiveError::Damaged { .. })),
                    "{file} byte {at} bits {bits:#x}: {found:?}"
                );
            }
            open.write_all_at(&whole[at..=at], at as u64).unwrap();
        }
        for at in (0..whole.len()).rev() {
            open.set_len(at as u64).unwrap();
            let found = check::folder(&folder);
            assert!(
                matches!(found, Err(ArchiveError::Damaged { .. })),
                "{file} cut at {at}: {found:?}"
            );
        }
        fs::write(&path, [&whole[..], b"\0"].concat()).unwrap();
        assert!(check::folder(&folder).is_err(), "{file} with a byte more");
        fs::remove_file(&path).unwrap();
        assert!(check::folder(&folder).is_err(), "without {file}");
        fs::write(&path, &whole).unwrap();
    }
    assert!(check::folder(&folder).is_ok());
}

#[test]
fn every_flipped_bit_and_every_end_of_a_stream_is_noticed() {
    let whole = sample_stream();
    for at in 0..whole.len() {
        for bits in [1 << (at % 8), 0xff] {
            let mut flipped = whole.clone();
            flipped[at] ^= bits;
            let found = stream::check(&flipped[..]);
            assert!(
                matches!(found, Err(ArchiveError::Damaged { .. })),
                "byte {at} bits {bits:#x}: {found:?}"
            );
        }
        let found = stream::check(&whole[..at]);
        assert!(matches!(found, Err(ArchiveError::Damaged { .. })), "cut at {at}: {found:?}");
    }
    assert!(stream::check(&[&whole[..], b"\0"].concat()[..]).is_err());
}

/// `tar` reads the stream, and what it makes of it is the folder.
#[test]
fn tar_makes_a_folder_of_a_stream() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("stream.tar");
    fs::write(&file, sample_stream()).unwrap();
    let unpacked = place.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let tar = std::process::Command::new("tar")
        .args(["--extract", "--file"])
        .arg(&file)
        .arg("--directory")
        .arg(&unpacked)
        .output()
        .expect("tar");
    assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
    assert_eq!(check::folder(&Folder::new(unpacked)).unwrap(), Vec::<String>::new());
}

#[test]
fn files_that_nobody_named_are_found() {
    let (_place, folder) = sample_folder();
    fs::write(folder.path().join("data/000009.zst"), "x").unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    assert_eq!(check::folder(&folder).unwrap(), ["data/000009.zst", "more"]);
}

#[test]
fn links_are_not_followed() {
    let (place, folder) = sample_folder();
    let (inside, outside) =
        (folder.path().join("data/000001.zst"), place.path().join("elsewhere.zst"));
    fs::rename(&inside, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &inside).unwrap();
    let error = check::folder(&folder).unwrap_err();
    assert_eq!(error.to_string(), "data/000001.zst: is no plain file");
}
