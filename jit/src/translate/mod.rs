//! One function of a program to Cranelift's intermediate form.
//!
//! Registers of the program are variables of 64 bits; 32-bit operations are done at 32 bits and widened,
//! which costs nothing on machines whose 32-bit operations zero the rest. Each operation has its number
//! as source location. What operations mean stands in the table of `isa`; the order of checks is the
//! interpreter's, so that the same program gives the same trap.

mod alu;
mod atomic;
mod batch;
mod bulk;
mod call;
mod control;
mod joined;
mod lookup;
mod memory;
mod pool;
mod regs;
mod turns;

use crate::abi::{ARENA, Context, MAY_GOTO, Service};
use crate::checks::{Checks, Key};
use crate::flow::{ARGS, Flow, Func, INHERITED, Regs, bit, successors};
use crate::inline::{Costs, Inline};
use crate::loops::Retreat;
use crate::origins::Origins;
use crate::pool::Pool;
use crate::program::{Fuel, MapKind, Meaning, Op, PacketAt, Src, Unit};
use crate::signatures::{signature, stub_signature};
use crate::slots::Place;
use crate::stubs::{STATUS, Stubs, VALUE, argument};
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    AliasRegion, AliasRegionData, Block, FuncRef, InstBuilder, MemFlagsData, SigRef, SourceLoc, Value,
};
use cranelift_frontend::{FunctionBuilder, Variable};
use joined::Parts;
use oxbpf_isa::insn::Reg;
use regs::Held;
use std::collections::BTreeMap;
use turns::{Edge, Paying, Turning};

/// The registers a function takes as arguments.
pub(crate) fn params(func: &Func) -> Regs {
    if func.by_address { ARGS } else { func.live_in & ARGS }
}

/// The registers in a set, in order.
fn regs(set: Regs) -> impl Iterator<Item = Reg> {
    Reg::ALL.into_iter().filter(move |&r| set & bit(r) != 0)
}

/// Names the functions of the program inside the one being made.
pub(crate) type Import<'a> = dyn FnMut(&mut FunctionBuilder<'_>, usize) -> FuncRef + 'a;

/// What is known of a program before its functions are translated.
pub(crate) struct Plan<'a> {
    pub unit: &'a Unit<'a>,
    pub flow: &'a Flow,
    /// By function.
    pub places: &'a [Vec<Place>],
    pub origins: &'a Origins,
    pub inline: &'a Inline,
    pub stubs: &'a Stubs,
    pub pool: &'a Pool,
    /// Whether the main function is chained.
    pub chained: bool,
}

/// Whether the main function goes to other programs by itself: it does so somewhere, only the host and other
/// programs call it, and they give it nothing but R1.
pub(crate) fn is_chained(unit: &Unit<'_>, flow: &Flow) -> bool {
    let goes = |op: &Op| match *op {
        Op::TailCall { array: Some(array) } => {
            unit.maps.get(array as usize).is_some_and(|map| matches!(map.kind, MapKind::Programs { .. }))
        }
        _ => false,
    };
    let Some(main) = flow.funcs.iter().find(|func| func.entry == 0) else { return false };
    unit.packet == PacketAt::Context
        && main.live_in & ARGS & !bit(Reg::R1) == 0
        && main.ops(unit.ops).any(|(_, op)| goes(op))
        && !unit.ops.iter().any(|op| matches!(op, Op::CallSub { to: 0 }))
}

