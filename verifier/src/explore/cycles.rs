//! Loops: visits of a cycle of the control flow graph along one chain of calls.
//!
//! Rules: `compute_scc_callchain`, `maybe_enter_scc`, `maybe_exit_scc`, `add_scc_backedge` and
//! `propagate_backedges` of Linux 6.18. A path that ends in a state of an unfinished loop may end
//! only under a promise: whatever turns out to have mattered in that state will be marked on this
//! path too. The promises are kept until the loop is left, and then honoured until nothing changes.

use super::{Judged, Walker};
use crate::state::{State, StateId};
use alloc::vec::Vec;
use hashbrown::HashMap;

/// How often promises are honoured before everything is taken to matter.
const MAX_ROUNDS: usize = 64;

/// A cycle with the calls that led to it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Chain {
    pub callsites: Vec<u32>,
    pub scc: u32,
}

#[derive(Debug, Default)]
struct Visit {
    entry: Option<StateId>,
    backedges: Vec<State>,
}

#[derive(Debug, Default)]
pub(super) struct Cycles {
    visits: HashMap<Chain, Visit>,
}

impl Walker<'_> {
    fn chain(&self, state: &State) -> Option<Chain> {
        let mut callsites = Vec::new();
        for frame in 0..state.frames.len() {
            let insn = state.frame_insn(frame);
            let scc = self.graph.scc[insn as usize];
            if scc != 0 {
                return Some(Chain { callsites, scc });
            }
            callsites.push(insn);
        }
        None
    }

    /// Whether promises are pending for the loop that a kept state is in.
    pub(super) fn is_cycle_unfinished(&self, id: StateId) -> bool {
        // Most programs have no loops that are still open.
        if self.backedge_count == 0 {
            return false;
        }
        let visit = self.chain(self.state(id)).and_then(|c| self.cycles.visits.get(&c));
        visit.is_some_and(|v| !v.backedges.is_empty())
    }

    pub(super) fn enter_cycle(&mut self, id: StateId) {
        let Some(chain) = self.chain(self.state(id)) else { return };
        let visit = self.cycles.visits.entry(chain.clone()).or_default();
        if visit.entry.is_none() {
            visit.entry = Some(id);
            self.log.cycle("enter", &chain);
        }
    }

    pub(super) fn add_backedge(&mut self, id: StateId, end: State) {
        let Some(chain) = self.chain(self.state(id)) else { return };
        self.log.cycle("backedge", &chain);
        let Some(visit) = self.cycles.visits.get_mut(&chain) else { return };
        visit.backedges.push(end);
        if let Some(recorder) = &mut self.recorder {
            recorder.promised();
        }
        self.backedge_count += 1;
        self.update_peak();
    }

    pub(super) fn exit_cycle(&mut self, id: StateId) -> Judged<()> {
        let Some(chain) = self.chain(self.state(id)) else { return Ok(()) };
        let Some(visit) = self.cycles.visits.get_mut(&chain) else { return Ok(()) };
        if visit.entry != Some(id) {
            return Ok(());
        }
        visit.entry = None;
        let mut backedges = core::mem::take(&mut visit.backedges);
        self.log.cycle("exit", &chain);
        self.backedge_count -= backedges.len() as u64;
        self.update_peak();
        // The newest first, as the kernel's list has them.
        backedges.reverse();
        let mut rounds = 0;
        loop {
            rounds += 1;
            if rounds > MAX_ROUNDS + 1 {
                for end in &mut backedges {
                    self.all_precise(end);
                }
                return Ok(());
            }
            let mut changed = false;
            for end in &mut backedges {
                let Some(equal) = end.equal else { continue };
                changed |= self.propagate_precision(equal, end)?;
            }
            if !changed {
                return Ok(());
            }
        }
    }
}
