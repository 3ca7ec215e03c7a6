//! What a program can be in: frames with registers and stack, references, and the path here.
//!
//! Rules: `struct bpf_verifier_state` and `struct bpf_func_state` of Linux 6.18. States are copied
//! at every branch, so frames and stacks are shared until written.

mod equal;
mod object;
mod reg;
mod spilled;

pub use equal::{Differs, Exact, Ids, iter_depths_differ, regs_exact, states_equal};
pub use object::{DYNPTR_SLOTS, DynptrType};
pub use reg::{ADD_CONST, ADD_CONST32, ADD_CONST64, Kind, Mods, Reg, type_name};
pub use spilled::Spilled;

use alloc::rc::Rc;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// Calls may nest this deep.
pub const MAX_FRAMES: usize = 8;
/// Where the first frame of a walk was called from.
pub const NO_CALLSITE: u32 = u32::MAX;

/// What a byte of the stack holds (Linux `enum bpf_stack_slot_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Byte {
    Invalid,
    /// Part of a register stored whole or in part.
    Spill,
    /// Something.
    Misc,
    Zero,
    /// Part of a dynptr.
    Dynptr,
    /// Part of an iterator.
    Iter,
    /// The interrupts' state before they were switched off.
    Irq,
}

/// Eight bytes of stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    pub bytes: [Byte; 8],
    /// What was stored, where the last byte is [`Byte::Spill`].
    pub reg: Spilled,
}

impl Slot {
    pub const fn invalid() -> Slot {
        Slot { bytes: [Byte::Invalid; 8], reg: Spilled::NONE }
    }

    /// Holds a register, perhaps in its upper bytes only.
    #[inline]
    pub fn is_spill(&self) -> bool {
        self.bytes[7] == Byte::Spill
    }

    /// Holds something that a store of other data destroys as a whole.
    pub fn is_special(&self) -> bool {
        matches!(self.bytes[7], Byte::Spill | Byte::Dynptr | Byte::Iter | Byte::Irq)
    }

    #[inline]
    pub fn is_scalar_spill(&self) -> bool {
        self.is_spill() && self.reg.is_scalar()
    }

    /// Holds a whole scalar.
    #[inline]
    pub fn is_scalar_spill64(&self) -> bool {
        self.bytes[0] == Byte::Spill && self.reg.is_scalar()
    }

    /// Every byte may hold anything. Bytes never written count too, for who may read them.
    #[inline]
    pub fn is_all_misc(&self) -> bool {
        self.bytes.iter().all(|b| matches!(b, Byte::Misc | Byte::Invalid))
    }
}

/// What a callback may return.
pub type RetRange = (i32, i32);

/// One activation of a function.
#[derive(Clone, Debug)]
pub struct Frame {
    pub regs: [Reg; 11],
    /// Slot `n` covers the bytes from `-8 * (n + 1)`.
    pub stack: Rc<Vec<Slot>>,
    pub callsite: u32,
    pub subprog: u32,
    pub async_entry: u32,
    pub callback_depth: u32,
    pub in_callback: bool,
    pub in_async_callback: bool,
    pub callback_ret: RetRange,
}

impl Frame {
    pub fn new(callsite: u32, frameno: usize, subprog: u32) -> Frame {
        let mut regs = [Reg::not_init(); 11];
        regs[10] = Reg { frame: frameno as u8, ..Reg::pointer(Kind::Stack, Mods::NONE) };
        Frame {
            regs,
            stack: Rc::new(Vec::new()),
            callsite,
            subprog,
            async_entry: 0,
            callback_depth: 0,
            in_callback: false,
            in_async_callback: false,
            callback_ret: (0, 0),
        }
    }

    /// The slots, to be changed.
    #[inline]
    pub fn stack_mut(&mut self) -> &mut Vec<Slot> {
        Rc::make_mut(&mut self.stack)
    }
}

/// What is held until it is given back (Linux `enum ref_state_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// An object.
    Object,
    /// The interrupts' state before they were switched off.
    Irq,
    /// A lock, by where it is: a map, or a type of objects.
    Lock(LockKind, u64),
}

/// The kinds of locks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockKind {
    Spin,
    Res,
    /// Taken with interrupts switched off.
    ResIrq,
}

