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
//! Foreign keys are followed by their own equality: what writes a key otherwise than the row that it
//! refers to (1.00 for 1.0, `citext`, `char(n)`, collations that are not deterministic) goes along,
//! and is written as the key of the row that stays then; what refers to a row that stays keeps its
//! spelling. References that only the rules know are compared as texts.
//!
//! Foreign keys over several columns are followed with all of them. Where merging would change a
//! column by which a row refers to something else too, it is a question. Partitions are planned as
//! the tables that they are; rows of several partitions that share a key are reported
//! (`duplicates_across_partitions`) and left alone, since one of them lies where it does not belong.
//!
//! Rules are data ([`rules`](crate::duplicates::rules) has the format and an example). Those for
//! Mastodon 3.0 to 4.7 are built in; what a release does not have is passed over. Without rules,
//! only equal rows are merged, and with `--keep` rows of tables that nothing refers to.
//!
//! # The repair
//!
//! [`repair`](crate::duplicates::repair) has the phases. Each batch is one transaction with the
//! rows as they were and a receipt, in schema `pghaul` of the same database. Killed at any instant,
//! the same command goes on. A row is touched only if it is where and what the plan says. Rows whose
//! group somebody changed after they gave up the key that they shared get it back at the end; where
//! another row has that key by then, which is the usual case, they cannot, and are counted
//! (`keys_given_up`): what puts them back is `undo`. Triggers
//! of yours do not fire, and each is put back into its state. A delete that would take other rows
//! with it is not done.
//!
//! Numbers that count rows are wrong once such rows are merged: where the rules know them
//! (`[[table.count]]`), they are counted anew at the end, in one pass over the counted rows for as
//! many numbers as the memory holds. Only numbers about rows that a group touches: all others stay, right or not.
//! Mastodon's `status_stats`, and `account_stats` of local accounts, are counted as `tootctl cache
//! recount` does it; what other servers said about their accounts is the newest that there is.
//!
//! Refused before the first write, all at once: a plan of another database or of other data, rules
//! (`CREATE RULE`) on a table, published tables without a replica identity, row security, missing
//! rights, `track_counts` off, columns that changed, functions of an index, a check or a computed column
//! that find others by the `search_path` (pghaul sets none; as restoring a dump, it needs functions with
//! a `search_path` of their own). A warning, since nothing here can be done about it: a publication of
//! all tables that somebody subscribes to sends on schema `pghaul` too (`state_is_published`).
//!
//! A role that owns the tables is enough, with CREATE on the database (schema `pghaul`) and, where a
//! foreign key has no index, on the schema of its table (from 15 on not everybody has that on `public`). Rows that share the very key by which others refer to them
//! are deleted while foreign keys are quiet, which takes a superuser (or the right to set
//! `session_replication_role`); without one they get a key that nobody has first, which foreign keys
//! with `ON UPDATE CASCADE` forbid, and which is impossible where no other key can be made (`GENERATED
//! ALWAYS`, types that are neither whole numbers, texts nor UUIDs): refused. Whether rows share that key
//! the index says (`citext`, 1.0 and 1.00); if they differ otherwise, they are asked about. A foreign key that a damaged index leads astray then is asked once
//! more without indexes, for that row alone.
//!
//! No table is read for each batch or row: rows are fetched by ctid, foreign keys go through indexes
//! (one that has none gets one for a while), and what cannot is one pass.
//!
//! # Why the indexes are rebuilt by plain REINDEX
//!
//! Only the unique indexes that had duplicates are rebuilt, each in one transaction with its receipt,
//! behind a `lock_timeout`. [`rebuild`](crate::rebuild::rebuild()) does it concurrently, which takes
//! twice the reading, waits for every snapshot of others, cannot be one transaction with a receipt,
//! and leaves something behind when it is killed; and whoever repairs has stopped the application.
//! Afterwards `pghaul rebuild` looks after all that is left: indexes exposed to a changed collation
//! that had no duplicates, collation versions, amcheck.
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
//! All tables get the digests of before, after half a repair too; the last repair first, those before
//! it by further calls, also where they touched the same rows. Rows that were changed since are
//! named, and nothing is undone then, nor where a table has other columns now, or computes others
//! (`GENERATED`) than it did. Each batch, of a repair too, looks at the columns again once it has its
//! locks: changed meanwhile, they end it with exit code 12, and made what they were, it goes on. The rows
//! as they were share keys again, so they do not fit
//! under the unique indexes: `--drop-indexes` drops these and the foreign keys that need them, puts
//! plain indexes in their place, and prints the statements that bring them back, comments, `CLUSTER ON`
//! and replica identity included (that of a published table is FULL meanwhile), but no tablespace and
//! no `fillfactor` of a constraint's index; they stand in `pghaul.undo_statement` too. `finish --forget-undo` removes what undo needs.
//!
//! # What is kept of a row
//!
//! The values as texts that the server wrote under [pinned settings](crate::connect), in an array of
//! texts of `pghaul.undo_row`, which never leaves the server; put back, each is read by the input
//! function of its type, not by a cast of text, which may mean something else (`'-'::text::regclass`).
//! That is exact, and readable by hand: floats have 17 digits (`extra_float_digits = 3`, exact also
//! below 12, where the shortest text is not known), bytea is hex, arrays carry their bounds, json its
//! own spelling, times their zone as UTC, composites are kept where they are not NULL, whatever is
//! NULL within. A binary image could only be read back by COPY, which cannot say where it put a row.
//! A value that the server cannot write as text (the very ends of `interval` up to 14), or a type
//! whose output loses something, has none: where the server says so, the group is left alone and
//! reported.
//!
//! # Memory
//!
//! `plan` keeps groups in temporary files (`--spill-dir`). It holds 36 bytes for each row that shares a
//! key of an index; 24 for each whole number by which rows that go are referred to, and some 120 and
//! its text for each other such key; some 40 for each row of a group, one table at a time; 8 for each
//! row that refers to a row that goes. All of that it counts, and refuses to go beyond `--memory`.
//! 64 MiB do for a million groups with what refers to them.
//!
//! `repair` holds 12 bytes for each group beside `--memory`. A batch ends with `--batch-rows` rows, or
//! with those whose new values are a sixteenth of the memory. Keys that are looked for in a table, and
//! numbers that are counted anew, take up to a quarter of it and then a further pass: 64 MiB hold some
//! 25,000 numbers or 75,000 keys. `undo` needs what one batch of the repair did.
//!
//! # Rows that share a key in two partitions
//!
//! They are reported (`duplicates_across_partitions`) and left alone. A unique index of a partition
//! tree contains the columns that decide about the partition (Postgres manual, 5.12.2.3), so rows
//! that share its key belong in one partition, and all but those lie where they do not belong: the
//! bounds of a partition are violated, not an index. No query by that key finds them, nor does the
//! server when it looks for what a foreign key refers to, so what refers to "the row" refers to the
//! one in the right place; which of them is the right one a changed collation or hash may have
//! changed for all other rows of the tree too. To delete some of them would hide that damage. What
//! helps is to put all rows of the tree where they belong (`clone` loads them through the root), and
//! then to repair what are ordinary duplicates by then.
