//! `oxbpf filter`: classic filters and pcap expressions, read, run, converted, explained, compared.

mod capture;
mod compare;
mod context;
mod engine;
mod explain;
mod load;
mod seccomp;
mod show;

use super::{CliError, Status};
use clap::ValueEnum;
use context::Circumstances;
use load::{Loaded, Reading};
use oxbpf_isa::cbpf::{CheckError, Dialect, Filter, Insn, SockFilter};
use std::io::Write;
use std::path::PathBuf;

/// Read, run, convert, check, explain and compare classic filters.
///
/// FILTER is a pcap expression such as `tcp port 80`, whose words need no quotes, or a classic program
/// in any form: `tcpdump -d`, `-dd` or `-ddd`, the one line of xt_bpf, bpf_asm's grammar, raw
/// instructions, or the listing of seccomp-tools. It may be the name of a file, `-` for standard input,
/// or the text itself; the form is told by the content.
///
/// With -r the filter runs over a capture: pcap or pcapng of any byte order, gzip'd or not. The matching
/// packets are listed, counted with --count, or written with -w as they are in the capture. A filter
/// that loads at negative offsets (ancillary values, headers) runs by the kernel's rules, any other by
/// libpcap's, unless --semantics says otherwise.
///
/// Without any of -r, --check, --explain and --compare the program is printed.
///
/// Exit status: 0 all well (--compare: proved equal), 1 the filter is not legal (--compare: the filters
/// differ), 2 usage or unreadable input, 3 not known.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The filter; with --seccomp one or several, in the order of installation.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// The capture to run over; `-` is standard input.
    #[arg(short, long, value_name = "FILE", group = "mode", help_heading = "Run")]
    read: Option<PathBuf>,
    /// Write the packets that match, and all that stands between packets, to a new capture; `-` is
    /// standard output.
    #[arg(short, long, value_name = "FILE", requires = "read", help_heading = "Run")]
    write: Option<PathBuf>,
    /// End after so many matches.
    #[arg(short = 'c', long = "max", value_name = "N", requires = "read", help_heading = "Run")]
    max: Option<u64>,
    /// Print the number of matches and nothing else.
    #[arg(long, requires = "read", conflicts_with = "write", help_heading = "Run")]
    count: bool,
    /// What runs the filter.
    #[arg(long, value_enum, default_value = "auto", help_heading = "Run")]
    engine: EngineKind,
    /// Whose rules the filter follows.
    #[arg(long, value_enum, value_name = "RULES", help_heading = "Run")]
    semantics: Option<Semantics>,
    /// What the kernel would know of each packet: `mark=1,ifindex=2,vlan=5,…`. Values not given come
    /// from the packet and the capture where they tell.
    #[arg(long, value_name = "NAME=VALUE,…", help_heading = "Run")]
    ctx: Option<Circumstances>,
    /// Where packets begin for the filter: `network` is what xt_bpf and cgroup programs see.
    #[arg(long, value_enum, default_value = "link", help_heading = "Run")]
    at: Layer,
    /// No progress bar. There is one for long captures when standard error is a terminal.
    #[arg(short, long, help_heading = "Run")]
    quiet: bool,
    /// Print the program in this form.
    #[arg(long, value_enum, value_name = "FORM", group = "mode", help_heading = "Print")]
    to: Option<Form>,
    /// Raw instructions in big-endian order.
    #[arg(long, requires = "to", help_heading = "Print")]
    big_endian: bool,
    /// Check the program by one or several sets of rules.
    #[arg(
        long,
        value_enum,
        value_name = "RULES",
        value_delimiter = ',',
        group = "mode",
        help_heading = "Judge"
    )]
    check: Vec<Rules>,
    /// Tell in words what the filter does.
    #[arg(long, group = "mode", help_heading = "Judge")]
    explain: bool,
    /// Find a packet on which this filter differs, or prove that there is none.
    #[arg(long, value_name = "FILTER", help_heading = "Judge")]
    compare: Option<String>,
    /// Compare the verdicts, not only whether a packet matches.
    #[arg(long, requires = "compare", help_heading = "Judge")]
    exact: bool,
    /// Leave packets of fewer bytes out of account: filters that ask for bytes in another order differ on
    /// packets that are cut off.
    #[arg(long, value_name = "BYTES", requires = "compare", default_value_t = 0, help_heading = "Judge")]
    shortest: u32,
    /// The filters are for system calls: list what they allow, or run them with --syscall.
    #[arg(long, conflicts_with_all = ["read", "engine", "ctx", "at"], help_heading = "seccomp")]
    seccomp: bool,
    /// The calling convention.
    #[arg(long, value_name = "ARCH", requires = "seccomp", help_heading = "seccomp")]
    arch: Option<String>,
    /// A system call to run the filters on: a name or number, and arguments: `openat(-100, 0x1000, 2)`.
    #[arg(long, value_name = "CALL", requires = "seccomp", help_heading = "seccomp")]
    syscall: Vec<String>,
    /// The address the system call is made from.
    #[arg(long, value_name = "ADDRESS", requires = "syscall", default_value = "0", value_parser = number64, help_heading = "seccomp")]
    ip: u64,
    /// The link type that expressions are for, and explanations, where no capture tells.
    #[arg(short = 'y', long, value_name = "TYPE", value_parser = link_type, help_heading = "Expressions")]
    link: Option<u32>,
    /// Compile expressions without optimising.
    #[arg(short = 'O', long, help_heading = "Expressions")]
    no_optimize: bool,
    /// Bytes of each packet that expressions keep.
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 262_144, help_heading = "Expressions")]
    snaplen: u32,
    /// The mask of the network, for `ip broadcast`.
    #[arg(long, value_name = "MASK", help_heading = "Expressions")]
    netmask: Option<std::net::Ipv4Addr>,
    /// How to write results.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One object, with stable keys.
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Semantics {
    /// As libpcap's interpreter.
    Libpcap,
    /// As the kernel's.
    Kernel,
}

