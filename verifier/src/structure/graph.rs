//! The control flow graph of single instructions, and what is computed over it before any state.
//!
//! Rules: `bpf_insn_successors`, `compute_postorder`, `compute_live_registers` and `compute_scc` of
//! Linux 6.18. Calls of the program's own functions are no edges here. Orders and numbers are the
//! kernel's, since its log prints them and its analyses converge in that order.

use super::functions::jump_target;
use super::{Slot, Structure, Subprog};
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::insn::opcode::{alu, class, jmp, mode, pseudo};
use oxbpf_isa::insn::{AtomicOp, Callee, Insn, Operand, RawInsn, Reg};

/// Up to two successors of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Successors {
    count: u8,
    items: [u32; 2],
}

impl Successors {
    /// The successors, the fall-through first.
    #[inline]
    pub fn get(&self) -> &[u32] {
        &self.items[..self.count as usize]
    }

    fn push(&mut self, to: usize) {
        self.items[self.count as usize] = to as u32;
        self.count += 1;
    }
}

/// What is known of the graph.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub successors: Vec<Successors>,
    /// Slots in postorder, function by function.
    pub postorder: Vec<u32>,
    /// Where each function's part of the postorder begins; one more entry ends the last.
    pub postorder_start: Vec<usize>,
    /// Registers, as bits, that are read after this slot is reached and before they are written.
    pub live: Vec<u16>,
    /// The number of the cycle of the graph the slot is on, or 0.
    pub scc: Vec<u32>,
}

impl Graph {
    /// Computes all of it. `args` gives the number of arguments that a call of a helper reads.
    pub fn new(raw: &[RawInsn], structure: &Structure, args: impl Fn(Callee, usize) -> Option<u32>) -> Graph {
        let successors: Vec<Successors> = (0..raw.len()).map(|at| successors(raw, at)).collect();
        let (postorder, postorder_start) = postorder(&successors, &structure.subprogs);
        let uses: Vec<(u16, u16)> = structure
            .insns
            .iter()
            .enumerate()
            .map(|(at, slot)| match slot {
                Slot::Insn(insn) => uses(*insn, at, &args),
                Slot::Bad(_) => raw_uses(raw[at]),
                Slot::Second => (0, 0),
            })
            .collect();
        let live = live(&uses, &successors, &postorder);
        let scc = components(&successors);
        Graph { successors, postorder, postorder_start, live, scc }
    }
}

fn successors(raw: &[RawInsn], at: usize) -> Successors {
    let mut out = Successors::default();
    let mut add = |to: i64| {
        if let Ok(to) = usize::try_from(to)
            && to < raw.len()
        {
            out.push(to);
        }
    };
    let insn = raw[at];
    let is_jump = matches!(insn.code & class::MASK, class::JMP | class::JMP32);
    let op = insn.code & class::OP_MASK;
    if !is_jump || !matches!(op, jmp::EXIT | jmp::JA) {
        add(at as i64 + if insn.is_ldimm64() { 2 } else { 1 });
    }
    if let Some(to) = jump_target(at, insn) {
        add(to);
    }
    out
}

fn postorder(successors: &[Successors], subprogs: &[Subprog]) -> (Vec<u32>, Vec<usize>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        Discovered,
        Explored,
    }
    let mut seen = vec![Seen::No; successors.len()];
    let (mut order, mut starts) = (Vec::with_capacity(successors.len()), Vec::new());
    for subprog in subprogs {
        starts.push(order.len());
        let mut stack = vec![subprog.start as u32];
        while let Some(&top) = stack.last() {
            if seen[top as usize] == Seen::Explored {
                order.push(top);
                stack.pop();
                continue;
            }
            for &to in successors[top as usize].get() {
                if seen[to as usize] == Seen::No {
                    stack.push(to);
                    seen[to as usize] = Seen::Discovered;
                }
            }
            seen[top as usize] = Seen::Explored;
        }
    }
    starts.push(order.len());
    (order, starts)
}

const fn bit(reg: Reg) -> u16 {
    1 << reg.number()
}

fn operand(src: Operand) -> u16 {
    match src {
        Operand::Reg(r) => bit(r),
        Operand::Imm(_) => 0,
    }
}

/// R0 to R9.
const ALL: u16 = 0x3ff;
/// R0 to R5.
const CALLER_SAVED: u16 = 0x3f;

