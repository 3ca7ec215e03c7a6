//! How machine code of programs that nobody proved holds accesses: whatever it knows of where pointers come
//! from, and whatever it holds at once, a run ends as in the interpreter and leaves the same in maps and
//! memory. `OXBPF_HELD` says how many random ones, `OXBPF_SEED` with which seed.

use super::random::Dice;
use super::*;
use crate::vm::task::Seeded;
use oxbpf_jit::OptLevel;

/// R0 or the trap, without addresses, and what maps and memory hold.
type Left = (Result<u64, String>, String);

fn defs() -> [Arc<MapDef>; 3] {
    let of = |name, kind, size| map_def(name, kind, 4, size, 3);
    [of("array", MapType::Array, 16), of("percpu", MapType::PercpuArray, 24), of("hash", MapType::Hash, 16)]
}

/// Twice on one instance, the second time with what the first has left.
fn ends(text: &str, config: Config) -> [Left; 2] {
    let instance = Linker::<()>::new(&Engine::new(config.cpus(2).budget(10_000)))
        .instantiate(&program_with(text, &defs()))
        .unwrap_or_else(|e| panic!("{e}\n{text}"));
    for (map, size) in instance.maps().iter().zip([16u8, 24, 16]) {
        for index in 0..3u32 {
            let value: Vec<u8> = (0..size).map(|n| n.wrapping_mul(37) ^ index as u8).collect();
            map.update(&index.to_ne_bytes(), &value, 0, 1).unwrap();
        }
    }
    let mut memory: Vec<u8> = (0..40).collect();
    [(); 2].map(|()| {
        let run = instance.run(&mut (), Input::memory(&mut memory).cpu(1));
        let result = run.map(|o| o.ret).map_err(|trap| {
            let kind = match trap.kind() {
                TrapKind::Access { kind, size, .. } => format!("{kind:?} of {size}"),
                TrapKind::Unaligned { size, .. } => format!("unaligned {size}"),
                kind => format!("{kind:?}"),
            };
            format!("{kind}, {:?}", trap.place())
        });
        let maps: Vec<_> = instance.maps().iter().map(|map| map.elements().unwrap()).collect();
        (result, format!("{maps:?} {memory:?}"))
    })
}

/// What all engines come to.
fn agreed(text: &str) -> [Left; 2] {
    let expected = ends(text, Config::new());
    if expected.iter().any(|(result, _)| result.as_ref().is_err_and(|e| e.starts_with("Budget"))) {
        // Where it ends engines see at different places.
        return expected;
    }
    for opt in [OptLevel::Full, OptLevel::Fast] {
        let found = ends(text, Config::new().strategy(Strategy::Compile).opt_level(opt));
        assert_eq!(found, expected, "{opt:?}\n{text}");
    }
    expected
}

/// An address, as text has it.
fn at(base: &str, off: i32) -> String {
    format!("{base} {} {}", if off < 0 { '-' } else { '+' }, off.abs())
}

fn look_up(map: usize, key: &str) -> String {
    format!("*(u32 *)(r10 - 4) = {key}\nr1 = map[fd:{map}]\nr2 = r10\nr2 += -4\ncall 1\n")
}

#[test]
fn what_was_found_may_be_null_and_ends_where_its_value_ends() {
    for (map, size) in [(0, 16), (1, 24), (2, 16)] {
        for (key, off, width, expected) in [
            (1, size - 8, "u64", Some(true)),
            (1, size - 7, "u64", Some(false)),
            // The next value may lie there, and the one before.
            (1, size, "u8", None),
            (1, -1, "u8", None),
            (3, 0, "u8", Some(false)),
        ] {
            for access in [
                format!("r1 = *({width} *)({})", at("r0", off)),
                format!("*({width} *)({}) = 7", at("r0", off)),
            ] {
                let look = look_up(map, &key.to_string());
                let text = format!("{look}{access}\nr0 = 1\nexit");
                let ended = agreed(&text)[0].0.is_ok();
                assert_eq!(ended, expected.unwrap_or(ended), "{text}");
                let text = format!("{look}if r0 == 0 goto none\n{access}\nnone:\nr0 = 1\nexit");
                let ended = agreed(&text)[0].0.is_ok();
                assert_eq!(ended, expected.unwrap_or(ended) || key == 3, "{text}");
                // Moved, and kept elsewhere.
                let text = format!(
                    "{look}r6 = r0\nif r0 == 0 goto none\nr6 += 3\nr0 = r6\nr0 -= 3\n{access}\nnone:\nr0 = 1\nexit"
                );
                let ended = agreed(&text)[0].0.is_ok();
                assert_eq!(ended, expected.unwrap_or(ended) || key == 3, "{text}");
            }
        }
    }
}

