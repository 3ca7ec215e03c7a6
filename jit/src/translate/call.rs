//! Calls: of the program's own functions, of the host's, through registers, and tail calls.
//!
//! A call changes R0 and nothing else, as in the interpreter. A trap that a callee leaves pending is
//! handed on; one that a function of the host leaves gets its place here.

use super::turns::FUEL;
use super::{Frame, Given, INHERITED, Translator, params, regs};
use crate::abi::{Context, FRAME_STRIDE, FRAMES_AT, Returned, Service, TARGETS, Targets};
use crate::flow::bit;
use crate::program::{Fuel, MapKind, Op};
use crate::signatures::chained_signature;
use crate::stubs::VALUE;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, InstBuilder, MemFlagsData, SourceLoc, Value};
use oxbpf_isa::insn::Reg;
use std::mem::offset_of;

const CALLEE: usize = offset_of!(Context, callee);
const TAIL_CALLS: usize = offset_of!(Context, tail_calls);
const STAMPS: usize = offset_of!(Context, targets) + offset_of!(Targets, stamps);
const CODES: usize = offset_of!(Context, targets) + offset_of!(Targets, codes);

const ARGUMENTS: [Reg; 5] = [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5];

impl Translator<'_, '_> {
    /// Hands over registers that a callee reads before it writes them.
    fn hand_over(&mut self, set: u16) {
        for (index, reg) in INHERITED.into_iter().enumerate() {
            if set & bit(reg) != 0 {
                let value = self.get(reg);
                self.store_context(offset_of!(Context, inherited) + 8 * index, value);
            }
        }
    }

    pub(super) fn call_sub(&mut self, to: u32) {
        // `flow` has found every callee.
        let Some(&index) = self.flow.by_entry.get(&to) else { return };
        let callee = &self.flow.funcs[index];
        let frame = self.b.ins().iadd_imm_s(self.frame.fp, -(FRAME_STRIDE as i64));
        if self.is_inlined(index) {
            return self.put_here(index, frame);
        }
        if self.frame.func.depth.is_none() {
            // Frames lie where this bit is set; below them lies the context.
            let fits = self.b.ins().band_imm_s(frame, FRAMES_AT as i64);
            let (good, bad) = (self.b.create_block(), self.cold_block());
            self.b.ins().brif(fits, good, &[], bad, &[]);
            self.enter(bad);
            let zero = self.b.ins().iconst(I64, 0);
            self.fault(zero);
            self.enter(good);
        }
        self.hand_over(callee.live_in);
        let mut args: Vec<Value> = vec![frame];
        for reg in regs(params(callee)) {
            let value = self.get(reg);
            args.push(value);
        }
        let function = match self.callees[index] {
            Some(function) => function,
            None => {
                let function = (self.import)(&mut self.b, index);
                *self.callees[index].insert(function)
            }
        };
        self.parts.forget();
        self.fuel_out();
        let inst = self.b.ins().call(function, &args);
        let (value, status) = (self.b.inst_results(inst)[0], self.b.inst_results(inst)[1]);
        let (leave, go_on) = (self.leave_block(), self.b.create_block());
        self.b.ins().brif(status, leave, &[], go_on, &[]);
        self.enter(go_on);
        self.fuel_in();
        self.set(Reg::R0, value);
    }

    /// Whether the function called here is put here.
    fn is_inlined(&self, callee: usize) -> bool {
        match self.frame.caller {
            // What is put somewhere comes with all that it calls.
            Some(_) => self.plan.inline.is_small(callee),
            None => self.costs.is_inlined(self.at),
        }
    }

    /// Translates a function where it is called.
    fn put_here(&mut self, index: usize, fp: Value) {
        let callee = &self.flow.funcs[index];
        let given: Vec<(Reg, Value)> = regs(callee.live_in).map(|reg| (reg, self.get(reg))).collect();
        let after = self.b.create_block();
        let value = self.b.append_block_param(after, I64);
        let mut frame = Frame::new(&mut self.b, self.plan, index, fp);
        frame.caller = Some(after);
        let (outer, at) = (std::mem::replace(&mut self.frame, frame), self.at);
        for (reg, value) in given {
            self.set(reg, value);
        }
        let first = self.block_of(callee.entry);
        self.b.ins().jump(first, &[]);
        self.blocks();
        (self.frame, self.at) = (outer, at);
        self.b.set_srcloc(SourceLoc::new(at));
        self.enter(after);
        self.parts.forget();
        self.set(Reg::R0, value);
    }

