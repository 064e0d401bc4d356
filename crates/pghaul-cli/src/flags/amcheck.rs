//! `--amcheck`.

use clap::ValueEnum;
use pghaul::rebuild::Thoroughness;

/// How thoroughly amcheck looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Amcheck {
    /// Not at all
    Skip,
    /// Reads each index: is it in order?
    Order,
    /// Reads each index and its table: is every row in it, and is the table sound?
    Rows,
}

impl From<Amcheck> for Thoroughness {
    fn from(how: Amcheck) -> Self {
        match how {
            Amcheck::Skip => Self::Skip,
            Amcheck::Order => Self::Order,
            Amcheck::Rows => Self::Rows,
        }
    }
}
