//! Documents: JSON under a seal.
//!
//! Invariants: the seal is written in one way only and compared with what would be written again,
//! so each byte of a document counts; a newer version is recognized before anything else is read.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::FORMAT_VERSION;
use crate::error::{ArchiveError, Problem};
use crate::name::Sha;

/// No document is longer: a schema of a million objects takes about this much.
pub const LONGEST_DOCUMENT: u64 = 1 << 30;

/// No seal is longer.
const LONGEST_SEAL: usize = 200;

/// The first line of a document.
#[derive(Debug, Serialize, Deserialize)]
struct Seal<'a> {
    pghaul_archive: u64,
    document: &'a str,
    bytes: u64,
    sha256: Sha,
}

/// Writes a document.
///
/// # Errors
/// [`Problem::Document`] for a value that JSON cannot hold, [`Problem::Length`] for one that is
/// too long.
pub fn seal<T: Serialize>(kind: &str, value: &T) -> Result<Vec<u8>, ArchiveError> {
    let unfit = |error: serde_json::Error| {
        ArchiveError::damaged(kind, Problem::Document(error.to_string()))
    };
    let json = serde_json::to_vec(value).map_err(unfit)?;
    check_length(kind, json.len() as u64)?;
    let seal = Seal {
        pghaul_archive: FORMAT_VERSION.into(),
        document: kind,
        bytes: json.len() as u64,
        sha256: Sha::of(&json),
    };
    let mut document = serde_json::to_vec(&seal).map_err(unfit)?;
    document.reserve(json.len() + 2);
    document.push(b'\n');
    document.extend_from_slice(&json);
    document.push(b'\n');
    Ok(document)
}

/// Reads a document; `kind` is the name in its seal and in messages.
///
/// # Errors
/// [`ArchiveError::Damaged`] for whatever is not exactly what [`seal`] writes.
pub fn unseal<T: DeserializeOwned>(kind: &str, document: &[u8]) -> Result<T, ArchiveError> {
    let damaged = |problem: Problem| ArchiveError::damaged(format!("{kind}.jsonl"), problem);
    let head = &document[..document.len().min(LONGEST_SEAL)];
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        let short = document.len() < LONGEST_SEAL;
        return Err(damaged(if short { Problem::Truncated } else { Problem::NotAnArchive }));
    };
    let line = &document[..end];
    // A newer version may have another seal; only this field is a promise for ever.
    #[derive(Deserialize)]
    struct Version {
        pghaul_archive: u64,
    }
    let version: Version =
        serde_json::from_slice(line).map_err(|_| damaged(Problem::NotAnArchive))?;
    if version.pghaul_archive > u64::from(FORMAT_VERSION) {
        let found = version.pghaul_archive;
        return Err(damaged(Problem::NewerVersion { found, known: FORMAT_VERSION }));
    }
    let seal: Seal<'_> = serde_json::from_slice(line).map_err(|_| damaged(Problem::Seal))?;
    let again = serde_json::to_vec(&seal).map_err(|_| damaged(Problem::Seal))?;
    if again != line || seal.document != kind || version.pghaul_archive != u64::from(FORMAT_VERSION)
    {
        return Err(damaged(Problem::Seal));
    }
    check_length(kind, seal.bytes)?;
    let rest = &document[end + 1..];
    let length = usize::try_from(seal.bytes).map_err(|_| damaged(Problem::Seal))?;
    let (json, after) = match (rest.get(..length), rest.get(length..)) {
        (Some(json), Some(after)) if !after.is_empty() => (json, after),
        _ => return Err(damaged(Problem::Truncated)),
    };
    if after != b"\n" {
        return Err(damaged(Problem::TooLong));
    }
    if Sha::of(json) != seal.sha256 {
        return Err(damaged(Problem::Digest { what: "the document" }));
    }
    serde_json::from_slice(json).map_err(|error| damaged(Problem::Document(error.to_string())))
}

fn check_length(kind: &str, found: u64) -> Result<(), ArchiveError> {
    if found <= LONGEST_DOCUMENT {
        return Ok(());
    }
    let problem = Problem::Length { what: "the document", found, most: LONGEST_DOCUMENT };
    Err(ArchiveError::damaged(format!("{kind}.jsonl"), problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_every_length_counts() {
        let document = seal("manifest", &("value", 17)).unwrap();
        assert_eq!(unseal::<(String, u32)>("manifest", &document).unwrap().1, 17);
        for at in 0..document.len() {
            for bit in 0..8 {
                let mut flipped = document.clone();
                flipped[at] ^= 1 << bit;
                assert!(unseal::<(String, u32)>("manifest", &flipped).is_err(), "{at} {bit}");
            }
            assert!(unseal::<(String, u32)>("manifest", &document[..at]).is_err(), "{at}");
        }
        let mut longer = document.clone();
        longer.push(b'\n');
        assert!(unseal::<(String, u32)>("manifest", &longer).is_err());
        assert!(unseal::<(String, u32)>("contents", &document).is_err());
    }

    #[test]
    fn a_newer_version_is_named_whatever_else_it_says() {
        let newer = b"{\"pghaul_archive\":2,\"other\":[1]}\nwhatever";
        let error = unseal::<()>("manifest", newer).unwrap_err();
        assert_eq!(
            error.to_string(),
            "manifest.jsonl: is of format version 2; this pghaul knows versions up to 1"
        );
    }
}
