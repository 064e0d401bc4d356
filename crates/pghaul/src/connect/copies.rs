//! The data of COPYs, of one or of many that are asked for together: two round trips for all of them
//! and not for each.
//!
//! Invariants: what was asked for first is answered first, so the streams are to be taken in their
//! order, each to its end (or dropped); what the server sends ahead waits in the socket, not in
//! memory.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use futures::future::{BoxFuture, FutureExt, MaybeDone, join_all, maybe_done};
use tokio_postgres::{CopyOutStream, Statement};

use super::session::Session;
use super::wire::{Asked, Tap};
use crate::error::Error;

/// The data of a `COPY … TO STDOUT`, some 64 KiB at most at once, cut between messages but for large
/// ones. Nothing is read from the socket but when it is asked for.
pub struct CopyOut {
    tap: Tap,
    /// What the driver hears of it: the end, or why there is none.
    end: Pin<Box<CopyOutStream>>,
}

impl CopyOut {
    fn new(asked: Asked, stream: CopyOutStream) -> Self {
        Self { tap: asked.begun(), end: Box::pin(stream) }
    }
}

impl Stream for CopyOut {
    type Item = Result<Bytes, tokio_postgres::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.tap.poll_data(cx)) {
            Some(data) => Poll::Ready(Some(Ok(data))),
            None => self.end.as_mut().poll_next(cx),
        }
    }
}

/// `COPY … TO STDOUT` of many relations.
pub(crate) struct CopyOuts<'a> {
    session: &'a Session,
    asked: VecDeque<(String, Asked, Answer<'a>)>,
    /// Closed all at once, in the end.
    _prepared: Vec<Statement>,
}

type Answer<'a> = MaybeDone<BoxFuture<'a, Result<CopyOutStream, tokio_postgres::Error>>>;

impl CopyOuts<'_> {
    /// The next stream: what it was asked for, and it. None after the last.
    pub(crate) async fn next(&mut self) -> Option<Result<(String, CopyOut), Error>> {
        let (doing, asked, mut answer) = self.asked.pop_front()?;
        Pin::new(&mut answer).await;
        let stream = Pin::new(&mut answer).take_output()?;
        Some(match stream {
            Ok(stream) => Ok((doing, CopyOut::new(asked, stream))),
            Err(error) => {
                asked.failed();
                Err(self.session.error(&doing, &error))
            }
        })
    }
}

impl Session {
    /// Starts a `COPY … TO STDOUT`.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn copy_out(&self, doing: &str, sql: &str) -> Result<CopyOut, Error> {
        let asked = self.wire.ask();
        match self.client.copy_out(sql).await {
            Ok(stream) => Ok(CopyOut::new(asked, stream)),
            Err(error) => {
                asked.failed();
                Err(self.error(doing, &error))
            }
        }
    }

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
            let ask = self.wire.ask();
            let copy = async move { self.client.copy_out(&statement).await };
            let mut copy = maybe_done(copy.boxed());
            // Sends it: all are on their way, in their order, before the first is waited for.
            let _ = futures::poll!(Pin::new(&mut copy));
            asked.push_back((doing, ask, copy));
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
