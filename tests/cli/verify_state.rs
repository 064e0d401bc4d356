//! `verify --state`: killed without a chance to tidy up, at seeded instants, a comparison goes on and
//! reads nothing again that is in the file; and the file is nobody else's. A few instants, or as many
//! as `PGHAUL_TEST_KILLS` says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pghaul_testbed::{Database, Major, Options, Server};
use serde_json::{Value, json};

use crate::command::{Output, Pghaul, Running, database, filled, pghaul};
use crate::kills::spread;

/// One large value, read first; a table of several parts; small ones, of which one will differ.
const TABLES: &str = "
    create table value (id int primary key, v bytea);
    alter table value alter v set storage external;
    insert into value
    select 1, decode(string_agg(md5(i::text), ''), 'hex') from generate_series(1, 400000) i;
    create table big (id int primary key, v text);
    insert into big select g, repeat(md5(g::text), 8) from generate_series(1, 36000) g;
    create table wrong (id int primary key, v text);
    insert into wrong select g, md5(g::text) from generate_series(1, 2000) g;
    create table small (id int primary key, v text);
    insert into small select g, md5(g::text) from generate_series(1, 2000) g;
    create materialized view seen as select v from small";

/// What differs on the target.
const DIFFERENCE: &str = "update wrong set v = 'wrong' where id = 1777";

/// A server on which nobody else moves transaction ids, and which tells what it is asked.
fn quiet(major: Major) -> Server {
    let options = Options::new().set("autovacuum", "off").set("log_statement", "all");
    Server::start(major, &options).unwrap()
}

/// Two databases, and the file of their comparison.
struct Pair<'a> {
    source: Database<'a>,
    target: Database<'a>,
    _place: tempfile::TempDir,
    state: PathBuf,
}

impl<'a> Pair<'a> {
    fn new(source: &'a Server, target: &'a Server) -> Self {
        let source = Database::new(source, "state_src").unwrap();
        let target = Database::new(target, "state_dst").unwrap();
        source.execute(TABLES).wait().unwrap();
        target.execute(TABLES).wait().unwrap();
        target.execute(DIFFERENCE).wait().unwrap();
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("state.jsonl");
        Self { source, target, _place: place, state }
    }

    fn verify(&self, more: &[&str]) -> Pghaul {
        let flags = ["verify", "--data-only", "--jobs", "2", "--part-size", "1500KiB"];
        pghaul(&flags)
            .args(&["--progress", "json", "--state"])
            .arg(&self.state)
            .args(more)
            .source(&self.source.url())
            .target(&self.target.url())
    }

    /// Slow enough to be killed in the middle: 18 MB a side.
    fn start(&self) -> Running {
        self.verify(&["--max-rate", "9MB"]).start()
    }

    fn kept(&self) -> Kept {
        let text = std::fs::read_to_string(&self.state).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut kept = Kept::default();
        for line in lines {
            let of = &line["of"];
            kept.lines += usize::from(of.get("equal").or(of.get("part")).is_some());
            if let Some(table) = of["equal"]["table"]["name"].as_str() {
                kept.parts.retain(|part| part.table != table);
                kept.equal.insert(table.to_owned());
            } else if let Some(part) = of.get("part") {
                kept.parts.push(Part::of(part));
            }
        }
        kept
    }

    /// Kills it once as much as this is in the file; false if it had ended before.
    fn kill_when(&self, mut running: Running, number: u64, wanted: impl Fn(&Kept) -> bool) -> bool {
        let until = Instant::now() + Duration::from_secs(60);
        while !wanted(&self.kept()) && running.is_alive() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_micros(spread(number) % 50_000));
        running.kill().by_us
    }

    /// The statements that read rows, by what both servers logged meanwhile.
    fn reads_while<T>(&self, work: impl FnOnce() -> T) -> (T, [Vec<String>; 2]) {
        let sides = [&self.source, &self.target];
        let before = sides.map(|side| side.server().log().len());
        let done = work();
        let reads = |at: usize| {
            let log = sides[at].server().log();
            // A statement that failed is logged once more.
            let lines = log[before[at]..].lines().filter(|line| line.contains(": LOG:  "));
            let reads =
                lines.filter_map(|line| Some(line[line.find("copy (select ")?..].to_owned()));
            reads.collect()
        };
        (done, [reads(0), reads(1)])
    }
}

/// What is in the file.
#[derive(Debug, Default)]
struct Kept {
    /// What tells of tables and parts.
    lines: usize,
    equal: BTreeSet<String>,
    /// Of other tables.
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    table: String,
    on_target: bool,
    /// The end of the statement that read it.
    statement: String,
}

