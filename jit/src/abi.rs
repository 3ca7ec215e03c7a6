//! What compiled code and its host agree on: the context of a run, the functions compiled code calls,
//! and how functions are called.
//!
//! The stack of a run and its [`Context`] lie in one block of [`ARENA`] bytes, aligned to its size:
//! the context first, frames from [`FRAMES_AT`] on, the outermost highest. So the frame pointer alone,
//! which every function gets as its first argument, says where the context is, and how deep the call
//! is; nothing has to be kept up to date at a call.
//!
//! A function of a program takes the frame pointer and the program's argument registers, and gives R0
//! and a status: 0, or 1 when a trap is pending, which callers hand on. Functions of the host give a
//! [`Returned`] the same way. A program runs only after the host has filled the context in; what the
//! host's functions do with it is the host's business.
//!
//! The main function of a program that tail calls others is chained: it jumps to the next program instead of
//! returning. It takes the frame pointer, R1, how many tail calls and how much fuel are left, and where the
//! context is; where any calls are left, R1 is what the run's first program was given. It is entered by code
//! that all programs share, as are functions from it that are not chained.

use std::ffi::c_void;

/// Bytes of the block of a run, and its alignment.
pub const ARENA: usize = 16 << 10;

/// Where the frames begin in the block.
pub const FRAMES_AT: usize = 8 << 10;

/// Bytes from one frame to the next.
pub const FRAME_STRIDE: usize = 1 << 10;

/// Bytes of a frame (Linux `MAX_BPF_STACK`).
pub const STACK_SIZE: usize = 512;

/// The most frames at once (Linux `MAX_CALL_FRAMES`).
pub const MAX_FRAMES: usize = 8;

/// How often `may_goto` goes on in one frame (Linux `BPF_MAX_LOOPS`).
pub const MAY_GOTO: u32 = 8 << 20;

/// Classes of pointers that have a remembered region each, for reading and for writing.
pub const CLASSES: usize = 8;

/// How many programs that tail calls may go to a context has room for.
pub const TARGETS: usize = 64;

/// What no stamp of a slot is.
pub const NO_STAMP: u64 = u64::MAX;

/// The most tail calls of a run (Linux `MAX_TAIL_CALL_CNT`).
pub const MAX_TAIL_CALLS: usize = 33;

/// How a chain of tail calls goes on in a program: at `code`, which finds `entry` where the program is not
/// chained.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Door {
    pub code: u64,
    pub entry: u64,
}

/// Programs that code may go to by itself, each in the place that the lowest bits of its stamp say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Targets {
    /// The stamps of slots that they stand in.
    pub stamps: [u64; TARGETS],
    /// Their [doors](Door).
    pub codes: [u64; TARGETS],
    pub entries: [u64; TARGETS],
}

impl Targets {
    pub const NONE: Targets =
        Targets { stamps: [NO_STAMP; TARGETS], codes: [0; TARGETS], entries: [0; TARGETS] };

    /// Makes a stamp known.
    pub fn set(&mut self, stamp: u64, door: Door) {
        let place = stamp as usize % TARGETS;
        (self.stamps[place], self.codes[place], self.entries[place]) = (stamp, door.code, door.entry);
    }
}

/// How far loads may reach that the host does at once.
pub const GATHERED: usize = 128;

/// A region that accesses of one class were last found in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Span {
    pub start: u64,
    /// For accesses of 1, 2, 4 and 8 bytes, one more than the highest offset that is good; 0 for none.
    pub bounds: [u64; 4],
}

impl Span {
    /// The span of a region.
    pub const fn new(start: u64, len: u64) -> Span {
        const fn bound(len: u64, size: u64) -> u64 {
            (len + 1).saturating_sub(size)
        }
        Span { start, bounds: [bound(len, 1), bound(len, 2), bound(len, 4), bound(len, 8)] }
    }
}

/// So many operations may follow another in one argument.
pub const FEW: u32 = 0xff;

/// Operations, from one to another that is not far behind, as one argument.
pub const fn few(first: u32, last: u32) -> u64 {
    (first as u64) << 8 | (last - first) as u64
}

/// The first of them and the last.
pub const fn of_few(ops: u64) -> (u64, u64) {
    (ops >> 8, (ops >> 8) + (ops & FEW as u64))
}