/// Makes the body of a function; whether loads may have become unused.
pub(crate) fn function(
    plan: &Plan<'_>,
    index: usize,
    mut builder: FunctionBuilder<'_>,
    import: &mut Import<'_>,
    target: cranelift_codegen::isa::TargetFrontendConfig,
) -> bool {
    let func = &plan.flow.funcs[index];
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let fp = builder.block_params(entry)[0];
    let ctx = builder.ins().band_imm_s(fp, -(ARENA as i64));
    let region = |builder: &mut FunctionBuilder<'_>, id: u32, name: &'static str| {
        builder.func.dfg.alias_regions.insert(AliasRegionData { user_id: id, description: name.into() })
    };
    let context_region = region(&mut builder, 0, "context");
    let frame = Frame::new(&mut builder, plan, index, fp);
    let mut translator = Translator {
        plan,
        unit: plan.unit,
        flow: plan.flow,
        frame,
        costs: plan.inline.into(plan.unit, plan.flow, func),
        ctx,
        fuel: None,
        given: None,
        place: None,
        leave: None,
        outside: None,
        packet: None,
        known: 0,
        signatures: [None; Service::ALL.len()],
        stub_signature: None,
        callees: vec![None; plan.flow.funcs.len()],
        context_region,
        import,
        turns: Vec::new(),
        paying: Vec::new(),
        retreats: Vec::new(),
        edges: Vec::new(),
        here: None,
        kept: BTreeMap::new(),
        parts: Parts::default(),
        at: func.entry,
        b: builder,
    };
    match plan.unit.packet {
        PacketAt::Batch { wire } => translator.batch(entry, wire),
        _ => {
            translator.prologue(entry);
            translator.blocks();
        }
    }
    translator.epilogue();
    translator.b.seal_all_blocks();
    let joined = translator.parts.joined;
    translator.b.finalize(target);
    joined
}

/// A function that is being translated: the one that is made, or one that is put into it.
struct Frame<'a> {
    func: &'a Func,
    /// R0 to R9.
    vars: [Variable; 10],
    held: Held,
    /// R10.
    fp: Value,
    may_goto: Option<Variable>,
    /// Places in the frame that have become variables.
    slots: BTreeMap<Place, Variable>,
    /// The blocks of the function.
    blocks: Vec<Block>,
    /// Where the function goes on that this one was put into; takes R0.
    caller: Option<Block>,
    /// Accesses that need not be held, in order.
    good: &'a [u32],
    /// How accesses are held, unless they are proven.
    checks: Checks,
    /// The base register of loads that were held at once, the last of them, and where they load from.
    gathered: Option<(Reg, u32, Value)>,
    /// Whether the host is asked for each now.
    careful: bool,
}

impl<'a> Frame<'a> {
    /// For each block the last that leads to it, unless all that do stand before it.
    fn last_ways_in(&self, ops: &[Op]) -> Vec<Option<usize>> {
        let blocks = &self.func.blocks;
        let mut last = vec![None; blocks.len()];
        for (index, block) in blocks.iter().enumerate() {
            let (falls, jumps) = successors(&ops[block.end as usize - 1]);
            for to in falls.then_some(block.end).into_iter().chain(jumps) {
                if let Some(to) = self.func.block_at(to).filter(|&to| to <= index) {
                    last[to] = Some(index);
                }
            }
        }
        last
    }

    fn new(b: &mut FunctionBuilder<'_>, plan: &Plan<'a>, index: usize, fp: Value) -> Frame<'a> {
        let func = &plan.flow.funcs[index];
        let blocks = func.blocks.iter().map(|_| b.create_block()).collect();
        let vars = std::array::from_fn(|_| b.declare_var(I64));
        let zero = b.ins().iconst(I64, 0);
        let slots: BTreeMap<Place, Variable> =
            plan.places[index].iter().map(|&place| (place, b.declare_var(I64))).collect();
        for var in vars.iter().chain(slots.values()) {
            b.def_var(*var, zero);
        }
        Frame {
            func,
            vars,
            held: Held::default(),
            fp,
            may_goto: None,
            slots,
            blocks,
            caller: None,
            good: plan.origins.good(index),
            checks: Checks::default(),
            gathered: None,
            careful: false,
        }
    }
}

/// Operations of a block that are to be translated once more, and where that goes on unless it is to the end of
/// the block.
struct Copied {
    block: Block,
    from: u32,
    to: u32,
    joins: Option<Block>,
}

