//! The interpreter and machine code do the same: results, traps and where they happen, memory, maps.
//!
//! Programs are random, and the same memory is given to both at the same addresses. Keys that callbacks
//! get lie where the host happens to put them; programs whose result depends on that are left out. `OXBPF_SAME` says how many programs, `OXBPF_SEED` with which seed; a
//! fresh seed for `OXBPF_SEED=fresh`.

use super::random::{Dice, World, maps, random_program};
use super::*;
use crate::vm::maps::Map;
use crate::vm::task::{Random, Seeded};

/// Randomness that says the same twice.
struct Fixed;

impl Random for Fixed {
    fn next_u64(&self) -> u64 {
        0x0123_4567_89ab_cdef
    }
}

/// An element of an array: the map, its key, what it held.
type Element = (Arc<dyn Map>, Vec<u8>, Vec<u8>);

/// Everything a run may change.
struct Ground {
    memory: Box<[u64; 6]>,
    context: Context,
    packet: Packet,
    /// Content of array elements: map, key, value.
    elements: Vec<Element>,
}

impl Ground {
    fn new(dice: &Dice, maps: &[Arc<dyn Map>]) -> Ground {
        let memory = Box::new(std::array::from_fn(|_| dice.0.next_u64()));
        let context = match dice.below(3) {
            0 => Context::new(ContextLayout::xdp_md()),
            1 => Context::new(ContextLayout::sk_buff()),
            _ => Context::new(ContextLayout::plain(48)),
        };
        let bytes: Vec<u8> = (0..100).map(|_| dice.0.next_u64() as u8).collect();
        let mut elements = Vec::new();
        for map in maps {
            let shape = *map.head().shape();
            if !matches!(shape.map_type, MapType::Array | MapType::PercpuArray) {
                continue;
            }
            for index in 0..shape.max_entries {
                let value = (0..shape.user_value_size(map.head().cpus()))
                    .map(|_| dice.0.next_u64() as u8 & 0x8f)
                    .collect();
                elements.push((map.clone(), index.to_ne_bytes().to_vec(), value));
            }
        }
        Ground { memory, context, packet: Packet::new(&bytes), elements }
    }

    fn fill_maps(&self) {
        for (map, key, value) in &self.elements {
            map.user_update(key, value, 0).unwrap();
        }
    }

    fn map_content(&self) -> Vec<Vec<u8>> {
        let content = |(map, key, value): &(Arc<dyn Map>, Vec<u8>, Vec<u8>)| {
            let mut out = vec![0; value.len()];
            map.user_lookup(key, 0, &mut out).unwrap();
            out
        };
        self.elements.iter().map(content).collect()
    }
}

/// What is left after a run.
#[derive(PartialEq, Debug)]
struct After {
    result: Result<(u64, Option<Redirect>), String>,
    memory: [u64; 6],
    context: Vec<u8>,
    packet: Vec<u8>,
    maps: Vec<Vec<u8>>,
}

/// Runs on the ground, and puts it back as it was; none when the budget ended the run.
fn after(
    instance: &Instance<()>,
    target: (&Instance<()>, u32),
    ground: &mut Ground,
    on_memory: bool,
) -> Option<After> {
    ground.fill_maps();
    // Programs may take elements out of the array of programs.
    let programs = &*instance.maps()[10];
    for index in 0..4u32 {
        programs.delete(&index.to_ne_bytes(), 0).ok();
    }
    target.0.insert_into(programs, target.1).ok();
    let (memory, context, packet) = (ground.memory.clone(), ground.context.clone(), ground.packet.clone());
    let result = {
        // SAFETY: six words are so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(ground.memory.as_mut_ptr().cast::<u8>(), 48) };
        let input = match on_memory {
            true => Input::memory(bytes).packet(&mut ground.packet),
            false => Input::context(&mut ground.context).packet(&mut ground.packet).grant(bytes),
        };
        instance.run(&mut (), input)
    };
    let out_of_budget = matches!(&result, Err(trap) if matches!(trap.kind(), TrapKind::Budget { .. }));
    let after = After {
        result: result.map(|o| (o.ret, o.redirect)).map_err(|t| format!("{t:?}")),
        memory: *ground.memory,
        context: ground.context.bytes().to_vec(),
        packet: [ground.packet.metadata(), ground.packet.bytes()].concat(),
        maps: ground.map_content(),
    };
    // Assignments that keep the buffers where they are.
    ground.memory.copy_from_slice(&*memory);
    ground.context.clone_from(&context);
    ground.packet.clone_from(&packet);
    (!out_of_budget).then_some(after)
}

