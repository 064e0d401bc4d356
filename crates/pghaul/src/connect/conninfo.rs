//! The grammar of connection strings: `keyword=value` words and URIs (Postgres manual, 34.1.1).
//!
//! Invariant: what comes out is the pairs in the order given, undecoded by meaning; nothing that
//! was read as a value, or that could be a piece of a badly quoted password, stands in an error.

/// Why a connection string cannot be read. Quotes no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(String);

impl Unreadable {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Keyword and value.
pub(super) type Pair = (String, String);

/// Reads a connection string of either form. An empty one asks for nothing but defaults.
pub(super) fn read(text: &str) -> Result<Vec<Pair>, Unreadable> {
    match text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
        Some(rest) => read_uri(rest),
        None => read_words(text),
    }
}

/// `host=localhost port=5432`: quotes `'…'`, backslashes escape, blanks around `=` are allowed.
fn read_words(text: &str) -> Result<Vec<Pair>, Unreadable> {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let keyword = &rest[..end];
        let Some(after) = rest[end..].trim_start().strip_prefix('=') else {
            return Err(missing_equals(pairs.len(), text));
        };
        let (value, after) = read_value(after.trim_start())?;
        pairs.push((keyword.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

fn missing_equals(read: usize, text: &str) -> Unreadable {
    if read == 0 && !text.trim().contains(char::is_whitespace) {
        return Unreadable::new(
            "it is neither a URI (postgresql://…) nor words of the form keyword=value; a \
             database's name alone is written dbname=NAME",
        );
    }
    Unreadable::new(format!(
        "a word after {read} keyword=value pairs has no `=`; a value with blanks stands in single \
         quotes"
    ))
}

/// One value and what follows it.
fn read_value(text: &str) -> Result<(String, &str), Unreadable> {
    let quoted = text.strip_prefix('\'');
    let mut value = String::new();
    let body = quoted.unwrap_or(text);
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                if let Some((_, escaped)) = chars.next() {
                    value.push(escaped);
                }
            }
            '\'' if quoted.is_some() => return Ok((value, &body[at + 1..])),
            c if quoted.is_none() && c.is_ascii_whitespace() => return Ok((value, &body[at..])),
            c => value.push(c),
        }
    }
    if quoted.is_some() {
        return Err(Unreadable::new("a single quote is opened and never closed"));
    }
    Ok((value, ""))
}

/// What follows `postgresql://`: `[user[:password]@][host[:port][,…]][/dbname][?keyword=value&…]`.
fn read_uri(text: &str) -> Result<Vec<Pair>, Unreadable> {
    let mut pairs = Vec::new();
    // As libpq does: an `@` counts for credentials only before the first slash.
    let authority_end = text.find('/').unwrap_or(text.len());
    let rest = match text[..authority_end].find('@') {
        Some(at) => {
            read_credentials(&text[..at], &mut pairs)?;
            &text[at + 1..]
        }
        None => text,
    };
    let hosts_end = rest.find(['/', '?']).unwrap_or(rest.len());
    read_hosts(&rest[..hosts_end], &mut pairs)?;
    let mut rest = &rest[hosts_end..];
    if let Some(path) = rest.strip_prefix('/') {
        let end = path.find('?').unwrap_or(path.len());
        if path[..end].contains('@') {
            return Err(stray_at());
        }
        if end > 0 {
            pairs.push(("dbname".to_owned(), decode(&path[..end])?));
        }
        rest = &path[end..];
    }
    if let Some(query) = rest.strip_prefix('?') {
        read_query(query, &mut pairs)?;
    }
    Ok(pairs)
}

/// libpq would take what stands before a stray `@` for a host or a database, and a password
/// would be shown as such.
fn stray_at() -> Unreadable {
    Unreadable::new(
        "it has an `@` where none may stand; write `@`, `/`, `?`, `#`, `%` and `:` inside a \
         password as %40, %2F, %3F, %23, %25 and %3A",
    )
}

