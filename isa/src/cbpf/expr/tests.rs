use super::*;
use crate::cbpf::{Dialect, Filter, Packet, Vlan};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use proptest::prelude::*;

fn options(link: LinkType) -> Options<'static> {
    Options::new(link)
}

fn filter(text: &str, options: &Options<'_>) -> Filter {
    let program = compile(text, options).unwrap_or_else(|e| panic!("{}", e.show(text)));
    Filter::check(&program, Dialect::Pcap).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

const ETHER: &str = "001122334455 0123456789ab ";
/// A TCP segment from 10.0.0.1:1024 to 192.168.1.1:80, SYN, with a time to live of 64.
const TCP: &str =
    "45000028 00014000 40060000 0a000001 c0a80101 04000050 00000001 00000000 50020000 00000000 ";

#[test]
fn expressions_find_what_they_name() {
    use LinkType::{Ethernet, Ipv4, LinuxSll, LinuxSll2, Loop, Null, Ppp, Raw};
    let ether = |kind: &str, rest: &str| format!("{ETHER}{kind}{rest}");
    let ipv4 = ether("0800", TCP);
    let tagged = ether("8100 0064 0800", TCP);
    let labelled = ether("8847 00064140", TCP);
    let session = ether("8864 11000005 0030 0021", TCP);
    let udp6 = ether(
        "86dd",
        "60000000 0008 1140 20010db8000000000000000000000001 fe800000000000000000000000000002 0035 1000 0008 0000",
    );
    let arp = ether("0806", "0001 0800 06 04 0001 001122334455 0a000001 000000000000 0a000002");
    let bridge = ether("0026", "424203 0000000000");
    let cases: &[(LinkType, &str, &str, bool)] = &[
        (Ethernet, "ip", &ipv4, true),
        (Ethernet, "ip6", &ipv4, false),
        (Ethernet, "tcp port 80", &ipv4, true),
        (Ethernet, "src port 80", &ipv4, false),
        (Ethernet, "udp port 80", &ipv4, false),
        (Ethernet, "port http", &ipv4, true),
        (Ethernet, "portrange 70-90", &ipv4, true),
        (Ethernet, "portrange 81-90", &ipv4, false),
        (Ethernet, "src host 10.0.0.1 and dst host 192.168.1.1", &ipv4, true),
        (Ethernet, "host 10.0.0.2 or 192.168.1.1", &ipv4, true),
        (Ethernet, "src and dst net 10", &ipv4, false),
        (Ethernet, "net 192.168.0.0/16", &ipv4, true),
        (Ethernet, "net 192.168.0.0 mask 255.255.0.0", &ipv4, true),
        (Ethernet, "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn", &ipv4, true),
        (Ethernet, "ip[8] = 64 and ip[6:2] & 0x1fff = 0", &ipv4, true),
        (Ethernet, "tcp[((tcp[12] & 0xf0) >> 2) - 20:2] = 1024", &ipv4, true),
        (Ethernet, "len = 54 and not less 53 and greater 54", &ipv4, true),
        (Ethernet, "ether src 01:23:45:67:89:ab", &ipv4, true),
        (Ethernet, "ether host 0011.2233.4455", &ipv4, true),
        (Ethernet, "ether proto \\ip", &ipv4, true),
        (Ethernet, "ip protochain 6", &ipv4, true),
        (Ethernet, "multicast or broadcast", &ipv4, false),
        (Ethernet, "vlan", &ipv4, false),
        (Ethernet, "vlan 100 and tcp port 80", &tagged, true),
        (Ethernet, "vlan 101", &tagged, false),
        (Ethernet, "ip", &tagged, false),
        (Ethernet, "mpls 100 and host 10.0.0.1", &labelled, true),
        (Ethernet, "pppoes 5 and tcp dst port 80", &session, true),
        (Ethernet, "pppoed", &session, false),
        (Ethernet, "udp src port 53", &udp6, true),
        (Ethernet, "src host 2001:db8::1", &udp6, true),
        (Ethernet, "dst net fe80::/10", &udp6, true),
        (Ethernet, "ip6 proto \\udp and ip6[7] = 64", &udp6, true),
        (Ethernet, "arp host 10.0.0.2 and arp[6:2] = 1", &arp, true),
        (Ethernet, "ip host 10.0.0.2", &arp, false),
        (Ethernet, "host 10.0.0.2", &arp, true),
        (Ethernet, "stp", &bridge, true),
        (Ethernet, "llc ui and not ip", &bridge, true),
        (Ethernet, "byte 14 & 0x40", &bridge, true),
        (Ethernet, "byte 14 & 0x80", &bridge, false),
        (Ethernet, "byte 17 | 0", &bridge, false),
        (Raw, "tcp port 80", TCP, true),
        (Raw, "arp", TCP, false),
        (Ipv4, "ip and not ip6", TCP, true),
        (Null, "tcp port 80", &format!("02000000 {TCP}"), true),
        (Null, "ip6", "1e000000 60", true),
        (Loop, "tcp port 80", &format!("00000002 {TCP}"), true),
        (LinuxSll, "outbound and tcp", &format!("0004 0001 0006 0011223344550000 0800 {TCP}"), true),
        (LinuxSll, "inbound", &format!("0004 0001 0006 0011223344550000 0800 {TCP}"), false),
        (
            LinuxSll2,
            "ifindex 3 and tcp",
            &format!("0800 0000 00000003 0001 04 06 0011223344550000 {TCP}"),
            true,
        ),
        (Ppp, "ip and tcp", &format!("ff03 0021 {TCP}"), true),
    ];
    for &(link, text, packet, matches) in cases {
        let bytes = hex(packet);
        for optimize in [true, false] {
            let mut options = options(link);
            options.byte_order = ByteOrder::Little;
            options.optimize = optimize;
            let verdict = match compile(text, &options) {
                Ok(program) => Filter::check(&program, Dialect::Pcap).unwrap().run(&Packet::new(&bytes)),
                Err(Error { kind: ErrorKind::RejectsAll, .. }) => 0,
                Err(error) => panic!("{}", error.show(text)),
            };
            assert_eq!(verdict, if matches { 262_144 } else { 0 }, "{link} {text} {optimize} {packet}");
        }
    }
}

#[test]
fn errors_point_at_the_words() {
    use ErrorKind as K;
    let none = Proto::Tcp;
    let cases: &[(&str, &str, ErrorKind)] = &[
        ("host 256.0.0.1", "256.0.0.1", K::Ipv4Address),
        ("tcp and udp prot 53", "prot", K::Expected("\"and\", \"or\" or the end")),
        ("tcp port htp", "htp", K::UnknownPort),
        ("tcp and port 65536", "65536", K::TooLarge { what: "a port", max: 65535 }),
        ("ip or tcp host 10.0.0.1", "tcp host 10.0.0.1", K::Qualifier { proto: none, to: "host" }),
        ("ip @ tcp", "@", K::Character),
        ("10.0.0.1", "10.0.0.1", K::Unqualified),
        ("tcp or 80", "80", K::Unqualified),
        ("vlan 5000", "vlan 5000", K::TooLarge { what: "a VLAN identifier", max: 4095 }),
        ("net 10.0.0.1/8", "10.0.0.1/8", K::HostBits),
        ("host 10.0.0.0/8", "host 10.0.0.0/8", K::MaskOnHost),
        ("host 12345::1", "::1", K::Expected("\"and\", \"or\" or the end")),
        ("ether host 1:2:3:", "1:2:3:", K::LinkAddress),
        ("ip[0] = 08", "08", K::NotOctal),
        ("len = 4294967296", "4294967296", K::NumberTooLarge),
        ("ip[0:3] = 1", "ip[0:3]", K::LoadSize),
        ("ip[8] / 0 = 1", "ip[8] / 0", K::DivisionByZero),
        ("len / (2 - 2) = 1 or ip", "len / (2 - 2)", K::DivisionByZero),
        ("len << (16 + 16) = 1", "len << (16 + 16)", K::Shift),
        ("ip and arp", "ip and arp", K::RejectsAll),
        ("udp port tftp and tcp port tftp", "tcp port tftp", K::PortOf("UDP")),
        ("inbound", "inbound", K::NotInFiles("inbound")),
        ("mpls and arp", "arp", K::OverMpls),
        ("llc foo", "foo", K::UnknownLlc),
        ("wlan type data", "type", K::ForeignLink("type")),
        ("gateway gw", "gw", K::UnknownLinkHost),
        ("ip broadcast", "ip broadcast", K::NetmaskUnknown),
    ];
    for &(text, words, kind) in cases {
        let error = compile(text, &options(LinkType::Ethernet)).unwrap_err();
        assert_eq!((&text[error.span.start..error.span.end], error.kind), (words, kind), "{text}");
    }
    // Where something is missing, the place is the end of the text.
    for text in ["ip and", "(ip", "tcp port", "ip[0", "ip[0] =", "not", "vlan and (", "src net"] {
        let error = compile(text, &options(LinkType::Ethernet)).unwrap_err();
        assert_eq!((error.span.start, error.span.end), (text.len(), text.len()), "{text}: {error}");
        assert!(matches!(error.kind, ErrorKind::Expected(_)));
    }
}

#[test]
fn an_error_is_shown_under_the_expression() {
    let text = "tcp and\n  port htp or arp";
    let error = compile(text, &options(LinkType::Raw)).unwrap_err();
    let shown = format!("{}", error.show(text));
    assert_eq!(shown, "unknown port\n    port htp or arp\n         ^^^");
    let text = "tcp and (";
    let error = compile(text, &options(LinkType::Raw)).unwrap_err();
    assert_eq!(format!("{}", error.show(text)).lines().last(), Some("           ^"));
    // The error of another text is shown as well as may be.
    let _ = format!("{}", error.show("ä"));
}

#[test]
fn arithmetic_has_the_ranks_and_values_of_libpcap() {
    let cases: &[(&str, u32)] = &[
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("20 - 6 - 4", 10),
        ("100 / 10 / 5", 2),
        ("1 << 4 + 1", 32),
        ("6 | 1 & 3", 7),
        ("12 & 4 + 4", 8),
        ("-1 + 2", 1),
        ("--5", 5),
        ("10 % 4 + 1", 0),
        ("1 + 10 % 4", 3),
        ("6 ^ 3 | 8", 13),
        ("2 * 3 ^ 1 + 1", 2),
        ("-7 % 4", 0u32.wrapping_sub(3)),
        ("0x10 + 010 + 10", 34),
        ("1 - 2", u32::MAX),
        ("3 >> 1 << 1", 2),
        ("0 / len", 0),
        ("0 * len + 7", 7),
    ];
    for &(value, expected) in cases {
        let options = options(LinkType::Ethernet);
        for (right, matches) in [(expected, true), (expected ^ 1, false)] {
            let text = format!("{value} = {right}");
            let verdict = match compile(&text, &options) {
                Ok(program) => Filter::check(&program, Dialect::Pcap).unwrap().run(&Packet::new(&[0])),
                Err(Error { kind: ErrorKind::RejectsAll, .. }) => 0,
                Err(error) => panic!("{}", error.show(&text)),
            };
            assert_eq!(verdict != 0, matches, "{text}");
        }
    }
}

#[test]
fn an_empty_expression_matches_everything() {
    let mut options = options(LinkType::Ethernet);
    options.snaplen = 96;
    for text in ["", " \t\n"] {
        assert_eq!(filter(text, &options).run(&Packet::new(&[])), 96);
    }
    options.snaplen = 0;
    assert_eq!(compile("", &options).unwrap_err().kind, ErrorKind::Snaplen);
}

struct Gateway;

impl Names for Gateway {
    fn host(&self, name: &str) -> Vec<IpAddr> {
        if name == "gw" { [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9))].into() } else { Vec::new() }
    }

    fn ether(&self, name: &str) -> Option<[u8; 6]> {
        (name == "gw").then_some([0, 0x11, 0x22, 0x33, 0x44, 0x55])
    }
}

