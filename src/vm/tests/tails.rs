//! Tail calls: the same on every engine, whether a program is gone to for the first time or is known; and no
//! program is gone to that an array has no longer, or that the run may not go to.

use super::random::Dice;
use super::*;
use crate::vm::maps::Map;
use crate::vm::task::Seeded;
use oxbpf_isa::kernel::{KernelModel, ProgType};
use oxbpf_verifier::prove;
use std::sync::atomic::{AtomicBool, Ordering};

/// Slots of the array.
const SLOTS: u32 = 48;

/// How programs are linked.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    Interpreted,
    InterpretedProven,
    Compiled,
    CompiledFast,
    CompiledProven,
    Unfuelled,
    /// Every third program is interpreted, every second proven.
    Mixed,
    /// Compiled while it runs.
    Tiered,
}

const WAYS: [Way; 8] = [
    Way::Interpreted,
    Way::InterpretedProven,
    Way::Compiled,
    Way::CompiledFast,
    Way::CompiledProven,
    Way::Unfuelled,
    Way::Mixed,
    Way::Tiered,
];

impl Way {
    fn engine(self) -> Engine {
        let compiled = Config::new().strategy(Strategy::Compile);
        Engine::new(match self {
            Way::Interpreted | Way::InterpretedProven | Way::Mixed => Config::new(),
            Way::Compiled | Way::CompiledProven => compiled,
            Way::CompiledFast => compiled.opt_level(oxbpf_jit::OptLevel::Fast),
            Way::Unfuelled => compiled.fuel(false),
            Way::Tiered => Config::new().strategy(Strategy::Tiered { runs: 2 }),
        })
    }

    /// Links the program with this number.
    fn link<T: 'static>(self, linker: &mut Linker<T>, program: &Program, number: usize) -> Instance<T> {
        let proven = match self {
            Way::InterpretedProven | Way::CompiledProven => true,
            Way::Mixed => number.is_multiple_of(2),
            _ => false,
        };
        let instance = match proven {
            true => {
                let proof = prove(program, &KernelModel::latest(), 1).unwrap_or_else(|e| panic!("{e}"));
                linker.instantiate_verified(&proof).unwrap()
            }
            false => linker.instantiate(program).unwrap(),
        };
        if self == Way::Mixed && !number.is_multiple_of(3) {
            instance.compile().unwrap();
        }
        instance
    }
}

fn xdp(name: &str, text: &str, maps: &[Arc<MapDef>]) -> Program {
    let program = program_with(text, maps);
    Program { name: name.into(), prog_type: Some(ProgType::Xdp), license: "GPL".to_owned(), ..program }
}

fn array() -> Arc<MapDef> {
    map_def("progs", MapType::ProgArray, 4, 4, SLOTS)
}

/// A program that writes its number down, counts itself in a map of its own, which also says where it goes,
/// and gives its number when it goes nowhere; in a function of its own, if it may.
fn step(number: usize, in_function: bool) -> Program {
    let count = "r6 = r1\nr1 = map[fd:1][0]+0\nr2 = *(u64 *)(r1 + 0)\nr2 *= 31\n";
    let own =
        "*(u64 *)(r1 + 0) = r2\nr1 = map[fd:2][0]+0\nr2 = *(u64 *)(r1 + 0)\nr2 += 1\n*(u64 *)(r1 + 0) = r2\n";
    let go = match in_function {
        false => format!("r3 = *(u32 *)(r1 + 8)\nr1 = r6\nr2 = map[fd:0]\ncall 12\nr0 = {number}\nexit"),
        true => format!(
            "r2 = *(u32 *)(r1 + 8)\nr1 = r6\ncall f\nr0 += 1000\nexit\n\
             f:\nr3 = r2\nr2 = map[fd:0]\ncall 12\nr0 = {number}\nexit"
        ),
    };
    let maps = [
        array(),
        map_def("trace", MapType::Array, 4, 8, 1),
        map_def(&format!("own{number}"), MapType::Array, 4, 16, 1),
    ];
    xdp(&format!("step{number}"), &format!("{count}r2 += {number}\n{own}{go}"), &maps)
}

/// Programs that go to each other, and what they must do.
struct World {
    steps: Vec<Instance<()>>,
    /// Every other run is that of a runner.
    runners: Vec<crate::vm::Runner<()>>,
    runs: u32,
    in_function: Vec<bool>,
    next: Vec<u32>,
    slots: Vec<Option<usize>>,
    trace: u64,
}

impl World {
    fn new(way: Way, in_function: &[bool]) -> World {
        let mut linker = Linker::<()>::new(&way.engine());
        let make = |(number, &inner): (usize, &bool)| way.link(&mut linker, &step(number, inner), number);
        let steps: Vec<_> = in_function.iter().enumerate().map(make).collect();
        let next = vec![0; steps.len()];
        let (in_function, slots) = (in_function.to_vec(), vec![None; SLOTS as usize]);
        let runners = steps.iter().map(Instance::runner).collect();
        World { steps, runners, runs: 0, in_function, next, slots, trace: 0 }
    }

