//! Calls of helpers.
//!
//! Rules: `check_helper_call`, `check_map_func_compatibility`, `do_refine_retval_range` of Linux
//! 6.18. Which helper may be called, with what, and what it gives, are facts; here they are held
//! against the state. The few helpers with rules of their own are named by number.

use super::args::Seen;
use super::later::Later;
use super::memory::{Value, Way};
use crate::domain::Scalar;
use crate::explore::{Judged, Next, Stop, Walker};
use crate::helper::{
    DYNPTR_DATA, DYNPTR_FROM_MEM, DYNPTR_WRITE, FIND_VMA, FOR_EACH, GET_FUNC_IP, GET_LOCAL_STORAGE, LOOP,
    MAP_DELETE, MAP_LOOKUP, MAP_POP, MAP_PUSH, MAP_UPDATE, SNPRINTF, TAIL_CALL, TIMER_SET_CALLBACK,
    USER_RINGBUF_DRAIN, XCHG,
};
use crate::report::Finding;
use crate::state::{DynptrType, Kind, Mods, Reference, Reg};
use crate::types::Part;
use crate::verdict::Feature;
use alloc::format;
use alloc::string::String;
use oxbpf_isa::kernel::{
    ArgKind, AttachType, HelperFlags, HelperMatch, HelperRefusal, MapCreateFlags, MapType, ProgType,
    RetBounds, RetFlags, RetKind,
};

/// Results that are errors are not below this (Linux `MAX_ERRNO`).
pub(super) const MAX_ERRNO: i32 = 4095;

/// A helper's name as messages write it.
pub(super) fn helper_name(name: &str) -> String {
    format!("bpf_{name}")
}

