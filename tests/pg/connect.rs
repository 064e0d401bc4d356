//! Connections: what is reached, what is refused and how that reads.

mod child;
mod hosts;
mod pins;
mod pooler;
mod refusals;
mod sessions;
mod tls;

use pghaul::connect::{Endpoint, Environment, Purpose, Session, Side};
use pghaul::error::Error;

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

pub(crate) async fn value(session: &Session, sql: &str) -> Option<String> {
    session.simple_rows("ask", sql).await.unwrap().pop().unwrap().pop().unwrap()
}
