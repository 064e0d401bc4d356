//! What is known of both sides so far, and of which moments it is.
//!
//! Invariants: a table that was compared stays compared at whatever moment that was, and says which;
//! parts of a table read at different moments count together only if nothing can have been written on
//! either side between these moments; no row counts twice, so of parts that overlap one is forgotten.

use std::collections::BTreeMap;

use pghaul_archive::name::Sha;
use pghaul_rows::TableDigest;
use serde::{Deserialize, Serialize};

use super::outcome::VerifiedTable;
use super::pairs::{PairKind, TablePair};
use super::reading::{Blocks, SideTable};
use crate::connect::Side;
use crate::name::RelationName;
use crate::run::moment::Moment as Instant;

/// When both snapshots of a moment were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Instants {
    pub(super) source: Instant,
    pub(super) target: Instant,
}

impl Instants {
    /// Whether nothing can have been written on either side between `self` and `now`.
    fn prove_unchanged(&self, now: &Self) -> bool {
        self.source.proves_unchanged(&now.source) && self.target.proves_unchanged(&now.target)
    }
}

/// Tables that are compared, parts of others, and their moments.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The tables that are compared.
    pub(super) tables: BTreeMap<RelationName, VerifiedTable>,
    /// Parts of the others, read at the present moment.
    pub(super) parts: BTreeMap<RelationName, [Parts; 2]>,
    /// How each table was read that another process has compared.
    pub(super) how: BTreeMap<RelationName, Sha>,
    instants: Option<Instants>,
    moment: u32,
    /// Whether the present moment was proven to be as good as the one before.
    pub(super) proven: bool,
}

/// Parts of one side of a table, by heap and first block; none overlaps another.
pub(super) type Parts = BTreeMap<(RelationName, u32), ReadPart>;

/// Some blocks of one heap, read on one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReadPart {
    pub(super) heap: RelationName,
    pub(super) from: Option<u32>,
    pub(super) until: Option<u32>,
    /// All rows, also where only a sample is digested.
    pub(super) rows: u64,
    #[serde(with = "digest")]
    pub(super) digest: TableDigest,
    /// See [`how`].
    pub(super) how: Sha,
}

impl ReadPart {
    /// Which blocks these are.
    pub(super) fn blocks(&self) -> Blocks {
        Blocks { from: self.from, until: self.until }
    }
}

impl Known {
    /// The number of the present moment, from 1.
    pub(super) fn moment(&self) -> u32 {
        self.moment.max(1)
    }

    /// What follows is read at this moment. `more`: whether more than rows is known and kept.
    pub(super) fn go_on_at(&mut self, now: Instants, more: bool) {
        let Some(then) = self.instants.replace(now) else { return };
        self.proven = self.instants.as_ref().is_some_and(|now| then.prove_unchanged(now));
        if self.proven {
            return;
        }
        self.parts.clear();
        if more || !self.tables.is_empty() {
            self.moment = self.moment() + 1;
        }
    }

    /// Transaction ids of ours, taken since the present moment.
    pub(super) fn own_ids(&mut self, source: u64, target: u64) {
        if let Some(instants) = &mut self.instants {
            instants.source.own_ids = source;
            instants.target.own_ids = target;
        }
    }

    /// A part was read; false if some of it was before.
    pub(super) fn add(&mut self, table: &RelationName, side: Side, part: ReadPart) -> bool {
        let parts = &mut self.parts.entry(table.clone()).or_default()[place(side)];
        let first = part.from.unwrap_or(0);
        let at = |block| (part.heap.clone(), block);
        let before = parts.range(at(0)..=at(first)).next_back();
        let reaches = |one: &ReadPart| one.until.is_none_or(|until| until > first);
        let behind = parts.range(at(first)..=at(u32::MAX)).next();
        let begins = |one: u32| part.until.is_none_or(|until| one < until);
        let overlaps = before.is_some_and(|(_, one)| reaches(one))
            || behind.is_some_and(|((_, one), _)| begins(*one));
        if !overlaps {
            parts.insert(at(first), part);
        }
        !overlaps
    }

    /// Another process has compared this one, and both sides were equal.
    pub(super) fn equal(&mut self, table: VerifiedTable, how: Sha) {
        self.parts.remove(&table.name);
        self.how.insert(table.name.clone(), how);
        let moment = self.moment();
        self.tables.insert(table.name.clone(), VerifiedTable { moment, ..table });
    }

    /// Whether there is anything to go on from.
    pub(super) fn is_anything(&self) -> bool {
        !self.tables.is_empty() || !self.parts.is_empty()
    }

    /// Forgets what is no use for these pairs: what is not to be compared any more, or is read
    /// otherwise now.
    pub(super) fn keep(&mut self, pairs: &[TablePair]) {
        let now: BTreeMap<&RelationName, Sha> =
            pairs.iter().map(|pair| (&pair.name, how(pair))).collect();
        let how = &self.how;
        self.tables.retain(|name, _| how.get(name).is_none_or(|how| now.get(name) == Some(how)));
        self.parts.retain(|name, sides| {
            for parts in sides.iter_mut() {
                parts.retain(|_, part| now.get(name) == Some(&part.how));
            }
            now.contains_key(name)
        });
    }

