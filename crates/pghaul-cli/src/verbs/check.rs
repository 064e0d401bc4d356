//! `pghaul check`.

use std::collections::HashSet;
use std::time::Instant;

use clap::Args;
use pghaul::catalog::{Catalog, Sizes};
use pghaul::connect::{Endpoint, Purpose, Side};
use pghaul::name::RelationName;
use pghaul::plan::filter::Filter;
use pghaul::preflight::{Carry, Intent, Writers, check};
use pghaul::run::options::sessions;
use pghaul::{Error, Finding};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::Source;
use crate::report;

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    source: Source,
    /// Where the data will go; without it, the newest version is taken for it
    #[arg(long, env = "PGHAUL_TARGET", hide_env_values = true, value_name = "URL")]
    target: Option<String>,

    /// Only tables that match this glob over schema.table (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "What will be carried")]
    include: Vec<String>,
    /// No tables that match this glob; wins over --include (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "What will be carried")]
    exclude: Vec<String>,
    /// Only rows, into tables that are there
    #[arg(long, help_heading = "What will be carried")]
    data_only: bool,
    /// Objects will belong to the role that runs
    #[arg(long, help_heading = "What will be carried")]
    no_owner: bool,
    /// No GRANTs and default privileges
    #[arg(long, help_heading = "What will be carried")]
    no_privileges: bool,
    /// The source will be written to, and that is meant
    #[arg(long, help_heading = "What will be carried")]
    live_source: bool,
    /// Parts to be copied at once: as many sessions on each side [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Resources")]
    jobs: u16,
    /// Indexes to be built at once: as many sessions on the target [1 to 256]
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Resources")]
    index_jobs: u16,
}

/// What was looked at, and what was found.
pub struct Checked {
    /// `user@host:port/database (PostgreSQL 9.6.24)`.
    pub source: String,
    /// The same of the target, if there is one.
    pub target: Option<String>,
    /// The gravest first.
    pub findings: Vec<Finding>,
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    match look(flags).await {
        Ok(checked) => report::check::print(console, begun.elapsed(), &checked),
        Err(error) => report::failure::end(console, "check", begun.elapsed(), &error),
    }
}

async fn look(flags: &Flags) -> Result<Checked, Error> {
    let source = Endpoint::parse(Side::Source, &flags.source.source)?;
    let target = match &flags.target {
        Some(target) => Some(Endpoint::parse(Side::Target, target)?),
        None => None,
    };
    let on_source = source.connect(Purpose::Catalog, "check").await?;
    let on_target = match &target {
        Some(target) => Some(target.connect(Purpose::Catalog, "check").await?),
        None => None,
    };
    let catalog = Catalog::read_with(&on_source, &Sizes::Of(Vec::new())).await?;
    let filter = Filter::new(&catalog, &flags.include, &flags.exclude)?;
    let unwanted: HashSet<&RelationName> = catalog
        .relations
        .iter()
        .filter(|relation| !filter.wants(&catalog, relation))
        .map(|relation| &relation.name)
        .collect();
    let along = |left_out: bool| if left_out { Carry::Not } else { Carry::Along };
    let (source_sessions, target_sessions) =
        sessions(u32::from(flags.jobs), u32::from(flags.index_jobs));
    let findings = check(
        &on_source,
        on_target.as_ref(),
        &Intent {
            source_sessions,
            target_sessions,
            schema: along(flags.data_only),
            others: along(!flags.include.is_empty()),
            owners: along(flags.no_owner),
            privileges: along(flags.no_privileges),
            writers: if flags.live_source { Writers::Expected } else { Writers::Unwanted },
            wanted: &|name| !unwanted.contains(name),
        },
    )
    .await?;
    let described =
        |endpoint: &Endpoint, version| format!("{} (PostgreSQL {version})", endpoint.describe());
    Ok(Checked {
        source: described(&source, on_source.version()),
        target: target
            .as_ref()
            .zip(on_target.as_ref())
            .map(|(target, session)| described(target, session.version())),
        findings,
    })
}