    fn progs(&self) -> &Arc<dyn Map> {
        &self.steps[0].maps()[0]
    }

    fn set_next(&mut self, number: usize, index: u32) {
        self.next[number] = index;
        let own = &self.steps[number].maps()[2];
        let mut value = own.lookup_elem(&0u32.to_ne_bytes(), 0).unwrap();
        value[8..12].copy_from_slice(&index.to_ne_bytes());
        own.user_update(&0u32.to_ne_bytes(), &value, 0).unwrap();
    }

    fn set_slot(&mut self, index: u32, number: Option<usize>) {
        self.slots[index as usize] = number;
        match number {
            Some(number) => self.steps[number].insert_into(&**self.progs(), index).unwrap(),
            None => drop(self.progs().delete(&index.to_ne_bytes(), 0)),
        }
    }

    /// What a program gives in a frame; none when frames run out.
    fn expect(&mut self, number: usize, depth: usize, calls: &mut usize) -> Option<u64> {
        self.trace = self.trace.wrapping_mul(31).wrapping_add(number as u64);
        let inner = self.in_function[number];
        if inner && depth + 1 == MAX_FRAMES {
            return None;
        }
        let target = self.slots.get(self.next[number] as usize).copied().flatten().filter(|_| *calls < 33);
        let given = match target {
            Some(target) => {
                *calls += 1;
                self.expect(target, depth + usize::from(inner), calls)?
            }
            None => number as u64,
        };
        Some(if inner { given + 1000 } else { given })
    }

    /// Runs a program, and holds what it does against what it must; gives how many instructions it took.
    fn run(&mut self, number: usize, context: &mut Context) -> Option<u64> {
        let expected = self.expect(number, 0, &mut 0);
        self.runs += 1;
        let found = match self.runs % 2 {
            0 => self.steps[number].run(&mut (), Input::context(context)),
            _ => self.runners[number].run(&mut (), Input::context(context)),
        };
        match (&found, expected) {
            (Ok(outcome), Some(ret)) => assert_eq!(outcome.ret, ret),
            (Err(trap), None) => assert!(matches!(trap.kind(), TrapKind::CallDepth), "{trap}"),
            _ => panic!("{found:?} and not {expected:?}"),
        }
        let trace = self.steps[number].maps()[1].lookup_elem(&0u32.to_ne_bytes(), 0).unwrap();
        assert_eq!(u64::from_ne_bytes(trace.try_into().unwrap()), self.trace);
        found.ok().map(|outcome| outcome.insns)
    }
}

fn context() -> Context {
    Context::new(ContextLayout::xdp_md())
}

#[test]
fn chains_of_any_length_do_the_same_on_every_engine() {
    for len in [1, 2, 5, 33, 34, 40] {
        let mut counts = Vec::new();
        for way in WAYS {
            let mut world = World::new(way, &vec![false; len]);
            for number in 0..len {
                world.set_slot(number as u32, Some(number));
                world.set_next(number, number as u32 + 1);
            }
            for _ in 0..4 {
                counts.push((world.run(0, &mut context()), way));
            }
        }
        counts.retain(|count| count.1 != Way::Unfuelled);
        assert!(counts.iter().all(|count| count.0 == counts[0].0), "{len} {counts:?}");
    }
}

#[test]
fn random_chains_do_what_they_must() {
    let rounds = if cfg!(debug_assertions) { 12 } else { 100 };
    for (round, way) in (0..rounds).flat_map(|round| WAYS.map(|way| (round, way))) {
        let dice = Dice(Seeded::new(round));
        let proven = matches!(way, Way::InterpretedProven | Way::CompiledProven | Way::Mixed);
        let count = 1 + dice.below(8);
        let in_function: Vec<bool> = (0..count).map(|_| !proven && dice.below(4) == 0).collect();
        let mut world = World::new(way, &in_function);
        let mut kept = context();
        for _ in 0..40 {
            for _ in 0..dice.below(4) {
                let (number, index) = (dice.below(count), dice.below(count + 1) as u32);
                match dice.below(6) {
                    0 => world.set_slot(index, None),
                    1..4 => world.set_slot(index, Some(number)),
                    4 => world.set_next(number, dice.pick(&[SLOTS - 1, SLOTS, u32::MAX])),
                    _ => world.set_next(number, index),
                }
            }
            let number = dice.below(count);
            match dice.below(2) {
                0 => world.run(number, &mut context()),
                _ => world.run(number, &mut kept),
            };
        }
    }
}

