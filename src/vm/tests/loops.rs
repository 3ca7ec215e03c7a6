//! Loops as machine code: whatever is done many turns at a time, registers, memory, traps and budgets end
//! as they do turn by turn. `OXBPF_LOOPS` says how many random ones, `OXBPF_SEED` with which seed.

use super::random::Dice;
use super::*;
use crate::vm::task::{Random, Seeded};

/// What a run leaves: R0 or the trap, and memory.
type Left = (Result<u64, String>, Vec<u8>);

fn engine(strategy: Strategy, budget: u64) -> Engine {
    Engine::new(Config::new().strategy(strategy).budget(budget))
}

/// A trap without what is said of its neighbourhood; and where it happened, if that was not far from a memory:
/// stacks lie elsewhere on each engine.
fn brief(trap: &Trap, memory: &[u8]) -> String {
    let kind = match trap.kind() {
        TrapKind::Access { kind, addr, size, .. } => {
            let at = addr.wrapping_sub(memory.as_ptr().addr() as u64).cast_signed();
            let at = Some(at).filter(|at| (-256..memory.len() as i64 + 256).contains(at));
            format!("{kind:?} of {size} at {at:?}")
        }
        TrapKind::Budget { .. } => return "budget".to_owned(),
        kind => format!("{kind:?}"),
    };
    format!("{kind}, {:?}", trap.place())
}

/// The same program on the same memory: interpreted, compiled, called like a function twice.
fn all_ways(text: &str, memory: &mut [u8], budget: u64) -> Vec<(&'static str, Left)> {
    let before = memory.to_vec();
    let mut found = Vec::new();
    for (name, strategy) in [("interpreted", Strategy::Interpret), ("compiled", Strategy::Compile)] {
        let engine = engine(strategy, budget);
        let instance =
            Linker::<()>::new(&engine).instantiate(&program(text)).unwrap_or_else(|e| panic!("{e}"));
        let run = instance.run(&mut (), Input::memory(memory));
        found.push((name, (run.map(|o| o.ret).map_err(|t| brief(&t, memory)), memory.to_vec())));
        memory.copy_from_slice(&before);
        if strategy == Strategy::Compile {
            let mut function = instance.callable().unwrap().expect("it calls nothing");
            for name in ["called", "called again"] {
                let result = function.call(memory).map_err(|t| brief(&t, memory));
                found.push((name, (result, memory.to_vec())));
                memory.copy_from_slice(&before);
            }
        }
    }
    found
}

/// What all ways come to; none when the budget ended some.
fn agreed(text: &str, memory: &mut [u8], budget: u64) -> Option<Left> {
    let found = all_ways(text, memory, budget);
    if found.iter().any(|(_, (result, _))| result.as_ref().is_err_and(|e| e == "budget")) {
        return None;
    }
    let (_, expected) = &found[0];
    for (name, left) in &found[1..] {
        assert_eq!(left.0, expected.0, "{name}:\n{text}");
        assert!(left.1 == expected.1, "{name} leaves other memory:\n{text}");
    }
    Some(expected.clone())
}

/// Ends with R0 made of all registers that loops here change.
const MIX: &str = "r0 += r3\nr0 *= 31\nr0 += r7\nr0 *= 31\nr0 += r8\nr0 *= 31\nr0 += r4\nr0 *= 31\nr0 += r9\nr0 -= r1\nexit\n";

#[test]
fn a_copy_that_does_more_than_copy_keeps_every_register() {
    let copy = "r5 = r1\nr5 += r3\nr0 = *(u8 *)(r5 + 0)\nr6 = r1\nr6 += r3\n*(u8 *)(r6 + 128) = r0\n";
    for more in
        ["", "r7 += r0", "r7 += 3", "r7 += r3", "r8 = r7\nr7 = r3", "r8 = r9\nr9 = r0", "r4 += 1", "w7 += 1"]
    {
        let text = format!(
            "r3 = 0\nr4 = r1\nr7 = 1\nr8 = 2\nr9 = 3\nloop:\n{copy}{more}\nr3 += 1\nif r3 < 100 goto loop\n{MIX}"
        );
        let mut memory: Vec<u8> = (0..255).collect();
        let (result, after) = agreed(&text, &mut memory, 10_000).unwrap();
        assert!(result.is_ok() && after[128..228] == memory[..100], "{text}");
    }
}

