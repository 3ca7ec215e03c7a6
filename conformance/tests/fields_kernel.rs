//! Random programs that use what lies in the values of their maps: resilient locks, task work, work
//! queues and pointers to user memory, with sections in which interrupts are saved, against the running
//! kernel. Programs are loaded and closed again.
//!
//! `OXBPF_FIELD_PROGRAMS` is how many to draw and `OXBPF_SEED` where to begin; a seed that is not given is
//! drawn from the time, and printed. Verdict, error number, count, states and the whole log are compared.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::sync::Arc;

use oxbpf::isa::btf::{Btf, BtfBuilder, IntEncoding, Kind, Member, TypeId};
use oxbpf::isa::insn::{ByteOrder, RawInsn};
use oxbpf::isa::kernel::{AttachType, MapType, ProgType};
use oxbpf::isa::program::{MapDef, ProgFlags, Program};
use oxbpf_conformance::logs;
use oxbpf_conformance::oracle::{Oracle, running_model};
use oxbpf_conformance::random::Emit;
use oxbpf_verifier::{Kernel, Verdict, WALKS, verify_logged};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

const NONE: AttachType = AttachType::CgroupInetIngress;
const SHAPES: &[(ProgType, AttachType, Option<&str>)] = &[
    (ProgType::Syscall, NONE, None),
    (ProgType::SchedCls, NONE, None),
    (ProgType::Xdp, NONE, None),
    (ProgType::PerfEvent, NONE, None),
    (ProgType::Tracing, AttachType::TraceRawTp, Some("task_newtask")),
    (ProgType::Tracing, AttachType::TraceIter, Some("task")),
];

/// The maps of every program, in this order.
const LOCKS: i32 = 0;
const WORK: i32 = 1;
const QUEUE: i32 = 2;
const STORAGE: i32 = 3;
const PLAIN: i32 = 4;

/// Types of the values: a lock and a number, work and a number, two pointers to user memory.
fn values() -> (Btf, [TypeId; 5]) {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, IntEncoding(1)).unwrap();
    let long = b.int("long", 8, IntEncoding(1)).unwrap();
    let member = |name: &'static str, ty, byte: u32| Member { name, ty, bit_offset: 8 * byte, bit_size: 0 };
    let lock = b.structure("bpf_res_spin_lock", 4, &[member("val", int, 0)]).unwrap();
    let locked = b.structure("locked", 8, &[member("lock", lock, 0), member("n", int, 4)]).unwrap();
    let work = b.structure("bpf_task_work", 8, &[member("__opaque", long, 0)]).unwrap();
    let worked = b.structure("worked", 16, &[member("n", long, 0), member("work", work, 8)]).unwrap();
    let pair = b.array(long, int, 2).unwrap();
    let queue = b.structure("bpf_wq", 16, &[member("__opaque", pair, 0)]).unwrap();
    let queued = b.structure("queued", 24, &[member("n", long, 0), member("queue", queue, 8)]).unwrap();
    let user =
        b.structure("user", 24, &[member("a", int, 0), member("b", int, 4), member("c", pair, 8)]).unwrap();
    let tagged = b.type_tag("uptr", user, false).unwrap();
    let pointer = b.ptr(tagged).unwrap();
    let stored = [member("p", pointer, 0), member("n", long, 8), member("q", pointer, 16)];
    let stored = b.structure("stored", 24, &stored).unwrap();
    (b.build().unwrap(), [int, locked, worked, queued, stored])
}

fn maps(btf: &Arc<Btf>, [int, locked, worked, queued, stored]: [TypeId; 5]) -> Vec<Arc<MapDef>> {
    let map = |name: &str, map_type: MapType, value: TypeId, size: u32, flags: u32, entries: u32| {
        Arc::new(MapDef {
            name: name.into(),
            map_type: map_type as u32,
            key_size: 4,
            value_size: size,
            max_entries: entries,
            flags,
            key_type: int,
            value_type: value,
            btf: Some(btf.clone()),
            ..MapDef::default()
        })
    };
    const NO_PREALLOC: u32 = 1;
    vec![
        map("locks", MapType::Array, locked, 8, 0, 4),
        map("work", MapType::Hash, worked, 16, NO_PREALLOC, 4),
        map("queue", MapType::Array, queued, 24, 0, 4),
        map("storage", MapType::TaskStorage, stored, 24, NO_PREALLOC, 0),
        map("plain", MapType::Array, int, 4, 0, 4),
    ]
}

