//! Flags that say what is carried, shared by the verbs that carry something.
//!
//! Invariant: what shapes a run is fixed when it begins, so none of these goes together with
//! `--resume`.

use clap::{Args, ValueEnum};
use pghaul::plan::format::FormatChoice;
use pghaul::run::options::{Deferred, Keep, Scope, Start, Verify};

/// `--dry-run`, `--resume`, `--restart`, `--restart-tables`.
#[derive(Debug, Args)]
#[command(next_help_heading = "The run")]
pub struct Meeting {
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with the run that is in the target, with the options it began with
    #[arg(long, conflicts_with_all = ["include", "exclude", "schema_only", "data_only", "no_owner", "no_privileges", "verify"])]
    resume: bool,
    /// Forget the run that is in the target: drop exactly what it created, without CASCADE, and
    /// begin again
    #[arg(long, conflicts_with_all = ["resume", "dry_run"])]
    restart: bool,
    /// With --resume: begin again for the tables that match this glob (repeatable)
    #[arg(long, value_name = "PATTERN", requires = "resume")]
    restart_tables: Vec<String>,
}

impl Meeting {
    /// How a run that is in the target is met.
    pub fn start(&self) -> Start {
        match (self.resume, self.restart) {
            (true, _) if self.restart_tables.is_empty() => Start::Resume,
            (true, _) => Start::ResumeRestarting(self.restart_tables.clone()),
            (false, true) => Start::Restart,
            (false, false) => Start::New,
        }
    }
}

/// `--include`, `--exclude`, `--schema-only`, `--data-only`.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is carried")]
pub struct Selection {
    /// Only tables that match this glob over schema.table (repeatable)
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// No tables that match this glob; wins over --include (repeatable)
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Only the schema, no rows
    #[arg(long, conflicts_with = "data_only")]
    schema_only: bool,
    /// Only rows, into tables that are there
    #[arg(long)]
    data_only: bool,
}

impl Selection {
    /// Schema, rows, or both.
    pub fn scope(&self) -> Scope {
        match (self.schema_only, self.data_only) {
            (true, _) => Scope::SchemaOnly,
            (_, true) => Scope::DataOnly,
            (false, false) => Scope::Everything,
        }
    }
}

/// `--no-owner`, `--no-privileges`.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is carried")]
pub struct Belonging {
    /// Objects belong to the role that runs, not to their owners on the source
    #[arg(long)]
    no_owner: bool,
    /// No GRANTs and default privileges
    #[arg(long)]
    no_privileges: bool,
}

impl Belonging {
    /// Whether owners come along.
    pub fn owners(&self) -> Keep {
        keep(self.no_owner)
    }

    /// Whether privileges come along.
    pub fn privileges(&self) -> Keep {
        keep(self.no_privileges)
    }
}

fn keep(left_out: bool) -> Keep {
    if left_out { Keep::LeaveOut } else { Keep::AsIs }
}

/// `--defer`.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is carried")]
pub struct Deferral {
    /// Leave this for a later --resume (repeatable)
    #[arg(long, value_enum, value_name = "WHAT")]
    defer: Vec<Defer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Defer {
    /// Materialized views are not refreshed
    Matviews,
    /// Foreign keys check new rows only, and are validated later
    Validation,
}

impl Deferral {
    /// What is left for later.
    pub fn deferred(&self) -> Vec<Deferred> {
        let deferred = |what: &Defer| match what {
            Defer::Matviews => Deferred::Matviews,
            Defer::Validation => Deferred::Validation,
        };
        self.defer.iter().map(deferred).collect()
    }
}

/// `--format`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Format {
    /// Binary where it is safe, else text
    #[default]
    Auto,
    /// Text for every table
    Text,
    /// Binary for every table; refused where it is not safe
    Binary,
}

impl From<Format> for FormatChoice {
    fn from(format: Format) -> Self {
        match format {
            Format::Auto => Self::Auto,
            Format::Text => Self::Text,
            Format::Binary => Self::Binary,
        }
    }
}

/// `--verify`.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is carried")]
pub struct Proof {
    /// How much is proven: full reads every row of the target back
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    verify: VerifyHow,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum VerifyHow {
    /// Every row is read back and compared by digest
    #[default]
    Full,
    /// Rows are counted
    Rows,
    /// Nothing is compared
    None,
}

impl Proof {
    /// How much is proven.
    pub fn verify(&self) -> Verify {
        match self.verify {
            VerifyHow::Full => Verify::Full,
            VerifyHow::Rows => Verify::Rows,
            VerifyHow::None => Verify::None,
        }
    }
}
