//! Programs of every member of every structure of callbacks that the running kernel's types declare,
//! judged as by that kernel: what they read, write, call and return. Nothing is registered: a program
//! is loaded for a member and closed again.

use oxbpf::isa::btf::{Btf, Kind, Type, TypeId};
use oxbpf::isa::insn::RawInsn;
use oxbpf::isa::kernel::ProgType;
use oxbpf::isa::program::{ProgFlags, Program, StructOpsMember};
use oxbpf_conformance::logs;
use oxbpf_conformance::oracle::{Oracle, running_model};
use oxbpf_verifier::{Kernel, Verdict, verify_logged};

const VALUE: &str = "bpf_struct_ops_";
/// A structure that is none of callbacks.
const OTHER: &str = "task_struct";
/// Helpers of the kernel have numbers below this.
const MOST_HELPERS: i32 = 215;
const MOST_ARGS: i16 = 7;
/// Differences that are shown.
const MOST_SHOWN: usize = 60;

fn load(size: u8, dst: u8, src: u8, off: i16) -> RawInsn {
    RawInsn::new(size | 0x61, dst, src, off, 0)
}
fn store(size: u8, dst: u8, off: i16) -> RawInsn {
    RawInsn::new(size | 0x62, dst, 0, off, 1)
}
fn set(dst: u8, imm: i32) -> RawInsn {
    RawInsn::new(0xb7, dst, 0, 0, imm)
}
fn copy(dst: u8, src: u8) -> RawInsn {
    RawInsn::new(0xbf, dst, src, 0, 0)
}
fn call(id: i32) -> RawInsn {
    RawInsn::new(0x85, 0, 0, 0, id)
}
fn call_kernel(id: TypeId) -> RawInsn {
    RawInsn::new(0x85, 0, 2, 0, id.0 as i32)
}
const EXIT: RawInsn = RawInsn::new(0x95, 0, 0, 0, 0);
/// Byte, half word, word and double word, as the code of an instruction has them.
const SIZES: [u8; 4] = [0x10, 0x08, 0x00, 0x18];

/// A callback.
struct Member<'a> {
    ops: &'a str,
    name: &'a str,
    id: TypeId,
    index: u32,
}

impl Member<'_> {
    fn program(&self, insns: &[RawInsn], sleepable: bool) -> Program {
        let mut program = Program::from_insns("callback", insns.to_vec());
        program.prog_type = Some(ProgType::StructOps);
        program.license = "GPL".to_owned();
        program.flags = ProgFlags(if sleepable { ProgFlags::SLEEPABLE } else { 0 });
        program.struct_ops = Some(StructOpsMember {
            type_name: self.ops.to_owned(),
            member: self.name.to_owned(),
            kernel: Some((self.id, self.index)),
        });
        program
    }
}

