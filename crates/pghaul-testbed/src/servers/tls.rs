//! Certificates for servers and clients: a test's own authority signs what the test wants to see
//! accepted or refused.
//!
//! Invariant: the files live as long as any clone of the [`Authority`] does; keys are readable
//! by us only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

use crate::error::{Doing, Result};

/// A certificate authority, known to nobody but who is given its file.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    serial: AtomicU32,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Certificate {
    /// PEM: the value of `sslcert`.
    pub file: PathBuf,
    /// PEM, PKCS #8, mode 0600: the value of `sslkey`.
    pub key: PathBuf,
    serial: SerialNumber,
    authority: Authority,
}

impl Authority {
    /// Makes one with this common name.
    pub fn new(name: &str) -> Result<Self> {
        let cannot = || "cannot make a certificate authority".to_owned();
        let mut params = params(name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().doing(cannot)?;
        let folder = tempfile::Builder::new().prefix("pgh-tls-").tempdir().doing(cannot)?;
        let certificate = params.self_signed(&key).doing(cannot)?;
        fs::write(folder.path().join("ca.crt"), certificate.pem()).doing(cannot)?;
        let issuer = Issuer::new(params, key);
        Ok(Self(Arc::new(Inner { folder, issuer, serial: AtomicU32::new(1) })))
    }

    /// Its own certificate: the value of `sslrootcert` for clients that trust it.
    pub fn file(&self) -> PathBuf {
        self.0.folder.path().join("ca.crt")
    }

    /// A certificate for servers of these host names and addresses. The common name is the
    /// first.
    pub fn server(&self, hosts: &[&str]) -> Result<Certificate> {
        let name = hosts.first().copied().unwrap_or("nameless");
        let mut params = params(name, hosts)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A certificate for servers of this host, that has only a common name, as many that people
    /// make by hand.
    pub fn server_by_common_name(&self, host: &str) -> Result<Certificate> {
        self.sign(params(host, &[])?)
    }

    /// A certificate for servers of these hosts, that ended in 2001.
    pub fn expired_server(&self, hosts: &[&str]) -> Result<Certificate> {
        let mut params = params(hosts.first().copied().unwrap_or("nameless"), hosts)?;
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    /// A certificate for a client: its common name is the role that it may be.
    pub fn client(&self, role: &str) -> Result<Certificate> {
        let mut params = params(role, &[])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    /// A list of revoked certificates: the value of `sslcrl`.
    pub fn revoke(&self, certificates: &[&Certificate]) -> Result<PathBuf> {
        let cannot = || "cannot make a list of revoked certificates".to_owned();
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2001, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(u64::from(self.next_number())),
            issuing_distribution_point: None,
            revoked_certs: certificates
                .iter()
                .map(|certificate| RevokedCertParams {
                    serial_number: certificate.serial.clone(),
                    revocation_time: date_time_ymd(2001, 1, 1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.0.issuer).doing(cannot)?.pem().doing(cannot)?;
        let file = self.0.folder.path().join(format!("{}.crl", self.next_number()));
        fs::write(&file, list).doing(cannot)?;
        Ok(file)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Certificate> {
        let cannot = || "cannot make a certificate".to_owned();
        let number = self.next_number();
        let serial = SerialNumber::from(u64::from(number));
        params.serial_number = Some(serial.clone());
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().doing(cannot)?;
        let certificate = params.signed_by(&key, &self.0.issuer).doing(cannot)?;
        let file = self.0.folder.path().join(format!("{number}.crt"));
        fs::write(&file, certificate.pem()).doing(cannot)?;
        let key_file = self.0.folder.path().join(format!("{number}.key"));
        write_key(&key_file, &key.serialize_pem())?;
        Ok(Certificate { file, key: key_file, serial, authority: self.clone() })
    }

    fn next_number(&self) -> u32 {
        self.0.serial.fetch_add(1, Ordering::Relaxed)
    }
}

impl Certificate {
    /// Who signed it.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Certificate").field(&self.file).finish()
    }
}

/// Writes a key as libpq and servers demand it: nobody else may read it.
pub(crate) fn write_key(file: &Path, key: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let options =
        fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(file);
    options
        .and_then(|mut opened| opened.write_all(key.as_bytes()))
        .doing(|| format!("cannot write {}", file.display()))
}

fn params(name: &str, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params =
        CertificateParams::new(hosts).doing(|| format!("cannot make a certificate for {name}"))?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    Ok(params)
}