/// As [`after`], with what the host keeps for itself at other addresses.
#[inline(never)]
fn elsewhere(
    instance: &Instance<()>,
    target: (&Instance<()>, u32),
    ground: &mut Ground,
    on_memory: bool,
) -> Option<After> {
    let heap: Vec<Box<[u64; 8]>> = (0..64).map(|n| Box::new([n; 8])).collect();
    let stack = std::hint::black_box([heap.len(); 600]);
    let after = after(instance, target, ground, on_memory);
    std::hint::black_box((heap, stack));
    after
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Compares on so many programs; how many ended, trapped, ran out of budget.
fn compare(seed: u64, programs: usize, tame: bool, opt: oxbpf_jit::OptLevel) -> [usize; 3] {
    let dice = Dice(Seeded::new(seed));
    let world = World::same(tame);
    let config =
        Config::new().budget(4000).clock(Arc::new(ManualClock::at(5))).cpus(2).random(Arc::new(Fixed));
    let engine = Engine::new(config.opt_level(opt));
    let mut counts = [0; 3];
    let mut done = 0;
    while done < programs {
        let mut linker: Linker<()> = Linker::new(&engine);
        for _ in 0..20 {
            let program = random_program(&dice, &world);
            let (Ok(interpreted), Ok(compiled)) =
                (linker.instantiate(&program), linker.instantiate(&program))
            else {
                continue;
            };
            if compiled.compile().is_err() {
                continue;
            }
            done += 1;
            let place = dice.below(4) as u32;
            let target = if dice.below(2) == 0 { &interpreted } else { &compiled };
            let target = (target, place);
            let mut ground = Ground::new(&dice, interpreted.maps());
            let on_memory = dice.below(2) == 0;
            let expected = after(&interpreted, target, &mut ground, on_memory);
            let found = after(&compiled, target, &mut ground, on_memory);
            let (Some(expected), Some(found)) = (expected, found) else {
                counts[2] += 1;
                continue;
            };
            counts[expected.result.is_err() as usize] += 1;
            if expected != found
                && elsewhere(&interpreted, target, &mut ground, on_memory).as_ref() == Some(&expected)
            {
                use oxbpf_isa::disasm::{Dialect, Exact, Kernel, NoNames};
                let mut text = String::new();
                let mut at = 0;
                while at < program.insns.len() {
                    text.push_str(&format!("{at}: "));
                    at += Exact(Kernel).any(&mut text, at, &program.insns[at..], &NoNames).unwrap_or(1);
                    text.push('\n');
                }
                panic!("seed {seed}, program {done}:\n{text}interpreted {expected:x?}\ncompiled {found:x?}");
            }
        }
    }
    counts
}

#[test]
fn machine_code_does_what_the_interpreter_does() {
    let programs = number("OXBPF_SAME").unwrap_or(2000) as usize;
    let seed = match std::env::var("OXBPF_SEED").as_deref() {
        Ok("fresh") => std::time::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_nanos() as u64),
        _ => number("OXBPF_SEED").unwrap_or(3),
    };
    println!("seed {seed}");
    for (share, tame, opt) in [
        (programs / 2, true, oxbpf_jit::OptLevel::Full),
        (programs / 4, false, oxbpf_jit::OptLevel::Full),
        (programs / 4, true, oxbpf_jit::OptLevel::Fast),
    ] {
        let [ended, trapped, budget] = compare(seed, share, tame, opt);
        println!("tame {tame}, {opt:?}: {ended} ended, {trapped} trapped, {budget} out of budget");
        assert!(!tame || ended * 4 > share, "{ended} of {share} ended");
    }
    assert!(maps().len() > 10);
}
