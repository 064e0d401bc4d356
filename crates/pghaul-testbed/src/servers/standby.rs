//! A physical standby of a running server: a copy of its files, made between the start and the
//! end of a backup (Postgres manual, 25.3.3), that follows it by streaming.
//!
//! Invariant: a replication slot, reserved before the first file is copied, keeps the WAL that
//! the standby needs; it is the primary's for as long as that lives.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Major, SUPERUSER, Server, State, quote_literal, template};
use crate::account::Account;
use crate::error::{Doing, Error, Result};

/// Folders of which a standby needs only the folder (Postgres manual, 25.3.3.1), and files that
/// it must not have.
const EMPTIED: [&str; 7] =
    ["pg_wal", "pg_xlog", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_stat_tmp", "pg_subtrans"];
const LEFT_OUT: [&str; 5] =
    ["postmaster.pid", "postmaster.opts", "testbed.conf", "standby.signal", "recovery.conf"];

impl Server {
    /// Starts a standby of this server that answers queries (`hot_standby`), with this server's
    /// settings. Tablespaces are not carried along.
    pub fn standby(&self) -> Result<Self> {
        let mut standby = Self::in_new_folder(self.major, self.password.clone())?;
        let slot = self.unique_name("standby");
        self.value(format!(
            "select pg_create_physical_replication_slot({}, true)",
            quote_literal(&slot)
        ))
        .wait()?;
        self.copy_while_running(&standby.data_dir())?;

        let State { mut settings, locpath, .. } = {
            let state = self.state();
            let (settings, locpath) = (state.settings.clone(), state.locpath.clone());
            State { postmaster: None, settings, locpath }
        };
        settings.insert("hot_standby".to_owned(), "on".to_owned());
        let primary = format!("host={} port={} user={SUPERUSER}", self.folder.display(), self.port);
        if self.major >= Major::V12 {
            settings.insert("primary_conninfo".to_owned(), primary);
            settings.insert("primary_slot_name".to_owned(), slot);
            standby.write(&standby.data_dir().join("standby.signal"), "")?;
        } else {
            let recovery = format!(
                "standby_mode = on\nprimary_conninfo = {}\nprimary_slot_name = {}\n",
                quote_literal(&primary),
                quote_literal(&slot)
            );
            standby.write(&standby.data_dir().join("recovery.conf"), &recovery)?;
        }
        *standby.state() = State { postmaster: None, settings, locpath };
        standby.find_port_and_start()?;
        Ok(standby)
    }

    /// Waits until this standby shows all that its primary has committed so far.
    pub fn catch_up_with(&self, primary: &Self) -> Result<()> {
        let (written, replayed) = if self.major >= Major::V10 {
            ("pg_current_wal_lsn()", "pg_last_wal_replay_lsn()")
        } else {
            ("pg_current_xlog_location()", "pg_last_xlog_replay_location()")
        };
        let goal = primary.value(format!("select {written}")).wait()?.unwrap_or_default();
        let reached = format!("select {replayed} >= {}::pg_lsn", quote_literal(&goal));
        let begin = Instant::now();
        while self.value(&reached).wait()?.as_deref() != Some("t") {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(Error::new("the standby did not catch up within a minute")
                    .explained(super::last_lines(&self.log(), 10)));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Makes this standby a primary of its own and waits until it is (Postgres manual, 26.2.2;
    /// a file and a signal, as `pg_ctl promote` does on all majors).
    pub fn promote(&self) -> Result<()> {
        self.write(&self.data_dir().join("promote"), "")?;
        match &self.state().postmaster {
            Some(postmaster) => postmaster.signal(Signal::USR1)?,
            None => return Err(Error::new("a server that does not run cannot be promoted")),
        }
        let begin = Instant::now();
        while self.value("select pg_is_in_recovery()").wait()?.as_deref() != Some("f") {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(Error::new("the standby was not promoted within a minute")
                    .explained(super::last_lines(&self.log(), 10)));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The backup must begin and end in one session.
    fn copy_while_running(&self, target: &Path) -> Result<()> {
        let session = self.connect("postgres").wait()?;
        let (begin, end) = if self.major >= Major::V15 {
            (
                "select pg_backup_start('standby', true)",
                "select labelfile from pg_backup_stop(false)",
            )
        } else {
            (
                "select pg_start_backup('standby', true, false)",
                "select labelfile from pg_stop_backup(false)",
            )
        };
        session.value(begin).wait()?;
        copy(&self.data_dir(), target, Account::current()?)?;
        let label = session.value(end).wait()?.unwrap_or_default();
        self.write(&target.join("backup_label"), &label)
    }
}

/// Copies a data directory in use: files may vanish meanwhile.
fn copy(source: &Path, target: &Path, account: &Account) -> Result<()> {
    let cannot = || format!("cannot copy {} to {}", source.display(), target.display());
    fs::create_dir(target).doing(cannot)?;
    template::restrict(target)?;
    account.own(target)?;
    for entry in fs::read_dir(source).doing(cannot)? {
        let entry = entry.doing(cannot)?;
        let name = entry.file_name();
        let is_any_of = |names: &[&str]| names.iter().any(|known| name == *known);
        let (from, to) = (entry.path(), target.join(&name));
        if is_any_of(&EMPTIED) {
            fs::create_dir(&to).doing(cannot)?;
            template::restrict(&to)?;
            account.own(&to)?;
        } else if entry.file_type().doing(cannot)?.is_dir() {
            copy(&from, &to, account)?;
        } else if !is_any_of(&LEFT_OUT) {
            match fs::copy(&from, &to) {
                Err(cause) if cause.kind() == ErrorKind::NotFound => {}
                copied => {
                    copied.doing(cannot)?;
                    account.own(&to)?;
                }
            }
        }
    }
    Ok(())
}
