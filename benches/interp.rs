//! The interpreter on the eleven workloads, per executed instruction, with accesses looked up and without;
//! and what a run costs that does nothing, and the first run of a filter from its bytes.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::insn::{ByteOrder, RawInsn};
use oxbpf::isa::program::Program;
use oxbpf::object::{LoadOptions, Object};
use oxbpf::vm::{Config, Engine, Input, Linker, Vouched};

/// Name of the workload, and bytes of memory it is given.
const WORKLOADS: &[(&str, usize)] = &[
    ("hash", 1 << 14),
    ("crc", 1 << 14),
    ("siphash", 1 << 14),
    ("sha256", 1 << 14),
    ("sieve", 1 << 16),
    ("copy", 1 << 14),
    ("compare", 1 << 14),
    ("parse", 512 * 128),
    ("filter", 64),
    ("calls", 1 << 14),
    ("table", 1 << 14),
];

fn program(name: &str) -> Program {
    let path = format!("{}/benches/workloads/{name}.bpf.o", env!("CARGO_MANIFEST_DIR"));
    let object = Object::parse(std::fs::read(path).expect("the workload"), name).expect("an object");
    let (entry, _) = object.programs().next().expect("a program");
    object.load(entry, &LoadOptions::default()).expect("it loads").program
}

/// A header of TCP over IPv4 to this port.
fn header(packet: &mut [u8], port: u16) {
    packet[12..15].copy_from_slice(&[8, 0, 0x45]);
    packet[20..24].copy_from_slice(&[0, 0, 64, 6]);
    packet[36..38].copy_from_slice(&port.to_be_bytes());
}

/// What a workload is given: noise, packets where it looks for packets, halves that do not differ.
fn memory(name: &str, len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let mut bytes: Vec<u8> = (0..len).map(|_| noise()).collect();
    match name {
        "filter" => header(&mut bytes, 443),
        "parse" => bytes.chunks_mut(128).step_by(2).for_each(|packet| header(packet, 80)),
        "compare" => bytes.copy_within(..len / 2, len / 2),
        _ => {}
    }
    bytes
}

fn workloads(c: &mut Criterion) {
    let engine = Engine::new(Config::new().budget(u64::MAX));
    for &(name, len) in WORKLOADS {
        let program = program(name);
        // SAFETY: the workloads access their frame and the memory they are given, within its length.
        let vouched = unsafe { Vouched::new(&program) };
        let mut linker: Linker<()> = Linker::bare(&engine);
        let proven = linker.instantiate_vouched(&vouched).expect("the program links");
        let checked = linker.instantiate(&program).expect("the program links");
        let mut bytes = memory(name, len);
        let mut group = c.benchmark_group(name);
        for (mode, instance) in [("proven", proven), ("checked", checked)] {
            let mut run = || instance.run(&mut (), Input::memory(&mut bytes)).expect("no trap");
            group.throughput(Throughput::Elements(run().insns));
            group.bench_function(mode, |b| b.iter(&mut run));
        }
    }
}

fn fixed(c: &mut Criterion) {
    let engine = Engine::default();
    let nothing = Program::from_insns("nothing", assemble("r0 = 0\n exit", Syntax::Any).expect("valid text"));
    let instance = Linker::<()>::bare(&engine).instantiate(&nothing).expect("the program links");
    c.bench_function("a run of nothing", |b| b.iter(|| instance.run(&mut (), Input::none())));
    let bytes: Vec<u8> = program("filter").insns.iter().flat_map(|i| i.to_bytes(ByteOrder::Little)).collect();
    let mut packet = memory("filter", 64);
    c.bench_function("from the bytes of a filter to its first result", |b| {
        b.iter(|| {
            let insns = RawInsn::slots(&bytes, ByteOrder::Little).expect("whole slots");
            let program = Program::from_insns("filter", insns);
            let mut linker: Linker<()> = Linker::new(&Engine::default());
            let instance = linker.instantiate(&program).expect("the program links");
            instance.run(&mut (), Input::memory(&mut packet)).expect("no trap").ret
        });
    });
}

criterion_group!(group, workloads, fixed);
criterion_main!(group);