#[test]
fn a_budget_ends_a_chain_where_it_ended_it_before() {
    for way in WAYS.into_iter().filter(|&way| way != Way::Unfuelled) {
        let mut world = World::new(way, &[false; 6]);
        let mut plain = World::new(Way::Interpreted, &[false; 6]);
        for world in [&mut world, &mut plain] {
            for number in 0..6 {
                world.set_slot(number as u32, Some(number));
                world.set_next(number, (number as u32 + 1) % 6);
            }
        }
        for budget in (1..600).step_by(7) {
            let end = |world: &World| {
                let outcome = world.steps[0].run(&mut (), Input::context(&mut context()).budget(budget));
                outcome.map(|o| (o.ret, o.insns)).map_err(|trap| trap.to_string())
            };
            let expected = end(&plain);
            for time in 0..3 {
                assert_eq!(end(&world), expected, "{way:?}, a budget of {budget}, run {time}");
            }
            let mut context = context();
            let outcome = world.runners[0].run(&mut (), Input::context(&mut context).budget(budget));
            let found = outcome.map(|o| (o.ret, o.insns)).map_err(|trap| trap.to_string());
            assert_eq!(found, expected, "{way:?}, a budget of {budget}, in a runner");
        }
    }
}

#[test]
fn traps_of_programs_that_were_gone_to_are_theirs() {
    for way in [Way::Interpreted, Way::Compiled, Way::CompiledFast] {
        let mut linker = Linker::<()>::new(&way.engine());
        let first = xdp("first", "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 1\nexit", &[array()]);
        let bad = xdp("bad", "r0 = 0\nr0 = *(u64 *)(r0 + 0)\nexit", &[]);
        let first = way.link(&mut linker, &first, 0);
        way.link(&mut linker, &bad, 1).insert_into(&*first.maps()[0], 0).unwrap();
        for _ in 0..3 {
            let trap = first.run(&mut (), Input::context(&mut context())).unwrap_err();
            let place = trap.place().unwrap();
            assert_eq!((&*place.program, place.insn), ("bad", 1), "{way:?}");
        }
    }
}

#[test]
fn a_proven_program_is_gone_to_with_its_context_alone() {
    let call = "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 5\nexit";
    for way in [Way::Interpreted, Way::Compiled] {
        let mut linker = Linker::<()>::new(&way.engine());
        let honest = linker.instantiate(&xdp("honest", call, &[array()])).unwrap();
        let lying = linker.instantiate(&xdp("lying", &format!("r1 = 4096\n{call}"), &[array()])).unwrap();
        let target = xdp("target", "r0 = *(u32 *)(r1 + 12)\nr0 += 100\nexit", &[]);
        let target = Way::CompiledProven.link(&mut linker, &target, 0);
        target.insert_into(&*honest.maps()[0], 0).unwrap();
        for _ in 0..3 {
            assert_eq!(honest.run(&mut (), Input::context(&mut context())).unwrap().ret, 100);
            assert_eq!(lying.run(&mut (), Input::context(&mut context())).unwrap().ret, 5);
            assert_eq!(honest.run(&mut (), Input::none()).unwrap().ret, 5);
            let mut other = Context::new(ContextLayout::plain(4));
            assert_eq!(honest.run(&mut (), Input::context(&mut other)).unwrap().ret, 5);
        }
    }
}

#[test]
fn a_program_on_the_way_hands_on_what_it_was_given_and_no_more() {
    let call = |index: u32, ret: u32| format!("r2 = map[fd:0]\nr3 = {index}\ncall 12\nr0 = {ret}\nexit");
    for way in [Way::Interpreted, Way::Compiled, Way::CompiledFast] {
        let mut linker = Linker::<()>::new(&way.engine());
        let honest = linker.instantiate(&xdp("honest", &call(0, 5), &[array()])).unwrap();
        let lying = format!("r1 = 4096\n{}", call(0, 5));
        let lying = linker.instantiate(&xdp("lying", &lying, &[array()])).unwrap();
        let between = linker.instantiate(&xdp("between", &call(1, 6), &[array()])).unwrap();
        between.insert_into(&*honest.maps()[0], 0).unwrap();
        let target = xdp("target", "r0 = *(u32 *)(r1 + 12)\nr0 += 100\nexit", &[]);
        Way::CompiledProven.link(&mut linker, &target, 0).insert_into(&*honest.maps()[0], 1).unwrap();
        for run in 0..3 {
            assert_eq!(
                honest.run(&mut (), Input::context(&mut context())).unwrap().ret,
                100,
                "{way:?} {run}"
            );
            assert_eq!(lying.run(&mut (), Input::context(&mut context())).unwrap().ret, 6, "{way:?} {run}");
        }
    }
}

