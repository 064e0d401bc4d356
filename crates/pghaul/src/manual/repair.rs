//! Duplicates: finding, planning, repairing them, and taking it back.
//!
//! ```text
//! pghaul duplicates scan   --database URL
//! pghaul duplicates plan   --database URL --rules mastodon --out PLAN [--answers FILE]
//! pghaul duplicates repair --database URL --plan PLAN
//! pghaul duplicates undo   --database URL [--drop-indexes]
//! ```
//!
//! Stop the application first. What it changes meanwhile is not lost, but groups with rows that it
//! touches are left alone and reported.
//!
//! # The plan
//!
//! A plan is made in one snapshot, from the heap, and writes nothing to the database. It is a file
//! of JSON lines ([`plan::file`](crate::duplicates::plan::file) says what each line means), to be
//! read before it is carried out: `jq 'select(.group)' PLAN`. The same data gives the same file. It
//! holds values of rows, so only its owner may read it.
//!
//! Rows that share keys of several indexes are one group with one row that stays. What refers to
//! the others is re-pointed to it: by foreign keys, and by what the rules say beyond them (arrays,
//! polymorphic columns, columns without a key). Where that makes children equal under a unique
//! index of theirs, they are merged by the same rules, to any depth. Rows that would refer to
//! themselves (an account that would follow itself) are removed, and reported as groups.
//!
//! What the rules do not decide is a `question`, and left alone: local accounts, e-mail addresses,
//! rows that nothing shows to be one, equal ids with different content. Answers stand in a file of
//! their own ([`plan::answers`](crate::duplicates::plan::answers)); plan again with it.
//!
//! Rules are data ([`rules`](crate::duplicates::rules) has the format and an example). Those for
//! Mastodon 3.0 to 4.7 are built in; what a release does not have is passed over. Without rules,
//! only equal rows are merged, and with `--keep` rows of tables that nothing refers to.
//!
//! # The repair
//!
//! [`repair`](crate::duplicates::repair) has the phases. Each batch is one transaction with the
//! rows as they were and a receipt, in schema `pghaul` of the same database. Killed at any instant,
//! the same command goes on. A row is touched only if it is where and what the plan says. Triggers
//! of yours do not fire, and each is put back into its state. A delete that would take other rows
//! with it is not done.
//!
//! Refused before the first write, all at once: a plan of another database or of other data, rules
//! (`CREATE RULE`) on a table, published tables without a replica identity, row security, missing
//! rights, `track_counts` off, columns that changed.
//!
//! A role that owns the tables is enough. Rows that share the very primary key by which others
//! refer to them are deleted while foreign keys are quiet, which takes a superuser; without one they
//! get a key that nobody has first, which foreign keys with `ON UPDATE CASCADE` forbid.
//!
//! # On a clone
//!
//! A clone whose indexes could not be built is repaired as any database: give `plan` the source
//! too (`--source`), for the indexes and foreign keys that are not there yet. `clone --resume`
//! builds them afterwards, and `verify` knows what a repair did: a table counts as equal if it
//! differs by exactly that.
//!
//! # Undo
//!
//! All tables get the digests of before, after half a repair too. Rows that were changed since are
//! named, and nothing is undone then. The rows as they were share keys again, so they do not fit
//! under the unique indexes: `--drop-indexes` drops these and the foreign keys that need them, puts
//! plain indexes in their place, and prints the statements that bring them back; they stand in
//! `pghaul.undo_statement` too. `finish --forget-undo` removes what undo needs.
//!
//! # Memory
//!
//! `plan` needs 200 bytes for each row of a group and 16 for each row that refers to one, and
//! refuses to go beyond `--memory`. `repair` and `undo` need what one batch does (`--batch-rows`),
//! and some bytes for each group.
