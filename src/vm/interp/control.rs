//! Steps that go elsewhere: jumps, calls, returns.

use super::{AGAIN, FORWARD, MAY_GOTO, Regs, get, next, set, spent, trapped};
use crate::vm::MAX_FRAMES;
use crate::vm::helpers;
use crate::vm::linker::Own;
use crate::vm::memory::Access;
use crate::vm::quick::Quick;
use crate::vm::run::{Linked, Run};
use crate::vm::steps::{After, Head, Limit, Pc, Target};
use crate::vm::tails::Aim;
use crate::vm::trap::{Trap, TrapKind};
use oxbpf_isa::insn::Cond;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Goes where a step says, or ends the chain there.
///
/// # Safety
/// `pc` is a step with a target in its second word, and `r` the window of the innermost frame.
#[inline(always)]
unsafe fn go<A: Access>(pc: Pc, r: Regs, run: &mut Run<'_>, c: i64, limit: i32) -> Pc {
    // SAFETY: by the contract, and targets of steps are steps.
    unsafe {
        let target = *pc.add(1).cast::<Target>();
        let to = pc.offset(target.words as isize);
        if c <= limit as i64 {
            return spent(run, pc, c, to, if target.ops < 0 { 0 } else { FORWARD });
        }
        next::<A>(to, r, run, c + target.ops as i64)
    }
}

#[inline(always)]
fn holds<const COND: usize, const NARROW: bool>(a: u64, b: u64) -> bool {
    let cond = const { Cond::ALL[COND] };
    match NARROW {
        false => cond.eval64(a, b),
        true => cond.eval32(a as u32, b as u32),
    }
}

