//! Files that one process at a time works with.
//!
//! Invariants: the lock is the system's, so it goes with the process, however that ends; it is let go
//! in so many words before that. Closing the file would not do: a child that another thread has just
//! started has a copy of the descriptor until it runs its program, and the lock with it.

use std::fs::{File, TryLockError};
use std::ops::Deref;

use crate::error::{Error, ErrorKind};

/// A file that is locked as long as this lives.
pub(crate) struct Locked(File);

impl Locked {
    /// Takes the lock of a file. `busy` says what another process does that has it, before the file's
    /// name.
    ///
    /// # Errors
    /// [`ErrorKind::RunState`] if another process has it, [`ErrorKind::LocalIo`] if the system refuses.
    pub(crate) fn take(file: File, shown: &str, busy: &str) -> Result<Self, Error> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let what = format!("{busy} {shown}");
                Err(Error::new(ErrorKind::RunState, what).with_hint("wait for it to end"))
            }
            Err(TryLockError::Error(error)) => {
                Err(Error::new(ErrorKind::LocalIo, format!("cannot lock {shown}")).caused_by(error))
            }
        }
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Where this fails, closing the file is all there is.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let take = |file: File| Locked::take(file, "lock", "somebody has");
        let first = File::create(&path).unwrap();
        // As a child has it that is being started.
        let copy = first.try_clone().unwrap();
        let held = take(first).unwrap();
        let refused = take(File::open(&path).unwrap()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::RunState);
        drop(held);
        take(File::open(&path).unwrap()).unwrap();
        drop(copy);
    }
}
