//! The reader and the writer against what servers sent, and against a slow model.

mod damage;
mod model;
mod servers;

use bytes::Bytes;

use super::*;
use crate::layout::{Column, Hidden};
use crate::shape::Shape;
use crate::writer::{BINARY_HEADER, CopyWriter};

/// Reads a stream that arrives in these messages, in both ways that there are.
fn read<'a>(
    layout: &Layout,
    digesting: Digesting,
    messages: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Row>, Result<(), CopyError>) {
    let messages: Vec<Bytes> = messages.into_iter().map(Bytes::copy_from_slice).collect();
    let new = || RowReader::new(Arc::new(layout.clone()), digesting);
    let one_by_one = read_with(new(), &messages, |reader, rows| {
        while let Some(row) = reader.next_row()? {
            rows.push(row);
        }
        Ok(())
    });
    let shown = read_with(new(), &messages, |reader, rows| {
        reader.each_row(|row| {
            rows.push(owned(row));
            Ok(())
        })
    });
    let seen = (one_by_one.0.iter().map(|row| owned(row.into())).collect(), one_by_one.1.clone());
    assert_eq!(shown, seen);
    if digesting == Digesting::Sha256 {
        let mut sum = TableDigest::default();
        seen.0.iter().for_each(|(_, digest, ..)| sum.add_row(digest.unwrap()));
        let summed = || RowReader::new(Arc::new(layout.clone()), Digesting::Summed);
        let alone = read_sum(summed(), &messages, |reader| {
            while reader.next_row()?.is_some() {}
            Ok(())
        });
        let shown = read_sum(summed(), &messages, |reader| {
            reader.each_row(|row| {
                assert_eq!(row.digest, None);
                Ok(())
            })
        });
        assert_eq!((alone, shown), ((sum, seen.1.clone()), (sum, seen.1)));
    }
    one_by_one
}

/// The sum of the rows before the end or the first error, taken after each message.
fn read_sum(
    mut reader: RowReader,
    messages: &[Bytes],
    mut take: impl FnMut(&mut RowReader) -> Result<(), CopyError>,
) -> (TableDigest, Result<(), CopyError>) {
    let mut sum = TableDigest::default();
    for message in messages {
        let taken = reader.feed(message.clone()).and_then(|()| take(&mut reader));
        sum.add(reader.take_sum());
        assert_eq!(sum.rows, reader.rows());
        if taken.is_err() {
            return (sum, taken);
        }
    }
    (sum, reader.finish())
}

fn read_with<R>(
    mut reader: RowReader,
    messages: &[Bytes],
    mut take: impl FnMut(&mut RowReader, &mut Vec<R>) -> Result<(), CopyError>,
) -> (Vec<R>, Result<(), CopyError>) {
    let mut rows = Vec::new();
    for message in messages {
        let fed = reader.feed(message.clone());
        if let Err(error) = fed.and_then(|()| take(&mut reader, &mut rows)) {
            let again = reader.next_row();
            assert_eq!(again, Err(error.clone()), "an error has to stay");
            return (rows, Err(error));
        }
    }
    (rows, reader.finish())
}

/// All that there is to see of a row.
fn owned(row: RowRef<'_>) -> (Option<Tid>, Option<RowDigest>, Vec<RowDigest>, Vec<u8>) {
    (row.ctid, row.digest, row.projected.to_vec(), row.parts().concat())
}

/// The stream that a writer makes of these rows, and the sizes of its messages.
fn write(format: CopyFormat, rows: &[Row]) -> (Vec<u8>, Vec<usize>) {
    let mut writer = CopyWriter::new(format);
    let mut messages = Vec::new();
    for row in rows {
        writer.push(&row.tuple);
        messages.extend(std::iter::from_fn(|| writer.take_message()));
    }
    messages.extend(writer.finish());
    (messages.concat(), messages.iter().map(Bytes::len).collect())
}

fn column(image_type: u32, shape: Shape) -> Column {
    Column { image_type, shape }
}

fn text_layout(columns: usize, hidden: Vec<Hidden>) -> Layout {
    let columns = vec![column(25, Shape::Plain); columns];
    Layout { format: CopyFormat::Text, with_ctid: false, columns, hidden }
}

