//! The machine code of workloads, to be read beside a compiler's.

use crate::compute::program;
use crate::engines::own::{self, Way};
use crate::{Options, data, verified, workloads};
use oxbpf::jit::disassemble;
use oxbpf::vm::Instance;

/// Writes the machine code that the chosen ways of running make of the chosen workloads, over plain memory
/// and in the form that is proved.
pub fn run(options: &Options) -> Result<(), String> {
    for name in data::COMPUTE.into_iter().filter(|n| options.only.iter().any(|o| n.contains(o.as_str()))) {
        for way in own::WAYS.into_iter().filter(|w| w.compile && options.engines.iter().any(|e| w.name == *e))
        {
            let plain = program(&workloads().join(format!("{name}.bpf.o")))?;
            // SAFETY: the instance is not run.
            show(name, way, &unsafe { own::instance(&plain, way) }?)?;
            let (program, _) = verified::filled(name)?;
            show(&format!("{name}, verified"), way, &verified::linked(&program, way, 1)?)?;
        }
    }
    Ok(())
}

fn show(name: &str, way: Way, instance: &Instance<()>) -> Result<(), String> {
    let code = instance.compile().map_err(|e| e.to_string())?;
    for function in code.functions() {
        let start = (code.address() + function.offset) % 64;
        println!(
            "\n{name}, {}, function at {}: {} bytes, {start:#x} behind a cache line",
            way.name, function.op, function.len
        );
        for line in disassemble(&code, function) {
            let op = line.op.map_or_else(String::new, |op| op.to_string());
            println!("{op:>6} {:>6x}  {}", line.offset, line.text);
        }
    }
    Ok(())
}
