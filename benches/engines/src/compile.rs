//! How long the compiler takes, and how long until a small filter has its first result.

use crate::compute::{bytes_of, program};
use crate::data::{self, Buffer};
use crate::engines::own::Way;
use crate::{Options, workloads};
use oxbpf::isa::insn::{ByteOrder, RawInsn};
use oxbpf::isa::kernel::{KernelModel, ProgType};
use oxbpf::isa::program::Program;
use oxbpf::jit::OptLevel;
use oxbpf::vm::{Context, ContextLayout, Engine, Input, Linker, Packet, Vouched};

/// Time of the thread: compiling takes longer than processors are given at once, so that on a busy
/// machine every clock on the wall would count others' work.
fn now() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes the time where it is told.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// Microseconds that something takes at least.
fn shortest(rounds: u32, mut work: impl FnMut() -> Result<(), String>) -> Result<f64, String> {
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = now();
        work()?;
        best = best.min(now() - start);
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
    println!(
        "{:14} {:>8} {:>12} {:>12} {:>12} {:>12}",
        "", "insns", "proven full", "proven fast", "checked full", "checked fast"
    );
    let mut sums = [0.0; 4];
    let mut insns = 0usize;
    for name in data::COMPUTE {
        if !options.only.is_empty() && !options.only.iter().any(|o| name.contains(o.as_str())) {
            continue;
        }
        let program = program(&workloads().join(format!("{name}.bpf.o")))?;
        let mut times = [0.0; 4];
        for (index, time) in times.iter_mut().enumerate() {
            let opt = if index.is_multiple_of(2) { OptLevel::Full } else { OptLevel::Fast };
            let way = Way { name: "", compile: false, proven: index < 2, fuel: true };
            let engine = way.engine(opt);
            // The machine is described once for an engine.
            let warm = link(&program, true, &engine)?;
            warm.compile().map_err(|e| e.to_string())?;
            drop(warm);
            *time = f64::INFINITY;
            for _ in 0..options.rounds.clamp(3, 20) {
                let instance = link(&program, way.proven, &engine)?;
                let start = now();
                instance.compile().map_err(|e| e.to_string())?;
                *time = time.min(now() - start);
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

/// From bytes to the first result of the filter: checked over plain memory, and proved over a packet. Engine and
/// facts of the kernel are there, as in a process that has run a program before.
fn first_result(options: &Options) -> Result<(), String> {
    let code = bytes_of(&program(&workloads().join("filter.bpf.o"))?);
    let proved = bytes_of(&program(&workloads().join("verified/filter.bpf.o"))?);
    println!("\nFirst result of a filter from its bytes, microseconds");
    println!("{:14} {:>12} {:>12}", "", "checked", "proved");
    for (name, compile, opt) in [
        ("interpreter", false, OptLevel::Full),
        ("jit, full", true, OptLevel::Full),
        ("jit, fast", true, OptLevel::Fast),
    ] {
        let mut buffer = Buffer::of(&data::input("filter"));
        let way = Way { name, compile, proven: false, fuel: true };
        let engine = way.engine(opt);
        let rounds = options.rounds.max(20);
        let checked = shortest(rounds, || {
            let instance = link(&Program::from_insns("filter", insns_of(&code)), false, &engine)?;
            // SAFETY: nobody else uses the buffer.
            let memory = unsafe { std::slice::from_raw_parts_mut(buffer.at(), buffer.len()) };
            let result = instance.run(&mut (), Input::memory(memory)).map_err(|e| e.to_string())?;
            std::hint::black_box(result);
            Ok(())
        })?;
        let (bytes, model) = (data::input("filter"), KernelModel::latest());
        let proved = shortest(rounds, || {
            let program = Program::from_insns("filter", insns_of(&proved));
            let program = Program { prog_type: Some(ProgType::Xdp), ..program };
            let proof = oxbpf_verifier::prove(&program, &model, 1).map_err(|e| e.to_string())?;
            let mut linker: Linker<()> = Linker::new(&engine);
            let instance = linker.instantiate_verified(&proof).map_err(|e| e.to_string())?;
            let (mut context, mut packet) = (Context::new(ContextLayout::xdp_md()), Packet::new(&bytes));
            let input = Input::context(&mut context).packet(&mut packet);
            let result = instance.run(&mut (), input).map_err(|e| e.to_string())?;
            std::hint::black_box(result);
            Ok(())
        })?;
        println!("{name:14} {checked:>12.1} {proved:>12.1}");
    }
    Ok(())
}

fn insns_of(code: &[u8]) -> Vec<RawInsn> {
    let insn = |c: &[u8]| RawInsn::from_bytes(c.try_into().expect("eight bytes"), ByteOrder::Little);
    code.chunks_exact(8).map(insn).collect()
}