#[test]
fn names_come_from_where_the_caller_says() {
    let mut options = options(LinkType::Ethernet);
    options.names = &Gateway;
    let frame = hex(&format!("{ETHER}0800 {TCP}"));
    assert_ne!(filter("gateway gw", &options).run(&Packet::new(&frame)), 0);
    assert_ne!(filter("ether host gw and not host gw", &options).run(&Packet::new(&frame)), 0);
    assert_eq!(compile("host other", &options).unwrap_err().kind, ErrorKind::UnknownHost);
    assert_eq!(filter("net loopback", &options).run(&Packet::new(&frame)), 0);
    assert_eq!(Offline.ports("domain"), Some(Ports { tcp: Some(53), udp: Some(53) }));
    assert_eq!(Offline.ports("www"), Offline.ports("http"));
    assert_eq!((Offline.protocol("gre"), Offline.protocol("IPv6-ICMP")), (Some(47), Some(58)));
    assert_eq!((Offline.ports(""), Offline.protocol("")), (None, None));
}

#[test]
fn a_live_capture_asks_the_kernel() {
    let mut options = options(LinkType::Ethernet);
    options.source = Source::Live;
    let program = compile("outbound", &options).unwrap();
    let filter = Filter::check(&program, Dialect::Socket).unwrap();
    let mut packet = Packet::new(&[0; 60]);
    assert_eq!(filter.run(&packet), 0);
    packet.pkt_type = 4;
    assert_ne!(filter.run(&packet), 0);
}

