//! File tests out of random programs: for each finding that random programs meet, the smallest program
//! that meets it, once the running kernel has refused it with the same words.

use crate::filetest::case_text;
use crate::logs::{last_words, same_words};
use crate::oracle::{Oracle, Skip};
use crate::random::{program, shrink};
use oxbpf::isa::kernel::{KernelModel, KernelVersion};
use oxbpf::isa::program::Program;
use oxbpf_verifier::{Kernel, Verdict, verify_logged};
use std::collections::BTreeMap;

/// Programs that are longer than this say little to a reader.
const LONGEST: usize = 30;

/// What findings are about whose codes begin so.
const TOPICS: &[(&str, &str)] = &[
    ("E01", "encoding"),
    ("E02", "subprogs"),
    ("E03", "helpers"),
    ("E04", "limits"),
    ("E05", "registers"),
    ("E06", "memory"),
    ("E07", "stack"),
    ("E08", "arguments"),
    ("E09", "returns"),
    ("E12", "kfuncs"),
    ("E13", "slots"),
    ("E14", "dynptrs"),
    ("E15", "objects"),
    ("E16", "targets"),
    ("E17", "maps"),
    ("E18", "locks"),
    ("E19", "owned"),
];

struct Judges {
    oracle: Oracle,
    model: KernelModel,
}

impl Judges {
    /// The code of the finding, by our judgement alone.
    fn code(&self, program: &Program) -> Option<(&'static str, &'static str, String)> {
        let (judgement, log) = verify_logged(program, &Kernel::new(&self.model), 4);
        let Verdict::Reject(fault) = judgement.verdict else { return None };
        let entry = fault.finding.entry();
        Some((entry.code, entry.title, last_words(&log).to_owned()))
    }

    fn kernel_agrees(&self, program: &Program, words: &str) -> bool {
        let answer = self.oracle.load(program, 4);
        answer.is_ok_and(|(a, _)| a.errno != 0 && same_words(words, last_words(&a.log)))
    }

    fn small(&self, found: &Program, code: &str) -> Option<Program> {
        let same = |p: &Program| self.code(p).is_some_and(|(c, ..)| c == code);
        let mut start = found.clone();
        for simpler in [
            Program { btf: None, funcs: Vec::new(), ..start.clone() },
            Program { flags: Default::default(), btf: None, funcs: Vec::new(), ..start.clone() },
        ] {
            if same(&simpler) {
                start = simpler;
            }
        }
        let small = without_unused_maps(shrink(&start, same));
        let (_, _, words) = self.code(&small)?;
        let plain = small.btf.is_none() && small.insns.len() <= LONGEST;
        (plain && self.kernel_agrees(&small, &words)).then_some(small)
    }
}

/// The program with only the maps that its instructions name.
fn without_unused_maps(mut program: Program) -> Program {
    let mut kept = Vec::new();
    let named = program.insns.iter_mut().filter(|i| i.is_ldimm64() && matches!(i.src, 1 | 2));
    for insn in named {
        let index = insn.imm as usize;
        let place = kept.iter().position(|&k| k == index).unwrap_or_else(|| {
            kept.push(index);
            kept.len() - 1
        });
        insn.imm = place as i32;
    }
    if kept.iter().all(|&k| k < program.maps.len()) {
        program.maps = kept.iter().map(|&k| program.maps[k].clone()).collect();
    }
    program
}

/// Draws so many programs, and gives the text of a file test for each topic.
///
/// # Errors
/// Why the kernel cannot be asked.
pub fn harvest(count: u64) -> Result<BTreeMap<&'static str, String>, Skip> {
    let model = KernelModel::measured(KernelVersion::new(6, 18)).unwrap_or_else(KernelModel::latest);
    let judges = Judges { oracle: Oracle::open()?, model };
    let mut best: BTreeMap<&str, (&str, Program)> = BTreeMap::new();
    for seed in 1..=count {
        let drawn = program(seed, &judges.model);
        let Some((code, title, _)) = judges.code(&drawn) else { continue };
        // A group is looked at again while what stands for it is long.
        if best.get(code).is_some_and(|(_, b)| b.insns.len() <= 8 || seed % 16 != 0) {
            continue;
        }
        if let Some(small) = judges.small(&drawn, code)
            && best.get(code).is_none_or(|(_, b)| small.insns.len() < b.insns.len())
        {
            best.insert(code, (title, small));
        }
    }
    let mut files: BTreeMap<&'static str, String> = BTreeMap::new();
    for (code, (title, program)) in best {
        let topic = TOPICS.iter().find(|(start, _)| code.starts_with(start)).map_or("others", |t| t.1);
        let text = files.entry(topic).or_insert_with(|| {
            "; The smallest of many random programs that meet each finding; Linux 6.18 refuses them with the same words.\n\
             test verify\nkernel 6.18\n"
                .to_owned()
        });
        text.push_str(&format!("\ncase {title}\n{}", case_text(&program)));
    }
    Ok(files)
}
