//! Runs through a runner have the results of ordinary runs.

use super::*;
use oxbpf_isa::kernel::{KernelModel, ProgType};
use oxbpf_verifier::prove;
use std::sync::atomic::{AtomicU64, Ordering};

fn proved(text: &str, prog_type: ProgType, config: Config) -> Instance<()> {
    let program = Program { prog_type: Some(prog_type), license: "GPL".to_owned(), ..program(text) };
    let engine = Engine::new(config);
    let proof = prove(&program, &KernelModel::latest(), 1).unwrap_or_else(|e| panic!("{e}"));
    Linker::new(&engine).instantiate_verified(&proof).unwrap()
}

fn compiled(text: &str) -> Instance<()> {
    proved(text, ProgType::Xdp, Config::new().strategy(Strategy::Compile))
}

/// Sums the bytes of a packet that a loop may look at, and writes one.
const SUM: &str = "
    r2 = *(u32 *)(r1 + 0)
    r3 = *(u32 *)(r1 + 4)
    r0 = 0
    r5 = 0
again:
    r4 = r2
    r4 += 1
    if r4 > r3 goto out
    r6 = *(u8 *)(r2 + 0)
    r0 += r6
    *(u8 *)(r2 + 0) = 1
    r2 += 1
    r5 += 1
    if r5 < 16 goto again
out:
    exit";

#[test]
fn every_run_is_that_of_the_instance() {
    let instance = compiled(SUM);
    let mut runner = instance.runner();
    let (mut one, mut other) = (Context::new(ContextLayout::xdp_md()), Context::new(ContextLayout::xdp_md()));
    for len in [0, 1, 15, 16, 17, 60, 3, 0] {
        let (mut ours, mut theirs) = (Packet::new(&vec![len as u8; len]), Packet::new(&vec![len as u8; len]));
        let expected = instance.run(&mut (), Input::context(&mut one).packet(&mut theirs)).unwrap();
        let found = runner.run(&mut (), Input::context(&mut other).packet(&mut ours)).unwrap();
        assert_eq!((&found, ours.bytes()), (&expected, theirs.bytes()), "{len} bytes");
        let mut again = Packet::new(&vec![len as u8; len]);
        assert_eq!(runner.run_packet(&mut (), &mut other, &mut again).unwrap(), expected, "{len} bytes");
    }
    assert!(runner.is_direct());
    // Without a packet there is none, whatever the context pointed to before.
    assert_eq!(runner.run(&mut (), Input::context(&mut other)).unwrap().ret, 0);
}

#[test]
fn what_a_proof_does_not_speak_of_is_refused_each_time() {
    let instance = compiled(SUM);
    let mut runner = instance.runner();
    for _ in 0..3 {
        let mut packet = Packet::new(&[1; 4]);
        let mut right = Context::new(ContextLayout::xdp_md());
        let input = Input::context(&mut right).packet(&mut packet);
        assert_eq!(runner.run(&mut (), input).unwrap().ret, 4);
        let mut wrong = Context::new(ContextLayout::sk_buff());
        assert!(runner.run(&mut (), Input::context(&mut wrong)).is_err());
        assert!(runner.run(&mut (), Input::none()).is_err());
    }
}

#[test]
fn cancelled_runs_and_small_budgets_trap() {
    let mut runner = compiled(SUM).runner();
    let mut context = Context::new(ContextLayout::xdp_md());
    let cancel = Cancel::new();
    let mut run = |budget: Option<u64>, cancel: Option<&Cancel>| {
        let mut packet = Packet::new(&[1; 60]);
        let mut input = Input::context(&mut context).packet(&mut packet);
        if let Some(budget) = budget {
            input = input.budget(budget);
        }
        if let Some(cancel) = cancel {
            input = input.cancel(cancel);
        }
        runner.run(&mut (), input).map(|outcome| outcome.ret)
    };
    assert_eq!(run(None, None).unwrap(), 16);
    assert_eq!(run(None, Some(&cancel)).unwrap(), 16);
    assert!(run(Some(20), None).is_err());
    cancel.cancel();
    assert!(run(None, Some(&cancel)).is_err());
    assert_eq!(run(None, None).unwrap(), 16);
}

