//! Pointers to typed objects of the kernel: what is read and written through them, and what an
//! argument of such a type is.
//!
//! Rules: `check_ptr_to_btf_access`, `check_ptr_to_map_access`, `btf_ctx_access`,
//! and the `btf_struct_access` functions of program types, of Linux 6.18.
//! Whether what a pointer read from an object points to is trusted follows from how far the object
//! is, and from the lists of safe members in the kernel's types.

use super::args::Seen;
use super::memory::{Way, tnum_text};
use crate::explore::{Judged, Stop, Walker};
use crate::helper::{SK_RELEASE, SPIN_LOCK, SPIN_UNLOCK, XCHG};
use crate::report::Finding;
use crate::state::{Kind, Mods, Reg};
use crate::types::target::{self, MAX_ARGS, Target, kind_name};
use crate::types::walk::{self, Found};
use crate::types::{Part, extended, is_trusted};
use crate::verdict::Feature;
use alloc::string::{String, ToString};
use oxbpf_isa::btf::{Btf, Kind as BtfKind, Type, TypeId};
use oxbpf_isa::kernel::{
    Arg, ArgFlags, ArgKind, AttachType, HelperFlags, HookTraits, MapType, ProgType, RetRule, StructOpsRecord,
    WriteWords,
};

/// Arguments of a function without a known prototype (Linux `MAX_BPF_FUNC_REG_ARGS`).
const REG_ARGS: usize = 5;

