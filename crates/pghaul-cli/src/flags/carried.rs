//! Flags that say what is carried, shared by the verbs that carry something.
//!
//! Invariant: what shapes a run is fixed when it begins. So that the same command goes on with
//! `--resume`, it may say this again, and is refused if it says something else.

use clap::{Args, ValueEnum};
use pghaul::plan::format::FormatChoice;
use pghaul::run::options::{Deferred, Keep, Scope, Shape, Start, Verify};
use pghaul::{Error, ErrorKind};

/// `--dry-run`, `--resume`, `--restart`, `--restart-tables`.
#[derive(Debug, Args)]
#[command(next_help_heading = "The run")]
pub struct Meeting {
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with the run that is in the target, with the options it began with; they may be given
    /// again, not changed
    #[arg(long)]
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

    /// Whether a run that is there is gone on with.
    pub fn resumes(&self) -> bool {
        self.resume
    }
}

/// What a run began with, against what a command that goes on with it says.
pub struct Agreement<'a> {
    /// What the run began with.
    pub shape: &'a Shape,
}

impl Agreement<'_> {
    /// Refuses a flag that says something else. `said`: none if the flag was not given.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] then.
    pub fn on<T: PartialEq>(
        &self,
        flag: &str,
        said: Option<&T>,
        began_with: impl FnOnce(&Shape) -> &T,
    ) -> Result<(), Error> {
        match said {
            Some(said) if said != began_with(self.shape) => Err(Error::new(
                ErrorKind::Usage,
                format!("the run in the target did not begin with this {flag}"),
            )
            .with_hint(format!(
                "go on with what it began with: leave {flag} out; or begin again with --restart"
            ))),
            _ => Ok(()),
        }
    }
}

/// `--include`, `--exclude`, `--schema-only`, `--data-only`.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is carried")]
pub struct Selection {
    /// Only tables that match this glob over schema.table, and no large objects (repeatable)
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

    /// Refuses what a run that is gone on with did not begin with.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] then.
    pub fn agree(&self, with: &Agreement<'_>) -> Result<(), Error> {
        let said = |patterns: &'_ Vec<String>| !patterns.is_empty();
        with.on("--include", Some(&self.include).filter(|it| said(it)), |shape| &shape.include)?;
        with.on("--exclude", Some(&self.exclude).filter(|it| said(it)), |shape| &shape.exclude)?;
        let scope = self.scope();
        let flag = if scope == Scope::SchemaOnly { "--schema-only" } else { "--data-only" };
        let said = Some(&scope).filter(|scope| **scope != Scope::Everything);
        with.on(flag, said, |shape| &shape.scope)
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

    /// Refuses what a run that is gone on with did not begin with.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] then.
    pub fn agree(&self, with: &Agreement<'_>) -> Result<(), Error> {
        let left_out = Keep::LeaveOut;
        with.on("--no-owner", self.no_owner.then_some(&left_out), |shape| &shape.owners)?;
        let said = self.no_privileges.then_some(&left_out);
        with.on("--no-privileges", said, |shape| &shape.privileges)
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
    /// How much is proven: full reads every row of the target back [default: full]
    #[arg(long, value_enum, value_name = "HOW")]
    verify: Option<VerifyHow>,
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
        match self.verify.unwrap_or_default() {
            VerifyHow::Full => Verify::Full,
            VerifyHow::Rows => Verify::Rows,
            VerifyHow::None => Verify::None,
        }
    }

    /// Refuses what a run that is gone on with did not begin with.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] then.
    pub fn agree(&self, with: &Agreement<'_>) -> Result<(), Error> {
        let verify = self.verify();
        with.on("--verify", self.verify.map(|_| &verify), |shape| &shape.verify)
    }
}
