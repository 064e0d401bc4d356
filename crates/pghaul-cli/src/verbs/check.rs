//! `pghaul check`.

use std::time::Instant;

use clap::Args;
use pghaul::Error;
use pghaul::connect::{Endpoint, Side};
use pghaul::run::options::SourceUse;
use pghaul::run::{Checked, CloneOptions, check};

use crate::console::Console;
use crate::exit::Exit;
use crate::flags::Source;
use crate::flags::carried::{Belonging, Selection};
use crate::flags::carrying::chosen;
use crate::flags::resources::{Lanes, Program};
use crate::report;
use crate::report::check::Names;

/// Flags of `check`: those of the clone that is to come.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    source: Source,
    /// Where the data will go; without it, the newest version is taken for it
    #[arg(
        long,
        env = "PGHAUL_TARGET",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Connections"
    )]
    target: Option<String>,

    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    belonging: Belonging,
    /// The source will be written to, and that is meant
    #[arg(long, help_heading = "What is carried")]
    live_source: bool,
    #[command(flatten)]
    lanes: Lanes,
    #[command(flatten)]
    program: Program,
}

impl Flags {
    fn options(&self) -> CloneOptions {
        CloneOptions {
            source_use: if self.live_source { SourceUse::Live } else { SourceUse::Quiet },
            pg_dump: self.program.pg_dump.clone(),
            ..chosen(&self.selection, &self.belonging, &self.lanes)
        }
    }
}

/// Runs the verb.
pub async fn run(flags: &Flags, console: &Console) -> Exit {
    let begun = Instant::now();
    match look(flags).await {
        Ok((names, checked)) => report::check::print(console, begun.elapsed(), &names, &checked),
        Err(error) => report::failure::end(console, "check", begun.elapsed(), &error),
    }
}

async fn look(flags: &Flags) -> Result<(Names, Checked), Error> {
    let source = Endpoint::parse(Side::Source, &flags.source.source)?;
    let target = match &flags.target {
        Some(target) => Some(Endpoint::parse(Side::Target, target)?),
        None => None,
    };
    let checked = check(&source, target.as_ref(), &flags.options()).await?;
    let described =
        |endpoint: &Endpoint, version| format!("{} (PostgreSQL {version})", endpoint.describe());
    let names = Names {
        source: described(&source, checked.source),
        target: target
            .as_ref()
            .zip(checked.target)
            .map(|(target, version)| described(target, version)),
    };
    Ok((names, checked))
}
