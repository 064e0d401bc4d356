//! Flags that say how much of both servers and of this machine is taken, with their bounds.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;
use pghaul::run::CloneOptions;

use crate::quantity::parse_size;

/// `--jobs`, `--index-jobs`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Resources")]
pub struct Lanes {
    /// Parts copied at once: as many sessions on each side [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Indexes and other steps built at once: as many sessions on the target [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    index_jobs: u16,
}

impl Lanes {
    /// Parts at once.
    pub fn jobs(&self) -> NonZeroUsize {
        jobs(self.jobs)
    }

    /// Steps at once.
    pub fn index_jobs(&self) -> NonZeroUsize {
        jobs(self.index_jobs)
    }
}

/// `--memory`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Resources")]
pub struct Memory {
    /// Memory of the whole process, such as 64MiB; fewer jobs run if it is small [a clone: from
    /// 16MiB; a restore, which decompresses: from 32MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
}

/// `--pg-dump`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Resources")]
pub struct Program {
    /// The pg_dump to use, instead of the one that is found
    #[arg(long, value_name = "PATH")]
    pub pg_dump: Option<PathBuf>,
}

/// How often something is tried again, see the handbook's `manual::resume`.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Patience")]
pub struct Patience {
    /// How often in a row a part or step may fail, with pauses of up to 30 s, before it is given
    /// up; a committed piece begins the count anew [1 to 1000]
    #[arg(long, value_name = "N", default_value_t = CloneOptions::default().attempts, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub attempts: u32,
    /// How often anything may be tried again in the whole run [0 to 1000000]
    #[arg(long, value_name = "N", default_value_t = CloneOptions::default().retries_per_run, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub retries: u32,
}

/// Bytes a second.
pub(crate) fn rate(text: &str) -> Result<NonZeroU64, String> {
    bounded(text, 1_000, 1_000_000_000_000, "a rate is between 1kB and 1TB a second")
        .and_then(|size| NonZeroU64::new(size).ok_or_else(String::new))
}

/// Bytes of a part.
pub(crate) fn part_size(text: &str) -> Result<u64, String> {
    bounded(text, 64 << 10, 1 << 40, "a part is between 64KiB and 1TiB")
}

fn bounded(text: &str, least: u64, most: u64, why: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if (least..=most).contains(&size) { Ok(size) } else { Err(why.to_owned()) }
}

/// A count that clap has bounded.
pub(crate) fn jobs(count: u16) -> NonZeroUsize {
    NonZeroUsize::new(usize::from(count)).unwrap_or(NonZeroUsize::MIN)
}
