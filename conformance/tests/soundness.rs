//! Real runs against the states that the verifier looked at.
//!
//! Accepted programs of the corpus, and mutants of them that are still accepted, run checked on random
//! packets, contexts and maps; before each instruction the machine must be in one of the verifier's
//! states, no run may end in a trap that a proof rules out, and what machine code takes from the proof
//! must be so: where control goes, what loads give, which maps and keys helpers get. `OXBPF_SOUNDNESS` is how many
//! instruction states to look at, and `OXBPF_SEED` where to begin; a seed that is not given is drawn
//! from the time, and printed. Without the corpus a few programs of the test's own are run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::insn::{Callee, Insn, RawInsn};
use oxbpf::isa::kernel::{KernelModel, KernelVersion, MapType, ProgType};
use oxbpf::isa::program::{MapDef, Program};
use oxbpf::isa::proof::Facts;
use oxbpf::object::{LoadOptions, Object};
use oxbpf::vm::maps::flag;
use oxbpf::vm::{
    Config, Context, ContextLayout, Engine, Input, Instance, Linker, Observed, Observer, Packet, TrapKind,
    Unknown,
};
use oxbpf_conformance::corpus;
use oxbpf_conformance::random::Random;
use oxbpf_verifier::{Machine, Verdict, Witness, prove, witness};

const CPUS: u32 = 2;
/// Programs with more states than this are left out.
const MOST_STATES: usize = 20_000;
/// Runs of one program, and instructions of one run.
const RUNS: u64 = 24;
const BUDGET: u64 = 20_000;

/// Numbers as programs like to compare with, and some others.
fn byte(random: &mut Random) -> u8 {
    match random.below(4) {
        0 => 0,
        1 => random.below(8) as u8,
        2 => random.one(&[6, 17, 58, 69, 0x80, 0xff, 8, 0x86, 0xdd]),
        _ => random.number() as u8,
    }
}

fn fill(random: &mut Random, bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|b| *b = byte(random));
}

/// Holds the machine against the witness of this thread, since states cannot be shared by several.
struct Watch;

thread_local! {
    static WATCHED: RefCell<Option<Watched>> = const { RefCell::new(None) };
}

struct Watched {
    program: String,
    witness: Witness,
    facts: Facts,
    /// By slot.
    insns: HashMap<u32, Insn>,
    /// Bytes of a key, by map.
    keys: Vec<u32>,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    /// The last slot in each frame.
    path: Vec<u32>,
    /// Which state was found last at a slot.
    first: HashMap<u32, usize>,
    /// The run has gone to another program.
    lost: bool,
    checked: u64,
    outside: Vec<String>,
}

struct Now<'a, 'r> {
    at: &'a Observed<'a, 'r>,
    stacks: Vec<[u8; 512]>,
}

impl Machine for Now<'_, '_> {
    fn reg(&self, r: usize) -> u64 {
        self.at.regs[r]
    }

    fn frame_pointer(&self, frame: usize) -> u64 {
        self.at.frame_pointer(frame)
    }

    fn stack(&self, frame: usize, off: usize) -> [u8; 8] {
        std::array::from_fn(|n| self.stacks[frame][512 - off + n])
    }

    fn context(&self) -> Option<u64> {
        self.at.context()
    }

    fn packet(&self) -> Option<(u64, Range<u64>)> {
        self.at.packet()
    }

    fn value(&self, map: Option<usize>, addr: u64) -> Option<Range<u64>> {
        self.at.value(map, addr)
    }
}

impl Observer for Watch {
    fn insn(&self, at: &Observed<'_, '_>) {
        WATCHED.with_borrow_mut(|watched| watched.as_mut().unwrap().look(at));
    }
}

impl Watched {
    fn look(&mut self, at: &Observed<'_, '_>) {
        let Watched { program, seen, .. } = self;
        let again = at.slot == 0 && at.depth > 0;
        if at.program() != program || again {
            seen.lost = true;
        }
        if seen.lost {
            return;
        }
        let last = self.seen.path.get(at.depth).copied();
        if let Some(why) = self.belied(at, last) {
            self.seen.outside.push(why);
            self.seen.lost = true;
            return;
        }
        let Watched { witness, seen, .. } = self;
        seen.path.truncate(at.depth);
        seen.path.resize(at.depth, 0);
        let stacks = (0..=at.depth).filter_map(|frame| at.stack(frame)).collect();
        let now = Now { at, stacks };
        let mut first = seen.first.get(&at.slot).copied().unwrap_or(0);
        if !witness.holds(at.slot, &seen.path, &now, &mut first) {
            let why = witness.explain(at.slot, &seen.path, &now);
            let line =
                format!("slot {} along {:?}: {:?} {:x?}", at.slot, seen.path, why.iter().take(3), at.regs);
            seen.outside.push(line);
            seen.lost = true;
        }
        seen.first.insert(at.slot, first);
        seen.checked += 1;
        seen.path.push(at.slot);
    }
}