/// A reference that is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    pub id: u32,
    /// The instruction that acquired it.
    pub insn: u32,
    pub held: Held,
    /// The frame of the callback that has to release it, where each keeps its own; 0 for none.
    pub callback: u8,
}

impl Reference {
    /// A reference to an object.
    pub fn object(id: u32, insn: u32) -> Reference {
        Reference { id, insn, held: Held::Object, callback: 0 }
    }

    pub fn is_object(&self) -> bool {
        self.held == Held::Object
    }

    pub fn is_lock(&self) -> bool {
        matches!(self.held, Held::Lock(..))
    }
}

/// One step worth remembering on a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    pub at: u32,
    pub from: u32,
    pub access: Access,
    /// Registers that share an id, to be precise together; indexes [`State::linked`]. 0 for none.
    pub linked: u64,
}

/// How the instruction of a [`Step`] used the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Access {
    /// It loaded or stored through a stack pointer, to this slot of this frame.
    pub stack: Option<(u8, u8)>,
    pub src_is_stack: bool,
    pub dst_is_stack: bool,
}

/// Index of a kept state.
pub type StateId = u32;

/// A state of the program and how the walk came to it.
#[derive(Clone, Debug)]
pub struct State {
    pub frames: SmallVec<[Rc<Frame>; 4]>,
    pub refs: Vec<Reference>,
    pub in_sleepable: bool,
    /// Within a section that readers of RCU data make.
    pub in_rcu: bool,
    /// How often preemption was switched off.
    pub preempt_off: u32,
    /// The interrupts' state saved last, or 0.
    pub irq_id: u32,
    /// Paths that began here and are not finished.
    pub branches: u32,
    pub parent: Option<StateId>,
    pub insn: u32,
    pub first_insn: u32,
    pub last_insn: i64,
    pub dfs_depth: u32,
    pub callback_unroll_depth: u32,
    pub may_goto_depth: u32,
    pub history: Vec<Step>,
    pub cleaned: bool,
    /// For a state at the end of a loop: the kept one that covered it.
    pub equal: Option<StateId>,
}

impl State {
    #[inline]
    pub fn curframe(&self) -> usize {
        self.frames.len() - 1
    }

    #[inline]
    pub fn cur(&self) -> &Frame {
        &self.frames[self.frames.len() - 1]
    }

    #[inline]
    pub fn cur_mut(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        Rc::make_mut(&mut self.frames[last])
    }

    #[inline]
    pub fn frame_mut(&mut self, frame: usize) -> &mut Frame {
        Rc::make_mut(&mut self.frames[frame])
    }

    #[inline]
    pub fn reg(&self, r: usize) -> &Reg {
        &self.cur().regs[r]
    }

    #[inline]
    pub fn reg_mut(&mut self, r: usize) -> &mut Reg {
        &mut self.cur_mut().regs[r]
    }

    /// The lock taken last.
    #[inline]
    pub fn active_lock(&self) -> Option<&Reference> {
        self.refs.iter().rev().find(|r| r.is_lock())
    }

    /// The instruction a frame is at: where it called the next, or the current one.
    #[inline]
    pub fn frame_insn(&self, frame: usize) -> u32 {
        match self.frames.get(frame + 1) {
            Some(callee) => callee.callsite,
            None => self.insn,
        }
    }

    /// Whether both were called along the same chain.
    pub fn same_callsites(&self, other: &State) -> bool {
        self.frames.len() == other.frames.len()
            && self.frames.iter().zip(&other.frames).all(|(a, b)| a.callsite == b.callsite)
    }

    /// Applies `f` to every register of every frame, spilled ones too. The kernel does so for
    /// registers that exist; frames that `wants` nothing of are left shared.
    pub fn for_each_reg(&mut self, wants: impl Fn(&Reg) -> bool, mut f: impl FnMut(&mut Reg)) {
        for frame in &mut self.frames {
            let any_reg = frame.regs.iter().any(&wants);
            let any_slot = frame.stack.iter().any(|s| s.is_spill() && wants(&s.reg));
            if !any_reg && !any_slot {
                continue;
            }
            let frame = Rc::make_mut(frame);
            if any_reg {
                frame.regs.iter_mut().filter(|r| wants(r)).for_each(&mut f);
            }
            if any_slot {
                for slot in frame.stack_mut() {
                    if slot.is_spill() && wants(&slot.reg) {
                        f(&mut slot.reg);
                    }
                }
            }
        }
    }
}
