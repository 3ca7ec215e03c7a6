//! The catalog of findings: each reason for which a program is refused.
//!
//! One entry gives a finding its stable code, the error number bpf(2) returns, the kernel's words
//! (which are the last line of its log), a title, and our explanation. Logs, JSON, SARIF rules and
//! `oxbpf explain` are all rendered from it.

use alloc::string::String;
use core::fmt;

/// The error numbers with which bpf(2) refuses a program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
pub enum Errno {
    EPERM = 1,
    ENOENT = 2,
    E2BIG = 7,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    EBUSY = 16,
    EINVAL = 22,
    ENOSPC = 28,
    EOPNOTSUPP = 95,
    EPROTO = 71,
    ENOTSUPP = 524,
}

impl Errno {
    /// The positive number.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

macro_rules! findings {
    ($($(#[$explain:meta])* $code:literal $errno:ident $variant:ident
        $({ $($field:ident: $ty:ty),+ $(,)? })? = $title:literal, $words:literal, $explanation:literal;)+) => {
        /// A reason for which a program is refused, with the data its message needs.
        #[derive(Clone, PartialEq, Eq, Debug)]
        #[non_exhaustive]
        pub enum Finding {
            $(#[doc = $title]
            $variant $({ $($field: $ty),+ })?,)+
        }

        impl Finding {
            /// The entry of this finding in the catalog.
            pub fn entry(&self) -> &'static Entry {
                match self {
                    $(Finding::$variant { .. } => &Entry {
                        code: $code,
                        title: $title,
                        errno: Errno::$errno,
                        words: $words,
                        explanation: $explanation,
                    },)+
                }
            }
        }

        /// The kernel's words.
        impl fmt::Display for Finding {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Finding::$variant $({ $($field),+ })? => {
                        $($(let _ = $field;)+)?
                        write!(f, $words)
                    })+
                }
            }
        }

        /// Every entry, by code.
        pub const CATALOG: &[Entry] = &[$(Entry {
            code: $code,
            title: $title,
            errno: Errno::$errno,
            words: $words,
            explanation: $explanation,
        },)+];
    };
}

/// What the catalog says of one kind of finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Stable for ever: `E` and four digits. The first two digits group by stage.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    pub errno: Errno,
    /// The kernel's message with the names of its data in braces; empty when the kernel is silent.
    pub words: &'static str,
    /// What it means and what to do, in full sentences.
    pub explanation: &'static str,
}

impl Entry {
    /// Whether the finding is about the program's structure, found before any state is looked at.
    pub fn is_structural(&self) -> bool {
        matches!(&self.code[..3], "E01" | "E02")
    }
}

/// Finds the entry with this code.
pub fn entry(code: &str) -> Option<&'static Entry> {
    CATALOG.iter().find(|e| e.code.eq_ignore_ascii_case(code))
}