fn read_credentials(text: &str, pairs: &mut Vec<Pair>) -> Result<(), Unreadable> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    if !user.is_empty() {
        pairs.push(("user".to_owned(), decode(user)?));
    }
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        pairs.push(("password".to_owned(), decode(password)?));
    }
    Ok(())
}

fn read_hosts(text: &str, pairs: &mut Vec<Pair>) -> Result<(), Unreadable> {
    if text.is_empty() {
        return Ok(());
    }
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for entry in text.split(',') {
        let (host, port) = read_host(entry)?;
        hosts.push(decode(host)?);
        ports.push(decode(port)?);
    }
    if hosts.iter().any(|host| host.contains('@') && !host.starts_with('@')) {
        return Err(stray_at());
    }
    pairs.push(("host".to_owned(), hosts.join(",")));
    if ports.iter().any(|port| !port.is_empty()) {
        pairs.push(("port".to_owned(), ports.join(",")));
    }
    Ok(())
}

/// Host and port of one entry; an IPv6 address stands in brackets.
fn read_host(entry: &str) -> Result<(&str, &str), Unreadable> {
    let Some(bracketed) = entry.strip_prefix('[') else {
        return Ok(entry.split_once(':').unwrap_or((entry, "")));
    };
    let (address, after) = bracketed
        .split_once(']')
        .filter(|(address, _)| !address.is_empty())
        .ok_or_else(|| Unreadable::new("an IPv6 address in brackets is empty or not closed"))?;
    match after.strip_prefix(':') {
        Some(port) => Ok((address, port)),
        None if after.is_empty() => Ok((address, "")),
        None => Err(Unreadable::new("only `:port`, `,`, `/` or `?` may follow an IPv6 address")),
    }
}

fn read_query(text: &str, pairs: &mut Vec<Pair>) -> Result<(), Unreadable> {
    for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
        let (keyword, value) = parameter
            .split_once('=')
            .filter(|(_, value)| !value.contains('='))
            .ok_or_else(|| {
                Unreadable::new(
                    "a parameter after `?` is not of the form keyword=value; write `?` inside a \
                     password as %3F and `=` inside a value as %3D",
                )
            })?;
        let (keyword, value) = (decode(keyword)?, decode(value)?);
        // What JDBC's URIs say, and libpq understands too.
        if keyword == "ssl" && value == "true" {
            pairs.push(("sslmode".to_owned(), "require".to_owned()));
        } else {
            pairs.push((keyword, value));
        }
    }
    Ok(())
}

