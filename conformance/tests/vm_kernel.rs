//! The interpreter against the running kernel: the same random programs by BPF_PROG_TEST_RUN and
//! here, R0 compared. Skipped, with the reason, where bpf(2) is not allowed.
//!
//! Programs are valid by construction: registers and stack are initialised, jumps go forward,
//! numbers never become addresses. `OXBPF_VM_PROGRAMS` sets how many (default 2,000), `OXBPF_VM_SEED`
//! the seed.
#![cfg(target_os = "linux")]

use oxbpf::isa::insn::ByteOrder;
use oxbpf::isa::insn::{
    AluOp, AtomicOp, Callee, Cond, EndianOp, Imm64, Insn, Operand, PacketBase, RawInsn, Reg, Size, Width,
    encode_all,
};
use oxbpf::isa::kernel::ProgType;
use oxbpf::isa::program::Program;
use oxbpf::vm::{Context, ContextLayout, Engine, Input, Linker, Packet, Vouched};

const PROG_LOAD: i32 = 5;
const TEST_RUN: i32 = 10;

fn bpf(command: i32, attr: &mut [u64]) -> Result<i32, i32> {
    let size = size_of_val(attr);
    // SAFETY: the attributes are `size` bytes long, and their pointers lead to buffers that live until
    // the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), size) };
    if result >= 0 { Ok(result as i32) } else { Err(std::io::Error::last_os_error().raw_os_error().unwrap()) }
}

/// Loads a tc program; its descriptor.
fn load(insns: &[RawInsn], log: &mut [u8]) -> Result<i32, i32> {
    let bytes: Vec<u8> = insns.iter().flat_map(|i| i.to_bytes(ByteOrder::default())).collect();
    let license = c"GPL";
    let mut attr = [0u64; 16];
    attr[0] = ProgType::SchedCls.number() as u64 | (insns.len() as u64) << 32;
    attr[1] = bytes.as_ptr() as u64;
    attr[2] = license.as_ptr() as u64;
    if !log.is_empty() {
        attr[3] = 1 | (log.len() as u64) << 32;
        attr[4] = log.as_mut_ptr() as u64;
    }
    bpf(PROG_LOAD, &mut attr)
}

