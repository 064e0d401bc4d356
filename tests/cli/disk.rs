//! No room on the disk: exit code 40, nothing that looks like an archive, and the same command goes
//! on once there is room.

use std::path::Path;
use std::process::Stdio;

use pghaul_archive::{Folder, check};
use pghaul_testbed::{Database, Major};

use crate::archive_kills::{
    FRAMES, dump_to, quiet_server, restored_is_the_same, rows_kept, rows_read,
};
use crate::command::pghaul;

fn source(hint: &str, server: &'static pghaul_testbed::Server) -> Database<'static> {
    let database = Database::new(server, hint).unwrap();
    database.execute(FRAMES).wait().unwrap();
    database
}

/// Files may have this many KiB and no more: the kernel says "file too large" where a disk would say
/// "no space left", in the middle of a frame.
#[test]
fn a_dump_into_a_full_disk_publishes_nothing_and_goes_on_when_there_is_room() {
    let server = quiet_server(Major::NEWEST);
    let source = Database::new(&server, "full_src").unwrap();
    source.execute(FRAMES).wait().unwrap();
    let place = tempfile::tempdir().unwrap();
    for limit in ["0", "40", "6000"] {
        let archive = place.path().join(limit);
        let full = dump_to(&source, &archive, &["--json"]).with_files_of_at_most(limit).run();
        assert_eq!(full.code, 40, "{limit}: {}{}", full.stdout, full.stderr);
        let folder = Folder::new(&archive);
        assert!(!folder.is_finished(), "{limit}");
        let alone = pghaul(&["verify", "--archive"]).arg(&archive).run();
        assert!([21, 40].contains(&alone.code), "{limit}: {alone:?}");
        let said = format!("{}{}", full.stdout, full.stderr);
        // Nothing at all can be written with 0, not even what pg_dump needs elsewhere.
        if limit != "0" {
            assert!(said.contains(archive.to_str().unwrap()), "{limit}: {said}");
            assert!(said.contains("make room there"), "{limit}: {said}");
        }
        // Nor does a restore take it for one.
        let target = Database::new(crate::command::server(), "full_dst").unwrap();
        let refused = pghaul(&["restore", "--archive"]).arg(&archive).target(&target.url()).run();
        assert!([21, 40].contains(&refused.code), "{limit}: {refused:?}");
        let tables = "select count(*) from pg_class where relnamespace::regnamespace::text !~ '^pg_|^information_schema'";
        assert_eq!(target.value(tables).wait().unwrap().as_deref(), Some("0"), "{limit}");
        let (before, kept) = (rows_read(&source), rows_kept(&archive));
        // With 40 no frame of either table fits, but a lane that stops since the other has failed may
        // close its piece behind the first rows.
        match limit {
            "0" => assert_eq!(kept, 0),
            "40" => assert!(kept < 1000, "{kept}"),
            _ => assert!(kept > 1000, "{kept}"),
        }
        let output = dump_to(&source, &archive, &["--json"]).run();
        assert_eq!(output.code, 0, "{limit}: {}{}", output.stdout, output.stderr);
        assert_eq!(rows_read(&source) - before, 29_000 - kept, "{limit}");
        assert_eq!(check::folder(&folder).unwrap(), Vec::<String>::new(), "{limit}");
        restored_is_the_same(&source, &archive);
    }
}

/// A device that is full from the first byte on stands for the files of pieces, one after the other.
#[test]
fn no_space_left_is_said_and_named() {
    let source = source("full_src", crate::command::server());
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("archive");
    std::fs::create_dir_all(archive.join("data")).unwrap();
    std::fs::write(archive.join("pghaul.lock"), "").unwrap();
    std::os::unix::fs::symlink("/dev/full", archive.join("data/000001.zst.partial")).unwrap();
    let full = dump_to(&source, &archive, &[]).run();
    assert_eq!(full.code, 40, "{full:?}");
    assert!(full.stderr.contains("000001.zst"), "{}", full.stderr);
    assert!(full.stderr.contains("No space left on device"), "{}", full.stderr);
    assert!(full.stderr.contains("make room there"), "{}", full.stderr);
    assert!(!Folder::new(&archive).is_finished());
    let output = dump_to(&source, &archive, &[]).run();
    assert_eq!(output.code, 0, "{output:?}");
    whole(&archive);
}

fn whole(archive: &Path) {
    assert_eq!(check::folder(&Folder::new(archive)).unwrap(), Vec::<String>::new());
}

#[test]
fn a_stream_into_a_full_device_is_no_archive() {
    let source = source("full_src", crate::command::server());
    let device = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let full = dump_to(&source, Path::new("-"), &[]).stdout(Stdio::from(device)).run();
    assert_eq!(full.code, 40, "{full:?}");
    assert!(full.stderr.contains("No space left on device"), "{}", full.stderr);
}
