//! Flags that verbs share: what is accepted, in which bounds.
//!
//! Invariant: connection strings also come from the environment, so that no password has to stand in
//! a process list.

pub mod amcheck;
pub mod carried;
pub mod carrying;
pub mod resources;

use clap::{Args, ValueEnum};

/// Flags of every verb.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Progress on stderr [auto: bars on a terminal, else a line every 10 seconds]
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "HOW",
        display_order = 900
    )]
    pub progress: ProgressStyle,
    /// The result as one JSON object on stdout
    #[arg(long, global = true, display_order = 901)]
    pub json: bool,
    /// How errors and messages are written to stderr
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "HOW",
        display_order = 902
    )]
    pub log_format: LogFormat,
    /// Tell more: each table and step as it is done, all tables in the result
    #[arg(short, long, global = true, display_order = 903)]
    pub verbose: bool,
    /// Colours
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        display_order = 904
    )]
    pub color: Color,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProgressStyle {
    /// Bars on a terminal, else plain lines
    #[default]
    Auto,
    /// Bars; plain lines where stderr is no terminal
    Bar,
    /// A line every 10 seconds
    Plain,
    /// One JSON object a line
    Json,
    /// Nothing
    None,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// Where the stream is a terminal and NO_COLOR is not set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// `--source`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
pub struct Source {
    /// Where the data comes from: anything libpq accepts, URI or key=value words; only read
    #[arg(long, env = "PGHAUL_SOURCE", hide_env_values = true, value_name = "URL")]
    pub source: String,
}

/// `--target`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
pub struct Target {
    /// Where the data goes: anything libpq accepts, URI or key=value words
    #[arg(long, env = "PGHAUL_TARGET", hide_env_values = true, value_name = "URL")]
    pub target: String,
}

/// `--database`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
pub struct Database {
    /// The database: anything libpq accepts, URI or key=value words
    #[arg(long, env = "PGHAUL_DATABASE", hide_env_values = true, value_name = "URL")]
    pub database: String,
}
