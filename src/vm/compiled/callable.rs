//! Compiled programs over plain memory, called like functions.
//!
//! A run of an [`Instance`] sets up what any program may ask for. A program that calls no helper asks
//! for nothing but the memory it is given, so a [`Callable`] owns its stack and goes straight into the
//! code: a call costs little more than that of a function pointer. Accesses, fuel and traps are those of
//! an ordinary run; what the code has to ask comes to the functions here.

use super::asks_host;
use super::services::{class, context, extent, gather_at, gathered, gathered_base, kind, op_of, width};
use crate::vm::engine::Engine;
use crate::vm::input::{Cancel, Input};
use crate::vm::instance::Instance;
use crate::vm::lower::STACK_SIZE;
use crate::vm::memory::{AccessWidth, Memory, read, write};
use crate::vm::op::Code as OpCode;
use crate::vm::run::{Linked, SLICE, value_region};
use crate::vm::trap::{AccessKind, Near, RegionKind, Trap, TrapKind};
use crate::vm::{MAX_FRAMES, compiled};
use oxbpf_jit::Code;
use oxbpf_jit::abi::{CLASSES, Entry, Returned, Services, Span, depth_of, of_extent, of_few};
use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

/// A compiled program over plain memory.
///
/// One value runs on one thread at a time; [`Instance::callable`] makes another for another thread, and
/// they share code and maps.
///
/// ```
/// use oxbpf::isa::asm::{Syntax, assemble};
/// use oxbpf::isa::program::Program;
/// use oxbpf::vm::{Engine, Linker};
///
/// let text = "r0 = *(u8 *)(r1 + 0)\n r0 += r2\n exit";
/// let program = Program::from_insns("sum", assemble(text, Syntax::Any)?);
/// let instance = Linker::<()>::new(&Engine::default()).instantiate(&program)?;
/// let mut sum = instance.callable()?.expect("it calls nothing");
/// assert_eq!(sum.call(&mut [40, 0])?, 42);
/// assert!(sum.call(&mut []).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Callable {
    entry: Entry,
    fp: u64,
    /// There is nothing to make ready for a call.
    plain: bool,
    /// Nobody proved the program.
    checked: bool,
    /// How many frames may hold something after a call that the next could read.
    frames: usize,
    /// Whether registers that are no arguments may be read.
    inherits: bool,
    /// Whether the code may ask for fuel.
    refuels: bool,
    host: Box<Host>,
    _code: Arc<Code>,
}

/// What the functions below know.
struct Host {
    memory: Memory,
    linked: Arc<Linked>,
    start: u64,
    len: u64,
    /// Instructions left beside those that the code has been given.
    left: u64,
    limit: u64,
    cancel: Cancel,
    pending: Option<Trap>,
}

impl<T: 'static> Instance<T> {
    /// The program as a function of memory, compiled if it is not yet; none when it calls helpers, goes
    /// to other programs, loads from packets or needs a context, so that only a run will do.
    ///
    /// # Errors
    /// When the compiler refuses.
    pub fn callable(&self) -> Result<Option<Callable>, oxbpf_jit::CompileError> {
        let linked = self.linked_arc();
        if linked.code.ops.iter().any(asks_host) || !linked.accepts(&Input::memory(&mut [])) {
            return Ok(None);
        }
        let code = self.compile()?;
        Ok(Callable::of(linked.clone(), self.engine_ref(), code))
    }
}

