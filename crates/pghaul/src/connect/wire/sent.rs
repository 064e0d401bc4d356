//! What the driver sends, as the server may get it: where a COPY into the server is asked for, no Sync
//! stands between the request and the data.
//!
//! The driver sends a Sync behind the request and another behind the data. A server that has begun the
//! COPY leaves out the first (manual, 55.2.7); one that has not, since the table is not there, a trigger
//! refuses or the transaction has failed, answers both, and from then on each request gets the answer of
//! the one before it. As a Flush, which is as long, the first is answered by none, and what failed skips
//! to the second (manual, 55.2.3).
//!
//! Invariants: as many bytes go out as the driver sent, and only that one message is another; bytes are
//! looked at once, however they are cut and however often they are offered.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

/// Types of messages that a frontend sends (manual, 55.7).
mod kind {
    pub(super) const PARSE: u8 = b'P';
    pub(super) const BIND: u8 = b'B';
    pub(super) const CLOSE: u8 = b'C';
    pub(super) const SYNC: u8 = b'S';
    pub(super) const FLUSH: u8 = b'H';
}

/// Bytes of a length (manual, 55.2: it counts itself).
const LENGTH: usize = 4;

/// The names at the beginning of a message fit in here; the driver's are short.
const NAMES: usize = 256;

/// What is sent with a changed message in one go, on each side of it.
const AROUND: usize = 4 << 10;

/// What the next byte is of.
#[derive(Debug, Clone, Copy)]
enum Next {
    Kind,
    /// The length as far as it is known, and how many of its bytes are.
    Length(usize, usize),
    /// So many bytes are to come.
    Body(usize),
}

/// The messages of one connection.
pub(super) struct Sent {
    next: Next,
    /// None in the startup message, which has no type.
    kind: Option<u8>,
    /// Of the message that is coming, as far as it tells something.
    body: Vec<u8>,
    /// The prepared statements that are COPYs into the server.
    copies: HashSet<Vec<u8>>,
    /// One of them is about to be executed.
    is_copy: bool,
    /// How many of the bytes that did not go out yet were looked at, and which of them begin a Sync
    /// that is to be a Flush.
    seen: usize,
    changes: VecDeque<usize>,
}

impl Sent {
    pub(super) fn new() -> Self {
        Self {
            next: Next::Length(0, 0),
            kind: None,
            body: Vec::new(),
            copies: HashSet::new(),
            is_copy: false,
            seen: 0,
            changes: VecDeque::new(),
        }
    }

    /// What is to go out of these bytes, of which the first follows on the last that went out. Not
    /// always all of them.
    pub(super) fn instead<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if let Some(new) = bytes.get(self.seen..) {
            self.look_at(new);
        }
        match self.changes.front() {
            Some(at) if *at < AROUND => {
                let mut changed = bytes[..bytes.len().min(at + AROUND)].to_vec();
                for at in &self.changes {
                    if let Some(kind) = changed.get_mut(*at) {
                        *kind = kind::FLUSH;
                    }
                }
                changed.into()
            }
            Some(at) => bytes[..bytes.len().min(*at)].into(),
            None => bytes.into(),
        }
    }

    /// So many bytes went out.
    pub(super) fn went(&mut self, bytes: usize) {
        self.seen = self.seen.saturating_sub(bytes);
        self.changes.retain(|at| *at >= bytes);
        self.changes.iter_mut().for_each(|at| *at -= bytes);
    }

    fn look_at(&mut self, mut bytes: &[u8]) {
        while let Some(byte) = bytes.first() {
            let mut looked = 1;
            match self.next {
                Next::Kind => self.begin(*byte),
                Next::Length(length, known) => {
                    let length = (length << 8) | usize::from(*byte);
                    match known + 1 {
                        LENGTH => self.go_on(length.saturating_sub(LENGTH)),
                        known => self.next = Next::Length(length, known),
                    }
                }
                Next::Body(rest) => {
                    looked = rest.min(bytes.len());
                    self.keep(&bytes[..looked]);
                    self.go_on(rest - looked);
                }
            }
            self.seen += looked;
            bytes = &bytes[looked..];
        }
    }

    fn begin(&mut self, kind: u8) {
        if kind == kind::SYNC && std::mem::take(&mut self.is_copy) {
            self.changes.push_back(self.seen);
        }
        self.kind = Some(kind);
        self.next = Next::Length(0, 0);
    }

    fn keep(&mut self, body: &[u8]) {
        let room = match self.kind {
            Some(kind::PARSE) => usize::MAX,
            Some(kind::BIND | kind::CLOSE) => NAMES,
            _ => 0,
        };
        let here = body.len().min(room - self.body.len());
        self.body.extend_from_slice(&body[..here]);
    }

    fn go_on(&mut self, rest: usize) {
        if rest > 0 {
            self.next = Next::Body(rest);
            return;
        }
        self.next = Next::Kind;
        let body = std::mem::take(&mut self.body);
        let mut texts = body.split(|byte| *byte == 0);
        let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        match self.kind {
            Some(kind::PARSE) if is_copy_in(second) => {
                self.copies.insert(first.to_owned());
            }
            Some(kind::PARSE) => {
                self.copies.remove(first);
            }
            // A portal's name comes before the statement's.
            Some(kind::BIND) => self.is_copy = self.copies.contains(second),
            Some(kind::CLOSE) => {
                if let Some(name) = first.strip_prefix(b"S") {
                    self.copies.remove(name);
                }
            }
            _ => {}
        }
    }
}

