//! The fuzz targets on damaged seeds: a fixed walk that every run repeats. Searching is for `fuzz/`.
//! `OXBPF_FUZZ_SECONDS` makes the walk go on for so long, from a start that it says, for each target or
//! for those that `OXBPF_FUZZ_TARGETS` names.

use oxbpf_conformance::fuzz::TARGETS;
use oxbpf_conformance::random::Random;
use std::fs;
use std::path::Path;

fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut out = Vec::new();
    for dir in ["examples", "conformance/filetests/asm", "conformance/filetests/verify"] {
        for entry in fs::read_dir(root.join(dir)).unwrap().flatten() {
            if entry.path().is_file() {
                out.push(fs::read(entry.path()).unwrap());
            }
        }
    }
    // The types of objects are seeds of their own.
    let types: Vec<Vec<u8>> = out
        .iter()
        .filter_map(|bytes| {
            let object = oxbpf::object::Object::parse(&bytes[..], "seed").ok()?;
            Some(object.btf()?.bytes().to_vec())
        })
        .collect();
    out.extend(types);
    out.push(b"ldh [12]\njne #0x806, drop\nret #-1\ndrop: ret #0\n".to_vec());
    out.push(interfaces());
    for expression in include_str!("expr/expressions.txt").lines().step_by(7) {
        out.push(format!("\u{4}{expression}").into_bytes());
    }
    out.push(b"4,40 0 0 12,21 0 1 2048,6 0 0 65535,6 0 0 0".to_vec());
    out
}

/// A pcapng file of two interfaces.
fn interfaces() -> Vec<u8> {
    let blocks: [&[u32]; 5] = [
        &[0x0a0d_0d0a, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX],
        &[1, 1, 0, 1 << 16 | 9, 9, 0],
        &[1, 101, 96],
        &[6, 0, 0, 5, 6, 6, 0x0403_0201, 0x0605, 4 << 16 | 2, 2, 0],
        &[3, 4, 0x45],
    ];
    let mut file = Vec::new();
    for words in blocks {
        let len = 4 * words.len() as u32 + 8;
        for word in [words[0], len].into_iter().chain(words[1..].iter().copied()).chain([len]) {
            file.extend(word.to_le_bytes());
        }
    }
    file
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.index(8) {
        if bytes.is_empty() {
            return;
        }
        let at = random.index(bytes.len());
        match random.index(5) {
            0 => bytes[at] ^= 1 << random.index(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.index(5)],
            2 => bytes.truncate(at),
            3 => {
                let end = (at + 1 + random.index(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + 4).min(bytes.len());
                bytes[at..end].fill(random.number() as u8);
            }
        }
    }
}

/// Goes on damaging seeds for as long as that is asked for; how many there were.
fn longer(name: &str, target: &dyn Fn(&[u8]), seeds: &[Vec<u8>]) -> usize {
    let seconds = std::env::var("OXBPF_FUZZ_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let named = std::env::var("OXBPF_FUZZ_TARGETS").map_or(true, |names| names.split(',').any(|n| n == name));
    if seconds == 0 || !named {
        return 0;
    }
    let start = std::time::Instant::now();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = now.map_or(1, |now| now.as_nanos() as u64) | 1;
    println!("from {seed}");
    let (mut random, mut inputs) = (Random(seed), 0);
    while start.elapsed().as_secs() < seconds {
        let mut bytes = seeds[random.index(seeds.len())].clone();
        for _ in 0..1 + random.index(3) {
            damage(&mut bytes, &mut random);
        }
        target(&bytes);
        inputs += 1;
    }
    inputs
}

#[test]
fn damaged_seeds_do_no_harm() {
    let seeds = seeds();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (name, target) in TARGETS {
        for seed in &seeds {
            target(seed);
            for _ in 0..60 {
                let mut bytes = seed.clone();
                damage(&mut bytes, &mut random);
                target(&bytes);
            }
        }
        println!("{name}: {} inputs", seeds.len() * 61 + longer(name, target, &seeds));
    }
}

#[test]
fn random_programs_are_judged_in_time_and_run_on_their_proofs() {
    use oxbpf_conformance::fuzz::{programs, verify};
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut bytes = [0; 4 * 60];
    for n in 0..4000 {
        let most = [8, 60][n / 4 % 2];
        let len = 4 * (1 + random.index(most));
        bytes[..len].iter_mut().for_each(|b| *b = (random.number() >> 32) as u8);
        let start = std::time::Instant::now();
        if n % 4 == 0 {
            verify(&bytes[..len])
        } else {
            programs(&bytes[..len])
        }
        // A million instructions are the most that are looked at.
        assert!(start.elapsed().as_secs() < 60, "{:?}", &bytes[..len]);
    }
}
