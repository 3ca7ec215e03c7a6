//! A program as it would be handed to bpf(2): linked, relocated, with its maps and types.
//!
//! Inside [`Program::insns`] a map is named by its index in [`Program::maps`], where the system
//! call has a file descriptor; what functions of the kernel its calls mean stands in
//! [`Program::kfuncs`]. So a program is a value: it can be printed,
//! compared, verified for several kernels and run, and needs no kernel for any of it.

use crate::btf::{Btf, TypeId};
use crate::insn::RawInsn;
use crate::kernel::{AttachType, MapType, ProgType};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Flags of BPF_PROG_LOAD (uapi `BPF_F_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ProgFlags(pub u32);

impl ProgFlags {
    /// Alignment is judged as on a machine that traps unaligned accesses.
    pub const STRICT_ALIGNMENT: u32 = 1 << 0;
    /// Alignment is not judged.
    pub const ANY_ALIGNMENT: u32 = 1 << 1;
    /// The upper halves of 32-bit results are filled at random when unused; for tests.
    pub const TEST_RND_HI32: u32 = 1 << 2;
    /// A state is kept at every instruction; for tests.
    pub const TEST_STATE_FREQ: u32 = 1 << 3;
    /// The program may sleep.
    pub const SLEEPABLE: u32 = 1 << 4;
    /// The XDP program can handle packets in fragments.
    pub const XDP_HAS_FRAGS: u32 = 1 << 5;
    /// The XDP program is bound to one device.
    pub const XDP_DEV_BOUND_ONLY: u32 = 1 << 6;
    /// A register whose ranges contradict each other is an internal error; for tests.
    pub const TEST_REG_INVARIANTS: u32 = 1 << 7;

    /// Whether all bits of `flag` are set.
    pub const fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }
}

/// What stands in [`Program::insns`] for a descriptor that names no map of the program: a number that
/// is no index, from which [`descriptor_of`] gives the descriptor back.
pub const fn foreign_descriptor(fd: i32) -> i32 {
    fd | i32::MIN
}

/// The descriptor behind a number that is no index of a map.
pub const fn descriptor_of(number: i32) -> i32 {
    /// A process has no more.
    const MOST: i32 = 1 << 20;
    match number & i32::MAX {
        fd if number < 0 && fd < MOST => fd,
        _ => number,
    }
}

/// What a map is created with.
#[derive(Clone, Debug, Default)]
pub struct MapDef {
    pub name: String,
    /// The number of the map type, which may be one this crate does not know.
    pub map_type: u32,
    /// Bytes in a key.
    pub key_size: u32,
    /// Bytes in a value.
    pub value_size: u32,
    pub max_entries: u32,
    /// uapi `BPF_F_*` of map creation.
    pub flags: u32,
    pub map_extra: u64,
    pub numa_node: u32,
    /// Types of key and value in [`MapDef::btf`]; void when unknown.
    pub key_type: TypeId,
    pub value_type: TypeId,
    /// The types that [`MapDef::key_type`] and [`MapDef::value_type`] speak of.
    pub btf: Option<Arc<Btf>>,
    /// The shape of inner maps, for maps of maps.
    pub inner: Option<Box<MapDef>>,
    /// What the first value holds at load, for maps of global data, and the first bytes of an arena.
    /// None where all is zero.
    pub data: Option<Arc<[u8]>>,
    /// No longer writable from outside the program once loaded.
    pub frozen: bool,
    /// Pinned by name.
    pub pinned: bool,
    /// Initial slots of arrays of maps and programs.
    pub slots: Vec<MapSlot>,
    /// The `SEC(".struct_ops")` variable this map carries, by its type's name.
    pub struct_ops: Option<StructOps>,
}

impl MapDef {
    /// The map type, when this crate knows it.
    pub fn kind(&self) -> Option<MapType> {
        MapType::from_number(self.map_type)
    }
}

/// One initial element of an array of maps or programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapSlot {
    pub index: u32,
    pub target: SlotTarget,
}

/// What an initial element refers to, by name within the object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SlotTarget {
    Map(String),
    Program(String),
}

/// A struct of kernel callbacks: which program stands at which member.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StructOps {
    /// The kernel type, without flavour.
    pub type_name: String,
    /// Member name and program name.
    pub members: Vec<(String, String)>,
}

/// The member of a struct of kernel callbacks that a program implements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StructOpsMember {
    /// The kernel type, without flavour.
    pub type_name: String,
    pub member: String,
    /// The struct in the target kernel's types and the number of the member there; none when no
    /// types were given.
    pub kernel: Option<(TypeId, u32)>,
}

/// Where a function of the source begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FuncInfo {
    /// Slot of its first instruction.
    pub insn: u32,
    /// BTF_KIND_FUNC in [`Program::btf`].
    pub type_id: TypeId,
}

/// Which line of the source an instruction comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineInfo {
    /// Slot of the first instruction of the line.
    pub insn: u32,
    /// String offsets in [`Program::btf`].
    pub file_name: u32,
    pub line_text: u32,
    /// `line << 10 | column`, as in the ELF section.
    pub line_col: u32,
}

impl LineInfo {
    /// Line, from 1.
    pub const fn line(&self) -> u32 {
        self.line_col >> 10
    }

    /// Column, from 1; 0 when unknown.
    pub const fn column(&self) -> u32 {
        self.line_col & 0x3ff
    }
}

/// A function of the kernel that the program calls or takes the address of.
///
/// The instruction's `imm` holds the id found in the target kernel's types, or 0 when no types
/// were given or the kernel has no such function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KfuncRef {
    /// Slot of the call.
    pub insn: u32,
    pub name: String,
    /// The program may load where the function is missing.
    pub weak: bool,
    /// BTF_KIND_FUNC of the declaration in [`Program::btf`].
    pub local_type: TypeId,
}

/// A program ready to be judged or run.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: String,
    /// The ELF section, or empty.
    pub section: String,
    /// None when nothing says what the program is for.
    pub prog_type: Option<ProgType>,
    pub expected_attach_type: Option<AttachType>,
    /// What the section names after its prefix: a function, a tracepoint, a hook.
    pub attach_target: Option<String>,
    /// The callback it implements, for programs of struct_ops that a struct refers to.
    pub struct_ops: Option<StructOpsMember>,
    pub flags: ProgFlags,
    pub license: String,
    pub kern_version: u32,
    pub insns: Vec<RawInsn>,
    pub maps: Vec<Arc<MapDef>>,
    /// The object's types as the kernel gets them.
    pub btf: Option<Arc<Btf>>,
    pub funcs: Vec<FuncInfo>,
    pub lines: Vec<LineInfo>,
    pub kfuncs: Vec<KfuncRef>,
}

impl Program {
    /// A program of bare instructions, with nothing known about it.
    pub fn from_insns(name: impl Into<String>, insns: Vec<RawInsn>) -> Program {
        Program {
            name: name.into(),
            section: String::new(),
            prog_type: None,
            expected_attach_type: None,
            attach_target: None,
            struct_ops: None,
            flags: ProgFlags::default(),
            license: String::new(),
            kern_version: 0,
            insns,
            maps: Vec::new(),
            btf: None,
            funcs: Vec::new(),
            lines: Vec::new(),
            kfuncs: Vec::new(),
        }
    }

    /// Whether the licence lets the program call GPL-only functions (Linux
    /// `license_is_gpl_compatible`).
    pub fn is_gpl_compatible(&self) -> bool {
        const COMPATIBLE: [&str; 6] =
            ["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"];
        COMPATIBLE.contains(&self.license.as_str())
    }

    /// The line of source that the instruction in this slot comes from.
    pub fn line_of(&self, insn: usize) -> Option<&LineInfo> {
        let after = self.lines.partition_point(|l| l.insn as usize <= insn);
        self.lines[..after].last()
    }
}
