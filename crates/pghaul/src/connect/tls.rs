//! TLS as libpq does it (Postgres manual, 34.19): which files, which modes, which questions.
//!
//! Invariants: a file that the user named is used or is an error; a root certificate that is
//! there is always checked against, whatever `sslmode` says, as libpq does; below `verify-ca` and
//! without a root certificate nothing is checked but that the peer has its certificate's key.

mod certificate;
mod verify;

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::CertificateError;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use self::verify::{Names, Roots, Verifier};
use super::failure::{Cause, Failure, Trouble};
use super::parameters::{self, MaybeFile, SslMode, TlsParameters, TlsVersion};
use super::route::Encryption;
use super::socket::{Stream, Transport};

/// What TLS sessions of an endpoint are made with.
pub(super) struct Tls {
    /// `None` with `sslmode=disable`.
    connector: Option<TlsConnector>,
    direct: bool,
    needs_name: bool,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsTrouble {
    #[error("cannot read {what} {}", .file.display())]
    Unreadable { what: &'static str, file: PathBuf, source: io::Error },
    #[error("{what} {} {problem}", .file.display())]
    Unusable { what: &'static str, file: PathBuf, problem: String },
    #[error("the operating system has no trusted certificates: {0}")]
    NoSystemRoots(String),
    #[error(
        "sslmode={0} needs a root certificate: name a file with sslrootcert, or use \
         sslrootcert=system"
    )]
    NoRoots(&'static str),
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl Tls {
    /// Reads the files and makes everything ready.
    pub(super) fn new(parameters: &TlsParameters) -> Result<Self, TlsTrouble> {
        let connector = match parameters.mode {
            SslMode::Disable => None,
            _ => Some(connector(parameters)?),
        };
        Ok(Self {
            connector,
            direct: parameters.direct,
            needs_name: parameters.mode == SslMode::VerifyFull,
        })
    }

    /// Agrees with the server on TLS. `name` is what its certificate should be for.
    pub(super) async fn negotiate(
        &self,
        mut stream: Box<dyn Stream>,
        name: Option<String>,
        encryption: Encryption,
        place: &str,
    ) -> Result<(Transport, Encryption), Failure> {
        let fail =
            |trouble, why: &str| Err(Failure::new(trouble, place, Cause::Text(why.to_owned())));
        let lost = |error| Failure::new(Trouble::Unreachable, place, Cause::Io(error));
        let Some(connector) = &self.connector else {
            return fail(Trouble::Tls, "TLS is disabled");
        };
        if !self.direct {
            match ask(&mut stream).await.map_err(lost)? {
                b'S' => {}
                b'N' if encryption == Encryption::Offered => {
                    return Ok((Transport::plain(stream), Encryption::Plain));
                }
                b'N' => return fail(Trouble::Tls, "the server does not offer TLS"),
                // What follows is not authenticated, so it is not shown (CVE-2024-10977).
                b'E' => return fail(Trouble::Other, "the server refused to talk about TLS"),
                _ => return fail(Trouble::Tls, "the answer is not one of a Postgres server"),
            }
        }
        let server = match name.map(ServerName::try_from) {
            Some(Ok(server)) => server,
            None if self.needs_name => {
                return fail(Trouble::Tls, "sslmode=verify-full needs `host`, not only `hostaddr`");
            }
            Some(Err(_)) if self.needs_name => {
                return fail(Trouble::Tls, "the host's name cannot stand in a certificate");
            }
            // An address is not sent as a server name.
            _ => Ipv4Addr::UNSPECIFIED.into(),
        };
        let tls =
            Box::pin(connector.connect(server, stream)).await.map_err(|error| {
                match refused(error, place) {
                    failure if self.direct && matches!(failure.cause, Cause::Handshake(_)) => {
                        Failure {
                            trouble: Trouble::Tls,
                            note: Some(
                                "servers before 17 do not know sslnegotiation=direct".to_owned(),
                            ),
                            ..failure
                        }
                    }
                    failure => failure,
                }
            })?;
        let (_, connection) = tls.get_ref();
        if self.direct && connection.alpn_protocol() != Some(ALPN) {
            return fail(Trouble::Tls, "the server does not speak Postgres' protocol (ALPN)");
        }
        let binding = connection
            .peer_certificates()
            .and_then(|chain| certificate::channel_binding(chain.first()?));
        Ok((Transport::tls(Box::new(tls), binding), Encryption::Tls))
    }
}

const ALPN: &[u8] = b"postgresql";

/// Sends an SSLRequest (Postgres manual, 55.7) and reads the one byte of the answer, so that
/// nothing sent before TLS is taken for what was said inside it (CVE-2021-23222).
async fn ask(stream: &mut Box<dyn Stream>) -> io::Result<u8> {
    stream.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await?;
    stream.flush().await?;
    stream.read_u8().await
}

fn refused(error: io::Error, place: &str) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match tls {
        // rustls shows these by `Debug`.
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(ours))) => {
            ours.0.to_string()
        }
        Some(tls) => tls.to_string(),
        None => return Failure::new(Trouble::Unreachable, place, Cause::Handshake(error)),
    };
    Failure::new(Trouble::Tls, place, Cause::Text(why))
}