#[test]
fn programs_that_ask_the_host_have_a_run_around_them() {
    for text in ["call 42\nexit", "r0 = *(u32 *)(r1 + 12)\nlock *(u32 *)(r10 - 4) += r0\nr0 = 0\nexit"] {
        let text = text.replace("lock", "*(u32 *)(r10 - 4) = 1\nlock");
        let instance = compiled(&text);
        let (mut runner, mut context) = (instance.runner(), Context::new(ContextLayout::xdp_md()));
        for _ in 0..3 {
            assert_eq!(runner.run(&mut (), Input::context(&mut context)).unwrap().ret, 0);
        }
        assert!(!runner.is_direct());
    }
    // One that nobody proved is always held.
    let text = "r2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 99)\nexit";
    let engine = Engine::new(Config::new().strategy(Strategy::Compile));
    let instance = Linker::<()>::new(&engine).instantiate(&program(text)).unwrap();
    let (mut runner, mut context) = (instance.runner(), Context::new(ContextLayout::xdp_md()));
    for len in [100, 99, 100] {
        let mut packet = Packet::new(&vec![5; len]);
        let result = runner.run(&mut (), Input::context(&mut context).packet(&mut packet));
        assert_eq!(result.map(|outcome| outcome.ret).ok(), (len == 100).then_some(5));
    }
    assert!(!runner.is_direct());
}

#[test]
fn programs_that_only_look_maps_up_are_entered_directly() {
    // The value of the CPU in an array, and what a hash and a trie have for the packet's length.
    let look = |map: usize, store: &str| {
        format!(
            "*(u64 *)(r10 - 16) = 0\n{store}\nr1 = map[fd:{map}]\nr2 = r10\nr2 += -16\ncall 1\n\
             if r0 == 0 goto +2\nr1 = *(u64 *)(r0 + 0)\nr6 += r1\n"
        )
    };
    let text = format!(
        "r7 = *(u32 *)(r1 + 4)\nr1 = *(u32 *)(r1 + 0)\nr7 -= r1\ncall 8\nr6 = r0\nr6 *= 1000\n{}{}{}{}r0 = r6\nexit",
        look(0, "*(u32 *)(r10 - 16) = 1"),
        look(1, "*(u64 *)(r10 - 16) = r7"),
        look(2, "*(u32 *)(r10 - 16) = 32\n*(u32 *)(r10 - 12) = r7"),
        look(3, "*(u64 *)(r10 - 8) = r7"),
    );
    let maps = [
        map_def("array", MapType::PercpuArray, 4, 8, 2),
        map_def("hash", MapType::LruHash, 8, 8, 4),
        Arc::new(MapDef { flags: 1, ..(*map_def("trie", MapType::LpmTrie, 8, 8, 4)).clone() }),
        map_def("wide", MapType::Hash, 16, 8, 4),
    ];
    let program =
        Program { prog_type: Some(ProgType::Xdp), license: "GPL".to_owned(), ..program_with(&text, &maps) };
    let engine = Engine::new(Config::new().strategy(Strategy::Compile).cpus(4));
    let proof = prove(&program, &KernelModel::latest(), 4).unwrap_or_else(|e| panic!("{e}"));
    let instance = Linker::<()>::new(&engine).instantiate_verified(&proof).unwrap();
    let put = |map: usize, key: &[u8], value: u64| {
        instance.maps()[map].update(key, &value.to_ne_bytes(), 0, 3).unwrap();
    };
    put(0, &1u32.to_ne_bytes(), 1);
    put(1, &64u64.to_ne_bytes(), 10);
    put(2, &[[4, 0, 0, 0], [64, 0, 0, 0]].concat(), 100);
    put(3, &[[0; 8], 64u64.to_ne_bytes()].concat(), 200);
    let mut runner = instance.runner();
    let mut context = Context::new(ContextLayout::xdp_md());
    for (cpu, len, expected) in
        [(0, 64, 310), (3, 64, 3311), (7, 65, 3101), (1, 65, 1100), (2, 128, 2000), (6, 128, 2000)]
    {
        let mut packet = Packet::new(&vec![0; len]);
        let input = Input::context(&mut context).packet(&mut packet).cpu(cpu);
        let one = instance.run(&mut (), input).unwrap();
        let input = Input::context(&mut context).packet(&mut packet).cpu(cpu);
        assert_eq!(runner.run(&mut (), input).unwrap(), one);
        assert_eq!(one.ret, expected, "{cpu} {len}");
    }
    assert!(runner.is_direct());
    assert_eq!(runner.run_packet(&mut (), &mut context, &mut Packet::new(&[0; 64])).unwrap().ret, 310);
}

