//! The main process of a server, as a child of this one.
//!
//! Invariant: `server.pid` in the server's folder is written before the server begins, and
//! removed after it ended, so that the watchdog knows what to end.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;
use crate::error::{Doing, Error, Result};

/// A running postmaster.
pub(crate) struct Postmaster {
    child: Child,
    pid_file: std::path::PathBuf,
}

impl Postmaster {
    /// Starts the server in `folder` with its output appended to `log` there. The server is not
    /// ready yet.
    pub(crate) fn start(bin: &Path, folder: &Path, locpath: Option<&Path>) -> Result<Self> {
        let pid_file = folder.join("server.pid");
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .doing(|| format!("cannot write the server's log in {}", folder.display()))?;
        let errors = log.try_clone().doing(|| "cannot share the server's log".to_owned())?;
        let mut command = Account::current()?.command("/bin/sh", folder);
        if let Some(locpath) = locpath {
            command.env("LOCPATH", locpath);
        }
        // The shell becomes the server, so its process id is the server's.
        let child = command
            .args(["-c", "echo $$ > server.pid && exec \"$0\" -D data"])
            .arg(bin.join("postgres"))
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            .spawn()
            .doing(|| format!("cannot start the server in {}", bin.display()))?;
        Ok(Self { child, pid_file })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        let _ = fs::remove_file(&self.pid_file);
        Some(told(status))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        signal_process(self.child.id(), signal)
    }

    /// Waits for the end, at most a minute.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let begin = Instant::now();
        while self.ended().is_none() {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(Error::new("the server did not end within a minute"));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// Sends a signal to any process of a server.
pub(crate) fn signal_process(pid: u32, signal: Signal) -> Result<()> {
    let cannot = || format!("cannot signal process {pid}");
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| Error::new(cannot()).explained("no such process id"))?;
    kill_process(pid, signal).doing(cannot)
}
