//! Spills around calls that need none.
//!
//! Rules: `mark_fastcall_patterns`, `check_fastcall_stack_contract`, `remove_fastcall_spills_fills` of
//! Linux 6.18. Around a call of a function that the kernel puts in place and that leaves registers
//! alone, a compiler stores those registers at the bottom of the stack and loads them again, for
//! kernels that do not know better. This one takes such pairs out, and the stack they took, unless
//! something else of the function uses that part of the stack.

use crate::explore::{Function, Walker};
use crate::kfunc::{Call, Kfuncs};
use crate::structure::{Slot, Structure};
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::btf::TypeId;
use oxbpf_isa::insn::opcode::{class, mode};
use oxbpf_isa::insn::{Callee, Insn, RawInsn, Reg, Size};
use oxbpf_isa::kernel::{HelperFlags, KernelModel, KfuncFlags, ProgKind, RetKind};

/// R0 to R5.
const CALLER_SAVED: u16 = 0x3f;
/// A store of a whole register, and a load.
const STORE: u8 = class::STX | mode::MEM | Size::Dw.code();
const LOAD: u8 = class::LDX | mode::MEM | Size::Dw.code();
const SLOT: i32 = 8;

/// What is known of the pairs of one function.
#[derive(Clone, Copy, Debug, Default)]
struct Bottom {
    /// The part of the stack below this offset is for pairs alone; none once it is not.
    off: Option<i32>,
    /// Some pair stays where it is.
    keeps: bool,
    /// Some pair goes.
    removes: bool,
}

/// The pairs of a program.
#[derive(Debug, Default)]
pub(crate) struct Fastcalls {
    /// Whether an instruction is part of a pair.
    is_part: Vec<bool>,
    bottoms: Vec<Bottom>,
}

impl Fastcalls {
    pub fn new(
        raw: &[RawInsn],
        structure: &Structure,
        model: &KernelModel,
        kind: &ProgKind,
        kfuncs: &Kfuncs<'_>,
    ) -> Fastcalls {
        let mut found = Fastcalls {
            is_part: vec![false; raw.len()],
            bottoms: vec![Bottom { off: Some(0), ..Bottom::default() }; structure.subprogs.len()],
        };
        for (n, subprog) in structure.subprogs.iter().enumerate() {
            let stores = raw[subprog.start..subprog.end].iter().filter(|i| is_spill(i));
            let lowest = stores.map(|i| i32::from(i.off)).min().unwrap_or(0).min(0);
            for at in subprog.start..subprog.end {
                let Slot::Insn(Insn::Call(callee)) = structure.insns[at] else { continue };
                let Some((clobbered, goes)) = clobbers(callee, at, model, kind, kfuncs) else { continue };
                if clobbered == CALLER_SAVED {
                    continue;
                }
                let pairs = found.mark(raw, at, CALLER_SAVED & !clobbered, lowest);
                if pairs > 0 {
                    let bottom = &mut found.bottoms[n];
                    bottom.off = bottom.off.map(|off| off.min(lowest + SLOT * pairs));
                    bottom.removes |= goes;
                    bottom.keeps |= !goes;
                }
            }
        }
        found
    }

    /// Marks the pairs around a call, and gives their number. Jumps between them do not matter.
    fn mark(&mut self, raw: &[RawInsn], call: usize, mut expected: u16, lowest: i32) -> i32 {
        let mut pairs = 0;
        while pairs < 6 {
            let i = pairs as usize + 1;
            let (Some(before), after) = (call.checked_sub(i), call + i) else { break };
            if after >= raw.len() {
                break;
            }
            let (store, load) = (raw[before], raw[after]);
            let off = lowest + SLOT * pairs;
            let is_pair = is_spill(&store)
                && load.code == LOAD
                && load.src == Reg::FP.number()
                && store.src == load.dst
                && expected >> store.src & 1 == 1
                && i32::from(store.off) == off
                && i32::from(load.off) == off;
            if !is_pair {
                break;
            }
            expected &= !(1 << store.src);
            (self.is_part[before], self.is_part[after]) = (true, true);
            pairs += 1;
        }
        pairs
    }
}

fn is_spill(insn: &RawInsn) -> bool {
    insn.code == STORE && insn.dst == Reg::FP.number()
}

/// The registers that a call may change, if that is known, and whether the kernel puts it in place.
fn clobbers(
    callee: Callee,
    at: usize,
    model: &KernelModel,
    kind: &ProgKind,
    kfuncs: &Kfuncs<'_>,
) -> Option<(u16, bool)> {
    match callee {
        Callee::Helper(id) => {
            let proto = model.helper_for(kind, u32::try_from(id).ok()?).ok()?.proto;
            let args = ((1u16 << (proto.arity() + 1)) - 1) & !1;
            let result = u16::from(proto.ret.kind != RetKind::Void);
            Some((args | result, proto.flags.contains(HelperFlags::FASTCALL)))
        }
        Callee::Kfunc { .. } => {
            let Call::Known(kfunc) = kfuncs.at(at as u32) else { return None };
            let count = kfunc.params().len().min(5);
            let args = ((1u16 << (count + 1)) - 1) & !1;
            Some((args | u16::from(kfunc.proto.ret != TypeId::VOID), kfunc.has(KfuncFlags::FASTCALL)))
        }
        _ => None,
    }
}

impl Walker<'_> {
    /// The instruction at hand uses the stack of a frame from this offset on.
    pub(super) fn uses_stack(&mut self, frame: usize, off: i64) {
        let subprog = self.cur.frames[frame].subprog as usize;
        let Some(bottom) = self.fastcalls.bottoms[subprog].off else { return };
        if i64::from(bottom) <= off || self.fastcalls.is_part[self.at as usize] {
            return;
        }
        self.fastcalls.bottoms[subprog] = Bottom::default();
        let extent = &self.structure.subprogs[subprog];
        self.fastcalls.is_part[extent.start..extent.end].fill(false);
    }

    /// Says how much stack the functions take, and with `removed`, how much without the pairs that go.
    pub(crate) fn settle_depths(&mut self, removed: bool) {
        let functions: &mut [Function] = &mut self.functions;
        for (function, bottom) in functions.iter_mut().zip(&self.fastcalls.bottoms) {
            function.kept_depth = match (bottom.off, bottom.removes && !bottom.keeps) {
                (Some(off), true) if removed => off.unsigned_abs(),
                _ => function.stack_depth,
            };
        }
    }
}