impl Walker<'_> {
    pub(super) fn call_helper(&mut self, id: i32) -> Judged<Next> {
        let model = self.model;
        let found = match model.helper_for(&self.kind, id as u32) {
            Ok(found) => found,
            Err(refusal) => return Err(self.refused_helper(id, refusal)),
        };
        let proto = *found.proto;
        if !self.program.is_gpl_compatible() && proto.flags.contains(HelperFlags::GPL) {
            return Err(Finding::HelperNeedsGpl.into());
        }
        if !self.is_allowed_here(proto.flags) {
            return Err(Finding::HelperNotHere.into());
        }
        if proto.flags.contains(HelperFlags::MIGHT_SLEEP) && !self.cur.in_sleepable {
            return Err(Finding::HelperSleeps.into());
        }
        if let (true, Some(section)) = (proto.flags.contains(HelperFlags::MIGHT_SLEEP), self.atomic_section())
        {
            return Err(Finding::HelperSleepsIn { name: helper_name(found.name), id, section }.into());
        }
        let mut seen = Seen { id, ..Seen::default() };
        for n in 0..5 {
            self.argument(n, &proto, id, &mut seen)?;
        }
        if let (Some(recorder), Some((map, _))) = (&mut self.recorder, seen.map) {
            recorder.map_use(self.at, map, seen.const_key);
        }
        self.map_writable(id, &seen)?;
        if id == TAIL_CALL {
            self.tail_call_index(&seen)?;
        }
        if let Some((r, size)) = seen.raw {
            for i in 0..size {
                self.access(r, i as i32, 1, Way::Write, Value::None, false, false)?;
            }
        }
        self.release(id, &found, &seen)?;
        self.own_rules(id, &seen)?;
        self.clear_caller_saved();
        self.result(id, &found, &seen)?;
        self.compatible(id, &found, &seen)?;
        if id == GET_FUNC_IP {
            self.func_ip()?;
        }
        // A tail call that fails has moved nothing, and one that succeeds leaves the program.
        if id == TAIL_CALL && self.rules.tail_calls_end_functions {
            return if self.cur.curframe() > 0 { self.leave_by_tail_call() } else { Ok(Next::Straight) };
        }
        let writes_packet = id == DYNPTR_WRITE
            && seen.dynptr.is_some_and(|d| matches!(d.ty, DynptrType::Skb | DynptrType::SkbMeta));
        if proto.flags.contains(HelperFlags::CHANGES_PKT) || writes_packet {
            self.forget_packets();
        }
        Ok(Next::Straight)
    }

    /// Only programs at functions have an address of a function (Linux `check_get_func_ip`).
    fn func_ip(&self) -> Judged<()> {
        match self.program.prog_type {
            Some(ProgType::Kprobe) => Ok(()),
            Some(ProgType::Tracing) => match self.kind.attach_type {
                AttachType::TraceFentry | AttachType::TraceFexit | AttachType::ModifyReturn => Ok(()),
                _ => Err(Finding::FuncIpTrampoline { id: GET_FUNC_IP }.into()),
            },
            prog_type => {
                let prog_type = prog_type.map_or(0, ProgType::number);
                Err(Finding::FuncIpProgram { id: GET_FUNC_IP, prog_type }.into())
            }
        }
    }

    fn refused_helper(&self, id: i32, refusal: HelperRefusal) -> Stop {
        let known = u32::try_from(id).ok().and_then(|id| self.model.helper(id));
        match refusal {
            // Number 0 is no helper and yet has a name.
            HelperRefusal::UnknownId if id == 0 => Finding::HelperNotForProgram { name: "unspec", id }.into(),
            HelperRefusal::UnknownId => {
                let name = known.map_or_else(|| String::from("unknown"), |h| helper_name(h.name));
                Finding::InvalidHelper { name, id }.into()
            }
            _ => match known {
                Some(record) => Finding::HelperNotForProgram { name: record.name, id }.into(),
                None => Finding::InvalidHelper { name: String::from("unknown"), id }.into(),
            },
        }
    }

    fn map_writable(&self, id: i32, seen: &Seen) -> Judged<()> {
        let Some(map) = seen.map.and_then(|m| self.map(m.0)) else { return Ok(()) };
        let writes = matches!(id, MAP_UPDATE | MAP_DELETE | MAP_PUSH | MAP_POP);
        let readonly = MapCreateFlags::from_bits(map.flags).contains(MapCreateFlags::RDONLY_PROG);
        if writes && (readonly || self.is_readonly_kind(map.kind())) {
            return Err(Finding::MapWriteForbidden.into());
        }
        Ok(())
    }

    /// A constant index into the array of programs is jumped to directly, so it must stay one.
    fn tail_call_index(&mut self, seen: &Seen) -> Judged<()> {
        let Some(map) = seen.map.and_then(|m| self.map(m.0)) else { return Ok(()) };
        if map.kind() != Some(MapType::ProgArray) {
            return Err(Finding::TailCallMap.into());
        }
        let max = u64::from(map.max_entries);
        let index = self.cur.reg(3);
        if index.is_scalar() && index.num.const_value().is_some_and(|v| v < max) {
            self.mark_precise(3)?;
        }
        Ok(())
    }

    fn release(&mut self, id: i32, found: &HelperMatch<'_>, seen: &Seen) -> Judged<()> {
        let Some(r) = seen.release else { return Ok(()) };
        if found.proto.args[r - 1].kind == ArgKind::Dynptr {
            return self.release_dynptr(r);
        }
        if seen.ref_id == 0 {
            return match self.cur.reg(r).is_null() {
                true => Ok(()),
                false => Err(Finding::NotAcquired { name: helper_name(found.name), id }.into()),
            };
        }
        let ref_id = seen.ref_id;
        if !self.drop_reference(ref_id)? {
            return Err(Finding::NotAcquired { name: helper_name(found.name), id }.into());
        }
        if id == XCHG {
            self.give_to_value(ref_id);
        } else {
            self.cur.for_each_reg(|reg| reg.ref_id == ref_id, |reg| *reg = Reg::unknown());
        }
        Ok(())
    }

    fn own_rules(&mut self, id: i32, seen: &Seen) -> Judged<()> {
        match id {
            TAIL_CALL => self.nothing_left("tail_call", true),
            GET_LOCAL_STORAGE if !self.cur.reg(2).is_null() => Err(Finding::StorageFlags.into()),
            GET_LOCAL_STORAGE if self.rules.zero_arguments_are_precise => self.mark_precise(2),
            FOR_EACH | FIND_VMA | USER_RINGBUF_DRAIN => self.push_callback(id, seen),
            DYNPTR_FROM_MEM => match *self.cur.reg(1) {
                Reg { kind: Kind::MapValue, mods: Mods::NONE, .. } => Ok(()),
                reg => Err(Finding::DynptrMemory { ty: reg.type_name() }.into()),
            },
            SNPRINTF => self.snprintf(),
            TIMER_SET_CALLBACK => self.push_async(seen.subprog, seen.map, Later::Timer),
            LOOP => {
                self.loop_inlining(seen)?;
                self.mark_precise(1)?;
                if u64::from(self.cur.cur().callback_depth) < self.cur.reg(1).num.umax() {
                    self.push_callback(id, seen)
                } else {
                    self.cur.cur_mut().callback_depth = 0;
                    let frame = self.cur.curframe();
                    if self.log.verbose() {
                        self.log.line(format_args!("frame{frame} bpf_loop iteration limit reached\n"));
                    }
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    /// A loop whose flags are surely none and whose callback is always the same is put in place of the
    /// call, so that the flags must stay none (Linux `update_loop_inline_state`).
    fn loop_inlining(&mut self, seen: &Seen) -> Judged<()> {
        let callback = seen.subprog.unwrap_or_default();
        let known = self.loops.get(&self.at).copied();
        if known == Some(None) {
            return Ok(());
        }
        let none = self.cur.reg(4).is_null();
        if none {
            self.mark_precise(4)?;
        }
        let fits = none && known.is_none_or(|old| old == Some(callback));
        self.loops.insert(self.at, fits.then_some(callback));
        Ok(())
    }

    fn result(&mut self, id: i32, found: &HelperMatch<'_>, seen: &Seen) -> Judged<()> {
        let ret = found.proto.ret;
        let mut mods = Mods::NONE;
        for (flag, of) in [
            (RetFlags::NULLABLE, Mods::MAYBE_NULL),
            (RetFlags::RDONLY, Mods::RDONLY),
            (RetFlags::RINGBUF, Mods::RINGBUF),
            (RetFlags::TRUSTED, Mods::TRUSTED),
        ] {
            if ret.flags.contains(flag) {
                mods = mods.with(of);
            }
        }
        let mut r0 = match ret.kind {
            RetKind::Integer => Reg::unknown(),
            RetKind::Void => Reg::not_init(),
            RetKind::MapValue => {
                let Some((map, uid)) = seen.map else { return Err(Stop::Unknown(Feature::Internal)) };
                let def = self.map(map).ok_or(Stop::Unknown(Feature::Internal))?;
                let found_for_sure = id == MAP_LOOKUP
                    && matches!(def.kind(), Some(MapType::Array | MapType::PercpuArray))
                    && seen.const_key.is_some_and(|k| k < u64::from(def.max_entries));
                if found_for_sure {
                    mods = mods.without(Mods::MAYBE_NULL);
                }
                let mut reg = Reg { a: map, b: uid, ..Reg::pointer(Kind::MapValue, mods) };
                if !reg.maybe_null() && self.has_lock(map) {
                    reg.id = self.fresh_id();
                }
                reg
            }
            RetKind::Socket => Reg::pointer(Kind::Socket, mods),
            RetKind::TcpSock => Reg::pointer(Kind::TcpSock, mods),
            RetKind::SockCommon => Reg::pointer(Kind::SockCommon, mods),
            RetKind::Mem => Reg { a: seen.alloc_size as u32, ..Reg::pointer(Kind::Mem, mods) },
            // Which type the object has follows from an argument.
            RetKind::BtfId if ret.flags.contains(RetFlags::BTF_BY_ARG) => self.taken_kptr(seen, mods)?,
            RetKind::BtfId => {
                let id = self.types.find(ret.btf, oxbpf_isa::btf::Kind::Struct);
                Reg::typed(Part::VMLINUX, id.ok_or(Stop::Unknown(Feature::KernelTypes))?, mods)
            }
            RetKind::MemOrBtfId => self.percpu_result(seen, mods)?,
            _ => return Err(Stop::Unknown(Feature::KernelTypes)),
        };
        if r0.maybe_null() {
            r0.id = self.fresh_id();
        }
        if let (DYNPTR_DATA, Some(dynptr)) = (id, seen.dynptr) {
            (r0.b, r0.ref_id) = (dynptr.id, dynptr.ref_id);
        } else if found.proto.flags.contains(HelperFlags::CAST) {
            r0.ref_id = seen.ref_id;
        } else if found.proto.flags.contains(HelperFlags::ACQUIRE) || self.acquires(id, seen) {
            let fresh = self.fresh_id();
            self.hold(Reference::object(fresh, self.at))?;
            (r0.id, r0.ref_id) = (fresh, fresh);
        }
        if r0.is_scalar() {
            r0.num = match ret.bounds {
                RetBounds::Any => r0.num,
                RetBounds::ErrorOrSize => {
                    let max = i32::try_from(seen.size_max).unwrap_or(i32::MAX);
                    Scalar::UNKNOWN.with_signed_bounds_both((-MAX_ERRNO) as u32, max as u32, self.arithmetic)
                }
                RetBounds::Cpu => {
                    Scalar::UNKNOWN.with_signed_bounds_both(0, self.cpus.saturating_sub(1), self.arithmetic)
                }
            };
        }
        *self.cur.reg_mut(0) = r0;
        Ok(())
    }

    /// A lookup in a socket map gives a socket to be released.
    fn acquires(&self, id: i32, seen: &Seen) -> bool {
        let kind = seen.map.and_then(|m| self.map(m.0)).and_then(|m| m.kind());
        id == MAP_LOOKUP && matches!(kind, Some(MapType::Sockmap | MapType::Sockhash))
    }

    fn compatible(&mut self, id: i32, found: &HelperMatch<'_>, seen: &Seen) -> Judged<()> {
        let Some(map) = seen.map.and_then(|m| self.map(m.0)) else { return Ok(()) };
        let (kind, map_type) = (map.kind(), map.map_type);
        let Some(kind) = kind else { return Err(Stop::Unknown(Feature::Maps)) };
        if !self.model.map_allows(kind, &self.kind, id as u32) {
            if matches!(kind, MapType::Sockmap | MapType::Sockhash) && matches!(id, MAP_UPDATE | MAP_DELETE) {
                self.log.line(format_args!("cannot update sockmap in this context\n"));
            }
            let name = helper_name(found.name);
            return Err(Finding::MapHelper { map_type, name, id }.into());
        }
        Ok(())
    }

    /// The packet may have moved: what pointed into it is a number now.
    pub(super) fn forget_packets(&mut self) {
        let in_packet = Mods::DYNPTR_SKB.with(Mods::DYNPTR_XDP).with(Mods::DYNPTR_SKB_META);
        let moves = |r: &Reg| r.is_packet_any() || r.kind == Kind::Mem && r.mods.any(in_packet);
        self.cur.for_each_reg(moves, |r| *r = Reg::unknown());
    }
}
