//! The way to functions of the host that keeps registers.
//!
//! What hardly ever happens must not cost where it does not: a call clobbers registers, and the values
//! that live across it would have to be moved out of the way on the hot path too. So rare calls go
//! through a stub that keeps every register, and leaves what the host's function gave in the context.
//! Stubs are made once and stay.

use crate::abi::{ARENA, Context, Returned, Service};
use crate::compiler::refused;
use crate::error::CompileError;
use crate::memory::{CodeMemory, Provider};
use crate::translate::signature;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, InstBuilder, MemFlagsData, Signature};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::Module;
use std::mem::offset_of;

/// Services that are called through stubs: those that hardly ever run, with whatever registers live.
const RARE: [Service; 7] = [
    Service::load,
    Service::store,
    Service::hold,
    Service::gather,
    Service::recall,
    Service::refuel,
    Service::tail_call,
];

/// Bytes that all stubs have room in.
const ROOM: usize = 4 << 10;

/// Where the context holds what a stub's service gave.
pub(crate) const VALUE: usize = offset_of!(Context, returned) + offset_of!(Returned, value);
pub(crate) const STATUS: usize = offset_of!(Context, returned) + offset_of!(Returned, status);

/// The stubs of a machine.
#[derive(Debug)]
pub(crate) struct Stubs {
    /// By service.
    addresses: [u64; Service::ALL.len()],
    _memory: CodeMemory,
}

/// How a stub with so many arguments is called.
pub(crate) fn stub_signature(args: usize) -> Signature {
    let mut signature = Signature::new(CallConv::PreserveAll);
    signature.params.extend((0..args).map(|_| AbiParam::new(I64)));
    signature
}

impl Stubs {
    pub fn new(isa: &OwnedTargetIsa) -> Result<Stubs, CompileError> {
        let provider = Provider::default();
        provider.reserve(ROOM).map_err(|_| CompileError::Memory)?;
        let mut builder = JITBuilder::with_isa(isa.clone(), Box::new(|call| call.to_string()));
        builder.memory_provider(Box::new(provider.clone()));
        let mut module = JITModule::new(builder);
        let mut context = module.make_context();
        let mut builder_context = FunctionBuilderContext::new();
        let mut ids = Vec::new();
        for service in RARE {
            let id = module.declare_anonymous_function(&stub_signature(service.arity())).map_err(refused)?;
            context.func.signature = stub_signature(service.arity());
            let builder = FunctionBuilder::new(&mut context.func, &mut builder_context);
            body(builder, service, module.target_config());
            module.define_function(id, &mut context).map_err(refused)?;
            module.clear_context(&mut context);
            ids.push(id);
        }
        module.finalize_definitions().map_err(refused)?;
        let mut addresses = [0; Service::ALL.len()];
        for (service, id) in RARE.into_iter().zip(ids) {
            addresses[service as usize] = module.get_finalized_function(id).addr() as u64;
        }
        let memory = provider.take().ok_or(CompileError::Memory)?;
        Ok(Stubs { addresses, _memory: memory })
    }

    /// Where the stub of a service is; none for one that is called directly.
    pub fn address(&self, service: Service) -> Option<u64> {
        Some(self.addresses[service as usize]).filter(|&a| a != 0)
    }
}

fn body(mut b: FunctionBuilder<'_>, service: Service, target: cranelift_codegen::isa::TargetFrontendConfig) {
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let args = b.block_params(entry).to_vec();
    let flags = MemFlagsData::trusted();
    let ctx = b.ins().band_imm_s(args[0], -(ARENA as i64));
    let callee = b.ins().load(I64, flags, ctx, service.offset());
    let sig = b.import_signature(signature(service.arity()));
    let inst = b.ins().call_indirect(sig, callee, &args);
    let (value, status) = (b.inst_results(inst)[0], b.inst_results(inst)[1]);
    b.ins().store(flags, value, ctx, VALUE as i32);
    b.ins().store(flags, status, ctx, STATUS as i32);
    b.ins().return_(&[]);
    b.seal_all_blocks();
    b.finalize(target);
}
