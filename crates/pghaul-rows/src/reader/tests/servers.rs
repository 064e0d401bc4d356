//! Streams and digests that servers made; `every.sql` says how.

use super::*;
use crate::shape::Geometry;

const BINARY: [&[u8]; 2] = [include_bytes!("every-9.6.binary"), include_bytes!("every-18.binary")];

const TEXT: [&[u8]; 2] = [include_bytes!("every-9.6.text"), include_bytes!("every-18.text")];

/// Rows 1, 2 and 4; row 3 is row 4 with other NaNs.
const BINARY_DIGESTS: [&str; 3] = [
    "8a574e28ad41bb057055034e0bf428b7",
    "4613b5e88f530aec833e3f3244590b18",
    "891e945e4821c1cd36d4cb513d5e2945",
];

const TEXT_DIGESTS: [&str; 3] = [
    "d64e85f80bffbef841d1ddb4722f9aa4",
    "4f66f76a2632b047f71d6f29f0009b31",
    "6652fd263fb38fd68f06e427845dd1e8",
];

fn floats() -> [(usize, Shape); 10] {
    let pair = vec![Shape::Float8, Shape::Plain, Shape::Plain];
    [
        (4, Shape::Float4),
        (5, Shape::Float8),
        (13, Shape::Array(Box::new(Shape::Float8))),
        (15, Shape::Geometry(Geometry::Point)),
        (16, Shape::Geometry(Geometry::Path)),
        (17, Shape::Geometry(Geometry::Polygon)),
        (18, Shape::Geometry(Geometry::Circle)),
        (19, Shape::Geometry(Geometry::Line)),
        (20, Shape::Range(Box::new(Shape::Float8))),
        (22, Shape::Record(pair)),
    ]
}

fn binary() -> Layout {
    let types = [
        23, 16, 25, 1700, 700, 701, 1184, 2950, 3802, 869, 17, 1042, 1007, 1022, 3906, 600, 602,
        604, 718, 628, 17, 1009, 17,
    ];
    let mut columns: Vec<Column> = types.map(|oid| column(oid, Shape::Plain)).into();
    columns[12].shape = Shape::Array(Box::new(Shape::Plain));
    columns[14].shape = Shape::Range(Box::new(Shape::Plain));
    columns[21].shape = Shape::Array(Box::new(Shape::Plain));
    for (at, shape) in floats() {
        columns[at].shape = shape;
    }
    Layout { format: CopyFormat::Binary, with_ctid: false, columns, hidden: Vec::new() }
}

fn digests(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.digest.unwrap().to_string()).collect()
}

#[test]
fn binary_digests_are_those_of_record_send() {
    for stream in BINARY {
        let (rows, end) = read(&binary(), Digesting::Sha256, [stream]);
        end.unwrap();
        let [first, second, last] = BINARY_DIGESTS;
        assert_eq!(digests(&rows), [first, second, last, last]);
        assert_eq!(write(CopyFormat::Binary, &rows).0, stream);
    }
}

#[test]
fn text_digests_are_those_of_format() {
    let hidden = floats().map(|(column, shape)| Hidden { column, shape });
    let layout = Layout { with_ctid: true, ..text_layout(23, hidden.into()) };
    let mut ctids = Vec::new();
    let mut written = Vec::new();
    for stream in TEXT {
        let (rows, end) = read(&layout, Digesting::Sha256, [stream]);
        end.unwrap();
        let [first, second, last] = TEXT_DIGESTS;
        assert_eq!(digests(&rows), [first, second, last, last]);
        ctids.extend(rows.iter().map(|row| row.ctid.unwrap().to_string()));
        written.push(write(CopyFormat::Text, &rows).0);
    }
    assert_eq!(ctids, ["(0,1)", "(0,2)", "(0,3)", "(0,4)", "(0,1)", "(0,2)", "(0,3)", "(0,4)"]);
    // What is passed on has no ctid and no hidden fields: 23 columns.
    for stream in written {
        let lines = std::str::from_utf8(&stream).unwrap().lines();
        for line in lines {
            assert_eq!(line.split('\t').count(), 23);
            assert!(
                line.starts_with("1\tt") || line.starts_with("-1\tf") || line.starts_with("\\N")
            );
        }
        assert!(stream.ends_with(b"\n"));
    }
}
