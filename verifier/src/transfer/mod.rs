//! What an instruction makes of a state.
//!
//! One file for each kind of instruction and of memory. [`Walker::step`] judges the instruction at
//! hand against the current state, changes it, and says where the path goes on. Rules:
//! `do_check_insn` of Linux 6.18; each module names its own.

mod alu;
mod arena;
mod args;
mod call;
mod dangling;
mod depth;
mod dynptr;
mod fastcall;
mod fields;
mod format;
mod graph;
mod iter;
mod jump;
mod kfunc;
mod kfunc_args;
mod kptr;
mod later;
mod locks;
mod malformed;
mod maps;
mod memory;
mod objects;
mod params;
mod prototype;
mod refs;
mod sections;
mod sock;
mod stack;
mod subprog;
mod throw;
mod typed;

pub(crate) use dangling::dangling;
pub(crate) use depth::check_depth;
pub(crate) use fastcall::Fastcalls;
pub(crate) use fields::MapFields;
pub(crate) use maps::{has_arena, index_of, is_inner, unknown_map, unusable};
pub(crate) use objects::Objects;

use crate::explore::{Judged, Next, Stop, Walker};
use crate::report::Finding;
use crate::state::{Kind, Mods, Reg};
use crate::structure::Slot;
use crate::types::symbol;
use crate::verdict::Feature;
use alloc::vec::Vec;
use oxbpf_isa::btf::Linkage;
use oxbpf_isa::insn::opcode::pseudo;
use oxbpf_isa::insn::{Callee, Imm64, Insn, PacketBase, Reg as R, Size};
use oxbpf_isa::kernel::{AttachType, MapType, ProgFlags, ProgType, RetRule};

