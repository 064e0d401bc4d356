//! The binary `pghaul`.
//!
//! Exit codes; anything that does not stand here must be read as failure:
//!
//! - 0: done as asked. 1: done, and something of severity warning or worse was found.
//! - 2: usage. 10: a server cannot be reached or refuses us.
//! - 11: found before anything was written. 12: failed after retries; finished pieces are kept.
//! - 13: the source's snapshot is gone and the source has changed since.
//! - 20: a run's state is in the way. 21: an archive is damaged, incomplete or too new.
//! - 40: this machine's disk or permissions. 70: a bug, panics included.
//! - 130, 143: stopped by SIGINT, by SIGTERM; finished pieces are kept.
//!
//! Which failure gets which is decided in [`pghaul_cli::exit`].

use std::process::ExitCode;

fn main() -> ExitCode {
    // The verbs that sort keys in much memory, and then need other memory.
    if std::env::args_os().any(|argument| argument == "duplicates") {
        pghaul_cli::allocator::give_back_what_is_freed();
    }
    pghaul_cli::run(std::env::args_os()).into()
}