/// Helpers that get a map and the address of a key: lookups, update and delete.
const BY_KEY: [i32; 4] = [1, 2, 3, 195];

impl Watched {
    /// The fact that is not so, before an instruction and after the last one in the same frame.
    fn belied(&self, at: &Observed<'_, '_>, last: Option<u32>) -> Option<String> {
        let fact = self.facts.insn(at.slot as usize);
        if !fact.reached {
            return Some(format!("slot {} is not reached", at.slot));
        }
        if let Some(last) = last {
            let (fact, insn) = (self.facts.insn(last as usize), self.insns.get(&last));
            match insn {
                Some(&Insn::Jump { off, .. }) if off != 0 => {
                    let taken = at.slot == last.wrapping_add_signed(i32::from(off) + 1);
                    if !(if taken { fact.taken } else { fact.falls_through }) {
                        return Some(format!("the jump of slot {last} leads to {}", at.slot));
                    }
                }
                Some(&Insn::Load { dst, .. }) => {
                    let value = at.regs[usize::from(dst.number())];
                    if fact.loaded.is_some_and(|loaded| loaded != value) {
                        return Some(format!("slot {last} loads {value:#x}, not {:x?}", fact.loaded));
                    }
                }
                _ => {}
            }
        }
        match self.insns.get(&at.slot) {
            Some(Insn::Call(Callee::Helper(id))) if BY_KEY.contains(id) => {
                let used = fact.map.filter(|used| !used.inner)?;
                let (map, index) = (at.map(at.regs[1]), used.map? as usize);
                if map != Some(index) {
                    return Some(format!("slot {} is called with map {map:?}, not {index}", at.slot));
                }
                let (key, expected) = (self.key(at, *self.keys.get(index)?)?, used.key?);
                let differs = key != expected;
                differs.then(|| format!("slot {} is called with key {key:#x}, not {expected:#x}", at.slot))
            }
            _ => None,
        }
    }

    /// The key in a frame that R2 leads to, as a number.
    fn key(&self, at: &Observed<'_, '_>, size: u32) -> Option<u64> {
        let size = size as usize;
        (0..=at.depth).find_map(|frame| {
            let offset = at.regs[2].wrapping_sub(at.frame_pointer(frame).wrapping_sub(512));
            let stack = at.stack(frame)?;
            let bytes = stack.get(usize::try_from(offset).ok()?..)?.get(..size).filter(|_| size <= 8)?;
            let mut word = [0; 8];
            word[..size].copy_from_slice(bytes);
            Some(u64::from_le_bytes(word))
        })
    }
}

#[derive(Default)]
struct Tally {
    programs: u32,
    runs: u64,
    checked: u64,
    failures: Vec<String>,
}

/// Runs an accepted program on random inputs; whether it was one.
fn try_program(name: &str, program: &Program, random: &mut Random, tally: &mut Tally) -> bool {
    try_with(name, program, random, tally, |_| {})
}

