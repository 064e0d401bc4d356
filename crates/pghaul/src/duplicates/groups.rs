//! The groups of rows that share a key, one after another, the members of each one after another.
//!
//! Candidates come from the finder and are confirmed by the server on the exact key: in batches of
//! whole groups, or, where a group is large, in pieces against its first member. What differs from
//! the first of its group is looked at again. Where the keys of a large group have the same hash
//! but are not equal, and where there is nothing that pghaul could tell keys apart by, the server
//! puts the rows in order and they come by a cursor.
//!
//! Invariants: memory is bounded by a batch, whatever the size of a group; a group is given only
//! when two of its members are known to be equal; all of it is read in one transaction.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use pghaul_rows::Tid;
use pghaul_rows::duplicates::Member;

use super::candidates::{Candidate, Candidates};
use super::index::UniqueIndex;
use super::reading;
use super::statement::{self, Keys};
use crate::connect::Session;
use crate::error::{Error, ErrorKind};
use crate::name::RelationName;

/// Rows confirmed by one statement, more or less.
const BATCH: usize = 1024;

/// A group with more members than this is confirmed in pieces.
const LARGE: usize = 512;

/// Relations of a partition tree that one statement looks at.
const RELATIONS: usize = 64;

/// A row of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateRow {
    /// The relation in which it lies: the table, or a leaf of its partition tree.
    pub relation: Arc<RelationName>,
    /// Where it lies in that. Holds as long as nobody updates, deletes or vacuums.
    pub tid: Tid,
    /// Its primary key as text, in the order of
    /// [`IndexDefinition::primary_key`](super::index::IndexDefinition::primary_key).
    pub primary_key: Vec<Option<String>>,
    /// The key of the index as text, if it was asked for; the first 1000 characters of each
    /// column.
    pub key: Option<Vec<Option<String>>>,
}

/// The groups of one index.
pub struct Groups<'a> {
    session: &'a Session,
    index: &'a UniqueIndex,
    relations: HashMap<u32, Arc<RelationName>>,
    keys: Keys,
    candidates: Candidates,
    rows: u64,
    /// Taken from `candidates`, and to be looked at next.
    ahead: Option<Candidate>,
    /// The beginning of a large group that comes after what is ready.
    large: Option<Vec<Member>>,
    ready: VecDeque<Vec<DuplicateRow>>,
    cursor: Option<Cursor>,
    current: Current,
    found: Found,
}

/// What was given so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Groups of two or more rows.
    pub groups: u64,
    /// Their rows.
    pub rows: u64,
}

impl Found {
    /// Rows that would have to go for the index to hold: one of each group stays.
    pub fn extra_rows(self) -> u64 {
        self.rows.saturating_sub(self.groups)
    }
}

/// The group that is being given.
enum Current {
    None,
    Small(std::vec::IntoIter<DuplicateRow>),
    Large(Large),
    ByServer,
}

struct Large {
    group: u64,
    first: Member,
    rows: VecDeque<DuplicateRow>,
    /// Some member is not equal to the first.
    mixed: bool,
}

/// Rows in the order of the server.
struct Cursor {
    rows: VecDeque<(bool, DuplicateRow)>,
    at_end: bool,
}

/// A group of two or more rows that share a key.
pub struct Group<'g, 'a>(&'g mut Groups<'a>);

impl<'a> Groups<'a> {
    pub(super) fn new(
        session: &'a Session,
        index: &'a UniqueIndex,
        relations: HashMap<u32, Arc<RelationName>>,
        keys: Keys,
        read: reading::Keys,
    ) -> Self {
        Self {
            session,
            index,
            relations,
            keys,
            candidates: read.candidates,
            rows: read.rows,
            ahead: None,
            large: None,
            ready: VecDeque::new(),
            cursor: None,
            current: Current::None,
            found: Found::default(),
        }
    }

    /// Groups that the server makes.
    pub(super) async fn by_server(mut self) -> Result<Self, Error> {
        self.open_cursor(None).await?;
        Ok(self)
    }

