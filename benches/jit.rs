//! Machine code on a few workloads, proven and checked, called like functions, and how long compiling
//! them takes. `benches/engines` holds all of them beside other engines.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use oxbpf::isa::program::Program;
use oxbpf::object::{LoadOptions, Object};
use oxbpf::vm::{Engine, Linker, Vouched};

/// A hash over bytes, SHA-256 written out, headers of packets, calls.
const WORKLOADS: &[(&str, &[u8])] = &[
    ("hash", include_bytes!("workloads/hash.bpf.o")),
    ("sha256", include_bytes!("workloads/sha256.bpf.o")),
    ("parse", include_bytes!("workloads/parse.bpf.o")),
    ("calls", include_bytes!("workloads/calls.bpf.o")),
];

fn program(name: &str, object: &'static [u8]) -> Program {
    let object = Object::parse(object, name).expect("an object of ours");
    let (entry, _) = object.programs().next().expect("it has a program");
    object.load(entry, &LoadOptions::default()).expect("it refers to nothing").program
}

fn benches(c: &mut Criterion) {
    for (name, object) in WORKLOADS {
        let program = program(name, object);
        let mut memory: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        for proven in [true, false] {
            let link = |engine: &Engine| {
                let mut linker: Linker<()> = Linker::bare(engine);
                let instance = match proven {
                    // SAFETY: the workloads stay in the memory they are given.
                    true => linker.instantiate_vouched(&unsafe { Vouched::new(&program) }),
                    false => linker.instantiate(&program),
                };
                instance.expect("the program links")
            };
            let how = if proven { "proven" } else { "checked" };
            let mut group = c.benchmark_group(*name);
            let engine = Engine::default();
            let mut function = link(&engine).callable().expect("it compiles").expect("it calls nothing");
            group.throughput(Throughput::Bytes(memory.len() as u64));
            group.bench_function(how, |b| b.iter(|| function.call(&mut memory).expect("no trap")));
            drop(function);
            group.throughput(Throughput::Elements(program.insns.len() as u64));
            group.bench_function(format!("compile {how}"), |b| {
                b.iter(|| link(&engine).compile().expect("it compiles"));
            });
        }
    }
}

criterion_group!(group, benches);
criterion_main!(group);