/// The same with facts that are changed.
fn try_with(
    name: &str,
    program: &Program,
    random: &mut Random,
    tally: &mut Tally,
    change: impl FnOnce(&mut Facts),
) -> bool {
    let model = KernelModel::measured(KernelVersion::new(6, 18)).unwrap();
    // Pointers of the kernel's lead nowhere here, so a program needs a proof that holds for the machine.
    let mut plain: Linker<()> =
        Linker::new(&Engine::new(Config::new().cpus(CPUS).unknown(Unknown::TrapAtCall)));
    let Ok(verified) = prove(program, &model, CPUS) else { return false };
    if verified.judgement().stats.insns > MOST_STATES as u64 || plain.instantiate_verified(&verified).is_err()
    {
        return false;
    }
    let (judgement, witness) = witness(program, &model, CPUS, MOST_STATES);
    let (Verdict::Accept, Some(witness)) = (&judgement.verdict, witness) else { return false };
    let mut facts = verified.facts().clone();
    change(&mut facts);
    let insns = Insn::decode_all(&program.insns).filter_map(|(slot, insn)| Some((slot as u32, insn.ok()?)));
    let watched = Watched {
        program: program.name.clone(),
        witness,
        facts,
        insns: insns.collect(),
        keys: program.maps.iter().map(|map| map.key_size).collect(),
        seen: Seen::default(),
    };
    WATCHED.set(Some(watched));
    let config = Config::new().cpus(CPUS).unknown(Unknown::TrapAtCall).budget(2 * BUDGET);
    let config = config.observer(Arc::new(Watch));
    let mut linker: Linker<()> = Linker::new(&Engine::new(config));
    let Ok(instance) = linker.instantiate(program) else { return false };
    tally.programs += 1;
    for _ in 0..RUNS {
        fill_maps(&instance, random);
        let result = run_once(program, &instance, random);
        tally.runs += 1;
        if let Err(kind) = result
            && !is_ruled_in(&kind, program)
        {
            tally.failures.push(format!("{name}: {kind:?}"));
            break;
        }
        let seen = WATCHED.with_borrow_mut(|w| std::mem::take(&mut w.as_mut().unwrap().seen));
        let outside = seen.outside;
        tally.checked += seen.checked;
        if !outside.is_empty() {
            tally.failures.extend(outside.into_iter().map(|o| format!("{name}: {o}")));
            break;
        }
    }
    true
}

/// Traps that an accepted program may end in: what the machine does not have, or the host ended. A tail
/// call in a function leaves the machine one frame less for the program that is called.
fn is_ruled_in(kind: &TrapKind, program: &Program) -> bool {
    let tail_calls = program.insns.iter().any(|i| i.code == 0x85 && i.src == 0 && i.imm == 12);
    matches!(kind, TrapKind::CallDepth if tail_calls)
        || matches!(
            kind,
            TrapKind::UnknownHelper { .. }
                | TrapKind::UnknownKfunc { .. }
                | TrapKind::Budget { .. }
                | TrapKind::Unsupported(_)
        )
}

fn run_once(program: &Program, instance: &Instance<()>, random: &mut Random) -> Result<(), TrapKind> {
    let record = program.prog_type.and_then(|t| KernelModel::latest().prog(t));
    let layout = match record.map(|p| p.context) {
        Some("xdp_md") => ContextLayout::xdp_md(),
        Some("__sk_buff") => ContextLayout::sk_buff(),
        _ => ContextLayout::plain(1024),
    };
    let mut context = Context::new(layout);
    fill(random, context.bytes_mut());
    let mut bytes = vec![0; random.below(200) as usize];
    fill(random, &mut bytes);
    if let (Some(kind), true) = (bytes.get_mut(12..14), random.below(4) > 0) {
        kind.copy_from_slice(&[[8, 0], [0x86, 0xdd]][random.below(2) as usize]);
    }
    let mut packet = Packet::new(&bytes);
    let cpu = random.below(u64::from(CPUS)) as u32;
    let input = Input::context(&mut context).packet(&mut packet).cpu(cpu);
    instance.run(&mut (), input).map(drop).map_err(|trap| trap.kind().clone())
}

/// Puts something into the maps that programs may look into.
fn fill_maps(instance: &Instance<()>, random: &mut Random) {
    for map in instance.maps() {
        let shape = *map.head().shape();
        let plain =
            matches!(shape.map_type, MapType::Array | MapType::Hash | MapType::LruHash | MapType::LpmTrie);
        if !plain || shape.value_size > 1 << 16 {
            continue;
        }
        for _ in 0..4 {
            let (mut key, mut value) = (vec![0; shape.key_size as usize], vec![0; shape.value_size as usize]);
            fill(random, &mut key);
            fill(random, &mut value);
            if shape.map_type == MapType::Array {
                key.copy_from_slice(&(random.below(u64::from(shape.max_entries)) as u32).to_ne_bytes());
            }
            // What a map refuses it goes without.
            let _ = map.user_update(&key, &value, 0);
        }
    }
}

