//! Loads and stores.
//!
//! A proven access is one machine access. So is one relative to R10 that lies in the frame whatever the
//! program does. Every other access of a program that nobody proved is held against the region that
//! the last access of its class fell into: one subtraction and one comparison; the host finds the region
//! when that fails. The class is the base register's, since programs keep a pointer where it is.

use super::Translator;
use super::alu::int;
use crate::abi::{self, Context, Service, Span};
use crate::checks::{Checks, Group, Key, class};
use crate::loops;
use crate::program::{Fuel, Mode, OptLevel, Src};
use crate::slots::in_frame;
use crate::stubs::VALUE;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, InstBuilder, MemFlagsData, Value};
use cranelift_frontend::Variable;
use oxbpf_isa::insn::{PacketBase, Reg, Size};

/// Accesses of programs: at any alignment, and never at a bad address. They have no alias regions: with one for
/// each base register, which is more than a proof could tell apart, no code of the benchmarks got shorter.
pub(super) fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

fn key(base: Reg, size: Size, write: bool) -> Key {
    Key { class: class(base), write, width: size.bytes() }
}

/// Where the context keeps a region.
fn span(key: Key) -> usize {
    std::mem::offset_of!(Context, spans) + (2 * key.class + key.write as usize) * size_of::<Span>()
}

impl Translator<'_, '_> {
    fn needs_check(&self, base: Reg, off: i32, size: Size) -> bool {
        self.unit.mode == Mode::Checked
            && !in_frame(base, off, size)
            && self.frame.good.binary_search(&self.at).is_err()
            && (self.frame.careful || !self.frame.checks.is_covered(self.at))
    }

    /// Finds out how the accesses of the function that is made are held.
    pub(super) fn find_checks(&mut self) {
        if self.unit.mode != Mode::Checked {
            return;
        }
        let func = self.frame.func;
        // Without loops nothing is copied or kept.
        let retreats = match self.unit.opt {
            OptLevel::Full => loops::retreats(self.unit.ops, func),
            OptLevel::Fast => Vec::new(),
        };
        let checks =
            Checks::plan(self.unit.ops, func, &retreats, self.frame.good, &|at| !self.costs.is_inlined(at));
        for &key in checks.kept.iter().flat_map(|k| &k.keys) {
            self.kept.entry(key).or_insert_with(|| (self.b.declare_var(I64), self.b.declare_var(I64)));
        }
        self.frame.checks = checks;
    }

    /// Whether a loop that keeps regions begins with an operation.
    pub(super) fn keeps_from(&self, head: u32) -> bool {
        self.frame.checks.keeping(head).is_some_and(|k| k.head == head && !k.keys.is_empty())
    }

    /// Takes remembered regions from the context into registers: all that the loop around an operation keeps, or
    /// those of one class.
    pub(super) fn keep_regions(&mut self, at: u32, only: Option<(usize, bool)>) {
        let Some(keeping) = self.frame.checks.keeping(at) else { return };
        let keys = keeping.keys.iter().filter(|k| only.is_none_or(|of| of == (k.class, k.write)));
        for key in keys.copied().collect::<Vec<Key>>() {
            let (start_var, bound_var) = self.kept[&key];
            let (start, bound) = (self.region_start(key), self.region_bound(key));
            self.b.def_var(start_var, start);
            self.b.def_var(bound_var, bound);
        }
    }

    /// The registers that a region is kept in where the operation being translated stands.
    fn kept(&self, key: Key) -> Option<(Variable, Variable)> {
        let keeping = self.frame.checks.keeping(self.at).filter(|_| self.frame.caller.is_none())?;
        keeping.keys.contains(&key).then(|| self.kept[&key])
    }

    pub(super) fn region_start(&mut self, key: Key) -> Value {
        self.load_context((span(key) + std::mem::offset_of!(Span, start)) as i32)
    }

    /// One more than the highest offset at which so many bytes lie in the region.
    pub(super) fn region_bound(&mut self, key: Key) -> Value {
        let bounds = span(key) + std::mem::offset_of!(Span, bounds);
        if let 1 | 2 | 4 | 8 = key.width {
            return self.load_context((bounds + 8 * key.width.ilog2() as usize) as i32);
        }
        let len = self.load_context(bounds as i32);
        let bound = self.b.ins().iadd_imm_s(len, 1 - i64::from(key.width));
        let zero = self.b.ins().iconst(I64, 0);
        self.b.ins().smax(bound, zero)
    }

    /// Whether so many bytes from an address on are in the region that the class remembers.
    fn is_held(&mut self, addr: Value, key: Key) -> Value {
        let (start, bound) = match self.kept(key) {
            Some((start, bound)) => (self.b.use_var(start), self.b.use_var(bound)),
            None => (self.region_start(key), self.region_bound(key)),
        };
        let offset = self.b.ins().isub(addr, start);
        self.b.ins().icmp(IntCC::UnsignedLessThan, offset, bound)
    }

