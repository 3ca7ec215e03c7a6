//! Helper signatures: what each argument must be, what comes back, who may call.
//!
//! The classes and modifiers are those by which the kernel describes its helpers (reference
//! version 6.18). How a register is held against a class is the verifier's business; what the
//! helper does when it runs is the virtual machine's.

use super::kind::bit_set;
use super::{Known, ProgKind, Selector, Settings, Span};

/// The class of one helper argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArgKind {
    /// The helper has no such argument.
    Unused,
    /// Any initialised value.
    Anything,
    /// A scalar.
    Scalar,
    /// The program's context.
    Ctx,
    /// A map, known by address.
    MapPtr,
    /// Memory of the map's key size.
    MapKey,
    /// Memory of the map's value size.
    MapValue,
    /// Memory; its length is [`Arg::size`] when [`ArgFlags::FIXED_SIZE`] is set, and in the next argument otherwise.
    Mem,
    /// The size of the memory in the argument before, above zero.
    ConstSize,
    /// The same, zero allowed.
    ConstSizeOrZero,
    /// A known number of bytes to allocate; the result has that size.
    ConstAllocSizeOrZero,
    /// A spin lock in a map value or an owned object.
    SpinLock,
    /// A socket in the widest sense.
    SockCommon,
    /// A full socket.
    Socket,
    /// A kernel object of the type named by [`Arg::btf`].
    BtfId,
    /// A kernel socket known by type, or any program-visible form of a socket.
    BtfIdSockCommon,
    /// A per-CPU kernel object.
    PercpuBtfId,
    /// Memory reserved in a ring buffer.
    RingbufMem,
    /// A function of the program.
    Func,
    /// The program's stack.
    Stack,
    /// A constant string in a read-only map.
    ConstStr,
    /// A timer in a map value.
    Timer,
    /// Where to store a kernel pointer.
    KptrXchgDest,
    /// A dynptr.
    Dynptr,
    /// A pointer into an arena.
    Arena,
}

bit_set! {
    /// Modifiers of an argument.
    ArgFlags(u16) {
        /// Null is allowed.
        NULLABLE = 0, "nullable";
        /// The helper only reads, so read-only memory does.
        RDONLY = 1, "rdonly";
        /// The memory need not be initialised.
        UNINIT = 2, "uninit";
        /// The helper writes.
        WRITE = 3, "write";
        /// The address must be aligned to the size.
        ALIGNED = 4, "aligned";
        /// The size is fixed by the signature.
        FIXED_SIZE = 5, "fixed";
        /// The call takes the object away.
        RELEASE = 6, "release";
        /// A dynptr over local memory.
        DYNPTR_LOCAL = 7, "local";
        /// A dynptr over ring buffer memory.
        DYNPTR_RINGBUF = 8, "ringbuf";
        /// The type of object depends on another argument.
        BTF_BY_ARG = 9, "btf_by_arg";
    }
}

/// One helper argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arg {
    /// The class.
    pub kind: ArgKind,
    /// Its modifiers.
    pub flags: ArgFlags,
    /// The size in bytes of fixed-size memory, otherwise 0.
    pub size: u16,
    /// The name of the kernel structure a typed pointer must point to, otherwise empty.
    pub btf: &'static str,
}

impl Arg {
    /// No argument.
    pub const UNUSED: Self = Self::new(ArgKind::Unused);

    /// An argument without modifiers.
    pub const fn new(kind: ArgKind) -> Self {
        Self { kind, flags: ArgFlags::NONE, size: 0, btf: "" }
    }

    /// The same with these modifiers.
    #[must_use]
    pub const fn with(mut self, flags: ArgFlags) -> Self {
        self.flags = flags;
        self
    }

    /// The same pointing to memory of a fixed size.
    #[must_use]
    pub const fn sized(mut self, size: u16) -> Self {
        self.size = size;
        self.flags = self.flags.union(ArgFlags::FIXED_SIZE);
        self
    }

    /// The same pointing to the kernel structure of this name.
    #[must_use]
    pub const fn of(mut self, btf: &'static str) -> Self {
        self.btf = btf;
        self
    }

