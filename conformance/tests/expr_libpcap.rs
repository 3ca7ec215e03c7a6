//! The compiler for filter expressions against libpcap 1.10: what is accepted and what is not, what
//! the programs say of packets, and how long they are.
#![cfg(target_os = "linux")]

#[path = "expr/packets.rs"]
mod packets;

use std::net::{IpAddr, ToSocketAddrs};

use oxbpf::isa::cbpf::expr::{self, LinkType, Names, Options, Source};
use oxbpf::isa::cbpf::{CheckError, Dialect, Filter, Packet, Rule, SockFilter, text};
use oxbpf::isa::insn::ByteOrder;
use oxbpf_conformance::libpcap::{Handle, Libpcap, NETMASK_UNKNOWN};
use packets::{Random, aimed, packets};

const EXPRESSIONS: &str = include_str!("expr/expressions.txt");
const SNAPLEN: u32 = 262_144;
const PACKETS: usize = 2000;

/// The link types of the bar, then the others.
const LINKS: [LinkType; 6] = [
    LinkType::Ethernet,
    LinkType::Raw,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Null,
    LinkType::Loop,
];

fn expressions() -> Vec<&'static str> {
    EXPRESSIONS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

/// Hosts as libpcap finds them, the rest from the shipped tables.
struct System;

impl Names for System {
    fn host(&self, name: &str) -> Vec<IpAddr> {
        (name, 0)
            .to_socket_addrs()
            .map(|found| found.map(|address| address.ip()).collect())
            .unwrap_or_default()
    }
}

#[derive(Default)]
struct Tally {
    accepted: usize,
    rejected: usize,
    identical: usize,
    compared: u64,
    matched: u64,
    ours: usize,
    theirs: usize,
    worst: (f64, String),
    failures: Vec<String>,
}

impl Tally {
    fn fail(&mut self, what: String) {
        self.failures.push(what);
    }

    fn report(&self, what: &str) {
        println!(
            "{what}: {} accepted, {} rejected; {} of the programs identical; {} verdicts, {} of them matches",
            self.accepted, self.rejected, self.identical, self.compared, self.matched
        );
        println!(
            "{what}: {} instructions, libpcap {}: {:.4}; worst {:.3}: {}",
            self.ours,
            self.theirs,
            self.ours as f64 / self.theirs as f64,
            self.worst.0,
            self.worst.1
        );
        for failure in self.failures.iter().take(60) {
            println!("  {failure}");
        }
        assert!(self.failures.is_empty(), "{what}: {} failures", self.failures.len());
    }
}

fn listing(program: &[SockFilter]) -> String {
    text::write(program, text::Form::Tcpdump).unwrap_or_default()
}

struct Case<'a> {
    library: &'a Libpcap,
    handle: &'a Handle<'a>,
    options: Options<'a>,
    /// Packets of the link type.
    common: &'a [packets::Packet],
}

