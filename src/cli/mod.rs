//! The `oxbpf` command: one file per subcommand, what they share beside them.
//!
//! Exit status: 0 when all is well, 1 when a program was rejected or a run trapped, 2 for usage and
//! for input that cannot be read, 3 when something could not be judged.

mod asm;
mod cfg;
mod check;
mod dis;
mod dump;
mod explain;
mod filter;
mod input;
#[cfg(feature = "jit")]
mod jit;
mod kernels;
mod load;
mod run;
mod style;
mod types;

use clap::{Parser, Subcommand, ValueEnum};
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Check, run and take apart BPF programs, without a kernel and without root.
#[derive(Parser, Debug)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 all well, 1 rejected or trapped, 2 usage or unreadable input, 3 unknown.\n\
                        `oxbpf help COMMAND` tells more of each command."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When to use colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: style::ColorChoice,
}

#[derive(Subcommand, Debug)]
enum Command {
    Check(check::Args),
    Dis(dis::Args),
    Asm(asm::Args),
    Cfg(cfg::Args),
    Dump(dump::Args),
    Explain(explain::Args),
    Kernels(kernels::Args),
    Run(run::Args),
    Filter(Box<filter::Args>),
    #[cfg(feature = "jit")]
    Jit(jit::Args),
}

/// How instructions are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum SyntaxArg {
    /// As the kernel's log and bpftool.
    Kernel,
    /// As llvm-objdump and clang.
    Llvm,
    /// As ubpf and the bpf_conformance vectors.
    Ubpf,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
enum CliError {
    /// A file that cannot be read or is not what it should be.
    Input { file: String, problem: String },
    /// Arguments that do not go together or name nothing.
    Usage(String),
    /// Writing the output failed.
    Output(io::Error),
}

impl CliError {
    fn input(file: impl fmt::Display, problem: impl fmt::Display) -> CliError {
        CliError::Input { file: file.to_string(), problem: problem.to_string() }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::Input { file, problem } => write!(f, "{file}: {problem}"),
            CliError::Usage(problem) => f.write_str(problem),
            CliError::Output(error) => write!(f, "cannot write: {error}"),
        }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        CliError::Output(error)
    }
}

/// The status of a command that came to an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Fine,
    Rejected,
    Unknown,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    style::set(cli.color);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = match &cli.command {
        Command::Check(args) => check::run(args, &mut out),
        Command::Dis(args) => dis::run(args, &mut out),
        Command::Asm(args) => asm::run(args, &mut out),
        Command::Cfg(args) => cfg::run(args, &mut out),
        Command::Dump(args) => dump::run(args, &mut out),
        Command::Explain(args) => explain::run(args, &mut out),
        Command::Kernels(args) => kernels::run(args, &mut out),
        Command::Run(args) => run::run(args, &mut out),
        Command::Filter(args) => filter::run(args, &mut out),
        #[cfg(feature = "jit")]
        Command::Jit(args) => jit::run(args, &mut out),
    };
    let result = result.and_then(|status| Ok(out.flush().map(|()| status)?));
    match result {
        Ok(Status::Fine) => ExitCode::SUCCESS,
        Ok(Status::Rejected) => ExitCode::from(1),
        Ok(Status::Unknown) => ExitCode::from(3),
        // A reader that closed the pipe has seen enough.
        Err(CliError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "oxbpf: {error}");
            ExitCode::from(2)
        }
    }
}
