//! The functions that compiled code calls: the same things the interpreter does, behind plain C
//! signatures.
//!
//! Each is called from compiled code only, with the frame pointer of the frame that calls. The context
//! below that frame says whose run it is. A trap is left in the run and shown by the status; a panic of a
//! host function is kept there too, since it must not unwind through compiled code.

use crate::vm::engine::Engine;
use crate::vm::helpers::proven_diff;
use crate::vm::input::Input;
use crate::vm::linker::Table;
use crate::vm::lower::{STACK_SIZE, atomic_of};
use crate::vm::maps::{HashMap, LpmTrieMap, Map};
use crate::vm::memory::{AccessWidth, Memory, Region, read, write};
use crate::vm::op::{Code, Op};
use crate::vm::quick::with_key;
use crate::vm::run::{Linked, Run};
use crate::vm::trap::{AccessKind, Trap, TrapKind};
use oxbpf_jit::abi::{ARENA, CLASSES, Context, Returned, Services, Span, depth_of, of_extent, of_few};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

pub(super) const SERVICES: Services = Services {
    helper,
    answer,
    csum,
    call_reg,
    tail_call,
    packet,
    load,
    store,
    hold,
    gather,
    recall,
    refuel,
    fault,
    place,
    lookup_4,
    lookup_8,
    lookup_prefix,
    lookup_at,
    lookup_prefix_at,
};

/// The context below a frame.
#[inline]
pub(crate) fn context(fp: u64) -> *mut Context {
    std::ptr::with_exposed_provenance_mut((fp & !(ARENA as u64 - 1)) as usize)
}

/// Whose program was entered without a run: what one is made of, when the code asks the host for something,
/// and the run, once there is one.
pub(crate) struct Waiting<'a, 'b> {
    pub engine: &'a Engine,
    pub linked: &'a Linked,
    /// None once the run has it.
    pub data: Option<&'a mut dyn Any>,
    pub input: &'a mut Input<'b>,
    /// What the code runs in; none once the run has it.
    pub memory: &'a mut Option<Box<Memory>>,
    pub run: Option<Run<'a>>,
}

/// Whose run it is.
///
/// # Safety
/// `context` is that of compiled code that runs. Nobody else uses the run.
#[inline(always)]
unsafe fn run_of<'a>(context: *mut Context) -> &'a mut Run<'a> {
    // SAFETY: by the contract, the context says whose run entered the code, or who waits for one.
    unsafe {
        if (*context).run.is_null() {
            make_run(context);
        }
        &mut *(*context).run.cast::<Run<'a>>()
    }
}

/// Makes the run that the code was entered without.
///
/// # Safety
/// As for [`run_of`]; the context has no run, but somebody who waits for one.
#[cold]
unsafe fn make_run(context: *mut Context) {
    // SAFETY: by the contract. Whoever waits does not look before the code has ended.
    unsafe {
        let waiting = &mut *(*context).host.cast::<Waiting<'_, '_>>();
        let (memory, data) = (waiting.memory.take(), waiting.data.take());
        let (memory, data) = memory.zip(data).expect("who has no run has what one is made of");
        // It lives longer than the run, which puts nothing into it that does not.
        let input = &mut *ptr::from_mut(waiting.input).cast::<Input<'_>>();
        let run = waiting.run.insert(Run::with(waiting.engine, waiting.linked, data, input, memory));
        run.take_over();
        (*context).run = (run as *mut Run<'_>).cast();
    }
}

/// Does something in the run that calls, in the frame that calls, and tells its result.
///
/// # Safety
/// `fp` is the frame pointer that compiled code runs with.
unsafe fn within(fp: u64, act: impl FnOnce(&mut Run<'_>) -> Result<Returned, Trap>) -> Returned {
    let context = context(fp);
    // SAFETY: while the code runs, nobody else uses the run.
    let run = unsafe { run_of(context) };
    run.catch_up();
    run.depth = depth_of(fp);
    run.memory.enter(run.depth);
    // SAFETY: as above.
    run.fuel = unsafe { (*context).fuel };
    let result = catch_unwind(AssertUnwindSafe(|| act(run)));
    // SAFETY: as above. What was called may have entered compiled code itself.
    unsafe { (*context).fuel = run.fuel };
    told(run, result)
}

/// What came of a call, for compiled code: a trap and a panic are left in the run.
fn told(run: &mut Run<'_>, result: std::thread::Result<Result<Returned, Trap>>) -> Returned {
    match result {
        Ok(Ok(returned)) => returned,
        Ok(Err(trap)) => {
            run.pending = Some(trap);
            Returned::TRAP
        }
        Err(panic) => {
            run.panic = Some(panic);
            Returned::TRAP
        }
    }
}

/// An operation of a program.
pub(super) fn op_of(prog: &Linked, op: u64) -> Op {
    prog.code.ops[op as usize]
}

unsafe extern "C" fn helper(fp: u64, r1: u64, r2: u64, r3: u64, r4: u64, r5: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        let index = (*context(fp)).callee as usize;
        within(fp, |run| run.call_helper(index, [r1, r2, r3, r4, r5]).map(Returned::value))
    }
}

unsafe extern "C" fn answer(fp: u64, index: u64) -> Returned {
    // SAFETY: called from compiled code: the context says whose run entered it, or who waits for one, and nobody
    // else uses that now.
    unsafe {
        let context = context(fp);
        let run = (*context).run.cast::<Run<'_>>();
        let (engine, input) = match run.is_null() {
            true => {
                let waiting = &*(*context).host.cast::<Waiting<'_, '_>>();
                (waiting.engine, &*waiting.input)
            }
            false => ((*run).engine, &*(*run).input),
        };
        let Some(answer) = Table::answer(index as usize) else {
            return within(fp, |run| run.call_helper(index as usize, [0; 5]).map(Returned::value));
        };
        match catch_unwind(AssertUnwindSafe(|| answer(engine, input))) {
            Ok(value) => Returned::value(value),
            Err(panic) => {
                run_of(context).panic = Some(panic);
                Returned::TRAP
            }
        }
    }
}

unsafe extern "C" fn csum(_: u64, r1: u64, r2: u64, r3: u64, r4: u64, r5: u64) -> Returned {
    // SAFETY: called from compiled code of a proven program.
    Returned::value(unsafe { proven_diff([r1, r2, r3, r4, r5]) })
}

unsafe extern "C" fn call_reg(fp: u64, r1: u64, r2: u64, r3: u64, r4: u64, r5: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        let (target, inherited) = ((*context(fp)).callee, (*context(fp)).inherited);
        within(fp, |run| run.call_through_register(target, [r1, r2, r3, r4, r5], inherited))
    }
}