impl Walker<'_> {
    /// Reads or writes through a pointer to an object.
    pub(super) fn typed_access(
        &mut self,
        r: usize,
        off: i32,
        size: u32,
        way: Way,
        into: Option<usize>,
    ) -> Judged<()> {
        let reg = *self.cur.reg(r);
        let (part, id, number) = (Part(reg.b), TypeId(reg.a), r as u8);
        let btf = self.types.btf(part).ok_or(Stop::Unknown(Feature::KernelTypes))?;
        let name = self.types.name_of(&reg);
        if !self.program.is_gpl_compatible() && part != Part::PROGRAM {
            return Err(Finding::KernelNeedsGpl { name: name.to_string() }.into());
        }
        let place =
            |finding: fn(u8, String, i32) -> Finding| Err(finding(number, name.to_string(), off).into());
        if off < 0 {
            return place(|reg, name, off| Finding::TypedNegative { reg, name, off });
        }
        if !reg.num.tnum().equals_const(0) {
            let var_off = tnum_text(reg.num.tnum());
            return Err(Finding::TypedVariable { reg: number, name: name.to_string(), off, var_off }.into());
        }
        if reg.mods.has(Mods::USER) {
            return place(|reg, name, off| Finding::TypedUser { reg, name, off });
        }
        if reg.mods.has(Mods::PERCPU) {
            return place(|reg, name, off| Finding::TypedPercpu { reg, name, off });
        }
        let is_alloc = reg.mods.has(Mods::ALLOC);
        if way == Way::Write {
            if reg.mods.has(Mods::UNTRUSTED) {
                return Err(Finding::OnlyRead.into());
            }
            if !is_alloc {
                return self.typed_write(btf, id, off, size);
            }
        }
        if is_alloc {
            return self.object_access(&reg, off, size, way, into);
        }
        let found = walk::access(btf, id, off, size, true)?;
        let Some(dst) = into else { return Ok(()) };
        let loaded = match found {
            Found::Scalar => Reg::unknown(),
            Found::Memory if !self.rules.reads_any_memory => Reg::unknown(),
            Found::Memory => Reg::pointer(Kind::Mem, Mods::RDONLY.with(Mods::UNTRUSTED)),
            Found::Pointer { id: to, mods, field } => {
                let mods = self.walked(&reg, mods, (field, to));
                let mut loaded = Reg::typed(part, to, mods);
                if loaded.maybe_null() {
                    loaded.id = self.fresh_id();
                }
                loaded
            }
        };
        *self.cur.reg_mut(dst) = loaded;
        Ok(())
    }

    /// How far a pointer is trusted that was read from an object.
    fn walked(&self, from: &Reg, mods: Mods, field: (&str, TypeId)) -> Mods {
        if from.mods.has(Mods::UNTRUSTED) {
            return Mods::UNTRUSTED;
        }
        let bare = mods.without(Mods::RCU).without(Mods::TRUSTED);
        let is_rcu = from.mods.has(Mods::RCU);
        if !is_trusted(from) && !is_rcu {
            return bare;
        }
        if self.is_safe(from, field, "__safe_trusted") {
            return mods.with(Mods::TRUSTED);
        }
        if self.is_safe(from, field, "__safe_trusted_or_null") {
            return mods.with(Mods::TRUSTED).with(Mods::MAYBE_NULL);
        }
        if !self.in_rcu_section() || from.maybe_null() {
            return Mods::UNTRUSTED;
        }
        if self.is_safe(from, field, "__safe_rcu") {
            return mods.with(Mods::RCU);
        }
        let or_null = self.is_safe(from, field, "__safe_rcu_or_null");
        if mods.has(Mods::RCU) || or_null {
            let mods = if or_null { mods.without(Mods::UNTRUSTED) } else { mods };
            return mods.with(Mods::RCU).with(Mods::MAYBE_NULL);
        }
        if mods.has(Mods::PERCPU) || mods.has(Mods::USER) {
            return mods;
        }
        bare
    }

    fn is_safe(&self, from: &Reg, field: (&str, TypeId), suffix: &str) -> bool {
        let Some(btf) = self.types.btf(Part(from.b)) else { return false };
        // A module's list would stand in the module's own types.
        let find = |name: &str, kind: BtfKind| match Part(from.b) {
            Part::VMLINUX => self.types.find(name, kind),
            _ => btf.find(name, kind),
        };
        walk::is_listed(btf, TypeId(from.a), find, field, suffix)
    }

    /// Only programs of some kinds write into objects of the kernel, and only some fields.
    fn typed_write(&mut self, btf: &Btf, id: TypeId, off: i32, size: u32) -> Judged<()> {
        match (self.prog.prog_type, self.attach.as_ref().and_then(|t| t.ops)) {
            (ProgType::StructOps, Some(ops)) => self.callback_write(btf, id, off, size, ops),
            (ProgType::StructOps, None) => Err(Stop::Unknown(Feature::Target)),
            (ProgType::SchedCls | ProgType::SchedAct | ProgType::Xdp, _) => {
                self.connection_write(btf, id, off, size)
            }
            _ => Err(Finding::OnlyRead.into()),
        }
    }

    /// Programs on packets write the mark of a tracked connection, and nothing else (Linux
    /// `_nf_conntrack_btf_struct_access`).
    fn connection_write(&self, btf: &Btf, id: TypeId, off: i32, size: u32) -> Judged<()> {
        const NAME: &str = "nf_conn";
        if !matches!(btf.ty(id).map_or("", |ty| ty.name()), NAME | "nf_conn___init") {
            return Err(Finding::OnlyRead.into());
        }
        let owner = self.types.find(NAME, BtfKind::Struct);
        let mark = owner.and_then(|owner| member_at(btf, owner, "mark"));
        match mark {
            Some((start, len)) if off as u32 == start => {
                let end = start + len;
                if off as u32 + size > end {
                    return Err(Finding::WriteBeyond { name: NAME, off, size, end }.into());
                }
                Ok(())
            }
            _ => Err(Finding::NoWriteField { name: NAME, off }.into()),
        }
    }

    fn callback_write(
        &mut self,
        btf: &Btf,
        id: TypeId,
        off: i32,
        size: u32,
        ops: &StructOpsRecord,
    ) -> Judged<()> {
        // Whose types the object counts in are those that the structure of callbacks counts in too.
        let is = |name: &str| btf.find(name, BtfKind::Struct) == Some(id);
        if let Some(state) = ops.state {
            if !is(state) {
                return Err(Finding::OnlyState { name: state }.into());
            }
            let limit = btf.size_of(id).unwrap_or(0);
            if off as u32 + size > limit {
                return Err(Finding::StateBeyond { off, size }.into());
            }
            return Ok(());
        }
        let Some(name) = ops.writes.iter().map(|w| w.object).find(|name| is(name)) else {
            return Err(match (ops.words, ops.writes.is_empty()) {
                (WriteWords::Structure, false) => Finding::NoWriteStruct.into(),
                (WriteWords::Silent, false) => Finding::SilentWrite.into(),
                _ => Finding::OnlyRead.into(),
            });
        };
        if ops.words == WriteWords::Structure && off as u32 + size > btf.size_of(id).unwrap_or(0) {
            return Err(Finding::WriteBeyondStruct { name, off, size }.into());
        }
        let end_of_write = off as u32 + size;
        for write in ops.writes.iter().filter(|w| w.object == name) {
            let owner = btf.find(write.owner, BtfKind::Struct);
            let field = owner.and_then(|owner| member_at(btf, owner, write.field));
            let Some((start, len)) = field else { continue };
            let end = start + len - u32::from(write.cut);
            let begins = if write.range { (start..end).contains(&(off as u32)) } else { off as u32 == start };
            match ops.words {
                WriteWords::Field if begins && end_of_write > end => {
                    return Err(Finding::WriteBeyond { name, off, size, end }.into());
                }
                _ if begins && end_of_write <= end => return Ok(()),
                _ => {}
            }
        }
        Err(match ops.words {
            WriteWords::Field => Finding::NoWriteField { name, off }.into(),
            WriteWords::Structure => Finding::ReadOnlyPart { name, off, size }.into(),
            WriteWords::Silent => Finding::SilentWrite.into(),
        })
    }

    /// A map's own fields, read through the pointer to it.
    pub(super) fn map_access(
        &mut self,
        r: usize,
        off: i32,
        size: u32,
        way: Way,
        into: Option<usize>,
    ) -> Judged<()> {
        let reg = *self.cur.reg(r);
        let map = self.map(reg.a).ok_or(Stop::Unknown(Feature::Internal))?;
        let name = map.kind().and_then(map_struct).ok_or(Stop::Unknown(Feature::KernelTypes))?;
        let id = self.types.find(name, BtfKind::Struct).ok_or(Stop::Unknown(Feature::KernelTypes))?;
        if off < 0 {
            return Err(Finding::MapNegative { reg: r as u8, name, off }.into());
        }
        if way == Way::Write {
            return Err(Finding::MapOnlyRead { name }.into());
        }
        let btf = self.types.btf(Part::VMLINUX).ok_or(Stop::Unknown(Feature::KernelTypes))?;
        let found = walk::access(btf, id, off, size, true)?;
        let Some(dst) = into else { return Ok(()) };
        *self.cur.reg_mut(dst) = match found {
            Found::Scalar => Reg::unknown(),
            Found::Memory if !self.rules.reads_any_memory => Reg::unknown(),
            Found::Memory => Reg::pointer(Kind::Mem, Mods::RDONLY.with(Mods::UNTRUSTED)),
            Found::Pointer { id, mods, .. } => Reg::typed(Part::VMLINUX, id, mods),
        };
        Ok(())
    }

    /// What the context holds at an offset, for programs whose target types it; none where nothing
    /// may be read. What the kernel says of the reason is written.
    pub(super) fn typed_context(&mut self, off: i32, size: u32, way: Way) -> Judged<Option<Reg>> {
        let limit = 8 * MAX_ARGS as i32;
        if off < 0 || off >= limit || way == Way::Write || off % size as i32 != 0 {
            return Ok(None);
        }
        let Some(target) = self.attach.clone() else { return Err(Stop::Unknown(Feature::KernelTypes)) };
        let btf = self.types.btf(target.part).ok_or(Stop::Unknown(Feature::Internal))?;
        let name = &target.name;
        if off % 8 != 0 {
            self.log.line(format_args!("func '{name}' offset {off} is not multiple of 8\n"));
            return Ok(None);
        }
        let number = argument_at(btf, &target, off as u32);
        let other = target.ops.and_then(|ops| {
            ops.args.iter().find(|a| a.member == target.name && usize::from(a.arg) == number)
        });
        if let Some(other) = other {
            let id = btf.find(other.of, BtfKind::Struct).ok_or(Stop::Unknown(Feature::KernelTypes))?;
            return Ok(Some(Reg::typed(target.part, id, Mods::TRUSTED)));
        }
        let Some(proto) = target.proto(btf) else {
            return Ok(unreliable(number, self.kind.attach_type).then(Reg::unknown));
        };
        let skip = usize::from(target.is_tracepoint);
        let count = proto.params().len().saturating_sub(skip);
        let is_result = number == count && self.result_is_read();
        if number > count || number == count && !is_result {
            self.log.line(format_args!("func '{name}' doesn't have {}-th argument\n", number + 1));
            return Ok(None);
        }
        let (ty, param_name) = match is_result {
            true => (proto.ret, ""),
            false => proto.params().nth(number + skip).map_or((TypeId::VOID, ""), |p| (p.ty, p.name)),
        };
        let (_, resolved) = btf.resolved(ty).ok_or(Stop::Unknown(Feature::Internal))?;
        let is_number = match resolved {
            Type::Int { size, .. } => size <= 8,
            Type::Enum(_) => true,
            Type::Struct(_) | Type::Union(_) => {
                !(is_result && self.kind.attach_type == AttachType::ModifyReturn)
            }
            _ => false,
        };
        if is_result && self.kind.attach_type == AttachType::ModifyReturn && !is_number {
            let kind = kind_name(resolved.kind());
            self.log.line(format_args!("ret type {kind} not allowed for fmod_ret\n"));
            return Ok(None);
        }
        if is_number {
            return Ok(Some(self.context_number(is_result)));
        }
        let Type::Ptr(to) = resolved else {
            let (ty, kind) = (walk::named(resolved.name()), kind_name(resolved.kind()));
            self.log.line(format_args!(
                "func '{name}' arg{number} '{ty}' has type {kind}. Only pointer access is allowed\n"
            ));
            return Ok(None);
        };
        if size != 8 {
            self.log.line(format_args!("func '{name}' size {size} must be 8\n"));
            return Ok(None);
        }
        self.context_pointer(btf, &target, (number, param_name, off), to)
    }

    fn context_number(&self, is_result: bool) -> Reg {
        let lsm = self.prog.prog_type == ProgType::Lsm && self.kind.attach_type == AttachType::LsmMac;
        match self.model.return_rule(&self.kind) {
            oxbpf_isa::kernel::RetRule::Within(min, max) if is_result && lsm => {
                Reg::scalar(crate::domain::Scalar::UNKNOWN.with_signed_bounds_both(
                    min as u32,
                    max as u32,
                    self.arithmetic,
                ))
            }
            _ => Reg::unknown(),
        }
    }

    /// Programs after a function may read its result.
    fn result_is_read(&self) -> bool {
        use AttachType::{LsmCgroup, LsmMac, ModifyReturn, TraceFexit};
        self.prog.prog_type != ProgType::StructOps
            && matches!(self.kind.attach_type, LsmMac | LsmCgroup | TraceFexit | ModifyReturn)
    }

    fn context_pointer(
        &mut self,
        btf: &Btf,
        target: &Target,
        (number, param, off): (usize, &str, i32),
        to: TypeId,
    ) -> Judged<Option<Reg>> {
        let info = target.args.iter().find(|a| a.off == off as u32);
        if let Some(info) = info
            && info.kind == Kind::Buf
        {
            return Ok(Some(Reg::pointer(Kind::Buf, info.mods)));
        }
        let (_, pointee) = btf.resolved(to).ok_or(Stop::Unknown(Feature::Internal))?;
        if matches!(pointee, Type::Void | Type::Int { .. }) {
            return Ok(Some(Reg::unknown()));
        }
        if let Some(info) = info {
            let mut reg = Reg::typed(target.part, info.id, info.mods);
            if info.is_ref {
                reg.ref_id = self.held_argument(info.off)?;
            }
            self.promote(target, &mut reg);
            return Ok(Some(reg));
        }
        let mut mods = if self.args_are_trusted(target) { Mods::TRUSTED } else { Mods::NONE };
        if param.ends_with("__nullable") {
            mods = mods.with(Mods::MAYBE_NULL);
        }
        let mut is_scalar = false;
        if target.is_tracepoint {
            let (nullable, scalar) = self.model.tracepoint(&target.name);
            if nullable >> number & 1 == 1 {
                mods = mods.with(Mods::MAYBE_NULL);
            }
            is_scalar = scalar >> number & 1 == 1;
            // Nothing is known of the tracepoints of modules.
            if target.part != Part::VMLINUX && nullable == 0 && scalar == 0 {
                mods = mods.with(Mods::MAYBE_NULL);
            }
        }
        if target.part == Part::TARGET {
            let of = self.traced.and_then(|of| self.model.prog(of));
            let found = of.and_then(|of| extended::kernel_context(&self.types, of, (btf, to)));
            return Ok(found.map(|(part, id)| Reg::typed(part, id, mods)));
        }
        match btf.ty(to) {
            Some(Type::TypeTag { name: "user", .. }) => mods = mods.with(Mods::USER),
            Some(Type::TypeTag { name: "percpu", .. }) => mods = mods.with(Mods::PERCPU),
            _ => {}
        }
        let (id, pointee) = btf.resolved(to).ok_or(Stop::Unknown(Feature::Internal))?;
        let (name, kind) = (&target.name, kind_name(pointee.kind()));
        if !matches!(pointee, Type::Struct(_) | Type::Union(_)) {
            self.log.line(format_args!("func '{name}' arg{number} type {kind} is not a struct\n"));
            return Ok(None);
        }
        let ty = walk::named(pointee.name());
        self.log.line(format_args!("func '{name}' arg{number} has btf_id {} type {kind} '{ty}'\n", id.0));
        if is_scalar {
            self.log.line(format_args!("marking pointer arg{number} as scalar as it may encode error"));
            return Ok(Some(Reg::unknown()));
        }
        let mut reg = Reg::typed(target.part, id, mods);
        self.promote(target, &mut reg);
        Ok(Some(reg))
    }

    /// Congestion control is given sockets that are TCP's for sure.
    fn promote(&self, target: &Target, reg: &mut Reg) {
        let Some((from, to)) = target.ops.and_then(|ops| ops.promote) else { return };
        let is_plain = reg.mods.without(Mods::TRUSTED) == Mods::NONE;
        if is_plain && self.types.find(from, BtfKind::Struct) == Some(TypeId(reg.a)) {
            reg.a = self.types.find(to, BtfKind::Struct).map_or(reg.a, |id| id.0);
        }
    }

    /// Linux `prog_args_trusted`.
    fn args_are_trusted(&self, target: &Target) -> bool {
        match self.prog.prog_type {
            ProgType::Tracing => {
                matches!(self.kind.attach_type, AttachType::TraceRawTp | AttachType::TraceIter)
            }
            ProgType::Lsm => !target.traits.contains(HookTraits::LSM_UNTRUSTED),
            ProgType::StructOps => true,
            _ => false,
        }
    }
}