fn connector(parameters: &TlsParameters) -> Result<TlsConnector, TlsTrouble> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: Vec<_> = [(TlsVersion::V12, &TLS12), (TlsVersion::V13, &TLS13)]
        .into_iter()
        .filter(|(version, _)| (parameters.oldest..=parameters.newest).contains(version))
        .map(|(_, version)| version)
        .collect();
    let verifier = Arc::new(verifier(parameters, &provider)?);
    let setup = |error: rustls::Error| TlsTrouble::Setup(error.to_string());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match client_certificate(parameters)? {
        Some((chain, key, file)) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| TlsTrouble::Unusable {
                what: CLIENT_CERTIFICATE,
                file,
                problem: format!("and its key cannot be used: {error}"),
            })?
        }
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = parameters.send_server_name;
    config.resumption = Resumption::disabled();
    if parameters.direct {
        config.alpn_protocols = vec![ALPN.to_owned()];
    }
    Ok(TlsConnector::from(Arc::new(config)))
}

const ROOT_CERTIFICATE: &str = "the root certificate file";
const CLIENT_CERTIFICATE: &str = "the client certificate";
const CLIENT_KEY: &str = "the client key";
const REVOCATION_LIST: &str = "the certificate revocation list";

fn verifier(parameters: &TlsParameters, provider: &CryptoProvider) -> Result<Verifier, TlsTrouble> {
    let trusted = match &parameters.roots {
        parameters::Roots::System => Some((system_roots()?, "the operating system".to_owned())),
        parameters::Roots::Named(file) => Some((certificates(file)?, file.display().to_string())),
        parameters::Roots::Default(Some(file)) if file.exists() => {
            Some((certificates(file)?, file.display().to_string()))
        }
        parameters::Roots::Default(_) => None,
    };
    let Some((certificates, whose)) = trusted else {
        if parameters.mode >= SslMode::VerifyCa {
            return Err(TlsTrouble::NoRoots(parameters.mode.name()));
        }
        return Ok(Verifier::trusting_anybody(provider));
    };
    let revoked = match parameters.revoked.as_ref().filter(|file| is_used(file)) {
        Some(file) => revocation_lists(&file.path)?,
        None => Vec::new(),
    };
    let names =
        if parameters.mode == SslMode::VerifyFull { Names::MustMatch } else { Names::DoNotMatter };
    let roots = Roots { certificates, revoked, whose };
    Verifier::new(roots, names, provider).map_err(TlsTrouble::Setup)
}

/// A default file is used when it is there; a named one must be.
fn is_used(file: &MaybeFile) -> bool {
    file.named || file.path.exists()
}

fn system_roots() -> Result<Vec<CertificateDer<'static>>, TlsTrouble> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsTrouble::NoSystemRoots(why.join("; ")));
    }
    Ok(found.certs)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsTrouble> {
    read_pem(ROOT_CERTIFICATE, file, "holds no certificate in PEM form")
}

fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsTrouble> {
    read_pem(REVOCATION_LIST, file, "holds no revocation list in PEM form")
}

fn read(what: &'static str, file: &Path) -> Result<Vec<u8>, TlsTrouble> {
    std::fs::read(file).map_err(|source| TlsTrouble::Unreadable {
        what,
        file: file.to_owned(),
        source,
    })
}

/// All sections of one kind; other kinds may stand beside them.
fn read_pem<T: pem::PemObject>(
    what: &'static str,
    file: &Path,
    nothing: &str,
) -> Result<Vec<T>, TlsTrouble> {
    let unusable = |problem: String| TlsTrouble::Unusable { what, file: file.to_owned(), problem };
    let found: Vec<T> = T::pem_slice_iter(&read(what, file)?)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(format!("is damaged: {error}")))?;
    if found.is_empty() { Err(unusable(nothing.to_owned())) } else { Ok(found) }
}

type ClientCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, PathBuf);

fn client_certificate(parameters: &TlsParameters) -> Result<Option<ClientCertificate>, TlsTrouble> {
    let Some(certificate) = parameters.certificate.as_ref().filter(|file| is_used(file)) else {
        return Ok(None);
    };
    let chain =
        read_pem(CLIENT_CERTIFICATE, &certificate.path, "holds no certificate in PEM form")?;
    let file = parameters.key.as_ref().map(|key| key.path.clone()).unwrap_or_default();
    let unusable = |problem: &str| TlsTrouble::Unusable {
        what: CLIENT_KEY,
        file: file.clone(),
        problem: problem.to_owned(),
    };
    let bytes = read(CLIENT_KEY, &file)?;
    if key_is_open_to_others(&file) {
        return Err(unusable(
            "may be read by others: its mode must be 0600 or less, or 0640 if root owns it",
        ));
    }
    let text = String::from_utf8_lossy(&bytes);
    if text.contains("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(unusable(
            "is encrypted, which pghaul does not support; name a copy without a passphrase",
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| unusable("holds no private key in PEM form"))?;
    Ok(Some((chain, key, certificate.path.clone())))
}

/// libpq's rule: nobody else, unless root owns the key and lets a group read it.
fn key_is_open_to_others(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(file).is_ok_and(|metadata| {
        let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
        metadata.mode() & others != 0
    })
}