impl Callable {
    fn of(linked: Arc<Linked>, engine: &Engine, code: Arc<Code>) -> Option<Callable> {
        let (entry, function) = code.entry(0)?;
        let frames = function.depth.unwrap_or(MAX_FRAMES);
        let mut memory = Memory::new();
        memory.reset();
        let fp = memory.enter(0);
        // SAFETY: the context lies in the block of this memory, and nobody has a reference to it.
        unsafe { (*memory.context()).services = SERVICES };
        let limit = engine.config().budget;
        let stack = linked.code.ops.iter().any(|op| op.src == 10 || op.dst == 10);
        let checked = !linked.proven;
        // Proven code reaches no frame but by its address.
        let frames = if stack && (checked || code.reads_fresh_frames()) { frames } else { 0 };
        let cancel = Cancel::new();
        let host = Host { memory, linked, start: 0, len: 0, left: 0, limit, cancel, pending: None };
        let (inherits, refuels) = (code.inherits(), code.refuels());
        let plain = !checked && frames == 0 && !refuels && !inherits;
        Some(Callable {
            entry,
            fp,
            plain,
            checked,
            frames,
            inherits,
            refuels,
            host: Box::new(host),
            _code: code,
        })
    }

    /// Calls the program with the address of `memory` in R1 and its length in R2; gives what it leaves
    /// in R0.
    ///
    /// # Errors
    /// When the program traps.
    #[inline]
    pub fn call(&mut self, memory: &mut [u8]) -> Result<u64, Trap> {
        let (start, len) = (memory.as_mut_ptr().expose_provenance() as u64, memory.len() as u64);
        let start = if len == 0 { 0 } else { start };
        if !self.plain {
            self.make_ready(start, len);
        }
        let context = self.host.memory.context();
        // SAFETY: the context lies in the block of this memory, and nobody has a reference to it.
        unsafe { (*context).run = (&raw mut *self.host).cast::<c_void>() };
        // SAFETY: the code lives as long as this value. The frame lies in a block with a context, whose
        // services are those below and whose run is the host; the program calls nothing else, and its
        // proof speaks of memory, if it has one.
        let returned = unsafe { (self.entry)(self.fp, start, len, 0, 0, 0) };
        if returned.status == 0 { Ok(returned.value) } else { Err(self.trapped()) }
    }

    #[inline]
    fn make_ready(&mut self, start: u64, len: u64) {
        if self.checked {
            self.show(start, len);
        } else if self.frames > 0 {
            self.clear_frames();
        }
        if self.refuels || self.inherits {
            self.fill_in();
        }
    }

    /// Gives the code its fuel, and forgets what functions of the call before handed over.
    #[inline]
    fn fill_in(&mut self) {
        let host = &mut *self.host;
        let slice = host.limit.min(SLICE);
        host.left = host.limit - slice;
        // SAFETY: the context lies in the block of this memory, and nobody has a reference to it.
        let context = unsafe { &mut *host.memory.context() };
        context.fuel = slice as i64;
        if self.inherits {
            context.inherited = [0; 5];
        }
    }

    /// What cancels calls of this value from other threads, from their next loop on.
    pub fn cancel(&self) -> Cancel {
        self.host.cancel.clone()
    }

    /// Lets the code see the memory.
    #[inline]
    fn show(&mut self, start: u64, len: u64) {
        let host = &mut *self.host;
        let same = (host.start, host.len) == (start, len);
        (host.start, host.len) = (start, len);
        if self.frames > 0 {
            self.clear_frames();
        } else if same {
            return;
        }
        let host = &mut *self.host;
        // SAFETY: the context lies in the block of this memory, and nobody has a reference to it.
        unsafe { (*host.memory.context()).spans = [[Span::new(start, len); 2]; CLASSES] };
    }

    /// Makes frames zero that a call before may have written.
    fn clear_frames(&mut self) {
        let memory = &mut self.host.memory;
        memory.reset();
        // Frames that were entered are zeroed before the next call.
        memory.enter(self.frames - 1);
        memory.enter(0);
    }

    #[cold]
    fn trapped(&mut self) -> Trap {
        self.host.pending.take().expect("a status other than 0 comes with a trap")
    }
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callable").field("program", &self.host.linked.name).finish_non_exhaustive()
    }
}

/// What programs that call nothing ask for.
const SERVICES: Services =
    Services { load, store, hold, gather, recall, refuel, fault, place, ..compiled::SERVICES };