    fn call_host(&mut self, service: Service) {
        let mut args = Vec::with_capacity(5);
        for reg in ARGUMENTS {
            let value = self.get(reg);
            args.push(value);
        }
        self.fuel_out();
        let (value, status) = self.call(service, &args);
        self.trap_if(status);
        self.fuel_in();
        self.set(Reg::R0, value);
    }

    pub(super) fn call_helper(&mut self, index: u32, count: u8, plain: bool) {
        let callee = self.b.ins().iconst(I64, index as i64);
        if plain && count == 0 {
            let (value, status) = self.call(Service::answer, &[callee]);
            self.trap_if(status);
            return self.set(Reg::R0, value);
        }
        self.store_context(CALLEE, callee);
        let mut args = Vec::with_capacity(5);
        for (nth, reg) in ARGUMENTS.into_iter().enumerate() {
            // What the function does not take need not be kept; anything will do.
            let value = if nth < count as usize { self.get(reg) } else { callee };
            args.push(value);
        }
        // Who takes no fuel need not be handed any.
        if !plain {
            self.fuel_out();
        }
        let (value, status) = self.call(Service::helper, &args);
        self.trap_if(status);
        if !plain {
            self.fuel_in();
        }
        self.set(Reg::R0, value);
    }

    pub(super) fn csum(&mut self) {
        let args = ARGUMENTS.map(|reg| self.get(reg));
        let (value, _) = self.call(Service::csum, &args);
        self.set(Reg::R0, value);
    }

    pub(super) fn call_reg(&mut self, src: Reg) {
        let target = self.get(src);
        self.store_context(CALLEE, target);
        self.hand_over(u16::MAX);
        self.call_host(Service::call_reg);
    }

    /// Goes to another program, or on when there is none. Everything is paid for before.
    pub(super) fn tail_call(&mut self, array: Option<u32>) {
        self.parts.forget();
        let paid = self.cost_of_leaving();
        let stayed = self.b.create_block();
        let programs = array.and_then(|array| self.unit.maps.get(array as usize)).map(|map| map.kind);
        let known = match (programs, self.given) {
            (Some(MapKind::Programs { stamps, count }), Some(given)) if self.is_chained() => {
                self.go_quickly(given, (stamps, count), paid, stayed);
                true
            }
            _ => false,
        };
        if let Some((fuel, cost)) = paid {
            let left = self.b.ins().iadd_imm_s(fuel, -cost);
            self.store_context(FUEL, left);
        }
        let args = [self.get(Reg::R1), self.get(Reg::R2), self.get(Reg::R3)];
        let (value, status) = match known {
            true => {
                let status = self.call_rarely(Service::tail_call, &args);
                (self.load_context(VALUE as i32), status)
            }
            false => self.call(Service::tail_call, &args),
        };
        let (gone, none) = match known {
            true => (self.cold_block(), self.cold_block()),
            false => (self.b.create_block(), self.b.create_block()),
        };
        let nothing = self.b.ins().icmp_imm_s(IntCC::Equal, status, Returned::NOTHING.status as i64);
        self.b.ins().brif(nothing, none, &[], gone, &[]);
        self.enter(gone);
        match known {
            true => self.trap_if_cold(status),
            false => self.trap_if(status),
        }
        let zero = self.b.ins().iconst(I64, 0);
        self.b.ins().return_(&[value, zero]);
        self.enter(none);
        self.fuel_of_staying();
        self.b.ins().jump(stayed, &[]);
        self.enter(stayed);
    }

    /// Whether the operation being translated is one of a chained function.
    pub(super) fn is_chained(&self) -> bool {
        self.plan.chained && self.frame.func.entry == 0
    }

    /// Takes what a chained function is given.
    pub(super) fn begin_chained(&mut self, r1: Value, calls: Value, fuel: Value, ctx: Value) {
        self.ctx = ctx;
        self.set(Reg::R1, r1);
        // The host looks at it whenever it is asked something.
        self.store_context(TAIL_CALLS, calls);
        let asks = |op: &Op| match *op {
            Op::CallHelper { plain, .. } => !plain,
            op => matches!(op, Op::CallReg { .. } | Op::CallSub { .. }),
        };
        let asks = self.frame.func.ops(self.unit.ops).any(|(_, op)| asks(op));
        self.given = Some(Given { r1, fuel, calls: (!asks).then_some(calls) });
        if self.unit.fuel != Fuel::Off {
            let var = self.b.declare_var(I64);
            self.b.def_var(var, fuel);
            self.fuel = Some(var);
        }
    }

