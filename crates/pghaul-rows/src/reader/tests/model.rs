//! A slow model of values, streams and images, written against the manual and not against the
//! reader; random tables have to come out of the reader as the model says.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sha2::{Digest, Sha256};

use super::*;
use crate::shape::Geometry;

/// A value of some shape.
#[derive(Debug, Clone)]
enum Value {
    Plain(Vec<u8>),
    Float4(u32),
    Float8(u64),
    Array { lengths: Vec<i32>, element_type: u32, elements: Vec<Option<Value>> },
    Range { flags: u8, bounds: Vec<Value> },
    Multirange(Vec<Value>),
    Record(Vec<(u32, Option<Value>)>),
    Geometry { prefix: Vec<u8>, floats: Vec<u64> },
}

/// Which form of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Sent,
    Canonical,
}

fn float4(bits: u32, form: Form) -> u32 {
    // Exponent all ones and any bit of the fraction: a NaN (IEEE 754).
    let nan = bits >> 23 & 0xff == 0xff && bits & 0x007f_ffff != 0;
    if nan && form == Form::Canonical { 0x7fc0_0000 } else { bits }
}

fn float8(bits: u64, form: Form) -> u64 {
    let nan = bits >> 52 & 0x7ff == 0x7ff && bits & 0x000f_ffff_ffff_ffff != 0;
    if nan && form == Form::Canonical { 0x7ff8_0000_0000_0000 } else { bits }
}

fn oid(oid: u32, form: Form) -> [u8; 4] {
    if oid >= 10_000 && form == Form::Canonical { 25 } else { oid }.to_be_bytes()
}

fn int(number: usize) -> [u8; 4] {
    i32::try_from(number).unwrap().to_be_bytes()
}

fn counted(value: Option<Vec<u8>>) -> Vec<u8> {
    match value {
        Some(bytes) => [&int(bytes.len())[..], &bytes].concat(),
        None => vec![0xff; 4],
    }
}

impl Value {
    fn bytes(&self, form: Form) -> Vec<u8> {
        let nested = |value: &Option<Value>| counted(value.as_ref().map(|v| v.bytes(form)));
        match self {
            Self::Plain(bytes) => bytes.clone(),
            Self::Float4(bits) => float4(*bits, form).to_be_bytes().into(),
            Self::Float8(bits) => float8(*bits, form).to_be_bytes().into(),
            Self::Array { lengths, element_type, elements } => {
                let mut bytes = Vec::from(int(lengths.len()));
                let has_null = elements.iter().any(Option::is_none);
                bytes.extend(int(usize::from(has_null)));
                bytes.extend(oid(*element_type, form));
                for length in lengths {
                    bytes.extend(length.to_be_bytes());
                    bytes.extend((-7_i32).to_be_bytes());
                }
                bytes.extend(elements.iter().flat_map(nested));
                bytes
            }
            Self::Range { flags, bounds } => {
                let mut bytes = vec![*flags];
                bytes.extend(bounds.iter().flat_map(|bound| counted(Some(bound.bytes(form)))));
                bytes
            }
            Self::Multirange(ranges) => {
                let mut bytes = Vec::from(int(ranges.len()));
                bytes.extend(ranges.iter().flat_map(|range| counted(Some(range.bytes(form)))));
                bytes
            }
            Self::Record(fields) => {
                let mut bytes = Vec::from(int(fields.len()));
                for (field_type, value) in fields {
                    bytes.extend(oid(*field_type, form));
                    bytes.extend(nested(value));
                }
                bytes
            }
            Self::Geometry { prefix, floats } => {
                let mut bytes = prefix.clone();
                bytes.extend(floats.iter().flat_map(|bits| float8(*bits, form).to_be_bytes()));
                bytes
            }
        }
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    use Geometry::{Box as Rectangle, Circle, Cube, Line, LineSegment, Path, Point, Polygon};
    let geometries = vec![Point, Line, LineSegment, Rectangle, Path, Polygon, Circle, Cube];
    let leaf = prop_oneof![
        3 => Just(Shape::Plain),
        2 => Just(Shape::Float4),
        2 => Just(Shape::Float8),
        2 => select(geometries).prop_map(Shape::Geometry),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|shape| Shape::Array(Box::new(shape))),
            inner.clone().prop_map(|shape| Shape::Range(Box::new(shape))),
            inner.clone().prop_map(|shape| Shape::Multirange(Box::new(shape))),
            vec(inner, 0..3).prop_map(Shape::Record),
        ]
    })
}

