//! A small archive made of bytes alone: a binary table in two pieces, a text table with a float,
//! large objects, a sequence.

use pghaul_archive::contents::{
    Asked, Contents, LargeObject, Name, Relation, RelationKind, Source, Table,
};
use pghaul_archive::layout::{WireColumn, WireFormat, WireHidden, WireShape};
use pghaul_archive::manifest::{Batch, File, Manifest, Piece, Sequence};
use pghaul_archive::name::{ByHand, Sha};
use pghaul_archive::piece::{PieceWriter, Summary};
use pghaul_archive::rows::{Chunk, large_object_layout};
use pghaul_archive::{ArchiveError, ArchiveId, FileName, FrameBuilder, Header, PieceKind, Store};
use pghaul_rows::layout::{Column, CopyFormat, Hidden, Layout};
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::shape::Shape;
use pghaul_rows::{Tid, tuple::Row};
use sha2::{Digest, Sha256};

const ID: ArchiveId = ArchiveId([0xab; 16]);

/// Rows of a binary stream with these columns; the ctid counts up.
fn rows(layout: Layout, tuples: &[Vec<u8>]) -> Vec<Row> {
    let binary = layout.format == CopyFormat::Binary;
    let mut reader = RowReader::new(layout.into(), Digesting::Sha256);
    let mut stream = Vec::new();
    if binary {
        stream.extend_from_slice(pghaul_rows::writer::BINARY_HEADER);
    }
    stream.extend(tuples.concat());
    if binary {
        stream.extend_from_slice(&pghaul_rows::writer::BINARY_TRAILER);
    }
    reader.feed(stream.into()).unwrap();
    let mut rows = Vec::new();
    while let Some(mut row) = reader.next_row().unwrap() {
        let offset = u16::try_from(rows.len() + 1).unwrap();
        row.ctid = Some(Tid { block: 0, offset });
        rows.push(row);
    }
    reader.finish().unwrap();
    rows
}

fn numbers() -> Vec<Row> {
    let column = |image_type| Column { image_type, shape: Shape::Plain };
    let layout = Layout {
        format: CopyFormat::Binary,
        with_ctid: false,
        columns: vec![column(23), column(25)],
        hidden: vec![],
    };
    let tuple = |number: i32, text: &str| {
        let mut tuple = 2_i16.to_be_bytes().to_vec();
        tuple.extend(4_i32.to_be_bytes());
        tuple.extend(number.to_be_bytes());
        tuple.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
        tuple.extend(text.as_bytes());
        tuple
    };
    rows(layout, &[tuple(1, "one"), tuple(2, "two"), tuple(3, "three")])
}

fn floats() -> Vec<Row> {
    let layout = Layout {
        format: CopyFormat::Text,
        with_ctid: false,
        columns: vec![Column { image_type: 25, shape: Shape::Plain }],
        hidden: vec![Hidden { column: 0, shape: Shape::Float8 }],
    };
    rows(layout, &[b"0.5\t3fe0000000000000\n".to_vec(), b"\\N\t\\N\n".to_vec()])
}

fn piece(store: &dyn Store, header: &Header, rows: &[Row], next: Option<Tid>) -> Summary {
    let mut bytes = Vec::new();
    let mut writer = PieceWriter::begin(&mut bytes, header, 3).unwrap();
    let mut builder = FrameBuilder::new(header.format).with_frames_of(40);
    for row in rows {
        if let Some(frame) = builder.push(row) {
            writer.write(&frame).unwrap();
        }
    }
    writer.write(&builder.finish(next)).unwrap();
    let (_, summary) = writer.finish(next).unwrap();
    store.put(header.file(), &bytes).unwrap();
    summary
}

fn name(name: &str) -> Name {
    Name { schema: "public".to_owned(), name: name.to_owned() }
}

fn table(oid: u32, called: &str, format: WireFormat) -> Table {
    let text = format == WireFormat::Text;
    let column = |name: &str, image_type| WireColumn {
        name: name.to_owned(),
        image_type,
        shape: WireShape::Plain,
    };
    Table {
        oid,
        name: name(called),
        written_to: name(called),
        format,
        reason: "a sample".to_owned(),
        image: if text { "sha256-text" } else { "sha256-binary" }.to_owned(),
        columns: if text {
            vec![column("value", 25)]
        } else {
            vec![column("number", 23), column("text", 25)]
        },
        hidden: if text {
            vec![WireHidden {
                column: 0,
                shape: WireShape::Float8,
                expression: "encode(float8send(value), 'hex')".to_owned(),
            }]
        } else {
            vec![]
        },
        condition: String::new(),
        heap: true,
        bytes: 8192,
        key: vec![],
    }
}