    /// Branches away unless an access is in the region that its class remembers; gives the block to go on in and
    /// the one to go to otherwise, which are still empty.
    fn check(&mut self, addr: Value, key: Key) -> (Block, Block) {
        let good = self.is_held(addr, key);
        let (fast, slow) = (self.b.create_block(), self.cold_block());
        self.b.ins().brif(good, fast, &[], slow, &[]);
        (fast, slow)
    }

    /// Holds the access that follows, and asks the host where its region is not the one remembered.
    fn hold(&mut self, addr: Value, key: Key) {
        let (fast, slow) = self.check(addr, key);
        self.enter(slow);
        let status = self.ask(Service::hold, addr, None);
        self.remembered(key.class, key.write);
        self.go_on_unless(status);
        self.b.ins().jump(fast, &[]);
        self.enter(fast);
    }

    /// Holds the accesses of a group at once, against the region that they begin in if it is another than
    /// the one remembered; gives the block to go to when that fails.
    pub(super) fn hold_group(&mut self, group: &Group) -> Block {
        let addr = self.address(group.base, group.low);
        let key = Key { class: class(group.base), write: group.write, width: group.width };
        let good = self.is_held(addr, key);
        let (fast, other, apart) = (self.b.create_block(), self.cold_block(), self.cold_block());
        self.b.ins().brif(good, fast, &[], other, &[]);
        self.enter(other);
        let status = self.recall(key, addr);
        self.remembered(key.class, key.write);
        let again = self.cold_block();
        self.b.ins().brif(status, apart, &[], again, &[]);
        self.enter(again);
        self.b.ins().jump(fast, &[]);
        self.enter(fast);
        apart
    }

    /// Holds the loads of a group at once, and has the host do them where that fails.
    pub(super) fn hold_loads(&mut self, group: &Group) {
        // Where the host leaves what it loads, something else may have been before.
        self.parts.forget();
        let (base, addr) = (self.get(group.base), self.address(group.base, group.low));
        let key = Key { class: class(group.base), write: false, width: group.width };
        let good = self.is_held(addr, key);
        let (held, other) = (self.b.create_block(), self.cold_block());
        let from = self.b.append_block_param(held, I64);
        self.b.ins().brif(good, held, &[base.into()], other, &[]);
        self.enter(other);
        let ops = self.b.ins().iconst(I64, abi::few(self.at, group.last) as i64);
        let status = self.call_rarely(Service::gather, &[ops, base]);
        self.remembered(key.class, false);
        let address = self.load_context(VALUE as i32);
        self.go_on_unless(status);
        self.b.ins().jump(held, &[address.into()]);
        self.enter(held);
        self.frame.gathered = Some((group.base, group.last, from));
    }

    /// What a load through a register that needs no check loads from.
    fn load_base(&mut self, base: Reg) -> Value {
        match self.frame.gathered {
            Some((of, last, from)) if of == base && self.at <= last && !self.frame.careful => from,
            _ => self.get(base),
        }
    }

    /// Has the host remember the region that so many bytes from an address on lie in; zero if there is one.
    pub(super) fn recall(&mut self, key: Key, addr: Value) -> Value {
        let extent = abi::extent(key.width, key.class, key.write);
        let extent = self.b.ins().iconst(I64, extent as i64);
        self.call_rarely(Service::recall, &[addr, extent])
    }

    /// What the host remembers after it was asked is taken into registers.
    pub(super) fn remembered(&mut self, class: usize, write: bool) {
        if self.frame.caller.is_none() {
            self.keep_regions(self.at, Some((class, write)));
        }
    }

    fn address(&mut self, base: Reg, off: i32) -> Value {
        let base = self.get(base);
        if off == 0 { base } else { self.b.ins().iadd_imm_s(base, off as i64) }
    }

    fn load_at(&mut self, size: Size, signed: bool, addr: Value, off: i32) -> Value {
        let flags = flags();
        match (size, signed) {
            (Size::B, false) => self.b.ins().uload8(I64, flags, addr, off),
            (Size::B, true) => self.b.ins().sload8(I64, flags, addr, off),
            (Size::H, false) => self.b.ins().uload16(I64, flags, addr, off),
            (Size::H, true) => self.b.ins().sload16(I64, flags, addr, off),
            (Size::W, false) => self.b.ins().uload32(flags, addr, off),
            (Size::W, true) => self.b.ins().sload32(flags, addr, off),
            (Size::Dw, _) => self.b.ins().load(I64, flags, addr, off),
        }
    }

