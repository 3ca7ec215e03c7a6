//! The compiler for filter expressions against libpcap 1.10: what is accepted and what is not, what
//! the programs say of packets, in every engine, and how long they are. With `OXBPF_EXPR_ENGINES` set all
//! engines run every program, and not only some.
#![cfg(target_os = "linux")]

use std::net::{IpAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use oxbpf::isa::cbpf::expr::{self, LinkType, Names, Options, Source};
use oxbpf::isa::cbpf::{CheckError, Dialect, Filter, Insn, Packet, Rule, SockFilter, text};
use oxbpf::isa::insn::ByteOrder;
use oxbpf_conformance::engines::{ENGINES, Engines};
use oxbpf_conformance::libpcap::{Handle, Libpcap, NETMASK_UNKNOWN};
use oxbpf_conformance::packets::{self, aimed, packets};
use oxbpf_conformance::random::Random;

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
    /// Programs that ran in all engines.
    engines: usize,
    /// Programs that the kernel's rules allow as well.
    kernel: usize,
    time: Duration,
    time_theirs: Duration,
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
        println!(
            "{what}: {} of the programs ran in all engines, {} are legal for the kernel too; compiled in {:?}, \
             libpcap {:?}",
            self.engines, self.kernel, self.time, self.time_theirs
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
    /// How many more there are for each expression.
    special: usize,
    /// Whether all engines run.
    engines: bool,
}

impl Case<'_> {
    fn run(&self, text: &str, tally: &mut Tally, random: &mut Random) {
        let Options { link, optimize, netmask, .. } = self.options;
        let what = || format!("{link} {} {text:?}", if optimize { "optimised" } else { "plain" });
        let start = Instant::now();
        let theirs = self.handle.compile(text, optimize, netmask.unwrap_or(NETMASK_UNKNOWN));
        tally.time_theirs += start.elapsed();
        let start = Instant::now();
        let ours = expr::compile(text, &self.options);
        tally.time += start.elapsed();
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
        // libpcap leaves numbers in fields that an operation does not use.
        let meaning =
            |program: &[SockFilter]| program.iter().map(|&raw| Insn::decode(raw)).collect::<Vec<_>>();
        let identical = meaning(&ours) == meaning(&theirs);
        tally.identical += usize::from(identical);
        if !identical && std::env::var_os("OXBPF_EXPR_DIFF").is_some() {
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
        tally.kernel += usize::from(Filter::check(&ours, Dialect::Socket).is_ok());
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
        // Every engine runs libpcap's program; a protochain is a loop, and has no eBPF form.
        let mut engines = self.engines.then(|| Engines::new(&reference).ok()).flatten();
        tally.engines += usize::from(engines.is_some());
        let special = aimed(random, &theirs, self.common, self.special);
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
            if let Some(engines) = &mut engines {
                let found = engines.verdicts(&packet.data, packet.length);
                if found != [expected; ENGINES.len()] {
                    return tally.fail(format!(
                        "{}: {ENGINES:?} say {found:?}, libpcap {expected}, for {:02x?} of {}",
                        what(),
                        packet.data,
                        packet.length
                    ));
                }
            }
            if !undefined && self.library.run(&theirs, &packet.data, packet.length) != expected {
                return tally.fail(format!("{}: the interpreters differ for {:02x?}", what(), packet.data));
            }
        }
    }
}

/// What is compared.
struct Plan<'a> {
    name: &'a str,
    expressions: &'a [String],
    links: &'a [LinkType],
    sources: &'a [(Source, ByteOrder)],
    packets: usize,
    /// All engines run one of so many expressions; 0 for none.
    engines: usize,
}