    /// Which blocks of a heap of it are read, in order.
    pub(super) fn of_heap(
        &self,
        table: &RelationName,
        side: Side,
        heap: &RelationName,
    ) -> Vec<Blocks> {
        let Some(sides) = self.parts.get(table) else { return Vec::new() };
        let all = (heap.clone(), 0)..=(heap.clone(), u32::MAX);
        sides[place(side)].range(all).map(|(_, part)| part.blocks()).collect()
    }

    /// What is known of one side of a table, in the order of the heap.
    pub(super) fn of(&self, table: &RelationName, side: Side) -> impl Iterator<Item = &ReadPart> {
        self.parts.get(table).into_iter().flat_map(move |sides| sides[place(side)].values())
    }
}

/// The place of a side.
pub(super) fn place(side: Side) -> usize {
    usize::from(side == Side::Target)
}

/// How both tables of a pair are read: columns, types, conditions, heaps. Parts that were read
/// otherwise have other digests.
pub(super) fn how(pair: &TablePair) -> Sha {
    let side = |side: &SideTable| {
        let statements: Vec<String> = side.heaps.iter().map(|heap| side.statement(heap)).collect();
        let format = &side.format;
        format!("{statements:?} {:?} {:?} {:?}", format.layout, side.digested_by, side.key)
    };
    let kind = match pair.kind {
        PairKind::Tables => "tables",
        PairKind::MaterializedViews => "materialized views",
    };
    let text = format!("{kind} {} {} {}", pair.sampled, side(&pair.source), side(&pair.target));
    Sha::of(text.as_bytes())
}

/// What is left of some blocks when these are read, which are in order and do not overlap.
pub(super) fn left(whole: Blocks, read: &[Blocks]) -> Vec<Blocks> {
    let mut rest = Vec::new();
    let mut from = whole.from;
    let before = |blocks: &Blocks| blocks.until.is_some_and(|until| until <= from.unwrap_or(0));
    for part in &read[read.partition_point(before)..] {
        let first = part.from.unwrap_or(0);
        if whole.until.is_some_and(|end| first >= end) {
            break;
        }
        if first > from.unwrap_or(0) {
            rest.push(Blocks { from, until: part.from });
        }
        // Behind it; behind one without an end there is nothing.
        let Some(until) = part.until else { return rest };
        if whole.until.is_some_and(|end| until >= end) {
            return rest;
        }
        from = Some(until);
    }
    rest.push(Blocks { from, until: whole.until });
    rest
}

/// A table's digest as count and hex.
pub(super) mod digest {
    use pghaul_rows::TableDigest;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(in crate::verify) fn serialize<S: Serializer>(
        digest: &TableDigest,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (digest.rows, digest.to_string()).serialize(serializer)
    }