/// What a chained function was given.
#[derive(Clone, Copy)]
struct Given {
    r1: Value,
    fuel: Value,
    /// The tail calls that are left, where nobody but this function makes any.
    calls: Option<Value>,
}

struct Translator<'a, 'f> {
    plan: &'a Plan<'a>,
    unit: &'a Unit<'a>,
    flow: &'a Flow,
    frame: Frame<'a>,
    /// What the operations of the function that is made cost.
    costs: Costs,
    b: FunctionBuilder<'f>,
    ctx: Value,
    /// What is left of the fuel, where the function has loops that are counted.
    fuel: Option<Variable>,
    /// What a chained function was given.
    given: Option<Given>,
    /// Where a pending trap gets its place: takes the operation.
    place: Option<Block>,
    /// Where a trap that has its place leaves the function.
    leave: Option<Block>,
    /// Where a load outside the packet leaves the function.
    outside: Option<Block>,
    /// Where the packet's data is, and its length, when they are arguments.
    packet: Option<(Value, Value)>,
    /// Bytes that the packet is known to have.
    known: u32,
    /// How functions of the host are called, and how those that hardly ever run.
    signatures: [Option<SigRef>; Service::ALL.len()],
    stub_signature: Option<SigRef>,
    callees: Vec<Option<FuncRef>>,
    context_region: AliasRegion,
    import: &'a mut Import<'a>,
    /// The counted loops of the function that is made.
    turns: Vec<Turning>,
    /// Loops that pay where their turns begin.
    paying: Vec<Paying>,
    retreats: Vec<Retreat>,
    /// Edges that are still to be filled.
    edges: Vec<(Block, Edge)>,
    /// The block being translated, by index in the function that is made.
    here: Option<usize>,
    /// Remembered regions in registers: where they begin, and what offsets are held against.
    kept: BTreeMap<Key, (Variable, Variable)>,
    /// What values of the block being translated consist of.
    parts: Parts,
    /// The operation being translated.
    at: u32,
}

impl Translator<'_, '_> {
    fn prologue(&mut self, entry: Block) {
        let given: Vec<Value> = self.b.block_params(entry)[1..].to_vec();
        if matches!(self.unit.packet, PacketAt::Args { .. })
            && let [_, data, len, ..] = given[..]
        {
            self.packet = Some((data, len));
        }
        match given[..] {
            [r1, calls, fuel, ctx] if self.is_chained() => self.begin_chained(r1, calls, fuel, ctx),
            _ => {
                for (reg, value) in regs(params(self.frame.func)).zip(given) {
                    self.set(reg, value);
                }
            }
        }
        for (index, reg) in INHERITED.into_iter().enumerate() {
            if self.frame.func.live_in & bit(reg) != 0 {
                let offset = std::mem::offset_of!(Context, inherited) + 8 * index;
                let value = self.load_context(offset as i32);
                self.set(reg, value);
            }
        }
        if self.unit.fuel != Fuel::Off && self.frame.func.loops && self.fuel.is_none() {
            let var = self.b.declare_var(I64);
            self.fuel = Some(var);
            self.fuel_in();
        }
        self.find_turns();
        self.find_checks();
        if self.frame.func.ops(self.unit.ops).any(|(_, op)| matches!(op, Op::MayGoto { .. })) {
            let var = self.b.declare_var(I32);
            let turns = self.b.ins().iconst(I32, MAY_GOTO as i64);
            self.b.def_var(var, turns);
            self.frame.may_goto = Some(var);
        }
        self.begin();
    }

    /// Translates the function of the frame.
    fn blocks(&mut self) {
        let last = self.frame.last_ways_in(self.unit.ops);
        for index in 0..self.frame.func.blocks.len() {
            if last[index].is_none() {
                self.b.seal_block(self.frame.blocks[index]);
            }
            self.block(index);
            for (to, _) in last.iter().enumerate().filter(|l| *l.1 == Some(index)) {
                if !self.is_counted_head(to) {
                    self.b.seal_block(self.frame.blocks[to]);
                }
            }
        }
    }

