//! Compiled programs: making machine code of lowered programs, and running it.
//!
//! When that happens is the engine's [`Strategy`](super::Strategy). Compiled code and the interpreter
//! share stack, memory and budget and give the same results, so each call of a function goes to
//! whichever there is: a callback whose address the compiler never saw is interpreted, for one.
//! Machine code belongs to the program it was made for; programs with the same code share it.

mod callable;
mod ops;
mod services;
mod shortcuts;
#[cfg(unix)]
mod sources;

use super::direct::Way;
use super::engine::{Engine, Strategy};
use super::known::Known;
use super::lower::LinkError;
use super::run::{Linked, Run};
use super::trap::Trap;
use super::{MAX_FRAMES, Outcome};
use oxbpf_jit::abi::{Context, Door, Returned, Services};
use oxbpf_jit::{Code, CompileError, Compiler, Fuel, MapAt, Mode, Op, OptLevel, PacketAt, Unit};
#[cfg(unix)]
pub(crate) use sources::Sources;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

pub use callable::Callable;
pub(crate) use services::{Waiting, context as context_of};

/// The functions that compiled code calls.
pub(crate) const SERVICES: Services = services::SERVICES;

/// Whether an operation needs a run around it: what it does is the host's.
pub(crate) fn asks_host(op: &super::op::Op) -> bool {
    use super::op::Code;
    matches!(
        op.code,
        Code::CallHelper
            | Code::CallReg
            | Code::TailCall
            | Code::PktAbs
            | Code::PktInd
            | Code::Trap
            | Code::Observe
    )
}

/// Whether the machine code of a proved program, bounded and in its own frames, needs a run around it: some
/// of it may trap, or asks the host for more than a lookup.
pub(crate) fn needs_run(prog: &Linked, engine: &Engine) -> bool {
    let mut ops = ops::ops(prog);
    shortcuts::shorten(prog, engine, &mut ops);
    ops.iter().enumerate().any(|(at, op)| match op {
        Op::CallHelper { .. } | Op::CallReg { .. } | Op::TailCall { .. } | Op::Packet { .. } => true,
        Op::Atomic { .. } | Op::LoadAcquire { .. } | Op::StoreRelease { .. } => true,
        Op::Trap => prog.known_of(at) != Some(Known::Unreached),
        _ => false,
    })
}

/// What tells programs apart as far as their code goes.
#[derive(PartialEq, Eq)]
struct Key {
    /// Made once of the rest: programs are long.
    hash: u64,
    ops: Box<[Op]>,
    /// With addresses of maps: who has them has the maps too.
    maps: Box<[MapAt]>,
    mode: Mode,
    fuel: Fuel,
    opt: OptLevel,
    packet: PacketAt,
}

