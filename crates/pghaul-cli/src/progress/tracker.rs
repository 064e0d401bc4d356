//! What is known of a run at a moment: events and counters added up.
//!
//! Sizes of tables are bytes on disk, counters are bytes of COPY. The share between the two is
//! learned from the tables that are through; until one is, from [`USUAL_SHARE`].
//!
//! Invariant: what is done never shrinks, and is never all before the last fact says so.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use pghaul::Finding;
use pghaul::connect::Side;
use pghaul::event::{Event, Phase};
use pghaul::holder::Holder;
use pghaul::name::RelationName;
use pghaul::run::PreparedClone;
use pghaul::run::before::TableBefore;
use pghaul::run::options::{CloneOptions, Verify};
use pghaul::schema::Step;
use pghaul::verify::PreparedVerify;

use super::estimate::{Limit, Pace, Remaining, Work, remaining};

/// Bytes of COPY for a byte on disk, before anything is known: rows without their headers, free
/// space and line pointers.
const USUAL_SHARE: f64 = 0.75;
/// How many bytes on disk that assumption counts for.
const USUAL_WEIGHT: f64 = 32.0 * 1024.0 * 1024.0;
/// A table in progress is never shown as more than this.
const NEARLY: f64 = 0.99;
/// Rates are means over this time.
const WINDOW: Duration = Duration::from_secs(30);

/// A fact, owned.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Message(String),
    Planned { tables: usize, parts: usize, bytes: u64 },
    PhaseStarted(Phase),
    PhaseFinished(Phase, Duration),
    PieceCommitted { table: RelationName, rows: u64, bytes: u64 },
    TableCopied { table: RelationName, rows: u64 },
    TableVerified { table: RelationName, equal: bool },
    StepStarted { kind: String, object: String },
    StepCommitted { kind: String, object: String, took: Duration },
    Retrying { what: String, after: Duration },
    NoAnswer { side: Side, since: Duration },
    ReadingAgain { parts: usize, bytes: u64 },
    Waiting { what: String, holders: Vec<Holder> },
    Found(Finding),
}

impl Told {
    /// None for events of a newer engine that nothing here knows.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        Some(match *event {
            Event::Planned { tables, parts, bytes, steps: _ } => {
                Self::Planned { tables, parts, bytes }
            }
            Event::PhaseStarted(phase) => Self::PhaseStarted(phase),
            Event::PhaseFinished(phase, took) => Self::PhaseFinished(phase, took),
            Event::PieceCommitted { table, rows, bytes } => {
                Self::PieceCommitted { table: table.clone(), rows, bytes }
            }
            Event::TableCopied { table, rows } => Self::TableCopied { table: table.clone(), rows },
            Event::TableVerified { table, equal } => {
                Self::TableVerified { table: table.clone(), equal }
            }
            Event::StepStarted { kind, object } => {
                Self::StepStarted { kind: kind.to_owned(), object: object.to_owned() }
            }
            Event::StepCommitted { kind, object, took } => {
                Self::StepCommitted { kind: kind.to_owned(), object: object.to_owned(), took }
            }
            Event::Retrying { what, after } => Self::Retrying { what: what.to_owned(), after },
            Event::NoAnswer { side, since } => Self::NoAnswer { side, since },
            Event::ReadingAgain { parts, bytes } => Self::ReadingAgain { parts, bytes },
            Event::Waiting { what, holders } => {
                Self::Waiting { what: what.to_owned(), holders: holders.to_vec() }
            }
            Event::Found(finding) => Self::Found(finding.clone()),
            _ => return None,
        })
    }
}

/// The counters at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) rows_read: u64,
    pub(super) bytes_read: u64,
    pub(super) bytes_read_back: u64,
    pub(super) bytes_read_again: u64,
}