unsafe extern "C" fn tail_call(fp: u64, r1: u64, r2: u64, r3: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| {
            if run.fuel <= 0 {
                run.fuel = run.refuel(run.fuel)?;
            }
            let Some(target) = run.tail_target(r1, r2, r3 as u32)? else {
                return Ok(Returned::NOTHING);
            };
            let here = run.prog_ptr();
            run.go_to(target);
            let value = run.exec(0, [r1, 0, 0, 0, 0])?;
            run.set_prog(here);
            Ok(Returned::value(value))
        })
    }
}

unsafe extern "C" fn packet(fp: u64, offset: u64, size: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| {
            let found = run.packet_load(offset as u32 as i32, size as usize);
            Ok(found.map_or(Returned::NOTHING, Returned::value))
        })
    }
}

/// Holds an access, and remembers for a class of pointers the region it was found in; whether the access is
/// good.
///
/// # Safety
/// As for [`within`].
unsafe fn is_held(run: &mut Run<'_>, fp: u64, addr: u64, size: u64, kind: AccessKind, class: usize) -> bool {
    let span = match run.found(addr, size, kind) {
        None => return false,
        Some(Some(Region { start, len, .. })) => Some(Span::new(start, len)),
        // The outermost frame lives as long as the run, and nothing else that is not a region is alike.
        Some(None) => run.memory.outermost(addr, size).map(|start| Span::new(start, STACK_SIZE as u64)),
    };
    if let Some(span) = span {
        // SAFETY: by the contract.
        unsafe { (*context(fp)).spans[class % CLASSES][kind.writes() as usize] = span };
    }
    true
}

/// Whether any accesses in a range are good. Of a context each field is judged by itself.
///
/// # Safety
/// As for [`within`].
unsafe fn is_whole(run: &mut Run<'_>, fp: u64, addr: u64, len: u64, kind: AccessKind, class: usize) -> bool {
    let is_region = matches!(run.found(addr, len, kind), Some(Some(_)));
    // SAFETY: by the contract.
    (is_region || run.memory.in_stack(addr, len)) && unsafe { is_held(run, fp, addr, len, kind, class) }
}

/// The same for the access of an operation, which traps unless it is good.
///
/// # Safety
/// As for [`within`].
unsafe fn held(
    run: &mut Run<'_>,
    fp: u64,
    op: u64,
    addr: u64,
    kind: AccessKind,
) -> Result<AccessWidth, Trap> {
    let what = op_of(run.prog(), op);
    let size = width(&what);
    // SAFETY: by the contract.
    match unsafe { is_held(run, fp, addr, size.bytes(), kind, class(&what)) } {
        true => Ok(size),
        false => Err(placed(run, op, run.missed(addr, size.bytes(), kind))),
    }
}

