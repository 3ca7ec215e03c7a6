//! Runs a checked classic filter: the meaning every engine is held against.
//!
//! The kernel (6.18, where classic programs run as converted eBPF):
//! * both registers start at zero; arithmetic is unsigned and 32 bits wide;
//! * a load outside the packet, and division by `X = 0`, end the program with 0;
//! * shifts use the low five bits of the distance in `X`;
//! * an offset is `k`, or `X + k` modulo 2^32, taken as signed: from -0x100000 it counts from the
//!   network header, from -0x200000 from the link-layer header, further down it is outside;
//! * interface index and hardware type of a packet without a device end the program with `A`, the
//!   register that is also the return value: the conversion does not clear it first.
//!
//! libpcap (1.10, `bpf_filter`) differs: offsets are unsigned and `X + k` does not wrap; the length
//! is that on the wire; shifts by 32 or more give 0; scratch memory starts at zero; a jump may go
//! back; and there are no ancillary values, as for packets of a capture file. Where version 1.10
//! leaves a meaning to the C compiler (constant shifts of 32 or more, unwritten scratch memory),
//! the meaning that later versions define is taken.

use super::check::{Dialect, Filter};
use super::insn::{Insn, Operand, Size};
use super::packet::{Ancillary, LINK_OFFSET, NET_OFFSET, PacketContext};
use super::seccomp::SeccompData;

/// Instructions a libpcap program may execute, or its own length if that is more, before its loop
/// is taken for endless. A `protochain` on the longest packet needs a hundredth of it.
const PCAP_FUEL: usize = 1 << 22;

/// Where loads lead. An error is the value that ends the program.
trait Memory {
    const WIDE_SHIFTS: bool;
    fn len(&self) -> u32;
    fn absolute(&self, size: Size, k: u32, a: u32, x: u32) -> Result<u32, u32>;
    fn indirect(&self, size: Size, k: u32, x: u32) -> Result<u32, u32>;
    /// The byte of an IPv4 header length load.
    fn header(&self, k: u32) -> Result<u32, u32>;
}

struct Kernel<'a, P: ?Sized>(&'a P);

impl<P: PacketContext + ?Sized> Kernel<'_, P> {
    fn load(&self, size: Size, offset: u32) -> Result<u32, u32> {
        let offset = offset.cast_signed();
        let from = if offset >= 0 {
            Some(offset)
        } else if offset >= NET_OFFSET {
            (offset - NET_OFFSET).checked_add(self.0.network_offset())
        } else if offset >= LINK_OFFSET {
            self.0.link_offset().and_then(|link| (offset - LINK_OFFSET).checked_add(link))
        } else {
            None
        };
        from.and_then(|from| self.0.read(from, size)).ok_or(0)
    }
}

impl<P: PacketContext + ?Sized> Memory for Kernel<'_, P> {
    const WIDE_SHIFTS: bool = false;

    fn len(&self) -> u32 {
        self.0.len()
    }

    fn absolute(&self, size: Size, k: u32, a: u32, x: u32) -> Result<u32, u32> {
        match Ancillary::from_offset(k) {
            Some(which) => self.0.ancillary(which, a, x).ok_or(a),
            None => self.load(size, k),
        }
    }

    fn indirect(&self, size: Size, k: u32, x: u32) -> Result<u32, u32> {
        self.load(size, x.wrapping_add(k))
    }

    fn header(&self, k: u32) -> Result<u32, u32> {
        self.load(Size::B, k)
    }
}

struct Pcap<'a, P: ?Sized>(&'a P);

impl<P: PacketContext + ?Sized> Memory for Pcap<'_, P> {
    const WIDE_SHIFTS: bool = true;

    fn len(&self) -> u32 {
        self.0.wire_len()
    }

    fn absolute(&self, size: Size, k: u32, _: u32, _: u32) -> Result<u32, u32> {
        self.indirect(size, k, 0)
    }

    fn indirect(&self, size: Size, k: u32, x: u32) -> Result<u32, u32> {
        let offset = x.checked_add(k).and_then(|offset| i32::try_from(offset).ok());
        offset.and_then(|offset| self.0.read(offset, size)).ok_or(0)
    }

    fn header(&self, k: u32) -> Result<u32, u32> {
        self.indirect(Size::B, k, 0)
    }
}