/// Runs a program on a packet: R0, and the packet after.
fn test_run(fd: i32, packet: &[u8]) -> Result<(u32, Vec<u8>), i32> {
    let mut out = vec![0u8; packet.len() + 64];
    let mut attr = [0u64; 10];
    attr[0] = fd as u32 as u64;
    attr[1] = packet.len() as u64 | (out.len() as u64) << 32;
    attr[2] = packet.as_ptr() as u64;
    attr[3] = out.as_mut_ptr() as u64;
    bpf(TEST_RUN, &mut attr)?;
    out.truncate((attr[1] >> 32) as usize);
    Ok(((attr[0] >> 32) as u32, out))
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn imm(&mut self) -> i32 {
        match self.below(3) {
            0 => self.next() as i32,
            1 => self.pick(&[0, 1, -1, 2, 31, 32, 63, 255, 256, i32::MAX, i32::MIN]),
            _ => self.below(100) as i32,
        }
    }

    /// A register that holds a number: R0 to R5 and R7 to R9, as R6 is the context.
    fn reg(&mut self) -> Reg {
        self.pick(&[Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R7, Reg::R8, Reg::R9])
    }

    fn width(&mut self) -> Width {
        self.pick(&[Width::W64, Width::W32])
    }

    /// A slot of the stack that holds a number, for an access of this size.
    fn slot(&mut self, size: Size) -> i16 {
        -(8 * (1 + self.below(SLOTS)) as i16) + (self.below(8) as i16 & !(size.bytes() as i16 - 1))
    }

    fn alu(&mut self) -> Insn {
        let (op, width, dst) = (self.pick(AluOp::ALL), self.width(), self.reg());
        let src = match self.below(2) {
            0 => Operand::Reg(self.reg()),
            _ => match op {
                AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
                    Operand::Imm(self.below(width.bits() as usize) as i32)
                }
                AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod => Operand::Imm(match self.imm() {
                    0 => 1,
                    imm => imm,
                }),
                _ => Operand::Imm(self.imm()),
            },
        };
        Insn::Alu { op, width, dst, src }
    }

    fn one(&mut self) -> Insn {
        let (width, dst, src) = (self.width(), self.reg(), self.reg());
        let size = self.pick(&Size::ALL);
        match self.below(14) {
            0..5 => self.alu(),
            5 => Insn::Neg { width, dst },
            6 => Insn::Mov { width, dst, src: self.pick(&[Operand::Reg(src), Operand::Imm(-7)]) },
            7 => match (self.pick(&Size::ALL[..3]), width) {
                (Size::W, Width::W32) => Insn::MovSx { width, from: Size::H, dst, src },
                (from, _) => Insn::MovSx { width, from, dst, src },
            },
            8 => Insn::Endian { op: self.pick(EndianOp::ALL), size: self.pick(&Size::ALL[1..]), dst },
            9 => Insn::LdImm64 { dst, imm: Imm64::Const(self.next()) },
            10 => {
                let signed = size != Size::Dw && self.below(2) == 0;
                Insn::Load { size, signed, dst, base: Reg::R10, off: self.slot(size) }
            }
            11 => {
                let src = self.pick(&[Operand::Reg(src), Operand::Imm(-99)]);
                Insn::Store { size, base: Reg::R10, off: self.slot(size), src }
            }
            12 => {
                let (op, size) = (self.pick(AtomicOp::ALL), self.pick(&Size::ALL[2..]));
                let fetch = !op.allows_no_fetch() || self.below(2) == 0;
                Insn::Atomic { op, fetch, size, base: Reg::R10, off: self.slot(size), src }
            }
            _ => match self.below(2) {
                0 => Insn::LoadAcquire { size, dst, base: Reg::R10, off: self.slot(size) },
                _ => Insn::StoreRelease { size, base: Reg::R10, off: self.slot(size), src },
            },
        }
    }

    /// Sets every register but R6 and R10.
    fn fill(&mut self, insns: &mut Vec<Insn>, registers: &[Reg]) {
        for &dst in registers {
            insns.push(match self.below(3) {
                0 => Insn::LdImm64 { dst, imm: Imm64::Const(self.next()) },
                _ => Insn::Mov { width: Width::W64, dst, src: Operand::Imm(self.imm()) },
            });
        }
    }

    /// The address of a slot.
    fn frame(&mut self, insns: &mut Vec<Insn>, dst: Reg, bytes: i32) {
        insns.push(Insn::Mov { width: Width::W64, dst, src: Operand::Reg(Reg::R10) });
        insns.push(Insn::Alu { op: AluOp::Add, width: Width::W64, dst, src: Operand::Imm(-bytes) });
    }

    /// A call of a helper whose result depends on its arguments alone.
    fn helper(&mut self, insns: &mut Vec<Insn>) {
        let set = |dst, imm| Insn::Mov { width: Width::W64, dst, src: Operand::Imm(imm) };
        let id = self.pick(&[28, 28, 105, 106, 26, 9, 10, 11, 39]);
        let offset = self.below(70) as i32;
        match id {
            28 => {
                let (from, to) = (self.below(5) as i32 * 4, self.below(5) as i32 * 4);
                self.frame(insns, Reg::R1, 64);
                self.frame(insns, Reg::R3, 32);
                insns.extend([set(Reg::R2, from), set(Reg::R4, to), set(Reg::R5, self.imm())]);
            }
            105 | 106 => {
                // Digits, and what may stand around them.
                let text: Vec<u8> = (0..8).map(|_| self.pick(b"0123456789-x aF")).collect();
                let text = u64::from_le_bytes(text.try_into().unwrap());
                insns.push(Insn::LdImm64 { dst: Reg::R1, imm: Imm64::Const(text) });
                insns.push(Insn::Store {
                    size: Size::Dw,
                    base: Reg::R10,
                    off: -64,
                    src: Operand::Reg(Reg::R1),
                });
                self.frame(insns, Reg::R1, 64);
                let base = self.pick(&[0, 8, 10, 16, 2]);
                insns.extend([set(Reg::R2, 1 + self.below(8) as i32), set(Reg::R3, base)]);
                self.frame(insns, Reg::R4, 32);
            }
            26 => {
                insns.push(Insn::Mov { width: Width::W64, dst: Reg::R1, src: Operand::Reg(Reg::R6) });
                insns.push(set(Reg::R2, offset));
                self.frame(insns, Reg::R3, 64);
                insns.push(set(Reg::R4, 1 + self.below(16) as i32));
            }
            9 => {
                insns.push(Insn::Mov { width: Width::W64, dst: Reg::R1, src: Operand::Reg(Reg::R6) });
                insns.push(set(Reg::R2, offset));
                self.frame(insns, Reg::R3, 64);
                insns.extend([set(Reg::R4, 1 + self.below(16) as i32), set(Reg::R5, self.below(2) as i32)]);
            }
            39 => {
                insns.push(Insn::Mov { width: Width::W64, dst: Reg::R1, src: Operand::Reg(Reg::R6) });
                insns.push(set(Reg::R2, self.below(80) as i32));
            }
            _ => {
                insns.push(Insn::Mov { width: Width::W64, dst: Reg::R1, src: Operand::Reg(Reg::R6) });
                insns.push(set(Reg::R2, offset));
                let flags =
                    self.pick(&[0, 2, 4, 4, 3]) | if id == 11 { self.pick(&[0, 0, 0x20, 0x60]) } else { 0 };
                insns.extend([set(Reg::R3, self.pick(&[0, 77, 0x1234])), set(Reg::R4, self.imm())]);
                insns.push(set(Reg::R5, flags));
            }
        }
        insns.push(Insn::Call(Callee::Helper(id)));
        self.fill(insns, &[Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5]);
        // What a helper wrote counts.
        insns.push(Insn::Load { size: Size::Dw, signed: false, dst: Reg::R1, base: Reg::R10, off: -32 });
    }
}

