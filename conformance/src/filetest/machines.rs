//! The virtual machine's engines: the interpreter and machine code, with every access held and, where
//! that found nothing, without.

use super::engines::{Engine, program};
use super::{Case, FileTest, Found};
use oxbpf::isa::kernel::ProgType;
use oxbpf::isa::program::Program;
use oxbpf::vm::{
    Config, Context, ContextLayout, Engine as Vm, Input, Linker, ManualClock, Outcome, Packet, Strategy,
    Trap, TrapKind, Vouched,
};
use std::sync::Arc;

/// Every engine of the machine.
pub(super) fn machines() -> Vec<Box<dyn Engine>> {
    let machine = |name, strategy, proven| Box::new(Machine { name, strategy, proven }) as Box<dyn Engine>;
    vec![
        machine("interp", Strategy::Interpret, false),
        machine("interp, proven", Strategy::Interpret, true),
        machine("jit", Strategy::Compile, false),
        machine("jit, proven", Strategy::Compile, true),
    ]
}

struct Machine {
    name: &'static str,
    strategy: Strategy,
    /// Whether accesses are not looked up when a run with looking has found them good.
    proven: bool,
}

impl Engine for Machine {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> &'static str {
        "run"
    }

    fn run(&self, _test: &FileTest, case: &Case) -> Result<Found, String> {
        let (program, _) = program(case)?;
        let runs: Vec<&str> = case.whole.iter().filter_map(|(_, text)| text.strip_prefix("run:")).collect();
        let mut found = Found::default();
        for run in if runs.is_empty() { &["=>"][..] } else { &runs[..] } {
            let input = run.split("=>").next().unwrap_or("").trim();
            let given = Given::parse(input).ok_or(format!("{input}: expected mem=HEX or pkt=HEX"))?;
            let checked = self.once(&program, &given, false)?;
            let result = match &checked {
                // A proven program never runs on a context with packet pointers unless told which loads
                // are of it, so packets are left to the checked engines.
                Ok(_) if self.proven && !matches!(given, Given::Packet(_)) => {
                    self.once(&program, &given, true)?
                }
                _ => checked,
            };
            let space = if input.is_empty() { "" } else { " " };
            found.whole.push(format!("run: {input}{space}=> {}", told(&result)));
        }
        Ok(found)
    }
}

/// What a case is run on.
enum Given {
    Nothing,
    Memory(Vec<u8>),
    Packet(Vec<u8>),
}

impl Given {
    fn parse(text: &str) -> Option<Given> {
        if text.is_empty() {
            return Some(Given::Nothing);
        }
        let (kind, hex) = text.split_once('=')?;
        let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes = pairs.iter().map(|&[high, low]| high << 4 | low).collect();
        match kind {
            _ if !rest.is_empty() => None,
            "mem" => Some(Given::Memory(bytes)),
            "pkt" => Some(Given::Packet(bytes)),
            _ => None,
        }
    }
}

impl Machine {
    fn once(&self, program: &Program, given: &Given, proven: bool) -> Result<Result<Outcome, Trap>, String> {
        let config = Config::new().budget(100_000_000).clock(Arc::new(ManualClock::at(1000)));
        let mut linker: Linker<()> = Linker::new(&Vm::new(config.strategy(self.strategy)));
        let instance = match proven {
            // SAFETY: a run on the same input with every access held has found nothing.
            true => linker.instantiate_vouched(&unsafe { Vouched::new(program) }),
            false => linker.instantiate(program),
        };
        let instance = instance.map_err(|e| e.to_string())?;
        Ok(match given {
            Given::Nothing => instance.run(&mut (), Input::none()),
            Given::Memory(bytes) => {
                // Memory begins where eight bytes align, as atomic operations need.
                let mut buffer = vec![0u8; bytes.len() + 8];
                let start = buffer.as_ptr().align_offset(8).min(8);
                let memory = &mut buffer[start..start + bytes.len()];
                memory.copy_from_slice(bytes);
                instance.run(&mut (), Input::memory(memory))
            }
            Given::Packet(bytes) => {
                let layout = match program.prog_type {
                    Some(ProgType::Xdp) => ContextLayout::xdp_md(),
                    _ => ContextLayout::sk_buff(),
                };
                let (mut context, mut packet) = (Context::new(layout), Packet::new(bytes));
                instance.run(&mut (), Input::context(&mut context).packet(&mut packet))
            }
        })
    }
}

/// A result without anything that changes from run to run.
fn told(result: &Result<Outcome, Trap>) -> String {
    let trap = match result {
        Ok(outcome) => return format!("r0={:#x}", outcome.ret),
        Err(trap) => trap,
    };
    let what = match trap.kind() {
        TrapKind::Access { .. } => "access",
        TrapKind::Unaligned { .. } => "unaligned",
        TrapKind::Budget { .. } => "budget",
        TrapKind::CallDepth => "call depth",
        TrapKind::NotAFunction { .. } => "not a function",
        TrapKind::NotAMap { .. } => "not a map",
        TrapKind::BadArgument { .. } => "bad argument",
        TrapKind::Lock => "lock",
        _ => "other",
    };
    // Where a budget runs out is the engine's own business.
    let place = trap.place().filter(|_| !matches!(trap.kind(), TrapKind::Budget { .. }));
    match place {
        Some(place) => format!("trap at {}: {what}", place.insn),
        None => format!("trap: {what}"),
    }
}
