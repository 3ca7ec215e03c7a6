use super::super::{SockFilter, text};
use super::*;

fn words(program: &str, dialect: Dialect, link: u32) -> String {
    let program = text::parse(program).unwrap().program;
    explain(&Filter::check(&program, dialect).unwrap(), link).to_string()
}

/// `tcp port 80` on Ethernet, as libpcap compiles it with and without optimising.
const OPTIMISED: &str = "16\n40 0 0 12\n21 0 6 34525\n48 0 0 20\n21 0 11 6\n40 0 0 54\n21 8 0 80\n40 0 0 56\n\
    21 6 7 80\n21 0 6 2048\n48 0 0 23\n21 0 4 6\n40 0 0 20\n69 2 0 8191\n177 0 0 14\n6 0 0 262144\n6 0 0 0\n";

#[test]
fn a_port_in_words() {
    let text = words(OPTIMISED, Dialect::Pcap, 1);
    let expected = "\
(001) if the EtherType is IPv6 (0x86dd):
    (003) unless the IPv6 next header is TCP (6): no match
    (005) if the TCP source port is 80: match, keep 262144 bytes
    (007) if the TCP destination port is 80: match, keep 262144 bytes; else no match
      else:
    (008) unless the EtherType is IPv4 (0x800): no match
    (010) unless the IPv4 protocol is TCP (6): no match
    (012) if the packet is a fragment after the first: no match; else match, keep 262144 bytes
";
    assert_eq!(text, expected);
}

#[test]
fn known_answers_are_not_asked_again() {
    let plain = "ldh [12]\njeq #0x800, l1, no\nl1: ldh [12]\njeq #0x800, l2, no\nl2: ldb [14]\nand #0xf\nlsh #2\n\
        tax\nldb [23]\njeq #17, l3, no\nl3: ldh [x+14]\njge #1024, yes, no\nyes: ret #1\nno: ret #0\n";
    let expected = "\
(001) unless the EtherType is IPv4 (0x800): no match
(009) unless the IPv4 protocol is UDP (17): no match
(011) if the UDP source port is at least 1024: match; else no match
";
    assert_eq!(words(plain, Dialect::Pcap, 1), expected);
}

#[test]
fn other_link_types_and_tags() {
    let tagged = "ldh [12]\njne #0x8100, no\nldh [16]\njne #0x800, no\nld [30]\njne #0x0a000001, no\nret #1\nno: ret #0\n";
    let expected = "\
(001) unless the EtherType is VLAN (0x8100): no match
(003) unless the EtherType after the VLAN tag is IPv4 (0x800): no match
(005) if the IPv4 source address is 10.0.0.1: match; else no match
";
    assert_eq!(words(tagged, Dialect::Pcap, 1), expected);
    let raw = "ldb [0]\nand #0xf0\njne #0x40, no\nldb [9]\njne #1, no\nret #1\nno: ret #0\n";
    let expected = "\
(002) unless the packet is IPv4: no match
(004) if the IPv4 protocol is ICMP (1): match; else no match
";
    assert_eq!(words(raw, Dialect::Pcap, 101), expected);
    let sll = "ldh [0]\njeq #4, yes\nret #0\nyes: ldh [14]\njeq #0x806, yes2\nret #0\nyes2: ret #1\n";
    assert!(
        words(sll, Dialect::Pcap, 113).starts_with("(001) unless the packet type is outgoing: no match\n")
    );
    assert!(words(sll, Dialect::Pcap, 147).starts_with("(001) unless bytes 0 to 1 is 4: no match\n"));
}

#[test]
fn system_calls_in_words() {
    let filter = "ld [4]\njne #0xc000003e, bad\nld [0]\njge #0x40000000, bad\njeq #59, bad\njeq #257, open\nret #0x7fff0000\n\
        open: ld [32]\njset #3, deny\nret #0x7fff0000\nbad: ret #0x80000000\ndeny: ret #0x5000d\n";
    let expected = "\
(001) unless the architecture is x86_64 (0xc000003e): kill_process
(003) if the system call is at least 0x40000000: kill_process
(004) if the system call is execve (59): kill_process
(005) unless the system call is openat (257): allow
(008) if the low half of argument 2 has any of the bits 0x3: errno(13); else allow
";
    assert_eq!(words(filter, Dialect::Seccomp, 0), expected);
}

#[test]
fn trees_stay_bounded() {
    // Every test leads to the next either way, with new knowledge: 2^60 paths.
    let mut program = Vec::new();
    for i in 0..60 {
        program.push(SockFilter::stmt(0x30, i));
        program.push(SockFilter::new(0x15, 0, 1, 7));
        program.push(SockFilter::stmt(0x02, 0));
    }
    program.push(SockFilter::stmt(0x16, 0));
    let filter = Filter::check(&program, Dialect::Socket).unwrap();
    let explanation = explain(&filter, 1);
    assert!(explanation.cut);
    assert!(explanation.to_string().lines().count() < 3 * MOST);
    let back = "ldb [0]\nl: sub #1\njeq #0, e\njmp l\ne: ret a\n";
    let mut program = text::parse("ldb [0]\nsub #1\njeq #0, e\njmp e\ne: ret a\n").unwrap().program;
    program[3].k = (-3i32).cast_unsigned();
    let filter = Filter::check(&program, Dialect::Pcap).unwrap();
    assert!(explain(&filter, 1).to_string().contains("go back to (001)"), "{back}");
}