unsafe extern "C" fn load(fp: u64, op: u64, addr: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| {
            let size = width(&op_of(run.prog(), op));
            if let Some(value) = run.wide_field(addr, size.bytes()) {
                return Ok(Returned::value(value));
            }
            held(run, fp, op, addr, AccessKind::Load)?;
            // The access was just found inside a region.
            Ok(Returned::value(match size {
                AccessWidth::W8 => read::<u8>(addr),
                AccessWidth::W16 => read::<u16>(addr),
                AccessWidth::W32 => read::<u32>(addr),
                AccessWidth::W64 => read::<u64>(addr),
            }))
        })
    }
}

unsafe extern "C" fn store(fp: u64, op: u64, addr: u64, value: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| {
            // The access is found inside a region that may be written.
            match held(run, fp, op, addr, AccessKind::Store)? {
                AccessWidth::W8 => write::<u8>(addr, value),
                AccessWidth::W16 => write::<u16>(addr, value),
                AccessWidth::W32 => write::<u32>(addr, value),
                AccessWidth::W64 => write::<u64>(addr, value),
            }
            Ok(Returned::value(0))
        })
    }
}

unsafe extern "C" fn hold(fp: u64, op: u64, addr: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| {
            let kind = kind(&op_of(run.prog(), op));
            held(run, fp, op, addr, kind)?;
            Ok(Returned::value(0))
        })
    }
}

unsafe extern "C" fn gather(fp: u64, ops: u64, base: u64) -> Returned {
    let (first, last) = of_few(ops);
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| {
            let (low, width) = extent(run.prog(), first, last);
            let (start, of) = (base.wrapping_add_signed(low), class(&op_of(run.prog(), first)));
            if is_whole(run, fp, start, width, AccessKind::Load, of) {
                return Ok(Returned::value(base));
            }
            for op in first..=last {
                let Some(off) = gathered(run.prog(), first, op) else { continue };
                let addr = base.wrapping_add_signed(off);
                let size = held(run, fp, op, addr, AccessKind::Load)?;
                // The access was just found inside a region.
                gather_at(fp, off - low, addr, size.bytes());
            }
            Ok(Returned::value(gathered_base(fp, low)))
        })
    }
}

/// The offset of an operation that loads through the base register of another.
pub(super) fn gathered(prog: &Linked, first: u64, op: u64) -> Option<i64> {
    let (first, what) = (op_of(prog, first), op_of(prog, op));
    let loads = matches!(what.code, Code::Ld8 | Code::Ld16 | Code::Ld64 | Code::LdS8 | Code::LdS16);
    (loads && what.src == first.src).then_some(what.off.into())
}

/// The lowest offset of loads that are done at once, and how many bytes there are to the highest.
pub(super) fn extent(prog: &Linked, first: u64, last: u64) -> (i64, u64) {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for op in first..=last {
        if let Some(off) = gathered(prog, first, op) {
            (low, high) = (low.min(off), high.max(off + width(&op_of(prog, op)).bytes() as i64));
        }
    }
    (low, high.saturating_sub(low) as u64)
}

/// Leaves bytes for compiled code, so far behind the lowest that it loads.
///
/// # Safety
/// `fp` is the frame pointer that compiled code runs with; the bytes may be read.
pub(super) unsafe fn gather_at(fp: u64, at: i64, addr: u64, len: u64) {
    // SAFETY: by the contract; nobody else uses the context while the host's functions run.
    let room = unsafe { &mut (*context(fp)).gathered };
    for (nth, byte) in room.iter_mut().skip(at as usize).take(len as usize).enumerate() {
        // SAFETY: by the contract.
        *byte = unsafe { read::<u8>(addr + nth as u64) } as u8;
    }
}

/// What compiled code takes for the base of loads whose bytes were left for it.
pub(super) fn gathered_base(fp: u64, low: i64) -> u64 {
    // SAFETY: only the address is taken.
    let room = unsafe { &raw mut (*context(fp)).gathered };
    (room.expose_provenance() as u64).wrapping_add_signed(low.wrapping_neg())
}

unsafe extern "C" fn recall(fp: u64, addr: u64, extent: u64) -> Returned {
    let (len, class, write) = of_extent(extent);
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| {
            let kind = if write { AccessKind::Store } else { AccessKind::Load };
            let status = !is_whole(run, fp, addr, len, kind, class);
            Ok(Returned { value: 0, status: status.into() })
        })
    }
}

unsafe extern "C" fn refuel(fp: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| {
            run.fuel = run.refuel(run.fuel)?;
            Ok(Returned::value(0))
        })
    }
}