    /// The index.
    pub fn index(&self) -> &'a UniqueIndex {
        self.index
    }

    /// Rows that were read and can equal others; 0 where the server groups them.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The session of the scan, in its snapshot; for reads of the caller's own between two groups.
    /// Never end its transaction.
    pub fn session(&self) -> &'a Session {
        self.session
    }

    /// What was given so far: all there is when [`Groups::next_group`] has given `None`.
    pub fn found(&self) -> Found {
        self.found
    }

    /// The next group; what was not taken of the one before is passed over, and counted. The order
    /// of groups is that of nothing in particular; that of members is the heap's.
    ///
    /// # Errors
    /// What the server said; the disk for spilled digests.
    pub async fn next_group(&mut self) -> Result<Option<Group<'_, 'a>>, Error> {
        while self.next_row().await?.is_some() {}
        let more = loop {
            if let Some(rows) = self.ready.pop_front() {
                self.current = Current::Small(rows.into_iter());
                break true;
            }
            if let Some(beginning) = self.large.take() {
                if self.begin_large(beginning).await? {
                    break true;
                }
                continue;
            }
            if self.cursor.is_some() {
                if self.next_of_cursor().await? {
                    self.current = Current::ByServer;
                    break true;
                }
                continue;
            }
            if !self.fill().await? {
                break false;
            }
        };
        if more {
            self.found.groups += 1;
            Ok(Some(Group(self)))
        } else {
            Ok(None)
        }
    }

    async fn next_row(&mut self) -> Result<Option<DuplicateRow>, Error> {
        let row = match &mut self.current {
            Current::None => None,
            Current::Small(rows) => rows.next(),
            Current::Large(_) => self.next_of_large().await?,
            Current::ByServer => self.next_in_cursor().await?,
        };
        match row {
            Some(_) => self.found.rows += 1,
            None => self.current = Current::None,
        }
        Ok(row)
    }

    async fn next_candidate(&mut self) -> Result<Option<Candidate>, Error> {
        match self.ahead.take() {
            Some(candidate) => Ok(Some(candidate)),
            None => self.candidates.next().await,
        }
    }

    /// Takes whole groups of candidates and confirms them. False when there are none left.
    async fn fill(&mut self) -> Result<bool, Error> {
        let mut batch: Vec<(u32, Member)> = Vec::new();
        let mut group: Vec<Candidate> = Vec::new();
        let mut groups = 0;
        while let Some(next) = self.next_candidate().await? {
            if group.first().is_some_and(|first| first.group != next.group) {
                groups += 1;
                batch.extend(group.drain(..).map(|candidate| (groups, candidate.member)));
                if batch.len() >= BATCH {
                    self.ahead = Some(next);
                    break;
                }
            }
            group.push(next);
            if group.len() > LARGE {
                self.ahead = group.pop();
                self.large = Some(group.drain(..).map(|candidate| candidate.member).collect());
                break;
            }
        }
        batch.extend(group.iter().map(|candidate| (groups + 1, candidate.member)));
        if batch.is_empty() {
            return Ok(self.large.is_some());
        }
        while !batch.is_empty() {
            batch = self.confirm(batch).await?;
        }
        Ok(true)
    }

    /// Confirms candidates and gives back those that differ from the first of their group, if more
    /// than one does.
    async fn confirm(&mut self, batch: Vec<(u32, Member)>) -> Result<Vec<(u32, Member)>, Error> {
        let rows = self.compare(&batch).await?;
        let mut equal: BTreeMap<u32, Vec<DuplicateRow>> = BTreeMap::new();
        let mut others: BTreeMap<u32, Vec<(u32, Member)>> = BTreeMap::new();
        let mut last_group = 0;
        for ((group, member), (same, row)) in batch.into_iter().zip(rows) {
            let is_first = std::mem::replace(&mut last_group, group) != group;
            if same {
                equal.entry(group).or_default().push(row);
            } else if !is_first {
                others.entry(group).or_default().push((group, member));
            }
        }
        self.ready.extend(equal.into_values().filter(|rows| rows.len() > 1));
        Ok(others.into_values().filter(|rows| rows.len() > 1).flatten().collect())
    }

    /// Whether each candidate has the key of the first of its group.
    async fn compare(&self, batch: &[(u32, Member)]) -> Result<Vec<(bool, DuplicateRow)>, Error> {
        let mut compared: Vec<Option<(bool, DuplicateRow)>> = vec![None; batch.len()];
        let mut used: Vec<u32> = batch.iter().map(|(_, member)| member.relation).collect();
        used.sort_unstable();
        used.dedup();
        if used.len() > RELATIONS && batch.len() > 2 {
            return Box::pin(self.compare_in_parts(batch)).await;
        }
        let relations = used
            .iter()
            .map(|relation| Ok((*relation, &**self.relation(*relation)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        let sql = statement::confirm(self.index, batch, &relations, self.keys);
        let doing = format!("compare the keys of `{}`", self.index.definition.name);
        for row in self.session.simple_rows(&doing, &sql).await? {
            let mut fields = row.into_iter();
            let place = fields.next().flatten().and_then(|place| place.parse::<usize>().ok());
            let same = fields.next().flatten().as_deref() == Some("t");
            let place = place.and_then(|place| place.checked_sub(1)).unwrap_or(usize::MAX);
            if let (Some((_, member)), Some(slot)) = (batch.get(place), compared.get_mut(place)) {
                *slot = Some((same, self.row(*member, fields)?));
            }
        }
        compared.into_iter().collect::<Option<_>>().ok_or_else(|| {
            Error::new(
                ErrorKind::Transfer,
                format!(
                    "rows of `{}` that the scan had read are not there any more",
                    self.index.definition.table
                ),
            )
            .with_hint("the storage may be damaged: see the server's log")
        })
    }

    /// In statements that look at fewer relations, each group's first member in each of them.
    async fn compare_in_parts(
        &self,
        batch: &[(u32, Member)],
    ) -> Result<Vec<(bool, DuplicateRow)>, Error> {
        let mut compared = Vec::with_capacity(batch.len());
        for group in batch.chunk_by(|left, right| left.0 == right.0) {
            for (at, piece) in group[1..].chunks(RELATIONS - 1).enumerate() {
                let with_first: Vec<(u32, Member)> =
                    group[..1].iter().chain(piece).copied().collect();
                let rows = self.compare(&with_first).await?;
                compared.extend(rows.into_iter().skip(usize::from(at > 0)));
            }
        }
        Ok(compared)
    }

    /// Looks for a second member of a large group. False if there is none.
    async fn begin_large(&mut self, beginning: Vec<Member>) -> Result<bool, Error> {
        let mut members = beginning.into_iter();
        let (Some(first), Some(next)) = (members.next(), self.ahead) else { return Ok(false) };
        let mut large = Large { group: next.group, first, rows: VecDeque::new(), mixed: false };
        let mut chunk: Vec<Member> = members.collect();
        loop {
            self.compare_large(&mut large, &chunk, Given::Not).await?;
            if !large.rows.is_empty() {
                self.current = Current::Large(large);
                return Ok(true);
            }
            chunk = self.chunk_of(large.group).await?;
            if chunk.is_empty() {
                if large.mixed {
                    self.open_cursor(Some(large.first)).await?;
                }
                return Ok(false);
            }
        }
    }

    async fn next_of_large(&mut self) -> Result<Option<DuplicateRow>, Error> {
        loop {
            let Current::Large(large) = &mut self.current else { return Ok(None) };
            if let Some(row) = large.rows.pop_front() {
                return Ok(Some(row));
            }
            let group = large.group;
            let chunk = self.chunk_of(group).await?;
            let Current::Large(mut large) = std::mem::replace(&mut self.current, Current::None)
            else {
                return Ok(None);
            };
            if chunk.is_empty() {
                if large.mixed {
                    self.open_cursor(Some(large.first)).await?;
                }
                return Ok(None);
            }
            self.compare_large(&mut large, &chunk, Given::Already).await?;
            self.current = Current::Large(large);
        }
    }

    /// More candidates of a group.
    async fn chunk_of(&mut self, group: u64) -> Result<Vec<Member>, Error> {
        let mut chunk = Vec::new();
        while chunk.len() < LARGE {
            match self.next_candidate().await? {
                Some(next) if next.group == group => chunk.push(next.member),
                other => {
                    self.ahead = other;
                    break;
                }
            }
        }
        Ok(chunk)
    }

    async fn compare_large(
        &self,
        large: &mut Large,
        chunk: &[Member],
        first: Given,
    ) -> Result<(), Error> {
        let batch: Vec<(u32, Member)> =
            std::iter::once(&large.first).chain(chunk).map(|member| (1, *member)).collect();
        let rows = self.compare(&batch).await?;
        let equal: Vec<DuplicateRow> =
            rows.into_iter().filter(|(same, _)| *same).map(|(_, row)| row).collect();
        large.mixed |= equal.len() < batch.len();
        // The first equals itself; alone it is no group.
        let skipped = match first {
            Given::Not if equal.len() > 1 => 0,
            Given::Not | Given::Already => 1,
        };
        large.rows.extend(equal.into_iter().skip(skipped));
        Ok(())
    }

    /// Lets the server put rows in order: all of them, or those that have the image of one.
    async fn open_cursor(&mut self, but: Option<Member>) -> Result<(), Error> {
        let but = match but {
            Some(member) => Some((member, &**self.relation(member.relation)?)),
            None => None,
        };
        let name = &self.index.definition.name;
        let sql = statement::grouped(self.index, but, self.keys).ok_or_else(|| {
            Error::new(
                ErrorKind::Preflight,
                format!("the rows of `{name}` can neither be hashed nor put in order"),
            )
            .with_hint("its operator class has no hash function and shares its operators with another; use operators of its own")
        })?;
        let doing = format!("let the server group the keys of `{name}`");
        let sql = format!("declare pghaul_groups no scroll cursor for {sql}");
        self.session.batch(&doing, &sql).await?;
        self.cursor = Some(Cursor { rows: VecDeque::new(), at_end: false });
        Ok(())
    }

    /// Whether there is a group; closes the cursor if not.
    async fn next_of_cursor(&mut self) -> Result<bool, Error> {
        self.fetch().await?;
        let there = self.cursor.as_ref().is_some_and(|cursor| !cursor.rows.is_empty());
        if !there {
            self.cursor = None;
            self.session.batch("close the cursor", "close pghaul_groups").await?;
        } else if let Some((begins, _)) = self.cursor.as_mut().and_then(|c| c.rows.front_mut()) {
            *begins = false;
        }
        Ok(there)
    }

    /// The next row of the group.
    async fn next_in_cursor(&mut self) -> Result<Option<DuplicateRow>, Error> {
        self.fetch().await?;
        let Some(cursor) = &mut self.cursor else { return Ok(None) };
        if cursor.rows.front().is_none_or(|(begins, _)| *begins) {
            return Ok(None);
        }
        Ok(cursor.rows.pop_front().map(|(_, row)| row))
    }

    /// Makes the cursor's buffer hold something, if there is anything.
    async fn fetch(&mut self) -> Result<(), Error> {
        if self.cursor.as_ref().is_none_or(|cursor| !cursor.rows.is_empty() || cursor.at_end) {
            return Ok(());
        }
        let doing = format!("read the groups of `{}`", self.index.definition.name);
        let sql = format!("fetch {BATCH} from pghaul_groups");
        let mut rows = VecDeque::new();
        for row in self.session.simple_rows(&doing, &sql).await? {
            let mut fields = row.into_iter();
            let relation = fields.next().flatten().and_then(|relation| relation.parse().ok());
            let tid = fields.next().flatten().and_then(|tid| tid.parse().ok());
            let begins = fields.next().flatten().as_deref() == Some("t");
            let (Some(relation), Some(tid)) = (relation, tid) else {
                return Err(Error::new(ErrorKind::Bug, "a group of the server without a place"));
            };
            rows.push_back((begins, self.row(Member { relation, tid }, fields)?));
        }
        if let Some(cursor) = &mut self.cursor {
            cursor.at_end = rows.len() < BATCH;
            cursor.rows = rows;
        }
        Ok(())
    }

    /// A row from its place and what follows in an answer: primary key, and key if it is shown.
    fn row(
        &self,
        member: Member,
        fields: impl Iterator<Item = Option<String>>,
    ) -> Result<DuplicateRow, Error> {
        let mut texts = fields.map(|hex| hex.map(|hex| text(&hex)));
        let primary_key = texts.by_ref().take(self.index.definition.primary_key.len()).collect();
        Ok(DuplicateRow {
            relation: Arc::clone(self.relation(member.relation)?),
            tid: member.tid,
            primary_key,
            key: (self.keys == Keys::Shown).then(|| texts.collect()),
        })
    }

    fn relation(&self, relation: u32) -> Result<&Arc<RelationName>, Error> {
        self.relations.get(&relation).ok_or_else(|| {
            Error::new(ErrorKind::Bug, format!("rows of relation {relation}, which was not listed"))
        })
    }
}

/// Whether the first member of a large group was given.
#[derive(Clone, Copy)]
enum Given {
    Not,
    Already,
}

impl Group<'_, '_> {
    /// The next member, in the order of relation and ctid.
    ///
    /// # Errors
    /// As [`Groups::next_group`].
    pub async fn next_member(&mut self) -> Result<Option<DuplicateRow>, Error> {
        self.0.next_row().await
    }
}

/// A text that was sent as hex; bytes that are not valid UTF-8 are replaced.
pub(super) fn text(hex: &str) -> String {
    let nibble =
        |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Vec<u8> = hex
        .as_bytes()
        .chunks_exact(2)
        .filter_map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