    /// Goes on in a block that no more ways will lead to.
    fn enter(&mut self, block: Block) {
        self.b.switch_to_block(block);
        self.b.seal_block(block);
    }

    fn block(&mut self, index: usize) {
        let mut copies = Vec::new();
        let crate::flow::Block { start, end, .. } = self.frame.func.blocks[index];
        self.rest_of_block(index, start, end, &mut copies);
        // What the host is asked for one by one where a group could not be held at once.
        for Copied { block, from, to, joins } in copies {
            let first = self.b.func.dfg.num_blocks();
            self.enter(block);
            self.frame.careful = true;
            self.rest_of_block(index, from, to, &mut Vec::new());
            if let Some(join) = joins {
                self.keep_registers(Regs::MAX);
                self.b.ins().jump(join, &[]);
                self.b.seal_block(join);
            }
            self.frame.careful = false;
            for block in first..self.b.func.dfg.num_blocks() {
                self.b.set_cold_block(Block::from_u32(block as u32));
            }
        }
    }

    /// Translates a block from an operation up to another; `copies` gets what must be translated once more.
    fn rest_of_block(&mut self, index: usize, from: u32, to: u32, copies: &mut Vec<Copied>) {
        let block = self.frame.func.blocks[index];
        if self.frame.caller.is_none() {
            self.here = Some(index);
        }
        self.b.set_srcloc(SourceLoc::new(from));
        if !self.frame.careful {
            self.b.switch_to_block(self.frame.blocks[index]);
            self.begin_turn(index);
        }
        self.parts.forget();
        self.frame.gathered = None;
        self.hold_registers();
        for at in from..to {
            self.at = at;
            if !self.frame.careful
                && let Some(group) = self.frame.checks.groups.get(&at).cloned()
            {
                if group.gathers {
                    self.hold_loads(&group);
                } else {
                    self.keep_registers(Regs::MAX);
                    let to = self.frame.checks.end_of_copy(at) + 1;
                    copies.push(Copied { block: self.hold_group(&group), from: at, to, joins: None });
                }
            }
            self.b.set_srcloc(SourceLoc::new(at));
            let op = &self.unit.ops[at as usize];
            if matches!(op, Op::Goto { .. } | Op::Jump { .. } | Op::MayGoto { .. }) {
                self.end_registers(index);
            }
            self.op(op);
            if at + 1 < block.end {
                for copied in copies.iter_mut().filter(|c| c.to == at + 1) {
                    copied.joins = Some(self.join());
                }
            }
        }
        if to < block.end {
            return;
        }
        if !self.b.is_unreachable() && !self.is_filled() {
            self.end_registers(index);
            let next = self.way(block.end);
            self.b.ins().jump(next, &[]);
            self.fill_ways();
        }
    }

    /// Goes on in a block that a copy will lead to too.
    fn join(&mut self) -> Block {
        self.keep_registers(Regs::MAX);
        let join = self.b.create_block();
        self.b.ins().jump(join, &[]);
        self.b.switch_to_block(join);
        self.parts.forget();
        self.hold_registers();
        join
    }

    /// Whether the current block has its last instruction.
    fn is_filled(&self) -> bool {
        let last = &self.unit.ops[self.at as usize];
        matches!(last, Op::Goto { .. } | Op::Jump { .. } | Op::MayGoto { .. } | Op::Exit | Op::Trap)
    }

    /// The blocks that traps leave through.
    fn epilogue(&mut self) {
        self.frame.held = Held::default();
        self.fill_turns();
        if let Some(place) = self.place {
            self.enter(place);
            let op = self.b.append_block_param(place, I32);
            let op = self.b.ins().uextend(I64, op);
            self.call_last(Service::place, &[op]);
            // One way out for all: one that only a loop leads to would keep what stays the same in the loop
            // from being moved out of it.
            let leave = self.leave_block();
            self.b.ins().jump(leave, &[]);
        }
        if let Some(leave) = self.leave {
            self.enter(leave);
            let (zero, one) = (self.b.ins().iconst(I64, 0), self.b.ins().iconst(I64, 1));
            self.b.ins().return_(&[zero, one]);
        }
        if let Some(outside) = self.outside {
            self.enter(outside);
            let zero = self.b.ins().iconst(I64, 0);
            self.return_value(zero);
        }
    }

