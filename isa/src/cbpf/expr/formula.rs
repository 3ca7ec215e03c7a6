//! What a packet is tested for: comparisons of loaded values, joined by and, or and not.

use super::error::Span;
use crate::cbpf::{Cond, Insn, Operand};
use alloc::vec::Vec;

/// An instruction of a block, and the words of the expression it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stmt {
    pub insn: Insn,
    pub span: Span,
}

/// Instructions, then a comparison.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// Branches and jumps among them stay among them.
    pub stmts: Vec<Stmt>,
    pub cond: (Cond, Operand),
}

/// The index of a test or of several joined ones.
pub(super) type TestId = usize;

#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    /// The index in [`Formula::tests`].
    Test(usize),
    And(TestId, TestId),
    Or(TestId, TestId),
    Not(TestId),
}

#[derive(Debug, Default)]
pub(super) struct Formula {
    pub nodes: Vec<Node>,
    pub tests: Vec<Test>,
}

impl Formula {
    fn add(&mut self, node: Node) -> TestId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub fn test(&mut self, stmts: Vec<Stmt>, cond: Cond, with: Operand) -> TestId {
        self.tests.push(Test { stmts, cond: (cond, with) });
        self.add(Node::Test(self.tests.len() - 1))
    }

    pub fn and(&mut self, left: TestId, right: TestId) -> TestId {
        self.add(Node::And(left, right))
    }

    pub fn or(&mut self, left: TestId, right: TestId) -> TestId {
        self.add(Node::Or(left, right))
    }

    pub fn not(&mut self, of: TestId) -> TestId {
        self.add(Node::Not(of))
    }

    /// Puts instructions before those of the test that comes first.
    pub fn prepend(&mut self, mut id: TestId, stmts: impl IntoIterator<Item = Stmt>) {
        loop {
            match self.nodes[id] {
                Node::And(first, _) | Node::Or(first, _) | Node::Not(first) => id = first,
                Node::Test(test) => {
                    self.tests[test].stmts.splice(0..0, stmts);
                    return;
                }
            }
        }
    }
}
