//! Whether a helper may be given what is in the argument registers.
//!
//! Rules: `check_func_arg`, `check_reg_type`, `check_func_arg_reg_off`, `check_mem_size_reg`,
//! `check_helper_mem_access` of Linux 6.18. What a helper wants is a record of
//! [`HelperProto`](oxbpf_isa::kernel::HelperProto); which kinds of register satisfy a kind of
//! argument is [`accepted`].

use super::dynptr::{Given, Wanted};
use super::memory::{Value, Way};
use crate::explore::{Judged, Stop, Walker};
use crate::helper::{MAP_PEEK, SPIN_LOCK, XCHG};
use crate::report::Finding;
use crate::state::{Byte, Kind, LockKind, Mods, Reg, type_name};
use crate::verdict::Feature;
use alloc::string::String;
use oxbpf_isa::insn::Reg as R;
use oxbpf_isa::kernel::{
    Arg, ArgFlags, ArgKind, FieldKind, HelperFlags, HelperProto, MapCreateFlags, MapType, ProgFlags,
};

/// A map, and which of the maps inside another it is.
pub(super) type Map = (u32, u32);

/// What the arguments seen so far said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// The helper.
    pub id: i32,
    pub map: Option<Map>,
    /// Stack memory that the helper fills: the argument and the number of bytes.
    pub raw: Option<(usize, i64)>,
    pub ref_id: u32,
    pub release: Option<usize>,
    pub alloc_size: u64,
    pub size_max: u64,
    pub subprog: Option<u32>,
    pub const_key: Option<u64>,
    pub raw_mode: bool,
    pub dynptr: Option<Given>,
    /// The type of a per-CPU object: whose types, and which.
    pub object: Option<(u32, u32)>,
    /// RCU protects that object, which the program allocated.
    pub object_rcu: bool,
    /// Where a pointer is exchanged.
    pub kptr: Option<super::fields::Field>,
}

const MEMORY: &[(Kind, Mods)] = &[
    (Kind::Stack, Mods::NONE),
    (Kind::Packet, Mods::NONE),
    (Kind::PacketMeta, Mods::NONE),
    (Kind::MapKey, Mods::NONE),
    (Kind::MapValue, Mods::NONE),
    (Kind::Mem, Mods::NONE),
    (Kind::Mem, Mods::RINGBUF),
    (Kind::Buf, Mods::NONE),
    (Kind::BtfId, Mods::TRUSTED),
];
const SOCKETS: &[(Kind, Mods)] = &[
    (Kind::SockCommon, Mods::NONE),
    (Kind::Socket, Mods::NONE),
    (Kind::TcpSock, Mods::NONE),
    (Kind::XdpSock, Mods::NONE),
];
const KERNEL_SOCKETS: &[(Kind, Mods)] = &[
    (Kind::SockCommon, Mods::NONE),
    (Kind::Socket, Mods::NONE),
    (Kind::TcpSock, Mods::NONE),
    (Kind::XdpSock, Mods::NONE),
    (Kind::BtfId, Mods::NONE),
    (Kind::BtfId, Mods::TRUSTED),
];
const OBJECTS: &[(Kind, Mods)] =
    &[(Kind::BtfId, Mods::NONE), (Kind::BtfId, Mods::TRUSTED), (Kind::BtfId, Mods::RCU)];
const PERCPU_OBJECTS: &[(Kind, Mods)] = &[
    (Kind::BtfId, Mods::PERCPU),
    (Kind::BtfId, Mods::PERCPU.with(Mods::RCU)),
    (Kind::BtfId, Mods::PERCPU.with(Mods::TRUSTED)),
];
const SCALAR: &[(Kind, Mods)] = &[(Kind::Scalar, Mods::NONE)];

