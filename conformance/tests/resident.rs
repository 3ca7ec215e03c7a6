//! Compiling and dropping programs leaves the process as large as it was.
//!
//! `OXBPF_ROUNDS` says how many rounds (10,000 unless told otherwise). Skipped, with the reason, where
//! there is no /proc/self/statm.

use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::program::Program;
use oxbpf::vm::{Config, Engine, Input, Linker, Strategy};

const PROGRAM: &str = "
    r0 = 0
    r3 = 10
again:
    r0 += r3
    *(u64 *)(r10 - 8) = r0
    r4 = *(u64 *)(r10 - 8)
    r0 ^= r4
    r0 += NUMBER
    r3 += -1
    if r3 != 0 goto again
    call f
    exit
f:
    r0 += 1
    exit";

/// Resident pages.
fn resident() -> Option<u64> {
    std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()
}

#[test]
fn compiling_and_dropping_leaves_no_memory_behind() {
    if resident().is_none() {
        return println!("skipped: there is no /proc/self/statm");
    }
    let rounds = std::env::var("OXBPF_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let engine = Engine::new(Config::new().strategy(Strategy::Compile));
    let round = |n: u32| {
        // Each program is another, so that none finds the code of one before.
        let text = PROGRAM.replace("NUMBER", &n.to_string());
        let program = Program::from_insns("round", assemble(&text, Syntax::Any).unwrap());
        let mut linker: Linker<()> = Linker::new(&engine);
        let instance = linker.instantiate(&program).unwrap();
        assert!(instance.machine_code().is_some());
        instance.run(&mut (), Input::none()).unwrap();
    };
    // The allocator and the compiler have their own room by now.
    let warm = (rounds / 10).max(1);
    (0..warm).for_each(round);
    let before = resident().unwrap();
    (warm..rounds).for_each(round);
    let after = resident().unwrap();
    println!("{rounds} rounds: {before} pages resident after {warm}, {after} at the end");
    // A page for every hundred rounds would already be a leak of 40 bytes in each.
    assert!(after <= before + 256, "{before} pages became {after}");
}
