//! Findings: what a person should know about a database, as values. A finding is not a failure.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// How much a finding weighs. Ordered: a blocker is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know; leaves exit code 0.
    Note,
    /// Something arrived differently, or was left out: exit code 1.
    Warning,
    /// What was asked cannot be had until it is mended.
    Blocker,
}

/// One thing found, with its remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// A stable name in snake_case; scripts match on it.
    pub code: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// The object it is about, as `schema.name`, if it is about one.
    pub object: Option<String>,
    /// What was found. Never holds a row's values.
    pub message: String,
    /// What to do now.
    pub remedy: String,
}

impl Finding {
    /// A finding about no object in particular; add one with [`Finding::about`].
    pub fn new(
        severity: Severity,
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code, severity, object: None, message: message.into(), remedy: remedy.into() }
    }

    /// Names the object.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a name, a reference or a text")]
    pub fn about(mut self, object: impl ToString) -> Self {
        self.object = Some(object.to_string());
        self
    }
}

/// The code of a finding that was stored, by whatever version of pghaul.
pub(crate) fn stored_code(code: String) -> &'static str {
    // One text a code and process: there are some dozens of codes.
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(code) = known.get(code.as_str()) {
        return code;
    }
    let code: &'static str = Box::leak(code.into_boxed_str());
    known.insert(code);
    code
}
