//! What compiled programs do in a shorter way than the interpreter: lookups in machine code, and what a proof
//! knows beforehand.

use super::*;
use crate::vm::maps::{Map, flag};
use oxbpf_isa::kernel::{KernelModel, ProgType};
use oxbpf_verifier::prove;

const CPUS: u32 = 4;

fn xdp(text: &str, maps: &[Arc<MapDef>]) -> Program {
    Program { prog_type: Some(ProgType::Xdp), license: "GPL".to_owned(), ..program_with(text, maps) }
}

fn config() -> Config {
    Config::new().cpus(CPUS).keep_clif(true)
}

/// Interpreted, compiled and held, and compiled on the proof; with maps of their own.
fn instances(program: &Program) -> [Instance<()>; 3] {
    let compiled = config().strategy(Strategy::Compile);
    let verified = prove(program, &KernelModel::latest(), CPUS).unwrap_or_else(|e| panic!("{e}"));
    let plain = |config| Linker::<()>::new(&Engine::new(config)).instantiate(program).unwrap();
    let proven = Linker::<()>::new(&Engine::new(compiled.clone())).instantiate_verified(&verified).unwrap();
    [plain(config()), plain(compiled), proven]
}

/// R0 after a run on a CPU, with a number in the context at offset 16.
fn run_on(instance: &Instance<()>, cpu: u32, number: u32) -> Result<u64, Trap> {
    let mut context = Context::new(ContextLayout::xdp_md());
    context.bytes_mut()[16..20].copy_from_slice(&number.to_ne_bytes());
    instance.run(&mut (), Input::context(&mut context).cpu(cpu)).map(|o| o.ret)
}

/// Fills an array: CPU `c` has `100 * c + index` at each index.
fn fill(map: &Arc<dyn Map>) {
    let shape = *map.head().shape();
    let cpus = if shape.is_percpu() { map.head().cpus() } else { 1 };
    for index in 0..shape.max_entries {
        let value: Vec<u8> =
            (0..cpus).flat_map(|cpu| (100 * u64::from(cpu) + u64::from(index)).to_ne_bytes()).collect();
        map.user_update(&index.to_ne_bytes(), &value, 0).unwrap();
    }
}

fn calls(instance: &Instance<()>) -> usize {
    instance.compile().unwrap().clif().matches("call_indirect").count()
}

const BY_NUMBER: &str = "r1 = *(u32 *)(r1 + 16)\n*(u32 *)(r10 - 4) = r1\nr2 = r10\nr2 += -4\nr1 = map[fd:0]\ncall 1\n\
    if r0 == 0 goto none\nr0 = *(u64 *)(r0 + 0)\nexit\nnone:\nr0 = 1000\nexit";

#[test]
fn arrays_are_looked_up_by_any_index_without_a_call() {
    for (kind, per_cpu) in [(MapType::Array, 0), (MapType::PercpuArray, 100)] {
        let program = xdp(BY_NUMBER, &[map_def("m", kind, 4, 8, 3)]);
        let instances = instances(&program);
        for (n, instance) in instances.iter().enumerate() {
            fill(&instance.maps()[0]);
            for cpu in [0, 1, 3] {
                for index in [0, 1, 2, 3, 4, 1 << 29, 1 << 31, u32::MAX] {
                    let expected = if index < 3 { per_cpu * cpu + index } else { 1000 };
                    assert_eq!(
                        run_on(instance, cpu, index).unwrap(),
                        u64::from(expected),
                        "{n} {cpu} {index}"
                    );
                }
            }
        }
        // What is not held at all calls nothing; what is held asks for regions of the context.
        assert_eq!(calls(&instances[2]), 0);
    }
}

#[test]
fn values_of_other_cpus_are_looked_up_by_number() {
    let text = "r3 = *(u32 *)(r1 + 16)\n*(u32 *)(r10 - 4) = 1\nr2 = r10\nr2 += -4\nr1 = map[fd:0]\ncall 195\n\
        if r0 == 0 goto none\nr0 = *(u64 *)(r0 + 0)\nexit\nnone:\nr0 = 1000\nexit";
    let instances = instances(&xdp(text, &[map_def("m", MapType::PercpuArray, 4, 8, 2)]));
    for instance in &instances {
        fill(&instance.maps()[0]);
        for (cpu, expected) in [(0, 1), (3, 301), (CPUS, 1000), (u32::MAX, 1000)] {
            assert_eq!(run_on(instance, 2, cpu).unwrap(), expected);
        }
    }
    assert_eq!(calls(&instances[2]), 0);
}

