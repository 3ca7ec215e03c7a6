//! Random programs full of kernel functions, iterators and dynptrs, against the running kernel.
//!
//! `OXBPF_KFUNC_PROGRAMS` is how many to draw and `OXBPF_SEED` where to begin; a seed that is not given
//! is drawn from the time, and printed. The programs are nearly valid: arguments mostly fit the
//! parameters, and what was started is mostly ended. Those that are unknown for the feature that
//! `OXBPF_SHOW_UNKNOWN` names are printed. With `OXBPF_KFUNC_LOGS` the whole logs are compared too.
#![cfg(target_os = "linux")]

use std::sync::Arc;

use oxbpf::isa::btf::{Btf, Param, Type, TypeId};
use oxbpf::isa::insn::RawInsn;
use oxbpf::isa::kernel::{AttachType, KernelModel, MapCreateFlags, MapType, ProgType};
use oxbpf::isa::program::{MapDef, ProgFlags, Program};
use oxbpf_conformance::oracle::{Answer, Oracle, running_model};
use oxbpf_conformance::random::{Emit, Random};
use oxbpf_verifier::{Kernel, Verdict, verify_logged};

/// A kind of program, and what it attaches to with the offset in the context of a pointer to an object.
type Shape = (ProgType, AttachType, Option<(&'static str, i16)>);

const NONE: AttachType = AttachType::CgroupInetIngress;
const SHAPES: &[Shape] = &[
    (ProgType::SchedCls, NONE, None),
    (ProgType::Xdp, NONE, None),
    (ProgType::SocketFilter, NONE, None),
    (ProgType::Syscall, NONE, None),
    (ProgType::CgroupSkb, NONE, None),
    (ProgType::RawTracepoint, NONE, None),
    (ProgType::PerfEvent, NONE, None),
    (ProgType::SkSkb, NONE, None),
    (ProgType::CgroupSockAddr, AttachType::CgroupInet4Connect, None),
    (ProgType::Tracing, AttachType::TraceRawTp, Some(("task_newtask", 0))),
    (ProgType::Tracing, AttachType::TraceRawTp, Some(("cgroup_mkdir", 0))),
    (ProgType::Tracing, AttachType::TraceRawTp, Some(("netif_rx", 0))),
    (ProgType::Tracing, AttachType::TraceIter, Some(("task", 8))),
    (ProgType::Tracing, AttachType::TraceIter, Some(("cgroup", 8))),
];

/// Functions that acquire, and those that release what they gave.
const PAIRS: &[(&str, &str)] = &[
    ("bpf_task_acquire", "bpf_task_release"),
    ("bpf_task_from_pid", "bpf_task_release"),
    ("bpf_task_from_vpid", "bpf_task_release"),
    ("bpf_cgroup_acquire", "bpf_cgroup_release"),
    ("bpf_cgroup_ancestor", "bpf_cgroup_release"),
    ("bpf_cgroup_from_id", "bpf_cgroup_release"),
    ("bpf_task_get_cgroup1", "bpf_cgroup_release"),
    ("bpf_cpumask_create", "bpf_cpumask_release"),
    ("bpf_cpumask_acquire", "bpf_cpumask_release"),
    ("bpf_get_task_exe_file", "bpf_put_file"),
    ("bpf_xdp_ct_lookup", "bpf_ct_release"),
    ("bpf_skb_ct_lookup", "bpf_ct_release"),
];

/// A kernel function that programs may be able to call.
struct Kfunc<'k> {
    id: TypeId,
    name: &'k str,
    params: Vec<Param<'k>>,
}

/// What a step left to be ended.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    Iter { destroy: TypeId, off: i32 },
    Reserved { off: i32 },
}

struct Generator<'k> {
    random: Random,
    btf: &'k Btf,
    kfuncs: Vec<Kfunc<'k>>,
    insns: Vec<RawInsn>,
    /// Where in the context a pointer to an object is.
    object: Option<i16>,
    starts: Vec<usize>,
    open: Vec<Open>,
}

