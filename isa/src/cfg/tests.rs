use super::*;
use crate::asm::{Syntax, assemble};
use crate::disasm::{Kernel, NoNames};
use alloc::format;
use alloc::string::String;
use proptest::prelude::*;

fn cfg(text: &str) -> Cfg {
    Cfg::new(&assemble(text, Syntax::Any).unwrap())
}

#[test]
fn a_diamond_with_a_loop_and_a_call() {
    let g = cfg("r1 = 0\n top: if r1 == 5 goto out\n call local f\n if r0 == 0 goto skip\n r1 += 1\n \
                 skip: r1 += 1\n goto top\n out: exit\n f: r0 = 0\n exit");
    assert!(g.faults.is_empty(), "{:?}", g.faults);
    assert_eq!(g.functions.len(), 2);
    assert_eq!(g.calls, [Call { at: 2, to: 1, by_address: false }]);
    let top = g.block_of(1).unwrap();
    let [l] = &g.loops[..] else { panic!("{:?}", g.loops) };
    assert_eq!((l.header, l.depth, l.irreducible), (top, 1, false));
    assert_eq!(g.loop_blocks(0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let skip = g.block_of(5).unwrap();
    assert_eq!(g.immediate_dominator(skip), g.block_of(2));
    assert!(g.dominates(top, skip) && !g.dominates(skip, top));
    assert_eq!(g.unreachable().count(), 0);
}

#[test]
fn nested_and_irreducible_loops() {
    let g = cfg("a: r1 += 1\n b: r2 += 1\n if r2 != 3 goto b\n if r1 != 3 goto a\n exit");
    let depths: Vec<_> = g.loops.iter().map(|l| (l.depth, l.parent, l.irreducible)).collect();
    assert_eq!(depths, [(1, None, false), (2, Some(0), false)]);
    let g = cfg("if r1 == 0 goto b\n a: r2 += 1\n b: r2 += 2\n if r2 != 9 goto a\n exit");
    assert_eq!(g.loops.iter().map(|l| l.irreducible).collect::<Vec<_>>(), [true]);
}

#[test]
fn faults_stand_beside_the_graph() {
    let g = cfg("goto +9\n r1 = 7 ll\n goto -2\n call local -90\n .bytes ff 00 00 00 00 00 00 00");
    assert_eq!(
        g.faults,
        [
            CfgFault::JumpOutside { at: 0, to: 10 },
            CfgFault::IntoWide { at: 3, to: 2 },
            CfgFault::CallOutside { at: 4, to: -85 },
            CfgFault::Decode { at: 5, error: DecodeError::UnknownOpcode { code: 0xff } },
            CfgFault::RunsOn { at: 5 },
        ]
    );
    assert_eq!(g.unreachable().count(), 2);
    assert_eq!(format!("{}", g.faults[0]), "insn 0: the jump leads to slot 10, outside of the program");
    assert_eq!(format!("{}", g.faults[3]), "insn 5: unknown opcode ff");
}

#[test]
fn dot_names_blocks_and_escapes() {
    let text = "r1 = 0\n if r1 == 5 goto +0\n exit";
    let slots = assemble(text, Syntax::Any).unwrap();
    let g = Cfg::new(&slots);
    let dot = Dot { cfg: &g, slots: &slots, dialect: &Kernel, names: &NoNames, title: "a \"b\"" };
    let text = format!("{dot}");
    assert!(text.starts_with("digraph \"a \\\"b\\\"\" {"), "{text}");
    assert!(text.contains("b0 [label=\"0: (b7) r1 = 0\\l1: (15) if r1 == 0x5 goto pc+0\\l\"];"), "{text}");
    assert!(text.contains("b0 -> b1;") && text.contains("b0 -> b1 [label=\"taken\"];"), "{text}");
}

/// Random jumps among simple instructions.
fn random_program() -> impl Strategy<Value = Vec<RawInsn>> {
    proptest::collection::vec((0u8..7, -9i16..9), 1..32).prop_map(|steps| {
        let one = |(kind, off): (u8, i16)| match kind {
            0 => RawInsn::new(0x07, 1, 0, 0, 1),
            1 => RawInsn::new(0x05, 0, 0, off, 0),
            2..=5 => RawInsn::new(0x15, 1, 0, off, 0),
            _ => RawInsn::new(0x95, 0, 0, 0, 0),
        };
        steps.into_iter().map(one).collect()
    })
}

/// Whether `to` can be reached from block `from` without going through `without`.
fn reaches(g: &Cfg, from: BlockId, to: BlockId, without: BlockId) -> bool {
    let mut seen = alloc::vec![false; g.blocks.len()];
    let mut stack = alloc::vec![from];
    while let Some(b) = stack.pop() {
        if b == without || core::mem::replace(&mut seen[b], true) {
            continue;
        }
        if b == to {
            return true;
        }
        stack.extend(g.blocks[b].successors.iter().map(|e| e.to));
    }
    false
}

/// The definition of loops, word by word: strongly connected parts, then those of what remains
/// without each header. Header, blocks, loop around by its header, and whether it is irreducible.
fn naive_loops(g: &Cfg, among: &[BlockId], around: Option<BlockId>, out: &mut Vec<NaiveLoop>) {
    let step = |b: BlockId| g.blocks[b].successors.iter().map(|e| e.to).filter(|to| among.contains(to));
    let reached = |from: BlockId| {
        let mut seen: Vec<BlockId> = Vec::new();
        let mut stack: Vec<BlockId> = step(from).collect();
        while let Some(b) = stack.pop() {
            if !seen.contains(&b) {
                seen.push(b);
                stack.extend(step(b));
            }
        }
        seen
    };
    let mut left = among.to_vec();
    while let Some(&header) = left.first() {
        let mut part: Vec<BlockId> =
            reached(header).into_iter().filter(|&b| reached(b).contains(&header)).collect();
        left.retain(|b| *b != header && !part.contains(b));
        if part.is_empty() {
            continue;
        }
        let entered = |b: BlockId| {
            let order = &g.functions[g.blocks[b].function].order;
            g.blocks[b].predecessors.iter().any(|p| order.contains(p) && !part.contains(p))
        };
        let irreducible = part.iter().any(|&b| b != header && entered(b));
        let rest: Vec<BlockId> =
            among.iter().copied().filter(|&b| b != header && part.contains(&b)).collect();
        part.sort_unstable();
        out.push((header, part, around, irreducible));
        naive_loops(g, &rest, Some(header), out);
    }
}

type NaiveLoop = (BlockId, Vec<BlockId>, Option<BlockId>, bool);

/// `count` conditional jumps.
fn jumps(count: usize, to: impl Fn(usize) -> i16) -> Vec<RawInsn> {
    let mut slots: Vec<_> = (0..count).map(|at| RawInsn::new(0x15, 1, 0, to(at), 0)).collect();
    slots.push(RawInsn::new(0x95, 0, 0, 0, 0));
    slots
}

/// Shapes on which the textbook methods take time or memory in the square of the size. With those
/// this test would run for minutes.
#[test]
fn large_graphs_take_no_more_than_their_share() {
    const N: usize = 30_000;
    let shared_exit = Cfg::new(&jumps(N, |at| (N - at - 1) as i16));
    assert_eq!((shared_exit.blocks.len(), shared_exit.loops.len()), (N + 1, 0));
    assert_eq!(shared_exit.immediate_dominator(N), Some(0));
    let nest = Cfg::new(&jumps(N, |at| if at < N / 2 { 0 } else { (N as i64 - 2 * at as i64 - 2) as i16 }));
    assert_eq!(nest.loops.len(), N / 2);
    assert_eq!(nest.loops.iter().map(|l| l.depth).max(), Some(N as u32 / 2));
    assert!(nest.dominates(0, N) && !nest.dominates(N, 0));
    let ladder = Cfg::new(&jumps(N, |at| if at % 2 == 0 { 1 } else { -3 }));
    assert!(ladder.loops.iter().any(|l| l.irreducible));
    let calls = vec![RawInsn::new(0x85, 0, 1, 0, 0); N];
    let functions = Cfg::new(&calls);
    assert_eq!(functions.functions.len(), N);
    let mut text = String::new();
    let dot = Dot { cfg: &functions, slots: &calls, dialect: &Kernel, names: &NoNames, title: "" };
    core::fmt::write(&mut text, format_args!("{dot}")).unwrap();
    assert_eq!(text.matches("subgraph").count(), N);
}

#[test]
fn functions_do_not_dominate_each_other() {
    let g = cfg("call local f\n if r0 == 0 goto +0\n exit\n f: if r1 == 0 goto +0\n exit\n r0 = 0\n exit");
    let dead = g.block_of(5).unwrap();
    assert_eq!(g.unreachable().collect::<Vec<_>>(), [dead]);
    for a in 0..g.blocks.len() {
        for b in 0..g.blocks.len() {
            let expected = a == b || g.blocks[a].function == g.blocks[b].function && a < b && b != dead;
            assert_eq!(g.dominates(a, b), expected, "{a} {b}");
        }
    }
}

proptest! {
    #[test]
    fn dominators_are_what_their_definition_says(slots in random_program()) {
        let g = Cfg::new(&slots);
        let order = g.functions[0].order.clone();
        for &a in &order {
            for &b in &order {
                let expected = a == b || !reaches(&g, order[0], b, a);
                prop_assert_eq!(g.dominates(a, b), expected, "{} {}", a, b);
            }
        }
    }

    #[test]
    fn loops_are_what_their_definition_says(slots in random_program()) {
        let g = Cfg::new(&slots);
        let mut expected = Vec::new();
        naive_loops(&g, &g.functions[0].order, None, &mut expected);
        expected.sort();
        let found = g.loops.iter().enumerate().map(|(index, l)| {
            let parent = l.parent.map(|p| g.loops[p].header);
            (l.header, g.loop_blocks(index).collect::<Vec<_>>(), parent, l.irreducible)
        });
        let mut found: Vec<NaiveLoop> = found.collect();
        found.sort();
        prop_assert_eq!(found, expected);
        for l in &g.loops {
            prop_assert_eq!(l.depth, 1 + l.parent.map_or(0, |p| g.loops[p].depth));
        }
        let mut text = String::new();
        let dot = Dot { cfg: &g, slots: &slots, dialect: &Kernel, names: &NoNames, title: "" };
        core::fmt::write(&mut text, format_args!("{dot}")).unwrap();
    }

    #[test]
    fn any_bytes_give_a_graph(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let (chunks, _) = bytes.as_chunks::<8>();
        let slots: Vec<RawInsn> =
            chunks.iter().map(|&c| RawInsn::from_bytes(c, crate::insn::ByteOrder::Little)).collect();
        let g = Cfg::new(&slots);
        prop_assert!(g.blocks.is_sorted_by_key(|b| b.start));
    }
}
