//! A network that fails when the test says so: a TCP proxy in front of a server.
//!
//! Latency, stalls, resets after so many bytes, connections that go silent, half-closed ones, a
//! port that refuses, and a COMMIT whose fate the client cannot know. All of it can be changed
//! while connections are open, from any thread.
//!
//! Invariants: without a fault, what goes in comes out, in order, and an end or a reset of one
//! side is passed on as such; the proxy and its connections end when [`Proxy`] is dropped. It
//! runs on the testbed's own threads, so a test may block.

mod control;
mod conversation;
mod link;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

pub use control::{Commit, Counts, Direction, Strike};

use crate::error::{Doing, Error, Result};
use crate::servers::{Server, free_port, url};
use crate::work::{self, Answer};
use control::Control;

/// A proxy on 127.0.0.1.
pub struct Proxy {
    port: u16,
    superuser: (String, String),
    control: Arc<Control>,
    /// Cancelled when the handle is dropped.
    end: CancellationToken,
}

impl Proxy {
    /// A proxy to a server, without any fault yet.
    pub fn to(server: &Server) -> Result<Self> {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
        let superuser = (server.superuser().to_owned(), server.password().to_owned());
        for _ in 0..20 {
            let port = free_port()?;
            // Another process may have taken it meanwhile.
            if let Ok(listener) = work::begin(async move { listen(port) }).wait() {
                return Ok(Self::begin(port, listener, target, superuser));
            }
        }
        Err(Error::new("20 ports that were free were taken before a proxy could listen on them"))
    }

    fn begin(
        port: u16,
        listener: TcpListener,
        target: SocketAddr,
        superuser: (String, String),
    ) -> Self {
        let (control, end) = (Arc::new(Control::new()), CancellationToken::new());
        let (at_work, until) = (Arc::clone(&control), end.clone());
        work::begin(async move {
            tokio::select! {
                () = until.cancelled() => {}
                () = accept(port, listener, target, &at_work) => {}
            }
            at_work.cut_all();
            Ok(())
        })
        .forget();
        Self { port, superuser, control, end }
    }

    /// The port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database for the superuser, through the proxy.
    pub fn url(&self, database: &str) -> String {
        let (user, password) = &self.superuser;
        self.url_as(database, user, password)
    }

    /// The URL of a database for a user, through the proxy.
    pub fn url_as(&self, database: &str, user: &str, password: &str) -> String {
        url("127.0.0.1", self.port, database, user, password)
    }

    /// Delays all bytes by this much in each direction, without narrowing the bandwidth: a
    /// request takes twice as long.
    pub fn latency(&self, delay: Duration) {
        self.control.change_weather(|weather| weather.latency = [delay; 2]);
    }

    /// Holds back all bytes of this direction, on open and on new connections, until
    /// [`Proxy::resume`].
    pub fn stall(&self, direction: Direction) {
        self.control.change_weather(|weather| weather.stalled[direction.index()] = true);
    }

    /// Lets go what a stall has held back.
    pub fn resume(&self) {
        self.control.change_weather(|weather| weather.stalled = [false; 2]);
    }

    /// Refuses new connections, as a server that is down does. Open ones stay. Answers when the
    /// port is closed.
    pub fn refuse(&self) -> Answer<Counts> {
        self.control.change_weather(|weather| weather.refusing = true);
        self.until(|counts| !counts.listening)
    }

    /// Accepts connections again. Answers when the port listens.
    pub fn accept(&self) -> Answer<Counts> {
        self.control.change_weather(|weather| weather.refusing = false);
        self.until(|counts| counts.listening)
    }

    /// Ends this direction of all connections with an orderly close, while the other goes on.
    pub fn half_close(&self, direction: Direction) {
        self.control.change_weather(|weather| weather.half_closed[direction.index()] = true);
    }

    /// Resets all open connections. New ones are accepted.
    pub fn cut_all(&self) {
        self.control.cut_all();
    }

    /// Once, when `bytes` more have gone this way over all connections together, strikes the
    /// one connection that carried the last of them.
    pub fn after(&self, direction: Direction, bytes: u64, strike: Strike) {
        self.control.plan_once(direction, bytes, strike);
    }

    /// Until [`Proxy::heal`], strikes each connection that has carried `bytes` this way since it
    /// began.
    pub fn each_after(&self, direction: Direction, bytes: u64, strike: Strike) {
        self.control.plan_each(direction, bytes, strike);
    }

    /// Decides the fate of the `nth` COMMIT from now (1 is the next), over all connections
    /// without TLS.
    pub fn on_commit(&self, nth: u32, fate: Commit) {
        self.control.plan_commit(nth, fate);
    }

    /// No fault any more, also none planned; connections that are frozen or half closed are cut.
    pub fn heal(&self) {
        self.control.forget_plans();
        self.control.change_weather(|weather| {
            let healings = weather.healings + 1;
            *weather = control::Weather { healings, ..control::Weather::default() };
        });
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        *self.control.counts().borrow()
    }

    /// Waits until the counts are as wanted.
    pub fn until(&self, wanted: impl Fn(&Counts) -> bool + Send + 'static) -> Answer<Counts> {
        let mut counts = self.control.counts();
        work::begin(async move {
            let counts = counts.wait_for(wanted).await;
            counts.map(|counts| *counts).doing(|| "the proxy has ended".to_owned())
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

fn listen(port: u16) -> Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpSocket::new_v4().and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(1024)
    });
    listener.doing(|| format!("cannot listen on {address}"))
}

async fn accept(port: u16, listener: TcpListener, target: SocketAddr, control: &Arc<Control>) {
    let mut weather = control.weather();
    let mut listener = Some(listener);
    loop {
        control.count(|counts| counts.listening = listener.is_some());
        let refusing = weather.borrow_and_update().refusing;
        match (&listener, refusing) {
            (Some(_), true) => listener = None,
            (None, false) => match listen(port) {
                Ok(again) => listener = Some(again),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            (None, true) => {
                if weather.changed().await.is_err() {
                    return;
                }
            }
            (Some(open), false) => tokio::select! {
                accepted = open.accept() => match accepted {
                    Ok((client, _)) => {
                        let (control, cut) = (Arc::clone(control), control.token());
                        work::begin(serve(client, target, control, cut)).forget();
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
                changed = weather.changed() => if changed.is_err() {
                    return;
                },
            },
        }
    }
}

async fn serve(
    client: TcpStream,
    target: SocketAddr,
    control: Arc<Control>,
    cut: CancellationToken,
) -> Result<()> {
    control.count(|counts| {
        counts.connections += 1;
        counts.open += 1;
    });
    match TcpStream::connect(target).await {
        Ok(server) => link::carry(client, server, Arc::clone(&control), cut).await,
        Err(_) => {
            let _ = client.set_zero_linger();
        }
    }
    control.count(|counts| counts.open -= 1);
    Ok(())
}
