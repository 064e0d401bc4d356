//! What is tried again, how often, and after which pause: one table.
//!
#![doc = include_str!("../manual/retry_table.md")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::connect::{Side, Trouble, trouble};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};

/// Whether another attempt may succeed.
pub fn is_worth_another_try(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Usage
        | ErrorKind::Preflight
        | ErrorKind::SnapshotGone
        | ErrorKind::RunState
        | ErrorKind::Archive
        | ErrorKind::LocalIo
        | ErrorKind::Bug => false,
        ErrorKind::Connect | ErrorKind::Transfer => match error.sqlstate() {
            None => {
                error.connection_lost()
                    || matches!(
                        trouble(error),
                        Some(
                            Trouble::Unreachable
                                | Trouble::TooManyConnections
                                | Trouble::NotAccepting
                        )
                    )
            }
            Some(
                "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "57014" | "40001"
                | "40P01" | "55P03" | "53300",
            ) => true,
            Some(state) => state.starts_with("08"),
        },
    }
}

/// Whether the source said that its storage is damaged there: data or index corrupted, a file
/// that is missing (Postgres manual, appendix A). Reading it again may crash the server.
pub fn is_damage(error: &Error) -> bool {
    error.side() == Some(Side::Source)
        && matches!(error.sqlstate(), Some("XX001" | "XX002" | "58P01"))
}

/// Whether the target has no room any more (Postgres manual, appendix A): whatever is written there
/// next fails too.
pub fn is_full_disk(error: &Error) -> bool {
    error.side() == Some(Side::Target) && error.sqlstate() == Some("53100")
}

/// How often a run may still try something again, whatever it is.
#[derive(Debug)]
pub struct Budget(AtomicU32);

impl Budget {
    /// A budget of so many repetitions.
    pub fn new(retries: u32) -> Self {
        Self(AtomicU32::new(retries))
    }

    /// Takes one, if one is left.
    pub fn take(&self) -> bool {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
    }
}

/// The attempts at one thing.
pub(crate) struct Attempts<'a> {
    most: u32,
    budget: &'a Budget,
    observer: &'a dyn Observer,
    seed: u64,
    failed: u32,
}

impl<'a> Attempts<'a> {
    /// At most so many, each but the first taken from the budget; `seed` spreads the pauses.
    pub(crate) fn new(
        (most, budget): (u32, &'a Budget),
        observer: &'a dyn Observer,
        seed: u64,
    ) -> Self {
        Self { most, budget, observer, seed, failed: 0 }
    }

    /// Waits for the time of the next attempt.
    ///
    /// # Errors
    /// What the last one failed with, if another would not succeed or there is to be none.
    pub(crate) async fn after(&mut self, error: Error) -> Result<(), Error> {
        if is_worth_another_try(&error) { self.again(error).await } else { Err(error) }
    }

    /// The same after a failure that the caller knows how to get over.
    ///
    /// # Errors
    /// That failure, if there is to be no other attempt.
    pub(crate) async fn again(&mut self, error: Error) -> Result<(), Error> {
        self.failed += 1;
        if self.failed >= self.most || !self.budget.take() {
            return Err(error);
        }
        let after = pause(self.failed, self.seed);
        self.observer.on_event(&Event::Retrying { what: &error.in_one_line(), after });
        tokio::time::sleep(after).await;
        Ok(())
    }
}

/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(30);

/// The pause before attempt `attempt` (the first repetition is 1); `seed` spreads the lanes.
pub fn pause(attempt: u32, seed: u64) -> Duration {
    let full = Duration::from_millis(500)
        .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
        .min(LONGEST);
    // Any mixing will do that sends neighbours far apart (the multiplier of splitmix64).
    let mixed = (seed.wrapping_add(u64::from(attempt))).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    full / 2 + (full / 2).mul_f64((mixed >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends() {
        let budget = Budget::new(2);
        assert!(budget.take() && budget.take() && !budget.take() && !budget.take());
    }

    #[test]
    fn pauses_grow_spread_and_stay_bounded() {
        for seed in 0..100 {
            for attempt in 1..64 {
                let pause = pause(attempt, seed);
                assert!(pause >= Duration::from_millis(250) && pause <= LONGEST);
            }
        }
        assert!(pause(7, 1) > pause(1, 1));
        assert_ne!(pause(3, 1), pause(3, 2));
    }
}
