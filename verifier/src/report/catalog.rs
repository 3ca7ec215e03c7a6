//! The catalog of findings: each reason for which a program is refused.
//!
//! One entry gives a finding its stable code, the error number bpf(2) returns, the kernel's words
//! (which are the last line of its log), a title, and our explanation. Logs, JSON, SARIF rules and
//! `oxbpf explain` are all rendered from it.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// The error numbers with which bpf(2) refuses a program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
pub enum Errno {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    E2BIG = 7,
    EBADF = 9,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    EBUSY = 16,
    EEXIST = 17,
    EINVAL = 22,
    ENOSPC = 28,
    ERANGE = 34,
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
    "E0112" EINVAL DirectValueRange { value_size: u32, off: u32, errno: Errno } = "address outside a map value",
        "invalid access to map value pointer, value_size={value_size} off={off}",
        "The address lies outside the value, or the array has more than one element.";
    "E0113" E2BIG TooManyMaps { limit: usize } = "too many maps",
        "The total number of maps per program has reached the limit of {limit}",
        "A program names at most 64 different maps.";
    "E0130" EINVAL MayGotoFields { imm: i32 } = "may_goto with other fields",
        "invalid may_goto imm {imm}",
        "The instruction has an offset and nothing else.";
    "E0131" EINVAL CastSpaces = "address spaces of a cast",
        "addr_space_cast insn can only convert between address space 1 and 0",
        "Address space 1 is the arena, 0 the kernel's view of it.";
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
    "E0213" E2BIG FrameDepth { frames: usize } = "too many frames on a path",
        "the call stack of {frames} frames is too deep",
        "Calls may nest eight deep.";
    "E0214" EINVAL KfuncNeedsGpl = "kernel function without the licence",
        "cannot call kernel function from non-GPL compatible program",
        "Only programs under a GPL-compatible licence call kernel functions.";
    "E0215" EINVAL KfuncBtfNegative = "types of a kernel function",
        "negative offset disallowed for kernel module function call\nfailed to find BTF for kernel function",
        "The offset of the call names the types of a module, and is not negative.";
    "E0216" E2BIG TooManyKfuncs { limit: usize } = "too many kernel functions",
        "too many different kernel function calls",
        "There is a limit to how many different kernel functions a program calls.";
    "E0217" EINVAL KfuncNoFunction { id: u32 } = "kernel function that is none",
        "kernel btf_id {id} is not a function",
        "The id in the call is not that of a function in the kernel's types.";
    "E0218" EINVAL KfuncNoPrototype { id: u32 } = "kernel function without a prototype",
        "kernel function btf_id {id} does not have a valid func_proto",
        "The kernel's types have no prototype for this function.";
    "E0219" EINVAL KfuncNotBound = "metadata without a device",
        "metadata kfuncs require device-bound program",
        "Hints about packets come from a device: load the program bound to one (BPF_F_XDP_DEV_BOUND_ONLY).";
    "E0220" EINVAL KfuncParams { name: String, count: usize } = "parameters of a kernel function",
        "The function {name} has {count} arguments. Too many.",
        "This function of the kernel cannot be called from programs.";
    "E0221" EINVAL KfuncReturn { name: String, ty: &'static str } = "result of a kernel function",
        "The function {name} return type {ty} is unsupported.",
        "This function of the kernel cannot be called from programs.";
    "E0222" EINVAL KfuncVariadic { name: String } = "variable arguments of a kernel function",
        "The function {name} with variable args is unsupported.",
        "This function of the kernel cannot be called from programs.";
    "E0223" EINVAL KfuncVoidParam { name: String } = "parameter of a kernel function",
        "The function {name} has malformed void argument.",
        "This function of the kernel cannot be called from programs.";
    "E0224" EINVAL KfuncParam { name: String, n: usize, ty: &'static str } = "parameter of a kernel function",
        "The function {name} arg{n} type {ty} is unsupported.",
        "This function of the kernel cannot be called from programs.";
    "E0225" EINVAL KfuncAbsent = "missing kernel function called",
        "invalid kernel function call not eliminated in verifier pass",
        "The kernel has no such function, and a path leads to the call. Guard it with \
        bpf_ksym_exists().";
    "E0226" E2BIG TooManyModules = "kernel functions of too many modules",
        "too many different module BTFs",
        "A program may call functions of at most 256 modules.";
    "E0230" EINVAL LdAbsUntyped = "packet load in a function without types",
        "LD_ABS is not allowed in subprogs without BTF",
        "A packet load can end the function with 0, so it must be known that the function returns a \
        number. Load the program with the types of its functions.";
    "E0231" EINVAL TailCallUntyped = "tail call in a function without types",
        "tail_call is not allowed in subprogs without BTF",
        "A tail call ends the function with a number, so it must be known that it returns one. Load \
        the program with the types of its functions.";
    "E0232" EFAULT DeadCallback { insn: usize } = "address of a function that is never called",
        "verifier bug: No program to jit at insn {insn} (subprog < 0)",
        "The address of the function is taken, but nothing calls it on any path, so the kernel removes \
        it as dead code and then misses it. Remove the reference, or call the function.";
    "E0240" EINVAL FirstFuncInfo { insn: u32 } = "first function record",
        "nonzero insn_off {insn} for the first func info record",
        "The first record of func_info is about the first instruction.";
    "E0241" EINVAL FuncInfoOrder { insn: u32, previous: u32 } = "order of function records",
        "same or smaller insn offset ({insn}) than previous func info record ({previous})",
        "The records of func_info are in the order of the instructions they are about.";
    "E0242" EINVAL FuncInfoType { id: u32 } = "type of a function record",
        "invalid type id {id} in func info",
        "A record of func_info names a function among the program's types.";
    "E0243" EINVAL FuncInfoCount = "number of function records",
        "number of funcs in func_info doesn't match number of subprogs",
        "There is one record of func_info for each function of the program.";
    "E0244" EINVAL FuncInfoLayout = "place of a function record",
        "func_info BTF section doesn't match subprog layout in BPF program",
        "Each record of func_info is about the first instruction of a function.";
    "E0245" EINVAL LineInfoOrder { n: usize, insn: u32, previous: u32, len: usize } = "order of line records",
        "Invalid line_info[{n}].insn_off:{insn} (prev_offset:{previous} prog->len:{len})",
        "The records of line_info are in the order of the instructions they are about, and about \
        instructions of the program.";
    "E0246" EINVAL LineInfoSlot { n: usize } = "line record about no instruction",
        "Invalid insn code at line_info[{n}].insn_off",
        "The record is about the second slot of a wide load.";
    "E0247" EINVAL LineInfoText { n: usize } = "text of a line record",
        "Invalid line_info[{n}].line_off or .file_name_off",
        "The record names text that the types do not have.";
    "E0248" EINVAL LineInfoMissing { subprog: usize } = "function without a line record",
        "missing bpf_line_info for func#{subprog}",
        "Each function begins with a record of line_info.";
    "E0249" EINVAL LineInfoShort { missing: usize, subprog: usize } = "functions without line records",
        "missing bpf_line_info for {missing} funcs starting from func#{subprog}",
        "Each function begins with a record of line_info.";
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
    "E0402" E2BIG TooManyBranches { branches: usize, errno: Errno } = "too many pending branches",
        "The sequence of {branches} jumps is too complex.",
        "More than 8,192 branches were waiting to be followed.";
    "E0403" EINVAL InfiniteLoop { insn: u32 } = "infinite loop",
        "infinite loop detected at insn {insn}",
        "The program came back to this instruction in exactly the same state, so it would never end.";
    "E0404" EFAULT RegInvariants { text: String } = "contradictory ranges",
        "verifier bug: REG INVARIANTS VIOLATION {text}",
        "The ranges of a register contradict each other and the program was loaded with the flag that \
        makes this an error.";
    "E0430" EFAULT PrecisionOfPointer = "exact value of a pointer",
        "verifier bug: backtracking misuse",
        "The helper needs to know the exact number in this argument, and it is a pointer.";
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
    "E0612" EACCES OutsidePacket { reg: u8, errno: Errno } = "outside the packet",
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
    "E0801" EINVAL HelperSleeps = "helper may sleep",
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
    "E0820" EINVAL SocketMapArgument = "value of a map of sockets",
        "invalid arg_type for sockmap/sockhash",
        "This helper reads or writes values in memory, and a map of sockets has none.";
    "E0901" EINVAL ReturnsStack = "stack pointer returned",
        "cannot return stack pointer to the caller",
        "The frame is gone when the function has returned.";
    "E0902" EACCES CallbackNotScalar = "callback returns a pointer",
        "R0 not a scalar value",
        "Callbacks return numbers.";
    "E0903" EINVAL ReturnRange { place: &'static str, reg: u8, has: String, min: i32, max: i32 } = "value returned",
        "{place} the register R{reg} has {has} should have been in [{min}, {max}]",
        "Programs of this type return only values in this range.";
    "E0904" EINVAL ReturnNotKnown { place: &'static str, reg: u8, ty: String } = "pointer returned",
        "{place} the register R{reg} is not a known value ({ty})",
        "Programs of this type return a number.";
    "E0905" EINVAL SubprogNotScalar { reg: u8, ty: String } = "global function returns a pointer",
        "At subprogram exit the register R{reg} is not a scalar value ({ty})",
        "Global functions return numbers.";
    "E0906" EINVAL GlobalArgs { subprog: usize, name: String, errno: Errno } = "arguments of a global function",
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
    "E0930" EINVAL CallbackUntyped = "callback without types",
        "missing btf func_info",
        "The address of a function can only be taken where the types of the program's functions are \
        given: load the program with BTF.";
    "E0931" EINVAL GlobalSleeps = "global function that may sleep",
        "global functions that may sleep are not allowed in non-sleepable context,\n\
        i.e., in a RCU/IRQ/preempt-disabled section, or in\na non-sleepable BPF program context",
        "The function, or one that it calls, calls a helper that may sleep. Load the program as \
        sleepable, or make the function static.";
    "E1201" EACCES KfuncNotAllowed { name: String } = "kernel function for other programs",
        "calling kernel function {name} is not allowed",
        "Programs of this type may not call this function.";
    "E1202" EFAULT KfuncTrap = "undefined behaviour",
        "unexpected __bpf_trap() due to uninitialized variable?",
        "The compiler found that what the source says here has no meaning, mostly a variable that was \
        never set.";
    "E1203" EACCES KfuncSleeps { name: String } = "kernel function may sleep",
        "program must be sleepable to call sleepable kfunc {name}",
        "Load the program as sleepable.";
    "E1204" EACCES KfuncRcu { name: String } = "kernel function outside an RCU section",
        "kernel func {name} requires RCU critical section protection",
        "Take bpf_rcu_read_lock() around the call.";
    "E1205" EINVAL KfuncTooManyArgs { name: String, count: usize } = "parameters of a kernel function",
        "Function {name} has {count} > 5 args",
        "Programs pass at most five arguments.";
    "E1206" EINVAL KfuncNotScalar { reg: u8 } = "pointer for a number",
        "R{reg} is not a scalar",
        "The kernel function takes a number here.";
    "E1207" EINVAL KfuncNotConstant { reg: u8 } = "argument must be constant",
        "R{reg} must be a known constant",
        "The verifier has to know this argument.";
    "E1208" EINVAL KfuncSizeNotConstant { reg: u8 } = "size of a result must be constant",
        "R{reg} is not a const",
        "The size of the memory that the function gives has to be known.";
    "E1209" EINVAL KfuncArgKind { n: usize, ty: &'static str } = "parameter of a kernel function",
        "Unrecognized arg#{n} type {ty}",
        "Programs cannot pass arguments of this type.";
    "E1210" EACCES KfuncNull { n: usize } = "argument may be null",
        "Possibly NULL pointer passed to trusted arg{n}",
        "The kernel function takes a pointer that is not null. Check it first.";
    "E1211" EINVAL KfuncNotMap { reg: u8 } = "argument is no map",
        "pointer in R{reg} isn't map pointer",
        "The kernel function takes a map here.";
    "E1212" EINVAL KfuncNotTrusted { reg: u8 } = "argument not trusted",
        "R{reg} must be referenced or trusted",
        "Only pointers that the kernel gave as arguments or that were acquired are valid for sure.";
    "E1213" EINVAL KfuncNotRcu { reg: u8 } = "argument not protected",
        "R{reg} must be a rcu pointer",
        "The pointer has to be trusted, acquired, or read within an RCU section.";
    "E1214" EINVAL KfuncNotCtx { n: usize, ty: String } = "argument is not the context",
        "arg#{n} expected pointer to ctx, but got {ty}",
        "The kernel function takes the program's context here.";
    "E1215" EINVAL KfuncPointee { n: usize, kind: &'static str, name: String, what: &'static str } = "argument of this type",
        "arg#{n} pointer type {kind} {name} must point to {what}scalar, or struct with scalar",
        "The kernel function takes a pointer to an object here; memory of the program will not do.";
    "E1216" EINVAL KfuncPointeeKind { func: String, n: usize, kind: &'static str, name: String } = "argument of this type",
        "kernel function {func} args#{n} pointer type {kind} {name} is not supported",
        "The kernel function does not take an object here.";
    "E1217" EACCES KfuncMemory { n: usize, size: usize, errno: Errno } = "memory of an argument",
        "arg#{n} arg#{size} memory, len pair leads to invalid memory access",
        "The memory is not as large as the size says, or may not be read and written.";
    "E1218" EINVAL KfuncNotFunc { n: usize } = "argument is no function",
        "arg{n} expected pointer to func",
        "The kernel function takes a function of the program here.";
    "E1219" EINVAL KfuncNotString { n: usize } = "argument is no constant string",
        "arg#{n} doesn't point to a const string",
        "Strings are constants here: declare them static const.";
    "E1220" EINVAL KfuncReleasesNothing { name: String } = "nothing to release",
        "release kernel function {name} expects refcounted PTR_TO_BTF_ID",
        "Only what was acquired can be released.";
    "E1221" EINVAL KfuncNotAcquired { name: String, id: u32 } = "reference not held",
        "kfunc {name}#{id} reference has not been acquired before",
        "The reference was released before.";
    "E1222" EINVAL KfuncAcquiresNothing = "result of a kernel function",
        "acquire kernel function does not return PTR_TO_BTF_ID",
        "This kernel function is declared wrongly.";
    "E1223" EINVAL KfuncResultKind { name: String, kind: &'static str, pointee: String } = "result of a kernel function",
        "kernel function {name} returns pointer type {kind} {pointee} is not supported",
        "Results of this type have no known size.";
    "E1224" EINVAL CastUnknownType { id: i64 } = "cast to no type",
        "Unknown type ID {id} passed to kfunc bpf_rdonly_cast",
        "The kernel's types have no type with this id.";
    "E1225" EINVAL CastType = "cast to this type",
        "kfunc bpf_rdonly_cast type ID argument must be of a struct or void",
        "Casts go to structures of the kernel, or to bytes.";
    "E1226" EINVAL SliceWrite = "packet is read-only here",
        "the prog does not allow writes to packet data",
        "Programs of this type only read packets: use bpf_dynptr_slice().";
    "E1227" EINVAL KfuncObject { func: String, n: usize, wanted: String, reg: usize, has: String } = "argument is another object",
        "kernel function {func} args#{n} expected pointer to {wanted} but R{reg} has a pointer to {has}",
        "The kernel function takes an object of another type.";
    "E1228" EINVAL KfuncUnsafe { n: usize, ty: String, expected: String } = "argument not safe",
        "arg#{n} is {ty} expected {expected} or socket",
        "The pointer may not be valid any more.";
    "E1229" EINVAL CastContext { id: u32 } = "context without a structure",
        "kern ctx type id {id} is not a struct",
        "The kernel has no structure for the context of such programs.";
    "E1230" EFAULT CycleNotEntered { chain: String } = "exception in a loop",
        "verifier bug: scc exit: no visit info for call chain {chain}",
        "Linux 6.18 refuses exceptions that are thrown early in a loop. Throw them outside of it.";
    "E1301" EINVAL SlotVariable { what: &'static str } = "object at an unknown place",
        "{what} has to be at a constant offset",
        "The verifier has to know where on the stack the object is.";
    "E1302" EINVAL SlotOffset { what: &'static str, off: i32 } = "object at this place",
        "cannot pass in {what} at an offset={off}",
        "The object lies on the stack, aligned to eight bytes, and with all its bytes.";
    "E1303" EINVAL IterNotStack { n: usize } = "iterator not on the stack",
        "arg#{n} expected pointer to an iterator on stack",
        "Iterators live on the stack.";
    "E1304" EINVAL IterType { n: usize } = "iterator of no type",
        "expected valid iter pointer as arg #{n}",
        "The kernel function does not take an iterator here.";
    "E1305" EINVAL IterInitialized { name: String, n: usize } = "iterator in use",
        "expected uninitialized iter_{name} as arg #{n}",
        "Destroy the iterator before it is started anew.";
    "E1306" EINVAL IterNotInitialized { name: String, n: usize } = "iterator not started",
        "expected an initialized iter_{name} as arg #{n}",
        "Start the iterator with its _new() function.";
    "E1307" EPROTO IterRcu { name: String } = "iterator outside an RCU section",
        "expected an RCU CS when using {name}",
        "The RCU section in which the iterator was started is over.";
    "E1308" EINVAL IterCssTask = "iterator for other programs",
        "css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs",
        "Other programs could deadlock on the lock that the iterator takes.";
    "E1401" EINVAL DynptrArgument { n: usize } = "argument is no dynptr",
        "arg#{n} expected pointer to stack or const struct bpf_dynptr",
        "Dynptrs live on the stack.";
    "E1402" EINVAL DynptrInitialized = "dynptr in use",
        "Dynptr has to be an uninitialized dynptr",
        "A dynptr is made on the stack, aligned to eight bytes.";
    "E1403" EINVAL DynptrMutates = "constant dynptr",
        "cannot pass pointer to const bpf_dynptr, the helper mutates it",
        "This dynptr belongs to the kernel and stays as it is.";
    "E1404" EINVAL DynptrNotInitialized { n: usize } = "dynptr not made",
        "Expected an initialized dynptr as arg #{n}",
        "Make the dynptr first, with one of the functions that do.";
    "E1405" EINVAL DynptrType { ty: &'static str, n: usize } = "dynptr of another type",
        "Expected a dynptr of type {ty} as arg #{n}",
        "The function takes a dynptr over other memory.";
    "E1406" EINVAL DynptrUnacquired { reg: u8 } = "dynptr without a reference",
        "arg {reg} is an unacquired reference",
        "Only dynptrs over reserved ring buffer memory are submitted or discarded, once.";
    "E1407" EINVAL DynptrRelease = "constant dynptr released",
        "cannot release unowned const bpf_dynptr",
        "This dynptr belongs to the kernel.";
    "E1408" EINVAL DynptrOverwrite = "reserved memory lost",
        "cannot overwrite referenced dynptr",
        "Submit or discard the memory before the dynptr is overwritten.";
    "E1409" EACCES DynptrMayWrite { off: i64 } = "dynptr may be overwritten",
        "potential write to dynptr at off={off} disallowed",
        "The helper would write over a dynptr.";
    "E1410" EACCES StackReadBytes { off: i32, at: i32, size: u32 } = "bytes of the stack not readable",
        "invalid read from stack off {off}+{at} size {size}",
        "These bytes belong to an object that only its functions may touch.";
    "E1411" EACCES StackRangeRead { way: &'static str, reg: u8, off: i64, at: i64, size: i64 } = "bytes of the stack not readable",
        "invalid {way} stack R{reg} off {off}+{at} size {size}",
        "These bytes belong to an object that only its functions may touch.";
    "E1412" EACCES StackRangeReadVar { way: &'static str, reg: u8, var_off: String, at: i64, size: i64 } = "bytes of the stack not readable",
        "invalid {way} stack R{reg} var_off {var_off}+{at} size {size}",
        "These bytes belong to an object that only its functions may touch.";
    "E1413" EACCES DynptrMemory { ty: String } = "dynptr over this memory",
        "Unsupported reg type {ty} for bpf_dynptr_from_mem data",
        "Local dynptrs are over values of maps.";
    "E1501" EINVAL KernelNeedsGpl { name: String } = "kernel object without a GPL-compatible licence",
        "Cannot access kernel 'struct {name}' from non-GPL compatible program",
        "Set the licence section to a GPL-compatible licence, such as \"GPL\" or \"Dual MIT/GPL\".";
    "E1502" EACCES TypedNegative { reg: u8, name: String, off: i32 } = "before a kernel object",
        "R{reg} is ptr_{name} invalid negative access: off={off}",
        "Offsets into kernel objects are not negative.";
    "E1503" EACCES TypedVariable { reg: u8, name: String, off: i32, var_off: String } = "variable offset into a kernel object",
        "R{reg} is ptr_{name} invalid variable offset: off={off}, var_off={var_off}",
        "Offsets into kernel objects are constants. Read the array with bpf_probe_read_kernel instead.";
    "E1504" EACCES TypedUser { reg: u8, name: String, off: i32 } = "user memory read directly",
        "R{reg} is ptr_{name} access user memory: off={off}",
        "The pointer is an address of user space; read through it with bpf_probe_read_user.";
    "E1505" EACCES TypedPercpu { reg: u8, name: String, off: i32 } = "per-CPU memory read directly",
        "R{reg} is ptr_{name} access percpu memory: off={off}",
        "Get the address of one CPU's instance with bpf_per_cpu_ptr or bpf_this_cpu_ptr first.";
    "E1506" EACCES OnlyRead = "kernel object written",
        "only read is supported",
        "Programs of this type can only read objects of the kernel.";
    "E1507" EACCES BeyondStruct { name: String, off: u32, size: u32 } = "beyond a kernel structure",
        "access beyond struct {name} at off {off} size {size}",
        "The access does not lie within the structure as this kernel has it. Use CO-RE to follow \
        structures that change between kernels.";
    "E1508" EACCES PtrMember { member: String, moff: u32, name: String, off: u32, size: u32 } = "part of a pointer in a kernel structure",
        "cannot access ptr member {member} with moff {moff} in struct {name} with off {off} size {size}",
        "Pointers are read whole.";
    "E1509" EACCES BeyondMember { member: String, end: u32, name: String, off: u32, size: u32 } = "beyond a member of a kernel structure",
        "access beyond the end of member {member} (mend:{end}) in struct {name} with off {off} size {size}",
        "The access begins in this member and goes on behind it.";
    "E1510" EINVAL NoMember { name: String, off: u32 } = "no member there",
        "struct {name} doesn't have field at offset {off}",
        "The offset lies between the members of the structure as this kernel has it.";
    "E1511" EINVAL NotStruct { name: String } = "no structure",
        "Type '{name}' is not a struct",
        "Only structures have members.";
    "E1512" EFAULT MemberSize { member: String } = "member without a size",
        "field {member} doesn't have size",
        "The kernel's types do not say how large this member is.";
    "E1513" EACCES MapNegative { reg: u8, name: &'static str, off: i32 } = "before a map's fields",
        "R{reg} is {name} invalid negative access: off={off}",
        "Offsets into the kernel's structure of a map are not negative.";
    "E1514" EACCES MapOnlyRead { name: &'static str } = "a map's fields written",
        "only read from {name} is supported",
        "The kernel's structure of a map can only be read. Values are changed through the pointer that a \
        lookup gives.";
    "E1515" EACCES ArgumentObject { reg: u8, ty: String, expected: &'static str } = "kernel object of another type",
        "R{reg} is of type {ty} but {expected} is expected",
        "The helper wants a pointer to an object of another type.";
    "E1516" EACCES MayWriteObject { helper: String, reg: u8, ty: String } = "kernel object given to be written",
        "{helper}() may write into memory pointed by R{reg} type={ty}",
        "Helpers may only read from objects of the kernel. Copy to the stack instead.";
    "E1517" EACCES MaybeNullObject { arg: u8 } = "perhaps null to a helper",
        "Possibly NULL pointer passed to helper arg{arg}",
        "Compare the pointer with null first.";
    "E1518" EINVAL HelperNotHere = "helper at this target",
        "helper call is not allowed in probe",
        "The helper can only be called from programs at certain functions.";
    "E1519" EACCES NoWriteField { name: &'static str, off: i32 } = "field that cannot be written",
        "no write support to {name} at off {off}",
        "Programs of this structure of callbacks may write a few fields only.";
    "E1520" EACCES WriteBeyond { name: &'static str, off: i32, size: u32, end: u32 } = "beyond a field that can be written",
        "write access at off {off} with size {size} beyond the member of {name} ended at {end}",
        "The write begins in a field that may be written and goes on behind it.";
    "E1521" EACCES OnlyState { name: &'static str } = "another object written",
        "only access to {name} is supported",
        "Programs of this structure of callbacks may write objects of one type only.";
    "E1522" EACCES StateBeyond { off: i32, size: u32 } = "beyond an object that can be written",
        "write access at off {off} with size {size}",
        "The write does not lie within the object.";
    "E1523" ENOTSUPP FuncIpTrampoline { id: i32 } = "address of no function",
        "func bpf_get_func_ip#{id} supported only for fentry/fexit/fmod_ret programs",
        "Tracepoints and iterators have no function whose address could be given.";
    "E1524" ENOENT SymbolId { id: i32 } = "symbol that does not exist",
        "ldimm64 insn specifies invalid btf_id {id}.",
        "The kernel has no type of this number.";
    "E1525" EINVAL SymbolKind { id: i32 } = "no symbol",
        "pseudo btf_id {id} in ldimm64 isn't KIND_VAR or KIND_FUNC",
        "Only the addresses of variables and functions can be taken.";
    "E1526" EINVAL SymbolSize { name: String } = "variable of unknown size",
        "ldimm64 unable to resolve the size of type '{name}': -22",
        "The kernel's types do not say how large the variable is.";
    "E1527" ENOENT SymbolAddress { name: String } = "variable without a known address",
        "ldimm64 failed to find the address for kernel symbol '{name}'.",
        "The kernel's table of symbols does not have the variable: this kernel is built without \
        CONFIG_KALLSYMS_ALL.";
    "E1528" EACCES NoWriteStruct = "another object written",
        "write access to this struct is not supported",
        "Programs of this structure of callbacks may write objects of a few types only.";
    "E1529" EACCES WriteBeyondStruct { name: &'static str, off: i32, size: u32 } = "beyond an object that can be written",
        "write access for struct {name} at off {off} with size {size}",
        "The write does not lie within the object.";
    "E1530" EACCES ReadOnlyPart { name: &'static str, off: i32, size: u32 } = "field that cannot be written",
        "write access at off {off} with size {size} on read-only part of {name}",
        "Programs of this structure of callbacks may write a few fields only.";
    "E1531" EACCES SilentWrite = "field that cannot be written",
        "",
        "Programs of this structure of callbacks may write a few fields only. The kernel does not say so.";
    "E1532" EACCES ArgumentGone { off: u32 } = "argument given away",
        "invalid bpf_context access off={off}. Reference may already be released",
        "The program owned what this argument points to and has given it away.";
    "E1601" ESRCH MissingTarget { what: &'static str, name: String, near: String } = "attach target that does not exist",
        "this kernel has no {what} {name}{near}",
        "The types of this kernel do not have what the program attaches to, so a loader would not even \
        hand it to the kernel. The kernel may be built without it, have inlined or renamed it, or have it in \
        a module whose types were not given.";
    "E1602" EINVAL NoTarget = "no attach target",
        "the program has no attach target",
        "Programs of this type are loaded for one function, tracepoint or callback. Name it in the section, \
        or with --attach PROGRAM=TARGET; a callback's program must stand in its structure.";
    "E1603" EINVAL CannotSleep = "program that cannot sleep",
        "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable",
        "Remove the .s from the section's prefix.";
    "E1604" EINVAL NotSleepable { name: String } = "target where programs cannot sleep",
        "{name} is not sleepable",
        "Programs may sleep at some functions and hooks only: where errors can be injected, and at certain \
        LSM hooks.";
    "E1605" EINVAL NotModifiable { name: String } = "function whose result stays",
        "{name}() is not modifiable",
        "Results of security_ functions, of those whose errors can be injected, and of few others can be \
        changed.";
    "E1606" EINVAL LsmGpl = "LSM program without a GPL-compatible licence",
        "LSM programs must have a GPL compatible license",
        "Set the licence section to a GPL-compatible licence.";
    "E1607" EINVAL LsmDisabled { id: u32, name: String } = "LSM hook that is closed to programs",
        "attach_btf_id {id} points to disabled hook {name}",
        "Programs cannot attach to this hook, because of what its callers expect of it.";
    "E1608" EINVAL LsmNoHook { id: u32, name: String } = "no LSM hook",
        "attach_btf_id {id} points to wrong type name {name}",
        "The function is none of the hooks.";
    "E1609" EINVAL TargetDenied { name: String } = "function that cannot be traced",
        "Attaching tracing programs to function '{name}' is rejected.",
        "Calling a program there would call the function again.";
    "E1610" EINVAL TargetNoReturn { name: String } = "function that does not return",
        "Attaching fexit/fmod_ret to __noreturn function '{name}' is rejected.",
        "The program would never be called. Attach to the function's entry.";
    "E1611" EINVAL NoIterator = "no iterator",
        "",
        "The function is no iterator that programs can implement.";
    "E1612" EINVAL TargetArgs { name: String, count: usize } = "target with many arguments",
        "The function {name} has {count} arguments. Too many.",
        "At most twelve can be passed on.";
    "E1613" EINVAL TargetReturn { name: String, kind: &'static str } = "result of the target",
        "The function {name} return type {kind} is unsupported.",
        "Numbers and pointers can be passed on.";
    "E1614" EINVAL TargetVariadic { name: String } = "target with variable arguments",
        "The function {name} with variable args is unsupported.",
        "Nothing says how many arguments there are.";
    "E1615" EINVAL TargetVoidArg { name: String } = "argument of the target",
        "The function {name} has malformed void argument.",
        "The kernel's types are not what C allows.";
    "E1616" EINVAL TargetArg { name: String, n: usize, kind: &'static str } = "argument of the target",
        "The function {name} arg{n} type {kind} is unsupported.",
        "Structures of more than 16 bytes cannot be passed on.";
    "E1617" EINVAL StructOpsGpl = "struct_ops program without a GPL-compatible licence",
        "struct ops programs must have a GPL compatible license",
        "Set the licence section to a GPL-compatible licence.";
    "E1618" ENOTSUPP UnsupportedStruct { id: u32 } = "no structure of callbacks",
        "attach_btf_id {id} is not a supported struct",
        "Programs cannot implement the callbacks of this structure.";
    "E1619" EINVAL MemberIndex { index: u32, name: String } = "no such callback",
        "attach to invalid member idx {index} of struct {name}",
        "The structure of this kernel has fewer members.";
    "E1620" EINVAL MemberNotFunction { member: String, index: u32, name: String } = "no callback",
        "attach to invalid member {member}(@idx {index}) of struct {name}",
        "The member is no pointer to a function.";
    "E1621" ENOTSUPP UnsupportedMember { member: String, name: String, errno: Errno } = "callback closed to programs",
        "attach to unsupported member {member} of struct {name}",
        "Programs cannot implement this callback, or not sleeping.";
    "E1622" EINVAL TargetWithoutTypes = "target program without types",
        "FENTRY/FEXIT program can only be attached to another program annotated with BTF",
        "Nothing says what functions the other program has. Compile it with -g.";
    "E1623" EINVAL ExtensionWithoutTypes = "replacement without types",
        "Program extension requires BTF",
        "Nothing says whether the program fits the function that it replaces. Compile it with -g.";
    "E1624" EINVAL ReplacesStatic = "static function replaced",
        "Cannot replace static functions",
        "Only global functions, and programs with the context as their one parameter, can be replaced.";
    "E1625" EINVAL ReplacesPackets = "replacement moves packets",
        "Extension program changes packet data, while original does not",
        "Callers of the function rely on their packet pointers staying valid.";
    "E1626" EINVAL ReplacesExtension = "replacement of a replacement",
        "Cannot recursively attach",
        "A program that replaces a function cannot itself be replaced.";
    "E1627" EINVAL ReplacesTracing = "tracing program replaced",
        "Cannot extend fentry/fexit",
        "Programs called before and after functions cannot be replaced.";
    "E1628" EINVAL PrototypeMismatch { text: String } = "replacement of another form",
        "{text}",
        "A program must have the prototype of the function that it replaces.";
    "E1629" EINVAL TracesProgram = "another program attached to in this way",
        "Only FENTRY/FEXIT progs are attachable to another BPF prog",
        "Functions of other programs can only be traced at entry and exit.";
    "E1630" EINVAL ModifiesProgram = "result of another program changed",
        "can't modify return codes of BPF programs",
        "Use an extension instead.";
    "E1631" EINVAL TailCallWithReference = "tail call of a program that owns an argument",
        "program with __ref argument cannot tail call",
        "What the program owns would be lost.";
    "E1632" EINVAL SyscallSleeps = "syscall program that is not sleepable",
        "Syscall programs can only be sleepable",
        "Load the program as sleepable; loaders do that by themselves for the section `syscall`.";
    "E1701" EACCES PrivateStack { subprog: usize, bytes: u32 } = "stack of a function",
        "stack size of subprog {subprog} is {bytes}. Too large",
        "A function with a stack of its own has 512 bytes of it.";
    "E1702" EINVAL FieldOffsetVariable { reg: u8, name: &'static str } = "field at a variable offset",
        "R{reg} doesn't have constant offset. {name} has to be at the constant offset",
        "Which field is meant must be known when the program is judged.";
    "E1703" EINVAL FieldMapUntyped { map: String, name: &'static str } = "field in a map without types",
        "map '{map}' has to have BTF in order to use {name}",
        "The kernel finds such fields by the type of the map's values, and this map was made without it.";
    "E1704" EINVAL FieldMissing { map: String, name: &'static str } = "no such field here",
        "map '{map}' has no valid {name}",
        "The type of the map's values has no field of this kind, or more than one.";
    "E1705" EINVAL FieldOffset { off: i64, name: &'static str, at: u32 } = "not the field",
        "off {off} doesn't point to 'struct {name}' that is at {at}",
        "The pointer does not lead to the field of the value.";
    "E1706" EINVAL TimerMap { timer: u32, map: u32 } = "timer of another map",
        "timer pointer in R1 map_uid={timer} doesn't match map pointer in R2 map_uid={map}",
        "A timer is made with the map that it lies in.";
    "E1708" EINVAL FormatString = "format",
        "Invalid format string",
        "A conversion is none that the kernel knows, or there are more conversions than values. Flags and widths \
        go before d, i, u, x, X with up to two l, c, s, p, px, ps, pS, pK, pB, pks, pus, pi4, pI4, pi6, pI6.";
    "E1709" EINVAL FormatValues = "values of a format",
        "",
        "The values are an array of 8 bytes each, and their size is no multiple of that.";
    "E1710" EEXIST ExceptionCallbacks = "several exception callbacks",
        "multiple exception callback tags for main subprog",
        "A program has at most one exception callback.";
    "E1711" ENOENT ExceptionCallbackMissing { name: String } = "exception callback that does not exist",
        "exception callback '{name}' could not be found in BTF",
        "The tag on the program names a function that it does not have.";
    "E1712" EINVAL ExceptionCallbackLocal { name: String } = "exception callback is static",
        "exception callback '{name}' must have global linkage",
        "Exception callbacks are global functions.";
    "E1713" EINVAL ExceptionCallbackNoFunc = "exception callback without code",
        "exception callback type id not found in func_info",
        "Nothing says where the exception callback begins.";
    "E1714" EINVAL ExceptionCallbackMain = "exception callback is the program",
        "invalid exception callback insn_off in func_info: 0",
        "The program cannot be its own exception callback.";
    "E1715" EINVAL ExceptionCallbackArgs = "arguments of an exception callback",
        "exception cb only supports single integer argument",
        "An exception callback takes the value that was thrown, and nothing else.";
    "E1716" EINVAL ExceptionCall { insn: usize } = "exception callback called",
        "insn {insn} cannot call exception cb directly",
        "Exception callbacks are only called when an exception is thrown.";
    "E1717" EINVAL ThrowInCallback { insn: usize, subprog: usize } = "exception in a callback",
        "bpf_throw kfunc (insn {insn}) cannot be called from callback subprog {subprog}",
        "Callbacks are called by the kernel, through which an exception cannot unwind.";
    "E1718" EINVAL TailCallInException = "tail call in an exception callback",
        "cannot tail call within exception cb",
        "An exception callback ends the program and cannot go on with another.";
    "E1719" EINVAL WorkNotValue { n: usize } = "work outside a map",
        "arg#{n} doesn't point to a map value",
        "Work queues and task work lie in values of maps.";
    "E1720" EINVAL WorkMap { what: &'static str, uid: u32, with: u32, map: u32 } = "work of another map",
        "{what} map_uid={uid} doesn't match map pointer in R{with} map_uid={map}",
        "The work is given with the map that it lies in.";
    "E1721" EINVAL CallbackFailed { name: String, id: u32, errno: Errno } = "callback of a kernel function",
        "kfunc {name}#{id} failed callback verification",
        "The function that is to be called back cannot be.";
    "E1722" EINVAL CastWithoutArena = "cast without an arena",
        "addr_space_cast insn can only be used in a program that has an associated arena",
        "The program names no arena.";
    "E1723" EBUSY SecondArena = "second arena",
        "Only one arena per program",
        "A program uses at most one arena.";
    "E1725" EACCES StringVariable { reg: u8 } = "string at a variable offset",
        "R{reg} is not a constant address'",
        "Which string is meant must be known when the program is judged.";
    "E1730" EINVAL GlobalParams { name: String, count: usize } = "parameters of a global function",
        "Global function {name}() with {count} > 5 args. Buggy compiler.",
        "Functions take at most five arguments.";
    "E1731" EINVAL GlobalParam { n: usize, kind: &'static str, name: String } = "parameter of a global function",
        "Arg#{n} type {kind} in {name}() is not supported yet.",
        "Parameters of global functions are numbers and pointers.";
    "E1732" EINVAL TagNoPointer { n: usize } = "tag on a number",
        "arg#{n} has pointer tag, but is not a pointer type",
        "Tags say what a pointer is.";
    "E1733" EINVAL TagCombination { n: usize } = "tags on a parameter",
        "arg#{n} has invalid combination of tags",
        "These tags contradict each other, or do not go with the type of the parameter.";
    "E1734" EOPNOTSUPP TagUnknown { n: usize } = "tag on a parameter",
        "arg#{n} has unsupported set of tags",
        "This kernel does not know the tag.";
    "E1735" EINVAL TagAlone { n: usize, tag: &'static str } = "tags on a parameter",
        "arg#{n} {tag} cannot be combined with any other tags",
        "This tag stands alone.";
    "E1736" EINVAL ParamSize { n: usize, what: String } = "pointer to something of unknown size",
        "arg#{n} reference type('{what}') size cannot be determined: -22",
        "A global function is judged with memory of the parameter's size. Define the structure, or pass a \
        number.";
    "E1737" EINVAL UntrustedType { n: usize, kind: &'static str, name: String } = "type of an untrusted parameter",
        "arg#{n} has type {kind} '{name}', but only struct or primitive types are allowed",
        "Untrusted parameters point to structures of the kernel, numbers, or nothing in particular.";
    "E1738" ENOENT ParamNoMatch { n: usize, what: String } = "kernel type that does not exist",
        "arg#{n} reference type('{what}') has no matches",
        "The kernel has no structure of this name.";
    "E1739" ESRCH ParamAmbiguous { n: usize, what: String } = "several kernel types",
        "arg#{n} reference type('{what}') is ambiguous",
        "The kernel has several structures of this name.";
    "E1740" EOPNOTSUPP ParamOfModule { n: usize, what: String } = "kernel type of a module",
        "arg#{n} reference type('{what}') points to kernel module type (unsupported)",
        "Only structures of the kernel itself can be passed.";
    "E1741" EINVAL CtxUnnamed { n: usize } = "type of the context",
        "arg#{n} type doesn't have a name",
        "The context is declared as a pointer to its structure, or to void.";
    "E1742" EINVAL CtxVoid { n: usize } = "type of the context",
        "arg#{n} should be void pointer",
        "Programs of this type have no structure for their context.";
    "E1743" EINVAL CtxStruct { n: usize, name: &'static str } = "type of the context",
        "arg#{n} should be `struct {name} *`",
        "The context is declared as a pointer to its structure, or to void.";
    "E1744" EINVAL GlobalNotScalar { reg: u8 } = "argument of a global function",
        "R{reg} is not a scalar",
        "The function takes a number here.";
    "E1745" EINVAL GlobalNotCtx { n: usize } = "argument of a global function",
        "arg#{n} expects pointer to ctx",
        "The function takes the program's context here.";
    "E1746" EINVAL GlobalMaybeNull { n: usize } = "argument of a global function",
        "arg#{n} is expected to be non-NULL",
        "The function does not take null here. Compare the pointer with null first.";
    "E1747" EINVAL GlobalNotArena { reg: u8 } = "argument of a global function",
        "R{reg} is not a pointer to arena or scalar.",
        "The function takes an address in an arena here.";
    "E1748" EACCES GlobalObject { reg: u8, ty: String, expected: String } = "argument of a global function",
        "R{reg} is of type {ty} but {expected} is expected",
        "The function takes another object of the kernel here.";
    "E1801" EINVAL LockOffsetVariable { reg: u8, lock: &'static str } = "lock at a variable offset",
        "R{reg} doesn't have constant offset. {lock}_lock has to be at the constant offset",
        "Which lock is meant must be known when the program is judged.";
    "E1802" EINVAL LockMapUntyped { map: String, lock: &'static str } = "lock in a map without types",
        "map '{map}' has to have BTF in order to use {lock}_lock",
        "The kernel finds locks by the type of the map's values, and this map was made without it.";
    "E1803" EINVAL LockMissing { what: &'static str, name: String, lock: &'static str } = "no lock here",
        "{what} '{name}' has no valid {lock}_lock",
        "The type of the value has no lock of this kind, or more than one.";
    "E1804" EINVAL LockOffset { off: i64, lock: &'static str, at: u32 } = "not the lock",
        "off {off} doesn't point to 'struct {lock}_lock' that is at {at}",
        "The pointer does not lead to the lock of the value.";
    "E1805" EINVAL LockAgain = "lock taken twice",
        "Acquiring the same lock again, AA deadlock detected",
        "The program holds this lock already and would wait for itself.";
    "E1806" EINVAL UnlockNothing { lock: &'static str } = "no lock held",
        "{lock}_unlock without taking a lock",
        "On this path no lock is held.";
    "E1807" EINVAL UnlockOther { lock: &'static str } = "another lock held",
        "{lock}_unlock of different lock",
        "The lock that is held is another one. Two lookups of the same key give different values, as far \
        as the verifier knows.";
    "E1808" EINVAL UnlockOrder { lock: &'static str } = "locks out of order",
        "{lock}_unlock cannot be out of order",
        "Locks are given back in the opposite order in which they were taken.";
    "E1809" EINVAL CallUnderLock = "call with a lock held",
        "function calls are not allowed while holding a lock",
        "While a lock is held only its release, static functions and a few kfuncs on lists and trees may be \
        called.";
    "E1810" EINVAL GlobalUnderLock = "global function called with a lock held",
        "global function calls are not allowed while holding a lock,\nuse static function instead",
        "A global function is judged on its own and may do what is not allowed under a lock. Make it static.";
    "E1811" EINVAL LeftInSection { what: &'static str, section: &'static str } = "end with something held",
        "{what} cannot be used inside {section}-ed region",
        "The program can end here, and what was entered was not left on this path.";
    "E1812" EINVAL LockNotValue { n: usize } = "lock outside a value or object",
        "arg#{n} doesn't point to map value or allocated object",
        "Locks lie in values of maps and in objects that programs allocate.";
    "E1813" EACCES LockInLess = "lock while a tree compares",
        "can't spin_{{lock,unlock}} in rbtree cb",
        "The tree is locked while its nodes are compared.";
    "E1814" EACCES RcuInLess = "RCU section while a tree compares",
        "Calling bpf_rcu_read_{{lock,unlock}} in unnecessary rbtree callback",
        "The tree is locked while its nodes are compared.";
    "E1815" EINVAL RcuNested { name: String } = "RCU section in another",
        "nested rcu read lock (kernel function {name})",
        "RCU sections do not nest.";
    "E1816" EINVAL RcuUnmatched { name: String } = "no RCU section to leave",
        "unmatched rcu read unlock (kernel function {name})",
        "On this path no RCU section was entered.";
    "E1817" EACCES SleepsIn { name: String, section: &'static str } = "kernel function that may sleep in a section",
        "kernel func {name} is sleepable within {section} region",
        "Nothing may sleep before the section is left.";
    "E1818" EINVAL PreemptUnmatched { name: String } = "preemption is not off",
        "unmatched attempt to enable preemption (kernel function {name})",
        "On this path preemption was not switched off.";
    "E1819" EINVAL HelperSleepsIn { name: String, id: i32, section: &'static str } = "helper that may sleep in a section",
        "sleepable helper {name}#{id} in {section} region",
        "Nothing may sleep before the section is left.";
    "E1820" EINVAL IrqNotStack { n: usize } = "interrupts' state not on the stack",
        "arg#{n} doesn't point to an irq flag on stack",
        "The interrupts' state is kept in a variable of the program.";
    "E1821" EINVAL IrqInUse { n: usize } = "interrupts' state in use",
        "expected uninitialized irq flag as arg#{n}",
        "The variable holds a state that was not given back.";
    "E1822" EINVAL IrqNotSaved { n: usize } = "no interrupts' state",
        "expected an initialized irq flag as arg#{n}",
        "The variable holds no state that was saved.";
    "E1823" EINVAL IrqKind { saved: &'static str, by: &'static str } = "interrupts' state of another kind",
        "irq flag acquired by {saved} kfuncs cannot be restored with {by} kfuncs",
        "What a lock saved is given back with that lock.";
    "E1824" EACCES IrqOrder { id: u32, insn: u32 } = "interrupts' states out of order",
        "cannot restore irq state out of order, expected id={id} acquired at insn_idx={insn}",
        "States are given back in the opposite order in which they were saved.";
    "E1901" EACCES ObjectField { name: &'static str } = "special field of an object touched",
        "direct access to {name} is disallowed",
        "Only helpers and kernel functions may touch this field.";
    "E1902" EINVAL ObjectFor { n: usize, name: &'static str } = "object of another kind",
        "arg#{n} expected for {name}()",
        "Objects that each processor has are given up with bpf_percpu_obj_drop(), others with bpf_obj_drop().";
    "E1903" EINVAL NotObject { n: usize } = "no allocated object",
        "arg#{n} expected pointer to allocated object",
        "The argument is an object that the program allocated and still owns.";
    "E1904" EINVAL ObjectNotOwned = "object not owned",
        "allocated object must be referenced",
        "The object belongs to something else by now.";
    "E1905" EINVAL NotShared { n: usize } = "no object",
        "arg#{n} is neither owning or non-owning ref",
        "The argument is an object that the program allocated.";
    "E1906" EINVAL NoRefcount { n: usize } = "object with one owner",
        "arg#{n} doesn't point to a type with bpf_refcount field",
        "Only objects with a bpf_refcount may have several owners.";
    "E1907" EINVAL ObjectTypeRange = "type of an object",
        "local type ID argument must be in range [0, U32_MAX]",
        "The argument is the number of a type of the program's.";
    "E1908" EINVAL ObjectNoTypes = "object without types",
        "bpf_obj_new/bpf_percpu_obj_new requires prog BTF",
        "Load the program with its types.";
    "E1909" EINVAL ObjectNoStruct = "object that is no structure",
        "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct",
        "Objects are structures of the program's.";
    "E1910" EINVAL PercpuSize { size: u32, limit: u32 } = "large object for each processor",
        "bpf_percpu_obj_new type size ({size}) is greater than {limit}",
        "Objects that each processor has are small.";
    "E1911" EINVAL PercpuNotNumbers = "object for each processor with pointers",
        "bpf_percpu_obj_new type ID argument must be of a struct of scalars",
        "Objects that each processor has hold numbers only.";
    "E1912" EINVAL PercpuFields = "object for each processor with special fields",
        "bpf_percpu_obj_new type ID argument must not contain special fields",
        "Objects that each processor has hold numbers only.";
    "E1913" EINVAL NotValueOrObject { n: usize } = "no place of a list or tree",
        "arg#{n} expected pointer to map value or allocated object",
        "Lists and trees lie in values of maps and in objects that programs allocate.";
    "E1914" EINVAL FieldNotAt { name: &'static str, off: u32 } = "no such field there",
        "{name} not found at offset={off}",
        "The pointer does not lead to a field of this kind.";
    "E1915" EINVAL RootNotLocked { off: i32, name: &'static str } = "list or tree not locked",
        "bpf_spin_lock at off={off} must be held for {name}",
        "Lists and trees are only touched while the lock beside them is held.";
    "E1916" EINVAL NodeNotHeld { name: String } = "node not held",
        "{name} can only take non-owning or refcounted bpf_rb_node pointer",
        "The argument is a node of the tree, lent to the program or held by it.";
    "E1917" EINVAL NotInLess { name: String } = "tree changed while it compares",
        "{name} not allowed in rbtree cb",
        "The tree is locked while its nodes are compared.";
    "E1918" EINVAL NodeOfOther { root: &'static str, node: &'static str, at: u32, expected: String, off: u32, has: String } = "node of another structure",
        "operation on {root} expects arg#1 {node} at offset={at} in struct {expected}, but arg is at offset={off} in struct {has}",
        "The list or tree is made of other objects.";
    "E1919" EINVAL OtherNode { off: u32, node: &'static str, at: u32, expected: String } = "another node of the structure",
        "arg#1 offset={off}, but expected {node} at offset={at} in struct {expected}",
        "The list or tree goes through another node of these objects.";
    "E1920" EACCES KptrByHelper { name: &'static str } = "kernel pointer given to a helper",
        "{name} cannot be accessed indirectly by helper",
        "Helpers may not read or write pointers that a value holds.";
    "E1921" EACCES KptrVariable { name: &'static str } = "kernel pointer at a variable offset",
        "{name} access cannot have variable offset",
        "Which pointer is meant must be known when the program is judged.";
    "E1922" EACCES KptrMisaligned { name: &'static str, expected: u32, off: i64 } = "part of a kernel pointer",
        "{name} access misaligned expected={expected} off={off}",
        "Pointers that a value holds are read and written whole.";
    "E1923" EACCES KptrSize { name: &'static str } = "part of a kernel pointer",
        "{name} access size must be BPF_DW",
        "Pointers that a value holds are read and written whole.";
    "E1924" EACCES KptrMode = "kernel pointer changed atomically",
        "kptr in map can only be accessed using BPF_MEM instruction mode",
        "Pointers that a value holds are only loaded and stored.";
    "E1925" EACCES KptrHeldStore = "held kernel pointer stored",
        "store to referenced kptr disallowed",
        "What is to be held is exchanged with bpf_kptr_xchg().";
    "E1926" EACCES UptrStore = "user pointer stored",
        "store to uptr disallowed",
        "User space sets this pointer.";
    "E1927" EACCES KptrImmediate { off: u32 } = "number stored as a kernel pointer",
        "BPF_ST imm must be 0 when storing to kptr at off={off}",
        "A pointer that a value holds is set to a pointer or to null.";
    "E1928" EACCES KptrType { reg: u8, ty: Box<str>, has: Box<str>, wants: Box<str>, or: Box<str> } = "kernel pointer of another type",
        "invalid kptr access, R{reg} type={ty}{has} expected=ptr_{wants}{or}",
        "The field holds pointers to another structure, or this pointer is not one that can be held.";
    "E1929" EINVAL KptrNone { reg: u8 } = "no kernel pointer here",
        "R{reg} has no valid kptr",
        "The type of the value has no pointers to kernel objects.";
    "E1930" EACCES KptrNotAt { off: i32 } = "no kernel pointer there",
        "off={off} doesn't point to kptr",
        "The pointer does not lead to a field that holds one.";
    "E1931" EACCES KptrNotHeld { off: i32 } = "kernel pointer that is not held",
        "off={off} kptr isn't referenced kptr",
        "Only pointers to what is held are exchanged.";
    "E2001" EINVAL SpinUnlockMissing = "end with a lock held",
        "bpf_spin_unlock is missing",
        "The program can end here, and a lock is still held on this path.";
    "E2002" EINVAL RcuUnlockMissing = "end in an RCU section",
        "bpf_rcu_read_unlock is missing",
        "The program can end here, and RCU's section was not left on this path.";
    "E2003" EINVAL PreemptEnableMissing { count: u32, verb: &'static str } = "end with preemption off",
        "{count} bpf_preempt_enable{verb} missing",
        "The program can end here, and preemption was not enabled again on this path.";
    "E2004" EINVAL Unreleased { id: u32, insn: u32 } = "reference leak",
        "Unreleased reference id={id} alloc_insn={insn}",
        "A reference that was acquired is not released on this path. Before 6.14 a callback has to release \
        what it acquired itself.";
    "E2005" EINVAL LoadWithReference = "packet load with a reference held",
        "BPF_LD_[ABS|IND] cannot be mixed with socket references",
        "The load ends the program where the packet is too short, and the reference would be lost.";
    "E2006" EINVAL LdAbsInCallback = "packet load in a callback",
        "cannot use BPF_LD_[ABS|IND] within callback",
        "The load ends the function where the packet is too short, which a callback must not.";
    "E2007" EINVAL CallbackIsProgram = "the program as a callback",
        "callback function cannot be the main program",
        "Only functions other than the program itself can be called back.";
    "E2008" EINVAL GlobalUnderPreempt = "global function called with preemption off",
        "global function calls are not allowed with preemption disabled,\nuse static function instead",
        "Before 6.15 a global function may sleep for all that its caller knows. Make it static.";
    "E2009" EINVAL CastNotStruct = "cast to this type",
        "kfunc bpf_rdonly_cast type ID argument must be of a struct",
        "Before 6.17 casts go to structures of the kernel only.";
    "E2010" EINVAL NodeNotLent = "node not lent",
        "rbtree_remove node input must be non-owning ref",
        "The argument is a node of the tree, lent to the program. Before 6.16 one that the program holds is refused.";
}

impl Finding {
    /// Whether the kernel ends the line after its words.
    pub(crate) fn ends_line(&self) -> bool {
        !matches!(
            self,
            Finding::TailCallMap
                | Finding::ExceptionCall { .. }
                | Finding::FirstFuncInfo { .. }
                | Finding::FuncInfoOrder { .. }
                | Finding::FuncInfoType { .. }
        )
    }

    /// The error number that bpf(2) returns. With some findings it is that of what was found before.
    pub fn errno(&self) -> Errno {
        match self {
            Finding::TooManyBranches { errno, .. }
            | Finding::GlobalArgs { errno, .. }
            | Finding::KfuncMemory { errno, .. }
            | Finding::CallbackFailed { errno, .. }
            | Finding::OutsidePacket { errno, .. }
            | Finding::DirectValueRange { errno, .. }
            | Finding::UnsupportedMember { errno, .. } => *errno,
            // A number that is no descriptor at all.
            Finding::NoMap { fd: ..0 } => Errno::EBADF,
            other => other.entry().errno,
        }
    }

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
