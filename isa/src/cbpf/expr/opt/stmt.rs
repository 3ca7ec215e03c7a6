//! One instruction evaluated over value numbers, and simplified: constants are folded, and what puts
//! a value where it already is goes.

use super::values::{Number, State};
use super::{A, Optimizer, X};
use crate::cbpf::expr::error::{Error, ErrorKind};
use crate::cbpf::expr::graph::Stmt;
use crate::cbpf::{Alu, Insn, Op, Operand};

impl Optimizer<'_> {
    /// Updates `state` by the instruction; rewrites it if `rewrite` says so.
    pub(super) fn evaluate(
        &mut self,
        stmt: &mut Stmt,
        state: &mut State,
        rewrite: bool,
    ) -> Result<(), Error> {
        let op = stmt.insn.op();
        match stmt.insn {
            Insn::LoadAbs { k, .. } => {
                let value = self.values.leaf(op, k);
                put(stmt, state, A, value, rewrite);
            }
            Insn::LoadLen => {
                let value = self.values.leaf(op, 0);
                put(stmt, state, A, value, rewrite);
            }
            Insn::LoadXMsh(k) => {
                let value = self.values.leaf(op, k);
                put(stmt, state, X, value, rewrite);
            }
            Insn::LoadXLen => {
                let value = self.values.leaf(Op::LdLen, 0);
                put(stmt, state, X, value, rewrite);
            }
            Insn::LoadInd { size, k } => {
                let index = state.0[X];
                let value = match self.values.known(index) {
                    Some(index) if rewrite => {
                        stmt.insn = Insn::LoadAbs { size, k: k.wrapping_add(index) };
                        self.progress.rewrite();
                        self.values.leaf(stmt.insn.op(), stmt.insn.k())
                    }
                    _ => self.values.apply(op, k, &[index]),
                };
                put(stmt, state, A, value, rewrite);
            }
            Insn::LoadImm(k) => {
                let value = self.values.constant(k);
                put(stmt, state, A, value, rewrite);
            }
            Insn::LoadXImm(k) => {
                let value = self.values.constant(k);
                put(stmt, state, X, value, rewrite);
            }
            Insn::LoadMem(word) => {
                let value = state.0[word as usize];
                if let Some(k) = self.values.known(value).filter(|_| rewrite) {
                    stmt.insn = Insn::LoadImm(k);
                    self.progress.rewrite();
                }
                put(stmt, state, A, value, rewrite);
            }
            Insn::LoadXMem(word) => {
                let value = state.0[word as usize];
                if let Some(k) = self.values.known(value).filter(|_| rewrite) {
                    stmt.insn = Insn::LoadXImm(k);
                    self.progress.rewrite();
                }
                put(stmt, state, X, value, rewrite);
            }
            Insn::Store(word) => put(stmt, state, word as usize, state.0[A], rewrite),
            Insn::StoreX(word) => put(stmt, state, word as usize, state.0[X], rewrite),
            Insn::Tax => put(stmt, state, X, state.0[A], rewrite),
            Insn::Txa => put(stmt, state, A, state.0[X], rewrite),
            Insn::Neg => {
                if let Some(a) = self.values.known(state.0[A]).filter(|_| rewrite) {
                    stmt.insn = Insn::LoadImm(a.wrapping_neg());
                    state.0[A] = self.values.constant(a.wrapping_neg());
                } else {
                    state.0[A] = self.values.apply(op, 0, &[state.0[A]]);
                }
            }
            Insn::Alu { op: alu, by: Operand::K(k) } => self.by_constant(stmt, state, alu, k, rewrite)?,
            Insn::Alu { op: alu, by: Operand::X } => self.by_index(stmt, state, alu, rewrite)?,
            Insn::Jump(_) | Insn::Branch { .. } | Insn::RetK(_) | Insn::RetA | Insn::RetX => {}
        }
        Ok(())
    }

    fn by_constant(
        &mut self,
        stmt: &mut Stmt,
        state: &mut State,
        alu: Alu,
        k: u32,
        rewrite: bool,
    ) -> Result<(), Error> {
        if rewrite && k == 0 {
            match alu {
                Alu::Add | Alu::Lsh | Alu::Rsh | Alu::Or | Alu::Xor => {
                    stmt.dead = true;
                    return Ok(());
                }
                Alu::Mul | Alu::And => {
                    stmt.insn = Insn::LoadImm(0);
                    state.0[A] = self.values.constant(0);
                    return Ok(());
                }
                Alu::Div | Alu::Mod => return Err(Error::new(stmt.span, ErrorKind::DivisionByZero)),
                // The comparison that follows a subtraction takes it in.
                Alu::Sub => {}
            }
        }
        if let Some(a) = self.values.known(state.0[A]).filter(|_| rewrite) {
            return self.fold(stmt, state, alu, a, k);
        }
        let operand = self.values.constant(k);
        state.0[A] = self.values.apply(stmt.insn.op(), 0, &[state.0[A], operand]);
        Ok(())
    }

    fn by_index(&mut self, stmt: &mut Stmt, state: &mut State, alu: Alu, rewrite: bool) -> Result<(), Error> {
        let (a, x) = (self.values.known(state.0[A]), self.values.known(state.0[X]));
        match (a, x) {
            (Some(a), Some(x)) if rewrite => return self.fold(stmt, state, alu, a, x),
            (_, Some(32..)) if rewrite && matches!(alu, Alu::Lsh | Alu::Rsh) => {
                return Err(Error::new(stmt.span, ErrorKind::Shift));
            }
            (_, Some(x)) if rewrite => {
                stmt.insn = Insn::Alu { op: alu, by: Operand::K(x) };
                self.progress.rewrite();
                let operand = self.values.constant(x);
                state.0[A] = self.values.apply(stmt.insn.op(), 0, &[state.0[A], operand]);
            }
            (Some(0), _) if rewrite && matches!(alu, Alu::Add | Alu::Or | Alu::Xor) => {
                stmt.insn = Insn::Txa;
                put(stmt, state, A, state.0[X], rewrite);
            }
            (Some(0), _) if rewrite && alu != Alu::Sub => {
                stmt.insn = Insn::LoadImm(0);
                let zero = self.values.constant(0);
                put(stmt, state, A, zero, rewrite);
            }
            _ => state.0[A] = self.values.apply(stmt.insn.op(), 0, &[state.0[A], state.0[X]]),
        }
        Ok(())
    }

    /// Arithmetic on constants.
    fn fold(&mut self, stmt: &mut Stmt, state: &mut State, alu: Alu, a: u32, b: u32) -> Result<(), Error> {
        let Some(value) = alu.eval(a, b, true) else {
            return Err(Error::new(stmt.span, ErrorKind::DivisionByZero));
        };
        stmt.insn = Insn::LoadImm(value);
        state.0[A] = self.values.constant(value);
        self.progress.rewrite();
        Ok(())
    }
}

/// The instruction puts `value` into `atom`. If it is there already, the instruction goes.
fn put(stmt: &mut Stmt, state: &mut State, atom: usize, value: Number, rewrite: bool) {
    if rewrite && value.is_known() && state.0[atom] == value {
        stmt.dead = true;
    } else {
        state.0[atom] = value;
    }
}
