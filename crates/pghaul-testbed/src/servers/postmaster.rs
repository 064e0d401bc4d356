//! The main process of a server, as a child of this one.
//!
//! Invariants: `server.pid` in the server's folder is written before the server begins, and removed
//! after it ended, so that the watchdog knows what to end; a server that was told to end does, by
//! itself or killed with all its processes. Up to 17 a server that shuts down leaves alone what it
//! started for a client that came meanwhile: such a process waits for what a silent client has to say,
//! as long as `authentication_timeout`, and the server waits for it.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::process::{self, Process};
use crate::account::Account;
use crate::error::{Doing, Error, Result};

/// How long a server may take to die; Postgres kills its own processes after five seconds (manual,
/// 18.5, immediate shutdown).
pub(crate) const TO_DIE: Duration = Duration::from_secs(20);

/// How long one may take to shut down in order, which writes a checkpoint.
pub(crate) const TO_SHUT_DOWN: Duration = Duration::from_secs(60);

/// What the kernel may need to end a process that was killed.
const TO_BE_GONE: Duration = Duration::from_secs(20);

/// How a server ended.
#[derive(Debug)]
pub(crate) enum End {
    /// As it was told to.
    ByItself,
    /// It was killed; which processes it had.
    Killed(Vec<Process>),
}

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

    /// Waits for the end. After `patience` the server is killed.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<End> {
        let begin = Instant::now();
        while self.ended().is_none() {
            if begin.elapsed() > patience {
                return self.kill().map(End::Killed);
            }
            sleep(Duration::from_millis(5));
        }
        Ok(End::ByItself)
    }

    /// Kills it and all that it started. Its memory is shared by them, and what it leaves is cleared
    /// away by the next start, if none of them is there any more.
    fn kill(&mut self) -> Result<Vec<Process>> {
        let pid = self.child.id();
        // Once it stands still, it starts no others.
        self.signal(Signal::STOP)?;
        until(|| process::of(pid).is_none_or(|process| process.stands_still()))?;
        let children = process::children_of(pid)?;
        for child in &children {
            // It may have ended by now.
            let _ = signal_process(child.pid, Signal::KILL);
        }
        self.signal(Signal::KILL)?;
        until(|| self.ended().is_some())?;
        until(|| children.iter().all(Process::is_gone))?;
        Ok(children)
    }
}

fn until(mut over: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !over() {
        if begin.elapsed() > TO_BE_GONE {
            let what = "a server that was killed is still there: its storage may not answer";
            return Err(Error::new(what));
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
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
