//! Every accepted program of the corpus that can be linked here, on every engine: interpreted and
//! compiled, with accesses looked up and on the verifier's proof.
//!
//! Each engine has maps of its own. What a run gives (R0, traps and their place, redirections), what is in
//! context, packet and maps afterwards, and what was written to ring buffers and traced are compared.
//! Programs whose results depend on where the host keeps things differ from themselves on other
//! addresses, and are counted as that; whatever is left out is counted by reason. `OXBPF_ENGINES_EVERY`
//! looks at every so many-th program only.

use oxbpf::isa::kernel::{KernelModel, KernelVersion, ProgType};
use oxbpf::isa::program::Program;
use oxbpf::object::{LoadOptions, Object};
use oxbpf::vm::maps::{Element, Map, MapKind};
use oxbpf::vm::{
    Config, Context, ContextLayout, Engine, Input, Instance, LinkError, Linker, ManualClock, Packet, Seeded,
    Strategy, TraceBuffer, TrapKind, Unknown,
};
use oxbpf_conformance::corpus;
use oxbpf_verifier::{Verified, prove};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// Programs that take the verifier longer than this are left out.
const LONGEST: u64 = 60_000;
const BUDGET: u64 = 200_000;
const CPUS: u32 = 2;

/// An engine, with what its programs trace.
struct Machine {
    strategy: Strategy,
    proven: bool,
    /// In a runner, which enters proved programs without a run around them from the second run on.
    runner: bool,
}

const MACHINES: [Machine; 5] = [
    Machine { strategy: Strategy::Interpret, proven: false, runner: false },
    Machine { strategy: Strategy::Interpret, proven: true, runner: false },
    Machine { strategy: Strategy::Compile, proven: false, runner: false },
    Machine { strategy: Strategy::Compile, proven: true, runner: false },
    Machine { strategy: Strategy::Compile, proven: true, runner: true },
];

/// What a run leaves behind.
#[derive(PartialEq, Debug)]
struct After {
    result: Result<String, String>,
    context: Vec<u8>,
    packet: Vec<u8>,
    maps: Vec<(String, Vec<Element>)>,
    records: Vec<Vec<u8>>,
    traced: Vec<String>,
}

impl After {
    /// What differs.
    fn difference(&self, other: &After) -> String {
        let one = |name: &str, a: &dyn Debug, b: &dyn Debug| {
            let (a, b) = (format!("{a:x?}"), format!("{b:x?}"));
            if a == b { String::new() } else { format!("{name} {a} and {b}; ") }
        };
        [
            one("result", &self.result, &other.result),
            one("context", &self.context, &other.context),
            one("packet", &self.packet, &other.packet),
            one("maps", &self.maps, &other.maps),
            one("records", &self.records, &other.records),
            one("traced", &self.traced, &other.traced),
        ]
        .concat()
    }
}

/// The packets that programs are given.
fn packets() -> Vec<Vec<u8>> {
    let mut tcp = vec![0u8; 80];
    tcp[12..14].copy_from_slice(&[8, 0]);
    tcp[14..24].copy_from_slice(&[0x45, 0, 0, 66, 0, 1, 0, 0, 64, 6]);
    tcp[34..38].copy_from_slice(&[0x1f, 0x90, 0, 80]);
    let mut udp6 = vec![7u8; 100];
    udp6[12..14].copy_from_slice(&[0x86, 0xdd]);
    udp6[14..21].copy_from_slice(&[0x60, 0, 0, 0, 0, 46, 17]);
    vec![vec![0; 64], tcp, udp6, vec![0; 64]]
}

fn layout(program: &Program) -> ContextLayout {
    match program.prog_type {
        Some(ProgType::Xdp) => ContextLayout::xdp_md(),
        Some(
            ProgType::SchedCls
            | ProgType::SchedAct
            | ProgType::SocketFilter
            | ProgType::CgroupSkb
            | ProgType::LwtIn
            | ProgType::LwtOut
            | ProgType::LwtXmit
            | ProgType::LwtSeg6local
            | ProgType::SkSkb
            | ProgType::FlowDissector,
        ) => ContextLayout::sk_buff(),
        _ => ContextLayout::plain(512),
    }
}

