//! Classic filters against the running kernel: its checkers of socket and seccomp filters, its verifier
//! on converted filters, and what those do when they are run.
//!
//! `OXBPF_CLASSIC` gives the number of programs for each, a million for a long run.
#![cfg(target_os = "linux")]

use oxbpf::isa::cbpf::{self, Ancillary, Dialect, Filter, Insn, Packet, Rule, SockFilter, convert, text};
use oxbpf::isa::insn::ByteOrder;
use oxbpf::isa::kernel::{KernelModel, ProgType};
use oxbpf::isa::program::Program;
use oxbpf_conformance::classic::{damage, program};
use oxbpf_conformance::oracle::Oracle;
use oxbpf_conformance::random::Random;
use oxbpf_verifier::{Kernel, Verdict};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

fn count(usual: usize) -> usize {
    std::env::var("OXBPF_CLASSIC").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// `struct sock_fprog`.
#[repr(C)]
struct Fprog {
    len: u16,
    filter: *const u8,
}

fn native() -> ByteOrder {
    if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little }
}

fn option(socket: &OwnedFd, name: i32, value: *const libc::c_void, len: u32) -> io::Result<()> {
    // SAFETY: the value is a live structure of that length, whose pointers the caller holds.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, value, len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether the kernel takes a program on a socket of our own.
fn attach(socket: &OwnedFd, program: &[SockFilter]) -> io::Result<bool> {
    let bytes = SockFilter::bytes(program, native());
    let fprog = Fprog { len: program.len() as u16, filter: bytes.as_ptr() };
    let size = size_of::<Fprog>() as u32;
    match option(socket, libc::SO_ATTACH_FILTER, (&raw const fprog).cast(), size) {
        Ok(()) => {
            let zero = 0i32;
            option(socket, libc::SO_DETACH_FILTER, (&raw const zero).cast(), 4)?;
            Ok(true)
        }
        // A legal program may be more than the socket has memory for.
        Err(e) if e.raw_os_error() == Some(libc::ENOMEM) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(e) => Err(e),
    }
}

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: makes a new descriptor or fails.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Counts what the two said, and which rules were broken.
#[derive(Default)]
struct Score {
    accepted: usize,
    rules: BTreeMap<String, usize>,
    disagreements: Vec<String>,
}

impl Score {
    fn note(&mut self, program: &[SockFilter], ours: Result<(), cbpf::CheckError>, theirs: bool) {
        match &ours {
            Ok(()) => self.accepted += 1,
            Err(error) => {
                let rule = format!("{:?}", error.rule);
                let name = rule.split([' ', '{']).next().unwrap_or_default().to_owned();
                *self.rules.entry(name).or_default() += 1;
            }
        }
        if ours.is_ok() != theirs && self.disagreements.len() < 5 {
            let words = text::write(program, text::Form::Decimal).unwrap_or_default();
            self.disagreements.push(format!("{ours:?}, the kernel: {theirs}\n{words}"));
        }
    }

    fn end(&self, what: &str, programs: usize) {
        println!(
            "{what}: {programs} programs, {} accepted, refused by rule: {:?}",
            self.accepted, self.rules
        );
        assert!(self.disagreements.is_empty(), "{}", self.disagreements.join("\n"));
        assert!(
            self.accepted > programs / 4 && self.accepted < programs,
            "the programs are not near the rules"
        );
    }
}

#[test]
fn the_checker_of_socket_filters() {
    let socket = match socket() {
        Ok(socket) => socket,
        Err(e) => return println!("skipped: no socket: {e}"),
    };
    let (mut random, mut score, programs) = (Random::fresh(), Score::default(), count(20_000));
    for _ in 0..programs {
        let mut program = program(&mut random, false);
        damage(&mut random, &mut program);
        let theirs = match attach(&socket, &program) {
            Ok(theirs) => theirs,
            Err(e) => return println!("skipped: SO_ATTACH_FILTER: {e}"),
        };
        score.note(&program, cbpf::check(&program, Dialect::Socket), theirs);
    }
    score.end("socket filters", programs);
}

const SET_MODE_FILTER: libc::c_uint = 1;
const NEW_LISTENER: libc::c_uint = 8;

fn seccomp(program: &[SockFilter]) -> io::Result<i64> {
    let bytes = SockFilter::bytes(program, native());
    let fprog = Fprog { len: program.len() as u16, filter: bytes.as_ptr() };
    // SAFETY: the structure and the program it points to live through the call.
    match unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, NEW_LISTENER, &raw const fprog) } {
        -1 => Err(io::Error::last_os_error()),
        fd => Ok(fd),
    }
}

/// Asks without installing anything: a thread that has a listener gets no second one, and the kernel
/// finds that out after it has checked the filter. What the thread has itself allows everything.
fn ask_seccomp(random: &mut Random, programs: usize) -> io::Result<Score> {
    // SAFETY: sets a flag of this thread.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    seccomp(&[SockFilter::stmt(0x06, 0x7fff_0000)])?;
    let mut score = Score::default();
    for _ in 0..programs {
        let mut program = program(random, true);
        damage(random, &mut program);
        let theirs = match seccomp(&program).map_err(|e| e.raw_os_error()) {
            Err(Some(libc::EBUSY)) => true,
            Err(Some(libc::EINVAL)) => false,
            other => return Err(io::Error::other(format!("seccomp(2) gave {other:?}"))),
        };
        score.note(&program, cbpf::check(&program, Dialect::Seccomp), theirs);
    }
    Ok(score)
}