#[test]
fn a_key_is_what_the_stack_holds_at_the_lookup() {
    let look = "r2 = r10\nr2 += -4\nr1 = map[fd:0]\ncall 1\nif r0 == 0 goto end\nr6 <<= 8\nr0 = *(u64 *)(r0 + 0)\nr6 += r0\n";
    let text = format!(
        "r6 = 0\nr7 = *(u32 *)(r1 + 16)\n*(u32 *)(r10 - 4) = 1\n{look}*(u32 *)(r10 - 4) = 2\n{look}\
         *(u32 *)(r10 - 4) = r7\n{look}*(u32 *)(r10 - 4) = 9\n{look}end:\nr0 = r6\nexit"
    );
    let instances = instances(&xdp(&text, &[map_def("m", MapType::Array, 4, 8, 5)]));
    for instance in &instances {
        fill(&instance.maps()[0]);
        assert_eq!(run_on(instance, 0, 4).unwrap(), 0x01_02_04);
        assert_eq!(run_on(instance, 0, 5).unwrap(), 0x01_02);
    }
}

#[test]
fn programs_with_the_same_code_keep_to_their_own_maps() {
    let text = "*(u32 *)(r10 - 4) = 1\nr2 = r10\nr2 += -4\nr1 = map[fd:0]\ncall 1\nif r0 == 0 goto end\n\
        r1 = *(u64 *)(r0 + 0)\nr1 += 1\n*(u64 *)(r0 + 0) = r1\nr0 = r1\nend:\nexit";
    for kind in [MapType::Array, MapType::PercpuArray, MapType::Hash] {
        let program = xdp(text, &[map_def("m", kind, 4, 8, 2)]);
        let verified = prove(&program, &KernelModel::latest(), CPUS).unwrap();
        let engine = Engine::new(config().strategy(Strategy::Compile));
        let made: Vec<Instance<()>> = (0..4)
            .map(|n| match n % 2 {
                0 => Linker::new(&engine).instantiate(&program).unwrap(),
                _ => Linker::new(&engine).instantiate_verified(&verified).unwrap(),
            })
            .collect();
        for instance in &made {
            instance.maps()[0].update(&1u32.to_ne_bytes(), &[0; 8], 0, 0).unwrap();
        }
        for (n, instance) in made.iter().enumerate() {
            for count in 1..=n as u64 + 1 {
                assert_eq!(run_on(instance, 0, 0).unwrap(), count, "{kind:?} {n}");
            }
        }
    }
}

#[test]
fn hashes_are_looked_up_by_words() {
    for (size, store) in [(4, "*(u32 *)(r10 - 8) = r1"), (8, "r1 <<= 33\n*(u64 *)(r10 - 8) = r1")] {
        let text = format!(
            "r1 = *(u32 *)(r1 + 16)\n{store}\nr2 = r10\nr2 += -8\nr1 = map[fd:0]\ncall 1\n\
             if r0 == 0 goto none\nr0 = *(u64 *)(r0 + 0)\nexit\nnone:\nr0 = 1000\nexit"
        );
        for kind in [MapType::Hash, MapType::LruHash, MapType::PercpuHash] {
            for instance in &instances(&xdp(&text, &[map_def("m", kind, size, 8, 16)])) {
                let map = &instance.maps()[0];
                for (number, cpu) in [(5u32, 0u32), (7, 1)] {
                    let wide = (u64::from(number) << 33).to_ne_bytes();
                    let narrow = number.to_ne_bytes();
                    let key: &[u8] = if size == 4 { &narrow } else { &wide };
                    map.update(key, &u64::from(number + 10).to_ne_bytes(), 0, cpu).unwrap();
                }
                assert_eq!(run_on(instance, 0, 5).unwrap(), 15);
                assert_eq!(run_on(instance, 1, 7).unwrap(), 17);
                assert_eq!(run_on(instance, 0, 6).unwrap(), 1000);
            }
        }
    }
}

