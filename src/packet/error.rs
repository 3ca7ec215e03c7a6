//! What can be wrong with a capture, and where.

use std::{fmt, io};

/// A fault in a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CaptureError {
    /// Bytes from the start of the file.
    pub offset: u64,
    pub problem: CaptureProblem,
}

/// What is wrong, and what was expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CaptureProblem {
    Empty,
    Magic,
    Version { major: u16 },
    ByteOrder,
    Truncated { need: usize, have: usize },
    BlockLength { length: u32 },
    Length { length: u32, max: u32 },
    Interface { number: u32, known: usize },
    NoInterface,
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "capture at byte {}: ", self.offset)?;
        match self.problem {
            CaptureProblem::Empty => f.write_str("the file is empty, expected pcap or pcapng"),
            CaptureProblem::Magic => f.write_str("neither pcap nor pcapng"),
            CaptureProblem::Version { major } => write!(f, "version {major} is not known"),
            CaptureProblem::ByteOrder => f.write_str("the section does not tell its byte order"),
            CaptureProblem::Truncated { need, have } => {
                write!(f, "cut off: {need} bytes belong here, {have} are left")
            }
            CaptureProblem::BlockLength { length } => {
                write!(f, "a block of {length} bytes, expected a multiple of four and at least 12")
            }
            CaptureProblem::Length { length, max } => {
                write!(f, "{length} bytes in one piece, expected {max} at most")
            }
            CaptureProblem::Interface { number, known } => {
                write!(f, "a packet of interface {number}, but only {known} are described")
            }
            CaptureProblem::NoInterface => f.write_str("a packet before any interface"),
        }
    }
}

impl std::error::Error for CaptureError {}

/// Why a stream gave no more packets.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// It is no capture, or a damaged one.
    Capture(CaptureError),
    /// Reading failed.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Capture(error) => error.fmt(f),
            ReadError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<CaptureError> for ReadError {
    fn from(error: CaptureError) -> Self {
        ReadError::Capture(error)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}