/// What a run will have to do.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Bytes on disk.
    tables: HashMap<RelationName, u64>,
    /// What is read back and compared, with its bytes on disk.
    read_backs: HashMap<RelationName, u64>,
    /// Kind and object of what builds an index. A key is built and then made a constraint: two
    /// steps, one index.
    indexes: HashSet<(String, String)>,
    keys: usize,
    index_jobs: usize,
    limit: Limit,
    before: Before,
}

/// What an earlier process has done of the run.
#[derive(Debug, Default)]
struct Before {
    tables: Vec<TableBefore>,
    verified: HashSet<RelationName>,
    steps: Vec<(String, String)>,
}

impl Expected {
    pub(super) fn of(prepared: &PreparedClone, options: &CloneOptions) -> Self {
        let plan = prepared.plan();
        let bytes = |table: &usize| plan.tables.get(*table).map_or(0, |table| table.bytes);
        let owned = |step: &Step| (step.kind.name().to_owned(), step.object.clone());
        Self {
            tables: plan.tables.iter().map(|table| (table.name.clone(), table.bytes)).collect(),
            read_backs: if options.verify == Verify::Full {
                plan.read_backs
                    .iter()
                    .map(|one| (one.name.clone(), one.tables.iter().map(bytes).sum()))
                    .collect()
            } else {
                HashMap::new()
            },
            indexes: prepared
                .steps()
                .filter(|step| is_index(step.kind.name()))
                .map(owned)
                .collect(),
            keys: prepared.steps().filter(|step| is_key(step.kind.name())).count(),
            index_jobs: options.index_jobs.get(),
            limit: options.max_rate.map_or(Limit::None, |_| Limit::MaxRate),
            before: Before {
                tables: prepared.tables_before(),
                verified: prepared.verified_before().cloned().collect(),
                steps: prepared.steps_before().map(owned).collect(),
            },
        }
    }

    /// What a comparison reads on the source stands for what is copied, what it reads on the
    /// target for what is read back.
    pub(super) fn of_comparison(prepared: &PreparedVerify) -> Self {
        let tables = &prepared.pairs().tables;
        Self {
            tables: tables.iter().map(|pair| (pair.name.clone(), pair.source.bytes())).collect(),
            read_backs: tables
                .iter()
                .map(|pair| (pair.name.clone(), pair.target.bytes()))
                .collect(),
            index_jobs: 1,
            before: Before {
                verified: prepared.tables_before().into_iter().map(|table| table.name).collect(),
                tables: prepared.tables_before(),
                ..Before::default()
            },
            ..Self::default()
        }
    }
}

impl Expected {
    /// Only reading.
    pub(super) fn of_tables(tables: &[(RelationName, u64)]) -> Self {
        Self { tables: tables.iter().cloned().collect(), ..Self::default() }
    }
}

/// What builds an index.
fn is_index(kind: &str) -> bool {
    matches!(kind, "INDEX" | "CONSTRAINT")
}

/// What scans tables without building anything.
fn is_key(kind: &str) -> bool {
    matches!(kind, "FK CONSTRAINT" | "CHECK CONSTRAINT")
}

/// A step that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) kind: String,
    pub(super) object: String,
    pub(super) since: Duration,
}

/// What is in the target for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Tables that are whole.
    pub tables: usize,
    /// Of how many.
    pub of_tables: usize,
    /// Rows of all committed pieces.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Indexes built.
    pub indexes: usize,
}

/// What a run that failed leaves.
#[derive(Debug, Clone)]
pub struct SoFar {
    /// What is in the target for good.
    pub kept: Kept,
    /// What was found, in the order in which it was.
    pub findings: Vec<Finding>,
}

