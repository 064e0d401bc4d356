//! What a person reads when pghaul itself is wrong.
//!
//! Invariant: what the panic says is shown only on request, since it can quote data.

use std::io::Write as _;

/// From now on a panic of any thread says where it happened and where to report it.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let mut text = String::from("error: pghaul has a bug, and this part of it gave up\n");
        if let Some(place) = panic.location() {
            text.push_str(&format!("  at:    {place}, pghaul {}\n", env!("CARGO_PKG_VERSION")));
        }
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            let payload = panic.payload();
            let what = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("something that is no text");
            let trace = std::backtrace::Backtrace::force_capture();
            text.push_str(&format!("  cause: {what}\n{trace}\n"));
        } else {
            text.push_str(
                "  hint:  RUST_BACKTRACE=1 shows more; read it before you pass it on, it can quote data\n",
            );
        }
        text.push_str(REPORT);
        let _ = std::io::stderr().write_all(text.as_bytes());
    }));
}

/// Where to report a bug.
pub const REPORT: &str = concat!(
    "  kept:  nothing is half done on the target, every piece is a transaction of its own\n",
    "  please report this: ",
    env!("CARGO_PKG_REPOSITORY"),
    "/issues\n"
);
