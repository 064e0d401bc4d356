//! What can be wrong with an archive.
//!
//! Invariant: no message shows a byte of a row's values.

use pghaul_rows::CopyError;

/// An archive that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A file of it is not what it should be.
    #[error("{file}: {problem}")]
    Damaged {
        /// The file, as the archive names it.
        file: String,
        /// What is wrong.
        problem: Problem,
    },
    /// The machine's storage refused.
    #[error("cannot {doing} {file}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file, as a path or as the archive names it.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl ArchiveError {
    /// A file that is not what it should be.
    pub fn damaged(file: impl Into<String>, problem: Problem) -> Self {
        Self::Damaged { file: file.into(), problem }
    }

    /// A failed request to the storage; the end of a file where more should be is damage.
    pub fn io(doing: &'static str, file: impl Into<String>, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::damaged(file, Problem::Truncated),
            _ => Self::Io { doing, file: file.into(), source },
        }
    }
}

/// What is wrong with a file of an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not there.
    #[error("is missing")]
    Missing,
    /// A folder that no dump has finished.
    #[error("is missing: no dump was finished here")]
    Unfinished,
    /// A link, a folder, a device.
    #[error("is no plain file")]
    NotAPlainFile,
    /// A name that the format does not give.
    #[error("names a file {found:?} where it should be {expected}")]
    Name {
        /// What the format gives.
        expected: String,
        /// What stands there, cut to a bearable length.
        found: String,
    },
    /// Does not begin like one.
    #[error("is not what an archive holds under this name")]
    NotAnArchive,
    /// Of a format that is not known yet.
    #[error("is of format version {found}; this pghaul knows versions up to {known}")]
    NewerVersion {
        /// The version found.
        found: u64,
        /// The newest known.
        known: u16,
    },
    /// It ends too early.
    #[error("ends too early")]
    Truncated,
    /// It goes on after its end.
    #[error("goes on after its end")]
    TooLong,
    /// A length above what the format allows.
    #[error("claims {found} bytes for {what}, where at most {most} are possible")]
    Length {
        /// Of what.
        what: &'static str,
        /// The length claimed.
        found: u64,
        /// The bound.
        most: u64,
    },
    /// The seal of a document is not written as the format writes it.
    #[error("has a seal that is not written as the format says")]
    Seal,
    /// The bytes are not those that were written.
    #[error("{what}: the digest is another than the one noted")]
    Digest {
        /// Of what.
        what: &'static str,
    },
    /// The digest fits, but the text says nothing that the format knows.
    #[error("does not say what the format wants: {0}")]
    Document(String),
    /// A record that is not one, or not where it stands.
    #[error("record {record}: {what}")]
    Record {
        /// Its place among the records of the piece, from 0.
        record: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A frame that does not decompress to what its record says.
    #[error("frame {frame}: {what}")]
    Frame {
        /// Its place in the piece, from 1.
        frame: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A frame whose rows are not what its record says.
    #[error("frame {frame} does not hold the rows that its record says")]
    Rows {
        /// Its place in the piece, from 1.
        frame: u64,
    },
    /// The COPY stream of a piece cannot be read.
    #[error("its COPY stream is broken: {0}: {problem}", problem = .0.problem)]
    Copy(CopyError),
    /// Another piece, table or archive than it should be.
    #[error("belongs elsewhere: its {0} is another")]
    Foreign(&'static str),
    /// What the documents say of each other does not fit.
    #[error("contradicts {with}: {what}")]
    Contradiction {
        /// The other file.
        with: &'static str,
        /// About what.
        what: String,
    },
    /// A header of the stream that is not written as the format says.
    #[error("the stream holds no header as the format writes it")]
    StreamHeader,
    /// Bytes between the files of a stream that should be zeros.
    #[error("the stream's padding is not empty")]
    StreamPadding,
}
