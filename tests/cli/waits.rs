//! Who keeps a run waiting is said, as a line and as JSON, and that it goes on.

use pghaul_testbed::Database;
use pghaul_testbed::servers::Session;

use crate::command::{Output, clone, database, filled};

/// Clones while somebody keeps rows out of one table, who lets go once that was said.
fn held(progress: &str, said: &str) -> (Output, Database<'static>) {
    let (source, target) = (filled("source"), database("target"));
    // Types and tables first, so that there is something to lock; then it is held up at its rows.
    let schema = clone(&source, &target, &["--schema-only", "--progress", "none"]).run();
    assert_eq!(schema.code, 0, "{}", schema.stderr);
    let finish = crate::command::pghaul(&["finish"]).target(&target.url()).run();
    assert_eq!(finish.code, 0, "{}", finish.stderr);
    let holder: Session = target.connect().wait().unwrap();
    let lock = "set application_name = 'a tool'; begin; \
                lock table people in share row exclusive mode";
    holder.execute(lock).wait().unwrap();
    let flags = ["--data-only", "--progress", progress];
    let mut running = clone(&source, &target, &flags).start();
    running.wait_for(said);
    holder.execute("rollback").wait().unwrap();
    (running.end(), target)
}

fn assert_done(output: &Output, target: &Database<'_>) {
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let rows = target.value("select count(*) from people").wait().unwrap();
    assert_eq!(rows.as_deref(), Some("1000"));
}

#[test]
fn a_line_names_who_has_the_lock_and_another_says_that_it_goes_on() {
    let (output, target) = held("plain", "waits for process ");
    assert_done(&output, &target);
    let lines: Vec<&str> =
        output.stderr.lines().filter(|line| line.contains("writing `")).collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    for part in [
        "writing `public.",
        " waits for process ",
        "(a tool, role postgres, idle in transaction, for ",
        "has ShareRowExclusiveLock on public.people)",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert!(last.contains("writing `public.") && last.ends_with(" goes on"), "{last}");
}

#[test]
fn an_event_names_who_has_the_lock_and_another_nobody() {
    let (output, target) = held("json", "\"waiting\"");
    assert_done(&output, &target);
    let events: Vec<serde_json::Value> = output
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &serde_json::Value| event["event"] == "waiting")
        .collect();
    let (first, last) = (&events[0], &events[events.len() - 1]);
    let holder = &first["holders"][0];
    assert!(first["what"].as_str().unwrap().starts_with("writing `public."), "{first}");
    assert!(first["v"] == 1 && holder["pid"].is_i64() && holder["age_ms"].is_u64(), "{first}");
    assert!(holder["prepared"].is_null() && holder["pghaul"] == false, "{first}");
    for (field, value) in
        [("user", "postgres"), ("application", "a tool"), ("state", "idle in transaction")]
    {
        assert_eq!(holder[field], value, "{first}");
    }
    let lock = serde_json::json!({
        "mode": "ShareRowExclusiveLock", "relation": "public.people", "granted": true
    });
    assert_eq!(holder["lock"], lock, "{first}");
    assert!(
        last["holders"].as_array().unwrap().is_empty() && last["what"] == first["what"],
        "{last}"
    );
}