const DYNPTRS: &[i32] = &[-16, -32, -48];
const ITERS: &[i32] = &[-64, -72, -88];
const MEMORY: &[i32] = &[-128, -120, -112, -104];
const HELPERS: &[i32] = &[197, 198, 199, 200, 201, 202, 203];

impl Emit for Generator<'_> {
    fn insns(&mut self) -> &mut Vec<RawInsn> {
        &mut self.insns
    }
}

impl<'k> Generator<'k> {
    fn map_value(&mut self, reg: u8, map: i32, off: i32) {
        self.put(0x18, reg, 2, 0, map);
        self.put(0, 0, 0, 0, off);
    }

    fn call_kfunc(&mut self, id: TypeId) {
        self.put(0x85, 0, 2, 0, id.0 as i32);
    }

    fn anything(&mut self, reg: u8) {
        match self.random.below(9) {
            0 => self.set(reg, 0),
            1 => self.copy(reg, 6),
            2 => self.copy(reg, 7),
            3 => self.copy(reg, 8),
            4 => self.copy(reg, 9),
            5 => {
                let off = -(self.random.below(20) as i32) * 8;
                self.stack(reg, off);
            }
            6 => {
                self.put(0x18, reg, 1, 0, 0);
                self.put(0, 0, 0, 0, 0);
            }
            7 => {
                let off = -(self.random.below(140) as i32);
                self.stack(reg, off);
            }
            _ => {
                let imm = self.random.below(40) as i32 - 4;
                self.set(reg, imm);
            }
        }
    }

    fn number(&mut self, reg: u8, name: &str) {
        let constant = name.ends_with("__k") || name.ends_with("__szk");
        if self.random.percent(if constant { 5 } else { 20 }) {
            self.copy(reg, 7);
            if self.random.percent(50) {
                self.put(0x57, reg, 0, 0, 15);
            }
            return;
        }
        let imm = self.random.one(&[0, 1, 2, 4, 8, 16, 24, 64, 65, -1, 300]);
        self.set(reg, imm);
    }

    /// Fills an argument register with what mostly fits.
    fn argument(&mut self, reg: u8, param: Param<'k>, at: i32) {
        if self.random.percent(6) {
            return self.anything(reg);
        }
        let Some((_, Type::Ptr(to))) = self.btf.resolved(param.ty) else {
            return self.number(reg, param.name);
        };
        let name = self.btf.resolved(to).map_or("", |(_, ty)| ty.name());
        match name {
            "bpf_dynptr" => {
                let off = self.random.one(DYNPTRS);
                self.stack(reg, off);
            }
            "__sk_buff" | "xdp_md" | "sk_buff" | "bpf_sock_addr_kern" | "bpf_sock_ops_kern" => {
                self.copy(reg, 6)
            }
            name if name.starts_with("bpf_iter_") => self.stack(reg, at),
            _ if param.name.ends_with("__str") => self.map_value(reg, 1, 0),
            _ if self.random.percent(15) => self.set(reg, 0),
            _ if self.random.percent(30) => self.copy(reg, 9),
            _ if self.random.percent(30) => self.copy(reg, 8),
            _ => {
                let off = self.random.one(MEMORY);
                self.stack(reg, off);
            }
        }
    }

    fn step_kfunc(&mut self) {
        let n = self.random.below(self.kfuncs.len() as u64) as usize;
        let at = self.random.one(ITERS);
        let params = self.kfuncs[n].params.clone();
        for (i, param) in params.into_iter().enumerate().take(5) {
            self.argument(i as u8 + 1, param, at);
        }
        let (id, name) = (self.kfuncs[n].id, self.kfuncs[n].name);
        self.call_kfunc(id);
        if let Some(what) = name.strip_prefix("bpf_iter_").and_then(|rest| rest.strip_suffix("_new")) {
            let destroy = format!("bpf_iter_{what}_destroy");
            if let Some(end) = self.kfuncs.iter().find(|k| k.name == destroy) {
                self.open.push(Open::Iter { destroy: end.id, off: at });
            }
        }
        self.after_call();
    }

