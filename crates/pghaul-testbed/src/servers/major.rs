//! The major versions that pghaul works with.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A major version of Postgres. Ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Major {
    V9_6,
    V10,
    V11,
    V12,
    V13,
    V14,
    V15,
    V16,
    V17,
    V18,
}

impl Major {
    /// All of them, the oldest first.
    pub const ALL: [Self; 10] = [
        Self::V9_6,
        Self::V10,
        Self::V11,
        Self::V12,
        Self::V13,
        Self::V14,
        Self::V15,
        Self::V16,
        Self::V17,
        Self::V18,
    ];
    /// 9.6.
    pub const OLDEST: Self = Self::V9_6;
    /// 18.
    pub const NEWEST: Self = Self::V18;

    /// The majors that a test tries: the usual ones, or where `PGHAUL_TEST_MAJORS` is set all that it
    /// is promised for.
    pub fn tried(usually: &[Self], promised: &[Self]) -> Vec<Self> {
        let all = std::env::var_os("PGHAUL_TEST_MAJORS").is_some();
        if all { promised } else { usually }.to_vec()
    }

    /// 906 for 9.6, then 10, 11, …
    pub const fn number(self) -> u32 {
        match self {
            Self::V9_6 => 906,
            Self::V10 => 10,
            Self::V11 => 11,
            Self::V12 => 12,
            Self::V13 => 13,
            Self::V14 => 14,
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V17 => 17,
            Self::V18 => 18,
        }
    }

    /// Its place in [`Major::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V9_6 => f.pad("9.6"),
            newer => f.pad(&newer.number().to_string()),
        }
    }
}

impl FromStr for Major {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|major| major.to_string() == text).ok_or_else(|| {
            Error::new(format!("no such major version: {text}"))
                .with_hint("the majors are 9.6 and 10 to 18")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Major;

    #[test]
    fn majors_read_back_as_written_and_stand_in_order() {
        for (place, major) in Major::ALL.into_iter().enumerate() {
            assert_eq!(major.to_string().parse::<Major>().unwrap(), major);
            assert_eq!(major.index(), place);
        }
        assert!(Major::ALL.is_sorted());
        assert!("9.5".parse::<Major>().is_err());
    }
}