unsafe extern "C" fn fault(fp: u64, op: u64, addr: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| {
            let what = op_of(run.prog(), op);
            let kind = match what.code {
                Code::CallSub => TrapKind::CallDepth,
                Code::Trap if what.aux == 0 => TrapKind::UnknownHelper { id: what.imm as i32 },
                Code::Trap => TrapKind::UnknownKfunc { id: what.imm as i32 },
                _ => TrapKind::Unaligned { addr, size: width(&what).bytes() },
            };
            Err(placed(run, op, kind.into()))
        })
    }
}

unsafe extern "C" fn place(fp: u64, op: u64) -> Returned {
    // SAFETY: called from compiled code.
    unsafe {
        within(fp, |run| match run.pending.take() {
            Some(trap) => Err(placed(run, op, trap)),
            // A panic has no place.
            None => Ok(Returned::TRAP),
        })
    }
}

/// Looks something up in the map at an address, on the CPU of the run. Nothing else is asked of the run, so
/// it is not entered.
///
/// # Safety
/// `fp` is the frame pointer that compiled code runs with; at the address is a map of this kind that lives.
#[inline(always)]
unsafe fn found<M>(fp: u64, map: u64, look: impl FnOnce(&M, u32) -> Option<NonNull<u8>>) -> Returned {
    // SAFETY: by the contract.
    let (cpu, map) =
        unsafe { ((*context(fp)).cpu as u32, &*std::ptr::with_exposed_provenance::<M>(map as usize)) };
    Returned::value(look(map, cpu).map_or(0, |at| at.as_ptr().expose_provenance() as u64))
}

unsafe extern "C" fn lookup_4(fp: u64, map: u64, key: u64) -> Returned {
    // SAFETY: called from compiled code, whose program keeps the map.
    unsafe { found(fp, map, |map: &HashMap, cpu| map.lookup_word((key as u32).to_ne_bytes(), cpu)) }
}

unsafe extern "C" fn lookup_8(fp: u64, map: u64, key: u64) -> Returned {
    // SAFETY: as above.
    unsafe { found(fp, map, |map: &HashMap, cpu| map.lookup_word(key.to_ne_bytes(), cpu)) }
}

unsafe extern "C" fn lookup_prefix(fp: u64, map: u64, key: u64) -> Returned {
    // SAFETY: as above.
    unsafe { found(fp, map, |map: &LpmTrieMap, _| map.longest(&key.to_ne_bytes())) }
}

unsafe extern "C" fn lookup_at(fp: u64, map: u64, key: u64) -> Returned {
    // SAFETY: as above; the key lies in the frame, or a proof says that it may be read.
    unsafe { found(fp, map, |map: &HashMap, cpu| with_key(map, key, |key| map.lookup(key, cpu))) }
}

unsafe extern "C" fn lookup_prefix_at(fp: u64, map: u64, key: u64) -> Returned {
    // SAFETY: as above.
    unsafe { found(fp, map, |map: &LpmTrieMap, _| with_key(map, key, |key| map.longest(key))) }
}

fn placed(run: &Run<'_>, op: u64, trap: Trap) -> Trap {
    let prog = run.prog();
    trap.at(&prog.name, prog.code.slot_of(op as usize).unwrap_or(0))
}

/// What kind of access an operation makes.
pub(super) fn kind(op: &Op) -> AccessKind {
    match op.code {
        Code::Ld8
        | Code::Ld16
        | Code::Ld32
        | Code::Ld64
        | Code::LdS8
        | Code::LdS16
        | Code::LdS32
        | Code::LdAcq => AccessKind::Load,
        Code::Atomic | Code::StRel => AccessKind::Atomic,
        _ => AccessKind::Store,
    }
}

/// The class of pointers that the base register of an access stands for.
pub(super) fn class(op: &Op) -> usize {
    usize::from(if kind(op) == AccessKind::Load { op.src } else { op.dst }) % CLASSES
}

/// How wide the access of an operation is.
pub(super) fn width(op: &Op) -> AccessWidth {
    match op.code {
        Code::Ld8 | Code::LdS8 | Code::St8R | Code::St8I => AccessWidth::W8,
        Code::Ld16 | Code::LdS16 | Code::St16R | Code::St16I => AccessWidth::W16,
        Code::Ld32 | Code::LdS32 | Code::St32R | Code::St32I => AccessWidth::W32,
        Code::LdAcq | Code::StRel => AccessWidth::of(op.aux),
        Code::Atomic if !atomic_of(op.aux).2 => AccessWidth::W32,
        _ => AccessWidth::W64,
    }
}
