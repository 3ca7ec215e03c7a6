//! Random small programs, nearly valid.
//!
//! A program that is random bytes is refused at its first instruction and tells little. Here a
//! [`Writer`] keeps count of what registers and stack hold, writes what would probably be accepted,
//! and slips now and then: a register it should not use, an offset one too large, a check left out.
//! Every program comes from one number, so that a disagreement can be had again. [`shrink`] makes
//! the program behind one small enough to be understood.
//!
//! [`accesses`] has arithmetic and memory, [`flow`] branches, loops and functions, [`calls`] helpers.
//! The facts a writer follows are the model's own; where they are wrong, the kernel refuses what was
//! meant to be valid.

mod accesses;
mod calls;
mod flow;
mod shrink;
mod writer;

pub use shrink::shrink;

use std::sync::Arc;

use oxbpf::isa::btf::{Btf, BtfBuilder, BuildError, IntEncoding, Linkage, Param};
use oxbpf::isa::insn::{ByteOrder, RawInsn};
use oxbpf::isa::kernel::{AttachType, CtxReg, KernelModel, MapType, ProgKind, ProgType};
use oxbpf::isa::program::{FuncInfo, MapDef, ProgFlags, Program};
use writer::{Function, Writer};

/// Numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// One whose start is different each time, or that of `OXBPF_SEED`; it says so, to be repeated.
    pub fn fresh() -> Random {
        let given = std::env::var("OXBPF_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |now| now.as_nanos() as u64)
        });
        println!("OXBPF_SEED={seed}");
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.number() % n
    }

    /// An index below `n`, and 0 when `n` is.
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n.max(1) as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    /// One of several.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// Writes programs instruction by instruction.
pub trait Emit {
    /// What is written so far.
    fn insns(&mut self) -> &mut Vec<RawInsn>;

    /// One slot.
    fn put(&mut self, code: u8, dst: u8, src: u8, off: i16, imm: i32) {
        self.insns().push(RawInsn::new(code, dst, src, off, imm));
    }

    /// A register gets a number.
    fn set(&mut self, reg: u8, imm: i32) {
        self.put(0xb7, reg, 0, 0, imm);
    }

    /// A register gets what another holds.
    fn copy(&mut self, reg: u8, from: u8) {
        self.put(0xbf, reg, from, 0, 0);
    }

    /// A register gets an address in the stack.
    fn stack(&mut self, reg: u8, off: i32) {
        self.copy(reg, 10);
        self.put(0x07, reg, 0, 0, off);
    }
}

/// Kinds of program that load without a target, and attach types where they need one.
const KINDS: &[(ProgType, &[AttachType])] = &[
    (ProgType::SocketFilter, &[]),
    (ProgType::Kprobe, &[]),
    (ProgType::SchedCls, &[]),
    (ProgType::SchedAct, &[]),
    (ProgType::Tracepoint, &[]),
    (ProgType::Xdp, &[]),
    (ProgType::PerfEvent, &[]),
    (ProgType::CgroupSkb, &[AttachType::CgroupInetIngress, AttachType::CgroupInetEgress]),
    (ProgType::CgroupSock, &[AttachType::CgroupInetSockCreate, AttachType::CgroupInet4PostBind]),
    (ProgType::LwtIn, &[]),
    (ProgType::LwtXmit, &[]),
    (ProgType::SockOps, &[]),
    (ProgType::SkSkb, &[]),
    (ProgType::CgroupDevice, &[]),
    (ProgType::SkMsg, &[]),
    (ProgType::RawTracepoint, &[]),
    (ProgType::RawTracepointWritable, &[]),
    (
        ProgType::CgroupSockAddr,
        &[AttachType::CgroupInet4Bind, AttachType::CgroupInet6Connect, AttachType::CgroupUdp4Recvmsg],
    ),
    (ProgType::LwtSeg6local, &[]),
    (ProgType::SkReuseport, &[]),
    (ProgType::FlowDissector, &[]),
    (ProgType::CgroupSysctl, &[]),
    (ProgType::CgroupSockopt, &[AttachType::CgroupGetsockopt, AttachType::CgroupSetsockopt]),
    (ProgType::SkLookup, &[AttachType::SkLookup]),
    (ProgType::Syscall, &[]),
];

/// Flags that change what the verifier asks.
const FLAGS: &[u32] = &[
    ProgFlags::TEST_STATE_FREQ,
    ProgFlags::STRICT_ALIGNMENT,
    ProgFlags::ANY_ALIGNMENT,
    ProgFlags::TEST_REG_INVARIANTS,
    ProgFlags::TEST_RND_HI32,
];

/// Where a context holds the packet.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    packet: Option<(i16, u32)>,
    end: Option<(i16, u32)>,
    meta: Option<(i16, u32)>,
}

fn fields(model: &KernelModel, kind: &ProgKind) -> Fields {
    let find = |reg: CtxReg| {
        (0..256i32).step_by(4).find_map(|off| {
            let size = [4u32, 8].into_iter().find(|&size| {
                model.ctx_access(kind, off, size, false).is_ok_and(|access| access.reg == reg)
            })?;
            Some((off as i16, size))
        })
    };
    Fields { packet: find(CtxReg::Packet), end: find(CtxReg::PacketEnd), meta: find(CtxReg::PacketMeta) }
}

