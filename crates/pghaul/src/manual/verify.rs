//! Comparing two databases: what is compared, what it proves, and what it costs.
//!
//! `pghaul verify` (in the library [`PreparedVerify`](crate::verify::PreparedVerify)) compares any
//! two databases of 9.6 to 18, whatever made one of the other: a clone, `pg_upgrade`, logical
//! replication, a provider's tool. It writes nothing on either side.
//!
//! # One moment on each side
//!
//! Each side is read under a snapshot of its own, held with locks against DDL. The two moments are
//! not the same one: databases that are written to differ by what was on its way between them; see
//! `--recheck` below. When sessions die, the snapshot lives on in another session, and what failed is
//! read again. When a snapshot is lost with all sessions that held it, both sides are taken anew, and
//! the comparison goes on as after an interruption.
//!
//! # Interrupted
//!
//! Without more, a process that ends begins again. With `--state FILE` (in the library
//! [`VerifyOptions::state`](crate::verify::VerifyOptions::state)) a comparison notes there what it has
//! compared as soon as that is known, and the same command goes on after Ctrl-C, SIGTERM, SIGKILL or a
//! power cut (of which it loses at most the last second). What then counts:
//!
//! | | nothing was written since, proven on both sides | else |
//! |---|---|---|
//! | tables that were equal | are not read again | are not read again; compared at an earlier moment |
//! | parts of other tables | are not read again | are read again |
//! | tables that differ | are not read again to find out, only to name rows | are read again |
//! | schema, sequences, large objects | are compared again | are compared again |
//!
//! The proof is that of [a resumed clone](super::resume): both servers are primaries with the same
//! system identifier, timeline and `stats_reset` as before, and `txid_current_snapshot()` is the same.
//! It needs servers on which nobody writes, in no database, autovacuum included; two databases of one
//! server of 9.6 never have it. With it the result says `proven_unchanged`, and all of it is of one
//! moment. Without it the note `several_moments` says how many tables were compared earlier, each
//! table's `moment` in the JSON says when, and a table equal then may differ by now: compare again
//! without the file if the databases were written to. A table whose columns, types or partitions have
//! changed is read again in any case. A table of less than a mebibyte has no parts of its own in the
//! file.
//!
//! The file is removed when the comparison has come to its end (exit code 0 or 1). It holds names of
//! tables and columns, counts and digests, no values; it is made with mode 0600 and locked while a
//! comparison works. Exit code 20, and the file stays as it is, when another comparison has it, when it
//! is of other databases or of other options that decide a verdict (what is compared, how deep, who
//! digests), of a newer format, damaged anywhere but at its end, or not ours at all. Exit code 40, before
//! anything is read, when it cannot be written; later, when there is no room any more: the same command
//! then goes on once there is. Options that only decide how fast, or how many rows are named, may
//! change. An archive is not compared this way: `--state` needs two databases.
//!
//! # Rows
//!
//! Tables meet by name, their columns too. The partitions of a tree are compared together as
//! their root, so both sides may be partitioned differently, or one not at all. Both sides are read
//! from the heap, no index is trusted, by parts, `--jobs` sessions on each side; the rows' images
//! and digests are those of [a clone](super::rows), and do not depend on settings, versions, order or
//! collation. A table is equal when count and both 64-bit sums of the rows' digests are (SHA-256, cut
//! to 128 bits). A type that the other side has otherwise is compared by its text.
//!
//! Columns that are generated on both sides are computed from others and left out, with a note.
//! Materialized views are compared, and a difference is a note: what they hold was computed, and
//! what it is computed from is compared.
//!
//! # Rows that differ
//!
//! A table whose digests differ is read again: first into 4,096 buckets by the digest of the key
//! (65,536 above half a million rows, 262,144 above 16 million, as its size suggests), then the rows of
//! the buckets that differ, at once as many as four for each row that may still be named, and at
//! least 150,000; when both sides together have no more, one scan is enough. What is known of these
//! rows, 42 bytes each, is kept in memory up to what `--memory` leaves for it (16 MiB without), and
//! beyond that in a file without a name in `--spill-dir`. So memory stays below 96 MiB when all rows
//! differ and all are to be named. Rows are named by the primary key, else by a unique index over
//! columns that are not null, else by the digest of the row; `missing`, `extra` or `changed`, with the
//! columns that differ and the ctid on each side. A doubled row is `extra` as often as it is there too
//! much. Values are shown by `--show-keys` only, each cut to 200 characters; without it the values of
//! primary keys are. `--max-differences` rows are named of each table, by default 100; the library
//! gives them as a stream that waits for its reader, the program writes them as they come: to the
//! file of `--out`, a JSON object on each line, which gets its name when all are in it, and to one
//! without a name in `--spill-dir`, from which `--json` takes them in the end.
//!
//! # Databases that are being written to
//!
//! `--recheck` looks at the keys that differ again, up to 5 times, each time under fresh snapshots of
//! both sides, after a pause of `--recheck-wait` seconds, 20,000 rows together: set it above the lag of the replication.
//! A key *agrees* when its rows are equal in one look. It *stays different* when it differs in two
//! looks in a row and neither side changed it between them. What does neither was *moving*. Each look
//! reads the table once on each side. A table whose keys all agree counts as equal.
//!
//! # Digests made by the servers
//!
//! With `--digest-on server` only digests leave the servers, for slow links; it costs them more
//! processor time than sending rows. From 11 on with SHA-256, and the digests are the very ones that
//! pghaul makes; when one side is 9.6 or 10, which have only MD5, both use MD5, and the result names
//! the kind `md5-binary` or `md5-text`. MD5 finds accidents, not attacks. A table with a column whose
//! image no SQL expression gives (composites with fields of domain types, floats within
//! composites beside such, types of users in C) is digested by pghaul, with the note
//! `digested_by_client`. NaN within arrays, ranges, geometric and composite values may have a sign
//! that servers cannot take away: such a table, when it differs, is read by pghaul before it is called
//! different.
//!
//! # Less than everything
//!
//! `--rows` counts. `--sample SHARE` counts all rows and compares the digests of a share of them, the
//! same ones on both sides, since the MD5 of the key decides. It proves that these rows are equal; of
//! the others it proves their number. A result that was got so says it in a note.
//!
//! # Schema
//!
//! Both schemas are dumped by one `pg_dump`, which has to be as new as the newer server, each under
//! its side's snapshot, and compared entry by entry: what is missing, extra or different. Needless
//! quotes, blanks and order do not count. Of functions, views, servers and whatever may hold a password
//! or code, no text is shown. Then what dumps do not show: validity of indexes, foreign keys whose
//! triggers are disabled, versions of extensions, whether materialized views are populated.
//! `--no-owner` and `--no-privileges` leave these out; `--data-only` leaves out all of this, and needs
//! no `pg_dump`.
//!
//! What majors write differently about the same schema is forgiven between these versions, named in
//! the note `version_differences`, and nothing else is:
//!
//! | name | why |
//! |---|---|
//! | inherited column order | a child that inherits has its parent's columns first when it is made anew |
//! | operator back link | making an operator writes its commutator and negator also into that other operator |
//! | bit literals | 11 writes `'1'::bit` for `B'1'::bit`; what 10 and older write is read as a `bit` that is cast |
//! | nameless columns | 10 writes `AS "?column?"` behind an expression without a name |
//! | untyped literals | 10 takes a literal of no type in a view's columns for text |
//! | index expression brackets | 10 leaves out the brackets around `COALESCE` and the like in an index |
//! | execute function | 12 writes `EXECUTE FUNCTION` in triggers for `EXECUTE PROCEDURE` |
//! | function cost | 12 writes `COST` and `ROWS` with as few digits as tell the number |
//! | multirange type name | from 14 on every range type has a multirange type |
//! | procedure arguments | 14 writes `IN` before a procedure's arguments |
//! | subscript handler | from 14 on every type with elements has a subscript handler |
//! | operator family members | from 14 on what an operator class can do without belongs to its family |
//! | xmlserialize indent | 16 writes `NO INDENT` in `XMLSERIALIZE` |
//! | view column qualifiers | 16 leaves out the table's name before a column where only one table is read |
//! | maintain privilege | 17 brought `MAINTAIN`, which `ALL` includes |
//! | not null name | 18 names NOT NULL constraints |
//!
//! The schema `public` as 14 and older make it differs from that of 15 and newer in who may create
//! objects there: the note `public_schema`.
//!
//! # Sequences and large objects
//!
//! Sequences are compared by the value they will give next. One that differs is a warning, and
//! `sequence_behind` when its table on the target holds that value already. One that is behind its
//! table on both sides is a note: with Snowflake ids that is meant. Sequences have no snapshot. Large
//! objects are compared by content, owner, privileges and comment, unless tables are asked for by name
//! (`--include`).
//!
//! An archive and a database are compared by `verify --archive`, see [`archive`](super::archive).
//!
//! # Findings
//!
//! Warnings, exit code 1: `rows_differ`, `columns_differ`, `table_missing`, `table_extra`,
//! `schema_missing`, `schema_extra`, `schema_differs`, `index_validity`, `constraint_state`,
//! `matview_state`, `extension_version` (a note between majors), `sequence_missing`,
//! `sequence_extra`, `sequence_differs`, `sequence_behind`, `large_objects_differ`,
//! `large_objects_not_compared`. Blocker, exit code 1: `not_compared`, a table that could not be read.
//! All others are notes.
