//! A piece cut at every byte: closed behind its last whole frame, or given up.

use pghaul_archive::contents::{Asked as AskedFor, Name, Source, Table};
use pghaul_archive::layout::{WireColumn, WireFormat, WireShape};
use pghaul_archive::manifest::Piece;
use pghaul_archive::{ArchiveId, FrameBuilder, PieceKind, check};
use pghaul_rows::layout::{Column, CopyFormat, Layout};
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::shape::Shape;
use pghaul_rows::tuple::Row;
use pghaul_rows::writer::{BINARY_HEADER, BINARY_TRAILER};

use super::*;

const ID: ArchiveId = ArchiveId([7; 16]);

/// Ten rows of one int4, every other one -1, whose bytes look like a trailer's.
fn rows(format: CopyFormat) -> Vec<Row> {
    let columns = vec![Column { image_type: 23, shape: Shape::Plain }];
    let layout = Layout { format, with_ctid: false, columns, hidden: Vec::new() };
    let mut reader = RowReader::new(layout.into(), Digesting::Sha256);
    let mut stream = Vec::new();
    for number in 0..10_i32 {
        let number = if number % 2 == 0 { -1 } else { number };
        match format {
            CopyFormat::Text => stream.extend_from_slice(format!("{number}\n").as_bytes()),
            CopyFormat::Binary => {
                if stream.is_empty() {
                    stream.extend_from_slice(BINARY_HEADER);
                }
                stream.extend_from_slice(&[0, 1, 0, 0, 0, 4]);
                stream.extend_from_slice(&number.to_be_bytes());
            }
        }
    }
    if format == CopyFormat::Binary {
        stream.extend_from_slice(&BINARY_TRAILER);
    }
    reader.feed(stream.into()).unwrap();
    let mut rows = Vec::new();
    while let Some(mut row) = reader.next_row().unwrap() {
        row.ctid = Some(Tid { block: 3, offset: u16::try_from(rows.len()).unwrap() + 1 });
        rows.push(row);
    }
    rows
}

fn contents(format: WireFormat, heap: bool) -> Contents {
    let name = Name { schema: "public".to_owned(), name: "t".to_owned() };
    let text = format == WireFormat::Text;
    let image_type = if text { 25 } else { 23 };
    Contents {
        archive: ID,
        tool: String::new(),
        begun: String::new(),
        source: Source { system: None, database_oid: 1, database: String::new(), version: 180_000 },
        asked: AskedFor::default(),
        locale: None,
        pg_dump: 180_000,
        entries: Vec::new(),
        relations: Vec::new(),
        tables: vec![Table {
            oid: 1,
            name: name.clone(),
            written_to: name,
            format,
            reason: String::new(),
            image: if text { "sha256-text" } else { "sha256-binary" }.to_owned(),
            columns: vec![WireColumn { name: "x".to_owned(), image_type, shape: WireShape::Plain }],
            hidden: Vec::new(),
            condition: String::new(),
            heap,
            bytes: 0,
            key: Vec::new(),
        }],
        large_objects: Vec::new(),
        left_out: Vec::new(),
    }
}

/// The bytes of a piece with these rows, three to a frame.
fn piece(rows: &[Row], header: &Header, next: Option<Tid>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = PieceWriter::begin(&mut bytes, header, 3).unwrap();
    let three = rows[0].tuple.len() * 3 + BINARY_TRAILER.len();
    let mut builder = FrameBuilder::new(header.format).with_frames_of(three + BINARY_HEADER.len());
    for row in rows {
        if let Some(frame) = builder.push(row) {
            writer.write(&frame).unwrap();
        }
    }
    writer.write(&builder.finish(next)).unwrap();
    writer.finish(next).unwrap();
    bytes
}

/// Rows of the whole frames of a beginning, and how many such frames there are.
fn whole_frames(bytes: &[u8]) -> (u64, u64) {
    let Ok((_, mut reader)) = PieceReader::open(bytes, "x", Depth::HashOnly) else { return (0, 0) };
    let (mut rows, mut frames) = (0, 0);
    while let Ok(Some(frame)) = reader.next_frame() {
        rows += frame.digest.rows;
        frames += 1;
    }
    (rows, frames)
}

fn cut_everywhere(format: CopyFormat, heap: bool, next: Option<Tid>) {
    let contents = contents(format.into(), heap);
    let header = Header {
        archive: ID,
        number: 1,
        kind: PieceKind::Rows,
        format: format.into(),
        table: 0,
        part: 0,
        start: Tid { block: 0, offset: 0 },
    };
    let whole = piece(&rows(format), &header, next);
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::new(place.path());
    folder.create_folders().unwrap();
    let partial = place.path().join("data/000001.zst.partial");
    for cut in 0..=whole.len() {
        std::fs::write(&partial, &whole[..cut]).unwrap();
        let (rows, frames) = whole_frames(&whole[..cut]);
        let kept = salvage(&folder, &contents, header.file(), 3).unwrap();
        assert!(!partial.exists(), "{cut}");
        let Some((_, summary)) = kept else {
            assert!(frames == 0 || !heap, "cut at {cut} of {}", whole.len());
            continue;
        };
        assert!(frames > 0);
        assert_eq!(summary.end.digest.rows, rows, "cut at {cut}");
        let expected = if rows == 10 { next } else { summary.end.next };
        assert_eq!(summary.end.next, expected);
        assert!(rows == 10 || expected.is_some(), "cut at {cut}");
        let file = header.file();
        let noted = Piece {
            file: file.to_string(),
            bytes: summary.bytes,
            table: Some(0),
            part: 0,
            length: summary.end.length,
            rows,
            lanes: summary.end.digest.to_string(),
            chain: summary.chain,
        };
        check::rows(folder.open(file).unwrap(), &noted, &contents).unwrap();
        assert_eq!(super::whole(&folder, file).unwrap().1, summary);
        folder.remove(&file.to_string()).unwrap();
    }
}

#[test]
fn a_piece_cut_anywhere_keeps_its_whole_frames() {
    let more = Some(Tid { block: 9, offset: 1 });
    for format in [CopyFormat::Binary, CopyFormat::Text] {
        for next in [None, more] {
            cut_everywhere(format, true, next);
        }
    }
}

#[test]
fn without_ctids_nobody_knows_where_a_piece_would_go_on() {
    cut_everywhere(CopyFormat::Binary, false, None);
}

/// A process that closed such a piece may be killed too.
#[test]
fn closing_that_was_interrupted_is_done_again() {
    let contents = contents(WireFormat::Binary, true);
    let header = Header {
        archive: ID,
        number: 1,
        kind: PieceKind::Rows,
        format: WireFormat::Binary,
        table: 0,
        part: 0,
        start: Tid { block: 0, offset: 0 },
    };
    let whole = piece(&rows(CopyFormat::Binary), &header, None);
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::new(place.path());
    folder.create_folders().unwrap();
    let partial = place.path().join("data/000001.zst.partial");
    std::fs::write(&partial, &whole[..whole.len() / 2]).unwrap();
    let (_, first) = salvage(&folder, &contents, header.file(), 3).unwrap().unwrap();
    let closed = std::fs::read(folder.place(header.file())).unwrap();
    for cut in whole.len() / 2..=closed.len() {
        folder.remove("data/000001.zst").unwrap();
        std::fs::write(&partial, &closed[..cut]).unwrap();
        let (_, again) = salvage(&folder, &contents, header.file(), 3).unwrap().unwrap();
        assert_eq!(again, first, "cut at {cut}");
    }
}