impl Part {
    fn of(line: &Value) -> Self {
        let table = line["table"]["name"].as_str().unwrap().to_owned();
        let end = |name: &str, comparison: &str| {
            line["part"][name]
                .as_u64()
                .map(|block| format!("ctid {comparison} '({block},0)'::pg_catalog.tid"))
        };
        let ends: Vec<String> =
            [end("from", ">="), end("until", "<")].into_iter().flatten().collect();
        let condition =
            if ends.is_empty() { String::new() } else { format!(" where {}", ends.join(" and ")) };
        let statement = format!("from only \"public\".\"{table}\"{condition})");
        Self { table, on_target: line["target"].as_bool().unwrap(), statement }
    }
}

/// What a comparison of a [`Pair`] must come to.
fn is_right(output: &Output, number: u64) {
    assert_eq!(output.code, 1, "kill {number}: {}{}", output.stdout, output.stderr);
    let result = output.json();
    for table in result["tables"].as_array().unwrap() {
        let right = table["name"] != "wrong";
        assert_eq!(table["verified"], right, "kill {number}: {table}");
        let named: Vec<&Value> =
            table["differences"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
        let wanted = json!({"id": "1777"});
        assert_eq!(named, if right { vec![] } else { vec![&wanted] }, "kill {number}: {table}");
    }
    assert_eq!(result["tables"].as_array().unwrap().len(), 5, "kill {number}");
    let codes: Vec<&Value> =
        result["findings"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert_eq!(codes[0], "rows_differ", "kill {number}: {codes:?}");
}

#[test]
fn killed_anywhere_a_comparison_goes_on_and_reads_nothing_again() {
    let kills: u64 = std::env::var("PGHAUL_TEST_KILLS").map_or(6, |text| text.parse().unwrap());
    let servers = [Major::V9_6, Major::V14, Major::V18].map(quiet);
    let [old, middle, new] = &servers;
    let (mut tables, mut parts) = (0, 0);
    for (place, (source, target)) in [(old, new), (middle, new), (new, middle)].iter().enumerate() {
        let pair = Pair::new(source, target);
        let (output, whole) = pair.reads_while(|| pair.verify(&["--json"]).run());
        is_right(&output, 0);
        assert!(!pair.state.exists());
        // A few statements name rows, and small tables have fewer lines than statements.
        let lines = whole.iter().map(Vec::len).sum::<usize>() - 8;
        for number in (0..kills).skip(place).step_by(3) {
            let at = lines * usize::try_from(number + 1).unwrap() / usize::try_from(kills).unwrap();
            let running = pair.start();
            if !pair.kill_when(running, number, |kept| kept.lines >= at) {
                continue;
            }
            let kept = pair.kept();
            let (output, reads) = pair.reads_while(|| pair.verify(&["--json"]).run());
            is_right(&output, number);
            if place == 0 && output.json()["proven_unchanged"] == false {
                // A busy server of 9.6 may not tell when its statistics were reset.
                continue;
            }
            for (side, reads) in reads.iter().enumerate() {
                for read in reads {
                    let again = kept.parts.iter().any(|part| {
                        part.on_target == (side == 1) && read.contains(&part.statement)
                    });
                    let table = kept.equal.iter().any(|one| read.contains(&format!(".\"{one}\"")));
                    assert!(!again && !table, "kill {number}: {read} of {kept:?}");
                }
            }
            let result = output.json();
            let resumed = json!({"tables": kept.equal.len(), "parts": kept.parts.len()});
            assert_eq!(result["resumed"], resumed, "kill {number}");
            assert_eq!(result["moments"], 1, "kill {number}");
            let any = !kept.equal.is_empty() || !kept.parts.is_empty();
            assert!(!any || result["proven_unchanged"] == true, "kill {number}: {result}");
            assert!(!pair.state.exists(), "kill {number}");
            tables += kept.equal.len();
            parts += kept.parts.len();
        }
    }
    assert!(tables >= 1 && parts >= 10, "{tables} tables and {parts} parts were kept");
}

#[test]
fn what_was_written_meanwhile_is_not_called_equal() {
    let servers = [Major::V14, Major::V18].map(quiet);
    for (number, changed) in [0, 1].into_iter().enumerate() {
        let pair = Pair::new(&servers[0], &servers[1]);
        let killed = pair.kill_when(pair.start(), 0, |kept| {
            kept.equal.contains("value")
                && kept.parts.iter().filter(|part| part.table == "big").count() > 3
        });
        let kept = pair.kept();
        assert!(killed && !kept.equal.contains("big"), "{kept:?}");
        // In a part that is in the file, and in a table that is.
        let side = [&pair.source, &pair.target][changed];
        side.execute("update big set v = 'x' where id = 5; update value set v = '' where id = 1")
            .wait()
            .unwrap();
        let (output, reads) = pair.reads_while(|| pair.verify(&["--json"]).run());
        assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
        let result = output.json();
        let table = |name: &str| {
            let tables = result["tables"].as_array().unwrap();
            tables.iter().find(|table| table["name"] == name).unwrap().clone()
        };
        assert_eq!(table("big")["differences"][0]["key"], json!({"id": "5"}), "{number}");
        assert_eq!(
            (&table("big")["verified"], &table("big")["moment"]),
            (&json!(false), &json!(2))
        );
        // It was equal when it was looked at, and the result says that this is not now.
        assert_eq!(
            (&table("value")["verified"], &table("value")["moment"]),
            (&json!(true), &json!(1))
        );
        assert!(reads.iter().flatten().all(|read| !read.contains("\"value\"")), "{reads:?}");
        assert_eq!((&result["moments"], &result["proven_unchanged"]), (&json!(2), &json!(false)));
        assert_eq!(result["resumed"], json!({"tables": kept.equal.len(), "parts": 0}));
        let notes = result["findings"].as_array().unwrap();
        let note = notes.iter().find(|found| found["code"] == "several_moments").unwrap();
        let text = note["message"].as_str().unwrap();
        assert!(text.contains("2 moments"), "{text}");
        assert!(text.contains(&format!("{} of the tables", kept.equal.len())), "{text}");
    }
}

#[test]
fn a_table_that_differed_is_found_again_without_being_read_for_that() {
    let servers = [Major::V14, Major::V18].map(quiet);
    let pair = Pair::new(&servers[0], &servers[1]);
    pair.target.execute("update value set v = set_byte(v, 70000, 0)").wait().unwrap();
    let (_, whole) = pair.reads_while(|| pair.verify(&["--json"]).run());
    let sides_of =
        |kept: &Kept, table: &str| kept.parts.iter().filter(|one| one.table == table).count();
    assert!(pair.kill_when(pair.start(), 0, |kept| sides_of(kept, "value") == 2));
    let kept = pair.kept();
    assert!(!kept.equal.contains("value"), "{kept:?}");
    let (output, reads) = pair.reads_while(|| pair.verify(&["--json"]).run());
    let result = output.json();
    let tables = result["tables"].as_array().unwrap();
    let value = tables.iter().find(|table| table["name"] == "value").unwrap();
    assert_eq!((&value["verified"], &value["moment"]), (&json!(false), &json!(1)));
    assert_eq!(value["differences"][0]["columns"], json!(["v"]));
    // Read to name the row, and not to find out that there is one.
    let of_value = |reads: &[Vec<String>; 2]| {
        reads.iter().flatten().filter(|read| read.contains("\"value\"")).count()
    };
    assert_eq!(of_value(&reads), of_value(&whole) - 2, "{reads:?}");
    assert_eq!(output.code, 1);
}

#[test]
fn a_table_that_is_read_otherwise_is_read_again() {
    let server = quiet(Major::V18);
    let pair = Pair::new(&server, &server);
    assert!(pair.kill_when(pair.start(), 0, |kept| kept.equal.contains("value")));
    let more = "alter table value add more int; update value set more = 7";
    pair.source.execute(more).wait().unwrap();
    pair.target.execute(more.replace('7', "8")).wait().unwrap();
    let output = pair.verify(&["--json"]).run();
    let result = output.json();
    let tables = result["tables"].as_array().unwrap();
    let value = tables.iter().find(|table| table["name"] == "value").unwrap();
    assert_eq!((&value["verified"], &value["moment"]), (&json!(false), &result["moments"]));
}

#[test]
fn a_signal_leaves_the_file_and_the_same_command_goes_on() {
    let server = quiet(Major::V18);
    let pair = Pair::new(&server, &server);
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut running = pair.verify(&["--max-rate", "9MB"]).start();
        running.wait_for("piece_committed");
        running.signal(signal);
        let output = running.end();
        assert_eq!(output.code, code, "{output:?}");
        let said = "The same command goes on; what was compared is kept in ";
        assert!(output.stdout.contains(said), "{}", output.stdout);
        assert!(output.stdout.contains(pair.state.to_str().unwrap()), "{}", output.stdout);
    }
    let kept = pair.kept();
    let output = pair.verify(&[]).run();
    assert_eq!(output.code, 1, "{output:?}");
    let line = format!("  compared before{} table", kept.equal.len());
    assert!(output.stdout.contains(&line), "{line}: {}", output.stdout);
    assert!(output.stdout.contains("nothing was written since"), "{}", output.stdout);
    assert!(output.stdout.contains("proven_unchanged"), "{}", output.stdout);
    assert!(!pair.state.exists());
    // Before anything is compared there is nothing to keep.
    let blocker = pair.source.connect().wait().unwrap();
    blocker.execute("begin; lock table big in access exclusive mode").wait().unwrap();
    let mut running = pair.verify(&["--json"]).start();
    running.wait_for_handlers();
    while !pair.state.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal("TERM");
    let output = running.end();
    assert_eq!((output.code, output.json().get("state")), (143, None));
    assert!(!pair.state.exists());
}

#[test]
fn the_file_is_of_one_comparison() {
    let (source, target) = (filled("source"), database("target"));
    let other = database("other");
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let verify = |source: &Database<'_>, target: &Database<'_>, more: &[&str]| {
        pghaul(&["verify", "--data-only", "--progress", "none", "--state"])
            .arg(&state)
            .args(more)
            .source(&source.url())
            .target(&target.url())
    };
    let refused = |output: &Output, code: i32, what: &str| {
        let whole = std::fs::read(&state).unwrap_or_default();
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{}", output.stderr);
        assert!(output.stderr.contains(what), "{what}: {}", output.stderr);
        assert!(output.stderr.contains("hint:"), "{}", output.stderr);
        whole
    };
    std::fs::write(&state, "somebody's notes\n").unwrap();
    let whole = refused(&verify(&source, &target, &[]).run(), 20, "not the file of an interrupted");
    assert_eq!(whole, b"somebody's notes\n");
    std::fs::remove_file(&state).unwrap();
    assert_eq!(verify(&source, &target, &["--out"]).arg(&state).run().code, 2);

    // Two at once: while one waits for a lock, the other is refused.
    let blocker = source.connect().wait().unwrap();
    blocker.execute("begin; lock table people in access exclusive mode").wait().unwrap();
    let mut first = verify(&source, &target, &[]).start();
    first.wait_for_handlers();
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() \
                   and application_name like 'pghaul%' and wait_event_type = 'Lock'";
    while source.value(waiting).wait().unwrap().as_deref() == Some("0") {
        std::thread::sleep(Duration::from_millis(20));
    }
    let begun =
        refused(&verify(&source, &target, &[]).run(), 20, "another comparison goes on with");
    blocker.execute("rollback").wait().unwrap();
    assert_eq!(first.end().code, 1);
    assert!(!state.exists());

    // As it was when the first one was killed.
    std::fs::write(&state, &begun).unwrap();
    let whole = refused(&verify(&source, &target, &["--rows"]).run(), 20, "other options");
    assert_eq!(whole, begun);
    refused(&verify(&source, &other, &[]).run(), 20, "has another target");
    refused(&verify(&target, &source, &[]).run(), 20, "has another source");
    let mut damaged = begun.clone();
    damaged[40] ^= 1;
    std::fs::write(&state, &damaged).unwrap();
    let whole = refused(&verify(&source, &target, &[]).run(), 20, "is damaged: line 1");
    assert_eq!(whole, damaged);
    std::fs::write(&state, &begun).unwrap();
    assert_eq!(verify(&source, &target, &[]).run().code, 1);
    assert!(!state.exists());

    let nowhere = place.path().join("no/folder");
    let nobody = "host=/nonexistent dbname=x";
    let output = pghaul(&["verify", "--state"]).arg(&nowhere).source(nobody).target(nobody).run();
    assert_eq!(output.code, 40, "{}", output.stderr);
    assert!(output.stderr.contains("no/folder"), "{}", output.stderr);
    let with_archive = pghaul(&["verify", "--archive", "x", "--state", "y"]).run();
    assert_eq!(with_archive.code, 2, "{}", with_archive.stderr);
}

#[test]
fn without_room_for_the_file_it_stops_and_goes_on_when_there_is() {
    let (source, target) = (database("source"), database("target"));
    let tables: String = (1..=20)
        .map(|at| format!("create table t{at} as select generate_series(1, {at}) as id; "))
        .collect();
    source.execute(&*tables).wait().unwrap();
    target.execute(&*tables).wait().unwrap();
    let place = tempfile::tempdir().unwrap();
    let verify = |state: &Path| {
        pghaul(&["verify", "--data-only", "--progress", "none", "--state"])
            .arg(state)
            .arg("--json")
            .source(&source.url())
            .target(&target.url())
    };
    let state = place.path().join("state");
    let output = verify(&state).with_files_of_at_most("4").run();
    assert_eq!(output.code, 40, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("make room there"), "{}", output.stderr);
    let output = verify(&state).run();
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let kept = output.json()["resumed"]["tables"].as_u64().unwrap();
    assert!((2..20).contains(&kept), "{kept} tables");
    assert!(!state.exists());
    let pipe = place.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let output = verify(&pipe).run();
    assert_eq!(output.code, 40, "{}", output.stderr);
    assert!(output.stderr.contains("not a regular file"), "{}", output.stderr);
    assert!(pipe.exists());
}
