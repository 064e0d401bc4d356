//! Framing, digests and coalescing of rows like Mastodon's `statuses`: 600 bytes, 22 columns.
//!
//! `cargo bench -p pghaul-rows --bench rows`; bytes a second are bytes of the stream. The ceiling
//! is SHA-256 of as many bytes in pieces of one row.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pghaul_rows::writer::BINARY_HEADER;
use pghaul_rows::{
    Column, CopyFormat, CopyWriter, Digesting, Layout, RowReader, Shape, TableDigest,
};
use sha2::{Digest, Sha256};

const ROWS: u64 = 10_000;

/// A column: its type, and its text in a row; `None` is NULL.
fn status(id: u64) -> [(u32, Option<String>); 22] {
    let uri = format!("https://social.example/users/somebody/statuses/{id:018}");
    let post = "Lorem ipsum dolor sit amet, consectetur adipisici elit, sed eiusmod tempor. ";
    [
        (20, Some(id.to_string())),
        (1043, Some(uri.clone())),
        (25, Some(format!("<p>{}</p>\n", post.repeat(3)))),
        (1114, Some("2024-05-17 09:30:12.123456".into())),
        (1114, Some("2024-05-17 09:30:12.123456".into())),
        (20, None),
        (20, None),
        (1043, Some(uri)),
        (16, Some("f".into())),
        (23, Some("0".into())),
        (25, Some(String::new())),
        (16, Some("f".into())),
        (1043, Some("en".into())),
        (20, Some((id / 3).to_string())),
        (16, Some("f".into())),
        (20, Some((id % 1000).to_string())),
        (20, None),
        (20, None),
        (20, None),
        (1114, None),
        (1114, None),
        (1016, Some("{112345678901234567}".into())),
    ]
}

fn layout(format: CopyFormat, with_ctid: bool) -> Arc<Layout> {
    let columns =
        status(0).map(|(image_type, _)| Column { image_type, shape: Shape::Plain }).into();
    Arc::new(Layout { format, with_ctid, columns, hidden: Vec::new() })
}

/// One message for each row, as a server sends them.
fn messages(format: CopyFormat, with_ctid: bool) -> Vec<Bytes> {
    let row = |id| {
        let columns = status(id).map(|(_, text)| text);
        match format {
            CopyFormat::Text => text_row(with_ctid.then(|| format!("({id},1)")), &columns),
            CopyFormat::Binary => binary_row(with_ctid, &columns),
        }
    };
    (0..ROWS).map(|id| Bytes::from(row(id))).collect()
}

fn text_row(ctid: Option<String>, columns: &[Option<String>]) -> Vec<u8> {
    let escape = |text: &String| text.replace('\n', "\\n");
    let columns = columns.iter().map(|c| c.as_ref().map_or("\\N".into(), escape));
    let fields: Vec<String> = ctid.into_iter().chain(columns).collect();
    (fields.join("\t") + "\n").into_bytes()
}

fn binary_row(with_ctid: bool, columns: &[Option<String>]) -> Vec<u8> {
    let mut row = Vec::new();
    row.extend_from_slice(&if with_ctid { 23_u16 } else { 22 }.to_be_bytes());
    if with_ctid {
        row.extend_from_slice(&[0, 0, 0, 6, 0, 0, 0, 9, 0, 1]);
    }
    for column in columns {
        let length = column.as_ref().map_or(u32::MAX, |c| u32::try_from(c.len()).unwrap_or(0));
        row.extend_from_slice(&length.to_be_bytes());
        row.extend_from_slice(column.as_deref().unwrap_or_default().as_bytes());
    }
    row
}

fn reader(layout: &Arc<Layout>, digesting: Digesting) -> RowReader {
    let mut reader = RowReader::new(Arc::clone(layout), digesting);
    if layout.format == CopyFormat::Binary {
        let _ = reader.feed(Bytes::from_static(BINARY_HEADER));
    }
    reader
}

/// Reads all rows, and passes them on to a writer if there is one.
fn run(mut reader: RowReader, messages: Vec<Bytes>, mut writer: Option<CopyWriter>) -> TableDigest {
    let mut table = TableDigest::default();
    for message in messages {
        let fed = reader.feed(message);
        assert!(fed.is_ok());
        while let Ok(Some(row)) = reader.next_row() {
            row.digest.iter().for_each(|digest| table.add_row(*digest));
            if let Some(writer) = &mut writer {
                writer.push(&row.tuple);
                while let Some(message) = writer.take_message() {
                    black_box(message);
                }
            }
        }
    }
    assert_eq!(reader.rows(), ROWS);
    table.add(reader.take_sum());
    table
}

fn rows(criterion: &mut Criterion) {
    for (format, name) in [(CopyFormat::Binary, "binary"), (CopyFormat::Text, "text")] {
        let mut group = criterion.benchmark_group(name);
        for with_ctid in [false, true] {
            let layout = layout(format, with_ctid);
            let messages = messages(format, with_ctid);
            let bytes: usize = messages.iter().map(Bytes::len).sum();
            group.throughput(Throughput::Bytes(bytes as u64));
            if !with_ctid {
                group.bench_function("ceiling", |bench| {
                    bench.iter(|| {
                        messages.iter().for_each(|m| {
                            black_box(Sha256::digest(m));
                        });
                    });
                });
            }
            let ctid = if with_ctid { ", ctid" } else { "" };
            for (digesting, digest) in [
                (Digesting::Off, "framing"),
                (Digesting::Sha256, "digest"),
                (Digesting::Summed, "sum of digests"),
            ] {
                group.bench_function(format!("{digest}{ctid}"), |bench| {
                    bench.iter_batched(
                        || (reader(&layout, digesting), messages.clone()),
                        |(reader, messages)| run(reader, messages, None),
                        BatchSize::LargeInput,
                    );
                });
            }
            group.bench_function(format!("digest, writer{ctid}"), |bench| {
                bench.iter_batched(
                    || (reader(&layout, Digesting::Sha256), messages.clone()),
                    |(reader, messages)| run(reader, messages, Some(CopyWriter::new(format))),
                    BatchSize::LargeInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, rows);
criterion_main!(benches);