impl Semantics {
    const fn dialect(self) -> Dialect {
        match self {
            Semantics::Libpcap => Dialect::Pcap,
            Semantics::Kernel => Dialect::Socket,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Layer {
    /// At the link-layer header.
    Link,
    /// At the network header; expressions are compiled for raw IP.
    Network,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum EngineKind {
    /// The interpreter of classic instructions at first, machine code for long captures.
    Auto,
    /// The interpreter of classic instructions.
    Interp,
    /// Converted to eBPF, in the virtual machine.
    Vm,
    /// Converted to eBPF, as machine code.
    #[cfg(feature = "jit")]
    Jit,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Rules {
    /// The kernel's for packets.
    Kernel,
    /// The kernel's for system calls.
    Seccomp,
    /// libpcap's.
    Libpcap,
}

impl Rules {
    const fn dialect(self) -> Dialect {
        match self {
            Rules::Kernel => Dialect::Socket,
            Rules::Seccomp => Dialect::Seccomp,
            Rules::Libpcap => Dialect::Pcap,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Rules::Kernel => "kernel",
            Rules::Seccomp => "seccomp",
            Rules::Libpcap => "libpcap",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Form {
    /// tcpdump -d.
    D,
    /// tcpdump -dd, a C array.
    Dd,
    /// tcpdump -ddd, numbers.
    Ddd,
    /// The one line of xt_bpf and nfbpf_compile.
    Xt,
    /// bpf_asm's grammar.
    Asm,
    /// The listing of seccomp-tools.
    Seccomp,
    /// Converted to eBPF, in the kernel's dialect.
    Ebpf,
    /// Instructions of eight bytes.
    Raw,
}

fn number64(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse::<u64>().or_else(|e| text.parse::<i64>().map(|n| n as u64).map_err(|_| e)),
    };
    parsed.map_err(|e| format!("{text:?}: {e}"))
}

fn link_type(text: &str) -> Result<u32, String> {
    crate::packet::layers::by_name(text).ok_or_else(|| {
        format!("{text:?} is no link type; they are EN10MB, RAW, LINUX_SLL and so on, or numbers")
    })
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    if args.seccomp {
        return seccomp::run(args, out);
    }
    let reading = Reading::new(args);
    let loaded = load::of_words(&args.filter, args.read.is_some())?;
    match args {
        Args { compare: Some(other), .. } => {
            compare::run(args, &loaded, &load::of_text(other)?, &reading, out)
        }
        Args { read: Some(path), .. } => capture::run(args, &loaded, path, &reading, out),
        Args { explain: true, .. } => explain::run(args, &loaded, &reading, out),
        Args { check, .. } if !check.is_empty() => {
            let program = loaded.program(reading.link_type, &reading)?;
            show::check(args, &loaded.name, &program, out)
        }
        _ => {
            let program = loaded.program(reading.link_type, &reading)?;
            show::print(args, &loaded.name, &program, out)
        }
    }
}

/// The rules a program follows when nobody says: those of the kernel when it loads at negative offsets,
/// which mean something there only.
fn dialect_of(args: &Args, program: &[SockFilter]) -> Dialect {
    let negative = |raw: &SockFilter| {
        let insn = Insn::decode(*raw);
        matches!(insn, Some(Insn::LoadAbs { k, .. } | Insn::LoadXMsh(k)) if k.cast_signed() < 0)
    };
    match args.semantics {
        Some(semantics) => semantics.dialect(),
        None if program.iter().any(negative) => Dialect::Socket,
        None => Dialect::Pcap,
    }
}

/// A program that has to be legal to go on.
fn legal(args: &Args, loaded: &Loaded, program: &[SockFilter]) -> Result<Filter, Illegal> {
    let dialect = dialect_of(args, program);
    Filter::check(program, dialect).map_err(|error| Illegal { name: loaded.name.clone(), dialect, error })
}

/// Why a filter cannot be run.
struct Illegal {
    name: String,
    dialect: Dialect,
    error: CheckError,
}

impl Illegal {
    /// Says so and gives the status for it.
    fn tell(&self) -> Result<Status, CliError> {
        let rules = match self.dialect {
            Dialect::Socket => "the kernel",
            Dialect::Seccomp => "seccomp",
            Dialect::Pcap => "libpcap",
        };
        let mut err = std::io::stderr().lock();
        let _ = writeln!(err, "oxbpf: {}: not legal for {rules}: {}", self.name, self.error);
        Ok(Status::Rejected)
    }
}