macro_rules! steps {
    ($($(#[$doc:meta])* fn $name:ident[$($generic:tt)*] |$pc:ident, $s:ident, $r:ident, $run:ident, $c:ident| $body:block)+) => {
        $($(#[$doc])*
        pub(super) fn $name<A: Access, $($generic)*>($pc: Pc, $r: Regs, $run: &mut Run<'_>, $c: i64) -> Pc {
            // SAFETY: a step of this form begins here, in the running program, with others after it and where
            // it goes, and `r` is the window of the innermost frame.
            unsafe {
                let $s = *$pc.cast::<Head>();
                $body
            }
        })+
    };
}
steps! {
    fn jump_reg[const COND: usize, const NARROW: bool] |pc, s, r, run, c| {
        match holds::<COND, NARROW>(get(r, s.a), get(r, s.b)) {
            true => go::<A>(pc, r, run, c, s.imm),
            false => next::<A>(pc.add(2), r, run, c),
        }
    }
    fn jump_imm[const COND: usize, const NARROW: bool] |pc, s, r, run, c| {
        match holds::<COND, NARROW>(get(r, s.a), s.imm as i64 as u64) {
            true => go::<A>(pc, r, run, c, (*pc.add(2).cast::<Limit>()).limit),
            false => next::<A>(pc.add(3), r, run, c),
        }
    }
    fn add_jump[const COND: usize, const NARROW: bool, const IMM: bool] |pc, s, r, run, c| {
        let more = *pc.add(2).cast::<Limit>();
        set(r, s.a, get(r, s.a).wrapping_add(s.imm as i64 as u64));
        let other = if IMM { more.operand as i64 as u64 } else { get(r, more.operand as u8) };
        match holds::<COND, NARROW>(get(r, s.b), other) {
            true => go::<A>(pc, r, run, c, more.limit),
            false => next::<A>(pc.add(3), r, run, c),
        }
    }
    fn goto[] |pc, s, r, run, c| {
        go::<A>(pc, r, run, c, s.imm)
    }
    fn may_goto[] |pc, s, r, run, c| {
        match (*r).may_goto {
            0 => go::<A>(pc, r, run, c, s.imm),
            _ => {
                (*r).may_goto -= 1;
                next::<A>(pc.add(2), r, run, c)
            }
        }
    }
    fn breathe[] |pc, s, r, run, c| {
        let _ = (s, r);
        spent(run, pc, c, pc.add(1), FORWARD)
    }
    fn observe[] |pc, s, r, run, c| {
        let regs = (*r).regs;
        run.observe(s.imm as u32, &regs);
        next::<A>(pc.add(1), r, run, c)
    }
    fn trap[] |pc, s, r, run, c| {
        let _ = r;
        let kind = match (*pc.add(1).cast::<After>()).what {
            0 => TrapKind::UnknownHelper { id: s.imm },
            _ => TrapKind::UnknownKfunc { id: s.imm },
        };
        trapped(run, pc, c, kind.into())
    }
    fn exit[] |pc, s, r, run, c| {
        let _ = s;
        leave::<A>(pc, r, run, c)
    }
    fn call_sub[] |pc, s, r, run, c| {
        let _ = s;
        let target = *pc.add(1).cast::<Target>();
        let after = *pc.add(2).cast::<After>();
        enter::<A>(pc, r, run, c, pc.offset(target.words as isize), target.ops as i64, pc.add(3), after.at)
    }
    /// Packet loads at the immediate, or at a register plus the immediate.
    fn packet[const INDIRECT: bool] |pc, s, r, run, c| {
        let size = (*pc.add(1).cast::<After>()).what & 3;
        let index = if INDIRECT { get(r, s.b) as u32 as i32 } else { 0 };
        match run.packet_load(index.wrapping_add(s.imm), 1 << size) {
            Some(value) => {
                set(r, 0, value);
                next::<A>(pc.add(2), r, run, c)
            }
            None => {
                set(r, 0, 0);
                leave::<A>(pc, r, run, c)
            }
        }
    }
    fn call_own[] |pc, s, r, run, c| {
        let _ = s;
        match helpers::ALL.get_unchecked((*pc.add(1).cast::<After>()).what as usize).2 {
            Own::Run(own) => helper::<A>(pc, r, run, c, own),
            Own::Answer(_) if c <= (*pc.add(1).cast::<After>()).at as i64 => spent(run, pc, c, pc, AGAIN),
            Own::Answer(own) => {
                set(r, 0, own(run.engine, run.input));
                next::<A>(pc.add(2), r, run, c)
            }
        }
    }
    /// An array in reach is looked up here.
    fn lookup[] |pc, s, r, run, c| {
        let _ = s;
        let at = (*pc.add(1).cast::<After>()).at;
        let (handle, key) = (get(r, 1), get(r, 2));
        let prog: *const Linked = run.prog_ptr();
        if let Some(map) = (*prog).quick(handle)
            && matches!(map.how, Quick::Array { .. })
            && c > at as i64
            && A::may_read::<u32>(&run.memory, key)
        {
            let value = map.how.lookup(key, run.cpu());
            if !A::PROVEN && value != 0 {
                map.remember(&mut run.memory, value);
            }
            set(r, 0, value);
            return next::<A>(pc.add(2), r, run, c);
        }
        call_lookup::<A>(pc, r, run, c)
    }
    #[inline(never)]
    fn call_lookup[] |pc, s, r, run, c| {
        let _ = s;
        helper::<A>(pc, r, run, c, |run, args| {
            let value = helpers::map::lookup(run, args)?;
            let prog: *const Linked = run.prog_ptr();
            if !A::PROVEN
                && value != 0
                && let Some(map) = (*prog).quick(args[0])
            {
                map.remember(&mut run.memory, value);
            }
            Ok(value)
        })
    }
    fn call_helper[] |pc, s, r, run, c| {
        let _ = s;
        let index = (*pc.add(1).cast::<After>()).what as usize;
        helper::<A>(pc, r, run, c, |run, args| run.call_helper(index, args))
    }
    fn call_reg[] |pc, s, r, run, c| {
        let target = get(r, s.b);
        let prog: *const Linked = run.prog_ptr();
        if let Some(entry) = (*prog).code.function(target) {
            let at = (*pc.add(1).cast::<After>()).at;
            let to = (*prog).steps().place(entry);
            return enter::<A>(pc, r, run, c, to, entry as i64 - at as i64, pc.add(2), at);
        }
        match i32::try_from(target).ok().and_then(|id| (*prog).table.helper(id)) {
            Some(index) => helper::<A>(pc, r, run, c, |run, args| run.call_helper(index as usize, args)),
            None => trapped(run, pc, c, TrapKind::NotAFunction { target }.into()),
        }
    }
    fn tail_call[] |pc, s, r, run, c| {
        let _ = s;
        let fuel = c - (*pc.add(1).cast::<After>()).at as i64;
        if fuel <= 0 {
            return spent(run, pc, c, pc, AGAIN);
        }
        let (r1, handle, index) = (get(r, 1), get(r, 2), get(r, 3) as u32);
        let target = match run.aim(r1, handle, index) {
            Aim::Nowhere => return next::<A>(pc.add(2), r, run, c),
            Aim::To(target) => target,
            Aim::Unknown => match run.tail_target(r1, handle, index) {
                Ok(Some(target)) => target,
                Ok(None) => return next::<A>(pc.add(2), r, run, c),
                Err(trap) => return trapped(run, pc, c, trap),
            },
        };
        let here = run.prog_ptr();
        run.go_to(target);
        if (*target).proven == A::PROVEN && !(*target).is_compiled() {
            let fp = get(r, 10);
            (*r).regs = [0, r1, 0, 0, 0, 0, 0, 0, 0, 0, fp];
            (*r).may_goto = MAY_GOTO;
            return next::<A>((*target).steps().place(0), r, run, fuel);
        }
        // The frame is that of the other program from here on, and returns what that gives.
        run.fuel = run.bank + fuel;
        let result = run.exec(0, [r1, 0, 0, 0, 0]);
        run.set_prog(here);
        match result {
            Ok(value) => {
                set(r, 0, value);
                let c = settle(run, c, fuel);
                leave::<A>(pc, r, run, c)
            }
            Err(trap) => {
                run.ended = Some(trap);
                ptr::null()
            }
        }
    }
}

/// Takes over the fuel that something else has left; gives the credit.
#[inline(always)]
fn settle(run: &mut Run<'_>, c: i64, fuel: i64) -> i64 {
    let used = run.bank + fuel - run.fuel;
    if used == 0 {
        return c;
    }
    // What was given or used beyond the bank is the chain's.
    run.bank -= used;
    let owed = run.bank.min(0);
    run.bank -= owed;
    c + owed
}

/// Calls a function outside the program.
///
/// # Safety
/// `pc` is a call of two words, and `r` the window of the innermost frame.
#[inline(always)]
unsafe fn helper<A: Access>(
    pc: Pc,
    r: Regs,
    run: &mut Run<'_>,
    c: i64,
    call: impl FnOnce(&mut Run<'_>, [u64; 5]) -> Result<u64, Trap>,
) -> Pc {
    // SAFETY: by the contract.
    unsafe {
        let fuel = c - (*pc.add(1).cast::<After>()).at as i64;
        if fuel <= 0 {
            return spent(run, pc, c, pc, AGAIN);
        }
        run.fuel = run.bank + fuel;
        match call(run, [alone(r, 1), alone(r, 2), alone(r, 3), alone(r, 4), alone(r, 5)]) {
            Ok(value) => {
                set(r, 0, value);
                let c = settle(run, c, fuel);
                next::<A>(pc.add(2), r, run, c)
            }
            Err(trap) => trapped(run, pc, c, trap),
        }
    }
}

/// Enters a function of the program in a new frame.
///
/// # Safety
/// `pc` is a call, `to` the step a function begins with, `back` the one after the call and `at` the number
/// of its operation; `r` is the window of the innermost frame.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn enter<A: Access>(
    pc: Pc,
    r: Regs,
    run: &mut Run<'_>,
    c: i64,
    to: Pc,
    ops: i64,
    back: Pc,
    at: u32,
) -> Pc {
    if run.depth + 1 == MAX_FRAMES {
        return too_deep(run, pc, c);
    }
    if c <= at as i64 {
        return spent(run, pc, c, pc, AGAIN);
    }
    // SAFETY: by the contract; there are as many windows as there may be frames.
    unsafe {
        let callee = r.add(1);
        run.depth += 1;
        for number in 0..10 {
            set(callee, number as u8, alone(r, number));
        }
        (*callee).regs[10] = run.memory.enter(run.depth);
        (*callee).back = back;
        (*callee).prog = run.prog_ptr();
        (*callee).after = at;
        (*callee).may_goto = MAY_GOTO;
        next::<A>(to, callee, run, c + ops)
    }
}

/// A register read by itself: several at once would be read before what was written one by one has left
/// the store buffer.
///
/// # Safety
/// `r` is a live window, and the number is below 11.
#[inline(always)]
unsafe fn alone(r: Regs, number: usize) -> u64 {
    // SAFETY: by the contract; the word is aligned, and this thread's alone.
    unsafe {
        let word = (&raw mut (*r).regs).cast::<u64>().add(number);
        AtomicU64::from_ptr(word).load(Ordering::Relaxed)
    }
}

#[cold]
#[inline(never)]
fn too_deep(run: &mut Run<'_>, pc: Pc, c: i64) -> Pc {
    trapped(run, pc, c, TrapKind::CallDepth.into())
}

/// Leaves the innermost frame, whose result is in R0.
///
/// # Safety
/// `pc` is a step with its place in the second word, and `r` the window of the innermost frame.
#[inline(always)]
unsafe fn leave<A: Access>(pc: Pc, r: Regs, run: &mut Run<'_>, c: i64) -> Pc {
    // SAFETY: by the contract.
    unsafe {
        let fuel = c - (*pc.add(1).cast::<After>()).at as i64;
        let back = (*r).back;
        if back.is_null() {
            run.fuel = run.bank + fuel;
            return ptr::null();
        }
        let caller = r.sub(1);
        (*caller).regs[0] = (*r).regs[0];
        run.depth -= 1;
        run.set_prog((*r).prog);
        run.memory.enter(run.depth);
        next::<A>(back, caller, run, fuel + (*r).after as i64)
    }
}
