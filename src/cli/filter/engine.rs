//! What runs a filter on packets: the interpreter of classic instructions, machine code, or the virtual
//! machine on the filter's conversion.

use super::context::{self, Circumstances};
use super::{Args, EngineKind, Layer};
use crate::packet::Captured;
use crate::vm::{
    Config, Context, ContextLayout, Engine, Input, Instance, Linker, Packet, Seeded, Strategy, sk_buff,
};
#[cfg(feature = "jit")]
use crate::vm::{FilterError, PacketFilter};
use oxbpf_isa::cbpf::{Dialect, Filter, Insn, PacketContext, convert};
use oxbpf_isa::kernel::ProgType;
use oxbpf_isa::program::Program;
use std::sync::Arc;

/// A filter ready to run.
pub(super) struct Runner {
    filter: Filter,
    /// What the packets of a capture are taken to come with; nothing when the filter does not ask.
    circumstances: Option<Circumstances>,
    at: Layer,
    engine: Running,
}

/// What a filter runs in.
enum Running {
    /// The interpreter, for good.
    Interp,
    /// The interpreter, until so many packets more make it worth the time to compile.
    #[cfg(feature = "jit")]
    Until(u32),
    #[cfg(feature = "jit")]
    Compiled(Box<PacketFilter>),
    Machine(Box<Machine>),
}

/// Packets that are interpreted in the time that compiling takes.
#[cfg(feature = "jit")]
const HOT: u32 = 20_000;

/// The virtual machine with its one packet, which takes the bytes of each in turn.
struct Machine {
    instance: Instance<()>,
    context: Context,
    packet: Packet,
}

/// Why an engine does not run a filter.
pub(super) enum NoRunner {
    Convert(convert::ConvertError),
    Link(crate::vm::LinkError),
    #[cfg(feature = "jit")]
    Compile(FilterError),
}

impl Runner {
    pub(super) fn new(filter: Filter, args: &Args, kind: EngineKind) -> Result<Runner, NoRunner> {
        let wanted = filter.dialect() == Dialect::Socket && context::needs_more(filter.insns());
        let engine = match kind {
            #[cfg(feature = "jit")]
            EngineKind::Auto => Running::Until(HOT),
            #[cfg(not(feature = "jit"))]
            EngineKind::Auto => Running::Interp,
            EngineKind::Interp => Running::Interp,
            EngineKind::Vm => Running::Machine(Box::new(Machine::new(&filter, Strategy::Interpret)?)),
            #[cfg(feature = "jit")]
            EngineKind::Jit => match PacketFilter::new(&filter) {
                Ok(compiled) => Running::Compiled(Box::new(compiled)),
                // The machine runs what cannot be proved with every access held.
                Err(FilterError::Unproven) => {
                    Running::Machine(Box::new(Machine::new(&filter, Strategy::Compile)?))
                }
                Err(error) => return Err(NoRunner::Compile(error)),
            },
        };
        // The machine's context wants all of it in any case.
        let wanted = wanted || matches!(engine, Running::Machine(_)) || args.at == Layer::Network;
        let circumstances = wanted.then(|| args.ctx.clone().unwrap_or_default());
        Ok(Runner { filter, circumstances, at: args.at, engine })
    }

    /// The verdict on a packet.
    pub(super) fn run(&mut self, captured: &Captured<'_>) -> u32 {
        #[cfg(feature = "jit")]
        if let (Running::Compiled(compiled), None) = (&mut self.engine, &self.circumstances) {
            return compiled.run(captured.bytes, captured.original_len);
        }
        let packet = match &self.circumstances {
            Some(circumstances) => circumstances.packet(captured, self.at),
            None => context::bare(captured),
        };
        match &mut self.engine {
            Running::Interp => self.filter.run(&packet),
            #[cfg(feature = "jit")]
            Running::Until(0) => {
                let compiled = PacketFilter::new(&self.filter);
                self.engine = compiled.map_or(Running::Interp, |c| Running::Compiled(Box::new(c)));
                self.filter.run(&packet)
            }
            #[cfg(feature = "jit")]
            Running::Until(left) => {
                *left -= 1;
                self.filter.run(&packet)
            }
            #[cfg(feature = "jit")]
            Running::Compiled(compiled) => compiled.run_packet(&packet),
            Running::Machine(machine) => machine.run(&packet, self.filter.dialect()),
        }
    }
}

impl Machine {
    fn new(filter: &Filter, strategy: Strategy) -> Result<Machine, NoRunner> {
        let insns = convert::convert(filter, &convert::Options::default()).map_err(NoRunner::Convert)?;
        let mut program = Program::from_insns("filter", insns);
        program.prog_type = Some(ProgType::SocketFilter);
        let engine = Engine::new(Config::new().random(Arc::new(Seeded::new(1))).strategy(strategy));
        let mut linker = Linker::new(&engine);
        // The length that libpcap's filters ask for is that on the wire, not of what was captured. The
        // proof speaks of contexts in which it is the latter, so these run with their accesses checked.
        let asks_len = filter.insns().iter().any(|insn| matches!(insn, Insn::LoadLen | Insn::LoadXLen));
        let on_wire = filter.dialect() == Dialect::Pcap && asks_len;
        let mut layout = ContextLayout::sk_buff();
        let mut instance = None;
        if on_wire {
            layout.len_field = None;
        } else if let Ok(proof) = oxbpf_verifier::prove(&program, crate::vm::newest(), engine.cpus()) {
            instance = linker.instantiate_verified(&proof).ok();
        }
        let instance = match instance {
            Some(instance) => instance,
            None => linker.instantiate(&program).map_err(NoRunner::Link)?,
        };
        Ok(Machine { instance, context: Context::new(layout), packet: Packet::new(&[]) })
    }

    fn run(&mut self, packet: &oxbpf_isa::cbpf::Packet<'_>, dialect: Dialect) -> u32 {
        let network = usize::try_from(packet.data as i64 + i64::from(packet.network)).unwrap_or(0);
        self.packet.refill(packet.frame, packet.data, network);
        let context = &mut self.context;
        let len = if dialect == Dialect::Pcap { packet.wire_len() } else { packet.len() };
        context.set_u32(sk_buff::LEN, len);
        context.set_u32(sk_buff::PKT_TYPE, packet.pkt_type.into());
        context.set_u32(sk_buff::MARK, packet.mark);
        context.set_u32(sk_buff::QUEUE_MAPPING, packet.queue.into());
        context.set_u32(sk_buff::PROTOCOL, packet.protocol.to_be().into());
        context.set_u32(sk_buff::VLAN_PRESENT, packet.vlan.is_some().into());
        context.set_u32(sk_buff::VLAN_TCI, packet.vlan.map_or(0, |vlan| vlan.tci.into()));
        context.set_u32(sk_buff::VLAN_PROTO, packet.vlan.map_or(0, |vlan| vlan.tpid.to_be().into()));
        context.set_u32(sk_buff::IFINDEX, packet.ifindex.unwrap_or(0));
        context.set_u32(sk_buff::HASH, packet.rxhash);
        let input = Input::context(context).packet(&mut self.packet).cpu(packet.cpu);
        // A converted filter has no loops, and its loads end it where the packet does; a trap would
        // be a fault of the conversion, and no packet matches by one.
        self.instance.run(&mut (), input).map_or(0, |outcome| outcome.ret as u32)
    }
}
