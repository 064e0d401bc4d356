//! Names the rows in which a database differs from an archive.
//!
//! Invariants: the archive's rows are read from its frames, in a thread, again for each turn of
//! the search, and never held; a row of the archive lies nowhere that a person could look at, so it
//! is named by its key alone; the values of a key are those that a server would write.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::future::join_all;
use pghaul_archive::{ArchiveError, Folder, PieceReader, check, layout, piece::Depth};
use pghaul_rows::{CopyFormat, Row, RowDigest, RowReader, TableDigest, Tid};
use tokio::sync::mpsc;

use super::texts::{Raw, text_of, text_statement};
use crate::archive::failed;
use crate::archive::whole::Whole;
use crate::connect::Session;
use crate::error::Error;
use crate::name::{Ident, RelationName};
use crate::plan::TablePlan;
use crate::verify::difference::fetch::Fetched;
use crate::verify::difference::{DifferenceKind, Searched, VALUE_CHARACTERS, Values};
use crate::verify::reading::{FoundRow, Place, Wanted, bucket_of};
use crate::version::ServerVersion;

/// Rows that go from the thread to the search at once.
const ROWS_SENT: usize = 1_000;

/// The same, that wait.
const WAITING: usize = 2;

/// Rows whose texts are asked for at once.
const TEXTS: usize = 50;

/// The rows of tables that are compared as one.
pub(super) struct ArchivedRows<'a> {
    pub(super) whole: &'a Whole,
    /// The first of them: all have the same columns.
    pub(super) table: &'a TablePlan,
    /// Their places in the contents.
    pub(super) tables: &'a [usize],
    /// The places of the columns that name a row.
    pub(super) key: &'a [usize],
    /// A session that no snapshot depends on, to ask what values are as text.
    pub(super) texts: &'a Session,
    /// What types are called there.
    pub(super) types: HashMap<u32, String>,
}

/// A row, and where: in which piece of the manifest, as the how manyth.
type Found = (Place, Row);