/// The kinds of register that an argument accepts, in the order the log lists them; none where
/// there is no model of the argument.
fn accepted(kind: ArgKind) -> Option<&'static [(Kind, Mods)]> {
    Some(match kind {
        ArgKind::MapKey | ArgKind::MapValue | ArgKind::Mem => MEMORY,
        ArgKind::Scalar | ArgKind::ConstSize | ArgKind::ConstSizeOrZero | ArgKind::ConstAllocSizeOrZero => {
            SCALAR
        }
        ArgKind::MapPtr => &[(Kind::MapPtr, Mods::NONE)],
        ArgKind::Ctx => &[(Kind::Ctx, Mods::NONE)],
        ArgKind::SockCommon => SOCKETS,
        ArgKind::Socket => &[(Kind::Socket, Mods::NONE)],
        ArgKind::BtfIdSockCommon => KERNEL_SOCKETS,
        ArgKind::BtfId => OBJECTS,
        ArgKind::PercpuBtfId => PERCPU_OBJECTS,
        ArgKind::RingbufMem => &[(Kind::Mem, Mods::RINGBUF)],
        ArgKind::Func => &[(Kind::Func, Mods::NONE)],
        ArgKind::Stack => &[(Kind::Stack, Mods::NONE)],
        ArgKind::ConstStr => &[(Kind::MapValue, Mods::NONE)],
        ArgKind::KptrXchgDest => &[(Kind::MapValue, Mods::NONE), (Kind::BtfId, Mods::ALLOC)],
        ArgKind::Timer => &[(Kind::MapValue, Mods::NONE)],
        ArgKind::SpinLock => &[(Kind::MapValue, Mods::NONE), (Kind::BtfId, Mods::ALLOC)],
        ArgKind::Dynptr => &[(Kind::Stack, Mods::NONE), (Kind::Dynptr, Mods::NONE)],
        _ => return None,
    })
}

/// How a pointer to an object may be marked to be given at an offset (Linux
/// `check_func_arg_reg_off`).
const MOVABLE: &[Mods] = &[
    Mods::NONE,
    Mods::ALLOC,
    Mods::TRUSTED,
    Mods::RCU,
    Mods::ALLOC.with(Mods::NON_OWN_REF),
    Mods::ALLOC.with(Mods::NON_OWN_REF).with(Mods::RCU),
];