#[test]
fn what_an_earlier_turn_found_is_not_what_this_one_finds() {
    // The second time nothing is found, and R6 is what the first time gave; then the other way around.
    for (keys, other) in [("r7 += 2", "r6"), ("r7 -= 2", "r6"), ("r7 += 2", "r0"), ("r7 += 1", "r6")] {
        let text = format!(
            "r6 = r10\nr6 += -16\n*(u64 *)(r10 - 16) = 5\nr7 = {}\nr8 = 0\nagain:\n{}if {other} == 0 goto next\n\
             r1 = *(u8 *)(r0 + 0)\nr2 = *(u8 *)(r6 + 0)\nr8 += r1\nr8 += r2\nnext:\nr6 = r0\n{keys}\nr9 += 1\n\
             if r9 < 3 goto again\nr0 = r8\nexit",
            if keys == "r7 -= 2" { 3 } else { 1 },
            look_up(0, "r7")
        );
        let _ = agreed(&text);
    }
}

#[test]
fn loads_that_are_held_at_once_trap_where_they_would_one_by_one() {
    for off in [-2, 0, 30, 33, 36, 38, 40] {
        for regs in [["r2", "r3", "r4"], ["r2", "r2", "r1"]] {
            let [a, b, c] = regs;
            let text = format!(
                "r1 += {off}\n{a} = *(u8 *)(r1 + 1)\nr5 = r10\n{b} = *(s16 *)(r1 - 1)\nr5 = *(u8 *)(r10 - 3)\n\
                 {c} = *(u8 *)(r1 + 3)\nr0 = r2\nr0 <<= 8\nr0 |= {b}\nr0 <<= 8\nr0 |= {c}\nexit"
            );
            let _ = agreed(&text);
        }
    }
    // A frame of a function, of which nothing is remembered.
    let text = "r1 = 1\ncall sub\nexit\nsub:\n*(u64 *)(r10 - 16) = 258\n*(u64 *)(r10 - 8) = 77\nr1 = r10\nr2 = -16\n\
        r1 += r2\nr0 = *(u8 *)(r1 + 0)\nr2 = *(u8 *)(r1 + 1)\nr3 = *(u64 *)(r1 + 8)\nr0 <<= 8\nr0 |= r2\nr0 += r3\n\
        exit";
    assert_eq!(agreed(text)[1].0, Ok(256 * 2 + 1 + 77));
}

#[test]
fn loads_that_are_held_at_once_may_lie_in_regions_that_touch() {
    // Values of an array lie side by side, and are one region each.
    let look = look_up(0, "1");
    for off in [-16, -12, -3, 0, 9, 13, 20, 25] {
        let text = format!(
            "{look}r6 = {off}\nr6 += r0\nr1 = *(u8 *)(r6 + 0)\nr2 = *(u8 *)(r6 + 1)\nr3 = *(u16 *)(r6 + 4)\n\
             r4 = *(u8 *)(r6 + 6)\nr0 = r2\nr0 <<= 8\nr0 |= r1\nr3 <<= 16\nr0 |= r3\nr4 <<= 32\nr0 |= r4\n\
             r5 = *(u8 *)(r6 + 3)\nr2 = *(u8 *)(r6 + 2)\nr0 += r2\nr0 ^= r5\nexit"
        );
        let touches = (-16..=16).contains(&off);
        assert_eq!(agreed(&text)[0].0.is_ok(), touches || off == 20 || off == 25, "{text}");
    }
}