impl ArchivedRows<'_> {
    /// Reads the rows that `keep` wants, with the digests of these columns.
    fn rows(
        &self,
        projections: Vec<Vec<usize>>,
        keep: impl Fn(Place, &Row) -> bool + Send + 'static,
    ) -> mpsc::Receiver<Result<Vec<Found>, ArchiveError>> {
        let (send, receive) = mpsc::channel(WAITING);
        let tables: HashSet<u32> =
            self.tables.iter().filter_map(|at| u32::try_from(*at).ok()).collect();
        let folder = self.whole.folder.clone();
        let (manifest, contents) =
            (Arc::clone(&self.whole.manifest), Arc::clone(&self.whole.contents));
        tokio::task::spawn_blocking(move || {
            let pieces = manifest.pieces.iter().enumerate();
            for (at, piece) in pieces {
                let table = piece.table.filter(|table| tables.contains(table));
                let Some(table) =
                    table.and_then(|at| contents.tables.get(usize::try_from(at).ok()?))
                else {
                    continue;
                };
                let layout = Arc::new(layout::of_pieces(table.format, &table.columns));
                let reader = RowReader::projecting(layout, &projections);
                let mut sending = Sending { send: &send, piece: at, keep: &keep, rows: Vec::new() };
                match sending.piece(&folder, &piece.file, reader) {
                    Ok(true) => {}
                    // Nobody listens any more.
                    Ok(false) => return,
                    Err(error) => {
                        let _ = send.blocking_send(Err(error));
                        return;
                    }
                }
            }
        });
        receive
    }

    async fn each(
        &self,
        projections: Vec<Vec<usize>>,
        keep: impl Fn(Place, &Row) -> bool + Send + 'static,
        mut each: impl FnMut(Place, &Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rows = self.rows(projections, keep);
        while let Some(some) = rows.recv().await {
            for (place, row) in some.map_err(failed)? {
                each(place, &row)?;
            }
        }
        Ok(())
    }

    fn key_projection(&self) -> Vec<Vec<usize>> {
        if self.key.is_empty() { Vec::new() } else { vec![self.key.to_vec()] }
    }

    /// The texts of a row: of its key, and of all its columns.
    async fn fetched(&self, kind: DifferenceKind, row: &Row, values: Values) -> Fetched {
        let columns = match kind {
            DifferenceKind::Changed => row.projected.clone(),
            DifferenceKind::Missing | DifferenceKind::Extra => Vec::new(),
        };
        let layout = &self.table.format.layout_without_ctid;
        let tuple = row.tuple.to_bytes();
        let fields: Vec<Option<Vec<u8>>> = match layout.format {
            CopyFormat::Binary => {
                row.tuple.binary_fields().map(|field| field.map(<[u8]>::to_vec)).collect()
            }
            CopyFormat::Text => pghaul_rows::tuple::text_fields(&tuple),
        };
        let wanted: Vec<usize> = match values {
            Values::Hidden => self.key.to_vec(),
            Values::Shown => (0..layout.columns.len()).collect(),
        };
        let mut texts: HashMap<usize, String> = HashMap::new();
        let mut to_ask = Vec::new();
        for at in wanted {
            let (Some(Some(field)), Some(column)) = (fields.get(at), layout.columns.get(at)) else {
                continue;
            };
            let of_text = layout.format == CopyFormat::Text;
            match text_of(if of_text { 25 } else { column.image_type }, field) {
                Some(text) => {
                    texts.insert(at, text);
                }
                None => to_ask.push((at, column.image_type, field)),
            }
        }
        if !to_ask.is_empty() {
            let asked = self.ask(&to_ask).await;
            for ((at, _, field), text) in to_ask.iter().zip(asked) {
                // What the server cannot read is shown as it is.
                let hex = || field.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                texts.insert(*at, text.unwrap_or_else(|| format!("\\x{}", hex())));
            }
        }
        let cut = |text: &String| text.chars().take(VALUE_CHARACTERS).collect::<String>();
        Fetched {
            columns,
            key: self.key.iter().map(|at| texts.get(at).cloned()).collect(),
            values: match values {
                Values::Hidden => Vec::new(),
                Values::Shown => {
                    (0..layout.columns.len()).map(|at| texts.get(&at).map(cut)).collect()
                }
            },
        }
    }

    async fn ask(&self, values: &[(usize, u32, &Vec<u8>)]) -> Vec<Option<String>> {
        let nothing = vec![None; values.len()];
        let types: Option<Vec<&str>> =
            values.iter().map(|(_, oid, _)| self.types.get(oid).map(String::as_str)).collect();
        let Some(types) = types else { return nothing };
        let raw: Vec<Raw<'_>> = values.iter().map(|(.., field)| Raw(field)).collect();
        let params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            raw.iter().map(|raw| raw as _).collect();
        let doing = "ask what values of the archive are as text";
        match self.texts.query_one(doing, &text_statement(&types), &params).await {
            Ok(row) => (0..values.len()).map(|at| row.try_get(at).ok().flatten()).collect(),
            Err(_) => nothing,
        }
    }
}

