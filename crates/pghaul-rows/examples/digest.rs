//! Checks digests by hand against a server, which computes them with `record_send`.
//!
//! ```sh
//! psql -c 'copy t to stdout (format binary)' | cargo run --example digest -- binary 23 25 701
//! psql -c 'copy t to stdout' | cargo run --example digest -- text 23 25
//! ```
//!
//! The numbers are the OIDs of the columns' types, built-in ones. It prints what this gives (from
//! Postgres 11 on; in text, `format('%s', c)` for each column that is not NULL):
//!
//! ```sql
//! select count(*), sum(('x' || substr(h, 1, 16))::bit(64)::bigint),
//!     sum(('x' || substr(h, 17, 16))::bit(64)::bigint)
//! from (select encode(sha256(record_send(row(a, b, c))), 'hex') h from t) x;
//! ```
//!
//! modulo 2^64 and with sign.
#![expect(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use pghaul_rows::{Column, CopyFormat, Digesting, Layout, RowReader, Shape, TableDigest};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let format = match args.next().as_deref() {
        Some("binary") => CopyFormat::Binary,
        Some("text") => CopyFormat::Text,
        _ => return Err("usage: digest binary|text OID…".into()),
    };
    let column = |oid: String| {
        let image_type = oid.parse()?;
        let float8s = |shape: fn(Box<Shape>) -> Shape| shape(Box::new(Shape::Float8));
        let shape = match image_type {
            700 => Shape::Float4,
            701 => Shape::Float8,
            1022 => float8s(Shape::Array),
            _ => Shape::Plain,
        };
        Ok::<_, std::num::ParseIntError>(Column { image_type, shape })
    };
    let columns = args.map(column).collect::<Result<_, _>>()?;
    let layout = Arc::new(Layout { format, with_ctid: false, columns, hidden: Vec::new() });
    let mut reader = RowReader::new(layout, Digesting::Sha256);
    let mut table = TableDigest::default();
    let mut stdin = std::io::stdin().lock();
    loop {
        let mut buffer = vec![0; 100_000];
        let length = stdin.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        buffer.truncate(length);
        reader.feed(Bytes::from(buffer))?;
        while let Some(row) = reader.next_row()? {
            row.digest.into_iter().for_each(|digest| table.add_row(digest));
        }
    }
    reader.finish()?;
    let [rows, first, second] = table.to_i64s();
    println!("{rows} {first} {second}");
    Ok(())
}
