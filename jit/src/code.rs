//! Compiled programs.

use crate::abi::{Door, Entry};
use crate::memory::CodeMemory;
use crate::pool::Words;
use crate::stubs::Stubs;
use std::fmt;

/// A function of a compiled program.
#[derive(Clone, Debug)]
pub struct Function {
    /// The operation it begins at.
    pub op: u32,
    /// Where its code lies in [`Code::bytes`], and how long it is.
    pub offset: usize,
    pub len: usize,
    /// Frames that it and what it calls need at most; none where calls go round, and are counted.
    pub depth: Option<usize>,
    /// Whether the host may call it.
    pub(crate) by_address: bool,
    /// Whether it jumps to other programs, and they to it: see [`abi`](crate::abi).
    pub chained: bool,
    /// Offsets in the function at which code of an operation begins, in order.
    pub locations: Vec<(u32, u32)>,
}

/// A compiled program: machine code that lives as long as this.
pub struct Code {
    pub(crate) memory: CodeMemory,
    pub(crate) functions: Vec<Function>,
    pub(crate) clif: String,
    pub(crate) reads_fresh_frames: bool,
    pub(crate) uses_frames: bool,
    pub(crate) inherits: bool,
    pub(crate) refuels: bool,
    pub(crate) stubs: &'static Stubs,
    /// What the code loads by address.
    pub(crate) _pool: Words,
}

impl Code {
    /// The functions, in order of the operations they begin at.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The machine code.
    pub fn bytes(&self) -> &[u8] {
        self.memory.bytes()
    }

    /// Where the machine code lies.
    pub fn address(&self) -> usize {
        self.memory.bytes().as_ptr().addr()
    }

    /// The intermediate form, if the compiler was asked to keep it.
    pub fn clif(&self) -> &str {
        &self.clif
    }

    /// Whether some function may read of its frame what it did not write: then what runs before left in
    /// frames has to be cleared.
    pub fn reads_fresh_frames(&self) -> bool {
        self.reads_fresh_frames
    }

    /// How many of the frames that it needs it may write to.
    pub fn frames_written(&self, needed: usize) -> usize {
        if self.uses_frames { needed } else { 0 }
    }

    /// Whether some function may read registers that are no arguments before it writes them: then
    /// [`Context::inherited`](crate::abi::Context::inherited) has to be filled in.
    pub fn inherits(&self) -> bool {
        self.inherits
    }

    /// Whether some function may ask for more fuel; where none does, what is left of it is looked at by nobody
    /// but the host.
    pub fn refuels(&self) -> bool {
        self.refuels
    }

    /// How the function that begins at an operation is called, if the host may call it. To call it is only sound
    /// while this value lives, with the frame pointer of a frame in a block laid out as [`abi`](crate::abi)
    /// says, whose context is filled in, with frames left for its depth; and when the program was
    /// compiled as proven, only when the proof is right. For a [chained](Function::chained) function the
    /// context's `callee` has to be [its address](Code::address_of).
    pub fn entry(&self, op: u32) -> Option<(Entry, &Function)> {
        let index = self.functions.binary_search_by_key(&op, |f| f.op).ok()?;
        let function = self.functions.get(index).filter(|f| f.by_address)?;
        let at = match function.chained {
            true => std::ptr::with_exposed_provenance(self.stubs.enter() as usize),
            false => self.memory.bytes().get(function.offset..)?.as_ptr(),
        };
        // SAFETY: this is the first byte of a function that was compiled with this signature.
        Some((unsafe { std::mem::transmute::<*const u8, Entry>(at) }, function))
    }

    /// Where the machine code of a function of this program begins.
    pub fn address_of(&self, function: &Function) -> u64 {
        (self.address() + function.offset) as u64
    }

    /// How chains of tail calls go on in the main function; its arguments are zeros but for R1. The same
    /// is asked of whoever lets them as of whoever calls it.
    pub fn door(&self) -> Option<Door> {
        let (_, function) = self.entry(0)?;
        let entry = self.address_of(function);
        Some(Door { code: if function.chained { entry } else { self.stubs.pass() }, entry })
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("functions", &self.functions.len()).finish_non_exhaustive()
    }
}
