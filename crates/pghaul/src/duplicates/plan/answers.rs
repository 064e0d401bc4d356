//! Answers to the questions of a plan.
//!
//! ```toml
//! # Merge all rows of the group into this one.
//! [answer."3f2a51c09b7de844"]
//! keep = "(17,4)"
//! others = "merge"
//!
//! # Two accounts that are not the same: the others get another name.
//! [answer."90c1e2aa31f00b12"]
//! keep = "(9,1)"
//! others = "rename"
//!
//! # Equal ids, different content: the others get these.
//! [answer."c0ffee0000000001"]
//! keep = "(9,1)"
//! others = "new_key"
//! new_keys = { "(9,2)" = "4711" }
//! ```
//!
//! Invariant: an answer to no question is an error, as is one that leaves something out; a
//! question without an answer stays one.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, ErrorKind};

/// All answers of one file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    #[serde(default, rename = "answer")]
    answers: BTreeMap<String, Answer>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The ctid of the row that stays as it is.
    pub keep: String,
    /// What becomes of the others.
    pub others: AnswerFor,
    /// New values of the key that is shared, by ctid.
    #[serde(default)]
    pub new_keys: BTreeMap<String, String>,
}

/// What becomes of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerFor {
    /// Merged into the one that stays.
    Merge,
    /// They get another name, and keep everything.
    Rename,
    /// They get another key, and keep everything but what refers to the old one.
    NewKey,
}

impl Answers {
    /// Reads answers; `place` is the file's name, for errors.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`], with line and field.
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::new(ErrorKind::Usage, format!("cannot use the answers in {place}: {why}"))
                .with_hint(
                    "the format is described in the manual, `pghaul::duplicates::plan::answers`",
                )
        };
        let answers: Self =
            toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end()))?;
        for (question, answer) in &answers.answers {
            if (answer.others == AnswerFor::NewKey) == answer.new_keys.is_empty() {
                return Err(wrong(&format!(
                    "question {question}: `new_keys` goes with others = \"new_key\", and only with it"
                )));
            }
        }
        Ok(answers)
    }

    /// The answer to a question.
    pub fn to(&self, question: &str) -> Option<&Answer> {
        self.answers.get(question)
    }

    /// The questions that are answered.
    pub fn questions(&self) -> impl Iterator<Item = &str> {
        self.answers.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_can_be_read() {
        let text: String = include_str!("answers.rs")
            .lines()
            .skip_while(|line| *line != "//! ```toml")
            .skip(1)
            .take_while(|line| *line != "//! ```")
            .map(|line| format!("{}\n", line.trim_start_matches("//!").trim_start()))
            .collect();
        let answers = Answers::parse(&text, "the example").unwrap();
        assert_eq!(answers.questions().count(), 3);
        assert_eq!(answers.to("3f2a51c09b7de844").unwrap().others, AnswerFor::Merge);
    }

    #[test]
    fn holes_are_errors() {
        for hole in [
            "[answer.a]\nkeep = '(0,1)'\n",
            "[answer.a]\nothers = 'merge'\n",
            "[answer.a]\nkeep = '(0,1)'\nothers = 'new_key'\n",
            "[answer.a]\nkeep = '(0,1)'\nothers = 'burn'\n",
            "[answers.a]\nkeep = '(0,1)'\nothers = 'merge'\n",
        ] {
            let error = Answers::parse(hole, "mine").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{hole}");
            assert!(error.to_string().contains("mine"), "{error}");
        }
    }
}
