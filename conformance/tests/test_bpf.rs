//! The 134 classic vectors of the kernel's own test module: checked, run, converted, run converted,
//! and, where the kernel may be asked, verified by it.
#![cfg(target_os = "linux")]

use oxbpf::isa::cbpf::convert::{self, Reason};
use oxbpf::isa::cbpf::{Ancillary, Dialect, Filter, Insn};
use oxbpf::isa::kernel::ProgType;
use oxbpf::isa::program::Program;
use oxbpf::vm::{Context, ContextLayout, Engine, Input, Linker, Packet, sk_buff};
use oxbpf_conformance::oracle::Oracle;
use oxbpf_conformance::test_bpf::{Vector, vectors};

/// The conversion in the virtual machine, on a run's packet.
fn machine(program: &Program, vector: &Vector, size: usize, frame: &[u8]) -> u32 {
    let described = vector.packet(size, frame);
    let mut context = Context::new(ContextLayout::sk_buff());
    context.set_u32(sk_buff::LEN, frame.len() as u32);
    context.set_u32(sk_buff::PKT_TYPE, described.pkt_type.into());
    context.set_u32(sk_buff::MARK, described.mark);
    context.set_u32(sk_buff::QUEUE_MAPPING, described.queue.into());
    context.set_u32(sk_buff::PROTOCOL, described.protocol.to_be().into());
    let vlan = described.vlan.unwrap();
    context.set_u32(sk_buff::VLAN_PRESENT, 1);
    context.set_u32(sk_buff::VLAN_TCI, vlan.tci.into());
    context.set_u32(sk_buff::VLAN_PROTO, vlan.tpid.to_be().into());
    context.set_u32(sk_buff::IFINDEX, described.ifindex.unwrap());
    context.set_u32(sk_buff::HASH, described.rxhash);
    let mut packet = Packet::new(&[]);
    packet.refill(frame, 0, described.network as usize);
    let instance = Linker::<()>::new(&Engine::default()).instantiate(program).unwrap();
    let input = Input::context(&mut context).packet(&mut packet);
    instance.run(&mut (), input).unwrap().ret as u32
}

#[test]
fn the_kernel_s_classic_vectors() {
    let vectors = match vectors() {
        Ok(vectors) => vectors.unwrap(),
        Err(skip) => return println!("{skip}"),
    };
    let oracle = Oracle::open().map_err(|skip| println!("not asked of the kernel: {skip}")).ok();
    let (mut refused, mut runs, mut by_machine, mut verified) = (0, 0, 0, 0);
    for vector in &vectors {
        let name = &vector.name;
        let checked = Filter::check(&vector.program, Dialect::Socket);
        assert_eq!(checked.is_err(), vector.is_refused(), "{name}: {:?}", checked.as_ref().err());
        let Ok(filter) = checked else {
            refused += 1;
            continue;
        };
        let program = match convert::convert(&filter, &convert::Options::default()) {
            Ok(insns) => {
                let mut program = Program::from_insns("vector", insns);
                program.prog_type = Some(ProgType::SocketFilter);
                program.license = "GPL".into();
                Some(program)
            }
            Err(error) => {
                use Ancillary::{HaType, NlAttr, NlAttrNest, PayOffset};
                let without =
                    matches!(error.reason, Reason::NoSource(HaType | NlAttr | NlAttrNest | PayOffset));
                assert!(without, "{name}: {error}");
                None
            }
        };
        // The CPU and random numbers are the machine's own.
        let own = filter.insns().iter().any(|insn| {
            matches!(insn, Insn::LoadAbs { k, .. } if matches!(Ancillary::from_offset(*k), Some(Ancillary::Random)))
        });
        for &(size, expected) in &vector.runs {
            let frame = vector.frame(size);
            assert_eq!(filter.run(&vector.packet(size, &frame)), expected, "{name} on {size} bytes");
            runs += 1;
            if let Some(program) = program.as_ref().filter(|_| !own) {
                assert_eq!(
                    machine(program, vector, size, &frame),
                    expected,
                    "{name} on {size} bytes, converted"
                );
                by_machine += 1;
            }
        }
        if let (Some(oracle), Some(program)) = (&oracle, &program) {
            let (answer, _) = oracle.load(program, 0).unwrap();
            assert_eq!(answer.errno, 0, "{name}: {}", oracle.load(program, 2).unwrap().0.log);
            verified += 1;
        }
    }
    println!(
        "{} vectors, {refused} refused as they should be, {runs} runs equal, {by_machine} of them converted too, \
         {verified} verified by the kernel",
        vectors.len()
    );
    assert!(vectors.len() >= 134);
}