#[test]
fn a_frame_is_zero_in_every_run() {
    // A privileged program may read what it has not written.
    let text =
        "r2 = r10\nr2 += -8\nr3 = *(u32 *)(r1 + 12)\nr0 = *(u64 *)(r2 + 0)\n*(u64 *)(r2 + 0) = 7\nexit";
    let instance = compiled(text);
    let (mut runner, mut context) = (instance.runner(), Context::new(ContextLayout::xdp_md()));
    for _ in 0..3 {
        assert_eq!(runner.run(&mut (), Input::context(&mut context)).unwrap().ret, 0);
    }
    assert!(runner.is_direct());
}

#[test]
fn a_program_that_is_compiled_later_is_entered_then() {
    let instance = proved(SUM, ProgType::Xdp, Config::new());
    let (mut runner, mut context) = (instance.runner(), Context::new(ContextLayout::xdp_md()));
    let mut run = |runner: &mut crate::vm::Runner<()>| {
        let mut packet = Packet::new(&[2; 5]);
        runner.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap().ret
    };
    assert_eq!(run(&mut runner), 10);
    assert!(!runner.is_direct());
    instance.compile().unwrap();
    assert_eq!((run(&mut runner), run(&mut runner)), (10, 10));
    assert!(runner.is_direct());
}

/// Runs a program in a runner and as an instance, on packets of these lengths, with equal results.
fn alike(instance: &Instance<()>, lens: &[usize]) {
    let mut runner = instance.runner();
    let (mut one, mut other) = (Context::new(ContextLayout::xdp_md()), Context::new(ContextLayout::xdp_md()));
    for &len in lens {
        let (mut ours, mut theirs) = (Packet::new(&vec![7; len]), Packet::new(&vec![7; len]));
        let expected = instance.run(&mut (), Input::context(&mut one).packet(&mut theirs));
        let found = runner.run(&mut (), Input::context(&mut other).packet(&mut ours));
        let told = |result: &Result<Outcome, Trap>| format!("{result:?}");
        assert_eq!(told(&found), told(&expected), "{len} bytes");
        assert_eq!(ours.bytes(), theirs.bytes(), "{len} bytes");
        let found = runner.run_packet(&mut (), &mut other, &mut Packet::new(&vec![7; len]));
        assert_eq!(told(&found), told(&expected), "{len} bytes");
    }
    assert!(!runner.is_direct() && instance.linked().way(instance.engine_ref()).is_some());
}

#[test]
fn a_run_is_made_when_a_program_asks_for_one() {
    // Asks for nothing on short packets, moves the packet's head and redirects it on longer ones, from a frame
    // that has to be new each time.
    let text = "r6 = r1\nr2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr3 -= r2\nr4 = r10\nr4 += -8\n\
        r7 = *(u64 *)(r4 + 0)\n*(u64 *)(r4 + 0) = 9\nr0 = 100\nif r3 < 40 goto out\nr2 = 4\ncall 44\n\
        r1 = 3\nr2 = 0\ncall 23\nr0 += 10\nout:\nr0 += r7\nexit";
    alike(&compiled(text), &[60, 20, 40, 39, 14, 0, 60, 61, 20]);
}

