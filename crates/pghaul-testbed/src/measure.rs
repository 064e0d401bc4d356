//! Time and memory of whole processes, for benches that stand beside a peer.
//!
//! Invariant: peak memory is what Linux keeps as `VmHWM` in `/proc/PID/status` (proc_pid_status(5)),
//! looked at until the process has ended; a process that fails is an error and no measurement.

use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, Parser};

use crate::error::{Error, Result};

/// A bench's `main`: reads its flags, runs it, says why it failed.
#[expect(clippy::print_stderr, reason = "for the one who runs it")]
pub fn bench<F: Parser>(run: impl FnOnce(F) -> Result<()>) -> ExitCode {
    // Cargo adds `--bench`.
    let cargos = Arg::new("bench").long("bench").hide(true).action(ArgAction::SetTrue);
    let matches = F::command().arg(cargos).get_matches();
    let flags = F::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a future to its end.
pub fn wait<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Error::new(error.to_string()))?;
    runtime.block_on(work)
}

/// What processes needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// From the start of the first to the end of the last.
    pub took: Duration,
    /// Peak of resident memory in bytes; of several processes, that of the largest.
    pub peak_rss: u64,
}

impl Usage {
    /// Seconds.
    pub fn seconds(&self) -> f64 {
        self.took.as_secs_f64()
    }

    /// MiB of resident memory at the peak.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub fn mib(&self) -> f64 {
        self.peak_rss as f64 / f64::from(1 << 20)
    }
}

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Runs one command to its end.
pub fn run(command: &mut Command) -> Result<Usage> {
    pipeline(vec![command])
}

/// Runs one command to its end, which has to be this exit code.
pub fn run_to(command: &mut Command, code: i32) -> Result<Usage> {
    all(vec![command], code)
}

/// Runs commands as a shell does with `|` between them, to the end of all.
pub fn pipeline(commands: Vec<&mut Command>) -> Result<Usage> {
    all(commands, 0)
}

fn all(commands: Vec<&mut Command>, code: i32) -> Result<Usage> {
    let begun = Instant::now();
    let mut children: Vec<(String, Child)> = Vec::new();
    let last = commands.len().saturating_sub(1);
    for (at, command) in commands.into_iter().enumerate() {
        let name = command.get_program().to_string_lossy().into_owned();
        if let Some((_, before)) = children.last_mut() {
            let pipe = before.stdout.take();
            command.stdin(pipe.map_or_else(Stdio::null, Stdio::from));
        }
        if at < last {
            command.stdout(Stdio::piped());
        }
        let child =
            command.spawn().map_err(|error| Error::new(format!("cannot start {name}: {error}")))?;
        children.push((name, child));
    }
    let peak = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let ids: Vec<u32> = children.iter().map(|(_, child)| child.id()).collect();
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for id in &ids {
                    peak.fetch_max(high_water_mark(*id).unwrap_or(0), Ordering::Relaxed);
                }
                std::thread::sleep(LOOK);
            }
        });
        let ended = children
            .iter_mut()
            .map(|(name, child)| match child.wait() {
                Ok(status) if status.code() == Some(code) => Ok(()),
                Ok(status) => Err(Error::new(format!("{name} ended with {status}"))),
                Err(error) => Err(Error::new(format!("cannot wait for {name}: {error}"))),
            })
            .fold(Ok(()), Result::and);
        over.store(true, Ordering::Relaxed);
        ended
    });
    ended?;
    Ok(Usage { took: begun.elapsed(), peak_rss: peak.into_inner() })
}

/// The greatest resident memory of a process so far, in bytes; none once it has ended.
pub fn high_water_mark(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// The first processor's name, and whether it has SHA instructions.
pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
    };
    let sha = field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "sha_ni"));
    let with = if sha { "with" } else { "without" };
    format!("{} {with} SHA instructions", field("model name").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_takes_memory_is_seen_to_take_it() {
        let mut greedy = Command::new("sh");
        greedy.args(["-c", "x=$(head -c 30000000 /dev/zero | tr '\\0' x); sleep 1; echo ${#x}"]);
        greedy.stdout(Stdio::null());
        let usage = run(&mut greedy).unwrap();
        assert!(usage.peak_rss > 30_000_000, "{usage:?}");
    }

    #[test]
    fn a_pipeline_carries_bytes_and_a_failure_is_an_error() {
        let mut count = Command::new("sh");
        count.args(["-c", "test $(wc -c) = 6"]);
        let mut echo = Command::new("echo");
        pipeline(vec![echo.arg("hello"), &mut count]).unwrap();
        assert!(pipeline(vec![Command::new("echo").arg("more"), &mut count]).is_err());
    }
}