#[test]
fn what_was_learned_with_one_context_is_not_used_with_another() {
    for way in [Way::Interpreted, Way::Compiled] {
        let mut linker = Linker::<()>::new(&way.engine());
        let call = |index: u32| format!("r2 = map[fd:0]\nr3 = {index}\ncall 12\nr0 = 5\nexit");
        let caller = linker.instantiate(&xdp("first", &call(0), &[array()])).unwrap();
        let other = linker.instantiate(&xdp("other", &call(1), &[array()])).unwrap();
        let needs = xdp("needs", "r0 = *(u32 *)(r1 + 12)\nr0 += 100\nexit", &[]);
        Way::CompiledProven.link(&mut linker, &needs, 0).insert_into(&*caller.maps()[0], 0).unwrap();
        let plain = linker.instantiate(&xdp("plain", "r0 = 7\nexit", &[])).unwrap();
        plain.insert_into(&*other.maps()[0], 1).unwrap();
        let mut small = Context::new(ContextLayout::plain(4));
        for _ in 0..2 {
            assert_eq!(other.run(&mut (), Input::context(&mut small)).unwrap().ret, 7);
            assert_eq!(caller.run(&mut (), Input::context(&mut context())).unwrap().ret, 100);
            assert_eq!(caller.run(&mut (), Input::context(&mut small)).unwrap().ret, 5, "{way:?}");
        }
    }
}

#[test]
fn programs_of_others_are_gone_to_as_long_as_they_live_and_nothing_is_kept() {
    for way in [Way::Interpreted, Way::Compiled, Way::CompiledProven] {
        let engine = way.engine();
        let mut linker = Linker::<()>::new(&engine);
        let first = xdp("first", "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 1\nexit", &[array()]);
        let first = way.link(&mut linker, &first, 0);
        let run = |first: &Instance<()>| first.run(&mut (), Input::context(&mut context())).unwrap().ret;
        let progs = first.maps()[0].clone();
        for round in 0..20 {
            let mut other = Linker::<()>::new(&engine);
            let text = format!("r1 = map[fd:0][0]+0\nr0 = *(u64 *)(r1 + 0)\nr0 += {round}\nexit");
            let own = map_def("own", MapType::Array, 4, 8, 1);
            let target = way.link(&mut other, &xdp("other", &text, &[own]), 0);
            let own = target.maps()[0].clone();
            target.insert_into(&*progs, 0).unwrap();
            for _ in 0..3 {
                assert_eq!(run(&first), round);
            }
            drop((other, target));
            assert_eq!(run(&first), 1, "{way:?}: its group is gone");
            assert_eq!(Arc::strong_count(&own), 1);
        }
        // Programs of the group itself are kept by it alone.
        let own = map_def("kept", MapType::Array, 4, 8, 1);
        let text = "r1 = map[fd:0][0]+0\nr0 = *(u64 *)(r1 + 0)\nr0 += 7\nexit";
        let second = way.link(&mut linker, &xdp("second", text, &[own]), 0);
        let own = second.maps()[0].clone();
        second.insert_into(&*progs, 0).unwrap();
        drop(second);
        assert_eq!([run(&first), run(&first), run(&first)], [7; 3]);
        drop((first, linker));
        assert_eq!(Arc::strong_count(&own), 1);
        // Another group in the same memory of runs, with a map of the same shape at perhaps the same place.
        let mut linker = Linker::<()>::new(&engine);
        let text = "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 2\nexit";
        let first = way.link(&mut linker, &xdp("first", text, &[array()]), 0);
        assert_eq!([run(&first), run(&first)], [2; 2]);
    }
}

#[test]
fn slots_change_while_programs_run() {
    let first = "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 1\nexit";
    for way in [Way::Interpreted, Way::Compiled, Way::CompiledProven] {
        let engine = way.engine();
        let mut linker = Linker::<()>::new(&engine);
        let first = way.link(&mut linker, &xdp("first", first, &[array()]), 0);
        let give = |ret: u64| {
            let text = format!("r2 = map[fd:0]\nr3 = 1\ncall 12\nr0 = {ret}\nexit");
            xdp(&format!("give{ret}"), &text, &[array()])
        };
        let own: Vec<_> = (2..5).map(|ret| way.link(&mut linker, &give(ret), 0)).collect();
        let progs = first.maps()[0].clone();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let runs = [(); 2].map(|()| {
                scope.spawn(|| {
                    let mut runner = first.runner();
                    let mut seen = [0u64; 7];
                    while !done.load(Ordering::Relaxed) {
                        let mut context = context();
                        let ret = first.run(&mut (), Input::context(&mut context)).unwrap().ret;
                        seen[ret as usize] += 1;
                        let ret = runner.run(&mut (), Input::context(&mut context)).unwrap().ret;
                        seen[ret as usize] += 1;
                    }
                    seen
                })
            });
            for round in 0..if cfg!(debug_assertions) { 600 } else { 4000 } {
                let at = round % own.len();
                own[at].insert_into(&*progs, 0).unwrap();
                own[(at + 1) % own.len()].insert_into(&*progs, 1).unwrap();
                if round % 5 == 0 {
                    progs.delete(&1u32.to_ne_bytes(), 0).ok();
                }
                if round % 50 == 0 {
                    // One that lives but shortly.
                    let mut linker = Linker::<()>::new(&engine);
                    let target = way.link(&mut linker, &xdp("give6", "r0 = 6\nexit", &[]), 0);
                    target.insert_into(&*progs, 0).unwrap();
                }
            }
            own[0].insert_into(&*progs, 0).unwrap();
            own[2].insert_into(&*progs, 1).unwrap();
            done.store(true, Ordering::Relaxed);
            let seen = runs.map(|run| run.join().unwrap());
            assert!(seen.iter().all(|seen| seen[0] == 0 && seen[5] == 0), "{seen:?}");
        });
        assert_eq!(first.run(&mut (), Input::context(&mut context())).unwrap().ret, 4);
    }
}

