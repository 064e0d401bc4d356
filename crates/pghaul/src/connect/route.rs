//! The way to one server: address, encryption, and the stream that results.
//!
//! Invariant: a [`Route`] that led to a server once leads to the same address with the same
//! encryption again; that is what a cancel request needs.

use std::sync::Arc;

use super::failure::{Cause, Failure, Trouble};
use super::host::{Address, HostEntry};
use super::parameters::{Parameters, SslMode};
use super::socket::{Socket, Transport, Watch};
use super::tls::Tls;

/// Whether TLS is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    Plain,
    /// TLS if the server offers it.
    Offered,
    Tls,
}

impl Encryption {
    /// What is tried at an address, in order (Postgres manual, 34.1.2, `sslmode`). TLS is not
    /// spoken over Unix sockets.
    pub(super) fn attempts(mode: SslMode, address: &Address) -> &'static [Self] {
        match (mode, address) {
            (_, Address::Unix { .. }) | (SslMode::Disable, _) => &[Self::Plain],
            (SslMode::Allow, _) => &[Self::Plain, Self::Tls],
            (SslMode::Prefer, _) => &[Self::Offered, Self::Plain],
            (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, _) => &[Self::Tls],
        }
    }
}

/// The way to one server.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) entry: HostEntry,
    pub(super) address: Address,
    /// What was agreed on once a stream is open; never [`Encryption::Offered`] then.
    pub(super) encryption: Encryption,
    pub(super) watch: Watch,
    pub(super) parameters: Arc<Parameters>,
    pub(super) tls: Arc<Tls>,
}

/// A stream, and what was learned while it was opened.
pub(super) struct Opened {
    pub(super) transport: Transport,
    pub(super) local_port: Option<u16>,
    pub(super) encryption: Encryption,
}

impl Route {
    /// For people: `host:port`, with the address if that is another.
    pub(super) fn place(&self) -> String {
        let (entry, address) = (self.entry.to_string(), self.address.to_string());
        if entry == address { entry } else { format!("{entry} ({address})") }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.encryption == Encryption::Tls
    }

    /// Opens a stream.
    pub(super) async fn open(&self) -> Result<Opened, Failure> {
        let place = self.place();
        let fail = |trouble, error| Failure::new(trouble, &place, Cause::Io(error));
        let socket = Socket::connect(&self.address, self.watch)
            .await
            .map_err(|error| fail(Trouble::Unreachable, error))?;
        let local_port = socket.local_port;
        let stream = socket.stream;
        if self.encryption == Encryption::Plain {
            let transport = Transport::plain(stream);
            return Ok(Opened { transport, local_port, encryption: Encryption::Plain });
        }
        let name = self.entry.certificate_name();
        let (transport, encryption) =
            self.tls.negotiate(stream, name, self.encryption, &place).await?;
        Ok(Opened { transport, local_port, encryption })
    }

    /// Opens a stream of the same kind again, for a cancel request.
    pub(super) async fn open_again(&self) -> Result<Transport, Failure> {
        let opening = async { Ok(Box::pin(self.open()).await?.transport) };
        within(self.parameters.connect_timeout, &self.place(), opening).await
    }
}

/// Bounds an attempt.
pub(super) async fn within<T>(
    limit: Option<std::time::Duration>,
    place: &str,
    attempt: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(limit) = limit else { return attempt.await };
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
        let why = format!("no answer within {} s (connect_timeout)", limit.as_secs());
        Err(Failure::new(Trouble::Unreachable, place, Cause::Text(why)))
    })
}
