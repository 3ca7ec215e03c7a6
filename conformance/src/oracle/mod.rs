//! The running kernel as an oracle: what does it say of a program, and what does a run of it give.
//!
//! Programs are loaded and test-run through bpf(2) and closed again. Nothing is attached, nothing is
//! pinned, no setting is changed.

mod maps;
mod sys;

use oxbpf::isa::btf::core::CoreTarget;
use oxbpf::isa::btf::{Btf, Kind};
use oxbpf::isa::insn::{ByteOrder, RawInsn};
use oxbpf::isa::kernel::{AttachType, KernelModel, KernelVersion, ProgType};
use oxbpf::isa::program::Program;
use oxbpf_verifier::WALKS;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use sys::{Attr, Cmd, number};

/// The kernel, ready to be asked.
pub struct Oracle {
    types: Arc<Btf>,
}

/// Why the kernel cannot be asked.
#[derive(Debug)]
pub struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

/// The model of the running kernel, if the verifier walks as its version does.
///
/// # Errors
/// The reason for which it cannot be compared with the running kernel.
pub fn running_model() -> Result<KernelModel, Skip> {
    const RELEASE: &str = "/proc/sys/kernel/osrelease";
    let text = std::fs::read_to_string(RELEASE).map_err(|e| Skip(format!("{RELEASE}: {e}")))?;
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    let mut number = || parts.next().and_then(|part| part.parse().ok());
    let version = number().zip(number()).map(|(major, minor)| KernelVersion::new(major, minor));
    let model = version.filter(|v| WALKS.contains(v)).and_then(KernelModel::measured);
    model.ok_or_else(|| Skip(format!("no walk is known of Linux {}", text.trim())))
}

/// What the kernel said of a program.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// 0 for accepted.
    pub errno: i32,
    pub log: String,
    pub processed: u64,
    pub total_states: u64,
    pub peak_states: u64,
}

/// An accepted program, until it is dropped.
pub struct LoadedProgram {
    fd: OwnedFd,
    maps: Vec<OwnedFd>,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct RunResult {
    pub retval: u32,
    pub data: Vec<u8>,
}

/// Bytes of log that are asked for; the kernel takes no more than its limit of 2^30.
const LOG_SIZE: usize = 32 << 20;

impl Oracle {
    /// Opens the kernel's types and tries the smallest program.
    ///
    /// # Errors
    /// The reason for which the kernel cannot be asked here.
    pub fn open() -> Result<Oracle, Skip> {
        const TYPES: &str = "/sys/kernel/btf/vmlinux";
        let bytes = std::fs::read(TYPES).map_err(|e| Skip(format!("{TYPES}: {e}")))?;
        let types = Btf::parse(bytes).map_err(|e| Skip(format!("{TYPES}: {e}")))?;
        let oracle = Oracle { types: Arc::new(types) };
        let exit = [RawInsn::new(0xb7, 0, 0, 0, 0), RawInsn::new(0x95, 0, 0, 0, 0)];
        let mut program = Program::from_insns("probe", exit.to_vec());
        program.prog_type = Some(ProgType::SocketFilter);
        match oracle.load(&program, 0) {
            Ok((Answer { errno: 0, .. }, _)) => Ok(oracle),
            Ok((answer, _)) => Err(Skip(format!("bpf(2) refuses a trivial program: errno {}", answer.errno))),
            Err(e) => Err(Skip(format!("bpf(2): {e}"))),
        }
    }

    /// The running kernel's types.
    pub fn types(&self) -> &Arc<Btf> {
        &self.types
    }

    /// The running kernel's types, indexed for CO-RE.
    pub fn target(&self) -> CoreTarget {
        CoreTarget::new(self.types.clone())
    }

    /// Whether the kernel takes the program's types. A loader that is refused goes on without them.
    pub fn takes_types(&self, program: &Program) -> bool {
        program.btf.as_deref().is_none_or(|btf| load_types(btf).is_ok())
    }

