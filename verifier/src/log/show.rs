//! States and instructions as the log writes them.
//!
//! Rules: `print_verifier_state`, `print_reg_state`, `print_insn_state` and `verbose_linfo` of Linux
//! 6.18. A state is printed in full where a path is taken up, and otherwise what an instruction
//! touched, behind the instruction from the fortieth column on.

use super::{Log, Subject};
use crate::domain::{Dialect as Numbers, write_signed, write_unsigned};
use crate::explore::{Backtrack, Walker};
use crate::kfunc::{Call, Kfunc, Kfuncs};
use crate::state::{ADD_CONST, Byte, DynptrType, Kind, Mods, Reg, State, StateId};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use oxbpf_isa::disasm::{Kernel, Names};
use oxbpf_isa::kernel::KernelModel;

/// Where what changed is written.
const COLUMN: usize = 40;
/// Behind longer instructions it is written at the next multiple of this.
const TAB: usize = 8;

/// An unsigned number as the log writes it.
struct Hex(u64);

impl core::fmt::Display for Hex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write_unsigned(f, self.0)
    }
}

struct KernelNames<'a>(&'a KernelModel, &'a Kfuncs<'a>);

impl Names for KernelNames<'_> {
    fn helper(&self, id: i32) -> Option<Cow<'_, str>> {
        let name = self.0.helper_name(u32::try_from(id).ok()?)?;
        Some(format!("bpf_{name}").into())
    }

    fn kfunc(&self, slot: usize, _id: i32) -> Option<Cow<'_, str>> {
        match self.1.at(slot as u32) {
            Call::Known(Kfunc { name, .. }) | Call::Forbidden { name, .. } => Some(name.into()),
            Call::Absent | Call::Unknown(_) => None,
        }
    }
}

impl Log {
    /// Prints a frame of a state; all of it, or what was touched.
    pub fn state(&mut self, state: &State, frame: usize, all: bool, subject: Subject<'_>) {
        if !self.any() {
            return;
        }
        let f = &state.frames[frame];
        if frame > 0 {
            self.line(format_args!(" frame{frame}:"));
        }
        for (r, reg) in f.regs.iter().enumerate() {
            if reg.kind == Kind::NotInit || !all && self.regs >> r & 1 == 0 {
                continue;
            }
            let text = reg_text(reg, frame, subject);
            self.line(format_args!(" R{r}={text}"));
        }
        let mut lower_of_dynptr = None;
        for (spi, slot) in f.stack.iter().enumerate() {
            if lower_of_dynptr == Some(spi) {
                // The upper slot of the dynptr is printed whether it was touched or not.
                lower_of_dynptr = None;
                self.line(format_args!(" fp{}={}", -8 * (spi as i64 + 1), dynptr_text(&slot.reg)));
                continue;
            }
            if !all && self.slots >> (spi & 63) & 1 == 0 {
                continue;
            }
            let types: String = slot
                .bytes
                .iter()
                .map(|b| match b {
                    Byte::Invalid => '?',
                    Byte::Spill => 'r',
                    Byte::Misc => 'm',
                    Byte::Zero => '0',
                    Byte::Dynptr => 'd',
                    Byte::Iter => 'i',
                    Byte::Irq => 'f',
                })
                .collect();
            if slot.bytes.iter().all(|b| *b == Byte::Invalid) {
                continue;
            }
            let off = -8 * (spi as i64 + 1);
            match slot.bytes[7] {
                Byte::Dynptr => {
                    lower_of_dynptr = Some(spi + 1);
                    continue;
                }
                Byte::Iter => {
                    if slot.reg.ref_id != 0 {
                        self.line(format_args!(" fp{off}={}", iter_text(&slot.reg, subject)));
                    }
                    continue;
                }
                _ => {}
            }
            if slot.is_spill() {
                // Bytes from the top that are not part of the register.
                let partial: String =
                    types.chars().rev().collect::<String>().chars().rev().take_while(|c| *c != 'r').collect();
                let text = reg_text(&slot.reg, frame, subject);
                self.line(format_args!(" fp{off}={partial}{text}"));
            } else {
                self.line(format_args!(" fp{off}={types}"));
            }
        }
        if state.refs.first().is_some_and(|r| r.id != 0) {
            for (i, reference) in state.refs.iter().enumerate().filter(|(_, r)| r.id != 0) {
                let lead = if i == 0 { " refs=" } else { "," };
                self.line(format_args!("{lead}{}", reference.id));
            }
        }
        if f.in_callback {
            self.line(format_args!(" cb"));
        }
        if f.in_async_callback {
            self.line(format_args!(" async_cb"));
        }
        self.line(format_args!("\n"));
        if !all {
            (self.regs, self.slots) = (0, 0);
        }
    }