    pub(in crate::verify) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TableDigest, D::Error> {
        let (rows, lanes) = <(u64, String)>::deserialize(deserializer)?;
        TableDigest::from_hex(rows, &lanes).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pghaul_rows::layout::{Column, CopyFormat, Layout};
    use pghaul_rows::shape::Shape;
    use proptest::prelude::*;

    use super::*;
    use crate::name::Ident;
    use crate::plan::format::TableFormat;
    use crate::verify::reading::{DigestedBy, Heap, KeyKind, RowsOf};

    fn instant(transactions: &str) -> Instant {
        Instant {
            transactions: transactions.to_owned(),
            timeline: Some(1),
            stats_reset: Some("2026-11-01 00:00:00+00".to_owned()),
            in_recovery: false,
            own_ids: 0,
            follows: true,
        }
    }

    fn at(source: &str, target: &str) -> Instants {
        Instants { source: instant(source), target: instant(target) }
    }

    fn part(from: Option<u32>, until: Option<u32>) -> ReadPart {
        ReadPart {
            heap: RelationName::new("public", "t"),
            from,
            until,
            rows: 1,
            digest: TableDigest { rows: 1, lanes: [1, 2] },
            how: Sha::of(b""),
        }
    }

    #[test]
    fn parts_outlive_only_moments_that_are_the_same_on_both_sides() {
        let table = RelationName::new("public", "t");
        for (then, now, kept) in [
            (at("7:7:", "9:9:"), at("7:7:", "9:9:"), true),
            (at("7:7:", "9:9:"), at("8:8:", "9:9:"), false),
            (at("7:7:", "9:9:"), at("7:7:", "10:10:"), false),
        ] {
            let mut known = Known::default();
            known.go_on_at(then, false);
            assert!(known.add(&table, Side::Source, part(None, Some(5))));
            known.go_on_at(now.clone(), false);
            assert_eq!((known.of(&table, Side::Source).count() == 1, known.proven), (kept, kept));
            assert_eq!(known.moment(), 1, "nothing is left of the moment before");
            known.go_on_at(now, true);
            assert_eq!(known.moment(), 1);
            known.go_on_at(at("99:99:", "9:9:"), true);
            assert_eq!((known.moment(), known.proven), (2, false));
        }
        // What our own exports took is nobody's write.
        let mut known = Known::default();
        known.go_on_at(at("7:7:", "9:9:"), false);
        known.own_ids(1, 2);
        known.add(&table, Side::Target, part(None, None));
        known.go_on_at(at("8:8:", "11:11:"), false);
        assert_eq!(known.of(&table, Side::Target).count(), 1);
    }

    #[test]
    fn what_overlaps_is_not_counted_twice() {
        let table = RelationName::new("public", "t");
        let mut known = Known::default();
        assert!(known.add(&table, Side::Source, part(None, Some(5))));
        assert!(known.add(&table, Side::Source, part(Some(5), Some(9))));
        assert!(known.add(&table, Side::Target, part(None, Some(5))));
        for (from, until) in [(None, Some(1)), (Some(8), None), (Some(6), Some(7)), (None, None)] {
            assert!(!known.add(&table, Side::Source, part(from, until)), "{from:?} {until:?}");
        }
        let elsewhere = ReadPart { heap: RelationName::new("public", "u"), ..part(None, Some(1)) };
        assert!(known.add(&table, Side::Source, elsewhere));
        assert_eq!(known.of(&table, Side::Source).count(), 3);
    }

    /// A table that is read in this way on both sides.
    fn pair(expression: &str) -> TablePair {
        let layout = Arc::new(Layout {
            format: CopyFormat::Text,
            with_ctid: false,
            columns: vec![Column { image_type: 25, shape: Shape::Plain }],
            hidden: Vec::new(),
        });
        let side = SideTable {
            heaps: vec![Heap {
                name: RelationName::new("public", "t"),
                rows: RowsOf::Itself,
                condition: String::new(),
                has_ctid: true,
                bytes: 1,
                heap_bytes: 1,
            }],
            format: TableFormat {
                format: CopyFormat::Text,
                reason: String::new(),
                search_path: None,
                columns: vec![Ident::new("id")],
                source_expressions: vec![expression.to_owned()],
                hidden: Vec::new(),
                layout: Arc::clone(&layout),
                layout_without_ctid: layout,
            },
            key: Vec::new(),
            key_kind: KeyKind::Primary,
            digested_by: DigestedBy::Client,
            sample: String::new(),
        };
        let (source, target) = (side.clone(), side);
        let name = RelationName::new("public", "t");
        TablePair { name, kind: PairKind::Tables, source, target, key: Vec::new(), sampled: false }
    }

    #[test]
    fn what_is_read_otherwise_by_now_is_of_no_use() {
        let table = RelationName::new("public", "t");
        let kept = |pairs: &[TablePair]| {
            let mut known = Known::default();
            let part = ReadPart { how: how(&pair("id")), ..part(None, None) };
            assert!(known.add(&table, Side::Source, part));
            known.keep(pairs);
            known.of(&table, Side::Source).count()
        };
        assert_eq!((kept(&[pair("id")]), kept(&[pair("id::text")]), kept(&[])), (1, 0, 0));
        let mut smaller = pair("id");
        smaller.target.heaps.clear();
        assert_eq!(kept(&[smaller]), 0);
    }

    fn holds(blocks: &Blocks, block: u32) -> bool {
        blocks.from.is_none_or(|from| from <= block) && blocks.until.is_none_or(|end| block < end)
    }

    proptest! {
        #[test]
        fn every_block_is_either_read_or_left(
            whole in (proptest::option::of(0u32..20), proptest::option::of(20u32..40)),
            borders in proptest::collection::btree_set(0u32..45, 0..10),
            open in any::<(bool, bool)>(),
        ) {
            let whole = Blocks { from: whole.0, until: whole.1 };
            let borders: Vec<u32> = borders.into_iter().collect();
            let mut read: Vec<Blocks> = borders
                .chunks_exact(2)
                .map(|pair| Blocks { from: Some(pair[0]), until: Some(pair[1]) })
                .collect();
            if open.0 && let Some(first) = read.first_mut() {
                first.from = None;
            }
            if open.1 && let Some(last) = read.last_mut() {
                last.until = None;
            }
            let rest = left(whole, &read);
            for block in 0..60 {
                let wanted = holds(&whole, block) && !read.iter().any(|one| holds(one, block));
                let times = rest.iter().filter(|one| holds(one, block)).count();
                prop_assert_eq!(times, usize::from(wanted), "block {} of {:?}", block, &rest);
            }
            for one in &rest {
                prop_assert!(one.until.is_none_or(|until| one.from.unwrap_or(0) < until));
            }
        }
    }
}
