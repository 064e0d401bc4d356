//! Reads SQL as tokens: where literals, quoted names, dollar quotes and comments begin and end.
//!
//! This is the lexical part of Postgres' grammar (Postgres manual, 4.1) under
//! `standard_conforming_strings = on`, and no more: what the tokens mean is for the callers.
//! Names and literals need no decoding for the questions asked here, except where
//! [`Token::name`] says so.
//!
//! Invariants: the tokens cover the text without gap or overlap, whatever the text is; a text
//! that ends inside a literal, quoted name, dollar quote or comment ends with a token that says
//! so, and [`scan`] gives nothing then, so that no caller edits what it did not understand.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Blanks and comments.
    Blank,
    /// A key word or a name without quotes.
    Word,
    /// A name in double quotes.
    QuotedName,
    /// A string in any of its notations.
    Literal,
    /// Digits; the rest of a number may follow as other tokens.
    Digits,
    /// One character of an operator or of punctuation.
    Symbol,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    pub(super) text: &'a str,
    /// Where it begins in the scanned text, in bytes.
    pub(super) start: usize,
}

impl<'a> Token<'a> {
    /// Where it ends in the scanned text.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this key word, given in capitals.
    pub(super) fn is_word(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this character of punctuation.
    pub(super) fn is_symbol(&self, symbol: char) -> bool {
        self.kind == TokenKind::Symbol && self.text.starts_with(symbol)
    }

    /// The name that it stands for, as the catalog holds it: a quoted name without its quotes, a
    /// word as it is, since whoever prints a name without quotes needs no folding. `None` for
    /// everything else, `U&""` included, which Postgres never prints.
    pub(super) fn name(&self) -> Option<String> {
        match self.kind {
            TokenKind::Word => Some(self.text.to_owned()),
            TokenKind::QuotedName => {
                let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
                Some(inner.replace("\"\"", "\""))
            }
            _ => None,
        }
    }
}

/// All tokens that are not blank, in order. `None` if the text ends inside of one.
pub(super) fn scan(sql: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while start < sql.len() {
        let (kind, length) = measure(&sql[start..])?;
        if kind != TokenKind::Blank {
            tokens.push(Token { kind, text: &sql[start..start + length], start });
        }
        start += length;
    }
    Some(tokens)
}

/// The tokens of each statement, without its semicolon. Semicolons within brackets, and within
/// the body of a function in SQL (`BEGIN ATOMIC … END`), do not end one.
pub(super) fn statements<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let (mut brackets, mut blocks) = (0_u32, 0_u32);
    let mut found = Vec::new();
    let mut start = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Symbol if token.is_symbol('(') => brackets += 1,
            TokenKind::Symbol if token.is_symbol(')') => brackets = brackets.saturating_sub(1),
            TokenKind::Symbol if brackets == 0 && blocks == 0 && token.is_symbol(';') => {
                found.push(&tokens[start..at]);
                start = at + 1;
            }
            TokenKind::Word if token.is_word("BEGIN") => {
                let atomic = tokens.get(at + 1).is_some_and(|next| next.is_word("ATOMIC"));
                blocks += u32::from(atomic);
            }
            // `END` ends both; outside of a body only literals and quoted names hold these words,
            // or expressions where they are balanced.
            TokenKind::Word if blocks > 0 && token.is_word("CASE") => blocks += 1,
            TokenKind::Word if blocks > 0 && token.is_word("END") => blocks -= 1,
            _ => {}
        }
    }
    found.push(&tokens[start..]);
    found.retain(|statement| !statement.is_empty());
    found
}

/// The tokens of the name that begins at `from`, with its schema if there is one. The number of
/// its tokens is the length of what is given.
pub(super) fn qualified_name<'t, 'a>(
    tokens: &'t [Token<'a>],
    from: usize,
) -> Option<&'t [Token<'a>]> {
    let is_name = |at: usize| {
        let kind = tokens.get(at).map(|token| token.kind);
        matches!(kind, Some(TokenKind::Word | TokenKind::QuotedName))
    };
    let mut end = from;
    while is_name(end) {
        end += 1;
        if !tokens.get(end).is_some_and(|token| token.is_symbol('.')) {
            return tokens.get(from..end);
        }
        end += 1;
    }
    None
}

