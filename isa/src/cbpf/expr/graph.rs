//! Tests to a graph of blocks: every test is a block, and `and`, `or` and `not` are nothing but where
//! its two ways lead. All ways end in one of two blocks, which keep the packet or drop it.

use super::error::Span;
use super::formula::{Formula, Node, TestId};
use crate::cbpf::{Cond, Insn, Operand};
use alloc::vec;
use alloc::vec::Vec;

/// An instruction of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stmt {
    pub insn: Insn,
    pub span: Span,
    /// Whether the optimiser has removed it.
    pub dead: bool,
}

/// How a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Return(u32),
    /// To the first of two blocks when the condition holds, else to the second.
    Branch(Condition),
}

/// What a block compares `A` with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub cond: Cond,
    pub with: Operand,
}

impl Condition {
    /// An order among conditions, for maps of them.
    const fn key(self) -> (u8, Option<u32>) {
        let cond = match self.cond {
            Cond::Eq => 0,
            Cond::Gt => 1,
            Cond::Ge => 2,
            Cond::Set => 3,
        };
        match self.with {
            Operand::K(k) => (cond, Some(k)),
            Operand::X => (cond, None),
        }
    }
}

impl PartialOrd for Condition {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Condition {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

pub(super) type BlockId = usize;

#[derive(Clone, Debug)]
pub(super) struct Block {
    pub stmts: Vec<Stmt>,
    pub end: End,
    /// Where the branch leads when its condition holds, and when not; for a return, nowhere.
    pub to: [BlockId; 2],
}

impl Block {
    pub fn is_leaf(&self) -> bool {
        matches!(self.end, End::Return(_))
    }

    /// Its instructions that are left.
    pub fn live(&self) -> impl Iterator<Item = Insn> + '_ {
        self.stmts.iter().filter(|stmt| !stmt.dead).map(|stmt| stmt.insn)
    }
}

pub(super) struct Graph {
    pub blocks: Vec<Block>,
    pub root: BlockId,
}

impl Graph {
    /// The graph of a formula, which keeps `keep` bytes of what matches.
    pub fn new(formula: Formula, root: TestId, keep: u32) -> Self {
        let leaf = |value| Block { stmts: Vec::new(), end: End::Return(value), to: [0, 0] };
        let mut blocks = vec![leaf(keep), leaf(0)];
        let Formula { nodes, mut tests } = formula;
        enum Task {
            /// The blocks of a test, to lead to these.
            Test(TestId, [BlockId; 2]),
            /// The blocks of the left side, once those of the right are there.
            Left { and: bool, left: TestId, to: [BlockId; 2] },
        }
        let mut tasks = vec![Task::Test(root, [0, 1])];
        let mut head = 0;
        while let Some(task) = tasks.pop() {
            match task {
                Task::Test(id, to) => match nodes[id] {
                    Node::And(left, right) => {
                        tasks.extend([Task::Left { and: true, left, to }, Task::Test(right, to)]);
                    }
                    Node::Or(left, right) => {
                        tasks.extend([Task::Left { and: false, left, to }, Task::Test(right, to)]);
                    }
                    Node::Not(of) => tasks.push(Task::Test(of, [to[1], to[0]])),
                    Node::Test(test) => {
                        let stmts = core::mem::take(&mut tests[test].stmts);
                        let stmts = stmts.into_iter().map(|stmt| Stmt {
                            insn: stmt.insn,
                            span: stmt.span,
                            dead: false,
                        });
                        let (cond, with) = tests[test].cond;
                        let end = End::Branch(Condition { cond, with });
                        head = blocks.len();
                        blocks.push(Block { stmts: stmts.collect(), end, to });
                    }
                },
                Task::Left { and: true, left, to } => tasks.push(Task::Test(left, [head, to[1]])),
                Task::Left { and: false, left, to } => tasks.push(Task::Test(left, [to[0], head])),
            }
        }
        Self { blocks, root: head }
    }

    /// The blocks that can be reached, each after all it leads to; of the two ways, the one of index
    /// `first` is gone first.
    pub fn postorder(&self, first: usize) -> Vec<BlockId> {
        let mut seen = vec![false; self.blocks.len()];
        let mut order = Vec::new();
        // A block, and how many of its ways have been gone.
        let mut path = vec![(self.root, 0)];
        seen[self.root] = true;
        while let Some((id, gone)) = path.last_mut() {
            let block = &self.blocks[*id];
            if block.is_leaf() || *gone == 2 {
                order.push(*id);
                path.pop();
                continue;
            }
            let next = block.to[if *gone == 0 { first } else { 1 - first }];
            *gone += 1;
            if !seen[next] {
                seen[next] = true;
                path.push((next, 0));
            }
        }
        order
    }
}