#[test]
fn accesses_held_together_go_from_region_to_region_and_trap_one_by_one() {
    let text = "r6 = 0\nr9 = 0\n*(u64 *)(r10 - 16) = r9\n*(u64 *)(r10 - 8) = r9\nloop:\nr5 = r1\nr7 = r6\nr7 &= 1\n\
                if r7 == 0 goto access\nr5 = r10\nr5 += -16\naccess:\nr0 = *(s8 *)(r5 + 0)\nr3 = *(u32 *)(r5 + 4)\n\
                *(u16 *)(r5 + 2) = r6\n*(u64 *)(r5 + 8) = r0\nr9 += r0\nr9 ^= r3\nr6 += 1\nif r6 != 9 goto loop\n\
                r0 = r9\nexit\n";
    for len in 0..=17 {
        let mut memory: Vec<u8> = (200..200 + len).collect();
        let before = memory.clone();
        let (result, after) = agreed(text, &mut memory, 10_000).unwrap();
        assert_eq!(result.is_ok(), len >= 16, "{len}");
        // Where the last access traps, the one before has been done.
        assert_eq!(before != after, len >= 8, "{len}");
    }
}

#[test]
fn a_loop_whose_register_comes_round_again_is_paid_for() {
    for step in ["0x10000", "0x20000", "0x100000", "-0x20000"] {
        for nops in 0..3 {
            let text = format!("w3 = 5\nloop:\n{}w3 += {step}\ngoto loop\nexit\n", "r4 = r3\n".repeat(nops));
            for (name, (result, _)) in all_ways(&text, &mut [], 200_000) {
                assert_eq!(result, Err("budget".to_owned()), "{name}: {text}");
            }
        }
    }
}

#[test]
fn turns_whose_number_is_known_are_counted() {
    let inner = "r4 = 0\nin:\nr0 += r4\nr4 += 3\nif r4 != 48 goto in\nw5 = 7\nback:\nr0 ^= r5\nw5 -= 1\nif w5 s> 0 goto back\n";
    for (opt, turns) in [oxbpf_jit::OptLevel::Full, oxbpf_jit::OptLevel::Fast]
        .into_iter()
        .flat_map(|o| [1u64, 2, 77].map(|t| (o, t)))
    {
        let text = format!("r0 = 0\nr3 = 0\nout:\n{inner}r3 += 1\nif r3 < r2 goto out\nexit\n");
        let run = |strategy| {
            let config = Config::new().strategy(strategy).opt_level(opt).budget(1 << 20);
            let instance = Linker::<()>::new(&Engine::new(config)).instantiate(&program(&text)).unwrap();
            let input = Input::none().arg(2, turns);
            instance.run(&mut (), input).map(|outcome| (outcome.ret, outcome.insns)).unwrap()
        };
        let (expected, found) = (run(Strategy::Interpret), run(Strategy::Compile));
        assert_eq!(found, expected, "{opt:?}, {turns}");
    }
    for (name, (result, _)) in all_ways(&format!("out:\n{inner}goto out\nexit\n"), &mut [], 200_000) {
        assert_eq!(result, Err("budget".to_owned()), "{name}");
    }
}