    fn op(&mut self, op: &Op) {
        match *op {
            Op::Alu { op, width, dst, src } => self.alu(op, width, dst, src),
            Op::Neg { width, dst } => self.neg(width, dst),
            Op::Mov { width, dst, src } => self.mov(width, dst, src),
            Op::Const { dst, value, meaning } => {
                let value = match meaning {
                    Meaning::Memory { .. } => self.host_address(value),
                    _ => self.b.ins().iconst(I64, value as i64),
                };
                self.set(dst, value);
            }
            Op::MovSx { width, from, dst, src } => self.movsx(width, from, dst, src),
            Op::Swap { size, dst } => self.swap(size, dst),
            Op::Truncate { size, dst } => self.truncate(size, dst),
            Op::Nop => {}
            Op::Load { size, signed, dst, base, off } => self.load(size, signed, dst, base, off),
            Op::Store { size, base, off, src } => self.store(size, base, off, src),
            Op::LoadAcquire { size, dst, base, off } => self.load_acquire(size, dst, base, off),
            Op::StoreRelease { size, base, off, src } => self.store_release(size, base, off, src),
            Op::Atomic { op, fetch, size, base, off, src } => self.atomic(op, fetch, size, base, off, src),
            Op::Packet { base, size, off } => self.packet(base, size, off),
            Op::Goto { to } => self.goto(to),
            Op::Jump { cond, width, dst, src, to } => self.jump(cond, width, dst, src, to),
            Op::MayGoto { to } => self.may_goto(to),
            Op::CallSub { to } => self.call_sub(to),
            Op::CallHelper { index, args, plain } => self.call_helper(index, args, plain),
            Op::CallReg { src } => self.call_reg(src),
            Op::Lookup { map, key, of } => self.lookup(map, key, of),
            Op::Cpu => {
                let cpu = self.cpu();
                self.set(Reg::R0, cpu);
            }
            Op::Csum => self.csum(),
            Op::TailCall { array } => self.tail_call(array),
            Op::Trap => {
                let zero = self.b.ins().iconst(I64, 0);
                self.fault(zero);
            }
            Op::Exit => self.exit(),
        }
    }

    /// An operand at 64 bits.
    fn src64(&mut self, src: Src) -> Value {
        match src {
            Src::Reg(reg) => self.get(reg),
            Src::Imm(imm) => self.b.ins().iconst(I64, imm),
        }
    }

    /// An operand's low half.
    fn src32(&mut self, src: Src) -> Value {
        match src {
            Src::Reg(reg) => self.low(reg),
            Src::Imm(imm) => self.b.ins().iconst(I32, imm as u32 as i64),
        }
    }

    fn context_flags(&self) -> MemFlagsData {
        MemFlagsData::trusted().with_alias_region(Some(self.context_region))
    }

    fn load_context(&mut self, offset: i32) -> Value {
        let flags = self.context_flags();
        self.b.ins().load(I64, flags, self.ctx, offset)
    }

    fn store_context(&mut self, offset: usize, value: Value) {
        let flags = self.context_flags();
        self.b.ins().store(flags, value, self.ctx, offset as i32);
    }

