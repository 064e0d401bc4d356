//! The cache folder: what is made or fetched once and used by many processes.
//!
//! Invariant: an entry is there whole or not at all. It is made under another name by the one
//! process that holds the entry's lock, then renamed; the lock dies with its process.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Doing, Error, Result};

/// The folder of the cache, made if it is missing.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = place()?;
    make(&folder)?;
    Ok(folder)
}

fn place() -> Result<PathBuf> {
    if let Some(named) = env::var_os("PGHAUL_CACHE").filter(|value| !value.is_empty()) {
        let named = PathBuf::from(named);
        return if named.is_absolute() {
            Ok(named)
        } else {
            Err(Error::new(format!("PGHAUL_CACHE is not an absolute path: {}", named.display())))
        };
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/cache/pghaul"));
    }
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|caches| caches.join("pghaul"))
        .ok_or_else(|| {
            Error::new("no folder for the cache: neither XDG_CACHE_HOME nor HOME is set")
                .with_hint("set PGHAUL_CACHE to an absolute path")
        })
}

/// Makes a folder that every user can enter, whatever our umask is; leaves one that is there as
/// it is.
fn make(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|cause| {
        Error::new(format!("cannot make the cache folder {}", folder.display()))
            .caused_by(&cause)
            .with_hint("set PGHAUL_CACHE to a folder that can be written")
    })?;
    open_to_all(folder)
}

/// The path of the entry `group/name`; `fill` makes it at the path that it is given if it is
/// not there yet.
pub(crate) fn entry(
    group: &str,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let group = folder()?.join(group);
    let entry = group.join(name);
    if entry.exists() {
        return Ok(entry);
    }
    make(&group)?;
    let lock = group.join(format!("{name}.lock"));
    let held = File::create(&lock).map_err(|cause| {
        Error::new(format!("cannot write to the cache: {}", lock.display()))
            .caused_by(&cause)
            .with_hint("set PGHAUL_CACHE to a folder that can be written")
    })?;
    held.lock().doing(|| format!("cannot lock {}", lock.display()))?;
    if entry.exists() {
        return Ok(entry);
    }
    let partial = group.join(format!("{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial)
            .doing(|| format!("cannot remove what an earlier run left: {}", partial.display()))?;
    }
    fill(&partial).inspect_err(|_| {
        let _ = fs::remove_dir_all(&partial);
    })?;
    fs::rename(&partial, &entry).doing(|| format!("cannot rename to {}", entry.display()))?;
    Ok(entry)
}

/// Lets every user enter and list a folder, whatever our umask is: as root we are not the user
/// that servers run as.
fn open_to_all(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))
        .doing(|| format!("cannot change the mode of {}", folder.display()))
}

/// Lets every user read all that is in a folder, and run what its owner can.
pub(crate) fn open_tree_to_all(folder: &Path) -> Result<()> {
    open_to_all(folder)?;
    let cannot = || format!("cannot let all users read {}", folder.display());
    for entry in fs::read_dir(folder).doing(cannot)? {
        let entry = entry.doing(cannot)?;
        let (path, kind) = (entry.path(), entry.file_type().doing(cannot)?);
        if kind.is_dir() {
            open_tree_to_all(&path)?;
        } else if kind.is_file() {
            let mode = entry.metadata().doing(cannot)?.permissions().mode();
            let run = if mode & 0o100 == 0 { 0 } else { 0o111 };
            fs::set_permissions(&path, Permissions::from_mode(mode | 0o444 | run)).doing(cannot)?;
        }
    }
    Ok(())
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