    fn store_at(&mut self, size: Size, value: Value, addr: Value, off: i32) {
        let flags = flags();
        match size {
            Size::B => self.b.ins().istore8(flags, value, addr, off),
            Size::H => self.b.ins().istore16(flags, value, addr, off),
            Size::W => self.b.ins().istore32(flags, value, addr, off),
            Size::Dw => self.b.ins().store(flags, value, addr, off),
        };
    }

    /// The variable that a place in the frame has become.
    fn variable(&self, size: Size, base: Reg, off: i32) -> Option<Variable> {
        if base == Reg::FP { self.frame.slots.get(&(off, size)).copied() } else { None }
    }

    /// Loads from where it is known to be good, widened with zeros.
    pub(super) fn load_plain(&mut self, size: Size, base: Reg, off: i32) -> Value {
        match self.variable(size, base, off) {
            Some(var) => self.b.use_var(var),
            None => {
                let addr = self.get(base);
                self.load_at(size, false, addr, off)
            }
        }
    }

    /// The context remembers, for accesses of a class, the region that begins at an address.
    pub(super) fn remember(&mut self, class: usize, write: bool, start: Value, len: u32) {
        let Span { bounds, .. } = Span::new(0, u64::from(len));
        let at = span(Key { class, write, width: 1 });
        self.store_context(at + std::mem::offset_of!(Span, start), start);
        for (nth, bound) in bounds.into_iter().enumerate() {
            let bound = self.b.ins().iconst(I64, bound as i64);
            self.store_context(at + std::mem::offset_of!(Span, bounds) + 8 * nth, bound);
        }
        self.remembered(class, write);
    }

    pub(super) fn load(&mut self, size: Size, signed: bool, dst: Reg, base: Reg, off: i32) {
        if let Some(var) = self.variable(size, base, off) {
            // Variables of narrow places are kept widened with zeros.
            let mut value = self.b.use_var(var);
            if signed && size != Size::Dw {
                let narrow = self.narrow(value, size);
                value = self.b.ins().sextend(I64, narrow);
            }
            return self.set(dst, value);
        }
        if !self.needs_check(base, off, size) {
            let addr = self.load_base(base);
            let value = self.load_at(size, signed, addr, off);
            if !signed {
                self.loaded(value, size, addr, off);
            }
            return self.set(dst, value);
        }
        let addr = self.address(base, off);
        if self.frame.careful {
            let status = self.ask(Service::load, addr, None);
            let value = self.answer(size, signed);
            self.go_on_unless(status);
            return self.set(dst, value);
        }
        let key = key(base, size, false);
        if size != Size::W {
            self.hold(addr, key);
            let value = self.load_at(size, signed, addr, 0);
            if !signed {
                self.loaded(value, size, addr, 0);
            }
            return self.set(dst, value);
        }
        // Some words of contexts are wider than what is loaded, so the host loads them.
        let (fast, slow) = self.check(addr, key);
        let done = self.b.create_block();
        let result = self.b.append_block_param(done, I64);
        self.enter(fast);
        let value = self.load_at(size, signed, addr, 0);
        self.b.ins().jump(done, &[value.into()]);
        self.enter(slow);
        let status = self.ask(Service::load, addr, None);
        self.remembered(key.class, false);
        let value = self.answer(size, signed);
        self.go_on_unless(status);
        self.b.ins().jump(done, &[value.into()]);
        self.enter(done);
        self.set(dst, result);
    }

    pub(super) fn store(&mut self, size: Size, base: Reg, off: i32, src: Src) {
        let value = self.src64(src);
        if let Some(var) = self.variable(size, base, off) {
            let narrow = self.narrow(value, size);
            let value = self.widen(narrow, size);
            return self.b.def_var(var, value);
        }
        self.parts.forget();
        if !self.needs_check(base, off, size) {
            let addr = self.get(base);
            return self.store_at(size, value, addr, off);
        }
        let addr = self.address(base, off);
        if self.frame.careful {
            let status = self.ask(Service::store, addr, Some(value));
            return self.go_on_unless(status);
        }
        let key = key(base, size, true);
        self.hold(addr, key);
        self.store_at(size, value, addr, 0);
    }

    /// Asks the host for the access that is translated; gives the status.
    fn ask(&mut self, service: Service, addr: Value, value: Option<Value>) -> Value {
        let here = self.here_value();
        match value {
            Some(value) => self.call_rarely(service, &[here, addr, value]),
            None => self.call_rarely(service, &[here, addr]),
        }
    }

    /// What the host loaded.
    fn answer(&mut self, size: Size, signed: bool) -> Value {
        let value = self.load_context(VALUE as i32);
        if !signed || size == Size::Dw {
            return value;
        }
        let narrow = self.narrow(value, size);
        self.b.ins().sextend(I64, narrow)
    }