fn bits4() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), select(vec![0xffc0_0000, 0x7fc0_0000, 0x7f80_0001, 0xff80_0000, 0])]
}

fn bits8() -> impl Strategy<Value = u64> {
    let special = [0xfff8 << 48, 0x7ff8 << 48, (0x7ff << 52) + 1, 0xfff << 52, 1 << 63];
    prop_oneof![any::<u64>(), select(special.to_vec())]
}

fn types() -> impl Strategy<Value = u32> {
    select(vec![23, 701, 9_999, 10_000, 16_385, u32::MAX])
}

fn values(shape: &Shape) -> BoxedStrategy<Value> {
    let nullable = |shape: &Shape| proptest::option::weighted(0.8, values(shape));
    match shape {
        Shape::Plain => prop_oneof![
            9 => vec(any::<u8>(), 0..40),
            1 => vec(any::<u8>(), 3_000..9_000),
        ]
        .prop_map(Value::Plain)
        .boxed(),
        Shape::Float4 => bits4().prop_map(Value::Float4).boxed(),
        Shape::Float8 => bits8().prop_map(Value::Float8).boxed(),
        Shape::Array(element) => {
            let lengths = prop_oneof![
                Just(vec![]),
                (0..4_i32).prop_map(|n| vec![n]),
                (1..3_i32, 1..3_i32).prop_map(|(n, m)| vec![n, m]),
            ];
            (lengths, types(), vec(nullable(element), 4))
                .prop_map(|(lengths, element_type, mut elements)| {
                    let count: i32 = lengths.iter().product();
                    let count = if lengths.is_empty() { 0 } else { count };
                    elements.truncate(usize::try_from(count).unwrap());
                    Value::Array { lengths, element_type, elements }
                })
                .boxed()
        }
        Shape::Range(subtype) => (0..32_u8, vec(values(subtype), 2))
            .prop_map(|(flags, mut bounds)| {
                // Empty, or without the lower or the upper bound: 0x01, 0x08, 0x10.
                let absent = u8::from(flags & 0x08 != 0) + u8::from(flags & 0x10 != 0);
                bounds.truncate(if flags & 0x01 != 0 { 0 } else { 2 - usize::from(absent) });
                Value::Range { flags, bounds }
            })
            .boxed(),
        Shape::Multirange(subtype) => {
            vec(values(&Shape::Range(subtype.clone())), 0..3).prop_map(Value::Multirange).boxed()
        }
        Shape::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(|field| (types(), nullable(field))).collect();
            fields.prop_map(Value::Record).boxed()
        }
        Shape::Geometry(geometry) => {
            let points = |points: usize| (Vec::from(int(points)), 2 * points);
            let geometry = *geometry;
            (0..4_usize)
                .prop_flat_map(move |n| {
                    let (prefix, floats) = match geometry {
                        Geometry::Point => (vec![], 2),
                        Geometry::Line | Geometry::Circle => (vec![], 3),
                        Geometry::LineSegment | Geometry::Box => (vec![], 4),
                        Geometry::Polygon => points(n),
                        Geometry::Path => {
                            let (count, floats) = points(n);
                            ([vec![1], count].concat(), floats)
                        }
                        Geometry::Cube if n % 2 == 0 => (int(n).into(), 2 * n),
                        Geometry::Cube => {
                            let mut header = int(n);
                            header[0] |= 0x80;
                            (header.into(), n)
                        }
                    };
                    (Just(prefix), vec(bits8(), floats))
                })
                .prop_map(|(prefix, floats)| Value::Geometry { prefix, floats })
                .boxed()
        }
    }
}

/// A column's value, with a text that stands for it in text streams.
type Cell = Option<(String, Value)>;

#[derive(Debug, Clone)]
struct Table {
    layout: Layout,
    rows: Vec<(Tid, Vec<Cell>)>,
}