/// The bytes of the text that these tokens cover.
pub(super) fn span(tokens: &[Token<'_>]) -> Range<usize> {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => first.start..last.end(),
        _ => 0..0,
    }
}

/// Kind and length of the token that `rest` begins with. `None` if it does not end.
fn measure(rest: &str) -> Option<(TokenKind, usize)> {
    use TokenKind::{Blank, Digits, Literal, QuotedName, Symbol, Word};
    let bytes = rest.as_bytes();
    let next = bytes.get(1).copied();
    match *bytes.first()? {
        byte if is_space(byte) => Some((Blank, count(bytes, is_space))),
        b'-' if next == Some(b'-') => Some((Blank, count(bytes, |byte| !is_newline(byte)))),
        b'/' if next == Some(b'*') => Some((Blank, comment(bytes)?)),
        b'\'' => Some((Literal, quoted(bytes, b'\'')?)),
        b'"' => Some((QuotedName, quoted(bytes, b'"')?)),
        b'E' | b'e' if next == Some(b'\'') => Some((Literal, escaped(bytes)?)),
        b'B' | b'b' | b'X' | b'x' | b'N' | b'n' if next == Some(b'\'') => {
            Some((Literal, 1 + quoted(&bytes[1..], b'\'')?))
        }
        b'U' | b'u' if next == Some(b'&') && bytes.get(2) == Some(&b'\'') => {
            Some((Literal, 2 + quoted(&bytes[2..], b'\'')?))
        }
        b'U' | b'u' if next == Some(b'&') && bytes.get(2) == Some(&b'"') => {
            Some((QuotedName, 2 + quoted(&bytes[2..], b'"')?))
        }
        b'$' => match dollar_tag(bytes) {
            Some(tag) => Some((Literal, dollar_quoted(rest, tag)?)),
            None => Some((Symbol, 1)),
        },
        byte if is_name_start(byte) => Some((Word, count(bytes, is_name_part))),
        byte if byte.is_ascii_digit() => Some((Digits, count(bytes, |byte| byte.is_ascii_digit()))),
        _ => Some((Symbol, 1)),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn count(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| wanted(**byte)).count()
}

/// Comments nest.
fn comment(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_u32;
    let mut at = 0;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

/// A quote is doubled inside; nothing else is special.
fn quoted(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    loop {
        if *bytes.get(at)? == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return Some(at + 1);
            }
            at += 1;
        }
        at += 1;
    }
}

/// `E''`: a backslash takes the next byte with it. A literal that goes on after a line break
/// goes on as one of this kind, so that is read as a part of it.
fn escaped(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        match *bytes.get(at)? {
            b'\\' => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => match continued(&bytes[at + 1..]) {
                Some(gap) => at += 1 + gap + 1,
                None => return Some(at + 1),
            },
            _ => at += 1,
        }
    }
}

/// How many bytes stand between a literal and the quote that continues it: blanks and comments to
/// the end of the line, with at least one line break.
fn continued(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut broken = false;
    loop {
        match *bytes.get(at)? {
            byte if is_space(byte) => {
                broken |= is_newline(byte);
                at += 1;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at += count(&bytes[at..], |byte| !is_newline(byte));
            }
            b'\'' if broken => return Some(at),
            _ => return None,
        }
    }
}

/// `$$` or `$tag$` at the beginning. A dollar sign within a name never comes here, since the name
/// has taken it.
fn dollar_tag(bytes: &[u8]) -> Option<usize> {
    let name = count(&bytes[1..], |byte| is_name_start(byte) || byte.is_ascii_digit());
    if name > 0 && !is_name_start(bytes[1]) {
        return None;
    }
    (bytes.get(1 + name) == Some(&b'$')).then_some(name + 2)
}