impl Plan<'_> {
    /// All expressions on all links, optimised and not.
    fn run(&self) {
        let library = match Libpcap::load() {
            Ok(library) => library,
            Err(reason) => return println!("{} skipped: {reason}", self.name),
        };
        println!("{}; {} expressions", library.version(), self.expressions.len());
        let only = std::env::var("OXBPF_EXPR").ok();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for optimize in [true, false] {
            let mut tally = Tally::default();
            for &link in self.links {
                let special = self.packets / 4;
                let mut common = packets(&mut random, link, self.packets - special);
                if link == LinkType::Ethernet {
                    let example = include_bytes!("../../examples/packets.pcap");
                    let frames = packets::captured(example);
                    common.splice(..frames.len().min(common.len()), frames);
                }
                for &(source, byte_order) in self.sources {
                    // Files have a number of their own for raw IP.
                    let number = if link == LinkType::Raw { 101 } else { link.number() };
                    let handle = match source {
                        Source::Live => library.dead(link.number(), SNAPLEN),
                        Source::File => library.file(number, SNAPLEN, byte_order == ByteOrder::Big),
                    };
                    let Some(handle) = handle else {
                        tally.fail(format!("libpcap has no handle for {link}"));
                        continue;
                    };
                    let mut options = Options::new(link);
                    (options.optimize, options.source, options.byte_order) = (optimize, source, byte_order);
                    (options.netmask, options.names) = (Some(0xffff_ff00), &System);
                    let chosen = |text: &String| only.as_ref().is_none_or(|only| only == text);
                    for (nth, text) in self.expressions.iter().enumerate().filter(|row| chosen(row.1)) {
                        let engines = self.engines > 0 && nth % self.engines == 0;
                        let (library, handle, common) = (&library, &handle, &common[..]);
                        let case = Case { library, handle, options, common, special, engines };
                        case.run(text, &mut tally, &mut random);
                    }
                }
            }
            tally.report(&format!("{}, {}", self.name, if optimize { "optimised" } else { "plain" }));
        }
    }
}

const NATIVE: ByteOrder = if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };

#[test]
fn long_chains_are_as_short_as_in_libpcap() {
    let library = match Libpcap::load() {
        Ok(library) => library,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let handle = library.dead(LinkType::Ethernet.number(), SNAPLEN).unwrap();
    let options = Options::new(LinkType::Ethernet);
    let host = |i: usize| format!("host 10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255);
    let port = |i: usize| format!("tcp port {i}");
    for (count, term, join) in [
        (100, &host as &dyn Fn(usize) -> String, " or "),
        (100, &host, " and not "),
        (100, &port, " or "),
        (300, &|i| format!("ip[{}] + tcp[{i}] > {i}", i % 20), " or "),
    ] {
        let text = (0..count).map(term).collect::<Vec<_>>().join(join);
        let start = Instant::now();
        let ours = expr::compile(&text, &options).unwrap();
        let time = start.elapsed();
        let start = Instant::now();
        let theirs = handle.compile(&text, true, NETMASK_UNKNOWN).unwrap();
        println!(
            "{count} of {}{join}: {} instructions in {time:?}, libpcap {} in {:?}",
            term(1),
            ours.len(),
            theirs.len(),
            start.elapsed()
        );
        assert_eq!(ours.len(), theirs.len());
    }
}

fn listed() -> Vec<String> {
    expressions().into_iter().map(str::to_owned).collect()
}

#[test]
fn expressions_mean_what_they_mean_to_libpcap() {
    let sources = &[(Source::Live, NATIVE)];
    let engines = if std::env::var_os("OXBPF_EXPR_ENGINES").is_some() { 1 } else { 16 };
    let plan =
        Plan { name: "live", expressions: &listed(), links: &LINKS, sources, packets: PACKETS, engines };
    plan.run();
}

#[test]
fn captures_from_either_byte_order_and_every_link_type() {
    let sources = &[(Source::File, ByteOrder::Little), (Source::File, ByteOrder::Big)];
    let plan = Plan {
        name: "files",
        expressions: &listed(),
        links: LinkType::ALL,
        sources,
        packets: 400,
        engines: 0,
    };
    plan.run();
}

#[test]
fn expressions_gone_wrong_are_told_from_those_gone_right() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let count = std::env::var("OXBPF_EXPR_MUTATIONS").ok().and_then(|count| count.parse().ok());
    let expressions = &mutated(&mut random, &expressions(), count.unwrap_or(10_000));
    let links = &[LinkType::Ethernet, LinkType::Raw, LinkType::LinuxSll];
    let plan = Plan {
        name: "mutated",
        expressions,
        links,
        sources: &[(Source::Live, NATIVE)],
        packets: 40,
        engines: 0,
    };
    plan.run();
}

/// The words and signs of an expression, an address being one word.
fn words(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut joins = false;
    for c in text.chars() {
        let part = c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '\\');
        // The colon of a slice stands before a digit, and so does that of an address.
        let colon = c == ':' && text.matches(':').count() > 1;
        if (part || colon) && joins {
            out.last_mut().unwrap().push(c);
        } else if !c.is_whitespace() {
            out.push(c.to_string());
        }
        joins = part || colon;
    }
    out
}

