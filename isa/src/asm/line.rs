//! One line: a cursor over its tokens with the pieces that every dialect shares.

use super::error::{AsmError, Expected};
use super::lexer::{Kind, Token, tokens};
use super::{Syntax, clike, ubpf};
use crate::disasm::is_helper;
use crate::insn::{ByteOrder, Callee, Imm64, Insn, RawInsn, Reg, Width};
use alloc::string::String;
use alloc::vec::Vec;

/// A jump's target that is not yet known.
pub(super) struct Label {
    pub name: String,
    pub line: u32,
    pub column: u32,
    /// Stands after `call`, where the names of helpers may stand too.
    pub called: bool,
}

/// What a line gives.
pub(super) enum Parsed {
    Raw(RawInsn),
    Insn { insn: Insn, label: Option<Label> },
}

impl From<Insn> for Parsed {
    fn from(insn: Insn) -> Self {
        Parsed::Insn { insn, label: None }
    }
}

pub(super) type Result<T> = core::result::Result<T, AsmError>;

pub(super) struct Line<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    number: u32,
    end: u32,
}

impl<'a> Line<'a> {
    pub fn new(text: &'a str, number: u32) -> Result<Line<'a>> {
        Ok(Line { tokens: tokens(text, number)?, at: 0, number, end: text.chars().count() as u32 + 1 })
    }

    pub fn is_empty(&self) -> bool {
        self.at == self.tokens.len()
    }

    pub fn peek(&self) -> Option<Kind<'a>> {
        self.tokens.get(self.at).map(|t| t.kind)
    }

