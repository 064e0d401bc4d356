//! What is fuzzed: nothing that comes in may panic, hang, or take more memory than it is worth.

use std::sync::Arc;

use pghaul_archive::name::Sha;
use pghaul_archive::piece::{Depth, Frame};
use pghaul_archive::rows::{Chunk, RowCheck};
use pghaul_archive::{Contents, Manifest, PieceReader, stream};
use pghaul_rows::TableDigest;
use pghaul_rows::layout::{Column, CopyFormat, Hidden, Layout};
use pghaul_rows::reader::{Digesting, RowReader};
use pghaul_rows::shape::Shape;

/// A piece, and its rows as those of large objects; and what would be in a frame whose digest fits,
/// since no fuzzer finds one.
pub(crate) fn piece(data: &[u8]) {
    let frame = Frame { bytes: data.to_vec(), digest: TableDigest::default(), number: 1 };
    let _ = RowCheck::of_large_objects("fuzz").frame(frame, |row| {
        let _ = Chunk::of_tuple(&row.tuple.to_bytes());
    });
    let Ok((_, mut reader)) = PieceReader::open(data, "fuzz", Depth::Decompress) else { return };
    let mut check = Some(RowCheck::of_large_objects("fuzz"));
    while let Ok(Some(frame)) = reader.next_frame() {
        if check.as_mut().is_some_and(|check| check.frame(frame, |_| ()).is_err()) {
            check = None;
        }
    }
}

/// A whole archive as a stream.
pub(crate) fn stream(data: &[u8]) {
    let _ = stream::check(data);
}

/// Both documents, as they are and below a seal that fits, which no fuzzer finds.
pub(crate) fn document(data: &[u8]) {
    let _ = Contents::from_document(data);
    let _ = Manifest::from_document(data);
    let _ = Contents::from_document(&sealed("contents", data));
    let _ = Manifest::from_document(&sealed("manifest", data));
}

fn sealed(kind: &str, json: &[u8]) -> Vec<u8> {
    let (bytes, sha256) = (json.len(), Sha::of(json));
    let seal = format!(
        "{{\"pghaul_archive\":1,\"document\":\"{kind}\",\"bytes\":{bytes},\"sha256\":\"{sha256}\"}}\n"
    );
    [seal.as_bytes(), json, b"\n"].concat()
}

/// COPY streams in both formats, in messages of a length that the first byte gives.
pub(crate) fn copy(data: &[u8]) {
    let Some((first, stream)) = data.split_first() else { return };
    let column = |shape| Column { image_type: 25, shape };
    let array = || Shape::Array(Box::new(Shape::Float8));
    let binary = Layout {
        format: CopyFormat::Binary,
        with_ctid: *first % 2 == 0,
        columns: vec![column(Shape::Plain), column(array())],
        hidden: Vec::new(),
    };
    let text = Layout {
        format: CopyFormat::Text,
        with_ctid: *first % 2 == 0,
        columns: vec![column(Shape::Plain), column(Shape::Plain)],
        hidden: vec![Hidden { column: 1, shape: array() }],
    };
    for layout in [binary, text] {
        let mut reader = RowReader::new(Arc::new(layout), Digesting::Sha256);
        for message in stream.chunks(usize::from(*first).max(1)) {
            if reader.feed(message.to_vec().into()).is_err() {
                break;
            }
            while let Ok(Some(_)) = reader.next_row() {}
        }
        let _ = reader.finish();
    }
}
