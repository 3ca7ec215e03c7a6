//! One run of a program: everything that lives as long as it does.
//!
//! Helpers see the run through its methods: memory held against the regions, maps by handle,
//! the packet, the host's state. Which helper does what stands in [`helpers`](super::helpers).
//!
//! Programs and maps that a run has come across are kept until its end, as read-copy-update keeps
//! them in the kernel, so that an address or a handle seen once stays good.

use super::context::{ContextLayout, FieldAccess};
use super::engine::Engine;
use super::input::{Input, Subject};
use super::linker::Table;
use super::lower::Lowered;
use super::maps::{Map, ValueSpan};
use super::memory::{Memory, Region, read};
use super::quick::QuickMap;
use super::steps::Steps;
use super::task::Task;
use super::trap::{AccessKind, RegionKind, Trap, TrapKind};
use super::{Outcome, Redirect};
use oxbpf_isa::kernel::ProgType;
use oxbpf_isa::proof::ContextUse;
use std::any::{Any, TypeId};
use std::ops::Deref;
use std::ptr;
use std::sync::{Arc, OnceLock};

/// The tag of handles of maps, above all addresses of memory.
const MAP_TAG: u64 = 0xba00_0000 << 32;
/// Set in handles of inner maps, which the run has numbered.
const INNER: u32 = 1 << 31;

/// Instructions after which the host's wish to cancel is looked at.
pub(crate) const SLICE: u64 = 1 << 16;

/// A program with everything it refers to.
#[derive(Debug)]
pub(crate) struct Linked {
    pub name: Arc<str>,
    pub code: Lowered,
    pub maps: Box<[Arc<dyn Map>]>,
    /// How each is looked up.
    pub quick: Box<[QuickMap]>,
    pub table: Arc<Table>,
    /// Runs without looking accesses up.
    pub proven: bool,
    pub prog_type: Option<ProgType>,
    pub xdp_frags: bool,
    /// The number that the user side of arrays of programs reads.
    pub id: u32,
    /// The context a proven program was vouched for, when it has packet pointers.
    pub context: Option<ContextLayout>,
    /// How a program that a verifier proved uses its context.
    pub context_use: Option<ContextUse>,
    /// How many instructions a run executes at most, where a proof says so.
    #[cfg(feature = "jit")]
    pub bound: Option<u64>,
    /// What is known of its operations, where a verifier proved it.
    #[cfg(feature = "jit")]
    pub known: Box<[(u32, super::known::Known)]>,
    /// The number of its group, which no other has: programs of one linker, which keep each other.
    pub group: u64,
    /// The type of the host's state that its functions expect.
    pub state: TypeId,
    /// Where the kernel's exception callback of this program begins, if it names one.
    pub exception_callback: Option<u32>,
    /// What the interpreter runs, once it has.
    pub steps: OnceLock<Steps>,
    /// Its machine code, once there is some.
    #[cfg(feature = "jit")]
    pub compiled: super::compiled::Slot,
    /// What profilers are told of it, where there is one.
    #[cfg(all(feature = "jit", unix))]
    pub sources: Option<super::compiled::Sources>,
}

impl Linked {
    /// What a program holds for the map with this index.
    pub fn map_handle(index: usize) -> u64 {
        MAP_TAG | index as u32 as u64
    }

    /// What would be the index of the program's own map that a handle means, however large.
    #[inline(always)]
    pub fn map_number(handle: u64) -> usize {
        usize::try_from(handle ^ MAP_TAG).unwrap_or(usize::MAX)
    }

    /// The index of the program's own map that a handle means.
    #[cfg(feature = "jit")]
    pub fn map_index(&self, handle: u64) -> Option<u32> {
        let index = u32::try_from(handle ^ MAP_TAG).ok()?;
        ((index as usize) < self.maps.len()).then_some(index)
    }

    /// What is known of an operation.
    #[cfg(feature = "jit")]
    pub fn known_of(&self, op: usize) -> Option<super::known::Known> {
        let found = self.known.binary_search_by_key(&(op as u32), |known| known.0).ok()?;
        Some(self.known[found].1)
    }

