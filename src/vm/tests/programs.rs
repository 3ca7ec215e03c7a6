//! Programs with known ends: control, memory, contexts, tail calls, the host's side.

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn a_call_changes_r0_alone() {
    let text = "r1 = 1\nr2 = 2\nr6 = 6\ncall f\nr0 += r1\nr0 += r2\nr0 += r6\nexit\nf:\nr1 = 50\nr6 = 60\nr0 = 100\nexit";
    assert_eq!(run(&program(text)).unwrap(), 109);
}

#[test]
fn eight_frames_and_no_more() {
    let text = |depth| {
        format!("r1 = {depth}\ncall f\nexit\nf:\nif r1 == 0 goto end\nr1 -= 1\ncall f\nend:\nr0 = 7\nexit")
    };
    assert_eq!(run(&program(&text(6))).unwrap(), 7);
    assert!(matches!(trap(&text(7)), TrapKind::CallDepth));
}

#[test]
fn frames_are_apart() {
    let text = "*(u64 *)(r10 - 8) = 5\nr1 = r10\ncall f\nr0 = *(u64 *)(r10 - 8)\nexit\nf:\nr2 = *(u64 *)(r1 - 8)\nr2 += 1\n*(u64 *)(r1 - 8) = r2\n*(u64 *)(r10 - 8) = 99\nexit";
    assert_eq!(run(&program(text)).unwrap(), 6);
    let above = trap("call f\nexit\nf:\nr0 = *(u64 *)(r10 + 0)\nexit");
    let TrapKind::Access { near: Some(near), size: 8, .. } = above else { panic!("{above:?}") };
    assert_eq!((near.kind, near.offset), (RegionKind::Stack(1), 512));
}

#[test]
fn a_trap_names_instruction_and_region() {
    let program = program("r2 = *(u32 *)(r1 + 4)\nr3 = 1 ll\nr0 = *(u32 *)(r1 + 6)\nexit");
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program).unwrap();
    let mut memory = [0; 8];
    let trap = instance.run(&mut (), Input::memory(&mut memory)).unwrap_err();
    assert_eq!(trap.place(), Some(&Place { program: Arc::from("test"), insn: 3 }));
    assert!(trap.to_string().ends_with("reaches past granted memory of 8 bytes, from offset 6"), "{trap}");
    assert!(matches!(
        super::trap("r0 = *(u8 *)(r0 + 0)\nexit"),
        TrapKind::Access { near: None, addr: 0, .. }
    ));
}

#[test]
fn atomics_must_be_aligned() {
    let text = "r1 = r10\nr1 += -12\nr2 = 1\nlock *(u64 *)(r1 + 0) += r2\nr0 = 0\nexit";
    assert!(matches!(trap(text), TrapKind::Unaligned { size: 8, .. }));
}

#[test]
fn budget_and_cancellation_stop_a_loop() {
    let program = program("r0 += 1\ngoto -2");
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program).unwrap();
    let trap = instance.run(&mut (), Input::none().budget(100_000)).unwrap_err();
    assert!(matches!(trap.kind(), TrapKind::Budget { limit: 100_000 }));
    let cancel = Cancel::new();
    let trap = std::thread::scope(|s| {
        let run = s.spawn(|| instance.run(&mut (), Input::none().cancel(&cancel).budget(u64::MAX)));
        cancel.cancel();
        run.join().unwrap().unwrap_err()
    });
    assert!(matches!(trap.kind(), TrapKind::Cancelled));
}

#[test]
fn instructions_are_counted() {
    let program =
        program("r1 = 10\nagain:\nr1 -= 1\nif r1 != 0 goto again\ncall f\nexit\nf:\nr0 = 1 ll\nexit");
    let mut linker: Linker<()> = Linker::new(&engine());
    let outcome = linker.instantiate(&program).unwrap().run(&mut (), Input::none()).unwrap();
    assert_eq!((outcome.ret, outcome.insns), (1, 1 + 20 + 1 + 2 + 1));
}