/// How many bytes are accessed, of which class, and whether they are written, as one argument.
pub const fn extent(len: u32, class: usize, write: bool) -> u64 {
    (len as u64) << 8 | (class as u64) << 1 | write as u64
}

/// The same again.
pub const fn of_extent(extent: u64) -> (u64, usize, bool) {
    (extent >> 8, (extent as usize & 0xff) >> 1, extent & 1 != 0)
}

/// Arguments of rare calls at most.
pub(crate) const ASKED: usize = 3;

/// What a function gives: a value, and what became of the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Returned {
    pub value: u64,
    pub status: u64,
}

impl Returned {
    /// All went well.
    pub const fn value(value: u64) -> Returned {
        Returned { value, status: 0 }
    }

    /// A trap is pending.
    pub const TRAP: Returned = Returned { value: 0, status: 1 };

    /// The function has nothing to say: a tail call without target, a packet load outside the packet.
    pub const NOTHING: Returned = Returned { value: 0, status: 2 };
}

macro_rules! services {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*);)+) => {
        /// Functions of the host that compiled code calls. The first argument is the frame pointer;
        /// `op` is the index of the operation that calls.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Services {
            $($(#[$doc])* pub $name: unsafe extern "C" fn(fp: u64, $($arg: u64),*) -> Returned,)+
        }

        /// A function of [`Services`].
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(non_camel_case_types)]
        pub(crate) enum Service { $($name,)+ }

        impl Service {
            pub(crate) const ALL: &[Service] = &[$(Service::$name,)+];

            /// Its place in the context.
            pub(crate) const fn offset(self) -> i32 {
                (std::mem::offset_of!(Context, services) + match self {
                    $(Service::$name => std::mem::offset_of!(Services, $name),)+
                }) as i32
            }

            /// How many arguments it takes, the frame pointer included.
            pub(crate) const fn arity(self) -> usize {
                match self { $(Service::$name => 1 $(+ { let _ = stringify!($arg); 1 })*,)+ }
            }
        }
    };
}
services! {
    /// Calls function [`Context::callee`] of the linked table.
    helper(r1, r2, r3, r4, r5);
    /// Calls the function of the linked table with this index, which takes no arguments and no fuel and looks
    /// at no memory.
    answer(index);
    /// The difference of the checksums of two ranges of bytes (`bpf_csum_diff`), in proven programs only.
    csum(r1, r2, r3, r4, r5);
    /// Calls what the address in [`Context::callee`] means.
    call_reg(r1, r2, r3, r4, r5);
    /// Goes to another program; nothing when there is none, and the current one goes on.
    tail_call(r1, r2, r3);
    /// Loads from the packet in the order of the network; nothing outside it.
    packet(offset, size);
    /// Does a load that is not known to be good, and remembers its region for the class of its base register.
    /// A trap says where it happened.
    load(op, addr);
    /// Does a store likewise.
    store(op, addr, value);
    /// Holds the access of an operation likewise, and leaves it to the code.
    hold(op, addr);
    /// Does the loads through the base register of the first [operation of some](few), none of 32 bits. Gives an
    /// address to do them from instead: that of the base, or of what stands in [`Context::gathered`]. A
    /// trap says where it happened.
    gather(ops, base);
    /// Remembers the region that bytes from an address on lie in, for [accesses](extent) of a class; the status is 0 if
    /// there is one.
    recall(addr, extent);
    /// Gives more fuel, or does not.
    refuel();
    /// Makes the trap of an operation that cannot go on.
    fault(op, addr);
    /// Says where the pending trap happened, unless that is known.
    place(op);
    /// Gives the address of the value of a key, of four or eight bytes, in the map at an address, or zero.
    lookup_4(map, key);
    lookup_8(map, key);
    /// The same for a key of four bytes of length and four of data, in a trie.
    lookup_prefix(map, key);
    /// The same by the address of a key: in a hash, and in a trie.
    lookup_at(map, key);
    lookup_prefix_at(map, key);
}

/// A packet of a batch.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Packet {
    /// Bytes that were sent.
    pub wire_len: u32,
    /// Bytes that lie at `data`.
    pub len: u32,
    pub data: u64,
}

