//! What a converted filter does is held against what the filter does, by a small machine for the
//! eBPF instructions a conversion can contain. It refuses what a verifier would: registers read
//! before they are written, fields that must be zero, jumps back, code nothing reaches.

use super::*;
use crate::cbpf::{MEM_WORDS, Op, Packet, PacketContext, SockFilter, Vlan};
use proptest::prelude::*;

/// What the context is for the machine.
enum Context<'a> {
    Packet(&'a Packet<'a>),
    Seccomp(SeccompData),
}

struct Machine<'a> {
    regs: [Option<u64>; 11],
    stack: [u8; 64],
    context: Context<'a>,
}

/// Stands for the address of the context; never computed with.
const CONTEXT: u64 = 0xc0_ffee_0000_0000;
const HELPER_EXTENSION: i32 = 1234;

impl Machine<'_> {
    fn get(&self, reg: u8) -> u64 {
        self.regs[usize::from(reg)].unwrap_or_else(|| panic!("r{reg} is read before it is written"))
    }

    fn field(&self, offset: i16) -> u32 {
        let packet = match &self.context {
            Context::Seccomp(data) => return data.word(offset as u32).unwrap(),
            Context::Packet(packet) => packet,
        };
        match offset {
            sk_buff::LEN => packet.len(),
            sk_buff::PKT_TYPE => packet.pkt_type.into(),
            sk_buff::MARK => packet.mark,
            sk_buff::QUEUE_MAPPING => packet.queue.into(),
            sk_buff::PROTOCOL => packet.protocol.to_be().into(),
            sk_buff::VLAN_PRESENT => packet.vlan.is_some().into(),
            sk_buff::VLAN_TCI => packet.vlan.map_or(0, |vlan| vlan.tci.into()),
            sk_buff::VLAN_PROTO => packet.vlan.map_or(0, |vlan| vlan.tpid.to_be().into()),
            sk_buff::IFINDEX => packet.ifindex.unwrap_or(0),
            sk_buff::HASH => packet.rxhash,
            _ => panic!("no such field: {offset}"),
        }
    }

    /// A classic load as the kernel means it; running one gives that meaning.
    fn packet_load(&self, code: u8, offset: u32) -> Option<u32> {
        let Context::Packet(packet) = &self.context else { panic!("no packet") };
        let offset = offset.cast_signed();
        let from = match offset {
            0.. => offset,
            _ if offset >= super::super::NET_OFFSET => {
                offset - super::super::NET_OFFSET + packet.network_offset()
            }
            _ if offset >= super::super::LINK_OFFSET => {
                offset - super::super::LINK_OFFSET + packet.link_offset()?
            }
            _ => return None,
        };
        let size = match code & 0x18 {
            0x00 => Size::W,
            0x08 => Size::H,
            _ => Size::B,
        };
        packet.read(from, size)
    }

    fn call(&mut self, helper: i32) -> u64 {
        let Context::Packet(packet) = &self.context else { panic!("no packet") };
        let value = match helper {
            HELPER_PRANDOM_U32 => packet.random.into(),
            HELPER_SMP_PROCESSOR_ID => packet.cpu.into(),
            HELPER_EXTENSION => {
                assert_eq!(self.get(1), CONTEXT);
                0xdead_0000_0000 | (self.get(2) ^ self.get(3))
            }
            _ => panic!("no such helper: {helper}"),
        };
        self.clobber();
        value
    }

    fn clobber(&mut self) {
        self.regs[..6].fill(None);
    }

    fn run(&mut self, program: &[RawInsn]) -> u32 {
        let mut pc = 0;
        loop {
            let RawInsn { code, dst, src, off, imm } = program[pc];
            pc += 1;
            let by = |this: &Self| if code & 8 != 0 { this.get(src) } else { i64::from(imm) as u64 };
            match code {
                0x95 => return self.get(0) as u32,
                0x85 => self.regs[0] = Some(self.call(imm)),
                0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50 => {
                    assert_eq!(self.get(6), CONTEXT);
                    let index = if code & 0x40 != 0 { self.get(src) as u32 } else { 0 };
                    let loaded = self.packet_load(code, index.wrapping_add(imm.cast_unsigned()));
                    self.clobber();
                    match loaded {
                        Some(value) => self.regs[0] = Some(value.into()),
                        None => return 0,
                    }
                }
                0x61 if src == FP => {
                    let at = usize::try_from(64 + i32::from(off)).unwrap();
                    let bytes = *self.stack[at..].first_chunk().unwrap();
                    self.regs[usize::from(dst)] = Some(u32::from_ne_bytes(bytes).into());
                }
                0x61 => {
                    assert_eq!(self.get(src), CONTEXT);
                    self.regs[usize::from(dst)] = Some(self.field(off).into());
                }
                0x63 => {
                    assert_eq!(dst, FP);
                    let at = usize::try_from(64 + i32::from(off)).unwrap();
                    let bytes = (self.get(src) as u32).to_ne_bytes();
                    self.stack[at..at + 4].copy_from_slice(&bytes);
                }
                0xdc => {
                    assert_eq!(imm, 16);
                    let value = self.get(dst) as u16;
                    self.regs[usize::from(dst)] = Some(u16::from_be(value).into());
                }
                _ if matches!(code & 7, 4 | 7) => {
                    let old = if code & 0xf0 == 0xb0 { 0 } else { self.get(dst) };
                    let value = alu(code, old, by(self));
                    let narrow = code & 7 == 4;
                    self.regs[usize::from(dst)] = Some(if narrow { value & 0xffff_ffff } else { value });
                }
                _ if code & 7 == 5 => {
                    let taken = code == 0x05 || jump(code, self.get(dst), by(self));
                    pc = if taken { pc + usize::try_from(off).unwrap() } else { pc };
                }
                _ => panic!("no conversion emits {code:#x}"),
            }
        }
    }
}