impl Walker<'_> {
    pub(crate) fn step(&mut self) -> Judged<Next> {
        let insn = match self.structure.insns[self.at as usize] {
            Slot::Insn(insn) => insn,
            Slot::Bad(error) => return Err(self.malformed(error)),
            Slot::Second => return Err(Stop::Unknown(Feature::Internal)),
        };
        match insn {
            Insn::Alu { op, width, dst, src } => self.alu(op, width, dst, src),
            Insn::Neg { width, dst } => self.neg(width, dst),
            Insn::Mov { width, dst, src } => self.mov(width, dst, src),
            Insn::MovSx { width, from, dst, src } => self.movsx(width, from, dst, src),
            Insn::AddrSpaceCast { dst, src, to, from } => self.cast(dst, src, to, from),
            Insn::Endian { op, size, dst } => self.endian(op, size, dst),
            Insn::Load { size, signed, dst, base, off } => self.load(size, signed, dst, base, off, false),
            Insn::LoadAcquire { .. } if !self.rules.acquire_and_release => {
                Err(Finding::AtomicOpcode { imm: pseudo::LOAD_ACQ }.into())
            }
            Insn::StoreRelease { .. } if !self.rules.acquire_and_release => {
                Err(Finding::AtomicOpcode { imm: pseudo::STORE_REL }.into())
            }
            Insn::LoadAcquire { size, dst, base, off } => self.load_acquire(size, dst, base, off),
            Insn::Store { size, base, off, src } => self.store(size, base, off, src, false),
            Insn::StoreRelease { size, base, off, src } => self.store_release(size, base, off, src),
            Insn::Atomic { op, fetch, size, base, off, src } => self.atomic(op, fetch, size, base, off, src),
            Insn::LdImm64 { dst, imm } => self.wide_load(dst, imm),
            Insn::Goto { off, .. } => {
                self.jumps += 1;
                Ok(Next::To((i64::from(self.at) + 1 + i64::from(off)) as u32))
            }
            Insn::Jump { cond, width, dst, src, off } => {
                self.jumps += 1;
                self.jump(cond, width, dst, src, off)
            }
            Insn::MayGoto { off } => {
                self.jumps += 1;
                self.may_goto(i32::from(off))
            }
            Insn::Call(callee) => {
                self.jumps += 1;
                self.callable_under_lock(callee)?;
                match callee {
                    Callee::Helper(id) => self.call_helper(id),
                    Callee::Subprog(off) => self.call_subprog(off),
                    Callee::Kfunc { .. } => self.call_kfunc(),
                    Callee::Reg(_) => Err(Stop::Unknown(Feature::Internal)),
                }
            }
            Insn::Packet { base, size, .. } => self.packet_load(base, size),
            Insn::Exit => {
                self.jumps += 1;
                self.exit()
            }
        }
    }

    /// Whether a register may be read.
    pub(crate) fn readable(&mut self, r: R) -> Judged<()> {
        self.log.scratch(r.index());
        if self.cur.reg(r.index()).kind == Kind::NotInit {
            return Err(Finding::NotReadable { reg: r.number() }.into());
        }
        Ok(())
    }

    /// Whether a register may be written.
    pub(crate) fn writable(&mut self, r: R) -> Judged<()> {
        self.log.scratch(r.index());
        if r == R::FP {
            return Err(Finding::FramePointer.into());
        }
        Ok(())
    }

    fn wide_load(&mut self, dst: R, imm: Imm64) -> Judged<Next> {
        self.writable(dst)?;
        let at = dst.index();
        match imm {
            Imm64::Const(value) => *self.cur.reg_mut(at) = Reg::known(value),
            Imm64::MapFd(map) | Imm64::MapIdx(map) => {
                self.usable_map(map)?;
                *self.cur.reg_mut(at) = Reg { a: map as u32, ..Reg::pointer(Kind::MapPtr, Mods::NONE) };
            }
            Imm64::MapValue { fd: map, off } | Imm64::MapIdxValue { idx: map, off } => {
                self.usable_map(map)?;
                if self.map(map as u32).and_then(|m| m.kind()) == Some(MapType::Arena) {
                    *self.cur.reg_mut(at) = Self::arena_address(map);
                    return Ok(Next::Straight);
                }
                // The value is the only one of its map, so its lock needs no identity.
                *self.cur.reg_mut(at) =
                    Reg { a: map as u32, off: off as i32, ..Reg::pointer(Kind::MapValue, Mods::NONE) };
            }
            Imm64::BtfId { id, fd } => {
                *self.cur.reg_mut(at) = symbol::resolve(&self.types, self.model, id, fd)?
            }
            Imm64::Func(off) => {
                let start = (i64::from(self.at) + 1 + i64::from(off)) as usize;
                let Some(subprog) = self.structure.subprog_at(start) else {
                    return Err(Stop::Unknown(Feature::Internal));
                };
                if self.program.funcs.is_empty() {
                    return Err(Finding::CallbackUntyped.into());
                }
                if self.functions[subprog].linkage != Some(Linkage::Static) {
                    return Err(Finding::CallbackNotStatic.into());
                }
                if subprog == 0 && !self.rules.program_as_callback {
                    return Err(Finding::CallbackIsProgram.into());
                }
                *self.cur.reg_mut(at) = Reg { a: subprog as u32, ..Reg::pointer(Kind::Func, Mods::NONE) };
            }
        }
        Ok(Next::Straight)
    }

    /// Maps of which there is no model, or that this program may not use.
    fn usable_map(&mut self, map: i32) -> Judged<()> {
        let Some(kind) = self.map(map as u32).map(|m| m.kind()) else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        match kind {
            None => Err(Stop::Unknown(Feature::Maps)),
            Some(_) => Ok(()),
        }
    }

    /// LD_ABS and LD_IND: the packet is read, or the program ends with 0.
    fn packet_load(&mut self, base: PacketBase, _size: Size) -> Judged<Next> {
        if !self.prog.flags.contains(ProgFlags::LD_ABS) {
            return Err(Finding::LdAbsNotAllowed.into());
        }
        if !self.rules.packet_loads_in_callbacks && self.cur.frames[1..].iter().any(|f| f.in_callback) {
            return Err(Finding::LdAbsInCallback.into());
        }
        self.readable(R::R6)?;
        self.nothing_left(locks::PACKET_LOAD, true)?;
        let ctx = *self.cur.reg(6);
        if ctx.kind != Kind::Ctx {
            return Err(Finding::LdAbsContext.into());
        }
        if let PacketBase::Ind(r) = base {
            self.readable(r)?;
        }
        self.pointer_offset(&ctx, 6)?;
        self.clear_caller_saved();
        *self.cur.reg_mut(0) = Reg::unknown();
        if self.cur.curframe() > 0 {
            return self.leave_by_packet_load();
        }
        Ok(Next::Straight)
    }

    pub(crate) fn clear_caller_saved(&mut self) {
        for r in 0..6 {
            self.log.scratch(r);
        }
        let frame = self.cur.cur_mut();
        for reg in &mut frame.regs[..6] {
            *reg = Reg::not_init();
        }
    }

    /// The program, or a function of it, ends.
    fn exit(&mut self) -> Judged<Next> {
        let is_program = self.cur.curframe() == 0;
        self.nothing_left(locks::EXIT, is_program)?;
        if self.cur.curframe() > 0 {
            let to = self.leave()?;
            return Ok(Next::Back(to));
        }
        self.return_code(0)?;
        Ok(Next::End)
    }

    /// Whether the program may end with the value in a register.
    fn return_code(&mut self, r: usize) -> Judged<()> {
        let frame = &self.cur.frames[0];
        let (in_async, subprog, range) =
            (frame.in_async_callback, frame.subprog as usize, frame.callback_ret);
        let is_global = subprog > 0 && !in_async && !self.functions[subprog].is_exception_callback;
        let rule = match (in_async, is_global) {
            (true, _) => RetRule::Within(range.0, range.1),
            (_, true) => RetRule::Any,
            _ => self.model.return_rule(&self.kind),
        };
        if rule == RetRule::Ignored {
            return Ok(());
        }
        self.readable(R::ALL[r])?;
        let r0 = *self.cur.reg(r);
        let name = if in_async { "At async callback return" } else { "At program exit" };
        if is_global {
            if !r0.is_scalar() {
                let ty = r0.type_name();
                return Err(Finding::SubprogNotScalar { reg: r as u8, ty }.into());
            }
            return Ok(());
        }
        let rule = if rule == RetRule::ByTarget { self.callback_result(&r0)? } else { rule };
        let RetRule::Within(min, max) = rule else {
            return Ok(());
        };
        if !r0.is_scalar() {
            return Err(Finding::ReturnNotKnown { place: name, reg: r as u8, ty: r0.type_name() }.into());
        }
        self.mark_precise(r)?;
        let r0 = *self.cur.reg(r);
        if !in_range(&r0, (min, max), !in_async && self.prog.prog_type == ProgType::Lsm) {
            let finding = bad_return(name, r, &r0, (min, max));
            if self.kind.attach_type == AttachType::LsmCgroup && (min, max) == (1, 1) {
                self.log.said(format_args!(
                    "{finding}\nNote, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!\n"
                ));
            }
            return Err(finding.into());
        }
        Ok(())
    }
}

/// Whether a returned number lies in a range, looked at as 32 bits where `low` is set.
pub(crate) fn in_range(r0: &Reg, (min, max): (i32, i32), low: bool) -> bool {
    match low {
        true => r0.num.smin32() >= min && r0.num.smax32() <= max,
        false => r0.num.smin() >= i64::from(min) && r0.num.smax() <= i64::from(max),
    }
}

pub(crate) fn bad_return(place: &'static str, r: usize, r0: &Reg, (min, max): (i32, i32)) -> Finding {
    let mut has = Vec::new();
    if r0.num.smin() > i64::MIN {
        has.push(alloc::format!("smin={}", r0.num.smin()));
    }
    if r0.num.smax() < i64::MAX {
        has.push(alloc::format!("smax={}", r0.num.smax()));
    }
    let has =
        if has.is_empty() { alloc::string::String::from("unknown scalar value") } else { has.join(" ") };
    Finding::ReturnRange { place, reg: r as u8, has, min, max }
}
