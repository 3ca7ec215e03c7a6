//! The virtual machine: memory, maps, helpers and the interpreter.
//!
//! An [`Engine`] holds what one embedding shares. A [`Linker`] gives a program its maps and functions
//! and makes an [`Instance`], which any number of threads run, each with a state of the host and an
//! [`Input`] of its own:
//!
//! ```
//! use oxbpf::isa::insn::RawInsn;
//! use oxbpf::isa::program::Program;
//! use oxbpf::vm::{Caller, Engine, Input, Linker};
//!
//! // r2 = 40; call 1000; exit
//! let insns = vec![
//!     RawInsn::new(0xb7, 2, 0, 0, 40),
//!     RawInsn::new(0x85, 0, 0, 0, 1000),
//!     RawInsn::new(0x95, 0, 0, 0, 0),
//! ];
//! let program = Program::from_insns("answer", insns);
//!
//! let mut linker: Linker<u64> = Linker::new(&Engine::default());
//! linker.func(1000, |caller: &mut Caller<'_, u64>, _memory: u64, n: u64| {
//!     *caller.data_mut() += 1;
//!     n + 2
//! });
//! let instance = linker.instantiate(&program)?;
//! let mut calls = 0;
//! assert_eq!(instance.run(&mut calls, Input::none())?.ret, 42);
//! assert_eq!(calls, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A program from anywhere may be run: an instance made with [`Linker::instantiate`] holds every
//! access against the memory the run may touch, and whatever the program does ends in a value or in
//! a [`Trap`]. What a verified program's proof says is not checked again.

mod caller;
#[cfg(feature = "jit")]
mod compiled;
mod context;
#[cfg(feature = "jit")]
mod direct;
mod engine;
mod events;
mod exception;
#[cfg(feature = "jit")]
mod filter;
mod helpers;
mod input;
mod instance;
mod interp;
#[cfg(feature = "jit")]
mod known;
mod linker;
mod lower;
pub mod maps;
mod memory;
mod observe;
mod op;
#[cfg(feature = "verifier")]
mod proven;
mod quick;
mod run;
mod runner;
mod special;
mod steps;
mod tails;
mod task;
#[cfg(test)]
mod tests;
mod trap;

pub use caller::{Caller, Erased, FromReg, IntoFunc, IntoReg, IntoRet};
#[cfg(feature = "jit")]
pub use compiled::Callable;
pub use context::{ContextLayout, PacketPointer, WideField, sk_buff};
pub use engine::{Config, Engine, Strategy, Unknown};
pub use events::{TraceBuffer, TraceSink};
#[cfg(feature = "jit")]
pub use filter::{FilterError, PacketFilter, PacketRef};
pub use helpers::name_of as helper_name;
pub use input::{Cancel, Context, HEADROOM, Input, Packet};
pub use instance::{Instance, NotInserted};
pub use linker::{Linker, Vouched};
pub use lower::{LinkError, Lowered, ProofGap, STACK_SIZE};
pub use observe::{Observed, Observer};
pub use op::{Code, Op};
pub use runner::Runner;
pub use task::{Clock, ManualClock, Namespace, Random, Seeded, SystemClock, Task};
pub use trap::{AccessKind, Near, Place, RegionKind, Trap, TrapKind};

use oxbpf_isa::kernel::KernelModel;
use std::sync::LazyLock;

/// What the newest kernel knows, put together once for the process.
pub(crate) fn newest() -> &'static KernelModel {
    static NEWEST: LazyLock<KernelModel> = LazyLock::new(KernelModel::latest);
    &NEWEST
}

/// The most frames at once (Linux `MAX_CALL_FRAMES`).
pub const MAX_FRAMES: usize = 8;

/// What a run gives.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// R0 at the end.
    pub ret: u64,
    /// Instructions executed, in all functions and programs of the run: by the interpreter to the number,
    /// by machine code at least so many, since it pays for stretches of code by their length, what jumps
    /// forward leap over included.
    pub insns: u64,
    /// Where the packet was last redirected to.
    pub redirect: Option<Redirect>,
}

/// Where a program wants its packet to go.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Redirect {
    /// `bpf_redirect` and `bpf_clone_redirect`.
    Interface { ifindex: u32, flags: u64 },
    /// `bpf_redirect_peer`.
    Peer { ifindex: u32 },
    /// `bpf_redirect_neigh`.
    Neighbour { ifindex: u32 },
    /// `bpf_redirect_map` and its kin: the element of the map with this name.
    Map { map: String, key: Vec<u8>, flags: u64 },
}