    /// What an instruction touched, behind it if nothing was written since.
    fn touched(&mut self, state: &State, subject: Subject<'_>) {
        if self.text.len() == self.line_end && self.line_len > 0 {
            // The end of the line goes, or what stands there since a path was given up.
            self.text.pop();
            let width = (self.line_len + TAB / 2).max(COLUMN).next_multiple_of(TAB) - self.line_len - 1;
            self.line(format_args!("{:width$};", ""));
        } else {
            let insn = state.insn;
            self.line(format_args!("{insn}:"));
        }
        self.state(state, state.curframe(), false, subject);
    }
}

fn dynptr_text(reg: &Reg) -> String {
    let mut fields = Vec::new();
    // The kernel keeps whether this is the upper slot where slices have the dynptr's id.
    for (name, id) in [("id", reg.id), ("ref_id", reg.ref_id), ("dynptr_id", reg.b)] {
        if id != 0 {
            fields.push(format!("{name}={id}"));
        }
    }
    format!("dynptr_{}({})", reg.dynptr_type().map_or("", DynptrType::name), fields.join(","))
}

fn iter_text(reg: &Reg, subject: Subject<'_>) -> String {
    let name = subject.types.name_of(reg);
    format!(
        "iter_{}(ref_id={},state={},depth={})",
        name.strip_prefix("bpf_iter_").unwrap_or(name),
        reg.ref_id,
        if reg.iter_is_active() { "active" } else { "drained" },
        reg.iter_depth()
    )
}