fn dollar_quoted(rest: &str, tag: usize) -> Option<usize> {
    let body = rest.get(tag..)?;
    Some(tag + body.find(rest.get(..tag)?)? + tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        scan(sql).unwrap().iter().map(|token| token.text).collect()
    }

    #[test]
    fn quotes_hide_what_is_in_them() {
        for whole in [
            "'it''s; -- \\'",
            "E'a\\'; --'",
            "e'\\\\'",
            "E'a'\n  'b\\';'",
            "E'a' -- c'\n 'b\\';'",
            "$$ '; $a$ $$",
            "$a_1$ $$ $a$ $a_1$",
            "\"a\"\"; --\"",
            "U&\"a;\"",
            "U&'a;'",
            "B'1;'",
            "$é$;$é$",
        ] {
            assert_eq!(texts(&format!("x {whole}y")), ["x", whole, "y"], "{whole}");
        }
    }

    #[test]
    fn comments_are_blank_and_nest() {
        assert_eq!(texts("a -- b; '\nc/* /* ' */ ; */d+--x\n;"), ["a", "c", "d", "+", ";"]);
        assert_eq!(texts("--"), [""; 0]);
    }

    #[test]
    fn what_looks_like_a_quote_is_none() {
        // A name takes a dollar sign, a parameter is no tag, a standard literal no escape.
        assert_eq!(texts("a$b$;c"), ["a$b$", ";", "c"]);
        assert_eq!(texts("$1$;"), ["$", "1", "$", ";"]);
        assert_eq!(texts("'\\';"), ["'\\'", ";"]);
        assert_eq!(texts("1e'\\''"), ["1", "e'\\''"]);
    }

    #[test]
    fn a_text_that_ends_inside_gives_nothing() {
        for open in ["'a", "E'a\\'", "E'a'\n'b", "\"a", "$$ a", "$a$ $b$", "/* /* */", "a 'b''"] {
            assert_eq!(scan(open), None, "{open}");
        }
    }

    #[test]
    fn statements_end_at_semicolons_outside() {
        let tokens = scan("a (';' ; b); -- c;\n; d \";\"").unwrap();
        let firsts: Vec<_> = statements(&tokens).iter().map(|one| one[0].text).collect();
        assert_eq!(firsts, ["a", "d"]);
        let body =
            "create function f() begin atomic select case when a then b end; select 1; end; next";
        let tokens = scan(body).unwrap();
        let firsts: Vec<_> = statements(&tokens).iter().map(|one| one[0].text).collect();
        assert_eq!(firsts, ["create", "next"]);
    }

    proptest::proptest! {
        /// Whatever the text is: no gap, no overlap, every byte in a token or blank.
        #[test]
        fn tokens_cover_any_text(sql in "[-a$E'\"/*;\\\\\n é1]{0,40}") {
            if let Some(tokens) = scan(&sql) {
                let mut end = 0;
                for token in tokens {
                    proptest::prop_assert!(token.start >= end);
                    proptest::prop_assert_eq!(&sql[token.start..token.end()], token.text);
                    end = token.end();
                }
            }
        }

        /// Atoms with blanks between them come back as they went in.
        #[test]
        fn atoms_come_back(atoms in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", "\"b\"\" ;\"", "'it''s'", "E'\\'; '", "$$ ' $$", "$x$ $$ ; $x$", ";", "(", "é$a", "7",
                "U&'\\0061;'", "x'1f'", "+", "\"--\"", "'/*'",
            ]), 0..12,
        ), gaps in proptest::collection::vec(
            proptest::sample::select(vec![" ", "\t", " /* ' ; */ ", " /* \" $$\n */ "]), 12,
        )) {
            let mut sql = String::new();
            for (atom, gap) in atoms.iter().zip(&gaps) {
                sql.push_str(atom);
                sql.push_str(gap);
            }
            proptest::prop_assert_eq!(texts(&sql), atoms);
        }
    }
}
