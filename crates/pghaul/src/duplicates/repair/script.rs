//! A plan as a repair reads it: checked whole before anything is done, then line by line.
//!
//! Invariants: a plan that contradicts itself is refused before the first write; what is held in
//! memory are its tables, and some bytes for each group.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pghaul_rows::{RowDigest, Tid};
use sha2::{Digest as _, Sha256};

use crate::duplicates::plan::file::{
    ChangeLine, Counts, GroupLine, Header, Line, PlanReader, RecountLine, RowLine, TableLine, Then,
    Values,
};
use crate::error::{Error, ErrorKind};

/// A checked plan.
pub(in crate::duplicates) struct Script {
    path: PathBuf,
    /// Of the file.
    pub(in crate::duplicates) digest: String,
    pub(in crate::duplicates) header: Header,
    pub(in crate::duplicates) tables: Vec<TableLine>,
    runs: Vec<Run>,
    /// Groups that belong together with others, by number, and the lowest of those.
    linked: Vec<(u32, u32)>,
    /// Their numbers, ascending.
    pub(in crate::duplicates) groups: Vec<u32>,
    pub(in crate::duplicates) counts: Counts,
    pub(in crate::duplicates) questions: u64,
}

/// Lines of one kind and table that follow each other.
#[derive(Debug, Clone, Copy)]
struct Run {
    kind: Kind,
    place: usize,
    /// The line before the first, and where the first begins.
    number: u64,
    offset: u64,
    lines: u64,
}

/// What lines say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Group,
    Change,
    Recount,
}

/// What is to be done with one row.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) line: u64,
    pub(super) tid: Tid,
    pub(super) digest: RowDigest,
    pub(super) key: Option<String>,
    pub(super) what: What,
    pub(super) groups: Vec<u32>,
    /// The row that stays, without which this one must not go.
    pub(super) keep: Option<(Tid, RowDigest)>,
}

impl Job {
    /// What it needs in memory, roughly.
    pub(super) fn bytes(&self) -> u64 {
        let values = match &self.what {
            What::Update(values) | What::Twin(values) => values
                .iter()
                .map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len) + 64)
                .sum(),
            What::Look | What::Delete | What::DeleteTwin => 0,
        };
        let key = self.key.as_ref().map_or(0, String::len);
        (size_of::<Self>() + key + values + 4 * self.groups.len() + 32) as u64
    }
}

/// What is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Nothing: it is only looked at.
    Look,
    Update(Values),
    Delete,
    /// A twin: deleted where foreign keys can be kept quiet, else updated and deleted last.
    Twin(Values),
    /// A twin that was updated.
    DeleteTwin,
}

/// The phases of a repair that touch rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// All rows are looked at.
    Look,
    /// Rows refer to others, where those that they referred to cannot wait.
    ChangeFirst,
    /// Rows that cannot wait go.
    DeleteFirst,
    /// Rows give up keys, or go where nothing refers to them.
    Release,
    /// Rows refer to others, and take in what others had.
    Change,
    /// Rows go.
    Delete,
    /// Rows of groups that were left alone get back the keys that they gave up.
    PutBack,
    /// Numbers are counted anew.
    Recount,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::ChangeFirst => "change first",
            Self::DeleteFirst => "delete first",
            Self::Release => "release",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::PutBack => "put back",
            Self::Recount => "recount",
        }
    }
}

impl Script {
    /// Reads a plan and checks it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is no plan; [`ErrorKind::LocalIo`].
    pub(in crate::duplicates) fn read(path: &Path) -> Result<Self, Error> {
        let mut reader = PlanReader::open(path)?;
        let Some(Line::Header(header)) = reader.next_line()? else {
            return Err(reader.wrong("it does not begin with `plan`"));
        };
        let mut script = Self {
            path: path.to_owned(),
            digest: digest(path)?,
            header,
            tables: Vec::new(),
            runs: Vec::new(),
            linked: Vec::new(),
            groups: Vec::new(),
            counts: Counts::default(),
            questions: 0,
        };
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut ascending = true;
        loop {
            let (number, offset) = (reader.number(), reader.offset());
            let Some(line) = reader.next_line()? else { break };
            let place = |name: &str| places.get(name).copied();
            match line {
                Line::Header(_) => return Err(reader.wrong("a second header")),
                Line::Table(table) => {
                    if places.insert(table.table.clone(), script.tables.len()).is_some() {
                        return Err(reader.wrong("a table that was there already"));
                    }
                    script.tables.push(table);
                }
                Line::Group(group) => {
                    let place = place(&group.table)
                        .ok_or_else(|| reader.wrong("a table that the plan does not describe"))?;
                    script.check_group(place, &group).map_err(|why| reader.wrong(&why))?;
                    ascending &= script.groups.last().is_none_or(|last| *last < group.group);
                    script.groups.push(group.group);
                    script.count(Kind::Group, place, number, offset);
                }
                Line::Change(change) => {
                    script.settle(&mut ascending).map_err(|why| reader.wrong(&why))?;
                    let place = place(&change.change)
                        .ok_or_else(|| reader.wrong("a table that the plan does not describe"))?;
                    script
                        .check_row(place, &change.row, &change.set)
                        .map_err(|why| reader.wrong(&why))?;
                    let unknown = |group: &&u32| script.groups.binary_search(group).is_err();
                    if let Some(group) = change.groups.iter().find(unknown) {
                        return Err(reader.wrong(&format!(
                            "a change is for group {group}, which is not in the plan; take out the \
                             change too"
                        )));
                    }
                    script.count(Kind::Change, place, number, offset);
                }
                Line::Recount(recount) => {
                    let place = place(&recount.recount)
                        .ok_or_else(|| reader.wrong("a table that the plan does not describe"))?;
                    script.check_recount(place, &recount.row).map_err(|why| reader.wrong(&why))?;
                    script.count(Kind::Recount, place, number, offset);
                }
                Line::Linked(linked) => {
                    let lowest = linked.linked.iter().min().copied().unwrap_or(0);
                    script.linked.extend(linked.linked.iter().map(|group| (*group, lowest)));
                }
                Line::Question(_) => script.questions += 1,
                Line::Counts(counts) => script.counts = counts,
            }
        }
        script.settle(&mut ascending).map_err(|why| reader.wrong(&why))?;
        script.linked.sort_unstable();
        script.linked.shrink_to_fit();
        Ok(script)
    }