findings! {
    "E0101" E2BIG ProgramSize { insns: usize, limit: usize } = "program size",
        "", "A program has at least one instruction and no more than a million with CAP_BPF. \
        This one has none or too many; split it with tail calls.";
    "E0102" EINVAL UnknownOpcode { code: u8 } = "unknown opcode",
        "unknown opcode {code:02x}",
        "No instruction of this kernel has this opcode. Compile for an older instruction set \
        (-mcpu=v1 to v4) or check for a newer kernel.";
    "E0103" EINVAL ReservedFields { form: &'static str } = "reserved field in use",
        "{form} uses reserved fields",
        "A field that this form of instruction leaves unused is not zero.";
    "E0104" EINVAL InvalidLdImm64 = "second slot of a 64-bit load",
        "invalid bpf_ld_imm64 insn",
        "A 64-bit immediate load takes two slots and the second may only hold an immediate. It is \
        missing, or is another instruction.";
    "E0105" EINVAL UnrecognizedLdImm64 = "kind of a 64-bit load",
        "unrecognized bpf_ld_imm64 insn",
        "The source field of a 64-bit immediate load says what it loads: a constant, a map, a map \
        value, a kernel symbol or a function. This value is none of them, or the kind leaves the \
        upper immediate unused and it is not zero.";
    "E0106" EINVAL InvalidRegister { number: u8 } = "register does not exist",
        "R{number} is invalid",
        "Instructions name R0 to R10 only.";
    "E0107" EINVAL AtomicOpcode { imm: i32 } = "unknown atomic operation",
        "BPF_ATOMIC uses invalid atomic opcode {imm:02x}",
        "The immediate of an atomic instruction selects its operation; this value selects none.";
    "E0108" EINVAL AtomicSize = "width of an atomic operation",
        "invalid atomic operand size",
        "Read-modify-write operations exist for 4 and 8 bytes.";
    "E0109" EINVAL NoMap { fd: i32 } = "map that does not exist",
        "fd {fd} is not pointing to valid bpf_map",
        "A wide load names a map that the program does not have. For objects without map \
        definitions, give the maps with --map.";
    "E0110" EINVAL DirectValueOffset { off: u32 } = "offset into a map value",
        "direct value offset of {off} is not allowed",
        "Offsets into values are less than 512 MiB.";
    "E0111" EINVAL NoDirectValue = "address of a value of this map",
        "no direct value access support for this map type",
        "Only arrays of one element and arenas have values whose address can be taken.";
    "E0112" EINVAL DirectValueRange { value_size: u32, off: u32 } = "address outside a map value",
        "invalid access to map value pointer, value_size={value_size} off={off}",
        "The address lies outside the value, or the array has more than one element.";
    "E0201" E2BIG TooManySubprogs { limit: usize } = "too many subprograms",
        "too many subprograms",
        "A program may be made of at most 256 functions.";
    "E0202" EINVAL CallOutOfProgram { target: i64 } = "call to no instruction",
        "call to invalid destination",
        "A call or the address of a function leads outside the program.";
    "E0203" EINVAL JumpOutOfRange { from: usize, to: i64 } = "jump out of range",
        "jump out of range from insn {from} to {to}",
        "A jump leads outside its function. Functions may only be left by calls and exit.";
    "E0204" EINVAL LastInsn = "function without an end",
        "last insn is not an exit or jmp",
        "Control would run from the last instruction of a function into whatever stands after it.";
    "E0205" EINVAL Unreachable { insn: usize } = "unreachable instruction",
        "unreachable insn {insn}",
        "No path leads to this instruction. The kernel refuses dead code that even its control \
        flow walk cannot reach.";
    "E0206" EINVAL JumpIntoLdImm64 { insn: usize } = "jump into the middle of a 64-bit load",
        "jump into the middle of ldimm64 insn {insn}",
        "A jump leads to the second slot of a 64-bit immediate load.";
    "E0207" EINVAL BackEdge { from: usize, to: usize } = "loop without privilege",
        "back-edge from insn {from} to {to}",
        "Loops need CAP_BPF.";
    "E0208" EINVAL NoSubprogAt { insn: usize } = "call into the middle of a function",
        "invalid subprog at insn {insn}",
        "A call leads to an instruction that begins no function.";
    "E0209" E2BIG CallDepth { frames: usize } = "too many frames",
        "the call stack of {frames} frames is too deep !",
        "Calls may nest eight deep. Inline functions or make some global: a global function is \
        checked on its own, but still counts as a frame.";
    "E0210" EACCES CombinedStack { frames: usize, bytes: u32 } = "stack of a call chain",
        "combined stack size of {frames} calls is {bytes}. Too large",
        "The functions of a call chain share 512 bytes of stack. Move buffers to a per-CPU map, or \
        pass less by value.";
    "E0211" EACCES TailCallStack { bytes: u32 } = "stack before a tail call",
        "tail_calls are not allowed when call stack of previous frames is {bytes} bytes. Too large",
        "A function that may tail-call leaves its callers' frames on the stack; they may hold at \
        most 256 bytes together.";
    "E0212" EINVAL LdAbsInCallback = "packet load in a callback",
        "cannot use BPF_LD_[ABS|IND] within callback",
        "A packet load can end the program, which a callback cannot.";
    "E0213" E2BIG FrameDepth { frames: usize } = "too many frames on a path",
        "the call stack of {frames} frames is too deep",
        "Calls may nest eight deep.";
    "E0301" EINVAL InvalidHelper { name: String, id: i32 } = "unknown helper",
        "invalid func {name}#{id}",
        "The kernel has no helper with this number. A declaration that was never resolved calls \
        number -1 or a relocation poison.";
    "E0302" EINVAL HelperNotForProgram { name: &'static str, id: i32 } = "helper not for this program type",
        "program of this type cannot use helper bpf_{name}#{id}",
        "The kernel has the helper, but not for programs of this type or attach point.";
    "E0303" EINVAL HelperNeedsGpl = "helper needs a GPL-compatible licence",
        "cannot call GPL-restricted function from non-GPL compatible program",
        "Set the licence section to a GPL-compatible licence, such as \"GPL\" or \"Dual MIT/GPL\".";
    "E0304" ENOTSUPP FuncIpProgram { id: i32, prog_type: u32 } = "address of no function",
        "func bpf_get_func_ip#{id} not supported for program type {prog_type}",
        "Only programs at kernel or user functions have the address of a function.";
    "E0401" E2BIG TooManyInsns { insns: u64 } = "too much work",
        "BPF program is too large. Processed {insns} insn",
        "The walk over all states looked at a million instructions and was not done. Loops with many \
        iterations and many independent branches multiply; bound loops tighter, use bpf_loop, or put \
        parts into global functions, which are judged once.";
    "E0402" E2BIG TooManyBranches { branches: usize } = "too many pending branches",
        "The sequence of {branches} jumps is too complex.",
        "More than 8,192 branches were waiting to be followed.";
    "E0403" EINVAL InfiniteLoop { insn: u32 } = "infinite loop",
        "infinite loop detected at insn {insn}",
        "The program came back to this instruction in exactly the same state, so it would never end.";
    "E0404" EFAULT RegInvariants = "contradictory ranges",
        "REG INVARIANTS VIOLATION",
        "The ranges of a register contradict each other and the program was loaded with the flag that \
        makes this an error.";
    "E0501" EACCES NotReadable { reg: u8 } = "uninitialised register",
        "R{reg} !read_ok",
        "The register holds nothing on this path: it was never written, or a call clobbered it. R1 to \
        R5 do not survive calls.";
    "E0502" EACCES FramePointer = "frame pointer written",
        "frame pointer is read only",
        "R10 points to the stack frame and cannot be changed. Copy it first.";
    "E0503" EINVAL DivByZero = "division by zero",
        "div by zero",
        "The divisor is the constant zero.";
    "E0504" EINVAL InvalidShift { imm: i32 } = "shift out of range",
        "invalid shift {imm}",
        "A constant shift amount is less than the width of the operation.";
    "E0505" EACCES PointerPointer { reg: u8, op: &'static str } = "arithmetic on two pointers",
        "R{reg} pointer {op} pointer prohibited",
        "Two pointers may only be subtracted.";
    "E0506" EACCES Pointer32Bit { reg: u8 } = "32-bit pointer arithmetic",
        "R{reg} 32-bit pointer arithmetic prohibited",
        "A 32-bit operation would cut the pointer in half.";
    "E0507" EACCES ArithmeticOnMaybeNull { reg: u8, ty: String } = "arithmetic before a null check",
        "R{reg} pointer arithmetic on {ty} prohibited, null-check it first",
        "The pointer may be null. Compare it with null first.";
    "E0508" EACCES ArithmeticProhibited { reg: u8, ty: String } = "arithmetic on this pointer",
        "R{reg} pointer arithmetic on {ty} prohibited",
        "Pointers of this kind cannot be moved.";
    "E0509" EACCES SubtractPointer { reg: u8 } = "pointer subtracted from a number",
        "R{reg} tried to subtract pointer from scalar",
        "A number minus a pointer means nothing.";
    "E0510" EACCES SubtractFromStack { reg: u8 } = "subtraction from a stack pointer",
        "R{reg} subtraction from stack pointer prohibited",
        "Add a negative constant to a stack pointer instead.";
    "E0511" EACCES BitwiseOnPointer { reg: u8, op: &'static str } = "bitwise operation on a pointer",
        "R{reg} bitwise operator {op} on pointer prohibited",
        "Pointers cannot be masked or aligned.";
    "E0512" EACCES OperatorOnPointer { reg: u8, op: &'static str } = "operation on a pointer",
        "R{reg} pointer arithmetic with {op} operator prohibited",
        "Pointers can only be added to and subtracted from.";
    "E0513" EINVAL PointerMath { ty: String, value: i64 } = "pointer moved too far",
        "math between {ty} pointer and {value} is not allowed",
        "Offsets stay below 512 MiB.";
    "E0514" EINVAL PointerOffset { ty: String, off: i32 } = "pointer offset too large",
        "{ty} pointer offset {off} is not allowed",
        "Offsets stay below 512 MiB.";
    "E0515" EINVAL PointerUnboundedMin { ty: String } = "pointer moved by an unbounded number",
        "math between {ty} pointer and register with unbounded min value is not allowed",
        "The number may be any negative one. Check its lower bound, or make it unsigned.";
    "E0516" EINVAL PointerOutOfBounds { ty: String, value: i64 } = "pointer may be out of bounds",
        "value {value} makes {ty} pointer be out of bounds",
        "Offsets stay below 512 MiB.";
    "E0601" EACCES InvalidMemAccess { reg: u8, ty: String } = "no pointer to memory",
        "R{reg} invalid mem access '{ty}'",
        "Only pointers can be loaded and stored through, and those that may be null not before a null \
        check.";
    "E0602" EACCES MinNegativeIndex { reg: u8 } = "index may be negative",
        "R{reg} min value is negative, either use unsigned index or do a if (index >=0) check.",
        "The offset may be below zero on this path.";
    "E0603" EACCES MinOutside { reg: u8 } = "access below the memory",
        "R{reg} min value is outside of the allowed memory range",
        "Even the least offset that is possible lies outside.";
    "E0604" EACCES MaxOutside { reg: u8 } = "access may be beyond the memory",
        "R{reg} max value is outside of the allowed memory range",
        "The greatest offset that is possible lies outside. Check the index against the size.";
    "E0605" EACCES UnboundedAccess { reg: u8 } = "unbounded index",
        "R{reg} unbounded memory access, make sure to bounds check any such access",
        "Nothing bounds the offset from above on this path.";
    "E0606" EACCES CannotWrite { reg: u8, ty: String } = "read-only memory",
        "R{reg} cannot write into {ty}",
        "Memory of this kind can only be read.";
    "E0607" EACCES WriteToKey { reg: u8 } = "key of a map written",
        "write to change key R{reg} not allowed",
        "Keys that a callback is given cannot be changed.";
    "E0608" EACCES MapWrite { value_size: u32, off: i32, size: i64 } = "read-only map written",
        "write into map forbidden, value_size={value_size} off={off} size={size}",
        "Programs may only read the values of this map.";
    "E0609" EACCES MapRead { value_size: u32, off: i32, size: i64 } = "write-only map read",
        "read from map forbidden, value_size={value_size} off={off} size={size}",
        "Programs may only write the values of this map.";
    "E0610" EACCES SpecialField { name: &'static str } = "special field touched",
        "{name} cannot be accessed directly by load/store",
        "Only helpers may touch this field.";
    "E0611" EACCES PacketWrite = "packet written",
        "cannot write into packet",
        "Programs of this type may only read packets.";
    "E0612" EACCES OutsidePacket { reg: u8 } = "outside the packet",
        "R{reg} offset is outside of the packet",
        "No comparison with the packet's end has shown that these bytes exist.";
    "E0613" EACCES FlowKeys { off: i32, size: u32 } = "outside the flow keys",
        "invalid access to flow keys off={off} size={size}",
        "The access does not lie within struct bpf_flow_keys.";
    "E0614" EACCES CtxAccess { off: i32, size: u32 } = "context field",
        "invalid bpf_context access off={off} size={size}",
        "Programs of this type may not access this field of their context, not in this width, or not \
        write it.";
    "E0615" EACCES NegativeOffset { ty: String, reg: u8, off: i32 } = "pointer moved backwards",
        "negative offset {ty} ptr R{reg} off={off} disallowed",
        "Pointers of this kind are used as they were given.";
    "E0616" EACCES ModifiedPointer { ty: String, reg: u8, off: i32 } = "pointer moved",
        "dereference of modified {ty} ptr R{reg} off={off} disallowed",
        "Pointers of this kind are used as they were given. Often a compiler moved the pointer; reading \
        the field through a volatile pointer helps.";
    "E0617" EACCES VariablePointer { ty: String, var_off: String } = "pointer moved by a variable",
        "variable {ty} access var_off={var_off} disallowed",
        "Fields of this kind of memory can only be accessed at known offsets.";
    "E0618" EACCES SockAccess { reg: u8, ty: String, off: i32, size: u32 } = "socket field",
        "R{reg} invalid {ty} access off={off} size={size}",
        "This field of the socket does not exist or cannot be read in this width.";
    "E0619" EACCES BufferOffset { reg: u8, name: &'static str, off: i32, size: u32 } = "offset into a buffer",
        "R{reg} invalid {name} buffer access: off={off}, size={size}",
        "Offsets into the buffer are not negative.";
    "E0620" EACCES BufferVariable { reg: u8, off: i32, var_off: String } = "variable offset into a buffer",
        "R{reg} invalid variable buffer offset: off={off}, var_off={var_off}",
        "Offsets into the buffer are constants.";
    "E0621" EACCES MisalignedPacket { var_off: String, reg_off: i32, off: i32, size: u32 } = "misaligned packet access",
        "misaligned packet access off 2+{var_off}+{reg_off}+{off} size {size}",
        "The program was loaded to be judged as on machines that trap unaligned accesses.";
    "E0622" EACCES Misaligned { word: &'static str, var_off: String, reg_off: i32, off: i32, size: u32 } = "misaligned access",
        "misaligned {word}access off {var_off}+{reg_off}+{off} size {size}",
        "The address is not a multiple of the access's size. Accesses of the stack must always be.";
    "E0623" EACCES AtomicInto { reg: u8, ty: String } = "atomic operation on this memory",
        "BPF_ATOMIC stores into R{reg} {ty} is not allowed",
        "Memory of this kind cannot be changed atomically.";
    "E0624" EACCES AtomicLoadFrom { reg: u8, ty: String } = "atomic load from this memory",
        "BPF_ATOMIC loads from R{reg} {ty} is not allowed",
        "Memory of this kind cannot be read atomically.";
    "E0625" EINVAL DifferentPointers = "one instruction, two kinds of pointer",
        "same insn cannot be used with different pointers",
        "The kernel rewrites this access for the kind of pointer it goes through, and here it goes \
        through different kinds on different paths.";
    "E0701" EACCES StackBounds { way: &'static str, reg: u8, off: i32, size: i64 } = "outside the stack",
        "invalid {way} stack R{reg} off={off} size={size}",
        "A stack frame is the 512 bytes below R10.";
    "E0702" EINVAL StackAbove { text: String } = "above the stack",
        "{text}",
        "A stack frame is the 512 bytes below R10.";
    "E0703" EACCES StackVarBounds { way: &'static str, reg: u8, var_off: String, off: i32, size: i64 } = "perhaps outside the stack",
        "invalid variable-offset {way} stack R{reg} var_off={var_off} off={off} size={size}",
        "Some offset that is possible lies outside the stack frame.";
    "E0704" EACCES StackUnbounded { way: &'static str, reg: u8 } = "unbounded offset into the stack",
        "invalid unbounded variable-offset {way} stack R{reg}",
        "Nothing bounds the offset.";
    "E0705" EACCES StackVarAtomic { reg: u8, var_off: String, off: i32, size: u32 } = "variable offset into the stack",
        "variable offset stack pointer cannot be passed into helper function; var_off={var_off} off={off} size={size}",
        "This access of the stack needs a known offset.";
    "E0706" EACCES SpillSize = "part of a pointer stored",
        "invalid size of register spill",
        "Pointers are stored whole.";
    "E0707" EACCES FillSize = "part of a stored pointer loaded",
        "invalid size of register fill",
        "Pointers are loaded whole.";
    "E0708" EINVAL SpillToCaller = "stack pointer stored in a caller's frame",
        "cannot spill pointers to stack into stack frame of the caller",
        "The frame will be gone when the function returns.";
    "E0709" EACCES ZeroSizedRead = "nothing to read",
        "invalid zero-sized read",
        "The size may not be zero here.";
    "E0801" EACCES HelperSleeps = "helper may sleep",
        "helper call might sleep in a non-sleepable prog",
        "Load the program as sleepable.";
    "E0802" EACCES ArgumentType { reg: u8, ty: String, expected: String } = "argument of a helper",
        "R{reg} type={ty} expected={expected}",
        "The helper cannot be given this kind of value in this argument.";
    "E0803" EACCES HelperPacket = "packet given to a helper",
        "helper access to the packet is not allowed",
        "This helper cannot read packet memory. Copy it to the stack first.";
    "E0804" EINVAL NotReferenced { reg: u8 } = "not a reference",
        "R{reg} must be referenced when passed to release function",
        "Only what was acquired can be released.";
    "E0805" EINVAL ReleaseOffset { reg: u8 } = "moved reference",
        "R{reg} must have zero offset when passed to release func or trusted arg to kfunc",
        "References are released as they were acquired.";
    "E0806" EINVAL NotAcquired { name: String, id: i32 } = "reference not held",
        "func {name}#{id} reference has not been acquired before",
        "The reference was released before.";
    "E0807" EACCES SizeNegative { reg: u8 } = "size may be negative",
        "R{reg} min value is negative, either use unsigned or 'var &= const'",
        "The size may be negative on this path.";
    "E0808" EACCES SizeZero { reg: u8, min: i64, max: i64 } = "size may be zero",
        "R{reg} invalid zero-sized read: u64=[{min},{max}]",
        "The helper wants at least one byte.";
    "E0809" EACCES SizeUnbounded { reg: u8 } = "unbounded size",
        "R{reg} unbounded memory access, use 'var &= const' or 'if (var < const)'",
        "Nothing bounds the size from above on this path.";
    "E0810" EACCES NotConstant { reg: u8 } = "size to allocate not known",
        "R{reg} is not a known constant'",
        "The helper wants a constant here.";
    "E0811" EACCES NotReadonly { reg: u8 } = "string not constant",
        "R{reg} does not point to a readonly map'",
        "Format strings are constants: declare them static const.";
    "E0812" EINVAL NotTerminated = "string without an end",
        "string is not zero-terminated",
        "The string must end with a zero byte within its variable.";
    "E0813" EACCES MapWriteForbidden = "read-only map changed",
        "write into map forbidden",
        "Programs may only read this map.";
    "E0814" EINVAL TailCallMap = "tail call through another map",
        "expected prog array map for tail call",
        "Tail calls go through arrays of programs.";
    "E0815" EINVAL StorageFlags = "flags of get_local_storage",
        "get_local_storage() doesn't support non-zero flags",
        "The flags must be zero.";
    "E0816" EINVAL MapHelper { map_type: u32, name: String, id: i32 } = "helper for another map",
        "cannot pass map_type {map_type} into func {name}#{id}",
        "This helper does not work on maps of this type.";
    "E0817" EINVAL LeakAt { what: &'static str } = "reference leak",
        "{what} would lead to reference leak",
        "A reference that was acquired is not released on this path.";
    "E0818" EINVAL LdAbsNotAllowed = "packet load in this program type",
        "BPF_LD_[ABS|IND] instructions not allowed for this program type",
        "Only programs on socket buffers have these instructions.";
    "E0819" EINVAL LdAbsContext = "packet load without a context",
        "at the time of BPF_LD_ABS|IND R6 != pointer to skb",
        "These instructions take the context in R6.";
    "E0901" EINVAL ReturnsStack = "stack pointer returned",
        "cannot return stack pointer to the caller",
        "The frame is gone when the function has returned.";
    "E0902" EACCES CallbackNotScalar = "callback returns a pointer",
        "R0 not a scalar value",
        "Callbacks return numbers.";
    "E0903" EINVAL ReturnRange { place: &'static str, has: String, min: i32, max: i32 } = "value returned",
        "{place} the register R0 has {has} should have been in [{min}, {max}]",
        "Programs of this type return only values in this range.";
    "E0904" EINVAL ReturnNotKnown { place: &'static str, ty: String } = "pointer returned",
        "{place} the register R0 is not a known value ({ty})",
        "Programs of this type return a number.";
    "E0905" EINVAL SubprogNotScalar { ty: String } = "global function returns a pointer",
        "At subprogram exit the register R0 is not a scalar value ({ty})",
        "Global functions return numbers.";
    "E0906" EINVAL GlobalArgs { subprog: usize, name: String } = "arguments of a global function",
        "Caller passes invalid args into func#{subprog} ('{name}')",
        "The arguments do not fit the prototype by which the function is judged.";
    "E0907" EINVAL GlobalReturn { name: String } = "result of a global function",
        "Global function {name}() doesn't return scalar. Only those are supported.",
        "Global functions return numbers.";
    "E0908" EINVAL CallbackNotStatic = "callback is global",
        "callback function not static",
        "Callbacks are static functions.";
    "E0909" EINVAL TracingMapField { field: &'static str } = "map of a tracing program",
        "tracing progs cannot use {field} yet",
        "Tracing programs can interrupt each other at any place, so they cannot use maps with such \
        fields.";
    "E0910" EINVAL SocketFilterLock = "lock in a socket filter",
        "socket filter progs cannot use bpf_spin_lock yet",
        "Socket filters cannot use maps with locks.";
    "E0911" EINVAL SleepableMap = "map of a sleepable program",
        "Sleepable programs can only use array, hash, ringbuf and local storage maps",
        "Other maps rely on programs not sleeping.";
    "E0912" EINVAL LdAbsReturn = "packet load in a function",
        "LD_ABS is only allowed in functions that return 'int'.",
        "A packet load can end the function with 0, so the function must return a number.";
    "E0913" EINVAL TailCallReturn = "tail call in a function",
        "tail_call is only allowed in functions that return 'int'.",
        "A tail call ends the function with a number, so the function must return one.";
}

impl Finding {
    /// The same about a place above the stack, which the kernel gives another error number.
    pub(crate) fn into_invalid(self) -> Finding {
        let text = alloc::format!("{self}");
        Finding::StackAbove { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn codes_are_unique_and_ordered() {
        assert!(CATALOG.is_sorted_by(|a, b| a.code < b.code));
        for e in CATALOG {
            assert!(e.code.len() == 5 && e.code.starts_with('E'), "{}", e.code);
            assert!(!e.title.is_empty() && e.explanation.ends_with('.'), "{}", e.code);
            assert_eq!(entry(e.code), Some(e));
        }
    }

    #[test]
    fn findings_speak_the_kernels_words() {
        let finding = Finding::JumpOutOfRange { from: 3, to: -7 };
        assert_eq!(format!("{finding}"), "jump out of range from insn 3 to -7");
        assert_eq!(finding.entry().errno.number(), 22);
        assert_eq!(format!("{}", Finding::UnknownOpcode { code: 6 }), "unknown opcode 06");
    }
}
