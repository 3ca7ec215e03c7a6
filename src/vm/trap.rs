//! Traps: why a run ended without a result.
//!
//! A trap is the program's fault, or the host's will (budget, cancellation, a host function's own
//! error); it is never a fault of the host process. It says which instruction of which program,
//! and for a memory access what lay nearest.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What an access wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AccessKind {
    Load,
    Store,
    /// An atomic operation, which reads and writes.
    Atomic,
    /// A helper reading memory for the program.
    HelperRead,
    /// A helper writing memory for the program.
    HelperWrite,
}

impl AccessKind {
    /// Whether memory would change.
    pub const fn writes(self) -> bool {
        !matches!(self, AccessKind::Load | AccessKind::HelperRead)
    }

    const fn verb(self) -> &'static str {
        match self {
            AccessKind::Load => "load",
            AccessKind::Store => "store",
            AccessKind::Atomic => "atomic operation",
            AccessKind::HelperRead => "read by a helper",
            AccessKind::HelperWrite => "write by a helper",
        }
    }
}

/// A kind of memory that a program may touch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RegionKind {
    /// A frame of the stack: 0 is the outermost.
    Stack(u8),
    Context,
    Packet,
    /// A value of a map.
    MapValue,
    /// A record reserved in a ring buffer.
    Record,
    /// Memory of the host, granted for the run.
    Granted,
}

impl fmt::Display for RegionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegionKind::Stack(frame) => write!(f, "stack frame {frame}"),
            RegionKind::Context => f.write_str("context"),
            RegionKind::Packet => f.write_str("packet"),
            RegionKind::MapValue => f.write_str("map value"),
            RegionKind::Record => f.write_str("ring buffer record"),
            RegionKind::Granted => f.write_str("granted memory"),
        }
    }
}

/// The region an access fell next to, or into where it may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Near {
    pub kind: RegionKind,
    /// Where the access begins, counted from the region's start.
    pub offset: i64,
    /// Bytes in the region.
    pub len: u64,
    pub writable: bool,
}

/// Why a run ended without a result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TrapKind {
    /// An access outside the regions the program may touch.
    Access { kind: AccessKind, addr: u64, size: u64, near: Option<Near> },
    /// An atomic operation at an address that is no multiple of its size.
    Unaligned { addr: u64, size: u64 },
    /// The instruction budget is used up.
    Budget { limit: u64 },
    /// The host asked the run to stop.
    Cancelled,
    /// More frames than a program may have at once.
    CallDepth,
    /// A call through a register, or a callback, that is no function of the program.
    NotAFunction { target: u64 },
    /// A helper was given something that is no map, or none that it can work on.
    NotAMap { handle: u64 },
    /// A helper that the linker does not have, where the engine was told to wait for the call.
    UnknownHelper { id: i32 },
    /// A kernel function that the linker does not have, likewise.
    UnknownKfunc { id: i32 },
    /// Something this engine does not do.
    Unsupported(&'static str),
    /// A helper was called in a way that the kernel's verifier would have refused.
    BadArgument { helper: &'static str, argument: u8 },
    /// A lock that this run holds already, or never took.
    Lock,
    /// The program threw (`bpf_throw`); seen by hosts only from host functions that call back.
    Thrown(u64),
    /// The error of a host function.
    Host(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrapKind::Access { kind, addr, size, near } => {
                write!(f, "{} of {size} bytes at {addr:#x} ", kind.verb())?;
                match near {
                    None => f.write_str("outside all memory of the program"),
                    Some(n) => fmt_near(f, *kind, *size, *n),
                }
            }
            TrapKind::Unaligned { addr, size } => {
                write!(f, "atomic operation on {size} bytes at {addr:#x}, which is not aligned")
            }
            TrapKind::Budget { limit } => write!(f, "the budget of {limit} instructions is used up"),
            TrapKind::Cancelled => f.write_str("cancelled by the host"),
            TrapKind::CallDepth => write!(f, "more than {} frames", super::MAX_FRAMES),
            TrapKind::NotAFunction { target } => write!(f, "{target:#x} is no function of the program"),
            TrapKind::NotAMap { handle } => write!(f, "{handle:#x} is no map that fits the call"),
            TrapKind::UnknownHelper { id } => write!(f, "helper {id} is not linked"),
            TrapKind::UnknownKfunc { id } => write!(f, "kernel function with BTF id {id} is not linked"),
            TrapKind::Unsupported(what) => write!(f, "{what} is not supported"),
            TrapKind::BadArgument { helper, argument } => {
                write!(f, "argument {argument} of helper {helper} is not what it takes")
            }
            TrapKind::Lock => f.write_str("spin lock taken twice or released without being held"),
            TrapKind::Thrown(cookie) => write!(f, "the program threw {cookie:#x}"),
            TrapKind::Host(error) => write!(f, "host function failed: {error}"),
        }
    }
}