impl Case<'_> {
    fn run(&self, text: &str, tally: &mut Tally, random: &mut Random) {
        let Options { link, optimize, netmask, .. } = self.options;
        let what = || format!("{link} {} {text:?}", if optimize { "optimised" } else { "plain" });
        let theirs = self.handle.compile(text, optimize, netmask.unwrap_or(NETMASK_UNKNOWN));
        let ours = expr::compile(text, &self.options);
        let (theirs, ours) = match (theirs, ours) {
            (Err(_), Err(error)) => {
                tally.rejected += 1;
                let span = error.span;
                if span.start > span.end
                    || span.end > text.len()
                    || span.start == span.end && span.end < text.len()
                {
                    tally.fail(format!("{}: the message points at {span:?}: {error}", what()));
                }
                return;
            }
            (Ok(_), Err(error)) => return tally.fail(format!("{}: rejected: {error}", what())),
            (Err(message), Ok(_)) => return tally.fail(format!("{}: accepted; libpcap: {message}", what())),
            (Ok(theirs), Ok(ours)) => (theirs, ours),
        };
        tally.accepted += 1;
        tally.identical += usize::from(ours == theirs);
        if ours != theirs && std::env::var_os("OXBPF_EXPR_DIFF").is_some() {
            println!("{}\n{}\n{}", what(), listing(&ours), listing(&theirs));
        }
        tally.ours += ours.len();
        tally.theirs += theirs.len();
        let ratio = ours.len() as f64 / theirs.len() as f64;
        if ratio > tally.worst.0 {
            tally.worst = (ratio, format!("{} against {}, {}", ours.len(), theirs.len(), what()));
        }
        if optimize && ours.len() * 10 > theirs.len() * 11 {
            tally.fail(format!("{}: {} instructions, libpcap {}", what(), ours.len(), theirs.len()));
        }
        let (filter, reference) =
            (Filter::check(&ours, Dialect::Pcap), Filter::check(&theirs, Dialect::Pcap));
        let (Ok(filter), Ok(reference)) = (filter, reference) else {
            return tally.fail(format!("{}: the program is not legal", what()));
        };
        // What a program reads before it is written is zero here, and anything in libpcap.
        let undefined = matches!(
            Filter::check(&theirs, Dialect::Socket),
            Err(CheckError { rule: Rule::UnwrittenScratch { .. }, .. })
        );
        let special = aimed(random, &theirs, self.common, PACKETS / 4);
        for packet in self.common.iter().chain(&special) {
            let mut view = Packet::new(&packet.data);
            view.wire_len = packet.length;
            let verdict = filter.run(&view);
            let expected = reference.run(&view);
            tally.compared += 1;
            tally.matched += u64::from(expected != 0);
            if verdict != expected {
                return tally.fail(format!(
                    "{}: {verdict}, libpcap's program {expected}, for {:02x?} of {}\n{}\n{}",
                    what(),
                    packet.data,
                    packet.length,
                    listing(&ours),
                    listing(&theirs)
                ));
            }
            if !undefined && self.library.run(&theirs, &packet.data, packet.length) != expected {
                return tally.fail(format!("{}: the interpreters differ for {:02x?}", what(), packet.data));
            }
        }
    }
}

/// All of `expressions` on all of `links`, optimised and not.
fn compare(name: &str, expressions: &[String], links: &[LinkType], sources: &[(Source, ByteOrder)]) {
    let library = match Libpcap::load() {
        Ok(library) => library,
        Err(reason) => return println!("skipped: {reason}"),
    };
    println!("{}; {} expressions", library.version(), expressions.len());
    let only = std::env::var("OXBPF_EXPR").ok();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for optimize in [true, false] {
        let mut tally = Tally::default();
        for &link in links {
            let common = packets(&mut random, link, PACKETS - PACKETS / 4);
            for &(source, byte_order) in sources {
                let big = byte_order == ByteOrder::Big;
                // Files have a number of their own for raw IP.
                let number = if link == LinkType::Raw { 101 } else { link.number() };
                let handle = match source {
                    Source::Live => library.dead(link.number(), SNAPLEN),
                    Source::File => library.file(number, SNAPLEN, big),
                };
                let Some(handle) = handle else {
                    tally.fail(format!("libpcap has no handle for {link}"));
                    continue;
                };
                let mut options = Options::new(link);
                (options.optimize, options.source, options.byte_order) = (optimize, source, byte_order);
                (options.netmask, options.names) = (Some(0xffff_ff00), &System);
                let case = Case { library: &library, handle: &handle, options, common: &common };
                for text in expressions.iter().filter(|text| only.as_ref().is_none_or(|only| only == *text)) {
                    case.run(text, &mut tally, &mut random);
                }
            }
        }
        tally.report(&format!("{name}, {}", if optimize { "optimised" } else { "plain" }));
    }
}

const NATIVE: ByteOrder = if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };

#[test]
fn expressions_are_understood_as_libpcap_understands_them() {
    let expressions: Vec<String> = expressions().into_iter().map(str::to_owned).collect();
    compare("live", &expressions, &LINKS, &[(Source::Live, NATIVE)]);
}