/// What [`write`] writes.
pub(crate) fn contents() -> Contents {
    let relation = |oid, called: &str| Relation {
        oid,
        name: name(called),
        kind: RelationKind::Table,
        populated: true,
        root: None,
        extension: None,
    };
    Contents {
        archive: ID,
        tool: "a test".to_owned(),
        begun: "2026-01-01T00:00:00Z".to_owned(),
        source: Source {
            system: Some("1".to_owned()),
            database_oid: 5,
            database: "sample".to_owned(),
            version: 180_000,
        },
        asked: Asked::default(),
        pg_dump: 180_000,
        entries: vec![],
        relations: vec![relation(16_400, "numbers"), relation(16_401, "floats")],
        tables: vec![
            table(16_400, "numbers", WireFormat::Binary),
            table(16_401, "floats", WireFormat::Text),
        ],
        large_objects: vec![7, 9]
            .into_iter()
            .map(|oid| LargeObject { oid, owner: "x".to_owned(), grants: None, comment: None })
            .collect(),
        locale: None,
        left_out: vec![],
    }
}

/// Writes the sample, its manifest last.
pub(crate) fn write(store: &dyn Store) -> Result<Manifest, ArchiveError> {
    let contents = contents();
    let mut files = Vec::new();
    let mut put = |name: FileName, bytes: &[u8]| {
        let (file, bytes_long) = (name.to_string(), bytes.len() as u64);
        files.push(File { file, bytes: bytes_long, sha256: Sha::of(bytes) });
        store.put(name, bytes)
    };
    put(FileName::Contents, &contents.to_document()?)?;
    let header = |number, kind, format, table, part, offset| Header {
        archive: ID,
        number,
        kind,
        format,
        table,
        part,
        start: Tid { block: 0, offset },
    };
    let (binary, text) = (WireFormat::Binary, WireFormat::Text);
    let (numbers, floats) = (numbers(), floats());
    let chunk = |oid, offset, data: &[u8]| Chunk { oid, offset, data }.to_tuple();
    let chunks =
        rows(large_object_layout(), &[chunk(7, 0, b"abc"), chunk(7, 3, b"def"), chunk(9, 0, b"")]);
    let pieces = [
        (header(1, PieceKind::Rows, binary, 0, 0, 0), &numbers[..2], numbers[2].ctid),
        (header(2, PieceKind::Rows, binary, 0, 0, 3), &numbers[2..], None),
        (header(3, PieceKind::Rows, text, 1, 1, 0), &floats[..], None),
        (header(4, PieceKind::LargeObjects, binary, 0, 0, 0), &chunks[..], None),
    ];
    let pieces = pieces
        .into_iter()
        .map(|(header, rows, next)| {
            let summary = piece(store, &header, rows, next);
            Piece {
                file: header.file().to_string(),
                bytes: summary.bytes,
                table: (header.kind == PieceKind::Rows).then_some(header.table),
                part: header.part,
                length: summary.end.length,
                rows: summary.end.digest.rows,
                lanes: summary.end.digest.to_string(),
                chain: summary.chain,
            }
        })
        .collect();
    for part in ByHand::ALL {
        put(FileName::ByHand(part), b"-- by hand\n")?;
    }
    let mut all = Sha256::new();
    for (oid, content) in [(7_u32, &b"abcdef"[..]), (9, b"")] {
        all.update(oid.to_be_bytes());
        all.update(i64::try_from(content.len()).unwrap().to_be_bytes());
        all.update(Sha256::digest(content));
    }
    let manifest = Manifest {
        archive: ID,
        finished: "2026-01-01T00:00:01Z".to_owned(),
        source: contents.source,
        consistency: "snapshot".to_owned(),
        files,
        pieces,
        sequences: vec![Sequence { name: name("ids"), value: 3, called: true }],
        large_objects: vec![Batch { objects: 2, sha256: Sha(all.finalize().into()) }],
    };
    store.put(FileName::Manifest, &manifest.to_document()?)?;
    Ok(manifest)
}
