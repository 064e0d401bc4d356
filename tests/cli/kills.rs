//! Killed at any instant, without a chance to tidy up, a run goes on: SIGKILL at fifty seeded
//! instants spread over all phases. Every fifth of them, or as many as `PGHAUL_TEST_KILLS` says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::oracle::{self, Options as OracleOptions};
use pghaul_testbed::{Database, Major, Options, Server};
use serde_json::Value;

use crate::command::{clone, is_fact, server};

const KILLS: u64 = 50;

const JOBS: u64 = 4;

/// Of a part, and of the small tables that travel in one transaction.
const PART: u64 = 64 << 10;

/// Parts that may be on their way at once: each job has one, or 64 small tables of a part's size
/// together.
const IN_FLIGHT: usize = 4 * 64;

/// Where a kill is aimed at. They overlap, as the work does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    PreData,
    Copy,
    Indexes,
    ReadBack,
    Constraints,
    PostData,
}

const PHASES: [Phase; 6] = [
    Phase::PreData,
    Phase::Copy,
    Phase::Indexes,
    Phase::ReadBack,
    Phase::Constraints,
    Phase::PostData,
];

/// Numbers that look random and are the same every time (splitmix64).
pub(crate) fn spread(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The facts of a run, or as many of them as there were.
struct Progress(Vec<Value>);

impl Progress {
    fn of(stderr: &str) -> Self {
        let facts = stderr.lines().filter(|line| is_fact(line));
        Self(facts.filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    fn elapsed(&self, event: &str, phase: &str) -> u64 {
        let line = self.0.iter().find(|line| line["event"] == event && line["phase"] == phase);
        line.unwrap()["elapsed_ms"].as_u64().unwrap()
    }

    fn planned(&self) -> u64 {
        let line = self.0.iter().find(|line| line["event"] == "planned");
        line.unwrap()["elapsed_ms"].as_u64().unwrap()
    }

    /// The lines that begin and end something of a phase.
    fn marks(&self, phase: Phase) -> (Vec<usize>, Vec<usize>) {
        let lines = |wanted: &dyn Fn(&Value) -> bool| {
            let all = self.0.iter().enumerate();
            all.filter(|(_, line)| wanted(line)).map(|(at, _)| at).collect::<Vec<_>>()
        };
        let event = |name: &'static str| lines(&|line| line["event"] == name);
        let step = |event: &'static str, kinds: &'static [&'static str]| {
            lines(&|line| line["event"] == event && kinds.iter().any(|kind| line["kind"] == **kind))
        };
        match phase {
            Phase::PreData => {
                let begun =
                    lines(&|line| line["event"] == "phase_started" && line["phase"] == "pre_data");
                (begun, event("planned"))
            }
            Phase::Copy => (event("planned"), event("table_copied")),
            Phase::Indexes => {
                (step("step_started", &["INDEX"]), step("step_committed", &["INDEX"]))
            }
            Phase::ReadBack => (event("table_copied"), event("table_verified")),
            Phase::Constraints => {
                let kinds = &["CONSTRAINT", "FK CONSTRAINT"];
                (step("step_started", kinds), step("step_committed", kinds))
            }
            Phase::PostData => {
                let of = |name: &'static str| {
                    lines(&|line| line["event"] == name && line["phase"] == "post_data")
                };
                (of("phase_started"), of("phase_finished"))
            }
        }
    }

    /// Whether it ends within a phase, of which an undisturbed run has `whole`.
    fn ends_within(&self, phase: Phase, whole: &Self) -> bool {
        let (begun, ended) = self.marks(phase);
        !begun.is_empty() && ended.len() < whole.marks(phase).1.len()
    }

    /// The line after which a kill hits a phase, somewhere in it.
    fn line_within(&self, phase: Phase, seed: u64) -> usize {
        let (begun, ended) = self.marks(phase);
        let (first, last) = (begun[0], *ended.last().unwrap());
        first + 1 + usize::try_from(seed).unwrap_or(0) % (last - first).max(1)
    }
}

/// Committed pieces and steps, with the time of each.
fn receipts(target: &Database<'_>) -> Vec<Option<String>> {
    if target.value("select to_regclass('pghaul.step')::text").wait().unwrap().is_none() {
        return Vec::new();
    }
    let sql = "select part || ' ' || block || ' ' || line || ' ' || committed from pghaul.receipt \
               union all select id || ' ' || committed from pghaul.step";
    target.query_text(sql).wait().unwrap().into_iter().flatten().collect()
}

fn count(target: &Database<'_>, of: &str) -> usize {
    target.value(format!("select count(*) from {of}")).wait().unwrap().unwrap().parse().unwrap()
}

/// A source on which nothing happens by itself, and which tells what is read of it.
struct Source<'a> {
    database: &'a Database<'a>,
    /// A run that nobody disturbed.
    whole: Progress,
    /// What came out of it.
    copy: &'a Database<'a>,
}

impl Source<'_> {
    /// The statements that read parts, by what the server logged from a place on of other sessions
    /// than these: what a dead process has asked for may be begun after its death.
    fn reads(&self, from: usize, but: &BTreeSet<String>) -> Vec<String> {
        let log = self.database.server().log();
        // A statement that failed is logged once more.
        let reads = log[from..].lines().filter(|line| line.contains(": LOG:  "));
        let reads = reads.filter(|line| session(line).is_none_or(|pid| !but.contains(pid)));
        reads
            .filter_map(|line| line.find("copy (select ").map(|at| line[at..].to_owned()))
            .collect()
    }

    /// The sessions that the server's log tells of from a place on.
    fn sessions(&self, from: usize) -> BTreeSet<String> {
        let log = self.database.server().log();
        log[from..].lines().filter_map(session).map(str::to_owned).collect()
    }

    fn logged(&self) -> usize {
        self.database.server().log().len()
    }
}

