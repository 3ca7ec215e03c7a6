//! What the workloads work on: the same bytes every time.

/// Numbers that look random (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Memory whose address is a multiple of 64.
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u8; 64]);

impl Buffer {
    pub fn of(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer { lines: vec![Line([0; 64]); bytes.len().div_ceil(64)], len: bytes.len() };
        for (line, bytes) in buffer.lines.iter_mut().zip(bytes.chunks(64)) {
            line.0[..bytes.len()].copy_from_slice(bytes);
        }
        buffer
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn at(&mut self) -> *mut u8 {
        self.lines.as_mut_ptr().cast()
    }
}

/// The eleven compute workloads, in the order of the table.
pub const COMPUTE: [&str; 11] =
    ["hash", "crc", "siphash", "sha256", "sieve", "copy", "compare", "parse", "filter", "calls", "table"];

/// What a workload is given.
pub fn input(name: &str) -> Vec<u8> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut random = |len: usize| -> Vec<u8> { (0..len).map(|_| (numbers.next() >> 56) as u8).collect() };
    match name {
        "crc" => {
            let mut bytes: Vec<u8> = (0..256u32).flat_map(|n| crc_of(n).to_le_bytes()).collect();
            bytes.extend(random(4096));
            bytes
        }
        "compare" => {
            let half = random(4096);
            let mut bytes = [half.as_slice(), &half].concat();
            *bytes.last_mut().expect("it is not empty") ^= 1;
            bytes
        }
        "copy" => random(8192),
        "parse" => (0..512).flat_map(|n| packet(n, 128)).collect(),
        "filter" => packet(0, 60),
        "table" => random(16384),
        "sieve" => vec![0; 8192],
        _ => random(4096),
    }
}

/// An entry of the table of the reflected CRC-32.
fn crc_of(n: u32) -> u32 {
    (0..8).fold(n, |c, _| if c & 1 != 0 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
}

/// A packet: mostly TCP over IPv4, sometimes with a VLAN tag, UDP, IPv6 or something else.
fn packet(n: u32, len: usize) -> Vec<u8> {
    let mut numbers = Numbers(u64::from(n) + 1);
    let mut bytes: Vec<u8> = (0..len).map(|_| (numbers.next() >> 56) as u8).collect();
    let mut at = 12;
    if n % 7 == 3 {
        bytes[12..16].copy_from_slice(&[0x81, 0, 0, 5]);
        at = 16;
    }
    let (kind, ip) = (n % 11, at + 2);
    let protocol = if n % 3 == 1 { 17 } else { 6 };
    match kind {
        4 | 9 => {
            bytes[at..at + 2].copy_from_slice(&[0x86, 0xdd]);
            bytes[ip + 6] = protocol;
            bytes[ip + 42..ip + 44].copy_from_slice(&443u16.to_be_bytes());
        }
        10 => bytes[at..at + 2].copy_from_slice(&[8, 6]),
        _ => {
            bytes[at..at + 2].copy_from_slice(&[8, 0]);
            bytes[ip] = 0x45;
            bytes[ip + 6..ip + 8].fill(0);
            bytes[ip + 9] = protocol;
            let port: u16 = if n.is_multiple_of(2) { 80 } else { 53 };
            bytes[ip + 22..ip + 24].copy_from_slice(&port.to_be_bytes());
        }
    }
    bytes
}
