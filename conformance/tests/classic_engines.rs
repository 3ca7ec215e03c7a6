//! One filter in every engine, and the expression compiler's optimiser under the comparison of filters,
//! which proves its programs equal to the plain ones where it can.

use oxbpf::isa::cbpf::compare::{Comparison, Limits, Question, Setting, compare};
use oxbpf::isa::cbpf::expr::{self, LinkType, Options};
use oxbpf::isa::cbpf::{Dialect, Filter, Packet, explain};
use oxbpf::isa::kernel::KernelModel;
use oxbpf::vm::PacketRef;
use oxbpf_conformance::engines::{ENGINES, Engines};
use oxbpf_conformance::packets::{aimed, packets};
use oxbpf_conformance::random::Random;
use oxbpf_verifier::{Kernel, Verdict};

use std::time::Instant;

const EXPRESSIONS: &str = include_str!("expr/expressions.txt");

const LINKS: [LinkType; 5] =
    [LinkType::Ethernet, LinkType::Raw, LinkType::LinuxSll, LinkType::LinuxSll2, LinkType::Null];

fn expressions() -> impl Iterator<Item = &'static str> {
    EXPRESSIONS.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn filter(text: &str, link: LinkType, optimize: bool) -> Option<Filter> {
    let mut options = Options::new(link);
    options.optimize = optimize;
    let program = expr::compile(text, &options).ok()?;
    Some(Filter::check(&program, Dialect::Pcap).expect("a compiled program is legal"))
}

#[test]
fn every_expression_in_every_engine() {
    const PACKETS: usize = 60;
    let model = KernelModel::latest();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut filters, mut verdicts, mut matches, mut loops) = (0, 0, 0, 0);
    for link in LINKS {
        let common = packets(&mut random, link, PACKETS);
        for text in expressions() {
            for optimize in [true, false] {
                let Some(filter) = filter(text, link, optimize) else { continue };
                let Ok(mut engines) = Engines::new(&filter) else {
                    // protochain is a loop.
                    loops += 1;
                    continue;
                };
                filters += 1;
                let judged = oxbpf_verifier::verify(&engines.program, &Kernel::new(&model)).verdict;
                assert_eq!(judged, Verdict::Accept, "{link} {text:?} {optimize}");
                let raw: Vec<_> = filter.insns().iter().map(|insn| insn.encode()).collect();
                let aimed = aimed(&mut random, &raw, &common, 10);
                let all: Vec<_> = common.iter().chain(&aimed).collect();
                let refs: Vec<_> = all.iter().map(|p| PacketRef::new(&p.data, p.length)).collect();
                let batch = engines.batch(&refs);
                for (packet, at_once) in all.into_iter().zip(batch) {
                    let mut described = Packet::new(&packet.data);
                    described.wire_len = packet.length;
                    let expected = filter.run(&described);
                    let found = engines.verdicts(&packet.data, packet.length);
                    assert_eq!(
                        (found, at_once),
                        ([expected; 3], expected),
                        "{ENGINES:?} and in a batch: {link} {text:?} {optimize} on {:?}",
                        packet.data
                    );
                    verdicts += 1;
                    matches += usize::from(expected != 0);
                }
            }
        }
    }
    println!(
        "{filters} filters verified, {loops} with loops left out; {verdicts} verdicts equal, {matches} matches"
    );
    assert!(filters > 4000 && matches > verdicts / 50);
}

/// Where libpcap's optimiser, whose rules ours keeps, changes what a filter means: it adds offsets in 32
/// bits, where running a filter does not; takes a test for any of 32 bits to hold; and forgets that a
/// division by zero ends a filter.
const KNOWN: &[&str] = &["[4294967295", "[-", "& 0xffffffff", "0 / "];

#[test]
fn the_optimiser_is_proved() {
    // A part of the expressions for each link type, all when that is asked for.
    let every = std::env::var("OXBPF_PROVE_ALL").is_ok();
    let mut limits = Limits::default();
    limits.nodes = 1 << 18;
    // Of packets that end early both versions may ask for other bytes first.
    let setting = Setting { shortest: 256, ..Setting::ETHERNET };
    let (mut proved, mut unknown, mut differ, mut words) = (0, Vec::new(), Vec::new(), 0);
    let start = Instant::now();
    for (nth, link) in LINKS.into_iter().enumerate() {
        for text in expressions().skip(nth).step_by(if every { 1 } else { 2 * LINKS.len() }) {
            let (Some(plain), Some(optimised)) = (filter(text, link, false), filter(text, link, true)) else {
                continue;
            };
            words += explain::explain(&optimised, link.number()).to_string().len();
            let answer = compare([&plain, &optimised], Question::Verdict, &setting, &limits);
            match answer {
                Comparison::Equal => proved += 1,
                Comparison::Unknown(why) => unknown.push(format!("{link} {text:?}: {why}")),
                Comparison::Differ(witness) => {
                    differ.push(format!("{link} {text:?}: {:?} on {:?}", witness.verdicts, witness.data));
                }
                _ => {}
            }
        }
    }
    println!(
        "{proved} proved equal, {} not decided, in {:?}; {words} letters of words",
        unknown.len(),
        start.elapsed()
    );
    for line in unknown.iter().take(40) {
        println!("  {line}");
    }
    differ.retain(|line| !KNOWN.iter().any(|known| line.contains(known)));
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(proved > 8 * unknown.len());
}