    /// Acquires something, does something with it, and mostly releases it.
    fn acquire(&mut self) {
        let (acquire, release) = self.random.one(PAIRS);
        let find = |g: &Self, name: &str| g.kfuncs.iter().position(|k| k.name == name);
        let (Some(acquire), Some(release)) = (find(self, acquire), find(self, release)) else { return };
        let params = self.kfuncs[acquire].params.clone();
        for (i, param) in params.into_iter().enumerate().take(5) {
            self.argument(i as u8 + 1, param, -64);
        }
        self.call_kfunc(self.kfuncs[acquire].id);
        self.copy(9, 0);
        let check = self.random.percent(90).then_some(self.insns.len());
        if check.is_some() {
            self.put(0x15, 9, 0, 0, 0);
        }
        for _ in 0..self.random.below(3) {
            match self.random.below(4) {
                0 => {
                    let size = self.random.one(&[0x61, 0x71, 0x79]);
                    let off = self.random.below(100) as i16 * 8;
                    self.put(size, 0, 9, off, 0);
                }
                1 => self.put(0x7b, 10, 9, -136, 0),
                _ => self.step_kfunc(),
            }
        }
        if self.random.percent(92) {
            self.copy(1, 9);
            self.call_kfunc(self.kfuncs[release].id);
        }
        if let Some(check) = check {
            self.insns[check].off = (self.insns.len() - check - 1) as i16;
        }
    }

    /// What is made of R0.
    fn after_call(&mut self) {
        match self.random.below(8) {
            0 => self.copy(9, 0),
            1 => {
                self.put(0x15, 0, 0, 1, 0);
                let size = self.random.one(&[0x61, 0x71, 0x79]);
                let off = self.random.below(40) as i16;
                self.put(size, 9, 0, off, 0);
            }
            2 => {
                self.put(0x55, 0, 0, 1, 0);
                self.set(0, 0);
                self.copy(9, 0);
            }
            3 => {
                self.put(0x15, 0, 0, 2, 0);
                let off = self.random.below(9) as i16;
                self.put(0x7b, 0, 7, off, 0);
                self.copy(9, 0);
            }
            _ => {}
        }
    }

    fn step_helper(&mut self) {
        let helper = self.random.one(HELPERS);
        let off = self.random.one(DYNPTRS);
        let memory = self.random.one(MEMORY);
        match helper {
            197 => {
                self.copy(1, 8);
                let size = self.random.one(&[0, 8, 64, 65]);
                self.set(2, size);
                self.set(3, 0);
                self.stack(4, off);
            }
            198 => {
                self.put(0x18, 1, 1, 0, 2);
                self.put(0, 0, 0, 0, 0);
                self.set(2, 16);
                self.set(3, 0);
                self.stack(4, off);
                self.open.push(Open::Reserved { off });
            }
            199 | 200 => {
                self.stack(1, off);
                self.set(2, 0);
                self.open.retain(|o| *o != Open::Reserved { off });
            }
            201 => {
                self.stack(1, memory);
                self.number(2, "");
                self.stack(3, off);
                self.number(4, "");
                self.set(5, 0);
            }
            202 => {
                self.stack(1, off);
                self.number(2, "");
                self.stack(3, memory);
                self.number(4, "");
                self.set(5, 0);
            }
            _ => {
                self.stack(1, off);
                self.number(2, "");
                self.number(3, "__k");
            }
        }
        if self.random.percent(4) {
            let reg = self.random.below(5) as u8 + 1;
            self.anything(reg);
        }
        self.put(0x85, 0, 0, 0, helper);
        self.after_call();
    }

