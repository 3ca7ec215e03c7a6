//! Arithmetic: every value is computed into a word of scratch memory; the optimiser keeps what it can
//! in registers.
//!
//! Bytes of a protocol have a guard, that the packet is one of that protocol. libpcap 1.10 keeps the
//! guard of the left operand of an operator only, and so does this.

use super::Generator;
use super::load::Base;
use crate::cbpf::expr::Proto;
use crate::cbpf::expr::error::{Error, ErrorKind};
use crate::cbpf::expr::formula::{Stmt, TestId};
use crate::cbpf::expr::link::Start;
use crate::cbpf::expr::proto::number;
use crate::cbpf::{Alu, Cond, Insn, Operand, Size};
use alloc::vec;
use alloc::vec::Vec;

/// A value.
pub(super) struct Number {
    stmts: Vec<Stmt>,
    /// The word of scratch memory that holds it.
    word: u32,
    /// What must hold for the value to mean anything.
    guard: Option<TestId>,
}

impl Generator<'_> {
    pub(super) fn constant(&mut self, value: u32) -> Result<Number, Error> {
        self.simple(Insn::LoadImm(value))
    }

    pub(super) fn length(&mut self) -> Result<Number, Error> {
        self.simple(Insn::LoadLen)
    }

    fn simple(&mut self, load: Insn) -> Result<Number, Error> {
        let word = self.allocate()?;
        Ok(Number { stmts: vec![self.stmt(load), self.stmt(Insn::Store(word))], word, guard: None })
    }

    pub(super) fn negative(&mut self, mut of: Number) -> Number {
        let word = of.word;
        of.stmts.extend([Insn::LoadMem(word), Insn::Neg, Insn::Store(word)].map(|insn| self.stmt(insn)));
        of
    }

    pub(super) fn arithmetic(&mut self, op: Alu, left: Number, right: Number) -> Result<Number, Error> {
        // The first instruction of the right side stands for all of it here, as in libpcap.
        match (op, right.stmts.first().map(|stmt| stmt.insn)) {
            (Alu::Div | Alu::Mod, Some(Insn::LoadImm(0))) => return self.fail(ErrorKind::DivisionByZero),
            (Alu::Lsh | Alu::Rsh, Some(Insn::LoadImm(32..))) => return self.fail(ErrorKind::Shift),
            _ => {}
        }
        let Number { mut stmts, word: a, guard } = left;
        stmts.extend(right.stmts);
        let apply = [Insn::LoadXMem(right.word), Insn::LoadMem(a), Insn::Alu { op, by: Operand::X }];
        stmts.extend(apply.map(|insn| self.stmt(insn)));
        self.release(a);
        self.release(right.word);
        let word = self.allocate()?;
        stmts.push(self.stmt(Insn::Store(word)));
        Ok(Number { stmts, word, guard })
    }

    pub(super) fn relation(&mut self, cond: Cond, negated: bool, left: Number, right: Number) -> TestId {
        let Number { mut stmts, word: a, guard } = left;
        stmts.extend(right.stmts);
        stmts.extend([Insn::LoadXMem(right.word), Insn::LoadMem(a)].map(|insn| self.stmt(insn)));
        let with = if cond == Cond::Eq {
            stmts.push(self.stmt(Insn::Alu { op: Alu::Sub, by: Operand::X }));
            Operand::K(0)
        } else {
            Operand::X
        };
        let mut test = self.formula.test(stmts, cond, with);
        if negated {
            test = self.formula.not(test);
        }
        self.release(a);
        self.release(right.word);
        let guard = match (guard, right.guard) {
            (Some(left), Some(right)) => Some(self.formula.and(left, right)),
            (left, right) => left.or(right),
        };
        match guard {
            Some(guard) => self.formula.and(guard, test),
            None => test,
        }
    }

    /// `proto[index:size]`.
    pub(super) fn load_value(&mut self, proto: Proto, index: Number, size: u32) -> Result<Number, Error> {
        let word = self.allocate()?;
        self.release(index.word);
        let size = match size {
            1 => Size::B,
            2 => Size::H,
            4 => Size::W,
            _ => return self.fail(ErrorKind::LoadSize),
        };
        let Number { mut stmts, word: at, mut guard } = index;
        let Start { constant, register } = self.layers.payload;
        let network = constant.wrapping_add(self.layers.network);
        match proto {
            Proto::Link => {
                let header = self.layers.header;
                stmts.extend(self.load_at(at, header.register, size, header.constant));
            }
            Proto::Ip
            | Proto::Arp
            | Proto::Rarp
            | Proto::Atalk
            | Proto::Decnet
            | Proto::Sca
            | Proto::Lat
            | Proto::Moprc
            | Proto::Mopdl
            | Proto::Ip6 => {
                stmts.extend(self.load_at(at, register, size, network));
                let test = self.protocol_word(proto)?;
                guard = Some(self.guarded(guard, test));
            }
            Proto::Sctp
            | Proto::Tcp
            | Proto::Udp
            | Proto::Icmp
            | Proto::Igmp
            | Proto::Igrp
            | Proto::Pim
            | Proto::Vrrp
            | Proto::Carp => {
                stmts.extend(self.ipv4_header_length());
                let load = [
                    Insn::LoadMem(at),
                    Insn::Alu { op: Alu::Add, by: Operand::X },
                    Insn::Tax,
                    Insn::LoadInd { size, k: network },
                ];
                stmts.extend(load.map(|insn| self.stmt(insn)));
                let of_proto = self.protocol_word(proto)?;
                let first = self.first_fragment();
                let test = self.formula.and(of_proto, first);
                let test = self.guarded(guard, test);
                let ipv4 = self.protocol_word(Proto::Ip)?;
                guard = Some(self.formula.and(ipv4, test));
            }
            Proto::Icmp6 => {
                let ipv6 = self.protocol_word(Proto::Ip6)?;
                let ipv6 = self.guarded(guard, ipv6);
                let test = self.equal(Base::Network, 6, Size::B, number::ICMP6);
                guard = Some(self.formula.and(ipv6, test));
                stmts.extend(self.load_at(at, register, size, network.wrapping_add(40)));
            }
            _ => return self.fail(ErrorKind::Unindexed(proto)),
        }
        stmts.push(self.stmt(Insn::Store(word)));
        Ok(Number { stmts, word, guard })
    }

    /// Loads what lies at a constant, plus the value of a word, plus the part of an offset that varies.
    fn load_at(&self, at: u32, varying: Option<u32>, size: Size, k: u32) -> Vec<Stmt> {
        let mut stmts = match varying {
            None => vec![self.stmt(Insn::LoadXMem(at))],
            Some(word) => {
                let sum = [
                    Insn::LoadXMem(word),
                    Insn::LoadMem(at),
                    Insn::Alu { op: Alu::Add, by: Operand::X },
                    Insn::Tax,
                ];
                sum.map(|insn| self.stmt(insn)).to_vec()
            }
        };
        stmts.push(self.stmt(Insn::LoadInd { size, k }));
        stmts
    }

    fn guarded(&mut self, guard: Option<TestId>, test: TestId) -> TestId {
        match guard {
            Some(guard) => self.formula.and(guard, test),
            None => test,
        }
    }
}
