//! The developers' tool: renders facts, runs oracles.

use std::process::ExitCode;

const USAGE: &str = "usage: oxbpf-conformance facts [--check]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["facts"] => facts(false),
        ["facts", "--check"] => facts(true),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
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