#[test]
fn vlan_tags_are_found_beside_the_packet_and_in_it() {
    let plain = hex(&format!("{ETHER}0800 {TCP}"));
    let tagged = hex(&format!("{ETHER}8100 0064 0800 {TCP}"));
    let twice = hex(&format!("{ETHER}8100 0064 8100 00c8 0800 {TCP}"));
    let beside = |tci| Some(Vlan { tci, tpid: 0x8100 });
    let cases = [
        ("vlan", &plain, None, false),
        ("vlan", &plain, beside(0x2064), true),
        ("vlan", &tagged, None, true),
        ("vlan 100", &plain, beside(0x2064), true),
        ("vlan 200", &plain, beside(0x2064), false),
        ("vlan 100", &tagged, None, true),
        ("vlan 100", &tagged, beside(200), false),
        ("vlan 200", &tagged, beside(200), true),
        ("vlan 100 and tcp port 80", &plain, beside(100), true),
        ("vlan 100 and tcp port 80", &tagged, None, true),
        ("vlan 100 and tcp port 80", &plain, None, false),
        ("vlan and tcp[13] = 2", &tagged, None, true),
        ("vlan and tcp[13] = 2", &plain, beside(1), true),
        ("vlan and tcp port 80", &tagged, beside(1), false),
        ("vlan 200 and vlan 100 and ip[8] = 64", &tagged, beside(200), true),
        ("vlan 100 and vlan 200 and ip", &twice, None, true),
        ("vlan 100 and vlan 200 and ip", &tagged, None, false),
        ("vlan and (ip or arp)", &plain, beside(5), true),
        ("1 = 1 and ip[8] = 64 and vlan 100 and ip", &plain, beside(100), true),
        ("(ip[8] = 64 or 2 = 2) and vlan 100 and ip[8] = 64", &tagged, None, true),
        ("not vlan", &tagged, None, false),
        ("not vlan", &plain, None, true),
    ];
    let mut options = options(LinkType::Ethernet);
    (options.source, options.vlan_beside) = (Source::Live, true);
    for (text, bytes, vlan, matches) in cases {
        for optimize in [true, false] {
            options.optimize = optimize;
            let program = compile(text, &options).unwrap();
            let filter = Filter::check(&program, Dialect::Socket).unwrap();
            let mut packet = Packet::new(bytes);
            packet.vlan = vlan;
            assert_eq!(filter.run(&packet) != 0, matches, "{text} {vlan:?} {optimize} {bytes:02x?}");
        }
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let ether = options(LinkType::Ethernet);
    for (open, inner, close) in [("(", "ip", ")"), ("not ", "ip", ""), ("-", "1 = 1", ""), ("ip[", "0", "]")]
    {
        for count in [50, 100_000] {
            let text: String = [open.repeat(count), inner.into(), close.repeat(count)].concat();
            let text = if open == "ip[" { text + " = 0" } else { text };
            let result = compile(&text, &ether);
            match count {
                50 => drop(result.unwrap()),
                _ => assert!(matches!(result.unwrap_err().kind, ErrorKind::TooDeep { .. }), "{open}"),
            }
        }
    }
    let mut plain = ether;
    plain.optimize = false;
    let long = ["ip"; 20_000].join(" or ");
    let program = compile(&long, &plain).unwrap();
    Filter::check(&program, Dialect::Pcap).unwrap();
    assert_eq!(compile(&long, &ether).unwrap().len(), 4);
    let sum = format!("{} = 0", ["len"; 20_000].join(" + "));
    assert!(compile(&sum, &ether).is_ok());
}

#[test]
fn far_branches_go_over_jumps() {
    let mut options = options(LinkType::Ethernet);
    let ports: Vec<String> = (0..300).map(|port| format!("port {}", 2 * port)).collect();
    let text = ports.join(" or ");
    let frame = |port: u16| {
        let mut frame = hex(&format!("{ETHER}0800 {TCP}"));
        frame[36..38].copy_from_slice(&port.to_be_bytes());
        frame
    };
    for optimize in [true, false] {
        options.optimize = optimize;
        let filter = filter(&text, &options);
        for port in [0, 1, 2, 299, 300, 301, 597, 598, 599] {
            let matches = port % 2 == 0;
            assert_eq!(filter.run(&Packet::new(&frame(port))) != 0, matches, "{optimize} {port}");
        }
    }
}

/// Primitives whose loads stay inside a packet of 200 bytes.
const TERMS: &[&str] = &[
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp port 53",
    "host 10.0.0.1",
    "src net 10.0.0.0/8",
    "port 80",
    "portrange 1-100",
    "icmp6",
    "ip[8] > 64",
    "ip[9] = 6",
    "ip[9] = 17",
    "ip[6:2] & 0x1fff = 0",
    "tcp[13] & 2 != 0",
    "len > 100",
    "ether[0] & 1 = 0",
    "ip[8] - 5 = ip[9]",
    "vlan",
    "vlan 5",
    "ether host 0:1:2:3:4:5",
    "stp",
    "ipx",
    "atalk",
    "ip[2:2] / 3 = 5",
    "0 = ip[8]",
    "1 = 1",
    "1 = 2",
    "ip[8] ^ ip[9] & 7 = 1",
    "ip6 host fe80::1",
    "llc",
    "isis",
    "len - 3 = ip[8] * 2",
    "ip multicast",
    "not ip[16] = 224",
];

proptest! {
    #[test]
    fn optimised_or_not_a_program_says_the_same(
        terms in prop::collection::vec((0..TERMS.len(), any::<bool>(), any::<bool>()), 1..7),
        packet in prop::collection::vec(prop_oneof![Just(0u8), Just(6), Just(8), Just(0x45), any::<u8>()], 200),
        tag in prop::option::of(prop_oneof![Just(5u16), any::<u16>()]),
        kind in prop_oneof![Just(0x0800u16), Just(0x86dd), Just(0x8100), Just(0x0806), Just(40)],
    ) {
        let mut text = String::new();
        for (i, (term, and, not)) in terms.into_iter().enumerate() {
            text += match (i, and) { (0, _) => "", (_, true) => " and ", _ => " or " };
            text += if not { "not " } else { "" };
            text += TERMS[term];
        }
        let mut packet = packet;
        packet[12..14].copy_from_slice(&kind.to_be_bytes());
        let mut packet = Packet::new(&packet);
        let mut options = options(LinkType::Ethernet);
        let dialect = if tag.is_some() { Dialect::Socket } else { Dialect::Pcap };
        (packet.vlan, options.vlan_beside) = (tag.map(|tci| Vlan { tci, tpid: 0x8100 }), tag.is_some());
        options.optimize = false;
        let program = compile(&text, &options).unwrap();
        let checked = Filter::check(&program, dialect).map_err(|e| TestCaseError::fail(format!("{text}: {e}")));
        let plain = checked?.run(&packet);
        options.optimize = true;
        let optimised = match compile(&text, &options) {
            Ok(program) => {
                let checked = Filter::check(&program, dialect);
                checked.map_err(|e| TestCaseError::fail(format!("{text}, optimised: {e}")))?.run(&packet)
            }
            Err(error) => {
                prop_assert_eq!(error.kind, ErrorKind::RejectsAll, "{}", text);
                0
            }
        };
        prop_assert_eq!(plain, optimised, "{}", text);
    }

    #[test]
    fn any_text_compiles_or_says_where_not(text in "[ -~]{0,60}|(ip|tcp|port|host|and|or|not|[()]|[0-9.:]{1,9}|\\[|\\]| |=|&|-|vlan|x){0,30}|\\PC{0,20}") {
        for &link in LinkType::ALL {
            if let Err(error) = compile(&text, &options(link)) {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
                prop_assert!(text.is_char_boundary(error.span.start) && text.is_char_boundary(error.span.end));
                let _ = format!("{}", error.show(&text));
            }
        }
    }
}
