//! Loads and stores through every kind of pointer but those to the stack.
//!
//! Rules: `check_mem_access` of Linux 6.18 and what it calls for each kind: regions of known size
//! with a variable offset, packets up to the range that comparisons have shown, the context by the
//! tables of [`KernelModel`](oxbpf_isa::kernel::KernelModel), sockets by theirs, alignment.

use crate::domain::Tnum;
use crate::explore::{Judged, Next, Stop, Walker};
use crate::report::{Errno, Finding};
use crate::state::{Kind, Mods, Reg};
use crate::types::Part;
use crate::verdict::Feature;
use alloc::format;
use alloc::string::String;
use oxbpf_isa::insn::{AtomicOp, Operand, Reg as R, Size};
use oxbpf_isa::kernel::{CtxRefusal, CtxReg, MapCreateFlags, MapType, ProgFlags};

/// Loading or storing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Read,
    Write,
}

/// A load's destination or a store's source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// Into this register.
    Into(usize),
    /// From this operand.
    From(Operand),
    /// No register is involved.
    None,
}

impl Walker<'_> {
    /// With `strict`, the address must be aligned whatever the program asks for.
    pub(super) fn load(
        &mut self,
        size: Size,
        signed: bool,
        dst: R,
        base: R,
        off: i16,
        strict: bool,
    ) -> Judged<Next> {
        self.readable(base)?;
        self.writable(dst)?;
        let before = self.pointer_kind(base.index());
        self.access(
            base.index(),
            i32::from(off),
            size.bytes(),
            Way::Read,
            Value::Into(dst.index()),
            strict,
            signed,
        )?;
        self.hold_pointer_kind(before, true)?;
        if let Some(recorder) = &mut self.recorder {
            recorder.loaded(self.at, before.0, self.cur.reg(dst.index()));
        }
        self.sanitize_as(dst, if strict { "atomic_load" } else { "ldx" })
    }

    pub(super) fn store(
        &mut self,
        size: Size,
        base: R,
        off: i16,
        src: Operand,
        strict: bool,
    ) -> Judged<Next> {
        if let Operand::Reg(src) = src {
            self.readable(src)?;
        }
        self.readable(base)?;
        let before = self.pointer_kind(base.index());
        self.access(base.index(), i32::from(off), size.bytes(), Way::Write, Value::From(src), strict, false)?;
        self.hold_pointer_kind(before, false)?;
        Ok(Next::Straight)
    }

    /// One instruction is rewritten for one kind of pointer, so it cannot serve two
    /// (Linux `save_aux_ptr_type`).
    fn hold_pointer_kind(&mut self, through: (Kind, Mods), may_differ: bool) -> Judged<()> {
        let special = |kind: Kind| kind.is_sock() || matches!(kind, Kind::Ctx | Kind::BtfId | Kind::Arena);
        let seen = &mut self.pointer_kinds[self.at as usize];
        match seen {
            None => *seen = Some(through),
            Some(old) => {
                if *old == through || !special(old.0) && !special(through.0) {
                    return Ok(());
                }
                let is_object = |kind: Kind| matches!(kind, Kind::BtfId | Kind::Mem);
                if !may_differ || !is_object(old.0) || !is_object(through.0) {
                    return Err(Finding::DifferentPointers.into());
                }
                // The load is made one that may fail.
                let kind = if old.0 == Kind::Mem { Kind::Mem } else { through.0 };
                let both = |of: Mods| if old.1.has(of) || through.1.has(of) { of } else { Mods::NONE };
                *old = (kind, both(Mods::UNTRUSTED).with(both(Mods::RDONLY)));
            }
        }
        Ok(())
    }

    fn pointer_kind(&self, r: usize) -> (Kind, Mods) {
        let reg = self.cur.reg(r);
        (reg.kind, reg.mods)
    }

    pub(super) fn atomic(
        &mut self,
        op: AtomicOp,
        fetch: bool,
        size: Size,
        base: R,
        off: i16,
        src: R,
    ) -> Judged<Next> {
        if !matches!(size, Size::W | Size::Dw) {
            return Err(Finding::AtomicSize.into());
        }
        self.readable(src)?;
        self.readable(base)?;
        if op == AtomicOp::Cmpxchg {
            self.readable(R::R0)?;
        }
        self.not_to_atomics(base)?;
        self.arena_atomic(base, op, fetch)?;
        let dst = match (op, fetch) {
            (AtomicOp::Cmpxchg, _) => Some(R::R0),
            (_, true) => Some(src),
            _ => None,
        };
        if let Some(dst) = dst {
            self.writable(dst)?;
        }
        if let Some(dst) = dst {
            *self.cur.reg_mut(dst.index()) = Reg::unknown();
        }
        let (r, off, bytes) = (base.index(), i32::from(off), size.bytes());
        let before = self.pointer_kind(r);
        // First the load, then the store of something.
        self.access(r, off, bytes, Way::Read, Value::None, true, false)?;
        if let Some(dst) = dst {
            self.access(r, off, bytes, Way::Read, Value::Into(dst.index()), true, false)?;
        }
        self.access(r, off, bytes, Way::Write, Value::None, true, false)?;
        self.hold_pointer_kind(before, false)?;
        Ok(Next::Straight)
    }

    /// The kernel judges the access before it looks where it goes.
    pub(super) fn load_acquire(&mut self, size: Size, dst: R, base: R, off: i16) -> Judged<Next> {
        self.load(size, false, dst, base, off, true)?;
        match self.atomic_place(base) {
            true => Ok(Next::Straight),
            false => {
                let ty = self.cur.reg(base.index()).type_name();
                Err(Finding::AtomicLoadFrom { reg: base.number(), ty }.into())
            }
        }
    }

    pub(super) fn store_release(&mut self, size: Size, base: R, off: i16, src: R) -> Judged<Next> {
        self.store(size, base, off, Operand::Reg(src), true)?;
        self.not_to_atomics(base)?;
        Ok(Next::Straight)
    }

    fn not_to_atomics(&self, base: R) -> Judged<()> {
        if self.atomic_place(base) {
            return Ok(());
        }
        let ty = self.cur.reg(base.index()).type_name();
        Err(Finding::AtomicInto { reg: base.number(), ty }.into())
    }

    /// Whether what the register points to can be accessed atomically (Linux `atomic_ptr_type_ok`).
    fn atomic_place(&self, base: R) -> bool {
        !matches!(
            self.cur.reg(base.index()).kind,
            Kind::Ctx
                | Kind::Packet
                | Kind::PacketMeta
                | Kind::FlowKeys
                | Kind::Socket
                | Kind::SockCommon
                | Kind::TcpSock
                | Kind::XdpSock
        )
    }

    /// Judges an access of `size` bytes at `off` from the register, and does it.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn access(
        &mut self,
        r: usize,
        off: i32,
        size: u32,
        way: Way,
        value: Value,
        strict_once: bool,
        signed: bool,
    ) -> Judged<()> {
        let reg = *self.cur.reg(r);
        self.aligned(&reg, off, size, strict_once)?;
        let off = off.wrapping_add(reg.off);
        if let Some(recorder) = &mut self.recorder {
            recorder.access(self.at, &reg, off, size, self.cur.curframe());
        }
        let number = r as u8;
        let cannot_write = || Err(Stop::from(Finding::CannotWrite { reg: number, ty: reg.type_name() }));
        let into = if let Value::Into(dst) = value { Some(dst) } else { None };
        match reg.kind {
            Kind::MapKey if reg.mods == Mods::NONE => {
                if way == Way::Write {
                    return Err(Finding::WriteToKey { reg: number }.into());
                }
                let limit = self.map(reg.a).map_or(0, |m| m.key_size);
                self.region(r, off, i64::from(size), limit, false)?;
                self.set_unknown(into);
            }
            Kind::MapValue if reg.mods == Mods::NONE => {
                self.map_value(r, off, i64::from(size), way, false)?;
                self.not_special(&reg, off, size, false)?;
                if let Some(field) = self.kptr_at(&reg, off) {
                    self.kptr_access(&field, into)?;
                } else if let Some(dst) = into {
                    *self.cur.reg_mut(dst) = match self.constant_value(&reg, off, size, signed)? {
                        Some(value) => Reg::known(value),
                        None => Reg::unknown(),
                    };
                }
            }
            Kind::Mem if !reg.maybe_null() => {
                if way == Way::Write && reg.mods.has(Mods::RDONLY) {
                    return cannot_write();
                }
                if !reg.mods.has(Mods::RDONLY.with(Mods::UNTRUSTED)) {
                    self.region(r, off, i64::from(size), reg.a, false)?;
                }
                self.set_unknown(into);
            }
            Kind::Ctx if reg.mods == Mods::NONE => self.ctx_access(r, off, size, way, into, signed)?,
            Kind::Stack => {
                self.stack_bounds(r, off, i64::from(size), super::stack::way_word(way))?;
                match way {
                    Way::Read => self.stack_read(r, off, size, into)?,
                    Way::Write => {
                        let from = if let Value::From(operand) = value { Some(operand) } else { None };
                        self.stack_write(r, off, size, from)?;
                    }
                }
            }
            Kind::Packet | Kind::PacketMeta if reg.mods == Mods::NONE => {
                if way == Way::Write && !self.may_access_packet(Way::Write, None) {
                    return Err(Finding::PacketWrite.into());
                }
                self.packet(r, off, i64::from(size), false)?;
                self.set_unknown(into);
            }
            Kind::FlowKeys => {
                if off < 0 || i64::from(off) + i64::from(size) > 56 {
                    return Err(Finding::FlowKeys { off, size }.into());
                }
                self.set_unknown(into);
            }
            Kind::Socket | Kind::SockCommon | Kind::TcpSock | Kind::XdpSock if !reg.maybe_null() => {
                if way == Way::Write {
                    return cannot_write();
                }
                self.sock_access(r, &reg, off, size)?;
                self.set_unknown(into);
            }
            Kind::Arena => self.set_unknown(into),
            Kind::TpBuffer => {
                self.buffer_offset(r, &reg, "tracepoint", off, size)?;
                self.set_unknown(into);
            }
            Kind::BtfId if !reg.maybe_null() => self.typed_access(r, off, size, way, into)?,
            Kind::MapPtr if reg.mods == Mods::NONE => self.map_access(r, off, size, way, into)?,
            Kind::Buf if !reg.maybe_null() => {
                let is_readonly = reg.mods.has(Mods::RDONLY);
                if way == Way::Write && is_readonly {
                    return cannot_write();
                }
                let name = if is_readonly { "rdonly" } else { "rdwr" };
                self.buffer_offset(r, &reg, name, off, size)?;
                self.set_unknown(into);
            }
            _ => return Err(Finding::InvalidMemAccess { reg: number, ty: reg.type_name() }.into()),
        }
        if let Some(dst) = into
            && size < 8
            && self.cur.reg(dst).is_scalar()
        {
            let how = self.arithmetic;
            let reg = self.cur.reg_mut(dst);
            reg.num = match signed {
                false => reg.num.truncate(size * 8, how),
                true => reg.num.sign_extend(crate::domain::Width::W64, size * 8, how),
            };
        }
        Ok(())
    }

    fn set_unknown(&mut self, into: Option<usize>) {
        if let Some(dst) = into {
            *self.cur.reg_mut(dst) = Reg::unknown();
        }
    }

    /// A region of known size, at a variable offset.
    pub(super) fn region(&mut self, r: usize, off: i32, size: i64, limit: u32, zero_ok: bool) -> Judged<()> {
        let reg = *self.cur.reg(r);
        let number = r as u8;
        let off = i64::from(off);
        let smin = reg.num.smin();
        if smin < 0 {
            let sum = smin.checked_add(off);
            if smin == i64::MIN || sum.is_none_or(|s| i32::try_from(s).is_err() || s < 0) {
                return Err(Finding::MinNegativeIndex { reg: number }.into());
            }
        }
        let fits = |at: i64| at >= 0 && (size > 0 || size == 0 && zero_ok) && at + size <= i64::from(limit);
        // The kernel passes the sum as an int.
        if !fits(i64::from(smin.wrapping_add(off) as i32)) {
            return Err(self.outside(
                &reg,
                smin.wrapping_add(off) as i32,
                size,
                limit,
                Finding::MinOutside { reg: number },
            ));
        }
        if reg.num.umax() >= self.max_offset() as u64 {
            return Err(Finding::UnboundedAccess { reg: number }.into());
        }
        let top = (reg.num.umax() as i64 + off) as i32;
        if !fits(i64::from(top)) {
            return Err(self.outside(&reg, top, size, limit, Finding::MaxOutside { reg: number }));
        }
        Ok(())
    }

    /// Writes the line about the region before the one about the register.
    fn outside(&mut self, reg: &Reg, off: i32, size: i64, limit: u32, finding: Finding) -> Stop {
        self.log.line(format_args!("{}", region_text(reg, off, size, limit)));
        finding.into()
    }

    pub(super) fn map_value(&mut self, r: usize, off: i32, size: i64, way: Way, zero_ok: bool) -> Judged<()> {
        let reg = *self.cur.reg(r);
        let Some(map) = self.map(reg.a) else { return Err(Stop::Unknown(Feature::Internal)) };
        let (flags, value_size) = (MapCreateFlags::from_bits(map.flags), map.value_size);
        let forbidden = match way {
            Way::Write => flags.contains(MapCreateFlags::RDONLY_PROG) || self.is_readonly_kind(map.kind()),
            Way::Read => flags.contains(MapCreateFlags::WRONLY_PROG),
        };
        if forbidden {
            return Err(match way {
                Way::Write => Finding::MapWrite { value_size, off, size },
                Way::Read => Finding::MapRead { value_size, off, size },
            }
            .into());
        }
        self.region(r, off, size, value_size, zero_ok)
    }

    pub(super) fn is_readonly_kind(&self, kind: Option<MapType>) -> bool {
        use oxbpf_isa::kernel::MapFlags;
        let record = kind.and_then(|k| self.model.map(k));
        record.is_some_and(|r| r.flags.contains(MapFlags::RDONLY_IN_PROGRAMS))
    }

    /// Fields of the value that only helpers may touch.
    pub(super) fn not_special(&mut self, reg: &Reg, off: i32, size: u32, by_helper: bool) -> Judged<()> {
        let fields = self.fields_of(reg.a);
        let low = i64::from(off) + reg.num.smin();
        let high = (i64::from(off)).wrapping_add(reg.num.umax() as i64).wrapping_add(i64::from(size));
        let (at, bytes) = (off, size);
        for field in fields.all() {
            if low < i64::from(field.off + field.size) && i64::from(field.off) < high {
                if field.kind.is_pointer() {
                    self.kptr_bytes(field, reg, at, bytes, by_helper)?;
                    continue;
                }
                return Err(Finding::SpecialField { name: field.kind.shown() }.into());
            }
        }
        Ok(())
    }

    /// What a constant of a frozen read-only map holds.
    fn constant_value(&self, reg: &Reg, off: i32, size: u32, signed: bool) -> Judged<Option<u64>> {
        let Some(map) = self.map(reg.a) else { return Ok(None) };
        let readonly =
            MapCreateFlags::from_bits(map.flags).contains(MapCreateFlags::RDONLY_PROG) && map.frozen;
        let (true, Some(var), Some(MapType::Array)) = (readonly, reg.num.const_value(), map.kind()) else {
            return Ok(None);
        };
        let at = (i64::from(off) + var as i64) as usize;
        // Only the first element has an address; an offset into others is one into the same array.
        let mut bytes = [0u8; 8];
        match &map.data {
            Some(data) if map.max_entries == 1 => {
                let Some(slice) = data.get(at..at + size as usize) else {
                    return Err(Stop::Unknown(Feature::MapContents));
                };
                bytes[..size as usize].copy_from_slice(slice);
            }
            _ => return Err(Stop::Unknown(Feature::MapContents)),
        }
        let value = u64::from_le_bytes(bytes);
        let shift = 64 - 8 * size;
        Ok(Some(if signed { ((value << shift) as i64 >> shift) as u64 } else { value }))
    }

    pub(super) fn packet(&mut self, r: usize, off: i32, size: i64, zero_ok: bool) -> Judged<()> {
        let reg = *self.cur.reg(r);
        let number = r as u8;
        if reg.num.smin() < 0 {
            return Err(Finding::MinNegativeIndex { reg: number }.into());
        }
        let range = reg.a as i32;
        let size_ok = size > 0 || size == 0 && zero_ok;
        if range < 0 || off < 0 || !size_ok || i64::from(off) + size > i64::from(range) {
            if range >= 0 {
                let id = reg.id;
                self.log.line(format_args!(
                    "invalid access to packet, off={off} size={size}, R{r}(id={id},off={off},r={range})\n"
                ));
            }
            // Beyond the end there is no range to compare with.
            let errno = if range < 0 { Errno::EINVAL } else { Errno::EACCES };
            return Err(Finding::OutsidePacket { reg: number, errno }.into());
        }
        Ok(())
    }

    /// Whether packets may be read, or written, or given to a helper (Linux
    /// `may_access_direct_pkt_data`).
    pub(super) fn may_access_packet(&self, way: Way, helper_takes_packets: Option<bool>) -> bool {
        let flags = self.prog.flags;
        let able = match way {
            Way::Read => flags.contains(ProgFlags::PKT_READ),
            Way::Write => flags.contains(ProgFlags::PKT_WRITE),
        };
        match helper_takes_packets {
            Some(takes) => able && (takes || flags.contains(ProgFlags::PKT_TO_ANY_HELPER)),
            None => able,
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn ctx_access(
        &mut self,
        r: usize,
        off: i32,
        size: u32,
        way: Way,
        into: Option<usize>,
        signed: bool,
    ) -> Judged<()> {
        let reg = *self.cur.reg(r);
        self.pointer_offset(&reg, r)?;
        let found = match self.model.ctx_access(&self.kind, off, size, way == Way::Write) {
            // Pointers are not sign-extended.
            Ok(found) if signed && found.reg != CtxReg::Scalar => return Err(self.bad_ctx(off, size)),
            Ok(found) => found,
            Err(CtxRefusal::Invalid) => return Err(self.bad_ctx(off, size)),
            Err(CtxRefusal::TypedByBtf) => {
                let Some(mut found) = self.typed_context(off, size, way)? else {
                    return Err(self.bad_ctx(off, size));
                };
                if signed && !found.is_scalar() {
                    return Err(self.bad_ctx(off, size));
                }
                if found.maybe_null() {
                    found.id = self.fresh_id();
                }
                if let Some(dst) = into {
                    *self.cur.reg_mut(dst) = found;
                }
                return Ok(());
            }
            Err(CtxRefusal::OfTarget) => return Err(Stop::Unknown(Feature::Target)),
            Err(_) => return Err(Stop::Unknown(Feature::Context)),
        };
        let Some(dst) = into else { return Ok(()) };
        let (kind, mods) = match found.reg {
            CtxReg::Scalar => {
                *self.cur.reg_mut(dst) = Reg::unknown();
                return Ok(());
            }
            CtxReg::Packet => (Kind::Packet, Mods::NONE),
            CtxReg::PacketMeta => (Kind::PacketMeta, Mods::NONE),
            CtxReg::PacketEnd => (Kind::PacketEnd, Mods::NONE),
            CtxReg::FlowKeys => (Kind::FlowKeys, Mods::NONE),
            CtxReg::Socket => (Kind::Socket, Mods::NONE),
            CtxReg::SocketOrNull => (Kind::Socket, Mods::MAYBE_NULL),
            CtxReg::SockCommonOrNull => (Kind::SockCommon, Mods::MAYBE_NULL),
            CtxReg::TpBuffer => (Kind::TpBuffer, Mods::NONE),
            CtxReg::TrustedBtf(name) => {
                let id = self.types.find(name, oxbpf_isa::btf::Kind::Struct);
                let id = id.ok_or(Stop::Unknown(Feature::KernelTypes))?;
                *self.cur.reg_mut(dst) = Reg::typed(Part::VMLINUX, id, Mods::TRUSTED);
                return Ok(());
            }
            _ => return Err(Stop::Unknown(Feature::KernelTypes)),
        };
        let mut reg = Reg::pointer(kind, mods);
        if reg.maybe_null() {
            reg.id = self.fresh_id();
        }
        *self.cur.reg_mut(dst) = reg;
        Ok(())
    }

    /// The kernel names the line of the source after the message here.
    fn bad_ctx(&mut self, off: i32, size: u32) -> Stop {
        let finding = Finding::CtxAccess { off, size };
        self.log.said(format_args!("{finding}\n"));
        let at = self.at;
        self.log_source(at);
        finding.into()
    }

    /// Pointers whose offset must be known, and mostly zero (Linux `__check_ptr_off_reg`).
    pub(super) fn pointer_offset(&mut self, reg: &Reg, r: usize) -> Judged<()> {
        let number = r as u8;
        if reg.off < 0 {
            return Err(Finding::NegativeOffset { ty: reg.type_name(), reg: number, off: reg.off }.into());
        }
        if reg.off != 0 {
            return Err(Finding::ModifiedPointer { ty: reg.type_name(), reg: number, off: reg.off }.into());
        }
        if !reg.num.tnum().equals_const(0) {
            let var_off: String = tnum_text(reg.num.tnum());
            return Err(Finding::VariablePointer { ty: reg.type_name(), var_off }.into());
        }
        Ok(())
    }

    fn sock_access(&mut self, r: usize, reg: &Reg, off: i32, size: u32) -> Judged<()> {
        let number = r as u8;
        if reg.num.smin() < 0 {
            return Err(Finding::MinNegativeIndex { reg: number }.into());
        }
        let valid = super::sock::readable(reg.kind, off, size);
        match valid {
            Some(true) => Ok(()),
            Some(false) => {
                let off = (i64::from(off) + reg.num.smin()) as i32;
                Err(Finding::SockAccess { reg: number, ty: reg.type_name(), off, size }.into())
            }
            None => Err(Stop::Unknown(Feature::Sockets)),
        }
    }

    /// The same where a fixed offset does not matter.
    pub(super) fn fixed_offset(&mut self, reg: &Reg, r: usize) -> Judged<()> {
        let off = reg.off.min(0);
        self.pointer_offset(&Reg { off, ..*reg }, r)
    }

    pub(super) fn buffer_offset(
        &mut self,
        r: usize,
        reg: &Reg,
        name: &'static str,
        off: i32,
        size: u32,
    ) -> Judged<()> {
        let number = r as u8;
        if off < 0 {
            return Err(Finding::BufferOffset { reg: number, name, off, size }.into());
        }
        if !reg.num.is_const() || reg.num.const_value() != Some(0) {
            return Err(
                Finding::BufferVariable { reg: number, off, var_off: tnum_text(reg.num.tnum()) }.into()
            );
        }
        Ok(())
    }

    /// Whether the address is aligned, where that matters.
    pub(super) fn aligned(&self, reg: &Reg, off: i32, size: u32, once: bool) -> Judged<()> {
        let mut strict = self.strict_alignment || once;
        let word = match reg.kind {
            Kind::Packet | Kind::PacketMeta => {
                if !strict || size == 1 {
                    return Ok(());
                }
                // Headers begin two bytes into a word.
                let at =
                    reg.num.tnum().plus(Tnum::constant((2 + i64::from(reg.off) + i64::from(off)) as u64));
                if !at.is_aligned(u64::from(size)) {
                    let var_off = tnum_text(reg.num.tnum());
                    return Err(Finding::MisalignedPacket { var_off, reg_off: reg.off, off, size }.into());
                }
                return Ok(());
            }
            Kind::Arena => return Ok(()),
            Kind::FlowKeys => "flow keys ",
            Kind::MapKey => "key ",
            Kind::MapValue => "value ",
            Kind::Ctx => "context ",
            Kind::Stack => {
                strict = true;
                "stack "
            }
            Kind::Socket => "sock ",
            Kind::SockCommon => "sock_common ",
            Kind::TcpSock => "tcp_sock ",
            Kind::XdpSock => "xdp_sock ",
            _ => "",
        };
        if !strict || size == 1 {
            return Ok(());
        }
        let at = reg.num.tnum().plus(Tnum::constant((i64::from(reg.off) + i64::from(off)) as u64));
        if !at.is_aligned(u64::from(size)) {
            let var_off = tnum_text(reg.num.tnum());
            return Err(Finding::Misaligned { word, var_off, reg_off: reg.off, off, size }.into());
        }
        Ok(())
    }
}

/// A tnum as messages write it (Linux `tnum_strn`).
pub(super) fn tnum_text(t: Tnum) -> String {
    format!("{t}")
}

fn region_text(reg: &Reg, off: i32, size: i64, limit: u32) -> String {
    match reg.kind {
        Kind::MapKey => format!("invalid access to map key, key_size={limit} off={off} size={size}\n"),
        Kind::MapValue => format!("invalid access to map value, value_size={limit} off={off} size={size}\n"),
        _ => format!("invalid access to memory, mem_size={limit} off={off} size={size}\n"),
    }
}
