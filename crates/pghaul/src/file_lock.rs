//! Files that one process at a time works with.
//!
//! Invariant: the lock is the system's, so it goes with the process, however that ends.

use std::fs::{File, TryLockError};

use crate::error::{Error, ErrorKind};

/// Takes the lock of a file. `busy` says what another process does that has it, before the file's
/// name.
///
/// # Errors
/// [`ErrorKind::RunState`] if another process has it, [`ErrorKind::LocalIo`] if the system refuses.
pub(crate) fn take(file: &File, shown: &str, busy: &str) -> Result<(), Error> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let what = format!("{busy} {shown}");
            Err(Error::new(ErrorKind::RunState, what).with_hint("wait for it to end"))
        }
        Err(TryLockError::Error(error)) => {
            Err(Error::new(ErrorKind::LocalIo, format!("cannot lock {shown}")).caused_by(error))
        }
    }
}
