//! `--max-rate`: bytes a second read from the source, all readers together.
//!
//! Invariant: over any stretch of time the bytes let through exceed rate times time by at most
//! 20 ms worth of bytes and what a reader gets at once (some 80 KiB at most).

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How far ahead of the rate a reader may be before it sleeps.
const SLACK: Duration = Duration::from_millis(20);

/// A shared limit. Without a rate it lets everything through at once.
#[derive(Debug)]
pub struct Pace {
    rate: Option<NonZeroU64>,
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    /// A limit of so many bytes a second.
    pub fn new(rate: Option<NonZeroU64>) -> Self {
        Self { rate, free_at: Mutex::new(None) }
    }

    /// Waits until `bytes` more may have been read.
    pub async fn take(&self, bytes: u64) {
        let Some(rate) = self.rate else { return };
        let cost = Duration::from_secs_f64(bytes as f64 / rate.get() as f64);
        let until = {
            let mut free_at = self.free_at.lock().await;
            let until = free_at.unwrap_or_else(Instant::now).max(Instant::now());
            *free_at = Some(until + cost);
            until
        };
        // A timer is no finer than a millisecond, and what comes at once may be a row: sleeping for
        // each would make the rate a hundredth of what was asked for.
        if until > Instant::now() + SLACK {
            tokio::time::sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_over_all_readers() {
        let pace = Pace::new(NonZeroU64::new(1000));
        let begin = Instant::now();
        let readers = (0..4).map(|_| async {
            for _ in 0..10 {
                pace.take(100).await;
            }
        });
        futures::future::join_all(readers).await;
        // 4,000 bytes at 1,000 a second; the last message of 100 passes without waiting for itself.
        assert_eq!(begin.elapsed(), Duration::from_millis(3900));
    }
}
