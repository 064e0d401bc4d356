//! Rebuilding indexes: which, how, and what waits for what.
//!
//! # In one paragraph
//!
//! `pghaul rebuild --database U` rebuilds the indexes that a changed collation may have put into
//! another order than they are read in, those that are not valid, and those that amcheck finds
//! damaged. An index goes only when what replaces it stands; whatever is killed, run the same
//! command again. What cannot be rebuilt stays as it was and is named: with all groups of rows that
//! share its key, if that is why. `--dry-run` shows what would be done.
//!
//! # Which are exposed
//!
//! An index is in the order of its collation. When the C library or ICU changes that order (glibc
//! 2.28 did so for nearly all languages), rows are not found and unique keys let duplicates in.
//! Postgres records versions of collations: of ICU's from 10 on, of the C library's from 13 on, of
//! the database's own from 15 on. A recorded version that is not the present one is a warning; where
//! none is recorded nobody knows, and the index counts as exposed, with a note, unless amcheck says
//! that it is in order: an index in the present order is not in another. So where amcheck is not
//! installed, before 15, every rebuild without names rebuilds these indexes again, since nothing in the
//! server says that it was done; `--keep-unknown` leaves them alone, and a note counts them. Not exposed
//! are keys without text, `C`, `POSIX` and built-in collations, `text_pattern_ops`, and expressions that only
//! ask which texts are equal (`dependences.sql` beside the code lists them; any other function
//! counts).
//!
//! When all indexes that depend on a collation stand anew, its present version is recorded (`ALTER
//! COLLATION … REFRESH VERSION`, `ALTER DATABASE … REFRESH COLLATION VERSION`), if the role owns it;
//! else the finding `collation_version_not_recorded` has the statement. Not before, since the record
//! is the only trace of the change, and not while a table is partitioned by ranges of such text: its
//! rows may lie in the wrong partition, which no rebuild mends (`partitions_exposed`).
//!
//! # Which are damaged
//!
//! amcheck tells, where it is installed, of btree indexes: of their order from 10 on, of rows that are
//! missing in them from 11 on, of keys that are there twice from 17 on; and of tables and their TOAST
//! values from 14 on (`--amcheck rows`); and of the order and structure of GIN indexes from 18 on.
//! `--jobs` indexes are looked at at once. It does not look at indexes of other kinds, which the note
//! `not_checked_kinds` counts; `--all` rebuilds whatever is not looked at.
//!
//! The indexes of TOAST tables, by which long values are found, count as indexes of the tables that the
//! values belong to. They lie in the schema `pg_toast`, which only superusers may use: for others a
//! damaged one is the finding `damaged_index` with `REINDEX TABLE` as its remedy, and `--all` leaves
//! them (`toast_not_rebuilt`). Tables are not looked at while the index of their TOAST table is damaged:
//! sound values look lost then.
//!
//! # How, and who waits
//!
//! | way | when | others |
//! |---|---|---|
//! | `REINDEX INDEX CONCURRENTLY` | 12 and newer | read and write |
//! | a new index built concurrently, then a swap in one transaction | before 12 | read and write, but for the moment of the swap |
//! | `ALTER TABLE … ADD CONSTRAINT … EXCLUDE` on a partition | a part of an exclusion constraint that is missing (17 and newer) | readers and writers of that partition wait |
//! | `REINDEX INDEX` | exclusion constraints; before 12 keys that foreign keys, views or extensions hold on to, and indexes of partitions and TOAST tables; `--no-concurrently` | read by other indexes; writers wait |
//! | `REFRESH MATERIALIZED VIEW` | views whose own unique index is exposed or damaged, unless `--no-refresh` | readers of the view wait |
//!
//! An index of a partitioned table is valid when every partition has a part of it that is. Parts that
//! are missing are built (concurrently too, but for exclusion constraints) and attached, levels between
//! and constraints included; an index that somebody built and did not attach is attached, if the server
//! finds that it fits. What
//! stays invalid is the finding `invalid_index`, which says why: a foreign table can have no part, a part
//! is not valid, or, on 11 to 13, all parts are there and valid and the server does not look again. It
//! does so there only when a part is attached that was not (14 and newer also when one is attached once
//! more), a part cannot be taken off, and detaching and attaching its table attaches it without looking
//! (tried). The remedy then is a second index beside the first, which the finding spells out.
//!
//! Names, comments, constraints, statistics targets, tablespaces, and the marks of CLUSTER and
//! REPLICA IDENTITY stay. OIDs may change. A concurrent build waits for every transaction of the
//! database that is older than itself; whoever holds one (a report, a prepared transaction, a
//! snapshot of pghaul's own) is named before and while it waits. `--max-wait` gives an index up
//! after that time. Locks that others would wait behind are asked for only for 5 s at a time.
//!
//! # When something breaks
//!
//! Nothing is stored: what an interrupted rebuild left behind (`…_ccnew`, `…_ccold`, `pghaul_twin_…`, `pghaul_part_…`)
//! is recognised by its name, beside the index it was to replace and defined alike, and dropped by
//! the next rebuild of that table. Rows that share a key, and so stop a build, are all written to
//! `--out`, one group a line; the result names the first. A session that is lost is opened again, up to three times for
//! each index.
//!
//! | exit code | what happened | do |
//! |---|---|---|
//! | 1 | some index is not what it should be | see the findings; rows that share a key are named |
//! | 2 | a name that no index has, or several | give the schema too |
//! | 11 | the role may not rebuild some of them, or the server is a standby; nothing was done | connect as the owner, to the primary |
//! | 20 | another pghaul rebuilds indexes of this database | wait |
//! | 130, 143 | stopped | run it again |
