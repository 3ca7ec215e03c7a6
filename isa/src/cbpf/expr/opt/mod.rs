//! The optimiser: that of the BPF paper (McCanne and Jacobson, 1993) and of libpcap, whose programs
//! it matches.
//!
//! A pass computes, for every block, which values its registers hold (by number: what is computed
//! alike has the same number), then which branches are decided by those before them, and leads edges
//! past such branches. Passes repeat until nothing changes: first for the edges alone, then, with
//! instructions rewritten and dropped as well, once more. At the end equal blocks become one.
//!
//! The graph has no loops. Removing or reordering a test can make a difference for a packet that ends
//! before the bytes it loads; libpcap accepts that, and so the order of steps here is libpcap's too.

mod branch;
mod flow;
mod merge;
mod peephole;
mod stmt;
mod values;

use super::error::Error;
use super::graph::{BlockId, End, Graph};
use flow::{Flow, Live};
use values::{Number, State, Values};

/// The words of scratch memory, then `A` and `X`.
const ATOMS: usize = 18;
const A: usize = 16;
const X: usize = 17;

/// Passes that only move edges, after which they are taken to move them in a circle.
const IDLE_PASSES: u32 = 100;
/// Passes in all, as a guard. A chain of 400 hosts takes three dozen.
const PASSES: u32 = 1000;

/// What a pass has done.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    /// Anything at all.
    changed: bool,
    /// Something other than leading an edge elsewhere.
    rewritten: bool,
}

impl Progress {
    fn rewrite(&mut self) {
        self.changed = true;
        self.rewritten = true;
    }
}

/// What a pass knows about a block at its end.
#[derive(Clone, Copy, Default)]
struct Known {
    state: State,
    /// The number of what the branch compares `A` with.
    operand: Number,
}

struct Optimizer<'a> {
    graph: &'a mut Graph,
    progress: Progress,
    values: Values,
    flow: Flow,
    live: Live,
    known: alloc::vec::Vec<Known>,
}

/// Optimises. An error is arithmetic on constants that has no result.
pub(super) fn optimize(graph: &mut Graph) -> Result<(), Error> {
    let mut optimizer = Optimizer {
        progress: Progress::default(),
        values: Values::default(),
        flow: Flow::default(),
        live: Live::default(),
        known: alloc::vec::Vec::new(),
        graph,
    };
    optimizer.repeat(false)?;
    optimizer.repeat(true)?;
    merge::merge(optimizer.graph);
    optimizer.root();
    Ok(())
}

impl Optimizer<'_> {
    fn repeat(&mut self, rewrite: bool) -> Result<(), Error> {
        let mut idle = 0;
        for _ in 0..PASSES {
            self.progress = Progress::default();
            self.pass(rewrite)?;
            match self.progress {
                Progress { changed: false, .. } => break,
                Progress { rewritten: true, .. } => idle = 0,
                _ => idle += 1,
            }
            if idle == IDLE_PASSES {
                break;
            }
        }
        Ok(())
    }

    fn pass(&mut self, rewrite: bool) -> Result<(), Error> {
        self.flow = Flow::new(self.graph);
        self.live = Live::new(self.graph, &self.flow);
        self.values = Values::default();
        self.known.clear();
        self.known.resize(self.graph.blocks.len(), Known::default());
        self.flow.find_edges(self.graph);
        for index in 0..self.flow.down.len() {
            let block = self.flow.down[index];
            self.block(block, rewrite)?;
        }
        // Once instructions are rewritten, no edge moves any more.
        if !rewrite {
            self.move_edges();
        }
        Ok(())
    }

    /// Evaluates a block, and simplifies it.
    fn block(&mut self, id: BlockId, rewrite: bool) -> Result<(), Error> {
        let before = self.entry(id);
        let mut state = before;
        let mut stmts = core::mem::take(&mut self.graph.blocks[id].stmts);
        for stmt in stmts.iter_mut().filter(|stmt| !stmt.dead) {
            self.evaluate(stmt, &mut state, rewrite)?;
        }
        let block = &mut self.graph.blocks[id];
        block.stmts = stmts;
        let unchanged = |atom: usize| before.0[atom].is_known() && before.0[atom] == state.0[atom];
        if rewrite && (block.is_leaf() || self.live.after[id] == 0 && unchanged(A) && unchanged(X)) {
            // Nobody needs what the block computes: its branch finds everything in place.
            if !block.stmts.is_empty() {
                block.stmts.clear();
                self.progress.rewrite();
            }
        } else {
            self.peephole(id, &state);
            self.drop_dead(id);
        }
        let operand = match self.graph.blocks[id].end {
            End::Branch(condition) => self.values.operand(condition.with, &state),
            End::Return(_) => Number::UNKNOWN,
        };
        self.known[id] = Known { state, operand };
        Ok(())
    }

    /// The values at the start of a block: those that all edges to it agree on.
    fn entry(&self, id: BlockId) -> State {
        let mut edges = self.flow.edges[id].iter().map(|edge| self.known[edge.from].state);
        let Some(mut state) = edges.next() else { return State::default() };
        for other in edges {
            for (value, other) in state.0.iter_mut().zip(other.0) {
                if *value != other {
                    *value = Number::UNKNOWN;
                }
            }
        }
        state
    }

    /// Skips branches at the start whose two ways are one.
    fn root(&mut self) {
        let blocks = &mut self.graph.blocks;
        let mut root = self.graph.root;
        let mut stmts = core::mem::take(&mut blocks[root].stmts);
        while !blocks[root].is_leaf() && blocks[root].to[0] == blocks[root].to[1] {
            root = blocks[root].to[0];
        }
        stmts.append(&mut blocks[root].stmts);
        if !blocks[root].is_leaf() {
            blocks[root].stmts = stmts;
        }
        self.graph.root = root;
    }
}
