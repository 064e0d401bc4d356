//! What a scan for duplicates guarantees, and what it costs.
//!
//! # What it says
//!
//! [`duplicates scan`](crate::duplicates::survey()) names, for each unique index, every group of two
//! or more rows that share its key: none missing, none that is not one, as of one snapshot. It reads
//! the heap and no index, so it finds what a damaged index hides. "Share" means what the index means
//! by it: its operator class, its collation, its condition, its expressions, `NULLS NOT DISTINCT`.
//!
//! Primary keys, constraints and plain unique indexes are scanned, valid or not, of tables, of
//! materialized views and, across their leaves, of partition trees. Left out, with a finding each:
//!
//! | what | why | weight |
//! |---|---|---|
//! | exclusion constraints, keys WITHOUT OVERLAPS | they compare by operators of their own | note |
//! | unlogged tables of a standby, views never refreshed | there are no rows | note |
//! | tables that we may not read, or that row-level security hides | named with `--table`, they are an error (code 11) | warning |
//! | an index whose rows cannot be read: damaged blocks, an expression that fails | the others are scanned | warning |
//!
//! # How equal keys are found
//!
//! 1. `COPY (SELECT ctid, key…)` of the whole heap, in one transaction, with the keys of all unique
//!    indexes of the table. A key with a NULL is passed over, unless NULLs are not distinct.
//! 2. Of each key pghaul makes a digest of 128 bits (XXH3: equal digests are a reason to look, no
//!    proof, so it need not withstand those who look for two keys of one). For built-in types, and arrays, ranges,
//!    composites and domains of them, it is made of a normal form: a numeric without its scale, a
//!    float with one zero and one NaN, an interval in microseconds, `char(n)` without its blanks.
//!    For all other types, and texts under a nondeterministic collation, the server is asked for a
//!    hash, by the function that belongs to the very operator by which the index compares.
//! 3. The digests are kept within `--memory`; what does not fit goes to `--spill-dir`, 22 bytes for
//!    each row and index (26 in partition trees), in files without a name that are gone when the
//!    process ends, and is read back part by part: what is alone goes, the rest is sorted. The room is checked before a table is read, by the
//!    server's estimate of the rows. Millions of rows that share one key need it twice.
//! 4. Rows with equal digests are fetched by ctid and compared by the server, with the index's own
//!    operator and collation. Only what is equal by that is a group.
//!
//! Where an operator class has no hash function (`tsquery`, composites of other types than above
//! before 14, some of one's own), the server puts the rows in order and compares neighbours, with its
//! memory and its temporary files; the result says so (`grouped_by`).
//!
//! # What it costs
//!
//! - Memory: `--memory` (64 MiB will do for any table) and some 20 MiB for the rest, whatever the
//!   number of rows or groups; one key of the largest row beyond it. A folder in memory (`tmpfs`) as
//!   `--spill-dir` costs memory too.
//! - The server reads each table once for all its unique indexes, as long as each of them has 8 MiB of
//!   `--memory`; otherwise in several passes. An index whose expression or condition fails on some
//!   row is a finding, and the others of its table are read one by one, as are those by which the
//!   server groups, and partial ones with `NULLS NOT DISTINCT`.
//! - One session does all of it, one table after another: that keeps one snapshot, on a standby of 9.6
//!   too. There is no `--jobs`.
//! - `--max-rate` limits the bytes of tables read in a second; before 14 only on average, and where
//!   few rows of a table are in a partial index, the server may read ahead of it.
//! - Locks: ACCESS SHARE on the tables, for as long as it takes. So a TRUNCATE, DROP or ALTER of them
//!   waits, and, until VACUUM can go past the snapshot, dead rows stay.
//! - No superuser, no writing; a standby will do, of 9.6 too. When a standby has to give way to its
//!   primary, or the connection is lost, the snapshot is gone: the scan begins again, up to three
//!   times, and the result says so.
//!
//! # What else it looks at
//!
//! - `--orphans`: rows whose foreign key refers to nothing, joined over the heap by the server.
//! - Keys that need more than the 2704 bytes that a btree index of 12 and newer holds (blocks of
//!   8 kB), by the size that a value has in the table; for expressions, of the value before it is
//!   compressed, so a warning there can be a false alarm.
//! - The [health of the indexes](crate::rebuild::health()): not valid, exposed to a changed collation,
//!   and what amcheck says where it is installed. That is of the time after the scan's snapshot.
//!
//! # Together with a clone
//!
//! An index that cannot be built on the target since rows share its key is left out; the finding
//! names the first groups, and table `pghaul.duplicate_row` of the target holds all of them: the
//! index as in the finding, the number of the group, relation and ctid on the target, and the primary
//! key. Once no group is left, `clone --resume` builds the index.