/// Which argument stands at an offset; one past the last for the result (Linux `get_ctx_arg_idx`).
fn argument_at(btf: &Btf, target: &Target, off: u32) -> usize {
    let Some(proto) = target.proto(btf) else { return off as usize / 8 };
    let size = |ty: TypeId| btf.size_of(ty).unwrap_or(0).next_multiple_of(8);
    let mut end = 0;
    for (n, param) in proto.params().enumerate() {
        end += size(param.ty);
        if off < end {
            return n;
        }
    }
    let count = proto.params().len();
    if off < end + size(proto.ret) { count } else { count + 1 }
}

/// Without a prototype there are five numbers, and a result.
fn unreliable(number: usize, attach: AttachType) -> bool {
    number < REG_ARGS || number == REG_ARGS && attach == AttachType::TraceFexit
}

/// Where a member of a member stands, and its bytes.
fn member_at(btf: &Btf, owner: TypeId, path: &str) -> Option<(u32, u32)> {
    let (mut id, mut at, mut size) = (owner, 0, 0);
    for name in path.split('.') {
        let composite = btf.resolved(id)?.1.composite()?;
        let (ty, bit_offset, bits) = btf.find_member(composite, name)?;
        if bits != 0 || bit_offset % 8 != 0 {
            return None;
        }
        (id, at, size) = (ty, at + bit_offset / 8, btf.size_of(ty)?);
    }
    Some((at, size))
}

