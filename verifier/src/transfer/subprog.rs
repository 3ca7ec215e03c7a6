//! Calls of the program's own functions, and returning from them.
//!
//! Rules: `check_func_call`, `setup_func_entry`, `push_callback_call`, `prepare_func_exit`,
//! `btf_check_func_arg_match` and `btf_prepare_func_args` of Linux 6.18. A static function is walked
//! in place with the caller's arguments. A global one is judged once by its prototype, and a call of
//! it only has to fit that. Callbacks are walked as often as it takes until nothing new is found.

use super::args::Seen;
use super::params::Param;
use super::{bad_return, in_range};
use crate::explore::{Judged, Next, Stop, Walker};
use crate::helper::{FIND_VMA, LOOP, USER_RINGBUF_DRAIN};
use crate::report::{Errno, Finding};
use crate::state::{DynptrType, Frame, Kind, Mods, Reg};
use crate::types::Part;
use crate::verdict::Feature;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use oxbpf_isa::btf::{Kind as BtfKind, Type, TypeId};

impl Walker<'_> {
    /// What is read of a function's name.
    pub(crate) fn subprog_name(&self, subprog: usize) -> String {
        let name = || {
            let start = self.structure.subprogs[subprog].start as u32;
            let func = self.program.funcs.iter().find(|f| f.insn == start)?;
            match self.program.btf.as_ref()?.ty(func.type_id)? {
                Type::Func { name, .. } => Some(name.to_string()),
                _ => None,
            }
        };
        name().unwrap_or_default()
    }

    /// The registers with which a function's own walk begins.
    pub(crate) fn enter(&mut self, subprog: usize) -> Judged<()> {
        if subprog == 0 && !self.is_extension {
            *self.cur.reg_mut(1) = Reg::pointer(Kind::Ctx, Mods::NONE);
            return self.take_arguments();
        }
        let params = self.params(subprog)?;
        if self.functions[subprog].is_exception_callback && params != [Param::Scalar] {
            return Err(Finding::ExceptionCallbackArgs.into());
        }
        self.enter_with(params);
        Ok(())
    }

    pub(super) fn call_subprog(&mut self, off: i32) -> Judged<Next> {
        let start = i64::from(self.at) + 1 + i64::from(off);
        let Some(subprog) = self.structure.subprog_at(start as usize) else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        if self.functions[subprog].global {
            return self.call_global(subprog);
        }
        let regs = self.cur.cur().regs;
        self.look_at_call(subprog, &regs);
        self.push_frame(subprog)?;
        let callee_frame = self.cur.curframe();
        let args: [Reg; 5] = core::array::from_fn(|n| self.cur.frames[callee_frame - 1].regs[n + 1]);
        self.cur.cur_mut().regs[1..6].copy_from_slice(&args);
        let caller = self.cur.frame_mut(callee_frame - 1);
        for reg in &mut caller.regs[..6] {
            *reg = Reg::not_init();
        }
        self.stack_live.reset_chain();
        if self.log.on() {
            self.log_call();
        }
        Ok(Next::To(start as u32))
    }

    fn push_frame(&mut self, subprog: usize) -> Judged<()> {
        let frames = self.cur.frames.len();
        if frames as u64 >= self.model.limits().call_frames {
            return Err(Finding::FrameDepth { frames: frames + 1 }.into());
        }
        let mut frame = Frame::new(self.at, frames, subprog as u32);
        frame.in_async_callback = false;
        frame.async_entry = self.cur.cur().async_entry;
        self.cur.frames.push(Rc::new(frame));
        self.log.scratch_all();
        Ok(())
    }

    fn call_global(&mut self, subprog: usize) -> Judged<Next> {
        let name = self.subprog_name(subprog);
        if self.cur.active_lock().is_some() {
            return Err(Finding::GlobalUnderLock.into());
        }
        if self.cur.preempt_off != 0 && !self.rules.global_functions_without_preemption {
            return Err(Finding::GlobalUnderPreempt.into());
        }
        // The kernel looks at the arguments first, but says this before what it found there.
        let sleeps =
            self.rules.global_functions_may_sleep && self.functions[subprog].might_sleep && !self.may_sleep();
        let invalid = |errno| match sleeps {
            true => Stop::from(Finding::GlobalSleeps),
            false => Stop::from(Finding::GlobalArgs { subprog, name: name.clone(), errno }),
        };
        let params = match self.params(subprog) {
            Ok(params) => params,
            Err(Stop::Reject(finding)) => {
                self.log.line(format_args!("{finding}\n"));
                return Err(invalid(finding.errno()));
            }
            Err(unknown) => return Err(unknown),
        };
        if let Some(errno) = self.first_misfit(params)? {
            return Err(invalid(errno));
        }
        if sleeps {
            return Err(Finding::GlobalSleeps.into());
        }
        self.log.line(format_args!("Func#{subprog} ('{name}') is global and assumed valid.\n"));
        if self.functions[subprog].changes_pkt {
            self.forget_packets();
        }
        self.functions[subprog].called = true;
        if let Some(recorder) = &mut self.recorder {
            recorder.calls_global();
        }
        self.clear_caller_saved();
        *self.cur.reg_mut(0) = Reg::unknown();
        Ok(Next::Straight)
    }

    /// A helper calls a function of the program before it returns: one path goes there, the other
    /// on as if it had been called for the last time.
    pub(super) fn push_callback(&mut self, id: i32, seen: &Seen) -> Judged<()> {
        let Some(subprog) = seen.subprog.map(|s| s as usize) else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let vma = self.types.find("vm_area_struct", BtfKind::Struct);
        let vma = if id == FIND_VMA { vma.ok_or(Stop::Unknown(Feature::KernelTypes))? } else { TypeId::VOID };
        let dynptr = if id == USER_RINGBUF_DRAIN { self.fresh_id() } else { 0 };
        self.push_sync(subprog, |frame, caller| match id {
            LOOP => {
                frame.regs[1] = Reg::unknown();
                frame.regs[2] = caller[3];
            }
            FIND_VMA => {
                frame.regs[1] = caller[1];
                frame.regs[2] = Reg::typed(Part::VMLINUX, vma, Mods::NONE);
                frame.regs[3] = caller[4];
            }
            USER_RINGBUF_DRAIN => {
                frame.regs[1] = Reg::dynptr(DynptrType::Local, true, dynptr);
                frame.regs[2] = caller[3];
            }
            _ => {
                let map = caller[1];
                frame.regs[1] = map;
                frame.regs[2] = Reg { a: map.a, b: map.b, ..Reg::pointer(Kind::MapKey, Mods::NONE) };
                frame.regs[3] = Reg { a: map.a, b: map.b, ..Reg::pointer(Kind::MapValue, Mods::NONE) };
                frame.regs[4] = caller[3];
            }
        })
    }

    /// One path goes into a function with what `set` makes of its registers and the caller's, the
    /// other on.
    pub(super) fn push_sync(
        &mut self,
        subprog: usize,
        set: impl FnOnce(&mut Frame, &[Reg; 11]),
    ) -> Judged<()> {
        self.functions[subprog].is_callback = true;
        let at = self.at;
        let later = self.cur.clone();
        let caller = self.cur.cur().regs;
        self.look_at_call(subprog, &caller);
        // The frame is made in the state that goes into the callback.
        self.push_frame(subprog)?;
        let mut inside = core::mem::replace(&mut self.cur, later);
        let frame = inside.cur_mut();
        frame.in_callback = true;
        frame.callback_ret = (0, 1);
        set(frame, &caller);
        inside.callback_unroll_depth += 1;
        let outer = inside.curframe() - 1;
        inside.frame_mut(outer).callback_depth += 1;
        let start = self.structure.subprogs[subprog].start as u32;
        self.push_state(start, at, inside, Errno::ENOMEM)?;
        self.cur.cur_mut().callback_depth = 0;
        Ok(())
    }

    /// Returns from a function; where the path goes on.
    pub(super) fn leave(&mut self) -> Judged<u32> {
        self.finish_stack_liveness();
        let r0 = *self.cur.reg(0);
        if r0.kind == Kind::Stack {
            return Err(Finding::ReturnsStack.into());
        }
        let frame = self.cur.cur();
        let (callsite, in_callback, range) = (frame.callsite, frame.in_callback, frame.callback_ret);
        if in_callback {
            if !r0.is_scalar() {
                return Err(Finding::CallbackNotScalar.into());
            }
            self.mark_precise(0)?;
            let r0 = *self.cur.reg(0);
            if !in_range(&r0, range, false) {
                return Err(bad_return("At callback return", 0, &r0, range).into());
            }
        } else {
            let caller = self.cur.curframe() - 1;
            self.cur.frame_mut(caller).regs[0] = r0;
        }
        let to = if in_callback { callsite } else { callsite + 1 };
        if self.log.on() {
            self.log_return(to);
        }
        self.cur.frames.pop();
        self.stack_live.reset_chain();
        if in_callback && let Some(previous) = self.previous_entry(&self.cur, to) {
            let mut state = self.cur.clone();
            self.widen(previous, &mut state);
            self.cur = state;
        }
        Ok(to)
    }

    /// A tail call that succeeds ends a function with any number.
    pub(super) fn leave_by_tail_call(&mut self) -> Judged<Next> {
        let at = self.at;
        self.push_path(at + 1, at)?;
        self.forget_packets();
        *self.cur.reg_mut(0) = Reg::unknown();
        let to = self.leave()?;
        Ok(Next::To(to))
    }

    /// A packet load outside the packet ends a function with 0.
    pub(super) fn leave_by_packet_load(&mut self) -> Judged<Next> {
        let at = self.at;
        self.push_path(at + 1, at)?;
        *self.cur.reg_mut(0) = Reg::known(0);
        let to = self.leave()?;
        Ok(Next::To(to))
    }
}
