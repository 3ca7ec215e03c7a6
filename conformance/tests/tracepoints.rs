//! What programs typed by a tracepoint, an iterator or a callback find in their context, against
//! what the running kernel says: every argument of every tracepoint that its types know.

use oxbpf::isa::btf::{Kind, Type, TypeId};
use oxbpf::isa::insn::RawInsn;
use oxbpf::isa::kernel::{AttachType, ProgType};
use oxbpf::isa::program::{Program, StructOpsMember};
use oxbpf_conformance::oracle::{Oracle, running_model};
use oxbpf_verifier::{Kernel, Verdict, verify_logged};

/// Arguments that are looked at; the kernel knows no more than twelve.
const MOST_ARGS: i16 = 13;

/// Loads eight bytes of the context and ends.
fn program(prog_type: ProgType, attach: Option<AttachType>, target: Option<&str>, off: i16) -> Program {
    let insns = vec![
        RawInsn::new(0x79, 2, 1, off, 0),
        RawInsn::new(0xb7, 0, 0, 0, 0),
        RawInsn::new(0x95, 0, 0, 0, 0),
    ];
    let mut program = Program::from_insns("context", insns);
    program.prog_type = Some(prog_type);
    program.expected_attach_type = attach;
    program.attach_target = target.map(str::to_owned);
    program.license = "GPL".to_owned();
    program
}

/// What a log says from the first instruction on, as far as it is about the load.
fn essence(log: &str) -> Vec<&str> {
    let lines = log.lines().skip_while(|l| !l.starts_with("0: R1=ctx()"));
    lines.take_while(|l| !l.starts_with("1:") && !l.starts_with("processed")).collect()
}

struct Compared {
    same: u32,
    differ: Vec<String>,
}

impl Compared {
    fn add(&mut self, oracle: &Oracle, kernel: &Kernel<'_>, program: &Program, what: &str) -> bool {
        let (answer, _) = oracle.load(program, 2).unwrap();
        let (judgement, log) = verify_logged(program, kernel, 2);
        let ours = match &judgement.verdict {
            Verdict::Accept => 0,
            Verdict::Reject(fault) => fault.errno(),
            Verdict::Unknown(_) => -1,
        };
        if ours == answer.errno && essence(&log) == essence(&answer.log) {
            self.same += 1;
        } else {
            let verdict = &judgement.verdict;
            let (log, theirs) = (essence(&log), essence(&answer.log));
            self.differ.push(format!("{what}: {verdict:?} {log:?} for errno {} {theirs:?}", answer.errno));
        }
        answer.errno != 0
    }

    fn end(self, what: &str) {
        println!("{what}: {} arguments equal, {} differ", self.same, self.differ.len());
        for line in self.differ.iter().take(20) {
            println!("  {line}");
        }
        assert!(self.differ.is_empty(), "{what}");
    }
}

#[test]
fn typed_contexts_are_the_kernels() {
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
    let all = |kind: Kind, prefix: &'static str| {
        let named = types.types().filter(move |(_, t)| t.kind() == kind);
        named.filter_map(move |(_, t)| t.name().strip_prefix(prefix))
    };
    let mut compared = Compared { same: 0, differ: Vec::new() };
    let mut count = 0;
    for name in all(Kind::Typedef, "btf_trace_") {
        count += 1;
        for arg in 0..MOST_ARGS {
            let raw_tp = Some(AttachType::TraceRawTp);
            let program = program(ProgType::Tracing, raw_tp, Some(name), arg * 8);
            if compared.add(&oracle, &kernel, &program, &format!("{name} {arg}")) {
                break;
            }
        }
    }
    println!("{count} tracepoints");
    compared.end("tracepoints");
    let mut compared = Compared { same: 0, differ: Vec::new() };
    for name in all(Kind::Func, "bpf_iter_") {
        for arg in 0..MOST_ARGS {
            let iter = Some(AttachType::TraceIter);
            let program = program(ProgType::Tracing, iter, Some(name), arg * 8);
            if compared.add(&oracle, &kernel, &program, &format!("iterator {name} {arg}")) {
                break;
            }
        }
    }
    compared.end("iterators");
    let mut compared = Compared { same: 0, differ: Vec::new() };
    for ops in ["tcp_congestion_ops", "bpf_dummy_ops", "task_struct"] {
        let Some(id) = types.find(ops, Kind::Struct) else { continue };
        let Some(Type::Struct(composite)) = types.ty(id) else { continue };
        for (index, member) in composite.members().enumerate().take(40) {
            for arg in 0..MOST_ARGS {
                let mut program = program(ProgType::StructOps, None, None, arg * 8);
                program.struct_ops = Some(StructOpsMember {
                    type_name: ops.to_owned(),
                    member: member.name.to_owned(),
                    kernel: Some((TypeId(id.0), index as u32)),
                });
                if compared.add(&oracle, &kernel, &program, &format!("{ops}.{} {arg}", member.name)) {
                    break;
                }
            }
        }
    }
    compared.end("callbacks");
}