/// The kernel's structure behind a map of a type (the `map_btf_id` of its operations).
fn map_struct(kind: MapType) -> Option<&'static str> {
    use MapType as M;
    Some(match kind {
        M::Hash | M::PercpuHash | M::LruHash | M::LruPercpuHash | M::HashOfMaps => "bpf_htab",
        M::Array | M::PercpuArray | M::ProgArray | M::PerfEventArray | M::CgroupArray | M::ArrayOfMaps => {
            "bpf_array"
        }
        M::LpmTrie => "lpm_trie",
        M::StackTrace => "bpf_stack_map",
        M::Devmap | M::DevmapHash => "bpf_dtab",
        M::Cpumap => "bpf_cpu_map",
        M::Xskmap => "xsk_map",
        M::Sockmap => "bpf_stab",
        M::Sockhash => "bpf_shtab",
        M::Queue | M::Stack => "bpf_queue_stack",
        M::Ringbuf | M::UserRingbuf => "bpf_ringbuf_map",
        M::SkStorage | M::InodeStorage | M::TaskStorage | M::CgrpStorage => "bpf_local_storage_map",
        M::StructOps => "bpf_struct_ops_map",
        M::BloomFilter => "bpf_bloom_filter",
        M::CgroupStorage | M::PercpuCgroupStorage => "bpf_cgroup_storage_map",
        M::ReuseportSockarray => "reuseport_array",
        M::Arena => "bpf_arena",
    })
}