#[test]
fn may_goto_goes_on_eight_million_times() {
    let text = "r0 = 0\nagain:\nmay_goto end\nr0 += 1\ngoto again\nend:\nexit";
    assert_eq!(run(&program(text)).unwrap(), 8 << 20);
}

#[test]
fn loops_call_back() {
    let text = "*(u64 *)(r10 - 8) = 0\nr1 = 10\nr2 = func[pc+9]\nr3 = r10\nr3 += -8\nr4 = 0\ncall 181\nr6 = *(u64 *)(r10 - 8)\nr0 *= 1000\nr0 += r6\nexit\nr3 = *(u64 *)(r2 + 0)\nr3 += r1\n*(u64 *)(r2 + 0) = r3\nr0 = 0\nif r1 != 4 goto +1\nr0 = 1\nexit";
    assert_eq!(run(&program(text)).unwrap(), 5 * 1000 + 10);
    assert!(matches!(trap("r1 = 1\nr2 = 5\nr4 = 0\ncall 181\nexit"), TrapKind::NotAFunction { target: 5 }));
}

#[test]
fn the_budget_holds_in_callbacks() {
    let program = program("r1 = 0x800000\nr2 = func[pc+5]\nr3 = 0\nr4 = 0\ncall 181\nexit\nr0 = 0\nexit");
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program).unwrap();
    let trap = instance.run(&mut (), Input::none().budget(100_000)).unwrap_err();
    assert!(matches!(trap.kind(), TrapKind::Budget { .. }), "{trap}");
    assert_eq!(instance.run(&mut (), Input::none()).unwrap().ret, 0x80_0000);
}

#[test]
fn exceptions_end_the_program() {
    let mut thrower = program("call f\nr0 = 1\nexit\nf:\nr1 = 77\ncall kfunc#5\nr0 = 2\nexit");
    thrower.kfuncs.push(oxbpf_isa::program::KfuncRef {
        insn: 4,
        name: "bpf_throw".to_owned(),
        weak: false,
        local_type: oxbpf_isa::btf::TypeId(0),
    });
    assert_eq!(run(&thrower).unwrap(), 77);
}

#[test]
fn what_cannot_be_linked_says_why() {
    let link = |program: &Program| {
        let mut linker: Linker<()> = Linker::new(&engine());
        linker.instantiate(program).unwrap_err()
    };
    assert_eq!(link(&program("r0 = 0")), LinkError::FallsOff { insn: 0 });
    assert_eq!(link(&program("goto +5\nexit")), LinkError::Target { insn: 0, target: 6 });
    assert_eq!(link(&program("goto +1\nr0 = 1 ll\nexit")), LinkError::Target { insn: 0, target: 2 });
    assert_eq!(link(&program("r10 = 0\nexit")), LinkError::FramePointer { insn: 0 });
    assert_eq!(link(&program("r1 = map[fd:0]\nexit")), LinkError::NoSuchMap { insn: 0, index: 0 });
    let unknown = link(&program("call 176\nexit"));
    assert_eq!(unknown.to_string(), "instruction 0: helper 176 (bpf_get_branch_snapshot) is not linked");
    assert_eq!(link(&Program::from_insns("empty", vec![])), LinkError::Length { insns: 0 });
    let mut linker: Linker<()> = Linker::new(&Engine::new(config().unknown(Unknown::TrapAtCall)));
    let instance = linker.instantiate(&program("call 176\nexit")).unwrap();
    let trap = instance.run(&mut (), Input::none()).unwrap_err();
    assert!(matches!(trap.kind(), TrapKind::UnknownHelper { id: 176 }));
}

/// Length of the packet and its first byte, by way of the context's pointers.
const XDP: &str = "r0 = 0\nr2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 14\nif r4 > r3 goto end\nr0 = *(u8 *)(r2 + 0)\n*(u8 *)(r2 + 1) = 9\nr3 -= r2\nr0 <<= 16\nr0 |= r3\nend:\nexit";