struct Generator<'k> {
    random: Random,
    types: &'k Btf,
    insns: Vec<RawInsn>,
    /// Slots of the stack with saved interrupts.
    saved: Vec<i32>,
    /// Registers whose lock is held, and the slot of interrupts if it saves those.
    held: Vec<(u8, Option<i32>)>,
    /// Wide loads of functions that come at the end: where, and which.
    callbacks: Vec<(usize, u64)>,
    in_rcu: bool,
}

const SLOTS: &[i32] = &[-16, -24, -32];
const KINDS_OF_CALLBACKS: u64 = 6;

impl Emit for Generator<'_> {
    fn insns(&mut self) -> &mut Vec<RawInsn> {
        &mut self.insns
    }
}

impl Generator<'_> {
    fn map(&mut self, reg: u8, map: i32) {
        self.put(0x18, reg, 1, 0, map);
        self.put(0, 0, 0, 0, 0);
    }

    fn helper(&mut self, id: i32) {
        self.put(0x85, 0, 0, 0, id);
    }

    fn kfunc(&mut self, name: &str) {
        let id = self.types.find(name, Kind::Func).map_or(0, |id| id.0);
        self.put(0x85, 0, 2, 0, id as i32);
    }

    fn end(&mut self) {
        self.set(0, 0);
        self.put(0x95, 0, 0, 0, 0);
    }

    /// The program ends if R0 is null; else it goes to the register.
    fn keep(&mut self, reg: u8) {
        if self.random.percent(96) {
            self.put(0x55, 0, 0, 2, 0);
            self.end();
        }
        self.copy(reg, 0);
    }

    fn lookup(&mut self, map: i32, key: i32, reg: u8) {
        self.put(0x62, 10, 0, -4, key);
        self.map(1, map);
        self.stack(2, -4);
        self.helper(1);
        self.keep(reg);
    }

    fn slot(&mut self) -> i32 {
        match self.random.percent(95) {
            true => self.random.of(SLOTS),
            false => self.random.of(&[-20, -8, 0, -512]),
        }
    }

    fn save(&mut self) {
        let free: Vec<i32> = SLOTS.iter().copied().filter(|s| !self.saved.contains(s)).collect();
        let slot = match free.is_empty() || self.random.percent(8) {
            true => self.slot(),
            false => self.random.of(&free),
        };
        self.stack(1, slot);
        self.kfunc("bpf_local_irq_save");
        self.saved.push(slot);
    }

    fn restore(&mut self) {
        let slot = match self.saved.pop() {
            Some(slot) if self.random.percent(92) => slot,
            _ => self.slot(),
        };
        self.stack(1, slot);
        self.kfunc("bpf_local_irq_restore");
    }

    fn lock(&mut self) {
        let reg = self.random.of(&[7, 7, 8]);
        self.copy(1, reg);
        if self.random.percent(4) {
            self.put(0x07, 1, 0, 0, 4);
        }
        let slot = match self.random.percent(35) {
            true => {
                let slot = self.slot();
                self.stack(2, slot);
                self.kfunc("bpf_res_spin_lock_irqsave");
                Some(slot)
            }
            false => {
                self.kfunc("bpf_res_spin_lock");
                None
            }
        };
        // On failure what is held is given back, mostly.
        if self.random.percent(95) {
            let at = self.insns.len();
            self.put(0x15, 0, 0, 0, 0);
            if self.random.percent(94) {
                let (saved, held) = (self.saved.clone(), self.held.clone());
                self.give_back();
                (self.saved, self.held) = (saved, held);
            }
            self.end();
            self.insns[at].off = (self.insns.len() - at - 1) as i16;
        }
        self.held.push((reg, slot));
    }

    fn unlock(&mut self) {
        let (reg, slot) = match self.held.pop() {
            Some(held) if self.random.percent(94) => held,
            _ => (self.random.of(&[7, 8]), None),
        };
        self.unlock_of(reg, slot);
    }

    fn unlock_of(&mut self, reg: u8, slot: Option<i32>) {
        self.copy(1, reg);
        match slot {
            Some(slot) => {
                self.stack(2, slot);
                self.kfunc("bpf_res_spin_unlock_irqrestore");
            }
            None => self.kfunc("bpf_res_spin_unlock"),
        }
    }

    /// Ends everything that is open.
    fn give_back(&mut self) {
        while let Some((reg, slot)) = self.held.pop() {
            self.unlock_of(reg, slot);
        }
        while let Some(slot) = self.saved.pop() {
            self.stack(1, slot);
            self.kfunc("bpf_local_irq_restore");
        }
        if self.in_rcu {
            self.kfunc("bpf_rcu_read_unlock");
        }
    }

    /// Reads or writes through one of the pointers to user memory in the value in R9.
    fn user(&mut self) {
        let field = self.random.of(&[0, 0, 16, 8, 4]);
        self.put(0x79, 1, 9, field, 0);
        let checked = self.random.percent(90);
        let off = self.random.of(&[0, 4, 8, 12, 16, 20, 24, -4, 2, 4096]);
        let at = self.insns.len();
        if checked {
            self.put(0x15, 1, 0, 0, 0);
        }
        if self.random.percent(12) {
            self.put(0x07, 1, 0, 0, 8);
        }
        if self.random.percent(10) {
            // A number that is not known, bounded or not.
            self.put(0x79, 2, 9, 8, 0);
            let mask = self.random.of(&[7, 15, 31, 0x70]);
            self.put(0x57, 2, 0, 0, mask);
            self.put(0x0f, 1, 2, 0, 0);
        }
        match self.random.below(8) {
            0..3 => self.put(0x61, 3, 1, off, 0),
            3..6 => self.put(0x62, 1, 0, off, 7),
            6 => {
                self.set(3, 1);
                self.put(0xdb, 1, 3, off, 0);
            }
            _ => {
                let size = self.random.of(&[4, 16, 24, 25]);
                self.set(2, size);
                self.helper(16);
            }
        }
        if checked {
            self.insns[at].off = (self.insns.len() - at - 1) as i16;
        }
    }

    fn store_pointer(&mut self) {
        match self.random.below(3) {
            0 => self.put(0x7a, 9, 0, 0, 0),
            1 => self.put(0x7b, 9, 10, 16, 0),
            _ => {
                self.copy(1, 9);
                self.set(2, 0);
                self.helper(194);
            }
        }
    }

    fn callback(&mut self, reg: u8) {
        self.callbacks.push((self.insns.len(), self.random.below(KINDS_OF_CALLBACKS)));
        self.put(0x18, reg, 4, 0, 0);
        self.put(0, 0, 0, 0, 0);
    }

    /// Task work, or a work queue, in the value in R8 of the map.
    fn work(&mut self, map: i32) {
        let field = if self.random.percent(94) { 8 } else { self.random.of(&[0, 4, 12]) };
        // Maps whose values have no special field do not stand here: this kernel does not survive that.
        let given = if self.random.percent(93) { map } else { self.random.of(&[LOCKS, WORK, QUEUE]) };
        if map == WORK {
            self.helper(158);
            self.copy(1, 0);
            self.copy(2, 8);
            self.put(0x07, 2, 0, 0, field);
            self.map(3, given);
            self.callback(4);
            self.set(5, 0);
            let name = self.random.of(&["signal", "resume"]);
            return self.kfunc(&format!("bpf_task_work_schedule_{name}_impl"));
        }
        self.copy(1, 8);
        self.put(0x07, 1, 0, 0, field);
        match self.random.below(3) {
            0 => {
                self.map(2, given);
                self.set(3, 0);
                self.kfunc("bpf_wq_init");
            }
            1 => {
                self.callback(2);
                self.set(3, 0);
                self.set(4, 0);
                self.kfunc("bpf_wq_set_callback_impl");
            }
            _ => {
                self.set(2, 0);
                self.kfunc("bpf_wq_start");
            }
        }
    }

    fn anything(&mut self) {
        match self.random.below(7) {
            0 => self.helper(7),
            1 => self.helper(5),
            2 => {
                let slot = self.random.of(SLOTS) as i16;
                let code = self.random.of(&[0x7a, 0x62, 0x72]);
                self.put(code, 10, 0, slot, 1);
            }
            3 => {
                let slot = self.random.of(SLOTS) as i16;
                self.put(0x79, 3, 10, slot, 0);
            }
            4 if !self.in_rcu => {
                self.kfunc("bpf_rcu_read_lock");
                self.in_rcu = true;
            }
            4 => {
                self.kfunc("bpf_rcu_read_unlock");
                self.in_rcu = false;
            }
            5 => {
                self.kfunc("bpf_preempt_disable");
                self.kfunc("bpf_preempt_enable");
            }
            _ => {
                self.stack(1, -40);
                self.set(2, 8);
                self.set(3, 0);
                self.helper(148);
            }
        }
    }

    /// A function that is called later with map, key and value.
    fn function(&mut self, kind: u64) {
        match kind {
            0 => {}
            1 => self.put(0x61, 0, 2, 0, 0),
            2 => self.put(0x7a, 3, 0, 0, 5),
            3 => self.put(0x79, 4, 3, 8, 0),
            4 => {
                self.stack(1, -8);
                self.set(2, 8);
                self.set(3, 0);
                self.helper(148);
            }
            _ => {
                self.stack(1, -16);
                self.kfunc("bpf_local_irq_save");
                self.stack(1, -16);
                self.kfunc("bpf_local_irq_restore");
            }
        }
        if kind != 1 {
            self.set(0, 0);
        }
        self.put(0x95, 0, 0, 0, 0);
    }

    fn program(mut self) -> Vec<RawInsn> {
        self.copy(6, 1);
        let map = self.random.of(&[WORK, QUEUE]);
        let with_locks = self.random.percent(55);
        self.lookup(if with_locks { LOCKS } else { PLAIN }, 0, 7);
        let (second, key) = if with_locks { (LOCKS, 1) } else { (map, 0) };
        self.lookup(second, key, 8);
        let with_user = self.random.percent(45);
        if with_user {
            self.map(1, STORAGE);
            self.put(0xbf, 7, 1, 0, 0);
            self.helper(158);
            self.copy(2, 0);
            self.copy(1, 7);
            self.set(3, 0);
            let create = self.random.of(&[0, 1]);
            self.set(4, create);
            self.helper(156);
            self.keep(9);
            self.lookup(if with_locks { LOCKS } else { PLAIN }, 0, 7);
        }
        for _ in 0..1 + self.random.below(9) {
            match self.random.below(12) {
                0..2 => self.save(),
                2..4 => self.restore(),
                4..6 if with_locks => self.lock(),
                6..8 if with_locks => self.unlock(),
                4..8 => self.work(map),
                8..10 if with_user => self.user(),
                10 if with_user && self.random.percent(25) => self.store_pointer(),
                _ => self.anything(),
            }
        }
        if self.random.percent(85) {
            self.give_back();
        }
        self.end();
        let mut starts: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, kind) in std::mem::take(&mut self.callbacks) {
            let start = match starts.get(&kind) {
                Some(&start) => start,
                None => {
                    let start = self.insns.len();
                    self.function(kind);
                    starts.insert(kind, start);
                    start
                }
            };
            self.insns[at].imm = start as i32 - at as i32 - 1;
        }
        self.insns
    }
}