/// Changes one thing about an instruction, most often so that the program is still accepted.
fn mutate(insn: RawInsn, random: &mut Random) -> RawInsn {
    let mut out = insn;
    match random.below(6) {
        0 => out.imm = out.imm.wrapping_add(random.below(17) as i32 - 8),
        1 => out.imm = random.number() as i32,
        2 => out.code = out.code & 7 | (random.below(32) as u8) << 3,
        3 => out.code ^= 1 << (3 + random.below(5)),
        4 => out.src = random.below(11) as u8,
        _ => out.off = out.off.wrapping_add(random.below(5) as i16 - 2),
    }
    out
}

#[test]
fn machines_are_always_in_a_state_that_was_looked_at() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let seed = number("OXBPF_SEED").unwrap_or(now) | 1;
    println!("seed {seed}");
    let (wanted, mut random) = (number("OXBPF_SOUNDNESS").unwrap_or(100_000), Random(seed));
    let mut tally = Tally::default();
    for (n, program) in own_programs().iter().enumerate() {
        assert!(try_program(&format!("own {n}"), program, &mut random, &mut tally), "{n} is accepted");
    }
    if let (Some(objects), Some(rows)) = (corpus::objects(), corpus::golden("verdicts-6.18.tsv")) {
        let target = corpus::core_target("6.18");
        let rows: Vec<_> =
            rows.iter().filter(|r| r[6] == "0" && r[7].parse::<u64>().is_ok_and(|n| n < 5000)).collect();
        while tally.checked < wanted && tally.failures.len() < 5 {
            let row = rows[random.below(rows.len() as u64) as usize];
            let Some((_, path)) = objects.iter().find(|(name, _)| *name == row[0]) else { continue };
            let Ok(object) = Object::parse(std::fs::read(path).unwrap(), &corpus::object_name(path)) else {
                continue;
            };
            let Some((entry, _)) = object.programs().find(|(_, f)| f.name == row[1]) else { continue };
            let options = LoadOptions { target: target.as_ref(), ..LoadOptions::default() };
            let Ok(loaded) = object.load(entry, &options) else { continue };
            if !loaded.unresolved.is_empty() {
                continue;
            }
            let mut program = loaded.program;
            let name = format!("{} {}", row[0], row[1]);
            if !try_program(&name, &program, &mut random, &mut tally) {
                continue;
            }
            for _ in 0..8 {
                let slot = random.below(program.insns.len() as u64) as usize;
                let before = program.insns[slot];
                program.insns[slot] = mutate(before, &mut random);
                let names_map = program.insns[slot].is_ldimm64();
                let name = format!("{name} slot {slot}: {:?}", program.insns[slot]);
                if !names_map {
                    try_program(&name, &program, &mut random, &mut tally);
                }
                program.insns[slot] = before;
            }
        }
    }
    println!("{} programs, {} runs, {} instruction states", tally.programs, tally.runs, tally.checked);
    assert!(tally.failures.is_empty(), "outside: {:#?}", tally.failures);
    assert!(tally.checked > 1000);
}

#[test]
fn facts_that_are_not_so_are_found_out() {
    let programs = own_programs();
    let mut random = Random(1);
    let mut failures = |n: usize, change: &dyn Fn(&mut Facts)| {
        let mut tally = Tally::default();
        assert!(try_with("own", &programs[n], &mut random, &mut tally, change));
        tally.failures
    };
    // The loop's jump, what is behind it, and a lookup by a number.
    for (n, slot) in [(0, 4), (0, 5), (3, 5), (4, 2), (4, 3)] {
        assert_eq!(failures(n, &|_| {}), [""; 0]);
        assert!(!failures(n, &|facts| facts.insns[slot].reached = false).is_empty(), "{n} {slot}");
    }
    assert!(!failures(0, &|facts| facts.insns[4].taken = false).is_empty());
    assert!(!failures(0, &|facts| facts.insns[4].falls_through = false).is_empty());
    assert!(!failures(3, &|facts| facts.insns[5].map.as_mut().unwrap().map = Some(1)).is_empty());
    assert!(
        !failures(3, &|facts| *facts.insns[5].map.as_mut().unwrap().key.as_mut().unwrap() += 1).is_empty()
    );
    assert!(!failures(4, &|facts| *facts.insns[2].loaded.as_mut().unwrap() += 1).is_empty());
}