#[test]
fn programs_without_a_bound_are_entered_and_budgets_hold() {
    // As many turns as the packet's first byte says, and more than a slice for long packets.
    let text = "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr0 = 0\nr4 = r2\nr4 += 1\nif r4 > r3 goto out\n\
        r5 = *(u8 *)(r2 + 0)\nr3 -= r2\nr6 = 0\nagain:\nmay_goto out\nr0 += r5\nr6 += 1\nif r6 < r3 goto again\nout:\nexit";
    let instance = compiled(text);
    let mut runner = instance.runner();
    let mut context = Context::new(ContextLayout::xdp_md());
    for (len, budget) in [(1, 1000), (50_000, 1000), (50_000, 1 << 20), (60_000, 100_000), (0, 1), (3, 0)] {
        let mut packet = Packet::new(&vec![3; len]);
        let expected = instance.run(&mut (), Input::context(&mut context).packet(&mut packet).budget(budget));
        let found = runner.run(&mut (), Input::context(&mut context).packet(&mut packet).budget(budget));
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{len} bytes, a budget of {budget}");
    }
}

#[test]
fn a_panic_of_the_host_leaves_a_runner_that_runs() {
    /// Fails every third time.
    struct Third(AtomicU64);
    impl Random for Third {
        fn next_u64(&self) -> u64 {
            let time = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            assert!(!time.is_multiple_of(3), "the third");
            5 << 32
        }
    }
    let config = Config::new().strategy(Strategy::Compile).random(Arc::new(Third(AtomicU64::new(0))));
    let text = "*(u64 *)(r10 - 8) = 1\ncall 7\nr1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit";
    let instance = proved(text, ProgType::Xdp, config);
    let (mut runner, mut context) = (instance.runner(), Context::new(ContextLayout::xdp_md()));
    for run in 1..10 {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runner.run(&mut (), Input::context(&mut context)).unwrap().ret
        }));
        assert_eq!(ended.ok(), (run % 3 != 0).then_some(6), "run {run}");
    }
}