    fn step(&mut self) {
        self.starts.push(self.insns.len());
        match self.random.below(20) {
            0..=7 => self.step_kfunc(),
            11..=14 => self.step_helper(),
            15 => {
                let off = -(self.random.below(17) as i16 + 1) * 8;
                let (code, imm) = self.random.one(&[(0x7b, 0), (0x7a, 0), (0x62, 7), (0x72, 0), (0x73, 0)]);
                self.put(code, 10, if code & 1 == 1 { 7 } else { 0 }, off, imm);
            }
            16 => {
                let off = -(self.random.below(17) as i16 + 1) * 8;
                self.put(0x79, 9, 10, off, 0);
            }
            17 => {
                let back = self.random.below(3) as usize + 1;
                let Some(&to) = self.starts.iter().rev().nth(back) else { return };
                let code = self.random.one(&[0x15, 0x55, 0xa5]);
                let off = to as i64 - self.insns.len() as i64 - 1;
                let reg = self.random.one(&[0, 7, 9]);
                self.put(code, reg, 0, off as i16, 0);
            }
            18 => self.loop_over_numbers(),
            8..=10 => self.acquire(),
            _ => {
                self.put(0x85, 0, 0, 0, 7);
                self.copy(7, 0);
            }
        }
    }

    /// A whole loop, as `bpf_for` makes it.
    fn loop_over_numbers(&mut self) {
        let find = |g: &Self, name: &str| g.kfuncs.iter().find(|k| k.name == name).map(|k| k.id);
        let names = ["bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy"];
        let [Some(new), Some(next), Some(destroy)] = names.map(|name| find(self, name)) else { return };
        let off = self.random.one(ITERS);
        self.stack(1, off);
        self.set(2, 0);
        self.number(3, "");
        self.call_kfunc(new);
        let top = self.insns.len();
        self.stack(1, off);
        self.call_kfunc(next);
        let exit = self.insns.len();
        self.put(0x15, 0, 0, 0, 0);
        if self.random.percent(60) {
            self.put(0x61, 9, 0, 0, 0);
        }
        for _ in 0..self.random.below(3) {
            match self.random.below(4) {
                0 => self.step_helper(),
                1 => self.put(0x07, 7, 0, 0, 1),
                2 => self.put(0x7b, 10, 9, -136, 0),
                _ => self.step_kfunc(),
            }
        }
        let back = top as i64 - self.insns.len() as i64 - 1;
        self.put(0x05, 0, 0, back as i16, 0);
        self.insns[exit].off = (self.insns.len() - exit - 1) as i16;
        self.stack(1, off);
        self.call_kfunc(destroy);
    }

    fn end(&mut self) {
        for open in core::mem::take(&mut self.open) {
            if self.random.percent(8) {
                continue;
            }
            match open {
                Open::Iter { destroy, off } => {
                    self.stack(1, off);
                    self.call_kfunc(destroy);
                }
                Open::Reserved { off } => {
                    self.stack(1, off);
                    self.set(2, 0);
                    let helper = self.random.one(&[199, 200]);
                    self.put(0x85, 0, 0, 0, helper);
                }
            }
        }
        let ret = self.random.one(&[0, 0, 0, 1]);
        self.set(0, ret);
        self.put(0x95, 0, 0, 0, 0);
    }

    fn program(&mut self) -> Vec<RawInsn> {
        self.insns.clear();
        self.starts.clear();
        self.open.clear();
        self.copy(6, 1);
        self.put(0x85, 0, 0, 0, 7);
        self.copy(7, 0);
        self.map_value(8, 0, 0);
        match self.object {
            Some(off) => self.put(0x79, 9, 6, off, 0),
            None => self.set(9, 0),
        }
        if self.object.is_some() && self.random.percent(50) {
            self.put(0x55, 9, 0, 2, 0);
            self.set(0, 0);
            self.put(0x95, 0, 0, 0, 0);
        }
        if self.random.percent(50) {
            for off in [-136, -128, -120, -112, -104, -96] {
                self.put(0x7a, 10, 0, off, 0);
            }
        }
        for _ in 0..=self.random.below(5) {
            self.step();
        }
        self.end();
        core::mem::take(&mut self.insns)
    }
}

