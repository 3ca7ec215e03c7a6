//! Lowered operations: one flat code for each operation, width and kind of second operand.
//!
//! The meaning of arithmetic, conditions and atomics stays with the table of `isa`; here it only
//! gets one code for each form, so that the interpreter decides everything with one jump.

use oxbpf_isa::insn::{AluOp, Cond, Width};

/// Gives a macro the rows of all arithmetic and all conditions:
/// `Operation: 64-bit register form, 64-bit immediate, 32-bit register, 32-bit immediate`.
macro_rules! for_each_form {
    ($m:ident) => {
        $m! {
            alu {
                Add: Add64R, Add64I, Add32R, Add32I;
                Sub: Sub64R, Sub64I, Sub32R, Sub32I;
                Mul: Mul64R, Mul64I, Mul32R, Mul32I;
                Div: Div64R, Div64I, Div32R, Div32I;
                Sdiv: Sdiv64R, Sdiv64I, Sdiv32R, Sdiv32I;
                Or: Or64R, Or64I, Or32R, Or32I;
                And: And64R, And64I, And32R, And32I;
                Lsh: Lsh64R, Lsh64I, Lsh32R, Lsh32I;
                Rsh: Rsh64R, Rsh64I, Rsh32R, Rsh32I;
                Mod: Mod64R, Mod64I, Mod32R, Mod32I;
                Smod: Smod64R, Smod64I, Smod32R, Smod32I;
                Xor: Xor64R, Xor64I, Xor32R, Xor32I;
                Arsh: Arsh64R, Arsh64I, Arsh32R, Arsh32I;
            }
            jump {
                Eq: Jeq64R, Jeq64I, Jeq32R, Jeq32I;
                Gt: Jgt64R, Jgt64I, Jgt32R, Jgt32I;
                Ge: Jge64R, Jge64I, Jge32R, Jge32I;
                Set: Jset64R, Jset64I, Jset32R, Jset32I;
                Ne: Jne64R, Jne64I, Jne32R, Jne32I;
                Sgt: Jsgt64R, Jsgt64I, Jsgt32R, Jsgt32I;
                Sge: Jsge64R, Jsge64I, Jsge32R, Jsge32I;
                Lt: Jlt64R, Jlt64I, Jlt32R, Jlt32I;
                Le: Jle64R, Jle64I, Jle32R, Jle32I;
                Slt: Jslt64R, Jslt64I, Jslt32R, Jslt32I;
                Sle: Jsle64R, Jsle64I, Jsle32R, Jsle32I;
            }
        }
    };
}

macro_rules! define_codes {
    (alu { $($alu:ident: $a64r:ident, $a64i:ident, $a32r:ident, $a32i:ident;)+ }
     jump { $($cond:ident: $j64r:ident, $j64i:ident, $j32r:ident, $j32i:ident;)+ }) => {
        /// What an [`Op`] does. Names of memory operations give the width in bits; `S` marks
        /// sign extension, `F` the current stack frame.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Code {
            $($a64r, $a64i, $a32r, $a32i,)+
            $($j64r, $j64i, $j32r, $j32i,)+
            Neg64, Neg32,
            Mov64R, Mov32R,
            /// `dst = imm`, for every immediate already widened.
            MovI,
            /// `dst = address of the context, of a map value …`, likewise; kept apart for tools.
            Addr,
            Movsx64B, Movsx64H, Movsx64W, Movsx32B, Movsx32H,
            Trunc16, Trunc32, Swap16, Swap32, Swap64, Nop,
            Ld8, Ld16, Ld32, Ld64, LdS8, LdS16, LdS32,
            St8R, St16R, St32R, St64R, St8I, St16I, St32I, St64I,
            LdF8, LdF16, LdF32, LdF64, LdFS8, LdFS16, LdFS32,
            StF8R, StF16R, StF32R, StF64R, StF8I, StF16I, StF32I, StF64I,
            LdAcq, StRel, Atomic,
            /// A packet load at the immediate, or at register plus immediate.
            PktAbs, PktInd,
            Ja, MayGoto,
            /// Calls the subprogram at the offset.
            CallSub,
            /// Calls function `imm` of the table of linked helpers.
            CallHelper,
            CallReg,
            /// Throws away the current program (helper 12).
            TailCall,
            /// Shows the machine, before the instruction in slot `imm`.
            Observe,
            /// Something that traps when it is reached, by index.
            Trap,
            Exit,
        }

        /// The code of an arithmetic operation.
        pub(crate) fn alu_code(op: AluOp, width: Width, register: bool) -> Code {
            match (op, width, register) {
                $((AluOp::$alu, Width::W64, true) => Code::$a64r,
                  (AluOp::$alu, Width::W64, false) => Code::$a64i,
                  (AluOp::$alu, Width::W32, true) => Code::$a32r,
                  (AluOp::$alu, Width::W32, false) => Code::$a32i,)+
            }
        }

        /// The operation, width and kind of second operand of a code.
        pub(crate) fn form(code: Code) -> Form {
            match code {
                $(Code::$a64r => Form::Alu(AluOp::$alu, Width::W64, true),
                  Code::$a64i => Form::Alu(AluOp::$alu, Width::W64, false),
                  Code::$a32r => Form::Alu(AluOp::$alu, Width::W32, true),
                  Code::$a32i => Form::Alu(AluOp::$alu, Width::W32, false),)+
                $(Code::$j64r => Form::Jump(Cond::$cond, Width::W64, true),
                  Code::$j64i => Form::Jump(Cond::$cond, Width::W64, false),
                  Code::$j32r => Form::Jump(Cond::$cond, Width::W32, true),
                  Code::$j32i => Form::Jump(Cond::$cond, Width::W32, false),)+
                _ => Form::Other,
            }
        }

        /// The code of a conditional jump.
        pub(crate) fn jump_code(cond: Cond, width: Width, register: bool) -> Code {
            match (cond, width, register) {
                $((Cond::$cond, Width::W64, true) => Code::$j64r,
                  (Cond::$cond, Width::W64, false) => Code::$j64i,
                  (Cond::$cond, Width::W32, true) => Code::$j32r,
                  (Cond::$cond, Width::W32, false) => Code::$j32i,)+
            }
        }
    };
}
for_each_form!(define_codes);

/// What a code is one form of; the reverse of [`alu_code`] and [`jump_code`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Alu(AluOp, Width, bool),
    Jump(Cond, Width, bool),
    Other,
}

/// One lowered operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Op {
    pub code: Code,
    /// The register written, or the first operand; the base of a store.
    pub dst: u8,
    /// The second operand; the base of a load.
    pub src: u8,
    /// What the code needs besides: the size of an access, the kind of an atomic operation.
    pub aux: u8,
    /// The displacement of a memory access, or how many operations a jump goes from the next.
    pub off: i32,
    /// The immediate, sign-extended where the operation is 64 bits wide.
    pub imm: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_two_words() {
        assert_eq!(size_of::<Op>(), 16);
    }
}