/// All that is shown of a moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) elapsed: Duration,
    pub(super) phase: Phase,
    pub(super) counted: Counted,
    /// Bytes on disk.
    pub(super) copied: u64,
    pub(super) to_copy: u64,
    /// Bytes on disk.
    pub(super) read_back: u64,
    pub(super) to_read_back: u64,
    /// Bytes of COPY.
    pub(super) to_read_again: u64,
    /// Bytes of COPY a second.
    pub(super) rate: Option<f64>,
    pub(super) tables: usize,
    pub(super) tables_copied: usize,
    pub(super) tables_verified: usize,
    pub(super) indexes: usize,
    pub(super) indexes_built: usize,
    pub(super) running: Vec<Running>,
    pub(super) remaining: Option<Remaining>,
}

/// Adds up.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    expected: Expected,
    phase: Option<Phase>,
    copied: HashSet<RelationName>,
    verified: HashSet<RelationName>,
    /// Not read back by this process.
    verified_before: HashSet<RelationName>,
    /// Bytes of COPY by table, committed.
    committed: HashMap<RelationName, u64>,
    /// Of all processes.
    kept_rows: u64,
    kept_bytes: u64,
    /// Bytes committed by this process, which the counters have seen.
    bytes: u64,
    built: HashSet<(String, String)>,
    indexes: Pace,
    keys: Pace,
    running: Vec<Running>,
    findings: Vec<Finding>,
    /// Bytes of COPY that are read again before anything is copied.
    to_read_again: u64,
    history: VecDeque<(Duration, Progressed)>,
    shown: (u64, u64),
}

#[derive(Debug, Clone, Copy)]
struct Progressed {
    copied: u64,
    read_back: u64,
    bytes_read: u64,
}

impl Tracker {
    pub(super) fn expect(&mut self, mut expected: Expected) {
        let before = std::mem::take(&mut expected.before);
        for table in before.tables {
            self.kept_rows += table.rows;
            self.kept_bytes += table.bytes;
            self.committed.insert(table.name.clone(), table.bytes);
            if table.copied {
                self.copied.insert(table.name);
            }
        }
        self.verified.clone_from(&before.verified);
        self.verified_before = before.verified;
        for step in before.steps {
            if is_index(&step.0) {
                self.built.insert(step);
            } else if is_key(&step.0) {
                expected.keys = expected.keys.saturating_sub(1);
            }
        }
        self.expected = expected;
    }

    pub(super) fn take(&mut self, told: &Told, at: Duration) {
        match told {
            Told::PhaseStarted(phase) => self.phase = Some(*phase),
            Told::PieceCommitted { table, rows, bytes } => {
                self.kept_rows += rows;
                self.kept_bytes += bytes;
                self.bytes += bytes;
                *self.committed.entry(table.clone()).or_default() += bytes;
            }
            Told::TableCopied { table, .. } => {
                self.copied.insert(table.clone());
            }
            Told::TableVerified { table, .. } => {
                self.verified.insert(table.clone());
            }
            Told::StepStarted { kind, object } => {
                self.ended(object);
                let (kind, object) = (kind.clone(), object.clone());
                self.running.push(Running { kind, object, since: at });
            }
            Told::StepCommitted { kind, object, took } => {
                self.ended(object);
                if is_index(kind) {
                    if self.built.insert((kind.clone(), object.clone())) {
                        self.indexes.add(*took);
                    }
                } else if is_key(kind) {
                    self.keys.add(*took);
                }
            }
            Told::Found(finding) => {
                if let Some(object) = &finding.object {
                    self.ended(object);
                }
                self.findings.push(finding.clone());
            }
            Told::Message(_)
            | Told::Planned { .. }
            | Told::PhaseFinished(..)
            | Told::Retrying { .. }
            | Told::NoAnswer { .. }
            | Told::Waiting { .. } => {}
            Told::ReadingAgain { bytes, .. } => self.to_read_again = *bytes,
        }
    }

    pub(super) fn kept(&self) -> Option<Kept> {
        // The run's state is written before this phase begins.
        (self.phase >= Some(Phase::PreData)).then_some(Kept {
            tables: self.copied.len(),
            of_tables: self.expected.tables.len(),
            rows: self.kept_rows,
            bytes: self.kept_bytes,
            indexes: self.built.len(),
        })
    }