/// The process id in a line of the log.
fn session(line: &str) -> Option<&str> {
    line.split_once(" [")?.1.split_once("] ").map(|(pid, _)| pid)
}

const FLAGS: [&str; 6] = ["--progress", "json", "--part-size", "64KiB", "--jobs", "4"];

/// How many transactions of the target it takes at least to bring these parts there: a piece each, but
/// that small tables travel together, as many as a part's size holds.
fn transactions(target: &Database<'_>, reads: &[&String]) -> u64 {
    let sql = "select quote_ident(schema_name) || '.' || quote_ident(table_name), max(p.bytes) \
               from pghaul.relation r join pghaul.part p on p.relation = r.id group by 1";
    let bytes: BTreeMap<String, u64> = target
        .query_text(sql)
        .wait()
        .unwrap()
        .into_iter()
        .map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap().parse().unwrap()))
        .collect();
    let (mut alone, mut together) = (0, 0);
    for read in reads {
        let name = read.split(" only ").nth(1).unwrap().split([' ', ')']).next().unwrap();
        match bytes[&name.replace('"', "")] {
            small if small < PART => together += small,
            _ => alone += 1,
        }
    }
    alone + together.div_ceil(PART)
}

/// Kills a run that is at work. Gives the phases that it hit.
fn kill(source: &Source<'_>, number: u64, aim: Phase) -> Vec<Phase> {
    // Whoever comes too late tries again: a busy machine may let the run end first.
    for attempt in 0..10 {
        if let Some(hit) = try_to_kill(source, number + attempt * 10_000, aim) {
            return hit;
        }
    }
    panic!("kill {number}: it had always ended");
}

