//! Waiting for a server: said aloud while it does not answer, done without when all is to stop at
//! once.
//!
//! A host whose kernel answers while its processes stand still (a frozen machine, a disk that
//! stalls) cannot be told from one that works on something long, so there is no end to waiting but
//! the one that the user decides on.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use super::work::{Run, Stop};
use crate::connect::Side;
use crate::event::Event;

/// How long a question that costs nothing may take before it is said, and how often it is said.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// How long what is under way may take to end by itself when all is to stop at once.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Tells again and again while an answer does not come.
pub(super) async fn aloud<T>(run: &Run, side: Side, answer: impl Future<Output = T>) -> T {
    let mut answer = pin!(answer);
    let begun = Instant::now();
    loop {
        match tokio::time::timeout(SILENCE, answer.as_mut()).await {
            Ok(answer) => return answer,
            Err(_) => tell(run, side, begun.elapsed()),
        }
    }
}

/// Tells that a server has not answered for so long.
pub(super) fn tell(run: &Run, side: Side, since: Duration) {
    run.observer.on_event(&Event::NoAnswer { side, since });
}

/// None: all is to stop at once, and it did not end in time by itself.
pub(super) async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    let late = async {
        stop.now.cancelled().await;
        tokio::time::sleep(LAST_WORD).await;
    };
    tokio::select! {
        biased;
        ended = work => Some(ended),
        () = late => None,
    }
}
