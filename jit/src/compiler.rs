//! The compiler: a description of the machine, made once, and what it compiles.

use crate::code::{Code, Function};
use crate::error::CompileError;
use crate::flow::Flow;
use crate::inline::Inline;
use crate::memory::Provider;
use crate::program::{OptLevel, Unit};
use crate::stubs::Stubs;
use crate::sweep::sweep;
use crate::translate::{Plan, Pool};
use crate::{placement, slots, translate};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Module, ModuleError, ModuleReloc};
use std::fmt;
use std::sync::Arc;

/// Makes machine code for this machine.
#[derive(Clone)]
pub struct Compiler {
    full: OwnedTargetIsa,
    fast: OwnedTargetIsa,
    stubs: Arc<Stubs>,
    keep_clif: bool,
}

/// Bytes of code that an operation makes at most, on average.
const BYTES_PER_OP: usize = 512;

impl Compiler {
    /// A compiler for the machine it runs on.
    ///
    /// # Errors
    /// When there is none.
    pub fn new() -> Result<Compiler, CompileError> {
        let supported =
            cfg!(all(unix, any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")));
        if !supported {
            return Err(CompileError::Machine);
        }
        let full = isa(&[("opt_level", "speed"), ("machine_code_cfg_info", "true")])?;
        Ok(Compiler {
            stubs: Arc::new(Stubs::new(&full)?),
            full,
            fast: isa(&[("opt_level", "none"), ("regalloc_algorithm", "single_pass")])?,
            keep_clif: false,
        })
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
        let flow = Flow::of(unit)?;
        let total: usize =
            flow.funcs.iter().flat_map(|f| &f.blocks).map(|b| (b.end - b.start) as usize).sum();
        let room = total.saturating_mul(BYTES_PER_OP).saturating_add(64 << 10);
        let provider = Provider::new(room).map_err(|_| CompileError::Memory)?;
        let isa = match unit.opt {
            OptLevel::Full => self.full.clone(),
            OptLevel::Fast => self.fast.clone(),
        };
        let places = slots::places(unit, &flow);
        let mut builder = JITBuilder::with_isa(isa, Box::new(|call| call.to_string()));
        builder.memory_provider(Box::new(provider.clone()));
        let mut module = JITModule::new(builder);
        let ids = declare(&mut module, &flow)?;
        let mut context = module.make_context();
        let mut builder_context = FunctionBuilderContext::new();
        let mut made: Vec<Option<Made>> = vec![None; flow.funcs.len()];
        let mut clif = String::new();
        let inline = Inline::plan(unit, &flow);
        let pool = Pool::default();
        let (places_of, stubs) = (&places.of, &self.stubs);
        let plan = Plan { unit, flow: &flow, places: places_of, inline: &inline, stubs, pool: &pool };
        // What the host may call, and what those call.
        let mut todo: Vec<usize> = (0..flow.funcs.len()).filter(|&f| flow.funcs[f].by_address).collect();
        while let Some(index) = todo.pop() {
            if made[index].is_some() {
                continue;
            }
            context.func.signature = module.declarations().get_function_decl(ids[index]).signature.clone();
            context.func.name = cranelift_codegen::ir::UserFuncName::user(0, ids[index].as_u32());
            let target = module.target_config();
            let builder = FunctionBuilder::new(&mut context.func, &mut builder_context);
            let mut import = |b: &mut FunctionBuilder<'_>, callee: usize| {
                todo.push(callee);
                module.declare_func_in_func(ids[callee], b.func)
            };
            if translate::function(&plan, index, builder, &mut import, target) {
                sweep(&mut context.func);
            }
            if self.keep_clif {
                clif.push_str(&context.func.display().to_string());
                clif.push('\n');
            }
            let code = context.compile(module.isa(), &mut Default::default());
            let code = code.map_err(|e| refused(ModuleError::Compilation(e.inner)))?;
            let alignment = u64::from(code.buffer.alignment);
            if unit.opt == OptLevel::Full {
                provider.begin_at(placement::phase(code));
            }
            let code =
                context.compiled_code().ok_or(CompileError::Malformed { op: flow.funcs[index].entry })?;
            let relocations: Vec<ModuleReloc> = code
                .buffer
                .relocs()
                .iter()
                .map(|r| ModuleReloc::from_mach_reloc(r, &context.func, ids[index]))
                .collect();
            module
                .define_function_bytes(ids[index], alignment, code.code_buffer(), &relocations)
                .map_err(refused)?;
            made[index] = Some(locations_of(&context));
            module.clear_context(&mut context);
        }
        module.finalize_definitions().map_err(refused)?;
        let memory = provider.take().ok_or(CompileError::Memory)?;
        let base = memory.bytes().as_ptr().addr();
        let functions = flow.funcs.iter().zip(ids).zip(made).filter_map(|((func, id), made)| {
            let (len, locations) = made?;
            Some(Function {
                op: func.entry,
                offset: module.get_finalized_function(id).addr() - base,
                len,
                depth: func.depth,
                by_address: func.by_address,
                locations,
            })
        });
        let functions = functions.collect();
        let reads_fresh_frames = places.reads_fresh;
        let inherits = flow.funcs.iter().any(|func| func.inherits());
        Ok(Code {
            memory,
            functions,
            clif,
            reads_fresh_frames,
            inherits,
            _pool: pool.into_words(),
            _stubs: self.stubs.clone(),
        })
    }
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler").field("machine", &self.full.triple().to_string()).finish_non_exhaustive()
    }
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

fn declare(module: &mut JITModule, flow: &Flow) -> Result<Vec<FuncId>, CompileError> {
    let declare = |func| {
        let args = 1 + translate::params(func).count_ones() as usize;
        module.declare_anonymous_function(&translate::signature(args)).map_err(refused)
    };
    flow.funcs.iter().map(declare).collect()
}

pub(crate) fn refused(error: ModuleError) -> CompileError {
    match error {
        ModuleError::Allocation { .. } => CompileError::Memory,
        ModuleError::Compilation(e) => {
            CompileError::Codegen(format!("{e:?}").chars().take(500).collect::<String>().into())
        }
        other => CompileError::Codegen(other.to_string().into()),
    }
}

/// The length of a compiled function, and where the code of operations begins.
type Made = (usize, Vec<(u32, u32)>);

/// The length of a compiled function, and where the code of operations begins.
fn locations_of(context: &cranelift_codegen::Context) -> Made {
    let Some(code) = context.compiled_code() else { return (0, Vec::new()) };
    let mut locations: Vec<(u32, u32)> = Vec::new();
    for range in code.buffer.get_srclocs_sorted() {
        if !range.loc.is_default() && locations.last().is_none_or(|l| l.1 != range.loc.bits()) {
            locations.push((range.start, range.loc.bits()));
        }
    }
    (code.buffer.data().len(), locations)
}
