//! Are two filters the same? Answers for all packets, not by trying some.
//!
//! Both filters are run on a packet whose bits, lengths and ancillary values are variables. What
//! comes out is a function of those in canonical form (a binary decision diagram), so that
//!
//! * the filters are [equal](Comparison::Equal) when the function "the verdicts differ" is the
//!   constant "never" and nothing was left out: a proof over every packet of up to [`MAX_LEN`]
//!   bytes, every length on the wire and every ancillary value;
//! * otherwise a solution of that function is a [packet](Comparison::Differ) on which they differ,
//!   which is given only after both filters were really run on it;
//! * where a filter does something the functions do not express (a loop, a random number, netlink
//!   attributes, an index of too many values), or they outgrow a limit, the answer is that
//!   [nothing is known](Comparison::Unknown).
//!
//! The meaning of a filter is that of its [dialect](super::Dialect), so that one program under the
//! kernel's and under libpcap's semantics is a comparison too. Filters of system calls are compared by
//! [`compare_seccomp`]; what one of them allows is enumerated by [`seccomp`](super::seccomp).

mod bdd;
mod exec;
mod word;

use super::check::{Dialect, Filter};
use super::packet::{Ancillary, Packet, Vlan};
use super::seccomp::Arch;
use alloc::vec;
use alloc::vec::Vec;
use bdd::{Bit, Full, NO, Table, YES};
use core::fmt;
use exec::{DEVICE, Meaning, VLAN};

/// The longest packet that answers speak of: libpcap's longest for most link types.
pub const MAX_LEN: usize = 262_144;

/// Where the headers of packets are, relative to the data, and which packets are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The network header.
    pub network: i32,
    /// The link-layer header.
    pub link: Option<i32>,
    /// The shortest packets that are looked at. A filter ends where a packet does, so that two which ask
    /// for the same bytes in another order differ on packets that are cut off; an optimiser makes such.
    pub shortest: u32,
}

impl Setting {
    /// Frames of Ethernet of any length, as a packet socket sees them.
    pub const ETHERNET: Self = Self { network: 14, link: Some(0), shortest: 0 };
}

/// What has to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether the packet matches: whether the verdict is zero.
    Match,
    /// The verdict itself.
    Verdict,
}

/// Bounds on the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Nodes of all functions together, about 20 bytes each.
    pub nodes: usize,
    /// Bits of packets that functions speak of.
    pub variables: usize,
    /// Values that the index of a load may have.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes: 1 << 21, variables: 2500, values: 1024 }
    }
}

/// The answer for two filters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Comparison {
    /// No packet tells them apart.
    Equal,
    /// A packet that does.
    Differ(Witness),
    /// None was found, and there may be one.
    Unknown(Unknown),
}

/// What a filter does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matches {
    /// It matches none.
    Never,
    /// It matches every one.
    Always,
    /// Some match and some do not.
    Sometimes,
    /// Not known.
    Unknown,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    /// The functions outgrew the limits.
    Limit,
    /// Something of the first (false) or second filter is not understood.
    Filter { second: bool, doubt: Doubt },
    /// Running the filters did not confirm the packet that was found.
    Unconfirmed,
}

/// What of a filter is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The instruction.
    pub insn: usize,
    /// Why.
    pub reason: Reason,
}

/// Why an instruction is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A jump back.
    Loop,
    /// The index of a load has too many values.
    Index,
    /// The value is no function of the packet.
    Ancillary(Ancillary),
    /// The filter is not of the kind that is compared.
    Dialect,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit => f.write_str("the filters are too large to be decided"),
            Self::Unconfirmed => f.write_str("running the filters did not confirm the packet that was found"),
            Self::Filter { second, doubt } => {
                write!(f, "{} filter, {doubt}", if *second { "second" } else { "first" })
            }
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: ", self.insn)?;
        match self.reason {
            Reason::Loop => f.write_str("a jump back"),
            Reason::Index => f.write_str("the index of the load has too many values"),
            Reason::Ancillary(which) => write!(f, "{} is no function of the packet", which.name()),
            Reason::Dialect => f.write_str("not a filter of this kind"),
        }
    }
}

