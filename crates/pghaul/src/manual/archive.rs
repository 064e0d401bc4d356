//! Archives: keeping a database, proving that the copy is good, restoring it into any version.
//!
//! `pghaul dump` (in the library [`dump`](crate::dump::dump())) makes an archive of a database,
//! `pghaul restore` ([`restore::prepare`](crate::restore::prepare)) a database of an archive,
//! `pghaul verify --archive` ([`archive::verify`](crate::archive::verify)) proves it. The format is
//! specified in [`pghaul_archive`], with the lines that restore an archive by `zstd` and `psql`
//! alone.
//!
//! # What is in it
//!
//! One database at one moment: schema, rows, large objects with owners and privileges, values of
//! sequences. The rows of materialized views are recomputed by the restore. Not in it: roles,
//! tablespaces, settings of database and roles, replication slots; and with `--include`, large objects and
//! whatever no table that is asked for needs. It may hold passwords (user
//! mappings, subscriptions) and all the data: its files are made with mode 0600, the folder with
//! 0700.
//!
//! # Dumping
//!
//! All is read under one snapshot, `--jobs` parts at once, compressed by zstd, and when all is
//! written, read back from the disk, down to each row, before `manifest.jsonl` is written. A folder
//! without that file is no archive for anybody. Exit code 0 means that this was done.
//!
//! | it ended | what is there | do |
//! |---|---|---|
//! | killed, Ctrl-C (130), SIGTERM (143), power cut | finished pieces, and whole frames (4 MiB) of those in flight | the same command again |
//! | 40: disk full, quota, a limit for files | the same | make room, the same command again |
//! | 12: the source was lost for longer than the budget | the same | the same command again |
//! | 13 | what was read is of a moment that cannot be had again, or the schema changed | remove the folder, begin again |
//! | 20 | another dump works there, or something else is in the folder, or an archive already | wait, or name another folder |
//! | 21 | what was read back is not what was written: the disk, or memory | another disk; begin again |
//!
//! Going on, it reads no finished frame again if the source was idle since (`proven-unchanged`), or if
//! the moment was kept by `pghaul snapshot` and `--snapshot`; else it reads what is finished once more
//! on the source and compares (`reverified`), see [`resume`](super::resume). Once all rows and large
//! objects are there and only reading back is left, the source's moment does not matter any more. A large
//! object's batch of 100 begins again. Notes of what was known before the dump began are kept with it, and stand in the
//! result of whoever finishes it. A stream (`--archive -`) is read by one session, is no archive before
//! its last byte, is not read back (whoever restores it checks it), and does not resume.
//!
//! # By cron
//!
//! ```text
//! 15 3 * * *  pghaul dump --archive-in /backup --keep 7    # PGHAUL_SOURCE from the environment
//! ```
//!
//! Quiet without a terminal, but for findings and errors. Each archive is a new folder, named by database
//! and UTC time. `--keep 7` leaves the seven newest: of this database (system identifier and name, as
//! their own manifests say, whatever the folders are called), of the same options for what is carried (a
//! `--schema-only` or `--include` never pushes out an archive of everything, nor the other way round), and
//! whole (each is read, down to each row, before it counts or goes), and only once the new one was read
//! back. Damaged ones are a warning and stay, unfinished ones a note, those of other databases are not
//! touched. One that cannot be removed is a warning (`archive_not_removed`, exit code 1) that names the
//! new one, which is good. Two at once exclude each other (20).
//!
//! # Is it good?
//!
//! `pghaul verify --archive A` reads all of it: exit code 21 names the file and the frame of the first
//! damage; files that the manifest does not name are a warning. With `--target U` it also says whether
//! that database is what the archive holds: rows by count and digest of each table; definitions, as
//! `verify` of two databases compares them, if a `pg_dump` of the archive's own major version is at hand
//! that reads the target (else the note `schema_not_compared` says so); values of sequences; large
//! objects one by one; what is extra on the target. Of materialized views only whether they hold
//! anything. Rows that differ are named by their keys, as between two databases (see
//! [`verify`](super::verify)), with the archive as the source; its rows lie at no ctid. The archive's
//! pieces of such a table are read once or twice more, and once for each 20,000 rows that are named.
//! A table that travels as text and has floats is an exception if just one of the two servers is older
//! than 12, where their text is another one: with the note `rows_not_named`, restore it elsewhere and
//! compare the two.
//! `--schema-only`, `--data-only`, `--no-owner` and `--no-privileges` are those of
//! [`verify`](super::verify).
//!
//! # Restoring
//!
//! Into any version from 9.6 on: a clone whose source is the archive, with the same receipts,
//! `--resume`, `--restart`, read-back and `status`, see [`resume`](super::resume). Before the first
//! byte all that stands in the way is named at once (11): objects that are there, roles, extensions,
//! collations and types that the target lacks, rights of the role. What an older target merely cannot
//! have is left out and is a warning each (`not_carried`); a statement that it does not understand ends
//! the restore (12): `--exclude` the object, or use a newer target.
//!
//! The planner's statistics come along into 18 and newer if `pg_dump` was 18 or newer when the archive
//! was made (up to 4 MiB in all, and whole ones); else each table is analyzed.
//!
//! A frame is loaded after its digest was checked, a piece and its receipt are one transaction. Rows
//! that forbid a unique index or a foreign key are listed as by a clone. A damaged archive ends with 21;
//! what is loaded by then is good, the run is unfinished, and `--resume` goes on with a good copy of the
//! same archive. A stream that ends early: 21, unfinished, and only `--restart`.
//!
//! Before 15, Postgres cannot read a `"char"` above 127 from text. Where a table that travels as text
//! has one, a restore into 14 or older calls the table different (`rows_differ`).
//!
//! # Memory
//!
//! A dump needs 40 MiB and 20 MiB for each job (44 from level 4 on, 94 from 10, 134 from 16), a restore
//! 12 MiB and 20 MiB for each job, and both up to three times the largest row for each job that handles
//! one. `--memory` runs fewer jobs where that is too much.
