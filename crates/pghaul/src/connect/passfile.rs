//! The password file (Postgres manual, 34.16).

use std::fmt;
use std::path::{Path, PathBuf};

/// A password: never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself, for the driver and for a child's password file.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What a password is looked up by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The host as the user wrote it, else its address; `localhost` for the default socket.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) dbname: &'a str,
    pub(super) user: &'a str,
}

/// What looking into the file gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Password(Secret),
    /// No line matches, or there is no such file.
    Nothing,
    /// The file is there and was not used, for a reason the user must learn if a password is
    /// wanted after all.
    Unusable(Unusable),
}

/// Why a file was not used. libpq ignores such a file too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error(
        "the password file {} was ignored: its group or others may read it; its mode must be \
         0600 or less",
        .0.display()
    )]
    OpenToOthers(PathBuf),
    #[error("the password file {} was ignored: it is no plain file", .0.display())]
    NoPlainFile(PathBuf),
    #[error("the password file {} cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, String),
}

/// Looks a password up; the first line that matches counts.
pub(super) fn look_up(file: &Path, wanted: Wanted<'_>) -> Found {
    let metadata = match std::fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => {
            return Found::Unusable(Unusable::Unreadable(file.to_owned(), error.to_string()));
        }
    };
    if !metadata.is_file() {
        return Found::Unusable(Unusable::NoPlainFile(file.to_owned()));
    }
    if open_to_others(&metadata) {
        return Found::Unusable(Unusable::OpenToOthers(file.to_owned()));
    }
    match std::fs::read_to_string(file) {
        Ok(text) => find(&text, wanted).map_or(Found::Nothing, Found::Password),
        Err(error) => Found::Unusable(Unusable::Unreadable(file.to_owned(), error.to_string())),
    }
}

#[cfg(unix)]
fn open_to_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn open_to_others(_: &std::fs::Metadata) -> bool {
    false
}

fn find(text: &str, wanted: Wanted<'_>) -> Option<Secret> {
    let port = wanted.port.to_string();
    let keys = [wanted.host, &port, wanted.dbname, wanted.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line.strip_suffix('\r').unwrap_or(line);
        for key in keys {
            let (field, after) = field(rest)?;
            rest = after?;
            if field.text != key && !field.is_wildcard {
                return None;
            }
        }
        // The password ends at a colon too, as in libpq: nothing after it has a meaning yet.
        Some(Secret::new(field(rest)?.0.text))
    })
}

struct Field {
    text: String,
    is_wildcard: bool,
}

/// One field, and what follows its colon, if there is one. `\:` and `\\` stand for themselves.
fn field(text: &str) -> Option<(Field, Option<&str>)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    let mut rest = None;
    while let Some((at, c)) = chars.next() {
        match c {
            ':' => {
                rest = Some(&text[at + 1..]);
                break;
            }
            '\\' => value.push(chars.next().map_or('\\', |(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    let is_wildcard = text == "*" || text.starts_with("*:");
    Some((Field { text: value, is_wildcard }, rest))
}

/// A line that gives this password to whoever asks, if a line can hold it.
pub(super) fn line_for_all(password: &Secret) -> Option<String> {
    if password.0.contains(['\n', '\r']) {
        return None;
    }
    Some(format!("*:*:*:*:{}\n", password.0.replace('\\', "\\\\").replace(':', "\\:")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(host: &str) -> Wanted<'_> {
        Wanted { host, port: 5432, dbname: "db", user: "me" }
    }

    fn find_in(text: &str, host: &str) -> Option<String> {
        find(text, wanted(host)).map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn the_first_line_that_matches_counts() {
        let text = "\
# h:5432:db:me:comment
h:5433:db:me:other port
h:5432:other:me:other database
h:*:*:you:other user
h:*:db:me:right
*:*:*:*:fallback
";
        assert_eq!(find_in(text, "h").as_deref(), Some("right"));
        assert_eq!(find_in(text, "elsewhere").as_deref(), Some("fallback"));
    }

    #[test]
    fn escapes_and_wildcards() {
        assert_eq!(find_in("\\:\\:1:5432:db:me:a\\:b\\\\c", "::1").as_deref(), Some("a:b\\c"));
        assert_eq!(find_in("\\*:*:*:*:x", "h"), None, "an escaped star is a star");
        assert_eq!(find_in("\\*:*:*:*:x", "*").as_deref(), Some("x"));
        assert_eq!(find_in("h:5432:db:me", "h"), None, "a line without a password");
        assert_eq!(find_in("h:5432:db:me:", "h").as_deref(), Some(""));
        assert_eq!(find_in("h:5432:db:me:p\r\n", "h").as_deref(), Some("p"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_open_to_others_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        std::fs::write(&file, "*:*:*:*:secret\n").unwrap();
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = look_up(&file, wanted("h"));
            assert_eq!(found == Found::Password(Secret::new("secret")), used, "{mode:o}");
            assert!(used || matches!(&found, Found::Unusable(Unusable::OpenToOthers(_))));
            assert!(!format!("{found:?}").contains("secret"));
        }
        assert_eq!(look_up(&folder.path().join("absent"), wanted("h")), Found::Nothing);
        assert!(matches!(look_up(folder.path(), wanted("h")), Found::Unusable(_)));
    }

    proptest! {
        #[test]
        fn any_password_of_one_line_comes_back(password in "[^\n\r\0]*") {
            let line = line_for_all(&Secret::new(password.as_str())).unwrap();
            prop_assert_eq!(find_in(&line, "h"), Some(password));
        }
    }
}