fn reg_text(reg: &Reg, frame: usize, subject: Subject<'_>) -> String {
    let mut out = String::new();
    if reg.is_scalar() && reg.precise {
        out.push('P');
    }
    if reg.is_scalar() && reg.num.is_const() {
        let _ = write_signed(&mut out, reg.num.const_value().unwrap_or(0) as i64);
        return out;
    }
    out.push_str(&reg.type_name());
    if reg.kind == Kind::BtfId {
        out.push_str(subject.types.name_of(reg));
    }
    if reg.kind == Kind::Arena {
        return out;
    }
    if reg.kind == Kind::Stack {
        if reg.frame as usize != frame {
            let _ = write!(out, "[{}]", reg.frame);
        }
        if reg.num.is_const() {
            let off = reg.num.const_value().unwrap_or(0) as i64 + i64::from(reg.off);
            let _ = write_signed(&mut out, off);
            return out;
        }
    }
    out.push('(');
    let mut separator = "";
    let mut field = |out: &mut String, text: &str| {
        let _ = write!(out, "{separator}{text}");
        separator = ",";
    };
    if reg.id != 0 {
        field(&mut out, &format!("id={}", reg.id & !ADD_CONST));
    }
    if reg.id & ADD_CONST != 0 {
        let _ = write!(out, "{:+}", reg.off);
    }
    if reg.ref_id != 0 {
        field(&mut out, &format!("ref_obj_id={}", reg.ref_id));
    }
    if reg.kind == Kind::BtfId && reg.mods.has(Mods::ALLOC.with(Mods::NON_OWN_REF)) {
        field(&mut out, "non_own_ref");
    }
    if reg.mods.has(Mods::ALLOC) && reg.mods.has(Mods::NON_OWN_REF) {
        field(&mut out, "non_own_ref");
    }
    if matches!(reg.kind, Kind::MapPtr | Kind::MapKey | Kind::MapValue) {
        let map = subject.program.maps.get((reg.a & 0x7fff_ffff) as usize).map(|m| &**m);
        // The shape of inner maps has no name.
        let is_inner = reg.a >> 31 == 1;
        let map = if is_inner { map.and_then(|m| m.inner.as_deref()) } else { map };
        if let Some(map) = map {
            if !map.name.is_empty() && !is_inner {
                // The kernel keeps so much of a name.
                let name: String = map.name.chars().take(15).collect();
                field(&mut out, &format!("map={name}"));
            }
            field(&mut out, &format!("ks={}", map.key_size));
            field(&mut out, &format!("vs={}", map.value_size));
        }
    }
    if !reg.is_scalar() && reg.off != 0 {
        let mut text = String::from("off=");
        let _ = write_signed(&mut text, i64::from(reg.off));
        field(&mut out, &text);
    }
    if reg.is_packet() {
        field(&mut out, &format!("r={}", Hex(i64::from(reg.a as i32) as u64)));
    }
    if reg.kind == Kind::Mem {
        field(&mut out, &format!("sz={}", Hex(u64::from(reg.a))));
    }
    if let Some(ty) = reg.dynptr_type() {
        field(&mut out, &format!("type={}", ty.name()));
    }
    if reg.num.is_const() {
        if reg.num.const_value() != Some(0) {
            field(&mut out, &format!("imm={}", reg.num.show(Numbers::Linux6_8)));
        }
    } else {
        let ranges = format!("{}", reg.num.show(Numbers::Linux6_8));
        if !ranges.is_empty() {
            field(&mut out, &ranges);
        }
    }
    out.push(')');
    out
}