#[test]
fn chains_are_cancelled() {
    // Each program takes a part of a slice, and the host cancels in the fifth.
    let text = "r6 = r1\ncall 1000\nr2 = 20000\nagain:\nr2 -= 1\nif r2 != 0 goto again\n\
        r1 = r6\nr2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 1\nexit";
    for way in [Way::Interpreted, Way::Compiled, Way::CompiledFast] {
        let mut linker = Linker::<(u32, Cancel)>::new(&way.engine());
        linker.func(1000, |caller: &mut Caller<'_, (u32, Cancel)>| {
            let (runs, cancel) = caller.data_mut();
            *runs += 1;
            if *runs == 5 {
                cancel.cancel();
            }
            0u64
        });
        let program = way.link(&mut linker, &xdp("again", text, &[array()]), 0);
        program.insert_into(&*program.maps()[0], 0).unwrap();
        for _ in 0..3 {
            let cancel = Cancel::new();
            let mut data = (0, cancel.clone());
            let ended = program.run(&mut data, Input::context(&mut context()).cancel(&cancel));
            assert!(matches!(ended.unwrap_err().kind(), TrapKind::Cancelled));
            assert!((5..8).contains(&data.0), "{way:?}: {}", data.0);
        }
    }
}

/// A program that goes to slot 0, and the one that is there; three ways.
fn pairs<T: 'static>(
    first: &str,
    target: &str,
    prepare: impl Fn(&mut Linker<T>),
) -> impl Iterator<Item = (Way, Instance<T>)> {
    [Way::Interpreted, Way::Compiled, Way::CompiledFast].into_iter().map(move |way| {
        let mut linker = Linker::<T>::new(&way.engine());
        prepare(&mut linker);
        let first = way.link(&mut linker, &xdp("first", first, &[array()]), 0);
        let target = way.link(&mut linker, &xdp("target", target, &[array()]), 0);
        target.insert_into(&*first.maps()[0], 0).unwrap();
        (way, first)
    })
}

#[test]
fn frames_of_known_programs_are_zero_at_first() {
    let first = "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 1\nexit";
    let deep = "call f\nexit\nf:\ncall g\nr1 = *(u64 *)(r10 - 16)\n*(u64 *)(r10 - 16) = 3\nr0 += r1\nexit\n\
        g:\nr0 = *(u64 *)(r10 - 8)\n*(u64 *)(r10 - 8) = 5\nexit";
    for (way, first) in pairs::<()>(first, deep, |_| ()) {
        for run in 0..5 {
            let ret = first.run(&mut (), Input::context(&mut context())).unwrap().ret;
            assert_eq!(ret, 0, "{way:?}, run {run}");
        }
    }
}

#[test]
fn a_main_function_that_calls_itself_goes_on_after_a_tail_call() {
    let first = "main:\nif r2 == 5 goto deep\nr2 = 5\ncall main\nr0 += 1\nexit\n\
        deep:\nr2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 9\nexit";
    for (way, first) in pairs::<()>(first, "r0 = 40\nexit", |_| ()) {
        for run in 0..4 {
            let ret = first.run(&mut (), Input::context(&mut context())).unwrap().ret;
            assert_eq!(ret, 41, "{way:?}, run {run}");
        }
    }
}

