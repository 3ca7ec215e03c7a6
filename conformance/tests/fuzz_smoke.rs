//! The fuzz targets on damaged seeds: a fixed walk that every run repeats. Searching is for `fuzz/`.

use oxbpf_conformance::fuzz::TARGETS;
use std::fs;
use std::path::Path;

/// A small generator with a fixed seed (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

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
    out.push(b"4,40 0 0 12,21 0 1 2048,6 0 0 65535,6 0 0 0".to_vec());
    out
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(8) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => bytes.truncate(at),
            3 => {
                let end = (at + 1 + random.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + 4).min(bytes.len());
                bytes[at..end].fill(random.next() as u8);
            }
        }
    }
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
        println!("{name}: {} inputs", seeds.len() * 61);
    }
}

#[test]
fn random_programs_are_judged_in_time_and_run_on_their_proofs() {
    use oxbpf_conformance::fuzz::{programs, verify};
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut bytes = [0; 4 * 60];
    for n in 0..4000 {
        let most = [8, 60][n / 4 % 2];
        let len = 4 * (1 + random.below(most));
        bytes[..len].iter_mut().for_each(|b| *b = (random.next() >> 32) as u8);
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
