//! Sockets: connecting with keepalives, and the stream that the driver speaks Postgres over.
//!
//! Invariant: a [`Transport`] is ready for Postgres' startup message: whatever TLS there is, is
//! up and verified.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready as ready_or_return};
use std::time::Duration;

use futures::future::{Ready, ready};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::Purpose;
use super::gate::{Gate, Messages};
use super::host::Address;
use super::parameters::Keepalive;

/// Anything that bytes go over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How the operating system finds out that a peer is dead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    pub(super) keepalive: Keepalive,
    /// How long sent bytes may stay unacknowledged.
    pub(super) user_timeout: Duration,
}

impl Watch {
    /// `given` is the user's `tcp_user_timeout`. Without it 40 s, but 3 minutes where we stream
    /// to the server: Linux counts a receiver without room as dead too, and a server whose disk
    /// stalls reads nothing for a while.
    pub(super) fn of(keepalive: Keepalive, given: Option<Duration>, purpose: Purpose) -> Self {
        let default = Duration::from_secs(if purpose == Purpose::Write { 180 } else { 40 });
        Self { keepalive, user_timeout: given.unwrap_or(default) }
    }
}

/// A connected socket.
pub(super) struct Socket {
    pub(super) stream: Box<dyn Stream>,
    /// Our end's port, as the server should see it when nothing stands between.
    pub(super) local_port: Option<u16>,
}

impl Socket {
    /// Connects; no timeout of its own.
    pub(super) async fn connect(address: &Address, watch: Watch) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                watch.set(&stream)?;
                let local_port = Some(stream.local_addr()?.port());
                Ok(Self { stream: Box::new(stream), local_port })
            }
            Address::Unix { folder, port } => {
                let stream = UnixStream::connect(Address::socket_path(folder, *port)).await?;
                Ok(Self { stream: Box::new(stream), local_port: None })
            }
        }
    }
}

impl Watch {
    fn set(self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        socket.set_keepalive(self.keepalive.enabled)?;
        if self.keepalive.enabled {
            socket.set_tcp_keepalive(
                &TcpKeepalive::new()
                    .with_time(self.keepalive.idle)
                    .with_interval(self.keepalive.interval)
                    .with_retries(self.keepalive.count),
            )?;
        }
        #[cfg(target_os = "linux")]
        if !self.user_timeout.is_zero() {
            socket.set_tcp_user_timeout(Some(self.user_timeout))?;
        }
        Ok(())
    }
}

/// What is read at once of a large message.
const LARGE_READ: usize = 256 << 10;

/// A stream ready for Postgres' startup message.
pub(super) struct Transport {
    stream: Box<dyn Stream>,
    channel_binding: Option<Vec<u8>>,
    gate: Arc<Gate>,
    messages: Messages,
}

impl Transport {
    /// Without TLS.
    pub(super) fn plain(stream: Box<dyn Stream>) -> Self {
        Self::tls(stream, None)
    }

    /// Inside TLS; the binding is that of RFC 5929's `tls-server-end-point`.
    pub(super) fn tls(stream: Box<dyn Stream>, channel_binding: Option<Vec<u8>>) -> Self {
        Self { stream, channel_binding, gate: Arc::default(), messages: Messages::default() }
    }

    /// What keeps bytes from being read.
    pub(super) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready_or_return!(self.gate.poll_open(cx));
        let Self { stream, messages, gate, .. } = &mut *self;
        let before = buf.filled().len();
        match messages.rest_of_large() {
            None => ready_or_return!(Pin::new(stream).poll_read(cx, buf))?,
            // Up to its end and no byte beyond, where the gate shuts.
            Some(rest) => {
                let most = rest.min(buf.remaining()).min(LARGE_READ);
                let mut until_its_end = ReadBuf::new(buf.initialize_unfilled_to(most));
                ready_or_return!(Pin::new(stream).poll_read(cx, &mut until_its_end))?;
                let read = until_its_end.filled().len();
                buf.advance(read);
            }
        }
        if let Some(bytes) = messages.hear(&buf.filled()[before..]) {
            gate.shut_behind(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl TlsStream for Transport {
    fn channel_binding(&self) -> ChannelBinding {
        self.channel_binding
            .clone()
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// Tells the driver that TLS is up already, since only we know libpq's rules for it.
pub(super) struct Negotiated;

impl TlsConnect<Transport> for Negotiated {
    type Stream = Transport;
    type Error = io::Error;
    type Future = Ready<io::Result<Transport>>;

    fn connect(self, stream: Transport) -> Self::Future {
        ready(Ok(stream))
    }
}
