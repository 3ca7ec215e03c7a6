//! The compiler: a description of the machine, made once, and what it compiles.

use crate::code::{Code, Function};
use crate::error::{CompileError, refused};
use crate::flow::{Flow, Func};
use crate::inline::Inline;
use crate::memory::Provider;
use crate::origins::Origins;
use crate::pool::Pool;
use crate::program::{Fuel, OptLevel, Unit};
use crate::signatures::{chained_signature, signature};
use crate::stubs::Stubs;
use crate::sweep::sweep;
use crate::translate::Plan;
use crate::{constants, frames, placement, slots, translate};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CompiledCode, Context};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Module, ModuleError, ModuleReloc};
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Makes machine code for this machine.
#[derive(Clone)]
pub struct Compiler {
    machine: &'static Machine,
    keep_clif: bool,
}

/// What is known of the machine, for all compilers.
struct Machine {
    full: OwnedTargetIsa,
    fast: OwnedTargetIsa,
    /// The same for programs with chained functions, which need frame pointers; made when there is one.
    chained: OnceLock<Result<[OwnedTargetIsa; 2], CompileError>>,
    stubs: Stubs,
    /// What compilers before have left to work with.
    spare: Mutex<Vec<Box<Scratch>>>,
}

static MACHINE: OnceLock<Machine> = OnceLock::new();

/// What the code generator works with. It grows with the functions that go through it, and fresh memory
/// costs more than what is done in it, so it is kept for the next.
struct Scratch {
    context: Context,
    builder: FunctionBuilderContext,
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch { context: Context::new(), builder: FunctionBuilderContext::new() }
    }
}

/// So many are kept, and none that has seen a program of more operations.
const SPARE: usize = 4;
const LARGEST: usize = 1 << 14;

impl Machine {
    /// Describes the machine, unless that was done.
    fn get() -> Result<&'static Machine, CompileError> {
        let supported =
            cfg!(all(unix, any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")));
        if !supported {
            return Err(CompileError::Machine);
        }
        if let Some(machine) = MACHINE.get() {
            return Ok(machine);
        }
        let [full, fast] = isas(false)?;
        let (stubs, chained) = (Stubs::new(&full)?, OnceLock::new());
        Ok(MACHINE.get_or_init(|| Machine { full, fast, chained, stubs, spare: Mutex::default() }))
    }

    fn isa(&self, opt: OptLevel, chained: bool) -> Result<&OwnedTargetIsa, CompileError> {
        let (full, fast) = match chained {
            false => (&self.full, &self.fast),
            true => {
                let made = self.chained.get_or_init(|| isas(true)).as_ref();
                let [full, fast] = made.map_err(Clone::clone)?;
                (full, fast)
            }
        };
        Ok(match opt {
            OptLevel::Full => full,
            OptLevel::Fast => fast,
        })
    }

    fn scratch(&self) -> Box<Scratch> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_default()
    }

    fn give_back(&self, scratch: Box<Scratch>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(scratch);
        }
    }
}

impl Compiler {
    /// A compiler for the machine it runs on.
    ///
    /// # Errors
    /// When there is none.
    pub fn new() -> Result<Compiler, CompileError> {
        Ok(Compiler { machine: Machine::get()?, keep_clif: false })
    }

    /// Keeps the intermediate form with the code.
    #[must_use]
    pub fn keep_clif(mut self, keep: bool) -> Compiler {
        self.keep_clif = keep;
        self
    }

    /// Compiles a program.
    ///
    /// # Errors
    /// When it leads outside itself, shares too much code between functions, or the generator refuses.
    pub fn compile(&self, unit: &Unit<'_>) -> Result<Code, CompileError> {
        let mut scratch = self.machine.scratch();
        let code = self.compile_with(unit, &mut scratch)?;
        if unit.ops.len() <= LARGEST {
            self.machine.give_back(scratch);
        }
        Ok(code)
    }