impl Walker<'_> {
    /// Judges argument `n`, counted from 0.
    pub(super) fn argument(&mut self, n: usize, proto: &HelperProto, id: i32, seen: &mut Seen) -> Judged<()> {
        let arg = proto.args[n];
        let r = n + 1;
        if !arg.is_used() {
            return Ok(());
        }
        self.readable(R::ALL[r])?;
        if arg.kind == ArgKind::Anything {
            return Ok(());
        }
        let reg = *self.cur.reg(r);
        if reg.is_packet()
            && !self.may_access_packet(Way::Read, Some(proto.flags.contains(HelperFlags::PKT_ACCESS)))
        {
            return Err(Finding::HelperPacket.into());
        }
        let arg = self.resolve_value_arg(arg, id, seen)?;
        let nullable = arg.flags.contains(ArgFlags::NULLABLE);
        if reg.is_null() && nullable {
            if self.rules.zero_arguments_are_precise {
                self.mark_precise(r)?;
            }
        } else {
            self.argument_type(&reg, r, &arg, seen)?;
            self.argument_offset(&reg, r, &arg)?;
        }
        if arg.flags.contains(ArgFlags::RELEASE) {
            if arg.kind == ArgKind::Dynptr {
                self.owned_dynptr(&reg, r)?;
            } else if reg.ref_id == 0 && !reg.is_null() {
                return Err(Finding::NotReferenced { reg: r as u8 }.into());
            }
            seen.release = Some(r);
        }
        if reg.ref_id != 0 && arg.kind != ArgKind::KptrXchgDest {
            if seen.ref_id != 0 {
                return Err(Stop::Unknown(Feature::Internal));
            }
            seen.ref_id = reg.ref_id;
        }
        if let (Some(recorder), Kind::Ctx) = (&mut self.recorder, reg.kind) {
            recorder.context_given();
        }
        self.argument_use(&arg, r, &reg, proto, seen)
    }

    fn argument_use(
        &mut self,
        arg: &Arg,
        r: usize,
        reg: &Reg,
        proto: &HelperProto,
        seen: &mut Seen,
    ) -> Judged<()> {
        let way = |arg: &Arg| if arg.flags.contains(ArgFlags::WRITE) { Way::Write } else { Way::Read };
        match arg.kind {
            ArgKind::MapPtr => {
                if let Some(of) = seen.map
                    && of != (reg.a, reg.b)
                {
                    return Err(Finding::TimerMap { timer: of.1, map: reg.b }.into());
                }
                seen.map = Some((reg.a, reg.b));
            }
            ArgKind::MapKey => {
                let size = self.map_of(seen)?.key_size;
                self.helper_memory(r, i64::from(size), Way::Read, false, None)?;
                let kind = self.map_of(seen)?.kind();
                let is_array = matches!(kind, Some(MapType::Array | MapType::PercpuArray));
                if is_array && self.rules.constant_key_is_found {
                    seen.const_key = self.constant_key(reg, size)?;
                }
            }
            ArgKind::MapValue => {
                if reg.is_null() && arg.flags.contains(ArgFlags::NULLABLE) {
                    return Ok(());
                }
                let size = self.map_of(seen)?.value_size;
                seen.raw_mode = arg.flags.contains(ArgFlags::UNINIT);
                self.helper_memory(r, i64::from(size), way(arg), false, Some(seen))?;
            }
            ArgKind::Mem => {
                seen.raw_mode = arg.flags.contains(ArgFlags::UNINIT);
                if arg.flags.contains(ArgFlags::FIXED_SIZE) {
                    self.helper_memory(r, i64::from(arg.size), way(arg), false, Some(seen))?;
                    if arg.flags.contains(ArgFlags::ALIGNED) {
                        self.aligned(reg, 0, u32::from(arg.size), true)?;
                    }
                }
            }
            ArgKind::ConstSize | ArgKind::ConstSizeOrZero => {
                let before = proto.args[r - 2];
                let zero_ok = arg.kind == ArgKind::ConstSizeOrZero;
                self.memory_size(r, reg, way(&before), zero_ok, seen)?;
            }
            ArgKind::ConstAllocSizeOrZero => {
                let Some(size) = reg.num.const_value() else {
                    return Err(Finding::NotConstant { reg: r as u8 }.into());
                };
                seen.alloc_size = size;
                self.mark_precise(r)?;
            }
            ArgKind::Func => seen.subprog = Some(reg.a),
            ArgKind::PercpuBtfId => {
                seen.object = Some((reg.b, reg.a));
                seen.object_rcu = reg.mods.has(Mods::RCU);
            }
            ArgKind::ConstStr => self.constant_string(reg, r)?,
            ArgKind::KptrXchgDest => self.kptr_dest(reg, r, seen)?,
            ArgKind::Timer => {
                self.later_field(r, reg, FieldKind::Timer)?;
                seen.map = Some((reg.a, reg.b));
            }
            ArgKind::SpinLock if self.in_less() => return Err(Finding::LockInLess.into()),
            ArgKind::SpinLock => self.lock(r, reg, LockKind::Spin, seen.id == SPIN_LOCK)?,
            ArgKind::Dynptr => seen.dynptr = self.dynptr_argument(r, Wanted::of(arg))?,
            _ => {}
        }
        Ok(())
    }

    fn map_of(&self, seen: &Seen) -> Judged<&oxbpf_isa::program::MapDef> {
        seen.map.and_then(|m| self.map(m.0)).ok_or(Stop::Unknown(Feature::Internal))
    }

    /// A value of a socket map is a socket; a bloom filter's is only read.
    fn resolve_value_arg(&self, arg: Arg, id: i32, seen: &Seen) -> Judged<Arg> {
        if arg.kind != ArgKind::MapValue {
            return Ok(arg);
        }
        let kind = seen.map.and_then(|m| self.map(m.0)).and_then(|m| m.kind());
        match kind {
            Some(MapType::Sockmap | MapType::Sockhash) if arg.flags.is_empty() => {
                Ok(Arg { kind: ArgKind::BtfIdSockCommon, ..arg })
            }
            Some(MapType::Sockmap | MapType::Sockhash) => Err(Finding::SocketMapArgument.into()),
            Some(MapType::BloomFilter) if id == MAP_PEEK => Ok(Arg { flags: ArgFlags::NONE, ..arg }),
            _ => Ok(arg),
        }
    }

    fn argument_type(&mut self, reg: &Reg, r: usize, arg: &Arg, seen: &Seen) -> Judged<()> {
        let Some(accepted) = accepted(arg.kind) else {
            return Err(Stop::Unknown(match arg.kind {
                ArgKind::Arena => Feature::Arena,
                _ => Feature::KernelTypes,
            }));
        };
        let mut mods = reg.mods;
        if arg.flags.contains(ArgFlags::RDONLY) {
            mods = mods.without(Mods::RDONLY);
        }
        if arg.flags.contains(ArgFlags::NULLABLE) {
            mods = mods.without(Mods::MAYBE_NULL);
        }
        if arg.kind == ArgKind::Mem {
            mods = mods.without(Mods::DYNPTR);
        }
        if seen.id == XCHG && arg.kind == ArgKind::BtfId && mods.has(Mods::ALLOC) {
            mods = mods.without(Mods::ALLOC.with(Mods::PERCPU));
        }
        if accepted.contains(&(reg.kind, mods)) {
            return if reg.kind == Kind::BtfId { self.object_argument(reg, r, arg, seen) } else { Ok(()) };
        }
        let mut expected = String::new();
        for (i, &(kind, mods)) in accepted.iter().enumerate() {
            if i > 0 {
                expected.push_str(", ");
            }
            expected.push_str(&type_name(kind, mods));
        }
        Err(Finding::ArgumentType { reg: r as u8, ty: reg.type_name(), expected }.into())
    }

    pub(super) fn argument_offset(&mut self, reg: &Reg, r: usize, arg: &Arg) -> Judged<()> {
        if arg.flags.contains(ArgFlags::RELEASE) {
            if arg.kind == ArgKind::Dynptr && reg.kind == Kind::Stack {
                return Ok(());
            }
            if reg.off != 0 {
                return Err(Finding::ReleaseOffset { reg: r as u8 }.into());
            }
            return self.pointer_offset(reg, r);
        }
        match reg.kind {
            Kind::Stack | Kind::Packet | Kind::PacketMeta | Kind::MapKey | Kind::MapValue | Kind::Scalar
                if reg.mods == Mods::NONE =>
            {
                Ok(())
            }
            Kind::Mem if matches!(reg.mods, Mods::NONE | Mods::RDONLY | Mods::RINGBUF) => Ok(()),
            Kind::Buf if matches!(reg.mods, Mods::NONE | Mods::RDONLY) => Ok(()),
            Kind::BtfId if MOVABLE.contains(&reg.mods) => self.fixed_offset(reg, r),
            _ => self.pointer_offset(reg, r),
        }
    }

    /// A pointer with the size of its memory in the register after it.
    pub(super) fn memory_size(
        &mut self,
        r: usize,
        size: &Reg,
        way: Way,
        zero_ok: bool,
        seen: &mut Seen,
    ) -> Judged<()> {
        let number = r as u8;
        seen.size_max = size.num.umax();
        if size.num.smin() < 0 {
            return Err(Finding::SizeNegative { reg: number }.into());
        }
        if size.num.umin() == 0 && !zero_ok {
            return Err(Finding::SizeZero {
                reg: number,
                min: size.num.umin() as i64,
                max: size.num.umax() as i64,
            }
            .into());
        }
        if size.num.umax() >= self.max_offset() as u64 {
            return Err(Finding::SizeUnbounded { reg: number }.into());
        }
        let raw = if size.num.is_const() { Some(seen) } else { None };
        self.helper_memory(r - 1, size.num.umax() as i64, way, zero_ok, raw)?;
        self.mark_precise(r)
    }

    /// Memory that a helper reads or writes.
    pub(super) fn helper_memory(
        &mut self,
        r: usize,
        size: i64,
        way: Way,
        zero_ok: bool,
        seen: Option<&mut Seen>,
    ) -> Judged<()> {
        let reg = *self.cur.reg(r);
        let number = r as u8;
        match reg.kind {
            Kind::Packet | Kind::PacketMeta => self.packet(r, reg.off, size, zero_ok),
            Kind::MapKey => {
                if way == Way::Write {
                    return Err(Finding::CannotWrite { reg: number, ty: reg.type_name() }.into());
                }
                let limit = self.map(reg.a).map_or(0, |m| m.key_size);
                self.region(r, reg.off, size, limit, false)
            }
            Kind::MapValue => {
                self.map_value(r, reg.off, size, way, zero_ok)?;
                self.not_special(&reg, reg.off, size as u32, true)
            }
            Kind::Mem => {
                if way == Way::Write && reg.mods.has(Mods::RDONLY) {
                    return Err(Finding::CannotWrite { reg: number, ty: reg.type_name() }.into());
                }
                self.region(r, reg.off, size, reg.a, zero_ok)
            }
            Kind::Stack => {
                let raw_mode = seen.as_ref().is_some_and(|s| s.raw_mode);
                let raw = self.stack_range(r, reg.off, size, zero_ok, way, raw_mode, true)?;
                if let (true, Some(seen)) = (raw, seen) {
                    seen.raw = Some((r, size));
                }
                Ok(())
            }
            Kind::BtfId => self.typed_access(r, reg.off, size as u32, Way::Read, None),
            Kind::Buf => {
                let is_readonly = reg.mods.has(Mods::RDONLY);
                if way == Way::Write && is_readonly {
                    return Err(Finding::CannotWrite { reg: number, ty: reg.type_name() }.into());
                }
                let name = if is_readonly { "rdonly" } else { "rdwr" };
                self.buffer_offset(r, &reg, name, reg.off, size as u32)
            }
            // A context that is what the kernel itself sees is read up to its last byte.
            Kind::Ctx if self.prog.flags.contains(ProgFlags::PLAIN_CTX) => {
                if size > 0 {
                    let last = i32::try_from(size - 1).map_err(|_| Stop::Unknown(Feature::Context))?;
                    return self.access(r, last, 1, way, Value::None, false, false);
                }
                if zero_ok { Ok(()) } else { Err(Stop::Unknown(Feature::Context)) }
            }
            _ => {
                if zero_ok && size == 0 && reg.is_null() {
                    return Ok(());
                }
                let expected = String::from("fp");
                Err(Finding::ArgumentType { reg: number, ty: reg.type_name(), expected }.into())
            }
        }
    }

    /// The key on the stack, if it is known: a lookup in an array then cannot miss.
    fn constant_key(&mut self, key: &Reg, size: u32) -> Judged<Option<u64>> {
        let (Kind::Stack, Some(var)) = (key.kind, key.num.const_value()) else { return Ok(None) };
        let byte = -(i64::from(key.off) + var as i64) - 1;
        let (Ok(byte), frame) = (usize::try_from(byte), key.frame as usize) else { return Ok(None) };
        let (spi, at) = (byte / 8, byte % 8);
        let Some(slot) = self.cur.frames[frame].stack.get(spi).cloned() else { return Ok(None) };
        let run = |kind: Byte| slot.bytes[..=at].iter().rev().take_while(|b| **b == kind).count() as u32;
        if run(Byte::Zero) >= size {
            return Ok(Some(0));
        }
        if !slot.is_scalar_spill() || run(Byte::Spill) != size {
            return Ok(None);
        }
        let Some(value) = slot.reg.num.const_value() else { return Ok(None) };
        self.mark_slot_precise(frame, spi)?;
        Ok(Some(value))
    }

    /// A string in a read-only map, with an end.
    pub(super) fn constant_string(&mut self, reg: &Reg, r: usize) -> Judged<()> {
        let number = r as u8;
        let Some(map) = self.map(reg.a) else { return Err(Stop::Unknown(Feature::Internal)) };
        let readonly =
            map.frozen && MapCreateFlags::from_bits(map.flags).contains(MapCreateFlags::RDONLY_PROG);
        if !readonly {
            return Err(Finding::NotReadonly { reg: number }.into());
        }
        if !reg.num.is_const() {
            return Err(Finding::StringVariable { reg: number }.into());
        }
        let (Some(var), Some(MapType::Array), Some(data)) =
            (reg.num.const_value(), map.kind(), map.data.clone())
        else {
            return Err(Stop::Unknown(Feature::MapContents));
        };
        let at = i64::from(reg.off) + var as i64;
        let left = i64::from(map.value_size) - at;
        self.map_value(r, reg.off, left, Way::Read, false)?;
        let Some(rest) = usize::try_from(at).ok().and_then(|at| data.get(at..)) else {
            return Err(Stop::Unknown(Feature::MapContents));
        };
        if !rest.contains(&0) {
            return Err(Finding::NotTerminated.into());
        }
        Ok(())
    }
}