fn tables() -> impl Strategy<Value = Table> {
    let columns = vec((types(), shapes(), any::<bool>()), 0..5);
    (any::<bool>(), any::<bool>(), columns).prop_flat_map(|(text, with_ctid, columns)| {
        let mut hidden: Vec<Hidden> = columns
            .iter()
            .enumerate()
            .filter(|(_, column)| text && column.2)
            .map(|(column, (_, shape, _))| Hidden { column, shape: shape.clone() })
            .collect();
        hidden.reverse();
        let layout = Layout {
            format: if text { CopyFormat::Text } else { CopyFormat::Binary },
            with_ctid,
            columns: columns.iter().map(|(oid, shape, _)| column(*oid, shape.clone())).collect(),
            hidden,
        };
        let texts = || prop_oneof![any::<String>(), "[\\x08-\\x0dN\\\\.]{0,6}"];
        let cells: Vec<_> = columns
            .iter()
            .map(|(_, shape, _)| proptest::option::weighted(0.8, (texts(), values(shape))))
            .collect();
        let tids = (any::<u32>(), any::<u16>()).prop_map(|(block, offset)| Tid { block, offset });
        let rows = vec((tids, cells), 0..5);
        rows.prop_map(move |rows| Table { layout: layout.clone(), rows })
    })
}

/// COPY's escapes, as the manual lists them.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\u{8}' => escaped += "\\b",
            '\u{c}' => escaped += "\\f",
            '\n' => escaped += "\\n",
            '\r' => escaped += "\\r",
            '\t' => escaped += "\\t",
            '\u{b}' => escaped += "\\v",
            '\\' => escaped += "\\\\",
            other => escaped.push(other),
        }
    }
    escaped
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Table {
    /// The tuple of a row: as the server sends it, or as it is passed on.
    fn tuple(&self, row: usize, passed_on: bool) -> Vec<u8> {
        let (ctid, cells) = &self.rows[row];
        let with_ctid = self.layout.with_ctid && !passed_on;
        if self.layout.format == CopyFormat::Binary {
            let mut fields: Vec<_> = cells
                .iter()
                .map(|cell| counted(cell.as_ref().map(|(_, value)| value.bytes(Form::Sent))))
                .collect();
            if with_ctid {
                let ctid = [&ctid.block.to_be_bytes()[..], &ctid.offset.to_be_bytes()].concat();
                fields.insert(0, counted(Some(ctid)));
            }
            let count = i16::try_from(fields.len()).unwrap().to_be_bytes();
            return [&count[..], &fields.concat()].concat();
        }
        let field = |text: Option<String>| text.unwrap_or_else(|| "\\N".to_owned());
        let mut fields: Vec<String> = Vec::new();
        if with_ctid {
            fields.push(format!("({},{})", ctid.block, ctid.offset));
        }
        fields.extend(cells.iter().map(|cell| field(cell.as_ref().map(|cell| escape(&cell.0)))));
        if !passed_on {
            fields.extend(self.layout.hidden.iter().map(|hidden| {
                let cell = cells[hidden.column].as_ref();
                field(cell.map(|cell| hex(&cell.1.bytes(Form::Sent))))
            }));
        }
        (fields.join("\t") + "\n").into_bytes()
    }

    fn stream(&self, passed_on: bool) -> Vec<u8> {
        let tuples = (0..self.rows.len()).flat_map(|row| self.tuple(row, passed_on));
        if self.layout.format == CopyFormat::Text {
            return tuples.collect();
        }
        let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
        header.iter().copied().chain(tuples).chain([0xff, 0xff]).collect()
    }

    fn image(&self, row: usize) -> Vec<u8> {
        let cells = &self.rows[row].1;
        let mut image = Vec::from(int(cells.len()));
        for (index, cell) in cells.iter().enumerate() {
            let payload = cell.as_ref().map(|(text, value)| {
                let canonical = value.bytes(Form::Canonical);
                let is_hidden = self.layout.hidden.iter().any(|hidden| hidden.column == index);
                match self.layout.format {
                    CopyFormat::Binary => canonical,
                    CopyFormat::Text if is_hidden => hex(&canonical).into_bytes(),
                    CopyFormat::Text => text.clone().into_bytes(),
                }
            });
            let image_type = match self.layout.format {
                CopyFormat::Binary => self.layout.columns[index].image_type,
                CopyFormat::Text => 25,
            };
            image.extend(image_type.to_be_bytes());
            image.extend(counted(payload));
        }
        image
    }
}

