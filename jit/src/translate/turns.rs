//! Where control goes from block to block, and what it pays on the way.
//!
//! A loop with one jump back pays where each turn begins, and gets one turn when it is entered, so that
//! the turns that come after jumps back are what it pays for; with several jumps back each pays on its
//! edge. Loops that [`loops`](crate::loops) can count pay when they are
//! left, for all turns at once; before they are entered it is worked out how far their register may come
//! with the fuel there is. Turns whose number is [`fixed`](crate::fixed) are paid for like what stands
//! behind them.

use super::Translator;
use crate::abi::{Context, Service};
use crate::bulk::{self, Bulk};
use crate::fixed;
use crate::loops::{self, Bound, Counted, Retreat, Step};
use crate::program::{Fuel, Mode, Op, OptLevel, Src};
use crate::slots::Place;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, InstBuilder, Value};
use cranelift_frontend::Variable;
use oxbpf_isa::insn::Width;

pub(super) const FUEL: usize = std::mem::offset_of!(Context, fuel);

/// A counted loop being translated.
pub(super) struct Turning {
    pub counted: Counted,
    /// What of it can be done in chunks.
    bulk: Option<Bulk>,
    /// The block that all ways into the loop go through.
    entry: Block,
    /// What the register was when the loop was entered, or its fuel last looked at.
    base: Variable,
    /// What the register is compared to.
    bound: Variable,
}

/// A block that pays for a turn where it begins.
pub(super) struct Paying {
    /// By index in the function.
    head: usize,
    /// The operation that jumps back, and what a turn costs.
    latch: u32,
    cost: i64,
}

/// An edge that is still empty.
pub(super) enum Edge {
    /// A jump backwards to an operation.
    Back(u32),
    /// Into a loop that pays where its turns begin, or keeps regions.
    In(u32),
    /// Out of a counted loop, to an operation.
    Out(usize, u32),
}

impl Translator<'_, '_> {
    /// Finds the loops of the function that is made which can be counted.
    pub(super) fn find_turns(&mut self) {
        self.find_retreats();
        let (ops, func) = (self.unit.ops, self.frame.func);
        let retreats = std::mem::take(&mut self.retreats);
        let full = self.unit.opt == OptLevel::Full;
        let mut counted: Vec<(Counted, Option<Bulk>)> = Vec::new();
        if full {
            let places: Vec<Place> = self.frame.slots.keys().copied().collect();
            // Where accesses are held, registers are scarce; one that pays needs fewer than a counted loop.
            let places = Some(&places[..]).filter(|_| self.unit.mode == Mode::Proven);
            let found = loops::counted(ops, func, &retreats, &|at| self.costs.is_inlined(at), places);
            counted.extend(found.into_iter().map(|c| (bulk::look(ops, func, &c), c)).map(|(b, c)| (c, b)));
        }
        if self.fuel.is_some() {
            let (inlined, cost) = (|at| self.costs.is_inlined(at), |from, to| self.costs.between(from, to));
            let mut fixed = fixed::fixed(ops, func, &retreats, &inlined, &cost);
            // What is done in chunks makes fewer turns.
            fixed.retain(|f| !counted.iter().any(|(c, bulk)| c.latch == f.latch && bulk.is_some()));
            counted.retain(|(c, _)| !fixed.iter().any(|f| c.latch == f.latch));
            fixed.iter().for_each(|f| self.costs.repeat(f));
        }
        for (counted, bulk) in counted {
            if self.fuel.is_none() && bulk.is_none() {
                continue;
            }
            // Where nothing looks at the register on the way, it must not come round before the end; and one
            // that changes by a register would have to be divided for each entry.
            let divides = matches!(counted.step, Step::Reg(_));
            if !self.limits() && bulk.is_none() && (counted.comes_round() || divides) {
                continue;
            }
            // A loop inside another is entered often and may be left soon; working out how far it may go
            // pays only if nothing is to be looked at on the way.
            if self.limits() && counted.nested && counted.bound.is_none() {
                continue;
            }
            let entry = self.b.create_block();
            let (base, bound) = (self.b.declare_var(I64), self.b.declare_var(I64));
            self.turns.push(Turning { counted, bulk, entry, base, bound });
        }
        for &Retreat { from, to } in &retreats {
            let Some(head) = func.block_at(to) else { continue };
            let alone = retreats.iter().filter(|r| r.to == to).count() == 1;
            let elsewhere = self.costs.is_fixed(from) || self.turns.iter().any(|t| t.counted.head == head);
            if full && self.fuel.is_some() && alone && to <= from && !elsewhere {
                let cost = self.costs.between(to, from + 1).max(1);
                self.paying.push(Paying { head, latch: from, cost });
            }
        }
        self.retreats = retreats;
    }

