//! Runs a filter on all packets at once. All jumps go forward, so one pass in program order meets every
//! path, and paths that meet are merged: a register is then a choice by the condition of each path.
//!
//! What a load reads is given by variables, one for each bit of the packet at an offset. An indirect
//! load is one load for each value the index can have. Both are exact; where the values are too many,
//! or a value is not a function of the packet, the condition under which the filter gets there is
//! kept as not understood.

use super::super::check::{Dialect, Filter};
use super::super::insn::{Alu, Cond, Insn, Operand, Size};
use super::super::live::{A, PLACES, X, liveness};
use super::super::packet::{Ancillary, LINK_OFFSET, NET_OFFSET};
use super::super::seccomp::SeccompData;
use super::bdd::{Bit, Full, NO, Table, YES};
use super::word::{Word, ZERO, constant};
use super::{Doubt, Limits, MAX_LEN, Reason, Setting};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bits of a captured length.
const LEN_BITS: usize = 19;
const _: () = assert!(MAX_LEN < 1 << LEN_BITS);

/// Variables, in the order in which they are decided: lengths first, interleaved, from the highest
/// bit; then ancillary values, 64 variables each; then the packet from its first bit on.
const ANCILLARY: u32 = 64;
const PRESENT: u32 = 40;
const BYTES: u32 = ANCILLARY + 16 * 64;

/// What a variable stands for.
pub(super) enum Meaning {
    Len(u32),
    WireLen(u32),
    Ancillary(usize, u32),
    Present(usize),
    Byte { offset: usize, mask: u8 },
}

pub(super) const fn meaning(var: u32) -> Meaning {
    match var {
        0..ANCILLARY if var.is_multiple_of(2) => Meaning::Len(31 - var / 2),
        0..ANCILLARY => Meaning::WireLen(31 - var / 2),
        ANCILLARY..BYTES => {
            let (which, bit) = ((var - ANCILLARY) / 64, (var - ANCILLARY) % 64);
            match bit {
                0..32 => Meaning::Ancillary(which as usize, 31 - bit),
                _ => Meaning::Present(which as usize),
            }
        }
        _ => {
            let bit = var - BYTES;
            Meaning::Byte { offset: (bit / 8) as usize, mask: 0x80 >> (bit % 8) }
        }
    }
}

/// The captured length.
pub(super) fn len(table: &mut Table) -> Result<Word, Full> {
    let mut word = ZERO;
    for (i, bit) in word.iter_mut().enumerate().take(LEN_BITS) {
        *bit = table.var(2 * (31 - i as u32))?;
    }
    Ok(word)
}

/// The length on the wire.
pub(super) fn wire_len(table: &mut Table) -> Result<Word, Full> {
    let mut word = ZERO;
    for (i, bit) in word.iter_mut().enumerate() {
        *bit = table.var(2 * (31 - i as u32) + 1)?;
    }
    Ok(word)
}

/// What a filter does, as functions of the packet.
pub(super) struct Outcome {
    pub verdict: Word,
    /// When the verdict is not to be believed.
    pub unknown: Bit,
    /// The first reason for that.
    pub doubt: Option<Doubt>,
    /// Ancillary values it reads, by index.
    pub ancillary: u16,
}

#[derive(Clone)]
struct State {
    reach: Bit,
    places: [Word; PLACES],
}

struct Machine<'a> {
    table: &'a mut Table,
    setting: &'a Setting,
    limits: &'a Limits,
    dialect: Dialect,
    len: Word,
    length: Word,
    live: Vec<u32>,
    waiting: Vec<Option<Box<State>>>,
    out: Outcome,
}

/// Follows `filter` over all packets; an error when the table is full.
pub(super) fn run(
    table: &mut Table,
    filter: &Filter,
    setting: &Setting,
    limits: &Limits,
) -> Result<Outcome, Full> {
    let insns = filter.insns();
    let mut out = Outcome { verdict: ZERO, unknown: NO, doubt: None, ancillary: 0 };
    let backward = |insn: &Insn| matches!(insn, Insn::Jump(k) if k.cast_signed() < 0);
    if let Some(insn) = insns.iter().position(backward) {
        out.unknown = YES;
        out.doubt = Some(Doubt { insn, reason: Reason::Loop });
        return Ok(out);
    }
    let len = len(table)?;
    let length = if filter.dialect() == Dialect::Pcap { wire_len(table)? } else { len };
    let mut machine = Machine {
        table,
        setting,
        limits,
        dialect: filter.dialect(),
        len,
        length,
        live: liveness(insns),
        waiting: insns.iter().map(|_| None).collect(),
        out,
    };
    machine.waiting[0] = Some(Box::new(State { reach: YES, places: [ZERO; PLACES] }));
    for (at, &insn) in insns.iter().enumerate() {
        if let Some(state) = machine.waiting[at].take() {
            machine.step(at, insn, *state)?;
        }
    }
    Ok(machine.out)
}