    /// Whether the argument exists.
    pub const fn is_used(&self) -> bool {
        !matches!(self.kind, ArgKind::Unused)
    }

    /// Whether the argument is the size of the memory before it.
    pub const fn is_size(&self) -> bool {
        matches!(self.kind, ArgKind::ConstSize | ArgKind::ConstSizeOrZero)
    }
}

/// The class of a helper's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetKind {
    /// A number.
    Integer,
    /// Nothing: R0 is not readable afterwards.
    Void,
    /// A value of the map given as argument.
    MapValue,
    /// A full socket.
    Socket,
    /// A TCP socket.
    TcpSock,
    /// A socket in the widest sense.
    SockCommon,
    /// Memory of the size asked for.
    Mem,
    /// Memory or a kernel object, by the type of the per-CPU variable.
    MemOrBtfId,
    /// A kernel object of the type named by [`Ret::btf`].
    BtfId,
}

bit_set! {
    /// Modifiers of a result.
    RetFlags(u8) {
        /// It may be null.
        NULLABLE = 0, "nullable";
        /// It may only be read.
        RDONLY = 1, "rdonly";
        /// It is ring buffer memory, to be submitted or discarded.
        RINGBUF = 2, "ringbuf";
        /// It is a part of a dynptr's memory.
        DYNPTR = 3, "dynptr";
        /// It is a trusted kernel object.
        TRUSTED = 4, "trusted";
        /// The type of object depends on an argument.
        BTF_BY_ARG = 5, "btf_by_arg";
    }
}

/// What is known of a numeric result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetBounds {
    /// Nothing.
    Any,
    /// A negative error number not below −4095, or at most the largest value of the size argument.
    ErrorOrSize,
    /// A processor number: from 0 to one below the number of processors.
    Cpu,
}

/// A helper's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ret {
    /// The class.
    pub kind: RetKind,
    /// Its modifiers.
    pub flags: RetFlags,
    /// What is known of the number.
    pub bounds: RetBounds,
    /// The name of the kernel structure a typed pointer points to, otherwise empty.
    pub btf: &'static str,
}

impl Ret {
    /// A result without modifiers.
    pub const fn new(kind: RetKind) -> Self {
        Self { kind, flags: RetFlags::NONE, bounds: RetBounds::Any, btf: "" }
    }

    /// The same with these modifiers.
    #[must_use]
    pub const fn with(mut self, flags: RetFlags) -> Self {
        self.flags = flags;
        self
    }

    /// The same with these bounds.
    #[must_use]
    pub const fn bounded(mut self, bounds: RetBounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// The same pointing to the kernel structure of this name.
    #[must_use]
    pub const fn of(mut self, btf: &'static str) -> Self {
        self.btf = btf;
        self
    }
}

bit_set! {
    /// Properties of a helper as a whole.
    HelperFlags(u32) {
        /// Only programs under a GPL-compatible licence may call it.
        GPL = 0, "gpl";
        /// It may sleep, so only sleepable programs may call it.
        MIGHT_SLEEP = 1, "might_sleep";
        /// It may be given packet memory as an argument.
        PKT_ACCESS = 2, "pkt_access";
        /// It may move packet data, which makes packet pointers unusable.
        CHANGES_PKT = 3, "changes_pkt";
        /// It leaves all caller-saved registers but R0 alone when inlined.
        FASTCALL = 4, "fastcall";
        /// It returns a reference that must be released.
        ACQUIRE = 5, "acquire";
        /// Its result is the same object as its first argument, seen as another type.
        CAST = 6, "cast";
        /// It calls back into the program before it returns.
        SYNC_CALLBACK = 7, "sync_callback";
        /// It arranges for the program to be called later.
        ASYNC_CALLBACK = 8, "async_callback";
        /// Only iterators, sleepable LSM hooks and functions of [`HookTraits::D_PATH`](super::HookTraits::D_PATH)
        /// may call it.
        LIST_D_PATH = 9, "list_d_path";
        /// Only LSM hooks that sleepable programs may attach to may call it.
        LIST_IMA = 10, "list_ima";
        /// Only raw tracepoints, iterators, and entries and exits of functions may call it, except of
        /// those whose name begins with `bpf_sk_storage`.
        LIST_SK_STORAGE = 11, "list_sk_storage";
    }
}

/// A helper's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HelperProto {
    /// The arguments, in R1 to R5.
    pub args: [Arg; 5],
    /// The result, in R0.
    pub ret: Ret,
    /// Properties of the whole.
    pub flags: HelperFlags,
}

