//! What a certificate says, beyond what rustls tells: names, dates, who signed it and how.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer as _, X509Version};
use x509_parser::time::ASN1Time;

/// A certificate that could be read.
pub(super) struct Certificate<'a>(X509Certificate<'a>);

impl<'a> Certificate<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        X509Certificate::from_der(der).ok().map(|(_, certificate)| Self(certificate))
    }

    /// Version 1 has no extensions, so nothing in it says what it is for. `openssl x509 -req`
    /// makes such certificates, and so do the recipes of many Postgres installations; webpki
    /// refuses them.
    pub(super) fn is_version_1(&self) -> bool {
        self.0.version() == X509Version::V1
    }

    /// Whether `unix_time` is within the certificate's dates.
    pub(super) fn is_valid_at(&self, unix_time: u64) -> bool {
        i64::try_from(unix_time)
            .ok()
            .and_then(|time| ASN1Time::from_timestamp(time).ok())
            .is_some_and(|time| self.0.validity().is_valid_at(time))
    }

    /// Whether `authority` signed this certificate and may sign certificates.
    pub(super) fn is_signed_by(&self, authority: &Self) -> bool {
        let may_sign = match authority.0.basic_constraints() {
            Ok(Some(constraints)) => constraints.value.ca,
            // Version 1 cannot say; one that the user trusts as a root is taken for one.
            Ok(None) => authority.is_version_1(),
            Err(_) => false,
        };
        let may_sign = may_sign
            && match authority.0.key_usage() {
                Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
                Err(_) => false,
            };
        may_sign
            && self.0.issuer().as_raw() == authority.0.subject().as_raw()
            && self.0.verify_signature(Some(authority.0.public_key())).is_ok()
    }

    /// Whether its subject and its issuer are the same.
    pub(super) fn is_self_issued(&self) -> bool {
        self.0.issuer().as_raw() == self.0.subject().as_raw()
    }

    /// DER of the public key with its algorithm.
    pub(super) fn public_key_info(&self) -> &'a [u8] {
        self.0.tbs_certificate.subject_pki.raw
    }

    /// DER of the key's algorithm without its outer header, and the key's bits.
    pub(super) fn public_key(&self) -> Option<(&'a [u8], &[u8])> {
        let info = &self.0.tbs_certificate.subject_pki;
        // SEQUENCE { SEQUENCE algorithm, BIT STRING key }
        let (algorithm, _) = content(content(info.raw)?.0)?;
        Some((algorithm, &info.subject_public_key.data))
    }

    /// Whether the certificate is for this host, by libpq's rules (Postgres manual, 34.19.1):
    /// the names of subjectAltName; the common name only if there are none of the host's kind.
    pub(super) fn is_for(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        let mut by_common_name = true;
        for name in self.alternative_names() {
            match name {
                GeneralName::DNSName(pattern) => {
                    by_common_name &= address.is_some();
                    if matches(pattern, host) {
                        return true;
                    }
                }
                GeneralName::IPAddress(bytes) => {
                    by_common_name &= address.is_none();
                    if address.is_some_and(|address| is_address(bytes, address)) {
                        return true;
                    }
                }
                _ => {}
            }
        }
        by_common_name && self.common_name().is_some_and(|pattern| matches(pattern, host))
    }

    /// All names the certificate is for, for people.
    pub(super) fn names(&self) -> String {
        let alternative = self.alternative_names().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => Some(address_of(bytes)?.to_string()),
            _ => None,
        });
        let mut names: Vec<String> = alternative.collect();
        if names.is_empty() {
            names.extend(self.common_name().map(str::to_owned));
        }
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    }

    fn alternative_names(&self) -> impl Iterator<Item = &GeneralName<'a>> {
        let extension = self.0.subject_alternative_name().ok().flatten();
        extension.into_iter().flat_map(|extension| &extension.value.general_names)
    }

    fn common_name(&self) -> Option<&str> {
        self.0.subject().iter_common_name().next()?.as_str().ok()
    }
}