    fn peek_at(&self, ahead: usize) -> Option<Kind<'a>> {
        self.tokens.get(self.at + ahead).map(|t| t.kind)
    }

    fn column(&self) -> u32 {
        self.tokens.get(self.at).map_or(self.end, |t| t.column)
    }

    /// A fault at the next token.
    pub fn error(&self, expected: Expected) -> AsmError {
        AsmError { line: self.number, column: self.column(), expected }
    }

    /// A fault of the line as a whole.
    pub fn error_at_start(&self, expected: Expected) -> AsmError {
        AsmError { line: self.number, column: self.tokens.first().map_or(1, |t| t.column), expected }
    }

    pub fn next(&mut self) -> Option<Kind<'a>> {
        let kind = self.peek()?;
        self.at += 1;
        Some(kind)
    }

    /// Takes a sign or word if it is next.
    pub fn eat(&mut self, text: &str) -> bool {
        let found = matches!(self.peek(), Some(Kind::Sign(s) | Kind::Word(s)) if s == text);
        self.at += found as usize;
        found
    }

    pub fn expect(&mut self, text: &'static str) -> Result<()> {
        match self.eat(text) {
            true => Ok(()),
            false => Err(self.error(Expected::Exactly(text))),
        }
    }

    pub fn word(&mut self, expected: Expected) -> Result<&'a str> {
        match self.peek() {
            Some(Kind::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.error(expected)),
        }
    }

    pub fn finish(&self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(self.error(Expected::End)) }
    }

    /// Takes a label if one is next. A number before a colon is a slot number and means nothing.
    pub fn label(&mut self) -> Option<&'a str> {
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(Kind::Word(name)), Some(Kind::Sign(":"))) => {
                    self.at += 2;
                    return Some(name);
                }
                (Some(Kind::Number(..)), Some(Kind::Sign(":"))) => self.at += 2,
                _ => return None,
            }
        }
    }

    /// The opcode in parentheses that the kernel prints, if one is next.
    fn opcode(&mut self) -> Option<u8> {
        let text = match (self.peek(), self.peek_at(1), self.peek_at(2)) {
            (
                Some(Kind::Sign("(")),
                Some(Kind::Number(_, text) | Kind::Word(text)),
                Some(Kind::Sign(")")),
            ) => text,
            _ => return None,
        };
        let code = u8::from_str_radix(text, 16).ok().filter(|_| text.len() == 2)?;
        self.at += 3;
        Some(code)
    }

    /// The instruction of the line, which is not empty.
    pub fn instruction(&mut self, syntax: Syntax) -> Result<Parsed> {
        if self.eat(".bytes") {
            return self.bytes().map(Parsed::Raw);
        }
        let start = self.at;
        let opcode = self.opcode();
        let is_ubpf = match syntax {
            Syntax::Ubpf => true,
            Syntax::Kernel | Syntax::Llvm => false,
            Syntax::Any => ubpf::begins(self),
        };
        let parsed = if is_ubpf { ubpf::parse(self)? } else { clike::parse(self, opcode)? };
        self.finish()?;
        if let (Some(code), Parsed::Insn { insn, .. }) = (opcode, &parsed)
            && insn.encode().0.code != code
        {
            self.at = start;
            return Err(self.error(Expected::SameOpcode));
        }
        Ok(parsed)
    }

    fn bytes(&mut self) -> Result<RawInsn> {
        let mut bytes = [0; 8];
        for b in &mut bytes {
            let text = match self.peek() {
                Some(Kind::Number(_, text) | Kind::Word(text)) => text,
                _ => return Err(self.error(Expected::Bytes)),
            };
            *b = u8::from_str_radix(text, 16).map_err(|_| self.error(Expected::Bytes))?;
            self.at += 1;
        }
        self.finish()?;
        Ok(RawInsn::from_bytes(bytes, ByteOrder::Little))
    }

    /// A number with an optional sign, of up to 64 bits either way.
    pub fn number(&mut self) -> Result<i128> {
        let column = self.at;
        let negative = if self.eat("-") {
            true
        } else {
            self.eat("+");
            false
        };
        match self.next() {
            Some(Kind::Number(value, text)) if is_number(text) => {
                Ok(if negative { -(value as i128) } else { value as i128 })
            }
            _ => {
                self.at = column;
                Err(self.error(Expected::Number))
            }
        }
    }

    /// A number of a field of so many bits, signed or unsigned.
    fn ranged(&mut self, bits: u32) -> Result<i128> {
        let start = self.at;
        let value = self.number()?;
        if value < -(1i128 << (bits - 1)) || value >= 1i128 << bits {
            self.at = start;
            return Err(self.error(Expected::NumberInRange));
        }
        Ok(value)
    }

    pub fn imm32(&mut self) -> Result<i32> {
        self.ranged(32).map(|v| v as i32)
    }

    pub fn imm64(&mut self) -> Result<u64> {
        self.ranged(64).map(|v| v as u64)
    }

    pub fn off16(&mut self) -> Result<i16> {
        let start = self.at;
        let value = self.number()?;
        i16::try_from(value).map_err(|_| {
            self.at = start;
            self.error(Expected::NumberInRange)
        })
    }

    pub fn imm16(&mut self) -> Result<u16> {
        self.ranged(16).map(|v| v as u16)
    }

    /// A register of either width.
    pub fn register(&mut self) -> Result<(Width, Reg)> {
        let start = self.at;
        self.eat("%");
        let parsed = self.word(Expected::Register).ok().and_then(register);
        parsed.ok_or_else(|| {
            self.at = start;
            self.error(Expected::Register)
        })
    }

    /// A 64-bit register.
    pub fn reg64(&mut self) -> Result<Reg> {
        let start = self.at;
        match self.register()? {
            (Width::W64, reg) => Ok(reg),
            _ => {
                self.at = start;
                Err(self.error(Expected::SameWidth))
            }
        }
    }

    pub fn next_is_register(&self) -> bool {
        match (self.peek(), self.peek_at(1)) {
            (Some(Kind::Word(w)), _) => register(w).is_some(),
            (Some(Kind::Sign("%")), Some(Kind::Word(w))) => register(w).is_some(),
            _ => false,
        }
    }

    /// Whether the next two tokens are a sign and a number.
    pub fn next_is_number_after_sign(&self) -> bool {
        matches!(self.peek_at(1), Some(Kind::Number(..)))
    }

    /// Whether the last token is this word.
    pub fn ends_with_word(&self, word: &str) -> bool {
        matches!(self.tokens.last(), Some(Token { kind: Kind::Word(w), .. }) if *w == word)
    }

    /// Whether a line whose first word exists in every dialect goes on as in ubpf's: `lock add`
    /// and not `lock *`. Both read the others alike.
    pub fn second_is_ubpf(&self) -> bool {
        !matches!(self.peek_at(1), Some(Kind::Sign("*")))
    }

    /// Where a jump goes: `+3`, `-0x2`, `pc+3` or a label, and after it a symbol in angle brackets
    /// that means nothing.
    pub fn target(&mut self) -> Result<(i32, Option<Label>)> {
        let is_pc = self.eat("pc");
        let result = match self.peek() {
            Some(Kind::Sign("+" | "-")) => (self.imm32()?, None),
            Some(Kind::Word(name)) if !is_pc => {
                let (line, column) = (self.number, self.column());
                let label = Label { name: name.into(), line, column, called: false };
                self.at += 1;
                (0, Some(label))
            }
            _ => return Err(self.error(Expected::Target)),
        };
        if self.eat("<") {
            while !self.eat(">") {
                if self.next().is_none() {
                    return Err(self.error(Expected::Exactly(">")));
                }
            }
        }
        Ok(result)
    }

    pub fn target16(&mut self) -> Result<(i16, Option<Label>)> {
        let start = self.at;
        let (off, label) = self.target()?;
        let off = i16::try_from(off).map_err(|_| {
            self.at = start;
            self.error(Expected::NumberInRange)
        })?;
        Ok((off, label))
    }

    /// What a 64-bit immediate load gives, other than a number: `map[fd:3]`, `func[pc+5]`.
    pub fn special_imm64(&mut self) -> Result<Option<(Imm64, Option<Label>)>> {
        let (Some(Kind::Word(word @ ("map" | "btf" | "func"))), Some(Kind::Sign("["))) =
            (self.peek(), self.peek_at(1))
        else {
            return Ok(None);
        };
        self.at += 2;
        if word == "func" {
            let (off, label) = self.target()?;
            self.expect("]")?;
            return Ok(Some((Imm64::Func(off), label)));
        }
        let key = self.word(Expected::Exactly("fd"))?;
        self.expect(":")?;
        let number = self.imm32()?;
        let imm = match (word, key) {
            ("btf", "id") => {
                let fd = if self.eat(",") {
                    self.expect("fd")?;
                    self.expect(":")?;
                    self.imm32()?
                } else {
                    0
                };
                self.expect("]")?;
                Imm64::BtfId { id: number, fd }
            }
            ("map", "fd" | "idx") => {
                self.expect("]")?;
                let value = self.eat("[");
                let mut off = 0;
                if value {
                    self.imm32()?;
                    self.expect("]")?;
                    off = self.imm32()? as u32;
                }
                match (key, value) {
                    ("fd", false) => Imm64::MapFd(number),
                    ("fd", true) => Imm64::MapValue { fd: number, off },
                    (_, false) => Imm64::MapIdx(number),
                    (_, true) => Imm64::MapIdxValue { idx: number, off },
                }
            }
            _ => return Err(self.error(Expected::Exactly("fd"))),
        };
        Ok(Some((imm, None)))
    }

    /// What follows `call`.
    pub fn callee(&mut self) -> Result<Parsed> {
        if self.next_is_register() {
            return Ok(Insn::Call(Callee::Reg(self.reg64()?)).into());
        }
        if self.eat("local") || self.peek() == Some(Kind::Word("pc")) {
            let (off, label) = self.target()?;
            return Ok(Parsed::Insn { insn: Insn::Call(Callee::Subprog(off)), label });
        }
        if let (Some(Kind::Word(word)), Some(Kind::Sign("#"))) = (self.peek(), self.peek_at(1)) {
            let wrong = self.error(Expected::HelperNumber);
            self.at += 2;
            let id = self.imm32()?;
            if word != "kfunc" {
                // The kernel writes its functions in the same way, without all that their call holds.
                let agrees = matches!(word, "helper" | "unknown") || is_helper(id, word);
                return if agrees { Ok(Insn::Call(Callee::Helper(id)).into()) } else { Err(wrong) };
            }
            let btf = if self.eat("btf") {
                self.expect(":")?;
                self.off16()?
            } else {
                0
            };
            return Ok(Insn::Call(Callee::Kfunc { id, btf }).into());
        }
        if matches!(self.peek(), Some(Kind::Word(_))) {
            let (off, mut label) = self.target()?;
            label.iter_mut().for_each(|l| l.called = true);
            return Ok(Parsed::Insn { insn: Insn::Call(Callee::Subprog(off)), label });
        }
        Ok(Insn::Call(Callee::Helper(self.imm32()?)).into())
    }
}

/// Whether the digits are decimal, or hexadecimal with a prefix.
fn is_number(text: &str) -> bool {
    text.starts_with("0x") || text.starts_with("0X") || text.bytes().all(|b| b.is_ascii_digit())
}

/// `r0` to `r10`, `w0` to `w10`.
fn register(word: &str) -> Option<(Width, Reg)> {
    let (width, number) = match word.as_bytes().first()? {
        b'r' => (Width::W64, &word[1..]),
        b'w' => (Width::W32, &word[1..]),
        _ => return None,
    };
    let valid = number.bytes().all(|b| b.is_ascii_digit()) && (number.len() == 1 || !number.starts_with('0'));
    if !valid {
        return None;
    }
    Some((width, Reg::new(number.parse().ok()?)?))
}
