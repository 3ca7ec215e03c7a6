//! Helpers through programs.

use super::*;

/// Runs a program on memory it may change.
fn on(text: &str, maps: &[Arc<MapDef>], memory: &mut [u8]) -> u64 {
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program_with(text, maps)).unwrap_or_else(|e| panic!("{e}"));
    instance.run(&mut (), Input::memory(memory)).unwrap_or_else(|t| panic!("{t}")).ret
}

/// `bpf_trace_vprintk` of a format with arguments: the text, or the error.
fn printed(format: &str, args: &[u64], foreign: &[(u64, &[u8])]) -> Result<String, i64> {
    let trace = Arc::new(TraceBuffer::new(4));
    let engine = Engine::new(config().trace(trace.clone()));
    let mut linker: Linker<()> = Linker::new(&engine);
    let text = "r6 = r1\nr2 = *(u64 *)(r6 + 0)\nr4 = *(u64 *)(r6 + 8)\nr1 = r6\nr1 += 16\nr1 += r4\nr3 = r6\nr3 += 16\ncall 177\nexit";
    let instance = linker.instantiate(&program(text)).unwrap();
    let mut memory: Vec<u8> = (format.len() as u64 + 1).to_ne_bytes().to_vec();
    memory.extend((args.len() as u64 * 8).to_ne_bytes());
    memory.extend(args.iter().flat_map(|a| a.to_ne_bytes()));
    memory.extend(format.as_bytes());
    memory.push(0);
    let mut input = Input::memory(&mut memory);
    for &(at, bytes) in foreign {
        input = input.foreign(at, bytes);
    }
    let ret = instance.run(&mut (), input).unwrap().ret as i64;
    let mut lines = trace.take();
    match lines.pop() {
        Some(line) => {
            assert_eq!(ret, line.len() as i64);
            Ok(line)
        }
        None => Err(ret),
    }
}

#[test]
fn formats_print_as_in_the_kernel() {
    const STRING: u64 = 0xffff_8880_0000_1000;
    let foreign: &[(u64, &[u8])] =
        &[(STRING, b"hello\0"), (0x5000, &[192, 168, 0, 1, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12])];
    let minus = -5i64 as u64;
    let cases: &[(&str, &[u64], &str)] = &[
        ("plain 100%%\n", &[], "plain 100%\n"),
        ("%d %i %u", &[minus, 3, minus], "-5 3 4294967291"),
        ("%ld %lld %lu", &[minus, minus, minus], "-5 -5 18446744073709551611"),
        ("%x %X %lx %llX", &[0xabc, 0xabc, minus, 0xdef], "abc ABC fffffffffffffffb DEF"),
        ("[%5d] [%-5d] [%05d] [%+d] [% d]", &[42, 42, minus, 7, 7], "[   42] [42   ] [-0005] [+7] [ 7]"),
        ("%c%c", &[b'o' as u64, b'k' as u64], "ok"),
        ("<%s> <%8s> <%-8s>", &[STRING, STRING, STRING], "<hello> <   hello> <hello   >"),
        ("<%s>", &[8], "<>"),
        ("%pks", &[STRING], "hello"),
        ("%p %px", &[0x1234, 0x1234], "0000000000001234 0000000000001234"),
        ("%pI4 %pi4", &[0x5000, 0x5000], "192.168.0.1 192.168.000.001"),
        ("%pI6", &[0x5000], "c0a8:0001:fe80:0000:0000:0000:0000:0012"),
    ];
    for (format, args, text) in cases {
        assert_eq!(printed(format, args, foreign).as_deref(), Ok(*text), "{format}");
    }
    for bad in ["%f", "%", "%z", "%5", "%.3d", "%lld %lls", "%sx", "%pI5", "\u{1}", "%hd"] {
        assert_eq!(printed(bad, &[0, 0], &[]), Err(-22), "{bad}");
    }
    assert_eq!(printed("%d %d", &[1], &[]), Err(-22), "more specifiers than arguments");
    assert_eq!(printed("%d", &[0; 13], &[]), Err(-22), "more arguments than there may be");
}