impl Walker<'_> {
    /// Whether an object of the kernel may be given to a helper (Linux `check_reg_type` from where
    /// the kind of register fits).
    pub(super) fn object_argument(&mut self, reg: &Reg, r: usize, arg: &Arg, seen: &Seen) -> Judged<()> {
        let id = seen.id;
        let number = r as u8;
        if matches!(arg.kind, ArgKind::Mem | ArgKind::MapKey | ArgKind::MapValue) {
            if arg.flags.contains(ArgFlags::RDONLY) {
                return Ok(());
            }
            let name = u32::try_from(id).ok().and_then(|id| self.model.helper_name(id)).unwrap_or("");
            let helper = super::call::helper_name(name);
            return Err(Finding::MayWriteObject { helper, reg: number, ty: reg.type_name() }.into());
        }
        if reg.mods.has(Mods::ALLOC) {
            return match (id, seen.kptr) {
                (XCHG, Some(field)) if r == 2 => {
                    if reg.maybe_null() {
                        return Err(Stop::Unknown(Feature::Internal));
                    }
                    self.kptr_fits(&field, reg, r)
                }
                (XCHG | SPIN_LOCK | SPIN_UNLOCK, _) => Ok(()),
                _ => Err(Stop::Unknown(Feature::Internal)),
            };
        }
        if reg.mods.has(Mods::PERCPU) {
            return Ok(());
        }
        let releases = arg.flags.contains(ArgFlags::RELEASE);
        if reg.maybe_null() && (!arg.flags.contains(ArgFlags::NULLABLE) || releases) {
            return Err(Finding::MaybeNullObject { arg: number }.into());
        }
        if arg.flags.contains(ArgFlags::BTF_BY_ARG) {
            let field = seen.kptr.ok_or(Stop::Unknown(Feature::KernelPointers))?;
            return self.kptr_fits(&field, reg, r);
        }
        let expected = if arg.kind == ArgKind::BtfIdSockCommon { "sock_common" } else { arg.btf };
        let strict = releases && id != SK_RELEASE;
        let unknown = Stop::Unknown(Feature::KernelTypes);
        let btf = self.types.btf(Part(reg.b)).ok_or(unknown.clone())?;
        let vmlinux = self.types.btf(Part::VMLINUX).ok_or(unknown.clone())?;
        let wanted = self.types.find(expected, BtfKind::Struct).ok_or(unknown)?;
        let log = &mut self.log;
        let is_it =
            walk::matches((btf, TypeId(reg.a), reg.off), (vmlinux, wanted), (strict, true), |finding| {
                log.line(format_args!("{finding}\n"))
            });
        if !is_it {
            let ty = self.types.name_of(reg).to_string();
            return Err(Finding::ArgumentObject { reg: number, ty, expected }.into());
        }
        Ok(())
    }

    /// One CPU's instance of a variable.
    pub(super) fn percpu_result(&mut self, seen: &Seen, mods: Mods) -> Judged<Reg> {
        let Some((part, id)) = seen.object else { return Err(Stop::Unknown(Feature::Internal)) };
        let btf = self.types.btf(Part(part)).ok_or(Stop::Unknown(Feature::KernelTypes))?;
        let (_, resolved) = btf.resolved(TypeId(id)).ok_or(Stop::Unknown(Feature::Internal))?;
        if matches!(resolved, Type::Struct(_) | Type::Union(_)) {
            // An object that the program allocated for each processor.
            if seen.object_rcu {
                return Ok(Reg::typed(Part(part), TypeId(id), Mods::ALLOC.with(Mods::RCU)));
            }
            return Ok(Reg::typed(Part(part), TypeId(id), mods.without(Mods::RDONLY)));
        }
        let size = btf.size_of(TypeId(id)).ok_or(Stop::Unknown(Feature::Internal))?;
        Ok(Reg { a: size, ..Reg::pointer(Kind::Mem, mods) })
    }

    /// Some helpers are for programs at certain targets only.
    pub(super) fn is_allowed_here(&self, flags: HelperFlags) -> bool {
        let hook = self.kind.hook;
        let is_lsm = self.prog.prog_type == ProgType::Lsm;
        let attach = self.kind.attach_type;
        if flags.contains(HelperFlags::LIST_D_PATH) {
            return match self.prog.prog_type {
                ProgType::Tracing if attach == AttachType::TraceIter => true,
                ProgType::Lsm => hook.contains(HookTraits::LSM_SLEEPABLE),
                _ => hook.contains(HookTraits::D_PATH),
            };
        }
        if flags.contains(HelperFlags::LIST_IMA) {
            return is_lsm && hook.contains(HookTraits::LSM_SLEEPABLE);
        }
        if flags.contains(HelperFlags::LIST_SK_STORAGE) {
            let traces_itself = || self.attach.as_ref().is_some_and(|t| t.name.starts_with("bpf_sk_storage"));
            return match attach {
                AttachType::TraceIter | AttachType::TraceRawTp => true,
                AttachType::TraceFentry | AttachType::TraceFexit => !traces_itself(),
                _ => false,
            };
        }
        true
    }

    /// What a program of struct_ops may return: any number, or for callbacks that return a pointer
    /// null.
    pub(super) fn callback_result(&mut self, r0: &Reg) -> Judged<RetRule> {
        let Some(target) = self.attach.clone() else { return Err(Stop::Unknown(Feature::Target)) };
        let btf = self.types.btf(target.part).ok_or(Stop::Unknown(Feature::KernelTypes))?;
        let Some(proto) = target.proto(btf) else { return Err(Stop::Unknown(Feature::Target)) };
        let Some((_, Type::Ptr(_))) = btf.resolved(proto.ret) else { return Ok(RetRule::Any) };
        let same = || {
            let to = target::pointee(btf, proto.ret)?;
            let has = self.types.btf(Part(r0.b)).filter(|_| r0.kind == Kind::BtfId)?;
            Some(walk::same_type(btf, to, has, TypeId(r0.a)))
        };
        if r0.ref_id != 0 && same() == Some(true) {
            // The kernel takes the reference back, with the pointer as it gave it.
            return match r0.off == 0 && r0.num.tnum().equals_const(0) {
                true => Ok(RetRule::Any),
                false => Err(Stop::Unknown(Feature::OwnedObjects)),
            };
        }
        Ok(RetRule::Within(0, 0))
    }

    /// The reference that came with an argument, which the program may have given away since.
    fn held_argument(&self, off: u32) -> Judged<u32> {
        let held = self.arg_refs.iter().find(|(at, _)| *at == off).map(|(_, id)| *id);
        let id = held.ok_or(Stop::Unknown(Feature::Internal))?;
        match self.cur.refs.iter().any(|r| r.is_object() && r.id == id) {
            true => Ok(id),
            false => Err(Finding::ArgumentGone { off }.into()),
        }
    }

    /// Takes the references that come with the arguments of a callback.
    pub(crate) fn take_arguments(&mut self) -> Judged<()> {
        self.arg_refs.clear();
        let Some(target) = self.attach.clone() else { return Ok(()) };
        for info in target.args.iter().filter(|info| info.is_ref) {
            let id = self.acquire()?;
            self.arg_refs.push((info.off, id));
        }
        Ok(())
    }
}
