//! Programs whose work is in maps: nanoseconds for an operation, and how many two threads do.
//!
//! Each program does the same operation for 48 bytes of a packet, or 33 tail calls. It is accepted by the
//! verifier, and the same bytes run in the kernel (BPF_PROG_TEST_RUN), where that is allowed. After
//! three runs all engines of ours must have left the same in its map, and the kernel's must have returned the
//! same.

use crate::compute::program;
use crate::engines::own::{self, Way};
use crate::kernel::Kernel;
use crate::{Options, data, verified, workloads};
use oxbpf::isa::program::Program;
use oxbpf::vm::maps::{Map, MapKind};
use oxbpf::vm::{Context, ContextLayout, Input, Instance, Packet};
use std::ops::ControlFlow;
use std::sync::{Arc, Barrier};
use std::time::Instant;

/// Workloads, and the operations of a run.
const WORKLOADS: [(&str, u32); 7] =
    [("array", 48), ("percpu", 48), ("hash", 48), ("lpm", 48), ("ringbuf", 48), ("tail", 33), ("chain", 33)];

/// Runs in a round.
const RUNS: u32 = 200;

/// Processors, for each of which some maps have values.
const CPUS: u32 = 2;

type Run = Box<dyn FnMut() -> Result<u64, String> + Send>;

pub fn names() -> impl Iterator<Item = &'static str> {
    WORKLOADS.into_iter().map(|(name, _)| name)
}

pub fn workload(name: &str) -> Result<Program, String> {
    program(&workloads().join(format!("maps/{name}.bpf.o")))
}

/// Runs of an instance on one thread, which counts as one of the processors.
fn runs(instance: &Instance<()>, cpu: u32) -> Run {
    let mut runner = instance.runner();
    let mut context = Context::new(ContextLayout::xdp_md());
    let mut packet = Packet::new(&data::input("filter"));
    let is_ring = |map: &&Arc<dyn Map>| matches!(map.kind(), MapKind::Ringbuf(_));
    let rings: Vec<Arc<dyn Map>> = instance.maps().iter().filter(is_ring).cloned().collect();
    Box::new(move || {
        let input = Input::context(&mut context).packet(&mut packet).cpu(cpu);
        let outcome = runner.run(&mut (), input).map_err(|e| e.to_string())?;
        // Somebody has to read what is written.
        for map in &rings {
            if let MapKind::Ringbuf(ring) = map.kind() {
                ring.consume(|_| ControlFlow::Continue(()));
            }
        }
        Ok(outcome.ret)
    })
}

fn instance(program: &Program, way: Way) -> Result<Instance<()>, String> {
    let instance = verified::linked(program, way, CPUS)?;
    for map in instance.maps() {
        if matches!(map.kind(), MapKind::ProgArray(_)) {
            for index in 0..map.head().shape().max_entries {
                instance.insert_into(&**map, index).map_err(|e| e.to_string())?;
            }
        }
    }
    Ok(instance)
}

/// What three runs give, and what they leave in the first map.
fn traces(program: &Program, way: Way) -> Result<String, String> {
    let instance = instance(program, way)?;
    let mut run = runs(&instance, 0);
    let results = [run()?, run()?, run()?];
    let left = instance.maps().first().and_then(|map| map.elements().ok());
    Ok(format!("{results:?} {left:?}"))
}

/// Nanoseconds of a run, the least of many rounds.
fn measured(rounds: u32, run: &mut Run) -> Result<f64, String> {
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..RUNS {
            run()?;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(RUNS));
    }
    Ok(best)
}

/// Nanoseconds of a run when two threads run at once, the least of many rounds.
fn both(rounds: u32, make: &(dyn Fn(u32) -> Run + Sync)) -> f64 {
    let barrier = Barrier::new(2);
    let work = |cpu| {
        let mut run = make(cpu);
        let mut best = f64::INFINITY;
        for _ in 0..rounds {
            barrier.wait();
            best = best.min(measured(1, &mut run).unwrap_or(f64::INFINITY));
        }
        best
    };
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|cpu| {
            let work = &work;
            scope.spawn(move || work(cpu))
        });
        threads.map(|t| t.join().unwrap_or(f64::NAN)).into_iter().fold(0.0, f64::max)
    })
}

pub fn run(options: &Options) -> Result<(), String> {
    let kernel = Kernel::open();
    let is_asked =
        |way: &Way| options.engines.is_empty() || options.engines.iter().any(|e| way.name.contains(e));
    let ways: Vec<Way> = own::WAYS.into_iter().filter(|w| w.fuel && is_asked(w)).collect();
    println!("\nMaps: nanoseconds for an operation, and millions a second on one thread and on two");
    print!("{:10}", "");
    ways.iter().for_each(|way| print!(" {:>12}", way.name));
    println!(" {:>12} | {:>20} | {:>20}", "kernel", "jit proven", "kernel");
    let mut notes = Vec::new();
    for (name, operations) in WORKLOADS {
        if !options.only.is_empty() && !options.only.iter().any(|o| name.contains(o.as_str())) {
            continue;
        }
        let program = workload(name)?;
        let expected = traces(&program, ways[0])?;
        print!("{name:10}");
        let per = f64::from(operations);
        let mut last = None;
        for way in &ways {
            let found = traces(&program, *way)?;
            if found != expected {
                return Err(format!("{name}, {}: {found} and not {expected}", way.name));
            }
            let instance = instance(&program, *way)?;
            let time = measured(options.rounds, &mut runs(&instance, 0))?;
            print!(" {:>12.2}", time / per);
            last = Some((instance, time));
        }
        let millions = |time: f64, threads: f64| threads * per * 1e3 / time;
        let pair = |one: f64, two: f64| format!("{:.1} and {:.1}", millions(one, 1.0), millions(two, 2.0));
        let ours = last.map(|(instance, one)| pair(one, both(options.rounds, &|cpu| runs(&instance, cpu))));
        let theirs = match &kernel {
            Err(why) => Err(why.clone()),
            Ok(_) if name == "ringbuf" => Err("nobody reads the buffer of a test run".to_owned()),
            Ok(kernel) => kernel_times(kernel, &program, options.rounds),
        };
        let ours = ours.unwrap_or_default();
        match theirs {
            Ok((one, two)) => println!(" {:>12.2} | {ours:>20} | {:>20}", one / per, pair(one, two)),
            Err(why) => {
                println!(" {:>12} | {ours:>20} | {:>20}", "-", "-");
                notes.push(format!("{name}, kernel: {why}"));
            }
        }
    }
    notes.iter().for_each(|note| println!("{note}"));
    Ok(())
}

/// Nanoseconds of a run in the kernel, on one thread and on two at once.
fn kernel_times(kernel: &Kernel, program: &Program, rounds: u32) -> Result<(f64, f64), String> {
    let loaded = kernel.load(program)?;
    let packet = data::input("filter");
    let time = |rounds: u32| {
        let times = (0..rounds).map(|_| loaded.time(&packet, 20 * RUNS));
        times.reduce(|a, b| Ok(f64::min(a?, b?))).unwrap_or_else(|| Err("no rounds".to_owned()))
    };
    let one = time(rounds)?;
    let two = std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| time(rounds)));
        let times = threads.map(|t| t.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())));
        times.into_iter().reduce(|a, b| Ok(f64::max(a?, b?))).unwrap_or_else(|| Err("no threads".to_owned()))
    })?;
    Ok((one, two))
}