/// The content of a DER element, and what follows the element.
fn content(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.get(1..)?.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let (digits, rest) = rest.split_at_checked(count).filter(|_| count <= 4)?;
        (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
    };
    rest.split_at_checked(length)
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

fn is_address(bytes: &[u8], address: IpAddr) -> bool {
    address_of(bytes) == Some(address)
}

/// A star stands for exactly one label, and only at the beginning.
fn matches(pattern: &str, host: &str) -> bool {
    if pattern.contains('\0') {
        return false;
    }
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix('*').filter(|suffix| suffix.starts_with('.')) else {
        return false;
    };
    host.split_once('.').is_some_and(|(label, rest)| {
        !label.is_empty() && suffix.len() > 1 && rest.eq_ignore_ascii_case(&suffix[1..])
    })
}

/// `tls-server-end-point` (RFC 5929, 4.1): the certificate's hash by the hash of its signature,
/// at least SHA-256. `None` for signatures that have no such hash, such as Ed25519's.
pub(super) fn channel_binding(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let algorithm = &certificate.signature_algorithm;
    let is = |known: &oid::Oid<'static>| algorithm.algorithm == *known;
    if is(&oid::OID_PKCS1_RSASSAPSS) {
        let parameters = algorithm.parameters.as_ref()?;
        let parsed =
            x509_parser::signature_algorithm::RsaSsaPssParams::try_from(parameters).ok()?;
        let hash = parsed.hash_algorithm_oid();
        return if *hash == oid::OID_NIST_HASH_SHA512 {
            Some(Sha512::digest(der).to_vec())
        } else if *hash == oid::OID_NIST_HASH_SHA384 {
            Some(Sha384::digest(der).to_vec())
        } else {
            Some(Sha256::digest(der).to_vec())
        };
    }
    if is(&oid::OID_PKCS1_SHA256WITHRSA)
        || is(&oid::OID_SIG_ECDSA_WITH_SHA256)
        || is(&oid::OID_PKCS1_SHA1WITHRSA)
        || is(&oid::OID_PKCS1_MD5WITHRSAENC)
    {
        Some(Sha256::digest(der).to_vec())
    } else if is(&oid::OID_PKCS1_SHA384WITHRSA) || is(&oid::OID_SIG_ECDSA_WITH_SHA384) {
        Some(Sha384::digest(der).to_vec())
    } else if is(&oid::OID_PKCS1_SHA512WITHRSA) || is(&oid::OID_SIG_ECDSA_WITH_SHA512) {
        Some(Sha512::digest(der).to_vec())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(common_name: &str, names: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_match_as_in_libpq() {
        for (common_name, names, host, expected) in [
            ("db.example.com", &[][..], "db.example.com", true),
            ("DB.Example.com", &[], "db.example.COM", true),
            ("*.example.com", &[], "db.example.com", true),
            ("*.example.com", &[], "a.db.example.com", false),
            ("*.example.com", &[], "example.com", false),
            ("*.example.com", &[], ".example.com", false),
            ("d*.example.com", &[], "db.example.com", false),
            ("*", &[], "localhost", false),
            ("*.", &[], "a.", false),
            ("10.0.0.1", &[], "10.0.0.1", true),
            // A name of the host's kind beside the common name: the common name does not count.
            ("db.example.com", &["other.example.com"], "db.example.com", false),
            ("db.example.com", &["other.example.com"], "other.example.com", true),
            ("db.example.com", &["10.0.0.1"], "db.example.com", true),
            ("10.0.0.2", &["10.0.0.1"], "10.0.0.2", false),
            ("10.0.0.2", &["db.example.com"], "10.0.0.2", true),
            ("x", &["10.0.0.1", "::1"], "10.0.0.1", true),
            ("x", &["10.0.0.1", "::1"], "::1", true),
            ("x", &["10.0.0.1", "::1"], "0:0:0:0:0:0:0:1", true),
            ("x", &["*.b.example.com", "*.example.com"], "a.example.com", true),
        ] {
            let der = certificate(common_name, names);
            let read = Certificate::read(&der).unwrap();
            assert_eq!(read.is_for(host), expected, "{common_name} {names:?} for {host}");
        }
    }

    #[test]
    fn the_hash_for_channel_binding_follows_the_signature() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let params = CertificateParams::new(Vec::new()).unwrap();
            let der = params.self_signed(&key).unwrap().der().to_vec();
            assert_eq!(channel_binding(&der).map(|hash| hash.len()), length);
        }
    }
}
