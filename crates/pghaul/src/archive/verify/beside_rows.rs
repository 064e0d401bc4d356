//! What an archive and a database are compared by besides rows: schema, sequences, large objects,
//! and whether materialized views are populated.
//!
//! Invariants: schemas are compared as the entries of `pg_dump`s of one major version, or not at
//! all and said so; what the archive does not hold is not called different.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use pghaul_archive::check::{self, BatchDigest};
use pghaul_archive::piece::Depth;
use pghaul_archive::rows::{Chunk, RowCheck};
use pghaul_archive::{ArchiveError, PieceReader, contents, manifest};

use super::There;
use crate::archive::whole::{Whole, joined};
use crate::archive::{failed, from_entry, from_large_object, from_name, from_source};
use crate::catalog::{Oid, RelationKind};
use crate::connect::Side;
use crate::error::Error;
use crate::event::Counters;
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::pg_dump::PgDump;
use crate::schema::Entry;
use crate::schema::compare::{SchemaDifference, SchemaDifferenceKind, compare as compare_entries};
use crate::schema::public;
use crate::transfer::large_objects as objects;
use crate::verify::options::Scope;
use crate::verify::others;
use crate::verify::others::large_objects::{Compared, unreadable};
use crate::verify::others::sequences::{Position, Positions, behind, judge, positions};
use crate::version::ServerVersion;

/// What was found besides rows.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) schema: Vec<SchemaDifference>,
    pub(super) sequences: usize,
    pub(super) large_objects: usize,
    pub(super) findings: Vec<Finding>,
}

/// Compares what the archive holds besides rows.
pub(super) async fn compare(
    whole: &Whole,
    there: &There,
    counters: &Counters,
) -> Result<Beside, Error> {
    let mut beside = Beside::default();
    match there.scope {
        Scope::Everything | Scope::SchemaOnly => schema(whole, there, &mut beside).await?,
        Scope::DataOnly => beside.findings.push(not_compared("only data was to be compared")),
    }
    if there.scope != Scope::SchemaOnly {
        views(whole, there, &mut beside);
        sequences(whole, there, &mut beside).await?;
        // An archive of chosen tables holds no large objects.
        if there.filter.wants_large_objects() {
            large_objects(whole, there, counters, &mut beside).await?;
        }
    }
    Ok(beside)
}

fn not_compared(why: &str) -> Finding {
    Finding::new(
        Severity::Note,
        "schema_not_compared",
        format!("definitions were not compared: {why}"),
        "to compare them too, restore the archive into an empty database and compare the two with `pghaul verify`",
    )
}

async fn schema(whole: &Whole, there: &There, beside: &mut Beside) -> Result<(), Error> {
    let contents = &whole.contents;
    let version = there.side.catalog.version;
    let made_by = ServerVersion::from_num(contents.pg_dump);
    let named = there.options.pg_dump.as_deref();
    let pg_dump = PgDump::select(named, version, Some(made_by)).await.map_err(|error| {
        error.with_hint(
            "install the client programs of the target's version, or name one with --pg-dump; \
             --data-only leaves the schemas out",
        )
    })?;
    if pg_dump.version().major() != made_by.major() {
        let why = format!(
            "the archive's were written by pg_dump {made_by}, and the one at hand that can read the target is {}: what they write differs by itself",
            pg_dump.version()
        );
        beside.findings.push(not_compared(&why));
        return Ok(());
    }
    let mut here: Vec<Entry> = contents.entries.iter().map(from_entry).collect();
    public::as_dumped(&mut here);
    let entries = others::entries(&pg_dump, &there.side, Side::Target, &there.filter).await?;
    let versions = (from_source(&contents.source).version, version);
    let compared = compare_entries(
        (&here, ServerVersion::from_num(versions.0)),
        (&entries, versions.1),
        others::leniency(&there.options),
    );
    beside.findings.extend(others::findings(&compared));
    beside.schema.extend(compared.differences);
    Ok(())
}

/// A materialized view's rows are not in an archive, but whether it had some.
fn views(whole: &Whole, there: &There, beside: &mut Beside) {
    let is_view = |kind| kind == contents::RelationKind::MaterializedView;
    let ours = whole.contents.relations.iter().filter(|one| is_view(one.kind));
    let populated: BTreeMap<RelationName, bool> =
        ours.map(|one| (from_name(&one.name), one.populated)).collect();
    for view in &there.side.catalog.relations {
        if view.kind != RelationKind::MaterializedView
            || !there.filter.wants(&there.side.catalog, view)
        {
            continue;
        }
        let Some(here) = populated.get(&view.name).filter(|here| **here != view.populated) else {
            continue;
        };
        let what = format!("populated is {here} in the archive and {} there", view.populated);
        beside.schema.push(SchemaDifference {
            kind: "MATERIALIZED VIEW".to_owned(),
            object: view.name.to_string(),
            how: SchemaDifferenceKind::Changed,
            what: what.clone(),
        });
        let remedy = "refresh the materialized view";
        beside
            .findings
            .push(Finding::new(Severity::Warning, "matview_state", what, remedy).about(&view.name));
    }
    if populated.values().any(|populated| *populated) {
        beside.findings.push(Finding::new(
            Severity::Note,
            "recomputed",
            "the rows of materialized views are not in the archive and were not compared",
            "nothing to do: what they are computed from was compared",
        ));
    }
}