fn alu(code: u8, a: u64, b: u64) -> u64 {
    let narrow = code & 7 == 4;
    let (a32, b32) = (a as u32, b as u32);
    match code & 0xf0 {
        0x00 => a.wrapping_add(b),
        0x10 => a.wrapping_sub(b),
        0x20 => a.wrapping_mul(b),
        0x30 => (a32 / b32).into(),
        0x40 => a | b,
        0x50 => a & b,
        0x60 => a32.wrapping_shl(b32).into(),
        0x70 if narrow => a32.wrapping_shr(b32).into(),
        0x70 => a >> b,
        0x80 => a.wrapping_neg(),
        0x90 => (a32 % b32).into(),
        0xa0 => a ^ b,
        0xb0 => b,
        _ => panic!("no conversion emits {code:#x}"),
    }
}

fn jump(code: u8, a: u64, b: u64) -> bool {
    match code & 0xf0 {
        0x10 => a == b,
        0x50 => a != b,
        0x20 => a > b,
        0x30 => a >= b,
        0xa0 => a < b,
        0xb0 => a <= b,
        0x40 => a & b != 0,
        _ => panic!("no conversion emits {code:#x}"),
    }
}

fn run(program: &[RawInsn], context: Context<'_>) -> u32 {
    let mut regs = [None; 11];
    regs[1] = Some(CONTEXT);
    Machine { regs, stack: [0xa5; 64], context }.run(program)
}

/// Every instruction can be reached by jumps and by falling through, and the last one exits.
fn assert_shape(program: &[RawInsn]) {
    let mut reached = vec![false; program.len() + 1];
    reached[0] = true;
    for (at, insn) in program.iter().enumerate() {
        assert!(reached[at], "instruction {at} is unreachable");
        let target = at + 1 + usize::from(insn.off.cast_unsigned());
        match insn.code {
            0x95 => {}
            0x05 => reached[target] = true,
            0x85 => reached[at + 1] = true,
            code if code & 7 == 5 => (reached[at + 1], reached[target]) = (true, true),
            _ => reached[at + 1] = true,
        }
        if matches!(insn.code & 7, 4 | 5 | 7) && insn.code & 8 == 0 && insn.code != 0xdc {
            assert_eq!(insn.src, 0, "{insn:?}");
        }
    }
    assert!(!reached[program.len()], "the program falls off its end");
}

