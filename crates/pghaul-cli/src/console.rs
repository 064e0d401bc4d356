//! Where things are written and how: the two streams, colours, how much, in which format.
//!
//! Invariants: decided once from the flags; a reader that went away is no failure of the work, a
//! full disk is.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use crate::exit::Exit;
use crate::flags::{Color, LogFormat, Output, ProgressStyle};

/// How results are written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Results {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What matters.
    Normal,
    /// Each table and step.
    Verbose,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Bars that move.
    Bars,
    /// A line every 10 seconds.
    Lines,
    /// JSON lines.
    Json,
    /// Not at all.
    Nothing,
}

/// What the flags decided.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    /// Results on stdout.
    pub results: Results,
    /// Errors and messages on stderr.
    pub log: LogFormat,
    /// How much is told.
    pub detail: Detail,
    /// Progress on stderr.
    pub progress: Shown,
    color: ColorChoice,
}

impl Console {
    /// Decides.
    pub fn new(flags: &Output) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            results: if flags.json { Results::Json } else { Results::Text },
            log: flags.log_format,
            detail: if flags.verbose { Detail::Verbose } else { Detail::Normal },
            progress: match flags.progress {
                ProgressStyle::Auto | ProgressStyle::Bar if terminal => Shown::Bars,
                ProgressStyle::Auto | ProgressStyle::Bar | ProgressStyle::Plain => Shown::Lines,
                ProgressStyle::Json => Shown::Json,
                ProgressStyle::None => Shown::Nothing,
            },
            color: match flags.color {
                Color::Auto => ColorChoice::Auto,
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
            },
        }
    }

    /// The same without progress.
    #[must_use]
    pub fn without_progress(self) -> Self {
        Self { progress: Shown::Nothing, ..self }
    }

    /// Writes a result to stdout. Gives the exit code that says so if that fails.
    pub fn result(&self, text: &str) -> Result<(), Exit> {
        let mut stream = AutoStream::new(io::stdout(), self.color);
        self.written(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()))
    }

    /// Writes a result to stdout as one JSON object on a line, while it is made. Gives the exit code
    /// that says so if that fails.
    pub fn json(&self, result: &impl Serialize) -> Result<(), Exit> {
        let mut stream = BufWriter::new(io::stdout());
        let written = serde_json::to_writer(&mut stream, result).map_err(io::Error::from);
        self.written(written.and_then(|()| stream.write_all(b"\n")).and_then(|()| stream.flush()))
    }

    fn written(&self, written: io::Result<()>) -> Result<(), Exit> {
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.message(&format!(
                    "error: cannot write the result to stdout\n  cause: {error}\n"
                ));
                Err(Exit::LocalIo)
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes to stderr. Where that is not possible there is nobody to tell.
    pub fn message(&self, text: &str) {
        let mut stream = AutoStream::new(io::stderr(), self.color);
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    }

    /// Text as stderr gets it: with its colours or without.
    pub fn for_stderr(&self, text: &str) -> String {
        let mut stream = AutoStream::new(Vec::new(), self.stderr_choice());
        let _ = stream.write_all(text.as_bytes());
        String::from_utf8_lossy(&stream.into_inner()).into_owned()
    }

    fn stderr_choice(&self) -> ColorChoice {
        match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stderr()),
            decided => decided,
        }
    }
}

/// The styles of all text output.
pub mod style {
    use anstyle::{AnsiColor, Style};

    /// Good news.
    pub const GOOD: Style = AnsiColor::Green.on_default().bold();
    /// Warnings.
    pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
    /// Errors and blockers.
    pub const BAD: Style = AnsiColor::Red.on_default().bold();
    /// Words that structure.
    pub const LABEL: Style = AnsiColor::Cyan.on_default();
    /// Headlines.
    pub const STRONG: Style = Style::new().bold();
    /// What can be skipped.
    pub const FAINT: Style = Style::new().dimmed();

    /// `text` in a style.
    pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
        format!("{style}{text}{style:#}")
    }
}
