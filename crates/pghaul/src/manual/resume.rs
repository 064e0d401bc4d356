//! When something breaks: what is kept, what goes on by itself, what to do.
//!
//! # In one paragraph
//!
//! All state of a run is in the target, in schema `pghaul`. Whatever was killed (this program, a
//! session, a server, the network), run the same command with `--resume`. Pieces that were
//! committed are not copied again, no row arrives twice, and if the source has changed meanwhile
//! you are told which tables (exit code 13). Nothing is ever written to the source.
//!
//! What shapes a run (`--include`, `--exclude`, `--schema-only`, `--data-only`, `--no-owner`,
//! `--no-privileges`, `--verify`, `--format`, `--part-size`) is stored with it: `--resume` may say it
//! again or leave it out, and anything else is refused (exit code 2). All other flags may change.
//!
//! # What is durable
//!
//! | what | where | when |
//! |---|---|---|
//! | the run: both databases, options, the snapshot's name, its moment | `pghaul.run` | before the first object is created |
//! | the plan: tables and parts | `pghaul.relation`, `pghaul.part` | in the same transaction |
//! | a piece: at most 128 MiB of rows, or one row | `pghaul.receipt` | in the transaction that wrote its rows |
//! | a step: a schema entry, an index, a constraint, a read-back, a batch of large objects, … | `pghaul.step` | in the transaction that did it |
//!
//! So a row is there if and only if its receipt is, at any instant, whatever dies. What is lost are
//! the pieces and steps in flight. For each of `--jobs` that is at most one transaction: a piece of one
//! table, or a batch of small tables (each up to 1 MiB on disk; at most 64, together at most 8 MiB on
//! disk or `--part-size`, if that is less), which is one transaction with a receipt for each table. For
//! each of `--index-jobs` it is at most one step that moves rows or builds something; of small steps,
//! which are sent up to 64 at a time, each in a transaction of its own, those that were not reached.
//! An index that was half built was never committed and is built again. A batch of large objects has two
//! receipts, one for writing and one for reading back: what was not read back is, by whoever goes on.
//!
//! A target that comes back from a crash has emptied its unlogged tables (Postgres manual, `CREATE
//! TABLE`), and so has a standby that was promoted; their receipts are logged and stay. A row in an
//! unlogged table of the state, `pghaul.witness`, is gone then too: whoever goes on copies these tables
//! again, as with `--restart-tables`, and sets all sequences again.
//!
//! # Phases
//!
//! `pghaul status` shows the phase of a run. Who enters it, and what `--resume` does:
//!
//! | phase | entered | `--resume` |
//! |---|---|---|
//! | `pre-data` | the state was created | creates what has no receipt, then goes on |
//! | `data` | types, functions and tables are there; workers may join | copies from behind the last receipt of each part |
//! | `post-data` | every row is there and was read back; the source's snapshot is let go | does the steps without a receipt; the source is only asked for sequences |
//! | `stopped` | Ctrl-C, SIGTERM | as its receipts say |
//! | `waiting for a repair` | rows forbid an index or a key, or differ on the target; all else is done | tries these steps again, reads the tables that differ again |
//! | `waiting for what was deferred` | all but what `--defer` left is done | does that; `--defer` again leaves it again |
//! | `complete` | all is done | tells the result once more, from the receipts: neither `pg_dump` nor the source's tables are looked at; `pghaul finish` removes the state |
//!
//! # The one moment
//!
//! All rows are of one snapshot of the source. It lives in a session (the keeper) that has locked
//! every table `ACCESS SHARE` before it took the snapshot; an heir beside it holds the same
//! snapshot and the same locks, and becomes keeper when the first dies. A run whose snapshot is
//! gone altogether (the source crashed, the program was killed) goes on only if it can show that
//! the source is what it was. The result names why (`consistency`):
//!
//! | name | what was shown |
//! |---|---|
//! | `snapshot` | all was read under one snapshot |
//! | `proven-unchanged` | no transaction id was used in the whole cluster since: same `txid_current_snapshot()`, same system identifier, timeline and `stats_reset`, on a primary; nothing is read again |
//! | `reverified` | something was written somewhere (autovacuum suffices), so every finished piece was read again on the source and its digest is that of its receipt |
//!
//! On a standby and after a crash of the source, transaction ids prove nothing, so there it is
//! always `reverified`. If pieces differ, tables were created, dropped or altered, or large objects
//! changed: exit code 13, with names. A changed schema needs `--restart`; each major version of `pg_dump`
//! words it in its own way, so go on with one of the major version that it was begun with, or be told of
//! that one (exit code 20). Sequences know no
//! transactions; they are read last, always. Once all rows are there and read back, the source's
//! moment does not matter any more.
//!
//! Reading again costs about a third of copying (bench `resume`), keeps to `--max-rate`, and shows how
//! far it is (`reading again on the source …`). A session that dies costs what it was reading.
//! Stopped in the middle, nothing has changed, and the next `--resume` reads again from the
//! beginning.
//!
//! # Writers that were forgotten
//!
//! The result says which tables were written to on the source between the snapshot and the last row
//! read (`written_meanwhile`, a warning; a note with `--live-source`): these rows are not in the copy.
//! It goes by the source's own counters (`pg_stat_user_tables`), which a session feeds when it commits,
//! at most once a second: of a session that wrote in the last second and then fell idle, up to 14 as
//! long as it is idle, from 15 on for ten seconds, they do not know. Writes just before the end may
//! escape them; what was copied is of one moment all the same. The counters of the moment are stored
//! with the run, so whoever finishes it counts from there, not from where its own process began.
//!
//! What was found before the run began (notes of `pghaul check`) is stored with it too, and stands in the
//! result of every process that goes on with it and in `pghaul status`.
//!
//! # Copying some tables again
//!
//! `--resume --restart-tables PATTERN` copies these tables again under a new snapshot, once all others
//! were reverified under it (or proven unchanged); the whole is one moment again. On the target, in
//! one transaction, the foreign keys, triggers and rules on these tables that the run has made
//! already are dropped, the tables truncated, and the receipts of both forgotten; so nothing cascades
//! and nothing fires. After the rows, the same steps make them again, and tables are read back,
//! sequences set and materialized views refreshed anew. Leaves of a partitioned table whose bounds may
//! mean something else on the target begin again together. It works for a finished run too, which is
//! unfinished until it is through. What somebody else has hung upon these tables stops it before
//! anything is changed.
//!
//! # Who comes first
//!
//! Large tables come first, so that the longest does not begin last. Where `--jobs` is two or more, one
//! of the jobs takes small tables (up to 1 MiB on disk) before large ones, so that their indexes and
//! read-backs do not wait for the last of the large ones. All readers of the source are opened, and have
//! locked every table `ACCESS SHARE`, before the first row is copied.
//!
//! # Somebody's locks
//!
//! A `TRUNCATE`, `ALTER TABLE` or `DROP TABLE` on the source waits until the run has let go of the
//! tables, and everybody who comes after it waits for it (Postgres manual, 13.3.1). So does a reader of
//! ours that has to be opened anew, after its connection broke: its work is left to the other readers as
//! long as one lives, without an attempt being counted. With none left, the run tries to lock the tables
//! as often as `--attempts` says, for 30 s each time, and then ends with exit code 12. Where a database
//! has more than 500 tables, readers lock a table only while they read it; then such a statement may
//! keep parts of its own table waiting: it is named, and if it does not end within `--attempts` times
//! 30 s, these parts are given up and everything else goes on. If both sessions that keep the snapshot
//! end in such a run, what was read until then is read again, since nobody had the locks for a while.
//!
//! On the target, a piece or a step waits without an end for a lock that somebody else has (an open
//! transaction that has looked at a table of ours suffices for a key); only reading back gives up after 30
//! s and is tried again.
//!
//! Either way it is said after some three seconds, when it changes, and every half minute, who is in the
//! way: process, `application_name`, role, state, for how long its transaction is open, and its lock;
//! never what it runs. As lines: `writing `public.t` waits for process 4711 (psql, role app, idle in
//! transaction, for 12 s, has AccessExclusiveLock on public.t)`, then `… goes on`. With `--progress
//! json`, event `waiting`: `what`; `holders`, empty when it goes on, each with `pid`, `prepared` (a
//! prepared transaction's name), `user`, `application`, `state`, `age_ms`, `pghaul` (whether it is a
//! session of ours), and `lock`: `mode` and `relation` as in `pg_locks`, `granted` false if it waits for
//! that lock itself. `select pg_terminate_backend(4711)` on that server ends it, for roles that may.
//!
//! # What is tried again
//!
#![doc = include_str!("retry_table.md")]
//!
//! A run that lost its snapshot, or the session that makes it the only one on its target, prepares
//! itself anew in the same process, as `--resume` would, within the same budget.
//!
//! **Damage on the source** is not read again: the part is given up, all other tables go on, and
//! the error names the table, the blocks and what the server said. The same for a part during
//! whose reading the source server crashed twice. Remedies: restore that table from a backup, or
//! leave it out with `--exclude`.
//!
//! # Several hosts
//!
//! `pghaul worker --source U --target U` works on the run found in the target, from any machine, as
//! soon as the phase is `data`. Claims are advisory locks of the target's sessions: whoever dies
//! gives them back by dying, and the target notices dead peers within a minute. Each worker holds
//! the run's snapshot and locks itself; when the process that began the run is gone, a worker
//! writes the name of its own into the state, so that `--resume` goes on under the same moment.
//! While workers hold a snapshot that the resumed run does not know, a resume under another one
//! waits 75 s for them and then refuses with exit code 20: stop them first.
//!
//! What the run deferred, workers leave alone too.
//!
//! A second `clone` on a target with an active run is refused with exit code 20. `--resume` waits
//! up to 20 s for a process that was killed just now.
//!
//! # Stopping, and beginning again
//!
//! The first Ctrl-C (or SIGTERM) ends after what is in flight: a piece is committed as far as it
//! is, a step is finished, and types and tables are created up to the end of a batch. The second
//! ends at once, within some two seconds even if a server does not answer: what is in flight is lost,
//! as after a crash. Exit code 130 or 143 either way.
//!
//! `--restart` drops what the run's receipts say it created, as far as it is there, and stores the new
//! run in one transaction of the target. Whatever stands in its way until then (a missing role, a view that
//! somebody built upon our tables, Ctrl-C), nothing was dropped. While it prepares, the old objects
//! are locked. Where the target's lock table has no room for all of them at once
//! (`max_locks_per_transaction`, Postgres manual, "Lock Management"; some six locks a table), they
//! go in several transactions while it prepares; interrupted there, the run's phase is
//! `restarting`, and only `--restart` goes on from it.
//!
//! # What an embedding program hears
//!
//! Each durable fact once, in an order that [`event`](crate::event) promises, also when the run
//! loses its servers in between and when a worker did the work.
//!
//! # Holding a snapshot
//!
//! `pghaul snapshot --source U` prints the name of a snapshot and holds it, with the locks, until
//! Ctrl-C; `clone --snapshot NAME` copies that moment, as often as wanted. When its session dies an
//! heir takes over and the new name is printed. A snapshot of another program (`select
//! pg_export_snapshot()`) works too: tables that were truncated or rewritten since it was taken are
//! noticed and refused with exit code 13, since they would read as empty.
//!
//! # How long until a dead host is noticed
//!
//! | what is silent | noticed after | by |
//! |---|---|---|
//! | a server that owes us an answer | 40 s | keepalives: 20 s idle, then 4 probes of 5 s |
//! | a server that we send to and that acknowledges nothing | 40 s; 180 s while rows are written | `TCP_USER_TIMEOUT`; `tcp_user_timeout` in the connection string changes it |
//! | a server that lets nobody in | 30 s each attempt | `connect_timeout` in the connection string changes it |
//! | a worker, seen from the target | 40 s | the server's keepalives, set by us; its claims go with its sessions |
//!
//! A host that stands still but whose kernel answers (a frozen machine, a stalled disk) cannot be told
//! from one that works on something long, so it is waited for, without an end, and said: both servers
//! are asked something that costs nothing every few seconds, and whoever owes the answer is named after
//! half a minute and every half minute again (`the target has not answered for 30 s …`). Ctrl-C twice
//! ends it at once, also then. While rows are written, three minutes without any room in its buffers
//! count as dead: the piece is written again by another session, after the first one's claim has gone.
//!
//! # At night
//!
//! First `pghaul status`: it says whether somebody works on the run, which phase it is in, and what
//! was found. Then by the exit code of the process that ended:
//!
//! | exit code | what happened | do |
//! |---|---|---|
//! | 0 | done as asked, and proven unless less was asked for | `pghaul finish` once satisfied |
//! | 1 | done, and something is to be looked at; `pghaul status` shows it again | what each finding says; where it left an index or a key out, `--resume` after mending |
//! | 2 | the command makes no sense as it stands: a pattern without a table, an unknown flag, another shape than the run has | correct it; nothing was changed |
//! | 10 | a server could not be reached at the start; nothing was begun or changed | mend that, the same command again |
//! | 11 | something stands in the way of beginning; all of it is named | mend it, the same command again |
//! | 12 | a server was lost in mid-run for longer than the budget, or said no | mend what the error names, `--resume` |
//! | 12, SQLSTATE 53100 | the target's disk is full, and so the run has ended at once | make room, `--resume`; nothing that has a receipt is written again |
//! | 12, the target shut down or will not start | no room for its WAL, for one: a server without ends itself | make room, start it, `--resume` |
//! | 12, "is in the way" | before a run, or a resume, had locked the tables of the source, somebody else kept one of them for 30 s | wait for the process that is named or end it, the same command again |
//! | 12, "stands in the way" | a statement on the source wants a table for itself, and no reader of ours is left | end the process that is named, `--resume`; it may have changed the table by then (exit code 13) |
//! | 12, "was dropped or renamed", "has made it meanwhile" | somebody has changed by hand on the target what the run made, or comes to make | undo that and `--resume`, or `--restart` |
//! | 12, "damaged" | the source's storage is broken where the error says; all other tables are there and read back | mend the source from a backup and begin again, leave the table out with `--restart --exclude`, or take what is there with `finish --force` |
//! | 13, tables are named | the snapshot is gone and these tables changed | stop what writes to the source, then `--resume --restart-tables` for these |
//! | 13, the schema or large objects | the snapshot is gone and more than rows of tables changed | `--restart` |
//! | 20 | another process works on this target, or none has begun | wait, `pghaul status`, `pghaul worker` |
//! | 20, workers at work | workers hold a snapshot that the resumed run does not know | stop these `pghaul worker` processes, `--resume` |
//! | 20, "nobody can tell whether the schema is what it was" | a `pg_dump` of another major version was found than when the run began | name one of that version with `--pg-dump` |
//! | 20, damaged, of another pghaul or of other databases | the state in the target is not one that this program may go on with | the pghaul and the databases that it was begun with; else `--restart` (not where a newer pghaul began) |
//! | 20, belongs to a role | the run is another role's | connect to the target as that role or a superuser; leave the schema `pghaul` alone |
//! | 21 | `restore`: the archive is damaged or incomplete | `pghaul verify --archive` says what; with a whole copy of it, `--resume` |
//! | 40 | this machine has no room or no permission where the error says | mend that, `--resume` |
//! | 70 | a bug of ours; the state in the target is intact | report it; `--resume` may do |
//! | 130, 143, or killed | Ctrl-C, SIGTERM, SIGKILL, a power cut | `--resume`, from any machine |
//!
//! A server that needs longer than the budget to come back: `--attempts N` lets a part or step fail
//! more often in a row, `--retries N` the whole run. Nothing is lost either way; `--resume` begins
//! with a full budget.
//!
//! What never helps: dropping the schema `pghaul` by hand (the run could not be resumed, and what it
//! created would stand in the way of the next one), or emptying tables of the target by hand (their
//! receipts would be wrong, and what was read back already is not read again). Use
//! `--restart-tables`, `--restart`, `finish --force`.