/// The types of columns by OID, as this server calls them.
pub(super) async fn types(
    session: &Session,
    table: &TablePlan,
) -> Result<HashMap<u32, String>, Error> {
    let columns = &table.format.layout_without_ctid.columns;
    let oids: Vec<u32> = columns.iter().map(|column| column.image_type).collect();
    let sql = "select oid, pg_catalog.format_type(oid, null) from pg_catalog.pg_type where oid = any ($1)";
    let rows = session.query("read the names of types", sql, &[&oids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The thread's side.
struct Sending<'a, K> {
    send: &'a mpsc::Sender<Result<Vec<Found>, ArchiveError>>,
    piece: usize,
    keep: &'a K,
    rows: Vec<Found>,
}

impl<K: Fn(Place, &Row) -> bool> Sending<'_, K> {
    /// False: nobody listens any more.
    fn piece(
        &mut self,
        folder: &Folder,
        file: &str,
        mut rows: RowReader,
    ) -> Result<bool, ArchiveError> {
        let broken = |error| ArchiveError::damaged(file, pghaul_archive::Problem::Copy(error));
        let (_, mut frames) =
            PieceReader::open(check::open(folder, file)?, file, Depth::Decompress)?;
        let mut number = 0;
        while let Some(frame) = frames.next_frame()? {
            rows.feed(frame.bytes.into()).map_err(broken)?;
            while let Some(row) = rows.next_row().map_err(broken)? {
                let place = Place { heap: self.piece, tid: Some(nth(number)) };
                number += 1;
                if (self.keep)(place, &row) {
                    self.rows.push((place, row));
                    if self.rows.len() == ROWS_SENT && !self.pass_on() {
                        return Ok(false);
                    }
                }
            }
            // What waits holds the frame in memory.
            if !self.pass_on() {
                return Ok(false);
            }
        }
        rows.finish().map_err(broken)?;
        Ok(true)
    }

    fn pass_on(&mut self) -> bool {
        let rows = std::mem::take(&mut self.rows);
        rows.is_empty() || self.send.blocking_send(Ok(rows)).is_ok()
    }
}

/// A row of a piece by its number, in the shape of a ctid.
fn nth(number: u64) -> Tid {
    let offset = u16::try_from(number & 0xffff).unwrap_or(0);
    Tid { block: u32::try_from(number >> 16).unwrap_or(u32::MAX), offset }
}

impl Searched for ArchivedRows<'_> {
    /// Each time the table's pieces are read again.
    const FETCHED: usize = 20_000;

    fn bytes(&self) -> u64 {
        let ours = |piece: &&pghaul_archive::manifest::Piece| {
            let table = piece.table.and_then(|table| usize::try_from(table).ok());
            table.is_some_and(|table| self.tables.contains(&table))
        };
        self.whole.manifest.pieces.iter().filter(ours).map(|piece| piece.length).sum()
    }

    fn columns(&self) -> &[Ident] {
        &self.table.format.columns
    }

    fn place(&self, _: Place) -> (Option<RelationName>, Option<Tid>) {
        (None, None)
    }

    async fn buckets(&self, bits: u32) -> Result<Vec<TableDigest>, Error> {
        let mut buckets = vec![TableDigest::default(); 1_usize.checked_shl(bits).unwrap_or(0)];
        self.each(
            self.key_projection(),
            |_, _| true,
            |_, row| {
                let (key, digest) = key_and_row(row);
                if let Some(bucket) = buckets.get_mut(bucket_of(key, bits)) {
                    bucket.add_row(digest);
                }
                Ok(())
            },
        )
        .await?;
        Ok(buckets)
    }

    async fn find(
        &self,
        wanted: &Wanted,
        mut each: impl FnMut(FoundRow) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        let wanted = wanted.clone();
        self.each(
            self.key_projection(),
            move |_, row| wanted.holds(key_and_row(row).0),
            |place, row| {
                let (key, digest) = key_and_row(row);
                each(FoundRow { place, key, row: digest })
            },
        )
        .await
    }

    async fn fetch(
        &self,
        places: Vec<(DifferenceKind, Place)>,
        values: Values,
    ) -> Result<HashMap<Place, Fetched>, Error> {
        let kinds: HashMap<Place, DifferenceKind> =
            places.into_iter().map(|(kind, place)| (place, kind)).collect();
        let wanted: HashSet<Place> = kinds.keys().copied().collect();
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let columns = (0..self.table.format.columns.len()).map(|column| vec![column]).collect();
        let mut rows = self.rows(columns, move |place, _| wanted.contains(&place));
        let mut all = HashMap::new();
        while let Some(some) = rows.recv().await {
            for some in some.map_err(failed)?.chunks(TEXTS) {
                let mut fetched = Vec::with_capacity(some.len());
                for (place, row) in some {
                    let kind = *kinds.get(place).unwrap_or(&DifferenceKind::Missing);
                    fetched.push(async move { (*place, self.fetched(kind, row, values).await) });
                }
                all.extend(join_all(fetched).await);
            }
        }
        Ok(all)
    }
}

fn key_and_row(row: &Row) -> (RowDigest, RowDigest) {
    let digest = row.digest.unwrap_or(RowDigest([0; 2]));
    (row.projected.first().copied().unwrap_or(digest), digest)
}

/// Whether the rows of a table can be told apart by what the archive holds. Of a table that travels as
/// text and has floats, the digests are made of more: before 12 the text of a float is another one, so
/// between versions of the same side of it the texts say the same.
pub(super) fn can_be_named(table: &TablePlan, versions: (ServerVersion, ServerVersion)) -> bool {
    table.format.hidden.is_empty() || versions.0.at_least(12) == versions.1.at_least(12)
}
