//! Lookups in maps from programs, beside the running kernel's: nanoseconds for one, with the three
//! instructions that lead to it; and how much more two threads do than one on maps with values for each CPU.
//!
//! The programs are proved, and the same bytes run in the kernel (BPF_PROG_TEST_RUN), where that is allowed.
//! Of many short rounds the fastest counts.

use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::kernel::{KernelModel, KernelVersion, MapType, ProgType};
use oxbpf::isa::program::{MapDef, Program};
use oxbpf::vm::{Config, Context, ContextLayout, Engine, Input, Instance, Linker, Packet, Strategy};
use oxbpf_conformance::oracle::Oracle;
use oxbpf_verifier::prove;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Lookups in one program.
const LOOKUPS: u32 = 64;
const CPUS: u32 = 2;

/// A program that puts an element into its map and looks it up so many times.
fn program(map: MapType, entries: u32, lookups: u32) -> Program {
    let look = "r1 = map[fd:0]\n r2 = r10\n r2 += -4\n call 1\n";
    let text = format!(
        "*(u32 *)(r10 - 4) = 5\n *(u64 *)(r10 - 16) = 1\n r1 = map[fd:0]\n r2 = r10\n r2 += -4\n r3 = r10\n
         r3 += -16\n r4 = 0\n call 2\n{}r0 = 2\n exit",
        look.repeat(lookups as usize)
    );
    let insns = assemble(&text, Syntax::Any).expect("valid text");
    let mut program = Program::from_insns("lookups", insns);
    program.prog_type = Some(ProgType::Xdp);
    program.license = "GPL".to_owned();
    program.maps.push(Arc::new(MapDef {
        name: "m".to_owned(),
        map_type: map.number(),
        key_size: 4,
        value_size: 8,
        max_entries: entries,
        ..MapDef::default()
    }));
    program
}

fn instance(program: &Program, strategy: Strategy) -> Instance<()> {
    let model = KernelModel::measured(KernelVersion::new(6, 18)).expect("a model");
    let proof = prove(program, &model, CPUS).expect("the program is proved");
    let engine = Engine::new(Config::new().cpus(CPUS).strategy(strategy));
    Linker::new(&engine).instantiate_verified(&proof).expect("it links")
}

/// Nanoseconds of `runs` runs.
fn time(instance: &Instance<()>, cpu: u32, runs: u32) -> f64 {
    let mut context = Context::new(ContextLayout::xdp_md());
    let mut packet = Packet::new(&[0; 64]);
    let start = Instant::now();
    for _ in 0..runs {
        let input = Input::context(&mut context).packet(&mut packet).cpu(cpu);
        assert_eq!(instance.run(&mut (), input).expect("no trap").ret, 2);
    }
    start.elapsed().as_nanos() as f64
}

fn fastest(rounds: u32, mut round: impl FnMut() -> f64) -> f64 {
    (0..rounds).map(|_| round()).fold(f64::MAX, f64::min)
}

/// What each lookup adds to a run.
fn lookup(rounds: u32, mut run: impl FnMut(u32) -> f64) -> f64 {
    let with = fastest(rounds, || run(LOOKUPS));
    (with - fastest(rounds, || run(0))) / f64::from(LOOKUPS)
}

/// How much more two threads do than one in the same time.
fn scaling(instance: &Instance<()>) -> f64 {
    const RUNS: u32 = 2000;
    let one = fastest(30, || time(instance, 0, RUNS));
    let two = fastest(30, || {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            let work = |cpu| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    time(instance, cpu, RUNS)
                })
            };
            let both = [work(0), work(1)];
            both.map(|thread| thread.join().expect("no panic")).into_iter().fold(0.0, f64::max)
        })
    });
    2.0 * one / two
}

fn main() {
    let kernel = Oracle::open().map_err(|skip| println!("the kernel is not asked: {skip}")).ok();
    println!("{:24} {:>8} {:>12} {:>10}", "ns for a lookup", "kernel", "interpreted", "compiled");
    for (map, entries) in [
        (MapType::Array, 64),
        (MapType::PercpuArray, 64),
        (MapType::Hash, 64),
        (MapType::Hash, 65536),
        (MapType::PercpuHash, 64),
        (MapType::LruHash, 64),
    ] {
        let programs = [program(map, entries, 0), program(map, entries, LOOKUPS)];
        let of = |lookups: u32| &programs[(lookups > 0) as usize];
        let asked = kernel.as_ref().map(|oracle| {
            let loaded = [0, LOOKUPS].map(|n| oracle.load(of(n), 0).ok().and_then(|(_, loaded)| loaded));
            let run = |n: u32| {
                let loaded = loaded[(n > 0) as usize].as_ref().expect("the kernel loads it");
                loaded.time(&[0; 64], 5000).map_or(f64::NAN, |time: Duration| time.as_nanos() as f64)
            };
            lookup(20, run)
        });
        let ours = [Strategy::Interpret, Strategy::Compile].map(|strategy| {
            let instances = [0, LOOKUPS].map(|n| instance(of(n), strategy));
            lookup(60, |n| time(&instances[(n > 0) as usize], 0, 200) / 200.0)
        });
        let asked = asked.map_or("-".to_owned(), |ns| format!("{ns:.2}"));
        println!("{:24} {asked:>8} {:>12.2} {:>10.2}", format!("{map:?}, {entries}"), ours[0], ours[1]);
    }
    for map in [MapType::PercpuArray, MapType::PercpuHash] {
        for strategy in [Strategy::Interpret, Strategy::Compile] {
            let program = program(map, 64, LOOKUPS);
            let gain = scaling(&instance(&program, strategy));
            println!("two threads on {map:?}, {strategy:?}: {gain:.2} times as many as one");
        }
    }
}
