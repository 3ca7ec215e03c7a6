//! The turns of copying and filling loops that are made many at a time.
//!
//! They are made on the way into the loop, in chunks, and at least one turn is left. A copy is done in
//! chunks only where the bytes written are not those read afterwards: where they lie a chunk or more
//! behind those read, or before them. In checked mode both ranges must lie in the regions remembered;
//! the loop itself sees to it that the right ones are.

use super::Translator;
use crate::bulk::{Bulk, From, Moving};
use crate::checks::{Key, class};
use crate::program::{Mode, Src};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I8X16, I64};
use cranelift_codegen::ir::{Block, InstBuilder, Type, Value};
use oxbpf_isa::insn::Reg;

/// Bytes of two accesses.
const STRIDE: i64 = 32;

impl Translator<'_, '_> {
    /// Goes to the head of a loop whose register is to come from `value` to `bound`, by way of what can be
    /// done in chunks.
    pub(super) fn in_bulk(&mut self, bulk: &Bulk, reg: Reg, value: Value, bound: Value, head: Block) {
        let ty = if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) { I8X16 } else { I64 };
        let way = self.b.ins().isub(bound, value);
        // One turn is left at least; and nothing is done when the bound lies behind.
        let most = self.b.ins().iadd_imm_s(way, -1);
        let count = self.b.ins().band_imm_s(most, -STRIDE);
        let comes = self.b.ins().icmp(IntCC::UnsignedGreaterThan, bound, value);
        let some = self.b.ins().icmp_imm_s(IntCC::NotEqual, count, 0);
        let mut good = self.b.ins().band(comes, some);
        let to = self.moving(&bulk.to, value);
        let from = match &bulk.from {
            From::Memory(from) => {
                let from = self.moving(from, value);
                let apart = self.b.ins().isub(to, from);
                let apart = self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, apart, STRIDE);
                good = self.b.ins().band(good, apart);
                Some(from)
            }
            From::Same(_) => None,
        };
        if self.unit.mode == Mode::Checked {
            let held = self.hold_range(bulk.to.base, true, to, count);
            good = self.b.ins().band(good, held);
            if let (From::Memory(moving), Some(from)) = (&bulk.from, from) {
                let held = self.hold_range(moving.base, false, from, count);
                good = self.b.ins().band(good, held);
            }
        }
        let (start, chunks, done) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.ins().brif(good, start, &[], head, &[]);
        self.enter(start);
        let same = match bulk.from {
            From::Same(src) => Some(self.spread(src, ty)),
            From::Memory(_) => None,
        };
        let zero = self.b.ins().iconst(I64, 0);
        self.b.ins().jump(chunks, &[zero.into()]);
        self.b.switch_to_block(chunks);
        let at = self.b.append_block_param(chunks, I64);
        let flags = super::memory::flags();
        let to = self.b.ins().iadd(to, at);
        let from = from.map(|from| self.b.ins().iadd(from, at));
        for off in (0..STRIDE as i32).step_by(ty.bytes() as usize) {
            let value = match (same, from) {
                (Some(same), _) => same,
                (None, Some(from)) => self.b.ins().load(ty, flags, from, off),
                (None, None) => continue,
            };
            self.b.ins().store(flags, value, to, off);
        }
        let next = self.b.ins().iadd_imm_s(at, STRIDE);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, next, count);
        self.b.ins().brif(more, chunks, &[next.into()], done, &[]);
        self.b.seal_block(chunks);
        self.enter(done);
        let value = self.b.ins().iadd(value, count);
        self.set(reg, value);
        self.b.ins().jump(head, &[]);
    }

    /// The address that is accessed when the counted register has a value.
    fn moving(&mut self, moving: &Moving, value: Value) -> Value {
        let mut addr = value;
        for reg in moving.regs.into_iter().flatten() {
            let more = self.get(reg);
            addr = self.b.ins().iadd(addr, more);
        }
        if moving.off == 0 { addr } else { self.b.ins().iadd_imm_s(addr, moving.off) }
    }

    /// Whether so many bytes from an address on lie in the region that is remembered.
    fn hold_range(&mut self, base: Reg, write: bool, addr: Value, count: Value) -> Value {
        let key = Key { class: class(base), write, width: 1 };
        let (start, len) = (self.region_start(key), self.region_bound(key));
        let offset = self.b.ins().isub(addr, start);
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, offset, len);
        let (known, unknown) = (self.b.create_block(), self.cold_block());
        self.b.ins().brif(inside, known, &[], unknown, &[]);
        self.enter(unknown);
        self.recall(key, addr);
        self.b.ins().jump(known, &[]);
        self.enter(known);
        let (start, len) = (self.region_start(key), self.region_bound(key));
        let offset = self.b.ins().isub(addr, start);
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, offset, len);
        let left = self.b.ins().isub(len, offset);
        let fits = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, count, left);
        self.b.ins().band(inside, fits)
    }

    /// The low byte of an operand, over and over.
    fn spread(&mut self, src: Src, ty: Type) -> Value {
        let value = self.src64(src);
        if ty == I8X16 {
            let byte = self.b.ins().ireduce(I8, value);
            return self.b.ins().splat(ty, byte);
        }
        let byte = self.b.ins().band_imm_s(value, 0xff);
        self.b.ins().imul_imm_s(byte, 0x0101_0101_0101_0101)
    }
}