/// Cuts bytes into messages of these sizes, over and over; empty ones too.
fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut messages = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let (message, others) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        messages.push(message);
        rest = others;
    }
    messages
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![usize::MAX]),
        Just(vec![1]),
        vec(prop_oneof![0..30_usize, 0..3_000_usize], 1..6).prop_map(|mut sizes| {
            sizes.push(1);
            sizes
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_out_as_the_model_says(table in tables(), sizes in cuts(), digesting: bool) {
        let digesting = if digesting { Digesting::Sha256 } else { Digesting::Off };
        let stream = table.stream(false);
        let (rows, end) = read(&table.layout, digesting, cut(&stream, &sizes));
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(rows.len(), table.rows.len());
        for (index, row) in rows.iter().enumerate() {
            let ctid = table.layout.with_ctid.then_some(table.rows[index].0);
            prop_assert_eq!(row.ctid, ctid);
            let hash = Sha256::digest(table.image(index));
            let digest = (digesting == Digesting::Sha256).then(|| hex(&hash[..16]));
            prop_assert_eq!(row.digest.map(|digest| digest.to_string()), digest);
            let tuple = table.tuple(index, true);
            prop_assert_eq!(row.tuple.len(), tuple.len());
            prop_assert_eq!(row.tuple.to_bytes(), tuple);
        }
        prop_assert_eq!(write(table.layout.format, &rows).0, table.stream(true));
    }

    /// Any number of messages may be fed before rows are taken.
    #[test]
    fn feeding_ahead_changes_nothing(table in tables(), sizes in cuts()) {
        let stream = table.stream(false);
        let (expected, _) = read(&table.layout, Digesting::Sha256, [&stream[..]]);
        let mut reader = RowReader::new(Arc::new(table.layout.clone()), Digesting::Sha256);
        for message in cut(&stream, &sizes) {
            reader.feed(Bytes::copy_from_slice(message)).unwrap();
        }
        let rows: Vec<Row> = std::iter::from_fn(|| reader.next_row().unwrap()).collect();
        prop_assert_eq!(rows, expected);
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    /// A stream cut short is an error, unless it is text and cut between rows.
    #[test]
    fn every_truncation_is_noticed(table in tables(), sizes in cuts(), at: prop::sample::Index) {
        let stream = table.stream(false);
        let cut_at = at.index(stream.len() + 1);
        let short = &stream[..cut_at];
        let (rows, end) = read(&table.layout, Digesting::Sha256, cut(short, &sizes));
        let between_rows = (0..=table.rows.len())
            .any(|rows| (0..rows).map(|row| table.tuple(row, false).len()).sum::<usize>() == cut_at);
        let whole = match table.layout.format {
            CopyFormat::Text => between_rows,
            CopyFormat::Binary => cut_at == stream.len(),
        };
        prop_assert_eq!(end.is_ok(), whole, "{:?}", end);
        prop_assert!(rows.len() <= table.rows.len());
    }

    /// Damage never panics, and is judged the same however the stream was cut.
    #[test]
    fn damage_is_judged_alike(
        table in tables(),
        sizes in cuts(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut stream = table.stream(false);
        if stream.is_empty() {
            return Ok(());
        }
        for (at, byte) in damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        for digesting in [Digesting::Sha256, Digesting::Off] {
            let (rows, end) = read(&table.layout, digesting, cut(&stream, &sizes));
            let (rows_at_once, end_at_once) = read(&table.layout, digesting, [&stream[..]]);
            prop_assert_eq!(rows, rows_at_once);
            let problem = |end: &Result<(), CopyError>| end.as_ref().err().map(|e| e.problem.clone());
            // Of a row that never becomes whole, more may be seen when it comes in one message.
            if problem(&end) == Some(CopyProblem::Truncated) {
                prop_assert!(end_at_once.is_err());
            } else {
                prop_assert_eq!(end, end_at_once);
            }
        }
    }
}