/// The elements of a map, in the order of their keys; none of maps that hold no bytes.
fn elements(map: &dyn Map) -> Vec<Element> {
    if map.head().shape().holds_handles() {
        return Vec::new();
    }
    let mut all = map.elements().unwrap_or_default();
    all.sort();
    all
}

/// Links a program with maps of its own, and runs it on every packet.
fn runs(program: &Program, proof: Option<&Verified<'_>>, machine: &Machine) -> Result<Vec<After>, LinkError> {
    let trace = Arc::new(TraceBuffer::new(1 << 16));
    let config = Config::new()
        .cpus(CPUS)
        .budget(BUDGET)
        .unknown(Unknown::TrapAtCall)
        .clock(Arc::new(ManualClock::at(1_000_000)))
        .random(Arc::new(Seeded::new(7)))
        .trace(trace.clone())
        .strategy(machine.strategy);
    let engine = Engine::new(config);
    let mut linker: Linker<()> = Linker::new(&engine);
    let instance: Instance<()> = match proof.filter(|_| machine.proven) {
        Some(proof) => linker.instantiate_verified(proof)?,
        None => linker.instantiate(program)?,
    };
    let mut runner = instance.runner();
    let mut all = Vec::new();
    for bytes in packets() {
        let mut context = Context::new(layout(program));
        let mut packet = Packet::new(&bytes);
        let input = Input::context(&mut context).packet(&mut packet);
        let outcome = match machine.runner {
            true => runner.run(&mut (), input),
            false => instance.run(&mut (), input),
        };
        let result = match outcome {
            Ok(outcome) => Ok(format!("{:#x} {:?}", outcome.ret, outcome.redirect)),
            Err(trap) if matches!(trap.kind(), TrapKind::Budget { .. }) => Err("budget".to_owned()),
            Err(trap) => Err(trap.to_string()),
        };
        let mut records = Vec::new();
        for map in instance.maps() {
            if let MapKind::Ringbuf(ring) = map.kind() {
                records.extend(std::iter::from_fn(|| ring.next_record()));
            }
        }
        let maps = instance.maps().iter().map(|m| (m.head().name().to_owned(), elements(&**m))).collect();
        let packet = [packet.metadata(), packet.bytes()].concat();
        let traced = trace.take();
        all.push(After { result, context: context.bytes().to_vec(), packet, maps, records, traced });
    }
    Ok(all)
}

/// As [`runs`], with the host's memory laid out in one of several other ways.
fn runs_elsewhere(
    program: &Program,
    proof: Option<&Verified<'_>>,
    machine: &Machine,
    how: usize,
) -> Result<Vec<After>, LinkError> {
    let contexts: Vec<Context> = (0..29 * how).map(|_| Context::new(layout(program))).collect();
    let packets: Vec<Packet> =
        packets().iter().cycle().take(31 * how).map(|bytes| Packet::new(bytes)).collect();
    let room: Vec<Vec<u8>> = (0..40 * how).map(|n| vec![1u8; 40 * (n + 1)]).collect();
    let after = runs(program, proof, machine);
    std::hint::black_box((contexts, packets, room));
    after
}

/// Whether the run without checks may be compared: it ended in the machine that checks, or ran out of
/// budget there.
fn ended(after: &[After]) -> bool {
    after.iter().all(|a| a.result.is_ok())
}