#[test]
fn records_that_are_left_behind_are_discarded_wherever_the_run_has_gone() {
    let ring = map_def("ring", MapType::Ringbuf, 0, 0, 4096);
    let text = "r6 = r1\nr1 = map[fd:1]\nr2 = 8\nr3 = 0\ncall 131\nr1 = r6\nr2 = map[fd:0]\nr3 = 0\n\
        call 12\nr0 = 1\nexit";
    for way in [Way::Interpreted, Way::Compiled, Way::Tiered] {
        let mut linker = Linker::<()>::new(&way.engine());
        let first = linker.instantiate(&xdp("first", text, &[array(), ring.clone()])).unwrap();
        let target = linker.instantiate(&xdp("target", "r0 = 2\nexit", &[])).unwrap();
        target.insert_into(&*first.maps()[0], 0).unwrap();
        let maps::MapKind::Ringbuf(ring) = first.maps()[1].kind() else { panic!() };
        // A record that stayed reserved would be in the way of all after it.
        for _ in 0..1000 {
            assert_eq!(first.run(&mut (), Input::context(&mut context())).unwrap().ret, 2);
            ring.consume(|_| std::ops::ControlFlow::Continue(()));
        }
        assert!(ring.output(&[7; 8], 0).is_ok());
        let mut seen = 0;
        ring.consume(|record| {
            seen += u32::from(record[0]);
            std::ops::ControlFlow::Continue(())
        });
        assert_eq!(seen, 7, "{way:?}");
    }
}

#[test]
fn panics_of_the_host_pass_chains() {
    let first = "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 1\nexit";
    let target = "call 1000\nexit";
    let prepare = |linker: &mut Linker<u32>| {
        linker.func(1000, |caller: &mut Caller<'_, u32>| {
            assert_eq!(caller.program(), "target");
            *caller.data_mut() += 1;
            assert!(!caller.data_mut().is_multiple_of(4), "the fourth");
            7u64
        });
    };
    for (_, first) in pairs(first, target, prepare) {
        let mut data = 0;
        for run in 1..13 {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                first.run(&mut data, Input::context(&mut context())).unwrap().ret
            }));
            assert_eq!(ended.ok(), (run % 4 != 0).then_some(7));
        }
    }
}

#[test]
fn a_program_jumps_to_one_that_is_known() {
    let engine = Engine::new(Config::new().strategy(Strategy::Compile).keep_clif(true));
    let text = "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 5\nexit";
    let program = xdp("first", text, &[array()]);
    let instance = Way::CompiledProven.link(&mut Linker::<()>::new(&engine), &program, 0);
    assert!(instance.compile().unwrap().clif().contains("return_call_indirect"));
    instance.insert_into(&*instance.maps()[0], 0).unwrap();
    for _ in 0..3 {
        let outcome = instance.run(&mut (), Input::context(&mut context())).unwrap();
        assert_eq!((outcome.ret, outcome.insns), (5, 33 * 3 + 5));
    }
}

/// A proved program that goes to slot 0, and one that is there, linked as `how` says.
fn proved_to(how: Way, target: &str) -> (Instance<()>, Instance<()>) {
    let engine = Way::Compiled.engine();
    let mut linker = Linker::<()>::new(&engine);
    let first = xdp("first", "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 1\nexit", &[array()]);
    let first = Way::CompiledProven.link(&mut linker, &first, 0);
    let target = how.link(&mut linker, &xdp("target", target, &[array()]), 0);
    target.insert_into(&*first.maps()[0], 0).unwrap();
    (first, target)
}

#[test]
fn a_budget_holds_for_a_proved_program_that_is_gone_to() {
    // It rests on the proof that it ends, and asks for no fuel.
    let long = "r0 = 0\nagain:\nr0 += 1\nif r0 < 1000 goto again\nexit";
    let (first, _) = proved_to(Way::CompiledProven, long);
    for _ in 0..3 {
        let run = |budget: u64| first.run(&mut (), Input::context(&mut context()).budget(budget));
        assert_eq!(run(100_000).unwrap().ret, 1000);
        assert!(matches!(run(500).unwrap_err().kind(), TrapKind::Budget { limit: 500 }));
    }
}

#[test]
fn what_nobody_proved_is_held_against_each_run_s_packet() {
    let (first, _) = proved_to(Way::Compiled, "r2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 50)\nexit");
    let mut packet = Packet::new(&[7; 60]);
    let mut runner = first.runner();
    for round in 0..3 {
        for len in [60, 60, 20, 51, 50] {
            // The buffer stays where it is.
            packet.refill(&vec![7; len], 0, 14);
            let mut context = context();
            let ret = first.run(&mut (), Input::context(&mut context).packet(&mut packet)).map(|o| o.ret);
            assert_eq!(ret.ok(), (len > 50).then_some(7), "round {round}, {len} bytes");
            let ret = runner.run(&mut (), Input::context(&mut context).packet(&mut packet)).map(|o| o.ret);
            assert_eq!(ret.ok(), (len > 50).then_some(7), "round {round}, {len} bytes, in a runner");
        }
    }
}

