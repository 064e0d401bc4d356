//! Killed at any instant, without a chance to tidy up, a run goes on: SIGKILL at seeded instants
//! spread over all phases. `PGHAUL_TEST_KILLS` sets how many, 10 if not set.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pghaul_testbed::mastodon::{self, Shape, Version};
use pghaul_testbed::{Database, Major, Server};

use crate::command::{clone, server};

/// Numbers that look random and are the same every time (splitmix64).
fn spread(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Committed pieces and steps, with the time of each.
fn receipts(target: &Database<'_>) -> Vec<Option<String>> {
    let there = "select to_regclass('pghaul.step')::text";
    if target.value(there).wait().unwrap().is_none() {
        return Vec::new();
    }
    let sql = "select part || ' ' || block || ' ' || line || ' ' || committed from pghaul.receipt \
               union all select id || ' ' || committed from pghaul.step";
    target.query_text(sql).wait().unwrap().into_iter().flatten().collect()
}

fn phase(target: &Database<'_>) -> String {
    let there = target.value("select to_regclass('pghaul.run')::text").wait().unwrap();
    match there {
        None => "before".to_owned(),
        Some(_) => target.value("select phase from pghaul.run").wait().unwrap().unwrap(),
    }
}

#[test]
fn killed_anywhere_a_run_goes_on() {
    let kills: u64 = std::env::var("PGHAUL_TEST_KILLS").map_or(10, |text| text.parse().unwrap());
    let flags = ["--progress", "json", "--part-size", "64KiB"];
    let mut phases: BTreeMap<String, u64> = BTreeMap::new();
    for from in [Major::V9_6, Major::V14] {
        let source = Database::new(Server::shared(from).unwrap(), "kills_src").unwrap();
        let shape = Shape { version: Version::V3_5_3, statuses: 400, seed: 11 };
        mastodon::create(&source, shape).wait().unwrap();
        let before = mastodon::digest(&source.connect().wait().unwrap()).wait().unwrap();
        let whole = Database::new(server(), "kills_dst").unwrap();
        let begun = Instant::now();
        let lines = clone(&source, &whole, &flags).run().stderr.lines().count();
        let third = u64::try_from(begun.elapsed().as_micros() / 3).unwrap();
        for kill in (0..kills).filter(|kill| (*kill % 2 == 0) == (from == Major::V9_6)) {
            let target = Database::new(server(), "kills_dst").unwrap();
            // One in each of as many equal stretches of the run, somewhere within it.
            let at = kill * 1000 + spread(kill) % 1000;
            let at = usize::try_from(at).unwrap() * lines / usize::try_from(kills * 1000).unwrap();
            let mut running = clone(&source, &target, &flags).start();
            // Before rows move there is hardly a line, so every fifth goes by time.
            let (lines, within) = if kill % 5 == 2 { (1, third) } else { (at, 20_000) };
            running.wait_for_lines(lines);
            std::thread::sleep(Duration::from_micros(spread(kill + 1000) % within));
            let killed = running.kill();
            *phases.entry(phase(&target)).or_default() += 1;
            let kept = receipts(&target);
            let begun = phase(&target) != "before";
            let flags: &[&str] = if begun { &["--resume"] } else { &[] };
            if killed || begun {
                let mut output = clone(&source, &target, flags).run();
                for _ in 0..50 {
                    // A new run does not wait for the dead one's session to go.
                    if begun || output.code != 20 {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                    output = clone(&source, &target, flags).run();
                }
                let said = format!("kill {kill}: {}{}", output.stdout, output.stderr);
                assert_eq!(output.code, 0, "{said}");
            }
            let after = mastodon::digest(&target.connect().wait().unwrap()).wait().unwrap();
            assert_eq!(before, after, "kill {kill}");
            let all = receipts(&target);
            for receipt in &kept {
                assert!(all.contains(receipt), "kill {kill}: {receipt:?} was done again");
            }
            let left = "select (select count(*) from pg_index where not indisvalid) \
                        + (select count(*) from pg_constraint where not convalidated)";
            assert_eq!(target.value(left).wait().unwrap().as_deref(), Some("0"), "kill {kill}");
        }
    }
    assert!(phases.len() >= 2 && phases.contains_key("data"), "{phases:?}");
}