#[test]
fn stores_held_at_once_with_others_between_trap_where_they_would_one_by_one() {
    // What is stored through R1 lies in two values or in one, and what is stored through R6 in memory or not.
    let look = look_up(0, "1");
    for (low, off) in [(-8, 9), (-8, 39), (-8, 40), (0, 39), (0, 40), (-24, 39), (8, 40)] {
        for b in [3, 40] {
            let text = format!(
                "r6 = r1\n{look}if r0 == 0 goto none\nr7 = 0\nr8 = 1\nr1 = r0\nr3 = {low}\nr1 += r3\nagain:\n\
                 *(u64 *)(r1 + 0) = r8\nr8 += r7\n*(u8 *)(r6 + {b}) = 8\nw8 ^= 5\n*(u32 *)(r1 + 8) = r7\n\
                 r8 <<= 2\n*(u8 *)(r6 + {off}) = r8\nr7 += 1\nif r7 < 3 goto again\nr0 = r8\nexit\nnone:\nr0 = 0\n\
                 exit"
            );
            let good = low >= -16 && low + 12 <= 32 && off < 40 && b < 40;
            assert_eq!(agreed(&text)[0].0.is_ok(), good, "{text}");
        }
    }
}

#[test]
fn an_inner_loop_goes_on_in_the_region_it_comes_to() {
    // Each turn of the outer loop goes through another value, and the inner one from one into the next.
    for (step, turns, off) in [(1, 16, 0), (3, 8, 0), (16, 3, 0), (16, 3, 13), (1, 49, 0), (-1, 5, 12)] {
        for access in ["r2 = *(u8 *)(r1 + 0)", "*(u8 *)(r1 + 0) = r9\nr2 = r9", "r2 = *(u32 *)(r1 + 0)"] {
            let text = format!(
                "r9 = 0\nr8 = 0\nouter:\n{}if r0 == 0 goto done\nr1 = r0\nr3 = {off}\nr1 += r3\nr7 = 0\ninner:\n\
                 {access}\nr8 += r2\nr1 += {step}\nr7 += 1\nif r7 < {turns} goto inner\nr2 = *(u8 *)({})\n\
                 r8 += r2\nr9 += 1\nif r9 < 3 goto outer\ndone:\nr0 = r8\nexit",
                look_up(0, "r9"),
                at("r1", -step)
            );
            let _ = agreed(&text);
            // The same through memory, where no map is looked up between the turns.
            let text = format!(
                "r9 = 0\nr8 = 0\nr6 = r1\nouter:\nr1 = r6\nr7 = 0\ninner:\n{access}\nr8 += r2\nr1 += {step}\n\
                 r7 += 1\nif r7 < {turns} goto inner\nr9 += 1\nif r9 < 3 goto outer\nr0 = r8\nexit"
            );
            let ended = agreed(&text)[1].0.is_ok();
            let width = if access.contains("u32") { 4 } else { 1 };
            assert_eq!(ended, step > 0 && (turns - 1) * step + width <= 40, "{text}");
        }
    }
}

#[test]
fn fields_of_a_context_are_held_one_by_one() {
    let text = "r2 = *(u8 *)(r1 + 16)\nr3 = *(u8 *)(r1 + 17)\nr4 = *(u16 *)(r1 + 18)\nr6 = *(u32 *)(r1 + 0)\n\
        r7 = *(u32 *)(r1 + 4)\nr7 -= r6\nr0 = r3\nr0 <<= 8\nr0 |= r2\nr4 <<= 16\nr0 |= r4\nr0 += r7\nexit";
    let bad = "r2 = *(u8 *)(r1 + 16)\nr3 = *(u8 *)(r1 + 1)\nr0 = r3\nexit";
    let mut refused = Vec::new();
    for strategy in [Strategy::Interpret, Strategy::Compile] {
        let run = |text| {
            let engine = Engine::new(Config::new().strategy(strategy));
            let instance = Linker::<()>::new(&engine).instantiate(&program(text)).unwrap();
            let (mut context, mut packet) = (Context::new(ContextLayout::xdp_md()), Packet::new(&[0; 64]));
            context.bytes_mut()[16..20].copy_from_slice(&0x0403_0201u32.to_ne_bytes());
            let input = Input::context(&mut context).packet(&mut packet);
            instance.run(&mut (), input).map(|o| o.ret).map_err(|t| format!("{:?}", t.place()))
        };
        assert_eq!(run(text), Ok(u64::from(u32::from_ne_bytes([1, 2, 3, 4])) + 64));
        refused.push(run(bad).unwrap_err());
    }
    assert_eq!(refused[0], refused[1]);
}