    /// Whether our verifier proved it.
    #[cfg(feature = "jit")]
    pub fn is_verified(&self) -> bool {
        self.context_use.is_some()
    }

    /// What the interpreter runs.
    #[inline]
    pub fn steps(&self) -> &Steps {
        self.steps.get_or_init(|| Steps::of(self))
    }

    /// Whether there is machine code.
    pub fn is_compiled(&self) -> bool {
        #[cfg(feature = "jit")]
        return self.compiled.get().is_some();
        #[cfg(not(feature = "jit"))]
        return false;
    }
}

/// The part of a map value that an address in it lies in: all of it, or what is between members that
/// only helpers may touch.
pub(crate) fn value_region(map: &dyn Map, span: ValueSpan, addr: u64) -> Option<Region> {
    let offset = addr - span.start as u64;
    let (mut start, mut end) = (0, span.len as u64);
    for field in map.head().special() {
        let (from, to) = (field.offset as u64, field.offset as u64 + field.size as u64);
        if to <= offset {
            start = to;
        } else if from <= offset {
            return None;
        } else {
            end = from;
            break;
        }
    }
    let writable = map.head().program_may_write();
    let (start, len) = (span.start as u64 + start, end - start);
    Some(Region { start, len, kind: RegionKind::MapValue, writable })
}

/// A map that lives at least until the end of the run.
#[derive(Clone, Copy)]
pub(crate) struct MapRef(ptr::NonNull<dyn Map>);

impl Deref for MapRef {
    type Target = dyn Map;

    fn deref(&self) -> &(dyn Map + 'static) {
        // SAFETY: made only by `Run::map`, from a map that the run keeps to its end; helpers store it in the
        // run alone.
        unsafe { self.0.as_ref() }
    }
}

/// What a run keeps, in room that the next may use.
#[derive(Default)]
pub(crate) struct Kept {
    /// Programs of other groups that it has gone to.
    progs: Vec<Arc<Linked>>,
    /// Maps it has found in others.
    inner: Vec<Arc<dyn Map>>,
    scratch: [Vec<u8>; 2],
}

/// A reserved ring buffer record.
#[derive(Clone, Copy)]
pub(crate) struct Reservation {
    pub start: u64,
    /// The map; its handle means another in a program that was gone to.
    pub map: MapRef,
}

/// One run.
pub(crate) struct Run<'a> {
    pub engine: &'a Engine,
    prog: *const Linked,
    /// The program it began with. Whoever began the run keeps its group.
    pub(super) began: &'a Linked,
    pub memory: Box<Memory>,
    /// The innermost frame.
    pub depth: usize,
    /// Instructions left before the budget and the host are looked at.
    pub fuel: i64,
    /// The part of it that the interpreter's current chain of steps was not given.
    pub bank: i64,
    /// The operation in which the last chain ended for want of fuel.
    pub spent_at: u32,
    /// The trap in which the interpreter's current function ends.
    pub ended: Option<Trap>,
    granted: u64,
    left: u64,
    pub limit: u64,
    pub tail_calls: usize,
    pub data: &'a mut dyn Any,
    pub input: &'a mut Input<'a>,
    /// The CPU it counts as running on, below the engine's number.
    cpu: u32,
    pub reservations: Vec<Reservation>,
    /// Addresses of spin locks this run holds.
    pub locks: Vec<u64>,
    pub redirect: Option<Redirect>,
    /// A trap on its way through compiled code, or a panic of the host's.
    #[cfg(feature = "jit")]
    pub pending: Option<Trap>,
    #[cfg(feature = "jit")]
    pub panic: Option<Box<dyn Any + Send>>,
}