    /// The groups come in the order of their numbers, if nobody has edited them.
    fn settle(&mut self, ascending: &mut bool) -> Result<(), String> {
        if !std::mem::replace(ascending, true) {
            self.groups.sort_unstable();
            let twice = self.groups.windows(2).find(|pair| pair[0] == pair[1]);
            if let Some([group, ..]) = twice {
                return Err(format!("group {group} is there twice"));
            }
        }
        Ok(())
    }

    fn count(&mut self, kind: Kind, place: usize, number: u64, offset: u64) {
        match self.runs.last_mut() {
            Some(run)
                if run.kind == kind && run.place == place && run.number + run.lines == number =>
            {
                run.lines += 1;
            }
            _ => self.runs.push(Run { kind, place, number, offset, lines: 1 }),
        }
    }

    fn check_group(&self, place: usize, group: &GroupLine) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        if let Some(keep) = &group.keep {
            self.check_row(place, &keep.row, &keep.set)?;
            seen.insert(&keep.row.ctid);
        }
        for other in &group.others {
            self.check_row(place, &other.row, &other.set)?;
            if !seen.insert(&other.row.ctid) {
                return Err(format!("row {} stands in the group twice", other.row.ctid));
            }
            let has_values = !other.set.is_empty();
            let needs = match other.then {
                Then::Change => true,
                Then::Release => false,
                Then::Delete | Then::DeleteLast | Then::MoveFirst => {
                    if has_values {
                        return Err("a row that is deleted cannot have new values".to_owned());
                    }
                    false
                }
                Then::Twin => false,
            };
            if needs && !has_values {
                return Err("a row that changes has no new values".to_owned());
            }
        }
        Ok(())
    }

    fn check_row(&self, place: usize, row: &RowLine, set: &Values) -> Result<(), String> {
        if row.ctid.parse::<Tid>().is_err() {
            return Err(format!("`{}` is no ctid", row.ctid));
        }
        if row.digest.parse::<RowDigest>().is_err() {
            return Err(format!("`{}` is no digest of a row", row.digest));
        }
        let columns = &self.tables[place].columns;
        match set.keys().find(|name| !columns.iter().any(|(column, _)| column == *name)) {
            Some(name) => Err(format!("the table has no column `{name}`")),
            None => Ok(()),
        }
    }

    fn check_recount(&self, place: usize, row: &RowLine) -> Result<(), String> {
        let table = &self.tables[place];
        let there = |name: &String| table.columns.iter().any(|(column, _)| column == name);
        let unknown =
            table.counts.iter().flat_map(|count| [&count.column, &count.by]).find(|c| !there(c));
        match unknown {
            _ if table.counts.is_empty() => {
                Err(format!("nothing is counted in the table `{}`", table.table))
            }
            Some(name) => Err(format!("the table has no column `{name}`")),
            None => self.check_row(place, row, &Values::new()),
        }
    }

    /// The groups that are done together with these, by one number.
    pub(super) fn cluster(&self, group: u32) -> u32 {
        let at = self.linked.binary_search_by_key(&group, |(group, _)| *group);
        at.map_or(group, |at| self.linked[at].1)
    }

    /// The jobs of a phase for one table.
    pub(super) fn jobs(&self, phase: Phase, place: usize) -> Result<Jobs<'_>, Error> {
        Ok(Jobs {
            runs: self
                .runs
                .iter()
                .filter(|run| run.place == place && phase.has(run.kind))
                .copied()
                .collect::<Vec<_>>()
                .into_iter(),
            reader: PlanReader::open(&self.path)?,
            left: 0,
            phase,
            ready: Vec::new().into_iter(),
            script: self,
        })
    }
}