#[derive(Default)]
struct Tally {
    agree: u32,
    accepted: u32,
    unknown: u32,
    false_rejects: u32,
    false_accepts: u32,
    logs: u32,
    shown: u32,
}

impl Tally {
    fn note(&mut self, program: &Program, what: &str, ours: &str, theirs: &str) {
        self.shown += 1;
        if self.shown <= 12 {
            let of = program.prog_type.map_or("", ProgType::name);
            println!("{what}: {of}\n{}", logs::first_difference(ours, theirs));
        }
    }
}

#[test]
fn fields_of_values_are_used_as_the_kernel_allows() {
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let count = number("OXBPF_FIELD_PROGRAMS").unwrap_or(2000);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = number("OXBPF_SEED").unwrap_or(now.as_nanos() as u64);
    println!("OXBPF_SEED={seed}");
    let (types, target) = (oracle.types().clone(), oracle.target());
    let model = match running_model() {
        Ok(model) => model,
        Err(skip) => return println!("{skip}"),
    };
    // Whole logs are those of the newest kernel.
    let has_logs = Some(&model.version()) == WALKS.last();
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let (btf, ids) = values();
    let btf = Arc::new(btf);
    let maps = maps(&btf, ids);
    let mut tally = Tally::default();
    for n in 0..count {
        let mut random = Random((seed + n).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (prog_type, attach, to) = random.of(SHAPES);
        let generator = Generator {
            random,
            types: &types,
            insns: Vec::new(),
            saved: Vec::new(),
            held: Vec::new(),
            callbacks: Vec::new(),
            in_rcu: false,
        };
        let mut program = Program::from_insns("fields", generator.program());
        program.prog_type = Some(prog_type);
        program.expected_attach_type = Some(attach);
        program.attach_target = to.map(str::to_owned);
        program.license = "GPL".to_owned();
        program.maps = maps.clone();
        let sleeps = prog_type == ProgType::Syscall && (seed + n) % 50 != 0;
        program.flags = ProgFlags(if sleeps { ProgFlags::SLEEPABLE } else { 0 });
        program.btf = Some(btf.clone());
        let (answer, _) = oracle.load(&program, 2).unwrap();
        let (judgement, log) = verify_logged(&program, &kernel, 2);
        let what = format!("seed {} errno {}", seed + n, answer.errno);
        match (&judgement.verdict, answer.errno) {
            (Verdict::Unknown(feature), _) => {
                tally.unknown += 1;
                println!("unknown {what}: {feature}; {}", logs::last_words(&answer.log));
                continue;
            }
            (Verdict::Accept, 0) => (tally.agree, tally.accepted) = (tally.agree + 1, tally.accepted + 1),
            (Verdict::Reject(fault), 1..) if fault.errno() == answer.errno => tally.agree += 1,
            (Verdict::Reject(_), 1..) => {
                tally.agree += 1;
                tally.note(&program, &format!("ERRNO {what}"), &log, &answer.log);
            }
            (Verdict::Accept, _) => {
                tally.false_accepts += 1;
                tally.note(&program, &format!("FALSE ACCEPT {what}"), &log, &answer.log);
            }
            (Verdict::Reject(_), _) => {
                tally.false_rejects += 1;
                tally.note(&program, &format!("FALSE REJECT {what}"), &log, &answer.log);
            }
        }
        match !has_logs || logs::same(&log, &answer.log) {
            true => tally.logs += 1,
            false => tally.note(&program, &format!("LOG {what}"), &log, &answer.log),
        }
    }
    println!(
        "{} programs: {} agree ({} accepted), {} unknown, {} false rejects, FALSE ACCEPT {}; logs {}",
        count,
        tally.agree,
        tally.accepted,
        tally.unknown,
        tally.false_rejects,
        tally.false_accepts,
        tally.logs
    );
    assert_eq!(tally.false_accepts, 0, "false accepts");
    assert_eq!(tally.false_rejects, 0, "false rejects");
}