/// Small programs with loops, calls, spills and packets, and with what a map that is constant holds.
fn own_programs() -> Vec<Program> {
    let map = Arc::new(MapDef {
        name: "m".to_owned(),
        map_type: MapType::Array.number(),
        key_size: 4,
        value_size: 16,
        max_entries: 2,
        ..MapDef::default()
    });
    let constant = Arc::new(MapDef {
        name: "constant".to_owned(),
        value_size: 8,
        max_entries: 1,
        flags: flag::RDONLY_PROG,
        data: Some(Arc::from([7, 0, 0, 0, 0x80])),
        frozen: true,
        ..(*map).clone()
    });
    let texts = [
        "r6 = 0\nr7 = 0\nloop:\nr7 += r6\nr6 += 1\nif r6 < 20 goto loop\nr0 = 0\nexit",
        "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 14\nr0 = 1\nif r4 > r3 goto end\nr5 = *(u8 *)(r2 + 13)\nr5 &= 7\nr2 += r5\nr4 = r2\nr4 += 9\nif r4 > r3 goto end\nr0 = *(u8 *)(r2 + 8)\nr0 &= 1\nend:\nexit",
        "r6 = *(u32 *)(r1 + 12)\n*(u64 *)(r10 - 8) = r6\n*(u32 *)(r10 - 16) = r6\n*(u8 *)(r10 - 3) = 0\nr7 = *(u64 *)(r10 - 8)\nr8 = *(u32 *)(r10 - 16)\nr1 = r10\nr1 += -8\ncall f\nr0 &= 1\nexit\nf:\nr2 = *(u32 *)(r1 + 0)\nr2 s>>= 3\nif r2 s> 5 goto big\nr0 = r2\nexit\nbig:\nr0 = 1\nexit",
        "*(u32 *)(r10 - 8) = 1\nr2 = r10\nr2 += -8\nr1 = map[fd:0]\ncall 1\nif r0 == 0 goto none\nr6 = *(u32 *)(r0 + 0)\nr6 &= 12\nr0 += r6\nr1 = *(u32 *)(r0 + 0)\nw1 *= 3\n*(u32 *)(r0 + 0) = r1\nnone:\nr0 = 0\nexit",
        "r1 = map[fd:1][0]+0\nr0 = *(u32 *)(r1 + 0)\nr2 = *(u8 *)(r1 + 4)\nif r0 != 7 goto end\nr0 = 1\nend:\nexit",
    ];
    let program = |(n, text): (usize, &str)| {
        let insns = assemble(text, Syntax::Any).unwrap_or_else(|e| panic!("{e}\n{text}"));
        Program {
            prog_type: Some(ProgType::Xdp),
            license: "GPL".to_owned(),
            maps: vec![map.clone(), constant.clone()],
            ..Program::from_insns(format!("own{n}"), insns)
        }
    };
    texts.into_iter().enumerate().map(program).collect()
}

/// A machine with these registers and a stack of zeros.
struct Still([u64; 11]);

impl Machine for Still {
    fn reg(&self, r: usize) -> u64 {
        self.0[r]
    }

    fn frame_pointer(&self, _: usize) -> u64 {
        self.0[10]
    }

    fn stack(&self, _: usize, _: usize) -> [u8; 8] {
        [0; 8]
    }

    fn context(&self) -> Option<u64> {
        Some(self.0[1])
    }

    fn packet(&self) -> Option<(u64, Range<u64>)> {
        None
    }

    fn value(&self, _: Option<usize>, _: u64) -> Option<Range<u64>> {
        None
    }
}

#[test]
fn machines_elsewhere_are_found_out() {
    let program = &own_programs()[0];
    let model = KernelModel::measured(KernelVersion::new(6, 18)).unwrap();
    let witness = witness(program, &model, CPUS, MOST_STATES).1.unwrap();
    // Before the sum is added to: R6 counts to 20, R7 is the sum so far.
    for (r6, r7, inside) in [(0, 0, true), (4, 6, true), (19, 171, true), (4, 7, false), (20, 190, false)] {
        let mut regs = [0; 11];
        (regs[6], regs[7]) = (r6, r7);
        assert_eq!(witness.holds(2, &[], &Still(regs), &mut 0), inside, "{r6} {r7}");
        assert_eq!(witness.explain(2, &[], &Still(regs)).len() < 20, inside);
    }
    assert!(!witness.holds(99, &[], &Still([0; 11]), &mut 0));
}
