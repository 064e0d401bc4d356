//! What a server sends, taken from the socket once: COPY data for who reads the rows, all else for
//! the driver.
//!
//! The driver would hand over each row by itself, through a channel and from another thread, which
//! costs more than the digest of the row, and it keeps as much memory as the largest row had. So
//! COPY data (manual, 55.7: `CopyData`) never gets to it: from the beginning of a COPY to its end
//! whoever reads the rows reads the socket too, many rows at once, and of large rows piece by piece.
//! What the driver sends goes out as [`sent`] says.
//!
//! Invariants: every byte goes one way or the other, in its order; nothing is read ahead but what one
//! buffer holds; of the two only one reads the socket at a time, and whoever stops reading wakes the
//! other; data of a COPY that nobody takes any more is thrown away, so nobody waits for ever.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;

use self::sent::Sent;
use super::socket::Stream;

mod sent;

/// What is read at once, at most.
const READ: usize = 64 << 10;

/// A message up to this size is handed over whole.
const WHOLE: usize = 16 << 10;

/// Bytes of a message's type and length (manual, 55.2: the length counts itself).
const HEADER: usize = 5;

/// Types of messages that a backend sends (manual, 55.7).
mod kind {
    pub(super) const COPY_OUT_RESPONSE: u8 = b'H';
    pub(super) const COPY_DATA: u8 = b'd';
    pub(super) const COPY_DONE: u8 = b'c';
    pub(super) const ERROR_RESPONSE: u8 = b'E';
}

/// Where COPY data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    /// To the driver: no COPY is on, or it is not known whose.
    Driver,
    /// To the tap of that number; the driver waits.
    Tap(u64),
    /// The COPY is over, but its tap has not taken all of it; both wait.
    Rest(u64),
    /// To nobody.
    Nobody,
}

/// One connection's socket, and what was read from it and not handed over yet.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    sent: Sent,
    /// Read and not looked at.
    ahead: BytesMut,
    /// Of the message that is being handed over piece by piece: whether it is COPY data, and how
    /// many bytes are to come.
    partial: (bool, usize),
    for_driver: BytesMut,
    /// Of the COPY that [`Data`] names.
    for_tap: BytesMut,
    data: Data,
    /// COPYs that were asked for and may still begin, those that began, and those that got a tap.
    asked: u64,
    begun: u64,
    tapped: u64,
    /// Somebody gave up a COPY before it was known whether it begins: from now on all goes to the
    /// driver, which knows.
    lost_count: bool,
    /// The stream's end, for the driver: none, without or with an error.
    end: Option<Option<io::Error>>,
    /// The driver is gone, and the connection with it.
    closed: bool,
    driver: Option<Waker>,
    tap: Option<Waker>,
}

