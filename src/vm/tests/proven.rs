//! Programs that run on a verifier's proof, and what a proof does not cover.

use super::*;
use oxbpf_isa::kernel::{KernelModel, ProgType};
use oxbpf_isa::proof::Region;
use oxbpf_verifier::{NoProof, Verified, prove};

fn xdp(text: &str, maps: &[Arc<MapDef>]) -> Program {
    Program { prog_type: Some(ProgType::Xdp), license: "GPL".to_owned(), ..program_with(text, maps) }
}

fn proof(program: &Program) -> Verified<'_> {
    prove(program, &KernelModel::latest(), 4).unwrap_or_else(|e| panic!("{e}"))
}

fn gap(linker: &mut Linker<()>, verified: &Verified<'_>) -> ProofGap {
    match linker.instantiate_verified(verified) {
        Err(LinkError::Proof(gap)) => gap,
        other => panic!("{other:?}"),
    }
}

const PARSE: &str = "r0 = 0\nr2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 14\nif r4 > r3 goto end\nr0 = *(u8 *)(r2 + 3)\n*(u8 *)(r2 + 1) = 9\nend:\nexit";

#[test]
fn a_proof_runs_unchecked_on_the_context_it_speaks_of() {
    let program = xdp(PARSE, &[]);
    let verified = proof(&program);
    let facts = verified.facts();
    let access = facts.insn(6).access.unwrap();
    assert_eq!((access.region, access.min, access.max), (Region::Packet, 3, 3));
    assert_eq!(facts.insn(1).access.unwrap().region, Region::Context);
    assert!(facts.insn(5).taken && facts.insn(5).falls_through && facts.insn(8).reached);
    assert_eq!((facts.context.extent, facts.context.packet, facts.bound.is_some()), (8, true, true));
    let mut linker: Linker<()> = Linker::new(&Engine::default());
    let instance = linker.instantiate_verified(&verified).unwrap();
    assert!(instance.is_proven());
    let mut context = Context::new(ContextLayout::xdp_md());
    let mut packet = Packet::new(&[7; 60]);
    let input = Input::context(&mut context).packet(&mut packet);
    assert_eq!(instance.run(&mut (), input).unwrap().ret, 7);
    assert_eq!(packet.bytes()[..3], [7, 9, 7]);
    drop(packet);
    // Without a packet there is no byte to read, whatever the context pointed to before.
    assert_eq!(instance.run(&mut (), Input::context(&mut context)).unwrap().ret, 0);
    let mut bytes = [0; 64];
    for input in [Input::none(), Input::memory(&mut bytes)] {
        assert!(!instance.accepts(&input));
        assert!(matches!(instance.run(&mut (), input).unwrap_err().kind(), TrapKind::Unsupported(_)));
    }
    let mut other = Context::new(ContextLayout::sk_buff());
    assert!(instance.run(&mut (), Input::context(&mut other)).is_err());
}

#[test]
fn a_context_must_be_as_large_as_what_is_read_of_it() {
    let program = Program { prog_type: Some(ProgType::Kprobe), ..program("r0 = *(u64 *)(r1 + 112)\nexit") };
    let program = Program { license: "GPL".to_owned(), ..program };
    let mut linker: Linker<()> = Linker::new(&Engine::default());
    let instance = linker.instantiate_verified(&proof(&program)).unwrap();
    let mut large = Context::from_bytes(&[1; 168]);
    assert!(instance.run(&mut (), Input::context(&mut large)).is_ok());
    let mut small = Context::from_bytes(&[1; 119]);
    assert!(instance.run(&mut (), Input::context(&mut small)).is_err());
}

#[test]
fn refused_programs_have_no_proof() {
    let program = xdp("r2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 0)\nexit", &[]);
    assert!(matches!(prove(&program, &KernelModel::latest(), 1), Err(NoProof::Verdict(_))));
}

