//! How functions are called: those of programs and of the host, stubs, and chained functions.

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, Signature};
use cranelift_codegen::isa::CallConv;

/// How a function of a program or of the host with so many arguments is called, the frame pointer included: every
/// integer in a register.
pub(crate) fn signature(args: usize) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend((0..args).map(|_| AbiParam::new(I64)));
    signature.returns.extend([AbiParam::new(I64), AbiParam::new(I64)]);
    signature
}

/// How a stub is called: with the frame pointer alone.
pub(crate) fn stub_signature() -> Signature {
    let mut signature = Signature::new(CallConv::PreserveAll);
    signature.params.push(AbiParam::new(I64));
    signature
}

/// How a chained function is called: with the frame pointer, R1, the tail calls and the fuel that are left,
/// and the context.
pub(crate) fn chained_signature() -> Signature {
    Signature { call_conv: CallConv::Tail, ..signature(5) }
}
