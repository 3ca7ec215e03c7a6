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
    "E0301" EINVAL InvalidHelper { name: String, id: i32 } = "unknown helper",
        "invalid func {name}#{id}",
        "The kernel has no helper with this number. A declaration that was never resolved calls \
        number -1 or a relocation poison.";
    "E0302" EINVAL HelperNotForProgram { name: &'static str, id: i32 } = "helper not for this program type",
        "program of this type cannot use helper {name}#{id}",
        "The kernel has the helper, but not for programs of this type or attach point.";
    "E0303" EINVAL HelperNeedsGpl = "helper needs a GPL-compatible licence",
        "cannot call GPL-restricted function from non-GPL compatible program",
        "Set the licence section to a GPL-compatible licence, such as \"GPL\" or \"Dual MIT/GPL\".";
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
