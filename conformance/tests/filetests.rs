//! Every file test on every engine that answers to it, each a named test.

use libtest_mimic::{Arguments, Trial};
use oxbpf_conformance::filetest::{FileTest, engines, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the folder of file tests exists").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => files(&path, out),
            false if path.extension().is_some_and(|e| e == "bpft") => out.push(path),
            false => {}
        }
    }
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.sort();
    let bless = std::env::var_os("BLESS").is_some_and(|v| v == "1");
    let mut trials = Vec::new();
    for path in paths {
        let name = path.strip_prefix(&root).unwrap_or(&path).with_extension("").display().to_string();
        let text = fs::read_to_string(&path).expect("a file test can be read");
        let kinds = match FileTest::parse(&text) {
            Ok(test) => test.kinds,
            Err(e) => {
                let message = format!("line {}: {}", e.line, e.problem);
                trials.push(Trial::test(name, move || Err(message.into())));
                continue;
            }
        };
        let names = engines().into_iter().enumerate().filter(|(_, e)| kinds.iter().any(|k| k == e.kind()));
        for (index, engine) in names {
            let path = path.clone();
            let title = format!("{name} on {}", engine.name());
            trials.push(Trial::test(title, move || {
                let engines = Rc::new(engines());
                run(&path, &*engines[index], bless).map_err(Into::into)
            }));
        }
    }
    assert!(!trials.is_empty(), "there are no file tests");
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