fn array(name: &str, size: u32) -> MapDef {
    MapDef {
        name: name.into(),
        map_type: MapType::Array as u32,
        key_size: 4,
        value_size: size,
        max_entries: 1,
        ..MapDef::default()
    }
}

fn maps() -> Vec<Arc<MapDef>> {
    let strings = MapDef {
        flags: MapCreateFlags::RDONLY_PROG.bits(),
        frozen: true,
        data: Some(Arc::from(&b"a string\0-------"[..])),
        ..array("strings", 16)
    };
    let ring = MapDef {
        name: "ring".into(),
        map_type: MapType::Ringbuf as u32,
        max_entries: 4096,
        ..MapDef::default()
    };
    vec![Arc::new(array("values", 64)), Arc::new(strings), Arc::new(ring)]
}

/// The functions of this kernel that are meant for programs of a type, and a few that are not.
fn kfuncs<'k>(btf: &'k Btf, names: &[String], model: &KernelModel, prog_type: ProgType) -> Vec<Kfunc<'k>> {
    let kind = oxbpf::isa::kernel::ProgKind::new(prog_type).with_sleepable(true);
    let mut found = Vec::new();
    for (id, ty) in btf.types() {
        let Type::Func { name, proto, .. } = ty else { continue };
        let wanted = model.kfunc_for(&kind, name).is_ok() || name.len() % 29 == 3;
        if !names.iter().any(|n| n == name) || !wanted {
            continue;
        }
        let Some(Type::FuncProto(proto)) = btf.ty(proto) else { continue };
        found.push(Kfunc { id, name, params: proto.params().collect() });
    }
    found
}

#[test]
fn random_programs_are_judged_as_the_kernel_judges_them() {
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let Some(table) = oxbpf_conformance::corpus::golden("kfuncs-6.18.tsv") else { return };
    let names: Vec<String> = table.iter().map(|row| row[0].clone()).collect();
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let seed = number("OXBPF_SEED").unwrap_or(now) | 1;
    println!("seed {seed}");
    let model = match running_model() {
        Ok(model) => model,
        Err(skip) => return println!("{skip}"),
    };
    let target = oracle.target();
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let mut generator = Generator {
        random: Random(seed),
        btf: oracle.types(),
        kfuncs: Vec::new(),
        insns: Vec::new(),
        object: None,
        starts: Vec::new(),
        open: Vec::new(),
    };
    let maps = maps();
    let per_shape = number("OXBPF_KFUNC_PROGRAMS").unwrap_or(1400) / SHAPES.len() as u64;
    let level = if std::env::var_os("OXBPF_KFUNC_LOGS").is_some() { 2 } else { 4 };
    let mut tally = Tally::default();
    for &(prog_type, attach, target) in SHAPES {
        generator.kfuncs = kfuncs(oracle.types(), &names, &model, prog_type);
        generator.object = target.map(|(_, off)| off);
        for _ in 0..per_shape {
            let mut program = Program::from_insns("random", generator.program());
            program.prog_type = Some(prog_type);
            program.maps = maps.clone();
            program.expected_attach_type = Some(attach);
            program.attach_target = target.map(|(name, _)| name.to_owned());
            program.license = "GPL".into();
            if prog_type == ProgType::Syscall {
                program.flags = ProgFlags(ProgFlags::SLEEPABLE);
            }
            let Ok((answer, _)) = oracle.load(&program, level) else {
                tally.not_asked += 1;
                continue;
            };
            tally.add(&program, &kernel, &answer, level);
        }
    }
    println!("random: {tally:?}");
    assert_eq!(tally.false_accept, 0);
}