/// A program of lookups, moves, jumps and accesses; mostly good ones.
fn random_program(dice: &Dice) -> String {
    let pick = |of: &[&'static str]| dice.pick(of);
    let mut text =
        "r6 = r1\nr7 = r1\nr8 = r10\nr8 += -32\nr9 = 0\n*(u64 *)(r10 - 32) = 9\n*(u64 *)(r10 - 24) = 8\n"
            .to_owned();
    let blocks = 3 + dice.below(5);
    for block in 0..blocks {
        text += &format!("l{block}:\n");
        for _ in 0..1 + dice.below(6) {
            let (to, from) = (pick(&["r6", "r7", "r8"]), pick(&["r6", "r7", "r8"]));
            let base = if dice.below(8) == 0 { "r0" } else { from };
            let size = pick(&["u8", "u8", "u8", "u16", "u32", "u64", "s8", "s16"]);
            let off = dice.pick(&[0, 0, 1, 2, 3, 4, 5, 8, 8, 12, 15, 16, -1]);
            text += &match dice.below(12) {
                0..=2 => {
                    let key = dice.pick(&["0", "1", "2", "1", "3", "r9"]);
                    let check = format!("if r0 == 0 goto l{}\n", blocks);
                    let check = if dice.below(4) != 0 { check.as_str() } else { "" };
                    let look = look_up(dice.below(3), key);
                    match dice.below(3) {
                        0 => format!("{look}{check}{to} = r0\n"),
                        1 => format!("{look}{to} = r0\n{check}"),
                        _ => format!("{look}{to} = r0\nif {to} != 0 goto +1\nr9 += 1\n"),
                    }
                }
                3 => format!("{to} = {from}\n"),
                4 => format!("{to} += {}\n", dice.pick(&[1, 2, 8, -1, -8, 4])),
                5 => format!("r2 = r9\nr2 &= 7\n{to} += r2\n"),
                6..=8 => {
                    let mut loads = String::new();
                    for n in 0..1 + dice.below(4) {
                        let (reg, more) = (["r1", "r2", "r3", "r4"][n], dice.below(4) as i32);
                        loads += &format!("{reg} = *({size} *)({})\n", at(base, off + more));
                        if dice.below(3) == 0 {
                            loads += &format!("r9 += {reg}\n");
                        }
                    }
                    loads + "r9 += r1\n"
                }
                9 => format!("*({} *)({}) = r9\n", size.replace('s', "u"), at(base, off)),
                10 => format!("r1 = 1\nlock *(u32 *)({}) += r1\n", at(base, off & !3)),
                _ => format!("r9 <<= 8\nr9 ^= {block}\n"),
            };
        }
        let to = dice.below(blocks + 1);
        text += &match dice.below(4) {
            0 => format!("if r9 & 1 goto l{to}\n"),
            1 => format!("if {} == 0 goto l{to}\n", pick(&["r6", "r7", "r0"])),
            2 => format!(
                "if {} != 0 goto l{}\n",
                pick(&["r6", "r8", "r0"]),
                (block + 1 + dice.below(3)).min(blocks)
            ),
            _ => String::new(),
        };
    }
    format!("r0 = 0\n{text}l{blocks}:\nr0 = r9\nexit")
}

#[test]
fn random_accesses_end_alike() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let (programs, seed) = (number("OXBPF_HELD").unwrap_or(400), number("OXBPF_SEED").unwrap_or(11));
    let dice = Dice(Seeded::new(seed));
    let mut ended = 0;
    for _ in 0..programs {
        let [(first, _), _] = agreed(&random_program(&dice));
        ended += u64::from(first.is_ok());
    }
    assert!(ended > programs / 20, "only {ended} of {programs} ended without a trap");
}
