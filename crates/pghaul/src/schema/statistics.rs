//! The planner's statistics in an archive (`pg_dump --statistics`, 18 and newer).

use std::collections::HashSet;

use super::entry::{Entry, Kind};
use super::subject::Subject;
use crate::name::RelationName;

/// Takes away what ANALYZE would write anew: of relations whose columns nobody has looked at on
/// the source, and of tables with extended statistics, which no dump carries.
pub fn drop_partial(entries: &mut Vec<Entry>) {
    let extended: HashSet<RelationName> = entries
        .iter()
        .filter(|entry| entry.kind == Kind::Statistics)
        .filter_map(|entry| Subject::of(entry).relation)
        .collect();
    entries.retain(|entry| {
        entry.kind != Kind::StatisticsData
            || entry.defn.contains("pg_restore_attribute_stats")
                && Subject::of(entry).relation.is_none_or(|table| !extended.contains(&table))
    });
}

/// Takes all of them away if they are more than this many bytes together: an archive's entries are
/// kept in memory by whoever reads it.
pub(crate) fn drop_beyond(entries: &mut Vec<Entry>, most: usize) {
    let bytes = |entry: &Entry| match entry.kind {
        Kind::StatisticsData => entry.defn.len(),
        _ => 0,
    };
    if entries.iter().map(bytes).sum::<usize>() > most {
        entries.retain(|entry| entry.kind != Kind::StatisticsData);
    }
}

/// The relations that have all their statistics in these entries, after [`drop_partial`].
pub fn counted(entries: &[Entry]) -> HashSet<RelationName> {
    entries
        .iter()
        .filter(|entry| entry.kind == Kind::StatisticsData)
        .filter_map(|entry| Subject::of(entry).relation)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::entry::tests::entry;

    #[test]
    fn what_is_missing_in_an_archive_is_to_be_gathered() {
        let of = |table: &str, defn: &str| {
            let mut one = entry(Kind::StatisticsData, defn);
            (one.namespace, one.tag) = (Some("a".to_owned()), table.to_owned());
            one
        };
        let columns = "SELECT * FROM pg_catalog.pg_restore_attribute_stats('a');";
        let mut entries = vec![
            of("whole", columns),
            of("never_analyzed", "SELECT * FROM pg_catalog.pg_restore_relation_stats('a');"),
            of("extended", columns),
            entry(
                Kind::Statistics,
                "CREATE STATISTICS \"a\".\"s\" ON \"b\", \"c\" FROM \"a\".\"extended\";",
            ),
        ];
        drop_partial(&mut entries);
        assert_eq!(entries.len(), 2);
        assert_eq!(counted(&entries), HashSet::from([RelationName::new("a", "whole")]));
        drop_beyond(&mut entries, columns.len());
        assert_eq!(entries.len(), 2);
        drop_beyond(&mut entries, columns.len() - 1);
        assert_eq!(entries.len(), 1);
    }
}
