//! The processes of a server, as the kernel shows them (`proc(5)`).

use std::fmt;
use std::fs;

use crate::error::{Doing, Result};

/// A process at the moment when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    /// As in `ps`: R, S, D, T, Z, ...
    state: char,
    /// In ticks since the system's; a process that has this id later has another.
    started: u64,
    /// What it calls itself.
    title: String,
}

/// One process; none if there is none of that id.
pub(crate) fn of(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let title = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let title = String::from_utf8_lossy(&title).replace('\0', " ").trim().to_owned();
    Some(Process {
        pid,
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        title,
    })
}

/// The processes that this one has started and that have not ended.
pub(crate) fn children_of(parent: u32) -> Result<Vec<Process>> {
    let all = fs::read_dir("/proc").doing(|| "cannot list the processes in /proc".to_owned())?;
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(of).filter(|one| one.parent == parent && !one.is_dead()).collect())
}

impl Process {
    /// Whether it was stopped, or has ended.
    pub(crate) fn stands_still(&self) -> bool {
        matches!(self.state, 'T' | 't') || self.is_dead()
    }

    /// Whether it has ended since; that nobody has asked how does not matter.
    pub(crate) fn is_gone(&self) -> bool {
        of(self.pid).is_none_or(|now| now.started != self.started || now.is_dead())
    }

    fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, state {})", self.pid, self.title, self.state)
    }
}