/// Whether a statement is a COPY into the server; what it is not sure of is none.
fn is_copy_in(statement: &[u8]) -> bool {
    let statement = String::from_utf8_lossy(statement).to_ascii_lowercase();
    let (is_copy, from) = (statement.starts_with("copy "), statement.rfind(" from stdin"));
    // Inside a quoted name or text it would have its end behind it.
    is_copy && from.is_some_and(|at| !statement[at..].contains(['"', '\'', '$']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + LENGTH).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    const STARTUP: [u8; 8] = [0, 0, 0, 8, 0, 3, 0, 0];

    /// A statement by name, and its execution.
    fn prepare(name: &str, sql: &str) -> Vec<u8> {
        let parse = message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes());
        [parse, message(b'D', format!("S{name}\0").as_bytes()), message(b'S', b"")].concat()
    }

    fn execute(name: &str, parameters: usize) -> Vec<u8> {
        let bind = format!("\0{name}\0{}", "S".repeat(parameters));
        [message(b'B', bind.as_bytes()), message(b'E', b"\0\0\0\0\0")].concat()
    }

    fn close(name: &str) -> Vec<u8> {
        [message(b'C', format!("S{name}\0").as_bytes()), message(b'S', b"")].concat()
    }

    fn data(bytes: usize) -> Vec<u8> {
        let rows = message(b'd', &vec![b'S'; bytes]);
        [rows, message(b'c', b""), message(b'S', b"")].concat()
    }

    /// What goes out when so many bytes are offered at once, and so many of them taken.
    fn sent(stream: &[u8], offered: usize, taken: usize) -> Vec<u8> {
        let (mut sent, mut out) = (Sent::new(), Vec::new());
        while out.len() < stream.len() {
            let rest = &stream[out.len()..];
            let instead = sent.instead(&rest[..rest.len().min(offered)]);
            assert!(!instead.is_empty());
            let here = instead.len().min(taken);
            out.extend_from_slice(&instead[..here]);
            sent.went(here);
        }
        out
    }

    #[test]
    fn only_the_sync_behind_a_copy_into_the_server_is_a_flush_wherever_the_stream_is_cut() {
        let (sync, flush) = (message(b'S', b""), message(b'H', b""));
        let copy = "copy public.\"t\" (a) from stdin with (format binary)";
        let others = "select 'copy t from stdin'";
        let before = [STARTUP.to_vec(), prepare("s0", copy), prepare("s1", others)].concat();
        let between =
            [data(9), execute("s1", 999), sync.clone(), message(b'Q', b"rollback\0")].concat();
        let after = [data(3 * AROUND), close("s0"), prepare("s0", others)].concat();
        let after = [after, execute("s0", 3), sync.clone(), message(b'X', b"")].concat();
        let stream = |sync: &[u8]| {
            let (one, two) = (execute("s0", 0), execute("s0", 2 * AROUND));
            [&*before, &one, sync, &between, &two, sync, &after].concat()
        };
        let (asked, wanted) = (stream(&sync), stream(&flush));
        let sizes = [1, 2, 3, 5, 7, 64, 1000, AROUND, 2 * AROUND, usize::MAX];
        for offered in sizes {
            for taken in sizes {
                assert!(sent(&asked, offered, taken) == wanted, "{offered} offered, {taken} taken");
            }
        }
    }

    #[test]
    fn statements_are_told_apart() {
        for copy in [
            "copy t from stdin",
            "COPY t (a, b) FROM STDIN WITH (FORMAT binary, FREEZE)",
            "copy \"a from stdin\".t (\"$\") from stdin with (format text)",
        ] {
            assert!(is_copy_in(copy.as_bytes()), "{copy}");
        }
        for other in [
            "copy t to stdout",
            "copy \"x from stdin\" to stdout",
            "copy (select ' from stdin') to stdout",
            "copy (select $$ from stdin$$) to stdout",
            "select ' copy t from stdin'",
            "",
        ] {
            assert!(!is_copy_in(other.as_bytes()), "{other}");
        }
    }
}
