//! The developers' tool: renders facts, runs oracles.

use std::process::ExitCode;

const USAGE: &str = "usage: oxbpf-conformance facts [--check]
       oxbpf-conformance harvest PROGRAMS DIRECTORY
       oxbpf-conformance plugin [MEMORY IN HEX] [--engine interp|jit] [--elf] <PROGRAM IN HEX";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["facts"] => facts(false),
        ["facts", "--check"] => facts(true),
        #[cfg(target_os = "linux")]
        ["harvest", count, dir] => harvest(count, dir),
        ["plugin", rest @ ..] => plugin(rest),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Writes file tests, without expectations, that random programs gave.
#[cfg(target_os = "linux")]
fn harvest(count: &str, dir: &str) -> ExitCode {
    let Ok(count) = count.parse() else {
        eprintln!("{count}: expected a number of programs");
        return ExitCode::from(2);
    };
    let files = match oxbpf_conformance::harvest::harvest(count) {
        Ok(files) => files,
        Err(skip) => {
            eprintln!("{skip}");
            return ExitCode::FAILURE;
        }
    };
    for (topic, text) in files {
        let path = std::path::Path::new(dir).join(format!("{topic}.bpft"));
        if let Err(error) = std::fs::write(&path, text) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
        println!("wrote {}", path.display());
    }
    ExitCode::SUCCESS
}

/// Runs one program as bpf_conformance asks.
fn plugin(args: &[&str]) -> ExitCode {
    let mut input = String::new();
    let result = match std::io::Read::read_to_string(&mut std::io::stdin(), &mut input) {
        Ok(_) => oxbpf_conformance::plugin::run(args, &input),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(value) => {
            println!("{value:x}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the generated files, or only says which are stale.
fn facts(check: bool) -> ExitCode {
    use oxbpf_conformance::facts::{render, workspace};
    let root = workspace();
    let files = match render(&root) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut stale = 0;
    for file in files {
        let path = root.join(&file.path);
        if std::fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
            continue;
        }
        stale += 1;
        if check {
            eprintln!("{} is stale", file.path.display());
        } else if let Err(error) = std::fs::write(&path, &file.text) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        } else {
            println!("wrote {}", file.path.display());
        }
    }
    if check && stale > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