impl Memory for SeccompData {
    const WIDE_SHIFTS: bool = false;

    fn len(&self) -> u32 {
        Self::SIZE
    }

    fn absolute(&self, _: Size, k: u32, _: u32, _: u32) -> Result<u32, u32> {
        self.word(k).ok_or(0)
    }

    // The check leaves neither of these in a seccomp filter.
    fn indirect(&self, _: Size, _: u32, _: u32) -> Result<u32, u32> {
        Err(0)
    }

    fn header(&self, _: u32) -> Result<u32, u32> {
        Err(0)
    }
}

impl Filter {
    /// Runs the filter on a packet: the verdict is the number of bytes to keep, 0 for none.
    ///
    /// A filter checked for seccomp is run by the rules for packets, of which its own are a part.
    pub fn run<P: PacketContext + ?Sized>(&self, packet: &P) -> u32 {
        let end = match self.dialect() {
            Dialect::Pcap => exec(self.insns(), &Pcap(packet), self.insns().len().max(PCAP_FUEL)),
            // Jumps of the kernel's dialects go forward, so the length bounds the steps.
            Dialect::Socket | Dialect::Seccomp => exec(self.insns(), &Kernel(packet), self.insns().len()),
        };
        end.unwrap_or_else(|value| value)
    }

    /// Runs a seccomp filter on a system call: the verdict is a
    /// [return action](super::seccomp::Return). `None` when the filter was not checked for seccomp.
    pub fn run_seccomp(&self, data: &SeccompData) -> Option<u32> {
        let seccomp = self.dialect() == Dialect::Seccomp;
        seccomp.then(|| exec(self.insns(), data, self.insns().len()).unwrap_or_else(|value| value))
    }
}

/// Both sides of the result are the verdict; an error is an early end.
fn exec<M: Memory>(insns: &[Insn], memory: &M, fuel: usize) -> Result<u32, u32> {
    let (mut a, mut x, mut pc) = (0u32, 0u32, 0usize);
    let mut scratch = [0u32; 16];
    for _ in 0..fuel {
        let Some(&insn) = insns.get(pc) else { return Err(0) };
        pc += 1;
        match insn {
            Insn::LoadAbs { size, k } => a = memory.absolute(size, k, a, x)?,
            Insn::LoadInd { size, k } => a = memory.indirect(size, k, x)?,
            Insn::LoadImm(k) => a = k,
            Insn::LoadMem(k) => a = *scratch.get(k as usize).ok_or(0u32)?,
            Insn::LoadLen => a = memory.len(),
            Insn::LoadXImm(k) => x = k,
            Insn::LoadXMem(k) => x = *scratch.get(k as usize).ok_or(0u32)?,
            Insn::LoadXLen => x = memory.len(),
            Insn::LoadXMsh(k) => x = (memory.header(k)? & 0xf) << 2,
            Insn::Store(k) => *scratch.get_mut(k as usize).ok_or(0u32)? = a,
            Insn::StoreX(k) => *scratch.get_mut(k as usize).ok_or(0u32)? = x,
            Insn::Alu { op, by } => a = op.eval(a, value(by, x), M::WIDE_SHIFTS).ok_or(0u32)?,
            Insn::Neg => a = a.wrapping_neg(),
            Insn::Jump(k) => pc = pc.wrapping_add_signed(k.cast_signed() as isize),
            Insn::Branch { cond, with, jt, jf } => {
                pc += usize::from(if cond.holds(a, value(with, x)) { jt } else { jf });
            }
            Insn::RetK(k) => return Ok(k),
            Insn::RetA => return Ok(a),
            Insn::RetX => return Ok(x),
            Insn::Tax => x = a,
            Insn::Txa => a = x,
        }
    }
    Err(0)
}