    fn compile_with(&self, unit: &Unit<'_>, scratch: &mut Scratch) -> Result<Code, CompileError> {
        let flow = Flow::of(unit)?;
        let places = slots::places(unit, &flow);
        let chained = translate::is_chained(unit, &flow);
        let isa = self.machine.isa(unit.opt, chained)?;
        let provider = Provider::default();
        let mut builder = JITBuilder::with_isa(isa.clone(), Box::new(|call| call.to_string()));
        builder.memory_provider(Box::new(provider.clone()));
        let mut module = JITModule::new(builder);
        let ids = declare(&mut module, &flow, chained)?;
        let inline = Inline::plan(unit, &flow);
        let origins = Origins::of(unit, &flow.funcs);
        let pool = Pool::default();
        let stubs: &'static Stubs = &self.machine.stubs;
        let plan = Plan {
            unit,
            flow: &flow,
            places: &places.of,
            origins: &origins,
            inline: &inline,
            stubs,
            pool: &pool,
            chained,
        };
        let mut clif = String::new();
        let mut made: Vec<Option<Made>> = vec![None; flow.funcs.len()];
        let Scratch { context, builder: builder_context } = scratch;
        // What the host may call, and what those call.
        let mut todo: Vec<usize> = (0..flow.funcs.len()).filter(|&f| flow.funcs[f].by_address).collect();
        while let Some(index) = todo.pop() {
            if made[index].is_some() {
                continue;
            }
            module.clear_context(context);
            context.func.signature = module.declarations().get_function_decl(ids[index]).signature.clone();
            context.func.name = cranelift_codegen::ir::UserFuncName::user(0, ids[index].as_u32());
            let target = module.target_config();
            let builder = FunctionBuilder::new(&mut context.func, builder_context);
            let mut import = |b: &mut FunctionBuilder<'_>, callee: usize| {
                todo.push(callee);
                module.declare_func_in_func(ids[callee], b.func)
            };
            if translate::function(&plan, index, builder, &mut import, target) {
                sweep(&mut context.func);
            }
            if unit.opt == OptLevel::Full {
                if flow.funcs[index].loops {
                    // Registers that loops do not change are the constants that they were before.
                    context.compute_cfg();
                    context.compute_domtree();
                    let reached = context.eliminate_unreachable_code(module.isa());
                    let done = reached.and_then(|()| context.remove_constant_phis(module.isa()));
                    done.map_err(|e| refused(ModuleError::Compilation(e)))?;
                }
                constants::cheapen(&mut context.func);
                // There may be more blocks now.
                context.cfg.clear();
                context.domtree.clear();
            }
            if self.keep_clif {
                clif.push_str(&context.func.display().to_string());
                clif.push('\n');
            }
            let code = context.compile(module.isa(), &mut Default::default());
            code.map_err(|e| refused(ModuleError::Compilation(e.inner)))?;
            let code = context.compiled_code();
            let code = code.ok_or(CompileError::Malformed { op: flow.funcs[index].entry })?;
            let mut bytes = code.code_buffer().to_vec();
            if chained && flow.funcs[index].entry == 0 && frames::may_go(&context.func) {
                frames::take(&mut bytes);
            }
            let relocation = |r| ModuleReloc::from_mach_reloc(r, &context.func, ids[index]);
            made[index] = Some(Made {
                bytes,
                alignment: code.buffer.alignment,
                phase: (unit.opt == OptLevel::Full).then(|| placement::phase(code)),
                relocations: code.buffer.relocs().iter().map(relocation).collect(),
                locations: locations_of(code),
            });
        }
        let room = made.iter().flatten().map(Made::room).sum();
        provider.reserve(room).map_err(|_| CompileError::Memory)?;
        for (made, &id) in made.iter().zip(&ids) {
            let Some(made) = made else { continue };
            if let Some(phase) = made.phase {
                provider.begin_at(phase);
            }
            let alignment = made.alignment.into();
            module.define_function_bytes(id, alignment, &made.bytes, &made.relocations).map_err(refused)?;
        }
        module.finalize_definitions().map_err(refused)?;
        let memory = provider.take().ok_or(CompileError::Memory)?;
        let base = memory.bytes().as_ptr().addr();
        let functions = flow.funcs.iter().zip(ids).zip(made).filter_map(|((func, id), made)| {
            let Made { bytes, locations, .. } = made?;
            Some(Function {
                op: func.entry,
                offset: module.get_finalized_function(id).addr() - base,
                len: bytes.len(),
                depth: func.depth,
                by_address: func.by_address,
                chained: chained && func.entry == 0,
                locations,
            })
        });
        let functions = functions.collect();
        let (reads_fresh_frames, uses_frames) = (places.reads_fresh, places.used);
        let inherits = flow.funcs.iter().any(|func| func.inherits());
        let refuels = unit.fuel == Fuel::Limit && flow.funcs.iter().any(|func| func.loops);
        let _pool = pool.into_words();
        Ok(Code { memory, functions, clif, reads_fresh_frames, uses_frames, inherits, refuels, stubs, _pool })
    }
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler")
            .field("machine", &self.machine.full.triple().to_string())
            .finish_non_exhaustive()
    }
}