/// Undoes percent encoding.
fn decode(text: &str) -> Result<String, Unreadable> {
    let bad =
        || Unreadable::new("a `%` is not followed by two hexadecimal digits; write it as %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut input = text.bytes();
    while let Some(byte) = input.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit =
            || input.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(bad);
        let code = digit()? * 16 + digit()?;
        match u8::try_from(code) {
            Ok(0) | Err(_) => return Err(Unreadable::new("%00 is forbidden")),
            Ok(code) => bytes.push(code),
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| Unreadable::new("percent-encoded bytes are not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        read(text).unwrap()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<Pair> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn words_as_the_manual_shows_them() {
        for (text, expected) in [
            ("", &[][..]),
            ("  \n ", &[]),
            (
                "host=localhost port=5432 dbname=mydb connect_timeout=10",
                &[
                    ("host", "localhost"),
                    ("port", "5432"),
                    ("dbname", "mydb"),
                    ("connect_timeout", "10"),
                ][..],
            ),
            ("host = a  user= 'it\\'s \\\\ me'", &[("host", "a"), ("user", "it's \\ me")]),
            ("password='' user=a\\ b", &[("password", ""), ("user", "a b")]),
            // libpq too takes what follows the blanks as the value.
            ("user= dbname=x", &[("user", "dbname=x")]),
            ("password=", &[("password", "")]),
        ] {
            assert_eq!(pairs(text), owned(expected), "{text}");
        }
    }

    #[test]
    fn uris_as_the_manual_shows_them() {
        for (text, expected) in [
            ("postgresql://", &[][..]),
            ("postgresql://localhost", &[("host", "localhost")][..]),
            ("postgresql://localhost:5433", &[("host", "localhost"), ("port", "5433")]),
            ("postgres://localhost/mydb", &[("host", "localhost"), ("dbname", "mydb")]),
            (
                "postgresql://user:secret@localhost",
                &[("user", "user"), ("password", "secret"), ("host", "localhost")],
            ),
            (
                "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
                &[
                    ("user", "other"),
                    ("host", "localhost"),
                    ("dbname", "otherdb"),
                    ("connect_timeout", "10"),
                    ("application_name", "myapp"),
                ],
            ),
            (
                "postgresql://host1:123,host2:456/somedb?target_session_attrs=any",
                &[
                    ("host", "host1,host2"),
                    ("port", "123,456"),
                    ("dbname", "somedb"),
                    ("target_session_attrs", "any"),
                ],
            ),
            (
                "postgresql:///mydb?host=localhost&port=5433",
                &[("dbname", "mydb"), ("host", "localhost"), ("port", "5433")],
            ),
            (
                "postgresql://[2001:db8::1234]:99/database",
                &[("host", "2001:db8::1234"), ("port", "99"), ("dbname", "database")],
            ),
            (
                "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname",
                &[("host", "/var/lib/postgresql"), ("dbname", "dbname")],
            ),
            (
                "postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff",
                &[
                    ("user", "user"),
                    ("host", "localhost"),
                    ("port", "5433"),
                    ("dbname", "mydb"),
                    ("options", "-c synchronous_commit=off"),
                ],
            ),
            ("postgres://?ssl=true", &[("sslmode", "require")]),
            ("postgres://h,[::1]:2,?user=u", &[("host", "h,::1,"), ("port", ",2,"), ("user", "u")]),
        ] {
            assert_eq!(pairs(text), owned(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_quoting_it() {
        for text in [
            "hunter2",
            "password=my hunter2",
            "password='hunter2",
            "postgresql://u:p@hunter2@host/db",
            "postgresql://u:%zz@host/hunter2",
            "postgresql://u:%0@host/hunter2",
            "postgresql://u:%00@host/hunter2",
            "postgresql://u:%ff@host/hunter2",
            "postgresql://h/d?hunter2",
            "postgresql://h/d?a=hunter2=c",
            "postgresql://[::1/hunter2",
            "postgresql://[]/hunter2",
            "postgresql://[::1]hunter2/",
        ] {
            let error = read(text).expect_err(text);
            assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
        }
    }

    fn quote(value: &str) -> String {
        format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
    }

    fn encode(value: &str) -> String {
        value.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    proptest! {
        #[test]
        fn any_quoted_value_comes_back(value in "[^\0]*", other in "[^\0]*") {
            let text = format!("password={} user = {}", quote(&value), quote(&other));
            prop_assert_eq!(pairs(&text), owned(&[("password", &value), ("user", &other)]));
        }

        #[test]
        fn any_encoded_part_comes_back(
            user in "[^\0]+", password in "[^\0]+", host in "[^\0@,]+", dbname in "[^\0]+",
            port in 1u16..,
        ) {
            let text = format!(
                "postgresql://{}:{}@{}:{port}/{}?passfile={}",
                encode(&user), encode(&password), encode(&host), encode(&dbname), encode(&user),
            );
            prop_assert_eq!(pairs(&text), owned(&[
                ("user", &user), ("password", &password), ("host", &host),
                ("port", &port.to_string()), ("dbname", &dbname), ("passfile", &user),
            ]));
        }

        #[test]
        fn nothing_panics(text in ".*", uri in "postgres://[]a-z0-9:@/?&=%,\\[]*") {
            let _ = read(&text);
            let _ = read(&uri);
        }
    }
}