/// The program of a seed.
pub fn program(seed: u64, model: &KernelModel) -> Program {
    let mut random = Random(seed);
    let common = [ProgType::SchedCls, ProgType::Xdp, ProgType::SocketFilter, ProgType::Kprobe];
    let (mut prog_type, mut attach) = random.one(KINDS);
    if random.percent(40) {
        (prog_type, attach) = (random.one(&common), &[]);
    }
    let attach = if attach.is_empty() { None } else { Some(random.one(attach)) };
    let kind = ProgKind::new(prog_type).attached_to(attach.unwrap_or(AttachType::CgroupInetIngress));
    let flags = if random.percent(15) { random.one(FLAGS) } else { 0 };
    let sleepable = prog_type == ProgType::Syscall;
    let kind = kind.with_sleepable(sleepable);
    let gpl = random.percent(97);
    let mut writer = Writer::new(random, model, kind, fields(model, &kind));
    writer.write();
    let has_callbacks = writer.functions.iter().any(|f| f.is_callback || f.is_global);
    let typed = writer.random.percent(if has_callbacks { 97 } else { 30 });
    let types = typed.then(|| function_types(&writer.functions));
    let (insns, maps) = writer.finish();
    let mut program = Program::from_insns("random", insns);
    program.prog_type = Some(prog_type);
    program.expected_attach_type = attach;
    program.flags = ProgFlags(flags | if sleepable { ProgFlags::SLEEPABLE } else { 0 });
    program.license = if gpl { "GPL" } else { "Proprietary" }.to_owned();
    program.maps = maps;
    if let Some((btf, funcs)) = types {
        (program.btf, program.funcs) = (Some(btf), funcs);
    }
    program
}

/// Prototypes of the program and its functions.
fn function_types(functions: &[Function]) -> (Arc<Btf>, Vec<FuncInfo>) {
    let mut types = BtfBuilder::new(ByteOrder::Little);
    let build = |types: &mut BtfBuilder| -> Result<Vec<FuncInfo>, BuildError> {
        let int = types.int("int", 4, IntEncoding(1))?;
        let long = types.int("long", 8, IntEncoding(1))?;
        let context = types.func_proto(int, &[Param { name: "ctx", ty: long }])?;
        let program = types.func("program", context, Linkage::Global)?;
        let mut funcs = vec![FuncInfo { insn: 0, type_id: program }];
        for (n, function) in functions.iter().enumerate() {
            let Some(start) = function.start else { continue };
            const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
            let params: Vec<Param<'_>> =
                NAMES.iter().take(function.args.len()).map(|&name| Param { name, ty: long }).collect();
            let proto = types.func_proto(int, &params)?;
            let linkage = if function.is_global { Linkage::Global } else { Linkage::Static };
            let type_id = types.func(&format!("f{n}"), proto, linkage)?;
            funcs.push(FuncInfo { insn: start as u32, type_id });
        }
        Ok(funcs)
    };
    let funcs = build(&mut types).expect("few small types");
    (Arc::new(types.build().expect("types that were just built")), funcs)
}

/// Bytes of the constant map: text with an end, and numbers.
const CONSTANTS: &[u8; 32] = b"%d of %d\0\0\0\0\x01\0\0\0\xff\xff\xff\xff\x40\0\0\0\0\0\0\0end!";

/// The shapes of maps that programs use.
fn map_shapes() -> Vec<MapDef> {
    let map = |map_type: MapType, key: u32, value: u32, entries: u32| MapDef {
        name: format!("m{}", map_type.number()),
        map_type: map_type.number(),
        key_size: key,
        value_size: value,
        max_entries: entries,
        ..MapDef::default()
    };
    const RDONLY_PROG: u32 = 1 << 7;
    const WRONLY_PROG: u32 = 1 << 8;
    const NO_PREALLOC: u32 = 1;
    let inner = map(MapType::Array, 4, 16, 2);
    let with_inner = |outer: MapDef| MapDef { inner: Some(Box::new(inner.clone())), ..outer };
    vec![
        map(MapType::Array, 4, 48, 1),
        map(MapType::Array, 4, 16, 8),
        map(MapType::Hash, 8, 64, 4),
        MapDef {
            flags: RDONLY_PROG,
            frozen: true,
            data: Some(Arc::from(&CONSTANTS[..])),
            ..map(MapType::Array, 4, 32, 1)
        },
        MapDef { flags: WRONLY_PROG, ..map(MapType::Array, 4, 24, 1) },
        MapDef { flags: RDONLY_PROG, ..map(MapType::Hash, 4, 12, 2) },
        map(MapType::PercpuArray, 4, 40, 3),
        map(MapType::LruHash, 16, 7, 4),
        map(MapType::ProgArray, 4, 4, 4),
        map(MapType::PerfEventArray, 4, 4, 2),
        map(MapType::StackTrace, 4, 64, 2),
        map(MapType::CgroupArray, 4, 4, 2),
        MapDef { flags: NO_PREALLOC, ..map(MapType::LpmTrie, 8, 8, 4) },
        with_inner(map(MapType::ArrayOfMaps, 4, 4, 2)),
        with_inner(map(MapType::HashOfMaps, 4, 4, 2)),
        map(MapType::Devmap, 4, 4, 2),
        map(MapType::Sockmap, 4, 4, 2),
        map(MapType::Cpumap, 4, 4, 2),
        map(MapType::Xskmap, 4, 4, 2),
        map(MapType::Sockhash, 4, 4, 2),
        map(MapType::ReuseportSockarray, 4, 8, 2),
        map(MapType::Queue, 0, 8, 2),
        map(MapType::Stack, 0, 12, 2),
        map(MapType::Ringbuf, 0, 0, 4096),
        map(MapType::BloomFilter, 0, 8, 4),
    ]
}
