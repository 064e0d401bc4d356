//! Both sides at one moment each: snapshots, catalogs, the pairs of tables.
//!
//! Invariants: each side is read under one snapshot of its own, held with locks against DDL; nothing
//! is written on either side.

use std::sync::Arc;

use super::options::{Scope, VerifyOptions};
use super::pairs::{Known, Pairs, UniqueKeys, pairs, unique_keys};
use crate::catalog::{Catalog, Sizes, size};
use crate::connect::{Endpoint, Purpose, Session};
use crate::error::Error;
use crate::plan::PartSizing;
use crate::plan::filter::Filter;
use crate::run::moment::Moment as Instant;
use crate::snapshot::Keeper;
use crate::snapshot::hold::Hold;
use crate::transfer::pace::Pace;
use crate::verify::known::Instants;

/// Both sides at one moment each.
pub(super) struct Moment {
    pub(super) source: SideAt,
    pub(super) target: SideAt,
    pub(super) filter: Filter,
    pub(super) pairs: Pairs,
}

/// One side under its snapshot.
pub(crate) struct SideAt {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(super) hold: Hold,
    pub(crate) catalog: Catalog,
    pub(super) pace: Pace,
    pub(super) sizing: PartSizing,
    /// When that was.
    instant: Instant,
}

impl SideAt {
    /// When the snapshot was taken, with the transaction ids that exporting it again took since: on
    /// 9.6 each does.
    fn instant(&self) -> Instant {
        let again = if self.catalog.version.at_least(10) { 0 } else { self.hold.exports() };
        Instant { own_ids: self.instant.own_ids + again, ..self.instant.clone() }
    }

    /// A session inside the snapshot.
    pub(crate) async fn reader(&self, what: &str) -> Result<Session, Error> {
        self.hold.open_reader(&format!("verify {what}")).await
    }
}

impl Moment {
    /// Of two databases, with a session on each that is to hold the snapshot.
    pub(super) async fn take(
        (source, here): (&Endpoint, Session),
        (target, there): (&Endpoint, Session),
        options: &VerifyOptions,
    ) -> Result<Self, Error> {
        // Without patterns, what is there need not be known before the snapshot.
        let before = if options.include.is_empty() && options.exclude.is_empty() {
            None
        } else {
            Some(futures::try_join!(look(source), look(target))?)
        };
        let catalogs: Vec<&Catalog> =
            before.iter().flat_map(|(source, target)| [source, target]).collect();
        let filter = Filter::over(
            &catalogs,
            "the source or of the target",
            &options.include,
            &options.exclude,
        )?;
        let side = |side, catalog| SideAt::take(side, catalog, &filter, options);
        let ((source, here), (target, there)) = futures::try_join!(
            side((source, here), before.as_ref().map(|before| &before.0)),
            side((target, there), before.as_ref().map(|before| &before.1))
        )?;
        let known = (Known::new(&source.catalog, here), Known::new(&target.catalog, there));
        let pairs = match options.scope {
            Scope::SchemaOnly => Pairs::default(),
            Scope::Everything | Scope::DataOnly => {
                pairs(&known.0, &known.1, &filter, (options.depth, options.digest_on))
            }
        };
        drop(known);
        Ok(Self { source, target, filter, pairs })
    }

    /// Lets go of both snapshots.
    pub(super) fn release(&self) {
        self.source.hold.release();
        self.target.hold.release();
    }

    /// When that was on both sides, and which transaction ids were ours since.
    pub(super) fn instants(&self) -> Instants {
        Instants { source: self.source.instant(), target: self.target.instant() }
    }
}

/// What is there, before any snapshot, without sizes: they wait for whoever has a table for himself.
pub(crate) async fn look(endpoint: &Endpoint) -> Result<Catalog, Error> {
    let session = endpoint.connect(Purpose::Catalog, "verify look").await?;
    Catalog::read_with(&session, &Sizes::Of(Vec::new())).await
}

/// A session on each side that may become the keeper of its snapshot.
pub(super) async fn keepers(
    source: &Endpoint,
    target: &Endpoint,
) -> Result<(Session, Session), Error> {
    futures::try_join!(
        source.connect(Purpose::Read, "verify keeper"),
        target.connect(Purpose::Read, "verify keeper")
    )
}

impl SideAt {
    /// Takes the snapshot of one side, and what names the rows of tables without a primary key.
    /// `before` tells the names of partitions' roots, by which patterns may mean them.
    pub(crate) async fn take(
        (endpoint, session): (&Endpoint, Session),
        before: Option<&Catalog>,
        filter: &Filter,
        options: &VerifyOptions,
    ) -> Result<(Self, UniqueKeys), Error> {
        let wanted = filter.by_name(before);
        let keeper = Keeper::start_in(session, &wanted).await?;
        let sizes = before.map_or(Sizes::All, |before| Sizes::of_wanted(before, &wanted));
        let catalog = Catalog::read_with(keeper.session(), &sizes).await?;
        let instant = Instant::read(keeper.session()).await?;
        let unique_keys = unique_keys(keeper.session()).await?;
        let row = keeper
            .session()
            .query_one(
                "ask for the block size",
                "select pg_catalog.current_setting('block_size')::int8",
                &[],
            )
            .await?;
        let sizing = PartSizing {
            source: catalog.version,
            jobs: options.jobs,
            part_size: options.part_size,
            block_size: size(row.get(0)),
        };
        let endpoint = Arc::new(endpoint.clone());
        let hold = Hold::new(Arc::clone(&endpoint), keeper);
        let pace = Pace::new(options.max_rate);
        Ok((Self { endpoint, hold, catalog, pace, sizing, instant }, unique_keys))
    }
}