impl Wire {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            sent: Sent::new(),
            ahead: BytesMut::new(),
            partial: (false, 0),
            for_driver: BytesMut::new(),
            for_tap: BytesMut::new(),
            data: Data::Driver,
            asked: 0,
            begun: 0,
            tapped: 0,
            lost_count: false,
            end: None,
            closed: false,
            driver: None,
            tap: None,
        }
    }

    pub(super) fn stream(&mut self) -> Pin<&mut dyn Stream> {
        Pin::new(&mut self.stream)
    }

    /// Sends what the driver has to say.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let instead = self.sent.instead(bytes);
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, &instead));
        if let Ok(bytes) = written {
            self.sent.went(bytes);
        }
        Poll::Ready(written)
    }

    /// Reads bytes for the driver; ready without any at the end.
    pub(super) fn poll_driver(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.for_driver.is_empty() {
                let here = self.for_driver.len().min(into.remaining());
                into.put_slice(&self.for_driver[..here]);
                self.for_driver.advance(here);
                return Poll::Ready(Ok(()));
            }
            if let Data::Tap(_) | Data::Rest(_) = self.data {
                // Who reads the rows reads the socket, and wakes us when there is something for us.
                self.driver = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if let Some(end) = &mut self.end {
                return Poll::Ready(end.take().map_or(Ok(()), Err));
            }
            std::task::ready!(self.poll_more(cx));
        }
    }

    /// Reads COPY data for a tap; none once there is no more for it.
    fn poll_tap(&mut self, number: u64, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.closed || ![Data::Tap(number), Data::Rest(number)].contains(&self.data) {
                return Poll::Ready(None);
            }
            if !self.for_tap.is_empty() {
                let data = self.for_tap.split().freeze();
                self.go_on();
                return Poll::Ready(Some(data));
            }
            if self.poll_more(cx).is_pending() {
                self.tap = Some(cx.waker().clone());
                return Poll::Pending;
            }
            self.wake_driver();
        }
    }

    /// Reads what is there and sorts it, or notes the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A message that is waited for as a whole fits beside this.
        self.ahead.reserve(READ);
        // The buffer may have grown beyond that.
        let mut room = (&mut self.ahead).limit(READ);
        let read = std::task::ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut room));
        match read {
            Ok(0) => self.note_end(None),
            Ok(_) => self.sort(),
            Err(error) => self.note_end(Some(error)),
        }
        Poll::Ready(())
    }

    fn note_end(&mut self, error: Option<io::Error>) {
        // What began and will not be whole: the driver judges.
        self.for_driver.extend_from_slice(&self.ahead.split());
        self.end = Some(error);
        self.end_data();
    }

    /// No more data of this COPY comes.
    fn end_data(&mut self) {
        self.data = match self.data {
            Data::Tap(number) if !self.for_tap.is_empty() => Data::Rest(number),
            Data::Rest(number) => Data::Rest(number),
            _ => Data::Driver,
        };
    }

    /// The rest of a COPY was taken or thrown away: what comes behind it has waited.
    fn go_on(&mut self) {
        if let Data::Rest(_) = self.data {
            self.data = Data::Driver;
            self.sort();
            self.wake_driver();
        }
    }

    /// Hands over what was read, as far as it goes.
    fn sort(&mut self) {
        if let Data::Tap(_) = self.data {
            self.for_tap.reserve(self.ahead.len());
        }
        // What comes behind the rest of a COPY may be the data of the next one.
        while !matches!(self.data, Data::Rest(_)) {
            self.take_rows();
            let (is_data, rest) = self.partial;
            if rest > 0 {
                let here = rest.min(self.ahead.len());
                self.partial.1 -= here;
                self.hand_over(is_data, here);
                if self.partial.1 > 0 {
                    return;
                }
            }
            let Some((kind, length)) = message(&self.ahead) else { return };
            let is_data = kind == kind::COPY_DATA && self.data != Data::Driver;
            if length <= WHOLE && self.ahead.len() < HEADER + length {
                return;
            }
            if is_data {
                self.ahead.advance(HEADER);
            } else {
                self.hand_over(false, HEADER);
                self.heed(kind);
            }
            self.partial = (is_data, length);
        }
    }

    /// Hands over the rows that lie there whole, one after the other: most of what comes.
    fn take_rows(&mut self) {
        if self.partial.1 > 0 || !matches!(self.data, Data::Tap(_)) {
            return;
        }
        let mut at = 0;
        while let Some((kind::COPY_DATA, length)) = message(&self.ahead[at..])
            && length <= WHOLE
            && let Some(row) = self.ahead.get(at + HEADER..at + HEADER + length)
        {
            self.for_tap.extend_from_slice(row);
            at += HEADER + length;
        }
        self.ahead.advance(at);
    }

    fn hand_over(&mut self, is_data: bool, bytes: usize) {
        match self.data {
            Data::Nobody if is_data => self.ahead.advance(bytes),
            _ => {
                let to = if is_data { &mut self.for_tap } else { &mut self.for_driver };
                to.extend_from_slice(&self.ahead[..bytes]);
                self.ahead.advance(bytes);
            }
        }
    }

    /// A COPY begins and ends with messages that are the driver's.
    fn heed(&mut self, kind: u8) {
        match kind {
            kind::COPY_OUT_RESPONSE if self.begun < self.asked => {
                self.begun += 1;
                if !self.lost_count {
                    self.data = Data::Tap(self.begun);
                }
            }
            kind::COPY_DONE | kind::ERROR_RESPONSE => self.end_data(),
            _ => {}
        }
    }

    /// Nobody takes the rest of that COPY.
    fn throw_away_of(&mut self, number: u64) {
        if ![Data::Tap(number), Data::Rest(number)].contains(&self.data) {
            return;
        }
        self.for_tap.clear();
        if let Data::Tap(_) = self.data {
            self.data = Data::Nobody;
        }
        self.go_on();
        self.wake_driver();
    }

    fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// The driver ends, and the connection with it.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.stream = Box::new(tokio::io::empty());
        if let Some(tap) = self.tap.take() {
            tap.wake();
        }
    }
}

/// The type of the message that begins here, and how many bytes it has after its header.
fn message(bytes: &[u8]) -> Option<(u8, usize)> {
    let (header, _) = bytes.split_first_chunk::<HEADER>()?;
    let [kind, length @ ..] = *header;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    Some((kind, length.saturating_sub(HEADER - 1)))
}

/// The wire of one connection, for all who hold an end of it.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Wire>>);

impl Shared {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self(Arc::new(Mutex::new(Wire::new(stream))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Wire> {
        // A panic inside would have been a bug of a few lines that change one field after another.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a COPY is asked for.
    pub(super) fn ask(&self) -> Asked {
        self.lock().asked += 1;
        Asked { wire: self.clone(), answered: false }
    }
}

/// A COPY that was asked for.
pub(super) struct Asked {
    wire: Shared,
    answered: bool,
}

impl Asked {
    /// It has begun, by the driver's word, and so all before it have begun or failed.
    pub(super) fn begun(mut self) -> Tap {
        self.answered = true;
        let mut wire = self.wire.lock();
        wire.tapped += 1;
        let number = wire.tapped;
        drop(wire);
        Tap { wire: self.wire.clone(), number }
    }

    /// It did not begin.
    pub(super) fn failed(mut self) {
        self.answered = true;
        self.wire.lock().asked -= 1;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.answered {
            let mut wire = self.wire.lock();
            wire.lost_count = true;
            // What somebody takes who has a tap is not thrown away.
            let untapped = wire.tapped + 1;
            wire.throw_away_of(untapped);
        }
    }
}

/// Takes the data of one COPY.
pub(super) struct Tap {
    wire: Shared,
    number: u64,
}

impl Tap {
    /// Some bytes of the data, which end where a message ends unless that is a large one; none once
    /// the COPY has ended, or when its data comes through the driver.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.wire.lock().poll_tap(self.number, cx)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.wire.lock().throw_away_of(self.number);
    }
}

#[cfg(test)]
mod tests;
