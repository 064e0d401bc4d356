//! A folder of archives: a new one for each dump, and old ones removed.
//!
//! Invariants: an archive counts as old one of this database by what its own manifest says, never
//! by its name; only archives that hold what was asked for now (a dump of one table does not replace
//! one of all), and that were found right, count and are removed, and only after the new one was
//! verified.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pghaul_archive::contents::Asked;
use pghaul_archive::{ArchiveError, Folder, Problem, check};

use super::output::joined;
use super::unfinished::STATE;
use super::workplace::{lock, remove_folder};
use crate::archive::{from_source, utc};
use crate::error::{Error, ErrorKind};
use crate::file_lock::Locked;
use crate::finding::{Finding, Severity};
use crate::state::DatabaseIdentity;

pub(super) struct Shelf {
    folder: PathBuf,
    keep: Option<NonZeroUsize>,
    identity: DatabaseIdentity,
    asked: Asked,
    /// Held, not read.
    _lock: Locked,
}

impl Shelf {
    /// Takes the shelf for this database, and for archives of what is asked for.
    pub(super) fn open(
        folder: PathBuf,
        keep: Option<NonZeroUsize>,
        (identity, asked): (&DatabaseIdentity, Asked),
    ) -> Result<Self, Error> {
        if !folder.is_dir() {
            return Err(Error::new(
                ErrorKind::LocalIo,
                format!("{} is no folder", folder.display()),
            )
            .with_hint("create it, or mount what should be there"));
        }
        let system = identity.system.as_deref().unwrap_or("unknown");
        let name = format!(".pghaul-{system}-{}.lock", identity.database_oid);
        let lock = lock(&folder.join(name))?;
        Ok(Self { folder, keep, identity: identity.clone(), asked, _lock: lock })
    }

    /// The path of a new archive.
    pub(super) fn new_archive(&self) -> PathBuf {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let database: String =
            self.identity.database.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let time: String =
            utc(SystemTime::now()).chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let base = format!("{database}-{time}");
        let mut path = self.folder.join(&base);
        let mut number = 1;
        while path.exists() {
            number += 1;
            path = self.folder.join(format!("{base}-{number}"));
        }
        path
    }

    /// Removes what is too old, now that `newest` was published and verified.
    pub(super) async fn tidy(self, newest: &Path) -> Result<(Vec<PathBuf>, Vec<Finding>), Error> {
        let newest = newest.to_owned();
        joined(tokio::task::spawn_blocking(move || self.tidy_now(&newest)).await)?
    }

    fn tidy_now(&self, newest: &Path) -> Result<(Vec<PathBuf>, Vec<Finding>), Error> {
        let mut findings = Vec::new();
        let mut older = Vec::new();
        let unreadable = |error| {
            Error::new(ErrorKind::LocalIo, format!("cannot list {}", self.folder.display()))
                .caused_by(error)
        };
        for entry in std::fs::read_dir(&self.folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            if path == newest || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if path.join(STATE).exists() {
                findings.push(unfinished(&path));
                continue;
            }
            let Some(keep) = self.keep else { continue };
            let archive = Folder::new(&path);
            let (manifest, contents) = match archive.documents() {
                Ok(documents) => documents,
                Err(ArchiveError::Damaged { problem: Problem::Unfinished, .. })
                | Err(ArchiveError::Io { .. }) => continue,
                Err(error) => {
                    findings.push(nobodys(&path, &error.to_string()));
                    continue;
                }
            };
            let source = from_source(&manifest.source);
            // Without a system identifier on both sides nobody knows whose it is.
            let ours = source.system.is_some()
                && source.system == self.identity.system
                && source.database == self.identity.database;
            if ours && contents.asked == self.asked {
                older.push((manifest.finished, path, keep));
            }
        }
        older.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| b.1.cmp(&a.1)));
        let mut removed = Vec::new();
        let mut good = 1;
        for (_, path, keep) in older {
            match check::folder(&Folder::new(&path)) {
                Ok(_) if good < keep.get() => good += 1,
                // The new one is good whatever becomes of this.
                Ok(_) => match remove_folder(&path) {
                    Ok(()) => removed.push(path),
                    Err(error) => findings.push(left(&path, newest, &error.in_one_line())),
                },
                Err(error) => findings.push(damaged(&path, &error.to_string())),
            }
        }
        Ok((removed, findings))
    }
}

fn unfinished(path: &Path) -> Finding {
    Finding::new(
        Severity::Note,
        "unfinished_archive",
        "a dump was interrupted there, or is still on; it does not count as an archive",
        "go on with `pghaul dump --archive` of this folder, or remove it",
    )
    .about(path.display())
}

fn damaged(path: &Path, why: &str) -> Finding {
    Finding::new(
        Severity::Warning,
        "damaged_archive",
        format!("an older archive of this database is damaged, and not counted: {why}"),
        "remove it once you do not need it for an inquiry",
    )
    .about(path.display())
}

fn left(path: &Path, newest: &Path, why: &str) -> Finding {
    Finding::new(
        Severity::Warning,
        "archive_not_removed",
        format!(
            "an older archive could not be removed, or not all of it: {why}. The new one, {}, is \
             complete and verified",
            newest.display()
        ),
        "remove it by hand, and see whose its files are: the next dump tries it again only while it \
         is whole",
    )
    .about(path.display())
}

fn nobodys(path: &Path, why: &str) -> Finding {
    Finding::new(
        Severity::Warning,
        "damaged_archive",
        format!("an archive there is damaged where it says whose it is, and not counted: {why}"),
        "remove it once you do not need it for an inquiry",
    )
    .about(path.display())
}
