//! Lines under seals.
//!
//! Invariants: a seal is written in one way only and compared with what would be written again, so
//! each byte of a line counts; a newer format is recognized before anything else is read; no line is
//! longer than [`LONGEST`], whatever the file is.

use std::io::{self, BufRead, Read as _};

use pghaul_archive::name::Sha;
use serde::Serialize;

use super::FORMAT;
use super::line::{Begun, Line};

/// What the file begins with.
const MAGIC: &[u8] = b"{\"pghaul_verify\":";

/// No line is longer: the longest has the patterns of a command line.
const LONGEST: u64 = 16 << 20;

/// A line as it was written.
#[derive(Debug)]
pub(super) enum SealedLine {
    /// The first.
    Begun(Begun),
    /// One of the others.
    Other(Line),
}

/// Why a file is not read any further.
#[derive(Debug)]
pub(super) enum Broken {
    /// The system does not give it.
    Io(io::Error),
    /// It does not begin like one of ours.
    Foreign,
    /// It is of this format.
    Newer(u64),
    /// A line is not as it was written, and others follow it.
    Damaged,
}

/// The lines of a file.
pub(super) struct Lines<R> {
    input: R,
    seal: Option<Sha>,
    number: usize,
    whole: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, seal: None, number: 0, whole: 0 }
    }

    /// The next one; none behind the last whole one.
    pub(super) fn next_line(&mut self) -> Result<Option<SealedLine>, Broken> {
        let mut text = Vec::new();
        let read = (&mut self.input).take(LONGEST).read_until(b'\n', &mut text);
        if read.map_err(Broken::Io)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.number == 1 {
            check_format(&text)?;
        }
        let Some((json, seal)) = unseal(self.seal, &text) else {
            // What was being written when everything ended. The first line is written in one go, so it
            // has an end or not.
            let last = self.input.fill_buf().map_err(Broken::Io)?.is_empty();
            let torn = last && (self.number > 1 || !text.ends_with(b"\n"));
            return if torn { Ok(None) } else { Err(Broken::Damaged) };
        };
        let line = if self.number == 1 {
            serde_json::from_slice(json).map(SealedLine::Begun)
        } else {
            serde_json::from_slice(json).map(SealedLine::Other)
        };
        let line = line.map_err(|_| Broken::Damaged)?;
        self.seal = Some(seal);
        self.whole += text.len() as u64;
        Ok(Some(line))
    }

    /// The number of the last line read, from 1.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Bytes of whole lines.
    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    /// The seal of the last whole line.
    pub(super) fn seal(&self) -> Option<Sha> {
        self.seal
    }
}

fn check_format(line: &[u8]) -> Result<(), Broken> {
    let rest = line.strip_prefix(MAGIC).ok_or(Broken::Foreign)?;
    let digits = rest.split(|byte| *byte == b',').next().filter(|digits| digits.len() < rest.len());
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match number {
        Some(FORMAT) => Ok(()),
        Some(newer) if newer > FORMAT => Err(Broken::Newer(newer)),
        _ => Err(Broken::Foreign),
    }
}

/// A line, and its seal.
pub(super) fn seal(before: Option<Sha>, of: &impl Serialize) -> io::Result<(String, Sha)> {
    let json = serde_json::to_string(of)?;
    let seal = seal_of(before, json.as_bytes());
    Ok((format!("{}{json}}}\n", head(before, seal)), seal))
}

fn seal_of(before: Option<Sha>, json: &[u8]) -> Sha {
    let mut text = before.map(|before| before.to_string()).unwrap_or_default().into_bytes();
    text.extend_from_slice(json);
    Sha::of(&text)
}

fn head(before: Option<Sha>, seal: Sha) -> String {
    let format =
        if before.is_none() { format!("\"pghaul_verify\":{FORMAT},") } else { String::new() };
    format!("{{{format}\"seal\":\"{seal}\",\"of\":")
}

/// What a line says, if it is as it was written.
fn unseal(before: Option<Sha>, line: &[u8]) -> Option<(&[u8], Sha)> {
    // All heads at one place are of one length.
    let (_, json) = line.split_at_checked(head(before, Sha([0; 32])).len())?;
    let json = json.strip_suffix(b"}\n")?;
    let seal = seal_of(before, json);
    line.starts_with(head(before, seal).as_bytes()).then_some((json, seal))
}