#[test]
fn accepted_programs_do_the_same_on_every_engine() {
    let (Some(objects), Some(rows)) = (corpus::objects(), corpus::golden("verdicts-6.18.tsv")) else {
        return;
    };
    let every = std::env::var("OXBPF_ENGINES_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let target = corpus::core_target("6.18");
    let options = LoadOptions { target: target.as_ref(), ..LoadOptions::default() };
    let model = KernelModel::measured(KernelVersion::new(6, 18)).unwrap();
    let mut left_out: BTreeMap<String, u32> = BTreeMap::new();
    let mut note = |reason: String| *left_out.entry(reason).or_default() += 1;
    let (mut same, mut trapping, mut differ, mut object) = (0, 0, Vec::new(), None::<(String, Object)>);
    for row in rows.iter().filter(|row| row[6] == "0").step_by(every) {
        if row[7].parse::<u64>().is_ok_and(|n| n > LONGEST) {
            note("long to verify".to_owned());
            continue;
        }
        if object.as_ref().is_none_or(|(name, _)| *name != row[0]) {
            let path = objects.iter().find(|(name, _)| *name == row[0]).map(|(_, path)| path);
            object = path
                .and_then(|path| Object::parse(std::fs::read(path).ok()?, &corpus::object_name(path)).ok())
                .map(|object| (row[0].clone(), object));
        }
        let Some((_, object)) = &object else {
            note("no object".to_owned());
            continue;
        };
        let entry = object.programs().find(|(_, f)| f.name == row[1]).map(|(entry, _)| entry);
        let Some(loaded) = entry.and_then(|entry| object.load(entry, &options).ok()) else {
            note("not prepared".to_owned());
            continue;
        };
        if !loaded.unresolved.is_empty() {
            note("references to types that are not there".to_owned());
            continue;
        }
        let program = loaded.program;
        let proof = prove(&program, &model, CPUS);
        if let Err(gap) = &proof {
            note(format!("of those, not run on a proof: {}", general(&gap.to_string())));
        }
        let proof = proof.as_ref().ok();
        let first = match runs(&program, proof, &MACHINES[0]) {
            Ok(after) => after,
            Err(error) => {
                note(format!("not linked: {}", reason(&error)));
                continue;
            }
        };
        if !ended(&first) {
            trapping += 1;
        }
        let mut fine = true;
        for machine in &MACHINES[1..] {
            // A run that the checks end would go on without them.
            if machine.proven && (proof.is_none() || !ended(&first)) {
                continue;
            }
            let found = match runs(&program, proof, machine) {
                Ok(found) => found,
                Err(LinkError::Proof(gap)) => {
                    note(format!("of those, not run on a proof: {}", general(&gap.to_string())));
                    continue;
                }
                Err(error) => {
                    note(format!("not linked by one engine: {}", reason(&error)));
                    continue;
                }
            };
            if found == first {
                continue;
            }
            fine = false;
            let moves =
                |n| runs_elsewhere(&program, proof, &MACHINES[0], n).is_ok_and(|again| again != first);
            if (1..=8).any(moves) {
                note("depends on where the host keeps things".to_owned());
                break;
            }
            let (a, b) = first.iter().zip(&found).find(|(a, b)| a != b).unwrap();
            differ.push(format!(
                "{} {}, {:?} proven {} runner {}: {}",
                row[0],
                row[1],
                machine.strategy,
                machine.proven,
                machine.runner,
                a.difference(b)
            ));
            break;
        }
        same += fine as u32;
    }
    println!("{same} programs do the same on every engine, of which {trapping} trap; left out:");
    for (reason, count) in &left_out {
        println!("{count:5} {reason}");
    }
    assert!(differ.is_empty(), "{} differ: {:#?}", differ.len(), &differ[..differ.len().min(5)]);
    assert!(same > 100);
}

/// A message without its numbers.
fn general(text: &str) -> String {
    let mut text: String = text.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).collect();
    while text.contains("NN") {
        text = text.replace("NN", "N");
    }
    text
}

/// The error without its place.
fn reason(error: &LinkError) -> String {
    match error {
        LinkError::UnknownHelper { .. } => "a helper".to_owned(),
        LinkError::UnknownKfunc { .. } => "a kernel function".to_owned(),
        LinkError::Map { .. } => "a map".to_owned(),
        LinkError::Unsupported { what, .. } => (*what).to_owned(),
        LinkError::KernelVariable { .. } => "a kernel variable".to_owned(),
        other => general(&other.to_string()),
    }
}
