//! What the C library's allocator keeps of memory that was freed.
//!
//! glibc gives a large block back to the system when it is freed, but with each one it raises the size
//! from which a block is large, up to 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`). What a scan had is then
//! kept while a plan needs other memory beside it: 139 MiB are resident where 59 are enough (1.5
//! million statuses, 60,000 groups, `--memory 64MiB`). That size stays as it is if it was set, which
//! without `unsafe` only the environment can do, before a program begins. So the program begins once
//! more, with the same id, arguments and streams.
//!
//! Invariants: before anything is done, and once; where the system refuses, all goes on as it is.

/// Blocks from this size on are the system's again when they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: &str = "1048576";

/// Both have to be set: glibc trims the end of its heap at twice the other one.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SETTINGS: [&str; 2] = ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"];

/// Has large blocks given back when they are freed. Settings that are there already stay.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back_what_is_freed() {
    use std::os::unix::process::CommandExt as _;

    if SETTINGS.iter().any(|setting| std::env::var_os(setting).is_some()) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // It returns only if it failed.
    let _ = again.args(arguments).envs(SETTINGS.map(|setting| (setting, LARGE))).exec();
}

/// Other allocators do not keep them.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back_what_is_freed() {}