/// A packet on which two filters differ. Ancillary values it does not list do not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Witness {
    /// The bytes.
    pub data: Vec<u8>,
    /// The length on the wire.
    pub wire_len: u32,
    /// The ancillary values the filters read; without a value the packet has no device.
    pub ancillary: Vec<(Ancillary, Option<u32>)>,
    /// What both filters return.
    pub verdicts: [u32; 2],
}

impl Witness {
    /// The packet, ready to be run on.
    pub fn packet(&self, setting: &Setting) -> Packet<'_> {
        let mut packet = Packet::new(&self.data);
        packet.wire_len = self.wire_len;
        packet.network = setting.network;
        packet.link = setting.link;
        let mut vlan = Vlan { tci: 0, tpid: 0 };
        for &(which, value) in &self.ancillary {
            let number = value.unwrap_or(0);
            match which {
                Ancillary::Protocol => packet.protocol = number as u16,
                Ancillary::PktType => packet.pkt_type = number as u8,
                Ancillary::IfIndex => packet.ifindex = value,
                Ancillary::HaType => packet.hatype = value.map(|v| v as u16),
                Ancillary::Mark => packet.mark = number,
                Ancillary::Queue => packet.queue = number as u16,
                Ancillary::RxHash => packet.rxhash = number,
                Ancillary::Cpu => packet.cpu = number,
                Ancillary::PayOffset => packet.pay_offset = number,
                Ancillary::VlanTag => vlan.tci = number as u16,
                Ancillary::VlanTpid => vlan.tpid = number as u16,
                Ancillary::VlanPresent if number != 0 => packet.vlan = Some(vlan),
                _ => {}
            }
        }
        packet.vlan = packet.vlan.map(|_| vlan);
        packet
    }

    fn new(set: &[u32], used: u16) -> Self {
        let (mut len, mut wire_len) = (0usize, 0u32);
        let (mut values, mut present) = ([0u32; 16], [false; 16]);
        for &var in set {
            match exec::meaning(var) {
                Meaning::Len(bit) => len |= 1 << bit,
                Meaning::WireLen(bit) => wire_len |= 1 << bit,
                Meaning::Ancillary(which, bit) => values[which] |= 1 << bit,
                Meaning::Present(which) => present[which] = true,
                Meaning::Byte { .. } => {}
            }
        }
        let mut data = vec![0; len.min(MAX_LEN)];
        for &var in set {
            if let Meaning::Byte { offset, mask } = exec::meaning(var)
                && let Some(byte) = data.get_mut(offset)
            {
                *byte |= mask;
            }
        }
        // The tag and whether there is one are told together.
        const TAG: u16 = 1 << 11 | 1 << 12 | 1 << 15;
        let used = if used & TAG != 0 { used | TAG } else { used };
        let value = |(index, &which): (usize, &Ancillary)| {
            let value = match which {
                Ancillary::IfIndex | Ancillary::HaType => present[DEVICE].then_some(values[index]),
                Ancillary::VlanPresent => Some(present[VLAN].into()),
                _ => Some(values[index]),
            };
            (which, value)
        };
        let read = |(index, _): &(usize, &Ancillary)| used >> *index & 1 != 0;
        let ancillary = Ancillary::ALL.iter().enumerate().filter(read).map(value).collect();
        Self { data, wire_len, ancillary, verdicts: [0; 2] }
    }
}

/// Compares two packet filters.
pub fn compare(filters: [&Filter; 2], question: Question, setting: &Setting, limits: &Limits) -> Comparison {
    only(filters, |dialect| dialect != Dialect::Seccomp)
        .and_then(|()| {
            decide(filters, question, setting, limits, |table| {
                Ok(exec::packets(table, setting.shortest)?.to_vec())
            })
        })
        .unwrap_or_else(Comparison::Unknown)
}

/// Compares two seccomp filters by their verdicts. A witness holds `struct seccomp_data` as sixteen
/// words, most significant byte first, one of `arch` where there is one.
pub fn compare_seccomp(filters: [&Filter; 2], arch: Arch, limits: &Limits) -> Comparison {
    let setting = Setting { network: 0, link: None, shortest: 0 };
    let calls = |table: &mut Table| Ok(exec::calls(table, arch.audit())?.to_vec());
    only(filters, |dialect| dialect == Dialect::Seccomp)
        .and_then(|()| decide(filters, Question::Verdict, &setting, limits, calls))
        .unwrap_or_else(Comparison::Unknown)
}

