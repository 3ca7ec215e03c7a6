//! The interpreter: runs lowered programs.
//!
//! Arithmetic, conditions and atomics mean what the operation table of `isa` says. What is decided
//! here: a call changes R0 and nothing else of its caller's registers (the kernel leaves R1 to R5
//! unspecified, and no verified program can tell); a program starts with zeros in every register
//! that is no argument; `may_goto` goes on 8 Mi times in a frame, as the counter of Linux 6.12
//! does; a packet load outside the packet leaves the current function with R0 = 0, as Linux's
//! rewritten code does. The budget and the host's wish to cancel are looked at where control goes
//! backwards and at calls, so a run may overstep its budget by one straight stretch of code.

use super::MAX_FRAMES;
use super::lower::atomic_of;
use super::memory::{Access, Checked, Proven};
use super::op::{Code, Op, for_each_form};
use super::run::{Linked, MAX_TAIL_CALLS, Run, Saved};
use super::trap::{Trap, TrapKind};
use oxbpf_isa::insn::{AluOp, AtomicOp, Cond};
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// How often `may_goto` goes on in one frame (Linux `BPF_MAX_LOOPS`).
const MAY_GOTO: u32 = 8 << 20;

impl Run<'_> {
    /// Runs a function of the current program in the innermost frame.
    pub(crate) fn exec(&mut self, entry: u32, args: [u64; 5]) -> Result<u64, Trap> {
        #[cfg(feature = "jit")]
        if let Some(result) = self.exec_compiled(entry, args) {
            return result;
        }
        self.interpret(entry, args, [0; 5])
    }

    /// The same by the interpreter. `inherited` are R0 and R6 to R9.
    pub(crate) fn interpret(&mut self, entry: u32, args: [u64; 5], inherited: [u64; 5]) -> Result<u64, Trap> {
        match self.prog().proven {
            true => exec::<Proven>(self, entry, args, inherited),
            false => exec::<Checked>(self, entry, args, inherited),
        }
    }

    /// Runs a function of the current program in a new frame: a callback.
    pub(crate) fn call_function(&mut self, address: u64, args: [u64; 5]) -> Result<u64, Trap> {
        let entry = self.prog().code.function(address).ok_or(TrapKind::NotAFunction { target: address })?;
        if self.depth + 1 == MAX_FRAMES {
            return Err(TrapKind::CallDepth.into());
        }
        if self.fuel <= 0 {
            self.fuel = self.refuel(self.fuel)?;
        }
        let prog = self.prog_ptr();
        self.depth += 1;
        let result = self.exec(entry, args);
        self.depth -= 1;
        self.set_prog(prog);
        self.memory.enter(self.depth);
        result
    }

    /// Calls what compiled code has the address of in a register: a function of the program, or a helper
    /// by its number.
    #[cfg(feature = "jit")]
    pub(crate) fn call_through_register(
        &mut self,
        target: u64,
        args: [u64; 5],
        inherited: [u64; 5],
    ) -> Result<oxbpf_jit::abi::Returned, Trap> {
        let Some(entry) = self.prog().code.function(target) else {
            let index = i32::try_from(target).ok().and_then(|id| self.prog().table.helper(id));
            let index = index.ok_or(TrapKind::NotAFunction { target })?;
            return self.call_helper(index as usize, args).map(oxbpf_jit::abi::Returned::value);
        };
        if self.depth + 1 == MAX_FRAMES {
            return Err(TrapKind::CallDepth.into());
        }
        let prog = self.prog_ptr();
        self.depth += 1;
        let result = self.interpret(entry, args, inherited);
        self.depth -= 1;
        self.set_prog(prog);
        result.map(oxbpf_jit::abi::Returned::value)
    }

    /// Gives a trap the place of the operation before `pc`.
    #[cold]
    #[inline(never)]
    fn locate(&self, pc: *const Op, trap: Trap) -> Trap {
        let prog = self.prog();
        let at = (pc as usize).wrapping_sub(prog.code.ops.as_ptr() as usize) / size_of::<Op>();
        let slot = prog.code.slot_of(at.wrapping_sub(1)).unwrap_or(0);
        trap.at(&prog.name, slot)
    }
}

