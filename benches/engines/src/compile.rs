//! How long the compiler takes, and how long until a small filter has its first result.

use crate::compute::{bytes_of, program};
use crate::data::{self, Buffer};
use crate::engines::own::Way;
use crate::{Options, workloads};
use oxbpf::isa::insn::{ByteOrder, RawInsn};
use oxbpf::isa::program::Program;
use oxbpf::jit::OptLevel;
use oxbpf::vm::{Engine, Input, Linker, Vouched};
use std::time::Instant;

/// Microseconds that something takes at least.
fn shortest(rounds: u32, mut work: impl FnMut() -> Result<(), String>) -> Result<f64, String> {
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(best)
}

fn link(program: &Program, proven: bool, engine: &Engine) -> Result<oxbpf::vm::Instance<()>, String> {
    let mut linker: Linker<()> = Linker::bare(engine);
    let instance = match proven {
        // SAFETY: the workloads stay in the memory they are given.
        true => linker.instantiate_vouched(&unsafe { Vouched::new(program) }),
        false => linker.instantiate(program),
    };
    instance.map_err(|e| e.to_string())
}

pub fn run(options: &Options) -> Result<(), String> {
    println!("\nCompile time, microseconds per instruction");
    println!("{:14} {:>8} {:>12} {:>12} {:>12} {:>12}", "", "insns", "proven full", "proven fast", "checked full", "checked fast");
    let mut sums = [0.0; 4];
    let mut insns = 0usize;
    for name in data::COMPUTE {
        if !options.only.is_empty() && !options.only.iter().any(|o| name.contains(o.as_str())) {
            continue;
        }
        let program = program(&workloads().join(format!("{name}.bpf.o")))?;
        let mut times = [0.0; 4];
        for (index, time) in times.iter_mut().enumerate() {
            let opt = if index % 2 == 0 { OptLevel::Full } else { OptLevel::Fast };
            let way = Way { name: "", compile: false, proven: index < 2, fuel: true };
            let engine = way.engine(opt);
            // The machine is described once for an engine.
            let warm = link(&program, true, &engine)?;
            warm.compile().map_err(|e| e.to_string())?;
            drop(warm);
            *time = f64::INFINITY;
            for _ in 0..options.rounds.clamp(3, 20) {
                let instance = link(&program, way.proven, &engine)?;
                let start = Instant::now();
                instance.compile().map_err(|e| e.to_string())?;
                *time = time.min(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        let count = program.insns.len();
        insns += count;
        print!("{name:14} {count:>8}");
        for (time, sum) in times.iter().zip(&mut sums) {
            print!(" {:>12.2}", time / count as f64);
            *sum += time;
        }
        println!();
    }
    print!("{:14} {insns:>8}", "all");
    for sum in sums {
        print!(" {:>12.2}", sum / insns as f64);
    }
    println!();
    first_result(options)
}

/// From bytes to the first result of the filter.
fn first_result(options: &Options) -> Result<(), String> {
    let code = bytes_of(&program(&workloads().join("filter.bpf.o"))?);
    println!("\nFirst result of a filter from its bytes, microseconds");
    for (name, compile, opt) in [
        ("interpreter", false, OptLevel::Full),
        ("jit, full", true, OptLevel::Full),
        ("jit, fast", true, OptLevel::Fast),
    ] {
        let mut buffer = Buffer::of(&data::input("filter"));
        let way = Way { name, compile, proven: false, fuel: true };
        let engine = way.engine(opt);
        let time = shortest(options.rounds.max(20), || {
            let insns = code.chunks_exact(8).map(|c| {
                RawInsn::from_bytes(c.try_into().expect("eight bytes"), ByteOrder::Little)
            });
            let program = Program::from_insns("filter", insns.collect());
            let instance = link(&program, false, &engine)?;
            // SAFETY: nobody else uses the buffer.
            let memory = unsafe { std::slice::from_raw_parts_mut(buffer.at(), buffer.len()) };
            let result = instance.run(&mut (), Input::memory(memory)).map_err(|e| e.to_string())?;
            std::hint::black_box(result);
            Ok(())
        })?;
        println!("{name:14} {time:>8.1}");
    }
    Ok(())
}