/// The registers an instruction reads and those it writes.
fn uses(insn: Insn, at: usize, args: &impl Fn(Callee, usize) -> Option<u32>) -> (u16, u16) {
    match insn {
        Insn::Alu { dst, src, .. } => (bit(dst) | operand(src), bit(dst)),
        Insn::Neg { dst, .. } | Insn::Endian { dst, .. } => (bit(dst), bit(dst)),
        Insn::Mov { dst, src, .. } => (operand(src), bit(dst)),
        Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => (bit(src), bit(dst)),
        Insn::Load { dst, base, .. } | Insn::LoadAcquire { dst, base, .. } => (bit(base), bit(dst)),
        Insn::Store { base, src, .. } => (bit(base) | operand(src), 0),
        Insn::StoreRelease { base, src, .. } => (bit(base) | bit(src), 0),
        Insn::Atomic { op: AtomicOp::Cmpxchg, base, src, .. } => (bit(base) | bit(src) | 1, 1),
        Insn::Atomic { fetch: true, base, src, .. } => (bit(base) | bit(src), bit(src)),
        Insn::Atomic { base, src, .. } => (bit(base) | bit(src), 0),
        Insn::Jump { dst, src, .. } => (bit(dst) | operand(src), 0),
        Insn::Goto { .. } | Insn::MayGoto { .. } => (0, 0),
        Insn::Exit => (1, 0),
        Insn::LdImm64 { dst, .. } => (0, bit(dst)),
        // The kernel's analysis has no case for these and takes everything as read.
        Insn::Packet { .. } => (ALL, 0),
        Insn::Call(callee) => {
            let args = args(callee, at).unwrap_or(5);
            (((1u16 << (args + 1)) - 1) & !1, CALLER_SAVED)
        }
    }
}

/// The same of a slot whose unused fields are used: by its opcode and registers alone.
fn raw_uses(insn: RawInsn) -> (u16, u16) {
    let of = |number: u8| 1u16 << number & ALL;
    let (dst, src) = (of(insn.dst), of(insn.src));
    let second = if insn.code & class::X != 0 { src } else { 0 };
    match (insn.code & class::MASK, insn.code & mode::MASK) {
        (class::LD, mode::IMM) if insn.is_ldimm64() => (0, dst),
        (class::LDX, mode::MEM | mode::MEMSX) => (src, dst),
        (class::ST, mode::MEM) => (dst, 0),
        (class::STX, mode::MEM) => (dst | src, 0),
        (class::STX, mode::ATOMIC) => match insn.imm {
            pseudo::LOAD_ACQ => (src, dst),
            imm if imm == AtomicOp::Cmpxchg.code() | AtomicOp::FETCH => (dst | src | 1, 1),
            imm if imm != pseudo::STORE_REL && imm & AtomicOp::FETCH != 0 => (dst | src, src),
            _ => (dst | src, 0),
        },
        (class::ALU | class::ALU64, _) => match insn.code & class::OP_MASK {
            END => (dst, dst),
            alu::MOV => (second, dst),
            _ => (dst | second, dst),
        },
        (class::JMP | class::JMP32, _) => match insn.code & class::OP_MASK {
            jmp::JA | jmp::JCOND => (0, 0),
            jmp::EXIT => (1, 0),
            jmp::CALL => (CALLER_SAVED & !1, CALLER_SAVED),
            _ => (dst | second, 0),
        },
        _ => (ALL, 0),
    }
}

/// The operation bits of byte order.
const END: u8 = 0xd0;

fn live(uses: &[(u16, u16)], successors: &[Successors], postorder: &[u32]) -> Vec<u16> {
    let mut live = vec![0u16; uses.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for &at in postorder {
            let at = at as usize;
            let after = successors[at].get().iter().fold(0, |all, &to| all | live[to as usize]);
            let (reads, writes) = uses[at];
            let before = after & !writes | reads;
            changed |= before != live[at];
            live[at] = before;
        }
    }
    live
}

/// Tarjan's algorithm, with the numbers the kernel gives.
fn components(successors: &[Successors]) -> Vec<u32> {
    const DONE: u32 = u32::MAX;
    let count = successors.len();
    let (mut pre, mut low, mut scc) = (vec![0u32; count], vec![0u32; count], vec![0u32; count]);
    let (mut next_number, mut next_scc) = (1u32, 1u32);
    let (mut stack, mut path) = (Vec::new(), Vec::new());
    for start in 0..count {
        if pre[start] != 0 {
            continue;
        }
        path.push(start);
        'path: while let Some(&at) = path.last() {
            if pre[at] == 0 {
                pre[at] = next_number;
                low[at] = next_number;
                next_number += 1;
                stack.push(at);
            }
            for &to in successors[at].get() {
                let to = to as usize;
                if pre[to] == 0 {
                    path.push(to);
                    continue 'path;
                }
                low[at] = low[at].min(low[to]);
            }
            path.pop();
            if low[at] < pre[at] {
                continue;
            }
            let is_cycle = stack.last() != Some(&at) || successors[at].get().contains(&(at as u32));
            while let Some(member) = stack.pop() {
                low[member] = DONE;
                if is_cycle {
                    scc[member] = next_scc;
                }
                if member == at {
                    break;
                }
            }
            next_scc += is_cycle as u32;
        }
    }
    scc
}
