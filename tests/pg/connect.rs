//! Connections: what is reached, what is refused and how that reads.

mod child;
mod copies;
mod hosts;
mod pins;
mod pooler;
mod refusals;
mod sessions;
mod tls;

use pghaul::connect::{Endpoint, Environment, Purpose, Session, Side};
use pghaul::error::Error;
use pghaul_testbed::Server;
use tokio::net::TcpSocket;

/// Nothing of this machine's environment gets in.
pub(crate) fn bare() -> Environment {
    Environment::given([("USER", "nobody")], None)
}

pub(crate) fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse_in(Side::Source, url, &bare()).unwrap()
}

pub(crate) async fn connect(url: &str, purpose: Purpose) -> Result<Session, Error> {
    endpoint(url).connect(purpose, "test").await
}

pub(crate) async fn refused(url: &str) -> Error {
    match connect(url, Purpose::Catalog).await {
        Err(error) => error,
        Ok(_) => panic!("connected"),
    }
}

/// The error with its causes and its hint, as a person sees them.
pub(crate) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(layer) = cause {
        text.push_str(&format!("\n  cause: {layer}"));
        cause = layer.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    text
}

/// A port on which nobody listens, nor can as long as the socket lives.
pub(crate) fn closed_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Waits until a session is at `pg_sleep`: who is cancelled before it has begun goes on.
pub(crate) async fn until_it_sleeps(server: &Server, pid: i32) {
    let asleep = format!(
        "select count(*) from pg_stat_activity \
         where pid = {pid} and state = 'active' and query like '%pg_sleep%'"
    );
    while server.value(asleep.as_str()).await.unwrap().as_deref() == Some("0") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

pub(crate) async fn value(session: &Session, sql: &str) -> Option<String> {
    session.simple_rows("ask", sql).await.unwrap().pop().unwrap().pop().unwrap()
}