    /// Calls a function of the host that hardly ever runs, from a cold block, keeping all registers; gives
    /// the status. What it gives besides stands in the context.
    fn call_rarely(&mut self, service: Service, args: &[Value]) -> Value {
        let address = self.plan.stubs.address(service, self.plan.chained);
        let address = address.expect("rare services have stubs");
        for (nth, &arg) in args.iter().enumerate() {
            self.store_context(argument(nth), arg);
        }
        let signature = match self.stub_signature {
            Some(signature) => signature,
            None => {
                let signature = self.b.import_signature(stub_signature());
                *self.stub_signature.insert(signature)
            }
        };
        let callee = self.b.ins().iconst(I64, address as i64);
        self.b.ins().call_indirect(signature, callee, &[self.frame.fp]);
        self.load_context(STATUS as i32)
    }

    /// Calls a function of the host before the function is left: no register is in the way, but a chained function
    /// may have no [frame](crate::frames).
    fn call_last(&mut self, service: Service, args: &[Value]) -> (Value, Value) {
        if !self.plan.chained {
            return self.call(service, args);
        }
        let status = self.call_rarely(service, args);
        (self.load_context(VALUE as i32), status)
    }

    /// Calls a function of the host.
    fn call(&mut self, service: Service, args: &[Value]) -> (Value, Value) {
        self.parts.forget();
        let index = service as usize;
        let signature = match self.signatures[index] {
            Some(signature) => signature,
            None => {
                let signature = self.b.import_signature(signature(service.arity()));
                *self.signatures[index].insert(signature)
            }
        };
        let flags = self.context_flags().with_readonly();
        let callee = self.b.ins().load(I64, flags, self.ctx, service.offset());
        let mut all = vec![self.frame.fp];
        all.extend_from_slice(args);
        let inst = self.b.ins().call_indirect(signature, callee, &all);
        let results = self.b.inst_results(inst);
        (results[0], results[1])
    }

    /// The operation being translated, as an argument.
    fn here_value(&mut self) -> Value {
        self.b.ins().iconst(I64, self.at as i64)
    }

    /// The same in a cold block.
    fn trap_if_cold(&mut self, status: Value) {
        self.trap_if(status);
        if let Some(block) = self.b.current_block() {
            self.b.set_cold_block(block);
        }
    }

    /// Leaves the function when a trap is pending, and says that it happened here.
    fn trap_if(&mut self, status: Value) {
        let place = self.place_block();
        let go_on = self.b.create_block();
        let at = self.b.ins().iconst(I32, self.at as i64);
        self.b.ins().brif(status, place, &[at.into()], go_on, &[]);
        self.enter(go_on);
    }

    /// Leaves the function when a trap is pending that has its place; goes on in a cold block. What comes back
    /// from there must jump: an edge from a branch to where hot code goes on would be put among that.
    fn go_on_unless(&mut self, status: Value) {
        let (leave, go_on) = (self.leave_block(), self.cold_block());
        self.b.ins().brif(status, leave, &[], go_on, &[]);
        self.enter(go_on);
    }

    fn place_block(&mut self) -> Block {
        match self.place {
            Some(block) => block,
            None => {
                let block = self.b.create_block();
                self.b.set_cold_block(block);
                *self.place.insert(block)
            }
        }
    }

    fn leave_block(&mut self) -> Block {
        match self.leave {
            Some(block) => block,
            None => {
                let block = self.b.create_block();
                self.b.set_cold_block(block);
                *self.leave.insert(block)
            }
        }
    }

    fn outside_block(&mut self) -> Block {
        match self.outside {
            Some(block) => block,
            None => {
                let block = self.cold_block();
                *self.outside.insert(block)
            }
        }
    }

    /// Traps here, at an address if that matters, and ends the block.
    fn fault(&mut self, addr: Value) {
        let here = self.here_value();
        let (zero, status) = self.call_last(Service::fault, &[here, addr]);
        self.b.ins().return_(&[zero, status]);
    }

    /// A block for what hardly ever happens.
    fn cold_block(&mut self) -> Block {
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        block
    }

    /// The block that begins at an operation.
    fn block_of(&self, op: u32) -> Block {
        // Every jump and every operation after one begins a block; `flow` has seen to it.
        self.frame.blocks[self.frame.func.block_at(op).expect("control goes to the beginning of a block")]
    }
}