#[test]
fn a_map_is_updated_found_and_emptied() {
    let hash = map_def("hash", MapType::Hash, 4, 8, 4);
    let setup = "*(u32 *)(r10 - 4) = 7\n*(u64 *)(r10 - 16) = 41\nr1 = map[fd:0]\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\ncall 2\nr1 = map[fd:0]\nr2 = r10\nr2 += -4\n";
    let find = format!(
        "{setup}call 1\nif r0 == 0 goto end\nr1 = *(u64 *)(r0 + 0)\nr1 += 1\n*(u64 *)(r0 + 0) = r1\nr0 = *(u64 *)(r0 + 0)\nend:\nexit"
    );
    assert_eq!(on(&find, std::slice::from_ref(&hash), &mut []), 42);
    let past = format!("{setup}call 1\nr0 = *(u64 *)(r0 + 4)\nexit");
    let trap = run(&program_with(&past, std::slice::from_ref(&hash))).unwrap_err();
    let TrapKind::Access { near: Some(near), .. } = trap.kind() else { panic!("{trap}") };
    assert_eq!((near.kind, near.offset, near.len), (RegionKind::MapValue, 4, 8));
    let twice = format!("{setup}call 3\nr6 = r0\nr1 = map[fd:0]\nr2 = r10\nr2 += -4\ncall 3\nexit");
    assert_eq!(on(&twice, &[hash], &mut []) as i64, -2);
    assert!(matches!(trap_of("r1 = 5\nr2 = r10\ncall 1\nexit"), TrapKind::NotAMap { handle: 5 }));
}

#[test]
fn what_a_map_of_maps_gives_is_no_address() {
    use oxbpf_isa::program::{MapSlot, SlotTarget};
    let inner = map_def("inner", MapType::Array, 4, 8, 2);
    let outer = Arc::new(MapDef {
        inner: Some(Box::new((*inner).clone())),
        slots: vec![MapSlot { index: 1, target: SlotTarget::Map("inner".to_owned()) }],
        ..(*map_def("outer", MapType::ArrayOfMaps, 4, 4, 4)).clone()
    });
    let maps = [outer, inner];
    let find = "*(u32 *)(r10 - 4) = 1\nr1 = map[fd:0]\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto end\n";
    for size in ["u8", "u32", "u64"] {
        let load = program_with(&format!("{find}r0 = *({size} *)(r0 + 0)\nend:\nexit"), &maps);
        assert!(matches!(run(&load).unwrap_err().kind(), TrapKind::Access { .. }), "{size}");
    }
    let again = "r1 = r0\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto end\n*(u64 *)(r0 + 0) = 5\nr0 = *(u64 *)(r0 + 0)\n";
    assert_eq!(on(&format!("{find}{again}end:\nexit"), &maps, &mut []), 5);
}

#[test]
fn elements_that_were_looked_up_are_held_each_by_itself() {
    // Two neighbours of a map, in turn, and past the end of either.
    let array = map_def("array", MapType::Array, 4, 12, 4);
    let look = |key: u32, into: &str| {
        format!("*(u32 *)(r10 - 4) = {key}\nr1 = map[fd:0]\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto end\n{into} = r0\n")
    };
    let both = [look(1, "r6"), look(2, "r7")].concat();
    let good = format!("{both}*(u32 *)(r6 + 8) = 3\n*(u32 *)(r7 + 0) = 4\nr0 = *(u32 *)(r6 + 8)\nr1 = *(u32 *)(r7 + 0)\nr0 += r1\nend:\nexit");
    assert_eq!(on(&good, std::slice::from_ref(&array), &mut []), 7);
    for past in ["*(u8 *)(r7 + 12) = 1", "r0 = *(u64 *)(r7 + 8)", "r0 = *(u32 *)(r6 + 12)", "*(u8 *)(r7 - 1) = 1"] {
        let program = program_with(&format!("{both}{past}\nend:\nexit"), std::slice::from_ref(&array));
        assert!(matches!(run(&program).unwrap_err().kind(), TrapKind::Access { .. }), "{past}");
    }
    let rodata = Arc::new(MapDef { flags: maps::flag::RDONLY_PROG, ..(*array).clone() });
    let write = program_with(&format!("{}*(u8 *)(r6 + 0) = 1\nend:\nexit", look(1, "r6")), &[rodata]);
    assert!(run(&write).unwrap_err().to_string().contains("in read-only map value"));
}

fn trap_of(text: &str) -> TrapKind {
    super::trap(text)
}

#[test]
fn a_read_only_map_is_not_written() {
    let data: Arc<[u8]> = Arc::from([9u8; 8].as_slice());
    let rodata = Arc::new(MapDef {
        data: Some(data),
        frozen: true,
        flags: maps::flag::RDONLY_PROG,
        ..(*map_def(".rodata", MapType::Array, 4, 8, 1)).clone()
    });
    assert_eq!(
        on("r1 = map[fd:0][0]+4\nr0 = *(u32 *)(r1 + 0)\nexit", std::slice::from_ref(&rodata), &mut []),
        0x0909_0909
    );
    let write = program_with("r1 = map[fd:0][0]+4\n*(u32 *)(r1 + 0) = 1\nexit", &[rodata]);
    let trap = run(&write).unwrap_err();
    assert!(trap.to_string().contains("in read-only map value"), "{trap}");
}