    /// Loads a program with its maps, and gives what the kernel said at a log level, and the program
    /// if it was accepted.
    ///
    /// # Errors
    /// When a map or the program's types cannot be created; that says nothing of the program.
    pub fn load(&self, program: &Program, log_level: u32) -> io::Result<(Answer, Option<LoadedProgram>)> {
        let btf = program.btf.as_deref().and_then(|b| load_types(b).ok());
        let mut maps = Vec::new();
        for def in &program.maps {
            maps.push(maps::create(def, btf.as_ref())?);
        }
        let mut bytes = Vec::with_capacity(program.insns.len() * 8);
        for insn in with_descriptors(program, &maps) {
            bytes.extend_from_slice(&insn.to_bytes(ByteOrder::Little));
        }
        let license = format!("{}\0", program.license).into_bytes();
        let mut log = vec![0u8; if log_level == 0 { 0 } else { LOG_SIZE }];
        let funcs: Vec<u8> =
            program.funcs.iter().flat_map(|f| [f.insn, f.type_id.0]).flat_map(u32::to_ne_bytes).collect();
        let lines: Vec<u8> = program
            .lines
            .iter()
            .flat_map(|l| [l.insn, l.file_name, l.line_text, l.line_col])
            .flat_map(u32::to_ne_bytes)
            .collect();
        let mut attr = Attr::new();
        attr.u32(0, program.prog_type.map_or(0, ProgType::number))
            .u32(4, program.insns.len() as u32)
            .bytes(8, &bytes)
            .bytes(16, &license)
            .u32(24, log_level)
            .u32(28, log.len() as u32)
            .u32(40, program.kern_version)
            .u32(44, program.flags.0)
            .name(48, &program.name)
            .u32(68, attach_type(program))
            .u32(108, self.attach_id(program));
        if !log.is_empty() {
            attr.bytes(32, &log);
        }
        if let Some(btf) = &btf
            && !program.funcs.is_empty()
        {
            attr.u32(72, number(btf)).u32(76, 8).bytes(80, &funcs).u32(88, program.funcs.len() as u32);
            attr.u32(92, 16).bytes(96, &lines).u32(104, program.lines.len() as u32);
        }
        let result = attr.open(Cmd::ProgLoad);
        let end = log.iter().position(|&b| b == 0).unwrap_or(log.len());
        log.truncate(end);
        let log = String::from_utf8_lossy(&log).into_owned();
        let number = |key: &str| {
            let at = log.rfind(key).map(|at| at + key.len())?;
            log[at..].split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let answer = Answer {
            errno: result.as_ref().err().and_then(io::Error::raw_os_error).unwrap_or(0),
            processed: number("processed ").unwrap_or(0),
            total_states: number("total_states ").unwrap_or(0),
            peak_states: number("peak_states ").unwrap_or(0),
            log,
        };
        Ok((answer, result.ok().map(|fd| LoadedProgram { fd, maps })))
    }

    /// The kernel's type that a program attaches to, for the kinds that this kernel loads.
    fn attach_id(&self, program: &Program) -> u32 {
        if let Some((id, _)) = program.struct_ops.as_ref().and_then(|s| s.kernel) {
            return id.0;
        }
        let Some(target) = &program.attach_target else { return 0 };
        let (name, kind) = match (program.prog_type, program.expected_attach_type) {
            (Some(ProgType::Tracing), Some(AttachType::TraceRawTp)) => {
                (format!("btf_trace_{target}"), Kind::Typedef)
            }
            (Some(ProgType::Tracing), Some(AttachType::TraceIter)) => {
                (format!("bpf_iter_{target}"), Kind::Func)
            }
            (Some(ProgType::Lsm), _) => (format!("bpf_lsm_{target}"), Kind::Func),
            (Some(ProgType::Tracing), _) => (target.clone(), Kind::Func),
            _ => return 0,
        };
        self.types.find(&name, kind).map_or(0, |id| id.0)
    }
}

/// The attach type, which for callbacks is the number of the struct's member.
fn attach_type(program: &Program) -> u32 {
    match program.struct_ops.as_ref().and_then(|s| s.kernel) {
        Some((_, member)) => member,
        None => program.expected_attach_type.map_or(0, AttachType::number),
    }
}

/// The types of an object as the kernel takes them.
fn load_types(btf: &Btf) -> io::Result<OwnedFd> {
    let bytes = btf.bytes().to_vec();
    let mut attr = Attr::new();
    attr.bytes(0, &bytes).u32(16, bytes.len() as u32);
    attr.open(Cmd::BtfLoad)
}

/// The instructions with descriptors where the program names maps by index.
fn with_descriptors(program: &Program, maps: &[OwnedFd]) -> Vec<RawInsn> {
    let mut insns = program.insns.clone();
    let mut at = 0;
    while at < insns.len() {
        let insn = &mut insns[at];
        if insn.is_ldimm64() {
            if matches!(insn.src, 1 | 2)
                && let Some(fd) = usize::try_from(insn.imm).ok().and_then(|i| maps.get(i))
            {
                insn.imm = number(fd) as i32;
            }
            at += 1;
        }
        at += 1;
    }
    insns
}

impl LoadedProgram {
    /// Puts the program into one of its own maps, an array of programs.
    ///
    /// # Errors
    /// What the kernel returns, and when there is no such map.
    pub fn insert_into(&self, map: usize, index: u32) -> io::Result<()> {
        let map = self.maps.get(map).ok_or(io::ErrorKind::NotFound)?;
        let (key, value) = (index.to_ne_bytes(), number(&self.fd).to_ne_bytes());
        Attr::new().u32(0, number(map)).bytes(8, &key).bytes(16, &value).call(Cmd::MapUpdate)?;
        Ok(())
    }

    /// Runs the program so many times on a packet, and gives how long one run took on average.
    ///
    /// # Errors
    /// What the kernel returns.
    pub fn time(&self, data: &[u8], repeat: u32) -> io::Result<Duration> {
        let mut attr = Attr::new();
        attr.u32(0, number(&self.fd)).u32(8, data.len() as u32).bytes(16, data).u32(32, repeat);
        attr.call(Cmd::ProgTestRun)?;
        Ok(Duration::from_nanos(u64::from(attr.get_u32(36))))
    }

    /// Runs the program once on a packet or context (BPF_PROG_TEST_RUN).
    ///
    /// # Errors
    /// What the kernel returns, such as when programs of this type cannot be run so.
    pub fn test_run(&self, data: &[u8], context: &[u8]) -> io::Result<RunResult> {
        self.test_run_repeat(data, context, 1)
    }

    /// The same so many times in a row.
    ///
    /// # Errors
    /// As for [`LoadedProgram::test_run`].
    pub fn test_run_repeat(&self, data: &[u8], context: &[u8], repeat: u32) -> io::Result<RunResult> {
        let mut out = vec![0u8; data.len() + 256];
        let mut attr = Attr::new();
        attr.u32(0, number(&self.fd));
        if !data.is_empty() {
            attr.u32(8, data.len() as u32).u32(12, out.len() as u32).bytes(16, data).bytes(24, &out);
            attr.u32(32, repeat);
        }
        if !context.is_empty() {
            attr.u32(40, context.len() as u32).bytes(48, context);
        }
        attr.call(Cmd::ProgTestRun)?;
        out.truncate(attr.get_u32(12) as usize);
        Ok(RunResult { retval: attr.get_u32(4), data: out })
    }
}