impl Phase {
    /// Whether rows go to which foreign keys refer.
    pub(super) fn deletes(self) -> bool {
        matches!(self, Self::DeleteFirst | Self::Delete)
    }

    fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Group => self != Self::Recount,
            Kind::Change => matches!(self, Self::Look | Self::ChangeFirst | Self::Change),
            Kind::Recount => self == Self::Recount,
        }
    }
}

/// Jobs, one after another.
pub(super) struct Jobs<'a> {
    runs: std::vec::IntoIter<Run>,
    reader: PlanReader,
    left: u64,
    phase: Phase,
    ready: std::vec::IntoIter<Job>,
    script: &'a Script,
}

impl Jobs<'_> {
    /// The next one.
    pub(super) fn next_job(&mut self) -> Result<Option<Job>, Error> {
        loop {
            if let Some(job) = self.ready.next() {
                return Ok(Some(job));
            }
            if self.left == 0 {
                let Some(run) = self.runs.next() else { return Ok(None) };
                self.reader.seek(run.number, run.offset)?;
                self.left = run.lines;
                continue;
            }
            self.left -= 1;
            let line = self.reader.next_line()?;
            let number = self.reader.number();
            self.ready = match line {
                Some(Line::Group(group)) => self.of_group(&group, number),
                Some(Line::Change(change)) => self.of_change(&change, number),
                Some(Line::Recount(recount)) => of_recount(&recount, number),
                _ => return Err(self.reader.wrong("the file was changed while it was read")),
            }
            .into_iter();
        }
    }

    fn of_group(&self, group: &GroupLine, number: u64) -> Vec<Job> {
        let mut jobs = Vec::new();
        let keep = group
            .keep
            .as_ref()
            .and_then(|keep| Some((keep.row.ctid.parse().ok()?, keep.row.digest.parse().ok()?)));
        let mut add = |row: &RowLine, what: What, keep| {
            if let (Ok(tid), Ok(digest)) = (row.ctid.parse(), row.digest.parse()) {
                let (key, groups) = (row.key.clone(), vec![group.group]);
                jobs.push(Job { line: number, tid, digest, key, what, groups, keep });
            }
        };
        if let Some(keep) = &group.keep {
            match self.phase {
                Phase::Look => add(&keep.row, What::Look, None),
                Phase::Change if !keep.set.is_empty() => {
                    add(&keep.row, What::Update(keep.set.clone()), None);
                }
                _ => {}
            }
        }
        for other in &group.others {
            let what = match (self.phase, other.then) {
                (Phase::Look, _) => What::Look,
                (Phase::DeleteFirst, Then::MoveFirst) => What::Delete,
                (Phase::Release, Then::Change) => What::Update(other.set.clone()),
                (Phase::Release, Then::Release) if !other.set.is_empty() => {
                    What::Update(other.set.clone())
                }
                (Phase::Release, Then::Delete) => What::Delete,
                (Phase::Release, Then::Twin) => What::Twin(other.set.clone()),
                (Phase::Delete, Then::Release | Then::DeleteLast) => What::Delete,
                (Phase::Delete, Then::Twin) => What::DeleteTwin,
                (Phase::PutBack, Then::Release | Then::Twin) if !other.set.is_empty() => {
                    What::Update(other.set.clone())
                }
                _ => continue,
            };
            let goes = !matches!(other.then, Then::Change)
                && what != What::Look
                && self.phase != Phase::PutBack;
            add(&other.row, what, keep.filter(|_| goes));
        }
        jobs
    }

    fn of_change(&self, change: &ChangeLine, number: u64) -> Vec<Job> {
        let what = match self.phase {
            Phase::Look => What::Look,
            Phase::ChangeFirst if !change.first => return Vec::new(),
            Phase::Change if change.first => return Vec::new(),
            _ => What::Update(change.set.clone()),
        };
        match (change.row.ctid.parse(), change.row.digest.parse()) {
            (Ok(tid), Ok(digest)) => vec![Job {
                line: number,
                tid,
                digest,
                key: change.row.key.clone(),
                what,
                groups: change.groups.clone(),
                keep: None,
            }],
            _ => Vec::new(),
        }
    }

    /// The plan that they are of.
    pub(super) fn script(&self) -> &Script {
        self.script
    }
}

fn of_recount(recount: &RecountLine, number: u64) -> Vec<Job> {
    match (recount.row.ctid.parse(), recount.row.digest.parse()) {
        (Ok(tid), Ok(digest)) => vec![Job {
            line: number,
            tid,
            digest,
            key: recount.row.key.clone(),
            what: What::Look,
            groups: Vec::new(),
            keep: None,
        }],
        _ => Vec::new(),
    }
}

fn digest(path: &Path) -> Result<String, Error> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::LocalIo, format!("cannot read the plan {}", path.display()))
            .caused_by(error)
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut Hashing(&mut hash)).map_err(failed)?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