const fn value(operand: Operand, x: u32) -> u32 {
    match operand {
        Operand::K(k) => k,
        Operand::X => x,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, SockFilter};
    use super::*;

    fn run(program: &[SockFilter], dialect: Dialect, packet: &Packet<'_>) -> u32 {
        Filter::check(program, dialect).unwrap().run(packet)
    }

    const fn s(code: u16, k: u32) -> SockFilter {
        SockFilter::stmt(code, k)
    }

    #[test]
    fn loads_end_at_the_edge_of_the_packet() {
        let packet = Packet::new(&[0x45, 1, 2, 3, 4]);
        for (code, size) in [(0x20, 4), (0x28, 2), (0x30, 1)] {
            for k in 0..8 {
                let expected = if k + size <= 5 { 7 } else { 0 };
                let program = [s(code, k), s(0x06, 7)];
                assert_eq!(run(&program, Dialect::Socket, &packet), expected);
                assert_eq!(run(&program, Dialect::Pcap, &packet), expected);
            }
        }
        assert_eq!(run(&[s(0xb1, 0), s(0x87, 0), s(0x16, 0)], Dialect::Socket, &packet), 20);
    }

    #[test]
    fn negative_offsets_have_two_windows() {
        let bytes: [u8; 20] = core::array::from_fn(|i| i as u8);
        let packet = Packet { data: 14, link: Some(-14), network: 2, ..Packet::new(&bytes) };
        let at = |k: i32| run(&[s(0x30, k as u32), s(0x16, 0)], Dialect::Socket, &packet);
        assert_eq!((at(LINK_OFFSET + 3), at(NET_OFFSET + 1), at(LINK_OFFSET - 1)), (3, 17, 0));
        let ind = [s(0x01, 5), s(0x50, (LINK_OFFSET + 1) as u32), s(0x16, 0)];
        assert_eq!(run(&ind, Dialect::Socket, &packet), 6);
        assert_eq!(run(&ind, Dialect::Pcap, &packet), 0);
    }

    #[test]
    fn index_and_constant_wrap_in_the_kernel_only() {
        let packet = Packet::new(&[9, 8, 7]);
        let program = [s(0x01, u32::MAX), s(0x50, 2), s(0x16, 0)];
        assert_eq!(run(&program, Dialect::Socket, &packet), 8);
        assert_eq!(run(&program, Dialect::Pcap, &packet), 0);
    }

    #[test]
    fn wide_shifts_differ() {
        let packet = Packet::new(&[]);
        let program = [s(0x00, 3), s(0x01, 33), s(0x6c, 0), s(0x16, 0)];
        assert_eq!(run(&program, Dialect::Socket, &packet), 6);
        assert_eq!(run(&program, Dialect::Pcap, &packet), 0);
    }

    #[test]
    fn a_packet_without_device_ends_with_the_accumulator() {
        let packet = Packet::new(&[]);
        let ifindex = [s(0x00, 5), s(0x20, Ancillary::IfIndex.offset()), s(0x06, 9)];
        assert_eq!(run(&ifindex, Dialect::Socket, &packet), 5);
        assert_eq!(run(&ifindex, Dialect::Socket, &Packet { ifindex: Some(1), ..packet }), 9);
    }

    #[test]
    fn endless_loops_of_libpcap_programs_end() {
        let program = [s(0x05, u32::MAX), s(0x06, 9)];
        assert_eq!(run(&program, Dialect::Pcap, &Packet::new(&[])), 0);
        // Counts M[0] down from 3 in a loop that ends.
        let program =
            [s(0x00, 3), s(0x14, 1), SockFilter::new(0x15, 1, 0, 0), s(0x05, -3i32 as u32), s(0x06, 77)];
        assert_eq!(run(&program, Dialect::Pcap, &Packet::new(&[])), 77);
    }

    #[test]
    fn every_division_by_zero_ends_with_zero() {
        for code in [0x3c, 0x9c] {
            let program = [s(0x00, 5), s(code, 0), s(0x06, 9)];
            assert_eq!(run(&program, Dialect::Socket, &Packet::new(&[])), 0);
        }
    }
}