/// Slots of the stack that hold numbers.
const SLOTS: usize = 10;

/// A program of blocks between which it jumps forward.
fn program(dice: &mut Dice) -> Vec<RawInsn> {
    let mut insns = vec![Insn::Mov { width: Width::W64, dst: Reg::R6, src: Operand::Reg(Reg::R1) }];
    let all = [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R7, Reg::R8, Reg::R9];
    dice.fill(&mut insns, &all);
    for slot in 1..=SLOTS {
        insns.push(Insn::Store {
            size: Size::Dw,
            base: Reg::R10,
            off: -8 * slot as i16,
            src: Operand::Imm(dice.imm()),
        });
    }
    for _ in 0..1 + dice.below(6) {
        let mut block = Vec::new();
        for _ in 0..1 + dice.below(6) {
            match dice.below(12) {
                0 => dice.helper(&mut block),
                1 => {
                    let size = dice.pick(&Size::ALL[..3]);
                    block.push(Insn::Packet { base: PacketBase::Abs, size, off: dice.below(66) as i32 });
                    dice.fill(&mut block, &all[1..6]);
                }
                _ => block.push(dice.one()),
            }
        }
        let slots: usize = block.iter().map(|i| i.slots()).sum();
        let (dst, width) = (dice.reg(), dice.width());
        let src = match dice.below(2) {
            0 => Operand::Reg(dice.reg()),
            _ => Operand::Imm(dice.imm()),
        };
        insns.push(Insn::Jump { cond: dice.pick(Cond::ALL), width, dst, src, off: slots as i16 });
        insns.extend(block);
    }
    // Fold everything into the 32 bits that come back.
    for src in [Reg::R7, Reg::R8, Reg::R9, Reg::R1, Reg::R2] {
        insns.push(Insn::Alu { op: AluOp::Xor, width: Width::W64, dst: Reg::R0, src: Operand::Reg(src) });
        insns.push(Insn::Alu {
            op: AluOp::Mul,
            width: Width::W64,
            dst: Reg::R0,
            src: Operand::Imm(0x0100_0193),
        });
    }
    for slot in 1..=SLOTS {
        insns.push(Insn::Load {
            size: Size::Dw,
            signed: false,
            dst: Reg::R1,
            base: Reg::R10,
            off: -8 * slot as i16,
        });
        insns.push(Insn::Alu { op: AluOp::Xor, width: Width::W64, dst: Reg::R0, src: Operand::Reg(Reg::R1) });
        insns.push(Insn::Alu {
            op: AluOp::Mul,
            width: Width::W64,
            dst: Reg::R0,
            src: Operand::Imm(0x0100_0193),
        });
    }
    insns.push(Insn::Mov { width: Width::W64, dst: Reg::R1, src: Operand::Reg(Reg::R0) });
    insns.push(Insn::Alu { op: AluOp::Rsh, width: Width::W64, dst: Reg::R1, src: Operand::Imm(32) });
    insns.push(Insn::Alu { op: AluOp::Xor, width: Width::W64, dst: Reg::R0, src: Operand::Reg(Reg::R1) });
    insns.push(Insn::Exit);
    encode_all(insns)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_programs_end_as_in_the_kernel() {
    let trivial = [RawInsn::new(0xb7, 0, 0, 0, 0), RawInsn::new(0x95, 0, 0, 0, 0)];
    match load(&trivial, &mut []) {
        // SAFETY: the descriptor is ours and is closed once.
        Ok(fd) => drop(unsafe { libc::close(fd) }),
        Err(errno) => return println!("skipped: bpf(2) does not load programs here, error {errno}"),
    }
    let mut dice = Dice(number("OXBPF_VM_SEED", 0x9e37_79b9));
    let bytes: Vec<u8> = (0..64u8).map(|b| b.wrapping_mul(37)).collect();
    let (mut same, mut refused) = (0, 0);
    let engine = Engine::default();
    for turn in 0..number("OXBPF_VM_PROGRAMS", 2000) {
        let insns = program(&mut dice);
        let Ok(fd) = load(&insns, &mut []) else {
            refused += 1;
            if std::env::var_os("OXBPF_VM_LOG").is_some() && refused < 4 {
                let mut log = vec![0; 1 << 16];
                let _ = load(&insns, &mut log);
                println!("{}", String::from_utf8_lossy(&log).trim_end_matches('\0'));
            }
            continue;
        };
        let kernel = test_run(fd, &bytes);
        // SAFETY: the descriptor is ours and is closed once.
        unsafe { libc::close(fd) };
        let (kernel_ret, kernel_packet) = kernel.expect("a loaded program runs");
        let program =
            Program { prog_type: Some(ProgType::SchedCls), ..Program::from_insns("random", insns.clone()) };
        let mut linker: Linker<()> = Linker::new(&engine);
        let checked = linker.instantiate(&program).expect("what the kernel loads is well-formed");
        // SAFETY: the kernel's verifier has proven the program, which never reads its context.
        let vouched = unsafe { Vouched::with_context(&program, ContextLayout::sk_buff(), Vec::new()) };
        let proven = linker.instantiate_vouched(&vouched).expect("likewise");
        for instance in [&checked, &proven] {
            let mut packet = Packet::new(&bytes);
            let mut context = Context::new(ContextLayout::sk_buff());
            let ours = instance.run(&mut (), Input::context(&mut context).packet(&mut packet));
            let ret = ours.as_ref().map(|o| o.ret as u32).map_err(|t| t.to_string());
            if ret != Ok(kernel_ret) || packet.bytes() != kernel_packet {
                for (slot, insn) in oxbpf::isa::insn::Insn::decode_all(&insns) {
                    println!("{slot}: {insn:?}");
                }
                panic!(
                    "program {turn}, proven {}: {ret:x?}, the kernel gives {kernel_ret:x}\n{:x?}\n{kernel_packet:x?}",
                    instance.is_proven(),
                    packet.bytes()
                );
            }
        }
        same += 1;
    }
    println!("{same} programs end alike, {refused} not loaded");
    assert!(same > refused * 9, "most programs load: {same} did, {refused} did not");
}
