//! Loads relative to the headers, and the comparisons most tests are made of.

use super::Generator;
use crate::cbpf::expr::formula::{Stmt, TestId};
use crate::cbpf::expr::link::Start;
use crate::cbpf::{Alu, Cond, Insn, Operand, Size};
use alloc::vec;
use alloc::vec::Vec;

/// What an offset counts from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// The innermost link-layer header.
    Link,
    /// The field that tells what follows that header.
    Kind,
    /// The end of that header, where LLC starts if there is any.
    Llc,
    /// The network header.
    Network,
    /// The network header after an LLC header.
    NetworkLlc,
    /// The header that follows an IPv4 header.
    OverIpv4,
    /// The header that follows an IPv6 header without extensions.
    OverIpv6,
    /// The MPLS label before the network header.
    Label,
}

/// All bits count.
pub(super) const ALL: u32 = u32::MAX;

impl Generator<'_> {
    fn load_from(&self, start: Start, offset: u32, size: Size) -> Vec<Stmt> {
        let k = start.constant.wrapping_add(offset);
        match start.register {
            Some(word) => vec![self.stmt(Insn::LoadXMem(word)), self.stmt(Insn::LoadInd { size, k })],
            None => vec![self.stmt(Insn::LoadAbs { size, k })],
        }
    }

    /// Loads into `A` what lies `offset` bytes after `base`.
    pub(super) fn load(&self, base: Base, offset: u32, size: Size) -> Vec<Stmt> {
        let layers = &self.layers;
        let network = layers.network.wrapping_add(offset);
        match base {
            Base::Link => self.load_from(layers.header, offset, size),
            Base::Kind => self.load_from(layers.kind, offset, size),
            Base::Llc => self.load_from(layers.payload, offset, size),
            Base::Network => self.load_from(layers.payload, network, size),
            Base::NetworkLlc => self.load_from(layers.payload, layers.network_llc.wrapping_add(offset), size),
            Base::OverIpv6 => self.load_from(layers.payload, network.wrapping_add(40), size),
            Base::Label => self.load_from(layers.payload, network.wrapping_sub(4), size),
            Base::OverIpv4 => {
                let mut stmts = self.ipv4_header_length();
                stmts.push(
                    self.stmt(Insn::LoadInd { size, k: layers.payload.constant.wrapping_add(network) }),
                );
                stmts
            }
        }
    }

    /// Loads into `X` the length of the IPv4 header, and the part of its offset that varies.
    pub(super) fn ipv4_header_length(&self) -> Vec<Stmt> {
        let Start { constant, register } = self.layers.payload;
        let k = constant.wrapping_add(self.layers.network);
        let Some(word) = register else { return vec![self.stmt(Insn::LoadXMsh(k))] };
        [
            Insn::LoadXMem(word),
            Insn::LoadInd { size: Size::B, k },
            Insn::Alu { op: Alu::And, by: Operand::K(0xf) },
            Insn::Alu { op: Alu::Lsh, by: Operand::K(2) },
            Insn::Alu { op: Alu::Add, by: Operand::X },
            Insn::Tax,
        ]
        .map(|insn| self.stmt(insn))
        .to_vec()
    }

    /// Compares the bits of `mask` in a field with `value`.
    pub(super) fn compare(
        &mut self,
        base: Base,
        offset: u32,
        size: Size,
        mask: u32,
        cond: Cond,
        value: u32,
    ) -> TestId {
        let mut stmts = self.load(base, offset, size);
        if mask != ALL {
            stmts.push(self.stmt(Insn::Alu { op: Alu::And, by: Operand::K(mask) }));
        }
        self.formula.test(stmts, cond, Operand::K(value))
    }

    pub(super) fn equal(&mut self, base: Base, offset: u32, size: Size, value: u32) -> TestId {
        self.compare(base, offset, size, ALL, Cond::Eq, value)
    }

    pub(super) fn masked(&mut self, base: Base, offset: u32, size: Size, value: u32, mask: u32) -> TestId {
        self.compare(base, offset, size, mask, Cond::Eq, value)
    }

    /// Compares bytes, the last four first.
    pub(super) fn bytes(&mut self, base: Base, offset: u32, bytes: &[u8]) -> TestId {
        let mut test = None;
        let mut left = bytes;
        while !left.is_empty() {
            let (size, count) = match left.len() {
                4.. => (Size::W, 4),
                2.. => (Size::H, 2),
                _ => (Size::B, 1),
            };
            let (rest, field) = left.split_at(left.len() - count);
            let value = field.iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
            let next = self.equal(base, offset + rest.len() as u32, size, value);
            test = Some(match test {
                Some(before) => self.formula.and(before, next),
                None => next,
            });
            left = rest;
        }
        match test {
            Some(test) => test,
            None => self.always(true),
        }
    }

    /// A test with a known result.
    pub(super) fn always(&mut self, holds: bool) -> TestId {
        let stmts = vec![self.stmt(Insn::LoadImm(u32::from(!holds)))];
        self.formula.test(stmts, Cond::Eq, Operand::K(0))
    }
}
