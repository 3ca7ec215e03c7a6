//! Code that all programs share: the way to functions of the host that keeps registers, and the ways into and
//! out of chains of tail calls.
//!
//! What hardly ever happens must not cost where it does not: a call clobbers registers, and the values
//! that live across it would have to be moved out of the way on the hot path too. So rare calls go
//! through a stub that keeps every register. It finds its arguments in the context, since they would be in
//! the way in registers of their own too, and leaves what the host's function gave there.
//! Chained functions jump to each other, which takes another way of calling than the host's
//! ([`Stubs::enter`], [`Stubs::pass`]). Stubs are made once and stay.

use crate::abi::{ARENA, ASKED, Context, Returned, Service, TARGETS, Targets};
use crate::error::{CompileError, refused};
use crate::memory::{CodeMemory, Provider};
use crate::signatures::{chained_signature, signature, stub_signature};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Signature, Value};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Module};
use std::mem::offset_of;

/// Services that are called through stubs: those that hardly ever run, with whatever registers live.
const RARE: [Service; 9] = [
    Service::load,
    Service::store,
    Service::hold,
    Service::gather,
    Service::recall,
    Service::refuel,
    Service::tail_call,
    Service::fault,
    Service::place,
];

// The context has room for what each is asked, the frame pointer apart.
const _: () = {
    let mut nth = 0;
    while nth < RARE.len() {
        assert!(RARE[nth].arity() <= 1 + ASKED);
        nth += 1;
    }
};

/// Bytes that all stubs have room in.
const ROOM: usize = 8 << 10;

/// Where the context holds an argument of a stub's service.
pub(crate) const fn argument(nth: usize) -> usize {
    offset_of!(Context, asked) + 8 * nth
}

/// Where the context holds what a stub's service gave.
pub(crate) const VALUE: usize = offset_of!(Context, returned) + offset_of!(Returned, value);
pub(crate) const STATUS: usize = offset_of!(Context, returned) + offset_of!(Returned, status);

/// The stubs of a machine.
#[derive(Debug)]
pub(crate) struct Stubs {
    /// By service.
    addresses: [u64; Service::ALL.len()],
    /// The same for functions that have no frame.
    in_order: [u64; Service::ALL.len()],
    enter: u64,
    pass: u64,
    _memory: CodeMemory,
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
        let mut define = |signature: Signature, body: &dyn Fn(&mut FunctionBuilder<'_>, &[Value])| {
            let id = module.declare_anonymous_function(&signature).map_err(refused)?;
            context.func.signature = signature;
            let mut b = FunctionBuilder::new(&mut context.func, &mut builder_context);
            let entry = b.create_block();
            b.append_block_params_for_function_params(entry);
            b.switch_to_block(entry);
            let args = b.block_params(entry).to_vec();
            body(&mut b, &args);
            b.seal_all_blocks();
            b.finalize(module.target_config());
            module.define_function(id, &mut context).map_err(refused)?;
            module.clear_context(&mut context);
            Ok(id)
        };
        let mut rare = Vec::new();
        for service in RARE {
            let body = |b: &mut FunctionBuilder<'_>, args: &[Value]| call_service(b, args[0], service);
            rare.push(define(stub_signature(), &body)?);
        }
        let enter = define(signature(6), &enter_chain)?;
        let pass = define(chained_signature(), &pass_on)?;
        let in_order: Result<Vec<FuncId>, _> = rare.iter().map(|&id| put_in_order(&mut module, id)).collect();
        let in_order = in_order?;
        module.finalize_definitions().map_err(refused)?;
        let address = |id| module.get_finalized_function(id).addr() as u64;
        let by_service = |ids: &[FuncId]| {
            let mut addresses = [0; Service::ALL.len()];
            for (service, &id) in RARE.into_iter().zip(ids) {
                addresses[service as usize] = address(id);
            }
            addresses
        };
        let (addresses, in_order) = (by_service(&rare), by_service(&in_order));
        let (enter, pass) = (address(enter), address(pass));
        let memory = provider.take().ok_or(CompileError::Memory)?;
        Ok(Stubs { addresses, in_order, enter, pass, _memory: memory })
    }

    /// What the host calls in place of a chained function, whose address the context holds: an
    /// [`Entry`](crate::abi::Entry).
    pub fn enter(&self) -> u64 {
        self.enter
    }

    /// Where a chain goes on in a function that is not chained.
    pub fn pass(&self) -> u64 {
        self.pass
    }

    /// Where the stub of a service is, for functions of programs with a chained one if that is said; none for a
    /// service that is called directly.
    pub fn address(&self, service: Service, chained: bool) -> Option<u64> {
        let addresses = if chained { &self.in_order } else { &self.addresses };
        Some(addresses[service as usize]).filter(|&a| a != 0)
    }
}

