//! Filters in every engine beside libpcap's `bpf_filter`: nanoseconds for a packet that is in the cache.
//!
//! The programs are libpcap's own, so that all engines run the same instructions. The engines take
//! turns, and of many rounds the fastest counts for each. Without libpcap there is nothing to compare
//! with, and nothing is measured. `OXBPF_FILTER_ROUNDS` is how many rounds there are.

use std::hint::black_box;
use std::time::{Duration, Instant};

use oxbpf::isa::cbpf::expr::LinkType;
use oxbpf::isa::cbpf::{Dialect, Filter, Packet};
use oxbpf::vm::PacketFilter;
use oxbpf_conformance::libpcap::{Libpcap, NETMASK_UNKNOWN};

const EXPRESSIONS: &[&str] = &[
    "ip",
    "arp",
    "ip6",
    "tcp",
    "tcp port 80",
    "host 10.0.0.1",
    "net 10.0.0.0/8",
    "tcp port 80 and host 10.0.0.1",
    "portrange 8000-8999",
    "ip6 and udp port 53",
    "vlan 5 and tcp port 443",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "greater 1000",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "not (port 22 or port 53 or port 123 or port 443 or host 10.0.0.2 or host 10.0.0.3 or net 192.168.0.0/16)",
];

/// A packet of so many bytes: Ethernet, what else, then zeros.
fn packet(tag: Option<u16>, kind: u16, rest: &[&[u8]], len: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    if let Some(tag) = tag {
        frame.extend([0x81, 0]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    for part in rest {
        frame.extend(*part);
    }
    frame.resize(len.max(frame.len()), 0);
    frame
}

fn ipv4(protocol: u8, from: [u8; 4], to: [u8; 4], len: u16) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(len.to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(from);
    header.extend(to);
    header
}

fn ports(from: u16, to: u16) -> Vec<u8> {
    let mut header = from.to_be_bytes().to_vec();
    header.extend(to.to_be_bytes());
    header.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    header
}

/// Traffic: TCP of several ports, UDP, IPv6, a VLAN, ARP; of several lengths.
fn packets() -> Vec<(&'static str, Vec<u8>)> {
    let (one, two, far) = ([10, 0, 0, 1], [10, 0, 0, 2], [192, 0, 2, 7]);
    let mut six = vec![0x60, 0, 0, 0, 0, 40, 17, 64];
    six.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    six.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    vec![
        ("tcp 80, 1514", packet(None, 0x800, &[&ipv4(6, one, far, 1500), &ports(40_000, 80)], 1514)),
        ("tcp 443, 590", packet(None, 0x800, &[&ipv4(6, far, one, 576), &ports(443, 50_000)], 590)),
        ("tcp 8080, 60", packet(None, 0x800, &[&ipv4(6, two, far, 40), &ports(8080, 40_001)], 60)),
        ("udp 53, 90", packet(None, 0x800, &[&ipv4(17, two, one, 76), &ports(53, 5353)], 90)),
        ("ip6 udp, 120", packet(None, 0x86dd, &[&six, &ports(53, 5353)], 120)),
        ("vlan tcp, 1518", packet(Some(5), 0x800, &[&ipv4(6, one, two, 1500), &ports(443, 443)], 1518)),
        ("arp, 60", packet(None, 0x806, &[&[0, 1, 8, 0, 6, 4, 0, 1]], 60)),
    ]
}

/// What any call costs.
#[inline(never)]
fn nothing(data: &[u8], _: u32) -> u32 {
    data.len() as u32
}

/// Nanoseconds a call.
fn time(calls: u32, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn main() {
    let library = match Libpcap::load() {
        Ok(library) => library,
        Err(why) => return println!("skipped: {why}"),
    };
    let rounds = std::env::var("OXBPF_FILTER_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200u32);
    let handle = library.dead(LinkType::Ethernet.number(), 262_144).expect("a handle");
    let packets = packets();
    println!(
        "{}; nanoseconds a packet over {} packets, best of {rounds} rounds",
        library.version(),
        packets.len()
    );
    println!(
        "{:<52} {:>5} {:>10} {:>8} {:>8} {:>7} {:>8} {:>9}",
        "expression", "insns", "bpf_filter", "interp", "jit", "ratio", "worst", "compile"
    );
    let call: fn(&[u8], u32) -> u32 = black_box(nothing);
    let floor = (0..rounds).map(|_| time(2000, || _ = black_box(call(black_box(&packets[0].1), 60))));
    println!("a call of nothing {:.2}", floor.fold(f64::MAX, f64::min));
    let (mut product, mut count, mut least) = (1.0, 0, f64::MAX);
    for text in EXPRESSIONS {
        let program = handle.compile(text, true, NETMASK_UNKNOWN).expect("libpcap takes it");
        let filter = Filter::check(&program, Dialect::Pcap).expect("libpcap's programs are legal");
        let mut compile = Duration::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            black_box(PacketFilter::new(&filter).expect("it compiles"));
            compile = compile.min(start.elapsed());
        }
        let mut compiled = PacketFilter::new(&filter).expect("it compiles");
        let prepared = library.prepare(&program);
        // What each packet took, by engine.
        let mut best = vec![[f64::MAX; 3]; packets.len()];
        for round in 0..rounds {
            for ((_, data), best) in packets.iter().zip(&mut best) {
                let length = data.len() as u32;
                let mut view = Packet::new(data);
                view.wire_len = length;
                let verdict = prepared.run(data, length);
                assert_eq!((compiled.run(data, length), filter.run(&view)), (verdict, verdict), "{text}");
                const CALLS: u32 = 2000;
                for turn in 0..3 {
                    let engine = (turn + round as usize) % 3;
                    let took = match engine {
                        0 => time(CALLS, || _ = black_box(prepared.run(black_box(data), length))),
                        1 => time(CALLS, || {
                            let mut view = Packet::new(black_box(data));
                            view.wire_len = length;
                            black_box(filter.run(&view));
                        }),
                        _ => time(CALLS, || _ = black_box(compiled.run(black_box(data), length))),
                    };
                    best[engine] = best[engine].min(took);
                }
            }
        }
        let mean = |engine: usize| best.iter().map(|b| b[engine]).sum::<f64>() / best.len() as f64;
        let worst = best.iter().map(|b| b[0] / b[2]).fold(f64::MAX, f64::min);
        let ratio = mean(0) / mean(2);
        (product, count, least) = (product * ratio, count + 1, least.min(ratio));
        let short: String = text.chars().take(52).collect();
        println!(
            "{short:<52} {:>5} {:>10.2} {:>8.2} {:>8.2} {ratio:>7.2} {worst:>8.2} {:>6} us",
            program.len(),
            mean(0),
            mean(1),
            mean(2),
            compile.as_micros()
        );
        if std::env::var_os("OXBPF_FILTER_PACKETS").is_some() {
            for ((name, _), [theirs, interp, jit]) in packets.iter().zip(&best) {
                println!("    {name:<48} {theirs:>16.2} {interp:>8.2} {jit:>8.2} {:>7.2}", theirs / jit);
            }
        }
    }
    println!(
        "geometric mean of the ratios {:.2}, least {least:.2}",
        f64::powf(product, 1.0 / f64::from(count))
    );
}