impl Key {
    fn new(
        ops: Box<[Op]>,
        maps: Box<[MapAt]>,
        mode: Mode,
        fuel: Fuel,
        opt: OptLevel,
        packet: PacketAt,
    ) -> Key {
        let mut hasher = Numbers(0);
        (&ops, &maps, mode, fuel, opt, packet).hash(&mut hasher);
        Key { hash: hasher.finish(), ops, maps, mode, fuel, opt, packet }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Mixes small numbers, of which operations consist, faster than the hasher that withstands those who
/// choose them. Who makes programs collide makes only looking for code slower.
struct Numbers(u64);

impl Hasher for Numbers {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u64(b.into()));
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_i32(&mut self, number: i32) {
        self.write_u64(number as u64);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }
}

/// The compiler of an engine, and the code that is in use.
#[derive(Default)]
pub(crate) struct Workshop {
    compiler: OnceLock<Result<Compiler, CompileError>>,
    cache: Mutex<HashMap<Key, Weak<Code>>>,
}

/// How many programs are remembered before the dead are looked for.
const SWEEP: usize = 64;

impl Workshop {
    fn compile(&self, prog: &Linked, engine: &Engine, packet: PacketAt) -> Result<Arc<Code>, CompileError> {
        let config = engine.config();
        let compiler = self.compiler.get_or_init(Compiler::new).as_ref().map_err(Clone::clone)?;
        let mode = if prog.proven { Mode::Proven } else { Mode::Checked };
        let fuel = match (config.fuel, prog.bound) {
            (false, _) => Fuel::Off,
            (true, Some(bound)) if bound <= config.budget => Fuel::Count,
            (true, _) => Fuel::Limit,
        };
        let mut ops = ops::ops(prog);
        // What filters ask the host is answered by their packets, on whichever processor those came.
        if packet == PacketAt::Context {
            shortcuts::shorten(prog, engine, &mut ops);
        }
        let maps = shortcuts::maps(prog, engine, &ops);
        let key = Key::new(ops, maps, mode, fuel, config.opt_level, packet);
        if let Some(code) = self.cached(&key) {
            return Ok(code);
        }
        let unit = Unit {
            name: &prog.name,
            ops: &key.ops,
            slots: &prog.code.slots,
            mode,
            fuel,
            opt: config.opt_level,
            packet,
            maps: &key.maps,
        };
        let code = Arc::new(compiler.clone().keep_clif(config.keep_clif).compile(&unit)?);
        #[cfg(unix)]
        if let (Some(profile), Some(sources)) = (&config.profile, &prog.sources) {
            profile.record(&code, &sources::Told { prog, sources });
        }
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= SWEEP && cache.len().is_power_of_two() {
            cache.retain(|_, code| code.strong_count() > 0);
        }
        cache.insert(key, Arc::downgrade(&code));
        Ok(code)
    }

    fn cached(&self, key: &Key) -> Option<Arc<Code>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(key)?.upgrade()
    }
}

/// The machine code of a program, once there is some, and how often it has run without.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    code: OnceLock<Option<Arc<Code>>>,
    /// How it is entered without a run, if it can be.
    way: OnceLock<Option<Way>>,
    runs: AtomicU32,
}

impl Slot {
    /// The machine code.
    #[inline]
    pub fn get(&self) -> Option<&Arc<Code>> {
        self.code.get()?.as_ref()
    }
}

impl Linked {
    /// How its machine code is entered without a run, if there is some and it can be.
    #[inline]
    pub fn way(&self, engine: &Engine) -> Option<&Way> {
        let code = self.compiled.get()?;
        self.compiled.way.get_or_init(|| Way::of(self, code, engine)).as_ref()
    }
}

/// Compiles a program that was just linked, if that is the engine's strategy.
pub(crate) fn on_link(engine: &Engine, prog: &Linked) -> Result<(), LinkError> {
    if engine.config().strategy == Strategy::Compile {
        compile(engine, prog).map_err(LinkError::Compile)?;
    }
    Ok(())
}

/// Counts a run, and has the program compiled in the background when it has run often enough.
#[inline]
pub(crate) fn on_run(engine: &Engine, prog: &Arc<Linked>) {
    if let Strategy::Tiered { runs } = engine.config().strategy
        && prog.compiled.code.get().is_none()
        && prog.compiled.runs.fetch_add(1, Ordering::Relaxed) + 1 == runs.max(1)
    {
        let (engine, prog) = (engine.clone(), prog.clone());
        let work = move || {
            if compile(&engine, &prog).is_err() {
                // It goes on being interpreted.
                prog.compiled.code.set(None).ok();
            }
        };
        std::thread::Builder::new().name("oxbpf-compile".to_owned()).spawn(work).ok();
    }
}

/// Compiles a program unless that is done.
pub(crate) fn compile(engine: &Engine, prog: &Linked) -> Result<Arc<Code>, CompileError> {
    if let Some(code) = prog.compiled.get() {
        return Ok(code.clone());
    }
    let code = engine.workshop().compile(prog, engine, PacketAt::Context)?;
    Ok(prog.compiled.code.get_or_init(|| Some(code.clone())).clone().unwrap_or(code))
}

/// Compiles a program for [`PacketFilter`](super::PacketFilter).
pub(crate) fn compile_filter(
    engine: &Engine,
    prog: &Linked,
    packet: PacketAt,
) -> Result<Arc<Code>, CompileError> {
    engine.workshop().compile(prog, engine, packet)
}

