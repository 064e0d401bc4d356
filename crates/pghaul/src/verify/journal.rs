//! The file of a comparison: what is compared, kept as soon as it is known, so that the same
//! comparison goes on after its process has ended.
//!
//! One JSON object a line. The first says of which format the file is, which two databases are
//! compared and how; each line has a seal, the SHA-256 of the seal before it and of what it says, so a
//! line that is changed, missing or in another place is noticed.
//!
//! Invariants: one process at a time works with the file (it is locked); a file that is not an
//! interrupted comparison of the same databases, asked for in the same way, is refused and stays as it
//! is; only at its end may something be broken, by a process or a machine that died while it wrote: that
//! is cut off; what is in it is of use only for [`Known`], which decides what still counts.

mod line;
mod seal;

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pghaul_archive::name::Sha;

pub(super) use self::line::Asked;
use self::line::{Begun, Line};
use self::seal::{Broken, Lines, SealedLine};
use super::known::{Instants, Known, ReadPart};
use super::outcome::VerifiedTable;
use crate::connect::Side;
use crate::error::{Error, ErrorKind};
use crate::file_lock::Locked;
use crate::name::RelationName;
use crate::state::DatabaseIdentity;

/// The file while a comparison works.
pub(super) struct Journal {
    path: PathBuf,
    file: Arc<Locked>,
    written: Mutex<Written>,
}

/// How far it is written.
#[derive(Default)]
struct Written {
    /// The last seal.
    seal: Option<Sha>,
    /// Whether something was written that may not be on the disk yet.
    dirty: bool,
    /// Whether there is something in it to go on from.
    worth: bool,
    /// Transaction ids of ours on both sides, as the file has them.
    own_ids: (u64, u64),
}

/// A file that is ours alone, and what is in it.
pub(super) struct Opened {
    journal: Journal,
    found: Option<(Begun, Known)>,
    /// Bytes up to the end of the last whole line.
    whole: u64,
}

impl Journal {
    /// Takes the file for this process, and reads it.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] if it cannot be written or read; [`ErrorKind::RunState`] if another
    /// process has it, if it is not ours, damaged or of a newer pghaul. It stays as it is.
    pub(super) fn open(path: &Path) -> Result<Opened, Error> {
        let file = open(path)?;
        let journal = Self {
            path: path.to_owned(),
            file: Arc::new(file),
            written: Mutex::new(Written { worth: true, ..Written::default() }),
        };
        let opened = journal.read()?;
        // One that was empty goes when nothing is added to it.
        opened.journal.lock().worth = opened.found.is_some();
        Ok(opened)
    }

    fn read(self) -> Result<Opened, Error> {
        let shown = self.path.display().to_string();
        let metadata = self.file.metadata().map_err(|error| local(&shown, "look at", error))?;
        if !metadata.is_file() {
            let what = format!("{shown} is not a regular file, so no comparison can go on from it");
            return Err(Error::new(ErrorKind::LocalIo, what).with_hint("name another file"));
        }
        let refused = |what: String, hint: &str| {
            Err(Error::new(ErrorKind::RunState, format!("{shown} {what}")).with_hint(hint))
        };
        let mut lines = Lines::new(BufReader::new(&**self.file));
        let mut found: Option<(Begun, Known)> = None;
        loop {
            let broken = match lines.next_line() {
                Ok(None) => break,
                Ok(Some(SealedLine::Begun(begun))) if found.is_none() => {
                    found = Some((begun, Known::default()));
                    continue;
                }
                Ok(Some(SealedLine::Other(line))) => match &mut found {
                    Some((_, known)) => match line.tell(known) {
                        Ok(()) => continue,
                        Err(_) => Broken::Damaged,
                    },
                    None => Broken::Foreign,
                },
                Ok(Some(SealedLine::Begun(_))) => Broken::Damaged,
                Err(broken) => broken,
            };
            match broken {
                Broken::Io(error) => return Err(local(&shown, "read", error)),
                Broken::Foreign => {
                    return refused(
                        "is not the file of an interrupted comparison".to_owned(),
                        "name another file, one that is empty or not there yet",
                    );
                }
                Broken::Newer(format) => {
                    return refused(
                        format!(
                            "is of format {format}, made by a newer pghaul; this one knows {FORMAT}"
                        ),
                        "go on with the pghaul that made it, or remove the file and begin again",
                    );
                }
                Broken::Damaged => {
                    let number = lines.number();
                    return refused(
                        format!("is damaged: line {number} is not as it was written"),
                        "remove the file and begin again",
                    );
                }
            }
        }
        let whole = lines.whole();
        self.lock().seal = lines.seal();
        Ok(Opened { journal: self, found, whole })
    }

