//! What `.BTF.ext` says of each function: where it begins, its source lines, and its CO-RE
//! relocations, by slot within the function.
//!
//! Follows `adjust_prog_btf_ext_info` and `reloc_prog_func_and_line_info` of libbpf 1.7.

use super::elf::{Elf, SectionKind};
use super::functions::{Function, covering};
use super::link::Part;
use super::{ProgramError, ProgramProblem};
use oxbpf_isa::btf::{Btf, BtfExt, ExtCore, SectionInfo};
use oxbpf_isa::insn::SLOT_SIZE;
use oxbpf_isa::program::{FuncInfo, LineInfo};
use std::collections::HashMap;

/// Of one function, with slots counted from its first.
#[derive(Clone, Default, Debug)]
pub(super) struct FunctionDebug {
    pub funcs: Vec<FuncInfo>,
    pub lines: Vec<LineInfo>,
    pub cores: Vec<(usize, ExtCore)>,
}

/// Assigns records to functions; one outside every function belongs to a weak one that was dropped
/// when linking.
pub(super) fn by_function(
    elf: &Elf,
    btf: Option<&Btf>,
    ext: &BtfExt,
    functions: &[Function],
) -> Vec<FunctionDebug> {
    let mut debug = vec![FunctionDebug::default(); functions.len()];
    let Some(btf) = btf else { return debug };
    let mut code = HashMap::new();
    for (index, section) in elf.sections.iter().enumerate() {
        if section.kind == SectionKind::Code {
            code.entry(section.name.as_str()).or_insert(index);
        }
    }
    let section = |name: u32| code.get(btf.str(name)?).copied();
    let place = |section: usize, offset: u32| {
        let slot = offset as usize / SLOT_SIZE;
        let function = covering(functions, section, slot)?;
        Some((function, slot - functions[function].offset))
    };
    each(&ext.funcs, section, |section, r| {
        let Some((function, slot)) = place(section, r.insn_off) else { return };
        debug[function].funcs.push(FuncInfo { insn: slot as u32, type_id: r.type_id });
    });
    each(&ext.lines, section, |section, r| {
        let Some((function, slot)) = place(section, r.insn_off) else { return };
        let (file_name, line_text, line_col) = (r.file_name, r.line, r.line_col);
        debug[function].lines.push(LineInfo { insn: slot as u32, file_name, line_text, line_col });
    });
    each(&ext.cores, section, |section, r| {
        let Some((function, slot)) = place(section, r.insn_off) else { return };
        debug[function].cores.push((slot, *r));
    });
    debug
}

fn each<T>(
    infos: &[SectionInfo<T>],
    section: impl Fn(u32) -> Option<usize>,
    mut record: impl FnMut(usize, &T),
) {
    for info in infos {
        if let Some(section) = section(info.name) {
            info.records.iter().for_each(|r| record(section, r));
        }
    }
}

/// Where functions and lines begin in a linked program. An entry point without records makes the
/// records of its subprograms useless; one with records needs those of all.
pub(super) fn linked(
    debug: &[FunctionDebug],
    functions: &[Function],
    parts: &[Part],
) -> Result<(Vec<FuncInfo>, Vec<LineInfo>), ProgramError> {
    let (mut funcs, mut lines) = (Vec::new(), Vec::new());
    let Some(first) = parts.first() else { return Ok((funcs, lines)) };
    let has_funcs = !debug[first.function].funcs.is_empty();
    let has_lines = !debug[first.function].lines.is_empty();
    for part in parts {
        let own = &debug[part.function];
        if has_funcs && own.funcs.is_empty() || has_lines && own.lines.is_empty() {
            let function = functions[part.function].name.clone();
            return Err(ProgramError { function, insn: 0, problem: ProgramProblem::NoFuncInfo });
        }
        let start = part.start as u32;
        if has_funcs {
            funcs.extend(own.funcs.iter().map(|f| FuncInfo { insn: start + f.insn, ..*f }));
        }
        if has_lines {
            lines.extend(own.lines.iter().map(|l| LineInfo { insn: start + l.insn, ..*l }));
        }
    }
    Ok((funcs, lines))
}
