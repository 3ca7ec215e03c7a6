//! The machine code of workloads, to be read beside a compiler's.

use crate::compute::program;
use crate::engines::own::{self, Way};
use crate::{Options, data, maps, verified, workloads};
use oxbpf::jit::disassemble;
use oxbpf::vm::Instance;

/// Writes the machine code that the chosen ways of running make of the chosen workloads, over plain memory
/// and in the form that is proved; and of those whose work is in maps.
pub fn run(options: &Options) -> Result<(), String> {
    let wanted = |name: &&str| options.only.iter().any(|o| name.contains(o.as_str()));
    let ways = || own::WAYS.into_iter().filter(|w| w.compile && options.engines.iter().any(|e| w.name == *e));
    for (name, way) in data::COMPUTE.into_iter().filter(wanted).flat_map(|n| ways().map(move |way| (n, way)))
    {
        let plain = program(&workloads().join(format!("{name}.bpf.o")))?;
        // SAFETY: the instance is not run.
        show(name, way, &unsafe { own::instance(&plain, way) }?)?;
        let (program, _) = verified::filled(name)?;
        show(&format!("{name}, verified"), way, &verified::linked(&program, way, 1)?)?;
    }
    for (name, way) in maps::names().filter(wanted).flat_map(|n| ways().map(move |way| (n, way))) {
        show(name, way, &verified::linked(&maps::workload(name)?, way, 1)?)?;
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