    /// From here on what is read is of this moment.
    pub(super) fn moment(&self, now: &Instants) -> Result<(), Error> {
        self.lock().own_ids = (now.source.own_ids, now.target.own_ids);
        self.append(&Line::moment(now), false)
    }

    /// A part was read on one side. `now`: the present moment, as it is by now.
    pub(super) fn part(
        &self,
        table: &RelationName,
        side: Side,
        (part, now): (&ReadPart, &Instants),
    ) -> Result<(), Error> {
        let own_ids = (now.source.own_ids, now.target.own_ids);
        if std::mem::replace(&mut self.lock().own_ids, own_ids) != own_ids {
            self.append(&Line::own_ids(own_ids), false)?;
        }
        self.append(&Line::part(table, side, part), true)
    }

    /// A table is equal on both sides.
    pub(super) fn equal(&self, table: &VerifiedTable, how: Sha) -> Result<(), Error> {
        self.append(&Line::equal(table, how), true)
    }

    fn append(&self, line: &impl serde::Serialize, worth: bool) -> Result<(), Error> {
        let mut written = self.lock();
        let (text, seal) = seal::seal(written.seal, line).map_err(|error| self.failed(error))?;
        (&**self.file).write_all(text.as_bytes()).map_err(|error| self.failed(error))?;
        written.seal = Some(seal);
        written.dirty = true;
        written.worth |= worth;
        Ok(())
    }

    /// Sees to it that what is written stays, also when the power goes.
    pub(super) async fn sync(&self) -> Result<(), Error> {
        if !std::mem::take(&mut self.lock().dirty) {
            return Ok(());
        }
        let file = Arc::clone(&self.file);
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
        synced.map_err(std::io::Error::other).flatten().map_err(|error| self.failed(error))
    }

    /// Where the same comparison can go on from; none if nothing is kept yet.
    pub(super) fn kept(&self) -> Option<&Path> {
        self.lock().worth.then_some(&*self.path)
    }

    /// Removes the file, since the comparison has come to its end.
    pub(super) fn remove(&self) -> Result<(), Error> {
        self.lock().worth = false;
        self.unlink().map_err(|error| local(&self.path.display().to_string(), "remove", error))
    }

    /// Never what somebody else has put in its place, and never a device.
    fn unlink(&self) -> std::io::Result<()> {
        let ours = self.file.metadata()?.is_file() && is_at(&self.file, &self.path)?;
        if ours { std::fs::remove_file(&self.path) } else { Ok(()) }
    }

    fn failed(&self, error: std::io::Error) -> Error {
        local(&self.path.display().to_string(), "write", error)
            .with_hint("make room there; the same comparison then goes on from what is in it")
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        // Every change is complete before the lock is let go.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.lock().worth {
            // A file that says nothing would only be in the way.
            let _ = self.unlink();
        }
    }
}

impl Opened {
    /// Goes on with what is in the file, or begins it.
    ///
    /// # Errors
    /// [`ErrorKind::RunState`] if other databases are compared in it, or otherwise; it stays as it
    /// is. [`ErrorKind::LocalIo`] if it cannot be written.
    pub(super) fn meet(
        self,
        (source, target): (&DatabaseIdentity, &DatabaseIdentity),
        asked: Asked,
    ) -> Result<(Journal, Known), Error> {
        let Self { journal, found, whole } = self;
        let shown = journal.path.display();
        let known = match found {
            Some((begun, known)) => {
                if let Some((what, hint)) = begun.is_another((source, target), &asked) {
                    let what = format!("the comparison in {shown} {what}");
                    return Err(Error::new(ErrorKind::RunState, what).with_hint(hint));
                }
                journal.file.set_len(whole).map_err(|error| journal.failed(error))?;
                journal.lock().worth = known.is_anything();
                known
            }
            None => {
                journal.file.set_len(0).map_err(|error| journal.failed(error))?;
                journal.append(&Begun::new((source, target), asked), false)?;
                Known::default()
            }
        };
        Ok((journal, known))
    }
}

/// The version of the file's format. A newer one is refused.
const FORMAT: u64 = 1;

/// Opens the file and locks it.
fn open(path: &Path) -> Result<Locked, Error> {
    let shown = path.display().to_string();
    loop {
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| local(&shown, "write", error).with_hint("name another file"))?;
        let file = Locked::take(file, &shown, "another comparison goes on with")?;
        // Whoever had the lock may have removed the file meanwhile.
        if is_at(&file, path).map_err(|error| local(&shown, "look at", error))? {
            return Ok(file);
        }
    }
}

/// Whether this file is the one of that name.
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn local(shown: &str, doing: &str, error: std::io::Error) -> Error {
    let what = format!("cannot {doing} the file of the comparison, {shown}");
    Error::new(ErrorKind::LocalIo, what).caused_by(error)
}

#[cfg(test)]
mod tests;
