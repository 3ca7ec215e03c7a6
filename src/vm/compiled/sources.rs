//! What a program's functions are called and where their lines begin, as its types tell, kept for
//! profilers from the time it is linked.

use crate::vm::run::Linked;
use oxbpf_isa::program::Program;
use oxbpf_jit::perf::Names;

/// Functions and lines of a program, by the slots they begin at.
#[derive(Debug)]
pub(crate) struct Sources {
    funcs: Vec<(u32, String)>,
    files: Vec<String>,
    /// Slot, file and number, in the order of slots.
    lines: Vec<(u32, usize, u32)>,
}

impl Sources {
    pub fn of(program: &Program) -> Sources {
        let mut sources = Sources { funcs: Vec::new(), files: Vec::new(), lines: Vec::new() };
        let Some(btf) = &program.btf else { return sources };
        for func in &program.funcs {
            if let Some(ty) = btf.ty(func.type_id) {
                sources.funcs.push((func.insn, ty.name().to_owned()));
            }
        }
        // Records of one file stand together.
        let mut last = None;
        for line in &program.lines {
            if last != Some(line.file_name) {
                let Some(name) = btf.str_bytes(line.file_name) else { continue };
                sources.files.push(String::from_utf8_lossy(name).into_owned());
                last = Some(line.file_name);
            }
            sources.lines.push((line.insn, sources.files.len() - 1, line.line()));
        }
        sources
    }
}

/// A linked program with its sources.
pub(super) struct Told<'a> {
    pub prog: &'a Linked,
    pub sources: &'a Sources,
}

impl Told<'_> {
    fn slot(&self, op: u32) -> u32 {
        self.prog.code.slot_of(op as usize).unwrap_or(0)
    }
}

impl Names for Told<'_> {
    /// The program's name for its first function, and for the others their own after it.
    fn name(&self, op: u32) -> String {
        let (slot, name) = (self.slot(op), &self.prog.name);
        match self.sources.funcs.iter().find(|(begin, _)| *begin == slot) {
            _ if slot == 0 => name.to_string(),
            Some((_, function)) => format!("{name}::{function}"),
            None => format!("{name}::{slot}"),
        }
    }

    fn line(&self, op: u32) -> Option<(&str, u32)> {
        let slot = self.slot(op);
        let after = self.sources.lines.partition_point(|line| line.0 <= slot);
        let &(_, file, line) = self.sources.lines[..after].last()?;
        Some((&self.sources.files[file], line))
    }
}