/// A way to a stub for those who may have no [frame](crate::frames): it makes one, with the stack where calls
/// expect it.
#[cfg(target_arch = "x86_64")]
fn put_in_order(module: &mut JITModule, stub: FuncId) -> Result<FuncId, CompileError> {
    use cranelift_codegen::binemit::Reloc;
    use cranelift_module::{ModuleReloc, ModuleRelocTarget};
    const CODE: [u8; 18] = [
        0x55, // push rbp
        0x48, 0x89, 0xe5, // mov rbp, rsp
        0x48, 0x83, 0xe4, 0xf0, // and rsp, -16
        0xe8, 0, 0, 0, 0, // call stub
        0x48, 0x89, 0xec, // mov rsp, rbp
        0x5d, // pop rbp
        0xc3, // ret
    ];
    let name = ModuleRelocTarget::user(0, stub.as_u32());
    let call = ModuleReloc { offset: 9, kind: Reloc::X86CallPCRel4, name, addend: -4 };
    let id = module.declare_anonymous_function(&stub_signature()).map_err(refused)?;
    module.define_function_bytes(id, 16, &CODE, &[call]).map_err(refused)?;
    Ok(id)
}

#[cfg(not(target_arch = "x86_64"))]
fn put_in_order(_: &mut JITModule, stub: FuncId) -> Result<FuncId, CompileError> {
    Ok(stub)
}

/// The context below a frame.
fn context_of(b: &mut FunctionBuilder<'_>, fp: Value) -> Value {
    b.ins().band_imm_s(fp, -(ARENA as i64))
}

fn call_service(b: &mut FunctionBuilder<'_>, fp: Value, service: Service) {
    let flags = MemFlagsData::trusted();
    let ctx = context_of(b, fp);
    let mut args = vec![fp];
    for nth in 0..service.arity() - 1 {
        args.push(b.ins().load(I64, flags, ctx, argument(nth) as i32));
    }
    let callee = b.ins().load(I64, flags, ctx, service.offset());
    let sig = b.import_signature(signature(service.arity()));
    let inst = b.ins().call_indirect(sig, callee, &args);
    let (value, status) = (b.inst_results(inst)[0], b.inst_results(inst)[1]);
    b.ins().store(flags, value, ctx, VALUE as i32);
    b.ins().store(flags, status, ctx, STATUS as i32);
    b.ins().return_(&[]);
}

fn enter_chain(b: &mut FunctionBuilder<'_>, args: &[Value]) {
    let flags = MemFlagsData::trusted();
    let ctx = context_of(b, args[0]);
    let callee = b.ins().load(I64, flags, ctx, offset_of!(Context, callee) as i32);
    let calls = b.ins().load(I64, flags, ctx, offset_of!(Context, tail_calls) as i32);
    let fuel = b.ins().load(I64, flags, ctx, offset_of!(Context, fuel) as i32);
    let sig = b.import_signature(chained_signature());
    let inst = b.ins().call_indirect(sig, callee, &[args[0], args[1], calls, fuel, ctx]);
    let results = [b.inst_results(inst)[0], b.inst_results(inst)[1]];
    b.ins().return_(&results);
}

fn pass_on(b: &mut FunctionBuilder<'_>, args: &[Value]) {
    let flags = MemFlagsData::trusted();
    let &[fp, r1, calls, fuel, ctx] = args else { return };
    let gone = b.ins().iadd(ctx, calls);
    let stamp = b.ins().uload8(I64, flags, gone, offset_of!(Context, gone) as i32);
    let place = b.ins().band_imm_s(stamp, TARGETS as i64 - 1);
    let offset = b.ins().ishl_imm_u(place, 3);
    let entry = b.ins().iadd(ctx, offset);
    let entries = offset_of!(Context, targets) + offset_of!(Targets, entries);
    let entry = b.ins().load(I64, flags, entry, entries as i32);
    b.ins().store(flags, calls, ctx, offset_of!(Context, tail_calls) as i32);
    b.ins().store(flags, fuel, ctx, offset_of!(Context, fuel) as i32);
    let zero = b.ins().iconst(I64, 0);
    let sig = b.import_signature(signature(6));
    let inst = b.ins().call_indirect(sig, entry, &[fp, r1, zero, zero, zero, zero]);
    let results = [b.inst_results(inst)[0], b.inst_results(inst)[1]];
    b.ins().return_(&results);
}