    /// Holds the access of an atomic operation: aligned first, then inside a region.
    pub(super) fn hold_atomic(&mut self, size: Size, base: Reg, off: i32, write: bool) -> Value {
        self.parts.forget();
        let addr = self.address(base, off);
        if size != Size::B {
            let low = self.b.ins().band_imm_s(addr, size.bytes() as i64 - 1);
            let (bad, good) = (self.cold_block(), self.b.create_block());
            self.b.ins().brif(low, bad, &[], good, &[]);
            self.enter(bad);
            self.fault(addr);
            self.enter(good);
        }
        if self.needs_check(base, off, size) {
            if self.frame.careful {
                let status = self.ask(Service::hold, addr, None);
                self.go_on_unless(status);
                return addr;
            }
            self.hold(addr, key(base, size, write));
        }
        addr
    }

    /// Where the packet's data is, and its length.
    fn packet_bounds(&mut self) -> (Value, Value) {
        match self.packet {
            Some(bounds) => bounds,
            None => {
                let start = self.load_context(std::mem::offset_of!(Context, packet) as i32);
                (start, self.load_context(std::mem::offset_of!(Context, packet_len) as i32))
            }
        }
    }

    /// A packet load: from the packet where it lies inside, counted from its data. Negative offsets are
    /// the host's, who knows of headers before the data. Outside the packet the function ends with
    /// R0 = 0.
    pub(super) fn packet(&mut self, base: PacketBase, size: Size, off: i32) {
        let headers = self.unit.packet.has_headers();
        let offset = match base {
            PacketBase::Abs if off < 0 && headers => {
                let offset = self.b.ins().iconst(I64, off as u32 as i64);
                let value = self.packet_by_host(offset, size);
                return self.set(Reg::R0, value);
            }
            PacketBase::Abs => self.b.ins().iconst(I64, off as u32 as i64),
            PacketBase::Ind(reg) => {
                let index = self.low(reg);
                let offset = self.b.ins().iadd_imm_s(index, off as i64);
                self.b.ins().uextend(I64, offset)
            }
        };
        let (start, len) = self.packet_bounds();
        let known = u32::try_from(off).ok().and_then(|off| off.checked_add(size.bytes()));
        if base == PacketBase::Abs && known.is_some_and(|end| end <= self.known) {
            let value = self.packet_bytes(start, offset, size);
            return self.set(Reg::R0, value);
        }
        let end = self.b.ins().iadd_imm_s(offset, size.bytes() as i64);
        let good = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, end, len);
        if base == PacketBase::Abs || !headers {
            self.stay_if(good);
            let value = self.packet_bytes(start, offset, size);
            return self.set(Reg::R0, value);
        }
        let (fast, slow, done) = (self.b.create_block(), self.cold_block(), self.b.create_block());
        let result = self.b.append_block_param(done, I64);
        self.b.ins().brif(good, fast, &[], slow, &[]);
        self.enter(fast);
        let value = self.packet_bytes(start, offset, size);
        self.b.ins().jump(done, &[value.into()]);
        self.enter(slow);
        let negative = self.b.ins().band_imm_s(offset, 1 << 31);
        self.stay_if(negative);
        let value = self.packet_by_host(offset, size);
        self.b.ins().jump(done, &[value.into()]);
        self.enter(done);
        self.set(Reg::R0, result);
    }

    /// Goes on when the condition holds; the function ends with R0 = 0 when it does not.
    fn stay_if(&mut self, good: Value) {
        let stay = self.b.create_block();
        // What leaving costs depends on where from.
        let own = self.unit.fuel != Fuel::Off || self.frame.caller.is_some();
        let outside = if own { self.cold_block() } else { self.outside_block() };
        self.b.ins().brif(good, stay, &[], outside, &[]);
        if own {
            self.enter(outside);
            let zero = self.b.ins().iconst(I64, 0);
            self.return_value(zero);
        }
        self.enter(stay);
    }

    /// The bytes of a packet load inside the packet.
    fn packet_bytes(&mut self, start: Value, offset: Value, size: Size) -> Value {
        let addr = self.b.ins().iadd(start, offset);
        let value = self.b.ins().load(int(size), flags(), addr, 0);
        let swapped = if size == Size::B { value } else { self.b.ins().bswap(value) };
        self.widen(swapped, size)
    }

    /// Asks the host for a packet load.
    fn packet_by_host(&mut self, offset: Value, size: Size) -> Value {
        let bytes = self.b.ins().iconst(I64, size.bytes() as i64);
        let (value, status) = self.call(Service::packet, &[offset, bytes]);
        let good = self.b.ins().icmp_imm_s(IntCC::Equal, status, 0);
        self.stay_if(good);
        value
    }
}