#[derive(Debug, Default)]
struct Tally {
    /// Their maps could not be created.
    not_asked: u32,
    agree: u32,
    unknown: u32,
    false_accept: u32,
    false_reject: u32,
    accepted: u32,
    counts: u32,
    rejected: u32,
    messages: u32,
    errnos: u32,
    logs: u32,
    logs_equal: u32,
    features: std::collections::BTreeMap<&'static str, u32>,
}

fn last_line(log: &str) -> &str {
    let told = |l: &&str| {
        !l.starts_with("processed") && !l.starts_with("verification") && !l.starts_with("stack depth")
    };
    log.lines().rev().find(told).unwrap_or("")
}

fn text(program: &Program) -> String {
    let line = |i: &RawInsn| format!("{:02x}.{}.{}.{}.{}", i.code, i.dst, i.src, i.off, i.imm);
    program.insns.iter().map(line).collect::<Vec<_>>().join(" ")
}

/// A line with what a wide load loads left out, which is an address of the kernel.
fn without_address(line: &str) -> String {
    let Some((before, after)) = line.split_once("(18) r") else { return line.to_owned() };
    // Behind the instruction stands what it changed, further right the longer the address.
    let state = after.split_once(';').map_or("", |(_, state)| state);
    format!("{before}(18) r{}{state}", after.split(' ').next().unwrap_or(""))
}

impl Tally {
    fn logs(&mut self, ours: &str, theirs: &str, program: &Program) {
        self.logs += 1;
        let end = |l: &&str| !l.starts_with("processed") && !l.starts_with("verification time");
        let (mut a, mut b) = (ours.lines().take_while(end), theirs.lines().take_while(end));
        loop {
            match (a.next(), b.next()) {
                (None, None) => return self.logs_equal += 1,
                (Some(a), Some(b)) if without_address(a) == without_address(b) => {}
                (a, b) => return println!("LOG {a:?} for {b:?}: {}", text(program)),
            }
        }
    }

    fn add(&mut self, program: &Program, kernel: &Kernel<'_>, theirs: &Answer, level: u32) {
        let (ours, log) = verify_logged(program, kernel, level);
        if level == 2 && !matches!(ours.verdict, Verdict::Unknown(_)) {
            self.logs(&log, &theirs.log, program);
        }
        let said = last_line(&theirs.log);
        let of = program.prog_type.map_or("", ProgType::name);
        if let Verdict::Unknown(feature) = ours.verdict {
            *self.features.entry(feature.name()).or_default() += 1;
            if std::env::var("OXBPF_SHOW_UNKNOWN").is_ok_and(|f| f == feature.name()) {
                println!("UNKNOWN {said:?}: {of} {}", text(program));
            }
        }
        match (&ours.verdict, theirs.errno) {
            (Verdict::Unknown(_), _) => self.unknown += 1,
            (Verdict::Accept, 0) => {
                self.agree += 1;
                self.accepted += 1;
                let same =
                    (ours.stats.insns, ours.stats.total_states) == (theirs.processed, theirs.total_states);
                self.counts += same as u32;
                if !same {
                    let (a, b) = (ours.stats.insns, theirs.processed);
                    println!("COUNT {a} for {b}: {of} {}", text(program));
                }
            }
            (Verdict::Reject(fault), 1..) => {
                self.agree += 1;
                self.errnos += (fault.errno() == theirs.errno) as u32;
                if fault.errno() != theirs.errno {
                    println!(
                        "ERRNO {} for {}: {said:?}: {of} {}",
                        fault.errno(),
                        theirs.errno,
                        text(program)
                    );
                }
                self.rejected += 1;
                let own = last_line(&log);
                self.messages += (own == said) as u32;
                if own != said {
                    println!("MESSAGE {own:?} for {said:?}: {of} {}", text(program));
                }
            }
            (Verdict::Accept, _) => {
                self.false_accept += 1;
                println!("FALSE ACCEPT {said:?}: {of} {}", text(program));
            }
            (Verdict::Reject(fault), _) => {
                self.false_reject += 1;
                println!("FALSE REJECT {fault}: {of} {}", text(program));
            }
        }
    }
}
