//! Instructions of one block against each other: short sequences with a shorter equivalent, branches
//! with a known result, and stores nobody reads.

use super::flow::{defines, uses, uses_end};
use super::values::State;
use super::{A, ATOMS, Optimizer, X};
use crate::cbpf::expr::graph::{BlockId, End, Stmt};
use crate::cbpf::{Alu, Cond, Insn, Operand};

/// The first instruction at or after `at` that is left.
fn live_from(stmts: &[Stmt], at: usize) -> Option<usize> {
    (at..stmts.len()).find(|&at| !stmts[at].dead)
}

impl Optimizer<'_> {
    /// Simplifies a block. `state` is the one at its end.
    pub(super) fn peephole(&mut self, id: BlockId, state: &State) {
        let block = &mut self.graph.blocks[id];
        if block.stmts.is_empty() {
            return;
        }
        let after = self.live.after[id];
        let needed = |atom: usize| after & 1 << atom != 0;
        let stmts = &mut block.stmts;
        let mut last = None;
        let mut next = live_from(stmts, 0);
        while let Some(at) = next {
            last = Some(at);
            next = live_from(stmts, at + 1);
            let Some(following) = next else { break };
            let pair = (stmts[at].insn, stmts[following].insn);
            match pair {
                // st M[k]; ldx M[k] => st M[k]; tax
                (Insn::Store(to), Insn::LoadXMem(from)) if to == from => {
                    stmts[following].insn = Insn::Tax;
                    self.progress.rewrite();
                }
                // ld #k; tax => ldx #k; txa
                (Insn::LoadImm(k), Insn::Tax) => {
                    stmts[at].insn = Insn::LoadXImm(k);
                    stmts[following].insn = Insn::Txa;
                    self.progress.rewrite();
                }
                (Insn::LoadImm(k), _) if !needed(X) => {
                    if let Some([add, tax, load]) = indexed_load(stmts, following) {
                        let Insn::LoadInd { size, k: offset } = stmts[load].insn else { continue };
                        stmts[load].insn = Insn::LoadInd { size, k: offset.wrapping_add(k) };
                        for at in [at, add, tax] {
                            stmts[at].dead = true;
                        }
                        self.progress.rewrite();
                    }
                }
                _ => {}
            }
        }
        let last = last.and_then(|at| stmts[..=at].iter().rposition(|stmt| !stmt.dead));
        if let Some(last) = last.filter(|_| !needed(A)) {
            self.absorb(id, last, state);
        }
        self.decide(id, state);
    }

    /// A comparison with a constant takes in the arithmetic before it.
    fn absorb(&mut self, id: BlockId, last: usize, state: &State) {
        let block = &mut self.graph.blocks[id];
        let End::Branch(condition) = &mut block.end else { return };
        let (Cond::Eq, Operand::K(k)) = (condition.cond, condition.with) else { return };
        match block.stmts[last].insn {
            Insn::Alu { op: Alu::Sub, by: Operand::X } => match self.values.known(state.0[X]) {
                Some(x) => condition.with = Operand::K(k.wrapping_add(x)),
                None if k == 0 => condition.with = Operand::X,
                None => return,
            },
            Insn::Alu { op: Alu::Sub, by: Operand::K(x) } => condition.with = Operand::K(k.wrapping_add(x)),
            Insn::Alu { op: Alu::And, by: Operand::K(mask) } if k == 0 => {
                condition.cond = Cond::Set;
                condition.with = Operand::K(mask);
                block.to.swap(0, 1);
            }
            _ => return,
        }
        block.stmts[last].dead = true;
        self.progress.rewrite();
    }

    /// A branch whose result is known leads one way only.
    fn decide(&mut self, id: BlockId, state: &State) {
        let block = &mut self.graph.blocks[id];
        let End::Branch(condition) = &mut block.end else { return };
        match (condition.cond, condition.with) {
            (Cond::Set, Operand::K(0)) => block.to[0] = block.to[1],
            (Cond::Set, Operand::K(u32::MAX)) => block.to[1] = block.to[0],
            _ => {}
        }
        if let (Operand::X, Some(x)) = (condition.with, self.values.known(state.0[X])) {
            condition.with = Operand::K(x);
        }
        let (Operand::K(k), Some(a)) = (condition.with, self.values.known(state.0[A])) else { return };
        if block.to[0] != block.to[1] {
            self.progress.rewrite();
        }
        let way = usize::from(!condition.cond.holds(a, k));
        block.to = [block.to[way]; 2];
    }

    /// Drops what writes a register or word that is written again, or never read, before it is read.
    pub(super) fn drop_dead(&mut self, id: BlockId) {
        let block = &mut self.graph.blocks[id];
        // The last instruction that wrote each, if nothing has read it since.
        let mut writers: [Option<usize>; ATOMS] = [None; ATOMS];
        let forget = |writers: &mut [Option<usize>; ATOMS], used: u32| {
            for (atom, writer) in writers.iter_mut().enumerate() {
                if used & 1 << atom != 0 {
                    *writer = None;
                }
            }
        };
        let mut dropped = false;
        for at in 0..block.stmts.len() {
            if block.stmts[at].dead {
                continue;
            }
            let insn = block.stmts[at].insn;
            forget(&mut writers, uses(insn));
            if let Some(writer) = defines(insn).and_then(|atom| writers[atom].replace(at)) {
                block.stmts[writer].dead = true;
                dropped = true;
            }
        }
        forget(&mut writers, uses_end(block.end) | self.live.after[id]);
        for writer in writers.into_iter().flatten() {
            block.stmts[writer].dead = true;
            dropped = true;
        }
        if dropped {
            self.progress.rewrite();
        }
    }
}

/// Whether what follows a constant in `A` adds it to `X` for a load there, `X` being loaded with the
/// length of a header in between or not: the indices of the addition, the transfer and the load.
fn indexed_load(stmts: &[Stmt], following: usize) -> Option<[usize; 3]> {
    let add = match stmts[following].insn {
        Insn::LoadXMsh(_) => live_from(stmts, following + 1)?,
        _ => following,
    };
    let tax = live_from(stmts, add + 1)?;
    let load = live_from(stmts, tax + 1)?;
    let found = matches!(
        (stmts[add].insn, stmts[tax].insn, stmts[load].insn),
        (Insn::Alu { op: Alu::Add, by: Operand::X }, Insn::Tax, Insn::LoadInd { .. })
    );
    found.then_some([add, tax, load])
}
