//! Opcodes that exist, wide loads that are whole, maps that there are and that may be used (Linux
//! `resolve_pseudo_ldimm64`). Which maps those are is the caller's to say.

use crate::report::{Errno, Fault, Finding};
use crate::rules::Rules;
use alloc::collections::BTreeSet;
use oxbpf_isa::insn::opcode::{class, mode, pseudo};
use oxbpf_isa::insn::{DecodeError, Insn, RawInsn};
use oxbpf_isa::kernel::{Limits, MapType};
use oxbpf_isa::program::{MapDef, Program, descriptor_of};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// What may be asked of a map, by its index: why the program may not use it.
type Unusable<'a> = &'a dyn Fn(usize, &MapDef) -> Option<Finding>;

pub(super) fn check(
    program: &Program,
    limits: &Limits,
    rules: Rules,
    unusable: Unusable<'_>,
) -> Result<(), Fault> {
    let raw = &program.insns;
    let mut maps = Maps { program, limits, unusable, used: BTreeSet::new() };
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
            wide_load(&mut maps, at)?;
            at += 2;
            continue;
        }
        if !exists(insn.code, rules) {
            return fault(Finding::UnknownOpcode { code: insn.code });
        }
        at += 1;
    }
    Ok(())
}

/// Whether the kernel has an instruction with this opcode. It has no calls through registers.
fn exists(code: u8, rules: Rules) -> bool {
    const SIZE: u8 = 0x18;
    const HALF: u8 = 0x08;
    const BYTE: u8 = 0x10;
    let is_atomic = code & (class::MASK | mode::MASK) == class::STX | mode::ATOMIC;
    let is_narrow = matches!(code & SIZE, HALF | BYTE);
    if is_atomic && is_narrow && !rules.acquire_and_release {
        return false;
    }
    const CALLX: u8 = 0x8d;
    let decoded = Insn::decode(&[RawInsn::new(code, 0, 0, 0, 0)]);
    code != CALLX && !matches!(decoded, Err(DecodeError::UnknownOpcode { .. }))
}

fn wide_load(maps: &mut Maps<'_>, at: usize) -> Result<(), Fault> {
    let program = maps.program;
    let first = program.insns[at];
    let fault = |finding| Err(Fault::at(at, finding));
    let Some(second) = program.insns.get(at + 1) else { return fault(Finding::InvalidLdImm64) };
    if *second != (RawInsn { imm: second.imm, ..RawInsn::default() }) {
        return fault(Finding::InvalidLdImm64);
    }
    match first.src {
        pseudo::CONST | pseudo::BTF_ID | pseudo::FUNC => Ok(()),
        pseudo::MAP_FD | pseudo::MAP_IDX if second.imm != 0 => fault(Finding::UnrecognizedLdImm64),
        pseudo::MAP_FD | pseudo::MAP_IDX => maps.named(at, first.imm).map(drop),
        pseudo::MAP_VALUE | pseudo::MAP_IDX_VALUE => {
            let def = maps.named(at, first.imm)?;
            map_value(def, second.imm as u32, maps.limits).map_err(|f| Fault::at(at, f))
        }
        _ => fault(Finding::UnrecognizedLdImm64),
    }
}

/// The maps that the program names, in its order.
struct Maps<'a> {
    program: &'a Program,
    limits: &'a Limits,
    unusable: Unusable<'a>,
    used: BTreeSet<usize>,
}

impl<'a> Maps<'a> {
    /// The map that an instruction names. A map is counted and asked for when it is named first (Linux
    /// `__add_used_map`).
    fn named(&mut self, at: usize, index: i32) -> Result<&'a MapDef, Fault> {
        let fault = |finding| Fault::at(at, finding);
        let found = usize::try_from(index).ok().and_then(|i| Some((i, &**self.program.maps.get(i)?)));
        let (index, def) = found.ok_or(fault(Finding::NoMap { fd: descriptor_of(index) }))?;
        if self.used.contains(&index) {
            return Ok(def);
        }
        let limit = self.limits.maps as usize;
        if self.used.len() >= limit {
            return Err(fault(Finding::TooManyMaps { limit }));
        }
        if let Some(finding) = (self.unusable)(index, def) {
            return Err(fault(finding));
        }
        self.used.insert(index);
        Ok(def)
    }
}

/// Addresses inside a map's first value: of arrays and arenas, and within bounds.
fn map_value(map: &MapDef, off: u32, limits: &Limits) -> Result<(), Finding> {
    if u64::from(off) >= limits.variable_offset {
        return Err(Finding::DirectValueOffset { off });
    }
    let outside = |errno| Finding::DirectValueRange { value_size: map.value_size, off, errno };
    match map.kind() {
        Some(MapType::Array) if map.max_entries != 1 => Err(outside(Errno::ENOTSUPP)),
        Some(MapType::Array) if off >= map.value_size => Err(outside(Errno::EINVAL)),
        // An arena has so many pages.
        Some(MapType::Arena) if u64::from(off) > u64::from(map.max_entries) * PAGE => {
            Err(outside(Errno::ERANGE))
        }
        Some(MapType::Array | MapType::Arena) => Ok(()),
        _ => Err(Finding::NoDirectValue),
    }
}