fn fmt_near(f: &mut fmt::Formatter<'_>, kind: AccessKind, size: u64, n: Near) -> fmt::Result {
    let inside = n.offset >= 0 && n.offset.unsigned_abs().checked_add(size).is_some_and(|end| end <= n.len);
    let rights = if kind.writes() && !n.writable { "read-only " } else { "" };
    if inside {
        write!(f, "in {rights}{} of {} bytes, at offset {}", n.kind, n.len, n.offset)
    } else if n.offset < 0 {
        write!(f, "begins {} bytes before {rights}{} of {} bytes", n.offset.unsigned_abs(), n.kind, n.len)
    } else {
        write!(f, "reaches past {rights}{} of {} bytes, from offset {}", n.kind, n.len, n.offset)
    }
}

/// Why a run ended without a result, and where.
#[derive(Clone, Debug)]
pub struct Trap(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: TrapKind,
    place: Option<Place>,
}

/// An instruction of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub program: Arc<str>,
    /// The slot of the instruction.
    pub insn: u32,
}

impl Trap {
    /// A trap that has no place yet; the engine gives it that of the call.
    pub fn new(kind: TrapKind) -> Trap {
        Trap(Box::new(Inner { kind, place: None }))
    }

    /// The error of a host function.
    pub fn host(error: impl Into<Box<dyn Error + Send + Sync>>) -> Trap {
        Trap::new(TrapKind::Host(Arc::from(error.into())))
    }

    /// Why.
    pub fn kind(&self) -> &TrapKind {
        &self.0.kind
    }

    /// Where, once the trap has left the program.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Gives a trap without a place this one; the innermost program knows best.
    #[cold]
    pub(crate) fn at(mut self, program: &Arc<str>, insn: u32) -> Trap {
        self.0.place.get_or_insert_with(|| Place { program: program.clone(), insn });
        self
    }
}

impl From<TrapKind> for Trap {
    #[cold]
    fn from(kind: TrapKind) -> Trap {
        Trap::new(kind)
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.place {
            Some(p) if p.program.is_empty() => write!(f, "instruction {}: {}", p.insn, self.0.kind),
            Some(p) => write!(f, "{}, instruction {}: {}", p.program, p.insn, self.0.kind),
            None => self.0.kind.fmt(f),
        }
    }
}

impl Error for Trap {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.kind {
            TrapKind::Host(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trap_is_one_word() {
        assert_eq!(size_of::<Trap>(), size_of::<usize>());
        assert_eq!(size_of::<Result<u64, Trap>>(), 16);
    }

    #[test]
    fn the_message_says_how_the_access_missed() {
        let near = |offset| {
            let near = Near { kind: RegionKind::Packet, offset, len: 64, writable: false };
            TrapKind::Access { kind: AccessKind::Load, addr: 0x1000, size: 4, near: Some(near) }.to_string()
        };
        assert_eq!(near(62), "load of 4 bytes at 0x1000 reaches past packet of 64 bytes, from offset 62");
        assert_eq!(near(-2), "load of 4 bytes at 0x1000 begins 2 bytes before packet of 64 bytes");
        let store = Near { kind: RegionKind::Packet, offset: 8, len: 64, writable: false };
        let store = TrapKind::Access { kind: AccessKind::Store, addr: 0x1000, size: 4, near: Some(store) };
        let trap = Trap::new(store).at(&Arc::from("xdp"), 7);
        assert_eq!(
            trap.to_string(),
            "xdp, instruction 7: store of 4 bytes at 0x1000 in read-only packet of 64 bytes, at offset 8"
        );
    }
}
