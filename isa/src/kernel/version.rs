//! Kernel versions, and the spans of versions for which a fact holds.
//!
//! Facts change only with feature releases, so a version is major and minor; a stable release
//! ("6.12.117") is read as the feature release it belongs to, with its later fixes.

use core::fmt;
use core::str::FromStr;

/// A feature release of Linux, such as 6.18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// The number before the first dot.
    pub major: u8,
    /// The number after the first dot.
    pub minor: u8,
}

impl KernelVersion {
    /// The version `major.minor`.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// Whether this version is not older than `other`; usable in constants, unlike `>=`.
    pub const fn at_least(self, other: Self) -> bool {
        self.major > other.major || (self.major == other.major && self.minor >= other.minor)
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What was wrong with the text of a kernel version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionError {
    /// There is no `major.minor`.
    MissingMinor,
    /// One of the two numbers is not a decimal number below 256.
    BadNumber,
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingMinor => "expected a kernel version such as 6.18: there is no minor number",
            Self::BadNumber => "expected a kernel version such as 6.18: not a decimal number below 256",
        })
    }
}

impl core::error::Error for VersionError {}

impl FromStr for KernelVersion {
    type Err = VersionError;

    /// Reads `6.18`, `v6.18` and what `uname -r` prints, such as `6.12.117-cloud-amd64` or `6.18-rc3`.
    ///
    /// ```
    /// use oxbpf_isa::kernel::KernelVersion;
    /// assert_eq!("v6.12.117-amd64".parse(), Ok(KernelVersion::new(6, 12)));
    /// assert!("6".parse::<KernelVersion>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (major, rest) = text.split_once('.').ok_or(VersionError::MissingMinor)?;
        let (minor, tail) = match rest.find(|c: char| !c.is_ascii_digit()) {
            Some(end) => rest.split_at(end),
            None => (rest, ""),
        };
        if !tail.is_empty() && !tail.starts_with(['.', '-', '+']) {
            return Err(VersionError::BadNumber);
        }
        let number = |digits: &str| {
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(VersionError::BadNumber);
            }
            digits.parse::<u8>().map_err(|_| VersionError::BadNumber)
        };
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

/// The versions for which a fact holds: from `since`, up to but without `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first version.
    pub since: KernelVersion,
    /// The first version for which the fact no longer holds, if there is one.
    pub until: Option<KernelVersion>,
}

impl Span {
    /// Every version there ever was.
    pub const ALWAYS: Self = Self { since: KernelVersion::new(0, 0), until: None };

    /// From `since` on, without an end.
    pub const fn since(since: KernelVersion) -> Self {
        Self { since, until: None }
    }

    /// Whether the fact holds for `version`.
    pub const fn contains(self, version: KernelVersion) -> bool {
        version.at_least(self.since)
            && match self.until {
                Some(until) => !version.at_least(until),
                None => true,
            }
    }
}

/// How a fact is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// A real kernel was asked: a golden table or a probe holds it.
    Measured,
    /// The rule was read in the kernel's (or libbpf's) source.
    Source,
    /// Taken from documentation or general knowledge; to be checked before relying on it.
    Documented,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let cases: &[(&str, Result<KernelVersion, VersionError>)] = &[
            ("6.18", Ok(KernelVersion::new(6, 18))),
            ("v5.4", Ok(KernelVersion::new(5, 4))),
            ("6.12.117", Ok(KernelVersion::new(6, 12))),
            ("6.18-rc3", Ok(KernelVersion::new(6, 18))),
            ("6.1.0+deb", Ok(KernelVersion::new(6, 1))),
            ("6", Err(VersionError::MissingMinor)),
            ("", Err(VersionError::MissingMinor)),
            ("6.", Err(VersionError::BadNumber)),
            ("6.x", Err(VersionError::BadNumber)),
            (".5", Err(VersionError::BadNumber)),
            ("6.18z", Err(VersionError::BadNumber)),
            ("6.300", Err(VersionError::BadNumber)),
            ("+6.1", Err(VersionError::BadNumber)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<KernelVersion>(), *expected, "{text:?}");
        }
    }

    #[test]
    fn orders_by_number_not_by_text() {
        assert!(KernelVersion::new(6, 2) < KernelVersion::new(6, 12));
        assert!(KernelVersion::new(5, 19) < KernelVersion::new(6, 0));
        let span = Span { since: KernelVersion::new(5, 10), until: Some(KernelVersion::new(6, 2)) };
        for (minor, inside) in [(9, false), (10, true), (19, true)] {
            assert_eq!(span.contains(KernelVersion::new(5, minor)), inside);
        }
        assert!(span.contains(KernelVersion::new(6, 1)) && !span.contains(KernelVersion::new(6, 2)));
    }
}