fn binary_layout(shapes: impl IntoIterator<Item = Shape>) -> Layout {
    let columns = shapes.into_iter().map(|shape| column(17, shape)).collect();
    Layout { format: CopyFormat::Binary, with_ctid: false, columns, hidden: Vec::new() }
}

#[test]
fn a_row_in_one_message_is_not_copied() {
    let layout = Layout { with_ctid: true, ..binary_layout([Shape::Plain]) };
    let value = vec![7; 3_000_000];
    let mut stream = Vec::from(BINARY_HEADER);
    let message = [
        &[0, 2, 0, 0, 0, 6, 0, 0, 0, 9, 0, 1][..],
        &u32::try_from(value.len()).unwrap().to_be_bytes(),
        &value,
    ]
    .concat();
    stream.extend_from_slice(&message);
    for messages in
        [vec![Bytes::from(stream)], vec![Bytes::from_static(BINARY_HEADER), Bytes::from(message)]]
    {
        let mut reader = RowReader::new(Arc::new(layout.clone()), Digesting::Sha256);
        let last = messages.last().unwrap().clone();
        let mut row = None;
        for message in messages {
            reader.feed(message).unwrap();
            row = reader.next_row().unwrap();
        }
        let row = row.unwrap();
        assert_eq!(row.ctid, Some(Tid { block: 9, offset: 1 }));
        assert_eq!(row.tuple.len(), 2 + 4 + value.len());
        let [_, body, _] = row.tuple.parts();
        assert_eq!(body.as_ptr_range().end, last.as_ptr_range().end, "copied");

        // Nor are its slices in the messages that go out, apart from what fills up the first.
        let mut writer = CopyWriter::new(CopyFormat::Binary);
        writer.push(&row.tuple);
        let out: Vec<Bytes> = std::iter::from_fn(|| writer.take_message()).collect();
        assert!(out[1..].iter().all(|slice| last.as_ptr_range().contains(&slice.as_ptr())));
        assert_eq!(
            out[1..].iter().map(Bytes::len).collect::<Vec<_>>(),
            [1 << 20, 1 << 20, 771_801]
        );
    }
}

#[test]
fn messages_have_their_size() {
    let layout = text_layout(1, Vec::new());
    for (line_bytes, lines) in [
        (600, 3000),
        (1, 400_000),
        (65_536, 40),
        (131_072, 9),
        (70_000, 30),
        (1_500_000, 4),
        (1 << 20, 3),
    ] {
        let stream: Vec<u8> = [vec![b'x'; line_bytes - 1], vec![b'\n']].concat().repeat(lines);
        let (rows, end) = read(&layout, Digesting::Off, [&stream[..]]);
        end.unwrap();
        assert_eq!(rows.len(), lines);
        let (written, mut sizes) = write(CopyFormat::Text, &rows);
        assert!(written == stream, "{line_bytes}");
        sizes.pop();
        assert!(
            sizes.iter().all(|size| (128 << 10..=1 << 20).contains(size)),
            "{line_bytes}: {sizes:?}"
        );
    }
}

#[test]
fn bytes_written_are_those_of_the_stream() {
    let (rows, end) = read(&text_layout(1, Vec::new()), Digesting::Off, [&b"a\nbc\n"[..]]);
    end.unwrap();
    for (format, expected) in [(CopyFormat::Text, [0, 2, 5]), (CopyFormat::Binary, [19, 21, 24])] {
        let mut writer = CopyWriter::new(format);
        let mut seen = vec![writer.bytes_written()];
        for row in &rows {
            writer.push(&row.tuple);
            seen.push(writer.bytes_written());
        }
        assert_eq!(seen, expected);
    }
    assert!(CopyWriter::new(CopyFormat::Text).finish().is_empty());
}