    /// Jumps to a program that the host knows by the stamp of its slot, goes on at `stayed` when there is
    /// none, and here when the host must be asked.
    fn go_quickly(
        &mut self,
        given: Given,
        (stamps, count): (u64, u32),
        paid: Option<(Value, i64)>,
        stayed: Block,
    ) {
        let sort = self.cold_block();
        let index = self.get(Reg::R3);
        let known = self.constant(index).map(|number| number as u32).filter(|&number| number < count);
        let slot = match known {
            Some(number) => self.b.ins().iconst(I64, (stamps + 8 * u64::from(number)) as i64),
            None => {
                let low = self.low(Reg::R3);
                let index = self.b.ins().uextend(I64, low);
                let none = self.b.ins().iconst(I64, 0);
                let inside = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, index, i64::from(count));
                self.or_sort(inside, sort, none);
                let (base, offset) =
                    (self.b.ins().iconst(I64, stamps as i64), self.b.ins().ishl_imm_u(index, 3));
                self.b.ins().iadd(base, offset)
            }
        };
        let stamp = self.b.ins().load(I64, MemFlagsData::trusted(), slot, 0);
        let place = self.b.ins().band_imm_s(stamp, TARGETS as i64 - 1);
        let offset = self.b.ins().ishl_imm_u(place, 3);
        let target = self.b.ins().iadd(self.ctx, offset);
        let flags = self.context_flags();
        let known = self.b.ins().load(I64, flags, target, STAMPS as i32);
        let same = self.b.ins().icmp(IntCC::Equal, stamp, known);
        self.or_sort(same, sort, stamp);
        let r1 = self.get(Reg::R1);
        if given.r1 != self.b.func.dfg.resolve_aliases(r1) {
            let first = self.load_context(offset_of!(Context, first) as i32);
            let same = self.b.ins().icmp(IntCC::Equal, r1, first);
            self.or_sort(same, sort, stamp);
        }
        if let Some((fuel, cost)) = paid {
            let enough = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, fuel, cost);
            self.or_sort(enough, sort, stamp);
        }
        let calls = given.calls.unwrap_or_else(|| self.load_context(TAIL_CALLS as i32));
        // The other way round: what is told last of where nothing leads on to the rest is put first.
        let (none, some) = (self.b.ins().icmp_imm_s(IntCC::Equal, calls, 0), self.b.create_block());
        self.b.ins().brif(none, sort, &[stamp.into()], some, &[]);
        self.enter(some);
        let rest = self.b.ins().iadd_imm_s(calls, -1);
        let gone = self.b.ins().iadd(self.ctx, rest);
        self.b.ins().istore8(flags, stamp, gone, offset_of!(Context, gone) as i32);
        let code = self.b.ins().load(I64, flags, target, CODES as i32);
        let signature = self.b.import_signature(chained_signature());
        let fuel = match paid {
            Some((fuel, cost)) => self.b.ins().iadd_imm_s(fuel, -cost),
            None => given.fuel,
        };
        self.b.ins().return_call_indirect(signature, code, &[self.frame.fp, r1, rest, fuel, self.ctx]);
        self.enter(sort);
        let stamp = self.b.append_block_param(sort, I64);
        let ask = self.cold_block();
        if let Some((fuel, cost)) = paid {
            let (enough, some) =
                (self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, fuel, cost), self.cold_block());
            self.b.ins().brif(enough, some, &[], ask, &[]);
            self.enter(some);
        }
        let asked = self.load_context(offset_of!(Context, asked_calls) as i32);
        let calls = self.load_context(TAIL_CALLS as i32);
        let (calls, some) = (self.b.ins().bor(calls, asked), self.cold_block());
        self.b.ins().brif(calls, some, &[], stayed, &[]);
        self.enter(some);
        self.b.ins().brif(stamp, ask, &[], stayed, &[]);
        self.enter(ask);
    }

    /// Goes on here if something is not zero, and else with a stamp at `sort`.
    fn or_sort(&mut self, cond: Value, sort: Block, stamp: Value) {
        let go_on = self.b.create_block();
        self.b.ins().brif(cond, go_on, &[], sort, &[stamp.into()]);
        self.enter(go_on);
    }
}