    /// Finds the ways back of the function that is made.
    fn find_retreats(&mut self) {
        self.retreats = loops::retreats(self.unit.ops, self.frame.func);
    }

    /// Pays for a turn, where a block that begins one begins.
    pub(super) fn begin_turn(&mut self, block: usize) {
        let Some(var) = self.fuel.filter(|_| self.frame.caller.is_none()) else { return };
        let Some(&Paying { latch, cost, .. }) = self.paying.iter().find(|p| p.head == block) else { return };
        let fuel = self.b.use_var(var);
        let left = self.b.ins().iadd_imm_s(fuel, -cost);
        self.b.def_var(var, left);
        if !self.limits() {
            return;
        }
        let spent = self.b.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, left, 0);
        let (go_on, empty) = (self.b.create_block(), self.cold_block());
        self.b.ins().brif(spent, empty, &[], go_on, &[]);
        self.enter(empty);
        let at = std::mem::replace(&mut self.at, latch);
        self.refuel();
        self.at = at;
        self.b.ins().jump(go_on, &[]);
        self.enter(go_on);
    }

    /// What a turn of the loop that begins at an operation pays there, if it does.
    fn paid_at(&self, to: u32) -> Option<i64> {
        let block = self.frame.func.block_at(to)?;
        self.paying.iter().find(|p| p.head == block).map(|p| p.cost)
    }

    /// Goes to an operation with so much fuel less, on the way into a loop perhaps.
    fn go_in(&mut self, to: u32, cost: i64) {
        // What is counted takes them at its entry.
        if self.keeps_from(to) && !self.is_counted_from(to) {
            self.keep_regions(to, None);
        }
        self.go_paying(to, cost);
    }

    fn go_paying(&mut self, to: u32, cost: i64) {
        let more = self.paid_at(to).unwrap_or(0) - cost;
        if let Some(var) = self.fuel
            && more != 0
        {
            let fuel = self.b.use_var(var);
            let fuel = self.b.ins().iadd_imm_s(fuel, more);
            self.b.def_var(var, fuel);
        }
        let target = self.way_in(to);
        self.b.ins().jump(target, &[]);
    }

    /// Whether the code stops when its fuel is used up.
    fn limits(&self) -> bool {
        self.unit.fuel == Fuel::Limit
    }

    /// Whether a counted loop begins with a block: the way into it is made last.
    pub(super) fn is_counted_head(&self, block: usize) -> bool {
        self.frame.caller.is_none() && self.turns.iter().any(|t| t.counted.head == block)
    }

    fn is_counted_from(&self, to: u32) -> bool {
        self.frame.func.block_at(to).is_some_and(|block| self.is_counted_head(block))
    }

    /// The counted loop that the current block is part of.
    fn turning(&self) -> Option<usize> {
        let here = self.here?;
        self.turns.iter().position(|t| t.counted.has(here))
    }

    /// The block to jump to for an operation, on the way in.
    fn way_in(&self, to: u32) -> Block {
        let block = self.frame.func.block_at(to);
        let inside = self.turning();
        let entered = self.turns.iter().position(|t| Some(t.counted.head) == block);
        match entered.filter(|_| self.frame.caller.is_none()) {
            Some(turn) if inside != Some(turn) => self.turns[turn].entry,
            _ => self.block_of(to),
        }
    }

    /// Goes to where the function that is made begins.
    pub(super) fn begin(&mut self) {
        self.go_in(self.frame.func.entry, 0);
    }

    /// The block to jump to for an operation: itself, or one that does what is due on the way, which has
    /// to be filled once the jump is there.
    pub(super) fn way(&mut self, to: u32) -> Block {
        if self.frame.caller.is_some() {
            return self.way_in(to);
        }
        let retreats = self.retreats(to);
        if self.fuel.is_none() {
            if retreats || !self.keeps_from(to) || self.is_counted_from(to) {
                return self.way_in(to);
            }
            let block = self.b.create_block();
            self.edges.push((block, Edge::In(to)));
            return block;
        }
        let head = self.frame.func.block_at(to);
        let counted = self.turns.iter().any(|t| Some(t.counted.head) == head);
        let edge = match self.turning() {
            // What turns cost is paid elsewhere.
            _ if retreats && (counted || self.paid_at(to).is_some() || self.costs.is_fixed(self.at)) => {
                return self.block_of(to);
            }
            _ if retreats || to <= self.at => Edge::Back(to),
            Some(turn) if !self.frame.func.block_at(to).is_some_and(|b| self.turns[turn].counted.has(b)) => {
                Edge::Out(turn, to)
            }
            _ if self.paid_at(to).is_some() || self.keeps_from(to) => Edge::In(to),
            _ => return self.way_in(to),
        };
        let block = self.b.create_block();
        self.edges.push((block, edge));
        block
    }

    /// Fills the edges that jumps need.
    pub(super) fn fill_ways(&mut self) {
        while let Some((block, edge)) = self.edges.pop() {
            self.enter(block);
            match edge {
                Edge::Back(to) => self.fill_back(to),
                Edge::In(to) => self.go_in(to, 0),
                Edge::Out(turn, to) => self.fill_out(turn, to),
            }
        }
    }

    /// Whether going from here to an operation is a way back.
    fn retreats(&self, to: u32) -> bool {
        self.retreats.contains(&Retreat { from: self.at, to })
    }

    fn fill_back(&mut self, to: u32) {
        let Some(var) = self.fuel else { return };
        let cost = if to <= self.at { self.costs.between(to, self.at + 1) } else { 0 };
        if !self.retreats(to) {
            return self.go_in(to, cost);
        }
        if !self.limits() {
            return self.go_paying(to, cost);
        }
        let target = self.way_in(to);
        let fuel = self.b.use_var(var);
        let left = self.b.ins().iadd_imm_s(fuel, -cost);
        self.b.def_var(var, left);
        let enough = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, left, 0);
        let empty = self.cold_block();
        self.b.ins().brif(enough, target, &[], empty, &[]);
        self.enter(empty);
        self.refuel();
        self.b.ins().jump(target, &[]);
    }

    /// Asks the host for more fuel, in a cold block.
    fn refuel(&mut self) {
        self.fuel_out();
        let status = self.call_rarely(Service::refuel, &[]);
        self.trap_if_cold(status);
        self.fuel_in();
    }

    /// The counted register of a loop, widened with zeros when it is counted at 32 bits.
    fn counter(&mut self, turn: usize) -> Value {
        let Counted { reg, width, .. } = self.turns[turn].counted;
        match width {
            Width::W64 => self.get(reg),
            Width::W32 => {
                let low = self.low(reg);
                self.b.ins().uextend(I64, low)
            }
        }
    }

    /// A number as the counted register would hold it.
    fn as_counter(&mut self, turn: usize, value: Value) -> Value {
        match self.turns[turn].counted.width {
            Width::W64 => value,
            Width::W32 => self.b.ins().band_imm_u(value, i64::from(u32::MAX)),
        }
    }

    /// What the program compares the counted register to.
    fn end(&mut self, turn: usize, src: Src) -> Value {
        match (self.turns[turn].counted.width, src) {
            (Width::W64, _) => self.src64(src),
            (Width::W32, Src::Imm(imm)) => self.b.ins().iconst(I64, i64::from(imm as u32)),
            (Width::W32, Src::Reg(_)) => {
                let low = self.src32(src);
                self.b.ins().uextend(I64, low)
            }
        }
    }

    /// How often the loop has jumped back since it was entered, from how far the register has come.
    fn turns_of(&mut self, turn: usize, value: Value) -> Value {
        let (step, base) = (self.turns[turn].counted.step, self.turns[turn].base);
        let base = self.b.use_var(base);
        let way = match step {
            Step::By(..0) => self.b.ins().isub(base, value),
            _ => self.b.ins().isub(value, base),
        };
        let way = self.as_counter(turn, way);
        match step {
            Step::By(step) => match step.unsigned_abs().trailing_zeros() {
                0 => way,
                shift => self.b.ins().ushr_imm_u(way, i64::from(shift)),
            },
            Step::Reg(by) => {
                // A loop that does not come on counts as one turn each time it is looked at.
                let by = self.get(by);
                let stands = self.b.ins().icmp_imm_s(IntCC::Equal, by, 0);
                let stands = self.b.ins().uextend(I64, stands);
                let by = self.b.ins().bor(by, stands);
                let turns = self.b.ins().udiv(way, by);
                self.b.ins().iadd(turns, stands)
            }
        }
    }

    /// Pays for so many turns, and more besides.
    fn pay_turns(&mut self, turn: usize, turns: Value, more: i64) {
        let Some(var) = self.fuel else { return };
        let each = self.turn_cost(turn);
        let fuel = self.b.use_var(var);
        let spent = self.b.ins().imul_imm_s(turns, each);
        let left = self.b.ins().isub(fuel, spent);
        let left = if more == 0 { left } else { self.b.ins().iadd_imm_s(left, -more) };
        self.b.def_var(var, left);
    }

    fn span_of(&self, turn: usize) -> (u32, u32) {
        let counted = &self.turns[turn].counted;
        (self.frame.func.blocks[counted.head].start, counted.latch + 1)
    }

    /// What a turn costs.
    fn turn_cost(&self, turn: usize) -> i64 {
        let (from, to) = self.span_of(turn);
        self.costs.between(from, to).max(1)
    }

    fn fill_out(&mut self, turn: usize, to: u32) {
        // The turn in which the loop is left does not count.
        let after = self.here.is_some_and(|block| self.turns[turn].counted.is_after(block));
        let this = if after { self.turn_cost(turn) } else { 0 };
        let value = self.counter(turn);
        let turns = self.turns_of(turn, value);
        let (from, end) = self.span_of(turn);
        self.pay_turns(turn, turns, self.costs.of_calls(from, end) - this);
        self.go_in(to, 0);
    }

    /// The jump back of a counted loop, if this is one.
    pub(super) fn turn(&mut self, to: u32) -> bool {
        if !self.limits() || self.fuel.is_none() {
            return false;
        }
        let at = self.at;
        let found = self.turns.iter().position(|t| t.counted.test == at);
        let Some(turn) = found.filter(|_| self.frame.caller.is_none()) else { return false };
        let counted = &self.turns[turn].counted;
        let bound_to = counted.bound;
        let bound = self.turns[turn].bound;
        // Where control goes when the loop ends.
        let out = if counted.test == counted.latch { at + 1 } else { to };
        let latch = counted.latch;
        let head = self.frame.blocks[counted.head];
        let slow = self.cold_block();
        let op = self.unit.ops[at as usize];
        match (bound_to, op) {
            (Some((kind, src)), _) => {
                let value = self.counter(turn);
                let bound = self.b.use_var(bound);
                let cc = kind.condition();
                let goes_on = self.b.ins().icmp(cc, value, bound);
                let stops = self.b.create_block();
                self.b.ins().brif(goes_on, head, &[], stops, &[]);
                self.enter(stops);
                let end = self.end(turn, src);
                let goes_on = self.b.ins().icmp(cc, value, end);
                let next = self.way(out);
                self.b.ins().brif(goes_on, slow, &[], next, &[]);
            }
            (None, Op::Jump { cond, width, dst, src, .. }) => {
                // What is in the loop comes second: the code generator forgets the loop where it comes to
                // its end, and leaves in it what could be done before.
                let ends = self.fails(cond, width, dst, src);
                let (next, back) = (self.way(at + 1), self.b.create_block());
                self.b.ins().brif(ends, next, &[], back, &[]);
                self.enter(back);
                self.turn_back(turn, head, slow);
            }
            (None, _) => self.turn_back(turn, head, slow),
        }
        self.enter(slow);
        let value = self.counter(turn);
        let turns = self.turns_of(turn, value);
        self.pay_turns(turn, turns, 0);
        let Some(var) = self.fuel else { return true };
        let left = self.b.use_var(var);
        let enough = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, left, 0);
        let (entry, empty) = (self.turns[turn].entry, self.cold_block());
        self.b.ins().brif(enough, entry, &[], empty, &[]);
        self.enter(empty);
        self.at = latch;
        self.refuel();
        self.at = at;
        self.b.ins().jump(entry, &[]);
        true
    }

    /// Goes on unless the register has come as far as the fuel lets it.
    fn turn_back(&mut self, turn: usize, head: Block, slow: Block) {
        let value = self.counter(turn);
        let bound = self.b.use_var(self.turns[turn].bound);
        let goes_on = self.b.ins().icmp(IntCC::NotEqual, value, bound);
        self.b.ins().brif(goes_on, head, &[], slow, &[]);
    }

    /// Fills the entries of counted loops: how far may the register come?
    pub(super) fn fill_turns(&mut self) {
        for turn in 0..self.turns.len() {
            let Turning { counted, entry, base, bound, bulk } = &self.turns[turn];
            let (entry, base, bound, bulk) = (*entry, *base, *bound, *bulk);
            let (reg, head, end) = (counted.reg, counted.head, counted.bound);
            self.enter(entry);
            let value = self.counter(turn);
            let limit = match (self.fuel, end) {
                (Some(var), Some(_)) if self.limits() => self.limit_or_end(turn, var, value, bound),
                (Some(var), None) if self.limits() => self.limit(turn, var, value),
                (_, Some((_, end))) => self.end(turn, end),
                (_, None) => value,
            };
            self.b.def_var(base, value);
            self.b.def_var(bound, limit);
            let start = self.span_of(turn).0;
            let head = self.frame.blocks[head];
            let keeps = self.keeps_from(start);
            let into = if keeps { self.b.create_block() } else { head };
            match bulk {
                Some(bulk) => {
                    // What stands above 32 bits counts for the first address.
                    let value = self.get(reg);
                    self.in_bulk(&bulk, reg, value, limit, into);
                }
                None => {
                    self.b.ins().jump(into, &[]);
                }
            }
            if keeps {
                self.enter(into);
                self.keep_regions(start, None);
                self.b.ins().jump(head, &[]);
            }
        }
    }

    /// The end that the program says, where the fuel is easily seen to last until then: processors guess that,
    /// and begin with the loop. Else what [`limit`](Self::limit) works out.
    fn limit_or_end(&mut self, turn: usize, fuel: Variable, value: Value, bound: Variable) -> Value {
        let each = self.turn_cost(turn).unsigned_abs();
        let counted = &self.turns[turn].counted;
        let (step, width) = (counted.step, counted.width);
        let Some((kind, src)) = counted.bound else { return value };
        let (slow, go) = (self.cold_block(), self.b.create_block());
        let end = self.end(turn, src);
        self.b.def_var(bound, end);
        let way = match step {
            Step::By(..0) => self.b.ins().isub(value, end),
            _ => self.b.ins().isub(end, value),
        };
        // Nothing left means all numbers, where the register has to meet the end.
        let way = if kind == Bound::Different { self.b.ins().iadd_imm_s(way, -1) } else { way };
        let way = self.as_counter(turn, way);
        // Powers of two for what turns cost, and no step is shorter than one.
        let cost = each.next_power_of_two().trailing_zeros();
        let by = match step {
            Step::By(step) => step.unsigned_abs().trailing_zeros(),
            Step::Reg(_) => 0,
        };
        let left = self.b.use_var(fuel);
        let zero = self.b.ins().iconst(I64, 0);
        let left = self.b.ins().smax(left, zero);
        let most = self.b.ins().ushr_imm_u(left, i64::from(cost.saturating_sub(by)));
        let mut holds = vec![self.b.ins().icmp(IntCC::UnsignedLessThan, way, most)];
        if kind == Bound::Less {
            // What is less than the end is not more than the highest number after another step.
            let highest = if width == Width::W64 { u64::MAX } else { u32::MAX.into() };
            match step {
                Step::By(step) => {
                    let last = self.b.ins().iconst(I64, highest.wrapping_sub(step as u64) as i64);
                    holds.push(self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, end, last));
                }
                Step::Reg(by) => {
                    let by = self.get(by);
                    let one_less = self.b.ins().iadd_imm_s(by, -1);
                    holds.push(self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, one_less, 1 << 30));
                    holds.push(self.b.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, end, 0));
                }
            }
        }
        for hold in holds {
            let next = self.b.create_block();
            self.b.ins().brif(hold, next, &[], slow, &[]);
            self.enter(next);
        }
        self.b.ins().jump(go, &[]);
        self.enter(slow);
        let limit = self.limit(turn, fuel, value);
        self.b.def_var(bound, limit);
        self.b.ins().jump(go, &[]);
        self.enter(go);
        self.b.use_var(bound)
    }

    /// What the register of a loop is compared to, when the loop begins with this value of it: the end
    /// that the program says, or where the fuel is used up.
    fn limit(&mut self, turn: usize, fuel: Variable, value: Value) -> Value {
        let each = self.turn_cost(turn);
        let counted = &self.turns[turn].counted;
        let (step, bound_to, width) = (counted.step, counted.bound, counted.width);
        // The turn in which the fuel is used up: the first at least.
        let fuel = self.b.use_var(fuel);
        let spare = self.b.ins().iadd_imm_s(fuel, -1);
        let zero = self.b.ins().iconst(I64, 0);
        let spare = self.b.ins().smax(spare, zero);
        let before = self.b.ins().udiv_imm_u(spare, each);
        // The register is looked at before it has come round: it would tell too few turns then.
        let before = match step {
            Step::By(step) => {
                let numbers = if width == Width::W64 { u64::MAX } else { u32::MAX.into() };
                let most = (numbers >> step.unsigned_abs().trailing_zeros()) - 1;
                let most = self.b.ins().iconst(I64, most as i64);
                let far = self.b.ins().icmp(IntCC::UnsignedGreaterThan, before, most);
                self.choose_here(far, most, before)
            }
            Step::Reg(_) => before,
        };
        let limit = match step {
            Step::By(step) => {
                let way = match step.unsigned_abs().trailing_zeros() {
                    0 => before,
                    shift => self.b.ins().ishl_imm_u(before, i64::from(shift)),
                };
                let limit = match step > 0 {
                    true => self.b.ins().iadd(value, way),
                    false => self.b.ins().isub(value, way),
                };
                self.b.ins().iadd_imm_s(limit, step)
            }
            Step::Reg(by) => {
                // With large steps every turn is looked at; fuel comes in slices that are far smaller.
                let by = self.get(by);
                let large = self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, by, 1 << 40);
                let by = self.b.ins().select(large, zero, by);
                let turns = self.b.ins().iadd_imm_s(before, 1);
                let way = self.b.ins().imul(turns, by);
                self.b.ins().iadd(value, way)
            }
        };
        match bound_to {
            None => self.as_counter(turn, limit),
            Some((Bound::Less, src)) => {
                let end = self.end(turn, src);
                let first = self.b.ins().umin(end, limit);
                // Past the highest number nothing is less; so every turn is looked at.
                let wraps = match width {
                    Width::W64 => self.b.ins().icmp(IntCC::UnsignedLessThan, limit, value),
                    Width::W32 => {
                        let most = i64::from(u32::MAX);
                        self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, limit, most)
                    }
                };
                self.choose_here(wraps, zero, first)
            }
            Some((Bound::Different, src)) => {
                let end = self.end(turn, src);
                let left = match step {
                    Step::By(..0) => self.b.ins().isub(value, end),
                    _ => self.b.ins().isub(end, value),
                };
                // Nothing left means all numbers.
                let last = self.b.ins().iadd_imm_s(left, -1);
                let last = self.as_counter(turn, last);
                let sooner = self.b.ins().icmp(IntCC::UnsignedLessThan, before, last);
                let limit = self.as_counter(turn, limit);
                self.choose_here(sooner, limit, end)
            }
        }
    }

    /// One of two values, chosen where this stands: the code generator would do it where the choice is
    /// looked at, in every turn.
    fn choose_here(&mut self, cond: Value, yes: Value, no: Value) -> Value {
        self.b.ins().select_spectre_guard(cond, yes, no)
    }

    /// Takes what is left of the fuel from the context.
    pub(super) fn fuel_in(&mut self) {
        if let Some(var) = self.fuel {
            let fuel = self.load_context(FUEL as i32);
            self.b.def_var(var, fuel);
        }
    }

    /// Puts what is left of the fuel into the context.
    pub(super) fn fuel_out(&mut self) {
        if let Some(var) = self.fuel {
            let fuel = self.b.use_var(var);
            self.store_context(FUEL, fuel);
        }
    }

    /// Pays for everything from the function's beginning to here.
    pub(super) fn pay_for_leaving(&mut self) {
        if let Some(left) = self.fuel_after_leaving() {
            self.store_context(FUEL, left);
        }
    }

    /// What is left of the fuel once everything from the function's beginning to here is paid for, where it
    /// is counted.
    pub(super) fn fuel_after_leaving(&mut self) -> Option<Value> {
        let (fuel, cost) = self.cost_of_leaving()?;
        Some(self.b.ins().iadd_imm_s(fuel, -cost))
    }

    /// The fuel, and what is to be paid for everything from the function's beginning to here, where that is
    /// counted.
    pub(super) fn cost_of_leaving(&mut self) -> Option<(Value, i64)> {
        if self.unit.fuel == Fuel::Off {
            return None;
        }
        let cost = self.costs.between(self.frame.func.entry, self.at + 1);
        let fuel = match self.fuel {
            Some(var) => self.b.use_var(var),
            None => self.load_context(FUEL as i32),
        };
        Some((fuel, cost))
    }

    /// Takes back what was paid for leaving, when the function is not left.
    pub(super) fn fuel_of_staying(&mut self) {
        if self.unit.fuel == Fuel::Off {
            return;
        }
        let cost = self.costs.between(self.frame.func.entry, self.at + 1);
        let left = self.load_context(FUEL as i32);
        let fuel = self.b.ins().iadd_imm_s(left, cost);
        match self.fuel {
            Some(var) => self.b.def_var(var, fuel),
            None => self.store_context(FUEL, fuel),
        }
    }
}

impl Bound {
    fn condition(self) -> IntCC {
        match self {
            Bound::Less => IntCC::UnsignedLessThan,
            Bound::Different => IntCC::NotEqual,
        }
    }
}
