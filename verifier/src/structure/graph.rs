//! The control flow graph of single instructions, and what is computed over it before any state.
//!
//! Rules: `bpf_insn_successors`, `compute_postorder`, `compute_live_registers` and `compute_scc` of
//! Linux 6.18. Calls of the program's own functions are no edges here. Orders and numbers are the
//! kernel's, since its log prints them and its analyses converge in that order.

use super::{Slot, Subprog};
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::insn::{AtomicOp, Callee, Insn, Operand, Reg};

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
    pub fn new(insns: &[Slot], subprogs: &[Subprog], args: impl Fn(Callee, usize) -> Option<u32>) -> Graph {
        let successors: Vec<Successors> = (0..insns.len()).map(|at| successors(insns, at)).collect();
        let (postorder, postorder_start) = postorder(&successors, subprogs);
        let live = live(insns, &successors, &postorder, args);
        let scc = components(&successors);
        Graph { successors, postorder, postorder_start, live, scc }
    }
}

fn successors(insns: &[Slot], at: usize) -> Successors {
    let mut out = Successors::default();
    let mut add = |to: i64| {
        if let Ok(to) = usize::try_from(to)
            && to < insns.len()
        {
            out.push(to);
        }
    };
    let next = at as i64 + 1;
    match insns[at] {
        Slot::Insn(Insn::Exit) => {}
        Slot::Insn(Insn::Goto { off, .. }) => add(next + off as i64),
        Slot::Insn(Insn::Jump { off, .. } | Insn::MayGoto { off }) => {
            add(next);
            add(next + off as i64);
        }
        Slot::Insn(insn) => add(at as i64 + insn.slots() as i64),
        Slot::Second | Slot::Bad(_) => add(next),
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

fn live(
    insns: &[Slot],
    successors: &[Successors],
    postorder: &[u32],
    args: impl Fn(Callee, usize) -> Option<u32>,
) -> Vec<u16> {
    let uses: Vec<(u16, u16)> = insns
        .iter()
        .enumerate()
        .map(|(at, slot)| if let Slot::Insn(insn) = slot { uses(*insn, at, &args) } else { (0, 0) })
        .collect();
    let mut live = vec![0u16; insns.len()];
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