#[test]
fn packet_pointers_are_loaded_whole() {
    let program = program(XDP);
    let mut linker: Linker<()> = Linker::new(&engine());
    let checked = linker.instantiate(&program).unwrap();
    // SAFETY: the program holds its packet accesses against the end, and slots 1 and 2 are its only
    // loads from the context.
    let vouched = unsafe { Vouched::with_context(&program, ContextLayout::xdp_md(), vec![1, 2]) };
    let proven = linker.instantiate_vouched(&vouched).unwrap();
    for instance in [&checked, &proven] {
        let mut context = Context::new(ContextLayout::xdp_md());
        let mut packet = Packet::new(&[7; 60]);
        let outcome = instance.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap();
        assert_eq!(outcome.ret, 7 << 16 | 60);
        assert_eq!(packet.bytes()[..3], [7, 9, 7]);
    }
    let mut other = Context::new(ContextLayout::sk_buff());
    assert!(proven.run(&mut (), Input::context(&mut other)).is_err());
    let short = |instance: &Instance<()>| {
        let mut context = Context::new(ContextLayout::xdp_md());
        let mut packet = Packet::new(&[7; 10]);
        instance.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap().ret
    };
    assert_eq!((short(&checked), short(&proven)), (0, 0));
}

#[test]
fn the_end_of_the_packet_holds() {
    let program = program("r2 = *(u32 *)(r1 + 0)\nr0 = *(u64 *)(r2 + 56)\nexit");
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program).unwrap();
    let mut context = Context::new(ContextLayout::xdp_md());
    let mut packet = Packet::new(&[0; 60]);
    let trap = instance.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap_err();
    let TrapKind::Access { near: Some(near), .. } = trap.kind() else { panic!("{trap}") };
    assert_eq!((near.kind, near.offset, near.len), (RegionKind::Packet, 56, 60));
}

#[test]
fn classic_packet_loads() {
    // R6 is the context, as in programs converted from classic BPF.
    let program = program(
        "r6 = r1\nr0 = *(u16 *)skb[12]\nr7 = r0\nr2 = 2\nr0 = *(u8 *)skb[r2 + 1]\nr7 <<= 8\nr0 |= r7\nr0 = *(u32 *)skb[58]\nexit",
    );
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program).unwrap();
    let mut packet = Packet::new(&(0..64).collect::<Vec<u8>>());
    let mut context = Context::new(ContextLayout::sk_buff());
    let ret = instance.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap().ret;
    assert_eq!(ret, 0x3a3b_3c3d);
    let mut packet = Packet::new(&[0; 60]);
    let ret = instance.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap().ret;
    assert_eq!(ret, 0);
}

#[test]
fn tail_calls_go_thirty_three_deep() {
    let progs = map_def("progs", MapType::ProgArray, 4, 4, 2);
    let counts = map_def("counts", MapType::Array, 4, 8, 1);
    let count = "r6 = r1\nr1 = map[fd:1][0]+0\nr2 = *(u64 *)(r1 + 0)\nr2 += 1\n*(u64 *)(r1 + 0) = r2\n";
    let text = format!(
        "{count}r1 = r6\nr2 = map[fd:0]\nr3 = 1\ncall 12\nr1 = map[fd:1][0]+0\nr0 = *(u64 *)(r1 + 0)\nexit"
    );
    let program = program_with(&text, &[progs, counts]);
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program).unwrap();
    assert_eq!(instance.run(&mut (), Input::none()).unwrap().ret, 1, "the slot is empty");
    instance.insert_into(&**instance.map("progs").unwrap(), 1).unwrap();
    assert_eq!(instance.run(&mut (), Input::none()).unwrap().ret, 1 + 34);
    assert_eq!(instance.insert_into(&**instance.map("counts").unwrap(), 1), Err(NotInserted { index: 1 }));
}

