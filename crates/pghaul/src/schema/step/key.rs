//! Names of steps.

use std::collections::HashMap;

use crate::schema::entry::{Entry, Kind};

/// Gives each entry a name that another dump of the same schema gives it too.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// Kind and name; for default privileges also whose they are. Entries that share all of that,
    /// such as operators for several types, are counted in the archive's order, which `pg_dump`
    /// keeps.
    pub(super) fn of(&mut self, entry: &Entry) -> String {
        let name = match (&entry.kind, entry.owner()) {
            (Kind::DefaultAcl, Some(owner)) => format!("{entry} of {owner}"),
            _ => entry.to_string(),
        };
        self.unique(name)
    }

    /// The name, with a number if it is not the first of its kind.
    pub(super) fn unique(&mut self, name: String) -> String {
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        match *count {
            1 => name,
            count => self.unique(format!("{name} #{count}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_even_when_objects_are_called_like_numbers() {
        let mut names = Names::default();
        let given: Vec<_> =
            ["a", "a #2", "a", "a"].iter().map(|name| names.unique((*name).to_owned())).collect();
        assert_eq!(given, ["a", "a #2", "a #2 #2", "a #3"]);
    }
}
