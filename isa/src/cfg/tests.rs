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
    assert_eq!((l.header, l.depth, l.irreducible, l.blocks.len()), (top, 1, false, 4));
    let skip = g.block_of(5).unwrap();
    assert_eq!(g.dominators[skip], g.block_of(2));
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
    proptest::collection::vec((0u8..4, -6i16..6), 1..24).prop_map(|steps| {
        let one = |(kind, off): (u8, i16)| match kind {
            0 => RawInsn::new(0x07, 1, 0, 0, 1),
            1 => RawInsn::new(0x05, 0, 0, off, 0),
            2 => RawInsn::new(0x15, 1, 0, off, 0),
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
    fn every_cycle_is_in_a_loop(slots in random_program()) {
        let g = Cfg::new(&slots);
        for &a in &g.functions[0].order {
            let none = usize::MAX;
            let cyclic = g.blocks[a].successors.iter().any(|e| e.to == a || reaches(&g, e.to, a, none));
            let looped = g.loops.iter().any(|l| l.blocks.contains(&a));
            prop_assert_eq!(cyclic, looped, "{}", a);
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
