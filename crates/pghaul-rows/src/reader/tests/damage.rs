//! Streams that are wrong in one named way each.

use super::*;
use crate::layout::LayoutError;
use crate::shape::{Geometry, ShapeError, ShapeProblem};
use crate::writer::BINARY_HEADER;

/// Problem, row and offset of a stream that has to fail.
fn verdict(layout: &Layout, stream: &[u8]) -> (CopyProblem, u64, u64) {
    let (_, whole) = read(layout, Digesting::Sha256, [stream]);
    let (_, in_bytes) = read(layout, Digesting::Sha256, stream.chunks(1));
    let error = whole.unwrap_err();
    assert_eq!(in_bytes.unwrap_err(), error);
    (error.problem, error.row, error.offset)
}

fn after_header(bytes: &[u8]) -> Vec<u8> {
    [BINARY_HEADER, bytes].concat()
}

#[test]
fn headers() {
    let layout = binary_layout([Shape::Plain]);
    let with = |at: usize, bytes: &[u8]| {
        let mut header = BINARY_HEADER.to_vec();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        header
    };
    assert_eq!(verdict(&layout, &with(6, b"\r")), (CopyProblem::Signature, 1, 0));
    assert_eq!(
        verdict(&layout, b"1\t2\n3\t4\n5\t6\n7\t8\n9\t10\n"),
        (CopyProblem::Signature, 1, 0)
    );
    assert_eq!(verdict(&layout, &with(11, &[0, 1, 0, 0])), (CopyProblem::Oids, 1, 11));
    let flags = CopyProblem::Flags { flags: 0x8000_0000 };
    assert_eq!(verdict(&layout, &with(11, &[0x80, 0, 0, 0])), (flags, 1, 11));
    let extension = CopyProblem::HeaderExtension { length: -1 };
    assert_eq!(verdict(&layout, &with(15, &[0xff; 4])), (extension, 1, 15));
    // Flags that are not critical, and an extension area, are passed over.
    let mut stream = with(11, &[0, 0, 0xff, 0xff, 0, 0, 0, 3]);
    stream.extend_from_slice(&[1, 2, 3, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    for size in [1, 5, 100] {
        let (rows, end) = read(&layout, Digesting::Sha256, stream.chunks(size));
        end.unwrap();
        assert_eq!(rows.len(), 1);
    }
    // The area ends too early.
    assert_eq!(verdict(&layout, &stream[..21]), (CopyProblem::Truncated, 1, 21));
    assert_eq!(verdict(&layout, b""), (CopyProblem::Truncated, 1, 0));
}

#[test]
fn binary_rows() {
    let layout = binary_layout([Shape::Plain, Shape::Plain]);
    let null = [0xff; 4];
    let row = [&[0, 2][..], &null, &null].concat();
    let stream = |bytes: &[u8]| after_header(&[&row, bytes].concat());
    let count = |found| CopyProblem::FieldCount { expected: 2, found };
    assert_eq!(verdict(&layout, &stream(&[0, 3])), (count(3), 2, 29));
    assert_eq!(verdict(&layout, &stream(&[0xff, 0xfe])), (count(-2), 2, 29));
    assert_eq!(verdict(&layout, &stream(&[])), (CopyProblem::NoTrailer, 2, 29));
    assert_eq!(verdict(&layout, &stream(&[0])), (CopyProblem::Truncated, 2, 29));
    assert_eq!(verdict(&layout, &stream(&[0xff, 0xff, 0])), (CopyProblem::AfterTrailer, 2, 31));
    for (length, bytes) in [(-2, [0xff, 0xff, 0xff, 0xfe]), (0x4000_0000, [0x40, 0, 0, 0])] {
        let second = [&[0, 2][..], &null, &bytes].concat();
        let problem = CopyProblem::FieldLength { column: 2, length };
        assert_eq!(verdict(&layout, &stream(&second)), (problem, 2, 35));
    }
    let layout = Layout { with_ctid: true, ..layout };
    for ctid in [&[0, 0, 0, 5, 0, 0, 0, 0, 0][..], &null] {
        let stream = after_header(&[&[0, 3][..], ctid, &null, &null].concat());
        assert_eq!(verdict(&layout, &stream), (CopyProblem::Ctid, 1, 21));
    }
}

#[test]
fn text_rows() {
    let two = text_layout(2, Vec::new());
    let count = |found| CopyProblem::FieldCount { expected: 2, found };
    for (stream, expected) in [
        (&b"a\tb\na\n"[..], (count(1), 2, 4)),
        (b"a\tb\tc\n", (count(3), 1, 0)),
        (b"a\tb\t\n", (count(3), 1, 0)),
        (b"\n", (count(1), 1, 0)),
        (b"a\tb", (CopyProblem::Truncated, 1, 0)),
        (b"a\tb\na", (CopyProblem::Truncated, 2, 4)),
        (b"a\t\\x\n", (CopyProblem::Escape { column: 2 }, 1, 2)),
        (b"a\tb\\\n", (CopyProblem::Escape { column: 2 }, 1, 3)),
        (b"\\.\tb\n", (CopyProblem::Escape { column: 1 }, 1, 0)),
        (b"a\\N\tb\n", (CopyProblem::Escape { column: 1 }, 1, 1)),
        (b"\\Na\tb\n", (CopyProblem::Escape { column: 1 }, 1, 0)),
        (b"\\N\\N\tb\n", (CopyProblem::Escape { column: 1 }, 1, 0)),
        (b"a\tb\r\n", (CopyProblem::CarriageReturn, 1, 3)),
    ] {
        assert_eq!(verdict(&two, stream), expected, "{}", stream.escape_ascii());
    }
    let none = text_layout(0, Vec::new());
    let count = |found| CopyProblem::FieldCount { expected: 0, found };
    assert_eq!(verdict(&none, b"a\n"), (count(1), 1, 0));
    assert_eq!(verdict(&none, b"\t\n"), (count(1), 1, 0));
    let ctid = Layout { with_ctid: true, ..text_layout(1, Vec::new()) };
    assert_eq!(verdict(&ctid, b"(0,1)\ta\n\\N\ta\n"), (CopyProblem::Ctid, 2, 8));
    assert_eq!(verdict(&ctid, b"(0,1)\t\\.\n"), (CopyProblem::Escape { column: 1 }, 1, 6));
}

#[test]
fn hidden_fields() {
    let hidden = vec![Hidden { column: 1, shape: Shape::Float4 }];
    let layout = text_layout(2, hidden);
    let value =
        |offset, problem| CopyProblem::Value { column: 2, source: ShapeError { offset, problem } };
    for (stream, expected) in [
        (&b"a\t1\t\\N\n"[..], (CopyProblem::HiddenNull { column: 2 }, 1, 4)),
        (b"a\t\\N\t3f800000\n", (CopyProblem::HiddenNull { column: 2 }, 1, 5)),
        (b"a\t1\t3f80000\n", (value(3, ShapeProblem::NotHex), 1, 10)),
        (b"a\t1\t3f8000A0\n", (value(3, ShapeProblem::NotHex), 1, 10)),
        (b"a\t1\t3f8000\n", (value(0, ShapeProblem::TooShort), 1, 4)),
        (b"a\t1\t3f80000000\n", (value(4, ShapeProblem::TooLong), 1, 12)),
        (b"a\t1\t3f80\\\\00\n", (value(2, ShapeProblem::NotHex), 1, 8)),
    ] {
        assert_eq!(verdict(&layout, stream), expected, "{}", stream.escape_ascii());
    }
}

#[test]
fn values() {
    let array = || Shape::Array(Box::new(Shape::Float4));
    let range = || Shape::Range(Box::new(Shape::Float4));
    let words =
        |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    for (shape, value, offset, problem) in [
        (Shape::Float4, vec![0; 3], 0, ShapeProblem::TooShort),
        (Shape::Float4, vec![0; 5], 4, ShapeProblem::TooLong),
        (Shape::Float8, vec![0; 4], 0, ShapeProblem::TooShort),
        (array(), words(&[7, 0, 23]), 0, ShapeProblem::Dimensions),
        (array(), words(&[u32::MAX, 0, 23]), 0, ShapeProblem::Dimensions),
        (array(), words(&[0, 2, 23]), 4, ShapeProblem::Flags),
        (array(), words(&[0, 0]), 8, ShapeProblem::TooShort),
        (array(), words(&[0, 0, 23, 4]), 12, ShapeProblem::TooLong),
        (array(), words(&[1, 0, 23, 1, 1]), 20, ShapeProblem::TooShort),
        (array(), words(&[1, 0, 23, u32::MAX, 1]), 12, ShapeProblem::NegativeLength),
        (array(), words(&[2, 0, 23, 1 << 30, 1, 1 << 30, 1, 4, 0]), 36, ShapeProblem::TooShort),
        (array(), words(&[1, 0, 23, 1, 1, 8, 0, 0]), 28, ShapeProblem::TooLong),
        (array(), words(&[1, 0, 23, 1, 1, 8, 0]), 24, ShapeProblem::TooShort),
        (array(), words(&[1, 0, 23, 1, 1, 0xffff_fffe]), 20, ShapeProblem::NegativeLength),
        (range(), vec![], 0, ShapeProblem::TooShort),
        (range(), vec![0x20], 0, ShapeProblem::Flags),
        (range(), vec![0x01, 0], 1, ShapeProblem::TooLong),
        (range(), vec![0x10], 1, ShapeProblem::TooShort),
        (range(), vec![0x10, 0xff, 0xff, 0xff, 0xff], 5, ShapeProblem::Null),
        (Shape::Multirange(Box::new(Shape::Float4)), words(&[1, u32::MAX]), 8, ShapeProblem::Null),
        (
            Shape::Multirange(Box::new(Shape::Plain)),
            vec![0, 0, 0, 1, 0, 0, 0, 2, 1, 1],
            9,
            ShapeProblem::TooLong,
        ),
        (Shape::Record(vec![Shape::Plain]), words(&[0]), 0, ShapeProblem::FieldCount),
        (Shape::Record(vec![Shape::Plain]), words(&[1, 23]), 8, ShapeProblem::TooShort),
        (Shape::Geometry(Geometry::Point), vec![0; 24], 16, ShapeProblem::TooLong),
        (Shape::Geometry(Geometry::Path), words(&[0, 0]), 5, ShapeProblem::TooLong),
        (Shape::Geometry(Geometry::Polygon), words(&[u32::MAX]), 0, ShapeProblem::NegativeLength),
        (
            Shape::Geometry(Geometry::Polygon),
            words(&[0x7fff_ffff, 0, 0, 0]),
            12,
            ShapeProblem::TooShort,
        ),
        (Shape::Geometry(Geometry::Cube), words(&[0x7fff_ffff, 0, 0]), 12, ShapeProblem::TooShort),
    ] {
        let layout = binary_layout([shape.clone()]);
        let length = u32::try_from(value.len()).unwrap();
        let stream =
            after_header(&[&[0, 1][..], &words(&[length]), &value, &[0xff, 0xff]].concat());
        let source = ShapeError { offset, problem };
        let expected = (CopyProblem::Value { column: 1, source }, 1, 25 + offset as u64);
        assert_eq!(verdict(&layout, &stream), expected, "{shape:?} {value:x?}");
    }
}

#[test]
fn rows_that_are_too_long() {
    let text = text_layout(1, Vec::new());
    let fits = b"0123456\n0123456\n";
    let field = [0, 0, 0, 2, 1, 1];
    let binary = binary_layout([Shape::Plain, Shape::Plain]);
    let binary_fits = after_header(&[&[0, 2][..], &field, &field, &[0xff, 0xff]].concat());
    let binary_too_long = after_header(&[&[0, 2][..], &field, &[0, 0, 0, 3, 1, 1, 1]].concat());
    for (layout, limit, stream, row) in [
        (&text, 8, &fits[..], None),
        (&text, 7, fits, Some(1)),
        (&text, 7, b"01234567", Some(1)),
        (&text, 8, b"a\n01234567\n", Some(2)),
        (&binary, 14, &binary_fits, None),
        (&binary, 14, &binary_too_long, Some(1)),
    ] {
        for size in [1, 5, 100] {
            let mut reader = RowReader::new(Arc::new(layout.clone()), Digesting::Off);
            reader.straddling = Straddling::new(limit);
            let mut error = None;
            for message in stream.chunks(size) {
                reader.feed(Bytes::copy_from_slice(message)).unwrap();
                while error.is_none() && reader.next_row().map_err(|e| error = Some(e)) != Ok(None)
                {
                }
                if error.is_some() {
                    break;
                }
            }
            let found = error.as_ref().map(|error| (error.problem.clone(), error.row));
            assert_eq!(found, row.map(|row| (CopyProblem::RowTooLong, row)), "{size}");
        }
    }
}

#[test]
fn rows_left_unread() {
    let mut reader = RowReader::new(Arc::new(text_layout(1, Vec::new())), Digesting::Off);
    reader.feed(Bytes::from_static(b"a\nb\n")).unwrap();
    reader.next_row().unwrap().unwrap();
    assert_eq!(reader.finish().unwrap_err().problem, CopyProblem::Unread);
}

#[test]
fn layouts() {
    let hidden = |column| Hidden { column, shape: Shape::Float8 };
    let binary = Layout { hidden: vec![hidden(0)], ..binary_layout([Shape::Float8]) };
    for (layout, expected) in [
        (text_layout(40_000, Vec::new()), LayoutError::TooManyFields { fields: 40_000 }),
        (text_layout(1, vec![hidden(1)]), LayoutError::HiddenOfNothing { column: 1 }),
        (text_layout(2, vec![hidden(1), hidden(1)]), LayoutError::HiddenTwice { column: 1 }),
        (binary, LayoutError::HiddenInBinary),
    ] {
        assert_eq!(verdict(&layout, b"a\n").0, CopyProblem::Layout(expected));
    }
}