#[test]
fn loops_that_begin_at_their_end_or_step_over_the_highest_number_are_paid_for() {
    let tops = [0, 1, 2, 15, 16, 17, 300, 1 << 32].map(|back: u64| back.wrapping_neg());
    let halves = [0xffff_ffff, 0xffff_fffe, 0xffff_fff0, 0xffff_fe00];
    let ends: Vec<u64> = [0, 1, 100, 3000].into_iter().chain(tops).chain(halves).collect();
    let mut endless = 0;
    for (&end, &back) in
        ends.iter().flat_map(|e| [0u64, 1, 5, 64, 2000, u64::MAX].iter().map(move |b| (e, b)))
    {
        let start = end.wrapping_sub(back);
        for (r, step, cond) in ["r", "w"].into_iter().flat_map(|r| {
            let steps = [
                ("1", "<"),
                ("16", "<"),
                ("1", "!="),
                ("-1", "!="),
                ("REG1", "<"),
                ("REG7", "<"),
                ("REG0", "<"),
            ];
            steps.map(|(step, cond)| (r, step, cond))
        }) {
            let by = step.strip_prefix("REG");
            let step = if by.is_some() { format!("{r}5") } else { step.to_owned() };
            let text = format!(
                "r0 = 0\nr5 = {}\nr3 = {start} ll\nr4 = {end} ll\nloop:\nr0 += 1\n{r}3 += {step}\n\
                 if {r}3 {cond} {r}4 goto loop\nr0 ^= r3\nexit\n",
                by.unwrap_or("0")
            );
            let run = |strategy| {
                let engine = engine(strategy, 100_000);
                let instance = Linker::<()>::new(&engine).instantiate(&program(&text)).unwrap();
                let result = instance.run(&mut (), Input::none());
                result.map(|outcome| (outcome.ret, outcome.insns)).map_err(|t| brief(&t, &[]))
            };
            let (expected, found) = (run(Strategy::Interpret), run(Strategy::Compile));
            assert_eq!(found, expected, "{text}");
            endless += u32::from(found.is_err());
        }
    }
    assert!(endless > 20, "{endless}");
}

#[test]
fn a_counter_that_goes_through_the_frame_is_counted() {
    let text = "r0 = 0\nr8 = 0\nloop:\n*(u64 *)(r10 - 8) = r8\nr8 = 5\nr0 += r8\nr8 = *(u64 *)(r10 - 8)\nr8 += 8\n\
                r7 = r8\nr7 += 8\nif r7 <= r2 goto loop\nexit\n";
    let program = program(text);
    for turns in [1u64, 2, 3, 9000] {
        let run = |strategy| {
            let engine = engine(strategy, 1 << 20);
            let mut linker = Linker::<()>::new(&engine);
            // SAFETY: the program accesses its own frame alone.
            let vouched = unsafe { Vouched::new(&program) };
            let instance = linker.instantiate_vouched(&vouched).unwrap();
            let input = Input::none().arg(2, 8 * turns);
            instance.run(&mut (), input).map(|outcome| (outcome.ret, outcome.insns)).unwrap()
        };
        assert_eq!(run(Strategy::Compile), run(Strategy::Interpret), "{turns}");
    }
}

#[test]
fn what_a_call_handed_over_is_gone_at_the_next() {
    // The callee loops, so it stays a function of its own, and reads R6 as its caller left it.
    let text = "r0 = r6\nr6 = 7\nr6 += r0\nr8 = r0\ncall sub\nr0 = r8\nexit\nsub:\nr3 = 0\nloop:\nr3 += r6\nr3 += 1\nif r3 < 90 goto loop\nr0 = r3\nexit\n";
    assert_eq!(agreed(text, &mut [1; 8], 10_000).unwrap().0, Ok(0));
}

