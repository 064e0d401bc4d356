//! Passwords: in no output, in no process list.

use std::fs;

use pghaul_testbed::{Database, Role, clients};

use crate::command::{Output, database, filled, pghaul};

/// A password in all its forms: as it is, and as a URL has it.
fn forms(role: &Role, url: &str) -> Vec<String> {
    let (_, rest) = url.split_once("://").unwrap();
    let (_, rest) = rest.split_once(':').unwrap();
    let (encoded, _) = rest.rsplit_once('@').unwrap();
    vec![role.password.clone(), encoded.to_owned(), "s3cret".to_owned()]
}

fn assert_silent(text: &str, forms: &[String]) {
    for form in forms {
        assert!(!text.contains(form.as_str()), "{form} in: {text}");
    }
}

fn assert_silent_output(output: &Output, forms: &[String]) {
    assert_silent(&output.stdout, forms);
    assert_silent(&output.stderr, forms);
}

/// A role that owns its source and its target.
fn own(hint: &str) -> (Role, Database<'static>, Database<'static>) {
    let (source, target) = (filled("source"), database("target"));
    let role = Role::create(source.server(), hint, "superuser").unwrap();
    (role, source, target)
}

#[test]
fn a_clone_shows_its_passwords_to_nobody() {
    let (role, source, target) = own("secretive");
    let (from, to) = (source.url_as(&role), target.url_as(&role));
    let forms = forms(&role, &from);
    // Writes down its own arguments and those of all processes that can be seen.
    let folder = tempfile::tempdir().unwrap();
    let (seen, wrapper) = (folder.path().join("seen"), folder.path().join("pg_dump"));
    let script = format!(
        "for process in /proc/[0-9]*; do tr '\\0' ' ' < $process/cmdline; echo; done \
         >> '{}' 2>/dev/null\nexec '{}' \"$@\"",
        seen.display(),
        clients().unwrap().pg_dump().display()
    );
    pghaul_testbed::script(&wrapper, &script).unwrap();
    let output = pghaul(&["clone", "-v", "--json", "--pg-dump"])
        .arg(&wrapper)
        .source(&from)
        .target(&to)
        .env("PATH", "/usr/bin:/bin")
        .run();
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_silent_output(&output, &forms);
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("--snapshot"), "pg_dump was seen: {seen}");
    // Other tests give passwords of theirs as arguments, to see that these are not shown.
    let ours: Vec<&str> = seen.lines().filter(|line| line.contains("secretive")).collect();
    assert_silent(&ours.join("\n"), &forms);
    assert_silent(&seen, &forms[..2]);
    for database in [&source, &target] {
        let state = "select string_agg(r::text, ' ') from pghaul.run r";
        if let Ok(Some(state)) = database.value(state).wait() {
            assert_silent(&state, &forms);
        }
    }
}

#[test]
fn failures_show_no_password() {
    let (role, source, target) = own("talkative");
    let (from, to) = (source.url_as(&role), target.url_as(&role));
    let forms = forms(&role, &from);
    let wrong_port = from.replace(&format!(":{}", source.server().port()), ":1");
    let wrong_database = from.replace(source.name(), "not_there");
    for url in [wrong_port, wrong_database, format!("{from}?nonsense=1"), format!("x{from}")] {
        let output = pghaul(&["clone", "--json"]).source(&url).target(&to).run();
        assert_ne!(output.code, 0);
        assert_silent_output(&output, &forms);
        // Where flags are mistyped, too.
        for arguments in [
            ["clone", "--sorce", url.as_str()],
            ["clone", url.as_str(), "--source"],
            ["status", "--jobs", url.as_str()],
            ["clone", "--jobs", url.as_str()],
        ] {
            let output = pghaul(&arguments).run();
            assert_eq!(output.code, 2);
            assert_silent_output(&output, &forms);
        }
    }
}