/// Holds the dialects of the filters against what is asked.
fn only(filters: [&Filter; 2], fits: impl Fn(Dialect) -> bool) -> Result<(), Unknown> {
    for (second, filter) in [(false, filters[0]), (true, filters[1])] {
        if !fits(filter.dialect()) {
            return Err(Unknown::Filter { second, doubt: Doubt { insn: 0, reason: Reason::Dialect } });
        }
    }
    Ok(())
}

impl From<Full> for Unknown {
    fn from(_: Full) -> Self {
        Self::Limit
    }
}

/// Decides over the packets that `domain` gives: those to be looked at first, and at last all.
fn decide(
    filters: [&Filter; 2],
    question: Question,
    setting: &Setting,
    limits: &Limits,
    domain: impl Fn(&mut Table) -> Result<Vec<Bit>, Full>,
) -> Result<Comparison, Unknown> {
    let table = &mut Table::new(limits.nodes, limits.variables);
    let a = exec::run(table, filters[0], setting, limits)?;
    let b = exec::run(table, filters[1], setting, limits)?;
    let differ = match question {
        Question::Match => {
            let (a, b) = (table.any(&a.verdict)?, table.any(&b.verdict)?);
            table.xor(a, b)?
        }
        Question::Verdict => {
            let bits = table.word_xor(&a.verdict, &b.verdict)?;
            table.any(&bits)?
        }
    };
    let unknown = table.or(a.unknown, b.unknown)?;
    let sure = table.ite(unknown, NO, differ)?;
    let domain = domain(table)?;
    for &packets in &domain {
        let found = table.and(sure, packets)?;
        let Some(set) = table.solution(found) else { continue };
        return Ok(confirm(filters, question, setting, Witness::new(&set, a.ancillary | b.ancillary)));
    }
    let all = domain.last().copied().unwrap_or(YES);
    for (second, outcome) in [(false, &a), (true, &b)] {
        if let Some(doubt) = outcome.doubt
            && table.and(outcome.unknown, all)? != NO
        {
            return Ok(Comparison::Unknown(Unknown::Filter { second, doubt }));
        }
    }
    Ok(Comparison::Equal)
}

/// Runs the filters on what was found.
fn confirm(filters: [&Filter; 2], question: Question, setting: &Setting, mut witness: Witness) -> Comparison {
    let packet = witness.packet(setting);
    let verdicts = filters.map(|filter| filter.run(&packet));
    let differ = match question {
        Question::Match => (verdicts[0] == 0) != (verdicts[1] == 0),
        Question::Verdict => verdicts[0] != verdicts[1],
    };
    witness.verdicts = verdicts;
    if differ { Comparison::Differ(witness) } else { Comparison::Unknown(Unknown::Unconfirmed) }
}

/// Whether a packet filter matches nothing, or everything.
pub fn matches(filter: &Filter, setting: &Setting, limits: &Limits) -> Matches {
    if filter.dialect() == Dialect::Seccomp {
        return Matches::Unknown;
    }
    count(filter, setting, limits).unwrap_or(Matches::Unknown)
}

fn count(filter: &Filter, setting: &Setting, limits: &Limits) -> Result<Matches, Full> {
    let table = &mut Table::new(limits.nodes, limits.variables);
    let outcome = exec::run(table, filter, setting, limits)?;
    let accepts = table.any(&outcome.verdict)?;
    let any = exec::packets(table, setting.shortest)?[2];
    let known = table.ite(outcome.unknown, NO, any)?;
    let some = |table: &mut Table, f: Bit| Ok(table.and(f, known)? != NO);
    let refuses = table.ite(accepts, NO, YES)?;
    let (accepts, refuses) = (some(table, accepts)?, some(table, refuses)?);
    let complete = table.and(outcome.unknown, any)? == NO;
    Ok(match (accepts, refuses) {
        (true, true) => Matches::Sometimes,
        (true, false) if complete => Matches::Always,
        (false, true) if complete => Matches::Never,
        _ => Matches::Unknown,
    })
}

#[cfg(test)]
mod tests;
