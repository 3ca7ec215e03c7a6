//! rbpf: its interpreter, its x86 compiler and the one through Cranelift.
//!
//! The x86 compiler checks no access and counts nothing; the other two check every access.

use super::Shared;
use crate::measure::Work;
use rbpf::EbpfVmRaw;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How rbpf runs a program.
#[derive(Clone, Copy)]
pub enum Way {
    Interpret,
    Jit,
    Cranelift,
}

pub const WAYS: [(&str, Way); 3] =
    [("rbpf int", Way::Interpret), ("rbpf jit", Way::Jit), ("rbpf cranelift", Way::Cranelift)];

/// The instructions as rbpf can run them: it gives programs the address of memory alone, so the length
/// is put into R2 first.
pub fn with_length(code: &[u8], len: usize) -> Vec<u8> {
    let mut all = vec![0xb7, 2, 0, 0];
    all.extend((len as u32).to_le_bytes());
    all.extend(code);
    all
}

/// A program made ready.
///
/// # Errors
/// What rbpf says.
pub fn on_memory<'a>(code: &'a [u8], way: Way, memory: Shared) -> Result<Work<'a>, String> {
    let text = |e: std::io::Error| e.to_string();
    let mut vm = EbpfVmRaw::new(Some(code)).map_err(text)?;
    match way {
        Way::Interpret => {}
        Way::Jit => {
            // It panics when the code does not fit the one page it has for it.
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(|_| {}));
            let result = catch_unwind(AssertUnwindSafe(|| vm.jit_compile()));
            std::panic::set_hook(hook);
            result.map_err(|_| "the machine code does not fit its one page".to_owned())?.map_err(text)?;
        }
        Way::Cranelift => vm.cranelift_compile().map_err(text)?,
    }
    Ok(Box::new(move |count| {
        let mut last = 0;
        for _ in 0..count {
            // SAFETY: runs come one after the other.
            let bytes = unsafe { memory.slice() };
            last = match way {
                Way::Interpret => vm.execute_program(bytes),
                // SAFETY: the workloads stay in the memory they are given.
                Way::Jit => unsafe { vm.execute_program_jit(bytes) },
                Way::Cranelift => vm.execute_program_cranelift(bytes),
            }
            .map_err(text)?;
        }
        Ok(last)
    }))
}
