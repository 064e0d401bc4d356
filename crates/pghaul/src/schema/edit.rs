//! Changes to a statement at places that the scanner found, applied all at once.

use std::ops::Range;

use super::scan::Token;

/// Replacements by place in one text. They must not overlap.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Puts `text` where `range` is.
    pub(super) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.0.push((range, text.into()));
    }

    /// Takes `range` away.
    pub(super) fn remove(&mut self, range: Range<usize>) {
        self.replace(range, "");
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with all changes made.
    pub(super) fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(range, _)| range.start);
        let mut changed = String::with_capacity(text.len());
        let mut from = 0;
        for (range, replacement) in self.0 {
            changed.push_str(&text[from..range.start]);
            changed.push_str(&replacement);
            from = range.end;
        }
        changed.push_str(&text[from..]);
        changed
    }
}

/// A list with commas: its elements, as ranges of tokens.
pub(super) struct List {
    pub(super) elements: Vec<Range<usize>>,
}

impl List {
    /// The list whose elements begin at token `from` and that ends before the first token of
    /// depth 0 for which `ends` holds: a closing bracket, a key word.
    pub(super) fn read(
        tokens: &[Token<'_>],
        from: usize,
        ends: impl Fn(&Token<'_>) -> bool,
    ) -> Self {
        let mut elements = Vec::new();
        let (mut depth, mut start, mut at) = (0_u32, from, from);
        while let Some(token) = tokens.get(at) {
            if depth == 0 && ends(token) {
                break;
            }
            if token.is_symbol('(') || token.is_symbol('[') {
                depth += 1;
            } else if token.is_symbol(')') || token.is_symbol(']') {
                depth = depth.saturating_sub(1);
            } else if depth == 0 && token.is_symbol(',') {
                elements.push(start..at);
                start = at + 1;
            }
            at += 1;
        }
        elements.push(start..at);
        elements.retain(|element| !element.is_empty());
        Self { elements }
    }

    /// The list in the brackets that token `open` opens.
    pub(super) fn in_brackets(tokens: &[Token<'_>], open: usize) -> Self {
        Self::read(tokens, open + 1, |token| token.is_symbol(')'))
    }

    /// Takes away the elements for which `unwanted` holds, each with one comma. Gives how many
    /// are left.
    pub(super) fn remove(
        &self,
        tokens: &[Token<'_>],
        edits: &mut Edits,
        unwanted: impl Fn(&[Token<'_>]) -> bool,
    ) -> usize {
        let mut kept = 0;
        for (at, element) in self.elements.iter().enumerate() {
            let Some(own) = tokens.get(element.clone()) else { continue };
            let (Some(first), Some(last)) = (own.first(), own.last()) else { continue };
            if !unwanted(own) {
                kept += 1;
            } else if kept > 0 {
                // With the comma before it.
                let before = self.elements[..at].last().and_then(|range| tokens.get(range.end - 1));
                edits.remove(before.map_or(first.start, Token::end)..last.end());
            } else {
                // With the comma behind it, if there is one.
                let next = self.elements.get(at + 1).and_then(|range| tokens.get(range.start));
                edits.remove(first.start..next.map_or(last.end(), |next| next.start));
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::scan::scan;

    fn without(sql: &str, unwanted: &str) -> (String, usize) {
        let tokens = scan(sql).unwrap();
        let mut edits = Edits::default();
        let left = List::in_brackets(&tokens, 0)
            .remove(&tokens, &mut edits, |element| element[0].is_word(unwanted));
        (edits.apply(sql), left)
    }

    #[test]
    fn an_element_goes_with_one_comma() {
        assert_eq!(without("(x, a (1, 2), b);", "X"), ("(a (1, 2), b);".to_owned(), 2));
        assert_eq!(without("(a, x, b)", "x"), ("(a, b)".to_owned(), 2));
        assert_eq!(without("(a, x)", "x"), ("(a)".to_owned(), 1));
        assert_eq!(without("(x)", "x"), ("()".to_owned(), 0));
        assert_eq!(without("(x, x, a, x, x)", "x"), ("(a)".to_owned(), 1));
        assert_eq!(without("(a, x, x, b, x)", "x"), ("(a, b)".to_owned(), 2));
        assert_eq!(without("()", "x"), ("()".to_owned(), 0));
    }
}
