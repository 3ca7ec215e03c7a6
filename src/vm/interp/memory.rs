//! Steps that load and store.
//!
//! An access that is known to be good is done at once. One that is not is looked up by the same step done
//! again [slowly](Slow), so that the fast form keeps nothing across a call.

use super::{Regs, get, next, set, spent, trapped};
use crate::vm::lower::atomic_of;
use crate::vm::memory::{Access, Word, read, write};
use crate::vm::run::Run;
use crate::vm::steps::codes::SIMPLE;
use crate::vm::steps::{self, After, Head, Limit, Pc, Target};
use crate::vm::trap::{AccessKind, Trap};
use oxbpf_isa::insn::{AtomicOp, Cond};
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// How a step finds out whether its access is good.
pub(super) trait How {
    /// Loads, or says that it does not know.
    fn load<A: Access, W: Word>(run: &mut Run<'_>, addr: u64) -> Option<u64>;
    /// Stores likewise.
    fn store<A: Access, W: Word>(run: &mut Run<'_>, addr: u64, value: u64) -> Option<()>;
    /// What becomes of a step that does not know.
    fn otherwise(slow: super::Handler, pc: Pc, r: Regs, run: &mut Run<'_>, c: i64) -> Pc;
}

/// By what is remembered.
pub(super) struct Fast;

impl How for Fast {
    #[inline(always)]
    fn load<A: Access, W: Word>(run: &mut Run<'_>, addr: u64) -> Option<u64> {
        // SAFETY: in proven mode by the proof that the engine was given; in checked mode the access lies in
        // a region.
        A::may_read::<W>(&run.memory, addr).then(|| unsafe { read::<W>(addr) })
    }

    #[inline(always)]
    fn store<A: Access, W: Word>(run: &mut Run<'_>, addr: u64, value: u64) -> Option<()> {
        // SAFETY: as for loads.
        A::may_write::<W>(&run.memory, addr).then(|| unsafe { write::<W>(addr, value) })
    }

    #[inline(always)]
    fn otherwise(slow: super::Handler, pc: Pc, r: Regs, run: &mut Run<'_>, c: i64) -> Pc {
        slow(pc, r, run, c)
    }
}

/// Because it lies in the frame, which lowering has held.
pub(super) struct Frame;

impl How for Frame {
    #[inline(always)]
    fn load<A: Access, W: Word>(_: &mut Run<'_>, addr: u64) -> Option<u64> {
        // SAFETY: the access lies in the live frame that R10 points to.
        Some(unsafe { read::<W>(addr) })
    }

    #[inline(always)]
    fn store<A: Access, W: Word>(_: &mut Run<'_>, addr: u64, value: u64) -> Option<()> {
        // SAFETY: as for loads.
        unsafe { write::<W>(addr, value) };
        Some(())
    }

    #[inline(always)]
    fn otherwise(_: super::Handler, pc: Pc, _: Regs, _: &mut Run<'_>, _: i64) -> Pc {
        pc
    }
}

/// By looking it up; the trap of one that is not good is left in the run.
pub(super) struct Slow;

impl How for Slow {
    #[inline(never)]
    fn load<A: Access, W: Word>(run: &mut Run<'_>, addr: u64) -> Option<u64> {
        run.load_elsewhere(addr, W::SIZE).map_err(|trap| run.ended = Some(trap)).ok()
    }

    #[inline(never)]
    fn store<A: Access, W: Word>(run: &mut Run<'_>, addr: u64, value: u64) -> Option<()> {
        match run.look_up(addr, W::SIZE, AccessKind::Store) {
            Ok(()) => {
                // SAFETY: found in a region that may be written.
                unsafe { write::<W>(addr, value) };
                Some(())
            }
            Err(trap) => {
                run.ended = Some(trap);
                None
            }
        }
    }

    #[inline(always)]
    fn otherwise(_: super::Handler, pc: Pc, _: Regs, run: &mut Run<'_>, c: i64) -> Pc {
        match run.ended.take() {
            Some(trap) => trapped(run, pc, c, trap),
            None => ptr::null(),
        }
    }
}

#[inline(always)]
fn displaced(base: u64, off: i32) -> u64 {
    base.wrapping_add(off as i64 as u64)
}

#[inline(always)]
fn widen<W: Word, const SIGNED: bool>(value: u64) -> u64 {
    match (SIGNED, W::SIZE) {
        (true, 1) => value as u8 as i8 as u64,
        (true, 2) => value as u16 as i16 as u64,
        (true, 4) => value as u32 as i32 as u64,
        _ => value,
    }
}

macro_rules! steps {
    ($($(#[$doc:meta])* fn $name:ident[$($generic:ident: $kind:tt),*][$($const:ident: $type:ty),*] as $view:ident, $words:literal
        |$pc:ident, $s:ident, $r:ident, $run:ident| $body:block)+) => {
        $($(#[$doc])*
        pub(super) fn $name<A: Access, H: How, $($generic: $kind,)* $(const $const: $type,)*>(
            $pc: Pc, $r: Regs, $run: &mut Run<'_>, c: i64,
        ) -> Pc {
            // SAFETY: a step of this form begins here, in the running program, with another after it, and
            // `r` is the window of the innermost frame.
            unsafe {
                let $s = *$pc.cast::<steps::$view>();
                let done: Option<()> = $body;
                match done {
                    Some(()) => next::<A>($pc.add($words), $r, $run, c),
                    None => H::otherwise($name::<A, Slow, $($generic,)* $({ $const },)*>, $pc, $r, $run, c),
                }
            }
        })+
    };
}
steps! {
    fn load[W: Word][SIGNED: bool] as Head, 1 |pc, s, r, run| {
        H::load::<A, W>(run, displaced(get(r, s.b), s.imm)).map(|value| set(r, s.a, widen::<W, SIGNED>(value)))
    }
    fn store[W: Word][] as Head, 1 |pc, s, r, run| {
        H::store::<A, W>(run, displaced(get(r, s.a), s.imm), get(r, s.b))
    }
    fn store_imm[W: Word][] as Head, 2 |pc, s, r, run| {
        H::store::<A, W>(run, displaced(get(r, s.a), s.imm), *pc.add(1))
    }
    fn indexed_load[W: Word][] as Indexed, 1 |pc, s, r, run| {
        let sum = get(r, s.b).wrapping_add(get(r, s.c));
        H::load::<A, W>(run, displaced(sum, s.off as i32)).map(|value| {
            set(r, s.a, sum);
            set(r, s.d, value);
        })
    }
    fn indexed_store[W: Word][] as Indexed, 1 |pc, s, r, run| {
        let sum = get(r, s.b).wrapping_add(get(r, s.c));
        // What is stored may be the sum.
        let value = if s.d == s.a { sum } else { get(r, s.d) };
        H::store::<A, W>(run, displaced(sum, s.off as i32), value).map(|()| set(r, s.a, sum))
    }
    fn gather[][NARROW: bool] as Head, 2 |pc, s, r, run| {
        let more = *pc.add(1).cast::<steps::Regs>();
        H::load::<A, u8>(run, displaced(get(r, s.b), s.imm)).map(|byte| {
            let shifted = if NARROW { ((byte as u32) << (more.a & 31)) as u64 } else { byte << (more.a & 63) };
            set(r, s.a, shifted);
            let or = get(r, more.c) | get(r, more.d);
            set(r, more.b, if NARROW { or as u32 as u64 } else { or });
        })
    }
    /// The load is one of the frame, and as wide as the operation.
    fn frame_pair[W: Word][OP: usize] as Indexed, 1 |pc, s, r, run| {
        H::load::<A, W>(run, displaced((*r).regs[10], s.off as i32)).map(|value| {
            set(r, s.a, value);
            let (x, y) = (get(r, s.c), get(r, s.d));
            let op = const { SIMPLE[OP] };
            set(r, s.b, if W::SIZE == 4 { op.eval32(x as u32, y as u32) as u64 } else { op.eval64(x, y) });
        })
    }
    fn frame_move[W: Word][] as Moved, 1 |pc, s, r, run| {
        let fp = (*r).regs[10];
        H::load::<A, W>(run, displaced(fp, s.from as i32)).and_then(|value| {
            set(r, s.a, value);
            H::store::<A, W>(run, displaced(fp, s.to as i32), get(r, s.b))
        })
    }
}

/// A load, and a jump on whether it equals a register or an immediate.
pub(super) fn load_jump<A: Access, H: How, W: Word, const NE: bool, const NARROW: bool, const IMM: bool>(
    pc: Pc,
    r: Regs,
    run: &mut Run<'_>,
    c: i64,
) -> Pc {
    // SAFETY: a step of this form begins here, in the running program, with another after it and where it
    // goes, and `r` is the window of the innermost frame.
    unsafe {
        let s = *pc.cast::<Head>();
        let target = *pc.add(1).cast::<Target>();
        let more = *pc.add(2).cast::<Limit>();
        let Some(value) = H::load::<A, W>(run, displaced(get(r, s.b), s.imm)) else {
            return H::otherwise(load_jump::<A, Slow, W, NE, NARROW, IMM>, pc, r, run, c);
        };
        set(r, s.a, value);
        let other = if IMM { more.operand as i64 as u64 } else { get(r, more.operand as u8) };
        let cond = if NE { Cond::Ne } else { Cond::Eq };
        let jumps = match NARROW {
            false => cond.eval64(value, other),
            true => cond.eval32(value as u32, other as u32),
        };
        if !jumps {
            return next::<A>(pc.add(3), r, run, c);
        }
        let to = pc.offset(target.words as isize);
        if c <= more.limit as i64 {
            return spent(run, pc, c, to, (target.ops >= 0) as usize);
        }
        next::<A>(to, r, run, c + target.ops as i64)
    }
}

/// A step whose access may fail in ways of its own.
macro_rules! atomics {
    ($(fn $name:ident |$s:ident, $aux:ident, $r:ident, $run:ident| $body:expr;)+) => {
        $(pub(super) fn $name<A: Access>(pc: Pc, $r: Regs, $run: &mut Run<'_>, c: i64) -> Pc {
            // SAFETY: a step of this form begins here, in the running program, with another after it, and
            // `r` is the window of the innermost frame.
            unsafe {
                let $s = *pc.cast::<Head>();
                let $aux = (*pc.add(1).cast::<After>()).what as u8;
                let done: Result<(), Trap> = $body;
                match done {
                    Ok(()) => next::<A>(pc.add(2), $r, $run, c),
                    Err(trap) => trapped($run, pc, c, trap),
                }
            }
        })+
    };
}
atomics! {
    fn acquire |s, size, r, run| load_acquire::<A>(run, displaced(get(r, s.b), s.imm), size).map(|value| set(r, s.a, value));
    fn release |s, size, r, run| store_release::<A>(run, displaced(get(r, s.a), s.imm), size, get(r, s.b));
    fn atomic_op |s, aux, r, run| atomic::<A>(run, aux, displaced(get(r, s.a), s.imm), get(r, s.b), get(r, 0)).map(|old| {
        match atomic_of(aux) {
            (AtomicOp::Cmpxchg, ..) => set(r, 0, old),
            (_, true, _) => set(r, s.b, old),
            _ => {}
        }
    });
}

#[inline(never)]
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

#[inline(never)]
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
#[inline(never)]
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