async fn sequences(whole: &Whole, there: &There, beside: &mut Beside) -> Result<(), Error> {
    let mut on_target = positions(&there.side, &there.filter).await?;
    // What the source had and the archive was not to hold is nothing extra.
    let held: BTreeSet<RelationName> =
        whole.manifest.sequences.iter().map(|one| from_name(&one.name)).collect();
    let of_source: BTreeSet<RelationName> =
        whole.contents.relations.iter().map(|one| from_name(&one.name)).collect();
    on_target.retain(|name, _| held.contains(name) || !of_source.contains(name));
    let in_archive: Positions = whole
        .manifest
        .sequences
        .iter()
        .map(|one| {
            let name = from_name(&one.name);
            // By how much it counts is a matter of the definitions.
            let increment = on_target.get(&name).map_or(1, |other| other.increment);
            let position = Position { last: one.value.into(), called: one.called, increment };
            (name, position)
        })
        .collect();
    let (behind, not_asked) = behind(&there.side, &on_target).await?;
    beside.findings.extend(not_asked);
    beside.findings.extend(judge(&in_archive, &on_target, behind));
    beside.sequences = in_archive.len();
    Ok(())
}

async fn large_objects(
    whole: &Whole,
    there: &There,
    counters: &Counters,
    beside: &mut Beside,
) -> Result<(), Error> {
    let session = there.side.reader("large objects").await?;
    let here = whole.contents.large_objects.iter().map(from_large_object).collect();
    let mut compared = Compared::of(here, objects::list(&session).await?, &there.options);
    beside.large_objects = whole.contents.large_objects.len();
    for (batch, noted) in whole.manifest.large_objects.iter().enumerate() {
        let all = check::objects_of_batch(&whole.contents, &whole.manifest, batch);
        // One that is missing would end the transaction of the snapshot.
        let oids: Vec<Oid> =
            all.iter().copied().filter(|oid| compared.both.binary_search(oid).is_ok()).collect();
        let one_by_one = async {
            if oids.len() == all.len()
                && objects::digest(&session, &oids, counters).await? == noted.sha256.to_string()
            {
                return Ok(Vec::new());
            }
            let in_archive = digests(whole, batch).await?;
            let mut differ = Vec::new();
            for oid in &oids {
                let on_target = objects::digest(&session, &[*oid], counters).await?;
                if in_archive.get(oid) != Some(&on_target) {
                    differ.push(*oid);
                }
            }
            Ok::<_, Error>(differ)
        };
        match one_by_one.await {
            Ok(mut differ) => compared.differ.append(&mut differ),
            Err(error) if error.sqlstate() == Some("42501") => {
                beside.findings.push(unreadable(oids.len(), &error));
                // The session is in a transaction that failed.
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    beside.findings.extend(compared.findings());
    Ok(())
}

/// A digest for each object of a batch, as a server's objects are digested one by one.
async fn digests(whole: &Whole, batch: usize) -> Result<BTreeMap<Oid, String>, Error> {
    let of_batch = |piece: &&manifest::Piece| {
        piece.table.is_none() && usize::try_from(piece.part) == Ok(batch)
    };
    let pieces: Vec<manifest::Piece> =
        whole.manifest.pieces.iter().filter(of_batch).cloned().collect();
    let folder = whole.folder.clone();
    let read = tokio::task::spawn_blocking(move || {
        let (mut open, mut found) = (None, BTreeMap::new());
        for piece in &pieces {
            let input = check::open(&folder, &piece.file)?;
            of_piece(input, &piece.file, &mut open, &mut found)?;
        }
        close(open, &mut found);
        Ok::<_, ArchiveError>(found)
    });
    joined(read.await)?.map_err(failed)
}

type Open = Option<(Oid, BatchDigest)>;

fn of_piece(
    input: impl Read,
    file: &str,
    open: &mut Open,
    found: &mut BTreeMap<Oid, String>,
) -> Result<(), ArchiveError> {
    let (_, mut reader) = PieceReader::open(input, file, Depth::Decompress)?;
    let mut rows = RowCheck::of_large_objects(file);
    while let Some(frame) = reader.next_frame()? {
        rows.frame(frame, |row| {
            let tuple = row.tuple.to_bytes();
            let Some(chunk) = Chunk::of_tuple(&tuple) else { return };
            if open.as_ref().is_none_or(|(oid, _)| *oid != chunk.oid) {
                close(open.take(), found);
                *open = Some((chunk.oid, BatchDigest::new(vec![chunk.oid])));
            }
            if let Some((_, digest)) = open {
                // Chunks that do not fit give a digest that no object has.
                let _ = digest.chunk(chunk);
            }
        })?;
    }
    rows.finish()
}

fn close(open: Open, found: &mut BTreeMap<Oid, String>) {
    if let Some((oid, digest)) = open {
        found.extend(digest.finish().map(|digest| (oid, digest.to_string())));
    }
}
