//! amcheck on several sessions at once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::amcheck::{Amcheck, Thoroughness, Verdict};
use super::index::Index;
use crate::connect::Session;
use crate::error::Error;
use crate::name::RelationName;

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    Index(&'a Index, Thoroughness),
    /// With the bytes of an index of it, for want of its own.
    Table(u32, &'a RelationName, u64),
}

impl Subject<'_> {
    fn bytes(self) -> u64 {
        match self {
            Self::Index(index, _) => index.bytes,
            Self::Table(_, _, bytes) => bytes,
        }
    }
}

/// The verdicts, in the order of the subjects; the largest are looked at first.
pub(super) async fn verdicts(
    sessions: &[&Session],
    amcheck: &Amcheck,
    subjects: &[Subject<'_>],
) -> Result<Vec<Verdict>, Error> {
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(subjects[*at].bytes()));
    let queue = Mutex::new(VecDeque::from(order));
    let lanes = sessions.iter().map(|session| lane(session, amcheck, subjects, &queue));
    let mut done: Vec<(usize, Verdict)> =
        futures::future::try_join_all(lanes).await?.into_iter().flatten().collect();
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, verdict)| verdict).collect())
}

async fn lane(
    session: &Session,
    amcheck: &Amcheck,
    subjects: &[Subject<'_>],
    queue: &Mutex<VecDeque<usize>>,
) -> Result<Vec<(usize, Verdict)>, Error> {
    let mut done = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(at) = next else { return Ok(done) };
        let verdict = match subjects[at] {
            Subject::Index(index, thoroughness) => {
                amcheck.index(session, index, thoroughness).await?
            }
            Subject::Table(oid, name, _) => amcheck.table(session, (oid, name)).await?,
        };
        done.push((at, verdict));
    }
}