#[test]
fn a_frame_is_new_in_each_run_for_those_that_are_gone_to() {
    // A privileged program may read what it has not written.
    let reads =
        "r2 = r10\nr2 += -8\nr3 = *(u32 *)(r1 + 12)\nr0 = *(u64 *)(r2 + 0)\n*(u64 *)(r2 + 0) = 7\nexit";
    let (first, _) = proved_to(Way::CompiledProven, reads);
    let mut runner = first.runner();
    for _ in 0..3 {
        assert_eq!(first.run(&mut (), Input::context(&mut context())).unwrap().ret, 0);
        assert_eq!(runner.run(&mut (), Input::context(&mut context())).unwrap().ret, 0);
    }
}

#[test]
fn a_main_function_that_calls_itself_by_address_is_itself_afterwards() {
    // In every second call it goes to slot 0; in the others it calls itself, and tells the host who it is.
    let first = "main:\nr6 = r1\nr1 = map[fd:1][0]+0\nr2 = *(u64 *)(r1 + 0)\nr3 = r2\nr3 += 1\n\
        *(u64 *)(r1 + 0) = r3\nr1 = r6\nr2 &= 1\nif r2 != 0 goto deep\nr3 = func[pc-11]\ncallx r3\nr7 = r0\n\
        call 1000\nr7 += 1\nr1 = r6\nr2 = map[fd:0]\nr3 = 1\ncall 12\nr0 = r7\nexit\n\
        deep:\nr2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 9\nexit";
    let maps = [array(), map_def("turn", MapType::Array, 4, 8, 1)];
    for way in [Way::Interpreted, Way::Compiled, Way::CompiledFast] {
        let mut linker = Linker::<u32>::new(&way.engine());
        linker.func(1000, |caller: &mut Caller<'_, u32>| {
            assert_eq!(caller.program(), "first");
            *caller.data_mut() += 1;
            0u64
        });
        let first = way.link(&mut linker, &xdp("first", first, &maps), 0);
        let target = way.link(&mut linker, &xdp("target", "r0 = 40\nexit", &[]), 0);
        target.insert_into(&*first.maps()[0], 0).unwrap();
        let mut calls = 0;
        for run in 1..5 {
            let ret = first.run(&mut calls, Input::context(&mut context())).unwrap().ret;
            assert_eq!((ret, calls), (41, run), "{way:?}");
        }
    }
}

#[test]
fn what_one_group_has_learned_another_with_the_same_array_does_not_use() {
    for way in [Way::Interpreted, Way::Compiled, Way::CompiledProven] {
        let engine = way.engine();
        let (mut linker, mut other) = (Linker::<()>::new(&engine), Linker::<()>::new(&engine));
        let call = |ret: u32| format!("r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = {ret}\nexit");
        let first = way.link(&mut linker, &xdp("first", &call(1), &[array()]), 0);
        other.map("progs", first.maps()[0].clone());
        let second = way.link(&mut other, &xdp("second", &call(2), &[array()]), 0);
        let target = way.link(&mut linker, &xdp("target", "r0 = 7\nexit", &[]), 0);
        target.insert_into(&*first.maps()[0], 0).unwrap();
        let run =
            |instance: &Instance<()>| instance.run(&mut (), Input::context(&mut context())).unwrap().ret;
        for _ in 0..3 {
            assert_eq!([run(&first), run(&second)], [7; 2], "{way:?}");
        }
        run(&first);
        drop((first, target, linker));
        assert_eq!([run(&second), run(&second)], [2; 2], "{way:?}: nobody keeps the target");
    }
}

#[test]
fn deeper_frames_are_new_in_each_run_for_whoever_comes_next() {
    let deep = "call f\nexit\nf:\nr2 = r10\nr2 += -8\nr0 = *(u64 *)(r2 + 0)\n*(u64 *)(r2 + 0) = 7\nexit";
    let (first, _) = proved_to(Way::CompiledProven, deep);
    // Of another group, in the same memory of runs.
    let other = Linker::<()>::new(first.engine_ref()).instantiate(&xdp("other", deep, &[])).unwrap();
    for _ in 0..3 {
        for _ in 0..3 {
            assert_eq!(first.run(&mut (), Input::context(&mut context())).unwrap().ret, 0);
        }
        assert_eq!(other.run(&mut (), Input::context(&mut context())).unwrap().ret, 0);
    }
}

/// What a program of another group, in the same memory of runs, finds in its frame and in those of two more
/// functions.
fn left_in_frames(engine: &Engine) -> [u64; 3] {
    let read = "r2 = r10\nr2 += -8\nr0 = *(u64 *)(r2 + 0)\n";
    [
        format!("{read}exit"),
        format!("call f\nexit\nf:\n{read}exit"),
        format!("call f\nexit\nf:\ncall g\nexit\ng:\n{read}exit"),
    ]
    .map(|text| {
        let other = Linker::<()>::new(engine).instantiate(&xdp("other", &text, &[])).unwrap();
        other.run(&mut (), Input::context(&mut context())).unwrap().ret
    })
}

