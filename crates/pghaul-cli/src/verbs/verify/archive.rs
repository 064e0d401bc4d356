//! `pghaul verify --archive`: an archive alone, or held against a database.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pghaul::archive::verify::{Verified, against, archive};
use pghaul::connect::{Endpoint, Side};
use pghaul::event::Counters;
use pghaul::run::{CloneOptions, Ending};
use pghaul::verify::VerifyOptions;
use pghaul::verify::options::Scope;
use pghaul::{Error, ErrorKind};

use crate::console::Console;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::report;
use crate::report::archive::{Against, Looked};
use crate::report::rows::DifferentRows;
use crate::signals::{Signal, Watch};

use super::{WAITING, collected};

/// Looks, and prints what was found.
pub(super) async fn run(
    folder: &Path,
    target: Option<&str>,
    (options, out): (VerifyOptions, Option<&Path>),
    console: &Console,
) -> Exit {
    let begun = Instant::now();
    match look(folder, target, (options, out), console).await {
        Ok((verified, differences, _)) if verified.ending == Ending::Complete => {
            let against = if target.is_some() { Against::Database } else { Against::Itself };
            let took = begun.elapsed();
            report::archive::done(console, &Looked { verified, differences, against, took })
        }
        Ok((.., signal)) => report::verify::stopped(console, begun.elapsed(), (signal, None)),
        Err(error) => report::failure::end(console, report::verify::VERB, begun.elapsed(), &error),
    }
}

async fn look(
    folder: &Path,
    target: Option<&str>,
    (options, out): (VerifyOptions, Option<&Path>),
    console: &Console,
) -> Result<(Verified, DifferentRows, Option<Signal>), Error> {
    if folder.as_os_str() == "-" {
        return Err(Error::new(ErrorKind::Usage, "a stream is verified while it is restored")
            .with_hint("`tar x` makes a folder of it, which can be verified alone"));
    }
    if target.is_none() && options.scope != Scope::Everything {
        let what = "--schema-only and --data-only say what is compared with a database";
        return Err(Error::new(ErrorKind::Usage, what).with_hint("name the database with --target"));
    }
    if let (None, Some(_)) = (target, out) {
        return Err(Error::new(ErrorKind::Usage, "--out is for rows that differ from a database")
            .with_hint("name the database with --target"));
    }
    let differences = DifferentRows::new(console.results, &options.spill_dir, out)?;
    let target = target.map(|target| Endpoint::parse(Side::Target, target)).transpose()?;
    let watch = Watch::start()?;
    let counters = Arc::new(Counters::default());
    let jobs = options.jobs;
    let shown = CloneOptions { jobs, ..CloneOptions::default() };
    let (progress, display) = Progress::start(console, Arc::clone(&counters), &shown);
    watch.speak_through(progress.voice());
    let company = (Arc::clone(&progress) as _, counters, watch.stop.clone());
    let folder = folder.to_path_buf();
    let ended = match target {
        Some(target) => {
            let (sender, receiver) = tokio::sync::mpsc::channel(WAITING);
            let compared = Box::pin(against(folder, target, options, company, sender));
            tokio::try_join!(compared, collected(receiver, differences))
        }
        None => archive(folder, jobs, company).await.map(|verified| (verified, differences)),
    };
    display.finish();
    let (verified, mut differences) = ended?;
    if verified.ending == Ending::Complete {
        differences.publish()?;
    }
    Ok((verified, differences, watch.signal()))
}
