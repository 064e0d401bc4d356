//! Many COPYs on one session, asked for together: two round trips for all of them and not for each.
//!
//! Invariants: what was asked for first is answered first, so the streams are to be taken in their
//! order, each to its end (or dropped); what the server sends ahead waits in the socket, not in
//! memory.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, MaybeDone, join_all, maybe_done};
use tokio_postgres::{CopyOutStream, Statement};

use super::gate::CopyOut;
use super::session::Session;
use crate::error::Error;

/// `COPY … TO STDOUT` of many relations.
pub(crate) struct CopyOuts<'a> {
    session: &'a Session,
    asked: VecDeque<(String, Asked<'a>)>,
    /// Closed all at once, in the end.
    _prepared: Vec<Statement>,
}

type Asked<'a> = MaybeDone<BoxFuture<'a, Result<CopyOutStream, tokio_postgres::Error>>>;

impl CopyOuts<'_> {
    /// The next stream: what it was asked for, and it. None after the last.
    pub(crate) async fn next(&mut self) -> Option<Result<(String, CopyOut), Error>> {
        let (doing, mut asked) = self.asked.pop_front()?;
        Pin::new(&mut asked).await;
        let stream = Pin::new(&mut asked).take_output()?;
        Some(match stream {
            Ok(stream) => Ok((doing, CopyOut::new(stream, Arc::clone(&self.session.gate)))),
            Err(error) => Err(self.session.error(&doing, &error)),
        })
    }
}

impl Session {
    /// Starts many `COPY … TO STDOUT`, each with what it is for.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub(crate) async fn copy_outs(
        &self,
        statements: Vec<(String, String)>,
    ) -> Result<CopyOuts<'_>, Error> {
        let prepared = self.prepare_all(&statements).await?;
        let mut asked = VecDeque::with_capacity(statements.len());
        for ((doing, _), statement) in statements.into_iter().zip(prepared.clone()) {
            let copy = async move { self.client.copy_out(&statement).await };
            let mut copy = maybe_done(copy.boxed());
            // Sends it: all are on their way, in their order, before the first is waited for.
            let _ = futures::poll!(Pin::new(&mut copy));
            asked.push_back((doing, copy));
        }
        Ok(CopyOuts { session: self, asked, _prepared: prepared })
    }

    /// Prepares many statements, each with what it is for, in one round trip.
    ///
    /// # Errors
    /// As [`Session::query`], of the first that fails.
    pub(crate) async fn prepare_all(
        &self,
        statements: &[(String, String)],
    ) -> Result<Vec<Statement>, Error> {
        let all = statements.iter().map(|(doing, sql)| async move {
            self.client.prepare(sql).await.map_err(|error| self.error(doing, &error))
        });
        join_all(all).await.into_iter().collect()
    }
}