fn exec<A: Access>(run: &mut Run<'_>, entry: u32, args: [u64; 5], inherited: [u64; 5]) -> Result<u64, Trap> {
    let base = run.depth;
    let mut r = [0u64; 11];
    r[0] = inherited[0];
    r[1..6].copy_from_slice(&args);
    r[6..10].copy_from_slice(&inherited[1..]);
    r[10] = run.memory.enter(base);
    // SAFETY: entries are operations of the current program.
    let mut pc: *const Op = unsafe { run.prog().code.ops.as_ptr().add(entry as usize) };
    // Where the current straight stretch of code began, for counting.
    let mut stretch = pc;
    let mut fuel = run.fuel;
    let mut may_goto = MAY_GOTO;

    /// Unwraps a result, or leaves with the trap placed here.
    macro_rules! tri {
        ($e:expr) => {
            match $e {
                Ok(value) => value,
                Err(trap) => {
                    run.fuel = fuel - count!();
                    return Err(run.locate(pc, Trap::from(trap)));
                }
            }
        };
    }
    /// Operations since the stretch began.
    macro_rules! count {
        () => {
            // SAFETY: both point into the operations of the current program.
            unsafe { pc.offset_from(stretch) as i64 }
        };
    }
    /// Goes so many operations on from the next.
    macro_rules! go {
        ($distance:expr) => {{
            let distance = $distance;
            fuel -= count!();
            // SAFETY: lowering has held every distance against the program.
            pc = unsafe { pc.offset(distance as isize) };
            stretch = pc;
            if distance < 0 && fuel <= 0 {
                fuel = tri!(run.refuel(fuel));
            }
        }};
    }
    /// Enters the function at an operation of the current program.
    macro_rules! call {
        ($target:expr) => {{
            let target: *const Op = $target;
            fuel -= count!();
            stretch = pc;
            if run.depth + 1 == MAX_FRAMES {
                tri!(Err(TrapKind::CallDepth));
            }
            if fuel <= 0 {
                fuel = tri!(run.refuel(fuel));
            }
            let prog = run.prog_ptr();
            run.saved[run.depth] = Saved {
                regs: [r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10]],
                pc,
                prog,
                may_goto,
            };
            run.depth += 1;
            r[10] = run.memory.enter(run.depth);
            may_goto = MAY_GOTO;
            (pc, stretch) = (target, target);
        }};
    }
    /// Leaves the current function.
    macro_rules! ret {
        () => {{
            fuel -= count!();
            if run.depth == base {
                run.fuel = fuel;
                return Ok(r[0]);
            }
            run.depth -= 1;
            let saved = &run.saved[run.depth];
            r[1..11].copy_from_slice(&saved.regs);
            (pc, stretch, may_goto) = (saved.pc, saved.pc, saved.may_goto);
            let prog = saved.prog;
            run.set_prog(prog);
            run.memory.enter(run.depth);
        }};
    }
    /// Calls a function of the linked table.
    macro_rules! helper {
        ($index:expr) => {{
            let index: usize = $index;
            fuel -= count!();
            stretch = pc;
            if fuel <= 0 {
                fuel = tri!(run.refuel(fuel));
            }
            run.fuel = fuel;
            let result = run.call_helper(index, [r[1], r[2], r[3], r[4], r[5]]);
            fuel = run.fuel;
            r[0] = tri!(result);
        }};
    }

    loop {
        // SAFETY: lowering has seen to it that control never runs past the last operation.
        let op = unsafe { &*pc };
        // SAFETY: as above; one past the end is at most compared, never read.
        pc = unsafe { pc.add(1) };
        /// A register by number.
        macro_rules! r {
            ($n:ident) => {
                // SAFETY: lowering gives register fields below 11.
                *unsafe { r.get_unchecked_mut(op.$n as usize) }
            };
        }
        macro_rules! addr {
            ($n:ident) => {
                r!($n).wrapping_add(op.off as i64 as u64)
            };
        }
        macro_rules! load {
            ($w:ty, $as:expr) => {{
                let value = tri!(run.load::<A, $w>(addr!(src)));
                r!(dst) = $as(value);
            }};
        }
        macro_rules! store {
            ($w:ty, $value:expr) => {
                tri!(run.store::<A, $w>(addr!(dst), $value))
            };
        }
        // Lowering uses the frame forms only for offsets that lie in the frame whole.
        macro_rules! load_frame {
            ($w:ty, $as:expr) => {{
                let addr = r[10].wrapping_add(op.off as i64 as u64);
                // SAFETY: the access lies in the live frame that R10 points to.
                r!(dst) = $as(unsafe { super::memory::read::<$w>(addr) });
            }};
        }
        macro_rules! store_frame {
            ($w:ty, $value:expr) => {{
                let (addr, value) = (r[10].wrapping_add(op.off as i64 as u64), $value);
                // SAFETY: the access lies in the live frame that R10 points to.
                unsafe { super::memory::write::<$w>(addr, value) };
            }};
        }
        let zx = |v: u64| v;
        let s8 = |v: u64| v as u8 as i8 as u64;
        let s16 = |v: u64| v as u16 as i16 as u64;
        let s32 = |v: u64| v as u32 as i32 as u64;

        macro_rules! dispatch {
            (alu { $($alu:ident: $a64r:ident, $a64i:ident, $a32r:ident, $a32i:ident;)+ }
             jump { $($cond:ident: $j64r:ident, $j64i:ident, $j32r:ident, $j32i:ident;)+ }) => {
                match op.code {
                    $(Code::$a64r => r!(dst) = AluOp::$alu.eval64(r!(dst), r!(src)),
                      Code::$a64i => r!(dst) = AluOp::$alu.eval64(r!(dst), op.imm as u64),
                      Code::$a32r => r!(dst) = AluOp::$alu.eval32(r!(dst) as u32, r!(src) as u32) as u64,
                      Code::$a32i => r!(dst) = AluOp::$alu.eval32(r!(dst) as u32, op.imm as u32) as u64,)+
                    $(Code::$j64r => if Cond::$cond.eval64(r!(dst), r!(src)) { go!(op.off) },
                      Code::$j64i => if Cond::$cond.eval64(r!(dst), op.imm as u64) { go!(op.off) },
                      Code::$j32r => if Cond::$cond.eval32(r!(dst) as u32, r!(src) as u32) { go!(op.off) },
                      Code::$j32i => if Cond::$cond.eval32(r!(dst) as u32, op.imm as u32) { go!(op.off) },)+
                    Code::Neg64 => r!(dst) = r!(dst).wrapping_neg(),
                    Code::Neg32 => r!(dst) = (r!(dst) as u32).wrapping_neg() as u64,
                    Code::Mov64R => r!(dst) = r!(src),
                    Code::Mov32R => r!(dst) = r!(src) as u32 as u64,
                    Code::MovI | Code::Addr => r!(dst) = op.imm as u64,
                    Code::Movsx64B => r!(dst) = s8(r!(src)),
                    Code::Movsx64H => r!(dst) = s16(r!(src)),
                    Code::Movsx64W => r!(dst) = s32(r!(src)),
                    Code::Movsx32B => r!(dst) = s8(r!(src)) as u32 as u64,
                    Code::Movsx32H => r!(dst) = s16(r!(src)) as u32 as u64,
                    Code::Trunc16 => r!(dst) = r!(dst) as u16 as u64,
                    Code::Trunc32 => r!(dst) = r!(dst) as u32 as u64,
                    Code::Swap16 => r!(dst) = (r!(dst) as u16).swap_bytes() as u64,
                    Code::Swap32 => r!(dst) = (r!(dst) as u32).swap_bytes() as u64,
                    Code::Swap64 => r!(dst) = r!(dst).swap_bytes(),
                    Code::Nop => {}
                    Code::Ld8 => load!(u8, zx),
                    Code::Ld16 => load!(u16, zx),
                    Code::Ld32 => load!(u32, zx),
                    Code::Ld64 => load!(u64, zx),
                    Code::LdS8 => load!(u8, s8),
                    Code::LdS16 => load!(u16, s16),
                    Code::LdS32 => load!(u32, s32),
                    Code::St8R => store!(u8, r!(src)),
                    Code::St16R => store!(u16, r!(src)),
                    Code::St32R => store!(u32, r!(src)),
                    Code::St64R => store!(u64, r!(src)),
                    Code::St8I => store!(u8, op.imm as u64),
                    Code::St16I => store!(u16, op.imm as u64),
                    Code::St32I => store!(u32, op.imm as u64),
                    Code::St64I => store!(u64, op.imm as u64),
                    Code::LdF8 => load_frame!(u8, zx),
                    Code::LdF16 => load_frame!(u16, zx),
                    Code::LdF32 => load_frame!(u32, zx),
                    Code::LdF64 => load_frame!(u64, zx),
                    Code::LdFS8 => load_frame!(u8, s8),
                    Code::LdFS16 => load_frame!(u16, s16),
                    Code::LdFS32 => load_frame!(u32, s32),
                    Code::StF8R => store_frame!(u8, r!(src)),
                    Code::StF16R => store_frame!(u16, r!(src)),
                    Code::StF32R => store_frame!(u32, r!(src)),
                    Code::StF64R => store_frame!(u64, r!(src)),
                    Code::StF8I => store_frame!(u8, op.imm as u64),
                    Code::StF16I => store_frame!(u16, op.imm as u64),
                    Code::StF32I => store_frame!(u32, op.imm as u64),
                    Code::StF64I => store_frame!(u64, op.imm as u64),
                    Code::LdAcq => {
                        let value = tri!(load_acquire::<A>(run, addr!(src), op.aux));
                        r!(dst) = value;
                    }
                    Code::StRel => tri!(store_release::<A>(run, addr!(dst), op.aux, r!(src))),
                    Code::Atomic => {
                        let old = tri!(atomic::<A>(run, op.aux, addr!(dst), r!(src), r[0]));
                        match atomic_of(op.aux) {
                            (AtomicOp::Cmpxchg, ..) => r[0] = old,
                            (_, true, _) => r!(src) = old,
                            _ => {}
                        }
                    }
                    Code::PktAbs | Code::PktInd => {
                        let index = if op.code == Code::PktInd { r!(src) as u32 as i32 } else { 0 };
                        match run.packet_load(index.wrapping_add(op.off), 1 << (op.aux & 3)) {
                            Some(value) => r[0] = value,
                            None => {
                                r[0] = 0;
                                ret!();
                            }
                        }
                    }
                    Code::Ja => go!(op.off),
                    Code::MayGoto => match may_goto {
                        0 => go!(op.off),
                        _ => may_goto -= 1,
                    },
                    // SAFETY: lowering has held the distance against the program.
                    Code::CallSub => call!(unsafe { pc.offset(op.off as isize) }),
                    Code::CallHelper => helper!(op.imm as usize),
                    Code::CallReg => {
                        let target = r!(src);
                        let prog = run.prog();
                        if let Some(entry) = prog.code.function(target) {
                            // SAFETY: entries are operations of the current program.
                            call!(unsafe { prog.code.ops.as_ptr().add(entry as usize) });
                        } else {
                            let index = i32::try_from(target).ok().and_then(|id| prog.table.helper(id));
                            helper!(tri!(index.ok_or(TrapKind::NotAFunction { target })) as usize);
                        }
                    }
                    Code::TailCall => {
                        fuel -= count!();
                        stretch = pc;
                        if fuel <= 0 {
                            fuel = tri!(run.refuel(fuel));
                        }
                        let target = tri!(run.tail_target(r[1], r[2], r[3] as u32));
                        if let Some(target) = target.filter(|_| run.tail_calls < MAX_TAIL_CALLS) {
                            run.tail_calls += 1;
                            run.fuel = fuel;
                            let target: *const Linked = run.keep(target);
                            run.set_prog(target);
                            let prog = run.prog();
                            if prog.proven == A::PROVEN && !prog.is_compiled() {
                                let fp = r[10];
                                r = [0, r[1], 0, 0, 0, 0, 0, 0, 0, 0, fp];
                                pc = prog.code.ops.as_ptr();
                                stretch = pc;
                                may_goto = MAY_GOTO;
                            } else {
                                let result = run.exec(0, [r[1], 0, 0, 0, 0]);
                                fuel = run.fuel;
                                r[0] = result?;
                                ret!();
                            }
                        }
                    }
                    Code::Trap => tri!(Err(match op.aux {
                        0 => TrapKind::UnknownHelper { id: op.imm as i32 },
                        _ => TrapKind::UnknownKfunc { id: op.imm as i32 },
                    })),
                    Code::Exit => ret!(),
                }
            };
        }
        for_each_form!(dispatch);
    }
}

