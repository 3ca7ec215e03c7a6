//! The states of a walk, to hold real runs against.
//!
//! A verifier is sound when every state that a machine can be in is one of those that it looked at. A
//! [`Witness`] keeps them all, by instruction and chain of calls, and says whether one of them has a
//! machine in it. For that the walk ends a path only where a kept state covers all of what is still
//! read: Linux lets scalars differ that no decision rested on, and then what it says of them is not so.
//!
//! What the kernel's own addresses are is not known, so of pointers to memory that a helper gave only
//! null is told from others.

use crate::domain::Arithmetic;
use crate::explore::StackLiveness;
use crate::state::{Byte, Kind, Reg, Slot, State};
use crate::structure::Marks;
use crate::transfer::{index_of, is_inner};
use crate::types::Kernel;
use crate::verdict::{Judgement, Options, verify_with};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Range;
use hashbrown::HashMap;
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::Program;

/// A machine in the middle of a run.
pub trait Machine {
    /// A register of the innermost frame.
    fn reg(&self, r: usize) -> u64;
    fn frame_pointer(&self, frame: usize) -> u64;
    /// Eight bytes of a frame's stack, the first being `off` bytes below the frame pointer.
    fn stack(&self, frame: usize, off: usize) -> [u8; 8];
    fn context(&self) -> Option<u64>;
    /// Where the packet's metadata begin, and where its data.
    fn packet(&self) -> Option<(u64, Range<u64>)>;
    /// The value of the map with this index, or of any for none, that an address lies in or ends at.
    fn value(&self, map: Option<usize>, addr: u64) -> Option<Range<u64>>;
}

/// All states of a walk.
#[derive(Debug)]
pub struct Witness {
    states: HashMap<(u32, Vec<u32>), Vec<State>>,
    live: Vec<u16>,
    stack_live: StackLiveness,
    marks: Vec<Marks>,
}

/// Walks over a program with so many processors and keeps every state, `most` of them at most. None
/// where there are more, or the walk did not begin.
pub fn witness(
    program: &Program,
    model: &KernelModel,
    cpus: u32,
    most: usize,
) -> (Judgement, Option<Witness>) {
    let states: RefCell<HashMap<_, Vec<State>>> = RefCell::default();
    let mut count = 0;
    let count = RefCell::new(&mut count);
    let keep = |state: &State| {
        **count.borrow_mut() += 1;
        if **count.borrow() <= most {
            let mut state = state.clone();
            state.history.clear();
            states.borrow_mut().entry(place(&state)).or_default().push(state);
        }
    };
    let mut left = None;
    let options = Options { cpus, observer: Some(&keep), left: Some(&mut left), ..Options::default() };
    let judgement = verify_with(program, &Kernel::new(model), options).0;
    let complete = **count.borrow() <= most;
    let states = states.into_inner();
    let witness = left.filter(|_| complete).map(|left| Witness {
        states,
        live: left.live,
        stack_live: left.stack_live,
        marks: left.marks,
    });
    (judgement, witness)
}

/// What a walk leaves behind for a witness.
#[derive(Debug)]
pub(crate) struct Left {
    pub live: Vec<u16>,
    pub stack_live: StackLiveness,
    pub marks: Vec<Marks>,
}

fn place(state: &State) -> (u32, Vec<u32>) {
    (state.insn, state.frames[1..].iter().map(|f| f.callsite).collect())
}

impl Witness {
    /// Whether one of the states has the machine in it, before the instruction in a slot, in a function
    /// that was called along these slots. `first` is the index of the state to look at first, and
    /// becomes that of the one found.
    pub fn holds(&self, slot: u32, callsites: &[u32], machine: &dyn Machine, first: &mut usize) -> bool {
        let Some((states, skip)) = self.at(slot, callsites) else { return false };
        let count = states.len();
        for n in 0..count {
            let at = (*first + n) % count;
            if self.is_in(&states[at], machine, skip).is_ok() {
                *first = at;
                return true;
            }
        }
        false
    }

