//! The interpreter: runs the steps of lowered programs.
//!
//! Arithmetic, conditions and atomics mean what the operation table of `isa` says. What is decided
//! here: a call changes R0 and nothing else of its caller's registers (the kernel leaves R1 to R5
//! unspecified, and no verified program can tell); a program starts with zeros in every register
//! that is no argument; `may_goto` goes on 8 Mi times in a frame, as the counter of Linux 6.12
//! does; a packet load outside the packet leaves the current function with R0 = 0, as Linux's
//! rewritten code does. The budget and the host's wish to cancel are looked at where control goes
//! backwards and at calls, so a run may overstep its budget by one straight stretch of code.
//!
//! Each step has a function, which ends by calling that of the next: [`exec`] begins such chains and goes
//! on when they end. Which function a step has depends on how accesses are held ([`Access`]).

mod control;
mod memory;
mod table;
mod value;

use super::MAX_FRAMES;
use super::memory::{Access, Checked, Proven};
use super::run::{Linked, Run};
use super::steps::{Head, Pc, QUOTA};
use super::trap::{Trap, TrapKind};
use std::mem::MaybeUninit;
use std::ptr;

/// How often `may_goto` goes on in one frame (Linux `BPF_MAX_LOOPS`).
const MAY_GOTO: u32 = 8 << 20;

/// The registers of a frame, and where it goes back to.
#[repr(C)]
pub(crate) struct Window {
    /// R0 to R10.
    regs: [u64; 11],
    /// The step after the call; null in the frame that a chain began with.
    back: Pc,
    prog: *const Linked,
    /// The number of the operation after the call.
    after: u32,
    may_goto: u32,
}

/// The window of the innermost frame.
type Regs = *mut Window;

/// What runs a step: where it is, the registers, the run, and its credit. It gives where the run is when
/// its chain ends, with the low bits telling why; null when the function has ended.
type Handler = fn(Pc, Regs, &mut Run<'_>, i64) -> Pc;

/// The chain ended before a step that is looked at again: a call.
const AGAIN: usize = 2;
/// The chain ended where the budget does not count: going forward.
const FORWARD: usize = 1;

/// Goes on with the step here.
///
/// # Safety
/// A step of the running program begins at `pc`, and `r` is the window of the innermost frame.
#[inline(always)]
unsafe fn next<A: Access>(pc: Pc, r: Regs, run: &mut Run<'_>, c: i64) -> Pc {
    // SAFETY: steps begin with a code that the table has.
    let handler = unsafe { table::Table::<A>::HANDLERS.get_unchecked((*pc.cast::<Head>()).code as usize) };
    handler(pc, r, run, c)
}

/// A register by number.
///
/// # Safety
/// `r` is a live window, and the number, which comes from a step, below 11.
#[inline(always)]
unsafe fn get(r: Regs, number: u8) -> u64 {
    // SAFETY: by the contract.
    unsafe { *(&raw const (*r).regs).cast::<u64>().add(number as usize) }
}

/// The same to be written.
///
/// # Safety
/// As for [`get`].
#[inline(always)]
unsafe fn set(r: Regs, number: u8, value: u64) {
    // SAFETY: by the contract.
    unsafe { *(&raw mut (*r).regs).cast::<u64>().add(number as usize) = value }
}

/// Ends the chain at `to` because the credit at `pc` was spent.
#[cold]
#[inline(never)]
fn spent(run: &mut Run<'_>, pc: Pc, c: i64, to: Pc, why: usize) -> Pc {
    let origin = run.steps().origin(pc);
    // A step that is looked at again has not been counted.
    let counted = if why == AGAIN { origin.first } else { origin.end() };
    run.bank += c - counted as i64;
    run.spent_at = origin.end().saturating_sub(1);
    to.map_addr(|addr| addr | why)
}

/// Ends the function with a trap in the step here.
#[cold]
#[inline(never)]
fn trapped(run: &mut Run<'_>, pc: Pc, c: i64, trap: Trap) -> Pc {
    let origin = run.steps().origin(pc);
    run.fuel = run.bank + c - origin.end() as i64;
    let prog = run.prog();
    let slot = prog.code.slot_of(origin.trap() as usize).unwrap_or(0);
    let trap = trap.at(&prog.name, slot);
    run.ended = Some(trap);
    ptr::null()
}

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
}

/// Runs a function of the current program in the innermost frame.
fn exec<A: Access>(run: &mut Run<'_>, entry: u32, args: [u64; 5], inherited: [u64; 5]) -> Result<u64, Trap> {
    let base = run.depth;
    let mut windows = [const { MaybeUninit::<Window>::uninit() }; MAX_FRAMES];
    let outermost: Regs = windows.as_mut_ptr().cast();
    let [r1, r2, r3, r4, r5] = args;
    let [r0, r6, r7, r8, r9] = inherited;
    let window = Window {
        regs: [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, run.memory.enter(base)],
        back: ptr::null(),
        prog: ptr::null(),
        after: 0,
        may_goto: MAY_GOTO,
    };
    // SAFETY: the array has room for a window.
    unsafe { outermost.write(window) };
    let outer = std::mem::replace(&mut run.bank, run.fuel);
    let mut pc = run.steps().place(entry);
    let mut first = entry;
    loop {
        let quota = run.bank.min(QUOTA);
        run.bank -= quota;
        // SAFETY: functions begin with a step of the current program, and chains end before one. There are
        // as many windows as there may be frames, and those up to the innermost are in use.
        pc = unsafe { next::<A>(pc, outermost.add(run.depth - base), run, first as i64 + quota) };
        if pc.is_null() {
            break;
        }
        let why = pc.addr() & 7;
        pc = pc.map_addr(|addr| addr & !7);
        // A step that is looked at again counts once more.
        let least = (why == AGAIN) as i64;
        if why != FORWARD && run.bank <= least {
            match run.refuel(run.bank - least) {
                Ok(fuel) => run.bank = fuel + least,
                Err(trap) => {
                    run.fuel = run.bank;
                    let prog = run.prog();
                    let slot = prog.code.slot_of(run.spent_at as usize).unwrap_or(0);
                    run.ended = Some(trap.at(&prog.name, slot));
                    break;
                }
            }
        }
        first = run.steps().origin(pc).first;
    }
    run.bank = outer;
    match run.ended.take() {
        Some(trap) => Err(trap),
        // SAFETY: written above.
        None => Ok(unsafe { (*outermost).regs[0] }),
    }
}
