//! Whether a server's certificate is trusted: webpki's judgement, and libpq's where webpki
//! refuses what Postgres installations are full of: a server's own certificate as its root (the
//! first recipe of the Postgres manual, 18.9.5), certificates of version 1, names without
//! subjectAltName.
//!
//! Invariant: whatever else is checked, the peer has proved that it has the key of its
//! certificate.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::certificate::Certificate;

/// Whether the certificate must be for the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    MustMatch,
    DoNotMatter,
}

/// What is trusted.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) revoked: Vec<CertificateRevocationListDer<'static>>,
    /// For people: the file, or the operating system.
    pub(super) whose: String,
}

#[derive(Debug)]
pub(super) struct Verifier {
    trusted: Option<Trusted>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Trusted {
    /// `None` if webpki can use none of the roots.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    roots: Roots,
    names: Names,
}

/// Why a certificate is not trusted.
#[derive(Debug, thiserror::Error)]
enum Mistrust {
    #[error("the server's certificate cannot be read")]
    Unreadable,
    #[error("the server's certificate is signed by no authority that {0} names")]
    UnknownIssuer(String),
    #[error("the server's certificate is outside of its dates")]
    Dates,
    #[error("the server's certificate is for {is}, not for {wanted}")]
    Name { is: String, wanted: String },
}

impl Mistrust {
    fn into_error(self) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }
}

impl Verifier {
    /// Checks nothing but the key.
    pub(super) fn trusting_anybody(provider: &CryptoProvider) -> Self {
        Self { trusted: None, algorithms: provider.signature_verification_algorithms }
    }

    pub(super) fn new(
        roots: Roots,
        names: Names,
        provider: &CryptoProvider,
    ) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.certificates.iter().cloned());
        let webpki = if store.is_empty() {
            None
        } else {
            let builder = WebPkiServerVerifier::builder_with_provider(
                Arc::new(store),
                Arc::new(provider.clone()),
            );
            let built = builder.with_crls(roots.revoked.iter().cloned()).build();
            Some(built.map_err(|error| error.to_string())?)
        };
        Ok(Self {
            trusted: Some(Trusted { webpki, roots, names }),
            algorithms: provider.signature_verification_algorithms,
        })
    }
}

impl Trusted {
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let certificate =
            Certificate::read(end_entity).ok_or_else(|| Mistrust::Unreadable.into_error())?;
        let unknown = || Mistrust::UnknownIssuer(self.roots.whose.clone()).into_error();
        if self.roots.certificates.iter().any(|root| root == end_entity) {
            if !certificate.is_valid_at(now.as_secs()) {
                return Err(Mistrust::Dates.into_error());
            }
        } else if certificate.is_version_1() && self.roots.revoked.is_empty() {
            self.verify_version_1(&certificate, now).map_err(Mistrust::into_error)?;
        } else {
            let refused = |error| match error {
                Error::InvalidCertificate(CertificateError::UnknownIssuer) => unknown(),
                // webpki calls a stranger's self-signed certificate an authority out of place.
                Error::InvalidCertificate(CertificateError::Other(_))
                    if certificate.is_self_issued() =>
                {
                    unknown()
                }
                error => error,
            };
            self.verify_by_webpki(end_entity, intermediates, server, now).map_err(refused)?;
        }
        let wanted = server.to_str();
        if self.names == Names::MustMatch && !certificate.is_for(&wanted) {
            let (is, wanted) = (certificate.names(), wanted.into_owned());
            return Err(Mistrust::Name { is, wanted }.into_error());
        }
        Ok(())
    }

    /// One step from a root, without intermediates.
    fn verify_version_1(
        &self,
        certificate: &Certificate<'_>,
        now: UnixTime,
    ) -> Result<(), Mistrust> {
        let root = self
            .roots
            .certificates
            .iter()
            .filter_map(|root| Certificate::read(root))
            .find(|root| certificate.is_signed_by(root))
            .ok_or_else(|| Mistrust::UnknownIssuer(self.roots.whose.clone()))?;
        let now = now.as_secs();
        if certificate.is_valid_at(now) && root.is_valid_at(now) {
            Ok(())
        } else {
            Err(Mistrust::Dates)
        }
    }

    fn verify_by_webpki(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let no_roots = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let webpki = self.webpki.as_ref().ok_or(no_roots)?;
        match webpki.verify_server_cert(end_entity, intermediates, server, &[], now) {
            Ok(_) => Ok(()),
            // webpki looks at the name last, when everything else is right; ours comes after.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trusted) = &self.trusted {
            trusted.verify(end_entity, intermediates, server_name, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    /// As rustls does it, but for certificates of any version.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let certificate =
            Certificate::read(cert).ok_or_else(|| Mistrust::Unreadable.into_error())?;
        let (algorithm, key) =
            certificate.public_key().ok_or_else(|| Mistrust::Unreadable.into_error())?;
        let candidates = self
            .algorithms
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == dss.scheme)
            .map_or(&[][..], |(_, candidates)| candidates);
        candidates
            .iter()
            .filter(|candidate| candidate.public_key_alg_id().as_ref() == algorithm)
            .find(|candidate| candidate.verify_signature(key, message, dss.signature()).is_ok())
            .map(|_| HandshakeSignatureValid::assertion())
            .ok_or(Error::InvalidCertificate(CertificateError::BadSignature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let certificate =
            Certificate::read(cert).ok_or_else(|| Mistrust::Unreadable.into_error())?;
        let key = SubjectPublicKeyInfoDer::from(certificate.public_key_info());
        verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
