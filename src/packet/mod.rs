//! Packets as they come: captures in the pcap and pcapng formats.

mod pcap;
mod pcapng;

pub use error::{CaptureError, CaptureProblem};

mod error {
    //! What can be wrong with a capture, and where.

    use std::fmt;

    /// A fault in a capture.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct CaptureError {
        /// Bytes from the start of the file.
        pub offset: usize,
        pub problem: CaptureProblem,
    }

    /// What is wrong, and what was expected.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    #[non_exhaustive]
    pub enum CaptureProblem {
        Magic,
        Version { major: u16 },
        Truncated { need: usize, have: usize },
        BlockLength { length: u32 },
        Interface { number: u32, known: usize },
        NoInterface,
    }

    impl fmt::Display for CaptureError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "capture at byte {}: ", self.offset)?;
            match self.problem {
                CaptureProblem::Magic => f.write_str("neither pcap nor pcapng"),
                CaptureProblem::Version { major } => write!(f, "version {major} is not known"),
                CaptureProblem::Truncated { need, have } => write!(f, "needs {need} bytes, has {have}"),
                CaptureProblem::BlockLength { length } => {
                    write!(f, "a block of {length} bytes, expected a multiple of four and at least 12")
                }
                CaptureProblem::Interface { number, known } => {
                    write!(f, "a packet of interface {number}, but only {known} are described")
                }
                CaptureProblem::NoInterface => f.write_str("a packet before any interface"),
            }
        }
    }

    impl std::error::Error for CaptureError {}
}

use error::{CaptureError as Error, CaptureProblem as Problem};

/// One packet of a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Captured<'a> {
    /// Nanoseconds since 1970; 0 where the format does not say.
    pub time: u64,
    /// The link type (`DLT_*`, `LINKTYPE_*`).
    pub link_type: u32,
    /// Bytes the packet had; `bytes` may be fewer.
    pub original_len: u32,
    pub bytes: &'a [u8],
}

/// The packets of a capture of either format, one after the other.
pub struct Capture<'a>(Format<'a>);

enum Format<'a> {
    Pcap(pcap::Reader<'a>),
    Pcapng(pcapng::Reader<'a>),
}

impl<'a> Capture<'a> {
    /// Opens a capture of either byte order and either resolution of time.
    ///
    /// # Errors
    /// When the file is no capture.
    pub fn open(bytes: &'a [u8]) -> Result<Capture<'a>, Error> {
        if pcapng::is_pcapng(bytes) {
            return Ok(Capture(Format::Pcapng(pcapng::Reader::new(bytes))));
        }
        pcap::Reader::new(bytes).map(|r| Capture(Format::Pcap(r)))
    }
}

impl<'a> Iterator for Capture<'a> {
    type Item = Result<Captured<'a>, Error>;

    /// The next packet. After a fault there is no other.
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Format::Pcap(r) => r.next_packet(),
            Format::Pcapng(r) => r.next_packet(),
        }
    }
}

/// Reads words of one byte order, within bounds.
#[derive(Clone, Copy)]
struct Words<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Words<'a> {
    fn u32(&self, at: usize) -> Result<u32, Error> {
        let word = *self.array::<4>(at)?;
        Ok(if self.big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    }

    fn u16(&self, at: usize) -> Result<u16, Error> {
        let word = *self.array::<2>(at)?;
        Ok(if self.big { u16::from_be_bytes(word) } else { u16::from_le_bytes(word) })
    }

    fn array<const N: usize>(&self, at: usize) -> Result<&'a [u8; N], Error> {
        let found = self.bytes.get(at..).and_then(|b| b.first_chunk());
        found.ok_or(self.truncated(at, N))
    }

    fn slice(&self, at: usize, len: usize) -> Result<&'a [u8], Error> {
        let end = at.checked_add(len);
        end.and_then(|end| self.bytes.get(at..end)).ok_or(self.truncated(at, len))
    }

    fn truncated(&self, offset: usize, need: usize) -> Error {
        let have = self.bytes.len().saturating_sub(offset);
        Error { offset, problem: Problem::Truncated { need, have } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(value: u32, big: bool) -> [u8; 4] {
        if big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn pcap(big: bool, magic: u32) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(word(magic, big));
        let version = if big { [0, 2, 0, 4] } else { [2, 0, 4, 0] };
        file.extend(version);
        for w in [0, 0, 65535, 1, 7, 9, 3, 60] {
            file.extend(word(w, big));
        }
        file.extend([1, 2, 3]);
        file
    }

    #[test]
    fn pcap_of_both_orders_and_resolutions() {
        for big in [false, true] {
            for (magic, time) in [(0xa1b2_c3d4, 7_000_009_000), (0xa1b2_3c4d, 7_000_000_009)] {
                let file = pcap(big, magic);
                let all: Vec<_> = Capture::open(&file).unwrap().collect();
                let expected = Captured { time, link_type: 1, original_len: 60, bytes: &[1, 2, 3] };
                assert_eq!(all, [Ok(expected)]);
            }
        }
    }

    #[test]
    fn pcapng_with_an_interface_of_its_own_resolution() {
        let mut file = Vec::new();
        let mut block = |kind: u32, body: &[u8]| {
            let len = body.len() as u32 + 12;
            for w in [kind, len] {
                file.extend(w.to_le_bytes());
            }
            file.extend(body);
            file.extend(len.to_le_bytes());
        };
        let words = |w: &[u32]| w.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
        // Link type 1, and an option that says nanoseconds.
        block(1, &words(&[1, 0, 1 << 16 | 9, 9, 0]));
        block(6, &words(&[0, 0, 5, 2, 2, 0x0201]));
        block(3, &words(&[4, 0x0403_0201]));
        let all: Vec<_> = Capture::open(&file).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(all[0], Captured { time: 5, link_type: 1, original_len: 2, bytes: &[1, 2] });
        assert_eq!(all[1].bytes, [1, 2, 3, 4]);
    }

    #[test]
    fn faults_have_a_place_and_end_the_capture() {
        assert!(matches!(Capture::open(b"hello, world, this is no capture"), Err(Error { offset: 0, .. })));
        let mut file = pcap(false, 0xa1b2_c3d4);
        file.pop();
        let all: Vec<_> = Capture::open(&file).unwrap().collect();
        assert_eq!(all, [Err(Error { offset: 40, problem: Problem::Truncated { need: 3, have: 2 } })]);
    }

    #[test]
    fn any_bytes_end() {
        for seed in 0..2000u32 {
            let mut bytes: Vec<u8> = (0..64u32).map(|i| (seed.wrapping_mul(i * i + 7) >> 3) as u8).collect();
            let magic: [u8; 4] =
                if seed % 2 == 0 { [0x0a, 0x0d, 0x0d, 0x0a] } else { [0xd4, 0xc3, 0xb2, 0xa1] };
            bytes[..4].copy_from_slice(&magic);
            if let Ok(capture) = Capture::open(&bytes) {
                assert!(capture.count() < 64);
            }
        }
    }
}