/// One kill, after which all must be well. Gives the phases that it hit, none if the run had ended.
fn try_to_kill(source: &Source<'_>, number: u64, aim: Phase) -> Option<Vec<Phase>> {
    let target = Database::new(server(), "kills_dst").unwrap();
    let logged = source.logged();
    let mut running = clone(source.database, &target, &FLAGS).start();
    let (lines, within) = if aim == Phase::PreData {
        // No line tells of its progress.
        let begun = source.whole.elapsed("phase_started", "pre_data");
        (1, 800 * (source.whole.planned() - begun).max(1))
    } else {
        (source.whole.line_within(aim, spread(number)), 3_000)
    };
    running.wait_for_facts(lines);
    std::thread::sleep(Duration::from_micros(spread(number + 1000) % within));
    let killed = running.kill();
    let progress = Progress::of(&killed.stderr);
    let hit = PHASES.into_iter().filter(|phase| progress.ends_within(*phase, &source.whole));
    let hit: Vec<Phase> = hit.collect();

    let read_before = source.reads(logged, &BTreeSet::new());
    let unread = "pghaul.part p where not exists (select from pghaul.receipt r \
                  where r.part = p.id and r.next_block is null)";
    let mut tries = 0;
    let (output, kept, left, read_after) = loop {
        // The dead process' last transaction may still be committed.
        let begun = target.value("select to_regclass('pghaul.run')::text").wait().unwrap();
        let left = begun.as_ref().map(|_| count(&target, unread));
        let kept = receipts(&target);
        let (logged, dead) = (source.logged(), source.sessions(logged));
        let flags: &[&str] = if begun.is_some() { &["--resume"] } else { &[] };
        let output = clone(source.database, &target, flags).run();
        // A new run does not wait for the dead one's session to go.
        if begun.is_some() || output.code != 20 || tries == 100 {
            break (output, kept, left, source.reads(logged, &dead));
        }
        tries += 1;
        std::thread::sleep(Duration::from_millis(100));
    };
    let said = format!("kill {number}: {}{}", output.stdout, output.stderr);
    assert_eq!(output.code, 0, "{said}");
    let rows = OracleOptions::new().without_schema().without_catalog();
    let equal = |one: &Database<'_>, options: &OracleOptions| {
        oracle::compare(&one.url(), &target.url(), options).wait().unwrap().check().unwrap();
    };
    equal(source.database, &rows);
    equal(source.copy, &OracleOptions::new());
    let all = receipts(&target);
    for receipt in &kept {
        assert!(all.contains(receipt), "kill {number}: {receipt:?} was done again");
    }
    let parts = count(&target, "pghaul.part");
    if let Some(left) = left {
        // What was on its way to be committed may have arrived after we looked.
        let unread = left.saturating_sub(IN_FLIGHT)..=left;
        let count = read_after.len();
        assert!(unread.contains(&count), "kill {number}: {count} parts read, not {left}");
        let again: Vec<&String> =
            read_after.iter().filter(|read| read_before.contains(read)).collect();
        assert!(read_before.len() + count - again.len() <= parts, "kill {number}: of {parts}");
        let lost = transactions(&target, &again);
        assert!(lost <= JOBS, "kill {number}: {lost} pieces or batches were lost: {again:#?}");
    }
    killed.by_us.then_some(hit)
}

#[test]
fn killed_anywhere_a_run_goes_on() {
    let kills: u64 = std::env::var("PGHAUL_TEST_KILLS").map_or(10, |text| text.parse().unwrap());
    let mut hit: BTreeMap<Phase, u64> = PHASES.map(|phase| (phase, 0)).into();
    let least = kills / 10;
    for (side, from) in [Major::V9_6, Major::V14].into_iter().enumerate() {
        let quiet = Options::new().set("autovacuum", "off").set("log_statement", "all");
        let old = Server::start(from, &quiet).unwrap();
        let database = Database::new(&old, "kills_src").unwrap();
        let shape = Shape { version: Version::V3_5_3, statuses: 400, seed: 11 };
        mastodon::create(&database, shape).wait().unwrap();
        let copy = Database::new(server(), "kills_dst").unwrap();
        let output = clone(&database, &copy, &FLAGS).run();
        assert_eq!(output.code, 0, "{}", output.stderr);
        let whole = Progress::of(&output.stderr);
        let source = Source { database: &database, whole, copy: &copy };
        for kill in (0..kills).skip(side).step_by(2) {
            let number = kill * KILLS.max(kills) / kills;
            let aim = PHASES[usize::try_from(number).unwrap() % PHASES.len()];
            for phase in self::kill(&source, number, aim) {
                *hit.entry(phase).or_default() += 1;
            }
        }
        // Where the machine was too busy to hit what was aimed at.
        for more in (0..20).filter(|_| side == 1) {
            let Some(aim) = PHASES.into_iter().find(|phase| hit[phase] < least) else { break };
            for phase in kill(&source, 1_000_000 + more, aim) {
                *hit.entry(phase).or_default() += 1;
            }
        }
    }
    assert!(hit.values().all(|count| *count >= least), "{hit:?}");
    println!("{kills} kills, within {hit:?}");
}
