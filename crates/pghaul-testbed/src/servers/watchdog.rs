//! A shell that outlives this process by a moment, to end a server and remove its folder.
//!
//! Invariant: it acts when its standard input ends, which happens when [`Watchdog`] is dropped
//! and when this process ends in any way, kill -9 included. Other children of this process do
//! not keep it open: Rust opens every pipe close-on-exec.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::account::Account;
use crate::error::{Doing, Result};

/// The guard of one server.
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Guards the server in `folder`.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        Account::current()?
            .command("/bin/sh", Path::new("/"))
            .args(["-c", include_str!("watchdog.sh"), "pghaul-testbed-watchdog"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
            .doing(|| "cannot start the shell that guards a server".to_owned())
    }

    /// Lets it do its work.
    pub(crate) fn release(&mut self) {
        drop(self.0.stdin.take());
    }

    /// Waits until that is done.
    pub(crate) fn wait(&mut self) {
        self.release();
        let _ = self.0.wait();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.wait();
    }
}