#[test]
fn what_is_answered_without_a_run_is_what_runs_answer() {
    // Clock, task, attachment and processor; then a checksum of the stack, and a packet that is moved, for which
    // there is a run.
    let text = "r6 = r1\ncall 5\nr7 = r0\ncall 14\nr7 ^= r0\ncall 15\nr7 ^= r0\ncall 42\nr7 += r0\ncall 118\n\
        r7 ^= r0\ncall 8\nr7 += r0\n*(u64 *)(r10 - 16) = r7\n*(u64 *)(r10 - 8) = 77\nr1 = 0\nr2 = 0\n\
        r3 = r10\nr3 += -16\nr4 = 12\nr5 = 5\ncall 28\nr7 += r0\nr2 = *(u32 *)(r6 + 0)\n\
        r3 = *(u32 *)(r6 + 4)\nr3 -= r2\nif r3 < 30 goto out\nr1 = r6\nr2 = 2\ncall 44\ncall 5\nr7 ^= r0\n\
        out:\nr0 = r7\nexit";
    let task = Task { pid: 7, tgid: 9, uid: 11, gid: 13, numa_node: 3, ..Task::default() };
    let clock = Arc::new(ManualClock::at(123_456_789));
    let config = Config::new().strategy(Strategy::Compile).task(task).clock(clock);
    let instance = proved(text, ProgType::Xdp, config);
    alike(&instance, &[20, 20, 60, 20, 30, 29]);
    let mut context = Context::new(ContextLayout::xdp_md());
    let other = Task { pid: 1000, ..Task::default() };
    let mut runner = instance.runner();
    for _ in 0..3 {
        let (one, two) = [(); 2].map(|()| Packet::new(&[0; 20])).into();
        let (mut one, mut two): (Packet, Packet) = (one, two);
        let expected =
            instance.run(&mut (), Input::context(&mut context).packet(&mut one).task(&other)).unwrap();
        let found = runner.run(&mut (), Input::context(&mut context).packet(&mut two).task(&other)).unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn packet_loads_find_the_packet_of_the_run() {
    let text = "r6 = r1\nr0 = *(u8 *)skb[20]\nr7 = r0\nr0 = *(u16 *)skb[30]\nr0 += r7\nexit";
    let instance = proved(text, ProgType::SocketFilter, Config::new().strategy(Strategy::Compile));
    let (mut runner, mut context) = (instance.runner(), Context::new(ContextLayout::sk_buff()));
    for len in [60, 32, 31, 64, 20, 60] {
        let bytes: Vec<u8> = (0..len).map(|n| (n * 3 + len) as u8).collect();
        let expected = match len {
            32.. => u64::from(bytes[20]) + u64::from(u16::from_be_bytes([bytes[30], bytes[31]])),
            _ => 0,
        };
        let mut packet = Packet::new(&bytes);
        let ret = instance.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap().ret;
        assert_eq!(ret, expected, "{len} bytes");
        let ret = runner.run(&mut (), Input::context(&mut context).packet(&mut packet)).unwrap().ret;
        assert_eq!(ret, expected, "{len} bytes, in a runner");
        drop(packet);
        assert_eq!(instance.run(&mut (), Input::context(&mut context)).unwrap().ret, 0, "no packet");
    }
}

#[test]
fn a_run_that_is_made_late_knows_nothing_of_the_one_before() {
    // Reads memory at an address that the packet gives.
    let text = "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr0 = 1\nr4 = r2\nr4 += 8\nif r4 > r3 goto out\n\
        r3 = *(u64 *)(r2 + 0)\nr1 = r10\nr1 += -8\nr2 = 8\ncall 113\nout:\nexit";
    let instance = proved(text, ProgType::Xdp, Config::new().strategy(Strategy::Compile));
    let (mut runner, mut context) = (instance.runner(), Context::new(ContextLayout::xdp_md()));
    let granted = [3u8; 16];
    let mut packet = Packet::new(&(granted.as_ptr().expose_provenance() as u64).to_ne_bytes());
    for _ in 0..3 {
        let mut ends = |granted: Option<&[u8]>, in_runner: bool| {
            let input = Input::context(&mut context).packet(&mut packet);
            let input = match granted {
                Some(bytes) => input.grant(bytes),
                None => input,
            };
            let result = if in_runner { runner.run(&mut (), input) } else { instance.run(&mut (), input) };
            result.unwrap().ret.cast_signed()
        };
        for in_runner in [false, true] {
            assert_eq!(ends(Some(&granted), in_runner), 0);
            assert_eq!(ends(None, in_runner), -14, "the memory is no longer granted");
        }
    }
}

#[test]
fn a_run_that_was_cancelled_before_does_not_begin() {
    let instance = compiled("call 5\nr0 = 3\nexit");
    let (mut runner, mut context) = (instance.runner(), Context::new(ContextLayout::xdp_md()));
    let (cancel, cancelled) = (Cancel::new(), Cancel::new());
    cancelled.cancel();
    for _ in 0..3 {
        assert_eq!(runner.run(&mut (), Input::context(&mut context).cancel(&cancel)).unwrap().ret, 3);
        assert_eq!(instance.run(&mut (), Input::context(&mut context).cancel(&cancel)).unwrap().ret, 3);
        assert!(runner.run(&mut (), Input::context(&mut context).cancel(&cancelled)).is_err());
        assert!(instance.run(&mut (), Input::context(&mut context).cancel(&cancelled)).is_err());
    }
}