/// How code goes to a program by itself.
#[derive(Clone, Copy)]
pub(crate) struct Gate {
    pub door: Door,
    /// Frames that it needs, and those that it may write to.
    pub frames: usize,
    pub used: usize,
    /// Instructions that it may rest on having.
    pub bound: u64,
    pub proven: bool,
}

impl Gate {
    /// How, if it has machine code that reads no registers but arguments and says how many frames it needs.
    pub fn of(prog: &Linked) -> Option<Gate> {
        let code = prog.compiled.get().filter(|code| !code.inherits())?;
        let (_, function) = code.entry(0)?;
        let (frames, bound, proven) = (function.depth?, prog.bound.unwrap_or(0), prog.proven);
        let used = code.frames_written(frames);
        Some(Gate { door: code.door()?, frames, used, bound, proven })
    }
}

impl Run<'_> {
    /// Runs a function of the current program in the innermost frame as machine code, if there is code
    /// for it and there are frames enough for what it calls.
    #[inline]
    pub(crate) fn exec_compiled(&mut self, entry: u32, args: [u64; 5]) -> Option<Result<u64, Trap>> {
        let code: *const Code = Arc::as_ptr(self.prog().compiled.get()?);
        // SAFETY: the current program, which the run keeps to its end, keeps its code.
        let (function, known) = unsafe { &*code }.entry(entry)?;
        if self.prog().bound.is_some_and(|bound| self.limit < bound) {
            // The code may rest on the bound instead of asking for fuel.
            return None;
        }
        let depth = self.depth;
        let frames = known.depth.unwrap_or(MAX_FRAMES - depth);
        if depth + frames > MAX_FRAMES {
            return None;
        }
        self.memory.enter(depth + frames - 1);
        let fp = self.memory.enter(depth);
        let cpu = self.cpu() as u64;
        let run: *mut Run<'_> = self;
        let (fuel, here) = (self.fuel, self.prog_ptr());
        let chain = known.chained.then(|| self.enter_chain(depth, args[0]));
        let context: *mut Context = self.memory.context();
        // SAFETY: the context is the run's own, and nobody else holds a reference to it.
        unsafe {
            (*context).run = run.cast();
            (*context).fuel = fuel;
            (*context).inherited = [0; 5];
            (*context).cpu = cpu;
            if known.chained {
                (*context).callee = (*code).address_of(known);
            }
        }
        // SAFETY: the frame pointer is that of a frame in a block with a context in it, there are frames
        // enough, the run keeps the code, and a proven program was vouched for or verified. Where a chain leads,
        // there are frames enough, the run keeps the programs, and they were held against it.
        let returned = unsafe { function(fp, args[0], args[1], args[2], args[3], args[4]) };
        // SAFETY: as above.
        self.fuel = unsafe { (*context).fuel };
        self.depth = depth;
        if let Some(before) = chain {
            self.leave_chain(before);
            self.set_prog(here);
        }
        Some(match returned.status {
            0 => Ok(returned.value),
            _ => Err(self.pending_trap()),
        })
    }

    /// What compiled code gave that was entered before there was a run, and what the run gives.
    pub(crate) fn end_of_entered(&mut self, returned: Returned) -> Result<Outcome, Trap> {
        // SAFETY: the context is the run's own, and nobody else holds a reference to it.
        self.fuel = unsafe { (*self.memory.context()).fuel };
        self.depth = 0;
        self.leave_chain(None);
        self.set_prog(self.began);
        let result = match returned.status {
            0 => Ok(returned.value),
            _ => Err(self.pending_trap()),
        };
        self.conclude(result)
    }

    /// The trap that compiled code left, or the panic of a host function that it passed.
    #[cold]
    fn pending_trap(&mut self) -> Trap {
        if let Some(panic) = self.panic.take() {
            std::panic::resume_unwind(panic);
        }
        self.pending.take().expect("a status other than 0 comes with a trap")
    }
}
