//! TLS as libpq does it.

use super::failure::{Cause, Failure, Trouble};
use super::parameters::{SslMode, TlsParameters};
use super::route::Encryption;
use super::socket::{Stream, Transport};

/// What a TLS session is made with.
pub(super) struct Tls;

/// Files that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("sslmode={0} is not there yet")]
pub(super) struct TlsTrouble(&'static str);

impl Tls {
    pub(super) fn new(parameters: &TlsParameters) -> Result<Self, TlsTrouble> {
        if parameters.mode >= SslMode::Require {
            return Err(TlsTrouble(parameters.mode.name()));
        }
        Ok(Self)
    }

    pub(super) async fn negotiate(
        &self,
        stream: Box<dyn Stream>,
        _name: Option<String>,
        encryption: Encryption,
        place: &str,
    ) -> Result<(Transport, Encryption), Failure> {
        if encryption == Encryption::Tls {
            let why = Cause::Text("TLS is not there yet".to_owned());
            return Err(Failure::new(Trouble::Tls, place, why));
        }
        Ok((Transport::plain(stream), Encryption::Plain))
    }
}
