//! Server versions, compared as Postgres numbers them (`server_version_num`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// `server_version_num`: 90624 is 9.6.24, 180006 is 18.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerVersion(u32);

impl ServerVersion {
    /// The oldest server that pghaul works with.
    pub const OLDEST: Self = Self(90_600);
    /// The first version that is newer than any pghaul knows.
    pub const TOO_NEW: Self = Self(190_000);

    /// From `server_version_num`.
    pub const fn from_num(num: u32) -> Self {
        Self(num)
    }

    /// `server_version_num`.
    pub const fn num(self) -> u32 {
        self.0
    }

    /// The major version as one number: 906 for 9.6, then 10, 11, … (Postgres manual, 19.6.)
    pub const fn major(self) -> u32 {
        if self.0 < 100_000 { self.0 / 100 } else { self.0 / 10_000 }
    }

    /// The lines of a text of SQL that are for this server. A line that ends in `-- from 12`,
    /// `-- before 12` or `-- from 10 before 12` is for these servers only, all others are for every
    /// one. So a statement is one text, which still can be read, and run by hand once the lines of
    /// other versions are taken out.
    pub(crate) fn sql(self, text: &str) -> String {
        let lines = text.split_inclusive('\n').filter(|line| self.is_meant(line));
        lines.collect()
    }

    fn is_meant(self, line: &str) -> bool {
        let mark = line.trim_end().rsplit_once(" -- ").map_or("", |(_, mark)| mark);
        let words: Vec<&str> = mark.split(' ').collect();
        let major = |text: &str| text.parse().ok().map(|major| self.at_least(major));
        match words.as_slice() {
            ["from", first] => major(first).unwrap_or(true),
            ["before", end] => !major(end).unwrap_or(false),
            ["from", first, "before", end] => {
                major(first).unwrap_or(true) && !major(end).unwrap_or(false)
            }
            _ => true,
        }
    }

    /// Whether this server is of `major` (10, 11, …) or newer.
    pub const fn at_least(self, major: u32) -> bool {
        self.0 >= major * 10_000
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 100_000 {
            write!(f, "{}.{}.{}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
        } else {
            write!(f, "{}.{}", self.0 / 10_000, self.0 % 10_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ServerVersion;

    #[test]
    fn marked_lines_are_for_their_servers_only() {
        let text = "select 1 -- from what is there
     , 2 -- from 10 before 12
     , 3 -- from 12
     , 4 -- before 10
from t -- before dawn
";
        for (num, left) in [(90_624, "4"), (110_001, "2"), (120_000, "3"), (180_006, "3")] {
            let sql = ServerVersion::from_num(num).sql(text);
            let numbers: String =
                sql.lines().skip(1).filter_map(|line| line.chars().nth(7)).collect();
            assert_eq!(numbers.trim_end_matches(|c: char| !c.is_ascii_digit()), left, "{sql}");
            assert!(sql.starts_with("select 1") && sql.ends_with("before dawn\n"), "{sql}");
        }
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        let old = ServerVersion::from_num(90_624);
        assert_eq!(
            (old.to_string().as_str(), old.major(), old.at_least(10)),
            ("9.6.24", 906, false)
        );
        let new = ServerVersion::from_num(180_006);
        assert_eq!((new.to_string().as_str(), new.major(), new.at_least(18)), ("18.6", 18, true));
    }
}