fn program(dialect: Dialect) -> impl Strategy<Value = Vec<SockFilter>> {
    let usable = move |op: &Op| if dialect == Dialect::Seccomp { op.in_seccomp() } else { op.in_socket() };
    let ops: Vec<Op> = Op::ALL.iter().copied().filter(usable).collect();
    let k = prop_oneof![
        4 => 0..48u32,
        2 => any::<u32>(),
        2 => (0..16u32).prop_map(|n| 0xffff_f000 + 4 * n),
        1 => 0xfff0_0000..0xfff0_0020u32,
        1 => 0xffe0_0000..0xffe0_0020u32,
    ];
    let row = (prop::sample::select(ops), 0..5u8, 0..5u8, k);
    prop::collection::vec(row, 1..24).prop_map(move |rows| {
        let len = rows.len();
        let mut written = 0u32;
        let mut legal = |(at, (op, jt, jf, k)): (usize, (Op, u8, u8, u32))| {
            let left = (len - at - 1) as u8;
            let inside = |skip: u8| skip % left.max(1);
            let stmt = |k| SockFilter::stmt(op.code(), k);
            match op {
                _ if left == 0 => SockFilter::stmt(Op::RetA.code(), 0),
                // The first rows write what later ones read; a jump over them is left to the check.
                Op::LdMem | Op::LdxMem if written >> (k % MEM_WORDS) & 1 == 0 => {
                    written |= 1 << (k % MEM_WORDS);
                    SockFilter::stmt(Op::Stx.code(), k % MEM_WORDS)
                }
                Op::LdMem | Op::LdxMem | Op::St | Op::Stx => stmt(k % MEM_WORDS),
                Op::LshK | Op::RshK => stmt(k % 32),
                Op::DivK | Op::ModK => stmt(k.max(1)),
                Op::Ja => stmt(inside(jt).into()),
                Op::LdAbsW if dialect == Dialect::Seccomp => stmt(k % 16 * 4),
                op => SockFilter::new(op.code(), inside(jt), inside(jf), k),
            }
        };
        rows.into_iter().enumerate().map(&mut legal).collect()
    })
}

fn packet(frame: &[u8], bits: u32) -> Packet<'_> {
    let data = frame.len().min(14);
    let mut packet = Packet::new(frame);
    packet.data = data;
    packet.link = (bits & 1 != 0).then_some(-(data as i32));
    packet.network = (bits >> 1 & 7) as i32 - 4;
    packet.wire_len = packet.len();
    packet.protocol = bits as u16;
    packet.pkt_type = (bits & 7) as u8;
    packet.ifindex = (bits & 16 != 0).then_some(1 + (bits >> 8));
    (packet.mark, packet.rxhash, packet.cpu, packet.random) = (bits, !bits, bits & 3, bits ^ 0x55);
    packet.queue = (bits >> 3) as u16;
    packet.vlan = (bits & 32 != 0).then_some(Vlan { tci: bits as u16, tpid: 0x8100 });
    packet
}

fn agree(program: &[SockFilter], dialect: Dialect, packet: &Packet<'_>) {
    let Ok(filter) = Filter::check(program, dialect) else { return };
    match convert(&filter, &Options::default()) {
        Ok(converted) => {
            assert_shape(&converted);
            assert_eq!(run(&converted, Context::Packet(packet)), filter.run(packet), "{converted:?}");
        }
        Err(error) => assert!(matches!(error.reason, Reason::NoSource(_)), "{error}"),
    }
}

