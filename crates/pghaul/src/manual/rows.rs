//! How rows travel, and what their digests are made of.
//!
//! # One mechanism for all majors
//!
//! A part of a table is read by one `COPY (SELECT ctid, …)`, whatever the major. The ctid is taken
//! out while the stream is framed and says where a piece ends, so a part of any size is committed
//! in pieces of at most 128 MiB or one row. From 14 on, parts are ranges of blocks; before, where
//! such a range is a scan of the whole table, a table has as many parts as readers, and one reader
//! below 2 GiB.
//!
//! # Binary, or text
//!
//! Binary where no byte of a value means something else on the other server, else text; decided
//! once per table, and told by `--dry-run`. Always text, because of what was seen on real servers:
//!
//! | types | why |
//! |---|---|
//! | `reg*` | their bytes are OIDs of one database: they would load, and be wrong |
//! | `aclitem`, types without send or receive function | there is no binary form |
//! | `tsquery`, `int2vector`, `oidvector` | no server from 9.6 to 18 reads the bytes of an empty value back |
//! | arrays and composites of user types, into targets before 14 | their bytes name OIDs, which these refuse |
//! | types of extensions, but for `hstore`, `citext`, `ltree` (13 and newer), `cube` (14 and newer) | their form may differ between versions |
//!
//! # Digests of text tables
//!
//! The image of such a row is made of its pinned text, but for three kinds of columns whose text is
//! not the same on all versions. They have a field of their own at the end of the select list, which
//! is digested instead and never written:
//!
//! - a float at any depth: the bytes of the type's send function, in hex (no setting makes the text
//!   of floats both exact and equal before and after 12);
//! - `reg*`: the text without double quotes, since which names need them depends on the keywords of
//!   a version;
//! - `cube` before 14, which has no send function: its dimensions and coordinates.
//!
//! Before 15 a `"char"` with its high bit set is a raw byte as text; it is read as `\ooo`, which 15
//! and newer write and read.
//!
//! # Functions that rely on a search path
//!
//! Everything is read and written with an empty `search_path`, as `pg_dump` does, but for tables with an
//! index or statistics over a function in SQL: to plan any query of such a table the server looks into
//! that function's body, which may name things without their schema (`earthdistance` before 17, the
//! well-known wrapper around `unaccent`). They are read under the default of role and database and the
//! schemas of the table, the function and all extensions; not if they have a `reg*` or `aclitem` column,
//! whose text would change. `duplicates scan` reads them so, and before 17 their indexes and constraints
//! are built so, by a run as by `rebuild`. From 17 on the server builds them under a safe path of its own:
//! preflight names the indexes (`index_needs_search_path`). Rows are written with an empty one, so a check
//! whose function relies on more fails, as do views when they are refreshed. The error names the
//! function, and `ALTER FUNCTION … SET search_path` on the target and `--resume` mend it. `duplicates
//! repair` refuses such tables until it is done.
//!
//! # Memory
//!
//! Who works on the rows of a COPY reads the socket too, at most 64 KiB at once and many rows at a
//! time, past the driver, which would hand over each row by itself and keep room for the largest. So
//! memory does not depend on the size of a table or part: some 15 MiB for four jobs. A row needs up
//! to three times its size in each job that reads one: the buffer in which its bytes are gathered,
//! which grows as they come, and what is under way to the target.
//!
//! # Frozen rows
//!
//! A table that the run has made, that is more than 1 MiB and goes in by one transaction (at most 128
//! MiB on the source's disk, or a piece of an archive that is the whole table) is written by `COPY …
//! FREEZE`, behind a TRUNCATE in its transaction (Postgres manual, `COPY`). So neither reading back
//! nor a later VACUUM writes its pages once more. Before it, the table is locked and looked into: where
//! somebody else is at it, or a row is there already, its rows go in as all others, nothing is taken
//! away, and reading back finds what is too much.
//!
//! # Locks
//!
//! The keeper of the snapshot, its heir and every reader hold ACCESS SHARE on the tables of the run
//! (readers up to 500 tables; above that each holds what it has begun to read). An ALTER or TRUNCATE
//! on the source waits until all is read back. If it asks for its lock before a reader has its own, that reader gives up after 30 seconds and is
//! tried again, so that nobody waits for each other for ever.