#[test]
fn elements_are_visited() {
    let array = map_def("array", MapType::Array, 4, 8, 5);
    // The callback adds the key, read through its pointer, to the context.
    let text = "*(u64 *)(r10 - 8) = 0\nr1 = map[fd:0]\nr2 = func[pc+9]\nr3 = r10\nr3 += -8\nr4 = 0\ncall 164\nr1 = *(u64 *)(r10 - 8)\nr0 *= 100\nr0 += r1\nexit\nr1 = *(u32 *)(r2 + 0)\nr5 = *(u64 *)(r4 + 0)\nr5 += r1\n*(u64 *)(r4 + 0) = r5\nr0 = 0\nexit";
    assert_eq!(on(text, &[array], &mut []), 510);
}

#[test]
fn records_go_to_the_host_or_nowhere() {
    let ring = map_def("ring", MapType::Ringbuf, 0, 0, 4096);
    let reserve =
        "r1 = map[fd:0]\nr2 = 16\nr3 = 0\ncall 131\nif r0 == 0 goto end\nr1 = r0\n*(u64 *)(r1 + 8) = 5\n";
    let mut linker: Linker<()> = Linker::new(&engine());
    let submit = format!("{reserve}r2 = 0\ncall 132\nend:\nr0 = 0\nexit");
    let submit = linker.instantiate(&program_with(&submit, std::slice::from_ref(&ring))).unwrap();
    submit.run(&mut (), Input::none()).unwrap();
    let maps::MapKind::Ringbuf(records) = submit.maps()[0].kind() else { panic!() };
    assert_eq!(records.next_record().unwrap()[8..], 5u64.to_ne_bytes());
    let leave = format!("{reserve}end:\nr0 = 0\nexit");
    linker
        .instantiate(&program_with(&leave, std::slice::from_ref(&ring)))
        .unwrap()
        .run(&mut (), Input::none())
        .unwrap();
    assert_eq!(records.next_record(), None, "what the run left behind is discarded");
    let after = format!("{reserve}r6 = r1\nr2 = 0\ncall 132\nr0 = *(u64 *)(r6 + 0)\nend:\nexit");
    let after = linker.instantiate(&program_with(&after, std::slice::from_ref(&ring))).unwrap();
    assert!(matches!(after.run(&mut (), Input::none()).unwrap_err().kind(), TrapKind::Access { .. }));
    let bogus = program_with("r1 = r10\nr2 = 0\ncall 132\nexit", &[ring]);
    let trap = linker.instantiate(&bogus).unwrap().run(&mut (), Input::none()).unwrap_err();
    assert!(matches!(trap.kind(), TrapKind::BadArgument { argument: 1, .. }));
}

#[test]
fn perf_events_take_data_and_packet() {
    let events = map_def("events", MapType::PerfEventArray, 4, 4, 1);
    let text = "r6 = r1\n*(u64 *)(r10 - 8) = 77\nr1 = r6\nr2 = map[fd:0]\nr3 = 0x3ffffffff ll\nr4 = r10\nr4 += -8\nr5 = 8\ncall 25\nexit";
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program_with(text, &[events])).unwrap();
    let maps::MapKind::PerfEventArray(array) = instance.maps()[0].kind() else { panic!() };
    let run = || {
        let mut context = Context::new(ContextLayout::xdp_md());
        let mut packet = Packet::new(&[3; 40]);
        instance.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap().ret as i64
    };
    assert_eq!(run(), -2, "nobody listens");
    let buffers = array.open_all(4096);
    assert_eq!(run(), 0);
    let record = buffers[0].pop().unwrap();
    assert_eq!((&record[..8], &record[8..11]), (&77u64.to_ne_bytes()[..], &[3; 3][..]));
}

#[test]
fn probe_reads_never_trap() {
    let text = "r3 = r1\nr1 = r10\nr1 += -16\nr2 = 8\ncall 113\nr6 = r0\nr0 = *(u64 *)(r10 - 16)\nif r6 != 0 goto bad\nexit\nbad:\nr0 |= r6\nexit";
    let mut linker: Linker<()> = Linker::new(&engine());
    let program = program(text);
    let instance = linker.instantiate(&program).unwrap();
    let ret = instance.run(&mut (), Input::none().arg(1, 0xdead_0000)).unwrap().ret;
    assert_eq!(ret as i64, -14, "what was to be read is zero");
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let input = Input::none().arg(1, 0xdead_0001).foreign(0xdead_0000, &bytes);
    assert_eq!(instance.run(&mut (), input).unwrap().ret, u64::from_le_bytes([2, 3, 4, 5, 6, 7, 8, 9]));
    // SAFETY: the program's own memory is its frame.
    let proven = linker.instantiate_vouched(&unsafe { Vouched::new(&program) }).unwrap();
    let secret = [7u8; 16];
    let ret = proven.run(&mut (), Input::none().arg(1, secret.as_ptr() as u64)).unwrap().ret;
    assert_eq!(ret as i64, -14, "memory that was not granted is not read by any mode");
}

