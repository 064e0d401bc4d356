//! Programs that a test makes up.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Doing, Error, Result};

/// Writes a script for `/bin/sh` that can be run at once.
///
/// Another process writes it: whatever this one has open, a child that another thread has just started
/// has open too until it runs its program, and the system runs no file that somebody may write to ("Text
/// file busy").
pub fn script(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write the script {}", path.display());
    let mut writer = Command::new("/bin/sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .doing(cannot)?;
    if let Some(mut stdin) = writer.stdin.take() {
        stdin.write_all(format!("#!/bin/sh\n{text}\n").as_bytes()).doing(cannot)?;
    }
    let status = writer.wait().doing(cannot)?;
    let written = fs::metadata(path).is_ok_and(|file| file.len() > 0);
    if status.success() && written {
        Ok(())
    } else {
        Err(Error::new(cannot()).explained(status.to_string()))
    }
}