    pub(super) fn so_far(&self) -> Option<SoFar> {
        self.kept().map(|kept| SoFar { kept, findings: self.findings.clone() })
    }

    pub(super) fn sample(&mut self, elapsed: Duration, counted: Counted) -> Sample {
        let now = self.progressed(counted);
        while self.history.front().is_some_and(|(at, _)| elapsed.saturating_sub(*at) > WINDOW) {
            self.history.pop_front();
        }
        self.history.push_back((elapsed, now));
        let to_copy: u64 = self.expected.tables.values().sum();
        let to_read_back: u64 = self.expected.read_backs.values().sum();
        let rate = |of: fn(&Progressed) -> u64| {
            let (then, past) = self.history.front()?;
            let seconds = elapsed.saturating_sub(*then).as_secs_f64();
            let moved = of(&now).saturating_sub(of(past));
            (seconds >= 0.5 && moved > 0).then(|| moved as f64 / seconds)
        };
        let work = Work {
            to_copy: to_copy.saturating_sub(now.copied),
            copy_rate: rate(|p| p.copied),
            to_read_back: to_read_back.saturating_sub(now.read_back),
            read_back_rate: rate(|p| p.read_back),
            indexes: self.indexes.left(self.expected.indexes.difference(&self.built).count()),
            keys: self.keys.left(self.expected.keys.saturating_sub(self.keys.done)),
            index_jobs: self.expected.index_jobs,
            limit: self.expected.limit,
        };
        let phase = self.phase.unwrap_or(Phase::Prepare);
        Sample {
            elapsed,
            phase,
            counted,
            copied: now.copied,
            to_copy,
            read_back: now.read_back,
            to_read_back,
            to_read_again: self.to_read_again,
            rate: rate(|p| p.bytes_read),
            tables: self.expected.tables.len(),
            tables_copied: self.copied.len(),
            tables_verified: self.verified.len(),
            indexes: self.expected.indexes.len(),
            indexes_built: self.built.len(),
            running: self.running.clone(),
            remaining: if phase >= Phase::Data { remaining(&work) } else { None },
        }
    }

    /// How far both readings are, in bytes on disk.
    fn progressed(&mut self, counted: Counted) -> Progressed {
        let share = self.share();
        let on_disk = |copy_bytes: u64| copy_bytes as f64 / share;
        let bytes_of = |table: &RelationName| self.expected.tables.get(table).copied().unwrap_or(0);
        let mut copied = 0.0;
        let mut left = 0.0;
        for (table, bytes) in &self.expected.tables {
            if self.copied.contains(table) {
                copied += *bytes as f64;
            } else {
                let committed = on_disk(self.committed.get(table).copied().unwrap_or(0));
                let part = committed.min(*bytes as f64 * NEARLY);
                copied += part;
                left += *bytes as f64 - part;
            }
        }
        let in_flight = on_disk(counted.bytes_read.saturating_sub(self.bytes));
        copied += in_flight.min(left * NEARLY);
        let mut read_back = 0.0;
        let mut left = 0.0;
        let mut seen = 0.0;
        for (table, bytes) in &self.expected.read_backs {
            if self.verified.contains(table) {
                read_back += *bytes as f64;
                if !self.verified_before.contains(table) {
                    seen += match self.committed.get(table) {
                        Some(committed) => on_disk(*committed),
                        None => bytes_of(table) as f64,
                    };
                }
            } else {
                left += *bytes as f64;
            }
        }
        read_back += (on_disk(counted.bytes_read_back) - seen).clamp(0.0, left * NEARLY);
        self.shown = (self.shown.0.max(whole(copied)), self.shown.1.max(whole(read_back)));
        Progressed { copied: self.shown.0, read_back: self.shown.1, bytes_read: counted.bytes_read }
    }

