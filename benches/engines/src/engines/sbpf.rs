//! solana-sbpf: its interpreter and its compiler, with its own settings.
//!
//! Programs are given as bare instructions of version 3, whose calls are relative as BPF's are, and
//! which has 32-bit jumps. Both check every access and count every instruction.

use super::Shared;
use crate::measure::Work;
use solana_sbpf::ebpf;
use solana_sbpf::elf::Executable;
use solana_sbpf::error::ProgramResult;
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::verifier::RequisiteVerifier;
use solana_sbpf::vm::{CallFrame, Config, ContextObject, EbpfVm, ExecutionMode};
use std::ptr::NonNull;
use std::sync::Arc;

pub const WAYS: [(&str, bool); 2] = [("sbpf int", false), ("sbpf jit", true)];

struct Host {
    left: u64,
    mapping: MemoryMapping,
}

impl ContextObject for Host {
    fn consume(&mut self, amount: u64) {
        self.left = self.left.saturating_sub(amount);
    }

    fn get_remaining(&self) -> u64 {
        self.left
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from(&mut self.mapping)
    }
}

const METER: u64 = 1 << 40;

/// A program made ready.
///
/// # Errors
/// What solana-sbpf says.
pub fn on_memory(code: &[u8], compile: bool, memory: Shared) -> Result<Work<'static>, String> {
    let loader = Arc::new(BuiltinProgram::new_loader(Config::default()));
    let version = SBPFVersion::V3;
    let executable =
        Executable::<Host>::from_text_bytes(code, loader.clone(), version, FunctionRegistry::default());
    let executable = executable.map_err(|e| e.to_string())?;
    executable.verify::<RequisiteVerifier>().map_err(|e| e.to_string())?;
    if compile {
        executable.jit_compile().map_err(|e| e.to_string())?;
    }
    let config = executable.get_config().clone();
    let mut stack = vec![0u8; config.stack_size()];
    let bytes: *mut [u8] = std::ptr::slice_from_raw_parts_mut(memory.at, memory.len);
    let stack_bytes: *mut [u8] = &raw mut *stack;
    let regions = vec![
        executable.get_ro_region(),
        MemoryRegion::new_gapped(stack_bytes, ebpf::MM_STACK_START, 0),
        MemoryRegion::new(bytes, ebpf::MM_INPUT_START),
    ];
    // SAFETY: the memory outlives the work, and the stack is kept by it.
    let mapping = unsafe { MemoryMapping::new(regions, &config, version) }.map_err(|e| e.to_string())?;
    let mut host = Box::new(Host { left: METER, mapping });
    let mut frames = vec![CallFrame::default(); config.max_call_depth];
    Ok(Box::new(move |count| {
        let _ = &stack;
        let mut last = 0;
        for _ in 0..count {
            host.left = METER;
            let mut vm = EbpfVm::new(loader.clone(), version, &mut *host, config.stack_size());
            vm.registers[1] = ebpf::MM_INPUT_START;
            vm.registers[2] = memory.len as u64;
            let mut mode = if compile { ExecutionMode::Jit } else { ExecutionMode::Interpreted };
            match vm.execute_program(&executable, &mut mode, &mut frames).1 {
                ProgramResult::Ok(value) => last = value,
                ProgramResult::Err(e) => return Err(e.to_string()),
            }
        }
        Ok(last)
    }))
}
