//! One classic filter for packets in every engine that runs its conversion.

use oxbpf::isa::cbpf::convert::{ConvertError, Options, convert};
use oxbpf::isa::cbpf::{Dialect, Filter};
use oxbpf::isa::kernel::{KernelModel, ProgType};
use oxbpf::isa::program::Program;
use oxbpf::vm::{
    Config, Context, ContextLayout, Engine, Input, Instance, Linker, Packet, PacketFilter, PacketRef,
    Strategy, sk_buff,
};

/// The names of the engines, in the order of verdicts.
pub const ENGINES: [&str; 3] = ["converted, interpreted", "converted, compiled", "machine code"];

/// A filter, converted, interpreted and compiled.
pub struct Engines {
    /// The conversion.
    pub program: Program,
    dialect: Dialect,
    instances: [Instance<()>; 2],
    compiled: PacketFilter,
    context: Context,
    packet: Packet,
}

impl Engines {
    /// Converts a filter, has the verifier prove it, and compiles it: by its proof for the interpreter and
    /// for calls with packets alone, with every access held for the machine.
    ///
    /// # Errors
    /// When it has no eBPF form, as those with loops.
    ///
    /// # Panics
    /// When what is converted is not proved, linked and compiled, which all conversions are.
    pub fn new(filter: &Filter) -> Result<Engines, ConvertError> {
        let mut program = Program::from_insns("filter", convert(filter, &Options::default())?);
        program.prog_type = Some(ProgType::SocketFilter);
        let proof = match oxbpf_verifier::prove(&program, &KernelModel::latest(), 1) {
            Ok(proof) => proof,
            Err(why) => panic!("a conversion that is not proved: {why:?}\n{:?}", filter.insns()),
        };
        let engine = |strategy| Engine::new(Config::new().strategy(strategy));
        let instances = [
            Linker::new(&engine(Strategy::Interpret)).instantiate_verified(&proof).expect("it links"),
            Linker::new(&engine(Strategy::Compile)).instantiate(&program).expect("it compiles"),
        ];
        drop(proof);
        let compiled = PacketFilter::new(filter).expect("it compiles");
        // The length that libpcap's filters ask for is that on the wire.
        let mut layout = ContextLayout::sk_buff();
        layout.len_field = None;
        let (context, packet) = (Context::new(layout), Packet::new(&[]));
        Ok(Engines { program, dialect: filter.dialect(), instances, compiled, context, packet })
    }

    /// The verdicts of all on a packet without metadata, of which `data` was captured.
    ///
    /// # Panics
    /// When an engine traps, which no conversion gives reason for.
    pub fn verdicts(&mut self, data: &[u8], length: u32) -> [u32; ENGINES.len()] {
        let len = if self.dialect == Dialect::Pcap { length } else { data.len() as u32 };
        let [interpreted, checked] = &self.instances;
        let mut run = |instance: &Instance<()>| {
            self.context.set_u32(sk_buff::LEN, len);
            self.packet.refill(data, 0, 0);
            let input = Input::context(&mut self.context).packet(&mut self.packet);
            instance.run(&mut (), input).expect("no trap").ret as u32
        };
        [run(interpreted), run(checked), self.compiled.run(data, length)]
    }

    /// The verdicts of machine code on all packets at once, in order.
    pub fn batch(&mut self, packets: &[PacketRef<'_>]) -> Vec<u32> {
        let mut verdicts = vec![!0; packets.len()];
        assert_eq!(self.compiled.run_batch(packets, &mut verdicts), packets.len());
        verdicts
    }
}