/// The descriptions of this machine, for fast code and for fast compiling.
fn isas(frame_pointers: bool) -> Result<[OwnedTargetIsa; 2], CompileError> {
    let frame_pointers = ("preserve_frame_pointers", if frame_pointers { "true" } else { "false" });
    Ok([
        isa(&[("opt_level", "speed"), ("machine_code_cfg_info", "true"), frame_pointers])?,
        isa(&[("opt_level", "none"), ("regalloc_algorithm", "single_pass"), frame_pointers])?,
    ])
}

/// The description of this machine with some settings.
fn isa(flags: &[(&str, &str)]) -> Result<OwnedTargetIsa, CompileError> {
    let mut builder = settings::builder();
    let checks = if cfg!(any(test, debug_assertions)) { "true" } else { "false" };
    let always = [
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("enable_probestack", "false"),
        ("unwind_info", "false"),
        ("enable_verifier", checks),
        ("regalloc_checker", checks),
    ];
    for (name, value) in always.iter().chain(flags) {
        builder.set(name, value).map_err(|e| CompileError::Codegen(e.to_string().into()))?;
    }
    let machine = cranelift_native::builder().map_err(|_| CompileError::Machine)?;
    let isa = machine.finish(settings::Flags::new(builder));
    isa.map_err(|e| CompileError::Codegen(e.to_string().into()))
}

fn declare(module: &mut JITModule, flow: &Flow, chained: bool) -> Result<Vec<FuncId>, CompileError> {
    let declare = |func: &Func| {
        let signature = match chained && func.entry == 0 {
            true => chained_signature(),
            false => signature(1 + translate::params(func).count_ones() as usize),
        };
        module.declare_anonymous_function(&signature).map_err(refused)
    };
    flow.funcs.iter().map(declare).collect()
}

/// A function before it is placed.
#[derive(Clone)]
struct Made {
    bytes: Vec<u8>,
    alignment: u32,
    /// Where in a line it should begin, if that matters.
    phase: Option<usize>,
    relocations: Vec<ModuleReloc>,
    locations: Vec<(u32, u32)>,
}

impl Made {
    /// Bytes that it needs at most, wherever it begins; calls may need a detour each.
    fn room(&self) -> usize {
        const DETOUR: usize = 32;
        self.bytes.len() + self.alignment.max(64) as usize + DETOUR * self.relocations.len()
    }
}

/// Where the code of operations begins.
fn locations_of(code: &CompiledCode) -> Vec<(u32, u32)> {
    let mut locations: Vec<(u32, u32)> = Vec::new();
    for range in code.buffer.get_srclocs_sorted() {
        if !range.loc.is_default() && locations.last().is_none_or(|l| l.1 != range.loc.bits()) {
            locations.push((range.start, range.loc.bits()));
        }
    }
    locations
}