impl Host {
    /// The region that an access lies in.
    fn find(&self, addr: u64, size: u64, kind: AccessKind) -> Result<Span, TrapKind> {
        let holds = |start: u64, len: u64| size <= len && addr.wrapping_sub(start) <= len - size;
        if holds(self.start, self.len) {
            return Ok(Span::new(self.start, self.len));
        }
        if self.memory.in_stack(addr, size) {
            let len = STACK_SIZE as u64;
            let outermost = self.memory.outermost(addr, size).map(|start| Span::new(start, len));
            return Ok(outermost.unwrap_or_default());
        }
        let at = usize::try_from(addr).unwrap_or(usize::MAX);
        let region = self.linked.maps.iter().find_map(|m| Some((m, m.value_span(at)?)));
        let region = region.and_then(|(map, span)| value_region(&**map, span, addr));
        match region.filter(|r| r.holds(addr, size) && (r.writable || !kind.writes())) {
            Some(region) => Ok(Span::new(region.start, region.len)),
            None => Err(self.missed(addr, size, kind)),
        }
    }

    fn missed(&self, addr: u64, size: u64, kind: AccessKind) -> TrapKind {
        /// Further away than this, nearness says nothing.
        const NEAR: u64 = 1 << 16;
        let offset = addr.wrapping_sub(self.start).cast_signed();
        let close = self.len > 0 && offset.unsigned_abs() <= NEAR + self.len;
        let near = Near { kind: RegionKind::Granted, offset, len: self.len, writable: true };
        TrapKind::Access { kind, addr, size, near: close.then_some(near) }
    }

    fn trap(&mut self, op: u64, kind: TrapKind) -> Returned {
        let slot = self.linked.code.slot_of(op as usize).unwrap_or(0);
        self.pending = Some(Trap::new(kind).at(&self.linked.name, slot));
        Returned::TRAP
    }
}

/// The host of the call that is running, with its innermost frame.
///
/// # Safety
/// `fp` is the frame pointer of code that [`Callable::call`] entered.
unsafe fn host<'a>(fp: u64) -> &'a mut Host {
    // SAFETY: by the contract; nobody else uses the host while code runs.
    let host = unsafe { &mut *(*context(fp)).run.cast::<Host>() };
    host.memory.enter(depth_of(fp));
    host
}

/// Holds an access, and remembers its region for the class.
///
/// # Safety
/// As for [`host`].
unsafe fn held(fp: u64, op: u64, addr: u64, size: u64, kind: AccessKind) -> Result<(), Returned> {
    // SAFETY: by the contract.
    let host = unsafe { host(fp) };
    let class = class(&op_of(&host.linked, op));
    match host.find(addr, size, kind) {
        Ok(span) => {
            if span != Span::default() {
                // SAFETY: by the contract.
                unsafe { (*context(fp)).spans[class][kind.writes() as usize] = span };
            }
            Ok(())
        }
        Err(kind) => Err(host.trap(op, kind)),
    }
}

unsafe extern "C" fn load(fp: u64, op: u64, addr: u64) -> Returned {
    // SAFETY: called from code that was entered above; what is read was found in a region.
    unsafe {
        let size = width(&op_of(&host(fp).linked, op));
        match held(fp, op, addr, size.bytes(), AccessKind::Load) {
            Err(trap) => trap,
            Ok(()) => Returned::value(match size {
                AccessWidth::W8 => read::<u8>(addr),
                AccessWidth::W16 => read::<u16>(addr),
                AccessWidth::W32 => read::<u32>(addr),
                AccessWidth::W64 => read::<u64>(addr),
            }),
        }
    }
}

unsafe extern "C" fn store(fp: u64, op: u64, addr: u64, value: u64) -> Returned {
    // SAFETY: as for `load`.
    unsafe {
        let size = width(&op_of(&host(fp).linked, op));
        if let Err(trap) = held(fp, op, addr, size.bytes(), AccessKind::Store) {
            return trap;
        }
        match size {
            AccessWidth::W8 => write::<u8>(addr, value),
            AccessWidth::W16 => write::<u16>(addr, value),
            AccessWidth::W32 => write::<u32>(addr, value),
            AccessWidth::W64 => write::<u64>(addr, value),
        }
    }
    Returned::value(0)
}