/// The structures of callbacks of a kernel: each has a structure for the value of its map.
fn structures(types: &Btf) -> Vec<(&str, TypeId)> {
    let ops = |(_, ty): (TypeId, Type<'_>)| {
        let Type::Struct(value) = ty else { return None };
        let name = value.name.strip_prefix(VALUE)?;
        let id = types.find(name, Kind::Struct)?;
        value.members().any(|m| m.ty == id).then_some(id)
    };
    types
        .types()
        .filter_map(ops)
        .map(|id| (types.ty(id).map_or("", |t| t.name()), id))
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

#[derive(Default)]
struct Compared {
    agree: u32,
    accepted: u32,
    unknown: Vec<String>,
    differ: Vec<String>,
    false_accepts: u32,
}

impl Compared {
    fn ask(&mut self, oracle: &Oracle, kernel: &Kernel<'_>, program: &Program, what: &str) -> bool {
        let (answer, _) = oracle.load(program, 2).unwrap();
        let (judgement, log) = verify_logged(program, kernel, 2);
        let errno = match &judgement.verdict {
            Verdict::Accept => 0,
            Verdict::Reject(fault) => fault.errno(),
            Verdict::Unknown(feature) => {
                self.unknown.push(format!("{what}: {feature}; errno {}", answer.errno));
                return answer.errno == 0;
            }
        };
        self.false_accepts += (errno == 0 && answer.errno != 0) as u32;
        if errno == answer.errno && logs::same(&log, &answer.log) {
            self.agree += 1;
            self.accepted += (errno == 0) as u32;
        } else {
            let at = logs::first_difference(&log, &answer.log);
            self.differ.push(format!("{what}: errno {errno} for {}\n{at}", answer.errno));
        }
        answer.errno == 0
    }
}

/// Programs that read every argument in every width, and where it is a pointer what it points to.
fn reads(ask: &mut dyn FnMut(&str, &[RawInsn])) {
    for off in (0..MOST_ARGS * 8).step_by(4).chain([1, 88, 96, -8]) {
        for size in SIZES {
            ask(&format!("read {size:#x} at {off}"), &[load(size, 2, 1, off), set(0, 0), EXIT]);
        }
    }
    ask("write", &[store(0x18, 1, 0), set(0, 0), EXIT]);
    for arg in 0..5 {
        for off in (0..96).step_by(4).chain([1, 200, 1000, 30000, -8]) {
            for size in [0x18, 0x00] {
                let code = [load(0x18, 2, 1, 8 * arg), load(size, 3, 2, off), set(0, 0), EXIT];
                ask(&format!("argument {arg} read {size:#x} at {off}"), &code);
                let skip = RawInsn::new(0x15, 2, 0, 1, 0);
                let code = [load(0x18, 2, 1, 8 * arg), skip, load(size, 3, 2, off), set(0, 0), EXIT];
                ask(&format!("argument {arg} if not null read {size:#x} at {off}"), &code);
            }
        }
    }
}

/// Programs that end with what they may and may not return.
fn results(ask: &mut dyn FnMut(&str, &[RawInsn])) {
    ask("nothing returned", &[EXIT]);
    for value in [0, 1, -1, -4096, 5000] {
        ask(&format!("{value} returned"), &[set(0, value), EXIT]);
    }
    ask("a pointer to the stack returned", &[copy(0, 10), EXIT]);
    for arg in 0..4 {
        ask(&format!("argument {arg} returned"), &[load(0x18, 0, 1, 8 * arg), EXIT]);
        let skip = RawInsn::new(0x55, 0, 0, 1, 0);
        let code = [load(0x18, 0, 1, 8 * arg), skip, set(0, 0), EXIT];
        ask(&format!("argument {arg} returned if not null"), &code);
    }
    ask("unknown returned", &[call(7), EXIT]);
    ask("context returned", &[copy(0, 1), EXIT]);
    ask("two ways", &[load(0x18, 2, 1, 0), set(0, 0), RawInsn::new(0x15, 2, 0, 1, 0), set(0, 7), EXIT]);
}

/// Programs that call every helper and every function for programs, with several kinds of arguments.
fn calls(types: &Btf, every: bool, ask: &mut dyn FnMut(&str, &[RawInsn])) {
    for id in 0..MOST_HELPERS {
        ask(&format!("helper {id} with nothing"), &[call(id), set(0, 0), EXIT]);
        let mut code = vec![load(0x18, 1, 1, 0)];
        code.extend((2..=5).map(|r| set(r, 0)));
        code.extend([call(id), set(0, 0), EXIT]);
        ask(&format!("helper {id} with argument 0"), &code);
        let mut code = vec![copy(1, 10), RawInsn::new(0x07, 1, 0, 0, -8), store(0x18, 10, -8), set(2, 8)];
        code.extend((3..=5).map(|r| set(r, 0)));
        code.extend([call(id), set(0, 0), EXIT]);
        ask(&format!("helper {id} with memory"), &code);
    }
    let tagged = types.types().filter_map(|(_, ty)| match ty {
        Type::DeclTag { name: "bpf_kfunc", target, .. } => Some(target),
        _ => None,
    });
    for id in tagged {
        let name = types.ty(id).map_or("", |t| t.name());
        ask(&format!("{name} with nothing"), &[call_kernel(id), set(0, 0), EXIT]);
        if !every {
            continue;
        }
        let mut code = vec![load(0x18, 1, 1, 0)];
        code.extend((2..=5).map(|r| set(r, 0)));
        code.extend([call_kernel(id), set(0, 0), EXIT]);
        ask(&format!("{name} with argument 0"), &code);
    }
}

/// Programs that write in every place of what each argument points to.
fn writes(types: &Btf, proto: TypeId, step: usize, ask: &mut dyn FnMut(&str, &[RawInsn])) {
    let Some(Type::FuncProto(proto)) = types.ty(proto) else { return };
    for (arg, param) in proto.params().enumerate().take(5) {
        let size = match types.resolved(param.ty) {
            Some((_, Type::Ptr(to))) => types.size_of(to).unwrap_or(8),
            _ => 8,
        };
        // Sockets of TCP are larger than the sockets that they are declared as.
        let size = size.max(if step == 1 { 2600 } else { 64 }) + 8;
        for off in (0..size as i16).step_by(step) {
            for size in SIZES {
                let skip = RawInsn::new(0x15, 2, 0, 1, 0);
                let code = [load(0x18, 2, 1, 8 * arg as i16), skip, store(size, 2, off), set(0, 0), EXIT];
                ask(&format!("argument {arg} write {size:#x} at {off}"), &code);
            }
        }
    }
}

#[test]
fn callbacks_are_judged_as_by_the_kernel() {
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let (types, target) = (oracle.types().clone(), oracle.target());
    let model = match running_model() {
        Ok(model) => model,
        Err(skip) => return println!("{skip}"),
    };
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let mut all = Compared::default();
    for (ops, id) in structures(&types) {
        let Some(Type::Struct(composite)) = types.ty(id) else { continue };
        let mut written = false;
        for (index, member) in composite.members().enumerate() {
            let of = Member { ops, name: member.name, id, index: index as u32 };
            let before = (all.agree, all.differ.len(), all.unknown.len());
            let place = format!("{ops}.{}", member.name);
            let usable = std::cell::Cell::new(false);
            for sleepable in [false, true] {
                let mut ask = |what: &str, code: &[RawInsn]| {
                    let sleeps = if sleepable { " sleepable" } else { "" };
                    let what = format!("{place}{sleeps}: {what}");
                    let taken = all.ask(&oracle, &kernel, &of.program(code, sleepable), &what);
                    usable.set(usable.get() | taken);
                };
                results(&mut ask);
                reads(&mut ask);
                if usable.get() {
                    calls(&types, !sleepable && index < 4, &mut ask);
                }
            }
            if usable.get()
                && let Some((_, Type::Ptr(proto))) = types.resolved(member.ty)
            {
                let mut ask = |what: &str, code: &[RawInsn]| {
                    all.ask(&oracle, &kernel, &of.program(code, false), &format!("{place}: {what}"));
                };
                writes(&types, proto, if written { 12 } else { 1 }, &mut ask);
                written = true;
            }
            println!(
                "{place}: {} agree, {} differ, {} unknown",
                all.agree - before.0,
                all.differ.len() - before.1,
                all.unknown.len() - before.2
            );
        }
        // A licence that allows nothing, members that do not exist, structures that are none.
        let other = types.find(OTHER, Kind::Struct).unwrap_or(id);
        for (index, ops, id) in [(0, ops, id), (1000, ops, id), (0, OTHER, other)] {
            let of = Member { ops, name: "", id, index };
            let mut program = of.program(&[set(0, 0), EXIT], false);
            all.ask(&oracle, &kernel, &program, &format!("{ops} {index} of {id:?}"));
            program.license = "MIT".to_owned();
            all.ask(&oracle, &kernel, &program, &format!("{ops} {index} of {id:?} without licence"));
        }
    }
    println!(
        "{} agree ({} accepted), {} unknown, {} differ, FALSE ACCEPT {}",
        all.agree,
        all.accepted,
        all.unknown.len(),
        all.differ.len(),
        all.false_accepts
    );
    for line in all.differ.iter().take(MOST_SHOWN).chain(all.unknown.iter().take(20)) {
        println!("  {line}");
    }
    assert_eq!(all.false_accepts, 0, "false accepts");
    assert!(all.differ.is_empty(), "{} differ", all.differ.len());
}