/// What compiled code sees of a run.
#[repr(C)]
pub struct Context {
    /// Instructions left before the host is asked.
    pub fuel: i64,
    /// The argument of [`Services::helper`] and [`Services::call_reg`]; and where a function begins that is
    /// [chained](crate::Function::chained), when the host calls it.
    pub callee: u64,
    /// Where the packet's data is, and its length; no length without a packet.
    pub packet: u64,
    pub packet_len: u64,
    /// R0 and R6 to R9 for functions that read them before they write them.
    pub inherited: [u64; 5],
    /// The number of the CPU that the run counts as running on.
    pub cpu: u64,
    /// What the first program of the run was given in R1.
    pub first: u64,
    /// How many tail calls code may still make by itself.
    pub tail_calls: u64,
    /// How many more the host may make when it is asked.
    pub asked_calls: u64,
    /// Where the code has gone by itself: the lowest byte of the stamp, where `tail_calls` is after the call.
    pub gone: [u8; MAX_TAIL_CALLS],
    /// Programs that may be gone to with [`Context::first`] in R1.
    pub targets: Targets,
    /// What a rare call is about, and what it gave.
    pub asked: [u64; ASKED],
    pub returned: Returned,
    /// The host's own.
    pub run: *mut c_void,
    pub host: *mut c_void,
    pub services: Services,
    /// Remembered regions: for each class one for reading and one for writing.
    pub spans: [[Span; 2]; CLASSES],
    /// What loads gave that the host did at once, the lowest byte first.
    pub gathered: [u8; GATHERED],
}

impl Context {
    /// A context of nobody's run.
    pub const fn new(services: Services) -> Context {
        Context {
            fuel: 0,
            callee: 0,
            packet: 0,
            packet_len: 0,
            inherited: [0; 5],
            cpu: 0,
            first: 0,
            tail_calls: 0,
            asked_calls: 0,
            gone: [0; MAX_TAIL_CALLS],
            targets: Targets::NONE,
            asked: [0; ASKED],
            returned: Returned::value(0),
            run: std::ptr::null_mut(),
            host: std::ptr::null_mut(),
            services,
            spans: [[Span { start: 0, bounds: [0; 4] }; 2]; CLASSES],
            gathered: [0; GATHERED],
        }
    }

    /// Forgets all regions.
    pub fn forget(&mut self) {
        self.spans = [[Span::default(); 2]; CLASSES];
    }
}

/// The frame pointer of a frame in the block at `arena`: one past the frame's last byte.
pub const fn frame_pointer(arena: u64, depth: usize) -> u64 {
    arena + (FRAMES_AT + (MAX_FRAMES - 1 - depth) * FRAME_STRIDE + STACK_SIZE) as u64
}

/// The depth of a frame pointer.
pub const fn depth_of(fp: u64) -> usize {
    let frame = (fp as usize & (ARENA - 1)) - FRAMES_AT;
    MAX_FRAMES - 1 - frame / FRAME_STRIDE
}

/// A function of a program as the host calls it.
pub type Entry = unsafe extern "C" fn(fp: u64, r1: u64, r2: u64, r3: u64, r4: u64, r5: u64) -> Returned;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_fits_below_the_frames_and_frames_fit_the_block() {
        assert!(size_of::<Context>() <= FRAMES_AT);
        assert!(TARGETS.is_power_of_two() && TARGETS <= 1 << u8::BITS);
        for depth in 0..MAX_FRAMES {
            let fp = frame_pointer(7 * ARENA as u64, depth);
            assert_eq!((fp / ARENA as u64, depth_of(fp)), (7, depth));
            // The bit that tells a frame from the context.
            assert_ne!(fp as usize & FRAMES_AT, 0);
        }
        let below = frame_pointer(7 * ARENA as u64, MAX_FRAMES - 1) as usize - FRAME_STRIDE;
        assert_eq!(below & FRAMES_AT, 0);
    }

    #[test]
    fn a_span_is_good_for_what_lies_inside() {
        let span = Span::new(100, 5);
        assert_eq!(span.bounds, [5, 4, 2, 0]);
        assert_eq!(Span::new(100, 0).bounds, [0; 4]);
        assert_eq!(Span::default().bounds, [0; 4]);
    }
}
