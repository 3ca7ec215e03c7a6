//! Programs that nobody checked: whatever they do, the host stands.

use super::super::random::{Dice, World, random_program};
use super::*;
use crate::vm::task::Random;
use oxbpf_isa::insn::RawInsn;

/// Runs many random programs; gives how many were linked, ended, and trapped.
fn hostile(seed: u64, programs: usize) -> (usize, usize, usize) {
    let dice = Dice(Seeded::new(seed));
    let world = World::hostile();
    let engine = Engine::new(config().budget(3000).clock(Arc::new(ManualClock::at(5))).cpus(2));
    let (mut linked, mut ended, mut trapped) = (0, 0, 0);
    while linked < programs {
        let mut linker: Linker<()> = Linker::new(&engine);
        // Maps and their content outlive a few programs.
        for _ in 0..20 {
            let program = random_program(&dice, &world);
            let Ok(instance) = linker.instantiate(&program) else { continue };
            linked += 1;
            let array = &instance.maps()[10];
            instance.insert_into(&**array, dice.below(4) as u32).ok();
            if let maps::MapKind::UserRingbuf(ring) = instance.maps()[8].kind() {
                ring.produce(&[1; 24]).ok();
            }
            if let maps::MapKind::PerfEventArray(events) = instance.maps()[9].kind() {
                events.open_all(1024);
            }
            let mut words = [0x0123_4567_89ab_cdefu64; 8];
            let (guard_low, rest) = words.split_at_mut(1);
            let (memory, guard_high) = rest.split_at_mut(6);
            let mut packet = Packet::new(&[0x45; 100]);
            let mut context = match dice.below(3) {
                0 => Context::new(ContextLayout::xdp_md()),
                1 => Context::new(ContextLayout::sk_buff()),
                _ => Context::new(ContextLayout::plain(32)),
            };
            // SAFETY: six words are so many bytes.
            let bytes = unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast::<u8>(), 48) };
            let input = match dice.below(2) {
                0 => Input::memory(bytes).packet(&mut packet),
                _ => Input::context(&mut context).packet(&mut packet).grant(bytes),
            };
            match instance.run(&mut (), input.cpu(dice.below(2) as u32)) {
                Ok(_) => ended += 1,
                Err(_) => trapped += 1,
            }
            assert_eq!((guard_low[0], guard_high[0]), (0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef));
        }
    }
    (linked, ended, trapped)
}

#[test]
fn random_programs_end_in_a_value_or_a_trap() {
    let count = std::env::var("OXBPF_HOSTILE").ok().and_then(|n| n.parse().ok());
    // Compiling takes longer than running.
    let default = if config().strategy == Strategy::Interpret { 20_000 } else { 1000 };
    let count = count.unwrap_or(if cfg!(miri) { 100 } else { default });
    let seed = std::env::var("OXBPF_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let (linked, ended, trapped) = hostile(seed, count);
    println!("{linked} linked, {ended} ended, {trapped} trapped");
    assert!(ended * 20 > linked && trapped * 20 > linked, "{linked} {ended} {trapped}");
}

#[test]
fn random_bytes_are_refused_or_run() {
    let dice = Dice(Seeded::new(7));
    let engine = Engine::new(config().budget(1000).unknown(Unknown::TrapAtCall));
    for _ in 0..if cfg!(miri) { 200 } else { 50_000 } {
        let slots = (0..1 + dice.below(4))
            .map(|_| RawInsn::from_bytes(dice.0.next_u64().to_le_bytes(), Default::default()))
            .chain([RawInsn::new(0x95, 0, 0, 0, 0)])
            .collect();
        let mut linker: Linker<()> = Linker::new(&engine);
        if let Ok(instance) = linker.instantiate(&Program::from_insns("bytes", slots)) {
            instance.run(&mut (), Input::memory(&mut [0; 64])).ok();
        }
    }
}
