//! Help, completions, manual page, colours.

use expect_test::expect;

use crate::command::{clone, database, filled, pghaul};

#[test]
fn help_names_the_verbs() {
    pghaul(&["--help"]).run().expect(&[], &expect![[r#"
        exit code 0
        --- stdout
        Carries a Postgres database (9.6 to 18) to another server or major version, and proves that nothing
        was lost on the way

        Usage: pghaul [OPTIONS] <COMMAND>

        Commands:
          check        Look for everything that would stand in the way, with remedies; writes nothing
                       anywhere
          clone        Copy a database: schema, rows, indexes, constraints, sequences, large objects;
                       verified
          dump         Put a database into an archive: one moment, in parallel, verified before it is
                       published
          restore      Make a database of an archive, of its own major version or another; verified
          verify       Compare two databases, whatever made one of the other: rows, schema, sequences, large
                       objects
          status       Show the run in the target: its phase, what is done, what was found; writes nothing
          worker       Work on the run that is in the target, beside the process that began it, from any
                       machine
          snapshot     Hold a snapshot of the source, with locks against DDL, until Ctrl-C; prints its name
          rebuild      Rebuild the indexes that a changed collation, a crash or damage left unreliable;
                       checked
          finish       Remove the state of the run that is in the target, once you are satisfied with it
          duplicates   Find rows that share the key of a unique index, which damaged indexes let in
          completions  Print a completion script for a shell
          man          Print the manual page

        Options:
          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version

        Output:
              --progress <HOW>
                  Progress on stderr [auto: bars on a terminal, else a line every 10 seconds]

                  Possible values:
                  - auto:  Bars on a terminal, else plain lines
                  - bar:   Bars; plain lines where stderr is no terminal
                  - plain: A line every 10 seconds
                  - json:  One JSON object a line
                  - none:  Nothing

                  [default: auto]

              --json
                  The result as one JSON object on stdout

              --log-format <HOW>
                  How errors and messages are written to stderr

                  Possible values:
                  - text: For people
                  - json: One JSON object a line

                  [default: text]

          -v, --verbose
                  Tell more: each table and step as it is done, all tables in the result

              --color <WHEN>
                  Colours

                  Possible values:
                  - auto:   Where the stream is a terminal and NO_COLOR is not set
                  - always: Always
                  - never:  Never

                  [default: auto]
    "#]]);
}

#[test]
fn help_of_clone_names_all_flags_and_bounds() {
    pghaul(&["clone", "-h"]).env("COLUMNS", "100").run().expect(&[], &expect![[r#"
        exit code 0
        --- stdout
        Copy a database: schema, rows, indexes, constraints, sequences, large objects; verified

        Usage: pghaul clone [OPTIONS] --source <URL> --target <URL>

        Options:
          -h, --help  Print help (see more with '--help')

        Connections:
              --source <URL>  Where the data comes from: anything libpq accepts, URI or key=value words;
                              only read [env: PGHAUL_SOURCE]
              --target <URL>  Where the data goes: anything libpq accepts, URI or key=value words [env:
                              PGHAUL_TARGET]

        The run:
              --dry-run                   Print what would be done, and do nothing
              --resume                    Go on with the run that is in the target, with the options it
                                          began with; they may be given again, not changed
              --restart                   Forget the run that is in the target: drop exactly what it
                                          created, without CASCADE, and begin again
              --restart-tables <PATTERN>  With --resume: begin again for the tables that match this glob
                                          (repeatable)
              --snapshot <ID>             Read under this snapshot, exported by another session, instead of
                                          one's own

        What is carried:
              --include <PATTERN>  Only tables that match this glob over schema.table, and no large objects
                                   (repeatable)
              --exclude <PATTERN>  No tables that match this glob; wins over --include (repeatable)
              --schema-only        Only the schema, no rows
              --data-only          Only rows, into tables that are there
              --no-owner           Objects belong to the role that runs, not to their owners on the source
              --no-privileges      No GRANTs and default privileges
              --defer <WHAT>       Leave this for a later --resume (repeatable) [possible values: matviews,
                                   validation]
              --verify <HOW>       How much is proven: full reads every row of the target back [default:
                                   full] [possible values: full, rows, none]
              --format <FORMAT>    How rows travel; auto is binary where that is safe [default: auto]
                                   [possible values: auto, text, binary]
              --live-source        The source is being written to, and that is meant: a note and not a
                                   warning

        Resources:
              --jobs <N>          Parts copied at once: as many sessions on each side [1 to 256] [default:
                                  4]
              --index-jobs <N>    Indexes and other steps built at once: as many sessions on the target [1
                                  to 256] [default: 2]
              --memory <SIZE>     Memory of the whole process, such as 64MiB; fewer jobs run if it is small
                                  [a clone: from 16MiB; a restore, which decompresses: from 32MiB]
              --max-rate <BYTES>  Bytes a second read from the source, all jobs together, such as 50MB [1kB
                                  to 1TB]
              --part-size <SIZE>  Size of a part, TOAST included, such as 512MiB [64KiB to 1TiB]
              --pg-dump <PATH>    The pg_dump to use, instead of the one that is found

        Patience:
              --attempts <N>  How often in a row a part or step may fail, with pauses of up to TIME, before
                              it is given up; a committed piece begins the count anew [1 to 1000] [default:
                              10]
              --retries <N>   How often anything may be tried again in the whole run [0 to 1000000]
                              [default: 1000]

        Output:
              --progress <HOW>    Progress on stderr [auto: bars on a terminal, else a line every 10
                                  seconds] [default: auto] [possible values: auto, bar, plain, json, none]
              --json              The result as one JSON object on stdout
              --log-format <HOW>  How errors and messages are written to stderr [default: text] [possible
                                  values: text, json]
          -v, --verbose           Tell more: each table and step as it is done, all tables in the result
              --color <WHEN>      Colours [default: auto] [possible values: auto, always, never]
    "#]]);
}

#[test]
fn help_does_not_show_what_the_environment_holds() {
    let output = pghaul(&["clone", "--help"])
        .source("postgres://u:s3cret@h/d")
        .target("password=s3cret")
        .run();
    assert_eq!(output.code, 0);
    assert!(output.stdout.contains("PGHAUL_SOURCE") && !output.stdout.contains("s3cret"));
}

#[test]
fn completions_and_manual_know_the_flags() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = pghaul(&["completions", shell]).run();
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        assert!(output.stdout.contains("max-rate"), "{shell}");
    }
    let output = pghaul(&["man"]).run();
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert!(output.stdout.contains(".TH pghaul") && output.stdout.contains("max\\-rate"));
}

#[test]
fn colours_only_where_asked_for() {
    let (source, target) = (filled("source"), database("target"));
    let coloured = clone(&source, &target, &["--color", "always"]).run();
    assert!(coloured.stdout.contains("\u{1b}["), "{}", coloured.stdout);
    for more in [&["--color", "never"][..], &[]] {
        let plain = clone(&source, &target, more).run();
        assert_eq!(plain.code, 20);
        assert!(!plain.stderr.contains('\u{1b}'), "{}", plain.stderr);
    }
}