#[test]
fn nobody_finds_what_a_proved_program_left_in_its_frames() {
    let write = "r2 = r10\nr2 += -8\nr1 = 7\n*(u64 *)(r2 + 0) = r1\nr1 = *(u64 *)(r2 + 0)\nr0 = 0\n";
    for text in [format!("{write}exit"), format!("call f\nexit\nf:\n{write}exit")] {
        let engine = Way::CompiledProven.engine();
        let mut linker = Linker::<()>::new(&engine);
        let first = Way::CompiledProven.link(&mut linker, &xdp("first", &text, &[]), 0);
        for _ in 0..3 {
            first.run(&mut (), Input::context(&mut context())).unwrap();
            assert_eq!(left_in_frames(&engine), [0; 3], "{text}");
        }
    }
}

#[test]
fn nobody_finds_what_a_chain_left_in_frames_that_it_began_in_deeper() {
    // In every second call it goes to slot 0; in the others it calls itself.
    let first = "main:\nr6 = r1\nr1 = map[fd:1][0]+0\nr2 = *(u64 *)(r1 + 0)\nr3 = r2\nr3 += 1\n\
        *(u64 *)(r1 + 0) = r3\nr1 = r6\nr2 &= 1\nif r2 != 0 goto deep\nr3 = func[pc-11]\ncallx r3\nexit\n\
        deep:\nr2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 9\nexit";
    let target =
        "call f\nexit\nf:\nr2 = r10\nr2 += -8\nr0 = 0\n*(u64 *)(r2 + 0) = 7\nr1 = *(u64 *)(r2 + 0)\nexit";
    let maps = [array(), map_def("turn", MapType::Array, 4, 8, 1)];
    for way in [Way::Compiled, Way::CompiledFast] {
        let engine = way.engine();
        let mut linker = Linker::<()>::new(&engine);
        let first = way.link(&mut linker, &xdp("first", first, &maps), 0);
        // A proved program asks the host for nothing.
        let target = Way::CompiledProven.link(&mut linker, &xdp("target", target, &[]), 0);
        target.insert_into(&*first.maps()[0], 0).unwrap();
        for _ in 0..3 {
            // What is learned in the first run is known in those after it.
            for _ in 0..4 {
                assert_eq!(first.run(&mut (), Input::context(&mut context())).unwrap().ret, 0, "{way:?}");
            }
            assert_eq!(left_in_frames(&engine), [0; 3], "{way:?}");
        }
    }
}

#[test]
fn nobody_finds_what_a_program_wrote_that_was_told_where_frames_lie() {
    let first = "r2 = map[fd:1][0]+0\n*(u64 *)(r2 + 0) = r10\nr2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 9\nexit";
    // Its function has the frame below, and does not name it.
    let target = "r1 = map[fd:1][0]+0\nr1 = *(u64 *)(r1 + 0)\nr1 += -1032\ncall f\nexit\n\
        f:\nr0 = *(u64 *)(r1 + 0)\nr2 = 7\n*(u64 *)(r1 + 0) = r2\nexit";
    let maps = [array(), map_def("told", MapType::Array, 4, 8, 1)];
    for way in [Way::Interpreted, Way::Compiled, Way::CompiledFast] {
        let engine = way.engine();
        let mut linker = Linker::<()>::new(&engine);
        let first = way.link(&mut linker, &xdp("first", first, &maps), 0);
        linker.map("told", first.maps()[1].clone());
        linker.map("progs", first.maps()[0].clone());
        let target = way.link(&mut linker, &xdp("target", target, &maps), 0);
        target.insert_into(&*first.maps()[0], 0).unwrap();
        for _ in 0..3 {
            // What is learned in the first run is known in those after it.
            for _ in 0..4 {
                assert_eq!(first.run(&mut (), Input::context(&mut context())).unwrap().ret, 0, "{way:?}");
            }
            assert_eq!(left_in_frames(&engine), [0; 3], "{way:?}");
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn functions_of_chains_have_frames_only_where_they_need_them() {
    let call = "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 9\nexit";
    // The second keeps something for after a helper, which is called as any function. What is compiled fast keeps
    // values on the stack.
    for (text, framed) in [(call.to_owned(), false), (format!("r6 = r1\ncall 7\nr1 = r6\n{call}"), true)] {
        for way in [Way::Compiled, Way::CompiledProven] {
            let mut linker = Linker::<()>::new(&way.engine());
            let first = way.link(&mut linker, &xdp("first", &text, &[array()]), 0);
            let code = first.machine_code().unwrap();
            let main = code.functions().iter().find(|f| f.chained).unwrap();
            let lines = oxbpf_jit::disassemble(code, main);
            assert_eq!(lines.iter().any(|l| l.text.contains("rbp")), framed, "{way:?} {text}");
        }
    }
}
