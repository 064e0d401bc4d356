//! One number for a whole schema, to tell whether it is still the same.

use sha2::{Digest, Sha256};

use super::entry::{Entry, Kind};
use super::step::is_skipped;

/// SHA-256 of the entries that are carried: kind, schema, name, owner, statements; no numbers that
/// another dump would give otherwise. The same schema gives the same digest in every dump by the
/// same major version of `pg_dump`; versions word statements differently.
///
/// The statements of entries that can hold a password are left out, so that the digest, which is
/// stored, tells nothing about it.
pub fn digest(entries: &[Entry]) -> [u8; 32] {
    // pg_dump breaks some ties in its order by OID.
    let mut rows: Vec<[&str; 5]> = entries.iter().filter(|entry| counts(entry)).map(row).collect();
    rows.sort_unstable();
    let mut hasher = Sha256::new();
    for field in rows.iter().flatten() {
        hasher.update((field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    hasher.finalize().into()
}

/// The planner's statistics change while the schema stays.
fn counts(entry: &Entry) -> bool {
    !is_skipped(entry) && entry.kind != Kind::StatisticsData
}

fn row(entry: &Entry) -> [&str; 5] {
    [
        entry.kind.name(),
        entry.namespace().unwrap_or_default(),
        &entry.tag,
        entry.owner().unwrap_or_default(),
        if entry.is_secret() { "" } else { &entry.defn },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::entry::DumpId;
    use crate::schema::entry::tests::entry;

    #[test]
    fn what_the_source_says_counts_and_what_the_dump_numbers_does_not() {
        let table = entry(Kind::Table, "CREATE TABLE a.t ();");
        let view = entry(Kind::View, "CREATE VIEW a.v AS SELECT 1;");
        let before = digest(&[table.clone(), view.clone()]);
        let mut numbered = table.clone();
        (numbered.dump_id, numbered.oid, numbered.dependencies) = (DumpId(7), 9, vec![DumpId(8)]);
        assert_eq!(digest(&[view.clone(), numbered]), before);
        let mut changed = table.clone();
        changed.defn.push(' ');
        assert_ne!(digest(&[changed, view.clone()]), before);
        let mut owned = table.clone();
        owned.owner = Some("r".to_owned());
        assert_ne!(digest(&[owned, view.clone()]), before);
        assert_ne!(digest(&[table, view.clone(), view]), before);
    }

    #[test]
    fn statistics_do_not_count() {
        let table = entry(Kind::Table, "CREATE TABLE a.t ();");
        let counted = entry(Kind::StatisticsData, "SELECT * FROM pg_restore_relation_stats();");
        assert_eq!(digest(&[table.clone(), counted]), digest(&[table]));
    }

    #[test]
    fn passwords_do_not_count() {
        let of = |password: &str| digest(&[entry(Kind::UserMapping, password)]);
        assert_eq!(of("hunter2"), of("hunter3"));
    }
}