#[test]
fn locks_are_held_by_one() {
    let value = map_def("locked", MapType::Array, 4, 16, 1);
    assert!(matches!(
        run(&program_with("r1 = map[fd:0][0]+0\ncall 93\nexit", &[value])).unwrap_err().kind(),
        TrapKind::Access { .. }
    ));
    assert!(matches!(trap_of("r1 = r10\ncall 94\nexit"), TrapKind::Lock));
}

#[test]
fn the_packet_moves_under_the_program() {
    let text = "r6 = r1\nr2 = -4\ncall 44\nif r0 != 0 goto end\nr1 = *(u32 *)(r6 + 0)\nr2 = *(u32 *)(r6 + 4)\nr0 = r2\nr0 -= r1\n*(u32 *)(r1 + 0) = 0x01020304\nend:\nexit";
    let mut linker: Linker<()> = Linker::new(&engine());
    let instance = linker.instantiate(&program(text)).unwrap();
    let mut context = Context::new(ContextLayout::xdp_md());
    let mut packet = Packet::new(&[9; 60]);
    let ret = instance.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap().ret;
    assert_eq!(ret, 64);
    assert_eq!(packet.bytes()[..5], [4, 3, 2, 1, 9]);
    let stale = "r6 = r1\nr7 = *(u32 *)(r6 + 0)\nr2 = 8\ncall 44\nr0 = *(u8 *)(r7 + 0)\nexit";
    let stale = linker.instantiate(&program(stale)).unwrap();
    let trap = stale.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap_err();
    assert!(matches!(trap.kind(), TrapKind::Access { near: Some(Near { offset: -8, .. }), .. }), "{trap}");
}

#[test]
fn redirects_are_told() {
    let mut linker: Linker<()> = Linker::new(&engine());
    let tc = Program {
        prog_type: Some(oxbpf_isa::kernel::ProgType::SchedCls),
        ..program("r1 = 3\nr2 = 1\ncall 23\nexit")
    };
    let outcome = linker.instantiate(&tc).unwrap().run(&mut (), Input::none()).unwrap();
    assert_eq!((outcome.ret, outcome.redirect), (7, Some(Redirect::Interface { ifindex: 3, flags: 1 })));
}

#[test]
fn the_world_is_the_hosts() {
    let task = Task { uid: 5, gid: 6, numa_node: 2, ..Task::new(42, "comm") };
    let engine = Engine::new(
        config()
            .clock(Arc::new(ManualClock::at(123)))
            .task(task)
            .cpus(4)
            .random(Arc::new(Seeded::new(0))),
    );
    let mut linker: Linker<()> = Linker::new(&engine);
    let mut call = |id: u32| {
        let instance = linker.instantiate(&program(&format!("call {id}\nexit"))).unwrap();
        instance.run(&mut (), Input::none().cpu(3)).unwrap().ret
    };
    assert_eq!(call(5), 123);
    assert_eq!(call(8), 3);
    assert_eq!(call(14), 42 << 32 | 42);
    assert_eq!(call(15), 6 << 32 | 5);
    assert_eq!(call(42), 2);
    assert_eq!(call(7), 0xe220_a839);
    assert_eq!(call(7), 0x6e78_9e6a);
}

#[test]
fn numbers_are_iterated() {
    let mut it = program(
        "r1 = r10\nr1 += -8\nr2 = 3\nr3 = 6\ncall kfunc#1\nr6 = 0\nnext:\nr1 = r10\nr1 += -8\ncall kfunc#2\nif r0 == 0 goto end\nr1 = *(u32 *)(r0 + 0)\nr6 += r1\ngoto next\nend:\nr1 = r10\nr1 += -8\ncall kfunc#3\nr0 = r6\nexit",
    );
    for (insn, name) in [(4, "bpf_iter_num_new"), (8, "bpf_iter_num_next"), (15, "bpf_iter_num_destroy")] {
        it.kfuncs.push(oxbpf_isa::program::KfuncRef {
            insn,
            name: name.to_owned(),
            weak: false,
            local_type: oxbpf_isa::btf::TypeId(0),
        });
    }
    assert_eq!(run(&it).unwrap(), 3 + 4 + 5);
}
