//! Calls of the program's own functions, and returning from them.
//!
//! Rules: `check_func_call`, `setup_func_entry`, `push_callback_call`, `prepare_func_exit`,
//! `btf_check_func_arg_match` and `btf_prepare_func_args` of Linux 6.18. A static function is walked
//! in place with the caller's arguments. A global one is judged once by its prototype, and a call of
//! it only has to fit that. Callbacks are walked as often as it takes until nothing new is found.

use super::args::Seen;
use super::call::USER_RINGBUF_DRAIN;
use super::dynptr::Wanted;
use super::memory::Way;
use super::{bad_return, in_range};
use crate::explore::{Judged, Next, Stop, Walker};
use crate::report::Finding;
use crate::state::{DynptrType, Frame, Kind, MAX_FRAMES, Mods, Reg};
use crate::types::Part;
use crate::verdict::Feature;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, Kind as BtfKind, Type, TypeId};
use oxbpf_isa::kernel::{Arg, ArgKind, ProgType};

const FIND_VMA: i32 = 180;
const LOOP: i32 = 181;

/// What a global function expects as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Param {
    Scalar,
    Ctx,
    Memory { size: u32, nullable: bool },
    Dynptr,
}

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

    /// The parameters of a global function by its prototype.
    fn params(&self, subprog: usize) -> Judged<Vec<Param>> {
        let unknown = Stop::Unknown(Feature::GlobalFunctions);
        let btf = self.program.btf.as_ref().ok_or(unknown.clone())?;
        let start = self.structure.subprogs[subprog].start as u32;
        let func = self.program.funcs.iter().find(|f| f.insn == start).ok_or(unknown.clone())?;
        let Some(Type::Func { name, proto, .. }) = btf.ty(func.type_id) else { return Err(unknown) };
        let Some(Type::FuncProto(proto)) = btf.ty(proto) else { return Err(unknown) };
        if !is_number(btf, proto.ret) {
            return Err(Finding::GlobalReturn { name: name.to_string() }.into());
        }
        if proto.params().len() > 5 {
            return Err(unknown);
        }
        let mut tagged_nonnull = 0u32;
        let mut tagged_ctx = 0u32;
        for (tag, component) in btf.decl_tags(func.type_id) {
            let (Some(tag), Some(n)) = (tag.strip_prefix("arg:"), component) else { continue };
            match tag {
                "nonnull" if n < 5 => tagged_nonnull |= 1 << n,
                "ctx" if n < 5 => tagged_ctx |= 1 << n,
                _ => return Err(unknown),
            }
        }
        let mut params = Vec::new();
        for (n, param) in proto.params().enumerate() {
            let (_, ty) = btf.resolved(param.ty).ok_or(unknown.clone())?;
            let Type::Ptr(to) = ty else {
                if !matches!(ty, Type::Int { .. } | Type::Enum(_)) {
                    return Err(unknown);
                }
                params.push(Param::Scalar);
                continue;
            };
            if self.is_context(btf, to) || tagged_ctx >> n & 1 == 1 && self.may_be_context(btf, to) {
                params.push(Param::Ctx);
                continue;
            }
            if tagged_ctx >> n & 1 == 1 {
                return Err(unknown);
            }
            if let Some((_, Type::Struct(s))) = btf.resolved(to)
                && s.name == "bpf_dynptr"
            {
                if tagged_nonnull >> n & 1 == 1 {
                    return Err(unknown);
                }
                params.push(Param::Dynptr);
                continue;
            }
            let size = btf.size_of(btf.skip_modifiers(to)).ok_or(unknown.clone())?;
            params.push(Param::Memory { size, nullable: tagged_nonnull >> n & 1 == 0 });
        }
        Ok(params)
    }

    /// What a parameter tagged as the context may also be declared as a pointer to.
    fn may_be_context(&self, btf: &Btf, to: TypeId) -> bool {
        match btf.resolved(to) {
            Some((_, Type::Void)) => true,
            Some((_, Type::Int { size: 8, .. })) => {
                matches!(self.prog.prog_type, ProgType::RawTracepoint | ProgType::RawTracepointWritable)
            }
            Some((_, Type::Struct(s))) => self.prog.prog_type == ProgType::PerfEvent && s.name == "pt_regs",
            _ => false,
        }
    }

    /// Whether a pointer to this is the program's context.
    fn is_context(&self, btf: &Btf, to: TypeId) -> bool {
        let context = match self.prog.prog_type {
            ProgType::RawTracepoint | ProgType::RawTracepointWritable => "bpf_raw_tracepoint_args",
            ProgType::Kprobe => "bpf_user_pt_regs_t",
            _ => self.prog.context,
        };
        let mut id = btf.skip_modifiers(to);
        for _ in 0..8 {
            match btf.ty(id) {
                Some(Type::Typedef { name, target }) => {
                    if name == context {
                        return true;
                    }
                    id = btf.skip_modifiers(target);
                }
                Some(Type::Struct(s)) => {
                    // A kernel's struct pt_regs is what user space calls bpf_user_pt_regs_t.
                    return s.name == context || context == "bpf_user_pt_regs_t" && s.name == "pt_regs";
                }
                _ => return false,
            }
        }
        false
    }

    /// The registers with which a function's own walk begins.
    pub(crate) fn enter(&mut self, subprog: usize) -> Judged<()> {
        if subprog == 0 {
            *self.cur.reg_mut(1) = Reg::pointer(Kind::Ctx, Mods::NONE);
            return Ok(());
        }
        for (n, param) in self.params(subprog)?.into_iter().enumerate() {
            *self.cur.reg_mut(n + 1) = match param {
                Param::Scalar => Reg::unknown(),
                Param::Ctx => Reg::pointer(Kind::Ctx, Mods::NONE),
                Param::Dynptr => Reg::dynptr(DynptrType::Local, true, self.fresh_id()),
                Param::Memory { size, nullable } => {
                    let mods = if nullable { Mods::MAYBE_NULL } else { Mods::NONE };
                    let id = if nullable { self.fresh_id() } else { 0 };
                    Reg { a: size, id, ..Reg::pointer(Kind::Mem, mods) }
                }
            };
        }
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
        if frames >= MAX_FRAMES {
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
        // The kernel looks at the arguments first, but says this before what it found there.
        let sleeps = self.functions[subprog].might_sleep && !self.cur.in_sleepable;
        let invalid = || match sleeps {
            true => Stop::from(Finding::GlobalSleeps),
            false => Stop::from(Finding::GlobalArgs { subprog, name: name.clone() }),
        };
        let params = match self.params(subprog) {
            Ok(params) => params,
            Err(Stop::Reject(finding)) => {
                self.log.line(format_args!("{finding}\n"));
                return Err(invalid());
            }
            Err(unknown) => return Err(unknown),
        };
        for (n, param) in params.into_iter().enumerate() {
            let r = n + 1;
            let reg = *self.cur.reg(r);
            match param {
                Param::Scalar => {
                    if !reg.is_scalar() {
                        self.log.line(format_args!("R{r} is not a scalar\n"));
                        return Err(invalid());
                    }
                }
                Param::Ctx => {
                    if reg.kind != Kind::Ctx {
                        self.log.line(format_args!("arg#{n} expects pointer to ctx\n"));
                        return Err(invalid());
                    }
                    if let Err(Stop::Reject(finding)) = self.pointer_offset(&reg, r) {
                        self.log.line(format_args!("{finding}\n"));
                        return Err(invalid());
                    }
                }
                Param::Dynptr => {
                    let judged = self
                        .argument_offset(&reg, r, &Arg::new(ArgKind::Dynptr))
                        .and_then(|()| self.dynptr_argument(r, Wanted::Constant(None)));
                    if let Err(stop) = judged {
                        self.say(&stop);
                        return Err(if let Stop::Reject(_) = stop { invalid() } else { stop });
                    }
                }
                Param::Memory { size, nullable } => self.global_memory(r, size, nullable, &invalid)?,
            }
        }
        if sleeps {
            return Err(Finding::GlobalSleeps.into());
        }
        if self.log.on() {
            self.log.line(format_args!("Func#{subprog} ('{name}') is global and assumed valid.\n"));
        }
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

    fn global_memory(
        &mut self,
        r: usize,
        size: u32,
        nullable: bool,
        invalid: &dyn Fn() -> Stop,
    ) -> Judged<()> {
        let reg = *self.cur.reg(r);
        if reg.is_null() {
            return if nullable { Ok(()) } else { Err(Stop::Unknown(Feature::GlobalFunctions)) };
        }
        if reg.maybe_null() {
            self.cur.reg_mut(r).mods = reg.mods.without(Mods::MAYBE_NULL);
        }
        let size = i64::from(size);
        for way in [Way::Read, Way::Write] {
            if let Err(stop) = self.helper_memory(r, size, way, true, None) {
                return Err(match stop {
                    Stop::Reject(finding) => {
                        self.log.line(format_args!("{finding}\n"));
                        invalid()
                    }
                    unknown => unknown,
                });
            }
        }
        self.cur.reg_mut(r).mods = reg.mods;
        if !nullable && reg.maybe_null() {
            self.log.line(format_args!("arg#{} is expected to be non-NULL\n", r - 1));
            return Err(invalid());
        }
        Ok(())
    }

    /// A helper calls a function of the program before it returns: one path goes there, the other
    /// on as if it had been called for the last time.
    pub(super) fn push_callback(&mut self, id: i32, seen: &Seen) -> Judged<()> {
        let Some(subprog) = seen.subprog.map(|s| s as usize) else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let vma = self.types.find("vm_area_struct", BtfKind::Struct);
        let vma = if id == FIND_VMA { vma.ok_or(Stop::Unknown(Feature::KernelTypes))? } else { TypeId::VOID };
        self.functions[subprog].is_callback = true;
        let at = self.at;
        let later = self.cur.clone();
        let caller = self.cur.cur().regs;
        // The frame is made in the state that goes into the callback.
        self.push_frame(subprog)?;
        let mut inside = core::mem::replace(&mut self.cur, later);
        let frame = inside.cur_mut();
        frame.in_callback = true;
        frame.callback_ret = (0, 1);
        match id {
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
                self.id_gen += 1;
                frame.regs[1] = Reg::dynptr(DynptrType::Local, true, self.id_gen);
                frame.regs[2] = caller[3];
            }
            _ => {
                let map = caller[1];
                frame.regs[1] = map;
                frame.regs[2] = Reg { a: map.a, b: map.b, ..Reg::pointer(Kind::MapKey, Mods::NONE) };
                frame.regs[3] = Reg { a: map.a, b: map.b, ..Reg::pointer(Kind::MapValue, Mods::NONE) };
                frame.regs[4] = caller[3];
            }
        }
        inside.callback_unroll_depth += 1;
        let outer = inside.curframe() - 1;
        inside.frame_mut(outer).callback_depth += 1;
        let start = self.structure.subprogs[subprog].start as u32;
        self.push_state(start, at, inside)?;
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
                return Err(bad_return("At callback return", &r0, range).into());
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

fn is_number(btf: &Btf, ty: TypeId) -> bool {
    matches!(btf.resolved(ty), Some((_, Type::Int { .. } | Type::Enum(_))))
}