    /// Bytes of COPY for a byte on disk.
    fn share(&self) -> f64 {
        let mut disk = USUAL_WEIGHT;
        let mut copy = USUAL_WEIGHT * USUAL_SHARE;
        for table in &self.copied {
            disk += self.expected.tables.get(table).copied().unwrap_or(0) as f64;
            copy += self.committed.get(table).copied().unwrap_or(0) as f64;
        }
        (copy / disk).max(0.01)
    }

    fn ended(&mut self, object: &str) {
        self.running.retain(|step| step.object != object);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sums of sizes are positive, and a float's cast saturates"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn table(name: &str) -> RelationName {
        RelationName::new("public", name)
    }

    fn tracker(tables: &[(&str, u64)]) -> Tracker {
        let sizes: HashMap<_, _> =
            tables.iter().map(|(name, bytes)| (table(name), *bytes)).collect();
        let mut tracker = Tracker::default();
        tracker.expect(Expected {
            tables: sizes.clone(),
            read_backs: sizes,
            index_jobs: 1,
            ..Expected::default()
        });
        tracker
    }

    fn read(bytes_read: u64, bytes_read_back: u64) -> Counted {
        Counted { bytes_read, bytes_read_back, ..Counted::default() }
    }

    #[test]
    fn done_never_shrinks_and_is_whole_only_when_all_tables_are() {
        let mut tracker = tracker(&[("big", 100 * MIB), ("small", MIB)]);
        let mut before = 0;
        // Twice as many bytes as anybody would expect from 100 MiB on disk.
        for mib in 0..200 {
            let sample = tracker.sample(Duration::from_secs(mib), read(mib * MIB, 0));
            assert!(sample.copied >= before && sample.copied < sample.to_copy);
            before = sample.copied;
        }
        let piece = Told::PieceCommitted { table: table("big"), rows: 5, bytes: 200 * MIB };
        tracker.take(&piece, Duration::from_secs(200));
        for name in ["big", "small"] {
            let copied = Told::TableCopied { table: table(name), rows: 5 };
            tracker.take(&copied, Duration::from_secs(200));
        }
        let sample = tracker.sample(Duration::from_secs(201), read(200 * MIB, 0));
        assert_eq!((sample.copied, sample.to_copy), (101 * MIB, 101 * MIB));
        assert!(sample.read_back < sample.to_read_back);
    }

    #[test]
    fn nothing_is_kept_before_anything_is_written() {
        let mut tracker = tracker(&[("t", MIB)]);
        assert_eq!(tracker.kept(), None);
        tracker.take(&Told::PhaseStarted(Phase::PreData), Duration::ZERO);
        let piece = Told::PieceCommitted { table: table("t"), rows: 5, bytes: 70 };
        tracker.take(&piece, Duration::ZERO);
        let kept = Kept { tables: 0, of_tables: 1, rows: 5, bytes: 70, indexes: 0 };
        assert_eq!(tracker.kept(), Some(kept));
    }

    #[test]
    fn steps_run_until_they_are_committed_or_found_impossible() {
        let mut tracker = tracker(&[]);
        for object in ["public.a", "public.b"] {
            let told = Told::StepStarted { kind: "INDEX".into(), object: object.into() };
            tracker.take(&told, Duration::from_secs(1));
        }
        let committed = Told::StepCommitted {
            kind: "INDEX".into(),
            object: "public.a".into(),
            took: Duration::from_secs(1),
        };
        tracker.take(&committed, Duration::from_secs(2));
        let sample = tracker.sample(Duration::from_secs(2), Counted::default());
        assert_eq!((sample.indexes_built, sample.running.len()), (1, 1));
        let finding = Finding::new(pghaul::Severity::Warning, "duplicates", "", "");
        tracker.take(&Told::Found(finding.about("public.b")), Duration::from_secs(3));
        assert!(tracker.sample(Duration::from_secs(3), Counted::default()).running.is_empty());
    }
}