impl<'a> Run<'a> {
    /// A run of `prog` on `input`, in the memory of an earlier run.
    #[inline(always)]
    pub fn new(
        engine: &'a Engine,
        prog: &'a Linked,
        data: &'a mut dyn Any,
        input: &'a mut Input<'a>,
        mut memory: Box<Memory>,
    ) -> Run<'a> {
        memory.reset();
        Run::with(engine, prog, data, input, memory)
    }

    /// Makes a run that was put where it stays the run of a program whose machine code was entered without one.
    #[cfg(feature = "jit")]
    pub fn take_over(&mut self) {
        self.memory.forget_run();
        self.grant();
        self.lay_out();
    }

    /// A run in memory as it is.
    #[inline(always)]
    pub fn with(
        engine: &'a Engine,
        prog: &'a Linked,
        data: &'a mut dyn Any,
        input: &'a mut Input<'a>,
        memory: Box<Memory>,
    ) -> Run<'a> {
        let cpu = input.cpu_of(engine);
        let limit = input.budget.unwrap_or(engine.config().budget);
        Run {
            engine,
            prog,
            began: prog,
            memory,
            depth: 0,
            fuel: 0,
            bank: 0,
            spent_at: 0,
            ended: None,
            granted: 0,
            left: limit,
            limit,
            tail_calls: 0,
            data,
            input,
            cpu,
            reservations: Vec::new(),
            locks: Vec::new(),
            redirect: None,
            #[cfg(feature = "jit")]
            pending: None,
            #[cfg(feature = "jit")]
            panic: None,
        }
    }

    /// Runs the program to its end.
    pub fn finish(&mut self) -> Result<Outcome, Trap> {
        let result = self.start();
        self.conclude(result)
    }

    /// What the run gives, with this from its program.
    pub fn conclude(&mut self, result: Result<u64, Trap>) -> Result<Outcome, Trap> {
        let result = match result {
            Err(trap) => match *trap.kind() {
                TrapKind::Thrown(cookie) => self.caught(cookie),
                _ => Err(trap),
            },
            ok => ok,
        };
        let insns = self.granted.wrapping_add_signed(-self.fuel);
        if !self.reservations.is_empty() || !self.locks.is_empty() {
            self.release_all();
        }
        self.memory.kept.progs.clear();
        self.memory.kept.inner.clear();
        let ret = result?;
        Ok(Outcome { ret, insns, redirect: self.redirect.take() })
    }

    fn start(&mut self) -> Result<u64, Trap> {
        self.fuel = self.refuel(0)?;
        let args = self.lay_out();
        self.begin_tail_calls(args[0]);
        self.exec(0, args)
    }

    /// What an exception leaves in R0: the cookie, or what the program's own callback makes of it.
    fn caught(&mut self, cookie: u64) -> Result<u64, Trap> {
        self.set_prog(self.began);
        self.depth = 0;
        match self.prog().exception_callback {
            Some(entry) => self.exec(entry, [cookie, 0, 0, 0, 0]),
            None => Ok(cookie),
        }
    }

    /// Makes the input's memory regions of the run, and the arguments from it.
    fn lay_out(&mut self) -> [u64; 5] {
        let mut args = self.input.args;
        if let Some(packet) = self.input.packet.as_deref_mut() {
            let (start, len) = packet.span();
            let writable = match &self.input.subject {
                Subject::Context(context) => context.layout().packet_writable,
                _ => true,
            };
            self.memory.add(Region { start, len, kind: RegionKind::Packet, writable });
        }
        match &mut self.input.subject {
            Subject::None => {}
            Subject::Memory(bytes) => {
                let start = bytes.as_mut_ptr().expose_provenance() as u64;
                let len = bytes.len() as u64;
                let kind = RegionKind::Granted;
                self.memory.add(Region { start, len, kind, writable: true });
                args[0] = if len == 0 { 0 } else { start };
                args[1] = len;
            }
            Subject::Context(context) => {
                let start = context.address();
                let len = context.layout().size as u64;
                self.memory.add(Region { start, len, kind: RegionKind::Context, writable: true });
                args[0] = start;
                if self.input.packet.is_none() {
                    // Those of an earlier packet may be gone.
                    context.show_packet(None);
                }
            }
        }
        for grant in &self.input.grants {
            let kind = RegionKind::Granted;
            self.memory.add(Region { start: grant.start, len: grant.len, kind, writable: grant.writable });
        }
        self.update_packet();
        args
    }

    /// The program that is running.
    #[inline]
    pub fn prog(&self) -> &Linked {
        // SAFETY: the programs of a run live until its end.
        unsafe { &*self.prog }
    }

    /// The steps of the program that is running.
    #[inline]
    pub fn steps(&self) -> &Steps {
        self.prog().steps()
    }

    #[inline]
    pub fn prog_ptr(&self) -> *const Linked {
        self.prog
    }

    /// Makes a program that the run keeps the running one.
    #[inline]
    pub fn set_prog(&mut self, prog: *const Linked) {
        debug_assert!(ptr::eq(prog, self.began) || self.gone_to().any(|gone| ptr::eq(gone, prog)));
        self.prog = prog;
    }

    /// Keeps a program until the end of the run.
    pub fn keep(&mut self, prog: Arc<Linked>) -> *const Linked {
        let ptr = Arc::as_ptr(&prog);
        let kept = &mut self.memory.kept.progs;
        if !ptr::eq(ptr, self.began) && !kept.iter().any(|k| ptr::eq(Arc::as_ptr(k), ptr)) {
            kept.push(prog);
        }
        ptr
    }

    /// Gives the next slice of the budget.
    #[cold]
    pub fn refuel(&mut self, fuel: i64) -> Result<i64, Trap> {
        let mut fuel = fuel;
        if self.input.cancel.is_some_and(|c| c.is_cancelled()) {
            return Err(TrapKind::Cancelled.into());
        }
        while fuel <= 0 {
            if self.left == 0 {
                return Err(TrapKind::Budget { limit: self.limit }.into());
            }
            fuel += self.grant();
        }
        Ok(fuel)
    }

    /// Takes a slice from the budget.
    fn grant(&mut self) -> i64 {
        let slice = self.left.min(SLICE);
        self.left -= slice;
        self.granted += slice;
        slice as i64
    }

    #[inline]
    pub fn call_helper(&mut self, index: usize, args: [u64; 5]) -> Result<u64, Trap> {
        let table: *const Table = &*self.prog().table;
        // SAFETY: the table belongs to a program that the run keeps; it is never changed once a
        // program is linked against it.
        unsafe { &*table }.call(index, self, args)
    }

    /// The map that a handle means.
    #[inline]
    pub fn map(&self, handle: u64) -> Result<MapRef, Trap> {
        self.map_arc(handle).map(|map| MapRef(ptr::NonNull::from(&**map)))
    }

    /// The same as a shared pointer.
    #[inline]
    pub fn map_arc(&self, handle: u64) -> Result<&Arc<dyn Map>, Trap> {
        let index = u32::try_from(handle ^ MAP_TAG).ok();
        let found = index.and_then(|i| match i & INNER {
            0 => self.prog().maps.get(i as usize),
            _ => self.memory.kept.inner.get((i ^ INNER) as usize),
        });
        found.ok_or_else(|| TrapKind::NotAMap { handle }.into())
    }

    /// A handle for a map that was found in another.
    pub fn inner_handle(&mut self, map: Arc<dyn Map>) -> u64 {
        let same = |m: &Arc<dyn Map>| ptr::addr_eq(Arc::as_ptr(m), Arc::as_ptr(&map));
        let index = self.memory.kept.inner.iter().rposition(same).unwrap_or_else(|| {
            self.memory.kept.inner.push(map.clone());
            self.memory.kept.inner.len() - 1
        });
        MAP_TAG | (index as u32 | INNER) as u64
    }

    /// The map value that an address lies in, with its map.
    fn value_at(&self, addr: u64) -> Option<(&Arc<dyn Map>, ValueSpan)> {
        let at = usize::try_from(addr).ok()?;
        let kept = &self.memory.kept;
        let others = self.gone_to().flat_map(|p| p.maps.iter());
        let known = self.began.maps.iter().chain(others).chain(&kept.inner);
        known.filter_map(|m| Some((m, m.value_span(at)?))).next()
    }

    /// The map value that an address lies in.
    pub fn value_span(&self, addr: u64) -> Option<ValueSpan> {
        self.value_at(addr).map(|(_, span)| span)
    }

    /// Shows the machine to the engine's observer.
    #[cold]
    #[inline(never)]
    pub fn observe(&self, slot: u32, regs: &[u64; 11]) {
        if let Some(observer) = &self.engine.config().observer {
            observer.insn(&super::observe::Observed { run: self, slot, depth: self.depth, regs });
        }
    }

    /// The part of a map value that an address lies in: all of it, or what is between members that
    /// only helpers may touch (locks, timers).
    #[cold]
    pub fn map_region(&self, addr: u64) -> Option<Region> {
        let (map, span) = self.value_at(addr)?;
        value_region(&**map, span, addr)
    }

    /// Holds the address of a spin lock: it must be one of a map value.
    pub fn hold_lock(&self, addr: u64, kind: AccessKind) -> Result<(), Trap> {
        let good = self.value_at(addr).is_some_and(|(map, span)| {
            map.head().spin_lock().is_some_and(|lock| span.start as u64 + lock as u64 == addr)
        });
        if good { Ok(()) } else { Err(self.missed(addr, 4, kind)) }
    }

    /// The current task and CPU.
    pub fn task(&self) -> &Task {
        self.input.task_of(self.engine)
    }

    /// The CPU the run counts as running on.
    #[inline]
    pub fn cpu(&self) -> u32 {
        self.cpu
    }

    /// Reads bytes that the program names. In checked mode they must lie in one region.
    ///
    /// The result is either a borrow of memory that only this run has, or a copy made with plain
    /// reads in `scratch`, since other programs may be writing map values.
    #[inline]
    pub fn bytes(&mut self, addr: u64, len: u64, scratch: usize) -> Result<&[u8], Trap> {
        self.hold(addr, len, AccessKind::HelperRead)?;
        let len = len as usize;
        if self.memory.in_stack(addr, len as u64) {
            let at = ptr::with_exposed_provenance::<u8>(addr as usize);
            // SAFETY: the bytes lie in one live frame, which nothing writes while a helper holds
            // `self` borrowed.
            return Ok(unsafe { std::slice::from_raw_parts(at, len) });
        }
        let mut buffer = std::mem::take(&mut self.memory.kept.scratch[scratch]);
        // SAFETY: held above.
        unsafe { copy_from(addr, len, &mut buffer) };
        self.memory.kept.scratch[scratch] = buffer;
        Ok(&self.memory.kept.scratch[scratch])
    }

    /// Reads two ranges of bytes, as [`Run::bytes`].
    #[inline]
    pub fn two(&mut self, a: (u64, u64), b: (u64, u64)) -> Result<(&[u8], &[u8]), Trap> {
        let first: *const [u8] = self.bytes(a.0, a.1, 0)?;
        let second: *const [u8] = self.bytes(b.0, b.1, 1)?;
        // SAFETY: each is the stack or its own scratch buffer, and nothing writes either while
        // `self` is borrowed.
        Ok(unsafe { (&*first, &*second) })
    }

    /// Copies bytes that the program names.
    pub fn copy(&mut self, addr: u64, len: u64) -> Result<Vec<u8>, Trap> {
        self.bytes(addr, len, 0).map(<[u8]>::to_vec)
    }

    /// Writes bytes where the program says.
    #[inline]
    pub fn write_bytes(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Trap> {
        self.hold(addr, bytes.len() as u64, AccessKind::HelperWrite)?;
        let at = ptr::with_exposed_provenance_mut::<u8>(addr as usize);
        // SAFETY: held above; `bytes` is memory of the host, at most the same bytes.
        unsafe { ptr::copy(bytes.as_ptr(), at, bytes.len()) };
        Ok(())
    }

    /// Reads bytes, held whatever the mode.
    pub fn bytes_held(&mut self, addr: u64, len: u64) -> Result<&[u8], Trap> {
        self.hold_always(addr, len, AccessKind::HelperRead)?;
        self.bytes(addr, len, 0)
    }

    /// Writes bytes, held whatever the mode.
    pub fn write_held(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Trap> {
        self.hold_always(addr, bytes.len() as u64, AccessKind::HelperWrite)?;
        self.write_bytes(addr, bytes)
    }

    /// Holds a helper's access whatever the mode.
    pub fn hold_always(&mut self, addr: u64, len: u64, kind: AccessKind) -> Result<(), Trap> {
        if len == 0 || self.memory.in_stack(addr, len) { Ok(()) } else { self.look_up(addr, len, kind) }
    }

    /// Fills bytes where the program says with zeros.
    pub fn zero_bytes(&mut self, addr: u64, len: u64) -> Result<(), Trap> {
        self.hold(addr, len, AccessKind::HelperWrite)?;
        // SAFETY: held above.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(addr as usize).write_bytes(0, len as usize) };
        Ok(())
    }

    /// Holds a helper's access to memory of the program.
    #[inline]
    pub fn hold(&mut self, addr: u64, len: u64, kind: AccessKind) -> Result<(), Trap> {
        if self.prog().proven || len == 0 || self.memory.in_stack(addr, len) {
            return Ok(());
        }
        self.look_up(addr, len, kind)
    }

    /// Reads a string that the program names, held whatever the mode, to its null byte or at most `max`
    /// bytes; `None` when memory ends before.
    pub fn string(&mut self, addr: u64, max: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        while out.len() < max {
            let at = addr.wrapping_add(out.len() as u64);
            self.hold_always(at, 1, AccessKind::HelperRead).ok()?;
            // SAFETY: held just now.
            match unsafe { read::<u8>(at) } {
                0 => break,
                byte => out.push(byte as u8),
            }
        }
        Some(out)
    }

    /// The value of a context field that is wider for the host, if the access is a load of one.
    pub fn wide_field(&self, addr: u64, size: u64) -> Option<u64> {
        let Subject::Context(context) = &self.input.subject else { return None };
        let offset = u32::try_from(addr.wrapping_sub(context.address_now())).ok()?;
        if context.layout().is_plain() || offset >= context.layout().size {
            return None;
        }
        match context.layout().judge(offset, size as u32, false) {
            FieldAccess::Wide(what) => Some(context.wide(what)),
            _ => None,
        }
    }

    /// Whether the context's own rules allow an access inside it.
    pub fn judge_context(&self, offset: u64, size: u64, write: bool) -> bool {
        let Subject::Context(context) = &self.input.subject else { return false };
        context.layout().judge(offset as u32, size as u32, write) == FieldAccess::Plain
    }

    /// Tells memory and context where the packet now lies.
    pub fn update_packet(&mut self) {
        let Some(packet) = self.input.packet.as_deref_mut() else { return };
        let (start, len) = packet.span();
        self.memory.move_packet(start, len);
        #[cfg(feature = "jit")]
        self.memory.show_packet(packet.addresses().1, packet.len() as u64);
        if let Subject::Context(context) = &mut self.input.subject {
            context.show_packet(Some(packet));
        }
    }

    /// A packet load of classic BPF's kind, in the byte order of the network.
    pub fn packet_load(&self, offset: i32, size: usize) -> Option<u64> {
        let bytes = self.input.packet.as_deref()?.relative(offset, size)?;
        Some(bytes.iter().fold(0, |value, &byte| value << 8 | byte as u64))
    }

    /// Undoes what a run that trapped left behind, or a program that no verifier saw.
    #[cold]
    fn release_all(&mut self) {
        for record in std::mem::take(&mut self.reservations) {
            super::helpers::ringbuf::abandon(record);
        }
        for lock in std::mem::take(&mut self.locks) {
            super::helpers::lock::force_unlock(lock);
        }
    }
}

/// Copies bytes at a bare address into `buffer`.
///
/// # Safety
/// The bytes lie inside one live region of the run.
unsafe fn copy_from(addr: u64, len: usize, buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.reserve(len);
    // SAFETY: `buffer` has room for `len` bytes, is no memory of a program, and all of them are
    // written before its length says so.
    unsafe {
        let at = ptr::with_exposed_provenance::<u8>(addr as usize);
        ptr::copy_nonoverlapping(at, buffer.as_mut_ptr(), len);
        buffer.set_len(len);
    }
}
