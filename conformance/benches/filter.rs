//! Filters in every engine beside libpcap's `bpf_filter`: nanoseconds for a packet that is in the cache.
//!
//! The programs are libpcap's own, so that all engines run the same instructions. Machine code is called
//! for each packet, and once for all of them; `ratio` says how many times as long as either
//! libpcap takes. The engines take turns, and of many rounds the fastest counts for each. The packets are those of traffic in no order, so
//! that processors foretell branches as well as they do for traffic; beside them stands one packet
//! again and again, of the kind that the filter looks for, where every branch is foretold. Without
//! libpcap there is nothing to compare with, and nothing is measured. `OXBPF_FILTER_ROUNDS` is how many
//! rounds there are; with `OXBPF_FILTER_PACKETS` each kind of packet is told.

use std::hint::black_box;
use std::time::{Duration, Instant};

use oxbpf::isa::cbpf::expr::LinkType;
use oxbpf::isa::cbpf::{Dialect, Filter, Packet};
use oxbpf::vm::{PacketFilter, PacketRef};
use oxbpf_conformance::libpcap::{Libpcap, NETMASK_UNKNOWN, Prepared};
use oxbpf_conformance::random::Random;

const EXPRESSIONS: &[&str] = &[
    "ip",
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
    // One of them begins a connection.
    let flags = if from == 8080 { 2 } else { 0x18 };
    let mut header = from.to_be_bytes().to_vec();
    header.extend(to.to_be_bytes());
    header.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 1, 0, 0, 0, 0, 0]);
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

/// What a packet took in each engine.
type Times = [f64; ENGINES];

const ENGINES: usize = 4;

/// A filter in each engine.
struct Engines<'a> {
    prepared: Prepared<'a>,
    filter: &'a Filter,
    compiled: PacketFilter,
}

impl Engines<'_> {
    /// Each engine over the packets in its turn, as the rounds go.
    fn round(&mut self, packets: &[&[u8]], calls: u32, round: u32, best: &mut Times) {
        let refs: Vec<PacketRef<'_>> = packets.iter().map(|p| PacketRef::new(p, p.len() as u32)).collect();
        let mut verdicts = vec![0; packets.len()];
        for turn in 0..ENGINES {
            let engine = (turn + round as usize) % ENGINES;
            let each = |run: &mut dyn FnMut(&[&[u8]])| {
                let laps = (calls as usize / packets.len()).max(1);
                let start = Instant::now();
                for _ in 0..laps {
                    run(black_box(packets));
                }
                start.elapsed().as_secs_f64() * 1e9 / (laps * packets.len()) as f64
            };
            let took = match engine {
                0 => each(&mut |packets| {
                    for data in packets {
                        black_box(self.prepared.run(black_box(data), data.len() as u32));
                    }
                }),
                1 => each(&mut |packets| {
                    for data in packets {
                        black_box(self.filter.run(&Packet::new(black_box(data))));
                    }
                }),
                2 => each(&mut |packets| {
                    for data in packets {
                        black_box(self.compiled.run(black_box(data), data.len() as u32));
                    }
                }),
                _ => each(&mut |_| {
                    self.compiled.run_batch(black_box(&refs), black_box(&mut verdicts));
                }),
            };
            best[engine] = best[engine].min(took);
        }
    }
}

fn main() {
    let library = match Libpcap::load() {
        Ok(library) => library,
        Err(why) => return println!("skipped: {why}"),
    };
    let rounds = std::env::var("OXBPF_FILTER_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200u32);
    let handle = library.dead(LinkType::Ethernet.number(), 262_144).expect("a handle");
    let kinds = packets();
    let mut random = Random(7);
    let traffic: Vec<Vec<u8>> = (0..64).map(|_| kinds[random.index(kinds.len())].1.clone()).collect();
    let traffic: Vec<&[u8]> = traffic.iter().map(Vec::as_slice).collect();
    println!("{}; nanoseconds a packet, best of {rounds} rounds", library.version());
    println!("{:<40} {:>5} | {:^48} | {:^48} |", "", "", "traffic", "the packet looked for");
    let head = format!(
        "{:>10} {:>8} {:>6} {:>6} {:>6} {:>6}",
        "bpf_filter", "interp", "jit", "ratio", "batch", "ratio"
    );
    println!("{:<40} {:>5} | {head} | {head} | {:>9}", "expression", "insns", "compile");
    // Of traffic and of the packet looked for, called for each packet and for all.
    let (mut products, mut least, mut count) = ([[1.0f64; 2]; 2], [[f64::MAX; 2]; 2], 0);
    for text in EXPRESSIONS {
        let program = handle.compile(text, true, NETMASK_UNKNOWN).expect("libpcap takes it");
        let filter = Filter::check(&program, Dialect::Pcap).expect("libpcap's programs are legal");
        let mut compile = Duration::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            black_box(PacketFilter::new(&filter).expect("it compiles"));
            compile = compile.min(start.elapsed());
        }
        let compiled = PacketFilter::new(&filter).expect("it compiles");
        let mut engines = Engines { prepared: library.prepare(&program), filter: &filter, compiled };
        for (name, data) in &kinds {
            let (len, expected) = (data.len() as u32, filter.run(&Packet::new(data)));
            assert_eq!(engines.prepared.run(data, len), expected, "{text} on {name}");
            assert_eq!(engines.compiled.run(data, len), expected, "{text} on {name}");
            let mut verdict = [!0];
            engines.compiled.run_batch(&[PacketRef::new(data, len)], &mut verdict);
            assert_eq!(verdict, [expected], "{text} on {name}");
        }
        let wanted = kinds.iter().position(|(_, data)| filter.run(&Packet::new(data)) != 0);
        let wanted = wanted.unwrap_or_else(|| panic!("{text}: no packet matches"));
        let (mut mixed, mut each) = ([f64::MAX; ENGINES], vec![[f64::MAX; ENGINES]; kinds.len()]);
        for round in 0..rounds {
            engines.round(&traffic, 4096, round, &mut mixed);
            for ((_, data), best) in kinds.iter().zip(&mut each) {
                engines.round(&[data.as_slice(); 64], 2048, round, best);
            }
        }
        let sought = each[wanted];
        for (nth, times) in [mixed, sought].iter().enumerate() {
            for (how, time) in times[2..].iter().enumerate() {
                let ratio = times[0] / time;
                products[nth][how] *= ratio;
                least[nth][how] = least[nth][how].min(ratio);
            }
        }
        count += 1;
        let row = |[theirs, interp, jit, batch]: Times| {
            let (one, all) = (theirs / jit, theirs / batch);
            format!("{theirs:>10.2} {interp:>8.2} {jit:>6.2} {one:>6.2} {batch:>6.2} {all:>6.2}")
        };
        let short: String = text.chars().take(40).collect();
        println!(
            "{short:<40} {:>5} | {} | {} | {:>6} us",
            program.len(),
            row(mixed),
            row(sought),
            compile.as_micros()
        );
        if std::env::var_os("OXBPF_FILTER_PACKETS").is_some() {
            for ((name, _), times) in kinds.iter().zip(&each) {
                println!("    {name:<95} | {}", row(*times));
            }
        }
    }
    for (nth, what) in ["traffic", "the packet looked for"].iter().enumerate() {
        for (how, called) in ["for each packet", "for all"].iter().enumerate() {
            let mean = f64::powf(products[nth][how], 1.0 / f64::from(count));
            let least = least[nth][how];
            println!("{what}, called {called}: geometric mean of the ratios {mean:.2}, least {least:.2}");
        }
    }
}
