//! `oxbpf filter` and tcpdump on the same capture, in turns, writing to /dev/null.
//!
//! The capture is made for the purpose, and read once before anything is timed, so that both find it in
//! the page cache. Without tcpdump there is nothing to compare with, and nothing is measured.
//! `OXBPF_CAPTURE_MB` is the size of the capture, 1,024 unless set; `OXBPF_CAPTURE_TURNS` how often each
//! has its turn.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A capture of TCP and UDP over IPv4, some IPv6 and ARP, of the lengths traffic has.
fn generate(path: &Path, bytes: u64) -> std::io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    out.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
    let (mut written, mut packets, mut state) = (24u64, 0u64, 0x9e37_79b9_7f4a_7c15u64);
    let payload = [0xa5u8; 1500];
    while written < bytes {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let random = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
        let length = [60usize, 66, 120, 590, 1514, 1514][(random % 6) as usize];
        let port = [80u16, 443, 53, 22, 8080, 40_000][(random >> 8) as usize % 6].to_be_bytes();
        let protocol = if random >> 16 & 3 == 0 { 17 } else { 6 };
        let host = (random >> 20) as u8;
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        match random >> 32 & 15 {
            0 => frame.extend([
                8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, host,
            ]),
            1 | 2 => {
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, protocol, 64]);
                frame.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
                frame.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
                frame.extend(port);
            }
            _ => {
                frame.extend([
                    8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, host, 192, 0, 2, 1,
                ]);
                frame.extend(port);
            }
        }
        let rest = length.saturating_sub(frame.len());
        let captured = (frame.len() + rest) as u32;
        for word in [packets as u32 / 1000, packets as u32 % 1000, captured, captured] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&frame)?;
        out.write_all(&payload[..rest])?;
        written += 16 + u64::from(captured);
        packets += 1;
    }
    out.flush()?;
    Ok(packets)
}

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs");
    assert!(status.success(), "{command:?}");
    start.elapsed()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

fn main() {
    if Command::new("tcpdump").arg("--version").output().is_err() {
        return println!("skipped: no tcpdump");
    }
    let (megabytes, turns) = (number("OXBPF_CAPTURE_MB", 1024), number("OXBPF_CAPTURE_TURNS", 5));
    let path = std::env::temp_dir().join(format!("oxbpf-bench-{}.pcap", std::process::id()));
    let packets = generate(&path, megabytes << 20).expect("the capture is written");
    let file = path.to_str().expect("a path in UTF-8");
    println!("{megabytes} MB, {packets} packets; seconds, best of {turns} in turns");
    println!("{:<44} {:>8} {:>8} {:>7}", "expression", "oxbpf", "tcpdump", "ratio");
    for expression in [
        "tcp port 80",
        "host 10.0.0.7",
        "ip6 and udp",
        "tcp[13] & 2 != 0 and src net 10.0.0.0/8",
        "len > 1000",
        "",
    ] {
        let mut best = [Duration::MAX; 2];
        for _ in 0..turns {
            let mut ours = Command::new(env!("CARGO_BIN_EXE_oxbpf"));
            ours.args(["filter", "-q", "-r", file, "-w", "/dev/null", expression]);
            let mut theirs = Command::new("tcpdump");
            theirs.args(["-n", "-r", file, "-w", "/dev/null", expression]);
            for (best, command) in best.iter_mut().zip([&mut ours, &mut theirs]) {
                *best = (*best).min(time(command));
            }
        }
        let [ours, theirs] = best.map(|d| d.as_secs_f64());
        println!("{expression:<44} {ours:>8.3} {theirs:>8.3} {:>7.2}", theirs / ours);
    }
    let _ = std::fs::remove_file(&path);
}