/// Whether libpcap might ask a name server about a word.
fn looks_up(words: &[String]) -> bool {
    const WORDS: &[&str] = &["host", "src", "dst", "gateway", "addr1", "addr2", "ra", "ta"];
    let named = |word: &String| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && (expr::compile(word, &Options::new(LinkType::Ethernet))
                .is_err_and(|e| e.kind == expr::ErrorKind::Unqualified))
            || word.starts_with('\\')
            || word.starts_with(|c: char| c.is_ascii_digit())
                && word.contains(|c: char| c == '-' || c.is_alphabetic())
    };
    words.iter().any(|word| WORDS.contains(&word.as_str())) && words.iter().any(named)
}

/// Whether a byte is tested for bits, which libpcap does without loading the byte.
fn tests_bits_of_a_byte(words: &[String]) -> bool {
    words.windows(3).any(|three| three[0] == "byte" && matches!(three[2].as_str(), "&" | "|"))
}

/// What single characters are put in: all are of one byte.
const SIGNS: &[char] = &[
    ' ', '.', ':', '-', '_', '0', '1', '8', 'x', 'a', 'f', '(', ')', '[', ']', '<', '>', '=', '!', '&', '|',
    '^', '%', '+', '*', '/', '$', '\\', '@', '\t', ';', '~',
];

/// Expressions with words dropped, doubled, exchanged and put in, a few times each.
fn mutated(random: &mut Random, from: &[&str], count: usize) -> Vec<String> {
    let split: Vec<Vec<String>> = from.iter().map(|text| words(text)).collect();
    let pool: Vec<String> = split.iter().flatten().cloned().collect();
    let mut out = Vec::new();
    while out.len() < count {
        let mut text = split[random.index(split.len())].clone();
        if random.index(3) == 0 {
            text.push(random.one(&["and", "or", "and not", "or not"]).into());
            text.extend(split[random.index(split.len())].iter().cloned());
        }
        for _ in 0..random.index(4) {
            let at = random.index(text.len() + 1);
            match random.index(6) {
                0 if at < text.len() => drop(text.remove(at)),
                1 if at < text.len() => text.insert(at, text[at].clone()),
                2 if at < text.len() => {
                    let other = random.index(text.len());
                    text.swap(at, other);
                }
                3 if at < text.len() => text[at] = pool[random.index(pool.len())].clone(),
                4 => text.insert(at, pool[random.index(pool.len())].clone()),
                _ if at < text.len() => {
                    let end = at + 1 + random.index(text.len() - at);
                    text.insert(end, ")".into());
                    text.insert(at, "(".into());
                }
                _ => {}
            }
        }
        let mut text = text.join(" ");
        if random.index(4) == 0 {
            let at = random.index(text.len() + 1);
            match random.index(3) {
                0 if at < text.len() => drop(text.remove(at)),
                1 => text.truncate(at),
                _ => text.insert(at, random.one(SIGNS)),
            }
        }
        if !looks_up(&words(&text)) && !tests_bits_of_a_byte(&words(&text)) {
            out.push(text);
        }
    }
    out
}