impl HelperProto {
    /// A signature with these arguments; more than five are not representable and are cut off.
    pub const fn new(args: &[Arg], ret: Ret, flags: HelperFlags) -> Self {
        let mut all = [Arg::UNUSED; 5];
        let mut index = 0;
        while index < args.len() && index < 5 {
            all[index] = args[index];
            index += 1;
        }
        Self { args: all, ret, flags }
    }

    /// The number of arguments.
    pub fn arity(&self) -> usize {
        self.args.iter().take_while(|arg| arg.is_used()).count()
    }

    /// Whether the call releases one of its arguments.
    pub fn releases(&self) -> Option<usize> {
        self.args.iter().position(|arg| arg.flags.contains(ArgFlags::RELEASE))
    }
}

/// A privilege that a fact asks for beyond loading the program at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// None.
    None,
    /// `CAP_BPF`.
    Bpf,
    /// `CAP_PERFMON`.
    Perfmon,
    /// `CAP_NET_ADMIN`.
    NetAdmin,
    /// `CAP_SYS_ADMIN`.
    SysAdmin,
}

/// Who may call a helper with one of its signatures, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HelperUse {
    /// The programs.
    pub who: Selector,
    /// The privilege they need.
    pub need: Privilege,
    /// Settings the kernel must have.
    pub config: Settings,
    /// Settings under which the kernel refuses.
    pub unless: Settings,
    /// The versions.
    pub span: Span,
    /// Index into [`HelperRecord::protos`].
    pub proto: u8,
}

/// One helper, as written down in `facts/helpers.toml`.
#[derive(Clone, Copy, Debug)]
pub struct HelperRecord {
    /// The number in a call instruction.
    pub id: u32,
    /// The name without `bpf_`.
    pub name: &'static str,
    /// The versions that number it.
    pub span: Span,
    /// How the record is known.
    pub known: Known,
    /// Its signatures.
    pub protos: &'static [HelperProto],
    /// Who may call it; the first that matches decides.
    pub uses: &'static [HelperUse],
}

/// Why a program may not call a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HelperRefusal {
    /// This kernel has no helper of that number.
    UnknownId,
    /// Programs of this kind have no such helper.
    NotForThisProgram,
}

/// A helper as one model offers it to one kind of program.
#[derive(Clone, Copy, Debug)]
pub struct HelperMatch<'a> {
    /// The name without `bpf_`.
    pub name: &'a str,
    /// The signature.
    pub proto: &'a HelperProto,
    /// The privilege asked of whoever loads the program.
    pub need: Privilege,
}

/// A helper's uses that one version knows.
#[derive(Clone, Debug)]
pub(super) struct HelperEntry {
    pub(super) name: alloc::borrow::Cow<'static, str>,
    pub(super) uses: alloc::vec::Vec<(Selector, Privilege, HelperProto)>,
}

impl HelperEntry {
    pub(super) fn from_record(
        record: &HelperRecord,
        version: super::KernelVersion,
        settings: Settings,
    ) -> Self {
        let uses = record
            .uses
            .iter()
            .filter(|usage| usage.span.contains(version))
            .filter(|usage| settings.contains(usage.config) && !settings.intersects(usage.unless))
            .filter_map(|usage| Some((usage.who, usage.need, *record.protos.get(usize::from(usage.proto))?)))
            .collect();
        Self { name: record.name.into(), uses }
    }

    pub(super) fn find(&self, kind: &ProgKind) -> Result<HelperMatch<'_>, HelperRefusal> {
        self.uses
            .iter()
            .find(|(who, ..)| who.matches(kind))
            .map(|(_, need, proto)| HelperMatch { name: &self.name, proto, need: *need })
            .ok_or(HelperRefusal::NotForThisProgram)
    }
}