proptest! {
    #[test]
    fn socket_filters_keep_their_meaning(
        program in program(Dialect::Socket),
        frame in prop::collection::vec(any::<u8>(), 0..70),
        bits in any::<u32>(),
    ) {
        agree(&program, Dialect::Socket, &packet(&frame, bits));
    }

    #[test]
    fn pcap_filters_keep_their_meaning(
        program in program(Dialect::Pcap),
        frame in prop::collection::vec(any::<u8>(), 0..70),
        bits in any::<u32>(),
    ) {
        agree(&program, Dialect::Pcap, &packet(&frame, bits));
    }

    #[test]
    fn seccomp_filters_keep_their_meaning(
        program in program(Dialect::Seccomp),
        nr in any::<i32>(),
        args in any::<[u64; 6]>(),
    ) {
        let data = SeccompData { nr, arch: 0xc000_003e, instruction_pointer: args[0] ^ args[1], args };
        if let Ok(filter) = Filter::check(&program, Dialect::Seccomp) {
            let converted = convert_seccomp(&filter).unwrap();
            assert_shape(&converted);
            prop_assert_eq!(Some(run(&converted, Context::Seccomp(data))), filter.run_seccomp(&data));
        }
    }
}

fn filter(program: &[SockFilter], dialect: Dialect) -> Filter {
    Filter::check(program, dialect).unwrap()
}

#[test]
fn values_without_a_source_need_an_extension() {
    let program = [
        SockFilter::stmt(0x00, 5),
        SockFilter::stmt(0x01, 6),
        SockFilter::stmt(0x20, Ancillary::PayOffset.offset()),
        SockFilter::stmt(0x16, 0),
    ];
    let filter = filter(&program, Dialect::Socket);
    let refused = convert(&filter, &Options::default()).unwrap_err();
    assert_eq!(refused, ConvertError { insn: 2, reason: Reason::NoSource(Ancillary::PayOffset) });
    let extension = |which| (which == Ancillary::PayOffset).then_some(HELPER_EXTENSION);
    let converted = convert(&filter, &Options { extension: Some(&extension) }).unwrap();
    assert_eq!(run(&converted, Context::Packet(&Packet::new(&[]))), 5 ^ 6);
}

#[test]
fn dialects_convert_their_own_way_only() {
    let program = [SockFilter::stmt(0x06, 1)];
    let seccomp = convert(&filter(&program, Dialect::Seccomp), &Options::default());
    assert_eq!(seccomp.unwrap_err().reason, Reason::Dialect(Dialect::Seccomp));
    let socket = convert_seccomp(&filter(&program, Dialect::Socket));
    assert_eq!(socket.unwrap_err().reason, Reason::Dialect(Dialect::Socket));
}

#[test]
fn backward_jumps_have_no_conversion() {
    let program =
        [SockFilter::stmt(0x07, 0), SockFilter::stmt(0x05, u32::MAX - 1), SockFilter::stmt(0x06, 1)];
    let refused = convert(&filter(&program, Dialect::Pcap), &Options::default()).unwrap_err();
    assert_eq!(refused, ConvertError { insn: 1, reason: Reason::BackwardJump });
}

/// The shapes of branches: one jump when one way falls through, two otherwise.
#[test]
fn branches_are_short() {
    let lengths = |code: u16, jt: u8, jf: u8, k: u32| {
        let ret = SockFilter::stmt(0x06, 1);
        let program = [SockFilter::new(code, jt, jf, k), ret, ret, ret];
        let all: Vec<_> = convert(&filter(&program, Dialect::Socket), &Options::default()).unwrap();
        let exits = all.iter().filter(|insn| insn.code == 0x95).count();
        all.len() - 3 - 2 * exits
    };
    assert_eq!((lengths(0x15, 1, 0, 5), lengths(0x15, 0, 1, 5), lengths(0x15, 1, 2, 5)), (1, 1, 2));
    assert_eq!((lengths(0x45, 1, 0, 5), lengths(0x45, 0, 1, 5)), (1, 2));
    assert_eq!((lengths(0x25, 0, 1, 1 << 31), lengths(0x2d, 0, 1, 1 << 31)), (2, 1));
}
