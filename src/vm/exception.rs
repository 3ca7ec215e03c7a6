//! Exceptions: which function of a program catches what `bpf_throw` throws.
//!
//! A program names it by a declaration tag `exception_callback:NAME` on its main function (Linux
//! `find_exception_cb` in the BPF verifier); a program without one returns the cookie.

use super::lower::Lowered;
use oxbpf_isa::program::Program;

/// The operation at which the exception callback of a program begins.
pub(crate) fn callback_of(program: &Program, code: &Lowered) -> Option<u32> {
    let btf = program.btf.as_deref()?;
    let main = program.funcs.iter().find(|f| f.insn == 0)?;
    let name = btf.decl_tags(main.type_id).find_map(|(tag, component)| {
        tag.strip_prefix("exception_callback:").filter(|_| component.is_none())
    })?;
    let callback = program.funcs.iter().find(|f| btf.ty(f.type_id).is_some_and(|ty| ty.name() == name))?;
    code.slots.binary_search(&callback.insn).ok().map(|op| op as u32)
}
