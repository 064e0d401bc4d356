//! Just enough of Postgres' protocol (Postgres manual, chapter 53) to see, in the two streams of
//! a connection without TLS, where the client asks to commit and where the server answers.
//!
//! Invariants: bytes may arrive cut anywhere; no more than [`KEPT`] bytes of a message are held;
//! what cannot be understood (TLS, garbage) is watched no more.

use std::collections::HashMap;

/// How much of a message is kept: more than any COMMIT has.
const KEPT: usize = 512;

/// The type of packets that have none.
const STARTUP: u8 = 0;
const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();
const GSS_REQUEST: [u8; 4] = 80_877_104_u32.to_be_bytes();

/// One connection, both directions.
pub(crate) struct Conversation {
    client: Messages,
    server: Messages,
    /// The server owes the one byte that answers a request for encryption.
    encryption_asked: bool,
    /// What prepared statements and portals do, by name, if they end a transaction.
    statements: HashMap<Vec<u8>, End>,
    portals: HashMap<Vec<u8>, End>,
    /// An end is executed; the Sync that makes the server answer is still to come.
    executed: Option<End>,
    asked: u64,
    answered: u64,
}

/// How a transaction ends.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum End {
    Commit,
    Rollback,
}

impl Conversation {
    pub(crate) fn new() -> Self {
        Self {
            client: Messages::new(true),
            server: Messages::new(false),
            encryption_asked: false,
            statements: HashMap::new(),
            portals: HashMap::new(),
            executed: None,
            asked: 0,
            answered: 0,
        }
    }

    /// Looks at bytes on their way to the server, at most up to the end of the next message that
    /// asks for the end of a transaction. Gives how many, and that end.
    pub(crate) fn hear_client(&mut self, bytes: &[u8]) -> (usize, Option<End>) {
        let mut seen = 0;
        while seen < bytes.len() {
            let (taken, message) = self.client.take(&bytes[seen..]);
            seen += taken;
            if let Some(end) = message.and_then(|(kind, body)| self.request(kind, &body)) {
                self.asked += 1;
                return (seen, Some(end));
            }
        }
        (seen, None)
    }

    /// Looks at bytes on their way to the client.
    pub(crate) fn hear_server(&mut self, mut bytes: &[u8]) {
        if self.encryption_asked && !bytes.is_empty() {
            self.encryption_asked = false;
            self.server.opaque = bytes[0] != b'N';
            self.client.opaque = self.server.opaque;
            bytes = &bytes[1..];
        }
        while !bytes.is_empty() {
            let (taken, message) = self.server.take(bytes);
            bytes = &bytes[taken..];
            let ended = match message {
                Some((b'C', tag)) => matches!(until_zero(&tag).0, b"COMMIT" | b"ROLLBACK"),
                // A COMMIT that fails has no other answer.
                Some((b'E', _)) => true,
                _ => false,
            };
            if ended {
                self.answered = self.asked.min(self.answered + 1);
            }
        }
    }

    /// Whether the server has answered every end that was asked for.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered == self.asked
    }

    fn request(&mut self, kind: u8, body: &[u8]) -> Option<End> {
        match kind {
            STARTUP => {
                // What follows a request for encryption is again untyped.
                self.encryption_asked = body == SSL_REQUEST || body == GSS_REQUEST;
                self.client.untyped = self.encryption_asked;
            }
            b'Q' => return end_in(until_zero(body).0),
            b'P' => {
                let (name, rest) = until_zero(body);
                set(&mut self.statements, name, end_in(until_zero(rest).0));
            }
            b'B' => {
                let (portal, rest) = until_zero(body);
                let end = self.statements.get(until_zero(rest).0).copied();
                set(&mut self.portals, portal, end);
            }
            b'E' => {
                self.executed = self.portals.get(until_zero(body).0).copied().or(self.executed);
            }
            b'S' => return self.executed.take(),
            _ => {}
        }
        None
    }
}

fn set(names: &mut HashMap<Vec<u8>, End>, name: &[u8], end: Option<End>) {
    match end {
        Some(end) => names.insert(name.to_vec(), end),
        None => names.remove(name),
    };
}

