//! Nodes to tests: what each primitive means for the link type at hand, as libpcap 1.10 has it.
//!
//! The order of tests and of the loads in them is part of the meaning, because a load past the end of
//! a packet ends the filter: it is libpcap's.

mod address;
mod encapsulation;
mod kind;
mod load;
mod port;
mod primitive;
mod protocol;
mod value;

use super::Options;
use super::ast::{Node, NodeKind, Primitive};
use super::error::{Error, ErrorKind, Span};
use super::formula::{Formula, Stmt, TestId};
use super::link::{Layers, LinkType};
use crate::cbpf::{Insn, MEM_WORDS};
use alloc::vec::Vec;
use value::Number;

/// An expression as tests.
pub(super) struct Generated {
    pub formula: Formula,
    pub root: TestId,
    /// Whether there are jumps inside blocks, of which the optimiser knows nothing.
    pub jumps: bool,
}

/// The words of scratch memory. Free ones are handed out in turn, so that programs resemble
/// libpcap's.
#[derive(Default)]
struct Scratch {
    used: [bool; MEM_WORDS as usize],
    next: u32,
}

struct Generator<'a> {
    options: &'a Options<'a>,
    layers: Layers,
    scratch: Scratch,
    formula: Formula,
    jumps: bool,
    /// Two words of scratch memory that are zero at the start, for the offsets that a VLAN tag beside
    /// the packet makes vary.
    varying: Option<[u32; 2]>,
    /// The words being translated.
    span: Span,
    /// Where the qualifiers before them start.
    lead: usize,
}

/// What a node has become.
enum Meaning {
    Test(TestId),
    Number(Number),
}

/// The tests that `nodes`, of which there is one at least, stand for.
pub(super) fn generate(nodes: &[Node<'_>], options: &Options<'_>) -> Result<Generated, Error> {
    let mut generator = Generator {
        options,
        layers: Layers::new(options.link),
        scratch: Scratch::default(),
        formula: Formula::default(),
        jumps: false,
        varying: None,
        span: Span::default(),
        lead: 0,
    };
    let is_vlan = |node: &Node<'_>| matches!(node.kind, NodeKind::Primitive(Primitive::Vlan(_)));
    if options.vlan_beside && nodes.iter().any(is_vlan) {
        // Nothing else may have been in them.
        generator.varying = Some([generator.allocate()?, generator.allocate()?]);
    }
    let mut meanings = Meanings(Vec::with_capacity(nodes.len()));
    for node in nodes {
        generator.span = node.span;
        generator.lead = node.lead;
        let meaning = generator.node(node, &mut meanings)?;
        meanings.0.push(Some(meaning));
    }
    let root = meanings.test(nodes.len().saturating_sub(1));
    let Generator { mut formula, jumps, varying, .. } = generator;
    if let Some([one, other]) = varying {
        let zero = [Insn::LoadImm(0), Insn::Store(one), Insn::Store(other)];
        formula.prepend(root, zero.map(|insn| Stmt { insn, span: Span::default() }));
    }
    Ok(Generated { formula, root, jumps })
}

/// What the nodes so far have become. Each is used once, by its parent.
struct Meanings(Vec<Option<Meaning>>);

impl Meanings {
    fn test(&mut self, id: usize) -> TestId {
        match self.0.get_mut(id).and_then(Option::take) {
            Some(Meaning::Test(test)) => test,
            _ => unreachable!("the parser makes a test the operand here"),
        }
    }

    fn number(&mut self, id: usize) -> Number {
        match self.0.get_mut(id).and_then(Option::take) {
            Some(Meaning::Number(number)) => number,
            _ => unreachable!("the parser makes a value the operand here"),
        }
    }
}

impl Generator<'_> {
    fn node(&mut self, node: &Node<'_>, meanings: &mut Meanings) -> Result<Meaning, Error> {
        Ok(match node.kind {
            NodeKind::And(left, right) => {
                let (left, right) = (meanings.test(left), meanings.test(right));
                Meaning::Test(self.formula.and(left, right))
            }
            NodeKind::Or(left, right) => {
                let (left, right) = (meanings.test(left), meanings.test(right));
                Meaning::Test(self.formula.or(left, right))
            }
            NodeKind::Not(of) => Meaning::Test(self.formula.not(meanings.test(of))),
            NodeKind::Primitive(primitive) => Meaning::Test(self.primitive(primitive)?),
            NodeKind::Relation { cond, negated, left, right } => {
                let (left, right) = (meanings.number(left), meanings.number(right));
                Meaning::Test(self.relation(cond, negated, left, right))
            }
            NodeKind::Constant(value) => Meaning::Number(self.constant(value)?),
            NodeKind::Length => Meaning::Number(self.length()?),
            NodeKind::Load { proto, index, size } => {
                Meaning::Number(self.load_value(proto, meanings.number(index), size)?)
            }
            NodeKind::Negative(of) => Meaning::Number(self.negative(meanings.number(of))),
            NodeKind::Arithmetic { op, left, right } => {
                let (left, right) = (meanings.number(left), meanings.number(right));
                Meaning::Number(self.arithmetic(op, left, right)?)
            }
        })
    }

    const fn stmt(&self, insn: Insn) -> Stmt {
        Stmt { insn, span: self.span }
    }

    fn fail<T>(&self, kind: ErrorKind) -> Result<T, Error> {
        let start = if kind.is_of_qualifiers() { self.lead } else { self.span.start };
        Err(Error::new(Span::new(start, self.span.end), kind))
    }

    /// Refuses a primitive that the innermost link type does not have.
    fn no_link<T>(&self, what: &'static str) -> Result<T, Error> {
        self.fail(ErrorKind::Link { what, link: self.layers.link })
    }

    /// A free word of scratch memory.
    fn allocate(&mut self) -> Result<u32, Error> {
        for _ in 0..MEM_WORDS {
            let word = self.scratch.next;
            let used = &mut self.scratch.used[word as usize];
            if !*used {
                *used = true;
                return Ok(word);
            }
            self.scratch.next = (word + 1) % MEM_WORDS;
        }
        self.fail(ErrorKind::Registers)
    }

    fn release(&mut self, word: u32) {
        self.scratch.used[word as usize] = false;
    }

    const fn is_ethernet(&self) -> bool {
        matches!(self.layers.link, LinkType::Ethernet)
    }
}
