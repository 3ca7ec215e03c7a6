//! A run takes nothing from the allocator, once an engine has memory for as many runs at once.

use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::kernel::MapType;
use oxbpf::isa::program::{MapDef, Program};
use oxbpf::vm::{Config, Context, ContextLayout, Engine, Input, Linker, Packet};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

/// Counts what the thread asks for.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Packets, calls, the stack, and a map.
const PROGRAM: &str = "
    r6 = *(u32 *)(r1 + 0)
    r7 = *(u32 *)(r1 + 4)
    r0 = 0
    r2 = r6
    r2 += 14
    if r2 > r7 goto out
    r8 = *(u8 *)(r6 + 0)
    *(u32 *)(r10 - 4) = 1
    r1 = map[fd:0]
    r2 = r10
    r2 += -4
    call 1
    if r0 == 0 goto out
    r1 = *(u64 *)(r0 + 0)
    r1 += r8
    *(u64 *)(r0 + 0) = r1
    *(u64 *)(r10 - 16) = r1
    r1 = map[fd:1]
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -16
    r4 = 0
    call 2
    call f
out:
    exit
f:
    r0 = 7
    exit";

#[test]
fn a_run_takes_nothing_from_the_allocator() {
    let map = |name: &str, kind: MapType| {
        Arc::new(MapDef {
            name: name.to_owned(),
            map_type: kind.number(),
            key_size: 4,
            value_size: 8,
            max_entries: 4,
            ..MapDef::default()
        })
    };
    let insns = assemble(PROGRAM, Syntax::Any).unwrap();
    let maps = vec![map("array", MapType::Array), map("hash", MapType::Hash)];
    let program = Program { maps, ..Program::from_insns("counted", insns) };
    let engine = Engine::new(Config::new());
    let instance = Linker::<()>::new(&engine).instantiate(&program).unwrap();
    let mut context = Context::new(ContextLayout::xdp_md());
    let mut packet = Packet::new(&[3; 64]);
    let mut run = || {
        let input = Input::context(&mut context).packet(&mut packet);
        instance.run(&mut (), input).unwrap().ret
    };
    assert_eq!(run(), 7);
    let before = ASKED.get();
    for _ in 0..1000 {
        assert_eq!(run(), 7);
    }
    assert_eq!(ASKED.get() - before, 0, "allocations in a thousand runs");
}
