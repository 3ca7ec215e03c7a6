//! A filter over many packets: a loop around what a call does with one.
//!
//! The list of [`abi::Packet`](crate::abi::Packet)s and the verdicts are arguments, the filter's operations
//! stand inside the loop, and what it returns goes to the next verdict. They are translated twice: for
//! packets that are as long as the loads at fixed offsets need, of which only that is held, and out of
//! the way for shorter ones, of which every load is.

use super::{Frame, Translator};
use crate::abi::Packet;
use crate::flow::Func;
use crate::program::{Op, Unit};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{Block, InstBuilder, MemFlagsData};
use oxbpf_isa::insn::{PacketBase, Reg};
use std::mem::offset_of;

/// Bytes of the shortest packet that is common: an Ethernet frame without its check sequence.
const COMMON: u32 = 60;

/// Bytes that common packets have and loads at fixed offsets need.
fn needed(unit: &Unit<'_>, func: &Func) -> u32 {
    let end = |op: &Op| match *op {
        Op::Packet { base: PacketBase::Abs, size, off } => {
            u32::try_from(off).ok()?.checked_add(size.bytes()).filter(|&end| end <= COMMON)
        }
        _ => None,
    };
    func.ops(unit.ops).filter_map(|(_, op)| end(op)).max().unwrap_or(0)
}

impl Translator<'_, '_> {
    /// Makes the function: it takes the first packet, how many there are, and the first verdict. `wire`
    /// says which length the filter finds where R1 points.
    pub(super) fn batch(&mut self, entry: Block, wire: bool) {
        let [_, packets, count, verdicts, ..] = *self.b.block_params(entry) else { return };
        let bytes = self.b.ins().imul_imm_s(count, size_of::<Packet>() as i64);
        let end = self.b.ins().iadd(packets, bytes);
        let (each, next, done) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let packet = self.b.append_block_param(each, I64);
        let verdict = self.b.append_block_param(each, I64);
        self.b.ins().brif(count, each, &[packets.into(), verdicts.into()], done, &[]);

        self.b.switch_to_block(each);
        let flags = MemFlagsData::trusted();
        let data = self.b.ins().load(I64, flags, packet, offset_of!(Packet, data) as i32);
        let len = self.b.ins().uload32(flags, packet, offset_of!(Packet, len) as i32);
        self.packet = Some((data, len));
        let length = if wire { offset_of!(Packet, wire_len) } else { offset_of!(Packet, len) };
        let context = self.b.ins().iadd_imm_s(packet, length as i64);
        let needed = needed(self.unit, self.frame.func);
        if needed > 0 {
            let (long, short) = (self.b.create_block(), self.cold_block());
            let fits = self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, len, i64::from(needed));
            self.b.ins().brif(fits, long, &[], short, &[]);
            self.b.switch_to_block(short);
            let first = self.b.func.dfg.num_blocks();
            self.filter(context, next);
            for block in first..self.b.func.dfg.num_blocks() {
                self.b.set_cold_block(Block::from_u32(block as u32));
            }
            self.b.switch_to_block(long);
        }
        self.known = needed;
        self.filter(context, next);

        let value = self.b.append_block_param(next, I64);
        self.b.switch_to_block(next);
        let value = self.b.ins().ireduce(I32, value);
        self.b.ins().store(flags, value, verdict, 0);
        let packet = self.b.ins().iadd_imm_s(packet, size_of::<Packet>() as i64);
        let verdict = self.b.ins().iadd_imm_s(verdict, size_of::<u32>() as i64);
        let more = self.b.ins().icmp(IntCC::NotEqual, packet, end);
        self.b.ins().brif(more, each, &[packet.into(), verdict.into()], done, &[]);
        self.b.switch_to_block(done);
        let zero = self.b.ins().iconst(I64, 0);
        self.b.ins().return_(&[zero, zero]);
    }

    /// Translates the filter here; what it returns goes to `next`.
    fn filter(&mut self, context: cranelift_codegen::ir::Value, next: Block) {
        let mut frame = Frame::new(&mut self.b, self.plan, 0, self.frame.fp);
        frame.caller = Some(next);
        self.frame = frame;
        self.set(Reg::R1, context);
        let first = self.block_of(self.frame.func.entry);
        self.b.ins().jump(first, &[]);
        self.blocks();
    }
}
