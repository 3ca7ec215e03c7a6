//! The interpreter on loops of arithmetic and memory, per executed instruction, in both modes.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::program::Program;
use oxbpf::vm::{Engine, Input, Linker, Vouched};

/// Name, program over memory of 4,096 bytes.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "arithmetic",
        "r0 = 1\n r3 = 100000\n top: r0 *= 31\n r0 ^= r3\n w0 += 7\n r3 -= 1\n if r3 != 0 goto top\n exit",
    ),
    (
        "sum of bytes",
        "r0 = 0\n r4 = r1\n r4 += r2\n top: r3 = *(u8 *)(r1 + 0)\n r0 += r3\n r1 += 1\n if r1 != r4 goto top\n exit",
    ),
];

fn benches(c: &mut Criterion) {
    for (name, text) in PROGRAMS {
        let program = Program::from_insns(*name, assemble(text, Syntax::Any).expect("valid text"));
        for proven in [false, true] {
            let mut linker: Linker<()> = Linker::bare(&Engine::default());
            let instance = if proven {
                // SAFETY: the programs read their memory alone, within the length they are given.
                let vouched = unsafe { Vouched::new(&program) };
                linker.instantiate_vouched(&vouched)
            } else {
                linker.instantiate(&program)
            };
            let instance = instance.expect("the program links");
            let mut memory = vec![7u8; 4096];
            let mut run =
                move || instance.run(&mut (), Input::memory(&mut memory).arg(2, 4096)).expect("no trap");
            let mut group = c.benchmark_group(*name);
            group.throughput(Throughput::Elements(run().insns));
            group.bench_function(if proven { "proven" } else { "checked" }, |b| b.iter(&mut run));
        }
    }
}

criterion_group!(group, benches);
criterion_main!(group);
