//! Opcodes that exist, wide loads that are whole, maps that there are and that may be used (Linux
//! `resolve_pseudo_ldimm64`). Which maps those are is the caller's to say.

use crate::report::{Fault, Finding};
use oxbpf_isa::insn::opcode::{class, mode, pseudo};
use oxbpf_isa::insn::{DecodeError, Insn, RawInsn};
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::{MapDef, Program};

/// Offsets into values end here (Linux `BPF_MAX_VAR_OFF`).
const MAX_OFFSET: u32 = 1 << 29;

pub(super) fn check(
    program: &Program,
    unusable: &dyn Fn(usize, &MapDef) -> Option<Finding>,
) -> Result<(), Fault> {
    let raw = &program.insns;
    let mut at = 0;
    while at < raw.len() {
        let insn = raw[at];
        let fault = |finding| Err(Fault::at(at, finding));
        if insn.code & class::MASK == class::LDX {
            let plain = matches!(insn.code & mode::MASK, mode::MEM | mode::MEMSX);
            if !plain || insn.imm != 0 {
                return fault(Finding::ReservedFields { form: "BPF_LDX" });
            }
        }
        if insn.is_ldimm64() {
            wide_load(program, at, unusable)?;
            at += 2;
            continue;
        }
        if !exists(insn.code) {
            return fault(Finding::UnknownOpcode { code: insn.code });
        }
        at += 1;
    }
    Ok(())
}

/// Whether the kernel has an instruction with this opcode. It has no calls through registers.
fn exists(code: u8) -> bool {
    const CALLX: u8 = 0x8d;
    let decoded = Insn::decode(&[RawInsn::new(code, 0, 0, 0, 0)]);
    code != CALLX && !matches!(decoded, Err(DecodeError::UnknownOpcode { .. }))
}

fn wide_load(
    program: &Program,
    at: usize,
    unusable: &dyn Fn(usize, &MapDef) -> Option<Finding>,
) -> Result<(), Fault> {
    let map = |index| {
        let def = map(program, at, index)?;
        match unusable(index as usize, def) {
            Some(finding) => Err(Fault::at(at, finding)),
            None => Ok(def),
        }
    };
    let first = program.insns[at];
    let fault = |finding| Err(Fault::at(at, finding));
    let Some(second) = program.insns.get(at + 1) else { return fault(Finding::InvalidLdImm64) };
    if *second != (RawInsn { imm: second.imm, ..RawInsn::default() }) {
        return fault(Finding::InvalidLdImm64);
    }
    match first.src {
        pseudo::CONST | pseudo::BTF_ID | pseudo::FUNC => Ok(()),
        pseudo::MAP_FD | pseudo::MAP_IDX if second.imm != 0 => fault(Finding::UnrecognizedLdImm64),
        pseudo::MAP_FD | pseudo::MAP_IDX => map(first.imm).map(drop),
        pseudo::MAP_VALUE | pseudo::MAP_IDX_VALUE => {
            map_value(map(first.imm)?, second.imm as u32).map_err(|f| Fault::at(at, f))
        }
        _ => fault(Finding::UnrecognizedLdImm64),
    }
}

fn map(program: &Program, at: usize, index: i32) -> Result<&MapDef, Fault> {
    let found = usize::try_from(index).ok().and_then(|i| program.maps.get(i));
    found.map(|m| &**m).ok_or(Fault::at(at, Finding::NoMap { fd: index }))
}

/// Addresses inside a map's first value: of arrays and arenas, and within bounds.
fn map_value(map: &MapDef, off: u32) -> Result<(), Finding> {
    if off >= MAX_OFFSET {
        return Err(Finding::DirectValueOffset { off });
    }
    match map.kind() {
        Some(MapType::Array) if map.max_entries != 1 || off >= map.value_size => {
            Err(Finding::DirectValueRange { value_size: map.value_size, off })
        }
        Some(MapType::Array | MapType::Arena) => Ok(()),
        _ => Err(Finding::NoDirectValue),
    }
}