fn load_acquire<A: Access>(run: &mut Run<'_>, addr: u64, size: u8) -> Result<u64, Trap> {
    run.hold_atomic::<A>(addr, 1 << size, false)?;
    let at = addr as usize;
    // SAFETY: the access is aligned and was found inside a live region.
    Ok(unsafe {
        match size {
            0 => AtomicU8::from_ptr(ptr::with_exposed_provenance_mut(at)).load(Ordering::Acquire) as u64,
            1 => AtomicU16::from_ptr(ptr::with_exposed_provenance_mut(at)).load(Ordering::Acquire) as u64,
            2 => AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(at)).load(Ordering::Acquire) as u64,
            _ => AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(at)).load(Ordering::Acquire),
        }
    })
}

fn store_release<A: Access>(run: &mut Run<'_>, addr: u64, size: u8, v: u64) -> Result<(), Trap> {
    run.hold_atomic::<A>(addr, 1 << size, true)?;
    let at = addr as usize;
    // SAFETY: the access is aligned and was found inside a live region that may be written.
    unsafe {
        match size {
            0 => AtomicU8::from_ptr(ptr::with_exposed_provenance_mut(at)).store(v as u8, Ordering::Release),
            1 => AtomicU16::from_ptr(ptr::with_exposed_provenance_mut(at)).store(v as u16, Ordering::Release),
            2 => AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(at)).store(v as u32, Ordering::Release),
            _ => AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(at)).store(v, Ordering::Release),
        }
    }
    Ok(())
}

