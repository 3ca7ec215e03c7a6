//! `oxbpf filter` as a user meets it: every form read and written, captures of every kind, verdicts
//! held against packets read without the code under test.
#![cfg(feature = "cli")]

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oxbpf"));
    command.arg("filter").args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn filter(args: &[&str]) -> Output {
    command(args).output().expect("the command runs")
}

/// Standard output of a run that ended well.
fn out(args: &[&str]) -> String {
    let output = filter(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn status(args: &[&str]) -> Option<i32> {
    filter(args).status.code()
}

fn json(args: &[&str]) -> Value {
    let mut args = args.to_vec();
    args.extend(["--format", "json"]);
    let output = filter(&args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// A directory of this test's own, gone when the test is over.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("oxbpf-filter-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const EXAMPLE: &str = "examples/packets.pcap";

fn example() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE)).unwrap()
}

/// The packets of the example capture: header and bytes of each record.
fn records() -> Vec<(Vec<u8>, Vec<u8>)> {
    let file = example();
    let (mut at, mut out) = (24, Vec::new());
    while at < file.len() {
        let len = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
        out.push((file[at..at + 16].to_vec(), file[at + 16..at + 16 + len].to_vec()));
        at += 16 + len;
    }
    out
}

/// Whether a packet of the example is TCP over IPv4 or IPv6, by hand.
fn is_tcp(packet: &[u8]) -> bool {
    match packet[12..14] {
        [0x08, 0x00] => packet.get(23) == Some(&6),
        [0x86, 0xdd] => packet.get(20) == Some(&6),
        _ => false,
    }
}

fn tcp_records() -> Vec<(Vec<u8>, Vec<u8>)> {
    records().into_iter().filter(|(_, packet)| is_tcp(packet)).collect()
}

/// The example again in another byte order or resolution of time.
fn pcap(big: bool, nano: bool) -> Vec<u8> {
    let word = |w: u32| if big { w.to_be_bytes() } else { w.to_le_bytes() };
    let mut file = word(if nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }).to_vec();
    file.extend(if big { [0, 2, 0, 4] } else { [2, 0, 4, 0] });
    for w in [0, 0, 65_535, 1] {
        file.extend(word(w));
    }
    for (header, packet) in records() {
        let words = header.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w));
        for (nth, w) in words.enumerate() {
            file.extend(word(if nano && nth == 1 { w * 1000 } else { w }));
        }
        file.extend(packet);
    }
    file
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let padded = body.len().next_multiple_of(4);
    let len = (padded as u32 + 12).to_le_bytes();
    file.extend(kind.to_le_bytes());
    file.extend(len);
    file.extend(body);
    file.resize(file.len() + padded - body.len(), 0);
    file.extend(len);
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// The example as pcapng: each packet on an interface of Ethernet, and, where it is IP, once more on
/// one of raw IP.
fn pcapng() -> Vec<u8> {
    let mut file = Vec::new();
    block(&mut file, 0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    block(&mut file, 1, &words(&[1, 0]));
    block(&mut file, 1, &words(&[101, 0]));
    for (_, packet) in records() {
        for (interface, bytes) in [(0, &packet[..]), (1, &packet[14..])] {
            if interface == 1 && !matches!(packet[12..14], [0x08, 0x00] | [0x86, 0xdd]) {
                continue;
            }
            let len = bytes.len() as u32;
            let mut body = words(&[interface, 5, 6, len, len]);
            body.extend(bytes);
            block(&mut file, 6, &body);
        }
    }
    block(&mut file, 5, &words(&[0, 1, 2]));
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_form_is_told_and_read_back() {
    let dir = Dir::new("forms");
    let expected = out(&["tcp", "port", "443", "--to", "ddd"]);
    assert!(expected.lines().count() > 10);
    for form in ["d", "dd", "ddd", "xt", "asm", "seccomp", "raw"] {
        let text = filter(&["tcp port 443", "--to", form]).stdout;
        let path = dir.file(form, &text);
        assert_eq!(out(&[&path, "--to", "ddd"]), expected, "{form} from a file");
        if form != "raw" {
            let inline = std::str::from_utf8(&text).unwrap();
            assert_eq!(out(&[inline, "--to", "ddd"]), expected, "{form} from the command line");
        }
    }
    let big = filter(&["tcp port 443", "--to", "raw", "--big-endian"]).stdout;
    assert_eq!(out(&[&dir.file("big", &big), "--to", "ddd"]), expected);
    let mut child =
        command(&["-", "--to", "ddd"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"tcp port 443\n").unwrap();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), expected);
}

#[test]
fn expressions_are_not_taken_for_programs() {
    for text in
        ["(tcp or udp) and len > 5", "4 < len", "ether host 00:11:22:33:44:55", "not ip", "1 = 1 or arp"]
    {
        assert!(!out(&[text]).is_empty(), "{text}");
    }
    let cases = [
        ("udp prot 3", "  udp prot 3\n      ^^^^"),
        ("ldh [12]\njeq #x", "line 2"),
        ("(000) ldh [12", "line 1"),
        ("3,6 0 0", "line 1"),
        ("{ 0x28, 0", "line 1"),
        ("ret", "line 1"),
    ];
    for (text, message) in cases {
        let output = filter(&[text]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(error.contains(message), "{text}: {error}");
    }
    assert_eq!(status(&[]), Some(2));
}

#[test]
fn a_listing_is_tcpdump_s() {
    let text = out(&["icmp"]);
    let expected = "(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 5\n(002) ldb      [23]\n\
        (003) jeq      #0x1             jt 4\tjf 5\n(004) ret      #262144\n(005) ret      #0\n";
    assert_eq!(text, expected);
    let insns = json(&["icmp", "-s", "96"]);
    assert_eq!(insns["insns"][4]["k"], 96);
    let ebpf = out(&["icmp", "--to", "ebpf"]);
    assert!(ebpf.contains("r0 = *(u16 *)skb[12]") && ebpf.trim_end().ends_with("exit"), "{ebpf}");
}

#[test]
fn captures_of_every_kind_give_the_same() {
    let dir = Dir::new("kinds");
    let expected = tcp_records().len();
    assert!(expected > 10 && expected < records().len());
    for (big, nano) in [(false, false), (false, true), (true, false), (true, true)] {
        let bytes = pcap(big, nano);
        for (name, bytes) in [("plain", bytes.clone()), ("gz", gzip(&bytes))] {
            let path = dir.file(name, &bytes);
            for engine in ["interp", "vm", "jit"] {
                let count = out(&["tcp", "-r", &path, "--count", "--engine", engine]);
                assert_eq!(count.trim(), expected.to_string(), "{big} {nano} {name} {engine}");
            }
            let first = json(&["-r", &path, "-c", "1"]);
            assert_eq!(first["matches"][0]["time_ns"], 1_700_000_000_000_000_000u64);
        }
    }
    // Ethernet and raw IP in one file: the expression is compiled for each.
    let path = dir.file("ng", &pcapng());
    for engine in ["interp", "vm", "jit"] {
        let count = out(&["tcp", "-r", &path, "--count", "--engine", engine]);
        assert_eq!(count.trim(), (2 * expected).to_string());
    }
    let second = json(&["tcp", "-r", &path, "-c", "2"]);
    assert_eq!(
        (&second["matches"][0]["link_type"], &second["matches"][1]["link_type"]),
        (&1.into(), &101.into())
    );
    assert_eq!(second["matches"][0]["summary"], second["matches"][1]["summary"]);
    assert_eq!(second["matches"][0]["time_ns"], ((5u64 << 32) + 6) * 1000);
}

#[test]
fn lengths_are_those_on_the_wire() {
    let dir = Dir::new("lengths");
    let mut file = pcap(false, false)[..24].to_vec();
    file.extend(words(&[1, 2, 40, 226]));
    file.extend([7; 40]);
    let path = dir.file("cut.pcap", &file);
    for engine in ["interp", "vm", "jit"] {
        let count = |semantics: &str| {
            out(&["len > 100", "-r", &path, "--count", "--engine", engine, "--semantics", semantics])
        };
        // The kernel knows no other length than what it was given.
        assert_eq!((count("libpcap").trim(), count("kernel").trim()), ("1", "0"), "{engine}");
    }
}

#[test]
fn matches_are_written_as_they_are() {
    let dir = Dir::new("write");
    let path = dir.path("out.pcap");
    let output = filter(&["tcp", "-r", EXAMPLE, "-w", &path]);
    assert!(output.status.success());
    let said = format!("{} of {} packets match\n", tcp_records().len(), records().len());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
    let mut expected = example()[..24].to_vec();
    for (header, packet) in tcp_records() {
        expected.extend(header);
        expected.extend(packet);
    }
    assert_eq!(std::fs::read(&path).unwrap(), expected);
    // From standard input to standard output, compressed, big-endian.
    let mut child = command(&["tcp", "-r", "-", "-w", "-", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&gzip(&pcap(true, true))).unwrap();
    let written = child.wait_with_output().unwrap().stdout;
    assert_eq!(written[..24], pcap(true, true)[..24]);
    assert_eq!(written.len(), expected.len());
    // Blocks that are no packets stay, all but the length of the section unchanged.
    let ng = dir.file("in.pcapng", &pcapng());
    let to = dir.path("out.pcapng");
    assert_eq!(status(&["-r", &ng, "-w", &to]), Some(0));
    assert_eq!(std::fs::read(&to).unwrap(), pcapng());
    assert_eq!(status(&["tcp", "-r", &ng, "-w", &to]), Some(0));
    assert_eq!(out(&["-r", &to, "--count"]).trim(), (2 * tcp_records().len()).to_string());
    assert_eq!(status(&["tcp", "-r", &ng, "-w", &ng]), Some(2));
}

#[test]
fn a_damaged_capture_gives_what_it_has() {
    let dir = Dir::new("damaged");
    let mut bytes = example();
    bytes.truncate(bytes.len() - 3);
    let path = dir.file("cut.pcap", &bytes);
    let to = dir.path("out.pcap");
    let output = filter(&["-r", &path, "-w", &to]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut off"), "{output:?}");
    let last = records().pop().unwrap().1.len() + 16;
    assert_eq!(std::fs::read(&to).unwrap(), example()[..example().len() - last]);
    let document = json(&["-r", &path, "--count"]);
    assert_eq!(document["matched"], records().len() - 1);
    assert!(document["error"].as_str().unwrap().contains("cut off"));
    assert_eq!(status(&["-r", "no/such/file"]), Some(2));
    assert_eq!(status(&["-r", "Cargo.toml"]), Some(2));
}

#[test]
fn circumstances_are_asked_for() {
    let total = records().len().to_string();
    let asks = [
        ("ld mark\njeq #5, y\nret #0\ny: ret #1", "mark=5"),
        ("ld vlan_tci\njeq #7, y\nret #0\ny: ret #1", "vlan=7"),
        ("ld ifidx\njeq #3, y\nret #0\ny: ret #1", "ifindex=3"),
        ("ld rxhash\njgt #0xfffffff0, y\nret #0\ny: ret #1", "rxhash=0xffffffff"),
        ("ld queue\njeq #2, y\nret #0\ny: ret #1", "queue=2, mark=1"),
        ("ld type\njeq #4, y\nret #0\ny: ret #1", "pkttype=4"),
    ];
    for (program, ctx) in asks {
        for engine in ["interp", "vm", "jit"] {
            let args = [program, "-r", EXAMPLE, "--count", "--engine", engine];
            assert_eq!(out(&args).trim(), "0", "{program}");
            let with: Vec<&str> = args.iter().copied().chain(["--ctx", ctx]).collect();
            assert_eq!(out(&with).trim(), total, "{program} {engine}");
        }
    }
    // What the packet itself tells: the protocol, the payload, the network header.
    let ip6 = records().iter().filter(|(_, p)| p[12..14] == [0x86, 0xdd]).count().to_string();
    let by_protocol = "ld proto\njeq #0x86dd, y\nret #0\ny: ret #1";
    assert_eq!(out(&[by_protocol, "-r", EXAMPLE, "--count"]).trim(), ip6);
    let by_header = "ldb [-0x100000]\nand #0xf0\njeq #0x60, y\nret #0\ny: ret #1";
    assert_eq!(out(&[by_header, "-r", EXAMPLE, "--count"]).trim(), ip6);
    // Under libpcap's rules such a load is outside.
    assert_eq!(out(&[by_header, "-r", EXAMPLE, "--count", "--semantics", "libpcap"]).trim(), "0");
    let output = filter(&["-r", EXAMPLE, "--ctx", "colour=red"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("pkttype"), "{output:?}");
}

#[test]
fn packets_may_begin_at_the_network_header() {
    // As nfbpf_compile RAW makes it for `tcp` over IPv4.
    let xt = "4,48 0 0 9,21 0 1 6,6 0 0 65535,6 0 0 0";
    let ip = records().iter().filter(|(_, p)| p[12..14] == [8, 0] && p.get(23) == Some(&6)).count();
    let mixed = records().iter().filter(|(_, p)| p.get(23) == Some(&6)).count();
    for engine in ["interp", "vm", "jit"] {
        let args = [xt, "-r", EXAMPLE, "--count", "--at", "network", "--engine", engine];
        assert_eq!(out(&args).trim(), mixed.to_string());
        let args = ["ip and tcp", "-r", EXAMPLE, "--count", "--at", "network", "--engine", engine];
        assert_eq!(out(&args).trim(), ip.to_string());
        let kernel = "ldb [-0x200000 + 12]\nret a";
        assert_eq!(status(&[kernel, "-r", EXAMPLE]), Some(2));
        let kernel = "ldh [-0x1ffff4]\njeq #0x800, y\nret #0\ny: ldb [9]\njeq #6, m\nret #0\nm: ret #1";
        let args = [kernel, "-r", EXAMPLE, "--count", "--at", "network", "--engine", engine];
        assert_eq!(out(&args).trim(), ip.to_string(), "{engine}");
    }
}

#[test]
fn rules_are_named_with_their_place() {
    let program = "ldh [12]\nld M[3]\nret #1";
    assert_eq!(status(&[program, "--check", "libpcap"]), Some(0));
    let output = filter(&[program, "--check", "kernel,seccomp,libpcap"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "\
kernel: rejected: instruction 1: M[3] is read, but not written on every path to here
    (001) ld       M[3]
seccomp: rejected: instruction 1: M[3] is read, but not written on every path to here
    (001) ld       M[3]
libpcap: accepted
";
    assert_eq!(text, expected);
    let document = json(&[program, "--check", "kernel"]);
    let row = &document["checks"][0];
    assert_eq!((&row["verdict"], &row["rule"]), (&"reject".into(), &"unwritten_scratch".into()));
    assert_eq!((&row["insn"], &row["errno"]), (&1.into(), &"EINVAL".into()));
    // Running what is not legal is refused by the same rule.
    let output = filter(&["ld mark\nld M[3]\nret #1", "-r", EXAMPLE]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("not legal for the kernel: instruction 1: M[3]")
    );
}

#[test]
fn filters_are_compared() {
    assert_eq!(status(&["tcp port 80", "--compare", "tcp and port 80"]), Some(0));
    let document = json(&["tcp", "--compare", "ip and tcp"]);
    assert_eq!((&document["verdict"], &document["packet"]["verdicts"][1]), (&"differ".into(), &0.into()));
    let hex = document["packet"]["hex"].as_str().unwrap();
    assert!(hex[24..].starts_with("86dd"), "{hex}");
    // Optimised code asks for less of packets that are cut off.
    let dir = Dir::new("compare");
    let text = "host 10.0.0.1 or 10.0.0.2";
    let plain = dir.file("plain", out(&[text, "-O"]).as_bytes());
    assert_eq!(status(&[text, "--compare", &plain]), Some(1));
    let output = filter(&[text, "--compare", &plain, "--shortest", "42"]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "equal: the filters match the same packets, proved for packets of 42 to 262144 bytes\n"
    );
    // A real packet is shown where the capture has one.
    let document = json(&["tcp", "--compare", "ip and tcp", "-r", EXAMPLE]);
    let first = records().iter().position(|(_, p)| is_tcp(p) && p[12..14] == [0x86, 0xdd]).unwrap();
    assert_eq!(document["packet"]["number"], first + 1);
    // Random numbers are not decided, and nothing is claimed.
    let random = "ld rand\nand #0\nret a";
    let document = json(&[random, "--compare", random]);
    assert_eq!((&document["verdict"], &document["tried"]), (&"unknown".into(), &200_000.into()));
    assert_eq!(status(&[random, "--compare", random]), Some(3));
    assert_eq!(status(&["tcp", "--compare", "tcp", "-s", "100", "--exact"]), Some(0));
}

#[test]
fn a_filter_is_told_in_words() {
    let text = out(&["udp port 53", "--explain", "-y", "RAW"]);
    assert!(
        text.contains("the packet is IPv6") && text.contains("the UDP source port is 53: match"),
        "{text}"
    );
    let text = out(&["ldb [0]\njgt #255, y\nret #0\ny: ret #1", "--explain"]);
    assert!(text.contains("The filter matches no packet."), "{text}");
    let document = json(&["ip", "--explain"]);
    assert_eq!(document["tree"]["test"], "the EtherType is IPv4 (0x800)");
    assert_eq!(document["tree"]["no"]["end"], "no match");
}

const SANDBOX: &str = "ld [4]\njne #0xc000003e, bad\nld [0]\njge #0x40000000, bad\njeq #1, write\n\
    jeq #59, deny\njeq #60, ok\njeq #231, ok\njmp bad\nwrite: ld [16]\njeq #1, ok\njeq #2, ok\n\
    deny: ret #0x00050001\nbad: ret #0x80000000\nok: ret #0x7fff0000\n";

#[test]
fn system_calls_are_judged() {
    let seccomp = ["--seccomp", "--arch", "x86_64"];
    let run = |filters: &[&str], call: &str| {
        let mut args = filters.to_vec();
        args.extend(seccomp);
        args.extend(["--syscall", call]);
        out(&args).trim().to_owned()
    };
    assert_eq!(run(&[SANDBOX], "write(1, 0x1000, 5)"), "write(1, 0x1000, 5): allow");
    assert_eq!(run(&[SANDBOX], "write(3)"), "write(3): errno(1)");
    assert_eq!(run(&[SANDBOX], "execve"), "execve: errno(1)");
    assert_eq!(run(&[SANDBOX], "2"), "2: kill_process");
    // The stronger of two, whichever was installed first.
    let trap = "ret #0x00030005";
    assert_eq!(run(&[SANDBOX, trap], "exit"), "exit: trap(5) (of allow, trap(5))");
    assert_eq!(run(&[trap, SANDBOX], "getpid"), "getpid: kill_process (of trap(5), kill_process)");
    let output = filter(&[SANDBOX, "--seccomp", "--syscall", "no_such_call"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(status(&["ldh [12]\nret #0", "--seccomp"]), Some(1));
}

#[test]
fn what_a_sandbox_allows_is_listed() {
    let text = out(&[SANDBOX, "--seccomp", "--arch", "x86_64"]);
    assert!(text.contains("allow, whatever the arguments (2):\n    exit, exit_group\n"), "{text}");
    assert!(text.contains("errno(1), whatever the arguments (1):\n    execve\n"), "{text}");
    assert!(text.contains("  write:\n") && text.contains("    errno(1) when args[0] "), "{text}");
    assert!(text.contains("allow when args[0] in 0x1..=0x2"), "{text}");
    assert!(text.contains("others, and numbers of no system call: kill_process"), "{text}");
    let document = json(&[SANDBOX, "--seccomp", "--arch", "x86_64"]);
    assert_eq!(
        (&document["complete"], &document["other_archs"]["i386"]),
        (&true.into(), &"kill_process".into())
    );
    assert_eq!(document["syscalls"]["exit"][0]["action"], "allow");
    // Filters of calls are compared over all of them.
    let sorted = SANDBOX.replace("jeq #60, ok\njeq #231, ok", "jeq #231, ok\njeq #60, ok");
    assert_eq!(status(&[SANDBOX, "--seccomp", "--arch", "x86_64", "--compare", &sorted]), Some(0));
    let wider = SANDBOX.replace("jeq #2, ok", "jge #2, ok");
    let output = filter(&[SANDBOX, "--seccomp", "--arch", "x86_64", "--compare", &wider]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "differ: the first gives errno(1), the second allow on\n  write(0x3, 0x0, 0x0, 0x0, 0x0, 0x0) of x86_64\n";
    assert_eq!(text, expected);
    // A second filter narrows what the first allows.
    let no_exit = "ld [0]\njeq #60, no\nret #0x7fff0000\nno: ret #0x00050026\n";
    let document = json(&[SANDBOX, no_exit, "--seccomp", "--arch", "x86_64"]);
    assert_eq!(document["syscalls"]["exit"][0]["action"], "errno(38)");
    assert_eq!(document["syscalls"]["exit_group"][0]["action"], "allow");
}

#[test]
fn numbers_of_no_system_call_are_told_apart() {
    // Under two filters: the first refuses the numbers of x32, the second says nothing of them.
    let first = "ld [0]\njge #0x40000000, kill\nret #0x7fff0000\nkill: ret #0x80000000\n";
    let second = "ld [0]\njeq #1, log\nret #0x7fff0000\nlog: ret #0x7ffc0000\n";
    let text = out(&["--seccomp", first, second]);
    assert!(text.contains("others, and numbers of no system call up to 0x3fffffff: allow\n"), "{text}");
    assert!(text.contains("numbers of no system call from 0x40000000: kill_process\n"), "{text}");
    let rows = json(&["--seccomp", first, second])["unlisted"].clone();
    let row = |nth: usize| (rows[nth]["to"].as_u64(), rows[nth]["action"].as_str().map(str::to_owned));
    assert_eq!(row(0), (Some(0x3fff_ffff), Some("allow".to_owned())));
    assert_eq!(row(1), (Some(u64::from(u32::MAX)), Some("kill_process".to_owned())));
}
