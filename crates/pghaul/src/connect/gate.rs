//! Keeps the driver from reading ahead while a large row is worked on.
//!
//! The driver reads one message after the other, and has up to three waiting before it stops: where
//! each is a row of 100 MB, that is memory nobody counts on. So behind a large message of COPY data
//! the gate shuts, and nothing is read from the socket, until its receiver asks for the next one.
//!
//! Invariants: only messages of COPY data shut the gate, and only those of at least [`LARGE`] bytes;
//! whoever waits for a message, or does not want any more, opens it, so nobody waits for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::task::AtomicWaker;
use tokio_postgres::CopyOutStream;

/// From this size on a message is large.
const LARGE: usize = 1 << 20;

/// From this size on a message leaves a buffer behind that is worth a new connection.
const HUGE: usize = 4 << 20;

/// The type of messages with COPY data (Postgres manual, 55.7).
const COPY_DATA: u8 = b'd';

/// Shut behind a large message.
#[derive(Default)]
pub(super) struct Gate {
    shut: AtomicBool,
    /// The driver's buffer has grown.
    grown: AtomicBool,
    reader: AtomicWaker,
}

impl Gate {
    /// Behind a message of so many bytes.
    pub(super) fn shut_behind(&self, bytes: usize) {
        if bytes >= HUGE {
            self.grown.store(true, Ordering::Release);
        }
        self.shut.store(true, Ordering::Release);
    }

    /// Whether a message has made the driver's buffer so large that a session is better opened anew
    /// than kept: the driver never gives that memory back.
    pub(super) fn has_grown(&self) -> bool {
        self.grown.load(Ordering::Acquire)
    }

    fn open(&self) {
        if self.shut.swap(false, Ordering::AcqRel) {
            self.reader.wake();
        }
    }

    /// Ready once the gate is open.
    pub(super) fn poll_open(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.shut.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.reader.register(cx.waker());
        // It may have been opened since we looked.
        if self.shut.load(Ordering::Acquire) { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// The data of a `COPY … TO STDOUT`, message by message. Of messages of a MiB and more the next is
/// read from the socket only once it is asked for.
pub struct CopyOut {
    stream: Pin<Box<CopyOutStream>>,
    gate: Arc<Gate>,
}

impl CopyOut {
    pub(super) fn new(stream: CopyOutStream, gate: Arc<Gate>) -> Self {
        Self { stream: Box::pin(stream), gate }
    }
}

impl Stream for CopyOut {
    type Item = Result<Bytes, tokio_postgres::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.stream.as_mut().poll_next(cx);
        if next.is_pending() {
            self.gate.open();
        }
        next
    }
}

impl Drop for CopyOut {
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// Where the messages of a server begin and end (manual, 55.2: a byte for the type, four for the
/// length, itself included).
#[derive(Default)]
pub(super) struct Messages {
    header: [u8; 5],
    /// Bytes of the header that are there.
    known: usize,
    /// Bytes of the message that are still to come.
    rest: usize,
}

impl Messages {
    /// How many bytes are missing of a large message that has begun.
    pub(super) fn rest_of_large(&self) -> Option<usize> {
        (self.rest > 0 && self.is_large()).then_some(self.rest)
    }

    /// Takes note of bytes; gives the length of a large message that ends with them.
    pub(super) fn hear(&mut self, mut bytes: &[u8]) -> Option<usize> {
        let mut ended = None;
        while !bytes.is_empty() {
            ended = None;
            if self.known < self.header.len() {
                let here = bytes.len().min(self.header.len() - self.known);
                self.header[self.known..self.known + here].copy_from_slice(&bytes[..here]);
                self.known += here;
                bytes = &bytes[here..];
                if self.known < self.header.len() {
                    return None;
                }
                self.rest = self.length().saturating_sub(4);
            }
            let here = bytes.len().min(self.rest);
            self.rest -= here;
            bytes = &bytes[here..];
            if self.rest == 0 {
                ended = self.is_large().then(|| self.length());
                self.known = 0;
            }
        }
        ended
    }

    fn length(&self) -> usize {
        let [_, length @ ..] = self.header;
        usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX)
    }

    fn is_large(&self) -> bool {
        self.header[0] == COPY_DATA && self.length() >= LARGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_waits_behind_a_large_message() {
        let gate = Gate::default();
        let open = || std::future::poll_fn(|cx| gate.poll_open(cx));
        open().await;
        gate.shut_behind(LARGE);
        assert!(!gate.has_grown());
        let waiting = open();
        tokio::pin!(waiting);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        futures::join!(waiting, async { gate.open() });
    }

    #[test]
    fn large_messages_are_seen_wherever_the_stream_is_cut() {
        let message = |kind: u8, length: usize| {
            let all = u32::try_from(length + 4).unwrap().to_be_bytes();
            [&[kind][..], &all, &vec![b'd'; length]].concat()
        };
        let parts = [
            message(b'd', 10),
            message(b'D', LARGE),
            message(b'd', LARGE),
            message(b'd', LARGE - 5),
            message(b'c', 0),
            message(b'd', LARGE + 7),
            message(b'Z', 1),
        ];
        let stream = parts.concat();
        let ends = |at: usize| parts[..=at].concat().len();
        for size in [1, 5, 7, 4096, 300_000] {
            let (mut messages, mut place, mut large) = (Messages::default(), 0, Vec::new());
            while place < stream.len() {
                let most = messages.rest_of_large().unwrap_or(size).min(size);
                let here = most.min(stream.len() - place);
                place += here;
                if messages.hear(&stream[place - here..place]).is_some() {
                    large.push(place);
                }
            }
            assert_eq!(large, [ends(2), ends(5)], "in pieces of {size}");
        }
    }
}