/// Does an atomic operation and gives the old content.
///
/// Every form is sequentially consistent: more than the kernel promises of those that do not fetch.
fn atomic<A: Access>(run: &mut Run<'_>, aux: u8, addr: u64, src: u64, cmp: u64) -> Result<u64, Trap> {
    use Ordering::SeqCst;
    let (op, _, wide) = atomic_of(aux);
    run.hold_atomic::<A>(addr, if wide { 8 } else { 4 }, true)?;
    macro_rules! apply {
        ($t:ty, $atomic:ty) => {{
            // SAFETY: the access is aligned and was found inside a live region that may be written.
            let cell = unsafe { <$atomic>::from_ptr(ptr::with_exposed_provenance_mut(addr as usize)) };
            let src = src as $t;
            match op {
                AtomicOp::Add => cell.fetch_add(src, SeqCst) as u64,
                AtomicOp::Or => cell.fetch_or(src, SeqCst) as u64,
                AtomicOp::And => cell.fetch_and(src, SeqCst) as u64,
                AtomicOp::Xor => cell.fetch_xor(src, SeqCst) as u64,
                AtomicOp::Xchg => cell.swap(src, SeqCst) as u64,
                AtomicOp::Cmpxchg => match cell.compare_exchange(cmp as $t, src, SeqCst, SeqCst) {
                    Ok(old) | Err(old) => old as u64,
                },
            }
        }};
    }
    Ok(match wide {
        true => apply!(u64, AtomicU64),
        false => apply!(u32, AtomicU32),
    })
}
