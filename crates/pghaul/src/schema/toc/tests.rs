//! An encoder of the format in its four versions, written from its description, is the oracle;
//! archives of real programs are read in `tests/pg/schema/text.rs`.

use proptest::prelude::*;

use super::*;

struct Writer {
    bytes: Vec<u8>,
    int_size: usize,
}

impl Writer {
    fn int(&mut self, value: i32) {
        self.bytes.push(u8::from(value < 0));
        let mut little_endian = u64::from(value.unsigned_abs()).to_le_bytes().to_vec();
        little_endian.truncate(self.int_size);
        self.bytes.extend(little_endian);
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            None => self.int(-1),
            Some(text) => {
                self.int(i32::try_from(text.len()).unwrap());
                self.bytes.extend(text.as_bytes());
            }
        }
    }
}

fn encode(toc: &Toc, int_size: usize) -> Vec<u8> {
    let (major, minor, revision) = toc.archive_version;
    let mut writer = Writer { bytes: b"PGDMP".to_vec(), int_size };
    let int_size = u8::try_from(int_size).unwrap();
    writer.bytes.extend([major, minor, revision, int_size, 8, 1]);
    match minor {
        15.. => writer.bytes.push(0),
        _ => writer.int(-1),
    }
    for part in [1, 2, 3, 4, 5, 126, -1] {
        writer.int(part);
    }
    writer.text(Some(&toc.database));
    writer.text(Some(&toc.server_version));
    writer.text(Some(&toc.pg_dump_version));
    writer.int(i32::try_from(toc.entries.len()).unwrap());
    for entry in &toc.entries {
        writer.int(entry.dump_id.0);
        writer.int(0);
        writer.text(Some(&entry.table_oid.to_string()));
        writer.text(Some(&entry.oid.to_string()));
        writer.text(Some(&entry.tag));
        writer.text(Some(entry.kind.name()));
        writer.int(match entry.section {
            Section::None => 1,
            Section::PreData => 2,
            Section::Data => 3,
            Section::PostData => 4,
        });
        writer.text(Some(&entry.defn));
        for text in [&entry.drop_stmt, &entry.copy_stmt, &entry.namespace, &entry.tablespace] {
            writer.text(text.as_deref());
        }
        if minor >= 14 {
            writer.text(entry.table_am.as_deref());
        }
        if minor >= 16 {
            writer.int(entry.relkind.map_or(0, |kind| i32::try_from(u32::from(kind)).unwrap()));
        }
        writer.text(entry.owner.as_deref());
        writer.text(Some(if entry.with_oids { "true" } else { "false" }));
        for id in &entry.dependencies {
            writer.text(Some(&id.to_string()));
        }
        writer.text(None);
        writer.bytes.extend([3, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    writer.bytes
}

fn setting(kind: Kind, defn: &str) -> Entry {
    Entry { section: Section::PreData, ..crate::schema::entry::tests::entry(kind, defn) }
}

fn toc(minor: u8, mut entries: Vec<Entry>) -> Toc {
    entries.push(setting(Kind::Encoding, "SET client_encoding = 'UTF8';\n"));
    entries.push(setting(Kind::StdStrings, "SET standard_conforming_strings = 'on';\n"));
    Toc {
        archive_version: (1, minor, 0),
        database: "db".to_owned(),
        server_version: "18.6".to_owned(),
        pg_dump_version: "18.6".to_owned(),
        entries,
    }
}

fn some_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[a-z'\"é\\n;]{0,12}")
}

prop_compose! {
    fn any_entry()(
        dump_id in 1..i32::MAX,
        oids in any::<(u32, u32)>(),
        tag in "[a-z é\"]{0,12}",
        kind in proptest::sample::select(vec!["TABLE", "ACL", "SOMETHING NEW"]),
        section in proptest::sample::select(vec![
            Section::None, Section::PreData, Section::Data, Section::PostData,
        ]),
        defn in "[a-z'\"é\\n;$]{0,40}",
        texts in (some_text(), some_text(), some_text(), some_text(), some_text(), some_text()),
        relkind in proptest::option::of(proptest::sample::select(vec!['r', 'p'])),
        with_oids in any::<bool>(),
        dependencies in proptest::collection::vec(1..i32::MAX, 0..4),
    ) -> Entry {
        let (drop_stmt, copy_stmt, namespace, tablespace, table_am, owner) = texts;
        Entry {
            dump_id: DumpId(dump_id),
            table_oid: oids.0,
            oid: oids.1,
            tag,
            kind: Kind::from_name(kind),
            section,
            defn,
            drop_stmt,
            copy_stmt,
            namespace,
            tablespace,
            table_am,
            relkind,
            owner,
            with_oids,
            dependencies: dependencies.into_iter().map(DumpId).collect(),
        }
    }
}

proptest! {
    #[test]
    fn every_version_is_read_as_it_was_written(
        minor in 13..=16_u8,
        int_size in proptest::sample::select(vec![4_usize, 8]),
        entries in proptest::collection::vec(any_entry(), 0..4),
    ) {
        let mut written = toc(minor, entries);
        for entry in &mut written.entries {
            entry.table_am = entry.table_am.take().filter(|_| minor >= 14);
            entry.relkind = entry.relkind.filter(|_| minor >= 16);
        }
        prop_assert_eq!(Toc::read(&encode(&written, int_size)), Ok(written));
    }

    #[test]
    fn a_beginning_is_never_taken_for_the_whole(
        entries in proptest::collection::vec(any_entry(), 0..3),
        part in 0.0..1.0,
    ) {
        let bytes = encode(&toc(16, entries), 4);
        #[expect(
            clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "any length below the whole will do"
        )]
        let length = (bytes.len() as f64 * part) as usize;
        prop_assert!(Toc::read(&bytes[..length]).is_err());
    }

    #[test]
    fn no_byte_makes_it_panic(
        entries in proptest::collection::vec(any_entry(), 0..3),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encode(&toc(16, entries), 4);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = Toc::read(&bytes);
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    let good = encode(&toc(16, Vec::new()), 4);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Toc::read(&bytes)
    };
    assert_eq!(Toc::read(b"-- PostgreSQL database dump"), Err(TocError::NotAnArchive));
    assert_eq!(Toc::read(b""), Err(TocError::NotAnArchive));
    assert_eq!(with(6, 12), Err(TocError::TooOld(1, 12)));
    assert_eq!(with(6, 17), Err(TocError::TooNew(1, 17)));
    assert_eq!(with(5, 2), Err(TocError::TooNew(2, 16)));
    assert_eq!(with(10, 5), Err(TocError::NotAnArchive));
    assert!(matches!(with(8, 200), Err(TocError::Impossible { .. })));
    let other = |kind: Kind| {
        let mut toc = toc(16, Vec::new());
        toc.entries.retain(|entry| entry.kind != kind);
        Toc::read(&encode(&toc, 4))
    };
    assert_eq!(other(Kind::Encoding), Err(TocError::Setting("client_encoding")));
    assert_eq!(other(Kind::StdStrings), Err(TocError::Setting("standard_conforming_strings")));
}

#[test]
fn a_length_is_not_believed() {
    // Two thousand million entries, and a text as long: refused before anything is allocated.
    let mut good = encode(&toc(16, Vec::new()), 4);
    let count = b"18.6".len() * 2 + 5 * 2 + 5 + 2 + 12 + 7 * 5;
    assert_eq!(good[count..count + 5], [0, 2, 0, 0, 0]);
    good[count + 1..count + 5].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
    assert!(matches!(Toc::read(&good), Err(TocError::Truncated { .. })));
}

#[test]
fn statistics_that_are_no_text_are_left_out() {
    let named = |kind: Kind, defn: &str, tag: &str| {
        let mut entry = setting(kind, defn);
        entry.tag = tag.to_owned();
        entry
    };
    let entries = vec![
        named(Kind::StatisticsData, "SELECT 'XYZ';", "t"),
        named(Kind::StatisticsData, "SELECT 'abc';", "u"),
    ];
    let mut bytes = encode(&toc(16, entries), 4);
    let at = bytes.windows(3).position(|bytes| bytes == b"XYZ").unwrap();
    bytes[at] = 0xff;
    let read = Toc::read(&bytes).unwrap();
    let kept = read.entries.iter().filter(|entry| entry.kind == Kind::StatisticsData);
    assert_eq!(kept.map(|entry| entry.tag.as_str()).collect::<Vec<_>>(), ["u"]);
}

#[test]
fn text_that_is_not_utf8_names_its_entry() {
    let mut table = setting(Kind::Table, "CREATE TABLE a.\"XYZ\" ();");
    table.tag = "t".to_owned();
    let mut bytes = encode(&toc(16, vec![table]), 4);
    let at = bytes.windows(3).position(|bytes| bytes == b"XYZ").unwrap();
    bytes[at] = 0xff;
    let error = Toc::read(&bytes).unwrap_err();
    assert!(error.to_string().ends_with("is not UTF-8, in TABLE t"), "{error}");
}