#[test]
fn keys_of_any_size_are_looked_up_without_a_run() {
    // Bytes of a key that are not the number; a trie's key begins with how many bits of it count.
    for (kind, size) in [
        (MapType::Hash, 12),
        (MapType::LruHash, 16),
        (MapType::PercpuHash, 24),
        (MapType::Hash, 64),
        (MapType::Hash, 68),
        (MapType::LpmTrie, 8),
        (MapType::LpmTrie, 12),
        (MapType::LpmTrie, 20),
        (MapType::LpmTrie, 64),
    ] {
        let is_trie = kind == MapType::LpmTrie;
        let bits = if is_trie { 8 * (size - 4) } else { 5 };
        let zeros: String = (1..=9).map(|n| format!("*(u64 *)(r10 - {}) = 0\n", 8 * n)).collect();
        let text = format!(
            "r7 = *(u32 *)(r1 + 16)\n{zeros}*(u32 *)(r10 - 4) = r7\n*(u32 *)(r10 - {size}) = {bits}\n\
             r2 = r10\nr2 += -{size}\nr1 = map[fd:0]\ncall 1\n\
             if r0 == 0 goto none\nr0 = *(u64 *)(r0 + 0)\nexit\nnone:\nr0 = 1000\nexit"
        );
        let def = map_def("m", kind, size, 8, 16);
        let def = Arc::new(MapDef { flags: is_trie.into(), ..(*def).clone() });
        let instances = instances(&xdp(&text, &[def]));
        for instance in &instances {
            let key = |bits: u32, number: u32| {
                let mut key = vec![0; size as usize];
                key[size as usize - 4..].copy_from_slice(&number.to_ne_bytes());
                key[..4].copy_from_slice(&bits.to_ne_bytes());
                key
            };
            let put = |bits: u32, number: u32, cpu: u32| {
                let value = u64::from(number + 10).to_ne_bytes();
                instance.maps()[0].update(&key(bits, number), &value, 0, cpu).unwrap();
            };
            put(bits, 5, 0);
            put(bits, 7, 1);
            assert_eq!(run_on(instance, 0, 5).unwrap(), 15, "{kind:?} {size}");
            assert_eq!(run_on(instance, 1, 7).unwrap(), 17, "{kind:?} {size}");
            assert_eq!(run_on(instance, 0, 6).unwrap(), 1000, "{kind:?} {size}");
            if is_trie {
                // The last three bytes count no more: 6 is found as well.
                put(bits - 24 - 2, 4, 0);
                assert_eq!([4, 5, 6, 7, 8].map(|n| run_on(instance, 0, n).unwrap()), [14, 15, 14, 17, 1000]);
            }
        }
        let mut runner = instances[2].runner();
        runner.run(&mut (), Input::context(&mut Context::new(ContextLayout::xdp_md()))).unwrap();
        assert_eq!(runner.is_direct(), size <= 64, "{kind:?} {size}");
    }
}

#[test]
fn a_key_outside_the_frame_is_held() {
    let maps = [map_def("h", MapType::Hash, 16, 8, 4)];
    for (off, good) in [(16, true), (15, false), (512, true), (513, false), (8, false)] {
        let text = format!("r2 = r10\nr2 += -{off}\nr1 = map[fd:0]\ncall 1\nr0 = 0\nexit");
        for config in [config(), config().strategy(Strategy::Compile)] {
            let instance =
                Linker::<()>::new(&Engine::new(config)).instantiate(&program_with(&text, &maps)).unwrap();
            assert_eq!(instance.run(&mut (), Input::none()).is_ok(), good, "{off}");
        }
    }
}

