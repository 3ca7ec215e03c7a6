//! Lookups in maps that need no helper.
//!
//! Where an array lies is known, so a lookup is a comparison and an address; one of a number that is known
//! is not even that. Keys of hashes and tries are handed to the host, as words where they fit. Nothing here
//! traps, takes fuel or ends a region.

use super::Translator;
use crate::abi::{Context, Service};
use crate::program::{CpuOf, Finder, KeyAt, MapAt, MapKind};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use oxbpf_isa::insn::{Reg, Size};

impl Translator<'_, '_> {
    /// The number of the CPU.
    pub(super) fn cpu(&mut self) -> Value {
        let flags = self.context_flags().with_readonly();
        self.b.ins().load(I64, flags, self.ctx, std::mem::offset_of!(Context, cpu) as i32)
    }

    pub(super) fn lookup(&mut self, map: u32, key: KeyAt, of: CpuOf) {
        let MapAt { kind, values } = self.unit.maps.get(map as usize).copied().unwrap_or(MapAt::OTHER);
        let value = match kind {
            MapKind::Array { base, stride, count, apart, cpus } => {
                let value = self.array_value(base, stride, count, key);
                self.of_cpu(value, apart, cpus, of)
            }
            MapKind::Found { address, by } => {
                let (service, key) = match by {
                    Finder::Hash(Size::Dw) => (Service::lookup_8, self.key(key, Size::Dw)),
                    Finder::Hash(_) => (Service::lookup_4, self.key(key, Size::W)),
                    Finder::Trie => (Service::lookup_prefix, self.key(key, Size::Dw)),
                    Finder::HashAt(_) => (Service::lookup_at, self.key_address(key)),
                    Finder::TrieAt(_) => (Service::lookup_prefix_at, self.key_address(key)),
                };
                let map = self.b.ins().iconst(I64, address as i64);
                self.call(service, &[map, key]).0
            }
            // `Flow` refuses programs that look such maps up.
            MapKind::Programs { .. } | MapKind::Other => self.b.ins().iconst(I64, 0),
        };
        self.set(Reg::R0, value);
        if let Some(extent) = values {
            self.remember_found(value, extent);
        }
    }

    /// What was found is what some accesses fall into next, as far as `origins` cannot tell.
    fn remember_found(&mut self, value: Value, (len, writable): (u32, bool)) {
        let plan = self.plan;
        let mut classes = plan.origins.remembered.iter().filter(|of| writable || !of.1).peekable();
        if classes.peek().is_none() {
            return;
        }
        let (found, done) = (self.b.create_block(), self.b.create_block());
        self.b.ins().brif(value, found, &[], done, &[]);
        self.b.switch_to_block(found);
        for &(class, write) in classes {
            self.remember(class, write, value, len);
        }
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(done);
    }

    /// The key, widened with zeros.
    fn key(&mut self, key: KeyAt, size: Size) -> Value {
        match key {
            KeyAt::Number(number) if size == Size::W => self.b.ins().iconst(I64, i64::from(number as u32)),
            KeyAt::Number(number) => self.b.ins().iconst(I64, number as i64),
            KeyAt::Frame(off) | KeyAt::FrameBytes(off) => self.load_plain(size, Reg::FP, off),
            KeyAt::Pointed => self.load_plain(size, Reg::R2, 0),
        }
    }

    fn key_address(&mut self, key: KeyAt) -> Value {
        match key {
            KeyAt::Pointed => self.get(Reg::R2),
            KeyAt::Frame(off) | KeyAt::FrameBytes(off) => {
                self.b.ins().iadd_imm_s(self.frame.fp, i64::from(off))
            }
            // `Flow` refuses those.
            KeyAt::Number(number) => self.b.ins().iconst(I64, number as i64),
        }
    }

    /// Where the first CPU's value of an array is, or zero.
    fn array_value(&mut self, base: u64, stride: u32, count: u32, key: KeyAt) -> Value {
        if let KeyAt::Number(number) = key {
            let index = u64::from(number as u32);
            let value = if index < u64::from(count) { base + index * u64::from(stride) } else { 0 };
            return self.b.ins().iconst(I64, value as i64);
        }
        let index = self.key(key, Size::W);
        let inside = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, index, i64::from(count));
        let offset = match stride.is_power_of_two() {
            true => self.b.ins().ishl_imm_u(index, i64::from(stride.trailing_zeros())),
            false => self.b.ins().imul_imm_s(index, i64::from(stride)),
        };
        let base = self.b.ins().iconst(I64, base as i64);
        let (value, zero) = (self.b.ins().iadd(base, offset), self.b.ins().iconst(I64, 0));
        self.b.ins().select(inside, value, zero)
    }

    /// The value of a CPU, where the first one's is known or there is none.
    fn of_cpu(&mut self, value: Value, apart: u64, cpus: u32, of: CpuOf) -> Value {
        let (cpu, exists) = match of {
            CpuOf::Run if apart == 0 => return value,
            CpuOf::Run => (self.cpu(), None),
            CpuOf::R3 => {
                let low = self.low(Reg::R3);
                let cpu = self.b.ins().uextend(I64, low);
                let exists = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, cpu, i64::from(cpus));
                (cpu, Some(exists))
            }
        };
        let zero = self.b.ins().iconst(I64, 0);
        let offset = self.b.ins().imul_imm_s(cpu, apart as i64);
        let own = self.b.ins().iadd(value, offset);
        let own = match exists {
            Some(exists) => self.b.ins().select(exists, own, zero),
            None => own,
        };
        match self.constant(value) {
            Some(0) => zero,
            Some(_) => own,
            None => self.b.ins().select(value, own, zero),
        }
    }
}