#[test]
fn the_checker_of_seccomp_filters() {
    let (mut random, programs) = (Random::fresh(), count(20_000));
    // The filter and the flag are those of this thread, and end with it.
    let asked = std::thread::spawn(move || ask_seccomp(&mut random, programs)).join();
    match asked.expect("the thread ends") {
        Ok(score) => score.end("seccomp filters", programs),
        Err(e) => println!("skipped: {e}"),
    }
}

fn converted(filter: &Filter) -> Result<Program, convert::ConvertError> {
    let insns = convert::convert(filter, &convert::Options::default())?;
    let mut program = Program::from_insns("filter", insns);
    program.prog_type = Some(ProgType::SocketFilter);
    program.license = "GPL".into();
    Ok(program)
}

fn asks(filter: &Filter, wanted: &[Ancillary]) -> bool {
    filter.insns().iter().any(|insn| match insn {
        Insn::LoadAbs { k, .. } => Ancillary::from_offset(*k).is_some_and(|which| wanted.contains(&which)),
        _ => false,
    })
}

/// A frame, and what the kernel's test run makes of it: the link-layer header is pulled, the device is
/// the loopback interface, and the protocol is none that is dissected further.
fn packet<'a>(frame: &'a [u8], mark: u32, protocol: u16) -> Packet<'a> {
    let mut packet = Packet::new(frame);
    (packet.data, packet.link, packet.network) = (14, Some(-14), 0);
    (packet.protocol, packet.ifindex, packet.mark) = (protocol, Some(1), mark);
    packet.wire_len = (frame.len() - 14) as u32;
    packet.pkt_type = match frame[0] & 1 {
        1 => 2,
        _ if frame[..6] == [0; 6] => 0,
        _ => 3,
    };
    packet
}

#[test]
fn converted_filters_are_verified_and_do_the_same() {
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let (mut random, programs) = (Random::fresh(), count(500));
    let (mut loaded, mut proven, mut runs, mut matches, mut without) = (0, 0, 0, 0, 0);
    while loaded < programs {
        let program = program(&mut random, false);
        let dialect = if random.index(4) == 0 { Dialect::Pcap } else { Dialect::Socket };
        let Ok(filter) = Filter::check(&program, dialect) else { continue };
        let Ok(ebpf) = converted(&filter) else {
            without += 1;
            continue;
        };
        let words = text::write(&program, text::Form::Decimal).unwrap();
        let (answer, kernel) = oracle.load(&ebpf, 0).unwrap();
        if answer.errno != 0 {
            let (answer, _) = oracle.load(&ebpf, 2).unwrap();
            panic!("the verifier refuses {dialect:?}\n{words}{}", answer.log);
        }
        loaded += 1;
        match oxbpf_verifier::verify(&ebpf, &Kernel::new(&KernelModel::latest())).verdict {
            Verdict::Accept => proven += 1,
            other => panic!("our verifier: {other:?} {dialect:?}\n{words}"),
        }
        let kernel = kernel.unwrap();
        if asks(&filter, &[Ancillary::Cpu, Ancillary::Random]) {
            continue;
        }
        for _ in 0..3 {
            let len = 14 + random.index(60);
            let byte = |random: &mut Random| {
                if random.index(2) == 0 { random.index(8) as u8 } else { random.number() as u8 }
            };
            let mut frame: Vec<u8> = (0..len).map(|_| byte(&mut random)).collect();
            frame[..6].iter_mut().for_each(|b| *b &= 0xfe);
            let protocol = [0x0806u16, 0x88cc, 0x1234][random.index(3)];
            frame[12..14].copy_from_slice(&protocol.to_be_bytes());
            let mark = random.number() as u32;
            let mut context = vec![0u8; 192];
            context[8..12].copy_from_slice(&mark.to_ne_bytes());
            let theirs = kernel.test_run(&frame, &context).unwrap().retval;
            let ours = filter.run(&packet(&frame, mark, protocol));
            assert_eq!(ours, theirs, "{dialect:?} on {frame:?} with mark {mark:#x}\n{words}");
            runs += 1;
            matches += usize::from(ours != 0);
        }
    }
    println!(
        "{loaded} converted and verified, {proven} by our verifier too, {without} have no eBPF form, {runs} runs equal, {matches} of them not 0"
    );
    assert!(matches > runs / 20);
}

/// The conversion that stretches a jump past 16 bits is refused by the kernel and here, and the
/// longest that is not is taken by both.
#[test]
fn the_longest_jump() {
    let socket = match socket() {
        Ok(socket) => socket,
        Err(e) => return println!("skipped: no socket: {e}"),
    };
    let program = |loads: usize| {
        let mut program = vec![SockFilter::stmt(0x05, loads as u32)];
        program.resize(loads + 1, SockFilter::stmt(0x28, 12));
        program.push(SockFilter::stmt(0x06, 1));
        program
    };
    let (mut taken, mut refused) = (1, 4094);
    match attach(&socket, &program(taken)) {
        Ok(true) => {}
        other => return println!("skipped: SO_ATTACH_FILTER: {other:?}"),
    }
    assert!(!attach(&socket, &program(refused)).unwrap());
    while taken + 1 < refused {
        let middle = taken.midpoint(refused);
        match attach(&socket, &program(middle)).unwrap() {
            true => taken = middle,
            false => refused = middle,
        }
    }
    assert_eq!(cbpf::check(&program(taken), Dialect::Socket), Ok(()));
    let error = cbpf::check(&program(refused), Dialect::Socket).unwrap_err();
    assert!(
        matches!(error.rule, Rule::Distance { distance } if !(-0x8000..=0x7fff).contains(&distance)),
        "{error}"
    );
}