#[test]
fn proofs_speak_of_the_machines_own_helpers_and_so_many_processors() {
    let program = xdp("call 8\nexit", &[]);
    let mut linker: Linker<()> = Linker::new(&Engine::new(Config::new().cpus(5)));
    assert_eq!(gap(&mut linker, &proof(&program)), ProofGap::Cpus { proof: 4, engine: 5 });
    let mut linker: Linker<()> = Linker::new(&Engine::default());
    assert!(linker.instantiate_verified(&proof(&program)).is_ok());
    linker.func(8, |_: &mut Caller<'_, ()>| 77u64);
    assert_eq!(gap(&mut linker, &proof(&program)), ProofGap::HostHelper { insn: 0, id: 8 });
}

const CONSTANT: &str = "r1 = map[fd:0][0]+0\nr2 = *(u32 *)(r1 + 0)\nr3 = r10\nr3 += -16\nr3 += r2\n*(u8 *)(r3 + 0) = 1\nr0 = r2\nexit";

fn constant(byte: u8) -> Arc<MapDef> {
    use crate::vm::maps::flag::RDONLY_PROG;
    let data = Some(Arc::from([byte, 0, 0, 0]));
    let plain = map_def("c", MapType::Array, 4, 4, 1);
    Arc::new(MapDef { flags: RDONLY_PROG, data, frozen: true, ..(*plain).clone() })
}

#[test]
fn what_a_proof_takes_as_constant_is_held_against_the_map() {
    let program = xdp(CONSTANT, &[constant(8)]);
    let verified = proof(&program);
    assert_eq!(verified.facts().insn(2).loaded, Some(8));
    assert_eq!(verified.facts().insn(6).access.unwrap().min, -8);
    let mut linker: Linker<()> = Linker::new(&Engine::default());
    let instance = linker.instantiate_verified(&verified).unwrap();
    assert_eq!(instance.run(&mut (), Input::none()).unwrap().ret, 8);
    let map = instance.map("c").unwrap();
    assert!(map.update(&0u32.to_ne_bytes(), &[200, 1, 0, 0], 0, 0).is_err(), "it stays constant");
    assert_eq!(gap(&mut linker, &proof(&xdp(CONSTANT, &[constant(15)]))), ProofGap::Map { name: "c".into() });
    // A program may not take for writable what others take for constant.
    let writes = xdp(
        "r1 = map[fd:0][0]+0\n*(u32 *)(r1 + 0) = 99\nr0 = 0\nexit",
        &[map_def("c", MapType::Array, 4, 4, 1)],
    );
    assert_eq!(gap(&mut linker, &proof(&writes)), ProofGap::Map { name: "c".into() });
}

#[test]
fn a_tail_call_leads_to_a_proven_program_only_with_its_context() {
    let progs = map_def("progs", MapType::ProgArray, 4, 4, 1);
    let target = Program { name: "target".into(), ..xdp("r0 = *(u32 *)(r1 + 12)\nr0 += 100\nexit", &[]) };
    let call = "r2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 5\nexit";
    let maps = std::slice::from_ref(&progs);
    let honest = xdp(call, maps);
    let lying = Program { name: "lying".into(), ..xdp(&format!("r1 = 4096\n{call}"), maps) };
    let mut linker: Linker<()> = Linker::new(&Engine::default());
    let honest = linker.instantiate(&honest).unwrap();
    let lying = linker.instantiate(&lying).unwrap();
    let proven = linker.instantiate_verified(&proof(&target)).unwrap();
    proven.insert_into(&*honest.maps()[0], 0).unwrap();
    let mut context = Context::new(ContextLayout::xdp_md());
    assert_eq!(honest.run(&mut (), Input::context(&mut context)).unwrap().ret, 100);
    assert_eq!(lying.run(&mut (), Input::context(&mut context)).unwrap().ret, 5);
    assert_eq!(honest.run(&mut (), Input::none()).unwrap().ret, 5);
}

#[test]
fn map_lookups_run_on_the_proof() {
    let counts = map_def("counts", MapType::Array, 4, 8, 4);
    let text = "*(u32 *)(r10 - 8) = 3\nr2 = r10\nr2 += -8\nr1 = map[fd:0]\ncall 1\n*(u64 *)(r0 + 0) = 7\nr0 = 1\nexit";
    let program = xdp(text, &[counts]);
    let verified = proof(&program);
    let used = verified.facts().insn(5).map.unwrap();
    assert_eq!((used.map, used.inner, used.key), (Some(0), false, Some(3)));
    let mut linker: Linker<()> = Linker::new(&Engine::default());
    let instance = linker.instantiate_verified(&verified).unwrap();
    assert_eq!(instance.run(&mut (), Input::none()).unwrap().ret, 1);
    let mut value = [0; 8];
    instance.map("counts").unwrap().user_lookup(&3u32.to_ne_bytes(), 0, &mut value).unwrap();
    assert_eq!(u64::from_ne_bytes(value), 7);
}
