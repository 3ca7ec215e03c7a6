//! The `oxbpf` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    oxbpf::cli::main()
}