    /// How the machine is outside each of the states.
    pub fn explain(&self, slot: u32, callsites: &[u32], machine: &dyn Machine) -> Vec<Outlier> {
        let Some((states, skip)) = self.at(slot, callsites) else { return Vec::new() };
        states.iter().filter_map(|s| self.is_in(s, machine, skip).err()).collect()
    }

    /// The states of an instruction in a chain of calls. A function that is judged alone knows nothing
    /// of its callers; then so many frames are skipped.
    fn at(&self, slot: u32, callsites: &[u32]) -> Option<(&[State], usize)> {
        (0..=callsites.len()).find_map(|skip| {
            let states = self.states.get(&(slot, callsites[skip..].to_vec()))?;
            Some((states.as_slice(), skip))
        })
    }

    fn is_in(&self, state: &State, machine: &dyn Machine, skip: usize) -> Result<(), Outlier> {
        let innermost = state.curframe();
        let live = self.live[state.insn as usize];
        for r in (0..11).filter(|r| live >> r & 1 == 1) {
            let (reg, value) = (state.reg(r), machine.reg(r));
            if !is_value(reg, value, machine, skip) {
                return Err(Outlier::Reg { r, value, state: alloc::format!("{reg:?}") });
            }
        }
        let query = self.stack_live.query(state, &self.marks);
        for frame in 0..=innermost {
            let alive = self.stack_live.alive(&query, frame);
            for (spi, slot) in state.frames[frame].stack.iter().enumerate() {
                let bytes = machine.stack(skip + frame, 8 * (spi + 1));
                if alive >> spi & 1 == 1 && !is_slot(slot, bytes, machine, skip) {
                    return Err(Outlier::Slot { frame, spi, bytes, state: alloc::format!("{slot:?}") });
                }
            }
        }
        Ok(())
    }
}

/// Where a machine is outside a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outlier {
    Reg { r: usize, value: u64, state: alloc::string::String },
    Slot { frame: usize, spi: usize, bytes: [u8; 8], state: alloc::string::String },
}

/// Whether a value is one of those that a register stands for.
fn is_value(reg: &Reg, value: u64, machine: &dyn Machine, skip: usize) -> bool {
    if reg.maybe_null() && value == 0 {
        return true;
    }
    // A pointer is its base, the fixed offset and the variable one.
    let from = |base: u64| reg.num.contains(value.wrapping_sub(base).wrapping_sub(reg.off as i64 as u64));
    match reg.kind {
        Kind::NotInit => true,
        Kind::Scalar => reg.num.contains(value),
        Kind::Stack => from(machine.frame_pointer(skip + reg.frame as usize)),
        Kind::Ctx => machine.context().is_none_or(from),
        Kind::Packet => machine.packet().map_or(value < 1 << 32, |(_, data)| from(data.start)),
        Kind::PacketMeta => machine.packet().map_or(value < 1 << 32, |(meta, _)| from(meta)),
        Kind::PacketEnd => machine.packet().map_or(value == 0, |(_, data)| value == data.end),
        Kind::MapValue => {
            let map = (!is_inner(reg.a)).then_some(index_of(reg.a));
            // A pointer past the end belongs to none, and is not looked at.
            value != 0 && machine.value(map, value).is_none_or(|value| from(value.start))
        }
        _ => value != 0 || reg.maybe_null(),
    }
}

/// Whether eight bytes, the lowest address first, are some that a slot stands for.
fn is_slot(slot: &Slot, bytes: [u8; 8], machine: &dyn Machine, skip: usize) -> bool {
    // The slot's bytes are counted from the frame pointer down.
    let kind = |n: usize| slot.bytes[7 - n];
    let zeros = (0..8).all(|n| kind(n) != Byte::Zero || bytes[n] == 0);
    let stored = (0..8).take_while(|&n| kind(n) == Byte::Spill).count();
    let word = u64::from_le_bytes(bytes);
    zeros
        && match stored {
            0 => true,
            8 => is_value(&slot.reg, word, machine, skip),
            _ => {
                let low = word & ((1 << (8 * stored)) - 1);
                slot.reg.num.truncate(8 * stored as u32, Arithmetic::LATEST).contains(low)
            }
        }
}