#[test]
fn no_columns() {
    let text = text_layout(0, Vec::new());
    let (rows, end) = read(&text, Digesting::Sha256, [&b"\n\n"[..]]);
    end.unwrap();
    assert_eq!(rows.len(), 2);
    // SHA-256 of four zero bytes: an image of no columns.
    assert_eq!(rows[0].digest.unwrap().to_string(), "df3f619804a92fdb4057192dc43dd748");
    assert_eq!(write(CopyFormat::Text, &rows).0, b"\n\n");

    let (rows, end) =
        read(&Layout { with_ctid: true, ..text }, Digesting::Sha256, [&b"(0,1)\n(0,2)\n"[..]]);
    end.unwrap();
    assert_eq!(rows[1].ctid, Some(Tid { block: 0, offset: 2 }));
    assert_eq!(write(CopyFormat::Text, &rows).0, b"\n\n");

    let binary = binary_layout([]);
    let stream = [BINARY_HEADER, &[0, 0, 0, 0, 0xff, 0xff][..]].concat();
    let (rows, end) = read(&binary, Digesting::Sha256, [&stream[..]]);
    end.unwrap();
    assert_eq!(rows[1].digest.unwrap().to_string(), "df3f619804a92fdb4057192dc43dd748");
    assert_eq!(write(CopyFormat::Binary, &rows).0, stream);
}

/// A row whose beginning was hashed before it turned out that its end is in the next message.
#[test]
fn what_was_hashed_in_vain_is_forgotten() {
    let layout = binary_layout([Shape::Plain, Shape::Plain]);
    let field = [&[0, 0, 0x20, 0][..], &[7; 0x2000]].concat();
    let stream = [&BINARY_HEADER[..], &[0, 2], &field, &field, &[0xff, 0xff]].concat();
    let (at_once, _) = read(&layout, Digesting::Sha256, [&stream[..]]);
    let cut_at = 21 + field.len() + 100;
    let (header_apart, _) =
        read(&layout, Digesting::Sha256, [&stream[..19], &stream[19..cut_at], &stream[cut_at..]]);
    assert_eq!(at_once.len(), 1);
    assert_eq!(at_once, header_apart);
}

/// The projected digests of each row.
fn project(layout: &Layout, stream: &[u8], projections: &[Vec<usize>]) -> Vec<Row> {
    let mut reader = RowReader::projecting(Arc::new(layout.clone()), projections);
    let (begin, end) = stream.split_at(stream.len() / 2);
    let mut rows = Vec::new();
    for message in [begin, end] {
        reader.feed(Bytes::copy_from_slice(message)).unwrap();
        while let Some(row) = reader.next_row().unwrap() {
            rows.push(row);
        }
    }
    reader.finish().unwrap();
    rows
}

#[test]
fn a_projection_is_the_digest_of_its_columns_alone() {
    let hex = "3ff0000000000000";
    let hidden = Hidden { column: 2, shape: Shape::Float8 };
    let all = Layout { with_ctid: true, ..text_layout(3, vec![hidden]) };
    let both = format!("(0,1)\ta\\tb\t\\N\t1\t{hex}\n(0,2)\tc\td\t1\t{hex}\n");
    let rows = project(&all, both.as_bytes(), &[vec![2, 0], vec![1], vec![]]);
    let only = |layout: &Layout, text: &str| {
        let (rows, end) = read(layout, Digesting::Sha256, [text.as_bytes()]);
        end.unwrap();
        rows.iter().map(|row| row.digest.unwrap()).collect::<Vec<_>>()
    };
    let pair = text_layout(2, vec![Hidden { column: 1, shape: Shape::Float8 }]);
    let pair = only(&pair, &format!("a\\tb\t1\t{hex}\nc\t1\t{hex}\n"));
    let middle = only(&text_layout(1, Vec::new()), "\\N\nd\n");
    let none = only(&text_layout(0, Vec::new()), "\n\n");
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row.projected, [pair[at], middle[at], none[at]]);
    }
    // The row itself is what it is without projections.
    let (plain, _) = read(&all, Digesting::Sha256, [both.as_bytes()]);
    let digests = |rows: &[Row]| rows.iter().map(|row| row.digest).collect::<Vec<_>>();
    assert_eq!(digests(&rows), digests(&plain));
}

#[test]
fn a_projection_onto_nothing_is_an_error() {
    let layout = Arc::new(text_layout(2, Vec::new()));
    let mut reader = RowReader::projecting(layout, &[vec![0], vec![2]]);
    let problem = CopyProblem::Layout(LayoutError::ProjectionOfNothing { column: 2 });
    assert_eq!(reader.next_row().unwrap_err().problem, problem);
}
