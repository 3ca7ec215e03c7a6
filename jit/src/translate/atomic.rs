//! Atomic operations (RFC 9669 section 5.3; Linux load-acquire and store-release).
//!
//! Every form is sequentially consistent, as the interpreter's are; the generator knows no weaker one.

use super::Translator;
use super::alu::int;
use super::memory::flags;
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, MemFlagsData};
use oxbpf_isa::insn::{AtomicOp, Reg, Size};

/// Alignment has been looked at before.
fn aligned() -> MemFlagsData {
    flags().with_aligned()
}

impl Translator<'_, '_> {
    pub(super) fn load_acquire(&mut self, size: Size, dst: Reg, base: Reg, off: i32) {
        let addr = self.hold_atomic(size, base, off, false);
        let value = self.b.ins().atomic_load(int(size), aligned(), addr);
        let value = self.widen(value, size);
        self.set(dst, value);
    }

    pub(super) fn store_release(&mut self, size: Size, base: Reg, off: i32, src: Reg) {
        let addr = self.hold_atomic(size, base, off, true);
        let value = self.get(src);
        let value = self.narrow(value, size);
        self.b.ins().atomic_store(aligned(), value, addr);
    }

    pub(super) fn atomic(&mut self, op: AtomicOp, fetch: bool, size: Size, base: Reg, off: i32, src: Reg) {
        let addr = self.hold_atomic(size, base, off, true);
        let value = self.get(src);
        let value = self.narrow(value, size);
        let rmw = match op {
            AtomicOp::Add => AtomicRmwOp::Add,
            AtomicOp::Or => AtomicRmwOp::Or,
            AtomicOp::And => AtomicRmwOp::And,
            AtomicOp::Xor => AtomicRmwOp::Xor,
            AtomicOp::Xchg => AtomicRmwOp::Xchg,
            AtomicOp::Cmpxchg => {
                let expected = self.get(Reg::R0);
                let expected = self.narrow(expected, size);
                let old = self.b.ins().atomic_cas(aligned(), addr, expected, value);
                let old = self.widen(old, size);
                return self.set(Reg::R0, old);
            }
        };
        let old = self.b.ins().atomic_rmw(int(size), aligned(), rmw, addr, value);
        if fetch {
            let old = self.widen(old, size);
            self.set(src, old);
        }
    }
}