impl Machine<'_> {
    fn step(&mut self, at: usize, insn: Insn, mut state: State) -> Result<(), Full> {
        let places = &mut state.places;
        match insn {
            Insn::LoadImm(k) => places[A] = constant(k),
            Insn::LoadXImm(k) => places[X] = constant(k),
            Insn::LoadLen => places[A] = self.length,
            Insn::LoadXLen => places[X] = self.length,
            Insn::LoadMem(k) => places[A] = places[k as usize],
            Insn::LoadXMem(k) => places[X] = places[k as usize],
            Insn::Store(k) => places[k as usize] = places[A],
            Insn::StoreX(k) => places[k as usize] = places[X],
            Insn::Tax => places[X] = places[A],
            Insn::Txa => places[A] = places[X],
            Insn::Neg => places[A] = self.table.sub(&ZERO, &places[A])?,
            Insn::Jump(k) => return self.arrive(at + 1 + k as usize, state),
            Insn::Branch { cond, with, jt, jf } => return self.branch(at, state, cond, with, jt, jf),
            Insn::RetK(k) => return self.end(state.reach, &constant(k)),
            Insn::RetA => return self.end(state.reach, &state.places[A]),
            Insn::RetX => return self.end(state.reach, &state.places[X]),
            Insn::LoadXMsh(k) => match self.load(state.reach, &[(k, YES)], Size::B)? {
                Some((byte, reach)) => {
                    state.reach = reach;
                    state.places[X] =
                        core::array::from_fn(|i| if (2..6).contains(&i) { byte[i - 2] } else { NO });
                }
                None => return Ok(()),
            },
            Insn::LoadAbs { size, k } => {
                if self.dialect == Dialect::Socket
                    && let Some(which) = Ancillary::from_offset(k)
                {
                    return self.ancillary(at, which, state);
                }
                match self.load(state.reach, &[(k, YES)], size)? {
                    Some((word, reach)) => (state.reach, state.places[A]) = (reach, word),
                    None => return Ok(()),
                }
            }
            Insn::LoadInd { size, k } => match self.indirect(at, &state, size, k)? {
                Some((word, reach)) => (state.reach, state.places[A]) = (reach, word),
                None => return Ok(()),
            },
            Insn::Alu { op, by } => {
                let by = self.operand(by, &state);
                if !self.alu(&mut state, op, &by)? {
                    return Ok(());
                }
            }
        }
        self.arrive(at + 1, state)
    }

    fn operand(&self, operand: Operand, state: &State) -> Word {
        match operand {
            Operand::K(k) => constant(k),
            Operand::X => state.places[X],
        }
    }

    /// False when no packet gets further.
    fn alu(&mut self, state: &mut State, op: Alu, by: &Word) -> Result<bool, Full> {
        let a = state.places[A];
        let wide = self.dialect == Dialect::Pcap;
        if matches!(op, Alu::Div | Alu::Mod) {
            let zero = self.table.equal(by, &ZERO)?;
            let nonzero = self.table.not(zero)?;
            let ends = self.table.and(state.reach, zero)?;
            self.end(ends, &ZERO)?;
            state.reach = self.table.and(state.reach, nonzero)?;
            if state.reach == NO {
                return Ok(false);
            }
        }
        state.places[A] = match op {
            Alu::Add => self.table.add(&a, by)?,
            Alu::Sub => self.table.sub(&a, by)?,
            Alu::Mul => self.table.mul(&a, by)?,
            Alu::Div => self.table.div_rem(&a, by)?.0,
            Alu::Mod => self.table.div_rem(&a, by)?.1,
            Alu::And => self.table.word_and(&a, by)?,
            Alu::Or => self.table.word_or(&a, by)?,
            Alu::Xor => self.table.word_xor(&a, by)?,
            Alu::Lsh => self.table.shift(&a, by, true, wide)?,
            Alu::Rsh => self.table.shift(&a, by, false, wide)?,
        };
        Ok(true)
    }

    fn branch(
        &mut self,
        at: usize,
        state: State,
        cond: Cond,
        with: Operand,
        jt: u8,
        jf: u8,
    ) -> Result<(), Full> {
        let (a, b) = (state.places[A], self.operand(with, &state));
        let holds = match cond {
            Cond::Eq => self.table.equal(&a, &b)?,
            Cond::Gt => self.table.less(&b, &a)?,
            Cond::Ge => {
                let less = self.table.less(&a, &b)?;
                self.table.not(less)?
            }
            Cond::Set => {
                let common = self.table.word_and(&a, &b)?;
                self.table.any(&common)?
            }
        };
        let fails = self.table.not(holds)?;
        for (condition, skip) in [(holds, jt), (fails, jf)] {
            let reach = self.table.and(state.reach, condition)?;
            self.arrive(at + 1 + usize::from(skip), State { reach, ..state.clone() })?;
        }
        Ok(())
    }

    /// Merges a state into what waits at an instruction.
    fn arrive(&mut self, at: usize, mut state: State) -> Result<(), Full> {
        if state.reach == NO {
            return Ok(());
        }
        for (place, word) in state.places.iter_mut().enumerate() {
            if self.live[at] >> place & 1 == 0 {
                *word = ZERO;
            }
        }
        match &mut self.waiting[at] {
            Some(other) => {
                for (old, new) in other.places.iter_mut().zip(&state.places) {
                    if old != new {
                        *old = self.table.select(state.reach, new, old)?;
                    }
                }
                other.reach = self.table.or(other.reach, state.reach)?;
            }
            none => *none = Some(Box::new(state)),
        }
        Ok(())
    }

    fn end(&mut self, reach: Bit, value: &Word) -> Result<(), Full> {
        if reach != NO {
            self.out.verdict = self.table.select(reach, value, &self.out.verdict)?;
        }
        Ok(())
    }

    fn give_up(&mut self, reach: Bit, insn: usize, reason: Reason) -> Result<(), Full> {
        self.out.unknown = self.table.or(self.out.unknown, reach)?;
        self.out.doubt.get_or_insert(Doubt { insn, reason });
        Ok(())
    }

    fn indirect(
        &mut self,
        at: usize,
        state: &State,
        size: Size,
        k: u32,
    ) -> Result<Option<(Word, Bit)>, Full> {
        let x = state.places[X];
        let mut values = Vec::new();
        if !self.values(state.reach, &x, 32, 0, &mut values)? {
            self.give_up(state.reach, at, Reason::Index)?;
            return Ok(None);
        }
        let mut ways = Vec::with_capacity(values.len());
        for value in values {
            let here = self.table.equal(&x, &constant(value))?;
            match self.dialect {
                // The sum of libpcap does not wrap; past the end there is nothing either way.
                Dialect::Pcap => ways.push((value.saturating_add(k), here)),
                _ => ways.push((value.wrapping_add(k), here)),
            }
        }
        self.load(state.reach, &ways, size)
    }

    /// The values of a word that packets in `reach` can have; false when they are too many.
    fn values(
        &mut self,
        reach: Bit,
        word: &Word,
        bits: usize,
        value: u32,
        out: &mut Vec<u32>,
    ) -> Result<bool, Full> {
        let Some(bit) = bits.checked_sub(1) else {
            out.push(value);
            return Ok(out.len() <= self.limits.values);
        };
        let one = self.table.and(reach, word[bit])?;
        let zero = self.table.ite(word[bit], NO, reach)?;
        for (reach, value) in [(zero, value), (one, value | 1 << bit)] {
            if reach != NO && !self.values(reach, word, bit, value, out)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Loads from one of several offsets, each under its condition. Gives the value and the condition
    /// under which the filter goes on.
    fn load(&mut self, reach: Bit, ways: &[(u32, Bit)], size: Size) -> Result<Option<(Word, Bit)>, Full> {
        let (mut word, mut inside) = (ZERO, NO);
        for &(offset, here) in ways {
            let Some(offset) = self.place(offset) else { continue };
            let end = u64::from(offset) + u64::from(size.bytes());
            if end > MAX_LEN as u64 {
                continue;
            }
            let short = self.table.less(&self.len, &constant(end as u32))?;
            let fits = self.table.ite(short, NO, here)?;
            inside = self.table.or(inside, fits)?;
            for i in 0..8 * size.bytes() {
                let byte = offset + size.bytes() - 1 - i / 8;
                let bit = self.table.var(BYTES + 8 * byte + 7 - i % 8)?;
                let bit = self.table.and(here, bit)?;
                word[i as usize] = self.table.or(word[i as usize], bit)?;
            }
        }
        let outside = self.table.ite(inside, NO, reach)?;
        self.end(outside, &ZERO)?;
        let reach = self.table.and(reach, inside)?;
        Ok((reach != NO).then_some((word, reach)))
    }

    /// Where an offset is in the packet, as running a filter has it.
    fn place(&self, offset: u32) -> Option<u32> {
        let offset = offset.cast_signed();
        let from = match (self.dialect, offset) {
            (_, 0..) => offset,
            (Dialect::Pcap, _) => return None,
            (_, NET_OFFSET..) => (offset - NET_OFFSET).checked_add(self.setting.network)?,
            (_, LINK_OFFSET..) => (offset - LINK_OFFSET).checked_add(self.setting.link?)?,
            _ => return None,
        };
        u32::try_from(from).ok()
    }

    fn ancillary(&mut self, at: usize, which: Ancillary, mut state: State) -> Result<(), Full> {
        let bits = match which {
            Ancillary::NlAttr | Ancillary::NlAttrNest | Ancillary::Random => {
                return self.give_up(state.reach, at, Reason::Ancillary(which));
            }
            Ancillary::XorX => {
                state.places[A] = self.table.word_xor(&state.places[A], &state.places[X])?;
                return self.arrive(at + 1, state);
            }
            Ancillary::VlanPresent => 0,
            Ancillary::PktType => 8,
            Ancillary::Protocol
            | Ancillary::Queue
            | Ancillary::HaType
            | Ancillary::VlanTag
            | Ancillary::VlanTpid => 16,
            Ancillary::IfIndex
            | Ancillary::Mark
            | Ancillary::RxHash
            | Ancillary::Cpu
            | Ancillary::PayOffset => 32,
        };
        let index = Ancillary::ALL.iter().position(|a| *a == which).unwrap_or(0);
        self.out.ancillary |= 1 << index;
        let first = ANCILLARY + 64 * index as u32;
        let mut word = ZERO;
        for (i, bit) in word.iter_mut().enumerate().take(bits) {
            *bit = self.table.var(first + 31 - i as u32)?;
        }
        match which {
            Ancillary::IfIndex | Ancillary::HaType => {
                // Both need a device; without one the verdict is A.
                let device = self.table.var(ANCILLARY + 64 * DEVICE as u32 + PRESENT)?;
                let absent = self.table.ite(device, NO, state.reach)?;
                self.end(absent, &state.places[A])?;
                state.reach = self.table.and(state.reach, device)?;
            }
            Ancillary::VlanPresent | Ancillary::VlanTag | Ancillary::VlanTpid => {
                let tag = self.table.var(ANCILLARY + 64 * VLAN as u32 + PRESENT)?;
                word = if bits == 0 {
                    core::array::from_fn(|i| if i == 0 { tag } else { NO })
                } else {
                    self.table.word_and(&word, &[tag; 32])?
                };
            }
            _ => {}
        }
        state.places[A] = word;
        self.arrive(at + 1, state)
    }
}

/// Where the presence of a device, and of a VLAN tag, have their variables: with the interface and
/// with the tag.
pub(super) const DEVICE: usize = 2;
pub(super) const VLAN: usize = 11;

/// The packets that are looked at: first those whose length on the wire is the captured one, then
/// those that had more on the wire, then all.
pub(super) fn packets(table: &mut Table, shortest: u32) -> Result<[Bit; 3], Full> {
    let (len, wire) = (len(table)?, wire_len(table)?);
    let over = table.less(&constant(MAX_LEN as u32), &len)?;
    let under = table.less(&len, &constant(shortest))?;
    let neither = table.or(over, under)?;
    let any = table.not(neither)?;
    let less = table.less(&wire, &len)?;
    let usual = table.ite(less, NO, any)?;
    let same = table.equal(&len, &wire)?;
    let plain = table.and(any, same)?;
    Ok([plain, usual, any])
}

/// The system calls that are looked at, as packets of 64 bytes: first those of one `arch` word, then
/// all.
pub(super) fn calls(table: &mut Table, arch: u32) -> Result<[Bit; 2], Full> {
    let len = len(table)?;
    let any = table.equal(&len, &constant(SeccompData::SIZE))?;
    let mut word = ZERO;
    for (i, bit) in word.iter_mut().enumerate() {
        *bit = table.var(BYTES + 8 * 4 + 31 - i as u32)?;
    }
    let same = table.equal(&word, &constant(arch))?;
    Ok([table.and(any, same)?, any])
}