#[test]
fn what_was_found_is_held_to_its_own_extent() {
    let find = "*(u32 *)(r10 - 4) = 1\nr2 = r10\nr2 += -4\nr1 = map[fd:0]\ncall 1\n";
    let rights = |flags| Arc::new(MapDef { flags, ..(*map_def("m", MapType::Array, 4, 12, 3)).clone() });
    for (what, flags, good) in [
        ("r0 = *(u32 *)(r0 + 8)", 0, true),
        ("r0 = *(u32 *)(r0 + 9)", 0, false),
        ("r0 = *(u8 *)(r0 + 12)", 0, false),
        ("r0 = *(u8 *)(r0 - 1)", 0, false),
        ("*(u64 *)(r0 + 4) = 1\nr0 = 0", 0, true),
        ("*(u64 *)(r0 + 5) = 1\nr0 = 0", 0, false),
        ("*(u8 *)(r0 + 0) = 1\nr0 = 0", flag::RDONLY_PROG, false),
        ("r0 = *(u8 *)(r0 + 0)", flag::RDONLY_PROG, true),
        // Nothing was found, though something was before.
        ("*(u32 *)(r10 - 4) = 3\nr2 = r10\nr2 += -4\nr1 = map[fd:0]\ncall 1\nr0 = *(u8 *)(r0 + 2)", 0, false),
        // The map is another one, whatever was there before.
        ("r2 = r10\nr2 += -4\nr1 = 77\ncall 1", 0, false),
    ] {
        let program = xdp(&format!("{find}{what}\nexit"), &[rights(flags)]);
        let results = [config(), config().strategy(Strategy::Compile)].map(|config| {
            let instance = Linker::<()>::new(&Engine::new(config)).instantiate(&program).unwrap();
            let result = instance.run(&mut (), Input::none());
            result.map(|o| o.ret).map_err(|t| (std::mem::discriminant(t.kind()), t.place().map(|p| p.insn)))
        });
        assert_eq!(results[0].is_ok(), good, "{what}");
        assert_eq!(results[0], results[1], "{what}");
    }
}

#[test]
fn a_jump_may_lead_between_a_map_and_its_lookup() {
    // R1 is another map where the jump was taken, which no straight way to the call shows.
    let text = "r6 = *(u32 *)(r1 + 16)\n*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\nr1 = map[fd:0]\nif r6 == 0 goto call\n\
        r1 = map[fd:1]\n*(u32 *)(r10 - 8) = 1\nr2 = r10\nr2 += -8\ncall:\ncall 1\nif r0 == 0 goto end\nr0 = *(u64 *)(r0 + 0)\nend:\nexit";
    let maps = [map_def("a", MapType::Array, 4, 8, 2), map_def("b", MapType::Array, 4, 8, 3)];
    let program = xdp(text, &maps);
    for config in [config(), config().strategy(Strategy::Compile)] {
        let instance = Linker::<()>::new(&Engine::new(config)).instantiate(&program).unwrap();
        for (map, value) in [(0, 50u64), (1, 60)] {
            for index in 0..2u32 {
                let value = (value + u64::from(index)).to_ne_bytes();
                instance.maps()[map].update(&index.to_ne_bytes(), &value, 0, 0).unwrap();
            }
        }
        assert_eq!([0, 1].map(|n| run_on(&instance, 0, n).unwrap()), [50, 61]);
    }
}

#[test]
fn the_processor_is_that_of_the_run() {
    let instances = instances(&xdp("call 8\nexit", &[]));
    for instance in &instances {
        assert_eq!([0, 3].map(|cpu| run_on(instance, cpu, 0).unwrap()), [0, 3]);
    }
    assert!(instances[1..].iter().all(|i| calls(i) == 0));
}

#[test]
fn constants_are_put_in_and_what_they_rule_out_is_left_out() {
    let data = Some(Arc::from([7, 0, 0, 0]));
    let plain = map_def("c", MapType::Array, 4, 4, 1);
    let constant = Arc::new(MapDef { flags: flag::RDONLY_PROG, data, frozen: true, ..(*plain).clone() });
    let text = "r1 = map[fd:0][0]+0\nr2 = *(u32 *)(r1 + 0)\nr0 = 1\nif r2 == 7 goto yes\ncall 7\ncall 5\nexit\nyes:\n\
        if r2 > 9 goto no\nr0 += 1\nno:\nexit";
    let program = xdp(text, &[constant]);
    let instances = instances(&program);
    let insns = |i: &Instance<()>| i.run(&mut (), Input::none()).unwrap();
    assert!(instances.iter().all(|i| insns(i).ret == 2));
    let clif = instances[2].compile().unwrap();
    assert!(!clif.clif().contains("brif") && !clif.clif().contains("call"), "{}", clif.clif());
    // Instructions count as they do without the proof.
    assert_eq!(insns(&instances[1]).insns, insns(&instances[2]).insns);
    // Nobody's proof, nobody's constants.
    assert!(instances[1].compile().unwrap().clif().contains("brif"));
}
