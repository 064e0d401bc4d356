//! What the test has asked of the proxy, and what the proxy has done so far.
//!
//! Invariant: a fault that is planned once strikes once, on whichever connection comes first.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What the client sends.
    ToServer,
    /// What the server sends.
    ToClient,
}

impl Direction {
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Both sides get a reset.
    Cut,
    /// Nothing passes any more and nobody is told, as when a firewall forgets a connection.
    Freeze,
}

/// What happens to a COMMIT. The client cannot tell one from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// It does not reach the server, and the connection is cut.
    Lose,
    /// The server has carried it out, then the connection is cut before the client knows.
    LoseAnswer,
}

/// Counts since the proxy began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes passed on to the server.
    pub to_server: u64,
    /// Bytes passed on to the client.
    pub to_client: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Round trips: how often, on any connection, something went to the server after something had
    /// come from it. With some latency, what a client sends without waiting counts once.
    pub turns: u64,
    /// COMMITs seen, lost ones included.
    pub commits: u64,
    /// Planned faults that have struck.
    pub strikes: u64,
    /// Whether the port accepts connections.
    pub listening: bool,
}

/// What holds for all connections until it is changed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) latency: [Duration; 2],
    pub(crate) stalled: [bool; 2],
    pub(crate) half_closed: [bool; 2],
    pub(crate) refusing: bool,
    /// How often all was healed: connections that cannot be healed end when this moves.
    pub(crate) healings: u64,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    direction: Direction,
    bytes: u64,
    strike: Strike,
}

#[derive(Debug, Default)]
struct Plan {
    once: Option<Limit>,
    each: Option<Limit>,
    commit: Option<(u32, Commit)>,
}

/// Shared by the proxy's handle and its connections.
pub(crate) struct Control {
    weather: watch::Sender<Weather>,
    counts: watch::Sender<Counts>,
    plan: Mutex<Plan>,
    /// Cancelled to cut the connections that are open, then replaced.
    generation: Mutex<CancellationToken>,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self {
            weather: watch::Sender::default(),
            counts: watch::Sender::default(),
            plan: Mutex::default(),
            generation: Mutex::default(),
        }
    }

    pub(crate) fn weather(&self) -> watch::Receiver<Weather> {
        self.weather.subscribe()
    }

    pub(crate) fn change_weather(&self, change: impl FnOnce(&mut Weather)) {
        self.weather.send_modify(change);
    }

    pub(crate) fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    pub(crate) fn wrote(&self, direction: Direction, bytes: u64) {
        self.count(|counts| match direction {
            Direction::ToServer => counts.to_server += bytes,
            Direction::ToClient => counts.to_client += bytes,
        });
    }

    pub(crate) fn plan_once(&self, direction: Direction, bytes: u64, strike: Strike) {
        lock(&self.plan).once = Some(Limit { direction, bytes, strike });
    }

    pub(crate) fn plan_each(&self, direction: Direction, bytes: u64, strike: Strike) {
        lock(&self.plan).each = Some(Limit { direction, bytes, strike });
    }

    pub(crate) fn plan_commit(&self, nth: u32, fate: Commit) {
        lock(&self.plan).commit = Some((nth.max(1), fate));
    }

    pub(crate) fn forget_plans(&self) {
        *lock(&self.plan) = Plan::default();
    }

    /// How many of `wanted` bytes may be written on a connection that has written `before`, and
    /// what strikes right after them.
    pub(crate) fn allow(
        &self,
        direction: Direction,
        before: u64,
        wanted: usize,
    ) -> (usize, Option<Strike>) {
        let mut plan = lock(&self.plan);
        let fits = |left: u64| usize::try_from(left).map_or(wanted, |left| wanted.min(left));
        let (mut allowed, mut strike) = (wanted, None);
        if let Some(each) = plan.each.filter(|each| each.direction == direction) {
            let left = each.bytes.saturating_sub(before);
            allowed = fits(left);
            strike = (as_bytes(wanted) >= left).then_some(each.strike);
        }
        if let Some(once) = plan.once.as_mut().filter(|once| once.direction == direction) {
            if as_bytes(allowed) >= once.bytes {
                allowed = fits(once.bytes);
                strike = Some(once.strike);
                plan.once = None;
            } else {
                once.bytes -= as_bytes(allowed);
            }
        }
        (allowed, strike)
    }

    /// Counts a COMMIT and tells its fate.
    pub(crate) fn commit(&self) -> Option<Commit> {
        let mut plan = lock(&self.plan);
        let fate = match plan.commit {
            Some((1, fate)) => {
                plan.commit = None;
                Some(fate)
            }
            Some((nth, fate)) => {
                plan.commit = Some((nth - 1, fate));
                None
            }
            None => None,
        };
        drop(plan);
        self.count(|counts| counts.commits += 1);
        fate
    }

    pub(crate) fn token(&self) -> CancellationToken {
        lock(&self.generation).child_token()
    }

    pub(crate) fn cut_all(&self) {
        std::mem::take(&mut *lock(&self.generation)).cancel();
    }
}

pub(crate) fn as_bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Control, Direction, Strike};

    #[test]
    fn a_limit_strikes_after_exactly_its_bytes() {
        let control = Control::new();
        control.plan_once(Direction::ToServer, 10, Strike::Cut);
        assert_eq!(control.allow(Direction::ToClient, 0, 100), (100, None));
        assert_eq!(control.allow(Direction::ToServer, 0, 4), (4, None));
        assert_eq!(control.allow(Direction::ToServer, 0, 7), (6, Some(Strike::Cut)));
        assert_eq!(control.allow(Direction::ToServer, 0, 7), (7, None), "once");
        control.plan_each(Direction::ToServer, 10, Strike::Freeze);
        assert_eq!(control.allow(Direction::ToServer, 3, 6), (6, None));
        assert_eq!(control.allow(Direction::ToServer, 3, 7), (7, Some(Strike::Freeze)));
        assert_eq!(control.allow(Direction::ToServer, 3, 8), (7, Some(Strike::Freeze)));
        assert_eq!(control.allow(Direction::ToServer, 11, 8), (0, Some(Strike::Freeze)));
    }
}