#[test]
fn a_tail_call_from_a_subprogram_returns_to_its_caller() {
    let progs = map_def("progs", MapType::ProgArray, 4, 4, 1);
    let caller = program_with(
        "call f\nr0 += 1\nexit\nf:\nr2 = map[fd:0]\nr3 = 0\ncall 12\nr0 = 500\nexit",
        std::slice::from_ref(&progs),
    );
    let target = Program { name: "target".into(), ..program("r0 = 40\nexit") };
    for proven in [false, true] {
        let mut linker: Linker<()> = Linker::new(&engine());
        let main = linker.instantiate(&caller).unwrap();
        let target = if proven {
            // SAFETY: the program touches no memory.
            linker.instantiate_vouched(&unsafe { Vouched::new(&target) }).unwrap()
        } else {
            linker.instantiate(&target).unwrap()
        };
        target.insert_into(&*main.maps()[0], 0).unwrap();
        drop((target, linker));
        assert_eq!(main.run(&mut (), Input::none()).unwrap().ret, 41);
    }
}

#[test]
fn initial_slots_are_filled_by_name() {
    use oxbpf_isa::program::{MapSlot, SlotTarget};
    let slot = |index, target: &str| MapSlot { index, target: SlotTarget::Program(target.to_owned()) };
    let progs = Arc::new(MapDef {
        slots: vec![slot(0, "first"), slot(1, "second")],
        ..(*map_def("progs", MapType::ProgArray, 4, 4, 2)).clone()
    });
    let main = program_with("r2 = map[fd:0]\nr3 = 1\ncall 12\nr0 = 1\nexit", &[progs]);
    let mut linker: Linker<()> = Linker::new(&engine());
    let main = linker.instantiate(&main).unwrap();
    linker.instantiate(&Program { name: "second".into(), ..program("r0 = 2\nexit") }).unwrap();
    assert_eq!(main.run(&mut (), Input::none()).unwrap().ret, 2);
}

#[test]
fn host_functions_are_typed_and_see_memory() {
    struct Host {
        sum: i64,
    }
    let mut linker: Linker<Host> = Linker::new(&engine());
    linker
        .func(1000, |caller: &mut Caller<'_, Host>, at: u64, len: u32| -> Result<i32, Trap> {
            let bytes = caller.read_vec(at, len as u64)?;
            caller.data_mut().sum += bytes.iter().map(|&b| b as i64).sum::<i64>();
            caller.write(at, &[0xff])?;
            Ok(-3)
        })
        .func(1001, |_: &mut Caller<'_, Host>| -> Result<(), Trap> { Err(Trap::host("not today")) });
    let program = program("r6 = r1\nr2 = 4\ncall 1000\nr1 = *(u8 *)(r6 + 0)\nr0 += r1\nexit");
    let instance = linker.instantiate(&program).unwrap();
    let mut host = Host { sum: 0 };
    let ret = instance.run(&mut host, Input::memory(&mut [1, 2, 3, 4])).unwrap().ret;
    assert_eq!((ret as i64, host.sum), (-3 + 255, 10));
    let trap = instance.run(&mut host, Input::memory(&mut [1, 2])).unwrap_err();
    assert!(matches!(trap.kind(), TrapKind::Access { kind: AccessKind::HelperRead, size: 4, .. }), "{trap}");
    let program = super::program("call 1001\nexit");
    let trap = linker.instantiate(&program).unwrap().run(&mut host, Input::none()).unwrap_err();
    assert_eq!(trap.to_string(), "test, instruction 0: host function failed: not today");
}

#[test]
fn one_instance_runs_on_many_threads() {
    let map = map_def("counts", MapType::Array, 4, 8, 1);
    let program =
        program_with("r1 = map[fd:0][0]+0\nr2 = 1\nlock *(u64 *)(r1 + 0) += r2\nr0 = 0\nexit", &[map]);
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program).unwrap();
    let runs = AtomicU32::new(0);
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..500 {
                    instance.run(&mut (), Input::none()).unwrap();
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let value = instance.maps()[0].lookup_elem(&0u32.to_ne_bytes(), 0).unwrap();
    assert_eq!(u64::from_ne_bytes(value.try_into().unwrap()), 2000);
    assert_eq!(runs.into_inner(), 2000);
}