unsafe extern "C" fn hold(fp: u64, op: u64, addr: u64) -> Returned {
    // SAFETY: as for `load`.
    unsafe {
        let what = op_of(&host(fp).linked, op);
        match held(fp, op, addr, width(&what).bytes(), kind(&what)) {
            Err(trap) => trap,
            Ok(()) => Returned::value(0),
        }
    }
}

unsafe extern "C" fn gather(fp: u64, ops: u64, base: u64) -> Returned {
    let (first, last) = of_few(ops);
    // SAFETY: as for `load`.
    let ((low, len), of) = unsafe {
        let prog = &host(fp).linked;
        (extent(prog, first, last), class(&op_of(prog, first)))
    };
    // SAFETY: as for `load`.
    if let Ok(span) = unsafe { host(fp) }.find(base.wrapping_add_signed(low), len, AccessKind::Load) {
        if span != Span::default() {
            // SAFETY: as for `load`.
            unsafe { (*context(fp)).spans[of][0] = span };
        }
        return Returned::value(base);
    }
    for op in first..=last {
        // SAFETY: as for `load`.
        let prog = &unsafe { host(fp) }.linked;
        let Some(off) = gathered(prog, first, op) else { continue };
        let (addr, size) = (base.wrapping_add_signed(off), width(&op_of(prog, op)).bytes());
        // SAFETY: as for `load`; what is read was found in a region.
        unsafe {
            if let Err(trap) = held(fp, op, addr, size, AccessKind::Load) {
                return trap;
            }
            gather_at(fp, off - low, addr, size);
        }
    }
    Returned::value(gathered_base(fp, low))
}

unsafe extern "C" fn recall(fp: u64, addr: u64, extent: u64) -> Returned {
    let (len, class, write) = of_extent(extent);
    let kind = if write { AccessKind::Store } else { AccessKind::Load };
    // SAFETY: as for `load`.
    let found = unsafe { host(fp) }.find(addr, len, kind);
    if let Ok(span) = found
        && span != Span::default()
    {
        // SAFETY: as for `load`.
        unsafe { (*context(fp)).spans[class % CLASSES][kind.writes() as usize] = span };
    }
    Returned { value: 0, status: found.is_err().into() }
}

unsafe extern "C" fn refuel(fp: u64) -> Returned {
    // SAFETY: as for `load`.
    let (host, context) = unsafe { (host(fp), &mut *context(fp)) };
    if host.cancel.is_cancelled() {
        host.pending = Some(TrapKind::Cancelled.into());
        return Returned::TRAP;
    }
    while context.fuel <= 0 {
        if host.left == 0 {
            host.pending = Some(TrapKind::Budget { limit: host.limit }.into());
            return Returned::TRAP;
        }
        let slice = host.left.min(SLICE);
        host.left -= slice;
        context.fuel += slice as i64;
    }
    Returned::value(0)
}

unsafe extern "C" fn fault(fp: u64, op: u64, addr: u64) -> Returned {
    // SAFETY: as for `load`.
    let host = unsafe { host(fp) };
    let what = op_of(&host.linked, op);
    let kind = match what.code {
        OpCode::CallSub => TrapKind::CallDepth,
        _ => TrapKind::Unaligned { addr, size: width(&what).bytes() },
    };
    host.trap(op, kind)
}

unsafe extern "C" fn place(fp: u64, op: u64) -> Returned {
    // SAFETY: as for `load`.
    let host = unsafe { host(fp) };
    let slot = host.linked.code.slot_of(op as usize).unwrap_or(0);
    host.pending = host.pending.take().map(|trap| trap.at(&host.linked.name, slot));
    Returned::TRAP
}
