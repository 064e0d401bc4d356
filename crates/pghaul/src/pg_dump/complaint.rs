//! What a `pg_dump` wrote to stderr, as far as it may be shown.
//!
//! A message of the server comes with its DETAIL, CONTEXT and HINT on lines of their own, in the
//! server's language, and with the query that failed. So only lines that `pg_dump` itself begins
//! are kept, and of these not the details.

/// More than this of stderr is of no use to anybody.
const KEPT_LINES: usize = 40;

/// The lines that may be shown, without the program's name before them.
pub(super) fn readable(stderr: &[u8], program: &str, secrets: &[String]) -> Vec<String> {
    let text = String::from_utf8_lossy(stderr);
    let prefix = format!("{program}: ");
    text.lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .filter(|line| !is_detail(line))
        .map(|line| without(line, secrets))
        .take(KEPT_LINES)
        .collect()
}

/// `detail:` and `hint:` are of 12 and newer, `query was:` stands behind `error:` before 15 and
/// behind a module's name in brackets before 12.
fn is_detail(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let message = match line.split_once("] ") {
        Some((module, message)) if module.starts_with('[') => message,
        _ => line.strip_prefix("error: ").unwrap_or(&line),
    };
    ["detail:", "hint:", "query was:", "the command was:"]
        .iter()
        .any(|word| message.starts_with(word))
}

fn without(line: &str, secrets: &[String]) -> String {
    secrets.iter().fold(line.to_owned(), |line, secret| line.replace(secret.as_str(), "********"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_queries_and_passwords_are_not_shown() {
        let stderr = b"pg_dump: warning: there are circular foreign-key constraints\n\
            pg_dump: detail: orders\n\
            pg_dump: error: query failed: ERROR:  permission denied for table x\n\
            DETAIL:  Key (mail)=(a@example.org)\n\
            TIP:  secret\n\
            pg_dump: detail: Query was: LOCK TABLE x\n\
            pg_dump: error: query was: LOCK TABLE x\n\
            pg_dump: [archiver (db)] query failed: ERROR:  no\n\
            pg_dump: [archiver (db)] query was: LOCK\n\
            pg_dump: error: password \"hunter2\" is wrong\n\
            other: error: x\n";
        assert_eq!(
            readable(stderr, "pg_dump", &["hunter2".to_owned()]),
            [
                "warning: there are circular foreign-key constraints",
                "error: query failed: ERROR:  permission denied for table x",
                "[archiver (db)] query failed: ERROR:  no",
                "error: password \"********\" is wrong",
            ]
        );
    }
}
