//! How much longer it takes.
//!
//! Copying comes first; reading back and building indexes follow, beside each other; validating
//! foreign keys comes last. What has not begun cannot be measured. Reading back is then taken to
//! be as fast as copying (it is never slower), unless copying is held back by `--max-rate`; what
//! nothing is known of makes the estimate a lower bound that says so.

use std::time::Duration;

/// What is left, and how fast it goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Bytes.
    pub(super) to_copy: u64,
    /// Bytes a second; none: not measured yet, or nothing moves.
    pub(super) copy_rate: Option<f64>,
    /// Bytes.
    pub(super) to_read_back: u64,
    /// Bytes a second.
    pub(super) read_back_rate: Option<f64>,
    pub(super) indexes: Left,
    pub(super) keys: Left,
    pub(super) index_jobs: usize,
    pub(super) limit: Limit,
}

/// Whether copying goes as fast as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Limit {
    /// It does.
    #[default]
    None,
    /// It is held back, so its rate says nothing of reading back.
    MaxRate,
}

/// How long steps of one sort took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    pub(super) done: usize,
    took: Duration,
}

/// Steps that are left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    count: usize,
    /// The mean of those that are done.
    each: Option<Duration>,
}

/// The time that is left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Remaining {
    /// All that is left has been measured.
    About(Duration),
    /// Some of what is left has not begun yet.
    AtLeast(Duration),
}

impl Pace {
    pub(super) fn add(&mut self, took: Duration) {
        self.done += 1;
        self.took += took;
    }

    pub(super) fn left(&self, count: usize) -> Left {
        let each = u32::try_from(self.done).ok().filter(|done| *done > 0).map(|n| self.took / n);
        Left { count, each }
    }
}

impl Left {
    fn seconds(&self, jobs: usize) -> Option<f64> {
        if self.count == 0 {
            return Some(0.0);
        }
        let rounds = self.count.div_ceil(jobs.max(1));
        self.each.map(|each| each.as_secs_f64() * rounds as f64)
    }
}

/// None when nothing can be said.
pub(super) fn remaining(work: &Work) -> Option<Remaining> {
    let seconds = |bytes: u64, rate: Option<f64>| match (bytes, rate) {
        (0, _) => Some(0.0),
        (_, Some(rate)) if rate > 0.0 => Some(bytes as f64 / rate),
        _ => None,
    };
    let copy = seconds(work.to_copy, work.copy_rate)?;
    let presumed = work.copy_rate.filter(|_| work.limit == Limit::None);
    let read_back = seconds(work.to_read_back, work.read_back_rate.or(presumed));
    let indexes = work.indexes.seconds(work.index_jobs);
    let keys = work.keys.seconds(work.index_jobs);
    let beside = read_back.unwrap_or(0.0).max(indexes.unwrap_or(0.0));
    let known = copy + beside + keys.unwrap_or(0.0);
    let known = Duration::try_from_secs_f64(known).ok()?;
    Some(match (read_back, indexes, keys) {
        (Some(_), Some(_), Some(_)) => Remaining::About(known),
        _ => Remaining::AtLeast(known),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(count: usize, each: Option<u64>) -> Left {
        Left { count, each: each.map(Duration::from_secs) }
    }

    const COPYING: Work = Work {
        to_copy: 1_000,
        copy_rate: Some(10.0),
        to_read_back: 2_000,
        read_back_rate: None,
        indexes: Left { count: 0, each: None },
        keys: Left { count: 0, each: None },
        index_jobs: 2,
        limit: Limit::None,
    };

    fn about(seconds: u64) -> Option<Remaining> {
        Some(Remaining::About(Duration::from_secs(seconds)))
    }

    #[test]
    fn reading_back_and_indexes_count() {
        assert_eq!(remaining(&COPYING), about(300));
        assert_eq!(remaining(&Work { read_back_rate: Some(20.0), ..COPYING }), about(200));
        // Three rounds of two.
        let indexes = left(5, Some(90));
        assert_eq!(remaining(&Work { indexes, ..COPYING }), about(100 + 270));
        let keys = left(1, Some(7));
        assert_eq!(remaining(&Work { keys, ..COPYING }), about(307));
    }

    #[test]
    fn what_was_never_measured_makes_it_a_lower_bound() {
        let unknown = Work { indexes: left(3, None), ..COPYING };
        assert_eq!(remaining(&unknown), Some(Remaining::AtLeast(Duration::from_secs(300))));
        assert_eq!(
            remaining(&Work { limit: Limit::MaxRate, ..COPYING }),
            Some(Remaining::AtLeast(Duration::from_secs(100)))
        );
        assert_eq!(remaining(&Work { copy_rate: None, ..COPYING }), None);
    }

    #[test]
    fn the_end_is_zero() {
        let done = Work { to_copy: 0, to_read_back: 0, copy_rate: None, ..COPYING };
        assert_eq!(remaining(&done), about(0));
    }
}
