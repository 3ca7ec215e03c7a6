//! Calls: of the program's own functions, of the host's, through registers, and tail calls.
//!
//! A call changes R0 and nothing else, as in the interpreter. A trap that a callee leaves pending is
//! handed on; one that a function of the host leaves gets its place here.

use super::{Frame, INHERITED, Translator, params, regs};
use crate::abi::{Context, FRAME_STRIDE, FRAMES_AT, Service};
use crate::flow::bit;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, SourceLoc, Value};
use oxbpf_isa::insn::Reg;

const CALLEE: usize = std::mem::offset_of!(Context, callee);

const ARGUMENTS: [Reg; 5] = [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5];

impl Translator<'_, '_> {
    /// Hands over registers that a callee reads before it writes them.
    fn hand_over(&mut self, set: u16) {
        for (index, reg) in INHERITED.into_iter().enumerate() {
            if set & bit(reg) != 0 {
                let value = self.get(reg);
                self.store_context(std::mem::offset_of!(Context, inherited) + 8 * index, value);
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

    pub(super) fn call_reg(&mut self, src: Reg) {
        let target = self.get(src);
        self.store_context(CALLEE, target);
        self.hand_over(u16::MAX);
        self.call_host(Service::call_reg);
    }

    pub(super) fn tail_call(&mut self) {
        let args = [self.get(Reg::R1), self.get(Reg::R2), self.get(Reg::R3)];
        self.fuel_out();
        let (value, status) = self.call(Service::tail_call, &args);
        let (gone, stayed) = (self.b.create_block(), self.b.create_block());
        let nothing = self.b.ins().icmp_imm_s(
            cranelift_codegen::ir::condcodes::IntCC::Equal,
            status,
            crate::abi::Returned::NOTHING.status as i64,
        );
        self.b.ins().brif(nothing, stayed, &[], gone, &[]);
        self.enter(gone);
        self.trap_if(status);
        self.fuel_in();
        self.return_value(value);
        self.enter(stayed);
        self.fuel_in();
    }
}