fn until_zero(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// How the last statement of a query ends a transaction, if it does.
fn end_in(sql: &[u8]) -> Option<End> {
    let sql = String::from_utf8_lossy(sql).to_lowercase();
    let last = sql.trim_end_matches([';', ' ', '\n']).rsplit(';').next()?;
    let words: Vec<_> = last.split_whitespace().collect();
    match words.as_slice() {
        ["commit" | "end"] | ["commit" | "end", "work" | "transaction"] => Some(End::Commit),
        ["rollback" | "abort"] | ["rollback" | "abort", "work" | "transaction"] => {
            Some(End::Rollback)
        }
        _ => None,
    }
}

/// Cuts one stream into messages: their type, and the first bytes of their body.
struct Messages {
    header: Vec<u8>,
    body: Vec<u8>,
    /// Bytes of the body that are still to come.
    rest: usize,
    /// The client's first packets have no type byte.
    untyped: bool,
    opaque: bool,
}

impl Messages {
    fn new(untyped: bool) -> Self {
        Self { header: Vec::new(), body: Vec::new(), rest: 0, untyped, opaque: false }
    }

    /// Takes bytes up to the end of the message at hand: how many, and the message if it is whole
    /// now.
    fn take(&mut self, bytes: &[u8]) -> (usize, Option<(u8, Vec<u8>)>) {
        if self.opaque {
            return (bytes.len(), None);
        }
        let header_length = if self.untyped { 4 } else { 5 };
        let mut taken = 0;
        if self.header.len() < header_length {
            taken = bytes.len().min(header_length - self.header.len());
            self.header.extend_from_slice(&bytes[..taken]);
            let Some(length) = self.header.get(header_length - 4..header_length) else {
                return (taken, None);
            };
            let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
            let rest = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
            self.opaque = rest.is_none();
            self.rest = rest.unwrap_or_default();
        }
        let here = self.rest.min(bytes.len() - taken);
        let kept = here.min(KEPT - self.body.len());
        self.body.extend_from_slice(&bytes[taken..taken + kept]);
        self.rest -= here;
        taken += here;
        if self.rest > 0 || self.opaque {
            return (taken, None);
        }
        let kind = if self.untyped { STARTUP } else { self.header[0] };
        self.header.clear();
        (taken, Some((kind, std::mem::take(&mut self.body))))
    }
}

#[cfg(test)]
mod tests {
    use super::{Conversation, End, end_in};

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    fn startup() -> Vec<u8> {
        let body = b"\x00\x03\x00\x00user\0postgres\0\0";
        message(0, body)[1..].to_vec()
    }

    fn encryption() -> Vec<u8> {
        message(0, &80_877_103_u32.to_be_bytes())[1..].to_vec()
    }

    /// The ends asked for in a stream, with the place behind each, given in pieces of `size`.
    fn ends(stream: &[u8], size: usize) -> Vec<(usize, End)> {
        let mut conversation = Conversation::new();
        let (mut place, mut ends) = (0, Vec::new());
        for piece in stream.chunks(size) {
            let mut seen = 0;
            while seen < piece.len() {
                let (taken, end) = conversation.hear_client(&piece[seen..]);
                seen += taken;
                ends.extend(end.map(|end| (place + seen, end)));
            }
            place += piece.len();
        }
        ends
    }

    #[test]
    fn commits_are_seen_wherever_the_stream_is_cut() {
        let mut stream = startup();
        stream.extend(message(b'p', b"commit\0"));
        stream.extend(message(b'Q', b"begin\0"));
        stream.extend(message(b'd', &vec![b'Q'; 5000]));
        stream.extend(message(b'c', b""));
        stream.extend(message(b'Q', b"insert into receipts values (1); COMMIT ;\0"));
        let first = stream.len();
        stream.extend(message(b'Q', b"select 'commit'\0"));
        stream.extend(message(b'Q', b"rollback to savepoint a\0"));
        stream.extend(message(b'P', b"s1\0COMMIT\0\0\0"));
        stream.extend(message(b'P', b"s2\0select 1\0\0\0"));
        stream.extend(message(b'S', b""));
        for statement in [&b"\0s2\0\0\0\0\0\0\0"[..], b"\0s1\0\0\0\0\0\0\0"] {
            stream.extend(message(b'B', statement));
            stream.extend(message(b'E', b"\0\0\0\0\0"));
            stream.extend(message(b'S', b""));
        }
        let second = stream.len();
        stream.extend(message(b'Q', b"Rollback\0"));
        let third = stream.len();
        for size in [1, 2, 3, 7, 64, 1000, stream.len()] {
            assert_eq!(
                ends(&stream, size),
                [(first, End::Commit), (second, End::Commit), (third, End::Rollback)],
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn a_refused_encryption_is_followed_by_a_plain_start() {
        let mut conversation = Conversation::new();
        conversation.hear_client(&encryption());
        conversation.hear_server(b"N");
        conversation.hear_client(&startup());
        let (_, end) = conversation.hear_client(&message(b'Q', b"end\0"));
        assert_eq!(end, Some(End::Commit));
        assert!(!conversation.is_answered());
        for piece in message(b'C', b"COMMIT\0").chunks(2) {
            conversation.hear_server(piece);
        }
        assert!(conversation.is_answered());
    }

    #[test]
    fn an_encrypted_connection_is_not_looked_into() {
        let mut conversation = Conversation::new();
        conversation.hear_client(&encryption());
        conversation.hear_server(b"S");
        assert_eq!(conversation.hear_client(&message(b'Q', b"end\0")), (9, None));
    }

    #[test]
    fn a_failed_commit_is_answered_too() {
        let mut conversation = Conversation::new();
        conversation.hear_client(&startup());
        conversation.hear_server(&message(b'E', b"SERROR\0\0"));
        conversation.hear_client(&message(b'Q', b"commit\0"));
        assert!(!conversation.is_answered());
        conversation.hear_server(&message(b'C', b"INSERT 0 1\0"));
        assert!(!conversation.is_answered());
        conversation.hear_server(&message(b'E', b"SERROR\0\0"));
        assert!(conversation.is_answered());
    }

    #[test]
    fn spellings() {
        for sql in ["COMMIT", " commit work ;", "end transaction;\n", "select 1;commit"] {
            assert_eq!(end_in(sql.as_bytes()), Some(End::Commit), "{sql}");
        }
        for sql in ["", ";", "commit prepared 'x'", "commit; begin", "begin", "recommit"] {
            assert_eq!(end_in(sql.as_bytes()), None, "{sql}");
        }
    }
}
