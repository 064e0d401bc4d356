//! The user that servers run as: Postgres refuses to run as root.
//!
//! Invariant: a process that is not root runs servers as itself; root runs them as the user
//! `postgres` where there is one, else `nobody`, and gives that user only what a server needs.

use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::error::{Doing, Error, Result};

/// The user that servers run as.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    uid: u32,
    /// Set if that is another user than ours: its group.
    other: Option<u32>,
}

impl Account {
    /// Found once.
    pub(crate) fn current() -> Result<&'static Self> {
        static FOUND: OnceLock<Result<Account>> = OnceLock::new();
        FOUND.get_or_init(Self::find).as_ref().map_err(Clone::clone)
    }

    fn find() -> Result<Self> {
        let user = rustix::process::geteuid();
        if !user.is_root() {
            return Ok(Self { uid: user.as_raw(), other: None });
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id("-u", name), id("-g", name)) {
                return Ok(Self { uid, other: Some(gid) });
            }
        }
        Err(Error::new("no user to run servers as: Postgres refuses to run as root")
            .with_hint("add a user `postgres`, or run the tests as an ordinary user"))
    }

    /// Its number.
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether this process is that user.
    pub(crate) fn is_us(&self) -> bool {
        self.other.is_none()
    }

    /// A command that runs as this user in `folder`, in a process group of its own (so that
    /// Ctrl-C in a terminal does not reach it before us), with none of our environment that
    /// could change what it does.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        for name in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.current_dir(folder).process_group(0).stdin(Stdio::null());
        if let Some(gid) = self.other {
            command.uid(self.uid).gid(gid);
        }
        command
    }

    /// Hands one file or folder over to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        match self.other {
            None => Ok(()),
            Some(gid) => chown(path, Some(self.uid), Some(gid))
                .doing(|| format!("cannot give {} to the servers' user", path.display())),
        }
    }
}

fn id(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, name]).stderr(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