#[test]
fn a_frame_is_zero_at_each_call() {
    let text = "r0 = *(u64 *)(r10 - 8)\nr1 = 9\n*(u64 *)(r10 - 8) = r1\nexit\n";
    assert_eq!(agreed(text, &mut [1; 8], 10_000).unwrap().0, Ok(0));
    let engine = engine(Strategy::Compile, 10_000);
    let mut linker: Linker<()> = Linker::new(&engine);
    let program = program(text);
    // SAFETY: the program touches its own frame only.
    let vouched = unsafe { Vouched::new(&program) };
    let instance = linker.instantiate_vouched(&vouched).unwrap();
    let mut function = instance.callable().unwrap().unwrap();
    assert_eq!([(); 3].map(|()| function.call(&mut [1; 8]).unwrap()), [0; 3]);
}

/// A loop nobody would write.
fn random_loop(dice: &Dice) -> String {
    let pick = |of: &[&'static str]| dice.pick(of);
    let number = |of: &[i64]| dice.pick(of);
    let mut text = String::from("r0 = 0\nr4 = r1\nr5 = r1\nr6 = r1\n");
    for reg in [7, 8, 9] {
        text.push_str(&format!("r{reg} = {}\n", number(&[0, 1, 2, 3, 8, 33, 255, -1, 1 << 20])));
    }
    text.push_str(&format!("r3 = {}\n", number(&[0, 0, 0, 0, 1, 5, 40, -3, -40])));
    text.push_str(pick(&["", "", "r3 <<= 32\n", "w3 = w3\n"]));
    text.push_str("loop:\n");
    let (load, store) = (number(&[0, 0, 1, -1, 17, 40]), number(&[0, 64, 32, 31, 16, 1, -1, -33, 9000]));
    let address = ["r5 = r1\nr5 += r3\n", "r6 = r1\nr6 += r3\n"];
    let early = dice.below(4) == 0;
    let (update, width) = match dice.below(12) {
        0 => ("r3 += 2", 'r'),
        1 => ("r3 -= 1", 'r'),
        2 => ("r3 += r9", 'r'),
        3 | 4 => ("w3 += 1", 'w'),
        5 => ("w3 += 0x20000", 'w'),
        _ => ("r3 += 1", 'r'),
    };
    let more = |text: &mut String| {
        if dice.below(3) == 0 {
            text.push_str(pick(&[
                "r7 += r0\n",
                "r7 += 3\n",
                "r8 = r7\n",
                "r7 = r3\n",
                "r8 += r3\n",
                "w8 += w0\n",
                "r4 = r8\n",
                "r0 = *(u8 *)(r1 + 3)\n",
                "r8 = *(u16 *)(r5 + 1)\n",
                "*(u8 *)(r1 + 70) = r7\n",
                "r0 = 5\n",
                "r7 = 5\n",
                "r9 += 1\n",
                "r0 += 1\n",
                "r7 ^= r0\n",
                "r4 += 1\n",
                "r8 = *(u8 *)(r4 + 0)\n",
                "if r0 == 77 goto out\n",
                "r6 += r7\n",
                "*(u64 *)(r10 - 8) = r7\nr8 = *(u64 *)(r10 - 8)\n",
                "r8 = *(u8 *)(r5 + 1)\nr4 = *(u8 *)(r5 + 0)\nr8 <<= 8\nr8 |= r4\n",
            ]));
        }
    };
    if early {
        text.push_str(&format!("{update}\n"));
    }
    more(&mut text);
    if dice.below(4) != 0 {
        text.push_str(&format!("{}r0 = *(u8 *)(r5 {load:+})\n", address[0]));
    }
    more(&mut text);
    if dice.below(8) != 0 {
        let what = pick(&["r0", "r0", "r0", "r7", "r3", "9"]);
        text.push_str(&format!("{}*(u8 *)(r6 {store:+}) = {what}\n", address[1]));
    }
    more(&mut text);
    if !early {
        text.push_str(&format!("{update}\n"));
    }
    let end = ["100", "33", "34", "64", "65", "9000", "20000", if width == 'w' { "w2" } else { "r2" }];
    let end = dice.pick(&end);
    text.push_str(&match dice.below(6) {
        0 => format!("if {width}3 != {end} goto loop\n"),
        1 => format!("if {width}3 == {end} goto out\ngoto loop\n"),
        2 => format!("if {width}3 >= {end} goto out\ngoto loop\n"),
        3 => pick(&["goto loop\n", "if r3 s< 50 goto loop\n", "if r3 <= 90 goto loop\n"]).to_owned(),
        _ => format!("if {width}3 < {end} goto loop\n"),
    });
    // Addresses differ from one allocation to the next, but not here: all ways get the same memory.
    text.push_str(&format!("out:\n{MIX}"));
    text
}

#[test]
fn branches_in_loops_that_hand_over_the_same_constant_share_a_way() {
    let text = "r0 = 0\nr3 = 0\nagain:\nr4 = 7\nr5 = r3\nr5 &= 3\nif r5 == 1 goto join\nif r5 == 2 goto join\n\
        r4 = r3\njoin:\nr0 *= 31\nr0 += r4\nr3 += 1\nif r3 != 40 goto again\nexit\n";
    let (result, _) = agreed(text, &mut [], 10_000).unwrap();
    let turn =
        |sum: u64, n: u64| sum.wrapping_mul(31).wrapping_add(if matches!(n & 3, 1 | 2) { 7 } else { n });
    assert_eq!(result, Ok((0..40).fold(0, turn)));
}

#[test]
fn random_loops_end_alike() {
    const FAR: usize = 1 << 16;
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let (programs, seed) = (number("OXBPF_LOOPS").unwrap_or(300), number("OXBPF_SEED").unwrap_or(5));
    let dice = Dice(Seeded::new(seed));
    let (mut ended, mut trapped) = (0, 0);
    for nth in 0..programs {
        let text = random_loop(&dice);
        let len = [0, 40, 200, 20_000][dice.below(4)];
        // Far from the stacks that the allocator puts anywhere.
        let mut room = vec![0u8; 2 * FAR + len];
        let memory = &mut room[FAR..FAR + len];
        memory.fill_with(|| dice.0.next_u64() as u8);
        println!("seed {seed}, loop {nth}");
        match agreed(&text, memory, 400_000) {
            Some((Ok(_), _)) => ended += 1,
            Some((Err(_), _)) => trapped += 1,
            None => {}
        }
    }
    println!("{programs} loops: {ended} ended, {trapped} trapped");
    assert!(
        ended * 10 > programs && trapped * 10 > programs,
        "{ended} ended, {trapped} trapped of {programs}"
    );
}

#[test]
fn what_lies_between_locks_of_a_map_value_is_memory_for_a_function_too() {
    use crate::vm::maps::{Creation, MapShape, Settings, SpecialField, SpecialKind, create};
    let special = vec![SpecialField { offset: 8, size: 4, kind: SpecialKind::SpinLock }];
    let creation = Creation { special, ..Creation::default() };
    let map = create(MapShape::new(MapType::Array, 4, 24, 1), &creation, &Settings::default()).unwrap();
    let mut linker: Linker<()> = Linker::new(&engine(Strategy::Compile, 1000));
    linker.map("held", map);
    for (off, good) in [(0, true), (4, false), (5, false), (8, false), (12, true), (16, true), (17, false)] {
        let text = format!("r1 = map[fd:0][0]+0\nr0 = *(u64 *)(r1 + {off})\nexit\n");
        let program = program_with(&text, &[map_def("held", MapType::Array, 4, 24, 1)]);
        let instance = linker.instantiate(&program).unwrap();
        let run = instance.run(&mut (), Input::memory(&mut [])).map(|o| o.ret).map_err(|t| brief(&t, &[]));
        let call = instance.callable().unwrap().unwrap().call(&mut []).map_err(|t| brief(&t, &[]));
        assert_eq!(run.is_ok(), good, "{off}: {run:?}");
        assert_eq!(call, run, "{off}");
    }
}
