//! Sockets: connecting with keepalives, and the stream that the driver speaks Postgres over.
//!
//! Invariant: a [`Transport`] is ready for Postgres' startup message: whatever TLS there is, is
//! up and verified.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Ready, ready};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::Purpose;
use super::host::Address;
use super::parameters::Keepalive;
use super::wire;

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

/// A stream ready for Postgres' startup message.
pub(super) struct Transport {
    wire: wire::Shared,
    channel_binding: Option<Vec<u8>>,
}

impl Transport {
    /// Without TLS.
    pub(super) fn plain(stream: Box<dyn Stream>) -> Self {
        Self::tls(stream, None)
    }

    /// Inside TLS; the binding is that of RFC 5929's `tls-server-end-point`.
    pub(super) fn tls(stream: Box<dyn Stream>, channel_binding: Option<Vec<u8>>) -> Self {
        Self { wire: wire::Shared::new(stream), channel_binding }
    }

    /// The other end of what is read.
    pub(super) fn wire(&self) -> wire::Shared {
        self.wire.clone()
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.wire.lock().poll_driver(cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.wire.lock().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.lock().stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.lock().stream().poll_shutdown(cx)
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.wire.lock().close();
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