impl Walker<'_> {
    pub(crate) fn log_from(&mut self) {
        let (from, at) = (self.from, self.at);
        self.log.line(format_args!("\nfrom {from} to {at}:"));
        self.log.state(&self.cur, self.cur.curframe(), true, self.subject);
    }

    pub(crate) fn log_insn(&mut self, at: u32) {
        if self.log.regs != 0 || self.log.slots != 0 {
            self.log.touched(&self.cur, self.subject);
        }
        self.log_source(at);
        self.log.line_start = self.log.text.len();
        let text = self.insn_text(at);
        self.log.line(format_args!("{at}: {text}\n"));
        self.log.line_len = self.log.text.len() - self.log.line_start;
        self.log.line_end = self.log.text.len();
    }

    pub(crate) fn log_state(&mut self) {
        self.log.touched(&self.cur, self.subject);
    }

    /// The line of the source an instruction comes from, unless it was written last.
    pub(crate) fn log_source(&mut self, at: u32) {
        if !self.log.any() {
            return;
        }
        let after = self.program.lines.partition_point(|l| l.insn <= at);
        let Some(index) = after.checked_sub(1) else { return };
        let same = |old: usize| {
            let (a, b) = (&self.program.lines[old], &self.program.lines[index]);
            a.file_name == b.file_name && a.line_text == b.line_text && a.line() == b.line()
        };
        if self.log.last_source.is_some_and(same) {
            return;
        }
        let Some(btf) = &self.program.btf else { return };
        let line = self.program.lines[index];
        let text =
            |off| btf.str_bytes(off).map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default();
        let (source, file) = (text(line.line_text), text(line.file_name));
        let file = file.rsplit('/').next().unwrap_or_default();
        self.log.last_source = Some(index);
        self.log.line(format_args!("; {} @ {file}:{}\n", source.trim_start(), line.line()));
    }

    fn insn_text(&self, at: u32) -> String {
        let names = KernelNames(self.model, &self.kfuncs);
        let slots = &self.program.insns[at as usize..];
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = Kernel.log(&mut text, at as usize, &slots[..slots.len().min(2)], &names);
        text
    }

    /// Before the walk: which registers are read from each instruction on, and which loop it is in.
    pub(crate) fn log_live_registers(&mut self) {
        if !self.log.verbose() {
            return;
        }
        self.log.line(format_args!("Live regs before insn:\n"));
        let mut at = 0;
        while at < self.program.insns.len() {
            match self.graph.scc[at] {
                0 => self.log.line(format_args!("    ")),
                scc => self.log.line(format_args!("{scc:3} ")),
            }
            self.log.line(format_args!("{at:3}: "));
            for r in 0..10 {
                match self.graph.live[at] >> r & 1 {
                    1 => self.log.line(format_args!("{r}")),
                    _ => self.log.line(format_args!(".")),
                }
            }
            let text = self.insn_text(at as u32);
            self.log.line(format_args!(" {text}\n"));
            at += if self.program.insns[at].is_ldimm64() { 2 } else { 1 };
        }
    }

    pub(crate) fn log_backtrack(&mut self, at: u32, bt: &Backtrack) {
        let frame = bt.frame;
        self.log.line(format_args!("mark_precise: frame{frame}: "));
        self.log.masks(bt, frame);
        let text = self.insn_text(at);
        self.log.line(format_args!(" before {at}: {text}\n"));
    }

    /// The scalars of a kept state that are about to be taken as mattering.
    pub(crate) fn log_forced(&mut self, id: StateId) {
        let mut log = core::mem::take(&mut self.log);
        for (n, frame) in self.kept_state(id).frames.iter().enumerate() {
            let wanted = |reg: &Reg| reg.is_scalar() && !reg.precise;
            for (r, _) in frame.regs[..10].iter().enumerate().filter(|(_, reg)| wanted(reg)) {
                log.line(format_args!("force_precise: frame{n}: forcing r{r} to be precise\n"));
            }
            for (spi, slot) in frame.stack.iter().enumerate() {
                if slot.is_spill() && wanted(&slot.reg) {
                    let off = -8 * (spi as i64 + 1);
                    log.line(format_args!("force_precise: frame{n}: forcing fp{off} to be precise\n"));
                }
            }
        }
        self.log = log;
    }

    pub(crate) fn log_infinite_loop(&mut self, old: StateId, at: u32) {
        self.log_source(at);
        self.log.said(format_args!("infinite loop detected at insn {at}\n"));
        self.log.line(format_args!("cur state:"));
        self.log.state(&self.cur, self.cur.curframe(), true, self.subject);
        self.log.line(format_args!("old state:"));
        let mut log = core::mem::take(&mut self.log);
        let frame = self.cur.curframe();
        log.state(self.kept_state(old), frame, true, self.subject);
        self.log = log;
    }

    pub(crate) fn log_references(&mut self) {
        for i in 0..self.cur.refs.len() {
            let reference = self.cur.refs[i];
            if !reference.is_object() {
                continue;
            }
            let (id, insn) = (reference.id, reference.insn);
            self.log.line(format_args!("Unreleased reference id={id} alloc_insn={insn}\n"));
        }
    }

    pub(crate) fn log_call(&mut self) {
        let callee = self.cur.curframe();
        self.log.line(format_args!("caller:\n"));
        self.log.state(&self.cur, callee - 1, true, self.subject);
        self.log.line(format_args!("callee:\n"));
        self.log.state(&self.cur, callee, true, self.subject);
    }

    pub(crate) fn log_return(&mut self, to: u32) {
        let callee = self.cur.curframe();
        self.log.line(format_args!("returning from callee:\n"));
        self.log.state(&self.cur, callee, true, self.subject);
        self.log.line(format_args!("to caller at {to}:\n"));
        self.log.state(&self.cur, callee - 1, true, self.subject);
    }
}
