//! What verbs that fill a target have in common, whether they fill it from a server or an archive.

use clap::Args;
use pghaul::Error;
use pghaul::run::CloneOptions;

use super::carried::{Agreement, Belonging, Deferral, Meeting, Proof, Selection};
use super::resources::{Lanes, Memory, Patience};

/// Flags of `clone` and `restore`.
#[derive(Debug, Args)]
pub struct Carrying {
    /// How a run that is there is met.
    #[command(flatten)]
    pub meeting: Meeting,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    belonging: Belonging,
    #[command(flatten)]
    deferral: Deferral,
    #[command(flatten)]
    proof: Proof,
    #[command(flatten)]
    lanes: Lanes,
    #[command(flatten)]
    memory: Memory,
    #[command(flatten)]
    patience: Patience,
}

impl Carrying {
    /// What they ask for.
    pub fn options(&self) -> CloneOptions {
        CloneOptions {
            verify: self.proof.verify(),
            deferred: self.deferral.deferred(),
            memory: self.memory.memory,
            start: self.meeting.start(),
            attempts: self.patience.attempts,
            retries_per_run: self.patience.retries,
            ..chosen(&self.selection, &self.belonging, &self.lanes)
        }
    }

    /// Refuses what a run that is gone on with did not begin with. What is deferred may change.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](pghaul::ErrorKind::Usage) then.
    pub fn agree(&self, with: &Agreement<'_>) -> Result<(), Error> {
        self.selection.agree(with)?;
        self.belonging.agree(with)?;
        self.proof.agree(with)
    }
}

/// What is carried, and by how many lanes.
pub fn chosen(selection: &Selection, belonging: &Belonging, lanes: &Lanes) -> CloneOptions {
    CloneOptions {
        jobs: lanes.jobs(),
        index_jobs: lanes.index_jobs(),
        scope: selection.scope(),
        include: selection.include.clone(),
        exclude: selection.exclude.clone(),
        owners: belonging.owners(),
        privileges: belonging.privileges(),
        ..CloneOptions::default()
    }
}
