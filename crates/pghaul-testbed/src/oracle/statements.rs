//! Cuts the text of a schema dump into statements, and these into tokens.
//!
//! Invariants: two statements have equal tokens exactly when they differ in nothing but blanks
//! and comments between tokens; a semicolon or a comment's dashes within quotes, parentheses or
//! a body `BEGIN ATOMIC … END` end nothing (Postgres manual, 4.1); psql's own commands at the
//! start of a line between statements (`\restrict`) are dropped.

/// One statement, without its semicolon.
pub(super) type Tokens = Vec<String>;

/// All statements of a dump in their order.
pub(super) fn split(text: &str) -> Vec<Tokens> {
    let mut statements = Vec::new();
    let mut tokens = Tokens::new();
    let (mut parentheses, mut atomic) = (0_u32, 0_u32);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = blank(rest) {
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        if first == '\\' && tokens.is_empty() {
            rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
            continue;
        }
        let (token, after) = rest.split_at(token_length(rest));
        rest = after;
        match token {
            "(" => parentheses += 1,
            ")" => parentheses = parentheses.saturating_sub(1),
            _ => {}
        }
        atomic = depth_after(token, &tokens, atomic);
        if token == ";" && parentheses == 0 && atomic == 0 {
            statements.push(std::mem::take(&mut tokens));
        } else {
            tokens.push(token.to_owned());
        }
    }
    if !tokens.is_empty() {
        statements.push(tokens);
    }
    statements
}

/// How deep within `BEGIN ATOMIC` a token leaves us. `CASE` has an `END` of its own.
fn depth_after(token: &str, before: &[String], depth: u32) -> u32 {
    let is = |word: &str| token.eq_ignore_ascii_case(word);
    if depth == 0 {
        let begins = is("atomic")
            && before.last().is_some_and(|last| last.eq_ignore_ascii_case("begin"))
            && before.first().is_some_and(|first| first.eq_ignore_ascii_case("create"));
        return u32::from(begins);
    }
    if is("begin") || is("case") {
        return depth + 1;
    }
    if is("end") {
        return depth - 1;
    }
    depth
}

/// The length of the blanks or the comment that `text` begins with.
fn blank(text: &str) -> Option<usize> {
    if text.starts_with("--") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(nested_comment(text));
    }
    let blanks = text.len() - text.trim_start().len();
    (blanks > 0).then_some(blanks)
}

fn nested_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest.chars().next().map_or(usize::MAX - at, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of the token that `text` begins with.
fn token_length(text: &str) -> usize {
    let mut chars = text.chars();
    let first = chars.next().unwrap_or_default();
    let second = chars.next().unwrap_or_default();
    match first {
        '\'' => quoted(text, '\'', false),
        '"' => quoted(text, '"', false),
        'E' | 'e' if second == '\'' => 1 + quoted(text.get(1..).unwrap_or_default(), '\'', true),
        '$' => dollar_quoted(text).unwrap_or(1 + word(text.get(1..).unwrap_or_default())),
        _ if first.is_alphanumeric() || first == '_' || !first.is_ascii() => word(text),
        _ => first.len_utf8(),
    }
}

/// A doubled quote stands for one.
fn quoted(text: &str, quote: char, backslashes: bool) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && backslashes {
            chars.next();
        } else if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return at + 1;
            }
        }
    }
    text.len()
}

fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_end = 1 + text.get(1..)?.find('$')?;
    let tag = text.get(1..tag_end)?;
    let valid = !tag.starts_with(|c: char| c.is_ascii_digit())
        && tag.chars().all(|c| c.is_alphanumeric() || c == '_' || !c.is_ascii());
    if !valid {
        return None;
    }
    let mark = text.get(..=tag_end)?;
    let body = text.get(tag_end + 1..)?;
    Some(body.find(mark).map_or(text.len(), |end| tag_end + 1 + end + mark.len()))
}

fn word(text: &str) -> usize {
    let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii());
    text.find(ends).unwrap_or(text.len())
}

/// For people: as much of a statement as finds it again.
pub(super) fn shown(tokens: &[String]) -> String {
    let mut text = String::new();
    for token in tokens {
        let follows =
            text.chars().last().is_some_and(|last| !matches!(last, '.' | '(' | ':' | '['));
        if follows && !matches!(token.as_str(), "." | "," | ")" | ":" | ";" | "[" | "]") {
            text.push(' ');
        }
        text.push_str(token);
    }
    let shown: String = text.chars().take(600).collect();
    if shown.len() < text.len() { format!("{shown} …") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(text: &str) -> Vec<String> {
        split(text).iter().map(|tokens| tokens.join(" ")).collect()
    }

    #[test]
    fn quotes_hide_semicolons_and_comments() {
        let text = r#"
\restrict abc;def
-- a comment; with a semicolon
SELECT 'it''s; --', E'\'; \\', "a;""b", $$;$$, $a$ $$;$b$ $a$; /* one /* two; */ ; */
SELECT 1;
CREATE RULE r AS ON INSERT TO t DO (INSERT INTO a VALUES (1); INSERT INTO b VALUES ($1));
\unrestrict abc
"#;
        assert_eq!(
            statements(text),
            [
                r#"SELECT 'it''s; --' , E'\'; \\' , "a;""b" , $$;$$ , $a$ $$;$b$ $a$"#,
                "SELECT 1",
                "CREATE RULE r AS ON INSERT TO t DO ( INSERT INTO a VALUES ( 1 ) ; INSERT INTO b \
                 VALUES ( $1 ) )",
            ]
        );
    }

    #[test]
    fn a_body_with_begin_atomic_is_one_statement() {
        let text = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC
            SELECT CASE WHEN true THEN 1 ELSE 2 END; SELECT 2 AS \"end\";
            END; SELECT 3;";
        let found = split(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[1], ["SELECT", "3"]);
    }

    #[test]
    fn blanks_between_tokens_do_not_count_within_quotes_they_do() {
        assert_eq!(split("a  (\n b);"), split("a( b ) ;"));
        assert_ne!(split("select 'a b'"), split("select 'a  b'"));
        assert_ne!(split("select 'a b'"), split("select 'a\nb'"));
    }

    #[test]
    fn a_forged_header_stays_within_its_body() {
        let text = "CREATE FUNCTION f() AS $_$\n--\n-- Name: x; Type: TABLE\n--\n\nALTER ROLE r \
                    SUPERUSER;\n\\connect x\n$_$;\nALTER TABLE t OWNER TO o;";
        assert_eq!(split(text).len(), 2);
    }
}
